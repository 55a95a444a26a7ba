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
    struct rb_repo_usage used;
    int singles;         /* files that were asked for one by one */
    bool has_no_queries; /* GraphQL was refused: everything else is asked for one by one */
};

/* One of many requests on its way. */
struct repo_asked {
    struct rb_github_request request;   /* taken */
    struct rb_github_response response; /* to be cleared */
    rb_err err;                         /* as judged */
    char sentence[256];
    const char *name, *full_name;
    struct repo_crowd *crowd;
};
/* Asks all of them, many at once within the token's budget, and waits for the last. */
void repo_ask_many(struct repo_asked *asked, size_t count, struct rb_repo_handle *handle);

/* An rb_tree_fetch_fn over a handle. */
rb_err repo_fetch_tree(void *arg, struct rb_tree *tree, char etag[160], bool *unchanged,
                       const struct rb_tree_hint *hint, struct rb_arena *arena);

#endif
