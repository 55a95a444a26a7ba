/* What each manifest says: a table of texts as people write them, and the dependencies they hold. */
#include "tests/unit/scanner_help.h"

#define WANT_MAX 16
struct manifest_case {
    const char *path, *text;
    struct {
        const char *name, *requirement, *kind;
    } want[WANT_MAX]; /* these, and nothing else */
};

static const struct manifest_case npm_cases[] = {
    {"package.json",
     "{\"name\":\"x\",\"dependencies\":{\"express\":\"^4.18\",\"local\":\"file:../y\"},"
     "\"devDependencies\":{\"jest\":\"29\"},\"peerDependencies\":{\"react\":\">=18\"},"
     "\"optionalDependencies\":{\"fsevents\":\"*\"}}",
     {{"express", "^4.18", "runtime"},
      {"local", "file:../y", "runtime"},
      {"jest", "29", "dev"},
      {"react", ">=18", "peer"},
      {"fsevents", "*", "optional"}}},
    {"package.json",
     "{\"dependencies\":{\"old\":\"npm:@scope/new@^2\",\"plain\":\"npm:other\",\"odd\":7}}",
     {{"@scope/new", "^2", "runtime"}, {"other", "", "runtime"}, {"odd", "", "runtime"}}},
    {"package.json",
     "{\"dependencies\":{\"a\":\"git+https://user:s3cret@example.com/a.git#v1\"}}",
     {{"a", "git+https://example.com/a.git#v1", "runtime"}}},
    {"package.json", "\xef\xbb\xbf{\"dependencies\":{\"bom\":\"1\"}}", {{"bom", "1", "runtime"}}},
    {"package.json", "{\"dependencies\":[1],\"devDependencies\":null,\"workspaces\":[]}", {{0}}},
    {"composer.json",
     "{\"require\":{\"php\":\"^8.2\",\"ext-json\":\"*\",\"lib-curl\":\"*\",\"symfony/console\":\"^7.0\"},"
     "\"require-dev\":{\"phpunit/phpunit\":\"^11\"}}",
     {{"symfony/console", "^7.0", "runtime"}, {"phpunit/phpunit", "^11", "dev"}}},
};

