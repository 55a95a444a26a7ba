/*
 * Gradle: what one file says for others. Build scripts give versions names in gradle.properties, in ext
 * blocks and maps, in Kotlin objects under buildSrc, in version catalogues; this keeps the names of each
 * file, and fills them in when all was read: the file's own first, then those of the nearest folder above.
 */
#include "scanner/gradle.h"

#include <ctype.h>
#include <string.h>

#include "scanner/tree.h"

#define GRADLE_FILL_MAX  6    /* names within names, and names of one text */
#define GRADLE_NAMES_MAX 2000 /* of one file; the largest known have some five hundred */
#define GRADLE_PATH_MAX  200  /* bytes of a name with its prefixes */

struct rb_piece rb_gradle_uncomment(bool *in_comment, struct rb_piece line)
{
    if (*in_comment) {
        const char *end = memmem(line.at, line.len, "*/", 2);
        if (!end)
            return (struct rb_piece){"", 0};
        *in_comment = false;
        line = rb_piece_after(line, (size_t)(end - line.at) + 2);
    }
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.at[i];
        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '/' && i + 1 < line.len && line.at[i + 1] == '/') {
            line.len = i;
        } else if (c == '/' && i + 1 < line.len && line.at[i + 1] == '*') {
            *in_comment = !memmem(line.at + i, line.len - i, "*/", 2);
            line.len = i;
        }
    }
    return rb_piece_trim(line);
}

static void gradle_free(void *arg)
{
    struct rb_gradle *gradle = arg;
    json_decref(gradle->own_plugins);
    json_decref(gradle->catalog_names);
    json_decref(gradle->root_names);
}

struct rb_gradle *rb_gradle_of(struct rb_scan_sheet *sheet)
{
    if (sheet->gradle)
        return sheet->gradle;
    sheet->gradle = rb_arena_alloc(sheet->arena, sizeof *sheet->gradle);
    sheet->gradle->own_plugins = json_object();
    sheet->gradle->catalog_names = json_object();
    sheet->gradle->root_names = json_object();
    rb_arena_defer(sheet->arena, gradle_free, sheet->gradle);
    return sheet->gradle;
}

size_t rb_gradle_reach(const char *path)
{
    static const char *const folders[] = {"gradle/",    "buildSrc/",   "build-logic/",
                                          "build-src/", "buildLogic/", "build-conventions/"};
    size_t reach = (size_t)(rb_path_base(path) - path);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *at = strstr(path, folders[i]);
        if (at && (at == path || at[-1] == '/') && (size_t)(at - path) < reach)
            reach = (size_t)(at - path);
    }
    return reach;
}

static void gradle_file_free(void *arg)
{
    json_decref(((struct rb_gradle_file *)arg)->values);
}

struct rb_gradle_file *rb_gradle_file_new(struct rb_scan_sheet *sheet)
{
    struct rb_gradle *gradle = rb_gradle_of(sheet);
    struct rb_gradle_file *file = rb_arena_alloc(sheet->arena, sizeof *file);
    file->manifest = sheet->manifest;
    file->reach = rb_gradle_reach(sheet->manifest);
    file->values = json_object();
    file->next = gradle->files;
    gradle->files = file;
    rb_arena_defer(sheet->arena, gradle_file_free, file);
    return file;
}

/* ---- giving names ------------------------------------------------------------------------------------- */

static bool gradle_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Words with one dot between, whatever stood there: `extra["a"].b` is "a.b". Words that only say where to
 * look are left out. */
