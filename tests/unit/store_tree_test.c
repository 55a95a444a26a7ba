/* The tree cache: its stored form, also damaged, and who fetches when. */
#include "lib/store/store.h"
#include "tests/unit/lib_servers.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SHA_C "cccccccccccccccccccccccccccccccccccccccc"

static struct postgres_fixture postgres;
static struct rb_db *admin;

static int start_postgres(void **state)
{
    (void)state;
    rb_log_init("test");
    postgres_start(&postgres);
    servers_migrate(postgres.url);
    return rb_db_open(&admin, postgres.url, "admin", 0);
}

static int stop_postgres(void **state)
{
    (void)state;
    rb_db_close(admin);
    postgres_stop(&postgres);
    return 0;
}

static void must(rb_err err)
{
    if (err)
        fail_msg("%s: %s", rb_err_name(err), rb_error_text());
}

static int64_t ask(const char *name, const char *sql)
{
    struct rb_rows *rows = NULL;
    struct rb_db *db = NULL; /* a session of its own: the statement lives on this stack */
    const struct rb_statement statement = {name, sql};
    must(rb_db_open(&db, postgres.url, "asking", 0));
    must(rb_db_query(&rows, db, &statement, NULL, 0));
    int64_t value = rb_rows_count(rows) ? rb_rows_int(rows, 0, 0) : 0;
    rb_rows_free(rows);
    rb_db_close(db);
    return value;
}

/* ---- the stored form ---------------------------------------------------------------------------------- */

static const struct rb_tree_entry some_entries[] = {
    {.path = "README.md", .kind = RB_ENTRY_FILE, .sha = SHA_A, .size = 12},
    {.path = "a b\nc\t\xff\xfe", .kind = RB_ENTRY_SYMLINK, .sha = SHA_A, .size = 0},
    {.path = "lib", .kind = RB_ENTRY_DIRECTORY, .sha = SHA_B, .size = -1},
    {.path = "lib/run", .kind = RB_ENTRY_EXECUTABLE, .sha = SHA_C, .size = RB_TREE_SIZE_MAX},
    {.path = "sub", .kind = RB_ENTRY_SUBMODULE, .sha = SHA_C, .size = -1},
};

static void assert_same_tree(const struct rb_tree *got, const struct rb_tree *wanted)
{
    assert_int_equal(got->count, wanted->count);
    assert_int_equal(got->complete, wanted->complete);
    assert_string_equal(got->incomplete_reason, wanted->incomplete_reason);
    for (size_t i = 0; i < wanted->count; i++) {
        assert_string_equal(got->entries[i].path, wanted->entries[i].path);
        assert_int_equal(got->entries[i].kind, wanted->entries[i].kind);
        assert_string_equal(got->entries[i].sha, wanted->entries[i].sha);
        assert_true(got->entries[i].size == wanted->entries[i].size);
    }
}

static void a_stored_tree_reads_back(void **state)
{
    (void)state;
    const struct rb_tree trees[] = {
        {.complete = true},
        {.complete = true, .entries = some_entries, .count = 5},
        {.complete = false, .entries = some_entries, .count = 3, .incomplete_reason = "why\nnot: \"x\" 7 "},
    };
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_buf buf;
        struct rb_tree got;
        rb_buf_init(&buf, 1 << 16);
        must(rb_tree_encode(&buf, &trees[i]));
        must(rb_tree_decode(&got, buf.data, buf.len, arena));
        assert_same_tree(&got, &trees[i]);
        /* Cut off anywhere, or with anything behind, it is no tree. */
        for (size_t len = 0; len < buf.len; len++) {
            char *cut = rb_malloc(len); /* of exactly this size, so that sanitizers see a look beyond it */
            memcpy(cut, buf.data, len);
            assert_int_equal(rb_tree_decode(&got, cut, len, arena), RB_EPROTOCOL);
            assert_int_equal(got.count, 0);
            free(cut);
        }
        must(rb_buf_append(&buf, "\n", 1));
        assert_int_equal(rb_tree_decode(&got, buf.data, buf.len, arena), RB_EPROTOCOL);
        rb_buf_free(&buf);
        rb_arena_free(arena);
    }
}