static const struct manifest_case python_cases[] = {
    {"requirements.txt",
     "# comment\nFlask==3.0.0 # why\nrequests[security,socks] >= 2.8.1, == 2.8.* ; python_version < \"3.8\"\n"
     "-r other.txt\n-c constraints.txt\n--index-url https://user:pw@pypi.example\n\n"
     "zope.interface (>=5)\n./local\nhttps://example.com/x.whl\n"
     "git+https://tok@github.com/a/b.git@v1#egg=My_Pkg&subdirectory=s\n"
     "-e git+https://github.com/a/c#egg=c-pkg\npip @ https://u:p@example.com/pip.zip ; python_version>'3'\n"
     "hashed==1.0 \\\n    --hash=sha256:abc\nsame~=1.0 --hash=sha256:def\r\n",
     {{"flask", "==3.0.0", "runtime"},
      {"requests", ">= 2.8.1, == 2.8.*", "runtime"},
      {"zope-interface", ">=5", "runtime"},
      {"my-pkg", "@ git+https://github.com/a/b.git@v1", "runtime"},
      {"c-pkg", "@ git+https://github.com/a/c", "runtime"},
      {"pip", "@ https://example.com/pip.zip", "runtime"},
      {"hashed", "==1.0", "runtime"},
      {"same", "~=1.0", "runtime"}}},
    {"requirements-dev.txt", "pytest\nnot a requirement\n=broken\n", {{"pytest", "", "dev"}}},
    {"requirements/test.txt", "coverage<8\n", {{"coverage", "<8", "test"}}},
    {"pyproject.toml",
     "[build-system]\nrequires = [\"setuptools>=61\"]\n[project]\nname = \"x\"\n"
     "dependencies = [\"Django>=4.2,<6\", \"tzdata; sys_platform == 'win32'\"]\n"
     "[project.optional-dependencies]\npostgres = [\"psycopg[binary]>=3\"]\ntests = [\"pytest\"]\n"
     "[dependency-groups]\nlint = [\"ruff\", {include-group = \"x\"}]\n",
     {{"django", ">=4.2,<6", "runtime"},
      {"tzdata", "", "runtime"},
      {"psycopg", ">=3", "optional"},
      {"pytest", "", "test"},
      {"ruff", "", "dev"},
      {"setuptools", ">=61", "build"}}},
    {"pyproject.toml",
     "[tool.poetry.dependencies]\npython = \"^3.9\"\nrequests = \"^2.28\"\n"
     "click = {version = \"^8\", optional = true}\nmine = {git = \"https://a:b@example.com/m.git\"}\n"
     "multi = [{version = \"<2\", python = \"<3.8\"}, {version = \">=2\"}]\nany = \"*\"\n"
     "[tool.poetry.group.dev.dependencies]\nblack = \"24\"\n[tool.poetry.dev-dependencies]\nmypy = \"1\"\n",
     {{"requests", "^2.28", "runtime"},
      {"click", "^8", "optional"},
      {"mine", "@ git+https://example.com/m.git", "runtime"},
      {"multi", "<2", "runtime"}, /* and once more */
      {"multi", "<2", "runtime"},
      {"any", "", "runtime"},
      {"mypy", "1", "dev"},
      {"black", "24", "dev"}}},
    {"setup.cfg",
     "[metadata]\nname = x\n[options]\npackages = find:\ninstall_requires =\n    attrs>=20\n    # note\n    "
     "six; "
     "python_version<'3'\nsetup_requires = wheel\n[options.extras_require]\ntest =\n    pytest\nfast = "
     "ujson\n"
     "[flake8]\nignore =\n    E501\n",
     {{"attrs", ">=20", "runtime"},
      {"six", "", "runtime"},
      {"wheel", "", "build"},
      {"pytest", "", "test"},
      {"ujson", "", "optional"}}},
    {"Pipfile",
     "[packages]\nflask = \"*\"\nnumpy = {version = \"==1.26\"}\n[dev-packages]\npytest = \">=7\"\n",
     {{"flask", "", "runtime"}, {"numpy", "==1.26", "runtime"}, {"pytest", ">=7", "dev"}}},
};

