/*
 * Package URLs (purl, github.com/package-url/purl-spec): one text that names a package, its ecosystem and its
 * version for every tool.
 */
#ifndef RB_SCANNER_PURL_H
#define RB_SCANNER_PURL_H

#include "scanner/scan.h"

/* The package URL of a dependency, "pkg:npm/%40babel/core@7.24.0"; in the arena. The version is the one a
 * lock file names, else the one its requirement pins, else there is none. "" where the dependency has no
 * address that others know: a package of this repository, one taken from a folder, an ecosystem without a
 * package URL type. */
const char *rb_purl(struct rb_arena *arena, const struct rb_scan_dependency *dependency);
/* The version that a requirement allows and no other ("==1.2.3" of Python, "1.2.3" of npm), else "". */
const char *rb_purl_pinned(struct rb_arena *arena, const struct rb_scan_dependency *dependency);

#endif
