/*
 * How a write goes: what is lost, seen and taken up again on the way, and where its difference comes from.
 */
#include "tests/unit/graph_fixture.h"
#include "tests/unit/lossy_proxy.h"

#include "grapher/activity.h"
#include "grapher/handler.h"
#include "grapher/neo4j.h"

/* ---- what only a store of many transactions has to mind ------------------------------------------------ */

/* One number that Neo4j answers to a question about the present repository, asked past the grapher. */
static int64_t asked(const char *statement)
{
    struct rb_neo4j *neo4j = NULL;
    json_t *values = NULL, *parameters = json_pack("{s:I}", "repo_id", (json_int_t)fixture.repo_id);
    assert_int_equal(rb_neo4j_open(&neo4j, &(struct rb_neo4j_options){.uri = fixture.neo4j_uri,
                                                                      .username = "neo4j",
                                                                      .password = fixture.neo4j_password}),
                     RB_OK);
    if (rb_neo4j_run(&values, neo4j, statement, parameters))
        fail_msg("%s: %s", statement, rb_error_text());
    int64_t number = json_integer_value(json_array_get(json_array_get(values, 0), 0));
    json_decref(values);
    json_decref(parameters);
    rb_neo4j_close(neo4j);
    return number;
}
#define COUNT_REPOSITORIES "MATCH (r:Repository {repo_id: $given.repo_id}) RETURN count(r)"
#define COUNT_LINKS        "MATCH ({repo_id: $given.repo_id})-[c:CONTAINS]->() RETURN count(c)"

static void many_paths(const char **paths, size_t count, const char *form)
{
    for (size_t i = 0; i < count; i++)
        paths[i] = rb_arena_printf(fixture.arena, form, (int)i % 40, (int)i);
}

/* Opens a graph that is asked by way of a proxy, as `fixture.graph`. */
static struct rb_graph *open_lossy(struct lossy_proxy *proxy)
{
    struct rb_graph *direct = fixture.graph;
    lossy_proxy_start(proxy, fixture.neo4j_uri);
    struct rb_graph_options options = {.db = fixture.db,
                                       .neo4j_uri = proxy->uri,
                                       .neo4j_username = "neo4j",
                                       .neo4j_password = fixture.neo4j_password};
    assert_int_equal(rb_graph_open(&fixture.graph, &options), RB_OK);
    return direct;
}

/* How many answers were lost. */
static int close_lossy(struct lossy_proxy *proxy, struct rb_graph *direct)
{
    rb_graph_close(fixture.graph);
    fixture.graph = direct;
    return lossy_proxy_stop(proxy);
}

/* Writes it, and sees that it is there whole. */
static void write_whole(const struct rb_graph_tree *rows)
{
    struct rb_graph_written written;
    write_tree(&written, rows);
    assert_int_equal(written.links, asked(COUNT_LINKS));
    assert_holds(rows);
}

/* Removes it, and sees that nothing is left. */
static void forget_whole(const struct rb_graph_tree *rows)
{
    bool removed = false;
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, rows->repo_id, rows->generation), RB_OK);
    assert_int_equal(asked("MATCH (n {repo_id: $given.repo_id}) RETURN count(n)"), 0);
}

