#include "edge/leave.h"

#include <string.h>

const struct rb_statement edge_leave_statement = {
    "leave_write",
    "with gone as (update installations set state = 'disconnected', disconnected_at = now(), leaving_until = "
    "null, generation = $3, hook_left = $4::int <> 0 where id = $1 and state = 'active' and " EDGE_CLAIM
    " = $2 returning id), " EDGE_OUTBOX("gone", "$5", "$6", "$7", "$8")};

rb_err edge_leave_make(struct rb_param params[EDGE_LEAVE_PARAMS], struct edge_event *event,
                       const char *traceparent, const struct edge_leave *leave)
{
    rb_err err = edge_event_make(event, traceparent, RB_REPO_DISCONNECTED,
                                 json_pack("{s:I, s:I, s:I, s:s, s:I}", "installation_id",
                                           leave->installation_id, "generation", leave->generation, "repo_id",
                                           leave->repo_id, "repo", leave->name, "user_id", leave->user_id));
    const struct rb_param all[EDGE_LEAVE_PARAMS] = {
        RB_P_INT(leave->installation_id), RB_P_INT(leave->claim),     RB_P_INT(leave->generation),
        RB_P_INT(leave->hook_left),       RB_P_TEXT(event->id),       RB_P_TEXT(RB_REPO_DISCONNECTED),
        RB_P_TEXT(event->trace),          RB_P_TEXT(event->body.data)};
    memcpy(params, all, sizeof(all));
    return err;
}
