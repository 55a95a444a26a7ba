/*
 * A proxy in front of an HTTP server that loses every other answer: the request went through, the server did
 * what it was asked for, and the connection ends before the answer comes. Or it refuses every other request
 * by itself, and the server never sees it. It also can hold requests of a kind until some of them are there
 * at once.
 */
#ifndef RB_TESTS_LOSSY_PROXY_H
#define RB_TESTS_LOSSY_PROXY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "tests/unit/servers.h"

struct lossy_proxy {
    char uri[64];
    int listener;
    in_port_t server_port; /* network order, on the loopback interface */
    pthread_t thread;
    int requests, lost;
    const char *refusal;  /* the body of a 400 in place of what else is lost */
    const char *together; /* what requests have in them that go on when `wanted` of them are there */
    int wanted, there;    /* -1 there: they did not come */
    pthread_mutex_t lock;
    pthread_cond_t came;
};
#define LOSSY_WAIT_S 60 /* for those that never come */
struct lossy_client {
    struct lossy_proxy *proxy;
    int fd;
};

static inline int lossy_socket(in_port_t port, bool listens)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (listens ? bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 16)
                : connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline bool lossy_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads until the end of the request (its Content-Length), or of the connection where `all`. */
static inline bool lossy_receive(struct rb_buf *text, int fd, bool all)
{
    char piece[65536];
    for (;;) {
        const char *head = text->len ? strstr(text->data, "\r\n\r\n") : NULL;
        const char *length = head ? strcasestr(text->data, "\r\ncontent-length:") : NULL;
        if (!all && length && text->len >= (size_t)(head + 4 - text->data) + strtoul(length + 17, NULL, 10))
            return true;
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0 || rb_buf_append(text, piece, (size_t)n))
            return all && n == 0;
    }
}

static inline void lossy_hold(struct lossy_proxy *proxy, const char *request)
{
    struct timespec until;
    if (!proxy->together || !strstr(request, proxy->together))
        return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LOSSY_WAIT_S;
    pthread_mutex_lock(&proxy->lock);
    proxy->there += proxy->there >= 0;
    pthread_cond_broadcast(&proxy->came);
    while (proxy->there >= 0 && proxy->there < proxy->wanted) {
        if (pthread_cond_timedwait(&proxy->came, &proxy->lock, &until))
            proxy->there = -1;
    }
    pthread_mutex_unlock(&proxy->lock);
}

static inline bool lossy_is_lost(struct lossy_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    bool is_lost = proxy->requests++ % 2 == 0;
    proxy->lost += is_lost;
    pthread_mutex_unlock(&proxy->lock);
    return is_lost;
}

static inline void lossy_refuse(const struct lossy_proxy *proxy, int client)
{
    char head[128];
    snprintf(head, sizeof head,
             "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
             strlen(proxy->refusal));
    if (lossy_send(client, head, strlen(head)))
        lossy_send(client, proxy->refusal, strlen(proxy->refusal));
}

/* One request a connection: the server is told to close it behind its answer. */
static inline void lossy_serve(struct lossy_proxy *proxy, int client)
{
    static const char closing[] = "Connection: close\r\n";
    struct rb_buf request, answer;
    rb_buf_init(&request, 64 << 20);
    rb_buf_init(&answer, 64 << 20);
    if (lossy_receive(&request, client, false)) {
        lossy_hold(proxy, request.data);
        bool is_lost = lossy_is_lost(proxy), is_refused = is_lost && proxy->refusal;
        int server = is_refused ? -1 : lossy_socket(proxy->server_port, false);
        size_t line = (size_t)(strstr(request.data, "\r\n") + 2 - request.data);
        bool answered = server >= 0 && lossy_send(server, request.data, line) &&
                        lossy_send(server, closing, sizeof closing - 1) &&
                        lossy_send(server, request.data + line, request.len - line) &&
                        lossy_receive(&answer, server, true);
        if (is_refused)
            lossy_refuse(proxy, client);
        else if (answered && !is_lost)
            lossy_send(client, answer.data, answer.len);
        if (server >= 0)
            close(server);
    }
    rb_buf_free(&request);
    rb_buf_free(&answer);
}

static inline void *lossy_serve_one(void *arg)
{
    struct lossy_client *client = arg;
    lossy_serve(client->proxy, client->fd);
    close(client->fd);
    free(client);
    return NULL;
}

/* Each client has a thread; they are few. */
static inline void *lossy_run(void *arg)
{
    struct lossy_proxy *proxy = arg;
    pthread_t *threads = NULL;
    size_t count = 0;
    for (int fd; (fd = accept(proxy->listener, NULL, NULL)) >= 0; count++) {
        struct lossy_client *client = rb_malloc(sizeof *client);
        *client = (struct lossy_client){proxy, fd};
        threads = rb_realloc(threads, (count + 1) * sizeof *threads);
        if (pthread_create(&threads[count], NULL, lossy_serve_one, client))
            abort();
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return NULL;
}

static inline void lossy_proxy_start(struct lossy_proxy *proxy, const char *server_uri)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    *proxy = (struct lossy_proxy){.listener = lossy_socket(0, true),
                                  .lock = PTHREAD_MUTEX_INITIALIZER,
                                  .came = PTHREAD_COND_INITIALIZER};
    proxy->server_port = htons((in_port_t)strtoul(strrchr(server_uri, ':') + 1, NULL, 10));
    assert_true(proxy->listener >= 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(proxy->uri, sizeof proxy->uri, "http://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&proxy->thread, NULL, lossy_run, proxy), 0);
}

/* How many answers it has lost. */
static inline int lossy_proxy_stop(struct lossy_proxy *proxy)
{
    shutdown(proxy->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(proxy->thread, NULL), 0);
    close(proxy->listener);
    return proxy->lost;
}

#endif
