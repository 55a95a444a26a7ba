/* Memory, results, time and ids of lib/base. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/base.h"

static void error_texts_are_bounded_and_may_quote_themselves(void **state)
{
    (void)state;
    char long_text[3000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_int_equal(rb_error_set(RB_EINVAL, "%s", long_text), RB_EINVAL);
    assert_int_equal(strlen(rb_error_text()), 1023);
    assert_int_equal(rb_error_wrap(RB_ETIMEOUT, "outer"), RB_ETIMEOUT);
    assert_int_equal(strlen(rb_error_text()), 1023);
    assert_memory_equal(rb_error_text(), "outer: xxx", 10);
    rb_error_set(RB_EINVAL, "inner");
    rb_error_set(RB_EINVAL, "again %s", rb_error_text());
    assert_string_equal(rb_error_text(), "again inner");
    rb_error_wrap(RB_EINVAL, "reading %s", "x");
    assert_string_equal(rb_error_text(), "reading x: again inner");
    rb_error_wrap(RB_EINVAL, "%s", long_text); /* no room for the former text */
    assert_int_equal(strlen(rb_error_text()), 1023);
}

static void every_result_has_a_name(void **state)
{
    (void)state;
    static const rb_err temporary[] = {RB_ELIMIT, RB_EUNAVAILABLE, RB_ETIMEOUT};
    for (int err = RB_OK; err >= RB_EINTERNAL; err--) {
        bool later = false;
        for (size_t i = 0; i < sizeof(temporary) / sizeof(temporary[0]); i++)
            later |= temporary[i] == (rb_err)err;
        assert_string_not_equal(rb_err_name((rb_err)err), "unknown");
        assert_int_equal(rb_err_is_temporary((rb_err)err), later);
    }
    assert_string_equal(rb_err_name((rb_err)(RB_EINTERNAL - 1)), "unknown");
    assert_string_equal(rb_err_name((rb_err)1), "unknown");
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 16, 100, 4096, 4097, 16384, 100000, 1};
    struct rb_arena *arena = rb_arena_new();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *memory = rb_arena_alloc(arena, sizes[i]);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(memory[at], 0);
        memset(memory, 0xff, sizes[i]);
    }
    /* A large one in between does not cost the room of the block that was begun. */
    size_t before = rb_arena_size(arena);
    rb_arena_alloc(arena, 16);
    assert_int_equal(rb_arena_size(arena), before);
    assert_string_equal(rb_arena_strdup(arena, "text"), "text");
    assert_string_equal(rb_arena_strndup(arena, "text", 2), "te");
    assert_string_equal(rb_arena_strndup(arena, NULL, 0), "");
    assert_string_equal(rb_arena_printf(arena, "%s-%d", "a", 7), "a-7");
    rb_arena_free(arena);
    rb_arena_free(NULL);
}

static char deferred[8];
static void note_deferred(void *arg)
{
    size_t len = strlen(deferred);
    deferred[len] = *(const char *)arg;
}

static void arena_runs_what_was_deferred_last_first(void **state)
{
    (void)state;
    static char letters[] = "abc";
    struct rb_arena *arena = rb_arena_new();
    for (size_t i = 0; i < 3; i++)
        rb_arena_defer(arena, note_deferred, &letters[i]);
    assert_string_equal(deferred, "");
    rb_arena_free(arena);
    assert_string_equal(deferred, "cba");
}

static void buffer_keeps_its_limit(void **state)
{
    (void)state;
    static const size_t limits[] = {0, 1, 255, 256, 257, 1000};
    char bytes[1001];
    memset(bytes, 'b', sizeof(bytes));
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct rb_buf buf;
        rb_buf_init(&buf, limits[i]);
        assert_string_equal(buf.data, "");
        for (size_t len = 0; len < limits[i]; len++)
            assert_int_equal(rb_buf_append(&buf, bytes, 1), RB_OK);
        assert_int_equal(buf.len, limits[i]);
        assert_int_equal(strlen(buf.data), limits[i]);
        /* Nothing of what does not fit is appended, whichever way it comes. */
        assert_int_equal(rb_buf_append(&buf, bytes, 1), RB_ETOOBIG);
        assert_int_equal(rb_buf_append(&buf, bytes, SIZE_MAX), RB_ETOOBIG);
        assert_int_equal(rb_buf_printf(&buf, "%d", 1), RB_ETOOBIG);
        assert_int_equal(rb_buf_append(&buf, NULL, 0), RB_OK);
        assert_int_equal(buf.len, limits[i]);
        assert_int_equal(strlen(buf.data), limits[i]);
        rb_buf_reset(&buf);
        assert_string_equal(buf.data, "");
        assert_int_equal(rb_buf_append(&buf, bytes, limits[i] + 1), RB_ETOOBIG);
        assert_int_equal(rb_buf_append(&buf, bytes, limits[i]), RB_OK);
        rb_buf_free(&buf);
        assert_int_equal(buf.limit, limits[i]);
        assert_int_equal(buf.len, 0);
    }
}

