/*
 * The server: one thread a core, each with its own loop, h2o context, listening socket (the kernel spreads
 * connections over them) and database connections. Nothing is shared but what never changes; other threads
 * send messages.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge/server.h"

#define SERVER_THREADS_MAX     64
#define SERVER_CONNECTIONS_MAX 16384 /* a thread, 2.5 KB each while idle; more wait in the kernel's queue */
#define SERVER_GRACE_MS        200   /* requests that are on their way when the process is told to stop */
#define SERVER_POOL            4     /* database connections a thread: 32 statements are in flight on each */

static struct edge_thread server_threads[SERVER_THREADS_MAX];
static int server_thread_count;
static sem_t server_set_up;         /* posted by each thread once it is, or has failed */
static SSL_CTX *server_tls;         /* NULL: plain HTTP */
static atomic_int server_databases; /* threads whose pool is connected, for readiness */

struct server_filter {
    h2o_filter_t super; /* first: the one is cast to the other */
    struct edge_thread *thread;
};

struct server_json {
    h2o_ostream_t super; /* first: the one is cast to the other */
    size_t len;
    char text[64];
};

/* ---- messages between threads ------------------------------------------------------------------------- */

struct server_message {
    h2o_multithread_message_t super;
    edge_thread_fn fn;
    void *arg;
};

void edge_thread_post(struct edge_thread *thread, edge_thread_fn fn, void *arg)
{
    struct server_message *message = rb_calloc(1, sizeof(*message));
    message->fn = fn;
    message->arg = arg;
    h2o_multithread_send_message(&thread->receiver, &message->super);
}

static void server_on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct edge_thread *thread = H2O_STRUCT_FROM_MEMBER(struct edge_thread, receiver, receiver);
    for (h2o_linklist_t *node = messages->next, *next; node != messages; node = next) {
        struct server_message *message = H2O_STRUCT_FROM_MEMBER(struct server_message, super.link, node);
        next = node->next;
        message->fn(thread, message->arg);
        free(message);
    }
    h2o_linklist_init_anchor(messages); /* h2o wants it back empty */
}

/* ---- connections -------------------------------------------------------------------------------------- */

/* Takes one waiting connection; false when there is none or none can be had. */
static bool server_accept(struct edge_thread *thread)
{
    h2o_socket_t *socket = h2o_evloop_socket_accept(thread->listener);
    if (!socket)
        return false;
    /* h2o has no limit on how long a write may take. The kernel's also holds for a client that is there, but
     * reads nothing (tcp(7), TCP_USER_TIMEOUT). */
    int stall_ms = thread->edge->settings.stall_seconds * 1000;
    setsockopt(h2o_socket_get_fd(socket), IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof(stall_ms));
    edge_guard_add(thread, socket);
    h2o_accept(&thread->accept, socket);
    return true;
}

static void server_on_accept(h2o_socket_t *listener, const char *err)
{
    struct edge_thread *thread = listener->data;
    if (!err && thread->connections < SERVER_CONNECTIONS_MAX &&
        (server_accept(thread) ||
         (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)))
        return;
    /* The listener stays readable: looking at it again at once would keep a core busy. */
    h2o_socket_read_stop(listener);
    h2o_timeout_link(thread->context.loop, &thread->pause, &thread->accept_again);
}

static void server_on_accept_again(h2o_timeout_entry_t *entry)
{
    struct edge_thread *thread = H2O_STRUCT_FROM_MEMBER(struct edge_thread, accept_again, entry);
    if (!thread->drain_deadline)
        h2o_socket_read_start(thread->listener, server_on_accept);
}

static void server_on_pool(h2o_socket_t *socket, const char *err)
{
    struct edge_thread *thread = socket->data;
    (void)err;
    bool before = rb_pool_is_connected(thread->pool);
    rb_pool_dispatch(thread->pool);
    bool after = rb_pool_is_connected(thread->pool);
    if (before != after)
        atomic_fetch_add(&server_databases, after ? 1 : -1);
}

bool edge_server_has_database(void)
{
    return atomic_load(&server_databases) > 0;
}

/* ---- what h2o answers by itself ---------------------------------------------------------------------- */

