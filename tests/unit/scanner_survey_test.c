/* What the file list says: languages, structure, key files, which manifests are chosen, and the profile of it
 * all. */
#include <stdio.h>

#include "lib/repo/language.h"
#include "lib/repo/repo.h"
#include "tests/unit/scanner_help.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct rb_scan_language *find_language(const struct rb_scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->language_count; i++) {
        if (strcmp(scan->languages[i].name, name) == 0)
            return &scan->languages[i];
    }
    return NULL;
}

#define SURVEY(scan, arena, ...)                                                      \
    const struct made_file files_##scan[] = {__VA_ARGS__};                            \
    struct rb_tree tree_##scan = make_tree(files_##scan, COUNT(files_##scan), arena); \
    struct rb_scan scan;                                                              \
    rb_scan_survey(&scan, &tree_##scan, arena)

static void test_shared_extensions_follow_their_neighbours(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(c, arena, {"src/a.c", 1}, {"src/a.h", 10}, {"include/x.h", 5}, {"cpp/b.cc", 1}, {"cpp/b.h", 100},
           {"src/c.c", 1});
    assert_int_equal(find_language(&c, "C")->bytes, 17);
    assert_int_equal(find_language(&c, "C++")->bytes, 101);
    SURVEY(objc, arena, {"App.xcodeproj/project.pbxproj", 1}, {"App/a.m", 10}, {"App/a.h", 5});
    assert_int_equal(find_language(&objc, "Objective-C")->bytes, 15);
    SURVEY(matlab, arena, {"a.m", 10}, {"data.mat", 5});
    assert_int_equal(find_language(&matlab, "MATLAB")->bytes, 10);
    SURVEY(perl, arena, {"a.pl", 10}, {"lib/B.pm", 5});
    assert_int_equal(find_language(&perl, "Perl")->bytes, 15);
    SURVEY(ts, arena, {"a.ts", 10});
    assert_int_equal(find_language(&ts, "TypeScript")->bytes, 10);
    SURVEY(qt, arena, {"main.cpp", 3}, {"app.qrc", 1}, {"i18n/app_de.ts", 1000});
    assert_null(find_language(&qt, "TypeScript"));
    assert_int_equal(find_language(&qt, "C++")->tenths, 1000);
    SURVEY(coq, arena, {"_CoqProject", 1}, {"a.v", 10});
    assert_int_equal(find_language(&coq, "Rocq Prover")->bytes, 10);
    SURVEY(yacc, arena, {"parse.yy", 10}, {"package.json", 5});
    assert_int_equal(find_language(&yacc, "Yacc")->bytes, 10);
    SURVEY(game, arena, {"x.yyp", 1}, {"rooms/a/a.yy", 99}, {"objects/o/Create_0.gml", 10});
    assert_int_equal(find_language(&game, "Game Maker Language")->tenths, 1000);
    SURVEY(verilog, arena, {"a.v", 10});
    assert_int_equal(find_language(&verilog, "Verilog")->bytes, 10);
    rb_arena_free(arena);
}

static void test_shares_leave_out_what_is_not_written_here(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(scan, arena, {"a.py", 600}, {"b.py", 0}, {"web/x.js", 399}, {"web/x.css", 1},
           {"node_modules/y/i.js", 9999}, {"vendor/z.go", 9999}, {"package-lock.json", 9999},
           {"web/app.min.js", 9999}, {"a_pb2.py", 9999}, {"docs/conf.py", 9999}, {"README.md", 9999},
           {"data.json", 9999}, {"web/types.d.ts", 9999}, {"jquery-3.1.js", 9999}, {"go.sum", 9999},
           {"schema.sql", 9999});
    assert_int_equal(scan.language_count, 3);
    assert_string_equal(scan.languages[0].name, "Python");
    assert_int_equal(scan.languages[0].tenths, 600);
    assert_int_equal(scan.languages[0].files, 2);
    assert_int_equal(find_language(&scan, "JavaScript")->tenths, 399);
    assert_int_equal(find_language(&scan, "CSS")->tenths, 1);
    SURVEY(razor, arena, {"a.cshtml", 2}, {"b.html.erb", 3}, {"c.html", 5}, {"d.f90", 10});
    assert_int_equal(razor.language_count, 2);
    assert_int_equal(find_language(&razor, "HTML")->tenths, 500);
    assert_int_equal(find_language(&razor, "Fortran")->files, 1);
    SURVEY(data, arena, {"a.yaml", 3}, {"b.json", 1});
    assert_int_equal(data.language_count, 2);
    assert_int_equal(find_language(&data, "YAML")->tenths, 750);
    assert_string_equal(find_language(&data, "YAML")->type, "data");
    SURVEY(style, arena, {"a.css", 900}, {"a.java", 100}, {"b.py", 50});
    json_t *profile = rb_scan_profile(&style, "acme/x");
    assert_string_equal(json_string_value(json_object_get(profile, "primary_language")), "CSS");
    assert_string_equal(json_string_value(json_object_get(profile, "primary_programming_language")), "Java");
    json_decref(profile);
    profile = rb_scan_profile(&data, "acme/x");
    assert_true(json_is_null(json_object_get(profile, "primary_language")));
    assert_true(json_is_null(json_object_get(profile, "primary_programming_language")));
    json_decref(profile);
    rb_arena_free(arena);
}

static void test_contents_and_attributes_change_the_shares(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(scan, arena, {".gitattributes", 50}, {"app.js", 50000}, {"a.py", 600}, {"run", 900},
           {"theirs/b.py", 9000});
    assert_string_equal(scan.languages[0].name, "JavaScript");

    assert_true(scan.wanted_count >= 2);
    assert_string_equal(scan.wanted[0].entry->path, ".gitattributes");
    for (size_t i = 0; i < scan.wanted_count; i++) {
        char minified[300];
        memset(minified, 'x', sizeof minified);
        assert_true(scan.wanted[i].max_bytes >= sizeof minified);
        if (strcmp(scan.wanted[i].entry->path, ".gitattributes") == 0)
            rb_scan_take(&scan, i, "/theirs/** linguist-vendored\n", 29);
        else if (strcmp(scan.wanted[i].entry->path, "app.js") == 0)
            rb_scan_take(&scan, i, minified, sizeof minified);
        else
            rb_scan_take(&scan, i, "#!/bin/sh\n", 10);
    }
    rb_scan_languages_settle(&scan);
    assert_int_equal(scan.language_count, 2);
    assert_int_equal(find_language(&scan, "Python")->bytes, 600);
    assert_int_equal(find_language(&scan, "Shell")->bytes, 900);
    rb_arena_free(arena);
}

static void test_paths_are_told_apart(void **state)
{
    (void)state;
    assert_true(rb_path_is_vendored("a/third_party/x.c"));
    assert_true(rb_path_is_vendored("jquery.js"));
    assert_false(rb_path_is_vendored("src/vendoring.c"));
    assert_false(rb_path_is_vendored("vendor"));
    assert_true(rb_path_is_documentation("examples/a.c"));
    assert_false(rb_path_is_documentation("src/examples.c"));
    assert_true(rb_path_is_test("a/b_test.go"));
    assert_true(rb_path_is_test("src/a.test.tsx"));
    assert_false(rb_path_is_test("src/latest.go"));
    assert_false(rb_path_is_test("src/a.test.md"));
    assert_true(rb_path_is_template("{{cookiecutter.x}}/setup.py"));
    assert_int_equal(rb_path_depth("a/b/c"), 2);
}

static const char *role_of(const struct rb_scan *scan, const char *path)
{
    for (size_t i = 0; i < scan->key_file_count; i++) {
        if (strcmp(scan->key_files[i].path, path) == 0)
            return scan->key_files[i].role;
    }
    return "none";
}

static void test_structure_and_key_files(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(scan, arena, {"README.md", 1}, {"LICENSE", 1}, {".github/workflows/ci.yml", 1},
           {".gitlab-ci.yml", 1}, {"src/app/main.go", 10}, {"src/app/main_test.go", 10}, {"docs/index.md", 2},
           {"Dockerfile", 1}, {"go.mod", 1}, {"vendor/x/README.md", 1}, {".devcontainer/Dockerfile", 1});
    assert_string_equal(role_of(&scan, "README.md"), "readme");
    assert_string_equal(role_of(&scan, "LICENSE"), "license");
    assert_string_equal(role_of(&scan, ".github/workflows/ci.yml"), "ci");
    assert_string_equal(role_of(&scan, "Dockerfile"), "container");
    assert_string_equal(role_of(&scan, "src/app/main.go"), "entry point");
    assert_string_equal(role_of(&scan, "vendor/x/README.md"), "none");
    assert_int_equal(scan.depth, 2);
    assert_true(scan.has_tests && scan.has_docs && scan.has_containers);
    assert_false(scan.is_monorepo);
    assert_int_equal(scan.ci_count, 2);
    assert_string_equal(scan.top[0].path, "src");
    assert_int_equal(scan.top[0].files, 2);
    assert_int_equal(scan.top[0].bytes, 20);
    SURVEY(mono, arena, {"packages/a/package.json", 1}, {"packages/b/package.json", 1});
    assert_true(mono.is_monorepo);
    SURVEY(modules, arena, {"settings.gradle", 1}, {"a/build.gradle", 1}, {"b/build.gradle.kts", 1});
    assert_true(modules.is_monorepo);
    SURVEY(android, arena, {"settings.gradle", 1}, {"build.gradle", 1}, {"app/build.gradle", 1},
           {"buildSrc/build.gradle.kts", 1}, {"build-logic/x/build.gradle.kts", 1});
    assert_false(android.is_monorepo);
    SURVEY(made, arena, {"lib/templates/Dockerfile.tt", 1}, {"test/fixtures/Dockerfile", 1},
           {"tests/Dockerfile", 1}, {"guides/a.md", 1}, {"Shop.sln", 1}, {"my.gemspec", 1});
    assert_false(made.has_containers);
    assert_true(made.has_docs);
    assert_string_equal(role_of(&made, "Shop.sln"), "build");
    assert_string_equal(role_of(&made, "my.gemspec"), "build");
    SURVEY(single, arena, {"package.json", 1}, {"examples/a/package.json", 1}, {"examples/b/package.json", 1},
           {".devcontainer/Dockerfile", 1});
    assert_false(single.is_monorepo);
    assert_false(single.has_containers);
    rb_arena_free(arena);
}

static void test_manifests_near_the_root_come_first(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    enum { MANY = 2700 };
    struct made_file files[MANY + 6];
    for (size_t i = 0; i < MANY; i++)
        files[i] = (struct made_file){rb_arena_printf(arena, "pkg/p%04zu/package.json", i), 10};
    files[MANY] = (struct made_file){"services/deep/down/pom.xml", 10};
    files[MANY + 1] = (struct made_file){"package.json", 10};
    files[MANY + 2] = (struct made_file){"node_modules/x/package.json", 10};
    files[MANY + 3] = (struct made_file){"testdata/go.mod", 10};
    files[MANY + 4] = (struct made_file){"bun.lockb", 10};
    files[MANY + 5] = (struct made_file){"Cargo.toml", RB_SCAN_MANIFEST_BYTES + 1};
    struct rb_tree tree = make_tree(files, COUNT(files), arena);
    struct rb_scan scan;
    rb_scan_survey(&scan, &tree, arena);
    assert_int_equal(scan.manifest_count, RB_SCAN_MANIFESTS_MAX);
    assert_int_equal(scan.manifests_left_out, MANY + 4 - RB_SCAN_MANIFESTS_MAX);
    assert_int_equal(scan.wanted_count, RB_SCAN_MANIFESTS_MAX - 2); /* one is too big, one binary */
    assert_int_equal(scan.skips[RB_SKIP_LIMIT], scan.manifests_left_out);
    assert_int_equal(scan.skips[RB_SKIP_SIZE], 1);
    bool has_pom = false;
    for (size_t i = 0; i < scan.manifest_count; i++) {
        assert_null(strstr(scan.manifests[i].path, "node_modules"));
        assert_null(strstr(scan.manifests[i].path, "testdata"));
        has_pom = has_pom || strstr(scan.manifests[i].path, "pom.xml");
    }
    assert_true(has_pom);
    assert_string_equal(scan.manifests[0].path, "Cargo.toml");
    assert_int_equal(scan.manifests[0].status, RB_MANIFEST_TOO_BIG);
    assert_string_equal(scan.manifests[1].path, "package.json");
    rb_arena_free(arena);
}

/* The largest repositories have 1,600: none is left out, and each says what it has. */
static void test_two_thousand_manifests_are_read(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    enum { MANY = 2000 };
    struct made_file files[MANY];
    for (size_t i = 0; i < MANY; i++)
        files[i] = (struct made_file){rb_arena_printf(arena, "m/p%04zu/pom.xml", i), 100};
    struct rb_tree tree = make_tree(files, MANY, arena);
    struct rb_scan scan;
    rb_scan_survey(&scan, &tree, arena);
    for (size_t i = 0; i < scan.wanted_count; i++) {
        const char *text =
            rb_arena_printf(arena,
                            "<project><artifactId>p%zu</artifactId><dependencies><dependency><groupId>g"
                            "</groupId><artifactId>a%zu</artifactId></dependency></dependencies></project>",
                            i, i);
        rb_scan_take(&scan, i, text, strlen(text));
    }
    rb_scan_settle(&scan);
    assert_int_equal(scan.manifests_left_out, 0);
    assert_int_equal(scan.sheet.count, MANY);
    assert_int_equal(scan.sheet.package_count, MANY);
    assert_false(scan.sheet.truncated);
    rb_arena_free(arena);
}

/* Language manifests, lock files, containers, workflows, and last what says little: while there is room. */
static void test_bytes_go_to_what_says_most(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    enum { LARGE = 80, BYTES = 500000 };
    struct made_file files[LARGE + 3];
    for (size_t i = 0; i < LARGE; i++)
        files[i] = (struct made_file){rb_arena_printf(arena, "examples/p%02zu/package.json", i), BYTES};
    files[LARGE] = (struct made_file){".github/workflows/ci.yml", 700};
    files[LARGE + 1] = (struct made_file){"a/b/c/package.json", BYTES};
    files[LARGE + 2] = (struct made_file){"go.mod", -1};
    struct rb_tree tree = make_tree(files, COUNT(files), arena);
    struct rb_scan scan;
    rb_scan_survey(&scan, &tree, arena);
    assert_string_equal(scan.manifests[0].path, "go.mod");
    assert_string_equal(scan.manifests[1].path, "a/b/c/package.json");
    assert_string_equal(scan.manifests[2].path, ".github/workflows/ci.yml");
    assert_int_equal(scan.manifest_count, 3 + 66); /* with a/b/c 33.5 MB: no further one fits */
    assert_int_equal(scan.manifests_left_out, LARGE - 66);
    assert_true(scan.wanted_bytes <= RB_SCAN_READ_BYTES);
    rb_scan_take(&scan, 0, "module x\n", 9);
    rb_scan_take(&scan, 1, "{\n\"a\":\n]", 8);
    rb_scan_lack(&scan, 2, RB_ENOTFOUND, "GitHub does not have it");
    rb_scan_lack(&scan, 3, RB_ETOOBIG, "too big");
    assert_int_equal(scan.manifests[2].status, RB_MANIFEST_UNREADABLE);
    assert_int_equal(scan.manifests[3].status, RB_MANIFEST_TOO_BIG);
    json_t *read = rb_scan_profile_read(&scan), *item = NULL;
    char *counts = json_dumps(json_object_get(read, "skips"), JSON_COMPACT);
    assert_string_equal(counts, "{\"size\":1,\"limit\":14,\"unreadable\":1,\"parse\":1}");
    assert_int_equal(json_integer_value(json_object_get(read, "files")), 2);
    assert_int_equal(json_integer_value(json_object_get(read, "bytes")), 17);
    item = json_array_get(json_object_get(read, "skipped"), 14);
    assert_string_equal(json_string_value(json_object_get(item, "path")), "a/b/c/package.json");
    assert_string_equal(json_string_value(json_object_get(item, "why")), "parse");
    assert_int_equal(json_integer_value(json_object_get(item, "line")), 3);
    free(counts);
    json_decref(read);
    rb_arena_free(arena);
}

static void test_the_profile_holds_it_all(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(scan, arena, {"app.py", 900}, {"x.sh", 100}, {"requirements.txt", 20},
           {"examples/requirements.txt", 20});
    assert_int_equal(scan.manifest_count, 2);
    rb_scan_read(&scan, 0, "Django==4\n", 10);
    rb_scan_read(&scan, 1, "Flask\n", 6);
    tree_scan.complete = false;
    memcpy(tree_scan.incomplete_reason, "one folder", 11);
    json_t *profile = rb_scan_profile(&scan, "acme/app");
    char *text = json_dumps(profile, JSON_COMPACT | JSON_REAL_PRECISION(4));
    static const char *const parts[] = {
        "{\"version\":2,\"schema\":\"/profile.schema.json\",\"repo\":\"acme/app\",",
        "\"commit\":\"0123456789012345678901234567890123456789\",",
        "\"complete\":false,",
        "\"incomplete_reason\":\"one folder\"",
        "\"files\":4,\"bytes\":1040",
        "\"summary\":\"Python (90.0%) with Shell, using Django. 4 files, 1.0 KB. The file list is "
        "incomplete.\"",
        "{\"name\":\"Python\",\"type\":\"programming\",\"files\":1,\"bytes\":900,\"share\":90.0}",
        "\"frameworks\":[{\"name\":\"Django\",\"ecosystem\":\"pypi\",\"evidence\":\"requirements.txt\"}]",
        "{\"ecosystem\":\"pypi\",\"name\":\"django\",\"requirement\":\"==4\",\"version\":\"4\",\"kind\":"
        "\"runtime\","
        "\"manifest\":"
        "\"requirements.txt\",\"purl\":\"pkg:pypi/django@4\"}",
        "{\"path\":\"requirements.txt\",\"format\":\"requirements.txt\",\"ecosystem\":\"pypi\",\"status\":"
        "\"parsed\",\"error\":\"\"}",
        "\"dependencies_truncated\":false",
        "\"structure\":{\"top\":[{\"path\":\"examples\",\"files\":1,\"bytes\":20}],\"depth\":1,\"tests\":"
        "false,"
        "\"docs\":false,\"ci\":[],\"containers\":false,\"monorepo\":false}",
    };
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (!strstr(text, parts[i]))
            fail_msg("no %s in %s", parts[i], text);
    }
    free(text);
    json_decref(profile);
    rb_arena_free(arena);
}

