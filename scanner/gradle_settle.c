/*
 * Gradle: what is explained when all was read: entries of version catalogues, names of other files, plugins'
 * versions, which plugins and projects are this repository's own.
 */
#include "scanner/gradle.h"

#include <string.h>

#include "scanner/tree.h"

/* ---- catalogues --------------------------------------------------------------------------------------- */

static void gradle_catalog_free(void *arg)
{
    json_decref(((struct rb_gradle_catalog *)arg)->aliases);
}

struct rb_gradle_catalog *rb_gradle_catalog_new(struct rb_scan_sheet *sheet, const char *name)
{
    struct rb_gradle *gradle = rb_gradle_of(sheet);
    struct rb_gradle_catalog *catalog = rb_arena_alloc(sheet->arena, sizeof *catalog);
    catalog->manifest = sheet->manifest;
    catalog->name = name;
    catalog->reach = rb_gradle_reach(sheet->manifest);
    catalog->aliases = json_object();
    catalog->next = gradle->catalogs;
    gradle->catalogs = catalog;
    rb_arena_defer(sheet->arena, gradle_catalog_free, catalog);
    return catalog;
}

/* How build scripts call an entry: its name with dots for all that parts it. */
void rb_gradle_catalog_put(struct rb_gradle_catalog *catalog, struct rb_scan_sheet *sheet, const char *group,
                           const char *alias, const struct rb_scan_dependency *item)
{
    char *name = rb_arena_printf(sheet->arena, "%s%s", group, alias);
    for (char *at = name; *at; at++)
        *at = *at == '-' || *at == '_' ? '.' : *at;
    json_t *list = json_object_get(catalog->aliases, name);
    if (!list) {
        list = json_array();
        json_object_set_new(catalog->aliases, name, list);
    }
    json_array_append_new(list, json_integer((json_int_t)(item - sheet->items)));
}

/* ---- when all was read -------------------------------------------------------------------------------- */

/* What the nearest catalogue of that name calls so. */
static const json_t *catalog_find(const struct rb_scan_sheet *sheet, const struct rb_scan_dependency *item)
{
    const json_t *best = NULL;
    size_t best_reach = 0, len = strcspn(item->alias, ".");
    for (const struct rb_gradle_catalog *at = sheet->gradle->catalogs; at && item->alias[len];
         at = at->next) {
        const char *given = rb_json_text(sheet->gradle->catalog_names, at->manifest);
        if (!rb_piece_is((struct rb_piece){item->alias, len}, *given ? given : at->name) ||
            strncmp(at->manifest, item->manifest, at->reach) != 0 || (best && at->reach <= best_reach))
            continue;
        const json_t *found = json_object_get(at->aliases, item->alias + len + 1);
        if (found) {
            best = found;
            best_reach = at->reach;
        }
    }
    return best;
}

/* One that is wanted by its alias becomes what the catalogue calls so; a bundle becomes several. */
static void settle_alias(struct rb_scan_sheet *sheet, size_t wanted, const json_t *list)
{
    json_t *index;
    size_t i;
    json_array_foreach(list, i, index)
    {
        struct rb_scan_dependency offer = sheet->items[json_integer_value(index)];
        if (i) {
            struct rb_scan_dependency *more = rb_scan_add_text(sheet, offer.name, "", RB_KIND_RUNTIME);
            if (!more)
                return;
            *more = sheet->items[wanted]; /* adding may have moved them */
        }
        struct rb_scan_dependency *item = i ? &sheet->items[sheet->count - 1] : &sheet->items[wanted];
        item->name = offer.name;
        item->requirement = offer.requirement;
        item->alias = NULL;
    }
}

static const struct rb_gradle_file *gradle_file_of(const struct rb_scan_sheet *sheet, const char *manifest)
{
    const struct rb_gradle_file *file = sheet->gradle->files;
    while (file && file->manifest != manifest)
        file = file->next;
    return file;
}

