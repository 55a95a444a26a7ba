/*
 * Reading the graph. The edge looks whether this person has the repository connected, asks a grapher over the
 * bus and passes on what it says; where and how the graph is kept is the grapher's own affair.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "edge/repos.h"

#define GRAPH_ANSWER_MS 5000 /* a page takes milliseconds; a grapher that takes longer is in trouble */
#define GRAPH_LIMIT     100
#define GRAPH_LIMIT_MAX 1000
#define GRAPH_TEXT_MAX  2050 /* bytes: as the grapher has it */

struct graph_read {
    struct edge_exchange *exchange;
    const char *subject;
    const char *after, *folder, *language; /* NULL: absent */
    int64_t limit;
};

static void graph_answer_failure(struct edge_exchange *exchange, const struct rb_answer *answer)
{
    const char *name = edge_repo_name(exchange);
    if (answer->err == RB_ENOTFOUND) {
        edge_answer_error(exchange, 404,
                          "%s has no graph yet: GET /api/v1/repos/%s/events tells when the grapher is done",
                          name, name);
        return;
    }
    if (answer->err == RB_EINVAL) { /* its text is about what this person asked for */
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
    const char *etag = rb_arena_printf(exchange->arena, "\"%s\"", id);
    edge_add_header(exchange, "etag", etag);
    edge_add_header(exchange, "cache-control", "private, no-cache"); /* to be asked for again each time */
    const char *known = edge_header(exchange, "if-none-match");
    if (known && (strcmp(known, "*") == 0 || strstr(known, etag)))
        edge_answer_empty(exchange, 304);
    else
        edge_answer_json(exchange, 200, answer->body, answer->len);
}

static void graph_on_found(void *arg, rb_err err, const struct rb_rows *rows)
{
    const struct graph_read *read = arg;
    struct edge_exchange *exchange = read->exchange;
    if (edge_answer_if_not_there(exchange, err, rows))
        return;
    if (strcmp(rb_rows_text(rows, 0, 0), "active") != 0) {
        edge_answer_error(exchange, 409, "Repo is being connected");
        return;
    }
    json_t *question = json_pack("{s:I, s:I, s:s*, s:s*, s:s*}", "repo_id",
                                 (json_int_t)rb_rows_int(rows, 0, 1), "limit", (json_int_t)read->limit,
                                 "after", read->after, "folder", read->folder, "language", read->language);
    char *text = question ? json_dumps(question, JSON_COMPACT) : NULL;
    json_decref(question);
    if (text)
        edge_ask_bus(exchange, read->subject, text, strlen(text), GRAPH_ANSWER_MS, graph_on_answer, exchange);
    else
        edge_answer_error(exchange, 500, "The question could not be put");
    free(text);
}

/* False: it is too long or no UTF-8, which has been answered. */
static bool graph_take_text(const char **out, struct edge_exchange *exchange, const char *name)
{
    *out = edge_parameter(exchange, name);
    if (!*out || (strlen(*out) <= GRAPH_TEXT_MAX && rb_text_is_utf8(*out, strlen(*out))))
        return true;
    edge_answer_error(exchange, 422, "%s is a text of at most %d bytes in UTF-8", name, GRAPH_TEXT_MAX);
    return false;
}

static void graph_read(struct edge_exchange *exchange, const char *subject, int limit_min)
{
    static const struct rb_statement statement = {
        "graph_find",
        "select i.state, i.repo_id from " EDGE_PERSON " left join installations i on i.user_id = u.id and "
        "lower(i.repo_full_name) = lower($3) and i.state in ('reserved', 'active')"};
    struct graph_read *read = rb_arena_alloc(exchange->arena, sizeof(*read));
    *read = (struct graph_read){.exchange = exchange, .subject = subject, .limit = GRAPH_LIMIT};
    if (!edge_parameter_int(&read->limit, exchange, "limit", limit_min, GRAPH_LIMIT_MAX) ||
        !graph_take_text(&read->after, exchange, "after") ||
        !graph_take_text(&read->folder, exchange, "folder") ||
        !graph_take_text(&read->language, exchange, "language"))
        return;
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_TEXT(edge_repo_name(exchange))};
    edge_query(exchange, &statement, params, 3, graph_on_found, read);
}

void edge_graph_files(struct edge_exchange *exchange)
{
    graph_read(exchange, RB_GRAPH_FILES, 1);
}

/* A file has two links, which stay together. */
void edge_graph_links(struct edge_exchange *exchange)
{
    graph_read(exchange, RB_GRAPH_LINKS, 2);
}
