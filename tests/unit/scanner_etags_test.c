/* What was answered with an ETag is found again by whoever asked, and nobody else; the longest unused makes
 * room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scanner/etags.h"

#define MOST 256 /* that are kept */

static struct etags *etags;
static struct rb_arena *arena;

static int begin(void **state)
{
    (void)state;
    etags = etags_new();
    arena = rb_arena_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    rb_arena_free(arena);
    etags_free(etags);
    return 0;
}

static void keep(int64_t installation, const char *path, int status, const char *etag, const char *body)
{
    char *copy = strdup(body);
    struct rb_github_response response = {
        .status = status, .body = copy, .len = strlen(body), .has_next = true};
    snprintf(response.etag, sizeof(response.etag), "%s", etag);
    etags_keep(etags, &(struct etags_key){installation, path}, &response);
    free(copy);
}

static const char *find(int64_t installation, const char *path)
{
    struct rb_github_response known;
    if (!etags_find(&known, etags, &(struct etags_key){installation, path}, arena))
        return NULL;
    assert_true(known.has_next);
    assert_int_equal(known.len, strlen(known.body));
    return rb_arena_printf(arena, "%s=%s", known.etag, known.body);
}

static void each_has_its_own(void **state)
{
    (void)state;
    assert_null(find(1, "labels"));
    keep(1, "labels", 200, "W/\"1\"", "[1]");
    keep(2, "labels", 200, "W/\"2\"", "[2]");
    keep(1, "labels?page=2", 200, "W/\"3\"", "[3]");
    assert_string_equal(find(1, "labels"), "W/\"1\"=[1]");
    assert_string_equal(find(2, "labels"), "W/\"2\"=[2]");
    assert_string_equal(find(1, "labels?page=2"), "W/\"3\"=[3]");
    assert_null(find(2, "labels?page=2"));
    keep(1, "labels", 200, "W/\"4\"", "[4]");
    assert_string_equal(find(1, "labels"), "W/\"4\"=[4]");
}

static void what_cannot_be_asked_again_is_not_kept(void **state)
{
    char *large = calloc(1, 65538);
    (void)state;
    memset(large, 'x', 65537);
    keep(1, "a", 200, "", "[]");
    keep(1, "b", 304, "W/\"1\"", "");
    keep(1, "c", 404, "W/\"1\"", "{}");
    keep(1, "d", 200, "W/\"1\"", large);
    for (const char *path = "abcd"; *path; path++)
        assert_null(find(1, (char[]){*path, '\0'}));
    large[65536] = '\0';
    keep(1, "d", 200, "W/\"1\"", large);
    assert_non_null(find(1, "d"));
    free(large);
}

static void the_longest_unused_makes_room(void **state)
{
    (void)state;
    for (int64_t i = 0; i < MOST; i++)
        keep(i, "labels", 200, "W/\"1\"", "[]");
    assert_non_null(find(0, "labels"));
    keep(MOST, "labels", 200, "W/\"1\"", "[]");
    assert_non_null(find(0, "labels"));
    assert_null(find(1, "labels"));
    assert_non_null(find(2, "labels"));
    assert_non_null(find(MOST, "labels"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_has_its_own, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_asked_again_is_not_kept, begin, end),
        cmocka_unit_test_setup_teardown(the_longest_unused_makes_room, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
