/*
 * What manifests say of each other. A version may stand in one file for all (NuGet's central versions,
 * Maven's dependencyManagement, Cargo's workspace, Gradle's catalogue): there it is an offer, and becomes a
 * dependency of those that take it. A package of this repository is no framework it uses.
 */
#include "scanner/scan.h"

#include <string.h>
#include <strings.h>

#include "scanner/npm.h"
#include "scanner/text.h"

static bool settle_same(const struct rb_scan_dependency *a, const struct rb_scan_dependency *b)
{
    if (strcmp(a->ecosystem, b->ecosystem) != 0)
        return false;
    bool is_nuget = strcmp(a->ecosystem, "nuget") == 0; /* whose names are compared without case */
    return (is_nuget ? strcasecmp(a->name, b->name) : strcmp(a->name, b->name)) == 0;
}

/* Build scripts ask for the same thing once for each platform. */
static bool settle_is_repeated(const struct rb_scan_sheet *sheet, size_t kept,
                               const struct rb_scan_dependency *item)
{
    for (size_t i = kept; i-- > 0 && sheet->items[i].manifest == item->manifest;) {
        const struct rb_scan_dependency *other = &sheet->items[i];
        if (other->kind == item->kind && settle_same(other, item) &&
            strcmp(other->requirement, item->requirement) == 0)
            return true;
    }
    return false;
}

/* One that is wanted by its alias becomes what the catalogue calls so; a bundle becomes several. */
static void settle_alias(struct rb_scan_sheet *sheet, size_t wanted, size_t count)
{
    bool is_found = false;
    const char *alias = sheet->items[wanted].alias;
    for (size_t i = 0; i < count; i++) {
        const struct rb_scan_dependency *offer = &sheet->items[i];
        if (!offer->offered || !offer->alias || strcmp(offer->alias, alias) != 0)
            continue;
        struct rb_scan_dependency *item = &sheet->items[wanted];
        if (is_found) {
            struct rb_scan_dependency *more =
                rb_scan_add_text(sheet, offer->name, offer->requirement, item->kind);
            if (!more)
                return;
            item = &sheet->items[wanted]; /* adding may have moved them */
            more->ecosystem = item->ecosystem;
            more->manifest = item->manifest;
            more->aside = item->aside;
            continue;
        }
        item->name = offer->name;
        item->requirement = offer->requirement;
        item->alias = NULL;
        is_found = true;
    }
}

/* "catalog:x" of npm becomes the requirement in that catalogue: of the nearest folder above that has it. */
static void settle_catalog(struct rb_scan_sheet *sheet, struct rb_scan_dependency *item, size_t count)
{
    size_t nearest = 0;
    const struct rb_scan_dependency *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct rb_scan_dependency *offer = &sheet->items[i];
        if (!offer->offered || !offer->alias || !settle_same(offer, item) ||
            strcmp(offer->alias, item->alias) != 0)
            continue;
        size_t len = (size_t)(rb_path_base(offer->manifest) - offer->manifest);
        if (strncmp(offer->manifest, item->manifest, len) == 0 && (!found || len > nearest)) {
            found = offer;
            nearest = len;
        }
    }
    item->alias = NULL;
    if (!found)
        return;
    struct rb_piece name = rb_piece_of(item->name), requirement = rb_piece_of(found->requirement);
    rb_npm_alias(&name, &requirement);
    item->name = rb_piece_copy(sheet->arena, name);
    item->requirement = rb_piece_copy(sheet->arena, requirement);
}

static bool requirement_is_elsewhere(const struct rb_scan_dependency *item)
{
    if (strcmp(item->ecosystem, "npm") == 0) /* where nothing means any */
        return false;
    return !*item->requirement ||
           (strcmp(item->ecosystem, "cargo") == 0 && strcmp(item->requirement, "workspace") == 0);
}

/* Takes versions from the offers, and marks those offers as taken by clearing their name. */
static void settle_offer(struct rb_scan_sheet *sheet, struct rb_scan_dependency *offer)
{
    bool is_taken = false;
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (item->offered || item->alias || !settle_same(item, offer))
            continue;
        if (requirement_is_elsewhere(item))
            item->requirement = offer->requirement;
        is_taken = true;
    }
    if (is_taken)
        offer->name = "";
}

/* Gradle's precompiled plugins: x.y.gradle.kts is the plugin "x.y" of this repository. */
#define SCRIPTS_MAX 200 /* a large build has thirty */
struct scripts {
    struct rb_piece names[SCRIPTS_MAX];
    size_t count;
};

static void settle_scripts(struct scripts *scripts, const struct rb_tree *tree)
{
    scripts->count = 0;
    for (size_t i = 0; i < tree->count && scripts->count < SCRIPTS_MAX; i++) {
        const char *base = rb_path_base(tree->entries[i].path), *end = strstr(base, ".gradle");
        if (end && (strcmp(end, ".gradle.kts") == 0 || strcmp(end, ".gradle") == 0))
            scripts->names[scripts->count++] = (struct rb_piece){base, (size_t)(end - base)};
    }
}

static bool settle_is_local(const struct rb_scan *scan, const struct rb_scan_dependency *item)
{
    const struct rb_scan_sheet *sheet = &scan->sheet;
    if (item->local)
        return true;
    for (size_t i = 0; i < sheet->package_count; i++) {
        if (strcmp(sheet->packages[i].ecosystem, item->ecosystem) == 0 &&
            strcmp(sheet->packages[i].name, item->name) == 0)
            return true;
    }
    return false;
}

static void settle_script_plugins(struct rb_scan *scan)
{
    struct scripts scripts;
    settle_scripts(&scripts, scan->tree);
    for (size_t i = 0; i < scan->sheet.count; i++) {
        struct rb_scan_dependency *item = &scan->sheet.items[i];
        bool is_plugin = strcmp(item->ecosystem, "maven") == 0 && !strchr(item->name, ':');
        for (size_t k = 0; k < scripts.count && is_plugin && !item->local; k++)
            item->local = rb_piece_is(scripts.names[k], item->name);
    }
}

void rb_scan_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    size_t count = sheet->count, kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!sheet->items[i].alias || sheet->items[i].offered)
            continue;
        if (strcmp(sheet->items[i].ecosystem, "npm") == 0)
            settle_catalog(sheet, &sheet->items[i], count);
        else
            settle_alias(sheet, i, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (sheet->items[i].offered)
            settle_offer(sheet, &sheet->items[i]);
    }
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        /* Taken offers, and aliases that no catalogue explains: those name no package. */
        if (!*item->name || (item->alias && !item->offered))
            continue;
        if (settle_is_repeated(sheet, kept, item))
            continue;
        item->local = settle_is_local(scan, item);
        sheet->items[kept++] = *item;
    }
    sheet->count = kept;
    settle_script_plugins(scan);
    rb_scan_settle_locks(scan);
}
