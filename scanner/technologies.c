/*
 * The technologies of a repository: what its dependencies, the words in its files and its file names show, by
 * the rules. Each once, with the first places that say so. What only examples, tests or documentation use, or
 * what is only needed to test, is told apart from what the product is made of; what the repository is itself
 * is none that it uses.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/technology.h"
#include "scanner/text.h"
#include "scanner/tree.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- words that parsers read ----------------------------------------------------------------------------
 */

/* A file of infrastructure has dozens of resources of one cloud: the first says all of them. */
static bool sign_is_known(const struct rb_scan_sheet *sheet, const char *where, uint16_t technology)
{
    for (size_t i = sheet->sign_count; i-- > 0 && sheet->signs[i].path == sheet->manifest;) {
        if (sheet->signs[i].technology == technology && strcmp(where, "resource") == 0)
            return true;
    }
    return false;
}

void rb_scan_add_sign(struct rb_scan_sheet *sheet, const char *where, const char *word, size_t len, int line)
{
    uint16_t found[RB_RULE_HITS_MAX];
    size_t count = rb_rules_of_word(found, where, word, len);
    for (size_t i = 0; i < count && sheet->sign_count < RB_SCAN_SIGNS_MAX; i++) {
        if (sign_is_known(sheet, where, found[i]))
            continue;
        if (!sheet->signs)
            sheet->signs = rb_arena_alloc(sheet->arena, RB_SCAN_SIGNS_MAX * sizeof *sheet->signs);
        sheet->signs[sheet->sign_count++] = (struct rb_scan_sign){
            .technology = found[i],
            .where = where,
            .word = rb_text_clean(sheet->arena, word, len, RB_SCAN_NAME_MAX),
            .path = sheet->manifest,
            .line = line,
        };
    }
}

static void sign_of(struct rb_scan_sheet *sheet, const char *where, const char *a, const char *between,
                    struct rb_piece b)
{
    char word[RB_RULE_TEXT_MAX + 1];
    size_t head = strlen(a), middle = strlen(between), len = head + middle + b.len;
    if (len >= sizeof word)
        return;
    memcpy(word, a, head);
    memcpy(word + head, between, middle);
    memcpy(word + head + middle, b.at, b.len);
    rb_scan_add_sign(sheet, where, word, len, 0);
}

void rb_scan_add_keys(struct rb_scan_sheet *sheet, const char *where, const char *above, const json_t *object)
{
    const char *name, *inner;
    json_t *value, *below;
    json_object_foreach((json_t *)object, name, value)
    {
        sign_of(sheet, where, above, *above ? "." : "", rb_piece_of(name));
        if (json_is_string(value)) { /* "packageManager": "pnpm@9" */
            struct rb_piece text = rb_piece_of(json_string_value(value));
            const char *at = text.len > 1 ? memchr(text.at + 1, '@', text.len - 1) : NULL;
            text.len = at ? (size_t)(at - text.at) : text.len;
            sign_of(sheet, where, name, "=", text);
        }
        json_object_foreach(value, inner, below)
        {
            sign_of(sheet, where, name, ".", rb_piece_of(inner));
        }
    }
}

/* ---- gathering ------------------------------------------------------------------------------------------
 */

struct gathering {
    const struct rb_scan *scan;
    struct rb_scan_technology **found; /* by technology; NULL where there is none yet */
    bool *own;                         /* by technology: the repository is it */
    const char **packages;             /* folders that are packages, sorted */
    size_t package_count;
};

/* Where something was seen. */
struct sight {
    const char *path;
    const char *kind, *word; /* "npm", "react"; of a file "file" and NULL */
    int line;
    bool is_file, is_for_development;
};

/* Folders of other people's code. Unlike rb_path_is_vendored() this does not count how a project is set up
 * (.github, .vscode, Jenkinsfile) among that: it is just what is looked for. */
static bool path_is_foreign(const char *path)
{
    static const char *const folders[] = {
        "node_modules", "bower_components", "vendor",        "vendors",   "third_party",
        "third-party",  "thirdparty",       "3rdparty",      "3rd_party", "3rd-party",
        "extern",       "external",         "externals",     "pods",      "carthage",
        "godeps",       "site-packages",    "jspm_packages", "venv",      ".venv"};
    for (const char *at = path, *slash; (slash = strchr(at, '/')); at = slash + 1) {
        size_t len = (size_t)(slash - at);
        for (size_t i = 0; i < COUNT(folders); i++) {
            if (strlen(folders[i]) == len && strncasecmp(at, folders[i], len) == 0)
                return true;
        }
    }
    return rb_text_starts(path, "deps/");
}

static bool path_is_in_docs(const char *path)
{
    return rb_path_is_documentation(path) || strstr(path, "/docs/") || strstr(path, "/doc/");
}

/* "e2e/package.json" says what the tests are made with; "tests/projects/x/package.json" is their input. */
static bool is_own_test(const struct sight *sight)
{
    const char *path = sight->path, *base = rb_path_base(path);
    if (sight->is_file || rb_text_ends(path, "proj")) /* .NET's test projects have any name */
        return true;
    const char *slash = base > path ? memrchr(path, '/', (size_t)(base - 1 - path)) : NULL;
    return rb_path_is_test(slash ? slash + 1 : path);
}

