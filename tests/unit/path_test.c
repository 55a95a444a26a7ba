/* What a path says, kind by kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/repo/path.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void paths_tell_what_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned kinds;
    } cases[] = {
        {"src/main.c", 0},
        {"node_modules/a/b.js", RB_PATH_VENDORED | RB_PATH_GENERATED},
        {"a/third_party/x.c", RB_PATH_VENDORED},
        {"a/jquery-3.1.0.js", RB_PATH_VENDORED},
        {"src/jqueryHelpers.js", RB_PATH_VENDORED}, /* linguist's pattern is a wide one */
        {"src/vendoring.c", 0},
        {"types/x.d.ts", RB_PATH_VENDORED},
        {"deps/a.c", RB_PATH_VENDORED},
        {"src/deps/a.c", 0},
        {"docs/conf.py", RB_PATH_DOCUMENTATION | RB_PATH_ASIDE},
        {"src/docs/conf.py", 0},
        {"examples/a.c", RB_PATH_DOCUMENTATION | RB_PATH_ASIDE},
        {"README.md", RB_PATH_DOCUMENTATION},
        {"a/package-lock.json", RB_PATH_GENERATED},
        {"Cargo.lock", RB_PATH_GENERATED},
        {"a/Form1.Designer.cs", RB_PATH_GENERATED},
        {"vendor/github.com/a/b.go", RB_PATH_VENDORED | RB_PATH_GENERATED},
        {"a.nib", RB_PATH_GENERATED},
        {"x/y.pb.go", RB_PATH_SUSPECT},
        {"x/zz_generated.deepcopy.go", RB_PATH_SUSPECT},
        {"a_pb2.py", RB_PATH_SUSPECT},
        {"priv/static/a.cjs.js", RB_PATH_SUSPECT},
        {"lib/bundles/bloc_bundle.dart", RB_PATH_SUSPECT},
        {"lib/bundle.js", 0},
        {"x/generate.go", 0},
        {"DEMO/a.c", RB_PATH_ASIDE}, /* linguist minds the case */
        {"src/demo/a.c", 0},
        {"a/Tests/b.c", RB_PATH_TEST},
        {"a/unit_test/b.c", RB_PATH_TEST},
        {"a/mytests/b.c", 0},
        {"tests", 0}, /* a file */
        {"a_test.go", RB_PATH_TEST},
        {"a_test.gox", 0},
        {"a/test_b.py", RB_PATH_TEST},
        {"a/mytest_b.py", 0},
        {"test_/b.py", 0},
        {"AppTest.java", RB_PATH_TEST},
        {"Latest.java", 0},
        {"a.spec.d.ts", RB_PATH_TEST | RB_PATH_VENDORED},
        {"a.cy.js", RB_PATH_TEST},
        {"a.test.md", 0},
        {"a.test.x/b.js", 0},
        {"t/a.t", RB_PATH_TEST},
        {"t/a/b.t", RB_PATH_TEST},
        {"a/t/b.t", 0},
        {"a/TestData/b", RB_PATH_FIXTURE},
        {"tests/fixtures/b", RB_PATH_TEST | RB_PATH_FIXTURE | RB_PATH_VENDORED},
        {".venv/a.py", RB_PATH_INSTALLED},
        {"a/.git/b", RB_PATH_INSTALLED},
        {"a/install-sh", RB_PATH_INSTALLED},
        {"a/install-sh.c", 0},
        {"x\ntests/a_test.go\n.c", 0}, /* a line of a name is no name */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (rb_path_kinds(cases[i].path) != cases[i].kinds)
            fail_msg("%s: %u", cases[i].path, rb_path_kinds(cases[i].path));
    }
}

static void kinds_are_told_by_name(void **state)
{
    (void)state;
    assert_true(rb_path_is_vendored("a/third_party/x.c"));
    assert_true(rb_path_is_vendored("venv/x.py"));
    assert_false(rb_path_is_vendored("src/x.py"));
    assert_true(rb_path_is_documentation("README.md"));
    assert_true(rb_path_is_documentation("Man/x.c"));
    assert_false(rb_path_is_documentation("tests/x.c"));
    assert_true(rb_path_is_test("tests/x.c"));
    assert_false(rb_path_is_test("testdata/x.c"));
    assert_true(rb_path_is_fixture("testdata/x.c"));
    assert_false(rb_path_is_fixture("tests/x.c"));
    assert_string_equal(rb_path_base("a/b.c"), "b.c");
    assert_string_equal(rb_path_base("b.c"), "b.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_tell_what_they_are),
        cmocka_unit_test(kinds_are_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
