/*
 * The graph in Neo4j. Every write first takes the lock of the Repository node and looks at its generation
 * there: what a newer generation has claimed is not written to, and the answer says so. All statements are
 * harmless twice.
 */
#include <stdio.h>
#include <string.h>

#include "grapher/graph_store.h"
#include "grapher/neo4j.h"

#define BATCH_ROWS 2000 /* some 300 KB of request; the server holds it and its transaction in the heap */

/* Setting a property locks the node until the transaction ends (neo4j.com/docs/operations-manual, concurrent
 * data access); what is read behind it is true until then. */
#define LOCKED "SET r._lock = true REMOVE r._lock "
#define FENCED(write)                                                                                   \
    "MATCH (r:Repository {repo_id: $repo_id}) " LOCKED "WITH r, r.generation = $generation AS current " \
    "CALL (r, current) { WITH r, current WHERE current UNWIND $rows AS row " write                      \
    " RETURN count(*) AS written } RETURN current"
/* Runs the rest for a folder, and not for "", the root. */
#define IN_FOLDER(rest) "FOREACH (path IN CASE row.d WHEN '' THEN [] ELSE [row.d] END | " rest ") "

static const char *const constraints[] = {
    "CREATE CONSTRAINT repository_key IF NOT EXISTS FOR (r:Repository) REQUIRE r.repo_id IS UNIQUE",
    "CREATE CONSTRAINT directory_key IF NOT EXISTS FOR (d:Directory) REQUIRE (d.repo_id, d.path) IS UNIQUE",
    "CREATE CONSTRAINT file_key IF NOT EXISTS FOR (f:File) REQUIRE (f.repo_id, f.path) IS UNIQUE",
    "CREATE CONSTRAINT pull_key IF NOT EXISTS FOR (p:PullRequest) REQUIRE (p.repo_id, p.number) IS UNIQUE",
    "CREATE CONSTRAINT issue_key IF NOT EXISTS FOR (i:Issue) REQUIRE (i.repo_id, i.number) IS UNIQUE",
    "CREATE CONSTRAINT developer_key IF NOT EXISTS FOR (d:Developer) REQUIRE d.github_id IS UNIQUE",
    "CREATE CONSTRAINT package_key IF NOT EXISTS FOR (p:Package) REQUIRE p.purl IS UNIQUE",
    "CREATE INDEX pull_state IF NOT EXISTS FOR (p:PullRequest) ON (p.repo_id, p.state, p.number)",
    "CALL db.awaitIndexes(50)", /* seconds: below the time limit of a request */
};

static const char begin_statement[] =
    "MERGE (r:Repository {repo_id: $repo_id}) ON CREATE SET r.generation = $generation, r.full_name = "
    "$full_name " LOCKED
    "WITH r WHERE r.generation <= $generation SET r.generation = $generation RETURN true";

/* A folder that is only known as somebody's parent has no generation yet: it is not counted as there. */
static const char put_directories_statement[] =
    FENCED("MERGE (d:Directory {repo_id: $repo_id, path: row.p}) "
           "SET d.name = last(split(row.p, '/')), d.generation = $generation " IN_FOLDER(
               "MERGE (parent:Directory {repo_id: $repo_id, path: path}) MERGE "
               "(parent)-[:CONTAINS]->(d)") "FOREACH (root IN CASE row.d WHEN '' THEN [r] ELSE [] END | "
                                            "MERGE (root)-[:CONTAINS]->(d))");

static const char put_files_statement[] =
    FENCED("MERGE (f:File {repo_id: $repo_id, path: row.p}) SET f.name = last(split(row.p, '/')), "
           "f.language = row.l, f.size = row.s, f.sha = row.h, f.generation = $generation "
           "MERGE (r)-[:CONTAINS]->(f) " IN_FOLDER(
               "MERGE (d:Directory {repo_id: $repo_id, path: path}) MERGE (d)-[:CONTAINS]->(f)"));

