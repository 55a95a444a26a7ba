/*
 * The languages of a repository, from its file list: each file's language by its name, shares by the bytes of
 * programming and markup languages. Code of others, generated files and documentation do not count, as on
 * GitHub. Where an extension belongs to several languages, the neighbours decide, so the list is read twice.
 */
#include "scanner/scan.h"

#include <stdlib.h>
#include <string.h>

#include "scanner/language.h"
#include "scanner/text.h"

/* How many files of a language a folder holds: an open hash table keyed by both. */
struct neighbour {
    uint64_t key; /* 0: free */
    uint32_t files;
};
struct neighbours {
    struct neighbour *slots;
    size_t mask, used;
    int64_t *whole; /* of each language, in the whole repository */
};

static uint64_t neighbour_key(const char *path, int language)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    uint64_t hash = 0xcbf29ce484222325ULL ^ (uint64_t)language; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)path[i]) * 0x100000001b3ULL;
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static struct neighbour *neighbour_slot(const struct neighbours *all, uint64_t key)
{
    size_t at = key & all->mask;
    while (all->slots[at].key && all->slots[at].key != key)
        at = (at + 1) & all->mask;
    return &all->slots[at];
}

static void neighbours_grow(struct neighbours *all)
{
    struct neighbours bigger = {.mask = all->mask * 2 + 1};
    bigger.slots = rb_calloc(bigger.mask + 1, sizeof *bigger.slots);
    for (size_t i = 0; i <= all->mask; i++) {
        if (all->slots[i].key)
            *neighbour_slot(&bigger, all->slots[i].key) = all->slots[i];
    }
    free(all->slots);
    all->slots = bigger.slots;
    all->mask = bigger.mask;
}

static void neighbours_note(struct neighbours *all, const char *path, int language)
{
    all->whole[language]++;
    if (all->used * 2 > all->mask)
        neighbours_grow(all);
    struct neighbour *slot = neighbour_slot(all, neighbour_key(path, language));
    all->used += slot->key == 0;
    slot->key = neighbour_key(path, language);
    slot->files++;
}

static int shared_decide(const struct neighbours *all, const struct rb_shared_extension *shared,
                         const char *path)
{
    int best = RB_LANGUAGE_NONE;
    int64_t most = 0;
    for (int scope = 0; scope < 2 && most == 0; scope++) {
        for (size_t i = 0; i < RB_LANGUAGE_CANDIDATES && shared->candidates[i]; i++) {
            int language = rb_language_index(shared->candidates[i]);
            if (language == RB_LANGUAGE_NONE)
                continue;
            int64_t files =
                scope == 0 ? neighbour_slot(all, neighbour_key(path, language))->files : all->whole[language];
            if (files > most) {
                most = files;
                best = language;
            }
        }
    }
    return most ? best : rb_language_index(shared->candidates[0]);
}

static bool entry_is_file(const struct rb_tree_entry *entry)
{
    return entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE;
}

static bool entry_counts(const struct rb_tree_entry *entry)
{
    return entry_is_file(entry) && !rb_path_is_vendored(entry->path) && !rb_path_is_generated(entry->path) &&
           !rb_path_is_documentation(entry->path);
}

static void languages_learn(struct neighbours *all, const struct rb_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        if (!entry_is_file(entry) || rb_path_is_generated(entry->path))
            continue;
        const struct rb_shared_extension *shared;
        int language = rb_language_of(&shared, entry->path);
        if (language != RB_LANGUAGE_NONE)
            neighbours_note(all, entry->path, language);
        language = rb_language_hinted(entry->path);
        if (language != RB_LANGUAGE_NONE)
            all->whole[language]++;
    }
}

static void languages_count(struct rb_scan_language *counts, const struct neighbours *all,
                            const struct rb_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        if (!entry_counts(entry))
            continue;
        const struct rb_shared_extension *shared;
        int language = rb_language_of(&shared, entry->path);
        if (shared)
            language = shared_decide(all, shared, entry->path);
        if (language == RB_LANGUAGE_NONE)
            continue;
        counts[language].files++;
        counts[language].bytes += entry->size > 0 ? entry->size : 0;
    }
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
    struct neighbours all = {.mask = 1023};
    all.slots = rb_calloc(all.mask + 1, sizeof *all.slots);
    all.whole = rb_calloc(rb_language_total, sizeof *all.whole);
    struct rb_scan_language *counts = rb_calloc(rb_language_total, sizeof *counts);
    languages_learn(&all, scan->tree);
    languages_count(counts, &all, scan->tree);
    scan->languages = rb_arena_alloc(scan->arena, rb_language_total * sizeof *scan->languages);
    languages_keep(scan, counts, RB_PROGRAMMING, RB_MARKUP);
    if (scan->language_count == 0)
        languages_keep(scan, counts, RB_DATA, RB_PROSE);
    free(counts);
    free(all.whole);
    free(all.slots);
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
