#include "scanner/ruby.h"

#include <ctype.h>
#include <string.h>

static bool ruby_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '?' || c == '!';
}

/* Without a comment; '#' inside quotes stays. */
static struct rb_piece ruby_uncomment(struct rb_piece line)
{
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        if (rb_text_is_unquoted(&quote, line.at[i]) && line.at[i] == '#')
            line.len = i;
    }
    return rb_piece_trim(line);
}

static bool ruby_goes_on(struct rb_piece line)
{
    return line.len && rb_text_has(",\\([", line.at[line.len - 1]);
}

/* "=begin … =end" at the beginning of lines. */
static void ruby_skip_comment(struct rb_piece *rest)
{
    struct rb_piece line;
    while (rb_piece_line(&line, rest)) {
        if (rb_piece_starts(line, "=end"))
            return;
    }
}

#define RUBY_STATEMENT_MAX 8192 /* of several lines; what is longer is cut */

/* Adds the lines that follow, as long as each goes on. */
static void ruby_join(struct rb_piece *statement, struct rb_piece *rest, struct rb_arena *arena)
{
    struct rb_piece line = *statement;
    char joined[RUBY_STATEMENT_MAX];
    size_t used = 0;
    for (int i = 0;; i++) {
        bool goes_on = i < RB_RUBY_LINES_MAX && (line.len == 0 || ruby_goes_on(line));
        size_t take = line.len - (line.len && line.at[line.len - 1] == '\\'), room = sizeof joined - used - 1;
        take = take < room ? take : room;
        memcpy(joined + used, line.at, take);
        used += take;
        joined[used] = ' ';
        used += used + 1 < sizeof joined;
        if (!goes_on || !rb_piece_line(&line, rest))
            break;
        line = ruby_uncomment(line);
    }
    *statement = rb_piece_trim((struct rb_piece){rb_arena_strndup(arena, joined, used), used});
}

bool rb_ruby_statement(struct rb_piece *statement, struct rb_piece *rest, struct rb_arena *arena)
{
    struct rb_piece line;
    for (;;) {
        if (!rb_piece_line(&line, rest) || rb_piece_is(line, "__END__"))
            return false;
        if (rb_piece_starts(line, "=begin"))
            ruby_skip_comment(rest);
        else
            break;
    }
    *statement = ruby_uncomment(line);
    if (ruby_goes_on(*statement))
        ruby_join(statement, rest, arena);
    return true;
}

bool rb_ruby_call(struct rb_piece *arguments, struct rb_piece statement, const char *name)
{
    size_t len = strlen(name);
    if (!rb_piece_starts(statement, name) || statement.len == len || ruby_is_word(statement.at[len]))
        return false;
    *arguments = rb_piece_trim(rb_piece_after(statement, len));
    if (arguments->len && arguments->at[0] == '(')
        *arguments = rb_piece_trim(rb_piece_after(*arguments, 1));
    return true;
}

/* %q(…), %Q<…>, %(…) */
static bool ruby_percent(struct rb_piece *content, struct rb_piece *rest)
{
    static const char pairs[] = "()<>[]{}||!!";
    size_t at = 1;
    if (!rb_piece_starts(*rest, "%"))
        return false;
    at += at < rest->len && (rest->at[at] == 'q' || rest->at[at] == 'Q');
    const char *open = at < rest->len && rest->at[at] ? strchr(pairs, rest->at[at]) : NULL;
    if (!open || (open - pairs) % 2 != 0)
        return false;
    const char *begin = rest->at + at + 1, *end = memchr(begin, open[1], rest->len - at - 1);
    if (!end)
        return false;
    *content = (struct rb_piece){begin, (size_t)(end - begin)};
    *rest = rb_piece_after(*rest, (size_t)(end + 1 - rest->at));
    return true;
}

bool rb_ruby_text(struct rb_piece *content, struct rb_piece *rest)
{
    if (!rb_piece_quoted(content, rest) && !ruby_percent(content, rest))
        return false;
    if (memmem(content->at, content->len, "#{", 2))
        return false;
    if (rb_piece_starts(*rest, ".freeze"))
        *rest = rb_piece_after(*rest, 7);
    return true;
}

