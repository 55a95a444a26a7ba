/*
 * Python projects: pyproject.toml (PEP 621, PEP 735, PEP 518; Poetry, uv, PDM, Hatch, Flit) and Pipfile.
 */
#include <string.h>
#include <strings.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/toml.h"
#include "scanner/tree.h"

static void pypi_list(struct rb_scan_sheet *sheet, const json_t *list, const char *kind)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        /* PEP 735 also has {include-group = "…"}: what is in that group is listed there. */
        if (json_is_string(item))
            rb_python_requirement(sheet, json_string_value(item), json_string_length(item), kind);
    }
}

static void pypi_groups(struct rb_scan_sheet *sheet, const json_t *groups, const char *fallback)
{
    const char *name;
    json_t *list;
    json_object_foreach((json_t *)groups, name, list)
        pypi_list(sheet, list, rb_python_group_kind(name, fallback));
}

static void pypi_entries(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const json_t *table)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)table, name, value)
    {
        const char *target = json_string_value(value);
        if (json_is_object(value)) /* Poetry: {reference = "shop:main"}, {callable = …} of old */
            target = *rb_json_text(value, "reference") ? rb_json_text(value, "reference")
                                                       : rb_json_text(value, "callable");
        rb_scan_add_entry(sheet, package, name, target);
    }
}

/* ---- tables by name: Poetry and Pipfile ------------------------------------------------------------------
 */

/* "^1", {version = "^1", optional = true}, {git = "https://…"}, {path = "../x"}. */
static void pypi_named_one(struct rb_scan_sheet *sheet, const char *name, const json_t *value,
                           const char *kind)
{
    static const char *const conditions[] = {"markers", "python", "platform"};
    const char *version = json_string_value(value);
    if (json_is_object(value)) {
        version = rb_json_text(value, "version");
        if (!*version && *rb_json_text(value, "git"))
            version = rb_arena_printf(sheet->arena, "@ git+%s", rb_json_text(value, "git"));
        else if (!*version && *rb_json_text(value, "url"))
            version = rb_arena_printf(sheet->arena, "@ %s", rb_json_text(value, "url"));
        if (json_is_true(rb_json_get(value, "optional")))
            kind = RB_KIND_OPTIONAL;
    }
    if (version && strcmp(version, "*") == 0)
        version = "";
    struct rb_scan_dependency *added = rb_python_requirement(sheet, name, strlen(name), kind);
    if (!added)
        return;
    added->local = *rb_json_text(value, "path") != 0;
    if (version)
        added->requirement = rb_scan_requirement(sheet, version, strlen(version));
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions && !*added->marker; i++) {
        const char *condition = rb_json_text(value, conditions[i]);
        if (*condition)
            added->marker = rb_scan_requirement(
                sheet, i ? rb_arena_printf(sheet->arena, "%s %s", conditions[i], condition) : condition,
                strlen(condition) + (i ? strlen(conditions[i]) + 1 : 0));
    }
}

/* Several constraints for several conditions: [{version = "<2", python = "<3.8"}, {version = ">=2"}]. */
static void pypi_named(struct rb_scan_sheet *sheet, const char *name, const json_t *value, const char *kind)
{
    size_t i;
    json_t *one;
    if (!json_is_array(value))
        pypi_named_one(sheet, name, value, kind);
    json_array_foreach(value, i, one) pypi_named_one(sheet, name, one, kind);
}

static void pypi_table(struct rb_scan_sheet *sheet, const json_t *table, const char *kind)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)table, name, value)
    {
        if (strcasecmp(name, "python") != 0)
            pypi_named(sheet, name, value, kind);
    }
}

/* Since Poetry 2 "project" has the dependencies, and Poetry's own table may say more about each: what it
 * repeats is dropped again. */