static const struct manifest_case compiled_cases[] = {
    {"go.mod",
     "module example.com/x // the name\n\ngo 1.22\nrequire github.com/a/one v1.0.0\nrequire (\n"
     "\tgithub.com/b/two/v2 v2.1.0 // indirect\n\t\"github.com/c/three\" v0.1.0\n\t// github.com/d/no "
     "v1.0.0\n)\n"
     "replace github.com/c/three => ../three\nreplace (\n\tgithub.com/a/one v1.0.0 => github.com/f/one "
     "v1.0.1\n)\n"
     "exclude github.com/e/five v1.0.0\ntool github.com/b/two/v2/cmd/two\n",
     {{"github.com/a/one", "v1.0.0 => github.com/f/one v1.0.1", "runtime"},
      {"github.com/b/two/v2", "v2.1.0", "dev"},
      {"github.com/c/three", "v0.1.0 => ../three", "runtime"},
      {"stdlib", "1.22", "runtime"}}},
    {"Cargo.toml",
     "[package]\nname = \"x\"\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\nlog = "
     "\"0.4\"\n"
     "rand07 = { package = \"rand\", version = \"0.7\" }\nopt = { version = \"2\", optional = true }\n"
     "near = { path = \"../near\" }\nfar = { git = \"https://github.com/a/far\" }\n"
     "[dev-dependencies]\ntempfile = \"3\"\n[build-dependencies]\ncc = \"1.0\"\n"
     "[target.'cfg(windows)'.dependencies]\nwinapi = \"0.3\"\n",
     {{"serde", "1", "runtime"},
      {"log", "0.4", "runtime"},
      {"rand", "0.7", "runtime"},
      {"opt", "2", "optional"},
      {"near", "path ../near", "runtime"},
      {"far", "git https://github.com/a/far", "runtime"},
      {"tempfile", "3", "dev"},
      {"cc", "1.0", "build"},
      {"winapi", "0.3", "runtime"}}},
    {"Cargo.toml",
     "[workspace]\nmembers = [\"a\", \"b\"]\n[workspace.dependencies]\ntokio = { version = \"1.40\" }\na = { "
     "path = "
     "\"a\" }\n",
     {{"tokio", "1.40", "runtime"}}},
    {"crates/a/Cargo.toml",
     "[package]\nname = \"a\"\n[dependencies]\ntokio = { workspace = true }\nserde.workspace = true\n",
     {{"tokio", "workspace", "runtime"}, {"serde", "workspace", "runtime"}}},
    {"pom.xml",
     "<?xml version=\"1.0\"?><project xmlns=\"http://maven.apache.org/POM/4.0.0\"><version>3</version>"
     "<parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId>"
     "<version>3.2.0</version></parent><properties><j.version>5.10</j.version><v>${w}</v><w>9</w></"
     "properties>"
     "<dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId><version>${v}</version></"
     "dependency>"
     "<dependency><groupId>${project.groupId}</groupId><artifactId>own</artifactId>"
     "<version>${project.version}</version></dependency>"
     "<dependency><groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId><scope>test</"
     "scope>"
     "</dependency><dependency><groupId>c</groupId><artifactId>d</artifactId><version>${elsewhere}</version>"
     "<optional>true</optional></dependency></dependencies>"
     "<dependencyManagement><dependencies><dependency><groupId>org.junit.jupiter</groupId>"
     "<artifactId>junit-jupiter</artifactId><version>${j.version}</version></dependency>"
     "<dependency><groupId>e</groupId><artifactId>bom</artifactId><version>1</version><type>pom</type>"
     "<scope>import</scope></dependency></dependencies></dependencyManagement>"
     "<build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId></plugin></plugins></build></"
     "project>",
     {{"org.springframework.boot:spring-boot-starter-parent", "3.2.0", "build"},
      {"a:b", "9", "runtime"},
      {"org.springframework.boot:own", "3", "runtime"},
      {"org.junit.jupiter:junit-jupiter", "5.10", "test"},
      {"c:d", "${elsewhere}", "optional"},
      {"e:bom", "1", "build"},
      {"org.apache.maven.plugins:maven-compiler-plugin", "", "build"}}},
    {"build.gradle",
     "plugins {\n  id 'java'\n  id 'org.springframework.boot' version '3.2.0'\n}\ndef guava = '33.0'\n"
     "ext.slf4j = \"2.0\"\ndependencies {\n  implementation \"com.google.guava:guava:$guava-jre\"\n"
     "  implementation platform('a:bom:1')\n  api('b:c') // no version\n  testImplementation "
     "'junit:junit:4.13@jar'\n"
     "  implementation group: 'g', name: 'n', version: '1.0'\n  implementation project(':x')\n"
     "  /* implementation 'no:no:1' */\n  // implementation 'no:no:2'\n  compileOnly "
     "\"org.slf4j:slf4j-api:${slf4j}\"\n"
     "  implementation libs.foo.bar\n  runtimeOnly 'd:e:1', 'd:f:2'\n}\nsourceCompatibility = '17'\n",
     {{"org.springframework.boot", "3.2.0", "build"},
      {"com.google.guava:guava", "33.0-jre", "runtime"},
      {"a:bom", "1", "runtime"},
      {"b:c", "", "runtime"},
      {"junit:junit", "4.13", "test"},
      {"g:n", "1.0", "runtime"},
      {"org.slf4j:slf4j-api", "2.0", "build"},
      {"libs.foo.bar", "", "runtime"},
      {"d:e", "1", "runtime"},
      {"d:f", "2", "runtime"}}},
    {"build.gradle.kts",
     "plugins {\n  alias(libs.plugins.a.b) apply false\n}\nkotlin {\n  sourceSets {\n    commonTest {\n"
     "      dependencies {\n        implementation(\"t:t:1\")\n      }\n    }\n    val jvmTest by getting {\n"
     "      dependencies { implementation(\"u:u:1\") }\n    }\n    commonMain {\n      dependencies {\n"
     "        api(platform(libs.x.bom))\n        implementation(libs.y.get())\n"
     "        implementation(libs.versions.z.get())\n      }\n    }\n  }\n}\n",
     {{"libs.plugins.a.b", "", "build"},
      {"t:t", "1", "test"},
      {"u:u", "1", "test"},
      {"libs.x.bom", "", "runtime"},
      {"libs.y", "", "runtime"}}},
    {"app/build.gradle.kts",
     "plugins {\n    kotlin(\"jvm\") version \"1.9.22\"\n    id(\"com.android.application\")\n}\n"
     "val ktor = \"2.3\"\ndependencies {\n    implementation(\"io.ktor:ktor-server-core:$ktor\")\n"
     "    implementation(kotlin(\"stdlib\"))\n    \"ksp\"(\"x:y:1\")\n    "
     "androidTestImplementation(\"p:q:1\")\n"
     "    testImplementation(platform(\"org.junit:junit-bom:5.10.0\"))\n}\n",
     {{"org.jetbrains.kotlin.jvm", "1.9.22", "build"},
      {"com.android.application", "", "build"},
      {"io.ktor:ktor-server-core", "2.3", "runtime"},
      {"org.jetbrains.kotlin:kotlin-stdlib", "", "runtime"},
      {"x:y", "1", "build"},
      {"p:q", "1", "test"},
      {"org.junit:junit-bom", "5.10.0", "test"}}},
    {"gradle/libs.versions.toml",
     "[versions]\nkotlin = \"1.9\"\nrich = { strictly = \"3\" }\n[libraries]\na = \"g:a:1\"\n"
     "b = { module = \"g:b\", version.ref = \"kotlin\" }\nc = { group = \"g\", name = \"c\", version = \"2\" "
     "}\n"
     "d = { module = \"g:d\", version = { ref = \"rich\" } }\n[plugins]\np = { id = \"org.p\", version.ref = "
     "\"kotlin\" }\n",
     {{"g:a", "1", "runtime"},
      {"g:b", "1.9", "runtime"},
      {"g:c", "2", "runtime"},
      {"g:d", "3", "runtime"},
      {"org.p", "1.9", "build"}}},
    {"src/App/App.csproj",
     "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><PropertyGroup><V>8.0</V></PropertyGroup><ItemGroup>"
     "<PackageReference Include=\"Serilog\" Version=\"$(V).1\" /><PackageReference "
     "Include=\"Dapper\"><Version>2.1"
     "</Version></PackageReference><PackageReference Include=\"StyleCop\" Version=\"1\" "
     "PrivateAssets=\"all\" />"
     "<PackageReference Update=\"Ignored\" Version=\"1\" /></ItemGroup></Project>",
     {{"Microsoft.NET.Sdk.Web", "", "build"},
      {"Serilog", "8.0.1", "runtime"},
      {"Dapper", "2.1", "runtime"},
      {"StyleCop", "1", "build"}}},
    {"test/App.Tests/App.Tests.fsproj",
     "<Project><ItemGroup><PackageReference Include=\"xunit\" Version=\"2.6\"/></ItemGroup></Project>",
     {{"xunit", "2.6", "test"}}},
    {"packages.config",
     "<packages><package id=\"A\" version=\"1\"/><package id=\"B\" version=\"2\" "
     "developmentDependency=\"true\"/>"
     "</packages>",
     {{"A", "1", "runtime"}, {"B", "2", "dev"}}},
    {"Directory.Packages.props",
     "<Project><ItemGroup><PackageVersion Include=\"C\" Version=\"[1,2)\"/></ItemGroup></Project>",
     {{"C", "[1,2)", "runtime"}}},
};

