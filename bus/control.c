/*
 * What operators have decided about a subscriber, and what it last failed with, in the stream CONTROL: one
 * message a subject is kept. A decision is stored first and then announced with a plain message, so whoever
 * hears of it reads it; who was not connected then reads it when it is again.
 */
#include <stdio.h>
#include <string.h>

#include "bus/admin.h"
#include "bus/private.h"

#define CONTROL_BODY_MAX   4096
#define CONTROL_REASON_MAX 512
#define MEASURE_WAIT_MS    500 /* the relay measures, and events wait for it meanwhile */

void bus_control_wake_subject(char *out, size_t size, const char *subscriber)
{
    snprintf(out, size, "wake.%s", subscriber);
}

rb_err bus_control_last(json_t **out, struct rb_bus *bus, const char *subject, int tries)
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    jsOptions options;
    natsStatus s = NATS_TIMEOUT;

    *out = NULL;
    bus_api_options(&options, BUS_LOOK_TRIES);
    for (int i = 0; i < tries && s == NATS_TIMEOUT; i++)
        s = js_GetLastMsg(&msg, bus->js, RB_STREAM_CONTROL, subject, &options, &code);
    if (s == NATS_NOT_FOUND)
        return RB_OK;
    if (s != NATS_OK)
        return bus_error(s, code, "reading %s", subject);
    *out = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
    natsMsg_Destroy(msg);
    return RB_OK;
}

static const char *control_text(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text ? text : "";
}

/* ---- pausing ------------------------------------------------------------------------------------------ */

rb_err bus_control_read(bool *paused, int64_t *since_ms, struct rb_bus *bus, const char *subscriber,
                        int tries)
{
    char subject[BUS_SUBJECT_MAX];
    json_t *last = NULL;

    snprintf(subject, sizeof(subject), "control.pause.%s", subscriber);
    rb_err err = bus_control_last(&last, bus, subject, tries);
    *paused = json_is_true(json_object_get(last, "paused"));
    *since_ms = *paused ? bus_time_parse(control_text(last, "at")) : 0;
    json_decref(last);
    return err;
}

rb_err rb_bus_pause(struct rb_bus *bus, const char *subscriber, bool paused)
{
    char subject[BUS_SUBJECT_MAX], at[RB_TIME_SIZE];
    char body[128];
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;

    if (!bus_name_is_valid(subscriber))
        return rb_error_set(RB_ENOTFOUND, "there is no subscriber \"%.64s\"", subscriber);
    natsStatus s = js_GetConsumerInfo(&info, bus->js, RB_STREAM_EVENTS, subscriber, NULL, &code);
    jsConsumerInfo_Destroy(info);
    if (s == NATS_NOT_FOUND || code == JSConsumerNotFoundErr)
        return rb_error_set(RB_ENOTFOUND, "there is no subscriber \"%s\"", subscriber);
    if (s != NATS_OK)
        return bus_error(s, code, "subscriber %s", subscriber);
    rb_time_format(at, rb_clock_wall_ms());
    int len = snprintf(body, sizeof(body), "{\"paused\":%s,\"at\":\"%s\"}", paused ? "true" : "false", at);
    snprintf(subject, sizeof(subject), "control.pause.%s", subscriber);
    rb_err err = rb_bus_publish(NULL, bus, subject, NULL, NULL, body, (size_t)len);
    if (err)
        return err;
    bus_control_wake_subject(subject, sizeof(subject), subscriber);
    bus_publish_lossy(bus, subject, "", 0);
    return RB_OK;
}

/* ---- failures ----------------------------------------------------------------------------------------- */

void bus_control_note_failure(struct rb_bus *bus, const struct bus_failure *failure)
{
    char subject[BUS_SUBJECT_MAX], at[RB_TIME_SIZE], reason[CONTROL_REASON_MAX];

    snprintf(reason, sizeof(reason), "%s", failure->reason);
    rb_text_make_utf8(reason);
    rb_time_format(at, rb_clock_wall_ms());
    json_t *note = json_pack("{ss ss ss si}", "at", at, "event", failure->event, "reason", reason, "attempt",
                             failure->attempt);
    char *text = json_dumps(note, JSON_COMPACT);
    json_decref(note);
    snprintf(subject, sizeof(subject), "control.error.%s", failure->subscriber);
    if (text && strlen(text) < CONTROL_BODY_MAX)
        bus_publish_lossy(bus, subject, text, strlen(text));
    free(text);
}

/* ---- how a consumer stands ---------------------------------------------------------------------------- */

