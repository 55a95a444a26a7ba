/*
 * A subscriber as a process of its own, for tests of the runtime: the test's program, started again with
 * "subscriber" as its argument, so that it can be killed and drained. What happened in it is told on a pipe,
 * and a handler that waits does so until it is told to go on. It is named "tester".
 */
#ifndef RB_TESTS_BUS_CHILD_H
#define RB_TESTS_BUS_CHILD_H

#include "tests/unit/bus_nats.h"

#define REPORT_FD 100
#define GO_FD     101

static inline void report(const struct rb_work *work, const char *what)
{
    dprintf(REPORT_FD, "%s %s %d\n", what, rb_work_event(work)->id, rb_work_attempt(work));
}

/* ---- in the test -------------------------------------------------------------------------------------- */

/* The one subscriber of a test at a time; the teardown ends what a failed test left. */
static struct {
    pid_t pid;
    int report, go;
    char buffer[4096];
    size_t len;
} child;

static struct nats_fixture nats;
static struct rb_bus *bus;

/* `settings`: "NAME=value" up to NULL, besides what all children have. */
static inline void child_start(const char *const *settings)
{
    int report_pipe[2], go_pipe[2];
    assert_int_equal(child.pid, 0);
    memset(&child, 0, sizeof(child));
    assert_int_equal(pipe2(report_pipe, O_CLOEXEC), 0);
    assert_int_equal(pipe2(go_pipe, O_CLOEXEC), 0);
    child.pid = fork();
    if (child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the test */
        dup2(report_pipe[1], REPORT_FD);
        dup2(go_pipe[0], GO_FD);
        setenv("NATS_URL", nats.url, 1);
        setenv("HEALTH_PORT", "0", 1);
        for (; settings && *settings; settings++)
            putenv((char *)*settings);
        execl("/proc/self/exe", "bus_runtime_test", "subscriber", NULL);
        _exit(127);
    }
    close(report_pipe[1]);
    close(go_pipe[0]);
    child.report = report_pipe[0];
    child.go = go_pipe[1];
}

static inline int child_reap(void)
{
    int status;
    waitpid(child.pid, &status, 0);
    close(child.report);
    close(child.go);
    child.pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
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
        struct pollfd fd = {.fd = child.report, .events = POLLIN};
        int64_t left = deadline - rb_clock_ms();
        if (left <= 0 || poll(&fd, 1, (int)left) <= 0)
            return false;
        ssize_t n = read(child.report, child.buffer + child.len, sizeof(child.buffer) - child.len);
        if (n <= 0)
            fail_msg("the subscriber ended with %d before \"%s\"", child_reap(), line);
        child.len += (size_t)n;
    }
}

static inline bool child_is_silent(int ms)
{
    struct pollfd fd = {.fd = child.report, .events = POLLIN};
    return child.len == 0 && poll(&fd, 1, ms) == 0;
}

static inline void child_go(void)
{
    assert_int_equal(write(child.go, "g", 1), 1);
}

/* The exit status of a child that ends by itself. */
static inline int child_ends(void)
{
    /* POLLHUP when the child, its only writer, is gone */
    struct pollfd fd = {.fd = child.report, .events = 0};
    if (poll(&fd, 1, PATIENCE_MS) != 1)
        fail_msg("the subscriber does not end");
    return child_reap();
}

static inline int child_stop(void)
{
    kill(child.pid, SIGTERM);
    return child_ends();
}

static inline void send_on(const char *subject, const char *id, const char *mode, int64_t installation)
{
    struct rb_buf body;
    json_t *data = json_pack("{ss sI sI}", "mode", mode, "installation_id", (json_int_t)installation,
                             "generation", (json_int_t)4);
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
    if (child.pid) {
        kill(child.pid, SIGKILL);
        child_reap();
    }
    rb_bus_close(bus);
    bus = NULL;
    nats_stop(&nats);
    return 0;
}

#endif
