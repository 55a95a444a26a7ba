/*
 * Gradle: build.gradle, build.gradle.kts, settings and the scripts they apply (docs.gradle.org, "Declaring
 * dependencies"). The scripts are programs; what people write in them is regular enough to be read line by
 * line. What comes from a catalogue (libs.x.y) or has names of other files in it ("$springVersion") is
 * explained when all was read (gradle_names.c).
 */
#include <ctype.h>
#include <string.h>

#include "scanner/gradle.h"
#include "scanner/tree.h"

#define GRADLE_STATEMENT_MAX                                                                           \
    16384                     /* bytes of a call over several lines; beyond, its end is not looked for \
                               */
#define GRADLE_PREFIX_DEPTH 8 /* objects within objects that give names */

/* Blocks that change what a line means; the number of braces that were open when they began, 0 outside. */
struct gradle_blocks {
    size_t tests, dependencies, constraints, management, catalogs, catalog;
};

struct gradle {
    struct rb_scan_sheet *sheet;
    struct rb_gradle_file *file;
    struct gradle_blocks in;
    size_t depth; /* braces that are open */
    size_t last;  /* index of the item that was added last, for a version in its block; SIZE_MAX for none */
    bool in_comment, is_settings;
    struct rb_gradle_catalog *catalog; /* that the settings write out */
};

static bool gradle_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static struct rb_piece gradle_skip(struct rb_piece rest, size_t n)
{
    return rb_piece_trim(rb_piece_after(rest, n));
}

/* ---- configurations ----------------------------------------------------------------------------------- */

static bool word_is_one_of(struct rb_piece word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rb_piece_is(word, list[i]))
            return true;
    }
    return false;
}
#define IS_ONE_OF(word, list) word_is_one_of(word, list, sizeof(list) / sizeof *(list))

const char *rb_gradle_kind(struct rb_piece word)
{
    static const char *const build[] = {"classpath",
                                        "compileOnly",
                                        "annotationProcessor",
                                        "kapt",
                                        "ksp",
                                        "detektPlugins",
                                        "errorprone",
                                        "compileOnlyApi",
                                        "coreLibraryDesugaring",
                                        "providedCompile",
                                        "providedRuntime",
                                        "provided",
                                        "lintChecks",
                                        "kotlinCompilerPluginClasspath"};
    static const char *const dev[] = {"developmentOnly", "testAndDevelopmentOnly"};
    static const char *const optional[] = {"optional", "optionalApi"};
    static const char *const runtime[] = {"implementation", "api", "compile", "runtime", "runtimeOnly"};
    static const char *const endings[] = {"Implementation", "Api",         "Compile",
                                          "RuntimeOnly",    "CompileOnly", "AnnotationProcessor",
                                          "Classpath",      "Kapt",        "Ksp"};
    bool is_ending = false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        is_ending = is_ending || rb_piece_ends(word, endings[i]);
    const char *kind = IS_ONE_OF(word, build)      ? RB_KIND_BUILD
                       : IS_ONE_OF(word, dev)      ? RB_KIND_DEV
                       : IS_ONE_OF(word, optional) ? RB_KIND_OPTIONAL
                       : IS_ONE_OF(word, runtime)  ? RB_KIND_RUNTIME
                       : is_ending                 ? RB_KIND_RUNTIME
                                                   : NULL;
    if (rb_piece_ends(word, "AnnotationProcessor") || rb_piece_ends(word, "CompileOnly"))
        kind = RB_KIND_BUILD;
    if (kind && strcmp(kind, RB_KIND_RUNTIME) == 0 && rb_piece_starts(word, "debug"))
        kind = RB_KIND_DEV;
    if (kind && strcmp(kind, RB_KIND_DEV) != 0 &&
        (memmem(word.at, word.len, "test", 4) || memmem(word.at, word.len, "Test", 4)))
        kind = RB_KIND_TEST;
    bool is_processor = rb_piece_starts(word, "ksp") || rb_piece_starts(word, "kapt");
    return is_processor &&
                   (kind || (word.len > 4 && isupper((unsigned char)word.at[word.at[1] == 's' ? 3 : 4])))
               ? RB_KIND_BUILD
               : kind;
}

/* ---- adding ------------------------------------------------------------------------------------------- */

