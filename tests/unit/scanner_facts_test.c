/* What files say besides dependencies: tasks, services, workflows, licences, owners; and the workspaces and
 * commands that come of it. */
#include <stdio.h>

#include "scanner/facts.h"
#include "tests/unit/scanner_help.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static struct rb_arena *arena;

static int each_start(void **state)
{
    (void)state;
    arena = rb_arena_new();
    return 0;
}

static int each_end(void **state)
{
    (void)state;
    rb_arena_free(arena);
    return 0;
}

/* Looks at one file as if it lay at `path`. */
static struct rb_scan_facts *look(const char *path, const char *text, rb_err expected)
{
    static struct rb_scan_sheet sheet;
    rb_scan_parse_fn reader = rb_look_of(path);
    assert_non_null(reader);
    assert_non_null(rb_scan_format_of(path));
    rb_scan_sheet_init(&sheet, arena);
    sheet.manifest = path;
    assert_int_equal(reader(&sheet, text, strlen(text)), expected);
    return sheet.facts;
}

/* Compares with JSON whose quotes are single. */
static void assert_json(const json_t *actual, const char *expected)
{
    char *text = rb_strdup(expected);
    for (char *at = text; *at; at++) {
        if (*at == '\'')
            *at = '"';
    }
    json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);
    free(text);
    assert_non_null(wanted);
    if (!json_equal(wanted, actual)) {
        char *is = json_dumps(actual, JSON_ENCODE_ANY);
        fail_msg("%s\ninstead of %s", is, expected);
    }
    json_decref(wanted);
}

/* The scan of files that have content; NULL content: only the name. */
struct made {
    const char *path, *text;
    bool is_program;
};
static struct rb_scan *scan_of(const struct made *files, size_t count)
{
    struct made_file *list = rb_arena_alloc(arena, (count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct made_file){files[i].path, files[i].text ? (int64_t)strlen(files[i].text) : 100};
    struct rb_tree *tree = rb_arena_alloc(arena, sizeof *tree);
    struct rb_scan *scan = rb_arena_alloc(arena, sizeof *scan);
    *tree = make_tree(list, count, arena);
    for (size_t i = 0; i < tree->count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (files[k].is_program && strcmp(files[k].path, tree->entries[i].path) == 0)
                ((struct rb_tree_entry *)tree->entries)[i].kind = RB_ENTRY_EXECUTABLE;
        }
    }
    rb_scan_survey(scan, tree, arena);
    for (size_t i = 0; i < scan->manifest_count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (files[k].text && strcmp(files[k].path, scan->manifests[i].path) == 0)
                rb_scan_read(scan, i, files[k].text, strlen(files[k].text));
        }
    }
    rb_scan_settle(scan);
    return scan;
}

/* ---- tasks -------------------------------------------------------------------------------------------- */

static void test_makefile(void **state)
{
    (void)state;
    struct rb_scan_facts *facts = look("tools/Makefile",
                                       "# comment: no target\n"
                                       "VAR := x\nURL = http://x\n"
                                       "export A:=b\n"
                                       ".PHONY: lint \\\n  proto\n"
                                       "all: app\n"
                                       "app: main.o\n\tcc -o app main.o\n"
                                       "%.o: %.c\n"
                                       "lint proto:\n\techo x: y\n"
                                       "test::\n"
                                       "$(OBJ): y\n",
                                       RB_OK);
    assert_json(facts->tasks, "[{'runner':'make','name':'all','file':'tools/Makefile','line':7},"
                              "{'runner':'make','name':'lint','file':'tools/Makefile','line':11},"
                              "{'runner':'make','name':'proto','file':'tools/Makefile','line':11},"
                              "{'runner':'make','name':'test','file':'tools/Makefile','line':13}]");
}

static void test_justfile(void **state)
{
    (void)state;
    struct rb_scan_facts *facts = look("justfile",
                                       "set shell := ['bash']\nversion := '1'\nalias t := test\n"
                                       "# the default\ndefault:\n  just --list\n"
                                       "test filter='' *args: build\n  cargo test\n"
                                       "@lint:\n  x\n"
                                       "release version:\n  x\n"
                                       "_hidden:\n  x\n"
                                       "[private]\nsecret:\n  x\n"
                                       "build:\n  x\n",
                                       RB_OK);
    assert_json(facts->tasks, "[{'runner':'just','name':'default','file':'justfile','line':5},"
                              "{'runner':'just','name':'test','file':'justfile','line':7},"
                              "{'runner':'just','name':'lint','file':'justfile','line':9},"
                              "{'runner':'just','name':'build','file':'justfile','line':18}]");
}

