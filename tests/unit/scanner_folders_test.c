/* Manifests in folders of tools, whose names begin with a dot: what they name is listed, and that is all. */
#include "scanner/facts.h"
#include "tests/unit/scanner_repo.h"

static void test_dependencies_of_tools_are_listed(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json", "{\"name\":\"shop\",\"dependencies\":{\"express\":\"4\"}}"},
        {".github/actions/notify/package.json",
         "{\"name\":\"notify\",\"scripts\":{\"test\":\"jest\"},\"dependencies\":{\"@actions/"
         "core\":\"^1.10.0\"},"
         "\"devDependencies\":{\"jest\":\"29\"},\"workspaces\":[\"a\",\"b\"]}"},
        {".github/actions/notify/package-lock.json",
         "{\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"notify\",\"dependencies\":{\"@actions/core\":"
         "\"^1.10.0\"}},\"node_modules/@actions/core\":{\"version\":\"1.10.1\"},\"node_modules/tunnel\":"
         "{\"version\":\"0.0.6\"}}}"},
        {".teamcity/pom.xml",
         "<project><groupId>x</groupId><artifactId>dsl</artifactId><dependencies><dependency><groupId>"
         "org.jetbrains.teamcity</groupId><artifactId>configs-dsl-kotlin</artifactId><version>1.0</version>"
         "</dependency></dependencies></project>"},
        {".nuget/packages.config",
         "<packages><package id=\"xunit.runner.console\" version=\"2.4.1\"/></packages>"},
        {".devcontainer/Dockerfile", "FROM mcr.microsoft.com/devcontainers/base:jammy\n"},
        {".devcontainer/requirements.txt", "black==24.1.0\n"},
        {".config/dotnet-tools.json", "{\"tools\":{\"dotnet-ef\":{\"version\":\"8.0.1\"}}}"},
        /* Somebody else's. */
        {".venv/lib/x/setup.py", "setup(name='x', install_requires=['six'])\n"},
        {".yarn/plugins/p/package.json", "{\"dependencies\":{\"clipanion\":\"3\"}}"},
        {".github/node_modules/a/package.json", "{\"dependencies\":{\"b\":\"1\"}}"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    repo_scan(&scan, arena, files, sizeof files / sizeof *files, false);
    assert_string_equal(repo_text(&scan),
                        "package.json: express 4 (runtime)\n"
                        ".config/dotnet-tools.json: dotnet-ef 8.0.1 = 8.0.1 (dev)\n"
                        ".devcontainer/Dockerfile: mcr.microsoft.com/devcontainers/base jammy (dev)\n"
                        ".devcontainer/requirements.txt: black ==24.1.0 = 24.1.0 (dev)\n"
                        ".nuget/packages.config: xunit.runner.console 2.4.1 = 2.4.1 (dev)\n"
                        ".teamcity/pom.xml: org.jetbrains.teamcity:configs-dsl-kotlin 1.0 = 1.0 (dev)\n"
                        ".github/actions/notify/package.json: @actions/core ^1.10.0 = 1.10.1 (dev)\n"
                        ".github/actions/notify/package.json: jest 29 (dev)\n"
                        ".github/actions/notify/package-lock.json: tunnel = 0.0.6 (dev, indirect)\n");
    for (size_t i = 0; i < scan.sheet.count; i++)
        assert_int_equal(scan.sheet.items[i].aside, scan.sheet.items[i].manifest[0] == '.' &&
                                                        strcmp(scan.sheet.items[i].name, "dotnet-ef") != 0);
    rb_arena_free(arena);
}

static void test_they_shape_nothing(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"go.mod", "module example.com/shop\n"},
        {".github/package.json",
         "{\"name\":\"tools\",\"scripts\":{\"build\":\"x\"},\"workspaces\":[\"a\",\"b\"]}"},
        {".github/pnpm-workspace.yaml", "packages:\n- a\n- b\n"},
        {".github/a/package.json", "{\"name\":\"a\"}"},
        {".github/b/package.json", "{\"name\":\"b\"}"},
        {".ci/tools/package.json", "{\"name\":\"c\"}"},
        {".ci/requirements.txt", "tox\n"},
        {".ci/run.py", "print()\n"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    struct rb_workspaces workspaces;
    repo_scan(&scan, arena, files, sizeof files / sizeof *files, false);
    assert_int_equal(scan.sheet.package_count, 1);
    assert_string_equal(scan.sheet.packages[0].manifest, "go.mod");
    json_t *profile = rb_scan_profile(&scan, "acme/shop");
    assert_true(json_is_false(json_object_get(json_object_get(profile, "structure"), "monorepo")));
    json_decref(profile);
    rb_workspaces_find(&workspaces, &scan);
    assert_int_equal(workspaces.count, 1);
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dependencies_of_tools_are_listed),
        cmocka_unit_test(test_they_shape_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
