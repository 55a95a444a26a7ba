/* Pull requests and issues (docs.github.com, "List pull requests files", "List pull requests", "List
 * repository issues"): requests and answers, pure. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "lib/github/internal.h"

#define PULLS_BODY_MAX (32 * 1024 * 1024) /* a hundred files with their patches, which GitHub itself cuts */

void rb_github_list_pull_files(struct rb_github_request *request, const char *owner, const char *repo,
                               int64_t number, int page)
{
    *request = (struct rb_github_request){.method = RB_GITHUB_GET,
                                          .path = rb_asprintf("/repos/%s/%s/pulls/%" PRId64
                                                              "/files?per_page=100&page=%d",
                                                              owner, repo, number, page),
                                          .accept = "application/vnd.github+json",
                                          .name = "list files of pull request",
                                          .body_max = PULLS_BODY_MAX};
}

rb_err rb_github_read_pull_files(const struct rb_github_response *response, rb_github_pull_file_fn fn,
                                 void *arg)
{
    json_t *body = response->body ? json_loadb(response->body, response->len, 0, NULL) : NULL, *one;
    size_t index;
    rb_err err = json_is_array(body) ? RB_OK : RB_EPROTOCOL;
    json_array_foreach(body, index, one)
    {
        const char *path = json_string_value(json_object_get(one, "filename"));
        err = !path || !*path ? RB_EPROTOCOL
                              : fn(arg, path, json_integer_value(json_object_get(one, "additions")),
                                   json_integer_value(json_object_get(one, "deletions")));
        if (err)
            break;
    }
    json_decref(body);
    return err == RB_EPROTOCOL
               ? rb_error_set(RB_EPROTOCOL, "GitHub's answer is not what its documentation describes: files "
                                            "are a list of names")
               : err;
}

void rb_github_list_open(struct rb_github_request *request, const char *owner, const char *repo,
                         enum rb_github_kind kind, int page)
{
    *request = (struct rb_github_request){
        .method = RB_GITHUB_GET,
        .path =
            rb_asprintf("/repos/%s/%s/%s?state=open&sort=created&direction=desc&per_page=%d&page=%d", owner,
                        repo, kind == RB_GITHUB_OPEN_PULLS ? "pulls" : "issues", RB_GITHUB_OPEN_PAGE, page),
        .accept = "application/vnd.github+json",
        .name = kind == RB_GITHUB_OPEN_PULLS ? "list open pull requests" : "list open issues",
        .body_max = PULLS_BODY_MAX};
}

rb_err rb_github_read_objects(const struct rb_github_response *response, rb_github_object_fn fn, void *arg)
{
    json_t *body = response->body ? json_loadb(response->body, response->len, JSON_ALLOW_NUL, NULL) : NULL;
    const json_t *one;
    size_t index;
    rb_err err = json_is_array(body) ? RB_OK : RB_EPROTOCOL;
    json_array_foreach(body, index, one)
    {
        err = json_is_object(one) ? fn(arg, one) : RB_EPROTOCOL;
        if (err)
            break;
    }
    json_decref(body);
    return err == RB_EPROTOCOL
               ? rb_error_set(RB_EPROTOCOL,
                              "GitHub's answer is not what its documentation describes: a list of objects")
               : err;
}
