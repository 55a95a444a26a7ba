/*
 * Spans on their way to a collector: written as JSON where they end, kept in a ring, taken by one thread that
 * sends them in batches. Debian 12 has no OpenTelemetry library for C; the protocol allows JSON over HTTP,
 * which is what stands here. A collector that is away, slow or full costs spans and nothing else: there is no
 * second try, since what comes next is worth as much as what was lost.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/base.h"

#define TRACE_QUEUE      2048 /* the specification's default for a batch processor, as the next two */
#define TRACE_BATCH      512
#define TRACE_DELAY_MS   5000
#define TRACE_TIMEOUT_MS 10000             /* the default of an exporter */
#define TRACE_TEXT       256               /* bytes of an attribute */
#define TRACE_BODY       (4 * 1024 * 1024) /* far above 512 spans */
#define TRACE_ANSWER     65536             /* bytes of an answer, which nobody reads */
#define TRACE_END_MS     2000

static struct {
    atomic_bool is_on, is_stopping;
    atomic_llong end_at; /* rb_clock_ms(): when stopping, a transfer ends by then */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    char *ring[TRACE_QUEUE]; /* guarded by `mutex`, as the next two */
    size_t first, count;
    char *url, *head; /* of every body */
    struct curl_slist *headers;
    long timeout_ms;
    int64_t delay_ms;
    struct rb_metric *sent, *dropped;
} trace = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- writing a span ----------------------------------------------------------------------------------- */

static json_t *trace_text(const char *text)
{
    char cut[TRACE_TEXT + 1];
    snprintf(cut, sizeof(cut), "%s", text);
    rb_text_make_utf8(cut);
    return json_string(cut);
}

static json_t *trace_number(int64_t number) /* 64 bits are texts in proto3's JSON */
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return json_string(text);
}

static json_t *trace_attribute(const char *name, const char *kind, json_t *value)
{
    return json_pack("{s:s, s:{s:o}}", "key", name, "value", kind, value);
}

static json_t *trace_attributes(const struct rb_log_field *fields, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct rb_log_field *field = &fields[i];
        if (field->kind == RB_LOG_INT)
            json_array_append_new(list,
                                  trace_attribute(field->name, "intValue", trace_number(field->number)));
        else if (field->text && *field->text)
            json_array_append_new(list, trace_attribute(field->name, "stringValue", trace_text(field->text)));
    }
    return list;
}

static char *trace_write(const struct rb_span *span)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t end = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    json_t *root = json_pack("{s:s%, s:s%, s:o, s:i, s:o, s:o, s:o}", "traceId", span->traceparent + 3,
                             (size_t)32, "spanId", span->traceparent + 36, (size_t)16, "name",
                             trace_text(span->name), "kind", (int)span->kind, "startTimeUnixNano",
                             trace_number(end - span->took_us * 1000), "endTimeUnixNano", trace_number(end),
                             "attributes", trace_attributes(span->attributes, span->count));
    /* "00-", the trace's id and a dash */
    if (span->parent && strlen(span->parent) == RB_TRACEPARENT_SIZE - 1 &&
        strncmp(span->parent, span->traceparent, 36) == 0)
        json_object_set_new(root, "parentSpanId", json_stringn(span->parent + 36, 16));
    if (span->error)
        json_object_set_new(root, "status",
                            json_pack("{s:i, s:o}", "code", 2, "message", trace_text(span->error)));
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

bool rb_trace_is_on(void)
{
    return atomic_load_explicit(&trace.is_on, memory_order_relaxed);
}

