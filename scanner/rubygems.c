/*
 * RubyGems: Gemfile, *.gemspec and Gemfile.lock (bundler.io, guides.rubygems.org).
 */
#include <ctype.h>
#include <string.h>

#include "scanner/ruby.h"
#include "scanner/scan.h"
#include "scanner/text.h"

#define GEM_BLOCKS_MAX 32 /* group … do, within platforms … do, within if … */

static bool gem_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Whether the names of groups are all for work on the project: ":development, :test" is, ":default, :test" is
 * not. */
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
static bool gem_is_dev(struct rb_piece arguments)
{
    struct rb_piece value;
    if (!rb_ruby_option(&value, arguments, "group") && !rb_ruby_option(&value, arguments, "groups"))
        return false;
    /* The value ends with its list, or at the next argument. */
    const char *end = memchr(value.at, rb_piece_starts(value, "[") ? ']' : ',', value.len);
    if (end)
        value.len = (size_t)(end - value.at);
    return gem_groups_are_dev(value);
}

/* What is around the statement being read. */
struct gem_block {
    bool is_dev;
    const char *source;    /* "path" or "git", for all gems within; NULL */
    struct rb_piece where; /* its address */
};

/* A gem that is not from a registry says so in place of a version. */
static void gem_add(struct rb_scan_sheet *sheet, struct rb_piece arguments, const struct gem_block *block)
{
    static const char *const sources[] = {"path", "git", "github", "gist", "bitbucket"};
    struct rb_piece name, where = block->where;
    const char *versions, *source = block->source;
    if (!rb_ruby_requirement(&name, &versions, arguments, sheet->arena))
        return;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (rb_ruby_option_text(&where, arguments, sources[i])) {
            source = sources[i];
            break;
        }
    }
    if (source && !*versions)
        versions = rb_arena_printf(sheet->arena, "%s %s", source, rb_piece_copy(sheet->arena, where));
    const char *kind = block->is_dev || gem_is_dev(arguments) ? RB_KIND_DEV : RB_KIND_RUNTIME;
    struct rb_scan_dependency *item = rb_scan_add(sheet, name.at, name.len, versions, strlen(versions), kind);
    if (item)
        item->local = source && strcmp(source, "path") == 0;
}

static struct gem_block gem_block(struct rb_piece statement, struct gem_block outer)
{
    static const char *const sources[] = {"path", "git", "github"};
    struct rb_piece arguments;
    if (rb_ruby_call(&arguments, statement, "group"))
        outer.is_dev = outer.is_dev || gem_groups_are_dev(arguments);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (rb_ruby_call(&arguments, statement, sources[i]) && rb_ruby_text(&outer.where, &arguments))
            outer.source = sources[i];
    }
    return outer;
}

rb_err rb_gemfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, statement, arguments;
    struct gem_block blocks[GEM_BLOCKS_MAX + 1] = {{0}};
    size_t depth = 0;
    while (rb_ruby_statement(&statement, &rest, sheet->arena)) {
        if (rb_ruby_closes_block(statement)) {
            depth -= depth > 0;
        } else if (rb_ruby_call(&arguments, statement, "gem")) {
            gem_add(sheet, arguments, &blocks[depth]);
        } else if (rb_ruby_opens_block(statement)) {
            if (depth == GEM_BLOCKS_MAX)
                return rb_error_set(RB_EINVAL, "Gemfile: blocks nested too deeply");
            blocks[depth + 1] = gem_block(statement, blocks[depth]);
            depth++;
        }
    }
    return RB_OK;
}

