/*
 * Private to edge/: a flow, which is what a request does in several steps, written so that the way through is
 * read from top to bottom of one file.
 *
 * It is a struct that begins with a struct edge_flow, and a list of steps in the order of the way through. A
 * step either names the next one, or starts one piece of work that names the step which goes on with the
 * result (edge_flow_query() and its like, which give NULL), or answers and ends the flow. A flow holds its
 * exchange: a client that hangs up changes nothing of what is done.
 *
 *     #define GREET_STEPS(STEP) STEP(find) STEP(found)
 *     #define GREET_STEP(step)  EDGE_FLOW_STEP(greet, step)
 *     GREET_STEPS(GREET_STEP)     declares greet_find() and greet_found(), and &step_find and &step_found
 */
#ifndef RB_EDGE_FLOW_H
#define RB_EDGE_FLOW_H

#include "edge/edge.h"

struct edge_flow;
struct edge_step {
    const char *name; /* in debug lines */
    const struct edge_step *(*run)(struct edge_flow *flow);
};
struct edge_flow {
    struct edge_exchange *exchange;
    const struct edge_step *next;
    /* What the last piece of work gave, until the next one is started. */
    rb_err err;
    const struct rb_rows *rows;
    struct rb_github_response *response;
};

#define EDGE_FLOW_STEP(flow_, step)                                                   \
    static const struct edge_step *flow_##_##step(struct flow_ *in);                  \
    static const struct edge_step *run_##step(struct edge_flow *flow)                 \
    {                                                                                 \
        return flow_##_##step((struct flow_ *)flow); /* which begins with its flow */ \
    }                                                                                 \
    static const struct edge_step step_##step = {#step, run_##step};

/* A flow of `size` bytes, all zero but its exchange, which is held. */
void *edge_flow_new(struct edge_exchange *exchange, size_t size);
/* Goes on with `step` until one waits or ends. The flow may be gone afterwards. */
void edge_flow_go(struct edge_flow *flow, const struct edge_step *step);
/* Frees the flow, after it has answered, and lets go of the exchange. NULL, for the step that ends it. */
const struct edge_step *edge_flow_end(struct edge_flow *flow);

/* Each starts one piece of work, after which `next` finds the result in the flow. All give NULL. */
const struct edge_step *edge_flow_query(struct edge_flow *flow, const struct rb_statement *statement,
                                        const struct rb_param *params, size_t count,
                                        const struct edge_step *next);
/* A short write that comes in numbers (edge_query_grouped). */
const struct edge_step *edge_flow_write(struct edge_flow *flow, const struct rb_statement *statement,
                                        const struct rb_param *params, size_t count,
                                        const struct edge_step *next);
/* Asks GitHub as the one whose `token` it is. Takes the request. */
const struct edge_step *edge_flow_ask(struct edge_flow *flow, struct rb_github_request *request,
                                      const char *token, const struct edge_step *next);
/* Waits for EDGE_PAUSE_MS. */
const struct edge_step *edge_flow_pause(struct edge_flow *flow, const struct edge_step *next);

#endif
