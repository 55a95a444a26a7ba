/*
 * The blocking connection: one thread, one session. A session that was lost outside of a transaction is
 * replaced on the next call; inside one the transaction is over and the caller hears of it. Advisory locks
 * live and die with the session.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/internal.h"

#define DB_TIMEOUT_MS  30000
#define DB_MARGIN_MS   5000    /* beyond the server's own timeout: then it is not the statement that hangs */
#define DB_PING_MS     10000   /* nothing is read for it: then the server hangs */
#define DB_LOOKS       16      /* messages read from an idle connection before it counts as alive */
#define DB_LOCK_MAX_MS 3600000 /* nobody waits longer for a lock than an hour */
#define DB_CHANNELS    4       /* a listener of ours has one or two */

struct rb_db {
    PGconn *conn;
    char *url, *application, *options;
    int64_t session; /* how many there have been */
    int patience_ms; /* for one answer: the statement timeout and a margin */
    struct store_prepared prepared;
    char *channels[DB_CHANNELS];
    int channel_count;
    bool in_transaction;
    bool lost_in_transaction; /* until the caller ends it */
    bool missed;              /* replaced in silence: notifications may have been lost */
    PGnotify *looked_at;      /* arrived, not asked for yet */
};

rb_err rb_db_open(struct rb_db **out, const char *url, const char *application, int statement_timeout_ms)
{
    int timeout_ms = statement_timeout_ms > 0 ? statement_timeout_ms : DB_TIMEOUT_MS;
    rb_err err = store_check_url(url);
    if (err)
        return err;
    struct rb_db *db = rb_calloc(1, sizeof(*db));
    db->url = rb_strdup(url);
    db->application = rb_strdup(application);
    db->options =
        rb_asprintf("-c statement_timeout=%d -c idle_in_transaction_session_timeout=600000", timeout_ms);
    db->patience_ms = timeout_ms < INT_MAX - DB_MARGIN_MS ? timeout_ms + DB_MARGIN_MS : INT_MAX;
    *out = db;
    return RB_OK;
}

void rb_db_set(struct rb_db *db, const char *name, const char *value)
{
    char *more = rb_asprintf("%s -c %s=%s", db->options, name, value);
    free(db->options);
    db->options = more;
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

/* Waits until a whole result is there, or `deadline`. A server that takes the statement and says nothing (it
 * is stopped, its disk hangs) keeps TCP alive: neither libpq nor the kernel would ever give up. */
static rb_err db_await(struct rb_db *db, int64_t deadline, const char *what)
{
    for (;;) {
        int left = PQflush(db->conn);
        if (left < 0 || (PQstatus(db->conn) != CONNECTION_OK && !PQisBusy(db->conn)))
            return store_error_of(NULL, db->conn, what);
        if (!left && !PQisBusy(db->conn))
            return RB_OK;
        int64_t rest = deadline - rb_clock_ms();
        struct pollfd ready = {.fd = PQsocket(db->conn), .events = (short)(POLLIN | (left ? POLLOUT : 0))};
        int count = rest > 0 ? poll(&ready, 1, (int)rest) : 0;
        if (count == 0) {
            db_disconnect(db);
            return rb_error_set(RB_ETIMEOUT, "PostgreSQL, %s: no answer in time; the outcome is unknown",
                                what);
        }
        if (count > 0 && (ready.revents & ~POLLOUT) && !PQconsumeInput(db->conn))
            return store_error_of(NULL, db->conn, what);
    }
}

/* The result of what was just sent (`sent`: libpq's word whether it was). Takes results up to the end, so
 * that the connection is free for the next statement; an error in between wins. */
static rb_err db_finish(PGresult **out, struct rb_db *db, int sent, const char *what)
{
    PGresult *last = NULL;
    int64_t deadline = rb_clock_ms() + db->patience_ms;
    rb_err err = sent ? RB_OK : store_error_of(NULL, db->conn, what);
    while (!err) {
        err = db_await(db, deadline, what);
        PGresult *result = err ? NULL : PQgetResult(db->conn);
        if (!result)
            break;
        PQclear(last);
        last = result;
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            err = store_error_of(result, db->conn, what);
            /* What follows is the end of it; a lost connection has none. */
            char text[512];
            snprintf(text, sizeof(text), "%s", rb_error_text());
            while (db->conn && db_await(db, deadline, what) == RB_OK && (result = PQgetResult(db->conn)))
                PQclear(result);
            err = rb_error_set(err, "%s", text);
        }
    }
    if (!err && !last)
        err = store_error_of(NULL, db->conn, what);
    if (err || !out)
        PQclear(last);
    else
        *out = last;
    return err;
}