static void gradle_wait(struct gradle *gradle, const struct rb_scan_dependency *item, const char *text,
                        bool is_plugin)
{
    struct rb_gradle *all = rb_gradle_of(gradle->sheet);
    all->refs = rb_arena_grown(gradle->sheet->arena, all->refs, all->ref_count, &all->ref_capacity,
                               sizeof *all->refs);
    all->refs[all->ref_count++] =
        (struct rb_gradle_ref){(size_t)(item - gradle->sheet->items), text, is_plugin};
}

static struct rb_scan_dependency *gradle_put(struct gradle *gradle, struct rb_piece name,
                                             struct rb_piece version, const char *kind)
{
    struct rb_scan_dependency *item =
        rb_scan_add(gradle->sheet, name.at, name.len, version.at, version.len, kind);
    if (item && gradle->in.constraints)
        item->offered = true;
    gradle->last = item ? (size_t)(item - gradle->sheet->items) : SIZE_MAX;
    return item;
}

/* A name that only a catalogue or another script can explain. */
static void gradle_put_alias(struct gradle *gradle, struct rb_piece path, const char *kind)
{
    struct rb_scan_dependency *item = gradle_put(gradle, path, (struct rb_piece){"", 0}, kind);
    if (!item)
        return;
    item->alias = item->name;
    item->offered = false;
}

/* "group:artifact[:version[:classifier]][@type]"; false when the text is something else. */
static bool gradle_add(struct gradle *gradle, const char *text, const char *kind)
{
    struct rb_piece name, version;
    text = rb_gradle_fill(gradle->sheet, gradle->file, false, text);
    if (!rb_gradle_coordinates(rb_piece_of(text), &name, &version)) {
        size_t len = strlen(text);
        if (text[0] == '$' && len <= RB_SCAN_NAME_MAX && !strchr(text, ' ') && !strchr(text, '/'))
            gradle_put_alias(gradle, rb_piece_of(text), kind);
        return false;
    }
    struct rb_scan_dependency *item = gradle_put(gradle, name, version, kind);
    if (item && strchr(text, '$'))
        gradle_wait(gradle, item, text, false);
    return item != NULL;
}

/* A name as scripts write it, "versions.kotlin" or `versions["kotlin"]`, as a text that names it: "${…}". */
static const char *gradle_path_text(struct gradle *gradle, struct rb_piece *rest)
{
    size_t len = 0;
    while (len < rest->len &&
           (gradle_is_word(rest->at[len]) || (len && rb_text_has(".[]\"'()", rest->at[len]))))
        len++;
    struct rb_piece path = {rest->at, len};
    while (path.len && path.at[path.len - 1] == ')')
        path.len--;
    *rest = gradle_skip(*rest, len);
    return path.len && path.len <= RB_SCAN_NAME_MAX
               ? rb_arena_printf(gradle->sheet->arena, "${%.*s}", (int)path.len, path.at)
               : "";
}

/* "text", or "text:" + name. */
static const char *gradle_text(struct gradle *gradle, struct rb_piece *rest)
{
    struct rb_piece text;
    if (!rb_piece_quoted(&text, rest))
        return NULL;
    const char *whole = text.len <= RB_SCAN_PATH_MAX ? rb_piece_copy(gradle->sheet->arena, text) : "";
    struct rb_piece more = rb_piece_trim(*rest);
    if (more.len == 0 || more.at[0] != '+')
        return whole;
    more = gradle_skip(more, 1);
    whole = rb_arena_printf(gradle->sheet->arena, "%s%s", whole, gradle_path_text(gradle, &more));
    *rest = more;
    return whole;
}

/* The text behind `key:` or `key =`, for the notation group: 'g', name: 'a', version: 'v'. */
static const char *gradle_named(struct gradle *gradle, struct rb_piece line, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i + len < line.len; i++) {
        if (memcmp(line.at + i, key, len) != 0 || (i && gradle_is_word(line.at[i - 1])))
            continue;
        struct rb_piece rest = gradle_skip(line, i + len);
        if (rest.len && (rest.at[0] == ':' || rest.at[0] == '=')) {
            rest = gradle_skip(rest, 1);
            const char *text = gradle_text(gradle, &rest);
            return text ? text : gradle_path_text(gradle, &rest);
        }
    }
    return "";
}

static void gradle_add_map(struct gradle *gradle, struct rb_piece line, const char *kind)
{
    const char *group = gradle_named(gradle, line, "group"), *name = gradle_named(gradle, line, "name");
    const char *version = gradle_named(gradle, line, "version");
    if (*group && *name)
        gradle_add(
            gradle,
            rb_arena_printf(gradle->sheet->arena, "%s:%s%s%s", group, name, *version ? ":" : "", version),
            kind);
}

