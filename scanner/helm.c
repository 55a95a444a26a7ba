/* Helm charts (helm.sh, "Charts"): Chart.yaml, its lock, and the images that values.yaml names. */
#include <string.h>

#include "scanner/docker.h"
#include "scanner/scan.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

static void chart_dependencies(struct rb_scan_sheet *sheet, const json_t *document)
{
    json_t *dependency;
    size_t i;
    json_array_foreach(rb_json_get(document, "dependencies"), i, dependency)
    {
        const char *repository = rb_json_text(dependency, "repository");
        bool is_optional = *rb_json_text(dependency, "condition");
        struct rb_scan_dependency *item =
            rb_scan_add_text(sheet, rb_json_text(dependency, "name"), rb_json_text(dependency, "version"),
                             is_optional ? RB_KIND_OPTIONAL : RB_KIND_RUNTIME);
        if (item)
            item->local = rb_text_starts(repository, "file://");
    }
}

/* requirements.yaml of Helm 2 as well: the same list, without what the chart says of itself. */
rb_err rb_chart_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    const char *name = rb_json_text(document, "name");
    if (*name)
        rb_scan_add_package(sheet, name, rb_json_text(document, "version"), "");
    chart_dependencies(sheet, document);
    json_decref(document);
    return RB_OK;
}

rb_err rb_chart_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *dependency;
    size_t i;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    json_array_foreach(rb_json_get(document, "dependencies"), i, dependency)
    {
        const char *name = rb_json_text(dependency, "name"), *version = rb_json_text(dependency, "version");
        struct rb_scan_locked *locked = rb_scan_lock(sheet, name, strlen(name), version, strlen(version));
        if (!locked)
            continue;
        locked->direct = true; /* it holds no others */
        locked->local = rb_text_starts(rb_json_text(dependency, "repository"), "file://");
    }
    json_decref(document);
    return RB_OK;
}

/* ---- values.yaml -------------------------------------------------------------------------------------- */

#define VALUES_DEPTH_MAX 12    /* charts within charts nest six deep */
#define VALUES_STEPS_MAX 20000 /* an alias is walked each time; the largest values have 5,000 nodes */

struct values {
    struct rb_scan_sheet *sheet;
    int steps;
};

/* image: {registry: docker.io, repository: bitnami/redis, tag: 7.2, digest: ""} */
static void values_image(struct rb_scan_sheet *sheet, const json_t *image)
{
    const char *registry = rb_json_text(image, "registry"), *repository = rb_json_text(image, "repository"),
               *tag = rb_json_text(image, "tag"), *digest = rb_json_text(image, "digest");
    if (!*repository)
        return;
    const char *name = *registry ? rb_arena_printf(sheet->arena, "%s/%s", registry, repository) : repository;
    if (*tag)
        name = rb_arena_printf(sheet->arena, "%s:%s", name, tag);
    if (*digest)
        name = rb_arena_printf(sheet->arena, "%s@%s", name, digest);
    rb_image_add(sheet, rb_piece_of(name), RB_KIND_RUNTIME);
}

static bool values_is_image(const char *key)
{
    return strcmp(key, "image") == 0 || rb_text_ends(key, "Image");
}

static void values_walk(struct values *values, const json_t *node, int depth)
{
    const char *key;
    json_t *value;
    size_t i;
    if (depth == VALUES_DEPTH_MAX)
        return;
    json_array_foreach(node, i, value)
    {
        if (++values->steps > VALUES_STEPS_MAX)
            return;
        values_walk(values, value, depth + 1);
    }
    json_object_foreach((json_t *)node, key, value)
    {
        if (++values->steps > VALUES_STEPS_MAX)
            return;
        const char *text = json_string_value(value);
        if (text && values_is_image(key) && (strchr(text, ':') || strchr(text, '/')))
            rb_image_add(values->sheet, rb_piece_of(text), RB_KIND_RUNTIME);
        if (values_is_image(key))
            values_image(values->sheet, value);
        values_walk(values, value, depth + 1);
    }
}

rb_err rb_values_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    struct values values = {.sheet = sheet};
    values_walk(&values, document, 0);
    json_decref(document);
    return RB_OK;
}
