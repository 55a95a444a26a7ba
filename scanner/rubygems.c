/*
 * RubyGems: Gemfile and *.gemspec (bundler.io, guides.rubygems.org). Both are Ruby programs; the lines people
 * write are regular enough to be read, and what is computed stays unknown.
 */
#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"

#define GEM_BLOCKS_MAX 32 /* group … do, within platforms … do, within if … */

static bool gem_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '?' || c == '!';
}

/* Without a comment; '#' inside quotes stays. */
static struct rb_piece gem_uncomment(struct rb_piece line)
{
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.at[i];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '#')
            line.len = i;
    }
    return rb_piece_trim(line);
}

/* Behind "name", "name(" or "name ": the arguments. False when the line is another call. */
static bool gem_call(struct rb_piece *arguments, struct rb_piece line, const char *name)
{
    size_t len = strlen(name);
    if (!rb_piece_starts(line, name) || line.len == len || gem_is_word(line.at[len]))
        return false;
    *arguments = rb_piece_trim(rb_piece_after(line, len));
    if (arguments->len && arguments->at[0] == '(')
        *arguments = rb_piece_trim(rb_piece_after(*arguments, 1));
    return true;
}

/* Name and versions from `"name", "~> 1", ">= 1.2", …`; stops at the first argument that is no text. */
static void gem_add(struct rb_scan_sheet *sheet, struct rb_piece rest, const char *kind)
{
    struct rb_piece name, version;
    const char *wanted = "";
    if (!rb_piece_quoted(&name, &rest) || memmem(name.at, name.len, "#{", 2))
        return;
    for (int i = 0; i < 4; i++) { /* nobody gives more than a few bounds */
        rest = rb_piece_trim(rest);
        if (rest.len == 0 || rest.at[0] != ',')
            break;
        rest = rb_piece_trim(rb_piece_after(rest, 1));
        if (rest.len && rest.at[0] == '[')
            rest = rb_piece_trim(rb_piece_after(rest, 1));
        if (!rb_piece_quoted(&version, &rest) || memmem(version.at, version.len, "#{", 2))
            break;
        const char *text = rb_piece_copy(sheet->arena, version);
        struct rb_piece behind = rb_piece_trim(rest);
        if (behind.len && (behind.at[0] == ':' || rb_piece_starts(behind, "=>"))) /* "require" => false */
            break;
        wanted = *wanted ? rb_arena_printf(sheet->arena, "%s, %s", wanted, text) : text;
    }
    rb_scan_add(sheet, name.at, name.len, wanted, strlen(wanted), kind);
}

/* Whether `:group` names are all for work on the project: ":development, :test" is, ":default, :test" is not.
 */
static bool gem_groups_are_dev(struct rb_piece text)
{
    bool any = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != ':' && text.at[i] != '"' && text.at[i] != '\'')
            continue;
        size_t len = 0;
        while (i + 1 + len < text.len && gem_is_word(text.at[i + 1 + len]))
            len++;
        struct rb_piece word = {text.at + i + 1, len};
        if (len == 0 || rb_piece_is(word, "optional"))
            continue;
        char name[64];
        size_t kept = len < sizeof name - 1 ? len : sizeof name - 1;
        memcpy(name, word.at, kept);
        name[kept] = 0;
        if (!rb_python_is_dev_group(name))
            return false;
        any = true;
        i += len;
    }
    return any;
}

/* ", group: :test" or ", :groups => [:development, :test]" behind a gem. */
static bool gem_is_dev(struct rb_piece line)
{
    const char *at = memmem(line.at, line.len, "group", 5);
    if (!at)
        return false;
    struct rb_piece rest = rb_piece_after(line, (size_t)(at - line.at) + 5);
    if (rb_piece_starts(rest, "s"))
        rest = rb_piece_after(rest, 1);
    rest = rb_piece_trim(rest);
    if (!rb_piece_starts(rest, ":") && !rb_piece_starts(rest, "=>"))
        return false;
    rest = rb_piece_after(rest, rest.at[0] == ':' ? 1 : 2);
    /* The value ends with its list, or at the next argument. */
    const char *end = memchr(rest.at, rb_piece_starts(rb_piece_trim(rest), "[") ? ']' : ',', rest.len);
    if (end)
        rest.len = (size_t)(end - rest.at);
    return gem_groups_are_dev(rest);
}

static bool gem_opens_block(struct rb_piece line)
{
    static const char *const words[] = {"if ", "unless ", "case ", "begin", "def ", "while ", "until "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (rb_piece_starts(line, words[i]))
            return true;
    }
    const char *bar = line.len && line.at[line.len - 1] == '|' ? memmem(line.at, line.len, " do |", 5) : NULL;
    return bar || rb_piece_ends(line, " do");
}

rb_err rb_gemfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line, arguments;
    bool dev[GEM_BLOCKS_MAX + 1] = {false};
    size_t depth = 0;
    while (rb_piece_line(&line, &rest)) {
        line = gem_uncomment(line);
        if (rb_piece_is(line, "end") || rb_piece_starts(line, "end ")) {
            depth -= depth > 0;
        } else if (gem_call(&arguments, line, "gem")) {
            gem_add(sheet, arguments, dev[depth] || gem_is_dev(arguments) ? RB_KIND_DEV : RB_KIND_RUNTIME);
        } else if (gem_opens_block(line)) {
            if (depth == GEM_BLOCKS_MAX)
                return rb_error_set(RB_EINVAL, "Gemfile: blocks nested too deeply");
            bool is_dev = gem_call(&arguments, line, "group") && gem_groups_are_dev(arguments);
            dev[depth + 1] = dev[depth] || is_dev;
            depth++;
        }
    }
    return RB_OK;
}

rb_err rb_gemspec_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    static const struct {
        const char *call, *kind;
    } calls[] = {
        {".add_dependency", RB_KIND_RUNTIME},
        {".add_runtime_dependency", RB_KIND_RUNTIME},
        {".add_development_dependency", RB_KIND_DEV},
    };
    struct rb_piece rest = {text, len}, line, arguments;
    const char *base = rb_path_base(sheet->manifest);
    if (rb_text_ends(base, ".gemspec")) /* by custom the gem has the name of its file */
        rb_scan_add_package(sheet, rb_arena_strndup(sheet->arena, base, strlen(base) - strlen(".gemspec")),
                            "", "");
    while (rb_piece_line(&line, &rest)) {
        line = gem_uncomment(line);
        const char *dot = memmem(line.at, line.len, ".add_", 5);
        if (!dot)
            continue;
        line = rb_piece_after(line, (size_t)(dot - line.at));
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            if (gem_call(&arguments, line, calls[i].call))
                gem_add(sheet, arguments, calls[i].kind);
        }
    }
    return RB_OK;
}