static void trees_that_cannot_be_are_not_stored(void **state)
{
    (void)state;
    static char long_path[70000];
    memset(long_path, 'p', sizeof(long_path) - 1);
    const struct rb_tree_entry rows[][2] = {
        {{.path = "b", .sha = SHA_A}, {.path = "a", .sha = SHA_A}},
        {{.path = "a", .sha = SHA_A}, {.path = "a", .sha = SHA_A}},
        {{.path = "", .sha = SHA_A}, {.path = "a", .sha = SHA_A}},
        {{.path = "a", .sha = SHA_A}, {.path = long_path, .sha = SHA_A}},
        {{.path = "a", .sha = SHA_A, .size = -2}, {.path = "b", .sha = SHA_A}},
        {{.path = "a", .sha = SHA_A, .size = INT64_MAX}, {.path = "b", .sha = SHA_A}},
    };
    struct rb_buf buf;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct rb_tree tree = {.complete = true, .entries = rows[i], .count = 2};
        rb_buf_init(&buf, 1 << 20);
        assert_int_equal(rb_tree_encode(&buf, &tree), RB_EINVAL);
        rb_buf_free(&buf);
    }
    rb_buf_init(&buf, 100);
    assert_int_equal(rb_tree_encode(&buf, &(struct rb_tree){.entries = some_entries, .count = 5}),
                     RB_ETOOBIG);
    rb_buf_free(&buf);
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "rbtree1",
        "rbtree2 0 1 0 \n",
        "rbtree1 -1 1 0 \n",
        "rbtree1 1 1 0 \n",
        "rbtree1 2000001 1 0 \n",
        "rbtree1 99999999999999999999 1 0 \n",
        "rbtree1 18446744073709551615 1 0 \n",
        "rbtree1 0 2 0 \n",
        "rbtree1 0 -1 0 \n",
        "rbtree1 0 0 -5 \n",
        "rbtree1 0 0 128 \n",
        "rbtree1 0 0 5 abc\n",
        "rbtree1 0 1 0\n",
        "rbtree1 1 1 0 \nz 1 a 1 a\n",
        "rbtree1 1 1 0 \nf -2 a 1 a\n",
        "rbtree1 1 1 0 \nf - a 1 a\n",
        "rbtree1 1 1 0 \nf --1 a 1 a\n",
        "rbtree1 1 1 0 \nf 1000000000000001 a 1 a\n",
        "rbtree1 1 1 0 \nf 1 g 1 a\n",
        "rbtree1 1 1 0 \nf 1 A 1 a\n",
        "rbtree1 1 1 0 \nf 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1 a\n",
        "rbtree1 1 1 0 \nf 1 a 0 \n",
        "rbtree1 1 1 0 \nf 1 a -1 a\n",
        "rbtree1 1 1 0 \nf 1 a 2 a\n",
        "rbtree1 1 1 0 \nf 1 a 65536 a\n",
        "rbtree1 1 1 0 \nf 1 a 1 ab\n",
        "rbtree1 2 1 0 \nf 1 a 1 b\nf 1 a 1 a\n",
        "rbtree1 2 1 0 \nf 1 a 1 a\nf 1 a 1 a\n",
        "rbtree1 1 1 0 \nf 1 a 1 a\nf 1 a 1 b\n",
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree;
    must(rb_tree_decode(&tree, "rbtree1 1 1 0 \nf 1 a 1 a\n", 25, arena)); /* what the rows differ from */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rb_tree_decode(&tree, rows[i], strlen(rows[i]), arena) != RB_EPROTOCOL)
            fail_msg("accepted: %s", rows[i]);
    }
    assert_int_equal(rb_tree_decode(&tree, "rbtree1 1 1 0 \nf 1 a 1 \0\n", 25, arena), RB_EPROTOCOL);
    assert_int_equal(rb_tree_decode(&tree, "rbtree1 1 1 0 \n\0 1 a 1 a\n", 25, arena), RB_EPROTOCOL);
    assert_int_equal(rb_tree_decode(&tree, NULL, 0, arena), RB_EPROTOCOL);
    assert_true(rb_arena_size(arena) < 1 << 20); /* no count was believed before its bytes were there */
    rb_arena_free(arena);
}

/* One byte changed at a time: never a crash, never a tree with what a tree may not hold. */
static void altered_bytes_are_harmless(void **state)
{
    (void)state;
    struct rb_buf buf, again;
    rb_buf_init(&buf, 1 << 16);
    rb_buf_init(&again, 1 << 16);
    must(rb_tree_encode(&buf, &(struct rb_tree){.complete = true, .entries = some_entries, .count = 5}));
    static const unsigned char values[] = {0, ' ', '-', '0', '1', '9', '\n', 'f', 0xff};
    for (size_t at = 0; at < buf.len; at++) {
        char saved = buf.data[at];
        for (size_t v = 0; v < sizeof(values); v++) {
            struct rb_arena *arena = rb_arena_new();
            struct rb_tree tree;
            buf.data[at] = (char)values[v];
            rb_buf_reset(&again);
            if (rb_tree_decode(&tree, buf.data, buf.len, arena) == RB_OK)
                must(rb_tree_encode(&again, &tree)); /* it keeps its own rules */
            rb_arena_free(arena);
        }
        buf.data[at] = saved;
    }
    rb_buf_free(&buf);
    rb_buf_free(&again);
}

