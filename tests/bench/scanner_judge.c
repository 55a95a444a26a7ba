/*
 * What the scanner says about a repository on disk, without any server: scanner_judge PATH [full]. For
 * looking at its judgement on real repositories, and for measuring it (the time of each part goes to standard
 * error).
 */
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scanner/scan.h"

struct listing {
    git_repository *repository;
    struct rb_arena *arena;
    struct rb_tree_entry *entries;
    size_t count, capacity;
};

static int listing_order(const void *a, const void *b)
{
    return strcmp(((const struct rb_tree_entry *)a)->path, ((const struct rb_tree_entry *)b)->path);
}

static int listing_add(const char *root, const git_tree_entry *entry, void *payload)
{
    struct listing *listing = payload;
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 1024;
        listing->entries = rb_realloc(listing->entries, listing->capacity * sizeof *listing->entries);
    }
    struct rb_tree_entry *item = &listing->entries[listing->count++];
    *item = (struct rb_tree_entry){
        .path = rb_arena_printf(listing->arena, "%s%s", root, git_tree_entry_name(entry)),
        .kind = RB_ENTRY_FILE,
        .size = -1};
    git_oid_tostr(item->sha, sizeof item->sha, git_tree_entry_id(entry));
    git_object_t type = git_tree_entry_type(entry);
    if (type == GIT_OBJECT_TREE) {
        item->kind = RB_ENTRY_DIRECTORY;
    } else if (type == GIT_OBJECT_COMMIT) {
        item->kind = RB_ENTRY_SUBMODULE;
    } else {
        if (git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK)
            item->kind = RB_ENTRY_SYMLINK;
        else if (git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB_EXECUTABLE)
            item->kind = RB_ENTRY_EXECUTABLE;
        git_odb *odb;
        size_t size = 0;
        git_object_t kind;
        if (git_repository_odb(&odb, listing->repository) == 0) {
            if (git_odb_read_header(&size, &kind, odb, git_tree_entry_id(entry)) == 0)
                item->size = (int64_t)size;
            git_odb_free(odb);
        }
    }
    return 0;
}

static void read_manifests(struct rb_scan *scan, git_repository *repository)
{
    for (size_t i = 0; i < scan->manifest_count; i++) {
        git_oid id;
        git_blob *blob;
        if (scan->manifests[i].status != RB_MANIFEST_CHOSEN ||
            git_oid_fromstr(&id, scan->manifests[i].entry->sha) || git_blob_lookup(&blob, repository, &id))
            continue;
        size_t len = (size_t)git_blob_rawsize(blob);
        const char *content = rb_arena_strndup(scan->arena, git_blob_rawcontent(blob), len);
        git_blob_free(blob);
        rb_scan_read(scan, i, content, len);
    }
}

int main(int argc, char **argv)
{
    struct listing listing = {.arena = rb_arena_new()};
    git_object *tree = NULL, *commit = NULL;
    if (argc < 2) {
        fprintf(stderr, "usage: %s PATH [full]\n", argv[0]);
        return 2;
    }
    git_libgit2_init();
    if (git_repository_open(&listing.repository, argv[1]) ||
        git_revparse_single(&commit, listing.repository, "HEAD^{commit}") ||
        git_revparse_single(&tree, listing.repository, "HEAD^{tree}")) {
        fprintf(stderr, "%s: %s\n", argv[1], git_error_last()->message);
        return 1;
    }
    git_tree_walk((git_tree *)tree, GIT_TREEWALK_PRE, listing_add, &listing);
    qsort(listing.entries, listing.count, sizeof *listing.entries, listing_order);
    struct rb_tree list = {.entries = listing.entries, .count = listing.count, .complete = true};
    git_oid_tostr(list.commit, sizeof list.commit, git_object_id(commit));

    struct rb_scan scan;
    int64_t start = rb_clock_us();
    rb_scan_survey(&scan, &list, listing.arena);
    int64_t surveyed = rb_clock_us();
    read_manifests(&scan, listing.repository);
    int64_t read = rb_clock_us();
    rb_scan_settle(&scan);
    json_t *profile = rb_scan_profile(&scan, argv[1]);
    if (argc < 3)
        json_object_del(profile, "dependencies");
    json_dumpf(profile, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(4));
    fprintf(stderr, "\nentries=%zu survey_us=%lld read_us=%lld profile_us=%lld\n", list.count,
            (long long)(surveyed - start), (long long)(read - surveyed), (long long)(rb_clock_us() - read));
    json_decref(profile);
    rb_arena_free(listing.arena);
    free(listing.entries);
    git_object_free(tree);
    git_object_free(commit);
    git_repository_free(listing.repository);
    git_libgit2_shutdown();
    return 0;
}
