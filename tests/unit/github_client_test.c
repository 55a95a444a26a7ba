/* The GitHub client against the stand-in and its faults, and against answers no honest server gives. */
#include <jansson.h>

#include "lib/github/github.h"
#include "tests/unit/lib_servers.h"

#define TOKEN "token-alice"

static struct standin_fixture standin;
static struct rb_github *github;

static struct rb_github *start_client(const char *url, int timeout_ms, int queue_limit)
{
    struct rb_github *client = NULL;
    const struct rb_github_options options = {
        .base_url = url, .user_agent = "repobus-test", .timeout_ms = timeout_ms, .queue_limit = queue_limit};
    assert_int_equal(rb_github_start(&client, &options), RB_OK);
    return client;
}

static int start_all(void **state)
{
    (void)state;
    rb_log_init("test");
    standin_start(&standin);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    standin_stop(&standin);
    return 0;
}

/* A client of its own for each test: its connections and budgets begin with nothing. */
static int begin(void **state)
{
    (void)state;
    standin_control(&standin, "DELETE", "/faults", NULL);
    standin_control(&standin, "DELETE", "/requests", NULL);
    github = start_client(standin.url, 20000, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    standin_control(&standin, "DELETE", "/faults", NULL);
    rb_github_stop(github);
    return 0;
}

static void fault(const char *json)
{
    standin_control(&standin, "POST", "/faults", json);
}

/* How many requests of `method` the stand-in has seen. */
static int seen(const char *method)
{
    static char answer[1 << 18];
    assert_int_equal(http_ask(answer, sizeof(answer), standin.port, "GET", "/_control/requests", NULL), 200);
    json_t *list = json_loads(strstr(answer, "\r\n\r\n") + 4, 0, NULL), *request;
    size_t index;
    int count = 0;
    assert_true(json_is_array(list));
    json_array_foreach(list, index, request)
    {
        count += strcmp(json_string_value(json_object_get(request, "method")), method) == 0;
    }
    json_decref(list);
    return count;
}

static rb_err call(struct rb_github_response *response, struct rb_github_request *request)
{
    rb_err err = rb_github_call(response, github, request, TOKEN);
    assert_null(request->path); /* taken, or cleared */
    return err;
}

static rb_err get_repo(struct rb_github_response *response)
{
    struct rb_github_request request;
    rb_github_get_repo(&request, "acme", "shop");
    return call(response, &request);
}

static rb_err create_hook(struct rb_github_response *response, const char *url)
{
    struct rb_github_request request;
    const struct rb_github_hook_config config = {.url = url, .secret = "0123456789abcdef"};
    rb_github_create_hook(&request, "acme", "shop", &config);
    return call(response, &request);
}

/* ---- the ordinary day --------------------------------------------------------------------------------- */

static rb_err count_entry(void *arg, const char *path, const char *mode, const char *type, const char *sha,
                          int64_t size)
{
    (void)mode, (void)type, (void)sha, (void)size;
    if (strcmp(path, "src/big.txt") == 0)
        assert_int_equal(size, 5000);
    ++*(int *)arg;
    return RB_OK;
}

static void a_repository_is_read_from_end_to_end(void **state)
{
    (void)state;
    struct rb_github_response response;
    struct rb_github_request request;
    struct rb_github_user user;
    struct rb_github_repo repo;
    char commit[65], tree[65], etag[160];
    bool truncated = true;
    int entries = 0;
    rb_github_get_user(&request);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(rb_github_read_user(&user, &response), RB_OK);
    assert_string_equal(user.login, "alice");
    assert_true(response.has_scopes && strstr(response.scopes, "repo"));
    assert_true(response.rate_remaining > 0 && response.rate_reset > 0);
    rb_github_response_clear(&response);
    assert_int_equal(get_repo(&response), RB_OK);
    assert_int_equal(rb_github_read_repo(&repo, &response), RB_OK);
    assert_true(repo.admin);
    assert_string_equal(repo.default_branch, "main");
    rb_github_response_clear(&response);
    rb_github_get_commit(&request, "acme", "shop", "main", NULL);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(rb_github_read_commit(commit, tree, &response), RB_OK);
    snprintf(etag, sizeof(etag), "%s", response.etag);
    assert_true(*etag);
    rb_github_response_clear(&response);
    rb_github_get_commit(&request, "acme", "shop", "main", etag);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(response.status, 304);
    rb_github_response_clear(&response);
    rb_github_get_tree(&request, "acme", "shop", tree, true);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(rb_github_read_tree(&truncated, &response, count_entry, &entries), RB_OK);
    assert_false(truncated);
    assert_int_equal(entries, 7); /* five files and links, two folders */
    rb_github_response_clear(&response);
}

static void hooks_are_made_found_changed_and_removed(void **state)
{
    (void)state;
    struct rb_github_response response;
    struct rb_github_request request;
    const struct rb_github_hook_config config = {.url = "https://example.com/h", .secret = "other"};
    char sentence[256];
    int64_t id = 0, found = 0;
    assert_int_equal(create_hook(&response, config.url), RB_OK);
    assert_int_equal(rb_github_read_hook_id(&id, &response), RB_OK);
    rb_github_response_clear(&response);
    assert_int_equal(create_hook(&response, config.url), RB_OK);
    assert_int_equal(rb_github_judge(sentence, sizeof(sentence), &response, "create hook", "acme/shop"),
                     RB_ECONFLICT);
    rb_github_response_clear(&response);
    rb_github_list_hooks(&request, "acme", "shop", 1);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(rb_github_find_hook(&found, &response, config.url), RB_OK);
    assert_int_equal(found, id);
    assert_false(response.has_next);
    rb_github_response_clear(&response);
    rb_github_update_hook(&request, "acme", "shop", id, &config);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(response.status, 200);
    rb_github_response_clear(&response);
    rb_github_delete_hook(&request, "acme", "shop", id);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(response.status, 204);
    rb_github_response_clear(&response);
    rb_github_delete_hook(&request, "acme", "shop", id);
    assert_int_equal(call(&response, &request), RB_OK);
    assert_int_equal(response.status, 404);
    rb_github_response_clear(&response);
}

static void pages_are_announced(void **state)
{
    (void)state;
    struct rb_github_response response;
    struct rb_github_request request;
    for (int i = 0; i < 101; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"url\":\"https://example.com/%d\",\"secret\":\"s\"}", i);
        standin_control(&standin, "POST", "/hooks/acme/shop", body);
    }
    for (int page = 1; page <= 2; page++) {
        rb_github_list_hooks(&request, "acme", "shop", page);
        assert_int_equal(call(&response, &request), RB_OK);
        assert_int_equal(response.has_next, page == 1);
        rb_github_response_clear(&response);
    }
}

