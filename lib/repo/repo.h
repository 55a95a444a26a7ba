/*
 * lib/repo: a connected repository as a subscriber sees it.
 *
 * Puts the other libraries together: opens the person's token from the store for as long as it is needed,
 * gives the tree (cache first, GitHub if we are the first to ask; truncated answers are walked folder by
 * folder) and the content of files. All functions block; one rb_repo per event, on one thread.
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

/* An empty repository (GitHub: 409) gives a complete tree of 0 entries with commit "". */
rb_err rb_repo_tree(struct rb_tree *tree, struct rb_repo_handle *handle) RB_MUST_CHECK;
/* Content of a file, zero-terminated in the arena. RB_ETOOBIG beyond `max_bytes`. */
rb_err rb_repo_file(const char **content, size_t *len, struct rb_repo_handle *handle,
                    const struct rb_tree_entry *entry, size_t max_bytes) RB_MUST_CHECK;
/* Many files at once (requests overlap within the token's budget). contents[i] is NULL where errs[i] is not
 * RB_OK. The result is the first temporary error, so that the caller can retry the event, else RB_OK. */
rb_err rb_repo_files(const char **contents, size_t *lens, rb_err *errs, struct rb_repo_handle *handle,
                     const struct rb_tree_entry *const *entries, size_t count,
                     size_t max_bytes) RB_MUST_CHECK;
/* The files a pull request changes, all pages (GitHub lists 3,000 at most), in the arena. RB_ENOTFOUND: there
 * is no such pull request any more. */
struct rb_repo_pull_file {
    const char *path; /* the new one of a file that is renamed */
    int64_t additions, deletions;
};
rb_err rb_repo_pull_files(const struct rb_repo_pull_file **files, size_t *count,
                          struct rb_repo_handle *handle, int64_t number) RB_MUST_CHECK;
/* The payload of a webhook whose event (github.*) carries none, being too large, by the event's hook_id and
 * delivery_id: JSON, zero-terminated in the arena, there for as long as the event is (30 days). RB_ENOTFOUND:
 * there is none, or no more. */
rb_err rb_repo_delivery_payload(const char **payload, size_t *len, struct rb_db *db, int64_t hook_id,
                                const char *delivery_id, struct rb_arena *arena) RB_MUST_CHECK;
/* RB_OK while this generation is still the newest and the installation active, RB_ESTALE otherwise. */
rb_err rb_repo_is_current(struct rb_repo_handle *handle) RB_MUST_CHECK;

#endif
