/* Publishing, pulling and following, against a real server that is killed, stopped and wiped. */
#include "bus/runtime.h"
#include "tests/unit/bus_nats.h"

static struct nats_fixture nats;
static struct rb_bus *bus;
/* Here, so that the teardown ends them when a test fails. */
static struct rb_run_follower *followers[2];
static struct bus_worker worker;
static struct bus_runtime runtime;

static int start_server(void **state)
{
    (void)state;
    nats_start(&nats);
    bus = nats_connect(&nats);
    nats_setup(bus);
    return 0;
}

static void end_keepalive(void)
{
    if (!runtime.keepalive_started)
        return;
    pthread_mutex_lock(&runtime.mutex);
    runtime.ending = true;
    pthread_cond_broadcast(&runtime.changed);
    pthread_mutex_unlock(&runtime.mutex);
    pthread_join(runtime.keepalive, NULL);
    runtime.keepalive_started = false;
}

static int stop_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(followers) / sizeof(followers[0]); i++) {
        rb_bus_unfollow_runs(followers[i]);
        followers[i] = NULL;
    }
    end_keepalive();
    rb_bus_close(bus);
    bus = NULL;
    nats_stop(&nats);
    return 0;
}

static uint64_t messages_in(const char *stream)
{
    jsStreamInfo *info = NULL;
    assert_int_equal(js_GetStreamInfo(&info, bus->js, stream, NULL, NULL), NATS_OK);
    uint64_t count = info->State.Msgs;
    jsStreamInfo_Destroy(info);
    return count;
}

static void publishes_once_however_often(void **state)
{
    (void)state;
    bool duplicate = true;

    uint64_t before = messages_in(RB_STREAM_EVENTS);
    assert_int_equal(rb_bus_publish(&duplicate, bus, RB_REPO_CONNECTED, "once-1", NULL, "{}", 2), RB_OK);
    assert_false(duplicate);
    assert_int_equal(rb_bus_publish(&duplicate, bus, RB_REPO_CONNECTED, "once-1", NULL, "{}", 2), RB_OK);
    assert_true(duplicate);
    assert_int_equal(messages_in(RB_STREAM_EVENTS), before + 1);
}

static void publishes_many_with_a_result_for_each(void **state)
{
    (void)state;
    enum { MANY = 1300 }; /* more than two batches */
    static struct rb_bus_message messages[MANY];
    static char ids[MANY][24];
    static rb_err errs[MANY];

    uint64_t before = messages_in(RB_STREAM_EVENTS);
    for (int i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "many-%d", i);
        messages[i] = (struct rb_bus_message){RB_REPO_SCANNED, ids[i], "", "{}", 2, NULL};
    }
    messages[7].subject = "not a subject";
    messages[600].id = "bad\nid";
    messages[1299].len = BUS_MESSAGE_MAX + 1;
    assert_int_equal(rb_bus_publish_all(errs, bus, messages, MANY), RB_EINVAL);
    for (int i = 0; i < MANY; i++) {
        rb_err expected = i == 7 || i == 600 ? RB_EINVAL : i == 1299 ? RB_ETOOBIG : RB_OK;
        assert_int_equal(errs[i], expected);
    }
    assert_int_equal(messages_in(RB_STREAM_EVENTS), before + MANY - 3);
}