static void test_taskfile(void **state)
{
    (void)state;
    struct rb_scan_facts *facts = look(
        "Taskfile.yml",
        "version: '3'\ntasks:\n  build:\n    cmds: [x]\n  inner:\n    internal: true\n  'a:*': {}\n", RB_OK);
    assert_json(facts->tasks, "[{'runner':'task','name':'build','file':'Taskfile.yml'}]");
    look("Taskfile.yml", "tasks: [\n", RB_EINVAL);
    assert_non_null(strstr(rb_error_text(), "line 2"));
}

/* ---- services ----------------------------------------------------------------------------------------- */

static void test_dockerfile(void **state)
{
    (void)state;
    struct rb_scan_facts *facts = look("services/api/Dockerfile",
                                       "# syntax=docker/dockerfile:1\r\n"
                                       "ARG BASE=node:20\r\n"
                                       "FROM --platform=$BUILDPLATFORM ${BASE}-alpine AS Common\n"
                                       "ENV PORT 8080\nEXPOSE $PORT 9000-9002/udp\n"
                                       "FROM golang:1.22 as tools\nEXPOSE 1\nCMD tools\n"
                                       "from common\n"
                                       "RUN a && \\\n  # why\n  b\n"
                                       "ENTRYPOINT [\"node\", \"--token=abc\", \"server.js\"]\n"
                                       "CMD exec serve --password hunter2 --key=$KEY\n",
                                       RB_OK);
    assert_json(
        facts->services,
        "[{'kind':'image','name':'api','file':'services/api/Dockerfile','base':'node:20-alpine',"
        "'ports':[{'port':8080,'protocol':'tcp'},{'port':9000,'to':9002,'protocol':'udp'}],"
        "'entrypoint':'node --token=*** server.js','command':'exec serve --password *** --key=$KEY'}]");
    static const char *const names[][2] = {{"Dockerfile.web", "web"},
                                           {"web.dockerfile", "web"},
                                           {"web/docker/Dockerfile", "web"},
                                           {"docker/Dockerfile", NULL},
                                           {"Dockerfile", NULL}};
    for (size_t i = 0; i < COUNT(names); i++) {
        facts = look(names[i][0], "FROM scratch\n", RB_OK);
        const char *name = json_string_value(json_object_get(json_array_get(facts->services, 0), "name"));
        if (names[i][1] ? !name || strcmp(name, names[i][1]) != 0 : name != NULL)
            fail_msg("%s is %s", names[i][0], name ? name : "nothing");
    }
    assert_int_equal(json_array_size(look("Dockerfile", "RUN x\n", RB_EINVAL)->services), 0);
}

static void test_compose(void **state)
{
    (void)state;
    struct rb_scan_facts *facts =
        look("deploy/docker-compose.prod.yml",
             "x-base: &base\n  restart: always\n"
             "services:\n"
             "  web:\n    <<: *base\n    build: {context: ., dockerfile: web.dockerfile, target: prod}\n"
             "    ports:\n      - '80'\n      - '${HOST_PORT:-8080}:3000'\n      - '[::1]:5000:5001/udp'\n"
             "      - {target: 443, published: 8443, protocol: tcp}\n      - '70000:1'\n      - nonsense\n"
             "    depends_on: {db: {condition: service_healthy}}\n"
             "    command: npm start\n"
             "    environment: {SECRET: hunter2}\n"
             "  db:\n    image: 'https://me:secret@registry.example.com/db:${TAG}'\n"
             "    entrypoint: [run, --requirepass, hunter2]\n"
             "  none:\n",
             RB_OK);
    assert_json(
        facts->services,
        "[{'kind':'compose','name':'web','file':'deploy/docker-compose.prod.yml','depends_on':['db'],"
        "'build':{'context':'.','dockerfile':'web.dockerfile','target':'prod'},'command':'npm start',"
        "'ports':[{'port':80,'protocol':'tcp'},{'port':3000,'protocol':'tcp','published':8080},"
        "{'port':5001,'protocol':'udp','published':5000},{'port':443,'protocol':'tcp','published':8443},"
        "{'port':1,'protocol':'tcp'}]},"
        "{'kind':'compose','name':'db','file':'deploy/docker-compose.prod.yml','depends_on':[],"
        "'image':'https://registry.example.com/db:${TAG}','entrypoint':'run --requirepass ***','ports':[]}]");
    look("compose.yaml", "services: {a: [\n", RB_EINVAL);
    /* Aliases of aliases: each is one node, and only so many are walked. */
    facts =
        look("compose.yaml",
             "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
             "services:\n  s: {ports: *c, command: *c, depends_on: *c}\n",
             RB_OK);
    assert_int_equal(json_array_size(facts->services), 1);
}

