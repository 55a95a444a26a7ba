#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/base.h"

#define LOG_LINE_MAX 4096 /* PIPE_BUF: a line of this size arrives whole in a pipe shared with others */

static const char *const log_level_names[] = {"debug", "info", "warn", "error", "info"};
static const char *log_component = "repobus";
static enum rb_log_level log_threshold = RB_LOG_INFO;
static bool log_as_json;

void rb_log_init(const char *component)
{
    log_component = component;
    const char *level = getenv("LOG_LEVEL");
    log_threshold = RB_LOG_INFO;
    for (int i = 0; level && i <= RB_LOG_ERROR; i++) {
        if (strcasecmp(level, log_level_names[i]) == 0)
            log_threshold = (enum rb_log_level)i;
    }
    const char *format = getenv("LOG_FORMAT");
    log_as_json = format && strcasecmp(format, "json") == 0;
}

/* Control characters (those of U+0080 to U+009F too: a terminal obeys them), bytes that are no UTF-8 and, in
 * JSON, quotes are escaped; cut at `size`. */
static size_t log_escape(char *out, size_t size, const char *text, bool json)
{
    size_t len = 0, bytes;
    const unsigned char *end = (const unsigned char *)text + strlen(text);
    for (const unsigned char *c = (const unsigned char *)text; c < end && len + 8 < size;
         c += bytes ? bytes : 1) {
        bytes = rb_utf8_character((const char *)c, (size_t)(end - c));
        if (bytes == 0)
            len += (size_t)snprintf(out + len, size - len, "\\ufffd");
        else if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
            len += (size_t)snprintf(out + len, size - len, "\\u%04x", bytes == 2 ? c[1] : c[0]);
        else if (json && (*c == '"' || *c == '\\'))
            len += (size_t)snprintf(out + len, size - len, "\\%c", *c);
        else
            for (size_t i = 0; i < bytes; i++)
                out[len++] = (char)c[i];
    }
    out[len] = '\0';
    return len;
}

/* One write a line, so that lines of several threads and processes do not mix. `rest` is escaped already. A
 * log that cannot be written is no reason to stop. */
static void log_write(enum rb_log_level level, const char *message, const char *rest)
{
    char line[LOG_LINE_MAX], time[RB_TIME_SIZE];
    rb_time_format(time, rb_clock_wall_ms());
    int len = snprintf(line, sizeof(line),
                       log_as_json
                           ? "{\"time\":\"%s\",\"level\":\"%s\",\"component\":\"%s\",\"message\":\"%s\"%s}\n"
                           : "%s %s %s %s%s\n",
                       time, log_level_names[level], log_component, message, rest);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof(line)) /* a component's name out of all proportion */
        len = sizeof(line) - 1;
    ssize_t written = write(STDERR_FILENO, line, (size_t)len);
    (void)written;
}

void rb_log(enum rb_log_level level, const char *fmt, ...)
{
    if (level < log_threshold)
        return;
    char text[LOG_LINE_MAX / 2], escaped[LOG_LINE_MAX - 256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_escape(escaped, sizeof(escaped), text, log_as_json);
    log_write(level, escaped, "");
}

static size_t log_field(char *out, size_t size, const struct rb_log_field *field)
{
    char value[512];
    const char *quote = log_as_json && field->kind == RB_LOG_TEXT ? "\"" : "";
    if (field->kind == RB_LOG_TEXT)
        log_escape(value, sizeof(value), field->text, log_as_json);
    else if (field->kind == RB_LOG_INT)
        snprintf(value, sizeof(value), "%lld", (long long)field->number);
    else
        snprintf(value, sizeof(value), "%.1f", (double)field->number / 1000);
    int len =
        snprintf(out, size, log_as_json ? ",\"%s\":%s%s%s" : " %s=%s%s%s", field->name, quote, value, quote);
    return len < 0 || (size_t)len >= size ? 0 : (size_t)len; /* one that does not fit is left out */
}

void rb_log_fields(enum rb_log_level level, const char *message, const struct rb_log_field *fields,
                   size_t count)
{
    char rest[LOG_LINE_MAX - 512] = "";
    size_t used = 0;
    if (level < log_threshold)
        return;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind != RB_LOG_TEXT || fields[i].text)
            used += log_field(rest + used, sizeof(rest) - used, &fields[i]);
        rest[used] = '\0';
    }
    log_write(level, message, rest);
}
