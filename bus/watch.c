/*
 * One thread that looks at the consumer from outside: whether the operator has paused it, how many events
 * wait and how old the oldest is. It looks every quarter of a minute, and at once when a plain message says
 * that the operator has decided something. Workers look too, before they take a first event from a
 * connection.
 */
#include <stdio.h>
#include <string.h>

#include "bus/runtime.h"

rb_err bus_watch_pause(struct bus_runtime *runtime)
{
    bool was_known = runtime->aim > 0, paused = false;
    int64_t since_ms = 0;

    rb_err err = bus_control_read(&paused, &since_ms, runtime->bus, runtime->def->name,
                                  was_known ? 1 : BUS_LOOK_TRIES);
    if (err && was_known) {
        rb_log_warn("whether the operator has paused it is not known: %s", rb_error_text());
        return RB_OK;
    }
    if (err)
        return err;
    pthread_mutex_lock(&runtime->mutex);
    bool changed = runtime->paused != paused;
    runtime->paused = paused;
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->mutex);
    rb_metric_set(runtime->paused_gauge, paused);
    if (changed) {
        rb_log_info("subscriber %s by the operator", paused ? "paused" : "resumed");
        bus_pulls_wake(runtime->bus); /* those who wait for an event find out */
    }
    return RB_OK;
}

static void watch_measure(struct bus_runtime *runtime)
{
    jsConsumerInfo *info = NULL;
    int64_t oldest_ms = 0;

    if (js_GetConsumerInfo(&info, runtime->bus->js, runtime->durable.stream, runtime->durable.name, NULL,
                           NULL) != NATS_OK)
        return;
    if (bus_control_oldest(&oldest_ms, runtime->bus, info) == RB_OK) {
        int64_t age_ms = oldest_ms > 0 ? rb_clock_wall_ms() - oldest_ms : 0;
        rb_metric_set(runtime->oldest, age_ms > 0 ? age_ms / 1000 : 0);
    }
    rb_metric_set(runtime->lag, (int64_t)info->NumPending);
    rb_metric_set(runtime->unanswered, info->NumAckPending);
    jsConsumerInfo_Destroy(info);
}

static void watch_look(struct bus_runtime *runtime)
{
    if (!rb_bus_is_connected(runtime->bus) || !runtime->consumer_ready)
        return;
    pthread_mutex_lock(&runtime->ensure_mutex);
    rb_err err = bus_watch_pause(runtime);
    pthread_mutex_unlock(&runtime->ensure_mutex);
    if (!err && !runtime->draining)
        watch_measure(runtime);
}

static void *watch_main(void *arg)
{
    struct bus_runtime *runtime = arg;

    while (!runtime->draining) {
        natsMsg *msg = NULL;
        natsStatus s = natsSubscription_NextMsg(&msg, runtime->watch_sub, runtime->watch_ms);
        natsMsg_Destroy(msg);
        if (s == NATS_CONNECTION_CLOSED || s == NATS_INVALID_SUBSCRIPTION)
            break;
        watch_look(runtime);
    }
    return NULL;
}

rb_err bus_watch_start(struct bus_runtime *runtime)
{
    char subject[BUS_SUBJECT_MAX];

    bus_control_wake_subject(subject, sizeof(subject), runtime->def->name);
    natsStatus s = natsConnection_SubscribeSync(&runtime->watch_sub, runtime->bus->nc, subject);
    if (s != NATS_OK)
        return bus_error(s, 0, "subscribing");
    if (pthread_create(&runtime->watch, NULL, watch_main, runtime) != 0)
        return rb_error_set(RB_EINTERNAL, "no thread for watching");
    runtime->watch_started = true;
    return RB_OK;
}

void bus_watch_stop(struct bus_runtime *runtime)
{
    if (runtime->watch_sub)
        (void)natsSubscription_Unsubscribe(runtime->watch_sub);
}

void bus_watch_join(struct bus_runtime *runtime)
{
    if (runtime->watch_started)
        pthread_join(runtime->watch, NULL);
}
