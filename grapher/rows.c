/* From the tree to the rows of the graph: files with the folder they stand in, folders with theirs. Pure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"
#include "lib/repo/language.h"
#include "lib/repo/path.h"

#define ROWS_VERSION 1 /* grows when the same tree gives other rows than before */

void graph_rules(char out[GRAPH_RULES_SIZE])
{
    snprintf(out, GRAPH_RULES_SIZE, "%d/%s", ROWS_VERSION, rb_language_data_version);
}

void graph_building(char out[GRAPH_BUILDING_SIZE], const struct rb_graph_tree *tree)
{
    char rules[GRAPH_RULES_SIZE];
    graph_rules(rules);
    snprintf(out, GRAPH_BUILDING_SIZE, "%.*s %s", RB_SHA_SIZE - 1, tree->commit, rules);
}

/* The path as the graph holds it: `len` bytes of it, or less where an index would refuse it. */
static const char *rows_path(const char *path, size_t len, struct rb_arena *arena)
{
    char id[RB_UUID_SIZE];
    size_t keep = RB_GRAPH_PATH_MAX - RB_UUID_SIZE - strlen("…");
    if (len <= RB_GRAPH_PATH_MAX)
        return path[len] ? rb_arena_strndup(arena, path, len) : path;
    rb_uuid_from_name(id, rb_arena_strndup(arena, path, len));
    while (((unsigned char)path[keep] & 0xc0) == 0x80) /* a whole UTF-8 character */
        keep--;
    return rb_arena_printf(arena, "%.*s…%s", (int)keep, path, id);
}

const char *rb_graph_path(const char *path, struct rb_arena *arena)
{
    return rows_path(path, strlen(path), arena);
}

static bool rows_is_file(const struct rb_tree_entry *entry)
{
    return entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE ||
           entry->kind == RB_ENTRY_SYMLINK;
}

static int rows_compare_files(const void *a, const void *b)
{
    return strcmp(((const struct rb_graph_file *)a)->path, ((const struct rb_graph_file *)b)->path);
}

static int rows_compare_directories(const void *a, const void *b)
{
    return strcmp(((const struct rb_graph_directory *)a)->path, ((const struct rb_graph_directory *)b)->path);
}

struct rows {
    struct rb_arena *arena;
    struct rb_graph_directory *directories;
    size_t count, capacity;
};

static void rows_add_directory(struct rows *rows, const char *path, const char *parent)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 256;
        rows->directories = rb_realloc(rows->directories, rows->capacity * sizeof *rows->directories);
    }
    rows->directories[rows->count++] = (struct rb_graph_directory){.path = path, .parent = parent};
}

/*
 * The folder of `path`, and a row for each folder above it that the path before did not pass through. Sorted
 * paths pass through a folder in one run or, where "a-b" stands between "a" and "a/c", in several: so a
 * folder may get more than one row, and the caller keeps one of each.
 */
static const char *rows_folders(struct rows *rows, const char *path, const char *before)
{
    const char *parent = "";
    size_t shared = 0;
    while (before[shared] && before[shared] == path[shared])
        shared++;
    for (size_t i = 0; path[i]; i++) {
        if (path[i] != '/')
            continue;
        const char *folder = rows_path(path, i, rows->arena);
        if (i >= shared)
            rows_add_directory(rows, folder, parent);
        parent = folder;
    }
    return parent;
}

void rb_graph_rows(struct rb_graph_tree *tree, const struct rb_tree *source, struct rb_arena *arena)
{
    struct rows rows = {.arena = arena};
    struct rb_graph_file *files = rb_arena_alloc(arena, source->count * sizeof *files);
    struct rb_arena *scratch = rb_arena_new();
    const struct rb_language_tree *languages = rb_language_tree_new(source, scratch);
    const char *before = "", *folder = "";
    size_t count = 0, folder_len = 0;

    for (size_t i = 0; i < source->count; i++) {
        const struct rb_tree_entry *entry = &source->entries[i];
        if (!rows_is_file(entry))
            continue;
        const char *slash = strrchr(entry->path, '/');
        size_t len = slash ? (size_t)(slash - entry->path) : 0;
        /* Files of one folder stand together: its path is made once for all of them. */
        if (count == 0 || len != folder_len || memcmp(entry->path, before, len) != 0) {
            folder = rows_folders(&rows, entry->path, before);
            folder_len = len;
        }
        int language = rb_language_tree_of(languages, i);
        const char *path = rows_path(entry->path, strlen(entry->path), arena);
        files[count++] = (struct rb_graph_file){
            .path = path,
            .directory = folder,
            .name = rb_path_base(path),
            .language = language == RB_LANGUAGE_NONE ? NULL : rb_languages[language].name,
            .sha = entry->sha,
            .size = entry->size > 0 ? entry->size : 0,
            .is_test = rb_path_is_test(entry->path),
            .is_generated = rb_language_tree_is_generated(languages, i),
            .is_vendored = rb_path_is_vendored(entry->path),
        };
        before = entry->path;
    }
    rb_arena_free(scratch);
    if (count)
        qsort(files, count, sizeof *files, rows_compare_files);
    if (rows.count)
        qsort(rows.directories, rows.count, sizeof *rows.directories, rows_compare_directories);
    size_t kept = 0;
    for (size_t i = 0; i < rows.count; i++) {
        if (kept == 0 || strcmp(rows.directories[kept - 1].path, rows.directories[i].path) != 0)
            rows.directories[kept++] = rows.directories[i];
    }
    struct rb_graph_directory *directories = rb_arena_alloc(arena, kept * sizeof *directories);
    if (kept)
        memcpy(directories, rows.directories, kept * sizeof *directories);
    free(rows.directories);
    tree->commit = source->commit;
    tree->complete = source->complete;
    tree->files = files;
    tree->file_count = count;
    tree->directories = directories;
    tree->directory_count = kept;
}
