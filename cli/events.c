/* repobus events: what is on the bus, as it comes, or one event whole. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

struct events_tail {
    bool json;
    int left; /* 0: any number */
};

static json_t *events_json(const struct rb_bus_stored *stored)
{
    char at[RB_TIME_SIZE];
    cli_show_time(at, stored->at_ms);
    json_t *event = json_loadb(stored->body, stored->len, JSON_DECODE_ANY, NULL);
    json_t *line = json_pack("{sI ss ss ss}", "sequence", (json_int_t)stored->sequence, "at", at, "subject",
                             stored->subject, "id", stored->id);
    if (*stored->to)
        json_object_set_new(line, "to", json_string(stored->to));
    json_object_set_new(line, "event", event ? event : json_null());
    return line;
}

static void events_line(const struct rb_bus_stored *stored)
{
    char at[RB_TIME_SIZE], line[1024];
    cli_show_time(at, stored->at_ms);
    json_t *event = json_loadb(stored->body, stored->len, 0, NULL);
    const json_t *data = json_object_get(event, "data");
    const char *repo = json_string_value(json_object_get(data, "repo"));
    const char *id = json_string_value(json_object_get(event, "id"));
    snprintf(line, sizeof(line), "%10" PRIu64 "  %s  %-20.64s  %-36.200s  %.160s%s%s", stored->sequence, at,
             stored->subject, id ? id : stored->id, repo ? repo : "-", *stored->to ? "  to " : "",
             stored->to);
    json_decref(event);
    cli_print(stdout, line);
    putchar('\n');
    fflush(stdout);
}

static bool events_on_tail(void *arg, const struct rb_bus_stored *stored)
{
    struct events_tail *tail = arg;
    if (tail->json)
        cli_show_json(events_json(stored));
    else
        events_line(stored);
    return (tail->left == 0 || --tail->left > 0) && !ferror(stdout);
}

int cli_events_tail(const struct cli_options *options)
{
    struct rb_bus *bus = NULL;
    struct events_tail tail = {.json = options->json, .left = options->limit};
    struct rb_bus_view view = {
        .stream = RB_STREAM_EVENTS, .filter = options->subject, .follow = !options->no_wait};
    rb_err err = cli_since(&view.from_ms, options->since);
    if (!options->since && !options->no_wait)
        view.from_ms = -1;
    if (options->after)
        view.from_sequence = (uint64_t)options->after + 1;
    if (!err)
        err = cli_bus_open(&bus, options);
    if (!err)
        err = rb_bus_browse(bus, &view, events_on_tail, &tail);
    rb_bus_close(bus);
    return err ? cli_bus_fail("events tail", err) : CLI_OK;
}

/* ---- one event ---------------------------------------------------------------------------------------- */

struct events_search {
    const char *id;
    uint64_t sequence; /* 0: not found yet */
    json_t *found;
};

static bool events_on_head(void *arg, const struct rb_bus_stored *stored)
{
    struct events_search *search = arg;
    if (strcmp(stored->id, search->id) == 0)
        search->sequence = stored->sequence;
    return search->sequence == 0;
}

static bool events_on_found(void *arg, const struct rb_bus_stored *stored)
{
    struct events_search *search = arg;
    if (stored->sequence == search->sequence)
        search->found = events_json(stored);
    return false;
}

int cli_events_show(const struct cli_options *options, const char *id)
{
    struct rb_bus *bus = NULL;
    struct events_search search = {.id = id};
    struct rb_bus_view heads = {.stream = RB_STREAM_EVENTS, .heads_only = true};
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(id, &end, 10);
    if (*id >= '1' && *id <= '9' && *end == '\0' && errno == 0)
        search.sequence = number;
    rb_err err = cli_bus_open(&bus, options);
    if (!err && search.sequence == 0)
        err = rb_bus_browse(bus, &heads, events_on_head, &search);
    struct rb_bus_view whole = {.stream = RB_STREAM_EVENTS, .from_sequence = search.sequence};
    if (!err && search.sequence)
        err = rb_bus_browse(bus, &whole, events_on_found, &search);
    rb_bus_close(bus);
    if (!err && !search.found)
        err = rb_error_set(RB_ENOTFOUND, "the stream has no event \"%.200s\"", id);
    if (err)
        return cli_bus_fail("events show", err);
    if (options->json) {
        cli_show_json(search.found);
        return CLI_OK;
    }
    char *text = json_dumps(search.found, JSON_INDENT(2)); /* control characters are escaped in it */
    puts(text ? text : "null");
    free(text);
    json_decref(search.found);
    return CLI_OK;
}
