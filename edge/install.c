/*
 * POST /api/v1/repos/{owner}/{repo}/install: the flow that connects a repository, to be read from top to
 * bottom.
 *
 * What must hold after a crash between any two steps: no installation without its event (they are one
 * statement), no hook that nobody knows of (the row is reserved before a hook is asked for; the reconciler
 * looks for hooks of reservations that ran out).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/flow.h"
#include "edge/repos.h"

#define INSTALL_HOOK_PAGES 50 /* 100 hooks each: GitHub allows 20 per event, enterprises 250 */
#define INSTALL_WAITS \
    30 /* EDGE_PAUSE_MS each, while somebody else connects or disconnects the same repository */

/* The steps, in the order of the way through. */
#define INSTALL_STEPS(STEP)                                                                    \
    STEP(find)    /* the person, and what is there by that name */                             \
    STEP(found)   /* unknown, connected, under way, or go on; open the person's token */       \
    STEP(look)    /* ask GitHub for the repository */                                          \
    STEP(seen)    /* is this person its admin? */                                              \
    STEP(reserve) /* a row that is unique per repository, with the hook's secret */            \
    STEP(reserved)                                                                             \
    STEP(lost_the_race) /* this person was first: connected or under way; or somebody: wait */ \
    STEP(make_hook)                                                                            \
    STEP(hook_answered)                                                                        \
    STEP(find_hook) /* one with our address exists: which? */                                  \
    STEP(hook_page)                                                                            \
    STEP(find_owner)  /* does an installation of ours own it? */                               \
    STEP(owner_found) /* share it, or adopt it */                                              \
    STEP(adopt_hook)                                                                           \
    STEP(hook_adopted)                                                                         \
    STEP(activate) /* installation and event, one statement */                                 \
    STEP(activated)                                                                            \
    STEP(fence) /* the outcome is unknown: what has not happened must not happen later */      \
    STEP(fenced)                                                                               \
    STEP(read_back)                                                                            \
    STEP(outcome_read)                                                                         \
    STEP(connected)                                                                            \
    STEP(undo)      /* from here on: take back what was done, then answer */                   \
    STEP(undo_find) /* a hook may exist whose number we never heard */                         \
    STEP(undo_page)                                                                            \
    STEP(undo_owner)                                                                           \
    STEP(undo_owner_found)                                                                     \
    STEP(undo_hook)                                                                            \
    STEP(hook_undone)                                                                          \
    STEP(drop) /* the reservation */                                                           \
    STEP(dropped)                                                                              \
    STEP(rename)                                                                               \
    STEP(renamed)                                                                              \
    STEP(refuse)

struct install;
#define INSTALL_STEP(step) EDGE_FLOW_STEP(install, step)
INSTALL_STEPS(INSTALL_STEP)

/* What is known of a hook on GitHub for this flow. */
enum install_hook {
    HOOK_NONE,     /* not asked for, or refused for certain */
    HOOK_DOUBTFUL, /* may exist without an owner: looked for when the flow fails */
    HOOK_COMING,   /* asked for, no clear answer: it may exist, or still come to be */
    HOOK_OURS,     /* made or adopted by this flow: goes with it when it fails */
    HOOK_SHARED,   /* belongs to another installation, too: never removed here */
};

struct install {
    struct edge_flow flow;
    const char *name; /* "owner/repo" as asked for, later as GitHub has it */
    const char *owner, *repo;
    int64_t installation_id, generation;
    char *token; /* the person's; wiped at the end */
    char secret[RB_HOOK_SECRET_SIZE];
    uint8_t sealed[RB_HOOK_SECRET_SIZE + RB_SEAL_OVERHEAD];
    size_t sealed_len;
    struct rb_github_repo about;
    enum install_hook hook;
    bool is_reserved; /* a row of ours may be there */
    bool inherited;   /* took the place of a reservation that ran out, which may have left a hook */
    int64_t hook_id;
    int page, waits;
    char sentence[512];
    /* The answer once everything is taken back. */
    int refusal;
    char refusal_text[640];
};

/* ---- ends --------------------------------------------------------------------------------------------- */

static const struct edge_step *install_end(struct install *in)
{
    rb_secret_free(in->token);
    rb_secret_wipe(in->secret, sizeof(in->secret));
    return edge_flow_end(&in->flow);
}

