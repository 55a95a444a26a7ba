/*
 * The client: one thread with a curl multi handle. Callers put calls into an inbox and wake it; it sorts them
 * into the budgets of their tokens, starts what may start, and hands back every call exactly once. With
 * nothing to do it sleeps in curl_multi_poll until it is woken.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/github/internal.h"

#define CLIENT_TIMEOUT_MS         10000
#define CLIENT_CONNECT_TIMEOUT_MS 3000
#define CLIENT_QUEUE              4096
#define CLIENT_RUNNING            256 /* over all tokens: each is a socket, and processes have 1,024 by default */
#define CLIENT_CONNECTIONS        64 /* kept open for reuse, over all tokens */

struct rb_github {
    struct rb_github_options options;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock; /* guards inbox, pending, stopping */
    struct github_queue inbox;
    int pending; /* accepted and not handed back */
    bool stopping;
    struct github_budgets budgets; /* of the I/O thread from here on */
    struct github_call *running;
    int running_count;
};

static void client_count(const struct github_call *call)
{
    char labels[128];
    int status = call->response.status;
    if (status)
        snprintf(labels, sizeof(labels), "request=\"%s\",status=\"%dxx\"", call->request.name, status / 100);
    else
        snprintf(labels, sizeof(labels), "request=\"%s\",status=\"%s\"", call->request.name,
                 rb_err_name(call->response.err));
    rb_metric_add(rb_metric_counter("repobus_github_requests_total", labels, "Requests to GitHub by outcome"),
                  1);
    snprintf(labels, sizeof(labels), "request=\"%s\"", call->request.name);
    if (call->started_us)
        rb_metric_observe_us(
            rb_metric_histogram("repobus_github_request_seconds", labels, "Time GitHub took to answer"),
            rb_clock_us() - call->started_us);
}

/* Hands the call back and frees it. */
static void client_finish(struct rb_github *github, struct github_call *call)
{
    client_count(call);
    github_transfer_release(call);
    explicit_bzero(call->token, strlen(call->token)); /* memset() before free() is optimised away */
    free(call->token);
    rb_github_request_clear(&call->request);
    pthread_mutex_lock(&github->lock);
    github->pending--;
    pthread_mutex_unlock(&github->lock);
    call->fn(call->arg, &call->response);
    rb_github_response_clear(&call->response);
    free(call);
}

static void client_refuse(struct rb_github *github, struct github_call *call, rb_err err, const char *message)
{
    rb_github_response_clear(&call->response);
    call->response = (struct rb_github_response){.err = err, .rate_remaining = -1};
    snprintf(call->response.message, sizeof(call->response.message), "%s", message);
    client_finish(github, call);
}

/* Its budget opens too late: the answer is the one GitHub would give, without asking it (and annoying it)
 * again. */
static void client_answer_limited(struct rb_github *github, struct github_call *call, int64_t blocked_until)
{
    int64_t seconds = (blocked_until - rb_clock_ms() + 999) / 1000;
    call->response = (struct rb_github_response){.status = 429, .rate_remaining = 0, .retry_after = seconds};
    snprintf(call->response.message, sizeof(call->response.message), "rate limit reached earlier");
    client_finish(github, call);
}

/* ---- running calls ------------------------------------------------------------------------------------ */

static void client_unlink(struct rb_github *github, struct github_call *call)
{
    for (struct github_call **link = &github->running; *link; link = &(*link)->next) {
        if (*link == call) {
            *link = call->next;
            github->running_count--;
            return;
        }
    }
}

static void client_start_call(struct rb_github *github, struct github_call *call)
{
    call->started_us = rb_clock_us();
    if (github_transfer_prepare(call, &github->options, rb_clock_ms()) ||
        curl_multi_add_handle(github->multi, call->easy) != CURLM_OK) {
        call->response.status = 0;
        github_budget_ended(call->budget, call);
        client_refuse(github, call, RB_EINTERNAL, "libcurl has no memory for a request");
        return;
    }
    call->next = github->running;
    github->running = call;
    github->running_count++;
}

