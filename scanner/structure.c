/*
 * How a repository is laid out: folders of the root, depth, and whether there are tests, documentation,
 * continuous integration, containers, several packages. Only from the file list.
 */
#include "scanner/scan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* A path (or the folder it lies in, with a trailing '/') that shows a CI system. */
static const struct {
    const char *path, *system;
} ci_signs[] = {
    {".github/workflows/", "github-actions"},
    {".gitlab-ci.yml", "gitlab-ci"},
    {".circleci/", "circleci"},
    {"circle.yml", "circleci"},
    {".travis.yml", "travis-ci"},
    {"Jenkinsfile", "jenkins"},
    {"azure-pipelines.yml", "azure-pipelines"},
    {".azure-pipelines/", "azure-pipelines"},
    {"appveyor.yml", "appveyor"},
    {".appveyor.yml", "appveyor"},
    {".drone.yml", "drone"},
    {"bitbucket-pipelines.yml", "bitbucket-pipelines"},
    {".buildkite/", "buildkite"},
    {".cirrus.yml", "cirrus-ci"},
    {".woodpecker.yml", "woodpecker"},
    {".woodpecker/", "woodpecker"},
    {".teamcity/", "teamcity"},
    {".tekton/", "tekton"},
    {"buildspec.yml", "aws-codebuild"},
    {"cloudbuild.yaml", "google-cloud-build"},
    {"cloudbuild.yml", "google-cloud-build"},
    {".gitea/workflows/", "gitea-actions"},
    {".forgejo/workflows/", "forgejo-actions"},
    {".semaphore/", "semaphore"},
    {".build.yml", "sourcehut"},
    {".builds/", "sourcehut"},
    {".evergreen.yml", "evergreen"},
    {".prow.yaml", "prow"},
};

static void ci_note(struct rb_scan *scan, const char *path)
{
    for (size_t i = 0; i < COUNT(ci_signs); i++) {
        const char *sign = ci_signs[i].path;
        if (sign[0] != path[0]) /* decides nearly always */
            continue;
        bool hit = rb_text_ends(sign, "/") ? rb_text_starts(path, sign) : strcmp(path, sign) == 0;
        if (!hit)
            continue;
        for (size_t k = 0; k < scan->ci_count; k++) {
            if (strcmp(scan->ci[k], ci_signs[i].system) == 0)
                return;
        }
        if (scan->ci_count < COUNT(scan->ci))
            scan->ci[scan->ci_count++] = ci_signs[i].system;
        return;
    }
}

bool rb_path_is_container(const char *path)
{
    const char *base = rb_path_base(path);
    return strcmp(base, "Dockerfile") == 0 || rb_text_starts(base, "Dockerfile.") ||
           rb_text_ends(base, ".Dockerfile") || rb_text_ends(base, ".dockerfile") ||
           strcmp(base, "Containerfile") == 0 ||
           ((rb_text_starts(base, "docker-compose") || rb_text_starts(base, "compose.")) &&
            rb_text_ends_in_yaml(base));
}

/* A container of the repository itself: not one to develop in, nor one that it tests or generates with. */
static bool path_is_own_container(const char *path, unsigned kinds)
{
    return !(kinds & (RB_PATH_ANY_DOCUMENTATION | RB_PATH_TEST | RB_PATH_FIXTURE)) &&
           rb_path_is_container(path) && !rb_text_starts(path, ".devcontainer/") &&
           !rb_path_is_template(path);
}

static bool path_is_docs(const char *path)
{
    static const char *const folders[] = {"doc/", "docs/", "documentation/", "guides/", "website/docs/"};
    for (size_t i = 0; i < COUNT(folders); i++) {
        if (strncasecmp(path, folders[i], strlen(folders[i])) == 0)
            return true;
    }
    return strcmp(path, "mkdocs.yml") == 0 || strcmp(path, "book.toml") == 0 ||
           strcmp(path, ".readthedocs.yaml") == 0;
}

/* Files that say "several packages live here" all by themselves. */
static bool path_declares_workspace(const char *path)
{
    static const char *const names[] = {"pnpm-workspace.yaml", "lerna.json", "nx.json",   "turbo.json",
                                        "rush.json",           "go.work",    "pants.toml"};
    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(path, names[i]) == 0)
            return true;
    }
    return false;
}

