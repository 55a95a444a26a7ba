/* What is pure in lib/github: names, requests, judgements, readers of answers, budgets. */
#include <jansson.h>

#include "lib/github/internal.h"
#include "tests/unit/lib_servers.h"

#define SHA_1   "1111111111111111111111111111111111111111"
#define SHA_256 "2222222222222222222222222222222222222222222222222222222222222222"

/* ---- names -------------------------------------------------------------------------------------------- */

static void names_follow_githubs_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t len;
        bool owner, repo;
    } rows[] = {
        {"acme", 4, true, true},    {"a", 1, true, true},
        {"Acme-1", 6, true, true},  {"team_acme", 9, true, true}, /* enterprise managed users */
        {"a.b", 3, false, true},    {"-a", 2, false, true},
        {"a-", 2, false, true},     {"", 0, false, false},
        {".", 1, false, false},     {"..", 2, false, false},
        {"...", 3, false, true},    {".github", 7, false, true},
        {"x.git", 5, false, false}, {".git", 4, false, false},
        {"x.gitx", 6, false, true}, {"a/b", 3, false, false},
        {"a b", 3, false, false},   {"a%2fb", 5, false, false},
        {"a\0b", 3, false, false}, /* a zero byte cuts the name in two: another repository */
        {"a\n", 2, false, false},   {"\xc3\xa4", 2, false, false},
    };
    char longest[102];
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rb_github_owner_is_valid(rows[i].name, rows[i].len) != rows[i].owner ||
            rb_github_repo_is_valid(rows[i].name, rows[i].len) != rows[i].repo)
            fail_msg("'%s'", rows[i].name);
    }
    assert_true(rb_github_owner_is_valid(longest, 39));
    assert_false(rb_github_owner_is_valid(longest, 40));
    assert_true(rb_github_repo_is_valid(longest, 100));
    assert_false(rb_github_repo_is_valid(longest, 101));
}

/* ---- requests ----------------------------------------------------------------------------------------- */

static void assert_request(struct rb_github_request *request, enum rb_github_method method, const char *path)
{
    assert_int_equal(request->method, method);
    assert_string_equal(request->path, path);
    assert_non_null(request->name);
    assert_non_null(request->accept);
    rb_github_request_clear(request);
    assert_null(request->path);
}

static void requests_have_githubs_paths(void **state)
{
    (void)state;
    struct rb_github_request request;
    rb_github_get_user(&request);
    assert_request(&request, RB_GITHUB_GET, "/user");
    rb_github_get_repo(&request, "acme", "x");
    assert_request(&request, RB_GITHUB_GET, "/repos/acme/x");
    rb_github_list_hooks(&request, "acme", "x", 3);
    assert_request(&request, RB_GITHUB_GET, "/repos/acme/x/hooks?per_page=100&page=3");
    rb_github_delete_hook(&request, "acme", "x", INT64_MAX);
    assert_null(request.body);
    assert_request(&request, RB_GITHUB_DELETE, "/repos/acme/x/hooks/9223372036854775807");
    rb_github_get_tree(&request, "acme", "x", SHA_1, true);
    assert_request(&request, RB_GITHUB_GET, "/repos/acme/x/git/trees/" SHA_1 "?recursive=1");
    rb_github_get_tree(&request, "acme", "x", SHA_1, false);
    assert_request(&request, RB_GITHUB_GET, "/repos/acme/x/git/trees/" SHA_1);
    rb_github_get_blob(&request, "acme", "x", SHA_1, 1000);
    assert_string_equal(request.accept, "application/vnd.github.raw+json");
    assert_int_equal(request.body_max, 1000);
    assert_request(&request, RB_GITHUB_GET, "/repos/acme/x/git/blobs/" SHA_1);
    rb_github_get_commit(&request, "acme", "x", "HEAD", "");
    assert_null(request.etag);
    assert_request(&request, RB_GITHUB_GET, "/repos/acme/x/commits/HEAD");
    rb_github_get_commit(&request, "acme", "x", "feat/a b?c#d%e\xc3\xa4&", "\"etag\"");
    assert_string_equal(request.etag, "\"etag\"");
    assert_request(&request, RB_GITHUB_GET, "/repos/acme/x/commits/feat/a%20b%3Fc%23d%25e%C3%A4%26");
}

static void hooks_are_asked_for_as_the_contract_says(void **state)
{
    (void)state;
    static const struct rb_github_hook_config config = {.url = "https://x/api/v1/webhooks/github?a=\"b\"",
                                                        .secret = "s3cr\\et"};
    for (int i = 0; i < 2; i++) {
        struct rb_github_request request;
        if (i)
            rb_github_update_hook(&request, "acme", "x", 7, &config);
        else
            rb_github_create_hook(&request, "acme", "x", &config);
        json_t *body = json_loads(request.body, 0, NULL);
        json_t *wanted = json_pack("{s:b, s:[s,s], s:{s:s, s:s, s:s, s:s}}", "active", 1, "events",
                                   "pull_request", "issues", "config", "url", config.url, "content_type",
                                   "json", "insecure_ssl", "0", "secret", config.secret);
        if (!i)
            json_object_set_new(wanted, "name", json_string("web"));
        assert_true(json_equal(body, wanted));
        json_decref(body);
        json_decref(wanted);
        assert_request(&request, i ? RB_GITHUB_PATCH : RB_GITHUB_POST,
                       i ? "/repos/acme/x/hooks/7" : "/repos/acme/x/hooks");
    }
}

