/*
 * Faults: a list of rules, oldest first. The first that matches a request and is past its `skip` decides what
 * happens to it; a rule that has been used `count` times is gone.
 */
#include "tests/github/standin.h"

#include <string.h>

#define FAULTS_MAX 1000 /* rules at once: a test that needs more has a mistake */

enum fault_kind {
    FAULT_LATENCY,
    FAULT_STATUS,
    FAULT_CUT_BEFORE,
    FAULT_CUT_HEADERS,
    FAULT_CUT_BODY,
    FAULT_HANG,
    FAULT_GARBAGE,
    FAULT_RATE_LIMIT,
    FAULT_SECONDARY_LIMIT,
    FAULT_ANSWER_LOST,
    FAULT_HALF_ANSWER,
    FAULT_KINDS,
};

static const char *const fault_names[FAULT_KINDS] = {
    [FAULT_LATENCY] = "latency",
    [FAULT_STATUS] = "status",
    [FAULT_CUT_BEFORE] = "cut-before",
    [FAULT_CUT_HEADERS] = "cut-headers",
    [FAULT_CUT_BODY] = "cut-body",
    [FAULT_HANG] = "hang",
    [FAULT_GARBAGE] = "garbage",
    [FAULT_RATE_LIMIT] = "rate-limit",
    [FAULT_SECONDARY_LIMIT] = "secondary-limit",
    [FAULT_ANSWER_LOST] = "answer-lost",
    [FAULT_HALF_ANSWER] = "half-answer",
};

struct fault {
    struct fault *next;
    enum fault_kind kind;
    char *method; /* NULL: any */
    char *path;   /* a prefix */
    int64_t left; /* requests it still applies to; -1: for ever */
    int64_t skip;
    int64_t ms;
    int64_t seconds;
    int status;
    json_t *body; /* NULL: GitHub's error shape */
};

static struct fault *fault_list;
static size_t fault_count;

static void fault_free(struct fault *fault)
{
    free(fault->method);
    free(fault->path);
    json_decref(fault->body);
    free(fault);
    fault_count--;
}

void rb_sim_fault_clear(void)
{
    while (fault_list != NULL) {
        struct fault *fault = fault_list;
        fault_list = fault->next;
        fault_free(fault);
    }
}

static rb_err fault_number(int64_t *out, const json_t *json, const char *key, int64_t fallback, int64_t max)
{
    const json_t *value = json_object_get(json, key);
    *out = value == NULL ? fallback : json_integer_value(value);
    if (value != NULL && (!json_is_integer(value) || *out < 0 || *out > max)) {
        return rb_error_set(RB_EINVAL, "%s must be a number from 0 to %lld", key, (long long)max);
    }
    return RB_OK;
}

rb_err rb_sim_fault_add(const json_t *json)
{
    const char *kind = rb_sim_json_string(json, "kind");
    int found = 0;
    while (found < FAULT_KINDS && (kind == NULL || strcmp(fault_names[found], kind) != 0)) {
        found++;
    }
    if (found == FAULT_KINDS) {
        return rb_error_set(RB_EINVAL, "kind is none that there is");
    }
    if (fault_count >= FAULTS_MAX) {
        return rb_error_set(RB_ELIMIT, "there are %d faults already", FAULTS_MAX);
    }
    int64_t count = 0;
    int64_t skip = 0;
    int64_t ms = 0;
    int64_t seconds = 0;
    int64_t status = 0;
    rb_err err = fault_number(&count, json, "count", 1, INT32_MAX);
    err = err != RB_OK ? err : fault_number(&skip, json, "skip", 0, INT32_MAX);
    err = err != RB_OK ? err : fault_number(&ms, json, "ms", 1000, INT64_C(3600) * 1000);
    err = err != RB_OK ? err : fault_number(&seconds, json, "seconds", 60, INT32_MAX);
    err = err != RB_OK ? err : fault_number(&status, json, "status", 500, 599);
    if (err == RB_OK && status < 200) {
        err = rb_error_set(RB_EINVAL, "status must be 200 or more");
    }
    if (err != RB_OK) {
        return err;
    }
    const char *method = rb_sim_json_string(json, "method");
    const char *path = rb_sim_json_string(json, "path");
    struct fault *fault = rb_calloc(1, sizeof(*fault));
    *fault = (struct fault){
        .kind = (enum fault_kind)found,
        .method = method != NULL ? rb_strdup(method) : NULL,
        .path = rb_strdup(path != NULL ? path : "/"),
        .left = count == 0 ? -1 : count,
        .skip = skip,
        .ms = ms,
        .seconds = seconds,
        .status = (int)status,
        .body = json_incref(json_object_get(json, "body")),
    };
    struct fault **last = &fault_list;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = fault;
    fault_count++;
    return RB_OK;
}

