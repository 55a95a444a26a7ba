/*
 * A tree from GitHub: the head commit, then its whole tree in one request. Where GitHub truncates it (100,000
 * entries or 7 MB), folder by folder: the root alone, then each directory with everything below, and one that
 * is truncated again is opened in turn. What cannot be had is said, never passed over.
 *
 * Folders are read where what is below them has its place in the order of paths, so that entries come in that
 * order: of a large repository only what GitHub says at once is held spread out, and the rest is packed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

#define TREE_REQUESTS_MAX \
    2000 /* of a person's 5,000 an hour; a repository that needs more is given incomplete */

struct tree_item {
    struct rb_tree_entry entry;
    bool is_below; /* everything below a folder that is still to be read; its path is the folder's with a
                      slash */
};

/* What GitHub lists at once. */
struct tree_listing {
    const char *folder; /* "" is the root */
    struct rb_arena *arena;
    struct tree_item *items;
    size_t count, capacity;
    bool is_truncated;
};

struct tree_walk {
    struct rb_repo_handle *handle;
    struct rb_tree *tree;
    struct rb_tree_packer *packer;
    int requests;
    size_t lost; /* entries whose path another one has, too */
};

static enum rb_entry_kind tree_kind_of(const char *type, const char *mode)
{
    if (strcmp(type, "tree") == 0)
        return RB_ENTRY_DIRECTORY;
    if (strcmp(type, "commit") == 0)
        return RB_ENTRY_SUBMODULE;
    if (strcmp(mode, "120000") == 0)
        return RB_ENTRY_SYMLINK;
    return strcmp(mode, "100755") == 0 ? RB_ENTRY_EXECUTABLE : RB_ENTRY_FILE;
}

static struct rb_tree_entry *tree_new_item(struct tree_listing *listing, bool is_below)
{
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 256;
        listing->items = rb_realloc(listing->items, listing->capacity * sizeof *listing->items);
    }
    struct tree_item *item = &listing->items[listing->count++];
    *item = (struct tree_item){.is_below = is_below};
    return &item->entry;
}

static rb_err tree_add(void *arg, const char *path, const char *mode, const char *type, const char *sha,
                       int64_t size)
{
    struct tree_listing *listing = arg;
    struct rb_tree_entry *entry = tree_new_item(listing, false);
    *entry = (struct rb_tree_entry){.kind = tree_kind_of(type, mode), .size = size};
    entry->path = *listing->folder ? rb_arena_printf(listing->arena, "%s/%s", listing->folder, path)
                                   : rb_arena_strdup(listing->arena, path);
    snprintf(entry->sha, sizeof(entry->sha), "%s", sha);
    if (entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE)
        entry->size = -1;
    return RB_OK;
}

static int tree_compare(const void *a, const void *b)
{
    const struct tree_item *left = a, *right = b;
    return strcmp(left->entry.path, right->entry.path);
}

static rb_err tree_list(struct tree_listing *listing, struct tree_walk *walk, const char *sha, bool recursive)
{
    struct rb_github_request request;
    struct rb_github_response response = {0};
    listing->count = 0;
    walk->requests++;
    rb_github_get_tree(&request, walk->handle->about.owner, walk->handle->about.name, sha, recursive);
    rb_err err = rb_repo_ask(&response, walk->handle, &request);
    if (!err)
        err = rb_github_read_tree(&listing->is_truncated, &response, tree_add, listing);
    rb_github_response_clear(&response);
    return err;
}

/* The folder alone: what is below each of its folders has to be read in turn. */
static rb_err tree_list_alone(struct tree_listing *listing, struct tree_walk *walk, const char *sha)
{
    rb_err err = tree_list(listing, walk, sha, false);
    if (err)
        return err;
    if (listing->is_truncated) { /* one folder with more entries than GitHub lists: no way to the rest */
        walk->tree->complete = false;
        snprintf(walk->tree->incomplete_reason, sizeof(walk->tree->incomplete_reason),
                 "GitHub does not list all of one folder");
    }
    for (size_t i = 0, count = listing->count; i < count; i++) {
        if (listing->items[i].entry.kind != RB_ENTRY_DIRECTORY)
            continue;
        struct rb_tree_entry *below = tree_new_item(listing, true);
        *below = listing->items[i].entry;
        below->path = rb_arena_printf(listing->arena, "%s/", below->path);
    }
    return RB_OK;
}

