/* Answers: what every one of them carries, and the line that is logged of it. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/server.h"

static const char *answer_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {302, "Found"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {409, "Conflict"},
                   {413, "Payload Too Large"},
                   {422, "Unprocessable Entity"},
                   {429, "Too Many Requests"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Internal Server Error";
}

/* ---- what every answer carries ------------------------------------------------------------------------ */

static void answer_add(h2o_req_t *request, const char *name, const char *value)
{
    h2o_add_header_by_str(&request->pool, &request->res.headers, name, strlen(name), 1, NULL, value,
                          strlen(value));
}

/* Unless the handler has said otherwise. */
static void answer_default(h2o_req_t *request, const char *name, const char *value)
{
    if (h2o_find_header_by_str(&request->res.headers, name, strlen(name), -1) < 0)
        answer_add(request, name, value);
}

static void answer_add_policy(struct edge_box *box, int status)
{
    const struct edge_settings *settings = &box->exchange.edge->settings;
    h2o_req_t *request = box->request;
    answer_add(request, "x-content-type-options", "nosniff");
    answer_add(request, "referrer-policy", "no-referrer");
    answer_default(request, "content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    answer_default(request, "cache-control", "no-store");
    if (!settings->is_local)
        answer_add(request, "strict-transport-security", "max-age=31536000");
    if (status == 503 || status == 429)
        answer_default(request, "retry-after", status == 503 ? "5" : "1");
    if (!*settings->frontend_origin)
        return;
    const char *origin = edge_header(&box->exchange, "origin");
    answer_add(request, "vary", "Origin");
    if (origin && strcmp(origin, settings->frontend_origin) == 0) {
        answer_add(request, "access-control-allow-origin", settings->frontend_origin);
        answer_add(request, "access-control-allow-credentials", "true");
    }
}

/* ---- what is said of it ------------------------------------------------------------------------------- */

static void answer_find_client(char out[EDGE_ADDRESS_SIZE], struct edge_box *box)
{
    struct sockaddr_storage name = {0};
    struct sockaddr *address = (struct sockaddr *)&name;
    h2o_conn_t *conn = box->request->conn;
    char peer[EDGE_ADDRESS_SIZE] = "";
    if (conn->callbacks->get_peername(conn, address) == 0)
        return;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)address)->sin_addr, peer, sizeof(peer));
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)address)->sin6_addr, peer, sizeof(peer));
    edge_client_address(out, &box->exchange.edge->settings.proxies, peer,
                        edge_header(&box->exchange, "x-forwarded-for"));
}

static void answer_log(struct edge_box *box, int status, const char *route, int64_t us)
{
    const struct edge_exchange *exchange = &box->exchange;
    bool is_vital = exchange->route && (exchange->route->flags & EDGE_VITAL);
    char client[EDGE_ADDRESS_SIZE] = "", trace[33];
    if (box->request && !is_vital)
        answer_find_client(client, box);
    snprintf(trace, sizeof(trace), "%.32s", box->trace + 3);
    const struct rb_log_field fields[] = {
        RB_F_TEXT("route", route),
        RB_F_TEXT("method", exchange->route ? exchange->route->method : NULL),
        RB_F_INT("status", status),
        RB_F_MS("ms", us),
        RB_F_MS("database_ms", box->database_us),
        RB_F_MS("github_ms", box->github_us),
        RB_F_INT("user", exchange->user_id),
        RB_F_TEXT("client", *client ? client : NULL),
        RB_F_TEXT("trace", trace),
        RB_F_TEXT("note", box->request ? NULL : "the client has left"),
    };
    rb_log_fields(is_vital ? RB_LOG_DEBUG : RB_LOG_INFO, "request", fields, sizeof(fields) / sizeof(*fields));
}

