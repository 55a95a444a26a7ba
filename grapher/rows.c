/*
 * From the tree to the rows of the graph: files with the folder they stand in, folders with theirs. Pure.
 * What takes all of the tree to know (folders, and languages where they are wanted) is found once; the rows
 * of files are made from it while they are walked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"
#include "lib/repo/language.h"
#include "lib/repo/path.h"

#define ROWS_VERSION 2  /* grows when the same tree gives other rows than before */
#define NAME_ROOM    64 /* that a folder leaves for a name: the beginning of one, and its id */
#define FOLDER_MAX   (RB_GRAPH_PATH_MAX - 1 - NAME_ROOM)
#define CUT          "…" /* and an id */
#define CUT_LEN      (sizeof CUT - 1 + RB_UUID_SIZE - 1)

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

/*
 * The folder that is the first `len` bytes of `path`, as the graph holds it. Of one that is too long the
 * folders that fit are left, and an id of the whole in the place of all below: so that of every path in the
 * graph what stands before its last slash is its folder, which is there too.
 */
static const char *rows_folder_path(const char *path, size_t len, struct rb_arena *arena)
{
    char id[RB_UUID_SIZE];
    size_t keep = FOLDER_MAX - CUT_LEN;
    if (len <= FOLDER_MAX)
        return rb_arena_strndup(arena, path, len);
    rb_uuid_from_name(id, rb_arena_strndup(arena, path, len));
    while (keep > 0 && path[keep - 1] != '/')
        keep--;
    return rb_arena_printf(arena, "%.*s" CUT "%s", (int)keep, path, id);
}

static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static bool rows_is_cut(const char *path)
{
    size_t len = strlen(path);
    return len > FOLDER_MAX && (len > RB_GRAPH_PATH_MAX || folder_len(path) > FOLDER_MAX);
}

const char *rb_graph_path(const char *path, struct rb_arena *arena)
{
    char id[RB_UUID_SIZE];
    if (!rows_is_cut(path))
        return path;
    size_t len = folder_len(path);
    const char *name = rb_path_base(path);
    const char *folder =
        name == path ? "" : rb_arena_printf(arena, "%s/", rows_folder_path(path, len, arena));
    size_t room = RB_GRAPH_PATH_MAX - strlen(folder);
    if (strlen(name) <= room)
        return rb_arena_printf(arena, "%s%s", folder, name);
    rb_uuid_from_name(id, path);
    room -= CUT_LEN;
    while (((unsigned char)name[room] & 0xc0) == 0x80) /* a whole UTF-8 character */
        room--;
    return rb_arena_printf(arena, "%s%.*s" CUT "%s", folder, (int)room, name, id);
}

bool graph_is_file(const struct rb_tree_entry *entry)
{
    return entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE ||
           entry->kind == RB_ENTRY_SYMLINK;
}

static int rows_compare_directories(const void *a, const void *b)
{
    return strcmp(((const struct rb_graph_directory *)a)->path, ((const struct rb_graph_directory *)b)->path);
}

static int rows_compare_files(const void *a, const void *b)
{
    return strcmp(((const struct rb_graph_file *)a)->path, ((const struct rb_graph_file *)b)->path);
}

/* ---- what takes all of the tree ------------------------------------------------------------------------ */

struct folder {
    const char *path; /* as the graph has it */
    size_t len;       /* as it is in the tree */
};

struct rows {
    struct rb_arena *arena;
    struct rb_graph_tree *tree;
    struct rb_graph_directory *directories;
    size_t count, capacity;
    char before[RB_TREE_PATH_MAX + 1]; /* the folder of the file before, with the slash at its end */
    size_t before_len;
    struct folder *above; /* the same and those above it, the top one first */
    size_t depth, depth_capacity;
};

static const char *rows_folder(const struct rows *rows)
{
    return rows->depth ? rows->above[rows->depth - 1].path : "";
}

