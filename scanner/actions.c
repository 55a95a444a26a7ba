/* GitHub Actions: the actions and images that workflows and composite actions use (docs.github.com, "Workflow
 * syntax", jobs.<job_id>.steps[*].uses, container, services; "Metadata syntax", runs). */
#include <ctype.h>
#include <string.h>
#include <yaml.h>

#include "scanner/docker.h"
#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

#define ACTIONS_EVENTS_MAX 20000 /* a large workflow has two thousand */
#define ACTIONS_DEPTH_MAX  64    /* libyaml keeps all that is open; a workflow nests seven deep */

/* The keys that lead to something. */
enum actions_key { KEY_NONE, KEY_USES, KEY_CONTAINER, KEY_SERVICES, KEY_IMAGE, KEY_RUNS };

struct actions_level {
    bool is_mapping;
    bool is_value; /* of a mapping: the next node is the value of `key` */
    enum actions_key key;
};
struct actions {
    struct rb_scan_sheet *sheet;
    size_t first; /* of the sheet's items, from this file */
    struct actions_level levels[ACTIONS_DEPTH_MAX + 1];
    int events, depth;
    bool is_end;
    struct rb_piece rest; /* the text from the line `line` on, for comments, which libyaml does not tell */
    size_t line;
};

static enum actions_key actions_key(struct rb_piece text)
{
    static const struct {
        const char *name;
        enum actions_key key;
    } keys[] = {{"uses", KEY_USES},
                {"container", KEY_CONTAINER},
                {"services", KEY_SERVICES},
                {"image", KEY_IMAGE},
                {"runs", KEY_RUNS}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (rb_piece_is(text, keys[i].name))
            return keys[i].key;
    }
    return KEY_NONE;
}

static bool actions_is_commit(struct rb_piece reference)
{
    enum { SHA1 = 40, SHA256 = 64 };
    if (reference.len != SHA1 && reference.len != SHA256)
        return false;
    for (size_t i = 0; i < reference.len; i++) {
        if (!isxdigit((unsigned char)reference.at[i]))
            return false;
    }
    return true;
}

/* "… # v4.1.7", "# tag=v4", "# ratchet:actions/checkout@v4": what the commit is called. */
static const char *actions_called(struct actions *actions, const yaml_event_t *event,
                                  struct rb_piece reference)
{
    struct rb_piece line = {"", 0}, word;
    while (actions->line <= event->end_mark.line && rb_piece_line(&line, &actions->rest))
        actions->line++;
    const char *at = memmem(line.at, line.len, reference.at, reference.len);
    const char *hash = at ? memchr(at, '#', (size_t)(line.at + line.len - at)) : NULL;
    if (!hash)
        return "";
    struct rb_piece comment = rb_piece_after(line, (size_t)(hash + 1 - line.at));
    if (!rb_piece_word(&word, &comment))
        return "";
    for (size_t i = word.len; i-- > 0;) {
        if (word.at[i] == '@' || word.at[i] == '=') {
            word = rb_piece_after(word, i + 1);
            break;
        }
    }
    size_t digit = word.len && (word.at[0] == 'v' || word.at[0] == 'V');
    if (digit >= word.len || !isdigit((unsigned char)word.at[digit]))
        return "";
    return rb_scan_requirement(actions->sheet, word.at, word.len);
}

/* "owner/repo/path@ref"; "./local" is part of this repository. */
static void actions_add(struct actions *actions, struct rb_piece uses, const yaml_event_t *event)
{
    struct rb_scan_sheet *sheet = actions->sheet;
    if (rb_piece_starts(uses, "docker://")) {
        rb_image_add(sheet, rb_piece_after(uses, 9), RB_KIND_BUILD);
        return;
    }
    const char *at = memchr(uses.at, '@', uses.len);
    if (rb_piece_starts(uses, ".") || !at || !memchr(uses.at, '/', uses.len))
        return;
    size_t len = (size_t)(at - uses.at);
    struct rb_piece reference = rb_piece_after(uses, len + 1);
    const char *version = actions_is_commit(reference) ? actions_called(actions, event, reference) : "";
    const char *written = rb_scan_requirement(sheet, reference.at, reference.len);
    for (size_t i = actions->first; i < sheet->count; i++) { /* the same in every job is one dependency */
        const struct rb_scan_dependency *item = &sheet->items[i];
        if (strlen(item->name) == len && memcmp(item->name, uses.at, len) == 0 &&
            strcmp(item->requirement, written) == 0)
            return;
    }
    struct rb_scan_dependency *item =
        rb_scan_add(sheet, uses.at, len, reference.at, reference.len, RB_KIND_BUILD);
    if (item)
        item->version = version;
}