static void says_that_the_stream_is_full(void **state)
{
    (void)state;
    jsStreamInfo *info = NULL;
    rb_err errs[1];
    const struct rb_bus_message message = {RB_REPO_SCANNED, "full-2", NULL, "{}", 2, NULL};

    assert_int_equal(js_GetStreamInfo(&info, bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
    info->Config->MaxMsgs = (int64_t)info->State.Msgs;
    if (info->Config->MaxMsgs == 0)
        info->Config->MaxMsgs = 1;
    assert_int_equal(js_UpdateStream(NULL, bus->js, info->Config, NULL, NULL), NATS_OK);
    jsStreamInfo_Destroy(info);
    rb_err err = rb_bus_publish(NULL, bus, RB_REPO_SCANNED, "full-0", NULL, "{}", 2);
    if (err == RB_OK)
        err = rb_bus_publish(NULL, bus, RB_REPO_SCANNED, "full-1", NULL, "{}", 2);
    assert_int_equal(err, RB_ELIMIT);
    assert_int_equal(rb_bus_publish_all(errs, bus, &message, 1), RB_ELIMIT);
    assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
}

static void publishing_heals_a_lost_stream(void **state)
{
    (void)state;
    rb_err errs[2];
    const struct rb_bus_message messages[] = {{RB_REPO_SCANNED, "heal-1", NULL, "{}", 2, NULL},
                                              {RB_REPO_SCANNED, "heal-2", NULL, "{}", 2, NULL}};

    bus->setup_at_ms = 0; /* long ago */
    assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_SCANNED, "heal-0", NULL, "{}", 2), RB_OK);
    bus->setup_at_ms = 0;
    assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
    assert_int_equal(rb_bus_publish_all(errs, bus, messages, 2), RB_OK);
    assert_int_equal(messages_in(RB_STREAM_EVENTS), 2);
}

/* ---- outages ------------------------------------------------------------------------------------------ */

/* "At once" is in the results: RB_EUNAVAILABLE, where waiting for an acknowledgement ends with RB_ETIMEOUT.
 */
static void an_outage_is_told_at_once_and_survived(void **state)
{
    (void)state;
    rb_err errs[1];
    const struct rb_bus_message message = {RB_REPO_SCANNED, "outage-1", NULL, "{}", 2, NULL};

    nats_kill(&nats);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_SCANNED, "outage-0", NULL, "{}", 2), RB_EUNAVAILABLE);
    assert_int_equal(rb_bus_publish_all(errs, bus, &message, 1), RB_EUNAVAILABLE);
    assert_int_equal(errs[0], RB_EUNAVAILABLE);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    assert_int_equal(rb_bus_publish_all(errs, bus, &message, 1), RB_OK);
}

/* nats.c tells of a lost connection on a thread of its own, some time after the fact. */
static void waiting_is_not_misled_by_late_news(void **state)
{
    (void)state;
    nats_kill(&nats);
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;
    bool connected = true; /* as the news of the loss says */
    while (connected && rb_clock_ms() < deadline) {
        pthread_mutex_lock(&bus->mutex);
        connected = bus->connected;
        pthread_mutex_unlock(&bus->mutex);
        sched_yield();
    }
    assert_false(connected);
    pthread_mutex_lock(&bus->mutex);
    bus->connected = true; /* as before that news */
    pthread_mutex_unlock(&bus->mutex);
    assert_int_equal(rb_bus_wait(bus, 50), RB_EUNAVAILABLE);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    assert_true(rb_bus_is_connected(bus));
}

static void a_server_that_hangs_is_no_trap(void **state)
{
    (void)state;
    rb_err errs[2];
    const struct rb_bus_message messages[] = {{RB_REPO_SCANNED, "hang-1", NULL, "{}", 2, NULL},
                                              {RB_REPO_SCANNED, "hang-2", NULL, "{}", 2, NULL}};

    nats_hang(&nats);
    assert_int_equal(rb_bus_publish_all(errs, bus, messages, 2), RB_ETIMEOUT);
    assert_int_equal(errs[0], RB_ETIMEOUT);
    assert_int_equal(errs[1], RB_ETIMEOUT);
    nats_go_on(&nats);
    /* The late acknowledgements of the first try are told from those of the second. */
    assert_int_equal(rb_bus_publish_all(errs, bus, messages, 2), RB_OK);
    assert_int_equal(messages_in(RB_STREAM_EVENTS), 2);
}

/* Stands for a stream whose leader changes: the first message is lost, the others are acknowledged. */
struct lost_first {
    const char *announced; /* the election that follows the first message; NULL: none is heard of */
    atomic_int count;
};
static void lose_first(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    struct lost_first *lost = arg;
    static const char ack[] = "{\"stream\":\"LED\",\"seq\":1}";
    (void)sub;

    if (lost->count++ > 0)
        (void)natsConnection_PublishString(nc, natsMsg_GetReply(msg), ack);
    else if (lost->announced)
        (void)natsConnection_PublishString(nc, lost->announced, "{}");
    natsMsg_Destroy(msg);
}