/* ---- judgements --------------------------------------------------------------------------------------- */

static const struct {
    struct rb_github_response response;
    const char *what;
    rb_err err;
    const char *says; /* "" : nothing */
} judge_rows[] = {
    {{.status = 200}, "create hook", RB_OK, ""},
    {{.status = 201}, "create hook", RB_OK, ""},
    {{.status = 204}, "delete hook", RB_OK, ""},
    {{.status = 304}, "read commit", RB_OK, ""},
    {{.status = 401, .message = "Bad credentials"}, "read user", RB_EAUTH, "no longer accepts your token"},
    /* limits */
    {{.status = 429}, "read tree", RB_ELIMIT, "rate limit"},
    {{.status = 429, .retry_after = 5}, "read tree", RB_ELIMIT, "try again after 20"},
    {{.status = 403, .rate_remaining = 0, .rate_reset = 4102444800},
     "create hook",
     RB_ELIMIT,
     "try again after 2100-01-01T00:00:00Z"},
    {{.status = 403, .rate_remaining = 0, .rate_reset = INT64_MAX},
     "create hook",
     RB_ELIMIT,
     "try again after 9999-12-31T23:59:59Z"},
    {{.status = 403, .rate_remaining = 9, .retry_after = 60}, "create hook", RB_ELIMIT, "try again after 20"},
    {{.status = 429, .rate_remaining = 9, .retry_after = INT64_MAX},
     "create hook",
     RB_ELIMIT,
     "try again after 20"},
    {{.status = 403, .rate_remaining = 9, .message = "You have exceeded a secondary rate limit."},
     "create hook",
     RB_ELIMIT,
     "rate limit"},
    /* rights */
    {{.status = 403, .rate_remaining = 9, .message = "Must have admin rights to Repository."},
     "create hook",
     RB_EFORBIDDEN,
     "you need admin rights on acme/x"},
    {{.status = 403, .rate_remaining = 9, .message = "Repository access blocked"},
     "read tree",
     RB_EFORBIDDEN,
     "you may not read acme/x: Repository access blocked"},
    {{.status = 403, .rate_remaining = 9, .message = "Repository was archived so is read-only."},
     "create hook",
     RB_EFORBIDDEN,
     "acme/x is archived"},
    {{.status = 403, .rate_remaining = 9, .message = "Resource protected by organization SAML enforcement."},
     "read repository",
     RB_EFORBIDDEN,
     "the organization of acme/x has not allowed"},
    {{.status = 403,
      .rate_remaining = 9,
      .message = "organization has enabled OAuth App access restrictions"},
     "create hook",
     RB_EFORBIDDEN,
     "the organization of acme/x has not allowed"},
    /* scopes: only of classic tokens, only for hooks */
    {{.status = 404, .has_scopes = true, .scopes = "read:user, user:email"},
     "create hook",
     RB_EFORBIDDEN,
     "lacks the repo scope"},
    {{.status = 403, .rate_remaining = 9, .has_scopes = true, .scopes = ""},
     "list hooks",
     RB_EFORBIDDEN,
     "lacks the repo scope"},
    {{.status = 404, .has_scopes = true, .scopes = "read:user, repo"},
     "create hook",
     RB_ENOTFOUND,
     "manage its webhooks"},
    {{.status = 404, .has_scopes = true, .scopes = "admin:repo_hook"},
     "create hook",
     RB_ENOTFOUND,
     "manage its webhooks"},
    {{.status = 404, .has_scopes = true, .scopes = "repo:status, repo_deployment"},
     "create hook",
     RB_EFORBIDDEN,
     "lacks the repo scope"},
    {{.status = 404, .has_scopes = false},
     "create hook",
     RB_ENOTFOUND,
     "acme/x was not found, or you have no"},
    {{.status = 404, .has_scopes = true}, "read repository", RB_ENOTFOUND, "no permission to see it"},
    {{.status = 410}, "read repository", RB_ENOTFOUND, "was not found"},
    {{.status = 451}, "read repository", RB_ENOTFOUND, "was not found"},
    /* the rest */
    {{.status = 409, .message = "Git Repository is empty."},
     "read tree",
     RB_ECONFLICT,
     "Repository is empty"},
    {{.status = 409}, "read tree", RB_ECONFLICT, "no reason given"},
    {{.status = 422, .message = "Validation Failed: Hook already exists on this repository"},
     "create hook",
     RB_ECONFLICT,
     "already exists on acme/x"},
    {{.status = 422, .message = "The \"push\" event cannot have more than 20 hooks"},
     "create hook",
     RB_EINVAL,
     "as many webhooks as GitHub allows"},
    {{.status = 422, .message = "Validation Failed"},
     "create hook",
     RB_EINVAL,
     "Validation Failed (HTTP 422)"},
    {{.status = 400}, "create hook", RB_EINVAL, "no reason given (HTTP 400)"},
    {{.status = 301}, "create hook", RB_EINVAL, "HTTP 301"},
    {{.status = 500}, "create hook", RB_EUNAVAILABLE, "unavailable (HTTP 500)"},
    {{.status = 503, .retry_after = 60}, "create hook", RB_EUNAVAILABLE, "unavailable (HTTP 503)"},
    {{.err = RB_ETIMEOUT}, "create hook", RB_ETIMEOUT, "did not answer in time"},
    {{.err = RB_ETOOBIG}, "read tree", RB_ETOOBIG, "too large"},
    {{.err = RB_EUNAVAILABLE, .message = "Couldn't connect"},
     "create hook",
     RB_EUNAVAILABLE,
     "try again in a moment - Couldn't connect"},
    {{.err = RB_EUNAVAILABLE}, "create hook", RB_EUNAVAILABLE, "is unavailable"},
};

