/*
 * What GitHub answered to reading requests, with its ETag: asked again with If-None-Match, GitHub answers
 * 304, and that costs the person nothing of the hour's rate (docs.github.com, "Best practices for using the
 * REST API"). In memory, a fixed number of small answers, the longest unused of which makes room. Any thread.
 */
#ifndef SCANNER_ETAGS_H
#define SCANNER_ETAGS_H

#include "lib/github/github.h"

struct etags;
struct etags *etags_new(void);
void etags_free(struct etags *etags); /* NULL is fine */

/* One person sees what another does not, so an answer is kept by installation. */
struct etags_key {
    int64_t installation_id;
    const char *path; /* as asked, with its query */
};
/* What is known of `key`, in the arena; false: nothing. Of `response`: etag, body, len, has_next. */
bool etags_find(struct rb_github_response *known, struct etags *etags, const struct etags_key *key,
                struct rb_arena *arena);
/* Copies it; one without an ETag, or of more than 64 KiB, is not kept. */
void etags_keep(struct etags *etags, const struct etags_key *key, const struct rb_github_response *response);

#endif
