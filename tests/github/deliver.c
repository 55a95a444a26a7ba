/*
 * Deliveries of webhooks, as GitHub makes them: one POST per hook, signed with the hook's secret, all hooks
 * of an event under one delivery id, ten seconds to answer, no second try. One thread with curl sends them;
 * the results come back to the event loop as messages. Only hosts that are clearly at home are sent to (an IP
 * address, a name without a dot, localhost): a test must not reach out into the world.
 */
#include "lib/secrets/secrets.h"
#include "tests/github/standin.h"

#include <curl/curl.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define DELIVER_TIMEOUT_MS  10000 /* GitHub's */
#define DELIVER_QUEUE_MAX   10000 /* beyond it a delivery counts as failed */
#define DELIVER_AT_ONCE     64    /* connections of one curl handle */
#define DELIVER_IDLE_MS     1000
#define DELIVER_ANSWER_MAX  ((size_t)64 * 1024) /* of what a receiver answers: enough to look at */
#define DELIVER_AGENT       "GitHub-Hookshot/b8c71d8"
#define DELIVER_NO_EXPECT   "Expect:"                  /* curl would wait for "100 Continue" */
#define DELIVER_PAYLOAD_MAX ((size_t)25 * 1024 * 1024) /* GitHub does not send larger ones */

/* One event: shared by the jobs of all its hooks. */
struct deliver_event {
    struct sim *sim;
    int64_t repo_id;
    char name[64];
    char guid[RB_UUID_SIZE];
    json_t *payload;
    json_t *results; /* the loop's alone, as is the payload: json counts references without a lock */
    size_t open;     /* jobs that have not come back */
    bool is_again;
    rb_sim_delivered_fn done;
    void *arg;
};

struct deliver_job {
    h2o_multithread_message_t message; /* first: the loop gets the job by it */
    struct deliver_event *event;
    struct deliver_job *next;
    CURL *easy;
    int64_t hook_id;
    char *url;
    char *body;
    size_t len;
    struct curl_slist *headers;
    struct rb_buf response; /* header lines as they came */
    struct rb_buf answer;   /* the body, its beginning */
    bool is_insecure;
    int64_t begun_ms;
    int64_t took_ms;
    int status;
};

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    CURLM *multi;
    struct deliver_job *running; /* the thread's */
    struct deliver_job *first;   /* waiting, oldest first */
    struct deliver_job *last;
    size_t count;
    size_t open; /* the loop's: jobs that have not come back */
    bool is_stopping;
    bool is_running;
    h2o_loop_t *loop;
    h2o_multithread_queue_t *queue;
    h2o_multithread_receiver_t receiver;
} deliver;

static void deliver_job_free(struct deliver_job *job)
{
    curl_slist_free_all(job->headers);
    rb_buf_free(&job->response);
    rb_buf_free(&job->answer);
    free(job->url);
    free(job->body);
    free(job);
}

/* ---- on the loop ---- */

/* "Name: value" lines as an object. */
static void deliver_parse_header(json_t *headers, const char *line, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    const char *colon = memchr(line, ':', len);
    if (colon != NULL) {
        const char *value = colon + 1 + strspn(colon + 1, " ");
        size_t value_len = value < line + len ? (size_t)(line + len - value) : 0;
        json_object_set_new(headers, rb_sim_utf8(arena, line, (size_t)(colon - line)),
                            json_string(rb_sim_utf8(arena, value, value_len)));
    }
    rb_arena_free(arena);
}

static json_t *deliver_request_headers(const struct deliver_job *job)
{
    json_t *headers = json_object();
    for (const struct curl_slist *line = job->headers; line != NULL; line = line->next) {
        if (strcmp(line->data, DELIVER_NO_EXPECT) != 0) {
            deliver_parse_header(headers, line->data, strlen(line->data));
        }
    }
    return headers;
}