static void what_is_lost_in_an_election_is_published_again(void **state)
{
    (void)state;
    rb_err err;
    natsSubscription *subs[2] = {NULL};
    natsConnection *other = NULL;
    struct lost_first event = {.announced = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.REPOBUS"}, run = {0};
    const struct rb_bus_message message = {"led.event", "led-1", NULL, "{}", 2, NULL};

    assert_int_equal(natsConnection_ConnectTo(&other, nats.url), NATS_OK);
    assert_int_equal(natsConnection_Subscribe(&subs[0], other, "led.event", lose_first, &event), NATS_OK);
    assert_int_equal(natsConnection_Subscribe(&subs[1], other, "led.run", lose_first, &run), NATS_OK);
    assert_int_equal(natsConnection_Flush(other), NATS_OK);
    assert_int_equal(rb_bus_publish_all(&err, bus, &message, 1), RB_OK);
    assert_int_equal(event.count, 2);
    assert_int_equal(rb_bus_publish(NULL, bus, "led.run", NULL, NULL, "{}", 2), RB_OK);
    assert_in_range(run.count, 2, 3);
    natsConnection_Close(other);
    for (int i = 0; i < 2; i++)
        natsSubscription_Destroy(subs[i]);
    natsConnection_Destroy(other);
}

static void connecting_needs_no_server(void **state)
{
    (void)state;
    struct rb_bus *alone = NULL;
    char url[64];
    int fd;
    snprintf(url, sizeof(url), "nats://127.0.0.1:%d", nats_hold_port(&fd));
    assert_int_equal(rb_bus_connect(&alone, &(struct rb_bus_options){.url = url, .name = "x"}), RB_OK);
    assert_false(rb_bus_is_connected(alone));
    assert_int_equal(rb_bus_publish(NULL, alone, RB_REPO_SCANNED, "1", NULL, "{}", 2), RB_EUNAVAILABLE);
    assert_int_equal(rb_bus_setup(alone), RB_EUNAVAILABLE);
    rb_bus_close(alone);
    close(fd);
}

static void refuses_a_malformed_url(void **state)
{
    (void)state;
    struct rb_bus *wrong = NULL;
    static const char *const bad[] = {"", ",", "nats://127.0.0.1:notaport", "nats://127.0.0.1:99999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(rb_bus_connect(&wrong, &(struct rb_bus_options){.url = bad[i]}), RB_EINVAL);
        assert_null(wrong);
    }
}

/* ---- pulling ------------------------------------------------------------------------------------------ */

/* A reader, the first event that it has read, and a connection of somebody else who hears what it asks for.
 */
struct reader {
    struct bus_pull *pull;
    natsConnection *other;
    natsSubscription *spy;
    natsMsg *request; /* its first one */
};

static void reader_open(struct reader *reader, const char *consumer, int batch)
{
    static const char requests[] = "$JS.API.CONSUMER.MSG.NEXT.>";
    const struct bus_durable_def def = bus_durable_for_subscriber(consumer, RB_REPO_RESCAN);
    natsMsg *msg = NULL;
    char *name = NULL;

    memset(reader, 0, sizeof(*reader));
    assert_int_equal(natsConnection_ConnectTo(&reader->other, nats.url), NATS_OK);
    assert_int_equal(natsConnection_SubscribeSync(&reader->spy, reader->other, requests), NATS_OK);
    assert_int_equal(natsConnection_Flush(reader->other), NATS_OK);
    assert_int_equal(bus_consumer_ensure(&name, bus, &def, false), RB_OK);
    assert_string_equal(name, consumer);
    assert_int_equal(bus_pull_open(&reader->pull, bus, RB_STREAM_EVENTS, batch), RB_OK);
    bus_pull_aim(reader->pull, name);
    free(name);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, NULL, NULL, "first", 5), RB_OK);
    assert_int_equal(bus_pull_next(&msg, reader->pull), BUS_PULL_MESSAGE);
    assert_int_equal(natsMsg_GetDataLength(msg), 5);
    natsMsg_Destroy(msg);
    assert_int_equal(natsSubscription_NextMsg(&reader->request, reader->spy, PATIENCE_MS), NATS_OK);
}