/* `implementation deps.okhttp`: a text of coordinates that some script gave that name. */
static void settle_named(struct rb_scan_sheet *sheet, struct rb_scan_dependency *item,
                         const struct rb_gradle_file *file)
{
    const char *path = rb_gradle_path(sheet->arena, rb_piece_of(item->alias));
    const char *value = rb_gradle_lookup(sheet, file, true, path);
    struct rb_piece name, version;
    value = rb_gradle_fill(sheet, file, true, value);
    if (!rb_gradle_coordinates(rb_piece_of(value), &name, &version))
        return;
    item->name = rb_text_clean(sheet->arena, name.at, name.len, RB_SCAN_NAME_MAX);
    item->requirement = rb_scan_requirement(sheet, version.at, version.len);
    item->alias = NULL;
}

static void settle_ref(struct rb_scan_sheet *sheet, const struct rb_gradle_ref *ref,
                       const struct rb_gradle_file *file)
{
    struct rb_scan_dependency *item = &sheet->items[ref->item];
    const char *text = rb_gradle_fill(sheet, file, true, ref->text);
    struct rb_piece name, version = rb_piece_of(text);
    if (!ref->is_plugin && rb_gradle_coordinates(version, &name, &version))
        item->name = rb_text_clean(sheet->arena, name.at, name.len, RB_SCAN_NAME_MAX);
    item->requirement = rb_scan_requirement(sheet, version.at, version.len);
}

/* A plugin's version stands once, in the root's script or in the settings; where two are named, in neither.
 */
static void settle_plugins(struct rb_scan_sheet *sheet)
{
    json_t *versions = json_object();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sheet->count; i++) {
            struct rb_scan_dependency *item = &sheet->items[i];
            if (strcmp(item->ecosystem, "maven") != 0 || strchr(item->name, ':') || item->alias)
                continue;
            const json_t *known = json_object_get(versions, item->name);
            if (round == 0 && *item->requirement)
                json_object_set_new(versions, item->name,
                                    known &&
                                            strcmp(rb_json_text(versions, item->name), item->requirement) != 0
                                        ? json_null()
                                        : json_string(item->requirement));
            else if (round == 1 && !*item->requirement && json_is_string(known))
                item->requirement =
                    rb_scan_requirement(sheet, json_string_value(known), json_string_length(known));
            if (round == 1 && json_object_get(sheet->gradle->own_plugins, item->name))
                item->local = true;
        }
    }
    json_decref(versions);
}

/* The name of a project is that of its folder, or what the settings next to it say. */
static void settle_projects(struct rb_scan_sheet *sheet)
{
    for (size_t i = 0; i < sheet->package_count; i++) {
        struct rb_scan_package *package = &sheet->packages[i];
        size_t len = (size_t)(rb_path_base(package->manifest) - package->manifest);
        if (strcmp(package->ecosystem, "maven") != 0 || *package->name ||
            rb_text_ends(package->manifest, ".xml"))
            continue;
        const char *folder = rb_arena_strndup(sheet->arena, package->manifest, len ? len - 1 : 0),
                   *given = rb_json_text(sheet->gradle->root_names, folder);
        package->name = *given ? rb_scan_requirement(sheet, given, strlen(given)) : rb_path_base(folder);
    }
}

void rb_gradle_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    const struct rb_gradle_file *file = NULL;
    if (!sheet->gradle)
        return;
    for (size_t i = 0; i < sheet->gradle->ref_count; i++) {
        const char *manifest = sheet->items[sheet->gradle->refs[i].item].manifest;
        if (!file || file->manifest != manifest)
            file = gradle_file_of(sheet, manifest);
        settle_ref(sheet, &sheet->gradle->refs[i], file);
    }
    for (size_t i = 0, count = sheet->count; i < count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (!item->alias || item->offered || strcmp(item->ecosystem, "maven") != 0)
            continue;
        const json_t *list = catalog_find(sheet, item);
        item->local = json_object_get(sheet->gradle->own_plugins, item->alias) != NULL;
        if (!file || file->manifest != item->manifest)
            file = gradle_file_of(sheet, item->manifest);
        if (list)
            settle_alias(sheet, i, list);
        else
            settle_named(sheet, item, file);
    }
    settle_plugins(sheet);
    settle_projects(sheet);
}
