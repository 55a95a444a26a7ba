/*
 * POST /api/v1/repos/{owner}/{repo}/install: the flow that connects a repository, to be read from top to
 * bottom.
 *
 * A table of named steps. Each step starts one piece of work and names the step that goes on with its result,
 * or names the next step at once. The flow's state is a box that holds its exchange: a client that hangs up
 * changes nothing.
 *
 * What must hold after a crash between any two steps: no installation without its event (they are one
 * statement), no hook that nobody knows of (the row is reserved before GitHub is asked; the reconciler looks
 * for hooks of reservations that ran out).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/edge.h"

#define INSTALL_HOOK_PAGES 50 /* 100 hooks each: GitHub allows 20 per event, enterprises 250 */
#define INSTALL_WAITS \
    30 /* EDGE_PAUSE_MS each, while somebody else connects or disconnects the same repository */

struct install;
struct install_step {
    const char *name;
    const struct install_step *(*run)(struct install *in); /* NULL: waiting, or at the end */
};

/* The steps, in the order of the way through. */
#define INSTALL_STEPS(STEP)                                                                       \
    STEP(reserve)       /* the person, and a row that is unique per person and repository */      \
    STEP(reserved)      /* unknown, connected, under way, or go on; open the person's token */    \
    STEP(lost_the_race) /* another request of this person was first: connected or under way */    \
    STEP(look)          /* ask GitHub for the repository */                                       \
    STEP(seen)          /* is this person its admin? */                                           \
    STEP(identify)      /* its number and the hook's secret into the row; one person at a time */ \
    STEP(identified)                                                                              \
    STEP(make_hook)                                                                               \
    STEP(hook_answered)                                                                           \
    STEP(find_hook) /* one with our address exists: which? */                                     \
    STEP(hook_page)                                                                               \
    STEP(find_owner)  /* does an installation of ours own it? */                                  \
    STEP(owner_found) /* share it, or adopt it */                                                 \
    STEP(adopt_hook)                                                                              \
    STEP(hook_adopted)                                                                            \
    STEP(activate) /* installation and event, one statement */                                    \
    STEP(activated)                                                                               \
    STEP(fence) /* the outcome is unknown: what has not happened must not happen later */         \
    STEP(fenced)                                                                                  \
    STEP(read_back)                                                                               \
    STEP(outcome_read)                                                                            \
    STEP(connected)                                                                               \
    STEP(undo)      /* from here on: take back what was done, then answer */                      \
    STEP(undo_find) /* a hook may exist whose number we never heard */                            \
    STEP(undo_page)                                                                               \
    STEP(undo_owner)                                                                              \
    STEP(undo_owner_found)                                                                        \
    STEP(undo_hook)                                                                               \
    STEP(hook_undone)                                                                             \
    STEP(drop) /* the reservation */                                                              \
    STEP(dropped)                                                                                 \
    STEP(rename) /* it is connected by another name: GitHub's of now goes to the record */        \
    STEP(renamed)                                                                                 \
    STEP(refuse)

#define INSTALL_DECLARE(step)                                             \
    static const struct install_step *install_##step(struct install *in); \
    static const struct install_step step_##step = {#step, install_##step};
INSTALL_STEPS(INSTALL_DECLARE)

/* What is known of a hook on GitHub for this flow. */
enum install_hook {
    HOOK_NONE,     /* not asked for, or refused for certain */
    HOOK_DOUBTFUL, /* may exist without an owner: looked for when the flow fails */
    HOOK_COMING,   /* asked for, no clear answer: it may exist, or still come to be */
    HOOK_OURS,     /* made or adopted by this flow: goes with it when it fails */
    HOOK_SHARED,   /* belongs to another installation, too: never removed here */
};

struct install {
    struct edge_exchange *exchange;
    const struct install_step *next;
    const char *name; /* "owner/repo" as asked for, later as GitHub has it */
    const char *owner, *repo;
    int64_t installation_id, generation;
    char *token; /* the person's; wiped at the end */
    char secret[RB_HOOK_SECRET_SIZE];
    uint8_t sealed[RB_HOOK_SECRET_SIZE + RB_SEAL_OVERHEAD];
    size_t sealed_len;
    struct rb_github_repo about;
    enum install_hook hook;
    bool inherited; /* took the place of a reservation that ran out, which may have left a hook */
    int64_t hook_id;
    int page, waits;
    /* What the last piece of work gave. */
    rb_err err;
    const struct rb_rows *rows;
    struct rb_github_response *response;
    char sentence[512];
    /* The answer once everything is taken back. */
    int refusal;
    char refusal_text[640];
};

