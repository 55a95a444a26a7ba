/* What the walks need besides the libraries: JSON with comments made plain, lock files in TOML cut up. */
#include "scanner/walk.h"

#include <stdlib.h>
#include <string.h>

#include "scanner/toml.h"
#include "scanner/tree.h"

/* ---- JSON with comments ---------------------------------------------------------------------------------
 */

/* The end of a string or comment that begins at `at`; strings stay, comments become blanks. */
static size_t jsonc_string(const char *text, size_t len, size_t at)
{
    for (at++; at < len && text[at] != '"' && text[at] != '\n'; at++) {
        if (text[at] == '\\')
            at++;
    }
    return at < len ? at + 1 : len;
}

static size_t jsonc_comment(char *text, size_t len, size_t at)
{
    bool is_line = text[at + 1] == '/';
    const char *end =
        is_line ? memchr(text + at, '\n', len - at) : memmem(text + at + 2, len - at - 2, "*/", 2);
    size_t stop = !end ? len : (size_t)(end - text) + (is_line ? 0 : 2);
    for (; at < stop; at++)
        text[at] = text[at] == '\n' ? '\n' : ' ';
    return stop;
}

char *rb_jsonc_to_json(const char *text, size_t len)
{
    char *out = rb_malloc(len + 1);
    size_t comma = len; /* the last one that nothing has followed yet */
    if (len)
        memcpy(out, text, len);
    out[len] = 0;
    for (size_t i = 0; i < len;) {
        if (out[i] == '/' && i + 1 < len && (out[i + 1] == '/' || out[i + 1] == '*')) {
            i = jsonc_comment(out, len, i);
            continue;
        }
        if ((out[i] == '}' || out[i] == ']') && comma < len)
            out[comma] = ' ';
        if (!strchr(" \t\r\n", out[i]) || !out[i])
            comma = out[i] == ',' ? i : len;
        i = out[i] == '"' ? jsonc_string(out, len, i) : i + 1;
    }
    return out;
}

rb_err rb_walk_jsonc(const char *text, size_t len, rb_walk_fn fn, void *arg)
{
    char *plain = rb_jsonc_to_json(text, len);
    rb_err err = rb_walk_json(plain, len, fn, arg);
    free(plain);
    return err;
}

/* ---- lock files in TOML ---------------------------------------------------------------------------------
 */

struct toml_cut {
    const char *name;
    rb_walk_table_fn fn;
    void *arg;
    size_t bad_line; /* of the first table that could not be read; 0: all could */
    char reason[160];
};

/* "[[name]]", and nothing else on the line. */
static bool toml_begins(struct rb_piece line, const char *name)
{
    line = rb_piece_trim(line);
    return rb_piece_starts(line, "[[") && rb_piece_ends(line, "]]") && line.len == strlen(name) + 4 &&
           memcmp(line.at + 2, name, line.len - 4) == 0;
}

/* "[name.part]" or "[[name.part]]": still of the same table. */
static bool toml_goes_on(struct rb_piece line, const char *name)
{
    line = rb_piece_after(line, rb_piece_starts(line, "[[") ? 2 : 1);
    return rb_piece_starts(line, name) && line.len > strlen(name) && line.at[strlen(name)] == '.';
}

static void toml_table(struct toml_cut *cut, const char *begin, const char *end, size_t line)
{
    json_t *document;
    rb_err err = rb_toml_parse(&document, begin, (size_t)(end - begin));
    if (!err) {
        cut->fn(cut->arg, json_array_get(rb_json_get(document, cut->name), 0));
        json_decref(document);
    } else if (!cut->bad_line) {
        cut->bad_line = line;
        snprintf(cut->reason, sizeof cut->reason, "%s", rb_error_text());
    }
}

rb_err rb_walk_toml(const char *text, size_t len, const char *name, rb_walk_table_fn fn, void *arg)
{
    struct toml_cut cut = {.name = name, .fn = fn, .arg = arg};
    struct rb_piece rest = {text, len}, line;
    const char *begin = NULL;
    size_t number = 0, begun = 0;
    while (rb_piece_line(&line, &rest)) {
        number++;
        bool is_new = toml_begins(line, name);
        if (!is_new && !(rb_piece_starts(line, "[") && !toml_goes_on(line, name)))
            continue;
        if (!is_new && begin && !rb_piece_ends(rb_piece_trim(line), "]"))
            continue; /* an array that goes on over lines, not a table */
        if (begin)
            toml_table(&cut, begin, line.at, begun);
        begin = is_new ? line.at : NULL;
        begun = number;
    }
    if (begin)
        toml_table(&cut, begin, text + len, begun);
    if (cut.bad_line)
        return rb_error_set(RB_EINVAL, "the table at line %zu: %s", cut.bad_line, cut.reason);
    return RB_OK;
}