static void every_answer_has_a_result_and_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(judge_rows) / sizeof(judge_rows[0]); i++) {
        char sentence[512];
        rb_err err = rb_github_judge(sentence, sizeof(sentence), &judge_rows[i].response, judge_rows[i].what,
                                     "acme/x");
        bool fits = *judge_rows[i].says ? strstr(sentence, judge_rows[i].says) != NULL : !*sentence;
        if (err != judge_rows[i].err || !fits)
            fail_msg("row %zu (%d): %s: %s", i, judge_rows[i].response.status, rb_err_name(err), sentence);
    }
}

static void sentences_are_cut_between_characters(void **state)
{
    (void)state;
    struct rb_github_response response = {.status = 400};
    snprintf(response.message, sizeof(response.message), "%s", "\xe2\x82\xac\xe2\x82\xac\xf0\x9f\x98\x80z");
    for (size_t size = 1; size < 48; size++) {
        char sentence[48];
        rb_github_judge(sentence, size, &response, "create hook", "acme/x");
        assert_true(strlen(sentence) < size);
        json_t *text = json_string(sentence); /* NULL when it is no UTF-8: the answer would be empty */
        assert_non_null(text);
        json_decref(text);
    }
}

/* ---- readers ------------------------------------------------------------------------------------------ */

static struct rb_github_response body_of(const char *text)
{
    return (struct rb_github_response){.status = 200, .body = (char *)text, .len = text ? strlen(text) : 0};
}

static const char *const no_objects[] = {NULL,
                                         "",
                                         " ",
                                         "{",
                                         "[]",
                                         "null",
                                         "42",
                                         "\"x\"",
                                         "{\"id\":1",
                                         "{}x",
                                         "<html>",
                                         "{\"id\":\"\xff\"}",
                                         "{\"message\":\"Not Found\"}"};

static void what_is_no_answer_is_refused_by_every_reader(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(no_objects) / sizeof(no_objects[0]); i++) {
        const struct rb_github_response response = body_of(no_objects[i]);
        struct rb_github_user user;
        struct rb_github_repo repo;
        int64_t id = 0;
        char commit[65], tree[65];
        bool truncated;
        assert_int_equal(rb_github_read_user(&user, &response), RB_EPROTOCOL);
        assert_int_equal(rb_github_read_repo(&repo, &response), RB_EPROTOCOL);
        assert_int_equal(rb_github_read_hook_id(&id, &response), RB_EPROTOCOL);
        assert_int_equal(rb_github_read_commit(commit, tree, &response), RB_EPROTOCOL);
        assert_int_equal(rb_github_read_tree(&truncated, &response, NULL, NULL), RB_EPROTOCOL);
        bool is_list = no_objects[i] && strcmp(no_objects[i], "[]") == 0;
        assert_int_equal(rb_github_find_hook(&id, &response, "https://x"),
                         is_list ? RB_ENOTFOUND : RB_EPROTOCOL);
    }
    /* Nested beyond reason: refused, not followed down the stack. */
    size_t depth = 1000000;
    char *deep = rb_malloc(depth + 1);
    memset(deep, '[', depth);
    deep[depth] = '\0';
    int64_t id;
    const struct rb_github_response response = body_of(deep);
    assert_int_equal(rb_github_read_hook_id(&id, &response), RB_EPROTOCOL);
    free(deep);
}

