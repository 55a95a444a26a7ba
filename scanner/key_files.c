/*
 * The files a person opens first: what they are for, by name, in the order of how much they tell.
 */
#include "scanner/scan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* A name without its extension and the role it has; only in the root, docs/ and .github/. */
static const struct {
    const char *stem, *role;
} stems[] = {
    {"readme", "readme"},
    {"license", "license"},
    {"licence", "license"},
    {"copying", "license"},
    {"unlicense", "license"},
    {"license-mit", "license"},
    {"license-apache", "license"},
    {"contributing", "contributing"},
    {"hacking", "contributing"},
    {"code_of_conduct", "code of conduct"},
    {"security", "security"},
    {"changelog", "changelog"},
    {"changes", "changelog"},
    {"history", "changelog"},
    {"news", "changelog"},
    {"releases", "changelog"},
    {"codeowners", "owners"},
    {"maintainers", "owners"},
    {"authors", "authors"},
    {"notice", "license"},
    {"governance", "contributing"},
    {"architecture", "docs"},
    {"support", "docs"},
    {"citation", "citation"},
};

/* Whole names and their role, at any depth that is looked at. */
static const struct {
    const char *name, *role;
} names[] = {
    {"Makefile", "build"},
    {"GNUmakefile", "build"},
    {"CMakeLists.txt", "build"},
    {"meson.build", "build"},
    {"configure.ac", "build"},
    {"BUILD.bazel", "build"},
    {"WORKSPACE", "build"},
    {"MODULE.bazel", "build"},
    {"Rakefile", "build"},
    {"Justfile", "build"},
    {"justfile", "build"},
    {"Taskfile.yml", "build"},
    {"pnpm-workspace.yaml", "build"},
    {"turbo.json", "build"},
    {"nx.json", "build"},
    {"lerna.json", "build"},
    {"go.work", "build"},
    {"Directory.Build.props", "build"},
    {"Directory.Packages.props", "build"},
    {"global.json", "build"},
    {"libs.versions.toml", "build"},
    {"pom.xml", "build"},
    {"build.gradle", "build"},
    {"build.gradle.kts", "build"},
    {"settings.gradle", "build"},
    {"settings.gradle.kts", "build"},
    {"build.sbt", "build"},
    {"build.zig", "build"},
    {"package.json", "build"},
    {"pyproject.toml", "build"},
    {"setup.py", "build"},
    {"setup.cfg", "build"},
    {"Cargo.toml", "build"},
    {"go.mod", "build"},
    {"composer.json", "build"},
    {"Gemfile", "build"},
    {"mix.exs", "build"},
    {"rebar.config", "build"},
    {"pubspec.yaml", "build"},
    {"Package.swift", "build"},
    {"dune-project", "build"},
    {"stack.yaml", "build"},
    {"project.clj", "build"},
    {"deps.edn", "build"},
    {"flake.nix", "build"},
    {"webpack.config.js", "build"},
    {"vite.config.ts", "build"},
    {"vite.config.js", "build"},
    {"rollup.config.js", "build"},
    {"gulpfile.js", "build"},
    {"Gruntfile.js", "build"},
    {"requirements.txt", "build"},
    {"Pipfile", "build"},
    {"environment.yml", "build"},
    {"tsconfig.json", "config"},
    {".editorconfig", "config"},
    {".env.example", "config"},
    {"angular.json", "config"},
    {"next.config.js", "config"},
    {"nuxt.config.ts", "config"},
    {"tox.ini", "tests"},
    {"pytest.ini", "tests"},
    {"conftest.py", "tests"},
    {"noxfile.py", "tests"},
    {"phpunit.xml", "tests"},
    {"phpunit.xml.dist", "tests"},
    {"jest.config.js", "tests"},
    {"jest.config.ts", "tests"},
    {"vitest.config.ts", "tests"},
    {"cypress.config.ts", "tests"},
    {"playwright.config.ts", "tests"},
    {"karma.conf.js", "tests"},
    {".pre-commit-config.yaml", "config"},
    {"renovate.json", "config"},
    {"mkdocs.yml", "docs"},
    {".readthedocs.yaml", "docs"},
    {"book.toml", "docs"},
    {"openapi.yaml", "api"},
    {"openapi.yml", "api"},
    {"openapi.json", "api"},
    {"swagger.yaml", "api"},
    {"swagger.json", "api"},
    {"schema.graphql", "api"},
    {"schema.prisma", "config"},
    {"alembic.ini", "config"},
    {"Procfile", "deploy"},
    {"fly.toml", "deploy"},
    {"vercel.json", "deploy"},
    {"netlify.toml", "deploy"},
    {"app.yaml", "deploy"},
    {"serverless.yml", "deploy"},
    {"skaffold.yaml", "deploy"},
    {"Chart.yaml", "deploy"},
    {"kustomization.yaml", "deploy"},
    {"Vagrantfile", "deploy"},
    {"main.tf", "deploy"},
    {"main.go", "entry point"},
    {"main.py", "entry point"},
    {"manage.py", "entry point"},
    {"__main__.py", "entry point"},
    {"app.py", "entry point"},
    {"wsgi.py", "entry point"},
    {"asgi.py", "entry point"},
    {"main.rs", "entry point"},
    {"lib.rs", "entry point"},
    {"main.c", "entry point"},
    {"main.cc", "entry point"},
    {"main.cpp", "entry point"},
    {"main.ts", "entry point"},
    {"main.tsx", "entry point"},
    {"main.js", "entry point"},
    {"index.js", "entry point"},
    {"index.ts", "entry point"},
    {"index.php", "entry point"},
    {"server.js", "entry point"},
    {"server.ts", "entry point"},
    {"app.js", "entry point"},
    {"app.ts", "entry point"},
    {"Program.cs", "entry point"},
    {"Startup.cs", "entry point"},
    {"Main.java", "entry point"},
    {"Main.kt", "entry point"},
    {"main.swift", "entry point"},
    {"main.dart", "entry point"},
    {"config.ru", "entry point"},
    {"artisan", "entry point"},
    {"main.zig", "entry point"},
    {"Main.hs", "entry point"},
};

