/*
 * The difference of two lists against what it must be: the rows of both, judged whole and compared. Over a
 * long random history, so that what a file is told by changes in every way. Needs no store.
 *
 * RB_SEED chooses the history, RB_STEPS its length.
 */
#include "tests/unit/graph_model.h"
#include "tests/unit/graph_rows.h"

#include "grapher/graph_store.h"

#define DIFFERENCE_SEED  20261129
#define DIFFERENCE_STEPS 1000 /* two seconds */

static void rows_of(struct rb_graph_tree *rows, const struct rb_tree *tree, struct rb_arena *arena)
{
    struct rb_tree packed = *tree;
    assert_int_equal(rb_tree_pack(&packed, arena), RB_OK);
    *rows = (struct rb_graph_tree){.repo_id = 1, .generation = 1, .full_name = "acme/shop"};
    rb_graph_rows(rows, &packed, arena);
    rows->files = files_at_hand(rows, arena);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void assert_row(const struct rb_graph_file *seen, const struct rb_graph_file *wanted)
{
    if (strcmp(seen->path, wanted->path) != 0 ||
        strcmp(or_empty(seen->language), or_empty(wanted->language)) != 0)
        fail_msg("%.200s is %s, not %.200s and %s", seen->path, or_empty(seen->language), wanted->path,
                 or_empty(wanted->language));
    assert_string_equal(seen->directory, wanted->directory);
    assert_string_equal(seen->name, wanted->name);
    assert_string_equal(seen->sha, wanted->sha);
    assert_int_equal(seen->size, wanted->size);
    assert_int_equal(seen->is_test, wanted->is_test);
    assert_int_equal(seen->is_generated, wanted->is_generated);
    assert_int_equal(seen->is_vendored, wanted->is_vendored);
}

static bool is_same_row(const struct rb_graph_file *a, const struct rb_graph_file *b)
{
    return a->size == b->size && strcmp(a->sha, b->sha) == 0 &&
           strcmp(or_empty(a->language), or_empty(b->language)) == 0 && a->is_test == b->is_test &&
           a->is_generated == b->is_generated && a->is_vendored == b->is_vendored;
}

static const struct rb_graph_file *find_row(const struct rb_graph_tree *rows, const char *path)
{
    for (size_t i = 0; i < rows->file_count; i++) {
        if (strcmp(rows->files[i].path, path) == 0)
            return &rows->files[i];
    }
    return NULL;
}

static bool has_path(const char *const *paths, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(paths[i], path) == 0)
            return true;
    }
    return false;
}

static bool has_directory(const struct rb_graph_tree *rows, const char *path)
{
    for (size_t i = 0; i < rows->directory_count; i++) {
        if (strcmp(rows->directories[i].path, path) == 0)
            return true;
    }
    return false;
}

/* All of what differs, each once, and nothing else. Returns how many rows have another language only. */
static size_t assert_files(const struct graph_rows *taken, const struct rb_graph_tree *old,
                           const struct rb_graph_tree *new)
{
    size_t put = 0, gone = 0, told = 0;
    for (size_t i = 0; i < new->file_count; i++) {
        const struct rb_graph_file *file = &new->files[i], *before = find_row(old, file->path);
        if (before && is_same_row(before, file))
            continue;
        told += before && strcmp(before->sha, file->sha) == 0;
        for (put++; true;) {
            size_t at = 0;
            while (at < taken->put_file_count && strcmp(taken->put_files[at]->path, file->path) != 0)
                at++;
            if (at == taken->put_file_count)
                fail_msg("%.200s is %s now, not %s, and not put", file->path, or_empty(file->language),
                         before ? or_empty(before->language) : "");
            assert_row(taken->put_files[at], file);
            break;
        }
    }
    assert_int_equal(taken->put_file_count, put);
    for (size_t i = 0; i < old->file_count; i++) {
        if (find_row(new, old->files[i].path))
            continue;
        gone++;
        assert_true(has_path(taken->gone_files, taken->gone_file_count, old->files[i].path));
    }
    assert_int_equal(taken->gone_file_count, gone);
    return told;
}

static void assert_directories(const struct graph_rows *taken, const struct rb_graph_tree *old,
                               const struct rb_graph_tree *new)
{
    size_t put = 0, gone = 0;
    for (size_t i = 0; i < new->directory_count; i++)
        put += !has_directory(old, new->directories[i].path);
    for (size_t i = 0; i < old->directory_count; i++) {
        if (has_directory(new, old->directories[i].path))
            continue;
        gone++;
        assert_true(has_path(taken->gone_directories, taken->gone_directory_count, old->directories[i].path));
    }
    for (size_t i = 0; i < taken->put_directory_count; i++)
        assert_false(has_directory(old, taken->put_directories[i]->path));
    assert_int_equal(taken->put_directory_count, put);
    assert_int_equal(taken->gone_directory_count, gone);
}

static size_t number_of(const char *name, size_t fallback)
{
    const char *text = getenv(name);
    return text ? (size_t)strtoull(text, NULL, 10) : fallback;
}