static void reader_close(struct reader *reader)
{
    natsMsg_Destroy(reader->request);
    natsConnection_Close(reader->other); /* nothing may come to a subscription that is gone: 3.4.1 crashes */
    natsSubscription_Destroy(reader->spy);
    natsConnection_Destroy(reader->other);
}

/* After an election that any other stream still waits for. */
static void a_new_leader_is_asked_anew(void **state)
{
    (void)state;
    natsMsg *request = NULL, *msg = NULL;
    struct reader reader;

    reader_open(&reader, "led", 2);
    /* The reader hears of its own consumer's leader alone, by an empty message to itself; and asks, though
     * its request may bring one more message. */
    static const char *const elected[] = {"$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.REPOBUS.le",
                                          "$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.REPOBUS.led"};
    for (int i = 0; i < 2; i++)
        assert_int_equal(natsConnection_PublishString(bus->nc, elected[i], "{}"), NATS_OK);
    assert_int_equal(bus_pull_next(&msg, reader.pull), BUS_PULL_IDLE);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, "led-1", NULL, "{}", 2), RB_OK);
    assert_int_equal(bus_pull_next(&msg, reader.pull), BUS_PULL_MESSAGE);
    natsMsg_Destroy(msg);
    assert_int_equal(natsSubscription_NextMsg(&request, reader.spy, PATIENCE_MS), NATS_OK);
    natsMsg_Destroy(request);
    reader_close(&reader);
}

static void an_acknowledgement_asks_for_the_next(void **state)
{
    (void)state;
    jsConsumerInfo *info = NULL;
    natsMsg *msg = NULL;
    struct reader reader;
    int requests = 0;

    reader_open(&reader, "next", 1); /* has its first event, and never answers for it */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, NULL, NULL, "more", 4), RB_OK);
        assert_int_equal(bus_pull_next(&msg, reader.pull), BUS_PULL_MESSAGE);
        assert_false(bus_pull_is_asking(reader.pull));
        assert_int_equal(bus_pull_ack_next(reader.pull, natsMsg_GetReply(msg)), RB_OK);
        assert_true(bus_pull_is_asking(reader.pull));
        natsMsg_Destroy(msg);
    }
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, NULL, NULL, "last", 4), RB_OK);
    assert_int_equal(bus_pull_next(&msg, reader.pull), BUS_PULL_MESSAGE);
    natsMsg_Destroy(msg);
    assert_int_equal(js_GetConsumerInfo(&info, bus->js, RB_STREAM_EVENTS, "next", NULL, NULL), NATS_OK);
    assert_int_equal(info->NumAckPending, 2); /* the first and the last */
    jsConsumerInfo_Destroy(info);
    assert_int_equal(natsConnection_FlushTimeout(reader.other, PATIENCE_MS), NATS_OK);
    assert_int_equal(natsSubscription_GetPending(reader.spy, &requests, NULL), NATS_OK);
    assert_int_equal(requests, 1); /* for the second */
    reader_close(&reader);
}

/* The overflow of nats.c's own fetch needs messages that were left over from an earlier request: here they
 * come by the dozen, unasked, mixed with statuses and rubbish. */
