/*
 * A subscriber from start to end. The main thread starts everything, then waits for a signal:
 *
 *  running  → SIGTERM, SIGINT → draining: idle workers stop at once, busy ones may finish, no event is taken
 *  draining → all finished, or DRAIN_SECONDS are over: what is left is handed back to the queue → ended
 *  draining → a second signal → ended at once; the server gives the messages to others after their ack wait
 *
 * Signals are blocked in every thread and read from a descriptor, so no handler of ours ever runs in one.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bus/runtime.h"

#define WORKERS_DEFAULT  2
#define ATTEMPTS_DEFAULT 8
#define DRAIN_DEFAULT_S  20
#define DRAIN_MAX_S      3600
#define QUERY_WAIT_MS    5000  /* whoever asked has given up by then */
#define WATCH_MS         15000 /* as often as metrics are usually read */
#define ARENAS_MAX       2     /* malloc's own: one per thread would cost more memory than it saves time */

static const char subscriber_help[] =
    "  NATS_URL              nats://127.0.0.1:4222, several behind commas\n" BUS_SETTINGS_HELP
    "  WORKERS               events worked on at once\n"
    "  HEALTH_ADDRESS, HEALTH_PORT   where /healthz, /readyz and /metrics are shown (0: any free port)\n"
    "  DRAIN_SECONDS         20, for work under way after SIGTERM; what is not done by then is handed back\n"
    "  LOG_LEVEL, LOG_FORMAT debug|info|warn|error, text|json\n"
    "  OTEL_EXPORTER_OTLP_ENDPOINT   http://collector:4318, for traces; off without\n"
    "\n"
    "It ends with 0 after SIGTERM or SIGINT, with 1 when it cannot start.\n";

struct subscriber_settings {
    const char *nats_url, *health_address;
    int workers, health_port, drain_s;
    int64_t ack_wait_ms; /* 0: the catalogue's */
    int64_t query_wait_ms, watch_ms;
};

static rb_err subscriber_read_settings(struct subscriber_settings *out, const struct rb_subscriber *def)
{
    struct rb_config *config = rb_config_new();
    int workers = def->workers > 0 ? def->workers : WORKERS_DEFAULT;

    out->nats_url = rb_config_string(config, "NATS_URL", "nats://127.0.0.1:4222", "where NATS listens");
    out->health_address = rb_config_string(config, "HEALTH_ADDRESS", "127.0.0.1", "where health is shown");
    out->workers = (int)rb_config_int(config, "WORKERS", workers, 1, RUNTIME_WORKERS_MAX);
    out->health_port = (int)rb_config_int(config, "HEALTH_PORT", def->health_port, 0, 65535);
    out->drain_s = (int)rb_config_int(config, "DRAIN_SECONDS", DRAIN_DEFAULT_S, 0, DRAIN_MAX_S);
    out->ack_wait_ms =
        rb_config_int(config, "RB_ACK_WAIT_MS", 0, 0, 3600000); /* for tests: minutes into seconds */
    out->query_wait_ms = rb_config_int(config, "RB_QUERY_WAIT_MS", QUERY_WAIT_MS, 0, 3600000); /* for tests */
    out->watch_ms = rb_config_int(config, "RB_WATCH_MS", WATCH_MS, 10, 3600000);               /* for tests */
    if (!bus_name_is_valid(def->name))
        rb_config_note(config, "the subscriber's name \"%s\" is not made of letters, digits, '-' and '_'",
                       def->name);
    rb_err err = rb_config_check(config);
    rb_config_free(config);
    return err;
}

/* ---- parts -------------------------------------------------------------------------------------------- */

static bool subscriber_is_ready(void *arg, char *reason, size_t size)
{
    struct bus_runtime *runtime = arg;

    if (!rb_bus_is_connected(runtime->bus)) {
        snprintf(reason, size, "NATS is not connected");
        return false;
    }
    if (!runtime->consumer_ready) {
        snprintf(reason, size, "the consumer is not set up");
        return false;
    }
    if (runtime->draining) {
        snprintf(reason, size, "draining");
        return false;
    }
    bool ready = bus_needs_are_there(runtime, reason, size) &&
                 (!runtime->def->ready || runtime->def->ready(runtime->def->app, reason, size));
    if (ready && runtime->paused)
        snprintf(reason, size, "paused by the operator");
    return ready;
}

