/*
 * One suite for both stores of the graph, against a real PostgreSQL and a real Neo4j: what is written is what
 * is read, for the first build, updates, cut-off writes and late generations.
 */
#include "tests/unit/servers.h"

#include "grapher/graph.h"

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

static void fixture_open(struct rb_graph **graph, struct rb_db **db, bool neo4j)
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
static void fixture_value(char *out, size_t size, const char *lines, const char *name)
{
    const char *at = strstr(lines, name);
    if (!at) {
        fail_msg("no %s in: %s", name, lines);
        return;
    }
    at += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static int setup_all(void **state)
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

static int teardown_all(void **state)
{
    (void)state;
    servers_do(NULL, 0, "postgres", "stop", fixture.dir);
    servers_do(NULL, 0, "neo4j", "stop", fixture.dir);
    servers_remove(fixture.dir);
    curl_global_cleanup();
    return 0;
}

static int setup(bool neo4j)
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

static int setup_postgres(void **state)
{
    (void)state;
    return setup(false);
}

static int setup_neo4j(void **state)
{
    (void)state;
    return setup(true);
}

static int teardown(void **state)
{
    (void)state;
    rb_graph_close(fixture.graph);
    rb_db_close(fixture.db);
    rb_arena_free(fixture.arena);
    return 0;
}

static bool skipped(void)
{
    if (!fixture.graph)
        skip();
    return !fixture.graph;
}

/* ---- trees --------------------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct rb_tree_entry *)a)->path, ((const struct rb_tree_entry *)b)->path);
}

/* Rows of files whose object name is made of `version`. */
static void tree_of(struct rb_graph_tree *rows, const char *const *paths, size_t count, const char *version)
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
    rb_graph_rows(rows, tree, fixture.arena);
}

/* What a reader sees must be exactly the rows. */
static void assert_holds(const struct rb_graph_tree *rows)
{
    struct rb_graph_about about;
    struct rb_graph_page page = {.next = ""};
    size_t seen = 0;
    assert_int_equal(rb_graph_about(&about, fixture.graph, rows->repo_id), RB_OK);
    assert_string_equal(about.full_name, rows->full_name);
    assert_string_equal(about.commit, rows->commit);
    assert_int_equal(about.generation, rows->generation);
    assert_int_equal(about.files, rows->file_count);
    assert_int_equal(about.complete, rows->complete);
    while (page.next) {
        const struct rb_graph_range range = {.after = page.next, .folder = ""};
        assert_int_equal(rb_graph_files(&page, fixture.graph, rows->repo_id, &range, fixture.arena), RB_OK);
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
            assert_int_equal(found->size, wanted->size);
            assert_string_equal(found->language ? found->language : "",
                                wanted->language ? wanted->language : "");
        }
    }
    assert_int_equal(seen, rows->file_count);
}

static void write_tree(struct rb_graph_written *written, const struct rb_graph_tree *rows)
{
    rb_err err = rb_graph_write(written, fixture.graph, rows, NULL, NULL);
    if (err)
        fail_msg("write: %s", rb_error_text());
}

static const char *const first[] = {"README.md",  "src/a.c",    "src/b/c.py",
                                    "src/b/d.py", "tools/x.sh", "ünï/コード.go"};
static const char *const second[] = {"README.md", "src/a.c/inner.c", "src/b/c.py", "new/deep/er/e.rs",
                                     "ünï/コード.go"};

/* ---- the suite ----------------------------------------------------------------------------------------- */

static void a_graph_is_built_and_updated(void **state)
{
    (void)state;
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    struct rb_graph_about about;
    if (skipped())
        return;
    assert_int_equal(rb_graph_about(&about, fixture.graph, fixture.repo_id), RB_ENOTFOUND);
    tree_of(&rows, first, COUNT(first), "aaaa");
    write_tree(&written, &rows);
    assert_int_equal(written.files, 6);
    assert_int_equal(written.links,
                     6 + 5 + 4); /* of the repository; of folders; folders src, src/b, tools, ünï */
    assert_int_equal(written.changed, 6 + 4);
    assert_holds(&rows);

    /* The same tree again changes nothing but the generation. */
    tree_of(&rows, first, COUNT(first), "aaaa");
    write_tree(&written, &rows);
    assert_int_equal(written.changed, 0);
    assert_holds(&rows);

    /* A file became a folder, others came and went, one content changed. */
    tree_of(&rows, second, COUNT(second), "aaaa");
    write_tree(&written, &rows);
    assert_int_equal(written.files, 5);
    /* files: 2 new, 3 gone; folders: src/a.c, new, new/deep, new/deep/er new; tools gone */
    assert_int_equal(written.changed, 2 + 3 + 4 + 1);
    assert_holds(&rows);

    tree_of(&rows, second, COUNT(second), "bbbb");
    write_tree(&written, &rows);
    assert_int_equal(written.changed, 5);
    assert_holds(&rows);

    tree_of(&rows, NULL, 0, "");
    write_tree(&written, &rows);
    assert_int_equal(written.links, 0);
    assert_holds(&rows);
}