/* Deeper files are many and say less; a service in services/NAME/src/ still shows. */
#define KEY_DEPTH_NAMES 3
#define KEY_DEPTH_STEMS 1

static const char *role_by_stem(const char *path)
{
    const char *base = rb_path_base(path);
    if (base != path && strncasecmp(path, "docs/", 5) != 0 && strncasecmp(path, ".github/", 8) != 0)
        return NULL;
    size_t len = strcspn(base, ".");
    if (rb_path_depth(path) > KEY_DEPTH_STEMS)
        return NULL;
    for (size_t i = 0; i < COUNT(stems); i++) {
        if (strlen(stems[i].stem) == len && strncasecmp(base, stems[i].stem, len) == 0)
            return stems[i].role;
    }
    return NULL;
}

static bool path_is_ci(const char *path)
{
    static const char *const files[] = {".gitlab-ci.yml",
                                        ".travis.yml",
                                        "Jenkinsfile",
                                        "azure-pipelines.yml",
                                        "appveyor.yml",
                                        ".appveyor.yml",
                                        ".drone.yml",
                                        "bitbucket-pipelines.yml",
                                        ".cirrus.yml",
                                        ".woodpecker.yml",
                                        ".circleci/config.yml",
                                        "cloudbuild.yaml",
                                        "buildspec.yml",
                                        ".buildkite/pipeline.yml",
                                        ".build.yml"};
    for (size_t i = 0; i < COUNT(files); i++) {
        if (strcmp(path, files[i]) == 0)
            return true;
    }
    return (rb_text_starts(path, ".github/workflows/") || rb_text_starts(path, ".gitea/workflows/") ||
            rb_text_starts(path, ".forgejo/workflows/")) &&
           rb_text_ends_in_yaml(path);
}

/* Deep in a tree a "conftest.py" or an "index.ts" is one of many. */
static bool role_fits_depth(const char *role, const char *base, size_t depth)
{
    static const char *const common[] = {"app.", "index.", "server.", "wsgi.", "asgi."};
    if (strcmp(role, "tests") == 0)
        return depth <= 1;
    for (size_t i = 0; i < COUNT(common); i++) {
        if (rb_text_starts(base, common[i]))
            return depth <= 1;
    }
    return true;
}

