/*
 * Streams and consumers on the server, brought in line with the catalogue. Safe to run any number of times
 * from any number of processes at once: the server creates once, and updates are to the same values.
 */
#include <stdio.h>
#include <string.h>

#include "bus/private.h"

#define NANOS_PER_SECOND INT64_C(1000000000)
#define NANOS_PER_MILLI  INT64_C(1000000)
#define HEAL_INTERVAL_MS 1000

void bus_api_options(jsOptions *options, int tries)
{
    (void)jsOptions_Init(options);
    options->Wait = BUS_API_WAIT_MS / tries;
}

/* Of the stream of events alone: the others are small. 0: as it is. */
static int64_t setup_wanted_bytes(const struct rb_bus *bus, const char *stream)
{
    return strcmp(stream, RB_STREAM_EVENTS) == 0 ? bus->settings.stream_mb * 1024 * 1024 : 0;
}

static void setup_fill(jsStreamConfig *config, const struct rb_bus *bus, const struct bus_stream_def *def)
{
    int64_t bytes = setup_wanted_bytes(bus, def->name);

    jsStreamConfig_Init(config);
    config->Name = def->name;
    config->Description = def->description;
    config->Subjects = (const char **)def->subjects;
    config->SubjectsLen = 0;
    while (def->subjects[config->SubjectsLen])
        config->SubjectsLen++;
    config->Retention = js_LimitsPolicy;
    config->Storage = js_FileStorage;
    config->Discard = def->discard;
    config->MaxAge = def->max_age_s * NANOS_PER_SECOND;
    config->MaxBytes = bytes ? bytes : def->max_bytes;
    config->Replicas = bus->settings.replicas ? bus->settings.replicas : 1;
    config->MaxMsgsPerSubject = def->max_per_subject ? def->max_per_subject : -1;
    config->MaxMsgSize = def->max_message;
    config->Duplicates = def->duplicates_s * NANOS_PER_SECOND;
}

static natsStatus setup_stream_info(jsStreamInfo **info, struct rb_bus *bus, const char *name,
                                    jsErrCode *code)
{
    jsOptions options;
    natsStatus s = NATS_TIMEOUT;

    bus_api_options(&options, BUS_LOOK_TRIES);
    for (int i = 0; i < BUS_LOOK_TRIES && s == NATS_TIMEOUT; i++)
        s = js_GetStreamInfo(info, bus->js, name, &options, code);
    return s;
}

static bool setup_same_subjects(const jsStreamConfig *a, const jsStreamConfig *b)
{
    if (a->SubjectsLen != b->SubjectsLen)
        return false;
    for (int i = 0; i < a->SubjectsLen; i++) {
        if (strcmp(a->Subjects[i], b->Subjects[i]) != 0)
            return false;
    }
    return true;
}

/* Our settings into `have`, which keeps what is the operator's: placement, and size and replicas where this
 * process has been told none. True when something changed. */
static bool setup_merge(jsStreamConfig *have, const jsStreamConfig *want, const struct rb_bus *bus)
{
    bool same_size = !setup_wanted_bytes(bus, want->Name) || have->MaxBytes == want->MaxBytes;
    bool same_copies = !bus->settings.replicas || have->Replicas == want->Replicas;
    bool same = setup_same_subjects(have, want) && same_size && same_copies &&
                have->Discard == want->Discard && have->MaxAge == want->MaxAge &&
                have->MaxMsgSize == want->MaxMsgSize && have->MaxMsgsPerSubject == want->MaxMsgsPerSubject &&
                have->Duplicates == want->Duplicates;
    if (same)
        return false;
    have->Discard = want->Discard;
    have->MaxAge = want->MaxAge;
    have->MaxMsgSize = want->MaxMsgSize;
    have->MaxMsgsPerSubject = want->MaxMsgsPerSubject;
    have->Duplicates = want->Duplicates;
    if (!same_size)
        have->MaxBytes = want->MaxBytes;
    if (!same_copies)
        have->Replicas = want->Replicas;
    return true;
}

/* Brings what exists in line. RB_ENOTFOUND: it does not. */
static rb_err setup_update_stream(struct rb_bus *bus, const jsStreamConfig *want)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    rb_err err = RB_OK;

    natsStatus s = setup_stream_info(&info, bus, want->Name, &code);
    if (s != NATS_OK)
        return bus_error(s, code, "stream %s", want->Name);
    if (info->Config->Storage != want->Storage || info->Config->Retention != want->Retention) {
        err = rb_error_set(RB_ECONFLICT,
                           "NATS: stream %s exists with another storage or retention, which cannot be "
                           "changed: remove it and run `repobus replay`",
                           want->Name);
    } else {
        jsStreamConfig merged = *info->Config;
        if (setup_merge(&merged, want, bus)) {
            merged.Subjects = want->Subjects;
            merged.SubjectsLen = want->SubjectsLen;
            s = js_UpdateStream(NULL, bus->js, &merged, NULL, &code);
            if (s != NATS_OK && (code == JSStreamInvalidConfig || code == JSStreamUpdateErr))
                err = rb_error_set(RB_ECONFLICT, "NATS: stream %s: %s", want->Name, nats_GetLastError(NULL));
            else if (s != NATS_OK)
                err = bus_error(s, code, "updating stream %s", want->Name);
            else
                rb_log_info("NATS stream updated name=%s", want->Name);
        }
    }
    jsStreamInfo_Destroy(info);
    return err;
}

