/*
 * Webhooks of repositories, with the checks that GitHub makes. A hook's identity on a repository is its
 * address: a second one with the same is refused, which callers must live with.
 */
#include "tests/github/standin.h"

#include <string.h>

#define HOOKS_PER_EVENT 20 /* docs.github.com, "Types of webhooks" */
#define HOOKS_URL_MAX   2048

static const char *const hooks_events[] = {
    "*",
    "branch_protection_configuration",
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "code_scanning_alert",
    "commit_comment",
    "create",
    "custom_property_values",
    "delete",
    "dependabot_alert",
    "deploy_key",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "issue_comment",
    "issue_dependencies",
    "issues",
    "label",
    "member",
    "merge_group",
    "meta",
    "milestone",
    "package",
    "page_build",
    "project",
    "project_card",
    "project_column",
    "public",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "push",
    "registry_package",
    "release",
    "repository",
    "repository_advisory",
    "repository_import",
    "repository_ruleset",
    "repository_vulnerability_alert",
    "secret_scanning_alert",
    "secret_scanning_alert_location",
    "secret_scanning_scan",
    "security_and_analysis",
    "star",
    "status",
    "sub_issues",
    "team_add",
    "watch",
    "workflow_job",
    "workflow_run",
};

static void hooks_refuse(struct sim_exchange *x, const char *field, const char *message)
{
    json_t *error = json_pack("{s:s, s:s, s:s}", "resource", "Hook", "code", "custom", "message", message);
    if (field != NULL) {
        json_object_set_new(error, "field", json_string(field));
    }
    rb_sim_answer_invalid(x, x->route->doc, json_pack("[o]", error));
}

/* A number in the path; 0, which nothing has, when it is none. */
static int64_t hooks_number(const char *text)
{
    bool is_number = strspn(text, "0123456789") == strlen(text);
    return is_number ? strtoll(text, NULL, 10) : 0;
}

/* The hook in the path; NULL after a 404. */
static struct sim_hook *hooks_find(struct sim_exchange *x)
{
    struct sim_hook *hook = rb_sim_hook_find(x->repo, hooks_number(x->args[2]));
    if (hook == NULL || hook->is_hidden) {
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
        return NULL;
    }
    return hook;
}

static bool hooks_type_is(const json_t *value, json_type type)
{
    // jansson has two types of truth.
    return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

/*
 * GitHub looks at types before it looks at values, with a message of another kind. False after a 422. A null
 * is of no type either.
 */
static bool hooks_types_are_good(struct sim_exchange *x, const json_t *json)
{
    static const struct {
        const char *key;
        json_type type;
        const char *wanted;
    } types[] = {
        {"name", JSON_STRING, "a string"},         {"config", JSON_OBJECT, "an object"},
        {"events", JSON_ARRAY, "an array"},        {"add_events", JSON_ARRAY, "an array"},
        {"remove_events", JSON_ARRAY, "an array"}, {"active", JSON_TRUE, "a boolean"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const json_t *value = json_object_get(json, types[i].key);
        if (value != NULL && !hooks_type_is(value, types[i].type)) {
            char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            rb_sim_answer_error(
                x, 422, x->route->doc,
                rb_arena_printf(x->arena, "Invalid request.\n\nFor 'properties/%s', %s is not %s.",
                                types[i].key, json_is_null(value) ? "nil" : text, types[i].wanted));
            free(text);
            return false;
        }
    }
    return true;
}

static bool hooks_event_is_known(const char *event)
{
    for (size_t i = 0; i < sizeof(hooks_events) / sizeof(hooks_events[0]); i++) {
        if (strcmp(hooks_events[i], event) == 0) {
            return true;
        }
    }
    return false;
}

static bool hooks_has_event(const struct sim_hook *hook, const char *event)
{
    size_t i;
    json_t *value;
    json_array_foreach(hook->events, i, value)
    {
        if (strcmp(json_string_value(value), event) == 0) {
            return true;
        }
    }
    return false;
}

/* A list of known events without doubles; NULL after a 422. */
static json_t *hooks_events_of(struct sim_exchange *x, const json_t *list)
{
    if (list == NULL) {
        return json_pack("[s]", "push"); // GitHub's default
    }
    json_t *events = json_array();
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value)
    {
        const char *event = json_string_value(value);
        if (event == NULL || !hooks_event_is_known(event)) {
            json_decref(events);
            hooks_refuse(x, "events", "Events contains an unknown event");
            return NULL;
        }
        struct sim_hook so_far = {.events = events};
        if (!hooks_has_event(&so_far, event)) {
            json_array_append_new(events, json_string(event));
        }
    }
    return events;
}

/* insecure_ssl may be given as a number or a string. */
static const char *hooks_flag(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);
    if (json_is_integer(value)) {
        return json_integer_value(value) != 0 ? "1" : "0";
    }
    const char *text = json_string_value(value);
    return text != NULL ? text : "0";
}

