/* connect, disconnect, rescan, watch, status, list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

static char *repos_path(const char *repo, const char *rest)
{
    return rb_asprintf("/api/v1/repos/%s%s", repo, rest);
}

static void repos_print_json(const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    puts(text ? text : "null");
    fflush(stdout);
    free(text);
}

/* ---- watching ----------------------------------------------------------------------------------------- */

struct repos_watch {
    const struct cli_options *options;
    struct cli_progress progress;
    json_t *states; /* subscriber -> state, of the present generation */
    int64_t generation;
    bool failed;
};

static void watch_take_run(struct repos_watch *watch, const json_t *run)
{
    const char *subscriber = json_string_value(json_object_get(run, "subscriber"));
    json_t *state = json_object_get(run, "state");
    /* Runs of a generation before this one say nothing about it. */
    if (!subscriber || json_integer_value(json_object_get(run, "generation")) < watch->generation)
        return;
    json_object_set(watch->states, subscriber, state);
    if (!watch->options->json)
        cli_progress_update(&watch->progress, run);
}

/* Whether everybody that is waited for has come to an end; `failed` then says how. */
static bool watch_is_over(struct repos_watch *watch)
{
    char *names = rb_strdup(watch->options->wait_for), *rest = NULL;
    bool over = true, failed = false;
    for (char *name = strtok_r(names, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        const char *state = json_string_value(json_object_get(watch->states, name));
        bool gave_up = state && strcmp(state, "failed") == 0;
        failed |= gave_up;
        over &= gave_up || (state && strcmp(state, "done") == 0);
    }
    free(names);
    watch->failed = failed;
    return over;
}

static bool watch_on_event(void *arg, const char *event, const char *data)
{
    struct repos_watch *watch = arg;
    json_t *json = json_loads(data, 0, NULL), *run;
    size_t index;
    bool is_state = strcmp(event, "state") == 0;
    if (watch->options->json && json_is_object(json) && (is_state || strcmp(event, "run") == 0))
        repos_print_json(json);
    if (is_state && json_is_object(json)) {
        watch->generation = json_integer_value(json_object_get(json, "generation"));
        json_array_foreach(json_object_get(json, "runs"), index, run) watch_take_run(watch, run);
    } else if (strcmp(event, "run") == 0) {
        json_object_del(json, "installation_id"); /* so that it compares equal to the run of a state */
        watch_take_run(watch, json);
    }
    json_decref(json);
    return !watch_is_over(watch);
}

/* Follows until all are at an end; a cut stream is taken up again, with growing pauses, until the timeout. */
static int watch_until_over(bool *failed, const struct cli_options *options, const char *repo)
{
    struct repos_watch watch = {.options = options, .states = json_object()};
    int64_t deadline = rb_clock_ms() + options->timeout_seconds * 1000LL, pause_ms = 100;
    char last_id[64] = "", *path = repos_path(repo, "/events");
    rb_err err = RB_EUNAVAILABLE;
    cli_progress_init(&watch.progress);
    while (err == RB_EUNAVAILABLE && rb_clock_ms() < deadline) {
        err = cli_follow(options, path, last_id, deadline, watch_on_event, &watch);
        if (err == RB_EUNAVAILABLE) {
            int64_t wait = rb_jitter_ms(pause_ms);
            nanosleep(&(struct timespec){wait / 1000, wait % 1000 * 1000000}, NULL);
            pause_ms = pause_ms < 2000 ? pause_ms * 2 : 2000;
        }
    }
    *failed = watch.failed;
    cli_progress_free(&watch.progress);
    json_decref(watch.states);
    free(path);
    if (err == RB_OK)
        return CLI_OK;
    fprintf(stderr, "repobus: %s: %s\n", repo,
            err == RB_EUNAVAILABLE
                ? "not at an end within the time given by --timeout; `repobus watch` goes on watching"
                : rb_error_text());
    return err == RB_EAUTH ? CLI_UNAUTHORIZED : err == RB_ENOTFOUND ? CLI_NOT_FOUND : CLI_UNREACHABLE;
}

int cli_watch(const struct cli_options *options, const char *repo)
{
    bool failed = false;
    int code = watch_until_over(&failed, options, repo);
    if (code != CLI_OK)
        return code;
    struct cli_answer answer;
    char *path = repos_path(repo, "");
    bool answered = cli_ask(&answer, options, "GET", path);
    free(path);
    if (!answered)
        return CLI_UNREACHABLE;
    if (answer.status != 200)
        code = cli_answer_fail(&answer);
    else if (options->json)
        repos_print_json(answer.json);
    else
        cli_show_summary(answer.json);
    cli_answer_clear(&answer);
    return code ? code : failed ? CLI_FAILED : CLI_OK;
}

/* ---- connecting --------------------------------------------------------------------------------------- */

int cli_connect(const struct cli_options *options, const char *repo)
{
    struct cli_answer answer;
    char *path = repos_path(repo, "/install");
    bool answered = cli_ask(&answer, options, "POST", path);
    int code = CLI_OK;
    free(path);
    if (!answered)
        return CLI_UNREACHABLE;
    if (answer.status == 200 && options->json)
        repos_print_json(answer.json);
    else if (answer.status == 200)
        printf("connected  %s\n", repo);
    else if (options->if_needed && (answer.status == 400 || answer.status == 409)) {
        if (!options->json)
            printf("%s  %s\n", answer.status == 400 ? "connected already" : "being connected", repo);
    } else {
        code = cli_answer_fail(&answer);
    }
    fflush(stdout);
    cli_answer_clear(&answer);
    return code || options->no_wait ? code : cli_watch(options, repo);
}

int cli_rescan(const struct cli_options *options, const char *repo)
{
    struct cli_answer answer;
    char *path = repos_path(repo, "/rescan");
    bool answered = cli_ask(&answer, options, "POST", path);
    int code = CLI_OK;
    free(path);
    if (!answered)
        return CLI_UNREACHABLE;
    if (answer.status == 409 && options->if_needed) {
        if (!options->json)
            printf("being worked on already  %s\n", repo);
    } else if (answer.status != 202)
        code = cli_answer_fail(&answer);
    else if (options->json)
        repos_print_json(answer.json);
    else
        printf("scanning again  %s\n", repo);
    fflush(stdout);
    cli_answer_clear(&answer);
    return code || options->no_wait ? code : cli_watch(options, repo);
}

int cli_disconnect(const struct cli_options *options, const char *repo)
{
    struct cli_answer answer;
    char *path = repos_path(repo, options->force ? "/install?force=true" : "/install");
    bool answered = cli_ask(&answer, options, "DELETE", path);
    int code = CLI_OK;
    free(path);
    if (!answered)
        return CLI_UNREACHABLE;
    if (answer.status != 200)
        code = cli_answer_fail(&answer);
    else if (options->json)
        repos_print_json(answer.json);
    else
        printf("disconnected  %s\n", repo);
    if (answer.status == 502)
        fprintf(stderr,
                "repobus: nothing was changed; --force disconnects all the same and leaves the webhook "
                "to be removed later\n");
    cli_answer_clear(&answer);
    return code;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

int cli_status(const struct cli_options *options, const char *repo)
{
    struct cli_answer answer;
    if (!repo)
        return cli_list(options, false);
    char *path = repos_path(repo, "");
    bool answered = cli_ask(&answer, options, "GET", path);
    int code = CLI_OK;
    free(path);
    if (!answered)
        return CLI_UNREACHABLE;
    if (answer.status != 200) {
        code = cli_answer_fail(&answer);
    } else if (options->json) {
        repos_print_json(answer.json);
    } else {
        cli_show_repo(answer.json);
        cli_show_summary(answer.json);
    }
    cli_answer_clear(&answer);
    return code;
}

#define LIST_PAGE  500 /* repositories an answer */
#define LIST_PAGES 100 /* answers: more repositories than one person has */

/* All pages of a list, in one. `complete` is false where GitHub has more than the server looks at. */
static int list_read(json_t *repos, bool *complete, const struct cli_options *options, bool all)
{
    char *next = rb_strdup("");
    int code = CLI_OK, pages = 0;
    for (; code == CLI_OK && next && pages < LIST_PAGES; pages++) {
        struct cli_answer answer;
        char *path = rb_asprintf("/api/v1/repos?connected=%s&limit=%d%s%s", all ? "false" : "true", LIST_PAGE,
                                 *next ? "&after=" : "", next);
        bool answered = cli_ask(&answer, options, "GET", path);
        free(path);
        free(next);
        next = NULL;
        if (!answered)
            return CLI_UNREACHABLE;
        if (answer.status == 200) {
            const char *more = json_string_value(json_object_get(answer.json, "next"));
            json_array_extend(repos, json_object_get(answer.json, "repos"));
            *complete = !json_is_false(json_object_get(answer.json, "complete"));
            next = more && !strpbrk(more, " &#\r\n") ? rb_strdup(more) : NULL;
        } else {
            code = cli_answer_fail(&answer);
        }
        cli_answer_clear(&answer);
    }
    free(next);
    return code;
}

int cli_list(const struct cli_options *options, bool all)
{
    json_t *repos = json_array(), *each;
    bool complete = true;
    size_t index;
    int code = list_read(repos, &complete, options, all);
    if (code == CLI_OK && options->json) {
        json_t *json = json_pack("{s:O, s:b}", "repos", repos, "complete", complete);
        repos_print_json(json);
        json_decref(json);
    } else if (code == CLI_OK) {
        json_array_foreach(repos, index, each)
        {
            if (all)
                cli_show_choice(each);
            else
                cli_show_repo(each);
        }
        if (json_array_size(repos) == 0)
            puts(all ? "GitHub shows you no repositories."
                     : "Nothing is connected: `repobus connect OWNER/REPO` connects a repository, `repobus "
                       "list --all` shows those there are.");
        if (!complete)
            puts("GitHub has more repositories than are looked at: connect those by their names.");
    }
    json_decref(repos);
    return code;
}
