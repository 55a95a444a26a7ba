/* The blocking connection against a real PostgreSQL: values, errors, sessions that end, locks. */
#include <poll.h>

#include "lib/store/store.h"
#include "tests/unit/lib_servers.h"

static struct postgres_fixture postgres;
static struct rb_db *admin; /* looks on from outside */

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

static struct rb_db *open_db(const char *application)
{
    struct rb_db *db = NULL;
    assert_int_equal(rb_db_open(&db, postgres.url, application, 0), RB_OK);
    return db;
}

static void must(rb_err err)
{
    if (err)
        fail_msg("%s: %s", rb_err_name(err), rb_error_text());
}

static void run(struct rb_db *db, const struct rb_statement *statement)
{
    must(rb_db_query(NULL, db, statement, NULL, 0));
}

static int64_t ask(struct rb_db *db, const struct rb_statement *statement, const struct rb_param *params,
                   size_t count)
{
    struct rb_rows *rows = NULL;
    must(rb_db_query(&rows, db, statement, params, count));
    assert_int_equal(rb_rows_count(rows), 1);
    int64_t value = rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return value;
}

static int64_t backend_of(struct rb_db *db)
{
    static const struct rb_statement statement = {"backend", "select pg_backend_pid()"};
    return ask(db, &statement, NULL, 0);
}

/* Ends a session and waits until it is gone. */
static void terminate(int64_t backend)
{
    static const struct rb_statement end = {"terminate", "select pg_terminate_backend($1::int, 10000)::int"};
    struct rb_param params[] = {RB_P_INT(backend)};
    assert_int_equal(ask(admin, &end, params, 1), 1);
}

/* Waits until the session of `application` waits for a lock. */
static void until_it_waits(const char *application)
{
    static const struct rb_statement statement = {
        "waiting", "select count(*) from pg_stat_activity a join pg_locks l using (pid) "
                   "where a.application_name = $1 and not l.granted"};
    struct rb_param params[] = {RB_P_TEXT(application)};
    for (int64_t deadline = rb_clock_ms() + 20000; ask(admin, &statement, params, 1) == 0;)
        assert_true(rb_clock_ms() < deadline);
}

/* ---- values ------------------------------------------------------------------------------------------- */

