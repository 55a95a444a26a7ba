/*
 * The blocking connection: one thread, one session. A session that was lost outside of a transaction is
 * replaced on the next call; inside one the transaction is over and the caller hears of it. Advisory locks
 * live and die with the session.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/internal.h"

#define DB_TIMEOUT_MS 30000
#define DB_CHANNELS   4 /* a listener of ours has one or two */

struct rb_db {
    PGconn *conn;
    char *url, *application, *options;
    struct store_prepared prepared;
    char *channels[DB_CHANNELS];
    int channel_count;
    bool in_transaction;
    bool lost_in_transaction; /* until the caller ends it */
    PGnotify *looked_at;      /* arrived, not asked for yet */
};

rb_err rb_db_open(struct rb_db **out, const char *url, const char *application, int statement_timeout_ms)
{
    struct rb_db *db = rb_calloc(1, sizeof(*db));
    db->url = rb_strdup(url);
    db->application = rb_strdup(application);
    db->options = rb_asprintf("-c statement_timeout=%d -c idle_in_transaction_session_timeout=600000",
                              statement_timeout_ms > 0 ? statement_timeout_ms : DB_TIMEOUT_MS);
    *out = db;
    return RB_OK;
}

static void db_disconnect(struct rb_db *db)
{
    PQfinish(db->conn);
    db->conn = NULL;
    store_prepared_clear(&db->prepared);
}

void rb_db_close(struct rb_db *db)
{
    if (!db)
        return;
    db_disconnect(db);
    PQfreemem(db->looked_at);
    for (int i = 0; i < db->channel_count; i++)
        free(db->channels[i]);
    free(db->url);
    free(db->application);
    free(db->options);
    free(db);
}

static void db_ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static rb_err db_listen_again(struct rb_db *db)
{
    for (int i = 0; i < db->channel_count; i++) {
        char *quoted = PQescapeIdentifier(db->conn, db->channels[i], strlen(db->channels[i]));
        char *sql = rb_asprintf("listen %s", quoted ? quoted : "\"\"");
        PGresult *result = PQexec(db->conn, sql);
        rb_err err =
            PQresultStatus(result) == PGRES_COMMAND_OK ? RB_OK : store_error_of(result, db->conn, "listen");
        PQclear(result);
        PQfreemem(quoted);
        free(sql);
        if (err)
            return err;
    }
    return RB_OK;
}

static rb_err db_connect(struct rb_db *db)
{
    if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
        return RB_OK;
    if (db->in_transaction) {
        db->lost_in_transaction = true;
        return rb_error_set(RB_EUNAVAILABLE, "PostgreSQL: the connection was lost within a transaction");
    }
    db_disconnect(db);
    /* A dead peer is noticed after 10 s of silence towards unacknowledged data (tcp_user_timeout). */
    const char *const keys[] = {"dbname",           "application_name", "options", "connect_timeout",
                                "tcp_user_timeout", "keepalives_idle",  NULL};
    const char *const values[] = {db->url, db->application, db->options, "5", "10000", "30", NULL};
    db->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        rb_err err = store_error_of(NULL, db->conn, "connecting");
        db_disconnect(db);
        return err;
    }
    PQsetNoticeReceiver(db->conn, db_ignore_notice, NULL);
    rb_err err = db_listen_again(db);
    if (err)
        db_disconnect(db);
    return err;
}

static rb_err db_prepare(struct rb_db *db, const struct rb_statement *statement)
{
    if (store_prepared_has(&db->prepared, statement))
        return RB_OK;
    PGresult *result = PQprepare(db->conn, statement->name, statement->sql, 0, NULL);
    rb_err err = PQresultStatus(result) == PGRES_COMMAND_OK
                     ? RB_OK
                     : store_error_of(result, db->conn, statement->name);
    PQclear(result);
    if (!err)
        store_prepared_add(&db->prepared, statement);
    return err;
}

static rb_err db_query_once(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                            const struct store_args *args)
{
    rb_err err = db_connect(db);
    if (!err)
        err = db_prepare(db, statement);
    if (err)
        return err;
    PGresult *result =
        PQexecPrepared(db->conn, statement->name, args->count, args->values, args->lengths, args->formats, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        err = store_error_of(result, db->conn, statement->name);
        PQclear(result);
        return err;
    }
    if (rows)
        *rows = store_rows_new(result);
    else
        PQclear(result);
    return RB_OK;
}

