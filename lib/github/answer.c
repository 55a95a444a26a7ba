/* Answers, read by pure functions: what GitHub said as a result, and as a sentence for a person. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/github/internal.h"

#define ANSWER_UNNAMED_SECONDS 60            /* "wait for at least one minute" where a limit names nothing */
#define ANSWER_SIZE_MAX        1000000000000 /* a file of a terabyte is none: GitHub's limit is 5 GB, with LFS */

void rb_github_response_clear(struct rb_github_response *response)
{
    free(response->body);
    *response = (struct rb_github_response){0};
}

struct rb_json_text github_text(const struct rb_github_response *response)
{
    return (struct rb_json_text){response->body, response->len, response->room};
}

void github_cut_text(char *text)
{
    size_t len = strlen(text), start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char first = (unsigned char)text[start - 1];
    size_t wanted = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (len - (start - 1) < wanted)
        text[start - 1] = '\0';
}

/* ---- judging ------------------------------------------------------------------------------------------ */

static bool answer_mentions(const struct rb_github_response *response, const char *words)
{
    return strcasestr(response->message, words) ||
           (response->body && response->len < 65536 && strcasestr(response->body, words));
}

bool github_is_limit(const struct rb_github_response *response)
{
    if (response->status == 429)
        return true;
    return response->status == 403 && (response->rate_remaining == 0 || response->retry_after > 0 ||
                                       answer_mentions(response, "rate limit"));
}

/* A classic token tells its scopes; one that lacks these cannot touch hooks, and GitHub answers 404 for it.
 */
static bool answer_lacks_hook_scope(const struct rb_github_response *response)
{
    if (!response->has_scopes)
        return false;
    char scopes[sizeof(response->scopes)], *rest = NULL;
    snprintf(scopes, sizeof(scopes), "%s", response->scopes);
    for (char *scope = strtok_r(scopes, ", ", &rest); scope; scope = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(scope, "repo") == 0 || strcmp(scope, "public_repo") == 0 ||
            strcmp(scope, "write:repo_hook") == 0 || strcmp(scope, "admin:repo_hook") == 0)
            return false;
    }
    return true;
}

int64_t rb_github_wait_seconds(const struct rb_github_response *response)
{
    int64_t now = rb_clock_wall_ms() / 1000;
    if (!github_is_limit(response))
        return 0;
    if (response->retry_after > 0 && response->retry_after <= GITHUB_TIME_MAX)
        return response->retry_after;
    if (response->rate_remaining == 0 && response->rate_reset > now)
        return response->rate_reset - now;
    return ANSWER_UNNAMED_SECONDS;
}

static rb_err answer_judge_limit(char *sentence, size_t size, const struct rb_github_response *response)
{
    int64_t until = rb_clock_wall_ms() / 1000 + rb_github_wait_seconds(response);
    char time[RB_TIME_SIZE];
    rb_time_format(time, (until < GITHUB_TIME_MAX ? until : GITHUB_TIME_MAX) * 1000);
    time[19] = 'Z'; /* whole seconds are enough for a person */
    time[20] = '\0';
    snprintf(sentence, size, "GitHub's rate limit is reached: try again after %s", time);
    return RB_ELIMIT;
}

static rb_err answer_judge_forbidden(char *sentence, size_t size, const struct rb_github_response *response,
                                     const char *repo, bool about_hooks)
{
    if (answer_mentions(response, "archived"))
        snprintf(sentence, size, "%s is archived: make it writable on GitHub first", repo);
    else if (answer_mentions(response, "SAML") || answer_mentions(response, "OAuth App access restrictions"))
        snprintf(sentence, size,
                 "the organization of %s has not allowed this application: ask an owner to approve it", repo);
    else if (about_hooks)
        snprintf(sentence, size, "you need admin rights on %s", repo);
    else
        snprintf(sentence, size, "you may not read %s: %s", repo,
                 *response->message ? response->message : "GitHub gives no reason");
    return RB_EFORBIDDEN;
}

static rb_err answer_judge_unprocessable(char *sentence, size_t size,
                                         const struct rb_github_response *response, const char *repo)
{
    if (answer_mentions(response, "already exists")) {
        snprintf(sentence, size, "a webhook with this address already exists on %s", repo);
        return RB_ECONFLICT;
    }
    if (answer_mentions(response, "cannot have more than")) {
        snprintf(sentence, size, "%s has as many webhooks as GitHub allows: remove one first", repo);
        return RB_EINVAL;
    }
    snprintf(sentence, size, "GitHub refused: %s (HTTP %d)",
             *response->message ? response->message : "no reason given", response->status);
    return RB_EINVAL;
}

static rb_err answer_judge_silence(char *sentence, size_t size, const struct rb_github_response *response)
{
    if (response->err == RB_ETIMEOUT)
        snprintf(sentence, size, "GitHub did not answer in time: try again in a moment");
    else if (response->err == RB_ETOOBIG)
        snprintf(sentence, size, "GitHub's answer is too large");
    else
        snprintf(sentence, size, "GitHub is unavailable: try again in a moment%s%s",
                 *response->message ? " - " : "", response->message);
    return response->err;
}

