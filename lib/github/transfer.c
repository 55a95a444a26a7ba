/* One transfer: what libcurl is told, and what it brings back. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/github/internal.h"

#define TRANSFER_REDIRECTS 3           /* a repository renamed and its owner too is 2 */
#define TRANSFER_MESSAGE   (64 * 1024) /* error bodies are small: larger ones are not looked into */
/* Below 1 byte a second for so long is a dead peer. GitHub ends its own work on a request after 10 s
 * (docs.github.com, "Troubleshooting the REST API"), and says nothing before. */
#define TRANSFER_STALL_SECS 12

static size_t transfer_on_body(char *data, size_t size, size_t count, void *arg)
{
    struct github_call *call = arg;
    if (rb_buf_append(&call->body, data, size * count)) {
        call->too_big = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return size * count;
}

/* Whether this line is the header `name`; its value, trimmed, goes to `value`. One that does not fit is left
 * out. */
static bool transfer_header(const char *line, size_t len, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);
    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return false;
    const char *start = line + name_len + 1, *end = line + len;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    if ((size_t)(end - start) >= size)
        return false;
    memcpy(value, start, (size_t)(end - start));
    value[end - start] = '\0';
    return true;
}

/* Digits, as these headers have them; 0 for anything else (a date in Retry-After) and below, at most `max`.
 */
static int64_t transfer_number(const char *value, int64_t max)
{
    int64_t number = strtoll(value, NULL, 10);
    return number < 0 ? 0 : number > max ? max : number;
}

static void transfer_reset_response(struct rb_github_response *response)
{
    *response = (struct rb_github_response){.rate_remaining = -1};
}

/* RFC 8288: "<address>; rel=\"next\", <address>; rel=\"first\"". */
static void transfer_read_link(struct rb_github_response *response, const char *value)
{
    const char *next = strstr(value, "rel=\"next\""), *address = next;
    response->has_next = next != NULL;
    while (address && address > value && *address != '<')
        address--;
    const char *cursor = address ? strstr(address, "cursor=") : NULL;
    if (!cursor || cursor > next)
        return;
    cursor += strlen("cursor=");
    size_t len = strcspn(cursor, "&>");
    if (len < sizeof(response->cursor))
        snprintf(response->cursor, sizeof(response->cursor), "%.*s", (int)len, cursor);
}

static size_t transfer_on_header(char *line, size_t size, size_t count, void *arg)
{
    struct github_call *call = arg;
    struct rb_github_response *response = &call->response;
    size_t len = size * count;
    char value[1024];
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        transfer_reset_response(response); /* of an answer before this one (100 Continue) nothing stays */
        rb_buf_reset(&call->body);
        call->head_is_whole = false;
    } else if (len <= 2 && (*line == '\r' || *line == '\n')) {
        call->head_is_whole = true;
    } else if (transfer_header(line, len, "etag", response->etag, sizeof(response->etag)) ||
               transfer_header(line, len, "x-ratelimit-resource", response->resource,
                               sizeof(response->resource))) {
        return len;
    } else if (transfer_header(line, len, "x-oauth-scopes", response->scopes, sizeof(response->scopes))) {
        response->has_scopes = true;
    } else if (transfer_header(line, len, "link", value, sizeof(value))) {
        transfer_read_link(response, value);
    } else if (transfer_header(line, len, "x-ratelimit-remaining", value, 24)) {
        response->rate_remaining = transfer_number(value, INT64_MAX);
    } else if (transfer_header(line, len, "x-ratelimit-reset", value, 24)) {
        response->rate_reset = transfer_number(value, GITHUB_TIME_MAX);
    } else if (transfer_header(line, len, "retry-after", value, 24)) {
        response->retry_after = transfer_number(value, GITHUB_TIME_MAX);
    }
    return len;
}

