/*
 * What a subscriber needs: the catalogue of subjects, the event, the runtime that calls its handlers. It
 * needs NATS, no database.
 *
 * `make install` makes <repobus/bus.h> of this file (with lib/base/public.h in it), beside librepobus.so,
 * whose symbols are these and no others (bus/librepobus.map). docs/subscribers.md says what may change when.
 */
#ifndef RB_SUBSCRIBER_H
#define RB_SUBSCRIBER_H

#include <jansson.h>

#include "lib/base/public.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- catalogue ---------------------------------------------------------------------------------------- */

/* Bump when a field of an event changes its meaning or goes away (adding one is no change). */
#define RB_EVENTS_VERSION 1

/* Every subject that events travel on. The CloudEvents type is "dev.repobus." + subject. */
#define RB_REPO_CONNECTED      "repo.connected"
#define RB_REPO_RESCAN         "repo.rescan"
#define RB_REPO_DISCONNECTED   "repo.disconnected"
#define RB_REPO_UNHEALTHY      "repo.unhealthy"
#define RB_REPO_FAILED         "repo.failed"
#define RB_REPO_SCANNED        "repo.scanned"
#define RB_REPO_GRAPHED        "repo.graphed"
#define RB_GITHUB_PULL_REQUEST "github.pull_request"
#define RB_GITHUB_ISSUES       "github.issues"

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
     * group of NATS). `query_workers` are worked on at once; 64 more wait, for five seconds at most, and
     * further ones are told at once that there are too many. When draining, what has come is answered and no
     * more is taken. */
    const struct rb_query *queries;
    int workers; /* default 2; WORKERS in the environment wins */
    /* Default 8: about a quarter of an hour of back-off, then a dead letter. Handing back by a process that
     * ends costs none, however often: that is noted on NATS, and only a note that is lost there costs one.
     * One whose process died counts; up to three more where the last ones had no verdict. Waiting for what is
     * away (.ping) costs none. */
    int max_attempts;
    int health_port; /* default; HEALTH_PORT in the environment wins; 0: any free one */
    void *app;
    /* Per worker thread, may be NULL. open failing ends the process with its error text. */
    rb_err (*worker_open)(void **local, void *app);
    void (*worker_close)(void *local, void *app);
    /* Besides NATS, what readiness asks, may be NULL; runs on the health thread, must not block. */
    rb_ready_fn ready;
    /* Events in the order of the stream, one at a time over all processes of this name; the next one comes
     * when the one before is done or given up, its retries included. So order holds for each repository too,
     * and one that fails holds up all of them: for subscribers that cannot do with `generation`. */
    bool in_order;
    /* rb_work_stop() also says when the event's installation was disconnected meanwhile. */
    bool stop_when_disconnected;
    /* What a handler may need at most, 0: as long as it likes. Then rb_work_stop() says so, and the server is
     * told no more that the event is worked on: one whose handler hangs comes to another process. */
    int time_limit_s;
    /*
     * At most one event of a repository (`repo_id`) is worked on at a time, over all processes of this name;
     * so none of its installations is worked on twice either. Kept by a lease in NATS (bucket
     * repobus_lease_NAME) that the runtime takes before the handler and renews while it runs.
     *
     * Waiting: an event whose repository is taken is handed back and offered again after 250 ms, then twice
     * as long each time, 10 s at most. That costs it no attempt. The end: a lease is given back with the
     * verdict. That of a process which dies, or is cut off from NATS, ends by itself within 30 s; so does
     * that of a handler beyond its time limit. Guaranteed: an owner that was stopped or cut off and wakes is
     * told so by rb_work_stop() from the moment on at which another may have it (by this machine's monotonic
     * clock, with 3 s to spare). Not guaranteed: that a handler which does not ask, or a write that is
     * already under way, stops in time. What must not be overtaken is written on the condition that no
     * greater rb_work_fence() has written, or with `generation`. A NATS that loses its data, or whose clock
     * jumps ahead, may give a lease twice. Cost: about six questions to NATS for each event, together one to
     * three milliseconds.
     */
    bool one_per_repository;
    /*
     * The same, and the events of a repository in the order of the stream: the next one is handled when the
     * one before is done or given up, its retries included; other repositories go on meanwhile. An event that
     * was finished is not handled again. Waiting is as above, so the events of one repository follow each
     * other at up to 10 s distance, where handlers take long, and at 125 to 250 ms where they are quick. Cost
     * besides: two questions more for each event, and each process reads every event of `filter` once more
     * when another process handles it. 16 bytes of memory for each event between the oldest unfinished one
     * and the newest; beyond 1,048,576 events all wait. Events of one repository that fail again and again
     * hold up those behind them for the quarter of an hour that their attempts last.
     */
    bool order_per_repository;
    /*
     * Whether what the handlers need besides NATS, such as a database, answers now; may be NULL. RB_OK: it
     * does; else rb_error_text() says for people what does not, and why. Runs on a worker's thread with its
     * `local`, between two calls of handlers, and should give up within seconds.
     *
     * It is asked when a handler returns RB_RETRY without a delay of its own. Where it says no, or NATS does
     * not answer, an outage is waited for and not held against the event: no handler is called by this
     * process, one worker asks again after pauses that grow from half a second to five, and when all is back
     * the handler is called again for the same delivery, which so costs one attempt however long it took.
     * Meanwhile the event stays with its worker, its run is noted "waiting: …", and /readyz is 503 with the
     * same words. The waiting ends as well when the process drains (the event is handed back at once), when
     * rb_work_stop() would say so, and after 24 hours, as an ordinary failure.
     */
    rb_err (*ping)(void *local, void *app);
    /* How many questions are answered at once, 0: two. More where answers wait for somebody else. */
    int query_workers;
};
/*
 * Runs until SIGTERM or SIGINT, then drains: no new event is taken, handlers in flight get DRAIN_SECONDS
 * (default 20), what is not finished by then is handed back to the queue. A second signal ends at once. Reads
 * NATS_URL, HEALTH_PORT, HEALTH_ADDRESS, WORKERS, DRAIN_SECONDS. Returns the process's exit status.
 */
