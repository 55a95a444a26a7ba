/* The control routes: what tests use to arrange the world and to look at it. JSON in, JSON out. */
#include "tests/github/standin.h"

#include <string.h>

static void control_ok(struct sim_exchange *x)
{
    rb_sim_answer_json(x, 200, json_pack("{s:b}", "ok", 1));
}

static void control_refuse(struct sim_exchange *x, int status, const char *message)
{
    rb_sim_answer_json(x, status, json_pack("{s:s}", "message", message));
}

/* The string under `key`; NULL after a 422. */
static const char *control_need(struct sim_exchange *x, const json_t *json, const char *key)
{
    const char *text = rb_sim_json_string(json, key);
    if (text == NULL || *text == '\0') {
        control_refuse(x, 422, rb_arena_printf(x->arena, "%s is missing", key));
        return NULL;
    }
    return text;
}

static struct sim_repo *control_repo(struct sim_exchange *x, const char *owner, const char *name)
{
    struct sim_repo *repo = rb_sim_repo_find(&x->sim->state, owner, name);
    if (repo == NULL) {
        control_refuse(x, 404, "no such repository");
    }
    return repo;
}

static void control_requests(struct sim_exchange *x)
{
    rb_sim_answer_json(x, 200, rb_sim_record_list());
}

static void control_requests_forget(struct sim_exchange *x)
{
    rb_sim_record_clear();
    control_ok(x);
}

static void control_repo_put(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    const char *owner = json != NULL ? control_need(x, json, "owner") : NULL;
    const char *name = owner != NULL ? control_need(x, json, "name") : NULL;
    const char *path = name != NULL ? control_need(x, json, "path") : NULL;
    if (path == NULL) {
        return;
    }
    struct sim_repo *repo = NULL;
    bool is_private = json_is_true(json_object_get(json, "private"));
    if (rb_sim_repo_put(&repo, &x->sim->state, owner, name, path, is_private) != RB_OK) {
        control_refuse(x, 422, rb_error_text());
        return;
    }
    rb_sim_answer_json(x, 200, json_pack("{s:I}", "id", (json_int_t)repo->id));
}

static void control_repo_rename(struct sim_exchange *x)
{
    struct sim_repo *repo = control_repo(x, x->args[0], x->args[1]);
    json_t *json = repo != NULL ? rb_sim_body_object(x) : NULL;
    if (json == NULL) {
        return;
    }
    const char *owner = rb_sim_json_string(json, "owner");
    const char *name = rb_sim_json_string(json, "name");
    owner = owner != NULL ? owner : repo->owner;
    name = name != NULL ? name : repo->name;
    if (rb_sim_repo_rename(&x->sim->state, repo, owner, name) != RB_OK) {
        control_refuse(x, 422, rb_error_text());
        return;
    }
    control_ok(x);
}

static void control_repo_delete(struct sim_exchange *x)
{
    struct sim_repo *repo = control_repo(x, x->args[0], x->args[1]);
    if (repo != NULL) {
        rb_sim_repo_remove(&x->sim->state, repo);
        control_ok(x);
    }
}

static void control_user_put(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    const char *login = json != NULL ? control_need(x, json, "login") : NULL;
    const char *token = login != NULL ? control_need(x, json, "token") : NULL;
    if (token == NULL) {
        return;
    }
    const char *scopes = rb_sim_json_string(json, "scopes");
    const struct sim_user *user =
        rb_sim_user_put(&x->sim->state, login, token, scopes != NULL ? scopes : "repo,read:user,user:email");
    rb_sim_answer_json(x, 200, json_pack("{s:I}", "id", (json_int_t)user->id));
}

