/*
 * What of a text in GitHub's Markdown is prose: code and comments say nothing to anybody. As far as
 * CommonMark goes for that: blocks first (fences, indentation, comments that begin a line), line by line,
 * then what stands within a paragraph (backticks, comments, tags), from left to right. What is not closed
 * runs to the end of the text where it is a block, and is nothing special within a paragraph.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "grapher/activity.h"

#define CODE_COLUMNS 4 /* of indentation make code of a line behind an empty one */
#define FENCE_MIN    3

static void blank(char *from, const char *end)
{
    for (; from < end; from++)
        *from = *from == '\n' ? '\n' : ' ';
}

/* ---- lines --------------------------------------------------------------------------------------------- */

struct line {
    char *start, *end, *content; /* behind indentation, quotes and the markers of lists */
    size_t columns;              /* of indentation */
    bool is_quoted, is_item;
};

static char *skip_blanks(char *at)
{
    return at + strspn(at, " \t\r");
}

/* "- ", "* ", "+ ", "1. " or "1) "; 0: none. */
static size_t marker_len(const char *at)
{
    size_t digits = strspn(at, "0123456789");
    size_t len = digits && digits < 10 && strchr(".)", at[digits]) && at[digits] ? digits + 1
                 : !digits && *at && strchr("-*+", *at)                          ? 1
                                                                                 : 0;
    return len && (at[len] == ' ' || at[len] == '\t') ? len : 0;
}

static void line_read(struct line *line, char *start)
{
    *line = (struct line){.start = start, .end = start + strcspn(start, "\n")};
    for (char *at = start; *at == ' ' || *at == '\t'; at++)
        line->columns += *at == '\t' ? CODE_COLUMNS - line->columns % CODE_COLUMNS : 1;
    line->content = skip_blanks(start);
    for (;;) {
        bool is_quote = *line->content == '>';
        size_t len = is_quote ? 1 : marker_len(line->content);
        if (len == 0)
            return;
        line->is_quoted |= is_quote;
        line->is_item |= !is_quote;
        line->content = skip_blanks(line->content + len);
    }
}

static bool line_is_empty(const struct line *line)
{
    return skip_blanks(line->start) >= line->end;
}

