/*
 * Made-up lives of pull requests and issues, for a test that has them delivered in any order, any number of
 * times.
 */
#ifndef RB_TESTS_GRAPH_ACTIVITY_H
#define RB_TESTS_GRAPH_ACTIVITY_H

#include "tests/unit/chance.h"
#include "tests/unit/graph_fixture.h"

#include "grapher/activity.h"

#define LIVES     9 /* numbers 1 to 4 are pull requests, the others issues; some of which nobody ever tells */
#define PULLS     4
#define LIFE_LEN  6
#define ELSEWHERE 1000000 /* to the number of another repository */

struct told {
    int number, head, base;
    char title[32], at[32], login[32];
    const char *state;
    int author; /* 0: gone */
    int closes[3];
    bool is_elsewhere; /* the first of these */
};

static struct {
    struct told told[LIVES * LIFE_LEN];
    size_t count;
    struct told last[LIVES + 1]; /* of each number */
} lives;

/* Some share a second, and differ in what ends or in their content only. */
static void life_make(int number)
{
    static const char *const pull_states[] = {"open", "closed", "merged"};
    static const char *const issue_states[] = {"open", "closed", "deleted"};
    int second = 0;
    for (size_t i = 0; i < LIFE_LEN; i++) {
        struct told *told = &lives.told[lives.count++];
        bool is_pull = number <= PULLS;
        size_t state = chance_below(i + 1 == LIFE_LEN ? 3 : 2); /* nothing follows a deletion */
        second += chance_percent(70);
        *told = (struct told){.number = number,
                              .head = is_pull ? (int)chance_below(3) : 0,
                              .base = is_pull ? (int)chance_below(2) : 0,
                              .state = is_pull ? pull_states[chance_below(3)] : issue_states[state],
                              .author = (int)chance_below(4),
                              .is_elsewhere = chance_percent(40)};
        snprintf(told->title, sizeof told->title, "%d of %d", (int)i, number);
        snprintf(told->at, sizeof told->at, "2026-03-01T10:%02d:00Z", second);
        snprintf(told->login, sizeof told->login, "%d%c", told->author,
                 "abc"[second / 3]); /* renamed meanwhile */
        for (size_t k = 0; is_pull && k < 3; k++)
            told->closes[k] = chance_percent(50) ? PULLS + 1 + (int)chance_below(LIVES - PULLS) : 0;
    }
}

/* GitHub lists the files as they are when it is asked, whichever event that is for: those of the newest. */
static size_t life_touches(struct rb_touch touches[4], const struct told *told)
{
    static const char *const paths[] = {"a.c", "b.c", "folder/c.c", "gone.c"};
    size_t count = 0;
    for (int i = 0; i < 4; i++) {
        if ((told->head + told->base + i) % 3 != 0)
            touches[count++] = (struct rb_touch){paths[i], told->head, told->base};
    }
    return count;
}

static const char *life_version(const struct told *told, struct rb_arena *arena)
{
    return rb_activity_version(told->at, told->state, told->title, arena);
}

static struct rb_developer life_author(const struct told *told, int64_t people)
{
    return (struct rb_developer){.github_id = told->author ? people + told->author : 0,
                                 .login = told->author ? told->login : "",
                                 .seen_at = told->at};
}