/*
 * Several packages of one kind in folders of their own: a monorepo even when nothing declares it. Examples,
 * tests and vendored code do not count, nor does a package inside another's folder tree of tests.
 */
#define PACKAGES_MAKE_MONOREPO 2
struct package_count {
    const char *ecosystem;
    size_t folders;
    struct rb_piece last;
};

static void package_note(struct package_count *counts, size_t room, const char *path, unsigned kinds)
{
    const struct rb_scan_format *format = rb_scan_format_of(path);
    if (!format || !format->is_package || !strchr(path, '/') || rb_path_is_hidden(path) ||
        (kinds & (RB_PATH_ANY_VENDORED | RB_PATH_ANY_DOCUMENTATION | RB_PATH_TEST | RB_PATH_FIXTURE)) ||
        rb_path_is_template(path) || rb_text_starts(path, "buildSrc/") ||
        rb_text_starts(path, "build-logic/"))
        return; /* the last two are how Gradle projects keep code of their build */
    struct rb_piece folder = rb_path_folder(path);
    for (size_t i = 0; i < room; i++) {
        if (!counts[i].ecosystem)
            counts[i].ecosystem = format->ecosystem;
        if (strcmp(counts[i].ecosystem, format->ecosystem) != 0)
            continue;
        if (counts[i].last.len != folder.len ||
            memcmp(counts[i].last.at ? counts[i].last.at : "", folder.at, folder.len) != 0)
            counts[i].folders++;
        counts[i].last = folder;
        return;
    }
}

static int folder_order(const void *a, const void *b)
{
    const struct rb_scan_folder *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->path, y->path);
}

/* Folders of the root with all that is below them; the list is sorted by path, so each is one run of entries.
 */
static void structure_top(struct rb_scan *scan)
{
    size_t room = 64, count = 0;
    struct rb_scan_folder *folders = rb_calloc(room, sizeof *folders);
    struct rb_piece current = {NULL, 0};
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        const char *slash = strchr(entry->path, '/');
        if (!slash || entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE)
            continue;
        size_t len = (size_t)(slash - entry->path);
        if (!current.at || current.len != len || memcmp(current.at, entry->path, len) != 0) {
            current = (struct rb_piece){entry->path, len};
            if (count == room) {
                room *= 2;
                folders = rb_realloc(folders, room * sizeof *folders);
            }
            folders[count++] =
                (struct rb_scan_folder){.path = rb_text_clean(scan->arena, current.at, len, RB_SCAN_PATH_MAX),
                                        .files = 0,
                                        .bytes = 0};
        }
        folders[count - 1].files++;
        folders[count - 1].bytes += entry->size > 0 ? entry->size : 0;
    }
    qsort(folders, count, sizeof *folders, folder_order);
    scan->top_count = count < RB_SCAN_TOP_MAX ? count : RB_SCAN_TOP_MAX;
    scan->top = rb_arena_alloc(scan->arena, (scan->top_count + 1) * sizeof *scan->top);
    memcpy(scan->top, folders, scan->top_count * sizeof *folders);
    free(folders);
}

void rb_scan_structure(struct rb_scan *scan)
{
    struct package_count packages[12] = {0};
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        const char *path = entry->path;
        if (entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE)
            continue;
        size_t depth = rb_path_depth(path);
        scan->depth = depth > scan->depth ? depth : scan->depth;
        ci_note(scan, path);
        if (path_declares_workspace(path))
            scan->is_monorepo = true;
        unsigned kinds = rb_path_kinds(path);
        package_note(packages, COUNT(packages), path, kinds);
        if (kinds & RB_PATH_ANY_VENDORED)
            continue;
        scan->has_tests = scan->has_tests || (kinds & RB_PATH_TEST);
        scan->has_docs = scan->has_docs || path_is_docs(path);
        scan->has_containers = scan->has_containers || path_is_own_container(path, kinds);
    }
    for (size_t i = 0; i < COUNT(packages); i++)
        scan->is_monorepo = scan->is_monorepo || packages[i].folders >= PACKAGES_MAKE_MONOREPO;
    structure_top(scan);
}
