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

/* Names of environment variables; no dependencies */
FORMAT(env, .name = ".env", .ecosystem = "env", .parse = rb_env_parse);
/* JavaScript */
FORMAT(npm, .name = "package.json", .ecosystem = "npm", .parse = rb_npm_parse, PACKAGE);
FORMAT(npm_lock, .name = "package-lock.json", .ecosystem = "npm", .parse = rb_npm_lock_parse, LOCK);
FORMAT(yarn_lock, .name = "yarn.lock", .ecosystem = "npm", .parse = rb_yarn_lock_parse, LOCK);
FORMAT(pnpm_lock, .name = "pnpm-lock.yaml", .ecosystem = "npm", .parse = rb_pnpm_lock_parse, LOCK);
FORMAT(bun_lock, .name = "bun.lock", .ecosystem = "npm", .parse = rb_bun_lock_parse, LOCK);
FORMAT(bun_binary, .name = "bun.lockb", .ecosystem = "npm", LOCK); /* binary */
FORMAT(npm_catalog, .name = "pnpm-workspace.yaml", .ecosystem = "npm", .parse = rb_npm_catalog_parse);
FORMAT(deno, .name = "deno.json", .ecosystem = "npm", .parse = rb_deno_parse, PACKAGE);
FORMAT(deno_lock, .name = "deno.lock", .ecosystem = "npm", .parse = rb_deno_lock_parse, LOCK);
/* Python */
FORMAT(pyproject, .name = "pyproject.toml", .ecosystem = "pypi", .parse = rb_pyproject_parse, PACKAGE);
FORMAT(pipfile, .name = "Pipfile", .ecosystem = "pypi", .parse = rb_pipfile_parse);
FORMAT(setup_cfg, .name = "setup.cfg", .ecosystem = "pypi", .parse = rb_setup_cfg_parse);
FORMAT(setup_py, .name = "setup.py", .ecosystem = "pypi", .parse = rb_setup_py_parse, PACKAGE);
FORMAT(python_lock, .name = "poetry.lock", .ecosystem = "pypi", .parse = rb_python_lock_parse, LOCK);
FORMAT(pylock, .name = "pylock.toml", .ecosystem = "pypi", .parse = rb_pylock_parse, LOCK);
FORMAT(pipfile_lock, .name = "Pipfile.lock", .ecosystem = "pypi", .parse = rb_pipfile_lock_parse, LOCK);
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
FORMAT(sbt, .name = "build.sbt", .ecosystem = "maven", .parse = rb_sbt_parse, PACKAGE);
FORMAT(sbt_script, .name = "sbt script", .ecosystem = "maven", .parse = rb_sbt_parse);
/* PHP */
FORMAT(composer, .name = "composer.json", .ecosystem = "composer", .parse = rb_composer_parse, PACKAGE);
FORMAT(composer_lock, .name = "composer.lock", .ecosystem = "composer", .parse = rb_composer_lock_parse,
       LOCK);
