/*
 * lib/repo: a connected repository as a subscriber sees it.
 *
 * Puts the other libraries together: opens the person's token from the store for as long as it is needed,
 * gives the tree (cache first, GitHub if we are the first to ask; truncated answers are walked folder by
 * folder) and the content of files (cache first, then many in one request). All functions block; one rb_repo
 * per event, on one thread.
 */
#ifndef RB_REPO_H
#define RB_REPO_H

#include "lib/base/base.h"
#include "lib/github/github.h"
#include "lib/secrets/secrets.h"
#include "lib/store/store.h"

/* What a subscriber process holds: one per process, shared by its workers (each worker its own rb_db). */
struct rb_repo_sources {
    const char *database_url;
    struct rb_github *github;
    struct rb_keyring *keyring;
};
/* Reads DATABASE_URL, SECRET_KEY, SECRET_KEY_PREVIOUS and GITHUB_API_URL and checks all that `config` has
 * noted until then; starts the GitHub client under the name `user_agent`. From here on the process leaves no
 * core dump, which would hold the keys. `config` must outlive the sources. */
rb_err rb_repo_sources_start(struct rb_repo_sources *sources, struct rb_config *config,
                             const char *user_agent) RB_MUST_CHECK;
void rb_repo_sources_stop(struct rb_repo_sources *sources); /* also after a failed or no start, when zeroed */
/* The part of --help about these settings. */
extern const char rb_repo_sources_help[];

struct rb_repo {
    int64_t installation_id;
    int64_t generation;
    int64_t repo_id;
    const char *owner, *name;   /* the name of today, from the store */
    const char *default_branch; /* "" when GitHub did not say */
};
struct rb_repo_handle;

/* Reads the installation, opens the token. RB_ESTALE: not active any more or a newer generation exists;
 * `generation` 0 is the present one, whichever that is. RB_EAUTH: the token does not open. `arena` must
 * outlive the handle. */
rb_err rb_repo_open(struct rb_repo_handle **out, const struct rb_repo_sources *sources, struct rb_db *db,
                    int64_t installation_id, int64_t generation, struct rb_arena *arena) RB_MUST_CHECK;
void rb_repo_close(struct rb_repo_handle *handle); /* wipes the token; NULL is fine */
const struct rb_repo *rb_repo_about(const struct rb_repo_handle *handle);

/* Any other request of lib/github, with the person's token, within its budget; `request` is taken. Waits. The
 * result is the judgement (rb_github_judge()), its sentence the error text, a limit's time
 * rb_error_wait_ms(). `response` is to be zeroed before and cleared afterwards, whatever the result. */
rb_err rb_repo_ask(struct rb_github_response *response, struct rb_repo_handle *handle,
                   struct rb_github_request *request) RB_MUST_CHECK;

/* Packed (rb_tree_unpack() makes it an array). An empty repository (GitHub: 409) gives a complete tree of 0
 * entries with commit "". */
rb_err rb_repo_tree(struct rb_tree *tree, struct rb_repo_handle *handle) RB_MUST_CHECK;

/*
 * Reads many files, whatever their number within bounded memory, and hands each over in the order of `wants`:
 * from the cache, else a hundred in one request (GraphQL), else one by one (REST), for what is too large for
 * that, binary or no UTF-8, and where GitHub does not answer queries. What is handed over is to the byte what
 * the tree names: it has that hash. What was read stays in the cache, also when the rest has to come later.
 *
 * `err` says what became of a file: RB_ETOOBIG beyond its `max_bytes`, RB_EINVAL no regular file, RB_ELIMIT
 * beyond RB_REPO_SINGLES_MAX, or why GitHub does not give it; `content` is then NULL and `why` a sentence. It
 * is zero-terminated and gone when `fn` returns. The result is the first temporary error, so that the caller
 * can come again, or what `fn` returned, which ends the reading; else RB_OK.
 */
#define RB_REPO_SINGLES_MAX 300 /* requests for one file each, of a person's 5,000 an hour */
struct rb_repo_want {
    const struct rb_tree_entry *entry;
    size_t max_bytes;
    bool is_text; /* of no use otherwise: what GitHub calls binary is not asked for one by one, but given
                     with RB_EINVAL */
};
typedef rb_err (*rb_repo_content_fn)(void *arg, size_t index, const char *content, size_t len, rb_err err,
                                     const char *why);
rb_err rb_repo_read(struct rb_repo_handle *handle, const struct rb_repo_want *wants, size_t count,
                    rb_repo_content_fn fn, void *arg) RB_MUST_CHECK;
/* What rb_repo_read() is going to ask for, where the cache has nothing and all goes well: all zero at first,
 * then each file in its order. Copied, it can be asked what one more would cost. */
#define RB_REPO_GROUP_QUERIES 4 /* of what is in memory at once; as many as are under way at once */
struct rb_repo_plan {
    size_t requests;
    /* Of the last group. */
    struct rb_repo_load {
        size_t files, bytes;
    } queries[RB_REPO_GROUP_QUERIES];
    size_t query_count, files;
    int64_t bytes;
};
/* Returns plan->requests. */
size_t rb_repo_plan_add(struct rb_repo_plan *plan, const struct rb_repo_want *want, bool is_repeated);
/* Which of them are equal to an earlier one: those cost nothing. */
void rb_repo_repeats(bool *repeats, const struct rb_repo_want *wants, size_t count);
/* What this handle has cost so far. */
struct rb_repo_usage {
    int64_t rest, graphql; /* requests to GitHub, the tree's too */
    int64_t cached;        /* files that the cache had */
};
const struct rb_repo_usage *rb_repo_used(const struct rb_repo_handle *handle);
/* The files a pull request changes, all pages (GitHub lists 3,000 at most), in the arena. RB_ENOTFOUND: there
 * is no such pull request any more. */
struct rb_repo_pull_file {
    const char *path; /* the new one of a file that is renamed */
    int64_t additions, deletions;
};
rb_err rb_repo_pull_files(const struct rb_repo_pull_file **files, size_t *count,
                          struct rb_repo_handle *handle, int64_t number) RB_MUST_CHECK;
/* What is open on GitHub, newest first, at most `pages` pages of RB_GITHUB_OPEN_PAGE; *more: there are
 * others. One call of `fn` for each; its first error ends the list. RB_ENOTFOUND: of issues also where the
 * repository has none (docs.github.com, 410). */
rb_err rb_repo_list_open(bool *more, struct rb_repo_handle *handle, enum rb_github_kind kind, int pages,
                         rb_github_object_fn fn, void *arg) RB_MUST_CHECK;
/* The payload of a webhook whose event (github.*) carries none, being too large, by the event's hook_id and
 * delivery_id: JSON, zero-terminated in the arena, there for as long as the event is (30 days). RB_ENOTFOUND:
 * there is none, or no more. */
rb_err rb_repo_delivery_payload(const char **payload, size_t *len, struct rb_db *db, int64_t hook_id,
                                const char *delivery_id, struct rb_arena *arena) RB_MUST_CHECK;
/* RB_OK while this generation is still the newest and the installation active, RB_ESTALE otherwise. */
rb_err rb_repo_is_current(struct rb_repo_handle *handle) RB_MUST_CHECK;

#endif
