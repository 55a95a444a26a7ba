/*
 * Connects that a crash left half way. The flow's reservation has run out: a hook of ours that no active
 * installation owns is removed, and the reservation dropped. While it looks, the reservation is the
 * reconciler's own, and nobody else can connect that repository (index installations_connecting).
 */
#include <inttypes.h>

#include "edge/reconcile.h"

#define RESERVATIONS_BATCH 20 /* a sweep: each may cost a few of its person's requests */

/* Its generation changes, so that the flow that made it, if it lives after all, cannot activate it any more.
 */
static rb_err reservation_claim(struct rb_db *db, struct reconcile_case *it)
{
    static const struct rb_statement statement = {
        "reconcile_claim", "update installations set generation = nextval('generations'), reserved_until = "
                           "now() + make_interval(secs => $3) where id = $1 and generation = $2 and state = "
                           "'reserved' and reserved_until < now() returning generation"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(it->generation),
                                RB_P_INT(RECONCILE_HOLD)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 3);
    if (!err && rb_rows_count(rows) == 0)
        err = rb_error_set(RB_ESTALE, "it was taken up meanwhile");
    if (!err)
        it->generation = rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return err;
}

/* Not now: the next sweep may look again at once. */
static rb_err reservation_unclaim(struct rb_db *db, const struct reconcile_case *it)
{
    static const struct rb_statement statement = {
        "reconcile_unclaim", "update installations set reserved_until = now() where id = $1 and "
                             "generation = $2 and state = 'reserved'"};
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(it->generation)};
    return rb_db_query(NULL, db, &statement, params, 2);
}

static rb_err reservation_drop(struct rb_db *db, const struct reconcile_case *it)
{
    static const struct rb_statement statement = {
        "reconcile_drop",
        "delete from installations where id = $1 and generation = $2 and state = 'reserved'"};
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(it->generation)};
    return rb_db_query(NULL, db, &statement, params, 2);
}

static rb_err reservation_remove_hook(struct reconcile *sweep, const struct reconcile_case *it)
{
    int64_t hook_id = 0;
    bool owned = false;
    rb_err err = reconcile_find_hook(&hook_id, sweep, it);
    if (err == RB_EAUTH || err == RB_EFORBIDDEN) {
        rb_log_warn(
            "reconciler: repo=%s: a hook may be left that this person's token cannot reach any more: %s",
            it->full_name, rb_error_text());
        return RB_OK;
    }
    if (err)
        return err == RB_ENOTFOUND ? RB_OK : err;
    err = reconcile_is_owned(&owned, sweep->db, hook_id, 0);
    return err || owned ? err : reconcile_delete_hook(sweep, it, hook_id);
}

static rb_err reservation_take_back(struct reconcile *sweep, struct reconcile_case *it)
{
    rb_err err = reservation_claim(sweep->db, it);
    if (err)
        return err == RB_ESTALE ? RB_OK : err;
    if (it->repo_id) /* without it the flow ended before a hook was asked for */
        err = reservation_remove_hook(sweep, it);
    if (err) {
        rb_log_warn("reconciler: repo=%s waits for the next sweep: %s", it->full_name, rb_error_text());
        return reservation_unclaim(sweep->db, it);
    }
    rb_log_info("reconciler: took back the unfinished connect of repo=%s", it->full_name);
    reconcile_count("connects_taken_back");
    return reservation_drop(sweep->db, it);
}

rb_err reconcile_reservations(struct reconcile *sweep)
{
    static const struct rb_statement statement = {
        "reconcile_reservations",
        "select " RECONCILE_CASE " from installations i join users u on u.id = i.user_id "
        "where i.state = 'reserved' and i.reserved_until < now() order by i.reserved_until "
        "limit $1"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(RESERVATIONS_BATCH)};
    rb_err err = rb_db_query(&rows, sweep->db, &statement, params, 1);
    for (size_t i = 0; !err && i < rb_rows_count(rows) && !edge_worker_is_stopping(sweep->worker); i++) {
        struct reconcile_case it;
        reconcile_case_read(&it, sweep, rows, i);
        err = reservation_take_back(sweep, &it);
        reconcile_case_clear(&it);
    }
    rb_rows_free(rows);
    return err;
}