/* The key at so many levels above the innermost. */
static enum actions_key actions_above(const struct actions *actions, int levels)
{
    return actions->depth > levels ? actions->levels[actions->depth - levels].key : KEY_NONE;
}

static void actions_value(struct actions *actions, struct rb_piece value, const yaml_event_t *event)
{
    enum { JOB = 3 }; /* mappings down to a job: the file's, that of "jobs", its own */
    switch (actions_above(actions, 0)) {
    case KEY_USES:
        actions_add(actions, value, event);
        break;
    case KEY_CONTAINER:
        if (actions->depth == JOB)
            rb_image_add(actions->sheet, value, RB_KIND_BUILD);
        break;
    case KEY_IMAGE:
        if (rb_piece_starts(value, "docker://")) /* an action that is an image */
            rb_image_add(actions->sheet, rb_piece_after(value, 9), RB_KIND_BUILD);
        else if ((actions->depth == JOB + 1 && actions_above(actions, 1) == KEY_CONTAINER) ||
                 (actions->depth == JOB + 2 && actions_above(actions, 2) == KEY_SERVICES))
            rb_image_add(actions->sheet, value, RB_KIND_BUILD);
        break;
    default:
        break;
    }
}

/* A node begins or is whole: which part of its mapping it is. */
static bool actions_is_value(struct actions *actions)
{
    struct actions_level *level = &actions->levels[actions->depth];
    if (actions->depth == 0 || !level->is_mapping)
        return false;
    level->is_value = !level->is_value;
    return !level->is_value;
}

static rb_err actions_event(struct actions *actions, const yaml_event_t *event)
{
    if (++actions->events > ACTIONS_EVENTS_MAX)
        return rb_error_set(RB_EINVAL, "YAML: more than any workflow holds");
    switch (event->type) {
    case YAML_SCALAR_EVENT: {
        struct rb_piece value = {(const char *)event->data.scalar.value, event->data.scalar.length};
        if (actions_is_value(actions))
            actions_value(actions, value, event);
        else
            actions->levels[actions->depth].key = actions_key(value);
        break;
    }
    case YAML_ALIAS_EVENT:
        actions_is_value(actions);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        actions_is_value(actions);
        if (++actions->depth > ACTIONS_DEPTH_MAX)
            return rb_error_set(RB_EINVAL, "YAML: nested too deeply");
        actions->levels[actions->depth] =
            (struct actions_level){.is_mapping = event->type == YAML_MAPPING_START_EVENT};
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        actions->depth--;
        break;
    default:
        actions->is_end = event->type == YAML_STREAM_END_EVENT;
        break;
    }
    return RB_OK;
}

static rb_err actions_on_event(void *arg, yaml_event_t *event, bool *end)
{
    struct actions *actions = arg;
    rb_err err = actions_event(actions, event);
    *end = actions->is_end;
    return err;
}

/* Reads the stream of events rather than a tree: it tells the lines, whose comments name versions. */
rb_err rb_actions_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct actions actions = {.sheet = sheet, .first = sheet->count, .rest = {text, len}};
    return rb_yaml_events(text, len, actions_on_event, &actions);
}

/* .pre-commit-config.yaml (pre-commit.com, "Adding pre-commit plugins to your project"): the repositories of
 * hooks, run by those who work on the project. */
rb_err rb_precommit_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *repo;
    size_t i;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    json_array_foreach(json_is_array(document) ? document : rb_json_get(document, "repos"), i, repo)
    {
        struct rb_piece name = rb_piece_of(rb_json_text(repo, "repo"));
        const char *scheme = name.len ? memmem(name.at, name.len, "://", 3) : NULL;
        if (!scheme) /* "local" and "meta" are no repositories */
            continue;
        name = rb_piece_after(name, (size_t)(scheme + 3 - name.at));
        if (rb_piece_starts(name, "github.com/"))
            name = rb_piece_after(name, 11);
        if (rb_piece_ends(name, ".git"))
            name.len -= 4;
        const char *at = memrchr(name.at, '@', name.len), *rev = rb_json_text(repo, "rev");
        if (at) /* credentials */
            name = rb_piece_after(name, (size_t)(at + 1 - name.at));
        rb_scan_add(sheet, name.at, name.len, rev, strlen(rev), RB_KIND_DEV);
    }
    json_decref(document);
    return RB_OK;
}
