/* The npm family: manifests with their lock files, as people and tools write them. */
#include "tests/unit/scanner_repo.h"

static void test_package_lock_3(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json", "{\"name\":\"root\",\"workspaces\":[\"web\"],\"dependencies\":{\"express\":\"^4\","
                         "\"old\":\"npm:@s/real@^1\"},\"devDependencies\":{\"jest\":\"29\"}}"},
        {"web/package.json", "{\"name\":\"@x/web\",\"dependencies\":{\"express\":\"^3\",\"ms\":\"*\"},"
                             "\"optionalDependencies\":{\"ms\":\"*\"}}"},
        {"package-lock.json",
         "{\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"root\",\"version\":\"9\"},"
         "\"web\":{\"name\":\"@x/web\",\"version\":\"1.0.0\"},"
         "\"node_modules/@x/web\":{\"resolved\":\"web\",\"link\":true},"
         "\"node_modules/express\":{\"version\":\"4.18.2\"},"
         "\"web/node_modules/express\":{\"version\":\"3.0.1\"},"
         "\"node_modules/old\":{\"name\":\"@s/real\",\"version\":\"1.5.0\"},"
         "\"node_modules/jest\":{\"version\":\"29.7.0\",\"dev\":true},"
         "\"node_modules/jest/node_modules/express\":{\"version\":\"2.0.0\",\"dev\":true},"
         "\"node_modules/ms\":{\"version\":\"2.1.3\",\"optional\":true},"
         "\"node_modules/debug\":{\"version\":\"4.0.0\"},"
         "\"node_modules/debug/node_modules/ms\":{\"version\":\"2.1.3\"},"
         "\"node_modules/fs\":{\"version\":\"1\",\"devOptional\":true},"
         "\"node_modules/pe\":{\"version\":\"1\",\"peer\":true}},"
         "\"dependencies\":{\"express\":{\"version\":\"4.18.2\"}}}"},
    };
    CHECK_REPO(files, "package.json: express ^4 = 4.18.2 (runtime)\n"
                      "package.json: @s/real ^1 = 1.5.0 (runtime)\n"
                      "package.json: jest 29 = 29.7.0 (dev)\n"
                      "web/package.json: express ^3 = 3.0.1 (runtime)\n"
                      "web/package.json: ms * = 2.1.3 (optional)\n"
                      "package-lock.json: debug = 4.0.0 (runtime, indirect)\n"
                      "package-lock.json: express = 2.0.0 (dev, indirect)\n"
                      "package-lock.json: fs = 1 (optional, indirect)\n"
                      "package-lock.json: pe = 1 (peer, indirect)\n");
}

static void test_package_lock_1(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json", "{\"dependencies\":{\"a\":\"^1\",\"al\":\"npm:real@2\"}}"},
        {"npm-shrinkwrap.json",
         "{\"lockfileVersion\":1,\"requires\":true,\"dependencies\":{\"a\":{\"version\":\"1.2.3\","
         "\"requires\":{\"b\":\"^1\"},\"dependencies\":{\"b\":{\"version\":\"1.0.0\",\"dev\":true}}},"
         "\"b\":{\"version\":\"2.0.0\",\"dev\":true},\"al\":{\"version\":\"npm:real@2.2.2\"},"
         "\"dependencies\":{\"version\":\"0.0.1\"},\"here\":{\"version\":\"file:here\"}}}"},
    };
    CHECK_REPO(files, "package.json: a ^1 = 1.2.3 (runtime)\n"
                      "package.json: real 2 = 2.2.2 (runtime)\n"
                      "npm-shrinkwrap.json: b = 1.0.0 (dev, indirect)\n"
                      "npm-shrinkwrap.json: b = 2.0.0 (dev, indirect)\n"
                      "npm-shrinkwrap.json: dependencies = 0.0.1 (runtime, indirect)\n");
}