/* Looks at url, content_type and insecure_ssl where given; false after a 422. */
static bool hooks_config_is_good(struct sim_exchange *x, const json_t *config, const struct sim_hook *self)
{
    const char *url = rb_sim_json_string(config, "url");
    const char *type = rb_sim_json_string(config, "content_type");
    const char *insecure = hooks_flag(config, "insecure_ssl");
    if (url == NULL && self == NULL) {
        hooks_refuse(x, NULL, "Config must contain URL for webhooks");
        return false;
    }
    if (url != NULL && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        hooks_refuse(x, "url", "url is missing a scheme");
        return false;
    }
    if (url != NULL && strlen(url) > HOOKS_URL_MAX) {
        hooks_refuse(x, "url", "url is too long (maximum is 2048 characters)");
        return false;
    }
    if (type != NULL && strcmp(type, "json") != 0 && strcmp(type, "form") != 0) {
        hooks_refuse(x, "content_type", "content_type must be json or form");
        return false;
    }
    if (strcmp(insecure, "0") != 0 && strcmp(insecure, "1") != 0) {
        hooks_refuse(x, "insecure_ssl", "insecure_ssl must be 0 or 1");
        return false;
    }
    for (const struct sim_hook *hook = x->repo->hooks; url != NULL && hook != NULL; hook = hook->next) {
        if (hook != self && strcmp(hook->url, url) == 0) {
            hooks_refuse(x, NULL, "Hook already exists on this repository");
            return false;
        }
    }
    return true;
}

static void hooks_replace(char **slot, const char *value)
{
    if (value != NULL) {
        free(*slot);
        *slot = rb_strdup(value);
    }
}

/* `is_whole`: what is not given takes its default, as in PATCH …/hooks/{id}; else it stays. */
static void hooks_configure(struct sim_hook *hook, const json_t *config, bool is_whole)
{
    const char *type = rb_sim_json_string(config, "content_type");
    const char *secret = rb_sim_json_string(config, "secret");
    bool has_flag = json_object_get(config, "insecure_ssl") != NULL;
    hooks_replace(&hook->url, rb_sim_json_string(config, "url"));
    hooks_replace(&hook->content_type, type == NULL && is_whole ? "form" : type);
    hooks_replace(&hook->insecure_ssl, has_flag || is_whole ? hooks_flag(config, "insecure_ssl") : NULL);
    if (is_whole || secret != NULL) {
        free(hook->secret);
        hook->secret = secret != NULL && *secret != '\0' ? rb_strdup(secret) : NULL;
    }
    hook->updated_ms = rb_clock_wall_ms();
}

