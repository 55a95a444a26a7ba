/*
 * Which files are manifests or lock files, and who reads them. Most are known by their whole name; some by
 * its end, some by the folder they lie in.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/facts.h"
#include "scanner/scan.h"
#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define FORMAT(id, ...) static const struct rb_scan_format id = {__VA_ARGS__}
#define PACKAGE         .is_package = true
#define LOCK            .is_lock = true

/* JavaScript */
FORMAT(npm, .name = "package.json", .ecosystem = "npm", .parse = rb_npm_parse, PACKAGE);
/* Python */
FORMAT(pyproject, .name = "pyproject.toml", .ecosystem = "pypi", .parse = rb_pyproject_parse, PACKAGE);
FORMAT(pipfile, .name = "Pipfile", .ecosystem = "pypi", .parse = rb_pipfile_parse);
FORMAT(setup_cfg, .name = "setup.cfg", .ecosystem = "pypi", .parse = rb_setup_cfg_parse);
FORMAT(setup_py, .name = "setup.py", .ecosystem = "pypi", PACKAGE);
FORMAT(requirements, .name = "requirements.txt", .ecosystem = "pypi", .parse = rb_requirements_parse);
/* Go */
FORMAT(gomod, .name = "go.mod", .ecosystem = "go", .parse = rb_gomod_parse, PACKAGE);
/* Rust */
FORMAT(cargo, .name = "Cargo.toml", .ecosystem = "cargo", .parse = rb_cargo_parse, PACKAGE);
/* Java */
FORMAT(maven, .name = "pom.xml", .ecosystem = "maven", .parse = rb_maven_parse, PACKAGE);
FORMAT(gradle, .name = "build.gradle", .ecosystem = "maven", .parse = rb_gradle_parse, PACKAGE);
FORMAT(catalog, .name = "libs.versions.toml", .ecosystem = "maven", .parse = rb_gradle_catalog_parse);
/* PHP */
FORMAT(composer, .name = "composer.json", .ecosystem = "composer", .parse = rb_composer_parse, PACKAGE);
/* Ruby */
FORMAT(gemfile, .name = "Gemfile", .ecosystem = "rubygems", .parse = rb_gemfile_parse);
FORMAT(gemspec, .name = "gemspec", .ecosystem = "rubygems", .parse = rb_gemspec_parse, PACKAGE);
/* .NET */
FORMAT(nuget, .name = "MSBuild project", .ecosystem = "nuget", .parse = rb_nuget_parse);
/* GitHub */
FORMAT(actions, .name = "workflow", .ecosystem = "github-actions", .parse = rb_actions_parse);

struct by_text {
    const char *text;
    const struct rb_scan_format *format;
};

/* In the order of strcmp(), for bisection. */
static const struct by_text by_name[] = {
    {"Cargo.toml", &cargo},
    {"Directory.Build.props", &nuget},
    {"Directory.Packages.props", &nuget},
    {"Gemfile", &gemfile},
    {"Pipfile", &pipfile},
    {"build.gradle", &gradle},
    {"build.gradle.kts", &gradle},
    {"composer.json", &composer},
    {"gems.rb", &gemfile},
    {"go.mod", &gomod},
    {"libs.versions.toml", &catalog},
    {"package.json", &npm},
    {"packages.config", &nuget},
    {"pom.xml", &maven},
    {"pyproject.toml", &pyproject},
    {"setup.cfg", &setup_cfg},
    {"setup.py", &setup_py},
};

/* Of names that begin with something else than a dot. */
static const struct by_text by_end[] = {
    {".gemspec", &gemspec},
    {".csproj", &nuget},
    {".fsproj", &nuget},
    {".vbproj", &nuget},
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

/* Gradle allows any name for the script of a subproject; Spring names it after the project. */
static bool path_is_gradle_script(const char *path)
{
    const char *base = rb_path_base(path);
    return base != path && rb_text_ends(base, ".gradle") && strcmp(base, "settings.gradle") != 0;
}

static bool path_is_workflow(const char *path)
{
    return rb_text_starts(path, ".github/workflows/") &&
           (rb_text_ends(path, ".yml") || rb_text_ends(path, ".yaml"));
}

static const struct {
    bool (*is_it)(const char *path);
    const struct rb_scan_format *format;
} by_path[] = {
    {path_is_requirements, &requirements},
    {path_is_gradle_script, &gradle},
    {path_is_workflow, &actions},
};

static int text_compare(const void *text, const void *row)
{
    return strcmp(text, ((const struct by_text *)row)->text);
}

const struct rb_scan_format *rb_scan_format_of(const char *path)
{
    const char *base = rb_path_base(path);
    const struct by_text *row = bsearch(base, by_name, COUNT(by_name), sizeof *by_name, text_compare);
    if (row)
        return row->format;
    for (size_t i = 0; i < COUNT(by_end) && base[0] != '.'; i++) {
        if (rb_text_ends(base, by_end[i].text))
            return by_end[i].format;
    }
    for (size_t i = 0; i < COUNT(by_path); i++) {
        if (by_path[i].is_it(path))
            return by_path[i].format;
    }
    return rb_look_format_of(path);
}

size_t rb_scan_format_bytes(const struct rb_scan_format *format)
{
    return format->is_lock ? RB_SCAN_LOCK_BYTES : RB_SCAN_MANIFEST_BYTES;
}
