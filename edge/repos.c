/*
 * Reading: what is connected, how it stands, and its events as they happen. Each is one statement, whose JSON
 * PostgreSQL builds; the edge passes it on.
 */
#include <stdlib.h>
#include <string.h>

#include "edge/repos.h"

/* Of the newest profile of the repository, whoever's installation it was made for: it is of what they share.
 * One that an older scanner wrote is no answer: it is not what is described, and a rescan makes another. */
#define REPOS_PROFILE(what)                                                                          \
    "(select " what " from profiles p where i.state = 'active' and p.repo_id = i.repo_id and "       \
    "p.profile->'version' = '" RB_PROFILE_VERSION "' order by p.generation desc, p.scanned_at desc " \
    "limit 1)"

const char *edge_repo_name(struct edge_exchange *exchange)
{
    return rb_arena_printf(exchange->arena, "%s/%s", exchange->owner, exchange->repo);
}

bool edge_answer_if_not_there(struct edge_exchange *exchange, rb_err err, const struct rb_rows *rows)
{
    if (err)
        edge_answer_no_database(exchange);
    else if (rb_rows_count(rows) == 0)
        edge_answer_unauthorized(exchange);
    else if (rb_rows_is_null(rows, 0, 0))
        edge_answer_error(exchange, 404, "You have not connected %s: POST to /api/v1/repos/%s/install does",
                          edge_repo_name(exchange), edge_repo_name(exchange));
    else
        return false;
    return true;
}

void edge_answer_person_rows(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct edge_exchange *exchange = arg;
    if (err)
        edge_answer_no_database(exchange);
    else if (rb_rows_count(rows) == 0)
        edge_answer_unauthorized(exchange);
    else
        edge_answer_json(exchange, 200, rb_rows_text(rows, 0, 0), strlen(rb_rows_text(rows, 0, 0)));
}

void edge_answer_repo_rows(void *arg, rb_err err, const struct rb_rows *rows)
{
    struct edge_exchange *exchange = arg;
    if (!edge_answer_if_not_there(exchange, err, rows))
        edge_answer_json(exchange, 200, rb_rows_text(rows, 0, 0), strlen(rb_rows_text(rows, 0, 0)));
}

void edge_get_repo(struct edge_exchange *exchange)
{
    static const struct rb_statement statement = {
        "repos_get",
        "select case when i.id is not null then " EDGE_REPO_JSON
        " || jsonb_build_object('profile', " REPOS_PROFILE("p.profile") ") end " EDGE_REPO_BY_NAME};
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_TEXT(edge_repo_name(exchange))};
    edge_query(exchange, &statement, params, 3, edge_answer_repo_rows, exchange);
}

/* ---- the profile -------------------------------------------------------------------------------------- */

/* Answers with the profile in the form of this media type. */
static void repos_answer_profile(struct edge_exchange *exchange, rb_err err, const struct rb_rows *rows,
                                 const char *type)
{
    if (edge_answer_if_not_there(exchange, err, rows))
        return;
    const char *profile = rb_rows_text(rows, 0, 1), *etag = rb_rows_text(rows, 0, 2);
    if (strcmp(rb_rows_text(rows, 0, 0), "active") != 0) {
        edge_answer_error(exchange, 409, "Repo is being connected");
        return;
    }
    if (!*profile) {
        edge_answer_error(
            exchange, 404,
            "%s has no profile yet: GET /api/v1/repos/%s/events tells when the scanner is done, "
            "POST /api/v1/repos/%s/rescan has it scan anew",
            edge_repo_name(exchange), edge_repo_name(exchange), edge_repo_name(exchange));
        return;
    }
    edge_add_header(exchange, "cache-control", "private, no-cache"); /* to be asked for again each time */
    if (!edge_answer_if_known(exchange, etag))
        edge_answer_text(exchange, 200, type, profile, strlen(profile));
}

static void repos_on_profile(void *arg, rb_err err, const struct rb_rows *rows)
{
    repos_answer_profile(arg, err, rows, "application/json");
}

static void repos_on_cyclonedx(void *arg, rb_err err, const struct rb_rows *rows)
{
    repos_answer_profile(arg, err, rows, "application/vnd.cyclonedx+json; version=1.6");
}

