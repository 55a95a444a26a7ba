/*
 * Server-sent events (WHATWG HTML, section 9.2). h2o takes one send at a time: what comes meanwhile waits in
 * the stream's buffer. A client that reads too slowly is let go: it reconnects and starts with the present
 * state, which is cheaper than remembering for it. One that vanished is found by the heartbeat.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/server.h"

#define STREAM_QUEUE_MAX   (256 * 1024) /* the state of a large installation and hundreds of changes */
#define STREAMS_PER_THREAD 2048         /* each is a connection that stays */
#define STREAMS_PER_PERSON 16 /* a thread: some tabs and terminals, and room for those not yet found gone */

/* On all threads: news are posted to none when nobody watches. Counted before the present state is read, so
 * that what is not posted is in that state. */
static atomic_int streams_open;

static void stream_count(int change)
{
    int now = atomic_fetch_add(&streams_open, change) + change;
    rb_metric_set(rb_metric_gauge("repobus_streams_open", NULL, "Event streams of people who watch"), now);
}

struct edge_stream {
    h2o_generator_t generator;
    h2o_timeout_entry_t heartbeat;
    struct edge_exchange *exchange;
    struct edge_stream *next;
    int64_t installation_id;
    struct rb_buf waiting, sending;
    bool has_state; /* nothing is sent before the present state: what is told earlier waits behind it */
    bool is_sending, ending;
    uint64_t last_id;
};

static void stream_close(struct edge_stream *stream)
{
    struct edge_thread *thread = stream->exchange->thread;
    for (struct edge_stream **link = &thread->first_stream; *link; link = &(*link)->next) {
        if (*link == stream) {
            *link = stream->next;
            thread->streams--;
            stream_count(-1);
            break;
        }
    }
    h2o_timeout_unlink(&stream->heartbeat);
    rb_buf_free(&stream->waiting);
    rb_buf_free(&stream->sending);
    struct edge_exchange *exchange = stream->exchange;
    free(stream);
    edge_release(exchange);
}

