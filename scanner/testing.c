/* How the repository is tested: which tools, by which evidence, and where the tests lie. */
#include <stdlib.h>
#include <string.h>

#include "scanner/facts.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define TOOLS_MAX   40 /* shown; the tables hold some sixty */
#define FOLDERS_MAX 20 /* with tests that are shown, those with most files first */

static const struct {
    const char *ecosystem, *package, *tool;
} test_packages[] = {
    {"npm", "jest", "Jest"},
    {"npm", "vitest", "Vitest"},
    {"npm", "mocha", "Mocha"},
    {"npm", "ava", "AVA"},
    {"npm", "tap", "tap"},
    {"npm", "jasmine", "Jasmine"},
    {"npm", "jasmine-core", "Jasmine"},
    {"npm", "karma", "Karma"},
    {"npm", "cypress", "Cypress"},
    {"npm", "@playwright/test", "Playwright"},
    {"npm", "puppeteer", "Puppeteer"},
    {"npm", "@testing-library/react", "Testing Library"},
    {"npm", "supertest", "SuperTest"},
    {"npm", "qunit", "QUnit"},
    {"npm", "webdriverio", "WebdriverIO"},
    {"npm", "nyc", "nyc"},
    {"npm", "c8", "c8"},
    {"pypi", "pytest", "pytest"},
    {"pypi", "tox", "tox"},
    {"pypi", "nox", "nox"},
    {"pypi", "hypothesis", "Hypothesis"},
    {"pypi", "behave", "behave"},
    {"pypi", "robotframework", "Robot Framework"},
    {"pypi", "locust", "Locust"},
    {"pypi", "coverage", "coverage.py"},
    {"go", "github.com/stretchr/testify", "Testify"},
    {"go", "github.com/onsi/ginkgo", "Ginkgo"},
    {"go", "github.com/onsi/ginkgo/v2", "Ginkgo"},
    {"go", "go.uber.org/goleak", "goleak"},
    {"cargo", "proptest", "proptest"},
    {"cargo", "quickcheck", "QuickCheck"},
    {"cargo", "criterion", "Criterion"},
    {"cargo", "insta", "insta"},
    {"maven", "junit:junit", "JUnit"},
    {"maven", "org.junit.jupiter:junit-jupiter", "JUnit"},
    {"maven", "org.junit.jupiter:junit-jupiter-api", "JUnit"},
    {"maven", "org.junit.jupiter:junit-jupiter-engine", "JUnit"},
    {"maven", "org.testng:testng", "TestNG"},
    {"maven", "org.mockito:mockito-core", "Mockito"},
    {"maven", "org.assertj:assertj-core", "AssertJ"},
    {"maven", "org.spockframework:spock-core", "Spock"},
    {"maven", "io.kotest:kotest-runner-junit5", "Kotest"},
    {"maven", "org.testcontainers:testcontainers", "Testcontainers"},
    {"maven", "org.springframework.boot:spring-boot-starter-test", "Spring Boot Test"},
    {"nuget", "xunit", "xUnit.net"},
    {"nuget", "xunit.v3", "xUnit.net"},
    {"nuget", "NUnit", "NUnit"},
    {"nuget", "MSTest", "MSTest"},
    {"nuget", "MSTest.TestFramework", "MSTest"},
    {"nuget", "Moq", "Moq"},
    {"composer", "phpunit/phpunit", "PHPUnit"},
    {"composer", "symfony/phpunit-bridge", "PHPUnit"},
    {"composer", "pestphp/pest", "Pest"},
    {"composer", "behat/behat", "Behat"},
    {"composer", "codeception/codeception", "Codeception"},
    {"rubygems", "rspec", "RSpec"},
    {"rubygems", "rspec-rails", "RSpec"},
    {"rubygems", "minitest", "minitest"},
    {"rubygems", "cucumber", "Cucumber"},
    {"rubygems", "capybara", "Capybara"},
    {"pub", "test", "package:test"},
    {"pub", "flutter_test", "Flutter test"},
    {"hex", "ex_unit", "ExUnit"},
};

/* A name that begins so shows the tool. */
static const struct {
    const char *start, *tool;
} test_files[] = {
    {"jest.config.", "Jest"},      {"vitest.config.", "Vitest"},   {".mocharc", "Mocha"},
    {"karma.conf.", "Karma"},      {"cypress.config.", "Cypress"}, {"playwright.config.", "Playwright"},
    {"pytest.ini", "pytest"},      {"conftest.py", "pytest"},      {"tox.ini", "tox"},
    {"noxfile.py", "nox"},         {"phpunit.xml", "PHPUnit"},     {"phpunit.dist.xml", "PHPUnit"},
    {".rspec", "RSpec"},           {"behat.yml", "Behat"},         {"codeception.yml", "Codeception"},
    {"wdio.conf.", "WebdriverIO"}, {"ava.config.", "AVA"},
};

/* Tests that the language itself runs: by how its files are called. */
static const char *built_in(const char *path)
{
    if (rb_text_ends(path, "_test.go"))
        return "go test";
    if (rb_text_ends(path, "_test.exs"))
        return "ExUnit";
    if (rb_text_ends(path, ".rs"))
        return "cargo test";
    return NULL;
}

static void tool_put(json_t *tools, const char *name, const char *evidence)
{
    const json_t *item;
    size_t i;
    json_array_foreach(tools, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return;
    }
    json_t *tool = json_object();
    json_object_set_new(tool, "name", json_string(name));
    json_object_set_new(tool, "evidence", json_string(evidence));
    rb_facts_put(tools, TOOLS_MAX, tool);
}