/* State, a form of the newest profile, and its ETag. */
#define REPOS_PROFILE_AS(form)                                                                              \
    "select f.state, f.body::text, '\"' || md5(f.body::text) || '\"' from (select i.state, " REPOS_PROFILE( \
        form) " as body " EDGE_REPO_BY_NAME ") f"

void edge_repo_profile(struct edge_exchange *exchange)
{
    static const struct rb_statement whole = {
        "repos_profile",
        REPOS_PROFILE_AS(
            "jsonb_build_object('repo', i.repo_full_name, 'repo_id', i.repo_id, 'installation_id', i.id, "
            "'commit', p.commit_sha, 'generation', p.generation, 'complete', p.complete, 'scanned_at', "
            "json_time(p.scanned_at), 'profile', p.profile)")};
    static const struct rb_statement cyclonedx = {
        "repos_cyclonedx",
        REPOS_PROFILE_AS("json_cyclonedx(p.profile, i.repo_full_name, p.commit_sha, p.scanned_at)")};
    const char *format = edge_parameter(exchange, "format");
    bool is_cyclonedx = format && strcmp(format, "cyclonedx") == 0;
    if (format && !is_cyclonedx && strcmp(format, "json") != 0) {
        edge_answer_error(exchange, 422, "format is json or cyclonedx");
        return;
    }
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_TEXT(edge_repo_name(exchange))};
    edge_query(exchange, is_cyclonedx ? &cyclonedx : &whole, params, 3,
               is_cyclonedx ? repos_on_cyclonedx : repos_on_profile, exchange);
}

/* ---- events ------------------------------------------------------------------------------------------- */

/*
 * The stream is opened before the present state is read: a change that is committed before the reading is in
 * the state, one committed after it is told to the stream. So nothing falls in between.
 */
static void repos_on_state(void *arg, rb_err err, const struct rb_rows *rows)
{
    if (err || rb_rows_count(rows) == 0)
        edge_stream_start(arg, "null"); /* the client asks again */
    else
        edge_stream_start(arg, rb_rows_text(rows, 0, 0));
}

static void repos_on_found(void *arg, rb_err err, const struct rb_rows *rows)
{
    static const struct rb_statement statement = {"repos_state", "select " EDGE_REPO_JSON
                                                                 " from installations i where i.id = $1"};
    struct edge_exchange *exchange = arg;
    if (edge_answer_if_not_there(exchange, err, rows))
        return;
    int64_t id = rb_rows_int(rows, 0, 0);
    struct rb_param params[] = {RB_P_INT(id)};
    if (edge_stream_open(exchange, id))
        edge_query(exchange, &statement, params, 1, repos_on_state, exchange);
}

void edge_repo_events(struct edge_exchange *exchange)
{
    static const struct rb_statement statement = {"repos_find", "select i.id " EDGE_REPO_BY_NAME};
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_TEXT(edge_repo_name(exchange))};
    edge_query(exchange, &statement, params, 3, repos_on_found, exchange);
}

/* ---- health ------------------------------------------------------------------------------------------- */

void edge_healthz(struct edge_exchange *exchange)
{
    static const char body[] = "{\"status\":\"ok\"}";
    edge_answer_json(exchange, 200, body, sizeof(body) - 1);
}

void edge_readyz(struct edge_exchange *exchange)
{
    bool database = edge_server_has_database(), nats = rb_bus_is_connected(exchange->edge->bus);
    const char *body = rb_arena_printf(exchange->arena, "{\"ready\":%s,\"database\":\"%s\",\"nats\":\"%s\"}",
                                       database && nats ? "true" : "false", database ? "ok" : "unreachable",
                                       nats ? "ok" : "unreachable");
    edge_answer_json(exchange, database && nats ? 200 : 503, body, strlen(body));
}

#define METRICS_TEXT_MAX (1024 * 1024)

void edge_metrics(struct edge_exchange *exchange)
{
    struct rb_buf text;
    rb_buf_init(&text, METRICS_TEXT_MAX);
    if (rb_metrics_print(&text))
        edge_answer_error(exchange, 500, "The metrics have more than %d bytes", METRICS_TEXT_MAX);
    else
        edge_answer_text(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
    rb_buf_free(&text);
}