static void subscriber_make_metrics(struct bus_runtime *r)
{
    char labels[128];
    snprintf(labels, sizeof(labels), "subscriber=\"%s\"", r->def->name);
    r->in_flight = rb_metric_gauge("repobus_events_in_flight", labels, "Events being handled now.");
    r->deliveries =
        rb_metric_counter("repobus_events_delivered_total", labels, "Deliveries, first and repeated.");
    r->dead_letters = rb_metric_counter("repobus_dead_letters_total", labels, "Events given up.");
    r->duration = rb_metric_histogram("repobus_event_handling_seconds", labels, "Time in the handler.");
    r->latency =
        rb_metric_histogram("repobus_event_latency_seconds", labels, "From the event to its handler.");
    r->stalls =
        rb_metric_counter("repobus_consumer_stalls_total", labels, "Times the consumer delivered nothing.");
    r->lag = rb_metric_gauge("repobus_events_waiting", labels, "Events that have not been delivered yet.");
    r->unanswered =
        rb_metric_gauge("repobus_events_unanswered", labels,
                        "Events delivered that have no verdict yet, or wait for another attempt.");
    r->oldest = rb_metric_gauge("repobus_events_oldest_seconds", labels,
                                "Age of the oldest event that has no verdict.");
    r->paused_gauge =
        rb_metric_gauge("repobus_subscriber_paused", labels, "1 while the operator has it paused.");
}

static struct bus_runtime *subscriber_make_runtime(const struct rb_subscriber *def,
                                                   const struct subscriber_settings *settings)
{
    struct bus_runtime *r = rb_calloc(1, sizeof(*r));
    pthread_condattr_t attr;

    r->def = def;
    r->durable = bus_durable_for_subscriber(def->name, def->filter);
    if (settings->ack_wait_ms > 0)
        r->durable.ack_wait_ms = settings->ack_wait_ms;
    if (def->in_order)
        r->durable.max_ack_pending = 1;
    r->query_wait_ms = settings->query_wait_ms;
    r->watch_ms = settings->watch_ms;
    r->drain_ms = settings->drain_s * 1000;
    r->worker_count = settings->workers;
    r->workers = rb_calloc((size_t)settings->workers, sizeof(*r->workers));
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_mutex_init(&r->ensure_mutex, NULL);
    bus_marks_init(&r->marks, def->name);
    bus_turns_init(r);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
    for (int i = 0; i < r->worker_count; i++) {
        r->workers[i].runtime = r;
        r->workers[i].work.runtime = r;
        pthread_mutex_init(&r->workers[i].work.mutex, NULL);
    }
    subscriber_make_metrics(r);
    return r;
}

static void subscriber_free_runtime(struct bus_runtime *r)
{
    bus_bucket_free(&r->marks);
    bus_turns_free(r);
    rb_bus_close(r->bus);
    natsSubscription_Destroy(r->watch_sub);
    bus_stop_unfollow(r);
    bus_replies_free(r->replies);
    for (int i = 0; i < r->worker_count; i++)
        pthread_mutex_destroy(&r->workers[i].work.mutex);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->ensure_mutex);
    pthread_mutex_destroy(&r->mutex);
    close(r->wake_fd);
    free(r->workers);
    free(r);
}

static rb_err subscriber_start_threads(struct bus_runtime *r)
{
    rb_err err = r->def->stop_when_disconnected ? bus_stop_follow(r) : RB_OK;
    if (err)
        return err;
    if (pthread_create(&r->keepalive, NULL, bus_keepalive_main, r) != 0)
        return rb_error_set(RB_EINTERNAL, "no thread for keeping alive");
    r->keepalive_started = true;
    if (bus_turn_asked(r->def)) {
        if (pthread_create(&r->lease_thread, NULL, bus_lease_main, r) != 0)
            return rb_error_set(RB_EINTERNAL, "no thread for leases");
        r->lease_started = true;
    }
    for (int i = 0; i < r->worker_count; i++) {
        struct bus_worker *worker = &r->workers[i];
        err = bus_pull_open(&worker->pull, r->bus, r->durable.stream, 1);
        if (err)
            return err;
        r->running++;
        if (pthread_create(&worker->thread, NULL, bus_worker_main, worker) != 0) {
            r->running--;
            return rb_error_set(RB_EINTERNAL, "no thread for a worker");
        }
        worker->started = true;
    }
    err = bus_watch_start(r);
    return err || !r->def->queries ? err : bus_replies_start(&r->replies, r);
}

/* ---- waiting and draining ----------------------------------------------------------------------------- */

