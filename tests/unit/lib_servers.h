/*
 * Real servers for unit tests: a private PostgreSQL, the GitHub stand-in, and a server of canned answers for
 * what no honest server says. Each in a folder and on a port of its own.
 */
#ifndef RB_TESTS_LIB_SERVERS_H
#define RB_TESTS_LIB_SERVERS_H

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>

#include "lib/base/base.h"
#include "tests/unit/servers.h"

/* Starts a program with its standard output in a pipe. */
static inline pid_t server_spawn(int *out, const char *const argv[])
{
    int pipe_fds[2];
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    *out = pipe_fds[0];
    return pid;
}

/* ---- HTTP, one request a connection ------------------------------------------------------------------- */

static inline int http_connect(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

/* On a free port of 127.0.0.1. */
static inline int http_listen(int *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    *port = ntohs(name.sin_port);
    return fd;
}

/* The status; the whole answer, head and body, goes to `answer`. */
static inline int http_ask(char *answer, size_t size, int port, const char *method, const char *path,
                           const char *body)
{
    char *request =
        rb_asprintf("%s %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n%s", method,
                    path, body ? strlen(body) : 0, body ? body : "");
    size_t len = 0;
    ssize_t got;
    int fd = http_connect(port);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    free(request);
    while (len + 1 < size && (got = read(fd, answer + len, size - 1 - len)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    close(fd);
    return len > 12 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

/* ---- PostgreSQL --------------------------------------------------------------------------------------- */

struct postgres_fixture {
    char dir[64];
    char url[256];
};

static inline void postgres_do(struct postgres_fixture *postgres, const char *verb)
{
    char out[256];
    if (servers_do(out, sizeof(out), "postgres", verb, postgres->dir) != 0)
        fail_msg("tests/servers/postgres %s did not succeed", verb);
    if (strcmp(verb, "start") == 0)
        snprintf(postgres->url, sizeof(postgres->url), "%s", out);
}

static inline void postgres_start(struct postgres_fixture *postgres)
{
    servers_folder(postgres->dir);
    setenv("POSTGRES_FSYNC", "off", 1); /* nobody pulls the plug here */
    postgres_do(postgres, "start");
}

static inline void postgres_stop(struct postgres_fixture *postgres)
{
    postgres_do(postgres, "stop");
    servers_remove(postgres->dir);
}

/* ---- the GitHub stand-in ------------------------------------------------------------------------------ */

struct standin_fixture {
    char dir[64];
    char url[64];
    pid_t pid;
    int port, out;
};

static inline void standin_git(const char *dir, const char *script)
{
    const char *const argv[] = {"bash", "-euc", script, "bash", dir, NULL};
    assert_int_equal(servers_run(argv, NULL, 0), 0);
}

/* Serves acme/shop, alice is its admin with the token "token-alice". */
static inline void standin_start(struct standin_fixture *standin)
{
    servers_folder(standin->dir);
    standin_git(standin->dir, "export GIT_CONFIG_GLOBAL=/dev/null; git init -q -b main \"$1/shop\"; cd "
                              "\"$1/shop\"; mkdir -p src/deep; "
                              "echo hello >README.md; printf 'a%.0s' {1..5000} >src/big.txt; echo x "
                              ">src/deep/x.c; ln -s x src/link; "
                              "echo run >run.sh; chmod +x run.sh; git add -A; "
                              "git -c user.name=t -c user.email=t@example.com commit -qm Start");
    const char *folder = getenv("RB_BIN");
    char *binary = rb_asprintf("%s/github-standin", folder ? folder : "build/bin");
    char *repo = rb_asprintf("acme/shop=%s/shop", standin->dir);
    const char *const argv[] = {binary, "--user", "alice=token-alice", "--repo", repo, NULL};
    char line[128] = "";
    size_t len = 0;
    standin->pid = server_spawn(&standin->out, argv);
    while (len + 1 < sizeof(line) && read(standin->out, line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    const char *url = strstr(line, "http://127.0.0.1:");
    if (!url) {
        fail_msg("%s did not start: %s", binary, line);
        return; /* unreachable, which analysers cannot know */
    }
    snprintf(standin->url, sizeof(standin->url), "%s", url);
    standin->port = (int)strtol(url + strlen("http://127.0.0.1:"), NULL, 10);
    free(binary);
    free(repo);
}

static inline void standin_stop(struct standin_fixture *standin)
{
    int status = -1;
    kill(standin->pid, SIGTERM);
    waitpid(standin->pid, &status, 0);
    close(standin->out);
    servers_remove(standin->dir);
    assert_int_equal(status, 0);
}

static inline void standin_control(const struct standin_fixture *standin, const char *method,
                                   const char *path, const char *body)
{
    char answer[4096], full[128];
    snprintf(full, sizeof(full), "/_control%s", path);
    if (http_ask(answer, sizeof(answer), standin->port, method, full, body) != 200)
        fail_msg("%s %s: %s", method, full, answer);
}

/* ---- canned answers ----------------------------------------------------------------------------------- */

/* Answers each connection with the next text, whatever is asked, and closes it. */
struct canned_server {
    const char *const *answers; /* up to NULL */
    char requests[8][2048];     /* heads of what was asked */
    int asked;                  /* read after canned_stop() */
    int fd, port;
    char url[64];
    pthread_t thread;
};

static inline void *canned_main(void *arg)
{
    struct canned_server *server = arg;
    for (int client; (client = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        char *request = server->requests[server->asked < 8 ? server->asked : 7];
        size_t len = 0;
        while (len + 1 < sizeof(server->requests[0]) && !strstr(request, "\r\n\r\n")) {
            ssize_t got = read(client, request + len, sizeof(server->requests[0]) - 1 - len);
            if (got <= 0)
                break;
            len += (size_t)got;
        }
        const char *answer = server->answers[server->asked];
        server->asked += answer != NULL;
        /* A client that has seen enough may be gone. */
        for (size_t left = answer ? strlen(answer) : 0; left > 0;) {
            ssize_t sent = send(client, answer, left, MSG_NOSIGNAL);
            if (sent <= 0)
                break;
            answer += sent;
            left -= (size_t)sent;
        }
        shutdown(client, SHUT_WR);
        close(client);
    }
    return NULL;
}

static inline void canned_start(struct canned_server *server, const char *const *answers)
{
    *server = (struct canned_server){.answers = answers};
    server->fd = http_listen(&server->port);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", server->port);
    assert_int_equal(pthread_create(&server->thread, NULL, canned_main, server), 0);
}

static inline void canned_stop(struct canned_server *server)
{
    shutdown(server->fd, SHUT_RDWR); /* ends accept() */
    pthread_join(server->thread, NULL);
    close(server->fd);
}

#endif
