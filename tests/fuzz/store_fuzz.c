/* A part of a stored file list. */
#include "lib/store/store.h"
#include "tests/fuzz/fuzz.h"

/* What is read is as struct rb_tree has it: it can be packed, and is the same again. */
static void fuzz_tree(const char *data, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree_packer *packer = rb_tree_packer_new(arena);
    if (rb_tree_packer_add_part(packer, data, len) == RB_OK) {
        struct rb_tree tree = {0};
        rb_tree_packer_end(&tree, packer);
        rb_tree_unpack(&tree, arena);
        for (size_t i = 1; i < tree.count; i++)
            FUZZ_HOLDS(strcmp(tree.entries[i - 1].path, tree.entries[i].path) < 0);
        struct rb_tree again = tree;
        FUZZ_HOLDS(rb_tree_pack(&again, arena) == RB_OK);
        rb_tree_unpack(&again, arena);
        FUZZ_HOLDS(again.count == tree.count);
        for (size_t i = 0; i < tree.count; i++)
            FUZZ_HOLDS(strcmp(again.entries[i].path, tree.entries[i].path) == 0 &&
                       strcmp(again.entries[i].sha, tree.entries[i].sha) == 0 &&
                       again.entries[i].size == tree.entries[i].size &&
                       again.entries[i].kind == tree.entries[i].kind);
    }
    rb_tree_packer_free(packer);
    rb_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_target targets[] = {{"stored-tree", fuzz_tree}, {NULL, NULL}};
    return fuzz_run(targets, data, size);
}
