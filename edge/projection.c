/*
 * The projection of runs. One durable consumer, shared by all edges, puts every run record into PostgreSQL;
 * the commit notifies every edge, which tells the people who watch. So what a watcher is told is never ahead
 * of what a reader sees, and a watcher on any edge hears of it. A run that has failed is an event, too
 * (failed.c).
 */
#include <stdlib.h>
#include <string.h>

#include "edge/edge.h"

#define PROJECTION_DURABLE "edge-runs"
#define PROJECTION_IDLE_MS 60000 /* a wait without a notification; nothing is done then */

static struct edge_worker listener_worker;
static struct rb_run_follower *projection_follower;
static struct rb_db *projection_db; /* of libbus's thread alone */

static rb_err projection_write(bool *kept, const struct rb_run *run)
{
    /* Newer wins: by generation, then by the time the subscriber gave. But where two have the same event in
     * hand, one of which stood still for a while, the end of either is the end: what began before it says
     * nothing new, even if it speaks later. And what is done stays done for that event, also when the server
     * gave it to another one although it was acknowledged: it does not come again after that one has failed.
     * Runs of installations that are gone are dropped. */
    static const struct rb_statement statement = {
        "projection_keep",
        "with kept as (insert into runs as r (installation_id, subscriber, generation, state, attempt, done, "
        "total, note, "
        "error, at, started_at, finished_at, event) "
        "select $1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10::bigint / 1000.0), "
        "to_timestamp($11::bigint / "
        "1000.0), to_timestamp(nullif($12::bigint, 0) / 1000.0), $13 where exists (select 1 from "
        "installations "
        "where id = $1) "
        "on conflict (installation_id, subscriber) do update set generation = excluded.generation, state = "
        "excluded.state, attempt = excluded.attempt, done = excluded.done, total = excluded.total, note = "
        "excluded.note, "
        "error = excluded.error, at = excluded.at, started_at = excluded.started_at, finished_at = "
        "excluded.finished_at, event = excluded.event "
        "where excluded.generation > r.generation or (excluded.generation = r.generation and case "
        "when r.state = 'done' and excluded.state <> 'done' and r.event <> '' and excluded.event = r.event "
        "then "
        "false "
        "when r.finished_at is not null and excluded.finished_at is null then excluded.started_at > "
        "r.finished_at "
        "when r.finished_at is null and excluded.finished_at is not null then excluded.finished_at >= "
        "r.started_at "
        "else excluded.at >= r.at end) returning r.*), "
        "told as (select pg_notify('runs', (jsonb_build_object('installation_id', k.installation_id) || "
        "json_run(row(k.*)::runs))::text) from kept k) select count(*) from told"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(run->installation_id), RB_P_TEXT(run->subscriber),
                                RB_P_INT(run->generation),      RB_P_TEXT(rb_run_state_name(run->state)),
                                RB_P_INT(run->attempt),         RB_P_INT(run->done),
                                RB_P_INT(run->total),           RB_P_TEXT(run->note),
                                RB_P_TEXT(run->error),          RB_P_INT(run->at_ms),
                                RB_P_INT(run->started_ms),      RB_P_INT(run->finished_ms),
                                RB_P_TEXT(run->event)};
    rb_err err = rb_db_query(&rows, projection_db, &statement, params, sizeof(params) / sizeof(params[0]));
    *kept = !err && rb_rows_int(rows, 0, 0) > 0;
    rb_rows_free(rows);
    return err;
}

/* What is given up is told as an event, together with the run or not at all. */
static rb_err projection_write_failed(const struct rb_run *run)
{
    bool kept = false;
    rb_err err = rb_db_begin(projection_db);
    if (!err)
        err = projection_write(&kept, run);
    if (kept)
        err = edge_failed_write(projection_db, run);
    if (!err)
        return rb_db_commit(projection_db);
    rb_db_rollback(projection_db);
    return err;
}

static rb_err projection_keep(void *arg, const struct rb_run *run)
{
    bool kept;
    (void)arg;
    rb_err err = run->state == RB_RUN_FAILED ? projection_write_failed(run) : projection_write(&kept, run);
    if (err == RB_EINVAL) { /* a record that breaks a constraint will never fit: one bad subscriber holds up
                               nobody */
        rb_log_warn("a run record of %s is dropped: %s", run->subscriber, rb_error_text());
        return RB_OK;
    }
    return err;
}

static void listener_tell(const char *payload)
{
    json_t *run = json_loads(payload, 0, NULL);
    int64_t id = json_integer_value(json_object_get(run, "installation_id"));
    if (id)
        edge_streams_tell(id, "run", payload);
    json_decref(run);
}

static void listener_run(struct edge_worker *worker)
{
    bool listening = rb_db_listen(worker->db, "runs") == RB_OK, notified = false;
    while (!edge_worker_is_stopping(worker)) {
        if (!listening) {
            /* What was told meanwhile is lost to this edge. Its watchers are sent away once it listens again,
             * and not before: those who come back then read a state that nothing can be missing from. */
            listening = rb_db_ping(worker->db) == RB_OK;
            if (listening)
                edge_streams_reset();
            else
                edge_worker_sleep(worker, rb_jitter_ms(1000));
            continue;
        }
        listening = rb_db_wait(&notified, worker->db, PROJECTION_IDLE_MS, worker->wake_fd) == RB_OK;
        for (char *payload; listening && (payload = rb_db_notification(worker->db));) {
            listener_tell(payload);
            free(payload);
        }
    }
}

rb_err edge_projection_start(struct edge *edge)
{
    rb_err err = rb_db_open(&projection_db, edge->settings.database_url, "repobus-projection", 0);
    if (!err)
        err = rb_bus_follow_runs(&projection_follower, edge->bus, PROJECTION_DURABLE, projection_keep, NULL);
    listener_worker = (struct edge_worker){.name = "repobus-listener", .edge = edge, .run = listener_run};
    return err ? err : edge_worker_start(&listener_worker);
}

void edge_projection_stop(void)
{
    rb_bus_unfollow_runs(projection_follower);
    edge_worker_stop(&listener_worker);
    rb_db_close(projection_db);
}
