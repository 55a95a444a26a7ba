/*
 * Which files are manifests or lock files, and who reads them. Most are known by their whole name; some by
 * its end, some by the folder they lie in.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
FORMAT(gowork, .name = "go.work", .ecosystem = "go", .parse = rb_gowork_parse);
/* Rust */
FORMAT(cargo, .name = "Cargo.toml", .ecosystem = "cargo", .parse = rb_cargo_parse, PACKAGE);
FORMAT(cargo_lock, .name = "Cargo.lock", .ecosystem = "cargo", .parse = rb_cargo_lock_parse, LOCK);
/* Java */
FORMAT(maven, .name = "pom.xml", .ecosystem = "maven", .parse = rb_maven_parse, PACKAGE);
FORMAT(gradle, .name = "build.gradle", .ecosystem = "maven", .parse = rb_gradle_parse, PACKAGE);
FORMAT(gradle_script, .name = "Gradle script", .ecosystem = "maven", .parse = rb_gradle_parse);
FORMAT(gradle_names, .name = "buildSrc source", .ecosystem = "maven", .parse = rb_gradle_names_parse);
FORMAT(gradle_properties, .name = "gradle.properties", .ecosystem = "maven",
       .parse = rb_gradle_properties_parse);
FORMAT(gradle_lock, .name = "gradle.lockfile", .ecosystem = "maven", .parse = rb_gradle_lock_parse, LOCK);
FORMAT(catalog, .name = "libs.versions.toml", .ecosystem = "maven", .parse = rb_gradle_catalog_parse);
/* PHP */
FORMAT(composer, .name = "composer.json", .ecosystem = "composer", .parse = rb_composer_parse, PACKAGE);
/* Ruby */
FORMAT(gemfile, .name = "Gemfile", .ecosystem = "rubygems", .parse = rb_gemfile_parse);
FORMAT(gemspec, .name = "gemspec", .ecosystem = "rubygems", .parse = rb_gemspec_parse, PACKAGE);
/* .NET */
FORMAT(nuget, .name = "MSBuild project", .ecosystem = "nuget", .parse = rb_nuget_parse);
FORMAT(nuget_lock, .name = "packages.lock.json", .ecosystem = "nuget", .parse = rb_nuget_lock_parse, LOCK);
FORMAT(dotnet_global, .name = "global.json", .ecosystem = "nuget", .parse = rb_dotnet_global_parse);
FORMAT(dotnet_tools, .name = "dotnet-tools.json", .ecosystem = "nuget", .parse = rb_dotnet_tools_parse);
FORMAT(dotnet_sln, .name = "sln", .ecosystem = "nuget", .parse = rb_dotnet_sln_parse);
FORMAT(dotnet_slnx, .name = "slnx", .ecosystem = "nuget", .parse = rb_dotnet_slnx_parse);
FORMAT(paket, .name = "paket.dependencies", .ecosystem = "nuget", .parse = rb_paket_parse);
FORMAT(paket_lock, .name = "paket.lock", .ecosystem = "nuget", .parse = rb_paket_lock_parse, LOCK);
/* GitHub */
FORMAT(actions, .name = "workflow", .ecosystem = "github-actions", .parse = rb_actions_parse);

struct by_text {
    const char *text;
    const struct rb_scan_format *format;
};

/* In the order of strcmp(), for bisection. */
static const struct by_text by_name[] = {
    {"Cargo.lock", &cargo_lock},
    {"Cargo.toml", &cargo},
    {"Dependencies.props", &nuget},
    {"Directory.Build.props", &nuget},
    {"Directory.Build.targets", &nuget},
    {"Directory.Packages.props", &nuget},
    {"Directory.Packages.targets", &nuget},
    {"Gemfile", &gemfile},
    {"PackageVersions.props", &nuget},
    {"Packages.props", &nuget},
    {"Pipfile", &pipfile},
    {"Version.props", &nuget},
    {"Versions.props", &nuget},
    {"build.gradle", &gradle},
    {"build.gradle.kts", &gradle},
    {"buildscript-gradle.lockfile", &gradle_lock},
    {"composer.json", &composer},
    {"dotnet-tools.json", &dotnet_tools},
    {"gems.rb", &gemfile},
    {"go.mod", &gomod},
    {"go.work", &gowork},
    {"gradle.lockfile", &gradle_lock},
    {"gradle.properties", &gradle_properties},
    {"libs.versions.toml", &catalog},
    {"package.json", &npm},
    {"packages.config", &nuget},
    {"packages.lock.json", &nuget_lock},
    {"paket.dependencies", &paket},
    {"paket.lock", &paket_lock},
    {"pom.xml", &maven},
    {"pyproject.toml", &pyproject},
    {"settings.gradle", &gradle_script},
    {"settings.gradle.kts", &gradle_script},
    {"setup.cfg", &setup_cfg},
    {"setup.py", &setup_py},
};

/* Of names that begin with something else than a dot. */
static const struct by_text by_end[] = {
    {".gemspec", &gemspec}, {".csproj", &nuget},     {".fsproj", &nuget},          {".vbproj", &nuget},
    {".sln", &dotnet_sln},  {".slnx", &dotnet_slnx}, {".versions.toml", &catalog},
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
static bool path_is_gradle_project(const char *path)
{
    const char *base = rb_path_base(path);
    size_t len = strcspn(base, ".");
    return (rb_text_ends(base, ".gradle") || rb_text_ends(base, ".gradle.kts")) &&
           (size_t)(base - path) > len + 1 && memcmp(base - len - 1, base, len) == 0;
}

/* Scripts that others apply, and plugins written as scripts; in resources they are input of tests. */
static bool path_is_gradle_script(const char *path)
{
    return (rb_text_ends(path, ".gradle") || rb_text_ends(path, ".gradle.kts")) &&
           !strstr(path, "/resources/");
}

/* Kotlin and Groovy objects that give versions names, for all scripts of the build. */
static bool path_is_gradle_names(const char *path)
{
    static const char *const words[] = {"version", "dep", "lib"};
    const char *base = rb_path_base(path), *folder = strstr(path, "buildSrc/");
    if (!folder || (folder != path && folder[-1] != '/') ||
        (!rb_text_ends(base, ".kt") && !rb_text_ends(base, ".groovy") && !rb_text_ends(base, ".java")))
        return false;
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strncasecmp(base, words[i], strlen(words[i])) == 0)
            return true;
    }
    return strcasestr(base, "versions") || strcasestr(base, "dependencies") || strcasestr(base, "libraries");
}

/* Next to a solution; deeper, files of that name are translations. */
static bool path_is_dotnet_global(const char *path)
{
    return strcmp(rb_path_base(path), "global.json") == 0 && rb_path_depth(path) <= 1;
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
    {path_is_requirements, &requirements},   {path_is_gradle_project, &gradle},
    {path_is_gradle_script, &gradle_script}, {path_is_gradle_names, &gradle_names},
    {path_is_dotnet_global, &dotnet_global}, {path_is_workflow, &actions},
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
    return NULL;
}

size_t rb_scan_format_bytes(const struct rb_scan_format *format)
{
    return format->is_lock ? RB_SCAN_LOCK_BYTES : RB_SCAN_MANIFEST_BYTES;
}
