/* repobus subscribers, pause, resume, buckets: how each subscriber stands, whether it may go on, what it
 * needs. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

struct subscribers_view {
    json_t *list; /* NULL: a table */
    int count;
};

static json_t *subscribers_json(const struct rb_bus_standing *s)
{
    char oldest[RB_TIME_SIZE], paused[RB_TIME_SIZE], failed[RB_TIME_SIZE];
    cli_show_time(oldest, s->oldest_ms);
    cli_show_time(paused, s->paused_ms);
    cli_show_time(failed, s->error_ms);
    return json_pack("{ss ss sI sI sI sI sb ss? ss? ss? ss? ss?}", "subscriber", s->name, "filter", s->filter,
                     "waiting", (json_int_t)s->waiting, "in_flight", (json_int_t)s->in_flight, "redelivered",
                     (json_int_t)s->redelivered, "readers", (json_int_t)s->readers, "paused", s->paused,
                     "paused_at", s->paused_ms ? paused : NULL, "oldest_at", s->oldest_ms ? oldest : NULL,
                     "error", *s->error ? s->error : NULL, "error_at", s->error_ms ? failed : NULL,
                     "error_event", *s->error_event ? s->error_event : NULL);
}

/* "3d", "5h", "12m", "40s": the largest unit that fits. */
static void subscribers_age(char *out, size_t size, int64_t since_ms)
{
    int64_t s = since_ms > 0 ? (rb_clock_wall_ms() - since_ms) / 1000 : -1;
    if (s < 0)
        snprintf(out, size, "%s", since_ms > 0 ? "0s" : "-");
    else
        snprintf(out, size, "%" PRId64 "%s",
                 s < 120      ? s
                 : s < 7200   ? s / 60
                 : s < 172800 ? s / 3600
                              : s / 86400,
                 s < 120      ? "s"
                 : s < 7200   ? "m"
                 : s < 172800 ? "h"
                              : "d");
}

static void subscribers_line(const struct rb_bus_standing *s)
{
    char age[32], line[1024];
    subscribers_age(age, sizeof(age), s->oldest_ms);
    snprintf(line, sizeof(line), "%-16s %-7s %8" PRId64 " %9" PRId64 " %11" PRId64 " %7s  %s", s->name,
             s->paused ? "paused" : "running", s->waiting, s->in_flight, s->redelivered, age,
             *s->error ? s->error : "-");
    cli_print(stdout, line);
    putchar('\n');
}

static void subscribers_show(void *arg, const struct rb_bus_standing *standing)
{
    struct subscribers_view *view = arg;
    if (view->list) {
        json_array_append_new(view->list, subscribers_json(standing));
    } else {
        if (view->count == 0)
            printf("%-16s %-7s %8s %9s %11s %7s  %s\n", "SUBSCRIBER", "STATE", "WAITING", "IN FLIGHT",
                   "REDELIVERED", "OLDEST", "LAST ERROR");
        subscribers_line(standing);
    }
    view->count++;
}

int cli_subscribers(const struct cli_options *options)
{
    struct rb_bus *bus = NULL;
    struct subscribers_view view = {.list = options->json ? json_array() : NULL};
    rb_err err = cli_bus_open(&bus, options);
    if (!err)
        err = rb_bus_standings(bus, subscribers_show, &view);
    if (!err && options->json)
        cli_show_json(json_incref(view.list));
    else if (!err && view.count == 0)
        puts("no subscriber has run yet");
    json_decref(view.list);
    rb_bus_close(bus);
    return err ? cli_bus_fail("subscribers", err) : CLI_OK;
}

int cli_pause(const struct cli_options *options, const char *subscriber, bool paused)
{
    struct rb_bus *bus = NULL;
    rb_err err = cli_bus_open(&bus, options);
    if (!err)
        err = rb_bus_pause(bus, subscriber, paused);
    rb_bus_close(bus);
    if (err)
        return cli_bus_fail(paused ? "pause" : "resume", err);
    if (options->json)
        cli_show_json(json_pack("{ss sb}", "subscriber", subscriber, "paused", paused));
    else
        printf(paused ? "%s is paused: it takes no event until `repobus resume %s`\n" : "%s goes on\n",
               subscriber, subscriber);
    return CLI_OK;
}

int cli_buckets(const struct cli_options *options, const char *subscriber)
{
    struct rb_bus *bus = NULL;
    rb_err err = cli_bus_open(&bus, options);
    if (!err)
        err = rb_bus_make_buckets(bus, subscriber);
    rb_bus_close(bus);
    if (err)
        return cli_bus_fail("buckets", err);
    if (options->json)
        cli_show_json(json_pack("{ss}", "subscriber", subscriber));
    else
        printf("%s has its buckets\n", subscriber);
    return CLI_OK;
}
