/*
 * Maven: pom.xml (maven.apache.org/pom.html). A pom is read alone first; when all were read, each is resolved
 * again with its parents, and the bills of material it imports, as far as they lie in this repository:
 * properties, managed versions and scopes. What is not known stays as written.
 */
#include "scanner/scan.h"

#include <string.h>

#include "scanner/text.h"
#include "scanner/tree.h"

#define POM_FILL_MAX    8  /* properties within properties, and properties of one text */
#define POM_PARENTS_MAX 16 /* of parents of parents; Apache's own have five */
#define POM_IMPORTS_MAX 64 /* bills of material of one pom, and that one look-up may open */
#define POM_NO_ITEM     SIZE_MAX
#define POM_PLUGINS     "org.apache.maven.plugins"

/* One declaration as written; `item` is where the sheet has it. */
struct pom_ref {
    size_t item;
    const char *group, *artifact, *version, *scope, *optional;
    bool is_plugin, is_managed; /* managed: says which version others get */
};

struct pom {
    struct rb_scan_sheet *sheet;
    const char *manifest, *group, *artifact, *version;
    const char *parent_group, *parent_artifact, *parent_version, *parent_path;
    const struct pom *parent; /* NULL until all was read, and where it lies elsewhere */
    json_t *properties;
    struct pom_ref *refs;
    size_t ref_count, ref_capacity, package; /* index of the package, PACKAGES_MAX when there was no place */
    const struct pom **bills; /* of material that it imports and that lie here, at most POM_IMPORTS_MAX */
    size_t bill_count;
    json_t *managed; /* "group:artifact", or "plugin group:artifact": index of a ref */
    struct pom *next;
};

struct rb_maven {
    struct pom *poms;
    json_t *by_name, *by_path; /* index into `list` */
    struct pom **list;
};

/* ---- text with properties ----------------------------------------------------------------------------- */

/* "project.version" and its like: the project's own, else its parent's. */
static const char *pom_project_value(const struct pom *pom, const char *name)
{
    if (strncmp(name, "project.", 8) == 0)
        name += 8;
    else if (strncmp(name, "pom.", 4) == 0)
        name += 4;
    else if (strncmp(name, "parent.", 7) != 0)
        return "";
    if (strcmp(name, "parent.version") == 0)
        return pom->parent_version;
    if (strcmp(name, "parent.groupId") == 0)
        return pom->parent_group;
    if (strcmp(name, "parent.artifactId") == 0)
        return pom->parent_artifact;
    if (strcmp(name, "groupId") == 0)
        return *pom->group ? pom->group : pom->parent_group;
    if (strcmp(name, "version") == 0)
        return *pom->version ? pom->version : pom->parent_version;
    return strcmp(name, "artifactId") == 0 ? pom->artifact : "";
}

static const char *pom_property(const struct pom *pom, const char *name)
{
    int looked = 0;
    for (const struct pom *at = pom; at && looked < POM_PARENTS_MAX; at = at->parent, looked++) {
        const char *value = rb_json_text(at->properties, name);
        if (*value)
            return value;
    }
    return pom_project_value(pom, name);
}

/* Replaces ${name}; what is not known stays as written. Bounded in number and in length. */
static const char *pom_fill(const struct pom *pom, const char *text)
{
    struct rb_arena *arena = pom->sheet->arena;
    size_t from = 0;
    for (int i = 0; i < POM_FILL_MAX && strlen(text) <= RB_SCAN_NAME_MAX; i++) {
        const char *start = strstr(text + from, "${"), *end = start ? strchr(start, '}') : NULL;
        if (!end)
            break;
        const char *value = pom_property(pom, rb_arena_strndup(arena, start + 2, (size_t)(end - start - 2)));
        if (*value)
            text = rb_arena_printf(arena, "%.*s%s%s", (int)(start - text), text, value, end + 1);
        else
            from = (size_t)(end + 1 - text);
    }
    return text;
}

static const char *pom_name(const struct pom *pom, const struct pom_ref *ref)
{
    const char *group = pom_fill(pom, ref->group), *artifact = pom_fill(pom, ref->artifact);
    if (!*artifact)
        return "";
    if (!*group && ref->is_plugin)
        group = POM_PLUGINS;
    return rb_arena_printf(pom->sheet->arena, "%s:%s", group, artifact);
}

/* ---- what is managed ---------------------------------------------------------------------------------- */

