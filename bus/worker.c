/*
 * A worker: takes one event at a time from the durable consumer, gives it to its handler, and answers the
 * server by the verdict. What it promises, in the order that keeps it:
 *
 *  - done: the run says so, then the message is acknowledged, in one word with the request for the next one.
 *    Only who wants no more waits until the server confirms it: an acknowledgement that is lost takes the
 *    request with it, and the event comes again;
 *  - retry: handed back with a delay that grows with each attempt;
 *  - reject, or no attempt left: the dead letter is stored first, then the message is terminated.
 *
 * A crash anywhere in between delivers the message again. The consumer and its streams are made sure of at
 * the start and after each reconnect, so that a server that lost its data is whole again within seconds.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "bus/runtime.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_FACTOR \
    5 /* 1 s, 5 s, 25 s, 2 min, then 5 min: eight attempts last about a quarter of an hour */
#define BACKOFF_MAX_MS   300000  /* five minutes */
#define DELAY_MAX_MS     7200000 /* two hours: GitHub's rate limits reset within the hour */
#define ENSURE_WAIT_MS   1000    /* between two tries to set up what is missing */
#define CONNECT_SLICE_MS 60000
/* Of an event's arena. Who needed so much needed more beside it, which malloc would keep: it goes back at
 * once. */
#define TRIM_BYTES    1048576
#define DEAD_RETRY_MS 10000 /* a dead letter that could not be stored */
/* Attempts beyond the last one that reach the handler all the same: those that ended with their process
 * count, and had no verdict. Only what still has none then is given up unseen, since it may be what ends the
 * processes. */
#define UNFINISHED_MAX 3
/* An event that fails for what is away, again and again after it was back: it may be what ends it. */
#define OUTAGES_MAX 16

int64_t bus_backoff_ms(int attempt)
{
    int64_t delay = BACKOFF_FIRST_MS;
    for (int i = 1; i < attempt && delay < BACKOFF_MAX_MS; i++)
        delay *= BACKOFF_FACTOR;
    return rb_jitter_ms(delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS);
}

static void worker_count(struct bus_runtime *runtime, const char *subject, const char *verdict)
{
    char labels[BUS_SUBJECT_MAX];
    /* What anybody may publish must not become a label. */
    snprintf(labels, sizeof(labels), "subscriber=\"%s\",subject=\"%s\",verdict=\"%s\"", runtime->def->name,
             bus_subject_is_known(subject) ? subject : "other", verdict);
    rb_metric_add(rb_metric_counter("repobus_events_handled_total", labels, "Events handled, by verdict."),
                  1);
}

/* ---- taking and releasing a message ------------------------------------------------------------------- */

/* False when this process is at work on the same message already: the server gave it anew after an outage in
 * which nobody could say so. Its first delivery will answer for both. */
static bool worker_claim(struct bus_worker *worker, const jsMsgMetaData *meta, const char *reply)
{
    struct bus_runtime *runtime = worker->runtime;
    struct rb_work *work = &worker->work;
    bool taken = false;

    pthread_mutex_lock(&runtime->mutex);
    for (int i = 0; i < runtime->worker_count && !taken; i++) {
        const struct rb_work *other = &runtime->workers[i].work;
        taken =
            other->busy && other->sequence == meta->Sequence.Stream && other->stored_ns == meta->Timestamp;
    }
    if (!taken) {
        pthread_mutex_lock(&work->mutex);
        work->sequence = meta->Sequence.Stream;
        work->stored_ns = meta->Timestamp;
        work->attempt = meta->NumDelivered > INT32_MAX ? INT32_MAX : (int)meta->NumDelivered;
        work->handed_back = 0;
        work->installation_id = 0;
        work->unsent = false;
        work->answered = false;
        work->disconnected = false;
        work->limit_at = INT64_MAX;
        work->lease.until = INT64_MAX;
        work->incarnation = runtime->incarnation;
        work->sent_at = 0;
        snprintf(work->reply, sizeof(work->reply), "%s", reply);
        work->busy = true;
        pthread_mutex_unlock(&work->mutex);
        runtime->busy++;
        if (runtime->asleep) {
            runtime->woken = true;
            pthread_cond_broadcast(&runtime->changed);
        }
    }
    pthread_mutex_unlock(&runtime->mutex);
    return !taken;
}

