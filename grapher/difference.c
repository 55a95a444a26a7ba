/*
 * The difference of two trees: both sides come sorted by the bytes of their paths, and are walked side by
 * side. The old side is another tree in memory, or the store's pages, of which one is held at a time.
 */
#include <string.h>

#include "grapher/graph_store.h"

/* ---- rows ---------------------------------------------------------------------------------------------- */

size_t graph_rows_count(const struct graph_rows *rows)
{
    return rows->put_directory_count + rows->put_file_count + rows->gone_file_count +
           rows->gone_directory_count;
}

/* How many of the `count` rows of one kind lie in the slice, and from where on. */
static size_t slice_part(size_t *begin, size_t *at, size_t *left, size_t count)
{
    *begin = *at < count ? *at : count;
    size_t part = count - *begin < *left ? count - *begin : *left;
    *at -= *begin;
    *left -= part;
    return part;
}

void graph_rows_slice(struct graph_rows *slice, const struct graph_rows *rows, size_t at, size_t count)
{
    size_t begin;
    slice->put_directory_count = slice_part(&begin, &at, &count, rows->put_directory_count);
    slice->put_directories = rows->put_directories + begin;
    slice->put_file_count = slice_part(&begin, &at, &count, rows->put_file_count);
    slice->put_files = rows->put_files + begin;
    slice->gone_file_count = slice_part(&begin, &at, &count, rows->gone_file_count);
    slice->gone_files = rows->gone_files + begin;
    slice->gone_directory_count = slice_part(&begin, &at, &count, rows->gone_directory_count);
    slice->gone_directories = rows->gone_directories + begin;
}

int64_t graph_file_links(const struct rb_graph_file *file)
{
    return *file->directory ? 2 : 1;
}

/* ---- the old side -------------------------------------------------------------------------------------- */

/* Files, or folders where `is_directories`. */
struct stream {
    struct rb_graph *graph;
    const struct rb_graph_tree *old; /* NULL: the store's pages */
    int64_t repo_id;
    bool is_directories;
    struct rb_arena *page_arena; /* of the present page */
    struct rb_graph_page files;
    struct rb_graph_directory_page directories;
    size_t at;
};

static void stream_open(struct stream *stream, struct rb_graph *graph, int64_t repo_id,
                        const struct rb_graph_tree *old, bool is_directories)
{
    *stream =
        (struct stream){.graph = graph, .old = old, .repo_id = repo_id, .is_directories = is_directories};
    if (old) {
        stream->files = (struct rb_graph_page){.files = old->files, .count = old->file_count};
        stream->directories =
            (struct rb_graph_directory_page){.directories = old->directories, .count = old->directory_count};
    } else {
        stream->files.next = stream->directories.next = "";
    }
}

static void stream_close(struct stream *stream)
{
    rb_arena_free(stream->page_arena);
}

static const char *stream_path(const struct stream *stream)
{
    if (stream->is_directories)
        return stream->at < stream->directories.count ? stream->directories.directories[stream->at].path
                                                      : NULL;
    return stream->at < stream->files.count ? stream->files.files[stream->at].path : NULL;
}

static rb_err stream_read_page(struct stream *stream, const char *after)
{
    const struct graph_store *store = stream->graph->store;
    struct rb_arena *before = stream->page_arena; /* holds `after` */
    const struct graph_bounds bounds = {.after = after, .limit = RB_GRAPH_PAGE_MAX};
    stream->page_arena = rb_arena_new();
    stream->at = 0;
    rb_err err =
        stream->is_directories
            ? store->read_directories(&stream->directories, stream->graph, stream->repo_id, &bounds,
                                      stream->page_arena)
            : store->read_files(&stream->files, stream->graph, stream->repo_id, &bounds, stream->page_arena);
    const char *path = err ? NULL : stream_path(stream);
    if (path && strcmp(after, path) >= 0)
        err = rb_error_set(RB_EINTERNAL, "the store's order of paths is not that of their bytes");
    rb_arena_free(before);
    return err;
}

/* The present path, NULL at the end. */
static rb_err stream_peek(const char **path, struct stream *stream)
{
    const char *next = stream->is_directories ? stream->directories.next : stream->files.next;
    *path = stream_path(stream);
    if (*path || !next)
        return RB_OK;
    rb_err err = stream_read_page(stream, next);
    *path = err ? NULL : stream_path(stream);
    return err;
}

/* The path behind the present one. */
static rb_err stream_next(const char **path, struct stream *stream)
{
    const char *before = stream_path(stream);
    stream->at++;
    const char *next = stream_path(stream);
    if (next && strcmp(before, next) >= 0)
        return rb_error_set(RB_EINTERNAL, "the store's order of paths is not that of their bytes");
    return stream_peek(path, stream);
}

/* ---- side by side -------------------------------------------------------------------------------------- */

/* Paths that are gone; a list that grows. */
struct gone {
    const char **paths;
    size_t count, capacity;
};

