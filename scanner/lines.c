/*
 * Which line of a manifest names a dependency, or has a key: the evidence that a person looks up. The
 * libraries that read manifests give values and not places, so the text is looked through for the name as a
 * whole word, best with what is asked of it on the same line. A name that does not stand there as it is
 * called has no line.
 */
#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"

/* Bytes that are looked at for all names of one manifest: so many times its own, and in small ones enough.
 * Names mostly come in the order of the text, each found a little behind the one before. */
#define LINES_WORK_TIMES 16
#define LINES_WORK_LEAST 1000000

struct lines {
    struct rb_piece text;
    size_t at; /* where the last name was found */
    size_t counted;
    int line; /* the one that `counted` lies in */
    size_t work;
};

static char lines_fold(char c)
{
    return c == '_' || c == '.' ? '-' : (char)tolower((unsigned char)c);
}

/* Names of Python are the same in any case and with any of "-_." (PEP 503). */
static bool lines_is_at(const char *at, struct rb_piece name, bool is_python)
{
    if (!is_python)
        return memcmp(at, name.at, name.len) == 0;
    for (size_t i = 0; i < name.len; i++) {
        if (lines_fold(at[i]) != lines_fold(name.at[i]))
            return false;
    }
    return true;
}

/* No part of a longer name. Of an address, where there is one, it may be the end. */
static bool lines_is_whole(struct rb_piece text, size_t at, size_t len, bool in_address)
{
    char before = at ? text.at[at - 1] : ' ', after = at + len < text.len ? text.at[at + len] : ' ';
    struct rb_piece rest = rb_piece_after(text, at + len);
    bool goes_on =
        after == '.' && rest.len > 1 && isalnum((unsigned char)rest.at[1]) && !rb_piece_starts(rest, ".git");
    if (before == '/' && in_address)
        before = ' ';
    return !isalnum((unsigned char)before) && !rb_text_has("_-./@", before) &&
           !isalnum((unsigned char)after) && !rb_text_has("_-/", after) && !goes_on;
}

static bool lines_has(struct rb_piece text, size_t at, struct rb_piece words)
{
    struct rb_piece rest = rb_piece_after(text, at), line;
    return rb_piece_line(&line, &rest) && words.len && memmem(line.at, line.len, words.at, words.len);
}

/* From `lines->at` on, then from the beginning. SIZE_MAX: it is not there, or the work is done. */
static size_t lines_find(struct lines *lines, struct rb_piece name, const struct rb_scan_dependency *item,
                         bool in_address)
{
    bool is_python = strcmp(item->ecosystem, "pypi") == 0;
    /* In XML each has a line of its own. */
    struct rb_piece requirement = rb_piece_of(rb_piece_starts(lines->text, "<") ? "" : item->requirement);
    size_t len = lines->text.len, first = SIZE_MAX;
    for (size_t i = 0; i < len && lines->work > 0; i++, lines->work--) {
        size_t at = lines->at + i < len ? lines->at + i : lines->at + i - len;
        if (at + name.len > len || (!is_python && lines->text.at[at] != name.at[0]) ||
            !lines_is_at(lines->text.at + at, name, is_python) ||
            !lines_is_whole(lines->text, at, name.len, in_address))
            continue;
        if (requirement.len == 0 || lines_has(lines->text, at + name.len, requirement))
            return at;
        if (first == SIZE_MAX)
            first = at;
    }
    return first;
}

static int lines_count(struct lines *lines, size_t at)
{
    if (at < lines->counted) {
        lines->counted = 0;
        lines->line = 1;
    }
    for (; lines->counted < at; lines->counted++)
        lines->line += lines->text.at[lines->counted] == '\n';
    return lines->line;
}

/* "engines.node" of package.json: "engines", and behind it "node". */
static size_t lines_find_key(struct rb_piece text, const char *word)
{
    size_t at = 0, len;
    for (; *word && *word != '='; word += len + (word[len] == '.')) {
        char quoted[RB_SCAN_NAME_MAX + 2];
        len = strcspn(word, ".=");
        if (len == 0 || len + 2 > sizeof quoted)
            return SIZE_MAX;
        quoted[0] = quoted[len + 1] = '"';
        memcpy(quoted + 1, word, len);
        const char *found = memmem(text.at + at, text.len - at, quoted, len + 2);
        if (!found)
            return SIZE_MAX;
        at = (size_t)(found - text.at);
    }
    return at;
}

/* "tool.ruff" of pyproject.toml: [tool.ruff], [[tool.ruff]], [tool.ruff.lint] */
static size_t lines_find_table(struct rb_piece text, const char *word)
{
    struct rb_piece rest = text, line;
    while (rb_piece_line(&line, &rest)) {
        size_t at = (size_t)(line.at - text.at);
        line = rb_piece_trim(line);
        if (!rb_piece_starts(line, "["))
            continue;
        line = rb_piece_after(line, rb_piece_starts(line, "[[") ? 2 : 1);
        struct rb_piece behind = rb_piece_after(line, strlen(word));
        if (rb_piece_starts(line, word) && behind.len && rb_text_has("].", behind.at[0]))
            return at;
    }
    return SIZE_MAX;
}

static void lines_of_signs(struct rb_scan_sheet *sheet, size_t first, struct lines *lines)
{
    for (size_t i = first; i < sheet->sign_count; i++) {
        struct rb_scan_sign *sign = &sheet->signs[i];
        size_t at = SIZE_MAX;
        if (sign->line || lines->work < lines->text.len)
            continue;
        lines->work -= lines->text.len;
        if (strcmp(sign->where, "key") == 0)
            at = lines_find_key(lines->text, sign->word);
        else if (strcmp(sign->where, "table") == 0)
            at = lines_find_table(lines->text, sign->word);
        if (at != SIZE_MAX)
            sign->line = lines_count(lines, at);
    }
}

void rb_scan_find_lines(struct rb_scan_sheet *sheet, size_t first, size_t first_sign, const char *text,
                        size_t len)
{
    struct lines lines = {.text = {text, len}, .line = 1, .work = len * LINES_WORK_TIMES + LINES_WORK_LEAST};
    for (size_t i = first; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        struct rb_piece name = rb_piece_of(item->name);
        const char *colon = strcmp(item->ecosystem, "maven") == 0 ? strchr(item->name, ':') : NULL;
        if (colon) /* "group:artifact": two elements, or parts of one text */
            name = rb_piece_of(colon + 1);
        size_t at = name.len ? lines_find(&lines, name, item, colon != NULL) : SIZE_MAX;
        if (at == SIZE_MAX && name.len)
            at = lines_find(&lines, name, item, true);
        if (at == SIZE_MAX)
            continue;
        item->line = lines_count(&lines, at);
        lines.at = at;
    }
    lines_of_signs(sheet, first_sign, &lines);
}
