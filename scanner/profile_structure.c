/* How the repository is laid out, how large it is, and what says so to people first. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/facts.h"

#define LARGEST_MAX 10 /* files that are named for their size */

bool rb_scan_is_monorepo(const struct rb_scan *scan)
{
    return scan->is_monorepo || scan->sheet.members > 0;
}

static json_t *count_json(int64_t files, int64_t bytes)
{
    json_t *item = json_object();
    json_object_set_new(item, "files", json_integer(files));
    json_object_set_new(item, "bytes", json_integer(bytes));
    return item;
}

json_t *rb_profile_structure(const struct rb_scan *scan)
{
    json_t *structure = json_object(), *top = json_array(), *ci = json_array();
    for (size_t i = 0; i < scan->top_count; i++) {
        json_t *item = json_object();
        json_object_set_new(item, "path", json_string(scan->top[i].path));
        json_object_set_new(item, "files", json_integer(scan->top[i].files));
        json_object_set_new(item, "bytes", json_integer(scan->top[i].bytes));
        json_array_append_new(top, item);
    }
    for (size_t i = 0; i < scan->ci_count; i++)
        json_array_append_new(ci, json_string(scan->ci[i]));
    json_object_set_new(structure, "top", top);
    json_object_set_new(structure, "depth", json_integer((json_int_t)scan->depth));
    json_object_set_new(structure, "tests", json_boolean(scan->has_tests));
    json_object_set_new(structure, "docs", json_boolean(scan->has_docs));
    json_object_set_new(structure, "ci", ci);
    json_object_set_new(structure, "containers", json_boolean(scan->has_containers));
    json_object_set_new(structure, "monorepo", json_boolean(rb_scan_is_monorepo(scan)));
    return structure;
}

/* ---- size --------------------------------------------------------------------------------------------- */

struct part {
    int64_t files, bytes;
};

static void part_add(struct part *part, int64_t bytes)
{
    part->files++;
    part->bytes += bytes;
}

static void largest_note(const struct rb_tree_entry **largest, size_t *count,
                         const struct rb_tree_entry *entry)
{
    size_t at = *count;
    if (at == LARGEST_MAX && largest[at - 1]->size >= entry->size)
        return;
    if (at < LARGEST_MAX)
        (*count)++;
    else
        at--;
    for (; at > 0 && largest[at - 1]->size < entry->size; at--)
        largest[at] = largest[at - 1];
    largest[at] = entry;
}

/* A file is counted as one thing only: what is vendored may be generated as well, and both in tests. */
json_t *rb_profile_size(const struct rb_scan *scan)
{
    struct part vendored = {0, 0}, generated = {0, 0}, documentation = {0, 0}, tests = {0, 0};
    const struct rb_tree_entry *largest[LARGEST_MAX];
    const uint8_t *marks = rb_facts_marks(scan);
    size_t count = 0;
    int64_t folders = 0, links = 0, submodules = 0;
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        folders += entry->kind == RB_ENTRY_DIRECTORY;
        links += entry->kind == RB_ENTRY_SYMLINK;
        submodules += entry->kind == RB_ENTRY_SUBMODULE;
        if (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE)
            continue;
        int64_t bytes = entry->size > 0 ? entry->size : 0;
        largest_note(largest, &count, entry);
        if (marks[i] & RB_MARK_VENDORED)
            part_add(&vendored, bytes);
        else if (marks[i] & RB_MARK_GENERATED)
            part_add(&generated, bytes);
        else if (marks[i] & RB_MARK_DOCUMENTATION)
            part_add(&documentation, bytes);
        else if (marks[i] & RB_MARK_TEST)
            part_add(&tests, bytes);
    }
    json_t *size = count_json(scan->files, scan->bytes), *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *path = largest[i]->path;
        json_t *item = json_object();
        json_object_set_new(item, "path",
                            json_string(rb_text_clean(scan->arena, path, strlen(path), RB_SCAN_PATH_MAX)));
        json_object_set_new(item, "bytes", json_integer(largest[i]->size > 0 ? largest[i]->size : 0));
        json_array_append_new(list, item);
    }
    json_object_set_new(size, "folders", json_integer(folders));
    json_object_set_new(size, "depth", json_integer((json_int_t)scan->depth));
    json_object_set_new(size, "symlinks", json_integer(links));
    json_object_set_new(size, "submodules", json_integer(submodules));
    json_object_set_new(size, "vendored", count_json(vendored.files, vendored.bytes));
    json_object_set_new(size, "generated", count_json(generated.files, generated.bytes));
    json_object_set_new(size, "documentation", count_json(documentation.files, documentation.bytes));
    json_object_set_new(size, "tests", count_json(tests.files, tests.bytes));
    json_object_set_new(size, "largest", list);
    return size;
}

/* ---- readme ------------------------------------------------------------------------------------------- */

/* GitHub shows the one in .github/, else in the root, else in docs/ (docs.github.com, "About READMEs"). */
static int readme_rank(const char *path)
{
    static const char *const folders[] = {".github/", "", "docs/"};
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(folders[i]);
        if (strncasecmp(path, folders[i], len) != 0 || strchr(path + len, '/'))
            continue;
        const char *name = path + len;
        if (strncasecmp(name, "readme", 6) == 0 && (!name[6] || name[6] == '.'))
            return i * 2 + (strcasecmp(name + 6, ".md") != 0); /* of several, Markdown is shown */
    }
    return -1;
}

json_t *rb_profile_readme(const struct rb_scan *scan)
{
    const struct rb_tree_entry *best = NULL;
    int best_rank = 0;
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        int rank = entry->kind == RB_ENTRY_DIRECTORY ? -1 : readme_rank(entry->path);
        if (rank < 0 || (best && rank >= best_rank))
            continue;
        best = entry;
        best_rank = rank;
    }
    if (!best)
        return json_null();
    json_t *readme = json_object();
    json_object_set_new(
        readme, "path",
        json_string(rb_text_clean(scan->arena, best->path, strlen(best->path), RB_SCAN_PATH_MAX)));
    json_object_set_new(readme, "bytes", json_integer(best->size > 0 ? best->size : 0));
    return readme;
}
