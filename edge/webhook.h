/* Private to the webhooks: a delivery that has been verified and read, and the commit it shares with others.
 */
#ifndef RB_EDGE_WEBHOOK_H
#define RB_EDGE_WEBHOOK_H

#include "edge/edge.h"

enum webhook_outcome { WEBHOOK_PUBLISHED, WEBHOOK_IGNORED, WEBHOOK_PING };

/* What is to be written of a delivery. */
struct webhook_record {
    int64_t hook_id;
    int64_t reserved_id; /* of the connect under way whose secret signed it; 0: of an active installation */
    const char *delivery_id, *event, *action;
    enum webhook_outcome outcome;
    const char *full_name; /* of the repository by the payload; NULL where it names none */
    const char *payload;   /* JSON */
    size_t payload_len;
    int64_t repo_id; /* the same; 0 where it has none, which one that is published does not */
    /* Of one that is published: */
    const char *subject;
    const char *traceparent; /* of the sender; NULL where there is none */
    int64_t received_ms;     /* rb_clock_ms() */
};

/* What became of it. */
enum webhook_fate {
    WEBHOOK_NEW,
    WEBHOOK_KNOWN,  /* it came before: nothing was written */
    WEBHOOK_ORPHAN, /* the hook has no active installation: nothing was written */
};

/* Called on the exchange's thread once the commit stands or has failed. `renamed`: an installation of the
 * hook has another name for this very repository. */
typedef void (*webhook_fate_fn)(void *arg, rb_err err, enum webhook_fate fate, bool renamed);

/*
 * Writes a delivery, once per hook and delivery id, and its event, for the active installations of the hook
 * at that moment, in one statement with whatever else is there to be written. The record is copied; the
 * exchange is held meanwhile. RB_ELIMIT: too much is waiting, `fn` is not called. RB_EUNAVAILABLE in time for
 * GitHub, which waits ten seconds.
 */
rb_err edge_webhook_commit(struct edge_exchange *exchange, const struct webhook_record *record,
                           webhook_fate_fn fn, void *arg) RB_MUST_CHECK;

#endif
