/* Labels of issues and pull requests (docs.github.com, "REST API endpoints for labels"): requests, pure. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "lib/github/internal.h"

static void labels_request(struct rb_github_request *request, enum rb_github_method method, const char *name,
                           char *path)
{
    *request = (struct rb_github_request){
        .method = method, .path = path, .accept = "application/vnd.github+json", .name = name};
}

void rb_github_list_labels(struct rb_github_request *request, const char *owner, const char *repo,
                           int64_t number)
{
    labels_request(request, RB_GITHUB_GET, "list labels",
                   rb_asprintf("/repos/%s/%s/issues/%" PRId64 "/labels?per_page=100", owner, repo, number));
}

void rb_github_add_labels(struct rb_github_request *request, const char *owner, const char *repo,
                          int64_t number, const char *const *names, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    json_t *body = json_pack("{s:o}", "labels", list);
    labels_request(request, RB_GITHUB_POST, "add labels",
                   rb_asprintf("/repos/%s/%s/issues/%" PRId64 "/labels", owner, repo, number));
    request->body = json_dumps(body, JSON_COMPACT);
    json_decref(body);
}

void rb_github_remove_label(struct rb_github_request *request, const char *owner, const char *repo,
                            int64_t number, const char *name)
{
    char *escaped = github_encode(name, "");
    labels_request(request, RB_GITHUB_DELETE, "remove label",
                   rb_asprintf("/repos/%s/%s/issues/%" PRId64 "/labels/%s", owner, repo, number, escaped));
    free(escaped);
}
