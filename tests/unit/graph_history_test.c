/*
 * A long history of one repository: random commits (renames, also of case only, folders that go, files that
 * become folders) are written one after the other as updates, with lists that are incomplete, writes that are
 * cut off, events that come late or twice, and removals in between. After each, the graph must be what the
 * history says, and the same as a graph that is built from nothing.
 *
 * RB_SEED chooses the history (printed; the same for the same number), RB_STEPS its length. Without them
 * it is short and always the same, so that a run of the suite says something about the change under test.
 */
#include "tests/unit/graph_fixture.h"
#include "tests/unit/graph_model.h"

#include <jansson.h>

#define HISTORY_SEED           20260301
#define HISTORY_STEPS_POSTGRES 150 /* seconds */
#define HISTORY_STEPS_NEO4J    24

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* What is to be stored is at hand: an rb_tree_fetch_fn. */
static rb_err fetch_tree(void *arg, struct rb_tree *tree, char etag[160], bool *unchanged,
                         const struct rb_tree_hint *hint, struct rb_arena *arena)
{
    (void)etag, (void)unchanged, (void)hint, (void)arena;
    *tree = *(const struct rb_tree *)arg;
    return RB_OK;
}

/* The rows of what the model holds; only some of them where the list is not `complete`. Most lists are
 * stored, as those of GitHub are: the next difference is to that list then, else to what the graph holds. */
