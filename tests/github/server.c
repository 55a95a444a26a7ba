/*
 * The server: h2o's HTTP/1.1 on one event loop, and the life of an exchange from its request to its answer.
 *
 * A request is copied, written down, and then either handled at once or parked: until a time (latency) or
 * until faults are removed (hang). Cutting a connection means writing as much as wanted to the socket
 * ourselves and shutting it down; h2o's own answer then fails, and h2o cleans up.
 */
#include "tests/github/standin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_BODY_MAX \
    ((size_t)26 * 1024 * 1024)     /* payloads given to the control route may be as large as GitHub's */
#define SERVER_AUTHORITY_MAX 255   /* a host name and a port */
#define SERVER_PARKED_MAX    10000 /* exchanges waiting: beyond it they are answered at once */
#define SERVER_WAIT_MS       1000  /* longest sleep of the loop: SIGTERM is looked at between */
#define SERVER_CUT_ANSWER    "HTTP/1.1 %d OK\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n"
#define SERVER_ACCEPTS_MAX   64 /* connections taken before others get their turn */

struct server_handler {
    h2o_handler_t super;
    struct sim *sim;
};

/* What h2o calls when it gives a request up; lives in the request's pool. */
struct server_guard {
    struct sim_exchange *exchange;
};

static void server_on_dispose(void *arg)
{
    struct server_guard *guard = arg;
    if (guard->exchange != NULL) {
        guard->exchange->req = NULL;
    }
}

static char *server_header(struct sim_exchange *x, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&x->req->headers, name, strlen(name), -1);
    if (at == -1) {
        return NULL;
    }
    h2o_iovec_t value = x->req->headers.entries[at].value;
    return rb_arena_strndup(x->arena, value.base, value.len);
}

/* How the client calls us, for the addresses in answers. What is no host and port is not repeated. */
static char *server_base(const struct sim *sim, struct rb_arena *arena, h2o_iovec_t authority)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.:[]_";
    char *text = rb_arena_strndup(arena, authority.base != NULL ? authority.base : "", authority.len);
    if (*text == '\0' || strlen(text) > SERVER_AUTHORITY_MAX || strspn(text, plain) != strlen(text)) {
        return rb_arena_printf(arena, "http://127.0.0.1:%d", sim->port);
    }
    return rb_arena_printf(arena, "http://%s", text);
}

static struct sim_exchange *server_exchange_new(struct sim *sim, h2o_req_t *req)
{
    struct rb_arena *arena = rb_arena_new();
    struct sim_exchange *x = rb_arena_alloc(arena, sizeof(*x));
    x->sim = sim;
    x->req = req;
    x->arena = arena;
    size_t path_len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;
    x->method = rb_arena_strndup(arena, req->method.base, req->method.len);
    x->path = rb_arena_strndup(arena, req->path.base, path_len);
    x->query = req->query_at != SIZE_MAX
                   ? rb_arena_strndup(arena, req->path.base + path_len + 1, req->path.len - path_len - 1)
                   : rb_arena_strdup(arena, "");
    x->base = server_base(sim, arena, req->authority);
    x->body = rb_arena_strndup(arena, req->entity.base != NULL ? req->entity.base : "", req->entity.len);
    x->body_len = req->entity.len;
    x->authorization = server_header(x, "authorization");
    x->accept = server_header(x, "accept");
    x->if_none_match = server_header(x, "if-none-match");
    x->user_agent = server_header(x, "user-agent");
    char uuid[RB_UUID_SIZE];
    rb_uuid_make(uuid);
    // GitHub's look like "C0F4:2E5B:1A2B3C:4D5E6F:65A1B2C3".
    snprintf(x->request_id, sizeof(x->request_id), "%.4s:%.4s:%.8s:%.4s%.4s", uuid + 19, uuid + 14, uuid,
             uuid + 24, uuid + 28);

    struct server_guard *guard = h2o_mem_alloc_shared(&req->pool, sizeof(*guard), server_on_dispose);
    guard->exchange = x;
    x->guard = guard;
    return x;
}

static void server_exchange_free(struct sim_exchange *x)
{
    if (x->answer.body != NULL) {
        h2o_mem_release_shared(x->answer.body);
    }
    rb_arena_free(x->arena);
}

