/*
 * Rescan: a new generation of an installation and its event, in one transaction. The number is drawn first,
 * since the event names it; the second statement writes only if nobody else has come in between.
 */
#include <inttypes.h>
#include <string.h>

#include "edge/edge.h"

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
    if (rb_rows_int(rows, 0, 0) == 0) {
        edge_answer_error(exchange, 409, "%s has changed meanwhile: try again", rescan->name);
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

static void rescan_on_found(void *arg, rb_err err, const struct rb_rows *rows)
{
    static const struct rb_statement statement = {
        "rescan_write",
        "with moved as (update installations set generation = $3 where id = $1 and generation = $2 "
        "and state = 'active' returning id), " EDGE_OUTBOX(
            "moved", "$4", "$5", "$6",
            "$7") "select (select count(*) from moved), (select count(*) from told)"};
    struct edge_exchange *exchange = arg;
    if (edge_answer_if_not_there(exchange, err, rows))
        return;
    struct rescan *rescan = rb_arena_alloc(exchange->arena, sizeof *rescan);
    int64_t before = rb_rows_int(rows, 0, 1), repo_id = rb_rows_int(rows, 0, 2);
    *rescan = (struct rescan){.exchange = exchange,
                              .installation_id = rb_rows_int(rows, 0, 0),
                              .generation = rb_rows_int(rows, 0, 4),
                              .name = rb_arena_strdup(exchange->arena, rb_rows_text(rows, 0, 3))};
    struct edge_event event;
    if (edge_event_make(&event, exchange, RB_REPO_RESCAN,
                        json_pack("{s:I, s:I, s:I, s:s, s:I, s:s}", "installation_id",
                                  rescan->installation_id, "generation", rescan->generation, "repo_id",
                                  repo_id, "repo", rescan->name, "user_id", exchange->user_id, "reason",
                                  "asked for"))) {
        edge_answer_error(exchange, 500, "The event could not be written: %s", rb_error_text());
    } else {
        struct rb_param params[] = {RB_P_INT(rescan->installation_id), RB_P_INT(before),
                                    RB_P_INT(rescan->generation),      RB_P_TEXT(event.id),
                                    RB_P_TEXT(RB_REPO_RESCAN),         RB_P_TEXT(event.trace),
                                    RB_P_TEXT(event.body.data)};
        edge_query(exchange, &statement, params, 7, rescan_on_written, rescan);
    }
    rb_buf_free(&event.body); /* arguments are copied */
}

void edge_rescan(struct edge_exchange *exchange)
{
    static const struct rb_statement statement = {
        "rescan_find",
        "select i.id, i.generation, i.repo_id, i.repo_full_name, case when i.id is not null then "
        "nextval('generations') end from " EDGE_PERSON " left join installations i on i.user_id = u.id and "
        "lower(i.repo_full_name) = lower($3) and i.state = 'active'"};
    struct rb_param params[] = {
        EDGE_P_PERSON(exchange),
        RB_P_TEXT(rb_arena_printf(exchange->arena, "%s/%s", exchange->owner, exchange->repo))};
    edge_query(exchange, &statement, params, 3, rescan_on_found, exchange);
}
