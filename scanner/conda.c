/*
 * Conda: environment.yml (docs.conda.io, "Managing environments"), recipes (meta.yaml of conda-build, which
 * is YAML only after its templates were filled in, and recipe.yaml), pixi.toml (pixi.sh, "Manifest").
 */
#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/toml.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

/* "conda-forge::numpy >=1.2,<2 py39_*": the name ends where the versions begin. */
static void conda_add(struct rb_scan_sheet *sheet, struct rb_piece spec, const char *kind)
{
    const char *channel = spec.len ? memmem(spec.at, spec.len, "::", 2) : NULL;
    if (channel)
        spec = rb_piece_after(spec, (size_t)(channel + 2 - spec.at));
    spec = rb_piece_trim(spec);
    size_t len = 0;
    while (len < spec.len && (isalnum((unsigned char)spec.at[len]) || rb_text_has("_-.", spec.at[len])) &&
           spec.at[len])
        len++;
    struct rb_piece requirement = rb_piece_trim(rb_piece_after(spec, len));
    if (len == 0 || rb_piece_starts(requirement, "/") ||
        rb_piece_starts(requirement, ":")) /* a path, a URL */
        return;
    if (rb_piece_is(requirement, "*"))
        requirement.len = 0;
    rb_scan_add(sheet, spec.at, len, requirement.at, requirement.len, kind);
}

/* The list that pip gets: requirements as Python writes them. */
static void conda_pip(struct rb_scan_sheet *sheet, const json_t *list, const char *kind)
{
    const char *ecosystem = sheet->ecosystem;
    json_t *item;
    size_t i;
    sheet->ecosystem = "pypi";
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text && text[0] != '-' && text[0] != '.') /* options, folders */
            rb_python_requirement(sheet, text, strlen(text), kind);
    }
    sheet->ecosystem = ecosystem;
}

rb_err rb_conda_environment_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *item;
    size_t i;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    static const char *const dev_words[] = {"dev", "test", "doc", "lint", "ci"};
    const char *base = rb_path_base(sheet->manifest), *kind = RB_KIND_RUNTIME;
    for (size_t k = 0; k < sizeof dev_words / sizeof *dev_words; k++) {
        const char *word = strstr(base, dev_words[k]);
        if (word && word > base && rb_text_has("-_.", word[-1]))
            kind = RB_KIND_DEV;
    }
    json_array_foreach(rb_json_get(document, "dependencies"), i, item)
    {
        if (json_is_string(item))
            conda_add(sheet, rb_piece_of(json_string_value(item)), kind);
        conda_pip(sheet, rb_json_get(item, "pip"), kind);
    }
    json_decref(document);
    return RB_OK;
}

/* ---- recipes ------------------------------------------------------------------------------------------ */

#define RECIPE_DEPTH_MAX 16

struct recipe {
    struct {
        size_t indent;
        struct rb_piece key;
    } levels[RECIPE_DEPTH_MAX];
    size_t depth;
    struct rb_scan_sheet *sheet;
    struct rb_scan_package *package;
};

static bool recipe_is_in(const struct recipe *recipe, const char *section)
{
    for (size_t i = 0; i < recipe->depth; i++) {
        if (rb_piece_is(recipe->levels[i].key, section))
            return true;
    }
    return false;
}

static const char *recipe_kind(const struct recipe *recipe)
{
    if (recipe_is_in(recipe, "test") || recipe_is_in(recipe, "tests"))
        return recipe_is_in(recipe, "requires") || recipe_is_in(recipe, "requirements") ? RB_KIND_TEST : NULL;
    if (!recipe_is_in(recipe, "requirements"))
        return NULL;
    if (recipe_is_in(recipe, "build") || recipe_is_in(recipe, "host"))
        return RB_KIND_BUILD;
    if (recipe_is_in(recipe, "run_constrained") || recipe_is_in(recipe, "run_constraints"))
        return RB_KIND_OPTIONAL;
    return recipe_is_in(recipe, "run") ? RB_KIND_RUNTIME : NULL;
}

static struct rb_piece recipe_unquoted(struct rb_piece text)
{
    struct rb_piece inner = text, content;
    text = rb_piece_trim(text);
    inner = text;
    return rb_piece_quoted(&content, &inner) ? content : text;
}

static void recipe_item(struct recipe *recipe, struct rb_piece item)
{
    const char *kind = recipe_kind(recipe);
    item = recipe_unquoted(item);
    if (rb_piece_starts(item, "if:") || rb_piece_starts(item, "then:") || rb_piece_starts(item, "else:"))
        return;
    /* A name that a template makes, "{{ compiler('c') }}" or "${{ … }}", is left out: nobody can tell it. */
    if (kind && item.len && item.at[0] != '{' && item.at[0] != '$')
        conda_add(recipe->sheet, item, kind);
}

