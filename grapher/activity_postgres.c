/* What happens on GitHub, in PostgreSQL: one statement a change, so that it is there whole or not at all. */
#include "grapher/activity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"

#define DEVELOPER(source, id, login)                                                                   \
    "developer as (insert into graph_developers as d (github_id, login) select " id "::bigint, " login \
    " from " source " where " id "::bigint <> 0 on conflict (github_id) do update set login = "        \
    "excluded.login where d.login <> excluded.login)"

static const struct rb_statement put_pull_request_statement = {
    "graph_put_pull_request",
    "with pull as (insert into graph_pull_requests as p (repo_id, number, version, title, state, author_id, "
    "head_sha, created_at, merged_at) values ($1, $2, $3, $4, $5, nullif($6::bigint, 0), case when "
    "$10::bigint "
    "<> 0 then $8 else '' end, $9::timestamptz, $11::timestamptz) on conflict (repo_id, number) do update "
    "set "
    "version = excluded.version, title = excluded.title, state = excluded.state, author_id = "
    "excluded.author_id, head_sha = case when $10::bigint <> 0 then excluded.head_sha else p.head_sha end, "
    "created_at = excluded.created_at, merged_at = excluded.merged_at where p.version <= excluded.version "
    "returning 1), " DEVELOPER(
        "pull", "$6",
        "$7") ", "
              "touch as (select t ->> 0 as path, (t ->> 1)::bigint as additions, (t ->> 2)::bigint as "
              "deletions from "
              "pull, jsonb_array_elements($12::jsonb) t), "
              "untouched as (delete from graph_touches t using pull where t.repo_id = $1 and t.number = $2 "
              "and "
              "$10::bigint <> 0 and not exists (select from touch n where n.path = t.path)), "
              "touched as (insert into graph_touches as t (repo_id, number, path, additions, deletions) "
              "select $1, $2, "
              "path, additions, deletions from touch on conflict (repo_id, number, path) do update set "
              "additions = "
              "excluded.additions, deletions = excluded.deletions where (t.additions, t.deletions) is "
              "distinct from "
              "(excluded.additions, excluded.deletions)), "
              "closing as (select (c ->> 0)::bigint as repo_id, (c ->> 1)::bigint as number from pull, "
              "jsonb_array_elements($13::jsonb) c), "
              "unclosed as (delete from graph_closes c using pull where c.repo_id = $1 and c.number = $2 and "
              "not exists "
              "(select from closing n where n.repo_id = c.issue_repo_id and n.number = c.issue_number)), "
              "closed as (insert into graph_closes (repo_id, number, issue_repo_id, issue_number) select $1, "
              "$2, "
              "repo_id, number from closing on conflict do nothing) "
              "select 1 from pull"};

static const struct rb_statement put_issue_statement = {
    "graph_put_issue",
    "with issue as (insert into graph_issues as i (repo_id, number, version, title, state, author_id, "
    "created_at) values ($1, $2, $3, $4, $5, nullif($6::bigint, 0), $8::timestamptz) on conflict (repo_id, "
    "number) do update set version = excluded.version, title = excluded.title, state = excluded.state, "
    "author_id = excluded.author_id, created_at = excluded.created_at where i.version <= excluded.version "
    "returning 1), " DEVELOPER("issue", "$6", "$7") " select 1 from issue"};

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
                                      RB_P_TEXT(pull->head_sha),
                                      RB_P_TEXT(pull->created_at),
                                      RB_P_INT(pull->has_touches),
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
    const struct rb_param params[] = {RB_P_INT(issue->repo_id),       RB_P_INT(issue->number),
                                      RB_P_TEXT(issue->version),      RB_P_TEXT(issue->title),
                                      RB_P_TEXT(issue->state),        RB_P_INT(issue->author.github_id),
                                      RB_P_TEXT(issue->author.login), RB_P_TEXT(issue->created_at)};
    (void)full_name;
    return postgres_put(written, graph, &put_issue_statement, params, sizeof params / sizeof *params);
}

rb_err graph_postgres_pull_request_head(char head[RB_SHA_SIZE], struct rb_graph *graph, int64_t repo_id,
                                        int64_t number)
{
    static const struct rb_statement statement = {
        "graph_pull_request_head",
        "select head_sha from graph_pull_requests where repo_id = $1 and number = $2"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(number)};
    rb_err err = rb_db_query(&rows, graph->db, &statement, params, 2);
    snprintf(head, RB_SHA_SIZE, "%s", !err && rb_rows_count(rows) > 0 ? rb_rows_text(rows, 0, 0) : "");
    rb_rows_free(rows);
    return err;
}
