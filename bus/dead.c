/*
 * Dead letters: what could not be handled, whole, with the reason, on dead.{subscriber}.{subject}. Stored
 * before the message is terminated: a crash in between stores it once more under the same id, which the
 * stream recognises.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "bus/admin.h"
#include "bus/private.h"

#define DEAD_BODY_MAX   524288 /* 512 KiB: of a body that is no event; in base64 it grows by a third */
#define DEAD_LETTER_MAX 983040 /* 960 KiB: under the stream's limit on a message */

/* The body as it came: as JSON where it is some, else in base64. */
static void dead_add_body(json_t *letter, const struct bus_dead_letter *from)
{
    json_t *event = from->len <= RB_EVENT_MAX ? json_loadb(from->body, from->len, 0, NULL) : NULL;
    if (event) {
        json_object_set_new(letter, "event", event);
        return;
    }
    size_t len = from->len < DEAD_BODY_MAX ? from->len : DEAD_BODY_MAX;
    size_t size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
    char *text = rb_malloc(size);
    sodium_bin2base64(text, size, from->body, len, sodium_base64_VARIANT_ORIGINAL);
    json_object_set_new(letter, "body_base64", json_string(text));
    json_object_set_new(letter, "body_size", json_integer((json_int_t)from->len));
    free(text);
}

rb_err bus_dead_encode(struct rb_buf *out, const struct bus_dead_letter *from)
{
    char at[RB_TIME_SIZE];
    json_t *letter = json_object();

    rb_time_format(at, from->at_ms);
    json_object_set_new(letter, "subscriber", json_string(from->subscriber));
    json_object_set_new(letter, "subject", json_string(from->subject));
    json_t *reason = json_string(from->reason);
    json_object_set_new(letter, "reason", reason ? reason : json_string("(not UTF-8)"));
    json_object_set_new(letter, "attempts", json_integer(from->attempts));
    json_object_set_new(letter, "at", json_string(at));
    json_object_set_new(letter, "stream", json_string(RB_STREAM_EVENTS));
    json_object_set_new(letter, "sequence", json_integer((json_int_t)from->sequence));
    dead_add_body(letter, from);
    char *text = json_dumps(letter, JSON_COMPACT);
    json_decref(letter);
    rb_err err = RB_OK;
    if (!text)
        err = rb_error_set(RB_EINTERNAL, "dead letter: cannot be written as JSON");
    else if (strlen(text) > DEAD_LETTER_MAX)
        err = rb_error_set(RB_ETOOBIG, "dead letter: %zu bytes", strlen(text));
    else
        err = rb_buf_append(out, text, strlen(text));
    free(text);
    return err;
}

rb_err bus_dead_store(struct rb_bus *bus, const struct bus_dead_letter *letter)
{
    struct rb_buf body;

    rb_buf_init(&body, DEAD_LETTER_MAX);
    rb_err err = bus_dead_encode(&body, letter);
    if (!err) {
        char *subject = rb_asprintf("dead.%s.%s", letter->subscriber, letter->subject);
        char *id = rb_asprintf("%s.%s.%" PRIu64, letter->subscriber, letter->id[0] ? letter->id : "-",
                               letter->sequence);
        err = rb_bus_publish(NULL, bus, subject, id, letter->traceparent, body.data, body.len);
        free(id);
        free(subject);
    }
    rb_buf_free(&body);
    return err;
}

/* ---- back to the subscriber ---------------------------------------------------------------------------- */

static const char *dead_text(const json_t *letter, const char *field)
{
    const char *text = json_string_value(json_object_get(letter, field));
    return text ? text : "";
}

/* The body as it came; freed by the caller, NULL when it cannot be had. */
static char *dead_body(size_t *len, const json_t *letter)
{
    const json_t *event = json_object_get(letter, "event");
    if (event) {
        char *text = json_dumps(event, JSON_COMPACT | JSON_ENCODE_ANY);
        *len = text ? strlen(text) : 0;
        return text;
    }
    const char *base64 = dead_text(letter, "body_base64");
    size_t size = strlen(base64);
    char *body = rb_malloc(size + 1);
    bool whole = *base64 &&
                 sodium_base642bin((unsigned char *)body, size, base64, size, NULL, len, NULL,
                                   sodium_base64_VARIANT_ORIGINAL) == 0 &&
                 (json_int_t)*len == json_integer_value(json_object_get(letter, "body_size"));
    if (!whole) {
        free(body);
        body = NULL;
    }
    return body;
}

rb_err rb_bus_revive(struct rb_bus *bus, uint64_t sequence, const json_t *letter)
{
    const char *subscriber = dead_text(letter, "subscriber"), *subject = dead_text(letter, "subject");
    int64_t created_ns = 0;
    size_t len = 0;

    char *body = dead_body(&len, letter);
    if (!body || !bus_name_is_valid(subscriber) || !*subject) {
        free(body);
        return rb_error_set(RB_EINVAL, "dead letter %" PRIu64 " holds no whole event", sequence);
    }
    rb_err err = bus_stream_created(&created_ns, bus, RB_STREAM_DEAD);
    char *id = rb_asprintf("revived.%" PRId64 ".%" PRIu64, created_ns, sequence);
    const struct rb_bus_message message = {.subject = subject,
                                           .id = id,
                                           .traceparent = dead_text(letter, "traceparent"),
                                           .body = body,
                                           .len = len,
                                           .to = subscriber};
    if (!err)
        err = bus_publish_message(NULL, bus, &message);
    if (!err) {
        err = rb_bus_remove(bus, RB_STREAM_DEAD, sequence);
        if (err == RB_ENOTFOUND) /* somebody else was as fast */
            err = RB_OK;
    }
    free(id);
    free(body);
    return err;
}
