/*
 * POST /api/v1/webhooks/github: a delivery of GitHub, to be read from top to bottom.
 *
 * The hook's secret is found, the signature is checked over the bytes as they came, and only then is anything
 * parsed. A delivery that is of interest becomes an event: one statement writes the delivery, once per hook
 * and delivery id, and its event to the outbox, for the active installations of the hook at that moment. It
 * is answered when that is committed. Many at once share commits (edge_query_grouped).
 *
 * The statement decides: the secrets that a thread remembers save a look-up for each delivery, but a hook
 * without an active installation is refused whatever is remembered of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edge/edge.h"

#define WEBHOOK_INLINE_MAX (64 * 1024) /* bytes of payload within an event; larger ones go by reference */
#define WEBHOOK_SECRETS    4           /* of one hook: people who share it share its secret, too */
#define WEBHOOK_HOOKS      512   /* remembered by a thread; where two fall on one place the later stays */
#define WEBHOOK_KEEP_MS    30000 /* so long a secret is not looked up again */
#define WEBHOOK_NAME_MAX   64    /* of events and actions */

enum webhook_outcome { WEBHOOK_PUBLISHED, WEBHOOK_IGNORED, WEBHOOK_PING };
static const char *const webhook_outcomes[] = {"published", "ignored", "ping"};

struct webhook {
    struct edge_exchange *exchange;
    int64_t hook_id, repo_id;
    const char *signature, *event, *delivery_id, *payload;
    size_t payload_len;
    char action[WEBHOOK_NAME_MAX + 1], full_name[160];
    enum webhook_outcome outcome;
};

/* ---- secrets that a thread remembers ------------------------------------------------------------------ */

struct webhook_secrets {
    int64_t hook_id, until;
    int count;
    char secrets[WEBHOOK_SECRETS][RB_HOOK_SECRET_SIZE];
};
static _Thread_local struct webhook_secrets webhook_known[WEBHOOK_HOOKS];

static struct webhook_secrets *webhook_place(int64_t hook_id)
{
    return &webhook_known[(uint64_t)hook_id % WEBHOOK_HOOKS];
}

static void webhook_remember(int64_t hook_id, const char *secret)
{
    struct webhook_secrets *place = webhook_place(hook_id);
    if (place->hook_id != hook_id || place->until < rb_clock_ms() || place->count == WEBHOOK_SECRETS) {
        rb_secret_wipe(place, sizeof(*place));
        place->hook_id = hook_id;
        place->until = rb_clock_ms() + WEBHOOK_KEEP_MS;
    }
    snprintf(place->secrets[place->count++], RB_HOOK_SECRET_SIZE, "%s", secret);
}

/* ---- the signature ------------------------------------------------------------------------------------ */

static void webhook_take(struct webhook *hook);
static void webhook_on_secrets(void *arg, rb_err err, const struct rb_rows *rows);

/* The sender learns nothing: not whether the hook exists, not what was wrong. */
static void webhook_refuse(struct edge_exchange *exchange)
{
    edge_answer_error(exchange, 401, "The hook is not known or the signature is wrong");
}

static bool webhook_is_signed_with(const struct webhook *hook, const char *secret)
{
    size_t len = 0;
    const void *body = edge_body(hook->exchange, &len);
    return rb_signature_check(hook->signature, secret, strlen(secret), body, len) == RB_OK;
}

static bool webhook_is_signed_as_remembered(const struct webhook *hook)
{
    const struct webhook_secrets *place = webhook_place(hook->hook_id);
    bool matches = false;
    if (place->hook_id != hook->hook_id || place->until < rb_clock_ms())
        return false;
    for (int i = 0; i < place->count; i++)
        matches |= webhook_is_signed_with(hook, place->secrets[i]);
    return matches;
}

static int64_t webhook_number(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    return len > 0 && len < 19 && strspn(text, "0123456789") == len ? strtoll(text, NULL, 10) : 0;
}