/* The judgement of the last answer; its sentence is kept for the person. */
static rb_err install_judge(struct install *in, const char *what)
{
    in->flow.err = rb_github_judge(in->sentence, sizeof(in->sentence), in->flow.response, what, in->name);
    return in->flow.err;
}

/* Decides what the person will be told once everything is taken back. */
static const struct edge_step *install_fail(struct install *in, const char *why)
{
    in->refusal = 502;
    snprintf(in->refusal_text, sizeof(in->refusal_text), "Failed to install webhook: %.500s", why);
    return &step_undo;
}

/* A failed statement: the person hears that the database is away, whatever the cause. */
static const struct edge_step *install_fail_database(struct install *in)
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
    struct install *in = edge_flow_new(exchange, sizeof(*in));
    in->owner = exchange->owner;
    in->repo = exchange->repo;
    in->name = edge_repo_name(exchange);
    edge_flow_go(&in->flow, &step_find);
}

/* The numbers are drawn here, since the row's id is bound into the seal of the secret that the row holds. */
static const struct edge_step *install_find(struct install *in)
{
    static const struct rb_statement statement = {
        "install_find",
        "select i.state, u.token_sealed, nextval('installations_id_seq'), "
        "nextval('generations') " EDGE_REPO_BY_NAME " and (i.state = 'active' or i.reserved_until >= now())"};
    struct rb_param params[] = {EDGE_P_PERSON(in->flow.exchange), RB_P_TEXT(in->name)};
    return edge_flow_query(&in->flow, &statement, params, 3, &step_found);
}

static const struct edge_step *install_refuse_with(struct install *in, int status, const char *text)
{
    in->refusal = status;
    snprintf(in->refusal_text, sizeof(in->refusal_text), "%s", text);
    return &step_undo;
}

/* What this person has of it already. */
static const struct edge_step *install_refuse_as(struct install *in, const char *state)
{
    return strcmp(state, "active") == 0 ? install_refuse_with(in, 400, "Repo already connected")
                                        : install_refuse_with(in, 409, "Repo is being connected");
}

static const struct edge_step *install_found(struct install *in)
{
    if (in->flow.err) {
        edge_answer_no_database(in->flow.exchange);
        return install_end(in);
    }
    if (rb_rows_count(in->flow.rows) == 0)
        return install_refuse_with(in, 401, "Unauthorized");
    if (!rb_rows_is_null(in->flow.rows, 0, 0))
        return install_refuse_as(in, rb_rows_text(in->flow.rows, 0, 0));
    in->installation_id = rb_rows_int(in->flow.rows, 0, 2);
    in->generation = rb_rows_int(in->flow.rows, 0, 3);
    size_t len = 0;
    const uint8_t *sealed = rb_rows_bytes(in->flow.rows, 0, 1, &len);
    if (edge_open_token(&in->token, in->flow.exchange, sealed, len))
        return install_refuse_with(in, 401, EDGE_SESSION_EXPIRED);
    rb_hook_secret_make(in->secret);
    if (rb_seal(in->sealed, &in->sealed_len, in->flow.exchange->edge->keyring, RB_PURPOSE_HOOK_SECRET,
                in->installation_id, in->secret, strlen(in->secret)))
        return install_fail_database(in);
    return &step_look;
}

static const struct edge_step *install_look(struct install *in)
{
    struct rb_github_request request;
    rb_github_get_repo(&request, in->owner, in->repo);
    return edge_flow_ask(&in->flow, &request, in->token, &step_seen);
}

static const struct edge_step *install_seen(struct install *in)
{
    /* Everything here is about hooks: a token that may not touch them is told so from the start. */
    if (install_judge(in, "read repository for its hooks"))
        return install_fail(in, in->sentence);
    if (rb_github_read_repo(&in->about, in->flow.response))
        return install_fail(in, rb_error_text());
    /* Whatever the name's case or an old name was, from here on it is GitHub's. */
    struct rb_arena *arena = in->flow.exchange->arena;
    in->name = rb_arena_strdup(arena, in->about.full_name);
    const char *slash = strchr(in->name, '/');
    in->owner = rb_arena_strndup(arena, in->name, (size_t)(slash - in->name));
    in->repo = slash + 1;
    if (!in->about.admin) {
        snprintf(in->sentence, sizeof(in->sentence), "you need admin rights on %s to install webhooks",
                 in->name);
        return install_fail(in, in->sentence);
    }
    return &step_reserve;
}

