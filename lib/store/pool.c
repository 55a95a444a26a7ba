/*
 * The non-blocking pool: statements in pipeline mode over a few connections, for one thread with an event
 * loop.
 *
 * A query waits in one queue until a connection is ready, then moves to that connection's list of what is in
 * flight, in order; PostgreSQL answers in that order. Each query is followed by a sync of its own, so that
 * one that fails takes no other with it. A query that is not answered by its deadline ends with RB_ETIMEOUT,
 * and since nobody can tell its answer from the next one any more, its connection is given up and replaced.
 *
 * A commit costs PostgreSQL more than most statements do. So statements that say they may
 * (rb_pool_query_grouped) gather while a group of them is under way, and go out together as the next one:
 * without a sync between them they are one transaction. No timer is needed: with little to do a group is one
 * statement, sent at once; with much to do groups grow by themselves. When one fails the whole group is
 * rolled back and each runs again alone.
 *
 * The caller's loop sees one descriptor: an epoll of ours that holds all sockets and a timer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/store/internal.h"

#define POOL_CONNECTIONS 4
#define POOL_QUEUE       1024
#define POOL_TIMEOUT_MS  5000
#define POOL_IN_FLIGHT   32   /* per connection: more would only wait in PostgreSQL instead of here */
#define POOL_BACKOFF_MIN 100  /* first attempt after a lost connection */
#define POOL_BACKOFF_MAX 5000 /* and the longest pause between attempts */
#define POOL_GROUP_MAX   32   /* statements of one group: locks are held for as long as it takes */
#define POOL_GROUPS      1    /* at once: a second would take from the first what they could share */
#define POOL_LARGE       (4 * 1024 * 1024) /* bytes of arguments that make a connection one to be replaced */
#define POOL_ENDS_MAX    3                 /* results end once each */
#define POOL_CONNECT_MS  (STORE_CONNECT_SECONDS * 1000)

struct pool_query {
    struct pool_query *next;
    const struct rb_statement *statement;
    const struct rb_param *params; /* of this very allocation; NULL once they have been sent for good */
    size_t count;
    int64_t deadline;
    rb_pool_fn fn;
    void *arg;
    rb_err err; /* of an answer that has arrived, until its sync */
    struct rb_rows *rows;
    char *text;      /* error text */
    bool is_prepare; /* the answer to its preparation comes first */
    bool is_grouped; /* until its group has failed */
    bool ends_group; /* a sync follows it: with one that runs by itself always */
};

struct pool_list {
    struct pool_query *head, **tail;
    int count;
};

/* Which phase a connection is in; pool_connection_enter() alone changes it. */
enum pool_phase {
    POOL_DOWN,       /* no session; `retry_at` says when the next attempt is due */
    POOL_CONNECTING, /* PQconnectPoll under way, until `connect_deadline` */
    POOL_READY,      /* takes queries */
};

struct pool_connection {
    struct rb_pool *pool;
    enum pool_phase phase;
    PGconn *conn;
    int fd;
    uint32_t events;
    struct store_prepared prepared;
    struct pool_list in_flight;
    struct pool_query *current; /* of in_flight: whose results come next; NULL: a sync does */
    bool has_group;
    bool is_swollen; /* libpq never gives back the memory that a large statement took */
    int64_t retry_at, connect_deadline, backoff;
    bool broken; /* sending failed where no callback may run: dropped by the next dispatch */
};

struct rb_pool {
    int epoll_fd, timer_fd;
    char *url, *application;
    int queue_limit, timeout_ms, connection_count;
    int64_t armed;              /* when the timer goes off at the latest; INT64_MAX: not at all */
    struct pool_list waiting;   /* each by itself */
    struct pool_list gathering; /* for the next group */
    struct pool_connection *connections;
    bool closing;
};

static void pool_schedule(struct rb_pool *pool);

/* ---- lists of queries --------------------------------------------------------------------------------- */

