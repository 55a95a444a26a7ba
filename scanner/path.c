/*
 * What the path of a file says about it, after GitHub Linguist's lists (vendor.yml, documentation.yml,
 * generated.rb) as far as they can be told without reading the file.
 */
#include "scanner/scan.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

const char *rb_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

size_t rb_path_depth(const char *path)
{
    size_t depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* Whether the `len` bytes at `text` are `name`, which is written in lower case. The first byte decides nearly
 * always, and these comparisons are most of what a survey does. */
static bool text_is_name(const char *text, size_t len, const char *name)
{
    return tolower((unsigned char)text[0]) == name[0] && strncasecmp(text, name, len) == 0 && !name[len];
}

/* Whether one of the folders above the file has a name of the list; case does not matter. */
static bool path_has_folder(const char *path, const char *const *names, size_t count)
{
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        size_t len = (size_t)(slash - path);
        for (size_t i = 0; i < count; i++) {
            if (text_is_name(path, len, names[i]))
                return true;
        }
    }
    return false;
}

static bool path_is_in(const char *path, const char *const *folders, size_t count)
{
    const char *slash = strchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    for (size_t i = 0; slash && i < count; i++) {
        if (text_is_name(path, len, folders[i]))
            return true;
    }
    return false;
}

static bool text_is_any(const char *text, const char *const *list, size_t count)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < count; i++) {
        if (text_is_name(text, len, list[i]))
            return true;
    }
    return false;
}

static bool text_ends_any(const char *text, const char *const *list, size_t count)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < count; i++) {
        size_t end = strlen(list[i]);
        if (end <= len && text[len - 1] == list[i][end - 1] && memcmp(text + len - end, list[i], end) == 0)
            return true;
    }
    return false;
}

bool rb_path_is_fixture(const char *path)
{
    static const char *const folders[] = {"testdata",      "testdir",         "fixtures",  "fixture",
                                          "__fixtures__",  "test-data",       "test_data", "test-fixtures",
                                          "__snapshots__", "__testfixtures__"};
    return path_has_folder(path, folders, COUNT(folders));
}

/* Well-known libraries that people copy into their repository: "jquery-3.1.js", "bootstrap.css". */
static bool path_is_copied_asset(const char *base)
{
    static const char *const endings[] = {".min.js",  ".min.css",  "-min.js",
                                          "-min.css", "-vsdoc.js", ".intellisense.js"};
    static const char *const starts[] = {
        "jquery",      "bootstrap",  "angular",   "modernizr",  "mootools",  "font-awesome",
        "fontawesome", "html5shiv",  "normalize", "foundation", "knockout-", "prototype",
        "react.",      "react-dom.", "d3.",       "ckeditor",   "tiny_mce"};
    if (text_ends_any(base, endings, COUNT(endings)))
        return true;
    if (!rb_text_ends(base, ".js") && !rb_text_ends(base, ".css") && !rb_text_ends(base, ".scss") &&
        !rb_text_ends(base, ".less"))
        return false;
    for (size_t i = 0; i < COUNT(starts); i++) {
        size_t len = strlen(starts[i]);
        if (strncasecmp(base, starts[i], len) != 0)
            continue;
        /* "jquery.js", "jquery-3.1.js", "jquery.ui.js": not "jqueryHelpers.js" */
        if (starts[i][len - 1] == '.' || starts[i][len - 1] == '-' || base[len] == '.' || base[len] == '-')
            return true;
    }
    return false;
}

