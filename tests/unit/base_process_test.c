/* What a process shows and reads of lib/base: configuration, log, metrics, the health endpoint. */
#include <jansson.h>
#include <sys/mman.h>

#include "tests/unit/lib_servers.h"

/* ---- log ---------------------------------------------------------------------------------------------- */

static struct {
    int saved, fd;
} captured;

static void capture_start(void)
{
    captured.saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    captured.fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(captured.saved >= 0 && captured.fd >= 0);
    dup2(captured.fd, STDERR_FILENO);
}

static void capture_end(char *out, size_t size)
{
    dup2(captured.saved, STDERR_FILENO);
    ssize_t len = pread(captured.fd, out, size - 1, 0);
    out[len > 0 ? len : 0] = '\0';
    close(captured.saved);
    close(captured.fd);
}

static void log_one(char *out, size_t size, const char *format, const char *level, const char *text)
{
    setenv("LOG_FORMAT", format, 1);
    setenv("LOG_LEVEL", level, 1);
    rb_log_init("test");
    capture_start();
    rb_log_info("%s", text);
    capture_end(out, size);
    unsetenv("LOG_FORMAT");
    unsetenv("LOG_LEVEL");
    rb_log_init("test");
}

static void log_lines_cannot_be_forged(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain, *json; /* json: the message as a parser reads it */
    } rows[] = {
        {"repo=acme/x id=42", "repo=acme/x id=42", "repo=acme/x id=42"},
        {"a\nb\r\tc\x7f", "a\\u000ab\\u000d\\u0009c\\u007f", "a\nb\r\tc\x7f"},
        {"\"quoted\\\"", "\"quoted\\\"", "\"quoted\\\""},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\x1b[31m\xc2\x9b", "\\u001b[31m\\u009b", "\x1b[31m\xc2\x9b"},
        {"\xff\xc3(", "\\ufffd\\ufffd(", "\xef\xbf\xbd\xef\xbf\xbd("},
        {"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82",
         "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
         "\xef\xbf"
         "\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[4200];
        log_one(line, sizeof(line), "text", "info", rows[i].text);
        assert_memory_equal(line + 23, "Z info test ", 12);
        assert_string_equal(strchr(line, '\n'), "\n");
        *strchr(line, '\n') = '\0';
        assert_string_equal(line + 35, rows[i].plain);
        log_one(line, sizeof(line), "json", "info", rows[i].text);
        assert_string_equal(strchr(line, '\n'), "\n");
        json_t *json = json_loads(line, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "message")), rows[i].json);
        assert_string_equal(json_string_value(json_object_get(json, "level")), "info");
        assert_string_equal(json_string_value(json_object_get(json, "component")), "test");
        json_decref(json);
    }
}

static void log_lines_are_bounded_and_filtered(void **state)
{
    (void)state;
    char line[20000], text[10001];
    memset(text, '\n', sizeof(text) - 1); /* the worst case: six bytes of each */
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 2; i++) {
        log_one(line, sizeof(line), i ? "json" : "text", "info", text);
        assert_true(strlen(line) > 3500 && strlen(line) <= 4096);
        assert_string_equal(strchr(line, '\n'), "\n");
    }
    json_t *json = json_loads(line, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    log_one(line, sizeof(line), "text", "WARN", "quiet");
    assert_string_equal(line, "");
}

/* ---- configuration ------------------------------------------------------------------------------------ */

static rb_err check_quietly(struct rb_config *config, char *log, size_t size)
{
    capture_start();
    rb_err err = rb_config_check(config);
    capture_end(log, size);
    return err;
}

static void config_numbers_are_within_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t wanted;
        rb_err err;
    } rows[] = {
        {NULL, 7, RB_OK},        {"", 7, RB_OK},         {"1", 1, RB_OK},
        {"65535", 65535, RB_OK}, {"0", 7, RB_EINVAL},    {"65536", 7, RB_EINVAL},
        {"-1", 7, RB_EINVAL},    {"80a", 7, RB_EINVAL},  {"eighty", 7, RB_EINVAL},
        {" ", 7, RB_EINVAL},     {"0x50", 7, RB_EINVAL}, {"99999999999999999999", 7, RB_EINVAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char log[1024];
        struct rb_config *config = rb_config_new();
        if (rows[i].value)
            setenv("RB_TEST_NUMBER", rows[i].value, 1);
        assert_int_equal(rb_config_int(config, "RB_TEST_NUMBER", 7, 1, 65535), rows[i].wanted);
        assert_int_equal(check_quietly(config, log, sizeof(log)), rows[i].err);
        assert_int_equal(strstr(log, "RB_TEST_NUMBER") != NULL, rows[i].err != RB_OK);
        unsetenv("RB_TEST_NUMBER");
        rb_config_free(config);
    }
}

