/* A made-up repository with content, read and settled, and what was found as text. */
#ifndef RB_TESTS_SCANNER_FILES_H
#define RB_TESTS_SCANNER_FILES_H

#include "tests/unit/scanner_help.h"

struct text_file {
    const char *path, *text; /* NULL: only in the file list */
};

static inline void read_files(struct rb_scan *scan, struct rb_arena *arena, const struct text_file *files,
                              size_t count)
{
    struct made_file *made = rb_arena_alloc(arena, count * sizeof *made);
    struct rb_tree *tree = rb_arena_alloc(arena, sizeof *tree);
    for (size_t i = 0; i < count; i++)
        made[i] = (struct made_file){files[i].path, 1};
    *tree = make_tree(made, count, arena);
    rb_scan_survey(scan, tree, arena);
    for (size_t i = 0; i < scan->manifest_count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (strcmp(files[k].path, scan->manifests[i].path) != 0 || !files[k].text)
                continue;
            rb_scan_read(scan, i, files[k].text, strlen(files[k].text));
            if (scan->manifests[i].status != RB_MANIFEST_PARSED)
                fail_msg("%s: %s", files[k].path, scan->manifests[i].error);
        }
    }
    rb_scan_settle(scan);
}

/* "name requirement=version kind[ flags]" of each dependency of a manifest, "; " between; of all for NULL. */
static inline const char *found_in(const struct rb_scan *scan, const char *manifest)
{
    const char *all = "";
    for (size_t i = 0; i < scan->sheet.count; i++) {
        const struct rb_scan_dependency *item = &scan->sheet.items[i];
        if (manifest && strcmp(item->manifest, manifest) != 0)
            continue;
        all = rb_arena_printf(scan->arena, "%s%s%s %s=%s %s%s%s%s", all, *all ? "; " : "", item->name,
                              item->requirement, item->version, item->kind, item->local ? " local" : "",
                              item->offered ? " offered" : "", item->indirect ? " indirect" : "");
    }
    return all;
}

/* "name version licence [entry=target, …]" of each package, "; " between. */
static inline const char *packages_in(const struct rb_scan *scan)
{
    const char *all = "";
    for (size_t i = 0; i < scan->sheet.package_count; i++) {
        const struct rb_scan_package *package = &scan->sheet.packages[i];
        all = rb_arena_printf(scan->arena, "%s%s%s %s %s [", all, i ? "; " : "", package->name,
                              package->version, package->licence);
        for (size_t k = 0; k < package->entry_count; k++)
            all = rb_arena_printf(scan->arena, "%s%s%s=%s", all, k ? ", " : "", package->entries[k].name,
                                  package->entries[k].command);
        all = rb_arena_printf(scan->arena, "%s]", all);
    }
    return all;
}

#define READ_FILES(scan, arena, ...)                              \
    struct rb_scan scan;                                          \
    static const struct text_file files_##scan[] = {__VA_ARGS__}; \
    read_files(&scan, arena, files_##scan, sizeof files_##scan / sizeof *files_##scan)

#endif
