/* What a text closes, as GitHub reads it, and the order of changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "grapher/activity.h"

#define WEB "https://github.com"

/* Each as "repo#number", blanks between them. */
static void assert_closes(const char *text, const char *want)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_closing found[4];
    char got[512] = "";
    size_t count = rb_closing_find(found, 4, text, WEB, arena), used = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%s#%lld", i ? " " : "",
                                 found[i].repo ? found[i].repo : "", (long long)found[i].number);
    if (strcmp(got, want) != 0)
        fail_msg("%s: found \"%s\", not \"%s\"", text, got, want);
    rb_arena_free(arena);
}

static void test_keywords(void **state)
{
    static const char *const words[] = {"close", "closes",  "closed",   "fix",      "fixes",
                                        "fixed", "resolve", "resolves", "Resolved", "FIX"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s #12", words[i]);
        assert_closes(text, "#12");
        snprintf(text, sizeof text, "%s: #12", words[i]);
        assert_closes(text, "#12");
    }
    assert_closes("prefix #1, fixing #2, closest #3, auto-fix #4, fixes-it #5, fixed", "");
    assert_closes("fixes#1 fixes\n#2 refs #3 see #4", "");
}

static void test_references(void **state)
{
    (void)state;
    assert_closes("Fixes #1, closes GH-2. Resolves a/b#3; fixes c-d/e.f_g#4", "#1 #2 a/b#3 c-d/e.f_g#4");
    assert_closes("fixes " WEB "/a/b/issues/7 and closes " WEB "/a/b/pull/8", "a/b#7");
    assert_closes("fixes https://evil.example/a/b/issues/7 fixes " WEB ".evil/a/b/issues/7", "");
    assert_closes("fixes #1 fixes #1 fixes a/b#1 fixes A/B#1", "#1 a/b#1");
    assert_closes(
        "fixes #0 fixes #01 fixes #1x fixes #99999999999 fixes # fixes a/#1 fixes /b#1 fixes a/b/c#1", "");
    assert_closes("fixes #1 fixes #2 fixes #3 fixes #4 fixes #5", "#1 #2 #3 #4");
}

static void test_what_is_not_said(void **state)
{
    (void)state;
    assert_closes("`fixes #1` <!-- fixes #2 --> fixes #3\n```\nfixes #4\n```\ncloses #5", "#3 #5");
    assert_closes("<!-- fixes #1", "");
    assert_closes("it's a ` and fixes #1", "#1");
    assert_closes("", "");
}

/* As CommonMark's specification has it, of which GitHub's is a superset. */
static void test_fences(void **state)
{
    (void)state;
    assert_closes("~~~\nfixes #1\n```\nfixes #2\n~~~\nfixes #3", "#3");
    assert_closes("````md\r\n```\r\nfixes #1\r\n```\r\n````\r\nfixes #2\r\n", "#2");
    assert_closes("```\nfixes #1 never closed\n\nfixes #2", "");
    assert_closes("``` fixes #1 ``` fixes #2", "#2");
    assert_closes("Use ``` to begin code. Fixes #1", "#1");
    assert_closes("> ```\n> fixes #1\nfixes #2", "#2");
    assert_closes("- ```\n  fixes #1\n  ```\n- fixes #2", "#2");
    assert_closes("Log:\n\n    fixes #1\n\n    fixes #2\n\nfixes #3", "#3");
    assert_closes("\tfixes #1\nfixes #2", "#2");
    assert_closes("goes on\n    fixes #1", "#1");
    assert_closes("1. item\n\n    fixes #1\n\nend\n\n    fixes #2", "#1");
}

static void test_spans(void **state)
{
    (void)state;
    assert_closes("``a ` fixes #1`` fixes #2", "#2");
    assert_closes("a `lone\n\nfixes #1\n\nand ` another", "#1");
    assert_closes("- a ` b\n- fixes #1 ` c", "#1");
    assert_closes("\\`fixes #1\\`", "#1");
    assert_closes("a span `over\nlines fixes #1` fixes #2", "#2");
    assert_closes("write `<!--` and fixes #1 `-->`", "#1");
    assert_closes("a <!-- lone one. fixes #1\n\nfixes #2", "#1 #2");
    assert_closes("<!--\n```\nfixes #1\n-->\nfixes #2", "#2");
    assert_closes("<code>fixes #1</code> <PRE>fixes #2</pre> fixes #3", "#3");
    assert_closes("<code> fixes #1, <precious> fixes #2", "");
    assert_closes("<details>\nfixes #1, <b>fixes</b> #2\n</details>", "#1 #2");
    assert_closes("fixes `x` #1 **fixes** #2 fixes [#3](https://a.example)", "#2 #3");
    assert_closes("<pre>\nfixes #1", "");
    assert_closes("(fixes #2) \"fixes #3\" > fixes #4", "#2 #3 #4");
}

/* What takes a look at all that follows takes it once. */
static void test_long_texts(void **state)
{
    static const char *const parts[] = {"<!-- ", "<code>",  "fixes https://github.com/a", "` ``", "``` ",
                                        "> - ",  "fixes a/"};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct rb_arena *arena = rb_arena_new();
        size_t len = strlen(parts[i]), count = 262144 / len; /* GitHub: 65,536 characters */
        char *text = rb_arena_alloc(arena, count * len + 1);
        struct rb_closing found[1];
        for (size_t k = 0; k < count; k++)
            memcpy(text + k * len, parts[i], len);
        assert_int_equal(rb_closing_find(found, 1, text, WEB, arena), 0);
        rb_arena_free(arena);
    }
}

static void test_order(void **state)
{
    struct rb_arena *arena = rb_arena_new();
    const char *first = rb_activity_version("2026-01-01T00:00:01Z", "open", "a", arena);
    const char *later = rb_activity_version("2026-01-01T00:00:02Z", "open", "a", arena);
    const char *closed = rb_activity_version("2026-01-01T00:00:02Z", "closed", "a", arena);
    const char *other = rb_activity_version("2026-01-01T00:00:02Z", "closed", "b", arena);
    const char *gone = rb_activity_version("2026-01-01T00:00:00Z", "deleted", "a", arena);
    (void)state;
    assert_true(strcmp(first, later) < 0);
    assert_true(strcmp(later, closed) < 0);
    assert_int_not_equal(strcmp(closed, other), 0);
    assert_true(strcmp(other, gone) < 0);
    assert_string_equal(closed, rb_activity_version("2026-01-01T00:00:02Z", "closed", "a", arena));
    assert_true(strlen(gone) < RB_ACTIVITY_VERSION_MAX && strlen(closed) < RB_ACTIVITY_VERSION_MAX);
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_what_is_not_said),
        cmocka_unit_test(test_fences),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
