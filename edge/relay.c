/*
 * The relay: events that wait in the outbox go to JetStream. One is active across all edges, by an advisory
 * lock that it keeps for as long as it succeeds: with its session the lock goes, and one that cannot publish
 * gives it to another that may. What waits is a row of outbox_waiting, deleted when JetStream has
 * acknowledged the event; a crash in between publishes it again under the same id, which the stream drops
 * within its duplicate window.
 *
 * Events are found by what they are, not by a high-water mark: numbers are given before commits, so a lower
 * one may appear later. But where to look from first is remembered, since an index keeps what was deleted
 * until it is vacuumed, and going over that would take longer with each event: every few seconds, after a
 * failure and when somebody says so all is looked through from the beginning.
 *
 * While a batch is on its way the one before is marked and the one behind it is read, in one statement. It is
 * sent when all of the first are acknowledged, so that none overtakes another that has failed.
 *
 * Woken by the notification that the committing statement sends; looks by itself every few seconds in case
 * one was missed. The others look every second whether the lock is free. Where the first of what waits stays
 * the same, who has the lock stands still (a process that is stopped, a network that hangs): then another
 * stands in for a while, without it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/admin.h"
#include "edge/edge.h"

#define RELAY_BATCH       128 /* 8 MB of the largest events that webhooks make */
#define RELAY_BATCH_TEXT  "128"
#define RELAY_POLL_MS     5000
#define RELAY_STANDBY_MS  1000  /* for those without the lock: so late is it noticed that it is free */
#define RELAY_STILL_MS    3000  /* the first of what waits is the same for so long: a batch takes far less */
#define RELAY_STAND_IN_MS 10000 /* then it is looked again */
#define RELAY_FRESH_US    (INT64_C(600) * 1000000) /* what was read before is read anew, not sent */
#define RELAY_SETTLE_MS   1000    /* by then what took a number is committed, but for what a sweep finds */
#define RELAY_REST_MS     10      /* under load: between two batches that are not full */
#define RELAY_RETRY_MS    1000    /* after a failure, halved at random */
#define RELAY_LATE_US     1000000 /* from then on outbox_late has when an event was published */
#define RELAY_PRUNE_MS    (3600 * 1000)     /* published events are looked through this often */
#define RELAY_MEASURE_MS  5000              /* a count of what waits costs something where much does */
#define RELAY_KEEP        "30 days"         /* so long a lost stream can be refilled */
#define RELAY_AGAIN       "again"           /* a notification: earlier events wait once more */
#define RELAY_SENT        (2 * RELAY_BATCH) /* not marked yet: of the batch before and the one at hand */

enum relay_column {
    RELAY_ID,
    RELAY_SUBJECT,
    RELAY_TRACE,
    RELAY_BODY,
    RELAY_AGE,
    RELAY_POSITION,
    RELAY_CREATED
};

struct relay_batch {
    struct rb_rows *rows;
    size_t count;
    int64_t looked_us, sent_us; /* when its rows were read, when it was sent */
    struct rb_bus *bus;
    struct rb_bus_message messages[RELAY_BATCH];
    rb_err errs[RELAY_BATCH];
    char hops[RELAY_BATCH][RB_TRACEPARENT_SIZE];
};

/* Where to look from. Numbers up to `newest` have been seen since `settling_ms`; those up to `from` long
 * enough ago that none below can appear any more, but for what a sweep finds. */
struct relay_place {
    int64_t from, settling, newest, settling_ms, swept_ms;
};

/* Of an edge without the lock: the first of what waits, since when it is, how long this edge stands in. */
struct relay_standby {
    int64_t first, since_ms, looked_ms, until_ms;
};

static struct edge_worker relay_worker;
static struct rb_bus *relay_bus; /* for many events at a time; a single one goes sooner over the edge's own */
/* Of the relay's thread alone. */
static struct relay_place relay_place;
static struct relay_standby relay_standby;
static struct relay_batch relay_batches[2];
static char relay_sent[RELAY_SENT * 20 + 3]; /* what is to be marked: an array, as PostgreSQL writes it */
static size_t relay_sent_len;

/* ---- what has been published -------------------------------------------------------------------------- */

static struct rb_param relay_sent_param(void)
{
    if (!relay_sent_len)
        return RB_P_TEXT("{}");
    snprintf(relay_sent + relay_sent_len, sizeof(relay_sent) - relay_sent_len, "}");
    return RB_P_TEXT(relay_sent);
}

