/* Every route of the edge. docs/api.md and edge/web/openapi.json say what they answer. */
#include "edge/edge.h"

const struct edge_route edge_routes[] = {
    {"POST", "/api/v1/repos/{owner}/{repo}/install", edge_install, "install", false, 0},
    {"DELETE", "/api/v1/repos/{owner}/{repo}/install", edge_disconnect, "disconnect", false, 0},
    {"POST", "/api/v1/repos/{owner}/{repo}/rescan", edge_rescan, "rescan", false, 0},
    {"GET", "/api/v1/repos", edge_list_repos, "list", false, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}", edge_get_repo, "repo", false, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/profile", edge_repo_profile, "profile", false, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/events", edge_repo_events, "events", false, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/deliveries", edge_deliveries, "deliveries", false, 0},
    {"GET", "/auth/github", edge_sign_in, "sign-in", true, 0},
    {"GET", "/auth/github/callback", edge_sign_in_callback, "sign-in-callback", true, 0},
    {"GET", "/auth/me", edge_me, "me", false, 0},
    {"POST", "/auth/logout", edge_logout, "logout", false, 0},
    {"POST", "/api/v1/webhooks/github", edge_webhook, "webhook", true, EDGE_BODY_LARGEST},
    {"GET", "/healthz", edge_healthz, "healthz", true, 0},
    {"GET", "/readyz", edge_readyz, "readyz", true, 0},
    {"GET", "/metrics", edge_metrics, "metrics", true, 0},
    {"GET", "/openapi.json", edge_docs, "docs", true, 0},
    {"GET", "/docs", edge_docs, "docs", true, 0},
    {"GET", "/docs.js", edge_docs, "docs", true, 0},
    {"GET", "/docs.css", edge_docs, "docs", true, 0},
    {NULL, NULL, NULL, NULL, false, 0},
};
