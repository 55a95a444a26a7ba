/*
 * The graph as others read it: questions over NATS, answered a page at a time.
 *
 * An answer says of which generation it is. What is read between two looks at the generation belongs to it
 * when both looks say the same and no write is under way; else it is read again, and after READ_TRIES the
 * answer says "updating": true. Whoever reads page after page sees by the generation whether they belong
 * together.
 *
 * There are two kinds: pages (read_page.c), and what is made of parts, each the rows of one question
 * (questions.h).
 */
#include "grapher/read.h"

#include <stdlib.h>
#include <string.h>

#include "grapher/state.h"

#define READ_BYTES (RB_ANSWER_MAX - 40000) /* of rows; a page that is full of long paths ends earlier */
#define READ_TRIES 3

void read_open(struct reading *reading, const struct read_kind *kind, struct rb_arena *arena,
               const struct grapher_local *mine)
{
    *reading = (struct reading){.kind = kind,
                                .graph = mine->graph,
                                .arena = arena,
                                .arguments = json_object(),
                                .parts = json_object()};
    rb_buf_init(&reading->rows, READ_BYTES);
}

void read_close(struct reading *reading)
{
    rb_buf_free(&reading->rows);
    json_decref(reading->arguments);
    json_decref(reading->parts);
}

rb_err read_ask(json_t **answers, struct reading *reading, const enum graph_question *questions, size_t count,
                const json_t *arguments)
{
    enum graph_question all[GRAPH_QUESTIONS_MAX] = {GRAPH_ASK_ABOUT};
    memcpy(all + 1, questions, count * sizeof *all);
    all[count + 1] = GRAPH_ASK_ABOUT;
    rb_err err = graph_questions_ask(answers, reading->graph, all, count + 2, arguments);
    if (!err && !reading->is_looked)
        err = graph_about_of(&reading->about, json_array_get(*answers, 0));
    if (!err)
        err = graph_about_of(&reading->behind, json_array_get(*answers, count + 1));
    reading->is_looked = !err;
    json_array_remove(*answers, 0);
    return err;
}

/* ---- parts -------------------------------------------------------------------------------------------- */

static rb_err parts_read(struct reading *reading)
{
    const struct read_kind *kind = reading->kind;
    const json_t *of = kind->of ? json_object_get(reading->arguments, kind->of) : NULL;
    bool is_of = of && !json_is_null(of);
    const struct read_part *parts = is_of ? kind->parts_of : kind->parts;
    enum graph_question questions[GRAPH_QUESTIONS_MAX - 2];
    json_t *answers = NULL;
    size_t count = 0;
    for (; parts[count].field; count++)
        questions[count] = parts[count].question;
    rb_err err = read_ask(&answers, reading, questions, count, reading->arguments);
    for (size_t i = 0; i < count && !err; i++) {
        const json_t *answer = json_array_get(answers, i);
        json_t *part = parts[i].one ? graph_answer_row(answer, questions[i], 0)
                                    : graph_answer_rows(answer, questions[i]);
        if (part)
            json_object_set_new(reading->parts, parts[i].field, part);
        else
            err = rb_error_set(RB_ENOTFOUND, "no %s", parts[i].one);
    }
    json_decref(answers);
    return err;
}

