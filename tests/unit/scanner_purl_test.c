/* Package URLs, YAML as a tree, and that time and memory grow with the size of what is read only. */
#include "tests/unit/scanner_help.h"

#include "scanner/purl.h"
#include "scanner/yaml.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- package URLs -------------------------------------------------------------------------------------- */

/* Those of the specification's own examples are written as it writes them. */
static void test_package_urls(void **state)
{
    (void)state;
    static const struct {
        const char *ecosystem, *name, *requirement, *version, *purl;
    } rows[] = {
        {"npm", "@angular/animation", "12.3.1", "", "pkg:npm/%40angular/animation@12.3.1"},
        {"npm", "foobar", "^12.3.0", "12.3.1", "pkg:npm/foobar@12.3.1"},
        {"npm", "foobar", "^12.3.0", "", "pkg:npm/foobar"},
        {"npm", "foobar", "12.3", "", "pkg:npm/foobar"},
        {"npm", "foobar", "1.x.0", "", "pkg:npm/foobar"},
        {"npm", "foobar", "github:Acme/Foo.Bar#v1", "", "pkg:github/acme/foo.bar@v1"},
        {"npm", "foobar", "github:Acme/Foo.Bar#semver:^1", "", "pkg:github/acme/foo.bar"},
        {"pypi", "Django_allauth", "==12.23", "", "pkg:pypi/django-allauth@12.23"},
        {"pypi", "x", "==1.*", "", "pkg:pypi/x"},
        {"pypi", "x", "@ git+https://github.com/A/b.git@v1", "", "pkg:github/a/b@v1"},
        {"go", "github.com/BurntSushi/toml/v2", "v1.0.0", "",
         "pkg:golang/github.com/burntsushi/toml/v2@v1.0.0"},
        {"cargo", "rand", "=0.7.2", "", "pkg:cargo/rand@0.7.2"},
        {"cargo", "rand", "0.7.2", "", "pkg:cargo/rand"},
        {"maven", "org.apache.xmlgraphics:batik-anim", "1.9.1", "",
         "pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1"},
        {"maven", "a:b", "[1,2)", "", "pkg:maven/a/b"},
        {"maven", "org.x.y", "1.0", "", "pkg:maven/org.x.y/org.x.y.gradle.plugin@1.0"},
        {"maven", "a:b", "${v}", "", "pkg:maven/a/b"},
        {"nuget", "EnterpriseLibrary.Common", "6.0.1304", "", "pkg:nuget/EnterpriseLibrary.Common@6.0.1304"},
        {"composer", "Laravel/Laravel", "5.5.0", "", "pkg:composer/laravel/laravel@5.5.0"},
        {"rubygems", "ruby-advisory-db-check", "= 0.12.4", "", "pkg:gem/ruby-advisory-db-check@0.12.4"},
        {"rubygems", "x", "~> 1.0", "", "pkg:gem/x"},
        {"hex", "jason", "~> 1.0", "1.1.2", "pkg:hex/jason@1.1.2"},
        {"hex", "h", "github A/h", "abc", "pkg:github/a/h@abc"},
        {"hex", "h", "git https://example.com/h", "abc", ""},
        {"pub", "characters", "1.2.0", "", "pkg:pub/characters@1.2.0"},
        {"swift", "github.com/Alamofire/Alamofire", "exact: \"5.4.3\"", "",
         "pkg:swift/github.com/Alamofire/Alamofire@5.4.3"},
        {"swift", "github.com/a/b", "from: \"5.4.3\"", "", ""},
        {"swift", "github.com/a/b", "from: \"5.4.3\"", "5.5.0", "pkg:swift/github.com/a/b@5.5.0"},
        {"swift", "mona.List", "", "", ""},
        {"cocoapods", "ShareKit/Twitter", "2.0", "", "pkg:cocoapods/ShareKit@2.0#Twitter"},
        {"cocoapods", "GoogleUtilities/NSData+zlib", "", "7.5.2",
         "pkg:cocoapods/GoogleUtilities@7.5.2#NSData%2Bzlib"},
        {"conda", "absl-py", "==0.4.1", "", "pkg:conda/absl-py@0.4.1"},
        {"conda", "x", "=1.2", "", "pkg:conda/x"},
        {"conan", "cctz", "2.3", "", "pkg:conan/cctz@2.3"},
        {"conan", "openssl", "3.0.3@bincrafters/stable", "",
         "pkg:conan/bincrafters/openssl@3.0.3?channel=stable"},
        {"vcpkg", "bzip2", "= 1.0.8", "", "pkg:vcpkg/bzip2@1.0.8"},
        {"docker", "cassandra", "latest", "", "pkg:docker/cassandra@latest"},
        {"docker", "smartentry/debian", "dc437cc87d10", "", "pkg:docker/smartentry/debian@dc437cc87d10"},
        {"docker", "gcr.io/customer/dockerimage", "1@sha256:244fd47e07d10", "",
         "pkg:docker/customer/dockerimage@sha256:244fd47e07d10?repository_url=gcr.io"},
        {"docker", "localhost:5000/x", "${TAG}", "", "pkg:docker/x?repository_url=localhost:5000"},
        {"github-actions", "Actions/checkout", "0123", "v4.1.7", "pkg:github/actions/checkout@v4.1.7"},
        {"github-actions", "a/b/.github/workflows/c d.yml", "main", "",
         "pkg:github/a/b@main#.github/workflows/c%20d.yml"},
        {"pre-commit", "psf/black", "24.1.0", "", "pkg:github/psf/black@24.1.0"},
        {"pre-commit", "gitlab.com/a/b", "1", "", ""},
        {"nix", "NixOS/nixpkgs", "nixos-24.05", "abc", "pkg:github/nixos/nixpkgs@abc"},
        {"nix", "gitlab:a/b", "", "def", ""},
        {"helm", "redis", "18.1.0", "", "pkg:helm/redis@18.1.0"},
        {"terraform", "hashicorp/aws", "~> 5.0", "5.31.0", "pkg:terraform/hashicorp/aws@5.31.0"},
        {"terraform", "terraform-aws-modules/vpc/aws", "5.1.2", "",
         "pkg:terraform/terraform-aws-modules/vpc/aws@5.1.2"},
        {"terraform", "github.com/A/b//sub", "v1", "", "pkg:github/a/b@v1#sub"},
        {"terraform", "bitbucket.org/A/b", "v1", "", "pkg:bitbucket/a/b@v1"},
        {"terraform", "git.example.com:8443/a/b", "v1", "", ""},
        {"cmake", "fmt", "https://github.com/fmtlib/fmt.git 10.2.1", "", "pkg:github/fmtlib/fmt@10.2.1"},
        {"cmake", "ZLIB", "", "", ""},
        {"nothing", "x", "1", "", ""},
        {"hex", "caf\xc3\xa9 @", "", "", "pkg:hex/caf%C3%A9%20%40"},
    };
    struct rb_arena *arena = rb_arena_new();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rb_scan_dependency item = {.ecosystem = rows[i].ecosystem,
                                          .name = rows[i].name,
                                          .requirement = rows[i].requirement,
                                          .version = rows[i].version,
                                          .kind = RB_KIND_RUNTIME,
                                          .manifest = ""};
        if (strcmp(rb_purl(arena, &item), rows[i].purl) != 0)
            fail_msg("%s %s %s: %s", rows[i].ecosystem, rows[i].name, rows[i].requirement,
                     rb_purl(arena, &item));
        item.local = true;
        assert_string_equal(rb_purl(arena, &item), "");
    }
    rb_arena_free(arena);
}

