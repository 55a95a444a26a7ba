/*
 * The profile as JSON (edge/web/profile.schema.json describes it). All text in it was made valid UTF-8
 * before.
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/facts.h"
#include "scanner/scan.h"
#include "scanner/text.h"

#define PROFILE_VERSION 2
#define SCANNER_VERSION "2.0" /* grows when the same commit gets another profile */
#define FRAMEWORKS_MAX  100   /* the tables hold some three hundred */

static void put(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, json_string(text));
}

static json_t *profile_languages(const struct rb_scan *scan)
{
    json_t *list = json_array();
    for (size_t i = 0; i < scan->language_count; i++) {
        const struct rb_scan_language *language = &scan->languages[i];
        json_t *item = json_object();
        put(item, "name", language->name);
        json_object_set_new(item, "files", json_integer(language->files));
        json_object_set_new(item, "bytes", json_integer(language->bytes));
        json_object_set_new(item, "share", json_real(language->tenths / 10.0));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *profile_frameworks(const struct rb_scan *scan)
{
    struct rb_scan_framework found[FRAMEWORKS_MAX];
    size_t count = rb_scan_frameworks(found, FRAMEWORKS_MAX, scan);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_object();
        put(item, "name", found[i].name);
        put(item, "ecosystem", found[i].ecosystem);
        put(item, "evidence", found[i].evidence);
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *profile_dependencies(const struct rb_scan *scan)
{
    json_t *list = json_array();
    for (size_t i = 0; i < scan->sheet.count; i++) {
        const struct rb_scan_dependency *dependency = &scan->sheet.items[i];
        json_t *item = json_object();
        put(item, "ecosystem", dependency->ecosystem);
        put(item, "name", dependency->name);
        put(item, "requirement", dependency->requirement);
        if (*dependency->version)
            put(item, "version", dependency->version);
        put(item, "kind", dependency->kind);
        put(item, "manifest", dependency->manifest);
        if (dependency->indirect)
            json_object_set_new(item, "indirect", json_true());
        if (dependency->offered)
            json_object_set_new(item, "offered", json_true());
        if (dependency->local)
            json_object_set_new(item, "local", json_true());
        if (dependency->aside)
            json_object_set_new(item, "aside", json_true());
        json_array_append_new(list, item);
    }
    return list;
}

static const char *status_name(enum rb_manifest_status status)
{
    switch (status) {
    case RB_MANIFEST_CHOSEN:
        return "not read";
    case RB_MANIFEST_PARSED:
        return "parsed";
    case RB_MANIFEST_UNREADABLE:
        return "unreadable";
    case RB_MANIFEST_TOO_BIG:
        return "too big";
    case RB_MANIFEST_NOTED:
        return "noted";
    }
    return "";
}

/* "JSON: line 12: …": the line, 0 when the error names none. */
static int error_line(const char *error)
{
    const char *at = strstr(error, "line ");
    long line = at ? strtol(at + 5, NULL, 10) : 0;
    return line > 0 && line <= RB_SCAN_LOCK_BYTES ? (int)line : 0;
}

static json_t *profile_manifests(const struct rb_scan *scan)
{
    json_t *list = json_array();
    for (size_t i = 0; i < scan->manifest_count; i++) {
        const struct rb_scan_manifest *manifest = &scan->manifests[i];
        json_t *item = json_object();
        put(item, "path", manifest->path);
        put(item, "format", manifest->format->name);
        put(item, "ecosystem", manifest->format->ecosystem);
        put(item, "status", status_name(manifest->status));
        put(item, "error", manifest->error);
        if (error_line(manifest->error))
            json_object_set_new(item, "line", json_integer(error_line(manifest->error)));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *profile_key_files(const struct rb_scan *scan)
{
    json_t *list = json_array();
    for (size_t i = 0; i < scan->key_file_count; i++) {
        json_t *item = json_object();
        put(item, "path", scan->key_files[i].path);
        put(item, "role", scan->key_files[i].role);
        json_array_append_new(list, item);
    }
    return list;
}

/* What the repository is made of, and who it belongs to. */
static void profile_layout(json_t *profile, const struct rb_scan *scan)
{
    const struct rb_scan_facts *facts = scan->sheet.facts;
    struct rb_workspaces workspaces;
    rb_workspaces_find(&workspaces, scan);
    json_object_set_new(profile, "structure", rb_profile_structure(scan));
    json_object_set_new(profile, "size", rb_profile_size(scan));
    json_object_set_new(profile, "workspaces", rb_workspaces_json(scan, &workspaces));
    json_object_set_new(profile, "workspaces_truncated", json_boolean(workspaces.truncated));
    json_object_set(profile, "tasks", facts->tasks);
    json_object_set(profile, "services", facts->services);
    json_object_set(profile, "workflows", facts->workflows);
    json_object_set_new(profile, "testing", rb_profile_testing(scan));
    json_object_set_new(profile, "readme", rb_profile_readme(scan));
    json_object_set_new(profile, "license", rb_profile_license(scan));
    json_object_set_new(profile, "owners", rb_profile_owners(scan));
}

/* What a manifest that could not be read, or not whole, is skipped for; NULL when it was read. */
static const char *skip_name(enum rb_manifest_status status)
{
    return status == RB_MANIFEST_TOO_BIG      ? "size"
           : status == RB_MANIFEST_UNREADABLE ? "parse"
           : status == RB_MANIFEST_CHOSEN     ? "unreadable"
                                              : NULL;
}

/* What the profile rests on: files that were read, and those that were not, by the reason. */
static json_t *profile_read(const struct rb_scan *scan)
{
    int64_t files = 0, bytes = 0;
    json_t *read = json_object(), *skips, *skipped = json_array();
    skips = json_pack("{s:i,s:I,s:i,s:i}", "size", 0, "limit", (json_int_t)scan->manifests_left_out,
                      "unreadable", 0, "parse", 0);
    for (size_t i = 0; i < scan->manifest_count; i++) {
        const struct rb_scan_manifest *manifest = &scan->manifests[i];
        const char *why = skip_name(manifest->status);
        files += manifest->status == RB_MANIFEST_PARSED;
        bytes +=
            manifest->status == RB_MANIFEST_PARSED && manifest->entry->size > 0 ? manifest->entry->size : 0;
        if (!why)
            continue;
        json_t *item = json_object(), *count = json_object_get(skips, why);
        put(item, "path", manifest->path);
        put(item, "why", why);
        put(item, "error", manifest->error);
        if (error_line(manifest->error))
            json_object_set_new(item, "line", json_integer(error_line(manifest->error)));
        json_integer_set(count, json_integer_value(count) + 1);
        json_array_append_new(skipped, item);
    }
    json_object_set_new(read, "requests", json_pack("{s:i,s:i}", "rest", 0, "graphql", 0));
    json_object_set_new(read, "files", json_integer(files));
    json_object_set_new(read, "bytes", json_integer(bytes));
    json_object_set_new(read, "cached", json_integer(0));
    json_object_set_new(read, "skips", skips);
    json_object_set_new(read, "skipped", skipped);
    return read;
}

json_t *rb_scan_profile(const struct rb_scan *scan, const char *repo)
{
    json_t *profile = json_object();
    json_object_set_new(profile, "version", json_integer(PROFILE_VERSION));
    put(profile, "schema", "/profile.schema.json");
    put(profile, "repo", rb_text_clean(scan->arena, repo, strlen(repo), RB_SCAN_NAME_MAX));
    put(profile, "commit", scan->tree->commit);
    json_object_set_new(profile, "scanner",
                        json_pack("{s:s,s:s}", "name", "repobus-scanner", "version", SCANNER_VERSION));
    json_object_set_new(profile, "complete", json_boolean(scan->tree->complete));
    if (!scan->tree->complete) {
        const char *reason = scan->tree->incomplete_reason;
        size_t len = strnlen(reason, sizeof scan->tree->incomplete_reason);
        put(profile, "incomplete_reason", rb_text_clean(scan->arena, reason, len, RB_SCAN_NAME_MAX));
    }
    json_object_set_new(profile, "files", json_integer(scan->files));
    json_object_set_new(profile, "bytes", json_integer(scan->bytes));
    put(profile, "summary", rb_scan_summary(scan));
    json_object_set_new(profile, "languages", profile_languages(scan));
    json_object_set_new(profile, "frameworks", profile_frameworks(scan));
    json_object_set_new(profile, "dependencies", profile_dependencies(scan));
    json_object_set_new(profile, "dependencies_truncated", json_boolean(scan->sheet.truncated));
    json_object_set_new(profile, "manifests", profile_manifests(scan));
    json_object_set_new(profile, "manifests_left_out", json_integer((json_int_t)scan->manifests_left_out));
    json_object_set_new(profile, "key_files", profile_key_files(scan));
    profile_layout(profile, scan);
    json_object_set_new(profile, "read", profile_read(scan));
    return profile;
}
