/* The non-blocking pool against a real PostgreSQL, driven by a loop of poll(), as the edge's loop drives it.
 */
#include <poll.h>

#include "lib/store/store.h"
#include "tests/unit/lib_servers.h"

static struct postgres_fixture postgres;
static struct rb_db *admin;

static int start_postgres(void **state)
{
    (void)state;
    rb_log_init("test");
    postgres_start(&postgres);
    return rb_db_open(&admin, postgres.url, "admin", 0);
}

static int stop_postgres(void **state)
{
    (void)state;
    rb_db_close(admin);
    postgres_stop(&postgres);
    return 0;
}

static struct rb_pool *new_pool(int connections, int queue_limit, int timeout_ms)
{
    struct rb_pool *pool = NULL;
    const struct rb_pool_options options = {.url = postgres.url,
                                            .application = "pool",
                                            .connections = connections,
                                            .queue_limit = queue_limit,
                                            .timeout_ms = timeout_ms};
    assert_int_equal(rb_pool_new(&pool, &options), RB_OK);
    return pool;
}

static void turn(struct rb_pool *pool)
{
    struct pollfd ready = {.fd = rb_pool_fd(pool), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 30000), 1); /* its timer is in there too: silence is a bug */
    rb_pool_dispatch(pool);
}

static void until_connected(struct rb_pool *pool, bool wanted)
{
    for (int64_t deadline = rb_clock_ms() + 30000; rb_pool_is_connected(pool) != wanted; turn(pool))
        assert_true(rb_clock_ms() < deadline);
}

/* What became of a query. */
struct answer {
    int calls;
    rb_err err;
    int64_t value, order;
    char text[256];
    struct rb_pool *pool; /* for those that ask again */
    struct answer *next;
};
static int64_t answers_so_far;

static void on_answer(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct answer *answer = arg;
    answer->calls++;
    answer->err = err;
    answer->order = ++answers_so_far;
    assert_int_equal(rows == NULL, err != RB_OK);
    snprintf(answer->text, sizeof(answer->text), "%s", err ? rb_error_text() : "");
    if (rows && rb_rows_count(rows) > 0)
        answer->value = rb_rows_int(rows, 0, 0);
}

static void until_answered(struct rb_pool *pool, const struct answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        while (answers[i].calls == 0)
            turn(pool);
    }
}

static const struct rb_statement echo = {"echo", "select $1::bigint"};
static const struct rb_statement nap = {"nap", "select pg_sleep(60)"};

static rb_err send_number(struct rb_pool *pool, int64_t number, struct answer *answer)
{
    struct rb_param params[] = {RB_P_INT(number)};
    return rb_pool_query(pool, &echo, params, 1, on_answer, answer);
}

/* ---- the ordinary day --------------------------------------------------------------------------------- */

static void every_query_is_answered_once_with_its_own_answer(void **state)
{
    (void)state;
    static const int connections[] = {1, 3};
    for (size_t c = 0; c < 2; c++) {
        struct rb_pool *pool = new_pool(connections[c], 0, 0);
        static struct answer answers[300];
        memset(answers, 0, sizeof(answers));
        for (int i = 0; i < 300; i++) /* before there is a connection, and more than may be in flight */
            assert_int_equal(send_number(pool, i, &answers[i]), RB_OK);
        until_answered(pool, answers, 300);
        for (int i = 0; i < 300; i++) {
            assert_int_equal(answers[i].calls, 1);
            assert_int_equal(answers[i].err, RB_OK);
            assert_int_equal(answers[i].value, i);
        }
        if (connections[c] == 1) {
            for (int i = 1; i < 300; i++)
                assert_true(answers[i].order > answers[i - 1].order);
        }
        /* One more, now that all is at rest. */
        memset(answers, 0, sizeof(answers[0]));
        assert_int_equal(send_number(pool, 77, &answers[0]), RB_OK);
        assert_int_equal(answers[0].calls, 0);
        until_answered(pool, answers, 1);
        assert_int_equal(answers[0].value, 77);
        rb_pool_free(pool);
    }
}

