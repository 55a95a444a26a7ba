/* npm: package.json (docs.npmjs.com, "package.json"). */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

/* "npm:real-name@^1" under another name: the package is the real one. */
static void npm_add(struct rb_scan_sheet *sheet, const char *name, const char *requirement, const char *kind)
{
    static const char *const here[] = {"workspace:", "file:", "link:", "portal:"};
    if (!rb_text_starts(requirement, "npm:")) {
        struct rb_scan_dependency *item = rb_scan_add_text(sheet, name, requirement, kind);
        for (size_t i = 0; item && i < sizeof here / sizeof *here; i++)
            item->local = item->local || rb_text_starts(requirement, here[i]);
        return;
    }
    const char *real = requirement + 4;
    const char *at = *real ? strchr(real + 1, '@') : NULL; /* the first byte may be a scope's */
    size_t len = at ? (size_t)(at - real) : strlen(real);
    rb_scan_add(sheet, real, len, at ? at + 1 : "", at ? strlen(at + 1) : 0, kind);
}

static void npm_group(struct rb_scan_sheet *sheet, const json_t *document, const char *group,
                      const char *kind)
{
    const char *name;
    json_t *requirement;
    json_object_foreach(rb_json_get(document, group), name, requirement)
    {
        const char *text = json_string_value(requirement);
        npm_add(sheet, name, text ? text : "", kind);
    }
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
    rb_scan_add_package(sheet, rb_json_text(document, "name"), rb_json_text(document, "version"),
                        rb_json_text(document, "license"));
    npm_group(sheet, document, "dependencies", RB_KIND_RUNTIME);
    npm_group(sheet, document, "devDependencies", RB_KIND_DEV);
    rb_scan_add_keys(sheet, "key", "", document);
    npm_group(sheet, document, "peerDependencies", RB_KIND_PEER);
    npm_group(sheet, document, "optionalDependencies", RB_KIND_OPTIONAL);
    const json_t *workspaces = rb_json_get(document, "workspaces");
    if (json_is_object(workspaces))
        workspaces = rb_json_get(workspaces, "packages");
    sheet->members += json_array_size(workspaces);
    json_decref(document);
    return RB_OK;
}