/* What the log line says, as a span. Health and metrics are asked all the time and make none. */
static void answer_trace(const struct edge_box *box, int status, const char *route, int64_t us)
{
    const struct edge_route *to = box->exchange.route;
    char name[96], error[32];
    if (!rb_trace_is_on() || !to || (to->flags & EDGE_VITAL))
        return;
    snprintf(name, sizeof(name), "%s %s", to->method, to->pattern);
    snprintf(error, sizeof(error), "status %d", status);
    const struct rb_log_field attributes[] = {RB_F_TEXT("http.request.method", to->method),
                                              RB_F_TEXT("http.route", to->pattern),
                                              RB_F_TEXT("repobus.route", route),
                                              RB_F_INT("http.response.status_code", status),
                                              RB_F_INT("repobus.database_us", box->database_us),
                                              RB_F_INT("repobus.github_us", box->github_us)};
    rb_trace_span(&(struct rb_span){.name = name,
                                    .traceparent = box->trace,
                                    .parent = box->parent,
                                    .kind = RB_SPAN_SERVER,
                                    .took_us = us,
                                    .error = status >= 500 ? error : NULL,
                                    .attributes = attributes,
                                    .count = sizeof(attributes) / sizeof(*attributes)});
}

bool edge_exchange_begin_answer(struct edge_exchange *exchange, int status)
{
    struct edge_box *box = edge_box_of(exchange);
    if (box->answered)
        return false;
    box->answered = true;
    char labels[96];
    const char *name = exchange->route ? exchange->route->name : "none";
    int64_t us = rb_clock_us() - box->started_us;
    snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%d\"", name, status);
    rb_metric_add(rb_metric_counter("repobus_http_requests_total", labels, "Requests by route and status"),
                  1);
    snprintf(labels, sizeof(labels), "route=\"%s\"", name);
    rb_metric_observe_us(rb_metric_histogram("repobus_http_request_seconds", labels, "Time to the answer"),
                         us);
    answer_log(box, status, name, us);
    answer_trace(box, status, name, us);
    if (!box->request)
        return false;
    box->request->res.status = status;
    box->request->res.reason = answer_reason(status);
    answer_add_policy(box, status);
    return true;
}

/* ---- answers ------------------------------------------------------------------------------------------ */

void edge_answer_text(struct edge_exchange *exchange, int status, const char *type, const char *body,
                      size_t len)
{
    if (!edge_exchange_begin_answer(exchange, status))
        return;
    h2o_req_t *request = edge_box_of(exchange)->request;
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    request->res.content_length = len;   /* not chunked */
    h2o_send_inline(request, body, len); /* copies; the request may be gone when it returns */
}

void edge_answer_empty(struct edge_exchange *exchange, int status)
{
    if (edge_exchange_begin_answer(exchange, status)) /* without a length: RFC 9110, section 8.6 */
        h2o_send_inline(edge_box_of(exchange)->request, NULL, 0);
}

bool edge_answer_if_known(struct edge_exchange *exchange, const char *etag)
{
    const char *known = edge_header(exchange, "if-none-match");
    edge_add_header(exchange, "etag", etag);
    if (!known || (strcmp(known, "*") != 0 && !strstr(known, etag)))
        return false;
    edge_answer_empty(exchange, 304);
    return true;
}

void edge_answer_redirect(struct edge_exchange *exchange, const char *location)
{
    edge_add_header(exchange, "location", location);
    edge_answer_text(exchange, 302, "text/plain", "", 0);
}

void edge_answer_json(struct edge_exchange *exchange, int status, const char *body, size_t len)
{
    edge_answer_text(exchange, status, "application/json", body, len);
}

void edge_answer_error(struct edge_exchange *exchange, int status, const char *fmt, ...)
{
    char detail[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof(detail), fmt, args);
    va_end(args);
    json_t *body = json_pack("{s:s%}", "detail", detail, strlen(detail));
    /* What is not UTF-8 came from outside: it is left out rather than passed on. */
    char *text = body ? json_dumps(body, JSON_COMPACT) : rb_strdup("{\"detail\":\"Unreadable error\"}");
    edge_answer_json(exchange, status, text, strlen(text));
    json_decref(body);
    free(text);
}

void edge_answer_no_database(struct edge_exchange *exchange)
{
    rb_log_error("%s: %s", exchange->route ? exchange->route->name : "request", rb_error_text());
    edge_answer_error(exchange, 503, "The database cannot be reached: try again in a moment");
}

void edge_answer_unauthorized(struct edge_exchange *exchange)
{
    edge_answer_error(exchange, 401, "Unauthorized");
}
