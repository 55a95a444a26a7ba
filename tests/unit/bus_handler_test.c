/* What a handler may ask of the runtime: when to stop, what was done already, order. See
 * tests/unit/bus_child.h. */
#include "tests/unit/bus_child.h"

/* ---- in the child ------------------------------------------------------------------------------------- */

static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    const char *mode = rb_work_string(work, "mode");
    (void)app;
    (void)local;
    report(work, "begin");
    if (strcmp(mode, "until-stopped") == 0) {
        while (!rb_work_stop(work))
            poll(NULL, 0, 5);
        report(work, rb_work_stop(work));
        return rb_done();
    }
    if (strcmp(mode, "once") == 0) { /* the effect of the first attempt is not repeated by the second */
        bool done = false;
        rb_err err = rb_work_was_done(&done, work, "told");
        if (!err && !done) {
            report(work, "told");
            err = rb_work_mark_done(work, "told");
        }
        if (done)
            report(work, "was-done");
        return err ? rb_result_from(err) : done ? rb_done() : rb_retry_after(20, "again");
    }
    if (strcmp(mode, "retry-twice") == 0 && rb_work_attempt(work) < 3)
        return rb_retry_after(20, "not yet");
    report(work, "end");
    return rb_done();
}

static int run_subscriber(void)
{
    const struct rb_subscriber more = {
        .in_order = getenv("TEST_IN_ORDER"),
        .stop_when_disconnected = true,
        .time_limit_s = getenv("TEST_TIME_LIMIT") ? 1 : 0,
    };
    return run_tester(RB_REPO_CONNECTED, handle, more);
}

/* ---- in the test -------------------------------------------------------------------------------------- */

static void what_was_done_is_not_done_again(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("once-1", "once", 103);
    assert_true(child_says("begin once-1 1"));
    assert_true(child_says("told once-1 1"));
    assert_true(child_says("was-done once-1 2"));
    expect_run(103, "done", 2, "");
    assert_int_equal(child_stop(), 0);
}

/* That of another installation, and one of before, stop nothing. */
static void a_disconnect_stops_its_own_work(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("leaving-1", "until-stopped", 104);
    assert_true(child_says("begin leaving-1 1"));
    send_event("staying-1", "until-stopped", 105);
    assert_true(child_says("begin staying-1 1"));
    send_disconnected(105, 4);
    send_disconnected(104, 5);
    assert_true(child_says("the repository was disconnected leaving-1 1"));
    kill(child.process.pid, SIGTERM);
    assert_true(child_says("the process is ending staying-1 1"));
    assert_int_equal(child_ends(), 0);
}

static void a_time_limit_is_told(void **state)
{
    (void)state;
    child_start((const char *const[]){"TEST_TIME_LIMIT=1", NULL});
    send_event("slow-1", "until-stopped", 106);
    assert_true(child_says("the time limit is over slow-1 1"));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

/* Two workers, and the second event is there while the first one is tried again and again. */
static void order_holds_over_retries(void **state)
{
    (void)state;
    send_event("first", "retry-twice", 107);
    send_event("second", "", 108);
    child_start((const char *const[]){"TEST_IN_ORDER=1", NULL});
    child_says_next((const char *const[]){"begin first 1", "begin first 2", "begin first 3", "end first 3",
                                          "begin second 1", "end second 1", NULL});
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "subscriber") == 0)
        return run_subscriber();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_done_is_not_done_again, start_server, stop_server),
        cmocka_unit_test_setup_teardown(a_disconnect_stops_its_own_work, start_server, stop_server),
        cmocka_unit_test_setup_teardown(a_time_limit_is_told, start_server, stop_server),
        cmocka_unit_test_setup_teardown(order_holds_over_retries, start_server, stop_server),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
