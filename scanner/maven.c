/* Maven: pom.xml (maven.apache.org/pom.html). Properties are filled in from the same file only. */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

#define MAVEN_PROPERTY_DEPTH 8 /* a property that names a property that names … */

struct pom {
    struct rb_scan_sheet *sheet;
    const xmlNode *project;
    json_t *properties;
    size_t first; /* of the sheet's items, from this file */
};

/* "project.version" and its like: the project's own, else its parent's. */
static const char *pom_project_value(const struct pom *pom, const char *name)
{
    if (strncmp(name, "project.", 8) == 0)
        name += 8;
    else if (strncmp(name, "pom.", 4) == 0)
        name += 4;
    else
        return "";
    const xmlNode *parent = rb_xml_child(pom->project, "parent");
    if (strncmp(name, "parent.", 7) == 0)
        return rb_xml_child_text(parent, name + 7, pom->sheet->arena);
    const char *own = strpbrk(name, ".") ? "" : rb_xml_child_text(pom->project, name, pom->sheet->arena);
    return *own ? own
           : strcmp(name, "version") == 0 || strcmp(name, "groupId") == 0
               ? rb_xml_child_text(parent, name, pom->sheet->arena)
               : "";
}

static const char *pom_property(const struct pom *pom, const char *name)
{
    const char *value = rb_json_text(pom->properties, name);
    return *value ? value : pom_project_value(pom, name);
}

/* Replaces ${name}; what is not known stays as written. Bounded in depth and in length. */
static const char *pom_fill(const struct pom *pom, const char *text, int depth)
{
    const char *start = strstr(text, "${");
    const char *end = start ? strchr(start, '}') : NULL;
    if (!end || depth == 0 || strlen(text) > RB_SCAN_NAME_MAX)
        return text;
    const char *name = rb_arena_strndup(pom->sheet->arena, start + 2, (size_t)(end - start - 2));
    const char *value = pom_property(pom, name);
    if (!*value)
        return text;
    return pom_fill(pom,
                    rb_arena_printf(pom->sheet->arena, "%.*s%s%s", (int)(start - text), text, value, end + 1),
                    depth - 1);
}

static const char *pom_text(const struct pom *pom, const xmlNode *node, const char *child)
{
    return pom_fill(pom, rb_xml_child_text(node, child, pom->sheet->arena), MAVEN_PROPERTY_DEPTH);
}

static const char *pom_name(const struct pom *pom, const xmlNode *node, const char *default_group)
{
    const char *group = pom_text(pom, node, "groupId"), *artifact = pom_text(pom, node, "artifactId");
    if (!*artifact)
        return "";
    return rb_arena_printf(pom->sheet->arena, "%s:%s", *group ? group : default_group, artifact);
}

static const char *pom_kind(const struct pom *pom, const xmlNode *dependency)
{
    const char *scope = pom_text(pom, dependency, "scope");
    if (strcmp(scope, "test") == 0)
        return RB_KIND_DEV;
    if (strcmp(scope, "provided") == 0 || strcmp(scope, "import") == 0 || strcmp(scope, "system") == 0)
        return RB_KIND_BUILD;
    return strcmp(pom_text(pom, dependency, "optional"), "true") == 0 ? RB_KIND_OPTIONAL : RB_KIND_RUNTIME;
}

static struct rb_scan_dependency *pom_find(const struct pom *pom, const char *name)
{
    for (size_t i = pom->first; i < pom->sheet->count; i++) {
        if (strcmp(pom->sheet->items[i].name, name) == 0)
            return &pom->sheet->items[i];
    }
    return NULL;
}

static void pom_dependencies(struct pom *pom, const xmlNode *list)
{
    for (const xmlNode *node = rb_xml_child(list, "dependency"); node; node = rb_xml_next(node, "dependency"))
        rb_scan_add_text(pom->sheet, pom_name(pom, node, ""), pom_text(pom, node, "version"),
                         pom_kind(pom, node));
}

/* Managed versions complete what is declared in this file; the rest are offered to the modules below. */
static void pom_managed(struct pom *pom, const xmlNode *list)
{
    size_t declared = pom->sheet->count;
    for (const xmlNode *node = rb_xml_child(list, "dependency"); node;
         node = rb_xml_next(node, "dependency")) {
        const char *name = pom_name(pom, node, ""), *version = pom_text(pom, node, "version");
        struct rb_scan_dependency *known = pom_find(pom, name);
        bool is_own = known && known < pom->sheet->items + declared;
        if (is_own && !*known->requirement)
            known->requirement = rb_scan_requirement(pom->sheet, version, strlen(version));
        if (known)
            continue;
        struct rb_scan_dependency *offer = rb_scan_add_text(pom->sheet, name, version, pom_kind(pom, node));
        if (offer)
            offer->offered = true;
    }
}

static void pom_plugins(struct pom *pom, const xmlNode *list)
{
    for (const xmlNode *node = rb_xml_child(list, "plugin"); node; node = rb_xml_next(node, "plugin"))
        rb_scan_add_text(pom->sheet, pom_name(pom, node, "org.apache.maven.plugins"),
                         pom_text(pom, node, "version"), RB_KIND_BUILD);
}

static void pom_profiles(struct pom *pom)
{
    const xmlNode *profiles = rb_xml_child(pom->project, "profiles");
    for (const xmlNode *node = rb_xml_child(profiles, "profile"); node; node = rb_xml_next(node, "profile"))
        pom_dependencies(pom, rb_xml_child(node, "dependencies"));
}

rb_err rb_maven_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    xmlDoc *doc;
    rb_err err = rb_xml_parse(&doc, text, len);
    if (err)
        return err;
    struct pom pom = {sheet, xmlDocGetRootElement(doc), json_object(), sheet->count};
    if (!rb_xml_is(pom.project, "project")) {
        err = rb_error_set(RB_EINVAL, "pom.xml: the root is not <project>");
        goto out;
    }
    rb_xml_properties(pom.properties, rb_xml_child(pom.project, "properties"), sheet->arena);
    const xmlNode *parent = rb_xml_child(pom.project, "parent");
    rb_scan_add_package(sheet, pom_name(&pom, pom.project, pom_project_value(&pom, "project.groupId")), "",
                        "");
    if (parent)
        rb_scan_add_text(sheet, pom_name(&pom, parent, ""), pom_text(&pom, parent, "version"), RB_KIND_BUILD);
    pom_dependencies(&pom, rb_xml_child(pom.project, "dependencies"));
    pom_profiles(&pom);
    pom_managed(&pom, rb_xml_child(rb_xml_child(pom.project, "dependencyManagement"), "dependencies"));
    pom_plugins(&pom, rb_xml_child(rb_xml_child(pom.project, "build"), "plugins"));
    const xmlNode *modules = rb_xml_child(pom.project, "modules");
    for (const xmlNode *node = rb_xml_child(modules, "module"); node; node = rb_xml_next(node, "module"))
        sheet->members++;
out:
    json_decref(pom.properties);
    xmlFreeDoc(doc);
    return err;
}
