/*
 * Files that are named as tools name what they make ("link.g.dart", "ssh_mock.go"), and may be written by
 * people all the same: the contents that were read tell of those beside them.
 */
#include <string.h>

#include "lib/repo/language_evidence.h"
#include "lib/repo/language_tree.h"

/* What tells the kinds of suspects apart: "_mock.go" of "ssh_mock.go", ".g.dart" of "link.g.dart". */
static uint64_t suspect_kind(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *tail = strrchr(base, '.');
    while (tail && tail > base && tail[-1] != '.' && tail[-1] != '_')
        tail--;
    uint64_t hash = LANGUAGE_FOLDER_ROOT;
    for (tail = tail && tail > base ? tail - 1 : base; *tail; tail++)
        hash = (hash ^ (unsigned char)*tail) * 0x100000001b3ULL;
    return hash;
}

enum { SUSPECT_MADE, SUSPECT_WRITTEN };

static bool is_read_suspect(const struct language_file *file)
{
    return file->is_file && file->is_read && (file->path & RB_PATH_SUSPECT);
}

/* Of suspects of one kind, in the nearest folder where some were read: more were written by people. */
static bool suspect_is_cleared(const struct language_evidence *read, const char *path)
{
    uint64_t folders[LANGUAGE_FOLDERS_MAX], kind = suspect_kind(path);
    size_t depth = language_folders_above(folders, path);
    for (size_t i = depth; i > (depth > 1); i--) { /* projects beside each other have little in common */
        int64_t made = language_evidence_of(read, folders[i - 1] ^ kind, SUSPECT_MADE);
        int64_t written = language_evidence_of(read, folders[i - 1] ^ kind, SUSPECT_WRITTEN);
        if (made + written > 0)
            return written > made;
    }
    return false;
}

void language_suspects_clear(struct rb_language_tree *all)
{
    struct language_evidence read;
    uint64_t folders[LANGUAGE_FOLDERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < all->tree->count; i++)
        count += is_read_suspect(&all->files[i]);
    if (count == 0)
        return;
    language_evidence_init(&read);
    rb_tree_walk_begin(all->walk, all->tree);
    for (size_t i = 0; i < all->tree->count; i++) {
        const char *path = rb_tree_walk_next(all->walk)->path;
        const struct language_file *file = &all->files[i];
        for (size_t k = is_read_suspect(file) ? language_folders_above(folders, path) : 0; k > 0; k--)
            language_evidence_add(&read, folders[k - 1] ^ suspect_kind(path),
                                  file->reads_generated ? SUSPECT_MADE : SUSPECT_WRITTEN, 1);
    }
    rb_tree_walk_begin(all->walk, all->tree);
    for (size_t i = 0; i < all->tree->count; i++) {
        const char *path = rb_tree_walk_next(all->walk)->path;
        struct language_file *file = &all->files[i];
        if (file->is_file && !file->is_read && (file->path & RB_PATH_SUSPECT))
            file->is_cleared = suspect_is_cleared(&read, path);
    }
    language_evidence_free(&read);
}