static void test_procfile(void **state)
{
    (void)state;
    struct rb_scan_facts *facts =
        look("Procfile",
             "web: bundle exec puma -p $PORT\n# no: thing\n\nempty:\nworker: TOKEN=abc rake jobs\n", RB_OK);
    assert_json(
        facts->services,
        "[{'kind':'process','name':'web','file':'Procfile','ports':[],'command':'bundle exec puma -p $PORT'},"
        "{'kind':'process','name':'worker','file':'Procfile','ports':[],'command':'TOKEN=*** rake jobs'}]");
}

static void test_commands_hide_secrets(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a  b", "a b"},
        {"API_KEY=abc run", "API_KEY=*** run"},
        {"API_KEY=$KEY run", "API_KEY=$KEY run"},
        {"API_KEY=\"${KEY}\" run", "API_KEY=\"${KEY}\" run"},
        {"mysql --password=x -u y", "mysql --password=*** -u y"},
        {"x --token abc", "x --token ***"},
        {"x --token --verbose", "x --token --verbose"},
        {"pass the tests", "pass the tests"},
        {"psql postgres://u:p@h/d", "psql postgres://h/d"},
        {"--secret a", "--secret ***"},
        {"", ""},
    };
    struct rb_scan_sheet sheet;
    rb_scan_sheet_init(&sheet, arena);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(rb_facts_command(&sheet, rb_piece_of(cases[i][0])), cases[i][1]);
}

/* ---- workflows, owners -------------------------------------------------------------------------------- */

static void test_workflow(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"on: push\njobs: {a: {name: A}, b: {uses: ./x.yml}}\n",
         "[{'file':'.github/workflows/"
         "x.yml','triggers':['push'],'jobs':[{'id':'a','name':'A'},{'id':'b','uses':'./x.yml'}]}]"},
        {"name: N\non: [push, pull_request, push]\n",
         "[{'file':'.github/workflows/x.yml','name':'N','triggers':['push','pull_request'],'jobs':[]}]"},
        {"on:\n  schedule:\n    - cron: '1 2 * * *'\n",
         "[{'file':'.github/workflows/x.yml','triggers':['schedule'],'jobs':[]}]"},
        {"just text\n", "[{'file':'.github/workflows/x.yml','triggers':[],'jobs':[]}]"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_json(look(".github/workflows/x.yml", cases[i][0], RB_OK)->workflows, cases[i][1]);
}

static void test_codeowners(void **state)
{
    (void)state;
    const struct rb_scan_facts *facts =
        look("docs/CODEOWNERS",
             "\n# x\n*.js @a @org/team @a\n/with\\ blank/ me@example.com#x\n/none/\n/bad @ x@y\n", RB_OK);
    assert_json(
        facts->owners,
        "[{'file':'docs/CODEOWNERS','truncated':false,'errors':[{'line':6,'text':'\\'@\\' is no owner'},"
        "{'line':6,'text':'\\'x@y\\' is no "
        "owner'}],'rules':[{'pattern':'*.js','owners':['@a','@org/team'],'line':3},"
        "{'pattern':'/with\\\\ blank/','owners':['me@example.com#x'],'line':4},"
        "{'pattern':'/none/','owners':[],'line':5},{'pattern':'/bad','owners':[],'line':6}]}]");
    char *many = rb_arena_alloc(arena, (size_t)5 * (RB_FACTS_RULES_MAX + 1) + 1);
    for (size_t i = 0; i <= RB_FACTS_RULES_MAX; i++)
        memcpy(many + 5 * i, "a @b\n", 5);
    const json_t *file = json_array_get(look("CODEOWNERS", many, RB_OK)->owners, 0);
    assert_true(json_is_true(json_object_get(file, "truncated")));
    assert_int_equal(json_array_size(json_object_get(file, "rules")), RB_FACTS_RULES_MAX);
}