static void gone_add(struct gone *gone, const char *path, struct rb_arena *arena)
{
    if (gone->count == gone->capacity) { /* what it had before stays in the arena: as much again at most */
        size_t capacity = gone->capacity ? gone->capacity * 2 : 64;
        const char **paths = rb_arena_alloc(arena, capacity * sizeof *paths);
        if (gone->count)
            memcpy(paths, gone->paths, gone->count * sizeof *paths);
        gone->paths = paths;
        gone->capacity = capacity;
    }
    gone->paths[gone->count++] = rb_arena_strdup(arena, path);
}

static bool file_is_same(const struct rb_graph_file *a, const struct rb_graph_file *b)
{
    return a->size == b->size && a->is_test == b->is_test && a->is_generated == b->is_generated &&
           a->is_vendored == b->is_vendored && strcmp(a->sha, b->sha) == 0 &&
           strcmp(a->language ? a->language : "", b->language ? b->language : "") == 0;
}

static int order_of(const char *old, const char *new)
{
    return !old ? 1 : !new ? -1 : strcmp(old, new);
}

static rb_err difference_files(struct graph_difference *difference, struct stream *old,
                               const struct rb_graph_tree *tree, struct rb_arena *arena)
{
    struct graph_rows *rows = &difference->rows;
    struct gone gone = {.paths = rb_arena_alloc(arena, 0)};
    const char *path = NULL;
    size_t new = 0;
    rows->put_files = rb_arena_alloc(arena, tree->file_count * sizeof *rows->put_files);
    rb_err err = stream_peek(&path, old);
    while (!err && (path || new < tree->file_count)) {
        int order = order_of(path, new < tree->file_count ? tree->files[new].path : NULL);
        if (order < 0) {
            difference->gone_links += graph_file_links(&old->files.files[old->at]);
            gone_add(&gone, path, arena);
        } else if (order > 0 || !file_is_same(&old->files.files[old->at], &tree->files[new])) {
            rows->put_files[rows->put_file_count++] = &tree->files[new];
        }
        new += order >= 0;
        if (order <= 0)
            err = stream_next(&path, old);
    }
    rows->gone_files = gone.paths;
    rows->gone_file_count = gone.count;
    return err;
}

static rb_err difference_directories(struct graph_difference *difference, struct stream *old,
                                     const struct rb_graph_tree *tree, struct rb_arena *arena)
{
    struct graph_rows *rows = &difference->rows;
    struct gone gone = {.paths = rb_arena_alloc(arena, 0)};
    const char *path = NULL;
    size_t new = 0;
    rows->put_directories = rb_arena_alloc(arena, tree->directory_count * sizeof *rows->put_directories);
    rb_err err = stream_peek(&path, old);
    while (!err && (path || new < tree->directory_count)) {
        int order = order_of(path, new < tree->directory_count ? tree->directories[new].path : NULL);
        if (order < 0) {
            difference->gone_links++;
            gone_add(&gone, path, arena);
        } else if (order > 0) {
            rows->put_directories[rows->put_directory_count++] = &tree->directories[new];
        }
        new += order >= 0;
        if (order <= 0)
            err = stream_next(&path, old);
    }
    rows->gone_directories = gone.paths;
    rows->gone_directory_count = gone.count;
    return err;
}

void graph_difference_all(struct graph_difference *difference, const struct rb_graph_tree *tree,
                          struct rb_arena *arena)
{
    struct graph_rows *rows = &difference->rows;
    *difference = (struct graph_difference){.count = tree->directory_count + tree->file_count};
    rows->put_directories = rb_arena_alloc(arena, tree->directory_count * sizeof *rows->put_directories);
    rows->put_files = rb_arena_alloc(arena, tree->file_count * sizeof *rows->put_files);
    rows->put_directory_count = tree->directory_count;
    rows->put_file_count = tree->file_count;
    rows->gone_files = rows->gone_directories = rb_arena_alloc(arena, 0);
    for (size_t i = 0; i < tree->directory_count; i++)
        rows->put_directories[i] = &tree->directories[i];
    for (size_t i = 0; i < tree->file_count; i++)
        rows->put_files[i] = &tree->files[i];
}

rb_err graph_difference_find(struct graph_difference *difference, struct rb_graph *graph,
                             const struct rb_graph_tree *tree, const struct rb_graph_tree *old,
                             struct rb_arena *arena)
{
    struct stream stream;
    *difference = (struct graph_difference){0};
    stream_open(&stream, graph, tree->repo_id, old, false);
    rb_err err = difference_files(difference, &stream, tree, arena);
    stream_close(&stream);
    if (err)
        return err;
    stream_open(&stream, graph, tree->repo_id, old, true);
    err = difference_directories(difference, &stream, tree, arena);
    stream_close(&stream);
    difference->count = graph_rows_count(&difference->rows);
    return err;
}
