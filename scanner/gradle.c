/*
 * Gradle: build.gradle, build.gradle.kts and version catalogues (docs.gradle.org, "Declaring dependencies",
 * "Version catalogs"). The scripts are programs; what people write in them is regular enough to be read line
 * by line. What comes from the catalogue (libs.x.y) gets its name when both were read (settle.c).
 */
#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/toml.h"
#include "scanner/tree.h"

#define GRADLE_VARIABLES_MAX 200

struct gradle {
    struct rb_scan_sheet *sheet;
    struct rb_piece names[GRADLE_VARIABLES_MAX], values[GRADLE_VARIABLES_MAX];
    size_t variables;
    size_t depth, test_depth; /* braces that are open; those when a block for tests began, 0 outside of one */
    bool in_comment;
};

static bool gradle_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Without comments; those of several lines are remembered from line to line. */
static struct rb_piece gradle_uncomment(struct gradle *gradle, struct rb_piece line)
{
    if (gradle->in_comment) {
        const char *end = memmem(line.at, line.len, "*/", 2);
        if (!end)
            return (struct rb_piece){"", 0};
        gradle->in_comment = false;
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
            gradle->in_comment = !memmem(line.at + i, line.len - i, "*/", 2);
            line.len = i;
        }
    }
    return rb_piece_trim(line);
}

/* `def v = "1"`, `val v = "1"`, `ext.v = '1'`, `v = '1'`, `set('v', "1")`: values that requirements name. */
static void gradle_note_variable(struct gradle *gradle, struct rb_piece line)
{
    const char *mark = memchr(line.at, '=', line.len);
    if (!mark || gradle->variables == GRADLE_VARIABLES_MAX)
        return;
    struct rb_piece name = rb_piece_trim((struct rb_piece){line.at, (size_t)(mark - line.at)});
    struct rb_piece value = rb_piece_trim(rb_piece_after(line, (size_t)(mark - line.at) + 1)), text;
    /* A long value would be copied to each place that names it. */
    if (!rb_piece_quoted(&text, &value) || text.len == 0 || text.len > RB_SCAN_NAME_MAX)
        return;
    size_t start = name.len;
    while (start && gradle_is_word(name.at[start - 1]))
        start--;
    name = rb_piece_after(name, start);
    if (name.len == 0)
        return;
    gradle->names[gradle->variables] = name;
    gradle->values[gradle->variables++] = text;
}

/* "$v", "${v}", "${ext.v}": filled in where the same file says it, else left as written. */
static struct rb_piece gradle_fill(struct gradle *gradle, struct rb_piece text)
{
    const char *dollar = memchr(text.at, '$', text.len);
    if (!dollar || text.len > RB_SCAN_NAME_MAX)
        return text;
    size_t before = (size_t)(dollar - text.at), end = before + 1;
    bool is_braced = end < text.len && text.at[end] == '{';
    size_t start = end += is_braced;
    while (end < text.len && (gradle_is_word(text.at[end]) || (is_braced && text.at[end] == '.'))) {
        if (text.at[end++] == '.')
            start = end;
    }
    if (is_braced && (end == text.len || text.at[end] != '}'))
        return text;
    struct rb_piece rest = rb_piece_after(text, end + is_braced);
    for (size_t i = 0; i < gradle->variables; i++) {
        if (gradle->names[i].len != end - start ||
            memcmp(gradle->names[i].at, text.at + start, end - start) != 0)
            continue;
        return rb_piece_of(rb_arena_printf(gradle->sheet->arena, "%.*s%.*s%.*s", (int)before, text.at,
                                           (int)gradle->values[i].len, gradle->values[i].at, (int)rest.len,
                                           rest.at));
    }
    return text;
}

/* What a configuration is for, by its name; NULL when the word is no configuration. */
static const char *gradle_kind(struct rb_piece word)
{
    static const char *const build[] = {"classpath",
                                        "compileOnly",
                                        "annotationProcessor",
                                        "kapt",
                                        "ksp",
                                        "developmentOnly",
                                        "detektPlugins",
                                        "errorprone",
                                        "coreLibraryDesugaring",
                                        "compileOnlyApi",
                                        "providedCompile",
                                        "providedRuntime",
                                        "optional"};
    static const char *const runtime[] = {"implementation", "api", "compile", "runtime", "runtimeOnly"};
    static const char *const endings[] = {"Implementation", "Api",         "Compile",
                                          "RuntimeOnly",    "CompileOnly", "AnnotationProcessor",
                                          "Classpath",      "Kapt",        "Ksp"};
    const char *kind = NULL;
    for (size_t i = 0; i < sizeof build / sizeof *build; i++)
        kind = rb_piece_is(word, build[i]) ? RB_KIND_BUILD : kind;
    for (size_t i = 0; i < sizeof runtime / sizeof *runtime; i++)
        kind = rb_piece_is(word, runtime[i]) ? RB_KIND_RUNTIME : kind;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        kind = rb_piece_ends(word, endings[i]) ? RB_KIND_RUNTIME : kind;
    if (rb_piece_ends(word, "AnnotationProcessor") || rb_piece_ends(word, "CompileOnly"))
        kind = RB_KIND_BUILD;
    if (kind && (memmem(word.at, word.len, "test", 4) || memmem(word.at, word.len, "Test", 4)))
        kind = RB_KIND_DEV;
    return kind;
}

