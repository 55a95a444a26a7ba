/*
 * Asking: NATS request-reply without waiting for it. One subscription takes the answers to all questions; the
 * reply subject names the place and the number of each, so that a late, second or forged answer finds nobody.
 *
 * Two threads: nats.c's own one of the subscription calls back with answers. One of ours sends, since a
 * server that does not read may hold whoever writes to it (WRITE_DEADLINE_MS), and ends what has waited long
 * enough. Whoever takes a question off its place calls back, so that each is answered once.
 *
 * Both begin with the first question: most programs ask none.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/private.h"

#define ASKS_MAX       1024  /* under way: each is a person who waits */
#define ASK_BODY_MAX   65536 /* a question is a few names */
#define ERROR_TEXT_MAX 16384 /* an answer that is an error; a longer one is no error of ours */

#define ASK_REPLY_MAX (BUS_SUBJECT_MAX + 32) /* the inbox and two numbers */

struct ask {
    uint64_t number; /* 0: the place is free */
    bool is_sent;
    int64_t deadline;
    uint64_t epoch; /* the connection that it went out on */
    char subject[BUS_SUBJECT_MAX];
    void *body;
    size_t len;
    rb_bus_answer_fn fn;
    void *arg;
};

struct bus_asks {
    struct rb_bus *bus;
    pthread_t thread;
    natsSubscription *answers;
    char *inbox;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool stopping, is_open, is_complete; /* complete: nats.c's thread calls back no more */
    uint64_t last_number;
    size_t count, unsent;
    struct ask places[ASKS_MAX];
};

/* ---- ending a question -------------------------------------------------------------------------------- */

/* Takes the question off its place; `mutex` is held. */
static struct ask ask_take(struct bus_asks *asks, struct ask *place)
{
    struct ask taken = *place;
    asks->count--;
    asks->unsent -= !place->is_sent;
    memset(place, 0, sizeof(*place));
    return taken;
}

static void ask_end(struct ask *ask, rb_err err, const void *body, size_t len)
{
    const struct rb_answer answer = {.err = err,
                                     .text = err ? rb_error_text() : "",
                                     .wait_ms = err ? rb_error_wait_ms() : 0,
                                     .body = body,
                                     .len = len};
    ask->fn(ask->arg, &answer);
    free(ask->body);
}

/* {"error":{"code":"not found","text":"…","wait_ms":1}} as its result; RB_OK for every other answer. */
static rb_err ask_read_error(const char *body, size_t len)
{
    static const char begins[] = "{\"error\":";
    if (len < sizeof(begins) - 1 || len > ERROR_TEXT_MAX || memcmp(body, begins, sizeof(begins) - 1) != 0)
        return RB_OK;
    json_t *root = json_loadb(body, len, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *text = json_string_value(json_object_get(error, "text"));
    rb_err err = RB_EPROTOCOL;
    for (int each = RB_EINVAL; code && each >= RB_EINTERNAL; each--) {
        if (strcmp(rb_err_name((rb_err)each), code) == 0)
            err = (rb_err)each;
    }
    rb_error_set(err, "%.400s", text ? text : "an error without a text");
    rb_error_set_wait(json_integer_value(json_object_get(error, "wait_ms")));
    json_decref(root);
    return err;
}

static void ask_reply_subject(char *out, size_t size, const struct bus_asks *asks, size_t place,
                              uint64_t number)
{
    snprintf(out, size, "%s.%zu.%" PRIu64, asks->inbox, place, number);
}

/* The question that is meant, NULL when it is none. `mutex` is held. */
static struct ask *ask_find(struct bus_asks *asks, const char *subject)
{
    char expected[ASK_REPLY_MAX];
    size_t len = strlen(asks->inbox), place = 0;
    if (strncmp(subject, asks->inbox, len) != 0 || sscanf(subject + len, ".%4zu.", &place) != 1 ||
        place >= ASKS_MAX || asks->places[place].number == 0)
        return NULL;
    ask_reply_subject(expected, sizeof(expected), asks, place, asks->places[place].number);
    return strcmp(expected, subject) == 0 ? &asks->places[place] : NULL;
}

/* On the thread of the subscription. */
static void ask_on_answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    struct bus_asks *asks = arg;
    struct ask taken = {0};
    (void)nc;
    (void)sub;
    pthread_mutex_lock(&asks->mutex);
    struct ask *place = ask_find(asks, natsMsg_GetSubject(msg));
    if (place)
        taken = ask_take(asks, place);
    pthread_mutex_unlock(&asks->mutex);
    if (place && natsMsg_IsNoResponders(msg)) {
        ask_end(&taken, rb_error_set(RB_EUNAVAILABLE, "NATS: nobody answers %s", taken.subject), NULL, 0);
    } else if (place) {
        const char *body = natsMsg_GetData(msg);
        size_t len = (size_t)natsMsg_GetDataLength(msg);
        rb_err err = ask_read_error(body, len);
        ask_end(&taken, err, err ? NULL : body, err ? 0 : len);
    }
    natsMsg_Destroy(msg);
}