static const char *gradle_path(struct rb_arena *arena, struct rb_piece text)
{
    static const char *const places[] = {
        "rootProject", "project", "ext",      "extra",     "property", "findProperty", "properties",
        "this",        "gradle",  "settings", "providers", "get",      "toString",     "gradleProperty"};
    char *path = rb_arena_alloc(arena, text.len + 2);
    size_t used = 0;
    for (size_t i = 0; i < text.len;) {
        size_t end = i;
        while (end < text.len && gradle_is_word(text.at[end]))
            end++;
        struct rb_piece word = {text.at + i, end - i};
        bool is_place = word.len == 0;
        for (size_t k = 0; k < sizeof places / sizeof *places; k++)
            is_place = is_place || rb_piece_is(word, places[k]);
        if (!is_place) {
            if (used)
                path[used++] = '.';
            memcpy(path + used, word.at, word.len);
            used += word.len;
        }
        i = end + 1;
    }
    path[used] = 0;
    return path;
}

static void values_put(json_t *values, const char *name, struct rb_piece value)
{
    if (!json_object_get(values, name)) {
        json_object_set_new(values, name, json_stringn(value.at, value.len));
        return;
    }
    const char *known = rb_json_text(values, name);
    if (!rb_piece_is(value, known) && name[0] == '.')
        json_object_set_new(values, name, json_null());
}

void rb_gradle_name(struct rb_gradle_file *file, struct rb_scan_sheet *sheet, const char *prefix,
                    struct rb_piece name, struct rb_piece value)
{
    /* A long text would be copied to each place that names it. */
    if (name.len == 0 || name.len + strlen(prefix) > GRADLE_PATH_MAX || value.len == 0 ||
        value.len > RB_SCAN_NAME_MAX || json_object_size(file->values) >= 2 * GRADLE_NAMES_MAX ||
        memchr(value.at, 0, value.len))
        return;
    const char *own = gradle_path(sheet->arena, name);
    const char *path = rb_arena_printf(sheet->arena, "%s%s", prefix, own), *last = strrchr(path, '.');
    if (!*own)
        return;
    values_put(file->values, path, value);
    values_put(file->values, last ? last : rb_arena_printf(sheet->arena, ".%s", path), value);
}

/* The name in front of `at`, behind which a '=' or ':' or ',' stands: a word, or one in quotes. */
static struct rb_piece name_before(const char *start, const char *at)
{
    const char *none = "";
    while (at > start && isspace((unsigned char)at[-1]))
        at--;
    char mark = at > start ? at[-1] : 0;
    if (mark != '=' && mark != ':' && mark != ',' && mark != '(' && mark != '{')
        return (struct rb_piece){none, 0};
    bool is_pair = mark == ',';
    for (at--; at > start && (isspace((unsigned char)at[-1]) || strchr("\"'])", at[-1]) != NULL);)
        at--;
    const char *end = at;
    while (at > start && (gradle_is_word(at[-1]) || at[-1] == '.' || (at[-1] == '-' && mark != '=')))
        at--;
    struct rb_piece name = {at, (size_t)(end - at)};
    while (at > start && strchr("\"' (", at[-1]))
        at--;
    struct rb_piece before = {start, (size_t)(at - start)};
    if (is_pair) /* set("name", "text") */
        return rb_piece_ends(before, "set") || rb_piece_ends(before, "put") ? name
                                                                            : (struct rb_piece){none, 0};
    if (mark == '(' || mark == '{') { /* val name by extra("text") */
        before = rb_piece_trim(before);
        if (!rb_piece_is(name, "extra") || !rb_piece_ends(before, "by"))
            return (struct rb_piece){none, 0};
        before = rb_piece_trim((struct rb_piece){before.at, before.len - 2});
        const char *type = memchr(before.at, ':', before.len);
        before.len = type ? (size_t)(type - before.at) : before.len;
        size_t from = before.len;
        while (from && gradle_is_word(before.at[from - 1]))
            from--;
        return rb_piece_after(before, from);
    }
    if (rb_piece_is(name, "String") && rb_piece_ends(rb_piece_trim(before), ":")) { /* val name: String = */
        end = before.at + rb_piece_trim(before).len - 1;
        for (at = end; at > start && gradle_is_word(at[-1]);)
            at--;
        name = (struct rb_piece){at, (size_t)(end - at)};
    }
    return name;
}