static const struct read_part parts_neighbours[] = {
    {"file", GRAPH_ASK_FILE, "such file in its graph"},
    {"folder", GRAPH_ASK_FOLDER, "folder"},
    {"pull_requests", GRAPH_ASK_PULLS_OF_FILE, NULL},
    {"people", GRAPH_ASK_PEOPLE_OF_FILE, NULL},
    {"changed_together", GRAPH_ASK_TOGETHER_OF_FILE, NULL},
    {"basis", GRAPH_ASK_BASIS_OF_FILE, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_together[] = {
    {"pairs", GRAPH_ASK_TOGETHER, NULL},
    {"basis", GRAPH_ASK_BASIS_TOGETHER, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_together_of_file[] = {
    {"file", GRAPH_ASK_FILE, "such file in its graph"},
    {"changed_together", GRAPH_ASK_TOGETHER_OF_FILE, NULL},
    {"basis", GRAPH_ASK_BASIS_OF_FILE, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_developers[] = {
    {"developers", GRAPH_ASK_DEVELOPERS, NULL},
    {"basis", GRAPH_ASK_BASIS_DEVELOPERS, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_overlaps[] = {
    {"pairs", GRAPH_ASK_OVERLAPS, NULL},
    {"basis", GRAPH_ASK_BASIS_OVERLAPS, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_overlaps_of_pull[] = {
    {"pull_request", GRAPH_ASK_PULL, "such pull request in its graph"},
    {"overlaps", GRAPH_ASK_OVERLAPS_OF_PULL, NULL},
    {"basis", GRAPH_ASK_BASIS_OF_PULL, "basis"},
    {NULL, 0, NULL},
};

/* ---- the answer --------------------------------------------------------------------------------------- */

/* Reads until what was read belongs to one generation; *updating: it did not come to that. */
static rb_err answer_read(bool *updating, struct reading *reading)
{
    rb_err err = RB_OK;
    *updating = true;
    for (int tries = 0; tries < READ_TRIES && *updating && !err; tries++) {
        rb_buf_reset(&reading->rows);
        reading->is_looked = false;
        reading->count = 0;
        reading->next = NULL;
        err = reading->kind->read(reading);
        *updating = !err && (reading->behind.is_changing || reading->about.is_changing ||
                             reading->behind.generation != reading->about.generation);
    }
    return err;
}

/* What every answer about a repository begins with: which state of it is told of, and how fresh that is. */
static rb_err answer_about(json_t **head, const struct reading *reading, bool updating)
{
    const struct rb_graph_about *about = &reading->about;
    json_t *freshness = NULL;
    rb_err err = rb_graph_freshness(&freshness, reading->graph, reading->repo_id);
    if (err)
        return err;
    *head = json_pack("{s:I, s:s, s:s, s:I, s:b, s:b, s:o}", "repo_id", (json_int_t)reading->repo_id, "repo",
                      about->full_name, "commit", about->commit, "generation", (json_int_t)about->generation,
                      "complete", about->complete, "updating", updating, "freshness", freshness);
    return RB_OK;
}

rb_err read_answer_write(struct rb_buf *answer, const struct reading *reading, json_t *head)
{
    const char *rows = reading->kind->rows;
    if (rows)
        json_object_set_new(head, "next", reading->next ? json_string(reading->next) : json_null());
    json_object_update(head, reading->parts);
    char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
    rb_err err = text ? rb_buf_append(answer, text, strlen(text) - (rows ? 1 : 0))
                      : rb_error_set(RB_EINTERNAL, "an answer of the graph is no JSON");
    if (!err && rows)
        err = rb_buf_printf(answer, ",\"%s\":[", rows);
    if (!err && rows)
        err = rb_buf_append(answer, reading->rows.data ? reading->rows.data : "", reading->rows.len);
    if (!err && rows)
        err = rb_buf_append(answer, "]}", 2);
    free(text);
    json_decref(head);
    return err == RB_ETOOBIG ? rb_error_set(RB_ETOOBIG, "the answer is too long: ask for fewer with limit")
                             : err;
}

static rb_err answer_kind(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                          const struct grapher_local *mine, const struct read_kind *kind)
{
    struct reading reading;
    bool updating = false;
    read_open(&reading, kind, arena, mine);
    rb_err err = read_question(&reading, question);
    if (!err)
        err = graph_questions_begin(reading.graph);
    if (!err) {
        err = answer_read(&updating, &reading);
        graph_questions_end(reading.graph);
    }
    json_t *head = NULL;
    if (!err)
        err = answer_about(&head, &reading, updating);
    if (!err)
        err = read_answer_write(answer, &reading, head);
    read_close(&reading);
    return err;
}

#define ANSWER(name, ...)                                                                                  \
    rb_err rb_grapher_answer_##name(struct rb_buf *answer, const json_t *question, struct rb_arena *arena, \
                                    void *app, void *local)                                                \
    {                                                                                                      \
        static const struct read_kind kind = {__VA_ARGS__};                                                \
        (void)app;                                                                                         \
        return answer_kind(answer, question, arena, local, &kind);                                         \
    }
#define A_TOP_LIST .limit_min = 1, .limit = 20, .limit_max = 100, .read = parts_read

ANSWER(files, READ_A_PAGE, .limit_min = 1, .rows = "files", .read = read_files)
/* A file has two links that stand together. */
ANSWER(links, READ_A_PAGE, .limit_min = 2, .rows = "links", .read = read_links)
ANSWER(neighbours, A_TOP_LIST, .needs = "path", .parts = parts_neighbours)
ANSWER(changed_together, A_TOP_LIST, .parts = parts_together, .of = "path",
       .parts_of = parts_together_of_file)
ANSWER(developers, A_TOP_LIST, .parts = parts_developers)
ANSWER(overlaps, A_TOP_LIST, .parts = parts_overlaps, .of = "number", .parts_of = parts_overlaps_of_pull)