static void ask_on_complete(void *arg)
{
    struct bus_asks *asks = arg;
    pthread_mutex_lock(&asks->mutex);
    asks->is_complete = true;
    pthread_cond_broadcast(&asks->changed);
    pthread_mutex_unlock(&asks->mutex);
}

/* ---- the thread that sends and looks at the clock -------------------------------------------------------
 */

/* By this thread alone, before its first question goes out. */
static natsStatus ask_listen(struct bus_asks *asks)
{
    char subject[BUS_SUBJECT_MAX + 8];
    snprintf(subject, sizeof(subject), "%s.*.*", asks->inbox);
    natsStatus s = natsConnection_Subscribe(&asks->answers, asks->bus->nc, subject, ask_on_answer, asks);
    if (s == NATS_OK)
        s = natsSubscription_SetOnCompleteCB(asks->answers, ask_on_complete, asks);
    return s;
}

/* Sends one; `mutex` is held, and not meanwhile. The answer may be here before it is held again. */
static void ask_send(struct bus_asks *asks, struct ask *place)
{
    char reply[ASK_REPLY_MAX], subject[BUS_SUBJECT_MAX];
    uint64_t number = place->number;
    void *body = place->body;
    size_t len = place->len;

    place->body = NULL; /* ours now */
    place->is_sent = true;
    place->epoch = bus_epoch(asks->bus);
    asks->unsent--;
    snprintf(subject, sizeof(subject), "%s", place->subject);
    ask_reply_subject(reply, sizeof(reply), asks, (size_t)(place - asks->places), number);
    pthread_mutex_unlock(&asks->mutex);
    natsStatus s = asks->answers ? NATS_OK : ask_listen(asks);
    if (s == NATS_OK)
        s = natsConnection_PublishRequest(asks->bus->nc, subject, reply, body, (int)len);
    free(body);
    pthread_mutex_lock(&asks->mutex);
    if (s != NATS_OK && place->number == number) {
        struct ask taken = ask_take(asks, place);
        pthread_mutex_unlock(&asks->mutex);
        ask_end(&taken, bus_error(s, 0, "asking %s", taken.subject), NULL, 0);
        pthread_mutex_lock(&asks->mutex);
    }
}

/* Ends what has waited too long, and what went out on a connection that is lost: its answer is, too. (The
 * news of a new connection comes late, so that one that went out on it in its first moment may be ended as
 * well.) `mutex` is held, and not while a callback runs. */
static void ask_end_late(struct bus_asks *asks, int64_t now, uint64_t epoch, bool is_connected)
{
    for (size_t i = 0; i < ASKS_MAX; i++) {
        struct ask *place = &asks->places[i];
        bool is_lost = place->is_sent && (place->epoch != epoch || !is_connected);
        if (!place->number || (place->deadline > now && !is_lost && !asks->stopping))
            continue;
        struct ask taken = ask_take(asks, place);
        pthread_mutex_unlock(&asks->mutex);
        if (asks->stopping || is_lost)
            rb_error_set(RB_EUNAVAILABLE, "NATS: asking %s: the connection is lost", taken.subject);
        else
            rb_error_set(RB_ETIMEOUT, "NATS: asking %s: no answer in time", taken.subject);
        ask_end(&taken, asks->stopping || is_lost ? RB_EUNAVAILABLE : RB_ETIMEOUT, NULL, 0);
        pthread_mutex_lock(&asks->mutex);
    }
}

#define ASK_SLICE_MS 100 /* how soon a lost connection and a passed deadline are noticed */

