/*
 * Request-reply against a real server: whoever asks is answered exactly once, whatever becomes of the one who
 * answers. Answers come from plain NATS here, so that they can be hostile, and from the subscriber runtime in
 * a process of its own: this same program, started again with "subscriber" as its argument.
 */
#include "tests/unit/bus_process.h"

#define HOUR_MS 3600000
#define SUBJECT "test.question"
/* What the runtime lets a question wait at most: here for ever. */
#define UNHURRIED "RB_QUERY_WAIT_MS=3600000"

/* ---- the subscriber, in a child ------------------------------------------------------------------------ */

static const char *question_mode(const json_t *question)
{
    const char *mode = json_string_value(json_object_get(question, "mode"));
    return mode ? mode : "";
}

static rb_err answer(struct rb_buf *out, const json_t *question, struct rb_arena *arena, void *app,
                     void *local)
{
    const char *mode = question_mode(question);
    (void)app;
    if (strcmp(local, "local") != 0)
        return rb_error_set(RB_EINTERNAL, "the worker has lost what it opened");
    if (strcmp(mode, "missing") == 0)
        return rb_error_set(RB_ENOTFOUND, "there is no \"%s\" caf\xe9", mode);
    if (strcmp(mode, "bug") == 0)
        return rb_error_set(RB_EINTERNAL, "password=hunter2");
    if (strcmp(mode, "large") == 0) {
        char *much = rb_arena_alloc(arena, RB_ANSWER_MAX + 1);
        memset(much, 'a', RB_ANSWER_MAX + 1);
        return rb_buf_append(out, much, RB_ANSWER_MAX + 1);
    }
    if (strcmp(mode, "crash") == 0)
        _exit(7);
    if (strcmp(mode, "wait") == 0) {
        char byte;
        dprintf(REPORT_FD, "waiting\n");
        (void)!read(GO_FD, &byte, 1);
    }
    if (strcmp(mode, "report") == 0)
        dprintf(REPORT_FD, "at work\n");
    return rb_buf_printf(out, "{\"pid\":%d}", (int)getpid());
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
    static const struct rb_route routes[] = {{NULL, NULL}};
    static const struct rb_query queries[] = {{SUBJECT, answer}, {"test.other", answer}, {NULL, NULL}};
    const struct rb_subscriber subscriber = {
        .name = "tester",
        .filter = "repo.*",
        .routes = routes,
        .queries = queries,
        .worker_open = open_worker,
        .worker_close = close_worker,
    };
    rb_log_init("tester");
    return rb_subscriber_run(&subscriber);
}

static struct nats_fixture nats;
static struct rb_bus *bus;

static struct process child_start(const char *query_wait)
{
    struct process child;
    process_start(&child, &nats, (const char *const[]){query_wait, NULL});
    return child;
}

/* Once a handler has said so: a line of eight bytes. */
static void child_says(const struct process *child, const char *what)
{
    char line[9] = "";
    struct pollfd fd = {.fd = child->report, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    assert_int_equal(read(child->report, line, 8), 8);
    assert_string_equal(line, what);
}

/* ---- asking -------------------------------------------------------------------------------------------- */

/* What came of questions, told by callbacks on threads of libbus. */
struct told {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int count; /* of callbacks */
    int by_err[16];
    rb_err err;
    char text[512], body[256];
    size_t len;
};
#define TOLD                                                                    \
    {                                                                           \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
    }

static void tell(void *arg, const struct rb_answer *answer)
{
    struct told *told = arg;
    pthread_mutex_lock(&told->mutex);
    told->count++;
    told->by_err[-answer->err]++;
    told->err = answer->err;
    told->len = answer->len;
    snprintf(told->text, sizeof(told->text), "%s", answer->text);
    snprintf(told->body, sizeof(told->body), "%.*s", answer->body ? (int)answer->len : 0,
             answer->body ? answer->body : "");
    pthread_cond_broadcast(&told->changed);
    pthread_mutex_unlock(&told->mutex);
}

static void told_await(struct told *told, int count)
{
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&told->mutex);
    while (told->count < count && rc == 0)
        rc = pthread_cond_timedwait(&told->changed, &told->mutex, &until);
    int seen = told->count;
    pthread_mutex_unlock(&told->mutex);
    assert_int_equal(seen, count);
}