static rb_err setup_stream(struct rb_bus *bus, const struct bus_stream_def *def)
{
    jsStreamConfig config;
    jsErrCode code = 0;

    setup_fill(&config, bus, def);
    /* Looking first: a subscriber that may not make streams gets along with those that are there. */
    rb_err err = setup_update_stream(bus, &config);
    if (err != RB_ENOTFOUND)
        return err;
    natsStatus s = js_AddStream(NULL, bus->js, &config, NULL, &code);
    if (s == NATS_OK)
        return RB_OK;
    err = bus_error(s, code, "creating stream %s", def->name);
    /* Somebody else was faster. Of two who make it at the same moment, nats-server 2.9 tells the second one
     * that its subjects are taken, namely by the first one's; or they are taken by a stranger's stream. */
    if (code == JSStreamNameExistErr || code == JSStreamSubjectOverlapErr) {
        char text[256];
        snprintf(text, sizeof(text), "%s", rb_error_text());
        rb_err found = setup_update_stream(bus, &config);
        err = found == RB_ENOTFOUND ? rb_error_set(err, "%s", text) : found;
    }
    return err;
}

rb_err rb_bus_setup(struct rb_bus *bus)
{
    rb_err err = RB_OK;

    if (!rb_bus_is_connected(bus))
        return rb_error_set(RB_EUNAVAILABLE, "NATS: not connected");
    pthread_mutex_lock(&bus->setup_mutex);
    for (size_t i = 0; i < bus_stream_count && !err; i++)
        err = setup_stream(bus, &bus_streams[i]);
    if (!err)
        bus->setup_at_ms = rb_clock_ms();
    pthread_mutex_unlock(&bus->setup_mutex);
    return err;
}

rb_err bus_heal(struct rb_bus *bus)
{
    pthread_mutex_lock(&bus->setup_mutex);
    bool recent = rb_clock_ms() - bus->setup_at_ms < HEAL_INTERVAL_MS;
    pthread_mutex_unlock(&bus->setup_mutex);
    return recent ? RB_OK : rb_bus_setup(bus);
}

rb_err bus_stream_created(int64_t *created_ns, struct rb_bus *bus, const char *name)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;

    natsStatus s = setup_stream_info(&info, bus, name, &code);
    if (s != NATS_OK)
        return bus_error(s, code, "stream %s", name);
    *created_ns = info->Created;
    jsStreamInfo_Destroy(info);
    return RB_OK;
}

static rb_err setup_consumer(char **name, struct rb_bus *bus, const struct bus_durable_def *def)
{
    jsConsumerConfig config;
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    jsOptions options;
    natsStatus s = NATS_TIMEOUT;

    jsConsumerConfig_Init(&config);
    config.Durable = def->name;
    config.DeliverPolicy = js_DeliverAll; /* also what was published before this subscriber existed */
    config.AckPolicy = js_AckExplicit;
    config.ReplayPolicy = js_ReplayInstant;
    config.AckWait = def->ack_wait_ms * NANOS_PER_MILLI;
    config.MaxDeliver = def->max_deliver;
    config.MaxAckPending = def->max_ack_pending;
    config.FilterSubject = def->filter;
    config.InactiveThreshold = def->inactive_s * NANOS_PER_SECOND;
    /* Adding what exists is an update, and none at all where nothing differs. */
    bus_api_options(&options, BUS_WRITE_TRIES);
    for (int i = 0; i < BUS_WRITE_TRIES && s == NATS_TIMEOUT; i++)
        s = js_AddConsumer(&info, bus->js, def->stream, &config, &options, &code);
    if (s != NATS_OK && (code == JSConsumerCreateErr || code == JSConsumerNameExistErr))
        return rb_error_set(RB_ECONFLICT, "NATS: consumer %s: %s", def->name ? def->name : "of runs",
                            nats_GetLastError(NULL));
    if (s != NATS_OK)
        return bus_error(s, code, "creating consumer %s", def->name ? def->name : "of runs");
    /* One that is being deleted at this moment takes the update and answers nothing about itself. */
    if (info && info->Name)
        *name = rb_strdup(info->Name);
    jsConsumerInfo_Destroy(info);
    return *name ? RB_OK
                 : rb_error_set(RB_EUNAVAILABLE, "NATS: consumer %s is just being deleted",
                                def->name ? def->name : "of runs");
}

/* RB_ENOTFOUND: it is not there, or its stream is not. */
static rb_err setup_find_consumer(char **name, struct rb_bus *bus, const struct bus_durable_def *def)
{
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    jsOptions options;
    natsStatus s = NATS_TIMEOUT;

    bus_api_options(&options, BUS_LOOK_TRIES);
    for (int i = 0; i < BUS_LOOK_TRIES && s == NATS_TIMEOUT; i++)
        s = js_GetConsumerInfo(&info, bus->js, def->stream, def->name, &options, &code);
    jsConsumerInfo_Destroy(info);
    if (s != NATS_OK)
        return bus_error(s, code, "consumer %s", def->name);
    *name = rb_strdup(def->name);
    return RB_OK;
}

rb_err bus_consumer_ensure(char **name, struct rb_bus *bus, const struct bus_durable_def *def, bool was_there)
{
    *name = NULL;
    rb_err err = was_there ? setup_find_consumer(name, bus, def) : RB_ENOTFOUND;
    if (err != RB_ENOTFOUND)
        return err;
    err = bus_heal(bus);
    return err ? err : setup_consumer(name, bus, def);
}