static inline int rb_subscriber_run(const struct rb_subscriber *subscriber);
/* The part of --help about these settings and the log's. */
const char *rb_subscriber_help(void);
/* What rb_subscriber_run() calls: with the size that the program was built with, so that members can be added
 * at the end without a new soname. */
int rb_subscriber_run_sized(const struct rb_subscriber *subscriber, size_t size);
static inline int rb_subscriber_run(const struct rb_subscriber *subscriber)
{
    return rb_subscriber_run_sized(subscriber, sizeof(*subscriber));
}

const struct rb_event *rb_work_event(const struct rb_work *work);
struct rb_arena *rb_work_arena(struct rb_work *work);                      /* released after the handler */
int rb_work_attempt(const struct rb_work *work);                           /* from 1 */
int64_t rb_work_int(const struct rb_work *work, const char *field);        /* of data; 0 when absent */
const char *rb_work_string(const struct rb_work *work, const char *field); /* of data; "" when absent */
/*
 * Everything that the events of the catalogue carry, typed (docs/asyncapi.json says what each member means).
 * A member that the event's subject does not have, or that is optional and absent, is 0 or NULL; what is
 * required is there and of its type. Made by the library alone, and grows at its end.
 */
struct rb_event_data {
    /* every event */
    int64_t repo_id;                 /* GitHub's number: the key, names change */
    const char *repo;                /* "owner/name" */
    const int64_t *installation_ids; /* of repo.* its one; of github.* all that share the hook */
    size_t installation_count;
    /* repo.* */
    int64_t installation_id, generation;
    /* repo.connected; user_id also rescan, disconnected, unhealthy */
    const char *owner, *name, *default_branch; /* default_branch NULL: GitHub did not say */
    int64_t user_id, webhook_id;
    const char *reason;                /* repo.rescan, repo.unhealthy */
    const char *health;                /* repo.unhealthy */
    const char *commit;                /* repo.scanned, repo.graphed; "" of an empty repository */
    const json_t *profile;             /* repo.scanned: the summary */
    int64_t files, links, duration_ms; /* repo.graphed */
    /* github.* */
    int64_t hook_id;
    const char *action, *delivery_id;
    const json_t *payload; /* GitHub's own; NULL: too large for an event, its size is payload_size */
    int64_t payload_size;  /* bytes; 0 with a payload */
    int64_t number;        /* of the pull request or issue, as the payload says; 0 without one */
    /* repo.failed: who gave up, the id of which event, after how many attempts, and why */
    const char *subscriber, *event, *error;
    int64_t attempts;
};
/* Borrowed from the work. NULL, for rb_reject("%s", rb_error_text()): a required member is missing or of
 * another type. */
