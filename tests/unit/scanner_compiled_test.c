/* Go, Cargo and NuGet: what the files of a repository say of each other. */
#include "tests/unit/scanner_files.h"

static void test_go_workspace(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena,
        {"go.work",
         "go 1.22\nuse (\n\t.\n\t./sub // why\n)\nreplace example.com/r => example.com/fork v9.0.0\n"},
        {"go.mod", "module example.com/top\ngo 1.21\ntoolchain go1.22.3\nrequire (\n\texample.com/a v1.9.0\n"
                   "\texample.com/pre v1.0.0-rc.1\n\texample.com/r v1.0.0\n\texample.com/sub v0.1.0\n"
                   "\texample.com/only v1.0.0\n)\nreplace example.com/only v2.0.0 => ../x\n"
                   "exclude example.com/no v1.0.0\n"},
        {"sub/go.mod", "module example.com/sub\nrequire example.com/a v1.10.0 // indirect\n"
                       "require example.com/pre v1.0.0\n"},
        {"out/go.mod", "module example.com/out\nrequire example.com/a v1.0.0\n"
                       "replace example.com/a => ./here\n"},
        {"main.go", NULL}, {"cmd/one/main.go", NULL}, {"cmd/one/more.go", NULL}, {"cmd/one/in/x.go", NULL},
        {"cmd/two/two.go", NULL}, {"cmd/three/x_test.go", NULL}, {"sub/cmd/s/main.go", NULL});
    assert_string_equal(
        found_in(&scan, "go.mod"),
        "example.com/a v1.9.0=v1.10.0 runtime; example.com/pre v1.0.0-rc.1=v1.0.0 runtime; "
        "example.com/r v1.0.0 => example.com/fork v9.0.0=v9.0.0 runtime; "
        "example.com/sub v0.1.0=v0.1.0 runtime local; example.com/only v1.0.0=v1.0.0 runtime; "
        "stdlib 1.21=1.22.3 runtime");
    assert_string_equal(
        found_in(&scan, "sub/go.mod"),
        "example.com/a v1.10.0=v1.10.0 runtime indirect; example.com/pre v1.0.0=v1.0.0 runtime");
    assert_string_equal(found_in(&scan, "out/go.mod"), "example.com/a v1.0.0 => ./here= runtime local");
    assert_string_equal(packages_in(&scan), "example.com/top   [one=./cmd/one, two=./cmd/two, top=.]; "
                                            "example.com/out   []; example.com/sub   [s=./cmd/s]");
    assert_int_equal(scan.sheet.members, 2);
    rb_arena_free(arena);
}

static void test_cargo_workspace_and_lock(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena,
        {"Cargo.toml",
         "[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nversion = \"0.3.0\"\nlicense = "
         "\"MIT\"\n"
         "[workspace.dependencies]\nold = { package = \"rand\", version = \"0.7\" }\nlog = \"0.4\"\n"
         "b = { path = \"crates/b\" }\n"},
        {"Cargo.lock",
         "version = 4\n[[package]]\nname = \"a\"\nversion = \"0.3.0\"\ndependencies = [\n \"b\",\n \"log\",\n"
         " \"rand 0.7.3\",\n \"rand 0.8.5\",\n]\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n"
         "dependencies = [\n \"rand 0.8.5 (registry+https://github.com/rust-lang/crates.io-index)\",\n]\n"
         "[[package]]\nname = \"log\"\nversion = \"0.4.20\"\nsource = \"registry+x\"\n"
         "[[package]]\nname = \"rand\"\nversion = \"0.7.3\"\nsource = \"registry+x\"\n"
         "[[package]]\nname = \"rand\"\nversion = \"0.8.5\"\nsource = \"registry+x\"\n"
         "[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\nsource = \"registry+x\"\n"},
        {"crates/a/Cargo.toml",
         "[package]\nname = \"a\"\nversion.workspace = true\nlicense = { workspace = true }\n"
         "[[bin]]\nname = \"tool\"\npath = \"src/t.rs\"\n[dependencies]\n"
         "old = { workspace = true, optional = true }\nlog.workspace = true\n"
         "b = { workspace = true }\nwho.workspace = true\n[dev-dependencies]\nrand = \"0.8\"\n"},
        {"crates/b/Cargo.toml",
         "[package]\nname = \"b\"\nversion = \"1.0.0\"\n[dependencies]\nrand = \"*\"\n"},
        {"crates/a/src/main.rs", NULL}, {"crates/b/src/bin/x.rs", NULL}, {"crates/b/src/bin/y/main.rs", NULL},
        {"crates/b/src/bin/y/part.rs", NULL});
    assert_string_equal(found_in(&scan, "crates/a/Cargo.toml"),
                        "b path crates/b= runtime local; log 0.4=0.4.20 runtime; rand 0.7=0.7.3 optional; "
                        "who workspace= runtime; rand 0.8=0.8.5 dev");
    assert_string_equal(found_in(&scan, "crates/b/Cargo.toml"), "rand *=0.8.5 runtime");
    assert_string_equal(found_in(&scan, "Cargo.lock"), "libc =0.2.1 runtime indirect");
    assert_string_equal(packages_in(&scan), "a 0.3.0 MIT [tool=src/t.rs, a=src/main.rs]; "
                                            "b 1.0.0  [x=src/bin/x.rs, y=src/bin/y/main.rs]");
    rb_arena_free(arena);
}

