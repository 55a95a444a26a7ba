/*
 * The graph in PostgreSQL: files and folders as rows, CONTAINS as what their paths say. What is asked of it,
 * and how it is removed (write_postgres.c has how it is written).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"

#define BATCH_ROWS 5000 /* about 1 MB a statement, far from the statement timeout */

/* Both walk the primary key from a bound on. */
static const struct rb_statement read_files_statement = {
    "graph_read_files",
    "select path, directory, language, size, sha, is_test, is_generated, is_vendored from graph_files "
    "where repo_id = $1 and path > $2 order by path limit $3"};
static const struct rb_statement read_directories_statement = {
    "graph_read_directories",
    "select path from graph_directories where repo_id = $1 and path > $2 order by path limit $3"};
/* Files and folders go with it. One that is being built at this moment was never shared with anybody, or
 * holds the lock of its row: then we wait, and find its generation. */
static const struct rb_statement forget_statement = {
    "graph_forget",
    "with repository as (delete from graph_repositories where repo_id = $1 and generation <= $2 returning "
    "1), "
    "newer as (select from graph_repositories where repo_id = $1 and generation > $2), "
    "pulls as (delete from graph_pull_requests where repo_id = $1 and not exists (select from newer) "
    "returning "
    "author_id), "
    "issues as (delete from graph_issues where repo_id = $1 and not exists (select from newer) returning "
    "author_id), "
    "touches as (delete from graph_touches where repo_id = $1 and not exists (select from newer)), "
    "closes as (delete from graph_closes where (repo_id = $1 or issue_repo_id = $1) and not exists (select "
    "from newer)), "
    "people as (delete from graph_developers d where github_id in (select author_id from pulls union select "
    "author_id from issues) and not exists (select from graph_pull_requests p where p.author_id = "
    "d.github_id "
    "and p.repo_id <> $1) and not exists (select from graph_issues i where i.author_id = d.github_id and "
    "i.repo_id <> $1)) "
    "select (select count(*) from repository) + (select count(*) from pulls) + (select count(*) from "
    "issues)"};

static rb_err postgres_ping(struct rb_graph *graph)
{
    return rb_db_ping(graph->db);
}

static rb_err postgres_page(struct rb_rows **rows, struct rb_graph *graph,
                            const struct rb_statement *statement, int64_t repo_id,
                            const struct graph_bounds *bounds)
{
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_TEXT(bounds->after), RB_P_INT(bounds->limit)};
    return rb_db_query(rows, graph->db, statement, params, 3);
}

static rb_err postgres_read_files(struct graph_page *page, struct rb_graph *graph, int64_t repo_id,
                                  const struct graph_bounds *bounds, struct rb_arena *arena)
{
    struct rb_rows *rows = NULL;
    rb_err err = postgres_page(&rows, graph, &read_files_statement, repo_id, bounds);
    if (err)
        return err;
    size_t count = rb_rows_count(rows);
    struct rb_graph_file *files = rb_arena_alloc(arena, count * sizeof *files);
    for (size_t i = 0; i < count; i++) {
        graph_file_of(&files[i], rb_rows_text(rows, i, 0), arena);
        files[i].directory = rb_arena_strdup(arena, rb_rows_text(rows, i, 1));
        if (!rb_rows_is_null(rows, i, 2))
            files[i].language = rb_arena_strdup(arena, rb_rows_text(rows, i, 2));
        files[i].size = rb_rows_int(rows, i, 3);
        files[i].sha = rb_arena_strdup(arena, rb_rows_text(rows, i, 4));
        files[i].is_test = rb_rows_bool(rows, i, 5);
        files[i].is_generated = rb_rows_bool(rows, i, 6);
        files[i].is_vendored = rb_rows_bool(rows, i, 7);
    }
    rb_rows_free(rows);
    *page = (struct graph_page){.files = files,
                                .count = count,
                                .next = count == (size_t)bounds->limit ? files[count - 1].path : NULL};
    return RB_OK;
}

static rb_err postgres_read_directories(struct graph_directory_page *page, struct rb_graph *graph,
                                        int64_t repo_id, const struct graph_bounds *bounds,
                                        struct rb_arena *arena)
{
    struct rb_rows *rows = NULL;
    rb_err err = postgres_page(&rows, graph, &read_directories_statement, repo_id, bounds);
    if (err)
        return err;
    size_t count = rb_rows_count(rows);
    struct rb_graph_directory *found = rb_arena_alloc(arena, count * sizeof *found);
    for (size_t i = 0; i < count; i++)
        graph_directory_of(&found[i], rb_rows_text(rows, i, 0), arena);
    rb_rows_free(rows);
    *page =
        (struct graph_directory_page){.directories = found,
                                      .count = count,
                                      .next = count == (size_t)bounds->limit ? found[count - 1].path : NULL};
    return RB_OK;
}

static rb_err postgres_forget(bool *removed, struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(generation)};
    rb_err err = rb_db_query(&rows, graph->db, &forget_statement, params, 2);
    *removed = !err && rb_rows_int(rows, 0, 0) > 0;
    rb_rows_free(rows);
    return err;
}

const struct graph_store graph_postgres = {
    .batch_rows = BATCH_ROWS,
    .ping = postgres_ping,
    .look = graph_postgres_look,
    .claim = graph_postgres_claim,
    .put = graph_postgres_put,
    .finish = graph_postgres_finish,
    .abandon = graph_postgres_abandon,
    .read_files = postgres_read_files,
    .read_directories = postgres_read_directories,
    .forget = postgres_forget,
    .put_pull_request = graph_postgres_put_pull_request,
    .put_issue = graph_postgres_put_issue,
    .pull_request_range = graph_postgres_pull_request_range,
    .put_packages = graph_postgres_put_packages,
    .forget_packages = graph_postgres_forget_packages,
};
