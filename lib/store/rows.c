/* Rows, arguments and errors of PostgreSQL, the same for both ways in. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/internal.h"

struct store_bytea {
    struct store_bytea *next;
    size_t row;
    int column;
    unsigned char *data;
    size_t len;
};

/* ---- arguments ---------------------------------------------------------------------------------------- */

void store_args_fill(struct store_args *args, const struct rb_param *params, size_t count)
{
    if (count > STORE_PARAMS_MAX)
        abort();
    args->count = (int)count;
    for (size_t i = 0; i < count; i++) {
        const struct rb_param *param = &params[i];
        args->values[i] = NULL;
        args->lengths[i] = 0;
        args->formats[i] = 0;
        switch (param->kind) {
        case RB_PARAM_NULL:
            break;
        case RB_PARAM_TEXT:
            args->values[i] = param->data;
            break;
        case RB_PARAM_BYTES:
            /* A pointer that is not NULL: an empty value is not SQL NULL. */
            args->values[i] = param->data ? param->data : "";
            args->lengths[i] = (int)param->len;
            args->formats[i] = 1;
            break;
        case RB_PARAM_INT:
            snprintf(args->numbers[i], sizeof(args->numbers[i]), "%" PRId64, param->number);
            args->values[i] = args->numbers[i];
            break;
        }
    }
}

/* ---- rows --------------------------------------------------------------------------------------------- */

struct rb_rows *store_rows_new(PGresult *result)
{
    struct rb_rows *rows = rb_calloc(1, sizeof(*rows));
    rows->result = result;
    return rows;
}

void rb_rows_free(struct rb_rows *rows)
{
    if (!rows)
        return;
    for (struct store_bytea *value = rows->decoded, *next; value; value = next) {
        next = value->next;
        PQfreemem(value->data);
        free(value);
    }
    PQclear(rows->result);
    free(rows);
}