/* What a pull request touches stays as a node that is no file of the tree. */
static const char remove_files_statement[] = FENCED(
    "MATCH (f:File {repo_id: $repo_id, path: row}) REMOVE f.generation, f.sha, f.size, f.language WITH f "
    "OPTIONAL MATCH (f)<-[c:CONTAINS]-() DELETE c WITH DISTINCT f WHERE NOT EXISTS { (f)<-[:TOUCHES]-() } "
    "DELETE f");

static const char remove_directories_statement[] =
    FENCED("MATCH (d:Directory {repo_id: $repo_id, path: row}) DETACH DELETE d");

static const char *const write_statements[GRAPH_WRITES] = {
    [GRAPH_PUT_DIRECTORIES] = put_directories_statement,
    [GRAPH_PUT_FILES] = put_files_statement,
    [GRAPH_REMOVE_FILES] = remove_files_statement,
    [GRAPH_REMOVE_DIRECTORIES] = remove_directories_statement,
};

static const char finish_statement[] =
    "MATCH (r:Repository {repo_id: $repo_id}) " LOCKED "WITH r WHERE r.generation = $generation "
    "SET r.full_name = $full_name, r.commit = $commit, r.files = $files, r.links = $links, "
    "r.complete = $complete, r.built = $generation, r.scanned_at = datetime() RETURN true";

static const char about_statement[] =
    "MATCH (r:Repository {repo_id: $repo_id}) WHERE r.built IS NOT NULL "
    "RETURN r.full_name, r.commit, r.built, r.files, r.links, r.complete, r.generation <> r.built";

/* Ordered by all columns of the index, so that the server walks it instead of sorting. */
#define WITHIN(node) node ".path > $after AND ($before IS NULL OR " node ".path < $before) "
static const char read_files_statement[] = "MATCH (f:File {repo_id: $repo_id}) WHERE " WITHIN(
    "f") "AND f.generation IS NOT NULL AND ($language IS NULL OR f.language = $language) "
         "RETURN f.path, f.language, f.size, f.sha ORDER BY f.repo_id, f.path LIMIT $limit";

static const char read_directories_statement[] = "MATCH (d:Directory {repo_id: $repo_id}) WHERE " WITHIN(
    "d") "AND d.generation IS NOT NULL "
         "RETURN d.path ORDER BY d.repo_id, d.path LIMIT $limit";

/* Without `built` readers find nothing, and without a commit nobody takes it for one. */
static const char forget_statement[] =
    "MATCH (r:Repository {repo_id: $repo_id}) " LOCKED "WITH r WHERE r.generation <= $generation "
    "SET r.generation = $generation REMOVE r.built, r.commit RETURN true";
#define FORGET(label)                                                                                       \
    "MATCH (r:Repository {repo_id: $repo_id}) " LOCKED "WITH r, r.generation = $generation AND r.built IS " \
    "NULL AS current CALL (r, current) { WITH r, current WHERE current MATCH (n:" label                     \
    " {repo_id: $repo_id}) WITH n LIMIT $limit DETACH DELETE n RETURN count(*) AS gone } RETURN current, "  \
    "gone"
/* People last, and those only who have nothing else. */
static const char forget_people_statement[] =
    "MATCH (r:Repository {repo_id: $repo_id}) " LOCKED "WITH r, r.generation = $generation AND r.built IS "
    "NULL AS current CALL (r, current) { WITH r, current WHERE current MATCH (r)<-[c:CONTRIBUTED_TO]-(d) "
    "WITH c, d LIMIT $limit DELETE c WITH collect(d) AS people CALL (people) { UNWIND people AS d WITH d "
    "WHERE "
    "NOT EXISTS { (d)--() } DELETE d } RETURN size(people) AS gone } RETURN current, gone";
static const char *const forget_statements[] = {FORGET("File"), FORGET("Directory"), FORGET("PullRequest"),
                                                FORGET("Issue"), forget_people_statement};
static const char forget_last_statement[] = "MATCH (r:Repository {repo_id: $repo_id}) " LOCKED
                                            "WITH r WHERE r.generation = $generation AND r.built IS NULL "
                                            "DETACH DELETE r";

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

