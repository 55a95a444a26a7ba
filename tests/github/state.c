/*
 * Users, repositories, permissions and hooks, in memory. Names compare without regard to case, as on GitHub;
 * the number is the identity and survives a rename. Lists are short (a test has a handful), so they are plain
 * lists.
 */
#include "tests/github/standin.h"

#include <string.h>
#include <strings.h>

#define STATE_FIRST_HOOK     500000001
#define STATE_FIRST_DELIVERY 180000000001
#define STATE_NAME_MAX       100 /* GitHub's, for repositories */
#define STATE_ANONYMOUS_RATE 60  /* GitHub's, without a token */

static int64_t state_now_s(void)
{
    return rb_clock_wall_ms() / 1000;
}

void rb_sim_state_init(struct sim_state *state)
{
    *state = (struct sim_state){
        .next_hook_id = STATE_FIRST_HOOK,
        .next_delivery_id = STATE_FIRST_DELIVERY,
        .tree_limit = 100000,
    };
    state->anonymous.rate_limit = STATE_ANONYMOUS_RATE;
    state->anonymous.rate_reset = state_now_s() + SIM_RATE_WINDOW;
}

int64_t rb_sim_id_of(const char *kind, const char *name)
{
    char text[320];
    char uuid[RB_UUID_SIZE];
    snprintf(text, sizeof(text), "%s/%s", kind, name);
    for (char *p = text; *p != '\0'; p++) {
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
    }
    rb_uuid_from_name(uuid, text);
    uuid[8] = '\0';
    // Ids of this size are what GitHub has today; the first digit keeps all of them equally long.
    return 100000000 + (int64_t)(strtoull(uuid, NULL, 16) % 900000000);
}

/* ---- users ---- */

struct sim_user *rb_sim_user_put(struct sim_state *state, const char *login, const char *token,
                                 const char *scopes)
{
    struct sim_user *user = state->users;
    while (user != NULL && strcasecmp(user->login, login) != 0) {
        user = user->next;
    }
    if (user == NULL) {
        struct sim_user **last = &state->users;
        while (*last != NULL) {
            last = &(*last)->next;
        }
        user = rb_calloc(1, sizeof(*user));
        *last = user;
    }
    free(user->login);
    free(user->token);
    free(user->scopes);
    user->id = rb_sim_id_of("user", login);
    user->login = rb_strdup(login);
    user->token = rb_strdup(token);
    user->rate_used = 0;
    user->rate_limit = SIM_RATE_LIMIT;
    user->rate_reset = user->points_reset = state_now_s() + SIM_RATE_WINDOW;
    user->points_used = 0;

    // "repo,read:user" and "repo, read:user" both become what the header shows.
    struct rb_buf buf;
    rb_buf_init(&buf, 4096);
    for (const char *p = scopes; *p != '\0';) {
        size_t len = strcspn(p, ", ");
        if (len > 0 && rb_buf_printf(&buf, "%s%.*s", buf.len > 0 ? ", " : "", (int)len, p) != RB_OK) {
            break;
        }
        p += len;
        p += strspn(p, ", ");
    }
    user->scopes = rb_strdup(buf.len > 0 ? buf.data : "");
    rb_buf_free(&buf);
    return user;
}

struct sim_user *rb_sim_user_by_token(struct sim_state *state, const char *token)
{
    struct sim_user *user = state->users;
    while (user != NULL && strcmp(user->token, token) != 0) {
        user = user->next;
    }
    return user;
}

bool rb_sim_user_has_scope(const struct sim_user *user, const char *scope)
{
    size_t want = strlen(scope);
    for (const char *p = user->scopes != NULL ? user->scopes : ""; *p != '\0';) {
        size_t len = strcspn(p, ", ");
        if (len == want && strncmp(p, scope, len) == 0) {
            return true;
        }
        p += len;
        p += strspn(p, ", ");
    }
    return false;
}

/* ---- hooks ---- */

struct sim_hook *rb_sim_hook_add(struct sim_state *state, struct sim_repo *repo)
{
    struct sim_hook *hook = rb_calloc(1, sizeof(*hook));
    hook->id = state->next_hook_id++;
    hook->created_ms = hook->updated_ms = rb_clock_wall_ms();
    hook->is_active = true;
    struct sim_hook **last = &repo->hooks;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = hook;
    return hook;
}

