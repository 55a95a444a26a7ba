/*
 * Publishing with JetStream's acknowledgement. Requests and their answers are plain NATS: the inbox's subject
 * names the batch and the message, so an acknowledgement that comes too late is told from one of the batch at
 * hand. (nats.c has js_PublishMsgAsync; in 3.4.1 an acknowledgement lost in a reconnect is never reported.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/private.h"

#define ACK_WAIT_MS  5000
#define ACK_SLICE_MS 100 /* how soon a lost connection is noticed while acknowledgements are awaited */

static rb_err publish_make(natsMsg **out, const struct rb_bus_message *message, const char *reply)
{
    *out = NULL;
    if (message->len > BUS_MESSAGE_MAX)
        return rb_error_set(RB_ETOOBIG, "publishing %s: %zu bytes, the limit is %d", message->subject,
                            message->len, BUS_MESSAGE_MAX);
    if (!bus_text_is_plain(message->subject, BUS_SUBJECT_MAX) || strpbrk(message->subject, "*>"))
        return rb_error_set(RB_EINVAL, "publishing: not a subject");
    if (message->to && !bus_name_is_valid(message->to))
        return rb_error_set(RB_EINVAL, "publishing %s: to no subscriber's name", message->subject);
    if (message->id && !bus_text_is_plain(message->id, BUS_ID_MAX))
        return rb_error_set(RB_EINVAL, "publishing %s: the id is not printable", message->subject);
    natsStatus s = natsMsg_Create(out, message->subject, reply, message->body, (int)message->len);
    if (s == NATS_OK && message->id)
        s = natsMsgHeader_Set(*out, "Nats-Msg-Id", message->id);
    if (s == NATS_OK && message->traceparent && bus_text_is_plain(message->traceparent, BUS_TRACEPARENT_MAX))
        s = natsMsgHeader_Set(*out, "traceparent", message->traceparent);
    if (s == NATS_OK && message->to)
        s = natsMsgHeader_Set(*out, RB_HEADER_TO, message->to);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(*out, "content-type", "application/cloudevents+json");
    if (s == NATS_OK)
        return RB_OK;
    natsMsg_Destroy(*out);
    *out = NULL;
    return bus_error(s, 0, "publishing %s", message->subject);
}

/* {"stream":"REPOBUS","seq":7,"duplicate":true} or {"error":{"err_code":10077,"description":"…"}} */
static rb_err publish_read_ack(bool *duplicate, const char *subject, const natsMsg *ack)
{
    json_t *root = json_loadb(natsMsg_GetData(ack), (size_t)natsMsg_GetDataLength(ack), 0, NULL);
    const json_t *error = json_object_get(root, "error");
    rb_err err = RB_OK;

    if (error) {
        int code = (int)json_integer_value(json_object_get(error, "err_code"));
        const char *text = json_string_value(json_object_get(error, "description"));
        err = rb_error_set(bus_error_code(NATS_ERR, code), "NATS: publishing %s: %s", subject,
                           text ? text : "refused");
    } else if (!json_is_string(json_object_get(root, "stream"))) {
        err = rb_error_set(RB_EPROTOCOL, "NATS: publishing %s: the answer is no acknowledgement", subject);
    }
    *duplicate = json_is_true(json_object_get(root, "duplicate"));
    json_decref(root);
    return err;
}

static rb_err publish_once(bool *duplicate, bool *homeless, struct rb_bus *bus,
                           const struct rb_bus_message *message)
{
    natsMsg *request = NULL, *ack = NULL;
    /* What has no id may be there twice, as a run is: one that is lost in an election is published again. */
    int tries = message->id ? 1 : BUS_WRITE_TRIES;
    natsStatus s = NATS_TIMEOUT;

    *homeless = false;
    rb_err err = publish_make(&request, message, NULL);
    if (err)
        return err;
    for (int i = 0; i < tries && s == NATS_TIMEOUT; i++)
        s = natsConnection_RequestMsg(&ack, bus->nc, request, ACK_WAIT_MS / tries);
    natsMsg_Destroy(request);
    *homeless = s == NATS_NO_RESPONDERS;
    if (s != NATS_OK)
        return bus_error(s, 0, "publishing %s", message->subject);
    err = publish_read_ack(duplicate, message->subject, ack);
    natsMsg_Destroy(ack);
    return err;
}

