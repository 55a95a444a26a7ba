/*
 * Elections. In a cluster one server speaks for each stream and each consumer. When it dies the others elect
 * another within 4 to 9 seconds, and what was asked of the dead one is never answered, also to clients whose
 * own connection is another. Who was elected is announced: readers then ask the new one for events, and what
 * was published without an acknowledgement is published again, instead of waiting until patience ends.
 */
#include <string.h>

#include "bus/private.h"

#define ELECTION_OF "$JS.EVENT.ADVISORY."

/* On the thread of the subscription; "$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.REPOBUS.scanner". */
static void election_heard(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    static const char stream[] = ELECTION_OF "STREAM.LEADER_ELECTED." RB_STREAM_EVENTS;
    static const char consumer[] = ELECTION_OF "CONSUMER.LEADER_ELECTED.";
    struct rb_bus *bus = arg;
    const char *subject = natsMsg_GetSubject(msg);
    (void)nc;
    (void)sub;

    if (strcmp(subject, stream) == 0)
        bus->elections++;
    else if (strncmp(subject, consumer, sizeof(consumer) - 1) == 0)
        bus_pulls_renew(bus, subject + sizeof(consumer) - 1);
    natsMsg_Destroy(msg);
}

static void election_end(void *arg)
{
    struct rb_bus *bus = arg;
    pthread_mutex_lock(&bus->mutex);
    bus->elections_ended = true;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
}

void bus_elections_follow(struct rb_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    /* Without it everything comes late in an election, and nothing is lost. */
    if (!bus->elections_sub &&
        natsConnection_Subscribe(&bus->elections_sub, bus->nc, ELECTION_OF "*.LEADER_ELECTED.>",
                                 election_heard, bus) == NATS_OK &&
        natsSubscription_SetOnCompleteCB(bus->elections_sub, election_end, bus) != NATS_OK)
        bus->elections_ended = true;
    pthread_mutex_unlock(&bus->mutex);
}

void bus_elections_free(struct rb_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    while (bus->elections_sub && !bus->elections_ended)
        pthread_cond_wait(&bus->changed, &bus->mutex);
    pthread_mutex_unlock(&bus->mutex);
    natsSubscription_Destroy(bus->elections_sub);
}
