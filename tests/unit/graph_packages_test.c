/*
 * What a repository depends on, in both stores: from the profiles of scans to packages, whatever the order of
 * events; and how fresh a graph is said to be.
 */
#include "tests/unit/graph_fixture.h"

#include "grapher/graph_store.h"
#include "grapher/neo4j.h"
#include "grapher/packages.h"
#include "grapher/state.h"

#define COMMIT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COMMIT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define COMMIT_C "cccccccccccccccccccccccccccccccccccccccc"

/* ---- what there is ------------------------------------------------------------------------------------- */

static void run_statement(const struct rb_statement *statement, const char *text, int64_t number)
{
    const struct rb_param params[] = {RB_P_INT(fixture.repo_id), RB_P_INT(number), RB_P_TEXT(text)};
    if (rb_db_query(NULL, fixture.db, statement, params, text ? 3 : 2))
        fail_msg("%s: %s", statement->name, rb_error_text());
}
/* $1 is the repository, $2 `number`, $3 `text`, if there is one. */
#define run(name, sql, text, number)                             \
    do {                                                         \
        static const struct rb_statement run_this = {name, sql}; \
        run_statement(&run_this, text, number);                  \
    } while (0)

/* A person with this repository, connected. */
static void connect_person(int64_t person)
{
    run("test_connect",
        "with person as (insert into users (login) values ('p' || $1::bigint || '-' || $2::bigint) returning "
        "id) "
        "insert into installations (user_id, repo_id, repo_full_name, webhook_id, webhook_secret, state, "
        "generation, connected_at) select id, $1, 'acme/shop', $2, '', 'active', 1, now() from person",
        NULL, person);
}

static void disconnect_person(int64_t person)
{
    run("test_disconnect",
        "with gone as (update installations set state = 'disconnected' where repo_id = $1 and webhook_id = "
        "$2 returning id) delete from profiles where installation_id in (select id from gone)",
        NULL, person);
}

/* The scanner's part: a profile of this person's installation. */
static void scan(int64_t person, int64_t generation, const char *dependencies)
{
    char *profile = rb_arena_printf(fixture.arena, "{\"g\": %lld, \"dependencies\": %s}",
                                    (long long)generation, dependencies);
    run("test_scan",
        "insert into profiles (installation_id, commit_sha, repo_id, generation, complete, profile) select "
        "id, $3::jsonb ->> 'g', $1, ($3::jsonb ->> 'g')::bigint, not $3::jsonb @> '{\"dependencies\": "
        "[{\"name\": \"partial\"}]}', $3::jsonb from installations where repo_id = $1 and webhook_id = $2",
        profile, person);
}

static int64_t put(void)
{
    int64_t written = 0;
    assert_int_equal(rb_graph_put_packages(&written, fixture.graph, fixture.repo_id, "acme/shop"), RB_OK);
    return written;
}

static json_t *ask_neo4j(const char *statement)
{
    json_t *values = NULL, *parameters = json_pack("{s:I}", "repo_id", (json_int_t)fixture.repo_id);
    assert_int_equal(graph_neo4j_ask(&values, fixture.graph, statement, &parameters), RB_OK);
    return values;
}

/* "purl scope constraint generation", a line each, sorted, as somebody else reads them in the store. */
static const char *packages(void)
{
    static const struct rb_statement statement = {
        "test_packages", "select purl || ' ' || scope || ' ' || requirement || ' ' || generation as line "
                         "from graph_dependencies where repo_id = $1 order by purl, scope"};
    const char *text = "";
    if (fixture.is_neo4j) {
        json_t *values =
            ask_neo4j("MATCH (:Repository {repo_id: $given.repo_id})-[d:DEPENDS_ON]->(p:Package) WITH "
                      "p.purl + ' ' + d.scope + ' ' + d.constraint + ' ' + "
                      "toString(d.generation) AS line RETURN line ORDER BY line");
        for (size_t i = 0; i < json_array_size(values); i++)
            text = rb_arena_printf(fixture.arena, "%s%s\n", text,
                                   json_string_value(json_array_get(json_array_get(values, i), 0)));
        json_decref(values);
        return text;
    }
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(fixture.repo_id)};
    assert_int_equal(rb_db_query(&rows, fixture.db, &statement, params, 1), RB_OK);
    for (size_t i = 0; i < rb_rows_count(rows); i++)
        text = rb_arena_printf(fixture.arena, "%s%s\n", text, rb_rows_text(rows, i, 0));
    rb_rows_free(rows);
    return text;
}