static void recipe_key(struct recipe *recipe, size_t indent, struct rb_piece line, const char *colon)
{
    struct rb_piece key = {line.at, (size_t)(colon - line.at)},
                    value = recipe_unquoted(rb_piece_after(line, key.len + 1));
    if (recipe->depth < RECIPE_DEPTH_MAX) {
        recipe->levels[recipe->depth].indent = indent;
        recipe->levels[recipe->depth++].key = key;
    }
    if (recipe->depth != 2 || !rb_piece_is(recipe->levels[0].key, "package") || !recipe->package ||
        memchr(value.at, '{', value.len))
        return;
    if (rb_piece_is(key, "name"))
        recipe->package->name = rb_scan_requirement(recipe->sheet, value.at, value.len);
    else if (rb_piece_is(key, "version"))
        recipe->package->version = rb_scan_requirement(recipe->sheet, value.at, value.len);
}

static void recipe_line(struct recipe *recipe, struct rb_piece line)
{
    size_t indent = 0;
    const char *comment = line.len ? memmem(line.at, line.len, " #", 2) : NULL;
    if (comment)
        line.len = (size_t)(comment - line.at);
    while (indent < line.len && line.at[indent] == ' ')
        indent++;
    line = rb_piece_trim(line);
    if (line.len == 0 || line.at[0] == '#' || rb_piece_starts(line, "{%"))
        return;
    bool is_item = rb_piece_starts(line, "- ");
    /* A list may stand as far left as the key that has it. */
    while (recipe->depth && recipe->levels[recipe->depth - 1].indent + (is_item ? 1 : 0) > indent &&
           !(is_item && recipe->levels[recipe->depth - 1].indent == indent))
        recipe->depth--;
    if (!is_item && recipe->depth && recipe->levels[recipe->depth - 1].indent == indent)
        recipe->depth--;
    struct rb_piece rest = is_item ? rb_piece_trim(rb_piece_after(line, 2)) : line;
    const char *colon = memchr(rest.at, ':', rest.len);
    bool is_key = colon && (colon + 1 == rest.at + rest.len || colon[1] == ' ');
    if (is_key)
        recipe_key(recipe, is_item ? indent + 2 : indent, rest, colon);
    else if (is_item)
        recipe_item(recipe, rest);
}

rb_err rb_conda_recipe_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line;
    /* Many programs have a meta.yaml of their own. */
    if (!memmem(text, len, "requirements:", 13))
        return RB_OK;
    struct recipe recipe = {.sheet = sheet, .package = rb_scan_add_package(sheet, "", "", "")};
    while (rb_piece_line(&line, &rest))
        recipe_line(&recipe, line);
    return RB_OK;
}

/* ---- pixi --------------------------------------------------------------------------------------------- */

static void pixi_table(struct rb_scan_sheet *sheet, const json_t *table, const char *ecosystem,
                       const char *kind)
{
    const char *name, *before = sheet->ecosystem;
    json_t *value;
    sheet->ecosystem = ecosystem;
    json_object_foreach((json_t *)table, name, value)
    {
        const char *text = json_is_string(value) ? json_string_value(value) : rb_json_text(value, "version");
        const char *path = rb_json_text(value, "path"), *git = rb_json_text(value, "git");
        if (*path)
            text = rb_arena_printf(sheet->arena, "path %s", path);
        else if (*git)
            text = rb_arena_printf(sheet->arena, "git %s", git);
        const char *called = strcmp(ecosystem, "pypi") == 0 ? rb_python_name(sheet, name) : name;
        struct rb_scan_dependency *item =
            rb_scan_add_text(sheet, called, strcmp(text, "*") == 0 ? "" : text, kind);
        if (item)
            item->local = *path != 0;
    }
    sheet->ecosystem = before;
}

/* The tables of the whole workspace, of a feature, of a platform. */
static void pixi_tables(struct rb_scan_sheet *sheet, const json_t *tables, const char *kind)
{
    pixi_table(sheet, rb_json_get(tables, "dependencies"), "conda", kind);
    pixi_table(sheet, rb_json_get(tables, "pypi-dependencies"), "pypi", kind);
    pixi_table(sheet, rb_json_get(tables, "host-dependencies"), "conda", RB_KIND_BUILD);
    pixi_table(sheet, rb_json_get(tables, "build-dependencies"), "conda", RB_KIND_BUILD);
}

rb_err rb_pixi_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *tables, *task;
    const char *name;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    const json_t *about = rb_json_get(document, "workspace");
    if (!about)
        about = rb_json_get(document, "project");
    struct rb_scan_package *package = rb_scan_add_package(
        sheet, rb_json_text(about, "name"), rb_json_text(about, "version"), rb_json_text(about, "license"));
    json_object_foreach(rb_json_get(document, "tasks"), name, task) rb_scan_add_script(
        sheet, package, name, json_is_string(task) ? json_string_value(task) : rb_json_text(task, "cmd"));
    pixi_tables(sheet, document, RB_KIND_RUNTIME);
    json_object_foreach(rb_json_get(document, "target"), name, tables)
        pixi_tables(sheet, tables, RB_KIND_RUNTIME);
    json_object_foreach(rb_json_get(document, "feature"), name, tables)
        pixi_tables(sheet, tables, rb_python_is_dev_group(name) ? RB_KIND_DEV : RB_KIND_OPTIONAL);
    json_decref(document);
    return RB_OK;
}
