/*
 * What the stores of the graph are asked by readers. A question is one statement of each store, side by side:
 * both take the same parameters and give the same rows. Each statement reads from an index, and no more rows
 * than it says itself or `limit` says, however large the repository is; tests/system/graph-reads.test.mjs
 * looks at their plans. Private to this room.
 */
#ifndef RB_GRAPHER_QUESTIONS_H
#define RB_GRAPHER_QUESTIONS_H

#include <jansson.h>

#include "grapher/graph.h"

enum graph_question {
    GRAPH_ASK_ABOUT,       /* what the last finished write left; no row: none has finished */
    GRAPH_ASK_FILES,       /* a page of all */
    GRAPH_ASK_FILES_OF,    /* a page of those that pass a filter, among `scan` files */
    GRAPH_ASK_FILES_END,   /* the path at which it has looked at so many */
    GRAPH_ASK_DIRECTORIES, /* a page */
    GRAPH_ASK_FILE,
    GRAPH_ASK_FOLDER,           /* how many others are in the folder of a file */
    GRAPH_ASK_PULLS_OF_FILE,    /* that touch it */
    GRAPH_ASK_PEOPLE_OF_FILE,   /* whose pull requests touch it */
    GRAPH_ASK_TOGETHER_OF_FILE, /* the files that are most often changed with it */
    GRAPH_ASK_BASIS_OF_FILE,    /* the pull requests that this is counted from */
    GRAPH_ASK_TOGETHER,         /* the pairs of files that are most often changed together */
    GRAPH_ASK_BASIS_TOGETHER,
    GRAPH_ASK_DEVELOPERS, /* the most active ones below a folder */
    GRAPH_ASK_BASIS_DEVELOPERS,
    GRAPH_ASK_PULL,
    GRAPH_ASK_OVERLAPS_OF_PULL, /* open pull requests that touch the files of this one */
    GRAPH_ASK_BASIS_OF_PULL,
    GRAPH_ASK_OVERLAPS, /* pairs of open pull requests that touch the same files */
    GRAPH_ASK_BASIS_OVERLAPS,
    GRAPH_ASK_DEPENDENTS, /* of a package, among repositories */
    GRAPH_QUESTIONS
};

#define GRAPH_PARAMETERS_MAX 10
struct graph_statements {
    /* By name in Cypher, in this order in SQL; ends with NULL. */
    const char *parameters[GRAPH_PARAMETERS_MAX + 1];
    const char *kinds;      /* of the columns: t text or null, i number, b true or false, j JSON */
    const char *columns[7]; /* in Cypher they are called so */
    struct rb_statement postgres;
    const char *neo4j;
};
extern const struct graph_statements graph_statements[GRAPH_QUESTIONS];

/* For the transaction of PostgreSQL that the questions are put in: a repository that has just come, or grown,
 * is not in the statistics yet, and whatever the planner thinks of it, these statements are meant to walk
 * along an index. */
extern const struct rb_statement graph_read_settings;

/* Before and after the questions of an answer: a transaction that is never committed, in PostgreSQL. */
rb_err graph_questions_begin(struct rb_graph *graph) RB_MUST_CHECK;
void graph_questions_end(struct rb_graph *graph);

#define GRAPH_QUESTIONS_MAX 8 /* at once: the parts of an answer between two looks */
/*
 * Asks the store of `graph`, one question after the other. `arguments` is an object with the parameters
 * (those that are absent are null), borrowed. *answers gets a new array with the answer to each: an array of
 * its columns, each an array with its value in each row. RB_EUNAVAILABLE: the store is away.
 */
rb_err graph_questions_ask(json_t **answers, struct rb_graph *graph, const enum graph_question *questions,
                           size_t count, const json_t *arguments) RB_MUST_CHECK;
/* What an answer holds: how many rows, a value of one (borrowed), a row as an object by the names of the
 * columns (new; NULL behind the last), all of them so (new). */
size_t graph_answer_count(const json_t *answer);
json_t *graph_answer_value(const json_t *answer, size_t column, size_t row);
json_t *graph_answer_row(const json_t *answer, enum graph_question question, size_t row);
json_t *graph_answer_rows(const json_t *answer, enum graph_question question);
/* From that to GRAPH_ASK_ABOUT; RB_ENOTFOUND where there are no rows. */
rb_err graph_about_of(struct rb_graph_about *about, const json_t *answer) RB_MUST_CHECK;

#endif
