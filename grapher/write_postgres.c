/*
 * A write of the graph in PostgreSQL. It is one transaction: the look takes the lock of the repository's row,
 * which is held to the end, so that an older generation cannot come in between and a newer one waits. Rows go
 * as arrays, a column each, in binary form.
 */
#include <string.h>

#include "grapher/graph_store.h"

#define ARRAY_MAX      (32 * 1024 * 1024) /* a batch of the longest paths */
#define MARK_TEST      1
#define MARK_GENERATED 2
#define MARK_VENDORED  4

static const struct rb_statement look_statement = {
    "graph_look", "insert into graph_repositories as r (repo_id, full_name, commit_sha, generation, files, "
                  "links, complete) "
                  "values ($1, $2, '', $3, 0, 0, false) on conflict (repo_id) do update set generation = "
                  "excluded.generation where r.generation <= excluded.generation "
                  "returning xmax <> 0, complete, commit_sha, rules"};

#define PUT_DIRECTORIES                                                                                      \
    "insert into graph_directories (repo_id, path, generation) select $1, path, $2 from unnest($3::text[]) " \
    "as row (path)"
#define PUT_FILES                                                                                           \
    "insert into graph_files (repo_id, path, directory, name, language, size, sha, is_test, is_generated, " \
    "is_vendored, generation) select $1, path, directory, name, language, size, sha, marks & 1 <> 0, "      \
    "marks & 2 <> 0, marks & 4 <> 0, $2 from unnest($3::text[], $4::text[], $5::text[], $6::text[], "       \
    "$7::bigint[], $8::text[], $9::bigint[]) as row (path, directory, name, language, size, sha, marks)"
/* What a build writes cannot be there. */
static const struct rb_statement put_new_directories = {"graph_put_new_directories", PUT_DIRECTORIES};
static const struct rb_statement put_directories = {
    "graph_put_directories",
    PUT_DIRECTORIES " on conflict (repo_id, path) do update set generation = excluded.generation"};
static const struct rb_statement put_new_files = {"graph_put_new_files", PUT_FILES};
static const struct rb_statement put_files = {
    "graph_put_files",
    PUT_FILES " on conflict (repo_id, path) do update set name = excluded.name, language = "
              "excluded.language, size = excluded.size, sha = excluded.sha, is_test = excluded.is_test, "
              "is_generated = excluded.is_generated, is_vendored = excluded.is_vendored, generation = "
              "excluded.generation"};
static const struct rb_statement remove_files = {
    "graph_remove_files", "delete from graph_files f using unnest($3::text[]) as gone (path) where f.repo_id "
                          "= $1 and f.path = gone.path and f.generation <= $2"};
static const struct rb_statement remove_directories = {
    "graph_remove_directories", "delete from graph_directories d using unnest($3::text[]) as gone (path) "
                                "where d.repo_id = $1 and d.path = gone.path and d.generation <= $2"};
static const struct rb_statement finish_statement = {
    "graph_finish", "update graph_repositories set full_name = $3, commit_sha = $4, files = $5, links = $6, "
                    "complete = $7::bigint <> 0, rules = $8, scanned_at = now() where repo_id = $1 and "
                    "generation = $2"};

rb_err graph_postgres_look(struct graph_found *found, struct rb_graph *graph,
                           const struct rb_graph_tree *tree)
{
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(tree->repo_id), RB_P_TEXT(tree->full_name),
                                      RB_P_INT(tree->generation)};
    *found = (struct graph_found){0};
    rb_err err = rb_db_begin(graph->db);
    if (!err)
        err = rb_db_query(&rows, graph->db, &look_statement, params, 3);
    if (!err && rb_rows_count(rows) == 0)
        err = rb_error_set(RB_ESTALE, "the graph of %s holds a newer generation", tree->full_name);
    if (!err) {
        found->exists = found->is_visible = rb_rows_bool(rows, 0, 0);
        found->complete = rb_rows_bool(rows, 0, 1);
        snprintf(found->commit, sizeof found->commit, "%s", rb_rows_text(rows, 0, 2));
        snprintf(found->rules, sizeof found->rules, "%s", rb_rows_text(rows, 0, 3));
    }
    rb_rows_free(rows);
    if (err)
        rb_db_rollback(graph->db);
    return err;
}

/* The look has the lock. */
rb_err graph_postgres_claim(struct rb_graph *graph, const struct graph_write *write)
{
    (void)graph;
    (void)write;
    return RB_OK;
}

static rb_err add_text(struct rb_array *array, const char *text)
{
    return text ? rb_array_add(array, text, strlen(text)) : rb_array_add_null(array);
}

