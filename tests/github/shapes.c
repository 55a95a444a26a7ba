/*
 * What GitHub's objects look like. Most fields are addresses made of a few parts, so they stand in tables;
 * the order is GitHub's. GitHub's OpenAPI description is what tests hold these against.
 */
#include "tests/github/standin.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

struct shape_url {
    const char *field;
    const char *suffix;
};

static void shape_urls(json_t *object, const char *prefix, const struct shape_url *urls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(object, urls[i].field, json_sprintf("%s%s", prefix, urls[i].suffix));
    }
}
#define SHAPE_URLS(object, prefix, urls) shape_urls(object, prefix, urls, sizeof(urls) / sizeof((urls)[0]))

void rb_sim_shape_time(char out[RB_TIME_SIZE], int64_t wall_ms)
{
    rb_time_format(out, wall_ms);
    char *fraction = strchr(out, '.');
    if (fraction != NULL) {
        memcpy(fraction, "Z", 2); // GitHub's times have no fraction
    }
}

char *rb_sim_shape_node_id(const char *kind, const char *name)
{
    char text[512];
    unsigned char encoded[1024];
    int len = snprintf(text, sizeof(text), "%s:%s", kind, name);
    EVP_EncodeBlock(encoded, (const unsigned char *)text,
                    len < (int)sizeof(text) ? len : (int)sizeof(text) - 1);
    return rb_strdup((const char *)encoded);
}

static void shape_node_id(json_t *object, const char *kind, int64_t id)
{
    char name[32];
    snprintf(name, sizeof(name), "%lld", (long long)id);
    char *node_id = rb_sim_shape_node_id(kind, name);
    json_object_set_new(object, "node_id", json_string(node_id));
    free(node_id);
}

json_t *rb_sim_shape_root(const char *base)
{
    static const struct shape_url urls[] = {
        {"current_user_url", "/user"},
        {"current_user_authorizations_html_url", "/settings/connections/applications{/client_id}"},
        {"authorizations_url", "/authorizations"},
        {"code_search_url", "/search/code?q={query}{&page,per_page,sort,order}"},
        {"commit_search_url", "/search/commits?q={query}{&page,per_page,sort,order}"},
        {"emails_url", "/user/emails"},
        {"emojis_url", "/emojis"},
        {"events_url", "/events"},
        {"feeds_url", "/feeds"},
        {"followers_url", "/user/followers"},
        {"following_url", "/user/following{/target}"},
        {"gists_url", "/gists{/gist_id}"},
        {"hub_url", "/hub"},
        {"issue_search_url", "/search/issues?q={query}{&page,per_page,sort,order}"},
        {"issues_url", "/issues"},
        {"keys_url", "/user/keys"},
        {"label_search_url", "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}"},
        {"notifications_url", "/notifications"},
        {"organization_url", "/orgs/{org}"},
        {"organization_repositories_url", "/orgs/{org}/repos{?type,page,per_page,sort}"},
        {"organization_teams_url", "/orgs/{org}/teams"},
        {"public_gists_url", "/gists/public"},
        {"rate_limit_url", "/rate_limit"},
        {"repository_url", "/repos/{owner}/{repo}"},
        {"repository_search_url", "/search/repositories?q={query}{&page,per_page,sort,order}"},
        {"current_user_repositories_url", "/user/repos{?type,page,per_page,sort}"},
        {"starred_url", "/user/starred{/owner}{/repo}"},
        {"starred_gists_url", "/gists/starred"},
        {"topic_search_url", "/search/topics?q={query}{&page,per_page}"},
        {"user_url", "/users/{user}"},
        {"user_organizations_url", "/user/orgs"},
        {"user_repositories_url", "/users/{user}/repos{?type,page,per_page,sort}"},
        {"user_search_url", "/search/users?q={query}{&page,per_page,sort,order}"},
    };
    json_t *root = json_object();
    SHAPE_URLS(root, base, urls);
    return root;
}

json_t *rb_sim_shape_user(const char *base, const char *login)
{
    static const struct shape_url urls[] = {
        {"url", ""},
        {"followers_url", "/followers"},
        {"following_url", "/following{/other_user}"},
        {"gists_url", "/gists{/gist_id}"},
        {"starred_url", "/starred{/owner}{/repo}"},
        {"subscriptions_url", "/subscriptions"},
        {"organizations_url", "/orgs"},
        {"repos_url", "/repos"},
        {"events_url", "/events{/privacy}"},
        {"received_events_url", "/received_events"},
    };
    int64_t id = rb_sim_id_of("user", login);
    json_t *user = json_pack("{s:s, s:I}", "login", login, "id", (json_int_t)id);
    shape_node_id(user, "04:User", id);
    json_object_set_new(user, "avatar_url",
                        json_sprintf("https://avatars.githubusercontent.com/u/%lld?v=4", (long long)id));
    json_object_set_new(user, "gravatar_id", json_string(""));
    json_object_set_new(user, "html_url", json_sprintf("https://github.com/%s", login));
    char *prefix = rb_asprintf("%s/users/%s", base, login);
    SHAPE_URLS(user, prefix, urls);
    free(prefix);
    json_object_set_new(user, "type", json_string("User"));
    json_object_set_new(user, "user_view_type", json_string("public"));
    json_object_set_new(user, "site_admin", json_false());
    return user;
}