void edge_webhook(struct edge_exchange *exchange)
{
    /* Those of a connect that has not ended yet, too: GitHub's ping may be here before our own commit. */
    static const struct rb_statement statement = {
        "webhook_secrets",
        "select id, webhook_secret, true from installations where webhook_id = $1 and state = 'active' "
        "union all select id, webhook_secret, false from installations where repo_id = $2 and state = "
        "'reserved' and webhook_secret <> '' limit 16"};
    struct webhook *hook = rb_arena_alloc(exchange->arena, sizeof(*hook));
    *hook = (struct webhook){.exchange = exchange,
                             .hook_id = webhook_number(edge_header(exchange, "x-github-hook-id")),
                             .signature = edge_header(exchange, "x-hub-signature-256")};
    if (!hook->hook_id || !hook->signature) {
        webhook_refuse(exchange);
    } else if (webhook_is_signed_as_remembered(hook)) {
        webhook_take(hook);
    } else {
        int64_t target = webhook_number(edge_header(exchange, "x-github-hook-installation-target-id"));
        struct rb_param params[] = {RB_P_INT(hook->hook_id), RB_P_INT(target)};
        edge_query(exchange, &statement, params, 2, webhook_on_secrets, hook);
    }
}

static void webhook_on_secrets(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct webhook *hook = arg;
    bool matches = false;
    if (err) {
        edge_answer_no_database(hook->exchange);
        return;
    }
    for (size_t i = 0; i < rb_rows_count(rows) && !matches; i++) {
        char *secret = NULL;
        size_t len = 0;
        const uint8_t *sealed = rb_rows_bytes(rows, i, 1, &len);
        if (edge_open_hook_secret(&secret, hook->exchange, rb_rows_int(rows, i, 0), sealed, len))
            continue;
        matches = webhook_is_signed_with(hook, secret);
        if (matches && rb_rows_bool(rows, i, 2))
            webhook_remember(hook->hook_id, secret);
        rb_secret_free(secret);
    }
    if (matches)
        webhook_take(hook);
    else
        webhook_refuse(hook->exchange);
}

/* ---- what it says ------------------------------------------------------------------------------------- */

static bool webhook_name_is_plain(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len > 0 && len <= WEBHOOK_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == len;
}

/* Sets payload: the body, or what its form holds. */
static bool webhook_find_payload(struct webhook *hook)
{
    static const char form[] = "application/x-www-form-urlencoded", field[] = "payload=";
    size_t len = 0;
    const char *body = edge_body(hook->exchange, &len);
    const char *type = edge_header(hook->exchange, "content-type");
    hook->payload = body;
    hook->payload_len = len;
    if (!type || strncasecmp(type, form, sizeof(form) - 1) != 0)
        return len > 0;
    if (len < sizeof(field) || memcmp(body, field, sizeof(field) - 1) != 0)
        return false;
    const char *value = body + sizeof(field) - 1;
    const char *end = memchr(value, '&', len - (sizeof(field) - 1));
    hook->payload = edge_form_decode(hook->exchange->arena, value,
                                     end ? (size_t)(end - value) : len - (sizeof(field) - 1));
    hook->payload_len = strlen(hook->payload);
    return true;
}

/* GitHub sends objects only, and whoever subscribes may rely on it. */
static bool webhook_is_object(const struct webhook *hook)
{
    size_t at = 0;
    while (at < hook->payload_len && strchr(" \t\r\n", hook->payload[at]) && hook->payload[at])
        at++;
    return at < hook->payload_len && hook->payload[at] == '{';
}

static bool webhook_read(struct webhook *hook)
{
    const struct rb_json_field fields[] = {
        {"/action", RB_JSON_TEXT, hook->action, sizeof(hook->action)},
        {"/repository/id", RB_JSON_INT, &hook->repo_id, 0},
        {"/repository/full_name", RB_JSON_TEXT, hook->full_name, sizeof(hook->full_name)}};
    if (!webhook_is_object(hook) ||
        rb_json_find(fields, sizeof(fields) / sizeof(*fields), hook->payload, hook->payload_len))
        return false;
    const char *slash = strchr(hook->full_name, '/');
    if (!webhook_name_is_plain(hook->action))
        hook->action[0] = '\0';
    if (!slash || !rb_github_owner_is_valid(hook->full_name, (size_t)(slash - hook->full_name)) ||
        !rb_github_repo_is_valid(slash + 1, strlen(slash + 1)))
        hook->full_name[0] = '\0';
    return true;
}