static const struct manifest_case ruby_cases[] = {
    {"Gemfile",
     "source 'https://rubygems.org'\nruby '3.2'\ngem 'rails', '~> 7.1', '>= 7.1.2' # web\n# gem 'no'\n"
     "gem \"puma\", require: false\ngem 'pg', group: :test\ngem('both', '1', groups: [:production, :test])\n"
     "group :development, :test do\n  gem 'rspec'\n  platforms :ruby do\n    gem 'byebug'\n  end\nend\n"
     "group :production do\n  gem 'newrelic'\nend\nif ENV['X']\n  gem 'conditional'\nend\n"
     "gem \"a-#{x}\"\ngem 'old', :git => 'https://x'\ngem 'str', \"require\" => false\n",
     {{"rails", "~> 7.1, >= 7.1.2", "runtime"},
      {"puma", "", "runtime"},
      {"pg", "", "dev"},
      {"both", "1", "runtime"},
      {"rspec", "", "dev"},
      {"byebug", "", "dev"},
      {"newrelic", "", "runtime"},
      {"conditional", "", "runtime"},
      {"old", "git https://x", "runtime"},
      {"str", "", "runtime"}}},
    {"x.gemspec",
     "Gem::Specification.new do |s|\n  s.name = 'x'\n  s.add_dependency 'rack', '>= 2', '< 4'\n"
     "  spec.add_runtime_dependency(%q{odd})\n  s.add_dependency \"own\", version\n"
     "  s.add_development_dependency(\"rake\", [\"~> 13.0\"])\n  s.add_runtime_dependency \"json\"\nend\n",
     {{"rack", ">= 2, < 4", "runtime"},
      {"odd", "", "runtime"},
      {"own", "", "runtime"},
      {"rake", "~> 13.0", "dev"},
      {"json", "", "runtime"}}},
    {".github/workflows/ci.yml",
     "on: push\njobs:\n  a:\n    uses: org/repo/.github/workflows/x.yml@main\n    steps:\n"
     "      - uses: actions/checkout@v4\n      - name: uses\n        run: make\n      - uses: ./local\n"
     "      - uses: docker://alpine:3\n      - uses: \"actions/checkout@v4\"\n      - uses: a/b # no ref\n",
     {{"org/repo/.github/workflows/x.yml", "main", "build"},
      {"actions/checkout", "v4", "build"},
      {"alpine", "3", "build"}}},
};

