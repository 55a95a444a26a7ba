/* How the reconciler asks GitHub: with a person's token, for a small share of what that person has. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/reconcile.h"

#define RECONCILE_PEOPLE     4096 /* remembered; where two fall on one place the later begins anew */
#define RECONCILE_HOOK_PAGES 50
#define RECONCILE_HOUR_MS    3600000

/* ---- people and their share --------------------------------------------------------------------------- */

/* What each person's sweeps have taken of late. Used by the worker's thread alone; an edge that takes over
 * begins anew. */
static struct reconcile_person {
    int64_t user_id, since, blocked_until;
    int spent;
} reconcile_people[RECONCILE_PEOPLE];

static struct reconcile_person *reconcile_person_of(int64_t user_id)
{
    struct reconcile_person *person = &reconcile_people[(uint64_t)user_id % RECONCILE_PEOPLE];
    int64_t now = rb_clock_ms();
    if (person->user_id != user_id || now - person->since >= RECONCILE_HOUR_MS) {
        int64_t blocked = person->user_id == user_id ? person->blocked_until : 0;
        *person = (struct reconcile_person){.user_id = user_id, .since = now, .blocked_until = blocked};
    }
    return person;
}

static void reconcile_person_learn(struct reconcile_person *person, const struct rb_github_response *response)
{
    int64_t now = rb_clock_ms(), wait = rb_github_wait_seconds(response);
    if (response->rate_remaining >= 0 && response->rate_remaining < RECONCILE_RESERVE) {
        int64_t reset = response->rate_reset - rb_clock_wall_ms() / 1000;
        wait = reset > wait ? reset : wait;
    }
    if (wait > 0)
        person->blocked_until = now + (wait < 7200 ? wait : 7200) * 1000;
}

rb_err reconcile_ask(struct rb_github_response *response, struct reconcile *sweep,
                     struct rb_github_request *request, const struct reconcile_case *it)
{
    char sentence[512];
    const char *name = request->name;
    struct reconcile_person *person = reconcile_person_of(it->user_id);
    *response = (struct rb_github_response){.rate_remaining = -1};
    if (!it->token || person->spent >= RECONCILE_SHARE || person->blocked_until > rb_clock_ms()) {
        rb_github_request_clear(request);
        return it->token
                   ? rb_error_set(RB_ELIMIT, "this person's share of requests to GitHub is used up for now")
                   : rb_error_set(RB_EAUTH, "the person's token does not open: they need to sign in again");
    }
    person->spent++;
    rb_err err = rb_github_call(response, sweep->edge->github, request, it->token);
    if (err && !response->err)
        return err;
    reconcile_person_learn(person, response);
    err = rb_github_judge(sentence, sizeof(sentence), response, name, it->full_name);
    return err ? rb_error_set(err, "%s", sentence) : RB_OK;
}

bool reconcile_is_final(rb_err err)
{
    return err == RB_EAUTH || err == RB_EFORBIDDEN || err == RB_ENOTFOUND;
}

/* ---- cases -------------------------------------------------------------------------------------------- */

void reconcile_case_read(struct reconcile_case *it, const struct reconcile *sweep, const struct rb_rows *rows,
                         size_t row)
{
    size_t len = 0;
    *it = (struct reconcile_case){.installation_id = rb_rows_int(rows, row, 0),
                                  .generation = rb_rows_int(rows, row, 1),
                                  .user_id = rb_rows_int(rows, row, 2),
                                  .repo_id = rb_rows_int(rows, row, 3),
                                  .hook_id = rb_rows_int(rows, row, 4),
                                  .full_name = rb_strdup(rb_rows_text(rows, row, 5)),
                                  .owner = rb_strdup(rb_rows_text(rows, row, 5))};
    it->repo = strchr(it->owner, '/'); /* a check constraint says there is one */
    *it->repo++ = '\0';
    const uint8_t *sealed = rb_rows_bytes(rows, row, 6, &len);
    if (rb_unseal(&it->token, NULL, sweep->edge->keyring, RB_PURPOSE_OAUTH_TOKEN, it->user_id, sealed, len))
        it->token = NULL;
}

void reconcile_case_clear(struct reconcile_case *it)
{
    free(it->full_name);
    free(it->owner);
    rb_secret_free(it->token);
}

/* ---- hooks -------------------------------------------------------------------------------------------- */

rb_err reconcile_find_hook(int64_t *hook_id, struct reconcile *sweep, const struct reconcile_case *it)
{
    rb_err err = RB_ENOTFOUND;
    bool more = true;
    for (int page = 1; more && page <= RECONCILE_HOOK_PAGES; page++) {
        struct rb_github_request request;
        struct rb_github_response response;
        rb_github_list_hooks(&request, it->owner, it->repo, page);
        err = reconcile_ask(&response, sweep, &request, it);
        bool readable = !err;
        if (readable)
            err = rb_github_find_hook(hook_id, &response, sweep->edge->settings.hook_url);
        more = readable && err == RB_ENOTFOUND && response.has_next;
        rb_github_response_clear(&response);
    }
    return err;
}

rb_err reconcile_is_owned(bool *owned, struct rb_db *db, int64_t hook_id, int64_t but)
{
    static const struct rb_statement statement = {
        "reconcile_owner",
        "select 1 from installations where state = 'active' and webhook_id = $1 and id <> $2 limit 1"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(hook_id), RB_P_INT(but)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 2);
    *owned = !err && rb_rows_count(rows) > 0;
    rb_rows_free(rows);
    return err;
}

/* GitHub answers 404 for what is gone and for what is hidden. To an admin nothing is hidden. */
static rb_err reconcile_is_admin(struct reconcile *sweep, const struct reconcile_case *it)
{
    struct rb_github_request request;
    struct rb_github_response response;
    struct rb_github_repo about;
    rb_github_get_repo(&request, it->owner, it->repo);
    rb_err err = reconcile_ask(&response, sweep, &request, it);
    if (!err)
        err = rb_github_read_repo(&about, &response);
    if (!err && !about.admin)
        err = rb_error_set(RB_EFORBIDDEN, "this person is no admin of %s any more", it->full_name);
    rb_github_response_clear(&response);
    return err;
}

rb_err reconcile_delete_hook(struct reconcile *sweep, const struct reconcile_case *it, int64_t hook_id)
{
    struct rb_github_request request;
    struct rb_github_response response;
    rb_github_delete_hook(&request, it->owner, it->repo, hook_id);
    rb_err err = reconcile_ask(&response, sweep, &request, it);
    rb_github_response_clear(&response);
    if (!err) {
        rb_log_info("reconciler: removed hook=%" PRId64 " of repo=%s", hook_id, it->full_name);
        reconcile_count("hooks_removed");
    }
    return err == RB_ENOTFOUND ? reconcile_is_admin(sweep, it) : err;
}

void reconcile_count(const char *what)
{
    char labels[64];
    snprintf(labels, sizeof(labels), "what=\"%s\"", what);
    rb_metric_add(rb_metric_counter("repobus_reconciled_total", labels, "What the reconciler has put right"),
                  1);
}
