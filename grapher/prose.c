/*
 * What of a text in GitHub's Markdown is prose, found as GitHub does: the text becomes HTML (libcmark), the
 * HTML is read (libxml2), and what stands in code or in a comment says nothing to anybody.
 */
#include <cmark.h>
#include <libxml/HTMLparser.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/activity.h"

#define PROSE_MAX 2097152 /* bytes: GitHub's texts have at most 65,536 characters */

struct prose {
    struct rb_buf text;
    int hidden;   /* elements that are open and hold no prose */
    bool is_full; /* what follows is not read */
};

static void prose_add(struct prose *prose, const void *text, size_t len)
{
    prose->is_full = prose->is_full || rb_buf_append(&prose->text, text, len) != RB_OK;
}

static bool is_hidden(const char *element)
{
    static const char *const hidden[] = {"code", "pre", "script", "style"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (strcmp(element, hidden[i]) == 0)
            return true;
    }
    return false;
}

/* A line's end stands in the place of what is hidden: no sentence goes on across it. */
static void on_start(void *arg, const xmlChar *name, const xmlChar **attributes)
{
    struct prose *prose = arg;
    (void)attributes;
    if (is_hidden((const char *)name) && prose->hidden++ == 0)
        prose_add(prose, "\n", 1);
}

static void on_end(void *arg, const xmlChar *name)
{
    struct prose *prose = arg;
    if (is_hidden((const char *)name) && prose->hidden > 0)
        prose->hidden--;
}

static void on_text(void *arg, const xmlChar *text, int len)
{
    struct prose *prose = arg;
    if (prose->hidden == 0)
        prose_add(prose, text, (size_t)len);
}

/* People's HTML is wrong in many ways; libxml2 makes the best of it and has nothing to tell. */
static void on_error(void *arg, const char *format, ...)
{
    (void)arg;
    (void)format;
}

const char *rb_prose_read(const char *markdown, struct rb_arena *arena)
{
    htmlSAXHandler handler = {.startElement = on_start,
                              .endElement = on_end,
                              .characters = on_text,
                              .ignorableWhitespace = on_text,
                              .error = on_error,
                              .warning = on_error};
    struct prose prose = {0};
    rb_buf_init(&prose.text, PROSE_MAX);
    char *html =
        cmark_markdown_to_html(markdown, strlen(markdown), CMARK_OPT_UNSAFE | CMARK_OPT_VALIDATE_UTF8);
    htmlDocPtr none = htmlSAXParseDoc((const xmlChar *)html, "UTF-8", &handler, &prose);
    xmlFreeDoc(none);
    free(html);
    const char *text = rb_arena_strndup(arena, prose.text.data ? prose.text.data : "", prose.text.len);
    rb_buf_free(&prose.text);
    return text;
}