/*
 * From here on this flow is the only one that connects this repository (index installations_connecting):
 * a hook that exists without an active owner is then nobody's, whoever made it, and one with an owner is not
 * about to be removed (a disconnect is in the same index). A reservation that ran out gives way, whose ever
 * it was: its row becomes this flow's, and what it may have left on GitHub is this flow's to find. No row:
 * there is another that has not run out.
 *
 * What is reserved has a reserved_until (a check of the table), and the statements of this flow ask for that
 * rather than for the state: the planner takes the index of all reservations for nearly empty, and would walk
 * it instead of finding one by its key.
 */
static const struct edge_step *install_reserve(struct install *in)
{
    static const struct rb_statement statement = {
        "install_reserve",
        "insert into installations as i (id, user_id, repo_id, repo_full_name, default_branch, "
        "webhook_secret, "
        "state, generation, reserved_until) values ($1, $2, $3, $4, nullif($5, ''), $6, 'reserved', $7, "
        "now() + "
        "make_interval(secs => $8)) on conflict (repo_id) where state = 'reserved' or leaving_until is not "
        "null "
        "do update set id = excluded.id, user_id = excluded.user_id, repo_full_name = "
        "excluded.repo_full_name, "
        "default_branch = excluded.default_branch, webhook_secret = excluded.webhook_secret, generation = "
        "excluded.generation, reserved_until = excluded.reserved_until, created_at = excluded.created_at "
        "where i.reserved_until < now() returning i.xmax <> 0"};
    struct rb_param params[] = {RB_P_INT(in->installation_id),
                                RB_P_INT(in->flow.exchange->user_id),
                                RB_P_INT(in->about.id),
                                RB_P_TEXT(in->name),
                                RB_P_TEXT(in->about.default_branch),
                                RB_P_BYTES(in->sealed, in->sealed_len),
                                RB_P_INT(in->generation),
                                RB_P_INT(in->flow.exchange->edge->settings.reservation_seconds)};
    in->is_reserved = true; /* also when the answer is lost */
    return edge_flow_write(&in->flow, &statement, params, 8, &step_reserved);
}

/* This person has a live installation of it, by this name or another: connected or under way? */
static const struct edge_step *install_look_at_rival(struct install *in)
{
    static const struct rb_statement statement = {
        "install_rival",
        "select state from installations where user_id = $1 and state in ('reserved', 'active') "
        "and (lower(repo_full_name) = lower($2) or repo_id = $3) order by state limit 1"};
    struct rb_param params[] = {RB_P_INT(in->flow.exchange->user_id), RB_P_TEXT(in->name),
                                RB_P_INT(in->about.id)};
    return edge_flow_query(&in->flow, &statement, params, 3, &step_lost_the_race);
}

static const struct edge_step *install_reserved(struct install *in)
{
    if (in->flow.err && in->flow.err != RB_ECONFLICT)
        return install_fail_database(in);
    if (in->flow.err || rb_rows_count(in->flow.rows) == 0) {
        in->is_reserved = false;
        return install_look_at_rival(in);
    }
    in->inherited = rb_rows_bool(in->flow.rows, 0, 0);
    if (in->inherited)
        in->hook = HOOK_DOUBTFUL;
    return &step_make_hook;
}

static const struct edge_step *install_lost_the_race(struct install *in)
{
    if (in->flow.err)
        return install_fail_database(in);
    if (rb_rows_count(in->flow.rows) > 0)
        return install_refuse_as(in, rb_rows_text(in->flow.rows, 0, 0));
    if (in->waits++ < INSTALL_WAITS)
        return edge_flow_pause(&in->flow, &step_reserve);
    return install_fail(in, "somebody else is connecting or disconnecting this repository right now: "
                            "try again in a minute");
}

static const struct edge_step *install_make_hook(struct install *in)
{
    struct rb_github_request request;
    const struct rb_github_hook_config config = {.url = in->flow.exchange->edge->settings.hook_url,
                                                 .secret = in->secret};
    rb_github_create_hook(&request, in->owner, in->repo, &config);
    in->hook = HOOK_COMING;
    return edge_flow_ask(&in->flow, &request, in->token, &step_hook_answered);
}

