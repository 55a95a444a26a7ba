/*
 * POST /api/v1/webhooks/github: a delivery of GitHub, to be read from top to bottom.
 *
 * The hook's secret is found, the signature is checked over the bytes as they came, and only then is anything
 * parsed. A delivery that is of interest becomes an event: one statement writes the delivery, once per hook
 * and delivery id, and its event to the outbox, for the active installations of the hook at that moment. It
 * is answered when that is committed. Many at once share commits (webhook_commit.c).
 *
 * The statement decides: the secrets that a thread remembers save a look-up for each delivery, but a hook
 * without an active installation is refused whatever is remembered of it.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edge/webhook.h"

#define WEBHOOK_SECRETS  4     /* of one hook: people who share it share its secret, too */
#define WEBHOOK_HOOKS    512   /* remembered by a thread; where two fall on one place the later stays */
#define WEBHOOK_KEEP_MS  30000 /* so long a secret is not looked up again */
#define WEBHOOK_LOOKUPS  256   /* a thread: senders that nobody knows must not fill the queue to PostgreSQL */
#define WEBHOOK_NAME_MAX 64    /* of events and actions */

/* GitHub's limit (docs.github.com, "Webhook events and payloads"), with room for what a MB is. */
#define WEBHOOK_PAYLOAD_MAX (26 * 1024 * 1024)

struct webhook {
    struct edge_exchange *exchange;
    struct webhook_record record;
    const char *signature;
    struct rb_json_text payload;
    char action[WEBHOOK_NAME_MAX + 1], full_name[160];
};

static const char *const webhook_outcomes[] = {"published", "ignored", "ping"};

/* ---- secrets that a thread remembers ------------------------------------------------------------------ */

struct webhook_secrets {
    int64_t hook_id, until;
    int count;
    char secrets[WEBHOOK_SECRETS][RB_HOOK_SECRET_SIZE];
};
static _Thread_local int webhook_lookups; /* under way */

static void webhook_forget_all(void *known)
{
    rb_secret_wipe(known, WEBHOOK_HOOKS * sizeof(struct webhook_secrets));
}

static struct webhook_secrets *webhook_place(int64_t hook_id)
{
    static struct rb_per_thread known = {WEBHOOK_HOOKS * sizeof(struct webhook_secrets), webhook_forget_all,
                                         0};
    return (struct webhook_secrets *)rb_per_thread_get(&known) + (uint64_t)hook_id % WEBHOOK_HOOKS;
}