/* A row for the folder that is the first `len` bytes of `path`, below the one that is open. */
static void rows_add_directory(struct rows *rows, const char *path, size_t len)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 256;
        rows->directories = rb_realloc(rows->directories, rows->capacity * sizeof *rows->directories);
    }
    if (rows->depth == rows->depth_capacity) {
        rows->depth_capacity = rows->depth_capacity ? rows->depth_capacity * 2 : 16;
        rows->above = rb_realloc(rows->above, rows->depth_capacity * sizeof *rows->above);
    }
    struct rb_graph_directory *directory = &rows->directories[rows->count++];
    directory->path = rows_folder_path(path, len, rows->arena);
    directory->parent = len <= FOLDER_MAX
                            ? rows_folder(rows)
                            : rb_arena_strndup(rows->arena, directory->path, folder_len(directory->path));
    rows->above[rows->depth++] = (struct folder){directory->path, len};
}

/*
 * Opens the folder of `path`, with a row for each folder on the way that the path before did not pass
 * through. Sorted paths pass through a folder in one run or, where "a-b" stands between "a" and "a/c", in
 * several: so a folder may get more than one row, and the caller keeps one of each.
 */
static void rows_open_folder(struct rows *rows, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t shared = 0, len = slash ? (size_t)(slash - path) + 1 : 0;
    if (len == rows->before_len && memcmp(path, rows->before, len) == 0)
        return; /* files of one folder stand together */
    while (shared < rows->before_len && rows->before[shared] == path[shared])
        shared++;
    while (rows->depth && rows->above[rows->depth - 1].len >= shared)
        rows->depth--;
    for (size_t i = rows->depth ? rows->above[rows->depth - 1].len + 1 : 0; i < len; i++) {
        if (path[i] == '/')
            rows_add_directory(rows, path, i);
    }
    memcpy(rows->before, path, len);
    rows->before_len = len;
}

static void rows_add_file(struct rows *rows, const struct rb_tree_entry *entry)
{
    rows_open_folder(rows, entry->path);
    rows->tree->file_count++;
    rows->tree->file_links += rows->before_len ? 2 : 1;
}

static void rows_keep_directories(struct rb_graph_tree *tree, const struct rows *rows)
{
    size_t kept = 0;
    if (rows->count)
        qsort(rows->directories, rows->count, sizeof *rows->directories, rows_compare_directories);
    for (size_t i = 0; i < rows->count; i++) {
        if (kept == 0 || strcmp(rows->directories[kept - 1].path, rows->directories[i].path) != 0)
            rows->directories[kept++] = rows->directories[i];
    }
    struct rb_graph_directory *directories = rb_arena_alloc(rows->arena, kept * sizeof *directories);
    if (kept)
        memcpy(directories, rows->directories, kept * sizeof *directories);
    tree->directories = directories;
    tree->directory_count = kept;
}

void rb_graph_rows(struct rb_graph_tree *tree, const struct rb_tree *source, struct rb_arena *arena)
{
    struct rb_tree *own = rb_arena_alloc(arena, sizeof *own);
    struct rb_tree_walk *walk = rb_malloc(sizeof *walk);
    struct rows *rows = rb_calloc(1, sizeof *rows);
    *own = *source;
    rows->arena = arena;
    rows->tree = tree;
    tree->commit = own->commit;
    tree->complete = own->complete;
    tree->source = own;
    tree->judged = NULL;
    tree->file_count = tree->cut_count = 0;
    tree->file_links = 0;
    rb_tree_walk_begin(walk, own);
    for (const struct rb_tree_entry *entry; (entry = rb_tree_walk_next(walk));) {
        if (graph_is_file(entry))
            rows_add_file(rows, entry);
    }
    rows_keep_directories(tree, rows);
    free(rows->directories);
    free(rows->above);
    free(rows);
    free(walk);
}

/* ---- judging ------------------------------------------------------------------------------------------- */

struct rb_graph_judged graph_judged(const struct rb_language_of_file *file)
{
    return (struct rb_graph_judged){.language = file->language,
                                    .is_generated = file->is_generated,
                                    .is_test = (file->path & RB_PATH_TEST) != 0,
                                    .is_vendored = (file->path & RB_PATH_ANY_VENDORED) != 0};
}

