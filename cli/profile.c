/* `repobus profile`: what the scanner found, for a person to read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define BAR_WIDTH      40 /* characters of the bar of languages */
#define LANGUAGES_MAX  8
#define NAMES_MAX      24 /* technologies in one line */
#define WORKSPACES_MAX 20
#define COMMANDS_MAX   8 /* of a workspace */
#define SERVICES_MAX   20

static const char *text_of(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text ? text : "";
}

static void print_title(const char *title)
{
    printf("\n%s\n", title);
}

static void print_more(size_t count, size_t shown)
{
    if (count > shown)
        printf("  and %zu more\n", count - shown);
}

/* "  ##########......  71.4%  Python" */
static void print_languages(const json_t *profile)
{
    const json_t *languages = json_object_get(profile, "languages"), *language;
    size_t i;
    if (json_array_size(languages) == 0)
        return;
    print_title("Languages");
    json_array_foreach(languages, i, language)
    {
        double share = json_number_value(json_object_get(language, "share"));
        int filled = (int)(share * BAR_WIDTH / 100 + 0.5);
        if (i == LANGUAGES_MAX)
            break;
        fputs("  ", stdout);
        for (int k = 0; k < BAR_WIDTH; k++)
            fputc(k < filled ? '#' : '.', stdout);
        printf(" %5.1f%%  ", share);
        cli_print(stdout, text_of(language, "name"));
        fputc('\n', stdout);
    }
    print_more(json_array_size(languages), LANGUAGES_MAX);
}

/* Names of a list, those of one category in one line; what is only in examples and tests is left out. */
static void print_technologies(const json_t *profile)
{
    const json_t *list = json_object_get(profile, "technologies"), *item;
    const char *category = NULL;
    size_t i, shown = 0;
    if (json_array_size(list) == 0)
        list = json_object_get(profile, "frameworks");
    json_array_foreach(list, i, item)
    {
        const char *its = text_of(item, "category");
        if (json_is_true(json_object_get(item, "aside")))
            continue;
        if (!category)
            print_title("Technologies");
        bool goes_on = category && strcmp(its, category) == 0;
        if (!goes_on) {
            fputs(category ? "\n  " : "  ", stdout);
            if (*its) {
                cli_print(stdout, its);
                fputs(": ", stdout);
            }
            shown = 0;
        }
        category = its;
        if (shown++ < NAMES_MAX) {
            fputs(goes_on ? ", " : "", stdout);
            cli_print(stdout, text_of(item, "name"));
        }
    }
    if (category)
        fputc('\n', stdout);
}

static void print_commands(const json_t *commands)
{
    const json_t *command;
    size_t i;
    json_array_foreach(commands, i, command)
    {
        if (i == COMMANDS_MAX)
            break;
        char kind[32];
        snprintf(kind, sizeof(kind), "    %-8.20s ", text_of(command, "kind"));
        cli_print(stdout, kind);
        cli_print(stdout, text_of(command, "command"));
        fputc('\n', stdout);
    }
}

static void print_workspaces(const json_t *profile)
{
    const json_t *workspaces = json_object_get(profile, "workspaces"), *workspace;
    size_t i, shown = 0, own = 0;
    json_array_foreach(workspaces, i, workspace)
    {
        own += !json_is_true(json_object_get(workspace, "aside"));
    }
    if (own == 0)
        return;
    print_title(own > 1 ? "Workspaces" : "Commands");
    json_array_foreach(workspaces, i, workspace)
    {
        if (json_is_true(json_object_get(workspace, "aside")))
            continue;
        if (shown++ == WORKSPACES_MAX)
            break;
        const char *path = text_of(workspace, "path");
        fputs("  ", stdout);
        cli_print(stdout, *path ? path : "(root)");
        if (*text_of(workspace, "name") && strcmp(text_of(workspace, "name"), path) != 0) {
            fputs("  ", stdout);
            cli_print(stdout, text_of(workspace, "name"));
        }
        if (*text_of(workspace, "language")) {
            fputs("  ", stdout);
            cli_print(stdout, text_of(workspace, "language"));
        }
        fputc('\n', stdout);
        print_commands(json_object_get(workspace, "commands"));
    }
    print_more(own, WORKSPACES_MAX);
}

static void print_services(const json_t *profile)
{
    const json_t *services = json_object_get(profile, "services"), *service, *port;
    size_t i, k, shown = 0;
    json_array_foreach(services, i, service)
    {
        if (json_is_true(json_object_get(service, "aside")))
            continue;
        if (shown == 0)
            print_title("Services");
        if (shown++ >= SERVICES_MAX)
            continue;
        fputs("  ", stdout);
        cli_print(stdout, *text_of(service, "name") ? text_of(service, "name") : text_of(service, "file"));
        json_array_foreach(json_object_get(service, "ports"), k, port)
        {
            printf("%s%" JSON_INTEGER_FORMAT, k ? ", " : "  port ",
                   json_integer_value(json_object_get(port, "port")));
        }
        fputs("  ", stdout);
        cli_print(stdout, text_of(service, "file"));
        fputc('\n', stdout);
    }
    print_more(shown, SERVICES_MAX);
}

static void print_profile(const json_t *answer)
{
    const json_t *profile = json_object_get(answer, "profile");
    const char *license = text_of(json_object_get(profile, "license"), "spdx");
    char commit[16];
    snprintf(commit, sizeof(commit), "  %.12s", text_of(answer, "commit"));
    cli_print(stdout, text_of(answer, "repo"));
    cli_print(stdout, commit);
    if (*license) {
        fputs("  ", stdout);
        cli_print(stdout, license);
    }
    fputs("\n  ", stdout);
    cli_print(stdout, text_of(profile, "summary"));
    fputc('\n', stdout);
    print_languages(profile);
    print_technologies(profile);
    print_workspaces(profile);
    print_services(profile);
}

int cli_profile(const struct cli_options *options, const char *repo)
{
    struct cli_answer answer;
    int code = CLI_OK;
    char *path =
        rb_asprintf("/api/v1/repos/%s/profile%s", repo, options->cyclonedx ? "?format=cyclonedx" : "");
    bool answered = cli_ask(&answer, options, "GET", path);
    free(path);
    if (!answered)
        return CLI_UNREACHABLE;
    if (answer.status != 200) {
        code = cli_answer_fail(&answer);
    } else if (options->json || options->cyclonedx) {
        fwrite(answer.body.data, 1, answer.body.len, stdout);
        fputc('\n', stdout);
    } else {
        print_profile(answer.json);
    }
    cli_answer_clear(&answer);
    return code;
}