static void test_yarn_classic(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json", "{\"dependencies\":{\"a\":\"^1.0.0\",\"@s/b\":\"~2\",\"forced\":\"^5\"},"
                         "\"devDependencies\":{\"al\":\"npm:real@^3\",\"a\":\"^2\"}}"},
        {"yarn.lock",
         "# yarn lockfile v1\n\n\n\"@s/b@2 || 3\", \"@s/b@~2\":\n  version \"2.0.5\"\n"
         "  resolved \"https://x\"\n  dependencies:\n    c \"^1\"\n\n"
         "a@^1.0.0, a@^1.2.0:\n  version \"1.9.9\"\r\n\na@^2:\n  version \"2.1.0\"\n"
         "  dependencies:\n    d \"^1\"\n    \"@t/e\" \"npm:f@1\"\n\n"
         "\"al@npm:real@^3\":\n  version \"3.1.4\"\n\n"
         "c@^1:\n  version \"1.1.1\"\n\nd@^1:\n  version \"1.0.1\"\n\nf@1:\n  version \"1.0.2\"\n\n"
         "forced@4:\n  version \"4.4.4\"\n"},
    };
    CHECK_REPO(files, "package.json: a ^1.0.0 = 1.9.9 (runtime)\n"
                      "package.json: @s/b ~2 = 2.0.5 (runtime)\n"
                      "package.json: forced ^5 = 4.4.4 (runtime)\n"
                      "package.json: real ^3 = 3.1.4 (dev)\n"
                      "package.json: a ^2 = 2.1.0 (dev)\n"
                      "yarn.lock: c = 1.1.1 (runtime, indirect)\n"
                      "yarn.lock: d = 1.0.1 (runtime, indirect)\n" /* by name: some version of a is needed */
                      "yarn.lock: f = 1.0.2 (runtime, indirect)\n");
}

static void test_yarn_berry(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json",
         "{\"name\":\"r\",\"packageManager\":\"yarn@4.1.0+sha224.abc\",\"workspaces\":[\"p/*\"],"
         "\"dependencies\":{\"ts\":\"^5\",\"b\":\"npm:^1\"}}"},
        {"p/x/package.json", "{\"name\":\"x\",\"devDependencies\":{\"ts\":\"^5\",\"y\":\"workspace:^\","
                             "\"lint\":\"catalog:\",\"fmt\":\"catalog:old\"}}"},
        {".yarnrc.yml", "nodeLinker: node-modules\ncatalog:\n  lint: ^9\ncatalogs:\n  old:\n    fmt: ^2\n"},
        {"yarn.lock",
         "__metadata:\n  version: 8\n  cacheKey: 10\n\n\"b@npm:^1\":\n  version: 1.5.0\n"
         "  resolution: \"b@npm:1.5.0\"\n  dependencies:\n    c: \"npm:^1\"\n  languageName: node\n\n"
         "\"c@npm:^1, c@npm:^1.1\":\n  version: 1.1.0\n\n"
         "\"lint@npm:^9\":\n  version: 9.9.9\n  dependencies:\n    d: \"npm:*\"\n\n"
         "\"d@npm:*\":\n  version: 7.0.0\n\n\"fmt@npm:^2\":\n  version: 2.0.0\n\n"
         "\"ts@npm:^5\":\n  version: 5.4.0\n\n"
         "\"ts@patch:ts@npm%3A^5#optional!builtin<compat/ts>\":\n  version: 5.4.0\n\n"
         "\"x@workspace:p/x\":\n  version: 0.0.0-use.local\n  resolution: \"x@workspace:p/x\"\n"
         "  dependencies:\n    lint: \"npm:^9\"\n"},
    };
    CHECK_REPO(files, "package.json: ts ^5 = 5.4.0 (runtime)\n"
                      "package.json: b ^1 = 1.5.0 (runtime)\n"
                      "p/x/package.json: ts ^5 = 5.4.0 (dev)\n"
                      "p/x/package.json: y workspace:^ (dev, local)\n"
                      "p/x/package.json: lint ^9 = 9.9.9 (dev)\n"
                      "p/x/package.json: fmt ^2 = 2.0.0 (dev)\n"
                      "yarn.lock: c = 1.1.0 (runtime, indirect)\n"
                      "yarn.lock: d = 7.0.0 (dev, indirect)\n");
}