static void build(int64_t generation)
{
    const struct rb_graph_tree tree = {.repo_id = fixture.repo_id,
                                       .generation = generation,
                                       .full_name = "acme/shop",
                                       .commit = COMMIT_A,
                                       .complete = true};
    struct rb_graph_written written;
    assert_int_equal(rb_graph_write(&written, fixture.graph, &tree, NULL, NULL), RB_OK);
}

static bool forget(int64_t generation)
{
    bool removed = false;
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, fixture.repo_id, generation), RB_OK);
    return removed;
}

#define ONE(purl) "[{\"purl\": \"" purl "\", \"kind\": \"runtime\", \"requirement\": \"^1\"}]"

/* ---- packages ------------------------------------------------------------------------------------------ */

static void what_counts(void **state)
{
    (void)state;
    if (skipped())
        return;
    connect_person(1);
    scan(1, 5,
         "[{\"purl\": \"pkg:npm/%40babel/core@7.24.0\", \"kind\": \"runtime\", \"requirement\": \"^7\"},"
         " {\"purl\": \"pkg:npm/%40babel/core@7.1.0\", \"kind\": \"runtime\", \"requirement\": \"^7\"},"
         " {\"purl\": \"pkg:npm/%40babel/core@6.0.0\", \"kind\": \"runtime\", \"requirement\": \"^6\"},"
         " {\"purl\": \"pkg:npm/%40babel/core\", \"kind\": \"dev\", \"requirement\": \"\"},"
         " {\"purl\": \"pkg:docker/a/b@sha256:0?repository_url=ghcr.io#x@y\", \"kind\": \"build\", "
         "\"requirement\": \"latest\"},"
         " {\"purl\": \"pkg:docker/a/c?repository_url=u@h\", \"kind\": \"build\", \"requirement\": \"\"},"
         " {\"purl\": \"pkg:npm/one\", \"kind\": \"dev\", \"requirement\": \"1\", \"indirect\": true},"
         " {\"purl\": \"pkg:npm/two\", \"kind\": \"dev\", \"requirement\": \"1\", \"offered\": true},"
         " {\"purl\": \"pkg:npm/three\", \"kind\": \"dev\", \"requirement\": \"1\", \"local\": true},"
         " {\"purl\": \"pkg:npm/four\", \"kind\": \"dev\", \"requirement\": \"1\", \"aside\": true},"
         " {\"name\": \"five\", \"kind\": \"dev\", \"requirement\": \"1\"}]");
    assert_int_equal(put(), 4);
    assert_string_equal(packages(), "pkg:docker/a/b?repository_url=ghcr.io#x@y build latest 5\n"
                                    "pkg:docker/a/c?repository_url=u@h build  5\n"
                                    "pkg:npm/%40babel/core dev  5\n"
                                    "pkg:npm/%40babel/core runtime ^6 || ^7 5\n");
}

static void the_newest_scan_stands(void **state)
{
    (void)state;
    if (skipped())
        return;
    connect_person(1);
    assert_int_equal(put(), -1); /* there is no profile */
    scan(1, 5, ONE("pkg:npm/a"));
    assert_int_equal(put(), 1);
    scan(1, 7, "[{\"purl\": \"pkg:npm/b\", \"kind\": \"dev\", \"requirement\": \"2\"}]");
    assert_int_equal(put(), 1);
    assert_string_equal(packages(), "pkg:npm/b dev 2 7\n");
    assert_int_equal(put(), 1); /* the same event again */
    run("test_drop", "delete from profiles where repo_id = $1 and generation = $2", NULL, 7);
    assert_int_equal(put(), -1); /* what is left is older than what is there */
    const struct graph_packages late = {fixture.repo_id, 6, "acme/shop", true,
                                        "[[\"pkg:npm/c\", \"dev\", \"\"]]"};
    if (fixture.is_neo4j) /* whose lock was lost meanwhile; in PostgreSQL its connection is lost with it */
        assert_int_equal(fixture.graph->store->put_packages(fixture.graph, &late), RB_OK);
    assert_string_equal(packages(), "pkg:npm/b dev 2 7\n");
    scan(1, 8, "[{\"name\": \"partial\"}]");
    assert_int_equal(put(), 0); /* a list that is not whole removes nothing */
    assert_string_equal(packages(), "pkg:npm/b dev 2 7\n");
    scan(1, 9, "[]");
    assert_int_equal(put(), 0);
    assert_string_equal(packages(), "");
}