static void *ask_main(void *arg)
{
    struct bus_asks *asks = arg;
    pthread_mutex_lock(&asks->mutex);
    while (!asks->stopping) {
        for (size_t i = 0; i < ASKS_MAX && asks->unsent > 0; i++) {
            if (asks->places[i].number && !asks->places[i].is_sent)
                ask_send(asks, &asks->places[i]);
        }
        int64_t now = rb_clock_ms(), until = now + ASK_SLICE_MS;
        struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
        pthread_mutex_unlock(&asks->mutex);
        uint64_t epoch = bus_epoch(asks->bus);
        bool is_connected = rb_bus_is_connected(asks->bus);
        pthread_mutex_lock(&asks->mutex);
        if (asks->count > 0)
            ask_end_late(asks, now, epoch, is_connected);
        if (asks->stopping || asks->unsent > 0)
            continue;
        if (asks->count > 0)
            pthread_cond_timedwait(&asks->changed, &asks->mutex, &at);
        else
            pthread_cond_wait(&asks->changed, &asks->mutex);
    }
    ask_end_late(asks, 0, 0, false);
    pthread_mutex_unlock(&asks->mutex);
    return NULL;
}

/* ---- beginning and end -------------------------------------------------------------------------------- */

rb_err bus_asks_new(struct bus_asks **out, struct rb_bus *bus)
{
    struct bus_asks *asks = rb_calloc(1, sizeof(*asks));
    pthread_condattr_t attr;
    rb_err err = bus_inbox_make(&asks->inbox, bus);
    if (err) {
        free(asks);
        return err;
    }
    asks->bus = bus;
    pthread_mutex_init(&asks->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&asks->changed, &attr);
    pthread_condattr_destroy(&attr);
    *out = asks;
    return RB_OK;
}

void bus_asks_stop(struct bus_asks *asks)
{
    if (!asks)
        return;
    pthread_mutex_lock(&asks->mutex);
    bool is_open = asks->is_open;
    asks->stopping = true;
    pthread_cond_broadcast(&asks->changed);
    pthread_mutex_unlock(&asks->mutex);
    if (is_open)
        pthread_join(asks->thread, NULL);
}

void bus_asks_free(struct bus_asks *asks)
{
    if (!asks)
        return;
    pthread_mutex_lock(&asks->mutex);
    while (asks->answers && !asks->is_complete)
        pthread_cond_wait(&asks->changed, &asks->mutex);
    pthread_mutex_unlock(&asks->mutex);
    natsSubscription_Destroy(asks->answers);
    pthread_cond_destroy(&asks->changed);
    pthread_mutex_destroy(&asks->mutex);
    free(asks->inbox);
    free(asks);
}

static rb_err ask_place(struct bus_asks *asks, struct ask *ask)
{
    if (asks->stopping)
        return rb_error_set(RB_EUNAVAILABLE, "NATS: asking %s: the connection is being closed", ask->subject);
    if (asks->count == ASKS_MAX)
        return rb_error_set(RB_ELIMIT, "NATS: asking %s: %d questions are under way", ask->subject, ASKS_MAX);
    if (!asks->is_open && pthread_create(&asks->thread, NULL, ask_main, asks) != 0)
        return rb_error_set(RB_EINTERNAL, "no thread for asking");
    asks->is_open = true;
    size_t at = asks->last_number % ASKS_MAX;
    while (asks->places[at].number)
        at = (at + 1) % ASKS_MAX;
    ask->number = ++asks->last_number;
    asks->places[at] = *ask;
    asks->count++;
    asks->unsent++;
    pthread_cond_broadcast(&asks->changed);
    return RB_OK;
}

rb_err rb_bus_ask(struct rb_bus *bus, const char *subject, const void *body, size_t len, int timeout_ms,
                  rb_bus_answer_fn fn, void *arg)
{
    struct ask ask = {.deadline = rb_clock_ms() + timeout_ms, .len = len, .fn = fn, .arg = arg};

    if (!bus_text_is_plain(subject, BUS_SUBJECT_MAX - 1) || strpbrk(subject, "*>"))
        return rb_error_set(RB_EINVAL, "asking: not a subject");
    if (len > ASK_BODY_MAX)
        return rb_error_set(RB_ETOOBIG, "asking %s: %zu bytes, the limit is %d", subject, len, ASK_BODY_MAX);
    if (!rb_bus_is_connected(bus))
        return rb_error_set(RB_EUNAVAILABLE, "NATS: asking %s: not connected", subject);
    snprintf(ask.subject, sizeof(ask.subject), "%s", subject);
    ask.body = rb_malloc(len + 1);
    memcpy(ask.body, len ? body : "", len);
    pthread_mutex_lock(&bus->asks->mutex);
    rb_err err = ask_place(bus->asks, &ask);
    pthread_mutex_unlock(&bus->asks->mutex);
    if (err)
        free(ask.body);
    return err;
}
