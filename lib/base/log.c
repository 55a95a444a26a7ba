#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/base.h"

#define LOG_LINE_MAX  4096 /* PIPE_BUF: a line of this size arrives whole in a pipe shared with others */
#define LOG_TEXT_MAX  3840 /* of a text once it is escaped: time, level and component have room before it */
#define LOG_VALUE_MAX 512  /* of a field's value */
#define LOG_ROOM      8    /* for what ends a line */

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

/* A line as it grows: cut at its end. */
struct log_line {
    size_t len;
    char text[LOG_LINE_MAX];
};

static void log_put(struct log_line *line, const char *text, size_t len)
{
    size_t room = sizeof(line->text) - 1 - line->len; /* one for the line's end */
    if (len > room)
        len = room;
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void log_puts(struct log_line *line, const char *text)
{
    log_put(line, text, strlen(text));
}

static bool log_is_plain(unsigned char c, bool json)
{
    return c >= 0x20 && c < 0x7f && !(json && (c == '"' || c == '\\'));
}

/* Control characters (those of U+0080 to U+009F too: a terminal obeys them), bytes that are no UTF-8 and, in
 * JSON, quotes are escaped; cut after `max` bytes, and never within a character. */
static void log_escape(struct log_line *line, const char *text, size_t max)
{
    const unsigned char *c = (const unsigned char *)text, *end = c + strlen(text);
    size_t limit = line->len + max < sizeof(line->text) - 1 ? line->len + max : sizeof(line->text) - 1;
    while (c < end && line->len + 8 < limit) {
        char escape[8];
        if (log_is_plain(*c, log_as_json)) {
            line->text[line->len++] = (char)*c++;
            continue;
        }
        size_t bytes = rb_utf8_character((const char *)c, (size_t)(end - c));
        if (bytes == 0)
            log_puts(line, "\\ufffd");
        else if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
            log_put(line, escape,
                    (size_t)snprintf(escape, sizeof(escape), "\\u%04x", bytes == 2 ? c[1] : c[0]));
        else if (bytes == 1)
            log_put(line, escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", *c));
        else
            log_put(line, (const char *)c, bytes);
        c += bytes ? bytes : 1;
    }
}

static void log_begin(struct log_line *line, enum rb_log_level level)
{
    char time[RB_TIME_SIZE];
    rb_time_format(time, rb_clock_wall_ms());
    line->len = 0;
    log_puts(line, log_as_json ? "{\"time\":\"" : "");
    log_puts(line, time);
    log_puts(line, log_as_json ? "\",\"level\":\"" : " ");
    log_puts(line, log_level_names[level]);
    log_puts(line, log_as_json ? "\",\"component\":\"" : " ");
    log_puts(line, log_component);
    log_puts(line, log_as_json ? "\",\"message\":\"" : " ");
}

/* One write a line, so that lines of several threads and processes do not mix. A log that cannot be written
 * is no reason to stop. */
static void log_write(struct log_line *line)
{
    line->text[line->len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line->text, line->len);
    (void)written;
}

void rb_log(enum rb_log_level level, const char *fmt, ...)
{
    if (level < log_threshold)
        return;
    char text[LOG_LINE_MAX / 2];
    struct log_line line;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_begin(&line, level);
    log_escape(&line, text, LOG_TEXT_MAX);
    log_puts(&line, log_as_json ? "\"}" : "");
    log_write(&line);
}

static void log_field(struct log_line *line, const struct rb_log_field *field)
{
    const char *quote = log_as_json && field->kind == RB_LOG_TEXT ? "\"" : "";
    char number[32];
    log_puts(line, log_as_json ? ",\"" : " ");
    log_puts(line, field->name);
    log_puts(line, log_as_json ? "\":" : "=");
    log_puts(line, quote);
    if (field->kind == RB_LOG_TEXT)
        log_escape(line, field->text, LOG_VALUE_MAX);
    else if (field->kind == RB_LOG_INT)
        log_put(line, number, (size_t)snprintf(number, sizeof(number), "%" PRId64, field->number));
    else
        log_put(line, number,
                (size_t)snprintf(number, sizeof(number), "%" PRId64 ".%d", field->number / 1000,
                                 (int)(field->number % 1000 / 100)));
    log_puts(line, quote);
}

void rb_log_fields(enum rb_log_level level, const char *message, const struct rb_log_field *fields,
                   size_t count)
{
    struct log_line line;
    if (level < log_threshold)
        return;
    log_begin(&line, level);
    log_puts(&line, message);
    log_puts(&line, log_as_json ? "\"" : "");
    for (size_t i = 0; i < count; i++) {
        size_t before = line.len;
        if (fields[i].kind != RB_LOG_TEXT || fields[i].text)
            log_field(&line, &fields[i]);
        if (line.len >= sizeof(line.text) - LOG_ROOM) /* one that does not fit is left out */
            line.len = before;
    }
    log_puts(&line, log_as_json ? "}" : "");
    log_write(&line);
}