static void tools_by_package(json_t *tools, const struct rb_scan *scan)
{
    for (size_t i = 0; i < scan->sheet.count; i++) {
        const struct rb_scan_dependency *item = &scan->sheet.items[i];
        if (item->indirect || item->local || item->offered)
            continue;
        for (size_t k = 0; k < COUNT(test_packages); k++) {
            if (strcmp(test_packages[k].ecosystem, item->ecosystem) == 0 &&
                strcmp(test_packages[k].package, item->name) == 0)
                tool_put(tools, test_packages[k].tool, item->manifest);
        }
    }
}

/* ---- where -------------------------------------------------------------------------------------------- */

struct test_folder {
    struct rb_piece where;
    int64_t files;
};
struct test_folders {
    struct test_folder *items;
    size_t count, room;
    int64_t files, beside; /* beside the code they test */
};

/* The topmost folder that makes a file one of tests; false when only its name does. */
static bool folder_of_tests(struct rb_piece *folder, const char *path)
{
    char probe[RB_SCAN_PATH_MAX + 2];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t len = (size_t)(slash - path);
        if (len >= RB_SCAN_PATH_MAX)
            return false;
        memcpy(probe, path, len);
        memcpy(probe + len, "/x", 3); /* a file of no meaning there */
        if (rb_path_is_test(probe)) {
            *folder = (struct rb_piece){path, len};
            return true;
        }
    }
    return false;
}

static void folders_note(struct test_folders *folders, struct rb_piece where)
{
    for (size_t i = folders->count; i-- > 0;) { /* files come by folder: it is mostly the last */
        if (folders->items[i].where.len == where.len &&
            memcmp(folders->items[i].where.at, where.at, where.len) == 0) {
            folders->items[i].files++;
            return;
        }
        if (folders->count - i > FOLDERS_MAX)
            break;
    }
    if (folders->count == folders->room) {
        folders->room = folders->room ? folders->room * 2 : 64;
        folders->items = rb_realloc(folders->items, folders->room * sizeof *folders->items);
    }
    folders->items[folders->count++] = (struct test_folder){where, 1};
}

static int folders_order(const void *a, const void *b)
{
    const struct test_folder *x = a, *y = b;
    if (x->files != y->files)
        return x->files < y->files ? 1 : -1;
    return x->where.at < y->where.at ? -1 : x->where.at > y->where.at;
}

static void tools_by_file(json_t *tools, const struct rb_scan *scan, size_t index)
{
    const char *path = scan->tree->entries[index].path, *base = rb_path_base(path), *tool = NULL;
    int marks = rb_facts_marks(scan)[index];
    for (size_t k = 0; k < COUNT(test_files) && !tool; k++) {
        if (base[0] == test_files[k].start[0] && rb_text_starts(base, test_files[k].start) &&
            !rb_path_is_fixture(path))
            tool = test_files[k].tool;
    }
    if (!tool && (marks & RB_MARK_TEST))
        tool = built_in(path);
    if (tool && !(marks & (RB_MARK_VENDORED | RB_MARK_DOCUMENTATION)))
        tool_put(tools, tool, rb_text_clean(scan->arena, path, strlen(path), RB_SCAN_PATH_MAX));
}

static void folders_find(struct test_folders *folders, json_t *tools, const struct rb_scan *scan)
{
    const uint8_t *marks = rb_facts_marks(scan);
    struct rb_piece last = {NULL, 0}, where = {NULL, 0};
    bool is_in_folder = false;
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        if (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE)
            continue;
        tools_by_file(tools, scan, i);
        if ((marks[i] & (RB_MARK_TEST | RB_MARK_VENDORED)) != RB_MARK_TEST)
            continue;
        folders->files++;
        /* Files of one folder come together, and are in the same one of tests. */
        struct rb_piece folder = {entry->path, (size_t)(rb_path_base(entry->path) - entry->path)};
        if (!last.at || last.len != folder.len || memcmp(last.at, folder.at, folder.len) != 0)
            is_in_folder = folder_of_tests(&where, entry->path);
        last = folder;
        if (is_in_folder)
            folders_note(folders, where);
        else
            folders->beside++;
    }
    if (folders->count)
        qsort(folders->items, folders->count, sizeof *folders->items, folders_order);
}

json_t *rb_profile_testing(const struct rb_scan *scan)
{
    struct test_folders folders = {0};
    json_t *testing = json_object(), *tools = json_array(), *list = json_array();
    tools_by_package(tools, scan);
    folders_find(&folders, tools, scan);
    for (size_t i = 0; i < folders.count && i < FOLDERS_MAX; i++) {
        json_t *item = json_object();
        json_object_set_new(item, "path",
                            json_string(rb_text_clean(scan->arena, folders.items[i].where.at,
                                                      folders.items[i].where.len, RB_SCAN_PATH_MAX)));
        json_object_set_new(item, "files", json_integer(folders.items[i].files));
        json_array_append_new(list, item);
    }
    json_object_set_new(testing, "tools", tools);
    json_object_set_new(testing, "files", json_integer(folders.files));
    json_object_set_new(testing, "beside_code", json_integer(folders.beside));
    json_object_set_new(testing, "folders", list);
    free(folders.items);
    return testing;
}
