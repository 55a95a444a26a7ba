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

#define COUNT(a) (sizeof(a) / sizeof *(a))

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
    for (size_t i = 0; i < wanted->count; i++) {
        assert_string_equal(got->entries[i].path, wanted->entries[i].path);
        assert_int_equal(got->entries[i].kind, wanted->entries[i].kind);
        assert_string_equal(got->entries[i].sha, wanted->entries[i].sha);
        assert_true(got->entries[i].size == wanted->entries[i].size);
    }
}

static void pack(struct rb_tree *tree, struct rb_arena *arena)
{
    tree->entries = some_entries;
    tree->count = COUNT(some_entries);
    must(rb_tree_pack(tree, arena));
    assert_int_equal(tree->part_count, 1);
}

static rb_err read_part(struct rb_tree *tree, const void *data, size_t len, struct rb_arena *arena)
{
    struct rb_tree_packer *packer = rb_tree_packer_new(arena);
    rb_err err = rb_tree_packer_add_part(packer, data, len);
    rb_tree_packer_end(tree, packer);
    rb_tree_packer_free(packer);
    return err;
}

static void a_packed_tree_reads_back(void **state)
{
    (void)state;
    const struct rb_tree wanted = {.entries = some_entries, .count = COUNT(some_entries)};
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree got = {0}, none = {.entries = some_entries};
    struct rb_tree packed = {0};
    must(rb_tree_pack(&none, arena));
    assert_null(none.entries);
    rb_tree_unpack(&none, arena);
    assert_int_equal(none.count, 0);
    pack(&packed, arena);
    must(read_part(&got, packed.parts[0].data, packed.parts[0].len, arena));
    rb_tree_unpack(&got, arena);
    assert_same_tree(&got, &wanted);
    /* Cut off anywhere it is no tree, or has fewer entries; with anything behind it is none. */
    for (size_t len = 0; len < packed.parts[0].len; len++) {
        char *cut = rb_malloc(len); /* of exactly this size, so that sanitizers see a look beyond it */
        memcpy(cut, packed.parts[0].data, len);
        rb_err err = read_part(&got, cut, len, arena);
        assert_int_equal(err ? err : RB_EPROTOCOL, RB_EPROTOCOL);
        assert_true(got.count < wanted.count);
        assert_int_equal(got.count == 0, err != RB_OK);
        free(cut);
    }
    char *longer = rb_calloc(packed.parts[0].len + 1, 1);
    memcpy(longer, packed.parts[0].data, packed.parts[0].len);
    assert_int_equal(read_part(&got, longer, packed.parts[0].len + 1, arena), RB_EPROTOCOL);
    free(longer);
    rb_arena_free(arena);
}

/* More than a part holds, in less than half the memory; and what follows a part must stand behind it. */
static void a_large_tree_has_several_parts(void **state)
{
    (void)state;
    enum { FILES = 20000 };
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree_entry *entries = rb_arena_alloc(arena, FILES * sizeof *entries);
    size_t path_bytes = 0;
    for (size_t i = 0; i < FILES; i++) {
        entries[i] = (struct rb_tree_entry){
            .path = rb_arena_printf(arena, "services/part%03zu/file%05zu.c", i / 100, i),
            .size = (int64_t)(i * i)};
        snprintf(entries[i].sha, sizeof entries[i].sha, "%064zx", i);
        path_bytes += strlen(entries[i].path) + 1;
    }
    const struct rb_tree wanted = {.entries = entries, .count = FILES};
    struct rb_tree packed = wanted;
    must(rb_tree_pack(&packed, arena));
    size_t bytes = 0;
    for (size_t i = 0; i < packed.part_count; i++)
        bytes += packed.parts[i].len;
    assert_true(packed.part_count >= 3);
    assert_true(bytes < (FILES * sizeof *entries + path_bytes) / 2);
    struct rb_tree_walk *walk = rb_malloc(sizeof *walk);
    for (int round = 0; round < 2; round++) { /* it may be walked again */
        rb_tree_walk_begin(walk, &packed);
        for (size_t i = 0; i < FILES; i++)
            assert_string_equal(rb_tree_walk_next(walk)->path, entries[i].path);
        assert_null(rb_tree_walk_next(walk));
    }
    free(walk);
    struct rb_tree_packer *packer = rb_tree_packer_new(arena);
    struct rb_tree got = {0};
    must(rb_tree_packer_add_part(packer, packed.parts[0].data, packed.parts[0].len));
    assert_int_equal(rb_tree_packer_add_part(packer, packed.parts[0].data, packed.parts[0].len),
                     RB_EPROTOCOL);
    for (size_t i = 1; i < packed.part_count; i++)
        must(rb_tree_packer_add_part(packer, packed.parts[i].data, packed.parts[i].len));
    rb_tree_packer_end(&got, packer);
    rb_tree_packer_free(packer);
    rb_tree_unpack(&got, arena);
    assert_same_tree(&got, &wanted);
    rb_arena_free(arena);
}

