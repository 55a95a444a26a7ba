/* Branches and commits, read from the repository on disk as it is now. */
#include "tests/github/standin.h"

#include <string.h>

#define GIT_REF_MAX 600 /* characters of a name: git itself stops far earlier, at what a path may have */

void rb_sim_git_default_branch(char out[256], git_repository *git)
{
    git_reference *head = NULL;
    const char *name = "main";
    if (git_reference_lookup(&head, git, "HEAD") == 0 && git_reference_type(head) == GIT_REFERENCE_SYMBOLIC) {
        const char *target = git_reference_symbolic_target(head);
        static const char prefix[] = "refs/heads/";
        if (strncmp(target, prefix, sizeof(prefix) - 1) == 0) {
            name = target + sizeof(prefix) - 1;
        }
    }
    snprintf(out, 256, "%s", name);
    git_reference_free(head);
}

static bool git_is_hex(const char *text)
{
    return strspn(text, "0123456789abcdefABCDEF") == strlen(text);
}

/* The reference `prefix` + `name`, peeled to its commit. */
static int git_find_ref(git_object **out, git_repository *git, const char *prefix, const char *name)
{
    char full[GIT_REF_MAX];
    git_reference *found = NULL;
    git_reference *direct = NULL;
    int len = snprintf(full, sizeof(full), "%s%s", prefix, name);
    int result = len < (int)sizeof(full) ? git_reference_lookup(&found, git, full) : GIT_ENOTFOUND;
    result = result != 0 ? result : git_reference_resolve(&direct, found);
    result = result != 0 ? result : git_reference_peel(out, direct, GIT_OBJECT_COMMIT);
    git_reference_free(direct);
    git_reference_free(found);
    return result;
}

static int git_find(git_object **out, git_repository *git, const char *ref)
{
    // "main", "v1", then "heads/main" and "tags/v1", which GitHub takes as well.
    static const char *const prefixes[] = {"refs/heads/", "refs/tags/", "refs/"};
    char branch[256];
    if (strcmp(ref, "HEAD") == 0) {
        return git_revparse_single(out, git, "HEAD");
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (git_find_ref(out, git, prefixes[i], ref) == 0) {
            return 0;
        }
    }
    rb_sim_git_default_branch(branch, git);
    // A detached HEAD has no branch of its own, yet GitHub always has a default one.
    if (strcmp(ref, branch) == 0) {
        return git_revparse_single(out, git, "HEAD");
    }
    size_t len = strlen(ref);
    if (len >= 4 && len <= GIT_OID_HEXSZ && git_is_hex(ref)) {
        return git_revparse_single(out, git, ref);
    }
    return GIT_ENOTFOUND;
}

/* No branch has a commit: HEAD may name one that does not exist while others do. */
bool rb_sim_git_is_empty(git_repository *git)
{
    git_branch_iterator *iterator = NULL;
    git_reference *reference = NULL;
    git_branch_t type = GIT_BRANCH_LOCAL;
    bool is_empty = git_repository_head_unborn(git) == 1;
    if (is_empty && git_branch_iterator_new(&iterator, git, GIT_BRANCH_LOCAL) == 0) {
        is_empty = git_branch_next(&reference, &type, iterator) != 0;
    }
    git_reference_free(reference);
    git_branch_iterator_free(iterator);
    return is_empty;
}

rb_err rb_sim_git_resolve(git_commit **out, git_repository *git, const char *ref)
{
    if (rb_sim_git_is_empty(git)) {
        return rb_error_set(RB_ECONFLICT, "Git Repository is empty.");
    }
    git_object *object = NULL;
    git_object *commit = NULL;
    int result = git_find(&object, git, ref);
    result = result != 0 ? result : git_object_peel(&commit, object, GIT_OBJECT_COMMIT);
    git_object_free(object);
    if (result != 0) {
        return rb_error_set(RB_ENOTFOUND, "no commit %s", ref);
    }
    *out = (git_commit *)commit;
    return RB_OK;
}

void rb_sim_git_refuse(struct sim_exchange *x, rb_err err, const char *message)
{
    if (err == RB_ECONFLICT) {
        rb_sim_answer_error(x, 409, x->route->doc, "Git Repository is empty.");
    } else {
        rb_sim_answer_error(x, strcmp(message, "Not Found") == 0 ? 404 : 422, x->route->doc, message);
    }
}

/* ---- branches ---- */

static json_t *git_branch_short(struct sim_exchange *x, const char *name, const git_oid *oid)
{
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), oid);
    return json_pack("{s:s, s:{s:s, s:o}, s:b}", "name", rb_sim_utf8(x->arena, name, strlen(name)), "commit",
                     "sha", sha, "url",
                     json_sprintf("%s/repos/%s/%s/commits/%s", x->base, x->repo->owner, x->repo->name, sha),
                     "protected", 0);
}

