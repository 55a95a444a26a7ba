/*
 * Go: go.mod and go.work (go.dev/ref/mod, "go.mod files", "Workspaces"). Go's minimal version selection makes
 * go.mod its own lock: the version written there is the one that is built, unless a replacement says
 * otherwise; within a workspace it is the highest that one of the members asks for.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

#define GOMOD_LINKS_MAX 2000 /* replace and tool lines: each is a walk over what was found */

/* ---- lines -------------------------------------------------------------------------------------------- */

struct gomod {
    struct rb_scan_sheet *sheet;
    size_t first;                        /* of the sheet's items, from this file */
    size_t links;                        /* lines that were held against them */
    struct rb_scan_dependency *standard; /* Go itself */
    struct rb_go_work *work;             /* go.work only */
};

typedef void (*gomod_fn)(struct gomod *mod, struct rb_piece rest, struct rb_piece comment);

static struct rb_piece gomod_unquoted(struct rb_piece word)
{
    if (word.len >= 2 && (word.at[0] == '"' || word.at[0] == '`') && word.at[word.len - 1] == word.at[0])
        return (struct rb_piece){word.at + 1, word.len - 2};
    return word;
}

/* One pass over the file for one directive, which stands alone or in front of a block. */
static void gomod_pass(struct gomod *mod, struct rb_piece text, const char *directive, gomod_fn found)
{
    struct rb_piece line, block = {"", 0};
    while (rb_piece_line(&line, &text)) {
        const char *slashes = memmem(line.at, line.len, "//", 2);
        struct rb_piece comment = {"", 0};
        if (slashes) {
            comment = rb_piece_after(line, (size_t)(slashes - line.at) + 2);
            line.len = (size_t)(slashes - line.at);
        }
        struct rb_piece rest = rb_piece_trim(line), verb = block;
        if (rest.len == 0)
            continue;
        if (rb_piece_is(rest, ")")) {
            block = (struct rb_piece){"", 0};
            continue;
        }
        if (block.len == 0) {
            rb_piece_word(&verb, &rest);
            rest = rb_piece_trim(rest);
            if (rb_piece_ends(verb, "("))
                verb.len--;
            if (rb_piece_is(rest, "(") || (rest.len == 0 && rb_piece_ends(line, "("))) {
                block = verb;
                continue;
            }
        }
        if (rb_piece_is(verb, directive))
            found(mod, rest, comment);
    }
}

/* ---- go.mod ------------------------------------------------------------------------------------------- */

static void gomod_module(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    (void)comment;
    rb_scan_add_package(mod->sheet, rb_piece_copy(mod->sheet->arena, gomod_unquoted(rest)), "", "");
}

static void gomod_require(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    struct rb_piece path, version;
    if (!rb_piece_word(&path, &rest) || !rb_piece_word(&version, &rest))
        return;
    path = gomod_unquoted(path);
    struct rb_scan_dependency *item =
        rb_scan_add(mod->sheet, path.at, path.len, version.at, version.len, RB_KIND_RUNTIME);
    if (!item)
        return;
    item->version = item->requirement;
    item->indirect = rb_piece_starts(rb_piece_trim(comment), "indirect");
}

/* "go 1.22" and "toolchain go1.22.5": the standard library is a module that each program is built with. */
static void gomod_go(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    (void)comment;
    if (!mod->standard && rest.len && isdigit((unsigned char)rest.at[0]))
        mod->standard = rb_scan_add(mod->sheet, "stdlib", 6, rest.at, rest.len, RB_KIND_RUNTIME);
    if (mod->standard)
        mod->standard->version = mod->standard->requirement;
}

static void gomod_toolchain(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    (void)comment;
    if (mod->standard && rb_piece_starts(rest, "go"))
        mod->standard->version = rb_scan_requirement(mod->sheet, rest.at + 2, rest.len - 2);
}

/* "tool example.com/cmd/x" names a package inside a required module: that module is for working on this one.
 */
