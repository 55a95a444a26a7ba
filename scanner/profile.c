/*
 * The profile as JSON (edge/web/profile.schema.json describes it). All text in it was made valid UTF-8
 * before.
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/facts.h"
#include "scanner/purl.h"
#include "scanner/scan.h"
#include "scanner/text.h"

#define SCANNER_VERSION "2.0" /* grows when the same commit gets another profile */
#define FRAMEWORKS_MAX  100   /* the rules know a thousand; the largest repositories tried use sixty */

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
        put(item, "type", language->type);
        json_object_set_new(item, "files", json_integer(language->files));
        json_object_set_new(item, "bytes", json_integer(language->bytes));
        json_object_set_new(item, "share", json_real(language->tenths / 10.0));
        json_array_append_new(list, item);
    }
    return list;
}

/* By bytes a stylesheet may come first where a person would say Java: both are told. Null where there is
 * none, as where everything is data. */
static json_t *profile_primary(const struct rb_scan *scan, bool programming)
{
    for (size_t i = 0; i < scan->language_count && !scan->has_data_only; i++) {
        if (!programming || scan->languages[i].is_programming)
            return json_string(scan->languages[i].name);
    }
    return json_null();
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

static json_t *profile_evidence(const struct rb_scan_technology *technology)
{
    json_t *list = json_array();
    for (size_t i = 0; i < technology->evidence_count; i++) {
        const struct rb_scan_evidence *evidence = &technology->evidence[i];
        json_t *item = json_object();
        put(item, "path", evidence->path);
        if (evidence->line)
            json_object_set_new(item, "line", json_integer(evidence->line));
        put(item, "what", evidence->what);
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *profile_technologies(const struct rb_scan *scan, const char *repo)
{
    size_t count;
    const struct rb_scan_technology *found = rb_scan_technologies(&count, scan, repo);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_object(), *workspaces = json_array();
        put(item, "name", found[i].name);
        put(item, "category", found[i].category);
        json_object_set_new(item, "evidence", profile_evidence(&found[i]));
        for (size_t k = 0; k < found[i].workspace_count; k++)
            json_array_append_new(workspaces, json_string(found[i].workspaces[k]));
        json_object_set_new(item, "workspaces", workspaces);
        if (found[i].aside)
            json_object_set_new(item, "aside", json_true());
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
        const char *purl = rb_purl(scan->arena, dependency);
        if (*purl)
            put(item, "purl", purl);
        if (dependency->override && *dependency->override)
            put(item, "override", dependency->override);
        if (*dependency->marker)
            put(item, "marker", dependency->marker);
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
        int line = rb_text_line_number(manifest->error);
        if (line && line <= RB_SCAN_LOCK_BYTES)
            json_object_set_new(item, "line", json_integer(line));
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

json_t *rb_scan_profile(const struct rb_scan *scan, const char *repo)
{
    json_t *profile = json_object();
    json_object_set_new(profile, "version", json_integer(strtol(RB_PROFILE_VERSION, NULL, 10)));
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
    json_object_set_new(profile, "primary_language", profile_primary(scan, false));
    json_object_set_new(profile, "primary_programming_language", profile_primary(scan, true));
    json_object_set_new(profile, "frameworks", profile_frameworks(scan));
    json_object_set_new(profile, "technologies", profile_technologies(scan, repo));
    json_object_set_new(profile, "dependencies", profile_dependencies(scan));
    json_object_set_new(profile, "dependencies_truncated", json_boolean(scan->sheet.truncated));
    json_object_set_new(profile, "manifests", profile_manifests(scan));
    json_object_set_new(profile, "manifests_left_out", json_integer((json_int_t)scan->manifests_left_out));
    json_object_set_new(profile, "read", rb_scan_profile_read(scan));
    json_object_set_new(profile, "key_files", profile_key_files(scan));
    profile_layout(profile, scan);
    return profile;
}
