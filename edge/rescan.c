/*
 * Rescan: a new generation of an installation and its event, in one transaction. The number is drawn first,
 * since the event names it; the second statement writes only if nobody else has come in between.
 *
 * One at a time per repository, whoever asks: subscribers share what they make of it. A repository is being
 * worked on while a run of the present generation of one of its installations is not at an end, and before
 * the first run shows: for a moment after it was asked for. A subscriber that is gone for good does not block
 * it for ever.
 */
#include <inttypes.h>
#include <string.h>

#include "edge/repos.h"

#define RESCAN_BEGIN_SECONDS "60" /* until a subscriber that is there has begun */
#define RESCAN_WORK_SECONDS                                                         \
    "600" /* as long as a watcher waits by default: a run that says no more is dead \
           */

struct rescan {
    struct edge_exchange *exchange;
    int64_t installation_id, generation;
    const char *name;
};

static void rescan_on_written(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct rescan *rescan = arg;
    struct edge_exchange *exchange = rescan->exchange;
    if (err) { /* an answer that was lost does not say what was written */
        rb_log_error("rescan: %s", rb_error_text());
        edge_answer_error(exchange, 503, "The database was lost meanwhile: try again, which is harmless");
        return;
    }
    if (rb_rows_count(rows) == 0) {
        edge_answer_error(exchange, 409, "%s is changing right now: somebody else was first, try again",
                          rescan->name);
        return;
    }
    const char *body = rb_arena_printf(exchange->arena,
                                       "{\"status\":\"accepted\",\"installation_id\":%" PRId64
                                       ",\"repo\":\"%s\",\"generation\":%" PRId64 "}",
                                       rescan->installation_id, rescan->name,
                                       rescan->generation); /* a checked name needs no escaping */
    rb_log_info("rescan repo=%s installation=%" PRId64 " generation=%" PRId64, rescan->name,
                rescan->installation_id, rescan->generation);
    edge_answer_json(exchange, 202, body, strlen(body));
}

static bool rescan_answer_if_busy(struct edge_exchange *exchange, const struct rb_rows *rows)
{
    const char *name = rb_rows_text(rows, 0, 3), *running = rb_rows_text(rows, 0, 6);
    if (rb_rows_bool(rows, 0, 8))
        edge_answer_error(exchange, 409, "Repo is being disconnected");
    else if (*running)
        edge_answer_error(exchange, 409, "%s is being worked on: %s. Try again when that is done", name,
                          running);
    else if (rb_rows_bool(rows, 0, 7))
        edge_answer_error(
            exchange, 409,
            "%s is about to be worked on, as was asked for a moment ago. Try again when that is "
            "done",
            name);
    else
        return false;
    return true;
}

static void rescan_on_found(void *arg, rb_err err, const struct rb_rows *rows)
{
    /* Of several at once, each of which saw the same last one, the first gets the row and the rest nothing.
     */
    static const struct rb_statement statement = {
        "rescan_write",
        "with asked as (insert into rescans as r (repo_id, generation, asked_at) values ($8, $3, now()) on "
        "conflict (repo_id) do update set generation = excluded.generation, asked_at = excluded.asked_at "
        "where r.generation = $9 returning 1), moved as (update installations set generation = $3 from asked "
        "where id = $1 and generation = $2 and state = 'active' and leaving_until is null returning id), " //
        EDGE_OUTBOX("moved", "$4", "$5", "$6", "$7")};
    struct edge_exchange *exchange = arg;
    if (edge_answer_if_not_there(exchange, err, rows) || rescan_answer_if_busy(exchange, rows))
        return;
    struct rescan *rescan = rb_arena_alloc(exchange->arena, sizeof *rescan);
    int64_t before = rb_rows_int(rows, 0, 1), repo_id = rb_rows_int(rows, 0, 2);
    *rescan = (struct rescan){.exchange = exchange,
                              .installation_id = rb_rows_int(rows, 0, 0),
                              .generation = rb_rows_int(rows, 0, 4),
                              .name = rb_arena_strdup(exchange->arena, rb_rows_text(rows, 0, 3))};
    struct edge_event event;
    if (edge_event_make(&event, exchange->traceparent, RB_REPO_RESCAN,
                        json_pack("{s:I, s:I, s:I, s:s, s:I, s:s}", "installation_id",
                                  rescan->installation_id, "generation", rescan->generation, "repo_id",
                                  repo_id, "repo", rescan->name, "user_id", exchange->user_id, "reason",
                                  "asked for"))) {
        edge_answer_error(exchange, 500, "The event could not be written: %s", rb_error_text());
    } else {
        struct rb_param params[] = {RB_P_INT(rescan->installation_id), RB_P_INT(before),
                                    RB_P_INT(rescan->generation),      RB_P_TEXT(event.id),
                                    RB_P_TEXT(RB_REPO_RESCAN),         RB_P_TEXT(event.trace),
                                    RB_P_TEXT(event.body.data),        RB_P_INT(repo_id),
                                    RB_P_INT(rb_rows_int(rows, 0, 5))};
        edge_query(exchange, &statement, params, 9, rescan_on_written, rescan);
    }
    rb_buf_free(&event.body); /* arguments are copied */
}

void edge_rescan(struct edge_exchange *exchange)
{
    /* A connect counts as asked for, and so does a rescan. `o` is each installation of the repository. */
    static const struct rb_statement statement = {
        "rescan_find",
        "select i.id, i.generation, i.repo_id, i.repo_full_name, case when i.id is not null then "
        "nextval('generations') end, coalesce((select s.generation from rescans s where s.repo_id = "
        "i.repo_id), 0), b.running, b.coming, i.leaving_until is not null "
        "from " EDGE_PERSON " left join installations i on i.user_id = u.id and lower(i.repo_full_name) = "
        "lower($3) and i.state = 'active' left join lateral ("
        "select string_agg(distinct r.subscriber || ' is ' || r.state, ', ') as running, "
        "bool_or(a.at > now() - make_interval(secs => " RESCAN_BEGIN_SECONDS ") and not exists (select from "
        "runs n where n.installation_id = o.id and n.generation = o.generation)) as coming "
        "from installations o left join rescans s on s.repo_id = o.repo_id and s.generation = o.generation "
        "cross join lateral (select greatest(o.connected_at, s.asked_at) as at) a "
        "left join runs r on r.installation_id = o.id and r.generation = o.generation and r.state in "
        "('running', 'retrying') where o.repo_id = i.repo_id and o.state = 'active' and "
        "a.at > now() - make_interval(secs => " RESCAN_WORK_SECONDS ")) b on true"};
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_TEXT(edge_repo_name(exchange))};
    edge_query(exchange, &statement, params, 3, rescan_on_found, exchange);
}