static void ask(struct told *told, const char *question, int timeout_ms)
{
    rb_err err = rb_bus_ask(bus, SUBJECT, question, strlen(question), timeout_ms, tell, told);
    if (err)
        fail_msg("asking: %s", rb_error_text());
}

static rb_err ask_and_wait(struct told *told, const char *question)
{
    told->count = 0;
    ask(told, question, HOUR_MS);
    told_await(told, 1);
    return told->err;
}

/* A responder that is ready: asked until it answers. */
static void await_responder(void)
{
    struct told told = TOLD;
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;
    rb_err err = RB_EUNAVAILABLE;
    while (err && rb_clock_ms() < deadline) {
        err = ask_and_wait(&told, "{}");
        if (err)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    assert_int_equal(err, RB_OK);
}

/* A plain listener of ours, whose questions the test takes and answers as it likes. */
static natsSubscription *listen_plainly(struct rb_bus *who)
{
    natsSubscription *sub = NULL;
    assert_int_equal(natsConnection_SubscribeSync(&sub, who->nc, SUBJECT), NATS_OK);
    assert_int_equal(natsConnection_FlushTimeout(who->nc, PATIENCE_MS), NATS_OK);
    return sub;
}

static natsMsg *take(natsSubscription *sub)
{
    natsMsg *msg = NULL;
    assert_int_equal(natsSubscription_NextMsg(&msg, sub, PATIENCE_MS), NATS_OK);
    return msg;
}

static int setup(void **state)
{
    (void)state;
    nats_start(&nats);
    bus = nats_connect(&nats);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rb_bus_close(bus);
    nats_stop(&nats);
    return 0;
}

/* ---- whoever asks -------------------------------------------------------------------------------------- */

static void nobody_answers(void **state)
{
    struct told told = TOLD;
    (void)state;
    assert_int_equal(ask_and_wait(&told, "{}"), RB_EUNAVAILABLE);
    assert_non_null(strstr(told.text, "nobody answers " SUBJECT));
}

static void silence_ends(void **state)
{
    struct told told = TOLD;
    (void)state;
    struct rb_bus *other = nats_connect(&nats);
    natsSubscription *sub = listen_plainly(other);
    ask(&told, "{}", 50);
    told_await(&told, 1);
    assert_int_equal(told.err, RB_ETIMEOUT);
    /* The answer that comes after all finds nobody, also when the place has been taken again. */
    natsMsg *late = take(sub);
    told.count = 0;
    ask(&told, "{}", HOUR_MS);
    natsMsg *msg = take(sub);
    assert_string_not_equal(natsMsg_GetReply(late), natsMsg_GetReply(msg));
    assert_int_equal(natsConnection_PublishString(other->nc, natsMsg_GetReply(late), "late"), NATS_OK);
    assert_int_equal(natsConnection_PublishString(other->nc, natsMsg_GetReply(msg), "{\"in\":\"time\"}"),
                     NATS_OK);
    told_await(&told, 1);
    assert_string_equal(told.body, "{\"in\":\"time\"}");
    natsMsg_Destroy(late);
    natsMsg_Destroy(msg);
    rb_bus_close(other);
    natsSubscription_Destroy(sub);
}

/* Twice, to places and numbers that nobody asked at, with an error that is none: one call each, and it lives.
 */
static void hostile_answers(void **state)
{
    static const struct {
        const char *body;
        rb_err err;
    } answers[] = {
        {"", RB_OK},
        {"rubbish \xff", RB_OK},
        {"{\"error\":", RB_EPROTOCOL},
        {"{\"error\":7}", RB_EPROTOCOL},
        {"{\"error\":{\"code\":\"ok\",\"text\":\"%s%n\"}}", RB_EPROTOCOL},
        {"{\"error\":{\"code\":\"not found\",\"text\":\"%s%n\"}}", RB_ENOTFOUND},
        {"{\"error\":{\"code\":\"not found\"}}", RB_ENOTFOUND},
    };
    static const char *const elsewhere[] = {".0.0",    ".1.99",   ".-1.1", ".4294967296.1",
                                            ".1023.1", ".1024.1", ".x.y",  ".0.18446744073709551616"};
    struct told told = TOLD;
    char subject[512];
    (void)state;
    struct rb_bus *other = nats_connect(&nats);
    natsSubscription *sub = listen_plainly(other);
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        told.count = 0;
        ask(&told, "{}", HOUR_MS);
        natsMsg *msg = take(sub);
        int inbox = (int)(strrchr(natsMsg_GetReply(msg), '.') - natsMsg_GetReply(msg));
        while (natsMsg_GetReply(msg)[--inbox] != '.')
            ;
        for (size_t k = 0; k < sizeof(elsewhere) / sizeof(*elsewhere); k++) {
            snprintf(subject, sizeof(subject), "%.*s%s", inbox, natsMsg_GetReply(msg), elsewhere[k]);
            if (strcmp(subject, natsMsg_GetReply(msg)) != 0)
                assert_int_equal(natsConnection_PublishString(other->nc, subject, "forged"), NATS_OK);
        }
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(natsConnection_PublishString(other->nc, natsMsg_GetReply(msg), answers[i].body),
                             NATS_OK);
        told_await(&told, 1);
        assert_int_equal(told.err, answers[i].err);
        if (!told.err)
            assert_int_equal(told.len, strlen(answers[i].body));
        natsMsg_Destroy(msg);
    }
    /* What came behind the last answer has been looked at once another question is answered. */
    ask(&told, "{}", HOUR_MS);
    natsMsg *msg = take(sub);
    assert_int_equal(natsConnection_PublishString(other->nc, natsMsg_GetReply(msg), "{}"), NATS_OK);
    told_await(&told, 2);
    natsMsg_Destroy(msg);
    rb_bus_close(other);
    natsSubscription_Destroy(sub);
}