static bool sight_is_aside(const struct sight *sight, const struct rb_rule_category *category)
{
    if (sight->is_for_development && !category->is_tool)
        return true;
    const char *path = sight->path;
    if (rb_path_is_example(path) || rb_path_is_fixture(path) || rb_path_is_template(path))
        return true;
    return (!category->is_of_docs && path_is_in_docs(path)) ||
           (rb_path_is_test(path) && !(category->is_of_test && is_own_test(sight)));
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *folder_of(struct rb_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? rb_arena_strndup(arena, path, (size_t)(slash - path)) : "";
}

static void gather_packages(struct gathering *all)
{
    const struct rb_scan *scan = all->scan;
    all->packages = rb_arena_alloc(scan->arena, (scan->manifest_count + 1) * sizeof *all->packages);
    for (size_t i = 0; i < scan->manifest_count; i++) {
        const struct rb_scan_manifest *manifest = &scan->manifests[i];
        bool is_project = rb_text_ends(manifest->path, "proj"); /* .NET's, each in a folder of its own */
        if (manifest->format->is_package || is_project)
            all->packages[all->package_count++] = folder_of(scan->arena, manifest->path);
    }
    qsort(all->packages, all->package_count, sizeof *all->packages, text_order);
}

/* The nearest folder at or above a file that is a package; else that of the manifest, or the root. */
static const char *workspace_of(const struct gathering *all, const struct sight *sight)
{
    char folder[RB_SCAN_PATH_MAX + 1];
    const char *key = folder;
    size_t len = strlen(sight->path);
    if (len >= sizeof folder)
        return "";
    memcpy(folder, sight->path, len + 1);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        *slash = 0;
        if (bsearch(&key, all->packages, all->package_count, sizeof key, text_order))
            return rb_arena_strdup(all->scan->arena, folder);
    }
    key = "";
    bool is_loose = sight->is_file && !rb_scan_format_of(sight->path);
    if (is_loose || rb_text_starts(sight->path, ".github/") ||
        bsearch(&key, all->packages, all->package_count, sizeof key, text_order))
        return "";
    const char *above = folder_of(all->scan->arena, sight->path);
    if (strcmp(rb_path_base(above), "requirements") == 0)
        above = folder_of(all->scan->arena, above);
    return above;
}

static void note_workspace(const struct gathering *all, struct rb_scan_technology *item,
                           const struct sight *sight)
{
    if (item->workspace_count == RB_SCAN_WORKSPACES_MAX)
        return;
    const char *workspace = workspace_of(all, sight);
    for (size_t i = 0; i < item->workspace_count; i++) {
        if (strcmp(item->workspaces[i], workspace) == 0)
            return;
    }
    /* Most are found in one workspace or two. */
    if ((item->workspace_count & (item->workspace_count - 1)) == 0) {
        size_t room = item->workspace_count ? item->workspace_count * 2 : 1;
        const char **grown = rb_arena_alloc(all->scan->arena, room * sizeof *grown);
        if (item->workspace_count)
            memcpy(grown, item->workspaces, item->workspace_count * sizeof *grown);
        item->workspaces = grown;
    }
    size_t len = strlen(workspace);
    item->workspaces[item->workspace_count++] =
        rb_text_clean(all->scan->arena, workspace, len, RB_SCAN_PATH_MAX);
}

static void note_evidence(const struct gathering *all, struct rb_scan_technology *item,
                          const struct sight *sight)
{
    struct rb_arena *arena = all->scan->arena;
    if (item->evidence_count == RB_SCAN_EVIDENCE_MAX)
        return;
    const char *what = sight->word ? rb_arena_printf(arena, "%s:%s", sight->kind, sight->word) : sight->kind;
    for (size_t i = 0; i < item->evidence_count; i++) {
        if (strcmp(item->evidence[i].path, sight->path) == 0 && strcmp(item->evidence[i].what, what) == 0)
            return;
    }
    item->evidence[item->evidence_count++] = (struct rb_scan_evidence){
        .path = rb_text_clean(arena, sight->path, strlen(sight->path), RB_SCAN_PATH_MAX),
        .what = what,
        .line = sight->line,
    };
}

static void note(struct gathering *all, uint16_t technology, const struct sight *sight)
{
    const struct rb_rule_category *category = &rb_rule_categories[rb_rule_technologies[technology].category];
    /* A tool may work on itself, which then shows in its files: pnpm has a pnpm-lock.yaml. */
    if (all->own[technology] && !(sight->is_file && category->is_tool))
        return;
    bool aside = sight_is_aside(sight, category);
    struct rb_scan_technology *item = all->found[technology];
    if (!item) {
        item = all->found[technology] = rb_arena_alloc(all->scan->arena, sizeof *item);
        item->name = rb_rule_name(technology);
        item->category = category->name;
        item->aside = aside;
    } else if (item->aside && !aside) { /* what says more, instead of what says less */
        item->aside = false;
        item->evidence_count = item->workspace_count = 0;
    } else if (aside && !item->aside) {
        return;
    }
    note_evidence(all, item, sight);
    note_workspace(all, item, sight);
}

