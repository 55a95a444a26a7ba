/*
 * The order of a write, the same for both stores: take the lock, claim the repository, read what is there,
 * and bring it to the tree by the difference. New folders first, so that files find theirs; removals last;
 * the commit at the very end.
 */
#include "grapher/graph.h"

#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"
#include "grapher/neo4j.h"
#include "grapher/state.h"

rb_err rb_graph_open(struct rb_graph **out, const struct rb_graph_options *options)
{
    struct rb_graph *graph = rb_calloc(1, sizeof *graph);
    rb_err err = RB_OK;
    graph->db = options->db;
    graph->store = options->neo4j_uri ? &graph_neo4j : &graph_postgres;
    if (options->neo4j_uri)
        err = rb_neo4j_open(&graph->neo4j, &(struct rb_neo4j_options){.uri = options->neo4j_uri,
                                                                      .username = options->neo4j_username,
                                                                      .password = options->neo4j_password,
                                                                      .database = options->neo4j_database});
    if (err)
        free(graph);
    else
        *out = graph;
    return err;
}

void rb_graph_close(struct rb_graph *graph)
{
    if (!graph)
        return;
    rb_neo4j_close(graph->neo4j);
    free(graph);
}

rb_err rb_graph_ping(struct rb_graph *graph)
{
    return graph->store->ping(graph);
}

/* ---- what is there ------------------------------------------------------------------------------------- */

struct graph_change {
    struct rb_graph *graph;
    const struct rb_graph_tree *tree;
    struct rb_arena *arena;
    struct rb_graph_file *old_files; /* sorted as those of the tree are */
    size_t old_file_count, old_file_capacity;
    const char **old_directories;
    size_t old_directory_count, old_directory_capacity;
    /* The difference. */
    const struct rb_graph_file **put_files;
    const struct rb_graph_directory **put_directories;
    const char **gone_files, **gone_directories;
    size_t put_file_count, put_directory_count, gone_file_count, gone_directory_count;
    int64_t gone_links; /* of what is gone from the tree */
    rb_graph_progress_fn progress;
    void *progress_arg;
    int64_t done, total;
};

static int change_compare_files(const void *a, const void *b)
{
    return strcmp(((const struct rb_graph_file *)a)->path, ((const struct rb_graph_file *)b)->path);
}

static int change_compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static rb_err change_read_files(struct graph_change *change)
{
    struct rb_graph_page page = {.next = ""};
    while (page.next) {
        const struct graph_bounds bounds = {.after = page.next, .limit = RB_GRAPH_PAGE_MAX};
        rb_err err = change->graph->store->read_files(&page, change->graph, change->tree->repo_id, &bounds,
                                                      change->arena);
        if (err)
            return err;
        if (change->old_file_count + page.count > change->old_file_capacity) {
            change->old_file_capacity = (change->old_file_count + page.count) * 2;
            change->old_files =
                rb_realloc(change->old_files, change->old_file_capacity * sizeof *change->old_files);
        }
        if (page.count)
            memcpy(change->old_files + change->old_file_count, page.files, page.count * sizeof *page.files);
        change->old_file_count += page.count;
    }
    if (change->old_file_count)
        qsort(change->old_files, change->old_file_count, sizeof *change->old_files, change_compare_files);
    return RB_OK;
}

static rb_err change_read_directories(struct graph_change *change)
{
    struct rb_graph_directory_page page = {.next = ""};
    while (page.next) {
        const struct graph_bounds bounds = {.after = page.next, .limit = RB_GRAPH_PAGE_MAX};
        rb_err err = change->graph->store->read_directories(&page, change->graph, change->tree->repo_id,
                                                            &bounds, change->arena);
        if (err)
            return err;
        if (change->old_directory_count + page.count > change->old_directory_capacity) {
            change->old_directory_capacity = (change->old_directory_count + page.count) * 2;
            change->old_directories = rb_realloc(
                change->old_directories, change->old_directory_capacity * sizeof *change->old_directories);
        }
        for (size_t i = 0; i < page.count; i++)
            change->old_directories[change->old_directory_count++] = page.directories[i].path;
    }
    if (change->old_directory_count)
        qsort(change->old_directories, change->old_directory_count, sizeof *change->old_directories,
              change_compare_paths);
    return RB_OK;
}

/* ---- the difference ------------------------------------------------------------------------------------ */

static bool change_file_is_same(const struct rb_graph_file *a, const struct rb_graph_file *b)
{
    return a->size == b->size && strcmp(a->sha, b->sha) == 0 &&
           strcmp(a->language ? a->language : "", b->language ? b->language : "") == 0;
}

static int64_t file_links(const struct rb_graph_file *file)
{
    return *file->directory ? 2 : 1; /* of the repository, of the folder */
}

