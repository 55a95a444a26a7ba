/* Questions of subscribers that have no secrets, from top to bottom. */
#include "scanner/service.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scanner/etags.h"

#define SERVICE_PEOPLE_MAX 64    /* who have one repository connected and are tried */
#define SERVICE_TRY_MS     10000 /* after that nobody else's token is tried: whoever asks waits no longer */

struct service {
    const struct rb_scanner *scanner;
    struct rb_db *db;
    struct rb_arena *arena;
    const char *method, *path, *traceparent;
    char *body;
};

/* What was kept is answered in place of "not modified". */
static rb_err service_write(struct rb_buf *answer, const struct rb_github_response *response,
                            const struct rb_github_response *known)
{
    bool is_known = response->status == 304;
    const struct rb_github_response *said = is_known ? known : response;

    rb_err err = rb_buf_printf(
        answer, "{\"status\":%d,\"has_next\":%s,\"rate_remaining\":%" PRId64 ",\"body\":",
        is_known ? 200 : response->status, said->has_next ? "true" : "false", response->rate_remaining);
    if (!err && said->len == 0)
        err = rb_buf_printf(answer, "null");
    else if (!err)
        err = rb_json_part(answer, "", said->body, said->len);
    if (!err)
        err = rb_buf_append(answer, "}", 1);
    return err == RB_ETOOBIG
               ? rb_error_set(err, "GitHub's answer has more than %d bytes: ask for smaller pages",
                              RB_ANSWER_MAX)
               : err;
}

/* With the token of one person. */
static rb_err service_try(struct rb_buf *answer, const struct service *service, int64_t installation_id)
{
    const struct etags_key key = {installation_id, service->path};
    struct rb_repo_handle *handle = NULL;
    struct rb_github_request request;
    struct rb_github_response response = {0}, known = {0};

    rb_err err =
        rb_repo_open(&handle, &service->scanner->sources, service->db, installation_id, 0, service->arena);
    if (err)
        return err;
    const struct rb_repo *about = rb_repo_about(handle);
    err =
        rb_github_custom(&request, about->owner, about->name, service->method, service->path, service->body);
    if (!err) {
        bool is_reading = request.method == RB_GITHUB_GET;
        if (is_reading && etags_find(&known, service->scanner->etags, &key, service->arena))
            request.etag = rb_strdup(known.etag);
        request.traceparent = service->traceparent ? rb_strdup(service->traceparent) : NULL;
        request.body_max = RB_ANSWER_MAX;
        err = rb_repo_ask(&response, handle, &request);
        if (!err && is_reading)
            etags_keep(service->scanner->etags, &key, &response);
        if (!err)
            err = service_write(answer, &response, &known);
    }
    rb_github_response_clear(&response);
    rb_repo_close(handle);
    return err;
}

static rb_err service_ask(struct rb_buf *answer, const struct service *service, const json_t *ids)
{
    int64_t until = rb_clock_ms() + SERVICE_TRY_MS;
    const json_t *id;
    size_t i;

    rb_err err = rb_error_set(RB_ESTALE, "nobody has the repository connected any more");
    json_array_foreach(ids, i, id)
    {
        err = service_try(answer, service, json_integer_value(id));
        if ((err != RB_ESTALE && err != RB_EAUTH && err != RB_EFORBIDDEN) || rb_clock_ms() > until)
            break;
    }
    return err;
}

static const char *service_text(const json_t *question, const char *name)
{
    return json_string_value(json_object_get(question, name));
}

rb_err rb_scanner_github(struct rb_buf *answer, const json_t *question, struct rb_arena *arena, void *app,
                         void *local)
{
    const json_t *ids = json_object_get(question, "installation_ids");
    const json_t *body = json_object_get(question, "body");
    struct service service = {.scanner = app, .db = local, .arena = arena};

    service.method = service_text(question, "method");
    service.path = service_text(question, "path");
    service.traceparent = service_text(question, "traceparent");
    if (!service.method || !service.path || json_array_size(ids) == 0 ||
        json_array_size(ids) > SERVICE_PEOPLE_MAX)
        return rb_error_set(RB_EINVAL, "installation_ids (1 to %d), method and path are needed",
                            SERVICE_PEOPLE_MAX);
    if (body && !json_is_null(body))
        service.body = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    rb_err err = service_ask(answer, &service, ids);
    free(service.body);
    return err;
}

rb_err rb_scanner_payload(struct rb_buf *answer, const json_t *question, struct rb_arena *arena, void *app,
                          void *local)
{
    const char *delivery_id = service_text(question, "delivery_id"),
               *pointer = service_text(question, "pointer");
    int64_t hook_id = json_integer_value(json_object_get(question, "hook_id"));
    const char *payload = NULL;
    size_t len = 0;
    (void)app;

    if (!delivery_id || !pointer || hook_id <= 0)
        return rb_error_set(RB_EINVAL, "hook_id, delivery_id and pointer are needed");
    rb_err err = rb_repo_delivery_payload(&payload, &len, local, hook_id, delivery_id, arena);
    if (!err)
        err = rb_json_part(answer, pointer, payload, len);
    return err == RB_ETOOBIG
               ? rb_error_set(err, "that part of the payload has more than %d bytes", RB_ANSWER_MAX)
               : err;
}
