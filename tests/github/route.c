/*
 * GitHub's routes, and what surrounds every one of them: who asks, may they, how many requests are left, what
 * validators the answer carries. The order is GitHub's: user agent, token, rate limit, route, permission.
 */
#include "tests/github/standin.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

static void route_root(struct sim_exchange *x)
{
    rb_sim_answer_json(x, 200, rb_sim_shape_root(x->base));
}

static void route_user(struct sim_exchange *x)
{
    rb_sim_answer_json(x, 200, rb_sim_shape_me(x->base, x->user, &x->sim->state));
}

/* GitHub lists what a person owns or was given a part in; that anybody may read a repository is no part. */
static bool route_is_part(const struct sim_repo *repo, const struct sim_user *user)
{
    bool is_part = strcasecmp(repo->owner, user->login) == 0;
    for (const struct sim_grant *grant = repo->grants; grant != NULL && !is_part; grant = grant->next) {
        is_part = grant->level > SIM_NONE && strcasecmp(grant->login, user->login) == 0;
    }
    return is_part && rb_sim_repo_permission(repo, user) > SIM_NONE;
}

/* In the order they were made, which is what sort=created&direction=asc asks for. */
static void route_user_repos(struct sim_exchange *x)
{
    size_t total = 0;
    for (const struct sim_repo *repo = x->sim->state.repos; repo != NULL; repo = repo->next) {
        total += route_is_part(repo, x->user);
    }
    size_t first = 0;
    size_t end = 0;
    rb_sim_page(x, total, &first, &end);
    json_t *list = json_array();
    size_t at = 0;
    for (const struct sim_repo *repo = x->sim->state.repos; repo != NULL; repo = repo->next) {
        if (!route_is_part(repo, x->user)) {
            continue;
        }
        if (at >= first && at < end) {
            json_array_append_new(list, rb_sim_shape_repo(x->base, repo, x->user, false));
        }
        at++;
    }
    rb_sim_answer_json(x, 200, list);
}

static void route_repo(struct sim_exchange *x)
{
    rb_sim_answer_json(x, 200, rb_sim_shape_repo(x->base, x->repo, x->user, true));
}

static void route_rate_limit(struct sim_exchange *x)
{
    const struct sim_user *user = x->user;
    json_t *core = json_pack(
        "{s:I, s:I, s:I, s:I}", "limit", (json_int_t)user->rate_limit, "used", (json_int_t)user->rate_used,
        "remaining", (json_int_t)(user->rate_limit - user->rate_used), "reset", (json_int_t)user->rate_reset);
    json_t *search = json_pack("{s:i, s:i, s:i, s:I}", "limit", 30, "used", 0, "remaining", 30, "reset",
                               (json_int_t)rb_clock_wall_ms() / 1000 + 60);
    json_t *graphql = json_pack("{s:I, s:I, s:I, s:I}", "limit", (json_int_t)user->rate_limit, "used",
                                (json_int_t)user->points_used, "remaining",
                                (json_int_t)(user->rate_limit - user->points_used), "reset",
                                (json_int_t)user->points_reset);
    x->has_no_rate = true;
    rb_sim_answer_json(x, 200,
                       json_pack("{s:{s:O, s:o, s:o}, s:o}", "resources", "core", core, "search", search,
                                 "graphql", graphql, "rate", core));
}