static rb_err neo4j_stale(const struct rb_graph_tree *tree)
{
    return rb_error_set(RB_ESTALE, "the graph of %s holds a newer generation", tree->full_name);
}

static rb_err neo4j_ping(struct rb_graph *graph)
{
    return rb_neo4j_run(NULL, graph->neo4j, "RETURN 1", NULL);
}

static rb_err neo4j_begin(struct rb_graph *graph, const struct rb_graph_tree *tree)
{
    json_t *values = NULL;
    json_t *parameters = json_pack("{s:I, s:I, s:s}", "repo_id", (json_int_t)tree->repo_id, "generation",
                                   (json_int_t)tree->generation, "full_name", tree->full_name);
    rb_err err = graph_neo4j_constrain(graph);
    if (err) {
        json_decref(parameters);
        return err;
    }
    err = graph_neo4j_ask(&values, graph, begin_statement, &parameters);
    if (!err && json_array_size(values) == 0)
        err = neo4j_stale(tree);
    json_decref(values);
    return err;
}

static rb_err neo4j_write(struct rb_graph *graph, const struct rb_graph_tree *tree, enum graph_write kind,
                          json_t *rows)
{
    json_t *values = NULL;
    json_t *parameters = json_pack("{s:I, s:I, s:O}", "repo_id", (json_int_t)tree->repo_id, "generation",
                                   (json_int_t)tree->generation, "rows", rows);
    rb_err err = graph_neo4j_ask(&values, graph, write_statements[kind], &parameters);
    if (!err && !json_is_true(json_array_get(json_array_get(values, 0), 0)))
        err = neo4j_stale(tree);
    json_decref(values);
    return err;
}

static rb_err neo4j_finish(struct rb_graph *graph, const struct rb_graph_tree *tree,
                           const struct graph_totals *totals)
{
    json_t *values = NULL;
    json_t *parameters = json_pack(
        "{s:I, s:I, s:s, s:s, s:I, s:I, s:b}", "repo_id", (json_int_t)tree->repo_id, "generation",
        (json_int_t)tree->generation, "full_name", tree->full_name, "commit", tree->commit, "files",
        (json_int_t)totals->files, "links", (json_int_t)totals->links, "complete", tree->complete ? 1 : 0);
    rb_err err = graph_neo4j_ask(&values, graph, finish_statement, &parameters);
    if (!err && json_array_size(values) == 0)
        err = neo4j_stale(tree);
    json_decref(values);
    return err;
}

/* What was written stays: the next write finds it and goes on from there. */
static void neo4j_abandon(struct rb_graph *graph)
{
    (void)graph;
}

static const char *neo4j_text(const json_t *row, size_t column)
{
    const char *text = json_string_value(json_array_get(row, column));
    return text ? text : "";
}

static int64_t neo4j_int(const json_t *row, size_t column)
{
    return json_integer_value(json_array_get(row, column));
}

static rb_err neo4j_about(struct rb_graph_about *about, struct rb_graph *graph, int64_t repo_id)
{
    json_t *values = NULL;
    json_t *parameters = json_pack("{s:I}", "repo_id", (json_int_t)repo_id);
    rb_err err = graph_neo4j_ask(&values, graph, about_statement, &parameters);
    const json_t *row = json_array_get(values, 0);
    if (!err && !row)
        err = rb_error_set(RB_ENOTFOUND, "there is no graph of repository %lld", (long long)repo_id);
    if (!err) {
        *about = (struct rb_graph_about){.generation = neo4j_int(row, 2),
                                         .files = neo4j_int(row, 3),
                                         .links = neo4j_int(row, 4),
                                         .complete = json_is_true(json_array_get(row, 5)),
                                         .is_changing = json_is_true(json_array_get(row, 6))};
        snprintf(about->full_name, sizeof about->full_name, "%s", neo4j_text(row, 0));
        snprintf(about->commit, sizeof about->commit, "%s", neo4j_text(row, 1));
    }
    json_decref(values);
    return err;
}

