/* npm: package.json (docs.npmjs.com, "package.json"), as npm, yarn, pnpm and bun read it. */
#include "scanner/npm.h"

#include <string.h>

#include "scanner/tree.h"
#include "scanner/walk.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

void rb_npm_split(struct rb_piece *name, struct rb_piece *rest, struct rb_piece text)
{
    const char *at = text.len ? memchr(text.at + 1, '@', text.len - 1) : NULL;
    name->at = text.at;
    name->len = at ? (size_t)(at - text.at) : text.len;
    *rest = rb_piece_after(text, name->len + 1);
}

void rb_npm_alias(struct rb_piece *name, struct rb_piece *requirement)
{
    if (!rb_piece_starts(*requirement, "npm:"))
        return;
    struct rb_piece alias = rb_piece_after(*requirement, 4), real, rest;
    bool is_named = alias.len && (alias.at[0] == '@' || !rb_text_has("^~<>=*0123456789", alias.at[0]));
    *requirement = alias; /* yarn also writes "npm:^1" of the package itself */
    if (!is_named)
        return;
    rb_npm_split(&real, &rest, alias);
    *name = real;
    *requirement = rest;
}

bool rb_npm_is_here(struct rb_piece requirement)
{
    static const char *const here[] = {"workspace:", "file:", "link:", "portal:"};
    for (size_t i = 0; i < COUNT(here); i++) {
        if (rb_piece_starts(requirement, here[i]))
            return true;
    }
    return false;
}

/* ---- catalogues -----------------------------------------------------------------------------------------
 */

/* What a dependency and its offer are compared by. */
static const char *npm_catalog_alias(struct rb_scan_sheet *sheet, struct rb_piece catalog)
{
    if (catalog.len == 0 || rb_piece_is(catalog, "default"))
        return "catalog:";
    return rb_arena_printf(sheet->arena, "catalog:%.*s",
                           (int)(catalog.len < RB_SCAN_NAME_MAX ? catalog.len : RB_SCAN_NAME_MAX),
                           catalog.at);
}

void rb_npm_offer(struct rb_scan_sheet *sheet, struct rb_piece catalog, struct rb_piece name,
                  struct rb_piece requirement)
{
    struct rb_scan_dependency *offer =
        rb_scan_add(sheet, name.at, name.len, requirement.at, requirement.len, RB_KIND_RUNTIME);
    if (!offer)
        return;
    offer->offered = true;
    offer->alias = npm_catalog_alias(sheet, catalog);
}

struct catalog_walk {
    struct rb_scan_sheet *sheet;
};

static void catalog_visit(void *arg, const struct rb_walk *at, enum rb_walk_what what, struct rb_piece value)
{
    struct rb_scan_sheet *sheet = ((struct catalog_walk *)arg)->sheet;
    if (what == RB_WALK_VALUE && at->depth == 2 && rb_walk_is(at, 0, "packages"))
        sheet->members++;
    else if (what == RB_WALK_VALUE && at->depth == 2 && rb_walk_is(at, 0, "catalog"))
        rb_npm_offer(sheet, (struct rb_piece){"", 0}, at->keys[1], value);
    else if (what == RB_WALK_VALUE && at->depth == 3 && rb_walk_is(at, 0, "catalogs"))
        rb_npm_offer(sheet, at->keys[1], at->keys[2], value);
    else if (what == RB_WALK_VALUE)
        rb_npm_override_visit(sheet, at, value);
}

/* pnpm-workspace.yaml and .yarnrc.yml: which packages there are, the versions they may refer to, and those
 * they get whatever they ask for. */
rb_err rb_npm_catalog_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct catalog_walk walk = {sheet};
    return rb_walk_yaml(text, len, catalog_visit, &walk);
}

/* bun keeps its catalogues in package.json. */
static void npm_catalogs(struct rb_scan_sheet *sheet, const json_t *holder)
{
    const char *catalog, *name;
    json_t *list, *requirement;
    json_object_foreach(rb_json_get(holder, "catalog"), name, requirement)
        rb_npm_offer(sheet, rb_piece_of(""), rb_piece_of(name), rb_piece_of(json_string_value(requirement)));
    json_object_foreach(rb_json_get(holder, "catalogs"), catalog, list)
    {
        json_object_foreach(list, name, requirement) rb_npm_offer(
            sheet, rb_piece_of(catalog), rb_piece_of(name), rb_piece_of(json_string_value(requirement)));
    }
}

/* ---- dependencies
 * ------------------------------------------------------------------------------------------ */

struct rb_scan_dependency *rb_npm_add(struct rb_scan_sheet *sheet, const char *name, const char *requirement,
                                      const char *kind)
{
    struct rb_piece real = rb_piece_of(name), wanted = rb_piece_trim(rb_piece_of(requirement));
    rb_npm_alias(&real, &wanted);
    struct rb_scan_dependency *item = rb_scan_add(sheet, real.at, real.len, wanted.at, wanted.len, kind);
    if (!item)
        return NULL;
    item->local = rb_npm_is_here(wanted);
    if (rb_piece_starts(wanted, "catalog:"))
        item->alias = npm_catalog_alias(sheet, rb_piece_trim(rb_piece_after(wanted, 8)));
    return item;
}

