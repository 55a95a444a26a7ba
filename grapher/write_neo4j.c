/*
 * A write of the graph in Neo4j. One statement is one transaction, and an answer may be lost on its way: then
 * it is sent again, and must be harmless twice.
 *
 * One node, (:Graph {repo_id}), is what all writes lock and look at. It bears the name of who writes
 * (`writer`): a claim puts one's own there if nobody has come in between, and every write looks whether it
 * still is. It becomes a (:Repository) as well when the first build is whole, and stays one. What events of
 * pull requests and scans have noted on a (:Repository) of their own until then is taken over.
 *
 * A first build creates its nodes without looking for them, twice as fast as MERGE. So that a batch that is
 * sent again does nothing, it notes in the same transaction up to which row it has `written`. A node that is
 * there already (a file that a pull request touches) fails the batch, which then is merged. Everything else
 * is merged.
 *
 * One writer is bound by one core of the server, so batches of a build go side by side, each in the lane that
 * is free first. What a batch locks and notes its rows at is a node of its lane, (:Lane {repo_id, number}),
 * not the Graph, which all of its files hang on; the server does not lock it for one more, as it does a node
 * of few relationships. Who takes the Graph over locks the lanes first: then nothing is under way. Folders
 * have to be there before what stands in them, so nothing goes beside a batch of folders; the next one's rows
 * are judged and made meanwhile.
 *
 * Files stand with their folder, as one text: [folder, "name/language/size/sha/marks/name/…"], since nothing
 * of it has a slash in it. Of what a batch costs the server its reading is a good part: the Query API takes
 * each byte of a request by itself, and packs each value once more for a driver inside of it.
 */
#include <stdio.h>
#include <string.h>

#include "grapher/graph_store.h"
#include "grapher/neo4j.h"

#define PARTS      "5"                /* of a file in its folder's text */
#define ROWS_BYTES (64 * 1024 * 1024) /* of a folder's text: far beyond what a batch may have */

/* ---- statements ---------------------------------------------------------------------------------------- */

#define NODE     "(r:Graph {repo_id: $given.repo_id})"
#define NEW_NODE "MERGE " NODE " ON CREATE SET r.generation = 0, r.writer = '' "
/* What became of a statement: it is done (now, or when it was sent before), too late, or another writes. */
#define OUTCOME \
    "RETURN CASE WHEN due OR done THEN 'done' WHEN r.generation > $given.generation THEN 'stale' END"
#define IF_DUE(then) "FOREACH (_ IN CASE WHEN due THEN [1] ELSE [] END | " then ") "

static const char look_statement[] =
    /* Of a program that knew no Graph. */
    "OPTIONAL MATCH (old:Repository {repo_id: $given.repo_id}) WHERE old.generation > 0 AND NOT old:Graph "
    "SET old:Graph, old.writer = '' WITH count(old) AS adopted "
    "MATCH " NODE " "
    /* Lanes end behind each other, unless the later batch was done and the one before it was not. */
    "CALL (r) { MATCH (lane:Lane {repo_id: $given.repo_id}) WHERE lane.number >= 0 AND "
    "lane.writer = r.writer WITH min(lane.written) AS low, collect(lane) AS lanes "
    "RETURN reduce(upto = low, lane IN lanes | CASE WHEN lane.at <= upto AND lane.written > upto "
    "THEN lane.written ELSE upto END) AS written } "
    "RETURN r.generation, r.writer, r.built IS NOT NULL, r.built IS NULL OR r.changing IS NOT "
    "NULL OR r.generation <> r.built, r.complete, r.commit, r.rules, r.building, "
    "coalesce(written, r.written)";

#define CLAIM_LANES                                                                \
    "CALL (due) { WITH due WHERE due UNWIND range(0, $given.lanes - 1) AS number " \
    "MERGE (lane:Lane {repo_id: $given.repo_id, number: number}) "                 \
    "SET lane.writer = $given.writer, lane.at = $given.at, lane.written = $given.at } "
static const char claim_statement[] = GRAPH_NEO4J_LANES_LOCKED NEW_NODE GRAPH_NEO4J_LOCKED
    "WITH r, r.generation <= $given.generation AND r.writer IN [$given.seen, $given.writer] AS due, false AS "
    "done " CLAIM_LANES IF_DUE(
        "SET r.generation = $given.generation, r.writer = $given.writer, r.changing = true, "
        "r.building = $given.building, r.written = $given.at") OUTCOME;

