/*
 * The packed form of a file list, in memory and in the store. Parts of entries in the order of their paths;
 * of each entry a byte of kind, the size + 1, the length of the object name and its bytes, how many bytes its
 * path has in common with the path before (none at the beginning of a part), how many follow, and these.
 * Numbers are of 7 bits a byte, low ones first, the top bit set where more follow.
 *
 * Of a million files with paths of 50 bytes that is less than a third of what the array takes.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/store/internal.h"

#define PART_BYTES   (256 * 1024) /* a row of PostgreSQL, of which few are in memory twice */
#define NUMBER_BYTES 9            /* 63 bits */
#define SHA_BYTES    ((RB_SHA_SIZE - 1) / 2)

/* ---- reading ------------------------------------------------------------------------------------------ */

struct reader {
    const unsigned char *at, *end;
};

static bool read_number(uint64_t *value, struct reader *reader, uint64_t max)
{
    *value = 0;
    for (int shift = 0; reader->at < reader->end && shift < NUMBER_BYTES * 7; shift += 7) {
        unsigned char byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return *value <= max;
    }
    return false;
}

static const unsigned char *read_bytes(struct reader *reader, size_t len)
{
    const unsigned char *bytes = reader->at;
    if ((size_t)(reader->end - bytes) < len)
        return NULL;
    reader->at += len;
    return bytes;
}

static void sha_to_hex(char *hex, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *hex++ = digits[bytes[i] >> 4];
        *hex++ = digits[bytes[i] & 15];
    }
    *hex = '\0';
}

/* The next entry; `path` holds the one before, of `*path_len` bytes, and then its own. False: damaged. */
static bool read_entry(struct rb_tree_entry *entry, char path[RB_TREE_PATH_MAX + 1], size_t *path_len,
                       struct reader *reader)
{
    uint64_t kind, size, sha_len, shared, rest;
    if (!read_number(&kind, reader, RB_ENTRY_DIRECTORY) ||
        !read_number(&size, reader, RB_TREE_SIZE_MAX + 1) || !read_number(&sha_len, reader, SHA_BYTES))
        return false;
    const unsigned char *sha = read_bytes(reader, sha_len);
    if (!sha || !read_number(&shared, reader, *path_len) ||
        !read_number(&rest, reader, RB_TREE_PATH_MAX - shared))
        return false;
    const unsigned char *bytes = read_bytes(reader, rest);
    /* Where the paths part, the later one has the greater byte; its end counts as 0. */
    if (!bytes || rest == 0 || bytes[0] <= (unsigned char)path[shared] || memchr(bytes, '\0', rest))
        return false;
    memcpy(path + shared, bytes, rest);
    *path_len = shared + rest;
    path[*path_len] = '\0';
    entry->path = path;
    entry->kind = (enum rb_entry_kind)kind;
    entry->size = (int64_t)size - 1;
    sha_to_hex(entry->sha, sha, sha_len);
    return true;
}

void rb_tree_walk_begin(struct rb_tree_walk *walk, const struct rb_tree *tree)
{
    walk->tree = tree;
    walk->index = walk->part = walk->at = walk->path_len = 0;
    walk->path[0] = '\0';
}

const struct rb_tree_entry *rb_tree_walk_next(struct rb_tree_walk *walk)
{
    const struct rb_tree *tree = walk->tree;
    if (walk->index == tree->count)
        return NULL;
    walk->index++;
    if (tree->entries)
        return &tree->entries[walk->index - 1];
    while (walk->at == tree->parts[walk->part].len) {
        walk->part++;
        walk->at = walk->path_len = 0;
        walk->path[0] = '\0';
    }
    const struct rb_tree_part *part = &tree->parts[walk->part];
    struct reader reader = {part->data + walk->at, part->data + part->len};
    if (!read_entry(&walk->entry, walk->path, &walk->path_len, &reader))
        abort(); /* a packer has made it, or looked at all of it */
    walk->at = (size_t)(reader.at - part->data);
    return &walk->entry;
}

void rb_tree_unpack(struct rb_tree *tree, struct rb_arena *arena)
{
    struct rb_tree_walk *walk = rb_malloc(sizeof *walk);
    struct rb_tree_entry *entries = rb_arena_alloc(arena, tree->count * sizeof *entries);
    rb_tree_walk_begin(walk, tree);
    for (size_t i = 0; i < tree->count; i++) {
        entries[i] = *rb_tree_walk_next(walk);
        entries[i].path = rb_arena_strdup(arena, entries[i].path);
    }
    free(walk);
    tree->entries = entries;
    tree->parts = NULL;
    tree->part_count = 0;
}

/* ---- packing ------------------------------------------------------------------------------------------ */

struct rb_tree_packer {
    struct rb_arena *arena; /* of the parts */
    struct rb_tree_part *parts;
    size_t part_count, part_capacity, count;
    struct rb_buf buf; /* of the present part */
    char path[RB_TREE_PATH_MAX + 1];
    size_t path_len;
};

struct rb_tree_packer *rb_tree_packer_new(struct rb_arena *arena)
{
    struct rb_tree_packer *packer = rb_malloc(sizeof *packer);
    packer->arena = arena;
    packer->parts = NULL;
    packer->part_count = packer->part_capacity = packer->count = packer->path_len = 0;
    packer->path[0] = '\0';
    rb_buf_init(&packer->buf, PART_BYTES + RB_TREE_PATH_MAX + 256);
    return packer;
}

void rb_tree_packer_free(struct rb_tree_packer *packer)
{
    if (!packer)
        return;
    rb_buf_free(&packer->buf);
    free(packer->parts);
    free(packer);
}

