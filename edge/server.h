/*
 * Private to the server layer: server.c (threads and connections), exchange.c (requests), stream.c
 * (server-sent events). No other file knows h2o, so that another version of it touches these three.
 */
#ifndef RB_EDGE_SERVER_H
#define RB_EDGE_SERVER_H

#include <h2o.h>

#include "edge/edge.h"

#define EDGE_HEARTBEAT_MS \
    15000 /* a comment on every stream: finds clients that are gone, keeps proxies awake */

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
    struct edge_stream *first_stream;
    h2o_timeout_entry_t accept_again;    /* linked while no connection can be taken */
    int64_t drain_began, drain_deadline; /* 0: serving */
    char failure[256];                   /* why it could not be set up; "" where it was */
};

/* Runs `fn(thread, arg)` on the thread's loop. Any thread may call; arg is fn's to free. */
typedef void (*edge_thread_fn)(struct edge_thread *thread, void *arg);
void edge_thread_post(struct edge_thread *thread, edge_thread_fn fn, void *arg);

/* Registered with h2o for every path. */
int edge_on_request(h2o_handler_t *handler, h2o_req_t *request);
struct edge_h2o_handler {
    h2o_handler_t super;
    struct edge_thread *thread;
};

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