/* "libs.a.b", "libs.bundles.x", "Deps.okhttp", several with commas between; not "libs.versions.x", which is
 * no package, nor what the words in front say is no package. */
static void gradle_add_aliases(struct gradle *gradle, struct rb_piece rest, const char *kind)
{
    static const char *const calls[] = {"project", "projects", "files", "fileTree", "gradleApi", "kotlin"};
    static const char *const tails[] = {".get", ".asProvider", ".toProvider"};
    while (rest.len && isalpha((unsigned char)rest.at[0])) {
        size_t len = 0, first = 0;
        while (len < rest.len && (gradle_is_word(rest.at[len]) || rest.at[len] == '.'))
            len++;
        while (first < len && rest.at[first] != '.')
            first++;
        struct rb_piece alias = {rest.at, len}, word = {rest.at, first};
        rest = gradle_skip(rest, len);
        bool is_get = false;
        for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
            if (rb_piece_ends(alias, tails[i])) {
                alias.len -= strlen(tails[i]);
                is_get = true;
            }
        }
        bool is_call = rest.len && rest.at[0] == '(' && !is_get;
        if (first < alias.len && !is_call && !IS_ONE_OF(word, calls) &&
            !memmem(alias.at, alias.len, ".versions.", 10))
            gradle_put_alias(gradle, alias, kind);
        while (is_get && rest.len && (rest.at[0] == '(' || rest.at[0] == ')'))
            rest = gradle_skip(rest, 1);
        if (rest.len == 0 || rest.at[0] != ',')
            return;
        rest = gradle_skip(rest, 1);
    }
}

/* kotlin("stdlib"[, version]) */
static void gradle_add_kotlin(struct gradle *gradle, struct rb_piece rest, const char *kind)
{
    const char *text = gradle_text(gradle, &rest);
    rest = rb_piece_trim(rest);
    const char *version = "";
    if (rest.len && rest.at[0] == ',') {
        rest = gradle_skip(rest, 1);
        version = gradle_text(gradle, &rest);
        version = version ? version : gradle_path_text(gradle, &rest);
    }
    if (text && *text)
        gradle_add(gradle,
                   rb_arena_printf(gradle->sheet->arena, "org.jetbrains.kotlin:kotlin-%s%s%s", text,
                                   *version ? ":" : "", version),
                   kind);
}

/* Behind the configuration: "(", "platform(", "enforcedPlatform(", "kotlin(", then the text. */
static void gradle_dependency(struct gradle *gradle, struct rb_piece rest, const char *kind)
{
    static const char *const wrappers[] = {"platform",
                                           "enforcedPlatform",
                                           "testFixtures",
                                           "dependencies.create",
                                           "dependencies.platform",
                                           "variantOf",
                                           "npm",
                                           "module"};
    const char *text;
    rest = rb_piece_trim(rest);
    for (int i = 0; i < 3; i++) {
        if (rest.len && rest.at[0] == '(')
            rest = gradle_skip(rest, 1);
        for (size_t k = 0; k < sizeof wrappers / sizeof *wrappers; k++) {
            size_t len = strlen(wrappers[k]);
            if (rb_piece_starts(rest, wrappers[k]) && len < rest.len && rb_text_has("( ", rest.at[len]))
                rest = gradle_skip(rest, len);
        }
    }
    if (rb_piece_starts(rest, "kotlin(")) {
        gradle_add_kotlin(gradle, gradle_skip(rest, strlen("kotlin(")), kind);
        return;
    }
    if (rest.len && rest.at[0] != '"' && rest.at[0] != '\'') {
        struct rb_piece first = rest;
        while (first.len && (gradle_is_word(first.at[0]) || first.at[0] == '['))
            first = rb_piece_after(first, 1);
        first = rb_piece_trim(first);
        bool is_map = first.len && (first.at[0] == ':' || first.at[0] == '=');
        if (is_map)
            gradle_add_map(gradle, rest, kind);
        else
            gradle_add_aliases(gradle, rest, kind);
        return;
    }
    if (memmem(rest.at, rest.len, "name", 4) &&
        rb_piece_starts(rest, "\"group\"")) /* maps in JSON's manner */
        gradle_add_map(gradle, rest, kind);
    while ((text = gradle_text(gradle, &rest))) { /* several, with commas between */
        gradle_add(gradle, text, kind);
        rest = rb_piece_trim(rest);
        if (rest.len == 0 || rest.at[0] != ',')
            return;
        rest = gradle_skip(rest, 1);
        if (rb_piece_starts(rest, "group") || rb_piece_starts(rest, "[")) {
            gradle_add_map(gradle, rest, kind);
            return;
        }
    }
}

