/* The files of a pull request, and what is open, page after page. */
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

#define PULLS_PAGES_MAX 30 /* 100 each: GitHub's own limit */

struct pulls {
    struct rb_arena *arena;
    struct rb_repo_pull_file *files;
    size_t count, capacity;
};

static rb_err pulls_add(void *arg, const char *path, int64_t additions, int64_t deletions)
{
    struct pulls *pulls = arg;
    if (pulls->count == pulls->capacity) {
        size_t capacity = pulls->capacity ? pulls->capacity * 2 : 128;
        struct rb_repo_pull_file *files = rb_arena_alloc(pulls->arena, capacity * sizeof(*files));
        if (pulls->count)
            memcpy(files, pulls->files, pulls->count * sizeof(*files));
        pulls->files = files;
        pulls->capacity = capacity;
    }
    pulls->files[pulls->count++] =
        (struct rb_repo_pull_file){rb_arena_strdup(pulls->arena, path), additions, deletions};
    return RB_OK;
}

rb_err rb_repo_pull_files(const struct rb_repo_pull_file **files, size_t *count,
                          struct rb_repo_handle *handle, int64_t number)
{
    struct pulls pulls = {.arena = handle->arena};
    bool more = true;
    rb_err err = RB_OK;
    for (int page = 1; more && !err && page <= PULLS_PAGES_MAX; page++) {
        struct rb_github_request request;
        struct rb_github_response response = {0};
        rb_github_list_pull_files(&request, handle->about.owner, handle->about.name, number, page);
        err = rb_repo_ask(&response, handle, &request);
        if (!err)
            err = rb_github_read_pull_files(&response, pulls_add, &pulls);
        more = response.has_next;
        rb_github_response_clear(&response);
    }
    *files = pulls.files;
    *count = pulls.count;
    return err;
}

rb_err rb_repo_list_open(bool *more, struct rb_repo_handle *handle, enum rb_github_kind kind, int pages,
                         rb_github_object_fn fn, void *arg)
{
    rb_err err = RB_OK;
    *more = true;
    for (int page = 1; *more && !err && page <= pages; page++) {
        struct rb_github_request request;
        struct rb_github_response response = {0};
        rb_github_list_open(&request, handle->about.owner, handle->about.name, kind, page);
        err = rb_repo_ask(&response, handle, &request);
        if (!err)
            err = rb_github_read_objects(&response, fn, arg);
        *more = response.has_next;
        rb_github_response_clear(&response);
    }
    return err;
}
