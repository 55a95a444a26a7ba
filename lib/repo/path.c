/*
 * What the path of a file says about it: by linguist's lists, and by what they lack for people who look for
 * manifests, key files and tests. All patterns are one set, so that a path is read once, whatever is asked.
 * The shares of languages go by linguist's alone.
 */
#include "lib/repo/path.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/language_data.h"
#include "lib/repo/language_match.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define FOLDER(names) "(?i)(?:\\A|/)(?:" names ")/" /* somewhere above the file */
#define TOP(names)    "(?i)\\A(?:" names ")/"       /* at the root */
#define NAME(names)   "(?i)(?:\\A|/)(?:" names ")\\z"

static const struct language_path_pattern own[] = {
    /* Names that tools give to what they make, where linguist looks into the file: nearly always it finds
     * there that it is so. */
    {"[._]pb(?:\\.gw)?\\.go$", RB_PATH_SUSPECT},
    {"(?:^|/)zz_generated[^/]*\\.go$", RB_PATH_SUSPECT},
    {"_gen(?:erated)?(?:_test)?\\.go$", RB_PATH_SUSPECT},
    {"[._](?:deepcopy|conversion|defaults|register|enumer|easyjson|moq|string|stringer|bindata)\\.go$",
     RB_PATH_SUSPECT},
    {"(?:^|/)(?:bindata|wire_gen|generated\\.pb|generated)\\.go$", RB_PATH_SUSPECT},
    {"(?:^|/)mock_[^/]*\\.go$|_mocks?\\.go$", RB_PATH_SUSPECT},
    {"(?:^|/)mocks/[^/]*\\.go$", RB_PATH_SUSPECT},
    {"(?:^|/)(?:clientset|clientsets|informers|listers|applyconfiguration|applyconfigurations)/.*\\.go$",
     RB_PATH_SUSPECT},
    {"_grpc_pb\\.js$|_pb\\.js$|\\.(?:cjs|umd|iife)\\.js$", RB_PATH_SUSPECT},
    {"\\.pb\\.(?:cc|h|cpp|dart)$|\\.pbjson\\.dart$|\\.pbenum\\.dart$|\\.pbserver\\.dart$", RB_PATH_SUSPECT},
    {"_pb2\\.py$|_pb\\.rb$|_twirp\\.rb$", RB_PATH_SUSPECT},
    {"\\.(?:g|freezed|gr|config|chopper|mapper|reflectable)\\.dart$|_bundle\\.dart$", RB_PATH_SUSPECT},

    {FOLDER("tests?|specs?|__tests__|testing|unit_?tests?|e2e|testsuite|test-suite|androidtest"),
     RB_PATH_TEST},
    {FOLDER("integration[-_]tests?|integrationtests|smoke-tests?|e2e-tests|functional-tests"), RB_PATH_TEST},
    {"_test\\.(?:go|py|rb|c|cc|cpp|rs|dart|exs|lua|clj)\\z", RB_PATH_TEST},
    {"_tests\\.py\\z|_spec\\.(?:rb|lua)\\z|_SUITE\\.erl\\z|_unittest\\.cc\\z|-test\\.el\\z", RB_PATH_TEST},
    {"Test\\.(?:java|kt|cs|php|swift|scala)\\z|Tests\\.(?:java|cs|swift|fs)\\z", RB_PATH_TEST},
    {"Spec\\.(?:scala|hs|groovy)\\z", RB_PATH_TEST},
    {"(?:\\A|/)test_[^/]*\\.(?:py|c)\\z", RB_PATH_TEST},
    {"\\.(?:test|spec|e2e-spec|cy)\\.(?:[^/]*\\.)?(?:js|ts|tsx|jsx|mjs|cjs)\\z", RB_PATH_TEST},
    {"\\A[tT]/(?s:.*)\\.t\\z", RB_PATH_TEST}, /* Perl's */

    {FOLDER(
         "testdata|testdir|fixtures?|__fixtures__|test[-_]data|test-fixtures|__snapshots__|__testfixtures__"),
     RB_PATH_FIXTURE},

    {FOLDER("3rd-party|\\.git|carthage|pods|jspm_packages|\\.yarn|\\.idea|\\.?venv|env|\\.gradle|\\.tox|"
            "\\.terraform|site-packages|externals|sparkle|\\.nuget|__pycache__|\\.eggs"),
     RB_PATH_INSTALLED},
    {NAME("versioneer\\.py|ltmain\\.sh|install-sh"), RB_PATH_INSTALLED},

    {TOP("docs?|man|examples?|demos?|samples?"), RB_PATH_ASIDE},
};

const char *rb_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static struct language_set *path_set;
static pthread_once_t path_once = PTHREAD_ONCE_INIT;

static const struct language_path_pattern *pattern_at(size_t index)
{
    return index < COUNT(own) ? &own[index] : &language_path_patterns[index - COUNT(own)];
}

static void paths_prepare(void)
{
    size_t count = COUNT(own) + language_path_pattern_total;
    const char **all = rb_malloc(count * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = pattern_at(i)->regex;
    path_set = language_set_new(all, count);
    free(all);
}

static void path_found(void *arg, size_t index)
{
    *(unsigned *)arg |= pattern_at(index)->kind;
}

unsigned rb_path_kinds(const char *path)
{
    unsigned kinds = 0;
    pthread_once(&path_once, paths_prepare);
    language_set_match(path_set, path, strlen(path), path_found, &kinds);
    return kinds;
}

bool rb_path_is_vendored(const char *path)
{
    return (rb_path_kinds(path) & RB_PATH_ANY_VENDORED) != 0;
}

bool rb_path_is_documentation(const char *path)
{
    return (rb_path_kinds(path) & RB_PATH_ANY_DOCUMENTATION) != 0;
}

bool rb_path_is_test(const char *path)
{
    return (rb_path_kinds(path) & RB_PATH_TEST) != 0;
}

bool rb_path_is_fixture(const char *path)
{
    return (rb_path_kinds(path) & RB_PATH_FIXTURE) != 0;
}