/* What the statement says of the gem itself. */
static void gemspec_about(struct rb_scan_sheet *sheet, struct rb_scan_package *package,
                          struct rb_piece statement)
{
    struct rb_piece text;
    if (rb_ruby_assigned(&text, statement, "name"))
        package->name = rb_scan_requirement(sheet, text.at, text.len);
    else if (rb_ruby_assigned(&text, statement, "version"))
        package->version = rb_scan_requirement(sheet, text.at, text.len);
    else if (rb_ruby_assigned(&text, statement, "license"))
        package->licence = rb_scan_requirement(sheet, text.at, text.len);
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
    struct rb_piece rest = {text, len}, statement, arguments, name;
    struct rb_scan_package *package = NULL;
    const char *base = rb_path_base(sheet->manifest), *versions;
    if (rb_text_ends(base, ".gemspec")) /* by custom the gem has the name of its file */
        package = rb_scan_add_package(
            sheet, rb_arena_strndup(sheet->arena, base, strlen(base) - strlen(".gemspec")), "", "");
    while (rb_ruby_statement(&statement, &rest, sheet->arena)) {
        const char *dot = memmem(statement.at, statement.len, ".add_", 5);
        if (!dot) {
            if (package)
                gemspec_about(sheet, package, statement);
            continue;
        }
        statement = rb_piece_after(statement, (size_t)(dot - statement.at));
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            if (rb_ruby_call(&arguments, statement, calls[i].call) &&
                rb_ruby_requirement(&name, &versions, arguments, sheet->arena))
                rb_scan_add(sheet, name.at, name.len, versions, strlen(versions), calls[i].kind);
        }
    }
    return RB_OK;
}

/* ---- Gemfile.lock ------------------------------------------------------------------------------------- */

static size_t gem_indent(struct rb_piece line)
{
    size_t indent = 0;
    while (indent < line.len && line.at[indent] == ' ')
        indent++;
    return indent;
}

/* "nokogiri (1.18.2-x86_64-linux)": what follows the first '-' is the platform. */
static void gem_lock(struct rb_scan_sheet *sheet, struct rb_piece line, bool is_local)
{
    struct rb_piece name;
    if (!rb_piece_word(&name, &line))
        return;
    line = rb_piece_trim(line);
    if (line.len < 3 || line.at[0] != '(' || line.at[line.len - 1] != ')')
        return;
    struct rb_piece version = {line.at + 1, line.len - 2};
    const char *platform = memchr(version.at, '-', version.len);
    if (platform)
        version.len = (size_t)(platform - version.at);
    struct rb_scan_locked *locked = rb_scan_lock(sheet, name.at, name.len, version.at, version.len);
    if (locked)
        locked->local = is_local;
}

/* "rails (~> 7.1)", "mine!": asked for in the Gemfile itself. */
static void gem_lock_direct(struct rb_scan_sheet *sheet, size_t first, struct rb_piece line)
{
    struct rb_piece name;
    if (!rb_piece_word(&name, &line))
        return;
    name.len -= name.at[name.len - 1] == '!';
    for (size_t i = first; i < sheet->locked_count; i++) {
        if (rb_piece_is(name, sheet->locked[i].name))
            sheet->locked[i].direct = true;
    }
}

#define GEM_DIRECT_MAX 2000 /* lines of DEPENDENCIES, each looked for among all; large ones have 300 */

rb_err rb_gemfile_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    enum { DIRECT_INDENT = 2, GEM_INDENT = 4, NEEDED_INDENT = 6 };
    struct rb_piece rest = {text, len}, line, section = {"", 0}, gem = {"", 0}, needed;
    size_t first = sheet->locked_count;
    int direct = 0;
    while (rb_piece_line(&line, &rest)) {
        size_t indent = gem_indent(line);
        if (indent == 0 && line.len) {
            section = rb_piece_trim(line);
            gem.len = 0;
        } else if (indent == GEM_INDENT &&
                   (rb_piece_is(section, "GEM") || rb_piece_is(section, "GIT") ||
                    rb_piece_is(section, "PATH") || rb_piece_is(section, "PLUGIN SOURCE"))) {
            gem_lock(sheet, line, rb_piece_is(section, "PATH"));
            /* What the gems of this repository need stands in their gemspecs, with what it is for. */
            if (rb_piece_is(section, "PATH") || !rb_piece_word(&gem, &line))
                gem.len = 0;
        } else if (indent == NEEDED_INDENT && gem.len && rb_piece_word(&needed, &line)) {
            rb_scan_lock_needs(sheet, gem, needed);
        } else if (indent == DIRECT_INDENT && rb_piece_is(section, "DEPENDENCIES") &&
                   direct++ < GEM_DIRECT_MAX) {
            gem_lock_direct(sheet, first, line);
        }
    }
    return RB_OK;
}