static void a_token_that_is_none_goes_nowhere(void **state)
{
    (void)state;
    static const char *const tokens[] = {"", "a\r\nx-evil: 1", "a\n", "\r"};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        struct rb_github_response response;
        struct rb_github_request request;
        rb_github_get_user(&request);
        assert_int_equal(rb_github_call(&response, github, &request, tokens[i]), RB_EAUTH);
        assert_null(request.path);
    }
    assert_int_equal(seen("GET"), 0);
}

/* ---- faults ------------------------------------------------------------------------------------------- */

static void faults_have_their_results(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        rb_err transport;
        int status;
        rb_err judged;
        const char *says;
    } rows[] = {
        {"{\"kind\":\"cut-before\",\"count\":0}", RB_EUNAVAILABLE, 0, RB_EUNAVAILABLE, "is unavailable"},
        {"{\"kind\":\"cut-headers\",\"count\":0}", RB_EUNAVAILABLE, 0, RB_EUNAVAILABLE, "is unavailable"},
        {"{\"kind\":\"cut-body\",\"count\":0}", RB_EUNAVAILABLE, 0, RB_EUNAVAILABLE, "is unavailable"},
        {"{\"kind\":\"status\",\"status\":500}", RB_OK, 500, RB_EUNAVAILABLE, "HTTP 500"},
        {"{\"kind\":\"status\",\"status\":502}", RB_OK, 502, RB_EUNAVAILABLE, "HTTP 502"},
        {"{\"kind\":\"status\",\"status\":404}", RB_OK, 404, RB_ENOTFOUND, "was not found"},
        {"{\"kind\":\"status\",\"status\":422,\"body\":{\"message\":\"Validation\\nFailed\",\"errors\":"
         "[{\"message\":\"one\"},\"two\",{},7]}}",
         RB_OK, 422, RB_EINVAL, "Validation Failed: one: two (HTTP 422)"},
        {"{\"kind\":\"latency\",\"ms\":50}", RB_OK, 200, RB_OK, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_github_response response;
        char sentence[512];
        fault(rows[i].fault);
        rb_err err = get_repo(&response);
        rb_err judged =
            rb_github_judge(sentence, sizeof(sentence), &response, "read repository", "acme/shop");
        if (err != rows[i].transport || response.status != rows[i].status || judged != rows[i].judged ||
            !strstr(sentence, rows[i].says))
            fail_msg("%s: %s, %d, %s", rows[i].fault, rb_err_name(err), response.status, sentence);
        rb_github_response_clear(&response);
        standin_control(&standin, "DELETE", "/faults", NULL);
    }
    /* Whatever was cut, the next one is fine. */
    struct rb_github_response response;
    assert_int_equal(get_repo(&response), RB_OK);
    assert_int_equal(response.status, 200);
    rb_github_response_clear(&response);
}