json_t *rb_sim_shape_me(const char *base, const struct sim_user *user, const struct sim_state *state)
{
    int owned = 0;
    int owned_private = 0;
    for (const struct sim_repo *repo = state->repos; repo != NULL; repo = repo->next) {
        bool is_own = strcasecmp(repo->owner, user->login) == 0;
        owned += is_own && !repo->is_private;
        owned_private += is_own && repo->is_private;
    }
    static const char *const unset[] = {"company", "location",         "hireable",
                                        "bio",     "twitter_username", "notification_email"};
    json_t *me = rb_sim_shape_user(base, user->login);
    bool is_private = rb_sim_user_has_scope(user, "user") || rb_sim_user_has_scope(user, "read:user");
    json_object_set_new(me, "user_view_type", json_string(is_private ? "private" : "public"));
    for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++) {
        json_object_set_new(me, unset[i], json_null());
    }
    bool sees_mail = rb_sim_user_has_scope(user, "user:email") || rb_sim_user_has_scope(user, "user");
    json_t *more = json_pack("{s:s, s:s, s:o, s:i, s:i, s:i, s:i, s:s, s:s}", "name", user->login, "blog", "",
                             "email", sees_mail ? json_sprintf("%s@example.com", user->login) : json_null(),
                             "public_repos", owned, "public_gists", 0, "followers", 0, "following", 0,
                             "created_at", "2020-01-01T00:00:00Z", "updated_at", "2026-01-01T00:00:00Z");
    json_object_update(me, more);
    json_decref(more);
    if (is_private) {
        more = json_pack("{s:i, s:i, s:i, s:i, s:i, s:b, s:{s:s, s:i, s:i, s:i}}", "private_gists", 0,
                         "total_private_repos", owned_private, "owned_private_repos", owned_private,
                         "disk_usage", 0, "collaborators", 0, "two_factor_authentication", 1, "plan", "name",
                         "free", "space", 976562499, "collaborators", 0, "private_repos", 10000);
        json_object_update(me, more);
        json_decref(more);
    }
    return me;
}

static void shape_repo_urls(json_t *json, const char *base, const char *full_name)
{
    static const struct shape_url urls[] = {
        {"url", ""},
        {"forks_url", "/forks"},
        {"keys_url", "/keys{/key_id}"},
        {"collaborators_url", "/collaborators{/collaborator}"},
        {"teams_url", "/teams"},
        {"hooks_url", "/hooks"},
        {"issue_events_url", "/issues/events{/number}"},
        {"events_url", "/events"},
        {"assignees_url", "/assignees{/user}"},
        {"branches_url", "/branches{/branch}"},
        {"tags_url", "/tags"},
        {"blobs_url", "/git/blobs{/sha}"},
        {"git_tags_url", "/git/tags{/sha}"},
        {"git_refs_url", "/git/refs{/sha}"},
        {"trees_url", "/git/trees{/sha}"},
        {"statuses_url", "/statuses/{sha}"},
        {"languages_url", "/languages"},
        {"stargazers_url", "/stargazers"},
        {"contributors_url", "/contributors"},
        {"subscribers_url", "/subscribers"},
        {"subscription_url", "/subscription"},
        {"commits_url", "/commits{/sha}"},
        {"git_commits_url", "/git/commits{/sha}"},
        {"comments_url", "/comments{/number}"},
        {"issue_comment_url", "/issues/comments{/number}"},
        {"contents_url", "/contents/{+path}"},
        {"compare_url", "/compare/{base}...{head}"},
        {"merges_url", "/merges"},
        {"archive_url", "/{archive_format}{/ref}"},
        {"downloads_url", "/downloads"},
        {"issues_url", "/issues{/number}"},
        {"pulls_url", "/pulls{/number}"},
        {"milestones_url", "/milestones{/number}"},
        {"notifications_url", "/notifications{?since,all,participating}"},
        {"labels_url", "/labels{/name}"},
        {"releases_url", "/releases{/id}"},
        {"deployments_url", "/deployments"},
    };
    char *prefix = rb_asprintf("%s/repos/%s", base, full_name);
    SHAPE_URLS(json, prefix, urls);
    free(prefix);
    json_object_set_new(json, "html_url", json_sprintf("https://github.com/%s", full_name));
    json_object_set_new(json, "git_url", json_sprintf("git://github.com/%s.git", full_name));
    json_object_set_new(json, "ssh_url", json_sprintf("git@github.com:%s.git", full_name));
    json_object_set_new(json, "clone_url", json_sprintf("https://github.com/%s.git", full_name));
    json_object_set_new(json, "svn_url", json_sprintf("https://github.com/%s", full_name));
}

static int64_t shape_pushed_ms(const struct sim_repo *repo)
{
    git_commit *head = NULL;
    int64_t pushed = repo->created_ms;
    if (rb_sim_git_resolve(&head, repo->git, "HEAD") == RB_OK) {
        pushed = git_commit_time(head) * 1000;
    }
    git_commit_free(head);
    return pushed;
}

