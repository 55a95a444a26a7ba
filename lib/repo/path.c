/*
 * What the path of a file says about it: by linguist's lists, and by what they lack for people who look for
 * manifests and key files. The shares of languages go by linguist's alone.
 */
#include "lib/repo/path.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/repo/language.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

const char *rb_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
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

static bool text_ends(const char *text, const char *ending)
{
    size_t len = strlen(text), end = strlen(ending);
    return end <= len && text[len - 1] == ending[end - 1] && memcmp(text + len - end, ending, end) == 0;
}

static bool text_ends_any(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_ends(text, list[i]))
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

bool rb_path_is_vendored(const char *path)
{
    /* Where package managers and editors put things, beyond linguist's list. */
    static const char *const anywhere[] = {
        "3rd-party", ".git",    "carthage", "pods",        "jspm_packages", ".yarn",      ".idea",
        "venv",      ".venv",   "env",      ".gradle",     ".tox",          ".terraform", "site-packages",
        "externals", "sparkle", ".nuget",   "__pycache__", ".eggs"};
    static const char *const names[] = {"versioneer.py", "ltmain.sh", "install-sh"};
    if (path_has_folder(path, anywhere, COUNT(anywhere)) ||
        text_is_any(rb_path_base(path), names, COUNT(names)))
        return true;
    return (rb_language_path(path) & RB_PATH_VENDORED) != 0;
}

bool rb_path_is_documentation(const char *path)
{
    /* Whatever the case, and a single one of them too. */
    static const char *const top[] = {"doc",  "docs",  "man",    "example", "examples",
                                      "demo", "demos", "sample", "samples"};
    return path_is_in(path, top, COUNT(top)) || (rb_language_path(path) & RB_PATH_DOCUMENTATION) != 0;
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
    if (strncmp(base, "test_", 5) == 0 && (text_ends(base, ".py") || text_ends(base, ".c")))
        return true;
    const char *dot = strrchr(base, '.');
    bool is_script =
        dot && (strcmp(dot, ".js") == 0 || strcmp(dot, ".ts") == 0 || strcmp(dot, ".tsx") == 0 ||
                strcmp(dot, ".jsx") == 0 || strcmp(dot, ".mjs") == 0 || strcmp(dot, ".cjs") == 0);
    for (size_t i = 0; is_script && i < COUNT(middles); i++) {
        if (strstr(base, middles[i]))
            return true;
    }
    return path_is_in(path, (const char *const[]){"t"}, 1) && text_ends(base, ".t");
}
