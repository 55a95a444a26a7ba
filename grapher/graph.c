/* The graph for those who open and remove it, whichever store it is in. */
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

/* ---- reading ------------------------------------------------------------------------------------------- */

void graph_directory_of(struct rb_graph_directory *directory, const char *path, struct rb_arena *arena)
{
    const char *slash = strrchr(path, '/');
    directory->path = rb_arena_strdup(arena, path);
    directory->parent = rb_arena_strndup(arena, path, slash ? (size_t)(slash - path) : 0);
}

void graph_file_of(struct rb_graph_file *file, const char *path, struct rb_arena *arena)
{
    const char *slash = strrchr(path, '/');
    file->path = rb_arena_strdup(arena, path);
    file->name = slash ? file->path + (slash + 1 - path) : file->path;
    file->directory = rb_arena_strndup(arena, path, slash ? (size_t)(slash - path) : 0);
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
