/* A table that is looked through from one end to the other: a few hundred comparisons beside a request to
 * GitHub. */
#include "scanner/etags.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETAGS_MAX      256
#define ETAGS_BODY_MAX 65536 /* bytes: a page of a hundred labels or files; 16 MiB in all at most */

struct etags_entry {
    int64_t installation_id;
    char *path; /* NULL: free */
    char etag[160];
    char *body;
    size_t len;
    bool has_next;
    uint64_t used;
};

struct etags {
    pthread_mutex_t mutex; /* guards what follows */
    uint64_t now;          /* grows with each use */
    struct etags_entry entries[ETAGS_MAX];
};

struct etags *etags_new(void)
{
    struct etags *etags = rb_calloc(1, sizeof(*etags));
    pthread_mutex_init(&etags->mutex, NULL);
    return etags;
}

static void etags_clear(struct etags_entry *entry)
{
    free(entry->path);
    free(entry->body);
    *entry = (struct etags_entry){0};
}

void etags_free(struct etags *etags)
{
    if (!etags)
        return;
    for (size_t i = 0; i < ETAGS_MAX; i++)
        etags_clear(&etags->entries[i]);
    pthread_mutex_destroy(&etags->mutex);
    free(etags);
}

/* That of `key`, NULL when there is none; `oldest` is whose place a new one takes. `mutex` is held. */
static struct etags_entry *etags_entry(struct etags_entry **oldest, struct etags *etags,
                                       const struct etags_key *key)
{
    *oldest = etags->entries;
    for (struct etags_entry *entry = etags->entries; entry < etags->entries + ETAGS_MAX; entry++) {
        if (entry->path && entry->installation_id == key->installation_id &&
            strcmp(entry->path, key->path) == 0)
            return entry;
        if (entry->used < (*oldest)->used)
            *oldest = entry;
    }
    return NULL;
}

bool etags_find(struct rb_github_response *known, struct etags *etags, const struct etags_key *key,
                struct rb_arena *arena)
{
    struct etags_entry *oldest;

    *known = (struct rb_github_response){0};
    pthread_mutex_lock(&etags->mutex);
    struct etags_entry *entry = etags_entry(&oldest, etags, key);
    if (entry) {
        entry->used = ++etags->now;
        snprintf(known->etag, sizeof(known->etag), "%s", entry->etag);
        known->body = rb_arena_strndup(arena, entry->body, entry->len);
        known->len = entry->len;
        known->has_next = entry->has_next;
    }
    pthread_mutex_unlock(&etags->mutex);
    return entry;
}

void etags_keep(struct etags *etags, const struct etags_key *key, const struct rb_github_response *response)
{
    struct etags_entry *oldest;

    if (response->status != 200 || !*response->etag || !response->body || response->len > ETAGS_BODY_MAX)
        return;
    pthread_mutex_lock(&etags->mutex);
    struct etags_entry *entry = etags_entry(&oldest, etags, key);
    entry = entry ? entry : oldest;
    etags_clear(entry);
    entry->installation_id = key->installation_id;
    entry->path = rb_strdup(key->path);
    snprintf(entry->etag, sizeof(entry->etag), "%s", response->etag);
    entry->body = rb_malloc(response->len + 1);
    memcpy(entry->body, response->body, response->len);
    entry->len = response->len;
    entry->has_next = response->has_next;
    entry->used = ++etags->now;
    pthread_mutex_unlock(&etags->mutex);
}
