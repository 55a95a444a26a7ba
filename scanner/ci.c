/*
 * Images that continuous integration runs in: .gitlab-ci.yml (docs.gitlab.com, "CI/CD YAML syntax
 * reference"), CircleCI, Bitbucket, Azure, Drone and Woodpecker write them alike, `image: name:tag` wherever
 * a job is.
 */
#include <string.h>

#include "scanner/docker.h"
#include "scanner/scan.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

#define CI_DEPTH_MAX 12    /* jobs nest six deep */
#define CI_STEPS_MAX 20000 /* an alias is walked each time; large files have 5,000 nodes */

struct ci {
    struct rb_scan_sheet *sheet;
    int steps;
};

static void ci_image(struct ci *ci, const json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value) : rb_json_text(value, "name");
    if (*text)
        rb_image_add(ci->sheet, rb_piece_of(text), RB_KIND_BUILD);
}

/* "services: [postgres:16, {name: redis:7}]"; those that have an image of their own are found as all others.
 */
static void ci_services(struct ci *ci, const json_t *list)
{
    json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (!rb_json_get(item, "image") && ++ci->steps <= CI_STEPS_MAX)
            ci_image(ci, item);
    }
}

static void ci_walk(struct ci *ci, const json_t *node, int depth)
{
    const char *key;
    json_t *value;
    size_t i;
    if (depth == CI_DEPTH_MAX)
        return;
    json_array_foreach(node, i, value)
    {
        if (++ci->steps > CI_STEPS_MAX)
            return;
        ci_walk(ci, value, depth + 1);
    }
    json_object_foreach((json_t *)node, key, value)
    {
        if (++ci->steps > CI_STEPS_MAX)
            return;
        if (strcmp(key, "image") == 0)
            ci_image(ci, value);
        else if (strcmp(key, "services") == 0)
            ci_services(ci, value);
        if (strcmp(key, "variables") != 0)
            ci_walk(ci, value, depth + 1);
    }
}

rb_err rb_ci_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    struct ci ci = {.sheet = sheet};
    sheet->aside = true; /* how it is built, not what it is */
    ci_walk(&ci, document, 0);
    json_decref(document);
    return RB_OK;
}
