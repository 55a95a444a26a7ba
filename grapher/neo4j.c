#include "grapher/neo4j.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 5000
#define REQUEST_TIMEOUT_MS 60000 /* a batch takes well under a second; a busy server gets its time */
#define ANSWER_MAX         (32 * 1024 * 1024) /* a page of paths is about 1 MB */
#define ATTEMPTS           5                  /* transient failures: 0.1 to 1.6 s apart, with jitter */
#define FIRST_PAUSE_MS     100

#define POLL_MS 1000 /* the limits of time are looked at so often where nothing comes */

struct exchange {
    CURL *curl;
    char *request;
    struct rb_buf answer;
    bool is_under_way;
    CURLcode code; /* of one that has ended */
};

struct rb_neo4j {
    CURLM *multi;
    struct exchange lanes[RB_NEO4J_LANES], run; /* what is sent, and what rb_neo4j_run() runs */
    struct curl_slist *headers;
    char *url;
    char *shown; /* the address for messages */
};

static size_t neo4j_receive(char *data, size_t size, size_t count, void *arg)
{
    struct rb_buf *answer = arg;
    return rb_buf_append(answer, data, size * count) == RB_OK ? size * count : 0;
}

static bool exchange_open(struct exchange *exchange, const struct rb_neo4j *neo4j,
                          const struct rb_neo4j_options *options)
{
    CURL *curl = exchange->curl = curl_easy_init();
    rb_buf_init(&exchange->answer, ANSWER_MAX);
    if (!curl)
        return false;
    curl_easy_setopt(curl, CURLOPT_URL, neo4j->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, neo4j->headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)REQUEST_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, neo4j_receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange->answer);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, exchange);
    if (options->username && *options->username) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, options->username);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, options->password ? options->password : "");
    }
    return true;
}

/* Ends it, answered or not. */
static void exchange_end(struct exchange *exchange, struct rb_neo4j *neo4j)
{
    if (exchange->is_under_way)
        curl_multi_remove_handle(neo4j->multi, exchange->curl);
    exchange->is_under_way = false;
    rb_buf_free(&exchange->answer);
    free(exchange->request);
    exchange->request = NULL;
}

static void exchange_close(struct exchange *exchange, struct rb_neo4j *neo4j)
{
    exchange_end(exchange, neo4j);
    curl_easy_cleanup(exchange->curl);
}

rb_err rb_neo4j_open(struct rb_neo4j **out, const struct rb_neo4j_options *options)
{
    struct rb_neo4j *neo4j = rb_calloc(1, sizeof *neo4j);
    neo4j->shown = rb_strdup(options->uri);
    neo4j->url =
        rb_asprintf("%s/db/%s/query/v2", options->uri, options->database ? options->database : "neo4j");
    neo4j->headers = curl_slist_append(neo4j->headers, "Content-Type: application/json");
    neo4j->headers = curl_slist_append(neo4j->headers, "Accept: application/json");
    neo4j->headers = curl_slist_append(neo4j->headers, "Expect:");
    neo4j->multi = curl_multi_init();
    bool is_open = neo4j->multi && neo4j->headers && exchange_open(&neo4j->run, neo4j, options);
    for (size_t i = 0; i < RB_NEO4J_LANES && is_open; i++)
        is_open = exchange_open(&neo4j->lanes[i], neo4j, options);
    if (!is_open) {
        rb_neo4j_close(neo4j);
        return rb_error_set(RB_EINTERNAL, "libcurl could not be started");
    }
    *out = neo4j;
    return RB_OK;
}

void rb_neo4j_close(struct rb_neo4j *neo4j)
{
    if (!neo4j)
        return;
    exchange_close(&neo4j->run, neo4j);
    for (size_t i = 0; i < RB_NEO4J_LANES; i++)
        exchange_close(&neo4j->lanes[i], neo4j);
    curl_multi_cleanup(neo4j->multi);
    curl_slist_free_all(neo4j->headers);
    free(neo4j->url);
    free(neo4j->shown);
    free(neo4j);
}

