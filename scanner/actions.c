/* GitHub Actions: the actions a workflow uses (docs.github.com, "Workflow syntax",
 * jobs.<job_id>.steps[*].uses). */
#include <string.h>
#include <yaml.h>

#include "scanner/scan.h"
#include "scanner/text.h"

#define ACTIONS_EVENTS_MAX 100000 /* of a file of 1 MiB; a real workflow has some hundreds */

/* "owner/repo/path@ref"; "./local" and "docker://image" are no packages. */
static void actions_add(struct rb_scan_sheet *sheet, struct rb_piece uses)
{
    if (rb_piece_starts(uses, ".") || rb_piece_starts(uses, "docker:"))
        return;
    const char *at = memchr(uses.at, '@', uses.len);
    if (!at || !memchr(uses.at, '/', uses.len))
        return;
    size_t len = (size_t)(at - uses.at);
    for (size_t i = 0; i < sheet->count; i++) { /* the same action in every job is one dependency */
        const struct rb_scan_dependency *item = &sheet->items[i];
        if (item->manifest == sheet->manifest && strlen(item->name) == len &&
            memcmp(item->name, uses.at, len) == 0)
            return;
    }
    rb_scan_add(sheet, uses.at, len, at + 1, uses.len - len - 1, RB_KIND_BUILD);
}

/* Reads the stream of events: a scalar "uses" is followed by the scalar it is given. */
rb_err rb_actions_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    yaml_parser_t parser;
    yaml_event_t event;
    rb_err err = RB_OK;
    bool is_next = false, is_end = false;
    if (!yaml_parser_initialize(&parser))
        return rb_error_set(RB_EINTERNAL, "YAML: out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    for (int i = 0; i < ACTIONS_EVENTS_MAX && !is_end && !err; i++) {
        if (!yaml_parser_parse(&parser, &event)) {
            err = rb_error_set(RB_EINVAL, "YAML: line %zu: %s", parser.problem_mark.line + 1,
                               parser.problem ? parser.problem : "not well-formed");
            break;
        }
        if (event.type == YAML_SCALAR_EVENT) {
            struct rb_piece value = {(const char *)event.data.scalar.value, event.data.scalar.length};
            if (is_next)
                actions_add(sheet, value);
            is_next = !is_next && rb_piece_is(value, "uses");
        } else {
            is_next = false;
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return err;
}
