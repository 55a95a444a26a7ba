/*
 * notifier: tells people in a chat what happens to their repositories. Posts {"text": "…"} to WEBHOOK_URL,
 * which is what Slack's incoming webhooks and most others take, when a repository is connected, scanned, or
 * connected badly, and when a subscriber has given it up.
 *
 * A message twice is a nuisance, so each is marked once it is sent, and asked for before.
 */
#include <curl/curl.h>
#include <repobus/bus.h>
#include <stdlib.h>
#include <string.h>

#define NAME            "notifier"
#define CONNECT_SECONDS 10L
#define ANSWER_SECONDS  30L /* less than anybody waits for a message */

static const char *url;

/* What is said about an event; NULL when there is nothing to say. */
static const char *notifier_text(struct rb_work *work)
{
    struct rb_arena *arena = rb_work_arena(work);
    const struct rb_event *event = rb_work_event(work);
    const char *repo = rb_work_string(work, "repo");

    if (strcmp(event->subject, RB_REPO_CONNECTED) == 0)
        return rb_arena_printf(arena, "%s is connected", repo);
    if (strcmp(event->subject, RB_REPO_SCANNED) == 0) {
        const json_t *profile = json_object_get(event->data, "profile");
        const char *summary = json_string_value(json_object_get(profile, "summary"));
        return rb_arena_printf(arena, "%s is scanned: %s", repo, summary ? summary : "no summary");
    }
    if (strcmp(event->subject, RB_REPO_UNHEALTHY) == 0)
        return rb_arena_printf(arena, "%s has a problem: %s", repo, rb_work_string(work, "reason"));
    /* What could not be posted is not posted about. */
    if (strcmp(event->subject, RB_REPO_FAILED) == 0 && strcmp(rb_work_string(work, "subscriber"), NAME) != 0)
        return rb_arena_printf(arena, "%s has failed: the %s gave up after %d attempts: %s", repo,
                               rb_work_string(work, "subscriber"), (int)rb_work_int(work, "attempts"),
                               rb_work_string(work, "error"));
    return NULL;
}

/* What the other side says is not for us. */
static size_t notifier_ignore(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

/* The status, or 0 with the reason in `error`. */
static long notifier_post(CURL *curl, const char *body, char error[CURL_ERROR_SIZE])
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    long status = 0;

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, notifier_ignore);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    return status;
}

static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    char error[CURL_ERROR_SIZE] = "no answer";
    const char *text = notifier_text(work);
    bool done = false;
    (void)app;

    rb_err err = text ? rb_work_was_done(&done, work, "posted") : RB_OK;
    if (err)
        return rb_result_from(err);
    if (!text || done)
        return rb_done();
    json_t *message = json_pack("{s:s}", "text", text);
    char *body = json_dumps(message, JSON_COMPACT);
    long status = notifier_post(local, body, error);
    free(body);
    json_decref(message);
    if (status == 0)
        return rb_retry("the webhook cannot be reached: %s", error);
    if (status == 408 || status == 429 || status >= 500)
        return rb_retry("the webhook answers %ld", status);
    if (status < 200 || status > 299)
        return rb_reject("the webhook refuses the message with %ld", status);
    if (rb_work_mark_done(work, "posted"))
        rb_log_warn("posted, and not marked: it may be posted again: %s", rb_error_text());
    rb_work_progress(work, 1, 1, "posted");
    return rb_done();
}

static rb_err open_worker(void **local, void *app)
{
    (void)app;
    *local = curl_easy_init();
    return *local ? RB_OK : rb_error_set(RB_EINTERNAL, "libcurl cannot start");
}

static void close_worker(void *local, void *app)
{
    (void)app;
    curl_easy_cleanup(local);
}

int main(void)
{
    static const struct rb_route routes[] = {{RB_REPO_CONNECTED, handle},
                                             {RB_REPO_SCANNED, handle},
                                             {RB_REPO_UNHEALTHY, handle},
                                             {RB_REPO_FAILED, handle},
                                             {NULL, NULL}};
    const struct rb_subscriber subscriber = {
        .name = NAME,
        .filter = "repo.*",
        .routes = routes,
        .worker_open = open_worker,
        .worker_close = close_worker,
    };

    rb_log_init(NAME);
    url = getenv("WEBHOOK_URL"); /* a secret: whoever knows it can post */
    if (!url || !*url) {
        rb_log_error("WEBHOOK_URL is missing: where messages are posted");
        return 1;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return rb_subscriber_run(&subscriber);
}
