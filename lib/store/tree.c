/*
 * The tree cache: the file list of a repository at a commit, fetched once however many subscribers want it.
 *
 * The stored form is text: one line "rbtree1 COUNT COMPLETE REASON-LENGTH REASON", then for each entry
 * "KIND SIZE SHA PATH-LENGTH PATH\n". Lengths stand before what they measure, since a path may hold any byte
 * but zero. PostgreSQL compresses it (lz4).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/store.h"

#define TREE_MAGIC    "rbtree1"
#define TREE_PATH_MAX 65535 /* git's own index holds no longer ones comfortably; GitHub's are far shorter */
#define TREE_KEEP     3 /* heads of a repository that stay: the present one, the one before, one in flight */

static const char tree_kinds[] = "fxlsd"; /* in the order of enum rb_entry_kind */

rb_err rb_tree_encode(struct rb_buf *out, const struct rb_tree *tree)
{
    if (tree->count > RB_TREE_ENTRIES_MAX)
        return rb_error_set(RB_ETOOBIG, "a tree has more than %d entries", RB_TREE_ENTRIES_MAX);
    rb_err err = rb_buf_printf(out, TREE_MAGIC " %zu %d %zu %s\n", tree->count, tree->complete ? 1 : 0,
                               strlen(tree->incomplete_reason), tree->incomplete_reason);
    for (size_t i = 0; i < tree->count && !err; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        size_t len = strlen(entry->path);
        if (len == 0 || len > TREE_PATH_MAX)
            return rb_error_set(RB_EINVAL, "a tree holds a path of %zu bytes", len);
        if (entry->size < -1 || entry->size > RB_TREE_SIZE_MAX)
            return rb_error_set(RB_EINVAL, "a tree holds a file of %" PRId64 " bytes", entry->size);
        if (i > 0 && strcmp(tree->entries[i - 1].path, entry->path) >= 0)
            return rb_error_set(RB_EINVAL, "a tree is not sorted or names a path twice");
        err = rb_buf_printf(out, "%c %" PRId64 " %s %zu ", tree_kinds[entry->kind], entry->size, entry->sha,
                            len);
        if (!err)
            err = rb_buf_append(out, entry->path, len);
        if (!err)
            err = rb_buf_append(out, "\n", 1);
    }
    return err;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

struct tree_reader {
    const char *at, *end;
    bool broken; /* once set, everything read is 0 */
};

static char tree_read_char(struct tree_reader *reader)
{
    if (reader->broken || reader->at == reader->end) {
        reader->broken = true;
        return 0;
    }
    return *reader->at++;
}

static void tree_expect(struct tree_reader *reader, char wanted)
{
    if (tree_read_char(reader) != wanted)
        reader->broken = true;
}

static int64_t tree_read_number(struct tree_reader *reader, int64_t max)
{
    int64_t value = 0;
    int digits = 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' && digits < 18) {
        value = value * 10 + (*reader->at++ - '0');
        digits++;
    }
    if (digits == 0 || value > max)
        reader->broken = true;
    return reader->broken ? 0 : value;
}

/* -1 or a number: a size. */
static int64_t tree_read_size(struct tree_reader *reader)
{
    if (reader->at == reader->end || *reader->at != '-')
        return tree_read_number(reader, RB_TREE_SIZE_MAX);
    reader->at++;
    if (tree_read_number(reader, 1) != 1)
        reader->broken = true;
    return -1;
}

static const char *tree_read_bytes(struct tree_reader *reader, size_t len)
{
    if (reader->broken || (size_t)(reader->end - reader->at) < len) {
        reader->broken = true;
        return "";
    }
    const char *bytes = reader->at;
    reader->at += len;
    return bytes;
}

static void tree_read_entry(struct rb_tree_entry *entry, struct tree_reader *reader, struct rb_arena *arena)
{
    char letter = tree_read_char(reader);
    const char *kind = letter ? strchr(tree_kinds, letter) : NULL;
    if (!kind) {
        reader->broken = true;
        return;
    }
    entry->kind = (enum rb_entry_kind)(kind - tree_kinds);
    tree_expect(reader, ' ');
    entry->size = tree_read_size(reader);
    tree_expect(reader, ' ');
    size_t sha_len = 0;
    for (char c; (c = tree_read_char(reader)) != ' ';) {
        if (reader->broken || sha_len + 1 >= RB_SHA_SIZE || !strchr("0123456789abcdef", c)) {
            reader->broken = true;
            return;
        }
        entry->sha[sha_len++] = c;
    }
    entry->sha[sha_len] = '\0';
    size_t len = (size_t)tree_read_number(reader, TREE_PATH_MAX);
    tree_expect(reader, ' ');
    const char *path = tree_read_bytes(reader, len);
    if (reader->broken || len == 0 || memchr(path, '\0', len)) {
        reader->broken = true;
        return;
    }
    entry->path = rb_arena_strndup(arena, path, len);
    tree_expect(reader, '\n');
}

