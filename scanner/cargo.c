/* Cargo: Cargo.toml (doc.rust-lang.org/cargo, "The Manifest Format", "Specifying Dependencies"). */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/toml.h"
#include "scanner/tree.h"

/* What a dependency table asks for: a version, else where the code comes from. */
static const char *cargo_requirement(struct rb_arena *arena, const json_t *table)
{
    const char *version = rb_json_text(table, "version");
    if (*version)
        return version;
    if (*rb_json_text(table, "git"))
        return rb_arena_printf(arena, "git %s", rb_json_text(table, "git"));
    if (*rb_json_text(table, "path"))
        return rb_arena_printf(arena, "path %s", rb_json_text(table, "path"));
    return "";
}

static struct rb_scan_dependency *cargo_add(struct rb_scan_sheet *sheet, const json_t *shared,
                                            const char *name, const json_t *value, const char *kind)
{
    if (json_is_string(value))
        return rb_scan_add_text(sheet, name, json_string_value(value), kind);
    if (!json_is_object(value))
        return NULL;
    if (json_is_true(rb_json_get(value, "optional")))
        kind = RB_KIND_OPTIONAL;
    const json_t *source = value;
    if (json_is_true(rb_json_get(value, "workspace")))
        source = rb_json_get(shared, name);
    const char *requirement = source == value || source ? "" : "workspace";
    if (json_is_string(source))
        requirement = json_string_value(source);
    else if (json_is_object(source))
        requirement = cargo_requirement(sheet->arena, source);
    const char *package = rb_json_text(source, "package"); /* renamed: the real name */
    struct rb_scan_dependency *item = rb_scan_add_text(sheet, *package ? package : name, requirement, kind);
    if (item)
        item->local = *rb_json_text(source, "path") != 0;
    return item;
}

static void cargo_group(struct rb_scan_sheet *sheet, const json_t *shared, const json_t *group,
                        const char *kind)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)group, name, value) cargo_add(sheet, shared, name, value, kind);
}

static void cargo_groups(struct rb_scan_sheet *sheet, const json_t *shared, const json_t *table)
{
    static const struct {
        const char *name, *kind;
    } groups[] = {
        {"dependencies", RB_KIND_RUNTIME},     {"dev-dependencies", RB_KIND_DEV},
        {"dev_dependencies", RB_KIND_DEV},     {"build-dependencies", RB_KIND_BUILD},
        {"build_dependencies", RB_KIND_BUILD},
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        cargo_group(sheet, shared, rb_json_get(table, groups[i].name), groups[i].kind);
}

/* Dependencies that a workspace offers to its members; those that are members themselves are no dependencies.
 */
static void cargo_workspace(struct rb_scan_sheet *sheet, const json_t *shared)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)shared, name, value)
    {
        struct rb_scan_dependency *offer =
            *rb_json_text(value, "path") ? NULL : cargo_add(sheet, NULL, name, value, RB_KIND_RUNTIME);
        if (offer)
            offer->offered = true;
    }
}

rb_err rb_cargo_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    const json_t *shared = rb_json_at(document, "workspace/dependencies");
    const json_t *package = rb_json_get(document, "package");
    if (package)
        rb_scan_add_package(sheet, rb_json_text(package, "name"), rb_json_text(package, "version"),
                            rb_json_text(package, "license"));
    cargo_groups(sheet, shared, document);
    const char *name;
    json_t *target;
    json_object_foreach(rb_json_get(document, "target"), name, target) cargo_groups(sheet, shared, target);
    cargo_workspace(sheet, shared);
    sheet->members += json_array_size(rb_json_at(document, "workspace/members"));
    json_decref(document);
    return RB_OK;
}
