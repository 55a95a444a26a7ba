/*
 * The subscriber runtime against a real server. The subscriber is this same program, started again with
 * "subscriber" as its argument: a process of its own, so that it can be killed and drained. What an event's
 * handler does is written in the event ("mode"); what happened is told on a pipe, and a handler that waits
 * does so until it is told to go on.
 */
#include "tests/unit/bus_child.h"

/* ---- in the child ------------------------------------------------------------------------------------- */

/* Until the test says so. Tells when the process begins to drain, which nothing else shows. */
static void wait_for_go(struct rb_work *work)
{
    struct pollfd fd = {.fd = GO_FD, .events = POLLIN};
    bool told = false;
    while (poll(&fd, 1, 10) != 1) {
        if (!told && rb_work_is_draining(work))
            report(work, "draining");
        told = told || rb_work_is_draining(work);
    }
    char byte;
    (void)!read(GO_FD, &byte, 1);
}

static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    const char *mode = rb_work_string(work, "mode");
    (void)app;
    if (strcmp(local, "local") != 0)
        return rb_reject("the worker has lost what it opened");
    report(work, "begin");
    if (strcmp(mode, "retry-twice") == 0 && rb_work_attempt(work) < 3)
        return rb_retry_after(20, "not yet");
    if (strcmp(mode, "always-retry") == 0)
        return rb_retry_after(20, "never works");
    if (strcmp(mode, "reject") == 0)
        return rb_reject("broken for good");
    if (strcmp(mode, "reject-wordy") == 0) {
        char words[512];
        for (size_t i = 0; i < sizeof(words); i++)
            words[i] = i % 2 ? '\xa9' : '\xc3'; /* é in UTF-8 */
        rb_work_progress(work, 1, 0, "caf\xe9 \xc3\xa9");
        return rb_reject("%.*s", (int)sizeof(words), words); /* 511 bytes fit */
    }
    if (strcmp(mode, "hang") == 0)
        pause();
    if (strcmp(mode, "crash") == 0 || (strcmp(mode, "crash-once") == 0 && rb_work_attempt(work) == 1))
        _exit(7);
    if (strcmp(mode, "wait") == 0) {
        rb_work_progress(work, 1, 2, "waiting");
        rb_work_progress(work, 2, 3, "still waiting");
        wait_for_go(work);
    }
    if (strcmp(mode, "publish") == 0) {
        json_t *data = json_pack("{sI}", "installation_id", (json_int_t)rb_work_int(work, "installation_id"));
        rb_err err = rb_work_publish(work, RB_REPO_SCANNED, data);
        json_decref(data);
        if (err)
            return rb_result_from(err);
    }
    report(work, "end");
    return rb_done();
}

static rb_err open_worker(void **local, void *app)
{
    (void)app;
    *local = rb_strdup("local");
    return RB_OK;
}

static void close_worker(void *local, void *app)
{
    (void)app;
    free(local);
}

static int run_subscriber(void)
{
    static const struct rb_route routes[] = {
        {RB_REPO_CONNECTED, handle}, {RB_REPO_RESCAN, handle}, {NULL, NULL}};
    static const char *const without_run[] = {RB_REPO_RESCAN, NULL};
    const struct rb_subscriber subscriber = {
        .name = "tester",
        .filter = "repo.*",
        .routes = routes,
        .without_run = without_run,
        .max_attempts = 3,
        .worker_open = open_worker,
        .worker_close = close_worker,
    };
    rb_log_init("tester");
    return rb_subscriber_run(&subscriber);
}

/* ---- verdicts ----------------------------------------------------------------------------------------- */

