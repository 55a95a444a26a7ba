/* Queries of the GitHub client: how many blobs are asked for at once, what the answers mean, and whom a limit
 * on them stops. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/github/internal.h"

#define SHA_1 "0123456789abcdef0123456789abcdef01234567"

/* ---- queries ------------------------------------------------------------------------------------------ */

static void blobs_are_asked_for_by_alias(void **state)
{
    (void)state;
    const char *shas[RB_GITHUB_QUERY_BLOBS];
    struct rb_github_request request;
    for (size_t i = 0; i < RB_GITHUB_QUERY_BLOBS; i++)
        shas[i] = SHA_1;
    rb_github_query_blobs(&request, "acme", "x", shas, 2, 1000);
    assert_true(request.is_query);
    assert_true(request.body_max >= 6000 && request.body_max < 100000);
    json_t *body = json_loads(request.body, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(body, "query")),
                        "query($o:String!,$n:String!){repository(owner:$o,name:$n){b0:object(oid:\"" SHA_1
                        "\"){...f}b1:object(oid:\"" SHA_1
                        "\"){...f}}rateLimit{cost remaining resetAt}}fragment f on "
                        "Blob{byteSize isBinary isTruncated text}");
    json_t *variables = json_object_get(body, "variables");
    assert_string_equal(json_string_value(json_object_get(variables, "o")), "acme");
    assert_string_equal(json_string_value(json_object_get(variables, "n")), "x");
    json_decref(body);
    assert_string_equal(request.path, "/graphql");
    assert_int_equal(request.method, RB_GITHUB_POST);
    rb_github_request_clear(&request);
    rb_github_query_blobs(&request, "acme", "x", shas, RB_GITHUB_QUERY_BLOBS, SIZE_MAX / 8);
    assert_int_equal(request.body_max, RB_GITHUB_BODY_MAX);
    assert_non_null(strstr(request.body, "b99:object"));
    rb_github_request_clear(&request);
}

static void blobs_note(void *arg, const struct rb_github_blob *blob)
{
    char *at = arg;
    size_t used = strlen(at);
    snprintf(at + used, 256 - used, "%zu %lld%s%s %.*s|", blob->index, (long long)blob->size,
             blob->is_binary ? " binary" : "", blob->is_truncated ? " cut" : "",
             (int)(blob->text ? blob->len : 4), blob->text ? blob->text : "none");
}