static rb_err relay_mark(struct rb_db *db)
{
    static const struct rb_statement statement = {
        "relay_mark", "delete from outbox_waiting where position = any($1::bigint[])"};
    struct rb_param params[] = {relay_sent_param()};
    rb_err err = relay_sent_len ? rb_db_query(NULL, db, &statement, params, 1) : RB_OK;
    relay_sent_len = 0; /* what could not be marked is published again, under the same id */
    return err;
}

/* Notes what is to be marked. The batch's times are kept where they are not those of the events. */
static rb_err relay_note(const struct relay_batch *batch, struct rb_db *db)
{
    static const struct rb_statement statement = {
        "relay_late",
        "insert into outbox_late values ('epoch'::timestamptz + $1::bigint * interval '1 microsecond', "
        "'epoch'::timestamptz + $2::bigint * interval '1 microsecond', now())"};
    int64_t first = INT64_MAX, last = 0, passed = rb_clock_us() - batch->looked_us;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t created = rb_rows_int(batch->rows, i, RELAY_CREATED);
        if (batch->errs[i])
            continue;
        relay_sent_len +=
            (size_t)snprintf(relay_sent + relay_sent_len, sizeof(relay_sent) - relay_sent_len, "%c%.19s",
                             relay_sent_len ? ',' : '{', rb_rows_text(batch->rows, i, RELAY_POSITION));
        if (rb_rows_int(batch->rows, i, RELAY_AGE) + passed <= RELAY_LATE_US)
            continue;
        first = created < first ? created : first;
        last = created > last ? created : last;
    }
    struct rb_param params[] = {RB_P_INT(first), RB_P_INT(last)};
    return last ? rb_db_query(NULL, db, &statement, params, 2) : RB_OK;
}

/* How long JetStream took, and how long each event was on its way from its commit to there. */
static void relay_observe(const struct relay_batch *batch, int64_t took_us)
{
    struct rb_metric *took = rb_metric_histogram("repobus_publish_seconds", NULL,
                                                 "Time until JetStream acknowledged a batch of the outbox");
    struct rb_metric *delay = rb_metric_histogram("repobus_outbox_delay_seconds", NULL,
                                                  "From an event's commit until it was published");
    struct rb_metric *refused = rb_metric_counter("repobus_outbox_refused_total", NULL,
                                                  "Times a full stream refused an event, which waits then");
    struct rb_metric *published = rb_metric_counter("repobus_outbox_published_total", NULL,
                                                    "Events given to JetStream and acknowledged");
    int64_t count = 0, passed = rb_clock_us() - batch->looked_us;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->errs[i] == RB_ELIMIT)
            rb_metric_add(refused, 1);
        if (batch->errs[i])
            continue;
        count++;
        rb_metric_observe_us(delay, rb_rows_int(batch->rows, i, RELAY_AGE) + passed);
    }
    if (count)
        rb_metric_observe_us(took, took_us);
    rb_metric_add(published, count);
}

/* One span an event, which its message names as the one that subscribers follow. */
static void relay_trace(const struct relay_batch *batch, int64_t took_us)
{
    for (size_t i = 0; rb_trace_is_on() && i < batch->count; i++) {
        const struct rb_bus_message *message = &batch->messages[i];
        char name[128];
        snprintf(name, sizeof(name), "publish %s", message->subject);
        const struct rb_log_field attributes[] = {
            RB_F_TEXT("messaging.system", "nats"),
            RB_F_TEXT("messaging.destination.name", message->subject),
            RB_F_TEXT("messaging.message.id", message->id),
            RB_F_INT("repobus.outbox_us", rb_rows_int(batch->rows, i, RELAY_AGE)),
        };
        rb_trace_span(&(struct rb_span){.name = name,
                                        .traceparent = message->traceparent,
                                        .parent = rb_rows_text(batch->rows, i, RELAY_TRACE),
                                        .kind = RB_SPAN_PRODUCER,
                                        .took_us = took_us,
                                        .error = batch->errs[i] ? rb_err_name(batch->errs[i]) : NULL,
                                        .attributes = attributes,
                                        .count = sizeof(attributes) / sizeof(*attributes)});
    }
}

