/*
 * The tree cache: the file list of a repository at a commit, fetched once however many subscribers want it.
 * It is stored in parts (tree_pack.c), so that neither side ever holds all of a large one at once beside what
 * it makes of it. PostgreSQL compresses them (lz4).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/store.h"

#define TREE_KEEP 3 /* heads of a repository that stay: the present one, the one before, one in flight */

/* What stands beside the parts. */
#define TREE_COLUMNS "t.commit_sha, t.complete, t.reason, t.entry_count, t.part_count, t.fetched_at::text"

/* A stored tree that cannot be read (damaged, or of another version of this program) is worth nothing. */
static rb_err tree_forget(struct rb_db *db, int64_t repo_id, const char *commit)
{
    static const struct rb_statement statement = {
        "tree_forget", "with heads as (delete from tree_heads where repo_id = $1 and commit_sha = $2) "
                       "delete from trees where repo_id = $1 and commit_sha = $2"};
    struct rb_param params[] = {RB_P_INT(repo_id), RB_P_TEXT(commit)};
    rb_log_warn("the stored tree of repository %" PRId64 " at %s cannot be read and is forgotten: %s",
                repo_id, commit, rb_error_text());
    rb_err err = rb_db_query(NULL, db, &statement, params, 2);
    return err ? err : rb_error_set(RB_ENOTFOUND, "the tree in the cache was damaged");
}

/* A tree that is replaced by a better one, or pruned, while it is read is not in the cache. */
static rb_err tree_read_part(struct rb_tree_packer *packer, struct rb_db *db, int64_t repo_id,
                             const struct rb_rows *head, int64_t part)
{
    static const struct rb_statement statement = {
        "tree_part",
        "select p.entries from trees t join tree_parts p using (repo_id, commit_sha) where "
        "t.repo_id = $1 and t.commit_sha = $2 and t.fetched_at = $3::timestamptz and p.part = $4"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_TEXT(rb_rows_text(head, 0, 0)),
                                      RB_P_TEXT(rb_rows_text(head, 0, 5)), RB_P_INT(part)};
    rb_err err = rb_db_query_binary(&rows, db, &statement, params, 4);
    if (!err && rb_rows_count(rows) == 0)
        err = rb_error_set(RB_ENOTFOUND, "the tree has just left the cache");
    if (!err) {
        size_t len = 0;
        const uint8_t *data = rb_rows_bytes(rows, 0, 0, &len);
        err = rb_tree_packer_add_part(packer, data, len);
    }
    rb_rows_free(rows);
    return err;
}

/* The tree that `statement` finds. RB_EPROTOCOL: damaged; its commit is known then. */
static rb_err tree_read(struct rb_tree *tree, struct rb_db *db, const struct rb_statement *statement,
                        const struct rb_param *params, size_t count, struct rb_arena *arena)
{
    struct rb_rows *head = NULL;
    rb_err err = rb_db_query(&head, db, statement, params, count);
    if (!err && rb_rows_count(head) == 0)
        err = rb_error_set(RB_ENOTFOUND, "the tree is not in the cache");
    if (err) {
        rb_rows_free(head);
        return err;
    }
    *tree = (struct rb_tree){.complete = rb_rows_bool(head, 0, 1)};
    snprintf(tree->commit, sizeof tree->commit, "%s", rb_rows_text(head, 0, 0));
    snprintf(tree->incomplete_reason, sizeof tree->incomplete_reason, "%s", rb_rows_text(head, 0, 2));
    struct rb_tree_packer *packer = rb_tree_packer_new(arena);
    for (int64_t part = 0; part < rb_rows_int(head, 0, 4) && !err; part++)
        err = tree_read_part(packer, db, params[0].number, head, part);
    if (!err)
        rb_tree_packer_end(tree, packer);
    if (!err && (int64_t)tree->count != rb_rows_int(head, 0, 3))
        err = rb_error_set(RB_EPROTOCOL, "a stored tree is damaged");
    rb_tree_packer_free(packer);
    rb_rows_free(head);
    return err;
}

