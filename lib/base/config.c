#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

#define CONFIG_FINDINGS_MAX 32 /* far more than there are variables */

struct rb_config {
    struct rb_arena *arena;
    const char *findings[CONFIG_FINDINGS_MAX];
    int count;
};

struct rb_config *rb_config_new(void)
{
    struct rb_config *config = rb_calloc(1, sizeof(*config));
    config->arena = rb_arena_new();
    return config;
}

void rb_config_free(struct rb_config *config)
{
    if (!config)
        return;
    rb_arena_free(config->arena);
    free(config);
}

void rb_config_note(struct rb_config *config, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (config->count < CONFIG_FINDINGS_MAX)
        config->findings[config->count++] = rb_arena_strdup(config->arena, text);
}

/* Blanks, control characters, and what has no place in the base of an address: quotes, user names, queries.
 */
static bool config_url_has_strange_byte(const char *value)
{
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        if (*c <= 0x20 || *c >= 0x7f || strchr("\"<>@?#\\", *c))
            return true;
    }
    return false;
}

static const char *config_value(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *rb_config_string(struct rb_config *config, const char *name, const char *fallback,
                             const char *help)
{
    const char *value = config_value(name);
    if (value)
        return value;
    if (!fallback)
        rb_config_note(config, "%s is missing: set it to %s", name, help);
    return fallback;
}

int64_t rb_config_int(struct rb_config *config, const char *name, int64_t fallback, int64_t min, int64_t max)
{
    const char *value = config_value(name);
    if (!value)
        return fallback;
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || end == value || *end || number < min || number > max) {
        rb_config_note(config, "%s=%s is wrong: give a number from %" PRId64 " to %" PRId64, name, value, min,
                       max);
        return fallback;
    }
    return number;
}

const char *rb_config_url(struct rb_config *config, const char *name, const char *fallback, const char *help)
{
    const char *value = rb_config_string(config, name, fallback, help);
    if (!value || !*value) /* an empty fallback: there need not be one */
        return value;
    size_t scheme = strncmp(value, "http://", 7) == 0 ? 7 : strncmp(value, "https://", 8) == 0 ? 8 : 0;
    size_t len = strlen(value);
    while (len > scheme && value[len - 1] == '/')
        len--;
    if (!scheme || len == scheme || value[scheme] == '/' || len > 512 || config_url_has_strange_byte(value)) {
        /* The value is not shown: people put credentials into URLs. */
        rb_config_note(config, "%s is wrong: give %s, as http://HOST or https://HOST", name, help);
        return fallback;
    }
    return rb_arena_strndup(config->arena, value, len);
}

const char *rb_config_secret(struct rb_config *config, const char *name, size_t min_len, bool required)
{
    const char *value = config_value(name);
    if (!value) {
        if (required)
            rb_config_note(config,
                           "%s is missing: set it to %zu random characters or more (openssl rand -hex 32)",
                           name, min_len);
        return NULL;
    }
    if (strlen(value) < min_len) {
        rb_config_note(config, "%s is too short: it has %zu characters and needs %zu (openssl rand -hex 32)",
                       name, strlen(value), min_len);
        return NULL;
    }
    return value;
}

rb_err rb_config_check(struct rb_config *config)
{
    for (int i = 0; i < config->count; i++)
        rb_log_error("configuration: %s", config->findings[i]);
    if (config->count == 0)
        return RB_OK;
    return rb_error_set(RB_EINVAL, "%d settings are wrong", config->count);
}