/* ---- driving ------------------------------------------------------------------------------------------ */

static void install_end(struct install *in)
{
    struct edge_exchange *exchange = in->exchange;
    rb_secret_free(in->token);
    rb_secret_wipe(in->secret, sizeof(in->secret));
    free(in);
    edge_release(exchange);
}

static void install_go(struct install *in, const struct install_step *step)
{
    while (step) {
        rb_log_debug("install %s: %s", in->name, step->name);
        step = step->run(in);
    }
}

static void install_on_rows(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct install *in = arg;
    in->err = err;
    in->rows = rows;
    install_go(in, in->next);
}

/* A write that everybody who connects makes. */
static const struct install_step *install_write(struct install *in, const struct rb_statement *statement,
                                                const struct rb_param *params, size_t count,
                                                const struct install_step *next)
{
    in->next = next;
    edge_query_grouped(in->exchange, statement, params, count, install_on_rows, in);
    return NULL;
}

static const struct install_step *install_query(struct install *in, const struct rb_statement *statement,
                                                const struct rb_param *params, size_t count,
                                                const struct install_step *next)
{
    in->next = next;
    edge_query(in->exchange, statement, params, count, install_on_rows, in);
    return NULL;
}

static void install_on_response(void *arg, struct rb_github_response *response)
{
    struct install *in = arg;
    in->response = response;
    install_go(in, in->next);
}

static const struct install_step *install_ask(struct install *in, struct rb_github_request *request,
                                              const struct install_step *next)
{
    in->next = next;
    edge_ask_github(in->exchange, request, in->token, install_on_response, in);
    return NULL;
}

static void install_on_pause(void *arg)
{
    struct install *in = arg;
    install_go(in, in->next);
}

/* The judgement of the last answer; its sentence is kept for the person. */
static rb_err install_judge(struct install *in, const char *what)
{
    in->err = rb_github_judge(in->sentence, sizeof(in->sentence), in->response, what, in->name);
    return in->err;
}

/* Decides what the person will be told once everything is taken back. */
static const struct install_step *install_fail(struct install *in, const char *why)
{
    in->refusal = 502;
    snprintf(in->refusal_text, sizeof(in->refusal_text), "Failed to install webhook: %.500s", why);
    return &step_undo;
}

/* A failed statement: the person hears that the database is away, whatever the cause. */
static const struct install_step *install_fail_database(struct install *in)
{
    rb_log_error("install %s: %s", in->name, rb_error_text());
    in->refusal = 503;
    snprintf(in->refusal_text, sizeof(in->refusal_text),
             "The database cannot be reached: nothing is connected yet, try again in a moment");
    return &step_undo;
}

/* ---- the way through ---------------------------------------------------------------------------------- */

void edge_install(struct edge_exchange *exchange)
{
    struct install *in = rb_calloc(1, sizeof(*in));
    in->exchange = exchange;
    in->owner = exchange->owner;
    in->repo = exchange->repo;
    in->name = rb_arena_printf(exchange->arena, "%s/%s", exchange->owner, exchange->repo);
    edge_hold(exchange);
    install_go(in, &step_reserve);
}

/*
 * The person, what is there already, and the reservation, in one round trip. A reservation of this person
 * that ran out is replaced; had it got as far as a repository's number, it may have left a hook, and that
 * knowledge goes over into the new row. The secret comes later, since the row's id is bound into its seal.
 *
 * What is reserved has a reserved_until (a check of the table), and the statements of this flow ask for that
 * rather than for the state: the planner takes the index of all reservations for nearly empty, and would walk
 * it instead of finding one by its key.
 */