/* "group:artifact[:version[:classifier]][@type]" */
static void gradle_add(struct gradle *gradle, struct rb_piece text, const char *kind)
{
    text = gradle_fill(gradle, gradle_fill(gradle, text));
    const char *first = memchr(text.at, ':', text.len);
    if (!first || first == text.at || memchr(text.at, '/', text.len) || memchr(text.at, ' ', text.len))
        return;
    size_t group = (size_t)(first - text.at) + 1;
    const char *second = memchr(text.at + group, ':', text.len - group);
    struct rb_piece name = {text.at, second ? (size_t)(second - text.at) : text.len};
    struct rb_piece version = rb_piece_after(text, name.len + 1);
    size_t len = 0;
    while (len < version.len && version.at[len] != ':' && version.at[len] != '@')
        len++;
    rb_scan_add(gradle->sheet, name.at, name.len, version.at, len, kind);
}

/* The text behind `key:` or `key =`, for the notation group: 'g', name: 'a', version: 'v'. */
static struct rb_piece gradle_named(struct rb_piece line, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i + len < line.len; i++) {
        if (memcmp(line.at + i, key, len) != 0 || (i && gradle_is_word(line.at[i - 1])))
            continue;
        struct rb_piece rest = rb_piece_trim(rb_piece_after(line, i + len)), value;
        if (rest.len && (rest.at[0] == ':' || rest.at[0] == '=')) {
            rest = rb_piece_trim(rb_piece_after(rest, 1));
            if (rb_piece_quoted(&value, &rest))
                return value;
        }
    }
    return (struct rb_piece){"", 0};
}

/* "libs.a.b", "libs.bundles.x", several with commas between; not "libs.versions.x", which is no package. */
static void gradle_add_aliases(struct gradle *gradle, struct rb_piece rest, const char *kind)
{
    while (rb_piece_starts(rest, "libs.")) {
        size_t len = 0;
        while (len < rest.len && (gradle_is_word(rest.at[len]) || rest.at[len] == '.'))
            len++;
        struct rb_piece alias = {rest.at, len};
        rest = rb_piece_trim(rb_piece_after(rest, len));
        if (rb_piece_ends(alias, ".get") || rb_piece_ends(alias, ".asProvider"))
            alias.len -= strlen(rb_piece_ends(alias, ".get") ? ".get" : ".asProvider");
        struct rb_scan_dependency *item = NULL;
        if (!rb_piece_starts(alias, "libs.versions."))
            item = rb_scan_add(gradle->sheet, alias.at, alias.len, "", 0, kind);
        if (item)
            item->alias = item->name;
        if (rest.len == 0 || rest.at[0] != ',')
            return;
        rest = rb_piece_trim(rb_piece_after(rest, 1));
    }
}

static void gradle_add_map(struct gradle *gradle, struct rb_piece line, const char *kind)
{
    struct rb_piece group = gradle_named(line, "group"), name = gradle_named(line, "name");
    struct rb_piece version = gradle_fill(gradle, gradle_named(line, "version"));
    if (group.len == 0 || name.len == 0)
        return;
    const char *both =
        rb_arena_printf(gradle->sheet->arena, "%.*s:%.*s", (int)group.len, group.at, (int)name.len, name.at);
    rb_scan_add(gradle->sheet, both, strlen(both), version.at, version.len, kind);
}