static void garbage_is_refused_by_the_reader(void **state)
{
    (void)state;
    struct rb_github_response response;
    struct rb_github_repo repo;
    fault("{\"kind\":\"garbage\"}");
    assert_int_equal(get_repo(&response), RB_OK);
    assert_int_equal(rb_github_read_repo(&repo, &response), RB_EPROTOCOL);
    rb_github_response_clear(&response);
}

static void silence_ends_in_time(void **state)
{
    (void)state;
    struct rb_github_response response;
    struct rb_github_request request;
    fault("{\"kind\":\"hang\"}");
    rb_github_get_repo(&request, "acme", "shop");
    request.timeout_ms = 100;
    assert_int_equal(call(&response, &request), RB_ETIMEOUT);
    assert_int_equal(response.status, 0);
    rb_github_response_clear(&response);
}

static void bodies_are_bounded(void **state)
{
    (void)state;
    static const struct {
        size_t limit;
        rb_err err;
    } rows[] = {{4999, RB_ETOOBIG}, {5000, RB_OK}, {1, RB_ETOOBIG}};
    /* printf 'a%.0s' {1..5000} | git hash-object --stdin */
    const char *const argv[] = {"bash", "-c",        "git -C \"$1/shop\" rev-parse HEAD:src/big.txt",
                                "bash", standin.dir, NULL};
    char sha[128] = "";
    assert_int_equal(servers_run(argv, sha, sizeof(sha)), 0);
    sha[strcspn(sha, "\n")] = '\0';
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_github_response response;
        struct rb_github_request request;
        rb_github_get_blob(&request, "acme", "shop", sha, rows[i].limit);
        assert_int_equal(call(&response, &request), rows[i].err);
        assert_int_equal(response.len, rows[i].err ? 0 : 5000);
        if (!rows[i].err)
            assert_int_equal(strspn(response.body, "a"), 5000);
        rb_github_response_clear(&response);
    }
}

static void a_lost_answer_on_a_new_connection_is_not_repeated(void **state)
{
    (void)state;
    struct rb_github_response response;
    fault("{\"method\":\"POST\",\"kind\":\"answer-lost\"}");
    assert_int_equal(create_hook(&response, "https://example.com/lost"), RB_EUNAVAILABLE);
    rb_github_response_clear(&response);
    assert_int_equal(seen("POST"), 1);
}

/* A reading is sent again; a write is not, since the first may have been done. */
static void a_dead_kept_connection_is_replaced(void **state)
{
    (void)state;
    struct rb_github_response response;
    assert_int_equal(get_repo(&response), RB_OK); /* leaves a connection */
    rb_github_response_clear(&response);
    fault("{\"method\":\"GET\",\"kind\":\"cut-before\"}");
    assert_int_equal(get_repo(&response), RB_OK);
    assert_int_equal(response.status, 200);
    rb_github_response_clear(&response);
    assert_int_equal(seen("GET"), 3);
    fault("{\"method\":\"POST\",\"kind\":\"answer-lost\"}");
    assert_int_equal(create_hook(&response, "https://example.com/dead"), RB_EUNAVAILABLE);
    rb_github_response_clear(&response);
    assert_int_equal(seen("POST"), 1);
}

