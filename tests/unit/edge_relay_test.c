/* The relay after its process stood still, with a clock, an outbox and a stream of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Ten minutes pass as the test says: the relay is compiled here, with these in the place of what it calls. */
#define rb_clock_us             given_clock_us
#define rb_db_query             given_query
#define rb_db_session           given_session
#define rb_db_unlock            given_unlock
#define rb_bus_publish_begin    given_publish_begin
#define rb_bus_publish_end      given_publish_end
#define edge_worker_is_stopping given_is_stopping
#include "edge/relay.c" // NOLINT(bugprone-suspicious-include)
#include "lib/store/internal.h"

enum { WAITING = RELAY_BATCH + 1, COLUMNS = RELAY_CREATED + 1 };

static int64_t now_us, still_us; /* so long it stands still while it waits for the stream */
static bool waits[WAITING + 1];  /* by position, from 1 */
static int published[WAITING + 1];

int64_t given_clock_us(void)
{
    return now_us;
}

int64_t given_session(const struct rb_db *db)
{
    (void)db;
    return 1;
}

void given_unlock(struct rb_db *db, enum rb_lock_space space, int64_t key)
{
    (void)db;
    (void)space;
    (void)key;
}

bool given_is_stopping(const struct edge_worker *worker)
{
    (void)worker;
    return false;
}

void given_publish_begin(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                         size_t count)
{
    (void)errs;
    (void)bus;
    for (size_t i = 0; i < count; i++)
        published[strtol(messages[i].id, NULL, 10)]++;
}

rb_err given_publish_end(rb_err *errs, struct rb_bus *bus, const struct rb_bus_message *messages,
                         size_t count)
{
    (void)bus;
    (void)messages;
    memset(errs, RB_OK, count * sizeof(*errs));
    now_us += still_us;
    still_us = 0;
    return RB_OK;
}

static void mark(const char *positions)
{
    char *end = (char *)positions + 1;
    while (*end && *end != '}') {
        long position = strtol(end, &end, 10);
        waits[position] = false;
        end += *end == ',';
    }
}

/* Rows as PostgreSQL gives them: of the outbox behind `position`, or one that says that the lock is ours. */
static struct rb_rows *answer(bool is_lock, int64_t position)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc attributes[COLUMNS];
    int row = 0;
    memset(attributes, 0, sizeof(attributes));
    for (int i = 0; i < COLUMNS; i++)
        attributes[i].name = (char *)"";
    assert_true(PQsetResultAttrs(result, COLUMNS, attributes));
    for (int64_t at = position + 1; at <= WAITING && row < RELAY_BATCH; at++) {
        char number[24];
        snprintf(number, sizeof(number), "%d", (int)at);
        const char *const texts[COLUMNS] = {[RELAY_ID] = is_lock ? "t" : number,
                                            [RELAY_SUBJECT] = RB_REPO_CONNECTED,
                                            [RELAY_TRACE] = "",
                                            [RELAY_BODY] = "{}",
                                            [RELAY_AGE] = "0",
                                            [RELAY_POSITION] = number,
                                            [RELAY_CREATED] = "1"};
        bool is_there = is_lock || waits[at];
        for (int i = 0; is_there && i < COLUMNS; i++)
            assert_true(PQsetvalue(result, row, i, (char *)texts[i], (int)strlen(texts[i])));
        row += is_there;
    }
    return store_rows_new(result);
}

rb_err given_query(struct rb_rows **rows, struct rb_db *db, const struct rb_statement *statement,
                   const struct rb_param *params, size_t count)
{
    (void)db;
    if (count && strncmp(statement->name, "relay_mark", strlen("relay_mark")) == 0) /* _and_look, too */
        mark(params[count - 1].data);
    if (count && rows)
        *rows = strcmp(statement->name, "relay_lock") == 0 ? answer(true, WAITING - 1)
                                                           : answer(false, params[0].number);
    return RB_OK;
}

static int64_t session;
static rb_err drain(void)
{
    struct edge edge = {0};
    struct edge_worker worker = {.edge = &edge};
    int64_t next_prune = INT64_MAX;
    return relay_drain(&worker, &session, &next_prune);
}

static int begin(void **state)
{
    (void)state;
    now_us = 1;
    session = 0;
    memset(published, 0, sizeof(published));
    memset(waits, true, sizeof(waits));
    return 0;
}

static void what_was_read_ten_minutes_ago_is_read_anew(void **state)
{
    (void)state;
    still_us = RELAY_FRESH_US;
    assert_int_equal(drain(), RB_EUNAVAILABLE);
    assert_int_equal(session, 0); /* and another may be the relay */
    for (int i = 1; i <= WAITING; i++) {
        assert_int_equal(published[i], i < WAITING);
        assert_int_equal(waits[i], i == WAITING);
    }
    waits[WAITING] = false; /* which has published it meanwhile */
    assert_int_equal(drain(), RB_OK);
    assert_int_equal(published[WAITING], 0);
}

static void what_was_read_before_that_is_sent(void **state)
{
    (void)state;
    still_us = RELAY_FRESH_US - 1;
    assert_int_equal(drain(), RB_OK);
    for (int i = 1; i <= WAITING; i++)
        assert_true(published[i] == 1 && !waits[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_read_ten_minutes_ago_is_read_anew, begin),
        cmocka_unit_test_setup(what_was_read_before_that_is_sent, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