/* Sends what waits, when nothing is under way. The stream may be closed when it returns. */
static void stream_flush(struct edge_stream *stream)
{
    h2o_req_t *request = edge_exchange_request(stream->exchange);
    if (!request || !stream->has_state || stream->is_sending || (stream->waiting.len == 0 && !stream->ending))
        return;
    struct rb_buf free_one = stream->sending;
    stream->sending = stream->waiting;
    stream->waiting = free_one;
    rb_buf_reset(&stream->waiting);
    stream->is_sending = true;
    h2o_iovec_t body = h2o_iovec_init(stream->sending.data, stream->sending.len);
    h2o_send(request, &body, 1, stream->ending ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void stream_on_proceed(h2o_generator_t *generator, h2o_req_t *request)
{
    struct edge_stream *stream = H2O_STRUCT_FROM_MEMBER(struct edge_stream, generator, generator);
    (void)request;
    stream->is_sending = false;
    stream_flush(stream);
}

static void stream_append(struct edge_stream *stream, const char *data, size_t len)
{
    if (stream->ending)
        return;
    if (rb_buf_append(&stream->waiting, data, len)) {
        rb_log_debug("a client of installation %lld reads too slowly and is let go",
                     (long long)stream->installation_id);
        rb_buf_reset(&stream->waiting);
        stream->ending = true;
    }
}

/* The request is discarded when the client is gone and when the last byte was sent; both end the stream. */
static void stream_on_dispose(void *reference)
{
    stream_close(*(struct edge_stream **)reference);
}

static void stream_on_heartbeat(h2o_timeout_entry_t *entry)
{
    struct edge_stream *stream = H2O_STRUCT_FROM_MEMBER(struct edge_stream, heartbeat, entry);
    struct edge_thread *thread = stream->exchange->thread;
    h2o_timeout_link(thread->context.loop, &thread->heartbeat, &stream->heartbeat);
    stream_append(stream, ":\n\n", 3);
    stream_flush(stream);
}

static int stream_count_of(const struct edge_thread *thread, int64_t user_id)
{
    int count = 0;
    for (const struct edge_stream *stream = thread->first_stream; stream; stream = stream->next)
        count += stream->exchange->user_id == user_id;
    return count;
}

/* Ids grow, also over reconnects to another edge whose clock is behind. Nothing is kept to resume from one:
 * every stream starts with the present state, which holds all that was missed. */
static uint64_t stream_first_id(const char *last_event_id)
{
    uint64_t now = (uint64_t)rb_clock_wall_ms() * 1000;
    uint64_t last = last_event_id ? strtoull(last_event_id, NULL, 10) : 0;
    return last > now && last < now * 2 ? last : now; /* what is no id of ours does not matter */
}

bool edge_streams_are_watched(void)
{
    return atomic_load(&streams_open) > 0;
}

bool edge_stream_open(struct edge_exchange *exchange, int64_t installation_id)
{
    struct edge_thread *thread = exchange->thread;
    if (stream_count_of(thread, exchange->user_id) >= STREAMS_PER_PERSON) {
        edge_answer_error(exchange, 429, "You have %d event streams open: close one first",
                          STREAMS_PER_PERSON);
        return false;
    }
    if (thread->drain_deadline || thread->streams >= STREAMS_PER_THREAD) {
        edge_answer_error(exchange, 503,
                          "Too many event streams are open: try again later, or ask for the state");
        return false;
    }
    if (!edge_exchange_begin_answer(exchange, 200))
        return false;
    h2o_req_t *request = edge_exchange_request(exchange);
    struct edge_stream *stream = rb_calloc(1, sizeof(*stream));
    stream->exchange = exchange;
    edge_box_of(exchange)->is_stream = true;
    stream->installation_id = installation_id;
    stream->generator.proceed = stream_on_proceed;
    stream->heartbeat.cb = stream_on_heartbeat;
    stream->last_id = stream_first_id(exchange->last_event_id);
    rb_buf_init(&stream->waiting, STREAM_QUEUE_MAX);
    rb_buf_init(&stream->sending, STREAM_QUEUE_MAX);
    edge_hold(exchange);
    struct edge_stream **reference =
        h2o_mem_alloc_shared(&request->pool, sizeof(*reference), stream_on_dispose);
    *reference = stream;
    stream->next = thread->first_stream;
    thread->first_stream = stream;
    thread->streams++;
    stream_count(1);
    h2o_timeout_link(thread->context.loop, &thread->heartbeat, &stream->heartbeat);
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("text/event-stream"));
    /* nginx and its like would keep events back. */
    h2o_add_header_by_str(&request->pool, &request->res.headers, H2O_STRLIT("x-accel-buffering"), 0, NULL,
                          H2O_STRLIT("no"));
    request->compress_hint = H2O_COMPRESS_HINT_DISABLE;
    bool head_only = h2o_memis(request->input.method.base, request->input.method.len, H2O_STRLIT("HEAD"));
    h2o_start_response(request, &stream->generator);
    if (head_only)
        h2o_send(request, NULL, 0, H2O_SEND_STATE_FINAL); /* the request and its stream may be gone now */
    return !head_only;
}

static void stream_append_event(struct edge_stream *stream, const char *event, const char *data)
{
    char head[96];
    int len = snprintf(head, sizeof(head),
                       "id: %llu\nevent: %.40s\ndata: ", (unsigned long long)++stream->last_id, event);
    stream_append(stream, head, (size_t)len);
    stream_append(stream, data, strlen(data));
    stream_append(stream, "\n\n", 2);
}

void edge_stream_start(struct edge_exchange *exchange, const char *state)
{
    struct edge_stream *stream = exchange->thread->first_stream;
    while (stream && stream->exchange != exchange)
        stream = stream->next;
    if (!stream)
        return; /* the client has left meanwhile */
    struct rb_buf told = stream->waiting;
    rb_buf_init(&stream->waiting, STREAM_QUEUE_MAX);
    stream->has_state = true;
    stream_append_event(stream, "state", state);
    stream_append(stream, told.data, told.len);
    rb_buf_free(&told);
    stream_flush(stream);
}

void edge_streams_tell_here(struct edge_thread *thread, int64_t installation_id, const char *event,
                            const char *data)
{
    if (!installation_id) {
        edge_streams_end_all(thread, event);
        return;
    }
    for (struct edge_stream *stream = thread->first_stream, *next; stream; stream = next) {
        next = stream->next; /* sending may close this one */
        if (stream->installation_id == installation_id) {
            stream_append_event(stream, event, data);
            stream_flush(stream);
        }
    }
}

void edge_streams_end_all(struct edge_thread *thread, const char *event)
{
    for (struct edge_stream *stream = thread->first_stream, *next; stream; stream = next) {
        next = stream->next;
        stream_append_event(stream, event, "{}");
        stream->has_state = true; /* one that never got its state ends as well */
        stream->ending = true;
        stream_flush(stream);
    }
}