/* Rows of folders: [path, name, parent]. */
#define PUT_DIRECTORIES(put)                                                                               \
    "CALL (r, due) { WITH r WHERE due UNWIND $given.directories AS row " put " (d:Directory {repo_id: "    \
    "$given.repo_id, path: row[0]}) SET d.name = row[1], d.generation = $given.generation WITH r, d, row " \
    "OPTIONAL MATCH (parent:Directory {repo_id: $given.repo_id, path: row[2]}) "                           \
    "WITH d, coalesce(parent, r) AS parent " put " (parent)-[:CONTAINS]->(d) } "
/* No null is written in it: the planner takes one for a node, and keeps all rows until the last is read. */
#define PROPERTIES                                                                                         \
    "name: part[i], language: CASE WHEN part[i + 1] <> '' THEN part[i + 1] END, size: "                    \
    "toInteger(part[i + 2]), sha: part[i + 3], is_test: part[i + 4] CONTAINS 't', is_generated: part[i + " \
    "4] CONTAINS 'g', is_vendored: part[i + 4] CONTAINS 'v', generation: $given.generation"
#define EACH_FILE                                                                                     \
    "CALL (r, due) { WITH r WHERE due UNWIND $given.files AS folder "                                 \
    "OPTIONAL MATCH (d:Directory {repo_id: $given.repo_id, path: folder[0]}) "                        \
    "WITH r, d, CASE folder[0] WHEN '' THEN '' ELSE folder[0] + '/' END AS prefix, split(folder[1], " \
    "'/') AS part UNWIND range(0, size(part) - 1, " PARTS ") AS i "
#define KEY "f:File {repo_id: $given.repo_id, path: prefix + part[i]"
#define CREATE_FILES                                          \
    EACH_FILE "CREATE (r)-[:CONTAINS]->(" KEY ", " PROPERTIES \
              "}) WITH d, f WHERE d IS NOT NULL CREATE (d)-[:CONTAINS]->(f) } "
#define MERGE_FILES                                                                    \
    EACH_FILE "MERGE (" KEY "}) SET f += {" PROPERTIES "} MERGE (r)-[:CONTAINS]->(f) " \
              "WITH d, f WHERE d IS NOT NULL MERGE (d)-[:CONTAINS]->(f) } "
/* What a pull request touches stays as a node that is no file of the tree. */
#define REMOVE                                                                                             \
    "CALL (due) { WITH due WHERE due UNWIND $given.gone_files AS path MATCH (f:File {repo_id: "            \
    "$given.repo_id, path: "                                                                               \
    "path}) REMOVE f.generation, f.sha, f.size, f.language, f.is_test, f.is_generated, f.is_vendored "     \
    "WITH f OPTIONAL MATCH (f)<-[c:CONTAINS]-() DELETE c WITH DISTINCT f WHERE NOT EXISTS { "              \
    "(f)<-[:TOUCHES]-() } DELETE f } "                                                                     \
    "CALL (due) { WITH due WHERE due UNWIND $given.gone_directories AS path MATCH (d:Directory {repo_id: " \
    "$given.repo_id, path: path}) DETACH DELETE d } "

#define PUT_HEAD                                                                                 \
    "MATCH (lane:Lane {repo_id: $given.repo_id, number: $given.lane}) " GRAPH_NEO4J_LOCK(        \
        "lane") "WITH lane MATCH " NODE                                                          \
                " WITH r, lane, r.writer = $given.writer AND lane.written <= $given.at AS due, " \
                "r.writer = $given.writer AND lane.written >= $given.at + $given.count AS done "
#define PUT_TAIL IF_DUE("SET lane.at = $given.at, lane.written = $given.at + $given.count") OUTCOME
static const char put_new_statement[] = PUT_HEAD PUT_DIRECTORIES("CREATE") CREATE_FILES PUT_TAIL;
static const char put_statement[] = PUT_HEAD PUT_DIRECTORIES("MERGE") MERGE_FILES REMOVE PUT_TAIL;

