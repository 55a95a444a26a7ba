/* Composer: composer.json and composer.lock (getcomposer.org, "The composer.json schema"). */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

/* What the platform brings: PHP itself, its extensions, Composer's own interfaces. Packages have a '/'. */
static bool composer_is_platform(const char *name)
{
    return !strchr(name, '/');
}

static void composer_group(struct rb_scan_sheet *sheet, const json_t *document, const char *group,
                           const char *kind)
{
    const char *name;
    json_t *requirement;
    json_object_foreach(rb_json_get(document, group), name, requirement)
    {
        struct rb_scan_dependency *item =
            composer_is_platform(name) ? NULL
                                       : rb_scan_add_text(sheet, name, json_string_value(requirement), kind);
        /* A package that this one contains: the parts of a monorepo, each published on its own. */
        const char *contained = rb_json_text(rb_json_get(document, "replace"), name);
        if (item)
            item->local = strcmp(contained, "self.version") == 0;
    }
}

/* A text, or a list of texts joined. */
static const char *composer_joined(struct rb_arena *arena, const json_t *value, const char *between)
{
    const char *text = json_string_value(value), *joined = text ? text : "";
    json_t *item;
    size_t i;
    json_array_foreach(value, i, item)
    {
        text = json_string_value(item);
        if (text && strlen(joined) < RB_SCAN_NAME_MAX) /* more would be cut anyway */
            joined = *joined ? rb_arena_printf(arena, "%s%s%s", joined, between, text) : text;
    }
    return joined;
}

static void composer_package(struct rb_scan_sheet *sheet, const json_t *document)
{
    struct rb_scan_package *package =
        rb_scan_add_package(sheet, rb_json_text(document, "name"), rb_json_text(document, "version"),
                            composer_joined(sheet->arena, rb_json_get(document, "license"), " OR "));
    const char *name;
    json_t *value;
    size_t i;
    json_object_foreach(rb_json_get(document, "scripts"), name, value)
        rb_scan_add_script(sheet, package, name, composer_joined(sheet->arena, value, " && "));
    const json_t *bin = rb_json_get(document, "bin");
    const char *only = json_string_value(bin);
    if (only)
        rb_scan_add_entry(sheet, package, rb_path_base(only), only);
    json_array_foreach(bin, i, value)
    {
        const char *path = json_string_value(value);
        if (path)
            rb_scan_add_entry(sheet, package, rb_path_base(path), path);
    }
}

/* "repositories": [{"type": "path", "url": "packages/…"}]: parts of this repository. */
static void composer_members(struct rb_scan_sheet *sheet, const json_t *repositories)
{
    json_t *item;
    size_t i;
    const char *name;
    json_array_foreach(repositories, i, item) sheet->members +=
        strcmp(rb_json_text(item, "type"), "path") == 0;
    json_object_foreach((json_t *)repositories, name, item) sheet->members +=
        strcmp(rb_json_text(item, "type"), "path") == 0;
}

rb_err rb_composer_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    if (!json_is_object(document)) {
        json_decref(document);
        return rb_error_set(RB_EINVAL, "composer.json: not an object");
    }
    composer_package(sheet, document);
    composer_members(sheet, rb_json_get(document, "repositories"));
    composer_group(sheet, document, "require", RB_KIND_RUNTIME);
    composer_group(sheet, document, "require-dev", RB_KIND_DEV);
    json_decref(document);
    return RB_OK;
}

static void composer_locked(struct rb_scan_sheet *sheet, const json_t *packages, const char *kind)
{
    json_t *package;
    size_t i;
    json_array_foreach(packages, i, package)
    {
        const char *name = rb_json_text(package, "name"), *version = rb_json_text(package, "version");
        struct rb_scan_locked *locked = rb_scan_lock(sheet, name, strlen(name), version, strlen(version));
        if (!locked)
            continue;
        locked->kind = kind;
        locked->local = strcmp(rb_json_text(rb_json_get(package, "dist"), "type"), "path") == 0;
    }
}

rb_err rb_composer_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    composer_locked(sheet, rb_json_get(document, "packages"), RB_KIND_RUNTIME);
    composer_locked(sheet, rb_json_get(document, "packages-dev"), RB_KIND_DEV);
    json_decref(document);
    return RB_OK;
}
