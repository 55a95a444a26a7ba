/*
 * The tables that scanner/rules/rules.cc makes of scanner/rules/ at build time: which clue shows which
 * technology. Private to the scanner and to that generator; everybody else asks rb_scan_technologies().
 */
#ifndef RB_SCANNER_TECHNOLOGY_H
#define RB_SCANNER_TECHNOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kinds of clue: how a rule names it, and what the scanner calls it (the ecosystem of a dependency, or
 * the place a word was read in). Those of files are told apart by how the text is written: "name", "name.*",
 * "*.end", "/a/name", "a/name", "folder/", "/folder/".
 */
#define RB_RULE_KINDS(X)                      \
    X(NPM, "npm", "npm")                      \
    X(PYPI, "pypi", "pypi")                   \
    X(CONDA, "conda", "conda")                \
    X(GO, "go", "go")                         \
    X(CARGO, "cargo", "cargo")                \
    X(MAVEN, "maven", "maven")                \
    X(COMPOSER, "composer", "composer")       \
    X(RUBYGEMS, "rubygems", "rubygems")       \
    X(NUGET, "nuget", "nuget")                \
    X(HEX, "hex", "hex")                      \
    X(PUB, "pub", "pub")                      \
    X(SWIFT, "swift", "swift")                \
    X(COCOAPODS, "cocoapods", "cocoapods")    \
    X(CONAN, "conan", "conan")                \
    X(VCPKG, "vcpkg", "vcpkg")                \
    X(CMAKE, "cmake", "cmake")                \
    X(HELM, "helm", "helm")                   \
    X(TERRAFORM, "terraform", "terraform")    \
    X(IMAGE, "image", "docker")               \
    X(ACTION, "action", "github-actions")     \
    X(PRE_COMMIT, "pre_commit", "pre-commit") \
    X(RESOURCE, "resource", "resource")       \
    X(ENV, "env", "env")                      \
    X(PACKAGE_KEY, "package_json", "key")     \
    X(PYPROJECT_KEY, "pyproject", "table")    \
    X(FILE, "file", "file")                   \
    X(FILE_STEM, NULL, "file")                \
    X(FILE_END, NULL, "file")                 \
    X(FILE_ROOT, NULL, "file")                \
    X(FILE_TAIL, NULL, "file")                \
    X(FOLDER, NULL, "file")                   \
    X(FOLDER_ROOT, NULL, "file")

enum rb_rule_kind {
#define RB_RULE_KIND(id, key, name) RB_RULE_##id,
    RB_RULE_KINDS(RB_RULE_KIND)
#undef RB_RULE_KIND
        RB_RULE_KIND_COUNT
};
#define RB_RULE_PREFIX   0x80 /* added to a kind: the clue is what a name begins with */
#define RB_RULE_TEXT_MAX 200  /* bytes of a clue: the longest module path has 80 */
#define RB_RULE_TAIL_MAX 2    /* folders in "a/b/name" */

struct rb_rule_clue {
    uint32_t text; /* where in rb_rule_texts it begins */
    uint16_t technology;
    uint8_t kind, len;
};
struct rb_rule_technology {
    uint32_t name;    /* where in rb_rule_texts it begins */
    uint16_t part_of; /* the technology beside which it is nothing more, plus one; 0 for none */
    uint8_t category;
    bool is_framework; /* one of the profile's "frameworks" */
};
struct rb_rule_category {
    const char *name;
    bool is_tool;    /* for working on a product: to need it for development only is to use it */
    bool is_of_test; /* at home in tests: to be found there is to be used */
    bool is_of_docs; /* at home in documentation */
};

#ifdef __cplusplus
extern "C" {
#endif

extern const char rb_rule_texts[]; /* terminated, one after the other */
extern const struct rb_rule_clue rb_rule_clues[];
extern const size_t rb_rule_clue_count;
extern const struct rb_rule_technology
    rb_rule_technologies[]; /* in the order of categories, then as written */
extern const size_t rb_rule_technology_count;
extern const struct rb_rule_category rb_rule_categories[];
extern const size_t rb_rule_category_count;
extern const uint16_t rb_rule_slots[]; /* index of a clue plus one by hash, open addressing; 0 is free */
extern const uint32_t rb_rule_slot_mask;

/* FNV-1a, a piece at a time; begins with the kind. */
static inline uint32_t rb_rule_hash_start(uint8_t kind)
{
    return (2166136261U ^ kind) * 16777619U;
}
static inline uint32_t rb_rule_hash(uint32_t hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619U;
    return hash;
}
/* The lowest bits of the hash alone are poor. */
static inline uint32_t rb_rule_slot(uint32_t hash)
{
    return hash ^ (hash >> 15);
}

/* ---- looking things up: no more work with more rules --------------------------------------------------- */

#define RB_RULE_HITS_MAX 8 /* technologies that one name or path may show; the rules go up to five */

/* What a dependency shows, the most special first: exactly it, then what its name begins with. */
size_t rb_rules_of_dependency(uint16_t *out, const char *ecosystem, const char *name);
/* What a word shows that was read in a file; `where` is "env", "key", "table" or "resource". */
size_t rb_rules_of_word(uint16_t *out, const char *where, const char *word, size_t len);
/* What the path of a file shows. Of its folders only if `with_folders`: files of one folder need it once. */
size_t rb_rules_of_path(uint16_t *out, const char *path, bool with_folders);
const char *rb_rule_name(size_t technology);
/* Marks the technologies that packages of this repository are: those it does not use. */
struct rb_scan;
void rb_rules_own(bool *own, const struct rb_scan *scan);

#ifdef __cplusplus
}
#endif

#endif
