/*
 * Whose turn it is, for a subscriber that asks for one event of a repository at a time, or for their order.
 *
 * Each repository has a record in a bucket: {"stream", "done", "tries"}. `stream` is the birth of the stream
 * that the sequences below belong to; another stream, another record. `done` is the last event that was
 * finished, where order is asked for. `tries` counts how often each unfinished event was begun: an event
 * whose turn it is not is handed back, which the server counts as a delivery, and must not cost it an
 * attempt.
 *
 * An event is tried in this order: is it the next one, then the lease, then the count. It ends in this order:
 * the record, then its acknowledgement (worker.c), then the lease.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/runtime.h"

#define TURNS_BYTES (INT64_C(64) * 1024 * 1024) /* some 300,000 repositories with an event in a month */
/* Unfinished events of one repository that are counted; what is beyond begins to count anew. */
#define TRIES_MAX      64
#define RECORD_MAX     4096 /* bytes: TRIES_MAX sequences of 20 digits and their counts, with room */
#define SWAP_MAX       3    /* another process may write at the same moment, one that was stopped and wakes */
#define WAIT_FIRST_MS  250
#define WAIT_MAX_MS    10000
#define WAIT_DOUBLINGS 6 /* of the first, then it is the longest */
#define TURN_KEY_MAX   24

int64_t bus_turn_key(const struct bus_runtime *runtime, const struct rb_event *event)
{
    for (const struct rb_route *route = runtime->def->routes; route->subject; route++) {
        if (strcmp(route->subject, event->subject) == 0)
            return json_integer_value(json_object_get(event->data, "repo_id"));
    }
    return 0;
}

/* 250 ms, 500 ms, … 10 s, each between its half and its whole. */
int64_t bus_turn_wait_ms(int deliveries)
{
    int64_t delay = deliveries > WAIT_DOUBLINGS ? WAIT_MAX_MS : WAIT_FIRST_MS << (deliveries - 1);
    return rb_jitter_ms(delay < WAIT_MAX_MS ? delay : WAIT_MAX_MS);
}

/* ---- the record --------------------------------------------------------------------------------------- */

struct turn_record {
    uint64_t revision;
    json_t *root;
};

static void turn_key_text(char out[TURN_KEY_MAX], int64_t key)
{
    snprintf(out, TURN_KEY_MAX, "%" PRId64, key);
}

static rb_err turn_read(struct turn_record *record, struct rb_work *work)
{
    char key[TURN_KEY_MAX], text[RECORD_MAX];

    turn_key_text(key, work->turn_key);
    rb_err err =
        bus_bucket_get(text, sizeof(text), &record->revision, &work->runtime->turns, work->runtime->bus, key);
    record->root = err ? NULL : json_loads(text, 0, NULL);
    if (err)
        return err;
    if (json_integer_value(json_object_get(record->root, "stream")) != work->turn_stream) {
        json_decref(record->root);
        record->root =
            json_pack("{sI sI s{}}", "stream", (json_int_t)work->turn_stream, "done", (json_int_t)0, "tries");
    }
    return RB_OK;
}

static uint64_t turn_done(const struct turn_record *record)
{
    return (uint64_t)json_integer_value(json_object_get(record->root, "done"));
}

static rb_err turn_write(struct turn_record *record, struct rb_work *work)
{
    char key[TURN_KEY_MAX];

    turn_key_text(key, work->turn_key);
    char *text = json_dumps(record->root, JSON_COMPACT);
    rb_err err =
        bus_bucket_swap(&record->revision, &work->runtime->turns, work->runtime->bus, key, text ? text : "");
    free(text);
    return err;
}

/* Counts one more try of the event; out: which one it is. */
static void turn_count(int *attempt, const struct turn_record *record, uint64_t sequence)
{
    char name[TURN_KEY_MAX];
    json_t *tries = json_object_get(record->root, "tries");

    snprintf(name, sizeof(name), "%" PRIu64, sequence);
    *attempt = (int)json_integer_value(json_object_get(tries, name)) + 1;
    if (*attempt == 1 && json_object_size(tries) >= TRIES_MAX)
        json_object_clear(tries);
    json_object_set_new(tries, name, json_integer(*attempt));
}

