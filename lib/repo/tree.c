/*
 * A tree from GitHub: the head commit, then its whole tree in one request. Where GitHub truncates it (100,000
 * entries or 7 MB), folder by folder: the root alone, then each directory with everything below, and one that
 * is truncated again is opened in turn. What cannot be had is said, never passed over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

#define TREE_REQUESTS_MAX \
    2000 /* of a person's 5,000 an hour; a repository that needs more is given incomplete */

struct tree_entries {
    struct rb_tree_entry *items;
    size_t count, capacity;
};

/* A directory that is still to be read. */
struct tree_folder {
    const char *path; /* "" is the root */
    char sha[RB_SHA_SIZE];
    bool recursive; /* tried with everything below first */
};

struct tree_walk {
    struct rb_repo_handle *handle;
    struct rb_arena *arena;
    struct tree_entries entries;
    struct tree_folder *folders; /* a stack */
    size_t folder_count, folder_capacity;
    const struct tree_folder *reading;
    size_t mark; /* entries before the folder being read */
    int requests;
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

static rb_err tree_add(void *arg, const char *path, const char *mode, const char *type, const char *sha,
                       int64_t size)
{
    struct tree_walk *walk = arg;
    struct tree_entries *entries = &walk->entries;
    const char *folder = walk->reading->path;
    if (entries->count >= RB_TREE_ENTRIES_MAX)
        return rb_error_set(RB_ETOOBIG, "the repository has more than %d entries", RB_TREE_ENTRIES_MAX);
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity ? entries->capacity * 2 : 1024;
        entries->items = rb_realloc(entries->items, entries->capacity * sizeof(entries->items[0]));
    }
    struct rb_tree_entry *entry = &entries->items[entries->count++];
    *entry = (struct rb_tree_entry){.kind = tree_kind_of(type, mode), .size = size};
    entry->path =
        *folder ? rb_arena_printf(walk->arena, "%s/%s", folder, path) : rb_arena_strdup(walk->arena, path);
    snprintf(entry->sha, sizeof(entry->sha), "%s", sha);
    if (entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE)
        entry->size = -1;
    return RB_OK;
}

static void tree_push(struct tree_walk *walk, const char *path, const char *sha, bool recursive)
{
    if (walk->folder_count == walk->folder_capacity) {
        walk->folder_capacity = walk->folder_capacity ? walk->folder_capacity * 2 : 64;
        walk->folders = rb_realloc(walk->folders, walk->folder_capacity * sizeof(walk->folders[0]));
    }
    struct tree_folder *folder = &walk->folders[walk->folder_count++];
    *folder = (struct tree_folder){.path = path, .recursive = recursive};
    snprintf(folder->sha, sizeof(folder->sha), "%s", sha);
}

static rb_err tree_read_folder(bool *truncated, struct tree_walk *walk, const struct tree_folder *folder)
{
    struct rb_github_request request;
    struct rb_github_response response = {0};
    walk->reading = folder;
    walk->mark = walk->entries.count;
    walk->requests++;
    rb_github_get_tree(&request, walk->handle->about.owner, walk->handle->about.name, folder->sha,
                       folder->recursive);
    rb_err err = rb_repo_ask(&response, walk->handle, &request);
    if (!err)
        err = rb_github_read_tree(truncated, &response, tree_add, walk);
    walk->reading = NULL;
    rb_github_response_clear(&response);
    return err;
}

/* Reads everything below the folders on the stack. */
static rb_err tree_walk_all(struct rb_tree *tree, struct tree_walk *walk)
{
    while (walk->folder_count > 0) {
        struct tree_folder folder = walk->folders[--walk->folder_count];
        bool truncated = false;
        if (walk->requests >= TREE_REQUESTS_MAX) {
            tree->complete = false;
            snprintf(tree->incomplete_reason, sizeof(tree->incomplete_reason),
                     "it takes more than %d requests to read this repository", TREE_REQUESTS_MAX);
            return RB_OK;
        }
        rb_err err = tree_read_folder(&truncated, walk, &folder);
        if (err)
            return err;
        if (!truncated && folder.recursive)
            continue;
        if (!folder.recursive) {
            if (truncated) { /* one folder with more entries than GitHub lists: there is no way to the rest */
                tree->complete = false;
                snprintf(tree->incomplete_reason, sizeof(tree->incomplete_reason),
                         "GitHub does not list all of one folder");
            }
            for (size_t i = walk->mark; i < walk->entries.count; i++) {
                const struct rb_tree_entry *entry = &walk->entries.items[i];
                if (entry->kind == RB_ENTRY_DIRECTORY)
                    tree_push(walk, entry->path, entry->sha, true);
            }
            continue;
        }
        walk->entries.count = walk->mark; /* the part of it is dropped: what follows reads it whole */
        tree_push(walk, folder.path, folder.sha, false);
    }
    return RB_OK;
}

static int tree_compare(const void *a, const void *b)
{
    const struct rb_tree_entry *left = a, *right = b;
    return strcmp(left->path, right->path);
}

/* Sorted, each path once (names that differ only in bytes GitHub replaced may have become equal). */
static void tree_finish(struct rb_tree *tree, struct tree_walk *walk)
{
    struct tree_entries *entries = &walk->entries;
    size_t kept = 0;
    if (entries->count)
        qsort(entries->items, entries->count, sizeof(entries->items[0]), tree_compare);
    for (size_t i = 0; i < entries->count; i++) {
        if (kept == 0 || strcmp(entries->items[kept - 1].path, entries->items[i].path) != 0)
            entries->items[kept++] = entries->items[i];
    }
    if (kept < entries->count) {
        tree->complete = false;
        snprintf(tree->incomplete_reason, sizeof(tree->incomplete_reason), "%zu paths cannot be told apart",
                 entries->count - kept);
    }
    struct rb_tree_entry *items = rb_arena_alloc(walk->arena, kept * sizeof(items[0]));
    if (kept)
        memcpy(items, entries->items, kept * sizeof(items[0]));
    tree->entries = items;
    tree->count = kept;
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
    struct tree_walk walk = {.handle = handle, .arena = arena};
    tree_push(&walk, "", tree_sha, true);
    err = tree_walk_all(tree, &walk);
    if (!err)
        tree_finish(tree, &walk);
    free(walk.folders);
    free(walk.entries.items);
    return err;
}
