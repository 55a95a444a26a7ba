/*
 * bus: events on NATS JetStream, for publishers and subscribers.
 *
 * A new feature links this library and nothing else of ours: it needs NATS, no database. Three parts: the
 * catalogue (every subject, stream and durable consumer, one table each), the connection with publishing, and
 * the subscriber runtime, which owns everything around a handler: the durable pull consumer, worker threads,
 * in-progress acknowledgements, retries with back-off, dead letters, run records, metrics, health, draining.
 */
#ifndef RB_BUS_H
#define RB_BUS_H

#include <jansson.h>

#include "lib/base/base.h"

/* ---- catalogue ---------------------------------------------------------------------------------------- */

/* Bump when a field of an event changes its meaning or goes away (adding one is no change). */
#define RB_EVENTS_VERSION 1

/* Every subject that events travel on. The CloudEvents type is "dev.repobus." + subject. */
#define RB_REPO_CONNECTED      "repo.connected"
#define RB_REPO_RESCAN         "repo.rescan"
#define RB_REPO_DISCONNECTED   "repo.disconnected"
#define RB_REPO_UNHEALTHY      "repo.unhealthy"
#define RB_REPO_SCANNED        "repo.scanned"
#define RB_REPO_GRAPHED        "repo.graphed"
#define RB_GITHUB_PULL_REQUEST "github.pull_request"
#define RB_GITHUB_ISSUES       "github.issues"

/* Every subject of questions (request-reply: no stream keeps them); asked in JSON, answered in JSON. */
#define RB_GRAPH_FILES            "graph.files"
#define RB_GRAPH_LINKS            "graph.links"
#define RB_GRAPH_NEIGHBOURS       "graph.neighbours"
#define RB_GRAPH_CHANGED_TOGETHER "graph.changed_together"
#define RB_GRAPH_DEVELOPERS       "graph.developers"
#define RB_GRAPH_OVERLAPS         "graph.overlaps"
#define RB_GRAPH_DEPENDENTS       "graph.dependents"

#define RB_STREAM_EVENTS  "REPOBUS" /* repo.>, github.> : kept, replayable */
#define RB_STREAM_RUNS    "RUNS"    /* run.> : the last few messages per subject */
#define RB_STREAM_DEAD    "DEAD"    /* dead.> : what could not be handled, with the reason */
#define RB_STREAM_CONTROL "CONTROL" /* control.> : who is paused, and the last failure of each */

/* A header: the one subscriber that an event is for; the others acknowledge it unseen. */
#define RB_HEADER_TO "Repobus-To"

#define RB_EVENT_MAX 262144 /* 256 KiB: bytes of an encoded event; larger things go by reference */

/* One event: CloudEvents 1.0 (cloudevents.io), structured JSON. */
struct rb_event {
    const char *id;          /* chosen once; also Nats-Msg-Id */
    const char *subject;     /* NATS subject, from the type */
    const char *source;      /* "/repobus/edge" */
    const char *time;        /* RFC 3339 */
    const char *traceparent; /* W3C; "" when absent */
    json_t *data;            /* borrowed from the event */
};

/* Encodes a new event: id (a new UUIDv7 when `id` is NULL), time now. `data` is borrowed. RB_ETOOBIG,
 * RB_EINVAL when the subject is not in the catalogue. `out` appended to. Pure. */
rb_err rb_event_encode(struct rb_buf *out, const char *subject, const char *id, const char *source,
                       const char *traceparent, const json_t *data) RB_MUST_CHECK;
/* The beginning of an event up to its data, for a caller who has that as JSON text already: he appends an
 * object and one more "}", and keeps to RB_EVENT_MAX. Errors as above. Pure. */
rb_err rb_event_begin(struct rb_buf *out, const char *subject, const char *id, const char *source,
                      const char *traceparent) RB_MUST_CHECK;
/* Decodes structured mode; unknown attributes are ignored (extensions). RB_EINVAL says what is missing.
 * Memory and JSON live in `arena`. Pure. */
rb_err rb_event_decode(struct rb_event *event, const void *body, size_t len,
                       struct rb_arena *arena) RB_MUST_CHECK;

/* ---- connection and publishing ------------------------------------------------------------------------ */

struct rb_bus;
struct rb_bus_options {
    const char *url;  /* nats://host:port[,nats://…] */
    const char *name; /* shown by the server */
    /* For many events at a time: they are written to the server together, which costs half, and each may be
     * on its way a millisecond later. */
    bool is_bulk;
};
/* Returns at once, also when no server answers: the connection is made and remade for ever, with jitter.
 * Reads what rb_bus_help names from the environment. RB_EINVAL when that or the URL is malformed. Any thread
 * may use the result. */