static void rows_of_model(struct rb_graph_tree *rows, bool complete, struct rb_arena *arena)
{
    struct rb_tree *tree = model_tree(complete, arena), stored;
    const struct rb_tree_key key = {fixture.repo_id, fixture.generation};
    if (chance_percent(85))
        assert_int_equal(rb_tree_get(&stored, fixture.db, &key, 1000, fetch_tree, tree, arena), RB_OK);
    *rows = (struct rb_graph_tree){
        .repo_id = fixture.repo_id, .generation = fixture.generation, .full_name = "acme/shop"};
    make_rows(rows, tree, arena);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static bool is_same_file(const struct rb_graph_file *a, const struct rb_graph_file *b)
{
    return a->size == b->size && strcmp(a->sha, b->sha) == 0 &&
           strcmp(or_empty(a->language), or_empty(b->language)) == 0;
}

/* Which of two sorted lists goes on at its place: below 0 the first, 0 both, above 0 the second. */
static int merge_order(size_t i, size_t n, const char *a, size_t k, size_t m, const char *b)
{
    return i == n ? 1 : k == m ? -1 : strcmp(a, b);
}

/*
 * What the graph holds after `rows` have been written over `old`: those of an incomplete list are added to
 * it. `changed` is what a write of the difference alone has to write or remove. A copy in `arena`.
 */
static void rows_after(struct rb_graph_tree *out, int64_t *changed, const struct rb_graph_tree *old,
                       const struct rb_graph_tree *rows, struct rb_arena *arena)
{
    size_t file_count = old->file_count + rows->file_count;
    size_t directory_count = old->directory_count + rows->directory_count;
    struct rb_graph_file *files = rb_arena_alloc(arena, (file_count + 1) * sizeof *files);
    struct rb_graph_directory *directories =
        rb_arena_alloc(arena, (directory_count + 1) * sizeof *directories);
    *out = *rows;
    out->source = NULL;
    out->file_links = 0;
    out->full_name = rb_arena_strdup(arena, rows->full_name);
    out->commit = rb_arena_strdup(arena, rows->commit);
    out->files = files;
    out->directories = directories;
    *changed = 0;
    file_count = directory_count = 0;
    for (size_t i = 0, k = 0; i < old->file_count || k < rows->file_count;) {
        int order = merge_order(i, old->file_count, i < old->file_count ? old->files[i].path : "", k,
                                rows->file_count, k < rows->file_count ? rows->files[k].path : "");
        if (order >= 0 || !rows->complete)
            files[file_count++] = order < 0 ? old->files[i] : rows->files[k];
        *changed += order < 0 ? rows->complete : order > 0 || !is_same_file(&old->files[i], &rows->files[k]);
        i += order <= 0;
        k += order >= 0;
    }
    for (size_t i = 0, k = 0; i < old->directory_count || k < rows->directory_count;) {
        int order =
            merge_order(i, old->directory_count, i < old->directory_count ? old->directories[i].path : "", k,
                        rows->directory_count, k < rows->directory_count ? rows->directories[k].path : "");
        if (order >= 0 || !rows->complete)
            directories[directory_count++] = order < 0 ? old->directories[i] : rows->directories[k];
        *changed += order < 0 ? rows->complete : order > 0;
        i += order <= 0;
        k += order >= 0;
    }
    for (size_t i = 0; i < file_count; i++) {
        files[i].path = rb_arena_strdup(arena, files[i].path);
        files[i].directory = rb_arena_strdup(arena, files[i].directory);
        files[i].name = rb_arena_strdup(arena, files[i].name);
        files[i].sha = rb_arena_strdup(arena, files[i].sha);
        files[i].language = files[i].language ? rb_arena_strdup(arena, files[i].language) : NULL;
        out->file_links += *files[i].directory ? 2 : 1;
    }
    for (size_t i = 0; i < directory_count; i++) {
        directories[i].path = rb_arena_strdup(arena, directories[i].path);
        directories[i].parent = rb_arena_strdup(arena, directories[i].parent);
    }
    out->file_count = file_count;
    out->directory_count = directory_count;
}

/* ---- what a reader sees -------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct rb_graph_file *)a)->path, ((const struct rb_graph_file *)b)->path);
}

static int compare_directories(const void *a, const void *b)
{
    return strcmp(((const struct rb_graph_directory *)a)->path, ((const struct rb_graph_directory *)b)->path);
}

/* cmocka cuts what it says at 1,024 bytes, where the longest paths are still the same. */
static void assert_text(const char *what, const char *seen, const char *wanted)
{
    size_t same = 0;
    while (seen[same] && seen[same] == wanted[same])
        same++;
    if (seen[same] || wanted[same])
        fail_msg("%s: from byte %zu (of %zu and %zu) on '%.60s', not '%.60s'", what, same, strlen(seen),
                 strlen(wanted), seen + same, wanted + same);
}

static void assert_files(const struct rb_graph_tree *rows, struct rb_arena *arena)
{
    struct rb_graph_file *seen = rb_arena_alloc(arena, (rows->file_count + 1) * sizeof *seen);
    struct graph_page page = {.next = ""};
    size_t count = 0;
    while (page.next) {
        read_files(&page, fixture.graph, rows->repo_id, GRAPH_PAGE_MAX, arena);
        for (size_t i = 0; i < page.count && count <= rows->file_count; i++)
            seen[count++] = page.files[i];
    }
    qsort(seen, count, sizeof *seen, compare_files);
    for (size_t i = 0; i < count && i < rows->file_count; i++) {
        assert_text("a path", seen[i].path, rows->files[i].path);
        assert_text("a folder", seen[i].directory, rows->files[i].directory);
        assert_string_equal(or_empty(seen[i].language), or_empty(rows->files[i].language));
        assert_string_equal(seen[i].name, rows->files[i].name);
        assert_string_equal(seen[i].sha, rows->files[i].sha);
        assert_int_equal(seen[i].is_test, rows->files[i].is_test);
        assert_int_equal(seen[i].is_generated, rows->files[i].is_generated);
        assert_int_equal(seen[i].is_vendored, rows->files[i].is_vendored);
        assert_int_equal(seen[i].size, rows->files[i].size);
    }
    assert_int_equal(count, rows->file_count);
}

static void assert_directories(const struct rb_graph_tree *rows, struct rb_arena *arena)
{
    struct rb_graph_directory *seen = rb_arena_alloc(arena, (rows->directory_count + 1) * sizeof *seen);
    struct graph_directory_page page = {.next = ""};
    size_t count = 0;
    while (page.next) {
        read_directories(&page, rows->repo_id, GRAPH_PAGE_MAX, arena);
        for (size_t i = 0; i < page.count && count <= rows->directory_count; i++)
            seen[count++] = page.directories[i];
    }
    qsort(seen, count, sizeof *seen, compare_directories);
    for (size_t i = 0; i < count && i < rows->directory_count; i++) {
        assert_text("a path", seen[i].path, rows->directories[i].path);
        assert_text("a folder", seen[i].parent, rows->directories[i].parent);
    }
    assert_int_equal(count, rows->directory_count);
}

static void assert_is_the_graph(const struct rb_graph_tree *rows, struct rb_arena *arena)
{
    struct rb_graph_about about;
    int64_t links = (int64_t)(rows->directory_count + rows->file_count);
    for (size_t i = 0; i < rows->file_count; i++)
        links += *rows->files[i].directory != '\0';
    assert_int_equal(rb_graph_about(&about, fixture.graph, rows->repo_id), RB_OK);
    assert_string_equal(about.full_name, rows->full_name);
    assert_string_equal(about.commit, rows->commit);
    assert_int_equal(about.generation, rows->generation);
    assert_int_equal(about.files, rows->file_count);
    assert_int_equal(about.links, links);
    assert_int_equal(about.complete, rows->complete);
    assert_false(about.is_changing);
    assert_files(rows, arena);
    assert_directories(rows, arena);
}

/* ---- what stands in Neo4j, asked over HTTP without any of our code --------------------------------------
 */

static json_t *cypher(const char *statement, int64_t repo_id)
{
    static char answer[1 << 20];
    char url[192], user[192];
    json_t *question =
        json_pack("{s:s, s:{s:I}}", "statement", statement, "parameters", "repo", (json_int_t)repo_id);
    char *body = json_dumps(question, JSON_COMPACT);
    json_decref(question);
    snprintf(url, sizeof url, "%s/db/neo4j/query/v2", fixture.neo4j_uri);
    snprintf(user, sizeof user, "neo4j:%s", fixture.neo4j_password);
    const char *const argv[] = {"curl", "-sS", "-u", user, "-H", "Content-Type: application/json",
                                "-d",   body,  url,  NULL};
    assert_int_equal(servers_run(argv, answer, sizeof answer), 0);
    free(body);
    json_t *parsed = json_loads(answer, 0, NULL);
    json_t *values = json_incref(json_object_get(json_object_get(parsed, "data"), "values"));
    json_decref(parsed);
    if (!values)
        fail_msg("Neo4j answers: %.300s", answer);
    return values;
}

/* Nodes with what the issue of the graph names, and all CONTAINS, of both repositories. */
static void assert_same_in_neo4j(const struct rb_graph_tree *rows, int64_t other)
{
    static const char *const statements[] = {
        "MATCH (n:File {repo_id: $repo}) WHERE (n)<-[:CONTAINS]-() RETURN labels(n), n.path, n.name, "
        "n.language, n.size, "
        "n.sha, n.is_test, n.is_generated, n.is_vendored ORDER BY n.path",
        "MATCH (n:Directory {repo_id: $repo}) RETURN labels(n), n.path, n.name ORDER BY n.path",
        "MATCH (:Repository {repo_id: $repo})-[:CONTAINS]->(n) RETURN labels(n), n.path, count(*) ORDER BY "
        "n.path, "
        "labels(n)",
        "MATCH (d:Directory {repo_id: $repo})-[:CONTAINS]->(n) RETURN d.path, labels(n), n.path, count(*) "
        "ORDER BY "
        "d.path, n.path, labels(n)",
    };
    size_t counts[COUNT(statements)];
    for (size_t i = 0; i < COUNT(statements); i++) {
        json_t *grown = cypher(statements[i], rows->repo_id), *built = cypher(statements[i], other);
        counts[i] = json_array_size(grown);
        if (!json_equal(grown, built))
            fail_msg("updated and built anew are not the same (%zu and %zu rows): %s", counts[i],
                     json_array_size(built), statements[i]);
        json_decref(grown);
        json_decref(built);
    }
    size_t below_root = 0;
    for (size_t i = 0; i < rows->directory_count; i++)
        below_root += *rows->directories[i].parent == '\0';
    assert_int_equal(counts[0], rows->file_count);
    assert_int_equal(counts[1], rows->directory_count);
    assert_int_equal(counts[2], rows->file_count + below_root);
}

/* ---- the history --------------------------------------------------------------------------------------- */

static struct history {
    unsigned long long seed;
    size_t step, steps;
    const char *what;
    struct rb_arena *arena; /* of `now` */
    struct rb_graph_tree now;
    bool exists;
    bool is_cut; /* a write has been cut off since: the next need not write all of the difference */
} history;

static void history_adopt(const struct rb_graph_tree *rows, int64_t *changed)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_graph_tree now;
    rows_after(&now, changed, &history.now, rows, arena);
    rb_arena_free(history.arena);
    history.arena = arena;
    history.now = now;
    history.exists = true;
}

