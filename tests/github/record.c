/*
 * Every request, for tests to assert on. Written down when it arrives (a test may want to see one that hangs)
 * and completed when it is answered. The oldest make room: by number and by bytes.
 */
#include "tests/github/standin.h"

#include <string.h>

#define RECORD_MAX       100000
#define RECORD_BODY_MAX  ((size_t)64 * 1024)
#define RECORD_BYTES_MAX ((size_t)256 * 1024 * 1024) /* of bodies: a bound for a test that never forgets */

struct record_slot {
    json_t *entry;
    size_t bytes;
};

static struct record_slot *record_ring; /* serial % RECORD_MAX */
static size_t record_first;             /* serial of the oldest that is kept */
static size_t record_next;
static size_t record_bytes;

static void record_drop_oldest(void)
{
    struct record_slot *slot = &record_ring[record_first % RECORD_MAX];
    json_decref(slot->entry);
    record_bytes -= slot->bytes;
    *slot = (struct record_slot){0};
    record_first++;
}

static json_t *record_headers(struct sim_exchange *x)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < x->req->headers.size; i++) {
        const h2o_header_t *header = &x->req->headers.entries[i];
        char *name = rb_arena_strndup(x->arena, header->name->base, header->name->len);
        for (char *p = name; *p != '\0'; p++) {
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
        }
        if (strcmp(name, "authorization") != 0) {
            json_object_set_new(headers, name,
                                json_string(rb_sim_utf8(x->arena, header->value.base, header->value.len)));
        }
    }
    json_object_set_new(headers, "host", json_stringn(x->req->authority.base, x->req->authority.len));
    return headers;
}

void rb_sim_record_add(struct sim_exchange *x)
{
    if (record_ring == NULL) {
        record_ring = rb_calloc(RECORD_MAX, sizeof(*record_ring));
    }
    size_t len = x->body_len < RECORD_BODY_MAX ? x->body_len : RECORD_BODY_MAX;
    while (record_next - record_first >= RECORD_MAX ||
           (record_first < record_next && record_bytes + len > RECORD_BYTES_MAX)) {
        record_drop_oldest();
    }
    json_t *entry = json_object();
    json_object_set_new(entry, "method", json_string(x->method));
    json_object_set_new(entry, "path", json_string(rb_sim_utf8(x->arena, x->path, strlen(x->path))));
    json_object_set_new(entry, "query", json_string(rb_sim_utf8(x->arena, x->query, strlen(x->query))));
    json_object_set_new(entry, "headers", record_headers(x));
    json_object_set_new(entry, "body", json_string(rb_sim_utf8(x->arena, x->body, len)));
    json_object_set_new(entry, "status", json_null());
    const struct sim_user *user = rb_sim_asker(x);
    bool is_named = user != NULL && user->login != NULL;
    json_object_set_new(entry, "login", is_named ? json_string(user->login) : json_null());
    json_object_set_new(entry, "at_ms", json_integer(rb_clock_wall_ms()));
    record_ring[record_next % RECORD_MAX] = (struct record_slot){entry, len};
    record_bytes += len;
    x->record = record_next++;
}

static json_t *record_entry(size_t serial)
{
    bool is_kept = serial >= record_first && serial < record_next;
    return is_kept ? record_ring[serial % RECORD_MAX].entry : NULL;
}

void rb_sim_record_done(size_t serial, int status)
{
    json_t *entry = record_entry(serial);
    if (entry != NULL) {
        json_object_set_new(entry, "status", json_integer(status));
    }
}

json_t *rb_sim_record_list(void)
{
    json_t *list = json_array();
    for (size_t serial = record_first; serial < record_next; serial++) {
        json_array_append(list, record_entry(serial));
    }
    return list;
}

void rb_sim_record_clear(void)
{
    while (record_first < record_next) {
        record_drop_oldest();
    }
    free(record_ring);
    record_ring = NULL;
}