static void values_come_back_as_they_went(void **state)
{
    (void)state;
    static const struct rb_statement echo = {
        "echo", "select $1::text, $2::bytea, $3::bigint, $4::int = 1, $5::text, $6::bytea, $1::text is null"};
    static const char bytes[] = "\x00\xff\\'\x01";
    struct rb_db *db = open_db("values");
    struct rb_rows *rows = NULL;
    size_t len = 0;
    struct rb_param params[] = {RB_P_TEXT("it's \xe2\x82\xac"),
                                RB_P_BYTES(bytes, 5),
                                RB_P_INT(INT64_MIN),
                                RB_P_INT(1),
                                RB_P_TEXT(NULL),
                                RB_P_BYTES(NULL, 0)};
    must(rb_db_query(&rows, db, &echo, params, 6));
    assert_int_equal(rb_rows_count(rows), 1);
    assert_string_equal(rb_rows_text(rows, 0, 0), "it's \xe2\x82\xac");
    const uint8_t *got = rb_rows_bytes(rows, 0, 1, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(got, bytes, 5);
    assert_ptr_equal(rb_rows_bytes(rows, 0, 1, &len), got); /* decoded once */
    assert_int_equal(len, 5);
    assert_true(rb_rows_int(rows, 0, 2) == INT64_MIN);
    assert_true(rb_rows_bool(rows, 0, 3));
    assert_true(rb_rows_is_null(rows, 0, 4));
    assert_string_equal(rb_rows_text(rows, 0, 4), "");
    assert_int_equal(rb_rows_int(rows, 0, 4), 0);
    assert_null(rb_rows_bytes(rows, 0, 4, &len));
    assert_int_equal(len, 0);
    assert_false(rb_rows_is_null(rows, 0, 5)); /* no bytes are not NULL */
    assert_non_null(rb_rows_bytes(rows, 0, 5, &len));
    assert_int_equal(len, 0);
    assert_false(rb_rows_bool(rows, 0, 6));
    rb_rows_free(rows);
    struct rb_param nulls[] = {RB_P_NULL, RB_P_NULL, RB_P_NULL, RB_P_NULL, RB_P_NULL, RB_P_NULL};
    must(rb_db_query(&rows, db, &echo, nulls, 6)); /* the same statement, prepared already */
    assert_true(rb_rows_bool(rows, 0, 6));
    rb_rows_free(rows);
    rb_rows_free(NULL);
    rb_db_close(db);
    rb_db_close(NULL);
}

/* ---- arrays ------------------------------------------------------------------------------------------- */

#define ARRAY_LIMIT 4096

static void arrays_become_rows(void **state)
{
    (void)state;
    static const struct rb_statement rows_of = {
        "rows of arrays",
        "select n, i, t, b, u, t is null, b is null, u is null from unnest($1::bigint[], "
        "$2::text[], $3::bytea[], $4::uuid[]) with ordinality as x(i, t, b, u, n) order by n"};
    static const char uuid[] = "01234567-89AB-cdef-0123-456789abcdef", bytes[] = "\x00\xff";
    const struct rb_array_piece pieces[] = {{"it's ", 5}, {NULL, 0}, {"\xe2\x82\xac", 3}};
    struct rb_db *db = open_db("arrays");
    struct rb_rows *rows = NULL;
    struct rb_array ints, texts, blobs, uuids;
    size_t len = 0;
    rb_array_init(&ints, RB_ARRAY_INT, ARRAY_LIMIT);
    rb_array_init(&texts, RB_ARRAY_TEXT, ARRAY_LIMIT);
    rb_array_init(&blobs, RB_ARRAY_BYTES, ARRAY_LIMIT);
    rb_array_init(&uuids, RB_ARRAY_UUID, ARRAY_LIMIT);
    for (int round = 0; round < 2; round++) { /* the second time in the same memory */
        must(rb_array_add_int(&ints, INT64_MIN));
        must(rb_array_add_int(&ints, 7));
        must(rb_array_add_pieces(&texts, pieces, 3));
        must(rb_array_add_null(&texts));
        must(rb_array_add_null(&blobs));
        must(rb_array_add(&blobs, bytes, 2));
        must(rb_array_add_uuid(&uuids, uuid));
        must(rb_array_add_null(&uuids));
        struct rb_param params[] = {rb_array_param(&ints), rb_array_param(&texts), rb_array_param(&blobs),
                                    rb_array_param(&uuids)};
        must(rb_db_query(&rows, db, &rows_of, params, 4));
        assert_int_equal(rb_rows_count(rows), 2);
        assert_true(rb_rows_int(rows, 0, 1) == INT64_MIN);
        assert_int_equal(rb_rows_int(rows, 1, 1), 7);
        assert_string_equal(rb_rows_text(rows, 0, 2), "it's \xe2\x82\xac");
        assert_true(rb_rows_bool(rows, 1, 5) && rb_rows_bool(rows, 0, 6) && rb_rows_bool(rows, 1, 7));
        assert_memory_equal(rb_rows_bytes(rows, 1, 3, &len), bytes, 2);
        assert_int_equal(len, 2);
        assert_string_equal(rb_rows_text(rows, 0, 4), "01234567-89ab-cdef-0123-456789abcdef");
        rb_rows_free(rows);
        rb_array_reset(&ints);
        rb_array_reset(&texts);
        rb_array_reset(&blobs);
        rb_array_reset(&uuids);
    }
    struct rb_param none[] = {rb_array_param(&ints), rb_array_param(&texts), rb_array_param(&blobs),
                              rb_array_param(&uuids)};
    must(rb_db_query(&rows, db, &rows_of, none, 4));
    assert_int_equal(rb_rows_count(rows), 0);
    rb_rows_free(rows);
    rb_array_free(&ints);
    rb_array_free(&texts);
    rb_array_free(&blobs);
    rb_array_free(&uuids);
    rb_db_close(db);
}

static void arrays_have_a_limit_and_take_nothing_by_half(void **state)
{
    (void)state;
    static const struct rb_statement joined = {"joined", "select array_to_string($1::text[], '|', '-')"};
    static const char *const no_uuids[] = {NULL,
                                           "",
                                           "01234567-89ab-cdef-0123-456789abcde",
                                           "01234567-89ab-cdef-0123-456789abcdef0",
                                           "0123456789abcdef0123456789abcdef----",
                                           "01234567-89ab-cdef-0123-456789abcdeg"};
    struct rb_db *db = open_db("array limits");
    struct rb_rows *rows = NULL;
    struct rb_array array;
    rb_array_init(&array, RB_ARRAY_TEXT, 20 + 4 + 3 + 4 + 2);
    must(rb_array_add(&array, "abc", 3));
    assert_int_equal(rb_array_add(&array, "abc", 3), RB_ETOOBIG); /* one byte too many */
    size_t len = array.bytes.len;
    must(rb_array_add(&array, "de", 2));
    assert_int_equal(rb_array_add_null(&array), RB_ETOOBIG);
    struct rb_param params[] = {rb_array_param(&array)};
    must(rb_db_query(&rows, db, &joined, params, 1));
    assert_string_equal(rb_rows_text(rows, 0, 0), "abc|de");
    rb_rows_free(rows);
    rb_array_cut(&array, 1, len);
    must(rb_array_add(&array, "", 0));
    params[0] = rb_array_param(&array);
    must(rb_db_query(&rows, db, &joined, params, 1));
    assert_string_equal(rb_rows_text(rows, 0, 0), "abc|");
    rb_rows_free(rows);
    rb_array_free(&array);
    rb_array_init(&array, RB_ARRAY_UUID, ARRAY_LIMIT);
    for (size_t i = 0; i < sizeof(no_uuids) / sizeof(*no_uuids); i++)
        assert_int_equal(rb_array_add_uuid(&array, no_uuids[i]), RB_EINVAL);
    assert_int_equal(array.count, 0);
    rb_array_free(&array);
    rb_db_close(db);
}

static void large_values_and_many_rows_pass(void **state)
{
    (void)state;
    static const struct rb_statement echo = {"large", "select $1::bytea from generate_series(1, 3)"};
    static const struct rb_statement many = {"many", "select i from generate_series(0, 9999) i"};
    struct rb_db *db = open_db("large");
    struct rb_rows *rows = NULL;
    size_t size = 8 * 1024 * 1024, len = 0; /* far beyond what a socket takes at once */
    char *data = rb_malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 31);
    struct rb_param params[] = {RB_P_BYTES(data, size)};
    must(rb_db_query(&rows, db, &echo, params, 1));
    const uint8_t *got = rb_rows_bytes(rows, 2, 0, &len);
    assert_int_equal(len, size);
    assert_memory_equal(got, data, size);
    rb_rows_free(rows);
    free(data);
    must(rb_db_query(&rows, db, &many, NULL, 0));
    assert_int_equal(rb_rows_count(rows), 10000);
    assert_int_equal(rb_rows_affected(rows), 10000);
    assert_int_equal(rb_rows_int(rows, 9999, 0), 9999);
    rb_rows_free(rows);
    rb_db_close(db);
}

