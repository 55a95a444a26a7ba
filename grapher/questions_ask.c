/* Questions, put to either store. */
#include "grapher/questions.h"

#include <stdlib.h>
#include <string.h>

#include "grapher/graph_store.h"

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

/* Rows as Neo4j gives them: arrays of values. */
static rb_err ask_postgres(json_t **values, struct rb_graph *graph, const struct graph_statements *statements,
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
    *values = err ? NULL : json_array();
    for (size_t i = 0; !err && i < rb_rows_count(rows); i++) {
        json_t *row = json_array();
        for (int column = 0; statements->kinds[column]; column++)
            json_array_append_new(row, cell_of(rows, i, column, statements->kinds[column]));
        json_array_append_new(*values, row);
    }
    rb_rows_free(rows);
    return err;
}

static rb_err ask_neo4j(json_t **values, struct rb_graph *graph, const struct graph_statements *statements,
                        const json_t *arguments)
{
    json_t *parameters = json_object();
    for (size_t i = 0; statements->parameters[i]; i++) {
        json_t *value = json_object_get(arguments, statements->parameters[i]);
        json_object_set(parameters, statements->parameters[i], value ? value : json_null());
    }
    return graph_neo4j_ask(values, graph, statements->neo4j, &parameters);
}

rb_err graph_question_ask(json_t **rows, struct rb_graph *graph, enum graph_question question,
                          const json_t *arguments)
{
    const struct graph_statements *statements = &graph_statements[question];
    json_t *values = NULL;
    const json_t *value;
    size_t i;
    rb_err err = graph->neo4j ? ask_neo4j(&values, graph, statements, arguments)
                              : ask_postgres(&values, graph, statements, arguments);
    if (err)
        return err;
    *rows = json_array();
    json_array_foreach(values, i, value)
    {
        json_t *row = json_object();
        for (size_t column = 0; statements->kinds[column]; column++)
            json_object_set(row, statements->columns[column], json_array_get(value, column));
        json_array_append_new(*rows, row);
    }
    json_decref(values);
    return RB_OK;
}