static void write_and_look(const struct rb_graph_tree *rows, struct rb_arena *arena)
{
    struct rb_graph_written written;
    int64_t changed;
    if (rb_graph_write(&written, fixture.graph, rows, NULL, NULL))
        fail_msg("write: %s", rb_error_text());
    history_adopt(rows, &changed);
    if (!history.is_cut)
        assert_int_equal(written.changed, changed);
    history.is_cut = false;
    assert_is_the_graph(&history.now, arena);
}

static bool cut_progress(void *arg, int64_t done, int64_t total)
{
    (void)done;
    (void)total;
    return (*(size_t *)arg)-- > 0;
}

/* Cut off somewhere, and then what comes next: the same event once more, or that of a later commit. */
static void write_cut_off(struct rb_arena *arena)
{
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    struct rb_graph_about about;
    size_t after = chance_below(5);
    rows_of_model(&rows, true, arena);
    rb_err err = rb_graph_write(&written, fixture.graph, &rows, cut_progress, &after);
    if (err) {
        assert_int_equal(err, RB_EUNAVAILABLE);
        history.is_cut = true;
        err = rb_graph_about(&about, fixture.graph, fixture.repo_id);
        assert_int_equal(err, history.exists ? RB_OK : RB_ENOTFOUND);
        if (history.exists)
            assert_string_equal(about.commit, history.now.commit);
        if (chance_percent(50)) {
            next_commit();
            fixture.generation++;
            rows_of_model(&rows, true, arena);
        }
        write_and_look(&rows, arena);
    } else { /* there was less to do */
        int64_t changed;
        history_adopt(&rows, &changed);
        assert_int_equal(written.changed, changed);
        assert_is_the_graph(&history.now, arena);
    }
}