/* Ruby */
FORMAT(gemfile, .name = "Gemfile", .ecosystem = "rubygems", .parse = rb_gemfile_parse);
FORMAT(gemspec, .name = "gemspec", .ecosystem = "rubygems", .parse = rb_gemspec_parse, PACKAGE);
FORMAT(gemfile_lock, .name = "Gemfile.lock", .ecosystem = "rubygems", .parse = rb_gemfile_lock_parse, LOCK);
/* .NET */
FORMAT(nuget, .name = "MSBuild project", .ecosystem = "nuget", .parse = rb_nuget_parse);
FORMAT(nuget_lock, .name = "packages.lock.json", .ecosystem = "nuget", .parse = rb_nuget_lock_parse, LOCK);
FORMAT(dotnet_global, .name = "global.json", .ecosystem = "nuget", .parse = rb_dotnet_global_parse);
FORMAT(dotnet_tools, .name = "dotnet-tools.json", .ecosystem = "nuget", .parse = rb_dotnet_tools_parse);
FORMAT(dotnet_sln, .name = "sln", .ecosystem = "nuget", .parse = rb_dotnet_sln_parse);
FORMAT(dotnet_slnx, .name = "slnx", .ecosystem = "nuget", .parse = rb_dotnet_slnx_parse);
FORMAT(paket, .name = "paket.dependencies", .ecosystem = "nuget", .parse = rb_paket_parse);
FORMAT(paket_lock, .name = "paket.lock", .ecosystem = "nuget", .parse = rb_paket_lock_parse, LOCK);
/* Elixir and Erlang */
FORMAT(mix, .name = "mix.exs", .ecosystem = "hex", .parse = rb_mix_parse, PACKAGE);
FORMAT(mix_lock, .name = "mix.lock", .ecosystem = "hex", .parse = rb_mix_lock_parse, LOCK);
FORMAT(rebar, .name = "rebar.config", .ecosystem = "hex", .parse = rb_rebar_parse);
FORMAT(rebar_lock, .name = "rebar.lock", .ecosystem = "hex", .parse = rb_rebar_lock_parse, LOCK);
/* Dart */
FORMAT(pubspec, .name = "pubspec.yaml", .ecosystem = "pub", .parse = rb_pubspec_parse, PACKAGE);
FORMAT(pubspec_lock, .name = "pubspec.lock", .ecosystem = "pub", .parse = rb_pubspec_lock_parse, LOCK);
FORMAT(melos, .name = "melos.yaml", .ecosystem = "pub", .parse = rb_melos_parse);
/* Swift and Objective-C */
FORMAT(swift, .name = "Package.swift", .ecosystem = "swift", .parse = rb_swift_parse, PACKAGE);
FORMAT(swift_lock, .name = "Package.resolved", .ecosystem = "swift", .parse = rb_swift_resolved_parse, LOCK);
FORMAT(xcode, .name = "project.pbxproj", .ecosystem = "swift", .parse = rb_xcode_parse);
FORMAT(podfile, .name = "Podfile", .ecosystem = "cocoapods", .parse = rb_podfile_parse);
FORMAT(podfile_lock, .name = "Podfile.lock", .ecosystem = "cocoapods", .parse = rb_podfile_lock_parse, LOCK);
FORMAT(podspec, .name = "podspec", .ecosystem = "cocoapods", .parse = rb_podspec_parse);
/* Conda */
FORMAT(conda, .name = "environment.yml", .ecosystem = "conda", .parse = rb_conda_environment_parse);
FORMAT(recipe, .name = "conda recipe", .ecosystem = "conda", .parse = rb_conda_recipe_parse);
FORMAT(pixi, .name = "pixi.toml", .ecosystem = "conda", .parse = rb_pixi_parse);
FORMAT(pixi_lock, .name = "pixi.lock", .ecosystem = "conda", .parse = rb_pixi_lock_parse, LOCK);
FORMAT(conda_lock, .name = "conda-lock.yml", .ecosystem = "conda", .parse = rb_conda_lock_parse, LOCK);
/* C and C++ */
FORMAT(cmake, .name = "CMakeLists.txt", .ecosystem = "cmake", .parse = rb_cmake_parse);
FORMAT(vcpkg, .name = "vcpkg.json", .ecosystem = "vcpkg", .parse = rb_vcpkg_parse);
FORMAT(conan_text, .name = "conanfile.txt", .ecosystem = "conan", .parse = rb_conan_text_parse);
FORMAT(conan_python, .name = "conanfile.py", .ecosystem = "conan", .parse = rb_conan_python_parse);
FORMAT(conan_lock, .name = "conan.lock", .ecosystem = "conan", .parse = rb_conan_lock_parse, LOCK);
/* Containers and charts */
FORMAT(dockerfile, .name = "Dockerfile", .ecosystem = "docker", .parse = rb_dockerfile_parse);
FORMAT(compose, .name = "compose.yaml", .ecosystem = "docker", .parse = rb_compose_parse);
FORMAT(chart, .name = "Chart.yaml", .ecosystem = "helm", .parse = rb_chart_parse, PACKAGE);
FORMAT(chart_2, .name = "requirements.yaml", .ecosystem = "helm", .parse = rb_chart_parse);
FORMAT(chart_lock, .name = "Chart.lock", .ecosystem = "helm", .parse = rb_chart_lock_parse, LOCK);
FORMAT(values, .name = "values.yaml", .ecosystem = "docker", .parse = rb_values_parse);
FORMAT(ci, .name = "CI configuration", .ecosystem = "docker", .parse = rb_ci_parse);
/* Nix */
FORMAT(flake, .name = "flake.nix", .ecosystem = "nix", .parse = rb_flake_parse);
FORMAT(flake_lock, .name = "flake.lock", .ecosystem = "nix", .parse = rb_flake_lock_parse, LOCK);
/* Terraform */
FORMAT(terraform, .name = "terraform", .ecosystem = "terraform", .parse = rb_terraform_parse);
FORMAT(terraform_lock, .name = ".terraform.lock.hcl", .ecosystem = "terraform",
       .parse = rb_terraform_lock_parse, LOCK);
