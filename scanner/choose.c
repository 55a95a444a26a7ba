/*
 * Which manifests are worth reading: those of the repository itself first, the nearest to the root first, and
 * no kind so many that the others starve.
 */
#include "scanner/facts.h"
#include "scanner/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Files that a generator fills in: "{{cookiecutter.name}}/setup.py", "templates/app/package.json". */
bool rb_path_is_template(const char *path)
{
    static const char *const folders[] = {"templates/", "template/", "skeleton/", "boilerplate/",
                                          "scaffold/"};
    if (strstr(path, "{{") || strstr(path, "<%"))
        return true;
    for (size_t i = 0; i < COUNT(folders); i++) {
        const char *at = strstr(path, folders[i]);
        if (at && (at == path || at[-1] == '/'))
            return true;
    }
    return false;
}

struct choice {
    const struct rb_tree_entry *entry;
    const struct rb_scan_format *format;
    size_t depth;
    int rank;
    size_t kind; /* which counter its format has */
    bool aside;
};

/* What says most of the repository comes first. */
static int choice_rank(const struct rb_scan_format *format, bool aside)
{
    if (strcmp(format->ecosystem, "github-actions") == 0)
        return 3;
    if (aside)
        return 4;
    if (format->is_lock)
        return 1;
    return format->is_package || (*format->ecosystem && strcmp(format->ecosystem, "docker") != 0) ? 0 : 2;
}

static int choice_order(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return strcmp(x->entry->path, y->entry->path);
}

/* The next folder of a path, from `at` on; false where the file itself comes. */
static bool path_folder(struct rb_piece *folder, const char **at)
{
    const char *slash = strchr(*at, '/');
    if (!slash)
        return false;
    *folder = (struct rb_piece){*at, (size_t)(slash - *at)};
    *at = slash + 1;
    return true;
}

bool rb_path_is_hidden(const char *path)
{
    struct rb_piece folder;
    while (path_folder(&folder, &path)) {
        if (rb_piece_starts(folder, "."))
            return true;
    }
    return false;
}

/* Where tools keep what others wrote. */
static bool folder_is_store(struct rb_piece folder)
{
    static const char *const stores[] = {".bundle",     ".cache",     ".cargo", ".eggs", ".git",
                                         ".gradle",     ".m2",        ".next",  ".nox",  ".npm",
                                         ".nuxt",       ".obsidian",  ".tox",   ".venv", ".yarn",
                                         ".pnpm-store", ".terraform", ".vscode"};
    for (size_t i = 0; i < COUNT(stores); i++) {
        if (rb_piece_is(folder, stores[i]))
            return true;
    }
    return false;
}

/* As rb_path_is_vendored(), which takes all below .github and .teamcity for somebody else's: what a project
 * keeps there for its tools is its own. */
static bool path_is_vendored(const char *path)
{
    char shown[RB_SCAN_PATH_MAX] = "";
    size_t len = 0;
    struct rb_piece folder;
    if (!rb_path_is_hidden(path))
        return rb_path_is_vendored(path);
    for (const char *at = path; path_folder(&folder, &at);) {
        if (folder_is_store(folder) || len + folder.len + 1 >= sizeof shown)
            return true;
        if (rb_piece_starts(folder, "."))
            continue;
        memcpy(shown + len, folder.at, folder.len);
        len += folder.len;
        shown[len++] = '/';
    }
    return (size_t)snprintf(shown + len, sizeof shown - len, "%s", rb_path_base(path)) >=
               sizeof shown - len ||
           rb_path_is_vendored(shown);
}

static bool path_is_wanted(const char *path, const struct rb_scan_format *format)
{
    if (strcmp(format->ecosystem, "github-actions") == 0 || format->parse == rb_look_codeowners)
        return true;
    if (format->parse == rb_gradle_catalog_parse)
        return !rb_path_is_fixture(path);
    return !path_is_vendored(path) && !rb_path_is_fixture(path) && !rb_path_is_template(path);
}

/* "examples", "Examples", "acme-examples" and "examples-web" for "examples". */
static bool folder_is_like(struct rb_piece folder, const char *word)
{
    size_t len = strlen(word);
    if (folder.len < len)
        return false;
    const char *end = folder.at + folder.len - len;
    bool starts = strncasecmp(folder.at, word, len) == 0, ends = strncasecmp(end, word, len) == 0;
    return (starts && (folder.len == len || folder.at[len] == '-')) ||
           (ends && end > folder.at && end[-1] == '-');
}

static bool path_has_folder_like(const char *path, const char *const *words, size_t count)
{
    struct rb_piece folder;
    while (path_folder(&folder, &path)) {
        for (size_t i = 0; i < count; i++) {
            if (folder_is_like(folder, words[i]))
                return true;
        }
    }
    return false;
}

bool rb_path_is_example(const char *path)
{
    static const char *const folders[] = {
        "example", "examples", "sample", "samples", "demo",       "demos",    "benchmark", "benchmarks",
        "bench",   "benches",  "fuzz",   "fuzzing", "playground", "tutorial", "tutorials", "template"};
    return path_has_folder_like(path, folders, COUNT(folders));
}

