/*
 * Each connected repository is looked at now and then: is it called as we think, does this person's token
 * still reach it, is the hook there and active? What is not well is written down with its reason and told
 * once (repo.unhealthy). Nothing is repaired against the will of people: who removed or disabled a hook had a
 * reason, and connecting again makes a new one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/reconcile.h"

#define HEALTH_BATCH 50

struct health {
    const char *state;
    char reason[256];
};

static void health_set(struct health *health, const char *state, const char *reason)
{
    health->state = state;
    snprintf(health->reason, sizeof(health->reason), "%.250s", reason);
}

static rb_err health_follow_name(struct reconcile *sweep, struct reconcile_case *it, const char *full_name)
{
    static const struct rb_statement statement = {
        "reconcile_rename",
        "update installations set repo_full_name = $3 where id = $1 and repo_id = $2 and state = "
        "'active'"};
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(it->repo_id), RB_P_TEXT(full_name)};
    rb_err err = rb_db_query(NULL, sweep->db, &statement, params, 3);
    if (err == RB_ECONFLICT) { /* another of this person's repositories had the name: it is looked at, too */
        rb_log_info("reconciler: repo=%s cannot be called %s yet", it->full_name, full_name);
        err = RB_OK;
    } else if (!err) {
        rb_log_info("reconciler: repo=%s is called %s now", it->full_name, full_name);
        reconcile_count("renamed");
    }
    free(it->full_name);
    free(it->owner);
    it->full_name = rb_strdup(full_name);
    it->owner = rb_strdup(full_name);
    it->repo = strchr(it->owner, '/');
    *it->repo++ = '\0';
    return err;
}

/* What is wrong with the repository or our access; RB_OK with a state of NULL: nothing. Errors are temporary.
 */
static rb_err health_look_at_repo(struct health *health, struct rb_github_repo *about,
                                  struct reconcile *sweep, const struct reconcile_case *it)
{
    struct rb_github_request request;
    struct rb_github_response response;
    rb_github_get_repo_by_id(&request, it->repo_id);
    rb_err err = reconcile_ask(&response, sweep, &request, it);
    if (!err)
        err = rb_github_read_repo(about, &response);
    rb_github_response_clear(&response);
    if (err == RB_EAUTH)
        health_set(health, "token_invalid",
                   it->token ? "GitHub does not accept this person's sign-in any more: they "
                               "need to sign in again"
                             : rb_error_text());
    else if (reconcile_is_final(err))
        health_set(health, "access_lost", rb_error_text());
    else if (!err && !about->admin)
        health_set(health, "access_lost", "this person is no admin of the repository any more");
    return health->state ? RB_OK : err;
}

static rb_err health_look_at_hook(struct health *health, struct reconcile *sweep,
                                  const struct reconcile_case *it)
{
    struct rb_github_request request;
    struct rb_github_response response;
    struct rb_github_hook hook;
    rb_github_get_hook(&request, it->owner, it->repo, it->hook_id);
    rb_err err = reconcile_ask(&response, sweep, &request, it);
    if (!err)
        err = rb_github_read_hook(&hook, &response);
    rb_github_response_clear(&response);
    if (err == RB_ENOTFOUND)
        health_set(health, "hook_missing", "its webhook was removed on GitHub: connect the repository again");
    else if (err)
        return err;
    else if (strcmp(hook.url, sweep->edge->settings.hook_url) != 0)
        health_set(health, "hook_missing",
                   "its webhook was given another address on GitHub: connect it again");
    else if (!hook.active)
        health_set(health, "hook_disabled",
                   "its webhook was disabled on GitHub: enable it in the repository's settings");
    else
        health_set(health, "ok", "");
    return RB_OK;
}

static rb_err health_write(struct reconcile *sweep, const struct reconcile_case *it,
                           const struct health *health)
{
    static const struct rb_statement statement = {
        "reconcile_health",
        "with before as (select health from installations where id = $1), seen as (update installations set "
        "health = "
        "$3, health_reason = $4, health_since = case when health <> $3 then now() else health_since end, "
        "checked_at = "
        "now() where id = $1 and webhook_id = $2 and state = 'active' returning health), unwell as (select 1 "
        "from "
        "seen, before where seen.health <> before.health and seen.health <> 'ok'), " EDGE_OUTBOX(
            "unwell", "$5", "$6", "$7", "$8")};
    struct rb_rows *rows = NULL;
    struct edge_event event = {0};
    rb_err err = edge_event_make(&event, NULL, RB_REPO_UNHEALTHY,
                                 json_pack("{s:I, s:I, s:I, s:s, s:I, s:s, s:s}", "installation_id",
                                           it->installation_id, "generation", it->generation, "repo_id",
                                           it->repo_id, "repo", it->full_name, "user_id", it->user_id,
                                           "health", health->state, "reason", health->reason));
    struct rb_param params[] = {RB_P_INT(it->installation_id), RB_P_INT(it->hook_id),
                                RB_P_TEXT(health->state),      RB_P_TEXT(health->reason),
                                RB_P_TEXT(event.id),           RB_P_TEXT(RB_REPO_UNHEALTHY),
                                RB_P_TEXT(event.trace),        RB_P_TEXT(event.body.data)};
    if (!err)
        err = rb_db_query(&rows, sweep->db, &statement, params, 8);
    if (!err && rb_rows_count(rows) > 0) {
        rb_log_warn("reconciler: repo=%s installation=%" PRId64 " is unwell: %s: %s", it->full_name,
                    it->installation_id, health->state, health->reason);
        reconcile_count(health->state);
    }
    rb_rows_free(rows);
    rb_buf_free(&event.body);
    return err;
}

/* Not now: others come first. */
static rb_err health_postpone(struct rb_db *db, const struct reconcile_case *it)
{
    static const struct rb_statement statement = {
        "reconcile_postpone", "update installations set checked_at = now() where id = $1"};
    struct rb_param params[] = {RB_P_INT(it->installation_id)};
    return rb_db_query(NULL, db, &statement, params, 1);
}

static rb_err health_look(struct reconcile *sweep, struct reconcile_case *it)
{
    struct health health = {0};
    struct rb_github_repo about;
    rb_err err = health_look_at_repo(&health, &about, sweep, it);
    if (!err && !health.state && strcmp(about.full_name, it->full_name) != 0) {
        rb_err written = health_follow_name(sweep, it, about.full_name);
        if (written)
            return written;
    }
    if (!err && !health.state)
        err = health_look_at_hook(&health, sweep, it);
    if (err) {
        rb_log_debug("reconciler: repo=%s is looked at later: %s", it->full_name, rb_error_text());
        return health_postpone(sweep->db, it);
    }
    return health_write(sweep, it, &health);
}

rb_err reconcile_health(struct reconcile *sweep)
{
    static const struct rb_statement statement = {
        "reconcile_due",
        "select " RECONCILE_CASE " from installations i join users u on u.id = i.user_id where i.state "
        "= 'active' and i.leaving_until is null and (i.checked_at is null or i.checked_at < now() - "
        "make_interval(secs => $2)) order by i.checked_at nulls first limit $1"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(HEALTH_BATCH), RB_P_INT(sweep->edge->settings.check_seconds)};
    rb_err err = rb_db_query(&rows, sweep->db, &statement, params, 2);
    for (size_t i = 0; !err && i < rb_rows_count(rows) && !edge_worker_is_stopping(sweep->worker); i++) {
        struct reconcile_case it;
        reconcile_case_read(&it, sweep, rows, i);
        err = health_look(sweep, &it);
        reconcile_case_clear(&it);
    }
    rb_rows_free(rows);
    return err;
}
