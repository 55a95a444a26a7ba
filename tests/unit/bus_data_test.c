/* Typed access to events: the table behind it is what docs/asyncapi.json says, and what was ever recorded is
 * read. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bus/runtime.h"

static json_t *contract;

static int read_contract(void **state)
{
    (void)state;
    contract = json_load_file("docs/asyncapi.json", 0, NULL);
    return contract ? 0 : -1;
}

static int free_contract(void **state)
{
    (void)state;
    json_decref(contract);
    return 0;
}

/* "repo.connected" is described as repo_connected. */
static const json_t *schema_of(const char *subject)
{
    char name[64];
    snprintf(name, sizeof(name), "%s", subject);
    *strchr(name, '.') = '_';
    return json_object_get(json_object_get(json_object_get(contract, "components"), "schemas"), name);
}

static bool is_type(const json_t *schema, const char *name)
{
    const json_t *type = json_object_get(schema, "type"), *one;
    size_t i;
    if (json_is_string(type))
        return strcmp(json_string_value(type), name) == 0;
    json_array_foreach(type, i, one)
    {
        if (strcmp(json_string_value(one), name) == 0)
            return true;
    }
    return false;
}

static bool is_required(const json_t *schema, const char *name)
{
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i, one)
    {
        if (strcmp(json_string_value(one), name) == 0)
            return true;
    }
    return false;
}

static const struct bus_data_field *field_of(const char *subject, const char *name)
{
    const struct bus_data_field *found = NULL;
    for (size_t i = 0; i < bus_data_field_count; i++) {
        if (bus_data_has(&bus_data_fields[i], subject) && strcmp(bus_data_fields[i].name, name) == 0) {
            if (found)
                fail_msg("%s: %s is there twice", subject, name);
            found = &bus_data_fields[i];
        }
    }
    return found;
}

static void compare_schema(const char *subject, const json_t *schema)
{
    static const char *const types[] = {[BUS_DATA_INT] = "integer",
                                        [BUS_DATA_TEXT] = "string",
                                        [BUS_DATA_OBJECT] = "object",
                                        [BUS_DATA_INTS] = "array"};
    const json_t *properties = json_object_get(schema, "properties");
    const char *name;
    json_t *property;
    json_object_foreach((json_t *)properties, name, property)
    {
        const struct bus_data_field *field = field_of(subject, name);
        if (!field || !is_type(property, types[field->type]) || is_required(schema, name) != field->required)
            fail_msg("%s: %s is not read, is of another type, or required and not", subject, name);
    }
    for (size_t i = 0; i < bus_data_field_count; i++) {
        if (bus_data_has(&bus_data_fields[i], subject) &&
            !json_object_get(properties, bus_data_fields[i].name))
            fail_msg("%s: %s is not described", subject, bus_data_fields[i].name);
    }
}

static void the_table_is_the_contract(void **state)
{
    const char *key;
    json_t *channel;
    int compared = 0;
    (void)state;
    json_object_foreach(json_object_get(contract, "channels"), key, channel)
    {
        const char *subject = json_string_value(json_object_get(channel, "address"));
        if (strchr(subject, '{'))
            continue;
        assert_non_null(schema_of(subject));
        compare_schema(subject, schema_of(subject));
        compared++;
    }
    assert_true(compared >= 8);
}

/* The recorded event of a subject, with the data of the caller's wishes. */
static void recorded(struct rb_event *event, const char *subject, struct rb_arena *arena)
{
    char *path = rb_arena_printf(arena, "tests/subscriber/events/%s.json", subject);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    char *text = json_dumps(root, JSON_COMPACT);
    assert_int_equal(rb_event_decode(event, text, strlen(text), arena), RB_OK);
    free(text);
    json_decref(root);
}

static void reads_what_was_recorded(void **state)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_event event;
    struct rb_event_data data;
    (void)state;
    recorded(&event, RB_REPO_CONNECTED, arena);
    assert_int_equal(bus_data_read(&data, &event, arena), RB_OK);
    assert_int_equal(data.repo_id, 1296269);
    assert_string_equal(data.repo, "octocat/hello-world");
    assert_string_equal(data.owner, "octocat");
    assert_string_equal(data.name, "hello-world");
    assert_true(data.installation_id > 0 && data.generation > 0 && data.user_id > 0 && data.webhook_id > 0);
    assert_int_equal(data.installation_count, 1);
    assert_int_equal(data.installation_ids[0], data.installation_id);
    assert_null(data.commit);
    assert_null(data.payload);
    assert_int_equal(data.number, 0);

    recorded(&event, RB_GITHUB_PULL_REQUEST, arena);
    assert_int_equal(bus_data_read(&data, &event, arena), RB_OK);
    assert_int_equal(data.installation_id, 0);
    assert_int_equal(data.installation_count, 1);
    assert_int_equal(data.installation_ids[0], 42);
    assert_int_equal(data.hook_id, 12345678);
    assert_string_equal(data.action, "opened");
    assert_string_equal(data.delivery_id, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_int_equal(data.number, 2);
    assert_int_equal(data.payload_size, 0);

    recorded(&event, RB_GITHUB_ISSUES, arena);
    assert_int_equal(bus_data_read(&data, &event, arena), RB_OK);
    assert_true(data.number > 0);

    recorded(&event, RB_REPO_SCANNED, arena);
    assert_int_equal(bus_data_read(&data, &event, arena), RB_OK);
    assert_non_null(data.commit);
    assert_true(json_is_object(data.profile));
    assert_null(data.error);

    recorded(&event, RB_REPO_FAILED, arena);
    assert_int_equal(bus_data_read(&data, &event, arena), RB_OK);
    assert_string_equal(data.subscriber, "scanner");
    assert_string_equal(data.event, "019aca2d-e83b-7c01-8000-0a1b2c3d4e5f");
    assert_int_equal(data.attempts, 8);
    assert_string_equal(data.error, "GitHub answers 502");
    rb_arena_free(arena);
}

