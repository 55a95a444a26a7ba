/*
 * Workspaces: the root, and each folder with a package of its own. A file belongs to the nearest one above
 * it, so each is described by what is really its own.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/repo/language.h"
#include "scanner/facts.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define LANGUAGES_SHOWN  5  /* of a workspace */
#define FRAMEWORKS_SHOWN 40 /* of a workspace */

static int piece_order(struct rb_piece a, struct rb_piece b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.at, b.at, len) : 0;
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

const struct rb_tree_entry *rb_tree_find(const struct rb_tree *tree, struct rb_piece folder, const char *name)
{
    size_t low = 0, high = tree->count, name_len = strlen(name);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct rb_tree_entry *entry = &tree->entries[middle];
        struct rb_piece path = rb_piece_of(entry->path);
        /* Compares with folder + '/' + name without making it. */
        int order = 0;
        if (folder.len) {
            struct rb_piece head = {path.at, path.len < folder.len ? path.len : folder.len};
            order = piece_order(head, folder);
            if (order == 0)
                order = path.len == folder.len ? -1 : (unsigned char)path.at[folder.len] - '/';
        }
        if (order == 0)
            order = piece_order(rb_piece_after(path, folder.len ? folder.len + 1 : 0),
                                (struct rb_piece){name, name_len});
        if (order == 0)
            return entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE ? NULL : entry;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- which folders ------------------------------------------------------------------------------------ */

/* Gradle allows any script beside build.gradle; only one called like its folder is that of a project. */
static bool gradle_is_project(const char *path)
{
    const char *base = rb_path_base(path);
    struct rb_piece folder = rb_path_folder(path);
    const char *slash = folder.len ? memrchr(folder.at, '/', folder.len) : NULL;
    if (slash)
        folder = rb_piece_after(folder, (size_t)(slash - folder.at) + 1);
    return rb_text_starts(base, "build.gradle") ||
           (folder.len && strncmp(base, folder.at, folder.len) == 0 && base[folder.len] == '.');
}

static bool manifest_makes_package(const struct rb_scan_manifest *manifest)
{
    const char *base = rb_path_base(manifest->entry->path);
    if (rb_path_is_hidden(manifest->entry->path))
        return false;
    if (manifest->format->parse == rb_gradle_parse)
        return gradle_is_project(manifest->entry->path);
    return manifest->format->is_package || rb_text_ends(base, ".csproj") || rb_text_ends(base, ".fsproj") ||
           rb_text_ends(base, ".vbproj");
}

/* Lists of an application that is no package: they make a workspace where no other of its kind is above. */
static bool manifest_makes_application(const struct rb_scan_manifest *manifest)
{
    static const char *const names[] = {"Gemfile", "requirements.txt", "Pipfile", "environment.yml"};
    const char *base = rb_path_base(manifest->entry->path);
    for (size_t i = 0; i < COUNT(names) && !rb_path_is_hidden(manifest->entry->path); i++) {
        if (strcmp(base, names[i]) == 0)
            return true;
    }
    return false;
}

/* Whether there is code in the folder or below it. */
static bool folder_has_code(const struct rb_scan *scan, struct rb_piece folder)
{
    size_t low = 0, high = scan->tree->count;
    while (low < high) { /* the first that is not before "folder/" */
        size_t middle = low + (high - low) / 2;
        const char *path = scan->tree->entries[middle].path;
        int order = strncmp(path, folder.at, folder.len);
        if (order < 0 || (order == 0 && (unsigned char)path[folder.len] < '/'))
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low; i < scan->tree->count; i++) {
        const char *path = scan->tree->entries[i].path;
        if (strncmp(path, folder.at, folder.len) != 0 || path[folder.len] != '/')
            return false;
        int language = rb_scan_language_of(scan, i);
        if (language != RB_LANGUAGE_NONE && rb_languages[language].type == RB_PROGRAMMING)
            return true;
    }
    return false;
}

static int workspace_order(const void *a, const void *b)
{
    return piece_order(((const struct rb_workspace *)a)->where, ((const struct rb_workspace *)b)->where);
}

static struct rb_workspace *workspace_at(const struct rb_workspaces *workspaces, struct rb_piece folder)
{
    struct rb_workspace key = {.where = folder};
    return bsearch(&key, workspaces->items, workspaces->count, sizeof key, workspace_order);
}

static struct rb_workspace *workspace_above(const struct rb_workspaces *workspaces, struct rb_piece folder)
{
    for (;;) {
        struct rb_workspace *found = workspace_at(workspaces, folder);
        if (found || folder.len == 0)
            return found;
        const char *slash = memrchr(folder.at, '/', folder.len);
        folder.len = slash ? (size_t)(slash - folder.at) : 0;
    }
}

struct rb_workspace *rb_workspaces_of(const struct rb_workspaces *workspaces, const char *path)
{
    return workspace_above(workspaces, rb_path_folder(path));
}

/* Adds the folder of a manifest unless it is there, at its place in the order. */
static void workspace_add(struct rb_workspaces *workspaces, struct rb_arena *arena, struct rb_piece folder,
                          bool aside)
{
    struct rb_workspace *same = workspace_at(workspaces, folder);
    if (same) {
        same->aside = same->aside && aside;
        return;
    }
    if (workspaces->count == RB_WORKSPACES_MAX) {
        workspaces->truncated = true;
        return;
    }
    size_t at = workspaces->count++;
    for (; at > 0 && piece_order(workspaces->items[at - 1].where, folder) > 0; at--)
        workspaces->items[at] = workspaces->items[at - 1];
    workspaces->items[at] = (struct rb_workspace){
        .where = folder,
        .path = rb_text_clean(arena, folder.at, folder.len, RB_SCAN_PATH_MAX),
        .ecosystem = "",
        .aside = aside,
    };
}

static bool ecosystem_is_above(const struct rb_scan *scan, const struct rb_scan_manifest *manifest)
{
    struct rb_piece folder = manifest->folder;
    for (size_t i = 0; i < scan->manifest_count; i++) {
        const struct rb_scan_manifest *other = &scan->manifests[i];
        struct rb_piece above = other->folder;
        bool is_above = above.len <= folder.len && memcmp(above.at, folder.at, above.len) == 0 &&
                        (above.len == 0 || above.len == folder.len || folder.at[above.len] == '/');
        if (other != manifest && is_above && (above.len < folder.len || manifest_makes_package(other)) &&
            (manifest_makes_package(other) || manifest_makes_application(other)) &&
            strcmp(other->format->ecosystem, manifest->format->ecosystem) == 0)
            return true;
    }
    return false;
}

void rb_workspaces_find(struct rb_workspaces *workspaces, const struct rb_scan *scan)
{
    *workspaces = (struct rb_workspaces){
        .items = rb_arena_alloc(scan->arena, RB_WORKSPACES_MAX * sizeof *workspaces->items)};
    workspace_add(workspaces, scan->arena, (struct rb_piece){"", 0}, false);
    for (size_t i = 0; i < scan->manifest_count; i++) {
        const struct rb_scan_manifest *manifest = &scan->manifests[i];
        if (manifest_makes_package(manifest) ||
            (manifest_makes_application(manifest) && !manifest->aside &&
             folder_has_code(scan, manifest->folder) && !ecosystem_is_above(scan, manifest)))
            workspace_add(workspaces, scan->arena, manifest->folder, manifest->aside);
    }
}

/* ---- what lies in them -------------------------------------------------------------------------------- */

/* `bytes`: by workspace and language. */
static void workspaces_count(struct rb_workspaces *workspaces, int64_t *bytes, const struct rb_scan *scan)
{
    struct rb_piece last = {NULL, 0};
    struct rb_workspace *nearest = NULL;
    const uint8_t *marks = rb_facts_marks(scan);
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        if (entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE)
            continue;
        struct rb_piece folder = rb_path_folder(entry->path);
        if (!last.at || piece_order(folder, last) != 0)
            nearest = workspace_above(workspaces, folder);
        last = folder;
        int64_t size = entry->size > 0 ? entry->size : 0;
        nearest->files++;
        nearest->bytes += size;
        nearest->tests += (marks[i] & (RB_MARK_TEST | RB_MARK_VENDORED)) == RB_MARK_TEST;
        int language = rb_scan_language_of(scan, i);
        if (language != RB_LANGUAGE_NONE)
            bytes[(size_t)(nearest - workspaces->items) * rb_language_total + (size_t)language] += size;
    }
}

