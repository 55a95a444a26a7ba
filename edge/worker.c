/* Threads of the background: each has its own blocking database connection and sleeps until there is work. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "edge/edge.h"

struct worker_thread {
    pthread_t id;
    atomic_bool stopping;
};

static void *worker_main(void *arg)
{
    struct edge_worker *worker = arg;
    worker->run(worker);
    return NULL;
}

rb_err edge_worker_start(struct edge_worker *worker)
{
    struct worker_thread *thread = rb_calloc(1, sizeof(*thread));
    worker->thread = thread;
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd < 0)
        return rb_error_set(RB_EINTERNAL, "%s: no eventfd: %s", worker->name, strerror(errno));
    rb_err err = rb_db_open(&worker->db, worker->edge->settings.database_url, worker->name, 0);
    if (err)
        return err;
    int failed = pthread_create(&thread->id, NULL, worker_main, worker);
    return failed ? rb_error_set(RB_EINTERNAL, "%s: no thread: %s", worker->name, strerror(failed)) : RB_OK;
}

void edge_worker_stop(struct edge_worker *worker)
{
    struct worker_thread *thread = worker->thread;
    uint64_t one = 1;
    atomic_store(&thread->stopping, true);
    ssize_t written = write(worker->wake_fd, &one, sizeof(one));
    (void)written;
    pthread_join(thread->id, NULL);
    rb_db_close(worker->db);
    close(worker->wake_fd);
    free(thread);
    worker->thread = NULL;
}

bool edge_worker_is_stopping(const struct edge_worker *worker)
{
    return atomic_load(&((struct worker_thread *)worker->thread)->stopping);
}

void edge_worker_sleep(const struct edge_worker *worker, int64_t ms)
{
    struct pollfd wake = {.fd = worker->wake_fd, .events = POLLIN};
    poll(&wake, 1, (int)ms);
}