rb_err bus_publish_message(bool *duplicate, struct rb_bus *bus, const struct rb_bus_message *message)
{
    bool was_there = false, homeless;

    if (!rb_bus_is_connected(bus))
        return rb_error_set(RB_EUNAVAILABLE, "NATS: publishing %s: not connected", message->subject);
    rb_err err = publish_once(&was_there, &homeless, bus, message);
    if (homeless && bus_heal(bus) == RB_OK) /* no stream listens: the server lost it */
        err = publish_once(&was_there, &homeless, bus, message);
    if (duplicate)
        *duplicate = was_there;
    return err;
}

rb_err rb_bus_publish(bool *duplicate, struct rb_bus *bus, const char *subject, const char *id,
                      const char *traceparent, const void *body, size_t len)
{
    const struct rb_bus_message message = {
        .subject = subject, .id = id, .traceparent = traceparent, .body = body, .len = len};
    return bus_publish_message(duplicate, bus, &message);
}

/* ---- many at once ------------------------------------------------------------------------------------- */

#define PUBLISH_PENDING ((rb_err)1) /* not an error code: the acknowledgement is still awaited */

/* Sends those that are pending; returns how many are now. */
static size_t publish_send(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                           size_t count)
{
    char reply[BUS_SUBJECT_MAX];
    size_t sent = 0;

    for (size_t i = 0; i < count; i++) {
        natsMsg *msg = NULL;
        if (errs[i] != PUBLISH_PENDING)
            continue;
        snprintf(reply, sizeof(reply), "%s.%" PRIu64 ".%zu", bus->acks_inbox, bus->acks_batch, i);
        errs[i] = publish_make(&msg, &messages[i], reply);
        if (errs[i])
            continue;
        natsStatus s = natsConnection_PublishMsg(bus->nc, msg);
        natsMsg_Destroy(msg);
        if (s == NATS_OK) {
            errs[i] = PUBLISH_PENDING;
            sent++;
        } else {
            errs[i] = bus_error(s, 0, "publishing %s", messages[i].subject);
        }
    }
    return sent;
}

/* The index in the batch at hand that an acknowledgement's subject names, or `count`. */
static size_t publish_ack_index(const struct rb_bus *bus, const char *subject, size_t count)
{
    char *end = NULL;
    const char *batch = subject + strlen(bus->acks_inbox);
    if (*batch != '.' || strtoull(batch + 1, &end, 10) != bus->acks_batch || *end != '.')
        return count;
    size_t index = strtoull(end + 1, &end, 10);
    return *end == '\0' && index < count ? index : count;
}

/* The batch at hand, all of it. */
static void publish_batch_send(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        errs[i] = PUBLISH_PENDING;
    bus->acks_epoch = bus_epoch(bus);
    bus->acks_elections = bus->elections;
    bus->acks_batch++;
    bus->acks_pending = publish_send(errs, bus, messages, count);
}

