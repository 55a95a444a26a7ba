/*
 * `repobus new-subscriber`: writes a folder that builds, runs and passes its own test. The templates are
 * files (cli/templates), put into the program as they are; what stands between two @ in them is filled in.
 *
 * The folder is written under another name and moved into place: an error leaves nothing behind that looks
 * whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/bus.h"
#include "cli/cli.h"

#define NAME_MAX_BYTES 48    /* as libbus: part of subjects and of a consumer's name */
#define FILE_MAX       65536 /* bytes of a template filled in */
#define SUBJECTS_MAX   16

/* A file as it is, and a zero behind it. */
// clang-format off
// NOLINTBEGIN(bugprone-macro-parentheses): a symbol in parentheses is none
#define FILE_AS_IT_IS(symbol, path)                                       \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" path "\"\n" \
            ".byte 0\n.popsection\n");                                    \
    extern const char symbol[]
// NOLINTEND(bugprone-macro-parentheses)
// clang-format on

FILE_AS_IT_IS(new_readme, "cli/templates/README.md");
FILE_AS_IT_IS(new_c_main, "cli/templates/c/main.c.in");
FILE_AS_IT_IS(new_c_makefile, "cli/templates/c/Makefile");
FILE_AS_IT_IS(new_python_main, "cli/templates/python/main.py");
FILE_AS_IT_IS(new_python_rules, "cli/templates/python/repobus.py");
FILE_AS_IT_IS(new_python_lease, "cli/templates/python/lease.py");
FILE_AS_IT_IS(new_python_requirements, "cli/templates/python/requirements.txt");
FILE_AS_IT_IS(new_python_makefile, "cli/templates/python/Makefile");
FILE_AS_IT_IS(new_typescript_main, "cli/templates/typescript/main.ts");
FILE_AS_IT_IS(new_typescript_rules, "cli/templates/typescript/repobus.ts");
FILE_AS_IT_IS(new_typescript_lease, "cli/templates/typescript/lease.ts");
FILE_AS_IT_IS(new_typescript_package, "cli/templates/typescript/package.json");
FILE_AS_IT_IS(new_typescript_config, "cli/templates/typescript/tsconfig.json");
FILE_AS_IT_IS(new_typescript_makefile, "cli/templates/typescript/Makefile");
FILE_AS_IT_IS(new_go_main, "cli/templates/go/main.go");
FILE_AS_IT_IS(new_go_rules, "cli/templates/go/repobus.go");
FILE_AS_IT_IS(new_go_lease, "cli/templates/go/lease.go");
FILE_AS_IT_IS(new_go_mod, "cli/templates/go/go.mod.in");
FILE_AS_IT_IS(new_go_sum, "cli/templates/go/go.sum.in");
FILE_AS_IT_IS(new_go_makefile, "cli/templates/go/Makefile");

FILE_AS_IT_IS(new_event_connected, "tests/subscriber/events/repo.connected.json");
FILE_AS_IT_IS(new_event_rescan, "tests/subscriber/events/repo.rescan.json");
FILE_AS_IT_IS(new_event_disconnected, "tests/subscriber/events/repo.disconnected.json");
FILE_AS_IT_IS(new_event_unhealthy, "tests/subscriber/events/repo.unhealthy.json");
FILE_AS_IT_IS(new_event_failed, "tests/subscriber/events/repo.failed.json");
FILE_AS_IT_IS(new_event_scanned, "tests/subscriber/events/repo.scanned.json");
FILE_AS_IT_IS(new_event_graphed, "tests/subscriber/events/repo.graphed.json");
FILE_AS_IT_IS(new_event_pull_request, "tests/subscriber/events/github.pull_request.json");
FILE_AS_IT_IS(new_event_issues, "tests/subscriber/events/github.issues.json");

static const struct new_file {
    const char *language, *name;
    const char *text;
} new_files[] = {
    {"c", "main.c", new_c_main},
    {"c", "Makefile", new_c_makefile},
    {"c", ".gitignore", "/@NAME@\n"},
    {"python", "main.py", new_python_main},
    {"python", "repobus.py", new_python_rules},
    {"python", "lease.py", new_python_lease},
    {"python", "requirements.txt", new_python_requirements},
    {"python", "Makefile", new_python_makefile},
    {"python", ".gitignore", "/.venv/\n__pycache__/\n"},
    {"typescript", "main.ts", new_typescript_main},
    {"typescript", "repobus.ts", new_typescript_rules},
    {"typescript", "lease.ts", new_typescript_lease},
    {"typescript", "package.json", new_typescript_package},
    {"typescript", "tsconfig.json", new_typescript_config},
    {"typescript", "Makefile", new_typescript_makefile},
    {"typescript", ".gitignore", "/node_modules/\n/dist/\n"},
    {"go", "main.go", new_go_main},
    {"go", "repobus.go", new_go_rules},
    {"go", "lease.go", new_go_lease},
    {"go", "go.mod", new_go_mod},
    {"go", "go.sum", new_go_sum},
    {"go", "Makefile", new_go_makefile},
    {"go", ".gitignore", "/@NAME@\n"},
};
#define NEW_FILES (sizeof(new_files) / sizeof(new_files[0]))

