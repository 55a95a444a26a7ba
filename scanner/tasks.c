/*
 * What people run: targets of make, recipes of just, tasks of Task (taskfile.dev), and the package manager
 * that a package.json asks for.
 */
#include <ctype.h>
#include <string.h>

#include "scanner/facts.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void task_add(struct rb_scan_sheet *sheet, const char *runner, struct rb_piece name, int line)
{
    json_t *task = json_object();
    json_object_set_new(task, "runner", json_string(runner));
    rb_facts_text(sheet, task, "name", name);
    json_object_set_new(task, "file", json_string(sheet->manifest));
    if (line)
        json_object_set_new(task, "line", json_integer(line));
    rb_facts_put(sheet->facts->tasks, RB_FACTS_TASKS_MAX, task);
}

/* ---- make --------------------------------------------------------------------------------------------- */

#define PHONY_MAX 300 /* names in .PHONY of one file */
struct makefile {
    struct rb_piece phony[PHONY_MAX];
    size_t count;
};

/* Targets that people call by custom, declared phony or not. */
static bool target_is_known(struct rb_piece name)
{
    static const char *const known[] = {"all",    "build", "test",  "tests",  "check",   "install", "lint",
                                        "format", "fmt",   "run",   "start",  "serve",   "dev",     "deps",
                                        "clean",  "docs",  "bench", "deploy", "default", "release", "help"};
    for (size_t i = 0; i < COUNT(known); i++) {
        if (rb_piece_is(name, known[i]))
            return true;
    }
    return false;
}

static bool target_is_name(struct rb_piece name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!isalnum((unsigned char)name.at[i]) && !rb_text_has("_-.:/", name.at[i]))
            return false;
    }
    return name.len && name.at[0] != '.';
}

/* Reads "target more: …"; the names are left of the first ':' that is no assignment. */
static bool make_rule(struct rb_piece *names, struct rb_piece *prerequisites, struct rb_piece line)
{
    if (line.len == 0 || isspace((unsigned char)line.at[0]) || line.at[0] == '#')
        return false;
    const char *colon = memchr(line.at, ':', line.len);
    if (!colon)
        return false;
    size_t len = (size_t)(colon - line.at);
    struct rb_piece rest = rb_piece_after(line, len + 1);
    if (memchr(line.at, '=', len) || rb_piece_starts(rest, "=") || rb_piece_starts(rest, ":="))
        return false;
    *names = (struct rb_piece){line.at, len};
    *prerequisites = rest;
    return true;
}

static void make_phony(struct makefile *makefile, struct rb_piece names)
{
    struct rb_piece word;
    while (rb_piece_word(&word, &names) && makefile->count < PHONY_MAX)
        makefile->phony[makefile->count++] = word;
}

/* ".PHONY" may go over several lines that end with '\'. */
static void make_find_phony(struct makefile *makefile, struct rb_piece text)
{
    struct rb_piece line, names, prerequisites;
    bool goes_on = false;
    while (rb_piece_line(&line, &text)) {
        if (!goes_on &&
            !(make_rule(&names, &prerequisites, line) && rb_piece_is(rb_piece_trim(names), ".PHONY")))
            continue;
        struct rb_piece part = rb_piece_trim(goes_on ? line : prerequisites);
        goes_on = rb_piece_ends(part, "\\");
        if (goes_on)
            part.len--;
        make_phony(makefile, part);
    }
}

static bool make_is_phony(const struct makefile *makefile, struct rb_piece name)
{
    for (size_t i = 0; i < makefile->count; i++) {
        if (rb_piece_same(makefile->phony[i], name))
            return true;
    }
    return false;
}

rb_err rb_look_makefile(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct makefile *makefile = rb_arena_alloc(sheet->arena, sizeof *makefile);
    struct rb_piece rest = {text, len}, line, names, prerequisites, name;
    make_find_phony(makefile, rest);
    for (int number = 1; rb_piece_line(&line, &rest); number++) {
        if (!make_rule(&names, &prerequisites, line))
            continue;
        while (rb_piece_word(&name, &names)) {
            if (target_is_name(name) && (make_is_phony(makefile, name) || target_is_known(name)))
                task_add(sheet, "make", name, number);
        }
    }
    return RB_OK;
}

/* ---- just --------------------------------------------------------------------------------------------- */

/* "test:", "@test filter='':", "build target='debug' *args: deps": a recipe whose parameters all have a value
 * may be called as it is. */
static bool just_recipe(struct rb_piece *name, struct rb_piece line)
{
    if (rb_piece_starts(line, "@"))
        line = rb_piece_after(line, 1);
    size_t len = 0;
    while (len < line.len && (isalnum((unsigned char)line.at[len]) || rb_text_has("_-", line.at[len])))
        len++;
    if (len == 0 || line.at[0] == '_' || isdigit((unsigned char)line.at[0]))
        return false;
    *name = (struct rb_piece){line.at, len};
    struct rb_piece rest = rb_piece_after(line, len), word;
    const char *colon = memchr(rest.at, ':', rest.len);
    if (!colon || (colon + 1 < rest.at + rest.len && colon[1] == '='))
        return false;
    rest.len = (size_t)(colon - rest.at);
    while (rb_piece_word(&word, &rest)) {
        if (!memchr(word.at, '=', word.len) && word.at[0] != '*')
            return false;
    }
    return true;
}

rb_err rb_look_justfile(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line, name;
    bool is_private = false;
    for (int number = 1; rb_piece_line(&line, &rest); number++) {
        if (line.len == 0 || isspace((unsigned char)line.at[0]) || line.at[0] == '#')
            continue;
        if (line.at[0] == '[') {
            is_private = is_private || memmem(line.at, line.len, "private", 7);
            continue;
        }
        if (!is_private && just_recipe(&name, line))
            task_add(sheet, "just", name, number);
        is_private = false;
    }
    return RB_OK;
}

/* ---- Task --------------------------------------------------------------------------------------------- */

rb_err rb_look_taskfile(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *task;
    const char *name;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    json_object_foreach(rb_json_get(document, "tasks"), name, task)
    {
        if (strcmp(rb_json_text(task, "internal"), "true") != 0 && !strchr(name, '*'))
            task_add(sheet, "task", rb_piece_of(name), 0);
    }
    json_decref(document);
    return RB_OK;
}

/* ---- package.json ------------------------------------------------------------------------------------- */

/* "packageManager": "pnpm@9.1.0+sha512.…" (nodejs.org, "Corepack"). */
rb_err rb_look_package_json(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    static const char *const managers[] = {"npm", "pnpm", "yarn", "bun"};
    json_t *document;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    const char *wanted = rb_json_text(document, "packageManager");
    size_t name_len = strcspn(wanted, "@");
    for (size_t i = 0; i < COUNT(managers); i++) {
        if (strlen(managers[i]) != name_len || strncmp(wanted, managers[i], name_len) != 0)
            continue;
        json_t *item = json_object();
        json_object_set_new(item, "file", json_string(sheet->manifest));
        json_object_set_new(item, "name", json_string(managers[i]));
        rb_facts_put(sheet->facts->managers, RB_SCAN_PACKAGES_MAX, item);
    }
    json_decref(document);
    return RB_OK;
}
