/*
 * The language of each file of a repository, as github-linguist decides, which GitHub's language bar shows.
 *
 * Most of it is known from the file list alone: names, extensions, folders, and what lies beside a file whose
 * extension belongs to several languages. A tree is opened with rb_language_tree_new(); who can read files
 * then asks rb_language_tree_wanted() for the few whose content can change the answer, hands in what it got
 * with rb_language_tree_read(), in any order, and settles again. The tables are linguist's own
 * (language_data.inc), so are the rules; where linguist would compare the content with samples of each
 * language (its last resort), the neighbours decide here.
 */
#ifndef RB_REPO_LANGUAGE_H
#define RB_REPO_LANGUAGE_H

#include "lib/store/store.h"

/* ---- the languages ------------------------------------------------------------------------------------ */

enum rb_language_type { RB_PROGRAMMING, RB_MARKUP, RB_DATA, RB_PROSE };
struct rb_language {
    const char *name;
    enum rb_language_type type;
    int16_t group;   /* the language that it counts as in shares; itself for most */
    bool is_popular; /* by linguist's list */
};
extern const struct rb_language rb_languages[]; /* sorted by name, whatever the case */
extern const size_t rb_language_total;
extern const char *const rb_language_data_version; /* of github-linguist: "9.7.0" */

#define RB_LANGUAGE_NONE (-1)
/* Index of a language by its name, RB_LANGUAGE_NONE when unknown. */
int rb_language_index(const char *name);
/* The same by what people call it in .gitattributes and editors: "golang", "C++", "js". */
int rb_language_by_alias(const char *text, size_t len);
/* Index of the language that counts for the language `index` in shares. */
int rb_language_counted_as(int index);

/* Index of the language that the name of a file alone gives, RB_LANGUAGE_NONE when it gives none or several.
 */
int rb_language_of(const char *path);

/* ---- a file list -------------------------------------------------------------------------------------- */

struct rb_language_tree;
/* `tree` and `arena` must outlive it. Settled already, with what the file list says. Contents can be read
 * only where `tree` is an array. */
struct rb_language_tree *rb_language_tree_new(const struct rb_tree *tree, struct rb_arena *arena);

#define RB_LANGUAGE_READ_BYTES 131072 /* what linguist looks at of a file */
#define RB_LANGUAGE_WANTED_MAX 96     /* of one request of blobs, which carries a hundred */
#define RB_LANGUAGE_ATTRIBUTES_MAX                                                                          \
    32 /* files named .gitattributes, those nearest to the root first. The repositories that were looked at \
          have 9 at most */
struct rb_language_wanted {
    size_t entry;     /* of the tree */
    size_t max_bytes; /* more of it is not looked at */
    double worth;     /* about the part of the repository's bytes that it moves; 0 of .gitattributes, which
                         may move any */
};
/* The files whose content can change the shares the most, .gitattributes first. Returns how many were
 * written. */
size_t rb_language_tree_wanted(const struct rb_language_tree *all,
                               struct rb_language_wanted out[RB_LANGUAGE_WANTED_MAX]);
/* Notes the content (any bytes, perhaps only the beginning) of an entry; that of equal blobs is noted too. */
void rb_language_tree_read(struct rb_language_tree *all, size_t entry, const char *content, size_t len);
/* Decides anew, with all that has been read. */
void rb_language_tree_settle(struct rb_language_tree *all);
/* The language of an entry, or RB_LANGUAGE_NONE. */
int rb_language_tree_of(const struct rb_language_tree *all, size_t entry);
struct rb_language_of_file {
    int16_t language;  /* rb_language_tree_of() */
    bool is_generated; /* by its path and what was read of it; .gitattributes do not matter */
    uint8_t path;      /* rb_path_kinds(), and what its size adds to that */
};
struct rb_language_of_file rb_language_tree_file(const struct rb_language_tree *all, size_t entry);
/* Whether an entry counts in the shares: by linguist's rules and the repository's .gitattributes. */
bool rb_language_tree_counts(const struct rb_language_tree *all, size_t entry);

/* ---- a file list and the one before ------------------------------------------------------------------- */

/* A list, its entries that the other one has not or has otherwise, and their places in the list, in order:
 * the rest has the same path, kind and size in both. */
struct rb_language_list {
    const struct rb_tree *tree, *differing;
    const uint32_t *places;
};
/* `entry` is gone with the return. An error ends the calls. */
typedef rb_err (*rb_language_change_fn)(void *arg, const struct rb_tree_entry *entry,
                                        const struct rb_language_of_file *file);
/* Calls, in order, for each entry of the new list that differs, and for each other whose language is not what
 * it was in the old one: it may hang on what lies beside it. All of it by what the lists say, as
 * rb_language_tree_new() has it; but in a small part of its time where little differs. The errors are those
 * of `fn`. */
rb_err rb_language_change(const struct rb_language_list *old, const struct rb_language_list *new,
                          rb_language_change_fn fn, void *arg);

/* ---- what a content says ------------------------------------------------------------------------------ */

struct rb_language_reading {
    int16_t language;  /* RB_LANGUAGE_NONE: no language, or not told apart */
    bool is_settled;   /* the content has decided, also when it is no language */
    bool is_generated; /* made by a tool */
};
/* What linguist says of a file, by its path and content: modeline, name, first line, extension, and the tests
 * that tell apart the languages of one extension. Pure. */
struct rb_language_reading rb_language_read(const char *path, const char *content, size_t len);

#endif