/* Behind the configuration: "(", "platform(", "enforcedPlatform(", "kotlin(", then the text. */
static void gradle_dependency(struct gradle *gradle, struct rb_piece rest, const char *kind)
{
    static const char *const wrappers[] = {"platform", "enforcedPlatform", "testFixtures",
                                           "dependencies.create"};
    struct rb_piece text;
    rest = rb_piece_trim(rest);
    for (int i = 0; i < 3; i++) {
        if (rest.len && rest.at[0] == '(')
            rest = rb_piece_trim(rb_piece_after(rest, 1));
        for (size_t k = 0; k < sizeof wrappers / sizeof *wrappers; k++) {
            if (rb_piece_starts(rest, wrappers[k]))
                rest = rb_piece_trim(rb_piece_after(rest, strlen(wrappers[k])));
        }
    }
    if (rb_piece_starts(rest, "libs.")) {
        gradle_add_aliases(gradle, rest, kind);
        return;
    }
    if (rb_piece_starts(rest, "kotlin(")) { /* kotlin("stdlib") */
        rest = rb_piece_after(rest, strlen("kotlin("));
        if (rb_piece_quoted(&text, &rest)) {
            const char *name = rb_arena_printf(gradle->sheet->arena, "org.jetbrains.kotlin:kotlin-%.*s",
                                               (int)text.len, text.at);
            rb_scan_add_text(gradle->sheet, name, "", kind);
        }
        return;
    }
    if (rest.len && rest.at[0] != '"' && rest.at[0] != '\'') {
        gradle_add_map(gradle, rest, kind);
        return;
    }
    while (rb_piece_quoted(&text, &rest)) { /* several, with commas between */
        gradle_add(gradle, text, kind);
        rest = rb_piece_trim(rest);
        if (rest.len == 0 || rest.at[0] != ',')
            return;
        rest = rb_piece_trim(rb_piece_after(rest, 1));
    }
}

/* `id 'org.springframework.boot' version '3.2.0'`, `id("…") version "…"`, `kotlin("jvm") version "…"`. */
static void gradle_plugin(struct gradle *gradle, struct rb_piece line)
{
    bool is_kotlin = rb_piece_starts(line, "kotlin(");
    struct rb_piece rest = rb_piece_trim(rb_piece_after(line, is_kotlin ? 7 : 2)), id, version = {"", 0};
    if (rest.len && rest.at[0] == '(')
        rest = rb_piece_trim(rb_piece_after(rest, 1));
    if (!rb_piece_quoted(&id, &rest))
        return;
    const char *at = memmem(rest.at, rest.len, "version", 7);
    if (at) {
        rest = rb_piece_trim(rb_piece_after(rest, (size_t)(at - rest.at) + 7));
        rb_piece_quoted(&version, &rest);
    }
    if (is_kotlin)
        id = rb_piece_of(
            rb_arena_printf(gradle->sheet->arena, "org.jetbrains.kotlin.%.*s", (int)id.len, id.at));
    if (is_kotlin || memchr(id.at, '.', id.len)) /* "java" and its like come with Gradle */
        rb_scan_add(gradle->sheet, id.at, id.len, version.at, version.len, RB_KIND_BUILD);
}

static void gradle_line(struct gradle *gradle, struct rb_piece line)
{
    /* "dependencies { implementation 'a:b:1' }" on one line */
    const char *brace = memchr(line.at, '{', line.len);
    if (brace && rb_piece_starts(line, "dependencies"))
        line = rb_piece_trim(rb_piece_after(line, (size_t)(brace - line.at) + 1));
    size_t len = 0;
    while (len < line.len && gradle_is_word(line.at[len]))
        len++;
    struct rb_piece word = {line.at, len}, rest = rb_piece_after(line, len), quoted;
    if (len == 0 && rb_piece_quoted(&quoted, &rest)) /* "testImplementation"("a:b:1") in Kotlin */
        word = quoted;
    if (word.len == 0)
        return;
    const char *kind = gradle_kind(word);
    if (kind && gradle->test_depth)
        kind = RB_KIND_DEV;
    bool is_call = rest.len && (rest.at[0] == ' ' || rest.at[0] == '(' || rest.at[0] == '\t');
    if (kind && is_call && rb_piece_trim(rest).at[0] != '=')
        gradle_dependency(gradle, rest, kind);
    else if (rb_piece_is(word, "id") || (rb_piece_is(word, "kotlin") && rb_piece_starts(rest, "(")))
        gradle_plugin(gradle, line);
    else if ((rb_piece_is(word, "alias") && is_call) || rb_piece_is(word, "mavenBom"))
        gradle_dependency(gradle, rest, RB_KIND_BUILD);
}

/* Whether the line opens a block of tests: "commonTest {", "val jvmTest by getting {", "named("jvmTest") {".
 * Kotlin projects for several platforms declare dependencies in there. */
static bool gradle_opens_tests(struct rb_piece line)
{
    const char *at = rb_piece_ends(line, "{") ? memmem(line.at, line.len, "Test", 4) : NULL;
    return at && !gradle_is_word(at[4]) && at > line.at && gradle_is_word(at[-1]);
}

