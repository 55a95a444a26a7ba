/*
 * Signing in through GitHub, to be read from top to bottom: GET /auth/github sends the browser to GitHub, GET
 * /auth/github/callback is where it comes back to.
 *
 * What the browser must prove when it comes back (the state) and what we must prove to GitHub (PKCE's
 * verifier, RFC 7636) live in one short-lived cookie, sealed with our key, so that no edge has to remember
 * anything. A state is spent once, in the database. The person is written in one statement, at the end:
 * whatever fails before leaves nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/flow.h"

#define SIGN_IN_SCOPES  "repo read:user user:email"
#define SIGN_IN_COOKIE  "repobus_sign_in"
#define SIGN_IN_PATH    "/auth/github"
#define SIGN_IN_SECONDS 600 /* a person reads, logs in to GitHub, looks for the second factor */
#define SIGN_IN_DRAWS   3   /* of an id, where the same person signs in twice at once */

/* The steps of the callback, in the order of the way through. */
#define SIGN_IN_STEPS(STEP)                                                     \
    STEP(check) /* the cookie, the state, what GitHub says */                   \
    STEP(spend) /* the state, once */                                           \
    STEP(spent)                                                                 \
    STEP(exchange) /* the code for a token */                                   \
    STEP(exchanged)                                                             \
    STEP(ask) /* whose token it is */                                           \
    STEP(asked)                                                                 \
    STEP(draw) /* the person's id, which is bound into the seal of the token */ \
    STEP(drawn)                                                                 \
    STEP(write) /* the person, whole */                                         \
    STEP(written)                                                               \
    STEP(welcome)

struct sign_in;
#define SIGN_IN_STEP(step) EDGE_FLOW_STEP(sign_in, step)
SIGN_IN_STEPS(SIGN_IN_STEP)

struct sign_in {
    struct edge_flow flow;
    char state[RB_RANDOM_TEXT_SIZE], verifier[RB_RANDOM_TEXT_SIZE];
    struct rb_github_token token;
    struct rb_github_user user;
    int64_t user_id;
    int draws;
};

/* ---- to GitHub ---------------------------------------------------------------------------------------- */

static bool sign_in_is_set_up(struct edge_exchange *exchange)
{
    if (*exchange->edge->settings.app.client_id)
        return true;
    edge_answer_error(exchange, 503,
                      "Signing in is not set up: set GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET "
                      "to those of a GitHub OAuth app whose callback is %s",
                      exchange->edge->settings.app.redirect_uri);
    return false;
}

void edge_sign_in(struct edge_exchange *exchange)
{
    char state[RB_RANDOM_TEXT_SIZE], verifier[RB_RANDOM_TEXT_SIZE], challenge[RB_RANDOM_TEXT_SIZE],
        *cookie = NULL;
    if (!sign_in_is_set_up(exchange))
        return;
    rb_random_text(state);
    rb_random_text(verifier);
    rb_sha256_text(challenge, verifier);
    const char *plain = rb_arena_printf(exchange->arena, "%" PRId64 " %s %s",
                                        rb_clock_wall_ms() / 1000 + SIGN_IN_SECONDS, state, verifier);
    if (rb_seal_text(&cookie, exchange->edge->keyring, RB_PURPOSE_SIGN_IN, plain)) {
        edge_answer_error(exchange, 500, "The sign-in cannot be started: %s", rb_error_text());
        return;
    }
    char *url = rb_github_authorize_url(&exchange->edge->settings.app, SIGN_IN_SCOPES, state, challenge);
    edge_set_cookie(exchange, SIGN_IN_COOKIE, cookie, SIGN_IN_PATH, SIGN_IN_SECONDS);
    edge_answer_redirect(exchange, url);
    free(url);
    free(cookie);
}

/* ---- ends --------------------------------------------------------------------------------------------- */

static const struct edge_step *sign_in_end(struct sign_in *in)
{
    rb_secret_wipe(&in->token, sizeof(in->token));
    rb_secret_wipe(in->verifier, sizeof(in->verifier));
    return edge_flow_end(&in->flow);
}

