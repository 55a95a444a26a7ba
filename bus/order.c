/*
 * Which events of a repository come before another one. A consumer does not tell what it has given to whom,
 * so each process reads the stream along, up to the event in question, and remembers sequence and repository
 * of all that may still be unfinished: those behind the consumer's acknowledgement floor.
 *
 * An earlier one is finished when it is not above the floor, or not above the last one of its repository that
 * was finished, which stands in the record of the repository (turn.c).
 */
#include <stdlib.h>
#include <string.h>

#include "bus/runtime.h"

#define ORDER_MAX  (1024 * 1024) /* entries, 16 MB: beyond it events wait until the oldest is finished */
#define ORDER_TIDY 4096          /* entries after which the finished ones are looked for */

void bus_order_init(struct bus_order *order)
{
    memset(order, 0, sizeof(*order));
    pthread_mutex_init(&order->mutex, NULL);
}

void bus_order_free(struct bus_order *order)
{
    free(order->entries);
    pthread_mutex_destroy(&order->mutex);
}

/* Forgets what the consumer has behind it. */
static rb_err order_tidy(struct bus_order *order, struct bus_runtime *runtime)
{
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    size_t finished = 0;

    natsStatus s = js_GetConsumerInfo(&info, runtime->bus->js, runtime->durable.stream, runtime->durable.name,
                                      NULL, &code);
    if (s != NATS_OK)
        return bus_error(s, code, "consumer %s", runtime->durable.name);
    uint64_t floor = info->AckFloor.Stream;
    jsConsumerInfo_Destroy(info);
    while (finished < order->count && order->entries[finished].sequence <= floor)
        finished++;
    order->count -= finished;
    if (finished > 0) /* else there may be no list yet */
        memmove(order->entries, order->entries + finished, order->count * sizeof(order->entries[0]));
    if (order->seen < floor)
        order->seen = floor;
    order->tidy_at = order->count + ORDER_TIDY;
    return RB_OK;
}

/* The sequence of the first event from `from` on that the consumer delivers; 0: there is none. */
static rb_err order_next(uint64_t *sequence, struct bus_runtime *runtime, uint64_t from)
{
    const char *filter = runtime->durable.filter ? runtime->durable.filter : ">";
    natsMsg *answer = NULL;

    char *subject = rb_asprintf("$JS.API.STREAM.MSG.GET.%s", runtime->durable.stream);
    char *question = rb_asprintf("{\"seq\":%" PRIu64 ",\"next_by_subj\":\"%s\"}", from, filter);
    natsStatus s =
        natsConnection_RequestString(&answer, runtime->bus->nc, subject, question, BUS_API_WAIT_MS);
    free(question);
    free(subject);
    if (s != NATS_OK)
        return bus_error(s, 0, "reading the stream along");
    json_t *root = json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, NULL);
    natsMsg_Destroy(answer);
    const json_t *message = json_object_get(root, "message");
    json_int_t code = json_integer_value(json_object_get(json_object_get(root, "error"), "err_code"));
    *sequence = (uint64_t)json_integer_value(json_object_get(message, "seq"));
    json_decref(root);
    return *sequence > 0 || code == JSNoMessageFoundErr
               ? RB_OK
               : rb_error_set(RB_EUNAVAILABLE, "NATS: reading the stream along: error %d", (int)code);
}

/* Whose turn a stored event takes; 0: it takes none, or is gone. */
static rb_err order_key(int64_t *key, struct bus_runtime *runtime, uint64_t sequence)
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    const char *to = NULL;
    struct rb_event event;

    *key = 0;
    natsStatus s = js_GetMsg(&msg, runtime->bus->js, runtime->durable.stream, sequence, NULL, &code);
    if (s == NATS_NOT_FOUND || code == JSNoMessageFoundErr)
        return RB_OK;
    if (s != NATS_OK)
        return bus_error(s, code, "reading the stream along");
    bool other =
        natsMsgHeader_Get(msg, RB_HEADER_TO, &to) == NATS_OK && to && strcmp(to, runtime->def->name) != 0;
    struct rb_arena *arena = rb_arena_new();
    if (!other &&
        rb_event_decode(&event, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), arena) == RB_OK)
        *key = bus_turn_key(runtime, &event);
    rb_arena_free(arena);
    natsMsg_Destroy(msg);
    return RB_OK;
}

static rb_err order_add(struct bus_order *order, uint64_t sequence, int64_t key)
{
    if (order->count == ORDER_MAX)
        return rb_error_set(RB_ELIMIT, "more than %d events since the oldest unfinished one", ORDER_MAX);
    if (order->count == order->capacity) {
        order->capacity = order->capacity ? order->capacity * 2 : 64;
        order->entries = rb_realloc(order->entries, order->capacity * sizeof(order->entries[0]));
    }
    order->entries[order->count++] = (struct bus_order_entry){.sequence = sequence, .key = key};
    return RB_OK;
}

/* Reads along up to before `sequence`. */
static rb_err order_follow(struct bus_order *order, struct bus_runtime *runtime, uint64_t sequence)
{
    rb_err err = RB_OK;

    while (!err && order->seen + 1 < sequence) {
        uint64_t next = 0;
        int64_t key = 0;
        if (runtime->draining)
            return rb_error_set(RB_EUNAVAILABLE, "the process is ending");
        err = order_next(&next, runtime, order->seen + 1);
        bool earlier = next > 0 && next < sequence;
        if (!err && earlier)
            err = order_key(&key, runtime, next);
        if (!err && key > 0)
            err = order_add(order, next, key);
        if (!err)
            order->seen = earlier ? next : sequence - 1;
    }
    return err;
}

static bool order_has_earlier(const struct bus_order *order, uint64_t sequence, int64_t key, uint64_t done)
{
    for (size_t i = 0; i < order->count && order->entries[i].sequence < sequence; i++) {
        if (order->entries[i].key == key && order->entries[i].sequence > done)
            return true;
    }
    return false;
}

rb_err bus_order_check(struct bus_runtime *runtime, uint64_t sequence, int64_t key, uint64_t done)
{
    struct bus_order *order = &runtime->order;
    rb_err err = RB_OK;

    pthread_mutex_lock(&order->mutex);
    if (order->incarnation != runtime->incarnation) { /* of the stream: its sequences begin anew */
        order->seen = order->count = 0;
        order->incarnation = runtime->incarnation;
        order->tidy_at = 0;
    }
    if (order->count >= order->tidy_at || order->count == ORDER_MAX)
        err = order_tidy(order, runtime);
    if (!err)
        err = order_follow(order, runtime, sequence);
    if (!err && order->seen < sequence) { /* nobody needs to read it again */
        err = order_add(order, sequence, key);
        order->seen = err ? order->seen : sequence;
    }
    if (!err && order_has_earlier(order, sequence, key, done))
        err = order_tidy(order, runtime);
    if (!err && order_has_earlier(order, sequence, key, done))
        err = rb_error_set(RB_ECONFLICT, "an earlier event of its repository is unfinished");
    pthread_mutex_unlock(&order->mutex);
    return err;
}