bool rb_path_is_vendored(const char *path)
{
    static const char *const anywhere[] = {"node_modules",
                                           "bower_components",
                                           "vendor",
                                           "vendors",
                                           "third_party",
                                           "third-party",
                                           "thirdparty",
                                           "3rdparty",
                                           "3rd_party",
                                           "3rd-party",
                                           "extern",
                                           "external",
                                           "externals",
                                           ".git",
                                           "godeps",
                                           "carthage",
                                           "pods",
                                           "dist",
                                           "cache",
                                           "jspm_packages",
                                           ".yarn",
                                           ".vscode",
                                           ".idea",
                                           "env",
                                           "venv",
                                           ".venv",
                                           "site-packages",
                                           "__pycache__",
                                           ".github",
                                           ".teamcity",
                                           "mathjax",
                                           "ace-builds",
                                           "flow-typed",
                                           "admin_media",
                                           "puphpet",
                                           ".obsidian",
                                           "sparkle",
                                           ".mvn",
                                           ".gradle",
                                           ".tox",
                                           ".terraform",
                                           ".nuget",
                                           ".eggs",
                                           "extjs",
                                           "bootstrap-datepicker"};
    static const char *const top[] = {"deps", "dependencies", "debian"};
    static const char *const names[] = {"configure",
                                        "config.guess",
                                        "config.sub",
                                        "aclocal.m4",
                                        "libtool.m4",
                                        "ltoptions.m4",
                                        "ltsugar.m4",
                                        "ltversion.m4",
                                        "lt~obsolete.m4",
                                        "cpplint.py",
                                        "waf",
                                        "rebar",
                                        "erlang.mk",
                                        "gradlew",
                                        "gradlew.bat",
                                        "mvnw",
                                        "mvnw.cmd",
                                        "vagrantfile",
                                        "jenkinsfile",
                                        "fabfile.py",
                                        ".gitattributes",
                                        ".gitignore",
                                        ".gitmodules",
                                        "proguard-rules.pro",
                                        "activator",
                                        "activator.bat",
                                        "versioneer.py",
                                        "ltmain.sh",
                                        "install-sh",
                                        "dotnet-install.sh",
                                        "dotnet-install.ps1"};
    const char *base = rb_path_base(path);
    if (path_has_folder(path, anywhere, COUNT(anywhere)) || path_is_in(path, top, COUNT(top)))
        return true;
    if (text_is_any(base, names, COUNT(names)) || rb_text_ends(base, ".d.ts") || path_is_copied_asset(base))
        return true;
    if (strstr(path, "gradle/wrapper/") || strstr(path, "inst/extdata/"))
        return true;
    return (rb_text_starts(path, "test/fixtures/") || rb_text_starts(path, "tests/fixtures/") ||
            rb_text_starts(path, "spec/fixtures/") || strstr(path, "/test/fixtures/") ||
            strstr(path, "/tests/fixtures/") || strstr(path, "/spec/fixtures/") || strstr(path, "testdata/"));
}

bool rb_path_is_generated(const char *path)
{
    static const char *const names[] = {"package-lock.json",
                                        "npm-shrinkwrap.json",
                                        "yarn.lock",
                                        "pnpm-lock.yaml",
                                        "bun.lock",
                                        "bun.lockb",
                                        "cargo.lock",
                                        "composer.lock",
                                        "gemfile.lock",
                                        "poetry.lock",
                                        "pdm.lock",
                                        "uv.lock",
                                        "pipfile.lock",
                                        "pixi.lock",
                                        "deno.lock",
                                        "flake.lock",
                                        "go.sum",
                                        "go.work.sum",
                                        "gopkg.lock",
                                        "glide.lock",
                                        "mix.lock",
                                        "podfile.lock",
                                        "package.resolved",
                                        "pubspec.lock",
                                        "module.bazel.lock",
                                        ".pnp.js",
                                        ".pnp.cjs",
                                        ".pnp.loader.mjs",
                                        ".terraform.lock.hcl",
                                        ".secrets.baseline",
                                        "packages.lock.json",
                                        "paket.lock",
                                        "mise.lock",
                                        "esy.lock",
                                        "cartfile.resolved",
                                        "chart.lock",
                                        "gradle.lockfile",
                                        "maven_install.json"};
    static const char *const endings[] = {"_pb2.py",
                                          "_pb2.pyi",
                                          "_pb2_grpc.py",
                                          ".pb.go",
                                          ".pb.gw.go",
                                          ".pb.cc",
                                          ".pb.h",
                                          ".pb.swift",
                                          ".pb.dart",
                                          ".pbjson.dart",
                                          ".grpc.pb.cc",
                                          ".grpc.pb.h",
                                          "_pb.js",
                                          "_pb.d.ts",
                                          "_pb.ts",
                                          "_grpc_pb.js",
                                          ".pb.rb",
                                          "_pb.rb",
                                          "_twirp.rb",
                                          ".g.dart",
                                          ".freezed.dart",
                                          ".gr.dart",
                                          ".config.dart",
                                          ".g.cs",
                                          ".g.i.cs",
                                          ".designer.cs",
                                          ".Designer.cs",
                                          ".designer.vb",
                                          ".Designer.vb",
                                          ".feature.cs",
                                          ".js.map",
                                          ".css.map",
                                          ".mjs.map",
                                          ".cjs.map",
                                          ".nib",
                                          ".xcworkspacedata",
                                          ".xcuserstate",
                                          ".pbxproj",
                                          ".cargo-ok",
                                          ".snap",
                                          ".generated.ts",
                                          ".generated.js",
                                          ".generated.go",
                                          ".generated.cs",
                                          ".generated.swift",
                                          "_generated.go",
                                          "_string_generated.go",
                                          ".tlb",
                                          ".orig.rs",
                                          ".min.map"};
    static const char *const folders[] = {"__generated__", "htmlcov", "node_modules", "_esy", ".snakemake"};
    const char *base = rb_path_base(path);
    return text_is_any(base, names, COUNT(names)) || text_ends_any(base, endings, COUNT(endings)) ||
           path_has_folder(path, folders, COUNT(folders)) || rb_text_starts(base, "zz_generated.") ||
           rb_text_ends(base, ".min.js") || rb_text_ends(base, ".min.css");
}

