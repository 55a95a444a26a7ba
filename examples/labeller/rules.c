/* Reads the rules and applies them. */
#include <curl/curl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rules.h"

static const char *const rules_sizes[] = {"S", "M", "L"}; /* beyond the last: XL */
#define RULES_SIZES    (sizeof(rules_sizes) / sizeof(rules_sizes[0]))
#define RULES_FILE_MAX 65536 /* bytes: fifty areas with patterns enough */

struct rules {
    struct rb_arena *arena; /* holds this too */
    json_t *root;
    int64_t lines[RULES_SIZES];
    json_t *areas;
};

static rb_err rules_check_sizes(struct rules *rules)
{
    int64_t before = 0;
    for (size_t i = 0; i < RULES_SIZES; i++) {
        const json_t *lines = json_object_get(json_object_get(rules->root, "sizes"), rules_sizes[i]);
        rules->lines[i] = json_integer_value(lines);
        if (!json_is_integer(lines) || rules->lines[i] <= before)
            return rb_error_set(RB_EINVAL, "sizes.%s must be a number of lines, more than that before it",
                                rules_sizes[i]);
        before = rules->lines[i];
    }
    return RB_OK;
}

static rb_err rules_check_areas(struct rules *rules)
{
    const char *name;
    json_t *patterns, *pattern;
    size_t i;

    rules->areas = json_object_get(rules->root, "areas");
    if (!json_is_object(rules->areas) || json_object_size(rules->areas) > RULES_AREAS_MAX)
        return rb_error_set(RB_EINVAL, "areas must be an object of at most %d", RULES_AREAS_MAX);
    json_object_foreach(rules->areas, name, patterns)
    {
        bool fine = *name && strlen("area/") + strlen(name) <= RULES_NAME_MAX &&
                    json_array_size(patterns) > 0 && json_array_size(patterns) <= RULES_PATTERNS_MAX;
        json_array_foreach(patterns, i, pattern)
        {
            fine = fine && json_is_string(pattern);
        }
        if (!fine)
            return rb_error_set(RB_EINVAL, "areas.%s must be a list of 1 to %d patterns", name,
                                RULES_PATTERNS_MAX);
    }
    return RB_OK;
}

rb_err rules_read(struct rules **out, const char *file)
{
    struct rb_arena *arena = rb_arena_new();
    struct rules *rules = rb_arena_alloc(arena, sizeof(*rules));
    char text[RULES_FILE_MAX];
    json_error_t where;
    FILE *stream = fopen(file, "re");
    rb_err err = RB_OK;

    *out = NULL;
    rules->arena = arena;
    size_t len = stream ? fread(text, 1, sizeof(text), stream) : 0;
    if (stream)
        fclose(stream);
    if (!stream)
        err = rb_error_set(RB_ENOTFOUND, "it cannot be read");
    else if (len == sizeof(text))
        err = rb_error_set(RB_ETOOBIG, "it is larger than %d bytes", RULES_FILE_MAX);
    else if (!(rules->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where)))
        err = rb_error_set(RB_EINVAL, "line %d: %s", where.line, where.text);
    if (!err)
        err = rules_check_sizes(rules);
    if (!err)
        err = rules_check_areas(rules);
    if (err) {
        rules_free(rules);
        return rb_error_wrap(err, "%s", file);
    }
    *out = rules;
    return RB_OK;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    json_decref(rules->root);
    rb_arena_free(rules->arena);
}

static bool rules_fit(const json_t *patterns, const char *path)
{
    const json_t *pattern;
    size_t i;
    json_array_foreach(patterns, i, pattern)
    {
        if (fnmatch(json_string_value(pattern), path, 0) == 0)
            return true;
    }
    return false;
}

void rules_change_add(struct rules_change *change, const struct rules *rules, const char *path, int64_t lines)
{
    const char *name;
    json_t *patterns;
    size_t area = 0;

    change->lines += lines;
    json_object_foreach(rules->areas, name, patterns)
    {
        change->has_area[area] = change->has_area[area] || rules_fit(patterns, path);
        area++;
    }
}

static const char *rules_size(const struct rules *rules, int64_t lines)
{
    for (size_t i = 0; i < RULES_SIZES; i++) {
        if (lines <= rules->lines[i])
            return rules_sizes[i];
    }
    return "XL";
}

size_t rules_labels(const char *labels[RULES_LABELS_MAX], const struct rules *rules,
                    const struct rules_change *change, struct rb_arena *arena)
{
    const char *name;
    json_t *patterns;
    size_t n = 0, area = 0;

    labels[n++] = rb_arena_printf(arena, "size/%s", rules_size(rules, change->lines));
    json_object_foreach(rules->areas, name, patterns)
    {
        if (change->has_area[area++])
            labels[n++] = rb_arena_printf(arena, "area/%s", name);
    }
    return n;
}

bool rules_own(const struct rules *rules, const char *label)
{
    const char *name;
    json_t *patterns;

    if (strncasecmp(label, "size/", 5) == 0) {
        for (size_t i = 0; i < RULES_SIZES; i++) {
            if (strcasecmp(label + 5, rules_sizes[i]) == 0)
                return true;
        }
        return strcasecmp(label + 5, "XL") == 0;
    }
    if (strncasecmp(label, "area/", 5) == 0) {
        json_object_foreach(rules->areas, name, patterns)
        {
            if (strcasecmp(label + 5, name) == 0)
                return true;
        }
    }
    return false;
}

const char *rules_encode(const char *label, struct rb_arena *arena)
{
    char *encoded = curl_easy_escape(NULL, label, 0);
    const char *copy = rb_arena_strdup(arena, encoded ? encoded : "");
    curl_free(encoded);
    return copy;
}
