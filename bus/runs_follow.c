/*
 * Following run.> on a thread of its own. A durable consumer keeps its place, so each run reaches one reader
 * among all processes; an ephemeral one is made anew on every connection, so its reader sees the last message
 * of every run again.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bus/private.h"

#define FOLLOW_BATCH    64   /* messages asked for at a time: a few hundred bytes each */
#define FOLLOW_RETRY_MS 1000 /* a run that could not be kept comes again after this */
#define FOLLOW_WAIT_MS  60000
#define FOLLOW_PAUSE_MS 1000

struct rb_run_follower {
    struct rb_bus *bus;
    struct bus_durable_def def;
    rb_run_fn fn;
    void *arg;
    struct bus_pull *pull;
    pthread_t thread;
    atomic_bool stopping;
    char *consumer;
    uint64_t epoch; /* the connection `consumer` was made sure of on */
};

static void follow_drop_ephemeral(struct rb_run_follower *follower)
{
    if (follower->consumer && !follower->def.name && rb_bus_is_connected(follower->bus))
        (void)js_DeleteConsumer(follower->bus->js, follower->def.stream, follower->consumer, NULL, NULL);
    free(follower->consumer);
    follower->consumer = NULL;
}

static rb_err follow_ensure(struct rb_run_follower *follower)
{
    uint64_t epoch = bus_epoch(follower->bus);
    bool was_there = follower->epoch > 0 && follower->def.name;

    if (follower->consumer && !follower->def.name)
        follow_drop_ephemeral(follower);
    free(follower->consumer);
    follower->consumer = NULL;
    rb_err err = bus_consumer_ensure(&follower->consumer, follower->bus, &follower->def, was_there);
    if (err)
        return err;
    follower->epoch = epoch;
    bus_pull_aim(follower->pull, follower->consumer);
    return RB_OK;
}

/* A pause that ends early when following ends: the bus is kicked then. */
static void follow_pause(struct rb_run_follower *follower)
{
    struct rb_bus *bus = follower->bus;
    int64_t deadline = rb_clock_ms() + rb_jitter_ms(FOLLOW_PAUSE_MS);
    struct timespec at = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};

    pthread_mutex_lock(&bus->mutex);
    while (!follower->stopping && rb_clock_ms() < deadline)
        pthread_cond_timedwait(&bus->changed, &bus->mutex, &at);
    pthread_mutex_unlock(&bus->mutex);
}

/* What was lost (`again`) is not made again at once: see worker_prepare(). */
static bool follow_prepare(struct rb_run_follower *follower, bool again)
{
    if (again)
        follow_pause(follower);
    while (!follower->stopping) {
        if (bus_wait_unless(follower->bus, FOLLOW_WAIT_MS, &follower->stopping)) {
            if (bus_is_closed(follower->bus))
                return false;
            continue;
        }
        if (follow_ensure(follower) == RB_OK)
            return true;
        rb_log_warn("runs cannot be followed yet: %s", rb_error_text());
        follow_pause(follower);
    }
    return false;
}

static void follow_take(struct rb_run_follower *follower, natsMsg *msg)
{
    struct rb_arena *arena = rb_arena_new();
    const char *reply = natsMsg_GetReply(msg);
    struct rb_run run;

    if (rb_run_decode(&run, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), arena)) {
        rb_log_warn("run ignored subject=%s: %s", natsMsg_GetSubject(msg), rb_error_text());
        bus_ack_done_async(follower->bus, reply);
    } else if (follower->fn(follower->arg, &run) == RB_OK) {
        bus_ack_done_async(follower->bus, reply);
    } else {
        bus_ack_retry(follower->bus, reply, FOLLOW_RETRY_MS);
    }
    rb_arena_free(arena);
}

static void *follow_main(void *arg)
{
    struct rb_run_follower *follower = arg;
    bool ready = follow_prepare(follower, false);

    while (ready && !follower->stopping) {
        natsMsg *msg = NULL;
        switch (bus_pull_next(&msg, follower->pull)) {
        case BUS_PULL_MESSAGE:
            follow_take(follower, msg);
            natsMsg_Destroy(msg);
            break;
        case BUS_PULL_IDLE:
        case BUS_PULL_EXPIRED:
            break;
        case BUS_PULL_LOST:
            ready = follow_prepare(follower, true);
            break;
        case BUS_PULL_STOPPED:
            ready = false;
            break;
        }
    }
    if (!follower->stopping)
        rb_log_error("NATS: runs are followed no more: the connection is closed for good");
    else if (follower->def.name)
        bus_pull_forget(follower->bus, follower->def.stream, follower->def.name);
    follow_drop_ephemeral(follower);
    return NULL;
}

rb_err rb_bus_follow_runs(struct rb_run_follower **out, struct rb_bus *bus, const char *durable, rb_run_fn fn,
                          void *arg)
{
    sigset_t all, before;

    *out = NULL;
    const struct bus_durable_def *row = durable ? bus_durable_find(durable) : NULL;
    if (durable && (!row || strcmp(row->stream, RB_STREAM_RUNS) != 0))
        return rb_error_set(RB_EINVAL, "\"%s\" is no reader of runs in the catalogue", durable);
    struct rb_run_follower *follower = rb_calloc(1, sizeof(*follower));
    follower->bus = bus;
    follower->def = row ? *row : bus_durable_for_follower();
    follower->fn = fn;
    follower->arg = arg;
    rb_err err = bus_pull_open(&follower->pull, bus, RB_STREAM_RUNS, FOLLOW_BATCH);
    if (err) {
        free(follower);
        return err;
    }
    sigfillset(&all); /* signals are the business of the process, not of this thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&follower->thread, NULL, follow_main, follower);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        bus_pull_stop(follower->pull);
        free(follower);
        return rb_error_set(RB_EINTERNAL, "no thread for following runs");
    }
    *out = follower;
    return RB_OK;
}

void rb_bus_unfollow_runs(struct rb_run_follower *follower)
{
    if (!follower)
        return;
    pthread_mutex_lock(&follower->bus->mutex);
    follower->stopping = true;
    pthread_mutex_unlock(&follower->bus->mutex);
    bus_kick(follower->bus);
    bus_pull_stop(follower->pull);
    pthread_join(follower->thread, NULL);
    free(follower);
}
