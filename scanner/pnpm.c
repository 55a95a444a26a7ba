/*
 * pnpm-lock.yaml (github.com/pnpm/spec, "lockfile"). "importers" has what each workspace asked for and got,
 * the root's alone at the top of the document before there were workspaces; "packages" has all there is. Keys
 * are
 * "/name/1.2.3_peer" up to version 5, "/name@1.2.3(peer)" in 6, "name@1.2.3" since.
 */
#include <string.h>

#include "scanner/npm.h"
#include "scanner/walk.h"

struct pnpm {
    struct rb_scan_sheet *sheet;
    bool is_slashed;    /* version 5: "/name/1.2.3" */
    const char *member; /* the importer being read, for as long as it is */
    /* Of the package being read. */
    char name[RB_SCAN_NAME_MAX], version[RB_SCAN_NAME_MAX];
    bool dev, optional, is_keyed; /* by name and version; otherwise its fields must say them */
};

static void pnpm_keep(char *out, struct rb_piece text)
{
    size_t len = text.len < RB_SCAN_NAME_MAX ? text.len : 0; /* half a name is another's */
    if (len)
        memcpy(out, text.at, len);
    out[len] = 0;
}

static struct rb_piece pnpm_until(struct rb_piece text, char mark)
{
    const char *at = text.len ? memchr(text.at, mark, text.len) : NULL;
    if (at)
        text.len = (size_t)(at - text.at);
    return text;
}

/* Name and version of "/name/1.2.3_peer@4", "/name@1.2.3(peer@4)" or "name@1.2.3". False when it is an
 * address or no key at all. */
static bool pnpm_key(const struct pnpm *pnpm, struct rb_piece *name, struct rb_piece *version,
                     struct rb_piece key)
{
    key = pnpm_until(key, '(');
    if (!pnpm->is_slashed) {
        rb_npm_split(name, version, rb_piece_after(key, rb_piece_starts(key, "/")));
        return version->len && !memchr(version->at, ':', version->len);
    }
    if (!rb_piece_starts(key, "/"))
        return false;
    key = rb_piece_after(key, 1);
    /* The name has one slash when it has a scope, then the version comes. */
    struct rb_piece rest = key;
    for (int parts = rb_piece_starts(key, "@") ? 2 : 1; parts > 0; parts--)
        rest = rb_piece_after(rest, pnpm_until(rest, '/').len + 1);
    if (rest.len == 0)
        return false;
    *name = (struct rb_piece){key.at, (size_t)(rest.at - key.at) - 1};
    *version = pnpm_until(pnpm_until(rest, '_'), '/');
    return version->len > 0;
}

/* ---- what the workspaces asked for ------------------------------------------------------------------------
 */

static const char *pnpm_kind(struct rb_piece group)
{
    return rb_piece_is(group, "dependencies")           ? RB_KIND_RUNTIME
           : rb_piece_is(group, "devDependencies")      ? RB_KIND_DEV
           : rb_piece_is(group, "optionalDependencies") ? RB_KIND_OPTIONAL
                                                        : NULL;
}

/* "1.2.3(peer)", "link:../a", "https://…", an alias's "real@1.2.3" or "/real/1.2.3": the version, and the
 * name where it is another. */
static void pnpm_got(const struct pnpm *pnpm, struct rb_piece *name, struct rb_piece *version)
{
    struct rb_piece real, exact;
    if (pnpm->is_slashed && !pnpm_key(pnpm, &real, &exact, *version)) {
        if (!memchr(version->at, ':', version->len))
            *version = pnpm_until(*version, '_');
        return;
    }
    if (!pnpm->is_slashed) {
        *version = pnpm_until(*version, '(');
        rb_npm_split(&real, &exact, rb_piece_after(*version, rb_piece_starts(*version, "/")));
        if (exact.len == 0 || memchr(real.at, ':', real.len)) /* an address may hold an '@' as well */
            return;
    }
    *name = real;
    *version = exact;
}

static void pnpm_direct(struct pnpm *pnpm, struct rb_piece name, struct rb_piece version, const char *kind)
{
    pnpm_got(pnpm, &name, &version);
    bool is_here = rb_npm_is_here(version);
    struct rb_scan_locked *item = rb_scan_lock(pnpm->sheet, name.at, name.len, version.at, version.len);
    if (!item)
        return;
    item->member = pnpm->member;
    item->kind = kind;
    item->is_for = true;
    item->local = is_here;
}