static rb_err answer_judge(char *sentence, size_t size, const struct rb_github_response *response,
                           const char *what, const char *repo)
{
    int status = response->status;
    bool about_hooks = strstr(what, "hook") != NULL;
    sentence[0] = '\0';
    if (response->err)
        return answer_judge_silence(sentence, size, response);
    if ((status >= 200 && status < 300) || status == 304)
        return RB_OK;
    if (github_is_limit(response))
        return answer_judge_limit(sentence, size, response);
    if (status == 401) {
        snprintf(sentence, size, "GitHub no longer accepts your token: log out and sign in again");
        return RB_EAUTH;
    }
    if ((status == 403 || status == 404) && about_hooks && answer_lacks_hook_scope(response)) {
        snprintf(sentence, size, "your token lacks the repo scope: sign in again and grant it");
        return RB_EFORBIDDEN;
    }
    if (status == 403)
        return answer_judge_forbidden(sentence, size, response, repo, about_hooks);
    if (status == 404 || status == 410 || status == 451) {
        snprintf(sentence, size, "%s was not found, or you have no permission to %s", repo,
                 about_hooks ? "manage its webhooks (admin rights are needed)" : "see it");
        return RB_ENOTFOUND;
    }
    if (status == 409) {
        snprintf(sentence, size, "GitHub reports a conflict: %s",
                 *response->message ? response->message : "no reason given");
        return RB_ECONFLICT;
    }
    if (status == 422)
        return answer_judge_unprocessable(sentence, size, response, repo);
    if (status >= 500) {
        snprintf(sentence, size, "GitHub is unavailable (HTTP %d): try again in a moment", status);
        return RB_EUNAVAILABLE;
    }
    snprintf(sentence, size, "GitHub refused: %s (HTTP %d)",
             *response->message ? response->message : "no reason given", status);
    return RB_EINVAL;
}

rb_err rb_github_judge(char *sentence, size_t size, const struct rb_github_response *response,
                       const char *what, const char *repo)
{
    rb_err err = answer_judge(sentence, size, response, what, repo);
    github_cut_text(sentence);
    return err;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static rb_err answer_strange(const char *what)
{
    return rb_error_set(RB_EPROTOCOL, "GitHub's answer is not what its documentation describes: %s", what);
}

static json_t *answer_parse(const struct rb_github_response *response)
{
    return response->body ? json_loadb(response->body, response->len, 0, NULL) : NULL;
}

static bool answer_find(const struct rb_json_field *fields, size_t count,
                        const struct rb_github_response *response)
{
    const struct rb_json_text text = github_text(response);
    return response->body && rb_json_find(fields, count, &text) == RB_OK;
}

/* Copies a string field; false when it is missing, too long or empty. */
static bool answer_copy(char *out, size_t size, const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len >= size)
        return false;
    memcpy(out, text, len + 1);
    return true;
}

static bool answer_id(int64_t *id, const json_t *object)
{
    const json_t *value = json_object_get(object, "id");
    *id = json_integer_value(value);
    return json_is_integer(value) && *id > 0;
}

rb_err rb_github_read_user(struct rb_github_user *user, const struct rb_github_response *response)
{
    *user = (struct rb_github_user){0};
    json_t *body = answer_parse(response);
    bool fine = answer_id(&user->id, body) && answer_copy(user->login, sizeof(user->login), body, "login");
    json_decref(body);
    return fine ? RB_OK : answer_strange("a user has an id and a login");
}

bool github_read_repo(struct rb_github_repo *repo, const json_t *json)
{
    *repo = (struct rb_github_repo){0};
    bool fine = answer_id(&repo->id, json) &&
                answer_copy(repo->full_name, sizeof(repo->full_name), json, "full_name");
    const char *slash = fine ? strchr(repo->full_name, '/') : NULL;
    fine = slash && rb_github_owner_is_valid(repo->full_name, (size_t)(slash - repo->full_name)) &&
           rb_github_repo_is_valid(slash + 1, strlen(slash + 1));
    answer_copy(repo->default_branch, sizeof(repo->default_branch), json, "default_branch");
    repo->is_private = json_is_true(json_object_get(json, "private"));
    repo->admin = json_is_true(json_object_get(json_object_get(json, "permissions"), "admin"));
    return fine;
}

