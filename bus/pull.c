/*
 * Reading a pull consumer, in plain NATS: a request to $JS.API.CONSUMER.MSG.NEXT, and what arrives on our
 * inbox.
 *
 * The library's own fetch is not used: in 3.4.1 it overflows with leftovers of an earlier request (#749),
 * spins after a stale status (#631), and miscounts heartbeats from its second request on. Here the rules are
 * few. A request asks for `batch` messages and is renewed when they came (where one is done with them, in one
 * word with the acknowledgement), when it expired, or when the connection or the consumer's leader is another
 * one. The server sends a heartbeat while it has nothing; two
 * that are missing mean that the consumer is lost. A reconnect is told to the reader by an empty message to
 * its own inbox, so that it does not wait for the heartbeats of a dead request.
 */
#include <stdio.h>
#include <string.h>

#include "bus/private.h"

#define REQUEST_EXPIRES_MS 60000 /* a request is renewed once a minute when nothing happens */
#define HEARTBEAT_MS       15000 /* one small wake-up per reader in this time is all that idling costs */
#define SILENCE_MS         (2 * HEARTBEAT_MS + 1000)
#define ACK_TIMEOUT_MS     3000
#define PULL_SUBJECT       "$JS.API.CONSUMER.MSG.NEXT."

struct bus_pull {
    struct rb_bus *bus;
    struct bus_pull *next;
    natsSubscription *sub;
    char *inbox;
    const char *stream;
    char *request_subject;
    int batch;
    atomic_int outstanding; /* messages that the present request may still bring */
    uint64_t epoch;         /* the connection that request was made on */
    atomic_bool stopped;
    atomic_bool elected; /* the present request died with the consumer's leader */
};

static rb_err pull_subscribe(natsSubscription **sub, char **inbox, struct rb_bus *bus)
{
    rb_err err = bus_inbox_make(inbox, bus);
    if (err)
        return err;
    natsStatus s = natsConnection_SubscribeSync(sub, bus->nc, *inbox);
    if (s == NATS_OK)
        return RB_OK;
    free(*inbox);
    *inbox = NULL;
    return bus_error(s, 0, "subscribing");
}

rb_err bus_pull_open(struct bus_pull **out, struct rb_bus *bus, const char *stream, int batch)
{
    struct bus_pull *pull = rb_calloc(1, sizeof(*pull));

    *out = NULL;
    pull->bus = bus;
    pull->stream = stream;
    pull->batch = batch;
    bus_elections_follow(bus);
    rb_err err = pull_subscribe(&pull->sub, &pull->inbox, bus);
    if (err) {
        free(pull);
        return err;
    }
    pthread_mutex_lock(&bus->mutex);
    pull->next = bus->pulls;
    bus->pulls = pull;
    pthread_mutex_unlock(&bus->mutex);
    *out = pull;
    return RB_OK;
}

void bus_pull_aim(struct bus_pull *pull, const char *consumer)
{
    char *subject = rb_asprintf(PULL_SUBJECT "%s.%s", pull->stream, consumer);
    if (!pull->request_subject || strcmp(subject, pull->request_subject) != 0)
        pull->outstanding = 0;
    pthread_mutex_lock(&pull->bus->mutex);
    free(pull->request_subject);
    pull->request_subject = subject;
    pthread_mutex_unlock(&pull->bus->mutex);
    pull->epoch = bus_epoch(pull->bus);
}

void bus_pull_stop(struct bus_pull *pull)
{
    pthread_mutex_lock(&pull->bus->mutex);
    pull->stopped = true;
    natsSubscription *sub = pull->sub;
    pthread_mutex_unlock(&pull->bus->mutex);
    (void)natsSubscription_Unsubscribe(sub); /* ends NextMsg; the object stays, see connection.c */
}

/*
 * The server goes on delivering to a request for as long as somebody listens on its inbox. So the inbox is
 * given up for a new one; the old one's subscription is kept with a place of its own among the pulls, as none
 * is destroyed before the connection is closed.
 */
