/* A connected repository as a subscriber sees it: PostgreSQL for the installation, the stand-in for GitHub;
 * and the languages of names, which need neither. */
#include "lib/repo/repo.h"
#include "tests/unit/lib_servers.h"

#define KEY "0123456789abcdef0123456789abcdef"

static struct postgres_fixture postgres;
static struct standin_fixture standin;
static struct rb_db *db;
static struct rb_github *github;
static struct rb_keyring *keyring;

static void must(rb_err err)
{
    if (err)
        fail_msg("%s: %s", rb_err_name(err), rb_error_text());
}

static void sql(const struct rb_statement *statement, const struct rb_param *params, size_t count)
{
    must(rb_db_query(NULL, db, statement, params, count));
}

/* User 1 with her token sealed to her row, installation 1 of acme/shop at generation 5. */
static int start_all(void **state)
{
    static const struct rb_statement user = {
        "user",
        "insert into users (id, login, token_sealed) overriding system value values (1, 'alice', $1)"};
    static const struct rb_statement installation = {
        "installation",
        "insert into installations (id, user_id, repo_id, repo_full_name, default_branch, webhook_id, "
        "webhook_secret, "
        "state, generation, connected_at) values (1, 1, 77, 'acme/shop', 'main', 9, '', 'active', 5, now())"};
    uint8_t sealed[64 + RB_SEAL_OVERHEAD];
    size_t len = 0;
    (void)state;
    rb_log_init("test");
    postgres_start(&postgres);
    standin_start(&standin);
    servers_migrate(postgres.url);
    must(rb_db_open(&db, postgres.url, "repo", 0));
    must(rb_keyring_new(&keyring, KEY, NULL));
    must(rb_seal(sealed, &len, keyring, RB_PURPOSE_OAUTH_TOKEN, 1, "token-alice", 11));
    struct rb_param params[] = {RB_P_BYTES(sealed, len)};
    sql(&user, params, 1);
    sql(&installation, NULL, 0);
    const struct rb_github_options options = {.base_url = standin.url, .user_agent = "repobus-test"};
    must(rb_github_start(&github, &options));
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    rb_github_stop(github);
    rb_keyring_free(keyring);
    rb_db_close(db);
    standin_stop(&standin);
    postgres_stop(&postgres);
    return 0;
}

/* Without faults, with an empty cache, at generation 5. */
static int begin(void **state)
{
    static const struct rb_statement heads = {"no heads", "delete from tree_heads"};
    static const struct rb_statement trees = {"no trees", "delete from trees"};
    static const struct rb_statement blobs = {"no blobs", "delete from blobs"};
    static const struct rb_statement live = {
        "live", "update installations set state = 'active', generation = 5, default_branch = 'main'"};
    (void)state;
    standin_control(&standin, "DELETE", "/faults", NULL);
    standin_control(&standin, "POST", "/limits", "{\"tree_entries\":100000}");
    sql(&heads, NULL, 0);
    sql(&trees, NULL, 0);
    sql(&blobs, NULL, 0);
    sql(&live, NULL, 0);
    return 0;
}

static rb_err open_repo(struct rb_repo_handle **repo, int64_t installation, int64_t generation,
                        struct rb_arena *arena)
{
    const struct rb_repo_sources sources = {.github = github, .keyring = keyring};
    return rb_repo_open(repo, &sources, db, installation, generation, arena);
}

