/* What happens on GitHub, in PostgreSQL: one statement a change, so that it is there whole or not at all. */
#include "grapher/activity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"

/*
 * Nothing is written of a repository that all who had it have disconnected. `connected` holds the
 * installation until the commit, for which a disconnect so waits: its event comes after this, and finds what
 * was written.
 */
#define WANTED                                                                                           \
    "with connected as materialized (select from installations where repo_id = $1 and state = 'active' " \
    "limit 1 for share), wanted as (select where exists (select from connected) or not exists (select "  \
    "from installations where repo_id = $1)), "
/* `news` has a row when something was written; parameters 1, 2, 6, 7 and 8 are the same in all statements. */
#define DEVELOPER                                                                                  \
    "developer as (insert into graph_developers as d (github_id, login, login_at) "                \
    "select $6::bigint, $7, $8 from news where $6::bigint <> 0 on conflict (github_id) do update " \
    "set login = excluded.login, login_at = excluded.login_at "                                    \
    "where (d.login_at, d.login collate \"C\") < (excluded.login_at, excluded.login collate \"C\"))"
/* An author before this one who has nothing else is gone. */
#define FORMER                                                                                         \
    "was as (select author_id from graph_pull_requests where repo_id = $1 and number = $2 union all "  \
    "select author_id from graph_issues where repo_id = $1 and number = $2), "                         \
    "former as (delete from graph_developers d using news, was where d.github_id = was.author_id and " \
    "d.github_id <> $6::bigint and not exists (select from graph_pull_requests p where p.author_id = " \
    "d.github_id and (p.repo_id, p.number) <> ($1, $2)) and not exists (select from graph_issues i "   \
    "where i.author_id = d.github_id and (i.repo_id, i.number) <> ($1, $2))) "

static const struct rb_statement put_pull_request_statement = {
    "graph_put_pull_request", WANTED
    "news as (insert into graph_pull_requests as p (repo_id, number, version, title, state, author_id, "
    "created_at, head_sha, base_ref, merged_at) select $1, $2::bigint, $3, $4, $5, nullif($6::bigint, 0), "
    "$9::timestamptz, case when $10::bigint <> 0 then $11 else '' end, case when $10::bigint <> 0 then $12 "
    "else '' end, $13::timestamptz from wanted on conflict (repo_id, number) do update set version = "
    "excluded.version, "
    "title = excluded.title, state = excluded.state, author_id = excluded.author_id, head_sha = case when "
    "$10::bigint <> 0 then excluded.head_sha else p.head_sha end, base_ref = case when $10::bigint <> 0 then "
    "excluded.base_ref else p.base_ref end, created_at = excluded.created_at, merged_at = excluded.merged_at "
    "where p.version <= excluded.version returning 1), " DEVELOPER ", " FORMER
    ", touch as (select t ->> 0 as path, (t ->> 1)::bigint as additions, (t ->> 2)::bigint as deletions "
    "from news, jsonb_array_elements($14::jsonb) t), "
    "untouched as (delete from graph_touches t using news where t.repo_id = $1 and t.number = $2 and "
    "$10::bigint <> 0 and not exists (select from touch n where n.path = t.path)), "
    "touched as (insert into graph_touches as t (repo_id, number, path, additions, deletions) select $1, $2, "
    "path, additions, deletions from touch on conflict (repo_id, number, path) do update set additions = "
    "excluded.additions, deletions = excluded.deletions where (t.additions, t.deletions) is distinct from "
    "(excluded.additions, excluded.deletions)), "
    "closing as (select (c ->> 0)::bigint as repo_id, (c ->> 1)::bigint as number from news, "
    "jsonb_array_elements($15::jsonb) c), "
    "unclosed as (delete from graph_closes c using news where c.repo_id = $1 and c.number = $2 and not "
    "exists (select from closing n where n.repo_id = c.issue_repo_id and n.number = c.issue_number)), "
    "closed as (insert into graph_closes (repo_id, number, issue_repo_id, issue_number) select $1, $2, "
    "repo_id, number from closing on conflict do nothing) "
    "select 1 from news"};

