/* repobus: the command line. */
#include <curl/curl.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/github/github.h"

static const char main_help[] =
    "repobus - connect GitHub repositories and watch what is made of them\n"
    "\n"
    "  repobus connect OWNER/REPO     connect it, show the progress, end when all is done\n"
    "  repobus disconnect OWNER/REPO  remove its webhook and end what is made of it for you\n"
    "  repobus rescan OWNER/REPO      scan and graph it again, as it is now\n"
    "  repobus watch OWNER/REPO       show the progress of one that is connected\n"
    "  repobus status [OWNER/REPO]    how it stands, and what it is\n"
    "  repobus profile OWNER/REPO     what the scanner found: languages, technologies, workspaces, commands\n"
    "  repobus list [--all]           everything you have connected; all that you can connect\n"
    "  repobus token --login NAME     for the server's administrator: a token for a person\n"
    "  repobus reseal                 for the administrator: seal anew what is under SECRET_KEY_PREVIOUS\n"
    "  repobus new-subscriber NAME    write a new subscriber with its own test into the folder NAME\n"
    "  repobus --help                 this text\n"
    "\n"
    "For the one who operates the bus\n"
    "  repobus subscribers            each with what waits, is in flight, came again, and its last error\n"
    "  repobus pause|resume NAME      a paused subscriber takes no event and keeps its place\n"
    "  repobus buckets NAME           where NATS has accounts: makes what leases and marks are kept in\n"
    "  repobus events tail            events as they come; from --since on, with --no-wait only what is "
    "there\n"
    "  repobus events show ID         one event whole, by its id or its number in the stream\n"
    "  repobus dead list|show ID      what subscribers gave up, and why\n"
    "  repobus dead replay|drop [ID]  to the subscriber again, or away: one, those chosen, or --all\n"
    "  repobus replay --subscriber=NAME [--from=TIME]\n"
    "                                 a repo.connected to it alone, for each installation that is active "
    "now\n"
    "  repobus replay --all --from=TIME\n"
    "                                 to everybody, what the outbox still has: for a stream that was lost\n"
    "\n"
    "Options\n"
    "  --json                  machine-readable: one JSON document, one a line where there is progress\n"
    "  --cyclonedx             profile: its dependencies as a CycloneDX document\n"
    "  --if-needed             connect: go on when it is connected already; rescan: when it is under way\n"
    "  --all                   list: also what GitHub shows you and is not connected\n"
    "  --force                 disconnect: also when GitHub does not remove the webhook; that is done later\n"
    "  --no-wait               connect, rescan: do not wait for the subscribers\n"
    "  --wait-for=LIST         connect, rescan, watch: until these subscribers are done (default "
    "scanner,grapher)\n"
    "  --timeout=SECONDS       connect, rescan, watch: at most so long (default 600); else until NATS "
    "answers\n"
    "  --login=NAME            token: the person's GitHub login\n"
    "  --offline               token: take the login as given, do not ask GitHub\n"
    "  --days=N                token: how long the token is valid (default 7)\n"
    "  --subscriber=NAME       dead, replay: of this one alone\n"
    "  --subject=SUBJECT       events tail, dead: repo.connected, github.*\n"
    "  --since=TIME, --from=TIME\n"
    "                          events tail, dead, replay: 2026-11-28T08:00:00Z, 2026-11-28, 90s, 15m, 2h, "
    "7d\n"
    "  --limit=N, --after=N    events tail, dead, replay: at most so many, behind this number (dead list: "
    "100)\n"
    "  --on=LIST               new-subscriber: its subjects, as in repo.connected,github.pull_request\n"
    "  --lang=LANGUAGE         new-subscriber: c (default), python, typescript or go\n"
    "\n"
    "Environment\n"
    "  REPOBUS_URL             the server (default http://127.0.0.1:8080)\n"
    "  REPOBUS_TOKEN           your token\n"
    "  NATS_URL                for operating the bus (default nats://127.0.0.1:4222); replay also reads "
    "DATABASE_URL;\n"
    "  NATS_CREDS, NATS_CA     and NATS_CERT, NATS_KEY, as the server's programs do\n"
    "  reseal reads SECRET_KEY, SECRET_KEY_PREVIOUS and DATABASE_URL (the server's).\n"
    "  token also reads SECRET_KEY and DATABASE_URL (the server's), GITHUB_API_URL, and GITHUB_TOKEN, the "
    "person's\n"
    "  GitHub token; it asks for the latter when it is not set.\n"
    "\n"
    "Exit codes\n"
    "  0 fine   1 failed   2 wrong use   3 not authorised   4 connected already   5 GitHub refused or "
    "unreachable\n"
    "  6 server unreachable or too late   7 not connected; no such subscriber, event or dead letter\n"
    "\n"
    "Example\n"
    "  export REPOBUS_TOKEN=$(GITHUB_TOKEN=gho_... repobus token --login octocat)\n"
    "  repobus connect octocat/hello-world\n";