static void done_is_done(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("done-1", "", 101);
    assert_true(child_says("end done-1 1"));
    expect_run(101, "done", 1, "");
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void an_end_that_is_not_heard_of_comes_again(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("unheard-1", "wait", 117);
    assert_true(child_says("begin unheard-1 1"));
    assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_RUNS, NULL, NULL), NATS_OK);
    child_go();
    assert_true(child_says("end unheard-1 1"));
    assert_true(child_says("begin unheard-1 2"));
    nats_setup(bus);
    child_go();
    assert_true(child_says("end unheard-1 2"));
    expect_run(117, "done", 2, "");
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void retry_comes_again(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("retry-1", "retry-twice", 102);
    assert_true(child_says("begin retry-1 1"));
    assert_true(child_says("begin retry-1 2"));
    assert_true(child_says("end retry-1 3"));
    expect_run(102, "done", 3, "");
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void expect_dead_letter(const char *id, const char *reason, int attempts)
{
    json_t *letter = last_message(RB_STREAM_DEAD, "dead.tester.repo.connected", NULL);
    assert_string_equal(json_string_value(json_object_get(json_object_get(letter, "event"), "id")), id);
    assert_string_equal(json_string_value(json_object_get(letter, "reason")), reason);
    assert_int_equal(json_integer_value(json_object_get(letter, "attempts")), attempts);
    assert_string_equal(json_string_value(json_object_get(letter, "subscriber")), "tester");
    json_decref(letter);
}

static void reject_leaves_a_dead_letter(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("reject-1", "reject", 103);
    expect_run(103, "failed", 1, "broken for good");
    expect_dead_letter("reject-1", "broken for good", 1);
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void gives_up_after_the_last_attempt(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("always-1", "always-retry", 104);
    assert_true(child_says("begin always-1 3"));
    expect_run(104, "failed", 3, "never works");
    expect_dead_letter("always-1", "never works", 3);
    expect_nothing_pending();
    assert_true(child_is_silent(200));
    assert_int_equal(child_stop(), 0);
}

static void rubbish_goes_straight_to_the_dead_letters(void **state)
{
    (void)state;
    child_start(NULL);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_CONNECTED, "rubbish-1", NULL, "\xff\xfe{", 3), RB_OK);
    expect_nothing_pending();
    json_t *letter = last_message(RB_STREAM_DEAD, "dead.tester.repo.connected", NULL);
    assert_string_equal(json_string_value(json_object_get(letter, "body_base64")), "//57");
    json_decref(letter);
    assert_true(child_is_silent(100));
    assert_int_equal(child_stop(), 0);
}

static void a_reason_cut_within_a_character_is_told(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("umlaut-1", "reject-wordy", 123);
    json_t *run = last_message(RB_STREAM_RUNS, "run.123.tester", "failed");
    const char *error = json_string_value(json_object_get(run, "error"));
    assert_int_equal(strlen(error), 511);
    assert_string_equal(error + 506, "\xc3\xa9\xc3\xa9?");
    assert_string_equal(json_string_value(json_object_get(run, "note")), "caf? \xc3\xa9");
    json_decref(run);
    run = last_message(RB_STREAM_DEAD, "dead.tester.repo.connected", NULL);
    assert_int_equal(strlen(json_string_value(json_object_get(run, "reason"))), 511);
    json_decref(run);
    assert_int_equal(child_stop(), 0);
}

static void what_has_no_route_is_acknowledged(void **state)
{
    (void)state;
    child_start(NULL);
    struct rb_buf body;
    json_t *data = json_object();
    rb_buf_init(&body, RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, RB_REPO_GRAPHED, "noroute-1", "/test", NULL, data), RB_OK);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_GRAPHED, "noroute-1", NULL, body.data, body.len),
                     RB_OK);
    json_decref(data);
    rb_buf_free(&body);
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void events_without_a_run(void **state)
{
    natsMsg *msg = NULL;
    (void)state;
    child_start(NULL);
    send_on(RB_REPO_RESCAN, "quiet-1", "ok", 106);
    assert_true(child_says("end quiet-1 1"));
    send_on(RB_REPO_RESCAN, "quiet-2", "reject", 106);
    expect_nothing_pending();
    assert_int_equal(js_GetLastMsg(&msg, bus->js, RB_STREAM_RUNS, "run.106.tester", NULL, NULL),
                     NATS_NOT_FOUND);
    assert_int_equal(child_stop(), 0);
}

