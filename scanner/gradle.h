/*
 * What the readers of Gradle's files share: values that scripts give names, and what waits for the other
 * files.
 */
#ifndef RB_SCANNER_GRADLE_H
#define RB_SCANNER_GRADLE_H

#include <jansson.h>

#include "scanner/scan.h"
#include "scanner/text.h"

/* The names that one file gives to texts: "versions.kotlin" of `versions = [kotlin: '1.9']`. */
struct rb_gradle_file {
    const char *manifest;
    size_t reach;   /* bytes of the path that begin everything that may use them: the folder above gradle/ */
    json_t *values; /* whole name: text; "." and its last part: text, or null where there are several */
    struct rb_gradle_file *next;
};

/* A version catalogue. */
struct rb_gradle_catalog {
    const char *manifest, *name; /* what build scripts call it: "libs" */
    size_t reach;
    json_t *aliases; /* "a.b", "plugins.x", "bundles.y": indexes of items, as a list */
    struct rb_gradle_catalog *next;
};

/* An item whose text has names in it that its own file does not explain. */
struct rb_gradle_ref {
    size_t item;
    const char *text; /* "group:artifact:$version"; for a plugin its version alone */
    bool is_plugin;
};

struct rb_gradle {
    struct rb_gradle_file *files;
    struct rb_gradle_catalog *catalogs;
    struct rb_gradle_ref *refs;
    size_t ref_count, ref_capacity;
    json_t *own_plugins;   /* ids, or aliases, of plugins that a build of this repository makes: true */
    json_t *catalog_names; /* path of a catalogue: the name that the settings give it */
    json_t *root_names;    /* folder of the settings: rootProject.name */
};

/* The sheet's, made on first use. */
struct rb_gradle *rb_gradle_of(struct rb_scan_sheet *sheet);
/* A new file of names for the manifest being read. */
struct rb_gradle_file *rb_gradle_file_new(struct rb_scan_sheet *sheet);
/* Gives a text a name; one that is too long to be meant is left out. */
void rb_gradle_name(struct rb_gradle_file *file, struct rb_scan_sheet *sheet, const char *prefix,
                    struct rb_piece name, struct rb_piece value);
/* Notes each `name = "text"`, `name: "text"`, `set("name", "text")` of a line; `prefix` is "" or ends with a
 * dot. */
void rb_gradle_note_names(struct rb_gradle_file *file, struct rb_scan_sheet *sheet, const char *prefix,
                          struct rb_piece line);
/* The same for all lines of a file, with the prefixes of the maps and objects they stand in. */
void rb_gradle_note_all(struct rb_gradle_file *file, struct rb_scan_sheet *sheet, struct rb_piece text);
/* A name as it is kept, words with one dot between, whatever stood there: `extra["a"].b` is "a.b". Words that
 * only say where to look are left out. */
const char *rb_gradle_path(struct rb_arena *arena, struct rb_piece text);
/* What this file, and with `others` those that reach it, call so; "" when nobody does. */
const char *rb_gradle_lookup(struct rb_scan_sheet *sheet, const struct rb_gradle_file *file, bool others,
                             const char *path);
/* What a configuration is for, by its name; NULL when the word is no configuration. Static. */
const char *rb_gradle_kind(struct rb_piece word);
/* Replaces "$v", "${versions.v}" and the like with what this file says, and with `others` what those that
 * reach it say; what nobody says stays as written. */
const char *rb_gradle_fill(struct rb_scan_sheet *sheet, const struct rb_gradle_file *file, bool others,
                           const char *text);
/* Takes "group:artifact[:version[:classifier]][@type]" apart; false when it is something else. */
bool rb_gradle_coordinates(struct rb_piece text, struct rb_piece *name, struct rb_piece *version);
/* Length of the folder that gradle/libs.versions.toml, buildSrc/ and the like lie in and speak for. */
size_t rb_gradle_reach(const char *path);
/* Line without comments, trimmed; `in_comment` remembers from line to line. */
struct rb_piece rb_gradle_uncomment(bool *in_comment, struct rb_piece line);
/* A version catalogue that the settings write out, and entries of one. */
struct rb_gradle_catalog *rb_gradle_catalog_new(struct rb_scan_sheet *sheet, const char *name);
void rb_gradle_catalog_put(struct rb_gradle_catalog *catalog, struct rb_scan_sheet *sheet, const char *group,
                           const char *alias, const struct rb_scan_dependency *item);

#endif