static void check_cases(const struct manifest_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        rb_err err = read_manifest(&sheet, arena, cases[i].path, cases[i].text);
        if (err)
            fail_msg("%s (case %zu): %s", cases[i].path, i, rb_error_text());
        for (size_t k = 0; k < WANT_MAX && cases[i].want[k].name; k++) {
            const struct rb_scan_dependency *item = find_dependency(&sheet, cases[i].want[k].name);
            if (!item) {
                fail_msg("%s (case %zu): %s is missing", cases[i].path, i, cases[i].want[k].name);
                break;
            }
            assert_string_equal(item->requirement, cases[i].want[k].requirement);
            if (strcmp(item->kind, cases[i].want[k].kind) != 0)
                fail_msg("%s: %s is %s", cases[i].path, item->name, item->kind);
        }
        size_t wanted = 0;
        while (wanted < WANT_MAX && cases[i].want[wanted].name)
            wanted++;
        if (sheet.count != wanted)
            fail_msg("%s (case %zu): %zu dependencies, the last is %s", cases[i].path, i, sheet.count,
                     sheet.items[sheet.count - 1].name);
        rb_arena_free(arena);
    }
}

static void test_npm_and_composer(void **state)
{
    (void)state;
    check_cases(npm_cases, sizeof npm_cases / sizeof *npm_cases);
}

static void test_python(void **state)
{
    (void)state;
    check_cases(python_cases, sizeof python_cases / sizeof *python_cases);
}

static void test_compiled(void **state)
{
    (void)state;
    check_cases(compiled_cases, sizeof compiled_cases / sizeof *compiled_cases);
}

static void test_ruby_and_actions(void **state)
{
    (void)state;
    check_cases(ruby_cases, sizeof ruby_cases / sizeof *ruby_cases);
}

static void test_go_indirect_is_marked(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    assert_int_equal(read_manifest(&sheet, arena, "go.mod", compiled_cases[0].text), RB_OK);
    assert_true(find_dependency(&sheet, "github.com/b/two/v2")->indirect);
    assert_false(find_dependency(&sheet, "github.com/a/one")->indirect);
    rb_arena_free(arena);
}

