/* Branches, commits, blobs and contents, read from the repository on disk as it is now. */
#include "tests/github/standin.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define GIT_INLINE_MAX   (1024 * 1024)       /* contents beyond this come without their text */
#define GIT_BLOB_MAX     (100 * 1024 * 1024) /* GitHub serves no larger ones */
#define GIT_LISTING_MAX  1000                /* entries of one folder in contents */
#define GIT_BASE64_INPUT 45                  /* bytes that make one line of 60 characters, GitHub's width */

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

static int git_find(git_object **out, git_repository *git, const char *ref)
{
    char branch[256];
    rb_sim_git_default_branch(branch, git);
    if (strcmp(ref, "HEAD") == 0) {
        return git_revparse_single(out, git, "HEAD");
    }
    static const char *const forms[] = {"refs/heads/%s", "refs/tags/%s", "refs/%s"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        git_reference *found = NULL;
        git_reference *direct = NULL;
        char name[600];
        snprintf(name, sizeof(name), "%s%s", i == 0 ? "refs/heads/" : i == 1 ? "refs/tags/" : "refs/", ref);
        int result = git_reference_lookup(&found, git, name);
        result = result != 0 ? result : git_reference_resolve(&direct, found);
        result = result != 0 ? result : git_reference_peel(out, direct, GIT_OBJECT_COMMIT);
        git_reference_free(direct);
        git_reference_free(found);
        if (result == 0) {
            return 0;
        }
    }
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

rb_err rb_sim_git_resolve(git_commit **out, git_repository *git, const char *ref)
{
    if (git_repository_head_unborn(git) == 1) {
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
    git_commit *commit = NULL;
    char name[600];
    snprintf(name, sizeof(name), "heads/%s", x->args[2]);
    if (rb_sim_git_resolve(&commit, x->repo->git, name) != RB_OK) {
        rb_sim_answer_error(x, 404, x->route->doc, "Branch not found");
        return;
    }
    json_t *json = git_branch_short(x, x->args[2], git_commit_id(commit));
    char *self = rb_arena_printf(x->arena, "%s/repos/%s/%s/branches/%s", x->base, x->repo->owner,
                                 x->repo->name, x->args[2]);
    char *html = rb_arena_printf(x->arena, "https://github.com/%s/%s/tree/%s", x->repo->owner, x->repo->name,
                                 x->args[2]);
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
    if (git_revwalk_new(&walk, x->repo->git) == 0 && git_revwalk_push(walk, git_commit_id(start)) == 0) {
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
        rb_err err = git_repository_head_unborn(x->repo->git) == 1 ? RB_ECONFLICT : RB_ENOTFOUND;
        rb_sim_git_refuse(x, err, "Not Found");
        return;
    }
    rb_sim_answer_json(x, 200, rb_sim_shape_commit_object(x->base, x->repo, commit, x->arena));
    git_commit_free(commit);
}

/* ---- blobs and contents ---- */

/* Lines of 60 characters, each with its line feed. malloc'd. */
static char *git_base64(const void *data, size_t len)
{
    size_t lines = (len + GIT_BASE64_INPUT - 1) / GIT_BASE64_INPUT;
    char *out = rb_malloc(lines * 61 + 5);
    size_t at = 0;
    for (size_t i = 0; i < len; i += GIT_BASE64_INPUT) {
        size_t take = len - i < GIT_BASE64_INPUT ? len - i : GIT_BASE64_INPUT;
        at += (size_t)EVP_EncodeBlock((unsigned char *)out + at, (const unsigned char *)data + i, (int)take);
        out[at++] = '\n';
    }
    out[at] = '\0';
    return out;
}

static bool git_wants_raw(const struct sim_exchange *x)
{
    return x->accept != NULL && strstr(x->accept, "application/vnd.github") != NULL &&
           strstr(x->accept, "raw") != NULL;
}

static void git_answer_raw(struct sim_exchange *x, const git_blob *blob)
{
    rb_sim_answer_bytes(x, 200, "application/vnd.github.raw+json; charset=utf-8", git_blob_rawcontent(blob),
                        (size_t)git_blob_rawsize(blob));
}

static bool git_refuse_large(struct sim_exchange *x, const git_blob *blob)
{
    if (git_blob_rawsize(blob) <= GIT_BLOB_MAX) {
        return false;
    }
    json_t *errors = json_pack("[{s:s, s:s, s:s}]", "resource", "Blob", "field", "data", "code", "too_large");
    rb_sim_answer_json(
        x, 403,
        json_pack("{s:s, s:o, s:s}", "message",
                  "This API returns blobs up to 100 MB in size. The requested blob is too large to fetch "
                  "via the API, but you can always clone the repository via Git in order to obtain it.",
                  "errors", errors, "documentation_url", "https://docs.github.com/rest/git/blobs"));
    return true;
}

void rb_sim_git_blob(struct sim_exchange *x)
{
    git_oid oid;
    git_blob *blob = NULL;
    const char *sha = x->args[2];
    if (strlen(sha) != GIT_OID_HEXSZ || git_oid_fromstr(&oid, sha) != 0) {
        rb_sim_answer_error(x, 422, x->route->doc,
                            "The sha parameter must be exactly 40 characters and contain only "
                            "[0-9a-f].");
        return;
    }
    if (git_blob_lookup(&blob, x->repo->git, &oid) != 0) {
        rb_err err = git_repository_head_unborn(x->repo->git) == 1 ? RB_ECONFLICT : RB_ENOTFOUND;
        rb_sim_git_refuse(x, err, "Not Found");
        return;
    }
    if (git_wants_raw(x) && !git_refuse_large(x, blob)) {
        git_answer_raw(x, blob);
    } else if (!git_refuse_large(x, blob)) {
        char *node_id = rb_sim_shape_node_id("04:Blob", sha);
        char *content = git_base64(git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
        rb_sim_answer_json(x, 200,
                           json_pack("{s:s, s:s, s:I, s:o, s:s, s:s}", "sha", sha, "node_id", node_id, "size",
                                     (json_int_t)git_blob_rawsize(blob), "url",
                                     json_sprintf("%s/repos/%s/%s/git/blobs/%s", x->base, x->repo->owner,
                                                  x->repo->name, sha),
                                     "content", content, "encoding", "base64"));
        free(content);
        free(node_id);
    }
    git_blob_free(blob);
}

static const char *git_content_type(const git_tree_entry *entry)
{
    switch (git_tree_entry_filemode(entry)) {
    case GIT_FILEMODE_TREE:
        return "dir";
    case GIT_FILEMODE_LINK:
        return "symlink";
    case GIT_FILEMODE_COMMIT:
        return "submodule";
    default:
        return "file";
    }
}

/* The path with everything that means something in an address escaped. */
static char *git_escape(struct sim_exchange *x, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t len = strlen(path);
    char *out = rb_arena_alloc(x->arena, len * 3 + 1);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if (strchr(plain, path[i]) != NULL) {
            out[at++] = path[i];
        } else {
            at += (size_t)snprintf(out + at, 4, "%%%02X", (unsigned char)path[i]);
        }
    }
    return out;
}

static json_t *git_content(struct sim_exchange *x, const git_tree_entry *entry, const char *path,
                           const char *ref)
{
    const struct sim_repo *repo = x->repo;
    const char *type = git_content_type(entry);
    const char *name = git_tree_entry_name(entry);
    bool is_file = strcmp(type, "file") == 0 || strcmp(type, "symlink") == 0;
    const char *kind = is_file ? "blob" : "tree";
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), git_tree_entry_id(entry));
    char *escaped = git_escape(x, path);
    char *self = rb_arena_printf(x->arena, "%s/repos/%s/%s/contents/%s?ref=%s", x->base, repo->owner,
                                 repo->name, escaped, ref);
    char *html = rb_arena_printf(x->arena, "https://github.com/%s/%s/%s/%s/%s", repo->owner, repo->name, kind,
                                 ref, escaped);
    char *git =
        rb_arena_printf(x->arena, "%s/repos/%s/%s/git/%ss/%s", x->base, repo->owner, repo->name, kind, sha);
    json_t *download = !is_file ? json_null()
                                : json_sprintf("https://raw.githubusercontent.com/%s/%s/%s/%s", repo->owner,
                                               repo->name, ref, escaped);
    json_int_t size = 0;
    git_blob *blob = NULL;
    if (is_file && git_blob_lookup(&blob, repo->git, git_tree_entry_id(entry)) == 0) {
        size = git_blob_rawsize(blob);
    }
    git_blob_free(blob);
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:s, s:{s:s, s:s, s:s}}", "name",
                     rb_sim_utf8(x->arena, name, strlen(name)), "path",
                     rb_sim_utf8(x->arena, path, strlen(path)), "sha", sha, "size", size, "url", self,
                     "html_url", html, "git_url", git, "download_url", download, "type", type, "_links",
                     "self", self, "git", git, "html", html);
}

