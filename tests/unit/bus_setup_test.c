/* Streams and consumers, made and brought in line with the catalogue, against a real server; and against one
 * whose JetStream the test plays. */
#include "bus/admin.h"
#include "tests/unit/bus_nats.h"

static struct nats_fixture nats;
static struct rb_bus *bus;

static int start_server(void **state)
{
    (void)state;
    nats_start(&nats);
    bus = nats_connect(&nats);
    nats_setup(bus);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    rb_bus_close(bus);
    bus = NULL;
    nats_stop(&nats);
    return 0;
}

struct set_up {
    struct rb_bus *bus;
    rb_err err;
    char text[256];
};

static void *set_up(void *arg)
{
    struct set_up *mine = arg;
    mine->err = rb_bus_setup(mine->bus);
    snprintf(mine->text, sizeof(mine->text), "%s", mine->err ? rb_error_text() : "");
    return NULL;
}

static void sets_up_from_four_threads_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct set_up each[4];

    for (size_t i = 0; i < bus_stream_count; i++)
        assert_int_equal(js_DeleteStream(bus->js, bus_streams[i].name, NULL, NULL), NATS_OK);
    for (int i = 0; i < 4; i++)
        each[i].bus = nats_connect(&nats);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, set_up, &each[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        rb_bus_close(each[i].bus);
        if (each[i].err)
            fail_msg("%s: %s", rb_err_name(each[i].err), each[i].text);
    }
    for (size_t i = 0; i < bus_stream_count; i++) {
        jsStreamInfo *info = NULL;
        assert_int_equal(js_GetStreamInfo(&info, bus->js, bus_streams[i].name, NULL, NULL), NATS_OK);
        assert_int_equal(info->State.Msgs, 0);
        jsStreamInfo_Destroy(info);
    }
}

static const char stream_is_missing[] =
    "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}";

/* A server without JetStream, whose place the test takes through the connection that this gives. */
static struct rb_bus *without_jetstream(void)
{
    rb_bus_close(bus);
    nats_kill(&nats);
    nats.is_plain = true;
    nats_launch(&nats);
    bus = nats_connect(&nats);
    return nats_connect(&nats);
}

struct first {
    bool is_ours;  /* it makes the same streams, */
    char made[64]; /* and has just made this one */
};

/* In the place of JetStream, as 2.9 is to the second of two who make a stream at the same moment. */
static void tell_the_second(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    static const char taken[] = "{\"error\":{\"code\":400,\"err_code\":10065,\"description\":\"subjects "
                                "overlap with an existing stream\"}}";
    static const char made[] = "{\"config\":{\"name\":\"made\",\"storage\":\"file\",\"retention\":\"limits\","
                               "\"max_msgs_per_subject\":1},\"state\":{}}";
    const char *subject = natsMsg_GetSubject(msg), *name = strrchr(subject, '.') + 1, *answer = made;
    struct first *first = arg;
    (void)sub;
    if (strstr(subject, ".CREATE.")) {
        answer = taken;
        snprintf(first->made, sizeof(first->made), "%s", first->is_ours ? name : "");
    } else if (strstr(subject, ".INFO.") && strcmp(first->made, name) != 0) {
        answer = stream_is_missing;
    }
    (void)natsConnection_PublishString(nc, natsMsg_GetReply(msg), answer);
    natsMsg_Destroy(msg);
}

static void of_two_at_the_same_moment_the_second_finds_it(void **state)
{
    (void)state;
    struct first first = {.is_ours = true};
    natsSubscription *jetstream = NULL;
    struct rb_bus *server = without_jetstream();
    assert_int_equal(
        natsConnection_Subscribe(&jetstream, server->nc, "$JS.API.STREAM.>", tell_the_second, &first),
        NATS_OK);
    assert_int_equal(natsConnection_Flush(server->nc), NATS_OK);
    rb_err second = rb_bus_setup(bus), second_bucket = rb_bus_make_buckets(bus, "tester");
    /* Somebody else has these subjects in a stream of another name. */
    first = (struct first){.is_ours = false};
    rb_err strange_bucket = rb_bus_make_buckets(bus, "tester"), stranger = rb_bus_setup(bus);
    bool is_told = strstr(rb_error_text(), "creating stream REPOBUS") &&
                   strstr(rb_error_text(), "subjects overlap with an existing stream");
    rb_bus_close(server);
    natsSubscription_Destroy(jetstream);
    assert_int_equal(second, RB_OK);
    assert_int_equal(second_bucket, RB_OK);
    assert_int_equal(stranger, RB_EPROTOCOL);
    assert_int_equal(strange_bucket, RB_EUNAVAILABLE);
    assert_true(is_told);
}

struct patient {
    struct rb_bus *bus;
    rb_err err;
    atomic_bool is_done;
};

static void *wait_as_others_do(void *arg)
{
    struct patient *patient = arg;
    int64_t created;
    patient->err = bus_stream_created(&created, patient->bus, RB_STREAM_RUNS);
    patient->is_done = true;
    return NULL;
}

