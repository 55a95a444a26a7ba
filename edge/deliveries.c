/* GET …/deliveries: which webhooks came for a repository, when, and what became of them. */
#include <string.h>

#include "edge/repos.h"

void edge_deliveries(struct edge_exchange *exchange)
{
    /* Newest first, a page at a time: `before` is the received_at of the last one seen, with its id, since
     * several may have come in one microsecond. */
    static const struct rb_statement statement = {
        "deliveries_list",
        "select case when i.id is not null then jsonb_build_object('deliveries', coalesce((select jsonb_agg("
        "jsonb_build_object('delivery_id', d.delivery_id, 'event', d.event, 'action', d.action, 'outcome', "
        "d.outcome, 'event_id', d.event_id, 'received_at', json_time(d.received_at), 'published_at', "
        "json_time(outbox_published_at(d.event_id))) order by d.received_at desc, d.delivery_id desc) from "
        "(select * from "
        "deliveries where hook_id = i.webhook_id and (received_at, delivery_id) < (coalesce(b.received_at, "
        "'infinity'), coalesce(b.delivery_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')) order by received_at "
        "desc, delivery_id desc limit $4) d), '[]')) end "
        "from " EDGE_PERSON " left join installations i on i.user_id = u.id and lower(i.repo_full_name) = "
        "lower($3) and i.state = 'active' left join deliveries b on b.hook_id = i.webhook_id and "
        "b.delivery_id = $5::uuid"};
    int64_t limit = 100;
    const char *before = edge_parameter(exchange, "before");
    if (!edge_parameter_int(&limit, exchange, "limit", 1, 1000))
        return;
    if (before && !edge_is_uuid(before)) {
        edge_answer_error(exchange, 422, "before is no delivery id: it is the last one of the page before");
        return;
    }
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_TEXT(edge_repo_name(exchange)), RB_P_INT(limit),
                                RB_P_TEXT(before)};
    edge_query(exchange, &statement, params, 5, edge_answer_repo_rows, exchange);
}
