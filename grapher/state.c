/* What is known about graphs: a row each. In Neo4j the Repository node has the newest known commit as well.
 */
#include "grapher/state.h"

#include "grapher/graph_store.h"

static rb_err state_do(struct rb_graph *graph, const struct rb_statement *statement,
                       const struct rb_param *params, size_t count)
{
    return rb_db_query(NULL, graph->db, statement, params, count);
}

/* Whether the statement gives a row. */
static rb_err state_has(bool *found, struct rb_graph *graph, const struct rb_statement *statement,
                        const struct rb_param *params, size_t count)
{
    struct rb_rows *rows = NULL;
    rb_err err = rb_db_query(&rows, graph->db, statement, params, count);
    *found = !err && rb_rows_count(rows) > 0;
    rb_rows_free(rows);
    return err;
}

/* The node of PostgreSQL is the row. A head that was seen earlier than the one that is there comes late. */
static rb_err state_tell_node(struct rb_graph *graph, int64_t repo_id)
{
    static const struct rb_statement head = {"graph_head", "select sha, json_time(at) from graph_head($1)"};
    static const char statement[] = "MATCH (r:Repository {repo_id: $given.repo_id}) " GRAPH_NEO4J_LOCKED
                                    "WITH r WHERE r.head_at IS NULL OR r.head_at <= datetime($given.at) "
                                    "SET r.head_commit = $given.head, r.head_at = datetime($given.at)";
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    if (!graph->neo4j)
        return RB_OK;
    rb_err err = rb_db_query(&rows, graph->db, &head, params, 1);
    if (!err && rb_rows_count(rows) > 0) {
        json_t *parameters = json_pack("{s:I, s:s, s:s}", "repo_id", (json_int_t)repo_id, "head",
                                       rb_rows_text(rows, 0, 0), "at", rb_rows_text(rows, 0, 1));
        err = graph_neo4j_ask(NULL, graph, statement, &parameters);
    }
    rb_rows_free(rows);
    return err;
}

rb_err rb_graph_note_built(struct rb_graph *graph, int64_t repo_id, int64_t generation, const char *commit)
{
    static const struct rb_statement statement = {
        "graph_note_built",
        "insert into graph_states as s (repo_id, generation, commit_sha, graphed_at) values ($1, $2, $3, "
        "now()) on conflict (repo_id) do update set generation = excluded.generation, commit_sha = "
        "excluded.commit_sha, graphed_at = excluded.graphed_at where coalesce(s.generation, 0) <= "
        "excluded.generation"};
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(generation), RB_P_TEXT(commit)};
    rb_err err = state_do(graph, &statement, params, 3);
    return err ? err : state_tell_node(graph, repo_id);
}

rb_err rb_graph_note_merge(struct rb_graph *graph, int64_t repo_id, const char *commit, const char *merged_at)
{
    /* Of two merges in one second the order is unknown: any, but the same whichever comes first. A disconnect
     * waits for this, and finds it (activity_postgres.c). */
    static const struct rb_statement statement = {
        "graph_note_merge",
        "insert into graph_states as s (repo_id, merged_sha, merged_at, merged_since) select $1, $2, "
        "$3::timestamptz, $3::timestamptz from (select from installations where repo_id = $1 and state = "
        "'active' limit 1 for share) connected on conflict (repo_id) do update set merged_sha = case when "
        "s.merged_at is null or "
        "(s.merged_at, s.merged_sha) < (excluded.merged_at, excluded.merged_sha) then excluded.merged_sha "
        "else s.merged_sha end, merged_at = greatest(s.merged_at, excluded.merged_at), merged_since = "
        "(select "
        "min(at) from unnest(array[s.merged_since, excluded.merged_at]) at where at >= coalesce((select "
        "date_trunc('second', max(seen_at)) from tree_heads where repo_id = $1), '-infinity'))"};
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_TEXT(commit), RB_P_TEXT(merged_at)};
    rb_err err = state_do(graph, &statement, params, 3);
    return err ? err : state_tell_node(graph, repo_id);
}

rb_err rb_graph_freshness(json_t **freshness, struct rb_graph *graph, int64_t repo_id)
{
    static const struct rb_statement statement = {"graph_freshness", "select json_freshness($1)::text"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    rb_err err = rb_db_query(&rows, graph->db, &statement, params, 1);
    if (!err)
        *freshness =
            rb_rows_is_null(rows, 0, 0) ? json_null() : json_loads(rb_rows_text(rows, 0, 0), 0, NULL);
    rb_rows_free(rows);
    return err;
}

rb_err rb_graph_is_listed(bool *listed, struct rb_graph *graph, int64_t repo_id)
{
    static const struct rb_statement statement = {
        "graph_is_listed", "select 1 from graph_states where repo_id = $1 and listed_at is not null"};
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    return state_has(listed, graph, &statement, params, 1);
}

rb_err rb_graph_awaits_list(bool *awaits, struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    static const struct rb_statement statement = {
        "graph_awaits_list",
        "select 1 from graph_states where repo_id = $1 and generation = $2 and listed_at is null"};
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(generation)};
    return state_has(awaits, graph, &statement, params, 2);
}

rb_err rb_graph_note_listed(struct rb_graph *graph, int64_t repo_id)
{
    static const struct rb_statement statement = {
        "graph_note_listed", "update graph_states set listed_at = now() where repo_id = $1"};
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    return state_do(graph, &statement, params, 1);
}

rb_err rb_graph_forget_state(struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    static const struct rb_statement statement = {
        "graph_forget_state", "delete from graph_states where repo_id = $1 and greatest(generation, "
                              "dependencies_generation, 0) <= $2"};
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(generation)};
    return state_do(graph, &statement, params, 2);
}