static void client_end_call(struct rb_github *github, CURL *easy, CURLcode code)
{
    struct github_call *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    github_transfer_read(call, code);
    const char *target = code == CURLE_OK ? github_transfer_redirect(call, github->options.base_url) : NULL;
    char *url = target ? rb_strdup(target) : NULL;
    curl_multi_remove_handle(github->multi, easy);
    if (url) {
        rb_github_response_clear(&call->response);
        rb_buf_reset(&call->body);
        int64_t left = call->deadline - rb_clock_ms();
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
        free(url);
        if (curl_multi_add_handle(github->multi, easy) == CURLM_OK)
            return;
        call->response = (struct rb_github_response){.err = RB_EINTERNAL, .rate_remaining = -1};
    }
    client_unlink(github, call);
    github_budget_ended(call->budget, call);
    client_finish(github, call);
}

/* Ends the transfers that are complete; true when there were any. */
static bool client_collect(struct rb_github *github)
{
    CURLMsg *message;
    int left;
    bool any = false;
    while ((message = curl_multi_info_read(github->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        client_end_call(github, message->easy_handle, message->data.result); /* invalidates `message` */
        any = true;
    }
    return any;
}

/* ---- the thread --------------------------------------------------------------------------------------- */

/* Moves the inbox into the budgets. False when the client is stopping. */
static bool client_take_inbox(struct rb_github *github)
{
    pthread_mutex_lock(&github->lock);
    struct github_queue arrived = github->inbox;
    github->inbox = (struct github_queue){0};
    bool stopping = github->stopping;
    pthread_mutex_unlock(&github->lock);
    struct github_call *call;
    while ((call = github_queue_pop(&arrived)))
        github_budget_wait(github_budget_of(&github->budgets, call->token), call);
    return !stopping;
}

static void client_start_what_may(struct rb_github *github)
{
    struct github_call *call;
    int64_t now = rb_clock_ms(), blocked_until = 0;
    while ((call = github_budgets_hopeless(&github->budgets, now, &blocked_until))) {
        if (blocked_until)
            client_answer_limited(github, call, blocked_until);
        else
            client_refuse(github, call, RB_ETIMEOUT, "too many requests of this person were waiting");
    }
    while (github->running_count < CLIENT_RUNNING && (call = github_budgets_next(&github->budgets, now)))
        client_start_call(github, call);
}

static int client_poll_ms(struct rb_github *github)
{
    int64_t at = github_budgets_deadline(&github->budgets), now = rb_clock_ms();
    if (at == INT64_MAX)
        return 60000; /* woken earlier by whatever happens */
    return at <= now ? 0 : at - now > 60000 ? 60000 : (int)(at - now);
}

static void client_cut_everything(struct rb_github *github)
{
    struct github_call *call;
    while ((call = github->running)) {
        github->running = call->next;
        curl_multi_remove_handle(github->multi, call->easy);
        github_budget_ended(call->budget, call);
        client_refuse(github, call, RB_EUNAVAILABLE, "the process is stopping");
    }
    while ((call = github_budgets_take_any(&github->budgets)))
        client_refuse(github, call, RB_EUNAVAILABLE, "the process is stopping");
    github_budgets_forget_idle(&github->budgets, 0, true);
}

static void *client_main(void *arg)
{
    struct rb_github *github = arg;
    int running = 0;
    while (client_take_inbox(github)) {
        /* Until nothing ends any more: what ended may have made room, and a transfer that ended without being
         * collected would wait for the next wake-up, since no socket speaks of it. */
        do {
            client_start_what_may(github);
            curl_multi_perform(github->multi, &running);
        } while (client_collect(github));
        github_budgets_forget_idle(&github->budgets, rb_clock_ms(), false);
        curl_multi_poll(github->multi, NULL, 0, client_poll_ms(github), NULL);
    }
    client_cut_everything(github);
    return NULL;
}

/* ---- public ------------------------------------------------------------------------------------------- */

rb_err rb_github_start(struct rb_github **out, const struct rb_github_options *options)
{
    struct rb_github *github = rb_calloc(1, sizeof(*github));
    github->options = *options;
    github->options.base_url = rb_strdup(options->base_url);
    github->options.user_agent = rb_strdup(options->user_agent);
    if (github->options.timeout_ms <= 0)
        github->options.timeout_ms = CLIENT_TIMEOUT_MS;
    if (github->options.connect_timeout_ms <= 0)
        github->options.connect_timeout_ms = CLIENT_CONNECT_TIMEOUT_MS;
    if (github->options.queue_limit <= 0)
        github->options.queue_limit = CLIENT_QUEUE;
    pthread_mutex_init(&github->lock, NULL);
    sigset_t all, before;
    sigfillset(&all);
    int failed = ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && (github->multi = curl_multi_init())) {
        curl_multi_setopt(github->multi, CURLMOPT_MAXCONNECTS, (long)CLIENT_CONNECTIONS);
        curl_multi_setopt(github->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
        failed = pthread_create(&github->thread, NULL, client_main, github);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (failed) {
        curl_multi_cleanup(github->multi);
        free((char *)github->options.base_url);
        free((char *)github->options.user_agent);
        free(github);
        return rb_error_set(RB_EINTERNAL, "the GitHub client cannot be started: %s", strerror(failed));
    }
    *out = github;
    return RB_OK;
}

void rb_github_stop(struct rb_github *github)
{
    if (!github)
        return;
    pthread_mutex_lock(&github->lock);
    github->stopping = true;
    pthread_mutex_unlock(&github->lock);
    curl_multi_wakeup(github->multi);
    pthread_join(github->thread, NULL);
    curl_multi_cleanup(github->multi);
    pthread_mutex_destroy(&github->lock);
    free((char *)github->options.base_url);
    free((char *)github->options.user_agent);
    free(github);
}

rb_err rb_github_submit(struct rb_github *github, struct rb_github_request *request, const char *token,
                        rb_github_fn fn, void *arg)
{
    /* A header cannot hold line breaks: such a token would be another request. */
    if (!*token || strpbrk(token, "\r\n"))
        return rb_error_set(RB_EAUTH, "the GitHub token is empty or malformed");
    rb_err err = RB_OK;
    pthread_mutex_lock(&github->lock);
    if (github->stopping)
        err = rb_error_set(RB_EUNAVAILABLE, "the process is stopping");
    else if (github->pending >= github->options.queue_limit)
        err = rb_error_set(RB_ELIMIT, "%d requests to GitHub are waiting already", github->pending);
    if (!err) {
        struct github_call *call = rb_calloc(1, sizeof(*call));
        call->request = *request;
        *request = (struct rb_github_request){0};
        call->token = rb_strdup(token);
        call->fn = fn;
        call->arg = arg;
        call->deadline = rb_clock_ms() + (call->request.timeout_ms > 0 ? call->request.timeout_ms
                                                                       : github->options.timeout_ms);
        call->response.rate_remaining = -1;
        github_queue_push(&github->inbox, call);
        github->pending++;
    }
    pthread_mutex_unlock(&github->lock);
    if (!err)
        curl_multi_wakeup(github->multi);
    return err;
}

struct client_waiter {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    struct rb_github_response *response;
};

static void client_on_answer(void *arg, struct rb_github_response *response)
{
    struct client_waiter *waiter = arg;
    pthread_mutex_lock(&waiter->lock);
    *waiter->response = *response;
    response->body = NULL; /* moved */
    waiter->done = true;
    pthread_cond_signal(&waiter->answered); /* under the lock: the waiter's frame ends as soon as it has it */
    pthread_mutex_unlock(&waiter->lock);
}

rb_err rb_github_call(struct rb_github_response *response, struct rb_github *github,
                      struct rb_github_request *request, const char *token)
{
    struct client_waiter waiter = {.response = response};
    *response = (struct rb_github_response){.rate_remaining = -1};
    pthread_mutex_init(&waiter.lock, NULL);
    pthread_cond_init(&waiter.answered, NULL);
    rb_err err = rb_github_submit(github, request, token, client_on_answer, &waiter);
    if (err) {
        rb_github_request_clear(request);
    } else {
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.done)
            pthread_cond_wait(&waiter.answered, &waiter.lock);
        pthread_mutex_unlock(&waiter.lock);
        err = response->err;
        if (err)
            rb_error_set(err, "GitHub: %s", response->message);
    }
    pthread_cond_destroy(&waiter.answered);
    pthread_mutex_destroy(&waiter.lock);
    return err;
}
