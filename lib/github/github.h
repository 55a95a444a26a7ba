/*
 * lib/github: the GitHub client.
 *
 * Requests are built and answers read by pure functions. One I/O thread with a curl multi handle runs them;
 * on top of it a caller either gives a callback (edge) or waits (subscribers). One budget per token: at most
 * RB_GITHUB_IN_FLIGHT requests at once, writes one after another, nothing before the time that a rate limit
 * or Retry-After named, at most two hours (docs.github.com, "Best practices for using the REST API"). Over
 * all tokens 256 are under way at most, shared out evenly. Redirects (a renamed repository) are followed on
 * the same host only. Bodies are bounded. Tokens are copied, wiped after use, never logged.
 */
#ifndef RB_GITHUB_H
#define RB_GITHUB_H

#include <jansson.h>

#include "lib/base/base.h"

#define RB_GITHUB_IN_FLIGHT 16
#define RB_GITHUB_BODY_MAX \
    (32 * 1024 * 1024) /* a tree answer is at most 7 MB of entries, about 25 MB of JSON */

/* ---- names -------------------------------------------------------------------------------------------- */

/* GitHub's rules: owner 1-39 of [A-Za-z0-9-], no hyphen at either end (enterprise users may hold '_');
 * repository 1-100 of [A-Za-z0-9._-], not "." or "..", not ending in ".git". */
bool rb_github_owner_is_valid(const char *owner, size_t len);
bool rb_github_repo_is_valid(const char *repo, size_t len);

/* ---- requests ----------------------------------------------------------------------------------------- */

enum rb_github_method { RB_GITHUB_GET, RB_GITHUB_POST, RB_GITHUB_PATCH, RB_GITHUB_DELETE, RB_GITHUB_PUT };
/* Built by the functions below, owned by the caller until submitted. */
struct rb_github_request {
    enum rb_github_method method;
    char *path;         /* "/repos/a/b/hooks?per_page=100&page=1", appended to the API's base address */
    char *body;         /* JSON or NULL */
    char *etag;         /* sent as If-None-Match, or NULL */
    char *traceparent;  /* W3C, or NULL */
    const char *accept; /* static: "application/vnd.github+json" or "application/vnd.github.raw+json" */
    const char *name;   /* static: for metrics and messages, such as "create hook" */
    const char *base;   /* another address than the API's, asked without a token; NULL: the API. Borrowed. */
    bool is_query;      /* a reading by GraphQL: another address, a budget of points of its own, no write */
    size_t body_max;    /* 0: RB_GITHUB_BODY_MAX */
    int timeout_ms;     /* whole request, 0: the client's default */
};
void rb_github_request_clear(struct rb_github_request *request);

/* What a hook of ours looks like on GitHub: events pull_request and issues, active, json, insecure_ssl "0".
 */
struct rb_github_hook_config {
    const char *url;
    const char *secret;
};
void rb_github_get_user(struct rb_github_request *request);
void rb_github_get_repo(struct rb_github_request *request, const char *owner, const char *repo);
void rb_github_create_hook(struct rb_github_request *request, const char *owner, const char *repo,
                           const struct rb_github_hook_config *config);
void rb_github_list_hooks(struct rb_github_request *request, const char *owner, const char *repo, int page);
void rb_github_update_hook(struct rb_github_request *request, const char *owner, const char *repo,
                           int64_t hook_id, const struct rb_github_hook_config *config);
void rb_github_delete_hook(struct rb_github_request *request, const char *owner, const char *repo,
                           int64_t hook_id);
/* A page of what the token's person owns, may push to, or sees through an organization, oldest first. */
#define RB_GITHUB_REPOS_PAGE 100 /* GitHub's maximum */
void rb_github_list_repos(struct rb_github_request *request, int page, const char *etag);
/* By number, which names do not change; followed when GitHub redirects. */
void rb_github_get_repo_by_id(struct rb_github_request *request, int64_t repo_id);
void rb_github_get_hook(struct rb_github_request *request, const char *owner, const char *repo,
                        int64_t hook_id);
/* What became of the events of a hook, newest first, of the last three days; `cursor` "": the first page. */
void rb_github_list_deliveries(struct rb_github_request *request, const char *owner, const char *repo,
                               int64_t hook_id, const char *cursor);
