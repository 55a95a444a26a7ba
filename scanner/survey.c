/*
 * The languages of a repository, from its file list: shares by the bytes of programming and markup languages.
 * Code of others, generated files and documentation do not count, as on GitHub.
 */
#include "scanner/scan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/repo/language.h"
#include "scanner/text.h"

static bool entry_is_file(const struct rb_tree_entry *entry)
{
    return entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE;
}

static bool entry_counts(const struct rb_tree_entry *entry)
{
    return entry_is_file(entry) && !rb_path_is_vendored(entry->path) && !rb_path_is_generated(entry->path) &&
           !rb_path_is_documentation(entry->path);
}

static void languages_count(struct rb_scan_language *counts, const int16_t *languages,
                            const struct rb_tree *tree)
{
    int *counted_as = rb_calloc(rb_language_total, sizeof *counted_as);
    for (size_t i = 0; i < rb_language_total; i++)
        counted_as[i] = rb_language_counted_as((int)i);
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        if (languages[i] == RB_LANGUAGE_NONE || !entry_counts(entry))
            continue;
        struct rb_scan_language *count = &counts[counted_as[languages[i]]];
        count->files++;
        count->bytes += entry->size > 0 ? entry->size : 0;
    }
    free(counted_as);
}

static int language_order(const void *a, const void *b)
{
    const struct rb_scan_language *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Keeps the languages of two types; where they have no byte, they are nothing to speak of. */
static void languages_keep(struct rb_scan *scan, const struct rb_scan_language *counts,
                           enum rb_language_type one, enum rb_language_type other)
{
    int64_t total = 0;
    scan->language_count = 0;
    for (size_t i = 0; i < rb_language_total; i++) {
        enum rb_language_type type = rb_languages[i].type;
        if (counts[i].bytes == 0 || (type != one && type != other))
            continue;
        struct rb_scan_language *kept = &scan->languages[scan->language_count++];
        *kept = counts[i];
        kept->name = rb_languages[i].name;
        kept->is_programming = type == RB_PROGRAMMING;
        total += kept->bytes;
    }
    for (size_t i = 0; i < scan->language_count; i++)
        scan->languages[i].tenths = (int)((double)scan->languages[i].bytes * 1000.0 / (double)total + 0.5);
    qsort(scan->languages, scan->language_count, sizeof *scan->languages, language_order);
}

void rb_scan_languages(struct rb_scan *scan)
{
    int16_t *languages = rb_malloc(scan->tree->count * sizeof *languages + 1);
    struct rb_scan_language *counts = rb_calloc(rb_language_total, sizeof *counts);
    rb_language_of_tree(languages, scan->tree);
    languages_count(counts, languages, scan->tree);
    scan->languages = rb_arena_alloc(scan->arena, rb_language_total * sizeof *scan->languages);
    languages_keep(scan, counts, RB_PROGRAMMING, RB_MARKUP);
    if (scan->language_count == 0)
        languages_keep(scan, counts, RB_DATA, RB_PROSE);
    scan->file_languages = rb_arena_alloc(scan->arena, scan->tree->count * sizeof *languages + 1);
    for (size_t i = 0; i < scan->tree->count; i++) {
        bool counts_here = languages[i] != RB_LANGUAGE_NONE && entry_counts(&scan->tree->entries[i]);
        scan->file_languages[i] =
            counts_here ? (int16_t)rb_language_counted_as(languages[i]) : RB_LANGUAGE_NONE;
    }
    free(counts);
    free(languages);
}

int rb_scan_language_of(const struct rb_scan *scan, size_t entry)
{
    return scan->file_languages[entry];
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
    rb_scan_structure(scan);
    rb_scan_key_files(scan);
    rb_scan_choose(scan);
}
