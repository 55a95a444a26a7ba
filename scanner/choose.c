/*
 * Which manifests are worth a request each: those of the repository itself first, the nearest to the root
 * first, and no kind so many that the others starve.
 */
#include "scanner/facts.h"
#include "scanner/scan.h"

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
    bool aside;
};

static int choice_order(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->aside != y->aside)
        return x->aside ? 1 : -1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return strcmp(x->entry->path, y->entry->path);
}

static bool path_is_wanted(const char *path, const struct rb_scan_format *format)
{
    if (strcmp(format->ecosystem, "github-actions") == 0 || format->parse == rb_look_codeowners)
        return true;
    if (format->parse == rb_gradle_catalog_parse)
        return !rb_path_is_fixture(path);
    return !rb_path_is_vendored(path) && !rb_path_is_fixture(path) && !rb_path_is_template(path);
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

/* Examples, documentation and tests have manifests of their own; workflows say how it is built, not what it
 * is. */
static bool path_is_aside(const char *path, const struct rb_scan_format *format)
{
    static const char *const folders[] = {
        "example", "examples", "sample", "samples", "demo",       "demos",    "benchmark", "benchmarks",
        "bench",   "benches",  "fuzz",   "fuzzing", "playground", "tutorial", "tutorials", "docs"};
    if (strcmp(format->ecosystem, "github-actions") == 0)
        return true;
    if (!strchr(path, '/') || rb_text_starts(path, "requirements/"))
        return false;
    if (rb_path_is_documentation(path))
        return true;
    for (const char *at = path, *slash; (slash = strchr(at, '/')); at = slash + 1) {
        struct rb_piece folder = {at, (size_t)(slash - at)};
        for (size_t i = 0; i < COUNT(folders); i++) {
            if (folder_is_like(folder, folders[i]))
                return true;
        }
    }
    return format->parse != rb_nuget_parse && rb_path_is_test(path);
}

static void manifest_put(struct rb_scan *scan, const struct choice *choice)
{
    struct rb_scan_manifest *manifest = &scan->manifests[scan->manifest_count++];
    const char *path = choice->entry->path;
    manifest->entry = choice->entry;
    manifest->format = choice->format;
    manifest->path = rb_text_clean(scan->arena, path, strlen(path), RB_SCAN_PATH_MAX);
    manifest->aside = choice->aside;
    manifest->error = "";
    manifest->status = !choice->format->parse ? RB_MANIFEST_NOTED
                       : choice->entry->size > (int64_t)rb_scan_format_bytes(choice->format)
                           ? RB_MANIFEST_TOO_BIG
                           : RB_MANIFEST_CHOSEN;
}

/* In the first round no format takes more than this; what is left of the places goes by order alone. */
#define FIRST_ROUND_PER_FORMAT 20

static void choices_take(struct rb_scan *scan, const struct choice *choices, size_t count)
{
    scan->manifests = rb_arena_alloc(scan->arena, RB_SCAN_MANIFESTS_MAX * sizeof *scan->manifests);
    bool *taken = rb_calloc(count + 1, sizeof *taken);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count && scan->manifest_count < RB_SCAN_MANIFESTS_MAX; i++) {
            size_t same = 0;
            for (size_t k = 0; round == 0 && k < scan->manifest_count; k++)
                same += scan->manifests[k].format == choices[i].format;
            if (taken[i] || same >= FIRST_ROUND_PER_FORMAT)
                continue;
            taken[i] = true;
            manifest_put(scan, &choices[i]);
        }
    }
    scan->manifests_left_out = count - scan->manifest_count;
    free(taken);
}

void rb_scan_choose(struct rb_scan *scan)
{
    size_t room = 256, count = 0;
    struct choice *choices = rb_calloc(room, sizeof *choices);
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
        choices[count++] =
            (struct choice){entry, format, rb_path_depth(entry->path), path_is_aside(entry->path, format)};
    }
    qsort(choices, count, sizeof *choices, choice_order);
    choices_take(scan, choices, count);
    free(choices);
}
