/*
 * Cargo: Cargo.toml and Cargo.lock (doc.rust-lang.org/cargo, "The Manifest Format", "Specifying
 * Dependencies", "Workspaces"). What a member inherits from its workspace is filled in when both were read.
 */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/toml.h"
#include "scanner/tree.h"

/* What is kept of each Cargo.toml that is a workspace or takes something from one. */
struct rb_cargo_file {
    const char *manifest;
    json_t *dependencies, *package; /* of a workspace; NULL in a member, and where there is none */
    bool is_workspace, takes_version, takes_licence;
    struct rb_cargo_file *next;
};

static void cargo_file_free(void *arg)
{
    struct rb_cargo_file *file = arg;
    json_decref(file->dependencies);
    json_decref(file->package);
}

/* What a dependency table asks for: a version, else where the code comes from. */
static const char *cargo_requirement(struct rb_arena *arena, const json_t *table)
{
    const char *version = rb_json_text(table, "version");
    if (json_is_string(table))
        return json_string_value(table);
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
    bool is_inherited = json_is_true(rb_json_get(value, "workspace"));
    const json_t *source = is_inherited ? rb_json_get(shared, name) : value;
    const char *requirement = source ? cargo_requirement(sheet->arena, source) : "workspace";
    const char *package = rb_json_text(source, "package"); /* renamed: the real name */
    struct rb_scan_dependency *item = rb_scan_add_text(sheet, *package ? package : name, requirement, kind);
    if (item) {
        item->local = *rb_json_text(source, "path") != 0;
        item->alias = source ? NULL : item->name; /* what the workspace calls it */
    }
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
        if (!offer)
            continue;
        offer->offered = true;
        offer->alias = NULL;
    }
}

/* The programs that the manifest names; those that are found by their path come with the file list. */
static void cargo_bins(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const json_t *document)
{
    json_t *bin;
    size_t i;
    json_array_foreach(rb_json_get(document, "bin"), i, bin)
    {
        const char *name = rb_json_text(bin, "name"), *path = rb_json_text(bin, "path");
        if (*name)
            rb_scan_add_entry(sheet, package, name,
                              *path ? path : rb_arena_printf(sheet->arena, "src/bin/%s.rs", name));
    }
}

static void cargo_keep(struct rb_scan_sheet *sheet, const json_t *workspace, const json_t *package)
{
    struct rb_cargo_file *file = rb_arena_alloc(sheet->arena, sizeof *file);
    file->manifest = sheet->manifest;
    file->is_workspace = workspace != NULL;
    file->dependencies = json_incref(rb_json_get(workspace, "dependencies"));
    file->package = json_incref(rb_json_get(workspace, "package"));
    file->takes_version = json_is_true(rb_json_at(package, "version/workspace"));
    file->takes_licence = json_is_true(rb_json_at(package, "license/workspace"));
    file->next = sheet->cargo_files;
    sheet->cargo_files = file;
    rb_arena_defer(sheet->arena, cargo_file_free, file);
}

rb_err rb_cargo_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    const json_t *workspace = rb_json_get(document, "workspace");
    const json_t *shared = rb_json_get(workspace, "dependencies");
    const json_t *package = rb_json_get(document, "package");
    if (package)
        cargo_bins(sheet,
                   rb_scan_add_package(sheet, rb_json_text(package, "name"), rb_json_text(package, "version"),
                                       rb_json_text(package, "license")),
                   document);
    cargo_keep(sheet, workspace, package);
    cargo_groups(sheet, shared, document);
    const char *name;
    json_t *target;
    json_object_foreach(rb_json_get(document, "target"), name, target) cargo_groups(sheet, shared, target);
    cargo_workspace(sheet, shared);
    sheet->members += json_array_size(rb_json_get(workspace, "members"));
    json_decref(document);
    return RB_OK;
}

/* ---- when all was read -------------------------------------------------------------------------------- */

/* The nearest workspace in the folders above; there are a handful in a repository. */
static const struct rb_cargo_file *cargo_workspace_of(const struct rb_scan_sheet *sheet, const char *manifest)
{
    const struct rb_cargo_file *best = NULL;
    size_t best_len = 0;
    for (const struct rb_cargo_file *file = sheet->cargo_files; file; file = file->next) {
        size_t len = (size_t)(rb_path_base(file->manifest) - file->manifest);
        if (!file->is_workspace || strncmp(file->manifest, manifest, len) != 0 || (best && len <= best_len))
            continue;
        best = file;
        best_len = len;
    }
    return best;
}

static void cargo_inherit(struct rb_scan_sheet *sheet, struct rb_scan_dependency *item,
                          const struct rb_cargo_file *workspace)
{
    const json_t *source = rb_json_get(workspace ? workspace->dependencies : NULL, item->alias);
    item->alias = NULL;
    if (!source)
        return;
    const char *requirement = cargo_requirement(sheet->arena, source),
               *package = rb_json_text(source, "package");
    item->requirement = rb_scan_requirement(sheet, requirement, strlen(requirement));
    item->local = *rb_json_text(source, "path") != 0;
    if (*package)
        item->name = rb_text_clean(sheet->arena, package, strlen(package), RB_SCAN_NAME_MAX);
}

