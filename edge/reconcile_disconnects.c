/*
 * Disconnects that a crash left half way are finished, as the person wanted; and hooks that a forced
 * disconnect left on GitHub are removed. Both hold the repository meanwhile (leaving_until is in the index
 * installations_connecting), so that nobody connects it and shares a hook that is being removed. A claim is
 * known by its exact time, as in disconnect.c.
 */
#include <inttypes.h>

#include "edge/leave.h"
#include "edge/reconcile.h"

#define DISCONNECTS_BATCH 20
#define LEFT_HOOK_DAYS    "30" /* after so long a hook that nobody can reach is given up, with a warning */
#define LEFT_HOOK_PAUSE   "1 hour"

static rb_err disconnect_claim(int64_t *claim, struct rb_db *db, const struct reconcile_case *it)
{
    static const struct rb_statement statement = {
        "reconcile_leave_claim",
        "update installations set leaving_until = clock_timestamp() + make_interval(secs => "
        "$2), checked_at = now() where id = $1 and (state = 'active' or hook_left) and "
        "(leaving_until < now() or (leaving_until is null and hook_left)) returning " EDGE_CLAIM};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(RECONCILE_HOLD)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 2);
    if (!err && rb_rows_count(rows) == 0)
        err = rb_error_set(RB_ESTALE, "it was taken up meanwhile");
    if (!err)
        *claim = rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return err;
}

/* Looked at again by the next sweep. */
static rb_err disconnect_unclaim(struct rb_db *db, const struct reconcile_case *it, int64_t claim)
{
    static const struct rb_statement statement = {
        "reconcile_leave_unclaim",
        "update installations set leaving_until = now() where id = $1 and state = 'active' "
        "and " EDGE_CLAIM " = $2"};
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(claim)};
    return rb_db_query(NULL, db, &statement, params, 2);
}

static rb_err disconnect_write(struct reconcile *sweep, const struct reconcile_case *it, int64_t claim,
                               bool hook_left)
{
    static const struct rb_statement draw = {"reconcile_generation", "select nextval('generations')"};
    struct rb_rows *rows = NULL;
    struct rb_param params[EDGE_LEAVE_PARAMS];
    struct edge_event event;
    struct edge_leave leave = {.installation_id = it->installation_id,
                               .claim = claim,
                               .repo_id = it->repo_id,
                               .user_id = it->user_id,
                               .name = it->full_name,
                               .hook_left = hook_left};
    rb_err err = rb_db_query(&rows, sweep->db, &draw, NULL, 0);
    leave.generation = err ? 0 : rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    if (err)
        return err;
    err = edge_leave_make(params, &event, NULL, &leave);
    if (!err)
        err = rb_db_query(NULL, sweep->db, &edge_leave_statement, params, EDGE_LEAVE_PARAMS);
    rb_buf_free(&event.body);
    return err;
}

static rb_err disconnect_finish(struct reconcile *sweep, const struct reconcile_case *it)
{
    int64_t claim = 0;
    bool owned = false, hook_left = false;
    rb_err err = disconnect_claim(&claim, sweep->db, it);
    if (err)
        return err == RB_ESTALE ? RB_OK : err;
    err = reconcile_is_owned(&owned, sweep->db, it->hook_id, it->installation_id);
    if (err)
        return err;
    if (!owned) {
        err = reconcile_delete_hook(sweep, it, it->hook_id);
        hook_left = reconcile_is_final(err);
    }
    if (err && !hook_left) {
        rb_log_warn("reconciler: the disconnect of repo=%s waits for the next sweep: %s", it->full_name,
                    rb_error_text());
        return disconnect_unclaim(sweep->db, it, claim);
    }
    rb_log_info("reconciler: finished the disconnect of repo=%s installation=%" PRId64, it->full_name,
                it->installation_id);
    reconcile_count("disconnects_finished");
    return disconnect_write(sweep, it, claim, hook_left);
}

typedef rb_err (*disconnect_fn)(struct reconcile *sweep, const struct reconcile_case *it);

static rb_err disconnect_each(struct reconcile *sweep, const struct rb_statement *statement, disconnect_fn fn)
{
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(DISCONNECTS_BATCH)};
    rb_err err = rb_db_query(&rows, sweep->db, statement, params, 1);
    for (size_t i = 0; !err && i < rb_rows_count(rows) && !edge_worker_is_stopping(sweep->worker); i++) {
        struct reconcile_case it;
        reconcile_case_read(&it, sweep, rows, i);
        err = fn(sweep, &it);
        reconcile_case_clear(&it);
    }
    rb_rows_free(rows);
    return err;
}

rb_err reconcile_disconnects(struct reconcile *sweep)
{
    static const struct rb_statement statement = {
        "reconcile_disconnects",
        "select " RECONCILE_CASE " from installations i join users u on u.id = i.user_id "
        "where i.state = 'active' and i.leaving_until < now() order by i.leaving_until "
        "limit $1"};
    return disconnect_each(sweep, &statement, disconnect_finish);
}

/* ---- hooks that were left ----------------------------------------------------------------------------- */

/* Gives the repository free again; `done`: there is nothing to look for any more, or it is given up. */
static rb_err left_release(struct rb_db *db, const struct reconcile_case *it, int64_t claim, bool done)
{
    static const struct rb_statement statement = {
        "reconcile_left_release",
        "update installations set leaving_until = null, hook_left = hook_left and not "
        "($3::int <> 0 or disconnected_at < now() - interval '" LEFT_HOOK_DAYS
        " days') where id = $1 and hook_left and " EDGE_CLAIM " = $2 returning hook_left"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(claim), RB_P_INT(done)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 3);
    if (!err && !done && rb_rows_count(rows) > 0 && !rb_rows_bool(rows, 0, 0))
        rb_log_warn("reconciler: gave up hook=%" PRId64
                    " of repo=%s, which nobody's token has reached for " LEFT_HOOK_DAYS
                    " days: an admin can remove it in the repository's settings",
                    it->hook_id, it->full_name);
    rb_rows_free(rows);
    return err;
}

static rb_err left_remove(struct reconcile *sweep, const struct reconcile_case *it)
{
    int64_t claim = 0, hook_id = 0;
    bool owned = false, done = false;
    rb_err err = disconnect_claim(&claim, sweep->db, it);
    if (err) /* RB_ECONFLICT: somebody connects or disconnects it right now */
        return err == RB_ESTALE || err == RB_ECONFLICT ? RB_OK : err;
    err = reconcile_find_hook(&hook_id, sweep, it);
    if (err == RB_OK) {
        rb_err lookup = reconcile_is_owned(&owned, sweep->db, hook_id, 0);
        if (lookup)
            return lookup;
        done = owned || reconcile_delete_hook(sweep, it, hook_id) == RB_OK;
    } else {
        done = err == RB_ENOTFOUND && it->token && reconcile_delete_hook(sweep, it, it->hook_id) == RB_OK;
    }
    return left_release(sweep->db, it, claim, done);
}

rb_err reconcile_left_hooks(struct reconcile *sweep)
{
    static const struct rb_statement statement = {
        "reconcile_left_hooks",
        "select " RECONCILE_CASE
        " from installations i join users u on u.id = i.user_id where i.hook_left and (i.state "
        "= 'disconnected') and (i.checked_at is null or i.checked_at < i.disconnected_at or i.checked_at < "
        "now() - "
        "interval '" LEFT_HOOK_PAUSE
        "' or i.leaving_until < now()) order by i.checked_at nulls first limit $1"};
    return disconnect_each(sweep, &statement, left_remove);
}
