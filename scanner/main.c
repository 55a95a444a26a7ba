/*
 * repobus-scanner: for every repository that is connected or scanned again, says what it is.
 */
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scanner/etags.h"
#include "scanner/service.h"

#define HEALTH_PORT_DEFAULT 8081
#define WORKERS_DEFAULT     2 /* a scan waits for GitHub most of its time */

static const char main_help[] = "repobus-scanner - says what connected repositories are\n"
                                "\n"
                                "Settings are environment variables:\n";

int main(int argc, char **argv)
{
    static const struct rb_route routes[] = {
        {RB_REPO_CONNECTED, rb_scanner_handle},
        {RB_REPO_RESCAN, rb_scanner_handle},
        {RB_REPO_DISCONNECTED, rb_scanner_handle_disconnect},
        {NULL, NULL},
    };
    static const struct rb_query queries[] = {
        {RB_INSTALLATION_GITHUB, rb_scanner_github},
        {RB_DELIVERY_PAYLOAD, rb_scanner_payload},
        {NULL, NULL},
    };
    struct rb_scanner scanner = {0};
    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr, "%s%s%s", main_help, rb_repo_sources_help, rb_subscriber_help());
        return help ? 0 : 2;
    }
    struct rb_config *config = rb_config_new();
    int status = EXIT_FAILURE;
    rb_log_init("scanner");
    xmlInitParser(); /* before there are threads */
    if (rb_repo_sources_start(&scanner.sources, config, "repobus-scanner")) {
        rb_log_error("not started: %s", rb_error_text());
        goto out;
    }
    scanner.etags = etags_new();
    const struct rb_subscriber subscriber = {
        .name = "scanner",
        .filter = "repo.*",
        .routes = routes,
        .queries = queries,
        .query_workers = SCANNER_SERVICE_WORKERS,
        .workers = WORKERS_DEFAULT,
        .health_port = HEALTH_PORT_DEFAULT,
        .app = &scanner,
        .worker_open = rb_scanner_worker_open,
        .worker_close = rb_scanner_worker_close,
        .ping = rb_scanner_worker_ping,
    };
    status = rb_subscriber_run(&subscriber);
out:
    etags_free(scanner.etags);
    rb_repo_sources_stop(&scanner.sources);
    rb_config_free(config);
    xmlCleanupParser();
    return status;
}
