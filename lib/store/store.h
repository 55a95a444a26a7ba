/*
 * lib/store: PostgreSQL with libpq.
 *
 * Two ways in. A blocking connection (rb_db) for subscribers, the relay and the command line: one thread, one
 * connection, reconnected on the next call after it was lost. A non-blocking pool (rb_pool) for the edge: the
 * caller's event loop watches one descriptor (an epoll of ours) and calls rb_pool_dispatch() when it becomes
 * readable; statements run in pipeline mode. Both take the same statements and give the same rows.
 *
 * And two caches: the file list of a repository at a commit, fetched from GitHub once however many
 * subscribers want it, and the contents of files that were read.
 */
#ifndef RB_STORE_H
#define RB_STORE_H

#include "lib/base/base.h"

/* ---- statements and rows ------------------------------------------------------------------------------ */

/* A statement has a name and lives for the whole process (`static const`): it is prepared once per
 * connection. */
struct rb_statement {
    const char *name;
    const char *sql;
};

enum rb_param_kind { RB_PARAM_NULL, RB_PARAM_TEXT, RB_PARAM_BYTES, RB_PARAM_INT };
/* One argument. Text and bytes are borrowed until the call returns. */
struct rb_param {
    enum rb_param_kind kind;
    const void *data; /* text: zero-terminated; bytes: `len` of them */
    size_t len;
    int64_t number;
};
#define RB_P_NULL ((struct rb_param){.kind = RB_PARAM_NULL})
#define RB_P_TEXT(text)                                                                 \
    ((struct rb_param){.kind = RB_PARAM_TEXT, .data = (text)}) /* NULL becomes SQL NULL \
                                                                */
#define RB_P_BYTES(ptr, n) ((struct rb_param){.kind = RB_PARAM_BYTES, .data = (ptr), .len = (n)})
#define RB_P_INT(value) \
    ((struct rb_param){.kind = RB_PARAM_INT, .number = (value)}) /* bigint, boolean as 0/1: cast in SQL */

/*
 * An array as one argument, so that one statement writes many rows (`from unnest($1::bigint[], …)`): built in
 * PostgreSQL's binary form while its elements come. The cast in the SQL must name its kind.
 */
enum rb_array_kind { RB_ARRAY_BYTES, RB_ARRAY_INT, RB_ARRAY_TEXT, RB_ARRAY_UUID };
struct rb_array {
    struct rb_buf bytes;
    enum rb_array_kind kind;
    uint32_t count;
    bool has_null;
    uint32_t empty[3]; /* what stands for one without elements */
};
/* `limit` is of its bytes: 20, and 4 for each element besides what it consists of. */
void rb_array_init(struct rb_array *array, enum rb_array_kind kind, size_t limit);
void rb_array_free(struct rb_array *array);
void rb_array_reset(struct rb_array *array); /* no elements, memory kept */
/* Back to what it was when it had `count` elements and `bytes.len` was `len`. */
void rb_array_cut(struct rb_array *array, uint32_t count, size_t len);
/* Each appends one element. RB_ETOOBIG beyond the limit: nothing is appended then. */
rb_err rb_array_add_null(struct rb_array *array) RB_MUST_CHECK;
rb_err rb_array_add_int(struct rb_array *array, int64_t value) RB_MUST_CHECK;
/* Of RB_ARRAY_TEXT (UTF-8, no zero byte) and RB_ARRAY_BYTES. */
rb_err rb_array_add(struct rb_array *array, const void *data, size_t len) RB_MUST_CHECK;
/* Pieces that together are one element, which so is copied once. */
struct rb_array_piece {
    const void *data;
    size_t len;
};
rb_err rb_array_add_pieces(struct rb_array *array, const struct rb_array_piece *pieces,
                           size_t count) RB_MUST_CHECK;
/* `text` as rb_uuid_make() writes it, letters of either case. RB_EINVAL: it is no UUID. */
rb_err rb_array_add_uuid(struct rb_array *array, const char *text) RB_MUST_CHECK;
/* The array as it is now; borrowed from it. */
struct rb_param rb_array_param(struct rb_array *array);

/* A result; columns are counted from 0. Out of range row or column is a bug and ends the process. */
struct rb_rows;
size_t rb_rows_count(const struct rb_rows *rows);
int64_t rb_rows_affected(const struct rb_rows *rows);
bool rb_rows_is_null(const struct rb_rows *rows, size_t row, int column);
const char *rb_rows_text(const struct rb_rows *rows, size_t row,
                         int column);                                    /* "" for NULL; valid with rows */
int64_t rb_rows_int(const struct rb_rows *rows, size_t row, int column); /* 0 for NULL */
bool rb_rows_bool(const struct rb_rows *rows, size_t row, int column);
/* bytea, as bytes; `len` receives their number. Valid with rows. NULL for SQL NULL. */
const uint8_t *rb_rows_bytes(const struct rb_rows *rows, size_t row, int column, size_t *len);
void rb_rows_free(struct rb_rows *rows); /* NULL is fine */