static void control_permission(struct sim_exchange *x)
{
    static const char *const names[] = {"none", "read", "write", "admin"};
    json_t *json = rb_sim_body_object(x);
    const char *owner = json != NULL ? control_need(x, json, "owner") : NULL;
    const char *name = owner != NULL ? control_need(x, json, "repo") : NULL;
    const char *login = name != NULL ? control_need(x, json, "login") : NULL;
    const char *permission = login != NULL ? control_need(x, json, "permission") : NULL;
    struct sim_repo *repo = permission != NULL ? control_repo(x, owner, name) : NULL;
    if (repo == NULL) {
        return;
    }
    for (int level = SIM_NONE; level <= SIM_ADMIN; level++) {
        if (strcmp(names[level], permission) == 0) {
            rb_sim_repo_grant(repo, login, (enum sim_permission)level);
            control_ok(x);
            return;
        }
    }
    control_refuse(x, 422, "permission must be admin, write, read or none");
}

/* They are what GitHub's lists are made of: whatever a field lacks is the test's own affair. */
static void control_topics(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    const char *owner = json != NULL ? control_need(x, json, "owner") : NULL;
    const char *name = owner != NULL ? control_need(x, json, "repo") : NULL;
    struct sim_repo *repo = name != NULL ? control_repo(x, owner, name) : NULL;
    if (repo == NULL) {
        return;
    }
    json_decref(repo->topics);
    repo->topics = json_deep_copy(json_object_get(json, "open"));
    control_ok(x);
}

/* The hooks of one repository, with what GitHub keeps to itself. */
static void control_hooks_append(json_t *list, const struct sim_exchange *x, const struct sim_repo *repo)
{
    for (const struct sim_hook *hook = repo->hooks; hook != NULL; hook = hook->next) {
        json_t *json = rb_sim_shape_hook(x->base, repo, hook);
        json_t *config = json_object_get(json, "config");
        if (hook->secret != NULL) {
            json_object_set_new(config, "secret", json_string(hook->secret));
        }
        json_object_set_new(json, "secret", hook->secret != NULL ? json_string(hook->secret) : json_null());
        json_object_set_new(json, "repo", json_sprintf("%s/%s", repo->owner, repo->name));
        json_object_set_new(json, "repo_id", json_integer(repo->id));
        json_object_set_new(json, "hidden", json_boolean(hook->is_hidden));
        json_array_append_new(list, json);
    }
}

static void control_hooks(struct sim_exchange *x)
{
    json_t *list = json_array();
    for (const struct sim_repo *repo = x->sim->state.repos; repo != NULL; repo = repo->next) {
        control_hooks_append(list, x, repo);
    }
    rb_sim_answer_json(x, 200, list);
}

static void control_hooks_of_repo(struct sim_exchange *x)
{
    const struct sim_repo *repo = control_repo(x, x->args[0], x->args[1]);
    if (repo != NULL) {
        json_t *list = json_array();
        control_hooks_append(list, x, repo);
        rb_sim_answer_json(x, 200, list);
    }
}

static void control_hook_add(struct sim_exchange *x)
{
    struct sim_repo *repo = control_repo(x, x->args[0], x->args[1]);
    json_t *json = repo != NULL ? rb_sim_body_object(x) : NULL;
    const char *url = json != NULL ? control_need(x, json, "url") : NULL;
    if (url == NULL) {
        return;
    }
    const char *secret = rb_sim_json_string(json, "secret");
    const json_t *events = json_object_get(json, "events");
    struct sim_hook *hook = rb_sim_hook_add(&x->sim->state, repo);
    hook->url = rb_strdup(url);
    hook->secret = secret != NULL ? rb_strdup(secret) : NULL;
    hook->content_type = rb_strdup("json");
    hook->insecure_ssl = rb_strdup("0");
    hook->events =
        json_is_array(events) ? json_deep_copy(events) : json_pack("[s, s]", "pull_request", "issues");
    hook->is_hidden = json_is_true(json_object_get(json, "hidden"));
    rb_sim_answer_json(x, 200, json_pack("{s:I}", "id", (json_int_t)hook->id));
}