struct workspace_language {
    int language;
    int64_t bytes;
};

static int workspace_language_order(const void *a, const void *b)
{
    const struct workspace_language *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->language - y->language;
}

/* What lies in workspaces within one counts for its language as well. Those come later in the order. */
static void workspaces_roll_up(const struct rb_workspaces *workspaces, int64_t *bytes)
{
    for (size_t i = workspaces->count; i-- > 1;) {
        struct rb_piece folder = workspaces->items[i].where;
        const char *slash = memrchr(folder.at, '/', folder.len);
        const struct rb_workspace *above = workspace_above(
            workspaces, (struct rb_piece){folder.at, slash ? (size_t)(slash - folder.at) : 0});
        int64_t *to = bytes + (size_t)(above - workspaces->items) * rb_language_total;
        if (workspaces->items[i].aside && !above->aside)
            continue;
        for (size_t k = 0; k < rb_language_total; k++)
            to[k] += bytes[i * rb_language_total + k];
    }
}

/* Only languages that count for shares: programming and markup. The first that is programmed in leads. */
static const char *workspace_languages(json_t *list, const int64_t *bytes)
{
    struct workspace_language *found = rb_calloc(rb_language_total, sizeof *found);
    size_t count = 0;
    int64_t total = 0;
    const char *lead = NULL;
    for (size_t i = 0; i < rb_language_total; i++) {
        bool counts = rb_languages[i].type == RB_PROGRAMMING || rb_languages[i].type == RB_MARKUP;
        if (!counts || bytes[i] == 0)
            continue;
        found[count++] = (struct workspace_language){(int)i, bytes[i]};
        total += bytes[i];
    }
    qsort(found, count, sizeof *found, workspace_language_order);
    for (size_t i = 0; i < count; i++) {
        const struct rb_language *language = &rb_languages[found[i].language];
        if (!lead && language->type == RB_PROGRAMMING && found[i].bytes >= total / 10)
            lead = language->name;
        if (i >= LANGUAGES_SHOWN)
            continue;
        json_t *item = json_object();
        json_object_set_new(item, "name", json_string(language->name));
        json_object_set_new(item, "bytes", json_integer(found[i].bytes));
        int tenths = (int)((double)found[i].bytes * 1000.0 / (double)total + 0.5);
        json_object_set_new(item, "share", json_real(tenths / 10.0));
        json_array_append_new(list, item);
    }
    if (!lead && count)
        lead = rb_languages[found[0].language].name;
    free(found);
    return lead;
}