/* ---- the cache ---------------------------------------------------------------------------------------- */

/* What GitHub says, and what it was asked. */
struct github {
    const char *commit, *etag;
    bool complete;
    rb_err err;
    int calls;
    struct rb_tree_hint hint; /* of the last call */
    const struct rb_tree_entry *entries;
    size_t count;
    int gate_in, gate_out; /* -1: none; else it says that it is there, and waits */
};

static rb_err fetch(void *arg, struct rb_tree *tree, char etag[160], bool *unchanged,
                    const struct rb_tree_hint *hint, struct rb_arena *arena)
{
    struct github *github = arg;
    (void)arena;
    github->calls++;
    github->hint = *hint;
    if (github->gate_in >= 0) {
        char c = 'x';
        assert_int_equal(write(github->gate_out, &c, 1), 1);
        assert_int_equal(read(github->gate_in, &c, 1), 1);
    }
    if (github->err)
        return rb_error_set(github->err, "GitHub said no");
    snprintf(etag, 160, "%s", github->etag);
    if (*hint->etag && strcmp(hint->etag, github->etag) == 0) {
        *unchanged = true;
        return RB_OK;
    }
    *tree =
        (struct rb_tree){.entries = github->entries, .count = github->count, .complete = github->complete};
    if (!github->complete)
        snprintf(tree->incomplete_reason, sizeof(tree->incomplete_reason), "too much");
    snprintf(tree->commit, sizeof(tree->commit), "%s", github->commit);
    return RB_OK;
}

static struct github says(const char *commit, const char *etag, bool complete)
{
    return (struct github){.commit = commit,
                           .etag = etag,
                           .complete = complete,
                           .entries = some_entries,
                           .count = complete ? 5 : 3,
                           .gate_in = -1};
}

static rb_err get(struct github *github, int64_t repo, int64_t generation, const char *commit, size_t count)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = {0};
    const struct rb_tree_key key = {.repo_id = repo, .generation = generation};
    rb_err err = rb_tree_get(&tree, admin, &key, 10000, fetch, github, arena);
    if (!err) {
        assert_string_equal(tree.commit, commit);
        assert_int_equal(tree.count, count);
        assert_int_equal(tree.complete, count == 5 || count == 0);
    }
    rb_arena_free(arena);
    return err;
}

static void a_tree_is_fetched_once_for_its_generation(void **state)
{
    (void)state;
    struct github github = says(SHA_A, "\"one\"", true);
    must(get(&github, 1, 10, SHA_A, 5));
    assert_string_equal(github.hint.etag, "");
    github.commit = SHA_C; /* GitHub moves on: this generation's commit stays what it was */
    github.etag = "\"two\"";
    must(get(&github, 1, 10, SHA_A, 5));
    assert_int_equal(github.calls, 1);
    must(get(&github, 1, 11, SHA_C, 5));
    assert_int_equal(github.calls, 2);
    assert_string_equal(github.hint.etag, "\"one\"");
    assert_string_equal(github.hint.commit, SHA_A);
    must(get(&github, 1, 12, SHA_C, 5)); /* 304: the tree at hand serves */
    assert_int_equal(github.calls, 3);
    must(get(&github, 2, 12, SHA_C, 5)); /* another repository begins with nothing */
    assert_string_equal(github.hint.etag, "");
}

static void an_empty_repository_is_a_tree_too(void **state)
{
    (void)state;
    struct github github = says("", "", true);
    github.count = 0;
    must(get(&github, 3, 1, "", 0));
    must(get(&github, 3, 1, "", 0));
    assert_int_equal(github.calls, 1);
}

