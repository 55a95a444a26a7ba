/* What the tests of the graph's stores stand on: a PostgreSQL and a Neo4j of their own, trees, and what must
 * hold. */
#ifndef RB_TESTS_GRAPH_FIXTURE_H
#define RB_TESTS_GRAPH_FIXTURE_H

#include "tests/unit/graph_rows.h"
#include "tests/unit/servers.h"

#include "grapher/graph_store.h"

#include <curl/curl.h>
#include <pthread.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct fixture {
    char dir[64];
    char database_url[256];
    char neo4j_uri[128], neo4j_password[128];
    bool has_neo4j, is_neo4j;
    struct rb_db *db;
    struct rb_graph *graph;
    struct rb_arena *arena;
    int64_t repo_id, generation; /* each test has a repository of its own */
} fixture;

static inline void fixture_open(struct rb_graph **graph, struct rb_db **db, bool neo4j)
{
    assert_int_equal(rb_db_open(db, fixture.database_url, "graph_store_test", 0), RB_OK);
    struct rb_graph_options options = {.db = *db};
    if (neo4j) {
        options.neo4j_uri = fixture.neo4j_uri;
        options.neo4j_username = "neo4j";
        options.neo4j_password = fixture.neo4j_password;
    }
    assert_int_equal(rb_graph_open(graph, &options), RB_OK);
}

/* The value of NAME= in the lines that tests/servers/neo4j prints. */
static inline void fixture_value(char *out, size_t size, const char *lines, const char *name)
{
    const char *at = strstr(lines, name);
    if (!at) {
        fail_msg("no %s in: %s", name, lines);
        return;
    }
    at += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static inline int setup_all(void **state)
{
    char lines[1024];
    (void)state;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    servers_folder(fixture.dir);
    assert_int_equal(
        servers_do(fixture.database_url, sizeof fixture.database_url, "postgres", "start", fixture.dir), 0);
    servers_migrate(fixture.database_url);
    int status = servers_do(lines, sizeof lines, "neo4j", "start", fixture.dir);
    fixture.has_neo4j = status == 0;
    if (fixture.has_neo4j) {
        fixture_value(fixture.neo4j_uri, sizeof fixture.neo4j_uri, lines, "NEO4J_URI=");
        fixture_value(fixture.neo4j_password, sizeof fixture.neo4j_password, lines, "NEO4J_PASSWORD=");
    } else if (status != 3) { /* 3: it cannot run here, and has said why */
        fail_msg("Neo4j did not start (%d)", status);
    }
    return 0;
}

static inline int teardown_all(void **state)
{
    (void)state;
    servers_do(NULL, 0, "postgres", "stop", fixture.dir);
    servers_do(NULL, 0, "neo4j", "stop", fixture.dir);
    servers_remove(fixture.dir);
    curl_global_cleanup();
    return 0;
}

static inline int setup(bool neo4j)
{
    fixture.is_neo4j = neo4j;
    fixture.repo_id++;
    fixture.generation = 0;
    fixture.arena = rb_arena_new();
    fixture.graph = NULL;
    fixture.db = NULL;
    if (!neo4j || fixture.has_neo4j)
        fixture_open(&fixture.graph, &fixture.db, neo4j);
    return 0;
}

static inline int setup_postgres(void **state)
{
    (void)state;
    return setup(false);
}

static inline int setup_neo4j(void **state)
{
    (void)state;
    return setup(true);
}

static inline int teardown(void **state)
{
    (void)state;
    rb_graph_close(fixture.graph);
    rb_db_close(fixture.db);
    rb_arena_free(fixture.arena);
    return 0;
}

static inline bool skipped(void)
{
    if (!fixture.graph)
        skip();
    return !fixture.graph;
}

/* ---- trees --------------------------------------------------------------------------------------------- */

static inline int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct rb_tree_entry *)a)->path, ((const struct rb_tree_entry *)b)->path);
}

/* The rows of a tree that is packed, as it comes from the store; for the tests all of them at hand, too. */
static inline void make_rows(struct rb_graph_tree *rows, const struct rb_tree *tree, struct rb_arena *arena)
{
    struct rb_tree packed = *tree;
    assert_int_equal(rb_tree_pack(&packed, arena), RB_OK);
    rb_graph_rows(rows, &packed, arena);
    rows->files = files_at_hand(rows, arena);
}

