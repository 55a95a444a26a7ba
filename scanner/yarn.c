/*
 * yarn.lock, of yarn 1 and of those after it (yarnpkg.com). Two ways of writing the same: who asked,
 * separated by commas, then indented what they got. Neither is quite YAML, and yarn reads both by a parser of
 * its own: a key at the left edge, "version" two blanks further in.
 */
#include <string.h>

#include "scanner/npm.h"

struct yarn {
    struct rb_scan_sheet *sheet;
    struct rb_piece asked; /* the line of descriptors, without its colon */
    struct rb_piece version;
    bool is_here;         /* a package of this repository */
    bool is_needed;       /* the lines that follow name what it needs */
    struct rb_piece name; /* what it is really called */
};

static struct rb_piece yarn_unquote(struct rb_piece text)
{
    text = rb_piece_trim(text);
    if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
        text = (struct rb_piece){text.at + 1, text.len - 2};
    return text;
}

/* "name@^1", "name@npm:^1", "alias@npm:name@^1", "name@patch:…". False when it is none ("__metadata"). */
static bool yarn_descriptor(struct rb_piece *name, struct rb_piece *requirement, struct rb_piece text)
{
    struct rb_piece real, rest;
    rb_npm_split(name, requirement, text);
    if (requirement->len == 0)
        return false;
    if (rb_piece_starts(*requirement, "npm:")) {
        *requirement = rb_piece_after(*requirement, 4);
        rb_npm_split(&real, &rest, *requirement);
        if (rest.len) {
            *name = real;
            *requirement = rest;
        }
    }
    return true;
}

static void yarn_put(struct yarn *yarn, struct rb_piece descriptor)
{
    struct rb_piece name, requirement;
    if (!yarn_descriptor(&name, &requirement, descriptor))
        return;
    struct rb_scan_locked *item =
        rb_scan_lock(yarn->sheet, name.at, name.len, yarn->version.at, yarn->version.len);
    if (!item)
        return;
    item->requirement = rb_scan_requirement(yarn->sheet, requirement.at, requirement.len);
    item->local = yarn->is_here || rb_npm_is_here(requirement);
}

/* The next of the descriptors: they hold no ", " but between each other; yarn 1 quotes each of them, the
 * others all at once. */
static bool yarn_next(struct rb_piece *descriptor, struct rb_piece *rest)
{
    if (rest->len == 0)
        return false;
    const char *comma = memmem(rest->at, rest->len, ", ", 2);
    size_t len = comma ? (size_t)(comma - rest->at) : rest->len;
    *descriptor = yarn_unquote((struct rb_piece){rest->at, len});
    *rest = rb_piece_after(*rest, len + 2);
    return true;
}

static void yarn_flush(struct yarn *yarn)
{
    struct rb_piece rest = yarn->asked, descriptor;
    while (yarn->version.len && yarn_next(&descriptor, &rest))
        yarn_put(yarn, descriptor);
    yarn->asked = yarn->version = yarn->name = (struct rb_piece){"", 0};
    yarn->is_here = yarn->is_needed = false;
}

static void yarn_key(struct yarn *yarn, struct rb_piece line)
{
    yarn_flush(yarn);
    line = rb_piece_trim(line);
    if (line.len == 0 || line.at[line.len - 1] != ':')
        return;
    line.len--;
    /* Quoted as a whole, or each for itself. */
    bool is_whole = line.at && line.len >= 2 && line.at[0] == '"' &&
                    !memmem(line.at, line.len, "\", \"", 4) && line.at[line.len - 1] == '"';
    yarn->asked = is_whole ? yarn_unquote(line) : line;
    struct rb_piece rest = yarn->asked, descriptor, requirement;
    if (!yarn_next(&descriptor, &rest) || !yarn_descriptor(&yarn->name, &requirement, descriptor))
        yarn->name = (struct rb_piece){"", 0};
}

/* `    name "^1"` or `    name: "npm:^1"`, below "dependencies:". */
static void yarn_need(struct yarn *yarn, struct rb_piece line)
{
    struct rb_piece name, value = rb_piece_trim(line), real, rest;
    if (!rb_piece_word(&name, &value))
        return;
    if (name.at[name.len - 1] == ':')
        name.len--;
    name = yarn_unquote(name);
    value = yarn_unquote(value);
    if (rb_piece_starts(value, "npm:")) {
        rb_npm_split(&real, &rest, rb_piece_after(value, 4));
        name = rest.len ? real : name;
    }
    rb_scan_lock_needs(yarn->sheet, yarn->name, name);
}

/* `  version "1.2"` or `  version: 1.2`. */
static void yarn_field(struct yarn *yarn, struct rb_piece line)
{
    struct rb_piece name, value = rb_piece_trim(line);
    if (!rb_piece_word(&name, &value))
        return;
    if (name.at[name.len - 1] == ':')
        name.len--;
    value = yarn_unquote(value);
    if (rb_piece_is(name, "version"))
        yarn->version = value;
    if (rb_piece_is(name, "resolution"))
        yarn->is_here = memmem(value.at, value.len, "@workspace:", 11) != NULL;
    yarn->is_needed =
        !yarn->is_here && (rb_piece_is(name, "dependencies") || rb_piece_is(name, "optionalDependencies"));
}

rb_err rb_yarn_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line;
    struct yarn yarn = {.sheet = sheet};
    size_t number = 0;
    while (rb_piece_line(&line, &rest)) {
        number++;
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (rb_piece_starts(line, "<<<<<<<") || rb_piece_starts(line, ">>>>>>>"))
            return rb_error_set(RB_EINVAL, "yarn.lock: line %zu: an unsettled merge", number);
        if (line.at[0] != ' ')
            yarn_key(&yarn, line);
        else if (line.len > 2 && line.at[1] == ' ' && line.at[2] != ' ')
            yarn_field(&yarn, line);
        else if (yarn.is_needed)
            yarn_need(&yarn, line);
    }
    yarn_flush(&yarn);
    return RB_OK;
}
