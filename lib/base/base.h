/*
 * lib/base: what every room of Repobus stands on.
 *
 * Results, configuration, log, clock, ids, arenas, bounded buffers, metrics, and the small HTTP endpoint
 * that shows health and metrics. It knows nothing of GitHub, NATS or PostgreSQL.
 *
 * Conventions of the whole house:
 *  - functions that can fail return an rb_err: 0 is success, negative values are named below. Details are in
 *    a thread-local text, see rb_error_set();
 *  - out-parameters come first; a function that takes ownership takes T ** and sets it to NULL on success;
 *  - strings are UTF-8 and zero-terminated unless a length stands beside them;
 *  - times are milliseconds unless the name says otherwise; deadlines are read from rb_clock_ms().
 */
#ifndef RB_BASE_H
#define RB_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/public.h"

#ifdef __cplusplus /* one parser of the scanner is C++ */
extern "C" {
#endif

/* ---- memory ------------------------------------------------------------------------------------------- */

/* malloc and friends that end the process with a clear line when there is no memory: running on without it
 * would lose more than a restart does, and every process here is safe to kill. Freed with free(). */
void *rb_malloc(size_t size);
void *rb_calloc(size_t count, size_t size);
void *rb_realloc(void *old, size_t size);
char *rb_strdup(const char *text);
char *rb_strndup(const char *text, size_t len);
char *rb_asprintf(const char *fmt, ...) RB_PRINTF(1, 2);

/* A list of the arena with place for one more: `items`, or a copy of its `count` items of `size` bytes with
 * twice the capacity. What it had before stays in the arena, which is as much again at most. */
void *rb_arena_grown(struct rb_arena *arena, void *items, size_t count, size_t *capacity, size_t size);

/* ---- memory of a thread ------------------------------------------------------------------------------- */

/* What each thread that asks for it has of its own: zeroed memory, made when it first asks, which goes at the
 * thread's end. For what is large: the C library clears all of _Thread_local for every thread there is. */
struct rb_per_thread {
    size_t size;
    void (*end)(void *memory); /* before it is freed; NULL: nothing to do */
    int key;                   /* of rb_per_thread_get() alone */
};
void *rb_per_thread_get(struct rb_per_thread *what);

/* ---- text --------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at `text`, of which `len` bytes may be looked at (RFC 3629, section 4); 0 when
 * there is none: cut off, longer than needed, a surrogate, beyond U+10FFFF. */
size_t rb_utf8_character(const char *text, size_t len);
bool rb_text_is_utf8(const char *text, size_t len);
/* Puts '?' in place of each byte that is no UTF-8: JSON cannot hold it, and what people wrote or a limit cut
 * in half must not make an event impossible. */
void rb_text_make_utf8(char *text);

/* How many bytes of `url` are its origin: scheme, host and port (RFC 6454); 0: it has none. */
size_t rb_url_origin(const char *url);
/* Whether `url`, which may go on with a path, has the origin of `other`; false where that one has none. */
bool rb_url_shares_origin(const char *url, const char *other);

/* ---- a few fields of a large JSON text ---------------------------------------------------------------- */

enum rb_json_kind {
    RB_JSON_INT, /* int64_t */
    RB_JSON_BOOL,
    RB_JSON_TEXT, /* char[size], zero-terminated */
    RB_JSON_PIECE /* struct rb_json_piece: of any length, any bytes; for rb_json_members() alone */
};
/* A text within an answer that is being walked; gone with the call that it is given to. */
struct rb_json_piece {
    const char *at; /* NULL: none */
    size_t len;
};
struct rb_json_field {
    const char *pointer; /* "/repository/id": RFC 6901 */
    enum rb_json_kind kind;
    void *out;
    size_t size; /* RB_JSON_TEXT: bytes of `out` */
};
/* A text that is read. `room` is how many bytes behind it may be read (not written): with RB_JSON_ROOM or
 * more of them it is not copied. */
#define RB_JSON_ROOM 64 /* what simdjson wants behind a text */
struct rb_json_text {
    const char *at;
    size_t len, room;
};
/* Reads the fields out of a text without building it in memory: some fifty times faster than jansson on an
 * answer of GitHub. The whole text is checked (RFC 8259, also its UTF-8). A field that is absent, null, of
 * another kind, too long or with a zero byte in it leaves `out` as it was. RB_EPROTOCOL: not JSON. Any thread
 * may call. */
rb_err rb_json_find(const struct rb_json_field *fields, size_t count,
                    const struct rb_json_text *text) RB_MUST_CHECK;
/* All of it as json_loadb() has it, which takes four times as long: a new reference. NULL: not JSON, a number
 * beyond 64 bits, or a zero byte in a text. Any thread may call. */
struct json_t *rb_json_load(const struct rb_json_text *text) RB_MUST_CHECK;
/* Whether a text or a name within this JSON, which has been checked, has a zero byte: "\u0000" is one, and
 * "\\u0000" is a backslash and five letters. */
bool rb_json_has_zero(const char *text, size_t len);
/* Appends the value at `pointer` as JSON of its own. RB_EPROTOCOL: not JSON; RB_ENOTFOUND: nothing there, or
 * no pointer; RB_ETOOBIG: beyond the limit of `out`. Any thread may call. */
rb_err rb_json_part(struct rb_buf *out, const char *pointer, const char *text, size_t len) RB_MUST_CHECK;
/* Two walks over large answers, with the fields of one piece at a time: what a piece does not have is -1,
 * false, "" or no piece. */
typedef void (*rb_json_member_fn)(void *arg, const char *name, size_t name_len); /* `name`: not terminated */
/* One call of `fn` for each member of the object at `pointer`, in their order, after the fields ("/size": of
 * the member's own members) were read. RB_EPROTOCOL: not JSON; RB_ENOTFOUND: no object there. */
rb_err rb_json_members(const char *pointer, const struct rb_json_field *fields, size_t count,
                       const struct rb_json_text *text, rb_json_member_fn fn, void *arg) RB_MUST_CHECK;
/* The same for each element of the list at `list`, which has no name. `flag` is something else in the text:
 * 0, 1, or -1 when it is no boolean or not there; both are members of the text itself. RB_ENOTFOUND: no list
 * there. The text is read from front to back: where it ends being JSON, the elements before were given. */
rb_err rb_json_list(int *flag_value, const char *flag, const char *list, const struct rb_json_field *fields,
                    size_t count, const struct rb_json_text *text, rb_json_member_fn fn,
                    void *arg) RB_MUST_CHECK;

/* ---- clock and ids ------------------------------------------------------------------------------------ */

int64_t rb_clock_ms(void);      /* monotonic: for deadlines and durations */
int64_t rb_clock_us(void);      /* monotonic, microseconds: for measuring */
int64_t rb_clock_wall_ms(void); /* since 1970, for people and other systems */

#define RB_TIME_SIZE 32
/* RFC 3339 in UTC with milliseconds, "2026-11-24T08:00:00.123Z" (RFC 3339, section 5.6). Times outside of the
 * years 1 to 9999 give the nearest end of these. */
void rb_time_format(char out[RB_TIME_SIZE], int64_t wall_ms);

/* A delay between half of `ms` and `ms`, so that many that failed together do not return together. */
int64_t rb_jitter_ms(int64_t ms);

#define RB_UUID_SIZE 37
/* A UUID version 7 (RFC 9562, section 5.7): ordered by time, random otherwise. */
void rb_uuid_make(char out[RB_UUID_SIZE]);
/* A UUID version 8 made of SHA-256 over `name`: the same name always gives the same id (RFC 9562,
 * section 5.8). */
void rb_uuid_from_name(char out[RB_UUID_SIZE], const char *name);

#define RB_TRACEPARENT_SIZE 56
/* A new "00-<trace>-<span>-01" (W3C Trace Context). With a valid `parent` its trace id is kept, and whether
 * it is sampled ("-00": no); NULL or anything malformed starts a new trace. */
void rb_traceparent_make(char out[RB_TRACEPARENT_SIZE], const char *parent);

/* ---- configuration ------------------------------------------------------------------------------------ */

/*
 * Environment variables, read once at start. Each reader notes what is wrong instead of failing, so that a
 * person sees every wrong line at once: call all of them, then rb_config_check().
 */
struct rb_config;
struct rb_config *rb_config_new(void);
void rb_config_free(struct rb_config *config);
/* Value of `name`, or `fallback` when unset or empty (NULL: noted as missing; `help` says what it is).
 * The string lives as long as the process environment. */
const char *rb_config_string(struct rb_config *config, const char *name, const char *fallback,
                             const char *help);
/* Decimal number within [min, max]. */
int64_t rb_config_int(struct rb_config *config, const char *name, int64_t fallback, int64_t min, int64_t max);
/* "http://HOST…" or "https://HOST…", at most 512 bytes, returned without trailing slashes; anything else
 * (user names, queries, blanks) is noted, without its value. The copy lives as long as `config`. */
const char *rb_config_url(struct rb_config *config, const char *name, const char *fallback, const char *help);
/* SECRET_KEY and its like: at least `min_len` bytes, the value itself never appears in a message. */
const char *rb_config_secret(struct rb_config *config, const char *name, size_t min_len, bool required);
/* Notes any other finding. */
void rb_config_note(struct rb_config *config, const char *fmt, ...) RB_PRINTF(2, 3);
/* RB_OK, or RB_EINVAL after one log line per finding ("SECRET_KEY is missing: …"). */
rb_err rb_config_check(struct rb_config *config) RB_MUST_CHECK;

/* ---- log, with names ---------------------------------------------------------------------------------- */

/* A line with named values: "time level component message name=value …", or with LOG_FORMAT=json a member of
 * the object for each, so that no text has to be taken apart. Values are escaped; a NULL text is left out. */
struct rb_log_field {
    const char *name, *text; /* text NULL: the number */
    int64_t number;
    int kind; /* of RB_LOG_TEXT … */
};
enum { RB_LOG_TEXT, RB_LOG_INT, RB_LOG_MS };
#define RB_F_TEXT(name, text)  ((struct rb_log_field){(name), (text), 0, RB_LOG_TEXT})
#define RB_F_INT(name, number) ((struct rb_log_field){(name), NULL, (number), RB_LOG_INT})
#define RB_F_MS(name, us)      ((struct rb_log_field){(name), NULL, (us), RB_LOG_MS}) /* microseconds, as ms */
void rb_log_fields(enum rb_log_level level, const char *message, const struct rb_log_field *fields,
                   size_t count);

/* ---- metrics ------------------------------------------------------------------------------------------ */

/*
 * Prometheus counters, gauges and histograms (text format 0.0.4). Registration takes a lock and is meant for
 * start-up or first use; updating is a relaxed atomic. The same name and labels give the same metric.
 * `labels` is the inside of the braces, such as "route=\"install\",status=\"200\"", or NULL. Bounded: beyond
 * 1,024 metrics a shared one is returned that is not shown; repobus_metrics_overflow_total counts these.
 * Metrics live as long as the process.
 */
struct rb_metric;
struct rb_metric *rb_metric_counter(const char *name, const char *labels, const char *help);
struct rb_metric *rb_metric_gauge(const char *name, const char *labels, const char *help);
/* Seconds, buckets from 0.5 ms to 60 s. */
struct rb_metric *rb_metric_histogram(const char *name, const char *labels, const char *help);
void rb_metric_add(struct rb_metric *metric, int64_t delta);
void rb_metric_set(struct rb_metric *metric, int64_t value);
void rb_metric_observe_us(struct rb_metric *metric, int64_t micros);
/* All metrics, plus process_resident_memory_bytes, process_cpu_seconds_total and process_open_fds. */
rb_err rb_metrics_print(struct rb_buf *out) RB_MUST_CHECK;

/* ---- traces ------------------------------------------------------------------------------------------- */

/*
 * Spans for an OpenTelemetry collector, as OTLP in JSON over HTTP (opentelemetry.io/docs/specs/otlp). Off, at
 * the cost of one comparison, unless OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is
 * set. Nothing waits for the collector: 2,048 spans wait for a thread of its own, 512 go at a time, and what
 * finds no room or is refused is dropped and counted (repobus_spans_total).
 */
/* Reads the standard variables (docs/operations.md) once, before other threads are started. RB_OK also when
 * off; RB_EINVAL after a log line per setting that is wrong. */
rb_err rb_trace_start(const char *service) RB_MUST_CHECK;
/* Sends what waits, for about two seconds at most, and joins its thread. */
void rb_trace_stop(void);
bool rb_trace_is_on(void);

enum rb_span_kind { RB_SPAN_SERVER = 2, RB_SPAN_CLIENT, RB_SPAN_PRODUCER, RB_SPAN_CONSUMER }; /* OTLP's */
/* One piece of work that ends now. Not kept where its traceparent says that it is not sampled. */
struct rb_span {
    const char *name;
    const char *traceparent; /* its own: rb_traceparent_make() */
    const char *parent;      /* that of the work it is part of; NULL, or of another trace: it is the first */
    enum rb_span_kind kind;
    int64_t took_us;
    const char *error;                     /* NULL: it went well; no secrets, here and in attributes */
    const struct rb_log_field *attributes; /* texts are cut at 256 bytes */
    size_t count;
};
/* Copies; never blocks. Any thread may call. */
void rb_trace_span(const struct rb_span *span);

/* ---- health endpoint ---------------------------------------------------------------------------------- */

/*
 * A small HTTP server on its own thread for processes that have no other: GET /healthz (200 while the process
 * runs), /readyz (200 or 503 by `ready`), /metrics. `ready` is called on the server's thread, must not block,
 * and writes a short reason when it returns false, or a remark when it returns true. The edge does not use
 * this: it has routes for the three.
 */
struct rb_health;
/* `port` 0 takes any free one; the chosen one is logged as "health listening=127.0.0.1:PORT". RB_EINVAL when
 * the address does not parse, RB_ECONFLICT when the port is taken. One a process. */
rb_err rb_health_start(struct rb_health **out, const char *address, int port, rb_ready_fn ready,
                       void *arg) RB_MUST_CHECK;
int rb_health_port(const struct rb_health *health);
/* Blocks until its thread has ended; NULL is fine. It cannot be started again. */
void rb_health_stop(struct rb_health *health);

#ifdef __cplusplus
}
#endif

#endif
