/*
 * Reading the graph. The edge looks whether this person has the repository connected, asks a grapher over the
 * bus and passes on what it says; where and how the graph is kept is the grapher's own affair, and so are the
 * parameters, but for their size.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "edge/repos.h"

#define GRAPH_ANSWER_MS 5000 /* an answer takes milliseconds; a grapher that takes longer is in trouble */
#define GRAPH_TEXT_MAX  4098 /* bytes: as the grapher has it */

struct graph_route {
    const char *name; /* of the route */
    const char *subject;
    int limit_min, limit, limit_max; /* `limit` where the request names none */
};
static const struct graph_route graph_routes[] = {
    {"files", RB_GRAPH_FILES, 1, 100, 1000},
    {"graph", RB_GRAPH_LINKS, 2, 100, 1000}, /* a file has two links that stay together */
    {"neighbours", RB_GRAPH_NEIGHBOURS, 1, 20, 100},
    {"changed-together", RB_GRAPH_CHANGED_TOGETHER, 1, 20, 100},
    {"developers", RB_GRAPH_DEVELOPERS, 1, 20, 100},
    {"overlaps", RB_GRAPH_OVERLAPS, 1, 20, 100},
    {"dependents", RB_GRAPH_DEPENDENTS, 1, 100, 1000},
};
static const char *const graph_texts[] = {"after", "folder", "language", "name", "path", "purl"};

struct graph_read {
    struct edge_exchange *exchange;
    const struct graph_route *route;
    const char *question; /* a JSON object without its end */
};

/* ---- the answer ---------------------------------------------------------------------------------------- */

static void graph_answer_failure(struct edge_exchange *exchange, const struct rb_answer *answer)
{
    if (answer->err == RB_ENOTFOUND && exchange->repo) { /* "no graph yet", "no such file in its graph" */
        edge_answer_error(exchange, 404, "%s has %s", edge_repo_name(exchange), answer->text);
        return;
    }
    if (answer->err == RB_EINVAL || answer->err == RB_ETOOBIG) { /* about what this person asked for */
        edge_answer_error(exchange, 422, "%s", answer->text);
        return;
    }
    rb_log_warn("the graph cannot be read: %s", answer->text);
    if (answer->err == RB_ELIMIT)
        edge_answer_error(exchange, 503, "Too many people read graphs right now: try again in a moment");
    else
        edge_answer_error(
            exchange, 503,
            "No grapher answers, so the graph cannot be read now: try again in a moment; if it stays "
            "so, see that repobus-grapher runs and that NATS and the store of the graph are up");
}

/* The tag is made of what is sent, which holds commit and generation beside the rows. */
static void graph_on_answer(void *arg, const struct rb_answer *answer)
{
    struct edge_exchange *exchange = arg;
    char id[RB_UUID_SIZE];
    if (answer->err) {
        graph_answer_failure(exchange, answer);
        return;
    }
    /* Anybody on the bus may answer: what cannot be JSON is not passed on. */
    if (answer->len < 2 || answer->body[0] != '{' || answer->body[answer->len - 1] != '}' ||
        strlen(answer->body) != answer->len || !rb_text_is_utf8(answer->body, answer->len)) {
        graph_answer_failure(
            exchange, &(struct rb_answer){.err = RB_EPROTOCOL, .text = "the answer is no JSON object"});
        return;
    }
    rb_uuid_from_name(id, answer->body);
    edge_add_header(exchange, "cache-control", "private, no-cache"); /* to be asked for again each time */
    if (!edge_answer_if_known(exchange, rb_arena_printf(exchange->arena, "\"%s\"", id)))
        edge_answer_json(exchange, 200, answer->body, answer->len);
}

/* ---- the question -------------------------------------------------------------------------------------- */