static const char pnpm_9[] =
    "---\nlockfileVersion: '9.0'\n---\nlockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n"
    "      react:\n        specifier: 'catalog:'\n        version: 18.3.1\n"
    "      al:\n        specifier: npm:real@1\n        version: real@1.0.7(react@18.3.1)\n"
    "    devDependencies:\n      vite:\n        specifier: ^5\n        version: 5.1.0(@types/node@20.0.0)\n\n"
    "  packages/a:\n    dependencies:\n      b:\n        specifier: workspace:*\n        version: link:../b\n"
    "      react:\n        specifier: catalog:next\n        version: 19.0.0\n\n"
    "packages:\n\n  react@18.3.1:\n    resolution: {integrity: x}\n    engines: {node: '>=0'}\n\n"
    "  react@19.0.0:\n    resolution: {integrity: x}\n\n  real@1.0.7:\n    resolution: {integrity: x}\n\n"
    "  vite@5.1.0:\n    resolution: {integrity: x}\n\n  '@e/esbuild@0.19.0':\n    resolution: {integrity: "
    "x}\n\n"
    "  loose@1.4.0:\n    resolution: {integrity: x}\n\n"
    "  gitty@https://codeload.github.com/a/b/tar.gz/123:\n    resolution: {tarball: x}\n    version: "
    "3.2.1\n\n"
    "snapshots:\n\n  react@18.3.1:\n    dependencies:\n      loose: 1.4.0\n\n  react@19.0.0: {}\n\n"
    "  vite@5.1.0(@types/node@20.0.0):\n    dependencies:\n      '@e/esbuild': 0.19.0\n";

static void test_pnpm_9_with_catalogs(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json",
         "{\"dependencies\":{\"react\":\"catalog:\",\"al\":\"npm:real@1\",\"none\":\"catalog:\"},"
         "\"devDependencies\":{\"vite\":\"^5\"}}"},
        {"packages/a/package.json", "{\"dependencies\":{\"b\":\"workspace:*\",\"react\":\"catalog:next\"}}"},
        {"pnpm-workspace.yaml",
         "packages:\n  - packages/*\n  - '!x'\ncatalog:\n  react: ^18.2.0\n  left: ^7\n"
         "catalogs:\n  next:\n    react: ^19.0.0\n"},
        {"examples/e/package.json",
         "{\"dependencies\":{\"vite\":\"^5\"}}"}, /* the lock does not speak for it */
        {"pnpm-lock.yaml", pnpm_9},
    };
    CHECK_REPO(files, "package.json: react ^18.2.0 = 18.3.1 (runtime)\n"
                      "package.json: real 1 = 1.0.7 (runtime)\n"
                      "package.json: none catalog: (runtime)\n"
                      "package.json: vite ^5 = 5.1.0 (dev)\n"
                      "pnpm-workspace.yaml: left ^7 (runtime, offered)\n"
                      "packages/a/package.json: b workspace:* (runtime, local)\n"
                      "packages/a/package.json: react ^19.0.0 = 19.0.0 (runtime)\n"
                      "examples/e/package.json: vite ^5 (runtime)\n"
                      "pnpm-lock.yaml: @e/esbuild = 0.19.0 (dev, indirect)\n"
                      "pnpm-lock.yaml: gitty = 3.2.1 (runtime, indirect)\n"
                      "pnpm-lock.yaml: loose = 1.4.0 (runtime, indirect)\n");
}

static void test_pnpm_5_and_6(void **state)
{
    (void)state;
    static const struct repo_file five[] = {
        {"package.json",
         "{\"dependencies\":{\"a\":\"^1\",\"al\":\"npm:@s/real@2\"},\"devDependencies\":{\"@t/d\":\"3\"}}"},
        {"pnpm-lock.yaml",
         "lockfileVersion: 5.4\n\nspecifiers:\n  a: ^1\n\ndependencies:\n  a: 1.0.0_react@18.0.0\n"
         "  al: /@s/real/2.0.1\n  loc: link:../loc\n\ndevDependencies:\n  '@t/d': 3.0.0\n\npackages:\n\n"
         "  /a/1.0.0_react@18.0.0:\n    dev: false\n\n  /@s/real/2.0.1:\n    dev: false\n\n"
         "  /@t/d/3.0.0:\n    dev: true\n\n  /e_f/4.0.0_b@1_c@2:\n    dev: true\n\n"
         "  github.com/o/r/abc:\n    name: rr\n    version: 0.1.0\n    dev: false\n"},
    };
    CHECK_REPO(five, "package.json: a ^1 = 1.0.0 (runtime)\n"
                     "package.json: @s/real 2 = 2.0.1 (runtime)\n"
                     "package.json: @t/d 3 = 3.0.0 (dev)\n"
                     "pnpm-lock.yaml: e_f = 4.0.0 (dev, indirect)\n"
                     "pnpm-lock.yaml: rr = 0.1.0 (runtime, indirect)\n");
    static const struct repo_file six[] = {
        {"package.json", "{\"dependencies\":{\"a\":\"^1\"}}"},
        {"pnpm-lock.yaml",
         "lockfileVersion: '6.0'\ndependencies:\n  a:\n    specifier: ^1\n    version: 1.0.0(react@18.0.0)\n"
         "packages:\n  /a@1.0.0(react@18.0.0):\n    dev: false\n  /@s/b@2.0.0:\n    dev: true\n"},
    };
    CHECK_REPO(six, "package.json: a ^1 = 1.0.0 (runtime)\n"
                    "pnpm-lock.yaml: @s/b = 2.0.0 (dev, indirect)\n");
}