#define DOC_REPO    "repos/repos#get-a-repository"
#define DOC_HOOKS   "repos/webhooks#"
#define DOC_COMMITS "commits/commits#"
#define DOC_LABELS  "issues/labels#"
static const struct sim_route route_table[] = {
    {"GET", "/", SIM_NEED_NOTHING, "meta/meta#github-api-root", route_root},
    {"GET", "/user", SIM_NEED_USER, "users/users#get-the-authenticated-user", route_user},
    {"GET", "/user/repos", SIM_NEED_USER, "repos/repos#list-repositories-for-the-authenticated-user",
     route_user_repos},
    {"GET", "/login/oauth/authorize", SIM_NEED_NOTHING, "", rb_sim_oauth_authorize},
    {"POST", "/login/oauth/access_token", SIM_NEED_NOTHING, "", rb_sim_oauth_token},
    {"GET", "/rate_limit", SIM_NEED_NOTHING, "rate-limit/rate-limit", route_rate_limit},
    {"POST", "/graphql", SIM_NEED_USER, "", rb_sim_graphql},
    {"GET", "/repos/:/:", SIM_NEED_READ, DOC_REPO, route_repo},
    {"GET", "/repos/:/:/branches", SIM_NEED_READ, "branches/branches#list-branches", rb_sim_git_branches},
    {"GET", "/repos/:/:/branches/*", SIM_NEED_READ, "branches/branches#get-a-branch", rb_sim_git_branch},
    {"GET", "/repos/:/:/commits", SIM_NEED_READ, DOC_COMMITS "list-commits", rb_sim_git_commits},
    {"GET", "/repos/:/:/commits/*", SIM_NEED_READ, DOC_COMMITS "get-a-commit", rb_sim_git_commit},
    {"GET", "/repos/:/:/git/commits/:", SIM_NEED_READ, "git/commits#get-a-commit-object",
     rb_sim_git_commit_object},
    {"GET", "/repos/:/:/git/trees/*", SIM_NEED_READ, "git/trees#get-a-tree", rb_sim_tree_get},
    {"GET", "/repos/:/:/git/blobs/:", SIM_NEED_READ, "git/blobs#get-a-blob", rb_sim_git_blob},
    {"GET", "/repos/:/:/contents", SIM_NEED_READ, "repos/contents#get-repository-content",
     rb_sim_git_contents},
    {"GET", "/repos/:/:/contents/*", SIM_NEED_READ, "repos/contents#get-repository-content",
     rb_sim_git_contents},
    {"GET", "/repos/:/:/pulls", SIM_NEED_READ, "pulls/pulls#list-pull-requests", rb_sim_pulls_list},
    {"GET", "/repos/:/:/issues", SIM_NEED_READ, "issues/issues#list-repository-issues", rb_sim_issues_list},
    {"GET", "/repos/:/:/pulls/:/files", SIM_NEED_READ, "pulls/pulls#list-pull-requests-files",
     rb_sim_pulls_files},
    {"GET", "/repos/:/:/issues/:/labels", SIM_NEED_READ, DOC_LABELS "list-labels-for-an-issue",
     rb_sim_labels_list},
    {"POST", "/repos/:/:/issues/:/labels", SIM_NEED_WRITE, DOC_LABELS "add-labels-to-an-issue",
     rb_sim_labels_add},
    {"DELETE", "/repos/:/:/issues/:/labels/:", SIM_NEED_WRITE, DOC_LABELS "remove-a-label-from-an-issue",
     rb_sim_labels_remove},
    {"GET", "/repos/:/:/hooks", SIM_NEED_HOOKS_READ, DOC_HOOKS "list-repository-webhooks", rb_sim_hooks_list},
    {"POST", "/repos/:/:/hooks", SIM_NEED_HOOKS_WRITE, DOC_HOOKS "create-a-repository-webhook",
     rb_sim_hooks_create},
    {"GET", "/repos/:/:/hooks/:", SIM_NEED_HOOKS_READ, DOC_HOOKS "get-a-repository-webhook",
     rb_sim_hooks_get},
    {"PATCH", "/repos/:/:/hooks/:", SIM_NEED_HOOKS_WRITE, DOC_HOOKS "update-a-repository-webhook",
     rb_sim_hooks_update},
    {"DELETE", "/repos/:/:/hooks/:", SIM_NEED_HOOKS_WRITE, DOC_HOOKS "delete-a-repository-webhook",
     rb_sim_hooks_delete},
    {"POST", "/repos/:/:/hooks/:/pings", SIM_NEED_HOOKS_READ, DOC_HOOKS "ping-a-repository-webhook",
     rb_sim_hooks_ping},
    {"GET", "/repos/:/:/hooks/:/config", SIM_NEED_HOOKS_READ,
     DOC_HOOKS "get-a-webhook-configuration-for-a-repository", rb_sim_hooks_config_get},
    {"PATCH", "/repos/:/:/hooks/:/config", SIM_NEED_HOOKS_WRITE,
     DOC_HOOKS "update-a-webhook-configuration-for-a-repository", rb_sim_hooks_config_update},
    {"GET", "/repos/:/:/hooks/:/deliveries", SIM_NEED_HOOKS_READ,
     DOC_HOOKS "list-deliveries-for-a-repository-webhook", rb_sim_hooks_deliveries},
    {"GET", "/repos/:/:/hooks/:/deliveries/:", SIM_NEED_HOOKS_READ,
     DOC_HOOKS "get-a-delivery-for-a-repository-webhook", rb_sim_hooks_delivery},
    {"POST", "/repos/:/:/hooks/:/deliveries/:/attempts", SIM_NEED_HOOKS_WRITE,
     DOC_HOOKS "redeliver-a-delivery-for-a-repository-webhook", rb_sim_hooks_redeliver},
};

