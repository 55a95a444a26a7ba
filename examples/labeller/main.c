/*
 * labeller: puts labels on pull requests, by how much they change and where. The rules are a file (rules.h).
 *
 * It asks GitHub for the files of the pull request as they are now, so it does not matter which of several
 * events comes last, nor how often; but two of them side by side could write over each other, hence one of a
 * repository at a time. Only labels that the rules can give are added and removed: all others are people's
 * own.
 *
 * GitHub is asked through rb_work_github(), as one of those who have the repository connected: it needs NATS
 * and no secret.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rules.h"

#define PAGES_MAX 30 /* of a hundred files: GitHub lists 3,000 at most */

/* One pull request. */
struct labelled {
    struct rb_work *work;
    struct rb_arena *arena;
    const struct rules *rules;
    int64_t number;
    const char *wanted[RULES_LABELS_MAX]; /* NULL: it is there already */
    size_t wanted_count;
    const char *unwanted[RULES_LABELS_MAX];
    size_t unwanted_count;
};

static rb_err labelled_ask(const struct rb_github_answer **answer, const struct labelled *pull,
                           const char *method, const char *path, const json_t *body)
{
    const struct rb_github_answer *said = NULL;
    rb_err err = rb_work_github(&said, pull->work, method, path, body);
    if (answer)
        *answer = said;
    return err;
}

static rb_err labelled_files(struct rules_change *change, const struct labelled *pull)
{
    const struct rb_github_answer *answer = NULL;
    const json_t *file;
    size_t i;

    for (int page = 1; page <= PAGES_MAX && (page == 1 || answer->has_next); page++) {
        const char *path = rb_arena_printf(pull->arena, "pulls/%lld/files?per_page=100&page=%d",
                                           (long long)pull->number, page);
        rb_err err = labelled_ask(&answer, pull, "GET", path, NULL);
        if (err)
            return err;
        json_array_foreach(answer->body, i, file)
        {
            const char *name = json_string_value(json_object_get(file, "filename"));
            int64_t lines = json_integer_value(json_object_get(file, "additions")) +
                            json_integer_value(json_object_get(file, "deletions"));
            if (!name)
                return rb_error_set(RB_EPROTOCOL, "GitHub names a file without its name");
            rules_change_add(change, pull->rules, name, lines);
        }
    }
    return RB_OK;
}

/* A label that is on it. */
static void labelled_sort(struct labelled *pull, const char *name)
{
    bool wanted = false;

    for (size_t i = 0; i < pull->wanted_count; i++) {
        if (pull->wanted[i] && strcasecmp(pull->wanted[i], name) == 0) {
            pull->wanted[i] = NULL;
            wanted = true;
        }
    }
    if (!wanted && rules_own(pull->rules, name) && pull->unwanted_count < RULES_LABELS_MAX)
        pull->unwanted[pull->unwanted_count++] = name;
}

static const char *labelled_path(const struct labelled *pull, const char *rest)
{
    return rb_arena_printf(pull->arena, "issues/%lld/labels%s", (long long)pull->number, rest);
}

/* What is on it: a hundred labels are all that GitHub lets one have. */
static rb_err labelled_compare(struct labelled *pull)
{
    struct rules_change change = {0};
    const struct rb_github_answer *answer = NULL;
    const json_t *label;
    size_t i;

    rb_err err = labelled_files(&change, pull);
    if (err)
        return err;
    pull->wanted_count = rules_labels(pull->wanted, pull->rules, &change, pull->arena);
    err = labelled_ask(&answer, pull, "GET", labelled_path(pull, "?per_page=100"), NULL);
    if (err)
        return err;
    json_array_foreach(answer->body, i, label)
    {
        const char *name = json_string_value(json_object_get(label, "name"));
        if (!name)
            return rb_error_set(RB_EPROTOCOL, "GitHub names a label without its name");
        labelled_sort(pull, name);
    }
    return RB_OK;
}

static rb_err labelled_add(const struct labelled *pull)
{
    json_t *names = json_array();

    for (size_t i = 0; i < pull->wanted_count; i++) {
        if (pull->wanted[i])
            json_array_append_new(names, json_string(pull->wanted[i]));
    }
    json_t *body = json_pack("{s:o}", "labels", names);
    rb_err err = RB_OK;
    if (json_array_size(names) > 0)
        err = labelled_ask(NULL, pull, "POST", labelled_path(pull, ""), body);
    json_decref(body);
    return err;
}

static rb_err labelled_remove(const struct labelled *pull)
{
    rb_err err = RB_OK;

    for (size_t i = 0; i < pull->unwanted_count && !err; i++) {
        const char *name = rules_encode(pull->unwanted[i], pull->arena);
        err = labelled_ask(NULL, pull, "DELETE",
                           labelled_path(pull, rb_arena_printf(pull->arena, "/%s", name)), NULL);
        if (err == RB_ENOTFOUND) /* somebody was faster */
            err = RB_OK;
    }
    return err;
}

static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    static const char *const actions[] = {"opened", "reopened", "synchronize", "edited"};
    struct labelled pull = {.work = work, .arena = rb_work_arena(work), .rules = app};
    const struct rb_event_data *data = rb_work_data(work);
    const json_t *number = NULL;
    bool concerned = false;
    (void)local;

    if (!data)
        return rb_reject("%s", rb_error_text());
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        concerned = concerned || strcmp(data->action, actions[i]) == 0;
    if (!concerned)
        return rb_done();
    rb_err err = rb_work_payload(&number, work, "/pull_request/number");
    if (err)
        return rb_result_from(err);
    pull.number = json_integer_value(number);
    err = labelled_compare(&pull);
    if (!err)
        err = labelled_add(&pull);
    if (!err)
        err = labelled_remove(&pull);
    return err == RB_ENOTFOUND ? rb_done() : rb_result_from(err); /* gone, or transferred away */
}

int main(void)
{
    static const struct rb_route routes[] = {{RB_GITHUB_PULL_REQUEST, handle}, {NULL, NULL}};
    const char *file = getenv("RULES");
    struct rules *rules = NULL;

    rb_log_init("labeller");
    if (rules_read(&rules, file && *file ? file : "rules.json")) {
        rb_log_error("not started: RULES: %s", rb_error_text());
        return EXIT_FAILURE;
    }
    const struct rb_subscriber subscriber = {
        .name = "labeller",
        .filter = RB_GITHUB_PULL_REQUEST,
        .routes = routes,
        .app = rules,
        .one_per_repository = true,
    };
    int status = rb_subscriber_run(&subscriber);
    rules_free(rules);
    return status;
}