void bus_pull_leave(struct bus_pull *pull, const char *consumer)
{
    struct rb_bus *bus = pull->bus;
    natsSubscription *sub = NULL;
    natsMsg *extra = NULL;
    char *inbox = NULL;

    while (bus_pull_take_extra(&extra, pull)) {
        bus_ack_retry(bus, natsMsg_GetReply(extra), 0);
        natsMsg_Destroy(extra);
    }
    if (pull->outstanding == 0 || pull_subscribe(&sub, &inbox, bus))
        return;
    struct bus_pull *left = rb_calloc(1, sizeof(*left));
    pthread_mutex_lock(&bus->mutex);
    *left = (struct bus_pull){.bus = bus, .sub = pull->sub, .inbox = pull->inbox, .next = bus->pulls};
    left->stopped = true;
    bus->pulls = left;
    pull->sub = sub;
    pull->inbox = inbox;
    pull->outstanding = 0;
    bool stopped = pull->stopped;
    pthread_mutex_unlock(&bus->mutex);
    (void)natsSubscription_Unsubscribe(left->sub);
    if (stopped)
        (void)natsSubscription_Unsubscribe(sub);
    bus_pull_forget(bus, pull->stream, consumer);
}

/*
 * nats-server (2.9, also 2.10) loses a redelivery for a whole ack wait when it becomes due while only
 * requests without a reader wait: it takes the message from its queue, then finds nobody. (2.9 goes back by
 * one in the stream, too: what it delivers next is called a first delivery, whatever it was before.) What is
 * handed back at the end of a process would fall into that. Any request makes the server throw out those
 * without a reader, so the last thing to send is one that expires in the same moment.
 */
void bus_pull_forget(struct rb_bus *bus, const char *stream, const char *consumer)
{
    static const char brief[] = "{\"batch\":1,\"expires\":1}";
    char *nowhere = NULL;

    if (bus_inbox_make(&nowhere, bus))
        return;
    char *subject = rb_asprintf(PULL_SUBJECT "%s.%s", stream, consumer);
    (void)natsConnection_PublishRequest(bus->nc, subject, nowhere, brief, sizeof(brief) - 1);
    free(nowhere);
    free(subject);
}

void bus_pulls_wake(struct rb_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    for (struct bus_pull *pull = bus->pulls; pull; pull = pull->next) {
        if (!pull->stopped)
            (void)natsConnection_Publish(bus->nc, pull->inbox, NULL, 0);
    }
    pthread_mutex_unlock(&bus->mutex);
}

void bus_pulls_renew(struct rb_bus *bus, const char *consumer)
{
    pthread_mutex_lock(&bus->mutex);
    for (struct bus_pull *pull = bus->pulls; pull; pull = pull->next) {
        if (pull->stopped || !pull->request_subject ||
            strcmp(pull->request_subject + sizeof(PULL_SUBJECT) - 1, consumer) != 0)
            continue;
        pull->elected = true;
        (void)natsConnection_Publish(bus->nc, pull->inbox, NULL, 0);
    }
    pthread_mutex_unlock(&bus->mutex);
}

void bus_pulls_free(struct rb_bus *bus)
{
    while (bus->pulls) {
        struct bus_pull *pull = bus->pulls;
        bus->pulls = pull->next;
        natsSubscription_Destroy(pull->sub);
        free(pull->request_subject);
        free(pull->inbox);
        free(pull);
    }
}

/* `word` stands before the request where `subject` is a message's: what becomes of that. */
static natsStatus pull_request(struct bus_pull *pull, const char *subject, const char *word)
{
    char body[160];
    snprintf(body, sizeof(body), "%s{\"batch\":%d,\"expires\":%d000000,\"idle_heartbeat\":%d000000}", word,
             pull->batch, REQUEST_EXPIRES_MS, HEARTBEAT_MS);
    natsStatus s =
        natsConnection_PublishRequest(pull->bus->nc, subject, pull->inbox, body, (int)strlen(body));
    if (s == NATS_OK)
        pull->outstanding = pull->batch;
    return s;
}

/* A message without a place in the stream: the server speaks about the request itself. */
static enum bus_pull_result pull_read_status(struct bus_pull *pull, natsMsg *msg)
{
    const char *status = NULL, *text = NULL;

    if (natsMsgHeader_Get(msg, "Status", &status) != NATS_OK)
        return BUS_PULL_IDLE; /* our own wake-up */
    if (strcmp(status, "100") == 0)
        return BUS_PULL_IDLE;
    pull->outstanding = 0;
    if (strcmp(status, "404") == 0 || strcmp(status, "408") == 0)
        return BUS_PULL_EXPIRED;
    (void)natsMsgHeader_Get(msg, "Description", &text);
    rb_log_debug("NATS: request ended: %s %s", status, text ? text : "");
    return BUS_PULL_LOST;
}

