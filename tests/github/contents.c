/* Blobs, and files by their path. */
#include "tests/github/standin.h"

#include <openssl/evp.h>
#include <string.h>

#define CONTENTS_INLINE_MAX   (1024L * 1024)       /* files beyond this come without their text */
#define CONTENTS_BLOB_MAX     (100L * 1024 * 1024) /* GitHub serves no larger ones */
#define CONTENTS_LISTING_MAX  1000                 /* entries of one folder */
#define CONTENTS_BASE64_INPUT 45             /* bytes that make one line of 60 characters, GitHub's width */
#define CONTENTS_MODULES_MAX  (1024L * 1024) /* bytes of .gitmodules that are read */

/* Lines of 60 characters, each with its line feed. malloc'd. */
static char *contents_base64(const void *data, size_t len)
{
    size_t lines = (len + CONTENTS_BASE64_INPUT - 1) / CONTENTS_BASE64_INPUT;
    char *out = rb_malloc(lines * 61 + 5);
    size_t at = 0;
    for (size_t i = 0; i < len; i += CONTENTS_BASE64_INPUT) {
        size_t take = len - i < CONTENTS_BASE64_INPUT ? len - i : CONTENTS_BASE64_INPUT;
        at += (size_t)EVP_EncodeBlock((unsigned char *)out + at, (const unsigned char *)data + i, (int)take);
        out[at++] = '\n';
    }
    out[at] = '\0';
    return out;
}

static bool contents_wants_raw(const struct sim_exchange *x)
{
    return x->accept != NULL && strstr(x->accept, "application/vnd.github") != NULL &&
           strstr(x->accept, "raw") != NULL;
}

static void contents_answer_raw(struct sim_exchange *x, const git_blob *blob)
{
    rb_sim_answer_bytes(x, 200, "application/vnd.github.raw+json; charset=utf-8", git_blob_rawcontent(blob),
                        (size_t)git_blob_rawsize(blob));
}

static bool contents_refuse_large(struct sim_exchange *x, const git_blob *blob)
{
    if (git_blob_rawsize(blob) <= CONTENTS_BLOB_MAX) {
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
        rb_err err = rb_sim_git_is_empty(x->repo->git) ? RB_ECONFLICT : RB_ENOTFOUND;
        rb_sim_git_refuse(x, err, "Not Found");
        return;
    }
    if (contents_wants_raw(x) && !contents_refuse_large(x, blob)) {
        contents_answer_raw(x, blob);
    } else if (!contents_refuse_large(x, blob)) {
        char *node_id = rb_sim_shape_node_id("04:Blob", sha);
        char *content = contents_base64(git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
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

static const char *contents_type_of(const git_tree_entry *entry)
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

/* What all that can be at a path has in common. GitHub lists submodules as files: `type` is the caller's. */
static json_t *contents_entry(struct sim_exchange *x, const git_tree_entry *entry, const char *path,
                              const char *ref, const char *type)
{
    const struct sim_repo *repo = x->repo;
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    bool is_blob = git_tree_entry_type(entry) == GIT_OBJECT_BLOB;
    const char *kind = is_blob ? "blob" : "tree";
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), git_tree_entry_id(entry));
    const char *escaped = rb_sim_escape(x->arena, path);
    ref = rb_sim_escape(x->arena, ref);
    char *self = rb_arena_printf(x->arena, "%s/repos/%s/%s/contents/%s?ref=%s", x->base, repo->owner,
                                 repo->name, escaped, ref);
    char *html = rb_arena_printf(x->arena, "https://github.com/%s/%s/%s/%s/%s", repo->owner, repo->name, kind,
                                 ref, escaped);
    char *git =
        rb_arena_printf(x->arena, "%s/repos/%s/%s/git/%ss/%s", x->base, repo->owner, repo->name, kind, sha);
    json_t *download = !is_blob ? json_null()
                                : json_sprintf("https://raw.githubusercontent.com/%s/%s/%s/%s", repo->owner,
                                               repo->name, ref, escaped);
    json_int_t size = 0;
    git_blob *blob = NULL;
    if (is_blob && git_blob_lookup(&blob, repo->git, git_tree_entry_id(entry)) == 0) {
        size = git_blob_rawsize(blob);
    }
    git_blob_free(blob);
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:s, s:{s:s, s:s, s:s}}", "name",
                     rb_sim_utf8(x->arena, name, strlen(name)), "path",
                     rb_sim_utf8(x->arena, path, strlen(path)), "sha", sha, "size", size, "url", self,
                     "html_url", html, "git_url", git, "download_url", download, "type", type, "_links",
                     "self", self, "git", git, "html", html);
}

