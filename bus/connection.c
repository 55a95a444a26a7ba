/*
 * The connection: made and remade for ever. Callbacks of nats.c run on its own threads: they set what rb_bus
 * holds under its mutex, log, and wake whoever waits; nothing else.
 *
 * nats.c 3.4.1 may still touch a subscription that another thread destroys (its #638), so none is destroyed
 * before the connection is closed: they are few, made once, and kept until rb_bus_close().
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/private.h"

#define CONNECT_TIMEOUT_MS  2000 /* for one server; a local one needs a millisecond */
#define FIRST_TRIES         5    /* of the first connection; ten seconds where each takes its whole time */
#define RECONNECT_WAIT_MS   250  /* soon back after a restart … */
#define RECONNECT_JITTER_MS 1000 /* … but not all processes in the same moment */
#define PING_INTERVAL_MS    4000 /* a peer that died without a word is noticed after two or three of these */
#define PINGS_OUT           2
#define WRITE_DEADLINE_MS   5000         /* a peer that reads nothing must not hold a worker */
#define IO_BUFFER           (32 * 1024)  /* events are small; the library's default is the same */
#define IO_BUFFER_BULK      (256 * 1024) /* some ten large webhooks, or a batch of small ones */
#define CLOSE_FLUSH_MS      2000
#define SERVERS_MAX         16

/*
 * exit() would by default take OpenSSL down, while threads of nats.c, which nobody can join, may still end
 * with TLS: now and then the last one then unlocked a lock that was gone. Who calls OpenSSL first decides,
 * so this comes before main(). What it holds goes with the process.
 */
