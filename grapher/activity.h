/*
 * What happens on GitHub, in the graph: (PullRequest)-[:TOUCHES {additions, deletions}]->(File),
 * (PullRequest | Issue)-[:AUTHORED_BY]->(Developer), (Developer)-[:CONTRIBUTED_TO]->(Repository) for whoever
 * opened a pull request or an issue there, (PullRequest)-[:CLOSES]->(Issue).
 *
 * Events come late, twice and out of order. Each write carries a version, made of the time GitHub gives to
 * the change; what is older than what is there changes nothing, so that every order ends in the same graph.
 * What a pull request touches need not be a file of the tree: it may be new there, or gone since. All
 * functions block.
 */
#ifndef RB_ACTIVITY_H
#define RB_ACTIVITY_H

#include "grapher/graph.h"

#define RB_ACTIVITY_TITLE_MAX   256 /* characters: GitHub's own limit */
#define RB_ACTIVITY_VERSION_MAX 96

struct rb_developer {
    int64_t github_id; /* 0: the account is gone */
    const char *login;
    const char *seen_at; /* GitHub's time of what told of it: of several logins the newest stays */
};
struct rb_touch {
    const char *path;
    int64_t additions, deletions;
};
struct rb_issue_ref {
    int64_t repo_id, number;
};

struct rb_pull_request {
    int64_t repo_id, number;
    const char *version;                /* as rb_activity_version() makes it */
    const char *title, *state;          /* "open", "closed", "merged" */
    const char *head_sha, *base_ref;    /* what its files are the difference of */
    const char *created_at, *merged_at; /* RFC 3339; merged_at may be NULL */
    struct rb_developer author;
    const struct rb_issue_ref *closes;
    size_t close_count;
    bool has_touches;               /* false: what is known of its files stays */
    const struct rb_touch *touches; /* sorted by path, each once */
    size_t touch_count;
};
struct rb_issue {
    int64_t repo_id, number;
    const char *version, *title, *state; /* "open", "closed", "transferred", "deleted" */
    const char *created_at;
    struct rb_developer author;
};

/*
 * The place of a change in the order of changes: GitHub's time of it, which has seconds, then what ends beats
 * what goes on, then the content itself, so that two changes of one second have one order everywhere. In the
 * arena. Pure.
 */
const char *rb_activity_version(const char *updated_at, const char *state, const char *content,
                                struct rb_arena *arena);

/* Writes it unless something newer is there, or the repository was connected and is not any more; *written
 * tells. RB_EUNAVAILABLE: the store is away. */
rb_err rb_graph_put_pull_request(bool *written, struct rb_graph *graph, const char *full_name,
                                 const struct rb_pull_request *pull) RB_MUST_CHECK;
rb_err rb_graph_put_issue(bool *written, struct rb_graph *graph, const char *full_name,
                          const struct rb_issue *issue) RB_MUST_CHECK;
/* What is known of a pull request: its version, and what its files are the difference of; "" where nothing
 * is. */
struct rb_pull_range {
    char version[RB_ACTIVITY_VERSION_MAX];
    char head[RB_SHA_SIZE];
    char base_ref[256]; /* GitHub's longest has 255 bytes */
};
rb_err rb_graph_pull_request_range(struct rb_pull_range *range, struct rb_graph *graph, int64_t repo_id,
                                   int64_t number) RB_MUST_CHECK;

/* ---- what a text closes -------------------------------------------------------------------------------- */

#define RB_CLOSING_MAX 50 /* references of one text that are looked at */
struct rb_closing {
    const char *repo; /* "owner/name", or NULL: this very repository */
    int64_t number;
};
/*
 * The issues that a pull request closes by its text: "fixes #1", "Closes: owner/name#2", "resolved
 * https://github.com/owner/name/issues/3" (docs.github.com, "Linking a pull request to an issue"), in prose.
 * `web_url` is where GitHub's pages are ("https://github.com"). In the arena, each once. Returns how many.
 * Pure.
 */
size_t rb_closing_find(struct rb_closing *out, size_t max, const char *text, const char *web_url,
                       struct rb_arena *arena);
/* What is prose in GitHub's Markdown, without its signs: not code (in fences, indented, between backticks,
 * <code>, <pre>), no comments (prose.c). In the arena. Pure; xmlInitParser() comes before there are threads.
 */
const char *rb_prose_read(const char *markdown, struct rb_arena *arena);

#endif
