/* Maven and Gradle: what the files of a repository say of each other. */
#include "tests/unit/scanner_files.h"

#define DEPENDENCY(group, artifact, rest) \
    "<dependency><groupId>" group "</groupId><artifactId>" artifact "</artifactId>" rest "</dependency>"

static void test_maven_parents_and_properties(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    /* The grandparent's property is overridden in between; the middle one is found by relativePath. */
    READ_FILES(
        scan, arena,
        {"pom.xml",
         "<project><groupId>o</groupId><artifactId>top</artifactId><version>5</version>"
         "<properties><a.v>1</a.v><b.v>${a.v}.1</b.v></properties>"
         "<licenses><license><name>Apache-2.0</name></license></licenses>"
         "<dependencyManagement><dependencies>" DEPENDENCY("g", "managed",
                                                           "<version>${b.v}</version><scope>test</scope>")
             DEPENDENCY(
                 "o", "bill",
                 "<version>5</version><type>pom</type><scope>import</scope>") "</dependencies></"
                                                                              "dependencyManagement><build><"
                                                                              "pluginManagement><plugins><"
                                                                              "plugin>"
                                                                              "<artifactId>maven-jar-plugin</"
                                                                              "artifactId><version>3.4</"
                                                                              "version></plugin></plugins>"
                                                                              "</pluginManagement></"
                                                                              "build><modules><module>m</"
                                                                              "module></modules></project>"},
        {"build/middle.xml", NULL},
        {"middle/pom.xml", "<project><parent><groupId>o</groupId><artifactId>top</artifactId>"
                           "<version>5</version></parent><artifactId>middle</artifactId>"
                           "<properties><a.v>2</a.v></properties></project>"},
        {"bill/pom.xml",
         "<project><groupId>o</groupId><artifactId>bill</artifactId><version>5</version>"
         "<properties><x.v>9</x.v></properties><dependencyManagement><dependencies>" DEPENDENCY(
             "g", "billed", "<version>${x.v}</version>") "</dependencies></dependencyManagement>"
                                                         "</project>"},
        {"m/pom.xml",
         "<project><parent><groupId>o</groupId><artifactId>middle</artifactId>"
         "<version>5</version><relativePath>../middle</relativePath></parent>"
         "<artifactId>m</artifactId><properties><start-class>o.Main</start-class></properties>"
         "<dependencies>" DEPENDENCY("g", "managed", "") DEPENDENCY("g", "billed", "") DEPENDENCY(
             "g", "own",
             "<version>${a.v}</version><scope>provided</scope>") DEPENDENCY("g", "range",
                                                                            "<version>[1,2)</version>")
             DEPENDENCY("g", "nowhere", "") DEPENDENCY("g", "odd", "<version>${none}</version>") DEPENDENCY(
                 "${project.groupId}", "bill",
                 "<version>${project.version}</version>") "</"
                                                          "dependencies><build><plugins><plugin><artifactId>"
                                                          "maven-jar-plugin</artifactId>"
                                                          "<dependencies>" DEPENDENCY(
                                                              "g", "inner",
                                                              "<version>4</version>") "</dependencies></"
                                                                                      "plugin></plugins></"
                                                                                      "build></project>"});
    assert_string_equal(
        found_in(&scan, "m/pom.xml"),
        "o:middle 5=5 build local; g:managed 2.1=2.1 test; g:billed 9=9 runtime; g:own 2=2 build; "
        "g:range [1,2)= runtime; g:nowhere = runtime; g:odd ${none}= runtime; o:bill 5=5 runtime local; "
        "org.apache.maven.plugins:maven-jar-plugin 3.4=3.4 build; g:inner 4=4 build");
    assert_string_equal(packages_in(&scan),
                        "o:top 5 Apache-2.0 []; o:bill 5  []; o:m 5  [=o.Main]; o:middle 5  []");
    assert_int_equal(scan.sheet.members, 1);
    rb_arena_free(arena);
}

/* Parents that are each other's parents, and bills of material that import themselves, come to an end. */
static void test_maven_circles(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena,
        {"pom.xml",
         "<project><parent><groupId>o</groupId><artifactId>a</artifactId><relativePath>a</relativePath>"
         "</parent><groupId>o</groupId><artifactId>b</artifactId><dependencies>" DEPENDENCY(
             "g", "x", "<version>${v}</version>") DEPENDENCY("g", "y", "") "</dependencies></project>"},
        {"a/pom.xml",
         "<project><parent><groupId>o</groupId><artifactId>b</artifactId></parent><groupId>o</groupId>"
         "<artifactId>a</artifactId><dependencyManagement><dependencies>" DEPENDENCY("o", "b",
                                                                                     "<scope>import</scope>")
             DEPENDENCY("o", "a",
                        "<scope>import</scope>") "</dependencies></dependencyManagement></project>"});
    assert_non_null(strstr(found_in(&scan, "pom.xml"), "g:x ${v}= runtime; g:y = runtime"));
    rb_arena_free(arena);
}