typedef rb_err (*query_fn)(struct rb_pool *pool, const struct rb_statement *statement,
                           const struct rb_param *params, size_t count, rb_pool_fn fn, void *arg);

/* Those that wait for a connection as well as those that are sent at once. */
static void arguments_are_the_callers_again(void **state)
{
    (void)state;
    static const struct rb_statement match = {
        "match",
        "select ($1::text = 'text' and $2::bytea = '\\x00ff' and $3::text is null and $4::bytea = '' "
        "and $5::bigint = 5)::int"};
    static const query_fn queries[] = {rb_pool_query, rb_pool_query_grouped, rb_pool_query,
                                       rb_pool_query_grouped};
    struct rb_pool *pool = new_pool(1, 0, 0);
    struct answer answers[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        if (i == 2) {
            until_connected(pool, true);
            until_answered(pool, answers, 2);
        }
        char text[] = "text", bytes[] = "\x00\xff";
        struct rb_param params[] = {RB_P_TEXT(text), RB_P_BYTES(bytes, 2), RB_P_TEXT(NULL), RB_P_BYTES("", 0),
                                    RB_P_INT(5)};
        assert_int_equal(queries[i](pool, &match, params, 5, on_answer, &answers[i]), RB_OK);
        memset(text, 'x', sizeof(text));
        memset(bytes, 'x', sizeof(bytes));
        memset(params, 0xff, sizeof(params));
    }
    until_answered(pool, answers, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(answers[i].value, 1);
    rb_pool_free(pool);
}

/* The first is sent at once, the others gather behind it and are a group. */
static void a_group_that_fails_runs_again_one_by_one(void **state)
{
    (void)state;
    static const struct rb_statement divide = {"divide", "select 60 / length($1::text)"};
    static const char *const texts[] = {"1", "12", "", "123", "1234"};
    struct rb_pool *pool = new_pool(1, 0, 0);
    struct answer answers[6] = {0};
    until_connected(pool, true);
    assert_int_equal(
        rb_pool_query_grouped(pool, &divide, (struct rb_param[]){RB_P_TEXT("")}, 1, on_answer, &answers[5]),
        RB_OK); /* it fails by itself, and the statement is known from then on */
    until_answered(pool, &answers[5], 1);
    assert_int_equal(answers[5].err, RB_EINVAL);
    for (size_t i = 0; i < 5; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%s", texts[i]);
        struct rb_param params[] = {RB_P_TEXT(text)};
        assert_int_equal(rb_pool_query_grouped(pool, &divide, params, 1, on_answer, &answers[i]), RB_OK);
        memset(text, 'x', sizeof(text));
    }
    until_answered(pool, answers, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].err, *texts[i] ? RB_OK : RB_EINVAL);
        assert_int_equal(answers[i].value, *texts[i] ? 60 / strlen(texts[i]) : 0);
    }
    rb_pool_free(pool);
}

static void large_queries_pass_in_pieces(void **state)
{
    (void)state;
    static const struct rb_statement length = {"length", "select length($1::bytea), $1::bytea"};
    struct rb_pool *pool = new_pool(1, 0, 30000);
    struct answer answers[4] = {0};
    size_t size = 4 * 1024 * 1024;
    char *data = rb_calloc(size, 1);
    struct rb_param params[] = {RB_P_BYTES(data, size)};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rb_pool_query(pool, &length, params, 1, on_answer, &answers[i]), RB_OK);
    free(data);
    until_answered(pool, answers, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(answers[i].value, size);
    rb_pool_free(pool);
}