static rb_err tree_load(struct rb_tree *tree, struct rb_db *db, const struct rb_tree_key *key,
                        struct rb_arena *arena)
{
    static const struct rb_statement statement = {
        "tree_find", "select " TREE_COLUMNS " from tree_heads h join trees t using (repo_id, commit_sha) "
                     "where h.repo_id = $1 and h.generation = $2"};
    const struct rb_param params[] = {RB_P_INT(key->repo_id), RB_P_INT(key->generation)};
    rb_err err = tree_read(tree, db, &statement, params, 2, arena);
    return err == RB_EPROTOCOL ? tree_forget(db, key->repo_id, tree->commit) : err;
}

rb_err rb_tree_of_commit(struct rb_tree *tree, struct rb_db *db, int64_t repo_id, const char *commit,
                         size_t max, struct rb_arena *arena)
{
    static const struct rb_statement statement = {
        "tree_of_commit",
        "select " TREE_COLUMNS " from trees t where t.repo_id = $1 and t.commit_sha = $2 and "
        "t.complete and t.entry_count <= $3"};
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_TEXT(commit), RB_P_INT((int64_t)max)};
    rb_err err = tree_read(tree, db, &statement, params, 3, arena);
    return err == RB_EPROTOCOL ? RB_ENOTFOUND : err; /* a damaged one is forgotten when it is wanted whole */
}

/* The newest head whose tree is whole. */
static rb_err tree_load_hint(struct rb_tree_hint *hint, struct rb_db *db, int64_t repo_id)
{
    static const struct rb_statement statement = {
        "tree_hint",
        "select h.commit_sha, h.etag from tree_heads h join trees t using (repo_id, commit_sha) "
        "where h.repo_id = $1 and t.complete and h.etag <> '' order by h.generation desc limit 1"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(repo_id)};
    *hint = (struct rb_tree_hint){0};
    rb_err err = rb_db_query(&rows, db, &statement, params, 1);
    if (!err && rb_rows_count(rows) > 0) {
        snprintf(hint->commit, sizeof(hint->commit), "%s", rb_rows_text(rows, 0, 0));
        snprintf(hint->etag, sizeof(hint->etag), "%s", rb_rows_text(rows, 0, 1));
    }
    rb_rows_free(rows);
    return err;
}

static rb_err tree_store_part(struct rb_db *db, const struct rb_tree_key *key, const struct rb_tree *tree,
                              size_t part)
{
    static const struct rb_statement statement = {
        "tree_store_part",
        "insert into tree_parts (repo_id, commit_sha, part, entries) values ($1, $2, $3, $4)"};
    const struct rb_param params[] = {RB_P_INT(key->repo_id), RB_P_TEXT(tree->commit),
                                      RB_P_INT((int64_t)part),
                                      RB_P_BYTES(tree->parts[part].data, tree->parts[part].len)};
    return rb_db_query(NULL, db, &statement, params, 4);
}