static void config_addresses_are_plain(void **state)
{
    (void)state;
    static const struct {
        const char *value, *wanted; /* NULL: refused */
    } rows[] = {
        {"http://localhost:8080", "http://localhost:8080"},
        {"https://example.com/", "https://example.com"},
        {"https://example.com/api/v3///", "https://example.com/api/v3"},
        {"example.com", NULL},
        {"ftp://example.com", NULL},
        {"https://", NULL},
        {"https:///", NULL},
        {"https:///path", NULL},
        {"https://user:hunter2@example.com", NULL},
        {"https://example.com/?x=hunter2", NULL},
        {"https://example.com/#hunter2", NULL},
        {"https://example.com/hunter2 x", NULL},
        {"https://example.com/hunter2\x01", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char log[1024];
        struct rb_config *config = rb_config_new();
        setenv("RB_TEST_URL", rows[i].value, 1);
        const char *url = rb_config_url(config, "RB_TEST_URL", NULL, "an address");
        if (rows[i].wanted)
            assert_string_equal(url, rows[i].wanted);
        else
            assert_null(url);
        assert_int_equal(check_quietly(config, log, sizeof(log)), rows[i].wanted ? RB_OK : RB_EINVAL);
        assert_null(strstr(log, "hunter2")); /* people put credentials into addresses */
        rb_config_free(config);
    }
    unsetenv("RB_TEST_URL");
}

static void config_says_everything_that_is_wrong_and_no_secret(void **state)
{
    (void)state;
    char log[4096];
    struct rb_config *config = rb_config_new();
    setenv("RB_TEST_SHORT", "hunter2", 1);
    setenv("RB_TEST_SECRET", "0123456789abcdef", 1);
    assert_null(rb_config_string(config, "RB_TEST_MISSING", NULL, "what it is"));
    assert_string_equal(rb_config_string(config, "RB_TEST_MISSING", "fallback", ""), "fallback");
    assert_null(rb_config_secret(config, "RB_TEST_SHORT", 16, true));
    assert_null(rb_config_secret(config, "RB_TEST_NONE", 16, true));
    assert_null(rb_config_secret(config, "RB_TEST_NONE", 16, false));
    assert_string_equal(rb_config_secret(config, "RB_TEST_SECRET", 16, true), "0123456789abcdef");
    for (int i = 0; i < 100; i++) /* more than there is room for is left out, not written beyond it */
        rb_config_note(config, "note %d", i);
    assert_int_equal(check_quietly(config, log, sizeof(log)), RB_EINVAL);
    assert_non_null(strstr(log, "RB_TEST_MISSING is missing: set it to what it is"));
    assert_non_null(strstr(log, "RB_TEST_SHORT is too short: it has 7 characters and needs 16"));
    assert_non_null(strstr(log, "RB_TEST_NONE is missing"));
    assert_non_null(strstr(log, "note 0"));
    assert_null(strstr(log, "hunter2"));
    assert_null(strstr(log, "0123456789abcdef"));
    rb_config_free(config);
}

/* ---- metrics ------------------------------------------------------------------------------------------ */

static char *metrics_text(void)
{
    struct rb_buf buf;
    rb_buf_init(&buf, 1 << 20);
    assert_int_equal(rb_metrics_print(&buf), RB_OK);
    char *text = rb_strdup(buf.data);
    rb_buf_free(&buf);
    return text;
}

static void metrics_are_printed_as_prometheus_reads_them(void **state)
{
    (void)state;
    struct rb_metric *ok = rb_metric_counter("t_requests_total", "status=\"200\"", "Requests");
    struct rb_metric *gauge = rb_metric_gauge("t_depth", NULL, "Depth");
    struct rb_metric *bad = rb_metric_counter("t_requests_total", "status=\"500\"", "Requests");
    struct rb_metric *seconds = rb_metric_histogram("t_seconds", NULL, "Time");
    struct rb_metric *labelled = rb_metric_histogram("t_labelled_seconds", "a=\"b\"", "Time");
    assert_ptr_equal(rb_metric_counter("t_requests_total", "status=\"200\"", "Requests"), ok);
    assert_ptr_not_equal(ok, bad);
    rb_metric_add(ok, 2);
    rb_metric_add(ok, 1);
    rb_metric_add(bad, 1);
    rb_metric_set(gauge, -7);
    rb_metric_observe_us(seconds, 500);       /* its bound belongs to the first bucket */
    rb_metric_observe_us(seconds, 501);       /* to the second */
    rb_metric_observe_us(seconds, 120000000); /* beyond the last */
    rb_metric_observe_us(labelled, 1000000);
    rb_metric_observe_us(ok, 1); /* no histogram: nothing happens */
    char *text = metrics_text();
    static const char *const wanted[] = {
        "# HELP t_requests_total Requests\n# TYPE t_requests_total counter\n"
        "t_requests_total{status=\"200\"} 3\nt_requests_total{status=\"500\"} 1\n",
        "# TYPE t_depth gauge\nt_depth -7\n",
        "# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.0005\"} 1\nt_seconds_bucket{le=\"0.001\"} 2\n",
        "t_seconds_bucket{le=\"60\"} 2\nt_seconds_bucket{le=\"+Inf\"} 3\nt_seconds_sum 120.001001\n"
        "t_seconds_count 3\n",
        "t_labelled_seconds_bucket{a=\"b\",le=\"0.5\"} 0\nt_labelled_seconds_bucket{a=\"b\",le=\"1\"} 1\n",
        "t_labelled_seconds_sum{a=\"b\"} 1.000000\nt_labelled_seconds_count{a=\"b\"} 1\n",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_open_fds ",
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (!strstr(text, wanted[i]))
            fail_msg("missing:\n%s\nin:\n%s", wanted[i], text);
    }
    assert_null(strstr(text, "overflow"));
    free(text);
}

static void metrics_count_open_descriptors(void **state)
{
    (void)state;
    char *before = metrics_text();
    int fd = memfd_create("one more", MFD_CLOEXEC);
    char *after = metrics_text();
    close(fd);
    static const char name[] = "\nprocess_open_fds ";
    assert_int_equal(strtol(strstr(after, name) + sizeof(name) - 1, NULL, 10),
                     strtol(strstr(before, name) + sizeof(name) - 1, NULL, 10) + 1);
    free(before);
    free(after);
}

static void *count_up(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        rb_metric_add(rb_metric_counter("t_raced_total", NULL, ""), 1);
        rb_metric_observe_us(arg, i * 1000);
    }
    return NULL;
}