static void gomod_tool(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    struct rb_piece tool;
    (void)comment;
    if (++mod->links > GOMOD_LINKS_MAX || !rb_piece_word(&tool, &rest))
        return;
    tool = gomod_unquoted(tool);
    for (size_t i = mod->first; i < mod->sheet->count; i++) {
        size_t len = strlen(mod->sheet->items[i].name);
        if (rb_piece_starts(tool, mod->sheet->items[i].name) && (tool.len == len || tool.at[len] == '/'))
            mod->sheet->items[i].kind = RB_KIND_DEV;
    }
}

/* "old [v1] => new [v2]", taken apart. */
struct replacement {
    struct rb_piece old, only, with, version; /* `only`: the version it is for; "" for all */
    struct rb_piece right;                    /* what stands behind the arrow */
};

static bool gomod_replacement(struct replacement *out, struct rb_piece rest)
{
    const char *arrow = memmem(rest.at, rest.len, "=>", 2);
    memset(out, 0, sizeof *out);
    if (!arrow)
        return false;
    struct rb_piece left = {rest.at, (size_t)(arrow - rest.at)};
    out->right = rb_piece_trim(rb_piece_after(rest, left.len + 2));
    rest = out->right;
    /* A long one would be copied to each requirement that it replaces. */
    if (!rb_piece_word(&out->old, &left) || out->right.len == 0 || out->right.len > RB_SCAN_NAME_MAX)
        return false;
    rb_piece_word(&out->only, &left);
    rb_piece_word(&out->with, &rest);
    rb_piece_word(&out->version, &rest);
    out->old = gomod_unquoted(out->old);
    out->with = gomod_unquoted(out->with);
    return true;
}

/* What is really built stands behind the arrow; without a version it is a folder. */
static void gomod_apply(struct rb_scan_sheet *sheet, struct rb_scan_dependency *item,
                        const struct replacement *replace)
{
    if (strstr(item->requirement, " => ") ||
        (replace->only.len && !rb_piece_is(replace->only, item->requirement)))
        return;
    const char *both = rb_arena_printf(sheet->arena, "%s => %s", item->requirement,
                                       rb_piece_copy(sheet->arena, replace->right));
    item->requirement = rb_scan_requirement(sheet, both, strlen(both));
    item->version = rb_scan_requirement(sheet, replace->version.at, replace->version.len);
    item->local = replace->version.len == 0;
}

static void gomod_replace(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    struct replacement replace;
    (void)comment;
    if (++mod->links > GOMOD_LINKS_MAX || !gomod_replacement(&replace, rest))
        return;
    for (size_t i = mod->first; i < mod->sheet->count; i++) {
        if (rb_piece_is(replace.old, mod->sheet->items[i].name))
            gomod_apply(mod->sheet, &mod->sheet->items[i], &replace);
    }
}

rb_err rb_gomod_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct gomod mod = {.sheet = sheet, .first = sheet->count};
    struct rb_piece whole = {text, len};
    if (!memmem(text, len, "module", 6))
        return rb_error_set(RB_EINVAL, "go.mod: names no module");
    gomod_pass(&mod, whole, "module", gomod_module);
    gomod_pass(&mod, whole, "require", gomod_require);
    gomod_pass(&mod, whole, "tool", gomod_tool);
    gomod_pass(&mod, whole, "replace", gomod_replace);
    gomod_pass(&mod, whole, "go", gomod_go);
    gomod_pass(&mod, whole, "toolchain", gomod_toolchain);
    return RB_OK;
}

/* ---- go.work ------------------------------------------------------------------------------------------ */

/* Kept until all was read. Folders and modules are looked up by name: hence objects. */
struct rb_go_work {
    const char *manifest; /* path of go.work */
    json_t *members;      /* folder, with its slash: true */
    json_t *replaced;     /* module: what stands on the right, as [old, right] lines */
    struct rb_go_work *next;
};