rb_err rb_tree_decode(struct rb_tree *tree, const void *data, size_t len, struct rb_arena *arena)
{
    const char *bytes = len ? data : ""; /* nothing may come as NULL */
    struct tree_reader reader = {.at = bytes, .end = bytes + len};
    *tree = (struct rb_tree){0};
    const char *magic = tree_read_bytes(&reader, sizeof(TREE_MAGIC) - 1);
    if (!reader.broken && memcmp(magic, TREE_MAGIC, sizeof(TREE_MAGIC) - 1) != 0)
        reader.broken = true;
    tree_expect(&reader, ' ');
    size_t count = (size_t)tree_read_number(&reader, RB_TREE_ENTRIES_MAX);
    tree_expect(&reader, ' ');
    tree->complete = tree_read_number(&reader, 1) == 1;
    tree_expect(&reader, ' ');
    size_t reason_len = (size_t)tree_read_number(&reader, sizeof(tree->incomplete_reason) - 1);
    tree_expect(&reader, ' ');
    const char *reason = tree_read_bytes(&reader, reason_len);
    if (!reader.broken)
        memcpy(tree->incomplete_reason, reason, reason_len);
    tree_expect(&reader, '\n');
    /* An entry has 8 bytes at least: a count that the data cannot hold allocates nothing. */
    if (reader.broken || count > len / 8)
        return rb_error_set(RB_EPROTOCOL, "a stored tree is damaged in its first line");
    struct rb_tree_entry *entries = rb_arena_alloc(arena, count * sizeof(*entries));
    for (size_t i = 0; i < count && !reader.broken; i++) {
        tree_read_entry(&entries[i], &reader, arena);
        if (!reader.broken && i > 0 && strcmp(entries[i - 1].path, entries[i].path) >= 0)
            reader.broken = true;
    }
    if (reader.broken || reader.at != reader.end)
        return rb_error_set(RB_EPROTOCOL, "a stored tree is damaged");
    tree->entries = entries;
    tree->count = count;
    return RB_OK;
}

/* ---- the cache ---------------------------------------------------------------------------------------- */

static const struct rb_statement tree_find = {
    "tree_find", "select t.commit_sha, t.entries from tree_heads h join trees t using (repo_id, commit_sha) "
                 "where h.repo_id = $1 and h.generation = $2"};

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

static rb_err tree_load(struct rb_tree *tree, struct rb_db *db, const struct rb_tree_key *key,
                        struct rb_arena *arena)
{
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(key->repo_id), RB_P_INT(key->generation)};
    rb_err err = rb_db_query(&rows, db, &tree_find, params, 2);
    if (err)
        return err;
    if (rb_rows_count(rows) == 0) {
        err = rb_error_set(RB_ENOTFOUND, "the tree is not in the cache");
    } else {
        size_t len = 0;
        const uint8_t *data = rb_rows_bytes(rows, 0, 1, &len);
        err = rb_tree_decode(tree, data, len, arena);
        snprintf(tree->commit, sizeof(tree->commit), "%s", rb_rows_text(rows, 0, 0));
        if (err == RB_EPROTOCOL)
            err = tree_forget(db, key->repo_id, tree->commit);
    }
    rb_rows_free(rows);
    return err;
}

rb_err rb_tree_of_commit(struct rb_tree *tree, struct rb_db *db, int64_t repo_id, const char *commit,
                         size_t max, struct rb_arena *arena)
{
    static const struct rb_statement statement = {
        "tree_of_commit", "select entries from trees where repo_id = $1 and commit_sha = $2 and complete and "
                          "entry_count <= $3"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(repo_id), RB_P_TEXT(commit), RB_P_INT((int64_t)max)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 3);
    if (!err && rb_rows_count(rows) == 0)
        err = rb_error_set(RB_ENOTFOUND, "the tree is not in the cache");
    if (!err) {
        size_t len = 0;
        const uint8_t *data = rb_rows_bytes(rows, 0, 0, &len);
        err = rb_tree_decode(tree, data, len, arena);
        snprintf(tree->commit, sizeof(tree->commit), "%s", commit);
    }
    rb_rows_free(rows);
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

static rb_err tree_store(struct rb_db *db, const struct rb_tree_key *key, const struct rb_tree *tree)
{
    /* A tree that was incomplete before may be whole now; a whole one never becomes less. */
    static const struct rb_statement statement = {
        "tree_store", "insert into trees (repo_id, commit_sha, entries, entry_count, complete) "
                      "values ($1, $2, $3, $4, $5::int = 1) on conflict (repo_id, commit_sha) do update "
                      "set entries = excluded.entries, entry_count = excluded.entry_count, "
                      "complete = excluded.complete, fetched_at = now() where not trees.complete"};
    struct rb_buf body;
    rb_buf_init(&body, RB_TREE_BYTES_MAX);
    rb_err err = rb_tree_encode(&body, tree);
    if (!err) {
        struct rb_param params[] = {RB_P_INT(key->repo_id), RB_P_TEXT(tree->commit),
                                    RB_P_BYTES(body.data, body.len), RB_P_INT((int64_t)tree->count),
                                    RB_P_INT(tree->complete)};
        err = rb_db_query(NULL, db, &statement, params, 5);
    }
    rb_buf_free(&body);
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
        if (!unchanged)
            return tree_save(db, key, tree, tree->commit, etag, false);
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