/* Every subject that can be subscribed to, with an event that was recorded on it. */
static const struct new_event {
    const char *subject, *text;
} new_events[] = {
    {RB_REPO_CONNECTED, new_event_connected},
    {RB_REPO_RESCAN, new_event_rescan},
    {RB_REPO_DISCONNECTED, new_event_disconnected},
    {RB_REPO_UNHEALTHY, new_event_unhealthy},
    {RB_REPO_FAILED, new_event_failed},
    {RB_REPO_SCANNED, new_event_scanned},
    {RB_REPO_GRAPHED, new_event_graphed},
    {RB_GITHUB_PULL_REQUEST, new_event_pull_request},
    {RB_GITHUB_ISSUES, new_event_issues},
};
#define NEW_EVENTS (sizeof(new_events) / sizeof(new_events[0]))

struct new_subscriber {
    const char *name, *language;
    const struct new_event *events[SUBJECTS_MAX];
    size_t count;
    struct rb_arena *arena;
};

/* ---- what was asked for ------------------------------------------------------------------------------- */

static int new_wrong(const char *fmt, const char *what)
{
    fprintf(stderr, "repobus: ");
    fprintf(stderr, fmt, what); // NOLINT(clang-diagnostic-format-nonliteral): all are in this file
    fprintf(stderr, "\n");
    return CLI_USAGE;
}

/* A name that is also one of a program, a Go module and an npm package. */
static bool new_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[len - 1] != '-';
}

static const struct new_event *new_find_event(const char *subject, size_t len)
{
    for (size_t i = 0; i < NEW_EVENTS; i++) {
        if (strlen(new_events[i].subject) == len && memcmp(new_events[i].subject, subject, len) == 0)
            return &new_events[i];
    }
    return NULL;
}

static int new_read_subjects(struct new_subscriber *new, const char *list)
{
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        const struct new_event *event = new_find_event(at, len);
        bool is_there = false;
        if (!event) {
            fprintf(stderr, "repobus: there is no subject \"%.*s\". There are:\n", (int)len, at);
            for (size_t i = 0; i < NEW_EVENTS; i++)
                fprintf(stderr, "  %s\n", new_events[i].subject);
            return CLI_USAGE;
        }
        for (size_t i = 0; i < new->count; i++)
            is_there = is_there || new->events[i] == event;
        if (!is_there)
            new->events[new->count++] = event; /* each once, so never more than NEW_EVENTS */
        at += len;
        if (!*at)
            return CLI_OK;
    }
}

/* ---- filling in --------------------------------------------------------------------------------------- */

/* One filter a consumer (nats-server 2.9 has no more): the subject, what all of them begin with, or
 * everything. */
static const char *new_filter(const struct new_subscriber *new)
{
    const char *first = new->events[0]->subject;
    size_t prefix = (size_t)(strchr(first, '.') - first) + 1;
    for (size_t i = 1; i < new->count; i++) {
        if (strncmp(new->events[i]->subject, first, prefix) != 0)
            return ">";
    }
    return new->count == 1 ? first : rb_arena_printf(new->arena, "%.*s*", (int)prefix, first);
}

/* Each subject in `fmt`, with `between` in between. */
static const char *new_list(const struct new_subscriber *new, const char *before, const char *after,
                            const char *between)
{
    const char *text = "";
    for (size_t i = 0; i < new->count; i++)
        text = rb_arena_printf(new->arena, "%s%s%s%s%s", text, i ? between : "", before,
                               new->events[i]->subject, after);
    return text;
}

static const char *new_main(const struct new_subscriber *new)
{
    for (size_t i = 0; i < NEW_FILES; i++) {
        if (strcmp(new_files[i].language, new->language) == 0)
            return new_files[i].name; /* the first one */
    }
    return NULL;
}

static rb_err new_fill(struct rb_buf *out, const struct new_subscriber *new, const char *text)
{
    const struct {
        const char *key, *value;
    } values[] = {
        {"@NAME@", new->name},
        {"@FILTER@", new_filter(new)},
        {"@SUBJECTS@", new_list(new, "\"", "\"", ", ")},
        {"@SUBJECTS_TEXT@", new_list(new, "`", "`", ", ")},
        {"@ROUTES@", new_list(new, "{\"", "\", handle}, ", "")},
        {"@MAIN@", new_main(new)},
    };
    rb_err err = RB_OK;

    while (*text && !err) {
        size_t plain = strcspn(text, "@"), i = 0;
        err = rb_buf_append(out, text, plain);
        text += plain;
        while (i < sizeof(values) / sizeof(values[0]) &&
               strncmp(text, values[i].key, strlen(values[i].key)) != 0)
            i++;
        if (i < sizeof(values) / sizeof(values[0])) {
            if (!err)
                err = rb_buf_append(out, values[i].value, strlen(values[i].value));
            text += strlen(values[i].key);
        } else if (*text && !err) {
            err = rb_buf_append(out, text++, 1);
        }
    }
    return err;
}

