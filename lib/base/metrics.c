/*
 * Prometheus metrics: a fixed table, found by name and labels under a lock, updated by relaxed atomics.
 */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/base.h"

#define METRICS_MAX 1024 /* routes x statuses and subscribers x verdicts are some hundred */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
static const char *const metric_kinds[] = {"counter", "gauge", "histogram"};

static const int64_t metric_buckets_us[] = {500,     1000,    2500,    5000,     10000,
                                            25000,   50000,   100000,  250000,   500000,
                                            1000000, 2500000, 5000000, 10000000, 60000000};
#define METRIC_BUCKETS (sizeof(metric_buckets_us) / sizeof(metric_buckets_us[0]))

struct metric_histogram {
    _Atomic int64_t buckets[METRIC_BUCKETS + 1]; /* the last: everything longer. Their sum is the count. */
    _Atomic int64_t sum_us;
};

struct rb_metric {
    const char *name, *labels, *help;
    enum metric_kind kind;
    _Atomic int64_t value;
    struct metric_histogram *histogram;
};

static pthread_mutex_t metrics_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rb_metric *metrics[METRICS_MAX]; /* pointers: a process with a dozen metrics pays for a dozen */
static size_t metrics_count;
static int64_t metrics_refused; /* asked for when the table was full */
static struct metric_histogram metrics_overflow_histogram;
static struct rb_metric metrics_overflow = {.histogram =
                                                &metrics_overflow_histogram}; /* updated, never shown */

static struct rb_metric *metric_find(enum metric_kind kind, const char *name, const char *labels,
                                     const char *help)
{
    struct rb_metric *metric = &metrics_overflow;
    if (!labels)
        labels = "";
    pthread_mutex_lock(&metrics_lock);
    for (size_t i = 0; i < metrics_count; i++) {
        if (strcmp(metrics[i]->name, name) == 0 && strcmp(metrics[i]->labels, labels) == 0) {
            metric = metrics[i];
            goto out;
        }
    }
    if (metrics_count < METRICS_MAX) {
        metric = rb_calloc(1, sizeof(*metric));
        metric->name = rb_strdup(name);
        metric->labels = rb_strdup(labels);
        metric->help = rb_strdup(help ? help : "");
        metric->kind = kind;
        if (kind == METRIC_HISTOGRAM)
            metric->histogram = rb_calloc(1, sizeof(*metric->histogram));
        metrics[metrics_count++] = metric;
    } else {
        metrics_refused++;
    }
out:
    pthread_mutex_unlock(&metrics_lock);
    return metric;
}

struct rb_metric *rb_metric_counter(const char *name, const char *labels, const char *help)
{
    return metric_find(METRIC_COUNTER, name, labels, help);
}

struct rb_metric *rb_metric_gauge(const char *name, const char *labels, const char *help)
{
    return metric_find(METRIC_GAUGE, name, labels, help);
}

struct rb_metric *rb_metric_histogram(const char *name, const char *labels, const char *help)
{
    return metric_find(METRIC_HISTOGRAM, name, labels, help);
}

void rb_metric_add(struct rb_metric *metric, int64_t delta)
{
    atomic_fetch_add_explicit(&metric->value, delta, memory_order_relaxed);
}

void rb_metric_set(struct rb_metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void rb_metric_observe_us(struct rb_metric *metric, int64_t micros)
{
    struct metric_histogram *histogram = metric->histogram;
    if (!histogram)
        return;
    size_t i = 0;
    while (i < METRIC_BUCKETS && micros > metric_buckets_us[i])
        i++;
    atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, micros, memory_order_relaxed);
}

static int64_t metric_load(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static rb_err metric_print_histogram(struct rb_buf *out, const struct rb_metric *metric)
{
    const char *comma = *metric->labels ? "," : "";
    int64_t below = 0;
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        below += metric_load(&metric->histogram->buckets[i]);
        rb_err err = rb_buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRId64 "\n", metric->name,
                                   metric->labels, comma, (double)metric_buckets_us[i] / 1e6, below);
        if (err)
            return err;
    }
    const char *open = *metric->labels ? "{" : "", *close = *metric->labels ? "}" : "";
    int64_t count = below + metric_load(&metric->histogram->buckets[METRIC_BUCKETS]);
    return rb_buf_printf(
        out, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n%s_sum%s%s%s %.6f\n%s_count%s%s%s %" PRId64 "\n",
        metric->name, metric->labels, comma, count, metric->name, open, metric->labels, close,
        (double)metric_load(&metric->histogram->sum_us) / 1e6, metric->name, open, metric->labels, close,
        count);
}

static rb_err metric_print(struct rb_buf *out, const struct rb_metric *metric)
{
    if (metric->kind == METRIC_HISTOGRAM)
        return metric_print_histogram(out, metric);
    const char *open = *metric->labels ? "{" : "", *close = *metric->labels ? "}" : "";
    return rb_buf_printf(out, "%s%s%s%s %" PRId64 "\n", metric->name, open, metric->labels, close,
                         metric_load(&metric->value));
}

/* Lines of one name stand together, under one TYPE line, as the format wants it. */
static rb_err metrics_print_family(struct rb_buf *out, size_t first)
{
    const struct rb_metric *head = metrics[first];
    rb_err err = rb_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", head->name, head->help, head->name,
                               metric_kinds[head->kind]);
    for (size_t i = first; i < metrics_count && !err; i++) {
        if (strcmp(metrics[i]->name, head->name) == 0)
            err = metric_print(out, metrics[i]);
    }
    return err;
}

static bool metrics_is_first_of_name(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(metrics[i]->name, metrics[index]->name) == 0)
            return false;
    }
    return true;
}

static int64_t metrics_resident_bytes(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &size, &resident) != 2) /* NOLINT(cert-err34-c): two numbers or nothing */
        resident = 0;
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static int metrics_open_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir)) /* NOLINT(concurrency-mt-unsafe): the stream is ours alone */
        count++;
    closedir(dir);
    return count - 3; /* ".", "..", and the directory itself */
}

rb_err rb_metrics_print(struct rb_buf *out)
{
    rb_err err = RB_OK;
    pthread_mutex_lock(&metrics_lock);
    for (size_t i = 0; i < metrics_count && !err; i++) {
        if (metrics_is_first_of_name(i))
            err = metrics_print_family(out, i);
    }
    if (metrics_refused && !err)
        err =
            rb_buf_printf(out,
                          "# HELP repobus_metrics_overflow_total Lookups of metrics beyond the table's size\n"
                          "# TYPE repobus_metrics_overflow_total counter\n"
                          "repobus_metrics_overflow_total %" PRId64 "\n",
                          metrics_refused);
    pthread_mutex_unlock(&metrics_lock);
    if (err)
        return err;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return rb_buf_printf(out,
                         "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %" PRId64
                         "\n"
                         "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n"
                         "# TYPE process_open_fds gauge\nprocess_open_fds %d\n",
                         metrics_resident_bytes(), cpu, metrics_open_fds());
}