static void pypi_poetry_runtime(struct rb_scan_sheet *sheet, const json_t *table, size_t first)
{
    size_t known = sheet->count, kept = known;
    pypi_table(sheet, table, RB_KIND_RUNTIME);
    for (size_t i = known; i < sheet->count; i++) {
        bool is_known = false;
        for (size_t k = first; k < known && !is_known; k++) {
            is_known = strcmp(sheet->items[k].name, sheet->items[i].name) == 0;
            if (is_known && sheet->items[i].local)
                sheet->items[k].local = true;
        }
        if (!is_known)
            sheet->items[kept++] = sheet->items[i];
    }
    sheet->count = kept;
}

static void pypi_poetry(struct rb_scan_sheet *sheet, const json_t *poetry, size_t first)
{
    pypi_poetry_runtime(sheet, rb_json_get(poetry, "dependencies"), first);
    pypi_table(sheet, rb_json_get(poetry, "dev-dependencies"), RB_KIND_DEV);
    const char *name;
    json_t *group;
    json_object_foreach(rb_json_get(poetry, "group"), name, group)
    {
        bool is_optional = json_is_true(rb_json_get(group, "optional"));
        pypi_table(sheet, rb_json_get(group, "dependencies"),
                   rb_python_group_kind(name, is_optional ? RB_KIND_OPTIONAL : RB_KIND_DEV));
    }
}

/* ---- what other tools add --------------------------------------------------------------------------------
 */

/* tool.uv.sources: {workspace = true}, {path = "../x"}, {git = "https://…"}, or a list of such. */
static void pypi_uv_sources(struct rb_scan_sheet *sheet, const json_t *sources, size_t first)
{
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)sources, name, source)
    {
        const json_t *one = json_is_array(source) ? json_array_get(source, 0) : source;
        bool is_here = json_is_true(rb_json_get(one, "workspace")) || *rb_json_text(one, "path");
        const char *git = rb_json_text(one, "git");
        const char *normal = rb_python_name(sheet, name);
        for (size_t i = first; i < sheet->count; i++) {
            struct rb_scan_dependency *item = &sheet->items[i];
            if (strcmp(item->name, normal) != 0)
                continue;
            item->local = item->local || is_here;
            if (*git && !*item->requirement) {
                const char *text = rb_arena_printf(sheet->arena, "@ git+%s", git);
                item->requirement = rb_scan_requirement(sheet, text, strlen(text));
            }
        }
    }
}

/* "pytest {args}", ["pytest", "-x"], {cmd = "pytest"}, {shell = "…"}. */
static void pypi_scripts(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const json_t *table)
{
    static const char *const keys[] = {"cmd", "shell", "call", "script"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)table, name, value)
    {
        const json_t *command = value;
        for (size_t i = 0; json_is_object(value) && i < sizeof keys / sizeof *keys; i++) {
            command = rb_json_get(value, keys[i]);
            if (command)
                break;
        }
        if (json_is_array(command) && json_array_size(command) == 1)
            command = json_array_get(command, 0);
        rb_scan_add_script(sheet, package, name, json_string_value(command));
    }
}

static void pypi_hatch(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const json_t *envs)
{
    const char *name;
    json_t *env;
    json_object_foreach((json_t *)envs, name, env)
    {
        const char *kind = rb_python_group_kind(name, RB_KIND_DEV);
        pypi_list(sheet, rb_json_get(env, "dependencies"), kind);
        pypi_list(sheet, rb_json_get(env, "extra-dependencies"), kind);
        pypi_scripts(sheet, package, rb_json_get(env, "scripts"));
    }
}

