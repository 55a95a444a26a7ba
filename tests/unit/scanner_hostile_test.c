/* What somebody would commit to harm a scanner: bombs, depth, garbage, bytes that are no text. */
#include "scanner/text.h"
#include "scanner/toml.h"
#include "scanner/tree.h"
#include "tests/unit/scanner_help.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static char *repeat(struct rb_arena *arena, const char *piece, size_t times)
{
    size_t len = strlen(piece), total = len * times;
    char *text = rb_arena_alloc(arena, total + 1);
    for (size_t i = 0; i < total; i++)
        text[i] = piece[i % len];
    return text;
}

static rb_err read_wrapped(const char *path, const char *before, const char *piece, size_t times,
                           const char *after)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    const char *text = rb_arena_printf(arena, "%s%s%s", before, repeat(arena, piece, times), after);
    rb_err err = read_manifest(&sheet, arena, path, text);
    rb_arena_free(arena);
    return err;
}

static void test_xml_bombs_are_refused(void **state)
{
    (void)state;
    static const char *const bombs[] = {
        "<!DOCTYPE p [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
        "\"&a;&a;&a;&a;&a;\">]><project><version>&b;</version></project>",
        "<!DOCTYPE project SYSTEM \"file:///etc/passwd\"><project/>",
        "<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><project><name>&x;</name></project>",
    };
    for (size_t i = 0; i < COUNT(bombs); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        assert_int_equal(read_manifest(&sheet, arena, "pom.xml", bombs[i]), RB_EINVAL);
        assert_non_null(strstr(rb_error_text(), "document type"));
        rb_arena_free(arena);
    }
    /* In UTF-16 the words cannot be found as bytes. */
    static const char plain[] = "<!DOCTYPE p [<!ENTITY a \"x\">]><project/>";
    char wide[2 + 2 * sizeof plain] = "\xff\xfe";
    for (size_t i = 0; i + 1 < sizeof plain; i++)
        wide[2 + 2 * i] = plain[i];
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    rb_scan_sheet_init(&sheet, arena);
    assert_int_equal(rb_maven_parse(&sheet, wide, 2 * sizeof plain), RB_EINVAL);
    rb_arena_free(arena);
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *path, *before, *piece, *after;
    } cases[] = {
        {"package.json", "", "[", ""},
        {"package.json", "", "{\"a\":", ""},
        {"Cargo.toml", "a = ", "[", ""},
        {"Cargo.toml", "a = ", "{a=", ""},
        {"Cargo.toml", "a", ".a", " = 1"},
        {"Cargo.toml", "[a", ".a", "]"},
        {"Cargo.toml", "x = 1\n[\"q\"", ".\"q\"", "]"},
        {"pom.xml", "<project>", "<a>", ""},
        {"x.csproj", "<Project>", "<a>", ""},
        {".github/workflows/a.yml", "a: ", "[", ""},
        {"Gemfile", "", "group :a do\n", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (read_wrapped(cases[i].path, cases[i].before, cases[i].piece, 100000, cases[i].after) != RB_EINVAL)
            fail_msg("case %zu was read", i);
    }
}

static void test_toml_depth_sees_through_strings(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "a = \"................................\"",
        "a = '................................'",
        "a = \"\"\"\n................\n..................\"\"\"\nb = 1",
        "a = \"\\\"...................\"",
        "# ...............................\n[a.b.c.d]",
        "v = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]",
        "a = '''x\"\"\"'''\nb = \"................................\"",
        "a = \"\"\"x\"\"\"\"\"\nb = \"...................\"",
    };
    for (size_t i = 0; i < COUNT(fine); i++)
        assert_true(rb_toml_is_tame(fine[i], strlen(fine[i])));
    static const char deep[] = "a = \"x\" # y\nb.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b = 1";
    assert_false(rb_toml_is_tame(deep, sizeof deep - 1));
}

