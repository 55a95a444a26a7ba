/*
 * The relay: committed outbox rows go to JetStream. One is active across all edges, by an advisory lock that
 * it keeps for as long as it succeeds: with its session the lock goes, and one that cannot publish gives it
 * to another that may. Rows are found by what they are (unpublished), never by a high-water mark: numbers are
 * given before commits, so a lower one may appear later. A row is marked when JetStream has acknowledged it;
 * a crash in between publishes it again under the same id, which the stream drops within its duplicate
 * window.
 *
 * Woken by the notification that the committing statement sends; looks by itself every few seconds in case
 * one was missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/admin.h"
#include "edge/edge.h"

#define RELAY_BATCH      64 /* 4 MB of the largest events that webhooks make */
#define RELAY_POLL_MS    5000
#define RELAY_REST_MS    10            /* under load: between two batches that are not full */
#define RELAY_RETRY_MS   1000          /* after a failure, halved at random */
#define RELAY_PRUNE_MS   (3600 * 1000) /* published rows are looked through this often */
#define RELAY_MEASURE_MS 5000          /* a count of what waits costs something where much does */
#define RELAY_KEEP       "30 days"     /* so long a lost stream can be refilled */

static struct edge_worker relay_worker;
static struct rb_bus *relay_bus; /* for many events at a time; a single one goes sooner over the edge's own */

/* One statement for all: a round trip for each would hold up the next batch. */
static rb_err relay_mark(struct rb_db *db, const struct rb_rows *rows, const rb_err *errs, size_t count)
{
    static const struct rb_statement statement = {
        "relay_mark", "update outbox set published_at = now() where id = any($1::uuid[])"};
    char ids[RELAY_BATCH * RB_UUID_SIZE + 3] = "{"; /* an array, as PostgreSQL writes it */
    size_t used = 1;
    for (size_t i = 0; i < count; i++) {
        if (!errs[i])
            used += (size_t)snprintf(ids + used, sizeof(ids) - used, "%s%.36s", used > 1 ? "," : "",
                                     rb_rows_text(rows, i, 0));
    }
    snprintf(ids + used, sizeof(ids) - used, "}");
    struct rb_param params[] = {RB_P_TEXT(ids)};
    return used > 1 ? rb_db_query(NULL, db, &statement, params, 1) : RB_OK;
}

/* How long JetStream took, and how long each event was on its way from its commit to there. */
static void relay_observe(const struct rb_rows *rows, const rb_err *errs, size_t count, int64_t took_us)
{
    struct rb_metric *took = rb_metric_histogram("repobus_publish_seconds", NULL,
                                                 "Time until JetStream acknowledged a batch of the outbox");
    struct rb_metric *delay = rb_metric_histogram("repobus_outbox_delay_seconds", NULL,
                                                  "From an event's commit until it was published");
    struct rb_metric *refused = rb_metric_counter("repobus_outbox_refused_total", NULL,
                                                  "Times a full stream refused an event, which waits then");
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (errs[i] == RB_ELIMIT)
            rb_metric_add(refused, 1);
        if (errs[i])
            continue;
        any = true;
        rb_metric_observe_us(delay, rb_rows_int(rows, i, 4) + took_us);
    }
    if (any)
        rb_metric_observe_us(took, took_us);
}

/* One span an event, which its message names as the one that subscribers follow. */
static void relay_trace(const struct rb_rows *rows, const struct rb_bus_message *messages, const rb_err *errs,
                        size_t count, int64_t took_us)
{
    for (size_t i = 0; rb_trace_is_on() && i < count; i++) {
        char name[128];
        snprintf(name, sizeof(name), "publish %s", messages[i].subject);
        const struct rb_log_field attributes[] = {
            RB_F_TEXT("messaging.system", "nats"),
            RB_F_TEXT("messaging.destination.name", messages[i].subject),
            RB_F_TEXT("messaging.message.id", messages[i].id),
            RB_F_INT("repobus.outbox_us", rb_rows_int(rows, i, 4)),
        };
        rb_trace_span(&(struct rb_span){.name = name,
                                        .traceparent = messages[i].traceparent,
                                        .parent = rb_rows_text(rows, i, 2),
                                        .kind = RB_SPAN_PRODUCER,
                                        .took_us = took_us,
                                        .error = errs[i] ? rb_err_name(errs[i]) : NULL,
                                        .attributes = attributes,
                                        .count = sizeof(attributes) / sizeof(*attributes)});
    }
}

