/*
 * The reconciler: a slow, jittered sweep that finishes what crashes left half done. Any edge may run it, one
 * does at a time (advisory lock). Today it takes back reservations that ran out: it looks on GitHub for a
 * hook of ours that no active installation owns, removes it, and drops the reservation. While it looks, the
 * reservation is its own, and nobody else can connect that repository (index installations_connecting). What
 * GitHub will not tell today is left for the next sweep.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/edge.h"

#define RECONCILE_BATCH      20 /* reservations a sweep: each may cost a few of its person's requests */
#define RECONCILE_HOOK_PAGES 50
#define RECONCILE_HOLD       120 /* seconds that a reservation under repair is kept from the next sweep */

static struct edge_worker reconcile_worker;

struct reconcile_reservation {
    int64_t id, generation, user_id;
    bool has_repo_id; /* without it the flow ended before a hook was asked for */
    char *full_name, *owner, *repo, *token;
};

/* Claims the reservation: its generation changes, so that the flow that made it, if it lives after all,
 * cannot activate it any more. */
static rb_err reconcile_claim(struct rb_db *db, struct reconcile_reservation *reservation)
{
    static const struct rb_statement statement = {
        "reconcile_claim", "update installations set generation = nextval('generations'), reserved_until = "
                           "now() + make_interval(secs => $3) "
                           "where id = $1 and generation = $2 and state = 'reserved' and reserved_until < "
                           "now() returning generation"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(reservation->id), RB_P_INT(reservation->generation),
                                RB_P_INT(RECONCILE_HOLD)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 3);
    if (!err && rb_rows_count(rows) == 0)
        err = rb_error_set(RB_ESTALE, "it was taken up meanwhile");
    if (!err)
        reservation->generation = rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return err;
}

/* Not now: the next sweep may look again at once. */
static void reconcile_unclaim(struct rb_db *db, const struct reconcile_reservation *reservation)
{
    static const struct rb_statement statement = {
        "reconcile_unclaim", "update installations set reserved_until = now() where id = $1 and "
                             "generation = $2 and state = 'reserved'"};
    struct rb_param params[] = {RB_P_INT(reservation->id), RB_P_INT(reservation->generation)};
    if (rb_db_query(NULL, db, &statement, params, 2))
        rb_log_warn("reconciler: %s", rb_error_text());
}

static rb_err reconcile_ask(struct rb_github_response *response, struct edge *edge,
                            struct rb_github_request *request,
                            const struct reconcile_reservation *reservation)
{
    char sentence[512];
    const char *name = request->name;
    rb_err err = rb_github_call(response, edge->github, request, reservation->token);
    if (err && !response->err)
        return err;
    err = rb_github_judge(sentence, sizeof(sentence), response, name, reservation->full_name);
    return err ? rb_error_set(err, "%s", sentence) : RB_OK;
}

/* The hook with our address, over all pages. RB_ENOTFOUND: there is none. */
static rb_err reconcile_find_hook(int64_t *hook_id, struct edge *edge,
                                  const struct reconcile_reservation *reservation)
{
    rb_err err = RB_ENOTFOUND;
    bool more = true;
    for (int page = 1; more && page <= RECONCILE_HOOK_PAGES; page++) {
        struct rb_github_request request;
        struct rb_github_response response;
        rb_github_list_hooks(&request, reservation->owner, reservation->repo, page);
        err = reconcile_ask(&response, edge, &request, reservation);
        /* A repository that is gone, or that this person may not manage any more, has no hook we could
         * remove. */
        bool readable = !err;
        if (readable)
            err = rb_github_find_hook(hook_id, &response, edge->settings.hook_url);
        more = readable && err == RB_ENOTFOUND && response.has_next;
        rb_github_response_clear(&response);
    }
    return err;
}

static rb_err reconcile_is_owned(bool *owned, struct rb_db *db, int64_t hook_id)
{
    static const struct rb_statement statement = {
        "reconcile_owner", "select 1 from installations where state = 'active' and webhook_id = $1 limit 1"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(hook_id)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 1);
    *owned = !err && rb_rows_count(rows) > 0;
    rb_rows_free(rows);
    return err;
}

