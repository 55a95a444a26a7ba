/*
 * This test's own program, started again with "subscriber" as its argument, so that a subscriber can be
 * killed and drained. What happens in it is told on a pipe; a handler that waits does so until it is told to
 * go on.
 *
 * A test has threads (those of nats.c), and one of them may hold the allocator's lock at the moment of the
 * fork: whatever allocates in the child, setenv() included, could wait for that lock for ever. So the
 * environment is made before the fork, and the child calls nothing but what signal-safety(7) lists until it
 * is another program.
 */
#ifndef RB_TESTS_BUS_PROCESS_H
#define RB_TESTS_BUS_PROCESS_H

#include "tests/unit/bus_nats.h"

#define REPORT_FD 100
#define GO_FD     101

struct process {
    pid_t pid;
    int report, go; /* what it tells, what it waits for */
};

/* `settings`: "NAME=value" up to NULL, which count before the environment of the test; or NULL. */
static inline void process_start(struct process *process, const struct nats_fixture *nats,
                                 const char *const *settings)
{
    char url[128];
    char health[] = "HEALTH_PORT=0", name[] = "bus_test", as[] = "subscriber";
    char *argv[] = {name, as, NULL}, *env[512] = {url};
    size_t n = 1;
    int report[2], go[2];

    snprintf(url, sizeof(url), "NATS_URL=%s", nats->url);
    for (; settings && *settings; settings++)
        env[n++] = (char *)*settings;
    env[n++] = health;
    for (char **old = environ; *old; old++) { /* getenv() takes the first of a name */
        assert_true(n < sizeof(env) / sizeof(env[0]) - 1);
        env[n++] = *old;
    }
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    process->pid = fork();
    if (process->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the test */
        dup2(report[1], REPORT_FD);
        dup2(go[0], GO_FD);
        execve("/proc/self/exe", argv, env);
        _exit(127);
    }
    assert_true(process->pid > 0);
    close(report[1]);
    close(go[0]);
    process->report = report[0];
    process->go = go[1];
}

static inline void process_go(const struct process *process)
{
    assert_int_equal(write(process->go, "g", 1), 1);
}

/* The exit status, or 1000 and the number of the signal. Blocks until it has ended. */
static inline int process_reap(struct process *process)
{
    int status;
    waitpid(process->pid, &status, 0);
    close(process->report);
    close(process->go);
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The exit status of one that ends by itself. */
static inline int process_ends(struct process *process)
{
    struct pollfd fd = {.fd = process->report, .events = 0}; /* POLLHUP when its only writer is gone */
    if (poll(&fd, 1, PATIENCE_MS) != 1)
        fail_msg("the subscriber does not end");
    return process_reap(process);
}

#endif
