/*
 * The order of a write, the same for both stores: take the lock, look at what is there, find the difference
 * to the tree, write it. New folders first, so that files find theirs; removals last; the commit at the very
 * end.
 *
 * Where nothing is there, all of the tree is the difference, and a build that was cut off goes on where it
 * was. Else the difference is to the tree of the commit that the graph shows, where that is still stored and
 * its rows were found by the same rules; else, and whenever a write was left unfinished or the commit is the
 * same one again (which only who doubts the graph asks for), to what is read back from the store.
 */
#include <stdio.h>
#include <string.h>

#include "grapher/graph_store.h"

/* Two trees side by side in memory: of larger ones the store's pages are read, one at a time. */
#define OLD_TREE_MAX 300000

struct writing {
    struct rb_graph *graph;
    struct rb_graph_tree tree; /* judged as far as it has to be */
    struct graph_write write;
    struct graph_difference difference;
    size_t count; /* of its rows */
    struct rb_arena *arena;
    rb_graph_progress_fn progress;
    void *progress_arg;
};

static rb_err write_claim(struct writing *writing)
{
    rb_err err = writing->graph->store->claim(writing->graph, &writing->write);
    writing->write.is_claimed = !err;
    return err;
}

/* ---- the difference ------------------------------------------------------------------------------------ */

/* What the graph shows, from the tree of its commit; *old stays NULL where that is not known. */
static rb_err write_old_tree(const struct rb_graph_tree **old, struct writing *writing)
{
    const struct graph_found *found = &writing->write.found;
    const struct rb_graph_tree *tree = writing->write.tree;
    char rules[GRAPH_RULES_SIZE];
    struct rb_tree source;
    *old = NULL;
    graph_rules(rules);
    if (!tree->source || found->is_unfinished || !found->complete || !*found->commit ||
        strcmp(found->rules, rules) != 0 || strcmp(found->commit, tree->commit) == 0)
        return RB_OK;
    rb_err err = rb_tree_of_commit(&source, writing->graph->db, tree->repo_id, found->commit, OLD_TREE_MAX,
                                   writing->arena);
    if (err)
        return err == RB_ENOTFOUND ? RB_OK : err;
    struct rb_graph_tree *rows = rb_arena_alloc(writing->arena, sizeof *rows);
    rb_graph_rows(rows, &source, writing->arena);
    *old = rows;
    return RB_OK;
}

static bool write_goes_on(const struct graph_write *write)
{
    char building[GRAPH_BUILDING_SIZE];
    graph_building(building, write->tree);
    return !write->found.is_visible && write->tree->complete && *write->tree->commit &&
           strcmp(write->found.building, building) == 0;
}

static void write_judge(struct writing *writing)
{
    if (writing->tree.source && !writing->tree.judged)
        rb_graph_judge(&writing->tree, writing->arena);
}

static rb_err write_find_difference(struct writing *writing)
{
    struct graph_write *write = &writing->write;
    const struct rb_graph_tree *old = NULL;
    rb_err err = RB_OK;
    if (!write->found.exists || write_goes_on(write)) {
        write->is_build = true;
        write->at = write->found.exists ? write->found.written : 0;
        graph_difference_all(&writing->difference, write->tree, writing->arena);
        return RB_OK;
    }
    if (write->found.is_unfinished) /* whoever wrote it must not go on meanwhile */
        err = write_claim(writing);
    if (!err)
        err = write_old_tree(&old, writing);
    if (err)
        return err;
    if (old)
        return graph_difference_to_tree(&writing->difference, write->tree, old, writing->arena);
    write_judge(writing);
    return graph_difference_to_store(&writing->difference, writing->graph, write->tree, writing->arena);
}

/* Where the list was not complete nothing is removed on its strength, and what was there still counts. */
static struct graph_totals write_totals(struct writing *writing)
{
    const struct rb_graph_tree *tree = writing->write.tree;
    struct graph_difference *difference = &writing->difference;
    struct graph_totals totals = {.files = (int64_t)tree->file_count,
                                  .links = (int64_t)tree->directory_count + tree->file_links};
    if (!tree->complete) {
        totals.files += (int64_t)difference->gone_files.count;
        totals.links += difference->gone_links;
        difference->gone_files.count = difference->gone_directories.count = 0;
    }
    writing->count = graph_difference_count(difference);
    return totals;
}