static void test_maven_profiles(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena,
        {"pom.xml",
         "<project><groupId>o</groupId><artifactId>a</artifactId><profiles><profile><activation>"
         "<activeByDefault>true</activeByDefault></activation><properties><v>1</v></properties></profile>"
         "<profile><properties><v>2</v><w>3</w></properties><modules><module>x</module></modules>"
         "<dependencies>" DEPENDENCY("g", "p", "<version>${v}</version>") DEPENDENCY(
             "g", "q",
             "<version>${w}</version><optional>true</optional>") "</dependencies></profile></profiles>"
                                                                 "<build><plugins><plugin><groupId>c</"
                                                                 "groupId><artifactId>compiler</"
                                                                 "artifactId><version>1</version>"
                                                                 "<configuration><annotationProcessorPaths><"
                                                                 "path><groupId>l</"
                                                                 "groupId><artifactId>lombok</artifactId>"
                                                                 "<version>1.18</version></path></"
                                                                 "annotationProcessorPaths></configuration></"
                                                                 "plugin></plugins></build>"
                                                                 "</project>"});
    assert_string_equal(
        found_in(&scan, NULL),
        "c:compiler 1=1 build; l:lombok 1.18=1.18 build; g:p 1=1 runtime; g:q ${w}= optional");
    assert_int_equal(scan.sheet.members, 1);
    rb_arena_free(arena);
}

static void test_gradle_names_of_other_files(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena, {"gradle.properties", "# comment\nspringVersion=6.1\norg.gradle.jvmargs = -Xmx1g\n"},
        {"gradle/dependencies.gradle", "ext {\n versions = [:]\n libs = [:]\n}\nversions += [\n  jackson: "
                                       "\"2.16\", // why\n  slf4jApi: '1.7'\n]\n"
                                       "libs += [\n  databind: \"j:databind:$versions.jackson\",\n  "
                                       "slf4jApi: \"s:api:$versions.slf4jApi\"\n]\n"},
        {"buildSrc/src/main/kotlin/Dependencies.kt",
         "object Versions {\n    const val ok: String = \"4.12\"\n}\nobject Deps {\n"
         "    const val okhttp = \"q:okhttp:${Versions.ok}\"\n    object Test { const val x = \"no\" }\n}\n"},
        {"app/build.gradle",
         "apply plugin: 'java'\ndependencies {\n  implementation libs.databind, libs.slf4jApi\n"
         "  implementation Deps.okhttp\n  api \"sp:core:${springVersion}\"\n"
         "  api 'sp:web:' + springVersion\n  api group: 'sp', name: 'map', version: springVersion\n"
         "  runtimeOnly \"u:u:$unknown\"\n  shadowed 'z:z:1'\n  implementation project(':x')\n"
         "  implementation project.nothing\n  exclude group: 'no', module: 'no'\n}\n"
         "configurations.all { force 'no:no:1' }\n"});
    assert_string_equal(
        found_in(&scan, "app/build.gradle"),
        "j:databind 2.16= runtime; s:api 1.7= runtime; q:okhttp 4.12= runtime; sp:core 6.1= runtime; "
        "sp:web 6.1= runtime; sp:map 6.1= runtime; u:u $unknown= runtime; z:z 1= runtime");
    rb_arena_free(arena);
}