static void test_owners_of_githubs_places(void **state)
{
    (void)state;
    static const struct made files[] = {{"docs/CODEOWNERS", "* @c\n", false},
                                        {"CODEOWNERS", "* @b\n", false},
                                        {".github/CODEOWNERS", "* @a\n", false}};
    for (size_t skip = 0; skip < COUNT(files); skip++) {
        static const char *const places[] = {".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"};
        json_t *owners = rb_profile_owners(scan_of(files, COUNT(files) - skip));
        assert_string_equal(json_string_value(json_object_get(owners, "file")), places[skip]);
        json_decref(owners);
    }
    json_t *none = rb_profile_owners(scan_of(files, 0));
    assert_true(json_is_null(none));
}

/* ---- licences ----------------------------------------------------------------------------------------- */

#define MIT_GRANT                                                                                        \
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and " \
    "associated documentation files (the \"Software\"), to deal in the Software without restriction"
#define MIT_NOTICE                                                                                  \
    "The above copyright notice and this permission notice shall be included in all\n * copies or " \
    "substantial portions of the Software."
#define BSD_GRANT \
    "Redistribution and use in source and binary forms, with or without modification, are permitted"

static void test_license_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *spdx;
        size_t count;
    } cases[] = {
        {"The MIT License\n\n" MIT_GRANT "\n\n" MIT_NOTICE, "MIT", 1},
        {MIT_GRANT ". THE SOFTWARE IS PROVIDED \"AS IS\"", "MIT-0", 1},
        {BSD_GRANT "\n1. this list of conditions and the following disclaimer.", "BSD-2-Clause", 1},
        {BSD_GRANT
         " this list of conditions and the following disclaimer. Neither the name of X nor the names "
         "of its contributors may be used to endorse or promote products derived from this software",
         "BSD-3-Clause", 1},
        {"Apache License\nVersion 2.0, January 2004\nTERMS AND CONDITIONS FOR USE, REPRODUCTION, AND "
         "DISTRIBUTION",
         "Apache-2.0", 1},
        {"Apache License Version 2.0 TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION ... third "
         "parties: " MIT_GRANT " " MIT_NOTICE,
         "Apache-2.0", 2},
        {"GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007", "GPL-3.0", 1},
        {"GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3, 19 November 2007", "AGPL-3.0", 1},
        {"GNU LESSER GENERAL PUBLIC LICENSE\n Version 2.1, February 1999", "LGPL-2.1", 1},
        {"Copyright. All rights reserved.", "", 0},
        {"", "", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count;
        assert_string_equal(rb_license_of_text(&count, cases[i].text, strlen(cases[i].text)), cases[i].spdx);
        assert_int_equal(count, cases[i].count);
    }
    /* Words before several licences say how they belong together. */
    char text[2000];
    size_t count, used = 0;
    while (used < 400)
        used += (size_t)snprintf(text + used, sizeof text - used, "you may choose ");
    snprintf(text + used, sizeof text - used, "%s",
             "GNU GENERAL PUBLIC LICENSE Version 2, June 1991 " MIT_GRANT " " MIT_NOTICE);
    assert_string_equal(rb_license_of_text(&count, text, strlen(text)), "");
    assert_int_equal(count, 2);
}

/* The whole texts that Debian's base-files ships. */
static void test_license_texts_of_debian(void **state)
{
    (void)state;
    static const char *const files[][2] = {{"Apache-2.0", "Apache-2.0"}, {"GPL-1", "GPL-1.0"},
                                           {"GPL-2", "GPL-2.0"},         {"GPL-3", "GPL-3.0"},
                                           {"LGPL-2", "LGPL-2.0"},       {"LGPL-2.1", "LGPL-2.1"},
                                           {"LGPL-3", "LGPL-3.0"},       {"MPL-1.1", "MPL-1.1"},
                                           {"MPL-2.0", "MPL-2.0"},       {"CC0-1.0", "CC0-1.0"}};
    size_t seen = 0;
    for (size_t i = 0; i < COUNT(files); i++) {
        static char text[100000];
        snprintf(text, sizeof text, "/usr/share/common-licenses/%s", files[i][0]);
        FILE *file = fopen(text, "r");
        if (!file)
            continue;
        size_t count, len = fread(text, 1, sizeof text, file);
        fclose(file);
        assert_string_equal(rb_license_of_text(&count, text, len), files[i][1]);
        assert_int_equal(count, 1);
        seen++;
    }
    assert_true(seen >= 5);
}