/* GitHub, and hooks run before a commit */
FORMAT(actions, .name = "workflow", .ecosystem = "github-actions", .parse = rb_actions_parse);
FORMAT(precommit, .name = ".pre-commit-config.yaml", .ecosystem = "pre-commit", .parse = rb_precommit_parse);
/* What names no dependencies: known by who looks at it (looks.c) */
FORMAT(makefile, .name = "Makefile", .ecosystem = "", .parse = rb_look_makefile);
FORMAT(justfile, .name = "justfile", .ecosystem = "", .parse = rb_look_justfile);
FORMAT(taskfile, .name = "Taskfile", .ecosystem = "", .parse = rb_look_taskfile);
FORMAT(procfile, .name = "Procfile", .ecosystem = "", .parse = rb_look_procfile);
FORMAT(license, .name = "license", .ecosystem = "", .parse = rb_look_license);
FORMAT(codeowners, .name = "CODEOWNERS", .ecosystem = "", .parse = rb_look_codeowners);
static const struct rb_scan_format *const looked_at[] = {&makefile, &justfile, &taskfile,
                                                         &procfile, &license,  &codeowners};

struct by_text {
    const char *text;
    const struct rb_scan_format *format;
};

/* In the order of strcmp(), for bisection. */
static const struct by_text by_name[] = {
    {".drone.yml", &ci},
    {".gitlab-ci.yml", &ci},
    {".pre-commit-config.yaml", &precommit},
    {".pre-commit-config.yml", &precommit},
    {".terraform.lock.hcl", &terraform_lock},
    {".woodpecker.yml", &ci},
    {".yarnrc.yml", &npm_catalog},
    {"CMakeLists.txt", &cmake},
    {"Cargo.lock", &cargo_lock},
    {"Cargo.toml", &cargo},
    {"Chart.lock", &chart_lock},
    {"Chart.yaml", &chart},
    {"Containerfile", &dockerfile},
    {"Dependencies.props", &nuget},
    {"Directory.Build.props", &nuget},
    {"Directory.Build.targets", &nuget},
    {"Directory.Packages.props", &nuget},
    {"Directory.Packages.targets", &nuget},
    {"Dockerfile", &dockerfile},
    {"Gemfile", &gemfile},
    {"Gemfile.lock", &gemfile_lock},
    {"Package.resolved", &swift_lock},
    {"Package.swift", &swift},
    {"PackageVersions.props", &nuget},
    {"Packages.props", &nuget},
    {"Pipfile", &pipfile},
    {"Pipfile.lock", &pipfile_lock},
    {"Podfile", &podfile},
    {"Podfile.lock", &podfile_lock},
    {"Version.props", &nuget},
    {"Versions.props", &nuget},
    {"action.yaml", &actions},
    {"action.yml", &actions},
    {"azure-pipelines.yml", &ci},
    {"bitbucket-pipelines.yml", &ci},
    {"build.gradle", &gradle},
    {"build.gradle.kts", &gradle},
    {"buildscript-gradle.lockfile", &gradle_lock},
    {"bun.lock", &bun_lock},
    {"bun.lockb", &bun_binary},
    {"composer.json", &composer},
    {"composer.lock", &composer_lock},
    {"conan.lock", &conan_lock},
    {"conanfile.py", &conan_python},
    {"conanfile.txt", &conan_text},
    {"conda-lock.yaml", &conda_lock},
    {"conda-lock.yml", &conda_lock},
    {"deno.json", &deno},
    {"deno.jsonc", &deno},
    {"deno.lock", &deno_lock},
    {"dotnet-tools.json", &dotnet_tools},
    {"flake.lock", &flake_lock},
    {"flake.nix", &flake},
    {"gems.locked", &gemfile_lock},
    {"gems.rb", &gemfile},
    {"go.mod", &gomod},
    {"go.work", &gowork},
    {"gradle.lockfile", &gradle_lock},
    {"gradle.properties", &gradle_properties},
    {"libs.versions.toml", &catalog},
    {"melos.yaml", &melos},
    {"meta.yaml", &recipe},
    {"mix.exs", &mix},
    {"mix.lock", &mix_lock},
    {"npm-shrinkwrap.json", &npm_lock},
    {"package-lock.json", &npm_lock},
    {"package.json", &npm},
    {"packages.config", &nuget},
    {"packages.lock.json", &nuget_lock},
    {"paket.dependencies", &paket},
    {"paket.lock", &paket_lock},
    {"pdm.lock", &python_lock},
    {"pixi.lock", &pixi_lock},
    {"pixi.toml", &pixi},
    {"pnpm-lock.yaml", &pnpm_lock},
    {"pnpm-workspace.yaml", &npm_catalog},
    {"poetry.lock", &python_lock},
    {"pom.xml", &maven},
    {"project.pbxproj", &xcode},
    {"pubspec.lock", &pubspec_lock},
    {"pubspec.yaml", &pubspec},
    {"pylock.toml", &pylock},
    {"pyproject.toml", &pyproject},
    {"rebar.config", &rebar},
    {"rebar.lock", &rebar_lock},
    {"recipe.yaml", &recipe},
    {"requirements.yaml", &chart_2},
    {"settings.gradle", &gradle_script},
    {"settings.gradle.kts", &gradle_script},
    {"setup.cfg", &setup_cfg},
    {"setup.py", &setup_py},
    {"uv.lock", &python_lock},
    {"values.yaml", &values},
    {"vcpkg.json", &vcpkg},
    {"yarn.lock", &yarn_lock},
};