static void write_older(struct rb_arena *arena)
{
    struct rb_graph_tree rows;
    struct rb_graph_written written;
    if (!history.exists || history.now.generation == 1)
        return;
    rows_of_model(&rows, chance_percent(80), arena);
    rows.generation = history.now.generation - 1;
    assert_int_equal(rb_graph_write(&written, fixture.graph, &rows, NULL, NULL), RB_ESTALE);
    assert_is_the_graph(&history.now, arena);
}

static void forget(void)
{
    struct rb_graph_about about;
    bool removed = false;
    if (!history.exists)
        return;
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, fixture.repo_id, ++fixture.generation), RB_OK);
    assert_true(removed);
    assert_int_equal(rb_graph_about(&about, fixture.graph, fixture.repo_id), RB_ENOTFOUND);
    history.now.file_count = history.now.directory_count = 0;
    history.exists = false;
}

/* A graph of the same rows in another repository, which goes again. */
static void compare_with_one_built_anew(struct rb_arena *arena)
{
    struct rb_graph_tree rows = history.now;
    struct rb_graph_written written;
    bool removed = false;
    rows.repo_id = fixture.repo_id + 1000000;
    if (rb_graph_write(&written, fixture.graph, &rows, NULL, NULL))
        fail_msg("a graph from nothing: %s", rb_error_text());
    assert_int_equal(written.files, rows.file_count);
    assert_is_the_graph(&rows, arena);
    if (fixture.is_neo4j)
        assert_same_in_neo4j(&history.now, rows.repo_id);
    assert_int_equal(rb_graph_forget(&removed, fixture.graph, rows.repo_id, rows.generation), RB_OK);
    assert_true(removed);
}

static void history_step(struct rb_arena *arena)
{
    struct rb_graph_tree rows;
    size_t dice = chance_below(100);
    fixture.generation++;
    if (dice < 3) {
        history.what = "removal";
        forget();
    } else if (dice < 10) {
        history.what = "an older generation";
        write_older(arena);
    } else if (dice < 14 && history.exists) {
        history.what = "the same event again";
        rows = history.now;
        write_and_look(&rows, arena);
    } else if (dice < 25) {
        history.what = "a write that is cut off";
        next_commit();
        write_cut_off(arena);
    } else {
        bool is_complete = dice >= 32;
        history.what = is_complete ? "a commit" : "an incomplete list";
        next_commit();
        rows_of_model(&rows, is_complete, arena);
        write_and_look(&rows, arena);
    }
}

static size_t number_of(const char *name, size_t fallback)
{
    const char *text = getenv(name);
    return text ? (size_t)strtoull(text, NULL, 10) : fallback;
}

static void updates_end_as_a_build_from_nothing(void **state)
{
    (void)state;
    if (skipped())
        return;
    model.count = 0;
    history = (struct history){
        .seed = number_of("RB_SEED", HISTORY_SEED),
        .steps = number_of("RB_STEPS", fixture.is_neo4j ? HISTORY_STEPS_NEO4J : HISTORY_STEPS_POSTGRES),
        .arena = rb_arena_new()};
    chance = history.seed;
    for (history.step = 0; history.step < history.steps; history.step++) {
        struct rb_arena *arena = rb_arena_new();
        history_step(arena);
        if (history.exists && history.step % (fixture.is_neo4j ? 6 : 2) == 0)
            compare_with_one_built_anew(arena);
        rb_arena_free(arena);
    }
    rb_arena_free(history.arena);
}

/* An assertion that fails ends the test where it stands: here it is told how to come there again. */
static int teardown_history(void **state)
{
    if (!fixture.graph)
        return teardown(state);
    fprintf(stderr, "%s: RB_SEED=%llu, %s %zu of %zu steps%s%s\n", fixture.is_neo4j ? "Neo4j" : "PostgreSQL",
            history.seed, history.step == history.steps ? "all" : "failed at", history.step, history.steps,
            history.step == history.steps ? "" : ": ", history.step == history.steps ? "" : history.what);
    return teardown(state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        {"postgresql: updates_end_as_a_build_from_nothing", updates_end_as_a_build_from_nothing,
         setup_postgres, teardown_history, NULL},
        {"neo4j: updates_end_as_a_build_from_nothing", updates_end_as_a_build_from_nothing, setup_neo4j,
         teardown_history, NULL},
    };
    if (argc > 1) /* 'postgresql*' */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