static void worker_release(struct bus_worker *worker)
{
    struct bus_runtime *runtime = worker->runtime;

    pthread_mutex_lock(&runtime->mutex);
    pthread_mutex_lock(&worker->work.mutex);
    worker->work.busy = false;
    pthread_mutex_unlock(&worker->work.mutex);
    runtime->busy--;
    pthread_mutex_unlock(&runtime->mutex);
}

/* ---- answering by the verdict ------------------------------------------------------------------------- */

static bool worker_finish(struct rb_work *work, enum rb_run_state state, const char *error)
{
    const struct bus_failure failure = {.subscriber = work->runtime->def->name,
                                        .event = work->event.id,
                                        .reason = error,
                                        .attempt = work->attempt};
    if (state != RB_RUN_DONE)
        bus_control_note_failure(work->runtime->bus, &failure);
    rb_err err = state == RB_RUN_RETRYING ? RB_OK : bus_turn_finish(work);
    if (!err)
        err = bus_work_end_run(work, state, error);
    if (!err)
        return true;
    rb_log_warn("run not recorded event=%s: %s", work->event.id, rb_error_text());
    return false;
}

/* Before the one answer to a message. False when there is nobody to answer: the stream that it came from is
 * lost. */
static bool worker_may_answer(struct rb_work *work)
{
    pthread_mutex_lock(&work->mutex);
    work->answered = true;
    bool same = work->incarnation == work->runtime->incarnation;
    pthread_mutex_unlock(&work->mutex);
    if (!same)
        rb_log_warn("event of a stream that is lost, not answered sequence=%" PRIu64, work->sequence);
    return same;
}

/* The end of a run that nobody has heard of would leave people with "running" for ever: the event comes
 * again, which is harmless, as long as it has attempts left. True: it is to be answered for good. */
static bool worker_end(struct rb_work *work, enum rb_run_state state, const char *error)
{
    bool told = worker_finish(work, state, error) || work->attempt >= work->runtime->def->max_attempts;
    if (!worker_may_answer(work))
        return false;
    if (!told)
        bus_ack_retry(work->runtime->bus, work->reply, bus_backoff_ms(work->attempt));
    return told;
}

static void worker_acknowledge(struct bus_worker *worker)
{
    const struct bus_runtime *runtime = worker->runtime;
    const struct rb_work *work = &worker->work;
    rb_err err = runtime->draining || runtime->paused ? bus_ack_done(runtime->bus, work->reply)
                                                      : bus_pull_ack_next(worker->pull, work->reply);

    if (err) /* comes again, and is harmless twice */
        rb_log_warn("event not acknowledged sequence=%" PRIu64 ": %s", work->sequence, rb_error_text());
}

/* It is not for us, or was done before. */
static void worker_pass(struct bus_worker *worker)
{
    if (worker_may_answer(&worker->work))
        worker_acknowledge(worker);
}

static void worker_done(struct bus_worker *worker)
{
    if (worker_end(&worker->work, RB_RUN_DONE, ""))
        worker_acknowledge(worker);
}

static void worker_retry(struct rb_work *work, const struct rb_result *result)
{
    int64_t delay = bus_backoff_ms(work->attempt);
    if (work->runtime->draining)
        delay = 0; /* another process may have it now */
    else if (result->delay_ms > 0)
        delay = result->delay_ms + result->delay_ms / 10 - rb_jitter_ms(result->delay_ms / 10);
    if (delay > DELAY_MAX_MS)
        delay = DELAY_MAX_MS;
    rb_log_warn("event will be tried again id=%s subject=%s attempt=%d in_ms=%" PRId64 ": %s", work->event.id,
                work->event.subject, work->attempt, delay, result->reason);
    (void)worker_finish(work, RB_RUN_RETRYING, result->reason);
    if (!worker_may_answer(work))
        return;
    if (work->runtime->draining)
        bus_handback(work);
    else
        bus_ack_retry(work->runtime->bus, work->reply, delay);
}

