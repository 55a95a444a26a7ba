/* The graph in Neo4j: what is asked of it, and how it is removed (write_neo4j.c has how it is written). */
#include <stdio.h>
#include <string.h>

#include "grapher/graph_store.h"
#include "grapher/neo4j.h"

/* A build takes as long with 5,000, twice as much at once in the heap of a server that may have 512 MB; with
 * 600 its requests cost as much again. */
#define BATCH_ROWS 2500
#define PAGE_BATCH 2000 /* of what is removed: nodes that have many relationships each */

#define LOCKED GRAPH_NEO4J_LOCKED

/* A statement that is planned while the server has not heard of a name says so in each of its answers, and
 * looks the name up for every row. */
static const char know_types[] =
    "UNWIND ['AUTHORED_BY', 'CLOSES', 'CONTAINS', 'CONTRIBUTED_TO', 'DEPENDS_ON', 'TOUCHES'] AS name "
    "CALL db.createRelationshipType(name) RETURN count(*)";
static const char know_properties[] =
    "UNWIND ['additions', 'built', 'changing', 'commit', 'complete', 'constraint', 'deletions', 'files', "
    "'full_name', 'generation', 'github_id', 'language', 'links', 'login', 'name', 'scope', 'size', 'title'] "
    "AS name CALL db.createProperty(name) RETURN count(*)";

/* The names first: a constraint has everything planned again. */
static const char *const constraints[] = {
    know_types,
    know_properties,
    "CREATE CONSTRAINT repository_key IF NOT EXISTS FOR (r:Repository) REQUIRE r.repo_id IS UNIQUE",
    "CREATE CONSTRAINT graph_key IF NOT EXISTS FOR (r:Graph) REQUIRE r.repo_id IS UNIQUE",
    "CREATE CONSTRAINT lane_key IF NOT EXISTS FOR (l:Lane) REQUIRE (l.repo_id, l.number) IS UNIQUE",
    "CREATE CONSTRAINT directory_key IF NOT EXISTS FOR (d:Directory) REQUIRE (d.repo_id, d.path) IS UNIQUE",
    "CREATE CONSTRAINT file_key IF NOT EXISTS FOR (f:File) REQUIRE (f.repo_id, f.path) IS UNIQUE",
    "CREATE CONSTRAINT pull_key IF NOT EXISTS FOR (p:PullRequest) REQUIRE (p.repo_id, p.number) IS UNIQUE",
    "CREATE CONSTRAINT issue_key IF NOT EXISTS FOR (i:Issue) REQUIRE (i.repo_id, i.number) IS UNIQUE",
    "CREATE CONSTRAINT developer_key IF NOT EXISTS FOR (d:Developer) REQUIRE d.github_id IS UNIQUE",
    "CREATE CONSTRAINT package_key IF NOT EXISTS FOR (p:Package) REQUIRE p.purl IS UNIQUE",
    "CREATE INDEX pull_state IF NOT EXISTS FOR (p:PullRequest) ON (p.repo_id, p.state, p.number)",
    "CALL db.awaitIndexes(50)", /* seconds: below the time limit of a request */
};

/* Ordered by all columns of the index, so that the server walks it instead of sorting; one list, which takes
 * it a quarter of what as many rows do. */
static const char read_files_statement[] =
    "MATCH (f:File {repo_id: $given.repo_id}) WHERE f.path > $given.after AND f.generation IS NOT NULL "
    "WITH f ORDER BY f.repo_id, f.path LIMIT $given.limit "
    "RETURN collect([f.path, f.language, f.size, f.sha, f.is_test, f.is_generated, f.is_vendored])";

static const char read_directories_statement[] =
    "MATCH (d:Directory {repo_id: $given.repo_id}) WHERE d.path > $given.after AND d.generation IS NOT NULL "
    "WITH d ORDER BY d.repo_id, d.path LIMIT $given.limit RETURN collect([d.path])";

/* Readers find nothing from here on. The Graph is there until all else is gone: it fences builders. */
static const char forget_statement[] = GRAPH_NEO4J_LANES_LOCKED
    "OPTIONAL MATCH (g:Graph {repo_id: $given.repo_id}) OPTIONAL MATCH (n:Repository {repo_id: "
    "$given.repo_id}) "
    "WITH coalesce(g, n) AS found WHERE found IS NOT NULL "
    "MERGE (r:Graph {repo_id: $given.repo_id}) ON CREATE SET r.generation = 0 " LOCKED
    "WITH r WHERE r.generation <= $given.generation "
    "SET r.generation = $given.generation, r.writer = $given.writer "
    "REMOVE r:Repository, r.built, r.commit, r.building, r.written RETURN true";
