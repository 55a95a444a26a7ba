/* migrations/apply against a real PostgreSQL: twice, two at once, changed files, broken files. */
#include "lib/store/store.h"
#include "tests/unit/lib_servers.h"

static struct postgres_fixture postgres;
static struct rb_db *admin;
static char folder[64]; /* a copy of the script with migrations of our own */

static int start_postgres(void **state)
{
    (void)state;
    rb_log_init("test");
    postgres_start(&postgres);
    servers_folder(folder);
    return rb_db_open(&admin, postgres.url, "admin", 0);
}

static int stop_postgres(void **state)
{
    (void)state;
    rb_db_close(admin);
    servers_remove(folder);
    postgres_stop(&postgres);
    return 0;
}

static int64_t ask(const char *sql)
{
    struct rb_rows *rows = NULL;
    struct rb_db *db = NULL; /* a session of its own: the statement lives on this stack */
    const struct rb_statement statement = {"ask", sql};
    assert_int_equal(rb_db_open(&db, getenv("DATABASE_URL"), "asking", 0), RB_OK);
    if (rb_db_query(&rows, db, &statement, NULL, 0))
        fail_msg("%s", rb_error_text());
    int64_t value = rb_rows_count(rows) ? rb_rows_int(rows, 0, 0) : 0;
    rb_rows_free(rows);
    rb_db_close(db);
    return value;
}

/* A new database, which DATABASE_URL names from here on. */
static void use_database(const char *name)
{
    char *sql = rb_asprintf("create database %s", name), *url = rb_strdup(postgres.url);
    *strrchr(url, '/') = '\0';
    char *full = rb_asprintf("%s/%s", url, name);
    setenv("DATABASE_URL", postgres.url, 1);
    ask(sql);
    setenv("DATABASE_URL", full, 1);
    free(sql);
    free(url);
    free(full);
}

static int apply(char *out, size_t size, const char *argument)
{
    char *command = rb_asprintf("%s/apply %s 2>&1", folder, argument);
    const char *const argv[] = {"bash", "-c", command, NULL};
    int status = servers_run(argv, out, size);
    free(command);
    return status;
}

