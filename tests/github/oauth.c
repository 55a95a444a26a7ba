/*
 * GitHub's own pages for signing in, as docs.github.com, "Authorizing OAuth apps", describes them. The person
 * in front of the browser is played by the control route POST /_control/oauth: who it is, and what they
 * grant.
 */
#include "tests/github/standin.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define OAUTH_CODES   256 /* the latest; older ones are as good as expired */
#define OAUTH_CODE_MS (10 * 60 * 1000)
#define OAUTH_TEXT    256

static struct {
    char client_id[OAUTH_TEXT], client_secret[OAUTH_TEXT], callback[OAUTH_TEXT];
    char login[OAUTH_TEXT];  /* who is logged in to GitHub */
    char scopes[OAUTH_TEXT]; /* what they grant; "": all that is asked for */
    bool denies;
} oauth;

static struct oauth_code {
    char code[RB_UUID_SIZE], login[OAUTH_TEXT], scopes[OAUTH_TEXT], redirect_uri[OAUTH_TEXT],
        challenge[OAUTH_TEXT];
    int64_t expires_ms;
} oauth_codes[OAUTH_CODES];
static size_t oauth_code_count;

static void oauth_copy(char out[OAUTH_TEXT], const char *text)
{
    snprintf(out, OAUTH_TEXT, "%s", text != NULL ? text : "");
}

void rb_sim_oauth_control(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    if (json == NULL) {
        return;
    }
    oauth_copy(oauth.client_id, rb_sim_json_string(json, "client_id"));
    oauth_copy(oauth.client_secret, rb_sim_json_string(json, "client_secret"));
    oauth_copy(oauth.callback, rb_sim_json_string(json, "callback"));
    oauth_copy(oauth.login, rb_sim_json_string(json, "login"));
    oauth_copy(oauth.scopes, rb_sim_json_string(json, "scopes"));
    oauth.denies = json_is_true(json_object_get(json, "denies"));
    if (json_is_true(json_object_get(json, "expire_codes"))) {
        memset(oauth_codes, 0, sizeof(oauth_codes));
    }
    rb_sim_answer_json(x, 200, json_pack("{s:b}", "ok", 1));
}

static void oauth_redirect(struct sim_exchange *x, const char *where, const char *parameters,
                           const char *state)
{
    rb_sim_header(x, "location", "%s%s%s%s%s", where, strchr(where, '?') != NULL ? "&" : "?", parameters,
                  state != NULL ? "&state=" : "", state != NULL ? rb_sim_escape(x->arena, state) : "");
    rb_sim_answer_empty(x, 302);
}

void rb_sim_oauth_authorize(struct sim_exchange *x)
{
    const char *client_id = rb_sim_query(x, "client_id"), *redirect_uri = rb_sim_query(x, "redirect_uri"),
               *scope = rb_sim_query(x, "scope"), *state = rb_sim_query(x, "state"),
               *challenge = rb_sim_query(x, "code_challenge"),
               *method = rb_sim_query(x, "code_challenge_method");
    x->has_no_rate = true;
    if (client_id == NULL || *oauth.client_id == '\0' || strcmp(client_id, oauth.client_id) != 0) {
        rb_sim_answer_error(x, 404, "", "Not Found");
        return;
    }
    const char *where = redirect_uri != NULL ? redirect_uri : oauth.callback;
    if (strncmp(where, oauth.callback, strlen(oauth.callback)) != 0) {
        oauth_redirect(x, oauth.callback, "error=redirect_uri_mismatch", state);
        return;
    }
    if (challenge != NULL && (method == NULL || strcmp(method, "S256") != 0)) {
        oauth_redirect(x, where, "error=invalid_request", state);
        return;
    }
    if (oauth.denies) {
        oauth_redirect(x, where,
                       "error=access_denied&error_description=The+user+has+denied+your+application+access.",
                       state);
        return;
    }
    struct oauth_code *code = &oauth_codes[oauth_code_count++ % OAUTH_CODES];
    rb_uuid_make(code->code);
    oauth_copy(code->login, oauth.login);
    oauth_copy(code->scopes, *oauth.scopes != '\0' ? oauth.scopes : scope);
    oauth_copy(code->redirect_uri, redirect_uri);
    oauth_copy(code->challenge, challenge);
    code->expires_ms = rb_clock_ms() + OAUTH_CODE_MS;
    oauth_redirect(x, where, rb_arena_printf(x->arena, "code=%s", code->code), state);
}

/* RFC 7636, section 4.6. */
static bool oauth_verifier_fits(const char *verifier, const char *challenge)
{
    unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (*challenge == '\0') {
        return true;
    }
    if (verifier == NULL || EVP_Digest(verifier, strlen(verifier), digest, &len, EVP_sha256(), NULL) != 1) {
        return false;
    }
    EVP_EncodeBlock(text, digest, (int)len);
    for (unsigned char *c = text; *c != '\0'; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    text[strcspn((char *)text, "=")] = '\0';
    return strcmp((char *)text, challenge) == 0;
}

/* GitHub refuses with 200. */
static void oauth_refuse(struct sim_exchange *x, const char *error, const char *description)
{
    rb_sim_answer_json(x, 200,
                       json_pack("{s:s, s:s, s:s}", "error", error, "error_description", description,
                                 "error_uri",
                                 "https://docs.github.com/apps/managing-oauth-apps/"
                                 "troubleshooting-oauth-app-access-token-request-errors/"));
}

void rb_sim_oauth_token(struct sim_exchange *x)
{
    json_t *json = rb_sim_body_object(x);
    x->has_no_rate = true;
    if (json == NULL) {
        return;
    }
    const char *id = rb_sim_json_string(json, "client_id"),
               *secret = rb_sim_json_string(json, "client_secret"), *given = rb_sim_json_string(json, "code"),
               *redirect_uri = rb_sim_json_string(json, "redirect_uri");
    if (id == NULL || secret == NULL || strcmp(id, oauth.client_id) != 0 ||
        strcmp(secret, oauth.client_secret) != 0) {
        oauth_refuse(x, "incorrect_client_credentials",
                     "The client_id and/or client_secret passed are incorrect.");
        return;
    }
    struct oauth_code *code = NULL;
    for (size_t i = 0; i < OAUTH_CODES; i++) {
        if (given != NULL && *oauth_codes[i].code != '\0' && strcmp(given, oauth_codes[i].code) == 0) {
            code = &oauth_codes[i];
        }
    }
    struct sim_user *user = NULL;
    for (struct sim_user *one = x->sim->state.users; code != NULL && one != NULL; one = one->next) {
        user = strcmp(one->login, code->login) == 0 ? one : user;
    }
    if (code == NULL || user == NULL || code->expires_ms < rb_clock_ms() ||
        !oauth_verifier_fits(rb_sim_json_string(json, "code_verifier"), code->challenge)) {
        oauth_refuse(x, "bad_verification_code", "The code passed is incorrect or expired.");
        return;
    }
    if (redirect_uri != NULL && strcmp(redirect_uri, code->redirect_uri) != 0) {
        oauth_refuse(x, "redirect_uri_mismatch",
                     "The redirect_uri MUST match the registered callback URL for this application.");
        return;
    }
    /* GitHub lists them with commas. */
    char *scopes = rb_arena_strdup(x->arena, code->scopes);
    for (char *c = scopes; *c != '\0'; c++) {
        *c = *c == ' ' ? ',' : *c;
    }
    *code->code = '\0'; /* it was for once */
    rb_sim_answer_json(
        x, 200,
        json_pack("{s:s, s:s, s:s}", "access_token", user->token, "scope", scopes, "token_type", "bearer"));
}