static void test_license_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"MIT", "MIT"},
        {"mit", "MIT"},
        {"MIT/Apache-2.0", "MIT OR Apache-2.0"},
        {"(MIT OR Apache-2.0) AND BSD-3-Clause", "(MIT OR Apache-2.0) AND BSD-3-Clause"},
        {"GPL-2.0+", "GPL-2.0+"},
        {"Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"},
        {"The Apache License, Version 2.0", "Apache-2.0"},
        {"MIT License", "MIT"},
        {"SEE LICENSE IN x", ""},
        {"UNLICENSED", ""},
        {"MIT OR", ""},
        {"(MIT", ""},
        {"MIT)", ""},
        {"OR", ""},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(rb_license_of_name(arena, cases[i][0]), cases[i][1]);
}

static const char *license_of(const struct made *files, size_t count)
{
    json_t *license = rb_profile_license(scan_of(files, count));
    const char *spdx = json_string_value(json_object_get(license, "spdx"));
    const char *copy = spdx ? rb_arena_strdup(arena, spdx) : "";
    json_decref(license);
    return copy;
}

static void test_license_of_repository(void **state)
{
    (void)state;
    static const char mit[] = MIT_GRANT " " MIT_NOTICE,
                      apache[] = "Licensed under the Apache License, Version 2.0 (the \"License\")";
    const struct made one[] = {{"LICENSE", mit, false}};
    const struct made two[] = {
        {"LICENSE-MIT", mit, false},
        {"LICENSE-APACHE", apache, false},
        {"Cargo.toml", "[package]\nname='x'\nversion='1'\nlicense='MIT OR Apache-2.0'\n", false}};
    const struct made odd[] = {{"LICENSE.txt", "see the others", false}, {"LICENSE_MIT.txt", mit, false}};
    const struct made reuse[] = {{"LICENSES/MIT.txt", NULL, false}};
    const struct made none[] = {
        {"license.go", NULL, false}, {"sub/LICENSE", mit, false}, {"LICENSE-THIRD-PARTY", mit, false}};
    assert_string_equal(license_of(one, 1), "MIT");
    assert_string_equal(license_of(two, 3), "MIT OR Apache-2.0");
    assert_string_equal(license_of(two, 2), ""); /* nobody says how they belong together */
    assert_string_equal(license_of(odd, 2), ""); /* the first may say it */
    assert_string_equal(license_of(reuse, 1), "MIT");
    assert_string_equal(license_of(none, 3), "");
}

/* ---- workspaces and commands -------------------------------------------------------------------------- */

/* "kind: command; …" of the workspace at `path`, with "@folder" where it is to be typed elsewhere. */
static const char *commands_of(const struct made *files, size_t count, const char *path)
{
    struct rb_scan *scan = scan_of(files, count);
    struct rb_workspaces workspaces;
    rb_workspaces_find(&workspaces, scan);
    json_t *list = rb_workspaces_json(scan, &workspaces), *workspace, *command;
    const char *out = "no such workspace";
    size_t i, k;
    json_array_foreach(list, i, workspace)
    {
        if (strcmp(json_string_value(json_object_get(workspace, "path")), path) != 0)
            continue;
        out = "";
        json_array_foreach(json_object_get(workspace, "commands"), k, command)
        {
            const char *folder = json_string_value(json_object_get(command, "folder"));
            out = rb_arena_printf(arena, "%s%s%s: %s%s%s", out, *out ? "; " : "",
                                  json_string_value(json_object_get(command, "kind")),
                                  json_string_value(json_object_get(command, "command")),
                                  strcmp(folder, path) == 0 ? "" : " @",
                                  strcmp(folder, path) == 0 ? "" : folder);
        }
    }
    json_decref(list);
    return out;
}

#define COMMANDS(path, expected, ...)                                          \
    do {                                                                       \
        const struct made files[] = {__VA_ARGS__};                             \
        assert_string_equal(commands_of(files, COUNT(files), path), expected); \
    } while (0)
#define NAMED(path)       \
    {                     \
        path, NULL, false \
    }