/* Reads the manifests of a made-up repository in the order they were chosen, and settles. */
static void read_all(struct rb_scan *scan, const char *const *texts, size_t count)
{
    assert_int_equal(scan->manifest_count, count);
    for (size_t i = 0; i < count; i++) {
        rb_scan_read(scan, i, texts[i], strlen(texts[i]));
        assert_int_equal(scan->manifests[i].status, RB_MANIFEST_PARSED);
    }
    rb_scan_settle(scan);
}
#define READ_ALL(scan, ...)                                  \
    static const char *const texts_##scan[] = {__VA_ARGS__}; \
    read_all(&scan, texts_##scan, COUNT(texts_##scan))

/* "name requirement kind [local]" of each dependency, a comma between. */
static const char *dependencies_of(const struct rb_scan *scan)
{
    const char *all = "";
    for (size_t i = 0; i < scan->sheet.count; i++) {
        const struct rb_scan_dependency *item = &scan->sheet.items[i];
        all = rb_arena_printf(scan->arena, "%s%s%s %s %s%s", all, i ? ", " : "", item->name,
                              item->requirement, item->kind, item->local ? " local" : "");
    }
    return all;
}

static void test_byte_order_marks_are_no_content(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(scan, arena, {"Gemfile", 1}, {"requirements.txt", 1}, {"setup.cfg", 1},
           {".github/workflows/a.yml", 1});
    READ_ALL(scan, "\xef\xbb\xbfgem 'a'\n", "\xef\xbb\xbfpip-b\n",
             "\xef\xbb\xbf[options]\ninstall_requires = c\n",
             "\xef\xbb\xbfname: x\njobs:\n a:\n  steps:\n  - uses: d/e@f\n");
    assert_string_equal(dependencies_of(&scan), "a  runtime, pip-b  runtime, c  runtime, d/e f build");
    rb_arena_free(arena);
}

static void test_versions_that_stand_elsewhere(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(gradle, arena, {"app/build.gradle.kts", 1}, {"gradle/libs.versions.toml", 1},
           {"build-logic/src/main/kotlin/my.conventions.gradle.kts", 1});
    READ_ALL(gradle,
             "plugins {\n id(\"my.conventions\")\n alias(libs.plugins.spring.boot)\n}\ndependencies {\n"
             " implementation(libs.guava)\n testImplementation(libs.bundles.test)\n"
             " implementation(libs.nobody.knows)\n implementation(libs.guava)\n}\n",
             "[versions]\nboot = \"3\"\n[libraries]\nguava = \"com.google.guava:guava:33\"\n"
             "junit-api = \"org.junit:api:5\"\nmockito_core = \"org.mockito:core:4\"\nspare = \"s:s:1\"\n"
             "[bundles]\ntest = [\"junit-api\", \"mockito_core\"]\n[plugins]\n"
             "spring-boot = { id = \"org.springframework.boot\", version.ref = \"boot\" }\n",
             "plugins {\n `java-library`\n}\n");
    assert_string_equal(
        dependencies_of(&gradle),
        "my.conventions  build local, org.springframework.boot 3 build, com.google.guava:guava 33 "
        "runtime, org.junit:api 5 test, s:s 1 runtime, org.mockito:core 4 test");
    SURVEY(nuget, arena, {"Directory.Packages.props", 1}, {"tests/T/T.csproj", 1});
    READ_ALL(nuget,
             "<Project><ItemGroup><PackageVersion Include=\"xunit\" Version=\"2\"/></ItemGroup></Project>",
             "<Project><ItemGroup><PackageReference Include=\"xUnit\"/></ItemGroup></Project>");
    assert_string_equal(dependencies_of(&nuget), "xUnit 2 test");
    SURVEY(cargo, arena, {"Cargo.toml", 1}, {"a/Cargo.toml", 1}, {"b/Cargo.toml", 1});
    READ_ALL(cargo,
             "[workspace]\nmembers=[\"a\",\"b\"]\n[workspace.dependencies]\ntokio = \"1\"\nlog = \"0.4\"\n",
             "[package]\nname = \"a\"\n[dev-dependencies]\ntokio.workspace = true\n",
             "[package]\nname = \"b\"\n[dependencies]\na.workspace = true\n");
    assert_string_equal(dependencies_of(&cargo), "log 0.4 runtime, tokio 1 dev, a workspace runtime local");
    SURVEY(maven, arena, {"a/pom.xml", 1}, {"pom.xml", 1});
    READ_ALL(maven,
             "<project><groupId>o</groupId><artifactId>p</artifactId><dependencyManagement><dependencies>"
             "<dependency><groupId>g</groupId><artifactId>x</artifactId><version>7</version></dependency>"
             "</dependencies></dependencyManagement></project>",
             "<project><parent><groupId>o</groupId><artifactId>p</artifactId><version>1</version></parent>"
             "<artifactId>a</artifactId><dependencies><dependency><groupId>g</groupId>"
             "<artifactId>x</artifactId><scope>test</scope></dependency></dependencies></project>");
    assert_string_equal(dependencies_of(&maven), "o:p 1 build local, g:x 7 test");
    rb_arena_free(arena);
}

static void test_frameworks_that_are_none(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_framework found[4];
    static const char validator[] =
        "<project><dependencies><dependency><groupId>org.hibernate</groupId>"
        "<artifactId>hibernate-validator</artifactId></dependency></dependencies></project>";
    /* Offered to nobody; a part beside its whole; in a demo; another thing of the same makers. */
    SURVEY(scan, arena, {"Directory.Packages.props", 1}, {"composer.json", 1}, {"acme-demo/package.json", 1},
           {"examples-web/package.json", 1}, {"pom.xml", 1});
    READ_ALL(scan,
             "<Project><ItemGroup><PackageVersion Include=\"Dapper\" Version=\"2\"/></ItemGroup></Project>",
             "{\"require\":{\"symfony/console\":\"7\",\"symfony/framework-bundle\":\"7\"}}", validator,
             "{\"dependencies\":{\"react\":\"18\"}}", "{\"dependencies\":{\"vue\":\"3\"}}");
    assert_int_equal(rb_scan_frameworks(found, 4, &scan), 1);
    assert_string_equal(found[0].name, "Symfony");
    rb_arena_free(arena);
}

/* A browser test beside a large service is not what the service is built on. */
static void test_frameworks_of_the_main_language_come_first(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_framework found[4];
    SURVEY(scan, arena, {"package.json", 1}, {"e2e/a.ts", 10}, {"src/A.cs", 1000}, {"src/A/A.csproj", 1});
    READ_ALL(scan, "{\"devDependencies\":{\"@playwright/test\":\"1\"}}",
             "<Project Sdk=\"Microsoft.NET.Sdk.Web\"/>");
    assert_int_equal(rb_scan_frameworks(found, 4, &scan), 2);
    assert_string_equal(found[0].name, "ASP.NET Core");
    rb_arena_free(arena);
}

/* Vue is not written with Vue because one of its packages needs another. */
static void test_a_repository_does_not_use_itself(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_framework found[4];
    SURVEY(npm, arena, {"package.json", 1}, {"packages/vue/package.json", 1});
    READ_ALL(npm, "{\"devDependencies\":{\"vue\":\"workspace:*\",\"vitest\":\"1\",\"react\":\"link:../x\"}}",
             "{\"name\":\"vue\"}");
    assert_int_equal(rb_scan_frameworks(found, 4, &npm), 1);
    assert_string_equal(found[0].name, "Vitest");
    SURVEY(cargo, arena, {"tokio-util/Cargo.toml", 1}, {"tokio/Cargo.toml", 1}, {"benches/Cargo.toml", 1});
    READ_ALL(cargo,
             "[package]\nname=\"tokio-util\"\n[dependencies]\ntokio={version=\"1\",path=\"../tokio\"}\n",
             "[package]\nname=\"tokio\"\n",
             "[package]\nname=\"b\"\n[dependencies]\ntokio=\"1\"\ncriterion=\"1\"\n");
    assert_int_equal(rb_scan_frameworks(found, 4, &cargo), 0);
    SURVEY(rest, arena, {"pyproject.toml", 1}, {"go.mod", 1}, {"composer.json", 1}, {"rails.gemspec", 1});
    READ_ALL(rest, "{\"name\":\"laravel/framework\",\"require\":{\"laravel/framework\":\"*\"}}",
             "module github.com/gin-gonic/gin\nrequire github.com/labstack/echo v1\n"
             "replace github.com/labstack/echo => ../echo\n",
             "[project]\nname=\"Flask\"\n[dependency-groups]\ndev=[\"flask[async]\"]\n",
             "s.add_dependency 'rails'\n");
    assert_int_equal(rb_scan_frameworks(found, 4, &rest), 0);
    rb_arena_free(arena);
}

static void test_an_empty_repository(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = {.complete = true};
    struct rb_scan scan;
    rb_scan_survey(&scan, &tree, arena);
    json_t *profile = rb_scan_profile(&scan, "a/b");
    assert_string_equal(json_string_value(json_object_get(profile, "summary")), "Empty: no files yet.");
    assert_int_equal(json_array_size(json_object_get(profile, "languages")), 0);
    json_decref(profile);
    rb_arena_free(arena);
}

static bool is_wanted(const struct rb_scan *scan, const char *path)
{
    for (size_t i = 0; i < scan->wanted_count; i++) {
        if (strcmp(scan->wanted[i].entry->path, path) == 0)
            return true;
    }
    return false;
}

static const char *skipped_why(const struct rb_scan *scan, const char *path)
{
    for (size_t i = 0; i < scan->skipped_count; i++) {
        if (strcmp(scan->skipped[i].path, path) == 0 && scan->skipped[i].why == RB_SKIP_LIMIT)
            return scan->skipped[i].error;
    }
    return "";
}

/* `count` files, of which `path_of` names each. */
static void survey_many(struct rb_scan *scan, struct rb_arena *arena, size_t count,
                        struct made_file (*file_of)(struct rb_arena *arena, size_t i))
{
    struct made_file *files = rb_arena_alloc(arena, count * sizeof *files);
    struct rb_tree *tree = rb_arena_alloc(arena, sizeof *tree);
    for (size_t i = 0; i < count; i++)
        files[i] = file_of(arena, i);
    *tree = make_tree(files, count, arena);
    rb_scan_survey(scan, tree, arena);
}

/* Packages of a workspace as large ones are: manifests of 1 to 20 KB, a lock of its own for a few, sources.
 */
static struct made_file workspace_file(struct rb_arena *arena, size_t i)
{
    const char *package = rb_arena_printf(arena, "packages/p%03zu", i % 500);
    if (i < 500)
        return (struct made_file){rb_arena_printf(arena, "%s/package.json", package),
                                  1000 + (int64_t)(i * 7919 % 19000)};
    if (i % 50 == 0)
        return (struct made_file){rb_arena_printf(arena, "%s/yarn.lock", package), 90000};
    return (struct made_file){rb_arena_printf(arena, "%s/src/f%zu.js", package, i), 40000};
}

static void test_500_manifests_take_12_requests(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    survey_many(&scan, arena, 1500, workspace_file);
    assert_int_equal(scan.manifest_count, 520);
    assert_in_range(rb_scan_requests(&scan), 8, 12);
    rb_arena_free(arena);
}

/* Files go into the first query that has room, whatever stands between them; equal ones cost nothing. */
static void test_queries_are_filled(void **state)
{
    (void)state;
    enum { COUNT = 1010 };
    static struct rb_tree_entry entries[COUNT];
    static struct rb_repo_want wants[COUNT];
    bool repeats[COUNT];
    struct rb_repo_plan plan = {0};
    for (size_t i = 0; i < COUNT; i++) {
        entries[i] = (struct rb_tree_entry){.path = "x", .size = i < 10 ? 400000 : 10, .kind = RB_ENTRY_FILE};
        snprintf(entries[i].sha, sizeof entries[i].sha, "%040zu", i < 410 ? i : 5);
        wants[i] = (struct rb_repo_want){&entries[i], 1000000, false};
    }
    rb_repo_repeats(repeats, wants, COUNT);
    assert_false(repeats[5]);
    assert_false(repeats[409]);
    assert_true(repeats[410]);
    /* Two for ten large ones with 190 small ones, two for the others; then another group, for nothing. */
    for (size_t i = 0; i < 400; i++)
        assert_in_range(rb_repo_plan_add(&plan, &wants[i], repeats[i]), i < 5 ? 1 : i < 200 ? 2 : 3, 4);
    assert_int_equal(plan.requests, 4);
    for (size_t i = 410; i < COUNT; i++)
        rb_repo_plan_add(&plan, &wants[i], repeats[i]);
    assert_int_equal(plan.requests, 4);
    rb_repo_plan_add(&plan, &wants[400], false);
    assert_int_equal(plan.requests, 5);
    /* What no query gives is a request of its own; what is larger than it may be is none. */
    entries[401].size = 512001;
    rb_repo_plan_add(&plan, &wants[401], false);
    assert_int_equal(plan.requests, 6);
    entries[402].size = 1000001;
    rb_repo_plan_add(&plan, &wants[402], false);
    assert_int_equal(plan.requests, 6);
}

static struct made_file crowded_file(struct rb_arena *arena, size_t i)
{
    /* 90 manifests, 90 scripts that may be something else, one of them much of it all. */
    if (i < 90)
        return (struct made_file){rb_arena_printf(arena, "p%zu/package.json", i), 500};
    if (i == 90)
        return (struct made_file){"src/main.c", 10000000};
    return (struct made_file){rb_arena_printf(arena, "bin/f%zu", i), 8000 + (int64_t)i};
}

static struct made_file scripts_file(struct rb_arena *arena, size_t i)
{
    struct made_file file = crowded_file(arena, i);
    file.size = i == 90 ? 100000 : file.size;
    return file;
}

/* Files whose content may settle a language fill a request that is made anyway; another one is made for them
 * where they are much of the repository. */
static void test_contents_fill_requests(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan few, many;
    survey_many(&few, arena, 181, crowded_file);
    assert_int_equal(rb_scan_requests(&few), 3);
    assert_int_equal(few.wanted_count, 100);
    assert_true(is_wanted(&few, "bin/f180")); /* the largest */
    survey_many(&many, arena, 181, scripts_file);
    assert_int_equal(rb_scan_requests(&many), 4);
    assert_true(many.wanted_count > 170);
    rb_arena_free(arena);
}

/* Of files that take a request each two are read, those nearest to the root; examples' only if they fit. */
static void test_large_files_are_few(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    SURVEY(scan, arena, {"package.json", 900}, {"yarn.lock", 3000000}, {"api/composer.json", 900},
           {"api/composer.lock", 600000}, {"web/package.json", 900}, {"web/package-lock.json", 512001},
           {"a/package-lock.json", 512000}, {"examples/a/package-lock.json", 512001},
           {"examples/b/package-lock.json", 500000}, {"examples/c/package-lock.json", 500000},
           {"examples/d/package-lock.json", 500000}, {"examples/e/package-lock.json", 500000});
    assert_int_equal(rb_scan_requests(&scan), 5);
    assert_true(is_wanted(&scan, "yarn.lock"));
    assert_true(is_wanted(&scan, "api/composer.lock"));
    assert_true(is_wanted(&scan, "a/package-lock.json"));
    assert_false(is_wanted(&scan, "web/package-lock.json"));
    assert_non_null(strstr(skipped_why(&scan, "web/package-lock.json"), "a scan reads two"));
    assert_true(is_wanted(&scan, "examples/b/package-lock.json"));
    assert_true(is_wanted(&scan, "examples/d/package-lock.json"));
    assert_non_null(strstr(skipped_why(&scan, "examples/a/package-lock.json"), "example"));
    assert_non_null(strstr(skipped_why(&scan, "examples/e/package-lock.json"), "had room"));
    assert_int_equal(scan.skips[RB_SKIP_LIMIT], 3);
    assert_int_equal(scan.manifests_left_out, 2); /* the third is listed, as not read */
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_extensions_follow_their_neighbours),
        cmocka_unit_test(test_shares_leave_out_what_is_not_written_here),
        cmocka_unit_test(test_contents_and_attributes_change_the_shares),
        cmocka_unit_test(test_paths_are_told_apart),
        cmocka_unit_test(test_structure_and_key_files),
        cmocka_unit_test(test_manifests_near_the_root_come_first),
        cmocka_unit_test(test_two_thousand_manifests_are_read),
        cmocka_unit_test(test_bytes_go_to_what_says_most),
        cmocka_unit_test(test_the_profile_holds_it_all),
        cmocka_unit_test(test_byte_order_marks_are_no_content),
        cmocka_unit_test(test_versions_that_stand_elsewhere),
        cmocka_unit_test(test_frameworks_that_are_none),
        cmocka_unit_test(test_frameworks_of_the_main_language_come_first),
        cmocka_unit_test(test_a_repository_does_not_use_itself),
        cmocka_unit_test(test_an_empty_repository),
        cmocka_unit_test(test_500_manifests_take_12_requests),
        cmocka_unit_test(test_queries_are_filled),
        cmocka_unit_test(test_contents_fill_requests),
        cmocka_unit_test(test_large_files_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
