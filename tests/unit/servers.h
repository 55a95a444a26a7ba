/* The private servers of tests/servers, for unit tests: a folder of their own, gone at the end. */
#ifndef RB_TESTS_SERVERS_H
#define RB_TESTS_SERVERS_H

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* cmocka wants these before it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern char **environ;

/* Runs a program and waits; up to `size` bytes of its standard output go to `out` (NULL: nowhere). Its exit
 * status. */
static inline int servers_run(const char *const argv[], char *out, size_t size)
{
    posix_spawn_file_actions_t actions;
    int pipes[2], status = -1;
    pid_t pid = 0;
    size_t used = 0;
    char rest[4096];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    for (;;) {
        ssize_t got = read(pipes[0], rest, sizeof rest);
        if (got <= 0)
            break;
        if (out && used + (size_t)got < size) {
            memcpy(out + used, rest, (size_t)got);
            used += (size_t)got;
        }
    }
    close(pipes[0]);
    if (out)
        out[used] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A new folder; PostgreSQL, which runs under another account when we are root, may pass through it. */
static inline void servers_folder(char dir[64])
{
    snprintf(dir, 64, "/tmp/rb-servers-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0711), 0);
}

static inline void servers_remove(const char *dir)
{
    const char *const argv[] = {"rm", "-rf", dir, NULL};
    servers_run(argv, NULL, 0);
}

/* tests/servers/NAME VERB DIR/NAME; what it prints, without the last line end. Its exit status. */
static inline int servers_do(char *out, size_t size, const char *name, const char *verb, const char *dir)
{
    char script[64], where[128];
    snprintf(script, sizeof script, "tests/servers/%s", name);
    snprintf(where, sizeof where, "%s/%s", dir, name);
    const char *const argv[] = {script, verb, where, NULL};
    int status = servers_run(argv, out, size);
    if (out && *out && out[strlen(out) - 1] == '\n')
        out[strlen(out) - 1] = '\0';
    return status;
}

/* Applies the migrations to the database at `url`. */
static inline void servers_migrate(const char *url)
{
    const char *const argv[] = {"migrations/apply", NULL};
    setenv("DATABASE_URL", url, 1);
    assert_int_equal(servers_run(argv, NULL, 0), 0);
}

#endif
