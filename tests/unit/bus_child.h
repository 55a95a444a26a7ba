/*
 * A subscriber as a process of its own (bus_process.h), for tests of the runtime: one at a time, named
 * "tester", whose handlers report lines. The teardown ends what a failed test left.
 */
#ifndef RB_TESTS_BUS_CHILD_H
#define RB_TESTS_BUS_CHILD_H

#include "tests/unit/bus_process.h"

static inline void report(const struct rb_work *work, const char *what)
{
    dprintf(REPORT_FD, "%s %s %d\n", what, rb_work_event(work)->id, rb_work_attempt(work));
}

/* What the child is: one handler, and what `more` asks for besides. */
static inline int run_tester(const char *subject, rb_handler_fn handler, struct rb_subscriber more)
{
    const struct rb_route routes[] = {{subject, handler}, {NULL, NULL}};
    more.name = "tester";
    more.filter = strncmp(subject, "repo.", 5) == 0 ? "repo.*" : "github.*";
    more.routes = routes;
    rb_log_init(more.name);
    return rb_subscriber_run(&more);
}

/* ---- in the test -------------------------------------------------------------------------------------- */

static struct {
    struct process process;
    char buffer[4096];
    size_t len;
} child;

static struct nats_fixture nats;
static struct rb_bus *bus;

/* `settings`: "NAME=value" up to NULL, besides what all children have. */
static inline void child_start(const char *const *settings)
{
    assert_int_equal(child.process.pid, 0);
    child.len = 0;
    process_start(&child.process, &nats, settings);
}

/* True when a line that begins with `line` is reported; lines before it are dropped. */
static inline bool child_says(const char *line)
{
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;
    for (;;) {
        char *end = memchr(child.buffer, '\n', child.len);
        if (end) {
            *end = '\0';
            bool same = strncmp(child.buffer, line, strlen(line)) == 0;
            child.len -= (size_t)(end + 1 - child.buffer);
            memmove(child.buffer, end + 1, child.len);
            if (same)
                return true;
            continue;
        }
        struct pollfd fd = {.fd = child.process.report, .events = POLLIN};
        int64_t left = deadline - rb_clock_ms();
        if (left <= 0 || poll(&fd, 1, (int)left) <= 0)
            return false;
        ssize_t n = read(child.process.report, child.buffer + child.len, sizeof(child.buffer) - child.len);
        if (n <= 0)
            fail_msg("the subscriber ended with %d before \"%s\"", process_reap(&child.process), line);
        child.len += (size_t)n;
    }
}

/* The next line that is reported, whatever it is. */
static inline void child_line(char *out, size_t size)
{
    char *end;
    while (!(end = memchr(child.buffer, '\n', child.len))) {
        struct pollfd fd = {.fd = child.process.report, .events = POLLIN};
        if (poll(&fd, 1, PATIENCE_MS) != 1)
            fail_msg("the subscriber says nothing");
        ssize_t n = read(child.process.report, child.buffer + child.len, sizeof(child.buffer) - child.len);
        assert_true(n > 0);
        child.len += (size_t)n;
    }
    *end = '\0';
    size_t len = strlen(child.buffer);
    assert_true(len < size);
    memcpy(out, child.buffer, len + 1);
    child.len -= (size_t)(end + 1 - child.buffer);
    memmove(child.buffer, end + 1, child.len);
}

/* These lines are the next ones, up to NULL. */
static inline void child_says_next(const char *const *lines)
{
    char line[256];
    for (; *lines; lines++) {
        child_line(line, sizeof(line));
        assert_string_equal(line, *lines);
    }
}

static inline bool child_is_silent(int ms)
{
    struct pollfd fd = {.fd = child.process.report, .events = POLLIN};
    return child.len == 0 && poll(&fd, 1, ms) == 0;
}

static inline void child_go(void)
{
    process_go(&child.process);
}

static inline int child_ends(void)
{
    return process_ends(&child.process);
}

static inline int child_stop(void)
{
    kill(child.process.pid, SIGTERM);
    return child_ends();
}