static void metrics_lose_nothing_between_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct rb_metric *histogram = rb_metric_histogram("t_raced_seconds", NULL, "");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, histogram), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *text = metrics_text();
    assert_non_null(strstr(text, "\nt_raced_total 80000\n"));
    assert_non_null(strstr(text, "\nt_raced_seconds_count 80000\n"));
    assert_non_null(strstr(text, "\nt_raced_seconds_bucket{le=\"+Inf\"} 80000\n"));
    free(text);
}

/* The last of the metrics tests: it fills the table. */
static void metrics_are_bounded(void **state)
{
    (void)state;
    char labels[32];
    struct rb_metric *metric = NULL, *last = NULL;
    for (int i = 0; i < 1100; i++) {
        snprintf(labels, sizeof(labels), "n=\"%d\"", i);
        last = metric;
        metric = rb_metric_counter("t_many_total", labels, "Many");
        rb_metric_add(metric, 1);
    }
    assert_ptr_equal(metric, last);
    assert_ptr_equal(rb_metric_histogram("t_one_more_seconds", NULL, ""), metric);
    rb_metric_observe_us(metric, 5); /* and takes any kind of update */
    char *text = metrics_text();
    assert_non_null(strstr(text, "t_many_total{n=\"0\"} 1\n"));
    assert_null(strstr(text, "t_many_total{n=\"1099\"}"));
    assert_non_null(
        strstr(text, "# TYPE repobus_metrics_overflow_total counter\nrepobus_metrics_overflow_total "));
    free(text);
    struct rb_buf small;
    rb_buf_init(&small, 100);
    assert_int_equal(rb_metrics_print(&small), RB_ETOOBIG);
    rb_buf_free(&small);
}