/* Waits for a signal or a worker's end. True when a signal came. */
static bool subscriber_wait(struct bus_runtime *r, int signal_fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN}, {.fd = r->wake_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    eventfd_t woken;

    if (poll(fds, 2, timeout_ms) <= 0)
        return false;
    if (fds[1].revents)
        (void)eventfd_read(r->wake_fd, &woken);
    return fds[0].revents && read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

static void subscriber_begin_drain(struct bus_runtime *r)
{
    pthread_mutex_lock(&r->mutex);
    r->draining = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    bus_kick(r->bus);
    bus_watch_stop(r);
    bus_replies_drain(r->replies);
    for (int i = 0; i < r->worker_count; i++) {
        if (r->workers[i].pull)
            bus_pull_stop(r->workers[i].pull);
    }
    bus_pull_forget(r->bus, r->durable.stream, r->durable.name); /* before anything is handed back */
}

/* Hands back what is still being handled, so that another process may have it now and not after the ack wait.
 */
static void subscriber_hand_back(struct bus_runtime *r)
{
    pthread_mutex_lock(&r->mutex);
    for (int i = 0; i < r->worker_count; i++) {
        struct rb_work *work = &r->workers[i].work;
        pthread_mutex_lock(&work->mutex);
        if (work->busy && !work->answered && work->incarnation == r->incarnation) {
            rb_log_warn("event handed back unfinished sequence=%" PRIu64, work->sequence);
            bus_handback(work);
        }
        work->busy = false; /* and the keepalive thread says no more that it is being worked on */
        pthread_mutex_unlock(&work->mutex);
    }
    pthread_mutex_unlock(&r->mutex);
}

/* True when all workers have ended. */
static bool subscriber_drain(struct bus_runtime *r, int signal_fd)
{
    int64_t deadline = rb_clock_ms() + r->drain_ms;

    subscriber_begin_drain(r);
    while (r->running > 0) {
        int64_t left = deadline - rb_clock_ms();
        if (left <= 0)
            break;
        if (subscriber_wait(r, signal_fd, (int)left)) {
            rb_log_warn("second signal, ending at once");
            _exit(1);
        }
    }
    if (r->running == 0)
        return true;
    subscriber_hand_back(r);
    return false;
}

static void subscriber_join(struct bus_runtime *r)
{
    pthread_mutex_lock(&r->mutex);
    r->ending = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    if (r->keepalive_started)
        pthread_join(r->keepalive, NULL);
    if (r->lease_started)
        pthread_join(r->lease_thread, NULL);
    for (int i = 0; i < r->worker_count; i++) {
        if (r->workers[i].started)
            pthread_join(r->workers[i].thread, NULL);
    }
    bus_watch_join(r);
    bus_replies_join(r->replies);
}

static int subscriber_open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread exists: they all inherit it */
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

const char *rb_subscriber_help(void)
{
    return subscriber_help;
}

int rb_subscriber_run_sized(const struct rb_subscriber *subscriber, size_t size)
{
    struct rb_subscriber def = {0};
    struct subscriber_settings settings;
    struct rb_health *health = NULL;

    memcpy(&def, subscriber, size < sizeof(def) ? size : sizeof(def));
    if (def.max_attempts <= 0)
        def.max_attempts = ATTEMPTS_DEFAULT;
    if (subscriber_read_settings(&settings, &def))
        return 1;
    mallopt(M_ARENA_MAX, ARENAS_MAX);
    int signal_fd = subscriber_open_signals();
    struct bus_runtime *r = subscriber_make_runtime(&def, &settings);
    rb_err err = rb_trace_start(def.name);
    if (!err)
        err = rb_bus_connect(
            &r->bus, &(struct rb_bus_options){.url = settings.nats_url, .name = def.name, .user = def.name});
    if (!err)
        err = rb_health_start(&health, settings.health_address, settings.health_port, subscriber_is_ready, r);
    if (err) {
        rb_log_error("%s", rb_error_text());
        rb_health_stop(health);
        subscriber_free_runtime(r);
        rb_trace_stop();
        close(signal_fd);
        return 1;
    }
    err = subscriber_start_threads(r);
    if (err)
        rb_log_error("%s", rb_error_text());
    else
        rb_log_info("subscriber started name=%s filter=%s workers=%d", def.name,
                    def.filter ? def.filter : ">", r->worker_count);
    while (!err && !r->broken && !subscriber_wait(r, signal_fd, -1))
        ;
    rb_log_info("draining seconds=%d", settings.drain_s);
    if (!subscriber_drain(r, signal_fd)) {
        /* A handler still runs and may touch anything: nothing is freed under it. */
        (void)natsConnection_FlushTimeout(r->bus->nc, 1000);
        rb_log_info("ended, what was unfinished is handed back");
        _exit(err || r->broken ? 1 : 0);
    }
    bool failed = err || r->broken;
    subscriber_join(r);
    rb_health_stop(health);
    subscriber_free_runtime(r);
    rb_trace_stop();
    close(signal_fd);
    rb_log_info("ended");
    return failed ? 1 : 0;
}
