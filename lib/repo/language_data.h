/*
 * What github-linguist knows, as tables (lib/repo/language_data.inc, made by language_generate.mjs), and the
 * regular expressions among them. Private to lib/repo.
 */
#ifndef RB_REPO_LANGUAGE_DATA_H
#define RB_REPO_LANGUAGE_DATA_H

#include "lib/repo/language.h"
#include "lib/repo/path.h"

/* A name, and the languages that it may mean: `count` of language_lists from `first`. Sorted by bytes. */
struct language_key {
    const char *text;
    int16_t first, count;
};
extern const struct language_key language_extensions[]; /* lower case, with their dot */
extern const struct language_key language_file_names[]; /* as they are written */
extern const struct language_key language_interpreters[];
extern const struct language_key language_aliases[]; /* lower case */
extern const size_t language_extension_total, language_file_name_total;
extern const int16_t language_lists[];
extern const char *const language_generic_extensions[]; /* too common to mean a language by themselves */
extern const size_t language_generic_extension_total;
/* The key, or NULL. */
const struct language_key *language_find_extension(const char *text);
const struct language_key *language_find_file_name(const char *text);
const struct language_key *language_find_interpreter(const char *text);
const struct language_key *language_find_alias(const char *text);

struct language_path_pattern {
    const char *regex;
    uint8_t kind; /* RB_PATH_… */
};
extern const struct language_path_pattern language_path_patterns[];
extern const size_t language_path_pattern_total;

/* What is asked of the content of a file with one of some extensions: rules in their order, the first whose
 * tests all hold names the language. */
struct language_test {
    int16_t pattern;
    uint8_t wanted; /* 0: it must not match */
};
struct language_rule {
    int16_t language; /* RB_LANGUAGE_NONE: several, which this does not tell apart */
    int16_t first_test, test_count;
};
struct language_heuristic {
    int16_t first_extension, extension_count, first_rule, rule_count;
};
extern const struct language_test language_tests[];
extern const struct language_rule language_rules[];
extern const char *const language_heuristic_extensions[];
extern const struct language_heuristic language_heuristics[];
extern const size_t language_heuristic_total, language_pattern_total;
extern const char *const language_patterns[];
/* The heuristic for a file name (lower case), or NULL. */
const struct language_heuristic *language_heuristic_of(const char *lower);
/* Its language when no test holds: RB_LANGUAGE_NONE when it has none. */
int language_heuristic_default(const struct language_heuristic *heuristic);

/* File names are looked at up to here: the longest extension that is known has 26 bytes. */
#define LANGUAGE_NAME_MAX 256
/* The base name of `path` in lower case; false when it is longer than that. */
bool language_lower_base(char lower[LANGUAGE_NAME_MAX], const char *path);

/* Which languages the name alone allows. */
struct language_candidates {
    const int16_t *languages; /* NULL when none */
    size_t count;
    bool by_name;          /* a whole file name, not an extension */
    const char *extension; /* the one that says so; "" when none does */
};
void language_candidates_of(struct language_candidates *out, const char *path);

/* Whether linguist takes the content (its first 128 KiB) for made by a tool. */
bool language_is_generated(const char *path, const char *content, size_t len);

#endif
