/*
 * Open issues and pull requests, as a test has put them there (/_control/topics). GitHub's list of issues has
 * the pull requests as well. Of a pull request the head is refs/pull/N/head of the repository on disk, and
 * the base its default branch.
 */
#include "tests/github/standin.h"

#include <string.h>

static const char *topic_sha(char out[GIT_OID_HEXSZ + 1], git_repository *git, const char *ref)
{
    git_oid oid;
    memset(out, '0', GIT_OID_HEXSZ);
    out[GIT_OID_HEXSZ] = '\0';
    if (git_reference_name_to_id(&oid, git, ref) == 0) {
        git_oid_tostr(out, GIT_OID_HEXSZ + 1, &oid);
    }
    return out;
}

static void topic_address(json_t *object, const char *field, const char *base, const struct sim_repo *repo,
                          const char *kind, int64_t number, const char *rest)
{
    json_object_set_new(object, field,
                        json_sprintf("%s/repos/%s/%s/%s/%lld%s", base, repo->owner, repo->name, kind,
                                     (long long)number, rest));
}

static void topic_page(json_t *object, const char *field, const struct sim_repo *repo, const char *kind,
                       int64_t number, const char *rest)
{
    json_object_set_new(object, field,
                        json_sprintf("https://github.com/%s/%s/%s/%lld%s", repo->owner, repo->name, kind,
                                     (long long)number, rest));
}

/* What both lists say of it. */
static json_t *topic_shape(const struct sim_exchange *x, const json_t *topic, const char *node)
{
    const struct sim_repo *repo = x->repo;
    int64_t number = json_integer_value(json_object_get(topic, "number"));
    const char *login = rb_sim_json_string(topic, "login");
    char name[24];
    char id[200];
    snprintf(name, sizeof(name), "%lld", (long long)number);
    snprintf(id, sizeof(id), "%.80s/%.80s/%lld", repo->owner, repo->name, (long long)number);
    char *node_id = rb_sim_shape_node_id(node, id);
    json_t *json =
        json_pack("{s:I, s:s, s:I, s:s, s:b, s:O, s:O, s:O, s:O, s:n, s:o, s:n, s:n, s:s}", "id",
                  (json_int_t)rb_sim_id_of(node, id), "node_id", node_id, "number", (json_int_t)number,
                  "state", "open", "locked", 0, "title", json_object_get(topic, "title"), "body",
                  json_object_get(topic, "body"), "created_at", json_object_get(topic, "created_at"),
                  "updated_at", json_object_get(topic, "updated_at"), "closed_at", "labels",
                  rb_sim_labels_of(x, name), "milestone", "assignee", "author_association", "OWNER");
    json_object_set_new(json, "user", login ? rb_sim_shape_user(x->base, login) : json_null());
    free(node_id);
    return json;
}

static json_t *topic_issue(const struct sim_exchange *x, const json_t *topic)
{
    const struct sim_repo *repo = x->repo;
    int64_t number = json_integer_value(json_object_get(topic, "number"));
    bool is_pull = json_is_true(json_object_get(topic, "pull"));
    json_t *json = topic_shape(x, topic, "issue");
    topic_address(json, "url", x->base, repo, "issues", number, "");
    topic_address(json, "comments_url", x->base, repo, "issues", number, "/comments");
    topic_address(json, "events_url", x->base, repo, "issues", number, "/events");
    topic_address(json, "labels_url", x->base, repo, "issues", number, "/labels{/name}");
    json_object_set_new(json, "repository_url",
                        json_sprintf("%s/repos/%s/%s", x->base, repo->owner, repo->name));
    topic_page(json, "html_url", repo, is_pull ? "pull" : "issues", number, "");
    json_object_set_new(json, "comments", json_integer(0));
    if (is_pull) {
        json_t *link = json_pack("{s:n}", "merged_at");
        topic_address(link, "url", x->base, repo, "pulls", number, "");
        topic_page(link, "html_url", repo, "pull", number, "");
        topic_page(link, "diff_url", repo, "pull", number, ".diff");
        topic_page(link, "patch_url", repo, "pull", number, ".patch");
        json_object_set_new(json, "pull_request", link);
    }
    return json;
}

static json_t *topic_end(const struct sim_exchange *x, const char *ref, const char *sha)
{
    const struct sim_repo *repo = x->repo;
    json_t *end = json_pack("{s:s, s:s}", "ref", ref, "sha", sha);
    json_object_set_new(end, "label", json_sprintf("%s:%s", repo->owner, ref));
    json_object_set_new(end, "user", rb_sim_shape_user(x->base, repo->owner));
    json_object_set_new(end, "repo", rb_sim_shape_repo(x->base, repo, x->user, false));
    return end;
}