static void test_bun(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json", "{\"workspaces\":{\"packages\":[\"web\"],\"catalog\":{\"zod\":\"^3\"}},"
                         "\"dependencies\":{\"zod\":\"catalog:\",\"hono\":\"4\"}}"},
        {"web/package.json", "{\"name\":\"@x/web\",\"devDependencies\":{\"hono\":\"3\"}}"},
        {"bun.lock", "{ // made by bun\n  \"lockfileVersion\": 1,\n  \"workspaces\": {\n"
                     "    \"\": {\"name\": \"r\", \"dependencies\": {\"zod\": \"catalog:\",},},\n"
                     "    \"web\": {\"name\": \"@x/web\",},\n  },\n  \"packages\": {\n"
                     "    \"@x/web\": [\"@x/web@workspace:web\"],\n"
                     "    \"hono\": [\"hono@4.1.0\", \"\", {\"dependencies\": {\"ms\": \"^2\"}}, \"sha\"],\n"
                     "    \"zod\": [\"zod@3.2.0\", \"\", {}, \"sha,]}/*\"],\n"
                     "    \"ms\": [\"ms@2.0.0\", \"\", {}, \"sha\"],\n"
                     "    \"@x/web/hono\": [\"hono@3.0.0\", \"\", {}, \"sha\"],\n"
                     "    \"hono/ms\": [\"ms@1.0.0\", \"\", {}, \"sha\"], /* nested */\n  }\n}\n"},
    };
    CHECK_REPO(files, "package.json: zod ^3 = 3.2.0 (runtime)\n"
                      "package.json: hono 4 = 4.1.0 (runtime)\n"
                      "web/package.json: hono 3 = 3.0.0 (dev)\n"
                      "bun.lock: ms = 1.0.0 (runtime, indirect)\n"
                      "bun.lock: ms = 2.0.0 (runtime, indirect)\n");
}

static void test_deno(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"deno.jsonc",
         "{ // why\n \"name\": \"@me/x\", \"exports\": \"./mod.ts\",\n"
         " \"tasks\": {\"dev\": \"deno run -A main.ts\", \"t\": {\"command\": \"deno test\"},},\n"
         " \"imports\": {\"@std/path\": \"jsr:@std/path@^1.0.3\", \"chalk\": \"npm:chalk@5/x\",\n"
         " \"@/\": \"./src/\", \"o\": \"https://deno.land/x/oak/mod.ts\"},\n}"},
    };
    CHECK_REPO(files, "deno.jsonc: @std/path ^1.0.3 (runtime)\ndeno.jsonc: chalk 5 (runtime)\n");
}

static void test_the_package_itself(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json",
         "{\"name\":\"@x/tool\",\"version\":\"1.2.0\",\"license\":{\"type\":\"MIT\"},\"bin\":\"./cli.js\","
         "\"main\":\"./i.cjs\",\"module\":\"./i.mjs\",\"engines\":{\"npm\":\"9\",\"node\":\">=18\"},"
         "\"packageManager\":\"pnpm@9.1.0+sha512.aa\",\"scripts\":{\"test\":\"vitest run\",\"bad\":7},"
         "\"exports\":{\".\":{\"types\":\"./i.d.ts\",\"import\":{\"default\":\"./e.mjs\"}},\"./sub\":\"./"
         "s.js\","
         "\"./package.json\":\"./package.json\"},\"peerDependencies\":{\"p\":\"1\",\"q\":\"2\"},"
         "\"peerDependenciesMeta\":{\"q\":{\"optional\":true}}}"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    repo_scan(&scan, arena, files, 1, false);
    const struct rb_scan_package *package = find_package(&scan, "package.json");
    assert_string_equal(package->name, "@x/tool");
    assert_string_equal(package->licence, "MIT");
    assert_string_equal(package->manager, "pnpm@9.1.0");
    assert_string_equal(package->engine, "node >=18");
    assert_string_equal(commands_text(arena, package->scripts, package->script_count), "test=vitest run");
    assert_string_equal(commands_text(arena, package->entries, package->entry_count),
                        "tool=./cli.js; =./i.cjs; =./i.mjs; .=./e.mjs; ./sub=./s.js");
    assert_string_equal(repo_text(&scan), "package.json: p 1 (peer)\npackage.json: q 2 (optional)\n");
    rb_arena_free(arena);
}

