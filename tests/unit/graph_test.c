/* The pure parts of the grapher: rows of a tree, Neo4j's addresses and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "grapher/graph.h"
#include "grapher/neo4j.h"
#include "lib/repo/path.h"
#include "tests/unit/graph_rows.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct rb_tree_entry *)a)->path, ((const struct rb_tree_entry *)b)->path);
}

static void rows_of(struct rb_graph_tree *rows, struct rb_tree_entry *entries, size_t count,
                    struct rb_arena *arena)
{
    struct rb_tree tree = {.commit = "c", .entries = entries, .count = count, .complete = true};
    qsort(entries, count, sizeof *entries, compare);
    *rows = (struct rb_graph_tree){.repo_id = 1, .generation = 1, .full_name = "a/b"};
    rb_graph_rows(rows, &tree, arena);
    rows->files = files_at_hand(rows, arena);
}

static void files_stand_in_their_folders(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_graph_tree rows;
    struct rb_tree_entry entries[] = {
        {.path = "README.md", .size = 5},
        {.path = "a/x.c", .size = 7},
        {.path = "a-b/x.py", .kind = RB_ENTRY_EXECUTABLE, .size = 1}, /* between "a" and "a/…" */
        {.path = "a", .kind = RB_ENTRY_DIRECTORY, .size = -1},
        {.path = "a/b/c/deep.rs", .size = 2},
        {.path = "a/b/y", .size = 0},
        {.path = "a.c/z.go", .size = 3},
        {.path = "empty", .kind = RB_ENTRY_DIRECTORY, .size = -1},
        {.path = "link", .kind = RB_ENTRY_SYMLINK, .size = 9},
        {.path = "vendor/sub", .kind = RB_ENTRY_SUBMODULE, .size = -1},
    };
    rows_of(&rows, entries, COUNT(entries), arena);
    static const struct {
        const char *path, *directory, *language;
    } files[] = {
        {"README.md", "", "Markdown"},
        {"a-b/x.py", "a-b", "Python"},
        {"a.c/z.go", "a.c", "Go"},
        {"a/b/c/deep.rs", "a/b/c", "Rust"},
        {"a/b/y", "a/b", NULL},
        {"a/x.c", "a", "C"},
        {"link", "", NULL},
    };
    assert_int_equal(rows.file_count, COUNT(files));
    for (size_t i = 0; i < COUNT(files); i++) {
        assert_string_equal(rows.files[i].path, files[i].path);
        assert_string_equal(rows.files[i].directory, files[i].directory);
        if (files[i].language)
            assert_string_equal(rows.files[i].language, files[i].language);
        else
            assert_null(rows.files[i].language);
    }
    static const char *const directories[][2] = {
        {"a", ""}, {"a-b", ""}, {"a.c", ""}, {"a/b", "a"}, {"a/b/c", "a/b"}};
    assert_int_equal(rows.directory_count, COUNT(directories));
    for (size_t i = 0; i < COUNT(directories); i++) {
        assert_string_equal(rows.directories[i].path, directories[i][0]);
        assert_string_equal(rows.directories[i].parent, directories[i][1]);
    }
    rb_arena_free(arena);
}

static void empty_and_incomplete_trees(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_graph_tree rows = {0};
    struct rb_tree tree = {.complete = false};
    rb_graph_rows(&rows, &tree, arena);
    assert_int_equal(rows.file_count, 0);
    assert_int_equal(rows.directory_count, 0);
    assert_false(rows.complete);
    assert_string_equal(rows.commit, "");
    rb_arena_free(arena);
}

/* "c…cc/c…cc/name": folders of so many bytes, all of two bytes a character. */
static const char *long_path(struct rb_arena *arena, const size_t *folders, size_t count, const char *end)
{
    struct rb_buf buf;
    rb_buf_init(&buf, 8192);
    for (size_t i = 0; i < count; i++) {
        if (i && rb_buf_append(&buf, "/", 1))
            fail();
        for (size_t k = 0; k < folders[i]; k += 2) {
            if (rb_buf_append(&buf, "\xc3\xa9", 2))
                fail();
        }
    }
    const char *path = rb_arena_printf(arena, "%.*s%s", (int)buf.len, (const char *)buf.data, end);
    rb_buf_free(&buf);
    return path;
}

static bool is_folder(const struct rb_graph_tree *rows, const char *path)
{
    bool is_there = *path == '\0';
    for (size_t i = 0; i < rows->directory_count; i++)
        is_there = is_there || strcmp(rows->directories[i].path, path) == 0;
    return is_there;
}

