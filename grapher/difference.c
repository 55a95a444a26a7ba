/*
 * The difference of two trees: both sides come sorted by the bytes of their paths, and are walked side by
 * side, first their files, then their folders. The old side is another tree in memory, or the store's pages,
 * of which one is held at a time. What is kept is the place of what is new or changed, and the path of what
 * is gone; rows are made of it a batch at a time.
 *
 * Of two trees in memory the entries are compared as they are listed. A row has a bit more than its entry:
 * where the path, kind and size are the same, only its language may differ (lib/repo/language.h), which is
 * decided by names, and not by .gitattributes, which the graph does not read.
 */
#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"
#include "lib/repo/language.h"
#include "lib/repo/path.h"

int64_t graph_file_links(const struct rb_graph_file *file)
{
    return *file->directory ? 2 : 1;
}

/* ---- a side -------------------------------------------------------------------------------------------- */

struct side {
    struct rb_graph *graph;
    int64_t repo_id;
    const struct rb_graph_tree *tree; /* NULL: the store's pages */
    bool is_directories;
    struct rb_graph_walk *walk;  /* of a tree's files */
    struct rb_arena *page_arena; /* of the present page */
    struct graph_page files;
    struct graph_directory_page directories;
    size_t page_at;
    /* The present row. */
    const char *path; /* NULL at the end */
    const struct rb_graph_file *file;
    size_t place;
};

static rb_err side_read_page(struct side *side, const char *after)
{
    const struct graph_store *store = side->graph->store;
    const struct graph_bounds bounds = {.after = after, .limit = GRAPH_PAGE_MAX};
    side->page_arena = rb_arena_new();
    side->page_at = 0;
    return side->is_directories
               ? store->read_directories(&side->directories, side->graph, side->repo_id, &bounds,
                                         side->page_arena)
               : store->read_files(&side->files, side->graph, side->repo_id, &bounds, side->page_arena);
}

static rb_err side_next_of_store(struct side *side)
{
    struct rb_arena *former = NULL; /* holds the path before */
    const char *before = side->path ? side->path : "";
    const char *next = side->is_directories ? side->directories.next : side->files.next;
    size_t count = side->is_directories ? side->directories.count : side->files.count;
    rb_err err = RB_OK;
    if (side->page_at == count && next) {
        former = side->page_arena;
        err = side_read_page(side, next);
        count = side->is_directories ? side->directories.count : side->files.count;
    }
    side->path = NULL;
    side->file = NULL;
    if (!err && side->page_at < count) {
        size_t at = side->page_at++;
        side->file = side->is_directories ? NULL : &side->files.files[at];
        side->path = side->is_directories ? side->directories.directories[at].path : side->file->path;
        if (strcmp(before, side->path) >= 0)
            err = rb_error_set(RB_EINTERNAL, "the store's order of paths is not that of their bytes");
    }
    rb_arena_free(former);
    return err;
}

static rb_err side_next(struct side *side)
{
    const struct rb_graph_tree *tree = side->tree;
    side->place++;
    if (!tree)
        return side_next_of_store(side);
    if (side->is_directories) {
        side->path = side->place < tree->directory_count ? tree->directories[side->place].path : NULL;
    } else {
        side->file = rb_graph_walk_next(side->walk);
        side->path = side->file ? side->file->path : NULL;
    }
    return RB_OK;
}

/* To its first row. */
static rb_err side_open(struct side *side, struct rb_graph *graph, int64_t repo_id,
                        const struct rb_graph_tree *tree, bool is_directories)
{
    *side = (struct side){.graph = graph, .repo_id = repo_id, .tree = tree, .is_directories = is_directories};
    side->files.next = side->directories.next = "";
    if (tree && !is_directories) {
        side->walk = rb_malloc(sizeof *side->walk);
        rb_graph_walk_begin(side->walk, tree);
    }
    side->place = SIZE_MAX; /* the one before the first */
    return side_next(side);
}

static void side_close(struct side *side)
{
    free(side->walk);
    rb_arena_free(side->page_arena);
}

/* ---- side by side -------------------------------------------------------------------------------------- */

static void places_add(struct graph_places *places, size_t place, struct rb_arena *arena)
{
    places->at = rb_arena_grown(arena, places->at, places->count, &places->capacity, sizeof *places->at);
    places->at[places->count++] = (uint32_t)place; /* a tree has RB_TREE_ENTRIES_MAX at most */
}

