/*
 * Which manifests are worth a request each: those of the repository itself first, the nearest to the root
 * first, and no kind so many that the others starve.
 */
#include "scanner/scan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct rb_scan_format npm = {"package.json", "npm", rb_npm_parse, true};
static const struct rb_scan_format pyproject = {"pyproject.toml", "pypi", rb_pyproject_parse, true};
static const struct rb_scan_format pipfile = {"Pipfile", "pypi", rb_pipfile_parse, false};
static const struct rb_scan_format setup_cfg = {"setup.cfg", "pypi", rb_setup_cfg_parse, false};
static const struct rb_scan_format setup_py = {"setup.py", "pypi", NULL, true};
static const struct rb_scan_format requirements = {"requirements.txt", "pypi", rb_requirements_parse, false};
static const struct rb_scan_format gomod = {"go.mod", "go", rb_gomod_parse, true};
static const struct rb_scan_format cargo = {"Cargo.toml", "cargo", rb_cargo_parse, true};
static const struct rb_scan_format maven = {"pom.xml", "maven", rb_maven_parse, true};
static const struct rb_scan_format gradle = {"build.gradle", "maven", rb_gradle_parse, true};
static const struct rb_scan_format catalog = {"libs.versions.toml", "maven", rb_gradle_catalog_parse, false};
static const struct rb_scan_format composer = {"composer.json", "composer", rb_composer_parse, true};
static const struct rb_scan_format gemfile = {"Gemfile", "rubygems", rb_gemfile_parse, false};
static const struct rb_scan_format gemspec = {"gemspec", "rubygems", rb_gemspec_parse, true};
static const struct rb_scan_format nuget = {"MSBuild project", "nuget", rb_nuget_parse, false};
static const struct rb_scan_format actions = {"workflow", "github-actions", rb_actions_parse, false};

static const struct {
    const char *name;
    const struct rb_scan_format *format;
} by_name[] = {
    {"package.json", &npm},
    {"pyproject.toml", &pyproject},
    {"Pipfile", &pipfile},
    {"setup.cfg", &setup_cfg},
    {"setup.py", &setup_py},
    {"go.mod", &gomod},
    {"Cargo.toml", &cargo},
    {"pom.xml", &maven},
    {"build.gradle", &gradle},
    {"build.gradle.kts", &gradle},
    {"libs.versions.toml", &catalog},
    {"composer.json", &composer},
    {"Gemfile", &gemfile},
    {"gems.rb", &gemfile},
    {"packages.config", &nuget},
    {"Directory.Packages.props", &nuget},
    {"Directory.Build.props", &nuget},
};

/* requirements.txt, dev-requirements.txt, requirements_test.txt, requirements/base.txt; not constraints. */
static bool path_is_requirements(const char *path)
{
    const char *base = rb_path_base(path);
    if (!rb_text_ends(base, ".txt"))
        return false;
    if (strcasestr(base, "requirements") || rb_text_starts(base, "requires-"))
        return true;
    return base != path && (rb_text_starts(path, "requirements/") || strstr(path, "/requirements/"));
}

const struct rb_scan_format *rb_scan_format_of(const char *path)
{
    const char *base = rb_path_base(path);
    for (size_t i = 0; i < COUNT(by_name); i++) {
        if (strcmp(base, by_name[i].name) == 0)
            return by_name[i].format;
    }
    if (path_is_requirements(path))
        return &requirements;
    if (rb_text_ends(base, ".gemspec") && base[0] != '.')
        return &gemspec;
    if (rb_text_ends(base, ".csproj") || rb_text_ends(base, ".fsproj") || rb_text_ends(base, ".vbproj"))
        return &nuget;
    /* Gradle allows any name for the script of a subproject; Spring names it after the project. */
    if (rb_text_ends(base, ".gradle") && strcmp(base, "settings.gradle") != 0 && base != path)
        return &gradle;
    if (rb_text_starts(path, ".github/workflows/") &&
        (rb_text_ends(base, ".yml") || rb_text_ends(base, ".yaml")))
        return &actions;
    return NULL;
}

/* Files that a generator fills in: "{{cookiecutter.name}}/setup.py", "templates/app/package.json". */
bool rb_path_is_template(const char *path)
{
    static const char *const folders[] = {"templates/", "template/", "skeleton/", "boilerplate/",
                                          "scaffold/"};
    if (strstr(path, "{{") || strstr(path, "<%"))
        return true;
    for (size_t i = 0; i < COUNT(folders); i++) {
        const char *at = strstr(path, folders[i]);
        if (at && (at == path || at[-1] == '/'))
            return true;
    }
    return false;
}

