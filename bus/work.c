/* What a handler sees of its event, and the run that people see of it. */
#include <stdio.h>
#include <string.h>

#include "bus/runtime.h"

#define RUN_BODY_MAX 8192

const struct rb_event *rb_work_event(const struct rb_work *work)
{
    return &work->event;
}

struct rb_arena *rb_work_arena(struct rb_work *work)
{
    return work->arena;
}

int rb_work_attempt(const struct rb_work *work)
{
    return work->attempt;
}

int64_t rb_work_int(const struct rb_work *work, const char *field)
{
    return json_integer_value(json_object_get(work->event.data, field));
}

const char *rb_work_string(const struct rb_work *work, const char *field)
{
    const char *text = json_string_value(json_object_get(work->event.data, field));
    return text ? text : "";
}

bool rb_work_is_draining(const struct rb_work *work)
{
    return work->runtime->draining;
}

rb_err rb_work_publish(struct rb_work *work, const char *subject, const json_t *data)
{
    const char *name = work->runtime->def->name;
    char id[RB_UUID_SIZE], traceparent[RB_TRACEPARENT_SIZE];
    struct rb_buf body;

    char *seed = rb_asprintf("%s/%s/%s", work->event.id, name, subject);
    char *source = rb_asprintf("/repobus/%s", name);
    rb_uuid_from_name(id, seed);
    /* What follows is of the handler's span. */
    if (rb_trace_is_on() && *work->trace)
        snprintf(traceparent, sizeof(traceparent), "%s", work->trace);
    else
        rb_traceparent_make(traceparent, work->event.traceparent);
    rb_buf_init(&body, RB_EVENT_MAX);
    rb_err err = rb_event_encode(&body, subject, id, source, traceparent, data);
    if (!err)
        err = rb_bus_publish(NULL, work->runtime->bus, subject, id, traceparent, body.data, body.len);
    rb_buf_free(&body);
    free(source);
    free(seed);
    return err;
}

/* ---- the run ------------------------------------------------------------------------------------------ */

/* Cuts at a whole character, and makes UTF-8 of what is none, as names of files may be: a run that cannot be
 * written would leave people with the state of before. */