static const char *webhook_subject(const struct webhook *hook)
{
    return strcmp(hook->event, "pull_request") == 0 ? RB_GITHUB_PULL_REQUEST
           : strcmp(hook->event, "issues") == 0     ? RB_GITHUB_ISSUES
                                                    : NULL;
}

/* ---- the record --------------------------------------------------------------------------------------- */

static void webhook_on_written(void *arg, rb_err err, const struct rb_rows *rows);

/* The event's text in two parts, between which PostgreSQL puts the installations of the hook. Names have been
 * checked and need no escaping; the payload has been parsed, so that it is JSON to the last byte. */
static rb_err webhook_make_event(struct webhook *hook, const char *subject, struct rb_buf *text, char *id,
                                 char *trace, size_t *split)
{
    static const char mark[] = "\"installation_ids\":[";
    struct rb_buf data;
    bool is_inline = hook->payload_len <= WEBHOOK_INLINE_MAX;
    rb_buf_init(&data, RB_EVENT_MAX);
    rb_uuid_make(id);
    rb_traceparent_make(trace, hook->exchange->traceparent);
    rb_err err =
        rb_buf_printf(&data,
                      "{%s],\"hook_id\":%" PRId64 ",\"repo_id\":%" PRId64
                      ",\"repo\":\"%s\",\"action\":\"%s\",\"delivery_id\":\"%s\",",
                      mark, hook->hook_id, hook->repo_id, hook->full_name, hook->action, hook->delivery_id);
    if (!err && is_inline)
        err = rb_buf_append(&data, "\"payload\":", 10);
    if (!err && is_inline)
        err = rb_buf_append(&data, hook->payload, hook->payload_len);
    if (!err && !is_inline)
        err = rb_buf_printf(&data, "\"payload_size\":%zu", hook->payload_len);
    if (!err)
        err = rb_buf_append(&data, "}", 1);
    if (!err)
        err = rb_event_encode_text(text, subject, id, EDGE_SOURCE, trace, data.data, data.len);
    rb_buf_free(&data);
    if (!err) /* the envelope before it holds no such text */
        *split = (size_t)(strstr(text->data, mark) - text->data) + sizeof(mark) - 1;
    return err;
}

static void webhook_write(struct webhook *hook)
{
    static const struct rb_statement statement = {
        "webhook_write",
        "with owners as (select array_agg(id order by id) as ids, bool_or(repo_full_name <> $12) as renamed "
        "from installations where webhook_id = $1 and state = 'active'), "
        "fresh as (insert into deliveries (hook_id, delivery_id, event, action, outcome, event_id, payload) "
        "select $1, $2::uuid, $3, $4, $5, $6::uuid, $11 from owners where ids is not null "
        "on conflict do nothing returning 1), "
        "event as (insert into outbox (id, subject, traceparent, body, created_at) select $6::uuid, $7, $8, "
        "$9 || array_to_string(ids, ',') || $10, clock_timestamp() from owners, fresh where $7::text is not "
        "null "
        "returning 1), told as (select pg_notify('outbox', '') from event) "
        "select ids is not null, (select count(*) from fresh), renamed, (select count(*) from told) "
        "from owners"};
    const char *subject = webhook_subject(hook);
    char id[RB_UUID_SIZE], trace[RB_TRACEPARENT_SIZE];
    struct rb_buf text;
    size_t split = 0;
    bool is_inline = hook->payload_len <= WEBHOOK_INLINE_MAX;
    rb_buf_init(&text, RB_EVENT_MAX);
    if (subject && webhook_make_event(hook, subject, &text, id, trace, &split)) {
        edge_answer_error(hook->exchange, 500, "The event could not be written: %s", rb_error_text());
        rb_buf_free(&text);
        return;
    }
    const char *head = subject ? rb_arena_strndup(hook->exchange->arena, text.data, split) : NULL;
    struct rb_param params[] = {RB_P_INT(hook->hook_id),
                                RB_P_TEXT(hook->delivery_id),
                                RB_P_TEXT(hook->event),
                                RB_P_TEXT(hook->action),
                                RB_P_TEXT(webhook_outcomes[hook->outcome]),
                                RB_P_TEXT(subject ? id : NULL),
                                RB_P_TEXT(subject),
                                RB_P_TEXT(subject ? trace : NULL),
                                RB_P_TEXT(head),
                                RB_P_TEXT(subject ? text.data + split : NULL),
                                subject && !is_inline ? RB_P_BYTES(hook->payload, hook->payload_len)
                                                      : RB_P_NULL,
                                RB_P_TEXT(*hook->full_name ? hook->full_name : NULL)};
    edge_query_grouped(hook->exchange, &statement, params, sizeof(params) / sizeof(*params),
                       webhook_on_written, hook);
    rb_buf_free(&text); /* arguments are copied */
}