void rb_gradle_note_names(struct rb_gradle_file *file, struct rb_scan_sheet *sheet, const char *prefix,
                          struct rb_piece line)
{
    if (line.len > RB_XML_TEXT_MAX) /* nobody writes names in so long a line; looking back would be slow */
        return;
    for (size_t i = 0; i < line.len;) {
        struct rb_piece rest = rb_piece_after(line, i), value;
        if ((line.at[i] != '"' && line.at[i] != '\'') || !rb_piece_quoted(&value, &rest)) {
            i++;
            continue;
        }
        rb_gradle_name(file, sheet, prefix, name_before(line.at, line.at + i), value);
        i = line.len - rest.len;
    }
}

/* ---- filling names in --------------------------------------------------------------------------------- */

static const char *values_find(const json_t *values, const char *path, const char *last)
{
    const char *value = rb_json_text(values, path);
    return *value ? value : rb_json_text(values, last);
}

static const char *gradle_lookup(struct rb_scan_sheet *sheet, const struct rb_gradle_file *file, bool others,
                                 const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *last = dot ? dot : rb_arena_printf(sheet->arena, ".%s", path), *best = "";
    size_t best_reach = 0;
    if (!*path)
        return "";
    const char *value = file ? values_find(file->values, path, last) : "";
    if (*value || !others || !file)
        return value;
    for (const struct rb_gradle_file *at = sheet->gradle->files; at; at = at->next) {
        if (strncmp(at->manifest, file->manifest, at->reach) != 0 || (*best && at->reach < best_reach))
            continue;
        value = values_find(at->values, path, last);
        if (*value) {
            best = value;
            best_reach = at->reach;
        }
    }
    return best;
}

/* Where the name behind a '$' ends. Groovy takes dots along, Kotlin only within braces. */
static size_t name_end(const struct rb_gradle_file *file, const char *name)
{
    size_t end = 0;
    bool is_kotlin = file && (rb_text_ends(file->manifest, ".kts") || rb_text_ends(file->manifest, ".kt"));
    while (gradle_is_word(name[end]) ||
           (!is_kotlin && end && name[end] == '.' && isalpha((unsigned char)name[end + 1])))
        end++;
    return end;
}

const char *rb_gradle_fill(struct rb_scan_sheet *sheet, const struct rb_gradle_file *file, bool others,
                           const char *text)
{
    size_t from = 0;
    for (int i = 0; i < GRADLE_FILL_MAX && strlen(text) <= RB_SCAN_NAME_MAX; i++) {
        const char *dollar = strchr(text + from, '$');
        if (!dollar)
            break;
        bool is_braced = dollar[1] == '{';
        const char *name = dollar + 1 + is_braced, *close = is_braced ? strchr(name, '}') : NULL;
        size_t len = close ? (size_t)(close - name) : is_braced ? 0 : name_end(file, name);
        const char *value =
            gradle_lookup(sheet, file, others, gradle_path(sheet->arena, (struct rb_piece){name, len}));
        if (*value)
            text = rb_arena_printf(sheet->arena, "%.*s%s%s", (int)(dollar - text), text, value,
                                   name + len + (close != NULL));
        else
            from = (size_t)(name + len - text);
    }
    return text;
}

bool rb_gradle_coordinates(struct rb_piece text, struct rb_piece *name, struct rb_piece *version)
{
    const char *first = memchr(text.at, ':', text.len);
    if (!first || first == text.at || memchr(text.at, '/', text.len) || memchr(text.at, ' ', text.len))
        return false;
    size_t group = (size_t)(first - text.at) + 1;
    const char *second = memchr(text.at + group, ':', text.len - group);
    *name = (struct rb_piece){text.at, second ? (size_t)(second - text.at) : text.len};
    *version = rb_piece_after(text, name->len + 1);
    size_t len = 0;
    while (len < version->len && version->at[len] != ':' && version->at[len] != '@')
        len++;
    version->len = len;
    return name->len > group;
}

/* ---- catalogues --------------------------------------------------------------------------------------- */