/* ---- errors ------------------------------------------------------------------------------------------- */

static void errors_are_told_apart(void **state)
{
    (void)state;
    static const struct rb_statement tables[] = {
        {"t1", "create table parents (id int primary key, name text unique check (name <> 'bad'))"},
        {"t2", "create table children (parent int references parents (id))"},
        {"t3", "insert into parents values (1, 'secret-value')"},
    };
    static const struct {
        struct rb_statement statement;
        rb_err err;
        const char *mentions;
    } rows[] = {
        {{"e1", "insert into parents values (2, 'secret-value')"}, RB_ECONFLICT, "parents_name_key"},
        {{"e2", "insert into parents values (2, 'bad')"}, RB_EINVAL, "parents_name_check"},
        {{"e3", "insert into children values (99)"}, RB_EINVAL, "children_parent_fkey"},
        {{"e4", "insert into parents values (null)"}, RB_EINVAL, "23502"},
        {{"e5", "select 1 / (random() * 0)::int"}, RB_EINVAL, "22012"},
        {{"e6", "select * from no_such_table"}, RB_EINTERNAL, "42P01"},
        {{"e7", "selec 1"}, RB_EINTERNAL, "42601"},
        {{"e8", "do $$ begin raise sqlstate '40P01'; end $$"}, RB_EUNAVAILABLE, "40P01"},
        {{"e9", "do $$ begin raise sqlstate '40001'; end $$"}, RB_EUNAVAILABLE, "40001"},
        {{"e10", "do $$ begin raise sqlstate '53100'; end $$"}, RB_EUNAVAILABLE, "53100"},
        {{"e11", "do $$ begin raise sqlstate '55P03'; end $$"}, RB_EUNAVAILABLE, "55P03"},
        {{"e12", "do $$ begin raise sqlstate '57P01'; end $$"}, RB_EUNAVAILABLE, "57P01"},
        {{"e13", "do $$ begin raise sqlstate '08006'; end $$"}, RB_EUNAVAILABLE, "08006"},
        {{"e14", "do $$ begin raise sqlstate '57014'; end $$"}, RB_ETIMEOUT, "57014"},
        {{"e15", "do $$ begin raise sqlstate 'XX000'; end $$"}, RB_EINTERNAL, "XX000"},
    };
    struct rb_db *db = open_db("errors");
    int64_t backend = backend_of(db);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        run(db, &tables[i]);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_rows *result = (struct rb_rows *)db;
        assert_int_equal(rb_db_query(&result, db, &rows[i].statement, NULL, 0), rows[i].err);
        assert_null(result);
        if (!strstr(rb_error_text(), rows[i].mentions) || !strstr(rb_error_text(), rows[i].statement.name))
            fail_msg("%s says: %s", rows[i].statement.sql, rb_error_text());
        assert_null(strstr(rb_error_text(), "secret-value")); /* rows are nobody's business */
    }
    assert_int_equal(backend_of(db), backend); /* none of these costs the connection */
    rb_db_close(db);
}

