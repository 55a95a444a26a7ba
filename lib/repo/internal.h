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

/* What of rb_repo_plan is only rb_repo_read()'s. Files that come with a group for nothing, being equal to
 * others, have places besides those of its queries. */
#define REPO_GROUP_FILES (2 * RB_REPO_GROUP_QUERIES * RB_GITHUB_QUERY_BLOBS)
extern const struct rb_repo_load repo_whole_query;
/* What only a query of its own has room for still is in one. */
bool repo_load_add(struct rb_repo_load *load, size_t size, const struct rb_repo_load *max);
bool repo_size_is_for_queries(int64_t size);
bool repo_plan_has_room(const struct rb_repo_plan *plan, const struct rb_repo_want *want, bool is_repeated);
void repo_plan_begin_group(struct rb_repo_plan *plan);

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
