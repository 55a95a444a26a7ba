/*
 * NuGet: MSBuild projects (PackageReference), central versions (Directory.Packages.props), packages.config
 * (learn.microsoft.com/nuget).
 */
#include <string.h>
#include <strings.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

#define NUGET_PROPERTIES_MAX 8  /* a property that names a property that names … */
#define NUGET_DEPTH_MAX      16 /* ItemGroup lies at 1, inside Choose/When at 3 */

static bool nuget_is_test_project(const char *path)
{
    const char *base = rb_path_base(path);
    return strcasestr(base, "test") || strcasestr(base, "benchmark") || rb_path_is_test(path);
}

static const char *nuget_value(const xmlNode *node, const char *name, struct rb_arena *arena)
{
    const char *value = rb_xml_attribute(node, name, arena);
    return *value ? value : rb_xml_child_text(node, name, arena);
}

struct nuget {
    struct rb_scan_sheet *sheet;
    json_t *properties; /* that this file sets */
};

/* "$(Name)" and "$(Name).1" with what the same file says; left as written where it does not. */
static const char *nuget_fill(const struct nuget *nuget, const char *text)
{
    struct rb_arena *arena = nuget->sheet->arena;
    for (int i = 0; i < NUGET_PROPERTIES_MAX; i++) {
        const char *start = strstr(text, "$(");
        const char *end = start ? strchr(start, ')') : NULL;
        if (!end || strlen(text) > RB_SCAN_NAME_MAX)
            break;
        const char *name = rb_arena_strndup(arena, start + 2, (size_t)(end - start - 2));
        const char *value = rb_json_text(nuget->properties, name);
        if (!*value)
            break;
        text = rb_arena_printf(arena, "%.*s%s%s", (int)(start - text), text, value, end + 1);
    }
    return text;
}

static const char *nuget_version(const struct nuget *nuget, const xmlNode *node, const char *name)
{
    return nuget_fill(nuget, nuget_value(node, name, nuget->sheet->arena));
}

static void nuget_reference(const struct nuget *nuget, const xmlNode *node)
{
    struct rb_scan_sheet *sheet = nuget->sheet;
    const char *name = rb_xml_attribute(node, "Include", sheet->arena);
    if (!*name) /* Update only changes what was included elsewhere */
        return;
    const char *version = nuget_version(nuget, node, "Version");
    if (!*version)
        version = nuget_version(nuget, node, "VersionOverride");
    const char *kind = nuget_is_test_project(sheet->manifest) ? RB_KIND_DEV : RB_KIND_RUNTIME;
    if (strcasecmp(nuget_value(node, "PrivateAssets", sheet->arena), "all") == 0)
        kind = RB_KIND_BUILD;
    rb_scan_add_text(sheet, name, version, kind);
}

static void nuget_package(struct rb_scan_sheet *sheet, const xmlNode *node)
{
    bool is_dev = strcasecmp(rb_xml_attribute(node, "developmentDependency", sheet->arena), "true") == 0;
    rb_scan_add_text(sheet, rb_xml_attribute(node, "id", sheet->arena),
                     rb_xml_attribute(node, "version", sheet->arena), is_dev ? RB_KIND_DEV : RB_KIND_RUNTIME);
}

static void nuget_central(const struct nuget *nuget, const xmlNode *node)
{
    struct rb_scan_sheet *sheet = nuget->sheet;
    struct rb_scan_dependency *offer =
        rb_scan_add_text(sheet, rb_xml_attribute(node, "Include", sheet->arena),
                         nuget_version(nuget, node, "Version"), RB_KIND_RUNTIME);
    if (offer)
        offer->offered = true;
}

static void nuget_walk(const struct nuget *nuget, const xmlNode *parent, int depth)
{
    struct rb_scan_sheet *sheet = nuget->sheet;
    for (const xmlNode *node = parent->children; node && depth; node = node->next) {
        if (rb_xml_is(node, "PackageReference"))
            nuget_reference(nuget, node);
        else if (rb_xml_is(node, "FrameworkReference"))
            rb_scan_add_text(sheet, rb_xml_attribute(node, "Include", sheet->arena), "", RB_KIND_RUNTIME);
        else if (rb_xml_is(node, "PackageVersion"))
            nuget_central(nuget, node);
        else if (rb_xml_is(node, "GlobalPackageReference"))
            rb_scan_add_text(sheet, rb_xml_attribute(node, "Include", sheet->arena),
                             nuget_version(nuget, node, "Version"), RB_KIND_BUILD);
        else if (rb_xml_is(node, "package"))
            nuget_package(sheet, node);
        else if (node->type == XML_ELEMENT_NODE)
            nuget_walk(nuget, node, depth - 1);
    }
}

rb_err rb_nuget_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    xmlDoc *doc;
    rb_err err = rb_xml_parse(&doc, text, len);
    if (err)
        return err;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (rb_xml_is(root, "Project") || rb_xml_is(root, "packages")) {
        /* The kind of project is a package of its own, and often the only sign of the framework. */
        const char *sdk = rb_xml_attribute(root, "Sdk", sheet->arena);
        if (*sdk && strcmp(sdk, "Microsoft.NET.Sdk") != 0) {
            const char *version = strchr(sdk, '/'); /* "Aspire.AppHost.Sdk/9.0.0" */
            rb_scan_add(sheet, sdk, strcspn(sdk, "/;"), version ? version + 1 : "",
                        version ? strlen(version + 1) : 0, RB_KIND_BUILD);
        }
        struct nuget nuget = {sheet, json_object()};
        for (const xmlNode *group = rb_xml_child(root, "PropertyGroup"); group;
             group = rb_xml_next(group, "PropertyGroup"))
            rb_xml_properties(nuget.properties, group, sheet->arena);
        nuget_walk(&nuget, root, NUGET_DEPTH_MAX);
        json_decref(nuget.properties);
    } else {
        err = rb_error_set(RB_EINVAL, "MSBuild: the root is neither <Project> nor <packages>");
    }
    xmlFreeDoc(doc);
    return err;
}