json_t *rb_sim_shape_repo(const char *base, const struct sim_repo *repo, const struct sim_user *user,
                          bool is_full)
{
    static const char *const counts[] = {"size",        "stargazers_count",  "watchers_count",
                                         "forks_count", "open_issues_count", "forks",
                                         "open_issues", "watchers"};
    static const struct {
        const char *name;
        int value;
    } flags[] = {
        {"fork", 0},     {"has_issues", 1},    {"has_projects", 1},    {"has_downloads", 1},
        {"has_wiki", 1}, {"has_pages", 0},     {"has_discussions", 0}, {"archived", 0},
        {"disabled", 0}, {"allow_forking", 1}, {"is_template", 0},     {"web_commit_signoff_required", 0},
    };
    static const char *const unset[] = {"description", "homepage", "language", "mirror_url", "license"};
    char full_name[256];
    char branch[256];
    char pushed[RB_TIME_SIZE];
    char created[RB_TIME_SIZE];
    snprintf(full_name, sizeof(full_name), "%s/%s", repo->owner, repo->name);
    rb_sim_git_default_branch(branch, repo->git);
    rb_sim_shape_time(pushed, shape_pushed_ms(repo));
    rb_sim_shape_time(created, repo->created_ms);

    json_t *json = json_pack("{s:I, s:s, s:s, s:b, s:o, s:s, s:s, s:s, s:s, s:s, s:[]}", "id",
                             (json_int_t)repo->id, "name", repo->name, "full_name", full_name, "private",
                             repo->is_private, "owner", rb_sim_shape_user(base, repo->owner), "created_at",
                             created, "updated_at", pushed, "pushed_at", pushed, "visibility",
                             repo->is_private ? "private" : "public", "default_branch", branch, "topics");
    shape_node_id(json, "010:Repository", repo->id);
    shape_repo_urls(json, base, full_name);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        json_object_set_new(json, counts[i], json_integer(0));
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        json_object_set_new(json, flags[i].name, json_boolean(flags[i].value));
    }
    for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++) {
        json_object_set_new(json, unset[i], json_null());
    }
    if (user != NULL && user->login != NULL) {
        enum sim_permission level = rb_sim_repo_permission(repo, user);
        json_object_set_new(json, "permissions",
                            json_pack("{s:b, s:b, s:b, s:b, s:b}", "admin", level >= SIM_ADMIN, "maintain",
                                      level >= SIM_ADMIN, "push", level >= SIM_WRITE, "triage",
                                      level >= SIM_WRITE, "pull", level >= SIM_READ));
    }
    if (is_full) {
        json_object_set_new(json, "network_count", json_integer(0));
        json_object_set_new(json, "subscribers_count", json_integer(1));
    }
    return json;
}

/* ---- hooks ---- */

json_t *rb_sim_shape_hook_config(const struct sim_hook *hook)
{
    json_t *config = json_pack("{s:s, s:s, s:s}", "content_type", hook->content_type, "insecure_ssl",
                               hook->insecure_ssl, "url", hook->url);
    if (hook->secret != NULL) {
        json_object_set_new(config, "secret", json_string("********"));
    }
    return config;
}

static json_t *shape_last_response(const struct sim_hook *hook)
{
    if (hook->delivery_count == 0) {
        return json_pack("{s:n, s:s, s:n}", "code", "status", "unused", "message");
    }
    const struct sim_delivery *last = &hook->deliveries[(hook->delivery_count - 1) % SIM_DELIVERIES_KEPT];
    bool is_good = last->status >= 200 && last->status < 300;
    return json_pack("{s:i, s:s, s:s}", "code", last->status, "status", is_good ? "active" : "failed",
                     "message",
                     is_good             ? "OK"
                     : last->status == 0 ? "failed to connect to host"
                                         : "Invalid HTTP Response");
}

json_t *rb_sim_shape_hook(const char *base, const struct sim_repo *repo, const struct sim_hook *hook)
{
    static const struct shape_url urls[] = {
        {"url", ""}, {"test_url", "/test"}, {"ping_url", "/pings"}, {"deliveries_url", "/deliveries"}};
    char created[RB_TIME_SIZE];
    char updated[RB_TIME_SIZE];
    rb_sim_shape_time(created, hook->created_ms);
    rb_sim_shape_time(updated, hook->updated_ms);
    json_t *json =
        json_pack("{s:s, s:I, s:s, s:b, s:O, s:o, s:s, s:s}", "type", "Repository", "id",
                  (json_int_t)hook->id, "name", "web", "active", hook->is_active, "events", hook->events,
                  "config", rb_sim_shape_hook_config(hook), "updated_at", updated, "created_at", created);
    char *prefix =
        rb_asprintf("%s/repos/%s/%s/hooks/%lld", base, repo->owner, repo->name, (long long)hook->id);
    SHAPE_URLS(json, prefix, urls);
    free(prefix);
    json_object_set_new(json, "last_response", shape_last_response(hook));
    return json;
}
