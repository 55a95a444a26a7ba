/*
 * Who asks: the JWT of an exchange, as bearer token or cookie. Whether its person exists and has not logged
 * out is for the first statement of each route to say.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "edge/edge.h"

/* ---- cookies (RFC 6265) ------------------------------------------------------------------------------- */

const char *edge_cookie(struct edge_exchange *exchange, const char *name)
{
    const char *at = edge_header(exchange, "cookie");
    size_t len = strlen(name);
    while (at && *at) {
        at += strspn(at, "; ");
        size_t pair = strcspn(at, ";");
        if (pair > len && memcmp(at, name, len) == 0 && at[len] == '=')
            return rb_arena_strndup(exchange->arena, at + len + 1, pair - len - 1);
        at += pair;
    }
    return NULL;
}

void edge_set_cookie(struct edge_exchange *exchange, const char *name, const char *value, const char *path,
                     int64_t seconds)
{
    edge_add_header(exchange, "set-cookie",
                    rb_arena_printf(exchange->arena, "%s=%s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=Lax%s",
                                    name, value, path, *value ? (long long)seconds : 0LL,
                                    exchange->edge->settings.is_local ? "" : "; Secure"));
}

/* ---- where a write by cookie comes from --------------------------------------------------------------- */

static bool auth_is_ours(const struct edge_settings *settings, const char *url)
{
    return rb_url_shares_origin(url, settings->backend_url) ||
           rb_url_shares_origin(url, settings->frontend_url);
}

static bool auth_comes_from_us(struct edge_exchange *exchange)
{
    const struct edge_settings *settings = &exchange->edge->settings;
    const char *origin = edge_header(exchange, "origin"), *site = edge_header(exchange, "sec-fetch-site"),
               *referer = edge_header(exchange, "referer");
    if (origin)
        return auth_is_ours(settings, origin);
    if (site)
        return strcmp(site, "same-origin") == 0;
    return referer && auth_is_ours(settings, referer);
}

/* ---- who it is ---------------------------------------------------------------------------------------- */

static const char *auth_bearer(struct edge_exchange *exchange)
{
    static const char scheme[] = "bearer ";
    const char *authorization = edge_header(exchange, "authorization");
    return authorization && strncasecmp(authorization, scheme, sizeof(scheme) - 1) == 0
               ? authorization + sizeof(scheme) - 1
               : NULL;
}

bool edge_authenticate(struct edge_exchange *exchange)
{
    const char *bearer = auth_bearer(exchange);
    const char *token = bearer ? bearer : edge_cookie(exchange, EDGE_SESSION_COOKIE);
    if (!token || rb_jwt_verify(&exchange->jwt, exchange->edge->keyring, token, strlen(token))) {
        edge_answer_unauthorized(exchange);
        return false;
    }
    if (!bearer && strcmp(exchange->route->method, "GET") != 0 && !auth_comes_from_us(exchange)) {
        edge_answer_error(exchange, 403,
                          "A request that changes something needs to come from a page of this service, or an "
                          "Authorization header");
        return false;
    }
    exchange->user_id = exchange->jwt.user_id;
    return true;
}
