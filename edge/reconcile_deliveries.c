/*
 * GitHub tries each delivery once, waits ten seconds and never comes back by itself. So its own list of a
 * hook's deliveries is looked through, from the newest back to where the last look ended, and what never
 * succeeded is asked for again. What arrives then is told from what has arrived before by its delivery id.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/reconcile.h"

#define DELIVERIES_BATCH 50   /* hooks a sweep */
#define DELIVERIES_PAGES 20   /* of 100, of one hook a look */
#define DELIVERIES_MAX   2000 /* the same in deliveries */
#define DELIVERIES_ATTEMPTS \
    4                        /* of one delivery, the first included: GitHub's list says how many there were */
#define DELIVERIES_ASKED 20  /* a look: the rest comes with the next */
#define DELIVERIES_DAYS  "3" /* so long GitHub keeps them (docs.github.com, "Redelivering webhooks") */

struct delivery {
    int64_t id; /* of the latest attempt, which is the one that can be repeated */
    char guid[RB_UUID_SIZE], first_at[RB_TIME_SIZE];
    int attempts;
    bool succeeded;
};

struct look {
    struct delivery *deliveries;
    size_t count;
    char newest_at[RB_TIME_SIZE], oldest_at[RB_TIME_SIZE], seen_until[RB_TIME_SIZE];
};

/* Times of GitHub are in UTC, so that their texts are in order; compared to the second, since some have parts
 * of one. */
static int look_compare(const char *one, const char *other)
{
    return strncmp(one, other, sizeof("2026-11-25T08:00:00") - 1);
}

static void look_on_delivery(void *arg, int64_t id, const char *guid, const char *event, int status,
                             const char *delivered_at)
{
    struct look *look = arg;
    struct delivery *it = NULL;
    if (!*look->newest_at)
        snprintf(look->newest_at, sizeof(look->newest_at), "%.31s", delivered_at);
    snprintf(look->oldest_at, sizeof(look->oldest_at), "%.31s", delivered_at);
    bool is_ours = strcmp(event, "pull_request") == 0 || strcmp(event, "issues") == 0;
    if (!is_ours || !edge_is_uuid(guid))
        return;
    for (size_t i = 0; i < look->count && !it; i++)
        it = strcmp(look->deliveries[i].guid, guid) == 0 ? &look->deliveries[i] : NULL;
    if (!it) {
        if (look->count == DELIVERIES_MAX)
            return;
        it = &look->deliveries[look->count++];
        *it = (struct delivery){.id = id};
        snprintf(it->guid, sizeof(it->guid), "%s", guid);
    }
    it->attempts++;
    it->succeeded |= status >= 200 && status < 300;
    snprintf(it->first_at, sizeof(it->first_at), "%.31s", delivered_at); /* older with each */
}

static rb_err look_read(struct look *look, struct reconcile *sweep, const struct reconcile_case *it)
{
    char cursor[128] = "";
    rb_err err = RB_OK;
    bool more = true;
    for (int page = 0; page < DELIVERIES_PAGES && more && !err; page++) {
        struct rb_github_request request;
        struct rb_github_response response;
        rb_github_list_deliveries(&request, it->owner, it->repo, it->hook_id, cursor);
        err = reconcile_ask(&response, sweep, &request, it);
        if (!err)
            err = rb_github_read_deliveries(&response, look_on_delivery, look);
        more = !err && response.has_next && *response.cursor &&
               look_compare(look->oldest_at, look->seen_until) > 0;
        snprintf(cursor, sizeof(cursor), "%s", response.cursor);
        rb_github_response_clear(&response);
    }
    return err;
}

/* An answer of ours that GitHub never saw is no failure of ours. */
static rb_err look_has_arrived(bool *arrived, struct rb_db *db, int64_t hook_id, const char *guid)
{
    static const struct rb_statement statement = {
        "reconcile_arrived", "select 1 from deliveries where hook_id = $1 and delivery_id = $2::uuid"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(hook_id), RB_P_TEXT(guid)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 2);
    *arrived = !err && rb_rows_count(rows) > 0;
    rb_rows_free(rows);
    return err;
}

