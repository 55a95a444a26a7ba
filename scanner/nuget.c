/*
 * NuGet: MSBuild projects and the files they share (PackageReference, central versions, properties),
 * packages.config (learn.microsoft.com/nuget). Properties and central versions of Directory.*.props and the
 * like are filled in when all was read: a project's own first, then those of the nearest folder above.
 */
#include <string.h>
#include <strings.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

#define NUGET_FILL_MAX    8   /* properties within properties, and properties of one text */
#define NUGET_SETTERS_MAX 200 /* shared files that set one property; each use looks at all */
#define NUGET_DEPTH_MAX   16  /* ItemGroup lies at 1, inside Choose/When at 3 */

/* What is kept of each file until all were read. */
struct nuget_file {
    const char *manifest;
    json_t *properties; /* as MSBuild compares them: names in lower case */
    json_t *central;    /* package, in lower case: index of the item that offers its version */
    bool is_shared;     /* a .props or .targets file, which projects import */
    bool is_test;
    size_t first; /* of the sheet's items */
    struct nuget_file *next;
};

struct nuget_ref {
    size_t item;
    const char *text; /* the version as written */
    const struct nuget_file *file;
};

struct rb_nuget {
    struct nuget_file *files;
    json_t
        *shared; /* property: indexes into `list` of the shared files that set it; NULL until all was read */
    const struct nuget_file **list;
    struct nuget_ref *refs;
    size_t ref_count, ref_capacity;
};

struct nuget {
    struct rb_scan_sheet *sheet;
    struct nuget_file *file;
};

static const char *nuget_lower(struct rb_arena *arena, const char *name)
{
    char *lower = rb_arena_strdup(arena, name);
    for (char *at = lower; *at; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 'a' - 'A') : *at;
    return lower;
}

/* ---- properties --------------------------------------------------------------------------------------- */

static size_t nuget_folder(const char *path)
{
    return (size_t)(rb_path_base(path) - path);
}

/* What shared files say of it: those of the folders above first, the nearest one; then any, if they agree. */
static const char *nuget_shared(const struct rb_scan_sheet *sheet, const struct nuget_file *file,
                                const char *name)
{
    const char *best = "", *any = "";
    size_t best_len = 0, i;
    bool is_one = true;
    json_t *index;
    json_array_foreach(rb_json_get(sheet->nuget->shared, name), i, index)
    {
        const struct nuget_file *at = sheet->nuget->list[json_integer_value(index)];
        const char *value = rb_json_text(at->properties, name);
        size_t len = nuget_folder(at->manifest);
        if (strncmp(at->manifest, file->manifest, len) == 0 && (!*best || len > best_len)) {
            best = value;
            best_len = len;
        }
        is_one = is_one && (!*any || strcmp(any, value) == 0);
        any = value;
    }
    return *best ? best : is_one ? any : "";
}

/* Which shared files set which property. */
static void nuget_share(struct rb_scan_sheet *sheet)
{
    struct rb_nuget *nuget = sheet->nuget;
    size_t count = 0, at = 0;
    const char *name;
    json_t *value;
    for (const struct nuget_file *file = nuget->files; file; file = file->next)
        count++;
    nuget->list = rb_arena_alloc(sheet->arena, count * sizeof(struct nuget_file *));
    nuget->shared = json_object();
    for (const struct nuget_file *file = nuget->files; file; file = file->next, at++) {
        nuget->list[at] = file;
        json_object_foreach(file->properties, name, value)
        {
            json_t *list = json_object_get(nuget->shared, name);
            if (!file->is_shared || !json_is_string(value) || json_array_size(list) == NUGET_SETTERS_MAX)
                continue;
            if (!list) {
                list = json_array();
                json_object_set_new(nuget->shared, name, list);
            }
            json_array_append_new(list, json_integer((json_int_t)at));
        }
    }
}