static void control_limits(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    if (json == NULL) {
        return;
    }
    struct sim_state *state = &x->sim->state;
    const json_t *entries = json_object_get(json, "tree_entries");
    const json_t *remaining = json_object_get(json, "rate_remaining");
    const json_t *reset = json_object_get(json, "rate_reset");
    const json_t *points = json_object_get(json, "points_remaining");
    if (json_is_integer(entries) && json_integer_value(entries) > 0) {
        state->tree_limit = (size_t)json_integer_value(entries);
        rb_sim_tree_cache_clear();
    }
    for (struct sim_user *user = state->users; user != NULL; user = user->next) {
        if (json_is_integer(remaining)) {
            int64_t left = json_integer_value(remaining);
            left = left < 0 ? 0 : left > user->rate_limit ? user->rate_limit : left;
            user->rate_used = user->rate_limit - left;
        }
        if (json_is_integer(reset)) {
            user->rate_reset = user->points_reset = json_integer_value(reset);
        }
        if (json_is_integer(points)) {
            user->points_used = user->rate_limit - json_integer_value(points);
        }
    }
    control_ok(x);
}

static void control_delivered(void *arg, json_t *results)
{
    struct sim_exchange *x = arg;
    rb_sim_answer_json(x, 200, json_incref(results));
    rb_sim_exchange_finish(x);
}

static void control_deliver(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    const char *owner = json != NULL ? control_need(x, json, "owner") : NULL;
    const char *name = owner != NULL ? control_need(x, json, "repo") : NULL;
    const char *event = name != NULL ? control_need(x, json, "event") : NULL;
    struct sim_repo *repo = event != NULL ? control_repo(x, owner, name) : NULL;
    if (repo == NULL) {
        return;
    }
    const json_t *payload = json_object_get(json, "payload");
    if (!json_is_object(payload)) {
        control_refuse(x, 422, "payload must be an object");
        return;
    }
    x->is_deferred = true;
    rb_sim_deliver(x->sim, repo,
                   &(struct sim_event){.name = event,
                                       .payload = payload,
                                       .guid = rb_sim_json_string(json, "delivery"),
                                       .done = control_delivered,
                                       .arg = x});
}

static void control_fault_add(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    if (json == NULL) {
        return;
    }
    if (rb_sim_fault_add(json) != RB_OK) {
        control_refuse(x, 422, rb_error_text());
        return;
    }
    control_ok(x);
}

static void control_faults_clear(struct sim_exchange *x)
{
    rb_sim_fault_clear();
    rb_sim_server_release(x->sim);
    control_ok(x);
}

static const struct sim_route control_table[] = {
    {"GET", "/_control/requests", SIM_NEED_NOTHING, "", control_requests},
    {"DELETE", "/_control/requests", SIM_NEED_NOTHING, "", control_requests_forget},
    {"POST", "/_control/repos", SIM_NEED_NOTHING, "", control_repo_put},
    {"POST", "/_control/repos/:/:/rename", SIM_NEED_NOTHING, "", control_repo_rename},
    {"DELETE", "/_control/repos/:/:", SIM_NEED_NOTHING, "", control_repo_delete},
    {"POST", "/_control/oauth", SIM_NEED_NOTHING, "", rb_sim_oauth_control},
    {"POST", "/_control/users", SIM_NEED_NOTHING, "", control_user_put},
    {"POST", "/_control/permissions", SIM_NEED_NOTHING, "", control_permission},
    {"POST", "/_control/topics", SIM_NEED_NOTHING, "", control_topics},
    {"GET", "/_control/hooks", SIM_NEED_NOTHING, "", control_hooks},
    {"GET", "/_control/hooks/:/:", SIM_NEED_NOTHING, "", control_hooks_of_repo},
    {"POST", "/_control/hooks/:/:", SIM_NEED_NOTHING, "", control_hook_add},
    {"POST", "/_control/limits", SIM_NEED_NOTHING, "", control_limits},
    {"POST", "/_control/deliver", SIM_NEED_NOTHING, "", control_deliver},
    {"POST", "/_control/faults", SIM_NEED_NOTHING, "", control_fault_add},
    {"DELETE", "/_control/faults", SIM_NEED_NOTHING, "", control_faults_clear},
};

void rb_sim_control(struct sim_exchange *x)
{
    x->route = rb_sim_route_match(control_table, sizeof(control_table) / sizeof(control_table[0]), x);
    if (x->route == NULL) {
        control_refuse(x, 404, "no such control route");
        return;
    }
    x->route->handle(x);
}
