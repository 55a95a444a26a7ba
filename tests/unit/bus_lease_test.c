/* One event of a repository at a time, and their order: over workers, processes, retries, deaths and stalls.
 * See tests/unit/bus_child.h; the repository of an event has the number of its installation. */
#include "bus/runtime.h"
#include "tests/unit/bus_child.h"

/* Long enough for a loaded machine to renew in time, short enough to wait for its end. */
#define SHORT_LEASE "RB_ACK_WAIT_MS=3000"

/* ---- in the child ------------------------------------------------------------------------------------- */

static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    const char *mode = rb_work_string(work, "mode");
    struct pollfd go = {.fd = GO_FD, .events = POLLIN};
    (void)app;
    (void)local;
    report(work, "begin");
    if (strcmp(mode, "wait") == 0 && rb_work_attempt(work) == 1)
        (void)poll(&go, 1, -1);
    if (strcmp(mode, "retry") == 0 && poll(&go, 1, 0) == 0)
        return rb_retry_after(50, "not yet");
    if (strcmp(mode, "until-stopped") == 0) {
        char fence[48];
        snprintf(fence, sizeof(fence), "fence=%lld", (long long)rb_work_fence(work));
        report(work, fence);
        while (!rb_work_stop(work) && poll(&go, 1, 5) == 0)
            ;
        if (rb_work_stop(work))
            report(work, rb_work_stop(work));
    }
    report(work, "end");
    return rb_done();
}

static int run_subscriber(void)
{
    const struct rb_subscriber more = {
        .max_attempts = 1000, /* however slow the test is to say go */
        .one_per_repository = !getenv("TEST_ORDER"),
        .order_per_repository = getenv("TEST_ORDER"),
    };
    return run_tester(RB_REPO_CONNECTED, handle, more);
}

/* ---- in the test -------------------------------------------------------------------------------------- */

/* Two subscribers: `child` is the one that is spoken to, this the other one. */
static typeof(child) other;

static void swap_children(void)
{
    typeof(child) kept = child;
    child = other;
    other = kept;
}

static int stop_both(void **state)
{
    if (other.process.pid) {
        kill(other.process.pid, SIGKILL);
        process_reap(&other.process);
    }
    memset(&other, 0, sizeof(other));
    return stop_server(state);
}

/* Waits until this many unanswered events have been delivered more than once. */
static void await_redelivered(int64_t wanted)
{
    int64_t deadline = rb_clock_ms() + PATIENCE_MS, count = 0;
    for (; count < wanted && rb_clock_ms() < deadline; look_again_soon(5)) {
        jsConsumerInfo *info = NULL;
        if (js_GetConsumerInfo(&info, bus->js, RB_STREAM_EVENTS, "tester", NULL, NULL) == NATS_OK)
            count = info->NumRedelivered;
        jsConsumerInfo_Destroy(info);
    }
    assert_true(count >= wanted);
}

static int64_t deliveries(void)
{
    jsConsumerInfo *info = NULL;
    assert_int_equal(js_GetConsumerInfo(&info, bus->js, RB_STREAM_EVENTS, "tester", NULL, NULL), NATS_OK);
    int64_t count = (int64_t)info->Delivered.Consumer;
    jsConsumerInfo_Destroy(info);
    return count;
}