static const struct install_step *install_reserve(struct install *in)
{
    static const struct rb_statement statement = {
        "install_reserve",
        "with person as (select u.id, u.token_sealed from " EDGE_PERSON "), "
        "live as (select state from installations where user_id = $1 and lower(repo_full_name) = "
        "lower($3) and (state = 'active' or (state = 'reserved' and reserved_until >= now()))), "
        "gone as (delete from installations where user_id = $1 and lower(repo_full_name) = lower($3) "
        "and state in ('reserved', 'active') and reserved_until < now() returning repo_id), "
        "made as (insert into installations (user_id, repo_full_name, webhook_secret, state, "
        "generation, reserved_until, repo_id) select id, $3, '', 'reserved', nextval('generations'), "
        "now() + make_interval(secs => $4), (select max(repo_id) from gone) from person "
        "where not exists (select from live) on conflict do nothing returning id, generation, repo_id) "
        "select live.state, made.id, made.generation, made.repo_id, person.token_sealed from person "
        "left join live on true left join made on true"};
    struct rb_param params[] = {EDGE_P_PERSON(in->exchange), RB_P_TEXT(in->name),
                                RB_P_INT(in->exchange->edge->settings.reservation_seconds)};
    return install_write(in, &statement, params, 4, &step_reserved);
}

static void install_inherit(struct install *in, int64_t repo_id)
{
    in->inherited = true;
    in->hook = HOOK_DOUBTFUL;
    in->about.id = repo_id;
}

/* This person has a live installation of it already, which was not seen before: connected or under way? */
static const struct install_step *install_look_at_rival(struct install *in)
{
    static const struct rb_statement statement = {
        "install_rival",
        "select state from installations where user_id = $1 and id <> $2 and state in ('reserved', 'active') "
        "and (lower(repo_full_name) = lower($3) or repo_id = $4) order by state limit 1"};
    struct rb_param params[] = {RB_P_INT(in->exchange->user_id), RB_P_INT(in->installation_id),
                                RB_P_TEXT(in->name), RB_P_INT(in->about.id)};
    return install_query(in, &statement, params, 4, &step_lost_the_race);
}

static const struct install_step *install_reserved(struct install *in)
{
    if (in->err) {
        edge_answer_no_database(in->exchange);
        install_end(in);
        return NULL;
    }
    if (rb_rows_count(in->rows) == 0) {
        in->refusal = 401;
        snprintf(in->refusal_text, sizeof(in->refusal_text), "Unauthorized");
        return &step_refuse;
    }
    if (!rb_rows_is_null(in->rows, 0, 0))
        return &step_lost_the_race;
    if (rb_rows_is_null(in->rows, 0, 1))
        return install_look_at_rival(in);
    in->installation_id = rb_rows_int(in->rows, 0, 1);
    in->generation = rb_rows_int(in->rows, 0, 2);
    if (!rb_rows_is_null(in->rows, 0, 3))
        install_inherit(in, rb_rows_int(in->rows, 0, 3));
    size_t len = 0;
    const uint8_t *sealed = rb_rows_bytes(in->rows, 0, 4, &len);
    if (edge_open_token(&in->token, in->exchange, sealed, len)) {
        in->refusal = 401;
        snprintf(in->refusal_text, sizeof(in->refusal_text),
                 "Session expired \xe2\x80\x94 please log out and sign in again.");
        return in->inherited ? &step_refuse : &step_drop; /* a hook that may be left is the reconciler's */
    }
    return &step_look;
}

static const struct install_step *install_lost_the_race(struct install *in)
{
    if (in->err)
        return install_fail_database(in);
    /* A rival that is gone again has just failed: that it was under way is as true. */
    bool connected = rb_rows_count(in->rows) > 0 && strcmp(rb_rows_text(in->rows, 0, 0), "active") == 0;
    in->refusal = connected ? 400 : 409;
    snprintf(in->refusal_text, sizeof(in->refusal_text), "%s",
             connected ? "Repo already connected" : "Repo is being connected");
    return in->installation_id ? &step_undo : &step_refuse;
}

static const struct install_step *install_look(struct install *in)
{
    struct rb_github_request request;
    rb_github_get_repo(&request, in->owner, in->repo);
    return install_ask(in, &request, &step_seen);
}