static const char *pom_key(const struct pom *pom, const struct pom_ref *ref)
{
    return rb_arena_printf(pom->sheet->arena, "%s%s", ref->is_plugin ? "plugin " : "", pom_name(pom, ref));
}

/* Whether others get a version from it: what is managed, and plugins, which modules inherit with their
 * version. A bill of material is opened, not managed. */
static bool pom_gives(const struct pom_ref *ref, bool managed)
{
    return managed ? ref->is_managed && strcmp(ref->scope, "import") != 0
                   : !ref->is_managed && ref->is_plugin && *ref->version;
}

static void pom_index(struct pom *pom)
{
    json_object_clear(pom->managed);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < pom->ref_count; i++) {
            const char *key = pom_gives(&pom->refs[i], round == 0) ? pom_key(pom, &pom->refs[i]) : "";
            if (*key && !json_object_get(pom->managed, key))
                json_object_set_new(pom->managed, key, json_integer((json_int_t)i));
        }
    }
}

static const struct pom *maven_find(const struct rb_maven *maven, const json_t *index, const char *key)
{
    const json_t *found = json_object_get(index, key);
    return found ? maven->list[json_integer_value(found)] : NULL;
}

struct managed {
    const struct pom_ref *ref;
    const struct pom *context; /* whose properties it is filled with */
    int imports;               /* that may still be opened */
};

static bool pom_find_managed(struct managed *out, const struct pom *pom, const char *key);

/* In the bills of material that the pom imports; those see their own properties only. */
static bool pom_find_imported(struct managed *out, const struct pom *pom, const char *key)
{
    for (size_t i = 0; i < pom->bill_count; i++) {
        if (out->imports-- > 0 && pom_find_managed(out, pom->bills[i], key))
            return true;
    }
    return false;
}

static bool pom_find_managed(struct managed *out, const struct pom *pom, const char *key)
{
    int looked = 0;
    for (const struct pom *at = pom; at && looked < POM_PARENTS_MAX; at = at->parent, looked++) {
        const json_t *found = json_object_get(at->managed, key);
        if (!found)
            continue;
        out->ref = &at->refs[json_integer_value(found)];
        out->context = pom;
        return true;
    }
    looked = 0;
    for (const struct pom *at = pom; at && looked < POM_PARENTS_MAX; at = at->parent, looked++) {
        if (pom_find_imported(out, at, key))
            return true;
    }
    return false;
}

/* ---- what a declaration means ------------------------------------------------------------------------- */

static const char *pom_kind(const char *scope, const char *optional, bool is_plugin)
{
    if (is_plugin)
        return RB_KIND_BUILD;
    if (strcmp(scope, "test") == 0)
        return RB_KIND_TEST;
    if (strcmp(scope, "provided") == 0 || strcmp(scope, "import") == 0 || strcmp(scope, "system") == 0)
        return RB_KIND_BUILD;
    return strcmp(optional, "true") == 0 ? RB_KIND_OPTIONAL : RB_KIND_RUNTIME;
}

/* What is declared directly wins over whatever others want, so an exact version is the one that is used. */
static bool pom_is_exact(const char *version)
{
    return *version && !strpbrk(version, "[](),$ ") && strcmp(version, "LATEST") != 0 &&
           strcmp(version, "RELEASE") != 0;
}

static void pom_resolve_ref(const struct pom *pom, const struct pom_ref *ref)
{
    struct rb_scan_sheet *sheet = pom->sheet;
    struct rb_scan_dependency *item = &sheet->items[ref->item];
    const char *name = pom_name(pom, ref), *version = pom_fill(pom, ref->version),
               *scope = pom_fill(pom, ref->scope);
    struct managed managed = {.imports = POM_IMPORTS_MAX};
    if (!ref->is_managed && (!*version || !*scope) && pom_find_managed(&managed, pom, pom_key(pom, ref))) {
        if (!*version)
            version = pom_fill(managed.context, managed.ref->version);
        if (!*scope)
            scope = pom_fill(managed.context, managed.ref->scope);
    }
    item->name = rb_text_clean(sheet->arena, name, strlen(name), RB_SCAN_NAME_MAX);
    item->requirement = rb_scan_requirement(sheet, version, strlen(version));
    item->version = pom_is_exact(item->requirement) ? item->requirement : "";
    item->kind = pom_kind(scope, pom_fill(pom, ref->optional), ref->is_plugin);
}