/* `unless` is what else may keep it from being written over what is there. */
#define ISSUE(unless)                                                                                       \
    "news as (insert into graph_issues as i (repo_id, number, version, title, state, author_id, "           \
    "created_at) select $1, $2::bigint, $3, $4, $5, nullif($6::bigint, 0), $9::timestamptz from wanted on " \
    "conflict (repo_id, number) do update set version = excluded.version, title = excluded.title, state = " \
    "excluded.state, author_id = excluded.author_id, created_at = excluded.created_at where i.version <= "  \
    "excluded.version" unless " returning 1), "

static const struct rb_statement put_issue_statement = {"graph_put_issue", WANTED ISSUE("") DEVELOPER
                                                        ", " FORMER "select 1 from news"};
/* Nearly all: half the work, since nobody needs to look for who was its author before. */
static const struct rb_statement put_own_issue_statement = {
    "graph_put_own_issue",
    WANTED ISSUE(" and i.author_id is not distinct from excluded.author_id") DEVELOPER " select 1 from news"};

static rb_err postgres_put(bool *written, struct rb_graph *graph, const struct rb_statement *statement,
                           const struct rb_param *params, size_t count)
{
    struct rb_rows *rows = NULL;
    rb_err err = rb_db_query(&rows, graph->db, statement, params, count);
    *written = !err && rb_rows_count(rows) > 0;
    rb_rows_free(rows);
    return err;
}

rb_err graph_postgres_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                       const struct rb_pull_request *pull)
{
    json_t *list = graph_touches(pull), *refs = graph_closes(pull);
    char *touches = json_dumps(list, JSON_COMPACT), *closes = json_dumps(refs, JSON_COMPACT);
    const struct rb_param params[] = {RB_P_INT(pull->repo_id),
                                      RB_P_INT(pull->number),
                                      RB_P_TEXT(pull->version),
                                      RB_P_TEXT(pull->title),
                                      RB_P_TEXT(pull->state),
                                      RB_P_INT(pull->author.github_id),
                                      RB_P_TEXT(pull->author.login),
                                      RB_P_TEXT(pull->author.seen_at),
                                      RB_P_TEXT(pull->created_at),
                                      RB_P_INT(pull->has_touches),
                                      RB_P_TEXT(pull->head_sha),
                                      RB_P_TEXT(pull->base_ref),
                                      RB_P_TEXT(pull->merged_at),
                                      RB_P_TEXT(touches),
                                      RB_P_TEXT(closes)};
    rb_err err = touches && closes ? postgres_put(written, graph, &put_pull_request_statement, params,
                                                  sizeof params / sizeof *params)
                                   : rb_error_set(RB_EINTERNAL, "a pull request of %s is no JSON", full_name);
    free(touches);
    free(closes);
    json_decref(list);
    json_decref(refs);
    return err;
}

rb_err graph_postgres_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                                const struct rb_issue *issue)
{
    const struct rb_param params[] = {
        RB_P_INT(issue->repo_id),       RB_P_INT(issue->number),          RB_P_TEXT(issue->version),
        RB_P_TEXT(issue->title),        RB_P_TEXT(issue->state),          RB_P_INT(issue->author.github_id),
        RB_P_TEXT(issue->author.login), RB_P_TEXT(issue->author.seen_at), RB_P_TEXT(issue->created_at)};
    (void)full_name;
    rb_err err =
        postgres_put(written, graph, &put_own_issue_statement, params, sizeof params / sizeof *params);
    if (!err && !*written) /* by another author, or for a reason that keeps this one from it, too */
        err = postgres_put(written, graph, &put_issue_statement, params, sizeof params / sizeof *params);
    return err;
}

rb_err graph_postgres_pull_request_range(struct rb_pull_range *range, struct rb_graph *graph, int64_t repo_id,
                                         int64_t number)
{
    static const struct rb_statement statement = {
        "graph_pull_request_range",
        "select version, head_sha, base_ref from graph_pull_requests where repo_id = $1 and number = $2"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(number)};
    rb_err err = rb_db_query(&rows, graph->db, &statement, params, 2);
    bool is_known = !err && rb_rows_count(rows) > 0;
    snprintf(range->version, sizeof range->version, "%s", is_known ? rb_rows_text(rows, 0, 0) : "");
    snprintf(range->head, sizeof range->head, "%s", is_known ? rb_rows_text(rows, 0, 1) : "");
    snprintf(range->base_ref, sizeof range->base_ref, "%s", is_known ? rb_rows_text(rows, 0, 2) : "");
    rb_rows_free(rows);
    return err;
}
