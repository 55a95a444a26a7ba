#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"

#define ERROR_TEXT_SIZE 1024

static _Thread_local char error_text[ERROR_TEXT_SIZE];
static _Thread_local int64_t error_wait_ms;

static const char *const error_names[] = {
    [-RB_OK] = "ok",
    [-RB_EINVAL] = "invalid",
    [-RB_ENOTFOUND] = "not found",
    [-RB_ECONFLICT] = "conflict",
    [-RB_EAUTH] = "not authorised",
    [-RB_EFORBIDDEN] = "forbidden",
    [-RB_ELIMIT] = "limit reached",
    [-RB_EUNAVAILABLE] = "unavailable",
    [-RB_ETIMEOUT] = "timeout",
    [-RB_ETOOBIG] = "too big",
    [-RB_EPROTOCOL] = "protocol error",
    [-RB_ESTALE] = "stale",
    [-RB_EINTERNAL] = "internal error",
};

const char *rb_err_name(rb_err err)
{
    size_t index = (size_t)-err;
    if (err > 0 || index >= sizeof(error_names) / sizeof(error_names[0]))
        return "unknown";
    return error_names[index];
}

bool rb_err_is_temporary(rb_err err)
{
    return err == RB_ELIMIT || err == RB_EUNAVAILABLE || err == RB_ETIMEOUT;
}

rb_err rb_error_set(rb_err err, const char *fmt, ...)
{
    /* The arguments may point into the present text. */
    char text[ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    memcpy(error_text, text, sizeof(text));
    error_wait_ms = 0;
    return err;
}

rb_err rb_error_wrap(rb_err err, const char *fmt, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    size_t used = len < 0 ? 0 : (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    size_t room = sizeof(text) - used;
    if (room > 3)
        snprintf(text + used, room, ": %.*s", (int)room - 3, error_text);
    memcpy(error_text, text, sizeof(text));
    return err;
}

const char *rb_error_text(void)
{
    return error_text;
}

void rb_error_set_wait(int64_t wait_ms)
{
    error_wait_ms = wait_ms > 0 ? wait_ms : 0;
}

int64_t rb_error_wait_ms(void)
{
    return error_wait_ms;
}