/* Every answer is lost once, after the server has done what it was asked for. */
static void answers_that_are_lost(void **state)
{
    (void)state;
    enum { FILES = 12000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows;
    struct lossy_proxy proxy;
    if (skipped())
        return;
    struct rb_graph *direct = open_lossy(&proxy);
    static const char *const forms[] = {"d%d/a/f%d.js", "e%d/b/f%d.py"}; /* a build, a large update */
    for (size_t i = 0; i < COUNT(forms); i++) {
        many_paths(paths, FILES, forms[i]);
        tree_of(&rows, paths, FILES, i ? "bbbb" : "aaaa");
        write_whole(&rows);
    }
    paths[0] = "one/more.c"; /* and one in a single transaction */
    tree_of(&rows, paths, FILES - 100, "cccc");
    write_whole(&rows);
    forget_whole(&rows);
    assert_true(close_lossy(&proxy, direct) > 10);
}

/* Every other request ends as Neo4j ends one of two that wait for each other: rolled back, with the advice to
 * try again. */
static void deadlocks_are_tried_again(void **state)
{
    (void)state;
    enum { FILES = 6000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows;
    struct lossy_proxy proxy;
    if (skipped())
        return;
    struct rb_graph *direct = open_lossy(&proxy);
    proxy.refusal =
        "{\"errors\":[{\"code\":\"Neo.TransientError.Transaction.DeadlockDetected\",\"message\":\"m\"}]}";
    many_paths(paths, FILES, "d%d/f%d.js");
    for (size_t less = 0; less < 2; less++) {
        tree_of(&rows, paths, FILES - less, less ? "bbbb" : "aaaa");
        write_whole(&rows);
    }
    forget_whole(&rows);
    assert_true(close_lossy(&proxy, direct) > 10);
}

/* Of two batches none is done before both are with the server; each loses its answer, too. */
static void batches_go_side_by_side(void **state)
{
    (void)state;
    enum { FILES = 10000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    struct lossy_proxy proxy;
    if (skipped())
        return;
    many_paths(paths, FILES, "f%d_%d.js");
    tree_of(&rows, paths, FILES, "aaaa");
    struct rb_graph *direct = open_lossy(&proxy);
    proxy.together = "CREATE (r)-[:CONTAINS]->(f:File";
    proxy.wanted = 2;
    write_tree(&written, &rows);
    assert_true(close_lossy(&proxy, direct) > 2);
    assert_true(proxy.there >= 2);
    assert_int_equal(written.links, asked(COUNT_LINKS));
    assert_holds(&rows);
}

static const struct rb_touch touched[] = {{.path = "d7/f7.js", .additions = 1}};

/* While a first build writes: an issue is opened, and a pull request touches what is still to be written. */
static bool look_meanwhile(void *arg, int64_t done, int64_t total)
{
    struct rb_issue issue = {
        .repo_id = fixture.repo_id,
        .number = 1,
        .version = "1",
        .title = "t",
        .state = "open",
        .created_at = "2026-01-01T00:00:00Z",
        .author = {.github_id = 7000 + fixture.repo_id, .login = "ada", .seen_at = "2026-01-01T00:00:00Z"}};
    struct rb_pull_request pull = {.repo_id = fixture.repo_id,
                                   .number = 2,
                                   .version = "1",
                                   .title = "t",
                                   .state = "open",
                                   .head_sha = "h",
                                   .base_ref = "main",
                                   .created_at = "2026-01-01T00:00:00Z",
                                   .author = {.login = "", .seen_at = ""},
                                   .has_touches = true,
                                   .touches = touched,
                                   .touch_count = COUNT(touched)};
    bool written = false;
    int *calls = arg;
    if ((*calls)++ == 0) {
        if (rb_graph_put_issue(&written, fixture.graph, "acme/shop", &issue))
            fail_msg("%s", rb_error_text());
        assert_int_equal(rb_graph_put_pull_request(&written, fixture.graph, "acme/shop", &pull), RB_OK);
        assert_true(written);
    }
    bool is_over = done == total;
    assert_int_equal(
        asked("MATCH (r:Repository {repo_id: $given.repo_id})-[c:CONTAINS]->(:File) RETURN count(c)"),
        is_over ? total - 40 : 0);
    assert_int_equal(asked(COUNT_REPOSITORIES), 1);
    return true;
}

/* Also to those who ask Neo4j themselves. What others noted of the repository meanwhile is on the one node.
 */
static void a_first_build_is_seen_when_it_is_whole(void **state)
{
    (void)state;
    enum { FILES = 12000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    int calls = 0;
    if (skipped())
        return;
    many_paths(paths, FILES, "d%d/f%d.js");
    tree_of(&rows, paths, FILES, "aaaa");
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, look_meanwhile, &calls), RB_OK);
    assert_int_equal(calls, 7); /* the folders, five batches, the end */
    assert_holds(&rows);
    assert_int_equal(written.links, asked(COUNT_LINKS));
    assert_int_equal(asked("MATCH (:Developer {login: 'ada'})-[c:CONTRIBUTED_TO]->(r:Repository {repo_id: "
                           "$given.repo_id}) WHERE r.commit = 'aaaa' RETURN count(c)"),
                     1);
    assert_int_equal(
        asked("MATCH (:PullRequest {repo_id: $given.repo_id})-[:TOUCHES]->(f:File {sha: 'aaaa'}) "
              "RETURN count(f)"),
        1);
}

struct resumed {
    int64_t first, cut_at;
};

static bool note_first(void *arg, int64_t done, int64_t total)
{
    struct resumed *resumed = arg;
    (void)total;
    if (resumed->first < 0)
        resumed->first = done;
    return resumed->cut_at < 0 || done < resumed->cut_at;
}

/* A build that was cut off goes on where it was, also for the next generation of the same commit, and starts
 * anew for another commit. */
static void a_first_build_goes_on(void **state)
{
    (void)state;
    enum { FILES = 12000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    struct resumed resumed = {.first = -1, .cut_at = 5000};
    if (skipped())
        return;
    many_paths(paths, FILES, "d%d/f%d.js");
    tree_of(&rows, paths, FILES, "aaaa");
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, note_first, &resumed), RB_EUNAVAILABLE);
    assert_int_equal(resumed.first, 0);
    rows.generation = ++fixture.generation;
    resumed = (struct resumed){.first = -1, .cut_at = 10000};
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, note_first, &resumed), RB_EUNAVAILABLE);
    assert_int_equal(resumed.first, 5040); /* behind the folders and a batch */
    many_paths(paths, FILES, "d%d/g%d.js");
    tree_of(&rows, paths, FILES, "bbbb");
    resumed = (struct resumed){.first = -1, .cut_at = -1};
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, note_first, &resumed), RB_OK);
    assert_int_equal(resumed.first, 0);
    assert_int_equal(written.links, asked(COUNT_LINKS));
    assert_holds(&rows);
}