static void server_send_json(h2o_ostream_t *self, h2o_req_t *request, h2o_iovec_t *bufs, size_t count,
                             h2o_send_state_t state)
{
    const struct server_json *json = (const struct server_json *)self;
    h2o_iovec_t body = h2o_iovec_init(json->text, json->len);
    (void)bufs;
    h2o_ostream_send_next(self, request, &body, count ? 1 : 0, state); /* no body: HEAD */
}

/* h2o refuses broken and oversized bodies before we see the request, in plain text. Its answers become like
 * all others. (What is no HTTP at all gets a fixed plain 400 that nothing can touch.) */
static void server_speak_json(h2o_filter_t *self, h2o_req_t *request, h2o_ostream_t **slot)
{
    struct server_json *json = (struct server_json *)h2o_add_ostream(request, sizeof(*json), slot);
    struct server_filter *filter = (struct server_filter *)self;
    bool is_full = request->res.status == 413 && edge_guard_is_full(filter->thread);
    if (is_full) { /* at another time it would have been taken */
        request->res.status = 503;
        request->res.reason = "Service Unavailable";
        h2o_add_header_by_str(&request->pool, &request->res.headers, H2O_STRLIT("retry-after"), 1, NULL,
                              H2O_STRLIT("5"));
    }
    json->super.do_send = server_send_json;
    json->len = (size_t)snprintf(json->text, sizeof(json->text), "{\"detail\":\"%s\"}",
                                 is_full                      ? "Too many large bodies at once: try again"
                                 : request->res.status == 413 ? "The body is too large"
                                 : request->res.status == 417 ? "Unknown expectation"
                                                              : "The request is not valid HTTP");
    ssize_t type = h2o_find_header(&request->res.headers, H2O_TOKEN_CONTENT_TYPE, -1);
    if (type >= 0)
        request->res.headers.entries[type].value = h2o_iovec_init(H2O_STRLIT("application/json"));
    request->res.content_length = json->len;
    h2o_setup_next_ostream(request, &json->super.next);
}

/* ---- a thread ----------------------------------------------------------------------------------------- */

/* On the thread itself: h2o takes the buffers of a socket from a store of the thread that makes it, and the
 * store has no lock. */
