/*
 * Private to edge/: the process, its threads, and the exchange, which is one request with its answer.
 *
 * Every exchange belongs to one thread: all its functions are called there. It outlives the client's
 * connection for as long as a flow holds it; answering a client that is gone does nothing.
 */
#ifndef RB_EDGE_H
#define RB_EDGE_H

#include "bus/bus.h"
#include "lib/base/base.h"
#include "lib/github/github.h"
#include "lib/secrets/secrets.h"
#include "lib/store/store.h"

#define EDGE_SOURCE "/repobus/edge" /* CloudEvents source of what this process publishes */

/* ---- where clients are (peer.c) ----------------------------------------------------------------------- */

#define EDGE_PROXIES_MAX 32
struct edge_proxies {
    size_t count;
    struct edge_network {
        uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
        int bits;
    } networks[EDGE_PROXIES_MAX];
};
/* Addresses and networks, separated by commas: "10.0.0.0/8, ::1". RB_EINVAL names the one that is wrong.
 * Pure. */
rb_err edge_proxies_parse(struct edge_proxies *proxies, const char *text) RB_MUST_CHECK;
/* The client's address: the peer's, unless that is a proxy of ours; then the last one in X-Forwarded-For that
 * is none. What is no address ends the search: whoever wrote it may have written all before it. Pure. */
#define EDGE_ADDRESS_SIZE 46 /* INET6_ADDRSTRLEN */
void edge_client_address(char out[EDGE_ADDRESS_SIZE], const struct edge_proxies *proxies, const char *peer,
                         const char *forwarded_for);

struct edge_settings {
    const char *listen_address, *database_url, *nats_url, *github_api_url, *secret_key, *secret_key_previous;
    const char *backend_url, *frontend_url; /* the latter "" where there is none */
    const char *hook_url;                   /* {BACKEND_URL}/api/v1/webhooks/github */
    struct rb_github_app app;               /* client_id "": nobody can sign in */
    const char *frontend_origin; /* scheme, host and port of frontend_url; "": no other origin is let in */
    const char *tls_certificate, *tls_key; /* files; "": plain HTTP */
    struct edge_proxies proxies;
    int64_t body_memory; /* bytes for bodies that are being received, over all threads */
    int session_seconds;
    bool is_local; /* BACKEND_URL is plain http: cookies go without Secure */
    int port, threads, github_timeout_ms, reservation_seconds, reconcile_seconds, drain_seconds, measure_ms;
    int check_seconds, deliveries_seconds; /* between looks at an installation, at the deliveries of a hook */
    int request_seconds, stall_seconds; /* for head and body of a request; for an answer that does not move */
};

/* The process. Everything here is made before the threads and constant afterwards. */
struct edge {
    struct edge_settings settings;
    struct rb_keyring *keyring;
    struct rb_github *github;
    struct rb_bus *bus;
};

struct edge_thread;

/* ---- routes ------------------------------------------------------------------------------------------- */

struct edge_exchange;
typedef void (*edge_handler_fn)(struct edge_exchange *exchange);
struct edge_route {
    const char *method;
    const char *pattern; /* "/api/v1/repos/{owner}/{repo}/install" */
    edge_handler_fn handler;
    const char *name; /* in metrics and log lines */
    unsigned flags;
    size_t body_max; /* bytes; 0: EDGE_BODY_MAX */
};
#define EDGE_PUBLIC   1U /* without a JWT */
#define EDGE_VITAL    2U /* answered whatever the load, and logged at level debug only */
#define EDGE_BODY_MAX (64 * 1024)
/* GitHub sends at most 25 MB (docs.github.com, "Webhook events and payloads"); as a form each byte of JSON
 * may become three. */
#define EDGE_BODY_LARGEST (76 * 1024 * 1024)
extern const struct edge_route edge_routes[]; /* ends with a NULL method */

/* Whether `path` fits `pattern`. What stands for {owner} and {repo} is pointed to; it is not checked yet.
 * Pure. */
struct edge_captures {
    const char *owner, *repo;
    size_t owner_len, repo_len;
};
bool edge_route_matches(struct edge_captures *captures, const char *pattern, const char *path, size_t len);
/* Undoes percent-encoding (RFC 3986, section 2.1) of one segment of a path into `out` of `len` bytes; the
 * length of the result. What is no encoding stays as it is. Pure. */
