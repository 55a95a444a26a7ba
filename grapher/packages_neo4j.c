/*
 * Packages in Neo4j: one transaction, since there are a few thousand at most. It locks the Repository node
 * and looks there of which scan its packages are: what a lost lock lets come late changes nothing. A package
 * that nobody depends on any more goes; it is locked before that is looked at, so that nobody comes to depend
 * on it meanwhile. All of it is harmless twice.
 */
#include "grapher/graph_store.h"

#define FORGET_ROWS 2000 /* relationships of one transaction */
#define REMOVE_UNUSED                                                                              \
    "DELETE d WITH DISTINCT p ORDER BY p.purl " GRAPH_NEO4J_LOCK("p") "WITH p WHERE NOT EXISTS { " \
                                                                      "(p)<-[:DEPENDS_ON]-() } DELETE p"

static const char put_statement[] =
    "MERGE (r:Repository {repo_id: $given.repo_id}) ON CREATE SET r.generation = 0, r.full_name = "
    "$given.full_name " GRAPH_NEO4J_LOCKED
    "WITH r WHERE coalesce(r.dependencies_generation, 0) <= $given.generation "
    "SET r.dependencies_generation = $given.generation "
    "WITH r CALL (r) { MATCH (r)-[d:DEPENDS_ON]->() WHERE $given.complete SET d.generation = null } "
    "CALL (r) { UNWIND $given.rows AS row MERGE (p:Package {purl: row[0]}) "
    "MERGE (r)-[d:DEPENDS_ON {scope: row[1]}]->(p) SET d.constraint = row[2], d.generation = "
    "$given.generation } "
    "CALL (r) { MATCH (r)-[d:DEPENDS_ON]->(p) WHERE d.generation IS NULL " REMOVE_UNUSED " } "
    "RETURN true";

static const char forget_statement[] =
    "MATCH (r:Repository {repo_id: $given.repo_id}) " GRAPH_NEO4J_LOCKED
    "WITH r WHERE coalesce(r.dependencies_generation, 0) <= $given.generation "
    "MATCH (r)-[d:DEPENDS_ON]->(p) WITH d, p LIMIT $given.limit WITH collect([d, p]) AS some "
    "CALL (some) { UNWIND some AS one WITH one[0] AS d, one[1] AS p " REMOVE_UNUSED " } "
    "RETURN size(some)";

rb_err graph_neo4j_put_packages(struct rb_graph *graph, const struct graph_packages *packages)
{
    json_t *rows = json_loads(packages->rows, 0, NULL), *parameters = NULL;
    rb_err err = rows ? graph_neo4j_constrain(graph)
                      : rb_error_set(RB_EINTERNAL, "the packages of %s are no JSON", packages->full_name);
    if (!err) {
        parameters =
            json_pack("{s:I, s:s, s:I, s:b, s:O}", "repo_id", (json_int_t)packages->repo_id, "full_name",
                      packages->full_name, "generation", (json_int_t)packages->generation, "complete",
                      packages->complete ? 1 : 0, "rows", rows);
        err = graph_neo4j_ask(NULL, graph, put_statement, &parameters);
    }
    json_decref(rows);
    return err;
}

rb_err graph_neo4j_forget_packages(struct rb_graph *graph, int64_t repo_id, int64_t generation)
{
    rb_err err = RB_OK;
    for (json_int_t gone = 1; gone > 0 && !err;) {
        json_t *values = NULL;
        json_t *parameters = json_pack("{s:I, s:I, s:i}", "repo_id", (json_int_t)repo_id, "generation",
                                       (json_int_t)generation, "limit", FORGET_ROWS);
        err = graph_neo4j_ask(&values, graph, forget_statement, &parameters);
        gone = json_integer_value(json_array_get(json_array_get(values, 0), 0));
        json_decref(values);
    }
    return err;
}