static rb_err write_paths(struct rb_graph *graph, const struct graph_write *write,
                          const struct rb_statement *statement, const char *const *paths, size_t count)
{
    struct rb_array array;
    rb_err err = RB_OK;
    if (count == 0)
        return RB_OK;
    rb_array_init(&array, RB_ARRAY_TEXT, ARRAY_MAX);
    for (size_t i = 0; i < count && !err; i++)
        err = add_text(&array, paths[i]);
    const struct rb_param params[] = {RB_P_INT(write->tree->repo_id), RB_P_INT(write->tree->generation),
                                      rb_array_param(&array)};
    if (!err)
        err = rb_db_query(NULL, graph->db, statement, params, 3);
    rb_array_free(&array);
    return err;
}

enum { FILE_PATH, FILE_DIRECTORY, FILE_NAME, FILE_LANGUAGE, FILE_SIZE, FILE_SHA, FILE_MARKS, FILE_COLUMNS };

static rb_err add_file(struct rb_array columns[FILE_COLUMNS], const struct rb_graph_file *file)
{
    int marks = (file->is_test ? MARK_TEST : 0) | (file->is_generated ? MARK_GENERATED : 0) |
                (file->is_vendored ? MARK_VENDORED : 0);
    rb_err err = add_text(&columns[FILE_PATH], file->path);
    if (!err)
        err = add_text(&columns[FILE_DIRECTORY], file->directory);
    if (!err)
        err = add_text(&columns[FILE_NAME], file->name);
    if (!err)
        err = add_text(&columns[FILE_LANGUAGE], file->language);
    if (!err)
        err = rb_array_add_int(&columns[FILE_SIZE], file->size);
    if (!err)
        err = add_text(&columns[FILE_SHA], file->sha);
    return err ? err : rb_array_add_int(&columns[FILE_MARKS], marks);
}

static rb_err write_files(struct rb_graph *graph, const struct graph_write *write,
                          const struct graph_rows *rows)
{
    struct rb_array columns[FILE_COLUMNS];
    struct rb_param params[2 + FILE_COLUMNS] = {RB_P_INT(write->tree->repo_id),
                                                RB_P_INT(write->tree->generation)};
    rb_err err = RB_OK;
    if (rows->put_file_count == 0)
        return RB_OK;
    for (int i = 0; i < FILE_COLUMNS; i++)
        rb_array_init(&columns[i], i == FILE_SIZE || i == FILE_MARKS ? RB_ARRAY_INT : RB_ARRAY_TEXT,
                      ARRAY_MAX);
    for (size_t i = 0; i < rows->put_file_count && !err; i++)
        err = add_file(columns, rows->put_files[i]);
    for (int i = 0; i < FILE_COLUMNS; i++)
        params[2 + i] = rb_array_param(&columns[i]);
    if (!err)
        err = rb_db_query(NULL, graph->db, write->is_build ? &put_new_files : &put_files, params,
                          sizeof params / sizeof *params);
    for (int i = 0; i < FILE_COLUMNS; i++)
        rb_array_free(&columns[i]);
    return err;
}

static rb_err write_directories(struct rb_graph *graph, const struct graph_write *write,
                                const struct graph_rows *rows)
{
    const char **paths = rb_malloc(rows->put_directory_count * sizeof *paths);
    for (size_t i = 0; i < rows->put_directory_count; i++)
        paths[i] = rows->put_directories[i]->path;
    rb_err err = write_paths(graph, write, write->is_build ? &put_new_directories : &put_directories, paths,
                             rows->put_directory_count);
    free(paths);
    return err;
}

rb_err graph_postgres_put(struct rb_graph *graph, const struct graph_write *write,
                          const struct graph_rows *rows)
{
    rb_err err = write_directories(graph, write, rows);
    if (!err)
        err = write_files(graph, write, rows);
    if (!err)
        err = write_paths(graph, write, &remove_files, rows->gone_files, rows->gone_file_count);
    if (!err)
        err = write_paths(graph, write, &remove_directories, rows->gone_directories,
                          rows->gone_directory_count);
    return err;
}

rb_err graph_postgres_finish(struct rb_graph *graph, const struct graph_write *write,
                             const struct graph_totals *totals)
{
    const struct rb_graph_tree *tree = write->tree;
    char rules[GRAPH_RULES_SIZE];
    graph_rules(rules);
    const struct rb_param params[] = {RB_P_INT(tree->repo_id),    RB_P_INT(tree->generation),
                                      RB_P_TEXT(tree->full_name), RB_P_TEXT(tree->commit),
                                      RB_P_INT(totals->files),    RB_P_INT(totals->links),
                                      RB_P_INT(tree->complete),   RB_P_TEXT(rules)};
    rb_err err = rb_db_query(NULL, graph->db, &finish_statement, params, sizeof params / sizeof *params);
    return err ? err : rb_db_commit(graph->db);
}

void graph_postgres_abandon(struct rb_graph *graph)
{
    rb_db_rollback(graph->db);
}