static void git_answer_listing(struct sim_exchange *x, const git_tree *tree, const char *folder,
                               const char *ref)
{
    json_t *list = json_array();
    size_t count = git_tree_entrycount(tree);
    for (size_t i = 0; i < count && i < GIT_LISTING_MAX; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        char *path = rb_arena_printf(x->arena, "%s%s%s", folder, *folder != '\0' ? "/" : "",
                                     git_tree_entry_name(entry));
        json_array_append_new(list, git_content(x, entry, path, ref));
    }
    rb_sim_answer_json(x, 200, list);
}

static void git_answer_file(struct sim_exchange *x, const git_tree_entry *entry, const char *path,
                            const char *ref)
{
    git_blob *blob = NULL;
    json_t *json = git_content(x, entry, path, ref);
    const char *type = git_content_type(entry);
    if (strcmp(type, "submodule") == 0) {
        json_object_set_new(
            json, "submodule_git_url",
            json_sprintf("https://github.com/%s/%s.git", x->repo->owner, git_tree_entry_name(entry)));
    } else if (git_blob_lookup(&blob, x->repo->git, git_tree_entry_id(entry)) != 0) {
        json_decref(json);
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
        return;
    } else if (git_wants_raw(x)) {
        json_decref(json);
        if (!git_refuse_large(x, blob)) {
            git_answer_raw(x, blob);
        }
        git_blob_free(blob);
        return;
    } else if (strcmp(type, "symlink") == 0) {
        json_object_set_new(
            json, "target",
            json_string(rb_sim_utf8(x->arena, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob))));
    } else if (git_blob_rawsize(blob) > GIT_INLINE_MAX) {
        json_object_set_new(json, "content", json_string(""));
        json_object_set_new(json, "encoding", json_string("none"));
    } else {
        char *content = git_base64(git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
        json_object_set_new(json, "content", json_string(content));
        json_object_set_new(json, "encoding", json_string("base64"));
        free(content);
    }
    git_blob_free(blob);
    rb_sim_answer_json(x, 200, json);
}