static int server_fd(const struct sim_exchange *x)
{
    return h2o_socket_get_fd(x->req->conn->callbacks->get_socket(x->req->conn));
}

/* As much of the answer as the fault lets through, then the end of the connection. */
static void server_cut(struct sim_exchange *x)
{
    const struct sim_answer *answer = &x->answer;
    int fd = server_fd(x);
    if (x->cut != SIM_CUT_BEFORE) {
        char head[256];
        size_t len =
            (size_t)snprintf(head, sizeof(head), SERVER_CUT_ANSWER, answer->status,
                             answer->content_type != NULL ? answer->content_type : "application/json",
                             answer->len > 0 ? answer->len : 100);
        bool is_sent = send(fd, head, x->cut == SIM_CUT_HEADERS ? len / 2 : len, MSG_NOSIGNAL) >= 0;
        if (is_sent && x->cut == SIM_CUT_BODY && answer->len > 1) {
            is_sent = send(fd, answer->body, answer->len / 2, MSG_NOSIGNAL) >= 0;
        }
        if (!is_sent) {
            rb_log_debug("cutting: %s", strerror(errno));
        }
    }
    shutdown(fd, SHUT_RDWR);
}

static void server_send(struct sim_exchange *x)
{
    static h2o_generator_t generator = {NULL, NULL};
    h2o_req_t *req = x->req;
    struct sim_answer *answer = &x->answer;
    req->res.status = answer->status;
    req->res.reason = "OK"; // HTTP/1.1 clients look at the number
    // A 304 has the length of the answer it stands for or none, and h2o leaves it out only when told.
    req->res.content_length = answer->status == 304 ? SIZE_MAX : answer->len;
    if (answer->content_type != NULL) {
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, answer->content_type,
                       strlen(answer->content_type));
    }
    for (size_t i = 0; i < answer->header_count; i++) {
        const struct sim_header *header = &answer->headers[i];
        h2o_iovec_t value = h2o_strdup(&req->pool, header->value, SIZE_MAX);
        h2o_add_header_by_str(&req->pool, &req->res.headers, header->name, strlen(header->name), 1, NULL,
                              value.base, value.len);
    }
    bool has_body = answer->body != NULL && answer->len > 0 && strcmp(x->method, "HEAD") != 0;
    h2o_iovec_t body = {answer->body, answer->len};
    if (answer->body != NULL) {
        h2o_mem_link_shared(&req->pool, answer->body);
    }
    h2o_start_response(req, &generator);
    h2o_send(req, &body, has_body ? 1 : 0, H2O_SEND_STATE_FINAL); // may dispose of req
}

void rb_sim_exchange_finish(struct sim_exchange *x)
{
    if (x->is_handling) {
        x->is_deferred = false; // what it waited for came at once: server_handle() ends it
        return;
    }
    if (!x->is_control) {
        rb_sim_record_done(x->record, x->cut == SIM_CUT_BEFORE ? 0 : x->answer.status);
    }
    if (x->req != NULL) {
        if (x->cut != SIM_CUT_NOT) {
            server_cut(x);
        }
        server_send(x);
    }
    if (x->req != NULL) {
        x->guard->exchange = NULL; // h2o still holds the request while it writes
    }
    server_exchange_free(x);
}

static void server_handle(struct sim_exchange *x)
{
    x->is_handling = true;
    if (x->is_control) {
        rb_sim_control(x);
    } else {
        rb_sim_api(x);
    }
    x->is_handling = false;
    if (!x->is_deferred) {
        rb_sim_exchange_finish(x);
    }
}

static void server_park(struct sim_exchange *x)
{
    struct sim_exchange **last = &x->sim->parked;
    while (*last != NULL) {
        last = &(*last)->next_parked;
    }
    *last = x;
    x->sim->parked_count++;
}

/* Handles what is due; gives the milliseconds until the next. */
static int32_t server_wake(struct sim *sim)
{
    int64_t wait = SERVER_WAIT_MS;
    for (struct sim_exchange **link = &sim->parked; *link != NULL;) {
        struct sim_exchange *x = *link;
        int64_t left = x->is_hanging ? SERVER_WAIT_MS : x->due_ms - rb_clock_ms();
        if (left > 0) {
            wait = left < wait ? left : wait;
            link = &x->next_parked;
            continue;
        }
        *link = x->next_parked;
        sim->parked_count--;
        server_handle(x);
        // A handler may have parked or released others: begin again.
        link = &sim->parked;
    }
    return (int32_t)wait;
}

