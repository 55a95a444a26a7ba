/*
 * Questions, put to either store.
 *
 * Neo4j gets all that belong together in one statement, and each answers with one row, a list of its columns,
 * each a list of its values: a request costs the server two milliseconds before it does anything (it looks up
 * the user for each one), a row of an answer four times what an element of a list does, and a list of each
 * row a third more than one of each column.
 */
#include "grapher/questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"

#define STATEMENT_MAX 32768 /* eight of the longest question */

rb_err graph_questions_begin(struct rb_graph *graph)
{
    rb_err err = graph->neo4j ? RB_OK : rb_db_begin(graph->db);
    if (!err && !graph->neo4j) {
        err = rb_db_query(NULL, graph->db, &graph_read_settings, NULL, 0);
        if (err)
            rb_db_rollback(graph->db);
    }
    return err;
}

void graph_questions_end(struct rb_graph *graph)
{
    if (!graph->neo4j)
        rb_db_rollback(graph->db);
}

static json_t *cell_of(const struct rb_rows *rows, size_t row, int column, char kind)
{
    if (rb_rows_is_null(rows, row, column))
        return json_null();
    switch (kind) {
    case 'i':
        return json_integer((json_int_t)rb_rows_int(rows, row, column));
    case 'b':
        return json_boolean(rb_rows_bool(rows, row, column));
    case 'j':
        return json_loads(rb_rows_text(rows, row, column), 0, NULL);
    default:
        return json_string(rb_rows_text(rows, row, column));
    }
}

static rb_err ask_postgres(json_t *answers, struct rb_graph *graph, const struct graph_statements *statements,
                           const json_t *arguments)
{
    struct rb_param params[GRAPH_PARAMETERS_MAX] = {0};
    char *lists[GRAPH_PARAMETERS_MAX] = {NULL};
    size_t count = 0;
    for (; statements->parameters[count]; count++) {
        const json_t *value = json_object_get(arguments, statements->parameters[count]);
        if (json_is_array(value))
            lists[count] = json_dumps(value, JSON_COMPACT);
        params[count] = json_is_integer(value) ? RB_P_INT(json_integer_value(value))
                        : json_is_array(value) ? RB_P_TEXT(lists[count])
                                               : RB_P_TEXT(json_string_value(value));
    }
    struct rb_rows *rows = NULL;
    rb_err err = rb_db_query(&rows, graph->db, &statements->postgres, params, count);
    for (size_t i = 0; i < count; i++)
        free(lists[i]);
    if (err)
        return err;
    json_t *answer = json_array();
    for (int column = 0; statements->kinds[column]; column++) {
        json_t *values = json_array();
        for (size_t i = 0; i < rb_rows_count(rows); i++)
            json_array_append_new(values, cell_of(rows, i, column, statements->kinds[column]));
        json_array_append_new(answer, values);
    }
    json_array_append_new(answers, answer);
    rb_rows_free(rows);
    return RB_OK;
}

/* Each is a subquery of its own, they run in this order; answerN is the list of its columns. */
static rb_err neo4j_statement(struct rb_buf *text, const enum graph_question *questions, size_t count)
{
    rb_err err = RB_OK;
    for (size_t i = 0; i < count && !err; i++) {
        const struct graph_statements *statements = &graph_statements[questions[i]];
        err = rb_buf_printf(text, "CALL () { CALL () { %s } WITH collect([%s", statements->neo4j,
                            statements->columns[0]);
        for (size_t column = 1; statements->kinds[column] && !err; column++)
            err = rb_buf_printf(text, ", %s", statements->columns[column]);
        for (size_t column = 0; statements->kinds[column] && !err; column++)
            err = rb_buf_printf(text, "%s[row IN rows | row[%zu]]", column ? ", " : "]) AS rows RETURN [",
                                column);
        if (!err)
            err = rb_buf_printf(text, "] AS answer%zu } ", i);
    }
    for (size_t i = 0; i < count && !err; i++)
        err = rb_buf_printf(text, "%s answer%zu", i == 0 ? "RETURN" : ",", i);
    return err;
}