static void contents_answer_listing(struct sim_exchange *x, const git_tree *tree, const char *folder,
                                    const char *ref)
{
    json_t *list = json_array();
    size_t count = git_tree_entrycount(tree);
    for (size_t i = 0; i < count && i < CONTENTS_LISTING_MAX; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        char *path = rb_arena_printf(x->arena, "%s%s%s", folder, *folder != '\0' ? "/" : "",
                                     git_tree_entry_name(entry));
        const char *type = contents_type_of(entry);
        // For clients of old, as docs.github.com says: only asked for itself does a submodule say what it is.
        type = strcmp(type, "submodule") == 0 ? "file" : type;
        json_array_append_new(list, contents_entry(x, entry, path, ref, type));
    }
    rb_sim_answer_json(x, 200, list);
}

/* ---- symlinks and submodules ---- */

/* Where the link at `path` leads to within the repository; NULL when it leads out of it. */
static char *contents_follow(struct rb_arena *arena, const char *path, const char *target)
{
    const char *slash = strrchr(path, '/');
    char *out = rb_arena_alloc(arena, strlen(path) + strlen(target) + 2);
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    memcpy(out, path, len);
    if (*target == '/') {
        return NULL;
    }
    while (*target != '\0') {
        size_t part = strcspn(target, "/");
        if (part == 2 && strncmp(target, "..", 2) == 0) {
            if (len == 0) {
                return NULL;
            }
            while (len > 0 && out[--len] != '/') {}
        } else if (part > 0 && !(part == 1 && *target == '.')) {
            if (len > 0) {
                out[len++] = '/';
            }
            memcpy(out + len, target, part);
            len += part;
        }
        target += part;
        target += *target == '/';
    }
    out[len] = '\0';
    return out;
}

