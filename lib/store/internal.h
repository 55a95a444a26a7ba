/* Private to lib/store: what the blocking connection and the pool share. */
#ifndef RB_STORE_INTERNAL_H
#define RB_STORE_INTERNAL_H

#include <libpq-fe.h>

#include "lib/store/store.h"

/* The most arguments a statement of ours has; a compile-time bound on what is marshalled on the stack. */
#define STORE_PARAMS_MAX      32
#define STORE_CONNECT_SECONDS 5

struct rb_rows {
    PGresult *result;
    struct store_bytea *decoded; /* bytea values asked for so far */
};

/* Arguments in the shape libpq wants. Text format, except bytes, which go in binary. */
struct store_args {
    int count;
    const char *values[STORE_PARAMS_MAX];
    int lengths[STORE_PARAMS_MAX];
    int formats[STORE_PARAMS_MAX];
    char numbers[STORE_PARAMS_MAX][24];
};
void store_args_fill(struct store_args *args, const struct rb_param *params, size_t count);

/* RB_EINVAL when libpq cannot read `url`; the text holds nothing of it, since it has a password. */
rb_err store_check_url(const char *url);

struct rb_rows *store_rows_new(PGresult *result); /* takes it */

/* The rb_err of a failed result; its message is recorded with the statement's name in front. */
rb_err store_error_of(const PGresult *result, const PGconn *conn, const char *what);

/* Which statements a connection has prepared, by address. */
struct store_prepared {
    const struct rb_statement **statements;
    size_t count, capacity;
};
bool store_prepared_has(const struct store_prepared *prepared, const struct rb_statement *statement);
void store_prepared_add(struct store_prepared *prepared, const struct rb_statement *statement);
void store_prepared_remove(struct store_prepared *prepared, const struct rb_statement *statement);
void store_prepared_clear(struct store_prepared *prepared);

#endif