static void blobs_are_read(void **state)
{
    (void)state;
#define REPOSITORY(members) "{\"data\":{\"repository\":{" members "}}}"
    static const struct {
        const char *body;
        rb_err err;
        const char *blobs, *says;
    } rows[] = {
        {REPOSITORY("\"b0\":{\"byteSize\":2,\"isBinary\":false,\"isTruncated\":false,\"text\":\"a\\n\"},"
                    "\"b12\":{\"text\":null,\"isBinary\":true,\"byteSize\":9}"),
         RB_OK, "0 2 a\n|12 9 binary none|", ""},
        {REPOSITORY("\"b0\":null,\"b1\":{},\"b2\":7,\"b99\":{\"byteSize\":600000,\"isTruncated\":true,"
                    "\"text\":\"x\"}"),
         RB_OK, "99 600000 cut x|", ""},
        {REPOSITORY("\"c0\":{\"byteSize\":1},\"b\":{\"byteSize\":1},\"b1x\":{\"byteSize\":1},\"b-1\":{"
                    "\"byteSize\":1},"
                    "\"b99999999999999999999\":{\"byteSize\":1}"),
         RB_OK, "", ""},
        {REPOSITORY(""), RB_OK, "", ""},
        {"{\"data\":{\"repository\":{\"b1\":{\"byteSize\":1,\"text\":\"y\"}}},\"errors\":[{\"type\":\"X\"}]}",
         RB_OK, "1 1 y|", ""},
        {"{\"data\":{\"repository\":null},\"errors\":[{\"type\":\"NOT_FOUND\",\"message\":\"Could "
         "not\\u0001resolve\"}]}",
         RB_ENOTFOUND, "", "Could not resolve"},
        {"{\"data\":{\"repository\":null},\"errors\":[{\"type\":\"FORBIDDEN\",\"message\":\"SAML\"}]}",
         RB_EFORBIDDEN, "", "SAML"},
        {"{\"errors\":[{\"type\":\"INSUFFICIENT_SCOPES\",\"message\":\"x\"}]}", RB_EFORBIDDEN, "", "x"},
        {"{\"errors\":[{\"type\":\"SERVICE_UNAVAILABLE\",\"message\":\"x\"}]}", RB_EUNAVAILABLE, "", "x"},
        {"{\"errors\":[{\"message\":\"Something went wrong while executing your query.\"}]}", RB_EUNAVAILABLE,
         "", "Something"},
        {"{\"errors\":[{\"message\":\"Field 'byteSize' doesn't exist on type 'Blob'\"}]}", RB_EINVAL, "",
         "byteSize"},
        {"{\"errors\":[]}", RB_EPROTOCOL, "", "no reason"},
        {"[]", RB_EPROTOCOL, "", "no reason"},
        {"{\"data\":{\"repository\":{\"b0\":", RB_EPROTOCOL, "", "JSON"},
        {"", RB_EPROTOCOL, "", "JSON"},
        {NULL, RB_EPROTOCOL, "", "empty"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char blobs[256] = "";
        const struct rb_github_response response = {
            .status = 200, .body = (char *)rows[i].body, .len = rows[i].body ? strlen(rows[i].body) : 0};
        rb_err err = rb_github_read_blobs(&response, blobs_note, blobs);
        if (err != rows[i].err || strcmp(blobs, rows[i].blobs) != 0 ||
            (err && !strstr(rb_error_text(), rows[i].says)))
            fail_msg("row %zu: %s, %s, %s", i, rb_err_name(err), blobs, rb_error_text());
    }
}

static void a_limit_on_queries_is_one_whatever_its_status(void **state)
{
    (void)state;
    int64_t reset = rb_clock_wall_ms() / 1000 + 500;
    static const struct {
        const char *body;
        int64_t remaining, retry_after;
        int status;
        int64_t wait; /* within a second */
    } rows[] = {
        {"{\"errors\":[{\"type\":\"RATE_LIMITED\",\"message\":\"API rate limit exceeded\"}]}", 0, 0, 429,
         500},
        {"{\"errors\":[{\"type\":\"RATE_LIMIT\",\"code\":\"graphql_rate_limit\",\"message\":\"x\"}]}", 3, 0,
         429, 500},
        {"{\"errors\":[{\"message\":\"You have exceeded a secondary rate limit.\"}]}", 4000, 0, 429, 60},
        {"{\"errors\":[{\"message\":\"You have exceeded a secondary rate limit.\"}]}", 4000, 30, 429, 30},
        {"{\"errors\":[{\"type\":\"NOT_FOUND\",\"message\":\"x\"}]}", 4000, 0, 200, 0},
        {"{\"data\":{\"repository\":{}}}", 0, 0, 200, 0}, /* the last one that was allowed */
        {"RATE_LIMITED", 10, 0, 200, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char sentence[256];
        struct rb_github_response response = {.status = 200,
                                              .body = (char *)rows[i].body,
                                              .len = strlen(rows[i].body),
                                              .rate_remaining = rows[i].remaining,
                                              .rate_reset = reset,
                                              .retry_after = rows[i].retry_after};
        github_query_limit(&response);
        assert_int_equal(response.status, rows[i].status);
        rb_err err = rb_github_judge(sentence, sizeof(sentence), &response, "query files", "acme/x");
        assert_int_equal(err, rows[i].status == 429 ? RB_ELIMIT : RB_OK);
        int64_t wait = rb_github_wait_seconds(&response);
        if (wait < rows[i].wait - 1 || wait > rows[i].wait + 1)
            fail_msg("row %zu: %lld s", i, (long long)wait);
    }
}

/* REST and queries have rates of their own; what is about the person closes both. */
static void queries_and_rest_do_not_close_each_other(void **state)
{
    (void)state;
    int64_t reset = rb_clock_wall_ms() / 1000 + 100;
    const struct {
        struct rb_github_response response;
        bool to_query, rest_is_open, queries_are_open;
    } rows[] = {
        {{.status = 429, .rate_remaining = 0, .rate_reset = reset, .resource = "graphql"}, true, true, false},
        {{.status = 429, .rate_remaining = 0, .rate_reset = reset}, true, true, false},
        {{.status = 200, .rate_remaining = 0, .rate_reset = reset, .resource = "graphql"}, true, true, false},
        {{.status = 403, .rate_remaining = 0, .rate_reset = reset, .resource = "core"}, false, false, true},
        {{.status = 403, .rate_remaining = 0, .rate_reset = reset}, false, false, true},
        {{.status = 403, .rate_remaining = 9, .retry_after = 30, .resource = "core"}, false, false, false},
        {{.status = 429, .rate_remaining = 9, .resource = "graphql"}, true, false, false},
        {{.status = 200, .rate_remaining = 9, .resource = "graphql"}, true, true, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct github_budgets budgets = {0};
        struct github_call calls[3], *next;
        calls[0] = (struct github_call){.deadline = 1000000, .request.is_query = rows[i].to_query};
        github_budget_wait(github_budget_of(&budgets, "alice"), &calls[0]);
        assert_non_null(github_budgets_next(&budgets, 0));
        calls[0].response = rows[i].response;
        github_budget_ended(calls[0].budget, &calls[0]);
        int open = 0;
        for (size_t k = 1; k < 3; k++) {
            calls[k] = (struct github_call){.deadline = 1000000, .request.is_query = k == 2};
            github_budget_wait(github_budget_of(&budgets, "alice"), &calls[k]);
        }
        while ((next = github_budgets_next(&budgets, rb_clock_ms())))
            open |= next == &calls[1] ? 1 : 2;
        if (open != (rows[i].rest_is_open | rows[i].queries_are_open << 1))
            fail_msg("row %zu: %d", i, open);
        github_budgets_forget_idle(&budgets, 0, true);
    }
}

static void queries_are_few_at_once_and_no_writes(void **state)
{
    (void)state;
    struct github_budgets budgets = {0};
    struct github_call calls[8], rest;
    for (size_t i = 0; i < 8; i++) {
        calls[i] = (struct github_call){.deadline = 1000000,
                                        .request = {.method = RB_GITHUB_POST, .is_query = true}};
        github_budget_wait(github_budget_of(&budgets, "alice"), &calls[i]);
    }
    rest = (struct github_call){.deadline = 1000001, .request.method = RB_GITHUB_POST};
    github_budget_wait(github_budget_of(&budgets, "alice"), &rest);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(github_budgets_next(&budgets, 0), &calls[i]);
    assert_ptr_equal(github_budgets_next(&budgets, 0), &rest);
    assert_null(github_budgets_next(&budgets, 0));
    calls[0].response.rate_remaining = -1;
    github_budget_ended(calls[0].budget, &calls[0]);
    assert_ptr_equal(github_budgets_next(&budgets, 0), &calls[4]);
    assert_ptr_equal(github_budgets_take_any(&budgets), &calls[5]);
    github_budgets_forget_idle(&budgets, 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_are_asked_for_by_alias),
        cmocka_unit_test(blobs_are_read),
        cmocka_unit_test(a_limit_on_queries_is_one_whatever_its_status),
        cmocka_unit_test(queries_and_rest_do_not_close_each_other),
        cmocka_unit_test(queries_are_few_at_once_and_no_writes),
    };
    return cmocka_run_group_tests_name("github query", tests, NULL, NULL);
}