/* Returns true when a stream that should listen does not. */
static bool publish_batch_await(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                                size_t count)
{
    int64_t deadline = rb_clock_ms() + ACK_WAIT_MS;
    bool homeless = false, duplicate, lost = false;

    while (bus->acks_pending > 0 && !lost) {
        natsMsg *ack = NULL;
        int64_t left = deadline - rb_clock_ms();
        if (left <= 0)
            break;
        natsStatus s = natsSubscription_NextMsg(&ack, bus->acks, left < ACK_SLICE_MS ? left : ACK_SLICE_MS);
        if (s == NATS_NO_RESPONDERS) { /* says not which one, but all of a batch share their fate */
            homeless = true;
            bus->acks_pending--;
        } else if (s == NATS_OK) {
            size_t i = publish_ack_index(bus, natsMsg_GetSubject(ack), count);
            if (i < count && errs[i] == PUBLISH_PENDING) {
                errs[i] = publish_read_ack(&duplicate, messages[i].subject, ack);
                bus->acks_pending--;
            }
        } else if (s != NATS_TIMEOUT || bus_epoch(bus) != bus->acks_epoch || !rb_bus_is_connected(bus)) {
            lost = true;
        } else if (bus->elections != bus->acks_elections) { /* what the new leader has, it tells by the ids */
            bus->acks_elections = bus->elections;
            deadline = rb_clock_ms() + ACK_WAIT_MS;
            bus->acks_pending = publish_send(errs, bus, messages, count);
        }
        natsMsg_Destroy(ack);
    }
    for (size_t i = 0; i < count; i++) {
        if (errs[i] == PUBLISH_PENDING)
            errs[i] = rb_error_set(homeless || lost ? RB_EUNAVAILABLE : RB_ETIMEOUT,
                                   "NATS: publishing %s: no acknowledgement", messages[i].subject);
    }
    return homeless;
}

/*
 * Nobody listened: the stream is gone and is made, or nobody leads it at the moment, which is told as
 * RB_ETIMEOUT. The other streams may be without a leader, too, and are not waited for. True: somebody
 * listens.
 */
static bool publish_heal(rb_err *errs, struct rb_bus *bus, size_t count)
{
    int64_t created_ns;
    rb_err err = bus_stream_created(&created_ns, bus, RB_STREAM_EVENTS);

    for (size_t i = 0; i < count && err == RB_ETIMEOUT; i++)
        errs[i] = errs[i] == RB_EUNAVAILABLE ? RB_ETIMEOUT : errs[i];
    return err == RB_OK || (err == RB_ENOTFOUND && bus_heal(bus) == RB_OK);
}

void rb_bus_publish_begin(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                          size_t count)
{
    bus_elections_follow(bus);
    pthread_mutex_lock(&bus->acks_mutex);
    bus->acks_pending = 0;
    if (count > RB_BUS_BATCH_MAX || !rb_bus_is_connected(bus)) {
        rb_err err = count > RB_BUS_BATCH_MAX ? RB_ETOOBIG : RB_EUNAVAILABLE;
        for (size_t i = 0; i < count; i++)
            errs[i] = rb_error_set(err, "NATS: publishing %s: %s", messages[i].subject,
                                   err == RB_ETOOBIG ? "too many messages for one batch" : "not connected");
        return;
    }
    publish_batch_send(errs, bus, messages, count);
}

rb_err rb_bus_publish_end(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                          size_t count)
{
    rb_err first = RB_OK;

    /* Again after healing: what did get through the first time is recognised by its id. */
    if (bus->acks_pending && publish_batch_await(errs, bus, messages, count) &&
        publish_heal(errs, bus, count)) {
        publish_batch_send(errs, bus, messages, count);
        (void)publish_batch_await(errs, bus, messages, count);
    }
    bus->acks_pending = 0;
    pthread_mutex_unlock(&bus->acks_mutex);
    for (size_t i = 0; i < count && !first; i++)
        first = errs[i];
    return first;
}

rb_err rb_bus_publish_all(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                          size_t count)
{
    rb_err first = RB_OK;

    for (size_t at = 0; at < count; at += RB_BUS_BATCH_MAX) {
        size_t n = count - at < RB_BUS_BATCH_MAX ? count - at : RB_BUS_BATCH_MAX;
        rb_bus_publish_begin(errs + at, bus, messages + at, n);
        rb_err err = rb_bus_publish_end(errs + at, bus, messages + at, n);
        first = first ? first : err;
    }
    return first;
}

void bus_publish_lossy(struct rb_bus *bus, const char *subject, const void *body, size_t len)
{
    if (rb_bus_is_connected(bus))
        (void)natsConnection_Publish(bus->nc, subject, body, (int)len);
}
