/* The rest of what a path says (lib/repo/path.h). */
#include "scanner/scan.h"

size_t rb_path_depth(const char *path)
{
    size_t depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}