static int main_wrong_use(const char *what, const char *detail)
{
    fprintf(stderr, "repobus: %s%s%s. `repobus --help` shows how it is used.\n", what, detail ? ": " : "",
            detail ? detail : "");
    return CLI_USAGE;
}

static bool main_is_repo(const char *repo)
{
    const char *slash = repo ? strchr(repo, '/') : NULL;
    return slash && rb_github_owner_is_valid(repo, (size_t)(slash - repo)) &&
           rb_github_repo_is_valid(slash + 1, strlen(slash + 1));
}

static int main_run(const struct cli_options *options, const char *command, const char *repo)
{
    bool needs_repo = strcmp(command, "connect") == 0 || strcmp(command, "disconnect") == 0 ||
                      strcmp(command, "rescan") == 0 || strcmp(command, "watch") == 0 ||
                      strcmp(command, "profile") == 0;
    if ((needs_repo || repo) && !main_is_repo(repo))
        return main_wrong_use(repo ? "this is no OWNER/REPO" : "OWNER/REPO is missing", repo);
    if (strcmp(command, "connect") == 0)
        return cli_connect(options, repo);
    if (strcmp(command, "disconnect") == 0)
        return cli_disconnect(options, repo);
    if (strcmp(command, "rescan") == 0)
        return cli_rescan(options, repo);
    if (strcmp(command, "watch") == 0)
        return cli_watch(options, repo);
    if (strcmp(command, "profile") == 0)
        return cli_profile(options, repo);
    if (strcmp(command, "status") == 0)
        return cli_status(options, repo);
    if (strcmp(command, "list") == 0)
        return cli_list(options, options->all);
    if (strcmp(command, "reseal") == 0)
        return cli_reseal(options);
    if (strcmp(command, "token") != 0)
        return main_wrong_use("there is no such command", command);
    return options->login ? cli_token(options) : main_wrong_use("--login is missing", NULL);
}

/* ---- operating the bus -------------------------------------------------------------------------------- */

static int main_pause(const struct cli_options *options, const char *name)
{
    return cli_pause(options, name, true);
}

static int main_resume(const struct cli_options *options, const char *name)
{
    return cli_pause(options, name, false);
}

static int main_subscribers(const struct cli_options *options, const char *name)
{
    (void)name;
    return cli_subscribers(options);
}

static int main_tail(const struct cli_options *options, const char *name)
{
    (void)name;
    return cli_events_tail(options);
}

static int main_dead_list(const struct cli_options *options, const char *name)
{
    (void)name;
    return cli_dead_list(options);
}

static int main_replay(const struct cli_options *options, const char *name)
{
    (void)name;
    return cli_replay(options);
}

struct main_operation {
    const char *command, *verb; /* verb NULL: the command is one word */
    enum { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST } argument;
    int (*run)(const struct cli_options *options, const char *argument);
};
static const struct main_operation main_operations[] = {
    {"subscribers", NULL, ARGUMENT_NONE, main_subscribers},
    {"pause", NULL, ARGUMENT_MUST, main_pause},
    {"resume", NULL, ARGUMENT_MUST, main_resume},
    {"replay", NULL, ARGUMENT_NONE, main_replay},
    {"events", "tail", ARGUMENT_NONE, main_tail},
    {"events", "show", ARGUMENT_MUST, cli_events_show},
    {"dead", "list", ARGUMENT_NONE, main_dead_list},
    {"dead", "show", ARGUMENT_MUST, cli_dead_show},
    {"dead", "replay", ARGUMENT_MAY, cli_dead_replay},
    {"dead", "drop", ARGUMENT_MAY, cli_dead_drop},
    {"buckets", NULL, ARGUMENT_MUST, cli_buckets},
};

/* False when the words are none of these commands; else `*code` is how it ended. */
static bool main_operate(int *code, const struct cli_options *options, const char *const words[4])
{
    bool known = false;
    for (size_t i = 0; i < sizeof(main_operations) / sizeof(*main_operations); i++) {
        const struct main_operation *operation = &main_operations[i];
        if (strcmp(words[0], operation->command) != 0)
            continue;
        known = true;
        if (operation->verb && (!words[1] || strcmp(words[1], operation->verb) != 0))
            continue;
        const char *const *rest = operation->verb ? words + 2 : words + 1;
        if (!rest[0] && operation->argument == ARGUMENT_MUST)
            *code = main_wrong_use("it needs a name or an id", NULL);
        else if (rest[0] && (operation->argument == ARGUMENT_NONE || rest[1]))
            *code = main_wrong_use("the arguments are wrong", rest[0]);
        else
            *code = operation->run(options, rest[0]);
        return true;
    }
    if (known)
        *code = main_wrong_use(words[1] ? "there is no such command" : "a word is missing", words[1]);
    return known;
}

