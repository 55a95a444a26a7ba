/* What people and GitHub send to the edge: paths, queries, ids, and the bodies of webhooks. */
#include "edge/edge.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_name(const char *name, size_t len, const char *path, size_t path_len,
                      bool (*is_valid)(const char *, size_t))
{
    char *out = rb_malloc(len + 1);
    FUZZ_HOLDS(len > 0 && name >= path && name + len <= path + path_len && !memchr(name, '/', len));
    size_t decoded = edge_segment_decode(out, name, len);
    FUZZ_HOLDS(decoded <= len);
    if (is_valid(out, decoded)) {
        /* It goes into addresses and JSON as it is. */
        FUZZ_HOLDS(!memchr(out, '/', decoded) && !memchr(out, '"', decoded) && !memchr(out, '\0', decoded) &&
                   !memchr(out, '%', decoded));
        out[decoded] = '\0';
        FUZZ_HOLDS(strcmp(out, "..") != 0);
    }
    free(out);
}

/* No address belongs to two routes of one method, whatever it is. */
static void fuzz_path(const char *path, size_t len)
{
    for (const struct edge_route *route = edge_routes; route->method; route++) {
        struct edge_captures captures, other;
        if (!edge_route_matches(&captures, route->pattern, path, len))
            continue;
        FUZZ_HOLDS(!captures.owner == !strstr(route->pattern, "{owner}"));
        if (captures.owner) {
            fuzz_name(captures.owner, captures.owner_len, path, len, rb_github_owner_is_valid);
            fuzz_name(captures.repo, captures.repo_len, path, len, rb_github_repo_is_valid);
        }
        for (const struct edge_route *next = route + 1; next->method; next++)
            FUZZ_HOLDS(strcmp(route->method, next->method) != 0 ||
                       !edge_route_matches(&other, next->pattern, path, len));
    }
}

static void fuzz_query(const char *value, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    const char *decoded = edge_form_decode(arena, value, len);
    FUZZ_HOLDS(strlen(decoded) <= len);
    if (!memchr(value, '%', len) && !memchr(value, '+', len) && !memchr(value, '\0', len))
        FUZZ_HOLDS(strcmp(decoded, value) == 0);
    if (edge_is_uuid(value))
        FUZZ_HOLDS(strlen(value) == 36 && strspn(value, "0123456789abcdefABCDEF-") == 36);
    rb_arena_free(arena);
}

/* The fields that edge/webhook.c takes out of a payload. */
static void fuzz_webhook(const char *body, size_t len)
{
    int64_t repo_id = -7;
    char action[65] = "", full_name[160] = "";
    const struct rb_json_field fields[] = {
        {"/action", RB_JSON_TEXT, action, sizeof(action)},
        {"/repository/id", RB_JSON_INT, &repo_id, 0},
        {"/repository/full_name", RB_JSON_TEXT, full_name, sizeof(full_name)}};
    bool is_json = rb_json_find(fields, 3, &(struct rb_json_text){body, len, 0}) == RB_OK;
    json_error_t ignored;
    json_t *json = json_loadb(body, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &ignored);
    FUZZ_HOLDS(strnlen(action, sizeof(action)) < sizeof(action));
    FUZZ_HOLDS(strnlen(full_name, sizeof(full_name)) < sizeof(full_name));
    /* Jansson has limits of its own (depth, the size of numbers), so that what it reads is JSON and not
     * always the other way round; but zero bytes between the tokens it passes over. */
    FUZZ_HOLDS(!json || is_json || memchr(body, '\0', len));
    json_t *loaded = rb_json_load(&(struct rb_json_text){body, len, 0});
    FUZZ_HOLDS(!loaded || json_equal(loaded, json));
    json_decref(loaded);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_target targets[] = {
        {"path", fuzz_path}, {"query", fuzz_query}, {"webhook", fuzz_webhook}, {NULL, NULL}};
    return fuzz_run(targets, data, size);
}