static void an_older_generation_changes_nothing(void **state)
{
    (void)state;
    struct rb_graph_tree old, new;
    struct rb_graph_written written;
    if (skipped())
        return;
    tree_of(&old, first, COUNT(first), "aaaa");
    tree_of(&new, second, COUNT(second), "bbbb");
    write_tree(&written, &new);
    assert_int_equal(rb_graph_write(&written, fixture.graph, &old, NULL, NULL), RB_ESTALE);
    assert_holds(&new);
    write_tree(&written, &new); /* the same event again */
    assert_int_equal(written.changed, 0);
    assert_holds(&new);
}

static void an_incomplete_list_removes_nothing(void **state)
{
    (void)state;
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    struct rb_graph_about about;
    if (skipped())
        return;
    tree_of(&rows, first, COUNT(first), "aaaa");
    write_tree(&written, &rows);
    int64_t links = written.links;
    tree_of(&rows, first, 2, "bbbb");
    rows.complete = false;
    write_tree(&written, &rows);
    assert_int_equal(written.files, COUNT(first));
    assert_int_equal(written.links, links);
    assert_int_equal(rb_graph_about(&about, fixture.graph, fixture.repo_id), RB_OK);
    assert_int_equal(about.files, COUNT(first));
    assert_false(about.complete);
}

struct cut {
    int after;
};

static bool cut_progress(void *arg, int64_t done, int64_t total)
{
    struct cut *cut = arg;
    assert_true(done <= total);
    return cut->after-- > 0;
}

/* More files than any batch: the write is cut off after each of them in turn, then ends right. */
static void a_write_may_be_cut_off_anywhere(void **state)
{
    (void)state;
    enum { FILES = 12000 };
    const char **paths = rb_malloc(FILES * sizeof *paths);
    struct rb_graph_tree rows, before;
    struct rb_graph_written written;
    struct rb_graph_about about;
    if (skipped()) {
        free(paths);
        return;
    }
    for (int i = 0; i < FILES; i++)
        paths[i] = rb_arena_printf(fixture.arena, "d%d/e%d/f%d.js", i % 30, i % 7, i);
    tree_of(&before, first, COUNT(first), "aaaa");
    write_tree(&written, &before);
    tree_of(&rows, paths, FILES, "bbbb");
    rb_err err = RB_EUNAVAILABLE;
    int cuts = 0;
    for (; err; cuts++) {
        struct cut cut = {.after = cuts};
        err = rb_graph_write(&written, fixture.graph, &rows, cut_progress, &cut);
        if (err) {
            assert_int_equal(err, RB_EUNAVAILABLE);
            /* A reader still sees that the commit of before is what the graph shows. */
            assert_int_equal(rb_graph_about(&about, fixture.graph, fixture.repo_id), RB_OK);
            assert_string_equal(about.commit, "aaaa");
        }
    }
    assert_true(cuts >= 3);
    assert_holds(&rows);
    free(paths);
}

struct other {
    const struct rb_graph_tree *rows;
    rb_err err;
};

static void *other_builder(void *arg)
{
    struct other *other = arg;
    struct rb_graph *graph = NULL;
    struct rb_db *db = NULL;
    struct rb_graph_written written;
    fixture_open(&graph, &db, fixture.is_neo4j);
    other->err = rb_graph_write(&written, graph, other->rows, NULL, NULL);
    rb_graph_close(graph);
    rb_db_close(db);
    return NULL;
}

