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
        if (!rb_text_has(" \t\r\n", out[i]) || !out[i])
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
    char *text; /* the table being collected */
    size_t len;
    size_t begun, bad_line; /* its line, and that of the first that could not be read; 0: none */
    bool is_in, is_skipped;
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

static void toml_end(struct toml_cut *cut)
{
    json_t *document;
    if (!cut->is_in)
        return;
    if (!rb_toml_parse(&document, cut->text, cut->len)) {
        cut->fn(cut->arg, json_array_get(rb_json_get(document, cut->name), 0));
        json_decref(document);
    } else if (!cut->bad_line) {
        cut->bad_line = cut->begun;
        snprintf(cut->reason, sizeof cut->reason, "%s", rb_error_text());
    }
    cut->is_in = false;
}

/* Nine tenths of such a file are the addresses and checksums of what can be downloaded, which nobody asks
 * for: "wheels = [" or "files = [" on a line, to "]" on another. */
static bool toml_is_skipped(struct toml_cut *cut, struct rb_piece line)
{
    if (cut->is_skipped) {
        cut->is_skipped = !rb_piece_is(line, "]");
        return true;
    }
    cut->is_skipped = rb_piece_is(line, "wheels = [") || rb_piece_is(line, "files = [");
    return cut->is_skipped;
}

static void toml_line(struct toml_cut *cut, struct rb_piece line, size_t number)
{
    bool is_new = toml_begins(line, cut->name);
    bool is_header = rb_piece_starts(line, "[") && rb_piece_ends(rb_piece_trim(line), "]");
    if (is_new || (is_header && !cut->is_skipped && !toml_goes_on(line, cut->name))) {
        toml_end(cut);
        cut->is_in = is_new;
        cut->is_skipped = false;
        cut->begun = number;
        cut->len = 0;
    }
    if (!cut->is_in || toml_is_skipped(cut, line))
        return;
    memcpy(cut->text + cut->len, line.at, line.len);
    cut->len += line.len;
    cut->text[cut->len++] = '\n';
}

rb_err rb_walk_toml(const char *text, size_t len, const char *name, rb_walk_table_fn fn, void *arg)
{
    struct toml_cut cut = {.name = name, .fn = fn, .arg = arg};
    struct rb_piece rest = {text, len}, line;
    cut.text = rb_malloc(len + 1); /* pages that no table needs are never touched */
    for (size_t number = 1; rb_piece_line(&line, &rest); number++)
        toml_line(&cut, line, number);
    toml_end(&cut);
    free(cut.text);
    if (cut.bad_line)
        return rb_error_set(RB_EINVAL, "the table at line %zu: %s", cut.bad_line, cut.reason);
    return RB_OK;
}