static void gowork_free(void *arg)
{
    struct rb_go_work *work = arg;
    json_decref(work->members);
    json_decref(work->replaced);
}

/* "./staging/src/x" below "go.work" is "staging/src/x/"; "." is "". */
static const char *gowork_folder(struct rb_arena *arena, const char *manifest, struct rb_piece use)
{
    size_t above = (size_t)(rb_path_base(manifest) - manifest);
    while (rb_piece_starts(use, "./"))
        use = rb_piece_after(use, 2);
    while (rb_piece_ends(use, "/"))
        use.len--;
    if (rb_piece_is(use, "."))
        use.len = 0;
    return rb_arena_printf(arena, "%.*s%.*s%s", (int)above, manifest, (int)use.len, use.at,
                           use.len ? "/" : "");
}

static void gowork_use(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    struct rb_piece folder;
    (void)comment;
    if (!rb_piece_word(&folder, &rest) || folder.len > RB_SCAN_PATH_MAX)
        return;
    const char *path = gowork_folder(mod->sheet->arena, mod->sheet->manifest, gomod_unquoted(folder));
    if (json_object_get(mod->work->members, path))
        return;
    json_object_set_new(mod->work->members, path, json_true());
    mod->sheet->members++;
}

static void gowork_replace(struct gomod *mod, struct rb_piece rest, struct rb_piece comment)
{
    struct replacement replace;
    (void)comment;
    if (++mod->links > GOMOD_LINKS_MAX || !gomod_replacement(&replace, rest))
        return;
    const char *line = rb_piece_copy(mod->sheet->arena, rest);
    json_object_set_new(mod->work->replaced, rb_piece_copy(mod->sheet->arena, replace.old),
                        json_string(rb_text_clean(mod->sheet->arena, line, strlen(line), RB_SCAN_PATH_MAX)));
}

rb_err rb_gowork_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_go_work *work = rb_arena_alloc(sheet->arena, sizeof *work);
    struct gomod mod = {.sheet = sheet, .first = sheet->count, .work = work};
    struct rb_piece whole = {text, len};
    work->manifest = sheet->manifest;
    work->members = json_object();
    work->replaced = json_object();
    rb_arena_defer(sheet->arena, gowork_free, work);
    gomod_pass(&mod, whole, "use", gowork_use);
    gomod_pass(&mod, whole, "replace", gowork_replace);
    work->next = sheet->go_works;
    sheet->go_works = work;
    return RB_OK;
}

/* ---- when all was read -------------------------------------------------------------------------------- */

/* The next part of a version: digits as a number, else bytes. */
static size_t gover_part(struct rb_piece text)
{
    size_t len = 0;
    bool digits = text.len && isdigit((unsigned char)text.at[0]);
    while (len < text.len && text.at[len] != '.' && text.at[len] != '-' && text.at[len] != '+' &&
           (isdigit((unsigned char)text.at[len]) != 0) == digits)
        len++;
    return len ? len : text.len > 0;
}

/* Semantic versions in their order; one without a pre-release comes after those with one. */
static int gover_compare(const char *left, const char *right)
{
    struct rb_piece a = rb_piece_of(left), b = rb_piece_of(right);
    while (a.len && b.len) {
        size_t x = gover_part(a), y = gover_part(b);
        bool numbers = isdigit((unsigned char)a.at[0]) && isdigit((unsigned char)b.at[0]);
        int order = numbers && x != y ? (x < y ? -1 : 1) : memcmp(a.at, b.at, x < y ? x : y);
        if (order == 0 && x != y)
            order = x < y ? -1 : 1;
        if (order) /* "1.2" before "1.2.3": what is behind the shorter one decides */
            return a.at[0] == '-' ? -1 : b.at[0] == '-' ? 1 : order;
        a = rb_piece_after(a, x);
        b = rb_piece_after(b, y);
    }
    if (a.len == b.len)
        return 0;
    const char *more = a.len ? a.at : b.at;
    int longer = a.len ? 1 : -1;
    return *more == '-' ? -longer : longer;
}