/* ---- plugins ------------------------------------------------------------------------------------------ */

/* `id 'org.springframework.boot' version '3.2.0'`, `id("…") version "…"`, `kotlin("jvm") version "…"`,
 * `apply plugin: '…'`. */
static void gradle_plugin(struct gradle *gradle, struct rb_piece line, size_t skip)
{
    bool is_kotlin = rb_piece_starts(line, "kotlin(");
    struct rb_piece rest = gradle_skip(line, skip), id;
    if (rest.len && rest.at[0] == '(')
        rest = gradle_skip(rest, 1);
    if (!rb_piece_quoted(&id, &rest)) {
        gradle_add_aliases(gradle, rest, RB_KIND_BUILD);
        return;
    }
    const char *at = memmem(rest.at, rest.len, "version", 7), *version = "";
    if (at) {
        rest = gradle_skip(rest, (size_t)(at - rest.at) + 7);
        while (rest.len && rest.at[0] == '(')
            rest = gradle_skip(rest, 1);
        version = gradle_text(gradle, &rest);
        version = version ? version : gradle_path_text(gradle, &rest);
        version = rb_gradle_fill(gradle->sheet, gradle->file, false, version);
    }
    if (is_kotlin)
        id = rb_piece_of(
            rb_arena_printf(gradle->sheet->arena, "org.jetbrains.kotlin.%.*s", (int)id.len, id.at));
    if (!is_kotlin && !memchr(id.at, '.', id.len)) /* "java" and its like come with Gradle */
        return;
    struct rb_scan_dependency *item = gradle_put(gradle, id, rb_piece_of(version), RB_KIND_BUILD);
    if (!item)
        return;
    item->offered = gradle->in.management != 0;
    if (strchr(version, '$'))
        gradle_wait(gradle, item, version, true);
}

/* `id = "my.convention"` where a build makes plugins of its own. */
static void gradle_own_plugin(struct gradle *gradle, struct rb_piece rest)
{
    struct rb_piece id;
    rest = rb_piece_trim(rest);
    size_t skip = rb_piece_starts(rest, "=") ? 1 : rb_piece_starts(rest, ".set(") ? 5 : 0;
    rest = gradle_skip(rest, skip);
    if (!skip || rest.len == 0)
        return;
    if (!rb_piece_quoted(&id, &rest)) { /* libs.plugins.my.convention.get().pluginId */
        const char *tail = memmem(rest.at, rest.len, ".asProvider", 11);
        tail = tail ? tail : memmem(rest.at, rest.len, ".get()", 6);
        id = (struct rb_piece){rest.at, tail ? (size_t)(tail - rest.at) : 0};
    }
    if (id.len && id.len <= RB_SCAN_NAME_MAX)
        json_object_set_new(rb_gradle_of(gradle->sheet)->own_plugins, rb_piece_copy(gradle->sheet->arena, id),
                            json_true());
}

/* ---- settings ----------------------------------------------------------------------------------------- */

static void settings_include(struct gradle *gradle, struct rb_piece rest)
{
    struct rb_piece project;
    rest = rb_piece_trim(rest);
    for (size_t i = 0; i < rest.len;) {
        struct rb_piece at = rb_piece_after(rest, i);
        if ((at.at[0] == '"' || at.at[0] == '\'') && rb_piece_quoted(&project, &at)) {
            gradle->sheet->members += project.len > 0;
            i = rest.len - at.len;
        } else {
            i++;
        }
    }
}

/* The next text in quotes; "" when there is none. */
static const char *next_quoted(struct gradle *gradle, struct rb_piece *rest)
{
    struct rb_piece text;
    while (rest->len && rest->at[0] != '"' && rest->at[0] != '\'')
        *rest = rb_piece_after(*rest, 1);
    return rb_piece_quoted(&text, rest) && text.len <= RB_SCAN_NAME_MAX
               ? rb_piece_copy(gradle->sheet->arena, text)
               : "";
}

/* library("alias", "g:a:v"), library("alias", "g", "a").version("1"), plugin("alias", "id").versionRef("x").
 */