/* How errors of PostgreSQL are told apart: connection lost, shutting down, too many connections, deadlock,
 * serialisation, lock timeout give RB_EUNAVAILABLE; statement timeout RB_ETIMEOUT; unique violation
 * RB_ECONFLICT (rb_error_text() names the constraint); check, foreign key and data errors RB_EINVAL; the rest
 * RB_EINTERNAL. */

/* ---- blocking connection ------------------------------------------------------------------------------ */

struct rb_db;

/* Does not connect yet; `url` is a libpq URI and kept; RB_EINVAL when it is none. `application` appears in
 * pg_stat_activity. `statement_timeout_ms` 0 means 30,000. */
rb_err rb_db_open(struct rb_db **out, const char *url, const char *application,
                  int statement_timeout_ms) RB_MUST_CHECK;
void rb_db_close(struct rb_db *db); /* NULL is fine */
/* A setting of every session from the next on, so before the first statement; both without blanks. */
void rb_db_set(struct rb_db *db, const char *name, const char *value);
/* Runs one statement. `rows` may be NULL. Reconnects first when the connection is gone and no transaction is
 * open; within a transaction a lost connection is RB_EUNAVAILABLE and the transaction is over. Blocks up to
 * the statement timeout + 5 s (then: RB_ETIMEOUT, outcome unknown, the connection is given up), and up to 5 s
 * for each address of the server when it has to connect. */
rb_err rb_db_query(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                   const struct rb_param *params, size_t count) RB_MUST_CHECK;
/* The same for a statement whose columns are all text or bytea, and large: they come in PostgreSQL's binary
 * form, where a bytea is its bytes, and not hexadecimal text of twice their number. */
rb_err rb_db_query_binary(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                          const struct rb_param *params, size_t count) RB_MUST_CHECK;
rb_err rb_db_begin(struct rb_db *db) RB_MUST_CHECK;  /* no transaction within a transaction: RB_EINTERNAL */
rb_err rb_db_commit(struct rb_db *db) RB_MUST_CHECK; /* an error here means unknown outcome */
void rb_db_rollback(struct rb_db *db);               /* fine without a transaction */
/* A statement that asks nothing, for whether the server answers now: within 10 s, and 5 s for each address of
 * the server when it has to connect. */
rb_err rb_db_ping(struct rb_db *db) RB_MUST_CHECK;
/* LISTEN on `channel` (again after each reconnect). rb_db_wait blocks until a notification arrives on any
 * channel listened on (*notified true), `timeout_ms` passes, or `wake_fd` (-1: none) becomes readable. */
rb_err rb_db_listen(struct rb_db *db, const char *channel) RB_MUST_CHECK;
rb_err rb_db_wait(bool *notified, struct rb_db *db, int timeout_ms, int wake_fd) RB_MUST_CHECK;
/* The payload of the next notification that has arrived, or NULL; freed by the caller. What was sent while
 * the connection was lost is lost: rb_db_wait() then returns an error once (also when another call has
 * replaced the connection since), and the caller looks at the tables once. */
char *rb_db_notification(struct rb_db *db);

/* Session-level advisory lock (released by rb_db_unlock or when the connection ends). rb_db_lock waits up to
 * `timeout_ms` (RB_ETIMEOUT); rb_db_try_lock gives RB_ECONFLICT at once when another session holds it.
 * `space` tells kinds of locks apart, `key` the thing locked. */
enum rb_lock_space {
    RB_LOCK_MIGRATIONS = 1,
    RB_LOCK_RELAY,
    RB_LOCK_RECONCILER,
    RB_LOCK_PROJECTION,
    RB_LOCK_TREE,
    RB_LOCK_GRAPH
};
rb_err rb_db_lock(struct rb_db *db, enum rb_lock_space space, int64_t key, int timeout_ms) RB_MUST_CHECK;
rb_err rb_db_try_lock(struct rb_db *db, enum rb_lock_space space, int64_t key) RB_MUST_CHECK;
void rb_db_unlock(struct rb_db *db, enum rb_lock_space space, int64_t key);
/* What pg_try_advisory_lock() takes: for a statement that asks for more than the lock. */
int64_t rb_db_lock_key(enum rb_lock_space space, int64_t key);
/* Which session this is, counted from 1; 0: none yet. A lock that is kept over several calls is held while
 * the number is the same: a session that was lost in between is replaced without a word. */
int64_t rb_db_session(const struct rb_db *db);

/* ---- non-blocking pool -------------------------------------------------------------------------------- */

