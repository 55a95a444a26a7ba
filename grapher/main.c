/*
 * repobus-grapher: keeps the graph of every connected repository, in Neo4j or in PostgreSQL.
 */
#include <curl/curl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/handler.h"
#include "grapher/neo4j.h"
#include "grapher/questions.h"

#define HEALTH_PORT_DEFAULT 8082
#define WORKERS_DEFAULT     2 /* a build waits for its store most of the time */

static struct rb_neo4j_address neo4j_address;

static void grapher_configure_store(struct rb_grapher *grapher, struct rb_config *config)
{
    const char *uri = rb_config_string(config, "NEO4J_URI", "", "http://host:7474");
    if (!*uri)
        return;
    if (rb_neo4j_address(&neo4j_address, uri)) {
        rb_config_note(config, "NEO4J_URI: %s", rb_error_text());
        return;
    }
    const char *named = neo4j_address.database;
    grapher->graph.neo4j_uri = neo4j_address.base;
    grapher->graph.neo4j_username = rb_config_string(config, "NEO4J_USERNAME", "neo4j", "a user of Neo4j");
    grapher->graph.neo4j_password =
        rb_config_string(config, "NEO4J_PASSWORD", "", "the password of NEO4J_USERNAME");
    grapher->graph.neo4j_database =
        rb_config_string(config, "NEO4J_DATABASE", *named ? named : "neo4j", "a database of Neo4j");
    if (*named && strcmp(named, grapher->graph.neo4j_database) != 0)
        rb_config_note(config, "NEO4J_DATABASE: NEO4J_URI names another one, %s", named);
}

static const char main_help[] =
    "repobus-grapher - keeps the graph of connected repositories\n"
    "\n"
    "  --statements          prints the statements behind the questions about a graph, as JSON, so that they "
    "can\n"
    "                        be given to EXPLAIN and PROFILE\n"
    "\n"
    "Settings are environment variables:\n"
    "  NEO4J_URI             http://host:7474, or neo4j+s://host of Aura; not set: the graph lives in "
    "PostgreSQL\n"
    "  NEO4J_USERNAME        neo4j\n"
    "  NEO4J_PASSWORD        of this user\n"
    "  NEO4J_DATABASE        neo4j\n";

static int grapher_print_statements(void)
{
    json_t *list = json_array(),
           *all = json_pack("{s:s, s:o}", "settings", graph_read_settings.sql, "statements", list);
    for (size_t i = 0; i < GRAPH_QUESTIONS; i++) {
        const struct graph_statements *one = &graph_statements[i];
        json_t *parameters = json_array();
        for (size_t at = 0; one->parameters[at]; at++)
            json_array_append_new(parameters, json_string(one->parameters[at]));
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:s, s:s}", "name", one->postgres.name, "parameters",
                                        parameters, "postgres", one->postgres.sql, "neo4j", one->neo4j));
    }
    int status = json_dumpf(all, stdout, JSON_INDENT(1)) || puts("") < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    json_decref(all);
    return status;
}

int main(int argc, char **argv)
{
    static const struct rb_route routes[] = {
        {RB_REPO_CONNECTED, rb_grapher_handle},
        {RB_REPO_RESCAN, rb_grapher_handle},
        {RB_REPO_DISCONNECTED, rb_grapher_handle_disconnect},
        {RB_REPO_SCANNED, rb_grapher_handle_scanned},
        {RB_GITHUB_PULL_REQUEST, rb_grapher_handle_pull_request},
        {RB_GITHUB_ISSUES, rb_grapher_handle_issue},
        {NULL, NULL},
    };
    static const char *const without_run[] = {RB_REPO_SCANNED, NULL};
    static const struct rb_query queries[] = {
        {RB_GRAPH_FILES, rb_grapher_answer_files},
        {RB_GRAPH_LINKS, rb_grapher_answer_links},
        {RB_GRAPH_NEIGHBOURS, rb_grapher_answer_neighbours},
        {RB_GRAPH_CHANGED_TOGETHER, rb_grapher_answer_changed_together},
        {RB_GRAPH_DEVELOPERS, rb_grapher_answer_developers},
        {RB_GRAPH_OVERLAPS, rb_grapher_answer_overlaps},
        {RB_GRAPH_DEPENDENTS, rb_grapher_answer_dependents},
        {NULL, NULL},
    };
    struct rb_grapher grapher = {0};
    if (argc == 2 && strcmp(argv[1], "--statements") == 0)
        return grapher_print_statements();
    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr, "%s%s%s", main_help, rb_repo_sources_help, rb_subscriber_help());
        return help ? 0 : 2;
    }
    struct rb_config *config = rb_config_new();
    int status = EXIT_FAILURE;
    rb_log_init("grapher");
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads, both */
    xmlInitParser();
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
        .without_run = without_run,
        .queries = queries,
        .workers = WORKERS_DEFAULT,
        .health_port = HEALTH_PORT_DEFAULT,
        .app = &grapher,
        .worker_open = rb_grapher_worker_open,
        .worker_close = rb_grapher_worker_close,
        .ping = rb_grapher_worker_ping,
    };
    rb_grapher_plan_start(&grapher);
    status = rb_subscriber_run(&subscriber);
    rb_grapher_plan_stop();
out:
    rb_repo_sources_stop(&grapher.sources);
    rb_config_free(config);
    xmlCleanupParser();
    curl_global_cleanup();
    return status;
}
