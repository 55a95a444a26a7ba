/*
 * Neo4j over its Query API (neo4j.com/docs/query-api, `POST /db/{db}/query/v2`, on by default from 5.25) with
 * libcurl. One statement is one transaction. One rb_neo4j per thread. Private to this room.
 */
#ifndef RB_GRAPHER_NEO4J_H
#define RB_GRAPHER_NEO4J_H

#include <jansson.h>

#include "lib/base/base.h"

struct rb_neo4j;
struct rb_neo4j_options {
    const char *uri; /* http(s)://host:port */
    const char *username, *password;
    const char *database; /* NULL: "neo4j" */
};
/* Does not connect yet. Call curl_global_init() before there are threads. */
rb_err rb_neo4j_open(struct rb_neo4j **out, const struct rb_neo4j_options *options) RB_MUST_CHECK;
void rb_neo4j_close(struct rb_neo4j *neo4j); /* NULL is fine */

/*
 * Runs a statement, which must be harmless twice: it is sent again when the connection breaks or the server
 * calls the failure transient (a deadlock), a few times with a jittered pause. `parameters` is borrowed and
 * may be NULL; a statement finds them in one map, as `$given.name`, and must look nodes up by an index
 * whatever is in the database: it is planned once. The server would plan it again for each combination of the
 * types of its parameters and the orders of magnitude of their lengths (it does not look into a map), and
 * when the database has grown: which takes it half a second of CPU for our longest statements. `values` (new
 * reference, may be NULL) gets the rows as arrays. Blocks for up to a minute an attempt. RB_EUNAVAILABLE:
 * away, overloaded, or it refuses our name and password; the text says which. RB_ECONFLICT: it would have
 * made a second node of a key. RB_EINTERNAL: the statement is wrong.
 */
rb_err rb_neo4j_run(json_t **values, struct rb_neo4j *neo4j, const char *statement,
                    json_t *parameters) RB_MUST_CHECK;

/*
 * The same in two steps, for statements that run side by side: one in each of a few lanes, numbered from 0.
 * A send returns as soon as the request is with the server; nothing else is sent in its lane until it has
 * been waited for. The wait gives what rb_neo4j_run() gives. A drop is for one whose answer is not wanted any
 * more: what becomes of it in the server stays unknown.
 */
#define RB_NEO4J_LANES 2 /* writers of one repository: from two on Neo4j's commit is what they wait for */
/* A lane in which nothing is on its way any more: unused, or to be waited for no longer. Blocks until one is.
 */
size_t rb_neo4j_lane(struct rb_neo4j *neo4j);
rb_err rb_neo4j_send(struct rb_neo4j *neo4j, size_t lane, const char *statement,
                     json_t *parameters) RB_MUST_CHECK;
rb_err rb_neo4j_wait(json_t **values, struct rb_neo4j *neo4j, size_t lane) RB_MUST_CHECK;
void rb_neo4j_drop(struct rb_neo4j *neo4j, size_t lane);

/*
 * The address of the Query API for what people write in NEO4J_URI (neo4j_address.c): "http(s)://host:port" as
 * it is, and also with the "/db/name/query/v2" that Aura's console shows; of Aura's "neo4j+s://host" (or
 * bolt+s) "https://host". RB_EINVAL for all else, such as "bolt://host", whose HTTP port cannot be known, an
 * address with a password in it, or one that asks to trust any certificate; the text says what to write.
 * Pure.
 */
struct rb_neo4j_address {
    char base[512];
    char database[64]; /* "" where it names none */
};
rb_err rb_neo4j_address(struct rb_neo4j_address *out, const char *uri) RB_MUST_CHECK;

/* What an answer means, exposed for its tests: RB_OK with *values (borrowed from `body`), else the error with
 * its text; *transient where the same statement may work at once. Pure. */
rb_err rb_neo4j_judge(const json_t **values, bool *transient, int status, const json_t *body) RB_MUST_CHECK;

#endif
