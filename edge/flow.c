#include "edge/flow.h"

#include <stdlib.h>

void *edge_flow_new(struct edge_exchange *exchange, size_t size)
{
    struct edge_flow *flow = rb_calloc(1, size);
    flow->exchange = exchange;
    edge_hold(exchange);
    return flow;
}

const struct edge_step *edge_flow_end(struct edge_flow *flow)
{
    struct edge_exchange *exchange = flow->exchange;
    free(flow);
    edge_release(exchange);
    return NULL;
}

void edge_flow_go(struct edge_flow *flow, const struct edge_step *step)
{
    const char *route = flow->exchange->route->name;
    while (step) {
        rb_log_debug("%s: %s", route, step->name);
        step = step->run(flow);
    }
}

static void flow_on_rows(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct edge_flow *flow = arg;
    flow->err = err;
    flow->rows = rows;
    edge_flow_go(flow, flow->next);
}

static void flow_on_response(void *arg, struct rb_github_response *response)
{
    struct edge_flow *flow = arg;
    flow->response = response;
    edge_flow_go(flow, flow->next);
}

static void flow_on_pause(void *arg)
{
    struct edge_flow *flow = arg;
    edge_flow_go(flow, flow->next);
}

const struct edge_step *edge_flow_query(struct edge_flow *flow, const struct rb_statement *statement,
                                        const struct rb_param *params, size_t count,
                                        const struct edge_step *next)
{
    flow->next = next;
    edge_query(flow->exchange, statement, params, count, flow_on_rows, flow);
    return NULL;
}

const struct edge_step *edge_flow_write(struct edge_flow *flow, const struct rb_statement *statement,
                                        const struct rb_param *params, size_t count,
                                        const struct edge_step *next)
{
    flow->next = next;
    edge_query_grouped(flow->exchange, statement, params, count, flow_on_rows, flow);
    return NULL;
}

const struct edge_step *edge_flow_ask(struct edge_flow *flow, struct rb_github_request *request,
                                      const char *token, const struct edge_step *next)
{
    flow->next = next;
    edge_ask_github(flow->exchange, request, token, flow_on_response, flow);
    return NULL;
}

const struct edge_step *edge_flow_pause(struct edge_flow *flow, const struct edge_step *next)
{
    flow->next = next;
    edge_pause(flow->exchange, flow_on_pause, flow);
    return NULL;
}
