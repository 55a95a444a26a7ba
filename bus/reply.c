/*
 * Answering: the other side of request-reply, for subscribers. A question takes this way:
 *
 *  NATS → a thread of nats.c for each subject → the queue (QUEUE_MAX) → one of `query_workers` → its answer
 *
 * A question that finds the queue full is refused at once, and one that waited for too long is dropped, since
 * nobody waits for it any more: so the work never grows beyond what is of use.
 *
 * Draining: the subscriptions are drained, which takes no new question and hands over those that have come;
 * the workers end once all subscriptions are complete and the queue is empty. No subscription is destroyed
 * before the connection is closed (see connection.c).
 */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "bus/runtime.h"

#define REPLY_WORKERS     2     /* a page is read in milliseconds; more would hold connections to the store */
#define REPLY_WORKERS_MAX 16    /* each is a thread with a connection to the store */
#define QUEUE_MAX         64    /* at ten milliseconds each they are done in a third of a second */
#define QUESTION_MAX      65536 /* bytes */
#define QUERIES_MAX       16    /* subjects of one subscriber: each is a thread */
#define DRAIN_MS          5000  /* for the server to confirm that no more is sent */

struct reply_question {
    natsMsg *msg;
    const struct rb_query *query;
    int64_t at; /* rb_clock_ms() */
};

struct reply_subject {
    struct bus_replies *replies;
    const struct rb_query *query;
    natsSubscription *sub;
    bool is_quiet, is_complete; /* under the mutex below; complete: nats.c's thread calls back no more */
};

struct bus_replies {
    struct bus_runtime *runtime;
    struct reply_subject subjects[QUERIES_MAX];
    int subject_count;
    pthread_t workers[REPLY_WORKERS_MAX];
    int worker_count;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    int open; /* subscriptions that may still bring a question to be answered */
    struct reply_question queue[QUEUE_MAX];
    size_t first, waiting;
};