static json_t *deliver_response_headers(const struct deliver_job *job)
{
    json_t *headers = json_object();
    const char *line = job->response.len > 0 ? job->response.data : "";
    while (*line != '\0') {
        deliver_parse_header(headers, line, strcspn(line, "\r\n"));
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return headers;
}

static char *deliver_answer(const struct deliver_job *job)
{
    struct rb_arena *arena = rb_arena_new();
    const char *data = job->answer.len > 0 ? job->answer.data : "";
    char *text = rb_strdup(rb_sim_utf8(arena, data, job->answer.len));
    rb_arena_free(arena);
    return text;
}

static void deliver_remember(struct deliver_job *job)
{
    struct deliver_event *event = job->event;
    struct sim_repo *repo = rb_sim_repo_by_id(&event->sim->state, event->repo_id);
    struct sim_hook *hook = repo != NULL ? rb_sim_hook_find(repo, job->hook_id) : NULL;
    if (hook == NULL) {
        return;
    }
    struct sim_delivery *slot = &hook->deliveries[hook->delivery_count++ % SIM_DELIVERIES_KEPT];
    rb_sim_delivery_clear(slot);
    *slot = (struct sim_delivery){
        .id = event->sim->state.next_delivery_id++,
        .at_ms = rb_clock_wall_ms() - job->took_ms,
        .duration_ms = job->took_ms,
        .status = job->status,
        .is_again = event->is_again,
        .payload = json_incref(event->payload),
        .request = deliver_request_headers(job),
        .response = deliver_response_headers(job),
        .answer = deliver_answer(job),
    };
    const char *action = rb_sim_json_string(event->payload, "action");
    memcpy(slot->guid, event->guid, sizeof(slot->guid));
    snprintf(slot->event, sizeof(slot->event), "%s", event->name);
    snprintf(slot->action, sizeof(slot->action), "%s", action != NULL ? action : "");
}

static void deliver_event_end(struct deliver_event *event)
{
    if (event->done != NULL) {
        event->done(event->arg, event->results);
    }
    json_decref(event->payload);
    json_decref(event->results);
    free(event);
}

static void deliver_job_end(struct deliver_job *job)
{
    struct deliver_event *event = job->event;
    deliver_remember(job);
    json_array_append_new(event->results, json_pack("{s:I, s:s, s:i}", "hook_id", (json_int_t)job->hook_id,
                                                    "delivery", event->guid, "status", job->status));
    deliver_job_free(job);
    deliver.open--;
    if (--event->open == 0) {
        deliver_event_end(event);
    }
}

static void deliver_on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct deliver_job *jobs = NULL;
    struct deliver_job **last = &jobs;
    (void)receiver;
    // Taken off the list before any is ended: what is done then may send more.
    for (h2o_linklist_t *link = messages->next; link != messages; link = link->next) {
        struct deliver_job *job = H2O_STRUCT_FROM_MEMBER(struct deliver_job, message.link, link);
        job->next = NULL;
        *last = job;
        last = &job->next;
    }
    h2o_linklist_init_anchor(messages);
    while (jobs != NULL) {
        struct deliver_job *job = jobs;
        jobs = job->next;
        deliver_job_end(job);
    }
}

/* ---- on the thread ---- */

/* What does not fit is left out: it is for people to look at. */
static size_t deliver_keep(char *data, size_t size, size_t count, void *arg)
{
    struct rb_buf *buf = arg;
    size_t len = size * count;
    size_t room = DELIVER_ANSWER_MAX - buf->len;
    if (rb_buf_append(buf, data, len < room ? len : room) != RB_OK) {
        rb_log_debug("an answer to a delivery is too long to keep");
    }
    return len;
}

static void deliver_begin(struct deliver_job *job)
{
    CURL *easy = curl_easy_init();
    job->begun_ms = rb_clock_ms();
    curl_easy_setopt(easy, CURLOPT_URL, job->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, job->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->len);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, job->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)DELIVER_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, job->is_insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, job->is_insecure ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, deliver_keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &job->answer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, deliver_keep);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &job->response);
    job->easy = easy;
    job->next = deliver.running;
    deliver.running = job;
    curl_multi_add_handle(deliver.multi, easy);
}

static void deliver_unlink(const struct deliver_job *job)
{
    struct deliver_job **link = &deliver.running;
    while (*link != job) {
        link = &(*link)->next;
    }
    *link = job->next;
}

static void deliver_collect(void)
{
    int left = 0;
    const CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(deliver.multi, &left)) != NULL) {
        struct deliver_job *job = NULL;
        long status = 0;
        CURL *easy = message->easy_handle;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode result = message->data.result;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&job);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        job->status = result == CURLE_OK ? (int)status : 0;
        job->took_ms = rb_clock_ms() - job->begun_ms;
        deliver_unlink(job);
        if (result != CURLE_OK) {
            rb_log_debug("delivery to hook %lld: %s", (long long)job->hook_id, curl_easy_strerror(result));
        }
        curl_multi_remove_handle(deliver.multi, easy);
        curl_easy_cleanup(easy);
        h2o_multithread_send_message(&deliver.receiver, &job->message);
    }
}

