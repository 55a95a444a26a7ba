/*
 * The shortest working subscriber: says hello to every repository that is connected.
 *
 * Built by `make build`, and with what `make install` installs by
 *
 *   cc main.c -o hello-subscriber $(pkg-config --cflags --libs repobus)
 *
 * and run with NATS_URL=nats://127.0.0.1:4222 ./hello-subscriber. Retries, dead letters, progress on the web
 * page, health, metrics and draining on SIGTERM come from libbus.
 */
#include <stdio.h>

#include <repobus/bus.h>

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
