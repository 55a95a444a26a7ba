/*
 * Versions that a workspace settles for all of its packages, whatever those ask for: "overrides" of npm
 * (docs.npmjs.com, "package.json") and bun, "resolutions" of yarn (yarnpkg.com, "Manifest"), which bun and
 * pnpm read too, "overrides" of pnpm (pnpm.io, "Settings"). Only the root's count, which is where the lock
 * lies. As far as they are about what a package of this repository asks for itself: of the others the lock
 * has the outcome.
 */
#include <ctype.h>
#include <string.h>

#include "scanner/npm.h"
#include "scanner/tree.h"
#include "scanner/walk.h"

#define OVERRIDES_MAX 2000 /* of all files; a large workspace has a hundred */

enum tool { NPM = 1, YARN = 2, PNPM = 4, BUN = 8 };

struct npm_override {
    const char *manifest;
    unsigned tools; /* that read it where it stands */
    const char *name;
    const char *range;  /* only where this is asked for; "" always */
    const char *within; /* only of what this package asks for; "" of all */
    const char *value;
};
struct rb_npm {
    struct npm_override *items;
    size_t count, capacity;
};

/* ---- what the files say ------------------------------------------------------------------------------- */

static void override_add(struct rb_scan_sheet *sheet, unsigned tools, struct rb_piece key,
                         struct rb_piece within, struct rb_piece value)
{
    struct rb_piece name, range;
    value = rb_piece_trim(value);
    rb_npm_split(&name, &range, rb_piece_trim(key));
    if (!sheet->npm)
        sheet->npm = rb_arena_alloc(sheet->arena, sizeof *sheet->npm);
    struct rb_npm *npm = sheet->npm;
    if (name.len == 0 || value.len == 0 || npm->count == OVERRIDES_MAX)
        return;
    if (rb_piece_starts(range, "npm:"))
        range = rb_piece_after(range, 4);
    npm->items = rb_arena_grown(sheet->arena, npm->items, npm->count, &npm->capacity, sizeof *npm->items);
    npm->items[npm->count++] = (struct npm_override){
        .manifest = sheet->manifest,
        .tools = tools,
        .name = rb_scan_requirement(sheet, name.at, name.len),
        .range = rb_scan_requirement(sheet, range.at, range.len),
        .within = rb_scan_requirement(sheet, within.at, within.len),
        .value = rb_scan_requirement(sheet, value.at, value.len),
    };
}

/* "a": "1", "a@^1": "1", "a": {".": "1"}: what else is within speaks of what others ask for. */
static void npm_overrides(struct rb_scan_sheet *sheet, const json_t *overrides)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)overrides, key, value)
    {
        const char *text = json_is_object(value) ? rb_json_text(value, ".") : json_string_value(value);
        override_add(sheet, NPM | BUN, rb_piece_of(key), rb_piece_of(""), rb_piece_of(text));
    }
}

/* A name, maybe behind that of a package of the workspace ("b/a") or two stars, which stand for any. Stars
 * behind another's name: that is about what others ask for. */
static void yarn_resolution(struct rb_scan_sheet *sheet, struct rb_piece key, struct rb_piece value)
{
    const char *slash = memrchr(key.at, '/', key.len);
    size_t begin = slash ? (size_t)(slash - key.at) + 1 : 0;
    const char *before = begin > 1 ? memrchr(key.at, '/', begin - 1) : NULL;
    size_t scope = before ? (size_t)(before - key.at) + 1 : 0;
    if (begin && key.at[scope] == '@' && scope < begin)
        begin = scope;
    struct rb_piece within = {key.at, begin ? begin - 1 : 0}, name, range;
    if (rb_piece_ends(within, "/**"))
        return;
    if (rb_piece_is(within, "**"))
        within.len = 0;
    rb_npm_split(&name, &range, within);
    override_add(sheet, YARN | PNPM | BUN, rb_piece_after(key, begin), name, value);
}

/* "a", "a@^1" and "b@1>a"; what compares ("a@>1") follows a blank, '|' or '@'. */
static void pnpm_override(struct rb_scan_sheet *sheet, struct rb_piece key, struct rb_piece value)
{
    struct rb_piece within = {"", 0}, name, range;
    for (size_t i = key.len; i-- > 1;) {
        if (key.at[i] != '>' || rb_text_has(" |@", key.at[i - 1]))
            continue;
        within = (struct rb_piece){key.at, i};
        key = rb_piece_after(key, i + 1);
        break;
    }
    rb_npm_split(&name, &range, rb_piece_trim(within));
    override_add(sheet, PNPM, key, name, value);
}

void rb_npm_overrides(struct rb_scan_sheet *sheet, const json_t *document)
{
    const char *key;
    json_t *value;
    npm_overrides(sheet, rb_json_get(document, "overrides"));
    json_object_foreach(rb_json_get(document, "resolutions"), key, value)
        yarn_resolution(sheet, rb_piece_of(key), rb_piece_of(json_string_value(value)));
    json_object_foreach(rb_json_get(rb_json_get(document, "pnpm"), "overrides"), key, value)
        pnpm_override(sheet, rb_piece_of(key), rb_piece_of(json_string_value(value)));
}

void rb_npm_override_visit(struct rb_scan_sheet *sheet, const struct rb_walk *at, struct rb_piece value)
{
    if (at->depth == 2 && rb_walk_is(at, 0, "overrides"))
        pnpm_override(sheet, at->keys[1], value);
}

