/* sbt: programs, read as far as they are literal. */
#include "scanner/purl.h"
#include "tests/unit/scanner_repo.h"

static const char *skipped_text(const struct rb_scan *scan)
{
    const char *text = "";
    for (size_t i = 0; i < scan->skipped_count; i++)
        text = rb_arena_printf(scan->arena, "%s%s:%d: %s\n", text, scan->skipped[i].path,
                               scan->skipped[i].line, scan->skipped[i].error);
    return text;
}

static const char *purl_of(const struct rb_scan *scan, const char *name)
{
    const struct rb_scan_dependency *found = find_dependency(&scan->sheet, name);
    assert_non_null(found);
    return rb_purl(scan->arena, found);
}

static void test_a_build(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"build.sbt",
         "// \"no\" % \"no\" % \"0\"\n"
         "ThisBuild / scalaVersion := \"2.13.12\"\n"
         "name := \"shop\"\n"
         "version := \"1.4.0\"\n"
         "val akkaVersion = \"2.8.5\"\n"
         "lazy val http: String = s\"10.${minor}\"\n"
         "val minor = \"5.3\"\n"
         "val circe = \"io.circe\" %% \"circe-core\" % V.circe\n"
         "lazy val core = (project in file(\"core\")).settings(\n"
         "  libraryDependencies ++= Seq(\n"
         "    \"com.typesafe.akka\" %% \"akka-actor\" % akkaVersion, /* \"x\" % \"y\" % \"z\" */\n"
         "    \"com.typesafe.akka\" %% \"akka-http\" % http,\n"
         "    \"ch.qos.logback\" % \"logback-classic\" % \"1.4.11\" % Runtime,\n"
         "    \"org.scalatest\" %% \"scalatest\" % \"3.2.17\" % \"it,test\",\n"
         "    \"javax.servlet\" % \"servlet-api\" % \"2.5\" % \"provided->default\",\n"
         "    Deps.zio % Test,\n"
         "    circe,\n"
         "    \"org.scala-js\" %%% \"scalajs-dom\" % \"2.8.0\",\n"
         "    \"io.circe\" %% artifact % \"1\",\n"
         "    \"io.circe\" %% s\"circe-$part\" % \"2\",\n"
         "    \"org.computed\" % \"version\" % (if (x) \"1\" else \"2\"),\n"
         "    \"org.unknown\" % \"version\" % nobody,\n"
         "  ),\n"
         "  addCompilerPlugin(\"org.typelevel\" % \"kind-projector\" % \"0.13.2\" cross CrossVersion.full)\n"
         ")\n"
         "val left = 7 % divisor\n"},
        {"project/Dependencies.scala",
         "object V { val circe = \"0.14.6\" }\n"
         "object Deps {\n  val zio = \"dev.zio\" %% \"zio-test\" % \"2.0.19\"\n}\n"},
        {"project/plugins.sbt", "val akkaVersion = \"0\"\n"
                                "addSbtPlugin(\"org.scalameta\" % \"sbt-scalafmt\" % \"2.5.2\")\n"
                                "libraryDependencies += \"org.slf4j\" % \"slf4j-nop\" % \"2.0.9\"\n"
                                "libraryDependencies += \"com.twitter\" %% \"scrooge\" % http\n"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    repo_scan(&scan, arena, files, sizeof files / sizeof *files, false);
    assert_string_equal(repo_text(&scan), "build.sbt: io.circe:circe-core 0.14.6 (runtime)\n"
                                          "build.sbt: com.typesafe.akka:akka-actor 2.8.5 (runtime)\n"
                                          "build.sbt: com.typesafe.akka:akka-http 10.5.3 (runtime)\n"
                                          "build.sbt: ch.qos.logback:logback-classic 1.4.11 (runtime)\n"
                                          "build.sbt: org.scalatest:scalatest 3.2.17 (test)\n"
                                          "build.sbt: javax.servlet:servlet-api 2.5 (build)\n"
                                          "build.sbt: org.scala-js:scalajs-dom 2.8.0 (runtime)\n"
                                          "build.sbt: org.computed:version (runtime)\n"
                                          "build.sbt: org.unknown:version (runtime)\n"
                                          "build.sbt: org.typelevel:kind-projector 0.13.2 (build)\n"
                                          "project/Dependencies.scala: dev.zio:zio-test 2.0.19 (test)\n"
                                          "project/plugins.sbt: org.scalameta:sbt-scalafmt 2.5.2 (build)\n"
                                          "project/plugins.sbt: org.slf4j:slf4j-nop 2.0.9 (build)\n"
                                          "project/plugins.sbt: com.twitter:scrooge (build)\n");
    assert_string_equal(skipped_text(&scan),
                        "build.sbt:19: line 19: the name of a dependency is computed: artifact\n"
                        "build.sbt:20: line 20: the name of a dependency is computed: circe-$part\n");
    assert_int_equal(find_dependency(&scan.sheet, "com.typesafe.akka:akka-actor")->line, 11);
    assert_string_equal(find_package(&scan, "build.sbt")->name, "shop");
    assert_string_equal(find_package(&scan, "build.sbt")->version, "1.4.0");
    assert_int_equal(scan.sheet.package_count, 1);
    rb_arena_free(arena);
}

