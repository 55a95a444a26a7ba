/* Many requests at once within the budget of the token, answered in any order, waited for together. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

/* Asked for at once. A request's time begins when it is submitted: with all of them in the queue, the last
 * would run out of it while the first are answered. */
#define FILES_AHEAD ((size_t)(2 * RB_GITHUB_IN_FLIGHT))

/* The callbacks run on the client's thread. */
struct repo_crowd {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t pending;
};

static void crowd_on_answer(void *arg, struct rb_github_response *response)
{
    struct repo_asked *one = arg;
    struct repo_crowd *crowd = one->crowd;
    pthread_mutex_lock(&crowd->lock);
    one->response = *response;
    response->body = NULL; /* moved */
    one->err =
        rb_github_judge(one->sentence, sizeof(one->sentence), &one->response, one->name, one->full_name);
    crowd->pending--;
    pthread_cond_signal(&crowd->changed);
    pthread_mutex_unlock(&crowd->lock);
}

static void crowd_submit(struct repo_crowd *crowd, struct repo_asked *one, struct rb_repo_handle *handle)
{
    one->crowd = crowd;
    one->name = one->request.name;
    one->full_name = handle->full_name;
    pthread_mutex_lock(&crowd->lock);
    while (crowd->pending >= FILES_AHEAD)
        pthread_cond_wait(&crowd->changed, &crowd->lock);
    crowd->pending++;
    pthread_mutex_unlock(&crowd->lock);
    *(one->request.is_query ? &handle->used.graphql : &handle->used.rest) += 1;
    rb_err err = rb_github_submit(handle->sources.github, &one->request, handle->token, crowd_on_answer, one);
    if (err) {
        rb_github_request_clear(&one->request);
        one->err = err;
        snprintf(one->sentence, sizeof(one->sentence), "%.255s", rb_error_text());
        pthread_mutex_lock(&crowd->lock);
        crowd->pending--;
        pthread_mutex_unlock(&crowd->lock);
    }
}

void repo_ask_many(struct repo_asked *asked, size_t count, struct rb_repo_handle *handle)
{
    struct repo_crowd crowd = {.pending = 0};
    pthread_mutex_init(&crowd.lock, NULL);
    pthread_cond_init(&crowd.changed, NULL);
    for (size_t i = 0; i < count; i++)
        crowd_submit(&crowd, &asked[i], handle);
    pthread_mutex_lock(&crowd.lock);
    while (crowd.pending)
        pthread_cond_wait(&crowd.changed, &crowd.lock);
    pthread_mutex_unlock(&crowd.lock);
    pthread_cond_destroy(&crowd.changed);
    pthread_mutex_destroy(&crowd.lock);
}