static void what_differs_and_nothing_else(void **state)
{
    struct rb_arena *arena = rb_arena_new(), *before_arena = NULL;
    struct rb_graph_tree old, new;
    size_t steps = number_of("RB_STEPS", DIFFERENCE_STEPS), told = 0;
    (void)state;
    chance = number_of("RB_SEED", DIFFERENCE_SEED);
    rows_of(&old, model_tree(true, arena), arena);
    for (size_t step = 0; step < steps; step++) {
        struct graph_difference difference;
        struct graph_rows taken;
        before_arena = arena;
        arena = rb_arena_new();
        if (chance_percent(70))
            commit_neighbours();
        else
            next_commit();
        rows_of(&new, model_tree(chance_percent(95), arena), arena);
        graph_difference_to_tree(&difference, &new, &old, before_arena);
        graph_difference_take(&taken, &difference, 0, graph_difference_count(&difference), before_arena);
        int64_t links = (int64_t)taken.gone_directory_count;
        for (size_t i = 0; i < taken.gone_file_count; i++)
            links += graph_file_links(find_row(&old, taken.gone_files[i]));
        told += assert_files(&taken, &old, &new);
        assert_directories(&taken, &old, &new);
        assert_int_equal(difference.gone_links, links);
        rb_arena_free(before_arena);
        old = new;
    }
    rb_arena_free(arena);
    assert_true(told > steps / 10); /* else the history is too easy */
}

/* ---- who is told by whom ------------------------------------------------------------------------------- */

/* A commit puts one file of so many bytes, or takes it away (-1), beside a file that stays as it is. */
static void what_stays_is_told(void **state)
{
    static const struct {
        const char *beside[3]; /* of 100 bytes each; the first is looked at */
        const char *before;    /* its language */
        const char *path;
        int64_t bytes;
        const char *after;
    } cases[] = {
        {{"a/x.h", "a/x.c"}, "C", "a/y.cpp", 500, "C++"},
        {{"a/x.h", "a/x.c"}, "C", "a/y.cpp", 50, "C"},
        {{"a/x.h", "a/x.c"}, "C", "a/x.c", -1, "C"},
        {{"a/x.h", "a/x.c", "y.cpp"}, "C", "a/x.c", -1, "C++"},
        {{"a/x.h", "a/x.c"}, "C", "b/y.cpp", 500, "C"},
        {{"a/x.h", "a/x.c"}, "C", "vendor/y.cpp", 500, "C"},
        {{"a/x.h", "a/x.m"}, "Objective-C", "a/x.py", 500, "Objective-C"},
        {{"x.v", "x.rs"}, "Verilog", "cmd/v.mod", 1, "V"},
        {{"x.v", "v.mod"}, "V", "v.mod", -1, "Verilog"},
        {{"x.v", "v.mod"}, "V", "v.mod", 5, "V"},
        {{"x.ts", "x.qrc"}, "XML", "package.json", 5, "TypeScript"},
        {{"x.pl", "x.pm"}, "Perl", "x.prolog", 500, "Prolog"},
        {{"bin/tool", "x.rb"}, "Ruby", "x.py", 500, "Shell"},
        {{"bin/job", "x.rb"}, "Ruby", "x.py", 500, "Shell"}, /* told from others by its mode alone */
        {{"bin/tool", "x.rb"}, "Ruby", "x.py", 50, "Ruby"},
        {{"bin/tool", "x.rb"}, "Ruby", "vendor/x.py", 500, "Ruby"},
        {{"bin/tool", "x.rb"}, "Ruby", "x.rb", -1, "Shell"},
        {{"lib/tool", "x.rb"}, "Shell", "x.py", 500, "Shell"},
    };
    (void)state;
    for (size_t i = 0; i < MODEL_COUNT(cases); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_tree_entry entries[2][4];
        struct rb_graph_tree rows[2];
        struct graph_difference difference;
        struct graph_rows taken;
        const char *watched = cases[i].beside[0];
        for (size_t side = 0; side < 2; side++) {
            size_t count = 0;
            for (size_t k = 0; k < 3 && cases[i].beside[k]; k++) {
                if (side == 0 || strcmp(cases[i].beside[k], cases[i].path) != 0)
                    entries[side][count++] = (struct rb_tree_entry){
                        .path = cases[i].beside[k], .size = 100, .sha = "aa", .kind = RB_ENTRY_EXECUTABLE};
            }
            if (side == 1 && cases[i].bytes >= 0)
                entries[side][count++] =
                    (struct rb_tree_entry){.path = cases[i].path, .size = cases[i].bytes, .sha = "bb"};
            qsort(entries[side], count, sizeof entries[side][0], model_compare_entries);
            rows_of(&rows[side],
                    &(struct rb_tree){.entries = entries[side], .count = count, .complete = true}, arena);
            const struct rb_graph_file *file = find_row(&rows[side], watched);
            const char *wanted = side ? cases[i].after : cases[i].before;
            if (!file || !file->language || strcmp(file->language, wanted) != 0)
                fail_msg("case %zu: %s is %s, not %s", i, watched, file ? or_empty(file->language) : "gone",
                         wanted);
        }
        graph_difference_to_tree(&difference, &rows[1], &rows[0], arena);
        graph_difference_take(&taken, &difference, 0, graph_difference_count(&difference), arena);
        if (assert_files(&taken, &rows[0], &rows[1]) != (strcmp(cases[i].before, cases[i].after) != 0))
            fail_msg("case %zu: %s is not told", i, watched);
        rb_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_stays_is_told),
                                       cmocka_unit_test(what_differs_and_nothing_else)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
