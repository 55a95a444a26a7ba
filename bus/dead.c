/*
 * Dead letters: what could not be handled, whole, with the reason, on dead.{subscriber}.{subject}. Stored
 * before the message is terminated: a crash in between stores it once more under the same id, which the
 * stream recognises.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

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
