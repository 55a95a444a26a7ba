/*
 * How many bytes of a language a folder holds, with all below it: an open hash table keyed by both. Private
 * to lib/repo.
 */
#ifndef RB_REPO_LANGUAGE_EVIDENCE_H
#define RB_REPO_LANGUAGE_EVIDENCE_H

#include "lib/base/base.h"

/* The folders above a file, as hashes, the root first; how many. Deeper ones than these say no more. */
#define LANGUAGE_FOLDERS_MAX 32
#define LANGUAGE_FOLDER_ROOT 0xcbf29ce484222325ULL
size_t language_folders_above(uint64_t folders[LANGUAGE_FOLDERS_MAX], const char *path);

struct language_evidence {
    struct evidence_slot *slots;
    size_t mask, used;
};
void language_evidence_init(struct language_evidence *all);
void language_evidence_free(struct language_evidence *all);
/* A folder is a hash of its path. */
void language_evidence_add(struct language_evidence *all, uint64_t folder, int language, int64_t bytes);
int64_t language_evidence_of(const struct language_evidence *all, uint64_t folder, int language);

#endif
