/* Signing in through GitHub: docs.github.com, "Authorizing OAuth apps", the web application flow. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/github/internal.h"

char *rb_github_authorize_url(const struct rb_github_app *app, const char *scopes, const char *state,
                              const char *challenge)
{
    char *id = github_encode(app->client_id, ""), *redirect = github_encode(app->redirect_uri, ""),
         *scope = github_encode(scopes, "");
    char *url = rb_asprintf("%s/login/oauth/authorize?client_id=%s&redirect_uri=%s&scope=%s&state=%s"
                            "&code_challenge=%s&code_challenge_method=S256",
                            app->web_url, id, redirect, scope, state, challenge);
    free(id);
    free(redirect);
    free(scope);
    return url;
}

void rb_github_exchange_code(struct rb_github_request *request, const struct rb_github_app *app,
                             const char *code, const char *verifier)
{
    *request = (struct rb_github_request){.method = RB_GITHUB_POST,
                                          .path = rb_strdup("/login/oauth/access_token"),
                                          .accept = "application/json",
                                          .name = "sign in",
                                          .base = app->web_url,
                                          .body_max = 64 * 1024};
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s}", "client_id", app->client_id, "client_secret",
                             app->client_secret, "code", code, "redirect_uri", app->redirect_uri,
                             "code_verifier", verifier);
    request->body = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (!request->body)
        request->body = rb_strdup("{}"); /* a code that is not UTF-8: GitHub says that it is none */
    json_decref(body);
}

rb_err rb_github_read_token(struct rb_github_token *token, const struct rb_github_response *response)
{
    char type[32] = "", error[64] = "", reason[256] = "";
    *token = (struct rb_github_token){0};
    const struct rb_json_field fields[] = {
        {"/access_token", RB_JSON_TEXT, token->token, sizeof(token->token)},
        {"/scope", RB_JSON_TEXT, token->scopes, sizeof(token->scopes)},
        {"/token_type", RB_JSON_TEXT, type, sizeof(type)},
        {"/error", RB_JSON_TEXT, error, sizeof(error)},
        {"/error_description", RB_JSON_TEXT, reason, sizeof(reason)}};
    const struct rb_json_text text = github_text(response);
    if (!response->body || rb_json_find(fields, sizeof(fields) / sizeof(*fields), &text))
        return rb_error_set(RB_EPROTOCOL, "GitHub's answer to the sign-in is no JSON");
    if (*error)
        return rb_error_set(RB_EAUTH, "%s", *reason ? reason : error);
    if (!*token->token || strpbrk(token->token, " \r\n\t"))
        return rb_error_set(RB_EPROTOCOL, "GitHub's answer to the sign-in holds no token");
    return RB_OK;
}

bool rb_github_has_scope(const char *scopes, const char *scope)
{
    size_t len = strlen(scope);
    for (const char *at = scopes; *at; at += strcspn(at, ", ")) {
        at += strspn(at, ", ");
        if (strcspn(at, ", ") == len && memcmp(at, scope, len) == 0)
            return true;
    }
    return false;
}
