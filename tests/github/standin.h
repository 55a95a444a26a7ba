/*
 * The inside of the GitHub stand-in.
 *
 * One thread runs everything on h2o's event loop: state needs no lock. A request becomes an exchange, which
 * holds copies of all it needs and outlives the client's connection, so that a fault can park it for any
 * time. Only deliveries of webhooks run elsewhere (deliver.c, one thread with curl), and come back as
 * messages to the loop.
 */
#ifndef RB_STANDIN_H
#define RB_STANDIN_H

#include "lib/base/base.h"

#include <git2.h>
#include <h2o.h>
#include <jansson.h>

#define SIM_HEADERS_MAX  24 /* headers of one answer: about half are in use */
#define SIM_ARGS_MAX     4  /* wildcards in a route's pattern */
#define SIM_SEGMENTS_MAX 64 /* folders in a path, and then some */
#define SIM_RATE_LIMIT   5000
#define SIM_RATE_WINDOW  3600 /* seconds */

/* ---- state -------------------------------------------------------------------------------------------- */

struct sim_user {
    struct sim_user *next;
    int64_t id;
    char *login;
    char *token;
    char *scopes; /* "repo, read:user", as X-OAuth-Scopes shows them */
    int64_t rate_used;
    int64_t rate_limit;
    int64_t rate_reset;  /* seconds since 1970 */
    int64_t points_used; /* of GraphQL's rate, which is another one of the same size */
    int64_t points_reset;
};

enum sim_permission { SIM_NONE, SIM_READ, SIM_WRITE, SIM_ADMIN };

struct sim_grant {
    struct sim_grant *next;
    char *login;
    enum sim_permission level;
};

struct sim_delivery {
    int64_t id;
    char guid[RB_UUID_SIZE];
    char event[64];
    char action[64]; /* "" when the payload has none */
    int64_t at_ms;
    int64_t duration_ms;
    int status; /* 0: no answer came */
    bool is_again;
    json_t *payload;
    json_t *request;  /* headers as sent */
    json_t *response; /* headers as answered */
    char *answer;     /* the body of the answer, its beginning */
};
#define SIM_DELIVERIES_KEPT 100 /* per hook, the latest */

struct sim_hook {
    struct sim_hook *next;
    int64_t id;
    char *url;
    char *secret; /* NULL: unsigned */
    char *content_type;
    char *insecure_ssl;
    json_t *events;
    bool is_active;
    bool is_hidden; /* made through another app: not listed, yet in the way */
    int64_t created_ms;
    int64_t updated_ms;
    struct sim_delivery deliveries[SIM_DELIVERIES_KEPT];
    size_t delivery_count; /* ever made; the ring holds the last ones */
};

struct sim_repo {
    struct sim_repo *next;
    int64_t id;
    char *owner;
    char *name;
    char *path;
    bool is_private;
    git_repository *git;
    struct sim_grant *grants;
    struct sim_hook *hooks; /* oldest first */
    json_t *topics;         /* what is open, oldest first; NULL: nothing */
    json_t *labels;         /* {"NUMBER": ["bug"]}: of issues and pull requests; NULL: none */
    int64_t created_ms;
};

struct sim_alias { /* a name that a repository once had */
    struct sim_alias *next;
    char *owner;
    char *name;
    int64_t repo_id;
};

struct sim_state {
    struct sim_user *users;
    struct sim_user anonymous; /* without a token: 60 requests an hour */
    struct sim_repo *repos;
    struct sim_alias *aliases;
    int64_t next_hook_id;
    int64_t next_delivery_id;
    size_t tree_limit;
};

void rb_sim_state_init(struct sim_state *state);
void rb_sim_state_clear(struct sim_state *state);
struct sim_user *rb_sim_user_put(struct sim_state *state, const char *login, const char *token,
                                 const char *scopes);
struct sim_user *rb_sim_user_by_token(struct sim_state *state, const char *token);
bool rb_sim_user_has_scope(const struct sim_user *user, const char *scope);
rb_err rb_sim_repo_put(struct sim_repo **out, struct sim_state *state, const char *owner, const char *name,
                       const char *path, bool is_private) RB_MUST_CHECK;