static void an_error_of_github_leaves_nothing(void **state)
{
    (void)state;
    static const rb_err errs[] = {RB_ENOTFOUND, RB_ELIMIT, RB_EPROTOCOL, RB_EAUTH};
    for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
        struct github github = says(SHA_A, "\"one\"", true);
        github.err = errs[i];
        assert_int_equal(get(&github, 4, (int64_t)i, SHA_A, 5), errs[i]);
        assert_string_equal(rb_error_text(), "GitHub said no");
        assert_int_equal(github.calls, 1);
    }
    struct github unsorted = says(SHA_A, "\"one\"", true);
    const struct rb_tree_entry entries[] = {{.path = "b", .sha = SHA_A}, {.path = "a", .sha = SHA_A}};
    unsorted.entries = entries;
    unsorted.count = 2;
    assert_int_equal(get(&unsorted, 4, 9, SHA_A, 2), RB_EINVAL);
    assert_int_equal(ask("left", "select count(*) from tree_heads where repo_id = 4"), 0);
    assert_int_equal(ask("left", "select count(*) from trees where repo_id = 4"), 0);
    must(rb_db_try_lock(admin, RB_LOCK_TREE, 4)); /* the lock was given back */
    rb_db_unlock(admin, RB_LOCK_TREE, 4);
    assert_int_equal(ask("held", "select count(*) from pg_locks where locktype = 'advisory'"), 0);
}

static void an_incomplete_tree_is_for_its_own_generation(void **state)
{
    (void)state;
    struct github github = says(SHA_A, "\"one\"", false);
    must(get(&github, 5, 1, SHA_A, 3));
    must(get(&github, 5, 1, SHA_A, 3)); /* both subscribers of the event see the same */
    assert_int_equal(github.calls, 1);
    must(get(&github, 5, 2, SHA_A, 3));
    assert_int_equal(github.calls, 2);
    assert_string_equal(github.hint.etag, ""); /* no 304 can bring it back */
    github.complete = true;
    github.count = 5;
    must(get(&github, 5, 3, SHA_A, 5));
    assert_int_equal(github.calls, 3);
    github.complete = false; /* the whole one, once had, is not overwritten */
    github.etag = "\"two\"";
    github.count = 3;
    must(get(&github, 5, 4, SHA_A, 3));
    assert_int_equal(ask("whole", "select entry_count from trees where repo_id = 5 and complete"), 5);
}

static void old_trees_go_but_a_late_generation_is_served(void **state)
{
    (void)state;
    static const char *const commits[] = {
        "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222",
        "3333333333333333333333333333333333333333", "4444444444444444444444444444444444444444",
        "5555555555555555555555555555555555555555"};
    struct github github = says(NULL, NULL, true);
    for (int i = 0; i < 5; i++) {
        char etag[16];
        snprintf(etag, sizeof(etag), "\"%d\"", i);
        github.commit = commits[i];
        github.etag = etag;
        must(get(&github, 6, 100 + i, commits[i], 5));
    }
    assert_int_equal(ask("heads", "select count(*) from tree_heads where repo_id = 6"), 3);
    assert_int_equal(ask("trees", "select count(*) from trees where repo_id = 6"), 3);
    /* An event that comes late, of a generation older than all that is kept: its answer is a 304. */
    github.etag = "\"4\"";
    must(get(&github, 6, 50, commits[4], 5));
    assert_int_equal(github.calls, 6);
    must(get(&github, 6, 50, commits[4], 5)); /* and it is there for the other subscriber */
    assert_int_equal(github.calls, 6);
}

static void a_damaged_tree_is_fetched_again(void **state)
{
    (void)state;
    struct github github = says(SHA_A, "\"one\"", true);
    int quiet = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    must(get(&github, 7, 1, SHA_A, 5));
    dup2(null, STDERR_FILENO); /* it warns, as it should */
    ask("damage", "update trees set entries = 'rbtree0 ' || entries where repo_id = 7");
    must(get(&github, 7, 1, SHA_A, 5)); /* its own */
    assert_int_equal(github.calls, 2);
    ask("damage", "update trees set entries = '' where repo_id = 7");
    must(get(&github, 7, 2, SHA_A, 5)); /* the one a 304 leads to */
    assert_int_equal(github.calls, 4);
    dup2(quiet, STDERR_FILENO);
    close(quiet);
    close(null);
    must(get(&github, 7, 2, SHA_A, 5));
    assert_int_equal(github.calls, 4);
}

/* ---- two at once -------------------------------------------------------------------------------------- */

struct taker {
    struct rb_db *db;
    struct github *github;
    struct rb_tree_key key;
    int wait_ms;
    rb_err err;
    size_t count;
    pthread_t thread;
};

static void *take(void *arg)
{
    struct taker *taker = arg;
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = {0};
    taker->err = rb_tree_get(&tree, taker->db, &taker->key, taker->wait_ms, fetch, taker->github, arena);
    taker->count = tree.count;
    rb_arena_free(arena);
    return NULL;
}

static void taker_start(struct taker *taker, const char *name, struct github *github, int64_t repo,
                        int wait_ms)
{
    *taker = (struct taker){.github = github, .key = {.repo_id = repo, .generation = 1}, .wait_ms = wait_ms};
    must(rb_db_open(&taker->db, postgres.url, name, 0));
    assert_int_equal(pthread_create(&taker->thread, NULL, take, taker), 0);
}