static void gradle_catalog_free(void *arg)
{
    json_decref(((struct rb_gradle_catalog *)arg)->aliases);
}

struct rb_gradle_catalog *rb_gradle_catalog_new(struct rb_scan_sheet *sheet, const char *name)
{
    struct rb_gradle *gradle = rb_gradle_of(sheet);
    struct rb_gradle_catalog *catalog = rb_arena_alloc(sheet->arena, sizeof *catalog);
    catalog->manifest = sheet->manifest;
    catalog->name = name;
    catalog->reach = rb_gradle_reach(sheet->manifest);
    catalog->aliases = json_object();
    catalog->next = gradle->catalogs;
    gradle->catalogs = catalog;
    rb_arena_defer(sheet->arena, gradle_catalog_free, catalog);
    return catalog;
}

/* How build scripts call an entry: its name with dots for all that parts it. */
void rb_gradle_catalog_put(struct rb_gradle_catalog *catalog, struct rb_scan_sheet *sheet, const char *group,
                           const char *alias, const struct rb_scan_dependency *item)
{
    char *name = rb_arena_printf(sheet->arena, "%s%s", group, alias);
    for (char *at = name; *at; at++)
        *at = *at == '-' || *at == '_' ? '.' : *at;
    json_t *list = json_object_get(catalog->aliases, name);
    if (!list) {
        list = json_array();
        json_object_set_new(catalog->aliases, name, list);
    }
    json_array_append_new(list, json_integer((json_int_t)(item - sheet->items)));
}

/* ---- when all was read -------------------------------------------------------------------------------- */

/* What the nearest catalogue of that name calls so. */
static const json_t *catalog_find(const struct rb_scan_sheet *sheet, const struct rb_scan_dependency *item)
{
    const json_t *best = NULL;
    size_t best_reach = 0, len = strcspn(item->alias, ".");
    for (const struct rb_gradle_catalog *at = sheet->gradle->catalogs; at && item->alias[len];
         at = at->next) {
        const char *given = rb_json_text(sheet->gradle->catalog_names, at->manifest);
        if (!rb_piece_is((struct rb_piece){item->alias, len}, *given ? given : at->name) ||
            strncmp(at->manifest, item->manifest, at->reach) != 0 || (best && at->reach <= best_reach))
            continue;
        const json_t *found = json_object_get(at->aliases, item->alias + len + 1);
        if (found) {
            best = found;
            best_reach = at->reach;
        }
    }
    return best;
}

/* One that is wanted by its alias becomes what the catalogue calls so; a bundle becomes several. */
static void settle_alias(struct rb_scan_sheet *sheet, size_t wanted, const json_t *list)
{
    json_t *index;
    size_t i;
    json_array_foreach(list, i, index)
    {
        struct rb_scan_dependency offer = sheet->items[json_integer_value(index)];
        if (i) {
            struct rb_scan_dependency *more = rb_scan_add_text(sheet, offer.name, "", RB_KIND_RUNTIME);
            if (!more)
                return;
            *more = sheet->items[wanted]; /* adding may have moved them */
        }
        struct rb_scan_dependency *item = i ? &sheet->items[sheet->count - 1] : &sheet->items[wanted];
        item->name = offer.name;
        item->requirement = offer.requirement;
        item->alias = NULL;
    }
}

static const struct rb_gradle_file *gradle_file_of(const struct rb_scan_sheet *sheet, const char *manifest)
{
    const struct rb_gradle_file *file = sheet->gradle->files;
    while (file && file->manifest != manifest)
        file = file->next;
    return file;
}

/* `implementation deps.okhttp`: a text of coordinates that some script gave that name. */
static void settle_named(struct rb_scan_sheet *sheet, struct rb_scan_dependency *item,
                         const struct rb_gradle_file *file)
{
    const char *path = gradle_path(sheet->arena, rb_piece_of(item->alias));
    const char *value = gradle_lookup(sheet, file, true, path);
    struct rb_piece name, version;
    value = rb_gradle_fill(sheet, file, true, value);
    if (!rb_gradle_coordinates(rb_piece_of(value), &name, &version))
        return;
    item->name = rb_text_clean(sheet->arena, name.at, name.len, RB_SCAN_NAME_MAX);
    item->requirement = rb_scan_requirement(sheet, version.at, version.len);
    item->alias = NULL;
}