static void trees_that_cannot_be_are_not_packed(void **state)
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
        {{.path = "a", .sha = "abc"}, {.path = "b", .sha = SHA_A}},
        {{.path = "a", .sha = "AB"}, {.path = "b", .sha = SHA_A}},
    };
    struct rb_arena *arena = rb_arena_new();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_tree tree = {.complete = true, .entries = rows[i], .count = 2};
        assert_int_equal(rb_tree_pack(&tree, arena), RB_EINVAL);
    }
    rb_arena_free(arena);
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    /* Kind, size + 1, length of the name and the name, shared, length and path. */
    static const struct {
        const char *data;
        size_t len;
    } rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
        ROW(""),
        ROW("\0"),
        ROW("\5\1\0\0\1a"),                                       /* no such kind */
        ROW("\0\x80"),                                            /* a number without an end */
        ROW("\0\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\1a"),         /* larger than a petabyte */
        ROW("\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\0\0\1a"), /* more than 63 bits */
        ROW("\0\1\x21"
            "ABCDEFGHABCDEFGHABCDEFGHABCDEFGHA\0\1a"), /* a name of 33 bytes */
        ROW("\0\1\x20"
            "ABC\0\1a"),                /* more than there is */
        ROW("\0\1\0\1\1a"),             /* shares with nothing */
        ROW("\0\1\0\0\0"),              /* no path */
        ROW("\0\1\0\0\2a"),             /* more than there is */
        ROW("\0\1\0\0\2a\0"),           /* a zero */
        ROW("\0\1\0\0\xff\xff\x7f"),    /* 2 MB of path */
        ROW("\0\1\0\0\1b\0\1\0\0\1a"),  /* not sorted */
        ROW("\0\1\0\0\1a\0\1\0\0\1a"),  /* twice */
        ROW("\0\1\0\0\1a\0\1\0\1\0"),   /* twice */
        ROW("\0\1\0\0\2ab\0\1\0\1\1a"), /* not sorted */
#undef ROW
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = {0};
    must(read_part(&tree, "\0\1\0\0\1a", 6, arena)); /* what the rows differ from */
    assert_int_equal(tree.count, 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (read_part(&tree, rows[i].data, rows[i].len, arena) != RB_EPROTOCOL)
            fail_msg("accepted: row %zu", i);
        assert_int_equal(tree.count, 0);
    }
    assert_true(rb_arena_size(arena) < 1 << 20); /* no number was believed before its bytes were there */
    rb_arena_free(arena);
}

/* One byte changed at a time: never a crash, never a tree with what a tree may not hold. */
static void altered_bytes_are_harmless(void **state)
{
    (void)state;
    static const unsigned char values[] = {0, 1, 2, 4, 5, 20, 'a', 0x7f, 0x80, 0xff};
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree packed = {0};
    pack(&packed, arena);
    size_t len = packed.parts[0].len;
    unsigned char *data = rb_malloc(len);
    memcpy(data, packed.parts[0].data, len);
    for (size_t at = 0; at < len; at++) {
        unsigned char saved = data[at];
        for (size_t v = 0; v < sizeof(values); v++) {
            struct rb_arena *scratch = rb_arena_new();
            struct rb_tree tree = {0};
            data[at] = values[v];
            if (read_part(&tree, data, len, scratch) == RB_OK) {
                rb_tree_unpack(&tree, scratch);
                must(rb_tree_pack(&tree, scratch)); /* it keeps its own rules */
            }
            rb_arena_free(scratch);
        }
        data[at] = saved;
    }
    free(data);
    rb_arena_free(arena);
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
        assert_string_equal(tree.incomplete_reason, tree.complete ? "" : "too much");
        rb_tree_unpack(&tree, arena);
        assert_same_tree(&tree, &(struct rb_tree){.entries = some_entries, .count = count});
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
    ask("damage", "update tree_parts set entries = 'a' || entries where repo_id = 7");
    must(get(&github, 7, 1, SHA_A, 5)); /* its own */
    assert_int_equal(github.calls, 2);
    ask("damage", "update tree_parts set entries = '' where repo_id = 7");
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
        cmocka_unit_test(a_packed_tree_reads_back),
        cmocka_unit_test(a_large_tree_has_several_parts),
        cmocka_unit_test(trees_that_cannot_be_are_not_packed),
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