static bool hooks_has_room(struct sim_exchange *x, const json_t *events, const struct sim_hook *self)
{
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        int count = 0;
        for (const struct sim_hook *hook = x->repo->hooks; hook != NULL; hook = hook->next) {
            count += hook != self && hooks_has_event(hook, json_string_value(event));
        }
        if (count >= HOOKS_PER_EVENT) {
            hooks_refuse(x, NULL,
                         rb_arena_printf(x->arena, "The \"%s\" event cannot have more than %d hooks",
                                         json_string_value(event), HOOKS_PER_EVENT));
            return false;
        }
    }
    return true;
}

void rb_sim_hooks_list(struct sim_exchange *x)
{
    size_t total = 0;
    for (const struct sim_hook *hook = x->repo->hooks; hook != NULL; hook = hook->next) {
        total += !hook->is_hidden;
    }
    size_t first = 0;
    size_t end = 0;
    size_t at = 0;
    rb_sim_page(x, total, &first, &end);
    json_t *list = json_array();
    for (const struct sim_hook *hook = x->repo->hooks; hook != NULL; hook = hook->next) {
        if (!hook->is_hidden && at >= first && at < end) {
            json_array_append_new(list, rb_sim_shape_hook(x->base, x->repo, hook));
        }
        at += !hook->is_hidden;
    }
    rb_sim_answer_json(x, 200, list);
}

void rb_sim_hooks_create(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    if (json == NULL || !hooks_types_are_good(x, json)) {
        return;
    }
    const char *name = rb_sim_json_string(json, "name");
    const json_t *config = json_object_get(json, "config");
    if (name != NULL && strcmp(name, "web") != 0) {
        hooks_refuse(x, "name", "The name parameter must be web");
        return;
    }
    if (!hooks_config_is_good(x, config, NULL)) {
        return;
    }
    json_t *events = hooks_events_of(x, json_object_get(json, "events"));
    if (events == NULL) {
        return;
    }
    if (!hooks_has_room(x, events, NULL)) {
        json_decref(events);
        return;
    }
    const json_t *active = json_object_get(json, "active");
    struct sim_hook *hook = rb_sim_hook_add(&x->sim->state, x->repo);
    hook->events = events;
    hook->is_active = active == NULL || json_is_true(active);
    hooks_configure(hook, config, true);
    hook->updated_ms = hook->created_ms;
    rb_sim_header(x, "location", "%s/repos/%s/%s/hooks/%lld", x->base, x->repo->owner, x->repo->name,
                  (long long)hook->id);
    rb_sim_answer_json(x, 201, rb_sim_shape_hook(x->base, x->repo, hook));
    rb_sim_hooks_send_ping(x->sim, x->repo, hook, x->base);
}

void rb_sim_hooks_get(struct sim_exchange *x)
{
    const struct sim_hook *hook = hooks_find(x);
    if (hook != NULL) {
        rb_sim_answer_json(x, 200, rb_sim_shape_hook(x->base, x->repo, hook));
    }
}

/* The events after `events`, `add_events` and `remove_events`; NULL after a 422. */
static json_t *hooks_events_changed(struct sim_exchange *x, const struct sim_hook *hook, const json_t *json)
{
    const json_t *whole = json_object_get(json, "events");
    const json_t *added = json_object_get(json, "add_events");
    const json_t *removed = json_object_get(json, "remove_events");
    json_t *wanted = json_copy(whole != NULL ? (json_t *)whole : hook->events);
    if (json_is_array(added)) {
        json_array_extend(wanted, (json_t *)added);
    }
    for (size_t i = json_array_size(wanted); i-- > 0;) {
        size_t k;
        json_t *gone;
        json_array_foreach(removed, k, gone)
        {
            if (json_equal(gone, json_array_get(wanted, i))) {
                json_array_remove(wanted, i);
                break;
            }
        }
    }
    json_t *events = hooks_events_of(x, wanted);
    json_decref(wanted);
    return events;
}

