/*
 * The commit of webhooks. A commit costs PostgreSQL more than a delivery does, so deliveries share them: what
 * comes while a batch of this thread is under way gathers, and goes out as the next one, as one statement
 * with arrays. No timer is needed: with little to do a batch is one delivery, sent at once; with much to do
 * batches grow by themselves.
 *
 * A batch that fails for one of its rows is sent again for each row alone. When PostgreSQL is away or slow,
 * everybody is told so in time: GitHub waits ten seconds, and a statement may take five of them.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edge/webhook.h"

#define COMMIT_ROWS 128 /* of a batch: beyond it rows gain nothing by each other */
/* Of a batch of more than one row: 19 payloads of 25 KB. With what else there is of them it stays below 512
 * KB, to which buffers double, and of which each thread keeps two for batches and libpq one a connection. */
#define COMMIT_BYTES      (480 * 1024)
#define COMMIT_LARGE      (768 * 1024) /* a delivery from this size on goes by itself, and holds up nobody */
#define COMMIT_ARRAY_MAX  (64 * 1024 * 1024)   /* of one array: GitHub's largest payload, with much room */
#define COMMIT_WAITING    (64LL * 1024 * 1024) /* bytes on their way in all threads: two of the largest */
#define COMMIT_ROWS_MAX   4096 /* on their way in a thread; a hundred thousand a second would fill it */
#define COMMIT_SLOW_MS    2000 /* a wait of so long, and then a statement of 5 s: GitHub still listens */
#define COMMIT_INLINE_MAX (64 * 1024) /* bytes of payload within an event; larger ones go by reference */
#define COMMIT_HEAD_MAX   1024        /* of an event up to its installations */

enum commit_column {
    COMMIT_HOOK,
    COMMIT_DELIVERY,
    COMMIT_EVENT,
    COMMIT_ACTION,
    COMMIT_OUTCOME,
    COMMIT_EVENT_ID,
    COMMIT_RESERVED,
    COMMIT_NAME,
    COMMIT_SUBJECT,
    COMMIT_TRACE,
    COMMIT_HEAD,
    COMMIT_TAIL,
    COMMIT_PAYLOAD,
    COMMIT_REPO,
    COMMIT_COLUMNS
};

static const enum rb_array_kind commit_kinds[COMMIT_COLUMNS] = {
    [COMMIT_HOOK] = RB_ARRAY_INT,      [COMMIT_DELIVERY] = RB_ARRAY_UUID, [COMMIT_EVENT] = RB_ARRAY_TEXT,
    [COMMIT_ACTION] = RB_ARRAY_TEXT,   [COMMIT_OUTCOME] = RB_ARRAY_TEXT,  [COMMIT_EVENT_ID] = RB_ARRAY_UUID,
    [COMMIT_RESERVED] = RB_ARRAY_INT,  [COMMIT_NAME] = RB_ARRAY_TEXT,     [COMMIT_SUBJECT] = RB_ARRAY_TEXT,
    [COMMIT_TRACE] = RB_ARRAY_TEXT,    [COMMIT_HEAD] = RB_ARRAY_TEXT,     [COMMIT_TAIL] = RB_ARRAY_TEXT,
    [COMMIT_PAYLOAD] = RB_ARRAY_BYTES, [COMMIT_REPO] = RB_ARRAY_INT};

/*
 * The last parameter chooses one row by its number; 0: all. The long texts are taken by subscript from the
 * arrays themselves rather than through the rows of `delivery`, which PostgreSQL would copy at each step.
 * Rows go in in the order of their key, so that two batches with the same deliveries wait for each other in
 * one direction only. A ping may be here before our own commit of the connect: it is believed by its
 * reservation.
 *
 * The plan is made once, for any number of rows. generate_series() makes PostgreSQL expect a thousand of
 * them, and so join by sorting; of unnest() it expects one, and would go through all rows for each.
 * Installations are looked up hook by hook, which leaves no other index than that of the hook.
 */