static void worker_bury(struct rb_work *work, const char *reason, const void *body, size_t len)
{
    struct bus_runtime *runtime = work->runtime;
    const struct bus_dead_letter letter = {
        .subscriber = runtime->def->name,
        .subject = work->event.subject,
        .reason = reason,
        .id = work->event.id,
        .traceparent = work->event.traceparent,
        .attempts = work->attempt,
        .sequence = work->sequence,
        .at_ms = rb_clock_wall_ms(),
        .body = body,
        .len = len,
    };
    rb_log_error("event given up id=%s subject=%s attempt=%d: %s", letter.id, letter.subject, work->attempt,
                 reason);
    if (bus_dead_store(runtime->bus, &letter)) {
        rb_log_error("dead letter not stored, trying again id=%s: %s", letter.id, rb_error_text());
        if (worker_may_answer(work))
            bus_ack_retry(runtime->bus, work->reply, DEAD_RETRY_MS);
        return;
    }
    rb_metric_add(runtime->dead_letters, 1);
    if (worker_end(work, RB_RUN_FAILED, reason) && bus_ack_term(runtime->bus, work->reply))
        rb_log_warn("event not terminated id=%s: %s", letter.id, rb_error_text());
}

static void worker_answer(struct bus_worker *worker, struct rb_result *result, const void *body, size_t len)
{
    struct rb_work *work = &worker->work;
    bool last = work->attempt >= work->runtime->def->max_attempts && !work->runtime->draining;

    rb_text_make_utf8(result->reason);
    switch (result->verdict) {
    case RB_DONE:
        worker_count(work->runtime, work->event.subject, "done");
        worker_done(worker);
        break;
    case RB_RETRY:
        worker_count(work->runtime, work->event.subject, last ? "gave_up" : "retry");
        if (last)
            worker_bury(work, result->reason, body, len);
        else
            worker_retry(work, result);
        break;
    case RB_REJECT:
        worker_count(work->runtime, work->event.subject, "reject");
        worker_bury(work, result->reason, body, len);
        break;
    }
}

/* ---- handling ----------------------------------------------------------------------------------------- */

static rb_handler_fn worker_route(const struct rb_subscriber *def, const char *subject)
{
    for (const struct rb_route *route = def->routes; route->subject; route++) {
        if (strcmp(route->subject, subject) == 0)
            return route->handler;
    }
    return NULL;
}

static struct rb_result worker_call(struct bus_worker *worker, rb_handler_fn handler)
{
    struct rb_work *work = &worker->work;
    struct bus_runtime *runtime = worker->runtime;
    int64_t started = rb_clock_us();

    rb_metric_add(runtime->in_flight, 1);
    if (runtime->def->time_limit_s > 0)
        work->limit_at = rb_clock_ms() + INT64_C(1000) * runtime->def->time_limit_s;
    struct rb_result result = handler(work, runtime->def->app, worker->local);
    rb_metric_add(runtime->in_flight, -1);
    rb_metric_observe_us(runtime->duration, rb_clock_us() - started);
    result.reason[sizeof(result.reason) - 1] = '\0';
    return result;
}

static void worker_free_arena(struct bus_worker *worker)
{
    bool was_large = rb_arena_size(worker->work.arena) > TRIM_BYTES;
    rb_arena_free(worker->work.arena);
    worker->work.arena = NULL;
    if (was_large)
        malloc_trim(0);
}

/* As if it had just come: nothing is kept of what a handler has left in its arena. */
static rb_err worker_read_again(struct bus_worker *worker, const void *body, size_t len)
{
    struct rb_event event;
    struct rb_arena *arena = rb_arena_new();
    rb_err err = rb_event_decode(&event, body, len, arena);

    if (err) {
        rb_arena_free(arena);
        return err;
    }
    worker_free_arena(worker);
    worker->work.arena = arena;
    worker->work.event = event;
    return RB_OK;
}