rb_err rb_bus_connect(struct rb_bus **out, const struct rb_bus_options *options) RB_MUST_CHECK;
extern const char rb_bus_help[];       /* the part of --help about these settings */
void rb_bus_close(struct rb_bus *bus); /* flushes for up to 2 s; NULL is fine */
bool rb_bus_is_connected(const struct rb_bus *bus);
/* Blocks until connected, at most `timeout_ms`: RB_EUNAVAILABLE. */
rb_err rb_bus_wait(struct rb_bus *bus, int timeout_ms) RB_MUST_CHECK;
/* Creates or updates all streams from the catalogue. Any number of processes may do so at the same time.
 * Refuses (RB_ECONFLICT) where a setting that cannot be changed differs. */
rb_err rb_bus_setup(struct rb_bus *bus) RB_MUST_CHECK;

/* Publishes an encoded event and waits for JetStream's acknowledgement (at most 5 s). `duplicate` may be
 * NULL. RB_EUNAVAILABLE, RB_ETIMEOUT: publish again with the same id. RB_ELIMIT: the stream is full. */
rb_err rb_bus_publish(bool *duplicate, struct rb_bus *bus, const char *subject, const char *id,
                      const char *traceparent, const void *body, size_t len) RB_MUST_CHECK;
/* Many at once, acknowledgements awaited together: errs[i] is the result of each, the return value the first
 * error. */
struct rb_bus_message {
    const char *subject, *id, *traceparent;
    const void *body;
    size_t len;
    const char *to; /* for this subscriber alone; NULL: for all */
};
rb_err rb_bus_publish_all(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                          size_t count) RB_MUST_CHECK;

/* ---- asking ------------------------------------------------------------------------------------------- */

/* What came of a question. `body` is JSON, or whatever it was that answered: look at it before use. */
struct rb_answer {
    rb_err err;       /* RB_EUNAVAILABLE: nobody answers, or the connection was lost; RB_ETIMEOUT; or what the
                         one who answered says: {"error":{"code":"not found","text":"…"}} */
    const char *text; /* of that error, for people; "" */
    const char *body; /* NULL with an error */
    size_t len;
};
/* Called on a thread of libbus, which must not be held; `answer` is borrowed until the call returns. */
typedef void (*rb_bus_answer_fn)(void *arg, const struct rb_answer *answer);
/*
 * Asks whoever answers `subject`. Never blocks. When it gives RB_OK, `fn` is called exactly once: with the
 * first answer, as soon as it is known that nobody is there to answer, when the connection is lost, after
 * `timeout_ms` (a tenth of a second late at most, while the server reads), or by rb_bus_close(). RB_ELIMIT:
 * 1,024 questions are under way. RB_EUNAVAILABLE: not connected. RB_ETOOBIG: more than 64 KiB. `body` is
 * copied.
 */
rb_err rb_bus_ask(struct rb_bus *bus, const char *subject, const void *body, size_t len, int timeout_ms,
                  rb_bus_answer_fn fn, void *arg) RB_MUST_CHECK;

/* ---- runs --------------------------------------------------------------------------------------------- */

/* What subscribers report about one installation; the edge keeps the latest per (installation, subscriber).
 */
enum rb_run_state { RB_RUN_RUNNING, RB_RUN_RETRYING, RB_RUN_DONE, RB_RUN_FAILED };
const char *rb_run_state_name(enum rb_run_state state); /* "running", "retrying", "done", "failed" */
struct rb_run {
    int64_t installation_id;
    const char *subscriber;
    int64_t generation;
    enum rb_run_state state;
    int attempt;                            /* from 1 */
    int64_t done, total;                    /* total 0: not known */
    const char *note, *error;               /* "" when none */
    int64_t at_ms, started_ms, finished_ms; /* wall clock; finished 0 while it runs */
};
rb_err rb_run_encode(struct rb_buf *out, const struct rb_run *run) RB_MUST_CHECK;
rb_err rb_run_decode(struct rb_run *run, const void *body, size_t len, struct rb_arena *arena) RB_MUST_CHECK;

/*
 * Follows run.> on a thread of libbus: the last message of every run first, then all that come, again after
 * each reconnect. At least once. `fn` must return RB_OK when the run has been kept; anything else and it
 * comes again after a second. Uses the durable consumer `durable` of the catalogue when not NULL (one reader
 * among many processes), else an ephemeral one (every reader sees all).
 */
typedef rb_err (*rb_run_fn)(void *arg, const struct rb_run *run);
struct rb_run_follower;
rb_err rb_bus_follow_runs(struct rb_run_follower **out, struct rb_bus *bus, const char *durable, rb_run_fn fn,
                          void *arg) RB_MUST_CHECK;
void rb_bus_unfollow_runs(struct rb_run_follower *follower); /* joins its thread; NULL is fine */

/* ---- subscriber runtime ------------------------------------------------------------------------------- */

struct rb_work; /* one event being handled */

