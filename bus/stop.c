/*
 * Why a handler should stop: its process drains, its time is over, its repository was disconnected or belongs
 * to another worker now.
 *
 * Disconnects are heard as plain messages, next to the stream: one that is missed in a reconnect costs work
 * that is not wanted any more, and nothing else, since every write is conditional on the generation.
 */
#include "bus/runtime.h"

const char *rb_work_stop(const struct rb_work *work)
{
    if (work->disconnected)
        return "the repository was disconnected";
    if (rb_clock_ms() >= work->limit_at)
        return "the time limit is over";
    if (bus_lease_is_lost(work))
        return "the lease on the repository is lost";
    return work->runtime->draining ? "the process is ending" : NULL;
}

static void stop_one(struct rb_work *work, int64_t installation_id, int64_t generation)
{
    pthread_mutex_lock(&work->mutex);
    if (work->busy && work->installation_id == installation_id && work->generation < generation)
        work->disconnected = true;
    pthread_mutex_unlock(&work->mutex);
}

/* On the thread of the subscription. */
static void stop_on_disconnect(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    struct bus_runtime *runtime = arg;
    struct rb_arena *arena = rb_arena_new();
    struct rb_event event;
    (void)nc;
    (void)sub;

    if (rb_event_decode(&event, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), arena) == RB_OK) {
        int64_t id = json_integer_value(json_object_get(event.data, "installation_id"));
        int64_t generation = json_integer_value(json_object_get(event.data, "generation"));
        for (int i = 0; id > 0 && i < runtime->worker_count; i++)
            stop_one(&runtime->workers[i].work, id, generation);
    }
    rb_arena_free(arena);
    natsMsg_Destroy(msg);
}

static void stop_on_end(void *arg)
{
    struct bus_runtime *runtime = arg;
    pthread_mutex_lock(&runtime->mutex);
    runtime->disconnects_ended = true;
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->mutex);
}

rb_err bus_stop_follow(struct bus_runtime *runtime)
{
    natsStatus s = natsConnection_Subscribe(&runtime->disconnects, runtime->bus->nc, RB_REPO_DISCONNECTED,
                                            stop_on_disconnect, runtime);
    if (s == NATS_OK)
        s = natsSubscription_SetOnCompleteCB(runtime->disconnects, stop_on_end, runtime);
    return s == NATS_OK ? RB_OK : bus_error(s, 0, "subscribing to %s", RB_REPO_DISCONNECTED);
}

void bus_stop_unfollow(struct bus_runtime *runtime)
{
    pthread_mutex_lock(&runtime->mutex);
    while (runtime->disconnects && !runtime->disconnects_ended)
        pthread_cond_wait(&runtime->changed, &runtime->mutex);
    pthread_mutex_unlock(&runtime->mutex);
    natsSubscription_Destroy(runtime->disconnects);
}