/* What waits, and how full the streams are. Every edge says it: whoever reads takes the greatest. */
static void relay_measure(struct edge_worker *worker, int64_t *next)
{
    static const struct rb_statement statement = {
        "relay_measure",
        "select count(*), coalesce((select extract(epoch from now() - e.created_at) from outbox_waiting w "
        "join outbox_events e using (id) order by w.position limit 1), 0)::bigint from outbox_waiting"};
    struct rb_rows *rows = NULL;
    if (rb_clock_ms() < *next)
        return;
    *next = rb_clock_ms() + worker->edge->settings.measure_ms;
    if (rb_db_query(&rows, worker->db, &statement, NULL, 0) == RB_OK) {
        rb_metric_set(rb_metric_gauge("repobus_outbox_waiting", NULL, "Events that are not published yet"),
                      rb_rows_int(rows, 0, 0));
        rb_metric_set(rb_metric_gauge("repobus_outbox_oldest_seconds", NULL, "Age of the oldest of these"),
                      rb_rows_int(rows, 0, 1));
    }
    rb_rows_free(rows);
    if (rb_bus_is_connected(worker->edge->bus) && rb_bus_measure_streams(worker->edge->bus))
        rb_log_debug("relay: how full the streams are is not known: %s", rb_error_text());
}

/* ---- a batch ------------------------------------------------------------------------------------------ */

static void relay_fill(struct relay_batch *batch)
{
    batch->count = rb_rows_count(batch->rows);
    for (size_t i = 0; i < batch->count; i++) {
        struct rb_bus_message *message = &batch->messages[i];
        *message = (struct rb_bus_message){.id = rb_rows_text(batch->rows, i, RELAY_ID),
                                           .subject = rb_rows_text(batch->rows, i, RELAY_SUBJECT),
                                           .traceparent = rb_rows_text(batch->rows, i, RELAY_TRACE),
                                           .body = rb_rows_text(batch->rows, i, RELAY_BODY)};
        message->len = strlen(message->body);
        if (rb_trace_is_on()) {
            rb_traceparent_make(batch->hops[i], message->traceparent);
            message->traceparent = batch->hops[i];
        }
    }
}

/* What waits behind $1. A limit that the planner knows: it takes the rows one by one then, however many wait.
 */
#define RELAY_LOOK                                                                                          \
    "select e.id, e.subject, e.traceparent, e.body, (extract(epoch from clock_timestamp() - e.created_at) " \
    "* "                                                                                                    \
    "1000000)::bigint, w.position, (extract(epoch from e.created_at) * 1000000)::bigint from (select "      \
    "position, id from outbox_waiting where position > $1 order by position limit " RELAY_BATCH_TEXT        \
    ") w join outbox_events e using (id) order by w.position"

/* Marks what has been published and reads what waits behind `*position`, which is then that of the last. */
static rb_err relay_look(struct relay_batch *batch, int64_t *position, struct rb_db *db)
{
    static const struct rb_statement look = {"relay_look", RELAY_LOOK};
    static const struct rb_statement mark_and_look = {
        "relay_mark_and_look",
        "with sent as (delete from outbox_waiting where position = any($2::bigint[])) " RELAY_LOOK};
    struct rb_param params[] = {RB_P_INT(*position), relay_sent_param()};
    rb_err err = relay_sent_len ? rb_db_query(&batch->rows, db, &mark_and_look, params, 2)
                                : rb_db_query(&batch->rows, db, &look, params, 1);
    if (err)
        return err;
    relay_sent_len = 0;
    batch->looked_us = rb_clock_us();
    relay_fill(batch);
    if (batch->count)
        *position = rb_rows_int(batch->rows, batch->count - 1, RELAY_POSITION);
    return RB_OK;
}

static void relay_send(struct relay_batch *batch, struct rb_bus *one)
{
    batch->bus = batch->count > 1 ? relay_bus : one;
    batch->sent_us = rb_clock_us();
    rb_bus_publish_begin(batch->errs, batch->bus, batch->messages, batch->count);
}

/* A process that is stopped goes on with what it had read. By then another may have published that, and the
 * stream knows its duplicates for an hour. */
static rb_err relay_check(const struct relay_batch *batch)
{
    if (rb_clock_us() - batch->looked_us < RELAY_FRESH_US)
        return RB_OK;
    return rb_error_set(RB_EUNAVAILABLE, "this process stood still, what waits is read anew");
}

static void relay_forget(struct relay_batch *batch)
{
    rb_rows_free(batch->rows);
    batch->rows = NULL;
    batch->count = 0;
}

/* Waits for the acknowledgements of a batch, and forgets it. */
static rb_err relay_await(struct relay_batch *batch, struct rb_db *db)
{
    char text[256];
    rb_err published = rb_bus_publish_end(batch->errs, batch->bus, batch->messages, batch->count);
    int64_t took_us = rb_clock_us() - batch->sent_us;
    snprintf(text, sizeof(text), "%.255s", published ? rb_error_text() : "");
    relay_observe(batch, took_us);
    relay_trace(batch, took_us);
    rb_err err = relay_note(batch, db);
    relay_forget(batch);
    return published ? rb_error_set(published, "publishing: %s", text) : err;
}