static const struct rb_statement commit_statement = {
    "webhook_commit",
    "with delivery as (select n, ($1::bigint[])[n] as hook_id, ($2::uuid[])[n] as delivery_id, "
    "($3::text[])[n] as event, ($4::text[])[n] as action, ($5::text[])[n] as outcome, ($6::uuid[])[n] as "
    "event_id, ($7::bigint[])[n] as reserved_id, ($8::text[])[n] as full_name, ($14::bigint[])[n] as repo_id "
    "from generate_series(case "
    "$15::bigint when 0 then 1 else $15::bigint end, case $15::bigint when 0 then cardinality($1::bigint[]) "
    "else "
    "$15::bigint end) n), "
    "owner as (select h.webhook_id, o.* from (select distinct hook_id from delivery) as h(webhook_id), "
    "lateral "
    "(select string_agg(i.id::text, ',' order by i.id) as ids, min(i.repo_full_name) as least, "
    "max(i.repo_full_name) as greatest, min(i.repo_id) as repo_id from installations i where i.state = "
    "'active' and i.webhook_id = "
    "h.webhook_id) o), "
    "owned as (select d.*, o.ids, d.repo_id = o.repo_id and (d.full_name <> o.least or d.full_name <> "
    "o.greatest) as renamed from "
    "delivery "
    "d left join owner o on o.webhook_id = d.hook_id where o.ids is not null or (d.outcome = 'ping' and "
    "(select i.state from installations i where i.id = d.reserved_id) in ('reserved', 'active'))), "
    "fresh as (insert into deliveries (hook_id, delivery_id, event, action, outcome, event_id, payload) "
    "select "
    "hook_id, delivery_id, event, action, outcome, event_id, ($13::bytea[])[n] from owned order by hook_id, "
    "delivery_id on conflict do nothing returning hook_id, delivery_id), "
    "event as (insert into outbox_events (id, subject, traceparent, body, created_at) select o.event_id, "
    "($9::text[])[o.n], ($10::text[])[o.n], ($11::text[])[o.n] || o.ids || ($12::text[])[o.n], "
    "clock_timestamp() from fresh f join owned o using (hook_id, delivery_id) where o.event_id is not null "
    "order by o.n returning position, id), "
    "waits as (insert into outbox_waiting select position, id from event), "
    "told as (select pg_notify('outbox', '') from event limit 1) "
    "select o.n, f.hook_id is not null, coalesce(o.renamed, false), (select count(*) from told) from owned o "
    "left join fresh f using (hook_id, delivery_id)"};

struct commit_row {
    struct edge_exchange *exchange;
    webhook_fate_fn fn;
    void *arg;
    int64_t hook_id;
    char delivery_id[RB_UUID_SIZE];
    int number; /* of its row of the arrays, from 1; the same delivery twice shares one */
    bool is_first;
};

struct commit_batch {
    struct commit_batch *next;
    struct rb_array columns[COMMIT_COLUMNS];
    struct commit_row rows[COMMIT_ROWS];
    int count, numbers;
    int alone; /* the row that is sent by itself after the batch has failed; 0: all are */
    size_t bytes;
    int64_t sent_ms;
    rb_err errs[COMMIT_ROWS + 1]; /* by number */
    bool is_new[COMMIT_ROWS + 1], is_owned[COMMIT_ROWS + 1], is_renamed[COMMIT_ROWS + 1];
};

/* Of one thread: batches that wait, of which the last still takes rows, and one that is empty and keeps its
 * memory. */
struct commit_queue {
    struct commit_batch *first, *last, *spare;
    int rows;
    bool is_busy;
};

static void commit_queue_end(void *memory)
{
    struct commit_batch *batch = ((struct commit_queue *)memory)->spare;
    for (int i = 0; batch && i < COMMIT_COLUMNS; i++)
        rb_array_free(&batch->columns[i]);
    free(batch);
}

