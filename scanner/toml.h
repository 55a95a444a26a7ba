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
/* toml++ looks ahead over at most 127 characters of a value and does not survive more; a date has 32. */
#define RB_TOML_WORD_MAX 100
/* toml++ searches its lists of tables from the first to the last for each key, so time grows with the square:
 * brackets, braces and dots outside of strings. The largest manifests known have some two thousand. */
#define RB_TOML_MARKS_MAX 20000

/* Strings longer than this (descriptions, scripts) become null: what refers to one would copy it each time.
 */
#define RB_TOML_STRING_MAX 4096

/* Dates and times become strings. RB_EINVAL says line and reason. `*out` is a new reference. */
rb_err rb_toml_parse(json_t **out, const char *text, size_t len) RB_MUST_CHECK;
/* False when the text passes one of the numbers above. */
bool rb_toml_is_tame(const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
