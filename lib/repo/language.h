/*
 * Languages by the name of a file, as GitHub tells them: whole names first, then the longest extension known.
 * An extension that several languages use names them all; what the rest of the repository holds decides.
 */
#ifndef RB_REPO_LANGUAGE_H
#define RB_REPO_LANGUAGE_H

#include "lib/store/store.h"

enum rb_language_type { RB_PROGRAMMING, RB_MARKUP, RB_DATA, RB_PROSE };
struct rb_language {
    const char *name;
    enum rb_language_type type;
    const char *extensions; /* with their dot, lower case, a blank between */
    const char *names;      /* whole file names, a blank between; NULL when none */
};
extern const struct rb_language rb_languages[];
extern const size_t rb_language_total;

/* An extension shared by several languages. Of the candidates that one wins which has the most files in the
 * same folder, then in the whole repository; the first one when there are none. "" stands for no language. */
#define RB_LANGUAGE_CANDIDATES 6
struct rb_shared_extension {
    const char *extension;
    const char *candidates[RB_LANGUAGE_CANDIDATES];
};
extern const struct rb_shared_extension rb_shared_extensions[];
extern const size_t rb_shared_extension_total;

/* A file or extension that says which language is at home in a repository without being written in it. */
struct rb_language_hint {
    const char *name; /* with a leading dot: an extension; else a whole name */
    const char *language;
};
extern const struct rb_language_hint rb_language_hints[];
extern const size_t rb_language_hint_total;

/* Languages that GitHub counts as another one: HTML with code of a server in it is HTML. */
struct rb_language_group {
    const char *name, *group;
};
extern const struct rb_language_group rb_language_groups[];
extern const size_t rb_language_group_total;

#define RB_LANGUAGE_NONE (-1)
/* Index of a language by its name, RB_LANGUAGE_NONE when unknown. */
int rb_language_index(const char *name);
/* Index of the language that counts for the language `index` in shares; itself for most. */
int rb_language_counted_as(int index);
/* Index of the language of `path`, or RB_LANGUAGE_NONE. When the extension is shared, *shared is its row and
 * the result RB_LANGUAGE_NONE; else *shared is NULL. */
int rb_language_of(const struct rb_shared_extension **shared, const char *path);
/* Index of the language of each entry of `tree` into `languages` (room for tree->count); RB_LANGUAGE_NONE for
 * what is no file and for unknown names. Shared extensions are settled by the neighbours. Pure. */
void rb_language_of_tree(int16_t *languages, const struct rb_tree *tree);
/* The language that a file hints at, or RB_LANGUAGE_NONE. */
int rb_language_hinted(const char *path);

#endif
