/*
 * repobus dead: what subscribers gave up, each with its reason and the event as it came. Replaying one gives
 * it to the subscriber that gave it up, and to no other, and removes the letter.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define DEAD_LIST_LIMIT 100 /* lines, unless --limit says otherwise */

typedef rb_err (*dead_act_fn)(struct rb_bus *bus, uint64_t sequence, const json_t *letter);

struct dead_walk {
    struct rb_bus *bus;
    const struct cli_options *options;
    dead_act_fn act; /* NULL: shows them */
    const char *acted;
    int left;      /* 0: any number */
    uint64_t only; /* 0: all */
    int64_t count, failed;
    uint64_t last;
};

static const char *dead_text(const json_t *letter, const char *field)
{
    const char *text = json_string_value(json_object_get(letter, field));
    return text ? text : "";
}

static void dead_line(const struct dead_walk *walk, uint64_t sequence, const json_t *letter)
{
    char line[1024];
    if (walk->count == 0)
        printf("%8s  %-24s  %-14s %-20s %8s  %s\n", "ID", "AT", "SUBSCRIBER", "SUBJECT", "ATTEMPTS",
               "REASON");
    snprintf(line, sizeof(line), "%8" PRIu64 "  %-24.24s  %-14.48s %-20.64s %8lld  %.600s", sequence,
             dead_text(letter, "at"), dead_text(letter, "subscriber"), dead_text(letter, "subject"),
             (long long)json_integer_value(json_object_get(letter, "attempts")), dead_text(letter, "reason"));
    cli_print(stdout, line);
    putchar('\n');
}

static json_t *dead_with_id(uint64_t sequence, const json_t *letter)
{
    json_t *line = json_pack("{sI}", "id", (json_int_t)sequence);
    json_object_update(line, (json_t *)letter);
    return line;
}

static void dead_act(struct dead_walk *walk, uint64_t sequence, const json_t *letter)
{
    if (walk->act(walk->bus, sequence, letter)) {
        walk->failed++;
        fprintf(stderr, "repobus: %" PRIu64 ": ", sequence);
        cli_print(stderr, rb_error_text());
        fputc('\n', stderr);
    }
}

static bool dead_on_letter(void *arg, const struct rb_bus_stored *stored)
{
    struct dead_walk *walk = arg;
    if (walk->only && stored->sequence != walk->only)
        return false;
    json_t *letter = json_loadb(stored->body, stored->len, 0, NULL);
    if (walk->act)
        dead_act(walk, stored->sequence, letter);
    else if (walk->options->json)
        cli_show_json(dead_with_id(stored->sequence, letter));
    else
        dead_line(walk, stored->sequence, letter);
    json_decref(letter);
    walk->count++;
    walk->last = stored->sequence;
    return !walk->only && (walk->left == 0 || --walk->left > 0) && !ferror(stdout);
}

/* The letters that the options choose; `id` NULL, or one of them. */
static rb_err dead_walk(struct dead_walk *walk, const char *id)
{
    char filter[400];
    const struct cli_options *options = walk->options;
    struct rb_bus_view view = {.stream = RB_STREAM_DEAD, .filter = filter};
    snprintf(filter, sizeof(filter), "dead.%.64s.%.256s", options->subscriber ? options->subscriber : "*",
             options->subject ? options->subject : ">");
    rb_err err = cli_since(&view.from_ms, options->since);
    if (options->after)
        view.from_sequence = (uint64_t)options->after + 1;
    if (!err && id) {
        char *end = NULL;
        errno = 0;
        walk->only = view.from_sequence = strtoull(id, &end, 10);
        if (*id < '1' || *id > '9' || *end || errno)
            err = rb_error_set(RB_EINVAL,
                               "the id of a dead letter is a number; `repobus dead list` shows them");
    }
    if (!err)
        err = cli_bus_open(&walk->bus, options);
    if (!err)
        err = rb_bus_browse(walk->bus, &view, dead_on_letter, walk);
    rb_bus_close(walk->bus);
    if (!err && walk->only && walk->count == 0)
        err = rb_error_set(RB_ENOTFOUND, "there is no dead letter %" PRIu64, walk->only);
    return err;
}

int cli_dead_list(const struct cli_options *options)
{
    int limit = options->limit ? options->limit : DEAD_LIST_LIMIT;
    struct dead_walk walk = {.options = options, .left = limit};
    rb_err err = dead_walk(&walk, NULL);
    if (err)
        return cli_bus_fail("dead list", err);
    if (walk.count == limit)
        fprintf(stderr, "repobus: there may be more: --after=%" PRIu64 " goes on\n", walk.last);
    else if (walk.count == 0 && !options->json)
        puts("no dead letters");
    return CLI_OK;
}

int cli_dead_show(const struct cli_options *options, const char *id)
{
    struct cli_options one = *options;
    one.json = true;
    struct dead_walk walk = {.options = &one};
    rb_err err = dead_walk(&walk, id);
    return err ? cli_bus_fail("dead show", err) : CLI_OK;
}

/* Refuses what would hit all letters without saying so. */
static int dead_change(struct dead_walk *walk, const char *id, const char *command)
{
    const struct cli_options *options = walk->options;
    bool chosen = options->subscriber || options->subject || options->since || options->after;
    rb_err err = RB_OK;
    if (!id && !chosen && !options->all)
        err = rb_error_set(RB_EINVAL, "which ones? An id, --subscriber, --subject, --since, or --all");
    if (!err)
        err = dead_walk(walk, id);
    if (!err && options->json)
        cli_show_json(json_pack("{sI sI}", walk->acted, (json_int_t)(walk->count - walk->failed), "failed",
                                (json_int_t)walk->failed));
    else if (!err)
        printf("%" PRId64 " %s%s\n", walk->count - walk->failed, walk->acted,
               walk->failed ? ", the rest stays" : "");
    if (err)
        return cli_bus_fail(command, err);
    return walk->failed ? CLI_FAILED : CLI_OK;
}

int cli_dead_replay(const struct cli_options *options, const char *id)
{
    struct dead_walk walk = {
        .options = options, .act = rb_bus_revive, .acted = "replayed", .left = options->limit};
    return dead_change(&walk, id, "dead replay");
}

static rb_err dead_remove(struct rb_bus *bus, uint64_t sequence, const json_t *letter)
{
    (void)letter;
    return rb_bus_remove(bus, RB_STREAM_DEAD, sequence);
}

int cli_dead_drop(const struct cli_options *options, const char *id)
{
    struct dead_walk walk = {
        .options = options, .act = dead_remove, .acted = "dropped", .left = options->limit};
    return dead_change(&walk, id, "dead drop");
}
