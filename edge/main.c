/* repobus-edge: configuration, what the process is made of, and its end. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "edge/edge.h"

/* Memory from this size on goes back to the system when it is freed, which glibc gives up after the first few
 * if it is not told (mallopt(3)): bodies of webhooks, and what is made of them. */
#define MAIN_LARGE (4 * 1024 * 1024)
#define MAIN_TRIM \
    (2 * 1024 * 1024) /* below it, it stays: what comes and goes are a batch of webhooks and of events */
#define MAIN_ARENAS 2 /* malloc's own: one per thread would cost more memory than it saves time */

static const char main_help[] =
    "repobus-edge - the HTTP server of Repobus\n"
    "\n"
    "Settings are environment variables:\n"
    "  SECRET_KEY            32 characters or more, required; SECRET_KEY_PREVIOUS while rotating\n"
    "  DATABASE_URL          postgresql://user:password@host:5432/database, required\n"
    "  NATS_URL              nats://host:4222, required; several behind commas\n"
    "%s"
    "  BACKEND_URL           where GitHub reaches this server, required\n"
    "  FRONTEND_URL          where people land after signing in; its pages may call this server\n"
    "  GITHUB_API_URL        https://api.github.com\n"
    "  GITHUB_URL            where people sign in: https://github.com, or what GITHUB_API_URL belongs to\n"
    "  GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET\n"
    "                        of the OAuth app people sign in through; without them nobody can\n"
    "  SESSION_SECONDS       604800, until a person has to sign in again\n"
    "  LISTEN_ADDRESS, PORT  127.0.0.1, 8080 (0: any free port)\n"
    "  TLS_CERTIFICATE, TLS_KEY\n"
    "                        PEM files: HTTPS without a proxy in front\n"
    "  TRUSTED_PROXIES       10.0.0.0/8,::1: whose X-Forwarded-For is believed\n"
    "  BODY_MEMORY_MB        256, for bodies that are being received\n"
    "  EDGE_THREADS          one a core\n"
    "  GITHUB_TIMEOUT_MS     10000, a whole request to GitHub\n"
    "  RESERVATION_SECONDS   60, until a connect that did not end is taken back\n"
    "  RECONCILE_SECONDS     30, between sweeps\n"
    "  CHECK_SECONDS         21600, between looks at a connected repository and its hook\n"
    "  DELIVERIES_SECONDS    300, between looks for webhooks that GitHub could not deliver\n"
    "  REQUEST_SECONDS       15, for the head and body of a request to arrive\n"
    "  STALL_SECONDS         30, until a client that does not take its answer is cut\n"
    "  DRAIN_SECONDS         20, for requests under way after SIGTERM\n"
    "  LOG_LEVEL, LOG_FORMAT debug|info|warn|error, text|json\n"
    "  OTEL_EXPORTER_OTLP_ENDPOINT\n"
    "                        http://collector:4318, for traces; off without\n"
    "\n"
    "It ends with 0 after SIGTERM or SIGINT, with 1 when it cannot start.\n";

/* The web address that belongs to an API's: https://api.github.com is github.com's, HOST/api/v3 an
 * enterprise's. */
static const char *main_web_url(const char *api_url)
{
    static char url[640];
    static const char enterprise[] = "/api/v3";
    size_t len = strlen(api_url);
    if (strcmp(api_url, "https://api.github.com") == 0)
        return "https://github.com";
    if (len > sizeof(enterprise) && strcmp(api_url + len - (sizeof(enterprise) - 1), enterprise) == 0)
        len -= sizeof(enterprise) - 1;
    snprintf(url, sizeof(url), "%.*s", (int)len, api_url);
    return url;
}

static void main_configure_sign_in(struct rb_config *config, struct edge_settings *settings)
{
    static char redirect_uri[640];
    const char *web = rb_config_url(config, "GITHUB_URL", "", "where people sign in to GitHub");
    settings->app.client_id = rb_config_string(config, "GITHUB_CLIENT_ID", "", NULL);
    settings->app.client_secret =
        rb_config_secret(config, "GITHUB_CLIENT_SECRET", 1, *settings->app.client_id != '\0');
    settings->app.web_url = web && *web                ? web
                            : settings->github_api_url ? main_web_url(settings->github_api_url)
                                                       : "";
    snprintf(redirect_uri, sizeof(redirect_uri), "%s/auth/github/callback", settings->backend_url);
    settings->app.redirect_uri = redirect_uri;
    settings->session_seconds = (int)rb_config_int(config, "SESSION_SECONDS", 604800, 60, 31536000);
}

/* Scheme, host and port, as browsers write them in Origin. */
static const char *main_origin(const char *url)
{
    static char origin[640];
    snprintf(origin, sizeof(origin), "%.*s", (int)rb_url_origin(url), url);
    return origin;
}

static void main_configure_server(struct rb_config *config, struct edge_settings *settings)
{
    const char *proxies = rb_config_string(config, "TRUSTED_PROXIES", "", NULL);
    settings->tls_certificate = rb_config_string(config, "TLS_CERTIFICATE", "", NULL);
    settings->tls_key = rb_config_string(config, "TLS_KEY", "", NULL);
    settings->body_memory = rb_config_int(config, "BODY_MEMORY_MB", 256, 80, 1048576) * 1024 * 1024;
    if (!*settings->tls_certificate != !*settings->tls_key)
        rb_config_note(config, "TLS_CERTIFICATE and TLS_KEY are needed together");
    if (edge_proxies_parse(&settings->proxies, proxies))
        rb_config_note(config, "TRUSTED_PROXIES: %s", rb_error_text());
}