static bool gowork_has(const struct rb_scan_sheet *sheet, const struct rb_go_work *work, const char *manifest)
{
    if (strcmp(rb_path_base(manifest), "go.mod") != 0)
        return false;
    const char *folder =
        rb_arena_strndup(sheet->arena, manifest, (size_t)(rb_path_base(manifest) - manifest));
    return json_object_get(work->members, folder) != NULL;
}

static void gowork_settle(struct rb_scan_sheet *sheet, const struct rb_go_work *work)
{
    json_t *highest = json_object();
    bool *is_member = rb_calloc(sheet->count + 1, sizeof *is_member);
    const char *last = "";
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        bool is_same = i && item->manifest == last; /* they come file by file */
        is_member[i] = is_same
                           ? is_member[i - 1]
                           : strcmp(item->ecosystem, "go") == 0 && gowork_has(sheet, work, item->manifest);
        last = item->manifest;
        if (!is_member[i])
            continue;
        struct replacement replace;
        const char *line = rb_json_text(work->replaced, item->name);
        if (*line && gomod_replacement(&replace, rb_piece_of(line)))
            gomod_apply(sheet, item, &replace);
        if (*item->version && !strstr(item->requirement, " => ") &&
            gover_compare(rb_json_text(highest, item->name), item->version) < 0)
            json_object_set_new(highest, item->name, json_string(item->version));
    }
    for (size_t i = 0; i < sheet->count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        const char *version = is_member[i] ? rb_json_text(highest, item->name) : "";
        if (*version && *item->version && !strstr(item->requirement, " => "))
            item->version = rb_scan_requirement(sheet, version, strlen(version));
    }
    free(is_member);
    json_decref(highest);
}

/* Programs, by path: a module's own folder with main.go, and the folders in its cmd/. */
static void gomod_entries(const struct rb_scan *scan, struct rb_scan_sheet *sheet,
                          struct rb_scan_package *package)
{
    size_t above = (size_t)(rb_path_base(package->manifest) - package->manifest);
    const char *last = "";
    for (size_t i = 0; i < scan->tree->count; i++) {
        const char *path = scan->tree->entries[i].path, *rest = path + above;
        if (strncmp(path, package->manifest, above) != 0 || !rb_text_ends(path, ".go") ||
            rb_text_ends(path, "_test.go"))
            continue;
        const char *slash = strncmp(rest, "cmd/", 4) == 0 ? strchr(rest + 4, '/') : NULL;
        if (strcmp(rest, "main.go") == 0) {
            rb_scan_add_entry(sheet, package, rb_path_base(package->name), ".");
        } else if (slash && !strchr(slash + 1, '/') && strncmp(last, rest, (size_t)(slash - rest) + 1) != 0) {
            last = rest;
            rb_scan_add_entry(sheet, package,
                              rb_arena_strndup(sheet->arena, rest + 4, (size_t)(slash - rest) - 4),
                              rb_arena_printf(sheet->arena, "./%.*s", (int)(slash - rest), rest));
        }
    }
}

#define GOWORK_MAX        20  /* each is a walk over what was found; repositories have one */
#define GOMOD_MODULES_MAX 100 /* each is a walk over the file list; Kubernetes has some forty */

void rb_go_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    size_t modules = 0, works = 0;
    for (const struct rb_go_work *work = sheet->go_works; work && works < GOWORK_MAX;
         work = work->next, works++)
        gowork_settle(sheet, work);
    for (size_t i = 0; i < sheet->package_count && modules < GOMOD_MODULES_MAX; i++) {
        if (strcmp(sheet->packages[i].ecosystem, "go") != 0)
            continue;
        gomod_entries(scan, sheet, &sheet->packages[i]);
        modules++;
    }
}
