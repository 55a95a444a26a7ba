/* What the grapher does with an event; main.c gives it to libbus. Private to this room. */
#ifndef RB_GRAPHER_HANDLER_H
#define RB_GRAPHER_HANDLER_H

#include "bus/bus.h"
#include "grapher/graph.h"
#include "lib/repo/repo.h"

struct rb_grapher {
    struct rb_repo_sources sources;
    struct rb_graph_options graph; /* without its db: each worker has its own */
};

struct grapher_local {
    struct rb_db *db;
    struct rb_graph *graph;
};
/* Each worker thread has a database connection and a graph of its own. */
rb_err rb_grapher_worker_open(void **local, void *app);
void rb_grapher_worker_close(void *local, void *app);
/* Whether PostgreSQL and the store of the graph answer, for rb_subscriber.ping. */
rb_err rb_grapher_worker_ping(void *local, void *app) RB_MUST_CHECK;
/* repo.connected and repo.rescan: the graph is brought to the tree of this generation, then repo.graphed. */
struct rb_result rb_grapher_handle(struct rb_work *work, void *app, void *local);

/* repo.disconnected: the graph goes, unless somebody else has connected the repository. */
struct rb_result rb_grapher_handle_disconnect(struct rb_work *work, void *app, void *local);

/* repo.scanned (scanned.c): its packages. A part of what a build reports: it writes no run of its own. */
struct rb_result rb_grapher_handle_scanned(struct rb_work *work, void *app, void *local);

/* github.pull_request and github.issues (github.c): the node of a pull request or an issue. */
struct rb_result rb_grapher_handle_pull_request(struct rb_work *work, void *app, void *local);
struct rb_result rb_grapher_handle_issue(struct rb_work *work, void *app, void *local);

/* leave.c: after a write, and in place of one that comes too late: removes it all where nobody has the
 * repository connected any more. */
rb_err rb_grapher_leave_nothing(bool *removed, struct grapher_local *mine, int64_t repo_id) RB_MUST_CHECK;

/* graph.* (read.c); README.md has their fields. */
rb_err rb_grapher_answer_files(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                               void *app, void *local);
rb_err rb_grapher_answer_links(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                               void *app, void *local);
rb_err rb_grapher_answer_neighbours(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                                    void *app, void *local);
rb_err rb_grapher_answer_changed_together(struct rb_buf *answer, const json_t *question,
                                          struct rb_arena *arena, void *app, void *local);
rb_err rb_grapher_answer_developers(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                                    void *app, void *local);
rb_err rb_grapher_answer_overlaps(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                                  void *app, void *local);
rb_err rb_grapher_answer_dependents(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                                    void *app, void *local);

#endif
