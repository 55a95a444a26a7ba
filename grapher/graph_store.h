/*
 * What a store of the graph has to know. graph.c owns the order of things (lock, difference, batches, removal
 * last); a store writes the batch it is handed. Rows are handed over as JSON, which both stores take as one
 * parameter: files {"p": path, "d": directory, "n": name, "l": language, "s": size, "h": sha}, directories
 * {"p": path, "d": parent, "n": name}, removals ["path", …]. Private to this room.
 */
#ifndef RB_GRAPH_STORE_H
#define RB_GRAPH_STORE_H

#include <jansson.h>

#include "grapher/graph.h"

struct rb_neo4j;
struct rb_pull_request;
struct rb_issue;
struct graph_packages;

struct rb_graph {
    const struct graph_store *store;
    struct rb_db *db;
    struct rb_neo4j *neo4j; /* NULL for PostgreSQL */
    bool has_constraints;   /* Neo4j: known to be there */
};

#define GRAPH_LOCK_WAIT_MS 120000 /* a builder of a very large repository may need it */

struct graph_totals {
    int64_t files, links;
};

/* Paths between these two, neither of them included. A folder's paths begin with "folder/", and '0' follows
 * '/' in ASCII: they stand between "folder/" and "folder0" in every order by bytes, characters or UTF-16. */
struct graph_bounds {
    const char *after;
    const char *before;   /* NULL: no bound */
    const char *language; /* NULL: all */
    int limit;
};

/* What a batch of rows is for; a store has a statement for each. */
enum graph_write {
    GRAPH_PUT_DIRECTORIES,
    GRAPH_PUT_FILES,
    GRAPH_REMOVE_FILES,
    GRAPH_REMOVE_DIRECTORIES,
    GRAPH_WRITES
};

/* All writes between begin and finish give RB_ESTALE when a newer generation has come. */
struct graph_store {
    size_t batch_rows;
    rb_err (*ping)(struct rb_graph *graph);
    /* Claims the repository for tree->generation. */
    rb_err (*begin)(struct rb_graph *graph, const struct rb_graph_tree *tree);
    rb_err (*write)(struct rb_graph *graph, const struct rb_graph_tree *tree, enum graph_write kind,
                    json_t *rows);
    rb_err (*finish)(struct rb_graph *graph, const struct rb_graph_tree *tree,
                     const struct graph_totals *totals);
    void (*abandon)(struct rb_graph *graph); /* after begin, when the write cannot be finished */
    rb_err (*about)(struct rb_graph_about *about, struct rb_graph *graph, int64_t repo_id);
    /* Pages in the store's own order of paths, within `bounds`. */
    rb_err (*read_files)(struct rb_graph_page *page, struct rb_graph *graph, int64_t repo_id,
                         const struct graph_bounds *bounds, struct rb_arena *arena);
    rb_err (*read_directories)(struct rb_graph_directory_page *page, struct rb_graph *graph, int64_t repo_id,
                               const struct graph_bounds *bounds, struct rb_arena *arena);
    /* Removes everything of a repository whose generation is not newer. */
    rb_err (*forget)(bool *removed, struct rb_graph *graph, int64_t repo_id, int64_t generation);
    /* As activity.h has them. */
    rb_err (*put_pull_request)(bool *written, struct rb_graph *graph, const char *full_name,
                               const struct rb_pull_request *pull);
    rb_err (*put_issue)(bool *written, struct rb_graph *graph, const char *full_name,
                        const struct rb_issue *issue);
    rb_err (*pull_request_head)(char head[RB_SHA_SIZE], struct rb_graph *graph, int64_t repo_id,
                                int64_t number);
    /* Packages (packages.h): brings them to these, removes nothing newer. Under the lock of the builders. */
    rb_err (*put_packages)(struct rb_graph *graph, const struct graph_packages *packages);
    rb_err (*forget_packages)(struct rb_graph *graph, int64_t repo_id, int64_t generation);
};
extern const struct graph_store graph_postgres, graph_neo4j;

rb_err graph_postgres_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                       const struct rb_pull_request *pull);
rb_err graph_postgres_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                                const struct rb_issue *issue);
rb_err graph_postgres_pull_request_head(char head[RB_SHA_SIZE], struct rb_graph *graph, int64_t repo_id,
                                        int64_t number);
rb_err graph_neo4j_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                    const struct rb_pull_request *pull);
rb_err graph_neo4j_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                             const struct rb_issue *issue);
rb_err graph_neo4j_pull_request_head(char head[RB_SHA_SIZE], struct rb_graph *graph, int64_t repo_id,
                                     int64_t number);

/* Makes sure of the constraints, once a connection. */
rb_err graph_neo4j_constrain(struct rb_graph *graph);
/* Runs a statement; takes the parameters. */
rb_err graph_neo4j_ask(json_t **values, struct rb_graph *graph, const char *statement, json_t **parameters);

/* [[path, additions, deletions], ...] and [[repository, number], ...]; new references. */
json_t *graph_touches(const struct rb_pull_request *pull);
json_t *graph_closes(const struct rb_pull_request *pull);

/* A folder with the one it stands in, by its path; copied into the arena. */
void graph_directory_of(struct rb_graph_directory *directory, const char *path, struct rb_arena *arena);

/* ---- packages ------------------------------------------------------------------------------------------ */

struct graph_packages {
    int64_t repo_id, generation; /* of the scan */
    const char *full_name;
    bool complete;    /* false: nothing is removed */
    const char *rows; /* JSON: [[purl, scope, constraint], ...], each purl and scope once */
};
rb_err graph_postgres_put_packages(struct rb_graph *graph, const struct graph_packages *packages);
rb_err graph_postgres_forget_packages(struct rb_graph *graph, int64_t repo_id, int64_t generation);
rb_err graph_neo4j_put_packages(struct rb_graph *graph, const struct graph_packages *packages);
rb_err graph_neo4j_forget_packages(struct rb_graph *graph, int64_t repo_id, int64_t generation);

#endif
