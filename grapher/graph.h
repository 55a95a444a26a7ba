/*
 * The knowledge graph of repositories: one interface, two stores.
 *
 * (Repository)-[:CONTAINS]->(File) for every file, (Directory)-[:CONTAINS]->(File | Directory) and
 * (Repository)-[:CONTAINS]->(top Directory). Keys are GitHub's repository id and the path; names are for
 * people.
 *
 * A write is given the whole tree and brings the store to it by the difference to what is there. It may be
 * cut off anywhere and run again, and never runs twice at once for one repository. A write of an older
 * generation than the stored one changes nothing and gives RB_ESTALE. One rb_graph per thread; all functions
 * but those said to be pure block.
 *
 * What readers see, also those who ask the store themselves:
 *  - PostgreSQL: the state before the write, then the one after it.
 *  - Neo4j: a graph is what is reached from a node with the label Repository that has a `commit`. While a
 *    first build writes, its node has the label Graph only; it becomes a Repository in one small transaction
 *    once all is there. Before an update writes, the node says `changing` (rb_graph_about() is_changing), and
 *    does so until all is there: not even one transaction of Neo4j becomes visible at once, a reader may find
 *    its nodes before its entries in the indexes. What is new is written before what is gone is removed.
 */
#ifndef RB_GRAPH_H
#define RB_GRAPH_H

#include "lib/base/base.h"
#include "lib/store/store.h"

/* ---- rows --------------------------------------------------------------------------------------------- */

/* Longer paths are cut to it, with an id made of the whole in the place of what is missing, of the folders or
 * of the name: an index of PostgreSQL holds no key beyond 2,704 bytes (a third of a page, nbtree), and git
 * allows 4,096. What stands before the last slash is the folder all the same. */
#define RB_GRAPH_PATH_MAX 2048

struct rb_graph_file {
    const char *path;
    const char *directory; /* "" is the root */
    const char *name;      /* what stands behind the last slash of `path` */
    const char *language;  /* NULL where the name tells nothing */
    const char *sha;
    int64_t size;
    bool is_test, is_generated, is_vendored; /* as the scanner judges by the path (lib/repo/path.h) */
};
struct rb_graph_directory {
    const char *path;
    const char *parent; /* "" is the root */
};
/* What is known of an entry of a file list beside what the list says. */
struct rb_graph_judged {
    int16_t language; /* lib/repo/language.h */
    bool is_test : 1, is_generated : 1, is_vendored : 1;
};
/* A million rows are made when they are wanted, one after the other (rb_graph_walk), and are never all there
 * at once. */
struct rb_graph_tree {
    int64_t repo_id;
    int64_t generation;
    const char *full_name;
    const char *commit; /* "" for an empty repository */
    bool complete;      /* false: nothing is removed */
    size_t file_count;
    int64_t file_links;                           /* of the repository and of folders to files */
    const struct rb_graph_directory *directories; /* sorted by path: a parent stands before what it holds */
    size_t directory_count;
    /* Of what files are made: the list, what is known of each of its entries, and those whose path is cut.
     * The last two are there once they are judged. */
    const struct rb_tree *source;
    const struct rb_graph_judged *judged;
    const struct rb_graph_file *cut; /* sorted by path */
    size_t cut_count;
    const struct rb_graph_file *files; /* without a source: all of them at hand, sorted by path */
};
/* A path as the graph holds it; in the arena or `path` itself. Pure. */
const char *rb_graph_path(const char *path, struct rb_arena *arena);
/* The rows of a tree, in `arena`, borrowing from `source` (its entries or parts). Directories are those that
 * hold files; submodules are not files of this repository and left out. Fills all but repo_id, generation,
 * full_name and what rb_graph_judge() finds. Pure. */
void rb_graph_rows(struct rb_graph_tree *tree, const struct rb_tree *source, struct rb_arena *arena);
/* Judges all files, which takes most of the time of making rows: rb_graph_write() does so itself where it
 * needs more than those that differ. Pure. */
void rb_graph_judge(struct rb_graph_tree *tree, struct rb_arena *arena);

/* Walks the rows of files, which are judged, in the order of their paths (strcmp). */
struct rb_graph_walk {
    const struct rb_graph_tree *tree;
    struct rb_tree_walk entries;
    size_t at; /* of tree->cut or tree->files */
    bool has_file;
    struct rb_graph_file file; /* of the source, that comes next where it is there */
    char directory[RB_GRAPH_PATH_MAX + 1];
};
void rb_graph_walk_begin(struct rb_graph_walk *walk, const struct rb_graph_tree *tree);
/* NULL at the end. Gone with the next call. */
const struct rb_graph_file *rb_graph_walk_next(struct rb_graph_walk *walk);

/* ---- the store ---------------------------------------------------------------------------------------- */

struct rb_graph;
struct rb_graph_options {
    struct rb_db *db;      /* borrowed: the lock of both stores, and the store where there is no Neo4j */
    const char *neo4j_uri; /* http(s)://host:port of the Query API; NULL: the graph lives in PostgreSQL */
    const char *neo4j_username;
    const char *neo4j_password;
    const char *neo4j_database; /* NULL: "neo4j" */
};
/* Does not connect yet. The strings of `options` are borrowed. */
rb_err rb_graph_open(struct rb_graph **out, const struct rb_graph_options *options) RB_MUST_CHECK;
void rb_graph_close(struct rb_graph *graph); /* NULL is fine */

/* Asks the store for a sign of life, within seconds. RB_EUNAVAILABLE says why there is none. */
rb_err rb_graph_ping(struct rb_graph *graph) RB_MUST_CHECK;

/* Called between batches with the rows written so far, or on their way to the store; false stops the write
 * with RB_EUNAVAILABLE. */
typedef bool (*rb_graph_progress_fn)(void *arg, int64_t done, int64_t total);
struct rb_graph_written {
    int64_t files, links; /* in the store afterwards; links are CONTAINS relationships */
    int64_t changed;      /* rows written or removed */
};
/*
 * Brings the store to `tree`. Waits up to two minutes for another builder of the same repository, then
 * RB_ETIMEOUT. RB_ESTALE: a newer generation is there, or came while this one wrote. RB_EUNAVAILABLE: the
 * store is away, in trouble, or refuses our name and password. `progress` may be NULL.
 */
rb_err rb_graph_write(struct rb_graph_written *written, struct rb_graph *graph,
                      const struct rb_graph_tree *tree, rb_graph_progress_fn progress,
                      void *arg) RB_MUST_CHECK;

struct rb_graph_about {
    char full_name[256];
    char commit[RB_SHA_SIZE];
    int64_t generation; /* of the last write that ended */
    int64_t files, links;
    bool complete;
    bool is_changing; /* a newer write is under way, and part of what it writes may be seen (Neo4j) */
};
/* What the last finished write left. RB_ENOTFOUND: none has finished yet, or the graph has been removed. */
rb_err rb_graph_about(struct rb_graph_about *about, struct rb_graph *graph, int64_t repo_id) RB_MUST_CHECK;

/* ---- removing ------------------------------------------------------------------------------------------ */

/*
 * Removes the graph of a repository that nobody has connected any more, unless a generation newer than
 * `generation` has been built or is being built: then it is somebody's who has connected it since. Readers
 * find none (RB_ENOTFOUND) from the first moment on. May be cut off anywhere and run again. Waits for a
 * builder as rb_graph_write() does. RB_OK also where there is nothing to remove.
 */
rb_err rb_graph_forget(bool *removed, struct rb_graph *graph, int64_t repo_id,
                       int64_t generation) RB_MUST_CHECK;

#endif