static void webhook_remember(int64_t hook_id, const char *secret)
{
    struct webhook_secrets *place = webhook_place(hook_id);
    if (place->hook_id != hook_id || place->until < rb_clock_ms() || place->count == WEBHOOK_SECRETS) {
        rb_secret_wipe(place, sizeof(*place));
        place->hook_id = hook_id;
        place->until = rb_clock_ms() + WEBHOOK_KEEP_MS;
    }
    for (int i = 0; i < place->count; i++) {
        if (strcmp(place->secrets[i], secret) == 0) /* several deliveries looked it up at once */
            return;
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

/* GitHub marks it as failed, and the reconciler has it sent again. */
static void webhook_refuse_for_now(struct edge_exchange *exchange)
{
    rb_log_error("webhook: %s", rb_error_text());
    edge_add_header(exchange, "retry-after", "5");
    edge_answer_error(exchange, 503, "The database is away or has too much to do: send it again in a moment");
}

static bool webhook_is_signed_with(const struct webhook *hook, const char *secret)
{
    size_t len = 0;
    const void *body = edge_body(hook->exchange, &len);
    return rb_signature_check(hook->signature, secret, strlen(secret), body, len) == RB_OK;
}

static bool webhook_is_signed_as_remembered(const struct webhook *hook)
{
    const struct webhook_secrets *place = webhook_place(hook->record.hook_id);
    bool matches = false;
    if (place->hook_id != hook->record.hook_id || place->until < rb_clock_ms())
        return false;
    for (int i = 0; i < place->count && !matches; i++)
        matches = webhook_is_signed_with(hook, place->secrets[i]);
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
                             .record = {.hook_id = webhook_number(edge_header(exchange, "x-github-hook-id")),
                                        .received_ms = rb_clock_ms(),
                                        .traceparent = exchange->traceparent},
                             .signature = edge_header(exchange, "x-hub-signature-256")};
    if (!hook->record.hook_id || !hook->signature) {
        webhook_refuse(exchange);
    } else if (webhook_is_signed_as_remembered(hook)) {
        webhook_take(hook);
    } else if (webhook_lookups >= WEBHOOK_LOOKUPS) {
        rb_error_set(RB_ELIMIT, "%d hooks are being looked up already", webhook_lookups);
        webhook_refuse_for_now(exchange);
    } else {
        webhook_lookups++;
        int64_t target = webhook_number(edge_header(exchange, "x-github-hook-installation-target-id"));
        struct rb_param params[] = {RB_P_INT(hook->record.hook_id), RB_P_INT(target)};
        edge_query(exchange, &statement, params, 2, webhook_on_secrets, hook);
    }
}

static void webhook_on_secrets(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct webhook *hook = arg;
    bool matches = false, is_active = false;
    webhook_lookups--;
    if (err) {
        webhook_refuse_for_now(hook->exchange);
        return;
    }
    for (size_t i = 0; i < rb_rows_count(rows) && !matches; i++) {
        char *secret = NULL;
        size_t len = 0;
        const uint8_t *sealed = rb_rows_bytes(rows, i, 1, &len);
        if (edge_open_hook_secret(&secret, hook->exchange, rb_rows_int(rows, i, 0), sealed, len))
            continue;
        matches = webhook_is_signed_with(hook, secret);
        is_active = rb_rows_bool(rows, i, 2);
        if (matches && is_active)
            webhook_remember(hook->record.hook_id, secret);
        else if (matches)
            hook->record.reserved_id = rb_rows_int(rows, i, 0);
        rb_secret_free(secret);
    }
    if (rb_rows_count(rows) == 0) /* as long as it takes with a hook that is known */
        (void)webhook_is_signed_with(hook, "an unknown hook");
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
    const char *type = edge_header(hook->exchange, "content-type");
    hook->payload = edge_body_text(hook->exchange);
    if (!type || strncasecmp(type, form, sizeof(form) - 1) != 0)
        return hook->payload.len > 0;
    const char *body = hook->payload.at;
    size_t len = hook->payload.len;
    if (len < sizeof(field) || memcmp(body, field, sizeof(field) - 1) != 0)
        return false;
    const char *value = body + sizeof(field) - 1;
    const char *end = memchr(value, '&', len - (sizeof(field) - 1));
    const char *payload = edge_form_decode(hook->exchange->arena, value,
                                           end ? (size_t)(end - value) : len - (sizeof(field) - 1));
    hook->payload = (struct rb_json_text){.at = payload, .len = strlen(payload)};
    return true;
}

/* GitHub sends objects only, and whoever subscribes may rely on it. */
static bool webhook_is_object(const struct rb_json_text *payload)
{
    size_t at = 0;
    while (at < payload->len && strchr(" \t\r\n", payload->at[at]) && payload->at[at])
        at++;
    return at < payload->len && payload->at[at] == '{';
}

static bool webhook_read(struct webhook *hook)
{
    struct webhook_record *record = &hook->record;
    const struct rb_json_field fields[] = {
        {"/action", RB_JSON_TEXT, hook->action, sizeof(hook->action)},
        {"/repository/id", RB_JSON_INT, &record->repo_id, 0},
        {"/repository/full_name", RB_JSON_TEXT, hook->full_name, sizeof(hook->full_name)}};
    if (!webhook_is_object(&hook->payload) ||
        rb_json_find(fields, sizeof(fields) / sizeof(*fields), &hook->payload))
        return false;
    record->payload = hook->payload.at;
    record->payload_len = hook->payload.len;
    const char *slash = strchr(hook->full_name, '/');
    record->action = webhook_name_is_plain(hook->action) ? hook->action : "";
    if (slash && rb_github_owner_is_valid(hook->full_name, (size_t)(slash - hook->full_name)) &&
        rb_github_repo_is_valid(slash + 1, strlen(slash + 1)))
        record->full_name = hook->full_name;
    return true;
}

static const char *webhook_subject(const struct webhook *hook)
{
    return strcmp(hook->record.event, "pull_request") == 0 ? RB_GITHUB_PULL_REQUEST
           : strcmp(hook->record.event, "issues") == 0     ? RB_GITHUB_ISSUES
                                                           : NULL;
}

/* ---- the record --------------------------------------------------------------------------------------- */

static void webhook_on_written(void *arg, rb_err err, enum webhook_fate fate, bool renamed);

/* The signature is right: from here on it is GitHub who speaks. */
static void webhook_take(struct webhook *hook)
{
    struct edge_exchange *exchange = hook->exchange;
    struct webhook_record *record = &hook->record;
    record->event = edge_header(exchange, "x-github-event");
    record->delivery_id = edge_header(exchange, "x-github-delivery");
    if (!webhook_name_is_plain(record->event)) {
        edge_answer_error(exchange, 400, "X-GitHub-Event names no event");
    } else if (!edge_is_uuid(record->delivery_id)) {
        edge_answer_error(exchange, 400, "X-GitHub-Delivery is no UUID");
    } else if (!webhook_find_payload(hook)) {
        edge_answer_error(exchange, 400, "The form has no field named payload");
    } else if (hook->payload.len > WEBHOOK_PAYLOAD_MAX) {
        edge_answer_error(exchange, 413, "The payload has more than %d bytes", WEBHOOK_PAYLOAD_MAX);
    } else if (!webhook_read(hook)) {
        edge_answer_error(exchange, 400, "The payload is no JSON object");
    } else if (webhook_subject(hook) && (record->repo_id <= 0 || !record->full_name)) {
        edge_answer_error(exchange, 400, "The payload names no repository");
    } else {
        record->subject = webhook_subject(hook);
        record->outcome = record->subject                      ? WEBHOOK_PUBLISHED
                          : strcmp(record->event, "ping") == 0 ? WEBHOOK_PING
                                                               : WEBHOOK_IGNORED;
        if (edge_webhook_commit(exchange, record, webhook_on_written, hook))
            webhook_refuse_for_now(exchange);
    }
}

/* A payload knows a new name before we do. Where another installation has the name, the reconciler sorts it
 * out. */
static void webhook_on_renamed(void *arg, rb_err err, const struct rb_rows *rows)
{
    const struct webhook *hook = arg;
    (void)rows;
    if (err)
        rb_log_warn("hook=%" PRId64 ": the new name %s is not taken over yet: %s", hook->record.hook_id,
                    hook->full_name, rb_error_text());
}

static void webhook_follow_name(struct webhook *hook)
{
    static const struct rb_statement statement = {
        "webhook_rename", "update installations set repo_full_name = $3 where webhook_id = $1 and repo_id = "
                          "$2 and state = 'active' and repo_full_name <> $3"};
    struct rb_param params[] = {RB_P_INT(hook->record.hook_id), RB_P_INT(hook->record.repo_id),
                                RB_P_TEXT(hook->full_name)};
    edge_query(hook->exchange, &statement, params, 3, webhook_on_renamed, hook);
}

/* Finding a metric costs more than counting: each is found once. */
static void webhook_count(const struct webhook *hook, bool is_new)
{
    static const char *const events[] = {RB_GITHUB_PULL_REQUEST, RB_GITHUB_ISSUES};
    static const char *const names[] = {"pull_request", "issues", "ping", "other"};
    static _Atomic(struct rb_metric *) metrics[4][2];
    const char *subject = hook->record.subject;
    int event = hook->record.outcome == WEBHOOK_PING ? 2
                : !subject                           ? 3
                : strcmp(subject, events[0]) == 0    ? 0
                                                     : 1;
    struct rb_metric *metric = atomic_load(&metrics[event][is_new]);
    if (!metric) {
        char labels[80];
        snprintf(labels, sizeof(labels), "event=\"%s\",outcome=\"%s\"", names[event],
                 is_new ? webhook_outcomes[hook->record.outcome] : "again");
        metric = rb_metric_counter("repobus_webhook_deliveries_total", labels,
                                   "Deliveries by event and what became of them");
        atomic_store(&metrics[event][is_new], metric);
    }
    rb_metric_add(metric, 1);
}

static void webhook_on_written(void *arg, rb_err err, enum webhook_fate fate, bool renamed)
{
    struct webhook *hook = arg;
    struct edge_exchange *exchange = hook->exchange;
    char body[64];
    if (err) {
        webhook_refuse_for_now(exchange);
    } else if (fate == WEBHOOK_ORPHAN && hook->record.reserved_id) {
        edge_add_header(exchange, "retry-after", "5");
        edge_answer_error(exchange, 503, "The repository is being connected: send it again in a moment");
    } else if (fate == WEBHOOK_ORPHAN) {
        webhook_refuse(exchange);
    } else {
        bool is_new = fate == WEBHOOK_NEW;
        webhook_count(hook, is_new);
        if (renamed)
            webhook_follow_name(hook);
        int len = snprintf(body, sizeof(body), "{\"status\":\"%s\"}",
                           is_new ? webhook_outcomes[hook->record.outcome] : "already received");
        edge_answer_json(exchange, 200, body, (size_t)len);
    }
}
