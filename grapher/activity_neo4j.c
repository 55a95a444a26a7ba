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

/* r is the repository, n the pull request or the issue. */
#define REPOSITORY                                                                                  \
    "MERGE (r:Repository {repo_id: $given.repo_id}) ON CREATE SET r.generation = 0, r.full_name = " \
    "$given.full_name "
#define UNLESS_NEWER                                                                    \
    GRAPH_NEO4J_LOCK("n")                                                               \
    "WITH r, n WHERE n.version IS NULL OR n.version <= "                                \
    "$given.version SET n.version = $given.version, n.title = $given.title, n.state = " \
    "$given.state, n.created_at = datetime($given.created_at) "
/* Somebody else was its author: who then has nothing here has not contributed, and who has nothing at all
 * goes, locked so that nobody hangs something on the node meanwhile. */
#define FORMER_AUTHOR                                                                            \
    "CALL (r, n) { MATCH (n)-[a:AUTHORED_BY]->(d:Developer) WHERE d.github_id <> "               \
    "$given.author_id " GRAPH_NEO4J_LOCK(                                                        \
        "d") "DELETE a WITH r, d OPTIONAL MATCH (d)-[c:CONTRIBUTED_TO]->(r) WHERE NOT EXISTS { " \
             "(d)<-[:AUTHORED_BY]-({repo_id: $given.repo_id}) } DELETE c "                       \
             "WITH DISTINCT d WHERE NOT EXISTS { (d)--() } DELETE d } "
#define AUTHOR                                                                                            \
    "CALL (r, n) { WITH r, n WHERE $given.author_id <> 0 "                                                \
    "MERGE (d:Developer {github_id: $given.author_id}) " GRAPH_NEO4J_LOCK(                                \
        "d") "FOREACH (_ IN CASE WHEN coalesce(d.login_at, '') < $given.author_seen_at OR (d.login_at = " \
             "$given.author_seen_at AND d.login < $given.author_login) THEN [1] ELSE [] END | "           \
             "SET d.login = $given.author_login, d.login_at = $given.author_seen_at) "                    \
             "MERGE (n)-[:AUTHORED_BY]->(d) MERGE (d)-[:CONTRIBUTED_TO]->(r) } "
#define TOUCHES                                                                                           \
    "CALL (n) { WITH n WHERE $given.has_touches SET n.head_sha = $given.head_sha, n.base_ref = "          \
    "$given.base_ref } "                                                                                  \
    "CALL (n) { WITH n, [touch IN $given.touches | touch[0]] AS paths WHERE $given.has_touches "          \
    "MATCH (n)-[t:TOUCHES]->(f:File) WHERE NOT f.path IN paths DELETE t "                                 \
    "WITH DISTINCT f WHERE f.generation IS NULL AND NOT EXISTS { (f)<-[:TOUCHES]-() } DELETE f } "        \
    "CALL (n) { UNWIND $given.touches AS touch MERGE (f:File {repo_id: $given.repo_id, path: touch[0]}) " \
    "MERGE (n)-[t:TOUCHES]->(f) SET t.additions = touch[1], t.deletions = touch[2] } "
/* An issue that is only known from what would close it goes with the last of that. */
#define CLOSES                                                                                           \
    "CALL (n) { MATCH (n)-[c:CLOSES]->(i:Issue) WHERE NOT [i.repo_id, i.number] IN "                     \
    "$given.closes " GRAPH_NEO4J_LOCK(                                                                   \
        "i") "DELETE c "                                                                                 \
             "WITH DISTINCT i WHERE i.version IS NULL AND NOT EXISTS { (i)--() } DELETE i } "            \
             "CALL (n) { UNWIND $given.closes AS ref MERGE (i:Issue {repo_id: ref[0], number: ref[1]}) " \
             "MERGE (n)-[:CLOSES]->(i) } "

static const char put_pull_request_statement[] =
    REPOSITORY "MERGE (n:PullRequest {repo_id: $given.repo_id, number: $given.number}) " UNLESS_NEWER
               "SET n.merged_at = datetime($given.merged_at) WITH r, n " FORMER_AUTHOR AUTHOR TOUCHES CLOSES
               "RETURN true";

static const char put_issue_statement[] =
    REPOSITORY "MERGE (n:Issue {repo_id: $given.repo_id, number: $given.number}) " UNLESS_NEWER
               "WITH r, n " FORMER_AUTHOR AUTHOR "RETURN true";

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

static void set_author(json_t *parameters, const struct rb_developer *author)
{
    json_object_set_new(parameters, "author_id", json_integer((json_int_t)author->github_id));
    json_object_set_new(parameters, "author_login", json_string(author->login));
    json_object_set_new(parameters, "author_seen_at", json_string(author->seen_at));
}

rb_err graph_neo4j_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                    const struct rb_pull_request *pull)
{
    json_t *parameters = json_pack(
        "{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:b, s:o, s:o}", "repo_id",
        (json_int_t)pull->repo_id, "number", (json_int_t)pull->number, "full_name", full_name, "version",
        pull->version, "title", pull->title, "state", pull->state, "head_sha", pull->head_sha, "base_ref",
        pull->base_ref, "created_at", pull->created_at, "merged_at", pull->merged_at, "has_touches",
        pull->has_touches ? 1 : 0, "touches", graph_touches(pull), "closes", graph_closes(pull));
    set_author(parameters, &pull->author);
    return neo4j_put(written, graph, put_pull_request_statement, parameters);
}

rb_err graph_neo4j_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                             const struct rb_issue *issue)
{
    json_t *parameters =
        json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s}", "repo_id", (json_int_t)issue->repo_id, "number",
                  (json_int_t)issue->number, "full_name", full_name, "version", issue->version, "title",
                  issue->title, "state", issue->state, "created_at", issue->created_at);
    set_author(parameters, &issue->author);
    return neo4j_put(written, graph, put_issue_statement, parameters);
}

rb_err graph_neo4j_pull_request_range(struct rb_pull_range *range, struct rb_graph *graph, int64_t repo_id,
                                      int64_t number)
{
    json_t *values = NULL, *parameters = json_pack("{s:I, s:I}", "repo_id", (json_int_t)repo_id, "number",
                                                   (json_int_t)number);
    rb_err err = graph_neo4j_ask(&values, graph,
                                 "MATCH (p:PullRequest {repo_id: $given.repo_id, number: $given.number}) "
                                 "RETURN p.version, p.head_sha, p.base_ref",
                                 &parameters);
    const json_t *row = json_array_get(values, 0);
    snprintf(range->version, sizeof range->version, "%s", graph_neo4j_text(row, 0));
    snprintf(range->head, sizeof range->head, "%s", graph_neo4j_text(row, 1));
    snprintf(range->base_ref, sizeof range->base_ref, "%s", graph_neo4j_text(row, 2));
    json_decref(values);
    return err;
}
