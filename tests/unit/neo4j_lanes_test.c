/* Requests of two lanes are with the server side by side: who sends one waits for nothing behind its last
 * byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>

static CURLMcode watched_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                              int *ready);

#define curl_multi_poll watched_poll
#include "grapher/neo4j.c" // NOLINT(bugprone-suspicious-include)
#undef curl_multi_poll

#include "tests/unit/lib_servers.h"

static const struct exchange *sending; /* NULL: nothing is being sent */
static bool has_waited;                /* though all of it was with the server */

static CURLMcode watched_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                              int *ready)
{
    curl_off_t sent = 0;
    if (sending) {
        curl_easy_getinfo(sending->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
        has_waited = has_waited || sent == (curl_off_t)strlen(sending->request);
    }
    return curl_multi_poll(multi, fds, count, timeout_ms, ready);
}

/* The kernel takes connections and requests; nobody ever answers. */
static void a_request_does_not_wait_for_the_answer_to_another(void **state)
{
    (void)state;
    int port, fd = http_listen(&port);
    char uri[64];
    struct rb_neo4j *neo4j = NULL;
    json_t *given = json_pack("{s:i}", "number", 1);
    snprintf(uri, sizeof uri, "http://127.0.0.1:%d", port);
    if (rb_neo4j_open(&neo4j, &(struct rb_neo4j_options){.uri = uri}) || !neo4j) {
        fail_msg("%s", rb_error_text());
        return;
    }
    for (size_t lane = 0; lane < RB_NEO4J_LANES; lane++) {
        assert_int_equal(rb_neo4j_lane(neo4j), lane);
        sending = &neo4j->lanes[lane];
        assert_int_equal(rb_neo4j_send(neo4j, lane, "RETURN true", given), RB_OK);
        sending = NULL;
        assert_false(has_waited);
    }
    for (size_t lane = 0; lane < RB_NEO4J_LANES; lane++) {
        assert_true(neo4j->lanes[lane].is_under_way);
        rb_neo4j_drop(neo4j, lane);
    }
    json_decref(given);
    rb_neo4j_close(neo4j);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_request_does_not_wait_for_the_answer_to_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
