/*
 * What the handlers need and is away: NATS itself, and what .ping asks for. A circuit breaker for the whole
 * process. While all is well nobody is asked; a handler that fails has it looked once whether the failure is
 * its own. From then on one of all workers asks, with pauses that grow, and the others wait for what it
 * hears. The events stay with their workers, which the keepalive thread tells the server: waiting costs no
 * delivery.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/runtime.h"

#define PAUSE_FIRST_MS 500  /* before it is asked again, doubled with each time, */
#define PAUSE_MAX_MS   5000 /* to this: so late is it noticed that it is back */
#define LOOK_MS        1000 /* so late one who waits notices that the event is not its own any more */

/* Up to LOOK_MS; news end it early. `mutex` is held. */
static void needs_sleep(struct bus_runtime *runtime)
{
    const struct bus_needs *needs = &runtime->needs;
    int64_t until = rb_clock_ms() + LOOK_MS;
    if (!needs->is_asked && needs->ask_at < until)
        until = needs->ask_at;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_cond_timedwait(&runtime->changed, &runtime->mutex, &at);
}

/* NATS is one that answers for the stream: one that hangs, or is one of too few, keeps its connections. */
static rb_err needs_ping(struct bus_worker *worker)
{
    const struct bus_runtime *runtime = worker->runtime;
    int64_t created = 0;

    if (!rb_bus_is_connected(runtime->bus))
        return rb_error_set(RB_EUNAVAILABLE, "NATS: not connected");
    rb_err err = bus_stream_created(&created, runtime->bus, runtime->durable.stream);
    if (rb_err_is_temporary(err))
        return err;
    return runtime->def->ping ? runtime->def->ping(worker->local, runtime->def->app) : RB_OK;
}

/* `mutex` is held, and given up while it is asked. */
static void needs_ask(struct bus_worker *worker)
{
    struct bus_runtime *runtime = worker->runtime;
    struct bus_needs *needs = &runtime->needs;
    bool was_away = needs->is_away;

    needs->is_asked = true;
    pthread_mutex_unlock(&runtime->mutex);
    rb_err err = needs_ping(worker);
    pthread_mutex_lock(&runtime->mutex);
    needs->is_asked = false;
    needs->is_away = err != RB_OK;
    int64_t now = rb_clock_ms();
    if (err) {
        snprintf(needs->reason, sizeof(needs->reason), "%s", rb_error_text());
        rb_text_make_utf8(needs->reason);
        needs->pause_ms = was_away ? needs->pause_ms * 2 : PAUSE_FIRST_MS;
        if (needs->pause_ms > PAUSE_MAX_MS)
            needs->pause_ms = PAUSE_MAX_MS;
        needs->ask_at = now + rb_jitter_ms(needs->pause_ms);
    }
    if (err && !was_away) {
        needs->since = now;
        rb_log_warn("waiting, no event is handled meanwhile: %s", needs->reason);
    } else if (!err && was_away) {
        rb_log_info("waited seconds=%" PRId64 ", all answers again", (now - needs->since) / 1000);
    }
    pthread_cond_broadcast(&runtime->changed);
}

bool bus_needs_failed(struct bus_worker *worker, const struct rb_result *result)
{
    struct bus_runtime *runtime = worker->runtime;

    if (result->verdict != RB_RETRY || result->delay_ms > 0)
        return false;
    pthread_mutex_lock(&runtime->mutex);
    while (runtime->needs.is_asked && !runtime->draining) /* by a colleague who failed as well */
        needs_sleep(runtime);
    if (!runtime->needs.is_away && !runtime->draining)
        needs_ask(worker);
    bool is_away = runtime->needs.is_away && !runtime->draining;
    pthread_mutex_unlock(&runtime->mutex);
    return is_away;
}

/* Says in the run what is waited for; `mutex` is held, and given up for it. */
static void needs_tell(struct rb_work *work, const char *reason)
{
    char note[RUNTIME_TEXT_MAX + 16];

    snprintf(note, sizeof(note), "waiting: %s", reason);
    pthread_mutex_unlock(&work->runtime->mutex);
    rb_work_progress(work, 0, 0, note);
    pthread_mutex_lock(&work->runtime->mutex);
}

/* NULL: it may wait on. */
static const char *needs_end(const struct rb_work *work, int64_t deadline)
{
    if (work->incarnation != work->runtime->incarnation)
        return "the stream of its event is lost";
    return rb_clock_ms() >= deadline ? work->runtime->needs.reason : rb_work_stop(work);
}

bool bus_needs_wait(struct rb_result *result, struct bus_worker *worker, int64_t deadline)
{
    struct rb_work *work = &worker->work;
    struct bus_runtime *runtime = worker->runtime;
    const struct bus_needs *needs = &runtime->needs;
    char told[sizeof(needs->reason)] = "";
    bool waits = true;

    work->limit_at = INT64_MAX; /* what passes now is not the handler's time */
    pthread_mutex_lock(&runtime->mutex);
    while (needs->is_away && waits) {
        const char *end = needs_end(work, deadline);
        if (end) {
            *result = work->disconnected ? rb_done() : rb_retry("%s", end);
            waits = false;
        } else if (strcmp(told, needs->reason) != 0) {
            memcpy(told, needs->reason, sizeof(told));
            needs_tell(work, told);
        } else if (!needs->is_asked && rb_clock_ms() >= needs->ask_at) {
            needs_ask(worker);
        } else {
            needs_sleep(runtime);
        }
    }
    pthread_mutex_unlock(&runtime->mutex);
    if (waits && *told)
        rb_work_progress(work, 0, 0, "");
    return waits;
}

bool bus_needs_are_there(struct bus_runtime *runtime, char *reason, size_t size)
{
    pthread_mutex_lock(&runtime->mutex);
    bool is_away = runtime->needs.is_away;
    if (is_away)
        snprintf(reason, size, "waiting: %s", runtime->needs.reason);
    pthread_mutex_unlock(&runtime->mutex);
    return !is_away;
}
