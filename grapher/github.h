/*
 * What GitHub says of a pull request or an issue, in an event or in a list, becomes its node. Private to this
 * room.
 */
#ifndef RB_GRAPHER_GITHUB_H
#define RB_GRAPHER_GITHUB_H

#include "grapher/activity.h"
#include "grapher/handler.h"

struct news {
    struct rb_work *work;
    struct rb_grapher *grapher;
    struct grapher_local *mine;
    struct rb_arena *arena;
    int64_t repo_id;
    const char *full_name;
    json_t *payload; /* of an event; a reference of its own */
    /* Of a list: whose token lists files, and whether none are to be listed any more. */
    struct rb_repo_handle *handle;
    bool has_no_requests;
};

/* `about` is GitHub's object. *written: it was not older than what is known. */
rb_err grapher_put_pull_request(bool *written, struct news *news, const json_t *about) RB_MUST_CHECK;
rb_err grapher_put_issue(bool *written, struct news *news, const json_t *about) RB_MUST_CHECK;

#endif