static void statements_end_in_time(void **state)
{
    (void)state;
    static const struct rb_statement sleep = {"sleep", "select pg_sleep(60)"};
    struct rb_db *db = NULL;
    must(rb_db_open(&db, postgres.url, "impatient", 50));
    assert_int_equal(rb_db_query(NULL, db, &sleep, NULL, 0), RB_ETIMEOUT);
    assert_int_equal(rb_db_ping(db), RB_OK);
    rb_db_close(db);
}

static void addresses_that_are_none_are_refused_without_quoting_them(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "postgres:hunter2@host", "postgresql://u:hunter2%zz@host/db", "postgresql://u:hunter2@[::1/db",
        "postgresql://u:hunter2@host/db?no_such=1", "host=x password=hunter2 hunter2"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct rb_db *db = NULL;
        assert_int_equal(rb_db_open(&db, urls[i], "x", 0), RB_EINVAL);
        assert_null(db);
        assert_null(strstr(rb_error_text(), "hunter2"));
    }
    struct rb_db *db = NULL;
    must(
        rb_db_open(&db, "postgresql://u:hunter2@127.0.0.1:1/db", "x", 0)); /* nobody there: found out later */
    assert_int_equal(rb_db_query(NULL, db, &(struct rb_statement){"x", "select 1"}, NULL, 0),
                     RB_EUNAVAILABLE);
    assert_null(strstr(rb_error_text(), "hunter2"));
    assert_int_equal(rb_db_ping(db), RB_EUNAVAILABLE);
    rb_db_close(db);
}

/* ---- sessions that end -------------------------------------------------------------------------------- */

static void a_session_that_ended_while_idle_is_replaced(void **state)
{
    (void)state;
    static const struct rb_statement one = {"one", "select 1"};
    struct rb_db *db = open_db("replaced");
    for (int i = 0; i < 3; i++) {
        int64_t backend = backend_of(db);
        assert_int_equal(ask(db, &one, NULL, 0), 1); /* prepared on the one and on the other */
        terminate(backend);
        assert_int_equal(ask(db, &one, NULL, 0), 1);
        assert_int_not_equal(backend_of(db), backend);
    }
    terminate(backend_of(db));
    must(rb_db_begin(db)); /* nothing was done yet: a new session is as good */
    must(rb_db_commit(db));
    rb_db_close(db);
}

static void every_session_has_the_settings(void **state)
{
    (void)state;
    static const struct rb_statement settled = {
        "settled", "select (current_setting('synchronous_commit') = 'off' and "
                   "current_setting('enable_seqscan') = 'off' and current_setting('statement_timeout') = "
                   "'30s')::int"};
    struct rb_db *db = open_db("settings");
    rb_db_set(db, "synchronous_commit", "off");
    rb_db_set(db, "enable_seqscan", "off");
    assert_int_equal(ask(db, &settled, NULL, 0), 1);
    terminate(backend_of(db));
    assert_int_equal(ask(db, &settled, NULL, 0), 1);
    rb_db_close(db);
}