static const struct install_step *install_seen(struct install *in)
{
    /* Everything here is about hooks: a token that may not touch them is told so from the start. */
    if (install_judge(in, "read repository for its hooks"))
        return install_fail(in, in->sentence);
    if (rb_github_read_repo(&in->about, in->response))
        return install_fail(in, rb_error_text());
    /* Whatever the name's case or an old name was, from here on it is GitHub's. */
    struct rb_arena *arena = in->exchange->arena;
    in->name = rb_arena_strdup(arena, in->about.full_name);
    const char *slash = strchr(in->name, '/');
    in->owner = rb_arena_strndup(arena, in->name, (size_t)(slash - in->name));
    in->repo = slash + 1;
    if (!in->about.admin) {
        snprintf(in->sentence, sizeof(in->sentence), "you need admin rights on %s to install webhooks",
                 in->name);
        return install_fail(in, in->sentence);
    }
    return &step_identify;
}

/*
 * From here on this flow is the only one that connects this repository (index installations_connecting):
 * a hook that exists without an active owner is then nobody's, whoever made it, and one with an owner is not
 * about to be removed (a disconnect is in the same index). A reservation of another person that ran out gives
 * way, and what it may have left on GitHub is this flow's to find.
 */
static const struct install_step *install_identify(struct install *in)
{
    static const struct rb_statement statement = {
        "install_identify",
        "with gone as (delete from installations where repo_id = $2 and id <> $1 and state = 'reserved' and "
        "reserved_until < now() returning 1) "
        "update installations set repo_id = $2, repo_full_name = $3, default_branch = nullif($4, ''), "
        "webhook_secret = $7, reserved_until = now() + make_interval(secs => $6) from (select count(*) as "
        "count from gone) g "
        "where id = $1 and reserved_until is not null and generation = $5 returning g.count"};
    if (!*in->secret) { /* not when it waits for another's connect and comes here again */
        rb_hook_secret_make(in->secret);
        in->err = rb_seal(in->sealed, &in->sealed_len, in->exchange->edge->keyring, RB_PURPOSE_HOOK_SECRET,
                          in->installation_id, in->secret, strlen(in->secret));
        if (in->err)
            return install_fail_database(in);
    }
    struct rb_param params[] = {RB_P_INT(in->installation_id),
                                RB_P_INT(in->about.id),
                                RB_P_TEXT(in->name),
                                RB_P_TEXT(in->about.default_branch),
                                RB_P_INT(in->generation),
                                RB_P_INT(in->exchange->edge->settings.reservation_seconds),
                                RB_P_BYTES(in->sealed, in->sealed_len)};
    return install_write(in, &statement, params, 7, &step_identified);
}

static const struct install_step *install_identified(struct install *in)
{
    if (in->err == RB_ECONFLICT && strstr(rb_error_text(), "installations_connecting")) {
        if (in->waits++ >= INSTALL_WAITS)
            return install_fail(in, "somebody else is connecting or disconnecting this repository right now: "
                                    "try again in a minute");
        in->next = &step_identify;
        edge_pause(in->exchange, install_on_pause, in);
        return NULL;
    }
    if (in->err == RB_ECONFLICT) /* the same repository by another name */
        return install_look_at_rival(in);
    if (in->err)
        return install_fail_database(in);
    if (rb_rows_count(in->rows) == 0) /* the reservation ran out and was cleaned up */
        return install_fail(in, "it took too long: try again");
    if (rb_rows_int(in->rows, 0, 0) > 0)
        install_inherit(in, in->about.id);
    return &step_make_hook;
}

static const struct install_step *install_make_hook(struct install *in)
{
    struct rb_github_request request;
    const struct rb_github_hook_config config = {.url = in->exchange->edge->settings.hook_url,
                                                 .secret = in->secret};
    rb_github_create_hook(&request, in->owner, in->repo, &config);
    in->hook = HOOK_COMING;
    return install_ask(in, &request, &step_hook_answered);
}