/* What is wrong is said, and the rest is read. */
static void test_broken_locks(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *says;
    } cases[] = {
        {"package-lock.json", "{\"packages\":{", "JSON"},
        {"yarn.lock", "a@1:\n  version \"1\"\n<<<<<<< HEAD\n", "line 3"},
        {"pnpm-lock.yaml", "packages:\n  a@1.0.0: {\n", "YAML: line"},
        {"pnpm-lock.yaml", "a: *none\n", "YAML"},
        {"pnpm-lock.yaml", "dependencies:\n  - a\n  - b\nsnapshots: [[[x]]]\npackages:\n  [a]: 1\n  - x",
         "YAML"},
        {"bun.lock", "{\"packages\": {\"a\": [\"a@1\"]", "JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        rb_err err = read_manifest(&sheet, arena, cases[i].path, cases[i].text);
        if (i == 3) { /* an alias is never followed, whatever it names */
            assert_int_equal(sheet.locked_count, 0);
        } else {
            assert_int_equal(err, RB_EINVAL);
            if (!strstr(rb_error_text(), cases[i].says))
                fail_msg("%s: %s", cases[i].path, rb_error_text());
        }
        rb_arena_free(arena);
    }
}

/* Ten anchors of ten aliases each would be 10^10 values, were they followed; deep lists end libyaml's stack.
 */
static void test_bombs(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    const char *bomb = "x0: &a0 [l,l,l,l,l,l,l,l,l,l]\n";
    for (int i = 1; i < 10; i++)
        bomb =
            rb_arena_printf(arena, "%sx%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", bomb,
                            i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    bomb = rb_arena_printf(arena, "%sdependencies:\n  a: 1.0.0\n", bomb);
    assert_int_equal(read_manifest(&sheet, arena, "pnpm-lock.yaml", bomb), RB_OK);
    assert_int_equal(sheet.locked_count, 1);

    enum { DEEP = 100000 };
    char *deep = rb_malloc(DEEP + 1);
    memset(deep, '[', DEEP);
    deep[DEEP] = 0;
    assert_int_equal(read_manifest(&sheet, arena, "pnpm-lock.yaml", deep), RB_EINVAL);
    assert_int_equal(read_manifest(&sheet, arena, "package-lock.json", deep), RB_EINVAL);
    assert_int_equal(read_manifest(&sheet, arena, "bun.lock", deep), RB_EINVAL);
    free(deep);
    rb_arena_free(arena);
}

/* yarn and pnpm give what the root settles to the packages themselves, npm only to those below. */
static void test_overrides_of_yarn(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json",
         "{\"name\":\"root\",\"workspaces\":[\"web\"],\"dependencies\":{\"ms\":\"^2.0.0\",\"@s/ui\":\"^1\","
         "\"left\":\"1\",\"qs\":\"^6.0.0\"},\"resolutions\":{\"**/ms\":\"2.1.1\",\"@s/ui\":\"npm:@t/"
         "ui@3.0.0\","
         "\"web/qs\":\"6.5.0\",\"other/**/left\":\"9.9.9\",\"left@npm:^7\":\"8.8.8\"},"
         "\"overrides\":{\"qs\":\"0.0.1\"}}"},
        {"web/package.json", "{\"name\":\"web\",\"dependencies\":{\"ms\":\"^2.0.0\",\"qs\":\"^6.0.0\","
                             "\"left\":\"^7\"},\"resolutions\":{\"ms\":\"0.0.1\"}}"},
        {"yarn.lock", "\"ms@npm:2.1.1\":\n  version: 2.1.1\n\n\"ms@npm:^2.0.0\":\n  version: 2.1.3\n\n"
                      "\"@t/ui@npm:3.0.0\":\n  version: 3.0.0\n\n\"qs@npm:6.5.0\":\n  version: 6.5.0\n\n"
                      "\"qs@npm:^6.0.0\":\n  version: 6.13.0\n\n\"left@npm:1\":\n  version: 1.0.0\n\n"
                      "\"left@npm:8.8.8\":\n  version: 8.8.8\n\n"},
    };
    CHECK_REPO(files,
               "package.json: ms ^2.0.0 = 2.1.1 (runtime)\npackage.json: @t/ui ^1 = 3.0.0 (runtime)\n"
               "package.json: left 1 = 1.0.0 (runtime)\npackage.json: qs ^6.0.0 = 6.13.0 (runtime)\n"
               "web/package.json: ms ^2.0.0 = 2.1.1 (runtime)\n"
               "web/package.json: qs ^6.0.0 = 6.5.0 (runtime)\n"
               "web/package.json: left ^7 = 8.8.8 (runtime)\nyarn.lock: ms = 2.1.3 (runtime, indirect)\n");
}