/* `match` has a bound on `path` where the key has one, so that its index is used. */
#define FORGET(match)                                                                                  \
    "MATCH (r:Graph {repo_id: $given.repo_id}) " LOCKED "WITH r, r.writer = $given.writer AS current " \
    "CALL (r, current) { WITH r, current WHERE current MATCH " match                                   \
    " WITH n LIMIT $given.limit DETACH DELETE n RETURN count(*) AS gone } RETURN current, gone"
/* What they would close elsewhere and is not known from there goes with them. */
static const char forget_pulls_statement[] =
    "MATCH (r:Graph {repo_id: $given.repo_id}) " LOCKED "WITH r, r.writer = $given.writer AS current "
    "CALL (current) { WITH current WHERE current "
    "MATCH (n:PullRequest {repo_id: $given.repo_id}) WHERE n.number > 0 WITH n LIMIT $given.limit "
    "OPTIONAL MATCH (n)-[:CLOSES]->(i:Issue) WHERE i.repo_id <> $given.repo_id AND i.version IS NULL "
    "WITH collect(DISTINCT n) AS pulls, collect(DISTINCT i) AS issues "
    "FOREACH (i IN issues | " GRAPH_NEO4J_LOCK(
        "i") ") FOREACH (n IN pulls | DETACH DELETE n) "
             "WITH size(pulls) AS gone, issues "
             "CALL (issues) { UNWIND issues AS i WITH i WHERE NOT EXISTS { (i)--() } DELETE i } "
             "RETURN gone } RETURN current, gone";
/* People last, and those only who have nothing else. */
static const char forget_people_statement[] =
    "MATCH (r:Graph {repo_id: $given.repo_id}) " LOCKED "WITH r, r.writer = $given.writer AS current "
    "CALL (current) { WITH current WHERE current "
    "MATCH (n:Graph|Repository {repo_id: $given.repo_id})<-[c:CONTRIBUTED_TO]-(d) "
    "WITH c, d LIMIT $given.limit DELETE c WITH collect(DISTINCT d) AS people "
    "FOREACH (d IN people | " GRAPH_NEO4J_LOCK(
        "d") ") "
             "WITH people CALL (people) { UNWIND people AS d WITH d WHERE NOT EXISTS { (d)--() } DELETE d } "
             "RETURN size(people) AS gone } RETURN current, gone";
static const char *const forget_statements[] = {
    FORGET("(n:File {repo_id: $given.repo_id}) WHERE n.path > ''"),
    FORGET("(n:Directory {repo_id: $given.repo_id}) WHERE n.path > ''"),
    forget_pulls_statement,
    FORGET("(n:Issue {repo_id: $given.repo_id}) WHERE n.number > 0"),
    forget_people_statement,
    FORGET("(n:Repository {repo_id: $given.repo_id})"),
};
static const char forget_last_statement[] = "MATCH (r:Graph {repo_id: $given.repo_id}) " LOCKED
                                            "WITH r WHERE r.writer = $given.writer DETACH DELETE r "
                                            "WITH count(r) AS gone WHERE gone > 0 "
                                            "MATCH (lane:Lane {repo_id: $given.repo_id}) WHERE lane.number "
                                            ">= 0 DELETE lane";

rb_err graph_neo4j_ask(json_t **values, struct rb_graph *graph, const char *statement, json_t **parameters)
{
    rb_err err = rb_neo4j_run(values, graph->neo4j, statement, *parameters);
    json_decref(*parameters);
    *parameters = NULL;
    if (err)
        graph->has_constraints = false; /* whoever comes back may be another server */
    return err;
}

rb_err graph_neo4j_constrain(struct rb_graph *graph)
{
    for (size_t i = 0; i < sizeof constraints / sizeof *constraints && !graph->has_constraints; i++) {
        rb_err err = rb_neo4j_run(NULL, graph->neo4j, constraints[i], NULL);
        if (err)
            return err;
    }
    graph->has_constraints = true;
    return RB_OK;
}

static rb_err neo4j_ping(struct rb_graph *graph)
{
    return rb_neo4j_run(NULL, graph->neo4j, "RETURN 1", NULL);
}

const char *graph_neo4j_text(const json_t *row, size_t column)
{
    const char *text = json_string_value(json_array_get(row, column));
    return text ? text : "";
}

int64_t graph_neo4j_int(const json_t *row, size_t column)
{
    return json_integer_value(json_array_get(row, column));
}

static rb_err neo4j_page(json_t **values, struct rb_graph *graph, const char *statement, int64_t repo_id,
                         const struct graph_bounds *bounds)
{
    json_t *parameters = json_pack("{s:I, s:s, s:i}", "repo_id", (json_int_t)repo_id, "after", bounds->after,
                                   "limit", bounds->limit);
    json_t *answer = NULL;
    rb_err err = graph_neo4j_ask(&answer, graph, statement, &parameters);
    if (!err)
        *values = json_incref(json_array_get(json_array_get(answer, 0), 0));
    json_decref(answer);
    return err;
}

