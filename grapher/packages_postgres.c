/* Packages in PostgreSQL: rows of graph_dependencies, brought to a profile's by one statement. */
#include "grapher/graph_store.h"

rb_err graph_postgres_put_packages(struct rb_graph *graph, const struct graph_packages *packages)
{
    static const struct rb_statement statement = {
        "graph_put_packages",
        "with wanted as (select p ->> 0 as purl, p ->> 1 as scope, p ->> 2 as requirement from "
        "jsonb_array_elements($3::jsonb) p), "
        "gone as (delete from graph_dependencies d where d.repo_id = $1 and $4::bigint <> 0 and not exists "
        "(select from wanted w where w.purl = d.purl and w.scope = d.scope)) "
        "insert into graph_dependencies (repo_id, purl, scope, requirement, generation) select $1, purl, "
        "scope, requirement, $2 from wanted on conflict (repo_id, purl, scope) do update set requirement = "
        "excluded.requirement, generation = excluded.generation"};
    const struct rb_param params[] = {RB_P_INT(packages->repo_id), RB_P_INT(packages->generation),
                                      RB_P_TEXT(packages->rows), RB_P_INT(packages->complete)};
    return rb_db_query(NULL, graph->db, &statement, params, 4);
}

rb_err graph_postgres_forget_packages(struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    static const struct rb_statement statement = {
        "graph_forget_packages", "delete from graph_dependencies d where repo_id = $1 and not exists (select "
                                 "from graph_states s where s.repo_id = $1 and s.dependencies_generation > "
                                 "$2)"};
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(generation)};
    return rb_db_query(NULL, graph->db, &statement, params, 2);
}