/*
 * For one thread with an event loop. Limits: `connections` (default 4), `queue_limit` statements waiting
 * (default 1,024; beyond: RB_ELIMIT at once), `timeout_ms` per statement from submission to answer (default
 * 5,000). One that was sent and not answered by then ends with RB_ETIMEOUT, outcome unknown; its connection
 * is given up and replaced, and what else was under way on it ends the same way. One that was not even sent
 * by then ends with RB_EUNAVAILABLE.
 */
struct rb_pool;
struct rb_pool_options {
    const char *url;
    const char *application;
    int connections;
    int queue_limit;
    int timeout_ms;
};
/* Called on the thread of rb_pool_dispatch()/rb_pool_query(). `rows` is NULL on error, else borrowed until
 * the call returns. It may submit further statements. Exactly one call for each accepted query. */
typedef void (*rb_pool_fn)(void *arg, rb_err err, const struct rb_rows *rows);
/* Connects in the background. RB_EINVAL: `url` is no libpq URI. */
rb_err rb_pool_new(struct rb_pool **out, const struct rb_pool_options *options) RB_MUST_CHECK;
/* Outstanding queries end with RB_EUNAVAILABLE before this returns. */
void rb_pool_free(struct rb_pool *pool);
int rb_pool_fd(const struct rb_pool *pool); /* watch for readability (level-triggered); owned by the pool */
/* Milliseconds until rb_pool_dispatch() wants to be called for its own timers; -1: none. */
int rb_pool_timeout_ms(const struct rb_pool *pool);
void rb_pool_dispatch(struct rb_pool *pool);
/* Arguments are copied. Each statement is a transaction of its own: several writes that belong together are
 * one statement with CTEs. Never calls `fn` before it returns. RB_ELIMIT: queue full, `fn` is not called. */
rb_err rb_pool_query(struct rb_pool *pool, const struct rb_statement *statement,
                     const struct rb_param *params, size_t count, rb_pool_fn fn, void *arg) RB_MUST_CHECK;
/* The same for a short write that comes in numbers: the pool runs it in one transaction with others that wait
 * at the same moment, so that they share a commit. Its caller sees no difference: it is answered after the
 * commit, and when one of a group fails, all are rolled back and run again, each by itself. */
rb_err rb_pool_query_grouped(struct rb_pool *pool, const struct rb_statement *statement,
                             const struct rb_param *params, size_t count, rb_pool_fn fn,
                             void *arg) RB_MUST_CHECK;
bool rb_pool_is_connected(const struct rb_pool *pool); /* at least one working connection */

/* ---- profiles ----------------------------------------------------------------------------------------- */

/* Of the documents that the scanner writes and the edge serves; grows when a field of them changes its
 * meaning or goes. In quotes: it stands in statements, where JSON has the number. */
#define RB_PROFILE_VERSION "2"

/* ---- tree cache --------------------------------------------------------------------------------------- */

enum rb_entry_kind {
    RB_ENTRY_FILE,
    RB_ENTRY_EXECUTABLE,
    RB_ENTRY_SYMLINK,
    RB_ENTRY_SUBMODULE,
    RB_ENTRY_DIRECTORY
};
#define RB_SHA_SIZE 65 /* hexadecimal object name, SHA-1 or SHA-256, with its zero */
struct rb_tree_entry {
    const char *path; /* from the root, '/' between, as git has it (any bytes but zero) */
    enum rb_entry_kind kind;
    char sha[RB_SHA_SIZE];
    int64_t size; /* bytes; -1 where there is none (directories, submodules) */
};
#define RB_TREE_SIZE_MAX    1000000000000000 /* a petabyte: no file of a repository has it */
#define RB_TREE_PATH_MAX    65535 /* git's own index holds no longer ones comfortably; GitHub's are shorter */
#define RB_TREE_ENTRIES_MAX 2000000 /* files of the largest known public repositories, with room */
struct rb_tree_part {
    const unsigned char *data;
    size_t len;
};
/* Entries sorted by the bytes of their path; no path twice. Directories are in the list. Either an array,
 * each entry at hand; or packed, a third of the memory, to be walked in order. */
struct rb_tree {
    char commit[RB_SHA_SIZE];
    const struct rb_tree_entry *entries; /* NULL where it is packed */
    const struct rb_tree_part *parts;
    size_t part_count;
    size_t count;  /* of entries */
    bool complete; /* false: GitHub could not give it all; nothing may be deleted on its strength */
    char incomplete_reason[128];
};
/* Walks a tree of either form from its first entry to its last. */
struct rb_tree_walk {
    const struct rb_tree *tree;
    size_t index; /* entries that have been given */
    size_t part, at, path_len;
    struct rb_tree_entry entry;
    char path[RB_TREE_PATH_MAX + 1];
};
void rb_tree_walk_begin(struct rb_tree_walk *walk, const struct rb_tree *tree);
/* NULL at the end. Gone with the next call where the tree is packed. */
const struct rb_tree_entry *rb_tree_walk_next(struct rb_tree_walk *walk);