size_t rb_rows_count(const struct rb_rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

int64_t rb_rows_affected(const struct rb_rows *rows)
{
    return strtoll(PQcmdTuples(rows->result), NULL, 10);
}

static void rows_check(const struct rb_rows *rows, size_t row, int column)
{
    if (row >= rb_rows_count(rows) || column < 0 || column >= PQnfields(rows->result)) {
        rb_log_error("bug: a result of %zu rows and %d columns was asked for row %zu, column %d",
                     rb_rows_count(rows), PQnfields(rows->result), row, column);
        abort();
    }
}

bool rb_rows_is_null(const struct rb_rows *rows, size_t row, int column)
{
    rows_check(rows, row, column);
    return PQgetisnull(rows->result, (int)row, column);
}

const char *rb_rows_text(const struct rb_rows *rows, size_t row, int column)
{
    rows_check(rows, row, column);
    return PQgetvalue(rows->result, (int)row, column);
}

int64_t rb_rows_int(const struct rb_rows *rows, size_t row, int column)
{
    return strtoll(rb_rows_text(rows, row, column), NULL, 10);
}

bool rb_rows_bool(const struct rb_rows *rows, size_t row, int column)
{
    return rb_rows_text(rows, row, column)[0] == 't';
}

const uint8_t *rb_rows_bytes(const struct rb_rows *rows, size_t row, int column, size_t *len)
{
    *len = 0;
    if (rb_rows_is_null(rows, row, column))
        return NULL;
    if (PQfformat(rows->result, column) == 1) {
        *len = (size_t)PQgetlength(rows->result, (int)row, column);
        return (const uint8_t *)PQgetvalue(rows->result, (int)row, column);
    }
    for (const struct store_bytea *value = rows->decoded; value; value = value->next) {
        if (value->row == row && value->column == column) {
            *len = value->len;
            return value->data;
        }
    }
    struct store_bytea *value = rb_calloc(1, sizeof(*value));
    value->row = row;
    value->column = column;
    value->data =
        PQunescapeBytea((const unsigned char *)PQgetvalue(rows->result, (int)row, column), &value->len);
    if (!value->data)
        abort(); /* out of memory */
    /* Decoding is a cache inside a result that the caller sees as constant. */
    struct rb_rows *mutable = (struct rb_rows *)rows;
    value->next = mutable->decoded;
    mutable->decoded = value;
    *len = value->len;
    return value->data;
}

/* ---- the address
 * ------------------------------------------------------------------------------------------- */

rb_err store_check_url(const char *url)
{
    /* libpq would only tell when connecting, and quotes what it did not understand. */
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (!options)
        return rb_error_set(RB_EINVAL,
                            "DATABASE_URL is no address of a PostgreSQL database: give "
                            "postgresql://user:password@host:5432/database, with reserved characters "
                            "of the password written as %%XX");
    PQconninfoFree(options);
    return RB_OK;
}

/* ---- errors ------------------------------------------------------------------------------------------- */

/* PostgreSQL, appendix A, "PostgreSQL Error Codes". */
static rb_err store_err_of_state(const char *state)
{
    static const struct {
        const char *prefix;
        rb_err err;
    } states[] = {
        {"57014", RB_ETIMEOUT},     /* query_canceled: our statement_timeout */
        {"23505", RB_ECONFLICT},    /* unique_violation */
        {"08", RB_EUNAVAILABLE},    /* connection exceptions */
        {"57P", RB_EUNAVAILABLE},   /* admin_shutdown, crash_shutdown, cannot_connect_now */
        {"53", RB_EUNAVAILABLE},    /* insufficient resources, too_many_connections */
        {"40", RB_EUNAVAILABLE},    /* deadlock, serialization failure */
        {"55P03", RB_EUNAVAILABLE}, /* lock_not_available */
        {"23", RB_EINVAL},          /* other constraints */
        {"22", RB_EINVAL},          /* data exceptions */
    };
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strncmp(state, states[i].prefix, strlen(states[i].prefix)) == 0)
            return states[i].err;
    }
    return RB_EINTERNAL;
}

rb_err store_error_of(const PGresult *result, const PGconn *conn, const char *what)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (!state) {
        /* No SQLSTATE: libpq itself, the connection is gone. Its message ends with a line break. */
        const char *text = conn ? PQerrorMessage(conn) : "";
        return rb_error_set(RB_EUNAVAILABLE, "PostgreSQL, %s: %.*s", what, (int)strcspn(text, "\n"), text);
    }
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    /* The detail is left out: it quotes values of the row. */
    return rb_error_set(store_err_of_state(state), "PostgreSQL, %s: %s (%s%s%s)", what,
                        message ? message : "", state, constraint ? ", constraint " : "",
                        constraint ? constraint : "");
}

/* ---- prepared statements ------------------------------------------------------------------------------ */

bool store_prepared_has(const struct store_prepared *prepared, const struct rb_statement *statement)
{
    for (size_t i = 0; i < prepared->count; i++) {
        if (prepared->statements[i] == statement)
            return true;
    }
    return false;
}

void store_prepared_add(struct store_prepared *prepared, const struct rb_statement *statement)
{
    if (prepared->count == prepared->capacity) {
        prepared->capacity = prepared->capacity ? prepared->capacity * 2 : 16;
        prepared->statements =
            rb_realloc(prepared->statements, prepared->capacity * sizeof(prepared->statements[0]));
    }
    prepared->statements[prepared->count++] = statement;
}

void store_prepared_remove(struct store_prepared *prepared, const struct rb_statement *statement)
{
    for (size_t i = 0; i < prepared->count; i++) {
        if (prepared->statements[i] == statement)
            prepared->statements[i--] = prepared->statements[--prepared->count];
    }
}

void store_prepared_clear(struct store_prepared *prepared)
{
    free(prepared->statements);
    *prepared = (struct store_prepared){0};
}