/* Whoever has noted something on a Repository meanwhile has noted it of this one. */
#define REVEAL                                                                                     \
    "CALL (r, due) { WITH r WHERE due AND NOT r:Repository MERGE (known:Repository {repo_id: "     \
    "$given.repo_id}) "                                                                            \
    "WITH r, known, properties(known) AS theirs, properties(r) AS ours "                           \
    "CALL (r, known) { MATCH (d)-[:CONTRIBUTED_TO]->(known) MERGE (d)-[:CONTRIBUTED_TO]->(r) } "   \
    "CALL (r, known) { MATCH (known)-[theirs:DEPENDS_ON]->(p) MERGE (r)-[ours:DEPENDS_ON {scope: " \
    "theirs.scope}]->(p) SET ours = properties(theirs) } "                                         \
    "DETACH DELETE known SET r = theirs SET r += ours SET r:Repository } "
static const char finish_statement[] =
    "MATCH " NODE " " GRAPH_NEO4J_LOCKED
    "WITH r, r.generation <= $given.generation AND r.writer = $given.seen AS due, r.finished = $given.writer "
    "AS done " REVEAL IF_DUE(
        "SET r.full_name = $given.full_name, r.commit = $given.commit, r.files = $given.file_count, "
        "r.links = $given.link_count, r.complete = $given.complete, r.built = $given.generation, "
        "r.generation = $given.generation, r.rules = $given.rules, r.writer = $given.writer, r.finished = "
        "$given.writer, r.scanned_at = datetime() REMOVE r.changing, r.building, r.written") OUTCOME;

/* ---- rows ---------------------------------------------------------------------------------------------- */

static json_t *row_of_directory(const struct rb_graph_directory *directory)
{
    const char *slash = strrchr(directory->path, '/');
    return json_pack("[s, s, s]", directory->path, slash ? slash + 1 : directory->path, directory->parent);
}

/* Bytes of the path before its last slash. */
static size_t folder_of(const struct rb_graph_file *file)
{
    return file->name > file->path ? (size_t)(file->name - file->path) - 1 : 0;
}

static bool stands_with(const struct rb_graph_file *a, const struct rb_graph_file *b)
{
    size_t folder = folder_of(a);
    return folder == folder_of(b) && memcmp(a->path, b->path, folder) == 0;
}

static bool text_add(struct rb_buf *text, const char *part)
{
    return (text->len == 0 || rb_buf_append(text, "/", 1) == RB_OK) &&
           rb_buf_append(text, part, strlen(part)) == RB_OK;
}

/* As snprintf() would, which took a tenth of the grapher's part in a first build. */
static bool text_add_size(struct rb_buf *text, int64_t size)
{
    char digits[24], *at = digits + sizeof digits - 1;
    *at = '\0';
    for (uint64_t rest = (uint64_t)size; rest || !*at; rest /= 10)
        *--at = (char)('0' + rest % 10);
    return text_add(text, at);
}

static bool text_add_file(struct rb_buf *text, const struct rb_graph_file *file)
{
    char marks[4], *mark = marks;
    if (file->is_test)
        *mark++ = 't';
    if (file->is_generated)
        *mark++ = 'g';
    if (file->is_vendored)
        *mark++ = 'v';
    *mark = '\0';
    return text_add(text, file->name) && text_add(text, file->language ? file->language : "") &&
           text_add_size(text, file->size) && text_add(text, file->sha) && text_add(text, marks);
}

/* What is no UTF-8 gives NULL. */
static json_t *rows_of_files(const struct graph_rows *rows)
{
    json_t *folders = json_array();
    struct rb_buf text;
    bool broken = false;
    rb_buf_init(&text, ROWS_BYTES);
    for (size_t i = 0; i < rows->put_file_count && !broken;) {
        const struct rb_graph_file *first = rows->put_files[i];
        rb_buf_reset(&text);
        do
            broken = !text_add_file(&text, rows->put_files[i++]);
        while (!broken && i < rows->put_file_count && stands_with(first, rows->put_files[i]));
        broken =
            broken || !rb_text_is_utf8(text.data, text.len) ||
            json_array_append_new(folders, json_pack("[o, o]", json_stringn(first->path, folder_of(first)),
                                                     json_stringn_nocheck(text.data, text.len))) != 0;
    }
    rb_buf_free(&text);
    if (broken) {
        json_decref(folders);
        return NULL;
    }
    return folders;
}

