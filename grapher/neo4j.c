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

struct rb_neo4j {
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    char *shown; /* the address for messages */
    struct rb_buf answer;
};

static size_t neo4j_receive(char *data, size_t size, size_t count, void *arg)
{
    struct rb_buf *answer = arg;
    return rb_buf_append(answer, data, size * count) == RB_OK ? size * count : 0;
}

rb_err rb_neo4j_open(struct rb_neo4j **out, const struct rb_neo4j_options *options)
{
    struct rb_neo4j *neo4j = rb_calloc(1, sizeof *neo4j);
    rb_buf_init(&neo4j->answer, ANSWER_MAX);
    neo4j->curl = curl_easy_init();
    neo4j->shown = rb_strdup(options->uri);
    neo4j->url =
        rb_asprintf("%s/db/%s/query/v2", options->uri, options->database ? options->database : "neo4j");
    neo4j->headers = curl_slist_append(neo4j->headers, "Content-Type: application/json");
    neo4j->headers = curl_slist_append(neo4j->headers, "Accept: application/json");
    neo4j->headers = curl_slist_append(neo4j->headers, "Expect:");
    if (!neo4j->curl || !neo4j->headers) {
        rb_neo4j_close(neo4j);
        return rb_error_set(RB_EINTERNAL, "libcurl could not be started");
    }
    CURL *curl = neo4j->curl;
    curl_easy_setopt(curl, CURLOPT_URL, neo4j->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, neo4j->headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)REQUEST_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, neo4j_receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &neo4j->answer);
    if (options->username && *options->username) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, options->username);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, options->password ? options->password : "");
    }
    *out = neo4j;
    return RB_OK;
}

void rb_neo4j_close(struct rb_neo4j *neo4j)
{
    if (!neo4j)
        return;
    curl_easy_cleanup(neo4j->curl);
    curl_slist_free_all(neo4j->headers);
    rb_buf_free(&neo4j->answer);
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

/* One attempt. *again: the same statement may work at once. */
static rb_err neo4j_attempt(json_t **values, bool *again, struct rb_neo4j *neo4j)
{
    long status = 0;
    *again = false;
    rb_buf_reset(&neo4j->answer);
    CURLcode code = curl_easy_perform(neo4j->curl);
    if (code != CURLE_OK) {
        /* A kept-alive connection that the server had closed shows only when it is used (after some 30 s). */
        *again = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
        return rb_error_set(code == CURLE_OPERATION_TIMEDOUT ? RB_ETIMEOUT : RB_EUNAVAILABLE, "%s",
                            curl_easy_strerror(code));
    }
    curl_easy_getinfo(neo4j->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *body = json_loadb(neo4j->answer.data ? neo4j->answer.data : "", neo4j->answer.len, 0, NULL);
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

rb_err rb_neo4j_run(json_t **values, struct rb_neo4j *neo4j, const char *statement, json_t *parameters)
{
    char *planned_once = rb_asprintf("CYPHER replan=skip %s", statement);
    json_t *request =
        parameters ? json_pack("{s:s, s:{s:O}}", "statement", planned_once, "parameters", "given", parameters)
                   : json_pack("{s:s}", "statement", statement);
    free(planned_once);
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text)
        return rb_error_set(RB_EINTERNAL, "a statement for Neo4j is no JSON");
    curl_easy_setopt(neo4j->curl, CURLOPT_POSTFIELDS, text);
    curl_easy_setopt(neo4j->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
    bool again = false;
    rb_err err = neo4j_attempt(values, &again, neo4j);
    for (int attempt = 0; err && again && attempt < ATTEMPTS - 1; attempt++) {
        neo4j_pause(attempt);
        err = neo4j_attempt(values, &again, neo4j);
    }
    free(text);
    rb_buf_free(&neo4j->answer);
    return err ? rb_error_wrap(err, "Neo4j at %s", neo4j->shown) : RB_OK;
}

rb_err rb_neo4j_address(char *out, size_t size, const char *uri)
{
    static const char *const encrypted[] = {"neo4j+s://", "bolt+s://", "neo4j+ssc://", "bolt+ssc://"};
    size_t len = strlen(uri);
    while (len > 0 && uri[len - 1] == '/')
        len--;
    if (len >= size)
        return rb_error_set(RB_EINVAL, "longer than %zu bytes", size - 1);
    if (code_starts(uri, "http://") || code_starts(uri, "https://")) {
        snprintf(out, size, "%.*s", (int)len, uri);
        return RB_OK;
    }
    for (size_t i = 0; i < sizeof encrypted / sizeof *encrypted; i++) {
        size_t scheme = strlen(encrypted[i]);
        if (len > scheme && code_starts(uri, encrypted[i])) {
            /* Aura serves the Query API on the same host, on the port of https. */
            snprintf(out, size, "https://%.*s", (int)strcspn(uri + scheme, ":/"), uri + scheme);
            return RB_OK;
        }
    }
    return rb_error_set(RB_EINVAL,
                        "Repobus speaks to Neo4j over HTTP: write http://host:7474, https://host:7473, or "
                        "Aura's neo4j+s://host");
}