/* True when the client has closed the connection: h2o does not look while a request is being worked on. */
static bool server_is_gone(const struct sim_exchange *x)
{
    char byte;
    return x->req == NULL || recv(server_fd(x), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void rb_sim_server_release(struct sim *sim)
{
    for (struct sim_exchange **link = &sim->parked; *link != NULL;) {
        struct sim_exchange *x = *link;
        if (!x->is_hanging) {
            link = &x->next_parked;
            continue;
        }
        if (!server_is_gone(x)) {
            x->is_hanging = false; // due now: the loop handles it next
            x->due_ms = 0;
            link = &x->next_parked;
            continue;
        }
        *link = x->next_parked;
        sim->parked_count--;
        x->cut = SIM_CUT_BEFORE;
        rb_sim_answer_empty(x, 204);
        rb_sim_exchange_finish(x);
    }
}

static int server_on_req(h2o_handler_t *super, h2o_req_t *req)
{
    struct sim *sim = ((struct server_handler *)super)->sim;
    struct sim_exchange *x = server_exchange_new(sim, req);
    x->is_control = strncmp(x->path, "/_control/", 10) == 0;
    if (x->is_control) {
        server_handle(x);
        return 0;
    }
    rb_sim_record_add(x);
    if (rb_sim_fault_apply(x)) {
        rb_sim_header(x, "x-github-request-id", "%s", x->request_id);
        rb_sim_exchange_finish(x);
    } else if ((x->is_hanging || x->due_ms > 0) && sim->parked_count < SERVER_PARKED_MAX) {
        server_park(x);
    } else {
        server_handle(x);
    }
    return 0;
}

static void server_on_accept(h2o_socket_t *listener, const char *err)
{
    if (err != NULL) {
        return;
    }
    struct sim *sim = listener->data;
    for (int i = 0; i < SERVER_ACCEPTS_MAX; i++) {
        h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
        if (socket == NULL) {
            return;
        }
        h2o_accept(&sim->accept, socket);
    }
}

static rb_err server_listen(int *out, int *chosen, const char *address, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(at);
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
        return rb_error_set(RB_EINVAL, "%s is no IPv4 address", address);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, H2O_SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        rb_err err = rb_error_set(RB_ECONFLICT, "listening on %s:%d: %s", address, port, strerror(errno));
        if (fd != -1) {
            close(fd);
        }
        return err;
    }
    *out = fd;
    *chosen = ntohs(at.sin_port);
    return RB_OK;
}

rb_err rb_sim_server_start(struct sim *sim, const char *address, int port)
{
    int fd = -1;
    rb_err err = server_listen(&fd, &sim->port, address, port);
    if (err != RB_OK) {
        return err;
    }
    h2o_config_init(&sim->config);
    sim->config.server_name = h2o_iovec_init(H2O_STRLIT("github.com"));
    sim->config.http1.upgrade_to_http2 = 0;
    sim->config.max_request_entity_size = SERVER_BODY_MAX;
    h2o_hostconf_t *host =
        h2o_config_register_host(&sim->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct server_handler *handler = (struct server_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = server_on_req;
    handler->sim = sim;

    sim->loop = h2o_evloop_create();
    h2o_context_init(&sim->context, sim->loop, &sim->config);
    sim->accept = (h2o_accept_ctx_t){.ctx = &sim->context, .hosts = sim->config.hosts};
    sim->listener = h2o_evloop_socket_create(sim->loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    sim->listener->data = sim;
    h2o_socket_read_start(sim->listener, server_on_accept);
    return RB_OK;
}

void rb_sim_server_run(struct sim *sim, volatile int *stop)
{
    while (*stop == 0) {
        h2o_evloop_run(sim->loop, server_wake(sim));
    }
}

void rb_sim_server_stop(struct sim *sim)
{
    h2o_socket_read_stop(sim->listener);
    h2o_socket_close(sim->listener);
    while (sim->parked != NULL) {
        struct sim_exchange *x = sim->parked;
        sim->parked = x->next_parked;
        x->cut = SIM_CUT_BEFORE;
        rb_sim_answer_empty(x, 204);
        rb_sim_exchange_finish(x);
    }
}