static void so_many_and_no_more(void **state)
{
    enum { MOST = 1024 };
    struct told told = TOLD;
    (void)state;
    struct rb_bus *other = nats_connect(&nats);
    natsSubscription *sub = listen_plainly(other);
    for (int i = 0; i < MOST; i++)
        ask(&told, "{}", HOUR_MS);
    assert_int_equal(rb_bus_ask(bus, SUBJECT, "{}", 2, HOUR_MS, tell, &told), RB_ELIMIT);
    /* One is answered: there is room for one. */
    natsMsg *msg = take(sub);
    assert_int_equal(natsConnection_PublishString(other->nc, natsMsg_GetReply(msg), "{}"), NATS_OK);
    natsMsg_Destroy(msg);
    told_await(&told, 1);
    ask(&told, "{}", HOUR_MS);
    assert_int_equal(rb_bus_ask(bus, SUBJECT, "{}", 2, HOUR_MS, tell, &told), RB_ELIMIT);
    /* Closing ends all of them before it returns. */
    rb_bus_close(bus);
    assert_int_equal(told.count, MOST + 1);
    assert_int_equal(told.by_err[-RB_EUNAVAILABLE], MOST);
    bus = nats_connect(&nats);
    rb_bus_close(other);
    natsSubscription_Destroy(sub);
}

