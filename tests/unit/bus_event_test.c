/* The pure parts of libbus: events, runs, dead letters, verdicts, back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/runtime.h"

static void encodes_and_decodes(void **state)
{
    (void)state;
    struct rb_buf body;
    struct rb_event event;
    struct rb_arena *arena = rb_arena_new();
    json_t *data = json_pack("{sI ss}", "installation_id", (json_int_t)42, "repo", "acme/käse");

    rb_buf_init(&body, RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, RB_REPO_CONNECTED, "id-1", "/repobus/edge",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", data),
                     RB_OK);
    json_decref(data);
    assert_int_equal(rb_event_decode(&event, body.data, body.len, arena), RB_OK);
    assert_string_equal(event.id, "id-1");
    assert_string_equal(event.subject, "repo.connected");
    assert_string_equal(event.source, "/repobus/edge");
    assert_string_equal(event.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_int_equal(json_integer_value(json_object_get(event.data, "installation_id")), 42);
    assert_string_equal(json_string_value(json_object_get(event.data, "repo")), "acme/käse");
    int64_t late = rb_clock_wall_ms() - bus_time_parse(event.time);
    assert_in_range(late, 0, 60000);
    rb_arena_free(arena);
    rb_buf_free(&body);
}

static void makes_an_id_when_none_is_given(void **state)
{
    (void)state;
    struct rb_buf body;
    struct rb_event event;
    struct rb_arena *arena = rb_arena_new();
    json_t *data = json_object();

    rb_buf_init(&body, RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, RB_REPO_SCANNED, NULL, "/x", NULL, data), RB_OK);
    assert_int_equal(rb_event_decode(&event, body.data, body.len, arena), RB_OK);
    assert_int_equal(strlen(event.id), 36);
    assert_string_equal(event.traceparent, "");
    json_decref(data);
    rb_arena_free(arena);
    rb_buf_free(&body);
}

static void refuses_what_is_not_in_the_catalogue_or_too_big(void **state)
{
    (void)state;
    struct rb_buf body;
    json_t *data = json_object();
    char *big = malloc(RB_EVENT_MAX + 1);

    rb_buf_init(&body, (size_t)2 * RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, "repo.invented", NULL, "/x", NULL, data), RB_EINVAL);
    assert_int_equal(rb_event_encode(&body, RB_REPO_SCANNED, "a\r\nb", "/x", NULL, data), RB_EINVAL);
    assert_int_equal(rb_event_encode(&body, RB_REPO_SCANNED, "", "/x", NULL, data), RB_EINVAL);
    memset(big, 'x', RB_EVENT_MAX);
    big[RB_EVENT_MAX] = '\0';
    json_object_set_new(data, "big", json_string(big));
    assert_int_equal(rb_event_encode(&body, RB_REPO_SCANNED, NULL, "/x", NULL, data), RB_ETOOBIG);
    assert_int_equal(body.len, 0);
    free(big);
    json_decref(data);
    rb_buf_free(&body);
}

static void refuses_bodies_that_are_no_events(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{",
        "{}",
        "{\"specversion\":\"1.0\"}",
        "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/"
        "x\",\"type\":\"dev.repobus.repo.connected\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/"
        "x\",\"type\":\"dev.repobus.repo.connected\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":7,\"source\":\"/"
        "x\",\"type\":\"dev.repobus.repo.connected\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":\"a\\nb\",\"source\":\"/"
        "x\",\"type\":\"dev.repobus.repo.connected\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"com.other.thing\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"dev.repobus.\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"dev.repobus.repo.connected\"}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/"
        "x\",\"type\":\"dev.repobus.repo.connected\",\"data\":[]}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/"
        "x\",\"type\":\"dev.repobus.repo.connected\",\"data\":{},"
        "\"eventversion\":999}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"id\":\"2\",\"source\":\"/"
        "x\",\"type\":\"dev.repobus.repo.connected\","
        "\"data\":{}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_event event;
        if (rb_event_decode(&event, bad[i], strlen(bad[i]), arena) != RB_EINVAL)
            fail_msg("accepted: %s", bad[i]);
        assert_true(rb_error_text()[0] != '\0');
        rb_arena_free(arena);
    }
}

static void ignores_extensions_and_accepts_what_is_optional(void **state)
{
    (void)state;
    static const char body[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"partition\":\"7\","
                               "\"type\":\"dev.repobus.repo.later\",\"data\":{\"n\":1}}";
    struct rb_arena *arena = rb_arena_new();
    struct rb_event event;
    assert_int_equal(rb_event_decode(&event, body, strlen(body), arena), RB_OK);
    assert_string_equal(event.subject, "repo.later");
    assert_string_equal(event.time, "");
    rb_arena_free(arena);
}

static void runs_come_back_whole(void **state)
{
    (void)state;
    const struct rb_run in = {.installation_id = 42,
                              .subscriber = "scanner",
                              .event = "01a226bd-4594-75c9-9952-bca8e362e97b",
                              .generation = 3,
                              .state = RB_RUN_RETRYING,
                              .attempt = 2,
                              .done = 120,
                              .total = 400,
                              .note = "reading \"x\"",
                              .error = "GitHub\nis away",
                              .at_ms = 1000,
                              .started_ms = 900,
                              .finished_ms = 0};
    struct rb_arena *arena = rb_arena_new();
    struct rb_run out;
    struct rb_buf body;

    rb_buf_init(&body, 8192);
    assert_int_equal(rb_run_encode(&body, &in), RB_OK);
    assert_int_equal(rb_run_decode(&out, body.data, body.len, arena), RB_OK);
    assert_int_equal(out.installation_id, 42);
    assert_string_equal(out.subscriber, "scanner");
    assert_string_equal(out.event, in.event);
    assert_int_equal(out.generation, 3);
    assert_int_equal(out.state, RB_RUN_RETRYING);
    assert_string_equal(rb_run_state_name(out.state), "retrying");
    assert_int_equal(out.attempt, 2);
    assert_int_equal(out.done, 120);
    assert_int_equal(out.total, 400);
    assert_string_equal(out.note, in.note);
    assert_string_equal(out.error, in.error);
    assert_int_equal(out.at_ms, 1000);
    assert_int_equal(out.started_ms, 900);
    assert_int_equal(rb_run_decode(&out, body.data, body.len - 1, arena), RB_EINVAL);
    assert_int_equal(rb_run_decode(&out, "{}", 2, arena), RB_EINVAL);
    rb_buf_free(&body);
    rb_arena_free(arena);
}

static void refuses_runs_of_nobody(void **state)
{
    (void)state;
    struct rb_buf body;
    rb_buf_init(&body, 8192);
    assert_int_equal(rb_run_encode(&body, &(struct rb_run){.installation_id = 0, .subscriber = "x"}),
                     RB_EINVAL);
    assert_int_equal(rb_run_encode(&body, &(struct rb_run){.installation_id = 1, .subscriber = "a.b"}),
                     RB_EINVAL);
    assert_int_equal(body.len, 0);
    rb_buf_free(&body);
}

static void dead_letters_hold_the_event_or_its_bytes(void **state)
{
    (void)state;
    struct rb_buf body;
    struct bus_dead_letter letter = {.subscriber = "scanner",
                                     .subject = "repo.connected",
                                     .reason = "no \xc3\xa4",
                                     .id = "i",
                                     .traceparent = "",
                                     .attempts = 8,
                                     .sequence = 5,
                                     .at_ms = 0,
                                     .body = "{\"a\":1}",
                                     .len = 7};
    rb_buf_init(&body, 1 << 20);
    assert_int_equal(bus_dead_encode(&body, &letter), RB_OK);
    json_t *root = json_loads(body.data, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "event"), "a")), 1);
    assert_string_equal(json_string_value(json_object_get(root, "reason")), "no ä");
    assert_int_equal(json_integer_value(json_object_get(root, "attempts")), 8);
    json_decref(root);

    letter.body = "\xff\x00garbage";
    letter.len = 9;
    letter.reason = "\xff";
    rb_buf_reset(&body);
    assert_int_equal(bus_dead_encode(&body, &letter), RB_OK);
    root = json_loads(body.data, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "body_base64")), "/wBnYXJiYWdl");
    assert_int_equal(json_integer_value(json_object_get(root, "body_size")), 9);
    json_decref(root);
    rb_buf_free(&body);
}

static void verdicts_follow_the_kind_of_error(void **state)
{
    (void)state;
    assert_int_equal(rb_result_from(RB_OK).verdict, RB_DONE);
    assert_int_equal(rb_result_from(RB_ESTALE).verdict, RB_DONE);
    struct rb_result result = rb_result_from(rb_error_set(RB_EUNAVAILABLE, "GitHub is away"));
    assert_int_equal(result.verdict, RB_RETRY);
    assert_string_equal(result.reason, "GitHub is away");
    assert_int_equal(rb_result_from(RB_ELIMIT).verdict, RB_RETRY);
    assert_int_equal(rb_result_from(RB_ETIMEOUT).verdict, RB_RETRY);
    assert_int_equal(rb_result_from(RB_EINTERNAL).verdict, RB_RETRY);
    assert_int_equal(rb_result_from(RB_EPROTOCOL).verdict, RB_RETRY);
    assert_int_equal(rb_result_from(RB_EAUTH).verdict, RB_REJECT);
    assert_int_equal(rb_result_from(RB_EINVAL).verdict, RB_REJECT);
    assert_int_equal(rb_result_from(RB_ENOTFOUND).verdict, RB_REJECT);
    assert_int_equal(rb_retry_after(1500, "x").delay_ms, 1500);
}

static void back_off_grows_and_is_bounded(void **state)
{
    (void)state;
    static const int64_t most[] = {1000, 5000, 25000, 125000, 300000, 300000};
    for (int attempt = 1; attempt <= 6; attempt++) {
        for (int i = 0; i < 50; i++)
            assert_in_range(bus_backoff_ms(attempt), most[attempt - 1] / 2, most[attempt - 1]);
    }
    assert_in_range(bus_backoff_ms(1000000), 150000, 300000);
}

static void times_are_read_as_they_are_written(void **state)
{
    (void)state;
    char text[RB_TIME_SIZE];
    rb_time_format(text, 1795507200123);
    assert_int_equal(bus_time_parse(text), 1795507200123);
    assert_int_equal(bus_time_parse("2026-11-24T08:00:00Z"), 1795507200000);
    assert_int_equal(bus_time_parse("yesterday"), 0);
    assert_int_equal(bus_time_parse("2026-11-24T08:00:00+01:00"), 0);
    assert_int_equal(bus_time_parse(""), 0);
}

static void texts_become_utf8(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"\xc3\xa9\xe2\x80\x94\xf0\x9f\x90\x9e", "\xc3\xa9\xe2\x80\x94\xf0\x9f\x90\x9e"},
        {"caf\xe9.c", "caf?.c"},      /* Latin-1, as git has it */
        {"cut \xe2\x80", "cut ??"},   /* by a limit on bytes */
        {"\xc0\xaf", "??"},           /* overlong */
        {"\xe0\x80\xaf", "???"},      /* overlong */
        {"\xed\xa0\x80", "???"},      /* a surrogate */
        {"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
        {"\xf0\x8f\xbf\xbf", "????"}, /* overlong */
        {"\xff\xfe", "??"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s", cases[i][0]);
        rb_text_make_utf8(text);
        assert_string_equal(text, cases[i][1]);
        json_t *json = json_string(text);
        assert_non_null(json);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_and_decodes),
        cmocka_unit_test(makes_an_id_when_none_is_given),
        cmocka_unit_test(refuses_what_is_not_in_the_catalogue_or_too_big),
        cmocka_unit_test(refuses_bodies_that_are_no_events),
        cmocka_unit_test(ignores_extensions_and_accepts_what_is_optional),
        cmocka_unit_test(runs_come_back_whole),
        cmocka_unit_test(refuses_runs_of_nobody),
        cmocka_unit_test(dead_letters_hold_the_event_or_its_bytes),
        cmocka_unit_test(verdicts_follow_the_kind_of_error),
        cmocka_unit_test(back_off_grows_and_is_bounded),
        cmocka_unit_test(texts_become_utf8),
        cmocka_unit_test(times_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