static void before_and_after_a_build(void **state)
{
    (void)state;
    if (skipped())
        return;
    connect_person(1);
    scan(1, 5, ONE("pkg:npm/a"));
    assert_int_equal(put(), 1);
    build(5);
    assert_string_equal(packages(), "pkg:npm/a runtime ^1 5\n");
    build(6);
    scan(1, 6, ONE("pkg:npm/b"));
    assert_int_equal(put(), 1);
    assert_string_equal(packages(), "pkg:npm/b runtime ^1 6\n");
    struct rb_graph_about about;
    assert_int_equal(rb_graph_about(&about, fixture.graph, fixture.repo_id), RB_OK);
    assert_int_equal(about.generation, 6);
}

static size_t package_nodes(void)
{
    json_t *values = ask_neo4j("MATCH (p:Package) RETURN p.purl");
    size_t count = json_array_size(values);
    json_decref(values);
    return count;
}

static void one_set_for_all_people(void **state)
{
    (void)state;
    if (skipped())
        return;
    size_t before = fixture.is_neo4j ? package_nodes() : 0;
    int64_t other = fixture.repo_id++;
    connect_person(1);
    connect_person(2);
    scan(1, 5,
         "[{\"purl\": \"pkg:npm/only\", \"kind\": \"dev\", \"requirement\": \"2\"},"
         " {\"purl\": \"pkg:npm/common\", \"kind\": \"dev\", \"requirement\": \"2\"}]");
    scan(2, 6, ONE("pkg:npm/common"));
    assert_int_equal(put(), 1);
    assert_string_equal(packages(), "pkg:npm/common runtime ^1 6\n");
    disconnect_person(2);
    assert_false(forget(7));
    assert_string_equal(packages(), "pkg:npm/common runtime ^1 6\n");
    int64_t mine = fixture.repo_id;
    fixture.repo_id = other;
    connect_person(1);
    scan(1, 5, ONE("pkg:npm/common"));
    assert_int_equal(put(), 1);
    fixture.repo_id = mine;
    disconnect_person(1);
    forget(8);
    assert_string_equal(packages(), "");
    assert_int_equal(put(), -1); /* late: nobody has it connected */
    assert_string_equal(packages(), "");
    fixture.repo_id = other;
    assert_string_equal(packages(), "pkg:npm/common runtime ^1 5\n");
    if (fixture.is_neo4j)
        assert_int_equal(package_nodes(), before + 1);
    disconnect_person(1);
    forget(9);
    assert_string_equal(packages(), "");
    if (fixture.is_neo4j)
        assert_int_equal(package_nodes(), before);
    fixture.repo_id = mine;
}

static void as_many_as_there_may_be(void **state)
{
    struct rb_buf list;
    (void)state;
    if (skipped())
        return;
    rb_buf_init(&list, 4 << 20);
    for (int i = 0; i < RB_PACKAGES_MAX + 1; i++)
        assert_int_equal(rb_buf_printf(&list,
                                       "%s{\"purl\": \"pkg:npm/p%05d\", \"kind\": \"runtime\", "
                                       "\"requirement\": \"^%d\"}",
                                       i ? "," : "[", i, i),
                         RB_OK);
    assert_int_equal(rb_buf_append(&list, "]", 2), RB_OK);
    connect_person(1);
    scan(1, 5, list.data);
    rb_buf_free(&list);
    int64_t started = rb_clock_ms();
    assert_int_equal(put(), RB_PACKAGES_MAX);
    print_message("%d packages in %lld ms\n", RB_PACKAGES_MAX, (long long)(rb_clock_ms() - started));
    assert_non_null(strstr(packages(), "pkg:npm/p04999 runtime ^4999 5\n"));
    assert_null(strstr(packages(), "pkg:npm/p05000"));
    disconnect_person(1);
    forget(6);
    assert_string_equal(packages(), "");
}

/* ---- freshness ----------------------------------------------------------------------------------------- */

/* As the fetching of a tree leaves it, so many seconds ago. */
static void see_tree(int64_t generation, const char *commit, int seconds)
{
    run("test_tree",
        "with tree as (insert into trees (repo_id, commit_sha, part_count, entry_count, complete, reason) "
        "values ($1, "
        "split_part($3, ' ', 1), 0, 0, true, '') on conflict do nothing) insert into tree_heads (repo_id, "
        "generation, commit_sha, seen_at) values ($1, $2, split_part($3, ' ', 1), date_trunc('second', "
        "now()) "
        "- split_part($3, ' ', 2)::interval)",
        rb_arena_printf(fixture.arena, "%s %ds", commit, seconds), generation);
}

static void merge(const char *commit, int seconds)
{
    char time[RB_TIME_SIZE];
    rb_time_format(time, rb_clock_wall_ms() - (int64_t)seconds * 1000);
    snprintf(time + 19, sizeof time - 19, "Z");
    assert_int_equal(rb_graph_note_merge(fixture.graph, fixture.repo_id, commit, time), RB_OK);
}

