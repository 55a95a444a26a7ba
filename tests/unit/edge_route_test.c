/* Paths and names of the edge, pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "edge/edge.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void routes_match_whole_paths(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path, *owner, *repo; /* owner NULL: none is captured */
        bool matches;
    } cases[] = {
        {"/healthz", "/healthz", NULL, NULL, true},
        {"/healthz", "/healthz/", NULL, NULL, false},
        {"/healthz", "/health", NULL, NULL, false},
        {"/healthz", "", NULL, NULL, false},
        {"/healthz", "/healthzz", NULL, NULL, false},
        {"/api/v1/repos", "/api/v1/repos", NULL, NULL, true},
        {"/api/v1/repos", "/api/v1/repos/a/b", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}", "/api/v1/repos/a/b", "a", "b", true},
        {"/api/v1/repos/{owner}/{repo}", "/api/v1/repos/a%2Fb/c", "a%2Fb", "c", true},
        {"/api/v1/repos/{owner}/{repo}", "/api/v1/repos/a/b/", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}", "/api/v1/repos/a", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}", "/api/v1/repos//b", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}", "/api/v1/repos/a//", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}", "/API/v1/repos/a/b", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}/install", "/api/v1/repos/acme/my-backend/install", "acme",
         "my-backend", true},
        {"/api/v1/repos/{owner}/{repo}/install", "/api/v1/repos/acme/install", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}/install", "/api/v1/repos/a/b/c/install", NULL, NULL, false},
        {"/api/v1/repos/{owner}/{repo}/install", "/api/v1/repos/a/b/installed", NULL, NULL, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct edge_captures captures;
        bool matches = edge_route_matches(&captures, cases[i].pattern, cases[i].path, strlen(cases[i].path));
        if (matches != cases[i].matches)
            fail_msg("%s against %s: %d", cases[i].path, cases[i].pattern, matches);
        if (!matches || !cases[i].owner)
            continue;
        assert_int_equal(captures.owner_len, strlen(cases[i].owner));
        assert_memory_equal(captures.owner, cases[i].owner, captures.owner_len);
        assert_int_equal(captures.repo_len, strlen(cases[i].repo));
        assert_memory_equal(captures.repo, cases[i].repo, captures.repo_len);
    }
}

static void every_route_is_reached_by_one_path(void **state)
{
    (void)state;
    struct edge_captures captures;
    for (const struct edge_route *route = edge_routes; route->method; route++) {
        bool matches = edge_route_matches(&captures, route->pattern, route->pattern, strlen(route->pattern));
        assert_true(matches); /* "{owner}" is as good a segment as any */
        bool is_personal = (strncmp(route->pattern, "/api/v1/", 8) == 0 &&
                            strcmp(route->pattern, "/api/v1/webhooks/github") != 0) ||
                           strcmp(route->pattern, "/auth/me") == 0 ||
                           strcmp(route->pattern, "/auth/logout") == 0;
        assert_int_equal(is_personal, !(route->flags & EDGE_PUBLIC));
        assert_non_null(route->handler);
    }
}

static void segments_are_decoded_once(void **state)
{
    (void)state;
    static const struct {
        const char *segment, *decoded;
        size_t len;
    } cases[] = {
        {"acme", "acme", 4},       {"%61cme", "acme", 4}, {"a%2Fb", "a/b", 3},   {"%2e%2E", "..", 2},
        {"%00", "\0", 1},          {"%2561", "%61", 3},   {"%", "%", 1},         {"%4", "%4", 2},
        {"%zz", "%zz", 3},         {"a%4", "a%4", 3},     {"%4g1", "%4g1", 4},   {"a+b", "a+b", 3},
        {"%C3%A9", "\xc3\xa9", 2}, {"%%41", "%A", 2},     {"my%2Dx", "my-x", 4},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[16];
        size_t len = edge_segment_decode(out, cases[i].segment, strlen(cases[i].segment));
        if (len != cases[i].len || memcmp(out, cases[i].decoded, len) != 0)
            fail_msg("%s gives %zu bytes: %.*s", cases[i].segment, len, (int)len, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_match_whole_paths),
        cmocka_unit_test(every_route_is_reached_by_one_path),
        cmocka_unit_test(segments_are_decoded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