void rb_sim_git_contents(struct sim_exchange *x)
{
    char branch[256];
    const char *path = x->arg_count > 2 ? x->args[2] : "";
    const char *ref = rb_sim_query(x, "ref");
    rb_sim_git_default_branch(branch, x->repo->git);
    ref = ref != NULL && *ref != '\0' ? ref : branch;
    git_commit *commit = NULL;
    git_tree *tree = NULL;
    git_tree *folder = NULL;
    git_tree_entry *entry = NULL;
    rb_err err = rb_sim_git_resolve(&commit, x->repo->git, ref);
    if (err != RB_OK) {
        rb_sim_answer_error(x, 404, x->route->doc,
                            err == RB_ECONFLICT
                                ? "This repository is empty."
                                : rb_arena_printf(x->arena, "No commit found for the ref %s", ref));
    } else if (git_commit_tree(&tree, commit) != 0) {
        rb_sim_answer_error(x, 500, x->route->doc, "Server Error");
    } else if (*path == '\0') {
        git_answer_listing(x, tree, "", ref);
    } else if (git_tree_entry_bypath(&entry, tree, path) != 0) {
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
    } else if (git_tree_lookup(&folder, x->repo->git, git_tree_entry_id(entry)) == 0) {
        git_answer_listing(x, folder, path, ref);
    } else {
        git_answer_file(x, entry, path, ref);
    }
    git_tree_entry_free(entry);
    git_tree_free(folder);
    git_tree_free(tree);
    git_commit_free(commit);
}