rb_err rb_db_query(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                   const struct rb_param *params, size_t count)
{
    if (rows)
        *rows = NULL;
    struct store_args args;
    store_args_fill(&args, params, count);
    /* A session that ended while it was idle is noticed by the first statement sent on it, which has not run
     * then only if it could not be prepared or sent: statements are not repeated on a guess. What can be
     * known beforehand is asked for beforehand. */
    if (db->conn && !db->in_transaction && PQstatus(db->conn) == CONNECTION_OK) {
        struct pollfd ready = {.fd = PQsocket(db->conn), .events = POLLIN};
        if (poll(&ready, 1, 0) > 0 && (!PQconsumeInput(db->conn) || (ready.revents & (POLLHUP | POLLERR))))
            db_disconnect(db);
    }
    return db_query_once(rows, db, statement, &args);
}

static rb_err db_command(struct rb_db *db, const char *sql)
{
    PGresult *result = PQexec(db->conn, sql);
    rb_err err = PQresultStatus(result) == PGRES_COMMAND_OK ? RB_OK : store_error_of(result, db->conn, sql);
    PQclear(result);
    return err;
}

rb_err rb_db_begin(struct rb_db *db)
{
    rb_err err = db_connect(db);
    if (!err)
        err = db_command(db, "begin");
    if (err && db->conn && PQstatus(db->conn) != CONNECTION_OK) {
        /* Nothing has been done yet: a new session is as good. */
        err = db_connect(db);
        if (!err)
            err = db_command(db, "begin");
    }
    db->in_transaction = !err;
    db->lost_in_transaction = false;
    return err;
}

rb_err rb_db_commit(struct rb_db *db)
{
    if (!db->in_transaction)
        return rb_error_set(RB_EINTERNAL, "commit without a transaction");
    db->in_transaction = false;
    if (db->lost_in_transaction)
        return rb_error_set(RB_EUNAVAILABLE, "PostgreSQL: the connection was lost within a transaction");
    PGresult *result = PQexec(db->conn, "commit");
    rb_err err = RB_OK;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        err = store_error_of(result, db->conn, "commit");
    else if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
        err = rb_error_set(RB_EINTERNAL,
                           "PostgreSQL rolled back instead of committing: a statement had failed before");
    PQclear(result);
    return err;
}

void rb_db_rollback(struct rb_db *db)
{
    if (!db->in_transaction)
        return;
    db->in_transaction = false;
    if (!db->lost_in_transaction && db->conn)
        PQclear(PQexec(db->conn, "rollback"));
}

bool rb_db_ping(struct rb_db *db)
{
    static const struct rb_statement ping = {"ping", "select 1"};
    return rb_db_query(NULL, db, &ping, NULL, 0) == RB_OK;
}

/* ---- notifications ------------------------------------------------------------------------------------ */

rb_err rb_db_listen(struct rb_db *db, const char *channel)
{
    if (db->channel_count == DB_CHANNELS)
        return rb_error_set(RB_ETOOBIG, "more than %d channels", DB_CHANNELS);
    db->channels[db->channel_count++] = rb_strdup(channel);
    if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
        return db_listen_again(db);
    return db_connect(db);
}

/* The one that rb_db_wait() looked at, until it is asked for. */
static void db_keep_notification(struct rb_db *db, PGnotify *notification)
{
    PQfreemem(db->looked_at);
    db->looked_at = notification;
}

char *rb_db_notification(struct rb_db *db)
{
    PGnotify *notification = db->looked_at ? db->looked_at : db->conn ? PQnotifies(db->conn) : NULL;
    db->looked_at = NULL;
    if (!notification)
        return NULL;
    char *payload = rb_strdup(notification->extra);
    PQfreemem(notification);
    return payload;
}

