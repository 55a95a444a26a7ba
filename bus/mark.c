/*
 * What was done for an event already: marks in a key-value bucket of NATS, one for each subscriber. A key is
 * the event's id and the effect's name as a UUID, since a key holds fewer characters than either.
 *
 * One question at a time. The bucket is found or made with the first, and again after an error: a server that
 * lost its data is whole again with the next.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bus/runtime.h"

#define MARK_SECONDS (INT64_C(30) * 24 * 3600) /* as long as the stream keeps events */
#define MARKS_BYTES                                                                         \
    (INT64_C(64) * 1024 * 1024) /* half a million; full: marking fails, and the event waits \
                                 */
#define MARK_NANOS INT64_C(1000000000)

static natsStatus mark_open(struct bus_runtime *runtime)
{
    char bucket[BUS_NAME_MAX + 16];
    kvConfig config;

    if (runtime->marks)
        return NATS_OK;
    snprintf(bucket, sizeof(bucket), "repobus_done_%s", runtime->def->name);
    kvConfig_Init(&config);
    config.Bucket = bucket;
    config.TTL = MARK_SECONDS * MARK_NANOS;
    config.MaxBytes = MARKS_BYTES;
    natsStatus s = js_KeyValue(&runtime->marks, runtime->bus->js, bucket);
    return s == NATS_NOT_FOUND ? js_CreateKeyValue(&runtime->marks, runtime->bus->js, &config) : s;
}

static void mark_key(char key[RB_UUID_SIZE], const struct rb_work *work, const char *what)
{
    char *name = rb_asprintf("%s/%s", work->event.id, what);
    rb_uuid_from_name(key, name);
    free(name);
}

/* Ends a question. */
static rb_err mark_close(struct bus_runtime *runtime, natsStatus s)
{
    if (s != NATS_OK) {
        kvStore_Destroy(runtime->marks);
        runtime->marks = NULL;
    }
    pthread_mutex_unlock(&runtime->marks_mutex);
    if (s == NATS_OK)
        return RB_OK;
    (void)bus_error(s, 0, "the marks of what was done");
    return rb_error_wrap(RB_EUNAVAILABLE, "%s", runtime->def->name);
}

rb_err rb_work_was_done(bool *done, struct rb_work *work, const char *what)
{
    struct bus_runtime *runtime = work->runtime;
    char key[RB_UUID_SIZE];
    kvEntry *entry = NULL;

    mark_key(key, work, what);
    pthread_mutex_lock(&runtime->marks_mutex);
    natsStatus s = mark_open(runtime);
    if (s == NATS_OK)
        s = kvStore_Get(&entry, runtime->marks, key);
    *done = s == NATS_OK;
    kvEntry_Destroy(entry);
    return mark_close(runtime, s == NATS_NOT_FOUND && runtime->marks ? NATS_OK : s);
}

rb_err rb_work_mark_done(struct rb_work *work, const char *what)
{
    struct bus_runtime *runtime = work->runtime;
    char key[RB_UUID_SIZE];

    mark_key(key, work, what);
    pthread_mutex_lock(&runtime->marks_mutex);
    natsStatus s = mark_open(runtime);
    if (s == NATS_OK)
        s = kvStore_PutString(NULL, runtime->marks, key, "done");
    return mark_close(runtime, s);
}

void bus_marks_free(struct bus_runtime *runtime)
{
    kvStore_Destroy(runtime->marks);
    runtime->marks = NULL;
}