/* What stands before the last slash of `path` is `folder`, and is there. */
static void assert_in_folder(const struct rb_graph_tree *rows, const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    json_t *text = json_string(path); /* NULL when it is not UTF-8 */
    assert_non_null(text);
    assert_true(json_string_length(text) <= RB_GRAPH_PATH_MAX);
    json_decref(text);
    assert_int_equal(strlen(folder), len);
    assert_memory_equal(folder, path, len);
    assert_true(is_folder(rows, folder));
}

/* Long paths are cut to what an index takes, whole in their UTF-8. Those that differ anywhere stay apart, and
 * stand in their folders. */
static void long_paths_are_cut_and_stay_apart(void **state)
{
    static const size_t name[] = {4000}, shallow[] = {3000, 10},
                        deep[] = {250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250};
    static const size_t edges[][2] = {{1980, 60}, {1982, 64}, {1984, 62}, {1986, 20}, {2040, 6}, {2046, 8}};
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_graph_tree rows;
    struct rb_tree_entry entries[] = {
        {.path = long_path(arena, name, 1, "x")},        {.path = long_path(arena, name, 1, "y")},
        {.path = long_path(arena, shallow, 2, "x")},     {.path = long_path(arena, shallow, 2, "y")},
        {.path = long_path(arena, shallow, 1, "z/y")},   {.path = long_path(arena, deep, 12, "x")},
        {.path = long_path(arena, deep, 12, "y")},       {.path = long_path(arena, deep, 11, "/z/y")},
        {.path = long_path(arena, deep, 9, "/y")},       {.path = long_path(arena, deep, 7, "/y")},
        {.path = long_path(arena, edges[0], 2, "")},     {.path = long_path(arena, edges[1], 2, "")},
        {.path = long_path(arena, edges[1], 2, "mmmm")}, {.path = long_path(arena, edges[2], 2, "")},
        {.path = long_path(arena, edges[3], 2, "")},     {.path = long_path(arena, edges[4], 2, "")},
        {.path = long_path(arena, edges[5], 2, "")},     {.path = "short/x"}};
    rows_of(&rows, entries, COUNT(entries), arena);
    assert_int_equal(rows.file_count, COUNT(entries));
    for (size_t i = 0; i < rows.file_count; i++) { /* sorted, none twice: files_at_hand() */
        assert_in_folder(&rows, rows.files[i].path, rows.files[i].directory);
        assert_string_equal(rows.files[i].name, rb_path_base(rows.files[i].path));
    }
    for (size_t i = 0; i < rows.directory_count; i++)
        assert_in_folder(&rows, rows.directories[i].path, rows.directories[i].parent);
    rb_arena_free(arena);
}

static void addresses_of_neo4j(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *address; /* NULL: refused, and `more` is what it says; else the database */
        const char *more;
    } cases[] = {
        {"http://localhost:7474", "http://localhost:7474", ""},
        {"HTTP://localhost:7474", "http://localhost:7474", ""},
        {"https://db.example.com:7473/", "https://db.example.com:7473", ""},
        {"http://[::1]:7474", "http://[::1]:7474", ""},
        {"https://proxy.example.com/graphs/", "https://proxy.example.com/graphs", ""},
        {"https://a.databases.neo4j.io/db/neo4j/query/v2", "https://a.databases.neo4j.io", "neo4j"},
        {"https://proxy/graphs/db/my-own.db/query/v2/", "https://proxy/graphs", "my-own.db"},
        {"http://localhost/query/v2", "http://localhost/query/v2", ""},
        {"neo4j+s://abc.databases.neo4j.io", "https://abc.databases.neo4j.io", ""},
        {"neo4j+s://abc.databases.neo4j.io:7687/", "https://abc.databases.neo4j.io", ""},
        {"bolt+s://abc.databases.neo4j.io?policy=eu", "https://abc.databases.neo4j.io", ""},
        {"neo4j+s://db.example.com:7687", NULL, "write https://db.example.com:7473"},
        {"bolt+s://neo4j.io", NULL, "write https://neo4j.io:7473"},
        {"bolt+ssc://host:7687", NULL, "write https://host:7473, and have this machine trust"},
        {"neo4j+ssc://abc.databases.neo4j.io", NULL, "certificate"},
        {"bolt://localhost:7687", NULL, "write http://localhost:7474"},
        {"neo4j://[fe80::1]", NULL, "write http://[fe80::1]:7474"},
        {"redis://cache:6379", NULL, "write http://cache:7474"},
        {"neo4j+s://", NULL, "neo4j+s://host"},
        {"localhost:7474", NULL, "write http://host:7474"},
        {"http://localhost:7474/?a=b", NULL, "behind ?"},
        {"file:///etc/passwd", NULL, "write http://host:7474"},
        {"", NULL, "write http://host:7474"},
        {"http://", NULL, "write http://host:7474"},
        {"http://neo4j:hunter2@localhost:7474", NULL, "NEO4J_PASSWORD"},
        {"neo4j+s://neo4j:hunter2@abc.databases.neo4j.io", NULL, "NEO4J_PASSWORD"},
        {"http://neo4j:hunter2@local host", NULL, "write http://host:7474"},
    };
    struct rb_neo4j_address address;
    for (size_t i = 0; i < COUNT(cases); i++) {
        rb_err err = rb_neo4j_address(&address, cases[i].uri);
        if (cases[i].address) {
            assert_int_equal(err, RB_OK);
            assert_string_equal(address.base, cases[i].address);
            assert_string_equal(address.database, cases[i].more);
        } else if (err != RB_EINVAL || !strstr(rb_error_text(), cases[i].more) ||
                   strstr(rb_error_text(), "hunter2")) {
            fail_msg("%s: %d, %s", cases[i].uri, err, err ? rb_error_text() : address.base);
        }
    }
    char longest[1024] = "http://localhost/";
    memset(longest + strlen(longest), 'a', 600);
    assert_int_equal(rb_neo4j_address(&address, longest), RB_EINVAL);
}

