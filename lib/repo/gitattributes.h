/*
 * .gitattributes, as far as languages are concerned: linguist-language, -vendored, -generated,
 * -documentation, -detectable, and the filter (of Git LFS). Patterns mean what git says they mean: without a
 * slash they match a name in any folder below, with one a path from the folder of the file; a star stops at a
 * slash, two stars do not; a negated pattern counts for nothing. The nearest file wins, and in it the last
 * line. Private to lib/repo.
 */
#ifndef RB_REPO_GITATTRIBUTES_H
#define RB_REPO_GITATTRIBUTES_H

#include "lib/base/base.h"

enum attribute_name {
    ATTRIBUTE_LANGUAGE,
    ATTRIBUTE_VENDORED,
    ATTRIBUTE_GENERATED,
    ATTRIBUTE_DOCUMENTATION,
    ATTRIBUTE_DETECTABLE,
    ATTRIBUTE_FILTER,
    ATTRIBUTE_COUNT
};
enum attribute_state { ATTRIBUTE_UNSAID, ATTRIBUTE_TRUE, ATTRIBUTE_FALSE, ATTRIBUTE_VALUE };
struct attribute {
    enum attribute_state state;
    const char *value; /* of ATTRIBUTE_VALUE; lives as long as the arena */
};

#define ATTRIBUTE_RULES_MAX  2000 /* lines with one of the six, in all files: each is tried on each path */
#define ATTRIBUTE_MACROS_MAX 64
#define ATTRIBUTE_LINE_MAX   2048 /* git ignores longer lines */

struct attributes;
struct attributes *attributes_new(struct rb_arena *arena);
/* Takes a file in; `path` is its own, "a/.gitattributes". In any order. */
void attributes_add(struct attributes *all, const char *path, const char *content, size_t len);
bool attributes_are_there(const struct attributes *all); /* whether any line matters */
/* What they say of a path. */
void attributes_of(struct attribute out[ATTRIBUTE_COUNT], struct attributes *all, const char *path);
/* Whether a glob matches a text, as git's wildmatch does: with `pathname` a star stops at a slash. Exposed
 * for its tests. */
bool attribute_glob(const char *pattern, size_t pattern_len, const char *text, bool pathname);

#endif