static rb_err db_command(PGresult **out, struct rb_db *db, const char *sql)
{
    return db_finish(out, db, PQsendQuery(db->conn, sql), sql);
}

static rb_err db_listen_again(struct rb_db *db)
{
    for (int i = 0; i < db->channel_count; i++) {
        char *quoted = PQescapeIdentifier(db->conn, db->channels[i], strlen(db->channels[i]));
        char *sql = rb_asprintf("listen %s", quoted ? quoted : "\"\"");
        rb_err err = quoted ? db_command(NULL, db, sql) : store_error_of(NULL, db->conn, "listen");
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
    const char *const keys[] = {"dbname",
                                "application_name",
                                "options",
                                "connect_timeout",
                                "tcp_user_timeout",
                                "keepalives_idle",
                                "keepalives_interval",
                                "keepalives_count",
                                NULL};
    const char *const values[] = {db->url, db->application, db->options, "5", "10000", "30", "10", "3", NULL};
    db->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        rb_err err = store_error_of(NULL, db->conn, "connecting");
        db_disconnect(db);
        return err;
    }
    PQsetNoticeReceiver(db->conn, db_ignore_notice, NULL);
    PQsetnonblocking(db->conn, 1);
    db->session++;
    rb_err err = db_listen_again(db);
    if (err)
        db_disconnect(db);
    return err;
}

static rb_err db_prepare(struct rb_db *db, const struct rb_statement *statement)
{
    if (store_prepared_has(&db->prepared, statement))
        return RB_OK;
    rb_err err = db_finish(NULL, db, PQsendPrepare(db->conn, statement->name, statement->sql, 0, NULL),
                           statement->name);
    if (!err)
        store_prepared_add(&db->prepared, statement);
    return err;
}

static rb_err db_query_once(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                            const struct store_args *args, bool is_binary)
{
    rb_err err = db_connect(db);
    if (!err)
        err = db_prepare(db, statement);
    if (err)
        return err;
    PGresult *result = NULL;
    err = db_finish(&result, db,
                    PQsendQueryPrepared(db->conn, statement->name, args->count, args->values, args->lengths,
                                        args->formats, is_binary),
                    statement->name);
    if (err)
        return err;
    if (rows)
        *rows = store_rows_new(result);
    else
        PQclear(result);
    return RB_OK;
}

/* Whether the server has closed an idle connection. Its last words come before the end of the stream, and
 * each look reads but one of these. */
static bool db_is_dead(struct rb_db *db)
{
    for (int i = 0; i < DB_LOOKS && db->conn && PQstatus(db->conn) == CONNECTION_OK; i++) {
        struct pollfd ready = {.fd = PQsocket(db->conn), .events = POLLIN | POLLRDHUP};
        if (poll(&ready, 1, 0) <= 0)
            return false;
        if ((ready.revents & (POLLHUP | POLLERR | POLLRDHUP)) || !PQconsumeInput(db->conn))
            return true;
    }
    return db->conn && PQstatus(db->conn) != CONNECTION_OK;
}

static rb_err db_query(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                       const struct rb_param *params, size_t count, bool is_binary)
{
    if (rows)
        *rows = NULL;
    struct store_args args;
    store_args_fill(&args, params, count);
    /* A session that ended while it was idle is noticed by the first statement sent on it, which has not run
     * then only if it could not be prepared or sent: statements are not repeated on a guess. What can be
     * known beforehand is asked for beforehand. */
    if (!db->in_transaction && db_is_dead(db)) {
        db->missed |= db->channel_count > 0;
        db_disconnect(db);
    }
    return db_query_once(rows, db, statement, &args, is_binary);
}

rb_err rb_db_query(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                   const struct rb_param *params, size_t count)
{
    return db_query(rows, db, statement, params, count, false);
}

rb_err rb_db_query_binary(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                          const struct rb_param *params, size_t count)
{
    return db_query(rows, db, statement, params, count, true);
}

