/*
 * One suite for both stores of the graph, against a real PostgreSQL and a real Neo4j: what is written is what
 * is read, for the first build, updates, cut-off writes and late generations.
 */
#include "tests/unit/graph_fixture.h"

#include "tests/unit/graph_activity.h"

#include "grapher/handler.h"

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
    struct rb_graph_tree rows, before;
    struct rb_graph_written written;
    struct rb_graph_about about;
    if (skipped())
        return;
    const char **paths = rb_malloc(FILES * sizeof *paths);
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

/* ---- reading and removing -------------------------------------------------------------------------------
 */

/* Names whose order is another by characters, by UTF-16 or by language than by bytes. */
static void pages_follow_each_other_by_key(void **state)
{
    (void)state;
    static const char *const paths[] = {"a.c",
                                        "a/b.c",
                                        "a/b.py",
                                        "a/b/c.c",
                                        "a/b/c/d.py",
                                        "a/b0.c",
                                        "a/b-c.py",
                                        "a/B.c.py",
                                        "a!/x.c",
                                        "a0/x.c",
                                        "a/\xf0\x9f\x98\x80.c",
                                        "a/\xef\xbf\xbd.c",
                                        "a/\xf0\x9f\x98\x80/z.c",
                                        "a/\xef\xbf\xbd/z.py",
                                        "z.py"};
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    if (skipped())
        return;
    tree_of(&rows, paths, COUNT(paths), "aaaa");
    write_tree(&written, &rows);
    for (int limit = 1; limit <= (int)COUNT(paths) + 1; limit++) {
        struct graph_page page = {.next = ""};
        size_t seen = 0;
        while (page.next) {
            read_files(&page, fixture.graph, rows.repo_id, limit, fixture.arena);
            for (size_t i = 0; i < page.count; i++, seen++)
                assert_string_equal(page.files[i].path, rows.files[seen].path);
        }
        assert_int_equal(seen, rows.file_count);
    }
}

static void pages_of_folders(void **state)
{
    (void)state;
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    if (skipped())
        return;
    tree_of(&rows, second, COUNT(second), "aaaa");
    write_tree(&written, &rows);
    for (int limit = 1; limit <= (int)rows.directory_count + 1; limit++) {
        struct graph_directory_page page = {.next = ""};
        size_t seen = 0;
        while (page.next) {
            read_directories(&page, rows.repo_id, limit, fixture.arena);
            for (size_t i = 0; i < page.count; i++, seen++) {
                assert_string_equal(page.directories[i].path, rows.directories[seen].path);
                assert_string_equal(page.directories[i].parent, rows.directories[seen].parent);
            }
        }
        assert_int_equal(seen, rows.directory_count);
    }
}

/* Between two batches of a write: what stays is on exactly one page, and a reader can see that it changes. */
static bool read_meanwhile(void *arg, int64_t done, int64_t total)
{
    struct rb_graph *graph = NULL;
    struct rb_db *db = NULL;
    struct rb_graph_about about;
    struct graph_page page = {.next = ""};
    size_t kept = 0;
    fixture_open(&graph, &db, fixture.is_neo4j);
    assert_int_equal(rb_graph_about(&about, graph, fixture.repo_id), RB_OK);
    if (done == total) { /* the last call is after the end */
        assert_false(about.is_changing);
    } else {
        assert_string_equal(about.commit, "aaaa");
        assert_int_equal(about.is_changing,
                         fixture.is_neo4j); /* in PostgreSQL nothing is seen before the end */
    }
    while (page.next) {
        read_files(&page, graph, fixture.repo_id, 700, fixture.arena);
        for (size_t i = 0; i < page.count; i++)
            kept += strncmp(page.files[i].path, "keep/", 5) == 0;
    }
    assert_int_equal(kept, 1500);
    (*(int *)arg)++;
    rb_graph_close(graph);
    rb_db_close(db);
    return true;
}