/* Texts on which toml++ breaks its own assertions: it must say no, and the process must live. */
static void test_toml_cannot_end_the_process(void **state)
{
    (void)state;
    static const char *const bad[] = {"[$",
                                      "[a.$]",
                                      "[[$]]",
                                      "a.$ = 1",
                                      "[\"a\".",
                                      "a = {$ = 1}",
                                      "a = {b.$ = 1}",
                                      "[\xc3\xb6]",
                                      "[a.\xc3\xb6]",
                                      "a = 1\xc3\xb6",
                                      "\xe2\xbb\x9e = 1",
                                      "a\xef\xab\x86",
                                      "[\xff]",
                                      "a = 1\n[\n",
                                      "[ .a]",
                                      "a = [1,,]",
                                      "a = +",
                                      "a = 0x",
                                      "a = 1e"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        json_t *document;
        if (rb_toml_parse(&document, bad[i], strlen(bad[i])) != RB_EINVAL)
            fail_msg("\"%s\" was read", bad[i]);
        assert_null(document);
    }
    /* A date that toml++ would look ahead over for longer than it can look back. */
    assert_int_equal(read_wrapped("Cargo.toml", "a = 2020-01", "_", 117, "-01 12:00:00"), RB_EINVAL);
    assert_int_equal(read_wrapped("Cargo.toml", "a = 2020-01", "_", 116, "-01 1"), RB_EINVAL);
    assert_int_equal(read_wrapped("Cargo.toml", "a = ", "1", 1000, ""), RB_EINVAL);
}

static void test_long_lines_and_many_of_them(void **state)
{
    (void)state;
    assert_int_equal(read_wrapped("requirements.txt", "", "a", 1000000, "\n"), RB_OK);
    assert_int_equal(read_wrapped("requirements.txt", "a", "[x", 300000, "\n"), RB_OK);
    assert_int_equal(read_wrapped("Gemfile", "gem '", "a", 1000000, ""), RB_OK);
    assert_int_equal(read_wrapped("build.gradle", "implementation '", "a:", 400000, "'"), RB_OK);
    assert_int_equal(read_wrapped("build.gradle", "", "implementation group: ", 40000, ""), RB_OK);
    assert_int_equal(read_wrapped("go.mod", "module x\n", "require a v1\n", 80000, ""), RB_OK);
    assert_int_equal(read_wrapped("setup.cfg", "[options]\ninstall_requires=\n", " a\n", 300000, ""), RB_OK);
}

static void test_dependencies_are_bounded(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    assert_int_equal(read_manifest(&sheet, arena, "requirements.txt", repeat(arena, "a\n", 20000)), RB_OK);
    assert_int_equal(sheet.count, RB_SCAN_DEPENDENCIES_MAX);
    assert_true(sheet.truncated);
    rb_arena_free(arena);
}

/* Where a library's time grows with the square of something, too much of it is refused. */
static void test_squares_are_refused(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    const char *attributes = "", *tags = "", *tables = "";
    char *many = rb_arena_alloc(arena, 1000000), *at = many;
    for (int i = 0; i < 40000; i++)
        at += snprintf(at, 24, "a%d=\"\" ", i);
    attributes = rb_arena_printf(arena, "<project %s/>", many);
    assert_int_equal(read_manifest(&sheet, arena, "pom.xml", attributes), RB_EINVAL);
    at = many;
    for (int i = 0; i < 30000; i++)
        at += snprintf(at, 24, "%%TAG !a%d! x\n", i);
    tags = rb_arena_printf(arena, "%s---\na: b\n", many);
    assert_int_equal(read_manifest(&sheet, arena, ".github/workflows/a.yml", tags), RB_EINVAL);
    at = many;
    for (int i = 0; i < 30000; i++)
        at += snprintf(at, 24, "[a%d.b]\n", i);
    tables = many;
    assert_int_equal(read_manifest(&sheet, arena, "Cargo.toml", tables), RB_EINVAL);
    /* Nor does another encoding get around it. */
    assert_int_equal(
        read_manifest(&sheet, arena, "pom.xml", "<?xml version='1.0' encoding='UTF-7'?>+ADw-project/+AD4-"),
        RB_EINVAL);
    char wide[80000] = "\xff\xfe";
    rb_scan_sheet_init(&sheet, arena);
    assert_int_equal(rb_nuget_parse(&sheet, wide, sizeof wide), RB_EINVAL);
    rb_arena_free(arena);
}