/* The ecosystem in which one writes this language. */
static const char *language_ecosystem(const char *language)
{
    static const char *const table[][2] = {{"JavaScript", "npm"},
                                           {"TypeScript", "npm"},
                                           {"Vue", "npm"},
                                           {"Svelte", "npm"},
                                           {"Python", "pypi"},
                                           {"Go", "go"},
                                           {"Rust", "cargo"},
                                           {"Java", "maven"},
                                           {"Kotlin", "maven"},
                                           {"Groovy", "maven"},
                                           {"Scala", "maven"},
                                           {"PHP", "composer"},
                                           {"Blade", "composer"},
                                           {"Ruby", "rubygems"},
                                           {"C#", "nuget"},
                                           {"F#", "nuget"},
                                           {"Visual Basic .NET", "nuget"},
                                           {"Elixir", "hex"},
                                           {"Erlang", "hex"},
                                           {"Dart", "pub"},
                                           {"Swift", "swift"}};
    for (size_t i = 0; language && i < COUNT(table); i++) {
        if (strcmp(table[i][0], language) == 0)
            return table[i][1];
    }
    return "";
}

static bool manifest_is_in(const struct rb_scan_manifest *manifest, const struct rb_workspace *workspace)
{
    return rb_piece_same(manifest->folder, workspace->where);
}

