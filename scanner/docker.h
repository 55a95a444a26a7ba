/* Container images, wherever they are named: Dockerfiles, compose files, workflows, charts. */
#ifndef RB_SCANNER_DOCKER_H
#define RB_SCANNER_DOCKER_H

#include "scanner/scan.h"
#include "scanner/text.h"

/* "registry/owner/name:tag@sha256:…" becomes a dependency of the ecosystem "docker": the name up to the tag,
 * and as its requirement the tag, the digest behind it. NULL for "scratch" and for a name that is filled in
 * later. The manifest may be of any ecosystem. */
struct rb_scan_dependency *rb_image_add(struct rb_scan_sheet *sheet, struct rb_piece image, const char *kind);
/* A text with each $NAME and ${NAME} replaced by what `find` gives, ${NAME:-default} by its default
 * otherwise; what has neither stays as written. In the arena. */
typedef struct rb_piece (*rb_image_find_fn)(const void *names, struct rb_piece name); /* empty: unknown */
struct rb_piece rb_image_filled(struct rb_arena *arena, struct rb_piece text, rb_image_find_fn find,
                                const void *names);

#endif