/* What nobody can ask for any more. The payload of a delivery is kept for as long as its event. */
static void relay_prune(struct edge_worker *worker, int64_t *next)
{
    static const struct rb_statement statements[] = {
        {"relay_prune_late",
         "delete from outbox_late where published_at < now() - interval '" RELAY_KEEP "'"},
        {"relay_prune_outbox",
         "delete from outbox_events e where created_at < least(now() - interval '" RELAY_KEEP
         " 1 second', (select min(first_at) from outbox_late)) and not exists (select from outbox_waiting w "
         "where w.position = e.position)"},
        {"relay_prune_deliveries",
         "delete from deliveries d where received_at < now() - interval '" RELAY_KEEP
         "' and not exists (select from outbox_events e where e.id = d.event_id)"},
        {"relay_prune_tokens", "delete from spent_tokens where expires_at < now()"}};
    if (rb_clock_ms() < *next)
        return;
    *next = rb_clock_ms() + RELAY_PRUNE_MS;
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
        if (rb_db_query(NULL, worker->db, &statements[i], NULL, 0))
            rb_log_warn("relay: what is old stays for now: %s", rb_error_text());
    }
}

/* Of its sessions. A mark that a crash of PostgreSQL takes back is made again, after the stream has dropped
 * the event as one that it has. Each statement is planned once, since planning costs more than a batch, and
 * at a time when there may be next to nothing in the tables: every row is to be found by its key, however
 * many there are later. */
static void relay_settle(struct rb_db *db)
{
    rb_db_set(db, "synchronous_commit", "off");
    rb_db_set(db, "plan_cache_mode", "force_generic_plan");
    rb_db_set(db, "enable_seqscan", "off");
    rb_db_set(db, "enable_hashjoin", "off");
    rb_db_set(db, "enable_mergejoin", "off");
}

/* Whether the first of what waits, as it was found now, is the same for too long. What two publish at the
 * same time the stream takes once. */
static void relay_watch(struct relay_standby *standby, int64_t first, int64_t now)
{
    if (first != standby->first || !first)
        standby->since_ms = now;
    standby->first = first;
    standby->looked_ms = now;
    if (now - standby->since_ms < RELAY_STILL_MS)
        return;
    rb_log_warn("relay: the edge whose turn it is stands still, standing in seconds=%d",
                RELAY_STAND_IN_MS / 1000);
    standby->until_ms = now + RELAY_STAND_IN_MS;
}

/* RB_ECONFLICT: another edge is the relay. A session that is lost after this takes the lock with it: what two
 * relays publish then at the same time the stream takes once. */
static rb_err relay_lock(struct edge_worker *worker, int64_t *session)
{
    static const struct rb_statement statement = {
        "relay_lock", "select pg_try_advisory_lock($1), case when $2::bigint = 1 then (select position from "
                      "outbox_waiting order by position limit 1) end"};
    struct relay_standby *standby = &relay_standby;
    struct rb_rows *rows = NULL;
    int64_t now = rb_clock_ms();
    if (*session && *session == rb_db_session(worker->db))
        return RB_OK;
    bool is_looking = now >= standby->until_ms && now - standby->looked_ms >= RELAY_STANDBY_MS;
    struct rb_param params[] = {RB_P_INT(rb_db_lock_key(RB_LOCK_RELAY, 0)), RB_P_INT(is_looking)};
    rb_err err = rb_db_query(&rows, worker->db, &statement, params, 2);
    *session = !err && rb_rows_bool(rows, 0, 0) ? rb_db_session(worker->db) : 0;
    relay_place.swept_ms = 0;
    if (err) /* a statement that fails keeps a lock that it has taken */
        rb_db_unlock(worker->db, RB_LOCK_RELAY, 0);
    if (!err && !*session && is_looking)
        relay_watch(standby, rb_rows_int(rows, 0, 1), now);
    rb_rows_free(rows);
    if (err || *session || now < standby->until_ms)
        return err;
    return rb_error_set(RB_ECONFLICT, "another edge is the relay");
}

static void relay_unlock(struct edge_worker *worker, int64_t *session)
{
    if (*session)
        rb_db_unlock(worker->db, RB_LOCK_RELAY, 0);
    *session = 0;
}

/* ---- all there is ------------------------------------------------------------------------------------- */