/* ---- limits ------------------------------------------------------------------------------------------- */

static void after_a_limit_github_is_left_alone(void **state)
{
    (void)state;
    static const char *const faults[] = {"{\"kind\":\"rate-limit\",\"seconds\":3000}",
                                         "{\"kind\":\"secondary-limit\",\"seconds\":3000}"};
    for (size_t i = 0; i < 2; i++) {
        struct rb_github *client = start_client(standin.url, 20000, 0);
        char sentence[256];
        standin_control(&standin, "DELETE", "/requests", NULL);
        fault(faults[i]);
        for (int n = 0; n < 3; n++) {
            struct rb_github_response response;
            struct rb_github_request request;
            rb_github_get_repo(&request, "acme", "shop");
            assert_int_equal(rb_github_call(&response, client, &request, TOKEN), RB_OK);
            assert_int_equal(
                rb_github_judge(sentence, sizeof(sentence), &response, "read repository", "acme/shop"),
                RB_ELIMIT);
            rb_github_response_clear(&response);
        }
        assert_int_equal(seen("GET"), 1); /* the others were answered from what it had said */
        struct rb_github_response response;
        struct rb_github_request request;
        rb_github_get_user(&request);
        assert_int_equal(rb_github_call(&response, client, &request, "somebody-else"), RB_OK);
        assert_int_equal(response.status, 401); /* asked: the limit is that of one token */
        rb_github_response_clear(&response);
        rb_github_stop(client);
    }
}

static void a_short_limit_is_waited_for(void **state)
{
    (void)state;
    struct rb_github_response response;
    fault("{\"kind\":\"secondary-limit\",\"seconds\":1}");
    assert_int_equal(get_repo(&response), RB_OK);
    assert_int_equal(response.status, 403);
    assert_int_equal(response.retry_after, 1);
    rb_github_response_clear(&response);
    assert_int_equal(get_repo(&response), RB_OK);
    assert_int_equal(response.status, 200);
    rb_github_response_clear(&response);
}

struct counted {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int answers, refused;
};

static void on_counted(void *arg, struct rb_github_response *response)
{
    struct counted *counted = arg;
    pthread_mutex_lock(&counted->lock);
    counted->answers++;
    counted->refused += response->status != 200;
    pthread_cond_signal(&counted->changed);
    pthread_mutex_unlock(&counted->lock);
}

static void many_at_once_are_all_answered(void **state)
{
    (void)state;
    static const char *const tokens[] = {TOKEN, "token-bob", "token-carol"};
    struct counted counted = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    standin_control(&standin, "POST", "/users", "{\"login\":\"bob\",\"token\":\"token-bob\"}");
    standin_control(&standin, "POST", "/users", "{\"login\":\"carol\",\"token\":\"token-carol\"}");
    for (int i = 0; i < 300; i++) {
        struct rb_github_request request;
        rb_github_get_repo(&request, "acme", "shop");
        assert_int_equal(rb_github_submit(github, &request, tokens[i % 3], on_counted, &counted), RB_OK);
    }
    pthread_mutex_lock(&counted.lock);
    while (counted.answers < 300)
        pthread_cond_wait(&counted.changed, &counted.lock);
    pthread_mutex_unlock(&counted.lock);
    assert_int_equal(counted.refused, 0);
    assert_int_equal(seen("GET"), 300);
}

static void the_queue_has_a_limit_and_stopping_answers_everything(void **state)
{
    (void)state;
    struct rb_github *client = start_client(standin.url, 20000, 40);
    struct counted counted = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct rb_github_request request;
    fault("{\"kind\":\"hang\",\"count\":0}");
    for (int i = 0; i < 40; i++) {
        rb_github_get_repo(&request, "acme", "shop");
        assert_int_equal(rb_github_submit(client, &request, TOKEN, on_counted, &counted), RB_OK);
    }
    rb_github_get_repo(&request, "acme", "shop");
    assert_int_equal(rb_github_submit(client, &request, TOKEN, on_counted, &counted), RB_ELIMIT);
    assert_non_null(request.path); /* still the caller's */
    rb_github_request_clear(&request);
    rb_github_stop(client);
    assert_int_equal(counted.answers, 40);
    assert_int_equal(counted.refused, 40);
    rb_github_stop(NULL);
}

