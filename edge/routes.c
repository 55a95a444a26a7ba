/* Every route of the edge. docs/api.md says what they answer. */
#include "edge/edge.h"

const struct edge_route edge_routes[] = {
    {"POST", "/api/v1/repos/{owner}/{repo}/install", edge_install, "install"},
    {"GET", "/api/v1/repos", edge_list_repos, "list"},
    {"GET", "/api/v1/repos/{owner}/{repo}", edge_get_repo, "repo"},
    {"GET", "/api/v1/repos/{owner}/{repo}/events", edge_repo_events, "events"},
    {"GET", "/healthz", edge_healthz, "healthz"},
    {"GET", "/readyz", edge_readyz, "readyz"},
    {"GET", "/metrics", edge_metrics, "metrics"},
    {NULL, NULL, NULL, NULL},
};