static void pom_resolve(struct pom *pom)
{
    struct rb_scan_sheet *sheet = pom->sheet;
    for (size_t i = 0; i < pom->ref_count; i++) {
        if (pom->refs[i].item != POM_NO_ITEM)
            pom_resolve_ref(pom, &pom->refs[i]);
    }
    if (pom->package == RB_SCAN_PACKAGES_MAX)
        return;
    struct rb_scan_package *package = &sheet->packages[pom->package];
    struct pom_ref self = {.group = *pom->group ? pom->group : pom->parent_group, .artifact = pom->artifact};
    const char *name = pom_name(pom, &self),
               *version = pom_fill(pom, *pom->version ? pom->version : pom->parent_version);
    package->name = rb_scan_requirement(sheet, name, strlen(name));
    package->version = strchr(version, '$') ? "" : rb_scan_requirement(sheet, version, strlen(version));
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* A managed one that this file declares itself is a dependency already, and no offer. */
static bool pom_declares(const struct pom *pom, const struct pom_ref *ref, const char *name)
{
    for (size_t i = 0; i < pom->ref_count; i++) {
        const struct pom_ref *other = &pom->refs[i];
        if (!other->is_managed && other->is_plugin == ref->is_plugin &&
            strcmp(pom->sheet->items[other->item].name, name) == 0)
            return true;
    }
    return false;
}

static void pom_declare(struct pom *pom, struct pom_ref ref)
{
    struct rb_scan_sheet *sheet = pom->sheet;
    const char *name = pom_name(pom, &ref);
    ref.item = POM_NO_ITEM;
    if (!ref.is_managed || !pom_declares(pom, &ref, name)) {
        struct rb_scan_dependency *item = rb_scan_add_text(sheet, name, "", RB_KIND_RUNTIME);
        if (!item)
            return;
        item->offered = ref.is_managed;
        ref.item = (size_t)(item - sheet->items);
    }
    pom->refs =
        rb_arena_grown(sheet->arena, pom->refs, pom->ref_count, &pom->ref_capacity, sizeof *pom->refs);
    pom->refs[pom->ref_count++] = ref;
}

static void pom_list(struct pom *pom, const xmlNode *list, const char *element, struct pom_ref like)
{
    struct rb_arena *arena = pom->sheet->arena;
    for (const xmlNode *node = rb_xml_child(list, element); node; node = rb_xml_next(node, element)) {
        struct pom_ref ref = like;
        ref.group = rb_xml_child_text(node, "groupId", arena);
        ref.artifact = rb_xml_child_text(node, "artifactId", arena);
        ref.version = rb_xml_child_text(node, "version", arena);
        ref.scope = like.is_plugin ? "" : rb_xml_child_text(node, "scope", arena);
        ref.optional = rb_xml_child_text(node, "optional", arena);
        if (*like.scope && !*ref.scope)
            ref.scope = like.scope;
        pom_declare(pom, ref);
        if (!like.is_plugin)
            continue;
        /* What a plugin runs with, and the compilers' plugins. */
        struct pom_ref inner = {.scope = "provided"};
        const xmlNode *paths = rb_xml_child(rb_xml_child(node, "configuration"), "annotationProcessorPaths");
        pom_list(pom, rb_xml_child(node, "dependencies"), "dependency", inner);
        pom_list(pom, paths, "path", inner);
        pom_list(pom, paths, "annotationProcessorPath", inner);
    }
}

static const struct pom_ref pom_plain = {.scope = ""}, pom_offer = {.scope = "", .is_managed = true},
                            pom_plugin = {.scope = "", .is_plugin = true},
                            pom_plugin_offer = {.scope = "", .is_plugin = true, .is_managed = true};

static const xmlNode *xml_at(const xmlNode *node, const char *first, const char *second, const char *third)
{
    node = rb_xml_child(rb_xml_child(node, first), second);
    return third ? rb_xml_child(node, third) : node;
}

/* Dependencies, plugins and modules, of the project or of one of its profiles. */
static void pom_section(struct pom *pom, const xmlNode *section)
{
    pom_list(pom, rb_xml_child(section, "dependencies"), "dependency", pom_plain);
    pom_list(pom, xml_at(section, "build", "plugins", NULL), "plugin", pom_plugin);
    pom_list(pom, xml_at(section, "build", "extensions", NULL), "extension", pom_plugin);
    pom_list(pom, xml_at(section, "reporting", "plugins", NULL), "plugin", pom_plugin);
    const xmlNode *modules = rb_xml_child(section, "modules");
    for (const xmlNode *node = rb_xml_child(modules, "module"); node; node = rb_xml_next(node, "module"))
        pom->sheet->members++;
}

static void pom_managed_section(struct pom *pom, const xmlNode *section)
{
    pom_list(pom, xml_at(section, "dependencyManagement", "dependencies", NULL), "dependency", pom_offer);
    pom_list(pom, xml_at(section, "build", "pluginManagement", "plugins"), "plugin", pom_plugin_offer);
}

static void pom_body(struct pom *pom, const xmlNode *project)
{
    struct rb_arena *arena = pom->sheet->arena;
    const xmlNode *profiles = rb_xml_child(project, "profiles");
    rb_xml_properties(pom->properties, rb_xml_child(project, "properties"), arena);
    for (const xmlNode *node = rb_xml_child(profiles, "profile"); node; node = rb_xml_next(node, "profile")) {
        const xmlNode *usual = xml_at(node, "activation", "activeByDefault", NULL);
        if (strcmp(rb_xml_text(usual, arena), "true") == 0)
            rb_xml_properties(pom->properties, rb_xml_child(node, "properties"), arena);
    }
    struct pom_ref parent = {.group = pom->parent_group,
                             .artifact = pom->parent_artifact,
                             .version = pom->parent_version,
                             .scope = "provided",
                             .optional = ""};
    if (*pom->parent_artifact)
        pom_declare(pom, parent);
    pom_section(pom, project);
    for (const xmlNode *node = rb_xml_child(profiles, "profile"); node; node = rb_xml_next(node, "profile"))
        pom_section(pom, node);
    pom_managed_section(pom, project);
    for (const xmlNode *node = rb_xml_child(profiles, "profile"); node; node = rb_xml_next(node, "profile"))
        pom_managed_section(pom, node);
}

/* Where a program begins, as Spring Boot's and Quarkus's starters and the exec plugin are told. */
static void pom_entry(struct pom *pom, struct rb_scan_package *package)
{
    static const char *const names[] = {"start-class", "exec.mainClass", "mainClass", "main.class"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = pom_fill(pom, rb_json_text(pom->properties, names[i]));
        if (*name && !strchr(name, '$')) {
            rb_scan_add_entry(pom->sheet, package, "", name);
            return;
        }
    }
}

static void pom_free(void *arg)
{
    struct pom *pom = arg;
    json_decref(pom->properties);
    json_decref(pom->managed);
}

static struct pom *pom_new(struct rb_scan_sheet *sheet, const xmlNode *project)
{
    struct pom *pom = rb_arena_alloc(sheet->arena, sizeof *pom);
    struct rb_arena *arena = sheet->arena;
    const xmlNode *parent = rb_xml_child(project, "parent"), *path = rb_xml_child(parent, "relativePath");
    pom->sheet = sheet;
    pom->manifest = sheet->manifest;
    pom->group = rb_xml_child_text(project, "groupId", arena);
    pom->artifact = rb_xml_child_text(project, "artifactId", arena);
    pom->version = rb_xml_child_text(project, "version", arena);
    pom->parent_group = rb_xml_child_text(parent, "groupId", arena);
    pom->parent_artifact = rb_xml_child_text(parent, "artifactId", arena);
    pom->parent_version = rb_xml_child_text(parent, "version", arena);
    pom->parent_path = path ? rb_xml_text(path, arena) : "../pom.xml";
    pom->properties = json_object();
    pom->managed = json_object();
    pom->package = RB_SCAN_PACKAGES_MAX;
    rb_arena_defer(arena, pom_free, pom);
    return pom;
}

rb_err rb_maven_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    xmlDoc *doc;
    rb_err err = rb_xml_parse(&doc, text, len);
    if (err)
        return err;
    const xmlNode *project = xmlDocGetRootElement(doc);
    if (!rb_xml_is(project, "project")) {
        xmlFreeDoc(doc);
        return rb_error_set(RB_EINVAL, "pom.xml: the root is not <project>");
    }
    struct pom *pom = pom_new(sheet, project);
    const char *licence =
        rb_xml_child_text(xml_at(project, "licenses", "license", NULL), "name", sheet->arena);
    struct rb_scan_package *package = rb_scan_add_package(sheet, pom->artifact, "", licence);
    if (package)
        pom->package = (size_t)(package - sheet->packages);
    pom_body(pom, project);
    xmlFreeDoc(doc);
    pom_entry(pom, package);
    pom_index(pom);
    pom_resolve(pom);
    if (!sheet->maven)
        sheet->maven = rb_arena_alloc(sheet->arena, sizeof *sheet->maven);
    pom->next = sheet->maven->poms;
    sheet->maven->poms = pom;
    return RB_OK;
}