static const struct rb_scan_package *package_of(const struct rb_scan *scan, const char *manifest)
{
    for (size_t i = 0; i < scan->sheet.package_count; i++) {
        if (strcmp(scan->sheet.packages[i].manifest, manifest) == 0)
            return &scan->sheet.packages[i];
    }
    return NULL;
}

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text && *text)
        json_object_set_new(object, name, json_string(text));
}

static void commands_put(json_t *list, const struct rb_scan_command *commands, size_t count,
                         const char *manifest, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_object();
        put_text(item, "name", commands[i].name);
        json_object_set_new(item, value, json_string(commands[i].command));
        json_object_set_new(item, "file", json_string(manifest));
        json_array_append_new(list, item);
    }
}

static json_t *workspace_package(const struct rb_scan *scan, const struct rb_scan_manifest *manifest,
                                 json_t *entries, json_t *scripts)
{
    const struct rb_scan_package *package = package_of(scan, manifest->path);
    json_t *item = json_object();
    json_object_set_new(item, "ecosystem", json_string(manifest->format->ecosystem));
    json_object_set_new(item, "manifest", json_string(manifest->path));
    if (!package)
        return item;
    put_text(item, "name", package->name);
    put_text(item, "version", package->version);
    put_text(item, "manager", package->manager);
    put_text(item, "engine", package->engine);
    if (*package->licence) {
        put_text(item, "declared_license", package->licence);
        put_text(item, "license", rb_license_of_name(scan->arena, package->licence));
    }
    commands_put(entries, package->entries, package->entry_count, package->manifest, "target");
    commands_put(scripts, package->scripts, package->script_count, package->manifest, "command");
    return item;
}

static bool entries_have(const json_t *entries, const char *target)
{
    const json_t *item;
    size_t i;
    json_array_foreach(entries, i, item)
    {
        const char *other = json_string_value(json_object_get(item, "target"));
        if (strcmp(rb_text_starts(other, "./") ? other + 2 : other, target) == 0)
            return true;
    }
    return false;
}

/* Files that begin a program by their name (main.go, manage.py), where no manifest says it. */
static void workspace_entry_files(json_t *entries, const struct rb_scan *scan,
                                  const struct rb_workspaces *workspaces,
                                  const struct rb_workspace *workspace)
{
    for (size_t i = 0; i < scan->key_file_count; i++) {
        const struct rb_scan_key_file *file = &scan->key_files[i];
        if (strcmp(file->role, "entry point") != 0 || rb_workspaces_of(workspaces, file->path) != workspace)
            continue;
        const char *target = file->path + workspace->where.len + (workspace->where.len > 0);
        if (entries_have(entries, target))
            continue;
        json_t *item = json_object();
        json_object_set_new(item, "target", json_string(target));
        json_object_set_new(item, "file", json_string(file->path));
        json_array_append_new(entries, item);
    }
}

