/* The order of changes, and the two stores behind one interface. */
#include "grapher/activity.h"

#include <string.h>

#include "grapher/graph_store.h"

const char *rb_activity_version(const char *updated_at, const char *state, const char *content,
                                struct rb_arena *arena)
{
    static const char *const final[] = {"transferred", "deleted"};
    char id[RB_UUID_SIZE];
    int rank = strcmp(state, "open") != 0;
    rb_uuid_from_name(id, content);
    for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
        if (strcmp(state, final[i]) == 0) /* nothing follows, whatever arrives later */
            return rb_arena_printf(arena, "9999/%s", id);
    }
    return rb_arena_printf(arena, "%.32s/%d/%s", updated_at, rank, id);
}

/* Of a repository that nobody has any more nothing is written. PostgreSQL looks within the write; a store
 * that is elsewhere is spared what would be removed again, and who writes there looks behind itself. */
static rb_err activity_is_late(bool *late, struct rb_graph *graph, int64_t repo_id)
{
    static const struct rb_statement statement = {
        "graph_is_late", "select 1 from installations where repo_id = $1 having not bool_or(is_active)"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    *late = false;
    if (!graph->neo4j)
        return RB_OK;
    rb_err err = rb_db_query(&rows, graph->db, &statement, params, 1);
    *late = !err && rb_rows_count(rows) > 0;
    rb_rows_free(rows);
    return err;
}

rb_err rb_graph_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                 const struct rb_pull_request *pull)
{
    bool late = false;
    rb_err err = activity_is_late(&late, graph, pull->repo_id);
    *written = false;
    return err || late ? err : graph->store->put_pull_request(written, graph, full_name, pull);
}

rb_err rb_graph_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                          const struct rb_issue *issue)
{
    bool late = false;
    rb_err err = activity_is_late(&late, graph, issue->repo_id);
    *written = false;
    return err || late ? err : graph->store->put_issue(written, graph, full_name, issue);
}

rb_err rb_graph_pull_request_range(struct rb_pull_range *range, struct rb_graph *graph, int64_t repo_id,
                                   int64_t number)
{
    return graph->store->pull_request_range(range, graph, repo_id, number);
}

json_t *graph_touches(const struct rb_pull_request *pull)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pull->touch_count; i++)
        json_array_append_new(list, json_pack("[s, I, I]", pull->touches[i].path,
                                              (json_int_t)pull->touches[i].additions,
                                              (json_int_t)pull->touches[i].deletions));
    return list;
}

json_t *graph_closes(const struct rb_pull_request *pull)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pull->close_count; i++)
        json_array_append_new(list, json_pack("[I, I]", (json_int_t)pull->closes[i].repo_id,
                                              (json_int_t)pull->closes[i].number));
    return list;
}