static bool transfer_add_header(struct github_call *call, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    char *line = rb_malloc(name_len + value_len + 3), *at = line; /* ": " and the zero */
    at = mempcpy(mempcpy(mempcpy(at, name, name_len), ": ", 2), value, value_len);
    *at = '\0';
    struct curl_slist *longer = curl_slist_append(call->headers, line);
    explicit_bzero(line, (size_t)(at - line));
    free(line);
    if (!longer)
        return false;
    call->headers = longer;
    return true;
}

/* libcurl sends again by itself what went out on a kept-alive connection that brought no answer. For a write
 * whose answer was lost that is a second write: it is sent once. */
static int transfer_on_request(void *arg, char *peer, char *own, int peer_port, int own_port)
{
    struct github_call *call = arg;
    (void)peer, (void)own, (void)peer_port, (void)own_port;
    if (call->request.method != RB_GITHUB_GET && !call->request.is_query && call->is_sent)
        return CURL_PREREQFUNC_ABORT;
    call->is_sent = true;
    return CURL_PREREQFUNC_OK;
}

/* docs.github.com, "Forming calls with GraphQL": beside REST on github.com, on a server of one's own REST is
 * at /api/v3 and this at /api/graphql. */
static char *transfer_url(const struct rb_github_request *request, const char *base_url)
{
    const char *base = request->base ? request->base : base_url;
    size_t len = strlen(base);
    if (request->is_query && len >= 7 && strcmp(base + len - 7, "/api/v3") == 0)
        len -= 3;
    return rb_asprintf("%.*s%s", (int)len, base, request->path);
}

static const char *const transfer_methods[] = {"GET", "POST", "PATCH", "DELETE", "PUT"};

/* ---- handles ------------------------------------------------------------------------------------------ */

/* What is the same for all requests. */
static CURL *transfer_new_handle(const struct rb_github_options *options)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* dots in a branch's name lead nowhere else */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, transfer_on_request);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    /* What GitHub compresses with; the limit is on what comes out of the decoder. */
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)TRANSFER_STALL_SECS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_on_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transfer_on_header);
    return easy;
}

/* Only one whose transfer ended well is used again. */
static void transfer_give_back(struct github_handles *handles, CURL *easy, bool is_well)
{
    if (!easy || !is_well || handles->count >= GITHUB_HANDLES) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL); /* these two are the call's */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    handles->idle[handles->count++] = easy;
}

void github_handles_free(struct github_handles *handles)
{
    while (handles->count > 0)
        curl_easy_cleanup(handles->idle[--handles->count]);
}

/* ---- a call ------------------------------------------------------------------------------------------- */

static bool transfer_make_headers(struct github_call *call)
{
    const struct rb_github_request *request = &call->request;
    char *bearer = rb_asprintf("Bearer %s", call->token);
    bool fine = transfer_add_header(call, "Accept", request->accept) &&
                transfer_add_header(call, "X-GitHub-Api-Version", "2022-11-28");
    if (fine && *call->token)
        fine = transfer_add_header(call, "Authorization", bearer);
    if (fine && request->etag)
        fine = transfer_add_header(call, "If-None-Match", request->etag);
    if (fine && request->traceparent)
        fine = transfer_add_header(call, "traceparent", request->traceparent);
    if (fine && request->body) /* without the second one libcurl would ask beforehand about a large one */
        fine = transfer_add_header(call, "Content-Type", "application/json") &&
               transfer_add_header(call, "Expect", "");
    explicit_bzero(bearer, strlen(bearer));
    free(bearer);
    return fine;
}

/* All that differs between requests, whatever the handle did before. */
static void transfer_set(CURL *easy, struct github_call *call, const char *url, int64_t left)
{
    const struct rb_github_request *request = &call->request;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    if (request->body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body); /* kept by the call */
    else
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer_methods[request->method]);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
}