static void one_of_a_repository_is_worked_on_at_a_time(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("a1", "wait", 7);
    child_says_next((const char *const[]){"begin a1 1", NULL});
    send_event("a2", "", 7);
    send_event("b1", "", 8);
    child_says_next((const char *const[]){"begin b1 1", "end b1 1", NULL});
    await_redelivered(1);
    child_go();
    child_says_next(
        (const char *const[]){"end a1 1", "begin a2 1", "end a2 1", NULL}); /* waiting is no try */
    expect_run(7, "done", 1, "");
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void a_lease_ends_with_its_process(void **state)
{
    const char *const settings[] = {SHORT_LEASE, NULL};
    (void)state;
    child_start(settings);
    send_event("a1", "wait", 7);
    child_says_next((const char *const[]){"begin a1 1", NULL});
    swap_children();
    child_start((const char *const[]){SHORT_LEASE, "WORKERS=1", NULL});
    send_event("a2", "", 7);
    await_redelivered(1); /* by whichever of the two it was asked for */
    assert_true(child_is_silent(0));
    kill(other.process.pid, SIGKILL);
    assert_true(child_says("end a"));
    assert_true(child_says("end a"));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static int64_t told_fence(void)
{
    char line[256];
    child_line(line, sizeof(line));
    assert_memory_equal(line, "fence=", 6);
    return strtoll(line + 6, NULL, 10);
}

static void an_owner_that_was_stopped_knows_that_it_is_none(void **state)
{
    const char *const settings[] = {SHORT_LEASE, NULL};
    (void)state;
    child_start(settings);
    send_event("a1", "until-stopped", 7);
    child_says_next((const char *const[]){"begin a1 1", NULL});
    int64_t first = told_fence();
    assert_true(first > 0);
    kill(child.process.pid, SIGSTOP);
    swap_children();
    child_start(settings);
    child_says_next((const char *const[]){"begin a1 2", NULL});
    assert_true(told_fence() > first);
    swap_children();
    kill(child.process.pid, SIGCONT);
    child_says_next((const char *const[]){"the lease on the repository is lost a1 1", "end a1 1", NULL});
    swap_children();
    child_go();
    child_says_next((const char *const[]){"end a1 2", NULL});
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void a_renewed_lease_outlasts_its_length(void **state)
{
    (void)state;
    child_start((const char *const[]){"RB_ACK_WAIT_MS=2000", NULL});
    send_event("a1", "wait", 7);
    child_says_next((const char *const[]){"begin a1 1", NULL});
    int64_t until = rb_clock_ms() + 2500;
    send_event("a2", "", 7);
    while (rb_clock_ms() < until) /* what passes here is the length of the lease, not the time of an answer */
        look_again_soon(20);
    int64_t seen = deliveries(); /* one may be under way; the next is refused after that time */
    while (deliveries() < seen + 2 && rb_clock_ms() < until + PATIENCE_MS)
        look_again_soon(5);
    child_go();
    child_says_next((const char *const[]){"end a1 1", "begin a2 1", NULL});
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void order_of_a_repository_holds_over_retries(void **state)
{
    char line[256];
    bool other_ended = false;
    (void)state;
    send_event("a1", "retry", 7);
    send_event("a2", "", 7);
    send_event("b1", "", 8);
    send_event("a3", "", 7);
    child_start((const char *const[]){"TEST_ORDER=1", NULL});
    while (!other_ended) {
        child_line(line, sizeof(line));
        assert_true(strncmp(line, "begin a1 ", 9) == 0 || strstr(line, " b1 1"));
        other_ended = strcmp(line, "end b1 1") == 0;
    }
    await_redelivered(3);
    child_go();
    do {
        child_line(line, sizeof(line));
        assert_non_null(strstr(line, " a1 "));
    } while (strncmp(line, "end a1", 6) != 0);
    child_says_next((const char *const[]){"begin a2 1", "end a2 1", "begin a3 1", "end a3 1", NULL});
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void order_of_a_repository_holds_over_processes(void **state)
{
    (void)state;
    child_start((const char *const[]){"TEST_ORDER=1", SHORT_LEASE, "WORKERS=1", NULL});
    send_event("a1", "wait", 7);
    child_says_next((const char *const[]){"begin a1 1", NULL});
    swap_children();
    child_start((const char *const[]){"TEST_ORDER=1", SHORT_LEASE, NULL});
    send_event("a2", "", 7);
    send_event("a3", "", 7);
    send_event("b1", "", 8);
    child_says_next((const char *const[]){"begin b1 1", "end b1 1", NULL});
    await_redelivered(2);
    kill(other.process.pid, SIGKILL);
    child_says_next((const char *const[]){"begin a1 2", "end a1 2", "begin a2 1", "end a2 1", "begin a3 1",
                                          "end a3 1", NULL});
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

/* Its record was written, and its process died before it was acknowledged. */
static void what_was_finished_in_order_is_not_handled_again(void **state)
{
    struct bus_bucket turns;
    int64_t created = 0;
    uint64_t revision = 0;
    (void)state;
    send_event("a1", "", 7);
    send_event("a2", "", 7);
    assert_int_equal(bus_stream_created(&created, bus, RB_STREAM_EVENTS), RB_OK);
    char *record = rb_asprintf("{\"stream\":%" PRId64 ",\"done\":1,\"tries\":{}}", created);
    bus_bucket_init(&turns, "turns", "tester", BUS_EVENTS_KEPT_MS, 1000000);
    assert_int_equal(bus_bucket_swap(&revision, &turns, bus, "7", record), RB_OK);
    child_start((const char *const[]){"TEST_ORDER=1", "WORKERS=1", NULL});
    child_says_next((const char *const[]){"begin a2 1", "end a2 1", NULL});
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
    bus_bucket_free(&turns);
    free(record);
}

/* A stream that was lost and made anew counts from 1 again: what was finished in the old one says nothing. */
static void a_lost_server_begins_its_turns_anew(void **state)
{
    (void)state;
    child_start((const char *const[]){"TEST_ORDER=1", NULL});
    send_event("a1", "", 7);
    assert_true(child_says("end a1 1"));
    send_event("a2", "", 7);
    assert_true(child_says("end a2 1"));
    expect_nothing_pending(); /* so the record says so */
    nats_kill(&nats);
    nats_wipe(&nats);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    send_event("a3", "", 7);
    assert_true(child_says("end a3 1"));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void waiting_grows_to_a_bound(void **state)
{
    (void)state;
    for (int deliveries = 1; deliveries < 2000; deliveries++) {
        int64_t wait = bus_turn_wait_ms(deliveries);
        assert_true(wait >= 125 && wait <= 10000);
        assert_true(deliveries > 1 || wait <= 250);
        assert_true(deliveries < 7 || wait >= 5000);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "subscriber") == 0)
        return run_subscriber();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_of_a_repository_is_worked_on_at_a_time, start_server, stop_both),
        cmocka_unit_test_setup_teardown(a_lease_ends_with_its_process, start_server, stop_both),
        cmocka_unit_test_setup_teardown(an_owner_that_was_stopped_knows_that_it_is_none, start_server,
                                        stop_both),
        cmocka_unit_test_setup_teardown(a_renewed_lease_outlasts_its_length, start_server, stop_both),
        cmocka_unit_test_setup_teardown(order_of_a_repository_holds_over_retries, start_server, stop_both),
        cmocka_unit_test_setup_teardown(order_of_a_repository_holds_over_processes, start_server, stop_both),
        cmocka_unit_test_setup_teardown(what_was_finished_in_order_is_not_handled_again, start_server,
                                        stop_both),
        cmocka_unit_test_setup_teardown(a_lost_server_begins_its_turns_anew, start_server, stop_both),
        cmocka_unit_test(waiting_grows_to_a_bound),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
