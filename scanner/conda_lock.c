/*
 * pixi.lock (pixi.sh, "Lock file") and conda-lock.yml (conda.github.io/conda-lock): a list of packages of
 * Conda and of Python, each for every platform. Of Conda's, pixi has only the address, whose last part is
 * name, version and build.
 */
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/walk.h"

struct conda_lock {
    struct rb_scan_sheet *sheet;
    const char *list; /* the key that has them */
    /* Of the package being read; NULL: not said. */
    const char *name, *version, *category;
    bool is_python, is_local;
};

/* "https://…/linux-64/python-dateutil-2.9.0-pyhd8ed1ab_0.conda" */
static void conda_lock_file(struct conda_lock *lock, struct rb_piece address)
{
    static const char *const ends[] = {".conda", ".tar.bz2"};
    const char *slash = memrchr(address.at, '/', address.len);
    for (size_t i = 0; slash && i < sizeof ends / sizeof *ends; i++) {
        if (!rb_piece_ends(address, ends[i]))
            continue;
        struct rb_piece file = rb_piece_after(address, (size_t)(slash + 1 - address.at));
        file.len -= strlen(ends[i]) < file.len ? strlen(ends[i]) : file.len;
        const char *build = memrchr(file.at, '-', file.len);
        const char *version = build ? memrchr(file.at, '-', (size_t)(build - file.at)) : NULL;
        if (!version)
            return;
        lock->name = rb_arena_strndup(lock->sheet->arena, file.at, (size_t)(version - file.at));
        lock->version = rb_arena_strndup(lock->sheet->arena, version + 1, (size_t)(build - version) - 1);
        return;
    }
}

static void conda_lock_source(struct conda_lock *lock, struct rb_piece address)
{
    lock->is_local = address.len && !memmem(address.at, address.len, "://", 3);
    if (!lock->is_python)
        conda_lock_file(lock, address);
}

static void conda_lock_field(struct conda_lock *lock, struct rb_piece key, struct rb_piece value)
{
    if (rb_piece_is(key, "pypi") || ((rb_piece_is(key, "kind") || rb_piece_is(key, "manager")) &&
                                     (rb_piece_is(value, "pypi") || rb_piece_is(value, "pip"))))
        lock->is_python = true;
    if (rb_piece_is(key, "conda") || rb_piece_is(key, "pypi") || rb_piece_is(key, "path"))
        conda_lock_source(lock, value);
    else if (rb_piece_is(key, "name"))
        lock->name = rb_piece_copy(lock->sheet->arena, value);
    else if (rb_piece_is(key, "version"))
        lock->version = rb_piece_copy(lock->sheet->arena, value);
    else if (rb_piece_is(key, "category"))
        lock->category = rb_piece_copy(lock->sheet->arena, value);
}

/* "python >=3.9", "idna<4,>=2.5": what begins with a name. */
static void conda_lock_need(const struct conda_lock *lock, struct rb_piece need)
{
    if (!lock->name)
        return;
    const char *to = rb_piece_copy(lock->sheet->arena, need);
    size_t len = strspn(to, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    const char *from = lock->name;
    if (lock->is_python) {
        from = rb_python_name(lock->sheet, from);
        to = rb_python_name(lock->sheet, rb_arena_strndup(lock->sheet->arena, to, len));
        len = strlen(to);
    }
    rb_scan_lock_needs(lock->sheet, rb_piece_of(from), (struct rb_piece){to, len});
}

static void conda_lock_put(const struct conda_lock *lock)
{
    if (!lock->name || !lock->version)
        return;
    const char *name = lock->is_python ? rb_python_name(lock->sheet, lock->name) : lock->name;
    struct rb_scan_locked *item =
        rb_scan_lock(lock->sheet, name, strlen(name), lock->version, strlen(lock->version));
    if (!item)
        return;
    item->ecosystem = lock->is_python ? "pypi" : "conda";
    item->local = lock->is_local;
    if (!lock->category)
        return;
    item->is_for = true;
    if (strcmp(lock->category, "main") != 0)
        item->kind = rb_python_group_kind(lock->category, RB_KIND_OPTIONAL);
}

/* packages / 0 / depends / 0 = "python >=3.9"; package / 0 / dependencies / python = ">=3.9" */
static void conda_lock_visit(void *arg, const struct rb_walk *at, enum rb_walk_what what,
                             struct rb_piece value)
{
    struct conda_lock *lock = arg;
    if (at->depth < 2 || !rb_walk_is(at, 0, lock->list))
        return;
    if (at->depth == 2 && what == RB_WALK_OPEN)
        *lock = (struct conda_lock){.sheet = lock->sheet, .list = lock->list};
    else if (at->depth == 2 && what == RB_WALK_CLOSE)
        conda_lock_put(lock);
    else if (what != RB_WALK_VALUE)
        return;
    else if (at->depth == 3)
        conda_lock_field(lock, at->keys[2], value);
    else if (at->depth == 4 && (rb_walk_is(at, 2, "depends") || rb_walk_is(at, 2, "requires_dist")))
        conda_lock_need(lock, value);
    else if (at->depth == 4 && rb_walk_is(at, 2, "dependencies"))
        conda_lock_need(lock, at->keys[3]);
}

rb_err rb_pixi_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct conda_lock lock = {.sheet = sheet, .list = "packages"};
    return rb_walk_yaml(text, len, conda_lock_visit, &lock);
}

rb_err rb_conda_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct conda_lock lock = {.sheet = sheet, .list = "package"};
    return rb_walk_yaml(text, len, conda_lock_visit, &lock);
}
