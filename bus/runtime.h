/*
 * The subscriber runtime, shared by its files: subscriber.c starts, drains and ends it, worker.c handles
 * events, needs.c waits for what is away, keepalive.c speaks for busy workers, watch.c looks at how the
 * consumer stands and whether it is paused, work.c is what a handler sees.
 */
#ifndef RB_BUS_RUNTIME_H
#define RB_BUS_RUNTIME_H

#include "bus/private.h"

#define RUNTIME_TEXT_MAX    256 /* bytes of a progress note kept; people read less */
#define RUNTIME_REPLY_MAX   512 /* bytes of a reply subject: stream, consumer and five numbers */
#define RUNTIME_WORKERS_MAX 64  /* more than this many threads a process: run another process */

struct bus_runtime;
struct bus_replies;

/* A key-value bucket of NATS, see bucket.c. */
struct bus_bucket {
    char name[BUS_NAME_MAX + 16];
    const char *subscriber;
    int64_t ttl_ms, max_bytes;
    bool missing;          /* and could not be made */
    pthread_mutex_t mutex; /* guards `store`; held while the server is asked */
    kvStore *store;
};
#define BUS_EVENTS_KEPT_MS (INT64_C(30) * 24 * 3600 * 1000) /* as long as the stream keeps events */

/* What an event under way holds; `lease_mutex` of the runtime guards it, but for `until`. */
struct bus_lease {
    char key[24];
    char owner[RB_UUID_SIZE]; /* of this taking alone */
    uint64_t revision, fence;
    bool held;
    atomic_llong until; /* rb_clock_ms(); INT64_MAX: none was asked for */
};

struct bus_order_entry {
    uint64_t sequence;
    int64_t key;
};
/* The events that may be unfinished, by sequence, see order.c. */
struct bus_order {
    pthread_mutex_t mutex; /* guards what follows; held while the server is asked */
    int incarnation;
    uint64_t seen; /* all up to here have been read */
    struct bus_order_entry *entries;
    size_t count, capacity, tidy_at;
};

/* What the handlers need, see needs.c; `mutex` of the runtime guards it. */
struct bus_needs {
    bool is_away, is_asked; /* somebody asks at this moment */
    int64_t pause_ms, ask_at, since;
    char reason[RUNTIME_TEXT_MAX];
};

/* One event being handled. Its thread owns it; the keepalive thread reads what `mutex` guards. */
struct rb_work {
    struct bus_runtime *runtime;
    struct rb_arena *arena;
    struct rb_event event;
    int attempt;
    uint64_t sequence; /* in the stream of events */
    int64_t
        stored_ns; /* when the stream took it; with the sequence its identity, also across a lost stream */

    pthread_mutex_t mutex;
    bool busy;
    int handed_back; /* how often it was, before this delivery */
    bool answered;   /* the server has the verdict: another word would undo the delay of a retry */
    int incarnation; /* of the stream that it came from */
    char reply[RUNTIME_REPLY_MAX];
    int64_t installation_id; /* 0: no run is recorded */
    int64_t generation, started_ms;
    /* The span of this attempt, "" outside of one; that of the message, "" when it bears none. */
    char trace[RB_TRACEPARENT_SIZE], hop[RB_TRACEPARENT_SIZE];
    int64_t trace_us; /* when it began */
    int64_t done, total;
    char note[RUNTIME_TEXT_MAX];
    atomic_bool disconnected; /* its installation was, meanwhile */
    atomic_llong limit_at;    /* rb_clock_ms(), INT64_MAX: none */
    int64_t sent_at;          /* when the run was published last, rb_clock_ms() */
    bool unsent;              /* there is newer progress than what was published */

    int64_t turn_key;    /* the repository whose turn it takes; 0: none */
    int64_t turn_stream; /* birth of the stream that `sequence` belongs to */
    struct bus_lease lease;
};

struct bus_worker {
    struct bus_runtime *runtime;
    pthread_t thread;
    bool started;
    struct bus_pull *pull;
    uint64_t aimed; /* the runtime's `aim` that `pull` follows */
    void *local;
    struct rb_work work;
};

struct bus_runtime {
    const struct rb_subscriber *def;
    struct rb_bus *bus;
    struct bus_durable_def durable;
    int drain_ms;
    int wake_fd; /* eventfd: something happened that the main thread waits for */