static void a_lost_connection_is_told(void **state)
{
    struct told told = TOLD;
    (void)state;
    struct rb_bus *other = nats_connect(&nats);
    natsSubscription *sub = listen_plainly(other);
    ask(&told, "{}", HOUR_MS);
    natsMsg_Destroy(take(sub));
    nats_kill(&nats);
    told_await(&told, 1);
    assert_int_equal(told.err, RB_EUNAVAILABLE);
    /* Refused while there is no server, and no callback for what was refused; then all is as before. */
    assert_int_equal(rb_bus_ask(bus, SUBJECT, "{}", 2, HOUR_MS, tell, &told), RB_EUNAVAILABLE);
    assert_int_equal(told.count, 1);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    assert_int_equal(rb_bus_wait(other, PATIENCE_MS), RB_OK);
    assert_int_equal(natsConnection_FlushTimeout(other->nc, PATIENCE_MS), NATS_OK);
    told.count = 0;
    ask(&told, "{\"again\":1}", HOUR_MS);
    natsMsg *msg = take(sub);
    assert_int_equal(natsConnection_PublishString(other->nc, natsMsg_GetReply(msg), "{}"), NATS_OK);
    told_await(&told, 1);
    assert_int_equal(told.err, RB_OK);
    natsMsg_Destroy(msg);
    rb_bus_close(other);
    natsSubscription_Destroy(sub);
}

static void a_server_that_hangs(void **state)
{
    struct told told = TOLD;
    (void)state;
    nats_hang(&nats);
    for (int i = 0; i < 100; i++)
        ask(&told, "{}", 50);
    told_await(&told, 100);
    assert_int_equal(told.by_err[-RB_ETIMEOUT] + told.by_err[-RB_EUNAVAILABLE], 100);
    nats_go_on(&nats);
}

static void what_cannot_be_asked(void **state)
{
    struct told told = TOLD;
    (void)state;
    char *much = rb_calloc(1, 70000);
    assert_int_equal(rb_bus_ask(bus, SUBJECT, much, 70000, HOUR_MS, tell, &told), RB_ETOOBIG);
    static const char *const subjects[] = {"", "a b", "a.*", "a.>", "a\r\nPUB b 0"};
    for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
        assert_int_equal(rb_bus_ask(bus, subjects[i], "", 0, HOUR_MS, tell, &told), RB_EINVAL);
    assert_int_equal(told.count, 0);
    free(much);
}

/* ---- whoever answers ------------------------------------------------------------------------------------
 */

static void a_subscriber_answers(void **state)
{
    struct told told = TOLD;
    char expected[64];
    (void)state;
    struct process child = child_start(UNHURRIED);
    await_responder();
    assert_int_equal(ask_and_wait(&told, "{}"), RB_OK);
    snprintf(expected, sizeof(expected), "{\"pid\":%d}", child.pid);
    assert_string_equal(told.body, expected);
    assert_int_equal(ask_and_wait(&told, ""), RB_OK);
    assert_int_equal(ask_and_wait(&told, "{\"mode\":\"missing\"}"), RB_ENOTFOUND);
    assert_string_equal(told.text, "there is no \"missing\" caf?");
    assert_int_equal(ask_and_wait(&told, "{\"mode\":\"bug\"}"), RB_EINTERNAL);
    assert_null(strstr(told.text, "hunter2"));
    assert_int_equal(ask_and_wait(&told, "{\"mode\":\"large\"}"), RB_ETOOBIG);
    static const char *const rubbish[] = {"[]", "{", "null", "\xff", "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < sizeof(rubbish) / sizeof(*rubbish); i++)
        assert_int_equal(ask_and_wait(&told, rubbish[i]), RB_EINVAL);
    /* Without an address for the answer there is none, and no harm. */
    assert_int_equal(natsConnection_PublishString(bus->nc, SUBJECT, "{}"), NATS_OK);
    assert_int_equal(ask_and_wait(&told, "{}"), RB_OK);
    kill(child.pid, SIGTERM);
    assert_int_equal(process_ends(&child), 0);
    assert_int_equal(ask_and_wait(&told, "{}"), RB_EUNAVAILABLE);
}

/* Two processes of one name: each question is answered by one of them, and by the other when one is gone. */
static void any_of_two_answers(void **state)
{
    struct told told = TOLD;
    (void)state;
    struct process one = child_start(UNHURRIED), two = child_start(UNHURRIED);
    char of_one[32], of_two[32];
    bool seen_one = false, seen_two = false;
    snprintf(of_one, sizeof(of_one), "{\"pid\":%d}", one.pid);
    snprintf(of_two, sizeof(of_two), "{\"pid\":%d}", two.pid);
    await_responder();
    for (int64_t deadline = rb_clock_ms() + PATIENCE_MS;
         !(seen_one && seen_two) && rb_clock_ms() < deadline;) {
        assert_int_equal(ask_and_wait(&told, "{}"), RB_OK);
        seen_one = seen_one || strcmp(told.body, of_one) == 0;
        seen_two = seen_two || strcmp(told.body, of_two) == 0;
    }
    assert_true(seen_one && seen_two);
    kill(one.pid, SIGTERM);
    assert_int_equal(process_ends(&one), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask_and_wait(&told, "{}"), RB_OK);
        assert_string_equal(told.body, of_two);
    }
    kill(two.pid, SIGTERM);
    assert_int_equal(process_ends(&two), 0);
}

