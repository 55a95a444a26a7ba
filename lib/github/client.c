/*
 * The client: one thread with a curl multi handle. Callers put calls into an inbox and wake it; it sorts them
 * into the budgets of their tokens, starts what may start, and hands back every call exactly once. With
 * nothing to do it sleeps in epoll_wait until it is woken.
 *
 * libcurl says which sockets and what time it waits for (curl_multi_socket_action(3)), and hears of those
 * alone. Its simpler curl_multi_perform() asks the kernel about every transfer under way each time one of
 * them moves.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/github/internal.h"

#define CLIENT_TIMEOUT_MS         10000
#define CLIENT_CONNECT_TIMEOUT_MS 3000
#define CLIENT_QUEUE              4096
#define CLIENT_RUNNING            256 /* over all tokens: each is a socket, and processes have 1,024 by default */
#define CLIENT_CONNECTIONS        64    /* kept open for reuse, over all tokens */
#define CLIENT_EVENTS             64    /* taken from the kernel at a time */
#define CLIENT_SLEEP_MS           60000 /* woken earlier by whatever happens */

struct rb_github {
    struct rb_github_options options;
    CURLM *multi;
    int epoll_fd, wake_fd;
    pthread_t thread;
    pthread_mutex_t lock; /* guards inbox, pending, stopping */
    struct github_queue inbox;
    int pending; /* accepted and not handed back */
    bool stopping;
    int64_t curl_at;               /* when libcurl wants to be called; INT64_MAX: not by itself */
    struct github_budgets budgets; /* of the I/O thread from here on, as is curl_at */
    struct github_handles handles;
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

static void client_trace(const struct github_call *call)
{
    char own[RB_TRACEPARENT_SIZE], name[64], error[32];
    int status = call->response.status;
    if (!rb_trace_is_on() || !call->started_us || !call->request.traceparent)
        return;
    rb_traceparent_make(own, call->request.traceparent);
    snprintf(name, sizeof(name), "GitHub %s", call->request.name);
    snprintf(error, sizeof(error), "%s", rb_err_name(call->response.err));
    if (status)
        snprintf(error, sizeof(error), "status %d", status);
    const struct rb_log_field attributes[] = {RB_F_TEXT("repobus.github_request", call->request.name),
                                              RB_F_INT("http.response.status_code", status)};
    rb_trace_span(&(struct rb_span){.name = name,
                                    .traceparent = own,
                                    .parent = call->request.traceparent,
                                    .kind = RB_SPAN_CLIENT,
                                    .took_us = rb_clock_us() - call->started_us,
                                    .error = status >= 200 && status < 400 ? NULL : error,
                                    .attributes = attributes,
                                    .count = status ? 2 : 1});
}

/* Hands the call back and frees it. */
static void client_finish(struct rb_github *github, struct github_call *call)
{
    client_count(call);
    client_trace(call);
    github_transfer_release(call, &github->handles);
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
    if (github_transfer_prepare(call, &github->handles, &github->options, rb_clock_ms()) ||
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
    const char *target = code == CURLE_OK
                             ? github_transfer_redirect(call, call->request.base ? call->request.base
                                                                                 : github->options.base_url)
                             : NULL;
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

static int client_sleep_ms(struct rb_github *github)
{
    int64_t at = github_budgets_deadline(&github->budgets), now = rb_clock_ms();
    if (github->curl_at < at)
        at = github->curl_at;
    return at <= now ? 0 : at - now > CLIENT_SLEEP_MS ? CLIENT_SLEEP_MS : (int)(at - now);
}

/* The two things libcurl tells. Nothing of it may be called from within. */
static int client_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct rb_github *github = arg;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    struct epoll_event event = {.events = events, .data.fd = fd};
    (void)easy, (void)known;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(github->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
        return 0;
    }
    if (epoll_ctl(github->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    return epoll_ctl(github->epoll_fd, EPOLL_CTL_ADD, fd,
                     &event); /* -1 ends all transfers, for lack of memory */
}

static int client_on_timer(CURLM *multi, long ms, void *arg)
{
    struct rb_github *github = arg;
    (void)multi;
    github->curl_at = ms < 0 ? INT64_MAX : rb_clock_ms() + ms;
    return 0;
}

static void client_wake(struct rb_github *github)
{
    uint64_t one = 1;
    if (write(github->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        rb_log_error("GitHub client: cannot be woken: %s", strerror(errno));
}

/* Waits for what comes next and lets libcurl work on it. */
static void client_wait(struct rb_github *github)
{
    struct epoll_event events[CLIENT_EVENTS];
    uint64_t woken;
    int running, count = epoll_wait(github->epoll_fd, events, CLIENT_EVENTS, client_sleep_ms(github));
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        int bits = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        if (fd == github->wake_fd)
            (void)!read(fd, &woken, sizeof(woken));
        else /* a socket that was closed meanwhile is unknown to libcurl, which says nothing */
            curl_multi_socket_action(github->multi, fd, bits, &running);
    }
}

/* Transfers that have just been added, and those whose time is up. */
static void client_run_timer(struct rb_github *github)
{
    int running;
    if (github->curl_at > rb_clock_ms())
        return;
    github->curl_at = INT64_MAX; /* it is for once; libcurl sets the next */
    curl_multi_socket_action(github->multi, CURL_SOCKET_TIMEOUT, 0, &running);
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
    while (client_take_inbox(github)) {
        /* Until nothing ends any more: what ended may have made room. */
        do {
            client_start_what_may(github);
            client_run_timer(github);
        } while (client_collect(github));
        github_budgets_forget_idle(&github->budgets, rb_clock_ms(), false);
        client_wait(github);
    }
    client_cut_everything(github);
    return NULL;
}

/* ---- public ------------------------------------------------------------------------------------------- */

static bool client_open(struct rb_github *github)
{
    struct epoll_event event = {.events = EPOLLIN};
    github->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    github->wake_fd = event.data.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return github->epoll_fd >= 0 && github->wake_fd >= 0 &&
           epoll_ctl(github->epoll_fd, EPOLL_CTL_ADD, github->wake_fd, &event) == 0 &&
           curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && (github->multi = curl_multi_init());
}

static void client_free(struct rb_github *github)
{
    github_handles_free(&github->handles);
    curl_multi_cleanup(github->multi); /* tells client_on_socket() of every connection it closes */
    if (github->wake_fd >= 0)
        close(github->wake_fd);
    if (github->epoll_fd >= 0)
        close(github->epoll_fd);
    pthread_mutex_destroy(&github->lock);
    free((char *)github->options.base_url);
    free((char *)github->options.user_agent);
    free(github);
}

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
    github->curl_at = INT64_MAX;
    if (client_open(github)) {
        curl_multi_setopt(github->multi, CURLMOPT_SOCKETFUNCTION, client_on_socket);
        curl_multi_setopt(github->multi, CURLMOPT_SOCKETDATA, github);
        curl_multi_setopt(github->multi, CURLMOPT_TIMERFUNCTION, client_on_timer);
        curl_multi_setopt(github->multi, CURLMOPT_TIMERDATA, github);
        curl_multi_setopt(github->multi, CURLMOPT_MAXCONNECTS, (long)CLIENT_CONNECTIONS);
        curl_multi_setopt(github->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
        failed = pthread_create(&github->thread, NULL, client_main, github);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (failed) {
        client_free(github);
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
    client_wake(github);
    pthread_join(github->thread, NULL);
    client_free(github);
}

rb_err rb_github_submit(struct rb_github *github, struct rb_github_request *request, const char *token,
                        rb_github_fn fn, void *arg)
{
    /* A header cannot hold line breaks: such a token would be another request. */
    if ((!*token && !request->base) || strpbrk(token, "\r\n"))
        return rb_error_set(RB_EAUTH, "the GitHub token is empty or malformed");
    rb_err err = RB_OK;
    bool first = false;
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
        first = !github->inbox.head; /* behind others the thread is on its way already */
        github_queue_push(&github->inbox, call);
        github->pending++;
    }
    pthread_mutex_unlock(&github->lock);
    if (first)
        client_wake(github);
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
