/*
 * What was done for an event already: marks in a bucket of the subscriber. A key is the event's id and the
 * effect's name as a UUID, since a key holds fewer characters than either.
 */
#include <stdlib.h>

#include "bus/runtime.h"

#define MARKS_BYTES                                                                         \
    (INT64_C(64) * 1024 * 1024) /* half a million; full: marking fails, and the event waits \
                                 */

void bus_marks_init(struct bus_bucket *marks, const char *subscriber)
{
    bus_bucket_init(marks, "done", subscriber, BUS_EVENTS_KEPT_MS, MARKS_BYTES);
}

static void mark_key(char key[RB_UUID_SIZE], const struct rb_work *work, const char *what)
{
    char *name = rb_asprintf("%s/%s", work->event.id, what);
    rb_uuid_from_name(key, name);
    free(name);
}

rb_err rb_work_was_done(bool *done, struct rb_work *work, const char *what)
{
    char key[RB_UUID_SIZE], value[8];
    uint64_t revision;

    mark_key(key, work, what);
    rb_err err =
        bus_bucket_get(value, sizeof(value), &revision, &work->runtime->marks, work->runtime->bus, key);
    *done = revision > 0;
    return err;
}

rb_err rb_work_mark_done(struct rb_work *work, const char *what)
{
    char key[RB_UUID_SIZE];

    mark_key(key, work, what);
    return bus_bucket_put(&work->runtime->marks, work->runtime->bus, key, "done");
}