bool rb_path_is_documentation(const char *path)
{
    static const char *const top[] = {"doc",  "docs",  "man",    "example", "examples",
                                      "demo", "demos", "sample", "samples"};
    static const char *const anywhere[] = {"documentation", "javadoc", "groovydoc"};
    static const char *const names[] = {"readme",  "license", "licence", "copying",      "changelog",
                                        "changes", "change",  "install", "contributing", "citation"};
    if (path_is_in(path, top, COUNT(top)) || path_has_folder(path, anywhere, COUNT(anywhere)))
        return true;
    const char *base = rb_path_base(path);
    size_t len = strcspn(base, ".");
    for (size_t i = 0; i < COUNT(names); i++) {
        if (text_is_name(base, len, names[i]))
            return true;
    }
    return false;
}

bool rb_path_is_test(const char *path)
{
    static const char *const folders[] = {"test",
                                          "tests",
                                          "spec",
                                          "specs",
                                          "__tests__",
                                          "testing",
                                          "unittest",
                                          "unittests",
                                          "unit_test",
                                          "unit_tests",
                                          "e2e",
                                          "testsuite",
                                          "androidtest",
                                          "integration-tests",
                                          "integration_tests",
                                          "integration-test",
                                          "integration_test",
                                          "integrationtests",
                                          "smoke-test",
                                          "smoke-tests",
                                          "e2e-tests",
                                          "functional-tests",
                                          "test-suite"};
    static const char *const endings[] = {
        "_test.go",    "_test.py",   "_tests.py",  "_test.rb",     "_spec.rb",  "_test.c",
        "_test.cc",    "_test.cpp",  "_test.rs",   "_test.dart",   "_test.exs", "Test.java",
        "Tests.java",  "Test.kt",    "Tests.cs",   "Test.cs",      "Test.php",  "Test.swift",
        "Tests.swift", "Spec.scala", "Spec.hs",    "Spec.groovy",  "-test.el",  "_test.lua",
        "_spec.lua",   "_SUITE.erl", "Test.scala", "_unittest.cc", "_test.clj", "Tests.fs"};
    static const char *const middles[] = {".test.", ".spec.", ".e2e-spec.", ".cy."};
    const char *base = rb_path_base(path);
    if (path_has_folder(path, folders, COUNT(folders)) || text_ends_any(base, endings, COUNT(endings)))
        return true;
    if (rb_text_starts(base, "test_") && (rb_text_ends(base, ".py") || rb_text_ends(base, ".c")))
        return true;
    const char *dot = strrchr(base, '.');
    bool is_script =
        dot && (strcmp(dot, ".js") == 0 || strcmp(dot, ".ts") == 0 || strcmp(dot, ".tsx") == 0 ||
                strcmp(dot, ".jsx") == 0 || strcmp(dot, ".mjs") == 0 || strcmp(dot, ".cjs") == 0);
    for (size_t i = 0; is_script && i < COUNT(middles); i++) {
        if (strstr(base, middles[i]))
            return true;
    }
    return path_is_in(path, (const char *const[]){"t"}, 1) && rb_text_ends(base, ".t");
}