static void change_compare(struct graph_change *change)
{
    const struct rb_graph_tree *tree = change->tree;
    size_t old = 0, new = 0;
    change->put_files = rb_arena_alloc(change->arena, tree->file_count * sizeof *change->put_files);
    change->gone_files = rb_arena_alloc(change->arena, change->old_file_count * sizeof *change->gone_files);
    while (old < change->old_file_count || new < tree->file_count) {
        int order = old == change->old_file_count ? 1
                    : new == tree->file_count     ? -1
                                              : strcmp(change->old_files[old].path, tree->files[new].path);
        if (order < 0) {
            change->gone_links += file_links(&change->old_files[old]);
            change->gone_files[change->gone_file_count++] = change->old_files[old].path;
        } else if (order > 0 || !change_file_is_same(&change->old_files[old], &tree->files[new])) {
            change->put_files[change->put_file_count++] = &tree->files[new];
        }
        old += order <= 0;
        new += order >= 0;
    }
    change->put_directories =
        rb_arena_alloc(change->arena, tree->directory_count * sizeof *change->put_directories);
    change->gone_directories =
        rb_arena_alloc(change->arena, change->old_directory_count * sizeof *change->gone_directories);
    for (old = new = 0; old < change->old_directory_count || new < tree->directory_count;) {
        int order = old == change->old_directory_count ? 1
                    : new == tree->directory_count
                        ? -1
                        : strcmp(change->old_directories[old], tree->directories[new].path);
        if (order < 0) {
            change->gone_links++;
            change->gone_directories[change->gone_directory_count++] = change->old_directories[old];
        } else if (order > 0) {
            change->put_directories[change->put_directory_count++] = &tree->directories[new];
        }
        old += order <= 0;
        new += order >= 0;
    }
    change->total = (int64_t)(change->put_directory_count + change->put_file_count);
    if (tree->complete)
        change->total += (int64_t)(change->gone_file_count + change->gone_directory_count);
}

/* ---- batches ------------------------------------------------------------------------------------------- */

static json_t *row_of_file(const void *items, size_t at)
{
    const struct rb_graph_file *file = ((const struct rb_graph_file *const *)items)[at];
    return json_pack("{s:s, s:s, s:s?, s:I, s:s}", "p", file->path, "d", file->directory, "l", file->language,
                     "s", (json_int_t)file->size, "h", file->sha);
}

static json_t *row_of_directory(const void *items, size_t at)
{
    const struct rb_graph_directory *directory = ((const struct rb_graph_directory *const *)items)[at];
    return json_pack("{s:s, s:s}", "p", directory->path, "d", directory->parent);
}

static json_t *row_of_path(const void *items, size_t at)
{
    return json_string(((const char *const *)items)[at]);
}

/* Hands `count` items to the store, a batch at a time. */
static rb_err change_batches(struct graph_change *change, enum graph_write kind,
                             json_t *(*row)(const void *, size_t), const void *items, size_t count)
{
    for (size_t at = 0; at < count;) {
        size_t end = at + change->graph->store->batch_rows;
        if (end > count)
            end = count;
        if (change->progress && !change->progress(change->progress_arg, change->done, change->total))
            return rb_error_set(RB_EUNAVAILABLE, "the grapher is stopping");
        json_t *rows = json_array();
        rb_err err = RB_OK;
        for (size_t i = at; i < end && !err; i++) {
            if (json_array_append_new(rows, row(items, i)))
                err = rb_error_set(RB_EINVAL, "a path of the tree is not valid UTF-8");
        }
        if (!err)
            err = change->graph->store->write(change->graph, change->tree, kind, rows);
        json_decref(rows);
        if (err)
            return err;
        change->done += (int64_t)(end - at);
        at = end;
    }
    return RB_OK;
}

static rb_err change_write(struct graph_change *change)
{
    rb_err err = change_batches(change, GRAPH_PUT_DIRECTORIES, row_of_directory, change->put_directories,
                                change->put_directory_count);
    if (!err)
        err = change_batches(change, GRAPH_PUT_FILES, row_of_file, change->put_files, change->put_file_count);
    if (!err && change->tree->complete)
        err = change_batches(change, GRAPH_REMOVE_FILES, row_of_path, change->gone_files,
                             change->gone_file_count);
    if (!err && change->tree->complete)
        err = change_batches(change, GRAPH_REMOVE_DIRECTORIES, row_of_path, change->gone_directories,
                             change->gone_directory_count);
    return err;
}

static struct graph_totals change_totals(const struct graph_change *change)
{
    const struct rb_graph_tree *tree = change->tree;
    struct graph_totals totals = {.files = (int64_t)tree->file_count,
                                  .links = (int64_t)tree->directory_count};
    for (size_t i = 0; i < tree->file_count; i++)
        totals.links += file_links(&tree->files[i]);
    if (!tree->complete) { /* then nothing was removed */
        totals.files += (int64_t)change->gone_file_count;
        totals.links += change->gone_links;
    }
    return totals;
}

