/* Verdicts of handlers. */
#include <stdio.h>

#include "bus/bus.h"

static struct rb_result result_make(enum rb_verdict verdict, int64_t delay_ms, const char *fmt, va_list args)
{
    struct rb_result result = {.verdict = verdict, .delay_ms = delay_ms};
    vsnprintf(result.reason, sizeof(result.reason), fmt, args);
    return result;
}

struct rb_result rb_done(void)
{
    return (struct rb_result){.verdict = RB_DONE};
}

struct rb_result rb_retry(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct rb_result result = result_make(RB_RETRY, 0, fmt, args);
    va_end(args);
    return result;
}

struct rb_result rb_retry_after(int64_t delay_ms, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct rb_result result = result_make(RB_RETRY, delay_ms, fmt, args);
    va_end(args);
    return result;
}

struct rb_result rb_reject(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct rb_result result = result_make(RB_REJECT, 0, fmt, args);
    va_end(args);
    return result;
}

struct rb_result rb_result_from(rb_err err)
{
    if (err == RB_OK || err == RB_ESTALE)
        return rb_done();
    /* What makes no sense came from something broken in between more often than from the other side. */
    if (rb_err_is_temporary(err) || err == RB_EINTERNAL || err == RB_EPROTOCOL)
        return rb_retry_after(rb_error_wait_ms(), "%s", rb_error_text());
    return rb_reject("%s", rb_error_text());
}
