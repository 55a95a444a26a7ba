/*
 * scanner: what happens with one event.
 */
#ifndef RB_SCANNER_HANDLER_H
#define RB_SCANNER_HANDLER_H

#include "bus/bus.h"
#include "lib/repo/repo.h"

struct etags;
struct rb_scanner {
    struct rb_repo_sources sources;
    struct etags *etags; /* of what others ask (service.h) */
};

/* Handles repo.connected and repo.rescan. `app` is the rb_scanner, `local` the worker's rb_db. */
struct rb_result rb_scanner_handle(struct rb_work *work, void *app, void *local);
/* repo.disconnected: the profiles of the installation go. */
struct rb_result rb_scanner_handle_disconnect(struct rb_work *work, void *app, void *local);
/* Opens and closes the worker's own connection. */
rb_err rb_scanner_worker_open(void **local, void *app) RB_MUST_CHECK;
void rb_scanner_worker_close(void *local, void *app);
rb_err rb_scanner_worker_ping(void *local, void *app) RB_MUST_CHECK;

#endif