static void users_and_repositories_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        rb_err user, repo;
    } rows[] = {
        {"{\"id\":7,\"login\":\"alice\"}", RB_OK, RB_EPROTOCOL},
        {"{\"id\":0,\"login\":\"alice\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":-7,\"login\":\"alice\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7.5,\"login\":\"alice\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":\"7\",\"login\":\"alice\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"login\":\"\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"login\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"full_name\":\"acme/x\"}", RB_EPROTOCOL, RB_OK},
        {"{\"id\":7,\"full_name\":\"acme\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"full_name\":\"acme/x/y\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"full_name\":\"acme/../x\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"full_name\":\"acme/x y\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"full_name\":\"acme/x\\u0000y\"}", RB_EPROTOCOL, RB_EPROTOCOL},
        {"{\"id\":7,\"full_name\":[\"acme/x\"]}", RB_EPROTOCOL, RB_EPROTOCOL},
    };
    struct rb_github_user user;
    struct rb_github_repo repo;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct rb_github_response response = body_of(rows[i].body);
        if (rb_github_read_user(&user, &response) != rows[i].user ||
            rb_github_read_repo(&repo, &response) != rows[i].repo)
            fail_msg("%s", rows[i].body);
    }
    const struct rb_github_response response = body_of(
        "{\"id\":9007199254740993,\"full_name\":\"Acme/x.y\",\"default_branch\":\"main\",\"private\":true,"
        "\"permissions\":{\"admin\":true},\"more\":[]}");
    assert_int_equal(rb_github_read_repo(&repo, &response), RB_OK);
    assert_true(repo.id == 9007199254740993);
    assert_string_equal(repo.full_name, "Acme/x.y");
    assert_string_equal(repo.default_branch, "main");
    assert_true(repo.is_private && repo.admin);
    const struct rb_github_response less =
        body_of("{\"id\":1,\"full_name\":\"a/b\",\"private\":\"true\",\"permissions\":{\"admin\":1}}");
    assert_int_equal(rb_github_read_repo(&repo, &less), RB_OK);
    assert_string_equal(repo.default_branch, "");
    assert_false(repo.is_private || repo.admin); /* only true is true */
}

static rb_err note_repo(void *arg, const struct rb_github_repo *repo)
{
    struct rb_buf *names = arg;
    if (rb_buf_printf(names, "%lld=%s%s ", (long long)repo->id, repo->full_name, repo->admin ? "!" : ""))
        fail();
    return repo->id == 13 ? rb_error_set(RB_ETOOBIG, "enough") : RB_OK;
}

static void a_page_of_repositories_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *body, *names;
        rb_err err;
        size_t count;
    } rows[] = {
        {"[]", "", RB_OK, 0},
        {"{}", "", RB_EPROTOCOL, 0},
        {"{\"message\":\"x\"}", "", RB_EPROTOCOL, 0},
        {"[x", "", RB_EPROTOCOL, 0},
        {"", "", RB_EPROTOCOL, 0},
        {"[{\"id\":1,\"full_name\":\"a/b\",\"permissions\":{\"admin\":true}},{\"id\":2,\"full_name\":\"c/"
         "d\"}]",
         "1=a/b! 2=c/d ", RB_OK, 2},
        /* What cannot be addressed is left out and still counts. */
        {"[{\"id\":1,\"full_name\":\"a-/b\"},null,7,[],{\"id\":0,\"full_name\":\"a/"
         "b\"},{\"id\":2,\"full_name\":"
         "\"c/d\"}]",
         "2=c/d ", RB_OK, 6},
        {"[{\"id\":13,\"full_name\":\"a/b\"},{\"id\":2,\"full_name\":\"c/d\"}]", "13=a/b ", RB_ETOOBIG, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_buf names;
        size_t count = 99;
        const struct rb_github_response response = body_of(rows[i].body);
        rb_buf_init(&names, 1024);
        assert_int_equal(rb_github_read_repos(&count, &response, note_repo, &names), rows[i].err);
        assert_int_equal(count, rows[i].count);
        assert_string_equal(names.len ? names.data : "", rows[i].names);
        rb_buf_free(&names);
    }
    struct rb_github_request request;
    rb_github_list_repos(&request, 12, "W/\"e\"");
    assert_int_equal(request.method, RB_GITHUB_GET);
    assert_string_equal(request.path, "/user/repos?affiliation=owner,collaborator,organization_member&sort="
                                      "created&direction=asc&per_page=100&page=12");
    assert_string_equal(request.etag, "W/\"e\"");
    rb_github_request_clear(&request);
    rb_github_list_repos(&request, 1, "");
    assert_null(request.etag);
    rb_github_request_clear(&request);
}

static void hooks_are_found_by_their_address(void **state)
{
    (void)state;
    const struct rb_github_response response = body_of(
        "[3, null, {}, {\"id\":1}, {\"id\":2,\"config\":{\"url\":\"https://x/\"}},"
        "{\"id\":0,\"config\":{\"url\":\"https://x\"}}, {\"id\":5,\"config\":{\"url\":\"https://x\"}}]");
    int64_t id = 0;
    assert_int_equal(rb_github_find_hook(&id, &response, "https://x"), RB_OK);
    assert_int_equal(id, 5);
    assert_int_equal(rb_github_find_hook(&id, &response, "https://y"), RB_ENOTFOUND);
}