/* Calls the handler, again for as long as it fails for what is away. */
static struct rb_result worker_call_when_possible(struct bus_worker *worker, rb_handler_fn handler,
                                                  const void *body, size_t len)
{
    struct rb_work *work = &worker->work;
    int64_t event_ms = bus_time_parse(work->event.time), deadline = rb_clock_ms() + BUS_AWAY_MAX_MS;
    struct rb_result result;

    if (event_ms > 0 && work->attempt == 1) {
        int64_t late = rb_clock_wall_ms() - event_ms;
        rb_metric_observe_us(worker->runtime->latency, late > 0 ? late * 1000 : 0);
    }
    bus_work_begin_run(work);
    for (int calls = 0; bus_needs_wait(&result, worker, deadline); calls++) {
        result = worker_call(worker, handler);
        if (calls >= OUTAGES_MAX || !bus_needs_failed(worker, &result) ||
            worker_read_again(worker, body, len))
            break;
    }
    return result;
}

/* Its turn has not come: handed back, which is no attempt. */
static void worker_wait(struct rb_work *work)
{
    if (worker_may_answer(work))
        bus_ack_retry(work->runtime->bus, work->reply,
                      work->runtime->draining ? 0 : bus_turn_wait_ms(work->attempt));
}

/* An event with a handler, whose turn it is. */
static struct rb_result worker_try(struct bus_worker *worker, rb_handler_fn handler, const void *body,
                                   size_t len)
{
    struct rb_work *work = &worker->work;

    bus_handback_read(work);
    if (work->attempt <= worker->runtime->def->max_attempts + UNFINISHED_MAX)
        return worker_call_when_possible(worker, handler, body, len);
    work->installation_id = bus_work_installation(work);
    work->generation = rb_work_int(work, "generation");
    return rb_reject("gave up after %d attempts: the last of them ended without a verdict",
                     work->attempt - 1);
}

static void worker_handle_claimed(struct bus_worker *worker, natsMsg *msg)
{
    struct rb_work *work = &worker->work;
    const struct rb_subscriber *def = worker->runtime->def;
    const void *body = natsMsg_GetData(msg);
    size_t len = (size_t)natsMsg_GetDataLength(msg);
    const char *to = NULL;
    struct rb_result result;

    bus_work_take_trace(work, msg);
    if (natsMsgHeader_Get(msg, RB_HEADER_TO, &to) == NATS_OK && to && strcmp(to, def->name) != 0) {
        worker_pass(worker); /* for another subscriber alone */
        return;
    }
    if (rb_event_decode(&work->event, body, len, work->arena)) {
        const char *id = NULL;
        (void)natsMsgHeader_Get(msg, "Nats-Msg-Id", &id);
        work->event = (struct rb_event){.id = id && bus_text_is_plain(id, BUS_ID_MAX) ? id : "",
                                        .subject = natsMsg_GetSubject(msg),
                                        .traceparent = ""};
        result = rb_reject("%s", rb_error_text());
    } else {
        rb_handler_fn handler = worker_route(def, work->event.subject);
        enum bus_turn turn = handler ? bus_turn_take(work) : BUS_TURN_OVER;
        if (turn == BUS_TURN_OVER)
            worker_pass(worker);
        else if (turn == BUS_TURN_LATER)
            worker_wait(work);
        if (turn != BUS_TURN_NOW)
            return;
        result = worker_try(worker, handler, body, len);
    }
    worker_answer(worker, &result, body, len);
    bus_turn_end(work);
}

/* It came when none is wanted any more. */
static void worker_hand_back(struct rb_work *work)
{
    bus_handback_read(work);
    if (worker_may_answer(work))
        bus_handback(work);
}