void rb_github_redeliver(struct rb_github_request *request, const char *owner, const char *repo,
                         int64_t hook_id, int64_t delivery_id);
void rb_github_get_commit(struct rb_github_request *request, const char *owner, const char *repo,
                          const char *ref, const char *etag);
void rb_github_get_tree(struct rb_github_request *request, const char *owner, const char *repo,
                        const char *tree_sha, bool recursive);
void rb_github_get_blob(struct rb_github_request *request, const char *owner, const char *repo,
                        const char *sha, size_t max_bytes); /* raw media type: the body is the file */
/* A page of the files a pull request changes, 100 of at most 3,000. */
void rb_github_list_pull_files(struct rb_github_request *request, const char *owner, const char *repo,
                               int64_t number, int page);
/* A page of what is open, newest first: pull requests, or issues, whose list has the pull requests as well
 * (with a member "pull_request"). */
enum rb_github_kind { RB_GITHUB_OPEN_PULLS, RB_GITHUB_OPEN_ISSUES };
#define RB_GITHUB_OPEN_PAGE 100 /* GitHub's maximum */
void rb_github_list_open(struct rb_github_request *request, const char *owner, const char *repo,
                         enum rb_github_kind kind, int page);

/* Many blobs in one request, by GraphQL (docs.github.com, "Blob" in the reference of its objects). It has no
 * text for binary files and cuts the others at RB_GITHUB_QUERY_TEXT bytes, without that being documented;
 * work that takes GitHub more than 10 s is given up, hence bytes are bounded too: `bytes` is what the tree
 * says of all of them. Names of objects are hexadecimal, as trees have them. */
#define RB_GITHUB_QUERY_BLOBS 100
#define RB_GITHUB_QUERY_TEXT  512000
#define RB_GITHUB_QUERY_BYTES 2097152
void rb_github_query_blobs(struct rb_github_request *request, const char *owner, const char *repo,
                           const char *const *shas, size_t count, size_t bytes);

/*
 * What somebody else wants to know of a repository, or to do with it: `method` GET, POST, PATCH, PUT or
 * DELETE, `path` what follows /repos/{owner}/{repo}/ with its query ("issues/7/labels?per_page=100"; "" is
 * the repository itself), `body` JSON or NULL, copied. RB_EINVAL: no method, or a path that could lead
 * elsewhere: longer than RB_GITHUB_PATH_MAX, a character that an address has not (RFC 3986; others are to be
 * encoded), an empty segment, "." or "..", also encoded. RB_EFORBIDDEN: the hooks, which are ours. Pure.
 */
#define RB_GITHUB_PATH_MAX 2048
rb_err rb_github_custom(struct rb_github_request *request, const char *owner, const char *repo,
                        const char *method, const char *path, const char *body) RB_MUST_CHECK;

/* ---- answers ------------------------------------------------------------------------------------------ */

struct rb_github_response {
    int status; /* 0 when no answer came */
    rb_err err; /* RB_OK for any complete HTTP answer; else RB_EUNAVAILABLE, RB_ETIMEOUT, RB_ETOOBIG */
    char *body; /* zero-terminated, may be NULL */
    size_t len;
    size_t room; /* bytes behind it that are ours too (RB_JSON_ROOM); 0: not known */
    char etag[160];
    char scopes[256];       /* X-OAuth-Scopes; "" when absent */
    bool has_scopes;        /* the header was there: a classic token */
    bool has_next;          /* Link names a next page */
    char cursor[128];       /* of that page, where GitHub pages by cursor; as it stands in the address */
    int64_t rate_remaining; /* -1 when absent */
    int64_t rate_reset;     /* seconds since 1970, 0 when absent */
    char resource[24];      /* whose rate that is: "core", "graphql"; "" when absent */
    int64_t retry_after;    /* seconds, 0 when absent */
    char message[256];      /* GitHub's "message", control characters removed; or curl's text */
};
void rb_github_response_clear(struct rb_github_response *response);

/*
 * Turns an answer into a result and a sentence for a person ("what was refused and what you can do"). 2xx and
 * 304 are RB_OK. 401 RB_EAUTH; 403 with a limit, 429: RB_ELIMIT ("… try again after
 * 2026-11-24T09:00:00Z"); 403 otherwise RB_EFORBIDDEN; 404, 410, 451 RB_ENOTFOUND; 409 and 422 "already
 * exists" RB_ECONFLICT; other 4xx and redirects that were not followed RB_EINVAL; 5xx RB_EUNAVAILABLE; no
 * answer: the response's own err. 403 or 404 for hook requests with a classic token whose scopes lack repo
 * (or public_repo, write:repo_hook, admin:repo_hook) are RB_EFORBIDDEN, and the sentence says so. `what` is
 * request->name, `repo` "owner/name". Pure, but for the clock where a limit names no time.
 */