static rb_err neo4j_page(json_t **values, struct rb_graph *graph, const char *statement, int64_t repo_id,
                         const struct graph_bounds *bounds)
{
    json_t *parameters =
        json_pack("{s:I, s:s, s:s?, s:s?, s:i}", "repo_id", (json_int_t)repo_id, "after", bounds->after,
                  "before", bounds->before, "language", bounds->language, "limit", bounds->limit);
    return graph_neo4j_ask(values, graph, statement, &parameters);
}

static rb_err neo4j_read_files(struct rb_graph_page *page, struct rb_graph *graph, int64_t repo_id,
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
        const char *path = neo4j_text(row, 0), *slash = strrchr(path, '/');
        files[i].path = rb_arena_strdup(arena, path);
        files[i].directory = rb_arena_strndup(arena, path, slash ? (size_t)(slash - path) : 0);
        if (json_is_string(json_array_get(row, 1)))
            files[i].language = rb_arena_strdup(arena, neo4j_text(row, 1));
        files[i].size = neo4j_int(row, 2);
        files[i].sha = rb_arena_strdup(arena, neo4j_text(row, 3));
    }
    json_decref(values);
    *page = (struct rb_graph_page){.files = files,
                                   .count = count,
                                   .next = count == (size_t)bounds->limit ? files[count - 1].path : NULL};
    return RB_OK;
}

static rb_err neo4j_read_directories(struct rb_graph_directory_page *page, struct rb_graph *graph,
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
        graph_directory_of(&found[i], neo4j_text(json_array_get(values, i), 0), arena);
    json_decref(values);
    *page = (struct rb_graph_directory_page){.directories = found,
                                             .count = count,
                                             .next = count == (size_t)bounds->limit ? found[count - 1].path
                                                                                    : NULL};
    return RB_OK;
}

static json_t *neo4j_forget_parameters(int64_t repo_id, int64_t generation)
{
    return json_pack("{s:I, s:I, s:i}", "repo_id", (json_int_t)repo_id, "generation", (json_int_t)generation,
                     "limit", BATCH_ROWS);
}

/* First it is no graph any more, then it goes in batches, the node that fences them last. */
static rb_err neo4j_forget(bool *removed, struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    json_t *values = NULL;
    json_t *parameters = neo4j_forget_parameters(repo_id, generation);
    rb_err err = graph_neo4j_ask(&values, graph, forget_statement, &parameters);
    *removed = json_array_size(values) > 0;
    json_decref(values);
    for (size_t i = 0; i < sizeof forget_statements / sizeof *forget_statements && *removed && !err;) {
        values = NULL;
        parameters = neo4j_forget_parameters(repo_id, generation);
        err = graph_neo4j_ask(&values, graph, forget_statements[i], &parameters);
        const json_t *row = json_array_get(values, 0);
        *removed = json_is_true(json_array_get(row, 0)); /* false: a newer generation is being built */
        i += neo4j_int(row, 1) == 0;
        json_decref(values);
    }
    if (err || !*removed)
        return err;
    parameters = neo4j_forget_parameters(repo_id, generation);
    return graph_neo4j_ask(NULL, graph, forget_last_statement, &parameters);
}

const struct graph_store graph_neo4j = {
    .batch_rows = BATCH_ROWS,
    .ping = neo4j_ping,
    .begin = neo4j_begin,
    .write = neo4j_write,
    .finish = neo4j_finish,
    .abandon = neo4j_abandon,
    .about = neo4j_about,
    .read_files = neo4j_read_files,
    .read_directories = neo4j_read_directories,
    .forget = neo4j_forget,
    .put_pull_request = graph_neo4j_put_pull_request,
    .put_issue = graph_neo4j_put_issue,
    .pull_request_head = graph_neo4j_pull_request_head,
    .put_packages = graph_neo4j_put_packages,
    .forget_packages = graph_neo4j_forget_packages,
};