/* NULL when it holds a zero byte: nothing that we serve has one in its name. */
static const char *route_decode(struct rb_arena *arena, const char *text, size_t len)
{
    int decoded_len = 0;
    char *copy = rb_arena_strndup(arena, text, len);
    char *decoded = curl_easy_unescape(NULL, copy, 0, &decoded_len);
    bool is_whole = decoded != NULL && strlen(decoded) == (size_t)decoded_len;
    const char *result = is_whole ? rb_arena_strdup(arena, decoded) : NULL;
    curl_free(decoded);
    return result;
}

static bool route_matches(const char *pattern, struct sim_exchange *x)
{
    const char *path = x->path;
    x->arg_count = 0;
    while (*pattern != '\0') {
        if (*pattern == ':' || *pattern == '*') {
            size_t len = *pattern == ':' ? strcspn(path, "/") : strlen(path);
            if (len == 0 || x->arg_count == SIM_ARGS_MAX) {
                return false;
            }
            x->args[x->arg_count] = route_decode(x->arena, path, len);
            if (x->args[x->arg_count++] == NULL) {
                return false;
            }
            path += len;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

const struct sim_route *rb_sim_route_match(const struct sim_route *routes, size_t count,
                                           struct sim_exchange *x)
{
    const char *method = strcmp(x->method, "HEAD") == 0 ? "GET" : x->method;
    size_t len = strlen(x->path);
    if (len > 1 && x->path[len - 1] == '/') {
        x->path[len - 1] = '\0';
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(routes[i].method, method) == 0 && route_matches(routes[i].pattern, x)) {
            return &routes[i];
        }
    }
    return NULL;
}

struct sim_user *rb_sim_asker(struct sim_exchange *x)
{
    const char *header = x->authorization;
    if (header == NULL || *header == '\0') {
        return &x->sim->state.anonymous;
    }
    const char *token = strchr(header, ' ');
    bool is_known = strncasecmp(header, "bearer ", 7) == 0 || strncasecmp(header, "token ", 6) == 0;
    return is_known ? rb_sim_user_by_token(&x->sim->state, token + 1) : NULL;
}

/* False after 401. */
static bool route_authenticate(struct sim_exchange *x)
{
    x->user = rb_sim_asker(x);
    if (x->user == NULL) {
        x->user = &x->sim->state.anonymous;
        rb_sim_answer_error(x, 401, "", "Bad credentials");
        return false;
    }
    return true;
}

/* "/repositories/NUMBER/…" is the same as "/repos/owner/name/…": where redirects lead. */
static void route_by_number(struct sim_exchange *x)
{
    static const char prefix[] = "/repositories/";
    if (strncmp(x->path, prefix, sizeof(prefix) - 1) != 0) {
        return;
    }
    char *rest = NULL;
    int64_t id = strtoll(x->path + sizeof(prefix) - 1, &rest, 10);
    const struct sim_repo *repo = rb_sim_repo_by_id(&x->sim->state, id);
    if (repo != NULL && (*rest == '/' || *rest == '\0')) {
        x->path = rb_arena_printf(x->arena, "/repos/%s/%s%s", repo->owner, repo->name, rest);
    }
}

static void route_moved(struct sim_exchange *x, struct sim_repo *repo)
{
    bool is_read = strcmp(x->method, "GET") == 0 || strcmp(x->method, "HEAD") == 0;
    x->repo = repo;
    char *url = rb_arena_printf(x->arena, "%s%s%s", rb_sim_self(x), *x->query != '\0' ? "?" : "", x->query);
    rb_sim_header(x, "location", "%s", url);
    rb_sim_answer_json(x, is_read ? 301 : 307,
                       json_pack("{s:s, s:s, s:s}", "message",
                                 is_read ? "Moved Permanently" : "Temporary Redirect", "url", url,
                                 "documentation_url",
                                 "https://docs.github.com/rest/guides/"
                                 "best-practices-for-using-the-rest-api#follow-redirects"));
}

static bool route_has_hook_scope(const struct sim_exchange *x, bool is_write)
{
    const struct sim_user *user = x->user;
    return rb_sim_user_has_scope(user, "repo") || rb_sim_user_has_scope(user, "admin:repo_hook") ||
           rb_sim_user_has_scope(user, "write:repo_hook") ||
           (!is_write && rb_sim_user_has_scope(user, "read:repo_hook")) ||
           (!x->repo->is_private && rb_sim_user_has_scope(user, "public_repo"));
}

static const char *route_accepted_scopes(const struct sim_route *route)
{
    switch (route->need) {
    case SIM_NEED_READ:
    case SIM_NEED_WRITE:
        return "repo";
    case SIM_NEED_HOOKS_READ:
        return "admin:repo_hook, public_repo, read:repo_hook, repo, write:repo_hook";
    case SIM_NEED_HOOKS_WRITE:
        return "admin:repo_hook, public_repo, repo, write:repo_hook";
    default:
        return "";
    }
}

/* Finds the repository and looks at permissions; false after an answer. */
static bool route_permit(struct sim_exchange *x)
{
    enum sim_need need = x->route->need;
    if (need == SIM_NEED_NOTHING) {
        return true;
    }
    if (need == SIM_NEED_USER) {
        if (x->user->login == NULL) {
            rb_sim_answer_error(x, 401, x->route->doc, "Requires authentication");
        }
        return x->user->login != NULL;
    }
    x->repo = rb_sim_repo_find(&x->sim->state, x->args[0], x->args[1]);
    if (x->repo == NULL) {
        struct sim_repo *moved = rb_sim_repo_moved(&x->sim->state, x->args[0], x->args[1]);
        if (moved != NULL && rb_sim_repo_permission(moved, x->user) != SIM_NONE) {
            route_moved(x, moved);
        } else {
            rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
        }
        return false;
    }
    enum sim_permission level = rb_sim_repo_permission(x->repo, x->user);
    bool is_hook = need == SIM_NEED_HOOKS_READ || need == SIM_NEED_HOOKS_WRITE;
    if (level == SIM_NONE ||
        (is_hook && (level != SIM_ADMIN || !route_has_hook_scope(x, need == SIM_NEED_HOOKS_WRITE)))) {
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
        return false;
    }
    if (need == SIM_NEED_WRITE && level < SIM_WRITE) {
        rb_sim_answer_error(x, 403, x->route->doc, "Must have push access to the repository.");
        return false;
    }
    return true;
}

bool rb_sim_is_query(const struct sim_exchange *x)
{
    return strcmp(x->path, "/graphql") == 0 && strcmp(x->method, "POST") == 0;
}

static void route_renew_rate(struct sim_user *user)
{
    int64_t now = rb_clock_wall_ms() / 1000;
    if (now >= user->points_reset) {
        user->points_used = 0;
        user->points_reset = now + SIM_RATE_WINDOW;
    }
    if (now >= user->rate_reset) {
        user->rate_used = 0;
        user->rate_reset = now + SIM_RATE_WINDOW;
    }
}

void rb_sim_rate_headers(struct sim_exchange *x, const struct sim_user *user)
{
    bool is_query = rb_sim_is_query(x);
    int64_t used = is_query ? user->points_used : user->rate_used;
    int64_t left = user->rate_limit - used;
    rb_sim_header(x, "x-ratelimit-limit", "%lld", (long long)user->rate_limit);
    rb_sim_header(x, "x-ratelimit-remaining", "%lld", (long long)(left > 0 ? left : 0));
    rb_sim_header(x, "x-ratelimit-used", "%lld", (long long)used);
    rb_sim_header(x, "x-ratelimit-reset", "%lld",
                  (long long)(is_query ? user->points_reset : user->rate_reset));
    rb_sim_header(x, "x-ratelimit-resource", is_query ? "graphql" : "core");
}

static bool route_is_limited(struct sim_exchange *x)
{
    bool is_query = rb_sim_is_query(x) && x->user->login != NULL;
    if ((is_query ? x->user->points_used : x->user->rate_used) < x->user->rate_limit) {
        return false;
    }
    if (is_query) {
        rb_sim_answer_query_limit(x);
    } else {
        rb_sim_answer_rate_limit(x, x->user);
    }
    return true;
}

void rb_sim_answer_rate_limit(struct sim_exchange *x, const struct sim_user *user)
{
    const char *message =
        "API rate limit exceeded for 127.0.0.1. (But here's the good news: Authenticated requests get a "
        "higher rate limit. Check out the documentation for more details.)";
    if (user->login != NULL) {
        message = rb_arena_printf(
            x->arena,
            "API rate limit exceeded for user ID %lld. If you reach out to GitHub Support for "
            "help, please include the request ID %s and timestamp %lld UTC.",
            (long long)user->id, x->request_id, (long long)(rb_clock_wall_ms() / 1000));
    }
    rb_sim_answer_error(x, 403, "overview/rate-limits-for-the-rest-api", message);
}

/* W/"…" of the body; 304 when the client has it. */
static void route_validate(struct sim_exchange *x)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    char hex[65] = "";
    struct sim_answer *answer = &x->answer;
    bool is_read = strcmp(x->method, "GET") == 0 || strcmp(x->method, "HEAD") == 0;
    if (answer->status != 200 || !is_read || x->has_no_rate || answer->body == NULL ||
        EVP_Digest(answer->body, answer->len, digest, &digest_len, EVP_sha256(), NULL) != 1) {
        return;
    }
    for (unsigned int i = 0; i < digest_len; i++) {
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    rb_sim_header(x, "etag", "W/\"%s\"", hex);
    rb_sim_header(x, "cache-control", "private, max-age=60, s-maxage=60");
    rb_sim_header(x, "vary",
                  "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With");
    if (x->if_none_match != NULL && strstr(x->if_none_match, hex) != NULL) {
        rb_sim_answer_empty(x, 304);
    }
}

static void route_dispatch(struct sim_exchange *x)
{
    if (x->user_agent == NULL || *x->user_agent == '\0') {
        static const char text[] =
            "Request forbidden by administrative rules. Please make sure your request has a "
            "User-Agent header (https://docs.github.com/en/rest/overview/"
            "resources-in-the-rest-api#user-agent-required). Check https://developer.github.com "
            "for other possible causes.\n";
        rb_sim_answer_bytes(x, 403, "text/html; charset=utf-8", text, sizeof(text) - 1);
        return;
    }
    if (!route_authenticate(x)) {
        return;
    }
    route_renew_rate(x->user);
    route_by_number(x);
    x->route = rb_sim_route_match(route_table, sizeof(route_table) / sizeof(route_table[0]), x);
    bool is_free = x->route != NULL && x->route->handle == route_rate_limit;
    if (!is_free && route_is_limited(x)) {
        return;
    }
    if (x->route == NULL) {
        rb_sim_answer_error(x, 404, "", "Not Found");
    } else if (route_permit(x)) {
        x->route->handle(x);
    }
}

void rb_sim_api(struct sim_exchange *x)
{
    route_dispatch(x);
    route_validate(x);
    if (x->user != NULL) {
        // A 304 is free for those who say who they are; so is asking how many are left.
        bool is_free = x->has_no_rate || (x->answer.status == 304 && x->user->login != NULL);
        int64_t *used = rb_sim_is_query(x) ? &x->user->points_used : &x->user->rate_used;
        *used += !is_free && *used < x->user->rate_limit;
        rb_sim_rate_headers(x, x->user);
        if (x->user->login != NULL) {
            rb_sim_header(x, "x-oauth-scopes", "%s", x->user->scopes);
            rb_sim_header(x, "x-accepted-oauth-scopes", "%s",
                          x->route != NULL ? route_accepted_scopes(x->route) : "");
        }
    }
    bool is_raw = x->answer.content_type != NULL && strstr(x->answer.content_type, "raw") != NULL;
    rb_sim_header(x, "x-github-media-type", "github.v3; %s", is_raw ? "param=raw" : "format=json");
    rb_sim_header(x, "x-github-api-version-selected", "2022-11-28");
    rb_sim_header(x, "x-github-request-id", "%s", x->request_id);
    x->user = NULL;
    x->repo = NULL;
}