static void test_commands(void **state)
{
    (void)state;
    COMMANDS("", "build: cargo build; test: cargo test; start: cargo run",
             {"Cargo.toml", "[package]\nname='a'\n", false}, NAMED("src/main.rs"));
    COMMANDS("", "build: go build ./...", {"go.mod", "module a.b/c\n", false}, NAMED("x.go"));
    COMMANDS("cmd", "build: go build ./...; test: go test ./...; start: go run .",
             {"cmd/go.mod", "module a.b/c\n", false}, NAMED("cmd/main.go"), NAMED("cmd/x_test.go"));
    COMMANDS("", "install: uv sync; test: uv run pytest",
             {"pyproject.toml", "[project]\nname='a'\ndependencies=['pytest']\n", false}, NAMED("uv.lock"),
             NAMED("tests/test_a.py"));
    /* No pytest anywhere, so nobody runs it. */
    COMMANDS("", "install: poetry install", {"pyproject.toml", "[project]\nname='a'\n", false},
             NAMED("poetry.lock"), NAMED("tests/test_a.py"));
    COMMANDS("", "install: pip install -r requirements.txt; test: pytest", {"requirements.txt", "x\n", false},
             NAMED("a.py"), NAMED("conftest.py"), NAMED("test_a.py"));
    COMMANDS("", "install: pnpm install", {"package.json", "{\"packageManager\":\"pnpm@9\"}", false},
             NAMED("package-lock.json"));
    COMMANDS("", "install: yarn install", {"package.json", "{}", false}, NAMED("yarn.lock"));
    COMMANDS("", "", {"package.json", "{}", false});
    COMMANDS("b", "", {"b/package.json", "{}", false}, NAMED("yarn.lock"));
    COMMANDS("a/b", "build: ./gradlew :a:b:build @; test: ./gradlew :a:b:test @", NAMED("gradlew"),
             NAMED("a/b/build.gradle"), NAMED("a/b/src/test/java/ATest.java"));
    COMMANDS("a", "build: ./mvnw -pl a package @", NAMED("mvnw"), {"a/pom.xml", "<project/>", false},
             NAMED("a/A.java"));
    COMMANDS("", "build: make; test: make check; lint: make lint",
             {"Makefile", "default:\ncheck:\nlint:\n", false}, NAMED("a.c"));
    COMMANDS("", "test: just test; check: just check", {"justfile", "test:\n x\ncheck:\n x\n", false});
    COMMANDS("", "install: composer install; test: php artisan test; dev: php artisan serve",
             {"composer.json", "{\"require\":{}}", false}, NAMED("artisan"), NAMED("tests/ATest.php"));
    COMMANDS("", "install: bundle install; test: bundle exec rspec", {"Gemfile", "gem 'rspec'\n", false},
             NAMED("spec/a_spec.rb"));
    COMMANDS("", "build: dotnet build; test: dotnet test", NAMED("a.sln"), NAMED("tests/ATests.cs"));
    COMMANDS("", "test: ./runtest", {"runtest", NULL, true}, NAMED("test.sh"));
    COMMANDS("", "build: ./configure && make", NAMED("configure"), NAMED("configure.ac"));
    COMMANDS("", "", NAMED("configure"), NAMED("README"));
}

static const char *workspaces_of(const struct made *files, size_t count)
{
    struct rb_scan *scan = scan_of(files, count);
    struct rb_workspaces workspaces;
    const char *out = "";
    rb_workspaces_find(&workspaces, scan);
    for (size_t i = 0; i < workspaces.count; i++)
        out = rb_arena_printf(arena, "%s%s[%s]%s", out, i ? " " : "", workspaces.items[i].path,
                              workspaces.items[i].aside ? "*" : "");
    return out;
}

#define WORKSPACES(expected, ...)                                          \
    do {                                                                   \
        const struct made files[] = {__VA_ARGS__};                         \
        assert_string_equal(workspaces_of(files, COUNT(files)), expected); \
    } while (0)

static void test_workspaces(void **state)
{
    (void)state;
    WORKSPACES("[]", NAMED("a.c"));
    WORKSPACES("[] [a] [a/b] [c]", NAMED("a/package.json"), NAMED("a/b/go.mod"), NAMED("c/pom.xml"));
    WORKSPACES("[] [examples/x]*", NAMED("package.json"), NAMED("examples/x/package.json"));
    /* Lists without a package: where there is code and nothing of the kind above. */
    WORKSPACES("[] [backend]", NAMED("backend/requirements.txt"), NAMED("backend/app.py"));
    WORKSPACES("[]", NAMED("tools/requirements.txt"), NAMED("tools/notes.md"));
    WORKSPACES("[]", NAMED("pyproject.toml"), NAMED("backend/requirements.txt"), NAMED("backend/app.py"));
    WORKSPACES("[] [a] [a.b] [a/b]", NAMED("a.b/package.json"), NAMED("a/package.json"),
               NAMED("a/b/package.json")); /* '.' is before '/' */
    WORKSPACES("[] [core]", NAMED("core/core.gradle"), NAMED("gradle/libs.gradle"));
    WORKSPACES("[]", NAMED("node_modules/x/package.json"), NAMED("test/fixtures/y/package.json"));
}

