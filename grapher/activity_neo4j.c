/*
 * What happens on GitHub, in Neo4j: one statement a change, one transaction. It locks the node it is about
 * and looks at its version there; all of it is harmless twice.
 *
 * A file that a pull request touches and the tree does not have is a node without a generation: readers of
 * files leave it out, and a build that finds the file makes it whole.
 */
#include "grapher/activity.h"

#include <stdio.h>
#include <string.h>

#include "grapher/graph_store.h"

#define UNLESS_NEWER(node)                                                         \
    "SET " node "._lock = true REMOVE " node "._lock WITH r, " node " WHERE " node \
    ".version IS NULL OR " node ".version <= $given.version "
#define AUTHOR(node)                                                                      \
    "CALL (" node ") { MATCH (" node                                                      \
    ")-[a:AUTHORED_BY]->(d:Developer) WHERE d.github_id <> $given.author_id DELETE a } "  \
    "CALL (r, " node ") { WITH r, " node                                                  \
    " WHERE $given.author_id <> 0 MERGE (d:Developer {github_id: $given.author_id}) SET " \
    "d.login = $given.author_login MERGE (" node ")-[:AUTHORED_BY]->(d) MERGE (d)-[:CONTRIBUTED_TO]->(r) } "
#define REPOSITORY                                                                                  \
    "MERGE (r:Repository {repo_id: $given.repo_id}) ON CREATE SET r.generation = 0, r.full_name = " \
    "$given.full_name "

static const char put_pull_request_statement[] =
    REPOSITORY "MERGE (p:PullRequest {repo_id: $given.repo_id, number: $given.number}) " UNLESS_NEWER(
        "p") "SET p.version = $given.version, p.title = $given.title, p.state = $given.state, p.created_at = "
             "datetime($given.created_at), p.merged_at = datetime($given.merged_at) "
             "SET p.head_sha = CASE WHEN $given.has_touches THEN $given.head_sha ELSE coalesce(p.head_sha, "
             "'') END "
             "WITH r, p " AUTHOR("p") //
    "CALL (p) { WITH p, [touch IN $given.touches | touch[0]] AS paths WHERE $given.has_touches "
    "MATCH (p)-[t:TOUCHES]->(f:File) WHERE NOT f.path IN paths DELETE t WITH DISTINCT f WHERE f.generation "
    "IS NULL AND NOT EXISTS { "
    "(f)<-[:TOUCHES]-() } DELETE f } "
    "CALL (p) { UNWIND $given.touches AS touch MERGE (f:File {repo_id: $given.repo_id, path: touch[0]}) "
    "MERGE "
    "(p)-[t:TOUCHES]->(f) SET t.additions = touch[1], t.deletions = touch[2] } "
    "CALL (p) { MATCH (p)-[c:CLOSES]->(i:Issue) WHERE NOT [i.repo_id, i.number] IN $given.closes DELETE c } "
    "CALL (p) { UNWIND $given.closes AS ref MERGE (i:Issue {repo_id: ref[0], number: ref[1]}) MERGE "
    "(p)-[:CLOSES]->(i) } "
    "RETURN true";

static const char put_issue_statement[] =
    REPOSITORY "MERGE (i:Issue {repo_id: $given.repo_id, number: $given.number}) " UNLESS_NEWER(
        "i") "SET i.version = $given.version, i.title = $given.title, i.state = $given.state, i.created_at = "
             "datetime($given.created_at) WITH r, i " AUTHOR("i") "RETURN true";

static rb_err neo4j_put(bool *written, struct rb_graph *graph, const char *statement, json_t *parameters)
{
    json_t *values = NULL;
    rb_err err = graph_neo4j_constrain(graph);
    if (err)
        json_decref(parameters);
    else
        err = graph_neo4j_ask(&values, graph, statement, &parameters);
    *written = json_array_size(values) > 0;
    json_decref(values);
    return err;
}

rb_err graph_neo4j_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                    const struct rb_pull_request *pull)
{
    json_t *parameters =
        json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s?, s:b, s:o, s:o}", "repo_id",
                  (json_int_t)pull->repo_id, "number", (json_int_t)pull->number, "full_name", full_name,
                  "version", pull->version, "title", pull->title, "state", pull->state, "author_id",
                  (json_int_t)pull->author.github_id, "author_login", pull->author.login, "head_sha",
                  pull->head_sha, "created_at", pull->created_at, "merged_at", pull->merged_at, "has_touches",
                  pull->has_touches ? 1 : 0, "touches", graph_touches(pull), "closes", graph_closes(pull));
    return neo4j_put(written, graph, put_pull_request_statement, parameters);
}

rb_err graph_neo4j_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                             const struct rb_issue *issue)
{
    json_t *parameters = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "repo_id",
                                   (json_int_t)issue->repo_id, "number", (json_int_t)issue->number,
                                   "full_name", full_name, "version", issue->version, "title", issue->title,
                                   "state", issue->state, "author_id", (json_int_t)issue->author.github_id,
                                   "author_login", issue->author.login, "created_at", issue->created_at);
    return neo4j_put(written, graph, put_issue_statement, parameters);
}

rb_err graph_neo4j_pull_request_head(char head[RB_SHA_SIZE], struct rb_graph *graph, int64_t repo_id,
                                     int64_t number)
{
    json_t *values = NULL, *parameters = json_pack("{s:I, s:I}", "repo_id", (json_int_t)repo_id, "number",
                                                   (json_int_t)number);
    rb_err err = graph_neo4j_ask(
        &values, graph,
        "MATCH (p:PullRequest {repo_id: $given.repo_id, number: $given.number}) RETURN p.head_sha",
        &parameters);
    const char *found = json_string_value(json_array_get(json_array_get(values, 0), 0));
    snprintf(head, RB_SHA_SIZE, "%s", found ? found : "");
    json_decref(values);
    return err;
}