static void opening_asks_for_the_present_generation(void **state)
{
    (void)state;
    static const struct rb_statement gone = {"gone", "update installations set state = 'disconnected'"};
    static const struct rb_statement other_key = {"seal", "update users set token_sealed = $1"};
    struct rb_arena *arena = rb_arena_new();
    struct rb_repo_handle *repo = NULL;
    must(open_repo(&repo, 1, 5, arena));
    const struct rb_repo *about = rb_repo_about(repo);
    assert_string_equal(about->owner, "acme");
    assert_string_equal(about->name, "shop");
    assert_string_equal(about->default_branch, "main");
    assert_int_equal(about->repo_id, 77);
    must(rb_repo_is_current(repo));
    struct rb_repo_handle *other = NULL;
    assert_int_equal(open_repo(&other, 1, 4, arena), RB_ESTALE);
    assert_int_equal(open_repo(&other, 2, 5, arena), RB_ESTALE);
    sql(&gone, NULL, 0);
    assert_int_equal(open_repo(&other, 1, 5, arena), RB_ESTALE);
    assert_int_equal(rb_repo_is_current(repo), RB_ESTALE);
    begin(NULL);
    /* A token that belongs to another row does not open; it is put back below. */
    uint8_t sealed[64 + RB_SEAL_OVERHEAD];
    size_t len = 0;
    for (int64_t row = 2; row >= 1; row--) {
        must(rb_seal(sealed, &len, keyring, RB_PURPOSE_OAUTH_TOKEN, row, "token-alice", 11));
        struct rb_param params[] = {RB_P_BYTES(sealed, len)};
        sql(&other_key, params, 1);
        rb_err err = open_repo(&other, 1, 5, arena);
        assert_int_equal(err, row == 1 ? RB_OK : RB_EAUTH);
        assert_null(strstr(rb_error_text(), "token-alice"));
    }
    rb_repo_close(other);
    rb_repo_close(repo);
    rb_repo_close(NULL);
    rb_arena_free(arena);
}

static const char *const shop[] = {"README.md", "run.sh",       "src",     "src/big.txt",
                                   "src/deep",  "src/deep/x.c", "src/link"};
static const enum rb_entry_kind shop_kinds[] = {RB_ENTRY_FILE,   RB_ENTRY_EXECUTABLE, RB_ENTRY_DIRECTORY,
                                                RB_ENTRY_FILE,   RB_ENTRY_DIRECTORY,  RB_ENTRY_FILE,
                                                RB_ENTRY_SYMLINK};