/* libpq keeps the memory that a large statement took for as long as the connection lives. */
static void a_large_query_is_its_connections_last(void **state)
{
    (void)state;
    static const struct rb_statement who = {"who", "select pg_backend_pid(), length($1::bytea)"};
    struct rb_pool *pool = new_pool(1, 0, 30000);
    struct answer answers[4] = {0};
    size_t size = 5 * 1024 * 1024;
    char *data = rb_calloc(size, 1);
    for (size_t i = 0; i < 4; i++) { /* small, large, small, small */
        struct rb_param params[] = {RB_P_BYTES(data, i == 1 ? size : 10)};
        assert_int_equal(rb_pool_query(pool, &who, params, 1, on_answer, &answers[i]), RB_OK);
        until_answered(pool, &answers[i], 1);
        assert_int_equal(answers[i].err, RB_OK);
    }
    free(data);
    assert_true(answers[0].value == answers[1].value);
    assert_true(answers[1].value != answers[2].value);
    assert_true(answers[2].value == answers[3].value);
    rb_pool_free(pool);
}

static void a_failed_query_takes_no_other_with_it(void **state)
{
    (void)state;
    static const struct rb_statement bad[] = {
        {"bad sql", "selec 1"},
        {"bad table", "select * from no_such_table"},
        {"bad value", "select 1 / (random() * 0)::int"},
    };
    static const rb_err errs[] = {RB_EINTERNAL, RB_EINTERNAL, RB_EINVAL};
    struct rb_pool *pool = new_pool(1, 0, 0);
    struct answer answers[12] = {0};
    until_connected(pool, true);
    for (int round = 0; round < 2; round++) { /* what failed to be prepared may be asked for again */
        memset(answers, 0, sizeof(answers));
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(send_number(pool, 1, &answers[4 * i]), RB_OK);
            assert_int_equal(rb_pool_query(pool, &bad[i], NULL, 0, on_answer, &answers[4 * i + 1]), RB_OK);
            assert_int_equal(rb_pool_query(pool, &bad[i], NULL, 0, on_answer, &answers[4 * i + 2]), RB_OK);
            assert_int_equal(send_number(pool, 2, &answers[4 * i + 3]), RB_OK);
        }
        until_answered(pool, answers, 12);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(answers[4 * i].err, RB_OK);
            assert_int_equal(answers[4 * i + 1].err, errs[i]);
            assert_non_null(strstr(answers[4 * i + 1].text, bad[i].name));
            assert_int_not_equal(answers[4 * i + 2].err, RB_OK);
            assert_int_equal(answers[4 * i + 3].err, RB_OK);
            assert_int_equal(answers[4 * i + 3].value, 2);
        }
    }
    rb_pool_free(pool);
}

static void ask_again(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct answer *answer = arg;
    on_answer(arg, err, rows);
    if (answer->next)
        assert_int_equal(
            rb_pool_query(answer->pool, &echo, &RB_P_INT(answer->value + 1), 1, ask_again, answer->next),
            RB_OK);
}

static void a_callback_may_ask_again(void **state)
{
    (void)state;
    struct rb_pool *pool = new_pool(1, 0, 0);
    struct answer chain[50] = {0};
    for (size_t i = 0; i < 50; i++)
        chain[i] = (struct answer){.pool = pool, .next = i < 49 ? &chain[i + 1] : NULL};
    assert_int_equal(rb_pool_query(pool, &echo, &RB_P_INT(0), 1, ask_again, &chain[0]), RB_OK);
    until_answered(pool, chain, 50);
    assert_int_equal(chain[49].value, 49);
    rb_pool_free(pool);
}

/* ---- limits ------------------------------------------------------------------------------------------- */

static void the_queue_has_a_limit(void **state)
{
    (void)state;
    struct rb_pool *pool = new_pool(1, 3, 0);
    struct answer answers[4] = {0};
    /* No turn of the loop: there is no connection, they wait. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(send_number(pool, i, &answers[i]), RB_OK);
    assert_int_equal(send_number(pool, 3, &answers[3]), RB_ELIMIT);
    until_answered(pool, answers, 3);
    assert_int_equal(answers[3].calls, 0);
    assert_int_equal(send_number(pool, 3, &answers[3]), RB_OK); /* there is room again */
    until_answered(pool, answers, 4);
    assert_int_equal(answers[3].value, 3);
    rb_pool_free(pool);
}