rb_err rb_github_judge(char *sentence, size_t size, const struct rb_github_response *response,
                       const char *what, const char *repo);

/* Seconds until the time that a limit named, 60 where it named none (docs.github.com, "Rate limits for the
 * REST API"); 0 when the answer is no limit. Pure, but for the clock. */
int64_t rb_github_wait_seconds(const struct rb_github_response *response);

/* Signing in (docs.github.com, "Authorizing OAuth apps"): the address a browser is sent to, allocated; and
 * the code it comes back with, exchanged for a token. `web_url` is https://github.com or an enterprise's own.
 */
struct rb_github_app {
    const char *web_url, *client_id, *client_secret, *redirect_uri;
};
char *rb_github_authorize_url(const struct rb_github_app *app, const char *scopes, const char *state,
                              const char *challenge);
void rb_github_exchange_code(struct rb_github_request *request, const struct rb_github_app *app,
                             const char *code, const char *verifier);
struct rb_github_token {
    char token[256]; /* wiped by the caller */
    char scopes[256];
};
/* GitHub answers 200 also when it refuses: RB_EAUTH, with its own reason in rb_error_text(). RB_EPROTOCOL:
 * neither a token nor a refusal. Pure. */
rb_err rb_github_read_token(struct rb_github_token *token,
                            const struct rb_github_response *response) RB_MUST_CHECK;
/* Whether a list of scopes ("repo,read:user", separated by commas or spaces) holds `scope`. Pure. */
bool rb_github_has_scope(const char *scopes, const char *scope);

struct rb_github_repo {
    int64_t id;
    char full_name[160];
    char default_branch[256];
    bool is_private;
    bool admin; /* permissions.admin */
};
struct rb_github_user {
    int64_t id;
    char login[64];
};
/* RB_EPROTOCOL when the body is not what GitHub documents. Pure. */
rb_err rb_github_read_user(struct rb_github_user *user,
                           const struct rb_github_response *response) RB_MUST_CHECK;
rb_err rb_github_read_repo(struct rb_github_repo *repo,
                           const struct rb_github_response *response) RB_MUST_CHECK;
/* One call of `fn` per repository on this page, in GitHub's order; stops at its first error. `count` receives
 * how many the page has, also those whose names break the rules, which are left out. */
typedef rb_err (*rb_github_repo_fn)(void *arg, const struct rb_github_repo *repo);
rb_err rb_github_read_repos(size_t *count, const struct rb_github_response *response, rb_github_repo_fn fn,
                            void *arg) RB_MUST_CHECK;
rb_err rb_github_read_hook_id(int64_t *hook_id, const struct rb_github_response *response) RB_MUST_CHECK;
/* The hook on this page whose config.url is `url`: RB_ENOTFOUND when it is not there. */
rb_err rb_github_find_hook(int64_t *hook_id, const struct rb_github_response *response,
                           const char *url) RB_MUST_CHECK;
struct rb_github_hook {
    int64_t id;
    bool active;
    char url[640];
};
rb_err rb_github_read_hook(struct rb_github_hook *hook,
                           const struct rb_github_response *response) RB_MUST_CHECK;
/* One call of `fn` per delivery, in GitHub's order. `status` is the receiver's, 0 when it gave none;
 * `delivered_at` is as GitHub writes it (RFC 3339). */
typedef void (*rb_github_delivery_fn)(void *arg, int64_t id, const char *guid, const char *event, int status,
                                      const char *delivered_at);
rb_err rb_github_read_deliveries(const struct rb_github_response *response, rb_github_delivery_fn fn,
                                 void *arg) RB_MUST_CHECK;
/* One call of `fn` per file, in GitHub's order; stops at its first error. A renamed file counts under its new
 * name. RB_EPROTOCOL when the body is not what GitHub documents. Pure. */
