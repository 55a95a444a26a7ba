/*
 * NuGet and .NET, the files in JSON and in forms of their own: packages.lock.json, tool manifests, solutions
 * (learn.microsoft.com/nuget, learn.microsoft.com/dotnet), Paket (fsprojects.github.io/Paket).
 */
#include <string.h>
#include <strings.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

/* ---- packages.lock.json ------------------------------------------------------------------------------- */

rb_err rb_nuget_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *packages, *package;
    const char *framework, *name;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    json_object_foreach(rb_json_get(document, "dependencies"), framework, packages)
    {
        json_object_foreach(packages, name, package)
        {
            const char *version = rb_json_text(package, "resolved");
            struct rb_scan_locked *locked = rb_scan_lock(sheet, name, strlen(name), version, strlen(version));
            if (locked)
                locked->local = strcasecmp(rb_json_text(package, "type"), "Project") == 0;
        }
    }
    json_decref(document);
    return RB_OK;
}

/* ---- .config/dotnet-tools.json ------------------------------------------------------------------------ */

/* {"tools": {"dotnet-ef": {"version": "8.0.0"}}} */
rb_err rb_dotnet_tools_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *tool;
    const char *name;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    json_object_foreach(rb_json_get(document, "tools"), name, tool)
    {
        struct rb_scan_dependency *item =
            rb_scan_add_text(sheet, name, rb_json_text(tool, "version"), RB_KIND_DEV);
        if (item)
            item->version = item->requirement;
    }
    json_decref(document);
    return RB_OK;
}

/* ---- solutions ---------------------------------------------------------------------------------------- */

/* Project("{kind}") = "Name", "path\to\Name.csproj", "{id}"; folders are no files. */
rb_err rb_dotnet_sln_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line;
    while (rb_piece_line(&line, &rest)) {
        line = rb_piece_trim(line);
        if (rb_piece_starts(line, "Project(") && memmem(line.at, line.len, "proj\"", 5))
            sheet->members++;
    }
    return RB_OK;
}

#define SLNX_DEPTH_MAX 8 /* folders of a solution within each other; the form allows one */

static void slnx_walk(struct rb_scan_sheet *sheet, const xmlNode *parent, int depth)
{
    for (const xmlNode *node = parent->children; node && depth; node = node->next) {
        if (rb_xml_is(node, "Project"))
            sheet->members += *rb_xml_attribute(node, "Path", sheet->arena) != 0;
        else if (node->type == XML_ELEMENT_NODE)
            slnx_walk(sheet, node, depth - 1);
    }
}

rb_err rb_dotnet_slnx_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    xmlDoc *doc;
    rb_err err = rb_xml_parse(&doc, text, len);
    if (err)
        return err;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (rb_xml_is(root, "Solution"))
        slnx_walk(sheet, root, SLNX_DEPTH_MAX);
    else
        err = rb_error_set(RB_EINVAL, "slnx: the root is not <Solution>");
    xmlFreeDoc(doc);
    return err;
}

/* ---- Paket -------------------------------------------------------------------------------------------- */

/* "group Test", then "nuget Name [requirement] [options]" */
rb_err rb_paket_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line, word, name;
    const char *kind = RB_KIND_RUNTIME;
    while (rb_piece_line(&line, &rest)) {
        struct rb_piece at = rb_piece_trim(line);
        if (!rb_piece_word(&word, &at))
            continue;
        if (rb_piece_is(word, "group") && rb_piece_word(&name, &at)) {
            const char *group = rb_piece_copy(sheet->arena, name);
            kind = strcasestr(group, "test")                                      ? RB_KIND_TEST
                   : strcasecmp(group, "build") == 0 || strcasestr(group, "tool") ? RB_KIND_BUILD
                                                                                  : RB_KIND_RUNTIME;
            continue;
        }
        if ((!rb_piece_is(word, "nuget") && !rb_piece_is(word, "clitool")) || !rb_piece_word(&name, &at))
            continue;
        at = rb_piece_trim(at);
        size_t end = 0; /* options are "name: value" */
        const char *colon = memchr(at.at, ':', at.len);
        for (end = colon ? (size_t)(colon - at.at) : at.len; colon && end && at.at[end - 1] != ' ';)
            end--;
        rb_scan_add(sheet, name.at, name.len, at.at, end, rb_piece_is(word, "clitool") ? RB_KIND_DEV : kind);
    }
    return RB_OK;
}

/* NUGET / "  remote: …" / "    Name (1.2.3)" / "      what that one wants (>= 1)"; groups as above. */
rb_err rb_paket_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line, name;
    const char *kind = RB_KIND_RUNTIME;
    bool is_nuget = false;
    while (rb_piece_line(&line, &rest)) {
        struct rb_piece at = rb_piece_trim(line);
        if (rb_piece_starts(line, "GROUP ")) {
            kind = strcasestr(rb_piece_copy(sheet->arena, at), "test") ? RB_KIND_TEST : RB_KIND_RUNTIME;
            continue;
        }
        if (line.len && line.at[0] != ' ')
            is_nuget = rb_piece_is(at, "NUGET");
        if (!is_nuget || !rb_piece_starts(line, "    ") || rb_piece_starts(line, "     ") ||
            !rb_piece_word(&name, &at))
            continue;
        at = rb_piece_trim(at);
        const char *close = at.len && at.at[0] == '(' ? memchr(at.at, ')', at.len) : NULL;
        struct rb_scan_locked *locked =
            close ? rb_scan_lock(sheet, name.at, name.len, at.at + 1, (size_t)(close - at.at) - 1) : NULL;
        if (locked)
            locked->kind = kind;
    }
    return RB_OK;
}