/* Both workers are at work and the queue is full: one more is refused at once. SIGTERM then: all that came is
 * answered, and the process ends well. */
static void draining_answers_what_has_come(void **state)
{
    enum { WORKERS = 2, QUEUE = 64 };
    struct told told = TOLD, refused = TOLD;
    (void)state;
    struct process child = child_start(UNHURRIED);
    await_responder();
    for (int i = 0; i < WORKERS; i++) {
        ask(&told, "{\"mode\":\"wait\"}", HOUR_MS);
        child_says(&child, "waiting\n");
    }
    for (int i = 0; i < QUEUE; i++)
        ask(&told, "{}", HOUR_MS);
    assert_int_equal(ask_and_wait(&refused, "{}"), RB_ELIMIT); /* behind them on the same connection */
    assert_int_equal(told.count, 0);
    kill(child.pid, SIGTERM);
    for (int i = 0; i < WORKERS; i++)
        process_go(&child);
    told_await(&told, WORKERS + QUEUE);
    assert_int_equal(told.by_err[-RB_OK], WORKERS + QUEUE);
    assert_int_equal(process_ends(&child), 0);
}

/* What waited for longer than anybody waits is not worked on. */
static void what_is_too_late_is_dropped(void **state)
{
    struct told told = TOLD, late = TOLD;
    (void)state;
    struct process child =
        child_start("RB_QUERY_WAIT_MS=1500"); /* a busy machine may take long to begin with the first two */
    await_responder();
    for (int i = 0; i < 2; i++) {
        ask(&told, "{\"mode\":\"wait\"}", HOUR_MS);
        child_says(&child, "waiting\n");
    }
    ask(&late, "{\"mode\":\"report\"}", 2500);
    told_await(&late, 1);
    assert_int_equal(late.err, RB_ETIMEOUT);
    for (int i = 0; i < 2; i++)
        process_go(&child);
    told_await(&told, 2);
    /* Dropped before this one is answered: and nothing has reported. */
    await_responder();
    assert_int_equal(poll(&(struct pollfd){.fd = child.report, .events = POLLIN}, 1, 0), 0);
    kill(child.pid, SIGTERM);
    assert_int_equal(process_ends(&child), 0);
}

static void a_crash_while_answering(void **state)
{
    struct told told = TOLD;
    (void)state;
    struct process child = child_start(UNHURRIED);
    await_responder();
    ask(&told, "{\"mode\":\"crash\"}", 200);
    assert_int_equal(process_ends(&child), 7);
    told_await(&told, 1);
    assert_int_equal(told.err, RB_ETIMEOUT);
    assert_int_equal(ask_and_wait(&told, "{}"), RB_EUNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "subscriber") == 0)
        return run_subscriber();
    const struct CMUnitTest tests[] = {
        TEST(nobody_answers),
        TEST(silence_ends),
        TEST(hostile_answers),
        TEST(so_many_and_no_more),
        TEST(a_lost_connection_is_told),
        TEST(a_server_that_hangs),
        TEST(what_cannot_be_asked),
        TEST(a_subscriber_answers),
        TEST(any_of_two_answers),
        TEST(draining_answers_what_has_come),
        TEST(what_is_too_late_is_dropped),
        TEST(a_crash_while_answering),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
