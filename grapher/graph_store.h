/*
 * What a store of the graph has to know. graph.c and write.c own the order of things (lock, look, difference,
 * batches); a store writes the batch it is handed. Private to this room.
 */
#ifndef RB_GRAPH_STORE_H
#define RB_GRAPH_STORE_H

#include <jansson.h>

#include "grapher/graph.h"
#include "grapher/neo4j.h"

struct rb_pull_request;
struct rb_issue;
struct rb_pull_range;
struct graph_packages;

struct rb_graph {
    const struct graph_store *store;
    struct rb_db *db;
    struct rb_neo4j *neo4j;            /* NULL for PostgreSQL */
    bool has_constraints;              /* Neo4j: known to be there */
    json_t *under_way[RB_NEO4J_LANES]; /* what was put, and is not settled yet */
    bool folders_under_way;            /* what stands in them has to wait */
};

#define GRAPH_LOCK_WAIT_MS 120000 /* a builder of a very large repository may need it */

struct graph_totals {
    int64_t files, links;
};

/* Rows as they are in the store, of paths behind `after` in the order of their bytes, `limit` of them. */
#define GRAPH_PAGE_MAX 5000 /* about 1 MB of JSON from Neo4j, which builds its answer in memory */
struct graph_bounds {
    const char *after; /* "" for the first page, then the `next` of the page before */
    int limit;
};
struct graph_page {
    const struct rb_graph_file *files; /* in the arena */
    size_t count;
    const char *next; /* NULL: this was the last page */
};
struct graph_directory_page {
    const struct rb_graph_directory *directories;
    size_t count;
    const char *next;
};

/* ---- a write ------------------------------------------------------------------------------------------- */

/* By which rules language and judgement of a file were found: what was written by others is read back and
 * compared, where it is else known from the tree of its commit. The number grows with what rows.c makes. */
#define GRAPH_RULES_SIZE 32
void graph_rules(char out[GRAPH_RULES_SIZE]);
/* The commit and the rules: what makes the rows of a build, and their order. */
#define GRAPH_BUILDING_SIZE (RB_SHA_SIZE + GRAPH_RULES_SIZE)
void graph_building(char out[GRAPH_BUILDING_SIZE], const struct rb_graph_tree *tree);

/* What is there before a write. */
struct graph_found {
    bool exists;
    bool is_visible;          /* readers find a graph, */
    bool is_unfinished;       /* but a write of it was begun and has not ended */
    bool complete;            /* the tree that it was made of was */
    char commit[RB_SHA_SIZE]; /* of what is visible */
    char rules[GRAPH_RULES_SIZE];
    char writer[RB_UUID_SIZE]; /* who wrote last, or still writes */
    /* A first build that has not ended: its rows go in one order, and so many are there. */
    char building[GRAPH_BUILDING_SIZE];
    int64_t written;
};

/* A batch of rows, in the order in which they are written: pointers into what somebody else holds. */
struct graph_rows {
    const struct rb_graph_directory **put_directories;
    const struct rb_graph_file **put_files;
    const char **gone_files, **gone_directories;
    size_t put_directory_count, put_file_count, gone_file_count, gone_directory_count;
};

/* One write from its look to its end. */
struct graph_write {
    const struct rb_graph_tree *tree;
    struct graph_found found;
    char writer[RB_UUID_SIZE]; /* whose name the node bears from the claim on */
    bool is_claimed;
    bool is_build; /* nothing is there yet but what this build has written */
    int64_t at;    /* rows that are put */
};

/* Everything from the look on gives RB_ESTALE when a newer generation has come, and RB_EUNAVAILABLE when
 * another builder has taken over (the lock was lost). */