/* ---- health ------------------------------------------------------------------------------------------- */

static const char *unready; /* NULL: ready */
static bool say_ready(void *arg, char *reason, size_t size)
{
    (void)arg;
    if (unready)
        snprintf(reason, size, "%s", unready);
    return !unready;
}

static void health_refuses_impossible_addresses(void **state)
{
    (void)state;
    struct rb_health *health = NULL;
    static const char *const addresses[] = {"", "localhost", "127.0.0.1.1", "::1", "256.0.0.1"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        assert_int_equal(rb_health_start(&health, addresses[i], 0, NULL, NULL), RB_EINVAL);
    assert_int_equal(rb_health_start(&health, "127.0.0.1", 65536, NULL, NULL), RB_EINVAL);
    assert_int_equal(rb_health_start(&health, "127.0.0.1", -1, NULL, NULL), RB_EINVAL);
    struct canned_server taken;
    static const char *const nothing[] = {NULL};
    canned_start(&taken, nothing);
    assert_int_equal(rb_health_start(&health, "127.0.0.1", taken.port, NULL, NULL), RB_ECONFLICT);
    canned_stop(&taken);
    assert_null(health);
}

static void health_answers_three_routes(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *unready, *body;
        int status;
    } rows[] = {
        {"GET", "/healthz", NULL, "{\"status\":\"ok\"}", 200},
        {"GET", "/healthz", "not yet", "{\"status\":\"ok\"}", 200},
        {"GET", "/readyz", NULL, "{\"ready\":true}", 200},
        {"GET", "/readyz", "no NATS", "{\"ready\":false,\"reason\":\"no NATS\"}", 503},
        {"GET", "/readyz", "a \"b\" \\ \n c", "{\"ready\":false,\"reason\":\"a  b      c\"}", 503},
        {"GET", "/metrics", NULL, "\nprocess_open_fds ", 200},
        {"GET", "/metrics?x=1", NULL, "text/plain; version=0.0.4", 200},
        {"GET", "/", NULL, "{\"detail\":", 404},
        {"GET", "/healthz/x", NULL, "{\"detail\":", 404},
        {"POST", "/healthz", NULL, "allow: GET\r\n", 405},
    };
    struct rb_health *health = NULL, *second = NULL;
    char answer[1 << 17], line[1024];
    capture_start();
    assert_int_equal(rb_health_start(&health, "127.0.0.1", 0, say_ready, NULL), RB_OK);
    capture_end(line, sizeof(line));
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "health listening=127.0.0.1:%d\n", rb_health_port(health));
    assert_non_null(strstr(line, wanted));
    assert_int_equal(rb_health_start(&second, "127.0.0.1", 0, say_ready, NULL), RB_ECONFLICT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unready = rows[i].unready;
        assert_int_equal(
            http_ask(answer, sizeof(answer), rb_health_port(health), rows[i].method, rows[i].path, NULL),
            rows[i].status);
        if (!strstr(answer, rows[i].body))
            fail_msg("%s %s: %s", rows[i].method, rows[i].path, answer);
    }
    /* A client that says nothing keeps nobody from being answered, nor the thread from ending. */
    int silent = http_connect(rb_health_port(health));
    unready = NULL;
    assert_int_equal(http_ask(answer, sizeof(answer), rb_health_port(health), "GET", "/readyz", NULL), 200);
    rb_health_stop(health);
    rb_health_stop(NULL);
    close(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_lines_cannot_be_forged),
        cmocka_unit_test(log_lines_are_bounded_and_filtered),
        cmocka_unit_test(config_numbers_are_within_bounds),
        cmocka_unit_test(config_addresses_are_plain),
        cmocka_unit_test(config_says_everything_that_is_wrong_and_no_secret),
        cmocka_unit_test(metrics_are_printed_as_prometheus_reads_them),
        cmocka_unit_test(metrics_count_open_descriptors),
        cmocka_unit_test(metrics_lose_nothing_between_threads),
        cmocka_unit_test(metrics_are_bounded),
        cmocka_unit_test(health_refuses_impossible_addresses),
        cmocka_unit_test(health_answers_three_routes),
    };
    rb_log_init("test");
    return cmocka_run_group_tests_name("base process", tests, NULL, NULL);
}