static void paths_add(struct graph_paths *list, const char *path, struct rb_arena *arena)
{
    list->paths = rb_arena_grown(arena, list->paths, list->count, &list->capacity, sizeof *list->paths);
    list->paths[list->count++] = rb_arena_strdup(arena, path);
}

/* Folders are the same when their paths are. */
static bool row_is_same(const struct rb_graph_file *a, const struct rb_graph_file *b)
{
    return !a || !b ||
           (a->size == b->size && a->is_test == b->is_test && a->is_generated == b->is_generated &&
            a->is_vendored == b->is_vendored && strcmp(a->sha, b->sha) == 0 &&
            strcmp(a->language ? a->language : "", b->language ? b->language : "") == 0);
}

static rb_err difference_walk(struct graph_difference *difference, struct side *old, struct side *new,
                              struct rb_arena *arena)
{
    bool is_directories = new->is_directories;
    struct graph_places *put = is_directories ? &difference->put_directories : &difference->put_files;
    struct graph_paths *gone = is_directories ? &difference->gone_directories : &difference->gone_files;
    rb_err err = RB_OK;
    while (!err && (old->path || new->path)) {
        int order = !old->path ? 1 : !new->path ? -1 : strcmp(old->path, new->path);
        if (order < 0) {
            difference->gone_links += old->file ? graph_file_links(old->file) : 1;
            paths_add(gone, old->path, arena);
        } else if (order > 0 || !row_is_same(old->file, new->file)) {
            places_add(put, new->place, arena);
        }
        if (order >= 0)
            err = side_next(new);
        if (!err && order <= 0)
            err = side_next(old);
    }
    return err;
}

static rb_err difference_of(struct graph_difference *difference, struct rb_graph *graph, bool is_directories,
                            struct rb_arena *arena)
{
    const struct rb_graph_tree *tree = difference->tree;
    struct side old, new;
    rb_err err = side_open(&old, graph, tree->repo_id, NULL, is_directories);
    rb_err other = side_open(&new, graph, tree->repo_id, tree, is_directories);
    err = err ? err : other;
    if (!err)
        err = difference_walk(difference, &old, &new, arena);
    side_close(&old);
    side_close(&new);
    return err;
}

static void difference_begin(struct graph_difference *difference, const struct rb_graph_tree *tree,
                             struct rb_arena *arena)
{
    *difference =
        (struct graph_difference){.tree = tree, .walk = rb_arena_alloc(arena, sizeof *difference->walk)};
    rb_graph_walk_begin(difference->walk, tree);
}

void graph_difference_all(struct graph_difference *difference, const struct rb_graph_tree *tree,
                          struct rb_arena *arena)
{
    difference_begin(difference, tree, arena);
    difference->put_directories = (struct graph_places){.is_all = true, .count = tree->directory_count};
    difference->put_files = (struct graph_places){.is_all = true, .count = tree->file_count};
}

rb_err graph_difference_to_store(struct graph_difference *difference, struct rb_graph *graph,
                                 const struct rb_graph_tree *tree, struct rb_arena *arena)
{
    difference_begin(difference, tree, arena);
    rb_err err = difference_of(difference, graph, false, arena);
    return err ? err : difference_of(difference, graph, true, arena);
}

/* ---- two trees in memory ------------------------------------------------------------------------------- */

/* Entries of a tree that are not the same in the other, and their places in it. */
struct differing {
    struct graph_places places;
    struct rb_tree_packer *packer;
    struct rb_tree tree; /* what was packed */
    struct rb_arena *arena;
};

static rb_err differing_add(struct differing *differing, const struct rb_tree_walk *walk,
                            const struct rb_tree_entry *entry)
{
    places_add(&differing->places, walk->index - 1, differing->arena);
    return rb_tree_packer_add(differing->packer, entry);
}

static void differing_begin(struct differing *differing, struct rb_arena *arena)
{
    *differing = (struct differing){.packer = rb_tree_packer_new(arena), .arena = arena};
}

static void differing_end(struct differing *differing)
{
    rb_tree_packer_end(&differing->tree, differing->packer);
    rb_tree_packer_free(differing->packer);
}

struct entries {
    struct graph_difference *difference;
    struct differing gone, put;
    struct rb_tree_packer *packer; /* of the files that are put */
    size_t judged_capacity;
    struct rb_arena *arena;
};

static bool entry_is_same(const struct rb_tree_entry *a, const struct rb_tree_entry *b)
{
    return a->kind == b->kind && a->size == b->size && (!graph_is_file(a) || strcmp(a->sha, b->sha) == 0);
}