static void settings_library(struct gradle *gradle, struct rb_piece rest, bool is_plugin)
{
    struct rb_arena *arena = gradle->sheet->arena;
    const char *alias = next_quoted(gradle, &rest), *first = next_quoted(gradle, &rest), *version = "";
    const char *close = memchr(rest.at, ')', rest.len), *at;
    struct rb_piece inside = {rest.at, close ? (size_t)(close - rest.at) : rest.len}, name, given;
    const char *second = next_quoted(gradle, &inside);
    if ((at = memmem(rest.at, rest.len, "versionRef", 10))) {
        struct rb_piece behind = rb_piece_after(rest, (size_t)(at - rest.at));
        version = rb_arena_printf(arena, "${%s}", next_quoted(gradle, &behind));
    } else if ((at = memmem(rest.at, rest.len, ".version(", 9))) {
        struct rb_piece behind = rb_piece_after(rest, (size_t)(at - rest.at));
        version = next_quoted(gradle, &behind);
    }
    const char *text = is_plugin ? first
                       : *second
                           ? rb_arena_printf(arena, "%s:%s%s%s", first, second, *version ? ":" : "", version)
                           : first;
    text = rb_gradle_fill(gradle->sheet, gradle->file, false, text);
    name = rb_piece_of(text);
    given = rb_piece_of(is_plugin ? rb_gradle_fill(gradle->sheet, gradle->file, false, version) : "");
    if (!*alias || (!is_plugin && !rb_gradle_coordinates(name, &name, &given)))
        return;
    struct rb_scan_dependency *item =
        gradle_put(gradle, name, given, is_plugin ? RB_KIND_BUILD : RB_KIND_RUNTIME);
    if (!item)
        return;
    item->offered = true;
    item->alias = alias;
    rb_gradle_catalog_put(gradle->catalog, gradle->sheet, is_plugin ? "plugins." : "", alias, item);
}

/* from(files("gradle/deps.versions.toml")): which catalogue that file is. */
static void settings_from(struct gradle *gradle, struct rb_piece rest)
{
    const char *path = next_quoted(gradle, &rest), *manifest = gradle->sheet->manifest;
    size_t len = (size_t)(rb_path_base(manifest) - manifest);
    while (strncmp(path, "./", 2) == 0 || strncmp(path, "../", 3) == 0) {
        if (path[1] == '.' && len) {
            for (len--; len && manifest[len - 1] != '/';)
                len--;
        }
        path += path[1] == '.' ? 3 : 2;
    }
    if (rb_text_ends(path, ".toml"))
        json_object_set_new(rb_gradle_of(gradle->sheet)->catalog_names,
                            rb_arena_printf(gradle->sheet->arena, "%.*s%s", (int)len, manifest, path),
                            json_string(gradle->catalog->name));
}

static void settings_catalog(struct gradle *gradle, struct rb_piece word, struct rb_piece line,
                             struct rb_piece rest)
{
    if (gradle->catalog && rb_piece_is(word, "library")) {
        settings_library(gradle, rest, false);
    } else if (gradle->catalog && rb_piece_is(word, "plugin")) {
        settings_library(gradle, rest, true);
    } else if (gradle->catalog && rb_piece_is(word, "from")) {
        settings_from(gradle, rest);
    } else if (gradle->catalog && rb_piece_is(word, "version")) {
        const char *name = next_quoted(gradle, &rest), *value = next_quoted(gradle, &rest);
        rb_gradle_name(gradle->file, gradle->sheet, "", rb_piece_of(name), rb_piece_of(value));
    } else if (rb_piece_ends(line, "{")) {
        struct rb_piece behind = rest;
        const char *name = rb_piece_is(word, "create") || rb_piece_is(word, "register")
                               ? next_quoted(gradle, &behind)
                               : rb_piece_copy(gradle->sheet->arena, word);
        gradle->catalog = rb_gradle_catalog_new(gradle->sheet, name);
        gradle->in.catalog = gradle->depth + 1;
    }
}

