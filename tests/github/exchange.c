/* What a handler needs of its request, and how it answers. */
#include "tests/github/standin.h"

#include <curl/curl.h>
#include <string.h>

#define EXCHANGE_DOCS "https://docs.github.com/rest"

/* The value behind %XX and '+'. NULL when it holds a zero byte. */
static const char *exchange_decode(struct rb_arena *arena, const char *text, size_t len)
{
    char *copy = rb_arena_strndup(arena, text, len);
    for (char *p = copy; *p != '\0'; p++) {
        *p = (char)(*p == '+' ? ' ' : *p);
    }
    int decoded_len = 0;
    char *decoded = curl_easy_unescape(NULL, copy, 0, &decoded_len);
    const char *result = NULL;
    if (decoded != NULL && strlen(decoded) == (size_t)decoded_len) {
        result = rb_arena_strdup(arena, decoded);
    }
    curl_free(decoded);
    return result;
}

const char *rb_sim_query(struct sim_exchange *x, const char *name)
{
    size_t want = strlen(name);
    for (const char *p = x->query; *p != '\0';) {
        size_t len = strcspn(p, "&");
        size_t key = strcspn(p, "=&");
        if (key == want && strncmp(p, name, want) == 0) {
            return exchange_decode(x->arena, p + key + (key < len), len - key - (key < len));
        }
        p += len;
        p += *p == '&';
    }
    return NULL;
}

int64_t rb_sim_query_int(struct sim_exchange *x, const char *name, int64_t fallback, int64_t min, int64_t max)
{
    const char *text = rb_sim_query(x, name);
    char *end = NULL;
    long long value = text != NULL ? strtoll(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0') {
        return fallback;
    }
    return value < min ? min : value > max ? max : value;
}

static void exchange_decref(void *json)
{
    json_decref(json);
}

json_t *rb_sim_body_object(struct sim_exchange *x)
{
    const char *doc = x->route != NULL ? x->route->doc : "";
    json_error_t error;
    json_t *json = json_loadb(x->body, x->body_len, 0, &error);
    if (json == NULL) {
        rb_sim_answer_error(x, 400, doc, "Problems parsing JSON");
        return NULL;
    }
    rb_arena_defer(x->arena, exchange_decref, json);
    if (!json_is_object(json)) {
        rb_sim_answer_error(x, 400, doc, "Body should be a JSON object");
        return NULL;
    }
    return json;
}