static void commits_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        rb_err err;
    } rows[] = {
        {"{\"sha\":\"" SHA_1 "\",\"commit\":{\"tree\":{\"sha\":\"" SHA_256 "\"}}}", RB_OK},
        {"{\"sha\":\"" SHA_1 "\",\"commit\":{\"tree\":{\"sha\":\"" SHA_1 "2\"}}}", RB_EPROTOCOL},
        {"{\"sha\":\"" SHA_256 "2\",\"commit\":{\"tree\":{\"sha\":\"" SHA_1 "\"}}}", RB_EPROTOCOL},
        {"{\"sha\":\"../../user\",\"commit\":{\"tree\":{\"sha\":\"" SHA_1 "\"}}}", RB_EPROTOCOL},
        {"{\"sha\":\"" SHA_1 "\",\"commit\":{\"tree\":\"" SHA_1 "\"}}", RB_EPROTOCOL},
    };
    char commit[65], tree[65];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct rb_github_response response = body_of(rows[i].body);
        if (rb_github_read_commit(commit, tree, &response) != rows[i].err)
            fail_msg("%s", rows[i].body);
    }
}

static rb_err note_entry(void *arg, const char *path, const char *mode, const char *type, const char *sha,
                         int64_t size)
{
    struct rb_buf *buf = arg;
    if (strcmp(path, "stop") == 0)
        return RB_ELIMIT;
    return rb_buf_printf(buf, "%s %s %s %.2s %lld|", path, mode, type, sha, (long long)size);
}

static rb_err on_object(void *arg, const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "n"));
    if (name && strcmp(name, "stop") == 0)
        return RB_ELIMIT;
    return rb_buf_printf(arg, "%s", name ? name : "?");
}