static bool settings_line(struct gradle *gradle, struct rb_piece word, struct rb_piece line,
                          struct rb_piece rest)
{
    if (gradle->in.catalogs) {
        settings_catalog(gradle, word, line, rest);
        return true;
    }
    if (rb_piece_is(word, "include")) {
        settings_include(gradle, rest);
        return true;
    }
    if (!rb_piece_starts(line, "rootProject.name"))
        return false;
    const char *manifest = gradle->sheet->manifest, *name = next_quoted(gradle, &rest);
    size_t len = (size_t)(rb_path_base(manifest) - manifest);
    if (*name)
        json_object_set_new(rb_gradle_of(gradle->sheet)->root_names,
                            rb_arena_strndup(gradle->sheet->arena, manifest, len ? len - 1 : 0),
                            json_string(name));
    return true;
}

/* ---- lines -------------------------------------------------------------------------------------------- */

/* `version { strictly("1.0") }` in the block of the dependency before. */
static bool gradle_rich_version(struct gradle *gradle, struct rb_piece line)
{
    static const char *const words[] = {"strictly", "require", "prefer"};
    if (gradle->last == SIZE_MAX || !gradle->in.dependencies || gradle->depth <= gradle->in.dependencies)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = memmem(line.at, line.len, words[i], strlen(words[i]));
        if (!at || (at > line.at && gradle_is_word(at[-1])))
            continue;
        struct rb_scan_dependency *item = &gradle->sheet->items[gradle->last];
        struct rb_piece rest = gradle_skip(line, (size_t)(at - line.at) + strlen(words[i]));
        if (rest.len && rest.at[0] == '(')
            rest = gradle_skip(rest, 1);
        const char *version = gradle_text(gradle, &rest);
        version = version ? rb_gradle_fill(gradle->sheet, gradle->file, false, version) : "";
        if (!*item->requirement && !item->alias)
            item->requirement = rb_scan_requirement(gradle->sheet, version, strlen(version));
        return true;
    }
    return false;
}

/* A configuration that somebody made up: what stands behind it are coordinates, or from a catalogue. */
static bool gradle_is_custom(const struct gradle *gradle, struct rb_piece word, struct rb_piece rest)
{
    static const char *const others[] = {
        "exclude",  "because",    "version", "add",      "project", "include", "id",
        "println",  "apply",      "from",    "def",      "val",     "var",     "if",
        "mavenBom", "dependency", "return",  "strictly", "require", "prefer",  "group"};
    struct rb_piece text, name, version;
    if (!gradle->in.dependencies || gradle->depth != gradle->in.dependencies || IS_ONE_OF(word, others))
        return false;
    rest = rb_piece_trim(rest);
    if (rest.len && rest.at[0] == '(')
        rest = gradle_skip(rest, 1);
    if (rb_piece_starts(rest, "libs."))
        return true;
    return rb_piece_quoted(&text, &rest) && rb_gradle_coordinates(text, &name, &version) && version.len;
}

static void gradle_call(struct gradle *gradle, struct rb_piece word, struct rb_piece line,
                        struct rb_piece rest)
{
    const char *kind = rb_gradle_kind(word);
    bool is_call = rest.len && (rest.at[0] == ' ' || rest.at[0] == '(' || rest.at[0] == '\t');
    if (!kind && gradle_is_custom(gradle, word, rest))
        kind = RB_KIND_RUNTIME;
    if (kind && gradle->in.tests)
        kind = RB_KIND_TEST;
    if (kind && is_call && !rb_text_has("={", rb_piece_trim(rest).at[0]))
        gradle_dependency(gradle, rest, kind);
    else if (rb_piece_is(word, "id") && is_call && rb_piece_trim(rest).at[0] != '=')
        gradle_plugin(gradle, line, 2);
    else if (rb_piece_is(word, "kotlin") && rb_piece_starts(rest, "("))
        gradle_plugin(gradle, line, 7);
    else if (rb_piece_is(word, "id"))
        gradle_own_plugin(gradle, rest);
    else if ((rb_piece_is(word, "alias") && is_call) || rb_piece_is(word, "mavenBom"))
        gradle_dependency(gradle, rest, RB_KIND_BUILD);
    else if (rb_piece_is(word, "dependency") && is_call && gradle->in.dependencies) {
        size_t before = gradle->sheet->count; /* of Spring's dependencyManagement */
        gradle_dependency(gradle, rest, RB_KIND_RUNTIME);
        for (size_t i = before; i < gradle->sheet->count; i++)
            gradle->sheet->items[i].offered = !gradle->sheet->items[i].alias;
    } else if (rb_piece_is(word, "apply") && is_call) {
        const char *at = memmem(rest.at, rest.len, "plugin", 6);
        struct rb_piece behind =
            at ? gradle_skip(rest, (size_t)(at - rest.at) + 6) : (struct rb_piece){"", 0};
        if (behind.len && rb_text_has(":=(", behind.at[0]))
            gradle_plugin(gradle, behind, 1);
    }
}

