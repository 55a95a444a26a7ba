/*
 * Where findings go: bounded, valid UTF-8, and without the credentials that people write into addresses.
 */
#include "scanner/scan.h"

#include <string.h>

#include "scanner/facts.h"
#include "scanner/text.h"

void rb_scan_sheet_init(struct rb_scan_sheet *sheet, struct rb_arena *arena)
{
    memset(sheet, 0, sizeof *sheet);
    sheet->arena = arena;
    sheet->manifest = sheet->ecosystem = "";
    sheet->facts = rb_facts_new(arena);
}

/* Each address in it: "https://user:token@host/x?key=secret#y" becomes "https://host/x#y". */
static const char *sheet_without_credentials(struct rb_arena *arena, struct rb_piece text)
{
    char *out = rb_arena_alloc(arena, text.len + 1);
    size_t used = 0, i = 0;
    while (i < text.len) {
        struct rb_piece rest = rb_piece_after(text, i);
        if (!rb_piece_starts(rest, "://")) {
            out[used++] = text.at[i++];
            continue;
        }
        struct rb_piece host = rb_piece_after(rest, 3);
        size_t end = 0;
        while (end < host.len && !rb_text_has("/?# \t\"'", host.at[end]))
            end++;
        const char *at = memrchr(host.at, '@', end);
        size_t skip = at ? (size_t)(at + 1 - host.at) : 0;
        while (end < host.len && !rb_text_has("?# \t\"'", host.at[end]))
            end++;
        memcpy(out + used, "://", 3);
        memcpy(out + used + 3, host.at + skip, end - skip);
        used += 3 + end - skip;
        if (end < host.len && host.at[end] == '?') {
            while (end < host.len && !rb_text_has("# \t\"'", host.at[end]))
                end++;
        }
        i += 3 + end;
    }
    out[used] = 0;
    return out;
}

#define REQUIREMENT_MAX 4096 /* nobody means more */

/* Credentials are looked for before anything is cut, so that no half of a token stays behind. */
const char *rb_scan_requirement(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece whole = rb_piece_trim((struct rb_piece){text, len});
    if (whole.len > REQUIREMENT_MAX) /* cut anywhere, it might begin or end within a password */
        whole.len = 0;
    if (whole.len && memmem(whole.at, whole.len, "://", 3))
        whole = rb_piece_of(sheet_without_credentials(sheet->arena, whole));
    return rb_text_clean(sheet->arena, whole.at, whole.len, RB_SCAN_NAME_MAX);
}

static struct rb_scan_dependency *sheet_put(struct rb_scan_sheet *sheet, struct rb_scan_dependency item)
{
    sheet->items =
        rb_arena_grown(sheet->arena, sheet->items, sheet->count, &sheet->capacity, sizeof *sheet->items);
    sheet->items[sheet->count] = item;
    return &sheet->items[sheet->count++];
}

struct rb_scan_dependency *rb_scan_add(struct rb_scan_sheet *sheet, const char *name, size_t name_len,
                                       const char *requirement, size_t requirement_len, const char *kind)
{
    struct rb_piece trimmed = rb_piece_trim((struct rb_piece){name, name_len});
    if (trimmed.len == 0)
        return NULL;
    if (sheet->count - sheet->indirect_count == RB_SCAN_DEPENDENCIES_MAX) {
        sheet->truncated = true;
        return NULL;
    }
    return sheet_put(sheet,
                     (struct rb_scan_dependency){
                         .ecosystem = sheet->ecosystem,
                         .name = rb_text_clean(sheet->arena, trimmed.at, trimmed.len, RB_SCAN_NAME_MAX),
                         .requirement = rb_scan_requirement(sheet, requirement, requirement_len),
                         .version = "",
                         .kind = kind,
                         .manifest = sheet->manifest,
                         .aside = sheet->aside,
                         .marker = "",
                     });
}

bool rb_scan_add_indirect(struct rb_scan_sheet *sheet, const struct rb_scan_locked *locked)
{
    if (sheet->indirect_count == RB_SCAN_INDIRECT_MAX) {
        sheet->truncated = true;
        return false;
    }
    sheet->indirect_count++;
    sheet_put(sheet, (struct rb_scan_dependency){
                         .ecosystem = locked->ecosystem,
                         .name = locked->name,
                         .requirement = "",
                         .version = locked->version,
                         .kind = locked->kind,
                         .manifest = locked->lock,
                         .indirect = !locked->direct,
                         .aside = locked->aside,
                         .marker = "",
                     });
    return true;
}

struct rb_scan_dependency *rb_scan_add_text(struct rb_scan_sheet *sheet, const char *name,
                                            const char *requirement, const char *kind)
{
    struct rb_piece a = rb_piece_of(name), b = rb_piece_of(requirement);
    return rb_scan_add(sheet, a.at, a.len, b.at, b.len, kind);
}