size_t edge_segment_decode(char *out, const char *segment, size_t len);
/* Undoes the encoding of a form's value (a query, a cookie's neighbour): also '+' for a space. In `arena`;
 * ends at a zero byte. Pure. */
const char *edge_form_decode(struct rb_arena *arena, const char *value, size_t len);

/* A UUID as text (RFC 9562, section 4). NULL is none. Pure. */
bool edge_is_uuid(const char *text);

/* ---- the exchange ------------------------------------------------------------------------------------- */

struct edge_exchange {
    struct edge *edge;
    struct edge_thread *thread;
    const struct edge_route *route;
    struct rb_arena *arena;    /* of the exchange */
    const char *owner, *repo;  /* checked by GitHub's naming rules; NULL where the route has none */
    const char *traceparent;   /* of this request: a child of the client's where it sent one */
    const char *last_event_id; /* of the client, or NULL */
    int64_t user_id;           /* by the JWT; 0 on public routes */
    struct rb_jwt jwt;         /* of that person */
};

/* What the client sent; in the arena, NULL where absent or once the client is gone. A header of more than
 * EDGE_HEADER_MAX bytes is absent. */
#define EDGE_HEADER_MAX 8192
const char *edge_header(struct edge_exchange *exchange, const char *name);
/* One parameter of the query string, percent-decoded ('+' is a space); "" when it has no value. */
const char *edge_parameter(struct edge_exchange *exchange, const char *name);
/* A number among the parameters, `*value` where it is absent. Answers 422 and returns false when it is no
 * number from `min` to `max`. */
bool edge_parameter_int(int64_t *value, struct edge_exchange *exchange, const char *name, int64_t min,
                        int64_t max);
/* The body, whole, valid until the handler returns or waits: the client may be gone afterwards. */
const void *edge_body(const struct edge_exchange *exchange, size_t *len);
/* The same, to be read as JSON where it lies. */
struct rb_json_text edge_body_text(const struct edge_exchange *exchange);
/* A header of the answer, before it is given; copied. Nothing once the client is gone. */
void edge_add_header(struct edge_exchange *exchange, const char *name, const char *value);

/* One cookie, in the arena; NULL: there is none. */
const char *edge_cookie(struct edge_exchange *exchange, const char *name);
/* Sets a cookie on the answer: HttpOnly, SameSite=Lax, Secure but for plain http. An empty value removes it.
 */
void edge_set_cookie(struct edge_exchange *exchange, const char *name, const char *value, const char *path,
                     int64_t seconds);
#define EDGE_SESSION_COOKIE "repobus_session"

/* Who asks, by bearer token or session cookie; false: the answer has been given. Whether the person exists
 * and has not logged out is for the route's first statement to say, which reads from EDGE_PERSON. A write by
 * cookie must come from a page of ours (Origin, Sec-Fetch-Site or Referer), since browsers send cookies for
 * others, too. */
bool edge_authenticate(struct edge_exchange *exchange);
/* The person of the exchange as table `u`; no row: answer 401. The first two parameters of the statement are
 * EDGE_P_PERSON(exchange). */
#define EDGE_PERSON             "signed_in($1, $2) u"
#define EDGE_P_PERSON(exchange) RB_P_INT((exchange)->user_id), RB_P_TEXT((exchange)->jwt.id)

void edge_hold(struct edge_exchange *exchange);
void edge_release(struct edge_exchange *exchange);
/* The answer: once an exchange. `body` is copied. */
void edge_answer_json(struct edge_exchange *exchange, int status, const char *body, size_t len);
/* {"detail": …} */
void edge_answer_error(struct edge_exchange *exchange, int status, const char *fmt, ...) RB_PRINTF(3, 4);
void edge_answer_text(struct edge_exchange *exchange, int status, const char *type, const char *body,
                      size_t len);
void edge_answer_empty(struct edge_exchange *exchange, int status); /* 204, 304 */
void edge_answer_redirect(struct edge_exchange *exchange, const char *location);
/* Adds `etag` (with its quotes) to the answer. True: the client has this one already, which has been answered
 * (304, RFC 9110, section 13.1.2). */
bool edge_answer_if_known(struct edge_exchange *exchange, const char *etag);
/* For a failed statement: 503. It promises nothing: where an answer was lost, the statement may have been
 * committed. */
