/*
 * What the scanner does for subscribers that have no secrets: it has DATABASE_URL and SECRET_KEY, and asks
 * GitHub, or reads a payload, in their place. Whoever may ask on NATS acts in the name of the people who
 * connected the repository (deploy/nats/permissions says who may).
 */
#ifndef SCANNER_SERVICE_H
#define SCANNER_SERVICE_H

#include "scanner/handler.h"

#define SCANNER_SERVICE_WORKERS 8 /* each waits for GitHub most of its time */

/*
 * installation.github:
 * {"installation_ids":[7,8],"method":"GET","path":"issues/1/labels?per_page=100","body":…,
 * "traceparent":"…"}, as rb_github_custom() takes them; `body` and `traceparent` may be absent. The first
 * installation whose token may is who asks. Answer:
 * {"status":200,"has_next":false,"rate_remaining":4990,"body":…}, `body` null where GitHub gave none. Errors
 * are GitHub's (rb_github_judge()); RB_ETOOBIG beyond RB_ANSWER_MAX.
 */
rb_err rb_scanner_github(struct rb_buf *answer, const json_t *question, struct rb_arena *arena, void *app,
                         void *local);
/* delivery.payload: {"hook_id":1,"delivery_id":"…","pointer":"/pull_request/number"}; the answer is that part
 * of the payload. RB_ENOTFOUND: there is no such part, or no such payload; RB_ETOOBIG as above. */
rb_err rb_scanner_payload(struct rb_buf *answer, const json_t *question, struct rb_arena *arena, void *app,
                          void *local);

#endif
