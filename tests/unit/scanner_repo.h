/* A small repository read whole, and what the scan says of it as text: a line a dependency. */
#ifndef RB_TESTS_SCANNER_REPO_H
#define RB_TESTS_SCANNER_REPO_H

#include "tests/unit/scanner_help.h"

#include <stdio.h>

struct repo_file {
    const char *path, *text;
};
#define REPO_FILES_MAX 12

/* Surveys, reads and settles; the manifests that could not be read fail the test unless `may_fail`. */
static inline void repo_scan(struct rb_scan *scan, struct rb_arena *arena, const struct repo_file *files,
                             size_t count, bool may_fail)
{
    struct made_file made[REPO_FILES_MAX];
    struct rb_tree *tree = rb_arena_alloc(arena, sizeof *tree);
    assert_true(count <= REPO_FILES_MAX);
    for (size_t i = 0; i < count; i++)
        made[i] = (struct made_file){files[i].path, (int64_t)strlen(files[i].text)};
    *tree = make_tree(made, count, arena);
    rb_scan_survey(scan, tree, arena);
    for (size_t i = 0; i < scan->manifest_count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (strcmp(files[k].path, scan->manifests[i].path) == 0 &&
                scan->manifests[i].status == RB_MANIFEST_CHOSEN)
                rb_scan_read(scan, i, files[k].text, strlen(files[k].text));
        }
        if (scan->manifests[i].status != RB_MANIFEST_PARSED && !may_fail)
            fail_msg("%s: %s", scan->manifests[i].path, scan->manifests[i].error);
    }
    rb_scan_settle(scan);
}

/* "manifest: name requirement = version (kind, flags)" for each. */
static inline const char *repo_text(const struct rb_scan *scan)
{
    const char *text = "";
    for (size_t i = 0; i < scan->sheet.count; i++) {
        const struct rb_scan_dependency *item = &scan->sheet.items[i];
        text = rb_arena_printf(scan->arena, "%s%s: %s%s%s%s%s (%s%s%s%s)\n", text, item->manifest, item->name,
                               *item->requirement ? " " : "", item->requirement, *item->version ? " = " : "",
                               item->version, item->kind, item->indirect ? ", indirect" : "",
                               item->local ? ", local" : "", item->offered ? ", offered" : "");
    }
    return text;
}

static inline void check_repo(const struct repo_file *files, size_t count, const char *want)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    repo_scan(&scan, arena, files, count, false);
    const char *have = repo_text(&scan);
    if (strcmp(have, want) != 0)
        fail_msg("it says\n%sand should say\n%s", have, want);
    rb_arena_free(arena);
}
#define CHECK_REPO(files, want) check_repo(files, sizeof(files) / sizeof *(files), want)

/* The package whose manifest lies at `path`. */
static inline const struct rb_scan_package *find_package(const struct rb_scan *scan, const char *path)
{
    for (size_t i = 0; i < scan->sheet.package_count; i++) {
        if (strcmp(scan->sheet.packages[i].manifest, path) == 0)
            return &scan->sheet.packages[i];
    }
    fail_msg("%s is no package", path);
    return NULL;
}

/* "name=command; …" of a package's scripts or entry points. */
static inline const char *commands_text(struct rb_arena *arena, const struct rb_scan_command *list,
                                        size_t count)
{
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = rb_arena_printf(arena, "%s%s%s=%s", text, i ? "; " : "", list[i].name, list[i].command);
    return text;
}

#endif
