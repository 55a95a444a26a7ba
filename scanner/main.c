/*
 * repobus-scanner: for every repository that is connected or scanned again, says what it is.
 */
#include <libxml/parser.h>
#include <stdlib.h>

#include "scanner/handler.h"

#define HEALTH_PORT_DEFAULT 8081
#define WORKERS_DEFAULT     2 /* a scan waits for GitHub most of its time */

static rb_err scanner_configure(struct rb_scanner *scanner, struct rb_keyring **keyring,
                                struct rb_config *config)
{
    scanner->database_url =
        rb_config_string(config, "DATABASE_URL", NULL, "postgresql://user:password@host/database");
    const char *key = rb_config_secret(config, "SECRET_KEY", 32, true);
    const char *previous = rb_config_secret(config, "SECRET_KEY_PREVIOUS", 32, false);
    struct rb_github_options options = {
        .base_url =
            rb_config_url(config, "GITHUB_API_URL", "https://api.github.com", "address of GitHub's API"),
        .user_agent = "repobus-scanner",
    };
    rb_err err = rb_config_check(config);
    if (err)
        return err;
    err = rb_keyring_new(keyring, key, previous);
    if (err)
        return err;
    scanner->sources.keyring = *keyring;
    return rb_github_start(&scanner->sources.github, &options);
}

int main(void)
{
    static const struct rb_route routes[] = {
        {RB_REPO_CONNECTED, rb_scanner_handle},
        {RB_REPO_RESCAN, rb_scanner_handle},
        {NULL, NULL},
    };
    struct rb_scanner scanner = {0};
    struct rb_keyring *keyring = NULL;
    struct rb_config *config = rb_config_new();
    int status = EXIT_FAILURE;
    rb_log_init("scanner");
    xmlInitParser(); /* before there are threads */
    if (scanner_configure(&scanner, &keyring, config)) {
        rb_log_error("not started: %s", rb_error_text());
        goto out;
    }
    const struct rb_subscriber subscriber = {
        .name = "scanner",
        .filter = "repo.*",
        .routes = routes,
        .workers = WORKERS_DEFAULT,
        .health_port = HEALTH_PORT_DEFAULT,
        .app = &scanner,
        .worker_open = rb_scanner_worker_open,
        .worker_close = rb_scanner_worker_close,
    };
    status = rb_subscriber_run(&subscriber);
out:
    rb_github_stop(scanner.sources.github);
    rb_keyring_free(keyring);
    rb_config_free(config);
    xmlCleanupParser();
    return status;
}
