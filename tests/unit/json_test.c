/* A few fields of a JSON text: what is found, what is left alone, and that nothing but JSON passes, since a
 * webhook's payload goes into its event as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/base/base.h"

struct found {
    char action[8], name[32];
    int64_t id;
    bool flag;
};

/* The text stands at the very end of its memory, so that a sanitizer sees a read beyond it. */
static rb_err find(struct found *found, const char *text, size_t len)
{
    const struct rb_json_field fields[] = {
        {"/action", RB_JSON_TEXT, found->action, sizeof(found->action)},
        {"/repository/id", RB_JSON_INT, &found->id, 0},
        {"/repository/full_name", RB_JSON_TEXT, found->name, sizeof(found->name)},
        {"/flag", RB_JSON_BOOL, &found->flag, 0}};
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, text, len);
    *found = (struct found){.action = "as", .name = "it was", .id = -5};
    rb_err err = rb_json_find(fields, sizeof(fields) / sizeof(*fields), &(struct rb_json_text){copy, len, 0});
    free(copy);
    return err;
}

static void fields_are_found_wherever_they_stand(void **state)
{
    (void)state;
    static const char text[] =
        "{\"x\":[{\"action\":\"no\"}],\"repository\":{\"owner\":{\"id\":1},\"full_name\":"
        "\"a\\u002fb\",\"id\":9007199254740993},\"flag\":true,\"action\":\"opened\"} \n";
    struct found found;
    assert_int_equal(find(&found, text, strlen(text)), RB_OK);
    assert_string_equal(found.action, "opened");
    assert_string_equal(found.name, "a/b");
    assert_true(found.id == 9007199254740993); /* beyond what a double can tell */
    assert_true(found.flag);
}

static void what_is_no_such_field_leaves_everything_as_it_was(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "7",
        "\"action\"",
        "{\"action\":null,\"repository\":null}",
        "{\"action\":7,\"repository\":{\"id\":\"7\",\"full_name\":[\"a/b\"]},\"flag\":\"true\"}",
        "{\"action\":\"12345678\"}",                     /* one byte too long */
        "{\"action\":\"a\\u0000b\"}",                    /* a zero would cut it */
        "{\"repository\":{\"id\":1.0}}",                 /* no integer */
        "{\"repository\":{\"id\":1e3}}",                 /* nor this */
        "{\"repository\":{\"id\":9223372036854775808}}", /* beyond 64 bits with a sign */
        "{\"repository\":[{\"id\":1}]}",
        "{\"Action\":\"opened\",\"repository\":{\"ID\":1}}",
        "{\"repository/id\":1,\"/action\":\"opened\"}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct found found;
        if (find(&found, texts[i], strlen(texts[i])))
            fail_msg("%s: %s", texts[i], rb_error_text());
        if (strcmp(found.action, "as") != 0 || strcmp(found.name, "it was") != 0 || found.id != -5 ||
            found.flag)
            fail_msg("%s: changed", texts[i]);
    }
}

/* With room behind it a text is read where it lies, whatever follows it there. */
static void what_follows_a_text_is_not_read_as_part_of_it(void **state)
{
    (void)state;
    static const char text[] = "{\"action\":\"opened\"}";
    char memory[sizeof(text) - 1 + RB_JSON_ROOM];
    for (size_t cut = 0; cut < 3; cut++) {
        char action[8] = "";
        const struct rb_json_field field = {"/action", RB_JSON_TEXT, action, sizeof(action)};
        const struct rb_json_text whole = {memory, sizeof(text) - 1 - cut, RB_JSON_ROOM + cut};
        memset(memory, '}', sizeof(memory));
        memcpy(memory, text, sizeof(text) - 1);
        assert_int_equal(rb_json_find(&field, 1, &whole), cut ? RB_EPROTOCOL : RB_OK);
        assert_string_equal(action, cut ? "" : "opened");
    }
}