/* A file that is gone; not one that is a file still. */
static void entries_note_gone(struct entries *entries, const struct rb_tree_entry *old,
                              const struct rb_tree_entry *new)
{
    if (!graph_is_file(old) || (new &&graph_is_file(new)))
        return;
    entries->difference->gone_links += strchr(old->path, '/') ? 2 : 1;
    paths_add(&entries->difference->gone_files, rb_graph_path(old->path, entries->arena), entries->arena);
}

static rb_err entries_compare(struct entries *entries, struct rb_tree_walk *old, struct rb_tree_walk *new)
{
    const struct rb_tree_entry *a = rb_tree_walk_next(old), *b = rb_tree_walk_next(new);
    rb_err err = RB_OK;
    while (!err && (a || b)) {
        int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
        bool is_same = order == 0 && entry_is_same(a, b);
        if (order <= 0 && !is_same) {
            err = differing_add(&entries->gone, old, a);
            entries_note_gone(entries, a, order == 0 ? b : NULL);
        }
        if (!err && order >= 0 && !is_same)
            err = differing_add(&entries->put, new, b);
        if (order <= 0)
            a = rb_tree_walk_next(old);
        if (order >= 0)
            b = rb_tree_walk_next(new);
    }
    return err;
}

static void directories_compare(struct graph_difference *difference, const struct rb_graph_tree *old,
                                struct rb_arena *arena)
{
    const struct rb_graph_tree *tree = difference->tree;
    for (size_t i = 0, k = 0; i < old->directory_count || k < tree->directory_count;) {
        int order = i == old->directory_count ? 1
                    : k == tree->directory_count
                        ? -1
                        : strcmp(old->directories[i].path, tree->directories[k].path);
        if (order < 0) {
            difference->gone_links++;
            paths_add(&difference->gone_directories, old->directories[i].path, arena);
        } else if (order > 0) {
            places_add(&difference->put_directories, k, arena);
        }
        i += order <= 0;
        k += order >= 0;
    }
}

static rb_err entries_put(void *arg, const struct rb_tree_entry *entry,
                          const struct rb_language_of_file *file)
{
    struct entries *entries = arg;
    struct graph_difference *difference = entries->difference;
    size_t at = difference->put_files.count;
    if (!graph_is_file(entry))
        return RB_OK;
    difference->judged = rb_arena_grown(entries->arena, difference->judged, at, &entries->judged_capacity,
                                        sizeof *difference->judged);
    difference->judged[at] = graph_judged(file);
    difference->put_files.count++;
    return rb_tree_packer_add(entries->packer, entry);
}

/* What differs, in `scratch`: it may be nearly all of a large tree, and is not needed any more once it is
 * judged. */
static rb_err entries_differing(struct entries *entries, const struct rb_tree *old, const struct rb_tree *new,
                                struct rb_arena *scratch)
{
    struct rb_tree_walk *walks = rb_malloc(2 * sizeof *walks);
    differing_begin(&entries->gone, scratch);
    differing_begin(&entries->put, scratch);
    rb_tree_walk_begin(&walks[0], old);
    rb_tree_walk_begin(&walks[1], new);
    rb_err err = entries_compare(entries, &walks[0], &walks[1]);
    free(walks);
    differing_end(&entries->gone);
    differing_end(&entries->put);
    return err;
}

static rb_err entries_judge(struct entries *entries, const struct rb_tree *old, const struct rb_tree *new)
{
    const struct rb_language_list before = {old, &entries->gone.tree, entries->gone.places.at},
                                  now = {new, &entries->put.tree, entries->put.places.at};
    struct graph_difference *difference = entries->difference;
    entries->packer = rb_tree_packer_new(entries->arena);
    rb_err err = rb_language_change(&before, &now, entries_put, entries);
    rb_tree_packer_end(&difference->put_entries, entries->packer);
    rb_tree_packer_free(entries->packer);
    rb_tree_walk_begin(&difference->walk->entries, &difference->put_entries);
    return err;
}

rb_err graph_difference_to_tree(struct graph_difference *difference, const struct rb_graph_tree *tree,
                                const struct rb_graph_tree *old, struct rb_arena *arena)
{
    struct entries entries = {.difference = difference, .arena = arena};
    difference_begin(difference, tree, arena);
    struct rb_arena *scratch = rb_arena_new();
    rb_err err = entries_differing(&entries, old->source, tree->source, scratch);
    if (!err)
        err = entries_judge(&entries, old->source, tree->source);
    rb_arena_free(scratch);
    directories_compare(difference, old, arena);
    return err;
}