static void compare_member(const char *path, const struct rb_event_data *data, const char *subject,
                           const char *name, const json_t *written)
{
    const struct bus_data_field *field = field_of(subject, name);
    if (!field) {
        fail_msg("%s: %s is not read any more", path, name);
        return; /* never; clang does not know that */
    }
    const char *at = (const char *)data + field->offset;
    switch (field->type) {
    case BUS_DATA_INT:
        assert_int_equal(*(const int64_t *)at, json_integer_value(written));
        break;
    case BUS_DATA_TEXT:
        if (json_is_null(written))
            assert_null(*(const char *const *)at);
        else
            assert_string_equal(*(const char *const *)at, json_string_value(written));
        break;
    case BUS_DATA_OBJECT:
        assert_true(json_equal(*(json_t *const *)at, written));
        break;
    case BUS_DATA_INTS:
        assert_int_equal(data->installation_count, json_array_size(written));
        for (size_t i = 0; i < data->installation_count; i++)
            assert_int_equal(data->installation_ids[i], json_integer_value(json_array_get(written, i)));
    }
}

/* `path` is SUBJECT.json or SUBJECT.WHAT.json. */
static void read_recording(const char *path)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_event event;
    struct rb_event_data data;
    char text[8192];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);

    if (rb_event_decode(&event, text, len, arena) || bus_data_read(&data, &event, arena))
        fail_msg("%s: %s", path, rb_error_text());
    const char *name = strrchr(path, '/') + 1;
    size_t subject = strlen(event.subject);
    assert_true(strncmp(name, event.subject, subject) == 0 && name[subject] == '.');
    json_t *written;
    json_object_foreach(event.data, name, written)
    {
        compare_member(path, &data, event.subject, name, written);
    }
    rb_arena_free(arena);
}

/* The recordings are frozen (tests/lint/frozen): what goes, changes its type or has to be there from now on
 * is found here, whatever else is changed together with it. */
static void reads_all_that_was_ever_recorded(void **state)
{
    glob_t found;
    (void)state;
    assert_int_equal(glob("tests/subscriber/events/*.json", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 12);
    for (size_t i = 0; i < found.gl_pathc; i++)
        read_recording(found.gl_pathv[i]);
    globfree(&found);
}

/* Each member in turn: required ones must be there, none may be of another type, the others are 0 or NULL. */
static void refuses_what_is_missing_or_of_another_type(void **state)
{
    static const char *const subjects[] = {RB_REPO_CONNECTED, RB_REPO_SCANNED, RB_REPO_GRAPHED,
                                           RB_REPO_UNHEALTHY, RB_REPO_FAILED,  RB_GITHUB_ISSUES};
    struct rb_arena *arena = rb_arena_new();
    (void)state;
    for (size_t s = 0; s < sizeof(subjects) / sizeof(subjects[0]); s++) {
        for (size_t i = 0; i < bus_data_field_count; i++) {
            const struct bus_data_field *field = &bus_data_fields[i];
            struct rb_event_data data;
            struct rb_event event;
            if (!bus_data_has(field, subjects[s]))
                continue;
            recorded(&event, subjects[s], arena);
            json_object_set_new(event.data, field->name, json_true());
            assert_int_equal(bus_data_read(&data, &event, arena), RB_EINVAL);
            assert_non_null(strstr(rb_error_text(), field->name));
            json_object_set_new(event.data, field->name, json_null());
            assert_int_equal(bus_data_read(&data, &event, arena), field->required ? RB_EINVAL : RB_OK);
            json_object_del(event.data, field->name);
            assert_int_equal(bus_data_read(&data, &event, arena), field->required ? RB_EINVAL : RB_OK);
            if (field->type == BUS_DATA_INTS) {
                json_object_set_new(event.data, field->name, json_pack("[i,s]", 1, "two"));
                assert_int_equal(bus_data_read(&data, &event, arena), RB_EINVAL);
            }
        }
    }
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_contract),
        cmocka_unit_test(reads_what_was_recorded),
        cmocka_unit_test(reads_all_that_was_ever_recorded),
        cmocka_unit_test(refuses_what_is_missing_or_of_another_type),
    };
    return cmocka_run_group_tests(tests, read_contract, free_contract);
}
