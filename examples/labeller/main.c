/*
 * labeller: puts labels on pull requests, by how much they change and where. The rules are a file (rules.h).
 *
 * It asks GitHub for the files of the pull request as they are now, so it does not matter which of several
 * events comes last, nor how often; but two of them side by side could write over each other, hence one of a
 * repository at a time. Only labels that the rules can give are added and removed: all others are people's
 * own.
 *
 * GitHub is asked with the token of a person who has the repository connected, opened by lib/repo from the
 * database: so it needs DATABASE_URL and SECRET_KEY, and runs where these secrets are.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bus/bus.h"
#include "examples/labeller/rules.h"

struct labeller {
    struct rb_repo_sources sources;
    struct rules *rules;
};

/* One pull request. */
struct labelled {
    struct rb_repo_handle *handle;
    const struct rb_repo *repo;
    int64_t number;
    struct rb_arena *arena;
    const struct rules *rules;
    const char *wanted[RULES_LABELS_MAX]; /* NULL: it is there already */
    size_t wanted_count;
    const char **unwanted;
    size_t unwanted_count;
};

/* A label that is on it. */
static rb_err labelled_sort(void *arg, const json_t *label)
{
    struct labelled *pull = arg;
    const char *name = json_string_value(json_object_get(label, "name"));
    bool wanted = false;

    if (!name)
        return RB_EPROTOCOL;
    for (size_t i = 0; i < pull->wanted_count; i++) {
        if (pull->wanted[i] && strcasecmp(pull->wanted[i], name) == 0) {
            pull->wanted[i] = NULL;
            wanted = true;
        }
    }
    if (!wanted && rules_own(pull->rules, name) && pull->unwanted_count < RULES_LABELS_MAX)
        pull->unwanted[pull->unwanted_count++] = rb_arena_strdup(pull->arena, name);
    return RB_OK;
}

static rb_err labelled_compare(struct labelled *pull)
{
    const struct rb_repo_pull_file *files = NULL;
    struct rb_github_request request;
    struct rb_github_response response = {0};
    size_t count = 0;

    rb_err err = rb_repo_pull_files(&files, &count, pull->handle, pull->number);
    if (err)
        return err;
    pull->wanted_count = rules_labels(pull->wanted, pull->rules, files, count, pull->arena);
    pull->unwanted = rb_arena_alloc(pull->arena, RULES_LABELS_MAX * sizeof(*pull->unwanted));
    rb_github_list_labels(&request, pull->repo->owner, pull->repo->name, pull->number);
    err = rb_repo_ask(&response, pull->handle, &request);
    if (!err)
        err = rb_github_read_objects(&response, labelled_sort, pull);
    rb_github_response_clear(&response);
    return err;
}

static rb_err labelled_add(const struct labelled *pull)
{
    const char *names[RULES_LABELS_MAX];
    struct rb_github_request request;
    struct rb_github_response response = {0};
    size_t count = 0;

    for (size_t i = 0; i < pull->wanted_count; i++) {
        if (pull->wanted[i])
            names[count++] = pull->wanted[i];
    }
    if (count == 0)
        return RB_OK;
    rb_github_add_labels(&request, pull->repo->owner, pull->repo->name, pull->number, names, count);
    rb_err err = rb_repo_ask(&response, pull->handle, &request);
    rb_github_response_clear(&response);
    return err;
}

static rb_err labelled_remove(const struct labelled *pull)
{
    rb_err err = RB_OK;

    for (size_t i = 0; i < pull->unwanted_count && !err; i++) {
        struct rb_github_request request;
        struct rb_github_response response = {0};
        rb_github_remove_label(&request, pull->repo->owner, pull->repo->name, pull->number,
                               pull->unwanted[i]);
        err = rb_repo_ask(&response, pull->handle, &request);
        rb_github_response_clear(&response);
        if (err == RB_ENOTFOUND) /* somebody was faster */
            err = RB_OK;
    }
    return err;
}