static bool fault_matches(const struct fault *fault, const struct sim_exchange *x)
{
    return (fault->method == NULL || strcmp(fault->method, x->method) == 0) &&
           strncmp(fault->path, x->path, strlen(fault->path)) == 0;
}

/* As if all requests of this person had been used: the next one may pass again, it is but a fault. */
static void fault_rate_limit(struct sim_exchange *x, int64_t seconds)
{
    const struct sim_user *user = rb_sim_asker(x);
    struct sim_user spent = user != NULL ? *user : x->sim->state.anonymous;
    spent.rate_used = spent.points_used = spent.rate_limit;
    spent.rate_reset = spent.points_reset = rb_clock_wall_ms() / 1000 + seconds;
    rb_sim_rate_headers(x, &spent);
    if (rb_sim_is_query(x)) {
        rb_sim_answer_query_limit(x);
    } else {
        rb_sim_answer_rate_limit(x, &spent);
    }
}

/* GitHub's error shape, or the body that the test wants; none where HTTP allows none. */
static void fault_status(struct sim_exchange *x, const struct fault *fault)
{
    if (fault->status == 204 || fault->status == 304) {
        rb_sim_answer_empty(x, fault->status);
    } else if (fault->body != NULL) {
        rb_sim_answer_json(x, fault->status, json_incref(fault->body));
    } else {
        rb_sim_answer_error(x, fault->status, "", fault->status >= 500 ? "Server Error" : "Not Found");
    }
}

static bool fault_do(struct sim_exchange *x, const struct fault *fault)
{
    static const char garbage[] =
        "<html><head><title>Unicorn!</title></head><body>{\"id\": 12, \"messa</body>";
    switch (fault->kind) {
    case FAULT_LATENCY:
        x->due_ms = rb_clock_ms() + fault->ms;
        return false;
    case FAULT_STATUS:
        fault_status(x, fault);
        return true;
    case FAULT_CUT_BEFORE:
        x->cut = SIM_CUT_BEFORE;
        rb_sim_answer_empty(x, 204);
        return true;
    case FAULT_CUT_HEADERS:
        x->cut = SIM_CUT_HEADERS;
        return false;
    case FAULT_CUT_BODY:
        x->cut = SIM_CUT_BODY;
        return false;
    case FAULT_ANSWER_LOST:
        x->cut = SIM_CUT_BEFORE;
        return false;
    case FAULT_HANG:
        x->is_hanging = true;
        return false;
    case FAULT_HALF_ANSWER:
        x->is_halved = true;
        return false;
    case FAULT_GARBAGE:
        rb_sim_answer_bytes(x, 200, "application/json; charset=utf-8", garbage, sizeof(garbage) - 1);
        return true;
    case FAULT_RATE_LIMIT:
        fault_rate_limit(x, fault->seconds);
        return true;
    case FAULT_SECONDARY_LIMIT:
        rb_sim_rate_headers(x, rb_sim_asker(x) != NULL ? rb_sim_asker(x) : &x->sim->state.anonymous);
        rb_sim_header(x, "retry-after", "%lld", (long long)fault->seconds);
        rb_sim_answer_error(
            x, 403, "overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try "
            "again.");
        return true;
    case FAULT_KINDS:
        break;
    }
    return false;
}

bool rb_sim_fault_apply(struct sim_exchange *x)
{
    for (struct fault **link = &fault_list; *link != NULL; link = &(*link)->next) {
        struct fault *fault = *link;
        if (!fault_matches(fault, x)) {
            continue;
        }
        if (fault->skip > 0) {
            fault->skip--;
            continue;
        }
        bool is_answered = fault_do(x, fault);
        if (fault->left > 0 && --fault->left == 0) {
            *link = fault->next;
            fault_free(fault);
        }
        return is_answered;
    }
    return false;
}