static void taker_end(struct taker *taker)
{
    pthread_join(taker->thread, NULL);
    rb_db_close(taker->db);
}

static void until_second_waits(void)
{
    static const char sql[] = "select count(*) from pg_stat_activity a join pg_locks l using (pid) "
                              "where a.application_name = 'second' and not l.granted";
    for (int64_t deadline = rb_clock_ms() + 20000; ask("waits", sql) == 0;)
        assert_true(rb_clock_ms() < deadline);
}

/* A fetch that stops half way until it is told to go on. */
static void gate_open(struct github *github, int pipes[4])
{
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(pipe2(pipes + 2, O_CLOEXEC), 0);
    github->gate_in = pipes[0];
    github->gate_out = pipes[3];
}

static void gate_await(const int pipes[4])
{
    char c;
    assert_int_equal(read(pipes[2], &c, 1), 1);
}

static void gate_close(const int pipes[4])
{
    for (int i = 0; i < 4; i++)
        close(pipes[i]);
}

static void of_two_at_once_one_fetches(void **state)
{
    (void)state;
    struct github github = says(SHA_A, "\"one\"", true), other = says(SHA_A, "\"one\"", true);
    struct taker first, second;
    int pipes[4];
    gate_open(&github, pipes);
    taker_start(&first, "first", &github, 8, 10000);
    gate_await(pipes);
    taker_start(&second, "second", &other, 8, 10000);
    until_second_waits();
    assert_int_equal(write(pipes[1], "x", 1), 1);
    taker_end(&first);
    taker_end(&second);
    assert_int_equal(first.err, RB_OK);
    assert_int_equal(second.err, RB_OK);
    assert_int_equal(github.calls, 1);
    assert_int_equal(other.calls, 0);
    assert_int_equal(second.count, 5);
    gate_close(pipes);
}

static void the_second_takes_over_when_the_first_dies(void **state)
{
    (void)state;
    struct github github = says(SHA_A, "\"one\"", true), other = says(SHA_A, "\"one\"", true);
    struct taker first, second;
    int pipes[4];
    gate_open(&github, pipes);
    taker_start(&first, "first", &github, 9, 10000);
    gate_await(pipes);
    taker_start(&second, "second", &other, 9, 10000);
    until_second_waits();
    ask("kill", "select pg_terminate_backend(pid, 10000)::int from pg_stat_activity where application_name = "
                "'first'");
    taker_end(&second);
    assert_int_equal(second.err, RB_OK);
    assert_int_equal(other.calls, 1);
    /* The first was not dead after all: what it brings late does no harm. */
    assert_int_equal(write(pipes[1], "x", 1), 1);
    taker_end(&first);
    assert_int_equal(first.err, RB_OK);
    assert_int_equal(ask("trees", "select count(*) from trees where repo_id = 9"), 1);
    gate_close(pipes);
}

static void waiting_for_the_first_has_a_limit(void **state)
{
    (void)state;
    struct github github = says(SHA_A, "\"one\"", true), other = says(SHA_A, "\"one\"", true);
    struct taker first, second;
    int pipes[4];
    gate_open(&github, pipes);
    taker_start(&first, "first", &github, 10, 10000);
    gate_await(pipes);
    taker_start(&second, "second", &other, 10, 30);
    taker_end(&second);
    assert_int_equal(second.err, RB_ETIMEOUT);
    assert_int_equal(other.calls, 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    taker_end(&first);
    assert_int_equal(first.err, RB_OK);
    gate_close(pipes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_tree_reads_back),
        cmocka_unit_test(trees_that_cannot_be_are_not_stored),
        cmocka_unit_test(hostile_bytes_are_refused),
        cmocka_unit_test(altered_bytes_are_harmless),
        cmocka_unit_test(a_tree_is_fetched_once_for_its_generation),
        cmocka_unit_test(an_empty_repository_is_a_tree_too),
        cmocka_unit_test(an_error_of_github_leaves_nothing),
        cmocka_unit_test(an_incomplete_tree_is_for_its_own_generation),
        cmocka_unit_test(old_trees_go_but_a_late_generation_is_served),
        cmocka_unit_test(a_damaged_tree_is_fetched_again),
        cmocka_unit_test(of_two_at_once_one_fetches),
        cmocka_unit_test(the_second_takes_over_when_the_first_dies),
        cmocka_unit_test(waiting_for_the_first_has_a_limit),
    };
    return cmocka_run_group_tests_name("tree cache", tests, start_postgres, stop_postgres);
}