static void pool_list_init(struct pool_list *list)
{
    *list = (struct pool_list){.tail = &list->head};
}

static void pool_list_push(struct pool_list *list, struct pool_query *query)
{
    query->next = NULL;
    *list->tail = query;
    list->tail = &query->next;
    list->count++;
}

static void pool_list_push_front(struct pool_list *list, struct pool_query *query)
{
    query->next = list->head;
    list->head = query;
    if (!query->next)
        list->tail = &query->next;
    list->count++;
}

static struct pool_query *pool_list_pop(struct pool_list *list)
{
    struct pool_query *query = list->head;
    if (!query)
        return NULL;
    list->head = query->next;
    if (!list->head)
        list->tail = &list->head;
    list->count--;
    return query;
}

/* Tells the caller and frees. The callback may submit further queries. */
static void pool_query_finish(struct pool_query *query, rb_err err, const char *text)
{
    if (err)
        rb_error_set(err, "%s", text);
    query->fn(query->arg, err, err ? NULL : query->rows);
    rb_rows_free(query->rows);
    free(query->text);
    free(query);
}

/* Ends every query of a list. The list is emptied first: callbacks may add to the pool's lists. */
static void pool_list_finish_all(struct pool_list *list, rb_err err, const char *text)
{
    struct pool_query *query = list->head;
    pool_list_init(list);
    while (query) {
        struct pool_query *next = query->next; /* the callback's query is freed */
        /* One whose own error has arrived knows more than its connection. */
        if (query->err)
            pool_query_finish(query, query->err, query->text);
        else
            pool_query_finish(query, err, text);
        query = next;
    }
}

/* ---- connections -------------------------------------------------------------------------------------- */

