/* Private to edge/: how an installation is left, by a person's disconnect or by the reconciler that finishes
 * one. */
#ifndef RB_EDGE_LEAVE_H
#define RB_EDGE_LEAVE_H

#include "edge/edge.h"

/* A claim (leaving_until) as a number, in SQL: that of another is another moment. */
#define EDGE_CLAIM "(extract(epoch from leaving_until) * 1000000)::bigint"

struct edge_leave {
    int64_t installation_id, claim, generation, repo_id, user_id; /* the generation is a new one */
    const char *name;
    bool hook_left; /* its hook may still be on GitHub */
};

/* Makes the installation disconnected, and writes its event, if this claim holds still. A row: it was. */
extern const struct rb_statement edge_leave_statement;
#define EDGE_LEAVE_PARAMS 8
/* Its parameters and its event, whose body they point to: rb_buf_free() it whatever the result. */
rb_err edge_leave_make(struct rb_param params[EDGE_LEAVE_PARAMS], struct edge_event *event,
                       const char *traceparent, const struct edge_leave *leave) RB_MUST_CHECK;

#endif