static void pages_while_files_move(void **state)
{
    (void)state;
    enum { KEPT = 1500, MOVED = 6000 }; /* several batches */
    const char **paths = rb_arena_alloc(fixture.arena, (KEPT + MOVED) * sizeof *paths);
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    int reads = 0;
    if (skipped())
        return;
    for (int i = 0; i < KEPT + MOVED; i++)
        paths[i] = rb_arena_printf(fixture.arena, i < KEPT ? "keep/%d.js" : "old/%d.js", i);
    tree_of(&rows, paths, KEPT + MOVED, "aaaa");
    write_tree(&written, &rows);
    for (int i = KEPT; i < KEPT + MOVED; i++)
        paths[i] = rb_arena_printf(fixture.arena, "a-new/%d.js", i);
    tree_of(&rows, paths, KEPT + MOVED, "bbbb");
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, read_meanwhile, &reads), RB_OK);
    assert_true(reads >= 3);
    assert_holds(&rows);
}

static void assert_none(int64_t repo_id)
{
    struct rb_graph_about about;
    struct graph_page page = {.next = ""};
    assert_int_equal(rb_graph_about(&about, fixture.graph, repo_id), RB_ENOTFOUND);
    read_files(&page, fixture.graph, repo_id, 10, fixture.arena);
    assert_int_equal(page.count, 0);
}

static void a_graph_is_removed(void **state)
{
    (void)state;
    enum { FILES = 4500 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows, neighbour;
    struct rb_graph_written written;
    bool removed = true;
    if (skipped())
        return;
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, fixture.repo_id, 5), RB_OK); /* there is none */
    assert_false(removed);
    for (int i = 0; i < FILES; i++)
        paths[i] = rb_arena_printf(fixture.arena, "d%d/f%d.js", i % 10, i);
    tree_of(&rows, paths, FILES, "aaaa");
    write_tree(&written, &rows);
    fixture.repo_id++;
    tree_of(&neighbour, first, COUNT(first), "bbbb");
    write_tree(&written, &neighbour);
    /* A disconnect that is older than what is there: it has been connected anew since. */
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, rows.repo_id, rows.generation - 1), RB_OK);
    assert_false(removed);
    assert_holds(&rows);
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, rows.repo_id, rows.generation + 1), RB_OK);
    assert_true(removed);
    assert_none(rows.repo_id);
    assert_holds(&neighbour);
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, rows.repo_id, rows.generation + 1),
                     RB_OK); /* twice */
    assert_none(rows.repo_id);
    /* And again from the start, as for a connect afterwards. */
    rows.generation += 2;
    write_tree(&written, &rows);
    assert_int_equal(written.changed, FILES + 10);
    assert_holds(&rows);
}

static const struct rb_statement connect_it = {
    "connect",
    "with person as (insert into users (login) values ('reader' || $1::bigint) returning id) "
    "insert into installations (user_id, repo_id, repo_full_name, webhook_id, webhook_secret, state, "
    "generation, connected_at) select id, $1, 'acme/shop', 1, '', 'active', 1, now() from person"};
static const struct rb_statement disconnect_it = {
    "disconnect", "update installations set state = 'disconnected' where repo_id = $1"};

/* Whoever else has it connected keeps it, however old the generation of theirs. */
static void a_graph_that_somebody_has_stays(void **state)
{
    (void)state;
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    bool removed = true;
    if (skipped())
        return;
    tree_of(&rows, first, COUNT(first), "aaaa");
    write_tree(&written, &rows);
    run_sql(&connect_it, rows.repo_id);
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, rows.repo_id, rows.generation + 1), RB_OK);
    assert_false(removed);
    assert_holds(&rows);
    run_sql(&disconnect_it, rows.repo_id);
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, rows.repo_id, rows.generation + 1), RB_OK);
    assert_true(removed);
    assert_none(rows.repo_id);
}

static bool is_put(int64_t number)
{
    const struct rb_developer author = {7, "ada", "2026-03-01T10:00:00Z"};
    const struct rb_issue issue = {.repo_id = fixture.repo_id,
                                   .number = number,
                                   .version = "2026-03-01T10:00:00Z/0/",
                                   .title = "",
                                   .state = "open",
                                   .created_at = "2026-03-01T10:00:00Z",
                                   .author = author};
    const struct rb_pull_request pull = {.repo_id = fixture.repo_id,
                                         .number = number + 1,
                                         .version = issue.version,
                                         .title = "",
                                         .state = "open",
                                         .head_sha = "",
                                         .base_ref = "",
                                         .created_at = issue.created_at,
                                         .author = author};
    bool has_issue = false, has_pull = false;
    assert_int_equal(rb_graph_put_issue(&has_issue, fixture.graph, "acme/shop", &issue), RB_OK);
    assert_int_equal(rb_graph_put_pull_request(&has_pull, fixture.graph, "acme/shop", &pull), RB_OK);
    assert_int_equal(has_issue, has_pull);
    return has_issue;
}

