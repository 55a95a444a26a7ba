/* Runs as JSON: what subscribers report about an installation. Pure. */
#include <string.h>

#include "bus/private.h"

#define RUN_MAX                                                                                 \
    8192 /* bytes: note and error are cut by their writers at 512 each, escaped at most sixfold \
          */

static const char *const run_states[] = {
    [RB_RUN_RUNNING] = "running",
    [RB_RUN_RETRYING] = "retrying",
    [RB_RUN_DONE] = "done",
    [RB_RUN_FAILED] = "failed",
};

const char *rb_run_state_name(enum rb_run_state state)
{
    return run_states[state];
}

rb_err rb_run_encode(struct rb_buf *out, const struct rb_run *run)
{
    if (run->installation_id <= 0 || !run->subscriber || !bus_name_is_valid(run->subscriber))
        return rb_error_set(RB_EINVAL, "run: an installation and a subscriber's name are needed");
    json_t *object = json_pack(
        "{sI ss ss sI ss si sI sI ss ss sI sI sI}", "installation_id", (json_int_t)run->installation_id,
        "subscriber", run->subscriber, "event", run->event ? run->event : "", "generation",
        (json_int_t)run->generation, "state", rb_run_state_name(run->state), "attempt", run->attempt, "done",
        (json_int_t)run->done, "total", (json_int_t)run->total, "note", run->note ? run->note : "", "error",
        run->error ? run->error : "", "at_ms", (json_int_t)run->at_ms, "started_ms",
        (json_int_t)run->started_ms, "finished_ms", (json_int_t)run->finished_ms);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    rb_err err;
    if (!text)
        err = rb_error_set(RB_EINVAL, "run: note or error is not UTF-8");
    else if (strlen(text) > RUN_MAX)
        err = rb_error_set(RB_ETOOBIG, "run: %zu bytes, the limit is %d", strlen(text), RUN_MAX);
    else
        err = rb_buf_append(out, text, strlen(text));
    free(text);
    json_decref(object);
    return err;
}

static bool run_read_int(int64_t *out, const json_t *object, const char *field)
{
    const json_t *value = json_object_get(object, field);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0;
}

static bool run_read_text(const char **out, const json_t *object, const char *field, struct rb_arena *arena)
{
    const json_t *value = json_object_get(object, field);
    *out = json_is_string(value) ? rb_arena_strdup(arena, json_string_value(value)) : "";
    return json_is_string(value);
}

static bool run_read_state(enum rb_run_state *out, const char *name)
{
    for (size_t i = 0; i < sizeof(run_states) / sizeof(run_states[0]); i++) {
        if (strcmp(run_states[i], name) == 0) {
            *out = (enum rb_run_state)i;
            return true;
        }
    }
    return false;
}

rb_err rb_run_decode(struct rb_run *run, const void *body, size_t len, struct rb_arena *arena)
{
    const char *state;
    int64_t attempt;

    memset(run, 0, sizeof(*run));
    if (len > RUN_MAX)
        return rb_error_set(RB_EINVAL, "run: %zu bytes, the limit is %d", len, RUN_MAX);
    json_t *object = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    (void)run_read_text(&run->event, object, "event", arena); /* not said by programs of before */
    bool valid = json_is_object(object) && run_read_int(&run->installation_id, object, "installation_id") &&
                 run->installation_id > 0 && run_read_text(&run->subscriber, object, "subscriber", arena) &&
                 bus_name_is_valid(run->subscriber) && run_read_int(&run->generation, object, "generation") &&
                 run_read_text(&state, object, "state", arena) && run_read_state(&run->state, state) &&
                 run_read_int(&attempt, object, "attempt") && attempt <= INT32_MAX &&
                 run_read_int(&run->done, object, "done") && run_read_int(&run->total, object, "total") &&
                 run_read_text(&run->note, object, "note", arena) &&
                 run_read_text(&run->error, object, "error", arena) &&
                 run_read_int(&run->at_ms, object, "at_ms") &&
                 run_read_int(&run->started_ms, object, "started_ms") &&
                 run_read_int(&run->finished_ms, object, "finished_ms");
    json_decref(object);
    if (!valid)
        return rb_error_set(RB_EINVAL, "run: a field is missing, of the wrong type, or this is not JSON");
    run->attempt = (int)attempt;
    return RB_OK;
}