/* "redis/redis" is Redis and "rabbitmq/rabbitmq-server" RabbitMQ, though no manifest says so; somebody's
 * "flask" is an exercise. */
static void gather_own_name(struct gathering *all, const char *repo)
{
    const char *slash = strchr(repo, '/');
    size_t len = slash ? (size_t)(slash - repo) : 0;
    if (!len || strncasecmp(repo, slash + 1, len) != 0 || isalnum((unsigned char)slash[1 + len]))
        return;
    for (size_t i = 0; i < rb_rule_technology_count; i++) {
        const char *name = rb_rule_name(i);
        all->own[i] = strlen(name) == len && strncasecmp(name, repo, len) == 0;
    }
}

void rb_rules_own(bool *own, const struct rb_scan *scan)
{
    const struct rb_scan_sheet *sheet = &scan->sheet;
    uint16_t found[RB_RULE_HITS_MAX];
    for (size_t i = 0; i < sheet->package_count; i++) {
        const struct rb_scan_package *package = &sheet->packages[i];
        if (rb_path_is_example(package->manifest) || rb_path_is_test(package->manifest) ||
            path_is_in_docs(package->manifest))
            continue;
        size_t count = rb_rules_of_dependency(found, package->ecosystem, package->name);
        for (size_t k = 0; k < count; k++)
            own[found[k]] = true;
    }
}

static void gather_dependencies(struct gathering *all)
{
    const struct rb_scan_sheet *sheet = &all->scan->sheet;
    uint16_t found[RB_RULE_HITS_MAX];
    for (size_t i = 0; i < sheet->count; i++) {
        const struct rb_scan_dependency *item = &sheet->items[i];
        if (item->indirect || item->local || item->offered)
            continue;
        /* npm's devDependencies are all that a bundler takes in as well: they say nothing. */
        bool is_dev = (strcmp(item->kind, RB_KIND_DEV) == 0 || strcmp(item->kind, RB_KIND_TEST) == 0) &&
                      strcmp(item->ecosystem, "npm") != 0;
        struct sight sight = {.path = item->manifest,
                              .kind = item->ecosystem,
                              .word = item->name,
                              .line = item->line,
                              .is_for_development = is_dev};
        size_t count = rb_rules_of_dependency(found, item->ecosystem, item->name);
        for (size_t k = 0; k < count; k++)
            note(all, found[k], &sight);
    }
}

static void gather_signs(struct gathering *all)
{
    const struct rb_scan_sheet *sheet = &all->scan->sheet;
    for (size_t i = 0; i < sheet->sign_count; i++) {
        const struct rb_scan_sign *sign = &sheet->signs[i];
        struct sight sight = {
            .path = sign->path, .kind = sign->where, .word = sign->word, .line = sign->line};
        note(all, sign->technology, &sight);
    }
}

static void gather_files(struct gathering *all)
{
    const struct rb_tree *tree = all->scan->tree;
    const char *last = "";
    size_t last_len = 0;
    uint16_t found[RB_RULE_HITS_MAX];
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        if (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE)
            continue;
        size_t len = (size_t)(rb_path_base(entry->path) - entry->path);
        bool is_new = len != last_len || memcmp(entry->path, last, len) != 0;
        last = entry->path;
        last_len = len;
        size_t count = rb_rules_of_path(found, entry->path, is_new);
        if (count == 0 || path_is_foreign(entry->path))
            continue;
        struct sight sight = {.path = entry->path, .kind = "file", .is_file = true};
        for (size_t k = 0; k < count; k++)
            note(all, found[k], &sight);
    }
}

/* Parts of something that was found say nothing more. */
static bool is_part(const struct gathering *all, size_t technology)
{
    uint16_t whole = rb_rule_technologies[technology].part_of;
    return whole && all->found[whole - 1] && (!all->found[whole - 1]->aside || all->found[technology]->aside);
}

struct rb_scan_technology *rb_scan_technologies(size_t *count, const struct rb_scan *scan, const char *repo)
{
    struct gathering all = {.scan = scan};
    all.found = rb_arena_alloc(scan->arena, rb_rule_technology_count * sizeof(*all.found));
    all.own = rb_arena_alloc(scan->arena, rb_rule_technology_count * sizeof *all.own);
    gather_packages(&all);
    gather_own_name(&all, repo);
    rb_rules_own(all.own, scan);
    gather_dependencies(&all);
    gather_signs(&all);
    gather_files(&all);
    size_t total = 0;
    for (size_t i = 0; i < rb_rule_technology_count; i++)
        total += all.found[i] != NULL;
    struct rb_scan_technology *out = rb_arena_alloc(scan->arena, (total + 1) * sizeof *out);
    *count = 0;
    for (int aside = 0; aside < 2; aside++) {
        for (size_t i = 0; i < rb_rule_technology_count; i++) {
            if (all.found[i] && all.found[i]->aside == (aside == 1) && !is_part(&all, i))
                out[(*count)++] = *all.found[i];
        }
    }
    return out;
}