static void gradle_braces(struct gradle *gradle, struct rb_piece line)
{
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.at[i];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '{')
            gradle->depth++;
        else if (c == '}')
            gradle->depth -= gradle->depth > 0;
    }
    if (gradle->depth < gradle->test_depth)
        gradle->test_depth = 0;
    if (!gradle->test_depth && gradle_opens_tests(line))
        gradle->test_depth = gradle->depth;
}

rb_err rb_gradle_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct gradle *gradle = rb_arena_alloc(sheet->arena, sizeof *gradle);
    struct rb_piece rest = {text, len}, line;
    gradle->sheet = sheet;
    while (rb_piece_line(&line, &rest))
        gradle_note_variable(gradle, gradle_uncomment(gradle, line));
    gradle->in_comment = false;
    rest = (struct rb_piece){text, len};
    while (rb_piece_line(&line, &rest)) {
        line = gradle_uncomment(gradle, line);
        gradle_line(gradle, line);
        gradle_braces(gradle, line);
    }
    return RB_OK;
}

/* ---- version catalogue -------------------------------------------------------------------------------- */

/* "1.2", {ref = "name"}, {strictly = "1.2"} and its like. */
static const char *catalog_version(const json_t *version, const json_t *versions)
{
    static const char *const rich[] = {"require", "strictly", "prefer"};
    const char *ref = rb_json_text(version, "ref");
    if (*ref)
        version = rb_json_get(versions, ref);
    if (json_is_string(version))
        return json_string_value(version);
    for (size_t i = 0; i < sizeof rich / sizeof *rich; i++) {
        if (*rb_json_text(version, rich[i]))
            return rb_json_text(version, rich[i]);
    }
    return "";
}

/* How build scripts call an entry: "libs." and its name with dots for all that parts it. */
static const char *catalog_alias(struct rb_arena *arena, const char *group, const char *name)
{
    char *alias = rb_arena_printf(arena, "libs.%s%s", group, name);
    for (char *at = alias; *at; at++)
        *at = *at == '-' || *at == '_' ? '.' : *at;
    return alias;
}

static struct rb_scan_dependency *catalog_entry(struct rb_scan_sheet *sheet, const json_t *entry,
                                                const json_t *versions, const char *kind)
{
    if (json_is_string(entry)) { /* "group:artifact:version", or "plugin.id:version" */
        struct rb_piece text = rb_piece_of(json_string_value(entry));
        const char *last = memrchr(text.at, ':', text.len);
        size_t len = last ? (size_t)(last - text.at) : text.len;
        return rb_scan_add(sheet, text.at, len, last ? last + 1 : "", last ? text.len - len - 1 : 0, kind);
    }
    const char *name = rb_json_text(entry, "module");
    if (!*name)
        name = rb_json_text(entry, "id");
    if (!*name && *rb_json_text(entry, "group") && *rb_json_text(entry, "name"))
        name =
            rb_arena_printf(sheet->arena, "%s:%s", rb_json_text(entry, "group"), rb_json_text(entry, "name"));
    return rb_scan_add_text(sheet, name, catalog_version(rb_json_get(entry, "version"), versions), kind);
}

static void catalog_offer(struct rb_scan_dependency *offer, const char *alias)
{
    if (!offer)
        return;
    offer->offered = true;
    offer->alias = alias;
}

/* bundles: name = ["library", …]; each is offered once more under the name of the bundle. */
static void catalog_bundles(struct rb_scan_sheet *sheet, const json_t *document, const json_t *versions)
{
    const char *name;
    json_t *list, *member;
    size_t i;
    json_object_foreach(rb_json_get(document, "bundles"), name, list)
    {
        const char *alias = catalog_alias(sheet->arena, "bundles.", name);
        json_array_foreach(list, i, member)
        {
            const char *library = json_string_value(member);
            const json_t *entry = library ? rb_json_get(rb_json_get(document, "libraries"), library) : NULL;
            if (entry)
                catalog_offer(catalog_entry(sheet, entry, versions, RB_KIND_RUNTIME), alias);
        }
    }
}

rb_err rb_gradle_catalog_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *entry;
    const char *alias;
    rb_err err = rb_toml_parse(&document, text, len);
    if (err)
        return err;
    const json_t *versions = rb_json_get(document, "versions");
    json_object_foreach(rb_json_get(document, "libraries"), alias, entry) catalog_offer(
        catalog_entry(sheet, entry, versions, RB_KIND_RUNTIME), catalog_alias(sheet->arena, "", alias));
    json_object_foreach(rb_json_get(document, "plugins"), alias, entry) catalog_offer(
        catalog_entry(sheet, entry, versions, RB_KIND_BUILD), catalog_alias(sheet->arena, "plugins.", alias));
    catalog_bundles(sheet, document, versions);
    json_decref(document);
    return RB_OK;
}
