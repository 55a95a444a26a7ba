/* Composer: composer.json (getcomposer.org, "The composer.json schema"). */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

/* What the platform brings: PHP itself, its extensions, Composer's own interfaces. Packages have a '/'. */
static bool composer_is_platform(const char *name)
{
    return !strchr(name, '/');
}

static void composer_group(struct rb_scan_sheet *sheet, const json_t *document, const char *group,
                           const char *kind)
{
    const char *name;
    json_t *requirement;
    json_object_foreach(rb_json_get(document, group), name, requirement)
    {
        if (!composer_is_platform(name))
            rb_scan_add_text(sheet, name, json_string_value(requirement), kind);
    }
}

rb_err rb_composer_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    if (!json_is_object(document)) {
        json_decref(document);
        return rb_error_set(RB_EINVAL, "composer.json: not an object");
    }
    rb_scan_add_package(sheet, rb_json_text(document, "name"), rb_json_text(document, "version"),
                        rb_json_text(document, "license"));
    composer_group(sheet, document, "require", RB_KIND_RUNTIME);
    composer_group(sheet, document, "require-dev", RB_KIND_DEV);
    json_decref(document);
    return RB_OK;
}