static void pool_watch(struct pool_connection *connection, uint32_t events)
{
    int fd = connection->conn ? PQsocket(connection->conn) : -1;
    struct epoll_event event = {.events = events, .data.ptr = connection};
    /* While connecting, another address may be tried on a new socket that has the old one's number: only
     * later can the same number be trusted. */
    if (fd == connection->fd && events == connection->events && connection->phase == POOL_READY)
        return;
    if (connection->fd >= 0 && fd != connection->fd)
        epoll_ctl(connection->pool->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    if (fd >= 0 && epoll_ctl(connection->pool->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
        epoll_ctl(connection->pool->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    connection->fd = fd;
    connection->events = events;
}

static void pool_connection_drop(struct pool_connection *connection, rb_err err, const char *text)
{
    char reason[512];
    snprintf(reason, sizeof(reason), "%s", text); /* it may be the connection's own */
    if (connection->fd >= 0)
        epoll_ctl(connection->pool->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    PQfinish(connection->conn);
    store_prepared_clear(&connection->prepared);
    connection->conn = NULL;
    connection->fd = -1;
    connection->events = 0;
    connection->broken = false;
    connection->current = NULL;
    connection->has_group = false;
    connection->is_swollen = false;
    connection->phase = POOL_DOWN;
    connection->backoff = connection->backoff ? connection->backoff * 2 : POOL_BACKOFF_MIN;
    if (connection->backoff > POOL_BACKOFF_MAX)
        connection->backoff = POOL_BACKOFF_MAX;
    connection->retry_at = rb_clock_ms() + rb_jitter_ms(connection->backoff);
    pool_list_finish_all(&connection->in_flight, err, reason);
}

static void pool_connection_lost(struct pool_connection *connection, const char *doing)
{
    char text[512];
    const char *message = connection->conn ? PQerrorMessage(connection->conn) : "";
    snprintf(text, sizeof(text), "PostgreSQL, %s: %.*s", doing, (int)strcspn(message, "\n"), message);
    pool_connection_drop(connection, RB_EUNAVAILABLE, text);
}

static void pool_ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

/* Names in DATABASE_URL are resolved here, in the caller's thread: libpq has no other way. At start-up and
 * after an outage only. */
static void pool_connection_start(struct pool_connection *connection)
{
    const char *const keys[] = {"dbname",          "application_name", "tcp_user_timeout",
                                "keepalives_idle", "options",          NULL};
    char options[192];
    /* PostgreSQL gives up a little after us, so that a statement nobody waits for does not run on for ever.
     */
    /* Short statements by key, planned once: while a table is small PostgreSQL would read all of it, and go
     * on doing so in this session until the statistics are next renewed, however much it has grown. */
    snprintf(options, sizeof(options),
             "-c statement_timeout=%d -c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c jit=off",
             connection->pool->timeout_ms + 1000);
    const char *const values[] = {
        connection->pool->url, connection->pool->application, "10000", "30", options, NULL};
    connection->conn = PQconnectStartParams(keys, values, 1);
    connection->phase = POOL_CONNECTING;
    connection->connect_deadline = rb_clock_ms() + POOL_CONNECT_MS;
    if (!connection->conn || PQstatus(connection->conn) == CONNECTION_BAD) {
        pool_connection_lost(connection, "connecting");
        return;
    }
    PQsetNoticeReceiver(connection->conn, pool_ignore_notice, NULL);
    pool_watch(connection, EPOLLOUT);
}

static void pool_connection_advance(struct pool_connection *connection)
{
    switch (PQconnectPoll(connection->conn)) {
    case PGRES_POLLING_READING:
        pool_watch(connection, EPOLLIN);
        return;
    case PGRES_POLLING_WRITING:
        pool_watch(connection, EPOLLOUT);
        return;
    case PGRES_POLLING_OK:
        break;
    default:
        pool_connection_lost(connection, "connecting");
        return;
    }
    if (PQsetnonblocking(connection->conn, 1) != 0 || !PQenterPipelineMode(connection->conn)) {
        pool_connection_lost(connection, "entering pipeline mode");
        return;
    }
    connection->phase = POOL_READY;
    connection->backoff = 0;
    pool_watch(connection, EPOLLIN);
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static bool pool_send(struct pool_connection *connection, struct pool_query *query, bool ends_group)
{
    struct store_args args;
    size_t bytes = 0;
    store_args_fill(&args, query->params, query->count);
    for (size_t i = 0; i < query->count; i++)
        bytes += query->params[i].len;
    connection->is_swollen |= bytes >= POOL_LARGE;
    query->ends_group = ends_group;
    query->is_prepare = !store_prepared_has(&connection->prepared, query->statement);
    pool_list_push(&connection->in_flight, query);
    if (!connection->current)
        connection->current = query;
    if (query->is_prepare) {
        if (!PQsendPrepare(connection->conn, query->statement->name, query->statement->sql, 0, NULL))
            return false;
        /* Noted now: the next query of this statement may be sent before the answer comes. */
        store_prepared_add(&connection->prepared, query->statement);
    }
    return PQsendQueryPrepared(connection->conn, query->statement->name, args.count, args.values,
                               args.lengths, args.formats, 0) &&
           (!ends_group || PQpipelineSync(connection->conn));
}

static bool pool_flush(struct pool_connection *connection)
{
    int left = PQflush(connection->conn);
    if (left < 0)
        return false;
    pool_watch(connection, left ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return true;
}

/* Whether a connection is the better choice: with less to do, and rather not one that waits to be replaced.
 */
static bool pool_is_better(const struct pool_connection *connection, const struct pool_connection *best)
{
    if (!best || connection->is_swollen != best->is_swollen)
        return !best || best->is_swollen;
    return connection->in_flight.count < best->in_flight.count;
}

/* The ready connection with the least to do, and, for a group, without one; NULL when there is none. */
static struct pool_connection *pool_choose(struct rb_pool *pool, bool for_group)
{
    struct pool_connection *best = NULL;
    int groups = 0;
    for (int i = 0; i < pool->connection_count; i++) {
        struct pool_connection *connection = &pool->connections[i];
        groups += connection->has_group;
        if (connection->phase == POOL_READY && !connection->broken &&
            connection->in_flight.count < POOL_IN_FLIGHT && !(for_group && connection->has_group) &&
            pool_is_better(connection, best))
            best = connection;
    }
    return for_group && groups >= POOL_GROUPS ? NULL : best;
}

/* Sends what has gathered. A statement that is new to the connection goes by itself: were it in a group that
 * is rolled back, nobody could say whether it has been prepared. */
static bool pool_send_group(struct pool_connection *connection, struct pool_list *gathering)
{
    for (int sent = 0; gathering->head && sent < POOL_GROUP_MAX; sent++) {
        struct pool_query *query = pool_list_pop(gathering);
        bool is_known = store_prepared_has(&connection->prepared, query->statement);
        bool is_last = !gathering->head || sent == POOL_GROUP_MAX - 1 ||
                       !store_prepared_has(&connection->prepared, gathering->head->statement);
        if (!pool_send(connection, query, is_last || !is_known))
            return false;
    }
    connection->has_group = true;
    return pool_flush(connection);
}

static void pool_send_waiting(struct rb_pool *pool)
{
    struct pool_connection *connection;
    while (pool->waiting.head && (connection = pool_choose(pool, false))) {
        struct pool_query *query = pool_list_pop(&pool->waiting);
        if (!pool_send(connection, query, true) || !pool_flush(connection))
            pool_connection_lost(connection, query->statement->name);
    }
    while (pool->gathering.head && (connection = pool_choose(pool, true))) {
        if (!pool_send_group(connection, &pool->gathering))
            pool_connection_lost(connection, "sending");
    }
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

/* One result comes for a preparation, and one for the query itself, whatever becomes of them; and one more
 * where the commit fails, or the session ends, which is then the group's. */
static void pool_take_result(struct pool_connection *connection, PGresult *result)
{
    struct pool_query *query = connection->current ? connection->current : connection->in_flight.head;
    ExecStatusType status = PQresultStatus(result);
    bool failed = status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK, is_prepare = query->is_prepare;
    if (failed && is_prepare)
        store_prepared_remove(&connection->prepared, query->statement);
    if (failed && status != PGRES_PIPELINE_ABORTED && !query->err) {
        query->err = store_error_of(result, connection->conn, query->statement->name);
        query->text = rb_strdup(rb_error_text());
    }
    query->is_prepare = false;
    if (!is_prepare && connection->current)
        connection->current = query->ends_group ? NULL : query->next;
    if (!is_prepare && !failed && !query->rows)
        query->rows = store_rows_new(result);
    else
        PQclear(result);
}

static bool pool_list_has_group(const struct pool_list *list)
{
    for (const struct pool_query *query = list->head; query; query = query->next) {
        if (query->is_grouped)
            return true;
    }
    return false;
}

/* A statement of a group has failed, and the group with it: each goes again by itself, before all others. */
static void pool_run_singly(struct rb_pool *pool, struct pool_list *group)
{
    struct pool_list again;
    pool_list_init(&again);
    for (struct pool_query *query; (query = pool_list_pop(group));) {
        rb_rows_free(query->rows);
        free(query->text);
        query->rows = NULL;
        query->text = NULL;
        query->err = RB_OK;
        query->is_grouped = false;
        pool_list_push_front(&again, query); /* in reverse */
    }
    for (struct pool_query *query; (query = pool_list_pop(&again));)
        pool_list_push_front(&pool->waiting, query);
}

/* A sync: what was sent up to it is committed, or is not. */
static void pool_take_sync(struct pool_connection *connection)
{
    struct pool_list group;
    struct pool_query *query;
    bool failed = false, ended;
    pool_list_init(&group);
    do {
        query = pool_list_pop(&connection->in_flight);
        failed |= query->err != RB_OK;
        ended = query->ends_group;
        pool_list_push(&group, query);
    } while (!ended);
    connection->current = connection->in_flight.head;
    connection->has_group = connection->has_group && pool_list_has_group(&connection->in_flight);
    if (failed && group.count > 1) {
        pool_run_singly(connection->pool, &group);
        return;
    }
    /* The callbacks may submit and so may drop this very connection. */
    while ((query = pool_list_pop(&group)))
        pool_query_finish(query, query->err, query->text ? query->text : "");
}

/* Everything that has arrived. False when the connection was dropped. */
static bool pool_receive(struct pool_connection *connection)
{
    if (!PQconsumeInput(connection->conn)) {
        pool_connection_lost(connection, "receiving");
        return false;
    }
    int ends = 0;
    while (connection->in_flight.head && !PQisBusy(connection->conn)) {
        PGresult *result = PQgetResult(connection->conn);
        if (!result) {
            /* The end of one statement's results. Nothing but ends: libpq has lost its place and waits for
             * nothing any more. */
            if (++ends > POOL_ENDS_MAX) {
                pool_connection_lost(connection, "receiving");
                return false;
            }
            continue;
        }
        ends = 0;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            pool_take_sync(connection);
            if (connection->phase != POOL_READY)
                return false;
        } else {
            pool_take_result(connection, result);
        }
    }
    return true;
}

static void pool_connection_ready(struct pool_connection *connection, uint32_t events)
{
    if (connection->phase == POOL_CONNECTING) {
        pool_connection_advance(connection);
        return;
    }
    if (connection->phase != POOL_READY)
        return;
    if (!pool_receive(connection))
        return;
    if ((events & (EPOLLHUP | EPOLLERR)) && PQstatus(connection->conn) != CONNECTION_OK) {
        pool_connection_lost(connection, "receiving");
        return;
    }
    if (!pool_flush(connection))
        pool_connection_lost(connection, "sending");
}

/* A connection that is swollen and has nothing under way is made anew. */
static void pool_renew(struct rb_pool *pool)
{
    for (int i = 0; i < pool->connection_count; i++) {
        struct pool_connection *connection = &pool->connections[i];
        if (!connection->is_swollen || connection->in_flight.head || connection->phase != POOL_READY)
            continue;
        pool_connection_drop(connection, RB_EUNAVAILABLE, "");
        connection->backoff = 0;
        connection->retry_at = rb_clock_ms(); /* pool_expire() is next */
    }
}

/* ---- time --------------------------------------------------------------------------------------------- */

/* Queries have the same patience, so the first is always the oldest. */
static void pool_list_expire(struct pool_list *list, int64_t now)
{
    while (list->head && list->head->deadline <= now)
        pool_query_finish(pool_list_pop(list), RB_EUNAVAILABLE,
                          "PostgreSQL cannot be reached or has too much to do; nothing was sent to it");
}

static void pool_expire(struct rb_pool *pool, int64_t now)
{
    for (int i = 0; i < pool->connection_count; i++) {
        struct pool_connection *connection = &pool->connections[i];
        if (connection->phase == POOL_DOWN && connection->retry_at <= now)
            pool_connection_start(connection);
        else if (connection->phase == POOL_CONNECTING && connection->connect_deadline <= now)
            pool_connection_lost(connection, "connecting: no answer in time");
        else if (connection->broken)
            pool_connection_lost(connection, "sending");
        else if (connection->in_flight.head && connection->in_flight.head->deadline <= now)
            pool_connection_drop(connection, RB_ETIMEOUT,
                                 "PostgreSQL did not answer in time; the outcome is unknown");
    }
    pool_list_expire(&pool->waiting, now);
    pool_list_expire(&pool->gathering, now);
}

static int64_t pool_next_deadline(const struct rb_pool *pool)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < pool->connection_count; i++) {
        const struct pool_connection *connection = &pool->connections[i];
        int64_t at = connection->phase == POOL_DOWN         ? connection->retry_at
                     : connection->phase == POOL_CONNECTING ? connection->connect_deadline
                     : connection->broken                   ? 0
                     : connection->in_flight.head           ? connection->in_flight.head->deadline
                                                            : INT64_MAX;
        if (at < next)
            next = at;
    }
    if (pool->waiting.head && pool->waiting.head->deadline < next)
        next = pool->waiting.head->deadline;
    if (pool->gathering.head && pool->gathering.head->deadline < next)
        next = pool->gathering.head->deadline;
    return next;
}

static void pool_schedule(struct rb_pool *pool)
{
    struct itimerspec when = {0};
    int64_t next = pool_next_deadline(pool);
    /* Too early costs one idle dispatch; setting it anew for each statement would cost a system call each. */
    if (next >= pool->armed)
        return;
    pool->armed = next;
    when.it_value.tv_sec = next / 1000;
    when.it_value.tv_nsec = (next % 1000) * 1000000 + 1; /* never all zero: that would disarm */
    timerfd_settime(pool->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ---- public ------------------------------------------------------------------------------------------- */

rb_err rb_pool_new(struct rb_pool **out, const struct rb_pool_options *options)
{
    rb_err err = store_check_url(options->url);
    if (err)
        return err;
    struct rb_pool *pool = rb_calloc(1, sizeof(*pool));
    pool->url = rb_strdup(options->url);
    pool->application = rb_strdup(options->application);
    pool->connection_count = options->connections > 0 ? options->connections : POOL_CONNECTIONS;
    pool->queue_limit = options->queue_limit > 0 ? options->queue_limit : POOL_QUEUE;
    pool->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : POOL_TIMEOUT_MS;
    pool->armed = INT64_MAX;
    pool_list_init(&pool->waiting);
    pool_list_init(&pool->gathering);
    pool->connections = rb_calloc((size_t)pool->connection_count, sizeof(pool->connections[0]));
    for (int i = 0; i < pool->connection_count; i++) {
        pool->connections[i].pool = pool;
        pool->connections[i].fd = -1;
        pool_list_init(&pool->connections[i].in_flight);
    }
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pool->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (pool->epoll_fd < 0 || pool->timer_fd < 0 ||
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, pool->timer_fd, &event) != 0) {
        err = rb_error_set(RB_EINTERNAL, "no descriptors for the database pool: %s", strerror(errno));
        rb_pool_free(pool);
        return err;
    }
    pool_expire(pool, rb_clock_ms()); /* all are down and due */
    pool_schedule(pool);
    *out = pool;
    return RB_OK;
}

void rb_pool_free(struct rb_pool *pool)
{
    if (!pool)
        return;
    pool->closing = true;
    for (int i = 0; i < pool->connection_count; i++)
        pool_connection_drop(&pool->connections[i], RB_EUNAVAILABLE, "the database pool is being closed");
    pool_list_finish_all(&pool->waiting, RB_EUNAVAILABLE, "the database pool is being closed");
    pool_list_finish_all(&pool->gathering, RB_EUNAVAILABLE, "the database pool is being closed");
    if (pool->timer_fd >= 0)
        close(pool->timer_fd);
    if (pool->epoll_fd >= 0)
        close(pool->epoll_fd);
    free(pool->connections);
    free(pool->url);
    free(pool->application);
    free(pool);
}

int rb_pool_fd(const struct rb_pool *pool)
{
    return pool->epoll_fd;
}

int rb_pool_timeout_ms(const struct rb_pool *pool)
{
    (void)pool;
    return -1; /* the timer is in the epoll */
}

void rb_pool_dispatch(struct rb_pool *pool)
{
    struct epoll_event events[16];
    int count = epoll_wait(pool->epoll_fd, events, 16, 0);
    for (int i = 0; i < count; i++) {
        uint64_t expirations;
        if (events[i].data.ptr)
            pool_connection_ready(events[i].data.ptr, events[i].events);
        else if (read(pool->timer_fd, &expirations, sizeof(expirations)) > 0)
            pool->armed = INT64_MAX; /* else somebody re-armed it meanwhile */
    }
    pool_renew(pool);
    pool_expire(pool, rb_clock_ms());
    pool_send_waiting(pool);
    pool_schedule(pool);
}

/* The bytes of an argument as they are copied: a text with its zero. */
static size_t pool_param_size(const struct rb_param *param)
{
    if (!param->data)
        return 0;
    return param->kind == RB_PARAM_TEXT ? strlen(param->data) + 1 : param->len;
}

/* One allocation for the query, its arguments and what they point to. */
static struct pool_query *pool_query_new(const struct rb_param *params, size_t count)
{
    size_t size = sizeof(struct pool_query) + count * sizeof(struct rb_param);
    for (size_t i = 0; i < count; i++)
        size += pool_param_size(&params[i]);
    struct pool_query *query = rb_malloc(size);
    struct rb_param *copies = (struct rb_param *)(query + 1);
    *query = (struct pool_query){.params = copies, .count = count};
    char *at = (char *)(copies + count);
    for (size_t i = 0; i < count; i++) {
        size_t len = pool_param_size(&params[i]);
        copies[i] = params[i];
        if (!params[i].data)
            continue;
        if (len)
            memcpy(at, params[i].data, len);
        copies[i].data = at;
        at += len;
    }
    return query;
}

/* Sends a query that need not wait, with arguments that are its caller's: libpq copies them, and what was
 * sent alone never goes again. */
static bool pool_send_alone(struct pool_connection *connection, struct pool_query *query,
                            const struct rb_param *params, size_t count)
{
    query->params = params;
    query->count = count;
    connection->has_group |= query->is_grouped;
    bool is_sent = pool_send(connection, query, true) && pool_flush(connection);
    query->params = NULL;
    query->count = 0;
    return is_sent;
}

static rb_err pool_submit(struct rb_pool *pool, const struct rb_statement *statement,
                          const struct rb_param *params, size_t count, rb_pool_fn fn, void *arg,
                          bool is_grouped)
{
    if (pool->closing)
        return rb_error_set(RB_ELIMIT, "the database pool is being closed");
    int waiting = pool->waiting.count + pool->gathering.count;
    if (waiting >= pool->queue_limit)
        return rb_error_set(RB_ELIMIT, "%d statements are waiting for PostgreSQL already", waiting);
    struct pool_list *list = is_grouped ? &pool->gathering : &pool->waiting;
    struct pool_connection *connection = list->head ? NULL : pool_choose(pool, is_grouped);
    struct pool_query *query = connection ? pool_query_new(NULL, 0) : pool_query_new(params, count);
    query->statement = statement;
    query->is_grouped = is_grouped;
    query->fn = fn;
    query->arg = arg;
    query->deadline = rb_clock_ms() + pool->timeout_ms;
    /* Sent now if a connection has room. Callbacks never run from here, so that a connection that turns out
     * to be broken is only marked. */
    if (connection)
        connection->broken = !pool_send_alone(connection, query, params, count);
    else
        pool_list_push(list, query);
    pool_schedule(pool);
    return RB_OK;
}

rb_err rb_pool_query(struct rb_pool *pool, const struct rb_statement *statement,
                     const struct rb_param *params, size_t count, rb_pool_fn fn, void *arg)
{
    return pool_submit(pool, statement, params, count, fn, arg, false);
}

rb_err rb_pool_query_grouped(struct rb_pool *pool, const struct rb_statement *statement,
                             const struct rb_param *params, size_t count, rb_pool_fn fn, void *arg)
{
    return pool_submit(pool, statement, params, count, fn, arg, true);
}

bool rb_pool_is_connected(const struct rb_pool *pool)
{
    for (int i = 0; i < pool->connection_count; i++) {
        if (pool->connections[i].phase == POOL_READY)
            return true;
    }
    return false;
}