/* "dependencies { implementation 'a:b:1' }" on one line: what stands within. */
static struct rb_piece gradle_inside(struct rb_piece line)
{
    static const char *const blocks[] = {"dependencies", "plugins", "constraints"};
    for (int i = 0; i < 3; i++) {
        const char *brace = memchr(line.at, '{', line.len);
        struct rb_piece before = {line.at, brace ? (size_t)(brace - line.at) : 0};
        before = rb_piece_trim(before);
        bool is_block = false;
        for (size_t k = 0; k < sizeof blocks / sizeof *blocks; k++)
            is_block = is_block || rb_piece_ends(before, blocks[k]) || rb_piece_ends(before, " by getting");
        if (!brace || !is_block)
            break;
        struct rb_piece inside = gradle_skip(line, (size_t)(brace - line.at) + 1);
        if (inside.len == 0)
            break;
        line = inside;
    }
    return line;
}

static void gradle_line(struct gradle *gradle, struct rb_piece line)
{
    size_t len = 0;
    line = gradle_inside(line);
    while (len < line.len && gradle_is_word(line.at[len]))
        len++;
    struct rb_piece word = {line.at, len}, rest = rb_piece_after(line, len), quoted;
    if (len == 0 && rb_piece_quoted(&quoted, &rest)) /* "testImplementation"("a:b:1") in Kotlin */
        word = quoted;
    if (rb_piece_is(word, "add") && rb_piece_starts(rest, "(")) { /* add("ksp", "a:b:1") */
        struct rb_piece behind = gradle_skip(rest, 1);
        if (rb_piece_quoted(&quoted, &behind) && rb_piece_starts(rb_piece_trim(behind), ",")) {
            word = quoted;
            behind = rb_piece_trim(behind);
            rest = (struct rb_piece){behind.at, behind.len};
            rest =
                rb_piece_of(rb_arena_printf(gradle->sheet->arena, "(%.*s", (int)(rest.len - 1), rest.at + 1));
        }
    }
    if (word.len == 0 || (gradle->is_settings && settings_line(gradle, word, line, rest)) ||
        gradle_rich_version(gradle, line))
        return;
    gradle_call(gradle, word, line, rest);
}

/* ---- blocks ------------------------------------------------------------------------------------------- */

/* Whether the line opens a block of tests: "commonTest {", "val jvmTest by getting {", "named("jvmTest") {".
 * Kotlin projects for several platforms declare dependencies in there. */
static bool gradle_opens_tests(struct rb_piece line)
{
    const char *at = rb_piece_ends(line, "{") ? memmem(line.at, line.len, "Test", 4) : NULL;
    return at && !gradle_is_word(at[4]) && at > line.at && gradle_is_word(at[-1]);
}

/* Whether the line opens the block `name {`, perhaps as the last of several words. */
static bool gradle_opens(struct rb_piece line, const char *name)
{
    if (!rb_piece_ends(line, "{"))
        return false;
    line.len--;
    line = rb_piece_trim(line);
    if (rb_piece_ends(line, "()"))
        line.len -= 2;
    size_t len = strlen(name);
    return rb_piece_ends(line, name) && (line.len == len || !gradle_is_word(line.at[line.len - len - 1]));
}

static void block_note(size_t *block, size_t depth, bool opens)
{
    if (depth < *block)
        *block = 0;
    if (!*block && opens)
        *block = depth;
}

static void gradle_braces(struct gradle *gradle, struct rb_piece line)
{
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.at[i];
        if (!rb_text_is_unquoted(&quote, c))
            continue;
        if (c == '{')
            gradle->depth++;
        else if (c == '}')
            gradle->depth -= gradle->depth > 0;
    }
    struct gradle_blocks *in = &gradle->in;
    block_note(&in->tests, gradle->depth, gradle_opens_tests(line));
    block_note(&in->dependencies, gradle->depth, gradle_opens(line, "dependencies"));
    block_note(&in->constraints, gradle->depth, gradle_opens(line, "constraints"));
    block_note(&in->management, gradle->depth, gradle_opens(line, "pluginManagement"));
    block_note(&in->catalogs, gradle->depth, gradle_opens(line, "versionCatalogs"));
    block_note(&in->catalog, gradle->depth, false);
    if (!in->catalog)
        gradle->catalog = NULL;
}