static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *says;
    } cases[] = {
        {"package.json", "{", "JSON: line 1"},
        {"package.json", "[]", "not an object"},
        {"composer.json", "7", "JSON"},
        {"Cargo.toml", "a = \nb", "TOML: line"},
        {"pyproject.toml", "[a\n", "TOML: line 1"},
        {"pom.xml", "<project>", "XML: line 1"},
        {"pom.xml", "<other/>", "not <project>"},
        {"a.csproj", "<x/>", "neither"},
        {"go.mod", "", "names no module"},
        {".github/workflows/a.yml", "a: [", "YAML: line"},
        {"pom.xml", "", "XML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        assert_int_equal(read_manifest(&sheet, arena, cases[i].path, cases[i].text), RB_EINVAL);
        if (!strstr(rb_error_text(), cases[i].says))
            fail_msg("%s: %s", cases[i].path, rb_error_text());
        rb_arena_free(arena);
    }
}

static void test_formats_are_told_by_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *ecosystem; /* NULL: no manifest */
    } cases[] = {
        {"package.json", "npm"},
        {"a/b/package.json", "npm"},
        {"package-lock.json", "npm"},
        {"requirements.txt", "pypi"},
        {"requirements/base.txt", "pypi"},
        {"dev-requirements.txt", "pypi"},
        {"docs/requirements.txt", "pypi"},
        {"requirements.in", "pypi"},
        {"pylock.dev.toml", "pypi"},
        {"requirements/constraints.txt", NULL},
        {"constraints.txt", NULL},
        {"notes.txt", NULL},
        {"setup.py", "pypi"},
        {"app/build.gradle.kts", "maven"},
        {"spring-core/spring-core.gradle", "maven"},
        {"settings.gradle", "maven"},
        {"My.App.vbproj", "nuget"},
        {"x.gemspec", "rubygems"},
        {".github/workflows/ci.yaml", "github-actions"},
        {"workflows/ci.yaml", NULL},
        {"gradle/libs.versions.toml", "maven"},
        {"buildSrc/src/main/kotlin/Versions.kt", "maven"},
        {"src/main/kotlin/Versions.kt", NULL},
        {"src/test/resources/odd.gradle", NULL},
        {"global.json", "nuget"},
        {"web/locales/en/global.json", NULL},
        {"Cargo.lock", "cargo"},
        {"go.work", "go"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rb_scan_format *format = rb_scan_format_of(cases[i].path);
        if (!format != !cases[i].ecosystem)
            fail_msg("%s is %s", cases[i].path, format ? format->name : "no manifest");
        if (format)
            assert_string_equal(format->ecosystem, cases[i].ecosystem);
    }
}

static void test_frameworks(void **state)
{
    (void)state;
    static const struct {
        const char *ecosystem, *package, *framework;
    } cases[] = {
        {"npm", "react", "React"},
        {"npm", "react-router", NULL},
        {"npm", "@nestjs/core", "NestJS"},
        {"pypi", "django", "Django"},
        {"go", "github.com/labstack/echo/v4", "Echo"},
        {"go", "github.com/labstack/echo-contrib", NULL},
        {"go", "github.com/gin-gonic/gin", "Gin"},
        {"cargo", "actix-web", "Actix Web"},
        {"maven", "org.springframework.boot:spring-boot-starter-web", "Spring Boot"},
        {"maven", "io.quarkus:quarkus-core", "Quarkus"},
        {"maven", "junit:junit", "JUnit"},
        {"composer", "laravel/framework", "Laravel"},
        {"rubygems", "rails", "Ruby on Rails"},
        {"nuget", "microsoft.entityframeworkcore.sqlite", "Entity Framework Core"},
        {"npm", "django", NULL},
        {"none", "react", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = rb_framework_of(cases[i].ecosystem, cases[i].package);
        if (!cases[i].framework)
            assert_null(name);
        else
            assert_string_equal(name ? name : "none", cases[i].framework);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npm_and_composer),
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_compiled),
        cmocka_unit_test(test_ruby_and_actions),
        cmocka_unit_test(test_go_indirect_is_marked),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_formats_are_told_by_path),
        cmocka_unit_test(test_frameworks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