/* Each stands at the very end of its memory. */
static void a_zero_byte_is_told_from_a_backslash_before_u0000(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool has_zero;
    } rows[] = {
        {"", false},
        {"{}", false},
        {"{\"a\":\"u0000\"}", false},
        {"{\"a\":\"\\u0000\"}", true},
        {"{\"a\":\"\\\\u0000\"}", false}, /* a backslash, and u0000 */
        {"{\"a\":\"\\\\\\u0000\"}", true},
        {"{\"a\":\"\\\\\\\\u0000\"}", false},
        {"{\"a\":\"\\u00001\"}", true},
        {"{\"a\":\"\\u0001\\u000a\\u0f00\\n\\\"\"}", false},
        {"{\"\\u0000\":1}", true},
        {"{\"a\":\"\\r\\n\\/\\\"u0000\"}", false},
        {"\"\\u0000", true}, /* what is no JSON is no reason to read on */
        {"\"\\u000", false},
        {"\"\\", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t len = strlen(rows[i].text);
        char *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        if (len)
            memcpy(copy, rows[i].text, len);
        if (rb_json_has_zero(copy, len) != rows[i].has_zero)
            fail_msg("%s: %d", rows[i].text, !rows[i].has_zero);
        free(copy);
    }
}

static void nothing_but_json_passes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", " ", "{", "}", "{]", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":}", "{a:1}", "{'a':1}",
        "{\"a\":1}}", "{\"a\":1}{}", "{\"a\":1} x", "{\"a\":1},", "\"", "\"a", "\"\\x\"", "\"\\u12\"",
        "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"a\nb\"", "\"a\tb\"", "\"\x01\"", "01", "+1",
        "1.", ".5", "-", "1e", "0x1", "NaN", "Infinity", "1e999", "True", "nul", "// no\n{}", "{/**/}",
        "\xef\xbb\xbf{}", "\"\xff\"", "\"\xc0\xaf\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"", "{\"\xff\":1}",
        /* What would break out of an event, were it spliced in unread. */
        "1},\"payload\":{", "{}},\"data\":{\"x\":1", "{\"a\":\"b\"}\"", "\"a\" \"b\""};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct found found;
        if (find(&found, texts[i], strlen(texts[i])) != RB_EPROTOCOL)
            fail_msg("accepted: %s", texts[i]);
    }
    struct found found;
    assert_int_equal(find(&found, "{}\0", 3), RB_EPROTOCOL);
    assert_int_equal(find(&found, "\"a\0b\"", 5), RB_EPROTOCOL);
}

static void no_beginning_of_a_text_passes(void **state)
{
    (void)state;
    static const char text[] =
        "{\"action\":\"\\ud83d\\ude00\xe2\x82\xac\",\"n\":[-1.5e-7,true,false,null,[],{}]}";
    struct found found;
    for (size_t len = 0; len < strlen(text); len++) {
        if (find(&found, text, len) != RB_EPROTOCOL)
            fail_msg("accepted: %.*s", (int)len, text);
    }
    assert_int_equal(find(&found, text, strlen(text)), RB_OK);
}

#define LARGE_LEN ((size_t)3 * 1024 * 1024)

/* Large texts and small ones in turns, since a parser is kept for the small ones only; and one that ends the
 * other way. */
static void large_and_deep_texts_have_an_end(void **state)
{
    (void)state;
    static const char begin[] = "{\"action\":\"opened\",\"body\":\"", end[] = "\",\"repository\":{\"id\":7}}";
    struct found found;
    char *text = malloc(LARGE_LEN);
    assert_non_null(text);
    memset(text, 'x', LARGE_LEN);
    memcpy(text, begin, sizeof(begin) - 1);
    memcpy(text + LARGE_LEN - (sizeof(end) - 1), end, sizeof(end) - 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(find(&found, text, LARGE_LEN), RB_OK);
        assert_string_equal(found.action, "opened");
        assert_int_equal(found.id, 7);
        assert_int_equal(find(&found, "{\"action\":\"x\"}", 14), RB_OK);
        assert_string_equal(found.action, "x");
    }
    text[LARGE_LEN / 2] = '\xff';
    assert_int_equal(find(&found, text, LARGE_LEN), RB_EPROTOCOL);
    memset(text, '[', LARGE_LEN);
    assert_int_equal(find(&found, text, LARGE_LEN), RB_EPROTOCOL);
    memset(text + LARGE_LEN / 2, ']', LARGE_LEN - LARGE_LEN / 2); /* well-formed, and no reader survives it */
    assert_int_equal(find(&found, text, LARGE_LEN), RB_EPROTOCOL);
    free(text);
}