/* What waits, and how full the streams are. Every edge says it: whoever reads takes the greatest. */
static void relay_measure(struct edge_worker *worker, int64_t *next)
{
    static const struct rb_statement statement = {
        "relay_measure",
        "select count(*), coalesce(extract(epoch from now() - min(created_at)), 0)::bigint from "
        "outbox where published_at is null"};
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

/* Publishes what is unpublished, one batch. `*count` is how many rows there were. */
static rb_err relay_batch(size_t *count, struct edge_worker *worker)
{
    static const struct rb_statement unpublished = {
        "relay_unpublished",
        "select id, subject, traceparent, body, (extract(epoch from now() - created_at) * "
        "1000000)::bigint from outbox where published_at is null order by position "
        "limit $1"};
    struct rb_param params[] = {RB_P_INT(RELAY_BATCH)};
    struct rb_rows *rows = NULL;
    struct rb_bus_message messages[RELAY_BATCH];
    rb_err errs[RELAY_BATCH], published = RB_OK;
    char hops[RELAY_BATCH][RB_TRACEPARENT_SIZE];
    char text[256] = "";
    rb_err err = rb_db_query(&rows, worker->db, &unpublished, params, 1);
    *count = err ? 0 : rb_rows_count(rows);
    for (size_t i = 0; i < *count; i++) {
        messages[i] = (struct rb_bus_message){.id = rb_rows_text(rows, i, 0),
                                              .subject = rb_rows_text(rows, i, 1),
                                              .traceparent = rb_rows_text(rows, i, 2),
                                              .body = rb_rows_text(rows, i, 3)};
        messages[i].len = strlen(messages[i].body);
        if (rb_trace_is_on()) {
            rb_traceparent_make(hops[i], messages[i].traceparent);
            messages[i].traceparent = hops[i];
        }
    }
    if (*count) {
        int64_t started = rb_clock_us();
        published = rb_bus_publish_all(errs, *count > 1 ? relay_bus : worker->edge->bus, messages, *count);
        int64_t took_us = rb_clock_us() - started;
        relay_observe(rows, errs, *count, took_us);
        relay_trace(rows, messages, errs, *count, took_us);
        snprintf(text, sizeof(text), "%.255s", rb_error_text());
        err = relay_mark(worker->db, rows, errs, *count);
    }
    rb_rows_free(rows);
    if (!err && published)
        err = rb_error_set(published, "publishing: %s", text);
    return err;
}

/* What nobody can ask for any more. The payload of a delivery is kept for as long as its event. */
static void relay_prune(struct edge_worker *worker, int64_t *next)
{
    static const struct rb_statement statements[] = {
        {"relay_prune_outbox", "delete from outbox where published_at < now() - interval '" RELAY_KEEP "'"},
        {"relay_prune_deliveries",
         "delete from deliveries d where received_at < now() - interval '" RELAY_KEEP
         "' and not exists (select from outbox o where o.id = d.event_id)"},
        {"relay_prune_tokens", "delete from spent_tokens where expires_at < now()"}};
    if (rb_clock_ms() < *next)
        return;
    *next = rb_clock_ms() + RELAY_PRUNE_MS;
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
        if (rb_db_query(NULL, worker->db, &statements[i], NULL, 0))
            rb_log_warn("relay: what is old stays for now: %s", rb_error_text());
    }
}

/* RB_ECONFLICT: another edge is the relay. A session that is lost after this takes the lock with it: what two
 * relays publish then at the same time the stream takes once. */
static rb_err relay_lock(struct edge_worker *worker, int64_t *session)
{
    if (*session && *session == rb_db_session(worker->db))
        return RB_OK;
    rb_err err = rb_db_try_lock(worker->db, RB_LOCK_RELAY, 0);
    *session = err ? 0 : rb_db_session(worker->db);
    return err;
}

static void relay_unlock(struct edge_worker *worker, int64_t *session)
{
    if (*session)
        rb_db_unlock(worker->db, RB_LOCK_RELAY, 0);
    *session = 0;
}

/* Everything there is to publish. `*session` is the one that holds the lock. */
static rb_err relay_drain(struct edge_worker *worker, int64_t *session, int64_t *next_prune)
{
    struct rb_metric *count_metric = rb_metric_counter("repobus_outbox_published_total", NULL,
                                                       "Events given to JetStream and acknowledged");
    rb_err err = relay_lock(worker, session);
    size_t count = 0;
    if (err)
        return err;
    do {
        err = relay_batch(&count, worker);
        if (!err)
            rb_metric_add(count_metric, (int64_t)count);
    } while (!err && count == RELAY_BATCH && !edge_worker_is_stopping(worker));
    if (!err)
        relay_prune(worker, next_prune);
    else /* NATS may be away from here alone; unlocking leaves the error text as it is */
        relay_unlock(worker, session);
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
    bool streams_exist = false, failing = false;
    if (rb_db_listen(worker->db, "outbox")) /* again with each new connection */
        rb_log_warn("relay: %s", rb_error_text());
    while (!edge_worker_is_stopping(worker)) {
        bool notified = false;
        if (!streams_exist && rb_bus_is_connected(worker->edge->bus))
            streams_exist = rb_bus_setup(worker->edge->bus) == RB_OK;
        rb_err err = relay_drain(worker, &session, &next_prune);
        if (err == RB_ENOTFOUND || err == RB_EINVAL || err == RB_EUNAVAILABLE)
            streams_exist = false; /* they may be gone with NATS's data: made again before the next attempt */
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
        int poll_ms = worker->edge->settings.measure_ms < RELAY_POLL_MS ? worker->edge->settings.measure_ms
                                                                        : RELAY_POLL_MS;
        if (rb_db_wait(&notified, worker->db, poll_ms, worker->wake_fd))
            edge_worker_sleep(worker, rb_jitter_ms(RELAY_RETRY_MS));
        else
            relay_rest(worker, drained_ms);
        /* One wake-up serves all that has been announced: they are found by what they are. */
        for (char *payload; (payload = rb_db_notification(worker->db));)
            free(payload);
    }
}

rb_err edge_relay_start(struct edge *edge)
{
    const struct rb_bus_options options = {
        .url = edge->settings.nats_url, .name = "repobus-relay", .is_bulk = true};
    rb_err err = rb_bus_connect(&relay_bus, &options);
    relay_worker = (struct edge_worker){.name = "repobus-relay", .edge = edge, .run = relay_run};
    return err ? err : edge_worker_start(&relay_worker);
}

void edge_relay_stop(void)
{
    edge_worker_stop(&relay_worker);
    rb_bus_close(relay_bus);
}