/* Scala's libraries are found under the version of Scala; where that is not known there is no address. */
static void test_names_in_the_registry(void **state)
{
    (void)state;
    static const struct {
        const char *scala, *dependency, *name, *purl;
    } rows[] = {
        {"scalaVersion := \"2.13.12\"", "\"a\" %% \"b\" % \"1\"", "a:b", "pkg:maven/a/b_2.13"},
        {"scalaVersion := \"3.3.1\"", "\"a\" %% \"b\" % \"[1.0]\"", "a:b", "pkg:maven/a/b_3@1.0"},
        {"val v = \"2.12.18\"\nThisBuild / scalaVersion := v", "\"a\" %% \"b\" % \"1\"", "a:b",
         "pkg:maven/a/b_2.12"},
        {"scalaVersion := \"2.13.12\"", "\"a\" % \"b\" % \"1\"", "a:b", "pkg:maven/a/b"},
        {"scalaVersion := \"2.13.12\"", "\"a\" %%% \"b\" % \"1\"", "a:b", ""},
        {"scalaVersion := \"2.13.12\"", "\"a\" % \"b\" % \"1\" cross CrossVersion.full", "a:b",
         "pkg:maven/a/b_2.13.12"},
        {"scalaVersion := \"3.3.1\"", "\"a\" %% \"b\" % \"1\" cross CrossVersion.for3Use2_13", "a:b",
         "pkg:maven/a/b_2.13"},
        {"scalaVersion := computed(1)", "\"a\" %% \"b\" % \"1\"", "a:b", ""},
        {"scalaVersion := \"3.4.0-RC1\"", "\"a\" %% \"b\" % \"1\"", "a:b", ""},
        {"scalaVersion := \"2.13.12\"\nlazy val x = project.settings(scalaVersion := \"3.3.1\")",
         "\"a\" %% \"b\" % \"1\"", "a:b", ""},
        {"", "\"a\" %% \"b\" % \"1\"", "a:b", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan scan;
        const struct repo_file files[] = {
            {"build.sbt",
             rb_arena_printf(arena, "%s\nlibraryDependencies += %s\n", rows[i].scala, rows[i].dependency)}};
        repo_scan(&scan, arena, files, 1, false);
        const char *purl = purl_of(&scan, rows[i].name);
        if (strncmp(purl, rows[i].purl, strlen(rows[i].purl)) != 0 ||
            (strlen(purl) != strlen(rows[i].purl) && purl[strlen(rows[i].purl)] != '@'))
            fail_msg("%s, %s: %s", rows[i].scala, rows[i].dependency, purl);
        rb_arena_free(arena);
    }
}

/* The nearest build that says it is right; two that differ, a value of itself, and many within each other
 * give none. */
static void test_values(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"build.sbt", "val x = \"1\"\nval y = \"1\"\nval z = z\nval a = s\"$a.1\"\nval two = \"1\"\n"
                      "object O { val two = \"2\" }\nval w = s\"$$x\"\nval q = \"1\" + x\n"
                      "deps += \"o\" % \"x\" % x\ndeps += \"o\" % \"z\" % z\ndeps += \"o\" % \"a\" % a\n"
                      "deps += \"o\" % \"two\" % two\ndeps += \"o\" % \"w\" % w\ndeps += \"o\" % \"q\" % q\n"
                      "deps += org %% \"b\" % y\nval org = \"com.example\"\n"},
        {"sub/build.sbt", "val x = \"2\"\ndeps += \"o\" % \"sx\" % x\ndeps += \"o\" % \"sy\" % y\n"},
    };
    CHECK_REPO(files, "build.sbt: o:x 1 (runtime)\nbuild.sbt: o:z (runtime)\nbuild.sbt: o:a (runtime)\n"
                      "build.sbt: o:two (runtime)\nbuild.sbt: o:w (runtime)\nbuild.sbt: o:q (runtime)\n"
                      "build.sbt: com.example:b 1 (runtime)\n"
                      "sub/build.sbt: o:sx 2 (runtime)\nsub/build.sbt: o:sy 1 (runtime)\n");
}

/* A name that is given thousands of times, each time by itself: that has an end. */
static void test_values_without_end(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static const char use[] = "deps += \"o\" % \"a\" % a\n";
    static const char line[] = "val a = s\"$a$a\"\n";
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    char *text = rb_arena_alloc(arena, MANY * sizeof line + 64);
    for (size_t i = 0; i < MANY; i++)
        memcpy(text + i * (sizeof line - 1), line, sizeof line);
    memcpy(text + MANY * (sizeof line - 1), use, sizeof use);
    const struct repo_file files[] = {{"build.sbt", text}};
    repo_scan(&scan, arena, files, 1, false);
    assert_string_equal(repo_text(&scan), "build.sbt: o:a (runtime)\n");
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_build),
        cmocka_unit_test(test_names_in_the_registry),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_values_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
