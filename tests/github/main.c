/* github-standin: plays GitHub for the demo and the system tests. README.md here says how. */
#include "tests/github/standin.h"

#include <curl/curl.h>
#include <popt.h>
#include <signal.h>
#include <string.h>

static volatile int main_stop;

static void main_on_signal(int number)
{
    (void)number;
    main_stop = 1;
}

struct main_options {
    char *address;
    int port;
    char **repos;
    char **users;
    int tree_limit;
};

static rb_err main_parse(struct main_options *options, int argc, const char **argv)
{
    struct poptOption table[] = {
        {"address", 0, POPT_ARG_STRING, &options->address, 0, "listen here (default 127.0.0.1)", "IP"},
        {"port", 'p', POPT_ARG_INT, &options->port, 0, "0, the default: any free one", "N"},
        {"repo", 'r', POPT_ARG_ARGV, &options->repos, 0, "serve this git repository", "OWNER/NAME=PATH"},
        {"user", 'u', POPT_ARG_ARGV, &options->users, 0, "a person and her token", "LOGIN=TOKEN[:SCOPES]"},
        {"tree-limit", 0, POPT_ARG_INT, &options->tree_limit, 0, "entries before a tree is truncated", "N"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("github-standin", argc, argv, table, 0);
    int found = poptGetNextOpt(context);
    rb_err err = RB_OK;
    if (found < -1) {
        err = rb_error_set(RB_EINVAL, "%s: %s", poptBadOption(context, 0), poptStrerror(found));
    } else if (poptPeekArg(context) != NULL) {
        err = rb_error_set(RB_EINVAL, "unexpected argument %s", poptPeekArg(context));
    } else if (options->port < 0 || options->port > 65535) {
        err = rb_error_set(RB_EINVAL, "--port must be from 0 to 65535");
    } else if (options->tree_limit < 1) {
        err = rb_error_set(RB_EINVAL, "--tree-limit must be 1 or more");
    }
    poptFreeContext(context);
    return err;
}

static rb_err main_add_user(struct sim_state *state, char *text)
{
    char *token = strchr(text, '=');
    if (token == NULL || token == text || token[1] == '\0') {
        return rb_error_set(RB_EINVAL, "--user wants LOGIN=TOKEN[:SCOPES]");
    }
    *token++ = '\0';
    char *scopes = strchr(token, ':');
    if (scopes != NULL) {
        *scopes++ = '\0';
    }
    rb_sim_user_put(state, text, token, scopes != NULL ? scopes : "repo,read:user,user:email");
    return RB_OK;
}

static rb_err main_add_repo(struct sim_state *state, char *text)
{
    char *path = strchr(text, '=');
    char *name = strchr(text, '/');
    if (path == NULL || name == NULL || name > path || name == text || name + 1 == path) {
        return rb_error_set(RB_EINVAL, "--repo wants OWNER/NAME=PATH");
    }
    *path++ = '\0';
    *name++ = '\0';
    struct sim_repo *repo = NULL;
    rb_err err = rb_sim_repo_put(&repo, state, text, name, path, false);
    if (err == RB_OK && state->users != NULL) {
        rb_sim_repo_grant(repo, state->users->login, SIM_ADMIN);
    }
    return err;
}

static void main_free(char **list)
{
    for (char **p = list; p != NULL && *p != NULL; p++) {
        free(*p);
    }
    free(list);
}

static rb_err main_prepare(struct sim *sim, const struct main_options *options)
{
    rb_err err = RB_OK;
    sim->state.tree_limit = (size_t)options->tree_limit;
    for (char **user = options->users; err == RB_OK && user != NULL && *user != NULL; user++) {
        err = main_add_user(&sim->state, *user);
    }
    for (char **repo = options->repos; err == RB_OK && repo != NULL && *repo != NULL; repo++) {
        err = main_add_repo(&sim->state, *repo);
    }
    const char *address = options->address != NULL ? options->address : "127.0.0.1";
    err = err != RB_OK ? err : rb_sim_server_start(sim, address, options->port);
    err = err != RB_OK ? err : rb_sim_deliver_start(sim);
    if (err == RB_OK) {
        printf("github-standin listening=http://%s:%d\n",
               strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1" : address, sim->port);
        fflush(stdout);
    }
    return err;
}

int main(int argc, const char **argv)
{
    static struct sim sim;
    struct main_options options = {.tree_limit = 100000};
    struct sigaction action = {.sa_handler = main_on_signal};
    rb_log_init("github-standin");
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    git_libgit2_init();
    // Repositories of other accounts are read too: nothing in them is executed.
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    rb_sim_state_init(&sim.state);

    rb_err err = main_parse(&options, argc, argv);
    err = err != RB_OK ? err : main_prepare(&sim, &options);
    if (err == RB_OK) {
        rb_sim_server_run(&sim, &main_stop);
        rb_sim_server_stop(&sim);
        rb_sim_deliver_stop();
    } else {
        fprintf(stderr, "github-standin: %s\n", rb_error_text());
    }
    rb_sim_fault_clear();
    rb_sim_record_clear();
    rb_sim_tree_cache_clear();
    rb_sim_state_clear(&sim.state);
    main_free(options.repos);
    main_free(options.users);
    free(options.address);
    git_libgit2_shutdown();
    curl_global_cleanup();
    return err == RB_OK ? 0 : 2;
}