/* Whoever comes first, the newest generation is what stays. */
static void builders_at_once(void **state)
{
    (void)state;
    struct rb_graph_tree rows[4];
    struct other others[4];
    pthread_t threads[4];
    if (skipped())
        return;
    for (size_t i = 0; i < 4; i++) {
        bool odd = i % 2;
        tree_of(&rows[i], odd ? second : first, odd ? COUNT(second) : COUNT(first), odd ? "bbbb" : "aaaa");
    }
    rows[2].generation =
        rows[3].generation; /* the same event, handled twice at once, must mean the same tree */
    rows[2] = rows[3];
    for (size_t i = 0; i < 4; i++) {
        others[i] = (struct other){.rows = &rows[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, other_builder, &others[i]), 0);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_true(others[i].err == RB_OK || (i < 2 && others[i].err == RB_ESTALE));
    assert_holds(&rows[3]);
}

/* The session that holds the lock is ended half way through a write, and a newer generation is written. */
struct overtaken {
    const struct rb_graph_tree *newer;
    bool is_done;
};

static bool overtake(void *arg, int64_t done, int64_t total)
{
    static const struct rb_statement end_session = {
        "end_session", "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
                       "where application_name = 'graph_store_test' and pid <> pg_backend_pid()"};
    struct overtaken *overtaken = arg;
    (void)total;
    if (done == 0 || overtaken->is_done)
        return true;
    overtaken->is_done = true;
    struct rb_graph *graph = NULL;
    struct rb_db *db = NULL;
    struct rb_graph_written written;
    fixture_open(&graph, &db, fixture.is_neo4j);
    assert_int_equal(rb_db_query(NULL, db, &end_session, NULL, 0), RB_OK);
    assert_int_equal(rb_graph_write(&written, graph, overtaken->newer, NULL, NULL), RB_OK);
    rb_graph_close(graph);
    rb_db_close(db);
    return true;
}

static void a_lost_lock_does_no_harm(void **state)
{
    (void)state;
    enum { FILES = 12000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree older, newer;
    struct rb_graph_written written;
    if (skipped())
        return;
    for (int i = 0; i < FILES; i++)
        paths[i] = rb_arena_printf(fixture.arena, "f%d.js", i);
    tree_of(&older, paths, FILES, "aaaa");
    tree_of(&newer, second, COUNT(second), "bbbb");
    struct overtaken overtaken = {.newer = &newer};
    rb_err err = rb_graph_write(&written, fixture.graph, &older, overtake, &overtaken);
    assert_true(overtaken.is_done);
    /* In PostgreSQL the transaction died with the session; in Neo4j the next batch meets the newer
     * generation. */
    assert_int_equal(err, fixture.is_neo4j ? RB_ESTALE : RB_EUNAVAILABLE);
    assert_holds(&newer);
    assert_int_equal(rb_graph_write(&written, fixture.graph, &older, NULL, NULL), RB_ESTALE);
    assert_holds(&newer);
}

static void repositories_do_not_mix(void **state)
{
    (void)state;
    struct rb_graph_tree one, two;
    struct rb_graph_written written;
    if (skipped())
        return;
    tree_of(&one, first, COUNT(first), "aaaa");
    write_tree(&written, &one);
    fixture.repo_id++;
    tree_of(&two, second, COUNT(second), "bbbb");
    write_tree(&written, &two);
    tree_of(&two, NULL, 0, "");
    write_tree(&written, &two);
    assert_holds(&one);
    assert_holds(&two);
}

/* A password that is wrong and a server that is not there: later is fine, and the text says what to do. */
static void a_store_that_cannot_be_had(void **state)
{
    (void)state;
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    static const struct {
        const char *uri, *password, *says;
    } cases[] = {
        {NULL, "wrong password", "NEO4J_PASSWORD"},
        {"http://127.0.0.1:1", "x", "127.0.0.1:1"},
    };
    if (skipped())
        return;
    tree_of(&rows, first, COUNT(first), "aaaa");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rb_graph *graph = NULL;
        struct rb_graph_options options = {.db = fixture.db,
                                           .neo4j_uri = cases[i].uri ? cases[i].uri : fixture.neo4j_uri,
                                           .neo4j_username = "neo4j",
                                           .neo4j_password = cases[i].password};
        assert_int_equal(rb_graph_open(&graph, &options), RB_OK);
        assert_int_equal(rb_graph_write(&written, graph, &rows, NULL, NULL), RB_EUNAVAILABLE);
        assert_non_null(strstr(rb_error_text(), cases[i].says));
        assert_null(strstr(rb_error_text(), "wrong password"));
        rb_graph_close(graph);
    }
}

#define BOTH(test)                                                \
    {"postgresql: " #test, test, setup_postgres, teardown, NULL}, \
    {                                                             \
        "neo4j: " #test, test, setup_neo4j, teardown, NULL        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_graph_is_built_and_updated),
        BOTH(an_older_generation_changes_nothing),
        BOTH(an_incomplete_list_removes_nothing),
        BOTH(a_write_may_be_cut_off_anywhere),
        BOTH(builders_at_once),
        BOTH(a_lost_lock_does_no_harm),
        BOTH(repositories_do_not_mix),
        {"neo4j: a_store_that_cannot_be_had", a_store_that_cannot_be_had, setup_neo4j, teardown, NULL},
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