static void survives_late_and_unasked_messages(void **state)
{
    (void)state;
    natsMsg *msg = NULL;
    struct reader reader;

    reader_open(&reader, "late", 1);
    natsConnection *other = reader.other;
    const char *inbox = natsMsg_GetReply(reader.request);
    /* Somebody else's request, answered to our inbox: fifty more than we asked for. */
    static const char fifty[] = "{\"batch\":50,\"expires\":60000000000}";
    assert_int_equal(natsConnection_PublishRequest(other, natsMsg_GetSubject(reader.request), inbox, fifty,
                                                   sizeof(fifty) - 1),
                     NATS_OK);
    assert_int_equal(natsConnection_Flush(other), NATS_OK);
    for (int i = 0; i < 50; i++) {
        natsMsg *status = NULL;
        char id[24];
        snprintf(id, sizeof(id), "late-%d", i + 1);
        assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, id, NULL, "late", 4), RB_OK);
        assert_int_equal(natsMsg_Create(&status, inbox, NULL, NULL, 0), NATS_OK);
        assert_int_equal(natsMsgHeader_Set(status, "Status", i % 2 ? "408" : "409"), NATS_OK);
        assert_int_equal(natsConnection_PublishMsg(other, status), NATS_OK);
        natsMsg_Destroy(status);
    }
    assert_int_equal(natsConnection_PublishString(other, inbox, "rubbish"), NATS_OK);
    assert_int_equal(natsConnection_Flush(other), NATS_OK);
    int late = 0, expired = 0, lost = 0;
    while (late + expired + lost < 100) {
        switch (bus_pull_next(&msg, reader.pull)) {
        case BUS_PULL_MESSAGE:
            late++;
            break;
        case BUS_PULL_EXPIRED:
            expired++;
            break;
        case BUS_PULL_LOST:
            lost++;
            break;
        default:
            break;
        }
        natsMsg_Destroy(msg);
        msg = NULL;
    }
    assert_int_equal(late, 50);
    assert_int_equal(expired, 25);
    assert_int_equal(lost, 25);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, "late-51", NULL, "second", 6), RB_OK);
    enum bus_pull_result result = bus_pull_next(&msg, reader.pull);
    while (result == BUS_PULL_IDLE) /* the rubbish */
        result = bus_pull_next(&msg, reader.pull);
    assert_int_equal(result, BUS_PULL_MESSAGE);
    assert_int_equal(natsMsg_GetDataLength(msg), 6);
    natsMsg_Destroy(msg);
    bus_pull_stop(reader.pull);
    assert_int_equal(bus_pull_next(&msg, reader.pull), BUS_PULL_STOPPED);

    reader_close(&reader);
}

/* Looking for what came unasked must ask for nothing: that would come to a worker that is busy. */
static void taking_extra_messages_asks_for_none(void **state)
{
    (void)state;
    natsSubscription *spy = NULL;
    natsMsg *msg = NULL;
    struct bus_pull *pull = NULL;
    char *name = NULL;
    int count = 0;
    struct bus_durable_def def = bus_durable_for_subscriber("extra", RB_REPO_RESCAN);

    assert_int_equal(natsConnection_SubscribeSync(&spy, bus->nc, "$JS.API.CONSUMER.MSG.NEXT.>"), NATS_OK);
    assert_int_equal(bus_consumer_ensure(&name, bus, &def, false), RB_OK);
    assert_int_equal(bus_pull_open(&pull, bus, RB_STREAM_EVENTS, 1), RB_OK);
    bus_pull_aim(pull, name);
    assert_false(bus_pull_take_extra(&msg, pull));
    for (int i = 0; i < 3; i++) {
        char id[24];
        snprintf(id, sizeof(id), "extra-%d", i);
        assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, id, NULL, "x", 1), RB_OK);
    }
    assert_int_equal(bus_pull_next(&msg, pull), BUS_PULL_MESSAGE);
    natsMsg_Destroy(msg);
    assert_int_equal(natsSubscription_NextMsg(&msg, spy, PATIENCE_MS), NATS_OK);
    assert_int_equal(natsConnection_PublishRequestString(bus->nc, natsMsg_GetSubject(msg),
                                                         natsMsg_GetReply(msg), "{\"batch\":2}"),
                     NATS_OK);
    natsMsg_Destroy(msg);
    for (int64_t deadline = rb_clock_ms() + PATIENCE_MS; count < 2 && rb_clock_ms() < deadline;) {
        if (bus_pull_take_extra(&msg, pull)) {
            natsMsg_Destroy(msg);
            count++;
        }
        sched_yield();
    }
    assert_int_equal(count, 2);
    assert_false(bus_pull_take_extra(&msg, pull));
    assert_int_equal(natsConnection_FlushTimeout(bus->nc, PATIENCE_MS), NATS_OK);
    assert_int_equal(natsSubscription_GetPending(spy, &count, NULL), NATS_OK);
    assert_int_equal(count, 1); /* the one of this test */
    natsSubscription_Destroy(spy);
    free(name);
}

/* ---- keeping alive ------------------------------------------------------------------------------------ */