/* How many of which it has, 0: it is no fence. What stands behind an opening one has no backticks. */
static size_t fence_len(const struct line *line)
{
    char kind = *line->content;
    size_t len = 0;
    if (kind != '`' && kind != '~')
        return 0;
    while (line->content[len] == kind)
        len++;
    bool has_more =
        kind == '`' && memchr(line->content + len, kind, (size_t)(line->end - line->content) - len);
    return len >= FENCE_MIN && !has_more ? len : 0;
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

struct blocks {
    char fence; /* 0: outside of one */
    size_t fence_len;
    bool is_quoted; /* the fence is: it ends with the quote */
    bool is_behind_empty, is_code, is_in_list;
};

/* Whether the line belongs to the fence that is open. */
static bool blocks_is_fenced(struct blocks *blocks, const struct line *line)
{
    if (!blocks->fence || (blocks->is_quoted && !line->is_quoted)) {
        blocks->fence = 0;
        return false;
    }
    size_t len = *line->content == blocks->fence ? fence_len(line) : 0;
    if (len >= blocks->fence_len && skip_blanks(line->content + len) >= line->end)
        blocks->fence = 0;
    return true;
}

/* In a list it is a paragraph of an item. */
static bool blocks_is_indented(struct blocks *blocks, const struct line *line)
{
    blocks->is_code =
        line->columns >= CODE_COLUMNS && !blocks->is_in_list && (blocks->is_behind_empty || blocks->is_code);
    return blocks->is_code;
}

/* Returns where the text goes on. */
static char *blocks_take(struct blocks *blocks, const struct line *line)
{
    char *next = line->end + (*line->end != '\0');
    if (blocks_is_fenced(blocks, line)) {
        blank(line->start, line->end);
        return next;
    }
    if (line_is_empty(line)) {
        blocks->is_behind_empty = true;
        return next;
    }
    if (blocks_is_indented(blocks, line)) {
        blank(line->start, line->end);
        return next;
    }
    if (strncmp(line->content, "<!--", 4) == 0) {
        char *end = strstr(line->content + 4, "-->");
        next = end ? end + 3 : strchr(line->content, '\0');
        blank(line->content, next);
    } else if ((blocks->fence_len = fence_len(line)) > 0) {
        blocks->fence = *line->content;
        blocks->is_quoted = line->is_quoted;
        blank(line->content, line->end);
    }
    blocks->is_in_list =
        line->is_item || (blocks->is_in_list && (line->columns > 1 || !blocks->is_behind_empty));
    blocks->is_behind_empty = false;
    return next;
}

static void blank_blocks(char *text)
{
    struct blocks blocks = {.is_behind_empty = true};
    while (*text) {
        struct line line;
        line_read(&line, text);
        text = blocks_take(&blocks, &line);
    }
}

/* ---- within paragraphs --------------------------------------------------------------------------------- */

/* An empty line ends it, and so does what begins a block of its own. */
static char *paragraph_end(char *text)
{
    for (;;) {
        struct line next;
        char *end = text + strcspn(text, "\n");
        if (!*end)
            return end;
        line_read(&next, end + 1);
        if (line_is_empty(&next) || next.is_item || next.is_quoted || *next.content == '#')
            return end;
        text = end + 1;
    }
}

struct inlines {
    char *paragraph;                  /* its end */
    bool has_no_comment, has_no_code; /* nothing closes one any more: in the paragraph, in the text */
};

/* Behind the run of `len` backticks that closes one of as many; NULL: none does. */
static char *code_end(char *at, const char *end, size_t len)
{
    while (at < end) {
        size_t run = strspn(at, "`");
        if (run == len)
            return at + run;
        at += run + strcspn(at + run, "`");
    }
    return NULL;
}

static char *comment_end(struct inlines *inlines, char *at)
{
    char *end = inlines->has_no_comment ? NULL : strstr(at, "-->");
    inlines->has_no_comment = !end || end >= inlines->paragraph;
    return inlines->has_no_comment ? NULL : end + 3;
}

static bool is_tag(const char *at, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(at + 1, name, len) == 0 && (at[len + 1] == '>' || isspace((unsigned char)at[len + 1]));
}

static char *tag_end(struct inlines *inlines, char *at)
{
    if (is_tag(at, "pre")) {
        char *end = strcasestr(at, "</pre>");
        return end ? end : strchr(at, '\0');
    }
    if (!is_tag(at, "code") || inlines->has_no_code)
        return NULL;
    char *end = strcasestr(at, "</code>");
    inlines->has_no_code = !end;
    return end;
}

/* The end of what begins at `at` and is no prose; NULL where that goes on. */
static char *inlines_end(struct inlines *inlines, char *at)
{
    if (*at == '`')
        return code_end(at + strspn(at, "`"), inlines->paragraph, strspn(at, "`"));
    if (*at != '<')
        return NULL;
    return strncmp(at, "<!--", 4) == 0 ? comment_end(inlines, at + 4) : tag_end(inlines, at);
}

static void blank_inlines(char *text)
{
    struct inlines inlines = {.paragraph = text};
    for (char *at = text; *at;) {
        if (at >= inlines.paragraph) {
            inlines.paragraph = paragraph_end(at + (*at == '\n'));
            inlines.has_no_comment = false;
        }
        char *end = inlines_end(&inlines, at);
        if (end) {
            blank(at, end);
            at = end;
        } else if (*at == '\\' && at[1] == '`') {
            at += 2;
        } else {
            at += *at == '`' ? strspn(at, "`") : 1;
        }
    }
}

void rb_prose_keep(char *text)
{
    blank_blocks(text);
    blank_inlines(text);
}