enum rb_verdict {
    RB_DONE,   /* handled; will not come again */
    RB_RETRY,  /* a temporary failure: again after a back-off */
    RB_REJECT, /* will never work: to the dead letters */
};
struct rb_result {
    enum rb_verdict verdict;
    int64_t delay_ms; /* RB_RETRY: at least this long; 0: the runtime's back-off */
    char reason[512]; /* for people; no secrets */
};
struct rb_result rb_done(void);
struct rb_result rb_retry(const char *fmt, ...) RB_PRINTF(1, 2);
struct rb_result rb_retry_after(int64_t delay_ms, const char *fmt, ...) RB_PRINTF(2, 3);
struct rb_result rb_reject(const char *fmt, ...) RB_PRINTF(1, 2);
/* The natural verdict for an rb_err with rb_error_text() and rb_error_wait_ms(): RB_OK and RB_ESTALE done,
 * temporary ones, RB_EINTERNAL and RB_EPROTOCOL retry, the rest reject. */
struct rb_result rb_result_from(rb_err err);

/*
 * Handles one event. Runs on a worker thread, may block as long as it needs: the runtime keeps the message
 * alive meanwhile. It may run again for the same event at any time, on another machine, next to itself, and
 * the outcome must be the same. `app` is the process's own, `local` the worker thread's own (see struct
 * rb_subscriber).
 */
typedef struct rb_result (*rb_handler_fn)(struct rb_work *work, void *app, void *local);

struct rb_route {
    const char *subject;
    rb_handler_fn handler;
};
/*
 * Answers one question: appends JSON of at most RB_ANSWER_MAX bytes to `answer`. Runs on a thread of its own
 * kind, next to the handlers, with a `local` of its own. An error is told to whoever asks, by its name and
 * rb_error_text(); of RB_EINTERNAL only that it happened. `question` is an object and, like `arena`, lives
 * until the function returns.
 */
#define RB_ANSWER_MAX 1000000 /* bytes: under the server's limit of 1 MiB with headers */
typedef rb_err (*rb_query_fn)(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                              void *app, void *local);
struct rb_query {
    const char *subject;
    rb_query_fn fn;
};
struct rb_subscriber {
    const char *name;   /* durable consumer, run records, metrics: "scanner" */
    const char *filter; /* "repo.*": one filter per durable (nats-server 2.9 has no more); subjects without a
                           route are acknowledged at once */
    const struct rb_route *routes; /* ends with {NULL, NULL} */
    /* Of these subjects no run records are written, ends with NULL; may be NULL: what their handlers do is a
     * small part of what another route reports, and the "done" of one would be taken for the other's. */
    const char *const *without_run;
    /* Ends with {NULL, NULL}; NULL: answers nothing. Any process of this name may answer a question (a queue
     * group of NATS). Two are worked on at once; 64 more wait, for five seconds at most, and further ones are
     * told at once that there are too many. When draining, what has come is answered and no more is taken. */
    const struct rb_query *queries;
    int workers; /* default 2; WORKERS in the environment wins */
    /* Default 8: about a quarter of an hour of back-off, then a dead letter. Up to three deliveries more
     * where some were handed back or ended with their process, which the server counts too. */
    int max_attempts;
    int health_port; /* default; HEALTH_PORT in the environment wins; 0: any free one */
    void *app;
    /* Per worker thread, may be NULL. open failing ends the process with its error text. */
    rb_err (*worker_open)(void **local, void *app);
    void (*worker_close)(void *local, void *app);
    /* Besides NATS, what readiness asks, may be NULL; runs on the health thread, must not block. */
    rb_ready_fn ready;
};
/*
 * Runs until SIGTERM or SIGINT, then drains: no new event is taken, handlers in flight get DRAIN_SECONDS
 * (default 20), what is not finished by then is handed back to the queue. A second signal ends at once. Reads
 * NATS_URL, HEALTH_PORT, HEALTH_ADDRESS, WORKERS, DRAIN_SECONDS. Returns the process's exit status.
 */
int rb_subscriber_run(const struct rb_subscriber *subscriber);
/* The part of --help about these settings and the log's. */
extern const char rb_subscriber_help[];

const struct rb_event *rb_work_event(const struct rb_work *work);
struct rb_arena *rb_work_arena(struct rb_work *work);                      /* released after the handler */
int rb_work_attempt(const struct rb_work *work);                           /* from 1 */
int64_t rb_work_int(const struct rb_work *work, const char *field);        /* of data; 0 when absent */
const char *rb_work_string(const struct rb_work *work, const char *field); /* of data; "" when absent */
/* Progress for people watching; sent at most four times a second, the last one always. */
void rb_work_progress(struct rb_work *work, int64_t done, int64_t total, const char *note);
/* True when the process is draining and the handler should stop soon with rb_retry(). */
bool rb_work_is_draining(const struct rb_work *work);
/* Publishes an event that follows from this one. Its id is derived from this event's id and the subject, so a
 * handler that runs twice publishes once. Blocks for the acknowledgement. */
rb_err rb_work_publish(struct rb_work *work, const char *subject, const json_t *data) RB_MUST_CHECK;

#endif