static bool code_starts(const char *code, const char *prefix)
{
    return strncmp(code, prefix, strlen(prefix)) == 0;
}

/* Codes: neo4j.com/docs/status-codes. The HTTP status does not tell: 202 comes with errors, and a deadlock is
 * 400. */
static rb_err judge_error(bool *transient, const json_t *error)
{
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    code = code ? code : "(no code)";
    message = message ? message : "";
    if (code_starts(code, "Neo.ClientError.Security."))
        return rb_error_set(RB_EUNAVAILABLE, "it refuses NEO4J_USERNAME and NEO4J_PASSWORD (%s)", code);
    if (code_starts(code, "Neo.ClientError.Database."))
        return rb_error_set(RB_EUNAVAILABLE, "%s: %.300s; NEO4J_DATABASE names another one", code, message);
    if (strcmp(code, "Neo.ClientError.Schema.ConstraintValidationFailed") == 0)
        return rb_error_set(RB_ECONFLICT, "%s: %.300s", code, message);
    if (code_starts(code, "Neo.ClientError."))
        return rb_error_set(RB_EINTERNAL, "%s: %.300s", code, message);
    *transient = code_starts(code, "Neo.TransientError.");
    return rb_error_set(RB_EUNAVAILABLE, "%s: %.300s", code, message);
}

rb_err rb_neo4j_judge(const json_t **values, bool *transient, int status, const json_t *body)
{
    *transient = false;
    const json_t *errors = json_object_get(body, "errors");
    if (json_array_size(errors) > 0)
        return judge_error(transient, json_array_get(errors, 0));
    const json_t *rows = json_object_get(json_object_get(body, "data"), "values");
    if ((status == 200 || status == 202) && json_is_array(rows)) {
        *values = rows;
        return RB_OK;
    }
    if (status == 401 || status == 403)
        return rb_error_set(RB_EUNAVAILABLE, "it refuses NEO4J_USERNAME and NEO4J_PASSWORD (status %d)",
                            status);
    if (status == 404)
        return rb_error_set(RB_EUNAVAILABLE,
                            "there is no Query API at this address (status 404): it needs Neo4j "
                            "5.25 or newer, and NEO4J_URI its HTTP port");
    return rb_error_set(RB_EUNAVAILABLE,
                        "status %d without an answer of the Query API; is NEO4J_URI its HTTP port?", status);
}

/* Goes on with all that is under way, as far as that is possible now. */
static void neo4j_perform(struct rb_neo4j *neo4j)
{
    int running = 0, left = 0;
    curl_multi_perform(neo4j->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(neo4j->multi, &left));) {
        struct exchange *ended = NULL;
        CURLcode code = message->data.result; /* the message is gone with the handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &ended);
        curl_multi_remove_handle(neo4j->multi, ended->curl);
        ended->is_under_way = false;
        ended->code = code;
    }
}

/* Waits a while for more. */
static void neo4j_await(struct rb_neo4j *neo4j, const struct exchange *awaited)
{
    if (awaited->is_under_way)
        curl_multi_poll(neo4j->multi, NULL, 0, POLL_MS, NULL);
}

static void neo4j_go_on(struct rb_neo4j *neo4j, const struct exchange *awaited)
{
    neo4j_perform(neo4j);
    neo4j_await(neo4j, awaited);
}

/* One attempt; returns when all of the request is with the server. */
static void exchange_begin(struct exchange *exchange, struct rb_neo4j *neo4j)
{
    curl_off_t len = (curl_off_t)strlen(exchange->request), sent = 0;
    rb_buf_reset(&exchange->answer);
    curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, exchange->request);
    curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDSIZE_LARGE, len);
    exchange->is_under_way = curl_multi_add_handle(neo4j->multi, exchange->curl) == CURLM_OK;
    exchange->code = CURLE_FAILED_INIT;
    while (exchange->is_under_way) {
        neo4j_perform(neo4j);
        curl_easy_getinfo(exchange->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
        if (sent >= len) /* what comes next is the answer, and another lane's request need not wait for it */
            break;
        neo4j_await(neo4j, exchange);
    }
}

