/* Private to edge/: REPO of docs/api.md, for those that answer with it. */
#ifndef RB_EDGE_REPOS_H
#define RB_EDGE_REPOS_H

#include "edge/edge.h"

/* An expression in SQL: REPO without the profile; `i` is the installation, all null where there is none. */
#define EDGE_REPO_JSON                                                                                 \
    "jsonb_build_object('installation_id', i.id, 'repo', i.repo_full_name, 'repo_id', i.repo_id, "     \
    "'webhook_id', i.webhook_id, 'default_branch', i.default_branch, 'state', i.state, 'generation', " \
    "i.generation, 'connected_at', json_time(i.connected_at), 'health', i.health, 'health_reason', "   \
    "i.health_reason, 'health_since', json_time(i.health_since), "                                     \
    "'runs', coalesce((select jsonb_agg(json_run(r) order by r.subscriber) from runs r "               \
    "where r.installation_id = i.id), '[]'), 'freshness', case when i.state = 'active' "               \
    "then json_freshness(i.repo_id) end, 'profile', null)"

/* The person with the live installation `i` of the name $3, if there is one (all null where not). No row:
 * there is no such person. */
#define EDGE_REPO_BY_NAME                                                                               \
    "from " EDGE_PERSON " left join installations i on i.user_id = u.id and lower(i.repo_full_name) = " \
    "lower($3) and i.state in ('reserved', 'active')"

/* "owner/repo" of the path, in the exchange's arena. */
const char *edge_repo_name(struct edge_exchange *exchange);

#endif
