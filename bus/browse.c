/* Looking through a stream with an ephemeral consumer that acknowledges nothing, and taking out of it. */
#include <stdio.h>
#include <string.h>

#include "bus/admin.h"
#include "bus/private.h"

#define BROWSE_BATCH 64 /* events asked for at a time: some hundred kilobytes */
#define BROWSE_INACTIVE_NS \
    (INT64_C(120) * 1000000000) /* longer than a request lasts; then the server drops it */
#define NANOS_PER_MILLI INT64_C(1000000)

/* A consumer from the first of `view`, or behind `seen` when something has been shown already. */
static rb_err browse_open(char **name, uint64_t *count, struct rb_bus *bus, const struct rb_bus_view *view,
                          uint64_t seen)
{
    jsConsumerConfig config;
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;

    jsConsumerConfig_Init(&config);
    config.AckPolicy = js_AckNone;
    config.ReplayPolicy = js_ReplayInstant;
    config.MemoryStorage = true;
    config.Replicas = 1;
    config.HeadersOnly = view->heads_only;
    config.FilterSubject = view->filter;
    config.InactiveThreshold = BROWSE_INACTIVE_NS;
    if (seen || view->from_sequence) {
        config.DeliverPolicy = js_DeliverByStartSequence;
        config.OptStartSeq = seen ? seen + 1 : view->from_sequence;
    } else if (view->from_ms > 0) {
        config.DeliverPolicy = js_DeliverByStartTime;
        config.OptStartTime = view->from_ms * NANOS_PER_MILLI;
    } else {
        config.DeliverPolicy = view->from_ms < 0 ? js_DeliverNew : js_DeliverAll;
    }
    natsStatus s = js_AddConsumer(&info, bus->js, view->stream, &config, NULL, &code);
    if (s != NATS_OK)
        return bus_error(s, code, "looking through %s", view->stream);
    *name = rb_strdup(info->Name);
    *count = info->NumPending;
    jsConsumerInfo_Destroy(info);
    return RB_OK;
}

static const char *browse_header(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(msg, name, &value) == NATS_OK && value ? value : "";
}

/* True while there is more to show. */
static bool browse_show(uint64_t *seen, uint64_t *left, natsMsg *msg, const struct rb_bus_view *view,
                        rb_bus_stored_fn fn, void *arg)
{
    jsMsgMetaData *meta = NULL;
    if (natsMsg_GetMetaData(&meta, msg) != NATS_OK)
        return true;
    const struct rb_bus_stored stored = {
        .sequence = meta->Sequence.Stream,
        .at_ms = meta->Timestamp / NANOS_PER_MILLI,
        .subject = natsMsg_GetSubject(msg),
        .id = browse_header(msg, "Nats-Msg-Id"),
        .to = browse_header(msg, RB_HEADER_TO),
        .traceparent = browse_header(msg, "traceparent"),
        .body = natsMsg_GetData(msg),
        .len = (size_t)natsMsg_GetDataLength(msg),
    };
    *seen = stored.sequence;
    *left = *left > 0 ? *left - 1 : 0;
    bool more = fn(arg, &stored) && (view->follow || (*left > 0 && meta->NumPending > 0));
    jsMsgMetaData_Destroy(meta);
    return more;
}

rb_err rb_bus_browse(struct rb_bus *bus, const struct rb_bus_view *view, rb_bus_stored_fn fn, void *arg)
{
    struct bus_pull *pull = NULL;
    char *consumer = NULL;
    uint64_t seen = 0, left = 0;
    bool more = true;

    rb_err err = browse_open(&consumer, &left, bus, view, 0);
    if (!err)
        err = bus_pull_open(&pull, bus, view->stream, BROWSE_BATCH);
    if (!err)
        bus_pull_aim(pull, consumer);
    more = !err && (left > 0 || view->follow);
    while (more) {
        natsMsg *msg = NULL;
        switch (bus_pull_next(&msg, pull)) {
        case BUS_PULL_MESSAGE:
            more = browse_show(&seen, &left, msg, view, fn, arg);
            natsMsg_Destroy(msg);
            break;
        case BUS_PULL_IDLE:
            break;
        case BUS_PULL_EXPIRED: /* what was to come has been removed meanwhile */
            more = view->follow;
            break;
        case BUS_PULL_LOST: /* the connection was another one: go on behind what was seen */
            free(consumer);
            consumer = NULL;
            err = rb_bus_wait(bus, BUS_API_WAIT_MS);
            if (!err)
                err = browse_open(&consumer, &left, bus, view, seen);
            if (!err)
                bus_pull_aim(pull, consumer);
            more = !err && (view->follow || left > 0);
            break;
        case BUS_PULL_STOPPED:
            err = rb_error_set(RB_EUNAVAILABLE, "NATS: the connection is closed for good");
            more = false;
            break;
        }
    }
    if (pull)
        bus_pull_stop(pull);
    if (consumer)
        (void)js_DeleteConsumer(bus->js, view->stream, consumer, NULL, NULL);
    free(consumer);
    return err;
}

rb_err rb_bus_remove(struct rb_bus *bus, const char *stream, uint64_t sequence)
{
    jsErrCode code = 0;
    natsStatus s = js_DeleteMsg(bus->js, stream, sequence, NULL, &code);
    if (s == NATS_OK)
        return RB_OK;
    if (code == JSNoMessageFoundErr || code == JSSequenceNotFoundErr || code == JSStreamMsgDeleteFailed ||
        s == NATS_NOT_FOUND)
        return rb_error_set(RB_ENOTFOUND, "%s has no message %" PRIu64, stream, sequence);
    return bus_error(s, code, "removing %" PRIu64 " from %s", sequence, stream);
}