/* Asks for what failed; `until` becomes the time up to which nothing is open any more. */
static rb_err look_ask_again(char until[RB_TIME_SIZE], const struct look *look, struct reconcile *sweep,
                             const struct reconcile_case *it)
{
    int asked = 0;
    rb_err err = RB_OK;
    snprintf(until, RB_TIME_SIZE, "%s", *look->newest_at ? look->newest_at : look->seen_until);
    for (size_t i = look->count; i-- > 0 && !err;) { /* the oldest first */
        const struct delivery *one = &look->deliveries[i];
        struct rb_github_request request;
        struct rb_github_response response;
        bool arrived = false;
        if (one->succeeded || one->attempts >= DELIVERIES_ATTEMPTS ||
            look_compare(one->first_at, look->seen_until) < 0)
            continue;
        err = look_has_arrived(&arrived, sweep->db, it->hook_id, one->guid);
        if (err || arrived)
            continue;
        if (look_compare(one->first_at, until) < 0) /* open until it has succeeded, or is given up */
            snprintf(until, RB_TIME_SIZE, "%s", one->first_at);
        if (asked++ >= DELIVERIES_ASKED)
            continue;
        rb_github_redeliver(&request, it->owner, it->repo, it->hook_id, one->id);
        rb_err refused = reconcile_ask(&response, sweep, &request, it);
        rb_github_response_clear(&response);
        if (refused) {
            rb_log_warn("reconciler: delivery %s of hook=%" PRId64 " could not be asked for again: %s",
                        one->guid, it->hook_id, rb_error_text());
            continue;
        }
        rb_log_info("reconciler: asked for delivery %s of hook=%" PRId64 " again", one->guid, it->hook_id);
        reconcile_count("deliveries_asked_for");
    }
    return err;
}

static rb_err look_note(struct rb_db *db, int64_t hook_id, const char *seen_until)
{
    static const struct rb_statement statement = {
        "reconcile_looked",
        "update hook_checks set checked_at = now(), seen_until = greatest(coalesce(nullif($2, "
        "'')::timestamptz, seen_until), now() - interval '" DELIVERIES_DAYS " days') where hook_id "
        "= $1"};
    struct rb_param params[] = {RB_P_INT(hook_id), RB_P_TEXT(seen_until)};
    return rb_db_query(NULL, db, &statement, params, 2);
}

static rb_err deliveries_look(struct reconcile *sweep, const struct reconcile_case *it,
                              const char *seen_until)
{
    char until[RB_TIME_SIZE] = "";
    struct look look = {.deliveries = rb_calloc(DELIVERIES_MAX, sizeof(*look.deliveries))};
    snprintf(look.seen_until, sizeof(look.seen_until), "%.31s", seen_until);
    rb_err err = look_read(&look, sweep, it);
    if (err) { /* the health of it is looked at elsewhere */
        rb_log_debug("reconciler: deliveries of repo=%s: %s", it->full_name, rb_error_text());
        err = RB_OK;
    } else {
        err = look_ask_again(until, &look, sweep, it);
    }
    free(look.deliveries);
    return err ? err : look_note(sweep->db, it->hook_id, until);
}

/* Hooks that are new are put on the list, those that are gone are taken off it. */
static rb_err deliveries_keep_list(struct rb_db *db)
{
    static const struct rb_statement add = {
        "reconcile_hooks_add",
        "insert into hook_checks (hook_id, seen_until) select distinct on (i.webhook_id) "
        "i.webhook_id, i.connected_at from installations i where i.state = 'active' and not "
        "exists (select from hook_checks c where c.hook_id = i.webhook_id) order by "
        "i.webhook_id, i.connected_at limit 10000 on conflict do nothing"};
    static const struct rb_statement remove = {
        "reconcile_hooks_remove",
        "delete from hook_checks c where not exists (select from installations i where "
        "i.webhook_id = c.hook_id and i.state = 'active')"};
    rb_err err = rb_db_query(NULL, db, &add, NULL, 0);
    return err ? err : rb_db_query(NULL, db, &remove, NULL, 0);
}

rb_err reconcile_deliveries(struct reconcile *sweep)
{
    static const struct rb_statement statement = {
        "reconcile_lookable",
        "select distinct on (c.checked_at, c.hook_id) " RECONCILE_CASE ", to_char(c.seen_until at time zone "
        "'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from (select h.* from hook_checks h where h.checked_at < "
        "now() - make_interval(secs => $2) and exists (select from installations where webhook_id = "
        "h.hook_id and state = 'active' and health in ('ok', 'hook_disabled')) order by h.checked_at limit "
        "$1) c join installations i on i.webhook_id = c.hook_id and i.state = 'active' and i.health in "
        "('ok', 'hook_disabled') join users u on u.id = i.user_id order by c.checked_at, c.hook_id, i.id"};
    static int64_t next_listing; /* of the worker's thread alone */
    struct rb_rows *rows = NULL;
    int64_t now = rb_clock_ms(), pause = sweep->edge->settings.deliveries_seconds;
    rb_err err = now < next_listing ? RB_OK : deliveries_keep_list(sweep->db);
    if (err)
        return err;
    if (now >= next_listing)
        next_listing = now + pause * 1000;
    struct rb_param params[] = {RB_P_INT(DELIVERIES_BATCH), RB_P_INT(pause)};
    err = rb_db_query(&rows, sweep->db, &statement, params, 2);
    for (size_t i = 0; !err && i < rb_rows_count(rows) && !edge_worker_is_stopping(sweep->worker); i++) {
        struct reconcile_case it;
        reconcile_case_read(&it, sweep, rows, i);
        err = deliveries_look(sweep, &it, rb_rows_text(rows, i, 7));
        reconcile_case_clear(&it);
    }
    rb_rows_free(rows);
    return err;
}
