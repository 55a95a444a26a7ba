/* How a hook and its deliveries stand on GitHub: requests and answers, pure. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/github/internal.h"

static void hooks_request(struct rb_github_request *request, enum rb_github_method method, const char *name,
                          char *path)
{
    *request = (struct rb_github_request){
        .method = method, .path = path, .accept = "application/vnd.github+json", .name = name};
}

void rb_github_get_repo_by_id(struct rb_github_request *request, int64_t repo_id)
{
    hooks_request(request, RB_GITHUB_GET, "read repository by number",
                  rb_asprintf("/repositories/%" PRId64, repo_id));
}

void rb_github_get_hook(struct rb_github_request *request, const char *owner, const char *repo,
                        int64_t hook_id)
{
    hooks_request(request, RB_GITHUB_GET, "read hook",
                  rb_asprintf("/repos/%s/%s/hooks/%" PRId64, owner, repo, hook_id));
}

void rb_github_list_deliveries(struct rb_github_request *request, const char *owner, const char *repo,
                               int64_t hook_id, const char *cursor)
{
    hooks_request(request, RB_GITHUB_GET, "list deliveries of hook",
                  rb_asprintf("/repos/%s/%s/hooks/%" PRId64 "/deliveries?per_page=100%s%s", owner, repo,
                              hook_id, *cursor ? "&cursor=" : "", cursor));
}

void rb_github_redeliver(struct rb_github_request *request, const char *owner, const char *repo,
                         int64_t hook_id, int64_t delivery_id)
{
    hooks_request(request, RB_GITHUB_POST, "redeliver to hook",
                  rb_asprintf("/repos/%s/%s/hooks/%" PRId64 "/deliveries/%" PRId64 "/attempts", owner, repo,
                              hook_id, delivery_id));
}

rb_err rb_github_read_hook(struct rb_github_hook *hook, const struct rb_github_response *response)
{
    *hook = (struct rb_github_hook){0};
    const struct rb_json_field fields[] = {{"/id", RB_JSON_INT, &hook->id, 0},
                                           {"/active", RB_JSON_BOOL, &hook->active, 0},
                                           {"/config/url", RB_JSON_TEXT, hook->url, sizeof(hook->url)}};
    const struct rb_json_text text = github_text(response);
    if (!response->body || rb_json_find(fields, 3, &text) || hook->id <= 0)
        return rb_error_set(RB_EPROTOCOL,
                            "GitHub's answer is not what its documentation describes: a hook has an id");
    return RB_OK;
}

rb_err rb_github_read_deliveries(const struct rb_github_response *response, rb_github_delivery_fn fn,
                                 void *arg)
{
    json_t *body = response->body ? json_loadb(response->body, response->len, 0, NULL) : NULL, *one;
    size_t index;
    bool fine = json_is_array(body);
    json_array_foreach(body, index, one)
    {
        const char *guid = json_string_value(json_object_get(one, "guid")),
                   *event = json_string_value(json_object_get(one, "event")),
                   *at = json_string_value(json_object_get(one, "delivered_at"));
        json_int_t id = json_integer_value(json_object_get(one, "id"));
        fine = fine && guid && event && at && id > 0;
        if (fine)
            fn(arg, id, guid, event, (int)json_integer_value(json_object_get(one, "status_code")), at);
    }
    json_decref(body);
    return fine ? RB_OK
                : rb_error_set(RB_EPROTOCOL,
                               "GitHub's answer is not what its documentation describes: deliveries are a "
                               "list");
}
