/*
 * repobus replay: events anew, from the record.
 *
 * With --subscriber, a feature that is new, or has lost what it made, catches up: it alone gets a
 * repo.connected for each installation that is active now and was connected since, at its present generation,
 * whether or not the stream still holds the one of then. One that is disconnected meanwhile has a newer
 * generation, so what comes late changes nothing.
 *
 * With --all, the edges publish again to everybody what the outbox still has: for a stream that was lost.
 * Events keep their ids, so a stream that still knows one takes it once.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/store/store.h"

#define REPLAY_PAGE 200 /* events published together */

static const struct rb_statement replay_next = {"replay_next",
                                                "select id, jsonb_build_object('installation_id', id, "
                                                "'generation', generation, 'repo_id', repo_id, 'repo', "
                                                "repo_full_name, 'owner', split_part(repo_full_name, '/', "
                                                "1), 'name', split_part(repo_full_name, '/', 2), "
                                                "'user_id', user_id, 'webhook_id', webhook_id, "
                                                "'default_branch', default_branch)::text from installations "
                                                "where id > $1 and state = 'active' and connected_at >= "
                                                "to_timestamp($2::bigint / 1000.0) order by id limit "
                                                "$3"};
/* From the oldest that was published since, whether within a second or later; more is harmless. */
static const struct rb_statement replay_outbox = {
    "replay_outbox",
    "with again as (insert into outbox_waiting select position, id from outbox_events where created_at >= "
    "least(to_timestamp($1::bigint / 1000.0) - interval '1 second', (select min(first_at) from "
    "outbox_late where published_at >= to_timestamp($1::bigint / 1000.0))) on conflict do nothing "
    "returning 1) select count(*), pg_notify('outbox', 'again') from again"};

struct replay_event {
    char id[RB_UUID_SIZE], trace[RB_TRACEPARENT_SIZE];
    struct rb_buf body;
};

static rb_err replay_make(struct replay_event *event, const char *data)
{
    rb_uuid_make(event->id);
    rb_traceparent_make(event->trace, NULL);
    rb_buf_init(&event->body, RB_EVENT_MAX);
    rb_err err = rb_event_begin(&event->body, RB_REPO_CONNECTED, event->id, "/repobus/replay", event->trace);
    return err ? err : rb_buf_printf(&event->body, "%s}", data);
}

static rb_err replay_page(struct rb_bus *bus, const struct rb_rows *rows, const char *subscriber)
{
    static struct replay_event events[REPLAY_PAGE];
    struct rb_bus_message messages[REPLAY_PAGE];
    rb_err errs[REPLAY_PAGE], err = RB_OK;
    size_t count = rb_rows_count(rows), made = 0;
    for (; made < count && !err; made++) {
        struct replay_event *event = &events[made];
        err = replay_make(event, rb_rows_text(rows, made, 1));
        messages[made] = (struct rb_bus_message){.subject = RB_REPO_CONNECTED,
                                                 .id = event->id,
                                                 .traceparent = event->trace,
                                                 .body = event->body.data,
                                                 .len = event->body.len,
                                                 .to = subscriber};
    }
    if (!err)
        err = rb_bus_publish_all(errs, bus, messages, count);
    for (size_t i = 0; i < made; i++)
        rb_buf_free(&events[i].body);
    return err;
}

/* Publishes until there is no more, or `limit` (0: none) is reached. `*last` is where a next call goes on. */
static rb_err replay_all(int64_t *count, int64_t *last, struct rb_db *db, struct rb_bus *bus,
                         const struct cli_options *options, int64_t since_ms)
{
    size_t found = 0;
    rb_err err;
    do {
        struct rb_rows *rows = NULL;
        int64_t left = options->limit ? options->limit - *count : REPLAY_PAGE;
        struct rb_param params[] = {RB_P_INT(*last), RB_P_INT(since_ms),
                                    RB_P_INT(left < REPLAY_PAGE ? left : REPLAY_PAGE)};
        err = rb_db_query(&rows, db, &replay_next, params, 3);
        found = err ? 0 : rb_rows_count(rows);
        if (found)
            err = replay_page(bus, rows, options->subscriber);
        if (!err && found) {
            *count += (int64_t)found;
            *last = rb_rows_int(rows, found - 1, 0);
        }
        rb_rows_free(rows);
    } while (!err && found == REPLAY_PAGE && (!options->limit || *count < options->limit));
    return err;
}

static rb_err replay_everybody(int64_t *count, struct rb_db *db, int64_t since_ms)
{
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(since_ms)};
    rb_err err = rb_db_query(&rows, db, &replay_outbox, params, 1);
    *count = err ? 0 : rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return err;
}

static void replay_show(const struct cli_options *options, int64_t count, int64_t last)
{
    if (options->json)
        cli_show_json(json_pack("{sI ss? sI}", "events", (json_int_t)count, "subscriber", options->subscriber,
                                "last", (json_int_t)last));
    else if (options->subscriber)
        printf("%" PRId64 " installation%s told to %s\n", count, count == 1 ? "" : "s", options->subscriber);
    else
        printf("%" PRId64 " events of the outbox will be published again\n", count);
    if (options->limit && count == options->limit)
        fprintf(stderr, "repobus: there may be more: --after=%" PRId64 " goes on\n", last);
}

static rb_err replay_check(int64_t *since_ms, const struct cli_options *options)
{
    if (!options->subscriber == !options->all)
        return rb_error_set(RB_EINVAL, "to whom? --subscriber=NAME, or --all");
    if (options->all && !options->since)
        return rb_error_set(RB_EINVAL, "--all needs --from=TIME");
    return cli_since(since_ms, options->since);
}

/* A name that nobody has may be one that will run for the first time, or a slip. */
static void replay_name(void *arg, const struct rb_bus_standing *standing)
{
    const char **unknown = arg;
    if (*unknown && strcmp(standing->name, *unknown) == 0)
        *unknown = NULL;
}

int cli_replay(const struct cli_options *options)
{
    struct rb_config *config = rb_config_new();
    struct rb_db *db = NULL;
    struct rb_bus *bus = NULL;
    int64_t since_ms = 0, count = 0, last = options->after;
    const char *unknown = options->subscriber;
    const char *url = rb_config_string(config, "DATABASE_URL", NULL, "the server's database");
    rb_err err = replay_check(&since_ms, options);
    if (!err && rb_config_check(config))
        err = rb_error_set(RB_EINVAL, "DATABASE_URL is missing");
    if (!err)
        err = rb_db_open(&db, url, "repobus-replay", 0);
    if (!err && options->all)
        err = replay_everybody(&count, db, since_ms);
    if (!err && options->subscriber)
        err = cli_bus_open(&bus, options);
    if (!err && options->subscriber)
        err = rb_bus_standings(bus, replay_name, &unknown);
    if (!err && options->subscriber)
        err = replay_all(&count, &last, db, bus, options, since_ms);
    rb_bus_close(bus);
    rb_db_close(db);
    rb_config_free(config);
    if (err && count)
        fprintf(stderr, "repobus replay: %" PRId64 " were told before this: --after=%" PRId64 " goes on\n",
                count, last);
    if (err)
        return cli_bus_fail("replay", err);
    replay_show(options, count, last);
    if (unknown)
        fprintf(stderr, "repobus: no subscriber \"%s\" has run yet: it gets them when it does\n", unknown);
    return CLI_OK;
}