struct choice {
    const struct rb_tree_entry *entry;
    const struct rb_scan_format *format;
    size_t depth;
    bool aside;
};

static int choice_order(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->aside != y->aside)
        return x->aside ? 1 : -1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return strcmp(x->entry->path, y->entry->path);
}

static bool path_is_wanted(const char *path, const struct rb_scan_format *format)
{
    if (format == &actions)
        return true;
    if (format == &catalog)
        return !rb_path_is_fixture(path);
    return !rb_path_is_vendored(path) && !rb_path_is_fixture(path) && !rb_path_is_template(path);
}

/* "examples", "Examples", "acme-examples" and "examples-web" for "examples". */
static bool folder_is_like(struct rb_piece folder, const char *word)
{
    size_t len = strlen(word);
    if (folder.len < len)
        return false;
    const char *end = folder.at + folder.len - len;
    bool starts = strncasecmp(folder.at, word, len) == 0, ends = strncasecmp(end, word, len) == 0;
    return (starts && (folder.len == len || folder.at[len] == '-')) ||
           (ends && end > folder.at && end[-1] == '-');
}

/* Examples, documentation and tests have manifests of their own; workflows say how it is built, not what it
 * is. */
static bool path_is_aside(const char *path, const struct rb_scan_format *format)
{
    static const char *const folders[] = {
        "example", "examples", "sample", "samples", "demo",       "demos",    "benchmark", "benchmarks",
        "bench",   "benches",  "fuzz",   "fuzzing", "playground", "tutorial", "tutorials", "docs"};
    if (format == &actions)
        return true;
    if (!strchr(path, '/') || rb_text_starts(path, "requirements/"))
        return false;
    if (rb_path_is_documentation(path))
        return true;
    for (const char *at = path, *slash; (slash = strchr(at, '/')); at = slash + 1) {
        struct rb_piece folder = {at, (size_t)(slash - at)};
        for (size_t i = 0; i < COUNT(folders); i++) {
            if (folder_is_like(folder, folders[i]))
                return true;
        }
    }
    return format != &nuget && rb_path_is_test(path);
}

static void manifest_put(struct rb_scan *scan, const struct choice *choice)
{
    struct rb_scan_manifest *manifest = &scan->manifests[scan->manifest_count++];
    const char *path = choice->entry->path;
    manifest->entry = choice->entry;
    manifest->format = choice->format;
    manifest->path = rb_text_clean(scan->arena, path, strlen(path), RB_SCAN_PATH_MAX);
    manifest->aside = choice->aside;
    manifest->error = "";
    manifest->status = !choice->format->parse                         ? RB_MANIFEST_NOTED
                       : choice->entry->size > RB_SCAN_MANIFEST_BYTES ? RB_MANIFEST_TOO_BIG
                                                                      : RB_MANIFEST_CHOSEN;
}

/* In the first round no format takes more than this; what is left of the places goes by order alone. */
#define FIRST_ROUND_PER_FORMAT 20

static void choices_take(struct rb_scan *scan, const struct choice *choices, size_t count)
{
    scan->manifests = rb_arena_alloc(scan->arena, RB_SCAN_MANIFESTS_MAX * sizeof *scan->manifests);
    bool *taken = rb_calloc(count + 1, sizeof *taken);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count && scan->manifest_count < RB_SCAN_MANIFESTS_MAX; i++) {
            size_t same = 0;
            for (size_t k = 0; round == 0 && k < scan->manifest_count; k++)
                same += scan->manifests[k].format == choices[i].format;
            if (taken[i] || same >= FIRST_ROUND_PER_FORMAT)
                continue;
            taken[i] = true;
            manifest_put(scan, &choices[i]);
        }
    }
    scan->manifests_left_out = count - scan->manifest_count;
    free(taken);
}

void rb_scan_choose(struct rb_scan *scan)
{
    size_t room = 256, count = 0;
    struct choice *choices = rb_calloc(room, sizeof *choices);
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        if (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE)
            continue;
        const struct rb_scan_format *format = rb_scan_format_of(entry->path);
        if (!format || !path_is_wanted(entry->path, format))
            continue;
        if (count == room) {
            room *= 2;
            choices = rb_realloc(choices, room * sizeof *choices);
        }
        choices[count++] =
            (struct choice){entry, format, rb_path_depth(entry->path), path_is_aside(entry->path, format)};
    }
    qsort(choices, count, sizeof *choices, choice_order);
    choices_take(scan, choices, count);
    free(choices);
}