struct rb_scan_locked *rb_scan_lock(struct rb_scan_sheet *sheet, const char *name, size_t name_len,
                                    const char *version, size_t version_len)
{
    struct rb_piece named = rb_piece_trim((struct rb_piece){name, name_len}),
                    exact = rb_piece_trim((struct rb_piece){version, version_len});
    if (named.len == 0 || exact.len == 0)
        return NULL;
    if (sheet->locked_count == RB_SCAN_LOCKED_MAX) {
        sheet->truncated = true;
        return NULL;
    }
    sheet->locked = rb_arena_grown(sheet->arena, sheet->locked, sheet->locked_count, &sheet->locked_capacity,
                                   sizeof *sheet->locked);
    struct rb_scan_locked *item = &sheet->locked[sheet->locked_count++];
    *item = (struct rb_scan_locked){
        .ecosystem = sheet->ecosystem,
        .name = rb_text_clean(sheet->arena, named.at, named.len, RB_SCAN_NAME_MAX),
        .version = rb_scan_requirement(sheet, exact.at, exact.len),
        .requirement = "",
        .member = "",
        .wanter = "",
        .kind = RB_KIND_RUNTIME,
        .lock = sheet->manifest,
        .aside = sheet->aside,
    };
    return item;
}

static const char *sheet_text(struct rb_scan_sheet *sheet, const char *text)
{
    return text ? rb_scan_requirement(sheet, text, strlen(text)) : "";
}

struct rb_scan_package *rb_scan_add_package(struct rb_scan_sheet *sheet, const char *name,
                                            const char *version, const char *licence)
{
    if (sheet->package_count == RB_SCAN_PACKAGES_MAX || sheet->is_hidden)
        return NULL;
    sheet->packages = rb_arena_grown(sheet->arena, sheet->packages, sheet->package_count,
                                     &sheet->package_capacity, sizeof *sheet->packages);
    struct rb_scan_package *package = &sheet->packages[sheet->package_count++];
    *package = (struct rb_scan_package){.ecosystem = sheet->ecosystem,
                                        .name = sheet_text(sheet, name),
                                        .version = sheet_text(sheet, version),
                                        .licence = sheet_text(sheet, licence),
                                        .manager = "",
                                        .engine = "",
                                        .manifest = sheet->manifest};
    return package;
}

static void sheet_add_command(struct rb_scan_sheet *sheet, struct rb_scan_command **list, size_t *count,
                              const char *name, const char *command)
{
    if (*count == RB_SCAN_COMMANDS_MAX || !command || !*command)
        return;
    if (!*list)
        *list = rb_arena_alloc(sheet->arena, RB_SCAN_COMMANDS_MAX * sizeof **list);
    (*list)[(*count)++] =
        (struct rb_scan_command){sheet_text(sheet, name), rb_facts_command(sheet, rb_piece_of(command))};
}

void rb_scan_add_script(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const char *name,
                        const char *command)
{
    if (package)
        sheet_add_command(sheet, &package->scripts, &package->script_count, name, command);
}

void rb_scan_add_entry(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const char *name,
                       const char *target)
{
    if (package)
        sheet_add_command(sheet, &package->entries, &package->entry_count, name, target);
}

static const char *read_error(struct rb_arena *arena)
{
    const char *text = rb_error_text();
    return rb_text_clean(arena, text, strlen(text), RB_SCAN_NAME_MAX);
}

void rb_scan_read(struct rb_scan *scan, size_t index, const char *content, size_t len)
{
    struct rb_scan_manifest *manifest = &scan->manifests[index];
    if (len > rb_scan_format_bytes(manifest->format)) {
        manifest->status = RB_MANIFEST_TOO_BIG;
        rb_scan_skip(scan, manifest->entry->path, RB_SKIP_SIZE, "larger than such a file is read");
        return;
    }
    if (len >= 3 &&
        memcmp(content, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark is no part of any format */
        content += 3;
        len -= 3;
    }
    scan->sheet.manifest = manifest->path;
    scan->sheet.ecosystem = manifest->format->ecosystem;
    scan->sheet.aside = manifest->aside;
    scan->sheet.is_hidden = rb_path_is_hidden(manifest->entry->path);
    size_t members = scan->sheet.members, count = scan->sheet.count, signs = scan->sheet.sign_count;
    rb_err err = manifest->format->parse(&scan->sheet, content, len);
    rb_scan_parse_fn look = rb_look_of(manifest->entry->path);
    if (!err && look && look != manifest->format->parse)
        err = look(&scan->sheet, content, len);
    rb_scan_find_lines(&scan->sheet, count, signs, content, len);
    if (manifest->aside)
        scan->sheet.members = members; /* an example's workspace is not this repository's */
    manifest->status = err ? RB_MANIFEST_UNREADABLE : RB_MANIFEST_PARSED;
    manifest->error = err ? read_error(scan->arena) : "";
    if (err)
        rb_scan_skip(scan, manifest->entry->path, RB_SKIP_PARSE, manifest->error);
}

void rb_scan_miss(struct rb_scan *scan, size_t index, enum rb_manifest_status status, const char *error)
{
    scan->manifests[index].status = status;
    scan->manifests[index].error = rb_text_clean(scan->arena, error, strlen(error), RB_SCAN_NAME_MAX);
}
