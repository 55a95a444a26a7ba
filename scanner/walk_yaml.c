/* YAML from front to back, through libyaml's events. */
#include <string.h>
#include <yaml.h>

#include "scanner/walk.h"
#include "scanner/yaml.h"

struct yaml_level {
    bool is_map, wants_key;
    size_t index;     /* in a list */
    yaml_event_t key; /* of a map: the scalar that names what comes; kept for its text */
    bool has_key;
};

struct yaml_walk {
    struct rb_walk at;
    struct yaml_level levels[RB_WALK_YAML_DEPTH_MAX];
    size_t open; /* levels; the walk's keys are at most RB_WALK_DEPTH_MAX of them */
    rb_walk_fn fn;
    void *arg;
};

static void yaml_call(struct yaml_walk *walk, enum rb_walk_what what, struct rb_piece value)
{
    walk->at.depth = walk->open;
    if (walk->open <= RB_WALK_DEPTH_MAX)
        walk->fn(walk->arg, &walk->at, what, value);
}

static void yaml_drop_key(struct yaml_level *level)
{
    if (level->has_key)
        yaml_event_delete(&level->key);
    level->has_key = false;
}

static void yaml_name(struct yaml_walk *walk, struct rb_piece key, size_t index)
{
    if (walk->open > RB_WALK_DEPTH_MAX)
        return;
    walk->at.keys[walk->open - 1] = key;
    walk->at.indexes[walk->open - 1] = index;
}

/* Before a value: its key in the walk. False when the event is a key itself, which is then kept. */
static bool yaml_is_value(struct yaml_walk *walk, yaml_event_t *event)
{
    if (walk->open == 0)
        return true;
    struct yaml_level *level = &walk->levels[walk->open - 1];
    struct rb_piece key = {"", 0};
    size_t index = level->is_map ? RB_WALK_NAMED : level->index++;
    if (level->is_map && level->wants_key) {
        level->wants_key = false;
        yaml_drop_key(level);
        if (event->type != YAML_SCALAR_EVENT) { /* a list as a key: what it names cannot be asked for */
            yaml_name(walk, (struct rb_piece){"", 0}, RB_WALK_NAMED);
            return event->type != YAML_ALIAS_EVENT;
        }
        level->key = *event;
        level->has_key = true;
        memset(event, 0, sizeof *event);
        return false;
    }
    if (level->is_map) {
        level->wants_key = true;
        key = level->has_key ? (struct rb_piece){(const char *)level->key.data.scalar.value,
                                                 level->key.data.scalar.length}
                             : (struct rb_piece){"", 0};
    }
    yaml_name(walk, key, index);
    return true;
}

static rb_err yaml_open(struct yaml_walk *walk, bool is_map)
{
    yaml_call(walk, RB_WALK_OPEN, (struct rb_piece){"", 0});
    if (walk->open == RB_WALK_YAML_DEPTH_MAX)
        return rb_error_set(RB_EINVAL, "YAML: nested too deeply");
    walk->levels[walk->open++] = (struct yaml_level){.is_map = is_map, .wants_key = is_map};
    return RB_OK;
}

static void yaml_close(struct yaml_walk *walk)
{
    yaml_drop_key(&walk->levels[--walk->open]);
    yaml_call(walk, RB_WALK_CLOSE, (struct rb_piece){"", 0});
}

static rb_err yaml_event(struct yaml_walk *walk, yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        if (yaml_is_value(walk, event))
            yaml_call(walk, RB_WALK_VALUE, (struct rb_piece){"", 0});
        return RB_OK;
    case YAML_SCALAR_EVENT:
        if (yaml_is_value(walk, event))
            yaml_call(walk, RB_WALK_VALUE,
                      (struct rb_piece){(const char *)event->data.scalar.value, event->data.scalar.length});
        return RB_OK;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        yaml_is_value(walk, event);
        return yaml_open(walk, event->type == YAML_MAPPING_START_EVENT);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        yaml_close(walk);
        return RB_OK;
    default:
        return RB_OK;
    }
}

static rb_err yaml_on_event(void *arg, yaml_event_t *event, bool *end)
{
    *end = event->type == YAML_STREAM_END_EVENT;
    return yaml_event(arg, event);
}

rb_err rb_walk_yaml(const char *text, size_t len, rb_walk_fn fn, void *arg)
{
    struct yaml_walk walk = {.fn = fn, .arg = arg};
    rb_err err = rb_yaml_events(text, len, yaml_on_event, &walk);
    while (walk.open > 0)
        yaml_drop_key(&walk.levels[--walk.open]);
    return err;
}
