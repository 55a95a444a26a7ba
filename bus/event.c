/* Events as CloudEvents 1.0 in structured JSON: encoding and decoding, pure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/private.h"

/* What an attribute may consist of here needs no escaping in JSON. */
static bool event_text_is_bare(const char *text, size_t max)
{
    return bus_text_is_plain(text, max) && !strpbrk(text, "\"\\");
}

rb_err rb_event_begin(struct rb_buf *out, const char *subject, const char *id, const char *source,
                      const char *traceparent)
{
    char made_id[RB_UUID_SIZE], time_text[RB_TIME_SIZE];

    if (!bus_subject_is_known(subject))
        return rb_error_set(RB_EINVAL, "event: \"%s\" is not in the catalogue of subjects", subject);
    if (!id) {
        rb_uuid_make(made_id);
        id = made_id;
    }
    if (!event_text_is_bare(id, BUS_ID_MAX))
        return rb_error_set(RB_EINVAL, "event %s: the id must be 1 to %d printable characters without quotes",
                            subject, BUS_ID_MAX);
    if (!source || !event_text_is_bare(source, BUS_SUBJECT_MAX))
        return rb_error_set(RB_EINVAL, "event %s: the source is missing or not plain", subject);
    bool has_trace = traceparent && event_text_is_bare(traceparent, BUS_TRACEPARENT_MAX);
    rb_time_format(time_text, rb_clock_wall_ms());
    return rb_buf_printf(out,
                         "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"%s\",\"type\":\"%s%s\","
                         "\"time\":\"%s\",\"datacontenttype\":\"application/json\",\"eventversion\":%d,"
                         "%s%s%s\"data\":",
                         id, source, BUS_EVENT_TYPE_PREFIX, subject, time_text, RB_EVENTS_VERSION,
                         has_trace ? "\"traceparent\":\"" : "", has_trace ? traceparent : "",
                         has_trace ? "\"," : "");
}

rb_err rb_event_encode(struct rb_buf *out, const char *subject, const char *id, const char *source,
                       const char *traceparent, const json_t *data)
{
    if (!json_is_object(data))
        return rb_error_set(RB_EINVAL, "event %s: data must be an object", subject);
    char *text = json_dumps(data, JSON_COMPACT);
    if (!text)
        return rb_error_set(RB_EINVAL, "event %s: not representable as JSON (is a text not UTF-8?)", subject);
    size_t before = out->len;
    rb_err err = rb_event_begin(out, subject, id, source, traceparent);
    bool is_begun = !err;
    if (!err)
        err = rb_buf_append(out, text, strlen(text));
    if (!err)
        err = rb_buf_append(out, "}", 1);
    if (is_begun && (err || out->len - before > RB_EVENT_MAX)) {
        out->len = before; /* nothing half written stays */
        err = rb_error_set(RB_ETOOBIG, "event %s: more than %d bytes", subject, RB_EVENT_MAX);
    }
    free(text);
    return err;
}

void bus_json_release(void *json)
{
    json_decref(json);
}

/* A required attribute: a string that is not empty. */
static rb_err event_attribute(const char **out, const json_t *root, const char *name)
{
    *out = json_string_value(json_object_get(root, name));
    if (!*out || !(*out)[0])
        return rb_error_set(RB_EINVAL, "event: attribute \"%s\" is missing or not a text", name);
    return RB_OK;
}

rb_err rb_event_decode(struct rb_event *event, const void *body, size_t len, struct rb_arena *arena)
{
    json_error_t json_error;
    const char *version, *type;
    rb_err err;

    memset(event, 0, sizeof(*event));
    if (len > RB_EVENT_MAX)
        return rb_error_set(RB_EINVAL, "event: %zu bytes, the limit is %d", len, RB_EVENT_MAX);
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &json_error);
    if (!root)
        return rb_error_set(RB_EINVAL, "event: not JSON: %s at byte %d", json_error.text,
                            json_error.position);
    rb_arena_defer(arena, bus_json_release, root);
    if (!json_is_object(root))
        return rb_error_set(RB_EINVAL, "event: not a JSON object");

    err = event_attribute(&version, root, "specversion");
    if (!err && strcmp(version, "1.0") != 0)
        err = rb_error_set(RB_EINVAL, "event: specversion is not 1.0");
    if (!err)
        err = event_attribute(&event->id, root, "id");
    if (!err && !bus_text_is_plain(event->id, BUS_ID_MAX))
        err = rb_error_set(RB_EINVAL, "event: the id must be 1 to %d printable characters", BUS_ID_MAX);
    if (!err)
        err = event_attribute(&event->source, root, "source");
    if (!err)
        err = event_attribute(&type, root, "type");
    if (err)
        return err;
    if (strncmp(type, BUS_EVENT_TYPE_PREFIX, strlen(BUS_EVENT_TYPE_PREFIX)) != 0)
        return rb_error_set(RB_EINVAL, "event: the type does not begin with %s", BUS_EVENT_TYPE_PREFIX);
    event->subject = type + strlen(BUS_EVENT_TYPE_PREFIX);
    if (!bus_text_is_plain(event->subject, BUS_SUBJECT_MAX))
        return rb_error_set(RB_EINVAL, "event: the type is not a subject");

    json_t *events_version = json_object_get(root, "eventversion");
    if (events_version && json_integer_value(events_version) > RB_EVENTS_VERSION)
        return rb_error_set(RB_EINVAL,
                            "event %s: version %" JSON_INTEGER_FORMAT " is newer than this program",
                            event->subject, json_integer_value(events_version));
    const char *text = json_string_value(json_object_get(root, "time"));
    event->time = text ? text : "";
    text = json_string_value(json_object_get(root, "traceparent"));
    event->traceparent = text && bus_text_is_plain(text, BUS_TRACEPARENT_MAX) ? text : "";
    event->data = json_object_get(root, "data");
    if (!json_is_object(event->data))
        return rb_error_set(RB_EINVAL, "event %s: data is missing or not an object", event->subject);
    return RB_OK;
}

int64_t bus_time_parse(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return 0;
    int64_t millis = 0;
    if (*rest == '.') {
        int64_t unit = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
            millis += (*rest - '0') * unit;
            unit /= 10;
        }
    }
    if (strcmp(rest, "Z") != 0)
        return 0;
    return (int64_t)timegm(&tm) * 1000 + millis;
}
