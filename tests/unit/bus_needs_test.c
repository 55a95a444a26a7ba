/*
 * What a subscriber needs is away: it is waited for, and no event pays for it. See tests/unit/bus_child.h;
 * the store that the child needs is away while there is a file.
 */
#include "tests/unit/bus_child.h"
#include "tests/unit/lib_servers.h"

/* ---- in the child ------------------------------------------------------------------------------------- */

static bool is_away(void)
{
    const char *path = getenv("TEST_AWAY");
    return path && access(path, F_OK) == 0;
}

static rb_err ping(void *local, void *app)
{
    (void)local;
    (void)app;
    return is_away() ? rb_error_set(RB_EUNAVAILABLE, "the store at home: gone") : RB_OK;
}

static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    const char *mode = rb_work_string(work, "mode");
    struct pollfd go = {.fd = GO_FD, .events = POLLIN};
    (void)app;
    (void)local;
    report(work, "begin");
    /* All of one arena's life: what an earlier call was given is gone. */
    if (rb_arena_size(rb_work_arena(work)) > 100000)
        report(work, "an arena that was used");
    memset(rb_arena_alloc(rb_work_arena(work), 200000), 1, 200000);
    if (strcmp(mode, "publish") == 0) {
        (void)poll(&go, 1, -1);
        json_t *data = json_pack("{sI sI}", "installation_id", (json_int_t)1, "generation", (json_int_t)4);
        rb_err err = rb_work_publish(work, RB_REPO_GRAPHED, data);
        json_decref(data);
        if (err)
            return rb_result_from(err);
    } else if (strcmp(mode, "fail") == 0 && rb_work_attempt(work) == 1) {
        return rb_retry("its own failure");
    } else if (is_away()) {
        return rb_retry("the store does not answer");
    }
    report(work, "end");
    return rb_done();
}

static int run_subscriber(void)
{
    const struct rb_subscriber more = {
        .stop_when_disconnected = true,
        .time_limit_s = getenv("TEST_TIME_LIMIT") ? 1 : 0,
        .ping = ping,
    };
    return run_tester(RB_REPO_CONNECTED, handle, more);
}

/* ---- in the test -------------------------------------------------------------------------------------- */

static char away_path[96];
static int health_port, health_fd;

static void set_away(bool away)
{
    if (away)
        close(open(away_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    else
        unlink(away_path);
}

static void start_tester(const char *more)
{
    char away[128], health[32];

    snprintf(away, sizeof(away), "TEST_AWAY=%s", away_path);
    snprintf(health, sizeof(health), "HEALTH_PORT=%d", health_port);
    child_start((const char *const[]){health, away, "WORKERS=3", more, NULL});
}

static int set_up(void **state)
{
    start_server(state);
    snprintf(away_path, sizeof(away_path), "%s/away", nats.dir);
    health_port = nats_hold_port(&health_fd);
    return 0;
}

static int tear_down(void **state)
{
    close(health_fd);
    return stop_server(state);
}

/* The run says what is waited for. */
static void await_note(int installation)
{
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;
    char subject[64];
    bool told = false;

    snprintf(subject, sizeof(subject), "run.%d.tester", installation);
    for (; !told && rb_clock_ms() < deadline; look_again_soon(5)) {
        json_t *run = last_message(RB_STREAM_RUNS, subject, NULL);
        const char *note = json_string_value(json_object_get(run, "note"));
        told = note && strcmp(note, "waiting: the store at home: gone") == 0;
        assert_int_equal(json_integer_value(json_object_get(run, "attempt")), 1);
        json_decref(run);
    }
    assert_true(told);
}

static void await_ready(void)
{
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;
    char answer[2048];

    while (http_ask(answer, sizeof(answer), health_port, "GET", "/readyz", NULL) != 200) {
        if (rb_clock_ms() > deadline)
            fail_msg("not ready: %s", answer);
        look_again_soon(5);
    }
}

static void an_outage_is_waited_for(void **state)
{
    char answer[2048], line[256];
    (void)state;
    set_away(true);
    start_tester("TEST_TIME_LIMIT=1");
    send_event("a", "", 101);
    child_says_next((const char *const[]){"begin a 1", NULL});
    int64_t limit = rb_clock_ms() + 1100; /* of its handler, which what is waited does not count for */
    await_note(101);
    send_event("b", "", 102);
    send_event("c", "", 103);
    await_note(102);
    await_note(103);
    assert_true(child_is_silent(0)); /* for neither of them a handler was called */
    assert_int_equal(http_ask(answer, sizeof(answer), health_port, "GET", "/readyz", NULL), 503);
    assert_non_null(strstr(answer, "waiting: the store at home: gone"));
    while (rb_clock_ms() < limit)
        look_again_soon(20);
    set_away(false);
    for (int i = 0; i < 6; i++) { /* in any order */
        child_line(line, sizeof(line));
        assert_true(strncmp(line, "begin ", 6) == 0 || strncmp(line, "end ", 4) == 0);
        assert_string_equal(line + strlen(line) - 2, " 1");
    }
    for (int installation = 101; installation <= 103; installation++)
        expect_run(installation, "done", 1, "");
    await_ready();
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void the_end_of_the_process_hands_back_what_waits(void **state)
{
    (void)state;
    set_away(true);
    start_tester("DRAIN_SECONDS=3600");
    send_event("a", "", 101);
    send_event("b", "", 102);
    await_note(101);
    await_note(102);
    assert_int_equal(child_stop(), 0);
    expect_run(101, "retrying", 1, "the process is ending");
    set_away(false);
    start_tester(NULL);
    assert_true(child_says("end "));
    assert_true(child_says("end "));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void a_disconnect_ends_the_waiting(void **state)
{
    (void)state;
    set_away(true);
    start_tester(NULL);
    send_event("a", "", 101);
    await_note(101);
    send_disconnected(101, 5);
    expect_run(101, "done", 1, "");
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void what_fails_by_itself_is_tried_again_as_ever(void **state)
{
    (void)state;
    start_tester(NULL);
    send_event("a", "fail", 101);
    child_says_next((const char *const[]){"begin a 1", "begin a 2", "end a 2", NULL});
    expect_run(101, "done", 2, "");
    assert_int_equal(child_stop(), 0);
}

static void nats_is_waited_for(void **state)
{
    (void)state;
    start_tester(NULL);
    send_event("a", "publish", 101);
    child_says_next((const char *const[]){"begin a 1", NULL});
    nats_kill(&nats);
    child_go();
    nats_launch(&nats);
    child_says_next((const char *const[]){"begin a 1", "end a 1", NULL});
    expect_run(101, "done", 1, "");
    assert_int_equal(child_stop(), 0);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "subscriber") == 0)
        return run_subscriber();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_outage_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_the_process_hands_back_what_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disconnect_ends_the_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fails_by_itself_is_tried_again_as_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nats_is_waited_for, set_up, tear_down),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