/* A link to an ordinary file of the repository is that file, says GitHub; any other link is itself. */
static git_tree_entry *contents_behind(struct sim_exchange *x, const git_tree *tree,
                                       const git_tree_entry *link, const char *path)
{
    git_blob *blob = NULL;
    git_tree_entry *found = NULL;
    if (git_blob_lookup(&blob, x->repo->git, git_tree_entry_id(link)) != 0) {
        return NULL;
    }
    const char *text = rb_arena_strndup(x->arena, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    const char *target = contents_follow(x->arena, path, text);
    git_blob_free(blob);
    if (target != NULL && *target != '\0' && git_tree_entry_bypath(&found, tree, target) == 0 &&
        strcmp(contents_type_of(found), "file") != 0) {
        git_tree_entry_free(found);
        found = NULL;
    }
    return found;
}

/* The value of "key = value" in a line of .gitmodules, up to the line's end; NULL when it is another line. */
static const char *contents_setting(const char *line, const char *key)
{
    size_t len = strlen(key);
    line += strspn(line, " \t");
    if (strncmp(line, key, len) != 0) {
        return NULL;
    }
    line += len;
    line += strspn(line, " \t");
    return *line == '=' ? line + 1 + strspn(line + 1, " \t") : NULL;
}

/* What .gitmodules of this tree has as the address of the submodule at `path`; NULL when nothing. */
static char *contents_module_url(struct sim_exchange *x, const git_tree *tree, const char *path)
{
    const git_tree_entry *entry = git_tree_entry_byname(tree, ".gitmodules");
    git_blob *blob = NULL;
    char *url = NULL;
    bool is_it = false;
    if (entry == NULL || git_blob_lookup(&blob, x->repo->git, git_tree_entry_id(entry)) != 0) {
        return NULL;
    }
    size_t size = (size_t)git_blob_rawsize(blob);
    size = size < (size_t)CONTENTS_MODULES_MAX ? size : (size_t)CONTENTS_MODULES_MAX;
    for (const char *line = rb_arena_strndup(x->arena, git_blob_rawcontent(blob), size); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        const char *value = NULL;
        if (line[strspn(line, " \t")] == '[') {
            if (is_it && url != NULL) {
                break;
            }
            is_it = false;
            url = NULL;
        } else if ((value = contents_setting(line, "path")) != NULL) {
            is_it = strlen(path) == strcspn(value, "\r\n") && strncmp(value, path, strlen(path)) == 0;
        } else if ((value = contents_setting(line, "url")) != NULL) {
            url = rb_arena_strndup(x->arena, value, strcspn(value, "\r\n"));
        }
        line += len;
        line += *line == '\n';
    }
    git_blob_free(blob);
    return is_it ? url : NULL;
}

static void contents_answer_submodule(struct sim_exchange *x, const git_tree *tree,
                                      const git_tree_entry *entry, const char *path, const char *ref)
{
    json_t *json = contents_entry(x, entry, path, ref, "submodule");
    char *url = contents_module_url(x, tree, path);
    json_object_set_new(json, "submodule_git_url",
                        url != NULL ? json_string(rb_sim_utf8(x->arena, url, strlen(url))) : json_null());
    // Its pages are those of another repository, which need not be GitHub's: GitHub says null then.
    json_t *links = json_object_get(json, "_links");
    json_object_set_new(json, "html_url", json_null());
    json_object_set_new(json, "git_url", json_null());
    json_object_set_new(links, "html", json_null());
    json_object_set_new(links, "git", json_null());
    rb_sim_answer_json(x, 200, json);
}

/* ---- one file ---- */

static void contents_answer_file(struct sim_exchange *x, const git_tree_entry *entry, const char *path,
                                 const char *ref)
{
    git_blob *blob = NULL;
    if (git_blob_lookup(&blob, x->repo->git, git_tree_entry_id(entry)) != 0) {
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
        return;
    }
    const char *type = contents_type_of(entry);
    size_t size = (size_t)git_blob_rawsize(blob);
    if (contents_wants_raw(x)) {
        if (!contents_refuse_large(x, blob)) {
            contents_answer_raw(x, blob);
        }
        git_blob_free(blob);
        return;
    }
    json_t *json = contents_entry(x, entry, path, ref, type);
    if (strcmp(type, "symlink") == 0) {
        json_object_set_new(json, "target",
                            json_string(rb_sim_utf8(x->arena, git_blob_rawcontent(blob), size)));
    } else if (size > (size_t)CONTENTS_INLINE_MAX) {
        json_object_set_new(json, "content", json_string(""));
        json_object_set_new(json, "encoding", json_string("none"));
    } else {
        char *content = contents_base64(git_blob_rawcontent(blob), size);
        json_object_set_new(json, "content", json_string(content));
        json_object_set_new(json, "encoding", json_string("base64"));
        free(content);
    }
    git_blob_free(blob);
    rb_sim_answer_json(x, 200, json);
}

static void contents_answer_path(struct sim_exchange *x, const git_tree *tree, const char *path,
                                 const char *ref)
{
    git_tree *folder = NULL;
    git_tree_entry *entry = NULL;
    if (*path == '\0') {
        contents_answer_listing(x, tree, "", ref);
        return;
    }
    if (git_tree_entry_bypath(&entry, tree, path) != 0) {
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
        return;
    }
    const char *type = contents_type_of(entry);
    if (git_tree_lookup(&folder, x->repo->git, git_tree_entry_id(entry)) == 0) {
        contents_answer_listing(x, folder, path, ref);
    } else if (strcmp(type, "submodule") == 0) {
        contents_answer_submodule(x, tree, entry, path, ref);
    } else {
        git_tree_entry *behind = strcmp(type, "symlink") == 0 ? contents_behind(x, tree, entry, path) : NULL;
        contents_answer_file(x, behind != NULL ? behind : entry, path, ref);
        git_tree_entry_free(behind);
    }
    git_tree_free(folder);
    git_tree_entry_free(entry);
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
    rb_err err = rb_sim_git_resolve(&commit, x->repo->git, ref);
    if (err != RB_OK) {
        rb_sim_answer_error(x, 404, x->route->doc,
                            err == RB_ECONFLICT
                                ? "This repository is empty."
                                : rb_arena_printf(x->arena, "No commit found for the ref %s", ref));
    } else if (git_commit_tree(&tree, commit) != 0) {
        rb_sim_answer_error(x, 500, x->route->doc, "Server Error");
    } else {
        contents_answer_path(x, tree, path, ref);
    }
    git_tree_free(tree);
    git_commit_free(commit);
}