/* One of the two answers that every connect reads, hence not as a tree (rb_json_find). */
rb_err rb_github_read_repo(struct rb_github_repo *repo, const struct rb_github_response *response)
{
    *repo = (struct rb_github_repo){0};
    const struct rb_json_field fields[] = {
        {"/id", RB_JSON_INT, &repo->id, 0},
        {"/full_name", RB_JSON_TEXT, repo->full_name, sizeof(repo->full_name)},
        {"/default_branch", RB_JSON_TEXT, repo->default_branch, sizeof(repo->default_branch)},
        {"/private", RB_JSON_BOOL, &repo->is_private, 0},
        {"/permissions/admin", RB_JSON_BOOL, &repo->admin, 0}};
    bool fine = answer_find(fields, sizeof(fields) / sizeof(*fields), response) && repo->id > 0;
    const char *slash = fine ? strchr(repo->full_name, '/') : NULL;
    fine = slash && rb_github_owner_is_valid(repo->full_name, (size_t)(slash - repo->full_name)) &&
           rb_github_repo_is_valid(slash + 1, strlen(slash + 1));
    return fine ? RB_OK : answer_strange("a repository has an id and a full_name");
}

rb_err rb_github_read_hook_id(int64_t *hook_id, const struct rb_github_response *response)
{
    *hook_id = 0;
    const struct rb_json_field id = {"/id", RB_JSON_INT, hook_id, 0};
    return answer_find(&id, 1, response) && *hook_id > 0 ? RB_OK : answer_strange("a hook has an id");
}

rb_err rb_github_find_hook(int64_t *hook_id, const struct rb_github_response *response, const char *url)
{
    json_t *body = answer_parse(response), *hook;
    size_t index;
    rb_err err = json_is_array(body) ? rb_error_set(RB_ENOTFOUND, "no webhook with this address on this page")
                                     : answer_strange("hooks are a list");
    json_array_foreach(body, index, hook)
    {
        const char *its_url = json_string_value(json_object_get(json_object_get(hook, "config"), "url"));
        if (its_url && strcmp(its_url, url) == 0 && answer_id(hook_id, hook)) {
            err = RB_OK;
            break;
        }
    }
    json_decref(body);
    return err;
}

static bool answer_copy_sha(char out[65], const json_t *object)
{
    size_t len = answer_copy(out, 65, object, "sha") ? strlen(out) : 0;
    return (len == 40 || len == 64) && strspn(out, "0123456789abcdef") == len;
}

rb_err rb_github_read_commit(char commit[65], char tree[65], const struct rb_github_response *response)
{
    json_t *body = answer_parse(response);
    bool fine = answer_copy_sha(commit, body) &&
                answer_copy_sha(tree, json_object_get(json_object_get(body, "commit"), "tree"));
    json_decref(body);
    return fine ? RB_OK : answer_strange("a commit has a sha and a tree");
}

/* A tree may have 25 MB: it is walked, not built. */
struct answer_tree {
    struct rb_json_piece path;
    char mode[16], type[16], sha[65];
    int64_t size;
    rb_github_entry_fn fn;
    void *arg;
    rb_err err;
    char *copy; /* of the path, terminated */
    size_t room;
};

static void answer_on_entry(void *arg, const char *name, size_t name_len)
{
    struct answer_tree *tree = arg;
    size_t sha_len = strlen(tree->sha), path_len = tree->path.len;
    (void)name, (void)name_len;
    if (tree->err)
        return;
    if (path_len == 0 || memchr(tree->path.at, '\0', path_len) || !*tree->mode || !*tree->type ||
        (sha_len != 40 && sha_len != 64) || strspn(tree->sha, "0123456789abcdef") != sha_len) {
        tree->err = answer_strange("a tree's entry has path, mode, type and sha");
        return;
    }
    if (path_len >= tree->room) {
        tree->room = path_len * 2 + 256;
        tree->copy = rb_realloc(tree->copy, tree->room);
    }
    memcpy(tree->copy, tree->path.at, path_len);
    tree->copy[path_len] = '\0';
    tree->err = tree->fn(tree->arg, tree->copy, tree->mode, tree->type, tree->sha,
                         tree->size < 0 || tree->size > ANSWER_SIZE_MAX ? -1 : tree->size);
}

rb_err rb_github_read_tree(bool *truncated, const struct rb_github_response *response, rb_github_entry_fn fn,
                           void *arg)
{
    struct answer_tree tree = {.fn = fn, .arg = arg};
    const struct rb_json_field fields[] = {{"/path", RB_JSON_PIECE, &tree.path, 0},
                                           {"/mode", RB_JSON_TEXT, tree.mode, sizeof(tree.mode)},
                                           {"/type", RB_JSON_TEXT, tree.type, sizeof(tree.type)},
                                           {"/sha", RB_JSON_TEXT, tree.sha, sizeof(tree.sha)},
                                           {"/size", RB_JSON_INT, &tree.size, 0}};
    const struct rb_json_text text = {response->body ? response->body : "", response->len, response->room};
    int cut = -1;
    rb_err err = rb_json_list(&cut, "/truncated", "/tree", fields, sizeof(fields) / sizeof(*fields), &text,
                              answer_on_entry, &tree);
    free(tree.copy);
    *truncated = cut == 1;
    if (tree.err)
        return tree.err;
    /* Without the word of GitHub that it is all, it may not be. */
    return err || cut < 0 ? answer_strange("a tree has a list of entries and says whether it is all") : RB_OK;
}
