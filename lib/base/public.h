/*
 * The part of lib/base that a subscriber outside of this house sees as well: results, arenas, buffers, the
 * log. Nothing is included from here but by base.h and bus/subscriber.h; `make install` puts it into the one
 * header that it installs.
 */
#ifndef RB_BASE_PUBLIC_H
#define RB_BASE_PUBLIC_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define RB_MUST_CHECK        __attribute__((warn_unused_result))

/* ---- results ------------------------------------------------------------------------------------------ */

/* What went wrong, as far as a caller may want to act on it. Everything else about it is text. */
typedef enum rb_err {
    RB_OK = 0,
    RB_EINVAL = -1,       /* the input is wrong and will stay wrong */
    RB_ENOTFOUND = -2,    /* the thing asked for does not exist (or is hidden from us) */
    RB_ECONFLICT = -3,    /* it exists already, or somebody else has it */
    RB_EAUTH = -4,        /* the credential is missing, wrong, expired or does not open */
    RB_EFORBIDDEN = -5,   /* the credential is right but may not do this */
    RB_ELIMIT = -6,       /* a rate limit or quota: later is fine */
    RB_EUNAVAILABLE = -7, /* the other side is down, answered 5xx, or cut the connection: later is fine */
    RB_ETIMEOUT = -8,     /* no answer in time; the outcome over there is unknown */
    RB_ETOOBIG = -9,      /* beyond a stated limit */
    RB_EPROTOCOL = -10,   /* the other side answered something we do not understand */
    RB_ESTALE = -11,      /* a newer generation exists: what was being written is no longer wanted */
    RB_EINTERNAL = -12,   /* out of memory, a bug, a broken invariant */
} rb_err;

/* The name of a result, such as "timeout". Static string. */
const char *rb_err_name(rb_err err);

/* True where trying again later can help: RB_ELIMIT, RB_EUNAVAILABLE, RB_ETIMEOUT. */
bool rb_err_is_temporary(rb_err err);

/*
 * Records the text of an error for this thread and returns `err`, so that a failing function ends with
 * `return rb_error_set(RB_EINVAL, "DATABASE_URL: …")`. The text says what failed, on what, and what to do;
 * it never holds a secret. Cut at 1,023 bytes.
 */
rb_err rb_error_set(rb_err err, const char *fmt, ...) RB_PRINTF(2, 3);

/* The same, with the former text kept behind the new one: "reading the tree: <former text>". */
rb_err rb_error_wrap(rb_err err, const char *fmt, ...) RB_PRINTF(2, 3);

/* How long to wait before another try, where a failure names a time (a rate limit): noted behind
 * rb_error_set(), which begins at 0, nothing named. Milliseconds. */
void rb_error_set_wait(int64_t wait_ms);
int64_t rb_error_wait_ms(void);

/* The text of this thread's latest error; "" when there was none. Valid until the next rb_error_set(). */
const char *rb_error_text(void);

/* ---- arenas and buffers ------------------------------------------------------------------------------- */

/* An arena: many allocations, one release. Not for sharing between threads. */
struct rb_arena;
struct rb_arena *rb_arena_new(void);
void rb_arena_free(struct rb_arena *arena);                /* NULL is fine */
void *rb_arena_alloc(struct rb_arena *arena, size_t size); /* zeroed, aligned for any type; never NULL */
char *rb_arena_strdup(struct rb_arena *arena, const char *text);
char *rb_arena_strndup(struct rb_arena *arena, const char *text, size_t len);
char *rb_arena_printf(struct rb_arena *arena, const char *fmt, ...) RB_PRINTF(2, 3);
/* Runs `fn(arg)` when the arena is released, last registered first: for what is not memory (json_t,
 * PGresult). */
void rb_arena_defer(struct rb_arena *arena, void (*fn)(void *), void *arg);
size_t rb_arena_size(const struct rb_arena *arena); /* bytes taken from the system */

/* A growing buffer that declares its limit at birth. `data` is always zero-terminated (beyond `len`). */
struct rb_buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t limit; /* len never goes beyond this */
};
void rb_buf_init(struct rb_buf *buf, size_t limit);
void rb_buf_free(struct rb_buf *buf);  /* back to empty, same limit */
void rb_buf_reset(struct rb_buf *buf); /* len 0, memory kept */
/* RB_ETOOBIG when the limit would be passed: nothing is appended then. */
rb_err rb_buf_append(struct rb_buf *buf, const void *data, size_t len) RB_MUST_CHECK;
rb_err rb_buf_printf(struct rb_buf *buf, const char *fmt, ...) RB_PRINTF(2, 3) RB_MUST_CHECK;

/* ---- log ---------------------------------------------------------------------------------------------- */

/* The last is written at every LOG_LEVEL, as "info": where a program listens, which whoever started it waits
 * for. */
enum rb_log_level { RB_LOG_DEBUG, RB_LOG_INFO, RB_LOG_WARN, RB_LOG_ERROR, RB_LOG_ALWAYS };

/*
 * One line per event on standard error: "2026-11-24T08:00:00.123Z info edge installed repo=acme/x id=42".
 * With LOG_FORMAT=json the same as one JSON object per line. LOG_LEVEL: debug, info, warn, error (default
 * info). Control characters and bytes that are no UTF-8 are escaped, so that a hostile name can forge no line
 * and break no JSON. Texts are cut at 2,047 bytes, lines at 4,096.
 * `component` is kept by reference. Call once, before any thread exists.
 */
void rb_log_init(const char *component);
void rb_log(enum rb_log_level level, const char *fmt, ...) RB_PRINTF(2, 3);
#define rb_log_debug(...) rb_log(RB_LOG_DEBUG, __VA_ARGS__)
#define rb_log_info(...)  rb_log(RB_LOG_INFO, __VA_ARGS__)
#define rb_log_warn(...)  rb_log(RB_LOG_WARN, __VA_ARGS__)
#define rb_log_error(...) rb_log(RB_LOG_ERROR, __VA_ARGS__)

/* ---- readiness ---------------------------------------------------------------------------------------- */

/* Whether a process is ready; writes a short reason when it is not. */
typedef bool (*rb_ready_fn)(void *arg, char *reason, size_t reason_size);

#ifdef __cplusplus
}
#endif

#endif