/* [importers / folder /] dependencies / name [/ version], `base` keys above the group. */
static void pnpm_importer(struct pnpm *pnpm, const struct rb_walk *at, size_t base, struct rb_piece value)
{
    if (at->depth < base + 2 || at->depth > base + 3)
        return;
    const char *kind = pnpm_kind(at->keys[base]);
    if (kind && value.len && (at->depth == base + 2 || rb_walk_is(at, base + 2, "version")))
        pnpm_direct(pnpm, at->keys[base + 1], value, kind);
}

/* ---- what there is ----------------------------------------------------------------------------------------
 */

static void pnpm_package_begin(struct pnpm *pnpm, struct rb_piece key)
{
    struct rb_piece name = {"", 0}, version = {"", 0};
    pnpm->is_keyed = pnpm_key(pnpm, &name, &version, key);
    pnpm_keep(pnpm->name, pnpm->is_keyed ? name : (struct rb_piece){"", 0});
    pnpm_keep(pnpm->version, pnpm->is_keyed ? version : (struct rb_piece){"", 0});
    if (!pnpm->is_keyed && !pnpm->is_slashed) { /* "name@https://…" */
        rb_npm_split(&name, &version, key);
        pnpm_keep(pnpm->name, name);
        pnpm->is_keyed = rb_npm_is_here(version) || rb_piece_starts(version, "runtime:"); /* no packages */
    }
    pnpm->dev = pnpm->optional = false;
}

static void pnpm_package_end(struct pnpm *pnpm)
{
    struct rb_scan_locked *item =
        rb_scan_lock(pnpm->sheet, pnpm->name, strlen(pnpm->name), pnpm->version, strlen(pnpm->version));
    if (!item)
        return;
    item->inner = true;
    item->is_for = pnpm->dev || pnpm->optional;
    item->kind = pnpm->dev ? RB_KIND_DEV : pnpm->optional ? RB_KIND_OPTIONAL : RB_KIND_RUNTIME;
}

static void pnpm_package(struct pnpm *pnpm, const struct rb_walk *at, enum rb_walk_what what,
                         struct rb_piece value)
{
    if (at->depth == 2 && what == RB_WALK_OPEN)
        pnpm_package_begin(pnpm, at->keys[1]);
    else if (at->depth == 2 && what == RB_WALK_CLOSE)
        pnpm_package_end(pnpm);
    else if (at->depth != 3 || what != RB_WALK_VALUE)
        return;
    else if (!pnpm->is_keyed && rb_walk_is(at, 2, "name"))
        pnpm_keep(pnpm->name, value);
    else if (!pnpm->is_keyed && rb_walk_is(at, 2, "version"))
        pnpm_keep(pnpm->version, value);
    else if (rb_walk_is(at, 2, "dev"))
        pnpm->dev = rb_piece_is(value, "true");
    else if (rb_walk_is(at, 2, "optional"))
        pnpm->optional = rb_piece_is(value, "true");
}

/* snapshots / "name@1.2.3(peer)" / dependencies / name = "1.2.3", since version 9, where packages no longer
 * say what they are for. */
static void pnpm_snapshot(struct pnpm *pnpm, const struct rb_walk *at, struct rb_piece value)
{
    struct rb_piece from, to = at->keys[at->depth - 1], real, version;
    if (at->depth != 4 || !pnpm_kind(at->keys[2]) || !pnpm_key(pnpm, &from, &version, at->keys[1]))
        return;
    if (pnpm_key(pnpm, &real, &version, value) && real.len)
        to = real;
    rb_scan_lock_needs(pnpm->sheet, from, to);
}

static void pnpm_visit(void *arg, const struct rb_walk *at, enum rb_walk_what what, struct rb_piece value)
{
    struct pnpm *pnpm = arg;
    if (at->depth == 1 && rb_walk_is(at, 0, "lockfileVersion"))
        pnpm->is_slashed = rb_piece_starts(value, "5");
    else if (rb_walk_is(at, 0, "packages"))
        pnpm_package(pnpm, at, what, value);
    else if (rb_walk_is(at, 0, "snapshots") && what == RB_WALK_VALUE)
        pnpm_snapshot(pnpm, at, value);
    else if (rb_walk_is(at, 0, "importers") && at->depth == 2 && what == RB_WALK_OPEN)
        pnpm->member = rb_scan_requirement(pnpm->sheet, at->keys[1].at, at->keys[1].len);
    else if (rb_walk_is(at, 0, "importers") && what == RB_WALK_VALUE)
        pnpm_importer(pnpm, at, 2, value);
    else if (what == RB_WALK_VALUE) {
        pnpm->member = ".";
        pnpm_importer(pnpm, at, 0, value);
    }
}

rb_err rb_pnpm_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct pnpm pnpm = {.sheet = sheet, .member = "."};
    return rb_walk_yaml(text, len, pnpm_visit, &pnpm);
}