    atomic_bool draining;
    atomic_bool consumer_ready;
    atomic_bool paused; /* by the operator: no worker takes an event */
    atomic_bool broken; /* a worker cannot go on: the process ends with an error */
    int worker_count;
    atomic_int running; /* worker threads that have not ended */
    atomic_int busy;
    /* Grows when the stream is another one than before. One that was lost and made anew counts from 1 again:
     * an answer to a message of the old one would answer another message of the new one. */
    atomic_int incarnation;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct bus_needs needs;
    bool ending;            /* the keepalive thread may go */
    bool asleep, woken;     /* it waits without an end; somebody wants it */
    bool disconnects_ended; /* nats.c calls back no more */
    bool keepalive_started, watch_started;

    pthread_mutex_t ensure_mutex; /* guards what follows; held while the server is asked */
    uint64_t aim;                 /* grows with each time the consumer was made sure of */
    uint64_t aim_epoch;           /* the connection that was on */
    int64_t stream_created_ns;

    int64_t lag_seen; /* events that waited when all was idle, at the last look of the first worker */

    struct bus_worker *workers;
    natsSubscription *disconnects; /* NULL: not asked for */
    struct bus_bucket marks, leases, turns;
    pthread_mutex_t lease_mutex; /* guards the leases of all workers; held while the server is asked */
    struct bus_order order;
    bool lease_started;
    pthread_t lease_thread;
    int64_t query_wait_ms;       /* a question that waited for longer is dropped */
    struct bus_replies *replies; /* NULL: the subscriber answers nothing */
    pthread_t keepalive;
    int64_t watch_ms; /* between two looks at the consumer */
    natsSubscription *watch_sub;
    pthread_t watch;

    struct rb_metric *in_flight, *deliveries, *dead_letters, *duration, *latency, *stalls, *lag, *unanswered,
        *oldest, *paused_gauge;
};

/* worker.c */
void *bus_worker_main(void *worker);
int64_t bus_backoff_ms(int attempt);

/* needs.c */
/* Whether it is for something that is away that the handler has failed: then it is to be called again, after
 * bus_needs_wait(). */
bool bus_needs_failed(struct bus_worker *worker, const struct rb_result *result);
/* Returns at once while nothing is known to be away. False: the handler is not to be called (again), *result
 * is the verdict. */
bool bus_needs_wait(struct rb_result *result, struct bus_worker *worker, int64_t deadline);
#define BUS_AWAY_MAX_MS (INT64_C(24) * 3600 * 1000) /* an event waits, then it has failed */
bool bus_needs_are_there(struct bus_runtime *runtime, char *reason, size_t size);

/* data.c */
enum bus_data_type { BUS_DATA_INT, BUS_DATA_TEXT, BUS_DATA_OBJECT, BUS_DATA_INTS };
struct bus_data_field {
    const char *subject; /* one, or the beginning of several, which ends with '.' or is empty */
    const char *name;
    enum bus_data_type type;
    bool required;
    size_t offset; /* in struct rb_event_data */
};
extern const struct bus_data_field bus_data_fields[];
extern const size_t bus_data_field_count;
bool bus_data_has(const struct bus_data_field *field, const char *subject);
rb_err bus_data_read(struct rb_event_data *out, const struct rb_event *event,
                     struct rb_arena *arena) RB_MUST_CHECK;

/* keepalive.c */
void *bus_keepalive_main(void *runtime);
void bus_keepalive_wake(struct bus_runtime *runtime);

/* watch.c */
rb_err bus_watch_start(struct bus_runtime *runtime) RB_MUST_CHECK;
void bus_watch_stop(struct bus_runtime *runtime); /* the thread ends soon */
void bus_watch_join(struct bus_runtime *runtime);
/* Reads whether the subscriber is paused, and tells all workers. `ensure_mutex` is held. What was read before
 * counts for as long as there is no answer, which is waited for a second then: it comes soon enough. */
rb_err bus_watch_pause(struct bus_runtime *runtime) RB_MUST_CHECK;

/* work.c */
/* Whose run an event is told in; 0: in none. */
int64_t bus_work_installation(const struct rb_work *work);
void bus_work_take_trace(struct rb_work *work, natsMsg *msg); /* before it is decoded */
void bus_work_begin_run(struct rb_work *work);
/* The last word on an attempt, acknowledged by the stream: RB_OK also where no run is recorded. */
rb_err bus_work_end_run(struct rb_work *work, enum rb_run_state state, const char *error) RB_MUST_CHECK;
/* Publishes what progress is unsent; `work->mutex` is held. */
void bus_work_flush(struct rb_work *work);
#define BUS_PROGRESS_INTERVAL_MS 250 /* four a second, as people read */