static const struct edge_step *install_hook_answered(struct install *in)
{
    rb_err err = install_judge(in, "create hook");
    /* A clear refusal made nothing. A 5xx, a cut or silence may have, now or in a moment. */
    if (in->flow.response->status >= 200 && in->flow.response->status < 500)
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
    if (rb_github_read_hook_id(&in->hook_id, in->flow.response))
        return install_fail(in, rb_error_text());
    in->hook = HOOK_OURS;
    return &step_activate;
}

/* ---- a hook with our address exists already ----------------------------------------------------------- */

static const struct edge_step *install_find_hook(struct install *in)
{
    struct rb_github_request request;
    rb_github_list_hooks(&request, in->owner, in->repo, in->page);
    return edge_flow_ask(&in->flow, &request, in->token, &step_hook_page);
}

static const struct edge_step *install_hook_page(struct install *in)
{
    if (install_judge(in, "list hooks"))
        return install_fail(in, in->sentence);
    rb_err err =
        rb_github_find_hook(&in->hook_id, in->flow.response, in->flow.exchange->edge->settings.hook_url);
    if (err == RB_OK)
        return &step_find_owner;
    if (err != RB_ENOTFOUND)
        return install_fail(in, rb_error_text());
    if (in->flow.response->has_next && in->page++ < INSTALL_HOOK_PAGES)
        return &step_find_hook;
    in->hook = HOOK_NONE; /* none that we could remove */
    snprintf(
        in->sentence, sizeof(in->sentence),
        "a webhook with our address exists on %s but is hidden from us, since it was made through another "
        "application: remove it in the repository's settings and try again",
        in->name);
    return install_fail(in, in->sentence);
}

static const struct edge_step *install_find_owner(struct install *in)
{
    static const struct rb_statement statement = {
        "install_owner",
        "select id, webhook_secret from installations where state = 'active' and webhook_id = $1 "
        "order by id limit 1"};
    struct rb_param params[] = {RB_P_INT(in->hook_id)};
    return edge_flow_query(&in->flow, &statement, params, 1, &step_owner_found);
}

static const struct edge_step *install_share(struct install *in)
{
    char *secret = NULL;
    size_t len = 0;
    const uint8_t *sealed = rb_rows_bytes(in->flow.rows, 0, 1, &len);
    const struct rb_keyring *keyring = in->flow.exchange->edge->keyring;
    if (edge_open_hook_secret(&secret, in->flow.exchange, rb_rows_int(in->flow.rows, 0, 0), sealed, len))
        return &step_adopt_hook; /* nobody holds its secret any more */
    snprintf(in->secret, sizeof(in->secret), "%s", secret);
    rb_secret_free(secret);
    if (rb_seal(in->sealed, &in->sealed_len, keyring, RB_PURPOSE_HOOK_SECRET, in->installation_id, in->secret,
                strlen(in->secret)))
        return install_fail_database(in);
    in->hook = HOOK_SHARED;
    return &step_activate;
}

static const struct edge_step *install_owner_found(struct install *in)
{
    if (in->flow.err)
        return install_fail_database(in);
    return rb_rows_count(in->flow.rows) == 0 ? &step_adopt_hook : install_share(in);
}

static const struct edge_step *install_adopt_hook(struct install *in)
{
    struct rb_github_request request;
    const struct rb_github_hook_config config = {.url = in->flow.exchange->edge->settings.hook_url,
                                                 .secret = in->secret};
    rb_github_update_hook(&request, in->owner, in->repo, in->hook_id, &config);
    return edge_flow_ask(&in->flow, &request, in->token, &step_hook_adopted);
}

static const struct edge_step *install_hook_adopted(struct install *in)
{
    int64_t id = 0;
    if (install_judge(in, "update hook"))
        return install_fail(in, in->sentence);
    if (rb_github_read_hook_id(&id, in->flow.response)) /* did it take the new secret? Nobody knows */
        return install_fail(in, rb_error_text());
    in->hook = HOOK_OURS;
    return &step_activate;
}