rb_err bus_control_oldest(int64_t *oldest_ms, struct rb_bus *bus, const jsConsumerInfo *info)
{
    char subject[BUS_SUBJECT_MAX], question[BUS_SUBJECT_MAX + 64];
    natsMsg *answer = NULL;

    *oldest_ms = 0;
    if (info->NumPending == 0 && info->NumAckPending == 0)
        return RB_OK;
    const char *filter = info->Config && info->Config->FilterSubject ? info->Config->FilterSubject : "";
    int len = snprintf(question, sizeof(question), "{\"seq\":%" PRIu64 ",\"next_by_subj\":\"%s\"}",
                       info->AckFloor.Stream + 1, *filter ? filter : ">");
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.%s", info->Stream);
    natsStatus s = natsConnection_Request(&answer, bus->nc, subject, question, len, BUS_API_WAIT_MS);
    if (s != NATS_OK)
        return bus_error(s, 0, "the oldest event of %s", info->Name);
    json_t *root = json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, NULL);
    natsMsg_Destroy(answer);
    *oldest_ms = bus_time_parse(control_text(json_object_get(root, "message"), "time"));
    json_decref(root);
    return RB_OK; /* an error of the server: it was handled or removed meanwhile */
}

static rb_err control_standing(struct rb_bus_standing *out, struct rb_bus *bus, const jsConsumerInfo *info)
{
    char subject[BUS_SUBJECT_MAX];
    json_t *failure = NULL;

    const char *filter = info->Config->FilterSubject ? info->Config->FilterSubject : "";
    *out = (struct rb_bus_standing){
        .waiting = (int64_t)info->NumPending,
        .in_flight = info->NumAckPending,
        .redelivered = info->NumRedelivered,
        .readers = info->NumWaiting,
    };
    snprintf(out->name, sizeof(out->name), "%s", info->Name);
    snprintf(out->filter, sizeof(out->filter), "%s", strcmp(filter, ">") == 0 ? "" : filter);
    rb_err err = bus_control_oldest(&out->oldest_ms, bus, info);
    if (!err)
        err = bus_control_read(&out->paused, &out->paused_ms, bus, info->Name, BUS_LOOK_TRIES);
    snprintf(subject, sizeof(subject), "control.error.%s", info->Name);
    if (!err)
        err = bus_control_last(&failure, bus, subject, BUS_LOOK_TRIES);
    out->error_ms = bus_time_parse(control_text(failure, "at"));
    snprintf(out->error, sizeof(out->error), "%s", control_text(failure, "reason"));
    snprintf(out->error_event, sizeof(out->error_event), "%s", control_text(failure, "event"));
    json_decref(failure);
    return err;
}

rb_err rb_bus_standings(struct rb_bus *bus, rb_bus_standing_fn fn, void *arg)
{
    jsConsumerInfoList *list = NULL;
    jsErrCode code = 0;
    rb_err err = RB_OK;

    natsStatus s = js_Consumers(&list, bus->js, RB_STREAM_EVENTS, NULL, &code);
    if (s == NATS_NOT_FOUND && code == 0) /* the stream is there, and nobody reads it yet */
        return RB_OK;
    if (s != NATS_OK)
        return bus_error(s, code, "listing subscribers");
    for (int i = 0; i < list->Count && !err; i++) {
        struct rb_bus_standing standing;
        const jsConsumerInfo *info = list->List[i];
        if (!info->Config || !info->Config->Durable || !*info->Config->Durable)
            continue; /* somebody who browses */
        err = control_standing(&standing, bus, info);
        if (!err)
            fn(arg, &standing);
    }
    jsConsumerInfoList_Destroy(list);
    return err;
}

/* ---- how streams stand -------------------------------------------------------------------------------- */

static void control_set_gauge(const char *name, const char *stream, const char *help, int64_t value)
{
    char labels[64];
    snprintf(labels, sizeof(labels), "stream=\"%s\"", stream);
    rb_metric_set(rb_metric_gauge(name, labels, help), value);
}

rb_err rb_bus_measure_streams(struct rb_bus *bus)
{
    jsOptions options;

    (void)jsOptions_Init(&options);
    options.Wait = MEASURE_WAIT_MS;
    for (size_t i = 0; i < bus_stream_count; i++) {
        const char *name = bus_streams[i].name;
        jsStreamInfo *info = NULL;
        jsErrCode code = 0;
        natsStatus s = js_GetStreamInfo(&info, bus->js, name, &options, &code);
        if (s != NATS_OK)
            return bus_error(s, code, "stream %s", name);
        control_set_gauge("repobus_stream_messages", name, "Messages in the stream.",
                          (int64_t)info->State.Msgs);
        control_set_gauge("repobus_stream_bytes", name, "Bytes in the stream.", (int64_t)info->State.Bytes);
        control_set_gauge("repobus_stream_limit_bytes", name, "Bytes that the stream may have; -1: any.",
                          info->Config->MaxBytes);
        jsStreamInfo_Destroy(info);
    }
    return RB_OK;
}
