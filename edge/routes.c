/* Every route of the edge. docs/api.md and edge/web/openapi.json say what they answer. */
#include "edge/edge.h"

const struct edge_route edge_routes[] = {
    {"POST", "/api/v1/repos/{owner}/{repo}/install", edge_install, "install", 0, 0},
    {"DELETE", "/api/v1/repos/{owner}/{repo}/install", edge_disconnect, "disconnect", 0, 0},
    {"POST", "/api/v1/repos/{owner}/{repo}/rescan", edge_rescan, "rescan", 0, 0},
    {"GET", "/api/v1/repos", edge_list_repos, "list", 0, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}", edge_get_repo, "repo", 0, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/profile", edge_repo_profile, "profile", 0, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/files", edge_graph_files, "files", 0, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/graph", edge_graph_links, "graph", 0, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/events", edge_repo_events, "events", 0, 0},
    {"GET", "/api/v1/repos/{owner}/{repo}/deliveries", edge_deliveries, "deliveries", 0, 0},
    {"GET", "/auth/github", edge_sign_in, "sign-in", EDGE_PUBLIC, 0},
    {"GET", "/auth/github/callback", edge_sign_in_callback, "sign-in-callback", EDGE_PUBLIC, 0},
    {"GET", "/auth/me", edge_me, "me", 0, 0},
    {"POST", "/auth/logout", edge_logout, "logout", 0, 0},
    {"POST", "/api/v1/webhooks/github", edge_webhook, "webhook", EDGE_PUBLIC, EDGE_BODY_LARGEST},
    {"GET", "/healthz", edge_healthz, "healthz", EDGE_PUBLIC | EDGE_VITAL, 0},
    {"GET", "/readyz", edge_readyz, "readyz", EDGE_PUBLIC | EDGE_VITAL, 0},
    {"GET", "/metrics", edge_metrics, "metrics", EDGE_PUBLIC | EDGE_VITAL, 0},
    {"GET", "/openapi.json", edge_docs, "docs", EDGE_PUBLIC, 0},
    {"GET", "/profile.schema.json", edge_docs, "docs", EDGE_PUBLIC, 0},
    {"GET", "/docs", edge_docs, "docs", EDGE_PUBLIC, 0},
    {"GET", "/docs.js", edge_docs, "docs", EDGE_PUBLIC, 0},
    {"GET", "/docs.css", edge_docs, "docs", EDGE_PUBLIC, 0},
    {NULL, NULL, NULL, NULL, 0, 0},
};