/* ---- when all was read -------------------------------------------------------------------------------- */

/* The path of the parent: "../pom.xml" or "../parent" seen from the pom's folder. "" outside of everything.
 */
static const char *pom_parent_path(const struct pom *pom)
{
    char *path = rb_arena_strdup(pom->sheet->arena, pom->manifest);
    size_t len = (size_t)(rb_path_base(path) - path);
    const char *rest = pom->parent_path;
    if (!*rest)
        return "";
    while (strncmp(rest, "../", 3) == 0 || strncmp(rest, "./", 2) == 0 || strcmp(rest, "..") == 0) {
        if (rest[1] == '.') {
            if (len == 0)
                return "";
            for (len--; len && path[len - 1] != '/';)
                len--;
        }
        rest += rest[1] == '/' ? 2 : rest[2] ? 3 : 2;
    }
    bool is_file = rb_text_ends(rest, ".xml");
    return rb_arena_printf(pom->sheet->arena, "%.*s%s%s", (int)len, path, rest,
                           is_file                             ? ""
                           : *rest && !rb_text_ends(rest, "/") ? "/pom.xml"
                                                               : "pom.xml");
}

static const struct pom *pom_parent(const struct rb_maven *maven, const struct pom *pom)
{
    if (!*pom->parent_artifact)
        return NULL;
    const struct pom *near = maven_find(maven, maven->by_path, pom_parent_path(pom));
    if (near && near != pom && strcmp(near->artifact, pom->parent_artifact) == 0)
        return near;
    struct pom_ref ref = {.group = pom->parent_group, .artifact = pom->parent_artifact};
    const struct pom *named = maven_find(maven, maven->by_name, pom_name(pom, &ref));
    return named == pom ? NULL : named;
}

