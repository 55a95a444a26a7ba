/*
 * Many blobs in one request, by GraphQL. Its answers are 200 whatever happened: what went wrong stands in
 * "errors", beside what went well in "data". Which errors there are is documented nowhere; those below are
 * the ones that people have reported (github/docs#22607, yanyongyu/githubkit#271).
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/github/internal.h"

#define QUERY_TIMEOUT_MS 30000 /* GitHub may think for 10 s, and then send megabytes */
#define QUERY_BODY_MAX   65536 /* of the query: 100 names of 64 characters have 12,000 */
#define QUERY_ERROR_BODY 65536 /* an answer with nothing but errors is small: larger ones are data */
#define QUERY_FRAME      65536 /* of the answer, besides the texts */

void rb_github_query_blobs(struct rb_github_request *request, const char *owner, const char *repo,
                           const char *const *shas, size_t count, size_t bytes)
{
    struct rb_buf query;
    rb_buf_init(&query, QUERY_BODY_MAX);
    rb_err err = rb_buf_printf(&query, "query($o:String!,$n:String!){repository(owner:$o,name:$n){");
    for (size_t i = 0; i < count && !err; i++)
        err = rb_buf_printf(&query, "b%zu:object(oid:\"%s\"){...f}", i, shas[i]);
    if (!err)
        err = rb_buf_printf(&query, "}rateLimit{cost remaining resetAt}}"
                                    "fragment f on Blob{byteSize isBinary isTruncated text}");
    json_t *body =
        err ? NULL
            : json_pack("{s:s, s:{s:s, s:s}}", "query", query.data, "variables", "o", owner, "n", repo);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    *request = (struct rb_github_request){
        .method = RB_GITHUB_POST,
        .path = rb_strdup("/graphql"),
        .body = text ? text : rb_strdup("{}"), /* only beyond the number above: GitHub says what is missing */
        .accept = "application/vnd.github+json",
        .name = "query files",
        .is_query = true,
        .timeout_ms = QUERY_TIMEOUT_MS,
    };
    /* A byte of a text is six of JSON at most ("\u0000"). */
    size_t body_max = bytes * 6 + count * 256 + QUERY_FRAME;
    request->body_max = body_max < RB_GITHUB_BODY_MAX ? body_max : RB_GITHUB_BODY_MAX;
    json_decref(body);
    rb_buf_free(&query);
}

/* ---- what went wrong ---------------------------------------------------------------------------------- */

struct query_error {
    char type[64];     /* "NOT_FOUND"; "" for queries that GitHub does not understand */
    char message[256]; /* what is longer is left out */
};

static void query_read_error(struct query_error *error, const struct rb_github_response *response)
{
    const struct rb_json_field fields[] = {
        {"/errors/0/type", RB_JSON_TEXT, error->type, sizeof(error->type)},
        {"/errors/0/message", RB_JSON_TEXT, error->message, sizeof(error->message)}};
    *error = (struct query_error){0};
    const struct rb_json_text text = github_text(response);
    if (!response->body || response->len > QUERY_ERROR_BODY ||
        rb_json_find(fields, sizeof(fields) / sizeof(*fields), &text))
        return;
    github_cut_text(error->message);
    for (char *c = error->message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
}

void github_query_limit(struct rb_github_response *response)
{
    struct query_error error;
    if (response->status != 200)
        return;
    query_read_error(&error, response);
    bool primary = strcmp(error.type, "RATE_LIMITED") == 0 || strcmp(error.type, "RATE_LIMIT") == 0;
    bool secondary = strcasestr(error.message, "secondary rate limit") != NULL;
    if (!primary && !secondary)
        return;
    response->status = 429;
    if (!secondary) /* the points that are left are too few for this query */
        response->rate_remaining = 0;
    memcpy(response->message, error.message, sizeof(response->message));
}

static rb_err query_failed(const struct rb_github_response *response)
{
    struct query_error error;
    query_read_error(&error, response);
    const char *message = *error.message ? error.message : "no reason given";
    if (strcmp(error.type, "NOT_FOUND") == 0)
        return rb_error_set(RB_ENOTFOUND, "GitHub: %s", message);
    if (strcmp(error.type, "FORBIDDEN") == 0 || strcmp(error.type, "INSUFFICIENT_SCOPES") == 0)
        return rb_error_set(RB_EFORBIDDEN, "GitHub: %s", message);
    if (*error.type || strcasestr(message, "something went wrong") || strcasestr(message, "timeout"))
        return rb_error_set(RB_EUNAVAILABLE, "GitHub: %s", message);
    return rb_error_set(*error.message ? RB_EINVAL : RB_EPROTOCOL, "GitHub: %s", message);
}

/* ---- what went well ----------------------------------------------------------------------------------- */

struct query_walk {
    struct rb_github_blob blob;
    struct rb_json_piece text;
    rb_github_blob_fn fn;
    void *arg;
};

static void query_on_member(void *arg, const char *name, size_t len)
{
    struct query_walk *walk = arg;
    size_t index = 0;
    if (len < 2 || len > 4 || name[0] != 'b')
        return;
    for (size_t i = 1; i < len; i++) {
        if (name[i] < '0' || name[i] > '9')
            return;
        index = index * 10 + (size_t)(name[i] - '0');
    }
    if (walk->blob.size < 0) /* null, or no blob */
        return;
    walk->blob.index = index;
    walk->blob.text = walk->text.at;
    walk->blob.len = walk->text.len;
    walk->fn(walk->arg, &walk->blob);
}

rb_err rb_github_read_blobs(const struct rb_github_response *response, rb_github_blob_fn fn, void *arg)
{
    struct query_walk walk = {.fn = fn, .arg = arg};
    const struct rb_json_field fields[] = {{"/byteSize", RB_JSON_INT, &walk.blob.size, 0},
                                           {"/isBinary", RB_JSON_BOOL, &walk.blob.is_binary, 0},
                                           {"/isTruncated", RB_JSON_BOOL, &walk.blob.is_truncated, 0},
                                           {"/text", RB_JSON_PIECE, &walk.text, 0}};
    if (!response->body)
        return rb_error_set(RB_EPROTOCOL, "GitHub's answer to a query is empty");
    const struct rb_json_text text = github_text(response);
    rb_err err = rb_json_members("/data/repository", fields, sizeof(fields) / sizeof(*fields), &text,
                                 query_on_member, &walk);
    return err == RB_ENOTFOUND ? query_failed(response) : err;
}
