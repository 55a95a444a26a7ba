/*
 * What a handler gets without a secret of its own: GitHub's answers, and payloads that are too large for
 * their event. Both are questions over NATS to a scanner, which has the keys; the handler's thread waits for
 * the answer.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/runtime.h"

#define GITHUB_WAIT_MS \
    30000 /* 5 s in the queue over there, 10 s for GitHub, once more with another's token */
#define GITHUB_BODY_MAX 60000 /* bytes: a question has 65,536, with the path and who may */

/* ---- waiting ------------------------------------------------------------------------------------------- */

struct github_waiter {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool is_done;
    rb_err err;
    int64_t wait_ms;
    char text[512];
    json_t *answer;
};

/* An rb_bus_answer_fn. */
static void github_on_answer(void *arg, const struct rb_answer *answer)
{
    struct github_waiter *waiter = arg;
    json_t *root = answer->err ? NULL : json_loadb(answer->body, answer->len, JSON_DECODE_ANY, NULL);

    pthread_mutex_lock(&waiter->mutex);
    waiter->err = answer->err;
    waiter->wait_ms = answer->wait_ms;
    snprintf(waiter->text, sizeof(waiter->text), "%s", answer->text);
    waiter->answer = root;
    waiter->is_done = true;
    pthread_cond_signal(&waiter->answered); /* under the lock: the waiter's frame ends as soon as it has it */
    pthread_mutex_unlock(&waiter->mutex);
}

/* The answer lives in the work's arena. `question` is taken. */
static rb_err github_ask(const json_t **answer, struct rb_work *work, const char *subject, json_t *question)
{
    struct github_waiter waiter = {0};
    char *body = json_dumps(question, JSON_COMPACT);

    *answer = NULL;
    json_decref(question);
    if (!body)
        return rb_error_set(RB_EINVAL, "asking %s: the question is no JSON", subject);
    pthread_mutex_init(&waiter.mutex, NULL);
    pthread_cond_init(&waiter.answered, NULL);
    rb_err err = rb_bus_ask(work->runtime->bus, subject, body, strlen(body), GITHUB_WAIT_MS, github_on_answer,
                            &waiter);
    if (!err) {
        pthread_mutex_lock(&waiter.mutex);
        while (!waiter.is_done)
            pthread_cond_wait(&waiter.answered, &waiter.mutex);
        pthread_mutex_unlock(&waiter.mutex);
        if (waiter.err)
            err = rb_error_set(waiter.err, "%s", waiter.text);
        else if (!waiter.answer)
            err = rb_error_set(RB_EPROTOCOL, "%s: the answer is no JSON", subject);
        rb_error_set_wait(waiter.wait_ms);
    }
    pthread_cond_destroy(&waiter.answered);
    pthread_mutex_destroy(&waiter.mutex);
    free(body);
    if (waiter.answer)
        rb_arena_defer(work->arena, bus_json_release, waiter.answer);
    *answer = err ? NULL : waiter.answer;
    return err;
}

/* ---- GitHub -------------------------------------------------------------------------------------------- */

static json_t *github_installations(const struct rb_event_data *data)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < data->installation_count; i++)
        json_array_append_new(ids, json_integer(data->installation_ids[i]));
    return ids;
}

rb_err rb_work_github(const struct rb_github_answer **answer, struct rb_work *work, const char *method,
                      const char *path, const json_t *body)
{
    const struct rb_event_data *data = rb_work_data(work);
    const json_t *root = NULL;

    *answer = NULL;
    if (!data)
        return RB_EINVAL;
    if (body && json_dumpb(body, NULL, 0, JSON_COMPACT) > GITHUB_BODY_MAX)
        return rb_error_set(RB_ETOOBIG, "asking GitHub: a body of more than %d bytes", GITHUB_BODY_MAX);
    json_t *question =
        json_pack("{s:o, s:s, s:s, s:s, s:O*}", "installation_ids", github_installations(data), "method",
                  method, "path", path, "traceparent", work->event.traceparent, "body", body);
    rb_err err = github_ask(&root, work, RB_INSTALLATION_GITHUB, question);
    if (err)
        return rb_error_wrap(err, "%s %s/%s", method, data->repo, path);
    struct rb_github_answer *said = rb_arena_alloc(work->arena, sizeof(*said));
    said->status = (int)json_integer_value(json_object_get(root, "status"));
    said->body = json_object_get(root, "body");
    said->has_next = json_is_true(json_object_get(root, "has_next"));
    said->rate_remaining = json_integer_value(json_object_get(root, "rate_remaining"));
    *answer = said;
    return RB_OK;
}

/* ---- payloads ------------------------------------------------------------------------------------------ */

/* One step of a JSON Pointer (RFC 6901, sections 3 and 4): its name, with ~1 and ~0 as what they stand for.
 */
static void github_pointer_name(char *name, const char *step, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_escaped = step[i] == '~' && i + 1 < len;
        *name++ = is_escaped ? (step[i + 1] == '1' ? '/' : '~') : step[i];
        i += is_escaped;
    }
    *name = '\0';
}

static const json_t *github_pointer_find(const json_t *json, const char *pointer, struct rb_arena *arena)
{
    char *name = rb_arena_alloc(arena, strlen(pointer) + 1);
    while (json && *pointer == '/') {
        size_t len = strcspn(pointer + 1, "/");
        github_pointer_name(name, pointer + 1, len);
        pointer += 1 + len;
        if (json_is_array(json))
            json = *name && strspn(name, "0123456789") == strlen(name)
                       ? json_array_get(json, strtoul(name, NULL, 10))
                       : NULL;
        else
            json = json_object_get(json, name);
    }
    return *pointer ? NULL : json;
}

rb_err rb_work_payload(const json_t **part, struct rb_work *work, const char *pointer)
{
    const struct rb_event_data *data = rb_work_data(work);

    *part = NULL;
    if (!data)
        return RB_EINVAL;
    if (data->payload) {
        *part = github_pointer_find(data->payload, pointer, work->arena);
        return *part ? RB_OK : rb_error_set(RB_ENOTFOUND, "the payload has nothing at %s", pointer);
    }
    if (!data->delivery_id)
        return rb_error_set(RB_ENOTFOUND, "an event of %s has no payload", work->event.subject);
    return github_ask(part, work, RB_DELIVERY_PAYLOAD,
                      json_pack("{s:I, s:s, s:s}", "hook_id", (json_int_t)data->hook_id, "delivery_id",
                                data->delivery_id, "pointer", pointer));
}
