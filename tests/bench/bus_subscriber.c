/*
 * The empty subscriber on libbus, for tests/bench/bus. With RUNS=0 it writes no run records, so that the
 * bench shows what these cost.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/bus.h"

static struct rb_result bench_handle(struct rb_work *work, void *app, void *local)
{
    (void)work;
    (void)app;
    (void)local;
    return rb_done();
}

int main(void)
{
    static const struct rb_route routes[] = {{RB_REPO_CONNECTED, bench_handle}, {NULL, NULL}};
    static const char *const all[] = {RB_REPO_CONNECTED, NULL};
    const char *runs = getenv("RUNS");
    const struct rb_subscriber subscriber = {.name = getenv("NAME"),
                                             .filter = RB_REPO_CONNECTED,
                                             .routes = routes,
                                             .without_run = runs && strcmp(runs, "0") == 0 ? all : NULL};

    rb_log_init(subscriber.name);
    return rb_subscriber_run(&subscriber);
}
