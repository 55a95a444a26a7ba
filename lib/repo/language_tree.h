/*
 * What is known of each file of a list. Private to lib/repo.
 */
#ifndef RB_REPO_LANGUAGE_TREE_H
#define RB_REPO_LANGUAGE_TREE_H

#include "lib/repo/language.h"
#include "lib/repo/path.h"

struct attributes;
struct language_file {
    const int16_t *candidates; /* by its name */
    const char *extension;     /* that says so; static, "" when none does */
    int16_t language;          /* what it is decided to be */
    int16_t read;              /* what its content says */
    int16_t said_language;     /* by .gitattributes */
    uint8_t candidate_count;
    uint8_t path; /* RB_PATH_… */
    bool is_file : 1, is_decided : 1;
    bool has_path : 1; /* `path` and is_left_out are known */
    bool is_read : 1, read_settles : 1, reads_generated : 1;
    bool is_cleared : 1;  /* named as tools name what they make; those read beside it are not made so */
    bool is_left_out : 1; /* vendored, generated, documentation */
    bool said_detectable : 1, said_undetectable : 1;
    bool said_unknown : 1; /* a language that nobody knows: no language then */
};
/* Which of the files that decide for others are there. */
struct language_hints {
    uint32_t found, against; /* a bit for each */
};
struct language_default {
    const char *extension; /* NULL: none yet */
    int16_t language;
};
struct rb_language_tree {
    const struct rb_tree *tree;
    struct rb_arena *arena;
    struct rb_tree_walk *walk;     /* through the tree, again and again */
    struct language_file *files;   /* one for each entry */
    struct attributes *attributes; /* NULL: none read yet */
    const bool *is_open;           /* of each language: some extension leaves it open */
    struct language_hints hints;
    int main_language; /* of the programming languages, by what the names tell; only where it is asked for */
    struct language_default defaults[64];
};

/* A list whose files are still to be prepared, and settled. A file is prepared with what its name says; its
 * path is looked at when it matters, where that is not done at once. */
struct rb_language_tree *language_tree_begin(const struct rb_tree *tree, struct rb_arena *arena);
void language_file_prepare(struct language_file *file, const struct rb_tree_entry *entry);
void language_hints_note(struct language_hints *noted, const struct rb_tree_entry *entry);
/* What is known of a file whose language is `language`. */
struct rb_language_of_file language_file_answer(struct language_file *file, int language,
                                                const struct rb_tree_entry *entry);

/* What an extension of several languages means (language_guess.c), RB_LANGUAGE_NONE where nobody says: by
 * linguist's tests where none holds, or ours before it; and where no neighbour tells either. */
int language_guess_default(const char *extension);
int language_guess_mostly(const char *extension);
/* Sets is_cleared of all files that were not read (language_suspects.c). */
void language_suspects_clear(struct rb_language_tree *all);

/*
 * What the language of a prepared file that nobody has read hangs on beside its own entry and the hints of
 * the list. *language is what it is where it hangs on nothing. Programs in bin/ and the like ask for the main
 * language, all others for the evidence of some languages.
 */
enum language_asks { LANGUAGE_ASKS_NONE, LANGUAGE_ASKS_NEIGHBOURS, LANGUAGE_ASKS_ALL };
enum language_asks language_file_asks(int *language, struct rb_language_tree *all,
                                      const struct language_file *file, const struct rb_tree_entry *entry);
/* Sets those of the languages that a file which asks neighbours looks for. */
void language_file_asks_of(bool *languages, const struct language_file *file);
/* Sets those that a file can be evidence of, whatever the hints; `language` is what it is without them, where
 * that is known. */
void language_file_tells(bool *languages, const struct language_file *file, int language);
/* False: the name of the file is no hint, and not of several languages. True says little. */
bool language_path_ends_open(const char *path);

#endif
