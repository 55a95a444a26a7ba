/*
 * YAML through libyaml: the first document as JSON, so that the rest of the scanner reads one kind of tree.
 * Each scalar is a string, as written: a version 1.10 stays "1.10". Empty plain scalars are null.
 */
#ifndef RB_SCANNER_YAML_H
#define RB_SCANNER_YAML_H

#include <jansson.h>

#include "lib/base/base.h"

#define RB_YAML_EVENTS_MAX 200000 /* about 20 MB of tree; the largest manifests known have 50,000 */
#define RB_YAML_DEPTH_MAX  64     /* people nest a dozen deep; freeing a tree recurses */
#define RB_YAML_MERGED_MAX 20000  /* keys that "<<" copies: each copy of a large mapping costs its size */

/* An alias is the very node that its anchor names, so that a tree of aliases has no more memory than text;
 * who walks it needs a budget of steps. RB_EINVAL says line and reason. `*out` is a new reference. */
rb_err rb_yaml_parse(json_t **out, const char *text, size_t len) RB_MUST_CHECK;
/*
 * The text event by event, as libyaml tells it: calls `fn` until it sets `*end` or gives an error, which is
 * the result. `fn` may take what an event holds by zeroing the event; else it is freed. RB_EINVAL says line
 * and reason, also for what makes libyaml slow and no file of ours holds.
 */
struct yaml_event_s;
typedef rb_err (*rb_yaml_event_fn)(void *arg, struct yaml_event_s *event, bool *end);
rb_err rb_yaml_events(const char *text, size_t len, rb_yaml_event_fn fn, void *arg) RB_MUST_CHECK;

#endif
