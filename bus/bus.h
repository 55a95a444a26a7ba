/*
 * bus: events on NATS JetStream, for publishers and subscribers.
 *
 * A new feature links this library and nothing else of ours: it needs NATS, no database. Three parts: the
 * catalogue (every subject, stream and durable consumer, one table each), the connection with publishing, and
 * the subscriber runtime, which owns everything around a handler: the durable pull consumer, worker threads,
 * in-progress acknowledgements, retries with back-off, dead letters, run records, metrics, health, draining.
 * The catalogue and the runtime are in bus/subscriber.h, which is also what `make install` installs.
 */
#ifndef RB_BUS_H
#define RB_BUS_H

#include "bus/subscriber.h"
#include "lib/base/base.h"

/* ---- catalogue of this house -------------------------------------------------------------------------- */

/* Every subject of questions (request-reply: no stream keeps them); asked in JSON, answered in JSON. */
#define RB_GRAPH_FILES            "graph.files"
#define RB_GRAPH_LINKS            "graph.links"
#define RB_GRAPH_NEIGHBOURS       "graph.neighbours"
#define RB_GRAPH_CHANGED_TOGETHER "graph.changed_together"
#define RB_GRAPH_DEVELOPERS       "graph.developers"
#define RB_GRAPH_OVERLAPS         "graph.overlaps"
#define RB_GRAPH_DEPENDENTS       "graph.dependents"

/* The same, answered by scanners for whoever has no secrets: a request to GitHub, a part of a payload. */
#define RB_INSTALLATION_GITHUB "installation.github"
#define RB_DELIVERY_PAYLOAD    "delivery.payload"

#define RB_STREAM_EVENTS  "REPOBUS" /* repo.>, github.> : kept, replayable */
#define RB_STREAM_RUNS    "RUNS"    /* run.> : the last few messages per subject */
#define RB_STREAM_DEAD    "DEAD"    /* dead.> : what could not be handled, with the reason */
#define RB_STREAM_CONTROL "CONTROL" /* control.> : who is paused, and the last failure of each */

/* A header: the one subscriber that an event is for; the others acknowledge it unseen. */
#define RB_HEADER_TO "Repobus-To"

/* ---- events ------------------------------------------------------------------------------------------- */

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
    /* The user of deploy/nats/permissions that it is: answers come to _INBOX.{user}.>, where no other user
     * may listen. NULL: to _INBOX.>, where there are no accounts. */
    const char *user;
    /* For many events at a time: they are written to the server together, which costs half, and each may be
     * on its way a millisecond later. */
    bool is_bulk;
};
/* Returns at once, also when nobody listens: the connection is made and remade for ever, with jitter. A
 * server that takes the call and says nothing is waited for, ten seconds at most. Reads what rb_bus_help
 * names from the environment. RB_EINVAL when that or the URL is malformed, RB_EAUTH when the server does not
 * let `user` listen to its answers. Any thread may use the result. */
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
/* The same in two calls, so that its caller can do something else while acknowledgements come: begin sends,
 * end waits for them. Each begin has its end, on the same thread and with the same arguments; another
 * thread's batch on this connection waits until then. */
#define RB_BUS_BATCH_MAX 512 /* half a megabyte of common events; more: RB_ETOOBIG for each */
void rb_bus_publish_begin(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                          size_t count);
rb_err rb_bus_publish_end(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                          size_t count) RB_MUST_CHECK;

/* ---- asking ------------------------------------------------------------------------------------------- */

/* What came of a question. `body` is JSON, or whatever it was that answered: look at it before use. */
struct rb_answer {
    rb_err err;       /* RB_EUNAVAILABLE: nobody answers, or the connection was lost; RB_ETIMEOUT; or what the
                         one who answered says: {"error":{"code":"not found","text":"…"}} */
    const char *text; /* of that error, for people; "" */
    int64_t wait_ms;  /* until another try, where the error names a time; 0 */
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
    const char *event; /* the id of the one that is worked on; "" when not known */
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

#endif