void rb_sim_hooks_update(struct sim_exchange *x)
{
    struct sim_hook *hook = hooks_find(x);
    json_t *json = hook != NULL ? rb_sim_body_object(x) : NULL;
    if (json == NULL || !hooks_types_are_good(x, json)) {
        return;
    }
    const json_t *config = json_object_get(json, "config");
    if (config != NULL && !hooks_config_is_good(x, config, hook)) {
        return;
    }
    json_t *events = hooks_events_changed(x, hook, json);
    if (events == NULL) {
        return;
    }
    if (!hooks_has_room(x, events, hook)) {
        json_decref(events);
        return;
    }
    json_decref(hook->events);
    hook->events = events;
    const json_t *active = json_object_get(json, "active");
    hook->is_active = active != NULL ? json_is_true(active) : hook->is_active;
    if (config != NULL) {
        hooks_configure(hook, config, true);
    }
    hook->updated_ms = rb_clock_wall_ms();
    rb_sim_answer_json(x, 200, rb_sim_shape_hook(x->base, x->repo, hook));
}

void rb_sim_hooks_delete(struct sim_exchange *x)
{
    struct sim_hook *hook = hooks_find(x);
    if (hook != NULL) {
        rb_sim_hook_remove(x->repo, hook);
        rb_sim_answer_empty(x, 204);
    }
}

void rb_sim_hooks_ping(struct sim_exchange *x)
{
    struct sim_hook *hook = hooks_find(x);
    if (hook != NULL) {
        rb_sim_hooks_send_ping(x->sim, x->repo, hook, x->base);
        rb_sim_answer_empty(x, 204);
    }
}

void rb_sim_hooks_send_ping(struct sim *sim, struct sim_repo *repo, struct sim_hook *hook, const char *base)
{
    json_t *payload =
        json_pack("{s:s, s:I, s:o, s:o, s:o}", "zen", "Keep it logically awesome.", "hook_id",
                  (json_int_t)hook->id, "hook", rb_sim_shape_hook(base, repo, hook), "repository",
                  rb_sim_shape_repo(base, repo, NULL, false), "sender", rb_sim_shape_user(base, repo->owner));
    rb_sim_deliver(sim, repo, &(struct sim_event){.name = "ping", .payload = payload, .only = hook});
    json_decref(payload);
}

void rb_sim_hooks_config_get(struct sim_exchange *x)
{
    const struct sim_hook *hook = hooks_find(x);
    if (hook != NULL) {
        rb_sim_answer_json(x, 200, rb_sim_shape_hook_config(hook));
    }
}

void rb_sim_hooks_config_update(struct sim_exchange *x)
{
    struct sim_hook *hook = hooks_find(x);
    json_t *json = hook != NULL ? rb_sim_body_object(x) : NULL;
    if (json != NULL && hooks_config_is_good(x, json, hook)) {
        hooks_configure(hook, json, false);
        rb_sim_answer_json(x, 200, rb_sim_shape_hook_config(hook));
    }
}

/* ---- deliveries ---- */

static const char *hooks_delivery_status(const struct sim_delivery *delivery)
{
    if (delivery->status == 0) {
        return "failed to connect to host";
    }
    return delivery->status >= 200 && delivery->status < 300 ? "OK" : "Invalid HTTP Response";
}

static json_t *hooks_delivery_json(const struct sim_repo *repo, const struct sim_delivery *delivery)
{
    char at[RB_TIME_SIZE];
    rb_sim_shape_time(at, delivery->at_ms);
    json_t *json =
        json_pack("{s:I, s:s, s:s, s:b, s:f, s:s, s:i, s:s, s:n, s:I, s:n}", "id", (json_int_t)delivery->id,
                  "guid", delivery->guid, "delivered_at", at, "redelivery", delivery->is_again, "duration",
                  (double)delivery->duration_ms / 1000, "status", hooks_delivery_status(delivery),
                  "status_code", delivery->status, "event", delivery->event, "installation_id",
                  "repository_id", (json_int_t)repo->id, "throttled_at");
    json_object_set_new(json, "action",
                        *delivery->action != '\0' ? json_string(delivery->action) : json_null());
    return json;
}