static struct commit_queue *commit_queue(void)
{
    static struct rb_per_thread of_thread = {sizeof(struct commit_queue), commit_queue_end, 0};
    return rb_per_thread_get(&of_thread);
}

static atomic_llong commit_bytes; /* on their way, of all threads */

static void commit_send(struct commit_batch *batch);

/* ---- metrics: finding one costs more than counting ---------------------------------------------------- */

static void commit_count_waiting(int rows)
{
    static _Atomic(struct rb_metric *) waiting;
    if (!atomic_load(&waiting))
        waiting =
            rb_metric_gauge("repobus_webhooks_waiting", NULL, "Webhooks on their way into the database");
    rb_metric_add(waiting, rows);
}

/* The second by the first is how many share a commit. */
static void commit_count(int rows)
{
    static _Atomic(struct rb_metric *) batches, all_rows;
    if (!atomic_load(&all_rows)) {
        batches = rb_metric_counter("repobus_webhook_commits_total", NULL, "Commits of webhooks");
        all_rows = rb_metric_counter("repobus_webhook_commit_rows_total", NULL,
                                     "Webhooks in these commits: several share one");
    }
    rb_metric_add(batches, 1);
    rb_metric_add(all_rows, rows);
}

/* ---- a batch ------------------------------------------------------------------------------------------ */

static struct commit_batch *commit_batch_new(void)
{
    struct commit_queue *queue = commit_queue();
    struct commit_batch *batch = queue->spare;
    queue->spare = NULL;
    if (batch)
        return batch;
    batch = rb_calloc(1, sizeof(*batch));
    for (int i = 0; i < COMMIT_COLUMNS; i++)
        rb_array_init(&batch->columns[i], commit_kinds[i], COMMIT_ARRAY_MAX);
    return batch;
}

static void commit_batch_free(struct commit_batch *batch)
{
    commit_queue()->rows -= batch->count;
    commit_count_waiting(-batch->count);
    atomic_fetch_sub(&commit_bytes, (long long)batch->bytes);
    bool is_kept = !commit_queue()->spare && batch->bytes <= COMMIT_BYTES;
    for (int i = 0; i < COMMIT_COLUMNS; i++) {
        if (is_kept)
            rb_array_reset(&batch->columns[i]);
        else
            rb_array_free(&batch->columns[i]);
    }
    if (!is_kept) {
        free(batch);
        return;
    }
    batch->next = NULL;
    batch->count = batch->numbers = batch->alone = 0;
    batch->bytes = 0;
    commit_queue()->spare = batch;
}

/* Tells everybody of a batch and frees it. */
static void commit_batch_end(struct commit_batch *batch, const char *text)
{
    for (int i = 0; i < batch->count; i++) {
        struct commit_row *row = &batch->rows[i];
        rb_err err = batch->errs[row->number];
        enum webhook_fate fate = !batch->is_owned[row->number]                 ? WEBHOOK_ORPHAN
                                 : batch->is_new[row->number] && row->is_first ? WEBHOOK_NEW
                                                                               : WEBHOOK_KNOWN;
        if (err)
            rb_error_set(err, "%s", text);
        row->fn(row->arg, err, fate, batch->is_renamed[row->number]);
        edge_release(row->exchange);
    }
    commit_batch_free(batch);
}

static void commit_batch_fail(struct commit_batch *batch, rb_err err, const char *text)
{
    for (int i = 1; i <= batch->numbers; i++)
        batch->errs[i] = err;
    commit_batch_end(batch, text);
}

/* ---- the queue ---------------------------------------------------------------------------------------- */

static struct commit_batch *commit_queue_pop(void)
{
    struct commit_queue *queue = commit_queue();
    struct commit_batch *batch = queue->first;
    if (!batch)
        return NULL;
    queue->first = batch->next;
    if (!queue->first)
        queue->last = NULL;
    batch->next = NULL;
    return batch;
}