/* With the token of one person. */
static rb_err labeller_try(struct labeller *labeller, struct rb_db *db, int64_t installation_id,
                           int64_t number, struct rb_arena *arena)
{
    struct labelled pull = {.number = number, .arena = arena, .rules = labeller->rules};

    rb_err err = rb_repo_open(&pull.handle, &labeller->sources, db, installation_id, 0, arena);
    if (!err) {
        pull.repo = rb_repo_about(pull.handle);
        err = labelled_compare(&pull);
    }
    if (!err)
        err = labelled_add(&pull);
    if (!err)
        err = labelled_remove(&pull);
    rb_repo_close(pull.handle);
    return err;
}

/* The number of a pull request whose payload is too large for an event. */
static rb_err labeller_number(int64_t *number, struct rb_db *db, const struct rb_event_data *data,
                              struct rb_arena *arena)
{
    const char *payload = NULL;
    size_t len = 0;

    *number = data->number;
    if (data->payload)
        return RB_OK;
    rb_err err = rb_repo_delivery_payload(&payload, &len, db, data->hook_id, data->delivery_id, arena);
    if (err)
        return err;
    json_t *root = json_loadb(payload, len, 0, NULL);
    *number = json_integer_value(json_object_get(json_object_get(root, "pull_request"), "number"));
    json_decref(root);
    return RB_OK;
}

static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    static const char *const actions[] = {"opened", "reopened", "synchronize", "edited"};
    const struct rb_event_data *data = rb_work_data(work);
    struct rb_arena *arena = rb_work_arena(work);
    bool concerned = false;
    int64_t number = 0;

    if (!data)
        return rb_reject("%s", rb_error_text());
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        concerned = concerned || strcmp(data->action, actions[i]) == 0;
    if (!concerned)
        return rb_done();
    rb_err err = labeller_number(&number, local, data, arena);
    if (err)
        return rb_result_from(err);
    if (number <= 0)
        return rb_reject("the payload has no number of a pull request");
    err = rb_error_set(RB_ESTALE, "nobody has %s connected any more", data->repo);
    for (size_t i = 0; i < data->installation_count; i++) { /* the first who may */
        if (rb_work_stop(work))
            return rb_retry("%s", rb_work_stop(work));
        err = labeller_try(app, local, data->installation_ids[i], number, arena);
        if (err != RB_ESTALE && err != RB_EAUTH && err != RB_EFORBIDDEN)
            break;
    }
    return err == RB_ENOTFOUND ? rb_done() : rb_result_from(err); /* gone, or transferred away */
}

static rb_err open_worker(void **local, void *app)
{
    struct labeller *labeller = app;
    struct rb_db *db = NULL;
    rb_err err = rb_db_open(&db, labeller->sources.database_url, "repobus-labeller", 0);
    *local = db;
    return err;
}

static void close_worker(void *local, void *app)
{
    (void)app;
    rb_db_close(local);
}

/* An outage of the database is waited for, and costs no attempt. */
static rb_err ping_worker(void *local, void *app)
{
    (void)app;
    return rb_db_ping(local);
}

int main(void)
{
    static const struct rb_route routes[] = {{RB_GITHUB_PULL_REQUEST, handle}, {NULL, NULL}};
    struct labeller labeller = {0};
    struct rb_config *config = rb_config_new();
    int status = EXIT_FAILURE;

    rb_log_init("labeller");
    const char *rules = rb_config_string(config, "RULES", "rules.json", "the file of rules");
    rb_err err = rb_repo_sources_start(&labeller.sources, config, "repobus-labeller");
    if (!err)
        err = rules_read(&labeller.rules, rules);
    if (err) {
        rb_log_error("not started: %s", rb_error_text());
    } else {
        const struct rb_subscriber subscriber = {
            .name = "labeller",
            .filter = RB_GITHUB_PULL_REQUEST,
            .routes = routes,
            .app = &labeller,
            .worker_open = open_worker,
            .worker_close = close_worker,
            .one_per_repository = true,
            .ping = ping_worker,
        };
        status = rb_subscriber_run(&subscriber);
    }
    rules_free(labeller.rules);
    rb_repo_sources_stop(&labeller.sources);
    rb_config_free(config);
    return status;
}
