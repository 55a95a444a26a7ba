/* A stored file list. */
#include "lib/store/store.h"
#include "tests/fuzz/fuzz.h"

/* What is read is as struct rb_tree has it: it can be written, and is the same to the last byte but for how
 * numbers were written. */
static void fuzz_tree(const char *data, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree, again;
    struct rb_buf text;
    rb_buf_init(&text, RB_TREE_BYTES_MAX);
    if (rb_tree_decode(&tree, data, len, arena) == RB_OK) {
        for (size_t i = 1; i < tree.count; i++)
            FUZZ_HOLDS(strcmp(tree.entries[i - 1].path, tree.entries[i].path) < 0);
        FUZZ_HOLDS(rb_tree_encode(&text, &tree) == RB_OK);
        FUZZ_HOLDS(rb_tree_decode(&again, text.data, text.len, arena) == RB_OK);
        FUZZ_HOLDS(again.count == tree.count && again.complete == tree.complete);
        for (size_t i = 0; i < tree.count; i++)
            FUZZ_HOLDS(strcmp(again.entries[i].path, tree.entries[i].path) == 0 &&
                       strcmp(again.entries[i].sha, tree.entries[i].sha) == 0 &&
                       again.entries[i].size == tree.entries[i].size &&
                       again.entries[i].kind == tree.entries[i].kind);
    }
    rb_buf_free(&text);
    rb_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_target targets[] = {{"stored-tree", fuzz_tree}, {NULL, NULL}};
    return fuzz_run(targets, data, size);
}