static void test_gradle_catalogues(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    /* Two of them, one named by the settings; a build of its own below has another "libs". */
    READ_FILES(
        scan, arena,
        {"settings.gradle.kts", "pluginManagement {\n plugins {\n  id(\"p.q\") version \"7\"\n }\n}\nplugins "
                                "{\n id(\"s.t\") version \"8\"\n}\n"
                                "rootProject.name = \"shop\"\ndependencyResolutionManagement {\n "
                                "versionCatalogs {\n  create(\"deps\") {\n"
                                "   from(files(\"gradle/other.versions.toml\"))\n  }\n  create(\"made\") {\n "
                                "  version(\"v\", \"3\")\n"
                                "   library(\"one\", \"m:one:1\")\n   library(\"two-x\", \"m\", "
                                "\"two\").versionRef(\"v\")\n  }\n }\n}\n"
                                "include(\":app\", \":core\")\ninclude(\n  \":web\",\n)\n"},
        {"gradle/libs.versions.toml",
         "[versions]\nk = \"1.9\"\n[libraries]\na-b = \"g:a:1\"\nun = \"g:un:1\"\n"
         "[plugins]\nmine = { id = \"my.own\", version = \"unspecified\" }\n"
         "kt = { id = \"k.t\", version.ref = \"k\" }\n"},
        {"gradle/other.versions.toml", "[libraries]\nz = \"g:z:2\"\n"},
        {"sub/gradle/libs.versions.toml", "[libraries]\na-b = \"g:a:9\"\n"},
        {"build-logic/build.gradle.kts", "gradlePlugin {\n plugins {\n  register(\"x\") {\n"
                                         "   id = libs.plugins.mine.get().pluginId\n  }\n }\n}\n"},
        {"app/build.gradle.kts",
         "plugins {\n alias(libs.plugins.kt)\n alias(libs.plugins.mine) apply false\n id(\"p.q\")\n "
         "`java-library`\n}\n"
         "version = \"4\"\ndependencies {\n implementation(\n  libs.a.b,\n )\n testImplementation(deps.z)\n"
         " ksp(made.one)\n kaptTest(made.two.x)\n \"own\"(libs.a.b)\n implementation(libs.nothing)\n"
         " implementation(\"v:v\") {\n  version { strictly(\"5\") }\n }\n constraints {\n  api(\"c:c:6\")\n "
         "}\n"
         " debugImplementation(\"d:d:1\")\n add(\"kapt\", \"e:e:${libs.versions.k.get()}\")\n}\n"
         "application {\n mainClass = \"shop.Main\"\n}\n"},
        {"sub/settings.gradle", "\n"}, {"sub/build.gradle", "dependencies { api libs.a.b }\n"});
    assert_string_equal(found_in(&scan, "app/build.gradle.kts"),
                        "k.t 1.9= build; my.own = build local; p.q 7= build; g:a 1= runtime; g:z 2= test; "
                        "m:one 1= build; m:two 3= build; "
                        "v:v 5= runtime; c:c 6= runtime offered; d:d 1= dev; e:e 1.9= build");
    assert_string_equal(found_in(&scan, "sub/build.gradle"), "g:a 9= runtime");
    assert_string_equal(found_in(&scan, "settings.gradle.kts"), "s.t 8= build");
    assert_string_equal(found_in(&scan, "gradle/libs.versions.toml"), "g:un 1= runtime offered");
    assert_string_equal(packages_in(&scan), "app 4  [=shop.Main]; build-logic   []; sub   []");
    assert_int_equal(scan.sheet.members, 3);
    rb_arena_free(arena);
}

static void test_gradle_locks(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena,
        {"build.gradle", "plugins {\n id 'p.p' version '1'\n}\ndependencies {\n implementation 'g:a:[1,2)'\n"
                         " testImplementation 'g:t'\n}\n"},
        {"gradle.lockfile", "# This is a Gradle generated file\ng:a:1.7=compileClasspath,runtimeClasspath\n"
                            "g:t:3=testCompileClasspath,testRuntimeClasspath\ng:u:4=testRuntimeClasspath\n"
                            "g:w:5=annotationProcessor\nempty=\n"},
        {"buildscript-gradle.lockfile", "p.p:p.p.gradle.plugin:1=classpath\n"});
    assert_string_equal(found_in(&scan, NULL),
                        "p.p 1= build; g:a [1,2)=1.7 runtime; g:t =3 test; g:u =4 test indirect; "
                        "g:w =5 build indirect; p.p:p.p.gradle.plugin =1 build indirect");
    rb_arena_free(arena);
}

/* Texts that nest, repeat or never end. */
static void test_gradle_names_end(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(scan, arena, {"gradle.properties", "a=$b$b$b\nb=$a$a$a\n"},
               {"build.gradle", "x = [[[[ y: [ z: ((( {{{ \"${\ndependencies {\n implementation \"g:a:$a\"\n"
                                " implementation(\"g:b:${c\")\n implementation(libs.\n"});
    for (size_t i = 0; i < scan.sheet.count; i++)
        assert_true(strlen(scan.sheet.items[i].requirement) <= RB_SCAN_NAME_MAX);
    assert_non_null(find_dependency(&scan.sheet, "g:a"));
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maven_parents_and_properties),
        cmocka_unit_test(test_maven_circles),
        cmocka_unit_test(test_maven_profiles),
        cmocka_unit_test(test_gradle_names_of_other_files),
        cmocka_unit_test(test_gradle_catalogues),
        cmocka_unit_test(test_gradle_locks),
        cmocka_unit_test(test_gradle_names_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