/* Commit, head, where from, and whether it is behind; "" where nothing is known. */
static const char *freshness(void)
{
    json_t *known = NULL;
    const char *text = "";
    assert_int_equal(rb_graph_freshness(&known, fixture.graph, fixture.repo_id), RB_OK);
    if (json_is_object(known))
        text = rb_arena_printf(fixture.arena, "%.1s %.1s %s%s",
                               json_string_value(json_object_get(known, "commit")),
                               json_string_value(json_object_get(known, "head")),
                               json_string_value(json_object_get(known, "head_from")),
                               json_is_string(json_object_get(known, "behind_since")) ? " behind" : "");
    json_decref(known);
    if (fixture.is_neo4j && *text) { /* the node says the same */
        json_t *values = ask_neo4j("MATCH (r:Repository {repo_id: $given.repo_id}) RETURN r.head_commit");
        assert_int_equal(json_string_value(json_array_get(json_array_get(values, 0), 0))[0], text[2]);
        json_decref(values);
    }
    return text;
}

static int64_t behind_for(void)
{
    static const struct rb_statement statement = {
        "test_behind", "select round(extract(epoch from now() - (json_freshness($1) ->> "
                       "'behind_since')::timestamptz))::bigint"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(fixture.repo_id)};
    assert_int_equal(rb_db_query(&rows, fixture.db, &statement, params, 1), RB_OK);
    int64_t seconds = rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return seconds;
}

static void note_built(int64_t generation, const char *commit)
{
    assert_int_equal(rb_graph_note_built(fixture.graph, fixture.repo_id, generation, commit), RB_OK);
}

static bool awaits_list(int64_t generation)
{
    bool awaits = false;
    assert_int_equal(rb_graph_awaits_list(&awaits, fixture.graph, fixture.repo_id, generation), RB_OK);
    return awaits;
}

/* A build that has ended is not made again for the sake of the list of what is open. */
static void only_the_list_is_missing(void **state)
{
    (void)state;
    if (skipped())
        return;
    connect_person(1);
    assert_false(awaits_list(5)); /* nothing is built */
    build(5);
    assert_false(awaits_list(5)); /* its end is not noted */
    note_built(5, COMMIT_A);
    assert_true(awaits_list(5));
    assert_false(awaits_list(6)); /* which has not built */
    assert_int_equal(rb_graph_note_listed(fixture.graph, fixture.repo_id), RB_OK);
    assert_false(awaits_list(5));
}

static void a_merge_leaves_it_behind(void **state)
{
    (void)state;
    if (skipped())
        return;
    connect_person(1);
    build(5);
    see_tree(5, COMMIT_A, 5000);
    assert_string_equal(freshness(), "");
    note_built(5, COMMIT_A);
    assert_string_equal(freshness(), "a a tree");
    merge(COMMIT_C, 6000); /* older than the tree, which has it */
    assert_string_equal(freshness(), "a a tree");
    merge(COMMIT_C, 2000);
    assert_string_equal(freshness(), "a c merge behind");
    merge(COMMIT_B, 3000); /* late: it was before, and so the graph has been behind for longer */
    assert_string_equal(freshness(), "a c merge behind");
    assert_in_range(behind_for(), 2990, 3290); /* whatever this machine is doing */
    note_built(4, COMMIT_B);                   /* late */
    assert_string_equal(freshness(), "a c merge behind");
    see_tree(6, COMMIT_C, 1000); /* by the scanner: the grapher is on its way */
    assert_string_equal(freshness(), "a c tree behind");
    note_built(6, COMMIT_C);
    assert_string_equal(freshness(), "c c tree");
    merge(COMMIT_B, 500);
    assert_string_equal(freshness(), "c b merge behind");
    assert_in_range(behind_for(), 490, 790);
    disconnect_person(1);
    forget(7);
    assert_string_equal(freshness(), "");
    merge(COMMIT_B, 100); /* nobody has it connected */
    connect_person(2);
    build(8);
    note_built(8, COMMIT_C);
    assert_string_equal(freshness(), "c c tree");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_counts),
        BOTH(the_newest_scan_stands),
        BOTH(before_and_after_a_build),
        BOTH(one_set_for_all_people),
        {"postgresql: as_many_as_there_may_be", as_many_as_there_may_be, setup_postgres, teardown, NULL},
        BOTH(only_the_list_is_missing),
        BOTH(a_merge_leaves_it_behind),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
