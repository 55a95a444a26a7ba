/*
 * The reconciler: a slow, jittered sweep that any edge may run and one does at a time (advisory lock). In
 * this order:
 *
 *   reservations   of connects that a crash left half way are taken back, with the hook they may have left
 *   disconnects    that a crash left half way are finished
 *   left hooks     of forced disconnects are removed
 *   health         each connected repository is looked at now and then: its name, our access, its hook
 *   deliveries     that GitHub could not deliver are asked for again, since it never does so by itself
 *
 * Whatever it writes is conditional on what it has seen, so that people who act meanwhile win. What GitHub
 * will not tell today is left for the next sweep. It asks with the token of the person concerned, and for a
 * small share of what GitHub gives that person (reconcile_github.c).
 */
#include "edge/reconcile.h"

static struct edge_worker reconcile_worker;

static rb_err reconcile_sweep(struct edge_worker *worker)
{
    static rb_err (*const tasks[])(struct reconcile *) = {reconcile_reservations, reconcile_disconnects,
                                                          reconcile_left_hooks, reconcile_health,
                                                          reconcile_deliveries};
    struct reconcile sweep = {.worker = worker, .db = worker->db, .edge = worker->edge};
    rb_err err = RB_OK;
    for (size_t i = 0; i < sizeof(tasks) / sizeof(*tasks) && !err && !edge_worker_is_stopping(worker); i++)
        err = tasks[i](&sweep);
    return err;
}

static void reconcile_run(struct edge_worker *worker)
{
    int64_t pause_ms = worker->edge->settings.reconcile_seconds * 1000LL;
    while (!edge_worker_is_stopping(worker)) {
        edge_worker_sleep(worker, rb_jitter_ms(pause_ms));
        if (edge_worker_is_stopping(worker) || rb_db_try_lock(worker->db, RB_LOCK_RECONCILER, 0))
            continue; /* another edge sweeps, or the database is away: later */
        if (reconcile_sweep(worker))
            rb_log_warn("reconciler: %s", rb_error_text());
        rb_db_unlock(worker->db, RB_LOCK_RECONCILER, 0);
    }
}

rb_err edge_reconciler_start(struct edge *edge)
{
    reconcile_worker = (struct edge_worker){.name = "repobus-reconciler", .edge = edge, .run = reconcile_run};
    return edge_worker_start(&reconcile_worker);
}

void edge_reconciler_stop(void)
{
    edge_worker_stop(&reconcile_worker);
}