int main(int argc, const char **argv)
{
    struct cli_options options = {
        .url = getenv("REPOBUS_URL"), .token = getenv("REPOBUS_TOKEN"), .timeout_seconds = 600, .days = 7};
    char *wait_for = NULL, *login = NULL, *subscriber = NULL, *subject = NULL, *since = NULL, *on = NULL,
         *language = NULL;
    long long after = 0;
    int json = 0, if_needed = 0, no_wait = 0, offline = 0, all = 0, force = 0, cyclonedx = 0, help = 0, code;
    const struct poptOption table[] = {
        {"json", 0, POPT_ARG_NONE, &json, 0, NULL, NULL},
        {"if-needed", 0, POPT_ARG_NONE, &if_needed, 0, NULL, NULL},
        {"no-wait", 0, POPT_ARG_NONE, &no_wait, 0, NULL, NULL},
        {"offline", 0, POPT_ARG_NONE, &offline, 0, NULL, NULL},
        {"all", 0, POPT_ARG_NONE, &all, 0, NULL, NULL},
        {"force", 0, POPT_ARG_NONE, &force, 0, NULL, NULL},
        {"cyclonedx", 0, POPT_ARG_NONE, &cyclonedx, 0, NULL, NULL},
        {"wait-for", 0, POPT_ARG_STRING, &wait_for, 0, NULL, NULL},
        {"login", 0, POPT_ARG_STRING, &login, 0, NULL, NULL},
        {"timeout", 0, POPT_ARG_INT, &options.timeout_seconds, 0, NULL, NULL},
        {"on", 0, POPT_ARG_STRING, &on, 0, NULL, NULL},
        {"lang", 0, POPT_ARG_STRING, &language, 0, NULL, NULL},
        {"days", 0, POPT_ARG_INT, &options.days, 0, NULL, NULL},
        {"subscriber", 0, POPT_ARG_STRING, &subscriber, 0, NULL, NULL},
        {"subject", 0, POPT_ARG_STRING, &subject, 0, NULL, NULL},
        {"since", 0, POPT_ARG_STRING, &since, 0, NULL, NULL},
        {"from", 0, POPT_ARG_STRING, &since, 0, NULL, NULL},
        {"limit", 0, POPT_ARG_INT, &options.limit, 0, NULL, NULL},
        {"after", 0, POPT_ARG_LONGLONG, &after, 0, NULL, NULL},
        {"help", 'h', POPT_ARG_NONE, &help, 0, NULL, NULL},
        POPT_TABLEEND,
    };
    rb_log_init("repobus");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    poptContext context = poptGetContext("repobus", argc, argv, table, 0);
    int parsed = poptGetNextOpt(context);
    const char *words[4] = {NULL};
    for (size_t i = 0; i < 4 && (i == 0 || words[i - 1]); i++)
        words[i] = poptGetArg(context);
    const char *command = words[0], *repo = words[1];
    options.json = json;
    options.if_needed = if_needed;
    options.no_wait = no_wait;
    options.offline = offline;
    options.force = force;
    options.cyclonedx = cyclonedx;
    options.login = login;
    options.all = all;
    options.subscriber = subscriber;
    options.subject = subject;
    options.since = since;
    options.after = after;
    options.wait_for = wait_for ? wait_for : "scanner,grapher";
    if (!options.url || !*options.url)
        options.url = "http://127.0.0.1:8080";
    if (options.token && (!*options.token || strpbrk(options.token, "\r\n")))
        options.token = NULL;
    if (parsed < -1)
        code = main_wrong_use(poptBadOption(context, 0), poptStrerror(parsed));
    else if (help || (command && strcmp(command, "help") == 0))
        code = fputs(main_help, stdout) < 0 ? CLI_FAILED : CLI_OK;
    else if (!command)
        code = main_wrong_use("a command is missing", NULL);
    else if (options.timeout_seconds < 1 || options.days < 1 || options.days > 3650 || options.limit < 0 ||
             after < 0)
        code = main_wrong_use("the arguments are wrong", NULL);
    else if (main_operate(&code, &options, words))
        ;
    else if (strcmp(command, "new-subscriber") == 0 && !words[2])
        code = cli_new_subscriber(words[1], on, language ? language : "c");
    else if (words[2])
        code = main_wrong_use("the arguments are wrong", words[2]);
    else
        code = main_run(&options, command, repo);
    poptFreeContext(context);
    free(wait_for);
    free(login);
    free(subscriber);
    free(subject);
    free(since);
    free(on);
    free(language);
    curl_global_cleanup();
    return code;
}