static bool sign_in_wants_json(struct edge_exchange *exchange)
{
    const char *accept = edge_header(exchange, "accept");
    return accept && strstr(accept, "application/json") && !strstr(accept, "text/html");
}

/* A browser lands on the front page, which knows the code and finds the words; others get the words. */
static const struct edge_step *sign_in_fail(struct sign_in *in, int status, const char *code, const char *fmt,
                                            ...) RB_PRINTF(4, 5);
static const struct edge_step *sign_in_fail(struct sign_in *in, int status, const char *code, const char *fmt,
                                            ...)
{
    struct edge_exchange *exchange = in->flow.exchange;
    const char *frontend = exchange->edge->settings.frontend_url;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    rb_log_info("not signed in: %s", text);
    edge_set_cookie(exchange, SIGN_IN_COOKIE, "", SIGN_IN_PATH, 0);
    if (*frontend && !sign_in_wants_json(exchange))
        edge_answer_redirect(exchange, rb_arena_printf(exchange->arena, "%s%ssign_in_error=%s", frontend,
                                                       strchr(frontend, '?') ? "&" : "?", code));
    else
        edge_answer_error(exchange, status, "%s", text);
    return sign_in_end(in);
}

static const struct edge_step *sign_in_fail_database(struct sign_in *in)
{
    rb_log_error("sign-in: %s", rb_error_text());
    return sign_in_fail(in, 503, "unavailable", "The database cannot be reached: sign in again in a moment");
}

/* ---- back from GitHub --------------------------------------------------------------------------------- */

void edge_sign_in_callback(struct edge_exchange *exchange)
{
    if (!sign_in_is_set_up(exchange))
        return;
    struct sign_in *in = edge_flow_new(exchange, sizeof(*in));
    edge_flow_go(&in->flow, &step_check);
}

/* Opens the cookie; false when there is none of ours that is still good. */
static bool sign_in_open_cookie(struct sign_in *in)
{
    const char *cookie = edge_cookie(in->flow.exchange, SIGN_IN_COOKIE);
    char *plain = NULL;
    int64_t expires = 0;
    if (!cookie || rb_unseal_text(&plain, in->flow.exchange->edge->keyring, RB_PURPOSE_SIGN_IN, cookie))
        return false;
    int count = sscanf(plain, "%" SCNd64 " %43s %43s", &expires, in->state, in->verifier);
    rb_secret_free(plain);
    return count == 3 && expires > rb_clock_wall_ms() / 1000;
}

static const struct edge_step *sign_in_check(struct sign_in *in)
{
    const char *state = edge_parameter(in->flow.exchange, "state"),
               *error = edge_parameter(in->flow.exchange, "error");
    if (!sign_in_open_cookie(in))
        return sign_in_fail(in, 400, "expired",
                            "This sign-in was not begun in this browser, or more than ten "
                            "minutes ago: begin again at /auth/github");
    if (!state || !rb_secret_equals(state, in->state))
        return sign_in_fail(in, 400, "state",
                            "This sign-in is not the one that was begun in this browser: "
                            "begin again at /auth/github");
    if (error && strcmp(error, "access_denied") == 0)
        return sign_in_fail(in, 403, "denied",
                            "You did not give Repobus access to your GitHub account: it "
                            "cannot work without");
    if (error || !edge_parameter(in->flow.exchange, "code"))
        return sign_in_fail(in, 502, "github",
                            "GitHub did not complete the sign-in: begin again at "
                            "/auth/github");
    return &step_spend;
}

static const struct edge_step *sign_in_spend(struct sign_in *in)
{
    static const struct rb_statement statement = {
        "sign_in_spend",
        "insert into spent_tokens (id, expires_at) values ($1, now() + make_interval(secs => "
        "$2)) on conflict do nothing returning 1"};
    char hash[RB_RANDOM_TEXT_SIZE];
    rb_sha256_text(hash, in->state);
    struct rb_param params[] = {RB_P_TEXT(rb_arena_printf(in->flow.exchange->arena, "state:%s", hash)),
                                RB_P_INT(SIGN_IN_SECONDS)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_spent);
}