/* Each path once: names that differ only in bytes GitHub replaced may have become equal. */
static rb_err tree_pack(struct tree_walk *walk, const struct rb_tree_entry *entry)
{
    if (strcmp(rb_tree_packer_last(walk->packer), entry->path) < 0)
        return rb_tree_packer_add(walk->packer, entry);
    walk->lost++;
    return RB_OK;
}

static rb_err tree_read_below(struct tree_walk *walk, const char *folder, const char *sha);

static rb_err tree_pack_listing(struct tree_walk *walk, struct tree_listing *listing)
{
    rb_err err = RB_OK;
    if (listing->count)
        qsort(listing->items, listing->count, sizeof *listing->items, tree_compare);
    for (size_t i = 0; i < listing->count && !err; i++) {
        const struct rb_tree_entry *entry = &listing->items[i].entry;
        if (!listing->items[i].is_below) {
            err = tree_pack(walk, entry);
            continue;
        }
        const char *folder = rb_arena_strndup(listing->arena, entry->path, strlen(entry->path) - 1);
        err = tree_read_below(walk, folder, entry->sha);
    }
    return err;
}

/* Calls itself for the folders of one that is too large; no deeper than there are requests. */
static rb_err tree_read_below(struct tree_walk *walk, const char *folder, const char *sha)
{
    if (walk->requests >= TREE_REQUESTS_MAX) {
        walk->tree->complete = false;
        snprintf(walk->tree->incomplete_reason, sizeof(walk->tree->incomplete_reason),
                 "it takes more than %d requests to read this repository", TREE_REQUESTS_MAX);
        return RB_OK;
    }
    struct tree_listing listing = {.folder = folder, .arena = rb_arena_new()};
    rb_err err = tree_list(&listing, walk, sha, true);
    if (!err && listing.is_truncated) { /* the part of it is dropped: what follows reads it whole */
        rb_arena_free(listing.arena);
        listing.arena = rb_arena_new();
        err = tree_list_alone(&listing, walk, sha);
    }
    if (!err)
        err = tree_pack_listing(walk, &listing);
    free(listing.items);
    rb_arena_free(listing.arena);
    return err;
}

static rb_err tree_fetch_commit(char tree_sha[65], struct rb_tree *tree, char etag[160], bool *unchanged,
                                struct rb_repo_handle *handle, const struct rb_tree_hint *hint)
{
    struct rb_github_request request;
    struct rb_github_response response = {0};
    const char *ref = *handle->about.default_branch ? handle->about.default_branch : "HEAD";
    rb_github_get_commit(&request, handle->about.owner, handle->about.name, ref, hint->etag);
    rb_err err = rb_repo_ask(&response, handle, &request);
    snprintf(etag, 160, "%s", response.etag);
    if (!err && response.status == 304) {
        *unchanged = true;
    } else if (!err) {
        err = rb_github_read_commit(tree->commit, tree_sha, &response);
        if (!err && hint->commit[0] && strcmp(tree->commit, hint->commit) == 0)
            *unchanged = true;
    } else if (response.status == 409 && strcasestr(response.message, "empty")) {
        err = RB_OK; /* "Git Repository is empty.": no commit, nothing in it */
    }
    rb_github_response_clear(&response);
    return err;
}

rb_err repo_fetch_tree(void *arg, struct rb_tree *tree, char etag[160], bool *unchanged,
                       const struct rb_tree_hint *hint, struct rb_arena *arena)
{
    struct rb_repo_handle *handle = arg;
    char tree_sha[65] = "";
    *tree = (struct rb_tree){.complete = true};
    rb_err err = tree_fetch_commit(tree_sha, tree, etag, unchanged, handle, hint);
    if (err || *unchanged || !*tree_sha)
        return err;
    struct tree_walk walk = {.handle = handle, .tree = tree, .packer = rb_tree_packer_new(arena)};
    err = tree_read_below(&walk, "", tree_sha);
    if (!err)
        rb_tree_packer_end(tree, walk.packer);
    if (!err && walk.lost) {
        tree->complete = false;
        snprintf(tree->incomplete_reason, sizeof(tree->incomplete_reason), "%zu paths cannot be told apart",
                 walk.lost);
    }
    rb_tree_packer_free(walk.packer);
    return err;
}