/* Two batches were under way, the later one was done and the one before it was not. */
#define ONE_IS_MISSING                                                                                       \
    "MATCH (first:Lane {repo_id: $given.repo_id, number: 0}) SET first.at = 10000, first.written = 12040 "   \
    "WITH first MATCH (second:Lane {repo_id: $given.repo_id, number: 1}) SET second.at = 0, second.written " \
    "= 0 WITH second MATCH (f:File {repo_id: $given.repo_id}) WHERE f.path > 'd3/' AND f.path < 'd30' "      \
    "DETACH DELETE f RETURN count(f)"
static void a_first_build_goes_on_before_what_is_missing(void **state)
{
    (void)state;
    enum { FILES = 12000 };
    const char **paths = rb_arena_alloc(fixture.arena, FILES * sizeof *paths);
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    struct resumed resumed = {.first = -1, .cut_at = 10000};
    if (skipped())
        return;
    many_paths(paths, FILES, "d%d/f%d.js");
    tree_of(&rows, paths, FILES, "aaaa");
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, note_first, &resumed), RB_EUNAVAILABLE);
    assert_true(asked(ONE_IS_MISSING) > 0);
    resumed = (struct resumed){.first = -1, .cut_at = -1};
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, note_first, &resumed), RB_OK);
    assert_int_equal(resumed.first, 0);
    assert_int_equal(written.links, asked(COUNT_LINKS));
    assert_holds(&rows);
}

/* ---- where the difference comes from ------------------------------------------------------------------- */

/* "Query caches successfully cleared of 3 queries." */
#define FORGET_PLANS \
    "CALL db.clearQueryCaches() YIELD value RETURN coalesce(toInteger(split(value, ' ')[5]), 0)"

/* Planning takes longer than most of what is planned. */
static void a_statement_is_planned_once_whatever_it_is_given(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 3, 30, 400, 5}; /* orders of magnitude of what is new, and then gone */
    static const char *const commits[] = {"aa", "bbbb", "", "cccccccccccccccccccc", "dddd"};
    const char *paths[400];
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    if (skipped())
        return;
    for (size_t i = 0; i < COUNT(counts); i++) {
        many_paths(paths, counts[i], "d%d/f%d.js");
        tree_of(&rows, paths, counts[i], commits[i]);
        write_tree(&written, &rows);
        if (i == 0) /* the build has other statements */
            assert_true(asked(FORGET_PLANS) > 0);
    }
    /* A look, the files and folders that are read back, the claim, the rows, the end. */
    assert_int_equal(asked(FORGET_PLANS), 6);
}

/* After that, whoever asks the first question waits for no plan. */
static void questions_are_planned_ahead(void **state)
{
    (void)state;
    static const struct {
        rb_query_fn answer;
        const char *question;
    } questions[] = {
        {rb_grapher_answer_files, "{s:I}"},
        {rb_grapher_answer_links, "{s:I}"},
        {rb_grapher_answer_neighbours, "{s:I, s:s}"},
        {rb_grapher_answer_changed_together, "{s:I}"},
        {rb_grapher_answer_changed_together, "{s:I, s:s}"},
        {rb_grapher_answer_developers, "{s:I}"},
        {rb_grapher_answer_overlaps, "{s:I}"},
        {rb_grapher_answer_dependents, "{s:I, s:s*, s:s, s:[]}"},
    };
    static const char *const paths[] = {"src/a.js", "b.c"};
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    struct grapher_local mine = {.db = fixture.db, .graph = fixture.graph};
    if (skipped())
        return;
    tree_of(&rows, paths, COUNT(paths), "aaaa");
    write_tree(&written, &rows);
    asked(FORGET_PLANS);
    assert_int_equal(rb_grapher_plan(&mine), RB_OK);
    int64_t planned = asked(FORGET_PLANS);
    assert_int_equal(rb_grapher_plan(&mine), RB_OK);
    for (size_t i = 0; i < COUNT(questions); i++) {
        struct rb_buf answer;
        json_t *question = json_pack(questions[i].question, "repo_id", (json_int_t)fixture.repo_id, "path",
                                     "b.c", "purl", "pkg:npm/a", "repo_ids");
        rb_buf_init(&answer, RB_ANSWER_MAX);
        if (questions[i].answer(&answer, question, fixture.arena, NULL, &mine))
            fail_msg("%zu: %s", i, rb_error_text());
        rb_buf_free(&answer);
        json_decref(question);
    }
    assert_int_equal(asked(FORGET_PLANS), planned);
}