/* Of names that begin with something else than a dot. */
static const struct by_text by_end[] = {
    {".gemspec", &gemspec},
    {".csproj", &nuget},
    {".fsproj", &nuget},
    {".vbproj", &nuget},
    {".sln", &dotnet_sln},
    {".slnx", &dotnet_slnx},
    {".versions.toml", &catalog},
    {".podspec", &podspec},
    {".tf", &terraform},
    {".tofu", &terraform},
    {".dockerfile", &dockerfile},
    {".Dockerfile", &dockerfile},
    {".conda-lock.yml", &conda_lock},
};

/* .env, .env.example, .env.local.sample, env.example */
static bool path_is_env(const char *path)
{
    const char *base = rb_path_base(path);
    return strcmp(base, ".env") == 0 || rb_text_starts(base, ".env.") || strcmp(base, "env.example") == 0;
}

/* requirements.txt, dev-requirements.txt, requirements_test.txt, requirements/base.txt; not constraints. */
static bool path_is_requirements(const char *path)
{
    const char *base = rb_path_base(path);
    if ((!rb_text_ends(base, ".txt") && !rb_text_ends(base, ".in")) || strcasestr(base, "constraint"))
        return false;
    if (strcasestr(base, "requirements") || rb_text_starts(base, "requires-"))
        return true;
    return base != path && (rb_text_starts(path, "requirements/") || strstr(path, "/requirements/"));
}