rb_err rb_db_begin(struct rb_db *db)
{
    if (db->in_transaction)
        return rb_error_set(RB_EINTERNAL, "a transaction within a transaction");
    rb_err err = db_connect(db);
    if (err)
        return err;
    err = db_command(NULL, db, "begin");
    if (err && (!db->conn || PQstatus(db->conn) != CONNECTION_OK)) {
        /* Nothing has been done yet: a new session is as good. */
        db->missed |= db->channel_count > 0;
        err = db_connect(db);
        if (!err)
            err = db_command(NULL, db, "begin");
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
    if (!db->conn)
        return rb_error_set(RB_EUNAVAILABLE, "PostgreSQL: the connection was lost within a transaction");
    PGresult *result = NULL;
    rb_err err = db_command(&result, db, "commit");
    if (!err && strcmp(PQcmdStatus(result), "COMMIT") != 0)
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
    /* A session that cannot even roll back takes the transaction with it. */
    if (!db->lost_in_transaction && db->conn && db_command(NULL, db, "rollback"))
        db_disconnect(db);
}

rb_err rb_db_ping(struct rb_db *db)
{
    static const struct rb_statement ping = {"ping", "select 1"};
    int patience_ms = db->patience_ms;

    db->patience_ms = patience_ms < DB_PING_MS ? patience_ms : DB_PING_MS;
    rb_err err = rb_db_query(NULL, db, &ping, NULL, 0);
    db->patience_ms = patience_ms;
    return err;
}

/* ---- notifications ------------------------------------------------------------------------------------ */

rb_err rb_db_listen(struct rb_db *db, const char *channel)
{
    bool known = false;
    for (int i = 0; i < db->channel_count && !known; i++)
        known = strcmp(db->channels[i], channel) == 0;
    if (!known && db->channel_count == DB_CHANNELS)
        return rb_error_set(RB_ETOOBIG, "more than %d channels", DB_CHANNELS);
    if (!known)
        db->channels[db->channel_count++] = rb_strdup(channel);
    if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
        return db_listen_again(db);
    return db_connect(db);
}

/* The one that rb_db_wait() looked at, until it is asked for. */
static bool db_look_for_notification(struct rb_db *db)
{
    if (!db->looked_at)
        db->looked_at = PQnotifies(db->conn);
    return db->looked_at != NULL;
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
    *notified = db->looked_at != NULL;
    if (*notified)
        return RB_OK;
    rb_err err = db_connect(db);
    if (err)
        return err;
    if (db->missed) {
        db->missed = false;
        return rb_error_set(RB_EUNAVAILABLE,
                            "PostgreSQL: the connection was replaced; notifications may be lost");
    }
    for (int i = 0; i < 2; i++) {
        /* libpq holds back what it has read already: that counts as arrived. */
        if (!PQconsumeInput(db->conn)) {
            err = store_error_of(NULL, db->conn, "waiting for notifications");
            db_disconnect(db);
            return err;
        }
        *notified = db_look_for_notification(db);
        if (*notified || i == 1)
            return RB_OK;
        struct pollfd fds[2] = {{.fd = PQsocket(db->conn), .events = POLLIN},
                                {.fd = wake_fd, .events = POLLIN}};
        int count = poll(fds, wake_fd >= 0 ? 2 : 1, timeout_ms);
        if (count < 0 && errno != EINTR)
            return rb_error_set(RB_EINTERNAL, "poll: %s", strerror(errno));
        if (count <= 0 || !fds[0].revents)
            return RB_OK;
    }
    return RB_OK;
}

/* ---- advisory locks ----------------------------------------------------------------------------------- */

/* One key of 64 bits: the space above, the thing below. Repository ids have 40 bits at most for centuries. */
int64_t rb_db_lock_key(enum rb_lock_space space, int64_t key)
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
    if (timeout_ms > DB_LOCK_MAX_MS)
        timeout_ms = DB_LOCK_MAX_MS;
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
    struct rb_param params[] = {RB_P_INT(rb_db_lock_key(space, key))};
    int patience_ms = db->patience_ms;
    db->patience_ms = timeout_ms + DB_TIMEOUT_MS + DB_MARGIN_MS;
    err = rb_db_query(NULL, db, &lock, params, 1);
    db->patience_ms = patience_ms;
    char text[512];
    snprintf(text, sizeof(text), "%s", err ? rb_error_text() : "");
    struct rb_param restore[] = {RB_P_TEXT("0"), RB_P_TEXT(before)};
    rb_err restored = db->conn ? rb_db_query(NULL, db, &limit, restore, 2) : RB_OK;
    if (err && strstr(text, "55P03"))
        return rb_error_set(RB_ETIMEOUT, "a lock was not free within %d ms", timeout_ms);
    if (err)
        return rb_error_set(err, "%s", text);
    if (restored) /* with the session goes the lock, which nobody would give back */
        db_disconnect(db);
    return restored;
}

int64_t rb_db_session(const struct rb_db *db)
{
    return db->session;
}

rb_err rb_db_try_lock(struct rb_db *db, enum rb_lock_space space, int64_t key)
{
    static const struct rb_statement try_lock = {"try_lock", "select pg_try_advisory_lock($1)"};
    struct rb_param params[] = {RB_P_INT(rb_db_lock_key(space, key))};
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
    struct rb_param params[] = {RB_P_INT(rb_db_lock_key(space, key))};
    /* Without its session the lock is free already. */
    if (db->conn && PQstatus(db->conn) == CONNECTION_OK && rb_db_query(NULL, db, &unlock, params, 1) != RB_OK)
        db_disconnect(db);
}