struct walked {
    char names[64];
    int64_t size;
    bool flag;
    struct rb_json_piece text;
    char word[8];
};

static void walk_note(void *arg, const char *name, size_t len)
{
    struct walked *walked = arg;
    size_t used = strlen(walked->names);
    snprintf(walked->names + used, sizeof(walked->names) - used, "%.*s:%lld%d%.*s%s ", (int)len, name,
             (long long)walked->size, walked->flag, walked->text.at ? (int)walked->text.len : 1,
             walked->text.at ? walked->text.at : "-", walked->word);
}

static void members_are_walked_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        rb_err err;
        const char *walked;
    } rows[] = {
        {"{\"a\":{\"x\":{\"size\":3,\"flag\":true,\"text\":\"e\\u0041f\",\"word\":\"w\"},\"y\":{},\"z\":null,"
         "\"v\":[1]}}",
         RB_OK, "x:31eAfw y:-10- z:-10- v:-10- "},
        {"{\"a\":{\"x\":{\"size\":\"3\",\"flag\":1,\"text\":7,\"word\":\"longer than it\"}}}", RB_OK,
         "x:-10- "},
        {"{\"a\":{}}", RB_OK, ""},
        {"{\"a\":null}", RB_ENOTFOUND, ""},
        {"{\"a\":[{}]}", RB_ENOTFOUND, ""},
        {"[]", RB_ENOTFOUND, ""},
        {"{\"a\":{\"x\":{\"size\":3}}", RB_EPROTOCOL, ""},
        {"", RB_EPROTOCOL, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct walked walked = {.names = ""};
        const struct rb_json_field fields[] = {{"/size", RB_JSON_INT, &walked.size, 0},
                                               {"/flag", RB_JSON_BOOL, &walked.flag, 0},
                                               {"/text", RB_JSON_PIECE, &walked.text, 0},
                                               {"/word", RB_JSON_TEXT, walked.word, sizeof(walked.word)}};
        const struct rb_json_text text = {rows[i].text, strlen(rows[i].text), 0};
        rb_err err = rb_json_members("/a", fields, 4, &text, walk_note, &walked);
        if (err != rows[i].err || strcmp(walked.names, rows[i].walked) != 0)
            fail_msg("%s: %s, %s", rows[i].text, rb_err_name(err), walked.names);
    }
}

static void lists_are_walked_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        rb_err err;
        int flag;
        const char *walked;
    } rows[] = {
        {"{\"list\":[{\"size\":3,\"text\":\"e\\u0041f\",\"other\":{\"size\":9}},{},null,[1]],\"all\":true}",
         RB_OK, 1, ":30eAf :-10- :-10- :-10- "},
        {"{\"all\":false,\"list\":[{\"size\":1,\"size\":2}]}", RB_OK, 0, ":20- "},
        {"{\"all\":\"true\",\"list\":[]}", RB_OK, -1, ""},
        {"{\"all\":true}", RB_ENOTFOUND, 1, ""},
        {"{\"list\":{}}", RB_ENOTFOUND, -1, ""},
        {"{\"list\":[{}]", RB_EPROTOCOL, -1, ""},
        {"{\"list\":[{}]}}", RB_EPROTOCOL, -1, ":-10- "},
        {"{\"list\":[{},{\"size\":1 2}]}", RB_EPROTOCOL, -1, ":-10- "},
        {"{\"list\":[{\"size\":\"1\",\"text\":{\"a\":[1]}},{\"size\":2}]}", RB_OK, -1, ":-10- :20- "},
        {"{\"list\":[{\"\\u0073ize\":7}],\"other\":[{\"all\":true}]}", RB_OK, -1, ":70- "},
        {"[]", RB_ENOTFOUND, -1, ""},
        {"", RB_EPROTOCOL, -1, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (size_t room = 0; room <= RB_JSON_ROOM; room += RB_JSON_ROOM) {
            struct walked walked = {.names = ""};
            const struct rb_json_field fields[] = {{"/size", RB_JSON_INT, &walked.size, 0},
                                                   {"/text", RB_JSON_PIECE, &walked.text, 0}};
            size_t len = strlen(rows[i].text);
            char *copy = calloc(1, len + room + 1);
            assert_non_null(copy);
            memcpy(copy, rows[i].text, len);
            const struct rb_json_text text = {copy, len, room};
            int flag = -1;
            rb_err err = rb_json_list(&flag, "/all", "/list", fields, 2, &text, walk_note, &walked);
            if (err != rows[i].err || flag != rows[i].flag || strcmp(walked.names, rows[i].walked) != 0)
                fail_msg("%s: %s, %d, %s", rows[i].text, rb_err_name(err), flag, walked.names);
            free(copy);
        }
    }
}