static void a_truncated_tree_is_walked_to_the_same_list(void **state)
{
    (void)state;
    static const struct {
        const char *limit, *fault;
        bool complete;
    } rows[] = {
        {"{\"tree_entries\":100000}", NULL, true},
        {"{\"tree_entries\":6}", NULL, true}, /* src fits, the whole does not */
        {"{\"tree_entries\":3}", NULL, true}, /* src does not fit either */
        {"{\"tree_entries\":1}", NULL, true},
        /* A single folder that GitHub will not list: said, never passed over. */
        {"{\"tree_entries\":100000}",
         "{\"path\":\"/repos/acme/shop/git/trees\",\"kind\":\"status\",\"status\":200,\"count\":0,"
         "\"body\":{\"tree\":[],\"truncated\":true}}",
         false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_repo_handle *repo = NULL;
        struct rb_tree tree;
        begin(NULL);
        standin_control(&standin, "POST", "/limits", rows[i].limit);
        if (rows[i].fault)
            standin_control(&standin, "POST", "/faults", rows[i].fault);
        must(open_repo(&repo, 1, 5, arena));
        must(rb_repo_tree(&tree, repo));
        rb_tree_unpack(&tree, arena);
        assert_int_equal(strlen(tree.commit), 40);
        assert_int_equal(tree.complete, rows[i].complete);
        assert_int_equal(*tree.incomplete_reason != 0, !rows[i].complete);
        assert_int_equal(tree.count == 7, rows[i].complete);
        for (size_t n = 0; n < tree.count && rows[i].complete; n++) {
            assert_string_equal(tree.entries[n].path, shop[n]);
            assert_int_equal(tree.entries[n].kind, shop_kinds[n]);
            assert_int_equal(tree.entries[n].size < 0, shop_kinds[n] == RB_ENTRY_DIRECTORY);
        }
        rb_repo_close(repo);
        rb_arena_free(arena);
    }
}

#define TREES_SAY(body)                 \
    "{\"path\":\"/repos/acme/shop/git/" \
    "trees\",\"kind\":\"status\",\"status\":200,\"count\":1,\"body\":{\"tree\":[" body ",\"truncated\":"
#define ENTRY(path, type) \
    "{\"path\":\"" path "\",\"mode\":\"100644\",\"type\":\"" type "\",\"size\":1,\"sha\":\"" SHA_1 "\"}"
#define SHA_1 "1111111111111111111111111111111111111111"

/* What is below a folder has its place behind "a-b"; and of two names that GitHub made equal one is left. */
static void folders_are_read_in_the_order_of_paths(void **state)
{
    (void)state;
    static const char *const answers[] = {
        TREES_SAY("]") "true}}", /* all, and the root alone */
        TREES_SAY(ENTRY("b", "blob") "," ENTRY("a", "tree") "," ENTRY("a-b", "blob") "," ENTRY(
            "b", "blob") "]") "false}}",
        TREES_SAY(ENTRY("y", "blob") "," ENTRY("x", "tree") "," ENTRY("x/z", "blob") "]") "false}}",
    };
    static const char *const wanted[] = {"a", "a-b", "a/x", "a/x/z", "a/y", "b"};
    struct rb_arena *arena = rb_arena_new();
    struct rb_repo_handle *repo = NULL;
    struct rb_tree tree;
    begin(NULL);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        standin_control(&standin, "POST", "/faults", answers[i]);
    must(open_repo(&repo, 1, 5, arena));
    must(rb_repo_tree(&tree, repo));
    rb_tree_unpack(&tree, arena);
    assert_int_equal(tree.count, sizeof(wanted) / sizeof(wanted[0]));
    for (size_t i = 0; i < tree.count; i++)
        assert_string_equal(tree.entries[i].path, wanted[i]);
    assert_false(tree.complete);
    assert_string_equal(tree.incomplete_reason, "1 paths cannot be told apart");
    rb_repo_close(repo);
    rb_arena_free(arena);
}

static void failures_of_github_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        rb_err err;
    } rows[] = {
        {"{\"kind\":\"status\",\"status\":404}", RB_ENOTFOUND},
        {"{\"kind\":\"status\",\"status\":401}", RB_EAUTH},
        {"{\"kind\":\"status\",\"status\":500}", RB_EUNAVAILABLE},
        {"{\"kind\":\"cut-before\",\"count\":0}", RB_EUNAVAILABLE},
        {"{\"kind\":\"cut-body\",\"count\":0}", RB_EUNAVAILABLE},
        {"{\"kind\":\"garbage\"}", RB_EPROTOCOL},
        {"{\"kind\":\"cut-body\",\"skip\":1,\"count\":0}", RB_EUNAVAILABLE}, /* the tree, not the commit */
        {"{\"kind\":\"garbage\",\"skip\":1}", RB_EPROTOCOL},
        /* Only a repository that GitHub calls empty is empty: nothing is deleted on any other 409. */
        {"{\"kind\":\"status\",\"status\":409,\"body\":{\"message\":\"Conflict\"}}", RB_ECONFLICT},
        {"{\"kind\":\"status\",\"status\":409,\"body\":{\"message\":\"Git Repository is empty.\"}}", RB_OK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_repo_handle *repo = NULL;
        struct rb_tree tree;
        begin(NULL);
        must(open_repo(&repo, 1, 5, arena));
        standin_control(&standin, "POST", "/faults", rows[i].fault);
        rb_err err = rb_repo_tree(&tree, repo);
        if (err != rows[i].err)
            fail_msg("%s: %s: %s", rows[i].fault, rb_err_name(err), rb_error_text());
        if (!err)
            assert_true(tree.complete && tree.count == 0 && !*tree.commit);
        rb_repo_close(repo);
        rb_arena_free(arena);
    }
}