static inline void send_on(const char *subject, const char *id, const char *mode, int64_t installation)
{
    struct rb_buf body;
    json_t *data = json_pack("{ss sI sI sI}", "mode", mode, "installation_id", (json_int_t)installation,
                             "repo_id", (json_int_t)installation, "generation", (json_int_t)4);
    rb_buf_init(&body, RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, subject, id, "/test", NULL, data), RB_OK);
    rb_err err = rb_bus_publish(NULL, bus, subject, id, NULL, body.data, body.len);
    if (err)
        fail_msg("publishing: %s", rb_error_text());
    json_decref(data);
    rb_buf_free(&body);
}

static inline void send_event(const char *id, const char *mode, int64_t installation)
{
    send_on(RB_REPO_CONNECTED, id, mode, installation);
}

static inline void send_disconnected(int64_t installation, int64_t generation)
{
    struct rb_buf body;
    json_t *data = json_pack("{ss sI sI}", "mode", "", "installation_id", (json_int_t)installation,
                             "generation", (json_int_t)generation);
    rb_buf_init(&body, RB_EVENT_MAX);
    assert_int_equal(rb_event_encode(&body, RB_REPO_DISCONNECTED, NULL, "/test", NULL, data), RB_OK);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_DISCONNECTED, NULL, NULL, body.data, body.len), RB_OK);
    json_decref(data);
    rb_buf_free(&body);
}

/* Between two looks at what is to become true on the server. */
static inline void look_again_soon(int ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000L};
    nanosleep(&pause, NULL);
}

/* The last message on a subject as JSON, awaited; `state` may ask for one of a run. */
static inline json_t *last_message(const char *stream, const char *subject, const char *state)
{
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;
    json_t *root = NULL;
    for (; !root && rb_clock_ms() < deadline; look_again_soon(5)) {
        natsMsg *msg = NULL;
        if (js_GetLastMsg(&msg, bus->js, stream, subject, NULL, NULL) == NATS_OK)
            root = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
        natsMsg_Destroy(msg);
        const char *is = json_string_value(json_object_get(root, "state"));
        if (root && state && (!is || strcmp(is, state) != 0)) {
            json_decref(root);
            root = NULL;
        }
    }
    if (!root)
        fail_msg("nothing%s%s on %s", state ? " " : "", state ? state : "", subject);
    return root;
}

static inline void expect_run(int installation, const char *state, int attempt, const char *error)
{
    char subject[64];
    snprintf(subject, sizeof(subject), "run.%d.tester", installation);
    json_t *run = last_message(RB_STREAM_RUNS, subject, state);
    assert_int_equal(json_integer_value(json_object_get(run, "attempt")), attempt);
    assert_int_equal(json_integer_value(json_object_get(run, "generation")), 4);
    assert_string_equal(json_string_value(json_object_get(run, "error")), error);
    json_decref(run);
}

/* All events have been answered for good. */
static inline void expect_nothing_pending(void)
{
    int64_t deadline = rb_clock_ms() + PATIENCE_MS, pending = -1;
    for (; pending != 0 && rb_clock_ms() < deadline; look_again_soon(5)) {
        jsConsumerInfo *info = NULL;
        if (js_GetConsumerInfo(&info, bus->js, RB_STREAM_EVENTS, "tester", NULL, NULL) == NATS_OK)
            pending = info->NumAckPending + (int64_t)info->NumPending;
        jsConsumerInfo_Destroy(info);
    }
    if (pending != 0)
        fail_msg("%d events are not answered", (int)pending);
}

static inline int start_server(void **state)
{
    (void)state;
    nats_start(&nats);
    bus = nats_connect(&nats);
    nats_setup(bus);
    return 0;
}

static inline int stop_server(void **state)
{
    (void)state;
    if (child.process.pid) {
        kill(child.process.pid, SIGKILL);
        process_reap(&child.process);
    }
    rb_bus_close(bus);
    bus = NULL;
    nats_stop(&nats);
    return 0;
}

#endif
