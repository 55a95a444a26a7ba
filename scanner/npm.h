/*
 * What the manifests and lock files of the npm family (npm, yarn, pnpm, bun, deno) have in common.
 */
#ifndef RB_SCANNER_NPM_H
#define RB_SCANNER_NPM_H

#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/walk.h"

/* "name@rest", "@scope/name@rest": the first '@' that does not begin the name parts it. Without one the rest
 * is empty. */
void rb_npm_split(struct rb_piece *name, struct rb_piece *rest, struct rb_piece text);
/* "npm:real-name@^1" under another name: what it really is. Otherwise both stay. */
void rb_npm_alias(struct rb_piece *name, struct rb_piece *requirement);
/* Whether the requirement means a package of this repository: "workspace:*", "link:../a", "file:b". */
bool rb_npm_is_here(struct rb_piece requirement);
/* Adds a dependency as package.json has it: "npm:real-name@^1" is one of the real name, "catalog:" what the
 * workspace's catalogue says. */
struct rb_scan_dependency *rb_npm_add(struct rb_scan_sheet *sheet, const char *name, const char *requirement,
                                      const char *kind);
/* Offers a version in the catalogue `catalog` ("" and "default" are the one without a name). */
void rb_npm_offer(struct rb_scan_sheet *sheet, struct rb_piece catalog, struct rb_piece name,
                  struct rb_piece requirement);
/* Notes what a package.json, or a value of pnpm-workspace.yaml, settles for the whole workspace
 * (npm_override.c). */
void rb_npm_overrides(struct rb_scan_sheet *sheet, const json_t *document);
void rb_npm_override_visit(struct rb_scan_sheet *sheet, const struct rb_walk *at, struct rb_piece value);

#endif