/* Project files come in the encodings of their time. */
static void test_xml_encodings(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    static const char *const texts[] = {
        "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><packages><package id=\"A\" "
        "version=\"1\"/></packages>",
        "<?xml version=\"1.0\" encoding=\"windows-1252\"?><!-- \xe9 --><packages><package id=\"A\" "
        "version=\"1\"/></packages>",
        "<?xml version=\"1.0\" encoding=\"utf-16\"?><packages><package id=\"A\" version=\"1\"/></packages>",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(read_manifest(&sheet, arena, "packages.config", texts[i]), RB_OK);
        assert_int_equal(sheet.count, 1);
        assert_string_equal(sheet.items[0].name, "A");
    }
    char wide[400] = "\xff\xfe";
    for (size_t i = 0; texts[2][i]; i++)
        wide[2 + 2 * i] = texts[2][i];
    rb_scan_sheet_init(&sheet, arena);
    assert_int_equal(rb_nuget_parse(&sheet, wide, 2 + 2 * strlen(texts[2])), RB_OK);
    assert_int_equal(sheet.count, 1);
    rb_arena_free(arena);
}

/* One long property that thousands ask for must not become gigabytes. */
static void test_xml_text_is_bounded(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    const char *text = rb_arena_printf(
        arena,
        "<project><properties><a>%s</a><b><c>x</c></b></properties><dependencies>%s</dependencies></project>",
        repeat(arena, "v", 500000),
        repeat(arena, "<dependency><artifactId>${a}${b}</artifactId><version>${a}</version></dependency>",
               16000));
    assert_int_equal(read_manifest(&sheet, arena, "pom.xml", text), RB_OK);
    assert_int_equal(sheet.count, RB_SCAN_DEPENDENCIES_MAX);
    assert_string_equal(sheet.items[0].name, ":${a}${b}");
    assert_string_equal(sheet.items[0].requirement, "${a}");
    rb_arena_free(arena);
}

/* The same for what can be named in other formats. */
static void test_long_values_are_not_copied_about(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    const char *value = repeat(arena, "v://", 125000);
    assert_int_equal(read_manifest(&sheet, arena, "build.gradle",
                                   rb_arena_printf(arena, "a = '%s'\n%s", value,
                                                   repeat(arena, "implementation \"g:a:$a\"\n", 15000))),
                     RB_OK);
    assert_string_equal(sheet.items[4999].requirement, "$a");
    assert_int_equal(
        read_manifest(&sheet, arena, "go.mod",
                      rb_arena_printf(arena, "module x\n%sreplace a => %s\n",
                                      repeat(arena, "require a v1\n", 20000), repeat(arena, "v", 500000))),
        RB_OK);
    assert_string_equal(sheet.items[4999].requirement, "v1");
    assert_int_equal(
        read_manifest(&sheet, arena, "gradle/libs.versions.toml",
                      rb_arena_printf(arena,
                                      "[libraries]\na = { group = \"g\", name = \"a\", version = \"%s\" }\n"
                                      "[bundles]\nb = [%s]\n",
                                      value, repeat(arena, "\"a\",", 20000))),
        RB_OK);
    assert_int_equal(sheet.count, 1);
    assert_string_equal(sheet.items[0].requirement, "");
    assert_int_equal(
        read_manifest(&sheet, arena, "requirements.txt", rb_arena_printf(arena, "a @ %s\n", value)), RB_OK);
    assert_string_equal(sheet.items[0].requirement, "");
    rb_arena_free(arena);
}