static void commit_send_next(void)
{
    struct commit_batch *batch = commit_queue()->is_busy ? NULL : commit_queue_pop();
    if (!batch)
        return;
    if (batch->count == 0) { /* what it was made for did not fit */
        commit_batch_free(batch);
        return;
    }
    commit_queue()->is_busy = true;
    commit_send(batch);
}

/* What has waited behind a batch that PostgreSQL did not answer in time waits no longer. */
static void commit_fail_waiting(rb_err err, const char *text)
{
    for (struct commit_batch *batch; (batch = commit_queue_pop());)
        commit_batch_fail(batch, err, text);
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static bool commit_is_large(const struct commit_batch *batch)
{
    return batch->bytes >= COMMIT_LARGE && batch->count == 1;
}

static void commit_take_rows(struct commit_batch *batch, const struct rb_rows *rows)
{
    for (size_t i = 0; i < rb_rows_count(rows); i++) {
        int64_t number = rb_rows_int(rows, i, 0);
        batch->is_owned[number] = true;
        batch->is_new[number] = rb_rows_bool(rows, i, 1);
        batch->is_renamed[number] = rb_rows_bool(rows, i, 2);
    }
}

static bool commit_is_of_the_rows(rb_err err)
{
    return err == RB_EINVAL || err == RB_ECONFLICT || err == RB_EINTERNAL;
}

static void commit_on_rows(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct commit_batch *batch = arg;
    char text[512];
    bool is_late = rb_clock_ms() - batch->sent_ms > COMMIT_SLOW_MS, is_large = commit_is_large(batch);
    snprintf(text, sizeof(text), "%.511s", err ? rb_error_text() : "PostgreSQL has too much to do");
    if (!err)
        commit_take_rows(batch, rows);
    else if (batch->alone)
        batch->errs[batch->alone] = err;
    /* One by one, for as long as somebody listens. */
    bool goes_on =
        batch->alone ? batch->alone < batch->numbers : batch->numbers > 1 && commit_is_of_the_rows(err);
    if (goes_on && !is_late && !(err && !commit_is_of_the_rows(err))) {
        batch->alone++;
        commit_send(batch);
        return;
    }
    for (int i = batch->alone + 1; (err || batch->alone) && i <= batch->numbers; i++)
        batch->errs[i] = err ? err : RB_EUNAVAILABLE;
    if (!is_large && (is_late || err == RB_ETIMEOUT || err == RB_EUNAVAILABLE))
        commit_fail_waiting(err ? err : RB_EUNAVAILABLE, text);
    if (!is_large)
        commit_queue()->is_busy = false;
    commit_batch_end(batch, text);
    commit_send_next();
}

static void commit_send(struct commit_batch *batch)
{
    struct rb_param params[COMMIT_COLUMNS + 1];
    if (!batch->alone) {
        batch->sent_ms = rb_clock_ms();
        commit_count(batch->numbers);
        memset(batch->errs, 0, sizeof(batch->errs));
        memset(batch->is_owned, 0, sizeof(batch->is_owned));
    }
    for (int i = 0; i < COMMIT_COLUMNS; i++)
        params[i] = rb_array_param(&batch->columns[i]);
    params[COMMIT_COLUMNS] = RB_P_INT(batch->alone);
    /* Under the name of the first who came; each is held by itself. */
    edge_query(batch->rows[0].exchange, &commit_statement, params, COMMIT_COLUMNS + 1, commit_on_rows, batch);
    if (commit_is_large(batch)) /* which never goes again, and has been copied */
        rb_array_free(&batch->columns[COMMIT_PAYLOAD]);
}

/* ---- rows --------------------------------------------------------------------------------------------- */

static rb_err commit_add_text(struct rb_array *array, const char *text)
{
    return text ? rb_array_add(array, text, strlen(text)) : rb_array_add_null(array);
}

/* A zero within a text is JSON, but many readers refuse it, jansson among them: an event must not be lost for
 * them. */
static bool commit_is_inline(const struct webhook_record *record)
{
    return record->payload_len <= COMMIT_INLINE_MAX &&
           !rb_json_has_zero(record->payload, record->payload_len);
}

/* The event's text in two parts, between which PostgreSQL puts the installations of the hook. Names have been
 * checked and need no escaping; the payload has been parsed, so that it is JSON to the last byte. */
static rb_err commit_add_event(struct commit_batch *batch, const struct webhook_record *record)
{
    char id[RB_UUID_SIZE], trace[RB_TRACEPARENT_SIZE], about[512];
    struct rb_buf head;
    bool is_inline = commit_is_inline(record);
    rb_buf_init(&head, COMMIT_HEAD_MAX);
    rb_uuid_make(id);
    edge_event_trace(trace, record->traceparent);
    rb_err err = rb_event_begin(&head, record->subject, id, EDGE_SOURCE, trace);
    if (!err)
        err = rb_buf_append(&head, "{\"installation_ids\":[", 21);
    int len = snprintf(
        about, sizeof(about),
        "],\"hook_id\":%lld,\"repo_id\":%lld,\"repo\":\"%s\",\"action\":\"%s\",\"delivery_id\":\"%s\","
        "\"payload",
        (long long)record->hook_id, (long long)record->repo_id, record->full_name, record->action,
        record->delivery_id);
    char size[64];
    int size_len = snprintf(size, sizeof(size), "_size\":%zu}}", record->payload_len);
    const struct rb_array_piece inlined[] = {
        {about, (size_t)len}, {"\":", 2}, {record->payload, record->payload_len}, {"}}", 2}};
    const struct rb_array_piece referred[] = {{about, (size_t)len}, {size, (size_t)size_len}};
    if (!err)
        err = rb_array_add_uuid(&batch->columns[COMMIT_EVENT_ID], id);
    if (!err)
        err = commit_add_text(&batch->columns[COMMIT_SUBJECT], record->subject);
    if (!err)
        err = commit_add_text(&batch->columns[COMMIT_TRACE], trace);
    if (!err)
        err = rb_array_add(&batch->columns[COMMIT_HEAD], head.data, head.len);
    if (!err)
        err = is_inline ? rb_array_add_pieces(&batch->columns[COMMIT_TAIL], inlined, 4)
                        : rb_array_add_pieces(&batch->columns[COMMIT_TAIL], referred, 2);
    if (!err)
        err = is_inline ? rb_array_add_null(&batch->columns[COMMIT_PAYLOAD])
                        : rb_array_add(&batch->columns[COMMIT_PAYLOAD], record->payload, record->payload_len);
    rb_buf_free(&head);
    return err;
}

static rb_err commit_add_no_event(struct commit_batch *batch)
{
    static const enum commit_column columns[] = {COMMIT_EVENT_ID, COMMIT_SUBJECT, COMMIT_TRACE,
                                                 COMMIT_HEAD,     COMMIT_TAIL,    COMMIT_PAYLOAD};
    rb_err err = RB_OK;
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns) && !err; i++)
        err = rb_array_add_null(&batch->columns[columns[i]]);
    return err;
}

