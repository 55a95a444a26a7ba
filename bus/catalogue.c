/*
 * Every subject, stream and durable consumer of Repobus, with each setting and its reason. What is on a
 * server and differs from these tables is brought in line by setup.c.
 */
#include <string.h>

#include "bus/private.h"

static const char *const catalogue_subjects[] = {
    RB_REPO_CONNECTED, RB_REPO_RESCAN,  RB_REPO_DISCONNECTED,   RB_REPO_UNHEALTHY, RB_REPO_FAILED,
    RB_REPO_SCANNED,   RB_REPO_GRAPHED, RB_GITHUB_PULL_REQUEST, RB_GITHUB_ISSUES,
};

#define DAYS  (INT64_C(24) * 3600)
#define HOURS INT64_C(3600)
#define MIB   (INT64_C(1024) * 1024)

/*
 * All are kept in files, with limits retention: any number of subscribers, each with its own place, and
 * events can be read again. A duplicate is recognised for an hour, far beyond the longest publish retry.
 * JetStream reserves max_bytes on its disk, so they are modest; setup.c leaves another value alone, and
 * NATS_STREAM_MB sets that of the events.
 */
const struct bus_stream_def bus_streams[] = {
    {
        .name = RB_STREAM_EVENTS,
        .description = "Repobus events; refilled from the outbox when lost",
        .subjects = {"repo.>", "github.>"},
        .max_age_s = 30 * DAYS,  /* a subscriber may be away this long, a new one sees this far back */
        .max_bytes = 2048 * MIB, /* about a million events of 2 KB */
        .max_message = 2 * RB_EVENT_MAX, /* an event and its headers, with room */
        .discard = js_DiscardNew, /* full: publishing fails and the outbox waits; nothing unread is dropped */
        .duplicates_s = 1 * HOURS,
    },
    {
        .name = RB_STREAM_RUNS,
        .description = "Progress and outcome of subscribers, the last of each",
        .subjects = {"run.>"},
        .max_age_s = 30 * DAYS, /* the edge has them in its database within seconds */
        .max_bytes = 256 * MIB, /* half a million runs */
        /* The last state of a run matters; but two generations may be under way at once, and the older one
         * end last, which must not push the newer out before it has been read. */
        .max_per_subject = 16,
        .max_message = 64 * 1024,
        .discard = js_DiscardOld, /* a projection: the oldest is the least missed */
        .duplicates_s = 120,      /* runs carry no id; the server's own default */
    },
    {
        .name = RB_STREAM_DEAD,
        .description = "Events that could not be handled, with the reason",
        .subjects = {"dead.>"},
        .max_age_s = 90 * DAYS,     /* a season to look into them */
        .max_bytes = 256 * MIB,     /* a thousand of the largest, hundreds of thousands of common size */
        .max_message = 1000 * 1024, /* under the server's own limit of 1 MiB */
        .discard = js_DiscardOld,   /* when full, a new reason is worth more than an old one */
        .duplicates_s = 1 * HOURS,
    },
    {
        .name = RB_STREAM_CONTROL,
        .description = "What operators have decided, and the last failure of each subscriber",
        .subjects = {"control.>"},
        .max_age_s = 0,        /* who is paused stays so until somebody says otherwise */
        .max_bytes = 16 * MIB, /* 66 small messages a subscriber at most: room for more than a thousand */
        .max_per_subject = 1,
        .max_message = 8 * 1024,
        .discard = js_DiscardOld,
        .duplicates_s = 120, /* they carry no id; the server's own default */
    },
};
const size_t bus_stream_count = sizeof(bus_streams) / sizeof(bus_streams[0]);

#define ACK_WAIT_MS \
    30000 /* a worker that died is noticed after this; a living one says so every third of it */
/* Messages that wait for their back-off count as pending too: this many repositories may be in trouble at
 * once before new events wait. Costs the server some 100 bytes each. */
#define ACK_PENDING 10000

/* Keeping a run is one statement. One that was given to an edge that died, or stands still, is somebody's
 * live progress. */
#define RUN_ACK_WAIT_MS 5000

static const struct bus_durable_def catalogue_durables[] = {
    {.name = "scanner",
     .stream = RB_STREAM_EVENTS,
     .filter = "repo.*",
     .ack_wait_ms = ACK_WAIT_MS,
     .max_deliver = -1, /* libbus counts itself: the server would stop delivering without a dead letter */
     .max_ack_pending = ACK_PENDING},
    {.name = "grapher",
     .stream = RB_STREAM_EVENTS,
     .filter = NULL, /* repo.* and github.*; nats-server 2.9 has one filter a consumer */
     .ack_wait_ms = ACK_WAIT_MS,
     .max_deliver = -1,
     .max_ack_pending = ACK_PENDING},
    {.name = "edge-runs", /* one reader among all edges keeps the runs in the database */
     .stream = RB_STREAM_RUNS,
     .ack_wait_ms = RUN_ACK_WAIT_MS,
     .max_deliver = -1,
     .max_ack_pending = 1000}, /* the server's default: a reader asks for far fewer at a time */
};

const struct bus_durable_def *bus_durable_find(const char *name)
{
    for (size_t i = 0; i < sizeof(catalogue_durables) / sizeof(catalogue_durables[0]); i++) {
        if (strcmp(catalogue_durables[i].name, name) == 0)
            return &catalogue_durables[i];
    }
    return NULL;
}

/* A subscriber brings its own filter, since a new feature is not in the table above. */
struct bus_durable_def bus_durable_for_subscriber(const char *name, const char *filter)
{
    return (struct bus_durable_def){
        .name = name,
        .stream = RB_STREAM_EVENTS,
        .filter = filter && strcmp(filter, ">") != 0 && filter[0] ? filter : NULL,
        .ack_wait_ms = ACK_WAIT_MS,
        .max_deliver = -1,
        .max_ack_pending = ACK_PENDING,
    };
}

struct bus_durable_def bus_durable_for_follower(void)
{
    return (struct bus_durable_def){
        .stream = RB_STREAM_RUNS,
        .ack_wait_ms = ACK_WAIT_MS,
        .max_deliver = -1,
        .max_ack_pending = 1000,
        .inactive_s = 300, /* longer than a network hiccup; a reader that comes later starts anew */
    };
}

bool bus_subject_is_known(const char *subject)
{
    for (size_t i = 0; i < sizeof(catalogue_subjects) / sizeof(catalogue_subjects[0]); i++) {
        if (strcmp(catalogue_subjects[i], subject) == 0)
            return true;
    }
    return false;
}

bool bus_text_is_plain(const char *text, size_t max)
{
    size_t len = 0;
    for (; text[len]; len++) {
        if (len == max || text[len] < 0x21 || text[len] > 0x7e)
            return false;
    }
    return len > 0;
}

bool bus_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t len = strlen(name);
    return len > 0 && len <= BUS_NAME_MAX && strspn(name, allowed) == len;
}