/* Between two batches the relay asks how full the streams are. Half a second, where others wait for five. */
static void measuring_is_given_up_soon(void **state)
{
    (void)state;
    struct rb_bus *server = without_jetstream();
    struct patient patient = {.bus = nats_connect(&nats)};
    natsSubscription *requests = NULL;
    natsMsg *msg = NULL;
    pthread_t thread;
    assert_int_equal(natsConnection_SubscribeSync(&requests, server->nc, "$JS.API.STREAM.INFO.>"), NATS_OK);
    assert_int_equal(natsConnection_Flush(server->nc), NATS_OK);
    assert_int_equal(pthread_create(&thread, NULL, wait_as_others_do, &patient), 0);
    natsStatus asked = natsSubscription_NextMsg(&msg, requests, PATIENCE_MS);
    natsMsg_Destroy(msg);

    rb_err measured = rb_bus_measure_streams(bus);
    bool was_sooner = !patient.is_done;

    while (!patient.is_done) {
        if (natsSubscription_NextMsg(&msg, requests, 10) == NATS_OK) {
            (void)natsConnection_PublishString(server->nc, natsMsg_GetReply(msg), stream_is_missing);
            natsMsg_Destroy(msg);
        }
    }
    pthread_join(thread, NULL);
    rb_bus_close(patient.bus);
    rb_bus_close(server);
    natsSubscription_Destroy(requests);
    assert_int_equal(asked, NATS_OK);
    assert_int_equal(measured, RB_ETIMEOUT);
    assert_true(was_sooner);
    assert_int_equal(patient.err, RB_ENOTFOUND); /* answered at last */
}

static void brings_settings_in_line_but_leaves_more_room(void **state)
{
    (void)state;
    jsStreamInfo *info = NULL;

    assert_int_equal(js_GetStreamInfo(&info, bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
    int64_t max_age = info->Config->MaxAge, bytes = info->Config->MaxBytes;
    info->Config->MaxAge = max_age / 2;
    info->Config->MaxBytes = bytes + 1;
    assert_int_equal(js_UpdateStream(NULL, bus->js, info->Config, NULL, NULL), NATS_OK);
    jsStreamInfo_Destroy(info);

    assert_int_equal(rb_bus_setup(bus), RB_OK);
    assert_int_equal(js_GetStreamInfo(&info, bus->js, RB_STREAM_EVENTS, NULL, NULL), NATS_OK);
    assert_int_equal(info->Config->MaxAge, max_age);
    assert_int_equal(info->Config->MaxBytes, bytes + 1);
    assert_int_equal(info->Config->Discard, js_DiscardNew);
    jsStreamInfo_Destroy(info);
}

static void refuses_what_cannot_be_changed(void **state)
{
    (void)state;
    const char *subjects[] = {"dead.>"};
    jsStreamConfig config;

    assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_DEAD, NULL, NULL), NATS_OK);
    jsStreamConfig_Init(&config);
    config.Name = RB_STREAM_DEAD;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_MemoryStorage;
    assert_int_equal(js_AddStream(NULL, bus->js, &config, NULL, NULL), NATS_OK);
    assert_int_equal(rb_bus_setup(bus), RB_ECONFLICT);
    assert_non_null(strstr(rb_error_text(), RB_STREAM_DEAD));
    assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_DEAD, NULL, NULL), NATS_OK);
    assert_int_equal(rb_bus_setup(bus), RB_OK);
}

static void a_consumer_that_was_there_is_found_without_the_other_streams(void **state)
{
    (void)state;
    const struct bus_durable_def def = bus_durable_for_subscriber("found", RB_REPO_RESCAN);
    jsStreamInfo *info = NULL;
    char *name = NULL;

    for (int i = 0; i < 3; i++) {
        if (i == 1) /* there, and nothing else is looked at; then gone, and all is made whole */
            assert_int_equal(js_DeleteStream(bus->js, RB_STREAM_DEAD, NULL, NULL), NATS_OK);
        else if (i == 2)
            assert_int_equal(js_DeleteConsumer(bus->js, RB_STREAM_EVENTS, "found", NULL, NULL), NATS_OK);
        bus->setup_at_ms = INT64_MIN / 2;
        assert_int_equal(bus_consumer_ensure(&name, bus, &def, true), RB_OK);
        assert_string_equal(name, "found");
        free(name);
        natsStatus s = js_GetStreamInfo(&info, bus->js, RB_STREAM_DEAD, NULL, NULL);
        assert_int_equal(s, i == 1 ? NATS_NOT_FOUND : NATS_OK);
        jsStreamInfo_Destroy(info);
        info = NULL;
    }
}

/* Each with a server of its own. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_server, stop_server)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(sets_up_from_four_threads_at_once),
        TEST(of_two_at_the_same_moment_the_second_finds_it),
        TEST(measuring_is_given_up_soon),
        TEST(brings_settings_in_line_but_leaves_more_room),
        TEST(refuses_what_cannot_be_changed),
        TEST(a_consumer_that_was_there_is_found_without_the_other_streams),
    };
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test, by its name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