/* A disconnect that is under way waits for what is being written, so that its event finds it; where the store
 * is elsewhere, who has written looks behind itself. */
static void nothing_is_written_of_what_nobody_has(void **state)
{
    static const struct rb_statement begin_disconnect = {
        "begin_disconnect", "select from installations where repo_id = $1 for no key update nowait"};
    const struct rb_param params[] = {RB_P_INT(fixture.repo_id)};
    struct rb_db *other = NULL;
    (void)state;
    if (skipped())
        return;
    run_sql(&connect_it, fixture.repo_id);
    assert_int_equal(rb_db_open(&other, fixture.database_url, "graph_store_test", 0), RB_OK);
    assert_int_equal(rb_db_begin(fixture.db), RB_OK);
    assert_true(is_put(1));
    rb_err err = rb_db_query(NULL, other, &begin_disconnect, params, 1);
    assert_int_equal(err, fixture.is_neo4j ? RB_OK : RB_EUNAVAILABLE);
    assert_int_equal(rb_db_commit(fixture.db), RB_OK);
    assert_int_equal(rb_db_query(NULL, other, &begin_disconnect, params, 1), RB_OK);
    rb_db_close(other);
    run_sql(&disconnect_it, fixture.repo_id);
    assert_false(is_put(1));
    assert_false(is_put(3));
}

/* The session that holds the lock is lost half way, and the graph is removed by another: what the builder
 * still writes meets nothing, and leaves nothing. */
static bool forget_meanwhile(void *arg, int64_t done, int64_t total)
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
    bool removed = false;
    fixture_open(&graph, &db, fixture.is_neo4j);
    assert_int_equal(rb_db_query(NULL, db, &end_session, NULL, 0), RB_OK);
    assert_int_equal(rb_graph_forget(&removed, graph, fixture.repo_id, overtaken->newer->generation), RB_OK);
    rb_graph_close(graph);
    rb_db_close(db);
    return true;
}