static void worker_handle(struct bus_worker *worker, natsMsg *msg)
{
    struct bus_runtime *runtime = worker->runtime;
    const char *reply = natsMsg_GetReply(msg);
    jsMsgMetaData *meta = NULL;

    natsMsg *extra = NULL;

    /* More than asked for, as when a request was renewed while its answer was under way: one at a time. */
    while (bus_pull_take_extra(&extra, worker->pull)) {
        bus_ack_retry(runtime->bus, natsMsg_GetReply(extra), 0);
        natsMsg_Destroy(extra);
    }
    if (strlen(reply) >= RUNTIME_REPLY_MAX || natsMsg_GetMetaData(&meta, msg) != NATS_OK) {
        rb_log_error("NATS: a message without metadata, left alone");
        return;
    }
    rb_metric_add(runtime->deliveries, 1);
    if (worker_claim(worker, meta, reply)) {
        worker->work.arena = rb_arena_new();
        if (runtime->draining || runtime->paused)
            worker_hand_back(&worker->work);
        else
            worker_handle_claimed(worker, msg);
        worker_release(worker);
        memset(&worker->work.event, 0, sizeof(worker->work.event));
        worker_free_arena(worker);
    }
    jsMsgMetaData_Destroy(meta);
}

/* ---- making sure of the consumer ---------------------------------------------------------------------- */

/* Streams and consumer exist when this returns RB_OK; one worker does it for all. */
static rb_err worker_ensure(struct bus_worker *worker, bool again)
{
    struct bus_runtime *runtime = worker->runtime;
    uint64_t epoch = bus_epoch(runtime->bus);
    char *name = NULL;
    int64_t created = 0;
    rb_err err = RB_OK;

    pthread_mutex_lock(&runtime->ensure_mutex);
    if (runtime->draining) { /* a server that hangs would hold one worker after the other */
        pthread_mutex_unlock(&runtime->ensure_mutex);
        return rb_error_set(RB_EUNAVAILABLE, "draining");
    }
    bool fresh = runtime->aim > worker->aimed && runtime->aim_epoch == epoch; /* a colleague was faster */
    if (runtime->aim == 0 || runtime->aim_epoch != epoch || (again && !fresh)) {
        runtime->consumer_ready = false;
        err = bus_consumer_ensure(&name, runtime->bus, &runtime->durable, runtime->aim > 0);
        if (!err)
            err = bus_stream_created(&created, runtime->bus, runtime->durable.stream);
        if (!err) /* before a first event is taken */
            err = bus_watch_pause(runtime);
        if (!err) {
            runtime->aim++;
            runtime->aim_epoch = epoch;
            if (created != runtime->stream_created_ns)
                runtime->incarnation++;
            runtime->stream_created_ns = created;
            runtime->consumer_ready = true;
        }
    }
    uint64_t aim = runtime->aim;
    pthread_mutex_unlock(&runtime->ensure_mutex);
    free(name);
    if (!err) {
        worker->aimed = aim;
        bus_pull_aim(worker->pull, runtime->durable.name);
    }
    return err;
}

/* Waits a little before the next try; ends early when draining. */
static void worker_pause(struct bus_runtime *runtime)
{
    int64_t deadline = rb_clock_ms() + rb_jitter_ms(ENSURE_WAIT_MS);
    struct timespec at = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};

    pthread_mutex_lock(&runtime->mutex);
    while (!runtime->draining && rb_clock_ms() < deadline)
        pthread_cond_timedwait(&runtime->changed, &runtime->mutex, &at);
    pthread_mutex_unlock(&runtime->mutex);
}

/*
 * True once the consumer exists and the worker's requests go to it. What was lost (`again`) is not made again
 * at once: nats-server 2.9 says that a stream is gone before it removes the stream's files, and one of that
 * name made in this moment loses its own; it takes no event then until the server is started again.
 */