void rb_trace_span(const struct rb_span *span)
{
    if (!rb_trace_is_on() || strlen(span->traceparent) != RB_TRACEPARENT_SIZE - 1 ||
        span->traceparent[RB_TRACEPARENT_SIZE - 2] != '1')
        return;
    char *text = trace_write(span);
    pthread_mutex_lock(&trace.mutex);
    bool fits = text && trace.count < TRACE_QUEUE;
    if (fits)
        trace.ring[(trace.first + trace.count++) % TRACE_QUEUE] = text;
    if (trace.count >= TRACE_BATCH)
        pthread_cond_signal(&trace.changed);
    pthread_mutex_unlock(&trace.mutex);
    if (fits)
        return;
    free(text);
    rb_metric_add(trace.dropped, 1);
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static size_t trace_on_answer(char *data, size_t size, size_t count, void *arg)
{
    size_t *left = arg, len = size * count;
    (void)data;
    if (len > *left)
        return 0;
    *left -= len;
    return len;
}

static int trace_on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)arg, (void)a, (void)b, (void)c, (void)d;
    return trace.is_stopping && rb_clock_ms() >= trace.end_at;
}

static bool trace_post(CURL *easy, const struct rb_buf *body, char error[CURL_ERROR_SIZE])
{
    size_t left = TRACE_ANSWER;
    long status = 0;

    curl_easy_setopt(easy, CURLOPT_URL, trace.url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, trace.headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body->len);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, trace.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, trace_on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &left);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, trace_on_progress);
    CURLcode code = curl_easy_perform(easy);
    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return true;
    if (code == CURLE_OK)
        snprintf(error, CURL_ERROR_SIZE, "status %ld", status);
    else
        snprintf(error, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
    return false;
}

/* `count` texts, which are freed. */
static void trace_send(CURL *easy, char **spans, size_t count, bool *is_failing)
{
    char error[CURL_ERROR_SIZE] = "no memory";
    struct rb_buf body;

    rb_buf_init(&body, TRACE_BODY);
    rb_err err = rb_buf_printf(&body, "%s", trace.head);
    for (size_t i = 0; i < count; i++) {
        if (!err)
            err = rb_buf_printf(&body, "%s%s", i ? "," : "", spans[i]);
        free(spans[i]);
    }
    if (!err)
        err = rb_buf_printf(&body, "]}]}]}");
    bool fine = easy && !err && trace_post(easy, &body, error);
    rb_buf_free(&body);
    rb_metric_add(fine ? trace.sent : trace.dropped, (int64_t)count);
    if (!fine && !*is_failing)
        rb_log_warn("traces: the collector does not take spans, which are lost: %s", error);
    if (fine && *is_failing)
        rb_log_info("traces: the collector takes spans again");
    *is_failing = !fine;
}

/* Up to a batch, after the delay unless there is a whole one before. */
static size_t trace_take(char *spans[TRACE_BATCH])
{
    int64_t until = rb_clock_ms() + trace.delay_ms;
    const struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    size_t count = 0;

    pthread_mutex_lock(&trace.mutex);
    while (!trace.is_stopping && trace.count < TRACE_BATCH && rb_clock_ms() < until)
        pthread_cond_timedwait(&trace.changed, &trace.mutex, &at);
    for (; count < TRACE_BATCH && trace.count > 0; trace.count--) {
        spans[count++] = trace.ring[trace.first];
        trace.first = (trace.first + 1) % TRACE_QUEUE;
    }
    pthread_mutex_unlock(&trace.mutex);
    return count;
}

static void *trace_main(void *arg)
{
    CURL *easy = curl_easy_init();
    char *spans[TRACE_BATCH];
    bool is_failing = false;
    size_t count;

    (void)arg;
    while ((count = trace_take(spans)) > 0 || !trace.is_stopping) {
        if (count > 0)
            trace_send(easy, spans, count, &is_failing);
    }
    curl_easy_cleanup(easy);
    return NULL;
}

/* ---- starting ----------------------------------------------------------------------------------------- */

static void trace_add_header(const char *line)
{
    struct curl_slist *longer = curl_slist_append(trace.headers, line);
    if (longer)
        trace.headers = longer;
}