const struct rb_event_data *rb_work_data(struct rb_work *work);
/* Progress for people watching; sent at most four times a second, the last one always. */
void rb_work_progress(struct rb_work *work, int64_t done, int64_t total, const char *note);
/* True when the process is draining and the handler should stop soon with rb_retry(). */
bool rb_work_is_draining(const struct rb_work *work);
/* A number that grows with each taking of the lease (.one_per_repository, .order_per_repository), 0 without
 * one: a store that refuses a write with a smaller number than its last one is safe from a former owner. */
int64_t rb_work_fence(const struct rb_work *work);
/* Why the handler should stop soon, for rb_retry(); NULL: go on. Draining, the time limit, a lost lease, a
 * disconnect (that one with rb_done(): it is noticed soon, not surely, so that writes are conditional on the
 * generation all the same). */
const char *rb_work_stop(const struct rb_work *work);
/*
 * For effects that are not harmless twice, such as a message to people: ask before, mark after. Kept in NATS
 * (bucket repobus_done_NAME) by the event's id and `what`, a name of the effect, for as long as the stream
 * keeps events. A crash between the effect and its mark does it twice; that is as near as two systems without
 * a common transaction come. Both block for an answer of NATS, 5 s at most. Errors are temporary.
 */
rb_err rb_work_was_done(bool *done, struct rb_work *work, const char *what) RB_MUST_CHECK;
rb_err rb_work_mark_done(struct rb_work *work, const char *what) RB_MUST_CHECK;
/* Publishes an event that follows from this one. Its id is derived from this event's id and the subject, so a
 * handler that runs twice publishes once. Blocks for the acknowledgement. */
rb_err rb_work_publish(struct rb_work *work, const char *subject, const json_t *data) RB_MUST_CHECK;

/* ---- GitHub and large payloads, without a secret of one's own -------------------------------------------
 */

/*
 * What GitHub answered. `body` is its JSON, NULL where it gave none (204), and lives as long as the handler
 * runs. Made by the library alone, and grows at its end.
 */
struct rb_github_answer {
    int status; /* of HTTP: 2xx */
    const json_t *body;
    bool has_next;          /* there is a next page */
    int64_t rate_remaining; /* requests that the person has left this hour; -1: GitHub did not say */
};
/*
 * Asks GitHub about the event's repository, as the first of those who have it connected whose token may:
 * `method` GET, POST, PATCH, PUT or DELETE, `path` what follows /repos/{owner}/{repo}/ with its query,
 * encoded as an address is ("issues/7/labels?per_page=100"; "" is the repository itself), `body` JSON or NULL
 * (docs.github.com, "GitHub REST API"). The token stays where it is: a scanner answers, over NATS
 * (installation.github), within the rates of the person and with the ETags of what it knows, so that reading
 * the same again costs the person nothing.
 *
 * RB_ENOTFOUND, RB_EFORBIDDEN (of hooks always), RB_ECONFLICT, RB_EINVAL (422): what GitHub says. RB_ESTALE:
 * nobody has the repository connected any more. RB_ELIMIT: a rate; rb_error_wait_ms() until when.
 * RB_EUNAVAILABLE, RB_ETIMEOUT: no scanner answers or GitHub does not, and nobody can say whether a write was
 * done: write what is harmless twice. RB_ETOOBIG: `body` beyond 60,000 bytes, or an answer beyond
 * RB_ANSWER_MAX: ask for smaller pages. rb_result_from() has the verdict for each. Blocks, 30 s at most.
 * `*answer` is NULL with an error.
 */
rb_err rb_work_github(const struct rb_github_answer **answer, struct rb_work *work, const char *method,
                      const char *path, const json_t *body) RB_MUST_CHECK;
/*
 * A part of the payload of github.*, by its JSON Pointer (RFC 6901: "/pull_request/title", "" is all of it),
 * whether the event carries the payload or, since it is too large, a reference to it: then a scanner is asked
 * (delivery.payload), for 30 s at most. Lives as long as the handler runs. RB_ENOTFOUND: there is no such
 * part, or no payload any more (after 30 days); RB_ETOOBIG: a part beyond RB_ANSWER_MAX; and else as above.
 */
rb_err rb_work_payload(const json_t **part, struct rb_work *work, const char *pointer) RB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