static rb_err tree_store(struct rb_db *db, const struct rb_tree_key *key, const struct rb_tree *tree)
{
    /* A tree that was incomplete before may be whole now; a whole one never becomes less. */
    static const struct rb_statement statement = {
        "tree_store", "insert into trees (repo_id, commit_sha, part_count, entry_count, complete, reason) "
                      "values ($1, $2, $3, $4, $5::int = 1, $6) on conflict (repo_id, commit_sha) do update "
                      "set part_count = excluded.part_count, entry_count = excluded.entry_count, "
                      "complete = excluded.complete, reason = excluded.reason, fetched_at = now() "
                      "where not trees.complete"};
    static const struct rb_statement clear = {
        "tree_clear_parts", "delete from tree_parts where repo_id = $1 and commit_sha = $2"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {
        RB_P_INT(key->repo_id),         RB_P_TEXT(tree->commit),  RB_P_INT((int64_t)tree->part_count),
        RB_P_INT((int64_t)tree->count), RB_P_INT(tree->complete), RB_P_TEXT(tree->incomplete_reason)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 6);
    bool is_written = !err && rb_rows_affected(rows) > 0;
    rb_rows_free(rows);
    if (is_written)
        err = rb_db_query(NULL, db, &clear, params, 2);
    for (size_t part = 0; is_written && part < tree->part_count && !err; part++)
        err = tree_store_part(db, key, tree, part);
    return err;
}

static rb_err tree_store_head(struct rb_db *db, const struct rb_tree_key *key, const char *commit,
                              const char *etag)
{
    static const struct rb_statement statement = {
        "tree_store_head",
        "insert into tree_heads (repo_id, generation, commit_sha, etag) values ($1, $2, $3, $4) "
        "on conflict (repo_id, generation) do update set commit_sha = excluded.commit_sha, "
        "etag = excluded.etag, seen_at = now()"};
    struct rb_param params[] = {RB_P_INT(key->repo_id), RB_P_INT(key->generation), RB_P_TEXT(commit),
                                RB_P_TEXT(etag)};
    return rb_db_query(NULL, db, &statement, params, 4);
}

static rb_err tree_prune(struct rb_db *db, const struct rb_tree_key *key)
{
    static const struct rb_statement heads = {
        "tree_prune_heads",
        "delete from tree_heads where repo_id = $1 and generation not in "
        "(select generation from tree_heads where repo_id = $1 order by generation desc limit $2) "
        "and generation <> $3"}; /* one that comes late is there for those who come with it */
    static const struct rb_statement trees = {
        "tree_prune", "delete from trees t where t.repo_id = $1 and not exists (select 1 from tree_heads h "
                      "where h.repo_id = t.repo_id and h.commit_sha = t.commit_sha)"};
    struct rb_param params[] = {RB_P_INT(key->repo_id), RB_P_INT(TREE_KEEP), RB_P_INT(key->generation)};
    rb_err err = rb_db_query(NULL, db, &heads, params, 3);
    return err ? err : rb_db_query(NULL, db, &trees, params, 1);
}

static rb_err tree_save(struct rb_db *db, const struct rb_tree_key *key, const struct rb_tree *tree,
                        const char *commit, const char *etag, bool unchanged)
{
    rb_err err = rb_db_begin(db);
    if (!err && !unchanged)
        err = tree_store(db, key, tree);
    if (!err)
        /* An incomplete tree leaves no ETag: the next generation asks anew. */
        err = tree_store_head(db, key, commit, (unchanged || tree->complete) ? etag : "");
    if (!err)
        err = tree_prune(db, key);
    if (!err)
        return rb_db_commit(db);
    rb_db_rollback(db);
    return err;
}

static rb_err tree_fetch_and_save(struct rb_tree *tree, struct rb_db *db, const struct rb_tree_key *key,
                                  rb_tree_fetch_fn fetch, void *arg, struct rb_arena *arena)
{
    /* A second round only where the hint led to a tree that turned out to be damaged and is forgotten now. */
    for (int round = 0; round <= TREE_KEEP + 1; round++) {
        struct rb_tree_hint hint;
        char etag[sizeof(hint.etag)] = "";
        bool unchanged = false;
        rb_err err = tree_load_hint(&hint, db, key->repo_id);
        if (!err)
            err = fetch(arg, tree, etag, &unchanged, &hint, arena);
        if (err)
            return err;
        if (!unchanged) {
            err = tree->entries ? rb_tree_pack(tree, arena) : RB_OK;
            return err ? err : tree_save(db, key, tree, tree->commit, etag, false);
        }
        err = tree_save(db, key, NULL, hint.commit, *etag ? etag : hint.etag, true);
        if (!err)
            err = tree_load(tree, db, key, arena);
        if (err != RB_ENOTFOUND)
            return err;
    }
    return rb_error_set(RB_EINTERNAL, "stored trees are damaged again and again");
}

rb_err rb_tree_get(struct rb_tree *tree, struct rb_db *db, const struct rb_tree_key *key, int wait_ms,
                   rb_tree_fetch_fn fetch, void *arg, struct rb_arena *arena)
{
    rb_err err = tree_load(tree, db, key, arena);
    if (err != RB_ENOTFOUND)
        return err;
    err = rb_db_lock(db, RB_LOCK_TREE, key->repo_id, wait_ms);
    if (err)
        return err;
    /* Whoever held the lock may have left it. */
    err = tree_load(tree, db, key, arena);
    if (err == RB_ENOTFOUND)
        err = tree_fetch_and_save(tree, db, key, fetch, arg, arena);
    char text[512];
    int64_t wait = rb_error_wait_ms();
    snprintf(text, sizeof(text), "%s", rb_error_text());
    rb_db_unlock(db, RB_LOCK_TREE, key->repo_id);
    if (err) {
        rb_error_set(err, "%s", text);
        rb_error_set_wait(wait);
    }
    return err;
}
