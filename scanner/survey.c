/*
 * The languages of a repository: shares by the bytes of programming and markup languages. Code of others,
 * generated files and documentation do not count, as on GitHub. The file list tells nearly all; a few
 * contents tell the rest.
 */
#include "scanner/scan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/github/github.h"
#include "lib/repo/language.h"
#include "scanner/text.h"

static bool entry_is_file(const struct rb_tree_entry *entry)
{
    return entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE;
}

/* Which entries count, and as what. */
static void languages_count(struct rb_scan_language *counts, const struct rb_scan *scan)
{
    for (size_t i = 0; i < scan->tree->count; i++) {
        if (!rb_language_tree_counts(scan->language_tree, i))
            continue;
        struct rb_scan_language *count =
            &counts[rb_language_counted_as(rb_language_tree_of(scan->language_tree, i))];
        count->files++;
        count->bytes += scan->tree->entries[i].size > 0 ? scan->tree->entries[i].size : 0;
    }
}

/* Where nothing is programmed: data and prose, without what others wrote and what tools made. */
static void languages_count_rest(struct rb_scan_language *counts, const struct rb_scan *scan)
{
    for (size_t i = 0; i < scan->tree->count; i++) {
        int language = rb_language_tree_of(scan->language_tree, i);
        if (language == RB_LANGUAGE_NONE || (rb_path_kinds(scan->tree->entries[i].path) & RB_PATH_LEFT_OUT))
            continue;
        counts[language].files++;
        counts[language].bytes += scan->tree->entries[i].size > 0 ? scan->tree->entries[i].size : 0;
    }
}

static int language_order(const void *a, const void *b)
{
    const struct rb_scan_language *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Those that have a byte; the others are nothing to speak of. */
static void languages_keep(struct rb_scan *scan, const struct rb_scan_language *counts)
{
    static const char *const types[] = {"programming", "markup", "data", "prose"};
    int64_t total = 0;
    scan->language_count = 0;
    for (size_t i = 0; i < rb_language_total; i++) {
        if (counts[i].bytes == 0)
            continue;
        struct rb_scan_language *kept = &scan->languages[scan->language_count++];
        *kept = counts[i];
        kept->name = rb_languages[i].name;
        kept->type = types[rb_languages[i].type];
        kept->is_programming = rb_languages[i].type == RB_PROGRAMMING;
        total += kept->bytes;
    }
    for (size_t i = 0; i < scan->language_count; i++)
        scan->languages[i].tenths = (int)((double)scan->languages[i].bytes * 1000.0 / (double)total + 0.5);
    qsort(scan->languages, scan->language_count, sizeof *scan->languages, language_order);
}

static void languages_sum(struct rb_scan *scan)
{
    struct rb_scan_language *counts = rb_calloc(rb_language_total, sizeof *counts);
    languages_count(counts, scan);
    languages_keep(scan, counts);
    scan->has_data_only = scan->language_count == 0;
    if (scan->has_data_only) {
        languages_count_rest(counts, scan);
        languages_keep(scan, counts);
    }
    free(counts);
}

void rb_scan_languages(struct rb_scan *scan)
{
    scan->languages = rb_arena_alloc(scan->arena, rb_language_total * sizeof *scan->languages);
    scan->language_tree = rb_language_tree_new(scan->tree, scan->arena);
    languages_sum(scan);
}

/* What a request of a hundred gives whole; of it the beginning decides. All of them have three quarters of a
 * request: manifests fill it up. */
#define LANGUAGES_BYTES     500000
#define LANGUAGES_BYTES_ALL (RB_GITHUB_QUERY_BYTES / 4 * 3)

static void languages_take(struct rb_scan *scan, size_t index, const char *content, size_t len)
{
    rb_language_tree_read(scan->language_tree, index, content,
                          len < RB_LANGUAGE_READ_BYTES ? len : RB_LANGUAGE_READ_BYTES);
}

void rb_scan_languages_want(struct rb_scan *scan)
{
    struct rb_language_wanted wanted[RB_LANGUAGE_WANTED_MAX];
    size_t count = rb_language_tree_wanted(scan->language_tree, wanted);
    int64_t room = LANGUAGES_BYTES_ALL;
    for (size_t i = 0; i < count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[wanted[i].entry];
        if (entry->size > LANGUAGES_BYTES || entry->size > room) /* decided by its name and neighbours */
            continue;
        room -= entry->size;
        rb_scan_want(scan, &(struct rb_scan_wanted){.entry = entry,
                                                    .max_bytes = LANGUAGES_BYTES,
                                                    .is_text = true,
                                                    .is_filling = wanted[i].worth > 0,
                                                    .worth = wanted[i].worth,
                                                    .index = wanted[i].entry,
                                                    .take = languages_take});
    }
}

void rb_scan_languages_settle(struct rb_scan *scan)
{
    rb_language_tree_settle(scan->language_tree);
    languages_sum(scan);
}

int rb_scan_language_of(const struct rb_scan *scan, size_t entry)
{
    return rb_language_tree_counts(scan->language_tree, entry)
               ? rb_language_counted_as(rb_language_tree_of(scan->language_tree, entry))
               : RB_LANGUAGE_NONE;
}

void rb_scan_survey(struct rb_scan *scan, const struct rb_tree *tree, struct rb_arena *arena)
{
    memset(scan, 0, sizeof *scan);
    scan->arena = arena;
    scan->tree = tree;
    rb_scan_sheet_init(&scan->sheet, arena);
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        if (!entry_is_file(entry) && entry->kind != RB_ENTRY_SYMLINK)
            continue;
        scan->files++;
        scan->bytes += entry->size > 0 ? entry->size : 0;
    }
    rb_scan_languages(scan);
    rb_scan_languages_want(scan); /* few, and decided before the manifests take what may be read */
    rb_scan_structure(scan);
    rb_scan_key_files(scan);
    rb_scan_choose(scan);
    rb_scan_plan(scan);
}
