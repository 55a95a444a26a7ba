/*
 * Files of a pull request. The repository on disk says what it is, as GitHub's own does: its head is
 * refs/pull/N/head, and its files are what differs from where it left the default branch.
 */
#include "tests/github/standin.h"

#include <string.h>

#define PULLS_FILES_MAX 3000 /* GitHub lists no more */

static const char *pulls_status(git_delta_t status)
{
    switch (status) {
    case GIT_DELTA_ADDED:
        return "added";
    case GIT_DELTA_DELETED:
        return "removed";
    case GIT_DELTA_RENAMED:
        return "renamed";
    default:
        return "modified";
    }
}

static json_t *pulls_shape(struct sim_exchange *x, git_diff *diff, size_t at, const char *head)
{
    const git_diff_delta *delta = git_diff_get_delta(diff, at);
    const char *path = delta->status == GIT_DELTA_DELETED ? delta->old_file.path : delta->new_file.path;
    const char *shown = rb_sim_utf8(x->arena, path, strlen(path));
    const struct sim_repo *repo = x->repo;
    char sha[GIT_OID_HEXSZ + 1];
    size_t added = 0;
    size_t removed = 0;
    git_patch *patch = NULL;
    git_oid_tostr(sha, sizeof(sha),
                  delta->status == GIT_DELTA_DELETED ? &delta->old_file.id : &delta->new_file.id);
    if (git_patch_from_diff(&patch, diff, at) == 0 && patch != NULL) {
        git_patch_line_stats(NULL, &added, &removed, patch);
    }
    git_patch_free(patch);
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "sha", sha, "filename", shown, "status",
                             pulls_status(delta->status), "additions", (json_int_t)added, "deletions",
                             (json_int_t)removed, "changes", (json_int_t)added + (json_int_t)removed);
    json_object_set_new(
        json, "blob_url",
        json_sprintf("https://github.com/%s/%s/blob/%s/%s", repo->owner, repo->name, head, shown));
    json_object_set_new(
        json, "raw_url",
        json_sprintf("https://github.com/%s/%s/raw/%s/%s", repo->owner, repo->name, head, shown));
    json_object_set_new(
        json, "contents_url",
        json_sprintf("%s/repos/%s/%s/contents/%s?ref=%s", x->base, repo->owner, repo->name, shown, head));
    if (delta->status == GIT_DELTA_RENAMED) {
        const char *old = delta->old_file.path;
        json_object_set_new(json, "previous_filename", json_string(rb_sim_utf8(x->arena, old, strlen(old))));
    }
    return json;
}

/* What the pull request changes since it left the default branch; NULL: there is none of this number. */
static git_diff *pulls_diff(char head_sha[GIT_OID_HEXSZ + 1], git_repository *git, const char *number)
{
    char name[64];
    git_oid head;
    git_oid trunk;
    git_oid fork;
    git_commit *commits[2] = {NULL, NULL};
    git_tree *trees[2] = {NULL, NULL};
    git_diff *diff = NULL;
    git_diff_find_options find;
    git_diff_find_options_init(&find, GIT_DIFF_FIND_OPTIONS_VERSION);
    find.flags = GIT_DIFF_FIND_RENAMES;
    snprintf(name, sizeof(name), "refs/pull/%.20s/head", number);
    if (git_reference_name_to_id(&head, git, name) == 0 &&
        git_reference_name_to_id(&trunk, git, "HEAD") == 0 &&
        git_merge_base(&fork, git, &trunk, &head) == 0 && git_commit_lookup(&commits[0], git, &fork) == 0 &&
        git_commit_lookup(&commits[1], git, &head) == 0 && git_commit_tree(&trees[0], commits[0]) == 0 &&
        git_commit_tree(&trees[1], commits[1]) == 0 &&
        git_diff_tree_to_tree(&diff, git, trees[0], trees[1], NULL) == 0) {
        git_diff_find_similar(diff, &find);
        git_oid_tostr(head_sha, GIT_OID_HEXSZ + 1, &head);
    }
    for (size_t i = 0; i < 2; i++) {
        git_tree_free(trees[i]);
        git_commit_free(commits[i]);
    }
    return diff;
}

void rb_sim_pulls_files(struct sim_exchange *x)
{
    char head[GIT_OID_HEXSZ + 1];
    git_diff *diff = pulls_diff(head, x->repo->git, x->args[2]);
    if (diff == NULL) {
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
        return;
    }
    size_t total = git_diff_num_deltas(diff);
    size_t first = 0;
    size_t end = 0;
    rb_sim_page(x, total < PULLS_FILES_MAX ? total : PULLS_FILES_MAX, &first, &end);
    json_t *list = json_array();
    for (size_t i = first; i < end; i++) {
        json_array_append_new(list, pulls_shape(x, diff, i, head));
    }
    git_diff_free(diff);
    rb_sim_answer_json(x, 200, list);
}
