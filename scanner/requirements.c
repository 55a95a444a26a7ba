/*
 * Python requirements: one of them (PEP 508), and files of them as pip reads them (pip's documentation,
 * "Requirements File Format").
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "scanner/scan.h"
#include "scanner/text.h"

/* Words inside the name: "dev-requirements", "requirements_test", "tests". */
static bool python_has_word(const char *name, const char *const *words, size_t count)
{
    size_t word = 0;
    for (size_t i = 0;; i++) {
        if (isalpha((unsigned char)name[i]))
            continue;
        for (size_t k = 0; k < count; k++) {
            size_t len = strlen(words[k]), have = i - word;
            bool is_short = len <= 2; /* "ci" must be the whole word */
            if (have >= len && strncasecmp(name + word, words[k], len) == 0 && (!is_short || have == len))
                return true;
        }
        if (!name[i])
            return false;
        word = i + 1;
    }
}

const char *rb_python_group_kind(const char *name, const char *otherwise)
{
    static const char *const test[] = {"test", "pytest"}, *const dev[] = {
                                                              "dev",    "doc",   "lint",     "typing",
                                                              "mypy",   "style", "bench",    "check",
                                                              "type",   "ci",    "coverage", "quality",
                                                              "format", "build", "release",  "examples"};
    if (python_has_word(name, dev, sizeof dev / sizeof *dev))
        return RB_KIND_DEV;
    return python_has_word(name, test, sizeof test / sizeof *test) ? RB_KIND_TEST : otherwise;
}

bool rb_python_is_dev_group(const char *name)
{
    return rb_python_group_kind(name, NULL) != NULL;
}

/* PEP 503: names are compared in lower case with one hyphen for any run of [-_.]. */
static size_t python_normalise(char *out, size_t size, const char *name, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len && used + 1 < size; i++) {
        bool is_mark = name[i] == '-' || name[i] == '_' || name[i] == '.';
        if (is_mark && used && out[used - 1] == '-')
            continue;
        out[used++] = (char)(is_mark ? '-' : tolower((unsigned char)name[i]));
    }
    out[used] = 0;
    return used;
}

static bool python_is_name(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

static size_t python_name_len(struct rb_piece text)
{
    size_t len = 0;
    while (len < text.len && python_is_name(text.at[len]))
        len++;
    return len;
}

const char *rb_python_name(struct rb_scan_sheet *sheet, const char *name)
{
    char normal[RB_SCAN_NAME_MAX];
    size_t len = python_normalise(normal, sizeof normal, name, strlen(name));
    return rb_arena_strndup(sheet->arena, normal, len);
}

struct rb_scan_package *rb_python_add_package(struct rb_scan_sheet *sheet, const char *name,
                                              const char *version, const char *licence)
{
    char normal[RB_SCAN_NAME_MAX];
    python_normalise(normal, sizeof normal, name, strlen(name));
    return rb_scan_add_package(sheet, normal, version, licence);
}

static struct rb_scan_dependency *python_add(struct rb_scan_sheet *sheet, struct rb_piece name,
                                             struct rb_piece requirement, const char *kind)
{
    char normal[RB_SCAN_NAME_MAX];
    size_t len = python_normalise(normal, sizeof normal, name.at, name.len);
    return rb_scan_add(sheet, normal, len, requirement.at, requirement.len, kind);
}

struct rb_scan_dependency *rb_python_requirement(struct rb_scan_sheet *sheet, const char *text, size_t len,
                                                 const char *kind)
{
    struct rb_piece rest = rb_piece_trim((struct rb_piece){text, len});
    struct rb_piece name = {rest.at, python_name_len(rest)};
    if (name.len == 0 || !isalnum((unsigned char)name.at[0]))
        return NULL;
    rest = rb_piece_trim(rb_piece_after(rest, name.len));
    if (rest.len && rest.at[0] == '[') { /* extras */
        const char *end = memchr(rest.at, ']', rest.len);
        if (!end)
            return NULL;
        rest = rb_piece_trim(rb_piece_after(rest, (size_t)(end - rest.at) + 1));
    }
    bool is_address = rest.len && rest.at[0] == '@';
    if (rest.len && !is_address && !rb_text_has("<>=!~;(,", rest.at[0]))
        return NULL;
    /* The marker: after ';', in an address after " ;". */
    struct rb_piece marker = {"", 0};
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.at[i] == ';' && (!is_address || (i && rest.at[i - 1] == ' '))) {
            marker = rb_piece_trim(rb_piece_after(rest, i + 1));
            rest.len = i;
            break;
        }
    }
    rest = rb_piece_trim(rest);
    if (rest.len >= 2 && rest.at[0] == '(' && rest.at[rest.len - 1] == ')')
        rest = (struct rb_piece){rest.at + 1, rest.len - 2};
    struct rb_scan_dependency *item = python_add(sheet, name, rest, kind);
    if (item)
        item->marker = rb_scan_requirement(sheet, marker.at, marker.len);
    return item;
}

