/*
 * Both stores of the graph for a test: a real PostgreSQL, and a real Neo4j where that can run. Each test runs
 * once with each, has a repository of its own, and skips where there is no store.
 */
#ifndef RB_TEST_GRAPH_FIXTURE_H
#define RB_TEST_GRAPH_FIXTURE_H

#include "tests/unit/servers.h"

#include "grapher/graph.h"

#include <curl/curl.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct fixture {
    char dir[64];
    char database_url[256];
    char neo4j_uri[128], neo4j_password[128];
    bool has_neo4j, is_neo4j;
    struct rb_db *db;
    struct rb_graph *graph;
    struct rb_arena *arena;
    int64_t repo_id, generation; /* each test has a repository of its own */
} fixture;

static void fixture_open(struct rb_graph **graph, struct rb_db **db, bool neo4j)
{
    assert_int_equal(rb_db_open(db, fixture.database_url, "graph_test", 0), RB_OK);
    struct rb_graph_options options = {.db = *db};
    if (neo4j) {
        options.neo4j_uri = fixture.neo4j_uri;
        options.neo4j_username = "neo4j";
        options.neo4j_password = fixture.neo4j_password;
    }
    assert_int_equal(rb_graph_open(graph, &options), RB_OK);
}

/* The value of NAME= in the lines that tests/servers/neo4j prints. */
static void fixture_value(char *out, size_t size, const char *lines, const char *name)
{
    const char *at = strstr(lines, name);
    if (!at) {
        fail_msg("no %s in: %s", name, lines);
        return;
    }
    at += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static int setup_all(void **state)
{
    char lines[1024];
    (void)state;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    servers_folder(fixture.dir);
    assert_int_equal(
        servers_do(fixture.database_url, sizeof fixture.database_url, "postgres", "start", fixture.dir), 0);
    servers_migrate(fixture.database_url);
    int status = servers_do(lines, sizeof lines, "neo4j", "start", fixture.dir);
    fixture.has_neo4j = status == 0;
    if (fixture.has_neo4j) {
        fixture_value(fixture.neo4j_uri, sizeof fixture.neo4j_uri, lines, "NEO4J_URI=");
        fixture_value(fixture.neo4j_password, sizeof fixture.neo4j_password, lines, "NEO4J_PASSWORD=");
    } else if (status != 3) { /* 3: it cannot run here, and has said why */
        fail_msg("Neo4j did not start (%d)", status);
    }
    return 0;
}

static int teardown_all(void **state)
{
    (void)state;
    servers_do(NULL, 0, "postgres", "stop", fixture.dir);
    servers_do(NULL, 0, "neo4j", "stop", fixture.dir);
    servers_remove(fixture.dir);
    curl_global_cleanup();
    return 0;
}

static int setup(bool neo4j)
{
    fixture.is_neo4j = neo4j;
    fixture.repo_id++;
    fixture.generation = 0;
    fixture.arena = rb_arena_new();
    fixture.graph = NULL;
    fixture.db = NULL;
    if (!neo4j || fixture.has_neo4j)
        fixture_open(&fixture.graph, &fixture.db, neo4j);
    return 0;
}

static int setup_postgres(void **state)
{
    (void)state;
    return setup(false);
}

static int setup_neo4j(void **state)
{
    (void)state;
    return setup(true);
}

static int teardown(void **state)
{
    (void)state;
    rb_graph_close(fixture.graph);
    rb_db_close(fixture.db);
    rb_arena_free(fixture.arena);
    return 0;
}

static bool skipped(void)
{
    if (!fixture.graph)
        skip();
    return !fixture.graph;
}

#define BOTH(test)                                                \
    {"postgresql: " #test, test, setup_postgres, teardown, NULL}, \
    {                                                             \
        "neo4j: " #test, test, setup_neo4j, teardown, NULL        \
    }

#endif