static const struct install_step *install_hook_answered(struct install *in)
{
    rb_err err = install_judge(in, "create hook");
    /* A clear refusal made nothing. A 5xx, a cut or silence may have, now or in a moment. */
    if (in->response->status >= 200 && in->response->status < 500)
        in->hook = HOOK_DOUBTFUL;
    if (err == RB_ECONFLICT) {
        in->page = 1;
        return &step_find_hook;
    }
    if (err) {
        if (in->hook == HOOK_DOUBTFUL && !in->inherited)
            in->hook = HOOK_NONE;
        return install_fail(in, in->sentence);
    }
    if (rb_github_read_hook_id(&in->hook_id, in->response))
        return install_fail(in, rb_error_text());
    in->hook = HOOK_OURS;
    return &step_activate;
}

/* ---- a hook with our address exists already ----------------------------------------------------------- */

static const struct install_step *install_find_hook(struct install *in)
{
    struct rb_github_request request;
    rb_github_list_hooks(&request, in->owner, in->repo, in->page);
    return install_ask(in, &request, &step_hook_page);
}

static const struct install_step *install_hook_page(struct install *in)
{
    if (install_judge(in, "list hooks"))
        return install_fail(in, in->sentence);
    rb_err err = rb_github_find_hook(&in->hook_id, in->response, in->exchange->edge->settings.hook_url);
    if (err == RB_OK)
        return &step_find_owner;
    if (err != RB_ENOTFOUND)
        return install_fail(in, rb_error_text());
    if (in->response->has_next && in->page++ < INSTALL_HOOK_PAGES)
        return &step_find_hook;
    in->hook = HOOK_NONE; /* none that we could remove */
    snprintf(
        in->sentence, sizeof(in->sentence),
        "a webhook with our address exists on %s but is hidden from us, since it was made through another "
        "application: remove it in the repository's settings and try again",
        in->name);
    return install_fail(in, in->sentence);
}

static const struct install_step *install_find_owner(struct install *in)
{
    static const struct rb_statement statement = {
        "install_owner",
        "select id, webhook_secret from installations where state = 'active' and webhook_id = $1 "
        "order by id limit 1"};
    struct rb_param params[] = {RB_P_INT(in->hook_id)};
    return install_query(in, &statement, params, 1, &step_owner_found);
}

static const struct install_step *install_share(struct install *in)
{
    char *secret = NULL;
    size_t len = 0;
    const uint8_t *sealed = rb_rows_bytes(in->rows, 0, 1, &len);
    const struct rb_keyring *keyring = in->exchange->edge->keyring;
    if (edge_open_hook_secret(&secret, in->exchange, rb_rows_int(in->rows, 0, 0), sealed, len))
        return &step_adopt_hook; /* nobody holds its secret any more */
    snprintf(in->secret, sizeof(in->secret), "%s", secret);
    rb_secret_free(secret);
    if (rb_seal(in->sealed, &in->sealed_len, keyring, RB_PURPOSE_HOOK_SECRET, in->installation_id, in->secret,
                strlen(in->secret)))
        return install_fail_database(in);
    in->hook = HOOK_SHARED;
    return &step_activate;
}

static const struct install_step *install_owner_found(struct install *in)
{
    if (in->err)
        return install_fail_database(in);
    return rb_rows_count(in->rows) == 0 ? &step_adopt_hook : install_share(in);
}

static const struct install_step *install_adopt_hook(struct install *in)
{
    struct rb_github_request request;
    const struct rb_github_hook_config config = {.url = in->exchange->edge->settings.hook_url,
                                                 .secret = in->secret};
    rb_github_update_hook(&request, in->owner, in->repo, in->hook_id, &config);
    return install_ask(in, &request, &step_hook_adopted);
}

static const struct install_step *install_hook_adopted(struct install *in)
{
    int64_t id = 0;
    if (install_judge(in, "update hook"))
        return install_fail(in, in->sentence);
    if (rb_github_read_hook_id(&id, in->response)) /* did it take the new secret? Nobody knows */
        return install_fail(in, rb_error_text());
    in->hook = HOOK_OURS;
    return &step_activate;
}

/* ---- the record and its event ------------------------------------------------------------------------- */

