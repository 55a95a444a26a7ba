/*
 * What the files of libbus share among themselves. Nothing outside bus/ includes this, but its tests.
 */
#ifndef RB_BUS_PRIVATE_H
#define RB_BUS_PRIVATE_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bus/bus.h"

#define BUS_EVENT_TYPE_PREFIX "dev.repobus."

#define BUS_API_WAIT_MS 5000 /* an answer of JetStream takes milliseconds; five seconds is an outage */
/* In this time: what is asked while a leader is elected is lost. Writing may take longer than looking. */
#define BUS_LOOK_TRIES  5
#define BUS_WRITE_TRIES 3
#define BUS_MESSAGE_MAX \
    1024000 /* 1000 KiB: the server's limit is 1 MiB with headers; a dead letter may be this large */
#define BUS_ID_MAX          200 /* bytes of an event id: a UUID has 36, other producers are wordier */
#define BUS_TRACEPARENT_MAX 128 /* W3C's has 55; later versions of it may be longer */
#define BUS_NAME_MAX        48  /* bytes of a subscriber's name: part of subjects, headers and labels */
#define BUS_SUBJECT_MAX     256

/* ---- catalogue.c -------------------------------------------------------------------------------------- */

struct bus_stream_def {
    const char *name;
    const char *description;
    const char *subjects[4]; /* ends with NULL */
    int64_t max_age_s;
    int64_t max_bytes;
    int64_t max_per_subject; /* 0: any number */
    int32_t max_message;
    jsDiscardPolicy discard;
    int64_t duplicates_s;
};
extern const struct bus_stream_def bus_streams[];
extern const size_t bus_stream_count;

struct bus_durable_def {
    const char *name; /* NULL: an ephemeral consumer, or the subscriber's own name */
    const char *stream;
    const char *filter; /* NULL: everything in the stream */
    int64_t ack_wait_ms;
    int64_t max_deliver;
    int64_t max_ack_pending;
    int64_t inactive_s; /* an ephemeral one is removed after this long without a reader; 0: never */
};
/* The row for `name`; NULL when there is none. */
const struct bus_durable_def *bus_durable_find(const char *name);
/* What every subscriber's durable consumer has; name and filter are filled in by the caller. */
struct bus_durable_def bus_durable_for_subscriber(const char *name, const char *filter);
struct bus_durable_def bus_durable_for_follower(void);
bool bus_subject_is_known(const char *subject);
/* Printable ASCII without spaces, at most `max` bytes, not empty: fit for a header. */
bool bus_text_is_plain(const char *text, size_t max);
/* Letters, digits, '-' and '_': fit for one token of a subject and for a consumer's name. */
bool bus_name_is_valid(const char *name);

/* ---- settings.c --------------------------------------------------------------------------------------- */

#define BUS_SETTINGS_HELP                                                                                    \
    "  NATS_CREDS            file with a JWT and its NKey, as nsc writes it; or user:password@ in "          \
    "NATS_URL\n"                                                                                             \
    "  NATS_CA               PEM file: TLS, with a certificate of this authority and NATS_URL's host name\n" \
    "  NATS_CERT, NATS_KEY   PEM files, where the server asks for a certificate\n"                           \
    "  NATS_REPLICAS         1 to 5: copies of every stream; unset: new ones have 1, others keep theirs\n"   \
    "  NATS_STREAM_MB        of the stream of events; unset: a new one has 2048, another keeps its size\n"

struct bus_settings {
    const char *creds, *ca, *certificate, *key; /* files; "" when not set */
    int64_t replicas, stream_mb;                /* 0: not set */
};
rb_err bus_settings_read(struct bus_settings *out) RB_MUST_CHECK;
natsStatus bus_settings_apply(natsOptions *options, const struct bus_settings *settings);

/* ---- connection.c ------------------------------------------------------------------------------------- */

struct bus_pull;
struct bus_asks;

struct rb_bus {
    natsConnection *nc;
    jsCtx *js;
    struct bus_settings settings;
    char inbox_prefix[BUS_NAME_MAX + 16]; /* "_INBOX.scanner" */
    atomic_bool closing;                  /* by us: no news for the log */

    pthread_mutex_t mutex; /* guards what follows, up to `acks` */
    pthread_cond_t changed;
    bool connected;
    bool closed;    /* for good: the server refused our credentials twice */
    bool refused;   /* on this connection: no answer can reach us, the credentials are another user's */
    uint64_t epoch; /* grows with every connection made: what was asked on an older one is lost */
    struct bus_pull *pulls;
    natsSubscription *elections_sub;
    bool elections_ended; /* nats.c calls back no more */

