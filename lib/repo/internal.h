/* Private to lib/repo. */
#ifndef RB_REPO_INTERNAL_H
#define RB_REPO_INTERNAL_H

#include "lib/repo/repo.h"

struct rb_repo_handle {
    struct rb_repo_sources sources;
    struct rb_db *db;
    struct rb_arena *arena;
    struct rb_repo about;
    const char *full_name;
    char *token; /* opened; wiped by rb_repo_close() */
};

/* Asks GitHub and waits; the result is the judgement, its sentence the error text. The response is to be
 * cleared whatever the result. */
rb_err repo_ask(struct rb_github_response *response, struct rb_repo_handle *handle,
                struct rb_github_request *request);

/* An rb_tree_fetch_fn over a handle. */
rb_err repo_fetch_tree(void *arg, struct rb_tree *tree, char etag[160], bool *unchanged,
                       const struct rb_tree_hint *hint, struct rb_arena *arena);

#endif