/* Behind a name at `at`, whether it is the key of an option, and where its value begins. */
static bool ruby_is_key(struct rb_piece *value, struct rb_piece arguments, size_t at, size_t len)
{
    char before = at ? arguments.at[at - 1] : ' ';
    struct rb_piece behind = rb_piece_after(arguments, at + len);
    if (ruby_is_word(before))
        return false;
    if (before == '"' || before == '\'')
        behind = rb_piece_after(behind, 1);
    else if (before != ':' && rb_piece_starts(behind, ":") && !rb_piece_starts(behind, "::")) {
        *value = rb_piece_trim(rb_piece_after(behind, 1));
        return true;
    } else if (before != ':')
        return false;
    behind = rb_piece_trim(behind);
    if (!rb_piece_starts(behind, "=>"))
        return false;
    *value = rb_piece_trim(rb_piece_after(behind, 2));
    return true;
}

bool rb_ruby_option(struct rb_piece *value, struct rb_piece arguments, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i + len <= arguments.len; i++) {
        if (memcmp(arguments.at + i, name, len) == 0 && ruby_is_key(value, arguments, i, len))
            return true;
    }
    return false;
}

bool rb_ruby_option_text(struct rb_piece *text, struct rb_piece arguments, const char *name)
{
    struct rb_piece value;
    return rb_ruby_option(&value, arguments, name) && rb_ruby_text(text, &value);
}

bool rb_ruby_requirement(struct rb_piece *name, const char **versions, struct rb_piece arguments,
                         struct rb_arena *arena)
{
    struct rb_piece rest = arguments, version;
    *versions = "";
    if (!rb_ruby_text(name, &rest))
        return false;
    for (int i = 0; i < 4; i++) { /* nobody gives more than a few bounds */
        rest = rb_piece_trim(rest);
        if (rest.len == 0 || rest.at[0] != ',')
            break;
        rest = rb_piece_trim(rb_piece_after(rest, 1));
        if (rest.len && rest.at[0] == '[')
            rest = rb_piece_trim(rb_piece_after(rest, 1));
        if (!rb_ruby_text(&version, &rest))
            break;
        struct rb_piece behind = rb_piece_trim(rest);
        if (behind.len && (behind.at[0] == ':' || rb_piece_starts(behind, "=>"))) /* "require" => false */
            break;
        const char *text = rb_piece_copy(arena, version);
        *versions = **versions ? rb_arena_printf(arena, "%s, %s", *versions, text) : text;
    }
    return true;
}

bool rb_ruby_closes_block(struct rb_piece statement)
{
    return rb_piece_is(statement, "end") || rb_piece_starts(statement, "end ") ||
           rb_piece_starts(statement, "end.") || rb_piece_starts(statement, "end)");
}

bool rb_ruby_opens_block(struct rb_piece statement)
{
    static const char *const words[] = {"if ",    "unless ", "case ",  "begin",  "def ",
                                        "while ", "until ",  "class ", "module "};
    static const char *const assigned[] = {"= if ", "= unless ", "= case ", "= begin"};
    if (rb_piece_ends(statement, " end") || rb_piece_ends(statement, ";end")) /* all on one line */
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (rb_piece_starts(statement, words[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof assigned / sizeof *assigned; i++) {
        if (memmem(statement.at, statement.len, assigned[i], strlen(assigned[i])))
            return true;
    }
    bool has_bar = statement.len && statement.at[statement.len - 1] == '|';
    const char *with = has_bar ? memmem(statement.at, statement.len, " do |", 5) : NULL;
    const char *tight = has_bar ? memmem(statement.at, statement.len, " do|", 4) : NULL;
    return with || tight || rb_piece_ends(statement, " do");
}

bool rb_ruby_assigned(struct rb_piece *text, struct rb_piece statement, const char *field)
{
    const char *dot = memchr(statement.at, '.', statement.len);
    if (!dot)
        return false;
    struct rb_piece rest = rb_piece_after(statement, (size_t)(dot - statement.at) + 1);
    if (!rb_piece_starts(rest, field))
        return false;
    rest = rb_piece_trim(rb_piece_after(rest, strlen(field)));
    if (!rb_piece_starts(rest, "=") || rb_piece_starts(rest, "=="))
        return false;
    rest = rb_piece_trim(rb_piece_after(rest, 1));
    return rb_ruby_text(text, &rest);
}
