/*
 * What the scanner says about a repository on disk, without any server: scanner_judge PATH [full
 * [OWNER/NAME]]. For looking at its judgement on real repositories, and for measuring it (the time of each
 * part goes to standard error). "wanted" lists what is to be read. "languages" prints three lines: the bytes
 * of each from the file list alone, with .gitattributes, and after reading; "files" also each file's.
 */
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/language.h"
#include "lib/repo/repo.h"
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

static bool is_attributes(const struct rb_tree_entry *entry)
{
    return strcmp(rb_path_base(entry->path), ".gitattributes") == 0;
}

/* Those of .gitattributes, or the others. */
static void read_wanted(struct rb_scan *scan, git_repository *repository, bool attributes)
{
    for (size_t i = 0; i < scan->wanted_count; i++) {
        git_oid id;
        git_blob *blob;
        if (is_attributes(scan->wanted[i].entry) != attributes)
            continue;
        if (git_oid_fromstr(&id, scan->wanted[i].entry->sha) || git_blob_lookup(&blob, repository, &id)) {
            rb_scan_lack(scan, i, RB_ENOTFOUND, "git has no such blob");
            continue;
        }
        size_t len = (size_t)git_blob_rawsize(blob);
        char *content = rb_strndup(git_blob_rawcontent(blob), len);
        git_blob_free(blob);
        rb_scan_take(scan, i, content, len);
        free(content);
    }
}

/* Shares, and with "files" each file's language, as JSON: to be compared with linguist's. */
static void print_languages(const struct rb_scan *scan, bool files)
{
    json_t *out = json_object(), *shares = json_object(), *all = json_object();
    for (size_t i = 0; i < scan->language_count; i++)
        json_object_set_new(shares, scan->languages[i].name, json_integer(scan->languages[i].bytes));
    for (size_t i = 0; files && i < scan->tree->count; i++) {
        int language = rb_language_tree_of(scan->language_tree, i);
        if (rb_language_tree_counts(scan->language_tree, i))
            json_object_set_new(all, scan->tree->entries[i].path,
                                json_string(rb_languages[rb_language_counted_as(language)].name));
    }
    json_object_set_new(out, "languages", shares);
    json_object_set_new(out, "files", all);
    json_dumpf(out, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(out);
}

int main(int argc, char **argv)
{
    struct listing listing = {.arena = rb_arena_new()};
    git_object *tree = NULL, *commit = NULL;
    if (argc < 2) {
        fprintf(stderr, "usage: %s PATH [full [OWNER/NAME]|languages|files|wanted]\n", argv[0]);
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
    if (argc > 2 && strcmp(argv[2], "wanted") == 0) {
        for (size_t i = 0; i < scan.wanted_count; i++)
            printf("%lld\t%.40s\t%s\t%s\n", (long long)scan.wanted[i].entry->size, scan.wanted[i].entry->sha,
                   scan.wanted[i].is_text ? "text" : "-", scan.wanted[i].entry->path);
        fprintf(stderr, "requests=%zu\n", rb_scan_requests(&scan));
        return 0;
    }
    bool is_about_languages =
        argc > 2 && (strcmp(argv[2], "languages") == 0 || strcmp(argv[2], "files") == 0);
    if (is_about_languages)
        print_languages(&scan, strcmp(argv[2], "files") == 0); /* from the file list alone */
    read_wanted(&scan, listing.repository, true);
    rb_scan_languages_settle(&scan);
    if (is_about_languages)
        print_languages(&scan, strcmp(argv[2], "files") == 0); /* and .gitattributes */
    read_wanted(&scan, listing.repository, false);
    int64_t read = rb_clock_us();
    rb_scan_settle(&scan);
    if (is_about_languages)
        print_languages(&scan, strcmp(argv[2], "files") == 0);
    int64_t settled = rb_clock_us();
    size_t technologies;
    rb_scan_technologies(&technologies, &scan, "");
    int64_t matched = rb_clock_us();
    json_t *profile = rb_scan_profile(&scan, argc > 3 ? argv[3] : argv[1]);
    if (argc < 3)
        json_object_del(profile, "dependencies");
    if (!is_about_languages)
        json_dumpf(profile, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(4));
    fprintf(stderr,
            "\nentries=%zu requests=%zu survey_us=%lld read_us=%lld settle_us=%lld technologies_us=%lld "
            "profile_us=%lld\n",
            list.count, rb_scan_requests(&scan), (long long)(surveyed - start), (long long)(read - surveyed),
            (long long)(settled - read), (long long)(matched - settled),
            (long long)(rb_clock_us() - matched));
    json_decref(profile);
    rb_arena_free(listing.arena);
    free(listing.entries);
    git_object_free(tree);
    git_object_free(commit);
    git_repository_free(listing.repository);
    git_libgit2_shutdown();
    return 0;
}
