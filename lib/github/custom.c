/*
 * Requests that somebody else has thought of, held to one repository: the person's token opens everything the
 * person may see, and whoever asks through us is meant to see this repository alone.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/github/internal.h"

static bool custom_method(enum rb_github_method *out, const char *name)
{
    static const struct {
        const char *name;
        enum rb_github_method method;
    } methods[] = {{"GET", RB_GITHUB_GET},
                   {"POST", RB_GITHUB_POST},
                   {"PATCH", RB_GITHUB_PATCH},
                   {"PUT", RB_GITHUB_PUT},
                   {"DELETE", RB_GITHUB_DELETE}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        *out = methods[i].method;
        if (strcmp(methods[i].name, name) == 0)
            return true;
    }
    return false;
}

/* One dot, encoded or not; NULL when there is none. */
static const char *custom_skip_dot(const char *at)
{
    if (*at == '.')
        return at + 1;
    return strncasecmp(at, "%2e", 3) == 0 ? at + 3 : NULL;
}

/* "", ".", "..": what a server may take for another path. */
static bool custom_segment_is_plain(const char *segment, const char *end)
{
    const char *at = custom_skip_dot(segment);
    if (at && at < end && custom_skip_dot(at))
        at = custom_skip_dot(at);
    return segment < end && at != end;
}

static bool custom_is_of_address(const char *at)
{
    if (*at == '%')
        return isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]);
    return isalnum((unsigned char)*at) || strchr("-._~!$&'()*+,;=:@/", *at);
}

static bool custom_path_is_plain(const char *path)
{
    const char *end = path + strcspn(path, "?"), *segment = path;

    if (strlen(path) > RB_GITHUB_PATH_MAX)
        return false;
    for (const char *at = path; *at; at++) {
        if (!custom_is_of_address(at) && !(at >= end && *at == '?'))
            return false;
    }
    while (segment < end) {
        const char *next = memchr(segment, '/', (size_t)(end - segment));
        if (!custom_segment_is_plain(segment, next ? next : end) || (next && next + 1 == end))
            return false;
        segment = next ? next + 1 : end;
    }
    return true;
}

/* "hooks" as a server may read it. */
static bool custom_is_hooks(const char *path)
{
    char first[8];
    size_t len = 0;
    for (const char *at = path; *at && !strchr("/?", *at) && len < sizeof(first) - 1; at++) {
        char hex[3] = {at[0] == '%' ? at[1] : '\0', at[0] == '%' ? at[2] : '\0', '\0'};
        first[len++] = (char)(*hex ? strtol(hex, NULL, 16) : *at);
        at += *hex ? 2 : 0;
    }
    first[len] = '\0';
    return strcasecmp(first, "hooks") == 0;
}

rb_err rb_github_custom(struct rb_github_request *request, const char *owner, const char *repo,
                        const char *method, const char *path, const char *body)
{
    *request = (struct rb_github_request){.accept = "application/vnd.github+json", .name = "ask GitHub"};
    if (!custom_method(&request->method, method))
        return rb_error_set(RB_EINVAL, "the method is none of GET, POST, PATCH, PUT, DELETE");
    if (!custom_path_is_plain(path))
        return rb_error_set(RB_EINVAL,
                            "the path is not one below /repos/%s/%s/: encode what an address has not", owner,
                            repo);
    if (custom_is_hooks(path))
        return rb_error_set(RB_EFORBIDDEN, "the hooks of %s/%s are for the edge alone", owner, repo);
    request->path = rb_asprintf("/repos/%s/%s%s%s", owner, repo, *path && *path != '?' ? "/" : "", path);
    request->body = body ? rb_strdup(body) : NULL;
    return RB_OK;
}