static void cargo_inherit_package(struct rb_scan_sheet *sheet, struct rb_scan_package *package,
                                  const struct rb_cargo_file *file)
{
    const struct rb_cargo_file *workspace = cargo_workspace_of(sheet, file->manifest);
    if (!workspace)
        return;
    const char *version = rb_json_text(workspace->package, "version"),
               *licence = rb_json_text(workspace->package, "license");
    if (file->takes_version)
        package->version = rb_scan_requirement(sheet, version, strlen(version));
    if (file->takes_licence)
        package->licence = rb_scan_requirement(sheet, licence, strlen(licence));
}

/* Programs by their path: src/main.rs, src/bin/x.rs, src/bin/x/main.rs. */
static void cargo_entry(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const char *path)
{
    const char *name = NULL;
    if (strcmp(path, "src/main.rs") == 0) {
        name = package->name;
    } else if (strncmp(path, "src/bin/", 8) == 0 && rb_text_ends(path, ".rs")) {
        const char *slash = strchr(path + 8, '/');
        if (!slash || strcmp(slash, "/main.rs") == 0)
            name = rb_arena_strndup(sheet->arena, path + 8, strcspn(path + 8, "./"));
    }
    for (size_t i = 0; name && i < package->entry_count; i++) {
        if (strcmp(package->entries[i].command, path) == 0 || strcmp(package->entries[i].name, name) == 0)
            return;
    }
    if (name)
        rb_scan_add_entry(sheet, package, name, path);
}

#define CARGO_ENTRIES_MAX 20000 /* files below src/ that lie next to a Cargo.toml; far more than programs */

static void cargo_entries(const struct rb_scan *scan, struct rb_scan_sheet *sheet)
{
    json_t *folders = json_object();
    size_t looked = 0;
    for (size_t i = 0; i < sheet->package_count; i++) {
        const char *manifest = sheet->packages[i].manifest;
        if (strcmp(sheet->packages[i].ecosystem, "cargo") == 0)
            json_object_set_new(
                folders,
                rb_arena_strndup(sheet->arena, manifest, (size_t)(rb_path_base(manifest) - manifest)),
                json_integer((json_int_t)i));
    }
    for (size_t i = 0; json_object_size(folders) && i < scan->tree->count && looked < CARGO_ENTRIES_MAX;
         i++) {
        const char *path = scan->tree->entries[i].path, *src = strstr(path, "src/");
        if (!src || (strncmp(src, "src/main.rs", 11) != 0 && strncmp(src, "src/bin/", 8) != 0))
            continue;
        looked++;
        const json_t *index =
            rb_json_get(folders, rb_arena_strndup(sheet->arena, path, (size_t)(src - path)));
        if (index)
            cargo_entry(sheet, &sheet->packages[json_integer_value(index)], src);
    }
    json_decref(folders);
}

void rb_cargo_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    const struct rb_cargo_file *workspace = NULL;
    const char *last = NULL;
    if (!sheet->cargo_files)
        return;
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (!item->alias || item->offered || strcmp(item->ecosystem, "cargo") != 0)
            continue;
        if (item->manifest != last) /* they come file by file */
            workspace = cargo_workspace_of(sheet, item->manifest);
        last = item->manifest;
        cargo_inherit(sheet, item, workspace);
    }
    for (const struct rb_cargo_file *file = sheet->cargo_files; file; file = file->next) {
        if (!file->takes_version && !file->takes_licence)
            continue;
        for (size_t i = 0; i < sheet->package_count; i++) {
            if (sheet->packages[i].manifest == file->manifest)
                cargo_inherit_package(sheet, &sheet->packages[i], file);
        }
    }
    cargo_entries(scan, sheet);
}

/* ---- Cargo.lock --------------------------------------------------------------------------------------- */

/* A package in several versions stands as "name version" or "name version (source)" in the list of those that
 * want it: what the packages of this repository want is noted for each of them. */
static void cargo_lock_wants(struct rb_scan_sheet *sheet, const char *wanter, const json_t *wanted)
{
    json_t *entry;
    size_t i;
    json_array_foreach(wanted, i, entry)
    {
        struct rb_piece rest = rb_piece_of(json_string_value(entry)), name, version;
        if (!rb_piece_word(&name, &rest) || !rb_piece_word(&version, &rest))
            continue;
        struct rb_scan_locked *locked = rb_scan_lock(sheet, name.at, name.len, version.at, version.len);
        if (locked)
            locked->wanter = wanter;
    }
}

/* "name", "name version", "name version (source)" */
static void cargo_lock_needs(struct rb_scan_sheet *sheet, const char *name, const json_t *wanted)
{
    json_t *entry;
    size_t i;
    json_array_foreach(wanted, i, entry)
    {
        struct rb_piece rest = rb_piece_of(json_string_value(entry)), needed;
        if (rb_piece_word(&needed, &rest))
            rb_scan_lock_needs(sheet, rb_piece_of(name), needed);
    }
}

rb_err rb_cargo_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *package;
    size_t i;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    json_array_foreach(rb_json_get(document, "package"), i, package)
    {
        struct rb_piece name = rb_piece_of(rb_json_text(package, "name")),
                        version = rb_piece_of(rb_json_text(package, "version"));
        struct rb_scan_locked *locked = rb_scan_lock(sheet, name.at, name.len, version.at, version.len);
        if (!locked)
            continue;
        locked->local = !*rb_json_text(package, "source");
        if (locked->local)
            cargo_lock_wants(sheet, locked->name, rb_json_get(package, "dependencies"));
        else /* what packages of this repository need is in their manifests, with what it is for */
            cargo_lock_needs(sheet, locked->name, rb_json_get(package, "dependencies"));
    }
    json_decref(document);
    return RB_OK;
}
