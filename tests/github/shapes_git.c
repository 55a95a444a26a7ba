/* What commits look like: as the repository's API shows them, and as bare git objects. */
#include "tests/github/standin.h"

#include <string.h>

static json_t *commit_person(const git_signature *person, struct rb_arena *arena)
{
    char when[RB_TIME_SIZE];
    rb_sim_shape_time(when, person->when.time * 1000);
    return json_pack("{s:s, s:s, s:s}", "name", rb_sim_utf8(arena, person->name, strlen(person->name)),
                     "email", rb_sim_utf8(arena, person->email, strlen(person->email)), "date", when);
}

static json_t *commit_verification(void)
{
    return json_pack("{s:b, s:s, s:n, s:n, s:n}", "verified", 0, "reason", "unsigned", "signature", "payload",
                     "verified_at");
}

static json_t *commit_parents(const char *base, const char *kind, const struct sim_repo *repo,
                              git_commit *commit)
{
    json_t *parents = json_array();
    for (unsigned int i = 0; i < git_commit_parentcount(commit); i++) {
        char sha[GIT_OID_HEXSZ + 1];
        git_oid_tostr(sha, sizeof(sha), git_commit_parent_id(commit, i));
        json_array_append_new(
            parents,
            json_pack("{s:s, s:o, s:o}", "sha", sha, "url",
                      json_sprintf("%s/repos/%s/%s/%s/%s", base, repo->owner, repo->name, kind, sha),
                      "html_url",
                      json_sprintf("https://github.com/%s/%s/commit/%s", repo->owner, repo->name, sha)));
    }
    return parents;
}

static json_t *commit_tree(const char *base, const struct sim_repo *repo, git_commit *commit)
{
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), git_commit_tree_id(commit));
    return json_pack("{s:s, s:o}", "sha", sha, "url",
                     json_sprintf("%s/repos/%s/%s/git/trees/%s", base, repo->owner, repo->name, sha));
}

static json_t *commit_message(git_commit *commit, struct rb_arena *arena)
{
    const char *message = git_commit_message(commit);
    size_t len = strlen(message);
    while (len > 0 && message[len - 1] == '\n') {
        len--;
    }
    return json_string(rb_sim_utf8(arena, message, len));
}

static void commit_identity(json_t *json, const struct sim_repo *repo, const char *sha)
{
    char name[128];
    snprintf(name, sizeof(name), "%lld:%s", (long long)repo->id, sha);
    char *node_id = rb_sim_shape_node_id("06:Commit", name);
    json_object_set_new(json, "sha", json_string(sha));
    json_object_set_new(json, "node_id", json_string(node_id));
    free(node_id);
}

json_t *rb_sim_shape_commit(const char *base, const struct sim_repo *repo, git_commit *commit,
                            struct rb_arena *arena)
{
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), git_commit_id(commit));
    json_t *inner = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:i, s:o}", "author", commit_person(git_commit_author(commit), arena),
        "committer", commit_person(git_commit_committer(commit), arena), "message",
        commit_message(commit, arena), "tree", commit_tree(base, repo, commit), "url",
        json_sprintf("%s/repos/%s/%s/git/commits/%s", base, repo->owner, repo->name, sha), "comment_count", 0,
        "verification", commit_verification());
    json_t *json = json_object();
    commit_identity(json, repo, sha);
    json_object_set_new(json, "commit", inner);
    json_object_set_new(json, "url",
                        json_sprintf("%s/repos/%s/%s/commits/%s", base, repo->owner, repo->name, sha));
    json_object_set_new(json, "html_url",
                        json_sprintf("https://github.com/%s/%s/commit/%s", repo->owner, repo->name, sha));
    json_object_set_new(
        json, "comments_url",
        json_sprintf("%s/repos/%s/%s/commits/%s/comments", base, repo->owner, repo->name, sha));
    // Whose account a mail address belongs to is not known here: GitHub says null then.
    json_object_set_new(json, "author", json_null());
    json_object_set_new(json, "committer", json_null());
    json_object_set_new(json, "parents", commit_parents(base, "commits", repo, commit));
    return json;
}

json_t *rb_sim_shape_commit_object(const char *base, const struct sim_repo *repo, git_commit *commit,
                                   struct rb_arena *arena)
{
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), git_commit_id(commit));
    json_t *json = json_object();
    commit_identity(json, repo, sha);
    json_object_set_new(json, "url",
                        json_sprintf("%s/repos/%s/%s/git/commits/%s", base, repo->owner, repo->name, sha));
    json_object_set_new(json, "html_url",
                        json_sprintf("https://github.com/%s/%s/commit/%s", repo->owner, repo->name, sha));
    json_object_set_new(json, "author", commit_person(git_commit_author(commit), arena));
    json_object_set_new(json, "committer", commit_person(git_commit_committer(commit), arena));
    json_object_set_new(json, "tree", commit_tree(base, repo, commit));
    json_object_set_new(json, "message", commit_message(commit, arena));
    json_object_set_new(json, "parents", commit_parents(base, "git/commits", repo, commit));
    json_object_set_new(json, "verification", commit_verification());
    return json;
}
