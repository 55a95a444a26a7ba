/*
 * package-lock.json and npm-shrinkwrap.json (docs.npmjs.com, "package-lock.json"). Since version 2 "packages"
 * has every folder that npm fills: "node_modules/a" for all, "web/node_modules/a" for the workspace "web",
 * "node_modules/a/node_modules/b" for a alone. Version 1 nests "dependencies" within each other.
 */
#include <string.h>

#include "scanner/npm.h"
#include "scanner/walk.h"

#define MODULES "node_modules/"

struct npm_lock {
    struct rb_scan_sheet *sheet;
    bool has_packages; /* version 2 has both: the old form repeats the new */
    /* Of the package being read. */
    struct rb_scan_locked item;
    char name[RB_SCAN_NAME_MAX], version[RB_SCAN_NAME_MAX];
    bool dev, optional, peer, link;
};

static void lock_keep(char *out, struct rb_piece text)
{
    size_t len = text.len < RB_SCAN_NAME_MAX ? text.len : 0; /* half a name is another's */
    if (len)
        memcpy(out, text.at, len);
    out[len] = 0;
}

static void lock_begin(struct npm_lock *lock, struct rb_piece name)
{
    memset(&lock->item, 0, sizeof lock->item);
    lock->dev = lock->optional = lock->peer = lock->link = false;
    lock->version[0] = 0;
    lock_keep(lock->name, name);
}

/* "npm:real@1.2" is the version of an alias; an address is one that no registry knows. */
static void lock_put(struct npm_lock *lock, const char *member, bool is_inner)
{
    struct rb_piece name = rb_piece_of(lock->name), version = rb_piece_of(lock->version);
    if (rb_piece_starts(version, "npm:"))
        rb_npm_split(&name, &version, rb_piece_after(version, 4));
    struct rb_scan_locked *item = rb_scan_lock(lock->sheet, name.at, name.len, version.at, version.len);
    if (!item)
        return;
    item->member = member;
    item->inner = is_inner;
    item->local = lock->link || rb_npm_is_here(version);
    item->kind = lock->dev        ? RB_KIND_DEV
                 : lock->optional ? RB_KIND_OPTIONAL
                 : lock->peer     ? RB_KIND_PEER
                                  : RB_KIND_RUNTIME;
    item->is_for = true;
}

/* What "web/node_modules/@a/b" says: who it is for, and its name. False for a folder of the repository. */
static bool lock_place(struct rb_piece *member, struct rb_piece *name, struct rb_piece place)
{
    const char *at = NULL;
    for (struct rb_piece rest = place; rest.len;) {
        const char *next = memmem(rest.at, rest.len, MODULES, strlen(MODULES));
        if (!next)
            break;
        at = next;
        rest = rb_piece_after(rest, (size_t)(next - rest.at) + strlen(MODULES));
    }
    if (!at || (at > place.at && at[-1] != '/'))
        return false;
    *member = (struct rb_piece){place.at, at > place.at ? (size_t)(at - place.at) - 1 : 0};
    *name = rb_piece_after(place, member->len + (member->len > 0) + strlen(MODULES));
    return true;
}

static void lock_flag(struct npm_lock *lock, struct rb_piece key, struct rb_piece value)
{
    bool is_set = rb_piece_is(value, "true");
    if (rb_piece_is(key, "version"))
        lock_keep(lock->version, value);
    else if (rb_piece_is(key, "name")) /* of an alias: what it really is */
        lock_keep(lock->name, value);
    else if (rb_piece_is(key, "dev"))
        lock->dev = is_set;
    else if (rb_piece_is(key, "optional") || rb_piece_is(key, "devOptional"))
        lock->optional = is_set;
    else if (rb_piece_is(key, "peer"))
        lock->peer = is_set;
    else if (rb_piece_is(key, "link"))
        lock->link = is_set;
}

/* packages / "node_modules/a" / version */
static void lock_package(struct npm_lock *lock, const struct rb_walk *at, enum rb_walk_what what,
                         struct rb_piece value)
{
    struct rb_piece member, name;
    lock->has_packages = true;
    if (at->depth < 2 || !lock_place(&member, &name, at->keys[1]))
        return;
    if (at->depth == 2 && what == RB_WALK_OPEN)
        lock_begin(lock, name);
    if (at->depth == 3 && what == RB_WALK_VALUE)
        lock_flag(lock, at->keys[2], value);
    if (at->depth != 2 || what != RB_WALK_CLOSE)
        return;
    bool is_inner = memmem(member.at, member.len, MODULES, strlen(MODULES)) != NULL;
    lock_put(lock, member.len && !is_inner ? rb_piece_copy(lock->sheet->arena, member) : "", is_inner);
}

/* dependencies / a / dependencies / b / version: a package comes before those within it, but some of its
 * fields may come after them; so each is put when the first thing within it opens, or at its end. */
static void lock_old(struct npm_lock *lock, const struct rb_walk *at, enum rb_walk_what what,
                     struct rb_piece value)
{
    size_t depth = at->depth;
    bool is_package = depth % 2 == 0 && rb_walk_is(at, depth - 2, "dependencies");
    if (is_package && what == RB_WALK_OPEN)
        lock_begin(lock, at->keys[depth - 1]);
    if (depth % 2 == 1 && depth >= 3 && what == RB_WALK_VALUE && rb_walk_is(at, depth - 3, "dependencies"))
        lock_flag(lock, at->keys[depth - 1], value);
    bool is_over = (is_package && what == RB_WALK_CLOSE) ||
                   (depth >= 3 && what == RB_WALK_OPEN && rb_walk_is(at, depth - 1, "dependencies"));
    if (!is_over || !lock->name[0])
        return;
    lock_put(lock, "", depth > 3);
    lock->name[0] = 0;
}

static void lock_visit(void *arg, const struct rb_walk *at, enum rb_walk_what what, struct rb_piece value)
{
    struct npm_lock *lock = arg;
    if (rb_walk_is(at, 0, "packages"))
        lock_package(lock, at, what, value);
    else if (rb_walk_is(at, 0, "dependencies") && !lock->has_packages && at->depth >= 2)
        lock_old(lock, at, what, value);
}

rb_err rb_npm_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct npm_lock lock = {.sheet = sheet};
    return rb_walk_json(text, len, lock_visit, &lock);
}