/* ---- redirects ---------------------------------------------------------------------------------------- */

static void a_renamed_repository_is_found(void **state)
{
    (void)state;
    struct rb_github_response response;
    struct rb_github_repo repo;
    standin_control(&standin, "POST", "/repos/acme/shop/rename", "{\"name\":\"store\"}");
    assert_int_equal(get_repo(&response), RB_OK);
    assert_int_equal(rb_github_read_repo(&repo, &response), RB_OK);
    assert_string_equal(repo.full_name, "acme/store");
    rb_github_response_clear(&response);
    assert_int_equal(create_hook(&response, "https://example.com/renamed"), RB_OK); /* 307 keeps the method */
    assert_int_equal(response.status, 201);
    rb_github_response_clear(&response);
    standin_control(&standin, "POST", "/repos/acme/store/rename", "{\"name\":\"shop\"}");
}

#define HEAD(status, headers) "HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n"

static void tokens_go_to_no_other_host(void **state)
{
    (void)state;
    static const char *const nothing[] = {NULL};
    static const char *const targets[] = {"http://127.0.0.1:%d/x", "http://localhost:%d/x",
                                          "http://127.0.0.1:%d@evil/", "//127.0.0.1:%d/x"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct canned_server other, server;
        char location[128], answer[512];
        canned_start(&other, nothing);
        snprintf(location, sizeof(location), targets[i], other.port);
        snprintf(answer, sizeof(answer), HEAD("301 Moved", "Location: %s\r\nContent-Length: 0\r\n"),
                 location);
        const char *const answers[] = {answer, NULL};
        canned_start(&server, answers);
        struct rb_github *client = start_client(server.url, 20000, 0);
        struct rb_github_response response;
        struct rb_github_request request;
        rb_github_get_user(&request);
        assert_int_equal(rb_github_call(&response, client, &request, TOKEN), RB_OK);
        assert_int_equal(response.status, 301);
        rb_github_response_clear(&response);
        rb_github_stop(client);
        canned_stop(&server);
        canned_stop(&other);
        assert_non_null(strstr(server.requests[0], "Authorization: Bearer " TOKEN "\r\n"));
        assert_non_null(strstr(server.requests[0], "User-Agent: repobus-test\r\n"));
        assert_string_equal(other.requests[0], "");
    }
}

/* What was asked for is asked for again, word for word, but for 302, which may mean another thing. */
static void a_redirect_keeps_method_and_body(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        bool is_followed;
    } rows[] = {{HEAD("301 Moved", "Location: /repositories/7/hooks\r\nContent-Length: 0\r\n"), true},
                {HEAD("307 Moved", "Location: /repositories/7/hooks\r\nContent-Length: 0\r\n"), true},
                {HEAD("308 Moved", "Location: /repositories/7/hooks\r\nContent-Length: 0\r\n"), true},
                {HEAD("302 Found", "Location: /repositories/7/hooks\r\nContent-Length: 0\r\n"), false},
                {HEAD("303 Other", "Location: /repositories/7/hooks\r\nContent-Length: 0\r\n"), false}};
    static const char *const methods[] = {"POST", "PATCH", "DELETE"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 3; i++) {
        const char *const answers[] = {rows[i / 3].answer, HEAD("200 OK", "Content-Length: 0\r\n"), NULL};
        const struct rb_github_hook_config config = {.url = "https://example.com/h", .secret = "s"};
        struct canned_server server;
        canned_start(&server, answers);
        struct rb_github *client = start_client(server.url, 20000, 0);
        struct rb_github_response response;
        struct rb_github_request request;
        if (i % 3 == 0)
            rb_github_create_hook(&request, "acme", "shop", &config);
        else if (i % 3 == 1)
            rb_github_update_hook(&request, "acme", "shop", 9, &config);
        else
            rb_github_delete_hook(&request, "acme", "shop", 9);
        char *body = rb_strdup(request.body ? request.body : ""), line[80];
        assert_int_equal(rb_github_call(&response, client, &request, TOKEN), RB_OK);
        rb_github_response_clear(&response);
        rb_github_stop(client);
        canned_stop(&server);
        assert_int_equal(server.asked, rows[i / 3].is_followed ? 2 : 1);
        if (rows[i / 3].is_followed) {
            snprintf(line, sizeof(line), "%s /repositories/7/hooks HTTP/1.1\r\n", methods[i % 3]);
            assert_memory_equal(server.requests[1], line, strlen(line));
            assert_non_null(strstr(server.requests[1], "Authorization: Bearer " TOKEN "\r\n"));
            assert_non_null(strstr(strstr(server.requests[1], "\r\n\r\n"), body));
        }
        free(body);
    }
}

