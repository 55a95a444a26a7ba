/* Every route of the edge. docs/api.md says what they answer. */
#include "edge/edge.h"

const struct edge_route edge_routes[] = {
    {"POST", "/api/v1/repos/{owner}/{repo}/install", edge_install, "install", false},
    {"POST", "/api/v1/repos/{owner}/{repo}/rescan", edge_rescan, "rescan", false},
    {"GET", "/api/v1/repos", edge_list_repos, "list", false},
    {"GET", "/api/v1/repos/{owner}/{repo}", edge_get_repo, "repo", false},
    {"GET", "/api/v1/repos/{owner}/{repo}/events", edge_repo_events, "events", false},
    {"GET", "/healthz", edge_healthz, "healthz", true},
    {"GET", "/readyz", edge_readyz, "readyz", true},
    {"GET", "/metrics", edge_metrics, "metrics", true},
    {NULL, NULL, NULL, NULL, false},
};