static void a_query_without_an_answer_ends_in_time(void **state)
{
    (void)state;
    struct rb_pool *pool = new_pool(1, 0, 1500); /* enough for a query on a busy machine */
    struct answer answers[3] = {0};
    until_connected(pool, true);
    assert_int_equal(rb_pool_query(pool, &nap, NULL, 0, on_answer, &answers[0]), RB_OK);
    assert_int_equal(send_number(pool, 1, &answers[1]), RB_OK); /* behind it on the same connection */
    until_answered(pool, answers, 2);
    assert_int_equal(answers[0].err, RB_ETIMEOUT);
    assert_int_equal(answers[1].err, RB_ETIMEOUT);
    assert_false(rb_pool_is_connected(pool));
    until_connected(pool, true);
    assert_int_equal(send_number(pool, 2, &answers[2]), RB_OK);
    until_answered(pool, answers, 3);
    assert_int_equal(answers[2].value, 2);
    assert_int_equal(answers[0].calls + answers[1].calls, 2);
    rb_pool_free(pool);
}

static void what_was_never_sent_is_told_apart_from_what_was(void **state)
{
    (void)state;
    struct rb_pool *pool = NULL;
    const struct rb_pool_options nobody = {
        .url = "postgresql://u:hunter2@127.0.0.1:1/db", .application = "x", .timeout_ms = 200};
    struct answer answer = {0};
    assert_int_equal(rb_pool_new(&pool, &nobody), RB_OK);
    assert_int_equal(send_number(pool, 1, &answer), RB_OK);
    until_answered(pool, &answer, 1);
    assert_int_equal(answer.err, RB_EUNAVAILABLE);
    assert_non_null(strstr(answer.text, "nothing was sent"));
    assert_false(rb_pool_is_connected(pool));
    rb_pool_free(pool);
    const struct rb_pool_options wrong = {.url = "postgres:hunter2@host", .application = "x"};
    assert_int_equal(rb_pool_new(&pool, &wrong), RB_EINVAL);
    assert_null(strstr(rb_error_text(), "hunter2"));
}

static void ask_a_closing_pool(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct answer *answer = arg;
    on_answer(arg, err, rows);
    answer->value = send_number(answer->pool, 1, answer);
}

static void closing_answers_everything_that_is_open(void **state)
{
    (void)state;
    struct rb_pool *pool = new_pool(1, 0, 0);
    struct answer answers[60] = {0};
    until_connected(pool, true);
    assert_int_equal(rb_pool_query(pool, &nap, NULL, 0, on_answer, &answers[0]), RB_OK);
    for (size_t i = 1; i < 60; i++) { /* some in flight, some waiting */
        answers[i].pool = pool;
        assert_int_equal(rb_pool_query(pool, &echo, &RB_P_INT(1), 1, ask_a_closing_pool, &answers[i]), RB_OK);
    }
    turn(pool);
    rb_pool_free(pool);
    for (size_t i = 0; i < 60; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].err, RB_EUNAVAILABLE);
        assert_int_equal(answers[i].value, i ? RB_ELIMIT : 0); /* it takes nothing any more */
    }
    rb_pool_free(NULL);
}

/* ---- outages ------------------------------------------------------------------------------------------ */

/* A session that is still signing in cannot be terminated. */
static void until_both_are_idle(struct rb_pool *pool)
{
    static const struct rb_statement statement = {
        "idle", "select count(*) from pg_stat_activity where application_name = 'pool' and state = 'idle'"};
    int64_t idle = 0;
    for (int64_t deadline = rb_clock_ms() + 30000; idle < 2;) {
        struct rb_rows *rows = NULL;
        assert_int_equal(rb_db_query(&rows, admin, &statement, NULL, 0), RB_OK);
        idle = rb_rows_int(rows, 0, 0);
        rb_rows_free(rows);
        rb_pool_dispatch(pool);
        assert_true(rb_clock_ms() < deadline);
    }
}

