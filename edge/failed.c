/*
 * repo.failed: a subscriber has given up an event of an installation. The id is made of that event's and the
 * subscriber's name, so a record that is read twice, or a dead letter that is given again and fails again, is
 * told once. Nothing is told about a repo.failed itself: a subscriber that fails on these would hear of
 * itself for ever. Nor where a run does not say which event it is of, as those of programs of before.
 *
 * Of two edges with the same record the second waits for the row of the first in `runs`, and then sees its
 * event.
 */
#include <stdlib.h>

#include "edge/edge.h"

static rb_err failed_put(struct rb_db *db, const struct edge_event *event)
{
    static const struct rb_statement statement = {
        "failed_write", "with given_up as (select 1), " EDGE_OUTBOX("given_up", "$1", "$2", "$3", "$4")};
    struct rb_param params[] = {RB_P_TEXT(event->id), RB_P_TEXT(RB_REPO_FAILED), RB_P_TEXT(event->trace),
                                RB_P_TEXT(event->body.data)};
    return rb_db_query(NULL, db, &statement, params, 4);
}

/* `rows` is the installation; the trace goes on where the event that was given up is in the outbox. */
static rb_err failed_make(struct edge_event *event, const struct rb_run *run, const struct rb_rows *rows)
{
    char trace[RB_TRACEPARENT_SIZE];
    rb_traceparent_make(trace, rb_rows_text(rows, 0, 2));
    return edge_event_make_again(
        event, trace, RB_REPO_FAILED,
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:i, s:s}", "installation_id",
                  (json_int_t)run->installation_id, "generation", (json_int_t)run->generation, "repo_id",
                  (json_int_t)rb_rows_int(rows, 0, 0), "repo", rb_rows_text(rows, 0, 1), "subscriber",
                  run->subscriber, "event", run->event, "attempts", run->attempt, "error", run->error));
}

rb_err edge_failed_write(struct rb_db *db, const struct rb_run *run)
{
    static const struct rb_statement statement = {
        "failed_find",
        "select i.repo_id, i.repo_full_name, e.traceparent from installations i left join outbox_events e "
        "on e.id = case when $2 ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $2::uuid end "
        "where i.id = $1 and i.state = 'active' and e.subject is distinct from '" RB_REPO_FAILED "' "
        "and not exists (select from outbox_events where id = $3::uuid)"};
    if (!*run->event)
        return RB_OK;
    struct edge_event event = {0};
    struct rb_rows *rows = NULL;
    char *name = rb_asprintf("%s/%s/" RB_REPO_FAILED, run->event, run->subscriber);
    rb_uuid_from_name(event.id, name);
    free(name);
    struct rb_param params[] = {RB_P_INT(run->installation_id), RB_P_TEXT(run->event), RB_P_TEXT(event.id)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 3);
    if (!err && rb_rows_count(rows) > 0) {
        err = failed_make(&event, run, rows);
        if (!err)
            err = failed_put(db, &event);
        rb_buf_free(&event.body);
    }
    rb_rows_free(rows);
    return err;
}