static void turn_strike(const struct turn_record *record, uint64_t sequence, bool in_order)
{
    char name[TURN_KEY_MAX];

    snprintf(name, sizeof(name), "%" PRIu64, sequence);
    json_object_del(json_object_get(record->root, "tries"), name);
    if (in_order && turn_done(record) < sequence)
        json_object_set_new(record->root, "done", json_integer((json_int_t)sequence));
}

/* ---- taking and ending -------------------------------------------------------------------------------- */

static enum bus_turn turn_wait(struct rb_work *work)
{
    rb_log_debug("event waits for its turn id=%s: %s", work->event.id, rb_error_text());
    bus_lease_release(work);
    return BUS_TURN_LATER;
}

static rb_err turn_begin(struct rb_work *work)
{
    struct turn_record record = {0};
    char key[TURN_KEY_MAX];

    turn_key_text(key, work->turn_key);
    rb_err err = bus_lease_take(work, key);
    if (!err)
        err = turn_read(&record, work); /* anew: now nobody else has it */
    if (!err) {
        int attempt = 0;
        turn_count(&attempt, &record, work->sequence);
        err = turn_write(&record, work);
        if (!err)
            work->attempt = attempt;
    }
    json_decref(record.root);
    return err;
}

enum bus_turn bus_turn_take(struct rb_work *work)
{
    struct bus_runtime *runtime = work->runtime;
    bool in_order = runtime->def->order_per_repository;
    struct turn_record record = {0};

    work->turn_key = 0;
    if (!bus_turn_asked(runtime->def))
        return BUS_TURN_NOW;
    int64_t key = bus_turn_key(runtime, &work->event);
    if (key <= 0)
        return BUS_TURN_NOW;
    work->turn_key = key;
    pthread_mutex_lock(&runtime->ensure_mutex);
    work->turn_stream = runtime->stream_created_ns;
    bool lost = work->incarnation != runtime->incarnation;
    pthread_mutex_unlock(&runtime->ensure_mutex);
    if (lost) /* the stream that it came from: its sequence says nothing */
        return BUS_TURN_LATER;
    if (in_order) {
        if (turn_read(&record, work))
            return turn_wait(work);
        uint64_t done = turn_done(&record);
        json_decref(record.root);
        if (work->sequence <= done)
            return BUS_TURN_OVER;
        if (bus_order_check(runtime, work->sequence, key, done))
            return turn_wait(work);
    }
    return turn_begin(work) ? turn_wait(work) : BUS_TURN_NOW;
}

rb_err bus_turn_finish(struct rb_work *work)
{
    bool lost = work->incarnation != work->runtime->incarnation;
    rb_err err = RB_OK;

    for (int i = 0; work->turn_key > 0 && !lost && i < SWAP_MAX; i++) {
        struct turn_record record = {0};
        err = turn_read(&record, work);
        if (!err) {
            turn_strike(&record, work->sequence, work->runtime->def->order_per_repository);
            err = turn_write(&record, work);
        }
        json_decref(record.root);
        if (!err)
            break;
    }
    return err;
}

void bus_turn_end(struct rb_work *work)
{
    if (work->turn_key > 0)
        bus_lease_release(work);
    work->turn_key = 0;
}

void bus_turn_bucket_init(struct bus_bucket *turns, const char *subscriber)
{
    bus_bucket_init(turns, "turns", subscriber, BUS_EVENTS_KEPT_MS, TURNS_BYTES);
}

void bus_turns_init(struct bus_runtime *runtime)
{
    bus_turn_bucket_init(&runtime->turns, runtime->def->name);
    bus_leases_init(runtime);
    bus_order_init(&runtime->order);
}

void bus_turns_free(struct bus_runtime *runtime)
{
    bus_order_free(&runtime->order);
    bus_leases_free(runtime);
    bus_bucket_free(&runtime->turns);
}

bool bus_turn_asked(const struct rb_subscriber *def)
{
    return def->one_per_repository || def->order_per_repository;
}
