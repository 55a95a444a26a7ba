#include "scanner/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* libyaml holds each tag directive against all before it; no manifest has one. */
#define YAML_TAGS_MAX    20
#define YAML_ANCHORS_MAX 1000 /* of a document; each alias is looked for among them */

static bool yaml_is_tame(const char *text, size_t len)
{
    int tags = 0;
    for (const char *at = text; (at = memmem(at, (size_t)(text + len - at), "%TAG", 4)); at++) {
        if (++tags > YAML_TAGS_MAX)
            return false;
    }
    return true;
}

rb_err rb_yaml_events(const char *text, size_t len, rb_yaml_event_fn fn, void *arg)
{
    yaml_parser_t parser;
    yaml_event_t event;
    rb_err err = RB_OK;
    if (!yaml_is_tame(text, len))
        return rb_error_set(RB_EINVAL, "YAML: more tag directives than anybody writes");
    if (!yaml_parser_initialize(&parser))
        return rb_error_set(RB_EINTERNAL, "YAML: out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* as looked at above */
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    for (bool is_end = false; !is_end && !err;) {
        if (!yaml_parser_parse(&parser, &event)) {
            err = rb_error_set(RB_EINVAL, "YAML: line %zu: %s", parser.problem_mark.line + 1,
                               parser.problem ? parser.problem : "not well-formed");
            break;
        }
        err = fn(arg, &event, &is_end);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return err;
}

struct yaml_level {
    json_t *node; /* owned */
    char *key;    /* of a mapping: the key whose value comes next; NULL when a key comes next */
    char *anchor;
};
struct yaml_anchor {
    char *name;
    json_t *node; /* owned */
};
struct yaml_build {
    struct yaml_level levels[RB_YAML_DEPTH_MAX];
    struct yaml_anchor anchors[YAML_ANCHORS_MAX];
    size_t depth, anchor_count, merged;
    json_t *root;
    int events;
    bool is_end;
};

static void build_anchor(struct yaml_build *build, const char *name, json_t *node)
{
    if (!name || build->anchor_count == YAML_ANCHORS_MAX)
        return;
    build->anchors[build->anchor_count++] = (struct yaml_anchor){rb_strdup(name), json_incref(node)};
}

/* An alias within its own anchor finds nothing, so there are no circles. A name given again counts anew. */
static json_t *build_alias(const struct yaml_build *build, const char *name)
{
    for (size_t i = build->anchor_count; i-- > 0;) {
        if (strcmp(build->anchors[i].name, name) == 0)
            return json_incref(build->anchors[i].node);
    }
    return json_null();
}

/* "<<: *defaults" or "<<: [*a, *b]": what the mapping does not say itself. */
static void build_merge(struct yaml_build *build, json_t *into, const json_t *from)
{
    const json_t *one;
    size_t i;
    json_array_foreach(from, i, one)
    {
        if (json_is_object(one))
            build_merge(build, into, one);
    }
    build->merged += json_object_size(from);
    if (json_is_object(from) && build->merged <= RB_YAML_MERGED_MAX)
        json_object_update_missing(into, (json_t *)from);
}

/* Takes the reference. */
static void build_put(struct yaml_build *build, json_t *node)
{
    if (build->depth == 0) {
        if (build->root)
            json_decref(node);
        else
            build->root = node;
        return;
    }
    struct yaml_level *level = &build->levels[build->depth - 1];
    if (json_is_array(level->node)) {
        json_array_append_new(level->node, node);
    } else if (!level->key) { /* a key */
        const char *text = json_string_value(node);
        level->key = rb_strdup(text ? text : "");
        json_decref(node);
    } else {
        if (strcmp(level->key, "<<") == 0) {
            build_merge(build, level->node, node);
            json_decref(node);
        } else {
            json_object_set_new(level->node, level->key, node);
        }
        free(level->key);
        level->key = NULL;
    }
}

static json_t *build_scalar(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (is_plain && (len == 0 || (len == 1 && text[0] == '~') || (len == 4 && memcmp(text, "null", 4) == 0)))
        return json_null();
    json_t *node = json_stringn(text, len);
    return node ? node : json_null();
}

static rb_err build_open(struct yaml_build *build, json_t *node, const yaml_char_t *anchor)
{
    if (build->depth == RB_YAML_DEPTH_MAX) {
        json_decref(node);
        return rb_error_set(RB_EINVAL, "YAML: nested more than %d deep", RB_YAML_DEPTH_MAX);
    }
    build->levels[build->depth++] =
        (struct yaml_level){.node = node, .anchor = anchor ? rb_strdup((const char *)anchor) : NULL};
    return RB_OK;
}

static void build_close(struct yaml_build *build)
{
    struct yaml_level level = build->levels[--build->depth];
    free(level.key);
    build_anchor(build, level.anchor, level.node);
    free(level.anchor);
    build_put(build, level.node);
}

static rb_err build_event(struct yaml_build *build, const yaml_event_t *event)
{
    json_t *node;
    if (++build->events > RB_YAML_EVENTS_MAX)
        return rb_error_set(RB_EINVAL, "YAML: more than %d nodes", RB_YAML_EVENTS_MAX);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node = build_scalar(event);
        build_anchor(build, (const char *)event->data.scalar.anchor, node);
        build_put(build, node);
        return RB_OK;
    case YAML_ALIAS_EVENT:
        build_put(build, build_alias(build, (const char *)event->data.alias.anchor));
        return RB_OK;
    case YAML_MAPPING_START_EVENT:
        return build_open(build, json_object(), event->data.mapping_start.anchor);
    case YAML_SEQUENCE_START_EVENT:
        return build_open(build, json_array(), event->data.sequence_start.anchor);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        build_close(build);
        return RB_OK;
    case YAML_DOCUMENT_END_EVENT:
    case YAML_STREAM_END_EVENT:
        build->is_end = true;
        return RB_OK;
    default:
        return RB_OK;
    }
}

static void build_free(struct yaml_build *build)
{
    while (build->depth > 0) {
        struct yaml_level *level = &build->levels[--build->depth];
        json_decref(level->node);
        free(level->key);
        free(level->anchor);
    }
    for (size_t i = 0; i < build->anchor_count; i++) {
        free(build->anchors[i].name);
        json_decref(build->anchors[i].node);
    }
    json_decref(build->root);
    free(build);
}

static rb_err build_on_event(void *arg, yaml_event_t *event, bool *end)
{
    struct yaml_build *build = arg;
    rb_err err = build_event(build, event);
    *end = build->is_end;
    return err;
}

rb_err rb_yaml_parse(json_t **out, const char *text, size_t len)
{
    struct yaml_build *build = rb_calloc(1, sizeof *build);
    rb_err err = rb_yaml_events(text, len, build_on_event, build);
    *out = NULL;
    if (!err) {
        *out = build->root ? build->root : json_null();
        build->root = NULL;
    }
    build_free(build);
    return err;
}