static rb_err ask_neo4j(json_t *answers, struct rb_graph *graph, const enum graph_question *questions,
                        size_t count, const json_t *arguments)
{
    struct rb_buf text;
    json_t *values = NULL, *parameters = json_object();
    rb_buf_init(&text, STATEMENT_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *const *names = graph_statements[questions[i]].parameters;
        for (; *names; names++) {
            json_t *value = json_object_get(arguments, *names);
            json_object_set(parameters, *names, value ? value : json_null());
        }
    }
    rb_err err = neo4j_statement(&text, questions, count);
    if (err)
        json_decref(parameters);
    else
        err = graph_neo4j_ask(&values, graph, text.data, &parameters);
    for (size_t i = 0; i < count && !err; i++)
        json_array_append(answers, json_array_get(json_array_get(values, 0), i));
    json_decref(values);
    rb_buf_free(&text);
    return err;
}

rb_err graph_questions_ask(json_t **answers, struct rb_graph *graph, const enum graph_question *questions,
                           size_t count, const json_t *arguments)
{
    rb_err err = RB_OK;
    *answers = json_array();
    if (graph->neo4j)
        err = ask_neo4j(*answers, graph, questions, count, arguments);
    for (size_t i = 0; i < count && !graph->neo4j && !err; i++)
        err = ask_postgres(*answers, graph, &graph_statements[questions[i]], arguments);
    if (err) {
        json_decref(*answers);
        *answers = NULL;
    }
    return err;
}

size_t graph_answer_count(const json_t *answer)
{
    return json_array_size(json_array_get(answer, 0));
}

json_t *graph_answer_value(const json_t *answer, size_t column, size_t row)
{
    return json_array_get(json_array_get(answer, column), row);
}

json_t *graph_answer_row(const json_t *answer, enum graph_question question, size_t row)
{
    const struct graph_statements *statements = &graph_statements[question];
    if (row >= graph_answer_count(answer))
        return NULL;
    json_t *object = json_object();
    for (size_t column = 0; statements->kinds[column]; column++)
        json_object_set(object, statements->columns[column], graph_answer_value(answer, column, row));
    return object;
}

json_t *graph_answer_rows(const json_t *answer, enum graph_question question)
{
    json_t *rows = json_array();
    for (size_t row = 0; row < graph_answer_count(answer); row++)
        json_array_append_new(rows, graph_answer_row(answer, question, row));
    return rows;
}

static const char *text_in(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

rb_err graph_about_of(struct rb_graph_about *about, const json_t *answer)
{
    json_t *row = graph_answer_row(answer, GRAPH_ASK_ABOUT, 0);
    if (!row)
        return rb_error_set(RB_ENOTFOUND, "no graph yet");
    *about = (struct rb_graph_about){
        .generation = json_integer_value(json_object_get(row, "generation")),
        .files = json_integer_value(json_object_get(row, "files")),
        .links = json_integer_value(json_object_get(row, "links")),
        .complete = json_is_true(json_object_get(row, "complete")),
        .is_changing = json_is_true(json_object_get(row, "is_changing")),
    };
    snprintf(about->full_name, sizeof about->full_name, "%s", text_in(row, "full_name"));
    snprintf(about->commit, sizeof about->commit, "%s", text_in(row, "commit"));
    json_decref(row);
    return RB_OK;
}

rb_err rb_graph_about(struct rb_graph_about *about, struct rb_graph *graph, int64_t repo_id)
{
    static const enum graph_question question = GRAPH_ASK_ABOUT;
    json_t *answers = NULL, *arguments = json_pack("{s:I}", "repo_id", (json_int_t)repo_id);
    rb_err err = graph_questions_ask(&answers, graph, &question, 1, arguments);
    if (!err)
        err = graph_about_of(about, json_array_get(answers, 0));
    json_decref(answers);
    json_decref(arguments);
    return err;
}
