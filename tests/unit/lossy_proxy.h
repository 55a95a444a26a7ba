/*
 * A proxy in front of an HTTP server that loses every other answer: the request went through, the server did
 * what it was asked for, and the connection ends before the answer comes.
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

/* One request a connection: the server is told to close it behind its answer. */
static inline void lossy_serve(struct lossy_proxy *proxy, int client)
{
    static const char closing[] = "Connection: close\r\n";
    struct rb_buf request, answer;
    rb_buf_init(&request, 64 << 20);
    rb_buf_init(&answer, 64 << 20);
    if (lossy_receive(&request, client, false)) {
        int server = lossy_socket(proxy->server_port, false);
        size_t line = (size_t)(strstr(request.data, "\r\n") + 2 - request.data);
        bool answered = server >= 0 && lossy_send(server, request.data, line) &&
                        lossy_send(server, closing, sizeof closing - 1) &&
                        lossy_send(server, request.data + line, request.len - line) &&
                        lossy_receive(&answer, server, true);
        bool is_lost = proxy->requests++ % 2 == 0;
        proxy->lost += is_lost;
        if (answered && !is_lost)
            lossy_send(client, answer.data, answer.len);
        if (server >= 0)
            close(server);
    }
    rb_buf_free(&request);
    rb_buf_free(&answer);
}

static inline void *lossy_run(void *arg)
{
    struct lossy_proxy *proxy = arg;
    for (int client; (client = accept(proxy->listener, NULL, NULL)) >= 0; close(client))
        lossy_serve(proxy, client);
    return NULL;
}

static inline void lossy_proxy_start(struct lossy_proxy *proxy, const char *server_uri)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    *proxy = (struct lossy_proxy){.listener = lossy_socket(0, true)};
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