static void test_maven_properties_end(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    assert_int_equal(
        read_manifest(&sheet, arena, "pom.xml",
                      "<project><properties><a>${b}</a><b>${a}</b><c>${c}${c}${c}</c></properties>"
                      "<dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId>"
                      "<version>${a}</version></dependency><dependency><groupId>g</groupId>"
                      "<artifactId>c</artifactId><version>${c}</version></dependency></dependencies>"
                      "</project>"),
        RB_OK);
    assert_int_equal(sheet.count, 2);
    assert_true(strlen(sheet.items[1].requirement) <= RB_SCAN_NAME_MAX);
    rb_arena_free(arena);
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    static const struct {
        const char *in;
        size_t max;
        const char *out;
    } cases[] = {
        {"plain", 99, "plain"},
        {"\xc3\xa9", 99, "\xc3\xa9"},
        {"a\xff\xfe", 99, "a\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\x80", 99, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {"\xed\xa0\x80", 99, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x90\x80\x80", 6, "\xef\xbf\xbd\xef\xbf\xbd"},          /* beyond Unicode */
        {"tab\there\n", 99, "tab here "},
        {"abcdef", 3, "abc"},
        {"ab\xc3\xa9", 3, "ab"}, /* no half character */
        {"\xe2\x82", 99, "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(rb_text_clean(arena, cases[i].in, strlen(cases[i].in), cases[i].max),
                            cases[i].out);
    assert_string_equal(rb_text_clean(arena, "a\0b", 3, 99), "a b");
    assert_true(rb_text_has("[{(", '('));
    assert_false(rb_text_has("[{(", 0)); /* strchr() finds the end of the set */
    rb_arena_free(arena);
}

static void test_a_profile_of_garbage_is_valid_json(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    const struct made_file files[] = {
        {"\xff\xfe/package.json", 10},
        {"\xff\xfe/README\xc3", 10},
        {"a\n\"b\\/requirements.txt", 10},
        {"d\xe9/main.c", INT64_MAX / 4},
        {"README.\xff", 10},
        {rb_arena_printf(arena, "%s/main.py", repeat(arena, "x", 3000)), 5},
        {"neg.c", -1},
    };
    struct rb_tree tree = make_tree(files, COUNT(files), arena);
    struct rb_scan scan;
    rb_scan_survey(&scan, &tree, arena);
    for (size_t i = 0; i < scan.manifest_count; i++)
        rb_scan_read(&scan, i, "{\"dependencies\":{\"\xff\":\"1\"}}", 27);
    json_t *profile = rb_scan_profile(&scan, "a/\xff");
    char *text = json_dumps(profile, JSON_COMPACT);
    assert_non_null(text); /* jansson refuses text that is not UTF-8 */
    json_t *again = json_loads(text, 0, NULL);
    assert_true(json_equal(profile, again));
    assert_int_equal(json_array_size(json_object_get(profile, "manifests")), 2);
    json_t *structure = json_object_get(profile, "structure");
    size_t i;
    json_t *top;
    json_array_foreach(json_object_get(structure, "top"), i, top)
        assert_true(json_is_string(json_object_get(top, "path")));
    free(text);
    json_decref(again);
    json_decref(profile);
    rb_arena_free(arena);
}

/* Every parser on cut-off and flipped versions of a good text: anything but a crash is fine, RB_EINVAL or
 * RB_OK. */
static void test_cut_and_flipped_manifests(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text;
    } good[] = {
        {"package.json", "{\"dependencies\":{\"a\":\"npm:@b/c@1\"},\"workspaces\":{\"packages\":[\"x\"]}}"},
        {"pyproject.toml",
         "[project]\ndependencies=[\"a[b]>=1;x\"]\n[tool.poetry.dependencies]\nb={version='1'}\n"},
        {"requirements.txt", "a[b]==1 ; c --hash=x\n-e git+https://u@h/x#egg=y\nz @ https://q/w ; m\n(\\\n"},
        {"setup.cfg", "[options]\ninstall_requires =\n a\n[options.extras_require]\nx: y\n"},
        {"go.mod", "module \"x\"\nrequire (\n a v1 // indirect\n)\nreplace a => ../b\ntool a/b\n"},
        {"Cargo.toml", "[dependencies]\na={package='b',version='1'}\n[target.'x'.dependencies]\nc='2'\n"},
        {"pom.xml",
         "<project><parent><artifactId>a</artifactId></parent><dependencies><dependency><artifactId>"
         "${x}</artifactId></dependency></dependencies></project>"},
        {"build.gradle",
         "def v='1'\nimplementation \"a:b:${v}\"\nid('x.y') version \"$v\"\n/* */ api group:'a',name:'b'\n"},
        {"gradle/libs.versions.toml", "[libraries]\na={module='g:a',version.ref='x'}\nb='g:b:1'\n"},
        {"composer.json", "{\"require\":{\"a/b\":\"^1\"}}"},
        {"Gemfile", "group :test do\n gem 'a', '~> 1', group: [:test]\nend\ngem \"b\", :groups => :x\n"},
        {"a.gemspec", "s.add_dependency('a', ['~> 1', '>= 2'])\n"},
        {"a.csproj",
         "<Project Sdk='a/1'><PropertyGroup><v>$(v)</v></PropertyGroup><ItemGroup><PackageReference "
         "Include='a' Version='$(v)'/></ItemGroup></Project>"},
        {".github/workflows/a.yml", "jobs:\n a:\n  steps:\n  - uses: a/b@c\n"},
    };
    size_t read = 0;
    for (size_t i = 0; i < COUNT(good); i++) {
        size_t len = strlen(good[i].text);
        for (size_t at = 0; at <= len; at++) {
            static const unsigned char flips[] = {0, '"', '\n', '[', 0xff, '$', '('};
            for (size_t k = 0; k <= COUNT(flips); k++) {
                struct rb_arena *arena = rb_arena_new();
                struct rb_scan_sheet sheet;
                char *text = rb_arena_strndup(arena, good[i].text, k < COUNT(flips) ? len : at);
                if (k < COUNT(flips) && at < len)
                    text[at] = (char)flips[k];
                size_t text_len = k < COUNT(flips) ? len : at;
                /* exact memory, so that a sanitizer sees one byte too far */
                char *exact = rb_malloc(text_len + 1);
                memcpy(exact, text, text_len);
                exact[text_len] = 0;
                const struct rb_scan_format *format = rb_scan_format_of(good[i].path);
                rb_scan_sheet_init(&sheet, arena);
                sheet.manifest = good[i].path;
                sheet.ecosystem = format->ecosystem;
                rb_err err = format->parse(&sheet, exact, text_len);
                assert_true(err == RB_OK || err == RB_EINVAL);
                for (size_t d = 0; d < sheet.count; d++)
                    assert_true(strlen(sheet.items[d].name) > 0);
                read += err == RB_OK;
                free(exact);
                rb_arena_free(arena);
            }
        }
    }
    assert_true(read > 1000);
}

static void test_credentials_never_pass(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    rb_scan_sheet_init(&sheet, arena);
    const char *token = repeat(arena, "s3cret", 200);
    /* Nor do they pass in what is said about a text that cannot be read. */
    json_t *document;
    assert_int_equal(rb_json_parse(&document, "{\"a\": \"https://u:s3cret@h/x\" \"s3cret\"}", 38), RB_EINVAL);
    assert_null(strstr(rb_error_text(), "s3cret"));
    const char *two = "a https://u:s3cret@h/x?key=s3cret#y or ssh://s3cret@h/z";
    assert_string_equal(rb_scan_requirement(&sheet, two, strlen(two)), "a https://h/x#y or ssh://h/z");
    static const char *const forms[] = {"https://%s@h/x", "git+https://u:%s@h/x", "@ https://u:p%%40%s@h/x#y",
                                        "ssh://git:%s@h:22/x"};
    for (size_t i = 0; i < COUNT(forms); i++) {
        char text[4096];
        const char *at = strstr(forms[i], "%s");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - forms[i]), forms[i], token, at + 2);
        const char *clean = rb_scan_requirement(&sheet, text, strlen(text));
        assert_null(strstr(clean, "s3cret"));
        assert_non_null(strstr(clean, "://h"));
    }
    assert_string_equal(rb_scan_requirement(&sheet, " ^1.0 ", 6), "^1.0");
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_bombs_are_refused),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_toml_depth_sees_through_strings),
        cmocka_unit_test(test_toml_cannot_end_the_process),
        cmocka_unit_test(test_long_lines_and_many_of_them),
        cmocka_unit_test(test_dependencies_are_bounded),
        cmocka_unit_test(test_squares_are_refused),
        cmocka_unit_test(test_xml_encodings),
        cmocka_unit_test(test_xml_text_is_bounded),
        cmocka_unit_test(test_long_values_are_not_copied_about),
        cmocka_unit_test(test_maven_properties_end),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_a_profile_of_garbage_is_valid_json),
        cmocka_unit_test(test_cut_and_flipped_manifests),
        cmocka_unit_test(test_credentials_never_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