static void expect_said(natsSubscription *spy, const char *begin)
{
    natsMsg *msg = NULL;
    assert_int_equal(natsSubscription_NextMsg(&msg, spy, PATIENCE_MS), NATS_OK);
    assert_memory_equal(natsMsg_GetData(msg), begin, strlen(begin));
    natsMsg_Destroy(msg);
}

/* A runtime of one busy worker, without its threads but the one that keeps alive. */
static void keeps_alive_what_is_not_answered(void **state)
{
    (void)state;
    natsSubscription *spy = NULL, *acks = NULL;
    natsMsg *msg = NULL;
    char *name = NULL;
    int said = 0;
    pthread_condattr_t attr;
    struct bus_durable_def def = bus_durable_for_subscriber("alive", RB_REPO_RESCAN);

    def.ack_wait_ms = 60;
    runtime =
        (struct bus_runtime){.bus = bus, .durable = def, .workers = &worker, .worker_count = 1, .busy = 1};
    worker = (struct bus_worker){.runtime = &runtime,
                                 .work = {.runtime = &runtime, .busy = true, .limit_at = INT64_MAX}};
    worker.work.answered = true;
    snprintf(worker.work.reply, sizeof(worker.work.reply), "told");
    pthread_mutex_init(&runtime.mutex, NULL);
    pthread_mutex_init(&worker.work.mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&runtime.changed, &attr);
    assert_int_equal(natsConnection_SubscribeSync(&spy, bus->nc, "told"), NATS_OK);
    assert_int_equal(natsConnection_SubscribeSync(&acks, bus->nc, "$JS.ACK.REPOBUS.alive.>"), NATS_OK);
    assert_int_equal(bus_consumer_ensure(&name, bus, &def, false), RB_OK);
    assert_int_equal(bus_pull_open(&worker.pull, bus, RB_STREAM_EVENTS, 2), RB_OK);
    bus_pull_aim(worker.pull, name);
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, "alive-1", NULL, "x", 1), RB_OK);
    assert_int_equal(bus_pull_next(&msg, worker.pull), BUS_PULL_MESSAGE); /* one more may come */
    natsMsg_Destroy(msg);

    assert_int_equal(pthread_create(&runtime.keepalive, NULL, bus_keepalive_main, &runtime), 0);
    runtime.keepalive_started = true;
    assert_int_equal(natsSubscription_NextMsg(&msg, spy, 200), NATS_TIMEOUT); /* it has its verdict, */
    assert_int_equal(natsSubscription_GetPending(acks, &said, NULL), NATS_OK);
    assert_int_equal(said, 0); /* and the next event, as the first comes again, is what it waits for */
    pthread_mutex_lock(&worker.work.mutex);
    worker.work.answered = false;
    pthread_mutex_unlock(&worker.work.mutex);
    expect_said(spy, "+WPI");
    assert_int_equal(rb_bus_publish(NULL, bus, RB_REPO_RESCAN, "alive-2", NULL, "x", 1), RB_OK);
    expect_said(acks, "-NAK"); /* what comes to a busy worker */

    end_keepalive(); /* nothing may come to a subscription that is gone */
    natsSubscription_Destroy(spy);
    natsSubscription_Destroy(acks);
    free(name);
}

/* ---- following runs ----------------------------------------------------------------------------------- */

struct seen {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t last[16]; /* `done` of installation i */
    int calls;
    bool refuse; /* the next one */
};

#define SEEN_NOTHING                                                            \
    {                                                                           \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
    }

static rb_err see_run(void *arg, const struct rb_run *run)
{
    struct seen *seen = arg;
    pthread_mutex_lock(&seen->mutex);
    bool refuse = seen->refuse;
    seen->refuse = false;
    seen->calls++;
    if (!refuse && run->installation_id < 16)
        seen->last[run->installation_id] = run->done;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->mutex);
    return refuse ? RB_EUNAVAILABLE : RB_OK;
}

static bool is_seen(struct seen *seen, int installation, int64_t done)
{
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&seen->mutex);
    while (seen->last[installation] != done && rc == 0)
        rc = pthread_cond_timedwait(&seen->changed, &seen->mutex, &until);
    bool found = seen->last[installation] == done;
    pthread_mutex_unlock(&seen->mutex);
    return found;
}

