/* Events as CloudEvents 1.0 in structured JSON: encoding and decoding, pure. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/private.h"

static bool event_put(json_t *object, const char *key, const char *value)
{
    return json_object_set_new(object, key, json_string(value)) == 0;
}

rb_err rb_event_encode(struct rb_buf *out, const char *subject, const char *id, const char *source,
                       const char *traceparent, const json_t *data)
{
    char made_id[RB_UUID_SIZE];
    char time_text[RB_TIME_SIZE];
    rb_err err = RB_OK;

    if (!bus_subject_is_known(subject))
        return rb_error_set(RB_EINVAL, "event: \"%s\" is not in the catalogue of subjects", subject);
    if (!id) {
        rb_uuid_make(made_id);
        id = made_id;
    }
    if (!bus_text_is_plain(id, BUS_ID_MAX))
        return rb_error_set(RB_EINVAL, "event %s: the id must be 1 to %d printable characters", subject,
                            BUS_ID_MAX);
    if (!source || !source[0])
        return rb_error_set(RB_EINVAL, "event %s: the source is missing", subject);
    if (!json_is_object(data))
        return rb_error_set(RB_EINVAL, "event %s: data must be an object", subject);
    rb_time_format(time_text, rb_clock_wall_ms());

    json_t *event = json_object();
    char *type = rb_asprintf("%s%s", BUS_EVENT_TYPE_PREFIX, subject);
    char *text = NULL;
    bool complete = event_put(event, "specversion", "1.0") && event_put(event, "id", id) &&
                    event_put(event, "source", source) && event_put(event, "type", type) &&
                    event_put(event, "time", time_text) &&
                    event_put(event, "datacontenttype", "application/json") &&
                    json_object_set_new(event, "eventversion", json_integer(RB_EVENTS_VERSION)) == 0;
    if (complete && traceparent && bus_text_is_plain(traceparent, BUS_TRACEPARENT_MAX))
        complete = event_put(event, "traceparent", traceparent);
    json_t *copy = json_deep_copy(data); /* `data` is const: no reference may be counted on it */
    complete = json_object_set_new(event, "data", copy) == 0 && complete;
    if (complete)
        text = json_dumps(event, JSON_COMPACT);
    if (!text)
        err = rb_error_set(RB_EINVAL, "event %s: not representable as JSON (is a text not UTF-8?)", subject);
    else if (strlen(text) > RB_EVENT_MAX)
        err = rb_error_set(RB_ETOOBIG, "event %s: %zu bytes, the limit is %d", subject, strlen(text),
                           RB_EVENT_MAX);
    else
        err = rb_buf_append(out, text, strlen(text));
    free(text);
    free(type);
    json_decref(event);
    return err;
}

static void event_release(void *arg)
{
    json_decref(arg);
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
    rb_arena_defer(arena, event_release, root);
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