/* The n-th latest that is still kept, or NULL. */
static const struct sim_delivery *hooks_nth(const struct sim_hook *hook, size_t n)
{
    if (n >= hook->delivery_count || n >= SIM_DELIVERIES_KEPT) {
        return NULL;
    }
    return &hook->deliveries[(hook->delivery_count - 1 - n) % SIM_DELIVERIES_KEPT];
}

void rb_sim_hooks_deliveries(struct sim_exchange *x)
{
    const struct sim_hook *hook = hooks_find(x);
    if (hook == NULL) {
        return;
    }
    int64_t per_page = rb_sim_query_int(x, "per_page", 30, 1, 100);
    int64_t cursor = rb_sim_query_int(x, "cursor", INT64_MAX, 1, INT64_MAX); // deliveries before this id
    json_t *list = json_array();
    int64_t last = 0;
    const struct sim_delivery *delivery = NULL;
    for (size_t n = 0; (delivery = hooks_nth(hook, n)) != NULL; n++) {
        if (delivery->id >= cursor) {
            continue;
        }
        if ((int64_t)json_array_size(list) == per_page) {
            rb_sim_header(x, "link", "<%s?per_page=%lld&cursor=%lld>; rel=\"next\"", rb_sim_self(x),
                          (long long)per_page, (long long)last);
            break;
        }
        last = delivery->id;
        json_array_append_new(list, hooks_delivery_json(x->repo, delivery));
    }
    rb_sim_answer_json(x, 200, list);
}

static const struct sim_delivery *hooks_delivery_find(struct sim_exchange *x, const struct sim_hook *hook)
{
    int64_t id = hooks_number(x->args[3]);
    const struct sim_delivery *delivery = NULL;
    for (size_t n = 0; (delivery = hooks_nth(hook, n)) != NULL; n++) {
        if (delivery->id == id) {
            return delivery;
        }
    }
    rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
    return NULL;
}

void rb_sim_hooks_delivery(struct sim_exchange *x)
{
    const struct sim_hook *hook = hooks_find(x);
    const struct sim_delivery *delivery = hook != NULL ? hooks_delivery_find(x, hook) : NULL;
    if (delivery == NULL) {
        return;
    }
    json_t *json = hooks_delivery_json(x->repo, delivery);
    json_object_set_new(json, "url", json_string(hook->url));
    json_object_set_new(json, "request",
                        json_pack("{s:O, s:O}", "headers", delivery->request, "payload", delivery->payload));
    json_object_set_new(json, "response",
                        json_pack("{s:O, s:s}", "headers", delivery->response, "payload", delivery->answer));
    rb_sim_answer_json(x, 200, json);
}

static void hooks_redelivered(void *arg, json_t *results)
{
    (void)results;
    rb_sim_exchange_finish(arg);
}

/* GitHub says 202 and delivers later. Here it is said when the attempt is in the list: whoever looks often
 * would else ask for it again. */
void rb_sim_hooks_redeliver(struct sim_exchange *x)
{
    struct sim_hook *hook = hooks_find(x);
    const struct sim_delivery *delivery = hook != NULL ? hooks_delivery_find(x, hook) : NULL;
    if (delivery != NULL) {
        char guid[RB_UUID_SIZE];
        memcpy(guid, delivery->guid, sizeof(guid));
        json_t *payload = json_incref(delivery->payload);
        rb_sim_answer_json(x, 202, json_object());
        x->is_deferred = true;
        rb_sim_deliver(x->sim, x->repo,
                       &(struct sim_event){.name = delivery->event,
                                           .payload = payload,
                                           .guid = guid,
                                           .only = hook,
                                           .is_again = true,
                                           .done = hooks_redelivered,
                                           .arg = x});
        json_decref(payload);
    }
}