/* ---- statements --------------------------------------------------------------------------------------- */

/* Round brackets that a text leaves open. */
static int open_brackets(struct rb_piece text)
{
    int open = 0;
    char quote = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (rb_text_is_unquoted(&quote, c))
            open += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    return open;
}

/* Whether a line begins what may go on in the next: a dependency, a plugin, an entry of a catalogue. */
static bool gradle_may_go_on(const struct gradle *gradle, struct rb_piece line)
{
    static const char *const words[] = {"id",     "alias",  "include", "library",
                                        "plugin", "bundle", "add",     "dependency"};
    size_t len = 0;
    if (rb_piece_starts(line, "\"") || rb_piece_ends(line, "{"))
        return false;
    while (len < line.len && gradle_is_word(line.at[len]))
        len++;
    struct rb_piece word = {line.at, len};
    return (rb_gradle_kind(word) || IS_ONE_OF(word, words) || (gradle->in.dependencies && len)) &&
           (rb_piece_ends(line, ",") || rb_piece_ends(line, "(") || rb_piece_is(word, "include") ||
            open_brackets(line) > 0);
}

/* The next statement: a line, or several of a call, without comments. */
static bool gradle_statement(struct gradle *gradle, struct rb_piece *out, struct rb_piece *rest)
{
    struct rb_piece line;
    if (!rb_piece_line(&line, rest))
        return false;
    *out = rb_gradle_uncomment(&gradle->in_comment, line);
    if (out->len == 0 || !gradle_may_go_on(gradle, *out))
        return true;
    char *joined = rb_arena_alloc(gradle->sheet->arena, GRADLE_STATEMENT_MAX + 1);
    size_t used = 0;
    line = *out;
    int open = 0;
    do {
        if (used + line.len + 1 > GRADLE_STATEMENT_MAX)
            break;
        memcpy(joined + used, line.at, line.len);
        used += line.len;
        joined[used++] = ' ';
        open += open_brackets(line);
        if (open <= 0 && !rb_piece_ends(line, ",") && used > 1 && line.len)
            break;
    } while (rb_piece_line(&line, rest) && (line = rb_gradle_uncomment(&gradle->in_comment, line), true));
    *out = rb_piece_trim((struct rb_piece){rb_arena_strndup(gradle->sheet->arena, joined, used), used});
    return true;
}

/* ---- files -------------------------------------------------------------------------------------------- */

/* Whether a script describes a project: build.gradle, or one that is named after its folder. */
static bool gradle_is_project(const char *path)
{
    const char *base = rb_path_base(path);
    size_t len = strcspn(base, ".");
    if (strcmp(base, "build.gradle") == 0 || strcmp(base, "build.gradle.kts") == 0)
        return true;
    return base - path > (ptrdiff_t)len + 1 && memcmp(base - len - 1, base, len) == 0 &&
           base[-2 - (ptrdiff_t)len] == '/';
}

static void gradle_package(struct gradle *gradle)
{
    const char *version = rb_json_text(gradle->file->values, "version");
    struct rb_scan_package *package =
        rb_scan_add_package(gradle->sheet, "", strchr(version, '$') ? "" : version, "");
    static const char *const mains[] = {".mainClass", ".mainClassName"};
    for (size_t i = 0; i < sizeof mains / sizeof *mains; i++)
        rb_scan_add_entry(gradle->sheet, package, "", rb_json_text(gradle->file->values, mains[i]));
}

rb_err rb_gradle_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    const char *base = rb_path_base(sheet->manifest);
    struct gradle gradle = {.sheet = sheet, .file = rb_gradle_file_new(sheet), .last = SIZE_MAX};
    struct rb_piece rest = {text, len}, line;
    gradle.is_settings = strncmp(base, "settings.gradle", 15) == 0;
    rb_gradle_note_all(gradle.file, sheet, rest);
    if (gradle_is_project(sheet->manifest))
        gradle_package(&gradle);
    while (gradle_statement(&gradle, &line, &rest)) {
        gradle_line(&gradle, line);
        gradle_braces(&gradle, line);
    }
    return RB_OK;
}

/* buildSrc's sources, which are only read for the names they give. */
rb_err rb_gradle_names_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    rb_gradle_note_all(rb_gradle_file_new(sheet), sheet, (struct rb_piece){text, len});
    return RB_OK;
}