#define COMMIT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COMMIT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void store_tree(const char *const *paths, size_t count, const char *version)
{
    static const struct rb_statement put_tree = {
        "put_tree",
        "with tree as (insert into trees (repo_id, commit_sha, part_count, entry_count, complete, "
        "reason) values ($1, $2, 1, $4, true, '') returning repo_id, commit_sha) insert into "
        "tree_parts (repo_id, commit_sha, part, entries) select repo_id, commit_sha, 0, $3 from tree"};
    struct rb_tree_entry *entries = rb_arena_alloc(fixture.arena, count * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        entries[i].path = paths[i];
        entries[i].size = (int64_t)strlen(paths[i]);
        snprintf(entries[i].sha, sizeof entries[i].sha, "%s", version);
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    struct rb_tree tree = {.entries = entries, .count = count};
    assert_int_equal(rb_tree_pack(&tree, fixture.arena), RB_OK);
    assert_int_equal(tree.part_count, 1);
    const struct rb_param params[] = {RB_P_INT(fixture.repo_id), RB_P_TEXT(version),
                                      RB_P_BYTES(tree.parts[0].data, tree.parts[0].len),
                                      RB_P_INT((int64_t)count)};
    assert_int_equal(rb_db_query(NULL, fixture.db, &put_tree, params, 4), RB_OK);
}

/* With the former tree still stored, the store is not read: what is wrong there stays so until the commit is
 * asked for again, which reads and repairs it. */
static void the_difference_to_a_tree_that_is_stored(void **state)
{
    (void)state;
    static const struct rb_statement damage = {"damage",
                                               "delete from graph_files where repo_id = $1 and path = "
                                               "'README.md'"};
    static const char *const paths[] = {"README.md", "src/a.c", "src/b/c.py"};
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    if (skipped())
        return;
    store_tree(paths, COUNT(paths), COMMIT_A);
    tree_of(&rows, paths, COUNT(paths), COMMIT_A);
    write_tree(&written, &rows);
    if (fixture.is_neo4j)
        asked("MATCH (f:File {repo_id: $given.repo_id, path: 'README.md'}) DETACH DELETE f");
    else
        run_sql(&damage, fixture.repo_id);
    static const char *const more[] = {"README.md", "src/a.c", "src/b/c.py", "vendor/lib/x_test.go"};
    tree_of(&rows, more, COUNT(more), COMMIT_A);
    rows.commit = COMMIT_B;
    write_tree(&written, &rows);
    assert_int_equal(written.changed, 3); /* the new file and its two folders */
    rows.generation = ++fixture.generation;
    write_tree(&written, &rows);
    assert_int_equal(written.changed, 1); /* README.md */
    assert_holds(&rows);
    assert_true(rows.files[COUNT(more) - 1].is_test && rows.files[COUNT(more) - 1].is_vendored);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BOTH(the_difference_to_a_tree_that_is_stored),
        {"neo4j: answers_that_are_lost", answers_that_are_lost, setup_neo4j, teardown, NULL},
        {"neo4j: deadlocks_are_tried_again", deadlocks_are_tried_again, setup_neo4j, teardown, NULL},
        {"neo4j: a_first_build_is_seen_when_it_is_whole", a_first_build_is_seen_when_it_is_whole, setup_neo4j,
         teardown, NULL},
        {"neo4j: a_first_build_goes_on", a_first_build_goes_on, setup_neo4j, teardown, NULL},
        {"neo4j: batches_go_side_by_side", batches_go_side_by_side, setup_neo4j, teardown, NULL},
        {"neo4j: a_first_build_goes_on_before_what_is_missing", a_first_build_goes_on_before_what_is_missing,
         setup_neo4j, teardown, NULL},
        {"neo4j: a_statement_is_planned_once_whatever_it_is_given",
         a_statement_is_planned_once_whatever_it_is_given, setup_neo4j, teardown, NULL},
        {"neo4j: questions_are_planned_ahead", questions_are_planned_ahead, setup_neo4j, teardown, NULL},
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