static int64_t relay_place_begin(struct relay_place *place)
{
    int64_t now = rb_clock_ms();
    if (now - place->settling_ms >= RELAY_SETTLE_MS) {
        place->from = place->settling;
        place->settling = place->newest;
        place->settling_ms = now;
    }
    if (place->swept_ms && now - place->swept_ms < RELAY_POLL_MS)
        return place->from;
    place->swept_ms = now;
    return 0;
}

/* Everything there is to publish. */
static rb_err relay_publish(struct edge_worker *worker)
{
    struct relay_batch *batch = &relay_batches[0], *behind = &relay_batches[1];
    int64_t position = relay_place_begin(&relay_place);
    rb_err err = relay_look(batch, &position, worker->db);
    while (!err && batch->count) {
        err = relay_check(batch);
        if (err)
            break;
        relay_send(batch, worker->edge->bus);
        rb_err looked = RB_OK;
        if (batch->count == RELAY_BATCH && !edge_worker_is_stopping(worker))
            looked = relay_look(behind, &position, worker->db);
        err = relay_await(batch, worker->db);
        err = err ? err : looked;
        struct relay_batch *done = batch;
        batch = behind;
        behind = done;
    }
    relay_forget(batch);
    relay_place.newest = position > relay_place.newest ? position : relay_place.newest;
    char text[256];
    snprintf(text, sizeof(text), "%.255s", err ? rb_error_text() : "");
    rb_err marked = relay_mark(worker->db);
    return err ? rb_error_set(err, "%s", text) : marked;
}

/* `*session` is the one that holds the lock. */
static rb_err relay_drain(struct edge_worker *worker, int64_t *session, int64_t *next_prune)
{
    rb_err err = relay_lock(worker, session);
    if (err)
        return err;
    err = relay_publish(worker);
    if (!err) {
        relay_prune(worker, next_prune);
        return RB_OK;
    }
    relay_place.swept_ms = 0;      /* what has failed is behind */
    relay_unlock(worker, session); /* NATS may be away from here alone; this leaves the error text as it is */
    return err;
}

/* With much to do every commit would make a batch of its own, whose three round trips cost more than its
 * rows. An event after a pause does not wait. */
static void relay_rest(const struct edge_worker *worker, int64_t drained_ms)
{
    int64_t left = drained_ms + RELAY_REST_MS - rb_clock_ms();
    if (left > 0)
        edge_worker_sleep(worker, left);
}

static void relay_run(struct edge_worker *worker)
{
    int64_t next_prune = 0, next_measure = 0, session = 0;
    bool failing = false;
    relay_settle(worker->db);
    if (rb_db_listen(worker->db, "outbox")) /* again with each new connection */
        rb_log_warn("relay: %s", rb_error_text());
    while (!edge_worker_is_stopping(worker)) {
        bool notified = false;
        rb_err err = relay_drain(worker, &session, &next_prune);
        if (err && err != RB_ECONFLICT) {
            if (!failing)
                rb_log_warn("relay: events wait in the outbox: %s", rb_error_text());
            failing = true;
            relay_measure(worker, &next_measure);
            edge_worker_sleep(worker, rb_jitter_ms(RELAY_RETRY_MS));
            continue;
        }
        if (failing && !err)
            rb_log_info("relay: publishing again");
        failing = failing && err;
        relay_measure(worker, &next_measure);
        int64_t drained_ms = rb_clock_ms();
        int poll_ms = session ? RELAY_POLL_MS : RELAY_STANDBY_MS;
        if (worker->edge->settings.measure_ms < poll_ms)
            poll_ms = worker->edge->settings.measure_ms;
        if (rb_db_wait(&notified, worker->db, poll_ms, worker->wake_fd))
            edge_worker_sleep(worker, rb_jitter_ms(RELAY_RETRY_MS));
        else
            relay_rest(worker, drained_ms);
        /* One wake-up serves all that has been announced: they are found by what they are. */
        for (char *payload; (payload = rb_db_notification(worker->db));) {
            if (strcmp(payload, RELAY_AGAIN) == 0)
                relay_place.swept_ms = 0;
            free(payload);
        }
    }
}

rb_err edge_relay_start(struct edge *edge)
{
    const struct rb_bus_options options = {
        .url = edge->settings.nats_url, .name = "repobus-relay", .user = "edge", .is_bulk = true};
    rb_err err = rb_bus_connect(&relay_bus, &options);
    relay_worker = (struct edge_worker){.name = "repobus-relay", .edge = edge, .run = relay_run};
    return err ? err : edge_worker_start(&relay_worker);
}

void edge_relay_stop(void)
{
    edge_worker_stop(&relay_worker);
    rb_bus_close(relay_bus);
}