struct sim_hook *rb_sim_hook_find(struct sim_repo *repo, int64_t id)
{
    struct sim_hook *hook = repo->hooks;
    while (hook != NULL && hook->id != id) {
        hook = hook->next;
    }
    return hook;
}

void rb_sim_delivery_clear(struct sim_delivery *delivery)
{
    json_decref(delivery->payload);
    json_decref(delivery->request);
    json_decref(delivery->response);
    free(delivery->answer);
    *delivery = (struct sim_delivery){0};
}

static void hook_free(struct sim_hook *hook)
{
    for (size_t i = 0; i < SIM_DELIVERIES_KEPT; i++) {
        rb_sim_delivery_clear(&hook->deliveries[i]);
    }
    free(hook->url);
    free(hook->secret);
    free(hook->content_type);
    free(hook->insecure_ssl);
    json_decref(hook->events);
    free(hook);
}

void rb_sim_hook_remove(struct sim_repo *repo, struct sim_hook *hook)
{
    struct sim_hook **link = &repo->hooks;
    while (*link != hook) {
        link = &(*link)->next;
    }
    *link = hook->next;
    hook_free(hook);
}

/* ---- repositories ---- */

struct sim_repo *rb_sim_repo_find(struct sim_state *state, const char *owner, const char *name)
{
    struct sim_repo *repo = state->repos;
    while (repo != NULL && (strcasecmp(repo->owner, owner) != 0 || strcasecmp(repo->name, name) != 0)) {
        repo = repo->next;
    }
    return repo;
}

struct sim_repo *rb_sim_repo_by_id(struct sim_state *state, int64_t id)
{
    struct sim_repo *repo = state->repos;
    while (repo != NULL && repo->id != id) {
        repo = repo->next;
    }
    return repo;
}

struct sim_repo *rb_sim_repo_moved(struct sim_state *state, const char *owner, const char *name)
{
    for (struct sim_alias *alias = state->aliases; alias != NULL; alias = alias->next) {
        if (strcasecmp(alias->owner, owner) == 0 && strcasecmp(alias->name, name) == 0) {
            return rb_sim_repo_by_id(state, alias->repo_id);
        }
    }
    return NULL;
}

static void alias_free(struct sim_alias *alias)
{
    free(alias->owner);
    free(alias->name);
    free(alias);
}

/* Forgets old names: those of a repository, or one name that is in use again. */
static void alias_remove(struct sim_state *state, int64_t repo_id, const char *owner, const char *name)
{
    struct sim_alias **link = &state->aliases;
    while (*link != NULL) {
        struct sim_alias *alias = *link;
        bool is_it = alias->repo_id == repo_id;
        if (owner != NULL) {
            is_it = strcasecmp(alias->owner, owner) == 0 && strcasecmp(alias->name, name) == 0;
        }
        if (is_it) {
            *link = alias->next;
            alias_free(alias);
        } else {
            link = &alias->next;
        }
    }
}

/* GitHub's rules for names: what is neither letter, digit nor one of these cannot be in an address of ours.
 */
static bool repo_name_is_good(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    size_t len = strlen(text);
    return len > 0 && len <= STATE_NAME_MAX && strspn(text, plain) == len && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0;
}

rb_err rb_sim_repo_put(struct sim_repo **out, struct sim_state *state, const char *owner, const char *name,
                       const char *path, bool is_private)
{
    git_repository *git = NULL;
    if (!repo_name_is_good(owner) || !repo_name_is_good(name)) {
        return rb_error_set(RB_EINVAL, "a repository cannot be called %s/%s", owner, name);
    }
    if (git_repository_open_ext(&git, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) != 0) {
        const git_error *error = git_error_last();
        return rb_error_set(RB_EINVAL, "%s is no git repository: %s", path,
                            error != NULL ? error->message : "unknown reason");
    }
    struct sim_repo *repo = rb_sim_repo_find(state, owner, name);
    if (repo == NULL) {
        char full_name[256];
        snprintf(full_name, sizeof(full_name), "%s/%s", owner, name);
        repo = rb_calloc(1, sizeof(*repo));
        repo->id = rb_sim_id_of("repo", full_name);
        while (rb_sim_repo_by_id(state, repo->id) != NULL) {
            repo->id++; // the number belongs to a repository that was renamed away from here
        }
        repo->created_ms = rb_clock_wall_ms();
        struct sim_repo **last = &state->repos;
        while (*last != NULL) {
            last = &(*last)->next;
        }
        *last = repo;
        alias_remove(state, 0, owner, name);
    }
    git_repository_free(repo->git);
    json_decref(repo->topics);
    json_decref(repo->labels);
    repo->topics = NULL;
    repo->labels = NULL;
    free(repo->owner);
    free(repo->name);
    free(repo->path);
    repo->git = git;
    repo->owner = rb_strdup(owner);
    repo->name = rb_strdup(name);
    repo->path = rb_strdup(path);
    repo->is_private = is_private;
    *out = repo;
    return RB_OK;
}