/* Waits for the answer. *again: the same statement may work at once. */
static rb_err exchange_answer(json_t **values, bool *again, struct exchange *exchange, struct rb_neo4j *neo4j)
{
    long status = 0;
    *again = false;
    while (exchange->is_under_way)
        neo4j_go_on(neo4j, exchange);
    CURLcode code = exchange->code;
    if (code != CURLE_OK) {
        /* A kept-alive connection that the server had closed shows only when it is used (after some 30 s). */
        *again = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
        return rb_error_set(code == CURLE_OPERATION_TIMEDOUT ? RB_ETIMEOUT : RB_EUNAVAILABLE, "%s",
                            curl_easy_strerror(code));
    }
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    const struct rb_buf *answer = &exchange->answer;
    json_t *body = rb_json_load(&(struct rb_json_text){answer->data ? answer->data : "", answer->len, 0});
    const json_t *rows = NULL;
    rb_err err = rb_neo4j_judge(&rows, again, (int)status, body);
    if (!err && values)
        *values = json_incref((json_t *)rows);
    json_decref(body);
    return err;
}

static void neo4j_pause(int attempt)
{
    int64_t ms = rb_jitter_ms((int64_t)FIRST_PAUSE_MS << attempt);
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static rb_err neo4j_send(struct exchange *exchange, struct rb_neo4j *neo4j, const char *statement,
                         json_t *parameters)
{
    char *planned_once = rb_asprintf("CYPHER replan=skip %s", statement);
    json_t *request =
        parameters ? json_pack("{s:s, s:{s:O}}", "statement", planned_once, "parameters", "given", parameters)
                   : json_pack("{s:s}", "statement", statement);
    free(planned_once);
    exchange->request = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!exchange->request)
        return rb_error_set(RB_EINTERNAL, "a statement for Neo4j is no JSON");
    exchange_begin(exchange, neo4j);
    return RB_OK;
}

static rb_err neo4j_wait(json_t **values, struct exchange *exchange, struct rb_neo4j *neo4j)
{
    bool again = false;
    rb_err err = exchange_answer(values, &again, exchange, neo4j);
    for (int attempt = 0; err && again && attempt < ATTEMPTS - 1; attempt++) {
        neo4j_pause(attempt);
        exchange_begin(exchange, neo4j);
        err = exchange_answer(values, &again, exchange, neo4j);
    }
    exchange_end(exchange, neo4j);
    return err ? rb_error_wrap(err, "Neo4j at %s", neo4j->shown) : RB_OK;
}

rb_err rb_neo4j_run(json_t **values, struct rb_neo4j *neo4j, const char *statement, json_t *parameters)
{
    rb_err err = neo4j_send(&neo4j->run, neo4j, statement, parameters);
    return err ? err : neo4j_wait(values, &neo4j->run, neo4j);
}

size_t rb_neo4j_lane(struct rb_neo4j *neo4j)
{
    for (;; neo4j_go_on(neo4j, &neo4j->lanes[0])) {
        for (size_t lane = 0; lane < RB_NEO4J_LANES; lane++) {
            if (!neo4j->lanes[lane].is_under_way)
                return lane;
        }
    }
}

rb_err rb_neo4j_send(struct rb_neo4j *neo4j, size_t lane, const char *statement, json_t *parameters)
{
    return neo4j_send(&neo4j->lanes[lane], neo4j, statement, parameters);
}

rb_err rb_neo4j_wait(json_t **values, struct rb_neo4j *neo4j, size_t lane)
{
    return neo4j_wait(values, &neo4j->lanes[lane], neo4j);
}

void rb_neo4j_drop(struct rb_neo4j *neo4j, size_t lane)
{
    exchange_end(&neo4j->lanes[lane], neo4j);
}
