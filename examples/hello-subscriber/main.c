/*
 * The shortest working subscriber: says hello to every repository that is connected.
 *
 * Built with `make` here, or by hand, from the root of Repobus after `make build`:
 *
 *   cc -std=gnu17 -D_GNU_SOURCE -I. examples/hello-subscriber/main.c -o hello-subscriber \
 *      build/lib/libbus.a build/lib/liblib_base.a \
 *      $(pkg-config --cflags --libs libnats jansson libsodium openssl) -pthread
 *
 * and run with NATS_URL=nats://127.0.0.1:4222 ./hello-subscriber. Retries, dead letters, progress on the web
 * page, health, metrics and draining on SIGTERM come from libbus.
 */
#include <stdio.h>

#include "bus/bus.h"

static struct rb_result hello(struct rb_work *work, void *app, void *local)
{
    (void)app;
    (void)local;
    printf("hello, %s\n", rb_work_string(work, "repo"));
    fflush(stdout);
    rb_work_progress(work, 1, 1, "said hello");
    return rb_done();
}

int main(void)
{
    static const struct rb_route routes[] = {{RB_REPO_CONNECTED, hello}, {NULL, NULL}};
    const struct rb_subscriber subscriber = {
        .name = "hello",
        .filter = RB_REPO_CONNECTED,
        .routes = routes,
    };

    rb_log_init("hello");
    return rb_subscriber_run(&subscriber);
}