static void packer_keep(struct rb_tree_packer *packer, const void *data, size_t len)
{
    if (packer->part_count == packer->part_capacity) {
        packer->part_capacity = packer->part_capacity ? packer->part_capacity * 2 : 4;
        packer->parts = rb_realloc(packer->parts, packer->part_capacity * sizeof *packer->parts);
    }
    unsigned char *copy = rb_arena_alloc(packer->arena, len);
    memcpy(copy, data, len);
    packer->parts[packer->part_count++] = (struct rb_tree_part){copy, len};
}

static rb_err append_number(struct rb_buf *buf, uint64_t value)
{
    unsigned char bytes[NUMBER_BYTES + 1];
    size_t len = 0;
    for (; value > 0x7f; value >>= 7)
        bytes[len++] = (unsigned char)(value | 0x80);
    bytes[len++] = (unsigned char)value;
    return rb_buf_append(buf, bytes, len);
}

static rb_err append_sha(struct rb_buf *buf, const char *hex)
{
    unsigned char bytes[SHA_BYTES];
    size_t len = strlen(hex);
    for (size_t i = 0; i < len; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, hex[i]);
        if (!digit || len % 2)
            return rb_error_set(RB_EINVAL, "a tree holds an object name that is none");
        unsigned char value = (unsigned char)(digit - digits);
        bytes[i / 2] = i % 2 ? (unsigned char)(bytes[i / 2] << 4 | value) : value;
    }
    rb_err err = append_number(buf, len / 2);
    return err ? err : rb_buf_append(buf, bytes, len / 2);
}

rb_err rb_tree_packer_add(struct rb_tree_packer *packer, const struct rb_tree_entry *entry)
{
    size_t len = strlen(entry->path), shared = 0;
    struct rb_buf *buf = &packer->buf;
    if (packer->count == RB_TREE_ENTRIES_MAX)
        return rb_error_set(RB_ETOOBIG, "a tree has more than %d entries", RB_TREE_ENTRIES_MAX);
    if (len == 0 || len > RB_TREE_PATH_MAX)
        return rb_error_set(RB_EINVAL, "a tree holds a path of %zu bytes", len);
    if (entry->size < -1 || entry->size > RB_TREE_SIZE_MAX)
        return rb_error_set(RB_EINVAL, "a tree holds a file of %lld bytes", (long long)entry->size);
    if (strcmp(packer->path, entry->path) >= 0)
        return rb_error_set(RB_EINVAL, "a tree is not sorted or names a path twice");
    while (buf->len && shared < packer->path_len && packer->path[shared] == entry->path[shared])
        shared++;
    rb_err err = append_number(buf, entry->kind);
    if (!err)
        err = append_number(buf, (uint64_t)(entry->size + 1));
    if (!err)
        err = append_sha(buf, entry->sha);
    if (!err)
        err = append_number(buf, shared);
    if (!err)
        err = append_number(buf, len - shared);
    if (!err)
        err = rb_buf_append(buf, entry->path + shared, len - shared);
    if (err)
        return err;
    memcpy(packer->path + shared, entry->path + shared, len - shared + 1);
    packer->path_len = len;
    packer->count++;
    if (buf->len >= PART_BYTES) {
        packer_keep(packer, buf->data, buf->len);
        rb_buf_reset(buf);
    }
    return RB_OK;
}

const char *rb_tree_packer_last(const struct rb_tree_packer *packer)
{
    return packer->path;
}

rb_err rb_tree_packer_add_part(struct rb_tree_packer *packer, const void *data, size_t len)
{
    char *path = rb_malloc(RB_TREE_PATH_MAX + 1);
    struct reader reader = {data, (const unsigned char *)data + len};
    size_t path_len = 0, count = packer->count;
    bool is_fine = packer->buf.len == 0 && len > 0 && len <= packer->buf.limit;
    path[0] = '\0';
    while (is_fine && reader.at < reader.end) {
        struct rb_tree_entry entry;
        bool is_first = path_len == 0;
        is_fine = count++ < RB_TREE_ENTRIES_MAX && read_entry(&entry, path, &path_len, &reader) &&
                  (!is_first || strcmp(packer->path, path) < 0);
    }
    if (is_fine) {
        packer_keep(packer, data, len);
        memcpy(packer->path, path, path_len + 1);
        packer->path_len = path_len;
        packer->count = count;
    }
    free(path);
    return is_fine ? RB_OK : rb_error_set(RB_EPROTOCOL, "a stored tree is damaged");
}

void rb_tree_packer_end(struct rb_tree *tree, struct rb_tree_packer *packer)
{
    if (packer->buf.len)
        packer_keep(packer, packer->buf.data, packer->buf.len);
    rb_buf_reset(&packer->buf);
    struct rb_tree_part *parts = rb_arena_alloc(packer->arena, packer->part_count * sizeof *parts);
    if (packer->part_count)
        memcpy(parts, packer->parts, packer->part_count * sizeof *parts);
    tree->entries = NULL;
    tree->parts = parts;
    tree->part_count = packer->part_count;
    tree->count = packer->count;
}

rb_err rb_tree_pack(struct rb_tree *tree, struct rb_arena *arena)
{
    struct rb_tree_packer *packer = rb_tree_packer_new(arena);
    rb_err err = RB_OK;
    for (size_t i = 0; i < tree->count && !err; i++)
        err = rb_tree_packer_add(packer, &tree->entries[i]);
    if (!err)
        rb_tree_packer_end(tree, packer);
    rb_tree_packer_free(packer);
    return err;
}