/* ---- batches ------------------------------------------------------------------------------------------- */

size_t graph_rows_count(const struct graph_rows *rows)
{
    return rows->put_directory_count + rows->put_file_count + rows->gone_file_count +
           rows->gone_directory_count;
}

size_t graph_difference_count(const struct graph_difference *difference)
{
    return difference->put_directories.count + difference->put_files.count + difference->gone_files.count +
           difference->gone_directories.count;
}

/* How many of the `count` rows of one kind are in the batch, and from where on. */
static size_t batch_part(size_t *begin, size_t *at, size_t *left, size_t count)
{
    *begin = *at < count ? *at : count;
    size_t part = count - *begin < *left ? count - *begin : *left;
    *at -= *begin;
    *left -= part;
    return part;
}

static size_t places_get(const struct graph_places *places, size_t at)
{
    return places->is_all ? at : places->at[at];
}

static void take_directories(struct graph_rows *rows, const struct graph_difference *difference, size_t begin,
                             struct rb_arena *arena)
{
    rows->put_directories = rb_arena_alloc(arena, rows->put_directory_count * sizeof *rows->put_directories);
    for (size_t i = 0; i < rows->put_directory_count; i++)
        rows->put_directories[i] =
            &difference->tree->directories[places_get(&difference->put_directories, begin + i)];
}

/* The folder is that of the file before, most often. */
static struct rb_graph_file *file_copy(const struct rb_graph_file *file, const struct rb_graph_file *before,
                                       struct rb_arena *arena)
{
    struct rb_graph_file *copy = rb_arena_alloc(arena, sizeof *copy);
    *copy = *file;
    copy->path = rb_arena_strdup(arena, file->path);
    copy->name = rb_path_base(copy->path);
    copy->directory = before && strcmp(before->directory, file->directory) == 0
                          ? before->directory
                          : rb_arena_strdup(arena, file->directory);
    copy->sha = rb_arena_strdup(arena, file->sha);
    return copy;
}

static const struct rb_graph_file *take_entry(struct graph_difference *difference, size_t at,
                                              const struct rb_graph_file *before, struct rb_arena *arena)
{
    struct rb_tree_walk *walk = &difference->walk->entries;
    const struct rb_tree_entry *entry;
    struct rb_graph_file file;
    do
        entry = rb_tree_walk_next(walk);
    while (walk->index - 1 < at);
    graph_file_of_entry(&file, entry, &difference->judged[at], arena);
    return file_copy(&file, before, arena);
}

static const struct rb_graph_file *take_row(struct graph_difference *difference, size_t place,
                                            const struct rb_graph_file *before, struct rb_arena *arena)
{
    const struct rb_graph_file *file;
    do
        file = rb_graph_walk_next(difference->walk);
    while (difference->walked++ < place);
    return file_copy(file, before, arena);
}

static void take_files(struct graph_rows *rows, struct graph_difference *difference, size_t begin,
                       struct rb_arena *arena)
{
    const struct rb_graph_file *before = NULL;
    rows->put_files = rb_arena_alloc(arena, rows->put_file_count * sizeof *rows->put_files);
    for (size_t i = 0; i < rows->put_file_count; i++) {
        before = difference->judged
                     ? take_entry(difference, begin + i, before, arena)
                     : take_row(difference, places_get(&difference->put_files, begin + i), before, arena);
        rows->put_files[i] = before;
    }
}

void graph_difference_take(struct graph_rows *rows, struct graph_difference *difference, size_t at,
                           size_t count, struct rb_arena *arena)
{
    size_t begin;
    rows->put_directory_count = batch_part(&begin, &at, &count, difference->put_directories.count);
    take_directories(rows, difference, begin, arena);
    rows->put_file_count = batch_part(&begin, &at, &count, difference->put_files.count);
    take_files(rows, difference, begin, arena);
    rows->gone_file_count = batch_part(&begin, &at, &count, difference->gone_files.count);
    rows->gone_files = rows->gone_file_count ? difference->gone_files.paths + begin : NULL;
    rows->gone_directory_count = batch_part(&begin, &at, &count, difference->gone_directories.count);
    rows->gone_directories = rows->gone_directory_count ? difference->gone_directories.paths + begin : NULL;
}