static const char *role_of(const char *path)
{
    if (path_is_ci(path))
        return "ci";
    const char *role = role_by_stem(path);
    if (role)
        return role;
    if (rb_path_depth(path) > KEY_DEPTH_NAMES)
        return NULL;
    unsigned kinds = rb_path_kinds(path);
    if ((kinds & (RB_PATH_ANY_VENDORED | RB_PATH_FIXTURE)) || rb_path_is_template(path))
        return strcmp(path, "Vagrantfile") == 0 ? "deploy" : NULL;
    bool is_aside = (kinds & (RB_PATH_ANY_DOCUMENTATION | RB_PATH_TEST)) ||
                    (strchr(path, '/') && (path[0] == '.' || rb_text_starts(path, "docs")));
    if (rb_text_starts(path, ".devcontainer/"))
        return strcmp(path, ".devcontainer/devcontainer.json") == 0 ? "config" : NULL;
    if (rb_path_is_container(path) && !is_aside)
        return "container";
    const char *base = rb_path_base(path);
    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(base, names[i].name) == 0 && role_fits_depth(names[i].role, base, rb_path_depth(path)) &&
            (!is_aside || (strcmp(names[i].role, "tests") == 0 && !(kinds & RB_PATH_ANY_DOCUMENTATION))))
            return names[i].role;
    }
    if (!is_aside && rb_path_depth(path) <= KEY_DEPTH_STEMS &&
        (rb_text_ends(base, ".sln") || rb_text_ends(base, ".slnx") || rb_text_ends(base, ".gemspec") ||
         rb_text_ends(base, ".cabal")))
        return "build";
    /* Spring Boot and its like: the class with main(). */
    if (rb_text_ends(base, "Application.java") || rb_text_ends(base, "Application.kt"))
        return is_aside ? NULL : "entry point";
    return NULL;
}

/* src/main/java/org/acme/app/AppApplication.java lies deep by custom. */
static const char *role_of_deep(const char *path)
{
    const char *base = rb_path_base(path);
    bool is_main = rb_text_ends(base, "Application.java") || rb_text_ends(base, "Application.kt");
    return is_main && strstr(path, "src/main/") && !rb_path_is_documentation(path) &&
                   !rb_path_is_vendored(path)
               ? "entry point"
               : NULL;
}

/* What a person opens first comes first; each folder down counts as some roles later. */
#define RANK_PER_FOLDER 4
static size_t key_rank(const char *role, size_t depth)
{
    static const char *const order[] = {"readme", "build",  "entry point", "container", "api",
                                        "docs",   "deploy", "config",      "license",   "contributing",
                                        "owners", "ci",     "tests",       "security",  "changelog"};
    size_t rank = 0;
    while (rank < COUNT(order) && strcmp(order[rank], role) != 0)
        rank++;
    return rank + depth * RANK_PER_FOLDER;
}

struct key_candidate {
    const char *path, *role;
    size_t rank;
};

static int key_order(const void *a, const void *b)
{
    const struct key_candidate *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return strcmp(x->path, y->path);
}

void rb_scan_key_files(struct rb_scan *scan)
{
    size_t room = 256, count = 0;
    struct key_candidate *found = rb_calloc(room, sizeof *found);
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        if (entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE)
            continue;
        const char *role = role_of(entry->path);
        if (!role)
            role = role_of_deep(entry->path);
        if (!role)
            continue;
        if (count == room) {
            room *= 2;
            found = rb_realloc(found, room * sizeof *found);
        }
        found[count++] =
            (struct key_candidate){entry->path, role, key_rank(role, rb_path_depth(entry->path))};
    }
    qsort(found, count, sizeof *found, key_order);
    scan->key_file_count = count < RB_SCAN_KEY_FILES_MAX ? count : RB_SCAN_KEY_FILES_MAX;
    scan->key_files = rb_arena_alloc(scan->arena, (scan->key_file_count + 1) * sizeof *scan->key_files);
    for (size_t i = 0; i < scan->key_file_count; i++) {
        scan->key_files[i].path =
            rb_text_clean(scan->arena, found[i].path, strlen(found[i].path), RB_SCAN_PATH_MAX);
        scan->key_files[i].role = found[i].role;
    }
    free(found);
}
