/* Who depends on a package, over several repositories: a page of these, by their number. */
#include <stdlib.h>
#include <string.h>

#include "grapher/read.h"

#define READ_REPOS_MAX 5000 /* repositories in one question: they fit into its 64 KiB */

static rb_err dependents_question(struct reading *reading, const json_t *question)
{
    const json_t *repos = json_object_get(question, "repo_ids"), *repo;
    json_t *taken = json_array();
    const char *purl = "", *last;
    int64_t limit = reading->kind->limit;
    size_t i;
    reading->after = "0";
    json_object_set_new(reading->arguments, "repo_ids", taken);
    rb_err err = read_question_number(&limit, question, "limit", 1, reading->kind->limit_max);
    if (!err)
        err = read_question_text(&reading->after, question, "after");
    if (!err)
        err = read_question_text(&purl, question, "purl");
    if (err)
        return err;
    last = strrchr(purl, '/');
    if (strncmp(purl, "pkg:", 4) != 0 || !last || !last[1] || strpbrk(last, "@?#"))
        return rb_error_set(RB_EINVAL, "purl is a package URL without version: pkg:npm/express");
    if (!json_is_array(repos) || json_array_size(repos) > READ_REPOS_MAX)
        return rb_error_set(RB_EINVAL, "repo_ids is a list of at most %d repositories", READ_REPOS_MAX);
    if (strspn(reading->after, "0123456789") != strlen(reading->after) || strlen(reading->after) > 18)
        return rb_error_set(RB_EINVAL, "after is the next of the page before");
    int64_t after = strtoll(reading->after, NULL, 10);
    reading->limit = (size_t)limit;
    read_argument_set(reading, "purl", purl);
    json_array_foreach(repos, i, repo)
    {
        int64_t id = json_integer_value(repo);
        if (id <= after)
            continue;
        if (json_array_size(taken) == reading->limit) {
            reading->next = rb_arena_printf(reading->arena, "%lld", (long long)after);
            break;
        }
        after = id; /* they are sorted, or some are left out */
        json_array_append_new(taken, json_integer((json_int_t)id));
    }
    return RB_OK;
}

static size_t dependents_row(struct reading *reading, const json_t *row, size_t at)
{
    (void)at;
    return read_page_value(reading, row);
}

/* One row of the answer for all rows of a repository, which may want the package in several ways. */
static void dependents_add(struct reading *reading, const json_t *found)
{
    json_t *row = NULL;
    const json_t *one;
    json_int_t id = 0, last = 0;
    size_t i, count = json_array_size(found);
    for (i = 0; i <= count; i++) {
        one = json_array_get(found, i);
        json_int_t next = json_integer_value(json_object_get(one, "repo_id"));
        if (row && next != id) {
            bool fits = read_page_add(reading, dependents_row, row, 0);
            json_decref(row);
            row = NULL;
            if (!fits) {
                reading->next = rb_arena_printf(reading->arena, "%lld", (long long)last);
                return;
            }
            last = id;
        }
        if (!row && one)
            row =
                json_pack("{s:I, s:O, s:O, s:[]}", "repo_id", id = next, "repo", json_object_get(one, "repo"),
                          "generation", json_object_get(one, "generation"), "wants");
        if (row)
            json_array_append_new(json_object_get(row, "wants"),
                                  json_pack("{s:O, s:O}", "scope", json_object_get(one, "scope"),
                                            "constraint", json_object_get(one, "constraint")));
    }
}

rb_err rb_grapher_answer_dependents(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                                    void *app, void *local)
{
    static const struct read_kind kind = {READ_A_PAGE, .limit_min = 1, .rows = "dependents"};
    static const enum graph_question asked = GRAPH_ASK_DEPENDENTS;
    struct reading reading;
    json_t *answers = NULL, *found = NULL;
    (void)app;
    read_open(&reading, &kind, arena, local);
    rb_err err = dependents_question(&reading, question);
    if (!err)
        err = graph_questions_begin(reading.graph);
    if (!err) {
        err = graph_questions_ask(&answers, reading.graph, &asked, 1, reading.arguments);
        graph_questions_end(reading.graph);
    }
    if (!err) {
        found = graph_answer_rows(json_array_get(answers, 0), asked);
        dependents_add(&reading, found);
        err = read_answer_write(answer, &reading,
                                json_pack("{s:O}", "purl", json_object_get(reading.arguments, "purl")));
    }
    json_decref(found);
    json_decref(answers);
    read_close(&reading);
    return err;
}