static rb_err reconcile_remove_hook(struct edge *edge, struct rb_db *db,
                                    const struct reconcile_reservation *reservation)
{
    int64_t hook_id = 0;
    bool owned = false;
    rb_err err = reconcile_find_hook(&hook_id, edge, reservation);
    if (err == RB_EAUTH || err == RB_EFORBIDDEN) {
        rb_log_warn(
            "reconciler: repo=%s: a hook may be left that this person's token cannot reach any more: %s",
            reservation->full_name, rb_error_text());
        return RB_OK;
    }
    if (err)
        return err == RB_ENOTFOUND ? RB_OK : err;
    err = reconcile_is_owned(&owned, db, hook_id);
    if (err || owned)
        return err;
    struct rb_github_request request;
    struct rb_github_response response;
    rb_github_delete_hook(&request, reservation->owner, reservation->repo, hook_id);
    err = reconcile_ask(&response, edge, &request, reservation);
    rb_github_response_clear(&response);
    if (err == RB_OK)
        rb_log_info("reconciler: removed hook=%" PRId64 " of repo=%s, which no installation owns", hook_id,
                    reservation->full_name);
    return err == RB_ENOTFOUND ? RB_OK : err;
}

static rb_err reconcile_drop(struct rb_db *db, const struct reconcile_reservation *reservation)
{
    static const struct rb_statement statement = {
        "reconcile_drop",
        "delete from installations where id = $1 and generation = $2 and state = 'reserved'"};
    struct rb_param params[] = {RB_P_INT(reservation->id), RB_P_INT(reservation->generation)};
    return rb_db_query(NULL, db, &statement, params, 2);
}

static void reconcile_one(struct edge_worker *worker, struct reconcile_reservation *reservation,
                          const uint8_t *sealed, size_t len)
{
    rb_err err = reconcile_claim(worker->db, reservation);
    if (err) {
        if (err != RB_ESTALE)
            rb_log_warn("reconciler: %s", rb_error_text());
        return;
    }
    /* Without the person's token nothing can be asked. */
    if (reservation->has_repo_id &&
        rb_unseal(&reservation->token, NULL, worker->edge->keyring, RB_PURPOSE_OAUTH_TOKEN,
                  reservation->user_id, sealed, len) == RB_OK)
        err = reconcile_remove_hook(worker->edge, worker->db, reservation);
    rb_secret_free(reservation->token);
    if (!err)
        err = reconcile_drop(worker->db, reservation);
    if (err) {
        rb_log_warn("reconciler: repo=%s waits for the next sweep: %s", reservation->full_name,
                    rb_error_text());
        reconcile_unclaim(worker->db, reservation);
    } else {
        rb_log_info("reconciler: took back the unfinished connect of repo=%s", reservation->full_name);
    }
}

static rb_err reconcile_sweep(struct edge_worker *worker)
{
    static const struct rb_statement statement = {
        "reconcile_find",
        "select i.id, i.generation, i.user_id, i.repo_full_name, u.token_sealed, i.repo_id is not null "
        "from installations i join users u on u.id = i.user_id where i.state = 'reserved' and "
        "i.reserved_until < now() order by i.reserved_until limit $1"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(RECONCILE_BATCH)};
    rb_err err = rb_db_query(&rows, worker->db, &statement, params, 1);
    if (err)
        return err;
    for (size_t i = 0; i < rb_rows_count(rows) && !edge_worker_is_stopping(worker); i++) {
        char *name = rb_strdup(rb_rows_text(rows, i, 3));
        char *slash = strchr(name, '/'); /* a check constraint says there is one */
        struct reconcile_reservation reservation = {.id = rb_rows_int(rows, i, 0),
                                                    .generation = rb_rows_int(rows, i, 1),
                                                    .user_id = rb_rows_int(rows, i, 2),
                                                    .has_repo_id = rb_rows_bool(rows, i, 5),
                                                    .full_name = rb_strdup(name),
                                                    .owner = name,
                                                    .repo = slash + 1};
        size_t len = 0;
        const uint8_t *sealed = rb_rows_bytes(rows, i, 4, &len);
        *slash = '\0';
        reconcile_one(worker, &reservation, sealed, len);
        free(reservation.full_name);
        free(name);
    }
    rb_rows_free(rows);
    return RB_OK;
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
