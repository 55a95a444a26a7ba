/*
 * One answer of the graph on its way: what was asked, what is read, what is said. Private to this room;
 * read.c says how answers are put together.
 */
#ifndef RB_GRAPHER_READ_H
#define RB_GRAPHER_READ_H

#include "grapher/handler.h"
#include "grapher/questions.h"

struct reading {
    const struct read_kind *kind;
    struct rb_graph *graph;
    struct rb_arena *arena;
    int64_t repo_id;
    size_t limit;
    const char *after;
    bool is_filtered;  /* not every file passes */
    json_t *arguments; /* of all the statements */
    /* What is read. */
    bool is_looked;                      /* before it, */
    struct rb_graph_about about, behind; /* and behind it */
    struct rb_buf rows;
    size_t count;
    const char *next; /* NULL: this is the last page */
    json_t *parts;
};

/* The rows of a question as a field of the answer. */
struct read_part {
    const char *field; /* NULL ends a list */
    enum graph_question question;
    const char *one; /* not NULL: the field is the one row, and where there is none there is no such thing */
};

struct read_kind {
    int limit_min, limit, limit_max; /* `limit` where the question names none */
    const char *needs;               /* a field that must be there, or NULL */
    /* A page: its rows, and what reads them. */
    const char *rows;
    rb_err (*read)(struct reading *reading);
    /* Else: its parts, and those where the field `of` asks about one thing. */
    const struct read_part *parts;
    const char *of;
    const struct read_part *parts_of;
};
#define READ_A_PAGE .limit = 100, .limit_max = 1000

/* ---- what was asked (read_question.c) ------------------------------------------------------------------ */

/* Checks a question about one repository, and keeps it as the arguments of statements. RB_EINVAL with a
 * sentence. */
rb_err read_question(struct reading *reading, const json_t *question) RB_MUST_CHECK;
/* A field that is text, `*out` as it was when it is absent or null. */
rb_err read_question_text(const char **out, const json_t *question, const char *name) RB_MUST_CHECK;
/* A number from min to max, the same. */
rb_err read_question_number(int64_t *out, const json_t *question, const char *name, int64_t min,
                            int64_t max) RB_MUST_CHECK;
void read_argument_set(struct reading *reading, const char *name, const char *text); /* NULL: null */

/* ---- pages (read_page.c) ------------------------------------------------------------------------------- */

/* Writes, behind what is in reading->rows, the rows of a page that row `at` of what was found makes; how
 * many, or 0 where the buffer has no room for them. */
typedef size_t (*read_rows_fn)(struct reading *reading, const json_t *found, size_t at);
/* Takes these rows, which belong together; false when the page has no room for them. */
bool read_page_add(struct reading *reading, read_rows_fn write, const json_t *found, size_t at);
/* Pieces of a row: as it is, and a value as JSON. False: no room. */
bool read_page_text(struct reading *reading, const char *text);
bool read_page_value(struct reading *reading, const json_t *value);
rb_err read_files(struct reading *reading) RB_MUST_CHECK;
rb_err read_links(struct reading *reading) RB_MUST_CHECK;

/* ---- an answer (read.c) -------------------------------------------------------------------------------- */

void read_open(struct reading *reading, const struct read_kind *kind, struct rb_arena *arena,
               const struct grapher_local *mine);
void read_close(struct reading *reading);
/* Asks between two looks at what state of the graph is there; *answers has the rows of each question. */
rb_err read_ask(json_t **answers, struct reading *reading, const enum graph_question *questions, size_t count,
                const json_t *arguments) RB_MUST_CHECK;
/* Takes the head; the rows, if the kind has them, go behind it as they are. */
rb_err read_answer_write(struct rb_buf *answer, const struct reading *reading, json_t *head) RB_MUST_CHECK;

#endif
