/* The rules of the labeller: which labels a pull request should have. Pure. */
#ifndef RB_EXAMPLES_LABELLER_RULES_H
#define RB_EXAMPLES_LABELLER_RULES_H

#include <repobus/bus.h>

#define RULES_AREAS_MAX    50
#define RULES_PATTERNS_MAX 100 /* of one area */
#define RULES_LABELS_MAX   (RULES_AREAS_MAX + 1)
#define RULES_NAME_MAX     50 /* bytes of a label's name, as GitHub has it */

/*
 * {"sizes": {"S": 20, "M": 100, "L": 500}, "areas": {"docs": ["*.md", "*.rst"]}}
 *
 * A size is the most lines, added and deleted, that a pull request of it changes; one that changes more is
 * XL. An area is there when a pattern (glob(7), '*' also matches '/') fits one of the changed paths, the old
 * name of a renamed file excepted. The labels are size/S … size/XL and area/NAME.
 */
struct rules;
rb_err rules_read(struct rules **out, const char *file) RB_MUST_CHECK; /* the text says what is wrong */
void rules_free(struct rules *rules);                                  /* NULL is fine */
/* What a pull request changes, file by file: zeroed before the first. `lines` are those added and deleted. */
struct rules_change {
    int64_t lines;
    bool has_area[RULES_AREAS_MAX]; /* in the order of the rules */
};
void rules_change_add(struct rules_change *change, const struct rules *rules, const char *path,
                      int64_t lines);
/* The labels for it, in the arena; returns how many, at most RULES_LABELS_MAX. */
size_t rules_labels(const char *labels[RULES_LABELS_MAX], const struct rules *rules,
                    const struct rules_change *change, struct rb_arena *arena);
/* Whether a label is one that the rules give: others are people's own. Without case, as GitHub compares. */
bool rules_own(const struct rules *rules, const char *label);
/* A label's name as a segment of an address (RFC 3986, section 2.1), in the arena. */
const char *rules_encode(const char *label, struct rb_arena *arena);

#endif