/* What reading gave, in the order in which it came. */
struct reading {
    size_t count;
    struct {
        char *content;
        size_t len;
        rb_err err;
        char why[128];
    } files[600];
    size_t stop_after; /* 0: at the end */
};

static rb_err reading_on_content(void *arg, size_t index, const char *content, size_t len, rb_err err,
                                 const char *why)
{
    struct reading *reading = arg;
    assert_int_equal(index, reading->count);
    assert_int_equal(content == NULL, err != RB_OK);
    reading->files[index].content = content ? rb_strndup(content, len) : NULL;
    reading->files[index].len = len;
    reading->files[index].err = err;
    snprintf(reading->files[index].why, sizeof(reading->files[index].why), "%.127s", why);
    reading->count++;
    if (reading->count == reading->stop_after)
        return rb_error_set(RB_EUNAVAILABLE, "enough");
    return RB_OK;
}

static void reading_clear(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        free(reading->files[i].content);
    *reading = (struct reading){0};
}

/* Reads with a handle of its own; what it has cost goes to `used`. */
static rb_err read_files(struct reading *reading, struct rb_repo_usage *used,
                         const struct rb_repo_want *wants, size_t count)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_repo_handle *repo = NULL;
    must(open_repo(&repo, 1, 5, arena));
    reading_clear(reading);
    rb_err err = rb_repo_read(repo, wants, count, reading_on_content, reading);
    *used = *rb_repo_used(repo);
    rb_repo_close(repo);
    rb_arena_free(arena);
    return err;
}

static struct rb_tree shop_tree(struct rb_arena *arena)
{
    struct rb_repo_handle *repo = NULL;
    struct rb_tree tree;
    must(open_repo(&repo, 1, 5, arena));
    must(rb_repo_tree(&tree, repo));
    rb_tree_unpack(&tree, arena);
    rb_repo_close(repo);
    return tree;
}

static void files_are_read_many_at_once(void **state)
{
    (void)state;
    enum { MANY = 600 }; /* more than a group holds */
    static struct reading reading;
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = shop_tree(arena);
    struct rb_repo_want wants[MANY];
    struct rb_repo_usage used;
    for (size_t i = 0; i < MANY; i++)
        wants[i] = (struct rb_repo_want){&tree.entries[i % tree.count], 4999, false};
    must(read_files(&reading, &used, wants, MANY));
    assert_int_equal(reading.count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        const struct rb_tree_entry *entry = wants[i].entry;
        bool is_file = entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE;
        bool is_big = strcmp(entry->path, "src/big.txt") == 0;
        assert_int_equal(reading.files[i].err, !is_file ? RB_EINVAL : is_big ? RB_ETOOBIG : RB_OK);
        if (strcmp(entry->path, "README.md") == 0)
            assert_string_equal(reading.files[i].content, "hello\n");
        if (reading.files[i].content)
            assert_int_equal(reading.files[i].len, entry->size);
    }
    /* Three names in all: one query for each group. */
    assert_int_equal(used.rest, 0);
    assert_true(used.graphql >= 1 && used.graphql <= 2);
    must(read_files(&reading, &used, wants, 0));
    assert_int_equal(used.graphql, 0);
    /* Whoever takes them may have enough. */
    struct rb_repo_handle *repo = NULL;
    must(open_repo(&repo, 1, 5, arena));
    reading_clear(&reading);
    reading.stop_after = 3;
    assert_int_equal(rb_repo_read(repo, wants, MANY, reading_on_content, &reading), RB_EUNAVAILABLE);
    assert_int_equal(reading.count, 3);
    rb_repo_close(repo);
    reading_clear(&reading);
    rb_arena_free(arena);
}