    atomic_ulong elections; /* of the stream of events that were heard of, see election.c */

    pthread_mutex_t setup_mutex;
    int64_t setup_at_ms; /* when the streams were last set up, to heal at most once a second */

    pthread_mutex_t acks_mutex; /* one batch at a time, from its begin to its end */
    natsSubscription *acks;
    char *acks_inbox;
    uint64_t acks_batch, acks_epoch; /* of the batch at hand; the connection that it was sent on */
    unsigned long acks_elections;    /* that were heard of when it was sent last */
    size_t acks_pending;

    struct bus_asks *asks; /* questions under way; has a mutex of its own */
};

uint64_t bus_epoch(struct rb_bus *bus);
bool bus_is_closed(struct rb_bus *bus); /* or refused: whoever reads may end */
/* A subject of its own for answers to this connection, to be freed. */
rb_err bus_inbox_make(char **inbox, const struct rb_bus *bus) RB_MUST_CHECK;
/* Waits until connected; ends early with RB_ETIMEOUT when `stop` becomes true and bus_kick() is called. */
rb_err bus_wait_unless(struct rb_bus *bus, int timeout_ms, const atomic_bool *stop) RB_MUST_CHECK;
void bus_kick(struct rb_bus *bus);
/* Records `status` (and JetStream's own code, 0 when there is none) as this thread's error. */
rb_err bus_error(natsStatus status, int js_code, const char *fmt, ...) RB_PRINTF(3, 4);
rb_err bus_error_code(natsStatus status, int js_code);

/* ---- election.c --------------------------------------------------------------------------------------- */

void bus_elections_follow(struct rb_bus *bus); /* any number of times; for those who read or publish */
void bus_elections_free(struct rb_bus *bus);   /* only after the connection is closed */

/* ---- setup.c ------------------------------------------------------------------------------------------ */

/* rb_bus_setup() unless it was done within the last second: for those who found a stream missing. */
rb_err bus_heal(struct rb_bus *bus) RB_MUST_CHECK;
/* For what is asked up to `tries` times within BUS_API_WAIT_MS. */
void bus_api_options(jsOptions *options, int tries);
/* Creates or updates the consumer, after all streams. `name` is set to the server's name of it, to be freed.
 * One that this process has set up before (`was_there`) is looked for first, since after an election any
 * other stream, or the whole cluster, may be without a leader for seconds longer. */
rb_err bus_consumer_ensure(char **name, struct rb_bus *bus, const struct bus_durable_def *def,
                           bool was_there) RB_MUST_CHECK;
/* When the stream was made: another time, another stream, whose sequences begin anew. */
rb_err bus_stream_created(int64_t *created_ns, struct rb_bus *bus, const char *name) RB_MUST_CHECK;

/* ---- publish.c ---------------------------------------------------------------------------------------- */

/* As rb_bus_publish(). */
rb_err bus_publish_message(bool *duplicate, struct rb_bus *bus,
                           const struct rb_bus_message *message) RB_MUST_CHECK;
/* Without an acknowledgement, dropped while there is no connection: for what the next one makes obsolete. */
void bus_publish_lossy(struct rb_bus *bus, const char *subject, const void *body, size_t len);

/* ---- ask.c -------------------------------------------------------------------------------------------- */

rb_err bus_asks_new(struct bus_asks **out, struct rb_bus *bus) RB_MUST_CHECK;
void bus_asks_stop(struct bus_asks *asks); /* ends what is under way; NULL is fine */
void bus_asks_free(struct bus_asks *asks); /* only after the connection is closed */

/* ---- pull.c ------------------------------------------------------------------------------------------- */

enum bus_pull_result {
    BUS_PULL_MESSAGE, /* `msg` is the caller's */
    BUS_PULL_IDLE,    /* nothing came for a while, all is well: call again */
    BUS_PULL_EXPIRED, /* nothing came for a whole request: a good moment to look whether that can be true */
    BUS_PULL_LOST, /* the consumer is gone, silent or of an older connection: make sure of it, call again */
    BUS_PULL_STOPPED, /* bus_pull_stop() was called, or the connection is closed for good */
};
/* Reads one pull consumer, `batch` messages a request. One thread reads; the object lives as long as the bus.
 */
