/*
 * Packages, the part that both stores share: which profile is written, and when not.
 *
 * It is always the newest profile that is written, whichever event asks for it: events may come late, twice,
 * and out of order. All of it happens under the lock of the builders, as removing does: whoever disconnects
 * the repository after our look has what we write removed after it.
 */
#include "grapher/packages.h"

#include "grapher/graph_store.h"

static const struct rb_statement read_statement = {
    "graph_read_packages",
    "with newest as (select p.generation, p.profile, p.complete and not coalesce((p.profile ->> "
    "'dependencies_truncated')::boolean, false) as complete from profiles p where p.repo_id = $1 and exists "
    "(select from installations i where i.repo_id = $1 and i.state = 'active') order by p.generation desc, "
    "p.scanned_at desc limit 1), "
    /* The first '@' stands before the version: one in a name is written %40. */
    "direct as (select regexp_replace(d ->> 'purl', '^([^@?#]*)@[^?#]*', '\\1') as purl, d ->> 'kind' as "
    "scope, d ->> 'requirement' as asked from newest, jsonb_array_elements(profile -> 'dependencies') d "
    "where d ? 'purl' and not d ?| array['indirect', 'offered', 'local', 'aside']), "
    "package as (select purl collate \"C\" as purl, scope collate \"C\" as scope, "
    "left(coalesce(string_agg(distinct asked collate \"C\", ' || ' order by asked collate \"C\") filter "
    "(where asked <> ''), ''), $2::int) as asked from direct where length(purl) <= $3::int group by 1, 2 "
    "order by 1, 2 limit $4::int) "
    "select n.generation, n.complete, n.generation < coalesce(s.dependencies_generation, 0), "
    "(select count(*) from package), (select coalesce(json_agg(json_build_array(purl, scope, asked) order by "
    "purl, scope), "
    "'[]')::text from package) from newest n left join graph_states s on s.repo_id = $1"};

static rb_err packages_mark(struct rb_graph *graph, const struct graph_packages *packages)
{
    static const struct rb_statement statement = {
        "graph_mark_packages",
        "insert into graph_states as s (repo_id, dependencies_generation) values ($1, $2) on conflict "
        "(repo_id) do update set dependencies_generation = greatest(s.dependencies_generation, "
        "excluded.dependencies_generation)"};
    const struct rb_param params[] = {RB_P_INT(packages->repo_id), RB_P_INT(packages->generation)};
    return rb_db_query(NULL, graph->db, &statement, params, 2);
}

static rb_err packages_put_locked(int64_t *written, struct rb_graph *graph, int64_t repo_id,
                                  const char *full_name)
{
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(RB_PACKAGE_CONSTRAINT_MAX),
                                      RB_P_INT(RB_PACKAGE_PURL_MAX), RB_P_INT(RB_PACKAGES_MAX)};
    rb_err err = rb_db_query(&rows, graph->db, &read_statement, params, 4);
    bool is_due = !err && rb_rows_count(rows) > 0 && !rb_rows_bool(rows, 0, 2);
    if (is_due) {
        const struct graph_packages packages = {.repo_id = repo_id,
                                                .full_name = full_name,
                                                .generation = rb_rows_int(rows, 0, 0),
                                                .complete = rb_rows_bool(rows, 0, 1),
                                                .rows = rb_rows_text(rows, 0, 4)};
        err = graph->store->put_packages(graph, &packages);
        if (!err)
            err = packages_mark(graph, &packages);
        if (!err)
            *written = rb_rows_int(rows, 0, 3);
    }
    rb_rows_free(rows);
    return err;
}

rb_err rb_graph_put_packages(int64_t *written, struct rb_graph *graph, int64_t repo_id, const char *full_name)
{
    *written = -1;
    rb_err err = rb_db_lock(graph->db, RB_LOCK_GRAPH, repo_id, GRAPH_LOCK_WAIT_MS);
    if (err)
        return rb_error_wrap(err, "waiting for a builder of this graph");
    err = packages_put_locked(written, graph, repo_id, full_name);
    rb_db_unlock(graph->db, RB_LOCK_GRAPH, repo_id);
    return err;
}