static void a_large_file_is_not_trusted_to_be_small(void **state)
{
    (void)state;
    static struct reading reading;
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = shop_tree(arena);
    struct rb_repo_usage used;
    struct rb_tree_entry entry = tree.entries[3];
    struct rb_repo_want want = {&entry, 100, false};
    /* One that is said to be too large is not even asked for. */
    must(read_files(&reading, &used, &want, 1));
    assert_int_equal(reading.files[0].err, RB_ETOOBIG);
    assert_int_equal(used.rest + used.graphql, 0);
    entry.size = 10; /* what the tree says and what the blob is may differ */
    must(read_files(&reading, &used, &want, 1));
    assert_int_equal(reading.files[0].err, RB_ETOOBIG);
    entry.size = -1;
    want.max_bytes = 5000;
    must(read_files(&reading, &used, &want, 1));
    assert_int_equal(reading.files[0].len, 5000);
    assert_int_equal(used.rest, 1); /* of unknown size: by itself */
    reading_clear(&reading);
    rb_arena_free(arena);
}

static int64_t count_blobs(void)
{
    static const struct rb_statement statement = {"blobs", "select count(*) from blobs where repo_id = 77"};
    struct rb_rows *rows = NULL;
    must(rb_db_query(&rows, db, &statement, NULL, 0));
    int64_t count = rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return count;
}

/* What was read once is not asked for again, also when the rest could not be had; damage is no content. */
static void what_was_read_is_kept(void **state)
{
    (void)state;
    static const struct rb_statement damage = {
        "damage", "update blobs set content = 'hullo' || chr(10)::bytea where size = 6"};
    static struct reading reading;
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = shop_tree(arena);
    struct rb_repo_usage used;
    const struct rb_repo_want wants[] = {{&tree.entries[0], 100, false},
                                         {&tree.entries[1], 100, false},
                                         {&tree.entries[0], 100, false},
                                         {&tree.entries[3], 5000, false},
                                         {&tree.entries[0], 5, false}};
    /* The large one comes by itself, and that fails for now. */
    struct rb_tree_entry large = tree.entries[3];
    struct rb_repo_want first[] = {wants[0], wants[1], wants[2], {&large, 5000, false}};
    large.size = -1;
    standin_control(&standin, "POST", "/faults",
                    "{\"path\":\"/repos/acme/shop/git/blobs\",\"kind\":\"rate-limit\",\"seconds\":1}");
    assert_int_equal(read_files(&reading, &used, first, 4), RB_ELIMIT);
    assert_int_equal(reading.count, 0);
    assert_int_equal(count_blobs(), 2);
    must(read_files(&reading, &used, wants, 5));
    assert_int_equal(used.rest, 0);
    assert_int_equal(used.graphql, 1); /* for the large one */
    assert_int_equal(used.cached, 3);
    assert_string_equal(reading.files[2].content, "hello\n");
    assert_int_equal(reading.files[4].err, RB_ETOOBIG);
    assert_int_equal(count_blobs(), 3);
    must(read_files(&reading, &used, wants, 5));
    assert_int_equal(used.rest + used.graphql, 0);
    assert_int_equal(used.cached, 4);
    sql(&damage, NULL, 0);
    must(read_files(&reading, &used, wants, 5));
    assert_int_equal(used.graphql, 1);
    assert_string_equal(reading.files[0].content, "hello\n");
    reading_clear(&reading);
    rb_arena_free(arena);
}