static void redirects_in_a_circle_end(void **state)
{
    (void)state;
    static const char *const answers[] = {HEAD("301 Moved", "Location: /a\r\nContent-Length: 0\r\n"),
                                          HEAD("302 Found", "Location: /b\r\nContent-Length: 0\r\n"),
                                          HEAD("307 Moved", "Location: /c\r\nContent-Length: 0\r\n"),
                                          HEAD("308 Moved", "Location: /d\r\nContent-Length: 0\r\n"),
                                          HEAD("200 OK", "Content-Length: 0\r\n"),
                                          NULL};
    struct canned_server server;
    canned_start(&server, answers);
    struct rb_github *client = start_client(server.url, 20000, 0);
    struct rb_github_response response;
    struct rb_github_request request;
    rb_github_get_user(&request);
    assert_int_equal(rb_github_call(&response, client, &request, TOKEN), RB_OK);
    assert_int_equal(response.status, 308);
    rb_github_response_clear(&response);
    rb_github_stop(client);
    canned_stop(&server);
    assert_int_equal(server.asked, 4);
}

/* ---- answers nobody should give ----------------------------------------------------------------------- */

static void strange_answers_are_survived(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        rb_err err;
        int status;
        int64_t remaining, reset, retry_after;
    } rows[] = {
        {HEAD("200 OK", "Content-Length: 2\r\nX-RateLimit-Remaining:  17 \r\nx-ratelimit-reset:99\r\n") "{}",
         RB_OK, 200, 17, 99, 0},
        {HEAD(
             "200 OK",
             "Content-Length: 0\r\nX-RateLimit-Remaining: -5\r\nX-RateLimit-Reset: 99999999999999999999\r\n"),
         RB_OK, 200, 0, 253402300799, 0},
        {HEAD("503 Busy", "Content-Length: 0\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"), RB_OK, 503,
         -1, 0, 0},
        {HEAD("429 No", "Content-Length: 0\r\nRetry-After: 123456789012345678901234567890\r\n"), RB_OK, 429,
         -1, 0, 0},
        {HEAD("429 No", "Content-Length: 0\r\nRetry-After: -7\r\n"), RB_OK, 429, -1, 0, 0},
        /* What an answer before the answer said does not count. */
        {"HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n" HEAD("200 OK", "Content-Length: 0\r\n"), RB_OK,
         200, -1, 0, 0},
        {HEAD("200 OK", "Content-Length: 10\r\n") "{}", RB_EUNAVAILABLE, 0, -1, 0, 0},
        {HEAD("200 OK", "Content-Encoding: gzip\r\n") "this is not gzip", RB_EUNAVAILABLE, 0, -1, 0, 0},
        {HEAD("200 OK", "Transfer-Encoding: chunked\r\n") "zz\r\n", RB_EUNAVAILABLE, 0, -1, 0, 0},
        {"HTTP/1.1 204 No Content\r\nX-RateLimit", RB_EUNAVAILABLE, 0, -1, 0, 0},
        {"SSH-2.0-OpenSSH_9.2\r\n", RB_EUNAVAILABLE, 0, -1, 0, 0},
        {"\r\n\r\n", RB_EUNAVAILABLE, 0, -1, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const answers[] = {rows[i].answer, NULL};
        struct canned_server server;
        canned_start(&server, answers);
        struct rb_github *client = start_client(server.url, 20000, 0);
        struct rb_github_response response;
        struct rb_github_request request;
        rb_github_get_user(&request);
        rb_err err = rb_github_call(&response, client, &request, TOKEN);
        if (err != rows[i].err || response.status != rows[i].status ||
            response.rate_remaining != rows[i].remaining || response.rate_reset != rows[i].reset ||
            response.retry_after != rows[i].retry_after)
            fail_msg("row %zu: %s, %d, %lld, %lld, %lld: %s", i, rb_err_name(err), response.status,
                     (long long)response.rate_remaining, (long long)response.rate_reset,
                     (long long)response.retry_after, response.message);
        rb_github_response_clear(&response);
        rb_github_stop(client);
        canned_stop(&server);
    }
}