rb_err github_transfer_prepare(struct github_call *call, struct github_handles *handles,
                               const struct rb_github_options *options, int64_t now)
{
    bool fine = transfer_make_headers(call);
    if (fine)
        call->easy = handles->count > 0 ? handles->idle[--handles->count] : transfer_new_handle(options);
    if (!call->easy)
        return rb_error_set(RB_EINTERNAL, "libcurl has no memory for a request");
    char *url = transfer_url(&call->request, options->base_url);
    transfer_set(call->easy, call, url, call->deadline - now);
    free(url);
    rb_buf_init(&call->body, call->request.body_max ? call->request.body_max : RB_GITHUB_BODY_MAX);
    transfer_reset_response(&call->response);
    return RB_OK;
}

void github_transfer_release(struct github_call *call, struct github_handles *handles)
{
    transfer_give_back(handles, call->easy, call->response.err == RB_OK);
    for (struct curl_slist *header = call->headers; header; header = header->next)
        explicit_bzero(header->data, strlen(header->data)); /* one of them is the token */
    curl_slist_free_all(call->headers);
    rb_buf_free(&call->body);
    call->headers = NULL;
    call->easy = NULL;
}

/* GitHub's "message" and, where there are, the messages of its "errors". */
static void transfer_read_message(struct rb_github_response *response)
{
    if (response->status < 400 || response->len > TRANSFER_MESSAGE)
        return;
    json_t *body = response->body ? json_loadb(response->body, response->len, 0, NULL) : NULL, *error;
    const char *message = json_string_value(json_object_get(body, "message"));
    size_t index;
    snprintf(response->message, sizeof(response->message), "%s", message ? message : "");
    json_array_foreach(json_object_get(body, "errors"), index, error)
    {
        const char *more = json_is_string(error) ? json_string_value(error)
                                                 : json_string_value(json_object_get(error, "message"));
        size_t used = strlen(response->message);
        if (more)
            snprintf(response->message + used, sizeof(response->message) - used, "%s%s", used ? ": " : "",
                     more);
    }
    json_decref(body);
    github_cut_text(response->message);
    for (char *c = response->message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
}

void github_transfer_read(struct github_call *call, CURLcode code)
{
    struct rb_github_response *response = &call->response;
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        response->err = call->too_big                      ? RB_ETOOBIG
                        : code == CURLE_OPERATION_TIMEDOUT ? RB_ETIMEOUT
                        : code == CURLE_OUT_OF_MEMORY      ? RB_EINTERNAL
                                                           : RB_EUNAVAILABLE;
        response->status = 0;
        snprintf(response->message, sizeof(response->message), "%s", curl_easy_strerror(code));
        return;
    }
    if (!call->head_is_whole) {
        /* libcurl takes the end of the connection for the end of the head. */
        response->err = RB_EUNAVAILABLE;
        snprintf(response->message, sizeof(response->message), "the connection was cut within an answer");
        return;
    }
    response->status = (int)status;
    response->len = call->body.len;
    if (call->body.len) { /* moved: a copy of a large answer would be held beside it */
        response->room = RB_JSON_ROOM;
        response->body = rb_realloc(call->body.data, call->body.len + 1 + RB_JSON_ROOM);
        memset(response->body + response->len, 0, 1 + RB_JSON_ROOM);
        rb_buf_init(&call->body, call->body.limit);
    } else {
        response->body = rb_strdup("");
    }
    transfer_read_message(response);
    if (call->request.is_query)
        github_query_limit(response);
}

const char *github_transfer_redirect(struct github_call *call, const char *base_url)
{
    int status = call->response.status;
    bool get = call->request.method == RB_GITHUB_GET;
    char *target = NULL;
    /* "Repeat the request verbatim" (docs.github.com, "Best practices for using the REST API"): method and
     * body stay what they are. Browsers make a GET of what 301 and 302 answer; for 302, which may mean just
     * that, nothing is guessed. */
    if (status != 301 && status != 307 && status != 308 && !(get && status == 302))
        return NULL;
    if (call->redirects >= TRANSFER_REDIRECTS)
        return NULL;
    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &target);
    /* The token goes to the same scheme, host and port, and nowhere else. */
    if (!target || !rb_url_shares_origin(target, base_url))
        return NULL;
    call->redirects++;
    call->is_sent = false;
    return target;
}