static void lists_of_objects_are_read(void **state)
{
    static const struct {
        const char *body, *names;
        rb_err err;
    } rows[] = {
        {"[]", "", RB_OK},
        {"[{\"n\":\"a\"},{\"n\":7},{\"n\":\"c\\u0000d\"}]", "a?c", RB_OK},
        {"[{\"n\":\"a\"},{\"n\":\"stop\"},{\"n\":\"c\"}]", "a", RB_ELIMIT},
        {"[{\"n\":\"a\"},7]", "a", RB_EPROTOCOL},
        {"{\"n\":\"a\"}", "", RB_EPROTOCOL},
        {"[{\"n\":\"a\"}", "", RB_EPROTOCOL},
        {"[{\"n\":\"\xff\"}]", "", RB_EPROTOCOL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rb_buf names;
        rb_buf_init(&names, 64);
        struct rb_github_response response = {
            .status = 200, .body = (char *)rows[i].body, .len = strlen(rows[i].body)};
        assert_int_equal(rb_github_read_objects(&response, on_object, &names), rows[i].err);
        assert_string_equal(names.data ? names.data : "", rows[i].names);
        rb_buf_free(&names);
    }
    struct rb_github_request request;
    rb_github_list_open(&request, "acme", "shop", RB_GITHUB_OPEN_ISSUES, 3);
    assert_string_equal(request.path,
                        "/repos/acme/shop/issues?state=open&sort=created&direction=desc&per_page=100&page=3");
    rb_github_request_clear(&request);
}

static void trees_are_read(void **state)
{
    (void)state;
#define ENTRY(path, size) \
    "{\"path\":\"" path "\",\"mode\":\"100644\",\"type\":\"blob\",\"sha\":\"" SHA_1 "\"" size "}"
    static const struct {
        const char *body;
        rb_err err;
        bool truncated;
        const char *entries;
    } rows[] = {
        {"{\"tree\":[],\"truncated\":false}", RB_OK, false, ""},
        {"{\"tree\":[" ENTRY("a", ",\"size\":5") "," ENTRY("b", "") "],\"truncated\":true}", RB_OK, true,
         "a 100644 blob 11 5|b 100644 blob 11 -1|"},
        {"{\"tree\":[" ENTRY("a", ",\"size\":-5") "," ENTRY(
             "b", ",\"size\":9007199254740993") "],\"truncated\":false}",
         RB_OK, false, "a 100644 blob 11 -1|b 100644 blob 11 -1|"},
        {"{\"tree\":[" ENTRY("a", "") "," ENTRY("stop", "") "," ENTRY("c", "") "],\"truncated\":false}",
         RB_ELIMIT, false, "a 100644 blob 11 -1|"},
        {"{\"tree\":[" ENTRY("", "") "],\"truncated\":false}", RB_EPROTOCOL, false, ""},
        {"{\"tree\":[" ENTRY("a", "") ",7],\"truncated\":false}", RB_EPROTOCOL, false,
         "a 100644 blob 11 -1|"},
        {"{\"tree\":[{\"path\":\"a\",\"mode\":\"100644\",\"type\":\"blob\",\"sha\":\"xyz\"}],\"truncated\":"
         "false}",
         RB_EPROTOCOL, false, ""},
        {"{\"tree\":{},\"truncated\":false}", RB_EPROTOCOL, false, ""},
        /* Not said to be whole: nothing may be concluded from it. */
        {"{\"tree\":[" ENTRY("a", "") "]}", RB_EPROTOCOL, false, "a 100644 blob 11 -1|"},
        {"{\"tree\":[" ENTRY("a", "") "],\"truncated\":null}", RB_EPROTOCOL, false, "a 100644 blob 11 -1|"},
        /* In any order, and JSON to the last byte. */
        {"{\"truncated\":true,\"sha\":{\"a\":[1]},\"tree\":[" ENTRY("a", "") "]} \n", RB_OK, true,
         "a 100644 blob 11 -1|"},
        {"{\"tree\":[],\"truncated\":false}}", RB_EPROTOCOL, false, ""},
        {"{\"tree\":[],\"truncated\":false", RB_EPROTOCOL, false, ""},
        {"{\"tree\":[{\"path\":\"a\\u0000b\",\"mode\":\"100644\",\"type\":\"blob\",\"sha\":\"" SHA_1
         "\"}],\"truncated\":false}",
         RB_EPROTOCOL, false, ""},
        {"{\"tree\":[" ENTRY("a\\u00e9\\/b", ",\"size\":1e3") "],\"truncated\":false}", RB_OK, false,
         "a\xc3\xa9/b 100644 blob 11 -1|"},
        {"{\"tree\":[" ENTRY("a\xff", "") "],\"truncated\":false}", RB_EPROTOCOL, false, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct rb_github_response response = body_of(rows[i].body);
        struct rb_buf buf;
        bool truncated = false;
        rb_buf_init(&buf, 4096);
        if (rb_github_read_tree(&truncated, &response, note_entry, &buf) != rows[i].err ||
            truncated != rows[i].truncated || strcmp(buf.data, rows[i].entries) != 0)
            fail_msg("%s gave %s", rows[i].body, buf.data);
        rb_buf_free(&buf);
    }
}

/* ---- budgets ------------------------------------------------------------------------------------------ */

static void wait_for(struct github_budgets *budgets, struct github_call *call, const char *token, bool write)
{
    *call = (struct github_call){.deadline = 1000000};
    call->request.method = write ? RB_GITHUB_POST : RB_GITHUB_GET;
    github_budget_wait(github_budget_of(budgets, token), call);
}

static void budgets_hold_back_writes_and_crowds(void **state)
{
    (void)state;
    struct github_budgets budgets = {0};
    struct github_call calls[RB_GITHUB_IN_FLIGHT + 1], writes[3], other;
    for (size_t i = 0; i <= RB_GITHUB_IN_FLIGHT; i++)
        wait_for(&budgets, &calls[i], "alice", false);
    for (size_t i = 0; i < RB_GITHUB_IN_FLIGHT; i++)
        assert_ptr_equal(github_budgets_next(&budgets, 0), &calls[i]); /* in order of arrival */
    assert_null(github_budgets_next(&budgets, 0));
    wait_for(&budgets, &other, "bob", false);
    assert_ptr_equal(github_budgets_next(&budgets, 0), &other); /* nobody waits for a stranger */
    calls[0].response.rate_remaining = -1;
    github_budget_ended(calls[0].budget, &calls[0]);
    assert_ptr_equal(github_budgets_next(&budgets, 0), &calls[RB_GITHUB_IN_FLIGHT]);
    for (size_t i = 0; i < 3; i++)
        wait_for(&budgets, &writes[i], "carol", i != 1);
    assert_ptr_equal(github_budgets_next(&budgets, 0), &writes[0]);
    assert_ptr_equal(github_budgets_next(&budgets, 0), &writes[1]); /* a read beside it */
    assert_null(github_budgets_next(&budgets, 0));
    writes[0].response.rate_remaining = -1;
    github_budget_ended(writes[0].budget, &writes[0]);
    assert_ptr_equal(github_budgets_next(&budgets, 0), &writes[2]);
    github_budgets_forget_idle(&budgets, 0, false);
    assert_int_equal(budgets.count, 3); /* all of them have something under way */
    github_budgets_forget_idle(&budgets, 0, true);
    assert_int_equal(budgets.count, 0);
}

static void budgets_share_out_evenly(void **state)
{
    (void)state;
    struct github_budgets budgets = {0};
    struct github_call calls[12];
    static const char *const tokens[] = {"alice", "bob", "carol"};
    for (size_t i = 0; i < 12; i++)
        wait_for(&budgets, &calls[i], tokens[i / 4], false);
    int started[3] = {0};
    for (int i = 0; i < 6; i++)
        started[(github_budgets_next(&budgets, 0) - calls) / 4]++;
    for (int i = 0; i < 3; i++)
        assert_int_equal(started[i], 2);
    while (github_budgets_next(&budgets, 0))
        ;
    github_budgets_forget_idle(&budgets, 0, true);
}

static void limits_close_a_budget_for_as_long_as_they_say(void **state)
{
    (void)state;
    int64_t wall = rb_clock_wall_ms() / 1000;
    const struct {
        struct rb_github_response response;
        int64_t seconds; /* within one of them */
    } rows[] = {
        {{.status = 200, .rate_remaining = 100}, 0},
        {{.status = 200, .rate_remaining = -1}, 0},
        {{.status = 200, .rate_remaining = 0, .rate_reset = wall + 100}, 100},
        {{.status = 403, .rate_remaining = 0, .rate_reset = wall + 100}, 100},
        {{.status = 403, .rate_remaining = 0, .rate_reset = wall - 100}, 60},
        {{.status = 403, .rate_remaining = 10}, 0}, /* no rights: no reason to wait */
        {{.status = 403, .rate_remaining = 10, .retry_after = 30}, 30},
        {{.status = 403, .rate_remaining = 10, .message = "You have exceeded a secondary rate limit"}, 60},
        {{.status = 429, .rate_remaining = 10, .retry_after = 30}, 30},
        {{.status = 429, .rate_remaining = 10}, 60},
        {{.status = 503, .rate_remaining = 10, .retry_after = 30}, 0},
        {{.status = 429, .rate_remaining = 10, .retry_after = GITHUB_TIME_MAX}, 7200},
        {{.status = 200, .rate_remaining = 0, .rate_reset = INT64_MAX}, 7200},
        {{.status = 0, .err = RB_EUNAVAILABLE, .rate_remaining = -1}, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct github_budgets budgets = {0};
        struct github_call first, second;
        wait_for(&budgets, &first, "alice", false);
        assert_ptr_equal(github_budgets_next(&budgets, rb_clock_ms()), &first);
        first.response = rows[i].response;
        int64_t before = rb_clock_ms();
        github_budget_ended(first.budget, &first);
        int64_t after = rb_clock_ms();
        wait_for(&budgets, &second, "alice", false);
        second.deadline = INT64_MAX;
        if (rows[i].seconds) {
            int64_t opens = github_budgets_deadline(&budgets);
            if (opens < before + (rows[i].seconds - 1) * 1000 || opens > after + (rows[i].seconds + 1) * 1000)
                fail_msg("row %zu: %lld ms", i, (long long)(opens - before));
            assert_null(github_budgets_next(&budgets, opens - 1));
            assert_ptr_equal(github_budgets_next(&budgets, opens), &second);
        } else {
            assert_ptr_equal(github_budgets_next(&budgets, after), &second);
        }
        github_budgets_forget_idle(&budgets, 0, true);
    }
}

static void a_later_answer_does_not_shorten_the_wait(void **state)
{
    (void)state;
    struct github_budgets budgets = {0};
    struct github_call calls[3];
    wait_for(&budgets, &calls[0], "alice", false);
    wait_for(&budgets, &calls[1], "alice", false);
    assert_non_null(github_budgets_next(&budgets, 0));
    assert_non_null(github_budgets_next(&budgets, 0));
    calls[0].response = (struct rb_github_response){.status = 429, .retry_after = 3000};
    calls[1].response = (struct rb_github_response){.status = 429, .retry_after = 10};
    github_budget_ended(calls[0].budget, &calls[0]);
    github_budget_ended(calls[1].budget, &calls[1]);
    wait_for(&budgets, &calls[2], "alice", false);
    assert_null(github_budgets_next(&budgets, rb_clock_ms() + 2000 * 1000));
    github_budgets_forget_idle(&budgets, INT64_MAX, false);
    assert_int_equal(budgets.count, 1); /* somebody waits */
    github_budgets_forget_idle(&budgets, 0, true);
}

static void a_budget_that_opened_again_is_no_reason_to_wake(void **state)
{
    (void)state;
    struct github_budgets budgets = {0};
    struct github_call calls[RB_GITHUB_IN_FLIGHT + 2];
    wait_for(&budgets, &calls[0], "alice", false);
    assert_non_null(github_budgets_next(&budgets, 0));
    calls[0].response = (struct rb_github_response){.status = 429, .retry_after = 1};
    github_budget_ended(calls[0].budget, &calls[0]);
    int64_t open = rb_clock_ms() + 2000;
    for (size_t i = 1; i < RB_GITHUB_IN_FLIGHT + 2; i++) {
        wait_for(&budgets, &calls[i], "alice", false);
        calls[i].deadline = open + 5000;
    }
    for (size_t i = 0; i < RB_GITHUB_IN_FLIGHT; i++)
        assert_non_null(github_budgets_next(&budgets, open));
    assert_null(github_budgets_next(&budgets, open)); /* full */
    assert_true(github_budgets_deadline(&budgets) == open + 5000);
    github_budgets_forget_idle(&budgets, 0, true);
}

static void a_wait_beyond_the_deadline_is_not_begun(void **state)
{
    (void)state;
    struct github_budgets budgets = {0};
    struct github_call calls[3];
    int64_t until = -1, now = rb_clock_ms();
    wait_for(&budgets, &calls[0], "alice", false);
    assert_non_null(github_budgets_next(&budgets, 0));
    calls[0].response = (struct rb_github_response){.status = 429, .retry_after = 60};
    github_budget_ended(calls[0].budget, &calls[0]);
    wait_for(&budgets, &calls[1], "alice", false);
    calls[1].deadline = now + 10000;
    wait_for(&budgets, &calls[2], "alice", false);
    calls[2].deadline = now + 600000;
    assert_ptr_equal(github_budgets_hopeless(&budgets, now, &until), &calls[1]);
    assert_true(until > now + 50000);
    assert_null(github_budgets_hopeless(&budgets, now, &until));
    assert_ptr_equal(github_budgets_hopeless(&budgets, now + 600001, &until), &calls[2]);
    assert_true(until == 0); /* its own time is over */
    github_budgets_forget_idle(&budgets, 0, true);
}

static void others_requests_stay_in_their_repository(void **state)
{
    static const struct {
        const char *method, *path, *expected; /* NULL: refused */
        rb_err err;
    } rows[] = {
        {"GET", "", "/repos/a/b", RB_OK},
        {"GET", "?x=1", "/repos/a/b?x=1", RB_OK},
        {"PUT", "pulls/7/merge", "/repos/a/b/pulls/7/merge", RB_OK},
        {"GET", "contents/.github/a%20b.yml?ref=x/../y", "/repos/a/b/contents/.github/a%20b.yml?ref=x/../y",
         RB_OK},
        {"DELETE", "issues/7/labels/area%2Fdocs", "/repos/a/b/issues/7/labels/area%2Fdocs", RB_OK},
        {"GET", "compare/v1...v2", "/repos/a/b/compare/v1...v2", RB_OK},
        {"get", "labels", NULL, RB_EINVAL},
        {"TRACE", "labels", NULL, RB_EINVAL},
        {"GET", "/user", NULL, RB_EINVAL},
        {"GET", "../c", NULL, RB_EINVAL},
        {"GET", "labels/..", NULL, RB_EINVAL},
        {"GET", "labels/%2e%2E/c", NULL, RB_EINVAL},
        {"GET", "labels/.%2e", NULL, RB_EINVAL},
        {"GET", "./labels", NULL, RB_EINVAL},
        {"GET", "labels//a", NULL, RB_EINVAL},
        {"GET", "labels/", NULL, RB_EINVAL},
        {"GET", "labels#x", NULL, RB_EINVAL},
        {"GET", "labels\\..", NULL, RB_EINVAL},
        {"GET", "a b", NULL, RB_EINVAL},
        {"GET", "labels\r\nX: y", NULL, RB_EINVAL},
        {"GET", "labels%2", NULL, RB_EINVAL},
        {"GET",
         "l\xc3\xa4"
         "bels",
         NULL, RB_EINVAL},
        {"GET", "hooks", NULL, RB_EFORBIDDEN},
        {"DELETE", "Hooks/7", NULL, RB_EFORBIDDEN},
        {"GET", "%68ooks?x", NULL, RB_EFORBIDDEN},
        {"GET", "hooksy", "/repos/a/b/hooksy", RB_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rb_github_request request;
        rb_err err = rb_github_custom(&request, "a", "b", rows[i].method, rows[i].path, "{}");
        if (err != rows[i].err)
            fail_msg("%s %s: %s", rows[i].method, rows[i].path, rb_err_name(err));
        if (rows[i].expected)
            assert_string_equal(request.path, rows[i].expected);
        rb_github_request_clear(&request);
    }
    char path[RB_GITHUB_PATH_MAX + 2];
    memset(path, 'x', sizeof(path));
    path[RB_GITHUB_PATH_MAX + 1] = '\0';
    struct rb_github_request request;
    assert_int_equal(rb_github_custom(&request, "a", "b", "GET", path, NULL), RB_EINVAL);
    path[RB_GITHUB_PATH_MAX] = '\0';
    assert_int_equal(rb_github_custom(&request, "a", "b", "GET", path, NULL), RB_OK);
    assert_int_equal(request.method, RB_GITHUB_GET);
    rb_github_request_clear(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_githubs_rules),
        cmocka_unit_test(requests_have_githubs_paths),
        cmocka_unit_test(hooks_are_asked_for_as_the_contract_says),
        cmocka_unit_test(every_answer_has_a_result_and_a_sentence),
        cmocka_unit_test(sentences_are_cut_between_characters),
        cmocka_unit_test(what_is_no_answer_is_refused_by_every_reader),
        cmocka_unit_test(users_and_repositories_are_read),
        cmocka_unit_test(a_page_of_repositories_is_read),
        cmocka_unit_test(hooks_are_found_by_their_address),
        cmocka_unit_test(commits_are_read),
        cmocka_unit_test(lists_of_objects_are_read),
        cmocka_unit_test(trees_are_read),
        cmocka_unit_test(budgets_hold_back_writes_and_crowds),
        cmocka_unit_test(budgets_share_out_evenly),
        cmocka_unit_test(limits_close_a_budget_for_as_long_as_they_say),
        cmocka_unit_test(a_later_answer_does_not_shorten_the_wait),
        cmocka_unit_test(a_budget_that_opened_again_is_no_reason_to_wake),
        cmocka_unit_test(a_wait_beyond_the_deadline_is_not_begun),
        cmocka_unit_test(others_requests_stay_in_their_repository),
    };
    return cmocka_run_group_tests_name("github pure", tests, NULL, NULL);
}
