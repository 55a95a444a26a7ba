/*
 * The exchange: from a request to its answer. h2o discards a request as soon as the client is gone; the only
 * word of it is the dispose callback of something in the request's pool. So the exchange is a box of its own,
 * the pool holds a reference to it, and the callback takes the request out of the box.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edge/server.h"

#define EXCHANGES_MAX        1024 /* under way on a thread: each may hold a connection to GitHub and statements */
#define EXCHANGES_PER_PERSON 256          /* of these */
#define EXCHANGE_BODY_KEPT   (256 * 1024) /* bytes of a body after which a connection stays open */

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
    edge_box_of(exchange)->references++;
}

void edge_release(struct edge_exchange *exchange)
{
    struct edge_box *box = edge_box_of(exchange);
    if (--box->references > 0)
        return;
    *box->link = box->next;
    if (box->next)
        box->next->link = box->link;
    exchange->thread->exchanges--;
    rb_arena_free(exchange->arena);
    free(box);
}

/* The request's pool is being cleared: the answer is complete, or the client is gone. */
static void exchange_on_dispose(void *reference)
{
    struct edge_box *box = *(struct edge_box **)reference;
    box->request = NULL;
    edge_release(&box->exchange);
}

static struct edge_box *exchange_new(struct edge_thread *thread, h2o_req_t *request)
{
    struct edge_box *box = rb_calloc(1, sizeof(*box));
    box->exchange = (struct edge_exchange){.edge = thread->edge, .thread = thread, .arena = rb_arena_new()};
    box->request = request;
    box->references = 1;
    box->started_us = rb_clock_us();
    thread->exchanges++;
    box->next = thread->first_box;
    box->link = &thread->first_box;
    if (box->next)
        box->next->link = &box->next;
    thread->first_box = box;
    struct edge_box **reference =
        h2o_mem_alloc_shared(&request->pool, sizeof(*reference), exchange_on_dispose);
    *reference = box;
    box->exchange.last_event_id = edge_header(&box->exchange, "last-event-id");
    box->parent = edge_header(&box->exchange, "traceparent");
    rb_traceparent_make(box->trace, box->parent);
    box->exchange.traceparent = box->trace;
    return box;
}

h2o_req_t *edge_exchange_request(struct edge_exchange *exchange)
{
    return edge_box_of(exchange)->request;
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
    const h2o_req_t *request = ((const struct edge_box *)exchange)->request;
    *len = request && request->entity.base ? request->entity.len : 0;
    return *len ? request->entity.base : NULL;
}

/* Memory of h2o behind the body, which is its own where it came in chunks. */
static size_t exchange_body_room(const h2o_req_t *request)
{
    const h2o_buffer_t *input = request->conn->callbacks->get_socket(request->conn)->input;
    const char *end = request->entity.base + request->entity.len, *limit = input->_buf + input->capacity;
    return request->entity.base >= input->_buf && end <= limit ? (size_t)(limit - end) : 0;
}

struct rb_json_text edge_body_text(const struct edge_exchange *exchange)
{
    struct rb_json_text text = {0};
    text.at = edge_body(exchange, &text.len);
    if (text.at)
        text.room = exchange_body_room(((const struct edge_box *)exchange)->request);
    return text;
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

/* Streams have limits of their own and cost nothing while they wait. */
static int exchange_count_of(const struct edge_thread *thread, int64_t user_id)
{
    int count = 0;
    for (const struct edge_box *box = thread->first_box; box; box = box->next)
        count += !box->is_stream && box->exchange.user_id == user_id;
    return count;
}

/* Whether there is room for this request; answers when there is none. People are counted only where one of
 * them could have too many. */
static bool exchange_is_admitted(struct edge_exchange *exchange)
{
    const struct edge_thread *thread = exchange->thread;
    int count = thread->exchanges - thread->streams;
    if (exchange->route->flags & EDGE_VITAL)
        return true;
    if (count > EXCHANGES_MAX) {
        edge_answer_error(exchange, 503, "Too many requests are under way: try again in a moment");
        return false;
    }
    if (exchange->user_id && count > EXCHANGES_PER_PERSON &&
        exchange_count_of(thread, exchange->user_id) > EXCHANGES_PER_PERSON) {
        edge_answer_error(exchange, 429, "You have %d requests under way: wait for one to end",
                          EXCHANGES_PER_PERSON);
        return false;
    }
    return true;
}

/* A page of FRONTEND_URL asks beforehand what it may do (fetch.spec.whatwg.org, "CORS protocol"). */
static void exchange_answer_options(struct edge_exchange *exchange, const char *allow)
{
    edge_add_header(exchange, "allow", allow);
    edge_add_header(exchange, "access-control-allow-methods", allow);
    edge_add_header(exchange, "access-control-allow-headers", "authorization, content-type, traceparent");
    edge_add_header(exchange, "access-control-max-age", "600");
    edge_answer_empty(exchange, 204);
}

int edge_on_request(h2o_handler_t *super, h2o_req_t *request)
{
    struct edge_thread *thread = ((struct edge_h2o_handler *)super)->thread;
    struct edge_captures captures = {0};
    char allow[64];
    struct edge_box *box = exchange_new(thread, request);
    struct edge_exchange *exchange = &box->exchange;
    h2o_iovec_t path = h2o_iovec_init(request->path.base,
                                      request->query_at == SIZE_MAX ? request->path.len : request->query_at);
    /* h2o keeps the memory of the largest body for as long as the connection lives, also an idle one. */
    if (request->entity.base &&
        (request->entity.len > EXCHANGE_BODY_KEPT || !exchange_body_is_unambiguous(request)))
        request->http1_is_persistent = 0; /* so nothing follows it */
    exchange->route = exchange_find_route(&captures, allow, sizeof(allow), request->method, path);
    if (!exchange->route && *allow &&
        h2o_memis(request->method.base, request->method.len, H2O_STRLIT("OPTIONS"))) {
        exchange_answer_options(exchange, allow);
    } else if (!exchange->route && *allow) {
        edge_add_header(exchange, "allow", allow);
        edge_answer_error(exchange, 405, "This route allows %s only", allow);
    } else if (!exchange->route) {
        edge_answer_error(exchange, 404, "There is no such route: /docs shows those there are");
    } else if (request->entity.len > exchange_body_max(exchange->route)) {
        edge_answer_error(exchange, 413, "The body has more than %zu bytes",
                          exchange_body_max(exchange->route));
    } else if (((exchange->route->flags & EDGE_PUBLIC) || edge_authenticate(exchange)) &&
               exchange_is_admitted(exchange) && exchange_take_names(exchange, &captures)) {
        exchange->route->handler(exchange);
    }
    return 0;
}