static rb_err main_configure(struct rb_config *config, struct edge_settings *settings)
{
    static char hook_url[640];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    settings->secret_key = rb_config_secret(config, "SECRET_KEY", RB_SECRET_KEY_MIN, true);
    settings->secret_key_previous = rb_config_secret(config, "SECRET_KEY_PREVIOUS", RB_SECRET_KEY_MIN, false);
    settings->database_url =
        rb_config_string(config, "DATABASE_URL", NULL, "postgresql://user:password@host:5432/database");
    settings->nats_url = rb_config_string(config, "NATS_URL", NULL, "nats://host:4222");
    settings->github_api_url =
        rb_config_url(config, "GITHUB_API_URL", "https://api.github.com", "the address of GitHub's API");
    settings->listen_address = rb_config_string(config, "LISTEN_ADDRESS", "127.0.0.1", NULL);
    settings->port = (int)rb_config_int(config, "PORT", 8080, 0, 65535);
    settings->threads = (int)rb_config_int(config, "EDGE_THREADS", cores > 0 ? cores : 1, 1, 64);
    settings->github_timeout_ms = (int)rb_config_int(config, "GITHUB_TIMEOUT_MS", 10000, 100, 60000);
    settings->reservation_seconds = (int)rb_config_int(config, "RESERVATION_SECONDS", 60, 1, 3600);
    settings->reconcile_seconds = (int)rb_config_int(config, "RECONCILE_SECONDS", 30, 1, 86400);
    settings->check_seconds = (int)rb_config_int(config, "CHECK_SECONDS", 21600, 1, 2592000);
    settings->deliveries_seconds = (int)rb_config_int(config, "DELIVERIES_SECONDS", 300, 1, 86400);
    settings->request_seconds = (int)rb_config_int(config, "REQUEST_SECONDS", 15, 1, 600);
    settings->stall_seconds = (int)rb_config_int(config, "STALL_SECONDS", 30, 1, 600);
    /* A count of what waits costs something where much does; tests look more often. */
    settings->measure_ms = (int)rb_config_int(config, "RB_WATCH_MS", 5000, 10, 3600000);
    settings->drain_seconds = (int)rb_config_int(config, "DRAIN_SECONDS", 20, 0, 600);
    const char *backend =
        rb_config_url(config, "BACKEND_URL", NULL, "the address at which GitHub reaches this server");
    settings->backend_url = backend ? backend : "";
    settings->frontend_url = rb_config_url(config, "FRONTEND_URL", "", "the pages that people use");
    settings->frontend_origin = main_origin(settings->frontend_url);
    settings->is_local = strncmp(settings->backend_url, "http://", 7) == 0;
    snprintf(hook_url, sizeof(hook_url), "%s/api/v1/webhooks/github", settings->backend_url);
    settings->hook_url = hook_url;
    main_configure_sign_in(config, settings);
    main_configure_server(config, settings);
    return rb_config_check(config);
}

static rb_err main_make(struct edge *edge)
{
    const struct rb_github_options github = {.base_url = edge->settings.github_api_url,
                                             .user_agent = "repobus",
                                             .timeout_ms = edge->settings.github_timeout_ms};
    const struct rb_bus_options bus = {
        .url = edge->settings.nats_url, .name = "repobus-edge", .user = "edge"};
    rb_err err = rb_trace_start("edge");
    if (!err)
        err = rb_keyring_new(&edge->keyring, edge->settings.secret_key, edge->settings.secret_key_previous);
    if (!err)
        err = rb_github_start(&edge->github, &github);
    if (!err)
        err = rb_bus_connect(&edge->bus, &bus);
    if (!err)
        err = edge_relay_start(edge);
    if (!err)
        err = edge_projection_start(edge);
    if (!err)
        err = edge_reconciler_start(edge);
    return err ? err : edge_server_start(edge);
}

/* Each connection is one, and shells give 1,024. */
static void main_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static struct edge edge; /* as long as the process */
    sigset_t signals;
    int received = 0;
    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr, main_help, rb_bus_help);
        return help ? 0 : 2;
    }
    rb_log_init("edge");
    mallopt(M_MMAP_THRESHOLD, MAIN_LARGE);
    mallopt(M_TRIM_THRESHOLD, MAIN_TRIM);
    mallopt(M_ARENA_MAX, MAIN_ARENAS);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* a core dump would hold keys */
    main_raise_descriptors();
    struct rb_config *config = rb_config_new();
    if (main_configure(config, &edge.settings)) {
        rb_config_free(config);
        return 1;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before there are threads: sigwait() below takes them */
    if (main_make(&edge)) {
        rb_log_error("%s", rb_error_text());
        _exit(1); /* threads that have been started still use all of this */
    }
    sigwait(&signals, &received);
    rb_log_info("stopping");
    edge_server_stop();
    edge_reconciler_stop();
    edge_projection_stop();
    edge_relay_stop();
    rb_github_stop(edge.github);
    rb_bus_close(edge.bus);
    rb_trace_stop();
    rb_keyring_free(edge.keyring);
    rb_config_free(config);
    return 0;
}
