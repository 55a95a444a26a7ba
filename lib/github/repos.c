/* What a person can see: GitHub's list of repositories, a page at a time. */
#include <jansson.h>
#include <string.h>

#include "lib/github/internal.h"

#define REPOS_BODY_MAX (8 * 1024 * 1024) /* 100 repositories have about 600 KB */

void rb_github_list_repos(struct rb_github_request *request, int page, const char *etag)
{
    /* Oldest first: what is made later changes the last page only, so that the others answer 304. */
    *request = (struct rb_github_request){
        .method = RB_GITHUB_GET,
        .path = rb_asprintf("/user/repos?affiliation=owner,collaborator,organization_member&sort=created&"
                            "direction=asc&per_page=%d&page=%d",
                            RB_GITHUB_REPOS_PAGE, page),
        .etag = etag && *etag ? rb_strdup(etag) : NULL,
        .accept = "application/vnd.github+json",
        .name = "list repositories",
        .body_max = REPOS_BODY_MAX};
}

rb_err rb_github_read_repos(size_t *count, const struct rb_github_response *response, rb_github_repo_fn fn,
                            void *arg)
{
    json_t *body = response->body ? json_loadb(response->body, response->len, 0, NULL) : NULL, *item;
    size_t index;
    rb_err err = json_is_array(body)
                     ? RB_OK
                     : rb_error_set(RB_EPROTOCOL, "GitHub's answer is not what its documentation describes: "
                                                  "repositories are a list");
    *count = json_array_size(body);
    json_array_foreach(body, index, item)
    {
        struct rb_github_repo repo;
        /* One that cannot be addressed cannot be connected: old names break today's rules. */
        if (github_read_repo(&repo, item))
            err = fn(arg, &repo);
        if (err)
            break;
    }
    json_decref(body);
    return err;
}