const char *rb_sim_json_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void rb_sim_header(struct sim_exchange *x, const char *name, const char *fmt, ...)
{
    if (x->answer.header_count == SIM_HEADERS_MAX) {
        rb_log_error("no room for header %s", name);
        return;
    }
    char text[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    x->answer.headers[x->answer.header_count++] = (struct sim_header){name, rb_arena_strdup(x->arena, text)};
}

void rb_sim_answer_shared(struct sim_exchange *x, int status, const char *content_type, char *shared,
                          size_t len)
{
    struct sim_answer *answer = &x->answer;
    if (shared != NULL) {
        h2o_mem_addref_shared(shared);
    }
    if (answer->body != NULL) {
        h2o_mem_release_shared(answer->body);
    }
    answer->status = status;
    answer->body = shared;
    answer->len = len;
    answer->content_type = content_type;
}

void rb_sim_answer_bytes(struct sim_exchange *x, int status, const char *content_type, const void *data,
                         size_t len)
{
    char *shared = h2o_mem_alloc_shared(NULL, len + 1, NULL);
    if (len > 0) {
        memcpy(shared, data, len);
    }
    rb_sim_answer_shared(x, status, content_type, shared, len);
    h2o_mem_release_shared(shared);
}

void rb_sim_answer_json(struct sim_exchange *x, int status, json_t *stolen)
{
    char *text = json_dumps(stolen, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(stolen);
    if (text == NULL) {
        rb_sim_answer_error(x, 500, "", "Server Error");
        return;
    }
    rb_sim_answer_bytes(x, status, "application/json; charset=utf-8", text, strlen(text));
    free(text);
}

void rb_sim_answer_empty(struct sim_exchange *x, int status)
{
    rb_sim_answer_shared(x, status, NULL, NULL, 0);
}

void rb_sim_answer_error(struct sim_exchange *x, int status, const char *doc, const char *message)
{
    rb_sim_answer_json(x, status,
                       json_pack("{s:s, s:s++, s:o}", "message",
                                 rb_sim_utf8(x->arena, message, strlen(message)), "documentation_url",
                                 EXCHANGE_DOCS, *doc != '\0' ? "/" : "", doc, "status",
                                 json_sprintf("%d", status)));
}

void rb_sim_answer_invalid(struct sim_exchange *x, const char *doc, json_t *stolen_errors)
{
    rb_sim_answer_json(x, 422,
                       json_pack("{s:s, s:o, s:s++, s:s}", "message", "Validation Failed", "errors",
                                 stolen_errors, "documentation_url", EXCHANGE_DOCS, "/", doc, "status",
                                 "422"));
}

/* As the repository's number, like GitHub's: a Link stays right when the repository is renamed. */
const char *rb_sim_self(struct sim_exchange *x)
{
    if (x->repo == NULL) {
        return rb_arena_printf(x->arena, "%s%s", x->base, x->path);
    }
    const char *rest = x->path + strlen("/repos/");
    rest += strcspn(rest, "/") + 1;
    rest += strcspn(rest, "/");
    return rb_arena_printf(x->arena, "%s/repositories/%lld%s", x->base, (long long)x->repo->id, rest);
}

static void page_link(struct rb_buf *buf, struct sim_exchange *x, const char *others, int64_t page,
                      const char *rel)
{
    rb_err err = rb_buf_printf(buf, "%s<%s?%spage=%lld>; rel=\"%s\"", buf->len > 0 ? ", " : "",
                               rb_sim_self(x), others, (long long)page, rel);
    if (err != RB_OK) {
        rb_log_warn("Link header too long: %s", x->path);
    }
}

/* The query without `page`, with a closing '&' unless empty. */
static char *page_others(struct sim_exchange *x)
{
    struct rb_buf buf;
    rb_buf_init(&buf, 2048);
    for (const char *p = x->query; *p != '\0';) {
        size_t len = strcspn(p, "&");
        if (len > 0 && strncmp(p, "page=", 5) != 0 && rb_buf_printf(&buf, "%.*s&", (int)len, p) != RB_OK) {
            break;
        }
        p += len;
        p += *p == '&';
    }
    char *others = rb_arena_strdup(x->arena, buf.len > 0 ? buf.data : "");
    rb_buf_free(&buf);
    return others;
}

void rb_sim_page(struct sim_exchange *x, size_t total, size_t *first, size_t *end)
{
    // 30 by default and 100 at most: GitHub's numbers.
    int64_t per_page = rb_sim_query_int(x, "per_page", 30, 1, 100);
    int64_t page = rb_sim_query_int(x, "page", 1, 1, INT32_MAX);
    int64_t last = ((int64_t)total + per_page - 1) / per_page;
    int64_t from = (page - 1) * per_page;
    *first = from < (int64_t)total ? (size_t)from : total;
    *end = from + per_page < (int64_t)total ? (size_t)(from + per_page) : total;

    struct rb_buf buf;
    rb_buf_init(&buf, 4000);
    char *others = page_others(x);
    if (page > 1) {
        page_link(&buf, x, others, page > last && last > 0 ? last : page - 1, "prev");
    }
    if (page < last) {
        page_link(&buf, x, others, page + 1, "next");
        page_link(&buf, x, others, last, "last");
    }
    if (page > 1) {
        page_link(&buf, x, others, 1, "first");
    }
    if (buf.len > 0) {
        rb_sim_header(x, "link", "%s", buf.data);
    }
    rb_buf_free(&buf);
}

char *rb_sim_utf8(struct rb_arena *arena, const char *text, size_t len)
{
    static const unsigned char unknown[] = {0xef, 0xbf, 0xbd}; // U+FFFD
    char *out = rb_arena_alloc(arena, len * sizeof(unknown) + 1);
    size_t at = 0;
    for (size_t i = 0; i < len;) {
        size_t width = 1;
        unsigned char c = (unsigned char)text[i];
        if (c >= 0xc2 && c <= 0xf4) {
            width = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        }
        // jansson judges what is valid: one character at a time.
        json_t *character = c < 0x80 ? NULL : i + width <= len ? json_stringn(text + i, width) : NULL;
        if (c < 0x80 ? c != '\0' : character != NULL) {
            memcpy(out + at, text + i, width);
            at += width;
            i += width;
        } else {
            memcpy(out + at, unknown, sizeof(unknown));
            at += sizeof(unknown);
            i++;
        }
        json_decref(character);
    }
    return out;
}

char *rb_sim_escape(struct rb_arena *arena, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t len = strlen(path);
    char *out = rb_arena_alloc(arena, len * 3 + 1);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if (strchr(plain, path[i]) != NULL) {
            out[at++] = path[i];
        } else {
            at += (size_t)snprintf(out + at, 4, "%%%02X", (unsigned char)path[i]);
        }
    }
    return out;
}