/* Puts the question, about what `name` says. */
static void graph_put_question(const struct graph_read *read, const char *name, const char *value)
{
    const char *text = rb_arena_printf(read->exchange->arena, "%s,\"%s\":%s}", read->question, name, value);
    edge_ask_bus(read->exchange, read->route->subject, text, strlen(text), GRAPH_ANSWER_MS, graph_on_answer,
                 read->exchange);
}

static void graph_on_found(void *arg, rb_err err, const struct rb_rows *rows)
{
    const struct graph_read *read = arg;
    if (edge_answer_if_not_there(read->exchange, err, rows))
        return;
    if (strcmp(rb_rows_text(rows, 0, 0), "active") != 0)
        edge_answer_error(read->exchange, 409, "Repo is being connected");
    else
        graph_put_question(read, "repo_id", rb_rows_text(rows, 0, 1));
}

static void graph_on_repos(void *arg, rb_err err, const struct rb_rows *rows)
{
    const struct graph_read *read = arg;
    if (err)
        edge_answer_no_database(read->exchange);
    else if (rb_rows_count(rows) == 0)
        edge_answer_unauthorized(read->exchange);
    else
        graph_put_question(read, "repo_ids", rb_rows_text(rows, 0, 0));
}

/* A text parameter; NULL: there is none. False: it is too long or no UTF-8, which has been answered. */
static bool graph_take_text(const char **out, struct edge_exchange *exchange, const char *name)
{
    *out = edge_parameter(exchange, name);
    if (!*out || (strlen(*out) <= GRAPH_TEXT_MAX && rb_text_is_utf8(*out, strlen(*out))))
        return true;
    edge_answer_error(exchange, 422, "%s is a text of at most %d bytes in UTF-8", name, GRAPH_TEXT_MAX);
    return false;
}

/* False: a parameter makes no sense, which has been answered. */
static bool graph_take_parameters(struct graph_read *read)
{
    struct edge_exchange *exchange = read->exchange;
    int64_t limit = read->route->limit, number = 0;
    if (!edge_parameter_int(&limit, exchange, "limit", read->route->limit_min, read->route->limit_max) ||
        !edge_parameter_int(&number, exchange, "pull_request", 1, INT32_MAX))
        return false;
    json_t *question = json_pack("{s:I}", "limit", (json_int_t)limit);
    bool is_sound = true;
    if (number)
        json_object_set_new(question, "number", json_integer((json_int_t)number));
    for (size_t i = 0; i < sizeof graph_texts / sizeof *graph_texts && is_sound; i++) {
        const char *text;
        is_sound = graph_take_text(&text, exchange, graph_texts[i]);
        if (is_sound && text)
            json_object_set_new(question, graph_texts[i], json_string(text));
    }
    char *text = json_dumps(question, JSON_COMPACT);
    read->question = rb_arena_strndup(exchange->arena, text, strlen(text) - 1);
    free(text);
    json_decref(question);
    return is_sound;
}

void edge_graph(struct edge_exchange *exchange)
{
    static const struct rb_statement one = {"graph_find", "select i.state, i.repo_id " EDGE_REPO_BY_NAME};
    /* As many as the grapher takes in one question. */
    static const struct rb_statement all = {
        "graph_find_all",
        "select coalesce((select jsonb_agg(repo_id order by repo_id) from (select i.repo_id from "
        "installations i where i.user_id = u.id and i.state = 'active' order by i.repo_id limit 5000) mine), "
        "'[]') from " EDGE_PERSON};
    struct graph_read *read = rb_arena_alloc(exchange->arena, sizeof(*read));
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_NULL};
    *read = (struct graph_read){.exchange = exchange, .route = graph_routes};
    while (strcmp(read->route->name, exchange->route->name) != 0)
        read->route++;
    if (!graph_take_parameters(read))
        return;
    if (!exchange->repo) {
        edge_query(exchange, &all, params, 2, graph_on_repos, read);
        return;
    }
    params[2] = RB_P_TEXT(edge_repo_name(exchange));
    edge_query(exchange, &one, params, 3, graph_on_found, read);
}
