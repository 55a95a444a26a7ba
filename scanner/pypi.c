/*
 * Python projects: pyproject.toml (PEP 621, PEP 735, PEP 518, Poetry), Pipfile, setup.cfg. What a setup.py
 * says is known only by running it, which a scanner must not do.
 */
#include <ctype.h>
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
        if (json_is_string(item)) /* PEP 735 also has {include-group = "…"} */
            rb_python_requirement(sheet, json_string_value(item), json_string_length(item), kind);
    }
}

static void pypi_groups(struct rb_scan_sheet *sheet, const json_t *groups, const char *fallback)
{
    const char *name;
    json_t *list;
    json_object_foreach((json_t *)groups, name, list)
        pypi_list(sheet, list, rb_python_is_dev_group(name) ? RB_KIND_DEV : fallback);
}

/* Poetry and Pipfile: name = "^1", name = {version = "^1", optional = true}, name = [{…}, {…}]. */
static void pypi_named(struct rb_scan_sheet *sheet, const char *name, const json_t *value, const char *kind)
{
    if (json_is_array(value))
        value = json_array_get(value, 0);
    const char *version = json_string_value(value);
    if (json_is_object(value)) {
        version = rb_json_text(value, "version");
        if (!*version && *rb_json_text(value, "git"))
            version = rb_arena_printf(sheet->arena, "@ git+%s", rb_json_text(value, "git"));
        if (json_is_true(rb_json_get(value, "optional")))
            kind = RB_KIND_OPTIONAL;
    }
    if (version && strcmp(version, "*") == 0)
        version = "";
    struct rb_scan_dependency *added = rb_python_requirement(sheet, name, strlen(name), kind);
    if (added)
        added->local = *rb_json_text(value, "path") != 0;
    if (added && version)
        added->requirement = rb_scan_requirement(sheet, version, strlen(version));
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

static void pypi_poetry(struct rb_scan_sheet *sheet, const json_t *poetry)
{
    pypi_table(sheet, rb_json_get(poetry, "dependencies"), RB_KIND_RUNTIME);
    pypi_table(sheet, rb_json_get(poetry, "dev-dependencies"), RB_KIND_DEV);
    const char *name;
    json_t *group;
    json_object_foreach(rb_json_get(poetry, "group"), name, group)
    {
        const char *kind = json_is_true(rb_json_get(group, "optional")) && !rb_python_is_dev_group(name)
                               ? RB_KIND_OPTIONAL
                               : RB_KIND_DEV;
        pypi_table(sheet, rb_json_get(group, "dependencies"), kind);
    }
}

rb_err rb_pyproject_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    const json_t *project = rb_json_get(document, "project");
    if (!project)
        project = rb_json_at(document, "tool/poetry");
    if (project)
        rb_python_add_package(sheet, rb_json_text(project, "name"), rb_json_text(project, "version"),
                              rb_json_text(project, "license"));
    pypi_list(sheet, rb_json_at(document, "project/dependencies"), RB_KIND_RUNTIME);
    pypi_groups(sheet, rb_json_at(document, "project/optional-dependencies"), RB_KIND_OPTIONAL);
    rb_scan_add_keys(sheet, "table", "tool", rb_json_get(document, "tool"));
    pypi_groups(sheet, rb_json_get(document, "dependency-groups"), RB_KIND_DEV);
    pypi_poetry(sheet, rb_json_at(document, "tool/poetry"));
    pypi_groups(sheet, rb_json_at(document, "tool/pdm/dev-dependencies"), RB_KIND_DEV);
    pypi_list(sheet, rb_json_at(document, "tool/uv/dev-dependencies"), RB_KIND_DEV);
    pypi_list(sheet, rb_json_at(document, "tool/flit/metadata/requires"), RB_KIND_RUNTIME);
    pypi_list(sheet, rb_json_at(document, "build-system/requires"), RB_KIND_BUILD);
    sheet->members += json_array_size(rb_json_at(document, "tool/uv/workspace/members"));
    json_decref(document);
    return RB_OK;
}

rb_err rb_pipfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    pypi_table(sheet, rb_json_get(document, "packages"), RB_KIND_RUNTIME);
    pypi_table(sheet, rb_json_get(document, "dev-packages"), RB_KIND_DEV);
    json_decref(document);
    return RB_OK;
}

/* ---- setup.cfg ---------------------------------------------------------------------------------------- */

/* What the present key means: a kind, or NULL when its value is no list of requirements. */
static const char *setup_cfg_kind(struct rb_piece section, struct rb_piece key, struct rb_arena *arena)
{
    if (rb_piece_is(section, "options.extras_require"))
        return rb_python_is_dev_group(rb_piece_copy(arena, key)) ? RB_KIND_DEV : RB_KIND_OPTIONAL;
    if (!rb_piece_is(section, "options"))
        return NULL;
    return rb_piece_is(key, "install_requires") ? RB_KIND_RUNTIME
           : rb_piece_is(key, "setup_requires") ? RB_KIND_BUILD
           : rb_piece_is(key, "tests_require")  ? RB_KIND_DEV
                                                : NULL;
}

static void setup_cfg_value(struct rb_scan_sheet *sheet, struct rb_piece value, const char *kind)
{
    value = rb_piece_trim(value);
    if (kind && value.len && value.at[0] != '#')
        rb_python_requirement(sheet, value.at, value.len, kind);
}

rb_err rb_setup_cfg_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line, section = {"", 0};
    const char *kind = NULL;
    while (rb_piece_line(&line, &rest)) {
        struct rb_piece trimmed = rb_piece_trim(line);
        if (trimmed.len == 0 || trimmed.at[0] == '#' || trimmed.at[0] == ';')
            continue;
        if (isspace((unsigned char)line.at[0])) { /* the value goes on */
            setup_cfg_value(sheet, trimmed, kind);
            continue;
        }
        kind = NULL;
        if (trimmed.at[0] == '[') {
            section = (struct rb_piece){trimmed.at + 1, trimmed.len - 1};
            const char *end = memchr(section.at, ']', section.len);
            section.len = end ? (size_t)(end - section.at) : 0;
            continue;
        }
        size_t mark = 0;
        while (mark < trimmed.len && trimmed.at[mark] != '=' && trimmed.at[mark] != ':')
            mark++;
        kind = setup_cfg_kind(section, rb_piece_trim((struct rb_piece){trimmed.at, mark}), sheet->arena);
        setup_cfg_value(sheet, rb_piece_after(trimmed, mark + 1), kind);
    }
    return RB_OK;
}