static rb_err commit_add_columns(struct commit_batch *batch, const struct webhook_record *record)
{
    static const char *const outcomes[] = {
        [WEBHOOK_PUBLISHED] = "published", [WEBHOOK_IGNORED] = "ignored", [WEBHOOK_PING] = "ping"};
    rb_err err = rb_array_add_int(&batch->columns[COMMIT_HOOK], record->hook_id);
    if (!err)
        err = rb_array_add_uuid(&batch->columns[COMMIT_DELIVERY], record->delivery_id);
    if (!err)
        err = commit_add_text(&batch->columns[COMMIT_EVENT], record->event);
    if (!err)
        err = commit_add_text(&batch->columns[COMMIT_ACTION], record->action);
    if (!err)
        err = commit_add_text(&batch->columns[COMMIT_OUTCOME], outcomes[record->outcome]);
    if (!err)
        err = rb_array_add_int(&batch->columns[COMMIT_RESERVED], record->reserved_id);
    if (!err)
        err = commit_add_text(&batch->columns[COMMIT_NAME], record->full_name);
    if (!err)
        err = rb_array_add_int(&batch->columns[COMMIT_REPO], record->repo_id);
    if (!err)
        err = record->outcome == WEBHOOK_PUBLISHED ? commit_add_event(batch, record)
                                                   : commit_add_no_event(batch);
    return err;
}

