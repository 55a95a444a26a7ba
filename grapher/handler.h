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
/* repo.connected and repo.rescan: the graph is brought to the tree of this generation, then repo.graphed. */
struct rb_result rb_grapher_handle(struct rb_work *work, void *app, void *local);

/* repo.disconnected: the graph goes, unless somebody else has connected the repository. */
struct rb_result rb_grapher_handle_disconnect(struct rb_work *work, void *app, void *local);

/* graph.files and graph.links (read.c); README.md has their fields. */
rb_err rb_grapher_answer_files(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                               void *app, void *local);
rb_err rb_grapher_answer_links(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                               void *app, void *local);

#endif
