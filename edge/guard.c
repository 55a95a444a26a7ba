/*
 * The guard of a thread's connections. h2o keeps the whole body of a request in memory before anybody sees
 * it, and waits for ever for a client that takes nothing of its answer. So a slow tick, only while there are
 * connections, looks at each: bodies under way share a fixed memory, and when that is full the largest are
 * cut and new large ones are refused; an answer must move.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "edge/server.h"

#define GUARD_TICK_MS   250
#define GUARD_LARGE     (256 * 1024) /* bytes: what is smaller is not counted */
#define GUARD_STALL_MIN 1024         /* bytes a second by which an answer moves on average */

struct edge_connection {
    struct edge_connection *next, **link;
    struct edge_thread *thread;
    h2o_socket_t *socket;
    int64_t sending_since; /* 0: nothing is being sent */
    uint64_t acked;        /* bytes the client had taken then */
    bool is_cut;
};

static size_t guard_share(const struct edge_thread *thread)
{
    return (size_t)(thread->edge->settings.body_memory / thread->edge->settings.threads);
}

/* h2o hears of it from the kernel and ends the connection itself. */
static void guard_cut(const struct edge_connection *connection, const char *why)
{
    rb_log_info("a connection is cut: %s", why);
    shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
}

static size_t guard_input_of(const struct edge_connection *connection)
{
    const h2o_buffer_t *input = connection->socket->input;
    return input && input->size > GUARD_LARGE ? input->size : 0;
}

/* What h2o refuses by itself, as it reads the head of a request. */
static void guard_take_bodies(struct edge_thread *thread, bool large)
{
    thread->config.max_request_entity_size = large ? EDGE_BODY_LARGEST : GUARD_LARGE;
}

static void guard_bodies(struct edge_thread *thread)
{
    size_t sum = 0, share = guard_share(thread);
    for (struct edge_connection *connection = thread->first_connection; connection;
         connection = connection->next)
        sum += guard_input_of(connection);
    guard_take_bodies(thread, sum <= share - share / 4);
    while (sum > share) {
        struct edge_connection *largest = NULL;
        for (struct edge_connection *one = thread->first_connection; one; one = one->next) {
            if (!one->is_cut && guard_input_of(one) > (largest ? guard_input_of(largest) : 0))
                largest = one;
        }
        if (!largest)
            return;
        sum -= guard_input_of(largest);
        largest->is_cut = true;
        guard_cut(largest, "the memory for bodies is full");
    }
}

static uint64_t guard_acked(const struct edge_connection *connection)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    getsockopt(h2o_socket_get_fd(connection->socket), IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_bytes_acked;
}

static void guard_answer(struct edge_connection *connection, int64_t now)
{
    if (!h2o_socket_is_writing(connection->socket)) {
        connection->sending_since = 0;
        return;
    }
    int64_t stall_ms = connection->thread->edge->settings.stall_seconds * 1000LL;
    if (!connection->sending_since || now - connection->sending_since >= stall_ms) {
        uint64_t acked = guard_acked(connection);
        if (connection->sending_since && !connection->is_cut &&
            acked - connection->acked < GUARD_STALL_MIN * (uint64_t)stall_ms / 1000) {
            connection->is_cut = true;
            guard_cut(connection, "the client does not take its answer");
        }
        connection->sending_since = now;
        connection->acked = acked;
    }
}

static void guard_on_tick(h2o_timeout_entry_t *entry)
{
    struct edge_thread *thread = H2O_STRUCT_FROM_MEMBER(struct edge_thread, guard_entry, entry);
    int64_t now = rb_clock_ms();
    guard_bodies(thread);
    for (struct edge_connection *connection = thread->first_connection; connection;
         connection = connection->next)
        guard_answer(connection, now);
    if (thread->first_connection)
        h2o_timeout_link(thread->context.loop, &thread->guard_pause, &thread->guard_entry);
}

static void guard_on_closed(void *arg)
{
    struct edge_connection *connection = arg;
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    connection->thread->connections--;
    free(connection);
}

bool edge_guard_is_full(const struct edge_thread *thread)
{
    return thread->config.max_request_entity_size < EDGE_BODY_LARGEST;
}

void edge_guard_init(struct edge_thread *thread)
{
    guard_take_bodies(thread, true);
    h2o_timeout_init(thread->context.loop, &thread->guard_pause, GUARD_TICK_MS);
    thread->guard_entry.cb = guard_on_tick;
}

void edge_guard_add(struct edge_thread *thread, h2o_socket_t *socket)
{
    struct edge_connection *connection = rb_calloc(1, sizeof(*connection));
    *connection = (struct edge_connection){.next = thread->first_connection,
                                           .link = &thread->first_connection,
                                           .thread = thread,
                                           .socket = socket};
    if (connection->next)
        connection->next->link = &connection->next;
    thread->first_connection = connection;
    thread->connections++;
    socket->on_close.cb = guard_on_closed;
    socket->on_close.data = connection;
    if (!h2o_timeout_is_linked(&thread->guard_entry))
        h2o_timeout_link(thread->context.loop, &thread->guard_pause, &thread->guard_entry);
}
