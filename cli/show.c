/* What people see: a repository, its progress, what it turned out to be. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define SHOW_BAR       30 /* characters of a progress bar */
#define SHOW_LANGUAGES 6
#define SHOW_NOTE      60

void cli_print(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0; /* control characters beyond ASCII, in UTF-8 */
        if (c1)
            c++;
        fputc(c1 || *c < 0x20 || *c == 0x7f ? ' ' : *c, out);
    }
}

static const char *show_text(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text ? text : "";
}

static int64_t show_int(const json_t *object, const char *field)
{
    return json_integer_value(json_object_get(object, field));
}

static void show_run_line(FILE *out, const json_t *run)
{
    char line[512];
    int64_t done = show_int(run, "done"), total = show_int(run, "total");
    const char *note = *show_text(run, "error") ? show_text(run, "error") : show_text(run, "note");
    char count[48] = "";
    if (total > 0)
        snprintf(count, sizeof(count), "%" PRId64 "/%" PRId64 "  ", done, total);
    snprintf(line, sizeof(line), "%-10.40s %-9.20s %s%.300s", show_text(run, "subscriber"),
             show_text(run, "state"), count, note);
    for (size_t len = strlen(line); len > 0 && line[len - 1] == ' '; len--)
        line[len - 1] = '\0';
    cli_print(out, line);
    fputc('\n', out);
}

void cli_show_repo(const json_t *repo)
{
    const json_t *run;
    size_t index;
    char line[320];
    snprintf(line, sizeof(line), "%.200s  %.20s", show_text(repo, "repo"), show_text(repo, "state"));
    cli_print(stdout, line);
    if (*show_text(repo, "connected_at")) {
        fputs("  since ", stdout);
        cli_print(stdout, show_text(repo, "connected_at"));
    }
    fputc('\n', stdout);
    if (*show_text(repo, "health") && strcmp(show_text(repo, "health"), "ok") != 0) {
        printf("  unhealthy: ");
        cli_print(stdout, *show_text(repo, "health_reason") ? show_text(repo, "health_reason")
                                                            : show_text(repo, "health"));
        fputc('\n', stdout);
    }
    const json_t *freshness = json_object_get(repo, "freshness");
    if (*show_text(freshness, "behind_since")) {
        printf("  behind: the graph shows %.12s, GitHub has %.12s since ", show_text(freshness, "commit"),
               show_text(freshness, "head"));
        cli_print(stdout, show_text(freshness, "behind_since"));
        printf("; repobus rescan brings it up to date\n");
    }
    json_array_foreach(json_object_get(repo, "runs"), index, run)
    {
        fputs("  ", stdout);
        show_run_line(stdout, run);
    }
}

void cli_show_choice(const json_t *repo)
{
    const char *state = show_text(repo, "state");
    char line[320];
    snprintf(line, sizeof(line), "%.200s  %s%s%s", show_text(repo, "repo"),
             json_is_true(json_object_get(repo, "private")) ? "private  " : "",
             *state                                         ? state
             : json_is_true(json_object_get(repo, "admin")) ? "not connected"
                                                            : "cannot be connected: you are not its admin",
             json_is_false(json_object_get(repo, "listed")) ? "  GitHub does not show it to you any more"
                                                            : "");
    cli_print(stdout, line);
    fputc('\n', stdout);
}

/* ---- the summary -------------------------------------------------------------------------------------- */

static void show_names(const char *title, const json_t *list, bool with_share)
{
    const json_t *item;
    size_t index, shown = 0;
    json_array_foreach(list, index, item)
    {
        const char *name = show_text(item, "name");
        if (!*name || shown == SHOW_LANGUAGES)
            continue;
        printf(shown++ ? ", " : "  %-11s ", title);
        cli_print(stdout, name);
        if (with_share)
            printf(" %.1f%%", json_number_value(json_object_get(item, "share")));
    }
    if (shown)
        printf(json_array_size(list) > shown ? ", and %zu more\n" : "\n", json_array_size(list) - shown);
}

void cli_show_summary(const json_t *repo)
{
    const json_t *profile = json_object_get(repo, "profile"), *run;
    size_t index;
    printf("\n");
    cli_print(stdout, show_text(repo, "repo"));
    printf("\n");
    if (json_is_object(profile)) {
        if (*show_text(profile, "summary")) {
            fputs("  ", stdout);
            cli_print(stdout, show_text(profile, "summary"));
            fputc('\n', stdout);
        }
        show_names("languages", json_object_get(profile, "languages"), true);
        show_names("frameworks", json_object_get(profile, "frameworks"), false);
        size_t dependencies = json_array_size(json_object_get(profile, "dependencies"));
        if (dependencies)
            printf("  %-11s %zu\n", "depends on", dependencies);
        printf("  %-11s %" PRId64 " files, commit %.12s%s\n", "scanned", show_int(profile, "files"),
               show_text(profile, "commit"),
               json_is_false(json_object_get(profile, "complete")) ? " (incomplete)" : "");
    }
    json_array_foreach(json_object_get(repo, "runs"), index, run)
    {
        if (strcmp(show_text(run, "subscriber"), "grapher") == 0 &&
            strcmp(show_text(run, "state"), "done") == 0) {
            printf("  %-11s ", "graph");
            cli_print(stdout, *show_text(run, "note") ? show_text(run, "note") : "built");
            printf("\n");
        }
    }
}

/* ---- progress ----------------------------------------------------------------------------------------- */

void cli_progress_init(struct cli_progress *progress)
{
    const char *terminal = getenv("TERM");
    *progress = (struct cli_progress){.runs = json_object()};
    progress->is_terminal = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

static void progress_draw_bar(const json_t *run)
{
    int64_t done = show_int(run, "done"), total = show_int(run, "total");
    bool ended = strcmp(show_text(run, "state"), "done") == 0;
    int filled = ended ? SHOW_BAR : total > 0 && done <= total ? (int)(done * SHOW_BAR / total) : 0;
    char bar[SHOW_BAR + 1], line[256];
    memset(bar, '.', SHOW_BAR);
    memset(bar, '#', (size_t)filled);
    bar[SHOW_BAR] = '\0';
    const char *note = *show_text(run, "error") ? show_text(run, "error") : show_text(run, "note");
    snprintf(line, sizeof(line), "%-10.20s [%s] %-9.12s %.*s", show_text(run, "subscriber"), bar,
             show_text(run, "state"), SHOW_NOTE, note);
    fputs("\r\x1b[2K", stdout);
    cli_print(stdout, line);
    fputc('\n', stdout);
}

void cli_progress_update(struct cli_progress *progress, const json_t *run)
{
    const char *name = show_text(run, "subscriber"), *subscriber;
    json_t *before = json_object_get(progress->runs, name), *each;
    if (!*name || (before && json_equal(before, (json_t *)run)))
        return;
    json_object_set(progress->runs, name, (json_t *)run);
    if (!progress->is_terminal) {
        show_run_line(stdout, run);
        fflush(stdout);
        return;
    }
    if (progress->drawn_lines)
        printf("\x1b[%dA", progress->drawn_lines);
    progress->drawn_lines = 0;
    json_object_foreach(progress->runs, subscriber, each)
    {
        progress_draw_bar(each);
        progress->drawn_lines++;
    }
    fflush(stdout);
}

void cli_progress_free(struct cli_progress *progress)
{
    json_decref(progress->runs);
}
