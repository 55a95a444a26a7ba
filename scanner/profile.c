/*
 * The profile as JSON, and the sentence that a person reads first. All text in it was made valid UTF-8
 * before.
 */
#include <string.h>

#include "scanner/purl.h"
#include "scanner/scan.h"
#include "scanner/text.h"

#define PROFILE_VERSION 1
#define FRAMEWORKS_MAX  100 /* the rules know a thousand; the largest repositories tried use sixty */

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
        put(item, "ecosystem", manifest->format->ecosystem);
        put(item, "status", status_name(manifest->status));
        put(item, "error", manifest->error);
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

static bool scan_is_monorepo(const struct rb_scan *scan)
{
    return scan->is_monorepo || scan->sheet.members > 0;
}

static json_t *profile_structure(const struct rb_scan *scan)
{
    json_t *structure = json_object(), *top = json_array(), *ci = json_array();
    for (size_t i = 0; i < scan->top_count; i++) {
        json_t *item = json_object();
        put(item, "path", scan->top[i].path);
        json_object_set_new(item, "files", json_integer(scan->top[i].files));
        json_object_set_new(item, "bytes", json_integer(scan->top[i].bytes));
        json_array_append_new(top, item);
    }
    for (size_t i = 0; i < scan->ci_count; i++)
        json_array_append_new(ci, json_string(scan->ci[i]));
    json_object_set_new(structure, "top", top);
    json_object_set_new(structure, "depth", json_integer((json_int_t)scan->depth));
    json_object_set_new(structure, "tests", json_boolean(scan->has_tests));
    json_object_set_new(structure, "docs", json_boolean(scan->has_docs));
    json_object_set_new(structure, "ci", ci);
    json_object_set_new(structure, "containers", json_boolean(scan->has_containers));
    json_object_set_new(structure, "monorepo", json_boolean(scan_is_monorepo(scan)));
    return structure;
}

json_t *rb_scan_profile(const struct rb_scan *scan, const char *repo)
{
    json_t *profile = json_object();
    json_object_set_new(profile, "version", json_integer(PROFILE_VERSION));
    put(profile, "repo", rb_text_clean(scan->arena, repo, strlen(repo), RB_SCAN_NAME_MAX));
    put(profile, "commit", scan->tree->commit);
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
    json_object_set_new(profile, "structure", profile_structure(scan));
    return profile;
}

/* ---- the summary -------------------------------------------------------------------------------------- */

static const char *summary_size(struct rb_arena *arena, int64_t bytes)
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    return rb_arena_printf(arena, unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* "a", "a and b", "a, b and c" */
static const char *summary_join(struct rb_arena *arena, const char *const *names, size_t count)
{
    const char *text = count ? names[0] : "";
    for (size_t i = 1; i < count; i++)
        text = rb_arena_printf(arena, "%s%s%s", text, i + 1 == count ? " and " : ", ", names[i]);
    return text;
}

/* The language to name first: a stylesheet may be the largest file and still not what the repository is
 * about. */
#define LEAD_TENTHS  100 /* 10% */
#define WORTH_TENTHS 20  /* 2%: below, it is not worth a word */
static size_t summary_lead(const struct rb_scan *scan)
{
    for (size_t i = 0; i < scan->language_count; i++) {
        if (scan->languages[i].is_programming && scan->languages[i].tenths >= LEAD_TENTHS)
            return i;
    }
    return 0;
}

/* "Python (97.8%) with HTML" */
static const char *summary_languages(const struct rb_scan *scan)
{
    const char *others[2];
    size_t count = 0, lead = summary_lead(scan);
    if (scan->language_count == 0)
        return "No language known here";
    for (size_t i = 0; i < scan->language_count && count < 2; i++) {
        if (i != lead && scan->languages[i].tenths >= WORTH_TENTHS)
            others[count++] = scan->languages[i].name;
    }
    const char *text = rb_arena_printf(scan->arena, "%s (%d.%d%%)", scan->languages[lead].name,
                                       scan->languages[lead].tenths / 10, scan->languages[lead].tenths % 10);
    if (count)
        text = rb_arena_printf(scan->arena, "%s with %s", text, summary_join(scan->arena, others, count));
    return text;
}

const char *rb_scan_summary(const struct rb_scan *scan)
{
    if (scan->files == 0)
        return "Empty: no files yet.";
    struct rb_scan_framework found[4];
    const char *frameworks[4], *having[4];
    size_t framework_count = rb_scan_frameworks(found, 4, scan), having_count = 0;
    for (size_t i = 0; i < framework_count; i++)
        frameworks[i] = found[i].name;
    if (scan->has_tests)
        having[having_count++] = "tests";
    if (scan->has_docs)
        having[having_count++] = "documentation";
    if (scan->ci_count)
        having[having_count++] = "continuous integration";
    if (scan->has_containers)
        having[having_count++] = "containers";
    const char *text = summary_languages(scan);
    if (framework_count)
        text = rb_arena_printf(scan->arena, "%s, using %s", text,
                               summary_join(scan->arena, frameworks, framework_count));
    text = rb_arena_printf(scan->arena, "%s. %s%lld file%s, %s", text,
                           scan_is_monorepo(scan) ? "Several packages in " : "", (long long)scan->files,
                           scan->files == 1 ? "" : "s", summary_size(scan->arena, scan->bytes));
    if (having_count)
        text =
            rb_arena_printf(scan->arena, "%s; has %s", text, summary_join(scan->arena, having, having_count));
    return rb_arena_printf(scan->arena, "%s.%s", text,
                           scan->tree->complete ? "" : " The file list is incomplete.");
}