rb_err bus_pull_open(struct bus_pull **out, struct rb_bus *bus, const char *stream, int batch) RB_MUST_CHECK;
void bus_pull_aim(struct bus_pull *pull,
                  const char *consumer); /* by the reading thread, before the first next */
enum bus_pull_result bus_pull_next(natsMsg **msg, struct bus_pull *pull);
/* By the reading thread: the message with this reply subject is done, and the next one wanted. One word to
 * the server instead of two and its answer; it acknowledges before it gives the next. Where something is
 * asked for already, or the server is another one, as bus_ack_done(). */
rb_err bus_pull_ack_next(struct bus_pull *pull, const char *reply) RB_MUST_CHECK;
/* Whether a message may come without a further request. */
bool bus_pull_is_asking(const struct bus_pull *pull);
/* By the reading thread: hands back what has come and takes back what it asked for; aim anew before the next.
 */
void bus_pull_leave(struct bus_pull *pull, const char *consumer);
/* From any thread: the reader comes back at once, and for good. */
void bus_pull_stop(struct bus_pull *pull);
/* After stopping all who read `consumer`: the server forgets what they asked for. */
void bus_pull_forget(struct rb_bus *bus, const char *stream, const char *consumer);
/* True with a message that came already, beyond what was asked for; asks for nothing. */
bool bus_pull_take_extra(natsMsg **msg, struct bus_pull *pull);
void bus_pulls_wake(struct rb_bus *bus); /* after a reconnect: requests of before are lost */
/* "STREAM.CONSUMER" has another leader, who knows of no request: its readers ask again. */
void bus_pulls_renew(struct rb_bus *bus, const char *consumer);
void bus_pulls_free(struct rb_bus *bus); /* only after the connection is closed */

/* Answers to a message, by its reply subject: no object is shared between threads. */
rb_err bus_ack_done(struct rb_bus *bus, const char *reply) RB_MUST_CHECK; /* waits until the server has it */
rb_err bus_ack_term(struct rb_bus *bus, const char *reply) RB_MUST_CHECK; /* the same */
void bus_ack_done_async(struct rb_bus *bus, const char *reply);
void bus_ack_retry(struct rb_bus *bus, const char *reply, int64_t delay_ms);
void bus_ack_working(struct rb_bus *bus, const char *reply);

/* ---- event.c, run.c, dead.c --------------------------------------------------------------------------- */

/* For rb_arena_defer(): JSON that lives as long as the arena. */
void bus_json_release(void *json);

/* Milliseconds since 1970 of an RFC 3339 time in UTC, 0 when it is none. */
int64_t bus_time_parse(const char *text);

struct bus_dead_letter {
    const char *subscriber, *subject, *reason, *id, *traceparent;
    int attempts;
    uint64_t sequence; /* in the stream of events */
    int64_t at_ms;
    const void *body;
    size_t len;
};
/* ---- control.c ---------------------------------------------------------------------------------------- */

/* The JSON of the last message on a subject of CONTROL; NULL without an error when there is none. `tries` of
 * BUS_LOOK_TRIES: so much of BUS_API_WAIT_MS is waited at most. */
rb_err bus_control_last(json_t **out, struct rb_bus *bus, const char *subject, int tries) RB_MUST_CHECK;
/* Whether the operator wants it paused, and since when. `tries`: up to BUS_LOOK_TRIES, a second each. */
rb_err bus_control_read(bool *paused, int64_t *since_ms, struct rb_bus *bus, const char *subscriber,
                        int tries) RB_MUST_CHECK;
/* The subject of a plain message which says that there is something new to read. */
void bus_control_wake_subject(char *out, size_t size, const char *subscriber);
/* Notes a failure for rb_bus_standings(); lost while there is no connection. */
struct bus_failure {
    const char *subscriber, *event, *reason;
    int attempt;
};
void bus_control_note_failure(struct rb_bus *bus, const struct bus_failure *failure);
/* When the oldest event without a verdict was stored; 0: there is none. */
rb_err bus_control_oldest(int64_t *oldest_ms, struct rb_bus *bus, const jsConsumerInfo *info) RB_MUST_CHECK;

rb_err bus_dead_encode(struct rb_buf *out, const struct bus_dead_letter *letter) RB_MUST_CHECK;
rb_err bus_dead_store(struct rb_bus *bus, const struct bus_dead_letter *letter) RB_MUST_CHECK;

#endif