static const struct install_step *install_activate(struct install *in)
{
    static const struct rb_statement statement = {
        "install_activate",
        "with activated as (update installations set state = 'active', reserved_until = "
        "null, webhook_id = $3, "
        "webhook_secret = $4, connected_at = now(), checked_at = now() where id = $1 and generation = $2 and "
        "reserved_until is not null returning id), " EDGE_OUTBOX(
            "activated", "$5", "$6", "$7",
            "$8") "select (select count(*) from activated), (select count(*) from told)"};
    struct edge_event event;
    rb_err err = edge_event_make(
        &event, in->exchange->traceparent, RB_REPO_CONNECTED,
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:s?}", "installation_id", in->installation_id,
                  "generation", in->generation, "repo_id", in->about.id, "repo", in->name, "owner", in->owner,
                  "name", in->repo, "user_id", in->exchange->user_id, "webhook_id", in->hook_id,
                  "default_branch", *in->about.default_branch ? in->about.default_branch : NULL));
    if (err) {
        rb_buf_free(&event.body);
        return install_fail(in, rb_error_text());
    }
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation),
                                RB_P_INT(in->hook_id),         RB_P_BYTES(in->sealed, in->sealed_len),
                                RB_P_TEXT(event.id),           RB_P_TEXT(RB_REPO_CONNECTED),
                                RB_P_TEXT(event.trace),        RB_P_TEXT(event.body.data)};
    install_write(in, &statement, params, 8, &step_activated);
    rb_buf_free(&event.body); /* arguments are copied */
    return NULL;
}

static const struct install_step *install_activated(struct install *in)
{
    if (in->err == RB_ETIMEOUT || in->err == RB_EUNAVAILABLE)
        return &step_fence;
    if (in->err)
        return install_fail_database(in);
    if (rb_rows_int(in->rows, 0, 0) == 1)
        return &step_connected;
    /* The reservation ran out and somebody cleaned up: so does this flow. */
    return install_fail(in, "it took too long: try again");
}

/* The statement may not have arrived, may have been committed, or may still wait for a lock over there and be
 * committed later. A new generation makes sure of the last: it cannot activate this row any more. */
static const struct install_step *install_fence(struct install *in)
{
    static const struct rb_statement statement = {
        "install_fence", "update installations set generation = nextval('generations') where id = $1 and "
                         "generation = $2 and reserved_until is not null returning generation"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation)};
    return install_query(in, &statement, params, 2, &step_fenced);
}

static const struct install_step *install_outcome_unknown(struct install *in)
{
    /* Nothing may be taken back that may have been committed: the reservation, if it is one still, is the
     * reconciler's. */
    rb_log_error("install %s: the outcome is unknown: %s", in->name, rb_error_text());
    in->refusal = 503;
    snprintf(in->refusal_text, sizeof(in->refusal_text),
             "The database was lost while connecting: look whether the repository is connected, else try "
             "again in a minute");
    return &step_refuse;
}

static const struct install_step *install_fenced(struct install *in)
{
    if (in->err)
        return install_outcome_unknown(in);
    if (rb_rows_count(in->rows) == 0)
        return &step_read_back; /* active, or no more there */
    in->generation = rb_rows_int(in->rows, 0, 0);
    rb_error_set(RB_EUNAVAILABLE, "the database was lost before the installation was written");
    return install_fail_database(in);
}

static const struct install_step *install_read_back(struct install *in)
{
    static const struct rb_statement statement = {
        "install_read_back",
        "select 1 from installations where id = $1 and generation = $2 and state = 'active'"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation)};
    return install_query(in, &statement, params, 2, &step_outcome_read);
}

static const struct install_step *install_outcome_read(struct install *in)
{
    if (in->err)
        return install_outcome_unknown(in);
    return rb_rows_count(in->rows) > 0 ? &step_connected : install_fail(in, "it took too long: try again");
}

static const struct install_step *install_connected(struct install *in)
{
    char body[320];
    int len = snprintf(body, sizeof(body),
                       "{\"status\":\"connected\",\"installation_id\":%" PRId64 ",\"repo\":\"%s\"}",
                       in->installation_id, in->name); /* a checked name needs no escaping */
    rb_log_info("connected repo=%s installation=%" PRId64 " hook=%" PRId64, in->name, in->installation_id,
                in->hook_id);
    edge_answer_json(in->exchange, 200, body, (size_t)len);
    install_end(in);
    return NULL;
}