void rb_sim_git_branches(struct sim_exchange *x)
{
    git_branch_iterator *iterator = NULL;
    git_reference *reference = NULL;
    git_branch_t type = GIT_BRANCH_LOCAL;
    json_t *all = json_array();
    if (git_branch_iterator_new(&iterator, x->repo->git, GIT_BRANCH_LOCAL) == 0) {
        while (git_branch_next(&reference, &type, iterator) == 0) {
            const char *name = NULL;
            const git_oid *oid = git_reference_target(reference);
            if (oid != NULL && git_branch_name(&name, reference) == 0) {
                json_array_append_new(all, git_branch_short(x, name, oid));
            }
            git_reference_free(reference);
        }
    }
    git_branch_iterator_free(iterator);
    size_t first = 0;
    size_t end = 0;
    rb_sim_page(x, json_array_size(all), &first, &end);
    json_t *page = json_array();
    for (size_t i = first; i < end; i++) {
        json_array_append(page, json_array_get(all, i));
    }
    json_decref(all);
    rb_sim_answer_json(x, 200, page);
}

void rb_sim_git_branch(struct sim_exchange *x)
{
    git_object *found = NULL;
    if (git_find_ref(&found, x->repo->git, "refs/heads/", x->args[2]) != 0) {
        rb_sim_answer_error(x, 404, x->route->doc, "Branch not found");
        return;
    }
    git_commit *commit = (git_commit *)found;
    json_t *json = git_branch_short(x, x->args[2], git_commit_id(commit));
    const char *escaped = rb_sim_escape(x->arena, x->args[2]);
    char *self = rb_arena_printf(x->arena, "%s/repos/%s/%s/branches/%s", x->base, x->repo->owner,
                                 x->repo->name, escaped);
    char *html =
        rb_arena_printf(x->arena, "https://github.com/%s/%s/tree/%s", x->repo->owner, x->repo->name, escaped);
    json_object_set_new(json, "commit", rb_sim_shape_commit(x->base, x->repo, commit, x->arena));
    json_object_set_new(json, "_links", json_pack("{s:s, s:s}", "self", self, "html", html));
    json_object_set_new(json, "protection",
                        json_pack("{s:b, s:{s:s, s:[], s:[]}}", "enabled", 0, "required_status_checks",
                                  "enforcement_level", "off", "contexts", "checks"));
    json_object_set_new(json, "protection_url", json_sprintf("%s/protection", self));
    git_commit_free(commit);
    rb_sim_answer_json(x, 200, json);
}

/* ---- commits ---- */

void rb_sim_git_commits(struct sim_exchange *x)
{
    const char *ref = rb_sim_query(x, "sha");
    git_commit *start = NULL;
    rb_err err = rb_sim_git_resolve(&start, x->repo->git, ref != NULL && *ref != '\0' ? ref : "HEAD");
    if (err != RB_OK) {
        rb_sim_git_refuse(x, err, "Not Found");
        return;
    }
    git_revwalk *walk = NULL;
    json_t *list = json_array();
    size_t total = 0;
    git_oid oid;
    if (git_revwalk_new(&walk, x->repo->git) == 0 && git_revwalk_sorting(walk, GIT_SORT_TIME) == 0 &&
        git_revwalk_push(walk, git_commit_id(start)) == 0) {
        while (git_revwalk_next(&oid, walk) == 0) {
            total++;
        }
    }
    size_t first = 0;
    size_t end = 0;
    rb_sim_page(x, total, &first, &end);
    if (walk != NULL && git_revwalk_push(walk, git_commit_id(start)) == 0) {
        git_commit *commit = NULL;
        for (size_t i = 0; i < end && git_revwalk_next(&oid, walk) == 0; i++) {
            if (i >= first && git_commit_lookup(&commit, x->repo->git, &oid) == 0) {
                json_array_append_new(list, rb_sim_shape_commit(x->base, x->repo, commit, x->arena));
                git_commit_free(commit);
            }
        }
    }
    git_revwalk_free(walk);
    git_commit_free(start);
    rb_sim_answer_json(x, 200, list);
}

void rb_sim_git_commit(struct sim_exchange *x)
{
    git_commit *commit = NULL;
    rb_err err = rb_sim_git_resolve(&commit, x->repo->git, x->args[2]);
    if (err != RB_OK) {
        rb_sim_git_refuse(x, err, rb_arena_printf(x->arena, "No commit found for SHA: %s", x->args[2]));
        return;
    }
    if (x->accept != NULL && strstr(x->accept, ".sha") != NULL) {
        char sha[GIT_OID_HEXSZ + 1];
        git_oid_tostr(sha, sizeof(sha), git_commit_id(commit));
        rb_sim_answer_bytes(x, 200, "application/vnd.github.sha; charset=utf-8", sha, strlen(sha));
    } else {
        rb_sim_answer_json(x, 200, rb_sim_shape_commit(x->base, x->repo, commit, x->arena));
    }
    git_commit_free(commit);
}

void rb_sim_git_commit_object(struct sim_exchange *x)
{
    git_oid oid;
    git_commit *commit = NULL;
    if (strlen(x->args[2]) != GIT_OID_HEXSZ || git_oid_fromstr(&oid, x->args[2]) != 0 ||
        git_commit_lookup(&commit, x->repo->git, &oid) != 0) {
        rb_err err = rb_sim_git_is_empty(x->repo->git) ? RB_ECONFLICT : RB_ENOTFOUND;
        rb_sim_git_refuse(x, err, "Not Found");
        return;
    }
    rb_sim_answer_json(x, 200, rb_sim_shape_commit_object(x->base, x->repo, commit, x->arena));
    git_commit_free(commit);
}