/* Examples, documentation and tests have manifests of their own; workflows, and what lies in folders for
 * tools, say how it is built, not what it is. */
static bool path_is_aside(const char *path, const struct rb_scan_format *format)
{
    static const char *const docs[] = {"docs"};
    if (strcmp(format->ecosystem, "github-actions") == 0 ||
        (rb_path_is_hidden(path) && *format->ecosystem && format->parse != rb_dotnet_tools_parse))
        return true;
    if (!strchr(path, '/') || rb_text_starts(path, "requirements/"))
        return false;
    if (rb_path_is_documentation(path) || rb_path_is_example(path) ||
        path_has_folder_like(path, docs, COUNT(docs)))
        return true;
    return format->parse != rb_nuget_parse && rb_path_is_test(path);
}

/* Notes a manifest, and asks for its content where that can be read and says something. */
static void manifest_put(struct rb_scan *scan, const struct choice *choice)
{
    struct rb_scan_manifest *manifest = &scan->manifests[scan->manifest_count];
    const char *path = choice->entry->path;
    size_t max = rb_scan_format_bytes(choice->format);
    struct rb_scan_wanted wanted = {.entry = choice->entry,
                                    .max_bytes = max,
                                    .is_filling = choice->format->is_lock && choice->aside,
                                    .index = scan->manifest_count,
                                    .take = rb_scan_read,
                                    .miss = rb_scan_miss};
    enum rb_manifest_status status = RB_MANIFEST_CHOSEN;
    if (!choice->format->parse) {
        status = RB_MANIFEST_NOTED;
    } else if (choice->entry->size > (int64_t)max) {
        status = RB_MANIFEST_TOO_BIG;
        rb_scan_skip(scan, path, RB_SKIP_SIZE, "larger than such a file is read");
    } else if (!rb_scan_want(scan, &wanted)) {
        scan->manifests_left_out++;
        return;
    }
    *manifest = (struct rb_scan_manifest){
        .entry = choice->entry,
        .format = choice->format,
        .path = rb_text_clean(scan->arena, path, strlen(path), RB_SCAN_PATH_MAX),
        .folder = rb_path_folder(path),
        .aside = choice->aside,
        .status = status,
        .error = "",
    };
    scan->manifest_count++;
}

/* In the first round no format takes more than this; what is left of the places goes by order alone. */
#define FIRST_ROUND_PER_FORMAT 250
#define FORMAT_KINDS_MAX       256 /* that are told apart */

static void choices_take(struct rb_scan *scan, const struct choice *choices, size_t count)
{
    size_t places = count < RB_SCAN_MANIFESTS_MAX ? count : RB_SCAN_MANIFESTS_MAX, used = 0;
    size_t taken_of[FORMAT_KINDS_MAX] = {0};
    bool *taken = rb_calloc(count + 1, sizeof *taken);
    scan->manifests = rb_arena_alloc(scan->arena, places * sizeof *scan->manifests);
    for (size_t i = 0; i < count && used < places; i++) {
        taken[i] = taken_of[choices[i].kind]++ < FIRST_ROUND_PER_FORMAT;
        used += taken[i];
    }
    for (size_t i = 0; i < count && used < places; i++) {
        used += !taken[i];
        taken[i] = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (taken[i]) {
            manifest_put(scan, &choices[i]);
        } else {
            scan->manifests_left_out++;
            rb_scan_skip(scan, choices[i].entry->path, RB_SKIP_LIMIT, "a scan reads 2,500 manifests");
        }
    }
    free(taken);
}

/* Formats in the order they are met. */
struct kinds {
    const struct rb_scan_format *formats[FORMAT_KINDS_MAX];
    size_t count;
};

static size_t kind_of(struct kinds *kinds, const struct rb_scan_format *format)
{
    size_t i = 0;
    while (i < kinds->count && kinds->formats[i] != format)
        i++;
    if (i == kinds->count && i < FORMAT_KINDS_MAX)
        kinds->formats[kinds->count++] = format;
    return i < FORMAT_KINDS_MAX ? i : FORMAT_KINDS_MAX - 1;
}

void rb_scan_choose(struct rb_scan *scan)
{
    size_t room = 256, count = 0;
    struct choice *choices = rb_calloc(room, sizeof *choices);
    struct kinds kinds = {.count = 0};
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        if (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE)
            continue;
        const struct rb_scan_format *format = rb_scan_format_of(entry->path);
        if (!format || !path_is_wanted(entry->path, format))
            continue;
        if (count == room) {
            room *= 2;
            choices = rb_realloc(choices, room * sizeof *choices);
        }
        bool aside = path_is_aside(entry->path, format);
        choices[count++] = (struct choice){.entry = entry,
                                           .format = format,
                                           .depth = rb_path_depth(entry->path),
                                           .rank = choice_rank(format, aside),
                                           .kind = kind_of(&kinds, format),
                                           .aside = aside};
    }
    qsort(choices, count, sizeof *choices, choice_order);
    choices_take(scan, choices, count);
    free(choices);
}