static void a_builder_resurrects_nothing(void **state)
{
    (void)state;
    enum { FILES = 12000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows, newer;
    struct rb_graph_written written;
    if (skipped())
        return;
    for (int i = 0; i < FILES; i++)
        paths[i] = rb_arena_printf(fixture.arena, "f%d.js", i);
    tree_of(&rows, paths, FILES, "aaaa");
    tree_of(&newer, second, COUNT(second), "bbbb");
    struct overtaken overtaken = {.newer = &newer};
    rb_err err = rb_graph_write(&written, fixture.graph, &rows, forget_meanwhile, &overtaken);
    assert_true(overtaken.is_done);
    assert_int_equal(err, fixture.is_neo4j ? RB_ESTALE : RB_EUNAVAILABLE);
    assert_none(rows.repo_id);
    write_tree(&written, &newer);
    assert_holds(&newer);
}

/* The rows of `field` that a question is answered with. */
static json_t *answer_of(rb_query_fn answer, json_t *question, const char *field)
{
    struct grapher_local mine = {.db = fixture.db, .graph = fixture.graph};
    struct rb_buf text;
    rb_buf_init(&text, RB_ANSWER_MAX);
    if (answer(&text, question, fixture.arena, NULL, &mine))
        fail_msg("%s", rb_error_text());
    json_t *all = json_loadb(text.data, text.len, 0, NULL), *rows = json_incref(json_object_get(all, field));
    json_decref(all);
    json_decref(question);
    rb_buf_free(&text);
    return rows;
}

/* The graph cuts it; who asks knows it as it is. */
static void a_long_path_is_found_as_it_is(void **state)
{
    char folder[3001], path[4097];
    (void)state;
    if (skipped())
        return;
    for (size_t i = 0; i < 3000; i++)
        folder[i] = i % 100 == 99 ? '/' : 'd';
    folder[2999] = 'd';
    folder[3000] = '\0';
    memset(path, 'f', sizeof path - 1);
    memcpy(path, folder, 3000);
    path[3000] = '/';
    path[4096] = '\0';
    const char *const paths[] = {path, "short.c"};
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    tree_of(&rows, paths, COUNT(paths), "aaaa");
    write_tree(&written, &rows);
    json_t *file =
        answer_of(rb_grapher_answer_neighbours,
                  json_pack("{s:I, s:s}", "repo_id", (json_int_t)fixture.repo_id, "path", path), "file");
    assert_string_equal(json_string_value(json_object_get(file, "path")), rb_graph_path(path, fixture.arena));
    json_t *files = answer_of(
        rb_grapher_answer_files,
        json_pack("{s:I, s:s+}", "repo_id", (json_int_t)fixture.repo_id, "folder", "/", folder), "files");
    assert_int_equal(json_array_size(files), 1);
    json_decref(file);
    json_decref(files);
}

/* ---- what happens on GitHub ---------------------------------------------------------------------------- */

/*
 * Events come out of order and more than once: whatever the order, it is the graph of those in order, and the
 * same in both stores. With the last repository all of it is gone, also what it noted elsewhere.
 */
static void deliveries_in_any_order(void **state)
{
    static char *in_postgres; /* what the store that comes first has come to */
    struct rb_db *db = fixture.db;
    struct rb_graph *graph = fixture.graph;
    bool removed = false;
    (void)state;
    if (skipped())
        return;
    chance = 20261129;
    const char *all = "";
    for (int round = 0; round < 3; round++) {
        int64_t in_order = fixture.repo_id + 5000 + 10 * round, people = 10 * in_order;
        int64_t shuffled = in_order + 1, others = people + 10;
        lives_make(fixture.arena);
        for (size_t i = 0; i < lives.count; i++)
            life_deliver(&lives.told[i], graph, in_order, people, fixture.arena);
        lives_deliver_shuffled(graph, shuffled, others, fixture.arena);
        const char *wanted = lives_dump(graph, db, in_order, people, fixture.arena);
        for (int number = 1; number <= LIVES; number++) {
            if (lives.last[number].state && !strstr(wanted, lives.last[number].title))
                fail_msg("the last that was told of %d is not in:\n%s", number, wanted);
        }
        assert_string_equal(lives_dump(graph, db, shuffled, others, fixture.arena), wanted);
        all = rb_arena_printf(fixture.arena, "%s%s", all, wanted);
        assert_int_equal(rb_graph_forget(&removed, graph, shuffled, 1), RB_OK);
        assert_string_equal(lives_dump(graph, db, shuffled, others, fixture.arena), "");
        assert_string_equal(lives_dump(graph, db, in_order, people, fixture.arena), wanted);
    }
    if (!fixture.is_neo4j) {
        in_postgres = rb_strdup(all);
        return;
    }
    if (in_postgres)
        assert_string_equal(all, in_postgres);
    free(in_postgres);
    in_postgres = NULL;
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_graph_is_built_and_updated),
        BOTH(an_older_generation_changes_nothing),
        BOTH(an_incomplete_list_removes_nothing),
        BOTH(a_write_may_be_cut_off_anywhere),
        BOTH(builders_at_once),
        BOTH(a_lost_lock_does_no_harm),
        BOTH(repositories_do_not_mix),
        BOTH(pages_follow_each_other_by_key),
        BOTH(pages_of_folders),
        BOTH(pages_while_files_move),
        BOTH(a_graph_is_removed),
        BOTH(a_graph_that_somebody_has_stays),
        BOTH(nothing_is_written_of_what_nobody_has),
        BOTH(a_builder_resurrects_nothing),
        BOTH(a_long_path_is_found_as_it_is),
        BOTH(deliveries_in_any_order),
        {"neo4j: a_store_that_cannot_be_had", a_store_that_cannot_be_had, setup_neo4j, teardown, NULL},
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