static const struct edge_step *sign_in_spent(struct sign_in *in)
{
    if (in->flow.err)
        return sign_in_fail_database(in);
    if (rb_rows_count(in->flow.rows) == 0)
        return sign_in_fail(in, 400, "state",
                            "This sign-in has been used already: begin again at /auth/github");
    return &step_exchange;
}

static const struct edge_step *sign_in_exchange(struct sign_in *in)
{
    struct rb_github_request request;
    const char *code = edge_parameter(in->flow.exchange, "code");
    if (!code) { /* the browser is gone */
        return sign_in_end(in);
    }
    rb_github_exchange_code(&request, &in->flow.exchange->edge->settings.app, code, in->verifier);
    return edge_flow_ask(&in->flow, &request, "", &step_exchanged);
}

static const struct edge_step *sign_in_exchanged(struct sign_in *in)
{
    char sentence[512];
    if (rb_github_judge(sentence, sizeof(sentence), in->flow.response, "sign in", "the sign-in"))
        return sign_in_fail(in, 502, "github", "Signing in failed: %s", sentence);
    rb_err err = rb_github_read_token(&in->token, in->flow.response);
    rb_secret_wipe(in->flow.response->body, in->flow.response->len);
    if (err == RB_EAUTH)
        return sign_in_fail(in, 400, "code",
                            "GitHub does not accept this sign-in any more (%s): begin again at "
                            "/auth/github",
                            rb_error_text());
    if (err)
        return sign_in_fail(in, 502, "github", "Signing in failed: %s", rb_error_text());
    if (!rb_github_has_scope(in->token.scopes, "repo"))
        return sign_in_fail(in, 403, "scopes",
                            "Repobus needs the repo scope to install webhooks, and you did not "
                            "grant it: begin again at /auth/github");
    return &step_ask;
}

static const struct edge_step *sign_in_ask(struct sign_in *in)
{
    struct rb_github_request request;
    rb_github_get_user(&request);
    return edge_flow_ask(&in->flow, &request, in->token.token, &step_asked);
}

static const struct edge_step *sign_in_asked(struct sign_in *in)
{
    char sentence[512];
    if (rb_github_judge(sentence, sizeof(sentence), in->flow.response, "read user", "your account"))
        return sign_in_fail(in, 502, "github", "Signing in failed: %s", sentence);
    if (rb_github_read_user(&in->user, in->flow.response))
        return sign_in_fail(in, 502, "github", "Signing in failed: %s", rb_error_text());
    return &step_draw;
}

/* ---- the person --------------------------------------------------------------------------------------- */

static const struct edge_step *sign_in_draw(struct sign_in *in)
{
    /* Known by GitHub's number, made with `repobus token --offline` before, or new. */
    static const struct rb_statement statement = {
        "sign_in_draw",
        "select coalesce((select id from users where github_id = $1), (select id from users where github_id "
        "is "
        "null and lower(login) = lower($2)), nextval(pg_get_serial_sequence('users', 'id')))"};
    struct rb_param params[] = {RB_P_INT(in->user.id), RB_P_TEXT(in->user.login)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_drawn);
}

static const struct edge_step *sign_in_drawn(struct sign_in *in)
{
    if (in->flow.err)
        return sign_in_fail_database(in);
    in->user_id = rb_rows_int(in->flow.rows, 0, 0);
    return &step_write;
}

static const struct edge_step *sign_in_write(struct sign_in *in)
{
    /* A login that was another person's has changed hands on GitHub. */
    static const struct rb_statement statement = {
        "sign_in_write",
        "with taken as (update users set login = 'user-' || github_id, updated_at = now() where lower(login) "
        "= "
        "lower($3) and github_id <> $2 returning 1) "
        "insert into users (id, github_id, login, token_sealed, scopes, signed_in_at) overriding system "
        "value "
        "select $1, $2, $3, $4, $5, now() from (select count(*) from taken) t on conflict (id) do update set "
        "github_id = excluded.github_id, login = excluded.login, token_sealed = excluded.token_sealed, "
        "scopes = "
        "excluded.scopes, signed_in_at = now(), updated_at = now() where users.github_id is null or "
        "users.github_id = excluded.github_id returning id"};
    uint8_t sealed[sizeof(in->token.token) + RB_SEAL_OVERHEAD];
    size_t len = 0;
    if (rb_seal(sealed, &len, in->flow.exchange->edge->keyring, RB_PURPOSE_OAUTH_TOKEN, in->user_id,
                in->token.token, strlen(in->token.token)))
        return sign_in_fail_database(in);
    struct rb_param params[] = {RB_P_INT(in->user_id), RB_P_INT(in->user.id), RB_P_TEXT(in->user.login),
                                RB_P_BYTES(sealed, len), RB_P_TEXT(in->token.scopes)};
    return edge_flow_query(&in->flow, &statement, params, 5, &step_written);
}

