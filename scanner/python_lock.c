/*
 * Lock files of Python: poetry.lock, uv.lock and pdm.lock (TOML, tables "package"), pylock.toml (PEP 751,
 * tables "packages") and Pipfile.lock (JSON).
 */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"
#include "scanner/walk.h"

/* Groups "default" (PDM) and "main" (Poetry) are what the project runs with; poetry.lock before version 2 had
 * one "category". */
static const char *lock_kind(const json_t *package)
{
    const json_t *groups = rb_json_get(package, "groups");
    const char *kind = NULL, *category = rb_json_text(package, "category");
    size_t i;
    json_t *group;
    bool is_optional = json_is_true(rb_json_get(package, "optional"));
    if (*category && strcmp(category, "main") != 0)
        return rb_python_group_kind(category, RB_KIND_DEV);
    json_array_foreach(groups, i, group)
    {
        const char *name = json_is_string(group) ? json_string_value(group) : "";
        if (strcmp(name, "default") == 0 || strcmp(name, "main") == 0)
            return is_optional ? RB_KIND_OPTIONAL : RB_KIND_RUNTIME;
        if (!kind || strcmp(kind, RB_KIND_DEV) == 0)
            kind = rb_python_group_kind(name, RB_KIND_DEV);
    }
    if (!kind)
        kind = is_optional ? RB_KIND_OPTIONAL : RB_KIND_RUNTIME;
    return kind;
}

/* A folder of this repository, as each tool says it. */
static bool lock_is_here(const json_t *package)
{
    static const char *const uv[] = {"editable", "virtual", "directory", "workspace"};
    const json_t *source = rb_json_get(package, "source"); /* Poetry: {type = "directory", url = "../x"} */
    for (size_t i = 0; i < sizeof uv / sizeof *uv; i++) {
        if (rb_json_get(source, uv[i]))
            return true;
    }
    return strcmp(rb_json_text(source, "type"), "directory") == 0 || *rb_json_text(package, "path") ||
           rb_json_get(package, "directory");
}

static void lock_need(struct rb_scan_sheet *sheet, const char *from, const char *to, size_t len)
{
    size_t name = strspn(to, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    const char *normal = rb_python_name(sheet, rb_arena_strndup(sheet->arena, to, name < len ? name : len));
    rb_scan_lock_needs(sheet, rb_piece_of(from), rb_piece_of(normal));
}

/* uv and pylock: [{name = "a"}]; PDM: ["a>=1"]. */
static void lock_need_list(struct rb_scan_sheet *sheet, const char *from, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *to = json_is_string(item) ? json_string_value(item) : rb_json_text(item, "name");
        lock_need(sheet, from, to, strlen(to));
    }
}

/* Poetry: {a = ">=1", b = {version = "*", optional = true}}; uv's extras: {x = [{name = "a"}]}. */
static void lock_needs(struct rb_scan_sheet *sheet, const char *from, const json_t *package)
{
    const char *name;
    json_t *value;
    const json_t *wanted = rb_json_get(package, "dependencies");
    lock_need_list(sheet, from, wanted);
    if (json_is_object(wanted)) {
        json_object_foreach((json_t *)wanted, name, value)
        {
            if (!json_is_true(rb_json_get(value, "optional")))
                lock_need(sheet, from, name, strlen(name));
        }
    }
    json_object_foreach(rb_json_get(package, "optional-dependencies"), name, value)
        lock_need_list(sheet, from, value);
}

static void lock_package(void *arg, const json_t *package)
{
    struct rb_scan_sheet *sheet = arg;
    const char *name = rb_python_name(sheet, rb_json_text(package, "name")),
               *version = rb_json_text(package, "version");
    struct rb_scan_locked *item = rb_scan_lock(sheet, name, strlen(name), version, strlen(version));
    if (!item)
        return;
    item->kind = lock_kind(package);
    item->local = lock_is_here(package);
    item->is_for = rb_json_get(package, "groups") || *rb_json_text(package, "category");
    if (!item->local && !item->is_for)
        lock_needs(sheet, name, package);
}

rb_err rb_python_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    return rb_walk_toml(text, len, "package", lock_package, sheet);
}

rb_err rb_pylock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    return rb_walk_toml(text, len, "packages", lock_package, sheet);
}

/* default / name / version = "==1.2"; "_meta" is about the file. */
static void pipfile_visit(void *arg, const struct rb_walk *at, enum rb_walk_what what, struct rb_piece value)
{
    struct rb_scan_sheet *sheet = arg;
    if (what != RB_WALK_VALUE || at->depth != 3 || !rb_walk_is(at, 2, "version") ||
        rb_walk_is(at, 0, "_meta"))
        return;
    const char *name = rb_python_name(sheet, rb_piece_copy(sheet->arena, at->keys[1]));
    struct rb_piece version = rb_piece_after(value, rb_piece_starts(value, "===")  ? 3
                                                    : rb_piece_starts(value, "==") ? 2
                                                                                   : 0);
    struct rb_scan_locked *item = rb_scan_lock(sheet, name, strlen(name), version.at, version.len);
    if (!item)
        return;
    item->is_for = true;
    if (rb_walk_is(at, 0, "default"))
        return;
    item->kind = rb_walk_is(at, 0, "develop")
                     ? RB_KIND_DEV
                     : rb_python_group_kind(rb_piece_copy(sheet->arena, at->keys[0]), RB_KIND_OPTIONAL);
}

rb_err rb_pipfile_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    return rb_walk_json(text, len, pipfile_visit, sheet);
}
