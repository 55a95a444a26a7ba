/* The rows of files, which are else made while they are walked, all at hand and judged. */
#ifndef RB_TEST_GRAPH_ROWS_H
#define RB_TEST_GRAPH_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "grapher/graph.h"

static inline const struct rb_graph_file *files_at_hand(const struct rb_graph_tree *rows,
                                                        struct rb_arena *arena)
{
    struct rb_graph_tree judged = *rows; /* what is written is judged by the write */
    rb_graph_judge(&judged, arena);
    struct rb_graph_file *files = rb_arena_alloc(arena, (rows->file_count + 1) * sizeof *files);
    struct rb_graph_walk *walk = rb_arena_alloc(arena, sizeof *walk);
    size_t count = 0;
    rb_graph_walk_begin(walk, &judged);
    for (const struct rb_graph_file *file; (file = rb_graph_walk_next(walk)); count++) {
        assert_true(count < rows->file_count);
        assert_true(count == 0 || strcmp(files[count - 1].path, file->path) < 0);
        files[count] = *file;
        files[count].path = rb_arena_strdup(arena, file->path);
        files[count].directory = rb_arena_strdup(arena, file->directory);
        files[count].name = rb_arena_strdup(arena, file->name);
        files[count].sha = rb_arena_strdup(arena, file->sha);
    }
    assert_int_equal(count, rows->file_count);
    return files;
}

#endif