static json_t *rows_of_directories(const struct graph_rows *rows)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rows->put_directory_count; i++) {
        if (json_array_append_new(list, row_of_directory(rows->put_directories[i]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *rows_of_paths(const char *const *paths, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(paths[i])); /* it came from the store: it is UTF-8 */
    return list;
}

/* ---- the steps ----------------------------------------------------------------------------------------- */

static rb_err ask_parameters(json_t **parameters, const struct graph_write *write,
                             const struct graph_rows *rows)
{
    const struct rb_graph_tree *tree = write->tree;
    *parameters = json_pack("{s:I, s:I, s:s, s:s, s:I, s:I}", "repo_id", (json_int_t)tree->repo_id,
                            "generation", (json_int_t)tree->generation, "writer", write->writer, "seen",
                            write->is_claimed ? write->writer : write->found.writer, "at",
                            (json_int_t)write->at, "lanes", (json_int_t)RB_NEO4J_LANES);
    if (*parameters && rows) {
        json_t *more =
            json_pack("{s:I, s:o, s:o, s:o, s:o}", "count", (json_int_t)graph_rows_count(rows), "directories",
                      rows_of_directories(rows), "files", rows_of_files(rows), "gone_files",
                      rows_of_paths(rows->gone_files, rows->gone_file_count), "gone_directories",
                      rows_of_paths(rows->gone_directories, rows->gone_directory_count));
        if (!more || json_object_update(*parameters, more)) {
            json_decref(*parameters);
            *parameters = NULL;
        }
        json_decref(more);
    }
    return *parameters ? RB_OK : rb_error_set(RB_EINVAL, "a path of the tree is not valid UTF-8");
}

/* Of a statement that ends with OUTCOME. */
static rb_err outcome_of(const json_t *values, const struct graph_write *write)
{
    const json_t *row = json_array_get(values, 0);
    const char *name = write->tree->full_name;
    if (strcmp(graph_neo4j_text(row, 0), "done") == 0)
        return RB_OK;
    if (!row || strcmp(graph_neo4j_text(row, 0), "stale") == 0 || write->is_claimed)
        return rb_error_set(RB_ESTALE, "the graph of %s holds a newer generation", name);
    return rb_error_set(RB_EUNAVAILABLE, "another builder writes the graph of %s", name);
}

/* Runs it; takes the parameters. */
static rb_err ask_outcome(struct rb_graph *graph, const struct graph_write *write, const char *statement,
                          json_t **parameters)
{
    json_t *values = NULL;
    rb_err err = graph_neo4j_ask(&values, graph, statement, parameters);
    if (!err)
        err = outcome_of(values, write);
    json_decref(values);
    return err;
}

rb_err graph_neo4j_look(struct graph_found *found, struct rb_graph *graph, const struct rb_graph_tree *tree)
{
    json_t *values = NULL, *parameters = json_pack("{s:I}", "repo_id", (json_int_t)tree->repo_id);
    rb_err err = graph_neo4j_constrain(graph);
    if (err)
        json_decref(parameters);
    else
        err = graph_neo4j_ask(&values, graph, look_statement, &parameters);
    const json_t *row = json_array_get(values, 0);
    *found = (struct graph_found){.exists = row != NULL};
    if (row && graph_neo4j_int(row, 0) > tree->generation)
        err = rb_error_set(RB_ESTALE, "the graph of %s holds a newer generation", tree->full_name);
    if (row) {
        found->is_visible = json_is_true(json_array_get(row, 2));
        found->is_unfinished = json_is_true(json_array_get(row, 3));
        found->complete = json_is_true(json_array_get(row, 4));
        found->written = graph_neo4j_int(row, 8);
        snprintf(found->writer, sizeof found->writer, "%s", graph_neo4j_text(row, 1));
        snprintf(found->commit, sizeof found->commit, "%s", graph_neo4j_text(row, 5));
        snprintf(found->rules, sizeof found->rules, "%s", graph_neo4j_text(row, 6));
        snprintf(found->building, sizeof found->building, "%s", graph_neo4j_text(row, 7));
    }
    json_decref(values);
    return err;
}

rb_err graph_neo4j_claim(struct rb_graph *graph, const struct graph_write *write)
{
    json_t *parameters = NULL;
    char building[GRAPH_BUILDING_SIZE];
    rb_err err = ask_parameters(&parameters, write, NULL);
    graph_building(building, write->tree);
    if (!err)
        json_object_set_new(parameters, "building",
                            write->is_build && write->tree->complete ? json_string(building) : json_null());
    return err ? err : ask_outcome(graph, write, claim_statement, &parameters);
}

static rb_err put_wait(struct rb_graph *graph, const struct graph_write *write, size_t lane)
{
    json_t *values = NULL;
    rb_err err = rb_neo4j_wait(&values, graph->neo4j, lane);
    if (!err)
        err = outcome_of(values, write);
    json_decref(values);
    return err;
}

/* Waits for what was put in a lane. */
static rb_err put_settle(struct rb_graph *graph, const struct graph_write *write, size_t lane)
{
    json_t *put = graph->under_way[lane];
    if (!put)
        return RB_OK;
    graph->under_way[lane] = NULL;
    rb_err err = put_wait(graph, write, lane);
    if (err == RB_ECONFLICT) {
        err = rb_neo4j_send(graph->neo4j, lane, put_statement, put);
        if (!err)
            err = put_wait(graph, write, lane);
    }
    json_decref(put);
    return err;
}

rb_err graph_neo4j_settle(struct rb_graph *graph, const struct graph_write *write)
{
    rb_err err = RB_OK;
    for (size_t lane = 0; lane < RB_NEO4J_LANES && !err; lane++)
        err = put_settle(graph, write, lane);
    graph->folders_under_way = false;
    return err;
}

/* Batches of a build go in the lane that is free first, those of an update behind each other. */
static rb_err put_lane(size_t *lane, struct rb_graph *graph, const struct graph_write *write)
{
    rb_err err = graph->folders_under_way ? graph_neo4j_settle(graph, write) : RB_OK;
    if (err)
        return err;
    *lane = write->is_build ? rb_neo4j_lane(graph->neo4j) : 0;
    return put_settle(graph, write, *lane);
}

rb_err graph_neo4j_put(struct rb_graph *graph, const struct graph_write *write, const struct graph_rows *rows)
{
    json_t *parameters = NULL;
    size_t lane = 0;
    rb_err err = ask_parameters(&parameters, write, rows);
    if (!err)
        err = put_lane(&lane, graph, write); /* its rows were made while those before it were written */
    if (!err) {
        json_object_set_new(parameters, "lane", json_integer((json_int_t)lane));
        err = rb_neo4j_send(graph->neo4j, lane, write->is_build ? put_new_statement : put_statement,
                            parameters);
    }
    if (err) {
        json_decref(parameters);
        return err;
    }
    graph->under_way[lane] = parameters;
    graph->folders_under_way = rows->put_directory_count > 0;
    return write->is_build ? RB_OK : graph_neo4j_settle(graph, write);
}

rb_err graph_neo4j_finish(struct rb_graph *graph, const struct graph_write *write,
                          const struct graph_totals *totals)
{
    const struct rb_graph_tree *tree = write->tree;
    json_t *parameters = NULL;
    char rules[GRAPH_RULES_SIZE];
    rb_err err = ask_parameters(&parameters, write, NULL);
    if (err)
        return err;
    graph_rules(rules);
    json_t *more = json_pack("{s:s, s:s, s:I, s:I, s:b, s:s}", "full_name", tree->full_name, "commit",
                             tree->commit, "file_count", (json_int_t)totals->files, "link_count",
                             (json_int_t)totals->links, "complete", tree->complete ? 1 : 0, "rules", rules);
    json_object_update(parameters, more);
    json_decref(more);
    return ask_outcome(graph, write, finish_statement, &parameters);
}

/* What was written stays: the next write finds it and goes on from there. */
void graph_neo4j_abandon(struct rb_graph *graph)
{
    for (size_t lane = 0; lane < RB_NEO4J_LANES; lane++) {
        rb_neo4j_drop(graph->neo4j, lane);
        json_decref(graph->under_way[lane]);
        graph->under_way[lane] = NULL;
    }
    graph->folders_under_way = false;
    graph->has_constraints = false; /* whoever comes back may be another server */
}
