/* Requests, as pure functions: paths, bodies, nothing that could fail but memory. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/github/internal.h"

#define ACCEPT_JSON "application/vnd.github+json"
#define ACCEPT_RAW  "application/vnd.github.raw+json"

#define BLOB_COMMON     1048576 /* bytes that arrive within the time of any request */
#define TREE_TIMEOUT_MS 60000   /* GitHub may think for 10 s, and then send 25 MB */

/* ---- names -------------------------------------------------------------------------------------------- */

static bool name_is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool rb_github_owner_is_valid(const char *owner, size_t len)
{
    if (len == 0 || len > 39 || owner[0] == '-' || owner[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!name_is_letter_or_digit(owner[i]) && owner[i] != '-' && owner[i] != '_')
            return false;
    }
    return true;
}

bool rb_github_repo_is_valid(const char *repo, size_t len)
{
    if (len == 0 || len > 100 || (len == 1 && repo[0] == '.') || (len == 2 && memcmp(repo, "..", 2) == 0))
        return false;
    if (len >= 4 && memcmp(repo + len - 4, ".git", 4) == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!name_is_letter_or_digit(repo[i]) && repo[i] != '-' && repo[i] != '.' && repo[i] != '_')
            return false;
    }
    return true;
}

/* ---- building ----------------------------------------------------------------------------------------- */

void rb_github_request_clear(struct rb_github_request *request)
{
    if (request->body)
        explicit_bzero(request->body, strlen(request->body)); /* it may hold a hook's secret */
    free(request->path);
    free(request->body);
    free(request->etag);
    free(request->traceparent);
    *request = (struct rb_github_request){0};
}

static void request_start(struct rb_github_request *request, enum rb_github_method method, const char *name,
                          char *path)
{
    *request =
        (struct rb_github_request){.method = method, .path = path, .accept = ACCEPT_JSON, .name = name};
}

char *github_encode(const char *text, const char *keep)
{
    char *out = rb_malloc(strlen(text) * 3 + 1), *at = out;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (name_is_letter_or_digit((char)*c) || strchr("-._~", *c) || strchr(keep, *c))
            *at++ = (char)*c;
        else
            at += snprintf(at, 4, "%%%02X", *c);
    }
    *at = '\0';
    return out;
}

/* As it stands in JSON, with its quotes. Jansson escapes; secrets and most URLs have nothing to escape. */
static char *request_json_text(const char *text)
{
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~:/";
    if (text[strspn(text, plain)] == '\0')
        return rb_asprintf("\"%s\"", text);
    json_t *json = json_string(text);
    char *quoted = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    return quoted ? quoted
                  : rb_strdup("null"); /* only when an URL is not UTF-8: GitHub then says what is missing */
}

/* The body of a hook, as docs.github.com, "Create a repository webhook", has it. */
static char *request_hook_body(const struct rb_github_hook_config *config, bool with_name)
{
    char *url = request_json_text(config->url), *secret = request_json_text(config->secret);
    char *body =
        rb_asprintf("{\"active\":true,\"events\":[\"pull_request\",\"issues\"],\"config\":{\"url\":%s,"
                    "\"content_type\":\"json\",\"insecure_ssl\":\"0\",\"secret\":%s}%s}",
                    url, secret, with_name ? ",\"name\":\"web\"" : "");
    explicit_bzero(secret, strlen(secret));
    free(secret);
    free(url);
    return body;
}

void rb_github_get_user(struct rb_github_request *request)
{
    request_start(request, RB_GITHUB_GET, "read user", rb_strdup("/user"));
}

void rb_github_get_repo(struct rb_github_request *request, const char *owner, const char *repo)
{
    request_start(request, RB_GITHUB_GET, "read repository", rb_asprintf("/repos/%s/%s", owner, repo));
}

void rb_github_create_hook(struct rb_github_request *request, const char *owner, const char *repo,
                           const struct rb_github_hook_config *config)
{
    request_start(request, RB_GITHUB_POST, "create hook", rb_asprintf("/repos/%s/%s/hooks", owner, repo));
    request->body = request_hook_body(config, true);
}

void rb_github_list_hooks(struct rb_github_request *request, const char *owner, const char *repo, int page)
{
    request_start(request, RB_GITHUB_GET, "list hooks",
                  rb_asprintf("/repos/%s/%s/hooks?per_page=100&page=%d", owner, repo, page));
}

void rb_github_update_hook(struct rb_github_request *request, const char *owner, const char *repo,
                           int64_t hook_id, const struct rb_github_hook_config *config)
{
    request_start(request, RB_GITHUB_PATCH, "update hook",
                  rb_asprintf("/repos/%s/%s/hooks/%lld", owner, repo, (long long)hook_id));
    request->body = request_hook_body(config, false);
}

void rb_github_delete_hook(struct rb_github_request *request, const char *owner, const char *repo,
                           int64_t hook_id)
{
    request_start(request, RB_GITHUB_DELETE, "delete hook",
                  rb_asprintf("/repos/%s/%s/hooks/%lld", owner, repo, (long long)hook_id));
}

void rb_github_get_commit(struct rb_github_request *request, const char *owner, const char *repo,
                          const char *ref, const char *etag)
{
    char *encoded = github_encode(ref, "/");
    request_start(request, RB_GITHUB_GET, "read commit",
                  rb_asprintf("/repos/%s/%s/commits/%s", owner, repo, encoded));
    request->etag = etag && *etag ? rb_strdup(etag) : NULL;
    free(encoded);
}

void rb_github_get_tree(struct rb_github_request *request, const char *owner, const char *repo,
                        const char *tree_sha, bool recursive)
{
    request_start(
        request, RB_GITHUB_GET, "read tree",
        rb_asprintf("/repos/%s/%s/git/trees/%s%s", owner, repo, tree_sha, recursive ? "?recursive=1" : ""));
    request->timeout_ms = TREE_TIMEOUT_MS;
}

void rb_github_get_blob(struct rb_github_request *request, const char *owner, const char *repo,
                        const char *sha, size_t max_bytes)
{
    request_start(request, RB_GITHUB_GET, "read file",
                  rb_asprintf("/repos/%s/%s/git/blobs/%s", owner, repo, sha));
    request->accept = ACCEPT_RAW;
    request->body_max = max_bytes;
    if (max_bytes > BLOB_COMMON)
        request->timeout_ms = TREE_TIMEOUT_MS;
}
