/*
 * bus/admin: what one who operates the bus asks and does: how each subscriber stands, what the streams hold,
 * pausing, and events for one subscriber alone. It needs NATS and nothing else. All of it blocks, up to five
 * seconds a question; any thread may call.
 */
#ifndef RB_BUS_ADMIN_H
#define RB_BUS_ADMIN_H

#include "bus/bus.h"

/* ---- how subscribers stand ---------------------------------------------------------------------------- */

/* One durable consumer of the stream of events. */
struct rb_bus_standing {
    char name[64], filter[256]; /* filter "": everything */
    int64_t waiting;            /* not delivered yet */
    int64_t in_flight;          /* delivered without a verdict, also those that wait for another attempt */
    int64_t redelivered;        /* of these, delivered more than once */
    int64_t readers;            /* workers that are asking for an event now; 0: none runs, or all are busy */
    int64_t oldest_ms;          /* when the oldest event without a verdict was stored; 0: there is none */
    bool paused;
    int64_t paused_ms;     /* since when */
    int64_t error_ms;      /* its last failure; 0: none is known */
    char error[512];       /* "" when none */
    char error_event[208]; /* the id of the event it was about */
};
typedef void (*rb_bus_standing_fn)(void *arg, const struct rb_bus_standing *standing);
/* One call for each, as the server lists them. */
rb_err rb_bus_standings(struct rb_bus *bus, rb_bus_standing_fn fn, void *arg) RB_MUST_CHECK;

/*
 * A paused subscriber takes no event: what its workers have under way ends, its consumer stays and its events
 * wait, whether its processes run, are started anew, or are more by then. Noticed at once by those that are
 * connected, by others when they are again. RB_ENOTFOUND: no subscriber of this name has ever run.
 */
rb_err rb_bus_pause(struct rb_bus *bus, const char *subscriber, bool paused) RB_MUST_CHECK;

/* The buckets for what was done, leases and turns of a subscriber whose credentials may not make them. Any
 * number of times; those that are there stay as they are. */
rb_err rb_bus_make_buckets(struct rb_bus *bus, const char *subscriber) RB_MUST_CHECK;

/* Puts size, limit and number of messages of every stream into this process's metrics. */
rb_err rb_bus_measure_streams(struct rb_bus *bus) RB_MUST_CHECK;

/* ---- what the streams hold ---------------------------------------------------------------------------- */

struct rb_bus_stored {
    uint64_t sequence;
    int64_t at_ms; /* when the stream took it */
    const char *subject;
    const char *id, *to, *traceparent; /* "" when there is none */
    const void *body;                  /* of no length where only heads were asked for */
    size_t len;
};
struct rb_bus_view {
    const char *stream;
    const char *filter;     /* a subject, with wildcards; NULL: everything */
    uint64_t from_sequence; /* the first one to be seen; 0: by time */
    int64_t from_ms;        /* the first that was stored then or later; 0: the oldest, -1: only new ones */
    bool heads_only;        /* without bodies */
    bool follow;            /* goes on with what comes, over reconnects, until `fn` ends it */
};
/* Returns false to end it. `stored` is borrowed until it returns. */
typedef bool (*rb_bus_stored_fn)(void *arg, const struct rb_bus_stored *stored);
/* Shows what is in a stream, in its order, from an ephemeral consumer that changes nothing: all there was at
 * the start. RB_ENOTFOUND: there is no such stream. */
rb_err rb_bus_browse(struct rb_bus *bus, const struct rb_bus_view *view, rb_bus_stored_fn fn,
                     void *arg) RB_MUST_CHECK;
/* Removes one message for good. RB_ENOTFOUND: it is not there (any more). */
rb_err rb_bus_remove(struct rb_bus *bus, const char *stream, uint64_t sequence) RB_MUST_CHECK;

/* ---- dead letters ------------------------------------------------------------------------------------- */

/* Publishes what a dead letter holds to the subscriber that gave it up, and to no other, then removes it. The
 * id of the message follows from the letter's place: done twice, it arrives once. RB_EINVAL: it is no dead
 * letter, or too large for one and cut. `letter` is the decoded message at `sequence`. */
rb_err rb_bus_revive(struct rb_bus *bus, uint64_t sequence, const json_t *letter) RB_MUST_CHECK;

#endif