struct graph_store {
    size_t batch_rows;
    rb_err (*ping)(struct rb_graph *graph);
    rb_err (*look)(struct graph_found *found, struct rb_graph *graph, const struct rb_graph_tree *tree);
    /* From here on the repository is this write's; a build is begun, or goes on at write->at. */
    rb_err (*claim)(struct rb_graph *graph, const struct graph_write *write);
    /* May return before the rows are written; `rows` is not needed any more then. */
    rb_err (*put)(struct rb_graph *graph, const struct graph_write *write, const struct graph_rows *rows);
    /* Waits for all that was put; NULL where nothing has to be waited for. */
    rb_err (*settle)(struct rb_graph *graph, const struct graph_write *write);
    /* All that was put becomes visible. Where nothing had to be, it needs no claim. */
    rb_err (*finish)(struct rb_graph *graph, const struct graph_write *write,
                     const struct graph_totals *totals);
    void (*abandon)(struct rb_graph *graph); /* after a look, when the write cannot be finished */
    /* Pages follow each other by key: a file that is there all the time is on exactly one of them, whatever
     * is written meanwhile. */
    rb_err (*read_files)(struct graph_page *page, struct rb_graph *graph, int64_t repo_id,
                         const struct graph_bounds *bounds, struct rb_arena *arena);
    rb_err (*read_directories)(struct graph_directory_page *page, struct rb_graph *graph, int64_t repo_id,
                               const struct graph_bounds *bounds, struct rb_arena *arena);
    /* Removes everything of a repository whose generation is not newer. */
    rb_err (*forget)(bool *removed, struct rb_graph *graph, int64_t repo_id, int64_t generation);
    /* As activity.h has them. */
    rb_err (*put_pull_request)(bool *written, struct rb_graph *graph, const char *full_name,
                               const struct rb_pull_request *pull);
    rb_err (*put_issue)(bool *written, struct rb_graph *graph, const char *full_name,
                        const struct rb_issue *issue);
    rb_err (*pull_request_range)(struct rb_pull_range *range, struct rb_graph *graph, int64_t repo_id,
                                 int64_t number);
    /* Packages (packages.h): brings them to these, removes nothing newer. Under the lock of the builders. */
    rb_err (*put_packages)(struct rb_graph *graph, const struct graph_packages *packages);
    rb_err (*forget_packages)(struct rb_graph *graph, int64_t repo_id, int64_t generation);
};
extern const struct graph_store graph_postgres, graph_neo4j;

rb_err graph_postgres_look(struct graph_found *found, struct rb_graph *graph,
                           const struct rb_graph_tree *tree);
rb_err graph_postgres_claim(struct rb_graph *graph, const struct graph_write *write);
rb_err graph_postgres_put(struct rb_graph *graph, const struct graph_write *write,
                          const struct graph_rows *rows);
rb_err graph_postgres_finish(struct rb_graph *graph, const struct graph_write *write,
                             const struct graph_totals *totals);
void graph_postgres_abandon(struct rb_graph *graph);
rb_err graph_neo4j_look(struct graph_found *found, struct rb_graph *graph, const struct rb_graph_tree *tree);
rb_err graph_neo4j_claim(struct rb_graph *graph, const struct graph_write *write);
rb_err graph_neo4j_put(struct rb_graph *graph, const struct graph_write *write,
                       const struct graph_rows *rows);
rb_err graph_neo4j_settle(struct rb_graph *graph, const struct graph_write *write);
rb_err graph_neo4j_finish(struct rb_graph *graph, const struct graph_write *write,
                          const struct graph_totals *totals);
void graph_neo4j_abandon(struct rb_graph *graph);

rb_err graph_postgres_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                       const struct rb_pull_request *pull);
rb_err graph_postgres_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                                const struct rb_issue *issue);
rb_err graph_postgres_pull_request_range(struct rb_pull_range *range, struct rb_graph *graph, int64_t repo_id,
                                         int64_t number);
rb_err graph_neo4j_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                    const struct rb_pull_request *pull);
rb_err graph_neo4j_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                             const struct rb_issue *issue);
rb_err graph_neo4j_pull_request_range(struct rb_pull_range *range, struct rb_graph *graph, int64_t repo_id,
                                      int64_t number);

/* Setting a property locks the node until the transaction ends (neo4j.com/docs/operations-manual, concurrent
 * data access); what is read behind it is true until then. */
