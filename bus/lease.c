/*
 * The lease on a repository: an entry of a bucket whose entries the server removes when they are as old as
 * the lease is long. It is only ever written over the revision that was read, so of two who want it one gets
 * it.
 *
 * The owner renews it at a third of its time. Until when it is held is counted from before the question that
 * took or renewed it, on the owner's own clock, and is asked anew each time: one that was stopped and wakes
 * does not take itself for the owner. The entry is never deleted, which knows no condition, but marked as
 * free.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/runtime.h"

#define LEASES_BYTES (INT64_C(16) * 1024 * 1024) /* one for each event under way: a hundred thousand */
#define LEASE_FREE   "free"
#define LEASE_MARGIN 10 /* a tenth of the time is given up early: clocks differ in their rate */

static int64_t lease_length(const struct bus_runtime *runtime)
{
    return runtime->leases.ttl_ms - runtime->leases.ttl_ms / LEASE_MARGIN;
}

void bus_lease_bucket_init(struct bus_bucket *leases, const char *subscriber, int64_t ack_wait_ms)
{
    bus_bucket_init(leases, "lease", subscriber, ack_wait_ms, LEASES_BYTES);
}

void bus_leases_init(struct bus_runtime *runtime)
{
    bus_lease_bucket_init(&runtime->leases, runtime->def->name, runtime->durable.ack_wait_ms);
    pthread_mutex_init(&runtime->lease_mutex, NULL);
}

void bus_leases_free(struct bus_runtime *runtime)
{
    bus_bucket_free(&runtime->leases);
    pthread_mutex_destroy(&runtime->lease_mutex);
}

bool bus_lease_is_lost(const struct rb_work *work)
{
    return rb_clock_ms() >= work->lease.until;
}

int64_t rb_work_fence(const struct rb_work *work)
{
    return (int64_t)work->lease.fence;
}

rb_err bus_lease_take(struct rb_work *work, const char *key)
{
    struct bus_runtime *runtime = work->runtime;
    struct bus_lease *lease = &work->lease;
    char value[RB_UUID_SIZE];
    uint64_t revision;

    pthread_mutex_lock(&runtime->lease_mutex);
    int64_t asked = rb_clock_ms();
    rb_err err = bus_bucket_get(value, sizeof(value), &revision, &runtime->leases, runtime->bus, key);
    if (!err && revision > 0 && strcmp(value, LEASE_FREE) != 0)
        err = rb_error_set(RB_ECONFLICT, "another event of its repository is being worked on");
    rb_uuid_make(lease->owner);
    if (!err)
        err = bus_bucket_swap(&revision, &runtime->leases, runtime->bus, key, lease->owner);
    if (!err) {
        snprintf(lease->key, sizeof(lease->key), "%s", key);
        lease->held = true;
        lease->revision = lease->fence = revision;
        lease->until = asked + lease_length(runtime);
    }
    pthread_mutex_unlock(&runtime->lease_mutex);
    return err;
}

void bus_lease_release(struct rb_work *work)
{
    struct bus_runtime *runtime = work->runtime;
    struct bus_lease *lease = &work->lease;

    pthread_mutex_lock(&runtime->lease_mutex);
    if (lease->held &&
        bus_bucket_swap(&lease->revision, &runtime->leases, runtime->bus, lease->key, LEASE_FREE))
        rb_log_debug("lease not given back, it ends by itself: %s", rb_error_text());
    lease->held = false;
    lease->fence = 0;
    lease->until = INT64_MAX;
    pthread_mutex_unlock(&runtime->lease_mutex);
}

/* ---- renewing ----------------------------------------------------------------------------------------- */

/* `lease_mutex` is held. An answer that was lost may have renewed it: then the entry has our name, and a
 * revision that we do not know. */
static void lease_renew(struct rb_work *work)
{
    struct bus_runtime *runtime = work->runtime;
    struct bus_lease *lease = &work->lease;
    char value[RB_UUID_SIZE];
    int64_t asked = rb_clock_ms();

    if (!lease->held || asked >= work->limit_at || asked >= lease->until)
        return;
    rb_err err = bus_bucket_swap(&lease->revision, &runtime->leases, runtime->bus, lease->key, lease->owner);
    if (err && bus_bucket_get(value, sizeof(value), &lease->revision, &runtime->leases, runtime->bus,
                              lease->key) == RB_OK) {
        if (strcmp(value, lease->owner) != 0) {
            rb_log_warn("lease lost repository=%s", lease->key);
            lease->until = 0;
            return;
        }
        asked = rb_clock_ms();
        err = bus_bucket_swap(&lease->revision, &runtime->leases, runtime->bus, lease->key, lease->owner);
    }
    if (!err)
        lease->until = asked + lease_length(runtime);
}

void *bus_lease_main(void *arg)
{
    struct bus_runtime *runtime = arg;

    pthread_mutex_lock(&runtime->mutex);
    while (!runtime->ending) {
        int64_t next = rb_clock_ms() + runtime->durable.ack_wait_ms / 3;
        struct timespec at = {.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000};
        while (!runtime->ending && rb_clock_ms() < next)
            pthread_cond_timedwait(&runtime->changed, &runtime->mutex, &at);
        pthread_mutex_unlock(&runtime->mutex);
        for (int i = 0; i < runtime->worker_count; i++) {
            pthread_mutex_lock(&runtime->lease_mutex);
            lease_renew(&runtime->workers[i].work);
            pthread_mutex_unlock(&runtime->lease_mutex);
        }
        pthread_mutex_lock(&runtime->mutex);
    }
    pthread_mutex_unlock(&runtime->mutex);
    return NULL;
}
