/*
 * One thread that speaks for all busy workers: tells the server that they are still working, well before it
 * would give their message to somebody else, and sends progress that was held back. Sleeps for good while
 * nobody is busy.
 */
#include <time.h>

#include "bus/runtime.h"

void bus_keepalive_wake(struct bus_runtime *runtime)
{
    pthread_mutex_lock(&runtime->mutex);
    runtime->woken = true;
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->mutex);
}

/* An event that came to a busy worker unasked, as after a reconnect on which two requests of it are alive:
 * others may have it now, and not after the ack wait. (One that has answered has asked for the next.) Its
 * worker cannot look itself, and does not while `busy` is guarded by the caller. */
static void keepalive_hand_back_extra(struct bus_worker *worker)
{
    natsMsg *extra = NULL;

    while (worker->pull && bus_pull_take_extra(&extra, worker->pull)) {
        bus_ack_retry(worker->runtime->bus, natsMsg_GetReply(extra), 0);
        natsMsg_Destroy(extra);
    }
}

/* Sends what is due for one worker; returns when the next is, INT64_MAX when nothing is. */
static int64_t keepalive_serve(struct bus_worker *worker, int64_t now, bool working)
{
    struct rb_work *work = &worker->work;
    int64_t due = INT64_MAX;

    pthread_mutex_lock(&work->mutex);
    if (work->busy && working && !work->answered) {
        if (work->incarnation == worker->runtime->incarnation && now < work->limit_at)
            bus_ack_working(worker->runtime->bus, work->reply);
        keepalive_hand_back_extra(worker);
    }
    if (work->busy && work->unsent) {
        due = work->sent_at + BUS_PROGRESS_INTERVAL_MS;
        if (due <= now) {
            bus_work_flush(work);
            due = INT64_MAX;
        }
    }
    pthread_mutex_unlock(&work->mutex);
    return due;
}

/* `runtime->mutex` is held. */
static void keepalive_sleep(struct bus_runtime *runtime, int64_t until)
{
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

    runtime->asleep = until == INT64_MAX;
    if (until == INT64_MAX)
        pthread_cond_wait(&runtime->changed, &runtime->mutex);
    else
        pthread_cond_timedwait(&runtime->changed, &runtime->mutex, &at);
}

void *bus_keepalive_main(void *arg)
{
    struct bus_runtime *runtime = arg;
    const int64_t interval =
        runtime->durable.ack_wait_ms / 3; /* one may be lost, the next is still in time */
    int64_t working_at = 0;

    pthread_mutex_lock(&runtime->mutex);
    while (!runtime->ending) {
        int64_t now = rb_clock_ms(), next = INT64_MAX;
        if (runtime->asleep) /* somebody has just begun: the first word is due after an interval */
            working_at = now + interval;
        bool working = now >= working_at;
        runtime->asleep = runtime->woken = false;
        pthread_mutex_unlock(&runtime->mutex);

        for (int i = 0; i < runtime->worker_count; i++) {
            int64_t due = keepalive_serve(&runtime->workers[i], now, working);
            next = due < next ? due : next;
        }
        if (working)
            working_at = now + interval;

        pthread_mutex_lock(&runtime->mutex);
        /* After a whole interval without work: sleep until woken. Looked at under the lock, since a worker
         * that begins wakes only who is asleep by then. */
        bool idle = working && runtime->busy == 0;
        if (!idle && working_at < next)
            next = working_at;
        while (!runtime->ending && !runtime->woken && rb_clock_ms() < next)
            keepalive_sleep(runtime, next);
    }
    pthread_mutex_unlock(&runtime->mutex);
    return NULL;
}
