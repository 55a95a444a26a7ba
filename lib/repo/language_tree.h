/*
 * What is known of each file of a list. Private to lib/repo.
 */
#ifndef RB_REPO_LANGUAGE_TREE_H
#define RB_REPO_LANGUAGE_TREE_H

#include "lib/repo/language.h"

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
    bool is_read : 1, read_settles : 1, reads_generated : 1;
    bool is_cleared : 1;  /* named as tools name what they make; those read beside it are not made so */
    bool is_left_out : 1; /* vendored, generated, documentation */
    bool said_detectable : 1, said_undetectable : 1;
    bool said_unknown : 1; /* a language that nobody knows: no language then */
};
struct rb_language_tree {
    const struct rb_tree *tree;
    struct rb_arena *arena;
    struct rb_tree_walk *walk;     /* through the tree, again and again */
    struct language_file *files;   /* one for each entry */
    struct attributes *attributes; /* NULL: none read yet */
    const bool *is_open;           /* of each language: some extension leaves it open */
    uint32_t hints;
    int main_language; /* of the programming languages, by what the names tell */
};

#endif
