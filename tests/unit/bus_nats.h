/*
 * A private nats-server for tests of the bus: its own folder and port, restarts on the same one. It starts in
 * some ten milliseconds, so each test has its own, and one that fails leaves nothing to the next.
 *
 * The port is held by a socket of ours that is bound but does not listen: no other program is given it, not
 * even while the server is down, and the server may listen on it all the same (both set SO_REUSEADDR).
 */
#ifndef RB_TESTS_BUS_NATS_H
#define RB_TESTS_BUS_NATS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* cmocka wants these four before it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/private.h"

extern char **environ;

/* How long a test waits for what must come: far beyond what a machine with other work needs. What must come
 * sooner than this is told by its result, never by a clock. */
#define PATIENCE_MS 60000

struct nats_fixture {
    pid_t pid;
    int port, port_fd;
    bool is_plain; /* without JetStream, which the test plays then */
    int log_fd;    /* the server's standard error; its few lines fit into the pipe */
    char dir[64];
    char url[64];
};

/* A port of 127.0.0.1 that is ours until `fd` is closed. */
static inline int nats_hold_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    const int on = 1;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* Waits for the line with which the server says that it listens. */
static inline void nats_await_ready(struct nats_fixture *nats)
{
    char log[8192];
    size_t len = 0;
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;

    for (;;) {
        struct pollfd fd = {.fd = nats->log_fd, .events = POLLIN};
        int64_t left = deadline - rb_clock_ms();
        ssize_t n = -1;
        if (left > 0 && len < sizeof(log) - 1 && poll(&fd, 1, (int)left) == 1)
            n = read(nats->log_fd, log + len, sizeof(log) - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        log[len] = '\0';
        if (strstr(log, "Server is ready"))
            return;
    }
    fail_msg("nats-server does not start: %.*s", (int)len, log);
}

/* Starts the server and waits until it listens. NATS_SERVER selects another binary. */
static inline void nats_launch(struct nats_fixture *nats)
{
    int log[2];
    char port[16];
    const char *binary = getenv("NATS_SERVER");

    snprintf(port, sizeof(port), "%d", nats->port);
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    nats->pid = fork();
    if (nats->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the test */
        dup2(log[1], STDERR_FILENO);
        (void)mkdir(nats->dir, 0700); /* gone when it was wiped */
        if (chdir(nats->dir)) /* 2.9.10 writes files of a consumer that is being deleted where it stands */
            _exit(127);
        execlp(binary ? binary : "nats-server", "nats-server", "-a", "127.0.0.1", "-p", port, "-sd",
               nats->dir, nats->is_plain ? NULL : "-js", NULL);
        _exit(127);
    }
    close(log[1]);
    nats->log_fd = log[0];
    nats_await_ready(nats);
}

static inline void nats_kill(struct nats_fixture *nats)
{
    if (nats->pid > 0) {
        kill(nats->pid, SIGKILL);
        waitpid(nats->pid, NULL, 0);
        close(nats->log_fd);
        nats->pid = 0;
    }
}

/* Stops it without a word to its clients; returns when all of it has stopped. */
static inline void nats_hang(const struct nats_fixture *nats)
{
    int status = 0;
    assert_int_equal(kill(nats->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(nats->pid, &status, WUNTRACED), nats->pid);
    assert_true(WIFSTOPPED(status));
}

static inline void nats_go_on(const struct nats_fixture *nats)
{
    assert_int_equal(kill(nats->pid, SIGCONT), 0);
}

static inline void nats_wipe(const struct nats_fixture *nats)
{
    pid_t pid;
    const char *const argv[] = {"rm", "-rf", nats->dir, NULL};
    if (posix_spawnp(&pid, "rm", NULL, NULL, (char *const *)argv, environ) == 0)
        waitpid(pid, NULL, 0);
}

static inline void nats_start(struct nats_fixture *nats)
{
    memset(nats, 0, sizeof(*nats));
    snprintf(nats->dir, sizeof(nats->dir), "/tmp/rb-bus-test-XXXXXX");
    assert_non_null(mkdtemp(nats->dir));
    nats->port = nats_hold_port(&nats->port_fd);
    snprintf(nats->url, sizeof(nats->url), "nats://127.0.0.1:%d", nats->port);
    nats_launch(nats);
}

static inline void nats_stop(struct nats_fixture *nats)
{
    nats_kill(nats);
    nats_wipe(nats);
    close(nats->port_fd);
}

static inline struct rb_bus *nats_connect(const struct nats_fixture *nats)
{
    struct rb_bus *bus = NULL;
    assert_int_equal(rb_bus_connect(&bus, &(struct rb_bus_options){.url = nats->url, .name = "test"}), RB_OK);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    return bus;
}

/* JetStream answers a moment after the port is open. */
static inline void nats_setup(struct rb_bus *bus)
{
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;
    rb_err err = rb_bus_setup(bus);
    while (err && err != RB_ECONFLICT && rb_clock_ms() < deadline)
        err = rb_bus_setup(bus);
    if (err)
        fail_msg("setup: %s", rb_error_text());
}

#endif
