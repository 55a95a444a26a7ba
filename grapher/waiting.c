/*
 * A store that is away: a circuit breaker for the whole process. While all is well nobody asks the store
 * whether it is there. Whoever fails for the store looks once; from then on one of all who wait asks it, with
 * pauses that grow, and the others wait for what he hears. The events stay with their workers meanwhile: no
 * delivery attempt is spent on waiting.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "grapher/handler.h"

#define STORE_TRIES_MAX                                                                \
    3 /* of one write while the store answers, before the event goes back to the queue \
       */
#define STORE_WAIT_MS        (24LL * 60 * 60 * 1000) /* then the event goes back, and costs an attempt */
#define STORE_PAUSE_MS       500                     /* before the second look, doubled with each, */
#define STORE_PAUSE_LIMIT_MS 10000                   /* to this: so late is a store found that is back */
#define STORE_LOOK_MS        250                     /* how soon one who waits sees that he is to stop */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_away, is_asked; /* somebody asks the store at this moment */
    int64_t pause_ms, ask_at_ms;
    char reason[512];
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool is_of_store(rb_err err)
{
    return err == RB_EUNAVAILABLE || err == RB_ETIMEOUT;
}

/* With the lock: what the store said, or why it did not. */
static void waiting_note(rb_err err)
{
    bool was_away = waiting.is_away;
    waiting.is_away = is_of_store(err);
    if (!waiting.is_away) {
        if (was_away) {
            rb_log_info("the store of the graph is back");
            rb_grapher_plan_again(); /* it may have been started anew */
        }
        pthread_cond_broadcast(&waiting.changed);
        return;
    }
    snprintf(waiting.reason, sizeof waiting.reason, "%s", rb_error_text());
    if (!was_away)
        rb_log_warn("the store of the graph is away, and is waited for: %s", waiting.reason);
    waiting.pause_ms = was_away ? waiting.pause_ms * 2 : STORE_PAUSE_MS;
    if (waiting.pause_ms > STORE_PAUSE_LIMIT_MS)
        waiting.pause_ms = STORE_PAUSE_LIMIT_MS;
    waiting.ask_at_ms = rb_clock_ms() + rb_jitter_ms(waiting.pause_ms);
}

/* With the lock, which is given up while the store is asked. */
static rb_err waiting_ask(struct rb_graph *graph)
{
    waiting.is_asked = true;
    pthread_mutex_unlock(&waiting.lock);
    rb_err err = rb_graph_ping(graph);
    pthread_mutex_lock(&waiting.lock);
    waiting.is_asked = false;
    waiting_note(err);
    return err;
}

static void waiting_pause(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STORE_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&waiting.changed, &waiting.lock, &until);
}

rb_err rb_grapher_wait_for_store(struct rb_work *work, struct rb_graph *graph)
{
    int64_t deadline = rb_clock_ms() + STORE_WAIT_MS;
    rb_err err = RB_OK;
    char note[sizeof waiting.reason + 16];
    pthread_mutex_lock(&waiting.lock);
    while (waiting.is_away && !err) {
        if (rb_work_is_draining(work) || rb_clock_ms() > deadline) {
            err = rb_error_set(RB_EUNAVAILABLE, "%s", waiting.reason);
        } else if (!waiting.is_asked && rb_clock_ms() >= waiting.ask_at_ms) {
            err = waiting_ask(graph);
            err = is_of_store(err) ? RB_OK : err;
        } else {
            snprintf(note, sizeof note, "waiting: %s", waiting.reason);
            rb_work_progress(work, 0, 0, note);
            waiting_pause();
        }
    }
    pthread_mutex_unlock(&waiting.lock);
    return err;
}

/* Looks whether it was for the store that something failed. */
static bool waiting_is_away(struct rb_graph *graph)
{
    char text[512];
    snprintf(text, sizeof text, "%s", rb_error_text());
    pthread_mutex_lock(&waiting.lock);
    if (!waiting.is_away && !waiting.is_asked)
        waiting_ask(graph);
    bool is_away = waiting.is_away;
    pthread_mutex_unlock(&waiting.lock);
    rb_error_set(RB_EUNAVAILABLE, "%s", text);
    return is_away;
}

rb_err rb_grapher_with_store(struct rb_work *work, struct rb_graph *graph, rb_err (*fn)(void *arg), void *arg)
{
    rb_err err = RB_EUNAVAILABLE;
    for (int tries = 0; tries < STORE_TRIES_MAX && is_of_store(err);) {
        err = rb_grapher_wait_for_store(work, graph);
        if (err)
            return err;
        if (rb_work_is_draining(work))
            return rb_error_set(RB_EUNAVAILABLE, "the grapher is stopping");
        err = fn(arg);
        if (is_of_store(err) && !waiting_is_away(graph))
            tries++;
    }
    return err;
}

bool rb_grapher_is_ready(void *app, char *reason, size_t size)
{
    (void)app;
    pthread_mutex_lock(&waiting.lock);
    bool is_away = waiting.is_away;
    if (is_away)
        snprintf(reason, size, "%s", waiting.reason);
    pthread_mutex_unlock(&waiting.lock);
    return !is_away;
}