/* Packages of the workspace's own language first, so that its name and ecosystem are that one's. */
static void workspace_packages(json_t *out, struct rb_workspace *workspace, const struct rb_scan *scan,
                               const char *language)
{
    json_t *packages = json_array(), *entries = json_array(), *scripts = json_array();
    const char *wanted = language_ecosystem(language), *name = NULL;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < scan->manifest_count; i++) {
            const struct rb_scan_manifest *manifest = &scan->manifests[i];
            bool is_first = strcmp(manifest->format->ecosystem, wanted) == 0;
            if (!manifest_is_in(manifest, workspace) || is_first != (round == 0))
                continue;
            if (is_first)
                workspace->ecosystem = wanted;
            if (!(manifest_makes_package(manifest) || manifest_makes_application(manifest)))
                continue;
            json_t *package = workspace_package(scan, manifest, entries, scripts);
            if (!*workspace->ecosystem)
                workspace->ecosystem = manifest->format->ecosystem;
            if (!name)
                name = json_string_value(json_object_get(package, "name"));
            json_array_append_new(packages, package);
        }
    }
    put_text(out, "name", name);
    put_text(out, "ecosystem", workspace->ecosystem);
    json_object_set_new(out, "packages", packages);
    json_object_set_new(out, "entry_points", entries);
    json_object_set_new(out, "scripts", scripts);
}

static void framework_put(json_t *list, const char *name)
{
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), name) == 0)
            return;
    }
    rb_facts_put(list, FRAMEWORKS_SHOWN, json_string(name));
}

/* Frameworks that the manifests of each workspace show, in one pass over the dependencies; `lists` has one
 * for each workspace. */
static void workspaces_frameworks(json_t **lists, const struct rb_scan *scan,
                                  const struct rb_workspaces *workspaces)
{
    const char *last = NULL;
    const struct rb_workspace *nearest = NULL;
    for (size_t i = 0; i < workspaces->count; i++)
        lists[i] = json_array();
    for (size_t i = 0; i < scan->sheet.count; i++) {
        const struct rb_scan_dependency *dependency = &scan->sheet.items[i];
        if (dependency->indirect || dependency->local || dependency->offered)
            continue;
        if (dependency->manifest != last)
            nearest = rb_workspaces_of(workspaces, dependency->manifest);
        last = dependency->manifest;
        const char *name = rb_framework_of(dependency->ecosystem, dependency->name);
        if (name && nearest && (!dependency->aside || nearest->aside))
            framework_put(lists[nearest - workspaces->items], name);
    }
}

/* Takes the reference to `frameworks`. */
static json_t *workspace_json(const struct rb_scan *scan, const struct rb_workspaces *workspaces,
                              struct rb_workspace *workspace, const int64_t *bytes, json_t *frameworks)
{
    json_t *out = json_object(), *languages = json_array();
    json_object_set_new(out, "path", json_string(workspace->path));
    const char *language = workspace_languages(languages, bytes);
    workspace_packages(out, workspace, scan, language);
    workspace_entry_files(json_object_get(out, "entry_points"), scan, workspaces, workspace);
    put_text(out, "language", language);
    json_object_set_new(out, "languages", languages);
    json_object_set_new(out, "frameworks", frameworks);
    json_object_set_new(out, "commands", rb_commands_json(scan, workspace));
    json_object_set_new(out, "files", json_integer(workspace->files));
    json_object_set_new(out, "bytes", json_integer(workspace->bytes));
    json_object_set_new(out, "test_files", json_integer(workspace->tests));
    if (workspace->aside)
        json_object_set_new(out, "aside", json_true());
    return out;
}

json_t *rb_workspaces_json(const struct rb_scan *scan, struct rb_workspaces *workspaces)
{
    json_t *list = json_array(), **frameworks = rb_calloc(workspaces->count + 1, sizeof *frameworks);
    int64_t *bytes = rb_calloc(workspaces->count * rb_language_total + 1, sizeof *bytes);
    workspaces_count(workspaces, bytes, scan);
    workspaces_roll_up(workspaces, bytes);
    workspaces_frameworks(frameworks, scan, workspaces);
    for (size_t i = 0; i < workspaces->count; i++)
        json_array_append_new(list, workspace_json(scan, workspaces, &workspaces->items[i],
                                                   bytes + i * rb_language_total, frameworks[i]));
    free(bytes);
    free(frameworks);
    return list;
}