typedef rb_err (*rb_github_pull_file_fn)(void *arg, const char *path, int64_t additions, int64_t deletions);
rb_err rb_github_read_pull_files(const struct rb_github_response *response, rb_github_pull_file_fn fn,
                                 void *arg) RB_MUST_CHECK;
/* One call of `fn` per object of a page, as GitHub has it (borrowed); stops at its first error. RB_EPROTOCOL
 * when the body is no list of objects. Pure. */
typedef rb_err (*rb_github_object_fn)(void *arg, const json_t *object);
rb_err rb_github_read_objects(const struct rb_github_response *response, rb_github_object_fn fn,
                              void *arg) RB_MUST_CHECK;
/* Commit and tree object names (each 40 or 64 characters). */
rb_err rb_github_read_commit(char commit[65], char tree[65],
                             const struct rb_github_response *response) RB_MUST_CHECK;
/* One call of `fn` per entry, in GitHub's order; stops at its first error. `type` is blob, tree or commit;
 * `size` -1 when absent or no size. With RB_EPROTOCOL, also for an answer that does not say whether it is
 * all, the entries that `fn` was given are worth nothing. `path` is gone when `fn` returns. */
typedef rb_err (*rb_github_entry_fn)(void *arg, const char *path, const char *mode, const char *type,
                                     const char *sha, int64_t size);
rb_err rb_github_read_tree(bool *truncated, const struct rb_github_response *response, rb_github_entry_fn fn,
                           void *arg) RB_MUST_CHECK;

/* One call of `fn` for each blob asked for that GitHub knows: `index` is its place in the request, `text` is
 * NULL where there is none, and what is not UTF-8 in the file is something else in the text. Blobs that it
 * does not know, or did not come to (it may answer in part), are left out. RB_ENOTFOUND, RB_EFORBIDDEN: the
 * repository is hidden from this token's queries; RB_EUNAVAILABLE: it gave up, fewer may work; RB_EINVAL: it
 * does not understand the query; each with its own words in rb_error_text(). Limits are in the response's
 * status: a query that they refuse is answered 200, which the client makes 429. Pure. */
struct rb_github_blob {
    size_t index;
    const char *text; /* not terminated, any bytes */
    size_t len;
    int64_t size; /* of the file; -1 when absent */
    bool is_binary, is_truncated;
};
typedef void (*rb_github_blob_fn)(void *arg, const struct rb_github_blob *blob);
rb_err rb_github_read_blobs(const struct rb_github_response *response, rb_github_blob_fn fn,
                            void *arg) RB_MUST_CHECK;

/* ---- the client --------------------------------------------------------------------------------------- */

struct rb_github;
struct rb_github_options {
    const char *base_url;   /* https://api.github.com, https://HOST/api/v3, or the stand-in. GraphQL is at
                             * /graphql there, of /api/v3 at /api/graphql */
    const char *user_agent; /* GitHub requires one */
    int timeout_ms;         /* whole request, default 10,000 */
    int connect_timeout_ms; /* default 3,000 */
    int queue_limit;        /* requests waiting, default 4,096: beyond it RB_ELIMIT */
};
rb_err rb_github_start(struct rb_github **out, const struct rb_github_options *options) RB_MUST_CHECK;
/* Cuts what is in flight (their callbacks run with RB_EUNAVAILABLE) and joins the thread. NULL is fine. */
void rb_github_stop(struct rb_github *github);

/* Runs on the I/O thread, must not block; `response` is borrowed (move its body by setting it to NULL).
 * Exactly one call per accepted request. */
typedef void (*rb_github_fn)(void *arg, struct rb_github_response *response);
/* Takes the request's strings on success (the struct is cleared). Does not block. RB_EAUTH: no token, or one
 * that is none; RB_ELIMIT: the queue is full. Nothing is repeated, but a GET whose kept-alive connection
 * ended before one byte of the answer came, which is sent again on a new one. A write is sent once: there
 * such an end is RB_EUNAVAILABLE, and nobody can say whether GitHub has seen it. */
rb_err rb_github_submit(struct rb_github *github, struct rb_github_request *request, const char *token,
                        rb_github_fn fn, void *arg) RB_MUST_CHECK;
/* The same, waiting. The result is that of the transport; read the answer with rb_github_judge(). */
rb_err rb_github_call(struct rb_github_response *response, struct rb_github *github,
                      struct rb_github_request *request, const char *token) RB_MUST_CHECK;

#endif