/* "name=value,name=value", values with percent signs (the specification's OTEL_EXPORTER_OTLP_HEADERS). */
static void trace_read_headers(struct rb_config *config, const char *text)
{
    char *copy = rb_strdup(text), *rest = NULL;
    for (char *pair = strtok_r(copy, ",", &rest); pair; pair = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(pair, '=');
        char *value = equals ? curl_easy_unescape(NULL, equals + 1, 0, NULL) : NULL;
        if (!value || strpbrk(value, "\r\n")) {
            rb_config_note(config, "OTEL_EXPORTER_OTLP_HEADERS: not name=value,name=value");
        } else {
            char *line = rb_asprintf("%.*s: %s", (int)(equals - pair), pair, value);
            trace_add_header(line);
            free(line);
        }
        curl_free(value);
    }
    free(copy);
}

static void trace_read_settings(struct rb_config *config, const char *service)
{
    const char *own = rb_config_url(config, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", NULL);
    const char *base = rb_config_url(config, "OTEL_EXPORTER_OTLP_ENDPOINT", "", NULL);
    const char *off = rb_config_string(config, "OTEL_SDK_DISABLED", "", NULL);
    const char *name = rb_config_string(config, "OTEL_SERVICE_NAME", service, NULL);

    trace.timeout_ms = (long)rb_config_int(config, "OTEL_EXPORTER_OTLP_TIMEOUT", TRACE_TIMEOUT_MS, 1, 600000);
    trace.delay_ms = rb_config_int(config, "OTEL_BSP_SCHEDULE_DELAY", TRACE_DELAY_MS, 1, 600000);
    if (strcasecmp(off, "true") == 0 || !own || !base || (!*own && !*base))
        return;
    trace_add_header("Content-Type: application/json");
    trace_add_header("Expect:");
    trace_read_headers(config, rb_config_string(config, "OTEL_EXPORTER_OTLP_HEADERS", "", NULL));
    trace.url = *own ? rb_strdup(own) : rb_asprintf("%s/v1/traces", base);
    json_t *resource = json_array();
    json_array_append_new(resource, trace_attribute("service.name", "stringValue", trace_text(name)));
    json_array_append_new(resource,
                          trace_attribute("service.namespace", "stringValue", trace_text("repobus")));
    char *text = json_dumps(resource, JSON_COMPACT);
    trace.head =
        rb_asprintf("{\"resourceSpans\":[{\"resource\":{\"attributes\":%s},\"scopeSpans\":[{\"scope\":"
                    "{\"name\":\"repobus\"},\"spans\":[",
                    text ? text : "[]");
    free(text);
    json_decref(resource);
}

static void trace_forget(void)
{
    curl_slist_free_all(trace.headers);
    free(trace.url);
    free(trace.head);
    trace.headers = NULL;
    trace.url = trace.head = NULL;
}

static rb_err trace_run(void)
{
    static const char help[] = "Spans for the collector";
    pthread_condattr_t attr;
    sigset_t all, before;

    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return rb_error_set(RB_EINTERNAL, "libcurl cannot be started");
    trace.sent = rb_metric_counter("repobus_spans_total", "outcome=\"sent\"", help);
    trace.dropped = rb_metric_counter("repobus_spans_total", "outcome=\"dropped\"", help);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&trace.changed, &attr);
    pthread_condattr_destroy(&attr);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    trace.is_on = pthread_create(&trace.thread, NULL, trace_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return trace.is_on ? RB_OK : rb_error_set(RB_EINTERNAL, "no thread for traces");
}

rb_err rb_trace_start(const char *service)
{
    struct rb_config *config = rb_config_new();
    trace_read_settings(config, service);
    rb_err err = rb_config_check(config);
    rb_config_free(config);
    if (!err && trace.url)
        err = trace_run();
    if (err)
        trace_forget();
    return err;
}

void rb_trace_stop(void)
{
    if (!rb_trace_is_on())
        return;
    trace.is_on = false;
    trace.end_at = rb_clock_ms() + TRACE_END_MS;
    pthread_mutex_lock(&trace.mutex);
    trace.is_stopping = true;
    pthread_cond_signal(&trace.changed);
    pthread_mutex_unlock(&trace.mutex);
    pthread_join(trace.thread, NULL);
    trace_forget();
    curl_global_cleanup();
}
