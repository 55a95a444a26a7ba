/* What a handler gets without a secret of its own: GitHub's answers and large payloads, asked for over NATS.
 * The test answers in the scanner's place. See tests/unit/bus_child.h. */
#include "tests/unit/bus_child.h"

#define HOOK     "\"hook_id\":12,\"delivery_id\":\"d-1\",\"action\":\"opened\""
#define BODY_MAX 60000

/* ---- in the child ------------------------------------------------------------------------------------- */

static void say(const char *what, rb_err err, const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (err)
        dprintf(REPORT_FD, "%s: %s %lld: %s\n", what, rb_err_name(err), (long long)rb_error_wait_ms(),
                rb_error_text());
    else
        dprintf(REPORT_FD, "%s: %s\n", what, text ? text : "nothing");
    free(text);
}

/* The event's own name says what is asked. */
static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    const struct rb_github_answer *answer = NULL;
    const char *asked = rb_work_event(work)->id;
    const json_t *part = NULL;
    (void)app;
    (void)local;
    if (*asked == '/' || !*asked) {
        rb_err err = rb_work_payload(&part, work, asked);
        say("part", err, part);
    } else {
        json_t *body = strcmp(asked, "large") == 0 ? json_object() : NULL;
        if (body) {
            char text[BODY_MAX + 1];
            memset(text, 'x', sizeof(text));
            json_object_set_new(body, "text", json_stringn(text, sizeof(text)));
        }
        rb_err err = rb_work_github(&answer, work, "GET", "labels?page=1", body);
        say("answer", err, answer ? answer->body : NULL);
        if (answer)
            dprintf(REPORT_FD, "status %d next %d rate %lld\n", answer->status, answer->has_next,
                    (long long)answer->rate_remaining);
        json_decref(body);
    }
    return rb_done();
}

static int run_subscriber(void)
{
    return run_tester(RB_GITHUB_ISSUES, handle, (struct rb_subscriber){.workers = 1});
}

/* ---- in the test -------------------------------------------------------------------------------------- */

/* `rest`: members of data, besides those that every event of a hook has. */
static void send_issue(const char *id, const char *rest)
{
    struct rb_buf body;
    char *text = rb_asprintf("{\"repo_id\":5,\"repo\":\"a/b\",\"installation_ids\":[7,8]," HOOK "%s%s}",
                             *rest ? "," : "", rest);
    json_t *data = json_loads(text, 0, NULL);
    assert_non_null(data);
    rb_buf_init(&body, RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, RB_GITHUB_ISSUES, id, "/test", NULL, data), RB_OK);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_GITHUB_ISSUES, id, NULL, body.data, body.len), RB_OK);
    json_decref(data);
    rb_buf_free(&body);
    free(text);
}

static natsSubscription *listen_on(const char *subject)
{
    natsSubscription *sub = NULL;
    assert_int_equal(natsConnection_SubscribeSync(&sub, bus->nc, subject), NATS_OK);
    assert_int_equal(natsConnection_FlushTimeout(bus->nc, PATIENCE_MS), NATS_OK);
    return sub;
}

/* The next question, which must have these members, is answered so. */
static void answer_next(natsSubscription *sub, const char *expected, const char *answer)
{
    natsMsg *msg = NULL;
    assert_int_equal(natsSubscription_NextMsg(&msg, sub, PATIENCE_MS), NATS_OK);
    json_t *question = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
    json_t *wanted = json_loads(expected, 0, NULL);
    const char *name;
    json_t *value;
    assert_non_null(wanted);
    json_object_foreach(wanted, name, value)
    {
        if (!json_equal(value, json_object_get(question, name)))
            fail_msg("the question is %s", natsMsg_GetData(msg));
    }
    assert_int_equal(natsConnection_PublishString(bus->nc, natsMsg_GetReply(msg), answer), NATS_OK);
    json_decref(wanted);
    json_decref(question);
    natsMsg_Destroy(msg);
}

static void github_answers_and_refuses(void **state)
{
    (void)state;
    natsSubscription *sub = listen_on(RB_INSTALLATION_GITHUB);
    const char *question = "{\"installation_ids\":[7,8],\"method\":\"GET\",\"path\":\"labels?page=1\"}";
    child_start(NULL);
    send_issue("first", "\"payload\":{}");
    answer_next(sub, question,
                "{\"status\":200,\"has_next\":true,\"rate_remaining\":4990,\"body\":[{\"name\":\"bug\"}]}");
    assert_true(child_says("answer: [{\"name\":\"bug\"}]"));
    assert_true(child_says("status 200 next 1 rate 4990"));
    send_issue("second", "\"payload\":{}");
    answer_next(sub, question,
                "{\"error\":{\"code\":\"limit reached\",\"text\":\"later\",\"wait_ms\":61000}}");
    assert_true(child_says("answer: limit reached 61000: GET a/b/labels?page=1: later"));
    send_issue("third", "\"payload\":{}");
    answer_next(sub, question, "{\"error\":{\"code\":\"stale\",\"text\":\"gone\"}}");
    assert_true(child_says("answer: stale 0: GET a/b/labels?page=1: gone"));
    send_issue("fourth", "\"payload\":{}");
    answer_next(sub, question, "<html>");
    assert_true(child_says("answer: protocol error"));
    send_issue("large", "\"payload\":{}");
    assert_true(child_says("answer: too big"));
    natsSubscription_Destroy(sub);
    send_issue("nobody", "\"payload\":{}");
    assert_true(child_says("answer: unavailable"));
    assert_int_equal(child_stop(), 0);
}

static void a_payload_is_read_where_it_is(void **state)
{
    (void)state;
    natsSubscription *sub = listen_on(RB_DELIVERY_PAYLOAD);
    child_start(NULL);
    static const char *const parts[][2] = {
        {"/issue/number", "part: 7"},
        {"/issue/labels/1/name", "part: \"b\""},
        {"/issue/a~1b/c~0d", "part: true"},
        {"/issue/labels/2", "part: not found 0: the payload has nothing at /issue/labels/2"},
        {"/issue/labels/x", "part: not found"},
        {"/issue/number/1", "part: not found"},
    };
    const char *inside =
        "\"payload\":{\"issue\":{\"number\":7,\"labels\":[{},{\"name\":\"b\"}],\"a/b\":{\"c~d\":true}}}";
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        send_issue(parts[i][0], inside);
        assert_true(child_says(parts[i][1]));
    }
    send_issue("/issue/title", "\"payload_size\":100000");
    answer_next(sub, "{\"hook_id\":12,\"delivery_id\":\"d-1\",\"pointer\":\"/issue/title\"}", "\"long ago\"");
    assert_true(child_says("part: \"long ago\""));
    natsSubscription_Destroy(sub);
    assert_int_equal(child_stop(), 0);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "subscriber") == 0)
        return run_subscriber();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(github_answers_and_refuses, start_server, stop_server),
        cmocka_unit_test_setup_teardown(a_payload_is_read_where_it_is, start_server, stop_server),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
