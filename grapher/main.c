/*
 * repobus-grapher: keeps the graph of every connected repository, in Neo4j or in PostgreSQL.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/handler.h"
#include "grapher/neo4j.h"

#define HEALTH_PORT_DEFAULT 8082
#define WORKERS_DEFAULT     2 /* a build waits for its store most of the time */

static char neo4j_address[512];

static void grapher_configure_store(struct rb_grapher *grapher, struct rb_config *config)
{
    const char *uri = rb_config_string(config, "NEO4J_URI", "", "http://host:7474");
    if (!*uri)
        return;
    if (rb_neo4j_address(neo4j_address, sizeof neo4j_address, uri)) {
        rb_config_note(config, "NEO4J_URI: %s", rb_error_text());
        return;
    }
    grapher->graph.neo4j_uri = neo4j_address;
    grapher->graph.neo4j_username = rb_config_string(config, "NEO4J_USERNAME", "neo4j", "a user of Neo4j");
    grapher->graph.neo4j_password =
        rb_config_string(config, "NEO4J_PASSWORD", "", "the password of NEO4J_USERNAME");
    grapher->graph.neo4j_database =
        rb_config_string(config, "NEO4J_DATABASE", "neo4j", "a database of Neo4j");
}

static const char main_help[] =
    "repobus-grapher - keeps the graph of connected repositories\n"
    "\n"
    "Settings are environment variables:\n"
    "  NEO4J_URI             http://host:7474; not set: the graph lives in PostgreSQL\n"
    "  NEO4J_USERNAME        neo4j\n"
    "  NEO4J_PASSWORD        of this user\n"
    "  NEO4J_DATABASE        neo4j\n";

int main(int argc, char **argv)
{
    static const struct rb_route routes[] = {
        {RB_REPO_CONNECTED, rb_grapher_handle},
        {RB_REPO_RESCAN, rb_grapher_handle},
        {RB_REPO_DISCONNECTED, rb_grapher_handle_disconnect},
        {RB_GITHUB_PULL_REQUEST, rb_grapher_handle_pull_request},
        {RB_GITHUB_ISSUES, rb_grapher_handle_issue},
        {NULL, NULL},
    };
    static const struct rb_query queries[] = {
        {RB_GRAPH_FILES, rb_grapher_answer_files},
        {RB_GRAPH_LINKS, rb_grapher_answer_links},
        {NULL, NULL},
    };
    struct rb_grapher grapher = {0};
    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr, "%s%s%s", main_help, rb_repo_sources_help, rb_subscriber_help());
        return help ? 0 : 2;
    }
    struct rb_config *config = rb_config_new();
    int status = EXIT_FAILURE;
    rb_log_init("grapher");
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
    grapher_configure_store(&grapher, config);
    if (rb_repo_sources_start(&grapher.sources, config, "repobus-grapher")) {
        rb_log_error("not started: %s", rb_error_text());
        goto out;
    }
    rb_log_info("the graph lives in %s",
                grapher.graph.neo4j_uri ? grapher.graph.neo4j_uri : "PostgreSQL (NEO4J_URI is not set)");
    const struct rb_subscriber subscriber = {
        .name = "grapher",
        .filter = ">", /* repo.* and github.*; nats-server 2.9 has one filter a consumer */
        .routes = routes,
        .queries = queries,
        .workers = WORKERS_DEFAULT,
        .health_port = HEALTH_PORT_DEFAULT,
        .app = &grapher,
        .worker_open = rb_grapher_worker_open,
        .worker_close = rb_grapher_worker_close,
    };
    status = rb_subscriber_run(&subscriber);
out:
    rb_repo_sources_stop(&grapher.sources);
    rb_config_free(config);
    curl_global_cleanup();
    return status;
}