static void answers_of_neo4j(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        rb_err err;
        bool transient;
        const char *says;
    } cases[] = {
        {202, "{\"data\":{\"fields\":[\"n\"],\"values\":[[1],[2]]}}", RB_OK, false, NULL},
        {202,
         "{\"data\":{\"values\":[[1]]},\"errors\":[{\"code\":\"Neo.ClientError.Statement.SyntaxError\","
         "\"message\":\"no\"}]}",
         RB_EINTERNAL, false, "SyntaxError"},
        {400,
         "{\"errors\":[{\"code\":\"Neo.TransientError.Transaction.DeadlockDetected\",\"message\":\"x\"}]}",
         RB_EUNAVAILABLE, true, "Deadlock"},
        {401, "{\"errors\":[{\"code\":\"Neo.ClientError.Security.Unauthorized\",\"message\":\"x\"}]}",
         RB_EUNAVAILABLE, false, "NEO4J_PASSWORD"},
        {404, "{\"errors\":[{\"code\":\"Neo.ClientError.Database.DatabaseNotFound\",\"message\":\"x\"}]}",
         RB_EUNAVAILABLE, false, "NEO4J_DATABASE"},
        {500, "{\"errors\":[{\"code\":\"Neo.DatabaseError.General.UnknownError\",\"message\":\"x\"}]}",
         RB_EUNAVAILABLE, false, "UnknownError"},
        {401, "{}", RB_EUNAVAILABLE, false, "NEO4J_PASSWORD"},
        {404, "null", RB_EUNAVAILABLE, false, "5.25"},
        {200, "{}", RB_EUNAVAILABLE, false, "HTTP port"},
        {502, "[]", RB_EUNAVAILABLE, false, "502"},
        {202, "{\"errors\":[7]}", RB_EUNAVAILABLE, false, "no code"},
        {202, "{\"data\":{\"values\":7}}", RB_EUNAVAILABLE, false, "202"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *body = json_loads(cases[i].body, JSON_DECODE_ANY, NULL);
        const json_t *values = NULL;
        bool transient = false;
        assert_non_null(body);
        assert_int_equal(rb_neo4j_judge(&values, &transient, cases[i].status, body), cases[i].err);
        assert_int_equal(transient, cases[i].transient);
        if (cases[i].err == RB_OK)
            assert_int_equal(json_array_size(values), 2);
        else if (!strstr(rb_error_text(), cases[i].says))
            fail_msg("case %zu says: %s", i, rb_error_text());
        json_decref(body);
    }
    bool transient;
    const json_t *values = NULL;
    assert_int_equal(rb_neo4j_judge(&values, &transient, 200, NULL),
                     RB_EUNAVAILABLE); /* the body was no JSON */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_stand_in_their_folders),
        cmocka_unit_test(empty_and_incomplete_trees),
        cmocka_unit_test(long_paths_are_cut_and_stay_apart),
        cmocka_unit_test(addresses_of_neo4j),
        cmocka_unit_test(answers_of_neo4j),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