/* "$(Name)" and "$(Name).1"; left as written where nobody says what it is. */
static const char *nuget_fill(struct rb_scan_sheet *sheet, const struct nuget_file *file, const char *text)
{
    size_t from = 0;
    for (int i = 0; i < NUGET_FILL_MAX && strlen(text) <= RB_SCAN_NAME_MAX; i++) {
        const char *start = strstr(text + from, "$("), *end = start ? strchr(start, ')') : NULL;
        if (!end)
            break;
        const char *name =
            nuget_lower(sheet->arena, rb_arena_strndup(sheet->arena, start + 2, (size_t)(end - start - 2)));
        const char *value = rb_json_text(file->properties, name);
        if (!*value)
            value = nuget_shared(sheet, file, name);
        if (*value)
            text = rb_arena_printf(sheet->arena, "%.*s%s%s", (int)(start - text), text, value, end + 1);
        else
            from = (size_t)(end + 1 - text);
    }
    return text;
}

/* A later one wins, as in MSBuild; under a condition, only where there is none yet, and not where two
 * conditions say different things. */
static void nuget_properties(const struct nuget *nuget, const xmlNode *group)
{
    struct rb_arena *arena = nuget->sheet->arena;
    json_t *properties = nuget->file->properties;
    bool is_conditional = xmlHasProp(group, (const xmlChar *)"Condition") != NULL;
    for (const xmlNode *node = group->children; node; node = node->next) {
        const char *text = node->type == XML_ELEMENT_NODE ? rb_xml_text(node, arena) : "";
        if (!*text)
            continue;
        const char *name = nuget_lower(arena, (const char *)node->name);
        bool may = is_conditional || xmlHasProp(node, (const xmlChar *)"Condition") != NULL;
        const json_t *known = json_object_get(properties, name);
        if (!may || !known)
            json_object_set_new(properties, name, json_string(text));
        else if (is_conditional && strcmp(rb_json_text(properties, name), text) != 0)
            json_object_set_new(properties, name, json_null());
    }
}

/* ---- references --------------------------------------------------------------------------------------- */

static const char *nuget_value(const xmlNode *node, const char *name, struct rb_arena *arena)
{
    const char *value = rb_xml_attribute(node, name, arena);
    return *value ? value : rb_xml_child_text(node, name, arena);
}

/* "1.2.3" is the lowest that will do, and what is referenced directly is taken as low as it may be. */
static const char *nuget_exact(struct rb_scan_sheet *sheet, const char *version)
{
    size_t len = strlen(version);
    if (len > 2 && version[0] == '[' && version[len - 1] == ']' && !strchr(version, ','))
        return rb_scan_requirement(sheet, version + 1, len - 2);
    return strpbrk(version, "[](),*$@ ") ? "" : version;
}

static void nuget_set_version(struct rb_scan_sheet *sheet, struct rb_scan_dependency *item,
                              const char *version)
{
    item->requirement = rb_scan_requirement(sheet, version, strlen(version));
    item->version = nuget_exact(sheet, item->requirement);
}

static struct rb_scan_dependency *nuget_add(const struct nuget *nuget, const char *name, const char *version,
                                            const char *kind)
{
    struct rb_scan_sheet *sheet = nuget->sheet;
    name = nuget_fill(sheet, nuget->file, name);
    struct rb_scan_dependency *item =
        strchr(name, '@') || strchr(name, '(') ? NULL : rb_scan_add_text(sheet, name, "", kind);
    if (!item)
        return NULL;
    nuget_set_version(sheet, item, nuget_fill(sheet, nuget->file, version));
    struct rb_nuget *all = sheet->nuget;
    all->refs =
        rb_arena_grown(sheet->arena, all->refs, all->ref_count, &all->ref_capacity, sizeof *all->refs);
    all->refs[all->ref_count++] = (struct nuget_ref){(size_t)(item - sheet->items), version, nuget->file};
    return item;
}

/* Names that only test projects reference. */
static bool nuget_is_test_kit(const char *name)
{
    static const char *const kits[] = {"Microsoft.NET.Test.Sdk", "xunit", "xunit.v3",  "NUnit", "MSTest",
                                       "MSTest.TestFramework",   "TUnit", "MSTest.Sdk"};
    for (size_t i = 0; i < sizeof kits / sizeof *kits; i++) {
        if (strcasecmp(name, kits[i]) == 0)
            return true;
    }
    return false;
}