/* ---- YAML -----------------------------------------------------------------------------------------------
 */

static void test_yaml(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json; /* NULL: an error */
    } rows[] = {
        {"a: 1.10\nb: [~, null, '', \"null\"]\n", "{\"a\":\"1.10\",\"b\":[null,null,\"\",\"null\"]}"},
        {"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n",
         "{\"a\":{\"b\":\"1\",\"c\":\"2\"},\"d\":{\"b\":\"1\",\"c\":\"3\"}}"},
        {"a: &x\n  b: *x\n", "{\"a\":{\"b\":null}}"},
        {"", "null"},
        {"a: 1\n---\nb: 2\n", "{\"a\":\"1\"}"},
        {"? [a]\n: b\n", "{\"\":\"b\"}"},
        {"a: [\n", NULL},
        {"a: \"\xff\"\n", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *tree;
        rb_err err = rb_yaml_parse(&tree, rows[i].text, strlen(rows[i].text));
        assert_int_equal(err, rows[i].json ? RB_OK : RB_EINVAL);
        if (err) {
            assert_null(tree);
            continue;
        }
        char *text = json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY);
        if (strcmp(text, rows[i].json) != 0)
            fail_msg("%s is %s", rows[i].text, text);
        free(text);
        json_decref(tree);
    }
}

