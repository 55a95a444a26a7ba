/*
 * Private to the server layer: server.c (threads), guard.c (connections), exchange.c (requests), answer.c,
 * wait.c (the database, GitHub, pauses), stream.c (server-sent events). No other file knows h2o, so that
 * another version of it touches these.
 */
#ifndef RB_EDGE_SERVER_H
#define RB_EDGE_SERVER_H

#include <h2o.h>
#include <openssl/ssl.h>

#include "edge/edge.h"

#define EDGE_HEARTBEAT_MS \
    15000 /* a comment on every stream: finds clients that are gone, keeps proxies awake */

/* An exchange and what only the server layer knows of it. */
struct edge_box {
    struct edge_exchange exchange; /* first: the one is cast to the other */
    h2o_req_t *request;            /* NULL once the client is gone or the answer is complete */
    struct edge_box *next, **link; /* in the thread's list */
    int references;
    bool answered, is_stream;
    int64_t started_us, database_us, github_us; /* the latter two: spent waiting */
    char trace[RB_TRACEPARENT_SIZE];
    const char *parent; /* the client's traceparent, as it came; NULL: none */
};
static inline struct edge_box *edge_box_of(struct edge_exchange *exchange)
{
    return (struct edge_box *)exchange;
}

struct edge_connection; /* guard.c */

struct edge_thread {
    struct edge *edge;
    pthread_t id;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_socket_t *listener, *pool_socket;
    h2o_multithread_queue_t *queue;
    h2o_multithread_receiver_t receiver;
    h2o_timeout_t pause, heartbeat;
    struct rb_pool *pool;
    int exchanges, connections, streams, listen_fd;
    struct edge_box *first_box;
    struct edge_stream *first_stream;
    struct edge_connection *first_connection;
    h2o_timeout_t guard_pause;
    h2o_timeout_entry_t guard_entry;     /* linked while there are connections */
    h2o_timeout_entry_t accept_again;    /* linked while no connection can be taken */
    int64_t drain_began, drain_deadline; /* 0: serving */
    char failure[256];                   /* why it could not be set up; "" where it was */
};

/* Runs `fn(thread, arg)` on the thread's loop. Any thread may call; arg is fn's to free. */
typedef void (*edge_thread_fn)(struct edge_thread *thread, void *arg);
void edge_thread_post(struct edge_thread *thread, edge_thread_fn fn, void *arg);

/* A listening socket of its own for a thread, on settings.listen_address and *port (0: any free one, which is
 * put there). One that was handed over by whoever started us (sd_listen_fds(3): LISTEN_FDS, LISTEN_PID) is
 * shared by all threads instead: it outlives this process, so that the next one takes over without a gap. */
rb_err edge_listen(int *fd, int *port, const struct edge_settings *settings) RB_MUST_CHECK;
/* RB_EINVAL says which file is wrong. */
rb_err edge_tls_new(SSL_CTX **out, const struct edge_settings *settings) RB_MUST_CHECK;

/* Registered with h2o for every path. */
int edge_on_request(h2o_handler_t *handler, h2o_req_t *request);
struct edge_h2o_handler {
    h2o_handler_t super;
    struct edge_thread *thread;
};

/* ---- connections (guard.c) ---------------------------------------------------------------------------- */

/* Watches a connection that was accepted until it is closed: the memory its requests take, and whether it
 * takes its answers. */
void edge_guard_init(struct edge_thread *thread);
void edge_guard_add(struct edge_thread *thread, h2o_socket_t *socket);
/* Large bodies are not taken for the moment, since those under way fill the memory set aside for them. */
bool edge_guard_is_full(const struct edge_thread *thread);

/* ---- exchanges ---------------------------------------------------------------------------------------- */

/* The request behind an exchange; NULL once the client is gone or the answer is complete. */
h2o_req_t *edge_exchange_request(struct edge_exchange *exchange);
/* Marks the exchange as answered and counts it; false when it was answered before. */
bool edge_exchange_begin_answer(struct edge_exchange *exchange, int status);

bool edge_streams_are_watched(void); /* any stream is open on any thread */
void edge_streams_end_all(struct edge_thread *thread, const char *event);
/* Those about this installation; 0: all are ended with `event`. */
void edge_streams_tell_here(struct edge_thread *thread, int64_t installation_id, const char *event,
                            const char *data);

#endif