struct sim_repo *rb_sim_repo_find(struct sim_state *state, const char *owner, const char *name);
struct sim_repo *rb_sim_repo_by_id(struct sim_state *state, int64_t id);
/* The repository that once had this name, or NULL. */
struct sim_repo *rb_sim_repo_moved(struct sim_state *state, const char *owner, const char *name);
rb_err rb_sim_repo_rename(struct sim_state *state, struct sim_repo *repo, const char *owner,
                          const char *name) RB_MUST_CHECK;
void rb_sim_repo_remove(struct sim_state *state, struct sim_repo *repo);
void rb_sim_repo_grant(struct sim_repo *repo, const char *login, enum sim_permission level);
enum sim_permission rb_sim_repo_permission(const struct sim_repo *repo, const struct sim_user *user);
struct sim_hook *rb_sim_hook_add(struct sim_state *state, struct sim_repo *repo);
struct sim_hook *rb_sim_hook_find(struct sim_repo *repo, int64_t id);
void rb_sim_hook_remove(struct sim_repo *repo, struct sim_hook *hook);
void rb_sim_delivery_clear(struct sim_delivery *delivery);
/* A stable positive number made of a name. */
int64_t rb_sim_id_of(const char *kind, const char *name);

/* ---- one request -------------------------------------------------------------------------------------- */

struct sim_header {
    const char *name; /* lower case */
    char *value;
};

struct sim_answer {
    int status; /* 0: not answered yet */
    char *body; /* h2o shared chunk, one reference ours; NULL: none */
    size_t len;
    const char *content_type;
    struct sim_header headers[SIM_HEADERS_MAX];
    size_t header_count;
};

enum sim_cut { SIM_CUT_NOT, SIM_CUT_BEFORE, SIM_CUT_HEADERS, SIM_CUT_BODY };

struct sim;
struct sim_route;
struct server_guard;

struct sim_exchange {
    struct sim *sim;
    h2o_req_t *req; /* NULL once h2o has given the request up */
    struct rb_arena *arena;
    char *method;
    char *path;  /* undecoded, without query */
    char *query; /* undecoded, "" when absent */
    char *base;  /* "http://127.0.0.1:PORT", as the client calls us */
    char *body;
    size_t body_len;
    char *authorization;
    char *accept;
    char *if_none_match;
    char *user_agent;
    const char *args[SIM_ARGS_MAX]; /* decoded wildcards of the route */
    size_t arg_count;
    const struct sim_route *route;
    struct sim_user *user; /* while a handler runs */
    struct sim_repo *repo; /* of routes below /repos/, while a handler runs */
    char request_id[40];
    size_t record; /* serial number of its record */
    bool is_control;
    bool is_deferred;           /* the handler answers later, by rb_sim_exchange_finish() */
    bool is_handling;           /* its handler runs: it stays for now, whoever finishes it */
    bool has_no_rate;           /* not counted against the rate limit */
    struct server_guard *guard; /* tells us when h2o gives the request up */
    enum sim_cut cut;
    bool is_hanging;
    bool is_garbage;
    bool is_halved; /* a query whose second half is not answered */
    int64_t due_ms; /* parked until then */
    struct sim_exchange *next_parked;
    struct sim_answer answer;
};

/* Query parameter, decoded; NULL when absent. */
const char *rb_sim_query(struct sim_exchange *x, const char *name);
int64_t rb_sim_query_int(struct sim_exchange *x, const char *name, int64_t fallback, int64_t min,
                         int64_t max);
/* The body as a JSON object; NULL after a 400 has been answered. The exchange's arena owns it. */
json_t *rb_sim_body_object(struct sim_exchange *x);
const char *rb_sim_json_string(const json_t *object, const char *key); /* NULL unless it is a string */

void rb_sim_header(struct sim_exchange *x, const char *name, const char *fmt, ...) RB_PRINTF(3, 4);
void rb_sim_answer_json(struct sim_exchange *x, int status, json_t *stolen);
void rb_sim_answer_bytes(struct sim_exchange *x, int status, const char *content_type, const void *data,
                         size_t len);
/* A body that others hold too: takes a reference of its own. */
void rb_sim_answer_shared(struct sim_exchange *x, int status, const char *content_type, char *shared,
                          size_t len);
