/*
 * The language of every file of a tree. Where an extension belongs to several languages, the neighbours
 * decide: what else lies in the same folder, then in the whole repository. So the list is read twice.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/repo/language.h"

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

/* First reading: what the names alone tell. Shared extensions are left open. */
static void tree_learn(int16_t *languages, struct neighbours *all, const struct rb_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        languages[i] = RB_LANGUAGE_NONE;
        if (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE)
            continue;
        const struct rb_shared_extension *shared;
        languages[i] = (int16_t)rb_language_of(&shared, entry->path);
        if (languages[i] != RB_LANGUAGE_NONE)
            neighbours_note(all, entry->path, languages[i]);
        int hinted = rb_language_hinted(entry->path);
        if (hinted != RB_LANGUAGE_NONE)
            all->whole[hinted]++;
    }
}

static void tree_settle(int16_t *languages, const struct neighbours *all, const struct rb_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = &tree->entries[i];
        if (languages[i] != RB_LANGUAGE_NONE ||
            (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE))
            continue;
        const struct rb_shared_extension *shared;
        rb_language_of(&shared, entry->path);
        if (shared)
            languages[i] = (int16_t)shared_decide(all, shared, entry->path);
    }
}

void rb_language_of_tree(int16_t *languages, const struct rb_tree *tree)
{
    struct neighbours all = {.mask = 1023};
    all.slots = rb_calloc(all.mask + 1, sizeof *all.slots);
    all.whole = rb_calloc(rb_language_total, sizeof *all.whole);
    tree_learn(languages, &all, tree);
    tree_settle(languages, &all, tree);
    free(all.whole);
    free(all.slots);
}