static void work_copy_text(char *out, size_t size, const char *text)
{
    size_t len = strnlen(text, size);
    if (len == size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    rb_text_make_utf8(out);
}

static rb_err work_encode_run(struct rb_buf *out, char *subject, size_t size, const struct rb_work *work,
                              enum rb_run_state state, const char *error)
{
    char cut[RUNTIME_TEXT_MAX * 2];
    int64_t now = rb_clock_wall_ms();

    work_copy_text(cut, sizeof(cut), error);
    const struct rb_run run = {
        .installation_id = work->installation_id,
        .subscriber = work->runtime->def->name,
        .event = work->event.id,
        .generation = work->generation,
        .state = state,
        .attempt = work->attempt,
        .done = work->done,
        .total = work->total,
        .note = work->note,
        .error = cut,
        .at_ms = now,
        .started_ms = work->started_ms,
        .finished_ms = state == RB_RUN_DONE || state == RB_RUN_FAILED ? now : 0,
    };
    snprintf(subject, size, "run.%" PRId64 ".%s", run.installation_id, run.subscriber);
    return rb_run_encode(out, &run);
}

void bus_work_flush(struct rb_work *work)
{
    char subject[BUS_SUBJECT_MAX];
    struct rb_buf body;

    rb_buf_init(&body, RUN_BODY_MAX);
    if (work_encode_run(&body, subject, sizeof(subject), work, RB_RUN_RUNNING, "") == RB_OK)
        bus_publish_lossy(work->runtime->bus, subject, body.data, body.len);
    rb_buf_free(&body);
    work->sent_at = rb_clock_ms();
    work->unsent = false;
}

int64_t bus_work_installation(const struct rb_work *work)
{
    const char *const *subject = work->runtime->def->without_run;
    for (; subject && *subject; subject++) {
        if (strcmp(*subject, work->event.subject) == 0)
            return 0;
    }
    return rb_work_int(work, "installation_id");
}

void bus_work_take_trace(struct rb_work *work, natsMsg *msg)
{
    const char *hop = NULL;
    work->trace[0] = work->hop[0] = '\0';
    if (rb_trace_is_on() && natsMsgHeader_Get(msg, "traceparent", &hop) == NATS_OK && hop)
        snprintf(work->hop, sizeof(work->hop), "%s", hop);
}

static void work_begin_trace(struct rb_work *work)
{
    if (!rb_trace_is_on())
        return;
    if (!*work->hop)
        snprintf(work->hop, sizeof(work->hop), "%s", work->event.traceparent);
    rb_traceparent_make(work->trace, work->hop);
    work->trace_us = rb_clock_us();
}

static void work_end_trace(struct rb_work *work, enum rb_run_state state, const char *error)
{
    char name[BUS_SUBJECT_MAX + 16];
    if (!rb_trace_is_on() || !*work->trace)
        return;
    snprintf(name, sizeof(name), "process %s", work->event.subject);
    const struct rb_log_field attributes[] = {
        RB_F_TEXT("messaging.system", "nats"),
        RB_F_TEXT("messaging.destination.name", work->event.subject),
        RB_F_TEXT("messaging.message.id", work->event.id),
        RB_F_TEXT("messaging.consumer.group.name", work->runtime->def->name),
        RB_F_TEXT("repobus.state", rb_run_state_name(state)),
        RB_F_INT("repobus.attempt", work->attempt),
        RB_F_INT("repobus.installation_id", rb_work_int(work, "installation_id")),
    };
    rb_trace_span(&(struct rb_span){.name = name,
                                    .traceparent = work->trace,
                                    .parent = work->hop,
                                    .kind = RB_SPAN_CONSUMER,
                                    .took_us = rb_clock_us() - work->trace_us,
                                    .error = state == RB_RUN_DONE ? NULL : error,
                                    .attributes = attributes,
                                    .count = sizeof(attributes) / sizeof(*attributes)});
    work->trace[0] = '\0';
}

void bus_work_begin_run(struct rb_work *work)
{
    work_begin_trace(work);
    pthread_mutex_lock(&work->mutex);
    work->installation_id = bus_work_installation(work);
    work->generation = rb_work_int(work, "generation");
    work->started_ms = rb_clock_wall_ms();
    work->done = work->total = 0;
    work->note[0] = '\0';
    if (work->installation_id > 0)
        bus_work_flush(work);
    pthread_mutex_unlock(&work->mutex);
}

rb_err bus_work_end_run(struct rb_work *work, enum rb_run_state state, const char *error)
{
    char subject[BUS_SUBJECT_MAX];
    struct rb_buf body;

    work_end_trace(work, state, error);
    rb_buf_init(&body, RUN_BODY_MAX);
    pthread_mutex_lock(&work->mutex);
    work->unsent = false; /* nothing may overtake the last word */
    int64_t installation_id = work->installation_id;
    rb_err err = RB_OK;
    if (installation_id > 0)
        err = work_encode_run(&body, subject, sizeof(subject), work, state, error);
    pthread_mutex_unlock(&work->mutex);
    if (installation_id > 0 && !err)
        err = rb_bus_publish(NULL, work->runtime->bus, subject, NULL, work->event.traceparent, body.data,
                             body.len);
    rb_buf_free(&body);
    return err;
}

void rb_work_progress(struct rb_work *work, int64_t done, int64_t total, const char *note)
{
    bool wake = false;

    pthread_mutex_lock(&work->mutex);
    work->done = done < 0 ? 0 : done;
    work->total = total < 0 ? 0 : total;
    work_copy_text(work->note, sizeof(work->note), note ? note : "");
    if (work->installation_id > 0 && work->busy) {
        if (rb_clock_ms() - work->sent_at >= BUS_PROGRESS_INTERVAL_MS) {
            bus_work_flush(work);
        } else {
            wake = !work->unsent; /* the keepalive thread sends it when its time has come */
            work->unsent = true;
        }
    }
    pthread_mutex_unlock(&work->mutex);
    if (wake)
        bus_keepalive_wake(work->runtime);
}
