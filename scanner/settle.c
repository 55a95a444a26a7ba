/*
 * What manifests say of each other. A version may stand in one file for all (NuGet's central versions,
 * Maven's dependencyManagement, Cargo's workspace, Gradle's catalogue): there it is an offer, and becomes a
 * dependency of those that take it. A package of this repository is no framework it uses.
 */
#include "scanner/scan.h"

#include <ctype.h>
#include <stdio.h>
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
        if (strcmp(other->kind, item->kind) == 0 && settle_same(other, item) &&
            strcmp(other->requirement, item->requirement) == 0)
            return true;
    }
    return false;
}

/* Which version reaches whom, the ecosystem knows better: Maven's come from a pom's own parents (maven.c),
 * Gradle's catalogues are asked by alias (gradle_names.c), Cargo's from the workspace above (cargo.c),
 * NuGet's from the nearest folder (nuget.c); in npm nothing means any. */
static bool offer_is_for_all(const struct rb_scan_dependency *offer)
{
    static const char *const settled[] = {"cargo", "maven", "npm", "nuget"};
    for (size_t i = 0; i < sizeof settled / sizeof *settled; i++) {
        if (strcmp(offer->ecosystem, settled[i]) == 0)
            return false;
    }
    return true;
}

/* What two that mean the same have in common: ecosystem and name, NuGet's without case. */
#define KEY_MAX (RB_SCAN_NAME_MAX + 64) /* the longest name, and the name of an ecosystem */
static const char *settle_key(char key[KEY_MAX], const char *ecosystem, const char *name)
{
    size_t len = (size_t)snprintf(key, KEY_MAX, "%s\t%s", ecosystem, name);
    for (size_t i = 0; i < len && i < KEY_MAX && strcmp(ecosystem, "nuget") == 0; i++)
        key[i] = (char)tolower((unsigned char)key[i]);
    return key;
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

/* Takes versions from the offers, and marks those offers as taken by clearing their name. */
static void settle_offers(struct rb_scan_sheet *sheet)
{
    char key[KEY_MAX];
    json_t *offers = json_object(), *taken = json_object();
    for (size_t i = 0; i < sheet->count; i++) {
        const struct rb_scan_dependency *item = &sheet->items[i];
        if (item->offered && !json_object_get(offers, settle_key(key, item->ecosystem, item->name)))
            json_object_set_new(offers, key, json_integer((json_int_t)i));
    }
    for (size_t i = 0; i < sheet->count && json_object_size(offers); i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        const json_t *found = item->offered || item->alias
                                  ? NULL
                                  : json_object_get(offers, settle_key(key, item->ecosystem, item->name));
        if (!found)
            continue;
        const struct rb_scan_dependency *offer = &sheet->items[json_integer_value(found)];
        json_object_set_new(taken, key, json_true());
        if (!*item->requirement && offer_is_for_all(offer))
            item->requirement = offer->requirement;
    }
    for (size_t i = 0; i < sheet->count && json_object_size(taken); i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (item->offered && json_object_get(taken, settle_key(key, item->ecosystem, item->name)))
            item->name = "";
    }
    json_decref(offers);
    json_decref(taken);
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

/* The packages that lie here, by key. */
static json_t *settle_packages(const struct rb_scan_sheet *sheet)
{
    char key[KEY_MAX];
    json_t *packages = json_object();
    for (size_t i = 0; i < sheet->package_count; i++) {
        const struct rb_scan_package *package = &sheet->packages[i];
        json_object_set_new(packages, settle_key(key, package->ecosystem, package->name), json_true());
    }
    return packages;
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

/* What lies in folders of tools is for working on the project. */
static void settle_hidden(struct rb_scan_sheet *sheet)
{
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (strcmp(item->kind, RB_KIND_RUNTIME) == 0 && rb_path_is_hidden(item->manifest))
            item->kind = RB_KIND_DEV;
    }
    for (size_t i = 0; i < sheet->locked_count; i++) {
        struct rb_scan_locked *locked = &sheet->locked[i];
        if (locked->aside && strcmp(locked->kind, RB_KIND_RUNTIME) == 0 && rb_path_is_hidden(locked->lock))
            locked->kind = RB_KIND_DEV;
    }
}

void rb_scan_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    rb_scan_languages_settle(scan);
    rb_go_settle(scan);
    rb_cargo_settle(scan);
    rb_maven_settle(scan);
    rb_gradle_settle(scan);
    rb_nuget_settle(scan);
    size_t kept = 0, count = sheet->count;
    for (size_t i = 0; i < count; i++) {
        if (sheet->items[i].alias && !sheet->items[i].offered &&
            strcmp(sheet->items[i].ecosystem, "npm") == 0)
            settle_catalog(sheet, &sheet->items[i], count);
    }
    rb_npm_settle(scan);
    settle_offers(sheet);
    json_t *packages = settle_packages(sheet);
    char key[KEY_MAX];
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        /* Taken offers, and aliases that no catalogue explains: those name no package. */
        if (!*item->name || (item->alias && !item->offered))
            continue;
        if (settle_is_repeated(sheet, kept, item))
            continue;
        item->local = item->local || json_object_get(packages, settle_key(key, item->ecosystem, item->name));
        sheet->items[kept++] = *item;
    }
    sheet->count = kept;
    json_decref(packages);
    settle_script_plugins(scan);
    settle_hidden(sheet);
    rb_scan_settle_locks(scan);
    rb_npm_settle_exact(sheet);
}
