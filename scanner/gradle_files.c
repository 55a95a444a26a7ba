/*
 * Gradle: the files that are no programs: version catalogues, gradle.properties, lock files (docs.gradle.org,
 * "Version catalogs", "Locking dependency versions").
 */
#include <string.h>

#include "scanner/gradle.h"
#include "scanner/toml.h"
#include "scanner/tree.h"

/* ---- version catalogue -------------------------------------------------------------------------------- */

/* "1.2", {ref = "name"}, {strictly = "1.2"} and its like. */
static const char *catalog_version(const json_t *version, const json_t *versions)
{
    static const char *const rich[] = {"require", "strictly", "prefer"};
    const char *ref = rb_json_text(version, "ref");
    if (*ref)
        version = rb_json_get(versions, ref);
    if (json_is_string(version))
        return json_string_value(version);
    for (size_t i = 0; i < sizeof rich / sizeof *rich; i++) {
        if (*rb_json_text(version, rich[i]))
            return rb_json_text(version, rich[i]);
    }
    return "";
}

struct catalog {
    struct rb_scan_sheet *sheet;
    struct rb_gradle_catalog *catalog;
    const json_t *document, *versions;
};

static struct rb_scan_dependency *catalog_entry(const struct catalog *in, const json_t *entry,
                                                const char *kind)
{
    struct rb_scan_sheet *sheet = in->sheet;
    if (json_is_string(entry)) { /* "group:artifact:version", or "plugin.id:version" */
        struct rb_piece text = rb_piece_of(json_string_value(entry));
        const char *last = memrchr(text.at, ':', text.len);
        size_t len = last ? (size_t)(last - text.at) : text.len;
        return rb_scan_add(sheet, text.at, len, last ? last + 1 : "", last ? text.len - len - 1 : 0, kind);
    }
    const char *name = rb_json_text(entry, "module");
    if (!*name)
        name = rb_json_text(entry, "id");
    if (!*name && *rb_json_text(entry, "group") && *rb_json_text(entry, "name"))
        name =
            rb_arena_printf(sheet->arena, "%s:%s", rb_json_text(entry, "group"), rb_json_text(entry, "name"));
    const char *version = catalog_version(rb_json_get(entry, "version"), in->versions);
    /* What people write where the plugin is made in the same build. */
    return rb_scan_add_text(sheet, name, strcmp(version, "unspecified") == 0 ? "" : version, kind);
}

static void catalog_offer(const struct catalog *in, const json_t *entry, const char *kind, const char *group,
                          const char *alias)
{
    struct rb_scan_dependency *offer = catalog_entry(in, entry, kind);
    if (!offer)
        return;
    offer->offered = true;
    offer->alias = rb_arena_printf(in->sheet->arena, "%s%s", group, alias);
    rb_gradle_catalog_put(in->catalog, in->sheet, group, alias, offer);
}

/* bundles: name = ["library", …]; each library is found once more under the name of the bundle. */
static void catalog_bundles(const struct catalog *in)
{
    const char *name;
    json_t *list, *member;
    size_t i;
    json_object_foreach(rb_json_get(in->document, "bundles"), name, list)
    {
        json_array_foreach(list, i, member)
        {
            char *alias =
                rb_arena_strdup(in->sheet->arena, json_is_string(member) ? json_string_value(member) : "");
            for (char *at = alias; *at; at++)
                *at = *at == '-' || *at == '_' ? '.' : *at;
            const json_t *found = json_array_get(json_object_get(in->catalog->aliases, alias), 0);
            if (found)
                rb_gradle_catalog_put(in->catalog, in->sheet, "bundles.", name,
                                      &in->sheet->items[json_integer_value(found)]);
        }
    }
}