static void a_session_that_ends_under_a_statement_is_told(void **state)
{
    (void)state;
    static const struct rb_statement suicide = {"suicide", "select pg_terminate_backend(pg_backend_pid())"};
    struct rb_db *db = open_db("suicide");
    assert_int_equal(rb_db_query(NULL, db, &suicide, NULL, 0), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_ping(db), RB_OK);
    rb_db_close(db);
}

static void a_transaction_does_not_survive_its_session(void **state)
{
    (void)state;
    static const struct rb_statement make = {"make", "create table if not exists survivors (id int)"};
    static const struct rb_statement insert = {"insert", "insert into survivors values (1)"};
    static const struct rb_statement count = {"count", "select count(*) from survivors"};
    struct rb_db *db = open_db("transaction");
    run(db, &make);
    int64_t backend = backend_of(db);
    must(rb_db_begin(db));
    run(db, &insert);
    terminate(backend);
    /* Not one of these may run by itself on a new session. */
    assert_int_equal(rb_db_query(NULL, db, &insert, NULL, 0), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_query(NULL, db, &insert, NULL, 0), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_commit(db), RB_EUNAVAILABLE);
    assert_int_equal(ask(db, &count, NULL, 0), 0);
    must(rb_db_begin(db));
    terminate(backend_of(db));
    assert_int_equal(rb_db_commit(db), RB_EUNAVAILABLE); /* found out by the commit itself */
    must(rb_db_begin(db));
    terminate(backend_of(db));
    rb_db_rollback(db);
    assert_int_equal(ask(db, &count, NULL, 0), 0);
    rb_db_close(db);
}

static void transactions_are_whole(void **state)
{
    (void)state;
    static const struct rb_statement make = {"make", "create table wholes (id int primary key)"};
    static const struct rb_statement insert = {"insert", "insert into wholes values ($1)"};
    static const struct rb_statement count = {"count", "select count(*) from wholes"};
    struct rb_param one[] = {RB_P_INT(1)}, two[] = {RB_P_INT(2)};
    struct rb_db *db = open_db("wholes");
    run(db, &make);
    assert_int_equal(rb_db_commit(db), RB_EINTERNAL); /* there is none */
    rb_db_rollback(db);
    must(rb_db_begin(db));
    assert_int_equal(rb_db_begin(db), RB_EINTERNAL);
    must(rb_db_query(NULL, db, &insert, one, 1));
    assert_int_equal(ask(admin, &count, NULL, 0), 0);
    must(rb_db_commit(db));
    assert_int_equal(ask(admin, &count, NULL, 0), 1);
    must(rb_db_begin(db));
    must(rb_db_query(NULL, db, &insert, two, 1));
    rb_db_rollback(db);
    assert_int_equal(ask(admin, &count, NULL, 0), 1);
    /* PostgreSQL answers ROLLBACK to a commit after an error: that is no success. */
    must(rb_db_begin(db));
    must(rb_db_query(NULL, db, &insert, two, 1));
    assert_int_equal(rb_db_query(NULL, db, &insert, one, 1), RB_ECONFLICT);
    assert_int_equal(rb_db_commit(db), RB_EINTERNAL);
    assert_int_equal(ask(admin, &count, NULL, 0), 1);
    must(rb_db_query(NULL, db, &insert, two, 1)); /* the connection is fine */
    rb_db_close(db);
}

/* Stopped, not dead: the kernel still answers for it, so that only our own clock can end the wait. */
static void a_server_that_hangs_is_given_up(void **state)
{
    (void)state;
    static const struct rb_statement one = {"one", "select 1"};
    struct rb_db *db = NULL;
    must(rb_db_open(&db, postgres.url, "hanging", 1)); /* + 5 s of margin */
    static const struct rb_statement patient = {"patient", "set statement_timeout = 0"};
    run(db, &patient);
    int64_t backend = backend_of(db);
    assert_int_equal(kill((pid_t)backend, SIGSTOP), 0);
    assert_int_equal(rb_db_query(NULL, db, &one, NULL, 0), RB_ETIMEOUT);
    assert_int_equal(kill((pid_t)backend, SIGCONT), 0);
    assert_int_equal(rb_db_ping(db), RB_OK);
    rb_db_close(db);
}

/* ---- notifications ------------------------------------------------------------------------------------ */

