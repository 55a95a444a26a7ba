/* What an exchange waits for: the database, GitHub, time. Each holds the exchange meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/server.h"

/* ---- the database ------------------------------------------------------------------------------------- */

struct exchange_query {
    struct edge_exchange *exchange;
    edge_rows_fn fn;
    void *arg;
    int64_t since_us;
};

static void exchange_on_rows(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct exchange_query query = *(struct exchange_query *)arg;
    free(arg);
    edge_box_of(query.exchange)->database_us += rb_clock_us() - query.since_us;
    query.fn(query.arg, err, rows);
    edge_release(query.exchange);
}

/* A statement that was refused at once answers through the loop as well: callers are never called back from
 * within. */
static void exchange_on_refused(struct edge_thread *thread, void *arg)
{
    (void)thread;
    rb_error_set(RB_ELIMIT, "too many statements are waiting for PostgreSQL");
    exchange_on_rows(arg, RB_ELIMIT, NULL);
}

typedef rb_err (*exchange_submit_fn)(struct rb_pool *pool, const struct rb_statement *statement,
                                     const struct rb_param *params, size_t count, rb_pool_fn fn, void *arg);

static void exchange_submit(struct edge_exchange *exchange, exchange_submit_fn submit,
                            const struct rb_statement *statement, const struct rb_param *params, size_t count,
                            edge_rows_fn fn, void *arg)
{
    struct exchange_query *query = rb_malloc(sizeof(*query));
    *query = (struct exchange_query){.exchange = exchange, .fn = fn, .arg = arg, .since_us = rb_clock_us()};
    edge_hold(exchange);
    if (submit(exchange->thread->pool, statement, params, count, exchange_on_rows, query) != RB_OK)
        edge_thread_post(exchange->thread, exchange_on_refused, query);
}

void edge_query(struct edge_exchange *exchange, const struct rb_statement *statement,
                const struct rb_param *params, size_t count, edge_rows_fn fn, void *arg)
{
    exchange_submit(exchange, rb_pool_query, statement, params, count, fn, arg);
}

void edge_query_grouped(struct edge_exchange *exchange, const struct rb_statement *statement,
                        const struct rb_param *params, size_t count, edge_rows_fn fn, void *arg)
{
    exchange_submit(exchange, rb_pool_query_grouped, statement, params, count, fn, arg);
}

/* ---- GitHub ------------------------------------------------------------------------------------------- */

struct exchange_call {
    struct edge_exchange *exchange;
    edge_github_fn fn;
    void *arg;
    struct rb_github_response response;
    int64_t since_us;
};

static void exchange_deliver_response(struct edge_thread *thread, void *arg)
{
    struct exchange_call *call = arg;
    (void)thread;
    edge_box_of(call->exchange)->github_us += rb_clock_us() - call->since_us;
    call->fn(call->arg, &call->response);
    edge_release(call->exchange);
    rb_github_response_clear(&call->response);
    free(call);
}

/* On the client's I/O thread. */
static void exchange_on_response(void *arg, struct rb_github_response *response)
{
    struct exchange_call *call = arg;
    call->response = *response;
    response->body = NULL; /* moved */
    edge_thread_post(call->exchange->thread, exchange_deliver_response, call);
}

void edge_ask_github(struct edge_exchange *exchange, struct rb_github_request *request, const char *token,
                     edge_github_fn fn, void *arg)
{
    struct exchange_call *call = rb_calloc(1, sizeof(*call));
    call->exchange = exchange;
    call->fn = fn;
    call->arg = arg;
    call->since_us = rb_clock_us();
    request->traceparent = rb_strdup(exchange->traceparent);
    edge_hold(exchange);
    rb_err err = rb_github_submit(exchange->edge->github, request, token, exchange_on_response, call);
    if (err) {
        rb_github_request_clear(request);
        call->response = (struct rb_github_response){.err = err, .rate_remaining = -1};
        snprintf(call->response.message, sizeof(call->response.message), "%.255s", rb_error_text());
        edge_thread_post(exchange->thread, exchange_deliver_response, call);
    }
}

/* ---- pauses ------------------------------------------------------------------------------------------- */

struct exchange_pause {
    h2o_timeout_entry_t entry;
    struct edge_exchange *exchange;
    void (*fn)(void *);
    void *arg;
};

static void exchange_on_pause(h2o_timeout_entry_t *entry)
{
    struct exchange_pause *pause = H2O_STRUCT_FROM_MEMBER(struct exchange_pause, entry, entry);
    pause->fn(pause->arg);
    edge_release(pause->exchange);
    free(pause);
}

void edge_pause(struct edge_exchange *exchange, void (*fn)(void *), void *arg)
{
    struct exchange_pause *pause = rb_calloc(1, sizeof(*pause));
    *pause = (struct exchange_pause){.exchange = exchange, .fn = fn, .arg = arg};
    pause->entry.cb = exchange_on_pause;
    edge_hold(exchange);
    h2o_timeout_link(exchange->thread->context.loop, &exchange->thread->pause, &pause->entry);
}
