/*
 * What an event carries, read into one struct by a table of every member of the catalogue. The table is held
 * against docs/asyncapi.json by tests/unit/bus_data_test.c.
 */
#include <string.h>

#include "bus/runtime.h"

#define AT(member) offsetof(struct rb_event_data, member)

/* Subjects as they begin: "" is all of them. */
const struct bus_data_field bus_data_fields[] = {
    {"repo.", "installation_id", BUS_DATA_INT, true, AT(installation_id)},
    {"repo.", "generation", BUS_DATA_INT, true, AT(generation)},
    {"", "repo_id", BUS_DATA_INT, true, AT(repo_id)},
    {"", "repo", BUS_DATA_TEXT, true, AT(repo)},
    {RB_REPO_CONNECTED, "owner", BUS_DATA_TEXT, true, AT(owner)},
    {RB_REPO_CONNECTED, "name", BUS_DATA_TEXT, true, AT(name)},
    {RB_REPO_CONNECTED, "webhook_id", BUS_DATA_INT, true, AT(webhook_id)},
    {RB_REPO_CONNECTED, "default_branch", BUS_DATA_TEXT, false, AT(default_branch)},
    {RB_REPO_CONNECTED, "user_id", BUS_DATA_INT, true, AT(user_id)},
    {RB_REPO_RESCAN, "user_id", BUS_DATA_INT, true, AT(user_id)},
    {RB_REPO_DISCONNECTED, "user_id", BUS_DATA_INT, true, AT(user_id)},
    {RB_REPO_UNHEALTHY, "user_id", BUS_DATA_INT, true, AT(user_id)},
    {RB_REPO_RESCAN, "reason", BUS_DATA_TEXT, true, AT(reason)},
    {RB_REPO_UNHEALTHY, "reason", BUS_DATA_TEXT, true, AT(reason)},
    {RB_REPO_UNHEALTHY, "health", BUS_DATA_TEXT, true, AT(health)},
    {RB_REPO_FAILED, "subscriber", BUS_DATA_TEXT, true, AT(subscriber)},
    {RB_REPO_FAILED, "event", BUS_DATA_TEXT, true, AT(event)},
    {RB_REPO_FAILED, "attempts", BUS_DATA_INT, true, AT(attempts)},
    {RB_REPO_FAILED, "error", BUS_DATA_TEXT, true, AT(error)},
    {RB_REPO_SCANNED, "commit", BUS_DATA_TEXT, true, AT(commit)},
    {RB_REPO_GRAPHED, "commit", BUS_DATA_TEXT, true, AT(commit)},
    {RB_REPO_SCANNED, "profile", BUS_DATA_OBJECT, true, AT(profile)},
    {RB_REPO_GRAPHED, "files", BUS_DATA_INT, true, AT(files)},
    {RB_REPO_GRAPHED, "links", BUS_DATA_INT, true, AT(links)},
    {RB_REPO_GRAPHED, "duration_ms", BUS_DATA_INT, true, AT(duration_ms)},
    {"github.", "installation_ids", BUS_DATA_INTS, true, AT(installation_ids)},
    {"github.", "hook_id", BUS_DATA_INT, true, AT(hook_id)},
    {"github.", "action", BUS_DATA_TEXT, true, AT(action)},
    {"github.", "delivery_id", BUS_DATA_TEXT, true, AT(delivery_id)},
    {"github.", "payload", BUS_DATA_OBJECT, false, AT(payload)},
    {"github.", "payload_size", BUS_DATA_INT, false, AT(payload_size)},
};
const size_t bus_data_field_count = sizeof(bus_data_fields) / sizeof(bus_data_fields[0]);

bool bus_data_has(const struct bus_data_field *field, const char *subject)
{
    size_t len = strlen(field->subject);
    bool is_beginning = len == 0 || field->subject[len - 1] == '.';
    return is_beginning ? strncmp(subject, field->subject, len) == 0 : strcmp(subject, field->subject) == 0;
}

static bool data_read_ints(struct rb_event_data *out, const json_t *list, struct rb_arena *arena)
{
    size_t count = json_array_size(list);
    int64_t *numbers = rb_arena_alloc(arena, (count + 1) * sizeof(*numbers));

    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(list, i);
        if (!json_is_integer(one))
            return false;
        numbers[i] = json_integer_value(one);
    }
    out->installation_ids = numbers;
    out->installation_count = count;
    return json_is_array(list);
}

static bool data_read_field(struct rb_event_data *out, const struct bus_data_field *field,
                            const json_t *value, struct rb_arena *arena)
{
    char *at = (char *)out + field->offset;
    const char *text = json_string_value(value);
    int64_t number = json_integer_value(value);

    switch (field->type) {
    case BUS_DATA_INT:
        memcpy(at, &number, sizeof(number));
        return json_is_integer(value);
    case BUS_DATA_TEXT:
        memcpy(at, &text, sizeof(text));
        return text;
    case BUS_DATA_OBJECT:
        memcpy(at, &value, sizeof(value));
        return json_is_object(value);
    case BUS_DATA_INTS:
        return data_read_ints(out, value, arena);
    }
    return false;
}

/* GitHub numbers pull requests and issues in one row, and says the number of either in its own place. */
static int64_t data_number(const json_t *payload)
{
    static const char *const kinds[] = {"pull_request", "issue"};
    for (size_t i = 0; i < 2; i++) {
        int64_t number = json_integer_value(json_object_get(json_object_get(payload, kinds[i]), "number"));
        if (number > 0)
            return number;
    }
    return 0;
}

rb_err bus_data_read(struct rb_event_data *out, const struct rb_event *event, struct rb_arena *arena)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < bus_data_field_count; i++) {
        const struct bus_data_field *field = &bus_data_fields[i];
        const json_t *value = json_object_get(event->data, field->name);
        bool is_absent = !value || json_is_null(value);
        if (!bus_data_has(field, event->subject) || (is_absent && !field->required))
            continue;
        if (is_absent || !data_read_field(out, field, value, arena))
            return rb_error_set(RB_EINVAL, "event %s: data.%s is missing or of another type", event->subject,
                                field->name);
    }
    if (out->installation_id > 0) {
        out->installation_ids = &out->installation_id;
        out->installation_count = 1;
    }
    out->number = data_number(out->payload);
    return RB_OK;
}

const struct rb_event_data *rb_work_data(struct rb_work *work)
{
    struct rb_event_data *data = rb_arena_alloc(work->arena, sizeof(*data));
    return bus_data_read(data, &work->event, work->arena) ? NULL : data;
}