/* "git+https://host/x.git@v1#egg=name&subdirectory=y" */
static void requirements_address(struct rb_scan_sheet *sheet, struct rb_piece line, const char *kind)
{
    const char *egg = memmem(line.at, line.len, "#egg=", 5);
    if (!egg)
        return;
    struct rb_piece name = {egg + 5, (size_t)(line.at + line.len - egg - 5)};
    name.len = python_name_len(name);
    struct rb_piece address = {line.at, (size_t)(egg - line.at)};
    if (name.len)
        python_add(sheet, name,
                   rb_piece_of(rb_arena_printf(sheet->arena, "@ %s", rb_piece_copy(sheet->arena, address))),
                   kind);
}

static struct rb_piece requirements_uncomment(struct rb_piece line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] == '#' && (i == 0 || isspace((unsigned char)line.at[i - 1])))
            line.len = i;
    }
    return rb_piece_trim(line);
}

/* "--hash=…", "--global-option=…" behind a requirement. */
static struct rb_piece requirements_without_options(struct rb_piece line)
{
    const char *option = memmem(line.at, line.len, " --", 3);
    if (option)
        line.len = (size_t)(option - line.at);
    if (line.len && line.at[line.len - 1] == '\\')
        line.len--;
    return rb_piece_trim(line);
}

/* "==1.2" and "===1.2" are versions; "==1.*" and "==1,!=2" are not. */
static const char *requirements_pin(const char *requirement)
{
    if (!rb_text_starts(requirement, "==") || strpbrk(requirement, "*,"))
        return "";
    requirement += 2 + (requirement[2] == '=');
    return requirement + strspn(requirement, " ");
}

static struct rb_scan_dependency *requirements_line(struct rb_scan_sheet *sheet, struct rb_piece line,
                                                    const char *kind)
{
    line = requirements_uncomment(line);
    if (rb_piece_starts(line, "-e ") || rb_piece_starts(line, "--editable"))
        line = rb_piece_trim(rb_piece_after(line, line.at[1] == '-' ? strlen("--editable") + 1 : 3));
    if (line.len == 0 || line.at[0] == '-') /* -r, -c, --index-url: other files and how to get things */
        return NULL;
    size_t name = python_name_len(line);
    bool is_address = memmem(line.at, line.len, "://", 3) && !memmem(line.at, line.len, " @", 2) &&
                      !(name < line.len && line.at[name] == '@');
    if (is_address) {
        requirements_address(sheet, line, kind);
        return NULL;
    }
    if (line.at[0] == '.' || line.at[0] == '/') /* a folder of this machine */
        return NULL;
    line = requirements_without_options(line);
    struct rb_scan_dependency *item = rb_python_requirement(sheet, line.at, line.len, kind);
    if (item)
        item->version = requirements_pin(item->requirement);
    return item;
}