static rb_err server_thread_set_up(struct edge_thread *thread)
{
    struct edge *edge = thread->edge;
    const struct rb_pool_options pool = {
        .url = edge->settings.database_url, .application = "repobus-edge", .connections = SERVER_POOL};
    rb_err err = rb_pool_new(&thread->pool, &pool);
    if (err)
        return err;
    h2o_config_init(&thread->config);
    thread->config.http1.upgrade_to_http2 = 0;
    thread->config.http1.req_timeout = (uint64_t)edge->settings.request_seconds * 1000;
    thread->config.server_name = h2o_iovec_init(H2O_STRLIT("repobus"));
    h2o_hostconf_t *host =
        h2o_config_register_host(&thread->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct edge_h2o_handler *handler = (struct edge_h2o_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = edge_on_request;
    handler->thread = thread;
    struct server_filter *filter =
        (struct server_filter *)h2o_create_filter(&host->fallback_path, sizeof(*filter));
    filter->super.on_setup_ostream = server_speak_json;
    filter->thread = thread;
    h2o_context_init(&thread->context, h2o_evloop_create(), &thread->config);
    h2o_loop_t *loop = thread->context.loop;
    thread->accept.ctx = &thread->context;
    thread->accept.hosts = thread->config.hosts;
    thread->accept.ssl_ctx = server_tls;
    thread->queue = h2o_multithread_create_queue(loop);
    h2o_multithread_register_receiver(thread->queue, &thread->receiver, server_on_messages);
    h2o_timeout_init(loop, &thread->pause, EDGE_PAUSE_MS);
    h2o_timeout_init(loop, &thread->heartbeat, EDGE_HEARTBEAT_MS);
    edge_guard_init(thread);
    thread->listener = h2o_evloop_socket_create(loop, thread->listen_fd, H2O_SOCKET_FLAG_DONT_READ);
    thread->listener->data = thread;
    thread->accept_again.cb = server_on_accept_again;
    /* A copy, since h2o closes what it watches. */
    thread->pool_socket =
        h2o_evloop_socket_create(loop, dup(rb_pool_fd(thread->pool)), H2O_SOCKET_FLAG_DONT_READ);
    thread->pool_socket->data = thread;
    return RB_OK;
}

static bool server_is_drained(const struct edge_thread *thread)
{
    int64_t now = rb_clock_ms();
    return thread->drain_deadline &&
           (now >= thread->drain_deadline ||
            (thread->exchanges == 0 && now - thread->drain_began >= SERVER_GRACE_MS));
}

static void *server_main(void *arg)
{
    struct edge_thread *thread = arg;
    bool fine = server_thread_set_up(thread) == RB_OK;
    if (!fine)
        snprintf(thread->failure, sizeof(thread->failure), "%.255s", rb_error_text());
    sem_post(&server_set_up);
    if (!fine)
        return NULL;
    h2o_socket_read_start(thread->listener, server_on_accept);
    h2o_socket_read_start(thread->pool_socket, server_on_pool);
    while (!server_is_drained(thread)) {
        /* Asleep until something arrives; while draining the deadline is looked at, too. */
        h2o_evloop_run(thread->context.loop, thread->drain_deadline ? 100 : INT32_MAX);
    }
    if (thread->exchanges)
        rb_log_warn("ended with %d requests under way", thread->exchanges);
    rb_pool_free(thread->pool);
    return NULL;
}

static void server_begin_drain(struct edge_thread *thread, void *arg)
{
    (void)arg;
    thread->drain_began = rb_clock_ms();
    thread->drain_deadline = thread->drain_began + thread->edge->settings.drain_seconds * 1000LL;
    /* Connections that the kernel has made already would be reset with the listener. */
    while (thread->connections < SERVER_CONNECTIONS_MAX && server_accept(thread))
        ;
    h2o_socket_read_stop(thread->listener);
    h2o_socket_close(thread->listener);
    edge_streams_end_all(thread, "bye");
    h2o_context_request_shutdown(&thread->context);
}

/* ---- all of them -------------------------------------------------------------------------------------- */

static void server_tell_streams(struct edge_thread *thread, void *arg);

rb_err edge_server_start(struct edge *edge)
{
    int port = edge->settings.port;
    int count = edge->settings.threads;
    signal(SIGPIPE, SIG_IGN);
    sem_init(&server_set_up, 0, 0);
    if (*edge->settings.tls_certificate) {
        rb_err err = edge_tls_new(&server_tls, &edge->settings);
        if (err)
            return err;
    }
    for (int i = 0; i < count && i < SERVER_THREADS_MAX; i++) {
        struct edge_thread *thread = &server_threads[i];
        thread->edge = edge;
        rb_err err = edge_listen(&thread->listen_fd, &port, &edge->settings);
        if (err)
            return err;
        int failed = pthread_create(&thread->id, NULL, server_main, thread);
        if (failed)
            return rb_error_set(RB_EINTERNAL, "a thread cannot be started: %s", strerror(failed));
        while (sem_wait(&server_set_up)) /* interrupted by a signal */
            ;
        if (*thread->failure)
            return rb_error_set(RB_EUNAVAILABLE, "%s", thread->failure);
        server_thread_count++;
    }
    rb_log(RB_LOG_ALWAYS, "listening=%s:%d threads=%d", edge->settings.listen_address, port,
           server_thread_count);
    return RB_OK;
}

void edge_server_stop(void)
{
    for (int i = 0; i < server_thread_count; i++)
        edge_thread_post(&server_threads[i], server_begin_drain, NULL);
    for (int i = 0; i < server_thread_count; i++)
        pthread_join(server_threads[i].id, NULL);
}

/* ---- telling streams on all threads ------------------------------------------------------------------- */

struct server_news {
    int64_t installation_id; /* 0: end every stream */
    char *event, *data;
};

static void server_post_news(int64_t installation_id, const char *event, const char *data)
{
    for (int i = 0; i < server_thread_count && edge_streams_are_watched(); i++) {
        struct server_news *news = rb_calloc(1, sizeof(*news));
        news->installation_id = installation_id;
        news->event = rb_strdup(event);
        news->data = rb_strdup(data);
        edge_thread_post(&server_threads[i], server_tell_streams, news);
    }
}

void edge_streams_tell(int64_t installation_id, const char *event, const char *data)
{
    server_post_news(installation_id, event, data);
}

void edge_streams_reset(void)
{
    server_post_news(0, "bye", "{}");
}

static void server_tell_streams(struct edge_thread *thread, void *arg)
{
    struct server_news *news = arg;
    edge_streams_tell_here(thread, news->installation_id, news->event, news->data);
    free(news->event);
    free(news->data);
    free(news);
}
