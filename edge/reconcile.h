/* Private to the reconciler: reconcile.c (the loop), reconcile_github.c (asking), and a file for each task.
 */
#ifndef RB_EDGE_RECONCILE_H
#define RB_EDGE_RECONCILE_H

#include "edge/edge.h"

#define RECONCILE_HOLD 120 /* seconds that what is under repair is kept from everybody else */

/* One sweep. The tasks run one after another on the worker's thread. */
struct reconcile {
    struct edge_worker *worker;
    struct rb_db *db;
    struct edge *edge;
};

/* Whose token asks, about which repository. */
struct reconcile_case {
    int64_t installation_id, generation, user_id, repo_id, hook_id;
    char *full_name, *owner, *repo, *token; /* token NULL: it does not open */
};
/* Columns of a statement about installations i and users u, in the order of RECONCILE_CASE. */
#define RECONCILE_CASE \
    "i.id, i.generation, i.user_id, i.repo_id, i.webhook_id, i.repo_full_name, u.token_sealed"
void reconcile_case_read(struct reconcile_case *it, const struct reconcile *sweep, const struct rb_rows *rows,
                         size_t row);
void reconcile_case_clear(struct reconcile_case *it);

/*
 * Asks GitHub within this person's share: RECONCILE_SHARE requests an hour, and none while fewer than
 * RECONCILE_RESERVE are left to them, since people need theirs for other things. RB_ELIMIT: not now.
 * Otherwise the result is rb_github_judge()'s, with its sentence in rb_error_text(). `response` is cleared by
 * the caller whatever the result.
 */
rb_err reconcile_ask(struct rb_github_response *response, struct reconcile *sweep,
                     struct rb_github_request *request, const struct reconcile_case *it) RB_MUST_CHECK;
#define RECONCILE_SHARE   500 /* a tenth of the 5,000 that GitHub gives a person an hour */
#define RECONCILE_RESERVE 1000

/* The hook with our address, over all pages. RB_ENOTFOUND: there is none, or the repository is not there for
 * this person. */
rb_err reconcile_find_hook(int64_t *hook_id, struct reconcile *sweep,
                           const struct reconcile_case *it) RB_MUST_CHECK;
/* Whether an active installation other than `but` owns the hook. */
rb_err reconcile_is_owned(bool *owned, struct rb_db *db, int64_t hook_id, int64_t but) RB_MUST_CHECK;
/* RB_OK: it is gone (204, or 404 to somebody who may manage hooks). RB_ENOTFOUND, RB_EAUTH, RB_EFORBIDDEN:
 * this person cannot reach it. */
rb_err reconcile_delete_hook(struct reconcile *sweep, const struct reconcile_case *it,
                             int64_t hook_id) RB_MUST_CHECK;

/* The error is of this person's account or token, and asking again will not help. */
bool reconcile_is_final(rb_err err);
void reconcile_count(const char *what); /* in metrics */

/* The tasks. An error is one of the database: the sweep ends. */
rb_err reconcile_reservations(struct reconcile *sweep) RB_MUST_CHECK;
rb_err reconcile_disconnects(struct reconcile *sweep) RB_MUST_CHECK;
rb_err reconcile_left_hooks(struct reconcile *sweep) RB_MUST_CHECK;
rb_err reconcile_health(struct reconcile *sweep) RB_MUST_CHECK;
rb_err reconcile_deliveries(struct reconcile *sweep) RB_MUST_CHECK;

#endif
