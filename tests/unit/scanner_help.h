/* What the tests of the scanner share: trees from lists of paths, manifests read alone. */
#ifndef RB_TESTS_SCANNER_HELP_H
#define RB_TESTS_SCANNER_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scanner/scan.h"

/* A file of a made-up repository; sizes are bytes. */
struct made_file {
    const char *path;
    int64_t size;
};

static inline int made_order(const void *a, const void *b)
{
    return strcmp(((const struct rb_tree_entry *)a)->path, ((const struct rb_tree_entry *)b)->path);
}

static inline struct rb_tree make_tree(const struct made_file *files, size_t count, struct rb_arena *arena)
{
    struct rb_tree_entry *entries = rb_arena_alloc(arena, (count + 1) * sizeof *entries);
    for (size_t i = 0; i < count; i++)
        entries[i] =
            (struct rb_tree_entry){.path = files[i].path, .kind = RB_ENTRY_FILE, .size = files[i].size};
    qsort(entries, count, sizeof *entries, made_order);
    struct rb_tree tree = {.entries = entries, .count = count, .complete = true};
    memcpy(tree.commit, "0123456789012345678901234567890123456789", 41);
    return tree;
}

/* Reads one manifest as if it lay at `path`. */
static inline rb_err read_manifest(struct rb_scan_sheet *sheet, struct rb_arena *arena, const char *path,
                                   const char *text)
{
    const struct rb_scan_format *format = rb_scan_format_of(path);
    assert_non_null(format);
    assert_non_null(format->parse);
    rb_scan_sheet_init(sheet, arena);
    sheet->manifest = path;
    sheet->ecosystem = format->ecosystem;
    return format->parse(sheet, text, strlen(text));
}

static inline const struct rb_scan_dependency *find_dependency(const struct rb_scan_sheet *sheet,
                                                               const char *name)
{
    for (size_t i = 0; i < sheet->count; i++) {
        if (strcmp(sheet->items[i].name, name) == 0)
            return &sheet->items[i];
    }
    return NULL;
}

#endif
