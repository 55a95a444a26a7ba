/*
 * TOML through toml++ (C++): the document as JSON, so that the rest of the scanner reads one kind of tree.
 */
#ifndef RB_SCANNER_TOML_H
#define RB_SCANNER_TOML_H

#include <jansson.h>

#include "lib/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* toml++ recurses over what is nested and frees it recursively; people nest tables four or five deep. */
#define RB_TOML_DOTS_MAX     16 /* parts of one dotted key */
#define RB_TOML_BRACKETS_MAX 32 /* arrays and inline tables within each other */

/* Dates and times become strings. RB_EINVAL says line and reason. `*out` is a new reference. */
rb_err rb_toml_parse(json_t **out, const char *text, size_t len) RB_MUST_CHECK;
/* False when the text nests deeper than the numbers above. */
bool rb_toml_depth_is_fine(const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