rb_err rb_sim_repo_rename(struct sim_state *state, struct sim_repo *repo, const char *owner, const char *name)
{
    struct sim_repo *other = rb_sim_repo_find(state, owner, name);
    if (!repo_name_is_good(owner) || !repo_name_is_good(name)) {
        return rb_error_set(RB_EINVAL, "a repository cannot be called %s/%s", owner, name);
    }
    if (other != NULL && other != repo) {
        return rb_error_set(RB_ECONFLICT, "%s/%s exists already", owner, name);
    }
    // The new name may be the old one's own memory: copied before that goes.
    char *new_owner = rb_strdup(owner);
    char *new_name = rb_strdup(name);
    alias_remove(state, 0, owner, name);
    if (other == NULL) {
        struct sim_alias *alias = rb_calloc(1, sizeof(*alias));
        alias->owner = repo->owner;
        alias->name = repo->name;
        alias->repo_id = repo->id;
        alias->next = state->aliases;
        state->aliases = alias;
    } else {
        free(repo->owner);
        free(repo->name);
    }
    repo->owner = new_owner;
    repo->name = new_name;
    return RB_OK;
}

static void repo_free(struct sim_repo *repo)
{
    while (repo->hooks != NULL) {
        rb_sim_hook_remove(repo, repo->hooks);
    }
    while (repo->grants != NULL) {
        struct sim_grant *grant = repo->grants;
        repo->grants = grant->next;
        free(grant->login);
        free(grant);
    }
    git_repository_free(repo->git);
    json_decref(repo->topics);
    json_decref(repo->labels);
    free(repo->owner);
    free(repo->name);
    free(repo->path);
    free(repo);
}

void rb_sim_repo_remove(struct sim_state *state, struct sim_repo *repo)
{
    alias_remove(state, repo->id, NULL, NULL);
    struct sim_repo **link = &state->repos;
    while (*link != repo) {
        link = &(*link)->next;
    }
    *link = repo->next;
    repo_free(repo);
}

void rb_sim_repo_grant(struct sim_repo *repo, const char *login, enum sim_permission level)
{
    struct sim_grant *grant = repo->grants;
    while (grant != NULL && strcasecmp(grant->login, login) != 0) {
        grant = grant->next;
    }
    if (grant == NULL) {
        grant = rb_calloc(1, sizeof(*grant));
        grant->login = rb_strdup(login);
        grant->next = repo->grants;
        repo->grants = grant;
    }
    grant->level = level;
}

enum sim_permission rb_sim_repo_permission(const struct sim_repo *repo, const struct sim_user *user)
{
    enum sim_permission level = SIM_NONE;
    if (user->login != NULL) {
        for (const struct sim_grant *grant = repo->grants; grant != NULL; grant = grant->next) {
            if (strcasecmp(grant->login, user->login) == 0) {
                level = grant->level;
            }
        }
    }
    if (repo->is_private) {
        // A token without the scope cannot see what its person can.
        return rb_sim_user_has_scope(user, "repo") ? level : SIM_NONE;
    }
    return level == SIM_NONE ? SIM_READ : level;
}

void rb_sim_state_clear(struct sim_state *state)
{
    while (state->repos != NULL) {
        rb_sim_repo_remove(state, state->repos);
    }
    while (state->users != NULL) {
        struct sim_user *user = state->users;
        state->users = user->next;
        free(user->login);
        free(user->token);
        free(user->scopes);
        free(user);
    }
}