/* pylock.toml may have a name of its own: pylock.dev.toml (PEP 751). */
static bool path_is_pylock(const char *path)
{
    const char *base = rb_path_base(path);
    return rb_text_starts(base, "pylock.") && rb_text_ends(base, ".toml");
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

static bool path_is_in_project(const char *path)
{
    struct rb_piece folder = rb_path_folder(path);
    return rb_piece_is(folder, "project") || rb_piece_ends(folder, "/project");
}

static bool path_is_sbt(const char *path)
{
    return strcmp(rb_path_base(path), "build.sbt") == 0 && !path_is_in_project(path);
}

/* Other scripts, and the Scala of a build that keeps its versions. */
static bool path_is_sbt_script(const char *path)
{
    static const char *const words[] = {"depend", "version", "librar", "build.scala"};
    const char *base = rb_path_base(path);
    bool is_named = false;
    for (size_t i = 0; i < COUNT(words); i++)
        is_named = is_named || strcasestr(base, words[i]);
    return (rb_text_ends(base, ".sbt") && base[0] != '.') ||
           (is_named && rb_text_ends(base, ".scala") && path_is_in_project(path));
}

/* Next to a solution; deeper, files of that name are translations. */
static bool path_is_dotnet_global(const char *path)
{
    return strcmp(rb_path_base(path), "global.json") == 0 && rb_path_depth(path) <= 1;
}

/* Where the name alone says nothing. */
static bool path_is_ci(const char *path)
{
    return (rb_text_starts(path, ".circleci/") || rb_text_starts(path, ".woodpecker/") ||
            rb_text_starts(path, ".gitlab/ci/")) &&
           rb_text_ends_in_yaml(path);
}

static bool path_is_workflow(const char *path)
{
    return rb_text_starts(path, ".github/workflows/") && rb_text_ends_in_yaml(path);
}

/* Dockerfile.dev, Dockerfile-ci */
static bool path_is_dockerfile(const char *path)
{
    const char *base = rb_path_base(path);
    return (rb_text_starts(base, "Dockerfile.") || rb_text_starts(base, "Dockerfile-") ||
            rb_text_starts(base, "Containerfile.")) &&
           !rb_text_ends(base, "ignore");
}

/* compose.yaml, docker-compose.prod.yml */
static bool path_is_compose(const char *path)
{
    const char *base = rb_path_base(path);
    return (rb_text_starts(base, "docker-compose") || rb_text_starts(base, "compose.") ||
            rb_text_starts(base, "compose-")) &&
           rb_text_ends_in_yaml(base);
}

/* environment.yml, environment-dev.yaml, conda.yml */
static bool path_is_environment(const char *path)
{
    const char *base = rb_path_base(path);
    return (rb_text_starts(base, "environment") || rb_text_starts(base, "conda.") ||
            rb_text_starts(base, "conda_") || rb_text_starts(base, "conda-env")) &&
           rb_text_ends_in_yaml(base);
}

/* Package@swift-5.9.swift: for one version of the compiler */
static bool path_is_swift(const char *path)
{
    const char *base = rb_path_base(path);
    return rb_text_starts(base, "Package@swift-") && rb_text_ends(base, ".swift");
}

static const struct {
    bool (*is_it)(const char *path);
    const struct rb_scan_format *format;
} by_path[] = {
    {path_is_env, &env},
    {path_is_requirements, &requirements},
    {path_is_gradle_project, &gradle},
    {path_is_gradle_script, &gradle_script},
    {path_is_gradle_names, &gradle_names},
    {path_is_sbt, &sbt},
    {path_is_sbt_script, &sbt_script},
    {path_is_dotnet_global, &dotnet_global},
    {path_is_pylock, &pylock},
    {path_is_gradle_script, &gradle},
    {path_is_workflow, &actions},
    {path_is_ci, &ci},
    {path_is_dockerfile, &dockerfile},
    {path_is_compose, &compose},
    {path_is_environment, &conda},
    {path_is_swift, &swift},
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
    rb_scan_parse_fn look = rb_look_of(path);
    for (size_t i = 0; i < COUNT(looked_at); i++) {
        if (looked_at[i]->parse == look)
            return looked_at[i];
    }
    return NULL;
}

size_t rb_scan_format_bytes(const struct rb_scan_format *format)
{
    return format->is_lock ? RB_SCAN_LOCK_BYTES : RB_SCAN_MANIFEST_BYTES;
}