static const struct edge_step *sign_in_written(struct sign_in *in)
{
    bool lost_the_race = in->flow.err == RB_ECONFLICT || (!in->flow.err && rb_rows_count(in->flow.rows) == 0);
    if (lost_the_race && ++in->draws < SIGN_IN_DRAWS)
        return &step_draw; /* the same person has just been made by another sign-in */
    if (in->flow.err || lost_the_race)
        return sign_in_fail_database(in);
    return &step_welcome;
}

static const struct edge_step *sign_in_welcome(struct sign_in *in)
{
    struct edge_exchange *exchange = in->flow.exchange;
    const struct edge_settings *settings = &exchange->edge->settings;
    char *jwt = NULL;
    if (rb_jwt_issue(&jwt, exchange->edge->keyring, in->user_id, settings->session_seconds))
        return sign_in_fail(in, 500, "internal", "Signing in failed: %s", rb_error_text());
    rb_log_info("signed in user=%" PRId64 " github_id=%" PRId64, in->user_id, in->user.id);
    edge_set_cookie(exchange, SIGN_IN_COOKIE, "", SIGN_IN_PATH, 0);
    if (sign_in_wants_json(exchange)) {
        json_t *body = json_pack("{s:s, s:I, s:{s:I, s:s, s:I}}", "token", jwt, "expires_in",
                                 (json_int_t)settings->session_seconds, "user", "id", (json_int_t)in->user_id,
                                 "login", in->user.login, "github_id", (json_int_t)in->user.id);
        char *text = json_dumps(body, JSON_COMPACT);
        edge_answer_json(exchange, 200, text, strlen(text));
        rb_secret_free(text);
        json_decref(body);
    } else {
        edge_set_cookie(exchange, EDGE_SESSION_COOKIE, jwt, "/", settings->session_seconds);
        edge_answer_redirect(exchange, *settings->frontend_url ? settings->frontend_url : "/");
    }
    rb_secret_free(jwt);
    return sign_in_end(in);
}

/* ---- the session -------------------------------------------------------------------------------------- */

void edge_me(struct edge_exchange *exchange)
{
    static const struct rb_statement statement = {
        "me",
        "select jsonb_build_object('id', u.id, 'login', u.login, 'github_id', u.github_id, 'scopes', "
        "regexp_split_to_array(u.scopes, '[, ]+'), 'signed_in_at', json_time(u.signed_in_at), 'expires_at', "
        "json_time(to_timestamp($3))) from " EDGE_PERSON};
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_INT(exchange->jwt.expires)};
    edge_query(exchange, &statement, params, 3, edge_answer_person_rows, exchange);
}

static void logout_on_written(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct edge_exchange *exchange = arg;
    if (err) {
        edge_answer_no_database(exchange);
    } else if (rb_rows_count(rows) == 0) {
        edge_answer_unauthorized(exchange);
    } else {
        edge_set_cookie(exchange, EDGE_SESSION_COOKIE, "", "/", 0);
        edge_answer_empty(exchange, 204);
    }
}

void edge_logout(struct edge_exchange *exchange)
{
    static const struct rb_statement statement = {
        "logout",
        "with person as (select u.id from " EDGE_PERSON "), spent as (insert into spent_tokens (id, "
        "expires_at) select $2, to_timestamp($3) from person on conflict do nothing) select id from "
        "person"};
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_INT(exchange->jwt.expires)};
    edge_query(exchange, &statement, params, 3, logout_on_written, exchange);
}
