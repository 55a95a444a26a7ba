/*
 * Neo4j plans a statement when it is first asked, which takes it up to seconds just after its start: longer
 * than somebody at the edge waits. So each question is asked once about a repository that nobody has, by a
 * thread of its own, when the grapher starts and when the store is back. Nothing waits for it.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "grapher/handler.h"

#define PLAN_PAUSE_S 10 /* after a store that did not answer */

#define NOBODYS "\"repo_id\":9007199254740991" /* the largest number of JSON; GitHub counts to a billion */
static const struct {
    rb_query_fn answer;
    const char *question;
} plan_questions[] = {
    {rb_grapher_answer_files, "{" NOBODYS "}"},
    {rb_grapher_answer_links, "{" NOBODYS "}"},
    {rb_grapher_answer_neighbours, "{" NOBODYS ",\"path\":\"a\"}"},
    {rb_grapher_answer_changed_together, "{" NOBODYS "}"},
    {rb_grapher_answer_changed_together, "{" NOBODYS ",\"path\":\"a\"}"},
    {rb_grapher_answer_developers, "{" NOBODYS "}"},
    {rb_grapher_answer_overlaps, "{" NOBODYS "}"},
    {rb_grapher_answer_overlaps, "{" NOBODYS ",\"number\":1}"},
    {rb_grapher_answer_dependents, "{\"purl\":\"pkg:npm/a\",\"repo_ids\":[]}"},
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool is_running, is_wanted, is_stopping;
} planning = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool plan_is_stopping(void)
{
    pthread_mutex_lock(&planning.lock);
    bool is_stopping = planning.is_stopping;
    pthread_mutex_unlock(&planning.lock);
    return is_stopping;
}

rb_err rb_grapher_plan(struct grapher_local *mine)
{
    rb_err err = RB_OK;
    for (size_t i = 0; i < sizeof plan_questions / sizeof *plan_questions && !err; i++) {
        if (plan_is_stopping())
            return rb_error_set(RB_EUNAVAILABLE, "the grapher is stopping");
        struct rb_arena *arena = rb_arena_new();
        struct rb_buf answer;
        json_t *question = json_loads(plan_questions[i].question, 0, NULL);
        rb_buf_init(&answer, RB_ANSWER_MAX);
        err = plan_questions[i].answer(&answer, question, arena, NULL, mine);
        err = err == RB_ENOTFOUND ? RB_OK : err;
        rb_buf_free(&answer);
        json_decref(question);
        rb_arena_free(arena);
    }
    return err;
}

/* With the lock, which is given up while the store is asked. */
static void plan_once(struct grapher_local *mine)
{
    struct timespec until;
    planning.is_wanted = false;
    pthread_mutex_unlock(&planning.lock);
    rb_err err = rb_grapher_plan(mine);
    pthread_mutex_lock(&planning.lock);
    if (!err) {
        rb_log_info("questions are planned");
        return;
    }
    planning.is_wanted = true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PLAN_PAUSE_S;
    if (!planning.is_stopping)
        pthread_cond_timedwait(&planning.changed, &planning.lock, &until);
}

static void *plan_run(void *app)
{
    void *mine = NULL;
    if (rb_grapher_worker_open(&mine, app)) {
        rb_log_warn("questions are not planned ahead: %s", rb_error_text());
        return NULL;
    }
    pthread_mutex_lock(&planning.lock);
    while (!planning.is_stopping) {
        if (planning.is_wanted)
            plan_once(mine);
        else
            pthread_cond_wait(&planning.changed, &planning.lock);
    }
    pthread_mutex_unlock(&planning.lock);
    rb_grapher_worker_close(mine, app);
    return NULL;
}

void rb_grapher_plan_start(struct rb_grapher *grapher)
{
    sigset_t all, before;
    if (!grapher->graph.neo4j_uri)
        return;
    planning.is_wanted = true;
    planning.is_stopping = false;
    sigfillset(&all); /* signals are for the subscriber, which has not blocked them yet */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    planning.is_running = pthread_create(&planning.thread, NULL, plan_run, grapher) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void plan_note(bool *what)
{
    pthread_mutex_lock(&planning.lock);
    *what = true;
    pthread_cond_signal(&planning.changed);
    pthread_mutex_unlock(&planning.lock);
}

void rb_grapher_plan_again(void)
{
    plan_note(&planning.is_wanted);
}

void rb_grapher_plan_stop(void)
{
    plan_note(&planning.is_stopping);
    if (planning.is_running)
        pthread_join(planning.thread, NULL);
    planning.is_running = false;
}