static void lost_sessions_are_replaced(void **state)
{
    (void)state;
    static const struct rb_statement end_all = {"end all",
                                                "select count(pg_terminate_backend(pid, 10000)) from "
                                                "pg_stat_activity where application_name = 'pool'"};
    struct rb_pool *pool = new_pool(2, 0, 0);
    struct answer answers[3] = {0};
    until_both_are_idle(pool);
    assert_int_equal(rb_pool_query(pool, &nap, NULL, 0, on_answer, &answers[0]), RB_OK);
    assert_int_equal(rb_pool_query(pool, &nap, NULL, 0, on_answer, &answers[1]), RB_OK);
    turn(pool);
    assert_int_equal(rb_db_query(NULL, admin, &end_all, NULL, 0), RB_OK);
    until_answered(pool, answers, 2);
    assert_int_equal(answers[0].err, RB_EUNAVAILABLE);
    assert_int_equal(answers[1].err, RB_EUNAVAILABLE);
    assert_int_equal(send_number(pool, 5, &answers[2]), RB_OK); /* waits for a new session, prepares anew */
    until_answered(pool, answers, 3);
    assert_int_equal(answers[2].value, 5);
    rb_pool_free(pool);
}

static void a_restart_of_the_server_is_survived(void **state)
{
    (void)state;
    struct rb_pool *pool = new_pool(3, 0, 20000);
    struct answer before[20] = {0}, during = {0}, after = {0};
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(send_number(pool, 1, &before[i]), RB_OK);
    until_answered(pool, before, 20);
    postgres_do(&postgres, "kill");
    until_connected(pool, false);
    assert_int_equal(send_number(pool, 2, &during), RB_OK);
    rb_pool_dispatch(pool);
    assert_int_equal(during.calls, 0);
    postgres_do(&postgres, "start");
    until_answered(pool, &during, 1);
    assert_int_equal(during.err, RB_OK);
    assert_int_equal(during.value, 2);
    assert_int_equal(send_number(pool, 3, &after), RB_OK);
    until_answered(pool, &after, 1);
    assert_int_equal(after.value, 3);
    rb_pool_free(pool);
}

/* A query sent before the pool has heard that its session is gone. */
static void a_query_on_a_dead_session_is_told(void **state)
{
    (void)state;
    struct rb_pool *pool = new_pool(1, 0, 20000);
    struct answer answer = {0}, after = {0};
    until_connected(pool, true);
    postgres_do(&postgres, "kill");
    assert_true(rb_pool_is_connected(pool));
    assert_int_equal(send_number(pool, 1, &answer), RB_OK);
    assert_int_equal(answer.calls, 0); /* never from within */
    until_answered(pool, &answer, 1);
    assert_int_equal(answer.err, RB_EUNAVAILABLE);
    postgres_do(&postgres, "start");
    assert_int_equal(send_number(pool, 2, &after), RB_OK);
    until_answered(pool, &after, 1);
    assert_int_equal(after.value, 2);
    rb_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_query_is_answered_once_with_its_own_answer),
        cmocka_unit_test(arguments_are_the_callers_again),
        cmocka_unit_test(a_group_that_fails_runs_again_one_by_one),
        cmocka_unit_test(large_queries_pass_in_pieces),
        cmocka_unit_test(a_large_query_is_its_connections_last),
        cmocka_unit_test(a_failed_query_takes_no_other_with_it),
        cmocka_unit_test(a_callback_may_ask_again),
        cmocka_unit_test(the_queue_has_a_limit),
        cmocka_unit_test(a_query_without_an_answer_ends_in_time),
        cmocka_unit_test(what_was_never_sent_is_told_apart_from_what_was),
        cmocka_unit_test(closing_answers_everything_that_is_open),
        cmocka_unit_test(lost_sessions_are_replaced),
        cmocka_unit_test(a_restart_of_the_server_is_survived),
        cmocka_unit_test(a_query_on_a_dead_session_is_told),
    };
    return cmocka_run_group_tests_name("store pool", tests, start_postgres, stop_postgres);
}