static void life_deliver_pull(const struct told *told, struct rb_graph *graph, int64_t repo_id,
                              int64_t people, struct rb_arena *arena)
{
    static const char *const heads[] = {"1111", "2222", "3333"}, *const bases[] = {"main", "next"};
    struct rb_pull_range known;
    struct rb_touch touches[4];
    struct rb_issue_ref closes[3];
    bool written = false;
    struct rb_pull_request pull = {.repo_id = repo_id,
                                   .number = told->number,
                                   .version = life_version(told, arena),
                                   .title = told->title,
                                   .state = told->state,
                                   .head_sha = heads[told->head],
                                   .base_ref = bases[told->base],
                                   .created_at = "2026-03-01T10:00:00Z",
                                   .merged_at = strcmp(told->state, "merged") == 0 ? told->at : NULL,
                                   .author = life_author(told, people),
                                   .closes = closes,
                                   .touches = touches};
    for (size_t i = 0; i < 3; i++) {
        bool is_known = told->closes[i] == 0;
        for (size_t k = 0; k < i; k++)
            is_known |= told->closes[i] == told->closes[k];
        if (!is_known)
            closes[pull.close_count++] = (struct rb_issue_ref){
                i == 0 && told->is_elsewhere ? repo_id + ELSEWHERE : repo_id, told->closes[i]};
    }
    assert_int_equal(rb_graph_pull_request_range(&known, graph, repo_id, told->number), RB_OK);
    pull.has_touches = strcmp(known.head, pull.head_sha) != 0 || strcmp(known.base_ref, pull.base_ref) != 0;
    pull.touch_count = pull.has_touches ? life_touches(touches, &lives.last[told->number]) : 0;
    if (rb_graph_put_pull_request(&written, graph, "acme/shop", &pull))
        fail_msg("pull request: %s", rb_error_text());
}

static void life_deliver(const struct told *told, struct rb_graph *graph, int64_t repo_id, int64_t people,
                         struct rb_arena *arena)
{
    bool written = false;
    if (told->number <= PULLS) {
        life_deliver_pull(told, graph, repo_id, people, arena);
        return;
    }
    const struct rb_issue issue = {.repo_id = repo_id,
                                   .number = told->number,
                                   .version = life_version(told, arena),
                                   .title = told->title,
                                   .state = told->state,
                                   .created_at = "2026-03-01T10:00:00Z",
                                   .author = life_author(told, people)};
    if (rb_graph_put_issue(&written, graph, "acme/shop", &issue))
        fail_msg("issue: %s", rb_error_text());
}

/* Some of the numbers live. */
static void lives_make(struct rb_arena *arena)
{
    memset(&lives, 0, sizeof lives);
    for (int number = 1; number <= LIVES; number++) {
        if (number <= PULLS || chance_percent(60))
            life_make(number);
    }
    for (size_t i = 0; i < lives.count; i++) {
        const struct told *told = &lives.told[i];
        struct told *last = &lives.last[told->number];
        if (!last->state || strcmp(life_version(last, arena), life_version(told, arena)) < 0)
            *last = *told;
    }
}

/* Each at least once, in any order. */
static void lives_deliver_shuffled(struct rb_graph *graph, int64_t repo_id, int64_t people,
                                   struct rb_arena *arena)
{
    const struct told *order[LIVES * LIFE_LEN * 2];
    size_t count = 0;
    for (size_t i = 0; i < lives.count; i++) {
        order[count++] = &lives.told[i];
        if (chance_percent(30))
            order[count++] = &lives.told[i];
    }
    for (size_t i = count; i > 1; i--) {
        size_t k = chance_below(i);
        const struct told *one = order[i - 1];
        order[i - 1] = order[k];
        order[k] = one;
    }
    for (size_t i = 0; i < count; i++)
        life_deliver(order[i], graph, repo_id, people, arena);
}

/* ---- what there is then -------------------------------------------------------------------------------- */

static const struct rb_statement lives_in_postgres = {
    "test_lives",
    "with author as (select number, author_id as id from graph_pull_requests where repo_id = $1 union all "
    "select "
    "number, author_id from graph_issues where repo_id = $1) "
    "select line from ("
    "select concat_ws(' ', 'pull', number, title, state, head_sha, base_ref, extract(epoch from "
    "merged_at)::bigint) as line from graph_pull_requests where repo_id = $1 "
    "union all select concat_ws(' ', 'issue', 0, number, title, state) from graph_issues where repo_id = $1 "
    "union all select distinct concat_ws(' ', 'issue', issue_repo_id - $1, issue_number) from graph_closes c "
    "where repo_id = $1 and not exists (select from graph_issues i where i.repo_id = c.issue_repo_id and "
    "i.number = c.issue_number) "
    "union all select concat_ws(' ', 'closes', number, issue_repo_id - $1, issue_number) from graph_closes "
    "where repo_id = $1 "
    "union all select concat_ws(' ', 'touches', number, path, additions, deletions) from graph_touches where "
    "repo_id = $1 "
    "union all select distinct concat_ws(' ', 'file', path) from graph_touches where repo_id = $1 "
    "union all select concat_ws(' ', 'authored', number, id - $2) from author where id is not null "
    "union all select distinct concat_ws(' ', 'contributed', id - $2) from author where id is not null "
    "union all select concat_ws(' ', 'developer', github_id - $2, login) from graph_developers where "
    "github_id "
    "between $2 and $2 + 9) lines order by line collate \"C\""};