/* ---- files that pip-compile or uv wrote --------------------------------------------------------------- */

#define COMPILED_HEADER 1000 /* bytes at the start, where they say so */

/* "# This file is autogenerated by pip-compile", "# This file was autogenerated by uv via the following
 * command". */
static bool requirements_are_compiled(struct rb_piece text)
{
    if (text.len > COMPILED_HEADER)
        text.len = COMPILED_HEADER;
    return memmem(text.at, text.len, "autogenerated by pip-compile", 28) ||
           memmem(text.at, text.len, "autogenerated by uv", 19);
}

/* Who wants the last package: "# via flask", "# via -r requirements.in", "#   project (pyproject.toml)". */
struct via {
    bool is_said, is_file;
};

static void via_line(struct via *via, struct rb_piece comment)
{
    comment = rb_piece_trim(rb_piece_after(comment, 1));
    if (rb_piece_starts(comment, "via"))
        comment = rb_piece_trim(rb_piece_after(comment, 3));
    else if (!via->is_said)
        return;
    via->is_said = true;
    via->is_file = via->is_file || rb_piece_starts(comment, "-r ") || rb_piece_ends(comment, ".toml)") ||
                   rb_piece_ends(comment, ".py)") || rb_piece_ends(comment, ".cfg)");
}

/* Packages that only others want are no wish of this repository. */
static void via_settle(struct rb_scan_sheet *sheet, size_t index, const struct via *via)
{
    if (index >= sheet->count || !via->is_said || via->is_file ||
        sheet->indirect_count == RB_SCAN_INDIRECT_MAX)
        return;
    sheet->items[index].indirect = true;
    sheet->indirect_count++;
}

static void requirements_lock(struct rb_scan_sheet *sheet, const struct rb_scan_dependency *item)
{
    struct rb_scan_locked *locked =
        rb_scan_lock(sheet, item->name, strlen(item->name), item->version, strlen(item->version));
    if (!locked)
        return;
    locked->kind = item->kind;
    locked->weak = true;
}

static void requirements_lines(struct rb_scan_sheet *sheet, struct rb_piece rest, const char *kind)
{
    bool is_compiled = requirements_are_compiled(rest);
    struct rb_piece line;
    struct via via = {false, false};
    size_t last = SIZE_MAX;
    while (rb_piece_line(&line, &rest)) {
        if (memchr(line.at, 0, line.len))
            continue;
        struct rb_piece trimmed = rb_piece_trim(line);
        const char *comment = memmem(trimmed.at, trimmed.len, "# via", 5);
        size_t count = sheet->count;
        struct rb_scan_dependency *item = requirements_line(sheet, line, kind);
        if (item && is_compiled) {
            via_settle(sheet, last, &via);
            via = (struct via){false, false};
            last = count;
            if (*item->version)
                requirements_lock(sheet, item);
        }
        if (rb_piece_starts(trimmed, "#"))
            via_line(&via, trimmed);
        else if (comment) /* on the line of the package itself */
            via_line(&via, rb_piece_after(trimmed, (size_t)(comment - trimmed.at)));
    }
    via_settle(sheet, last, &via);
}

rb_err rb_requirements_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len};
    if (rb_piece_starts(rest, "\xef\xbb\xbf"))
        rest = rb_piece_after(rest, 3);
    if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return rb_error_set(RB_EINVAL, "requirements: written in UTF-16");
    const char *kind = rb_python_group_kind(rb_path_base(sheet->manifest), RB_KIND_RUNTIME);
    if (strcmp(kind, RB_KIND_RUNTIME) == 0 && rb_path_is_test(sheet->manifest))
        kind = RB_KIND_TEST;
    if (strcmp(kind, RB_KIND_RUNTIME) == 0 && (sheet->aside || strstr(sheet->manifest, "docs/")))
        kind = RB_KIND_DEV;
    requirements_lines(sheet, rest, kind);
    return RB_OK;
}