static void a_part_is_json_of_its_own(void **state)
{
    static const struct {
        const char *text, *pointer, *part; /* NULL: none */
        rb_err err;
    } rows[] = {
        {"{\"a\": {\"b\": [1, \"\\u0022x\"]}}", "/a/b", "[1,\"\\\"x\"]", RB_OK},
        {"{\"a\": {\"b\": [1, null]}}", "/a/b/1", "null", RB_OK},
        {"{\"a/b\": {\"c~d\": true}}", "/a~1b/c~0d", "true", RB_OK},
        {" [ 7 ] ", "", "[7]", RB_OK},
        {"{\"a\":1}", "/b", NULL, RB_ENOTFOUND},
        {"{\"a\":1}", "a", NULL, RB_ENOTFOUND},
        {"[1]", "/1", NULL, RB_ENOTFOUND},
        {"[1", "/0", NULL, RB_EPROTOCOL},
        {"[\"0123456789\"]", "/0", NULL, RB_ETOOBIG},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rb_buf out;
        rb_buf_init(&out, 11);
        assert_int_equal(rb_json_part(&out, rows[i].pointer, rows[i].text, strlen(rows[i].text)),
                         rows[i].err);
        if (rows[i].part)
            assert_string_equal(out.data, rows[i].part);
        rb_buf_free(&out);
    }
}

static void all_of_a_text_is_as_jansson_has_it(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        " true ",
        "\"a\"",
        "[[\"a\",null],[1,-1,9223372036854775807,-9223372036854775808,0.5,1e3,-0.0]]",
        "{\"b\":{\"c\":[false,\"\\u00e9\\ud83d\\ude00\\n\\\"\"]},\"\":1,\"b2\":2,\"b2\":3}",
        "",
        "{",
        "[1,]",
        "[1] 2",
        "nul",
        "[9223372036854775808]",
        "[1e999]",
        "[\"\\u0000\"]",
        "{\"\\u0000\":1}",
        "{\"a\":[1,{\"b\":\"\\u0000\"}]}",
        "[\"\xff\"]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const struct rb_json_text text = {texts[i], strlen(texts[i]), 0};
        json_t *seen = rb_json_load(&text), *wanted = json_loadb(text.at, text.len, JSON_DECODE_ANY, NULL);
        if (!seen != !wanted || (seen && !json_equal(seen, wanted)))
            fail_msg("%s", texts[i]);
        json_decref(seen);
        json_decref(wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_text_is_as_jansson_has_it),
        cmocka_unit_test(fields_are_found_wherever_they_stand),
        cmocka_unit_test(what_is_no_such_field_leaves_everything_as_it_was),
        cmocka_unit_test(what_follows_a_text_is_not_read_as_part_of_it),
        cmocka_unit_test(a_zero_byte_is_told_from_a_backslash_before_u0000),
        cmocka_unit_test(nothing_but_json_passes),
        cmocka_unit_test(no_beginning_of_a_text_passes),
        cmocka_unit_test(large_and_deep_texts_have_an_end),
        cmocka_unit_test(members_are_walked_one_by_one),
        cmocka_unit_test(lists_are_walked_one_by_one),
        cmocka_unit_test(a_part_is_json_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
