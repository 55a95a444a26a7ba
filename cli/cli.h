/* Private to cli/. */
#ifndef RB_CLI_H
#define RB_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "bus/admin.h"
#include "lib/base/base.h"

/* Exit codes; main.c prints them in --help. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,       /* a subscriber gave up, or something unexpected */
    CLI_USAGE = 2,        /* wrong arguments or settings */
    CLI_UNAUTHORIZED = 3, /* REPOBUS_TOKEN or the sign-in is not accepted */
    CLI_CONNECTED = 4,    /* connected already, or being connected */
    CLI_GITHUB = 5,       /* GitHub refused or could not be reached */
    CLI_UNREACHABLE = 6,  /* the server cannot be reached, or not in time */
    CLI_NOT_FOUND = 7,    /* this person has no such installation; no such subscriber, event, dead letter */
};

struct cli_options {
    const char *url, *token; /* REPOBUS_URL, REPOBUS_TOKEN */
    bool json, if_needed, no_wait, offline, force, cyclonedx;
    const char *wait_for; /* "scanner,grapher" */
    const char *login;
    int timeout_seconds, days;
    /* Of the commands that operate the bus. */
    const char *subscriber, *subject; /* NULL: any */
    const char *since;                /* as it was given; cli_since() reads it */
    bool all;
    int limit;
    int64_t after; /* a number in a stream */
};

/* ---- the server (api.c) ------------------------------------------------------------------------------- */

struct cli_answer {
    int status; /* 0: no answer */
    struct rb_buf body;
    json_t *json; /* NULL when it is no JSON */
};
/* Asks the server and waits. False when there was no answer; it has been said then. */
bool cli_ask(struct cli_answer *answer, const struct cli_options *options, const char *method,
             const char *path);
void cli_answer_clear(struct cli_answer *answer);
/* Says what an error answer says, on standard error, and gives its exit code. */
int cli_answer_fail(const struct cli_answer *answer);

/* Follows server-sent events. `fn` gets each event and returns false to stop. The result: RB_OK when `fn`
 * stopped it, RB_EUNAVAILABLE when the stream ended or was cut, RB_EAUTH/RB_ENOTFOUND by status. `last_id` is
 * kept over calls. */
typedef bool (*cli_event_fn)(void *arg, const char *event, const char *data);
rb_err cli_follow(const struct cli_options *options, const char *path, char last_id[64], int64_t deadline,
                  cli_event_fn fn, void *arg);

/* ---- showing (show.c) --------------------------------------------------------------------------------- */

/* Text from a server as it may go to a terminal: control characters become spaces. */
void cli_print(FILE *out, const char *text);
void cli_show_repo(const json_t *repo);    /* one line and its runs */
void cli_show_choice(const json_t *repo);  /* one line of what can be connected */
void cli_show_summary(const json_t *repo); /* what it is, what its graph holds */

/* Progress of all subscribers: bars that are redrawn on a terminal, a line a change otherwise. */
struct cli_progress {
    json_t *runs; /* by subscriber */
    bool is_terminal;
    int drawn_lines;
};
void cli_progress_init(struct cli_progress *progress);
void cli_progress_update(struct cli_progress *progress, const json_t *run);
void cli_progress_free(struct cli_progress *progress);

/* ---- commands ----------------------------------------------------------------------------------------- */

int cli_connect(const struct cli_options *options, const char *repo);
int cli_rescan(const struct cli_options *options, const char *repo);
int cli_disconnect(const struct cli_options *options, const char *repo);
int cli_status(const struct cli_options *options, const char *repo); /* NULL: as list */
int cli_list(const struct cli_options *options, bool all);           /* also what is not connected */
int cli_watch(const struct cli_options *options, const char *repo);
int cli_profile(const struct cli_options *options, const char *repo);
int cli_token(const struct cli_options *options);
int cli_reseal(const struct cli_options *options);
int cli_new_subscriber(const char *name, const char *subjects, const char *language);

/* ---- operating the bus (bus.c and a file for each family) ---------------------------------------------- */

/* "2026-11-28T08:00:00Z", "2026-11-28", or so long ago: "90s", "15m", "2h", "7d". NULL: 0. RB_EINVAL. */
rb_err cli_since(int64_t *since_ms, const char *text) RB_MUST_CHECK;
/* NATS at NATS_URL, connected: at most 15 s or the timeout of `options` later. */
rb_err cli_bus_open(struct rb_bus **bus, const struct cli_options *options) RB_MUST_CHECK;
/* Says this thread's error on standard error, and gives its exit code. */
int cli_bus_fail(const char *command, rb_err err);
void cli_show_time(char out[RB_TIME_SIZE], int64_t at_ms); /* to the second; "-" for 0 */
void cli_show_json(json_t *object);                        /* one line; takes the reference */

int cli_subscribers(const struct cli_options *options);
int cli_pause(const struct cli_options *options, const char *subscriber, bool paused);
int cli_buckets(const struct cli_options *options, const char *subscriber);
int cli_events_tail(const struct cli_options *options);
int cli_events_show(const struct cli_options *options, const char *id); /* an event's id, or its number */
int cli_dead_list(const struct cli_options *options);
int cli_dead_show(const struct cli_options *options, const char *id);
/* `id` NULL: all that the options choose. */
int cli_dead_replay(const struct cli_options *options, const char *id);
int cli_dead_drop(const struct cli_options *options, const char *id);
int cli_replay(const struct cli_options *options);

#endif