static json_t *topic_links(const struct sim_exchange *x, int64_t number, const char *sha)
{
    static const struct {
        const char *name, *kind, *rest;
    } links[] = {{"self", "pulls", ""},
                 {"issue", "issues", ""},
                 {"comments", "issues", "/comments"},
                 {"review_comments", "pulls", "/comments"},
                 {"review_comment", "pulls", "/comments{/number}"},
                 {"commits", "pulls", "/commits"}};
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        json_t *link = json_object();
        topic_address(link, "href", x->base, x->repo, links[i].kind, number, links[i].rest);
        json_object_set_new(all, links[i].name, link);
    }
    json_t *page = json_object();
    topic_page(page, "href", x->repo, "pull", number, "");
    json_object_set_new(all, "html", page);
    json_t *statuses = json_object();
    json_object_set_new(
        statuses, "href",
        json_sprintf("%s/repos/%s/%s/statuses/%s", x->base, x->repo->owner, x->repo->name, sha));
    json_object_set_new(all, "statuses", statuses);
    return all;
}

static json_t *topic_pull(const struct sim_exchange *x, const json_t *topic)
{
    const struct sim_repo *repo = x->repo;
    int64_t number = json_integer_value(json_object_get(topic, "number"));
    char ref[64];
    char head[GIT_OID_HEXSZ + 1];
    char base[GIT_OID_HEXSZ + 1];
    char branch[256];
    json_t *json = topic_shape(x, topic, "pull");
    snprintf(ref, sizeof(ref), "refs/pull/%lld/head", (long long)number);
    rb_sim_git_default_branch(branch, repo->git);
    topic_sha(head, repo->git, ref);
    topic_sha(base, repo->git, "HEAD");
    topic_address(json, "url", x->base, repo, "pulls", number, "");
    topic_address(json, "issue_url", x->base, repo, "issues", number, "");
    topic_address(json, "commits_url", x->base, repo, "pulls", number, "/commits");
    topic_address(json, "review_comments_url", x->base, repo, "pulls", number, "/comments");
    topic_address(json, "review_comment_url", x->base, repo, "pulls", number, "/comments{/number}");
    topic_address(json, "comments_url", x->base, repo, "issues", number, "/comments");
    topic_page(json, "html_url", repo, "pull", number, "");
    topic_page(json, "diff_url", repo, "pull", number, ".diff");
    topic_page(json, "patch_url", repo, "pull", number, ".patch");
    json_object_set_new(json, "_links", topic_links(x, number, head));
    json_object_set(json, "statuses_url",
                    json_object_get(json_object_get(json_object_get(json, "_links"), "statuses"), "href"));
    json_object_set_new(json, "merged_at", json_null());
    json_object_set_new(json, "merge_commit_sha", json_null());
    json_object_set_new(json, "auto_merge", json_null());
    json_object_set_new(json, "head", topic_end(x, "topic", head));
    json_object_set_new(json, "base", topic_end(x, branch, base));
    return json;
}

/* What has a state of its own than open is not there: a test takes it away. The newest come first. */
static void topics_list(struct sim_exchange *x, bool pulls_only)
{
    const char *state = rb_sim_query(x, "state");
    bool is_none = state != NULL && strcmp(state, "closed") == 0;
    size_t count = is_none ? 0 : json_array_size(x->repo->topics);
    size_t total = 0;
    size_t first = 0;
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *topic = json_array_get(x->repo->topics, i);
        total += !pulls_only || json_is_true(json_object_get(topic, "pull"));
    }
    rb_sim_page(x, total, &first, &end);
    json_t *list = json_array();
    size_t at = 0;
    for (size_t i = count; i > 0; i--) {
        const json_t *topic = json_array_get(x->repo->topics, i - 1);
        if (pulls_only && !json_is_true(json_object_get(topic, "pull"))) {
            continue;
        }
        if (at >= first && at < end) {
            json_array_append_new(list, pulls_only ? topic_pull(x, topic) : topic_issue(x, topic));
        }
        at++;
    }
    rb_sim_answer_json(x, 200, list);
}

void rb_sim_pulls_list(struct sim_exchange *x)
{
    topics_list(x, true);
}

void rb_sim_issues_list(struct sim_exchange *x)
{
    topics_list(x, false);
}
