/* The rest of what a path says (lib/repo/path.h). */
#include "scanner/scan.h"

#include <string.h>

size_t rb_path_depth(const char *path)
{
    size_t depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

struct rb_piece rb_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return (struct rb_piece){path, slash ? (size_t)(slash - path) : 0};
}