rb_err rb_db_wait(bool *notified, struct rb_db *db, int timeout_ms, int wake_fd)
{
    *notified = false;
    rb_err err = db_connect(db);
    if (err)
        return err;
    /* libpq holds back what it has read already: that counts as arrived. */
    if (!PQconsumeInput(db->conn)) {
        err = store_error_of(NULL, db->conn, "waiting for notifications");
        db_disconnect(db);
        return err;
    }
    PGnotify *waiting = PQnotifies(db->conn);
    if (waiting) {
        *notified = true;
        db_keep_notification(db, waiting);
        return RB_OK;
    }
    struct pollfd fds[2] = {{.fd = PQsocket(db->conn), .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    if (poll(fds, wake_fd >= 0 ? 2 : 1, timeout_ms) < 0 && errno != EINTR)
        return rb_error_set(RB_EINTERNAL, "poll: %s", strerror(errno));
    if (fds[0].revents && !PQconsumeInput(db->conn)) {
        err = store_error_of(NULL, db->conn, "waiting for notifications");
        db_disconnect(db);
        return err;
    }
    waiting = PQnotifies(db->conn);
    *notified = waiting != NULL;
    db_keep_notification(db, waiting);
    return RB_OK;
}

/* ---- advisory locks ----------------------------------------------------------------------------------- */

/* One key of 64 bits: the space above, the thing below. Repository ids have 40 bits at most for centuries. */
static int64_t db_lock_key(enum rb_lock_space space, int64_t key)
{
    return ((int64_t)space << 56) ^ key;
}

rb_err rb_db_lock(struct rb_db *db, enum rb_lock_space space, int64_t key, int timeout_ms)
{
    /* The wait is bounded by lock_timeout, set and reset around it; statement_timeout must not end it
     * earlier. */
    static const struct rb_statement limit = {
        "lock_limit",
        "select set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false), "
        "current_setting('statement_timeout')"};
    static const struct rb_statement lock = {"lock", "select pg_advisory_lock($1)"};
    char lock_ms[24], statement_ms[24], before[64];
    struct rb_rows *rows = NULL;
    snprintf(lock_ms, sizeof(lock_ms), "%d", timeout_ms > 0 ? timeout_ms : 1);
    snprintf(statement_ms, sizeof(statement_ms), "%d", timeout_ms + DB_TIMEOUT_MS);
    static const struct rb_statement current = {"lock_current",
                                                "select current_setting('statement_timeout')"};
    rb_err err = rb_db_query(&rows, db, &current, NULL, 0);
    if (err)
        return err;
    snprintf(before, sizeof(before), "%s", rb_rows_text(rows, 0, 0));
    rb_rows_free(rows);
    struct rb_param limits[] = {RB_P_TEXT(lock_ms), RB_P_TEXT(statement_ms)};
    err = rb_db_query(NULL, db, &limit, limits, 2);
    if (err)
        return err;
    struct rb_param params[] = {RB_P_INT(db_lock_key(space, key))};
    err = rb_db_query(NULL, db, &lock, params, 1);
    char text[512];
    snprintf(text, sizeof(text), "%s", err ? rb_error_text() : "");
    struct rb_param restore[] = {RB_P_TEXT("0"), RB_P_TEXT(before)};
    rb_err restored = db->conn ? rb_db_query(NULL, db, &limit, restore, 2) : RB_OK;
    if (err && strstr(text, "55P03"))
        return rb_error_set(RB_ETIMEOUT, "a lock was not free within %d ms", timeout_ms);
    if (err)
        return rb_error_set(err, "%s", text);
    return restored;
}

rb_err rb_db_try_lock(struct rb_db *db, enum rb_lock_space space, int64_t key)
{
    static const struct rb_statement try_lock = {"try_lock", "select pg_try_advisory_lock($1)"};
    struct rb_param params[] = {RB_P_INT(db_lock_key(space, key))};
    struct rb_rows *rows = NULL;
    rb_err err = rb_db_query(&rows, db, &try_lock, params, 1);
    if (err)
        return err;
    if (!rb_rows_bool(rows, 0, 0))
        err = rb_error_set(RB_ECONFLICT, "another session holds the lock");
    rb_rows_free(rows);
    return err;
}

void rb_db_unlock(struct rb_db *db, enum rb_lock_space space, int64_t key)
{
    static const struct rb_statement unlock = {"unlock", "select pg_advisory_unlock($1)"};
    struct rb_param params[] = {RB_P_INT(db_lock_key(space, key))};
    /* Without its session the lock is free already. */
    if (db->conn && PQstatus(db->conn) == CONNECTION_OK && rb_db_query(NULL, db, &unlock, params, 1) != RB_OK)
        db_disconnect(db);
}