/* ---- the record and its event ------------------------------------------------------------------------- */

static const struct edge_step *install_activate(struct install *in)
{
    static const struct rb_statement statement = {
        "install_activate",
        "with activated as (update installations set state = 'active', reserved_until = "
        "null, webhook_id = $3, "
        "webhook_secret = $4, connected_at = now(), checked_at = now() where id = $1 and generation = $2 and "
        "reserved_until is not null returning id), " EDGE_OUTBOX("activated", "$5", "$6", "$7", "$8")};
    struct edge_event event;
    rb_err err = edge_event_make(
        &event, in->flow.exchange->traceparent, RB_REPO_CONNECTED,
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:s?}", "installation_id", in->installation_id,
                  "generation", in->generation, "repo_id", in->about.id, "repo", in->name, "owner", in->owner,
                  "name", in->repo, "user_id", in->flow.exchange->user_id, "webhook_id", in->hook_id,
                  "default_branch", *in->about.default_branch ? in->about.default_branch : NULL));
    if (err) {
        rb_buf_free(&event.body);
        return install_fail(in, rb_error_text());
    }
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation),
                                RB_P_INT(in->hook_id),         RB_P_BYTES(in->sealed, in->sealed_len),
                                RB_P_TEXT(event.id),           RB_P_TEXT(RB_REPO_CONNECTED),
                                RB_P_TEXT(event.trace),        RB_P_TEXT(event.body.data)};
    edge_flow_write(&in->flow, &statement, params, 8, &step_activated);
    rb_buf_free(&event.body); /* arguments are copied */
    return NULL;
}

static const struct edge_step *install_activated(struct install *in)
{
    if (in->flow.err == RB_ETIMEOUT || in->flow.err == RB_EUNAVAILABLE)
        return &step_fence;
    if (in->flow.err)
        return install_fail_database(in);
    if (rb_rows_count(in->flow.rows) == 1)
        return &step_connected;
    /* The reservation ran out and somebody cleaned up: so does this flow. */
    return install_fail(in, "it took too long: try again");
}

/* The statement may not have arrived, may have been committed, or may still wait for a lock over there and be
 * committed later. A new generation makes sure of the last: it cannot activate this row any more. */
static const struct edge_step *install_fence(struct install *in)
{
    static const struct rb_statement statement = {
        "install_fence", "update installations set generation = nextval('generations') where id = $1 and "
                         "generation = $2 and reserved_until is not null returning generation"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_fenced);
}

static const struct edge_step *install_outcome_unknown(struct install *in)
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

static const struct edge_step *install_fenced(struct install *in)
{
    if (in->flow.err)
        return install_outcome_unknown(in);
    if (rb_rows_count(in->flow.rows) == 0)
        return &step_read_back; /* active, or no more there */
    in->generation = rb_rows_int(in->flow.rows, 0, 0);
    rb_error_set(RB_EUNAVAILABLE, "the database was lost before the installation was written");
    return install_fail_database(in);
}

static const struct edge_step *install_read_back(struct install *in)
{
    static const struct rb_statement statement = {
        "install_read_back",
        "select 1 from installations where id = $1 and generation = $2 and state = 'active'"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_outcome_read);
}

static const struct edge_step *install_outcome_read(struct install *in)
{
    if (in->flow.err)
        return install_outcome_unknown(in);
    return rb_rows_count(in->flow.rows) > 0 ? &step_connected
                                            : install_fail(in, "it took too long: try again");
}

static const struct edge_step *install_connected(struct install *in)
{
    char body[320];
    int len = snprintf(body, sizeof(body),
                       "{\"status\":\"connected\",\"installation_id\":%" PRId64 ",\"repo\":\"%s\"}",
                       in->installation_id, in->name); /* a checked name needs no escaping */
    rb_log_info("connected repo=%s installation=%" PRId64 " hook=%" PRId64, in->name, in->installation_id,
                in->hook_id);
    edge_answer_json(in->flow.exchange, 200, body, (size_t)len);
    return install_end(in);
}

/* ---- taking back -------------------------------------------------------------------------------------- */

/* It is connected by another name: the record gets the one of now before the answer. */
static const struct edge_step *install_taken_back(const struct install *in)
{
    return in->refusal == 400 && *in->about.full_name ? &step_rename : &step_refuse;
}

