/*
 * Nothing is left of a repository that nobody has connected any more: its disconnect removes the graph, and
 * whoever has written looks behind itself. (A webhook in PostgreSQL looks within its write,
 * activity_postgres.c.)
 */
#include "grapher/handler.h"

/* Of a disconnect that is committed after this look the event comes after it, and finds what was written. */
rb_err rb_grapher_leave_nothing(bool *removed, struct grapher_local *mine, int64_t repo_id)
{
    static const struct rb_statement statement = {
        "grapher_last_generation", "select case when not exists (select from installations where repo_id = "
                                   "$1 and state = 'active') then "
                                   "(select max(generation) from installations where repo_id = $1) end"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    *removed = false;
    if (repo_id <= 0)
        return RB_OK;
    rb_err err = rb_db_query(&rows, mine->db, &statement, params, 1);
    bool is_connected = err || rb_rows_is_null(rows, 0, 0);
    int64_t generation = is_connected ? 0 : rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    if (!is_connected)
        err = rb_graph_forget(removed, mine->graph, repo_id, generation);
    if (*removed)
        rb_log_info("graph removed repository=%lld: it is not connected any more", (long long)repo_id);
    return err;
}