static void settle_ref(struct rb_scan_sheet *sheet, const struct rb_gradle_ref *ref,
                       const struct rb_gradle_file *file)
{
    struct rb_scan_dependency *item = &sheet->items[ref->item];
    const char *text = rb_gradle_fill(sheet, file, true, ref->text);
    struct rb_piece name, version = rb_piece_of(text);
    if (!ref->is_plugin && rb_gradle_coordinates(version, &name, &version))
        item->name = rb_text_clean(sheet->arena, name.at, name.len, RB_SCAN_NAME_MAX);
    item->requirement = rb_scan_requirement(sheet, version.at, version.len);
}

/* A plugin's version stands once, in the root's script or in the settings; where two are named, in neither.
 */
static void settle_plugins(struct rb_scan_sheet *sheet)
{
    json_t *versions = json_object();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sheet->count; i++) {
            struct rb_scan_dependency *item = &sheet->items[i];
            if (strcmp(item->ecosystem, "maven") != 0 || strchr(item->name, ':') || item->alias)
                continue;
            const json_t *known = json_object_get(versions, item->name);
            if (round == 0 && *item->requirement)
                json_object_set_new(versions, item->name,
                                    known &&
                                            strcmp(rb_json_text(versions, item->name), item->requirement) != 0
                                        ? json_null()
                                        : json_string(item->requirement));
            else if (round == 1 && !*item->requirement && json_is_string(known))
                item->requirement =
                    rb_scan_requirement(sheet, json_string_value(known), json_string_length(known));
            if (round == 1 && json_object_get(sheet->gradle->own_plugins, item->name))
                item->local = true;
        }
    }
    json_decref(versions);
}

/* The name of a project is that of its folder, or what the settings next to it say. */
static void settle_projects(struct rb_scan_sheet *sheet)
{
    for (size_t i = 0; i < sheet->package_count; i++) {
        struct rb_scan_package *package = &sheet->packages[i];
        size_t len = (size_t)(rb_path_base(package->manifest) - package->manifest);
        if (strcmp(package->ecosystem, "maven") != 0 || *package->name ||
            rb_text_ends(package->manifest, ".xml"))
            continue;
        const char *folder = rb_arena_strndup(sheet->arena, package->manifest, len ? len - 1 : 0),
                   *given = rb_json_text(sheet->gradle->root_names, folder);
        package->name = *given ? rb_scan_requirement(sheet, given, strlen(given)) : rb_path_base(folder);
    }
}

void rb_gradle_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    const struct rb_gradle_file *file = NULL;
    if (!sheet->gradle)
        return;
    for (size_t i = 0; i < sheet->gradle->ref_count; i++) {
        const char *manifest = sheet->items[sheet->gradle->refs[i].item].manifest;
        if (!file || file->manifest != manifest)
            file = gradle_file_of(sheet, manifest);
        settle_ref(sheet, &sheet->gradle->refs[i], file);
    }
    for (size_t i = 0, count = sheet->count; i < count; i++) {
        struct rb_scan_dependency *item = &sheet->items[i];
        if (!item->alias || item->offered || strcmp(item->ecosystem, "maven") != 0)
            continue;
        const json_t *list = catalog_find(sheet, item);
        item->local = json_object_get(sheet->gradle->own_plugins, item->alias) != NULL;
        if (!file || file->manifest != item->manifest)
            file = gradle_file_of(sheet, item->manifest);
        if (list)
            settle_alias(sheet, i, list);
        else
            settle_named(sheet, item, file);
    }
    settle_plugins(sheet);
    settle_projects(sheet);
}
