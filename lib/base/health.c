/*
 * The health endpoint: h2o on a thread of its own, HTTP/1.1 only, three routes. It sleeps in epoll until
 * somebody asks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <h2o.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/base.h"

#define HEALTH_METRICS_MAX (1024 * 1024)
#define HEALTH_BODY_MAX    1024 /* nobody has a reason to send one */
#define HEALTH_BACKLOG     64   /* a few probes and scrapers */

struct rb_health {
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_socket_t *listener, *waker;
    int listen_fd, wake_fd, port;
    rb_ready_fn ready;
    void *arg;
    pthread_t thread;
    atomic_bool started, stopping;
};

/* One a process, for as long as it lives: h2o 2.2 cannot take down a loop that has open connections
 * (h2o/h2o#899), so what it holds ends with the process. */
static struct rb_health health_endpoint;

struct health_handler {
    h2o_handler_t super;
    struct rb_health *health;
};

static void health_send(h2o_req_t *req, int status, const char *reason, const char *type, const char *body,
                        size_t len)
{
    req->res.status = status;
    req->res.reason = reason;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    h2o_send_inline(req, body, len);
}

static void health_send_text(h2o_req_t *req, int status, const char *reason, const char *body)
{
    health_send(req, status, reason, "application/json", body, strlen(body));
}

static void health_answer_ready(struct rb_health *health, h2o_req_t *req)
{
    char reason[200] = "";
    bool ready = !health->ready || health->ready(health->arg, reason, sizeof(reason));
    /* The reason is ours, made of plain words: what could break the JSON becomes a space. */
    for (char *c = reason; *c; c++) {
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
            *c = ' ';
    }
    char body[256];
    snprintf(body, sizeof(body), "{\"ready\":%s%s%s%s}", ready ? "true" : "false",
             *reason ? ",\"reason\":\"" : "", reason, *reason ? "\"" : "");
    health_send_text(req, ready ? 200 : 503, ready ? "OK" : "Service Unavailable", body);
}

static void health_answer_metrics(h2o_req_t *req)
{
    struct rb_buf text;
    rb_buf_init(&text, HEALTH_METRICS_MAX);
    if (rb_metrics_print(&text))
        health_send_text(req, 500, "Internal Server Error", "{\"detail\":\"metrics are too large\"}");
    else
        health_send(req, 200, "OK", "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
    rb_buf_free(&text);
}

static int health_on_request(h2o_handler_t *super, h2o_req_t *req)
{
    struct rb_health *health = ((struct health_handler *)super)->health;
    h2o_iovec_t path = req->path_normalized;
    bool known = h2o_memis(path.base, path.len, H2O_STRLIT("/healthz")) ||
                 h2o_memis(path.base, path.len, H2O_STRLIT("/readyz")) ||
                 h2o_memis(path.base, path.len, H2O_STRLIT("/metrics"));
    if (!known) {
        health_send_text(req, 404, "Not Found", "{\"detail\":\"There are /healthz, /readyz and /metrics\"}");
    } else if (!h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET"))) {
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("allow"), 0, NULL, H2O_STRLIT("GET"));
        health_send_text(req, 405, "Method Not Allowed", "{\"detail\":\"Only GET is allowed here\"}");
    } else if (path.base[1] == 'h') {
        health_send_text(req, 200, "OK", "{\"status\":\"ok\"}");
    } else if (path.base[1] == 'r') {
        health_answer_ready(health, req);
    } else {
        health_answer_metrics(req);
    }
    return 0;
}

static void health_on_accept(h2o_socket_t *listener, const char *err)
{
    struct rb_health *health = listener->data;
    if (err)
        return;
    h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
    if (socket)
        h2o_accept(&health->accept, socket);
}

static void health_on_wake(h2o_socket_t *waker, const char *err)
{
    (void)err;
    h2o_socket_read_stop(waker); /* `stopping` is set: the loop ends */
}

static void *health_main(void *arg)
{
    struct rb_health *health = arg;
    while (!atomic_load(&health->stopping))
        h2o_evloop_run(health->context.loop, INT32_MAX);
    return NULL;
}

static rb_err health_listen(struct rb_health *health, const char *address, int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof(name);
    int on = 1;
    if (port < 0 || port > 65535 || inet_pton(AF_INET, address, &name.sin_addr) != 1)
        return rb_error_set(RB_EINVAL, "%s:%d is no IPv4 address and port to listen on", address, port);
    health->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (health->listen_fd < 0)
        return rb_error_set(RB_EINTERNAL, "health endpoint: no socket: %s", strerror(errno));
    setsockopt(health->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(health->listen_fd, (struct sockaddr *)&name, sizeof(name)) ||
        listen(health->listen_fd, HEALTH_BACKLOG))
        return rb_error_set(errno == EADDRINUSE ? RB_ECONFLICT : RB_EINVAL,
                            "health endpoint cannot listen on %s:%d: %s (HEALTH_PORT chooses another)",
                            address, port, strerror(errno));
    getsockname(health->listen_fd, (struct sockaddr *)&name, &size);
    health->port = ntohs(name.sin_port);
    return RB_OK;
}

static void health_set_up(struct rb_health *health)
{
    h2o_config_init(&health->config);
    health->config.http1.upgrade_to_http2 = 0;
    health->config.max_request_entity_size = HEALTH_BODY_MAX;
    h2o_hostconf_t *host =
        h2o_config_register_host(&health->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct health_handler *handler = (struct health_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = health_on_request;
    handler->health = health;
    h2o_context_init(&health->context, h2o_evloop_create(), &health->config);
    health->accept.ctx = &health->context;
    health->accept.hosts = health->config.hosts;
    health->listener =
        h2o_evloop_socket_create(health->context.loop, health->listen_fd, H2O_SOCKET_FLAG_DONT_READ);
    health->listener->data = health;
    h2o_socket_read_start(health->listener, health_on_accept);
    health->waker =
        h2o_evloop_socket_create(health->context.loop, health->wake_fd, H2O_SOCKET_FLAG_DONT_READ);
    h2o_socket_read_start(health->waker, health_on_wake);
}

rb_err rb_health_start(struct rb_health **out, const char *address, int port, rb_ready_fn ready, void *arg)
{
    struct rb_health *health = &health_endpoint;
    if (atomic_exchange(&health->started, true))
        return rb_error_set(RB_ECONFLICT, "this process has a health endpoint already");
    health->wake_fd = -1;
    health->ready = ready;
    health->arg = arg;
    health->listen_fd = -1;
    rb_err err = health_listen(health, address, port);
    if (err)
        goto out;
    health->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (health->wake_fd < 0) {
        err = rb_error_set(RB_EINTERNAL, "health endpoint: no eventfd: %s", strerror(errno));
        goto out;
    }
    health_set_up(health);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int failed = pthread_create(&health->thread, NULL, health_main, health);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        return rb_error_set(RB_EINTERNAL, "health endpoint: no thread: %s", strerror(failed));
    }
    rb_log(RB_LOG_ALWAYS, "health listening=%s:%d", address, health->port);
    *out = health;
    return RB_OK;
out:
    if (health->listen_fd >= 0)
        close(health->listen_fd);
    atomic_store(&health->started, false);
    return err;
}

int rb_health_port(const struct rb_health *health)
{
    return health->port;
}

void rb_health_stop(struct rb_health *health)
{
    if (!health)
        return;
    atomic_store(&health->stopping, true);
    uint64_t one = 1;
    ssize_t written = write(health->wake_fd, &one, sizeof(one));
    (void)written;
    pthread_join(health->thread, NULL);
    h2o_socket_close(health->listener);
    h2o_socket_close(health->waker);
}