static void test_workspace_parts(void **state)
{
    (void)state;
    static const struct made files[] = {
        {"package.json", "{\"name\":\"root\",\"workspaces\":[\"web\"]}", false},
        {"web/package.json",
         "{\"name\":\"@x/web\",\"version\":\"1.0.0\",\"license\":\"MIT\",\"dependencies\":{\"react\":\"1\"},"
         "\"packageManager\":\"pnpm@9.1.0\",\"engines\":{\"node\":\">=18\"}}",
         false},
        {"web/src/main.ts", NULL, false},
        {"web/src/a.test.ts", NULL, false},
        {"examples/go.mod", "module x\n", false},
        {"examples/x.go", NULL, false},
        {"b.js", NULL, false},
    };
    struct rb_scan *scan = scan_of(files, COUNT(files));
    struct rb_workspaces workspaces;
    rb_workspaces_find(&workspaces, scan);
    json_t *list = rb_workspaces_json(scan, &workspaces), *web = json_array_get(list, 2),
           *root = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 3);
    assert_json(json_object_get(web, "packages"),
                "[{'ecosystem':'npm','manifest':'web/package.json','name':'@x/web',"
                "'version':'1.0.0','manager':'pnpm@9.1.0','engine':'node >=18',"
                "'declared_license':'MIT','license':'MIT'}]");
    assert_json(json_object_get(web, "frameworks"), "['React']");
    assert_json(json_object_get(web, "entry_points"), "[{'target':'src/main.ts','file':'web/src/main.ts'}]");
    assert_string_equal(json_string_value(json_object_get(web, "language")), "TypeScript");
    assert_int_equal(json_integer_value(json_object_get(web, "files")), 3);
    assert_int_equal(json_integer_value(json_object_get(web, "test_files")), 1);
    /* Own files, and the language of all below: but not of examples. */
    assert_int_equal(json_integer_value(json_object_get(root, "files")), 2);
    assert_json(
        json_object_get(root, "languages"),
        "[{'name':'TypeScript','bytes':200,'share':66.7},{'name':'JavaScript','bytes':100,'share':33.3}]");
    assert_json(json_object_get(root, "frameworks"), "[]");
    json_decref(list);
}

static void test_testing(void **state)
{
    (void)state;
    static const struct made files[] = {{"package.json", "{\"devDependencies\":{\"jest\":\"1\"}}", false},
                                        {"cypress.config.ts", NULL, false},
                                        {"a/x_test.go", NULL, false},
                                        {"a/tests/deep/b.c", NULL, false},
                                        {"a/tests/c.c", NULL, false},
                                        {"node_modules/tests/d.js", NULL, false}};
    json_t *testing = rb_profile_testing(scan_of(files, COUNT(files)));
    assert_json(
        testing,
        "{'tools':[{'name':'Jest','evidence':'package.json'},{'name':'go test','evidence':'a/x_test.go'},"
        "{'name':'Cypress','evidence':'cypress.config.ts'}],'files':3,'beside_code':1,"
        "'folders':[{'path':'a/tests','files':2}]}");
    json_decref(testing);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, each_start, each_end)
    const struct CMUnitTest tests[] = {
        EACH(test_makefile),
        EACH(test_justfile),
        EACH(test_taskfile),
        EACH(test_dockerfile),
        EACH(test_compose),
        EACH(test_procfile),
        EACH(test_commands_hide_secrets),
        EACH(test_workflow),
        EACH(test_codeowners),
        EACH(test_owners_of_githubs_places),
        EACH(test_license_texts),
        EACH(test_license_texts_of_debian),
        EACH(test_license_names),
        EACH(test_license_of_repository),
        EACH(test_commands),
        EACH(test_workspaces),
        EACH(test_workspace_parts),
        EACH(test_testing),
    };
    return cmocka_run_group_tests_name("scanner_facts", tests, NULL, NULL);
}
