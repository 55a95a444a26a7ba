/*
 * Gradle: what one file says for others. Build scripts give versions names in gradle.properties, in ext
 * blocks and maps, in Kotlin objects under buildSrc, in version catalogues; this keeps the names of each
 * file, and fills them in when all was read: the file's own first, then those of the nearest folder above.
 */
#include "scanner/gradle.h"

#include <ctype.h>
#include <string.h>

#include "scanner/tree.h"

#define GRADLE_FILL_MAX     6    /* names within names, and names of one text */
#define GRADLE_NAMES_MAX    2000 /* of one file; the largest known have some five hundred */
#define GRADLE_PREFIX_DEPTH 8    /* objects within objects that give names */
#define GRADLE_PATH_MAX     200  /* bytes of a name with its prefixes */

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
const char *rb_gradle_path(struct rb_arena *arena, struct rb_piece text)
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
    const char *own = rb_gradle_path(sheet->arena, name);
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
    for (at--; at > start && (isspace((unsigned char)at[-1]) || rb_text_has("\"'])", at[-1]));)
        at--;
    const char *end = at;
    while (at > start && (gradle_is_word(at[-1]) || at[-1] == '.' || (at[-1] == '-' && mark != '=')))
        at--;
    struct rb_piece name = {at, (size_t)(end - at)};
    while (at > start && rb_text_has("\"' (", at[-1]))
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

/* ---- files of names
 * -------------------------------------------------------------------------------------------- */

static struct rb_piece name_skip(struct rb_piece rest, size_t n)
{
    return rb_piece_trim(rb_piece_after(rest, n));
}

/* The name of the map or object that a line opens: `versions = [`, `libs += [`, `object Versions {`, and
 * `junit: [`; "" for all else. */
static struct rb_piece name_opened(struct rb_piece line)
{
    struct rb_piece none = {"", 0};
    if (line.len < 2 || !rb_text_has("[{(", line.at[line.len - 1]))
        return none;
    bool is_block = line.at[line.len - 1] == '{';
    line = rb_piece_trim((struct rb_piece){line.at, line.len - 1});
    if (rb_piece_ends(line, "mapOf"))
        line = rb_piece_trim((struct rb_piece){line.at, line.len - 5});
    const char *object = is_block ? memmem(line.at, line.len, "object ", 7) : NULL;
    if (object)
        return name_skip(line, (size_t)(object - line.at) + 7);
    if (is_block || line.len == 0 || !rb_text_has("=:", line.at[line.len - 1]))
        return none;
    line = rb_piece_trim((struct rb_piece){line.at, line.len - 1 - rb_piece_ends(line, "+=")});
    size_t from = line.len;
    while (from && (gradle_is_word(line.at[from - 1]) || line.at[from - 1] == '.'))
        from--;
    return rb_piece_after(line, from);
}

/* Which objects are open, and the prefix that they give to names. */
struct prefixes {
    int depth;
    struct {
        int depth;
        size_t len;
    } open[GRADLE_PREFIX_DEPTH];
    size_t count;
    char text[RB_SCAN_NAME_MAX + 2];
};

static void prefixes_line(struct prefixes *prefixes, struct rb_piece line)
{
    struct rb_piece opened = name_opened(line);
    char quote = 0;
    size_t len = strlen(prefixes->text);
    for (size_t i = 0; i < line.len; i++) {
        char c = line.at[i];
        if (rb_text_is_unquoted(&quote, c))
            prefixes->depth += rb_text_has("[{(", c) ? 1 : rb_text_has("]})", c) ? -1 : 0;
    }
    while (prefixes->count && prefixes->depth < prefixes->open[prefixes->count - 1].depth) {
        len = prefixes->open[--prefixes->count].len;
        prefixes->text[len] = 0;
    }
    if (rb_piece_starts(opened, "ext.") || rb_piece_starts(opened, "extra."))
        opened = rb_piece_after(opened, opened.at[3] == '.' ? 4 : 6);
    if (opened.len == 0 || prefixes->count == GRADLE_PREFIX_DEPTH || len + opened.len >= RB_SCAN_NAME_MAX ||
        memchr(opened.at, 0, opened.len))
        return;
    prefixes->open[prefixes->count].depth = prefixes->depth;
    prefixes->open[prefixes->count++].len = len;
    memcpy(prefixes->text + len, opened.at, opened.len);
    memcpy(prefixes->text + len + opened.len, ".", 2);
}

/* `versions = [kotlin: '1.9', junit: '5']` on one line has its prefix in itself. */
static void note_line(struct rb_gradle_file *file, struct rb_scan_sheet *sheet, struct prefixes *prefixes,
                      struct rb_piece line)
{
    size_t len = 0;
    while (len < line.len && gradle_is_word(line.at[len]))
        len++;
    /* group: 'g', name: 'a' of a dependency are no names for others; "slf4jApi: 'g:a:1'" is one. */
    struct rb_piece behind = name_skip(line, len);
    if (rb_gradle_kind((struct rb_piece){line.at, len}) &&
        (behind.len == 0 || !rb_text_has(":=", behind.at[0])))
        return;
    const char *open = memchr(line.at, '[', line.len);
    struct rb_piece before = {line.at, open ? (size_t)(open - line.at) + 1 : 0}, name = name_opened(before);
    if (open && name.len && name.len < RB_SCAN_NAME_MAX) {
        const char *prefix = rb_arena_printf(sheet->arena, "%s%.*s.", prefixes->text, (int)name.len, name.at);
        rb_gradle_note_names(file, sheet, strncmp(prefix, "ext.", 4) == 0 ? prefix + 4 : prefix,
                             rb_piece_after(line, before.len));
    } else {
        rb_gradle_note_names(file, sheet, prefixes->text, line);
    }
}

void rb_gradle_note_all(struct rb_gradle_file *file, struct rb_scan_sheet *sheet, struct rb_piece rest)
{
    struct prefixes prefixes = {0};
    struct rb_piece line;
    bool in_comment = false;
    while (rb_piece_line(&line, &rest)) {
        line = rb_gradle_uncomment(&in_comment, line);
        note_line(file, sheet, &prefixes, line);
        prefixes_line(&prefixes, line);
    }
}

/* ---- filling names in --------------------------------------------------------------------------------- */

static const char *values_find(const json_t *values, const char *path, const char *last)
{
    const char *value = rb_json_text(values, path);
    return *value ? value : rb_json_text(values, last);
}

const char *rb_gradle_lookup(struct rb_scan_sheet *sheet, const struct rb_gradle_file *file, bool others,
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
            rb_gradle_lookup(sheet, file, others, rb_gradle_path(sheet->arena, (struct rb_piece){name, len}));
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