__attribute__((constructor)) static void connection_keep_openssl(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

rb_err bus_error_code(natsStatus status, int js_code)
{
    switch (js_code) {
    case JSStreamStoreFailedErr: /* maximum bytes or messages of the stream */
    case JSInsufficientResourcesErr:
    case JSStorageResourcesExceededErr:
    case JSMemoryResourcesExceededErr:
        return RB_ELIMIT;
    case JSStreamNotFoundErr:
    case JSConsumerNotFoundErr:
        return RB_ENOTFOUND;
    case JSStreamMessageExceedsMaximumErr:
        return RB_ETOOBIG;
    case JSNotEnabledErr:
    case JSNotEnabledForAccountErr:
        return RB_EUNAVAILABLE;
    default:
        break;
    }
    switch (status) {
    case NATS_OK:
        return RB_OK;
    case NATS_TIMEOUT:
        return RB_ETIMEOUT;
    case NATS_NOT_FOUND:
        return RB_ENOTFOUND;
    case NATS_MAX_PAYLOAD:
        return RB_ETOOBIG;
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT:
        return RB_EINVAL;
    case NATS_NO_MEMORY:
        return RB_EINTERNAL;
    case NATS_NO_RESPONDERS:
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_NOT_YET_CONNECTED:
    case NATS_INSUFFICIENT_BUFFER:
    case NATS_IO_ERROR:
    case NATS_NO_SERVER:
    case NATS_STALE_CONNECTION:
    case NATS_INVALID_SUBSCRIPTION:
        return RB_EUNAVAILABLE;
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
        return RB_EAUTH;
    default:
        return RB_EPROTOCOL;
    }
}

rb_err bus_error(natsStatus status, int js_code, const char *fmt, ...)
{
    char what[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    const char *detail = js_code ? nats_GetLastError(NULL) : natsStatus_GetText(status);
    return rb_error_set(bus_error_code(status, js_code), "NATS: %s: %s", what, detail ? detail : "failed");
}

/* ---- what nats.c tells us ----------------------------------------------------------------------------- */

static void connection_set(struct rb_bus *bus, bool connected, bool closed)
{
    pthread_mutex_lock(&bus->mutex);
    bus->connected = connected;
    bus->closed = bus->closed || closed;
    if (connected) {
        bus->epoch++;
        bus->refused = false; /* the credentials are read anew each time */
    }
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
}

static void connection_up(natsConnection *nc, void *arg)
{
    (void)nc;
    connection_set(arg, true, false);
    rb_log_info("NATS connected");
    bus_pulls_wake(arg);
}

static void connection_down(natsConnection *nc, void *arg)
{
    struct rb_bus *bus = arg;
    (void)nc;
    connection_set(bus, false, false);
    if (!bus->closing)
        rb_log_warn("NATS connection lost, reconnecting");
}

static void connection_closed(natsConnection *nc, void *arg)
{
    const char *text = NULL;
    (void)natsConnection_GetLastError(nc, &text);
    connection_set(arg, false, true);
    rb_log_debug("NATS connection closed: %s", text ? text : "");
}

static rb_err connection_refused(const struct rb_bus *bus)
{
    return rb_error_set(
        RB_EAUTH,
        "NATS: these credentials may not listen on %s.>: they are another program's, or older "
        "than this (deploy/nats/users makes them)",
        bus->inbox_prefix);
}

/* Whether the server's words are 'Permissions Violation for Subscription to "_INBOX.scanner.…"'. */
static bool connection_is_deaf(const struct rb_bus *bus, const char *text)
{
    return text && strstr(text, "for Subscription to ") && strstr(text, bus->inbox_prefix);
}

static void connection_trouble(natsConnection *nc, natsSubscription *sub, natsStatus status, void *arg)
{
    struct rb_bus *bus = arg;
    const char *text = status == NATS_NOT_PERMITTED ? nats_GetLastError(NULL) : NULL;
    (void)nc;
    (void)sub;
    rb_log_warn("NATS: %s", text ? text : natsStatus_GetText(status));
    if (!connection_is_deaf(bus, text))
        return;
    pthread_mutex_lock(&bus->mutex);
    if (!bus->refused) {
        (void)connection_refused(bus);
        rb_log_error("%s", rb_error_text());
    }
    bus->refused = true;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
}

/* ---- making and ending it ----------------------------------------------------------------------------- */

/* "nats://host:port", where scheme, credentials and port may be missing. nats.c notices a wrong port only
 * when it connects, and then tries for ever. */
static bool connection_url_is_sound(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    const char *at = strrchr(host, '@');
    host = at ? at + 1 : host;
    const char *end_of_v6 = strrchr(host, ']');
    const char *port = strrchr(end_of_v6 ? end_of_v6 : host, ':');
    if (*host == '\0' || port == host)
        return false;
    if (!port)
        return true;
    size_t digits = strspn(port + 1, "0123456789");
    if (digits == 0 || digits > 5 || port[1 + digits] != '\0')
        return false;
    long number = strtol(port + 1, NULL, 10);
    return number > 0 && number <= 65535;
}

static rb_err connection_set_servers(natsOptions *options, const char *urls)
{
    const char *servers[SERVERS_MAX];
    char *copies[SERVERS_MAX];
    int count = 0;
    bool sound = true;

    for (const char *p = urls; *p && count < SERVERS_MAX;) {
        const char *end = strchrnul(p, ',');
        if (end > p) {
            copies[count] = rb_strndup(p, (size_t)(end - p));
            servers[count] = copies[count];
            sound = sound && connection_url_is_sound(copies[count]);
            count++;
        }
        p = *end ? end + 1 : end;
    }
    natsStatus status = count && sound ? natsOptions_SetServers(options, servers, count) : NATS_INVALID_ARG;
    for (int i = 0; i < count; i++)
        free(copies[i]);
    return status == NATS_OK ? RB_OK : rb_error_set(RB_EINVAL, "NATS: the URL is malformed");
}

static natsStatus connection_set_options(natsOptions *o, struct rb_bus *bus,
                                         const struct rb_bus_options *options)
{
    natsStatus s = natsOptions_SetName(o, options->name ? options->name : "repobus");
    if (s == NATS_OK)
        s = natsOptions_SetCustomInboxPrefix(o, bus->inbox_prefix);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(o, CONNECT_TIMEOUT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(o, -1);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(o, RECONNECT_WAIT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectJitter(o, RECONNECT_JITTER_MS, RECONNECT_JITTER_MS);
    if (s ==
        NATS_OK) /* an outage is told to the caller at once, who has a better place to wait: the outbox */
        s = natsOptions_SetReconnectBufSize(o, 0);
    if (s == NATS_OK)
        s = natsOptions_SetFailRequestsOnDisconnect(o, true);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, PING_INTERVAL_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(o, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(o, WRITE_DEADLINE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetIOBufSize(o, options->is_bulk ? IO_BUFFER_BULK : IO_BUFFER);
    if (s == NATS_OK) /* half the latency, and no wake-up of the flusher */
        s = natsOptions_SetSendAsap(o, !options->is_bulk);
    if (s == NATS_OK)
        s = natsOptions_SetDisconnectedCB(o, connection_down, bus);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectedCB(o, connection_up, bus);
    if (s == NATS_OK)
        s = natsOptions_SetClosedCB(o, connection_closed, bus);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, connection_trouble, bus);
    return s;
}

/* The server took the call, and then hung up or said nothing in time, as a busy one does. */
static bool connection_was_cut_short(natsStatus s)
{
    return s == NATS_TIMEOUT || s == NATS_IO_ERROR || s == NATS_SSL_ERROR || s == NATS_CONNECTION_CLOSED;
}

/* nats.c tries on for ever by itself, but where its very first try is cut short it gives up for good (before
 * its #926): those tries are ours. */
static natsStatus connection_make(struct rb_bus *bus, natsOptions *options)
{
    int tries = 0;
    natsStatus s;
    do
        s = natsConnection_Connect(&bus->nc, options);
    while (connection_was_cut_short(s) && ++tries < FIRST_TRIES);
    if (s == NATS_OK)
        return s;
    s = natsOptions_SetRetryOnFailedConnect(options, true, connection_up, bus);
    return s == NATS_OK ? natsConnection_Connect(&bus->nc, options) : s;
}

/* natsInbox_Create() knows of no connection and its prefix: what is unique in it is taken. */
rb_err bus_inbox_make(char **inbox, const struct rb_bus *bus)
{
    natsInbox *made = NULL;
    natsStatus s = natsInbox_Create(&made);
    *inbox = s == NATS_OK ? rb_asprintf("%s%s", bus->inbox_prefix, strrchr(made, '.')) : NULL;
    natsInbox_Destroy(made);
    return s == NATS_OK ? RB_OK : bus_error(s, 0, "making an inbox");
}

/* The inbox on which acknowledgements of publish_all arrive. */
static rb_err connection_open_acks(struct rb_bus *bus)
{
    rb_err err = bus_inbox_make(&bus->acks_inbox, bus);
    if (err)
        return err;
    char *subject = rb_asprintf("%s.*.*", bus->acks_inbox);
    natsStatus s = natsConnection_SubscribeSync(&bus->acks, bus->nc, subject);
    free(subject);
    return s == NATS_OK ? RB_OK : bus_error(s, 0, "subscribing");
}

/* Asks the server at once whether answers can reach us. One that is not there now is heard of later, by
 * connection_trouble(). */
static rb_err connection_hears(struct rb_bus *bus)
{
    const char *text = NULL;
    bool deaf =
        rb_bus_is_connected(bus) && natsConnection_FlushTimeout(bus->nc, CONNECT_TIMEOUT_MS) == NATS_OK &&
        natsConnection_GetLastError(bus->nc, &text) == NATS_NOT_PERMITTED && connection_is_deaf(bus, text);
    return deaf ? connection_refused(bus) : RB_OK;
}

rb_err rb_bus_connect(struct rb_bus **out, const struct rb_bus_options *options)
{
    struct rb_bus *bus = rb_calloc(1, sizeof(*bus));
    natsOptions *nats_options = NULL;
    pthread_condattr_t attr;
    rb_err err = RB_OK;

    *out = NULL;
    pthread_mutex_init(&bus->mutex, NULL);
    pthread_mutex_init(&bus->setup_mutex, NULL);
    pthread_mutex_init(&bus->acks_mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&bus->changed, &attr);
    pthread_condattr_destroy(&attr);
    bus->setup_at_ms = INT64_MIN / 2;
    snprintf(bus->inbox_prefix, sizeof(bus->inbox_prefix), "_INBOX%s%s", options->user ? "." : "",
             options->user ? options->user : "");

    /* The library's locks spin 2,000 times by default before they sleep. One of them is held while the socket
     * is written to, so that the reader would spin through the whole system call. */
    natsStatus s = nats_Open(0);
    if (s == NATS_OK)
        s = natsOptions_Create(&nats_options);
    if (s == NATS_OK)
        err = bus_settings_read(&bus->settings);
    if (s == NATS_OK && !err)
        s = bus_settings_apply(nats_options, &bus->settings);
    if (s == NATS_OK && !err)
        s = connection_set_options(nats_options, bus, options);
    if (s == NATS_OK && !err)
        err = connection_set_servers(nats_options, options->url);
    if (s != NATS_OK || err)
        goto out;
    s = connection_make(bus, nats_options);
    if (s == NATS_NOT_YET_CONNECTED) {
        rb_log_warn("NATS does not answer yet, trying on");
        s = NATS_OK;
    } else if (s == NATS_OK) {
        connection_set(bus, true, false);
    } else if (s == NATS_INVALID_ARG || s == NATS_ERR) {
        err = rb_error_set(RB_EINVAL, "NATS: the URL is malformed");
        goto out;
    }
    if (s == NATS_OK)
        s = natsConnection_JetStream(&bus->js, bus->nc, NULL);
    if (s == NATS_OK)
        err = connection_open_acks(bus);
    if (s == NATS_OK && !err)
        err = connection_hears(bus);
    if (s == NATS_OK && !err)
        err = bus_asks_new(&bus->asks, bus);
out:
    natsOptions_Destroy(nats_options);
    if (s != NATS_OK && !err)
        err = bus_error(s, 0, "connecting");
    if (err)
        rb_bus_close(bus);
    else
        *out = bus;
    return err;
}

void rb_bus_close(struct rb_bus *bus)
{
    if (!bus)
        return;
    bus_asks_stop(bus->asks);
    if (bus->nc) {
        if (rb_bus_is_connected(bus))
            (void)natsConnection_FlushTimeout(bus->nc, CLOSE_FLUSH_MS);
        bus->closing = true;
        natsConnection_Close(bus->nc); /* joins the reading thread: from here on subscriptions may go */
        pthread_mutex_lock(&bus->mutex);
        while (!bus->closed) /* the last callback that has `bus` */
            pthread_cond_wait(&bus->changed, &bus->mutex);
        pthread_mutex_unlock(&bus->mutex);
    }
    bus_elections_free(bus);
    bus_pulls_free(bus);
    bus_asks_free(bus->asks);
    natsSubscription_Destroy(bus->acks);
    jsCtx_Destroy(bus->js);
    natsConnection_Destroy(bus->nc);
    free(bus->acks_inbox);
    pthread_cond_destroy(&bus->changed);
    pthread_mutex_destroy(&bus->acks_mutex);
    pthread_mutex_destroy(&bus->setup_mutex);
    pthread_mutex_destroy(&bus->mutex);
    free(bus);
}

/* ---- its state ---------------------------------------------------------------------------------------- */

bool rb_bus_is_connected(const struct rb_bus *bus)
{
    return bus->nc && natsConnection_Status(bus->nc) == NATS_CONN_STATUS_CONNECTED;
}

bool bus_is_closed(struct rb_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bool closed = bus->closed || bus->refused;
    pthread_mutex_unlock(&bus->mutex);
    return closed;
}

uint64_t bus_epoch(struct rb_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    uint64_t epoch = bus->epoch;
    pthread_mutex_unlock(&bus->mutex);
    return epoch;
}

/* `bus->mutex` is held. nats.c's news come late, on a thread of its own: until that of a loss is here, only
 * the connection itself knows of it. The news that it is back wakes whoever waits. */
static bool connection_is_up(const struct rb_bus *bus)
{
    return bus->connected && !bus->refused && rb_bus_is_connected(bus);
}

rb_err bus_wait_unless(struct rb_bus *bus, int timeout_ms, const atomic_bool *stop)
{
    int64_t deadline = rb_clock_ms() + timeout_ms;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    int rc = 0;
    rb_err err = RB_OK;

    pthread_mutex_lock(&bus->mutex);
    while (!connection_is_up(bus) && !bus->closed && !bus->refused && !(stop && *stop) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&bus->changed, &bus->mutex, &until);
    if (bus->closed)
        err = rb_error_set(RB_EUNAVAILABLE, "NATS: the server refused us for good");
    else if (bus->refused)
        err = connection_refused(bus);
    else if (!connection_is_up(bus))
        err = rb_error_set(stop && *stop ? RB_ETIMEOUT : RB_EUNAVAILABLE, "NATS: not connected");
    pthread_mutex_unlock(&bus->mutex);
    return err;
}

rb_err rb_bus_wait(struct rb_bus *bus, int timeout_ms)
{
    return bus_wait_unless(bus, timeout_ms, NULL);
}

void bus_kick(struct rb_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
}