static void buffer_prints(void **state)
{
    (void)state;
    struct rb_buf buf;
    rb_buf_init(&buf, 600);
    assert_int_equal(rb_buf_printf(&buf, "%0300d", 1), RB_OK);
    assert_int_equal(rb_buf_printf(&buf, "|%s", "end"), RB_OK);
    assert_int_equal(buf.len, 304);
    assert_string_equal(buf.data + 299, "1|end");
    assert_int_equal(rb_buf_append(&buf, "a\0b", 3), RB_OK);
    assert_memory_equal(buf.data + 304, "a\0b", 4);
    rb_buf_free(&buf);
}

static void times_are_rfc3339(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {1795507200123, "2026-11-24T08:00:00.123Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0001-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[RB_TIME_SIZE];
        rb_time_format(text, rows[i].ms);
        assert_string_equal(text, rows[i].text);
    }
}

static void jitter_stays_between_half_and_whole(void **state)
{
    (void)state;
    static const int64_t delays[] = {2, 3, 100, 5000, INT32_MAX, (int64_t)1 << 40};
    assert_int_equal(rb_jitter_ms(0), 0);
    assert_int_equal(rb_jitter_ms(1), 1);
    assert_int_equal(rb_jitter_ms(-5), -5);
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        for (int n = 0; n < 200; n++) {
            int64_t delay = rb_jitter_ms(delays[i]);
            assert_true(delay >= delays[i] / 2 && delay <= delays[i]);
        }
    }
}

static void assert_uuid(const char *text, char version)
{
    static const char shape[] = "xxxxxxxx-xxxx-Vxxx-Nxxx-xxxxxxxxxxxx";
    assert_int_equal(strlen(text), sizeof(shape) - 1);
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        const char *set = shape[i] == '-' ? "-" : shape[i] == 'N' ? "89ab" : "0123456789abcdef";
        assert_non_null(strchr(set, text[i]));
    }
    assert_int_equal(text[14], version);
}

static void uuids_are_ordered_by_time_or_made_of_a_name(void **state)
{
    (void)state;
    char one[RB_UUID_SIZE], two[RB_UUID_SIZE], wall[13];
    int64_t before = rb_clock_wall_ms();
    rb_uuid_make(one);
    rb_uuid_make(two);
    int64_t after = rb_clock_wall_ms();
    assert_uuid(one, '7');
    assert_string_not_equal(one, two);
    snprintf(wall, sizeof(wall), "%.8s%.4s", one, one + 9);
    int64_t stamp = strtoll(wall, NULL, 16);
    assert_true(stamp >= before && stamp <= after);
    rb_uuid_from_name(one, "event-1/scanned");
    rb_uuid_from_name(two, "event-1/scanned");
    assert_uuid(one, '8');
    assert_string_equal(one, two);
    /* printf '%s' event-1/scanned | sha256sum, with version and variant put in: ids must outlive releases. */
    assert_string_equal(one, "59c4d9f5-f1e8-8162-a16d-631e1f815296");
    rb_uuid_from_name(two, "event-2/scanned");
    assert_string_not_equal(one, two);
}

