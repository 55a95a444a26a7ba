/* Go: go.mod (go.dev/ref/mod, "go.mod files"). */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"

#define GOMOD_LINKS_MAX 2000 /* replace and tool lines: each is a walk over what was found */

struct gomod {
    struct rb_scan_sheet *sheet;
    size_t first; /* of the sheet's items, from this file */
    size_t links; /* lines that were held against them */
};

static struct rb_piece gomod_unquoted(struct rb_piece word)
{
    if (word.len >= 2 && (word.at[0] == '"' || word.at[0] == '`') && word.at[word.len - 1] == word.at[0])
        return (struct rb_piece){word.at + 1, word.len - 2};
    return word;
}

static void gomod_require(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    struct rb_piece path, version;
    if (!rb_piece_word(&path, &rest) || !rb_piece_word(&version, &rest))
        return;
    path = gomod_unquoted(path);
    struct rb_scan_dependency *item =
        rb_scan_add(mod->sheet, path.at, path.len, version.at, version.len, RB_KIND_RUNTIME);
    if (item)
        item->indirect = rb_piece_starts(rb_piece_trim(comment), "indirect");
}

/* "old [v1] => new [v2]": what is really built stands behind the arrow. */
static void gomod_replace(struct gomod *mod, struct rb_piece rest)
{
    const char *arrow = memmem(rest.at, rest.len, "=>", 2);
    struct rb_piece old;
    if (!arrow)
        return;
    struct rb_piece left = {rest.at, (size_t)(arrow - rest.at)};
    struct rb_piece right = rb_piece_trim(rb_piece_after(rest, left.len + 2));
    /* A long one would be copied to each requirement that it replaces. */
    if (!rb_piece_word(&old, &left) || right.len == 0 || right.len > RB_SCAN_NAME_MAX)
        return;
    old = gomod_unquoted(old);
    for (size_t i = mod->first; i < mod->sheet->count; i++) {
        struct rb_scan_dependency *item = &mod->sheet->items[i];
        if (!rb_piece_is(old, item->name) || strstr(item->requirement, " => "))
            continue;
        const char *both = rb_arena_printf(mod->sheet->arena, "%s => %s", item->requirement,
                                           rb_piece_copy(mod->sheet->arena, right));
        item->requirement = rb_scan_requirement(mod->sheet, both, strlen(both));
        item->local = right.at[0] == '.';
    }
}

/* "tool example.com/cmd/x" names a package inside a required module: that module is for working on this one.
 */
static void gomod_tool(struct gomod *mod, struct rb_piece rest)
{
    struct rb_piece tool;
    if (!rb_piece_word(&tool, &rest))
        return;
    tool = gomod_unquoted(tool);
    for (size_t i = mod->first; i < mod->sheet->count; i++) {
        size_t len = strlen(mod->sheet->items[i].name);
        if (rb_piece_starts(tool, mod->sheet->items[i].name) && (tool.len == len || tool.at[len] == '/'))
            mod->sheet->items[i].kind = RB_KIND_DEV;
    }
}

/* One pass over the file for one directive, which stands alone or in front of a block. */
static void gomod_pass(struct gomod *mod, struct rb_piece text, const char *directive)
{
    struct rb_piece line, block = {"", 0};
    while (rb_piece_line(&line, &text)) {
        const char *slashes = memmem(line.at, line.len, "//", 2);
        struct rb_piece comment = {"", 0};
        if (slashes) {
            comment = rb_piece_after(line, (size_t)(slashes - line.at) + 2);
            line.len = (size_t)(slashes - line.at);
        }
        struct rb_piece rest = rb_piece_trim(line), verb = block;
        if (rest.len == 0)
            continue;
        if (rb_piece_is(rest, ")")) {
            block = (struct rb_piece){"", 0};
            continue;
        }
        if (block.len == 0) {
            rb_piece_word(&verb, &rest);
            rest = rb_piece_trim(rest);
            if (rb_piece_ends(verb, "("))
                verb.len--;
            if (rb_piece_is(rest, "(") || (rest.len == 0 && rb_piece_ends(line, "("))) {
                block = verb;
                continue;
            }
        }
        if (!rb_piece_is(verb, directive))
            continue;
        if (directive[0] != 'r' || directive[2] == 'p') /* all but "require" */
            mod->links++;
        if (mod->links > GOMOD_LINKS_MAX)
            return;
        if (directive[0] == 'm')
            rb_scan_add_package(mod->sheet, rb_piece_copy(mod->sheet->arena, gomod_unquoted(rest)), "", "");
        else if (directive[0] == 't')
            gomod_tool(mod, rest);
        else if (strcmp(directive, "require") == 0)
            gomod_require(mod, rest, comment);
        else
            gomod_replace(mod, rest);
    }
}

rb_err rb_gomod_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct gomod mod = {sheet, sheet->count, 0};
    struct rb_piece whole = {text, len};
    if (!memmem(text, len, "module", 6))
        return rb_error_set(RB_EINVAL, "go.mod: names no module");
    gomod_pass(&mod, whole, "module");
    gomod_pass(&mod, whole, "require");
    gomod_pass(&mod, whole, "tool");
    gomod_pass(&mod, whole, "replace");
    return RB_OK;
}
