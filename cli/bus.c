/* What the commands that operate the bus share: the connection, times, and how things look. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

#define BUS_CONNECT_MS 15000 /* several tries, also where a handshake of TLS takes its time */

/* "7d": how long, in milliseconds; -1 when it is none. */
static int64_t bus_parse_ago(const char *text)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (end > text && end[0] == units[i].unit && end[1] == '\0' && number >= 0 && number <= 100000000)
            return number * units[i].ms;
    }
    return -1;
}

rb_err cli_since(int64_t *since_ms, const char *text)
{
    struct tm date = {0};
    *since_ms = 0;
    if (!text)
        return RB_OK;
    int64_t ago = bus_parse_ago(text);
    if (ago >= 0) {
        *since_ms = rb_clock_wall_ms() - ago;
        return RB_OK;
    }
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &date);
    if (!end || *end) {
        date = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &date);
    }
    if (!end || *end)
        return rb_error_set(RB_EINVAL,
                            "this is no time such as 2026-11-28T08:00:00Z, 2026-11-28, 90s, 15m, 2h or 7d");
    *since_ms = (int64_t)timegm(&date) * 1000;
    return RB_OK;
}

rb_err cli_bus_open(struct rb_bus **bus, const struct cli_options *options)
{
    struct rb_config *config = rb_config_new();
    int64_t limit_ms = options->timeout_seconds * INT64_C(1000);
    const struct rb_bus_options connection = {
        .url = rb_config_string(config, "NATS_URL", "nats://127.0.0.1:4222", "where NATS listens"),
        .name = "repobus-cli",
        .user = "operator"};
    rb_config_free(config); /* the string is the environment's */
    rb_err err = rb_bus_connect(bus, &connection);
    if (!err)
        err = rb_bus_wait(*bus, (int)(limit_ms < BUS_CONNECT_MS ? limit_ms : BUS_CONNECT_MS));
    if (err) {
        rb_bus_close(*bus);
        *bus = NULL;
    }
    return err;
}

int cli_bus_fail(const char *command, rb_err err)
{
    fprintf(stderr, "repobus %s: ", command);
    cli_print(stderr, rb_error_text());
    fputc('\n', stderr);
    switch (err) {
    case RB_EINVAL:
        return CLI_USAGE;
    case RB_ENOTFOUND:
        return CLI_NOT_FOUND;
    case RB_EAUTH:
        return CLI_UNAUTHORIZED;
    case RB_EUNAVAILABLE:
    case RB_ETIMEOUT:
        return CLI_UNREACHABLE;
    default:
        return CLI_FAILED;
    }
}

void cli_show_time(char out[RB_TIME_SIZE], int64_t at_ms)
{
    static const char none[] = "-";
    if (at_ms <= 0) {
        memcpy(out, none, sizeof(none));
        return;
    }
    rb_time_format(out, at_ms);
    memcpy(out + strlen("2026-11-28T08:00:00"), "Z", 2);
}

void cli_show_json(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    puts(text ? text : "null");
    fflush(stdout); /* whoever reads lines waits for this one */
    free(text);
    json_decref(object);
}