static rb_err graph_write_locked(struct rb_graph_written *written, struct graph_change *change)
{
    const struct graph_store *store = change->graph->store;
    rb_err err = store->begin(change->graph, change->tree);
    if (err)
        return err;
    err = change_read_files(change);
    if (!err)
        err = change_read_directories(change);
    if (!err) {
        change_compare(change);
        err = change_write(change);
    }
    struct graph_totals totals = change_totals(change);
    if (!err)
        err = store->finish(change->graph, change->tree, &totals);
    if (err) {
        store->abandon(change->graph);
        return err;
    }
    *written =
        (struct rb_graph_written){.files = totals.files, .links = totals.links, .changed = change->done};
    if (change->progress)
        change->progress(change->progress_arg, change->total, change->total);
    return RB_OK;
}

rb_err rb_graph_write(struct rb_graph_written *written, struct rb_graph *graph,
                      const struct rb_graph_tree *tree, rb_graph_progress_fn progress, void *arg)
{
    struct graph_change change = {.graph = graph, .tree = tree, .progress = progress, .progress_arg = arg};
    rb_err err = rb_db_lock(graph->db, RB_LOCK_GRAPH, tree->repo_id, GRAPH_LOCK_WAIT_MS);
    if (err)
        return rb_error_wrap(err, "waiting for another builder of this graph");
    change.arena = rb_arena_new();
    err = graph_write_locked(written, &change);
    rb_arena_free(change.arena);
    free(change.old_files);
    free(change.old_directories);
    rb_db_unlock(graph->db, RB_LOCK_GRAPH, tree->repo_id);
    return err;
}

rb_err rb_graph_about(struct rb_graph_about *about, struct rb_graph *graph, int64_t repo_id)
{
    return graph->store->about(about, graph, repo_id);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

void graph_directory_of(struct rb_graph_directory *directory, const char *path, struct rb_arena *arena)
{
    const char *slash = strrchr(path, '/');
    directory->path = rb_arena_strdup(arena, path);
    directory->parent = rb_arena_strndup(arena, path, slash ? (size_t)(slash - path) : 0);
}

static struct graph_bounds bounds_of(const struct rb_graph_range *range, struct rb_arena *arena)
{
    bool is_sound = range->limit > 0 && range->limit < RB_GRAPH_PAGE_MAX;
    struct graph_bounds bounds = {.after = range->after,
                                  .language = range->language,
                                  .limit = is_sound ? (int)range->limit : RB_GRAPH_PAGE_MAX};
    if (*range->folder) {
        const char *first = rb_arena_printf(arena, "%s/", range->folder);
        if (strcmp(bounds.after, first) < 0)
            bounds.after = first;
        bounds.before = rb_arena_printf(arena, "%s0", range->folder);
    }
    return bounds;
}

rb_err rb_graph_files(struct rb_graph_page *page, struct rb_graph *graph, int64_t repo_id,
                      const struct rb_graph_range *range, struct rb_arena *arena)
{
    const struct graph_bounds bounds = bounds_of(range, arena);
    return graph->store->read_files(page, graph, repo_id, &bounds, arena);
}

rb_err rb_graph_directories(struct rb_graph_directory_page *page, struct rb_graph *graph, int64_t repo_id,
                            const struct rb_graph_range *range, struct rb_arena *arena)
{
    const struct graph_bounds bounds = bounds_of(range, arena);
    return graph->store->read_directories(page, graph, repo_id, &bounds, arena);
}

/* ---- removing ------------------------------------------------------------------------------------------ */

static rb_err graph_is_connected(bool *connected, struct rb_graph *graph, int64_t repo_id)
{
    static const struct rb_statement statement = {
        "graph_is_connected", "select 1 from installations where repo_id = $1 and state = 'active' limit 1"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    rb_err err = rb_db_query(&rows, graph->db, &statement, params, 1);
    *connected = err || rb_rows_count(rows) > 0;
    rb_rows_free(rows);
    return err;
}

/*
 * Looks again under the lock of the builders: whoever connects the repository after this look builds after
 * us. Should the lock be lost with its session half way, a newer generation is not touched, and one that is
 * older (its connect was begun before the disconnect) is built again when its event comes back.
 */
rb_err rb_graph_forget(bool *removed, struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    bool connected = true;
    *removed = false;
    rb_err err = graph_is_connected(&connected, graph, repo_id);
    if (err || connected) /* most often; and nobody waits for a builder then */
        return err;
    err = rb_db_lock(graph->db, RB_LOCK_GRAPH, repo_id, GRAPH_LOCK_WAIT_MS);
    if (err)
        return rb_error_wrap(err, "waiting for a builder of this graph");
    err = graph_is_connected(&connected, graph, repo_id);
    if (!err && !connected)
        err = graph->store->forget_packages(graph, repo_id, generation);
    if (!err && !connected)
        err = graph->store->forget(removed, graph, repo_id, generation);
    if (!err && !connected)
        err = rb_graph_forget_state(graph, repo_id, generation);
    rb_db_unlock(graph->db, RB_LOCK_GRAPH, repo_id);
    return err;
}