static void test_overrides_of_pnpm(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json",
         "{\"name\":\"root\",\"dependencies\":{\"react\":\"18.2.0\",\"gone\":\"1\"},"
         "\"pnpm\":{\"overrides\":{\"gone\":\"-\",\"a@>=1 <2\":\"1.9.0\",\"b@1>a\":\"0.0.1\"}}}"},
        {"pnpm-workspace.yaml", "packages:\n- web\noverrides:\n  react: $react\n  'web>zod': 3.22.4\n"
                                "  '@s/local': link:./local\n  c: ^4\n"},
        {"web/package.json",
         "{\"name\":\"web\",\"dependencies\":{\"react\":\"^17\",\"zod\":\"^3\",\"gone\":\"2\","
         "\"a\":\">=1 <2\",\"@s/local\":\"1\",\"c\":\"^3\"}}"},
        {"api/package.json", "{\"name\":\"api\",\"dependencies\":{\"zod\":\"^3\",\"a\":\"^1\"}}"},
    };
    CHECK_REPO(files,
               "package.json: react 18.2.0 = 18.2.0 (runtime)\n"
               "api/package.json: zod ^3 (runtime)\napi/package.json: a ^1 (runtime)\n"
               "web/package.json: react ^17 = 18.2.0 (runtime)\nweb/package.json: zod ^3 = 3.22.4 (runtime)\n"
               "web/package.json: a >=1 <2 = 1.9.0 (runtime)\nweb/package.json: @s/local 1 (runtime, local)\n"
               "web/package.json: c ^3 (runtime)\n");
}

static void test_overrides_of_npm(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"package.json", "{\"name\":\"root\",\"workspaces\":[\"web\"],\"dependencies\":{\"ms\":\"^2\"},"
                         "\"overrides\":{\"ms\":\"2.1.1\",\"qs\":{\".\":\"6.5.0\",\"x\":\"1.0.0\"},"
                         "\"y\":{\"x\":\"1.0.0\"}},\"resolutions\":{\"x\":\"3.3.3\"}}"},
        {"web/package.json",
         "{\"name\":\"web\",\"dependencies\":{\"ms\":\"^2\",\"qs\":\"^6\",\"x\":\"^3\"}}"},
        {"package-lock.json", "{\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"root\"}}}"},
    };
    CHECK_REPO(files, "package.json: ms ^2 (runtime)\nweb/package.json: ms ^2 = 2.1.1 (runtime)\n"
                      "web/package.json: qs ^6 = 6.5.0 (runtime)\nweb/package.json: x ^3 (runtime)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overrides_of_yarn),
        cmocka_unit_test(test_overrides_of_pnpm),
        cmocka_unit_test(test_overrides_of_npm),
        cmocka_unit_test(test_package_lock_3),
        cmocka_unit_test(test_package_lock_1),
        cmocka_unit_test(test_yarn_classic),
        cmocka_unit_test(test_yarn_berry),
        cmocka_unit_test(test_pnpm_9_with_catalogs),
        cmocka_unit_test(test_pnpm_5_and_6),
        cmocka_unit_test(test_bun),
        cmocka_unit_test(test_deno),
        cmocka_unit_test(test_the_package_itself),
        cmocka_unit_test(test_broken_locks),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
