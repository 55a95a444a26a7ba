/* A private nats-server for tests of the bus: its own folder, a free port, restarts on the same one. */
#ifndef RB_TESTS_BUS_NATS_H
#define RB_TESTS_BUS_NATS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* cmocka wants these four before it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/private.h"

extern char **environ;

struct nats_fixture {
    pid_t pid;
    int port;
    char dir[64];
    char url[64];
};

static inline int nats_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* Starts the server; those who need it wait with rb_bus_wait(). NATS_SERVER selects another binary. */
static inline void nats_launch(struct nats_fixture *nats)
{
    char port[16];
    const char *binary = getenv("NATS_SERVER");
    snprintf(port, sizeof(port), "%d", nats->port);
    const char *const argv[] = {"nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", nats->dir, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawnp(&nats->pid, binary ? binary : "nats-server", &actions, NULL,
                                  (char *const *)argv, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
}

static inline void nats_kill(struct nats_fixture *nats)
{
    if (nats->pid > 0) {
        kill(nats->pid, SIGKILL);
        waitpid(nats->pid, NULL, 0);
        nats->pid = 0;
    }
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
    nats->port = nats_free_port();
    snprintf(nats->url, sizeof(nats->url), "nats://127.0.0.1:%d", nats->port);
    nats_launch(nats);
}

static inline void nats_stop(struct nats_fixture *nats)
{
    nats_kill(nats);
    nats_wipe(nats);
}

static inline struct rb_bus *nats_connect(const struct nats_fixture *nats)
{
    struct rb_bus *bus = NULL;
    assert_int_equal(rb_bus_connect(&bus, &(struct rb_bus_options){.url = nats->url, .name = "test"}), RB_OK);
    assert_int_equal(rb_bus_wait(bus, 10000), RB_OK);
    return bus;
}

/* JetStream answers a moment after the port is open. */
static inline void nats_setup(struct rb_bus *bus)
{
    int64_t deadline = rb_clock_ms() + 10000;
    rb_err err = rb_bus_setup(bus);
    while (err && err != RB_ECONFLICT && rb_clock_ms() < deadline)
        err = rb_bus_setup(bus);
    if (err)
        fail_msg("setup: %s", rb_error_text());
}

#endif