/* Whatever becomes of queries, files are read to the byte or it is said why not. */
static void queries_may_fail_as_they_like(void **state)
{
    (void)state;
#define QUERIES "{\"path\":\"/graphql\",\"count\":0,"
#define QUERY   "{\"path\":\"/graphql\","
    static const struct {
        const char *fault;
        rb_err err;
        int rest, graphql;
    } rows[] = {
        {NULL, RB_OK, 0, 1},
        {QUERY "\"kind\":\"half-answer\"}", RB_OK, 0, 2},
        {QUERIES "\"kind\":\"half-answer\"}", RB_OK, 1, 2},
        {QUERY "\"kind\":\"status\",\"status\":502}", RB_OK, 0, 2},
        {QUERIES "\"kind\":\"status\",\"status\":502}", RB_OK, 3, 2},
        {QUERIES "\"kind\":\"status\",\"status\":404}", RB_OK, 3, 1}, /* a server without GraphQL */
        {QUERIES "\"kind\":\"status\",\"status\":403}", RB_OK, 3, 1},
        {QUERY "\"kind\":\"garbage\"}", RB_OK, 3, 1},
        {QUERY "\"kind\":\"cut-body\"}", RB_OK, 0, 2},
        {QUERY
         "\"kind\":\"status\",\"status\":200,\"body\":{\"data\":{\"repository\":null},\"errors\":[{\"type\":"
         "\"NOT_FOUND\",\"message\":\"no\"}]}}",
         RB_OK, 3, 1},
        {QUERY
         "\"kind\":\"status\",\"status\":200,\"body\":{\"errors\":[{\"message\":\"Something went wrong while "
         "executing your query.\"}]}}",
         RB_OK, 0, 2},
        /* Another text than the file's, of its length. */
        {QUERIES
         "\"kind\":\"status\",\"status\":200,\"body\":{\"data\":{\"repository\":{\"b0\":{\"byteSize\":6,"
         "\"text\":\"hallo\\n\"},\"b7\":{\"byteSize\":1,\"text\":\"x\"},\"bx\":{},\"b\":7}}}}",
         RB_OK, 3, 2},
        {QUERY "\"kind\":\"rate-limit\",\"seconds\":300}", RB_ELIMIT, 0, 1},
        {QUERY "\"kind\":\"secondary-limit\",\"seconds\":300}", RB_ELIMIT, 0, 1},
        {QUERY "\"kind\":\"status\",\"status\":200,\"body\":{\"errors\":[{\"message\":\"You have exceeded a "
               "secondary rate limit.\"}]}}",
         RB_ELIMIT, 0, 1},
        {"{\"kind\":\"status\",\"status\":502,\"count\":0}", RB_EUNAVAILABLE, 3, 2},
    };
    static struct reading reading;
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = shop_tree(arena);
    const struct rb_repo_want wants[] = {
        {&tree.entries[0], 100, false}, {&tree.entries[1], 100, false}, {&tree.entries[5], 100, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_repo_usage used;
        begin(NULL);
        if (rows[i].fault)
            standin_control(&standin, "POST", "/faults", rows[i].fault);
        rb_err err = read_files(&reading, &used, wants, 3);
        if (err != rows[i].err || used.rest != rows[i].rest || used.graphql != rows[i].graphql)
            fail_msg("%s: %s (%s), %lld and %lld requests", rows[i].fault, rb_err_name(err), rb_error_text(),
                     (long long)used.rest, (long long)used.graphql);
        if (err == RB_ELIMIT)
            assert_true(rb_error_wait_ms() > 50 * 1000 && rb_error_wait_ms() <= 301 * 1000);
        if (!err)
            assert_string_equal(reading.files[0].content, "hello\n");
        if (err == RB_ELIMIT) { /* its budget is closed now */
            rb_github_stop(github);
            const struct rb_github_options options = {.base_url = standin.url, .user_agent = "repobus-test"};
            must(rb_github_start(&github, &options));
        }
    }
    reading_clear(&reading);
    rb_arena_free(arena);
}

/* What no query can give, and what comes changed from one, is read by itself. */
static void what_is_no_text_is_read_to_the_byte(void **state)
{
    (void)state;
    static struct reading reading;
    static const char script[] =
        "export GIT_CONFIG_GLOBAL=/dev/null; git init -q -b main \"$1/odd\"; cd \"$1/odd\"; "
        "printf 'a\\0b' >a.bin; printf 'caf\\351\\n' >b.latin1; printf '\\357\\277\\275' >c.replaced; "
        "head -c 512000 /dev/zero | tr '\\0' 'd' >d.fits; head -c 512001 /dev/zero | tr '\\0' 'e' >e.cut; "
        ": >f.empty; printf '\\357\\273\\277{}' >g.mark; printf 'x\\r\\n\"\\\\' >h.ends; git add -A; "
        "git -c user.name=t -c user.email=t@example.com commit -qm Start";
    static const struct rb_statement other = {
        "odd", "update installations set repo_full_name = 'acme/odd', repo_id = 78"};
    static const struct rb_statement back = {
        "even", "update installations set repo_full_name = 'acme/shop', repo_id = 77"};
    struct rb_arena *arena = rb_arena_new();
    struct rb_repo_usage used;
    struct rb_repo_want wants[9];
    standin_git(standin.dir, script);
    char *body = rb_asprintf("{\"owner\":\"acme\",\"name\":\"odd\",\"path\":\"%s/odd\"}", standin.dir);
    standin_control(&standin, "POST", "/repos", body);
    free(body);
    standin_control(&standin, "POST", "/permissions",
                    "{\"owner\":\"acme\",\"repo\":\"odd\",\"login\":\"alice\",\"permission\":\"admin\"}");
    sql(&other, NULL, 0);
    struct rb_tree tree = shop_tree(arena);
    assert_int_equal(tree.count, 8);
    for (size_t i = 0; i < 8; i++)
        wants[i] = (struct rb_repo_want){&tree.entries[i], 1 << 20, false};
    wants[8] = (struct rb_repo_want){&tree.entries[0], 1 << 20, .is_text = true};
    must(read_files(&reading, &used, wants, 9));
    assert_int_equal(reading.files[8].err, RB_EINVAL); /* the query's answer was enough */
    assert_memory_equal(reading.files[0].content, "a\0b", 4);
    assert_string_equal(reading.files[1].content, "caf\xe9\n");
    assert_string_equal(reading.files[2].content, "\xef\xbf\xbd");
    assert_int_equal(strspn(reading.files[3].content, "d"), 512000);
    assert_int_equal(strspn(reading.files[4].content, "e"), 512001);
    assert_string_equal(reading.files[5].content, "");
    assert_string_equal(reading.files[6].content, "\xef\xbb\xbf{}");
    assert_string_equal(reading.files[7].content, "x\r\n\"\\");
    assert_int_equal(used.graphql, 1);
    assert_int_equal(used.rest, 3); /* binary, no UTF-8, too long */
    sql(&back, NULL, 0);
    reading_clear(&reading);
    rb_arena_free(arena);
}

#define PAYLOAD_LARGEST (25 * 1024 * 1024)

static void a_payload_too_large_for_its_event_is_read_by_reference(void **state)
{
    (void)state;
    static const char id[] = "11111111-2222-4333-8444-555555555555";
    static const struct rb_statement insert = {
        "delivery", "insert into deliveries (hook_id, delivery_id, event, outcome, payload) values ($1, $2, "
                    "'issues', 'published', $3)"};
    struct rb_arena *arena = rb_arena_new();
    const char *payload = NULL;
    size_t len = 0;
    char *large = rb_malloc(PAYLOAD_LARGEST);
    memset(large, 'x', PAYLOAD_LARGEST);
    memcpy(large + PAYLOAD_LARGEST - 4, "\0\xff\\e", 4); /* whatever it is, to the byte */
    struct rb_param params[] = {RB_P_INT(9), RB_P_TEXT(id), RB_P_BYTES(large, PAYLOAD_LARGEST)};
    sql(&insert, params, 3);
    must(rb_repo_delivery_payload(&payload, &len, db, 9, id, arena));
    assert_int_equal(len, PAYLOAD_LARGEST);
    assert_memory_equal(payload, large, PAYLOAD_LARGEST);
    assert_int_equal(payload[len], 0);
    free(large);
    /* One id may be of several hooks; what is within its event, or gone, is not here. */
    assert_int_equal(rb_repo_delivery_payload(&payload, &len, db, 8, id, arena), RB_ENOTFOUND);
    struct rb_param within[] = {RB_P_INT(8), RB_P_TEXT(id), RB_P_NULL};
    sql(&insert, within, 3);
    assert_int_equal(rb_repo_delivery_payload(&payload, &len, db, 8, id, arena), RB_ENOTFOUND);
    assert_int_equal(rb_repo_delivery_payload(&payload, &len, db, 9, "no id", arena), RB_EINVAL);
    rb_arena_free(arena);
}

/* ---- pull requests ------------------------------------------------------------------------------------- */

#define PAGE(link, body) \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" link "Connection: close\r\n\r\n" body
#define NEXT "Link: <http://127.0.0.1/next>; rel=\"next\"\r\n"

/* GitHub is gone half way through the pages: nothing of them counts, and who comes again has each file once.
 */
static void a_list_of_files_that_breaks_off_is_read_again(void **state)
{
    (void)state;
    static const char first[] = PAGE(NEXT, "[{\"filename\":\"a\",\"additions\":1,\"deletions\":2},"
                                           "{\"filename\":\"b\",\"additions\":3,\"deletions\":4}]");
    static const char *const answers[] = {
        first, "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n",
        first, PAGE(NEXT, "[{\"filename\":\"c\""), /* cut off */
        first, PAGE("", "[{\"filename\":\"c\",\"additions\":5,\"deletions\":6}]"),
        NULL};
    static const char *const names[] = {"a", "b", "c"};
    struct rb_arena *arena = rb_arena_new();
    struct canned_server server;
    struct rb_github *own = NULL;
    struct rb_repo_handle *repo = NULL;
    const struct rb_repo_pull_file *files = NULL;
    size_t count = 0;
    canned_start(&server, answers);
    const struct rb_github_options options = {.base_url = server.url, .user_agent = "repobus-test"};
    must(rb_github_start(&own, &options));
    const struct rb_repo_sources sources = {.github = own, .keyring = keyring};
    must(rb_repo_open(&repo, &sources, db, 1, 5, arena));
    assert_int_equal(rb_repo_pull_files(&files, &count, repo, 7), RB_EUNAVAILABLE);
    assert_int_equal(rb_repo_pull_files(&files, &count, repo, 7), RB_EPROTOCOL);
    must(rb_repo_pull_files(&files, &count, repo, 7));
    assert_int_equal(count, sizeof names / sizeof *names);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_string_equal(files[i].path, names[i]);
        assert_int_equal(files[i].additions, 2 * i + 1);
        assert_int_equal(files[i].deletions, 2 * i + 2);
    }
    rb_repo_close(repo);
    rb_github_stop(own);
    canned_stop(&server);
    assert_int_equal(server.asked, 6);
    for (int i = 0; i < server.asked; i++) { /* from the first page on */
        if (!strstr(server.requests[i],
                    i % 2 ? "/pulls/7/files?per_page=100&page=2 " : "/pulls/7/files?per_page=100&page=1 "))
            fail_msg("request %d is %.100s", i, server.requests[i]);
    }
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opening_asks_for_the_present_generation, begin),
        cmocka_unit_test_setup(a_truncated_tree_is_walked_to_the_same_list, begin),
        cmocka_unit_test_setup(folders_are_read_in_the_order_of_paths, begin),
        cmocka_unit_test_setup(failures_of_github_are_told_apart, begin),
        cmocka_unit_test_setup(files_are_read_many_at_once, begin),
        cmocka_unit_test_setup(a_large_file_is_not_trusted_to_be_small, begin),
        cmocka_unit_test_setup(what_was_read_is_kept, begin),
        cmocka_unit_test_setup(queries_may_fail_as_they_like, begin),
        cmocka_unit_test_setup(what_is_no_text_is_read_to_the_byte, begin),
        cmocka_unit_test(a_payload_too_large_for_its_event_is_read_by_reference),
        cmocka_unit_test_setup(a_list_of_files_that_breaks_off_is_read_again, begin),
    };
    return cmocka_run_group_tests_name("repo", tests, start_all, stop_all);
}