/* What the names in it say: "a;b" in one attribute is two packages. */
static void nuget_reference(const struct nuget *nuget, const xmlNode *node)
{
    struct rb_scan_sheet *sheet = nuget->sheet;
    const char *names = rb_xml_attribute(node, "Include", sheet->arena), *kind = RB_KIND_RUNTIME;
    const char *version = nuget_value(node, "VersionOverride", sheet->arena);
    if (!*version)
        version = nuget_value(node, "Version", sheet->arena);
    const char *assets = nuget_value(node, "PrivateAssets", sheet->arena);
    if (strcasecmp(assets, "all") == 0 ||
        strcasecmp(nuget_value(node, "DevelopmentDependency", sheet->arena), "true") == 0)
        kind = RB_KIND_BUILD;
    /* Update only changes what was included elsewhere: in a shared file, a version of it is an offer. */
    bool is_update = !*names;
    if (is_update && *version && nuget->file->is_shared)
        names = rb_xml_attribute(node, "Update", sheet->arena);
    while (*names) {
        size_t len = strcspn(names, ";");
        struct rb_scan_dependency *item =
            nuget_add(nuget, rb_arena_strndup(sheet->arena, names, len), version, kind);
        names += len + (names[len] == ';');
        if (!item)
            continue;
        nuget->file->is_test = nuget->file->is_test || (!is_update && nuget_is_test_kit(item->name));
        if (is_update) {
            item->offered = true;
            json_object_set_new(nuget->file->central, nuget_lower(sheet->arena, item->name),
                                json_integer((json_int_t)(item - sheet->items)));
        }
    }
}

static void nuget_package(const struct nuget *nuget, const xmlNode *node)
{
    struct rb_arena *arena = nuget->sheet->arena;
    bool is_dev = strcasecmp(rb_xml_attribute(node, "developmentDependency", arena), "true") == 0;
    struct rb_scan_dependency *item =
        rb_scan_add_text(nuget->sheet, rb_xml_attribute(node, "id", arena),
                         rb_xml_attribute(node, "version", arena), is_dev ? RB_KIND_DEV : RB_KIND_RUNTIME);
    if (item) /* packages.config holds what was installed */
        item->version = nuget_exact(nuget->sheet, item->requirement);
    nuget->file->is_test = nuget->file->is_test || (item && nuget_is_test_kit(item->name));
}

static void nuget_central(const struct nuget *nuget, const xmlNode *node)
{
    struct rb_scan_sheet *sheet = nuget->sheet;
    const char *name = nuget_value(node, "Include", sheet->arena);
    struct rb_scan_dependency *offer =
        nuget_add(nuget, *name ? name : rb_xml_attribute(node, "Update", sheet->arena),
                  nuget_value(node, "Version", sheet->arena), RB_KIND_RUNTIME);
    if (!offer)
        return;
    offer->offered = true;
    json_object_set_new(nuget->file->central, nuget_lower(sheet->arena, offer->name),
                        json_integer((json_int_t)(offer - sheet->items)));
}

/* The kind of project is a package of its own, and often the only sign of the framework:
 * "Aspire.AppHost.Sdk/9.0.0". */
static void nuget_sdk(const struct nuget *nuget, const char *sdk, const char *version)
{
    size_t len = strcspn(sdk, "/;");
    if (sdk[len] == '/')
        version = sdk + len + 1;
    if (*sdk && strcmp(sdk, "Microsoft.NET.Sdk") != 0)
        rb_scan_add(nuget->sheet, sdk, len, version, strcspn(version, ";"), RB_KIND_BUILD);
    nuget->file->is_test = nuget->file->is_test || rb_piece_is((struct rb_piece){sdk, len}, "MSTest.Sdk");
}

