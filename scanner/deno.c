/*
 * deno.json, deno.jsonc and deno.lock (docs.deno.com, "deno.json"): imports are addresses, "npm:name@^1",
 * "jsr:@a/b@^1".
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/npm.h"
#include "scanner/tree.h"
#include "scanner/walk.h"

static void deno_import(struct rb_scan_sheet *sheet, struct rb_piece address)
{
    bool is_npm = rb_piece_starts(address, "npm:");
    if (!is_npm && !rb_piece_starts(address, "jsr:"))
        return; /* a file, or a page of the web */
    struct rb_piece name, rest;
    address = rb_piece_after(address, 4);
    while (rb_piece_starts(address, "/"))
        address = rb_piece_after(address, 1);
    rb_npm_split(&name, &rest, address);
    const char *slash = rest.len ? memchr(rest.at, '/', rest.len) : NULL; /* a file within the package */
    if (slash)
        rest.len = (size_t)(slash - rest.at);
    struct rb_scan_dependency *item =
        rb_scan_add(sheet, name.at, name.len, rest.at, rest.len, RB_KIND_RUNTIME);
    if (item)
        item->ecosystem = is_npm ? "npm" : "jsr";
}

static void deno_document(struct rb_scan_sheet *sheet, const json_t *document)
{
    const char *name;
    json_t *value;
    struct rb_scan_package *package =
        rb_scan_add_package(sheet, rb_json_text(document, "name"), rb_json_text(document, "version"),
                            rb_json_text(document, "license"));
    json_object_foreach(rb_json_get(document, "tasks"), name, value)
        rb_scan_add_script(sheet, package, name,
                           json_is_object(value) ? rb_json_text(value, "command") : json_string_value(value));
    const json_t *exports = rb_json_get(document, "exports");
    rb_scan_add_entry(sheet, package, ".", json_string_value(exports));
    json_object_foreach((json_t *)exports, name, value)
        rb_scan_add_entry(sheet, package, name, json_string_value(value));
    json_object_foreach(rb_json_get(document, "imports"), name, value)
        deno_import(sheet, rb_piece_of(json_string_value(value)));
    const json_t *members = rb_json_get(document, "workspace");
    sheet->members += json_array_size(json_is_object(members) ? rb_json_get(members, "members") : members);
}

rb_err rb_deno_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    char *plain = rb_jsonc_to_json(text, len);
    rb_err err = rb_json_parse(&document, plain, len);
    free(plain);
    if (err)
        return err;
    deno_document(sheet, document);
    json_decref(document);
    return RB_OK;
}

/* ---- deno.lock ---------------------------------------------------------------------------------------- */

static struct rb_scan_locked *deno_lock(struct rb_scan_sheet *sheet, struct rb_piece name,
                                        struct rb_piece version, bool is_npm)
{
    const char *peers = version.len ? memchr(version.at, '_', version.len) : NULL; /* "1.0.0_react@18.0.0" */
    if (peers)
        version.len = (size_t)(peers - version.at);
    struct rb_scan_locked *item = rb_scan_lock(sheet, name.at, name.len, version.at, version.len);
    if (item)
        item->ecosystem = is_npm ? "npm" : "jsr";
    return item;
}

/* "npm:preact@^10": "10.25.0"; before version 4 the answer is whole, "npm:preact@10.25.0". */
static void deno_lock_specifier(struct rb_scan_sheet *sheet, struct rb_piece asked, struct rb_piece got)
{
    bool is_npm = rb_piece_starts(asked, "npm:");
    struct rb_piece name, requirement, rest, version = got;
    if (!is_npm && !rb_piece_starts(asked, "jsr:"))
        return;
    rb_npm_split(&name, &requirement, rb_piece_after(asked, 4));
    if (rb_piece_starts(got, "npm:") || rb_piece_starts(got, "jsr:"))
        rb_npm_split(&rest, &version, rb_piece_after(got, 4));
    if (rb_piece_is(requirement, "*"))
        requirement.len = 0;
    struct rb_scan_locked *item = deno_lock(sheet, name, version, is_npm);
    if (item)
        item->requirement = rb_scan_requirement(sheet, requirement.at, requirement.len);
}

/* specifiers / "npm:a@^1" = "1.0.0"; npm / "a@1.0.0" / …; version 3 has both in "packages". */
static void deno_lock_visit(void *arg, const struct rb_walk *at, enum rb_walk_what what,
                            struct rb_piece value)
{
    struct rb_scan_sheet *sheet = arg;
    size_t base = rb_walk_is(at, 0, "packages");
    bool is_npm = rb_walk_is(at, base, "npm");
    if (at->depth != base + 2)
        return;
    if (what == RB_WALK_VALUE && rb_walk_is(at, base, "specifiers"))
        deno_lock_specifier(sheet, at->keys[base + 1], value);
    if (what != RB_WALK_OPEN || (!is_npm && !rb_walk_is(at, base, "jsr")))
        return;
    struct rb_piece name, version;
    rb_npm_split(&name, &version, at->keys[base + 1]);
    struct rb_scan_locked *item = deno_lock(sheet, name, version, is_npm);
    if (item)
        item->inner = true; /* who asked for it stands in the specifiers */
}

rb_err rb_deno_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    return rb_walk_json(text, len, deno_lock_visit, sheet);
}