/* The number under which the batch has this delivery already; 0: it has not. */
static int commit_find(const struct commit_batch *batch, const struct webhook_record *record)
{
    for (int i = 0; i < batch->count; i++) {
        if (batch->rows[i].hook_id == record->hook_id &&
            strcasecmp(batch->rows[i].delivery_id, record->delivery_id) == 0)
            return batch->rows[i].number;
    }
    return 0;
}

/* The batch that takes this delivery: the last of the queue, or a new one. */
static struct commit_batch *commit_choose(size_t bytes)
{
    struct commit_queue *queue = commit_queue();
    struct commit_batch *batch = queue->last;
    if (batch && batch->count < COMMIT_ROWS && batch->bytes + bytes <= COMMIT_BYTES)
        return batch;
    batch = commit_batch_new();
    if (queue->last)
        queue->last->next = batch;
    else
        queue->first = batch;
    queue->last = batch;
    return batch;
}

/* Nothing of a row stays when a part of it does not fit. */
static rb_err commit_add_whole(struct commit_batch *batch, const struct webhook_record *record)
{
    size_t lens[COMMIT_COLUMNS];
    for (int i = 0; i < COMMIT_COLUMNS; i++)
        lens[i] = batch->columns[i].bytes.len;
    rb_err err = commit_add_columns(batch, record);
    for (int i = 0; err && i < COMMIT_COLUMNS; i++)
        rb_array_cut(&batch->columns[i], (uint32_t)batch->numbers, lens[i]);
    return err;
}

static rb_err commit_add(struct commit_batch *batch, struct edge_exchange *exchange,
                         const struct webhook_record *record, webhook_fate_fn fn, void *arg)
{
    int known = commit_find(batch, record);
    rb_err err = known ? RB_OK : commit_add_whole(batch, record);
    if (err)
        return err;
    struct commit_row *row = &batch->rows[batch->count++];
    *row = (struct commit_row){.exchange = exchange,
                               .fn = fn,
                               .arg = arg,
                               .hook_id = record->hook_id,
                               .number = known ? known : ++batch->numbers,
                               .is_first = !known};
    snprintf(row->delivery_id, sizeof(row->delivery_id), "%s", record->delivery_id);
    commit_queue()->rows++;
    commit_count_waiting(1);
    if (!known) {
        batch->bytes += record->payload_len;
        atomic_fetch_add(&commit_bytes, (long long)record->payload_len);
    }
    edge_hold(exchange);
    return RB_OK;
}

/* ---- public ------------------------------------------------------------------------------------------- */

rb_err edge_webhook_commit(struct edge_exchange *exchange, const struct webhook_record *record,
                           webhook_fate_fn fn, void *arg)
{
    bool is_large = record->payload_len >= COMMIT_LARGE;
    if (rb_clock_ms() - record->received_ms > COMMIT_SLOW_MS)
        return rb_error_set(RB_EUNAVAILABLE, "PostgreSQL has too much to do");
    if (commit_queue()->rows >= COMMIT_ROWS_MAX ||
        atomic_load(&commit_bytes) + (long long)record->payload_len > COMMIT_WAITING)
        return rb_error_set(RB_ELIMIT, "too many webhooks are waiting for PostgreSQL");
    struct commit_batch *batch = is_large ? commit_batch_new() : commit_choose(record->payload_len);
    rb_err err = commit_add(batch, exchange, record, fn, arg);
    if (is_large && err)
        commit_batch_free(batch);
    else if (is_large)
        commit_send(batch);
    else
        commit_send_next();
    return err;
}