void rb_sim_answer_empty(struct sim_exchange *x, int status);
/* GitHub's error shape; `doc` is the part of the address behind docs.github.com/rest. */
void rb_sim_answer_error(struct sim_exchange *x, int status, const char *doc, const char *message);
void rb_sim_answer_invalid(struct sim_exchange *x, const char *doc, json_t *stolen_errors);
/* GitHub's 403 for a person (or nobody) who has no requests left. */
void rb_sim_answer_rate_limit(struct sim_exchange *x, const struct sim_user *user);
/* The address of the request, without its query. */
const char *rb_sim_self(struct sim_exchange *x);
/* The usual Link header and the slice of [0, total) that the page holds. */
void rb_sim_page(struct sim_exchange *x, size_t total, size_t *first, size_t *end);

/* Sends (or cuts) the answer and releases the exchange. */
void rb_sim_exchange_finish(struct sim_exchange *x);

/* ---- routes ------------------------------------------------------------------------------------------- */

enum sim_need {
    SIM_NEED_NOTHING,
    SIM_NEED_USER,
    SIM_NEED_READ,       /* a repository that this person may read */
    SIM_NEED_WRITE,      /* may write, too, with a scope for it */
    SIM_NEED_HOOKS_READ, /* admin, and a scope that may see hooks */
    SIM_NEED_HOOKS_WRITE,
};
struct sim_route {
    const char *method;
    const char *pattern; /* ':' is one segment, '*' all that is left */
    enum sim_need need;
    const char *doc;
    void (*handle)(struct sim_exchange *x);
};
/* Authenticates, routes, handles, and completes the answer's headers. */
void rb_sim_api(struct sim_exchange *x);
void rb_sim_control(struct sim_exchange *x);
/* The route for the exchange's method and path, with args set. NULL when there is none. */
const struct sim_route *rb_sim_route_match(const struct sim_route *routes, size_t count,
                                           struct sim_exchange *x);
/* Whether it is a query: those have a rate of their own. */
bool rb_sim_is_query(const struct sim_exchange *x);
/* Whose token the request carries: the anonymous user without one, NULL when nobody's. */
struct sim_user *rb_sim_asker(struct sim_exchange *x);
void rb_sim_rate_headers(struct sim_exchange *x, const struct sim_user *user);

/* graphql.c */
void rb_sim_graphql(struct sim_exchange *x);
/* GitHub's 200 for a person who has no points left. */
void rb_sim_answer_query_limit(struct sim_exchange *x);

/* git.c, contents.c and tree.c */
void rb_sim_git_branches(struct sim_exchange *x);
void rb_sim_git_branch(struct sim_exchange *x);
void rb_sim_git_commits(struct sim_exchange *x);
void rb_sim_git_commit(struct sim_exchange *x);
void rb_sim_git_commit_object(struct sim_exchange *x);
void rb_sim_git_blob(struct sim_exchange *x);
/* GET /repos/:/:/pulls/:/files, of refs/pull/N/head. */
void rb_sim_pulls_files(struct sim_exchange *x);
/* topics.c */
void rb_sim_pulls_list(struct sim_exchange *x);
void rb_sim_issues_list(struct sim_exchange *x);
/* labels.c */
void rb_sim_labels_list(struct sim_exchange *x);
void rb_sim_labels_add(struct sim_exchange *x);
void rb_sim_labels_remove(struct sim_exchange *x);
json_t *rb_sim_labels_of(const struct sim_exchange *x,
                         const char *number); /* as GitHub's objects have them */
void rb_sim_git_contents(struct sim_exchange *x);
void rb_sim_tree_get(struct sim_exchange *x);
void rb_sim_tree_cache_clear(void);
/* What HEAD is called, into `out`; "main" when it is detached. */
void rb_sim_git_default_branch(char out[256], git_repository *git);
bool rb_sim_git_is_empty(git_repository *git);
/* A branch, tag, commit name (or its beginning) or HEAD, as a commit. RB_ENOTFOUND, RB_ECONFLICT when empty.
 */
rb_err rb_sim_git_resolve(git_commit **out, git_repository *git, const char *ref) RB_MUST_CHECK;
/* Answers 404 or 409 for a result of rb_sim_git_resolve(). */
void rb_sim_git_refuse(struct sim_exchange *x, rb_err err, const char *message);
/* Text that is valid UTF-8, bytes that are not replaced by U+FFFD, in the arena. */
char *rb_sim_utf8(struct rb_arena *arena, const char *text, size_t len);
/* The path with everything that means something in an address escaped, in the arena. */
char *rb_sim_escape(struct rb_arena *arena, const char *path);