static void put(const char *name, const char *text)
{
    char *path = rb_asprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void take_away(const char *name)
{
    char *path = rb_asprintf("%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

/* Each test begins with the script alone, and a database of its own. */
static int begin(void **state)
{
    const char *const argv[] = {"bash", "-euc", "rm -f \"$1\"/*; cp migrations/apply \"$1\"",
                                "bash", folder, NULL};
    char name[32];
    static int number;
    (void)state;
    snprintf(name, sizeof(name), "database%d", ++number);
    use_database(name);
    return servers_run(argv, NULL, 0);
}

static void ours_apply_once_and_twice_is_harmless(void **state)
{
    (void)state;
    char out[4096];
    const char *const argv[] = {"bash", "-c", "migrations/apply 2>&1", NULL};
    assert_int_equal(servers_run(argv, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "applied 0001_start.sql"));
    int64_t tables = ask("select count(*) from pg_tables where schemaname = 'public'");
    assert_true(tables > 5);
    assert_int_equal(servers_run(argv, out, sizeof(out)), 0);
    assert_string_equal(out, "");
    assert_int_equal(ask("select count(*) from pg_tables where schemaname = 'public'"), tables);
}

static void missing_ones_are_applied_in_order(void **state)
{
    (void)state;
    char out[4096];
    put("0001_first.sql", "create table t (id int);\n");
    assert_int_equal(apply(out, sizeof(out), ""), 0);
    put("0002_second.sql", "alter table t add name text;\n");
    put("0010_tenth.sql", "insert into t values (8, 'later');\n");
    assert_int_equal(apply(out, sizeof(out), "--status"), 0);
    assert_non_null(strstr(out, "0001_first.sql  applied "));
    assert_non_null(strstr(out, "0002_second.sql  missing"));
    assert_int_equal(apply(out, sizeof(out), ""), 0);
    assert_string_equal(out, "applied 0002_second.sql\napplied 0010_tenth.sql\n");
    assert_int_equal(ask("select id from t"), 8);
    assert_int_equal(ask("select count(*) from schema_migrations"), 3);
}

static void a_broken_one_leaves_nothing_of_itself(void **state)
{
    (void)state;
    char out[4096];
    put("0001_first.sql", "create table t (id int);\n");
    put("0002_broken.sql", "create table half (id int);\nselect 1 / 0;\n");
    put("0003_third.sql", "create table third (id int);\n");
    assert_int_not_equal(apply(out, sizeof(out), ""), 0);
    assert_non_null(strstr(out, "division by zero"));
    assert_int_equal(ask("select count(*) from schema_migrations"), 1);
    assert_int_equal(ask("select count(*) from pg_tables where tablename in ('half', 'third')"), 0);
    put("0002_broken.sql", "create table half (id int);\n");
    assert_int_equal(apply(out, sizeof(out), ""), 0);
    assert_int_equal(ask("select count(*) from schema_migrations"), 3);
}

static void applied_files_must_stay_as_they_are(void **state)
{
    (void)state;
    char out[4096];
    put("0001_first.sql", "create table t (id int);\n");
    put("0002_second.sql", "create table u (id int);\n");
    assert_int_equal(apply(out, sizeof(out), ""), 0);
    put("0001_first.sql", "create table t (id bigint);\n");
    put("0003_third.sql", "create table v (id int);\n");
    assert_int_not_equal(apply(out, sizeof(out), ""), 0);
    assert_non_null(strstr(out, "0001_first.sql was changed after it was applied"));
    assert_int_equal(apply(out, sizeof(out), "--status"), 0);
    assert_non_null(strstr(out, "0001_first.sql  CHANGED"));
    put("0001_first.sql", "create table t (id int);\n");
    take_away("0002_second.sql");
    assert_int_not_equal(apply(out, sizeof(out), ""), 0);
    assert_non_null(strstr(out, "0002_second.sql was applied and its file is gone"));
    put("0002_renamed.sql", "create table u (id int);\n");
    assert_int_not_equal(apply(out, sizeof(out), ""), 0);
    assert_int_equal(ask("select count(*) from pg_tables where tablename = 'v'"), 0);
}

static void of_several_at_once_one_works(void **state)
{
    (void)state;
    static const char script[] = "for i in 1 2 3 4 5; do \"$1/apply\" >\"$1/out$i\" 2>&1 & pids+=($!); done; "
                                 "for pid in \"${pids[@]}\"; do wait \"$pid\"; done; cat \"$1\"/out*";
    const char *const argv[] = {"bash", "-ec", script, "bash", folder, NULL};
    char out[4096];
    put("0001_first.sql", "create table t (id int);\nselect pg_sleep(0.2);\n");
    put("0002_second.sql", "insert into t values (1);\n");
    assert_int_equal(servers_run(argv, out, sizeof(out)), 0);
    const char *first = strstr(out, "applied 0001_first.sql\napplied 0002_second.sql");
    assert_non_null(first);
    assert_null(strstr(first + 1, "applied 0001"));
    assert_int_equal(ask("select count(*) from t"), 1);
}

static void wrong_use_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *file, *argument, *mentions;
    } rows[] = {
        {NULL, "--all", "usage:"},
        {"0001_Wrong.sql", "", "names are NNNN_what.sql"},
        {"0001_same.sql", "", "duplicate key"},
    };
    char out[4096];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put("0001_first.sql", "create table t (id int);\n");
        if (rows[i].file)
            put(rows[i].file, "select 1;\n");
        assert_int_not_equal(apply(out, sizeof(out), rows[i].argument), 0);
        if (!strstr(out, rows[i].mentions))
            fail_msg("%s", out);
        if (rows[i].file)
            take_away(rows[i].file);
        assert_int_equal(ask("select count(*) from pg_tables where tablename = 't'"), 0);
    }
    unsetenv("DATABASE_URL");
    assert_int_equal(apply(out, sizeof(out), ""), 2);
    assert_non_null(strstr(out, "set DATABASE_URL"));
}

/* Ours up to `last`, from the folder. */
static void apply_ours_up_to(const char *last)
{
    static const char script[] =
        "for file in migrations/0*.sql; do name=${file##*/}; [[ ! $name > $2 ]] || break; "
        "cp \"$file\" \"$1\"; done";
    const char *const argv[] = {"bash", "-ec", script, "bash", folder, last, NULL};
    char out[8192];
    assert_int_equal(servers_run(argv, NULL, 0), 0);
    assert_int_equal(apply(out, sizeof(out), ""), 0);
}

/* An event of program `n`, as those of before 0009 wrote them. */
#define OUTBOX_BEFORE(n)                                                                     \
    "with event as (insert into outbox (id, subject, traceparent, body, created_at) select " \
    "'00000000-0000-7000-8000-00000000000" n                                                 \
    "'::uuid, 'repo.connected', '', '{}', clock_timestamp() returning 1) "                   \
    "select count(*) from (select pg_notify('outbox', '') from event) as told"
#define OUTBOX_WAITS_BEFORE "select count(*) from outbox where published_at is null"
#define OUTBOX_WAITS        "select count(*) from outbox_waiting join outbox_events using (id, position)"

/* 0009 splits the outbox. What waited goes on waiting, in its order; what was published stays so, with its
 * time. */