static void publish_run(int64_t installation, int64_t done)
{
    struct rb_buf body;
    char subject[64];
    const struct rb_run run = {
        .installation_id = installation, .subscriber = "scanner", .attempt = 1, .done = done};
    rb_buf_init(&body, 8192);
    assert_int_equal(rb_run_encode(&body, &run), RB_OK);
    snprintf(subject, sizeof(subject), "run.%d.scanner", (int)installation);
    assert_int_equal(rb_bus_publish(NULL, bus, subject, NULL, NULL, body.data, body.len), RB_OK);
    rb_buf_free(&body);
}

static void follows_runs_through_everything(void **state)
{
    (void)state;
    static struct seen durable = SEEN_NOTHING, ephemeral = SEEN_NOTHING;

    publish_run(1, 10);
    publish_run(1, 11); /* only the last of each is kept */
    assert_int_equal(rb_bus_publish(NULL, bus, "run.1.bad", NULL, NULL, "rubbish", 7), RB_OK);
    durable.refuse = true;
    assert_int_equal(rb_bus_follow_runs(&followers[0], bus, "edge-runs", see_run, &durable), RB_OK);
    assert_int_equal(rb_bus_follow_runs(&followers[1], bus, NULL, see_run, &ephemeral), RB_OK);
    assert_true(is_seen(&durable, 1, 11)); /* refused once, came again */
    assert_int_equal(durable.calls, 2);
    assert_true(is_seen(&ephemeral, 1, 11));
    publish_run(2, 20);
    assert_true(is_seen(&durable, 2, 20));
    assert_true(is_seen(&ephemeral, 2, 20));

    nats_kill(&nats); /* and comes back with its data */
    pthread_mutex_lock(&ephemeral.mutex);
    ephemeral.last[2] = 0;
    pthread_mutex_unlock(&ephemeral.mutex);
    nats_launch(&nats);
    assert_true(is_seen(&ephemeral, 2, 20)); /* the last of each again */
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    publish_run(3, 30);
    assert_true(is_seen(&durable, 3, 30));
    assert_true(is_seen(&ephemeral, 3, 30));

    nats_kill(&nats); /* and comes back empty */
    nats_wipe(&nats);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    publish_run(4, 40);
    assert_true(is_seen(&durable, 4, 40));
    assert_true(is_seen(&ephemeral, 4, 40));

    rb_bus_unfollow_runs(NULL);
}

static void follows_before_there_is_a_server(void **state)
{
    (void)state;
    static struct seen seen = SEEN_NOTHING;

    nats_kill(&nats);
    rb_bus_close(bus);
    bus = NULL;
    assert_int_equal(rb_bus_connect(&bus, &(struct rb_bus_options){.url = nats.url}), RB_OK);
    assert_int_equal(rb_bus_follow_runs(&followers[0], bus, "scanner", see_run, &seen), RB_EINVAL);
    assert_int_equal(rb_bus_follow_runs(&followers[0], bus, "edge-runs", see_run, &seen), RB_OK);
    nats_launch(&nats);
    assert_int_equal(rb_bus_wait(bus, PATIENCE_MS), RB_OK);
    nats_setup(bus);
    publish_run(5, 50);
    assert_true(is_seen(&seen, 5, 50));
}

/* Each with a server of its own. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_server, stop_server)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(publishes_once_however_often),
        TEST(publishes_many_with_a_result_for_each),
        TEST(says_that_the_stream_is_full),
        TEST(publishing_heals_a_lost_stream),
        TEST(an_outage_is_told_at_once_and_survived),
        TEST(waiting_is_not_misled_by_late_news),
        TEST(a_server_that_hangs_is_no_trap),
        TEST(what_is_lost_in_an_election_is_published_again),
        TEST(connecting_needs_no_server),
        TEST(refuses_a_malformed_url),
        TEST(a_new_leader_is_asked_anew),
        TEST(an_acknowledgement_asks_for_the_next),
        TEST(survives_late_and_unasked_messages),
        TEST(taking_extra_messages_asks_for_none),
        TEST(keeps_alive_what_is_not_answered),
        TEST(follows_runs_through_everything),
        TEST(follows_before_there_is_a_server),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