static void notify(const char *channel, const char *payload)
{
    static const struct rb_statement statement = {"notify", "select pg_notify($1, $2)"};
    struct rb_param params[] = {RB_P_TEXT(channel), RB_P_TEXT(payload)};
    must(rb_db_query(NULL, admin, &statement, params, 2));
}

static void assert_notification(struct rb_db *db, const char *payload)
{
    bool notified = false;
    must(rb_db_wait(&notified, db, 10000, -1));
    assert_true(notified);
    char *got = rb_db_notification(db);
    assert_string_equal(got, payload);
    free(got);
}

static void notifications_arrive_in_order_and_none_is_lost(void **state)
{
    (void)state;
    static const struct rb_statement one = {"one", "select 1"};
    struct rb_db *db = open_db("listener");
    bool notified = true;
    must(rb_db_listen(db, "Odd \"name\""));
    must(rb_db_listen(db, "runs"));
    must(rb_db_listen(db, "runs"));
    assert_null(rb_db_notification(db));
    must(rb_db_wait(&notified, db, 0, -1));
    assert_false(notified);
    notify("runs", "first");
    notify("Odd \"name\"", "second");
    notify("unheard", "never");
    assert_int_equal(ask(db, &one, NULL, 0), 1); /* what arrives with an answer waits too */
    must(rb_db_wait(&notified, db, 10000, -1));
    must(rb_db_wait(&notified, db, 10000, -1)); /* looking twice takes nothing away */
    assert_true(notified);
    assert_notification(db, "first");
    assert_notification(db, "second");
    notify("runs", "");
    assert_notification(db, "");
    must(rb_db_wait(&notified, db, 0, -1));
    assert_false(notified);
    assert_null(rb_db_notification(db));
    rb_db_close(db);
}

static void waiting_ends_when_woken(void **state)
{
    (void)state;
    struct rb_db *db = open_db("woken");
    bool notified = true;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    must(rb_db_listen(db, "runs"));
    assert_int_equal(write(fds[1], "x", 1), 1);
    must(rb_db_wait(&notified, db, -1, fds[0])); /* without an end of its own */
    assert_false(notified);
    close(fds[0]);
    close(fds[1]);
    rb_db_close(db);
}

static void a_lost_listener_hears_of_it_once_and_listens_again(void **state)
{
    (void)state;
    struct rb_db *db = open_db("lost");
    bool notified = false;
    must(rb_db_listen(db, "runs"));
    terminate(backend_of(db));
    notify("runs", "missed");
    rb_err err = rb_db_wait(&notified, db, 10000, -1);
    while (!err && !notified) /* the last words of the session may be read before its end */
        err = rb_db_wait(&notified, db, 10000, -1);
    assert_int_equal(err, RB_EUNAVAILABLE);
    assert_false(notified);
    must(rb_db_wait(&notified, db, 0, -1));
    notify("runs", "heard");
    assert_notification(db, "heard");
    /* The same when it is a query that finds the session gone and replaces it. */
    terminate(backend_of(db));
    notify("runs", "missed");
    assert_int_equal(rb_db_ping(db), RB_OK);
    assert_int_equal(rb_db_wait(&notified, db, 0, -1), RB_EUNAVAILABLE);
    notify("runs", "heard");
    assert_notification(db, "heard");
    rb_db_close(db);
}

static void channels_are_bounded(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct rb_db *db = open_db("channels");
    for (size_t i = 0; i < 4; i++)
        must(rb_db_listen(db, names[i]));
    assert_int_equal(rb_db_listen(db, names[4]), RB_ETOOBIG);
    must(rb_db_listen(db, names[0]));
    rb_db_close(db);
}

/* ---- advisory locks ----------------------------------------------------------------------------------- */