/* Rows of files whose object name is made of `version`. */
static inline void tree_of(struct rb_graph_tree *rows, const char *const *paths, size_t count,
                           const char *version)
{
    struct rb_tree_entry *entries = rb_arena_alloc(fixture.arena, count * sizeof *entries);
    struct rb_tree *tree = rb_arena_alloc(fixture.arena, sizeof *tree);
    for (size_t i = 0; i < count; i++) {
        entries[i].path = paths[i];
        entries[i].size = (int64_t)strlen(paths[i]);
        snprintf(entries[i].sha, sizeof entries[i].sha, "%s", version);
    }
    if (count)
        qsort(entries, count, sizeof *entries, compare_entries);
    *tree = (struct rb_tree){.entries = entries, .count = count, .complete = true};
    snprintf(tree->commit, sizeof tree->commit, "%s", version);
    *rows = (struct rb_graph_tree){
        .repo_id = fixture.repo_id, .generation = ++fixture.generation, .full_name = "acme/shop"};
    make_rows(rows, tree, fixture.arena);
}

static inline void read_files(struct graph_page *page, struct rb_graph *graph, int64_t repo_id, int limit,
                              struct rb_arena *arena)
{
    const struct graph_bounds bounds = {page->next, limit};
    if (graph->store->read_files(page, graph, repo_id, &bounds, arena))
        fail_msg("reading files: %s", rb_error_text());
    assert_true(page->count <= (size_t)limit);
}

static inline void read_directories(struct graph_directory_page *page, int64_t repo_id, int limit,
                                    struct rb_arena *arena)
{
    const struct graph_bounds bounds = {page->next, limit};
    if (fixture.graph->store->read_directories(page, fixture.graph, repo_id, &bounds, arena))
        fail_msg("reading folders: %s", rb_error_text());
    assert_true(page->count <= (size_t)limit);
}

/* What a reader sees must be exactly the rows. */
static inline void assert_holds(const struct rb_graph_tree *rows)
{
    struct rb_graph_about about;
    struct graph_page page = {.next = ""};
    size_t seen = 0;
    assert_int_equal(rb_graph_about(&about, fixture.graph, rows->repo_id), RB_OK);
    assert_string_equal(about.full_name, rows->full_name);
    assert_string_equal(about.commit, rows->commit);
    assert_int_equal(about.generation, rows->generation);
    assert_int_equal(about.files, rows->file_count);
    assert_int_equal(about.complete, rows->complete);
    while (page.next) {
        read_files(&page, fixture.graph, rows->repo_id, GRAPH_PAGE_MAX, fixture.arena);
        for (size_t i = 0; i < page.count; i++, seen++) {
            const struct rb_graph_file *found = &page.files[i];
            const struct rb_graph_file *wanted = NULL;
            for (size_t k = 0; k < rows->file_count && !wanted; k++) {
                /* Most often in the same order, so look there first. */
                size_t at = (seen + k) % rows->file_count;
                if (strcmp(rows->files[at].path, found->path) == 0)
                    wanted = &rows->files[at];
            }
            if (!wanted) {
                fail_msg("%s is in the graph and not in the tree", found->path);
                return;
            }
            assert_string_equal(found->directory, wanted->directory);
            assert_string_equal(found->sha, wanted->sha);
            assert_string_equal(found->name, wanted->name);
            assert_int_equal(found->size, wanted->size);
            assert_int_equal(found->is_test, wanted->is_test);
            assert_int_equal(found->is_generated, wanted->is_generated);
            assert_int_equal(found->is_vendored, wanted->is_vendored);
            assert_string_equal(found->language ? found->language : "",
                                wanted->language ? wanted->language : "");
        }
    }
    assert_int_equal(seen, rows->file_count);
}

static inline void write_tree(struct rb_graph_written *written, const struct rb_graph_tree *rows)
{
    rb_err err = rb_graph_write(written, fixture.graph, rows, NULL, NULL);
    if (err)
        fail_msg("write: %s", rb_error_text());
}

static inline void run_sql(const struct rb_statement *statement, int64_t repo_id)
{
    const struct rb_param params[] = {RB_P_INT(repo_id)};
    if (rb_db_query(NULL, fixture.db, statement, params, 1))
        fail_msg("%s: %s", statement->name, rb_error_text());
}

#define BOTH(test)                                                \
    {"postgresql: " #test, test, setup_postgres, teardown, NULL}, \
    {                                                             \
        "neo4j: " #test, test, setup_neo4j, teardown, NULL        \
    }

#endif
