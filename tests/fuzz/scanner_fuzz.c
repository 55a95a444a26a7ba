/*
 * Hostile manifests, made by libFuzzer: tests/fuzz/run builds and starts it. The environment's FUZZ_PATH says
 * which manifest the bytes are ("Cargo.toml"); "paths" makes them the file list itself, a path a line;
 * ".gitattributes" and "content:NAME" what decides languages. Of several paths with '|' between them, the
 * first byte says which one the rest is.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/language.h"
#include "scanner/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_PATHS_MAX 200 /* more are only slower */

static size_t fuzz_paths(struct rb_tree_entry *entries, char *text, struct rb_arena *arena)
{
    size_t count = 0;
    char *rest = text, *line;
    while (count < FUZZ_PATHS_MAX && (line = strsep(&rest, "\n"))) {
        /* Git knows no empty names. */
        if (!*line || *line == '/' || strstr(line, "//"))
            continue;
        entries[count] = (struct rb_tree_entry){.path = rb_arena_strndup(arena, line, strlen(line)),
                                                .kind = RB_ENTRY_FILE,
                                                .size = (int64_t)strlen(line)};
        count++;
    }
    return count;
}

/* The path among several that the first byte says, which is taken off. */
static const char *fuzz_path_of(const char *paths, const uint8_t **data, size_t *size, struct rb_arena *arena)
{
    size_t count = 1, len;
    for (const char *at = paths; *at; at++)
        count += *at == '|';
    if (count == 1)
        return paths;
    size_t wanted = *size ? **data % count : 0;
    *data += *size > 0;
    *size -= *size > 0;
    for (; wanted > 0; wanted--)
        paths += strcspn(paths, "|") + 1;
    len = strcspn(paths, "|");
    return rb_arena_strndup(arena, paths, len);
}

/* Whatever comes in, a profile comes out that is JSON. */
static void fuzz_check(struct rb_scan *scan)
{
    rb_scan_settle(scan);
    for (size_t i = 0; i < scan->sheet.count; i++) {
        if (!*scan->sheet.items[i].name)
            abort();
    }
    json_t *profile = rb_scan_profile(scan, "acme/fuzz");
    char *dumped = json_dumps(profile, JSON_COMPACT);
    if (!dumped)
        abort();
    free(dumped);
    json_decref(profile);
}

/* A .gitattributes is read and asked about paths of each kind; what it says is a language that there is. */
static void fuzz_attributes(const char *text, size_t size, struct rb_arena *arena)
{
    static const char *const paths[] = {".gitattributes", "a.c", "a/b/c.js",     "a/b/[x]y z.py",
                                        "docs/\xff.md",   "x.h", "vendor/a/b.go"};
    enum { COUNT = sizeof paths / sizeof *paths };
    struct rb_tree_entry entries[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        entries[i] = (struct rb_tree_entry){.path = paths[i], .kind = RB_ENTRY_FILE, .size = 100};
    struct rb_tree tree = {.entries = entries, .count = COUNT, .complete = true};
    struct rb_language_tree *all = rb_language_tree_new(&tree, arena);
    rb_language_tree_read(all, 0, text, size);
    rb_language_tree_settle(all);
    for (size_t i = 0; i < COUNT; i++) {
        if (rb_language_tree_of(all, i) >= (int)rb_language_total)
            abort();
    }
}

/* A content of each kind of file: what it says is a language that there is. */
static void fuzz_content(const char *path, const char *text, size_t size)
{
    struct rb_language_reading reading = rb_language_read(path, text, size);
    if (reading.language >= (int)rb_language_total ||
        (reading.language != RB_LANGUAGE_NONE && !reading.is_settled))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = getenv("FUZZ_PATH");
    struct rb_arena *arena = rb_arena_new();
    path = fuzz_path_of(path ? path : "package.json", &data, &size, arena);
    struct rb_tree_entry entries[FUZZ_PATHS_MAX];
    struct rb_scan scan;
    /* Exactly as long as it is, so that one byte too far is seen. */
    char *text = rb_malloc(size + 1);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    struct rb_tree tree = {.entries = entries, .count = 1, .complete = true};
    if ((strcmp(path, ".gitattributes") == 0 || strncmp(path, "content:", 8) == 0)) {
        if (*path == '.')
            fuzz_attributes(text, size, arena);
        else
            fuzz_content(path + 8, text, size);
        free(text);
        rb_arena_free(arena);
        return 0;
    }
    if (strcmp(path, "paths") == 0) {
        tree.count = fuzz_paths(entries, text, arena);
        rb_scan_survey(&scan, &tree, arena);
    } else {
        entries[0] = (struct rb_tree_entry){.path = path, .kind = RB_ENTRY_FILE, .size = (int64_t)size};
        rb_scan_survey(&scan, &tree, arena);
        if (scan.manifest_count != 1)
            abort();
        rb_scan_read(&scan, 0, text, size);
        if (scan.manifests[0].status != RB_MANIFEST_PARSED &&
            scan.manifests[0].status != RB_MANIFEST_UNREADABLE &&
            scan.manifests[0].status != RB_MANIFEST_TOO_BIG)
            abort();
    }
    fuzz_check(&scan);
    free(text);
    rb_arena_free(arena);
    return 0;
}