static void messages_are_cut_between_characters(void **state)
{
    (void)state;
    struct rb_buf answer;
    rb_buf_init(&answer, 4096);
    assert_int_equal(
        rb_buf_printf(&answer, HEAD("422 No", "Content-Type: application/json\r\n") "{\"message\":\"x"),
        RB_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(rb_buf_append(&answer, "\xe2\x82\xac", 3), RB_OK);
    assert_int_equal(rb_buf_append(&answer, "\"}", 2), RB_OK);
    const char *const answers[] = {answer.data, NULL};
    struct canned_server server;
    canned_start(&server, answers);
    struct rb_github *client = start_client(server.url, 20000, 0);
    struct rb_github_response response;
    struct rb_github_request request;
    rb_github_get_user(&request);
    assert_int_equal(rb_github_call(&response, client, &request, TOKEN), RB_OK);
    assert_int_equal(strlen(response.message), 1 + 84 * 3);
    json_t *text = json_string(response.message);
    assert_non_null(text);
    json_decref(text);
    rb_github_response_clear(&response);
    rb_github_stop(client);
    canned_stop(&server);
    rb_buf_free(&answer);
}

static void nobody_there_is_told_at_once(void **state)
{
    (void)state;
    static const char *const nothing[] = {NULL};
    struct canned_server server; /* for a port that nobody has any more */
    canned_start(&server, nothing);
    canned_stop(&server);
    struct rb_github *client = start_client(server.url, 20000, 0);
    struct rb_github_response response;
    struct rb_github_request request;
    rb_github_get_user(&request);
    assert_int_equal(rb_github_call(&response, client, &request, TOKEN), RB_EUNAVAILABLE);
    assert_non_null(strstr(rb_error_text(), "connect"));
    assert_null(strstr(rb_error_text(), TOKEN));
    rb_github_response_clear(&response);
    rb_github_stop(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_repository_is_read_from_end_to_end, begin, end),
        cmocka_unit_test_setup_teardown(hooks_are_made_found_changed_and_removed, begin, end),
        cmocka_unit_test_setup_teardown(a_token_that_is_none_goes_nowhere, begin, end),
        cmocka_unit_test_setup_teardown(faults_have_their_results, begin, end),
        cmocka_unit_test_setup_teardown(garbage_is_refused_by_the_reader, begin, end),
        cmocka_unit_test_setup_teardown(silence_ends_in_time, begin, end),
        cmocka_unit_test_setup_teardown(bodies_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(a_lost_answer_on_a_new_connection_is_not_repeated, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_kept_connection_is_replaced, begin, end),
        cmocka_unit_test_setup_teardown(after_a_limit_github_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(a_short_limit_is_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(many_at_once_are_all_answered, begin, end),
        cmocka_unit_test_setup_teardown(the_queue_has_a_limit_and_stopping_answers_everything, begin, end),
        cmocka_unit_test_setup_teardown(a_renamed_repository_is_found, begin, end),
        cmocka_unit_test_setup_teardown(pages_are_announced, begin, end),
        cmocka_unit_test_setup_teardown(tokens_go_to_no_other_host, begin, end),
        cmocka_unit_test_setup_teardown(a_redirect_keeps_method_and_body, begin, end),
        cmocka_unit_test_setup_teardown(redirects_in_a_circle_end, begin, end),
        cmocka_unit_test_setup_teardown(strange_answers_are_survived, begin, end),
        cmocka_unit_test_setup_teardown(messages_are_cut_between_characters, begin, end),
        cmocka_unit_test_setup_teardown(nobody_there_is_told_at_once, begin, end),
    };
    return cmocka_run_group_tests_name("github client", tests, start_all, stop_all);
}
