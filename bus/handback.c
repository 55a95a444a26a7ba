/*
 * Handing back: a process that ends gives what it has not finished to another one at once. The server counts
 * that as a delivery, and no event may die of restarts. So whoever hands back notes how often that has been,
 * in the stream CONTROL, and whoever gets the event again takes it off the count. A note that is lost or
 * cannot be read costs the event an attempt, and no more; one that dies writes none.
 *
 * Notes have NOTES_MAX places for each subscriber, by the event's place in the stream, so that they cannot
 * push out of CONTROL what operators have decided.
 */
#include <stdio.h>

#include "bus/runtime.h"

#define NOTES_MAX 64 /* events that are handed back at a time: as many as there are workers */

static void handback_subject(char *out, size_t size, const struct rb_work *work)
{
    snprintf(out, size, "control.handed.%s.%d", work->runtime->def->name, (int)(work->sequence % NOTES_MAX));
}

void bus_handback_read(struct rb_work *work)
{
    char subject[BUS_SUBJECT_MAX];
    json_t *note = NULL;
    int count = 0;

    if (work->attempt > 1) {
        handback_subject(subject, sizeof(subject), work);
        if (bus_control_last(&note, work->runtime->bus, subject, BUS_LOOK_TRIES))
            rb_log_debug("how often it was handed back is not known: %s", rb_error_text());
        if ((uint64_t)json_integer_value(json_object_get(note, "sequence")) == work->sequence &&
            json_integer_value(json_object_get(note, "stored_ns")) == work->stored_ns)
            count = (int)json_integer_value(json_object_get(note, "count"));
        json_decref(note);
    }
    pthread_mutex_lock(&work->mutex);
    work->handed_back = count;
    work->attempt = work->attempt > count ? work->attempt - count : 1;
    pthread_mutex_unlock(&work->mutex);
}

void bus_handback(struct rb_work *work)
{
    char subject[BUS_SUBJECT_MAX], note[128];

    handback_subject(subject, sizeof(subject), work);
    int len =
        snprintf(note, sizeof(note), "{\"sequence\":%" PRIu64 ",\"stored_ns\":%" PRId64 ",\"count\":%d}",
                 work->sequence, work->stored_ns, work->handed_back + 1);
    bus_publish_lossy(work->runtime->bus, subject, note, (size_t)len);
    bus_ack_retry(work->runtime->bus, work->reply, 0);
}
