/*
 * The exchange: from a request to its answer. h2o discards a request as soon as the client is gone; the only
 * word of it is the dispose callback of something in the request's pool. So the exchange is a box of its own,
 * the pool holds a reference to it, and the callback takes the request out of the box.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edge/server.h"

struct exchange_box {
    struct edge_exchange exchange; /* first: the one is cast to the other */
    h2o_req_t *request;
    int references;
    bool answered;
    int64_t started_us;
};

static struct exchange_box *exchange_box_of(struct edge_exchange *exchange)
{
    return (struct exchange_box *)exchange;
}

/* ---- routing ------------------------------------------------------------------------------------------ */

/* Every route that answers GET answers HEAD. `allow` receives the methods of the path. */
static const struct edge_route *exchange_find_route(struct edge_captures *captures, char *allow,
                                                    size_t allow_size, h2o_iovec_t method, h2o_iovec_t path)
{
    struct edge_captures found;
    if (h2o_memis(method.base, method.len, H2O_STRLIT("HEAD")))
        method = h2o_iovec_init(H2O_STRLIT("GET"));
    allow[0] = '\0';
    for (const struct edge_route *route = edge_routes; route->method; route++) {
        if (!edge_route_matches(&found, route->pattern, path.base, path.len))
            continue;
        if (h2o_memis(method.base, method.len, route->method, strlen(route->method))) {
            *captures = found;
            return route;
        }
        size_t used = strlen(allow);
        snprintf(allow + used, allow_size - used, "%s%s%s", used ? ", " : "", route->method,
                 strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
    }
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------------- */

void edge_hold(struct edge_exchange *exchange)
{
    exchange_box_of(exchange)->references++;
}

void edge_release(struct edge_exchange *exchange)
{
    struct exchange_box *box = exchange_box_of(exchange);
    if (--box->references > 0)
        return;
    exchange->thread->exchanges--;
    rb_arena_free(exchange->arena);
    free(box);
}

/* The request's pool is being cleared: the answer is complete, or the client is gone. */
static void exchange_on_dispose(void *reference)
{
    struct exchange_box *box = *(struct exchange_box **)reference;
    box->request = NULL;
    edge_release(&box->exchange);
}

static struct exchange_box *exchange_new(struct edge_thread *thread, h2o_req_t *request)
{
    struct exchange_box *box = rb_calloc(1, sizeof(*box));
    box->exchange = (struct edge_exchange){.edge = thread->edge, .thread = thread, .arena = rb_arena_new()};
    box->request = request;
    box->references = 1;
    box->started_us = rb_clock_us();
    thread->exchanges++;
    struct exchange_box **reference =
        h2o_mem_alloc_shared(&request->pool, sizeof(*reference), exchange_on_dispose);
    *reference = box;
    box->exchange.last_event_id = edge_header(&box->exchange, "last-event-id");
    box->exchange.traceparent = edge_header(&box->exchange, "traceparent");
    return box;
}

h2o_req_t *edge_exchange_request(struct edge_exchange *exchange)
{
    return exchange_box_of(exchange)->request;
}

/* ---- what the client sent ------------------------------------------------------------------------------ */

const char *edge_header(struct edge_exchange *exchange, const char *name)
{
    const h2o_req_t *request = edge_exchange_request(exchange);
    ssize_t at = request ? h2o_find_header_by_str(&request->headers, name, strlen(name), -1) : -1;
    if (at < 0 || request->headers.entries[at].value.len > EDGE_HEADER_MAX)
        return NULL;
    h2o_iovec_t value = request->headers.entries[at].value;
    return rb_arena_strndup(exchange->arena, value.base, value.len);
}

const char *edge_parameter(struct edge_exchange *exchange, const char *name)
{
    const h2o_req_t *request = edge_exchange_request(exchange);
    if (!request || request->query_at == SIZE_MAX)
        return NULL;
    const char *at = request->path.base + request->query_at + 1,
               *end = request->path.base + request->path.len;
    size_t len = strlen(name);
    while (at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *stop = next ? next : end;
        if ((size_t)(stop - at) >= len && memcmp(at, name, len) == 0 &&
            (at + len == stop || at[len] == '=')) {
            const char *value = at + len == stop ? stop : at + len + 1;
            return edge_form_decode(exchange->arena, value, (size_t)(stop - value));
        }
        at = stop + 1;
    }
    return NULL;
}

bool edge_parameter_int(int64_t *value, struct edge_exchange *exchange, const char *name, int64_t min,
                        int64_t max)
{
    const char *text = edge_parameter(exchange, name);
    size_t len = text ? strlen(text) : 0;
    if (!text)
        return true;
    int64_t number = len > 0 && len < 19 && strspn(text, "0123456789") == len ? strtoll(text, NULL, 10) : -1;
    if (number < min || number > max) {
        edge_answer_error(exchange, 422, "%s is a number from %lld to %lld", name, (long long)min,
                          (long long)max);
        return false;
    }
    *value = number;
    return true;
}

const void *edge_body(const struct edge_exchange *exchange, size_t *len)
{
    const h2o_req_t *request = ((const struct exchange_box *)exchange)->request;
    *len = request && request->entity.base ? request->entity.len : 0;
    return *len ? request->entity.base : NULL;
}

void edge_add_header(struct edge_exchange *exchange, const char *name, const char *value)
{
    h2o_req_t *request = edge_exchange_request(exchange);
    if (!request)
        return;
    h2o_iovec_t copy_of_name = h2o_strdup(&request->pool, name, SIZE_MAX);
    h2o_iovec_t copy = h2o_strdup(&request->pool, value, SIZE_MAX);
    h2o_add_header_by_str(&request->pool, &request->res.headers, copy_of_name.base, copy_of_name.len, 1, NULL,
                          copy.base, copy.len);
}

/* ---- dispatching --------------------------------------------------------------------------------------- */

void edge_answer_unauthorized(struct edge_exchange *exchange)
{
    edge_answer_error(exchange, 401, "Unauthorized");
}

/* The names in the path, decoded and checked; answers 422 and returns false when they break GitHub's rules.
 */
static bool exchange_take_names(struct edge_exchange *exchange, const struct edge_captures *captures)
{
    if (!captures->owner)
        return true;
    char *owner = rb_arena_alloc(exchange->arena, captures->owner_len + 1);
    char *repo = rb_arena_alloc(exchange->arena, captures->repo_len + 1);
    size_t owner_len = edge_segment_decode(owner, captures->owner, captures->owner_len);
    size_t repo_len = edge_segment_decode(repo, captures->repo, captures->repo_len);
    exchange->owner = owner;
    exchange->repo = repo;
    if (!rb_github_owner_is_valid(owner, owner_len)) {
        edge_answer_error(exchange, 422,
                          "The owner is no GitHub name: 1 to 39 letters, digits and single hyphens");
        return false;
    }
    if (!rb_github_repo_is_valid(repo, repo_len)) {
        edge_answer_error(exchange, 422,
                          "The repository is no GitHub name: 1 to 100 letters, digits, '-', '_' and '.', not "
                          "ending in .git");
        return false;
    }
    return true;
}

/*
 * h2o believes the first of several Content-Length headers, and Transfer-Encoding above it, and keeps neither
 * among the headers. A proxy in front that believes another would take what follows a body for part of it,
 * and we for a request. So the head is looked at as it came, which is where the socket's input begins until
 * the request is answered.
 */
static bool exchange_body_is_unambiguous(const h2o_req_t *request)
{
    const h2o_socket_t *socket = request->conn->callbacks->get_socket(request->conn);
    const char *head = socket->input->bytes, *body = request->entity.base;
    int lengths = 0;
    if (body < head || body > head + socket->input->size)
        return false;
    for (const char *line = head; (line = memchr(line, '\n', (size_t)(body - line))); line++) {
        size_t left = (size_t)(body - line - 1);
        lengths += left > 15 && strncasecmp(line + 1, "content-length", 14) == 0;
        if (left > 18 && strncasecmp(line + 1, "transfer-encoding", 17) == 0)
            return false;
    }
    return lengths == 1;
}

static size_t exchange_body_max(const struct edge_route *route)
{
    return route->body_max ? route->body_max : EDGE_BODY_MAX;
}

int edge_on_request(h2o_handler_t *super, h2o_req_t *request)
{
    struct edge_thread *thread = ((struct edge_h2o_handler *)super)->thread;
    struct edge_captures captures = {0};
    char allow[64];
    struct exchange_box *box = exchange_new(thread, request);
    struct edge_exchange *exchange = &box->exchange;
    h2o_iovec_t path = h2o_iovec_init(request->path.base,
                                      request->query_at == SIZE_MAX ? request->path.len : request->query_at);
    if (request->entity.base && !exchange_body_is_unambiguous(request))
        request->http1_is_persistent = 0; /* so nothing follows it */
    exchange->route = exchange_find_route(&captures, allow, sizeof(allow), request->method, path);
    if (!exchange->route && *allow) {
        edge_add_header(exchange, "allow", allow);
        edge_answer_error(exchange, 405, "This route allows %s only", allow);
    } else if (!exchange->route) {
        edge_answer_error(exchange, 404, "There is no such route: /docs shows those there are");
    } else if (request->entity.len > exchange_body_max(exchange->route)) {
        edge_answer_error(exchange, 413, "The body has more than %zu bytes",
                          exchange_body_max(exchange->route));
    } else if ((exchange->route->is_public || edge_authenticate(exchange)) &&
               exchange_take_names(exchange, &captures)) {
        exchange->route->handler(exchange);
    }
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static const char *exchange_reason(int status)
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

bool edge_exchange_begin_answer(struct edge_exchange *exchange, int status)
{
    struct exchange_box *box = exchange_box_of(exchange);
    if (box->answered)
        return false;
    box->answered = true;
    char labels[96];
    const char *name = exchange->route ? exchange->route->name : "none";
    snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%d\"", name, status);
    rb_metric_add(rb_metric_counter("repobus_http_requests_total", labels, "Requests by route and status"),
                  1);
    snprintf(labels, sizeof(labels), "route=\"%s\"", name);
    rb_metric_observe_us(rb_metric_histogram("repobus_http_request_seconds", labels, "Time to the answer"),
                         rb_clock_us() - box->started_us);
    if (!box->request)
        return false;
    box->request->res.status = status;
    box->request->res.reason = exchange_reason(status);
    return true;
}

void edge_answer_text(struct edge_exchange *exchange, int status, const char *type, const char *body,
                      size_t len)
{
    if (!edge_exchange_begin_answer(exchange, status))
        return;
    h2o_req_t *request = exchange_box_of(exchange)->request;
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    request->res.content_length = len;   /* not chunked */
    h2o_send_inline(request, body, len); /* copies; the request may be gone when it returns */
}

void edge_answer_empty(struct edge_exchange *exchange, int status)
{
    if (edge_exchange_begin_answer(exchange, status)) /* without a length: RFC 9110, section 8.6 */
        h2o_send_inline(exchange_box_of(exchange)->request, NULL, 0);
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
    edge_add_header(exchange, "cache-control", "no-store");
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
    edge_answer_error(exchange, 503,
                      "The database cannot be reached and nothing was written: try again in a moment");
}

/* ---- the database ------------------------------------------------------------------------------------- */

struct exchange_query {
    struct edge_exchange *exchange;
    edge_rows_fn fn;
    void *arg;
};

static void exchange_on_rows(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct exchange_query query = *(struct exchange_query *)arg;
    free(arg);
    query.fn(query.arg, err, rows);
    edge_release(query.exchange);
}

/* A statement that was refused at once answers through the loop as well: callers are never called back from
 * within. */
static void exchange_on_refused(struct edge_thread *thread, void *arg)
{
    (void)thread;
    rb_error_set(RB_ELIMIT, "too many statements are waiting for PostgreSQL");
    exchange_on_rows(arg, RB_ELIMIT, NULL);
}

typedef rb_err (*exchange_submit_fn)(struct rb_pool *pool, const struct rb_statement *statement,
                                     const struct rb_param *params, size_t count, rb_pool_fn fn, void *arg);

static void exchange_submit(struct edge_exchange *exchange, exchange_submit_fn submit,
                            const struct rb_statement *statement, const struct rb_param *params, size_t count,
                            edge_rows_fn fn, void *arg)
{
    struct exchange_query *query = rb_malloc(sizeof(*query));
    *query = (struct exchange_query){.exchange = exchange, .fn = fn, .arg = arg};
    edge_hold(exchange);
    if (submit(exchange->thread->pool, statement, params, count, exchange_on_rows, query) != RB_OK)
        edge_thread_post(exchange->thread, exchange_on_refused, query);
}

void edge_query(struct edge_exchange *exchange, const struct rb_statement *statement,
                const struct rb_param *params, size_t count, edge_rows_fn fn, void *arg)
{
    exchange_submit(exchange, rb_pool_query, statement, params, count, fn, arg);
}

void edge_query_grouped(struct edge_exchange *exchange, const struct rb_statement *statement,
                        const struct rb_param *params, size_t count, edge_rows_fn fn, void *arg)
{
    exchange_submit(exchange, rb_pool_query_grouped, statement, params, count, fn, arg);
}

/* ---- GitHub ------------------------------------------------------------------------------------------- */

struct exchange_call {
    struct edge_exchange *exchange;
    edge_github_fn fn;
    void *arg;
    struct rb_github_response response;
};

static void exchange_deliver_response(struct edge_thread *thread, void *arg)
{
    struct exchange_call *call = arg;
    (void)thread;
    call->fn(call->arg, &call->response);
    edge_release(call->exchange);
    rb_github_response_clear(&call->response);
    free(call);
}

/* On the client's I/O thread. */
static void exchange_on_response(void *arg, struct rb_github_response *response)
{
    struct exchange_call *call = arg;
    call->response = *response;
    response->body = NULL; /* moved */
    edge_thread_post(call->exchange->thread, exchange_deliver_response, call);
}

void edge_ask_github(struct edge_exchange *exchange, struct rb_github_request *request, const char *token,
                     edge_github_fn fn, void *arg)
{
    struct exchange_call *call = rb_calloc(1, sizeof(*call));
    call->exchange = exchange;
    call->fn = fn;
    call->arg = arg;
    edge_hold(exchange);
    rb_err err = rb_github_submit(exchange->edge->github, request, token, exchange_on_response, call);
    if (err) {
        rb_github_request_clear(request);
        call->response = (struct rb_github_response){.err = err, .rate_remaining = -1};
        snprintf(call->response.message, sizeof(call->response.message), "%.255s", rb_error_text());
        edge_thread_post(exchange->thread, exchange_deliver_response, call);
    }
}

/* ---- pauses ------------------------------------------------------------------------------------------- */

struct exchange_pause {
    h2o_timeout_entry_t entry;
    struct edge_exchange *exchange;
    void (*fn)(void *);
    void *arg;
};

static void exchange_on_pause(h2o_timeout_entry_t *entry)
{
    struct exchange_pause *pause = H2O_STRUCT_FROM_MEMBER(struct exchange_pause, entry, entry);
    pause->fn(pause->arg);
    edge_release(pause->exchange);
    free(pause);
}

void edge_pause(struct edge_exchange *exchange, void (*fn)(void *), void *arg)
{
    struct exchange_pause *pause = rb_calloc(1, sizeof(*pause));
    *pause = (struct exchange_pause){.exchange = exchange, .fn = fn, .arg = arg};
    pause->entry.cb = exchange_on_pause;
    edge_hold(exchange);
    h2o_timeout_link(exchange->thread->context.loop, &exchange->thread->pause, &pause->entry);
}