static void pom_open_bills(const struct rb_maven *maven, struct pom *pom)
{
    for (size_t i = 0; i < pom->ref_count && pom->bill_count < POM_IMPORTS_MAX; i++) {
        const struct pom_ref *ref = &pom->refs[i];
        const struct pom *bill = ref->is_managed && strcmp(ref->scope, "import") == 0
                                     ? maven_find(maven, maven->by_name, pom_name(pom, ref))
                                     : NULL;
        if (!bill)
            continue;
        if (!pom->bills)
            pom->bills = rb_arena_alloc(pom->sheet->arena, POM_IMPORTS_MAX * sizeof(struct pom *));
        pom->bills[pom->bill_count++] = bill;
    }
}

void rb_maven_settle(struct rb_scan *scan)
{
    struct rb_maven *maven = scan->sheet.maven;
    size_t count = 0, at = 0;
    if (!maven)
        return;
    for (const struct pom *pom = maven->poms; pom; pom = pom->next)
        count++;
    maven->list = rb_arena_alloc(scan->arena, count * sizeof(struct pom *));
    maven->by_name = json_object();
    maven->by_path = json_object();
    for (struct pom *pom = maven->poms; pom; pom = pom->next, at++) {
        struct pom_ref self = {.group = *pom->group ? pom->group : pom->parent_group,
                               .artifact = pom->artifact};
        maven->list[at] = pom;
        json_object_set_new(maven->by_name, pom_name(pom, &self), json_integer((json_int_t)at));
        json_object_set_new(maven->by_path, pom->manifest, json_integer((json_int_t)at));
    }
    for (struct pom *pom = maven->poms; pom; pom = pom->next)
        pom->parent = pom_parent(maven, pom);
    for (struct pom *pom = maven->poms; pom; pom = pom->next) {
        pom_index(pom);
        pom_open_bills(maven, pom);
    }
    for (struct pom *pom = maven->poms; pom; pom = pom->next)
        pom_resolve(pom);
    json_decref(maven->by_name);
    json_decref(maven->by_path);
    maven->by_name = maven->by_path = NULL;
}