/* Nine times nine times …: a tree of aliases has no more memory than its text. */
static void test_yaml_aliases_cost_nothing(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    const char *text = "x0: &x0 [\"image\"]\n";
    for (int i = 1; i < 30; i++)
        text = rb_arena_printf(arena, "%sx%d: &x%d [*x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d]\n",
                               text, i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    struct rb_scan_sheet sheet;
    int64_t before = rb_clock_ms();
    assert_int_equal(read_manifest(&sheet, arena, "values.yaml", text), RB_OK);
    assert_int_equal(sheet.count, 0);
    assert_true(rb_clock_ms() - before < 2000);
    rb_arena_free(arena);
}

/* Time grows with size, not with its square: whatever repeats, however often, is read at once. */
static void test_large_files_end_soon(void **state)
{
    (void)state;
    static const char *const paths[] = {"Gemfile",
                                        "a.gemspec",
                                        "Gemfile.lock",
                                        "mix.exs",
                                        "mix.lock",
                                        "rebar.config",
                                        "rebar.lock",
                                        "pubspec.yaml",
                                        "Package.swift",
                                        "a/project.pbxproj",
                                        "Podfile",
                                        "a.podspec",
                                        "Podfile.lock",
                                        "environment.yml",
                                        "recipe/meta.yaml",
                                        "CMakeLists.txt",
                                        "vcpkg.json",
                                        "conanfile.txt",
                                        "conanfile.py",
                                        "conan.lock",
                                        "Dockerfile",
                                        "compose.yaml",
                                        "Chart.yaml",
                                        "values.yaml",
                                        "main.tf",
                                        ".terraform.lock.hcl",
                                        ".pre-commit-config.yaml",
                                        "action.yml",
                                        ".gitlab-ci.yml",
                                        "flake.nix",
                                        "composer.lock",
                                        "Package.resolved"};
    static const char *const pieces[] = {
        "\"",
        "(",
        "[",
        "{",
        "<<A\n",
        "gem 'a',\n",
        "gem 'a'\n",
        "FROM a\n",
        "RUN <<A\n",
        "a \\\n",
        "- a\n",
        "a: &a\n",
        "- &a *a\n",
        "[[",
        "#[[",
        "/*",
        "${",
        "#{",
        "\\(",
        "find_package(a ",
        "find_package(a)\n",
        "{:a, ",
        "def deps\n{:a, \"1\"},",
        "{deps,[{a,",
        "{<<\"a\">>,{pkg,",
        "    a (1)\n",
        "pod 'a', :git => ",
        "x.dependency 'a', ",
        ".package(url: \"a\", ",
        "module \"a\" { source = \"b/c/d\" }\n",
        "terraform { required_providers { a = {",
        "requirements:\n run:\n  - a\n",
        "%TAG ! !\n",
        "requires = 'a/1',\n",
        "COPY --from=a,from=",
        "ARG A=$A$A\nFROM $A\n",
        "/* Begin XCRemoteSwiftPackageReference section */ repositoryURL = a; requirement = {"};
    enum { LARGE = 200000 };
    char *text = rb_malloc(LARGE + 1);
    for (size_t i = 0; i < COUNT(paths); i++) {
        for (size_t k = 0; k < COUNT(pieces); k++) {
            struct rb_arena *arena = rb_arena_new();
            struct rb_scan_sheet sheet;
            size_t len = strlen(pieces[k]);
            for (size_t at = 0; at < LARGE; at += len)
                memcpy(text + at, pieces[k], len < LARGE - at ? len : LARGE - at);
            text[LARGE] = 0;
            int64_t before = rb_clock_ms();
            rb_err err = read_manifest(&sheet, arena, paths[i], text);
            int64_t took = rb_clock_ms() - before;
            assert_true(err == RB_OK || err == RB_EINVAL);
            /* Measured: 10 ms at most; with a search of the rest at each word it would be seconds. */
            if (took > 2000 || rb_arena_size(arena) > 32000000)
                fail_msg("%s of \"%s\": %lld ms, %zu bytes", paths[i], pieces[k], (long long)took,
                         rb_arena_size(arena));
            rb_arena_free(arena);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_package_urls),
        cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_yaml_aliases_cost_nothing),
        cmocka_unit_test(test_large_files_end_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