/* stop.c */
rb_err bus_stop_follow(struct bus_runtime *runtime) RB_MUST_CHECK;
void bus_stop_unfollow(struct bus_runtime *runtime); /* only after the connection is closed */

/* bucket.c; each blocks for an answer of NATS, and its errors are temporary */
void bus_bucket_init(struct bus_bucket *bucket, const char *kind, const char *subscriber, int64_t ttl_ms,
                     int64_t max_bytes);
void bus_bucket_free(struct bus_bucket *bucket); /* before the connection is closed */
/* "" and revision 0 when there is none. */
rb_err bus_bucket_get(char *value, size_t size, uint64_t *revision, struct bus_bucket *bucket,
                      struct rb_bus *bus, const char *key) RB_MUST_CHECK;
rb_err bus_bucket_put(struct bus_bucket *bucket, struct rb_bus *bus, const char *key,
                      const char *value) RB_MUST_CHECK;
/* Writes only over `*revision`, 0: where there is none, and makes it the new one. */
rb_err bus_bucket_swap(uint64_t *revision, struct bus_bucket *bucket, struct rb_bus *bus, const char *key,
                       const char *value) RB_MUST_CHECK;

/* handback.c */
void bus_handback_read(struct rb_work *work); /* takes deliveries that were no attempts off work->attempt */
void bus_handback(struct rb_work *work);      /* to another process at once, at no attempt's cost */

/* mark.c, lease.c, turn.c: all the buckets there are */
void bus_marks_init(struct bus_bucket *marks, const char *subscriber);
void bus_lease_bucket_init(struct bus_bucket *leases, const char *subscriber, int64_t ack_wait_ms);
void bus_turn_bucket_init(struct bus_bucket *turns, const char *subscriber);

/* lease.c */
void bus_leases_init(struct bus_runtime *runtime);
void bus_leases_free(struct bus_runtime *runtime);
void *bus_lease_main(void *runtime); /* renews what is held */
/* RB_ECONFLICT: somebody else has it. */
rb_err bus_lease_take(struct rb_work *work, const char *key) RB_MUST_CHECK;
void bus_lease_release(struct rb_work *work);
bool bus_lease_is_lost(const struct rb_work *work);

/* order.c */
void bus_order_init(struct bus_order *order);
void bus_order_free(struct bus_order *order);
/* RB_OK: no event of `key` before `sequence` is unfinished; `done`: the last one known to be finished. */
rb_err bus_order_check(struct bus_runtime *runtime, uint64_t sequence, int64_t key,
                       uint64_t done) RB_MUST_CHECK;

/* turn.c */
enum bus_turn {
    BUS_TURN_NOW,   /* to be handled; bus_turn_end() afterwards */
    BUS_TURN_LATER, /* another one comes first */
    BUS_TURN_OVER,  /* it was finished, and its acknowledgement was lost */
};
bool bus_turn_asked(const struct rb_subscriber *def);
void bus_turns_init(struct bus_runtime *runtime);
void bus_turns_free(struct bus_runtime *runtime);
/* The repository of an event that has a handler; 0: none. */
int64_t bus_turn_key(const struct bus_runtime *runtime, const struct rb_event *event);
int64_t bus_turn_wait_ms(int deliveries);
/* Sets work->attempt, which the server's count of deliveries is not. */
enum bus_turn bus_turn_take(struct rb_work *work);
rb_err bus_turn_finish(struct rb_work *work) RB_MUST_CHECK; /* done or given up; before it is acknowledged */
void bus_turn_end(struct rb_work *work);                    /* after it is answered */

/* reply.c: answers the questions of `runtime->def->queries`. What has been started is in *out also on error.
 */
rb_err bus_replies_start(struct bus_replies **out, struct bus_runtime *runtime) RB_MUST_CHECK;
void bus_replies_drain(struct bus_replies *replies); /* answers what has come; NULL is fine, here and below */
void bus_replies_join(struct bus_replies *replies);
void bus_replies_free(struct bus_replies *replies); /* only after the connection is closed */

#endif