static void nuget_walk(const struct nuget *nuget, const xmlNode *parent, int depth)
{
    struct rb_arena *arena = nuget->sheet->arena;
    for (const xmlNode *node = parent->children; node && depth; node = node->next) {
        if (rb_xml_is(node, "PackageReference"))
            nuget_reference(nuget, node);
        else if (rb_xml_is(node, "FrameworkReference"))
            rb_scan_add_text(nuget->sheet, rb_xml_attribute(node, "Include", arena), "", RB_KIND_RUNTIME);
        else if (rb_xml_is(node, "PackageVersion"))
            nuget_central(nuget, node);
        else if (rb_xml_is(node, "GlobalPackageReference"))
            nuget_add(nuget, rb_xml_attribute(node, "Include", arena), nuget_value(node, "Version", arena),
                      RB_KIND_BUILD);
        else if (rb_xml_is(node, "package"))
            nuget_package(nuget, node);
        else if (rb_xml_is(node, "Sdk"))
            nuget_sdk(nuget, rb_xml_attribute(node, "Name", arena), rb_xml_attribute(node, "Version", arena));
        else if (rb_xml_is(node, "PropertyGroup"))
            nuget_properties(nuget, node);
        else if (node->type == XML_ELEMENT_NODE)
            nuget_walk(nuget, node, depth - 1);
    }
}

/* ---- projects ----------------------------------------------------------------------------------------- */

static bool nuget_is_project(const char *path)
{
    return rb_text_ends(path, "proj");
}

/* "App.Tests", "AppTest", "App.UnitTests"; and everything below a folder of tests. */
static bool nuget_is_test_name(const char *path)
{
    static const char *const ends[] = {"test", "tests", "specs"};
    const char *base = rb_path_base(path);
    size_t len = (size_t)(strrchr(base, '.') ? strrchr(base, '.') - base : 0);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t end = strlen(ends[i]);
        if (len >= end && strncasecmp(base + len - end, ends[i], end) == 0)
            return true;
    }
    return rb_path_is_test(path);
}

/* What a project of tests or benchmarks references is for those only. */
static void nuget_scope(const struct nuget *nuget)
{
    struct nuget_file *file = nuget->file;
    struct rb_scan_sheet *sheet = nuget->sheet;
    const char *told = rb_json_text(file->properties, "istestproject");
    if (strcasecmp(told, "false") == 0)
        file->is_test = false;
    else if (strcasecmp(told, "true") == 0 || nuget_is_test_name(file->manifest))
        file->is_test = true;
    bool is_benchmark = strcasestr(rb_path_base(file->manifest), "benchmark") != NULL;
    for (size_t i = file->first; i < sheet->count && (file->is_test || is_benchmark) && !file->is_shared;
         i++) {
        if (!sheet->items[i].offered && strcmp(sheet->items[i].kind, RB_KIND_RUNTIME) == 0)
            sheet->items[i].kind = file->is_test ? RB_KIND_TEST : RB_KIND_DEV;
    }
}

static void nuget_describe(const struct nuget *nuget, const xmlNode *root)
{
    struct rb_scan_sheet *sheet = nuget->sheet;
    const json_t *properties = nuget->file->properties;
    const char *base = rb_path_base(sheet->manifest), *name = rb_json_text(properties, "packageid"),
               *output = rb_json_text(properties, "outputtype"),
               *version = rb_json_text(properties, "version");
    if (!*version)
        version = rb_json_text(properties, "versionprefix");
    if (!*name)
        name = rb_json_text(properties, "assemblyname");
    if (!*name || strchr(name, '$'))
        name = rb_arena_strndup(sheet->arena, base, (size_t)(strrchr(base, '.') - base));
    struct rb_scan_package *package =
        rb_scan_add_package(sheet, name, strchr(version, '$') ? "" : version,
                            rb_json_text(properties, "packagelicenseexpression"));
    const char *sdk = rb_xml_attribute(root, "Sdk", sheet->arena);
    bool is_program = strcasecmp(output, "exe") == 0 || strcasecmp(output, "winexe") == 0 ||
                      rb_text_starts(sdk, "Microsoft.NET.Sdk.Web") ||
                      rb_text_starts(sdk, "Microsoft.NET.Sdk.Worker");
    if (is_program && !nuget->file->is_test)
        rb_scan_add_entry(sheet, package, name, base);
}

static void nuget_file_free(void *arg)
{
    struct nuget_file *file = arg;
    json_decref(file->properties);
    json_decref(file->central);
}