static bool worker_prepare(struct bus_worker *worker, bool again)
{
    struct bus_runtime *runtime = worker->runtime;

    if (again)
        worker_pause(runtime);
    while (!runtime->draining) {
        if (bus_wait_unless(runtime->bus, CONNECT_SLICE_MS, &runtime->draining)) {
            if (bus_is_closed(runtime->bus))
                return false;
            continue;
        }
        if (worker_ensure(worker, again) == RB_OK)
            return true;
        rb_log_warn("consumer not ready: %s", rb_error_text());
        worker_pause(runtime);
        again = true;
    }
    return false;
}

/* A whole request passed without an event: can that be? Events that wait while nobody works mean that the
 * server delivers nothing any more; it has happened. */
static bool worker_is_starved(struct bus_worker *worker)
{
    struct bus_runtime *runtime = worker->runtime;
    jsConsumerInfo *info = NULL;
    int64_t waiting = 0;
    bool full = false; /* of events that wait for their back-off: no stall */

    if (worker != &runtime->workers[0])
        return false; /* one looks for all */
    if (js_GetConsumerInfo(&info, runtime->bus->js, runtime->durable.stream, runtime->durable.name, NULL,
                           NULL) == NATS_OK) {
        waiting = (int64_t)info->NumPending;
        full = info->NumAckPending >= runtime->durable.max_ack_pending;
        jsConsumerInfo_Destroy(info);
    }
    rb_metric_set(runtime->lag, waiting);
    bool starved = waiting > 0 && !full && runtime->lag_seen > 0 && runtime->busy == 0;
    runtime->lag_seen = runtime->busy == 0 ? waiting : 0;
    if (starved) {
        rb_metric_add(runtime->stalls, 1);
        rb_log_error("consumer %s is stalled: %" PRId64 " events wait and none is delivered",
                     runtime->durable.name, waiting);
    }
    return starved;
}

/* Paused: nothing is asked for until the operator says so; the consumer keeps its place on the server. */
static bool worker_sit_out(struct bus_worker *worker)
{
    struct bus_runtime *runtime = worker->runtime;

    bus_pull_leave(worker->pull, runtime->durable.name);
    pthread_mutex_lock(&runtime->mutex);
    while (runtime->paused && !runtime->draining)
        pthread_cond_wait(&runtime->changed, &runtime->mutex);
    pthread_mutex_unlock(&runtime->mutex);
    return worker_prepare(worker, false);
}

static void worker_loop(struct bus_worker *worker)
{
    struct bus_runtime *runtime = worker->runtime;
    bool ready = worker_prepare(worker, false);

    /* What was asked for with the last acknowledgement may be under way: it is read, to be handed back. */
    while (ready && (!runtime->draining || bus_pull_is_asking(worker->pull))) {
        natsMsg *msg = NULL;
        if (runtime->paused) {
            ready = worker_sit_out(worker);
            continue;
        }
        switch (bus_pull_next(&msg, worker->pull)) {
        case BUS_PULL_MESSAGE:
            worker_handle(worker, msg);
            natsMsg_Destroy(msg);
            break;
        case BUS_PULL_IDLE:
            break;
        case BUS_PULL_EXPIRED:
            if (worker_is_starved(worker))
                ready = worker_prepare(worker, true);
            break;
        case BUS_PULL_LOST:
            ready = worker_prepare(worker, true);
            break;
        case BUS_PULL_STOPPED:
            ready = false;
            break;
        }
    }
    if (!ready && !runtime->draining) {
        rb_log_error("NATS: the connection is closed for good (wrong credentials?)");
        runtime->broken = true;
    }
}

void *bus_worker_main(void *arg)
{
    struct bus_worker *worker = arg;
    struct bus_runtime *runtime = worker->runtime;
    const struct rb_subscriber *def = runtime->def;
    rb_err err = RB_OK;

    if (def->worker_open)
        err = def->worker_open(&worker->local, def->app);
    if (err) {
        rb_log_error("worker cannot start: %s", rb_error_text());
        runtime->broken = true;
    } else {
        worker_loop(worker);
        if (def->worker_close)
            def->worker_close(worker->local, def->app);
    }
    runtime->running--;
    (void)eventfd_write(runtime->wake_fd, 1);
    return NULL;
}
