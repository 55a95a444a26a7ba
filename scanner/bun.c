/*
 * bun.lock (bun.sh/docs, "Lockfile"): JSON with commas too many. "workspaces" has the manifests by folder,
 * "packages" what lies where: "name" for all, "web/name" for the workspace called web or for the package web.
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/npm.h"
#include "scanner/walk.h"

struct bun {
    struct rb_scan_sheet *sheet;
    struct {
        const char *name, *folder;
    } workspaces[RB_SCAN_PACKAGES_MAX];
    size_t count;
    const char *name; /* of the package being read */
};

static void bun_workspace(struct bun *bun, struct rb_piece folder, struct rb_piece name)
{
    if (bun->count == RB_SCAN_PACKAGES_MAX)
        return;
    bun->workspaces[bun->count].folder = rb_piece_copy(bun->sheet->arena, folder);
    bun->workspaces[bun->count++].name = rb_piece_copy(bun->sheet->arena, name);
}

/* Bytes of the last name in "a/@scope/b": those of "@scope/b". */
static size_t bun_last_len(struct rb_piece key)
{
    size_t start = key.len;
    while (start > 0 && key.at[start - 1] != '/')
        start--;
    size_t scope = start ? start - 1 : 0;
    while (scope > 0 && key.at[scope - 1] != '/')
        scope--;
    if (start > 0 && key.at[scope] == '@')
        start = scope;
    return key.len - start;
}

/* "name@1.2.3", "name@workspace:packages/a", "name@github:owner/repo#1234567". */
static void bun_package(struct bun *bun, struct rb_piece key, struct rb_piece value)
{
    struct rb_piece name, version;
    rb_npm_split(&name, &version, value);
    bun->name = rb_piece_copy(bun->sheet->arena, name);
    struct rb_scan_locked *item = rb_scan_lock(bun->sheet, name.at, name.len, version.at, version.len);
    if (!item)
        return;
    item->local = rb_npm_is_here(version);
    size_t last = bun_last_len(key);
    if (last >= key.len)
        return;
    struct rb_piece parent = {key.at, key.len - last - 1};
    item->inner = true;
    for (size_t i = 0; i < bun->count; i++) {
        if (*bun->workspaces[i].folder && rb_piece_is(parent, bun->workspaces[i].name)) {
            item->member = bun->workspaces[i].folder;
            item->inner = false;
        }
    }
}

/* packages / key / [2] / dependencies / name = "^1" */
static void bun_need(struct bun *bun, const struct rb_walk *at, struct rb_piece value)
{
    struct rb_piece to = at->keys[4], real, rest;
    if (!rb_walk_is(at, 3, "dependencies") && !rb_walk_is(at, 3, "optionalDependencies") &&
        !rb_walk_is(at, 3, "peerDependencies"))
        return;
    if (rb_piece_starts(value, "npm:")) {
        rb_npm_split(&real, &rest, rb_piece_after(value, 4));
        to = rest.len ? real : to;
    }
    rb_scan_lock_needs(bun->sheet, rb_piece_of(bun->name), to);
}

static void bun_visit(void *arg, const struct rb_walk *at, enum rb_walk_what what, struct rb_piece value)
{
    struct bun *bun = arg;
    if (what == RB_WALK_VALUE && at->depth == 5 && rb_walk_is(at, 0, "packages"))
        bun_need(bun, at, value);
    if (what != RB_WALK_VALUE || at->depth != 3)
        return;
    if (rb_walk_is(at, 0, "workspaces") && rb_walk_is(at, 2, "name"))
        bun_workspace(bun, at->keys[1], value);
    else if (rb_walk_is(at, 0, "packages") && at->indexes[2] == 0)
        bun_package(bun, at->keys[1], value);
}

rb_err rb_bun_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct bun *bun = rb_calloc(1, sizeof *bun);
    bun->sheet = sheet;
    rb_err err = rb_walk_jsonc(text, len, bun_visit, bun);
    free(bun);
    return err;
}