static void locks_exclude_and_have_a_limit(void **state)
{
    (void)state;
    static const struct rb_statement setting = {"setting",
                                                "select (current_setting('lock_timeout') = '0' and "
                                                "current_setting('statement_timeout') = '30s')::int"};
    struct rb_db *one = open_db("lock one"), *two = open_db("lock two");
    assert_int_equal(rb_db_session(one), 0);
    must(rb_db_lock(one, RB_LOCK_TREE, 7, 1000));
    assert_int_equal(rb_db_session(one), 1);
    assert_int_equal(rb_db_try_lock(two, RB_LOCK_TREE, 7), RB_ECONFLICT);
    assert_int_equal(rb_db_lock(two, RB_LOCK_TREE, 7, 20), RB_ETIMEOUT);
    assert_int_equal(ask(two, &setting, NULL, 0), 1); /* as before, whatever came of it */
    assert_int_equal(ask(one, &setting, NULL, 0), 1);
    must(rb_db_try_lock(two, RB_LOCK_TREE, 8));
    must(rb_db_try_lock(two, RB_LOCK_GRAPH, 7)); /* another kind of thing */
    rb_db_unlock(one, RB_LOCK_TREE, 7);
    must(rb_db_try_lock(two, RB_LOCK_TREE, 7));
    rb_db_unlock(two, RB_LOCK_TREE, 99); /* not held: harmless */
    assert_int_equal(rb_db_try_lock(one, RB_LOCK_TREE, 7), RB_ECONFLICT);
    rb_db_close(two); /* and with the session they go */
    must(rb_db_lock(one, RB_LOCK_TREE, 7, 20000));
    rb_db_close(one);
}

struct locker {
    struct rb_db *db;
    rb_err err;
};

static void *lock_in_thread(void *arg)
{
    struct locker *locker = arg;
    locker->err = rb_db_lock(locker->db, RB_LOCK_GRAPH, 5, 20000);
    rb_db_unlock(locker->db, RB_LOCK_GRAPH, 5);
    return NULL;
}

static void a_lock_passes_on_when_its_session_dies(void **state)
{
    (void)state;
    struct rb_db *holder = open_db("holder"), *waiter = open_db("waiter");
    struct locker locker = {.db = waiter, .err = RB_EINTERNAL};
    pthread_t thread;
    must(rb_db_lock(holder, RB_LOCK_GRAPH, 5, 1000));
    assert_int_equal(pthread_create(&thread, NULL, lock_in_thread, &locker), 0);
    until_it_waits("waiter");
    terminate(backend_of(holder));
    pthread_join(thread, NULL);
    assert_int_equal(locker.err, RB_OK);
    rb_db_unlock(holder, RB_LOCK_GRAPH, 5); /* without its session: harmless */
    rb_db_close(holder);
    rb_db_close(waiter);
}

/* The last: it stops the server. */
static void a_server_that_is_away_comes_back(void **state)
{
    (void)state;
    static const struct rb_statement one = {"one", "select 1"};
    struct rb_db *db = open_db("patient");
    bool notified = false;
    must(rb_db_listen(db, "runs"));
    postgres_do(&postgres, "stop");
    assert_int_equal(rb_db_query(NULL, db, &one, NULL, 0), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_begin(db), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_wait(&notified, db, 0, -1), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_try_lock(db, RB_LOCK_TREE, 1), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_lock(db, RB_LOCK_TREE, 1, 10), RB_EUNAVAILABLE);
    assert_int_equal(rb_db_listen(db, "runs"), RB_EUNAVAILABLE);
    postgres_do(&postgres, "start");
    assert_int_equal(ask(db, &one, NULL, 0), 1);
    rb_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_they_went),
        cmocka_unit_test(arrays_become_rows),
        cmocka_unit_test(arrays_have_a_limit_and_take_nothing_by_half),
        cmocka_unit_test(large_values_and_many_rows_pass),
        cmocka_unit_test(errors_are_told_apart),
        cmocka_unit_test(statements_end_in_time),
        cmocka_unit_test(addresses_that_are_none_are_refused_without_quoting_them),
        cmocka_unit_test(a_session_that_ended_while_idle_is_replaced),
        cmocka_unit_test(every_session_has_the_settings),
        cmocka_unit_test(a_session_that_ends_under_a_statement_is_told),
        cmocka_unit_test(a_transaction_does_not_survive_its_session),
        cmocka_unit_test(transactions_are_whole),
        cmocka_unit_test(a_server_that_hangs_is_given_up),
        cmocka_unit_test(notifications_arrive_in_order_and_none_is_lost),
        cmocka_unit_test(waiting_ends_when_woken),
        cmocka_unit_test(a_lost_listener_hears_of_it_once_and_listens_again),
        cmocka_unit_test(channels_are_bounded),
        cmocka_unit_test(locks_exclude_and_have_a_limit),
        cmocka_unit_test(a_lock_passes_on_when_its_session_dies),
        cmocka_unit_test(a_server_that_is_away_comes_back),
    };
    return cmocka_run_group_tests_name("store", tests, start_postgres, stop_postgres);
}
