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
    static const struct rb_statement live = {
        "live", "update installations set state = 'active', generation = 5, default_branch = 'main'"};
    (void)state;
    standin_control(&standin, "DELETE", "/faults", NULL);
    standin_control(&standin, "POST", "/limits", "{\"tree_entries\":100000}");
    sql(&heads, NULL, 0);
    sql(&trees, NULL, 0);
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

static void files_are_read_many_at_once(void **state)
{
    (void)state;
    enum { MANY = 200 }; /* far more than are asked for at once */
    struct rb_arena *arena = rb_arena_new();
    struct rb_repo_handle *repo = NULL;
    struct rb_tree tree;
    const struct rb_tree_entry *entries[MANY];
    const char *contents[MANY];
    size_t lens[MANY];
    rb_err errs[MANY];
    must(open_repo(&repo, 1, 5, arena));
    must(rb_repo_tree(&tree, repo));
    for (size_t i = 0; i < MANY; i++)
        entries[i] = &tree.entries[i % tree.count];
    must(rb_repo_files(contents, lens, errs, repo, entries, MANY, 4999));
    for (size_t i = 0; i < MANY; i++) {
        const char *path = entries[i]->path;
        bool is_file = entries[i]->kind == RB_ENTRY_FILE || entries[i]->kind == RB_ENTRY_EXECUTABLE;
        rb_err wanted = !is_file ? RB_EINVAL : strcmp(path, "src/big.txt") == 0 ? RB_ETOOBIG : RB_OK;
        assert_int_equal(errs[i], wanted);
        assert_int_equal(contents[i] != NULL, wanted == RB_OK);
        if (strcmp(path, "README.md") == 0)
            assert_string_equal(contents[i], "hello\n");
        if (wanted == RB_OK)
            assert_int_equal(lens[i], entries[i]->size);
    }
    must(rb_repo_file(&contents[0], &lens[0], repo, entries[0], 100));
    assert_string_equal(contents[0], "hello\n");
    assert_int_equal(rb_repo_file(&contents[0], &lens[0], repo, entries[3], 100), RB_ETOOBIG);
    must(rb_repo_files(contents, lens, errs, repo, entries, 0, 100));
    /* One that fails for now fails them all, so that the event comes again; one that is gone does not. */
    standin_control(&standin, "POST", "/faults", "{\"kind\":\"status\",\"status\":404}");
    must(rb_repo_files(contents, lens, errs, repo, entries, 2, 100));
    assert_int_equal((errs[0] == RB_ENOTFOUND) + (errs[1] == RB_ENOTFOUND), 1);
    standin_control(&standin, "POST", "/faults", "{\"kind\":\"status\",\"status\":502}");
    assert_int_equal(rb_repo_files(contents, lens, errs, repo, entries, 2, 100), RB_EUNAVAILABLE);
    assert_int_equal((errs[0] == RB_OK) + (errs[1] == RB_OK), 1);
    rb_repo_close(repo);
    rb_arena_free(arena);
}

static void a_large_file_is_not_trusted_to_be_small(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_repo_handle *repo = NULL;
    struct rb_tree tree;
    const char *content;
    size_t len;
    must(open_repo(&repo, 1, 5, arena));
    must(rb_repo_tree(&tree, repo));
    struct rb_tree_entry entry = tree.entries[3];
    /* One that is said to be too large is not even asked for. */
    standin_control(&standin, "POST", "/faults", "{\"kind\":\"status\",\"status\":500}");
    assert_int_equal(rb_repo_file(&content, &len, repo, &entry, 100), RB_ETOOBIG);
    standin_control(&standin, "DELETE", "/faults", NULL);
    entry.size = 10; /* what the tree says and what the blob is may differ */
    assert_int_equal(rb_repo_file(&content, &len, repo, &entry, 100), RB_ETOOBIG);
    entry.size = -1;
    must(rb_repo_file(&content, &len, repo, &entry, 5000));
    assert_int_equal(len, 5000);
    rb_repo_close(repo);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opening_asks_for_the_present_generation, begin),
        cmocka_unit_test_setup(a_truncated_tree_is_walked_to_the_same_list, begin),
        cmocka_unit_test_setup(failures_of_github_are_told_apart, begin),
        cmocka_unit_test_setup(files_are_read_many_at_once, begin),
        cmocka_unit_test_setup(a_large_file_is_not_trusted_to_be_small, begin),
        cmocka_unit_test(a_payload_too_large_for_its_event_is_read_by_reference),
    };
    return cmocka_run_group_tests_name("repo", tests, start_all, stop_all);
}