/* The cases of its test: each event as it was recorded, and one that will never work. */
static char *new_cases(const struct new_subscriber *new)
{
    json_t *cases = json_array();
    for (size_t i = 0; i < new->count; i++) {
        json_t *event = json_loads(new->events[i]->text, 0, NULL);
        bool has_run = json_object_get(json_object_get(event, "data"), "installation_id");
        json_t *each = json_pack("{s:s, s:o, s:{s:s, s:[]}}", "name", new->events[i]->subject, "event", event,
                                 "expect", "verdict", "done", "published");
        if (has_run)
            json_object_set_new(json_object_get(each, "expect"), "run",
                                json_pack("{s:s, s:s}", "state", "done", "note", "seen"));
        json_array_append_new(cases, each);
    }
    json_t *empty = json_loads(new->events[0]->text, 0, NULL);
    json_object_set_new(empty, "data", json_object());
    json_array_append_new(cases, json_pack("{s:s, s:o, s:{s:s, s:s}}", "name",
                                           "an event without a repository", "event", empty, "expect",
                                           "verdict", "reject", "reason", "without a repository"));
    char *text = json_dumps(cases, JSON_INDENT(2));
    json_decref(cases);
    return text;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static rb_err new_write(const char *folder, const char *name, const char *text, size_t len)
{
    char *path = rb_asprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "wx");
    bool written = file && fwrite(text, 1, len, file) == len;
    written = file && fclose(file) == 0 && written;
    rb_err err = written ? RB_OK : rb_error_set(RB_EINVAL, "%s cannot be written: %s", path, strerror(errno));
    free(path);
    return err;
}

static rb_err new_write_all(const struct new_subscriber *new, const char *folder)
{
    struct rb_buf text;
    rb_err err = RB_OK;

    rb_buf_init(&text, FILE_MAX);
    for (size_t i = 0; i <= NEW_FILES && !err; i++) {
        const struct new_file *file = i < NEW_FILES ? &new_files[i] : NULL;
        if (file && strcmp(file->language, new->language) != 0)
            continue;
        rb_buf_reset(&text);
        err = new_fill(&text, new, file ? file->text : new_readme);
        if (!err)
            err = new_write(folder, file ? file->name : "README.md", text.data, text.len);
    }
    rb_buf_free(&text);
    char *cases = new_cases(new);
    if (!err)
        err = new_write(folder, "cases.json", cases, strlen(cases));
    free(cases);
    return err;
}

static int new_make(const struct new_subscriber *new)
{
    struct stat there;
    char *folder = rb_asprintf(".%s.XXXXXX", new->name);

    if (lstat(new->name, &there) == 0) {
        free(folder);
        return new_wrong("%s is there already", new->name);
    }
    rb_err err = mkdtemp(folder) && chmod(folder, 0755) == 0
                     ? RB_OK
                     : rb_error_set(RB_EINVAL, "no folder can be made here: %s", strerror(errno));
    if (!err)
        err = new_write_all(new, folder);
    if (!err && rename(folder, new->name) != 0)
        err = rb_error_set(RB_EINVAL, "%s cannot be made: %s", new->name, strerror(errno));
    free(folder);
    if (err) {
        fprintf(stderr, "repobus: %s\n", rb_error_text());
        return CLI_FAILED;
    }
    printf("%s/ is written. cd %s && make test\n", new->name, new->name);
    return CLI_OK;
}

int cli_new_subscriber(const char *name, const char *subjects, const char *language)
{
    struct new_subscriber new = {.name = name, .language = language};
    int code;

    if (!name || !new_name_is_valid(name))
        return new_wrong(
            "\"%s\" is no name: a small letter, then small letters, digits and '-', at most 48 in all",
            name ? name : "");
    if (!subjects || !*subjects)
        return new_wrong("--on is missing: the subjects, as in --on repo.connected%s",
                         ",github.pull_request");
    new.arena = rb_arena_new();
    if (!new_main(&new))
        code = new_wrong("there is no --lang %s: c, python, typescript, go", language);
    else
        code = new_read_subjects(&new, subjects);
    if (code == CLI_OK)
        code = new_make(&new);
    rb_arena_free(new.arena);
    return code;
}