static struct deliver_job *deliver_take(bool *is_stopping)
{
    pthread_mutex_lock(&deliver.lock);
    struct deliver_job *jobs = deliver.first;
    deliver.first = deliver.last = NULL;
    deliver.count = 0;
    *is_stopping = deliver.is_stopping;
    pthread_mutex_unlock(&deliver.lock);
    return jobs;
}

/* Whatever is under way counts as failed: each job goes back to the loop exactly once, also now. */
static void deliver_give_up(void)
{
    while (deliver.running != NULL) {
        struct deliver_job *job = deliver.running;
        deliver.running = job->next;
        curl_multi_remove_handle(deliver.multi, job->easy);
        curl_easy_cleanup(job->easy);
        h2o_multithread_send_message(&deliver.receiver, &job->message);
    }
}

static void *deliver_main(void *arg)
{
    (void)arg;
    for (bool is_stopping = false; !is_stopping;) {
        struct deliver_job *jobs = deliver_take(&is_stopping);
        while (jobs != NULL) {
            struct deliver_job *job = jobs;
            jobs = job->next;
            deliver_begin(job);
        }
        int running = 0;
        curl_multi_perform(deliver.multi, &running);
        deliver_collect();
        if (!is_stopping) {
            curl_multi_poll(deliver.multi, NULL, 0, DELIVER_IDLE_MS, NULL);
        }
    }
    deliver_give_up();
    return NULL;
}

/* ---- making deliveries ---- */

/* True for an address at home: digits and dots, [::1], no dot at all, localhost. */
static bool deliver_may_reach(const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    bool is_near = false;
    if (curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        is_near = strchr(host, '.') == NULL || strspn(host, "0123456789.") == strlen(host);
    }
    curl_free(host);
    curl_url_cleanup(parts);
    return is_near;
}

static void deliver_header(struct deliver_job *job, const char *name, const char *value)
{
    char line[512];
    snprintf(line, sizeof(line), "%s: %s", name, value);
    job->headers = curl_slist_append(job->headers, line);
}