static void an_outbox_of_before_is_taken_over(void **state)
{
    (void)state;
    apply_ours_up_to("0008_z");
    for (int n = 0; n < 3; n++)
        ask(n == 0 ? OUTBOX_BEFORE("1") : n == 1 ? OUTBOX_BEFORE("2") : OUTBOX_BEFORE("3"));
    ask("update outbox set created_at = '2026-01-01 00:00:00Z', published_at = '2026-01-01 00:10:00Z' where "
        "id::text like '%1'");
    ask(OUTBOX_BEFORE("4"));
    ask("update outbox set published_at = created_at + interval '5 ms' where id::text like '%4'");
    apply_ours_up_to("9999");
    assert_int_equal(ask(OUTBOX_WAITS), 2);
    assert_int_equal(
        ask("select string_agg(right(id::text, 1), '' order by position)::int from outbox_waiting"), 23);
    assert_int_equal(ask("select count(*) from outbox_events"), 4);
    /* When: to the second. */
    assert_int_equal(
        ask("select count(*) from outbox_events where id::text like '%1' and outbox_published_at(id) = "
            "'2026-01-01 00:10:00Z'"),
        1);
    assert_int_equal(ask("select count(*) from outbox_events where id::text like '%4' and "
                         "outbox_published_at(id) = created_at"),
                     1);
    assert_int_equal(ask("select count(outbox_published_at(id)) from outbox_events where id::text ~ '[23]$'"),
                     0);
}

/* Programs of before run beside newer ones: each finds what the other wrote, and sees what it has published.
 */
static void programs_of_before_0009_go_on_with_the_outbox(void **state)
{
    (void)state;
    apply_ours_up_to("9999");
    assert_int_equal(ask(OUTBOX_BEFORE("1")), 1);
    assert_int_equal(ask(OUTBOX_BEFORE("2")), 1);
    assert_int_equal(ask(OUTBOX_WAITS), 2);
    assert_int_equal(ask(OUTBOX_WAITS_BEFORE), 2);
    /* The relay of before reads, marks, and does not see it again; nor does a newer one. */
    assert_int_equal(ask("select right(id::text, 1)::int from outbox where published_at is null order by "
                         "position limit 64"),
                     1);
    ask("update outbox set published_at = now() where id = "
        "any('{00000000-0000-7000-8000-000000000001,00000000-0000-7000-8000-000000000009}'::uuid[])");
    assert_int_equal(ask("select right(id::text, 1)::int from outbox where published_at is null order by "
                         "position limit 64"),
                     2);
    assert_int_equal(ask(OUTBOX_WAITS), 1);
    assert_int_equal(ask("select count(*) from outbox where published_at is not null"), 1);
    /* A newer relay marks; the one of before sees it. */
    ask("delete from outbox_waiting where id::text like '%2'");
    assert_int_equal(ask(OUTBOX_WAITS_BEFORE), 0);
    /* `repobus replay --all` of before. */
    assert_int_equal(ask("with again as (update outbox set published_at = null where published_at >= now() - "
                         "interval '1 hour' returning 1) select count(*) from again"),
                     2);
    assert_int_equal(ask(OUTBOX_WAITS), 2);
    /* What is old goes, but for what waits. */
    ask("update outbox_events set created_at = now() - interval '40 days'");
    ask("update outbox set published_at = now() where id::text like '%1'");
    ask("delete from outbox where published_at < now() - interval '30 days'");
    assert_int_equal(ask("select count(*) from outbox_events"), 1);
    assert_int_equal(ask(OUTBOX_WAITS), 1);
}

static void passwords_of_any_shape_are_understood(void **state)
{
    (void)state;
    char out[4096];
    ask("create role odd login superuser password 'a%b\\c:d e/@'");
    char *url = rb_strdup(postgres.url), *host = strchr(url, '@');
    char *full = rb_asprintf("postgresql://odd:a%%25b%%5Cc%%3Ad%%20e%%2F%%40%s", host);
    setenv("DATABASE_URL", full, 1);
    put("0001_first.sql", "create table odd (id int);\n");
    assert_int_equal(apply(out, sizeof(out), ""), 0);
    assert_string_equal(out, "applied 0001_first.sql\n");
    setenv("DATABASE_URL", "postgresql://odd:hunter2@127.0.0.1:1/x", 1);
    assert_int_not_equal(apply(out, sizeof(out), ""), 0);
    assert_null(strstr(out, "hunter2"));
    free(url);
    free(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ours_apply_once_and_twice_is_harmless, begin),
        cmocka_unit_test_setup(missing_ones_are_applied_in_order, begin),
        cmocka_unit_test_setup(a_broken_one_leaves_nothing_of_itself, begin),
        cmocka_unit_test_setup(applied_files_must_stay_as_they_are, begin),
        cmocka_unit_test_setup(of_several_at_once_one_works, begin),
        cmocka_unit_test_setup(wrong_use_is_said, begin),
        cmocka_unit_test_setup(an_outbox_of_before_is_taken_over, begin),
        cmocka_unit_test_setup(programs_of_before_0009_go_on_with_the_outbox, begin),
        cmocka_unit_test_setup(passwords_of_any_shape_are_understood, begin),
    };
    return cmocka_run_group_tests_name("migrations", tests, start_postgres, stop_postgres);
}