static struct nuget_file *nuget_file_new(struct rb_scan_sheet *sheet)
{
    struct nuget_file *file = rb_arena_alloc(sheet->arena, sizeof *file);
    if (!sheet->nuget)
        sheet->nuget = rb_arena_alloc(sheet->arena, sizeof *sheet->nuget);
    file->manifest = sheet->manifest;
    file->properties = json_object();
    file->central = json_object();
    file->is_shared = rb_text_ends(file->manifest, ".props") || rb_text_ends(file->manifest, ".targets");
    file->first = sheet->count;
    file->next = sheet->nuget->files;
    sheet->nuget->files = file;
    rb_arena_defer(sheet->arena, nuget_file_free, file);
    return file;
}

rb_err rb_nuget_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    xmlDoc *doc;
    rb_err err = rb_xml_parse(&doc, text, len);
    if (err)
        return err;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (rb_xml_is(root, "Project") || rb_xml_is(root, "packages")) {
        struct nuget nuget = {sheet, nuget_file_new(sheet)};
        nuget_sdk(&nuget, rb_xml_attribute(root, "Sdk", sheet->arena), "");
        nuget_walk(&nuget, root, NUGET_DEPTH_MAX);
        nuget_scope(&nuget);
        if (nuget_is_project(sheet->manifest))
            nuget_describe(&nuget, root);
    } else {
        err = rb_error_set(RB_EINVAL, "MSBuild: the root is neither <Project> nor <packages>");
    }
    xmlFreeDoc(doc);
    return err;
}

/* global.json: {"msbuild-sdks": {"Name": "1.0"}} says which versions of them the projects get. */
rb_err rb_dotnet_global_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *version;
    const char *name;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    struct nuget_file *file = nuget_file_new(sheet);
    json_object_foreach(rb_json_get(document, "msbuild-sdks"), name, version)
    {
        struct rb_scan_dependency *item = rb_scan_add_text(sheet, name, "", RB_KIND_BUILD);
        if (!item || !json_is_string(version))
            continue;
        nuget_set_version(sheet, item, json_string_value(version));
        item->offered = true;
        json_object_set_new(file->central, nuget_lower(sheet->arena, item->name),
                            json_integer((json_int_t)(item - sheet->items)));
    }
    json_decref(document);
    return RB_OK;
}

/* ---- when all was read -------------------------------------------------------------------------------- */

/* The central version that holds for a project: that of the nearest folder above, else the only one there is.
 */
static struct rb_scan_dependency *nuget_offer(struct rb_scan_sheet *sheet, const char *manifest,
                                              const char *name)
{
    struct rb_scan_dependency *best = NULL, *any = NULL;
    size_t best_len = 0, found = 0;
    for (const struct nuget_file *at = sheet->nuget->files; at; at = at->next) {
        const json_t *index = json_object_get(at->central, name);
        size_t len = nuget_folder(at->manifest);
        if (!index)
            continue;
        any = &sheet->items[json_integer_value(index)];
        found++;
        if (strncmp(at->manifest, manifest, len) == 0 && (!best || len > best_len)) {
            best = any;
            best_len = len;
        }
    }
    return best ? best : found == 1 ? any : NULL;
}

void rb_nuget_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    if (!sheet->nuget)
        return;
    nuget_share(sheet);
    for (size_t i = 0; i < sheet->nuget->ref_count; i++) {
        const struct nuget_ref *ref = &sheet->nuget->refs[i];
        if (strchr(ref->text, '$'))
            nuget_set_version(sheet, &sheet->items[ref->item], nuget_fill(sheet, ref->file, ref->text));
    }
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (item->offered || *item->requirement || strcmp(item->ecosystem, "nuget") != 0)
            continue;
        const struct rb_scan_dependency *offer =
            nuget_offer(sheet, item->manifest, nuget_lower(sheet->arena, item->name));
        if (offer) {
            item->requirement = offer->requirement;
            item->version = offer->version;
        }
    }
    json_decref(sheet->nuget->shared);
    sheet->nuget->shared = NULL;
}