static void npm_group(struct rb_scan_sheet *sheet, const json_t *document, const char *group,
                      const char *kind)
{
    const char *name;
    json_t *requirement;
    const json_t *optional = rb_json_get(document, "optionalDependencies"),
                 *meta = rb_json_get(document, "peerDependenciesMeta");
    json_object_foreach(rb_json_get(document, group), name, requirement)
    {
        const char *is = kind;
        if (strcmp(kind, RB_KIND_RUNTIME) == 0 && rb_json_get(optional, name))
            continue; /* npm writes an optional one into both; that it is optional counts */
        if (strcmp(kind, RB_KIND_PEER) == 0 && json_is_true(rb_json_get(rb_json_get(meta, name), "optional")))
            is = RB_KIND_OPTIONAL;
        rb_npm_add(sheet, name, json_string_value(requirement), is);
    }
}

/* ---- the package itself
 * ------------------------------------------------------------------------------------ */

/* "exports" names conditions within subpaths: the path of each subpath that a plain import gets. */
#define EXPORTS_DEPTH_MAX 6 /* conditions within each other; three are seen */
static const char *npm_export(const json_t *value)
{
    static const char *const conditions[] = {"import", "module", "node", "default", "require", "browser"};
    for (int depth = 0; depth < EXPORTS_DEPTH_MAX && json_is_object(value); depth++) {
        const json_t *next = NULL;
        for (size_t i = 0; i < COUNT(conditions) && !next; i++)
            next = rb_json_get(value, conditions[i]);
        value = next;
    }
    return json_string_value(value);
}

static void npm_exports(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const json_t *exports)
{
    const char *subpath = json_object_iter_key(json_object_iter((json_t *)exports));
    json_t *value;
    if (!subpath || subpath[0] != '.') { /* text, or conditions of the package itself */
        rb_scan_add_entry(sheet, package, ".", npm_export(exports));
        return;
    }
    json_object_foreach((json_t *)exports, subpath, value)
    {
        if (strcmp(subpath, "./package.json") != 0)
            rb_scan_add_entry(sheet, package, subpath, npm_export(value));
    }
}

static void npm_entries(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const json_t *document)
{
    static const char *const simple[] = {"main", "module"};
    const char *name;
    json_t *value;
    const json_t *bin = rb_json_get(document, "bin");
    if (json_is_string(bin)) { /* the command is called like the package, without its scope */
        const char *slash = strchr(rb_json_text(document, "name"), '/');
        rb_scan_add_entry(sheet, package, slash ? slash + 1 : rb_json_text(document, "name"),
                          json_string_value(bin));
    }
    json_object_foreach((json_t *)bin, name, value)
        rb_scan_add_entry(sheet, package, name, json_string_value(value));
    for (size_t i = 0; i < COUNT(simple); i++)
        rb_scan_add_entry(sheet, package, "", rb_json_text(document, simple[i]));
    npm_exports(sheet, package, rb_json_get(document, "exports"));
}

/* "license" is text; old packages have {"type": "MIT"} or a list of those. */
static const char *npm_licence(const json_t *document)
{
    const json_t *licence = rb_json_get(document, "license");
    if (!licence)
        licence = json_array_get(rb_json_get(document, "licenses"), 0);
    return json_is_object(licence) ? rb_json_text(licence, "type") : json_string_value(licence);
}

static const char *npm_engine(struct rb_scan_sheet *sheet, const json_t *document)
{
    static const char *const engines[] = {"node", "bun", "deno", "vscode"};
    for (size_t i = 0; i < COUNT(engines); i++) {
        const char *wanted = rb_json_text(rb_json_get(document, "engines"), engines[i]);
        if (*wanted)
            return rb_arena_printf(sheet->arena, "%s %s", engines[i],
                                   rb_scan_requirement(sheet, wanted, strlen(wanted)));
    }
    return "";
}

static void npm_package(struct rb_scan_sheet *sheet, const json_t *document)
{
    const char *name, *manager = rb_json_text(document, "packageManager");
    json_t *command;
    struct rb_scan_package *package = rb_scan_add_package(
        sheet, rb_json_text(document, "name"), rb_json_text(document, "version"), npm_licence(document));
    if (!package)
        return;
    size_t len = strcspn(manager, "+"); /* what follows is a checksum */
    package->manager = rb_scan_requirement(sheet, manager, len);
    package->engine = npm_engine(sheet, document);
    json_object_foreach(rb_json_get(document, "scripts"), name, command)
        rb_scan_add_script(sheet, package, name, json_string_value(command));
    npm_entries(sheet, package, document);
}

rb_err rb_npm_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    if (!json_is_object(document)) {
        json_decref(document);
        return rb_error_set(RB_EINVAL, "package.json: not an object");
    }
    npm_package(sheet, document);
    npm_group(sheet, document, "dependencies", RB_KIND_RUNTIME);
    npm_group(sheet, document, "devDependencies", RB_KIND_DEV);
    rb_scan_add_keys(sheet, "key", "", document);
    npm_group(sheet, document, "peerDependencies", RB_KIND_PEER);
    npm_group(sheet, document, "optionalDependencies", RB_KIND_OPTIONAL);
    const json_t *workspaces = rb_json_get(document, "workspaces");
    npm_catalogs(sheet, document);
    npm_catalogs(sheet, workspaces);
    rb_npm_overrides(sheet, document);
    if (json_is_object(workspaces))
        workspaces = rb_json_get(workspaces, "packages");
    sheet->members += json_array_size(workspaces);
    json_decref(document);
    return RB_OK;
}