/* Packs entries that come one by one, in order. The parts are in the arena, and are what is stored. */
struct rb_tree_packer;
struct rb_tree_packer *rb_tree_packer_new(struct rb_arena *arena);
void rb_tree_packer_free(struct rb_tree_packer *packer); /* NULL is fine */
/* RB_EINVAL: not behind the one before, or not as struct rb_tree has it; RB_ETOOBIG: too many. */
rb_err rb_tree_packer_add(struct rb_tree_packer *packer, const struct rb_tree_entry *entry) RB_MUST_CHECK;
const char *rb_tree_packer_last(const struct rb_tree_packer *packer); /* path; "" before the first */
/* A whole part, from outside. RB_EPROTOCOL when it is no such thing to the last byte: nothing is added then.
 */
rb_err rb_tree_packer_add_part(struct rb_tree_packer *packer, const void *data, size_t len) RB_MUST_CHECK;
/* Makes `tree` what has been added; its other fields stay. */
void rb_tree_packer_end(struct rb_tree *tree, struct rb_tree_packer *packer);
/* From one form to the other, in the arena. */
rb_err rb_tree_pack(struct rb_tree *tree, struct rb_arena *arena) RB_MUST_CHECK;
void rb_tree_unpack(struct rb_tree *tree, struct rb_arena *arena);

/* Which tree: the head of the default branch as the event of this generation saw it. All subscribers that
 * handle the same event get the same commit. */
struct rb_tree_key {
    int64_t repo_id;
    int64_t generation;
};
/* What the last known head was, for a conditional request; "" where unknown. */
struct rb_tree_hint {
    char commit[RB_SHA_SIZE];
    char etag[160];
};
/* Fetches the tree from GitHub: fills `tree` (of either form, memory from `arena`) and the new `etag`. When
 * GitHub answers 304 to the hint, only sets *unchanged: the cache then serves the hint's commit. */
typedef rb_err (*rb_tree_fetch_fn)(void *arg, struct rb_tree *tree, char etag[160], bool *unchanged,
                                   const struct rb_tree_hint *hint, struct rb_arena *arena);
/*
 * Gives the tree of `key`, from the cache or through `fetch`. The first to come holds an advisory lock while
 * it fetches, the others wait for that lock (at most `wait_ms`: RB_ETIMEOUT) and find the tree in the cache;
 * if the first one dies, its session ends and the next takes over. `tree` is packed and lives in `arena`. A
 * tree that is not complete is cached for its own key only, never served for another generation.
 */
rb_err rb_tree_get(struct rb_tree *tree, struct rb_db *db, const struct rb_tree_key *key, int wait_ms,
                   rb_tree_fetch_fn fetch, void *arg, struct rb_arena *arena) RB_MUST_CHECK;
/* The tree of a commit that is stored and whole, of `max` entries at most, packed in the arena. RB_ENOTFOUND:
 * there is none. */
rb_err rb_tree_of_commit(struct rb_tree *tree, struct rb_db *db, int64_t repo_id, const char *commit,
                         size_t max, struct rb_arena *arena) RB_MUST_CHECK;
/* ---- blob cache --------------------------------------------------------------------------------------- */

/* Contents of files by their name in git, which is their hash; of one repository alone, since who may see one
 * repository may not see another that has the same file. */
struct rb_blob {
    const char *sha;
    const void *content;
    size_t len;
};
#define RB_BLOB_BYTES_MAX   4194304  /* of one; larger ones are few, and would push out all others */
#define RB_BLOBS_REPO_BYTES 67108864 /* of a repository: what two scans read at most */
#define RB_BLOBS_DAYS       30       /* that nobody has wanted it */
/* One call of `fn` for each of the `wanted` (their names) that is there, in any order; all in one statement,
 * hence all of them in memory at once. The blob is gone when `fn` returns. */
typedef void (*rb_blob_fn)(void *arg, const struct rb_blob *blob);
rb_err rb_blobs_get(struct rb_db *db, int64_t repo_id, const struct rb_blob *wanted, size_t count,
                    rb_blob_fn fn, void *arg) RB_MUST_CHECK;
/* Those that are there already stay as they are. Nothing is kept of a repository that nobody has connected.
 */
rb_err rb_blobs_put(struct rb_db *db, int64_t repo_id, const struct rb_blob *blobs,
                    size_t count) RB_MUST_CHECK;
/* Removes what is beyond the numbers above, of this repository the bytes, of all of them the days. */
rb_err rb_blobs_prune(struct rb_db *db, int64_t repo_id) RB_MUST_CHECK;
/* Removes those of an installation's repository, when it was the last one. */
rb_err rb_blobs_forget(struct rb_db *db, int64_t installation_id) RB_MUST_CHECK;

#endif