/* The signature is right: from here on it is GitHub who speaks. */
static void webhook_take(struct webhook *hook)
{
    struct edge_exchange *exchange = hook->exchange;
    hook->event = edge_header(exchange, "x-github-event");
    hook->delivery_id = edge_header(exchange, "x-github-delivery");
    if (!webhook_name_is_plain(hook->event))
        edge_answer_error(exchange, 400, "X-GitHub-Event names no event");
    else if (!edge_is_uuid(hook->delivery_id))
        edge_answer_error(exchange, 400, "X-GitHub-Delivery is no UUID");
    else if (!webhook_find_payload(hook))
        edge_answer_error(exchange, 400, "The form has no field named payload");
    else if (!webhook_read(hook))
        edge_answer_error(exchange, 400, "The payload is no JSON object");
    else if (webhook_subject(hook) && (hook->repo_id <= 0 || !*hook->full_name))
        edge_answer_error(exchange, 400, "The payload names no repository");
    else {
        hook->outcome = webhook_subject(hook)              ? WEBHOOK_PUBLISHED
                        : strcmp(hook->event, "ping") == 0 ? WEBHOOK_PING
                                                           : WEBHOOK_IGNORED;
        webhook_write(hook);
    }
}

/* A payload knows a new name before we do. Where another installation has the name, the reconciler sorts it
 * out. */
static void webhook_on_renamed(void *arg, rb_err err, const struct rb_rows *rows)
{
    const struct webhook *hook = arg;
    (void)rows;
    if (err)
        rb_log_warn("hook=%" PRId64 ": the new name %s is not taken over yet: %s", hook->hook_id,
                    hook->full_name, rb_error_text());
}

static void webhook_follow_name(struct webhook *hook)
{
    static const struct rb_statement statement = {
        "webhook_rename", "update installations set repo_full_name = $3 where webhook_id = $1 and repo_id = "
                          "$2 and state = 'active' and repo_full_name <> $3"};
    struct rb_param params[] = {RB_P_INT(hook->hook_id), RB_P_INT(hook->repo_id), RB_P_TEXT(hook->full_name)};
    edge_query(hook->exchange, &statement, params, 3, webhook_on_renamed, hook);
}

static void webhook_count(const char *outcome)
{
    char labels[64];
    snprintf(labels, sizeof(labels), "outcome=\"%s\"", outcome);
    rb_metric_add(
        rb_metric_counter("repobus_webhook_deliveries_total", labels, "Deliveries by what became of them"),
        1);
}

static void webhook_on_written(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct webhook *hook = arg;
    struct edge_exchange *exchange = hook->exchange;
    if (err) {
        edge_answer_no_database(exchange);
        return;
    }
    bool is_owned = rb_rows_bool(rows, 0, 0), is_new = rb_rows_int(rows, 0, 1) > 0;
    /* Of a connect under way only the ping is believed: it needs no installation. The rest comes again. */
    if (!is_owned && hook->outcome != WEBHOOK_PING) {
        webhook_refuse(exchange);
        return;
    }
    webhook_count(is_owned && !is_new ? "again" : webhook_outcomes[hook->outcome]);
    if (rb_rows_bool(rows, 0, 2))
        webhook_follow_name(hook);
    const char *body =
        rb_arena_printf(exchange->arena, "{\"status\":\"%s\"}",
                        is_owned && !is_new ? "already received" : webhook_outcomes[hook->outcome]);
    edge_answer_json(exchange, 200, body, strlen(body));
}