/* The signature of old, which GitHub still sends next to the better one. */
static void deliver_sign_sha1(struct deliver_job *job, const char *secret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    char text[5 + 2 * EVP_MAX_MD_SIZE + 1] = "sha1=";
    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)job->body, job->len, digest, &len);
    for (unsigned int i = 0; i < len; i++) {
        snprintf(text + 5 + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    deliver_header(job, "X-Hub-Signature", text);
}

static void deliver_headers(struct deliver_job *job, const struct sim_hook *hook,
                            const struct deliver_event *event)
{
    char number[32];
    deliver_header(job, "Accept", "*/*");
    deliver_header(job, "Content-Type",
                   strcmp(hook->content_type, "json") == 0 ? "application/json"
                                                           : "application/x-www-form-urlencoded");
    job->headers = curl_slist_append(job->headers, DELIVER_NO_EXPECT);
    deliver_header(job, "User-Agent", DELIVER_AGENT);
    deliver_header(job, "X-GitHub-Delivery", event->guid);
    deliver_header(job, "X-GitHub-Event", event->name);
    snprintf(number, sizeof(number), "%lld", (long long)hook->id);
    deliver_header(job, "X-GitHub-Hook-ID", number);
    snprintf(number, sizeof(number), "%lld", (long long)event->repo_id);
    deliver_header(job, "X-GitHub-Hook-Installation-Target-ID", number);
    deliver_header(job, "X-GitHub-Hook-Installation-Target-Type", "repository");
    if (hook->secret != NULL) {
        char signature[RB_SIGNATURE_SIZE];
        deliver_sign_sha1(job, hook->secret);
        rb_signature_make(signature, hook->secret, strlen(hook->secret), job->body, job->len);
        deliver_header(job, "X-Hub-Signature-256", signature);
    }
}

static char *deliver_body(const struct sim_hook *hook, const char *text)
{
    if (strcmp(hook->content_type, "json") == 0) {
        return rb_strdup(text);
    }
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *body = rb_asprintf("payload=%s", escaped);
    curl_free(escaped);
    return body;
}

static void deliver_enqueue(struct deliver_event *event, const struct sim_hook *hook, const char *text)
{
    struct deliver_job *job = rb_calloc(1, sizeof(*job));
    job->event = event;
    job->hook_id = hook->id;
    job->url = rb_strdup(hook->url);
    job->body = deliver_body(hook, text);
    job->len = strlen(job->body);
    rb_buf_init(&job->response, DELIVER_ANSWER_MAX);
    rb_buf_init(&job->answer, DELIVER_ANSWER_MAX);
    job->is_insecure = strcmp(hook->insecure_ssl, "1") == 0;
    event->open++;
    deliver.open++;
    deliver_headers(job, hook, event);

    pthread_mutex_lock(&deliver.lock);
    bool is_taken = deliver.count < DELIVER_QUEUE_MAX && deliver_may_reach(hook->url);
    if (is_taken) {
        if (deliver.last != NULL) {
            deliver.last->next = job;
        } else {
            deliver.first = job;
        }
        deliver.last = job;
        deliver.count++;
    }
    pthread_mutex_unlock(&deliver.lock);
    if (is_taken) {
        curl_multi_wakeup(deliver.multi);
    } else {
        deliver_job_end(job);
    }
}

static bool deliver_is_wanted(const struct sim_hook *hook, const char *event)
{
    size_t i;
    json_t *value;
    json_array_foreach(hook->events, i, value)
    {
        const char *name = json_string_value(value);
        if (strcmp(name, event) == 0 || strcmp(name, "*") == 0) {
            return hook->is_active;
        }
    }
    return false;
}

void rb_sim_deliver(struct sim *sim, struct sim_repo *repo, const struct sim_event *what)
{
    struct deliver_event *event = rb_calloc(1, sizeof(*event));
    event->sim = sim;
    event->repo_id = repo->id;
    event->payload = json_deep_copy(what->payload);
    event->results = json_array();
    event->is_again = what->is_again;
    event->done = what->done;
    event->arg = what->arg;
    event->open = 1; // held until all jobs are queued
    snprintf(event->name, sizeof(event->name), "%s", what->name);
    if (what->guid != NULL && strlen(what->guid) == RB_UUID_SIZE - 1) {
        memcpy(event->guid, what->guid, sizeof(event->guid));
    } else {
        rb_uuid_make(event->guid);
    }
    char *text = json_dumps(event->payload, JSON_COMPACT);
    for (struct sim_hook *hook = repo->hooks; text != NULL && hook != NULL; hook = hook->next) {
        bool is_meant = what->only != NULL ? hook == what->only : deliver_is_wanted(hook, event->name);
        if (is_meant && strlen(text) <= DELIVER_PAYLOAD_MAX) {
            deliver_enqueue(event, hook, text);
        }
    }
    free(text);
    if (--event->open == 0) {
        deliver_event_end(event);
    }
}

rb_err rb_sim_deliver_start(struct sim *sim)
{
    deliver.multi = curl_multi_init();
    curl_multi_setopt(deliver.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)DELIVER_AT_ONCE);
    pthread_mutex_init(&deliver.lock, NULL);
    deliver.loop = sim->loop;
    deliver.queue = h2o_multithread_create_queue(sim->loop);
    h2o_multithread_register_receiver(deliver.queue, &deliver.receiver, deliver_on_messages);
    // Signals are the loop's: one that came to the thread would not end the loop's wait.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int result = pthread_create(&deliver.thread, NULL, deliver_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        return rb_error_set(RB_EINTERNAL, "no thread for deliveries");
    }
    deliver.is_running = true;
    return RB_OK;
}

void rb_sim_deliver_stop(void)
{
    if (!deliver.is_running) {
        return;
    }
    pthread_mutex_lock(&deliver.lock);
    deliver.is_stopping = true;
    pthread_mutex_unlock(&deliver.lock);
    curl_multi_wakeup(deliver.multi);
    pthread_join(deliver.thread, NULL);
    // All jobs are messages now: they are taken in, so that those who wait for them are told.
    while (deliver.open > 0) {
        h2o_evloop_run(deliver.loop, 0);
    }
    h2o_multithread_unregister_receiver(deliver.queue, &deliver.receiver);
    h2o_multithread_destroy_queue(deliver.queue);
    curl_multi_cleanup(deliver.multi);
    pthread_mutex_destroy(&deliver.lock);
}