void edge_answer_no_database(struct edge_exchange *exchange);
/* {"detail":"Unauthorized"}: the person the JWT speaks of does not exist. */
void edge_answer_unauthorized(struct edge_exchange *exchange);
/* The 401 of a person whose GitHub token does not open any more: signing in again repairs it. */
#define EDGE_SESSION_EXPIRED "Session expired \xe2\x80\x94 please log out and sign in again."

/* For a look-up of this person's installation of the repository in the path: a failed one, a person who does
 * not exist (no row), and what is not connected (null in the first column) are answered. False: it is there.
 */
bool edge_answer_if_not_there(struct edge_exchange *exchange, rb_err err, const struct rb_rows *rows);

/* Runs one statement; `fn` is called on the exchange's thread, with rows borrowed. The exchange is held
 * meanwhile. */
typedef void (*edge_rows_fn)(void *arg, rb_err err, const struct rb_rows *rows);
/* Both answer the exchange, their argument, with the JSON in the first column; the first one to a look-up of
 * this person (no row: there is none), the second one to edge_answer_if_not_there()'s. */
void edge_answer_person_rows(void *exchange, rb_err err, const struct rb_rows *rows);
void edge_answer_repo_rows(void *exchange, rb_err err, const struct rb_rows *rows);
void edge_query(struct edge_exchange *exchange, const struct rb_statement *statement,
                const struct rb_param *params, size_t count, edge_rows_fn fn, void *arg);
/* The same for a short write that comes in numbers: it shares a commit with others (rb_pool_query_grouped).
 */
void edge_query_grouped(struct edge_exchange *exchange, const struct rb_statement *statement,
                        const struct rb_param *params, size_t count, edge_rows_fn fn, void *arg);
/* Asks GitHub; `fn` is called on the exchange's thread. Takes the request. The exchange is held meanwhile. */
typedef void (*edge_github_fn)(void *arg, struct rb_github_response *response);
void edge_ask_github(struct edge_exchange *exchange, struct rb_github_request *request, const char *token,
                     edge_github_fn fn, void *arg);
/* Asks over the bus (rb_bus_ask); `fn` is called on the exchange's thread, `answer` is borrowed. The exchange
 * is held meanwhile. */
typedef void (*edge_answer_fn)(void *arg, const struct rb_answer *answer);
void edge_ask_bus(struct edge_exchange *exchange, const char *subject, const void *body, size_t len,
                  int timeout_ms, edge_answer_fn fn, void *arg);
/* Calls `fn` on the exchange's thread after EDGE_PAUSE_MS. The exchange is held meanwhile. */
#define EDGE_PAUSE_MS 300
void edge_pause(struct edge_exchange *exchange, void (*fn)(void *), void *arg);

/* ---- what is sealed ----------------------------------------------------------------------------------- */

/* Opens this person's OAuth token, or the secret of an installation's hook, and seals anew in the background
 * what is under the previous SECRET_KEY. RB_EAUTH: it does not open. Freed with rb_secret_free(). */
rb_err edge_open_token(char **token, struct edge_exchange *exchange, const uint8_t *sealed,
                       size_t len) RB_MUST_CHECK;
rb_err edge_open_hook_secret(char **secret, struct edge_exchange *exchange, int64_t installation_id,
                             const uint8_t *sealed, size_t len) RB_MUST_CHECK;

/* ---- events ------------------------------------------------------------------------------------------- */

/* The end of a statement with a WITH: for each row of `from`, which is in it, an event goes to the outbox
 * and, once that is committed, the relay is woken. The statement gives a row for each. The four others are
 * the parameters of the event below. */
#define EDGE_OUTBOX(from, id, subject, traceparent, body)                                         \
    "event as (insert into outbox_events (id, subject, traceparent, body, created_at) select " id \
    "::uuid, " subject ", " traceparent ", " body ", clock_timestamp() from " from                \
    " returning position, id), waits as (insert into outbox_waiting select position, id from "    \
    "event) select pg_notify('outbox', '') from " from
struct edge_event {
    struct rb_buf body;
    char id[RB_UUID_SIZE], trace[RB_TRACEPARENT_SIZE];
};
/* The traceparent that an event bears: that of the request it was made in, whose span the relay's is a child
 * of. NULL: a new trace. */