#define GRAPH_NEO4J_LOCK(node) "SET " node "._lock = true REMOVE " node "._lock "
#define GRAPH_NEO4J_LOCKED     GRAPH_NEO4J_LOCK("r")
/* Batches of a build run side by side, each in a lane: a node that it locks in place of the Graph. Who lets
 * nobody else write any more locks all of them, and does so first, as batches do. */
#define GRAPH_NEO4J_LANES_LOCKED                                                                     \
    "OPTIONAL MATCH (lane:Lane {repo_id: $given.repo_id}) WHERE lane.number >= 0 " GRAPH_NEO4J_LOCK( \
        "lane") "WITH count(lane) AS lanes "
/* Makes sure of the constraints, once a connection. */
rb_err graph_neo4j_constrain(struct rb_graph *graph);
/* Runs a statement; takes the parameters. */
rb_err graph_neo4j_ask(json_t **values, struct rb_graph *graph, const char *statement, json_t **parameters);
/* A column of a row of an answer: "" and 0 where it is null or of another kind. */
const char *graph_neo4j_text(const json_t *row, size_t column);
int64_t graph_neo4j_int(const json_t *row, size_t column);

/* [[path, additions, deletions], ...] and [[repository, number], ...]; new references. */
json_t *graph_touches(const struct rb_pull_request *pull);
json_t *graph_closes(const struct rb_pull_request *pull);

/* A folder with the one it stands in, by its path; copied into the arena. */
void graph_directory_of(struct rb_graph_directory *directory, const char *path, struct rb_arena *arena);
/* The path of a file and what follows from it, copied into the arena. */
void graph_file_of(struct rb_graph_file *file, const char *path, struct rb_arena *arena);

/* ---- rows (rows.c) ------------------------------------------------------------------------------------- */

struct rb_language_of_file;
bool graph_is_file(const struct rb_tree_entry *entry);
struct rb_graph_judged graph_judged(const struct rb_language_of_file *file);
/* The row of an entry, in the arena or the entry's. */
void graph_file_of_entry(struct rb_graph_file *file, const struct rb_tree_entry *entry,
                         const struct rb_graph_judged *judged, struct rb_arena *arena);

/* ---- the difference (difference.c) --------------------------------------------------------------------- */

/* Rows of a tree, by their place among its files or folders. */
struct graph_places {
    bool is_all;
    uint32_t *at;
    size_t count, capacity;
};
struct graph_paths {
    const char **paths;
    size_t count, capacity;
};
/* What has to be written and removed, in this order: folders, files, files and folders that are gone. */
struct graph_difference {
    const struct rb_graph_tree *tree;
    struct graph_places put_directories, put_files;
    struct graph_paths gone_files, gone_directories;
    int64_t gone_links; /* of what is gone from the tree */
    /* Where the other side is a tree, too, put_files has no places: these are its rows. Else NULL. */
    struct rb_graph_judged *judged;
    struct rb_tree put_entries;
    struct rb_graph_walk *walk; /* of the files that are taken */
    size_t walked;
};
size_t graph_rows_count(const struct graph_rows *rows);
size_t graph_difference_count(const struct graph_difference *difference);
/* `count` rows from `at` on, in the arena or the tree's. Not before those that were taken last. */
void graph_difference_take(struct graph_rows *rows, struct graph_difference *difference, size_t at,
                           size_t count, struct rb_arena *arena);
/* Links of the repository and of the folder to a file. */
int64_t graph_file_links(const struct rb_graph_file *file);
/* All of the tree, for a first build. */
void graph_difference_all(struct graph_difference *difference, const struct rb_graph_tree *tree,
                          struct rb_arena *arena);
/* From what the store holds: its pages are read one by one, and only what is gone is kept of them. */
rb_err graph_difference_to_store(struct graph_difference *difference, struct rb_graph *graph,
                                 const struct rb_graph_tree *tree, struct rb_arena *arena);
/* From another tree; both have a source, and need not be judged. */
rb_err graph_difference_to_tree(struct graph_difference *difference, const struct rb_graph_tree *tree,
                                const struct rb_graph_tree *old, struct rb_arena *arena);

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