/* Versions that build scripts use by themselves: libs.versions.x.get(). */
static void catalog_names(const struct catalog *in)
{
    struct rb_gradle_file *file = rb_gradle_file_new(in->sheet);
    const char *prefix = rb_arena_printf(in->sheet->arena, "%s.versions.", in->catalog->name), *name;
    json_t *version;
    json_object_foreach((json_t *)in->versions, name, version) rb_gradle_name(
        file, in->sheet, prefix, rb_piece_of(name), rb_piece_of(catalog_version(version, NULL)));
}

rb_err rb_gradle_catalog_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *entry;
    const char *alias, *base = rb_path_base(sheet->manifest);
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    struct catalog in = {.sheet = sheet, .document = document, .versions = rb_json_get(document, "versions")};
    in.catalog = rb_gradle_catalog_new(sheet, rb_arena_strndup(sheet->arena, base, strcspn(base, ".")));
    json_object_foreach(rb_json_get(document, "libraries"), alias, entry)
        catalog_offer(&in, entry, RB_KIND_RUNTIME, "", alias);
    json_object_foreach(rb_json_get(document, "plugins"), alias, entry)
        catalog_offer(&in, entry, RB_KIND_BUILD, "plugins.", alias);
    catalog_bundles(&in);
    catalog_names(&in);
    json_decref(document);
    return RB_OK;
}

/* ---- gradle.properties -------------------------------------------------------------------------------- */

rb_err rb_gradle_properties_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_gradle_file *file = rb_gradle_file_new(sheet);
    struct rb_piece rest = {text, len}, line;
    while (rb_piece_line(&line, &rest)) {
        line = rb_piece_trim(line);
        size_t mark = 0;
        while (mark < line.len && line.at[mark] != '=' && line.at[mark] != ':')
            mark++;
        if (mark < line.len && line.at[0] != '#' && line.at[0] != '!')
            rb_gradle_name(file, sheet, "", rb_piece_trim((struct rb_piece){line.at, mark}),
                           rb_piece_trim(rb_piece_after(line, mark + 1)));
    }
    return RB_OK;
}

/* ---- gradle.lockfile ---------------------------------------------------------------------------------- */

static bool configuration_is(struct rb_piece name, const char *word)
{
    return memmem(name.at, name.len, word, strlen(word)) != NULL;
}

/* Only for tests when each configuration is one of tests; for building when none is a class path of the
 * program. */
static const char *lockfile_kind(const struct rb_scan_sheet *sheet, struct rb_piece configurations)
{
    bool is_test = true, is_build = true;
    if (strncmp(rb_path_base(sheet->manifest), "buildscript-", 12) == 0)
        return RB_KIND_BUILD;
    while (configurations.len) {
        const char *comma = memchr(configurations.at, ',', configurations.len);
        struct rb_piece name = {configurations.at,
                                comma ? (size_t)(comma - configurations.at) : configurations.len};
        configurations = rb_piece_after(configurations, name.len + 1);
        bool test = configuration_is(name, "test") || configuration_is(name, "Test");
        bool program = configuration_is(name, "untimeClasspath") || rb_piece_is(name, "default");
        is_test = is_test && test;
        is_build = is_build && !program;
    }
    return is_test ? RB_KIND_TEST : is_build ? RB_KIND_BUILD : RB_KIND_RUNTIME;
}

/* "group:artifact:version=configuration,configuration" */
rb_err rb_gradle_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line, name, version;
    while (rb_piece_line(&line, &rest)) {
        line = rb_piece_trim(line);
        const char *mark = memchr(line.at, '=', line.len);
        struct rb_piece what = {line.at, mark ? (size_t)(mark - line.at) : 0};
        if (line.len == 0 || line.at[0] == '#' || !rb_gradle_coordinates(what, &name, &version))
            continue;
        struct rb_scan_locked *locked = rb_scan_lock(sheet, name.at, name.len, version.at, version.len);
        if (locked)
            locked->kind = lockfile_kind(sheet, rb_piece_after(line, what.len + 1));
    }
    return RB_OK;
}
