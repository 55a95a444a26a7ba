/* The server's HTTP API, by libcurl. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define API_BODY_MAX                                                                      \
    (64 * 1024 * 1024) /* a list of a thousand repositories and a profile are far smaller \
                        */
#define API_EVENT_MAX     (4 * 1024 * 1024)
#define API_TIMEOUT_S     60 /* a connect waits for GitHub */
#define API_CONNECT_MS    5000
#define API_STREAM_SILENT 40 /* seconds: a heartbeat comes every 15 */

static CURL *api_start(struct curl_slist **headers, const struct cli_options *options, const char *path)
{
    CURL *easy = curl_easy_init();
    char *url = rb_asprintf("%s%s", options->url, path);
    if (!easy)
        abort(); /* out of memory */
    if (options->token) {
        char *line = rb_asprintf("Authorization: Bearer %s", options->token);
        *headers = curl_slist_append(*headers, line);
        free(line);
    }
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "repobus");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)API_CONNECT_MS);
    free(url);
    return easy;
}

static size_t api_on_body(char *data, size_t size, size_t count, void *arg)
{
    struct rb_buf *body = arg;
    return rb_buf_append(body, data, size * count) ? CURL_WRITEFUNC_ERROR : size * count;
}

bool cli_ask(struct cli_answer *answer, const struct cli_options *options, const char *method,
             const char *path)
{
    struct curl_slist *headers = NULL;
    long status = 0;
    *answer = (struct cli_answer){0};
    rb_buf_init(&answer->body, API_BODY_MAX);
    CURL *easy = api_start(&headers, options, path);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)API_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, api_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer->body);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        fprintf(stderr,
                "repobus: %s cannot be reached: %s. Is the server running, and is REPOBUS_URL right?\n",
                options->url, curl_easy_strerror(code));
        return false;
    }
    answer->status = (int)status;
    answer->json = json_loadb(answer->body.data, answer->body.len, 0, NULL);
    return true;
}

void cli_answer_clear(struct cli_answer *answer)
{
    json_decref(answer->json);
    rb_buf_free(&answer->body);
    *answer = (struct cli_answer){0};
}

int cli_answer_fail(const struct cli_answer *answer)
{
    const char *detail = json_string_value(json_object_get(answer->json, "detail"));
    fputs("repobus: ", stderr);
    if (detail)
        cli_print(stderr, detail);
    else
        fprintf(stderr, "the server answered with status %d", answer->status);
    fputs(answer->status == 401 ? " (REPOBUS_TOKEN holds your token; `repobus token` makes one)\n" : "\n",
          stderr);
    switch (answer->status) {
    case 401:
        return CLI_UNAUTHORIZED;
    case 400:
    case 409:
        return CLI_CONNECTED;
    case 404:
        return CLI_NOT_FOUND;
    case 422:
        return CLI_USAGE;
    case 502:
        return CLI_GITHUB;
    case 503:
        return CLI_UNREACHABLE;
    default:
        return CLI_FAILED;
    }
}

/* ---- server-sent events ------------------------------------------------------------------------------- */

struct api_stream {
    struct rb_buf line, data;
    char event[64];
    char *last_id;
    CURL *easy;
    cli_event_fn fn;
    void *arg;
    bool stopped;
};

/* One line of the stream (WHATWG HTML, section 9.2.6). False to stop. */
static bool stream_take_line(struct api_stream *stream, const char *line)
{
    bool more = true;
    if (!*line) {
        if (stream->data.len)
            more = stream->fn(stream->arg, *stream->event ? stream->event : "message", stream->data.data);
        rb_buf_reset(&stream->data);
        stream->event[0] = '\0';
    } else if (strncmp(line, "event: ", 7) == 0) {
        snprintf(stream->event, sizeof(stream->event), "%.63s", line + 7);
    } else if (strncmp(line, "id: ", 4) == 0) {
        snprintf(stream->last_id, 64, "%.63s", line + 4);
    } else if (strncmp(line, "data: ", 6) == 0) {
        more = rb_buf_append(&stream->data, line + 6, strlen(line + 6)) == RB_OK;
    }
    return more;
}

static size_t stream_on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct api_stream *stream = arg;
    long status = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return size * count;
    for (const char *at = bytes, *end = bytes + size * count; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (rb_buf_append(&stream->line, at, (size_t)((stop ? stop : end) - at)))
            return CURL_WRITEFUNC_ERROR;
        if (!stop)
            break;
        if (!stream_take_line(stream, stream->line.data)) {
            stream->stopped = true;
            return CURL_WRITEFUNC_ERROR;
        }
        rb_buf_reset(&stream->line);
        at = stop + 1;
    }
    return size * count;
}

rb_err cli_follow(const struct cli_options *options, const char *path, char last_id[64], int64_t deadline,
                  cli_event_fn fn, void *arg)
{
    struct api_stream stream = {.fn = fn, .arg = arg, .last_id = last_id};
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
    long status = 0;
    int64_t left = deadline - rb_clock_ms();
    if (*last_id) {
        char line[96];
        snprintf(line, sizeof(line), "Last-Event-ID: %s", last_id);
        headers = curl_slist_append(headers, line);
    }
    rb_buf_init(&stream.line, API_EVENT_MAX);
    rb_buf_init(&stream.data, API_EVENT_MAX);
    stream.easy = api_start(&headers, options, path);
    curl_easy_setopt(stream.easy, CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
    curl_easy_setopt(stream.easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(stream.easy, CURLOPT_LOW_SPEED_TIME, (long)API_STREAM_SILENT);
    curl_easy_setopt(stream.easy, CURLOPT_WRITEFUNCTION, stream_on_bytes);
    curl_easy_setopt(stream.easy, CURLOPT_WRITEDATA, &stream);
    CURLcode code = curl_easy_perform(stream.easy);
    curl_easy_getinfo(stream.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(stream.easy);
    curl_slist_free_all(headers);
    rb_buf_free(&stream.line);
    rb_buf_free(&stream.data);
    if (stream.stopped)
        return RB_OK;
    if (status == 401)
        return rb_error_set(RB_EAUTH, "the token is not accepted any more");
    if (status == 404)
        return rb_error_set(RB_ENOTFOUND, "it is not connected");
    return rb_error_set(RB_EUNAVAILABLE, "the event stream ended: %s", curl_easy_strerror(code));
}
