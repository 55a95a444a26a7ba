/* What people write on GitHub and in NEO4J_URI, and what Neo4j answers. */
#include <stdlib.h>

#include "grapher/activity.h"
#include "grapher/neo4j.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_closing(const char *data, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    char *text = rb_arena_strndup(arena, data, len);
    struct rb_closing found[3];
    size_t count = rb_closing_find(found, 3, text, "https://github.com", arena);
    FUZZ_HOLDS(count <= 3);
    for (size_t i = 0; i < count; i++)
        FUZZ_HOLDS(found[i].number > 0 && (!found[i].repo || strchr(found[i].repo, '/')));
    rb_arena_free(arena);
}

/* What is taken is an address of HTTP, with nothing secret in it. */
static void fuzz_address(const char *data, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_neo4j_address address;
    if (rb_neo4j_address(&address, rb_arena_strndup(arena, data, len)) == RB_OK) {
        FUZZ_HOLDS(strncmp(address.base, "http://", 7) == 0 || strncmp(address.base, "https://", 8) == 0);
        FUZZ_HOLDS(!memchr(address.base, '@', strcspn(address.base + 8, "/") + 8));
    }
    rb_arena_free(arena);
}

/* The first byte is the status. */
static void fuzz_answer(const char *data, size_t len)
{
    static const int statuses[] = {200, 202, 400, 401, 404, 500};
    const json_t *values = NULL;
    bool transient = false;
    if (len == 0)
        return;
    json_t *body = json_loadb(data + 1, len - 1, 0, NULL);
    rb_err err = rb_neo4j_judge(&values, &transient, statuses[(unsigned char)*data % 6], body);
    FUZZ_HOLDS((err == RB_OK) == json_is_array(values));
    FUZZ_HOLDS(err || !transient);
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_target targets[] = {{"closing", fuzz_closing},
                                                 {"neo4j-address", fuzz_address},
                                                 {"neo4j-answer", fuzz_answer},
                                                 {NULL, NULL}};
    return fuzz_run(targets, data, size);
}