static void reply_count(const struct bus_runtime *runtime, const struct rb_query *query, const char *outcome)
{
    char labels[BUS_SUBJECT_MAX + 128];
    snprintf(labels, sizeof(labels), "subscriber=\"%s\",subject=\"%s\",outcome=\"%s\"", runtime->def->name,
             query->subject, outcome);
    rb_metric_add(rb_metric_counter("repobus_queries_total", labels, "Questions, by what became of them."),
                  1);
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static void reply_send(const struct bus_runtime *runtime, const natsMsg *msg, const void *body, size_t len)
{
    const char *reply = natsMsg_GetReply(msg);
    natsStatus s = reply ? natsConnection_Publish(runtime->bus->nc, reply, body, (int)len) : NATS_OK;
    if (s != NATS_OK) /* whoever asked gets no answer in time and asks again */
        rb_log_warn("NATS: an answer was not sent: %s", natsStatus_GetText(s));
}

static void reply_send_error(const struct bus_runtime *runtime, const struct reply_question *question,
                             rb_err err)
{
    /* What we do not know the reason of is for our log, not for whoever asks. */
    const char *text = err == RB_EINTERNAL ? "the question could not be answered" : rb_error_text();
    char *copy = rb_strdup(text);
    rb_text_make_utf8(copy);
    json_t *error = json_pack("{s:s, s:s}", "code", rb_err_name(err), "text", copy);
    if (rb_error_wait_ms() > 0)
        json_object_set_new(error, "wait_ms", json_integer(rb_error_wait_ms()));
    json_t *root = json_pack("{s:o}", "error", error);
    char *body = json_dumps(root, JSON_COMPACT);
    if (body)
        reply_send(runtime, question->msg, body, strlen(body));
    free(body);
    json_decref(root);
    free(copy);
    reply_count(runtime, question->query, rb_err_name(err));
}

/* A question without a body is one without parameters. */
static rb_err reply_parse(json_t **root, const natsMsg *msg)
{
    size_t len = (size_t)natsMsg_GetDataLength(msg);
    json_error_t error;
    *root = NULL;
    if (len > QUESTION_MAX)
        return rb_error_set(RB_ETOOBIG, "the question has %zu bytes, the limit is %d", len, QUESTION_MAX);
    *root = len ? json_loadb(natsMsg_GetData(msg), len, JSON_REJECT_DUPLICATES, &error) : json_object();
    if (!json_is_object(*root))
        return rb_error_set(RB_EINVAL, "the question is no JSON object");
    return RB_OK;
}

static void reply_answer(struct bus_runtime *runtime, const struct reply_question *question, void *local)
{
    struct rb_buf answer;
    json_t *root = NULL;
    int64_t started = rb_clock_us();
    struct rb_arena *arena = rb_arena_new();
    char labels[BUS_SUBJECT_MAX + 128];

    rb_buf_init(&answer, RB_ANSWER_MAX);
    rb_err err = reply_parse(&root, question->msg);
    if (!err)
        err = question->query->fn(&answer, root, arena, runtime->def->app, local);
    if (err) {
        if (err != RB_EINVAL && err != RB_ENOTFOUND)
            rb_log_warn("question not answered subject=%s: %s", question->query->subject, rb_error_text());
        reply_send_error(runtime, question, err);
    } else {
        reply_send(runtime, question->msg, answer.data ? answer.data : "", answer.len);
        reply_count(runtime, question->query, "answered");
    }
    snprintf(labels, sizeof(labels), "subscriber=\"%s\",subject=\"%s\"", runtime->def->name,
             question->query->subject);
    rb_metric_observe_us(rb_metric_histogram("repobus_query_seconds", labels, "Time to an answer."),
                         rb_clock_us() - started);
    json_decref(root);
    rb_arena_free(arena);
    rb_buf_free(&answer);
}

/* ---- the queue ---------------------------------------------------------------------------------------- */

/* On a thread of nats.c. */
static void reply_on_question(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    const struct reply_subject *subject = arg;
    struct bus_replies *replies = subject->replies;
    struct reply_question question = {.msg = msg, .query = subject->query, .at = rb_clock_ms()};
    (void)nc;
    (void)sub;
    pthread_mutex_lock(&replies->mutex);
    bool is_full = replies->waiting == QUEUE_MAX;
    if (!is_full) {
        replies->queue[(replies->first + replies->waiting++) % QUEUE_MAX] = question;
        pthread_cond_signal(&replies->changed);
    }
    pthread_mutex_unlock(&replies->mutex);
    if (is_full) {
        reply_send_error(replies->runtime, &question,
                         rb_error_set(RB_ELIMIT, "too many questions at once: ask again in a moment"));
        natsMsg_Destroy(msg);
    }
}

/* `mutex` is held. */
static void reply_quieten(struct reply_subject *subject)
{
    subject->replies->open -= !subject->is_quiet;
    subject->is_quiet = true;
    pthread_cond_broadcast(&subject->replies->changed);
}

static void reply_on_complete(void *arg)
{
    struct reply_subject *subject = arg;
    pthread_mutex_t *mutex = &subject->replies->mutex;
    pthread_mutex_lock(mutex);
    reply_quieten(subject);
    subject->is_complete = true;
    pthread_mutex_unlock(mutex);
}

/* The next question; false when there will be none any more. */
static bool reply_next(struct reply_question *question, struct bus_replies *replies)
{
    pthread_mutex_lock(&replies->mutex);
    while (replies->waiting == 0 && replies->open > 0)
        pthread_cond_wait(&replies->changed, &replies->mutex);
    bool found = replies->waiting > 0;
    if (found) {
        *question = replies->queue[replies->first];
        replies->first = (replies->first + 1) % QUEUE_MAX;
        replies->waiting--;
    }
    pthread_mutex_unlock(&replies->mutex);
    return found;
}

static void *reply_main(void *arg)
{
    struct bus_replies *replies = arg;
    struct bus_runtime *runtime = replies->runtime;
    const struct rb_subscriber *def = runtime->def;
    struct reply_question question;
    void *local = NULL;

    if (def->worker_open && def->worker_open(&local, def->app)) {
        rb_log_error("worker cannot start: %s", rb_error_text());
        runtime->broken = true;
    } else {
        while (reply_next(&question, replies)) {
            if (rb_clock_ms() - question.at > runtime->query_wait_ms)
                reply_count(runtime, question.query, "too late");
            else
                reply_answer(runtime, &question, local);
            natsMsg_Destroy(question.msg);
        }
        if (def->worker_close)
            def->worker_close(local, def->app);
    }
    runtime->running--;
    (void)eventfd_write(runtime->wake_fd, 1);
    return NULL;
}

/* ---- beginning and end -------------------------------------------------------------------------------- */

static rb_err reply_subscribe(struct bus_replies *replies, const struct rb_query *query)
{
    struct reply_subject *subject = &replies->subjects[replies->subject_count];
    *subject = (struct reply_subject){.replies = replies, .query = query};
    natsStatus s = natsConnection_QueueSubscribe(&subject->sub, replies->runtime->bus->nc, query->subject,
                                                 replies->runtime->def->name, reply_on_question, subject);
    if (s != NATS_OK)
        return bus_error(s, 0, "listening for %s", query->subject);
    replies->subject_count++;
    pthread_mutex_lock(&replies->mutex);
    replies->open++;
    pthread_mutex_unlock(&replies->mutex);
    s = natsSubscription_SetOnCompleteCB(subject->sub, reply_on_complete, subject);
    return s == NATS_OK ? RB_OK : bus_error(s, 0, "listening for %s", query->subject);
}

rb_err bus_replies_start(struct bus_replies **out, struct bus_runtime *runtime)
{
    struct bus_replies *replies = rb_calloc(1, sizeof(*replies));
    int workers = runtime->def->query_workers > 0 ? runtime->def->query_workers : REPLY_WORKERS;
    rb_err err = RB_OK;

    *out = replies;
    replies->runtime = runtime;
    pthread_mutex_init(&replies->mutex, NULL);
    pthread_cond_init(&replies->changed, NULL);
    if (workers > REPLY_WORKERS_MAX)
        return rb_error_set(RB_EINVAL, "more than %d threads for questions", REPLY_WORKERS_MAX);
    for (const struct rb_query *query = runtime->def->queries; query->subject && !err; query++) {
        if (replies->subject_count == QUERIES_MAX)
            return rb_error_set(RB_EINVAL, "more than %d subjects of questions", QUERIES_MAX);
        err = reply_subscribe(replies, query);
    }
    while (!err && replies->worker_count < workers) {
        runtime->running++;
        if (pthread_create(&replies->workers[replies->worker_count], NULL, reply_main, replies) != 0) {
            runtime->running--;
            return rb_error_set(RB_EINTERNAL, "no thread for answers");
        }
        replies->worker_count++;
    }
    return err;
}

void bus_replies_drain(struct bus_replies *replies)
{
    if (!replies)
        return;
    for (int i = 0; i < replies->subject_count; i++) {
        struct reply_subject *subject = &replies->subjects[i];
        if (rb_bus_is_connected(replies->runtime->bus) &&
            natsSubscription_DrainTimeout(subject->sub, DRAIN_MS) == NATS_OK)
            continue;
        pthread_mutex_lock(&replies->mutex);
        reply_quieten(subject); /* nothing comes without a connection */
        pthread_mutex_unlock(&replies->mutex);
    }
}

void bus_replies_join(struct bus_replies *replies)
{
    for (int i = 0; replies && i < replies->worker_count; i++)
        pthread_join(replies->workers[i], NULL);
}

/* Nothing is handed over any more: the connection is closed. */
void bus_replies_free(struct bus_replies *replies)
{
    struct reply_question question;
    if (!replies)
        return;
    pthread_mutex_lock(&replies->mutex);
    for (int i = 0; i < replies->subject_count; i++) {
        while (!replies->subjects[i].is_complete)
            pthread_cond_wait(&replies->changed, &replies->mutex);
    }
    pthread_mutex_unlock(&replies->mutex);
    while (reply_next(&question, replies))
        natsMsg_Destroy(question.msg);
    for (int i = 0; i < replies->subject_count; i++)
        natsSubscription_Destroy(replies->subjects[i].sub);
    pthread_cond_destroy(&replies->changed);
    pthread_mutex_destroy(&replies->mutex);
    free(replies);
}