static const char lives_in_neo4j[] =
    "CALL () { MATCH (n:PullRequest {repo_id: $given.repo_id}) RETURN 'pull ' + n.number + ' ' + n.title + ' "
    "' + "
    "n.state + ' ' + n.head_sha + ' ' + n.base_ref + coalesce(' ' + n.merged_at.epochSeconds, '') AS line "
    "UNION ALL MATCH (i:Issue) WHERE i.repo_id IN [$given.repo_id, $given.repo_id + $given.elsewhere] "
    "RETURN 'issue ' + (i.repo_id - $given.repo_id) + ' ' + i.number + coalesce(' ' + i.title + ' ' + "
    "i.state, "
    "'') AS line "
    "UNION ALL MATCH (n:PullRequest {repo_id: $given.repo_id})-[:CLOSES]->(i) RETURN 'closes ' + n.number + "
    "' ' + "
    "(i.repo_id - $given.repo_id) + ' ' + i.number AS line "
    "UNION ALL MATCH (n:PullRequest {repo_id: $given.repo_id})-[t:TOUCHES]->(f) RETURN 'touches ' + n.number "
    "+ ' ' "
    "+ f.path + ' ' + t.additions + ' ' + t.deletions AS line "
    "UNION ALL MATCH (f:File {repo_id: $given.repo_id}) RETURN 'file ' + f.path AS line "
    "UNION ALL MATCH (n {repo_id: $given.repo_id})-[:AUTHORED_BY]->(d) RETURN 'authored ' + n.number + ' ' + "
    "(d.github_id - $given.people) AS line "
    "UNION ALL MATCH (:Repository {repo_id: $given.repo_id})<-[:CONTRIBUTED_TO]-(d) RETURN 'contributed ' + "
    "(d.github_id - $given.people) AS line "
    "UNION ALL MATCH (d:Developer) WHERE d.github_id >= $given.people AND d.github_id < $given.people + 10 "
    "RETURN 'developer ' + (d.github_id - $given.people) + ' ' + d.login AS line } "
    "RETURN line ORDER BY line";

/* All that was told, a line each, the same words for both stores. */
static const char *lives_dump(struct rb_graph *graph, struct rb_db *db, int64_t repo_id, int64_t people,
                              struct rb_arena *arena)
{
    const char *text = "";
    if (graph->neo4j) {
        json_t *values = NULL, *row,
               *parameters = json_pack("{s:I, s:I, s:i}", "repo_id", (json_int_t)repo_id, "people",
                                       (json_int_t)people, "elsewhere", ELSEWHERE);
        size_t i;
        if (graph_neo4j_ask(&values, graph, lives_in_neo4j, &parameters))
            fail_msg("%s", rb_error_text());
        json_array_foreach(values, i, row) text =
            rb_arena_printf(arena, "%s%s\n", text, graph_neo4j_text(row, 0));
        json_decref(values);
        return text;
    }
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(repo_id), RB_P_INT(people)};
    if (rb_db_query(&rows, db, &lives_in_postgres, params, 2))
        fail_msg("%s", rb_error_text());
    for (size_t i = 0; i < rb_rows_count(rows); i++)
        text = rb_arena_printf(arena, "%s%s\n", text, rb_rows_text(rows, i, 0));
    rb_rows_free(rows);
    return text;
}

#endif