/* Without a package that the lock knows, the requirement decides, if it can. */
static void test_cargo_versions_that_fit(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(scan, arena,
               {"Cargo.toml",
                "[package]\nname = \"x\"\n[dependencies]\none = \"1\"\nzero = \"^0.1.2\"\ntwo = \">=1\"\n"
                "star = \"1.*\"\n"},
               {"Cargo.lock", "[[package]]\nname = \"one\"\nversion = \"10.0.0\"\nsource = \"r\"\n"
                              "[[package]]\nname = \"one\"\nversion = \"1.2.0\"\nsource = \"r\"\n"
                              "[[package]]\nname = \"zero\"\nversion = \"0.1.9\"\nsource = \"r\"\n"
                              "[[package]]\nname = \"zero\"\nversion = \"0.10.0\"\nsource = \"r\"\n"
                              "[[package]]\nname = \"two\"\nversion = \"1.0.0\"\nsource = \"r\"\n"
                              "[[package]]\nname = \"two\"\nversion = \"2.0.0\"\nsource = \"r\"\n"
                              "[[package]]\nname = \"star\"\nversion = \"1.5.0\"\nsource = \"r\"\n"});
    assert_string_equal(
        found_in(&scan, "Cargo.toml"),
        "one 1=1.2.0 runtime; star 1.*=1.5.0 runtime; two >=1= runtime; zero ^0.1.2=0.1.9 runtime");
    rb_arena_free(arena);
}

static void test_nuget_properties_and_central_versions(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena,
        {"eng/Versions.props",
         "<Project><PropertyGroup><EfVersion>8.0.1</EfVersion></PropertyGroup>"
         "<PropertyGroup Condition=\"'$(T)' == 'a'\"><TwoVersion>1</TwoVersion></PropertyGroup>"
         "<PropertyGroup Condition=\"'$(T)' == 'b'\"><TwoVersion>2</TwoVersion></PropertyGroup>"
         "</Project>"},
        {"Directory.Packages.props",
         "<Project><ItemGroup><PackageVersion Include=\"Ef\" Version=\"$(EFVERSION)\"/>"
         "<PackageVersion Include=\"Near\" Version=\"1\"/><PackageVersion Include=\"Two\" "
         "Version=\"$(TwoVersion)\"/>"
         "<PackageVersion Include=\"Spare\" Version=\"1\"/>"
         "<GlobalPackageReference Include=\"Analyzer\" Version=\"4\"/></ItemGroup></Project>"},
        {"src/Directory.Packages.props",
         "<Project><ItemGroup><PackageVersion Include=\"Near\" Version=\"[2]\"/></ItemGroup></Project>"},
        {"global.json", "{\"sdk\":{\"version\":\"8.0.100\"},\"msbuild-sdks\":{\"My.Sdk\":\"3.1\"}}"},
        {".config/dotnet-tools.json", "{\"tools\":{\"dotnet-ef\":{\"version\":\"8.0.2\"}}}"},
        {"src/App/App.csproj",
         "<Project Sdk=\"My.Sdk\"><PropertyGroup><OutputType>Exe</OutputType><Version>1.4</Version>"
         "<PackageLicenseExpression>MIT</PackageLicenseExpression></PropertyGroup><ItemGroup>"
         "<PackageReference Include=\"ef;near\"/><PackageReference Include=\"Two\"/>"
         "<PackageReference Include=\"Over\" VersionOverride=\"5\"/><PackageReference Include=\"Float\" "
         "Version=\"1.*\"/>"
         "<PackageReference Include=\"Kit\" "
         "Version=\"1\"><PrivateAssets>All</PrivateAssets></PackageReference>"
         "<PackageReference Include=\"@(List)\"/></ItemGroup></Project>"},
        {"src/Testcontainers/Testcontainers.csproj",
         "<Project><ItemGroup><PackageReference Include=\"Docker\" Version=\"3\"/></ItemGroup></Project>"},
        {"src/Checks/Checks.csproj",
         "<Project><ItemGroup><PackageReference Include=\"Moq\" Version=\"4\"/>"
         "<PackageReference Include=\"xunit\" Version=\"2\"/></ItemGroup></Project>"},
        {"All.slnx",
         "<Solution><Folder Name=\"/src/\"><Project Path=\"src/App/App.csproj\"/></Folder></Solution>"},
        {"All.sln", "Project(\"{A}\") = \"App\", \"src\\App\\App.csproj\", \"{B}\"\r\n"
                    "Project(\"{F}\") = \"src\", \"src\", \"{C}\"\r\n"});
    assert_string_equal(
        found_in(&scan, "src/App/App.csproj"),
        "My.Sdk 3.1=3.1 build; ef 8.0.1=8.0.1 runtime; near [2]=2 runtime; Two $(TwoVersion)= runtime; "
        "Over 5=5 runtime; Float 1.*= runtime; Kit 1=1 build");
    assert_string_equal(found_in(&scan, "src/Testcontainers/Testcontainers.csproj"), "Docker 3=3 runtime");
    assert_string_equal(found_in(&scan, "src/Checks/Checks.csproj"), "Moq 4=4 test; xunit 2=2 test");
    assert_string_equal(found_in(&scan, "Directory.Packages.props"),
                        "Spare 1=1 runtime offered; Analyzer 4=4 build");
    assert_string_equal(found_in(&scan, ".config/dotnet-tools.json"), "dotnet-ef 8.0.2=8.0.2 dev");
    assert_string_equal(packages_in(&scan), "App 1.4 MIT [App=App.csproj]; Checks   []; Testcontainers   []");
    assert_int_equal(scan.sheet.members, 2);
    rb_arena_free(arena);
}

