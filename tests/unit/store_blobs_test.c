/* The blob cache: what is kept, of whom, for how long. */
#include "lib/store/store.h"
#include "tests/unit/lib_servers.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SHA_C "cccccccccccccccccccccccccccccccccccccccc"

static struct postgres_fixture postgres;
static struct rb_db *db;

static void must(rb_err err)
{
    if (err)
        fail_msg("%s: %s", rb_err_name(err), rb_error_text());
}

static void sql(const struct rb_statement *statement)
{
    must(rb_db_query(NULL, db, statement, NULL, 0));
}

static int start_all(void **state)
{
    static const struct rb_statement user = {
        "user", "insert into users (id, login) overriding system value values (1, 'alice'), (2, 'bob')"};
    static const struct rb_statement installations = {
        "installations",
        "insert into installations (id, user_id, repo_id, repo_full_name, webhook_id, webhook_secret, state, "
        "generation, connected_at) values (1, 1, 7, 'a/x', 9, '', 'active', 1, now()), (2, 2, 7, 'a/x', 9, "
        "'', "
        "'active', 2, now()), (3, 1, 8, 'a/y', 9, '', 'active', 3, now())"};
    (void)state;
    rb_log_init("test");
    postgres_start(&postgres);
    servers_migrate(postgres.url);
    must(rb_db_open(&db, postgres.url, "blobs", 0));
    sql(&user);
    sql(&installations);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    rb_db_close(db);
    postgres_stop(&postgres);
    return 0;
}

static void note(void *arg, const struct rb_blob *blob)
{
    char *at = arg;
    size_t used = strlen(at);
    snprintf(at + used, 128 - used, "%c%zu%.*s|", blob->sha[0], blob->len,
             (int)(blob->len < 4 ? blob->len : 4), (const char *)blob->content);
}

static const struct rb_blob three[] = {{SHA_C, "ccc", 3}, {SHA_A, "", 0}, {SHA_B, "b\0b", 3}};

/* What is there of the three, in any order. */
static void assert_there(int64_t repo_id, const char *const *parts, size_t count)
{
    char there[128] = "";
    size_t len = 0;
    must(rb_blobs_get(db, repo_id, three, 3, note, there));
    for (size_t i = 0; i < count; i++) {
        if (!strstr(there, parts[i]))
            fail_msg("no %s in %s", parts[i], there);
        len += strlen(parts[i]);
    }
    assert_int_equal(strlen(there), len);
}
#define THERE(repo_id, ...)                                         \
    assert_there((repo_id), (const char *const[]){__VA_ARGS__, ""}, \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void blobs_belong_to_their_repository(void **state)
{
    (void)state;
    static const struct rb_statement leave = {"leave",
                                              "update installations set state = 'disconnected' where id = 1"};
    static const struct rb_statement last = {"last",
                                             "update installations set state = 'disconnected' where id = 2"};
    must(rb_blobs_put(db, 7, three, 3));
    must(rb_blobs_put(db, 7, three, 2)); /* once more is no error */
    must(rb_blobs_put(db, 8, three, 1));
    must(rb_blobs_put(db, 9, three, 3)); /* nobody has connected it */
    must(rb_blobs_put(db, 7, NULL, 0));
    THERE(7, "a0|", "b3b", "|", "c3ccc|");
    THERE(8, "c3ccc|");
    assert_there(9, NULL, 0);
    sql(&leave);
    must(rb_blobs_forget(db, 1)); /* bob still has it */
    THERE(7, "a0|", "b3b", "|", "c3ccc|");
    sql(&last);
    must(rb_blobs_forget(db, 2));
    assert_there(7, NULL, 0);
    THERE(8, "c3ccc|");
    must(rb_blobs_put(db, 7, three, 3)); /* of a scan that ends after the disconnect */
    assert_there(7, NULL, 0);
    must(rb_blobs_forget(db, 99));
}

static void what_is_old_or_too_much_goes(void **state)
{
    (void)state;
    static const struct rb_statement age = {
        "age", "update blobs set used_on = current_date - 31 where repo_id = 8 and sha like 'a%'"};
    static const struct rb_statement older = {
        "older", "update blobs set used_on = current_date - 29 where repo_id = 8"};
    static const struct rb_statement young = {
        "young", "select count(*) from blobs where repo_id = 8 and used_on = current_date"};
    /* 17 of 4 MB, of which 16 fit. */
    static const struct rb_statement many = {
        "many", "insert into blobs (repo_id, sha, content, used_on) select 8, lpad(to_hex(i), 40, '0'), "
                "repeat('x', 4194304)::bytea, current_date - i from generate_series(1, 17) i"};
    static const struct rb_statement count = {"count",
                                              "select min(used_on) = current_date - 16, count(*) from "
                                              "blobs where repo_id = 8"};
    struct rb_rows *rows = NULL;
    must(rb_blobs_put(db, 8, three, 3));
    sql(&age);
    must(rb_blobs_prune(db, 7)); /* days count for all repositories */
    THERE(8, "b3b", "|", "c3ccc|");
    sql(&older);
    THERE(8, "b3b", "|", "c3ccc|"); /* and now they are wanted again */
    must(rb_db_query(&rows, db, &young, NULL, 0));
    assert_int_equal(rb_rows_int(rows, 0, 0), 2);
    rb_rows_free(rows);
    static const struct rb_statement none = {"none", "delete from blobs"};
    sql(&none);
    sql(&many);
    must(rb_blobs_prune(db, 8));
    must(rb_db_query(&rows, db, &count, NULL, 0));
    assert_true(rb_rows_bool(rows, 0, 0)); /* the one that nobody has wanted for longest is gone */
    assert_int_equal(rb_rows_int(rows, 0, 1), 16);
    rb_rows_free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_belong_to_their_repository),
        cmocka_unit_test(what_is_old_or_too_much_goes),
    };
    return cmocka_run_group_tests_name("store blobs", tests, start_all, stop_all);
}