/* Everything but the path and the folder. */
static void rows_fill(struct rb_graph_file *file, const struct rb_tree_entry *entry,
                      const struct rb_graph_judged *judged)
{
    file->name = rb_path_base(file->path);
    file->language = judged->language == RB_LANGUAGE_NONE ? NULL : rb_languages[judged->language].name;
    file->sha = entry->sha;
    file->size = entry->size > 0 ? entry->size : 0;
    file->is_test = judged->is_test;
    file->is_generated = judged->is_generated;
    file->is_vendored = judged->is_vendored;
}

void graph_file_of_entry(struct rb_graph_file *file, const struct rb_tree_entry *entry,
                         const struct rb_graph_judged *judged, struct rb_arena *arena)
{
    *file =
        (struct rb_graph_file){.path = rb_graph_path(entry->path, arena),
                               .directory = rows_folder_path(entry->path, folder_len(entry->path), arena)};
    rows_fill(file, entry, judged);
}

void rb_graph_judge(struct rb_graph_tree *tree, struct rb_arena *arena)
{
    const struct rb_tree *source = tree->source;
    struct rb_graph_judged *judged = rb_arena_alloc(arena, source->count * sizeof *judged);
    struct rb_graph_file *cut = NULL; /* they have an order of their own, and their ids are made once */
    struct rb_arena *scratch = rb_arena_new();
    const struct rb_language_tree *languages = rb_language_tree_new(source, scratch);
    struct rb_tree_walk *walk = rb_arena_alloc(scratch, sizeof *walk);
    size_t count = 0, capacity = 0;
    rb_tree_walk_begin(walk, source);
    for (size_t i = 0; i < source->count; i++) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(walk);
        if (!graph_is_file(entry))
            continue;
        const struct rb_language_of_file file = rb_language_tree_file(languages, i);
        judged[i] = graph_judged(&file);
        if (!rows_is_cut(entry->path))
            continue;
        cut = rb_arena_grown(arena, cut, count, &capacity, sizeof *cut);
        graph_file_of_entry(&cut[count], entry, &judged[i], arena);
        cut[count].sha = rb_arena_strdup(arena, entry->sha);
        count++;
    }
    rb_arena_free(scratch);
    if (count)
        qsort(cut, count, sizeof *cut, rows_compare_files);
    tree->judged = judged;
    tree->cut = cut;
    tree->cut_count = count;
}

/* ---- walking ------------------------------------------------------------------------------------------- */

void rb_graph_walk_begin(struct rb_graph_walk *walk, const struct rb_graph_tree *tree)
{
    walk->tree = tree;
    walk->at = 0;
    walk->has_file = false;
    walk->file = (struct rb_graph_file){.directory = walk->directory};
    walk->directory[0] = '\0';
    if (tree->source)
        rb_tree_walk_begin(&walk->entries, tree->source);
}

/* The next file whose path is whole. */
static bool walk_read(struct rb_graph_walk *walk)
{
    struct rb_tree_walk *entries = &walk->entries;
    for (const struct rb_tree_entry *entry; (entry = rb_tree_walk_next(entries));) {
        if (!graph_is_file(entry) || rows_is_cut(entry->path))
            continue;
        walk->file.path = entry->path;
        rows_fill(&walk->file, entry, &walk->tree->judged[entries->index - 1]);
        size_t len = (size_t)(walk->file.name - entry->path);
        memcpy(walk->directory, entry->path, len);
        walk->directory[len ? len - 1 : 0] = '\0'; /* without its slash */
        return true;
    }
    return false;
}

const struct rb_graph_file *rb_graph_walk_next(struct rb_graph_walk *walk)
{
    const struct rb_graph_tree *tree = walk->tree;
    const struct rb_graph_file *files = tree->source ? tree->cut : tree->files;
    size_t count = tree->source ? tree->cut_count : tree->file_count;
    const struct rb_graph_file *at_hand = walk->at < count ? &files[walk->at] : NULL;
    if (tree->source && !walk->has_file)
        walk->has_file = walk_read(walk);
    bool is_at_hand = at_hand && (!walk->has_file || strcmp(at_hand->path, walk->file.path) < 0);
    if (is_at_hand || !walk->has_file) {
        walk->at += is_at_hand;
        return at_hand;
    }
    walk->has_file = false;
    return &walk->file;
}