static void events_that_follow_are_published_once(void **state)
{
    jsStreamInfo *info = NULL;
    (void)state;
    child_start(NULL);
    send_event("publish-1", "publish", 105);
    assert_true(child_says("end publish-1 1"));
    json_t *first = last_message(RB_STREAM_EVENTS, RB_REPO_SCANNED, NULL);
    assert_int_equal(js_GetStreamInfo(&info, bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
    uint64_t count = info->State.Msgs;
    jsStreamInfo_Destroy(info);
    /* The same event again, past the stream's own memory of ids: as after a crash before its acknowledgement.
     */
    struct rb_buf body;
    json_t *data = json_pack("{ss si}", "mode", "publish", "installation_id", 105);
    rb_buf_init(&body, RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, RB_REPO_CONNECTED, "publish-1", "/test", NULL, data), RB_OK);
    assert_int_equal(
        rb_bus_publish(NULL, bus, RB_REPO_CONNECTED, "publish-1-again", NULL, body.data, body.len), RB_OK);
    json_decref(data);
    rb_buf_free(&body);
    assert_true(child_says("end publish-1 1"));
    json_t *second = last_message(RB_STREAM_EVENTS, RB_REPO_SCANNED, NULL);
    assert_true(json_equal(first, second));
    assert_string_equal(json_string_value(json_object_get(first, "source")), "/repobus/tester");
    assert_int_equal(js_GetStreamInfo(&info, bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
    assert_int_equal(info->State.Msgs, count + 1);
    jsStreamInfo_Destroy(info);
    json_decref(first);
    json_decref(second);
    assert_int_equal(child_stop(), 0);
}

/* ---- time and crashes --------------------------------------------------------------------------------- */

static const char *const short_ack_wait[] = {"RB_ACK_WAIT_MS=900", NULL};

static void long_work_is_kept_alive(void **state)
{
    natsSubscription *spy = NULL;
    (void)state;
    assert_int_equal(natsConnection_SubscribeSync(&spy, bus->nc, "$JS.ACK.REPOBUS.tester.>"), NATS_OK);
    child_start(short_ack_wait);
    send_event("long-1", "wait", 106);
    assert_true(child_says("begin long-1 1"));
    json_t *run = last_message(RB_STREAM_RUNS, "run.106.tester", "running");
    json_decref(run);
    for (int i = 0; i < 4; i++) { /* one each third of the ack wait */
        natsMsg *msg = NULL;
        assert_int_equal(natsSubscription_NextMsg(&msg, spy, PATIENCE_MS), NATS_OK);
        assert_int_equal(natsMsg_GetDataLength(msg), 4);
        assert_memory_equal(natsMsg_GetData(msg), "+WPI", 4);
        natsMsg_Destroy(msg);
    }
    run = last_message(RB_STREAM_RUNS, "run.106.tester", "running");
    assert_string_equal(json_string_value(json_object_get(run, "note")),
                        "still waiting"); /* the last one always */
    assert_int_equal(json_integer_value(json_object_get(run, "done")), 2);
    json_decref(run);
    assert_true(child_is_silent(0)); /* not begun a second time */
    child_go();
    assert_true(child_says("end long-1 1"));
    expect_run(106, "done", 1, "");
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
    natsSubscription_Destroy(spy);
}

/*
 * nats-server 2.9 calls a second delivery the first one when it becomes due while only requests wait whose
 * readers are dead: it takes the event from those to be delivered again, finds nobody, and goes back by one
 * in the stream. A request of an idle colleague of the one that crashed is such a request, until a new
 * process asks, which on a busy machine may be later than the ack wait. One worker leaves none behind.
 */
static const char *const crashing[] = {"RB_ACK_WAIT_MS=900", "WORKERS=1", NULL};

static void a_crashed_workers_event_comes_again(void **state)
{
    (void)state;
    child_start(crashing);
    send_event("crash-1", "crash-once", 107);
    assert_true(child_says("begin crash-1 1"));
    assert_int_equal(child_ends(), 7);
    child_start(crashing);
    assert_true(child_says("end crash-1 2"));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void what_always_crashes_ends_as_a_dead_letter(void **state)
{
    (void)state;
    for (int attempt = 1; attempt <= 6; attempt++) { /* three, and three that may have been handed back */
        char line[64];
        child_start(crashing);
        if (attempt == 1)
            send_event("poison-1", "crash", 108);
        snprintf(line, sizeof(line), "begin poison-1 %d", attempt);
        assert_true(child_says(line));
        assert_int_equal(child_ends(), 7);
    }
    child_start(crashing);
    expect_run(108, "failed", 7, "gave up after 6 attempts: the last of them ended without a verdict");
    json_t *letter = last_message(RB_STREAM_DEAD, "dead.tester.repo.connected", NULL);
    assert_string_equal(json_string_value(json_object_get(json_object_get(letter, "event"), "id")),
                        "poison-1");
    json_decref(letter);
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

/* ---- outages of the server ---------------------------------------------------------------------------- */

static void a_killed_server_loses_no_work(void **state)
{
    (void)state;
    child_start(short_ack_wait);
    send_event("outage-1", "wait", 109);
    assert_true(child_says("begin outage-1 1"));
    nats_kill(&nats);
    assert_true(child_is_silent(1500)); /* longer than the ack wait */
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    /* Delivered anew while the first delivery is still at work: left to that one. */
    assert_true(child_is_silent(2000));
    child_go();
    assert_true(child_says("end outage-1 1"));
    expect_nothing_pending();
    send_event("outage-2", "", 110);
    assert_true(child_says("end outage-2 1"));
    assert_int_equal(child_stop(), 0);
}

static void a_server_that_lost_everything_is_made_whole(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("wipe-0", "", 111);
    assert_true(child_says("end wipe-0 1"));
    nats_kill(&nats);
    nats_wipe(&nats);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    send_event("wipe-1", "", 111);
    assert_true(child_says("end wipe-1 1"));
    expect_run(111, "done", 1, "");
    assert_int_equal(child_stop(), 0);
}

/* A stream made anew counts from 1 again: the answer to an event of the lost one must not hit another. */
static void a_late_answer_hits_no_other_event(void **state)
{
    (void)state;
    child_start(short_ack_wait);
    send_event("lost-1", "wait", 120);
    assert_true(child_says("begin lost-1 1"));
    nats_kill(&nats);
    nats_wipe(&nats);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    send_event("new-1", "hang", 121); /* has the sequence that lost-1 had */
    assert_true(child_says("begin new-1 1"));
    child_go();
    assert_true(child_says("end lost-1 1"));
    expect_run(120, "done", 1, "");
    kill(child.process.pid, SIGKILL);
    assert_int_equal(child_ends(), 1000 + SIGKILL);
    child_start(short_ack_wait);
    assert_true(child_says("begin new-1 "));
    kill(child.process.pid, SIGKILL);
    assert_int_equal(child_ends(), 1000 + SIGKILL);
}

static void a_refused_request_is_not_repeated_in_haste(void **state)
{
    static const char one_worker[] = "WORKERS=1";
    static const char *const settings[] = {one_worker, NULL};
    static const char next[] = "$JS.API.CONSUMER.MSG.NEXT.REPOBUS.tester";
    natsSubscription *spy = NULL;
    int64_t until = 0;
    int requests = 0;
    (void)state;
    assert_int_equal(natsConnection_SubscribeSync(&spy, bus->nc, next), NATS_OK);
    child_start(settings);
    while (requests < 2 || rb_clock_ms() < until) { /* however long the machine takes for a second one */
        natsMsg *request = NULL, *status = NULL;
        natsStatus s = natsSubscription_NextMsg(&request, spy, requests < 2 ? PATIENCE_MS : 100);
        assert_true(s == NATS_OK || requests >= 2);
        if (s == NATS_OK) {
            assert_int_equal(natsMsg_Create(&status, natsMsg_GetReply(request), NULL, NULL, 0), NATS_OK);
            assert_int_equal(natsMsgHeader_Set(status, "Status", "409"), NATS_OK);
            assert_int_equal(natsConnection_PublishMsg(bus->nc, status), NATS_OK);
            requests++;
        }
        natsMsg_Destroy(status);
        natsMsg_Destroy(request);
        if (until == 0)
            until = rb_clock_ms() + 1500;
    }
    assert_in_range(requests, 2, 8);
    send_event("hasty-1", "", 122); /* and it is well again */
    assert_true(child_says("end hasty-1 1"));
    assert_int_equal(child_stop(), 0);
    assert_int_equal(natsConnection_FlushTimeout(bus->nc, PATIENCE_MS), NATS_OK);
    natsSubscription_Destroy(spy); /* nothing comes to it any more: nats.c 3.4.1 would crash */
}

static void a_deleted_consumer_is_made_again(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("consumer-1", "", 112);
    assert_true(child_says("end consumer-1 1"));
    expect_nothing_pending();
    /* 2.9.10 may say that the consumer's folder is not empty, since it writes there at the same time; the
     * consumer is gone all the same. */
    jsErrCode code = 0;
    natsStatus deleted = js_DeleteConsumer(bus->js, RB_STREAM_EVENTS, "tester", NULL, &code);
    if (deleted != NATS_OK && !strstr(nats_GetLastError(NULL), "directory not empty"))
        fail_msg("deleting the consumer: %d %d %s", (int)deleted, (int)code, nats_GetLastError(NULL));
    send_event("consumer-2", "", 112);
    assert_true(child_says("end consumer-2 1"));
    assert_int_equal(child_stop(), 0);
}

/* As after an election that the stream of what operators decide still waits for. */
static void what_operators_decide_is_not_waited_for_again(void **state)
{
    (void)state;
    child_start(NULL);
    send_event("before-1", "", 122);
    assert_true(child_says("end before-1 1"));
    assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_CONTROL, NULL, NULL), NATS_OK);
    nats_kill(&nats);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    bus->setup_at_ms = rb_clock_ms(); /* publishing heals nothing yet */
    send_event("after-1", "", 123);
    assert_true(child_says("end after-1 1"));
    assert_int_equal(child_stop(), 0);
}

static void starts_before_the_server(void **state)
{
    (void)state;
    nats_kill(&nats);
    child_start(NULL);
    assert_true(child_is_silent(300));
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    send_event("before-1", "", 113);
    assert_true(child_says("end before-1 1"));
    assert_int_equal(child_stop(), 0);
}

/* ---- draining ----------------------------------------------------------------------------------------- */

/* What takes so long does not happen in a test: what ends, ends by something else. */
static const char *const endless[] = {"DRAIN_SECONDS=3600", "RB_ACK_WAIT_MS=3600000", NULL};

static void an_idle_subscriber_ends_at_once(void **state)
{
    (void)state;
    child_start(endless);
    send_event("idle-1", "", 114);
    assert_true(child_says("end idle-1 1"));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void a_subscriber_without_a_server_ends_at_once(void **state)
{
    (void)state;
    child_start(endless);
    send_event("alone-1", "", 115);
    assert_true(child_says("end alone-1 1"));
    nats_kill(&nats);
    assert_int_equal(child_stop(), 0);
}

static void draining_lets_work_finish(void **state)
{
    (void)state;
    child_start(endless);
    send_event("drain-1", "wait", 116);
    assert_true(child_says("begin drain-1 1"));
    kill(child.process.pid, SIGTERM);
    assert_true(child_says("draining drain-1 1"));
    send_event("drain-2", "", 116); /* not taken by one that drains */
    assert_true(child_is_silent(300));
    child_go();
    assert_true(child_says("end drain-1 1"));
    assert_int_equal(child_ends(), 0);
    expect_run(116, "done", 1, "");
    child_start(NULL);
    assert_true(child_says("end drain-2 "));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void unfinished_work_is_handed_back(void **state)
{
    static const char *const soon[] = {"DRAIN_SECONDS=1", "RB_ACK_WAIT_MS=3600000", NULL};
    (void)state;
    child_start(soon);
    send_event("back-1", "wait", 117);
    assert_true(child_says("begin back-1 1"));
    assert_int_equal(child_stop(), 0);
    look_again_soon(100); /* nobody asks the server when the event is due: the next process comes later */
    child_start(endless);
    assert_true(child_says("begin back-1 1"));
    child_go();
    assert_true(child_says("end back-1 1"));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

/* The server counts deliveries that were handed back; they are no attempts of the handler. */
static void handing_back_uses_up_no_attempt(void **state)
{
    static const char *const at_once[] = {"DRAIN_SECONDS=0", "RB_ACK_WAIT_MS=3600000", NULL};
    (void)state;
    send_event("deploy-1", "wait", 119);
    for (int delivery = 1; delivery <= 7; delivery++) { /* three attempts, three beyond, and one more */
        child_start(at_once);
        assert_true(child_says("begin deploy-1 1"));
        assert_int_equal(child_stop(), 0);
    }
    child_start(endless);
    assert_true(child_says("begin deploy-1 1"));
    child_go();
    assert_true(child_says("end deploy-1 1"));
    expect_run(119, "done", 1, "");
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void a_second_signal_ends_at_once(void **state)
{
    static const char *const settings[] = {"DRAIN_SECONDS=3600", "RB_ACK_WAIT_MS=900", NULL};
    (void)state;
    child_start(settings);
    send_event("twice-1", "wait", 118);
    assert_true(child_says("begin twice-1 1"));
    kill(child.process.pid, SIGTERM);
    kill(child.process.pid, SIGINT);
    assert_int_equal(child_ends(), 1);
    child_start(settings);
    child_go();
    assert_true(child_says("end twice-1 2"));
    expect_nothing_pending();
    assert_int_equal(child_stop(), 0);
}

static void wrong_settings_end_the_process(void **state)
{
    static const char *const wrong[] = {"WORKERS=none", NULL};
    (void)state;
    child_start(wrong);
    assert_int_equal(child_ends(), 1);
}

/* Each with a server of its own. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_server, stop_server)

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "subscriber") == 0)
        return run_subscriber();
    const struct CMUnitTest tests[] = {
        TEST(done_is_done),
        TEST(an_end_that_is_not_heard_of_comes_again),
        TEST(retry_comes_again),
        TEST(reject_leaves_a_dead_letter),
        TEST(gives_up_after_the_last_attempt),
        TEST(rubbish_goes_straight_to_the_dead_letters),
        TEST(a_reason_cut_within_a_character_is_told),
        TEST(what_has_no_route_is_acknowledged),
        TEST(events_without_a_run),
        TEST(events_that_follow_are_published_once),
        TEST(long_work_is_kept_alive),
        TEST(a_crashed_workers_event_comes_again),
        TEST(what_always_crashes_ends_as_a_dead_letter),
        TEST(a_killed_server_loses_no_work),
        TEST(a_server_that_lost_everything_is_made_whole),
        TEST(a_late_answer_hits_no_other_event),
        TEST(a_refused_request_is_not_repeated_in_haste),
        TEST(a_deleted_consumer_is_made_again),
        TEST(what_operators_decide_is_not_waited_for_again),
        TEST(starts_before_the_server),
        TEST(an_idle_subscriber_ends_at_once),
        TEST(a_subscriber_without_a_server_ends_at_once),
        TEST(draining_lets_work_finish),
        TEST(unfinished_work_is_handed_back),
        TEST(handing_back_uses_up_no_attempt),
        TEST(a_second_signal_ends_at_once),
        TEST(wrong_settings_end_the_process),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