void edge_event_trace(char out[RB_TRACEPARENT_SIZE], const char *request);
/* Makes an event of the trace `traceparent` (NULL: a new one). Takes `data` (NULL: RB_EINTERNAL).
 * rb_buf_free() the body whatever the result. */
rb_err edge_event_make(struct edge_event *event, const char *traceparent, const char *subject,
                       json_t *data) RB_MUST_CHECK;
/* The same, whose id is set already: for one that is written once, however often it is made. */
rb_err edge_event_make_again(struct edge_event *event, const char *traceparent, const char *subject,
                             json_t *data) RB_MUST_CHECK;
/* Tells once that a subscriber has given up an event: repo.failed, in the transaction that keeps this run. */
rb_err edge_failed_write(struct rb_db *db, const struct rb_run *run) RB_MUST_CHECK;

/* ---- server-sent events ------------------------------------------------------------------------------- */

/* Makes the answer of an exchange a stream about one installation; it ends when the client is gone, too slow,
 * or the server drains. False when it cannot be opened; then the answer has been given. */
bool edge_stream_open(struct edge_exchange *exchange, int64_t installation_id) RB_MUST_CHECK;
/* Sends the present state as the stream's first event, and behind it what was told meanwhile. `state` is one
 * line. */
void edge_stream_start(struct edge_exchange *exchange, const char *state);
/* Gives `data` (one line) to every stream about this installation on all threads. Any thread may call. */
void edge_streams_tell(int64_t installation_id, const char *event, const char *data);
/* Ends every stream after a gap in what is told, so that clients reconnect to the present state. Any thread.
 */
void edge_streams_reset(void);

/* ---- the server --------------------------------------------------------------------------------------- */

/* Starts the threads and listens; logs "listening=ADDRESS:PORT". */
rb_err edge_server_start(struct edge *edge) RB_MUST_CHECK;
/* Ends gracefully: no new connection, requests under way finish within settings.drain_seconds, streams get
 * `bye`. */
void edge_server_stop(void);
bool edge_server_has_database(void); /* some thread has a working connection */

/* ---- background --------------------------------------------------------------------------------------- */

/* Threads that live as long as the process. Each stop function joins. */
rb_err edge_relay_start(struct edge *edge) RB_MUST_CHECK;
void edge_relay_stop(void);
rb_err edge_projection_start(struct edge *edge) RB_MUST_CHECK;
void edge_projection_stop(void);
rb_err edge_reconciler_start(struct edge *edge) RB_MUST_CHECK;
void edge_reconciler_stop(void);

/* A thread of the background: `run` is called until it is stopped, each time after `wake_fd` or what it waits
 * for. */
struct edge_worker {
    const char *name;
    struct edge *edge;
    void (*run)(struct edge_worker *worker); /* returns when edge_worker_is_stopping() */
    int wake_fd;                             /* readable once the worker is to stop */
    struct rb_db *db;
    void *thread;
};
rb_err edge_worker_start(struct edge_worker *worker) RB_MUST_CHECK;
void edge_worker_stop(struct edge_worker *worker);
bool edge_worker_is_stopping(const struct edge_worker *worker);
/* Sleeps at most `ms`; returns early when the worker is to stop. */
void edge_worker_sleep(const struct edge_worker *worker, int64_t ms);

/* ---- handlers ----------------------------------------------------------------------------------------- */

void edge_install(struct edge_exchange *exchange);
void edge_disconnect(struct edge_exchange *exchange);
void edge_list_repos(struct edge_exchange *exchange);
void edge_get_repo(struct edge_exchange *exchange);
void edge_repo_profile(struct edge_exchange *exchange);
void edge_repo_events(struct edge_exchange *exchange);
void edge_graph(struct edge_exchange *exchange); /* all that asks for the graph, by the name of the route */
void edge_rescan(struct edge_exchange *exchange);
void edge_sign_in(struct edge_exchange *exchange);
void edge_sign_in_callback(struct edge_exchange *exchange);
void edge_me(struct edge_exchange *exchange);
void edge_logout(struct edge_exchange *exchange);
void edge_webhook(struct edge_exchange *exchange);
void edge_deliveries(struct edge_exchange *exchange);
void edge_healthz(struct edge_exchange *exchange);
void edge_readyz(struct edge_exchange *exchange);
void edge_metrics(struct edge_exchange *exchange);
void edge_docs(struct edge_exchange *exchange);

#endif