static const struct edge_step *install_undo(struct install *in)
{
    if (!in->is_reserved)
        return install_taken_back(in);
    if (in->hook == HOOK_OURS)
        return &step_undo_owner;
    in->page = 1;
    return in->hook == HOOK_DOUBTFUL || in->hook == HOOK_COMING ? &step_undo_find : &step_drop;
}

static const struct edge_step *install_undo_find(struct install *in)
{
    struct rb_github_request request;
    rb_github_list_hooks(&request, in->owner, in->repo, in->page);
    return edge_flow_ask(&in->flow, &request, in->token, &step_undo_page);
}

static const struct edge_step *install_undo_page(struct install *in)
{
    char ignored[512];
    /* Where it cannot be found out now, or GitHub may still be about to make it, the reservation stays for
     * the reconciler, which looks again when it has run out. */
    if (rb_github_judge(ignored, sizeof(ignored), in->flow.response, "list hooks", in->name))
        return &step_refuse;
    rb_err err =
        rb_github_find_hook(&in->hook_id, in->flow.response, in->flow.exchange->edge->settings.hook_url);
    if (err == RB_OK)
        return &step_undo_owner;
    if (err == RB_ENOTFOUND && in->flow.response->has_next && in->page++ < INSTALL_HOOK_PAGES)
        return &step_undo_find;
    return in->hook == HOOK_COMING ? &step_refuse : &step_drop;
}

/* A flow whose reservation ran out may find that somebody else has taken its hook over, or is about to. */
static const struct edge_step *install_undo_owner(struct install *in)
{
    static const struct rb_statement statement = {
        "install_undo_owner",
        "select 1 from installations where id <> $1 and ((state = 'active' and webhook_id = $2) or "
        "(state = 'reserved' and repo_id = $3)) limit 1"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->hook_id), RB_P_INT(in->about.id)};
    return edge_flow_query(&in->flow, &statement, params, 3, &step_undo_owner_found);
}

static const struct edge_step *install_undo_owner_found(struct install *in)
{
    if (in->flow.err)
        return &step_refuse;
    return rb_rows_count(in->flow.rows) == 0 ? &step_undo_hook : &step_drop;
}

static const struct edge_step *install_undo_hook(struct install *in)
{
    struct rb_github_request request;
    rb_github_delete_hook(&request, in->owner, in->repo, in->hook_id);
    return edge_flow_ask(&in->flow, &request, in->token, &step_hook_undone);
}

static const struct edge_step *install_hook_undone(struct install *in)
{
    /* 204 alone says so. A 404 may also mean that this person may not any more: the reconciler looks again.
     */
    return in->flow.response->status == 204 ? &step_drop : &step_refuse;
}

static const struct edge_step *install_drop(struct install *in)
{
    static const struct rb_statement statement = {
        "install_drop", "delete from installations where id = $1 and generation = $2 and state = 'reserved'"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->generation)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_dropped);
}

static const struct edge_step *install_dropped(struct install *in)
{
    if (in->flow.err)
        rb_log_warn("install %s: the reservation stays until it runs out: %s", in->name, rb_error_text());
    return in->flow.err ? &step_refuse : install_taken_back(in);
}

static const struct edge_step *install_rename(struct install *in)
{
    static const struct rb_statement statement = {
        "install_rename", "update installations set repo_full_name = $3 where user_id = $1 and repo_id = $2 "
                          "and state = 'active' and repo_full_name <> $3"};
    struct rb_param params[] = {RB_P_INT(in->flow.exchange->user_id), RB_P_INT(in->about.id),
                                RB_P_TEXT(in->about.full_name)};
    return edge_flow_query(&in->flow, &statement, params, 3, &step_renamed);
}

static const struct edge_step *install_renamed(struct install *in)
{
    if (in->flow.err)
        rb_log_warn("install %s: the installation keeps its old name: %s", in->name, rb_error_text());
    return &step_refuse;
}

static const struct edge_step *install_refuse(struct install *in)
{
    if (in->refusal >= 500)
        rb_log_warn("not connected repo=%s: %s", in->name, in->refusal_text);
    edge_answer_error(in->flow.exchange, in->refusal, "%s", in->refusal_text);
    return install_end(in);
}
