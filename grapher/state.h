/*
 * What the grapher knows about a graph beside the graph itself, in PostgreSQL whichever store that is in
 * (table graph_states): which commit it shows, which is the newest that is known, and what has come from
 * where. All functions block.
 */
#ifndef RB_STATE_H
#define RB_STATE_H

#include <jansson.h>

#include "grapher/graph.h"

/* A build has ended, and the graph shows this commit ("" of an empty repository). An older generation than
 * the one that is known changes nothing. */
rb_err rb_graph_note_built(struct rb_graph *graph, int64_t repo_id, int64_t generation,
                           const char *commit) RB_MUST_CHECK;
/* GitHub has told that the default branch came to `commit` by a merge at this time (RFC 3339). In any order,
 * any number of times. Nothing is noted of a repository that nobody has connected. */
rb_err rb_graph_note_merge(struct rb_graph *graph, int64_t repo_id, const char *commit,
                           const char *merged_at) RB_MUST_CHECK;
/* "freshness" of docs/api.md, a new reference; JSON's null where no build has ended. */
rb_err rb_graph_freshness(json_t **freshness, struct rb_graph *graph, int64_t repo_id) RB_MUST_CHECK;

/* Whether what was open on GitHub before the repository was connected has been listed. */
rb_err rb_graph_is_listed(bool *listed, struct rb_graph *graph, int64_t repo_id) RB_MUST_CHECK;
rb_err rb_graph_note_listed(struct rb_graph *graph, int64_t repo_id) RB_MUST_CHECK;

/* Whether the build of this generation has ended, and only that listing has not. */
rb_err rb_graph_awaits_list(bool *awaits, struct rb_graph *graph, int64_t repo_id,
                            int64_t generation) RB_MUST_CHECK;

/* Removes all that is known, unless it is of a newer generation. */
rb_err rb_graph_forget_state(struct rb_graph *graph, int64_t repo_id, int64_t generation) RB_MUST_CHECK;

#endif
