/* Bytes by folder and language. */
#include "lib/repo/language_evidence.h"

#include <stdlib.h>

#define SLOTS_FIRST 1024

struct evidence_slot {
    uint64_t key; /* 0: free */
    int64_t bytes;
};

size_t language_folders_above(uint64_t folders[LANGUAGE_FOLDERS_MAX], const char *path)
{
    size_t count = 0;
    uint64_t hash = LANGUAGE_FOLDER_ROOT; /* FNV-1a */
    folders[count++] = hash;
    for (; *path && count < LANGUAGE_FOLDERS_MAX; path++) {
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3ULL;
        if (*path == '/')
            folders[count++] = hash;
    }
    return count;
}

void language_evidence_init(struct language_evidence *all)
{
    *all = (struct language_evidence){.slots = rb_calloc(SLOTS_FIRST, sizeof *all->slots),
                                      .mask = SLOTS_FIRST - 1};
}

void language_evidence_free(struct language_evidence *all)
{
    free(all->slots);
    all->slots = NULL;
}

static uint64_t evidence_key(uint64_t folder, int language)
{
    uint64_t hash = (folder ^ (uint64_t)language * 0x9e3779b97f4a7c15ULL) * 0x100000001b3ULL;
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static struct evidence_slot *evidence_slot(const struct language_evidence *all, uint64_t key)
{
    size_t at = key & all->mask;
    while (all->slots[at].key && all->slots[at].key != key)
        at = (at + 1) & all->mask;
    return &all->slots[at];
}

static void evidence_grow(struct language_evidence *all)
{
    struct language_evidence bigger = {.mask = all->mask * 2 + 1, .used = all->used};
    bigger.slots = rb_calloc(bigger.mask + 1, sizeof *bigger.slots);
    for (size_t i = 0; i <= all->mask; i++) {
        if (all->slots[i].key)
            *evidence_slot(&bigger, all->slots[i].key) = all->slots[i];
    }
    free(all->slots);
    *all = bigger;
}

void language_evidence_add(struct language_evidence *all, uint64_t folder, int language, int64_t bytes)
{
    if (all->used * 4 > all->mask * 3) /* of a million files there are a million of these */
        evidence_grow(all);
    struct evidence_slot *slot = evidence_slot(all, evidence_key(folder, language));
    all->used += slot->key == 0;
    slot->key = evidence_key(folder, language);
    slot->bytes += bytes;
}

int64_t language_evidence_of(const struct language_evidence *all, uint64_t folder, int language)
{
    return evidence_slot(all, evidence_key(folder, language))->bytes;
}