static void pypi_tools(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const json_t *document,
                       size_t first)
{
    pypi_poetry(sheet, rb_json_at(document, "tool/poetry"), first);
    pypi_groups(sheet, rb_json_at(document, "tool/pdm/dev-dependencies"), RB_KIND_DEV);
    pypi_list(sheet, rb_json_at(document, "tool/uv/dev-dependencies"), RB_KIND_DEV);
    pypi_list(sheet, rb_json_at(document, "tool/flit/metadata/requires"), RB_KIND_RUNTIME);
    pypi_groups(sheet, rb_json_at(document, "tool/flit/metadata/requires-extra"), RB_KIND_OPTIONAL);
    pypi_hatch(sheet, package, rb_json_at(document, "tool/hatch/envs"));
    pypi_entries(sheet, package, rb_json_at(document, "tool/poetry/scripts"));
    pypi_scripts(sheet, package, rb_json_at(document, "tool/pdm/scripts"));
    pypi_scripts(sheet, package, rb_json_at(document, "tool/poe/tasks"));
    pypi_scripts(sheet, package, rb_json_at(document, "tool/taskipy/tasks"));
}

/* ---- the project ------------------------------------------------------------------------------------------
 */

/* PEP 639 has text; before it {text = "MIT"} or {file = "LICENSE"}. */
static const char *pypi_licence(const json_t *project)
{
    const json_t *licence = rb_json_get(project, "license");
    return json_is_object(licence) ? rb_json_text(licence, "text") : json_string_value(licence);
}

static struct rb_scan_package *pypi_package(struct rb_scan_sheet *sheet, const json_t *document)
{
    const json_t *project = rb_json_get(document, "project"), *poetry = rb_json_at(document, "tool/poetry");
    if (!project)
        project = poetry ? poetry : rb_json_at(document, "tool/flit/metadata");
    if (!project)
        return NULL;
    const char *name = rb_json_text(project, "name"), *python = rb_json_text(project, "requires-python");
    if (!*python)
        python = rb_json_text(rb_json_get(poetry, "dependencies"), "python");
    struct rb_scan_package *package =
        rb_python_add_package(sheet, *name ? name : rb_json_text(project, "module"),
                              rb_json_text(project, "version"), pypi_licence(project));
    if (package && *python) {
        const char *engine = rb_arena_printf(sheet->arena, "python %s", python);
        package->engine = rb_scan_requirement(sheet, engine, strlen(engine));
    }
    pypi_entries(sheet, package, rb_json_get(project, "scripts"));
    pypi_entries(sheet, package, rb_json_get(project, "gui-scripts"));
    return package;
}

rb_err rb_pyproject_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    size_t first = sheet->count;
    struct rb_scan_package *package = pypi_package(sheet, document);
    pypi_list(sheet, rb_json_at(document, "project/dependencies"), RB_KIND_RUNTIME);
    pypi_groups(sheet, rb_json_at(document, "project/optional-dependencies"), RB_KIND_OPTIONAL);
    rb_scan_add_keys(sheet, "table", "tool", rb_json_get(document, "tool"));
    pypi_groups(sheet, rb_json_get(document, "dependency-groups"), RB_KIND_DEV);
    pypi_tools(sheet, package, document, first);
    pypi_list(sheet, rb_json_at(document, "build-system/requires"), RB_KIND_BUILD);
    pypi_uv_sources(sheet, rb_json_at(document, "tool/uv/sources"), first);
    sheet->members += json_array_size(rb_json_at(document, "tool/uv/workspace/members"));
    json_decref(document);
    return RB_OK;
}

rb_err rb_pipfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    static const char *const own[] = {"source", "requires", "scripts", "pipenv", "packages", "dev-packages"};
    json_t *document, *table;
    const char *name;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    pypi_table(sheet, rb_json_get(document, "packages"), RB_KIND_RUNTIME);
    pypi_table(sheet, rb_json_get(document, "dev-packages"), RB_KIND_DEV);
    json_object_foreach(document, name, table) /* groups of any name */
    {
        bool is_own = false;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            is_own = is_own || strcmp(name, own[i]) == 0;
        if (!is_own)
            pypi_table(sheet, table, rb_python_group_kind(name, RB_KIND_OPTIONAL));
    }
    json_decref(document);
    return RB_OK;
}