/* ---- batches ------------------------------------------------------------------------------------------- */

static bool write_may_go_on(const struct writing *writing)
{
    return !writing->progress ||
           writing->progress(writing->progress_arg, writing->write.at, (int64_t)writing->count);
}

static rb_err write_stop(void)
{
    return rb_error_set(RB_EUNAVAILABLE, "the grapher is stopping");
}

/* The tree is what the graph shows already: its generation and commit are all there is to write. */
static bool write_is_shown(const struct writing *writing)
{
    const struct graph_write *write = &writing->write;
    return write->found.is_visible && !write->found.is_unfinished && writing->count == 0;
}

static rb_err write_settle(const struct writing *writing)
{
    const struct graph_store *store = writing->graph->store;
    return store->settle ? store->settle(writing->graph, &writing->write) : RB_OK;
}

/* Folders are not in one batch with what stands in them. */
static size_t write_batch_count(const struct writing *writing)
{
    size_t at = (size_t)writing->write.at, folders = writing->difference.put_directories.count;
    size_t left = (at < folders ? folders : writing->count) - at;
    return left < writing->graph->store->batch_rows ? left : writing->graph->store->batch_rows;
}

static rb_err write_batches(struct writing *writing)
{
    const struct graph_store *store = writing->graph->store;
    struct graph_write *write = &writing->write;
    rb_err err = write->is_claimed ? RB_OK : write_claim(writing);
    while (!err && (size_t)write->at < writing->count) {
        struct graph_rows batch;
        size_t count = write_batch_count(writing);
        if (!write_may_go_on(writing)) {
            err = write_settle(writing);
            return err ? err : write_stop();
        }
        if (write->is_build && (size_t)write->at >= writing->difference.put_directories.count)
            write_judge(writing); /* while the store has the folders */
        struct rb_arena *arena = rb_arena_new();
        graph_difference_take(&batch, &writing->difference, (size_t)write->at, count, arena);
        err = store->put(writing->graph, write, &batch);
        rb_arena_free(arena);
        if (!err)
            write->at += (int64_t)count;
    }
    return err ? err : write_settle(writing);
}

static rb_err write_locked(struct rb_graph_written *written, struct writing *writing)
{
    const struct graph_store *store = writing->graph->store;
    struct graph_write *write = &writing->write;
    rb_err err = store->look(&write->found, writing->graph, write->tree);
    if (err)
        return err;
    err = write_find_difference(writing);
    const struct graph_totals totals = write_totals(writing);
    if (!err)
        err = write_is_shown(writing) ? RB_OK : write_batches(writing);
    if (!err)
        err = store->finish(writing->graph, write, &totals);
    if (err) {
        store->abandon(writing->graph);
        return err;
    }
    *written = (struct rb_graph_written){
        .files = totals.files, .links = totals.links, .changed = (int64_t)writing->count};
    if (writing->progress)
        writing->progress(writing->progress_arg, written->changed, written->changed);
    return RB_OK;
}

rb_err rb_graph_write(struct rb_graph_written *written, struct rb_graph *graph,
                      const struct rb_graph_tree *tree, rb_graph_progress_fn progress, void *arg)
{
    struct writing writing = {.graph = graph, .tree = *tree, .progress = progress, .progress_arg = arg};
    writing.write.tree = &writing.tree;
    rb_uuid_make(writing.write.writer);
    rb_err err = rb_db_lock(graph->db, RB_LOCK_GRAPH, tree->repo_id, GRAPH_LOCK_WAIT_MS);
    if (err)
        return rb_error_wrap(err, "waiting for another builder of this graph");
    writing.arena = rb_arena_new();
    err = write_locked(written, &writing);
    rb_arena_free(writing.arena);
    rb_db_unlock(graph->db, RB_LOCK_GRAPH, tree->repo_id);
    return err;
}