static void test_nuget_locks(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    READ_FILES(
        scan, arena,
        {"a/A.csproj",
         "<Project><ItemGroup><PackageReference Include=\"X\" Version=\"1.*\"/></ItemGroup></Project>"},
        {"a/packages.lock.json",
         "{\"version\":1,\"dependencies\":{\"net8.0\":{\"X\":{\"type\":\"Direct\",\"requested\":\"[1.*, )\","
         "\"resolved\":\"1.7.0\"},\"Y\":{\"type\":\"Transitive\",\"resolved\":\"2.0.0\"},"
         "\"b\":{\"type\":\"Project\"}}}}"},
        {"p/paket.dependencies",
         "source https://api.nuget.org/v3/index.json\nnuget FAKE ~> 5.0 storage: none\n"
         "nuget Plain\ngroup Test\n  nuget NUnit >= 3 lowest_matching: true\n"},
        {"p/paket.lock", "NUGET\n  remote: https://api.nuget.org/v3/index.json\n    FAKE (5.1)\n"
                         "      Inner (>= 1.0)\n    Inner (1.2)\nGITHUB\n  remote: a/b\n    File.fs (abc)\n"
                         "GROUP Test\nNUGET\n  remote: x\n    NUnit (3.9)\n    Deep (4)\n"});
    assert_string_equal(found_in(&scan, "a/A.csproj"), "X 1.*=1.7.0 runtime");
    assert_string_equal(found_in(&scan, "a/packages.lock.json"), "Y =2.0.0 runtime indirect");
    assert_string_equal(found_in(&scan, "p/paket.dependencies"),
                        "FAKE ~> 5.0=5.1 runtime; Plain = runtime; NUnit >= 3=3.9 test");
    assert_string_equal(found_in(&scan, "p/paket.lock"),
                        "Deep =4 test indirect; Inner =1.2 runtime indirect");
    rb_arena_free(arena);
}

static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *says;
    } cases[] = {{"Cargo.lock", "[[package]\n", "TOML: line 1"},
                 {"packages.lock.json", "{", "JSON: line 1"},
                 {"global.json", "[", "JSON"},
                 {"dotnet-tools.json", "x", "JSON"},
                 {"a.slnx", "<Project/>", "the root is not <Solution>"},
                 {"a.slnx", "<", "XML"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        assert_int_equal(read_manifest(&sheet, arena, cases[i].path, cases[i].text), RB_EINVAL);
        if (!strstr(rb_error_text(), cases[i].says))
            fail_msg("%s: %s", cases[i].path, rb_error_text());
        rb_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_go_workspace),
        cmocka_unit_test(test_cargo_workspace_and_lock),
        cmocka_unit_test(test_cargo_versions_that_fit),
        cmocka_unit_test(test_nuget_properties_and_central_versions),
        cmocka_unit_test(test_nuget_locks),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
