/*
 * Documents read from front to back, without a tree of them: a lock file of 16 MB would become a tree of 75
 * MB and cost a quarter of a second; walked, it costs a tenth of that. JSON through simdjson, YAML through
 * libyaml, TOML through toml++ a table at a time. Each calls back with the place (the keys above) and the
 * value.
 */
#ifndef RB_SCANNER_WALK_H
#define RB_SCANNER_WALK_H

#include <jansson.h>

#include "lib/base/base.h"
#include "scanner/text.h"

#define RB_WALK_DEPTH_MAX      24 /* keys above a value; what lies deeper is passed over (old npm locks nest) */
#define RB_WALK_YAML_DEPTH_MAX 64 /* libyaml keeps all that is open; a lock file nests six deep */

/* Where the walk is. A member of a list has the empty key and an index from 0; a named one RB_WALK_NAMED. */
#define RB_WALK_NAMED SIZE_MAX
struct rb_walk {
    struct rb_piece keys[RB_WALK_DEPTH_MAX];
    size_t indexes[RB_WALK_DEPTH_MAX];
    size_t depth; /* keys that count; 0 at the document itself */
};
enum rb_walk_what {
    RB_WALK_OPEN,  /* an object or a list begins here */
    RB_WALK_VALUE, /* text, or a number or boolean as text; null is empty */
    RB_WALK_CLOSE  /* what opened here ends */
};
/* Pieces are valid during the call only. */
typedef void (*rb_walk_fn)(void *arg, const struct rb_walk *at, enum rb_walk_what what,
                           struct rb_piece value);

/* Whether key number `level` (from 0) is `name`. */
static inline bool rb_walk_is(const struct rb_walk *at, size_t level, const char *name)
{
    return level < at->depth && at->indexes[level] == RB_WALK_NAMED && rb_piece_is(at->keys[level], name);
}
#ifdef __cplusplus
extern "C" {
#endif

/* RB_EINVAL when it is not JSON; then nothing was called. */
rb_err rb_walk_json(const char *text, size_t len, rb_walk_fn fn, void *arg) RB_MUST_CHECK;
/* The same with comments and commas too many, as people write "JSON" by hand and bun writes its lock. */
rb_err rb_walk_jsonc(const char *text, size_t len, rb_walk_fn fn, void *arg) RB_MUST_CHECK;
/* Blanks out comments and commas before a closing bracket; the copy, of the same length and with the same
 * lines, is the caller's to free. */
char *rb_jsonc_to_json(const char *text, size_t len);
/* RB_EINVAL says where it is wrong; what came before was called. Anchors are not followed: an alias is the
 * empty value, so that nothing can grow. All documents of the stream, one after the other. */
rb_err rb_walk_yaml(const char *text, size_t len, rb_walk_fn fn, void *arg) RB_MUST_CHECK;

/* Each table of the array `name` ("package") of a lock file in TOML, as tools write it: "[[package]]" on a
 * line of its own begins one, the next such line or another table ends it. A table that cannot be read is
 * left out; RB_EINVAL then names the first of them, after all others were given. */
typedef void (*rb_walk_table_fn)(void *arg, const json_t *table);
rb_err rb_walk_toml(const char *text, size_t len, const char *name, rb_walk_table_fn fn,
                    void *arg) RB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