/* ---- taking back -------------------------------------------------------------------------------------- */

static const struct install_step *install_undo(struct install *in)
{
    if (in->hook == HOOK_OURS)
        return &step_undo_owner;
    in->page = 1;
    return in->hook == HOOK_DOUBTFUL || in->hook == HOOK_COMING ? &step_undo_find : &step_drop;
}

static const struct install_step *install_undo_find(struct install *in)
{
    struct rb_github_request request;
    rb_github_list_hooks(&request, in->owner, in->repo, in->page);
    return install_ask(in, &request, &step_undo_page);
}

static const struct install_step *install_undo_page(struct install *in)
{
    char ignored[512];
    /* Where it cannot be found out now, or GitHub may still be about to make it, the reservation stays for
     * the reconciler, which looks again when it has run out. */
    if (rb_github_judge(ignored, sizeof(ignored), in->response, "list hooks", in->name))
        return &step_refuse;
    rb_err err = rb_github_find_hook(&in->hook_id, in->response, in->exchange->edge->settings.hook_url);
    if (err == RB_OK)
        return &step_undo_owner;
    if (err == RB_ENOTFOUND && in->response->has_next && in->page++ < INSTALL_HOOK_PAGES)
        return &step_undo_find;
    return in->hook == HOOK_COMING ? &step_refuse : &step_drop;
}

/* A flow whose reservation ran out may find that somebody else has taken its hook over, or is about to. */
static const struct install_step *install_undo_owner(struct install *in)
{
    static const struct rb_statement statement = {
        "install_undo_owner",
        "select 1 from installations where id <> $1 and ((state = 'active' and webhook_id = $2) or "
        "(state = 'reserved' and repo_id = $3)) limit 1"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->hook_id), RB_P_INT(in->about.id)};
    return install_query(in, &statement, params, 3, &step_undo_owner_found);
}

static const struct install_step *install_undo_owner_found(struct install *in)
{
    if (in->err)
        return &step_refuse;
    return rb_rows_count(in->rows) == 0 ? &step_undo_hook : &step_drop;
}

static const struct install_step *install_undo_hook(struct install *in)
{
    struct rb_github_request request;
    rb_github_delete_hook(&request, in->owner, in->repo, in->hook_id);
    return install_ask(in, &request, &step_hook_undone);
}

static const struct install_step *install_hook_undone(struct install *in)
{
    /* 204 alone says so. A 404 may also mean that this person may not any more: the reconciler looks again.
     */
    return in->response->status == 204 ? &step_drop : &step_refuse;
}

static const struct install_step *install_drop(struct install *in)
{
    static const struct rb_statement statement = {
        "install_drop", "delete from installations where id = $1 and generation = $2 and state = 'reserved'"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation)};
    return install_query(in, &statement, params, 2, &step_dropped);
}

static const struct install_step *install_dropped(struct install *in)
{
    if (in->err)
        rb_log_warn("install %s: the reservation stays until it runs out: %s", in->name, rb_error_text());
    return !in->err && in->refusal == 400 && *in->about.full_name ? &step_rename : &step_refuse;
}

static const struct install_step *install_rename(struct install *in)
{
    static const struct rb_statement statement = {
        "install_rename", "update installations set repo_full_name = $3 where user_id = $1 and repo_id = $2 "
                          "and state = 'active' and repo_full_name <> $3"};
    struct rb_param params[] = {RB_P_INT(in->exchange->user_id), RB_P_INT(in->about.id),
                                RB_P_TEXT(in->about.full_name)};
    return install_query(in, &statement, params, 3, &step_renamed);
}

static const struct install_step *install_renamed(struct install *in)
{
    if (in->err)
        rb_log_warn("install %s: the installation keeps its old name: %s", in->name, rb_error_text());
    return &step_refuse;
}

static const struct install_step *install_refuse(struct install *in)
{
    if (in->refusal >= 500)
        rb_log_warn("not connected repo=%s: %s", in->name, in->refusal_text);
    edge_answer_error(in->exchange, in->refusal, "%s", in->refusal_text);
    install_end(in);
    return NULL;
}
