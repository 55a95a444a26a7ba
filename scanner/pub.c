/* Pub: pubspec.yaml and pubspec.lock (dart.dev, "The pubspec file"), melos.yaml (melos.invertase.dev). */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

/* "^1.0", {hosted: …, version: ^1}, {sdk: flutter}, {path: ../x}, {git: …} */
static void pub_add(struct rb_scan_sheet *sheet, const char *name, const json_t *value, const char *kind)
{
    const char *text = json_string_value(value), *path = rb_json_text(value, "path"),
               *sdk = rb_json_text(value, "sdk");
    const json_t *git = rb_json_get(value, "git");
    const char *requirement = text ? text : rb_json_text(value, "version");
    if (*path) {
        requirement = rb_arena_printf(sheet->arena, "path %s", path);
    } else if (*sdk) {
        requirement = rb_arena_printf(sheet->arena, "sdk %s", sdk);
    } else if (git) {
        const char *url = json_is_string(git) ? json_string_value(git) : rb_json_text(git, "url");
        const char *ref = rb_json_text(git, "ref");
        requirement = rb_arena_printf(sheet->arena, "git %s%s%s", url, *ref ? " " : "", ref);
    }
    struct rb_scan_dependency *item = rb_scan_add_text(sheet, name, requirement, kind);
    if (item)
        item->local = *path != 0;
}

static void pub_group(struct rb_scan_sheet *sheet, const json_t *document, const char *group,
                      const char *kind)
{
    const char *name;
    json_t *value;
    json_object_foreach(rb_json_get(document, group), name, value) pub_add(sheet, name, value, kind);
}

rb_err rb_pubspec_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *value;
    const char *name;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    struct rb_scan_package *package =
        rb_scan_add_package(sheet, rb_json_text(document, "name"), rb_json_text(document, "version"), "");
    json_object_foreach(rb_json_get(document, "executables"), name, value)
    {
        const char *script = json_string_value(value);
        rb_scan_add_entry(sheet, package, name,
                          rb_arena_printf(sheet->arena, "bin/%s.dart", script && *script ? script : name));
    }
    pub_group(sheet, document, "dependencies", RB_KIND_RUNTIME);
    pub_group(sheet, document, "dev_dependencies", RB_KIND_DEV);
    sheet->members += json_array_size(rb_json_get(document, "workspace"));
    json_decref(document);
    return RB_OK;
}

rb_err rb_pubspec_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *package;
    const char *name;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    json_object_foreach(rb_json_get(document, "packages"), name, package)
    {
        const char *version = rb_json_text(package, "version"), *asked = rb_json_text(package, "dependency");
        struct rb_scan_locked *locked = rb_scan_lock(sheet, name, strlen(name), version, strlen(version));
        if (!locked)
            continue;
        locked->direct = rb_text_starts(asked, "direct");
        locked->local = strcmp(rb_json_text(package, "source"), "path") == 0;
        if (strcmp(asked, "direct dev") == 0)
            locked->kind = RB_KIND_DEV;
    }
    json_decref(document);
    return RB_OK;
}

rb_err rb_melos_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *script;
    const char *name;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    struct rb_scan_package *package = rb_scan_add_package(sheet, rb_json_text(document, "name"), "", "");
    json_object_foreach(rb_json_get(document, "scripts"), name, script)
        rb_scan_add_script(sheet, package, name,
                           json_is_string(script) ? json_string_value(script) : rb_json_text(script, "run"));
    sheet->members += json_array_size(rb_json_get(document, "packages"));
    json_decref(document);
    return RB_OK;
}