static rb_err neo4j_read_files(struct graph_page *page, struct rb_graph *graph, int64_t repo_id,
                               const struct graph_bounds *bounds, struct rb_arena *arena)
{
    json_t *values = NULL;
    rb_err err = neo4j_page(&values, graph, read_files_statement, repo_id, bounds);
    if (err)
        return err;
    size_t count = json_array_size(values), i;
    struct rb_graph_file *files = rb_arena_alloc(arena, count * sizeof *files);
    const json_t *row;
    json_array_foreach(values, i, row)
    {
        graph_file_of(&files[i], graph_neo4j_text(row, 0), arena);
        if (json_is_string(json_array_get(row, 1)))
            files[i].language = rb_arena_strdup(arena, graph_neo4j_text(row, 1));
        files[i].size = graph_neo4j_int(row, 2);
        files[i].sha = rb_arena_strdup(arena, graph_neo4j_text(row, 3));
        files[i].is_test = json_is_true(json_array_get(row, 4));
        files[i].is_generated = json_is_true(json_array_get(row, 5));
        files[i].is_vendored = json_is_true(json_array_get(row, 6));
    }
    json_decref(values);
    *page = (struct graph_page){.files = files,
                                .count = count,
                                .next = count == (size_t)bounds->limit ? files[count - 1].path : NULL};
    return RB_OK;
}

static rb_err neo4j_read_directories(struct graph_directory_page *page, struct rb_graph *graph,
                                     int64_t repo_id, const struct graph_bounds *bounds,
                                     struct rb_arena *arena)
{
    json_t *values = NULL;
    rb_err err = neo4j_page(&values, graph, read_directories_statement, repo_id, bounds);
    if (err)
        return err;
    size_t count = json_array_size(values);
    struct rb_graph_directory *found = rb_arena_alloc(arena, count * sizeof *found);
    for (size_t i = 0; i < count; i++)
        graph_directory_of(&found[i], graph_neo4j_text(json_array_get(values, i), 0), arena);
    json_decref(values);
    *page =
        (struct graph_directory_page){.directories = found,
                                      .count = count,
                                      .next = count == (size_t)bounds->limit ? found[count - 1].path : NULL};
    return RB_OK;
}

static json_t *neo4j_forget_parameters(int64_t repo_id, int64_t generation, const char *writer)
{
    return json_pack("{s:I, s:I, s:s, s:i}", "repo_id", (json_int_t)repo_id, "generation",
                     (json_int_t)generation, "writer", writer, "limit", PAGE_BATCH);
}

/* First it is no graph any more, then it goes in batches, the node that fences them last. */
static rb_err neo4j_forget(bool *removed, struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    json_t *values = NULL;
    char writer[RB_UUID_SIZE];
    rb_uuid_make(writer);
    json_t *parameters = neo4j_forget_parameters(repo_id, generation, writer);
    rb_err err = graph_neo4j_ask(&values, graph, forget_statement, &parameters);
    *removed = json_array_size(values) > 0;
    json_decref(values);
    for (size_t i = 0; i < sizeof forget_statements / sizeof *forget_statements && *removed && !err;) {
        values = NULL;
        parameters = neo4j_forget_parameters(repo_id, generation, writer);
        err = graph_neo4j_ask(&values, graph, forget_statements[i], &parameters);
        const json_t *row = json_array_get(values, 0);
        *removed = json_is_true(json_array_get(row, 0)); /* false: a newer generation is being built */
        i += graph_neo4j_int(row, 1) == 0;
        json_decref(values);
    }
    if (err || !*removed)
        return err;
    parameters = neo4j_forget_parameters(repo_id, generation, writer);
    return graph_neo4j_ask(NULL, graph, forget_last_statement, &parameters);
}

const struct graph_store graph_neo4j = {
    .batch_rows = BATCH_ROWS,
    .ping = neo4j_ping,
    .look = graph_neo4j_look,
    .claim = graph_neo4j_claim,
    .put = graph_neo4j_put,
    .settle = graph_neo4j_settle,
    .finish = graph_neo4j_finish,
    .abandon = graph_neo4j_abandon,
    .read_files = neo4j_read_files,
    .read_directories = neo4j_read_directories,
    .forget = neo4j_forget,
    .put_pull_request = graph_neo4j_put_pull_request,
    .put_issue = graph_neo4j_put_issue,
    .pull_request_range = graph_neo4j_pull_request_range,
    .put_packages = graph_neo4j_put_packages,
    .forget_packages = graph_neo4j_forget_packages,
};
