/*
 * What files say besides dependencies: what people may run, what is served, what builds it, who owns and
 * licenses it. Kept as the JSON that the profile shows; all text in it is bounded, valid UTF-8 and without
 * credentials.
 */
#ifndef RB_SCANNER_FACTS_H
#define RB_SCANNER_FACTS_H

#include "scanner/scan.h"
#include "scanner/text.h"

#define RB_FACTS_TASKS_MAX     500  /* targets of all Makefiles and their like; a large one has sixty */
#define RB_FACTS_SERVICES_MAX  300  /* Dockerfiles, services of compose files, lines of Procfiles */
#define RB_FACTS_WORKFLOWS_MAX 200  /* the largest repositories have a hundred */
#define RB_FACTS_LIST_MAX      50   /* ports, jobs, triggers and the like of one of them */
#define RB_FACTS_RULES_MAX     2000 /* of CODEOWNERS; GitHub reads 3 MB, the largest known have 1,500 rules */

struct rb_scan_facts {
    json_t *tasks;     /* {runner, name, file, line} */
    json_t *services;  /* as in the profile */
    json_t *workflows; /* as in the profile */
    json_t *licenses;  /* {file, by, spdx}: of licence files */
    json_t *owners;    /* an object for each CODEOWNERS: {file, rules, errors, truncated} */
    json_t *managers;  /* {file, name}: the package manager that a package.json asks for */
    uint8_t *marks;    /* rb_facts_marks() */
};
/* What the path of each entry of the tree says of it; told once, since it takes time. */
enum { RB_MARK_VENDORED = 1, RB_MARK_GENERATED = 2, RB_MARK_DOCUMENTATION = 4, RB_MARK_TEST = 8 };
const uint8_t *rb_facts_marks(const struct rb_scan *scan);
/* The facts of a sheet; they live as long as its arena. */
struct rb_scan_facts *rb_facts_new(struct rb_arena *arena);
/* Appends to a list unless it is full; takes the reference. False when it was full. */
bool rb_facts_put(json_t *list, size_t max, json_t *item);
/* Text of the file being read as it may stand in the profile; NULL and "" are left out. */
void rb_facts_text(struct rb_scan_sheet *sheet, json_t *object, const char *name, struct rb_piece text);
/* A command line: also without what looks like a password on it. */
const char *rb_facts_command(struct rb_scan_sheet *sheet, struct rb_piece text);
/* Appends a string unless it is empty, there already, or the list is full. */
void rb_facts_string(struct rb_scan_sheet *sheet, json_t *list, size_t max, struct rb_piece text);

/* What looks at a file, maybe after the parser of its dependencies; NULL when nothing does. */
rb_scan_parse_fn rb_look_of(const char *path);
/* The readers, of type rb_scan_parse_fn; looks.c says which file is whose. */
rb_err rb_look_package_json(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_makefile(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_justfile(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_taskfile(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_dockerfile(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_compose(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_procfile(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_workflow(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_license(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_look_codeowners(struct rb_scan_sheet *sheet, const char *text, size_t len);

/* The SPDX id of a licence by its text, "" when it is none that is known. Of several in one file it is that
 * of the first when the file begins with it, else "". *count is how many were seen. */
const char *rb_license_of_text(size_t *count, const char *text, size_t len);
/* An SPDX expression of what a manifest declares ("MIT/Apache-2.0", "The Apache License, Version 2.0"), in
 * the arena; "" when it is none that is known. */
const char *rb_license_of_name(struct rb_arena *arena, const char *name);

/* ---- workspaces --------------------------------------------------------------------------------------- */

#define RB_WORKSPACES_MAX                                                                                 \
    1000 /* listed, of the largest known some 800; what lies in further ones counts for the nearest above \
            them */
struct rb_workspace {
    const char *path;      /* valid UTF-8; "" for the root */
    struct rb_piece where; /* the folder as the tree has it, without its last slash */
    const char *ecosystem; /* that of its language, where there are several; static */
    bool aside;
    int64_t files, bytes; /* below it, without those of workspaces within it */
    int64_t tests;        /* of them, files with tests */
};
struct rb_workspaces {
    struct rb_workspace *items; /* by path */
    size_t count;
    bool truncated;
};
void rb_workspaces_find(struct rb_workspaces *workspaces, const struct rb_scan *scan);
/* The nearest workspace at or above a file; NULL when there is none. */
struct rb_workspace *rb_workspaces_of(const struct rb_workspaces *workspaces, const char *path);
/* All of them for the profile; a new reference. */
json_t *rb_workspaces_json(const struct rb_scan *scan, struct rb_workspaces *workspaces);
/* The package manager of JavaScript for a folder, by what asks for it or by its lock file: "npm", "pnpm",
 * "yarn", "bun"; NULL without evidence. *evidence is the file. */
const char *rb_commands_manager(const char **evidence, const struct rb_scan *scan, struct rb_piece folder);
/* What people type to install, build, test, start … a workspace; a new reference. */
json_t *rb_commands_json(const struct rb_scan *scan, const struct rb_workspace *workspace);
/* Whether the tree has a file of this folder ("" for the root) and name; as it is there, or NULL. */
const struct rb_tree_entry *rb_tree_find(const struct rb_tree *tree, struct rb_piece folder,
                                         const char *name);

/* The parts of the profile; new references. */
json_t *rb_profile_structure(const struct rb_scan *scan);
json_t *rb_profile_size(const struct rb_scan *scan);
json_t *rb_profile_testing(const struct rb_scan *scan);
json_t *rb_profile_license(const struct rb_scan *scan);
json_t *rb_profile_owners(const struct rb_scan *scan);
json_t *rb_profile_readme(const struct rb_scan *scan); /* null when there is none */
bool rb_scan_is_monorepo(const struct rb_scan *scan);

#endif