/* hooks.c */
void rb_sim_hooks_list(struct sim_exchange *x);
void rb_sim_hooks_create(struct sim_exchange *x);
void rb_sim_hooks_get(struct sim_exchange *x);
void rb_sim_hooks_update(struct sim_exchange *x);
void rb_sim_hooks_delete(struct sim_exchange *x);
void rb_sim_hooks_ping(struct sim_exchange *x);
void rb_sim_hooks_config_get(struct sim_exchange *x);
void rb_sim_hooks_config_update(struct sim_exchange *x);
void rb_sim_hooks_deliveries(struct sim_exchange *x);
void rb_sim_hooks_delivery(struct sim_exchange *x);
void rb_sim_hooks_redeliver(struct sim_exchange *x);
void rb_sim_hooks_send_ping(struct sim *sim, struct sim_repo *repo, struct sim_hook *hook, const char *base);

/* oauth.c */
void rb_sim_oauth_control(struct sim_exchange *x);
void rb_sim_oauth_authorize(struct sim_exchange *x);
void rb_sim_oauth_token(struct sim_exchange *x);

/* shapes.c: what GitHub's objects look like */
json_t *rb_sim_shape_root(const char *base);
json_t *rb_sim_shape_user(const char *base, const char *login);
json_t *rb_sim_shape_me(const char *base, const struct sim_user *user, const struct sim_state *state);
json_t *rb_sim_shape_repo(const char *base, const struct sim_repo *repo, const struct sim_user *user,
                          bool is_full);
json_t *rb_sim_shape_hook(const char *base, const struct sim_repo *repo, const struct sim_hook *hook);
json_t *rb_sim_shape_hook_config(const struct sim_hook *hook);
json_t *rb_sim_shape_commit(const char *base, const struct sim_repo *repo, git_commit *commit,
                            struct rb_arena *arena);
json_t *rb_sim_shape_commit_object(const char *base, const struct sim_repo *repo, git_commit *commit,
                                   struct rb_arena *arena);
void rb_sim_shape_time(char out[RB_TIME_SIZE], int64_t wall_ms); /* "2026-11-24T08:00:00Z" */
char *rb_sim_shape_node_id(const char *kind, const char *name);  /* malloc'd */

/* ---- faults, records, deliveries ---------------------------------------------------------------------- */

/* RB_EINVAL with a text for the person who wrote it. */
rb_err rb_sim_fault_add(const json_t *fault) RB_MUST_CHECK;
void rb_sim_fault_clear(void);
/* Marks the exchange with the fault that hits it; true when it has been answered by that already. */
bool rb_sim_fault_apply(struct sim_exchange *x);

void rb_sim_record_add(struct sim_exchange *x);
void rb_sim_record_done(size_t serial, int status);
json_t *rb_sim_record_list(void);
void rb_sim_record_clear(void);

typedef void (*rb_sim_delivered_fn)(void *arg, json_t *results);
struct sim_event {
    const char *name;
    const json_t *payload;
    const char *guid;         /* the delivery's id; NULL: a new one */
    struct sim_hook *only;    /* NULL: all that want it */
    bool is_again;            /* a redelivery */
    rb_sim_delivered_fn done; /* may be NULL; runs on the loop when all have answered */
    void *arg;
};
/* One event to some hooks of a repository. Everything in `what` is copied. */
void rb_sim_deliver(struct sim *sim, struct sim_repo *repo, const struct sim_event *what);
rb_err rb_sim_deliver_start(struct sim *sim) RB_MUST_CHECK;
/* Gives up what is under way; harmless when never started. */
void rb_sim_deliver_stop(void);

/* ---- the process -------------------------------------------------------------------------------------- */

struct sim {
    struct sim_state state;
    h2o_loop_t *loop;
    h2o_context_t context;
    h2o_globalconf_t config;
    h2o_accept_ctx_t accept;
    h2o_socket_t *listener;
    int port;
    struct sim_exchange *parked;
    int64_t parked_count;
};
rb_err rb_sim_server_start(struct sim *sim, const char *address, int port) RB_MUST_CHECK;
void rb_sim_server_run(struct sim *sim, volatile int *stop);
void rb_sim_server_stop(struct sim *sim);
/* Ends every hang: those whose client still waits are answered as usual. */
void rb_sim_server_release(struct sim *sim);

#endif