/* ---- what follows ------------------------------------------------------------------------------------- */

static unsigned tools_of(const struct rb_scan_manifest *lock)
{
    rb_scan_parse_fn parse = lock->format->parse;
    return parse == rb_npm_lock_parse    ? NPM
           : parse == rb_yarn_lock_parse ? YARN
           : parse == rb_pnpm_lock_parse ? PNPM
           : parse == rb_bun_lock_parse  ? BUN
                                         : 0;
}

static size_t folder_len(const char *path)
{
    return (size_t)(rb_path_base(path) - path);
}

static bool is_above(const char *path, const char *below)
{
    return strncmp(path, below, folder_len(path)) == 0;
}

/* The tools whose locks lie nearest above, and where; 0 when there are none. */
static unsigned tools_above(size_t *folder, const struct rb_scan *scan, const char *manifest)
{
    unsigned found = 0;
    *folder = 0;
    for (size_t i = 0; i < scan->manifest_count; i++) {
        const struct rb_scan_manifest *lock = &scan->manifests[i];
        unsigned tools = tools_of(lock);
        if (!tools || !is_above(lock->path, manifest))
            continue;
        size_t len = folder_len(lock->path);
        found = found && len == *folder ? found | tools : !found || len > *folder ? tools : found;
        *folder = len > *folder ? len : *folder;
    }
    return found;
}

static const char *package_name(const struct rb_scan_sheet *sheet, const char *manifest)
{
    for (size_t i = 0; i < sheet->package_count; i++) {
        if (sheet->packages[i].manifest == manifest)
            return sheet->packages[i].name;
    }
    return "";
}

static bool override_is_for(const struct npm_override *override, const struct rb_scan_dependency *item,
                            const struct rb_scan_sheet *sheet)
{
    if (strcmp(override->name, item->name) != 0 || !is_above(override->manifest, item->manifest))
        return false;
    /* npm takes none for what the root asks for itself, unless they say the same. */
    if ((override->tools & NPM) && strcmp(override->manifest, item->manifest) == 0)
        return false;
    if (*override->range && strcmp(override->range, item->requirement) != 0)
        return false;
    return !*override->within || strcmp(override->within, package_name(sheet, item->manifest)) == 0;
}

/* "$react": as the root asks for it. */
static const char *override_value(const struct npm_override *override, const struct rb_scan_sheet *sheet)
{
    if (override->value[0] != '$')
        return override->value;
    for (size_t i = 0; i < sheet->count; i++) {
        const struct rb_scan_dependency *item = &sheet->items[i];
        size_t len = folder_len(override->manifest);
        if (strcmp(item->name, override->value + 1) == 0 && strcmp(item->ecosystem, "npm") == 0 &&
            folder_len(item->manifest) == len && strncmp(item->manifest, override->manifest, len) == 0 &&
            !item->offered && *item->requirement)
            return item->requirement;
    }
    return "";
}

static void override_apply(struct rb_scan_sheet *sheet, struct rb_scan_dependency *item, const char *value)
{
    struct rb_piece name = rb_piece_of(item->name), asked = rb_piece_of(value);
    if (strcmp(value, "-") == 0) { /* pnpm: not at all */
        item->name = "";
        return;
    }
    if (!*value || rb_piece_starts(asked, "catalog:"))
        return; /* the lock knows */
    item->local = item->local || rb_npm_is_here(asked);
    rb_npm_alias(&name, &asked);
    item->name = rb_piece_copy(sheet->arena, name);
    item->override = rb_piece_copy(sheet->arena, asked);
}

void rb_npm_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    const char *manifest = NULL; /* the last one: they come in order */
    unsigned tools = 0;
    size_t folder = 0;
    for (size_t i = 0; i < sheet->count && sheet->npm; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (strcmp(item->ecosystem, "npm") != 0 || item->offered || item->indirect)
            continue;
        if (item->manifest != manifest)
            tools = tools_above(&folder, scan, item->manifest);
        manifest = item->manifest;
        const struct npm_override *best = NULL;
        for (size_t k = 0; k < sheet->npm->count; k++) {
            const struct npm_override *override = &sheet->npm->items[k];
            size_t len = folder_len(override->manifest);
            if ((tools && (!(tools & override->tools) || len != folder)) ||
                !override_is_for(override, item, sheet))
                continue;
            /* The nearest; of those what says more. */
            if (!best || len > folder_len(best->manifest) ||
                (len == folder_len(best->manifest) && (*override->within || *override->range)))
                best = override;
        }
        if (best)
            override_apply(sheet, item, override_value(best, sheet));
    }
}

/* "1.2.3", "1.2.3-rc.1+5", not "1.x" or "^1.2.3". */
static bool version_is_exact(const char *text)
{
    size_t dots = 0, i = 0;
    for (; isdigit((unsigned char)text[i]) || (text[i] == '.' && i && isdigit((unsigned char)text[i + 1]));
         i++)
        dots += text[i] == '.';
    if (dots != 2 || (text[i] && text[i] != '-' && text[i] != '+'))
        return false;
    for (; text[i]; i++) {
        if (!isalnum((unsigned char)text[i]) && !rb_text_has("-+.", text[i]))
            return false;
    }
    return true;
}

void rb_npm_settle_exact(struct rb_scan_sheet *sheet)
{
    for (size_t i = 0; i < sheet->count && sheet->npm; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (item->override && !*item->version && !item->local && version_is_exact(item->override))
            item->version = item->override;
    }
}
