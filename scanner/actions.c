/* GitHub Actions: the actions a workflow uses (docs.github.com, "Workflow syntax",
 * jobs.<job_id>.steps[*].uses). */
#include <string.h>
#include <yaml.h>

#include "scanner/scan.h"
#include "scanner/text.h"

#define ACTIONS_EVENTS_MAX 20000 /* a large workflow has two thousand */
#define ACTIONS_DEPTH_MAX  64    /* libyaml keeps all that is open; a workflow nests seven deep */

/* "owner/repo/path@ref"; "./local" and "docker://image" are no packages. */
static void actions_add(struct rb_scan_sheet *sheet, size_t first, struct rb_piece uses)
{
    if (rb_piece_starts(uses, ".") || rb_piece_starts(uses, "docker:"))
        return;
    const char *at = memchr(uses.at, '@', uses.len);
    if (!at || !memchr(uses.at, '/', uses.len))
        return;
    size_t len = (size_t)(at - uses.at);
    for (size_t i = first; i < sheet->count; i++) { /* the same action in every job is one dependency */
        const struct rb_scan_dependency *item = &sheet->items[i];
        if (strlen(item->name) == len && memcmp(item->name, uses.at, len) == 0)
            return;
    }
    rb_scan_add(sheet, uses.at, len, at + 1, uses.len - len - 1, RB_KIND_BUILD);
}

/* libyaml holds each tag directive against all before it; a workflow has none. */
#define ACTIONS_TAGS_MAX 20

static bool actions_is_tame(const char *text, size_t len)
{
    int tags = 0;
    for (const char *at = text; (at = memmem(at, (size_t)(text + len - at), "%TAG", 4)); at++) {
        if (++tags > ACTIONS_TAGS_MAX)
            return false;
    }
    return true;
}

struct actions {
    struct rb_scan_sheet *sheet;
    size_t first; /* of the sheet's items, from this file */
    int events, depth;
    bool is_next; /* the scalar before was "uses" */
    bool is_end;
};

static rb_err actions_event(struct actions *actions, const yaml_event_t *event)
{
    bool was_next = actions->is_next;
    actions->is_next = false;
    if (++actions->events > ACTIONS_EVENTS_MAX)
        return rb_error_set(RB_EINVAL, "YAML: more than any workflow holds");
    switch (event->type) {
    case YAML_SCALAR_EVENT: {
        struct rb_piece value = {(const char *)event->data.scalar.value, event->data.scalar.length};
        if (was_next)
            actions_add(actions->sheet, actions->first, value);
        actions->is_next = !was_next && rb_piece_is(value, "uses");
        break;
    }
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (++actions->depth > ACTIONS_DEPTH_MAX)
            return rb_error_set(RB_EINVAL, "YAML: nested too deeply");
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        actions->depth--;
        break;
    default:
        actions->is_end = event->type == YAML_STREAM_END_EVENT;
        break;
    }
    return RB_OK;
}

/* Reads the stream of events: a scalar "uses" is followed by the scalar it is given. */
rb_err rb_actions_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct actions actions = {.sheet = sheet, .first = sheet->count};
    yaml_parser_t parser;
    yaml_event_t event;
    rb_err err = RB_OK;
    if (!actions_is_tame(text, len))
        return rb_error_set(RB_EINVAL, "YAML: more tag directives than any workflow has");
    if (!yaml_parser_initialize(&parser))
        return rb_error_set(RB_EINTERNAL, "YAML: out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* as GitHub reads it, and as looked at above */
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    while (!actions.is_end && !err) {
        if (!yaml_parser_parse(&parser, &event)) {
            err = rb_error_set(RB_EINVAL, "YAML: line %zu: %s", parser.problem_mark.line + 1,
                               parser.problem ? parser.problem : "not well-formed");
            break;
        }
        err = actions_event(&actions, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return err;
}