/* What came: the caller's message, or what the server says about the request. */
static enum bus_pull_result pull_read(natsMsg **msg, struct bus_pull *pull)
{
    static const char in_stream[] = "$JS.ACK.";
    const char *reply = natsMsg_GetReply(*msg);

    if (reply && strncmp(reply, in_stream, sizeof(in_stream) - 1) == 0) {
        if (pull->outstanding > 0)
            pull->outstanding--;
        return BUS_PULL_MESSAGE;
    }
    enum bus_pull_result result = pull_read_status(pull, *msg);
    natsMsg_Destroy(*msg);
    *msg = NULL;
    return result;
}

bool bus_pull_take_extra(natsMsg **msg, struct bus_pull *pull)
{
    int count = 0;

    *msg = NULL;
    while (!pull->stopped && natsSubscription_GetPending(pull->sub, &count, NULL) == NATS_OK && count > 0 &&
           natsSubscription_NextMsg(msg, pull->sub, 1) == NATS_OK) {
        if (pull_read(msg, pull) == BUS_PULL_MESSAGE)
            return true;
    }
    return false;
}

enum bus_pull_result bus_pull_next(natsMsg **msg, struct bus_pull *pull)
{
    natsStatus s = NATS_OK;

    *msg = NULL;
    if (pull->stopped)
        return BUS_PULL_STOPPED;
    if (pull->epoch != bus_epoch(pull->bus)) {
        pull->outstanding = 0;
        return BUS_PULL_LOST;
    }
    if (atomic_exchange(&pull->elected, false))
        pull->outstanding = 0;
    if (pull->outstanding == 0)
        s = pull_request(pull, pull->request_subject, "");
    if (s == NATS_OK)
        s = natsSubscription_NextMsg(msg, pull->sub, SILENCE_MS);
    if (s == NATS_OK)
        return pull_read(msg, pull);
    pull->outstanding = 0;
    if (pull->stopped || s == NATS_CONNECTION_CLOSED || s == NATS_INVALID_SUBSCRIPTION)
        return BUS_PULL_STOPPED;
    if (s == NATS_TIMEOUT)
        rb_log_warn("NATS: %s is silent, asking anew", pull->request_subject);
    return BUS_PULL_LOST;
}

bool bus_pull_is_asking(const struct bus_pull *pull)
{
    return pull->outstanding > 0;
}

rb_err bus_pull_ack_next(struct bus_pull *pull, const char *reply)
{
    if (pull->outstanding > 0 || pull->elected || pull->epoch != bus_epoch(pull->bus))
        return bus_ack_done(pull->bus, reply);
    natsStatus s = pull_request(pull, reply, "+NXT ");
    return s == NATS_OK ? RB_OK : bus_error(s, 0, "acknowledging");
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static rb_err ack_sync(struct rb_bus *bus, const char *reply, const char *answer)
{
    natsMsg *confirmed = NULL;
    natsStatus s = natsConnection_RequestString(&confirmed, bus->nc, reply, answer, ACK_TIMEOUT_MS);
    natsMsg_Destroy(confirmed);
    return s == NATS_OK ? RB_OK : bus_error(s, 0, "acknowledging");
}

rb_err bus_ack_done(struct rb_bus *bus, const char *reply)
{
    return ack_sync(bus, reply, "+ACK");
}

rb_err bus_ack_term(struct rb_bus *bus, const char *reply)
{
    return ack_sync(bus, reply, "+TERM");
}

void bus_ack_done_async(struct rb_bus *bus, const char *reply)
{
    (void)natsConnection_PublishString(bus->nc, reply, "+ACK");
}

/* Lost, it comes again all the same: after the consumer's ack wait. */
void bus_ack_retry(struct rb_bus *bus, const char *reply, int64_t delay_ms)
{
    char answer[64];
    snprintf(answer, sizeof(answer), "-NAK {\"delay\": %" PRId64 "}", delay_ms * 1000000);
    (void)natsConnection_PublishString(bus->nc, reply, answer);
}

void bus_ack_working(struct rb_bus *bus, const char *reply)
{
    (void)natsConnection_PublishString(bus->nc, reply, "+WPI");
}