static void traceparent_keeps_a_valid_trace(void **state)
{
    (void)state;
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"
    static const struct {
        const char *parent;
        bool kept;
    } rows[] = {
        {"00-" TRACE "-" SPAN "-01", true},
        {"00-" TRACE "-" SPAN "-00", true},
        {NULL, false},
        {"", false},
        {"00-" TRACE "-" SPAN "-0", false},
        {"00-" TRACE "-" SPAN "-012", false},
        {"01-" TRACE "-" SPAN "-01", false},
        {"ff-" TRACE "-" SPAN "-01", false},
        {"00_" TRACE "-" SPAN "-01", false},
        {"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false},
        {"00-00000000000000000000000000000000-" SPAN "-01", false},
        {"00-" TRACE "-0000000000000000-01", false},
        {"00-" TRACE "-" SPAN "-\r\n", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[RB_TRACEPARENT_SIZE], again[RB_TRACEPARENT_SIZE];
        rb_traceparent_make(out, rows[i].parent);
        assert_int_equal(strlen(out), RB_TRACEPARENT_SIZE - 1);
        assert_int_equal(memcmp(out + 3, TRACE, 32) == 0, rows[i].kept);
        assert_memory_not_equal(out + 36, SPAN, 16);
        rb_traceparent_make(again, out); /* what we make is valid by our own rules */
        assert_memory_equal(again, out, 35);
    }
    char out[RB_TRACEPARENT_SIZE];
    rb_traceparent_make(out, "00-" TRACE "-" SPAN "-00");
    assert_string_equal(out + 52, "-00"); /* who does not sample is not overruled */
    rb_traceparent_make(out, "00-" TRACE "-" SPAN "-03");
    assert_string_equal(out + 52, "-01");
}

static int threads_ended;

static void thread_ends(void *memory)
{
    threads_ended += *(int *)memory;
}

static struct rb_per_thread of_thread = {sizeof(int), thread_ends, 0};

static void *thread_counts(void *arg)
{
    (void)arg;
    int *count = rb_per_thread_get(&of_thread);
    assert_int_equal(*count, 0);
    *count = 3;
    assert_ptr_equal(rb_per_thread_get(&of_thread), count);
    return NULL;
}

static void memory_of_a_thread_is_its_own_and_goes_with_it(void **state)
{
    (void)state;
    pthread_t thread;
    int *mine = rb_per_thread_get(&of_thread);
    *mine = 7;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(pthread_create(&thread, NULL, thread_counts, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(threads_ended, 3 * i);
    }
    assert_int_equal(*mine, 7);
    static struct rb_per_thread another = {sizeof(int), NULL, 0};
    assert_ptr_not_equal(rb_per_thread_get(&another), mine);
}

static void the_origin_of_a_url_ends_before_its_path(void **state)
{
    static const struct {
        const char *url, *other;
        size_t len; /* of the origin of `url` */
        bool shares;
    } rows[] = {
        {"https://api.github.com/user?page=2", "https://api.github.com", 22, true},
        {"https://api.github.com", "https://api.github.com/api/v3", 22, true},
        {"https://API.github.com/user", "https://api.github.com", 22, true},
        {"http://localhost:80?a", "http://localhost:80", 19, true},
        {"http://localhost:80#a", "http://localhost:80", 19, true},
        {"http://localhost:8080/", "http://localhost:80", 21, false},
        {"http://localhost", "http://localhost:80", 16, false},
        {"http://github.com/", "https://github.com", 17, false},
        {"https://github.com.example.com/", "https://github.com", 30, false},
        {"https://github.com@example.com/", "https://github.com", 30, false},
        {"https://github.com\\@example.com/", "https://github.com", 31, false},
        {"/user", "https://github.com", 0, false},
        {"/user", "", 0, false},
        {"null", "", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rb_url_origin(rows[i].url), rows[i].len);
        assert_int_equal(rb_url_shares_origin(rows[i].url, rows[i].other), rows[i].shares);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_texts_are_bounded_and_may_quote_themselves),
        cmocka_unit_test(every_result_has_a_name),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(arena_runs_what_was_deferred_last_first),
        cmocka_unit_test(buffer_keeps_its_limit),
        cmocka_unit_test(buffer_prints),
        cmocka_unit_test(times_are_rfc3339),
        cmocka_unit_test(jitter_stays_between_half_and_whole),
        cmocka_unit_test(uuids_are_ordered_by_time_or_made_of_a_name),
        cmocka_unit_test(traceparent_keeps_a_valid_trace),
        cmocka_unit_test(memory_of_a_thread_is_its_own_and_goes_with_it),
        cmocka_unit_test(the_origin_of_a_url_ends_before_its_path),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
