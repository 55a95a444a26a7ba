/*
 * Which files are read for what they say besides dependencies, and by whom: those that name none in place of
 * a parser, those that do after theirs (formats.c).
 */
#include <string.h>
#include <strings.h>

#include "scanner/facts.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool path_is_package_json(const char *path)
{
    return strcmp(rb_path_base(path), "package.json") == 0;
}

static bool path_is_workflow(const char *path)
{
    return rb_text_starts(path, ".github/workflows/") && rb_text_ends_in_yaml(path);
}

/* Deeper ones are parts of a build that begins above. */
#define TASKS_DEPTH 2

static bool path_is_task(const char *path, const char *const *names, size_t count)
{
    const char *base = rb_path_base(path);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(base, names[i]) == 0)
            return rb_path_depth(path) <= TASKS_DEPTH;
    }
    return false;
}

static bool path_is_makefile(const char *path)
{
    static const char *const names[] = {"Makefile", "GNUmakefile", "makefile"};
    return path_is_task(path, names, COUNT(names));
}

static bool path_is_justfile(const char *path)
{
    static const char *const names[] = {"justfile", "Justfile", ".justfile"};
    return path_is_task(path, names, COUNT(names));
}

static bool path_is_taskfile(const char *path)
{
    static const char *const names[] = {"Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "Taskfile.dist.yml"};
    return path_is_task(path, names, COUNT(names));
}

static bool path_is_procfile(const char *path)
{
    static const char *const names[] = {"Procfile"};
    return path_is_task(path, names, COUNT(names));
}

/* Of the repository as a whole. LICENSES/ (REUSE) has the id in the name. */
static bool path_is_license(const char *path)
{
    static const char *const starts[] = {"license", "licence", "copying", "unlicense", "mit-license"};
    static const char *const ends[] = {"", ".md", ".txt", ".rst", ".adoc", ".markdown"};
    static const char *const others[] = {"third", "3rd", "binary", "dependencies", "faq"};
    if (strchr(path, '/'))
        return false;
    for (size_t i = 0; i < COUNT(others); i++) { /* of what it ships with, or about it */
        if (strcasestr(path, others[i]))
            return false;
    }
    for (size_t i = 0; i < COUNT(starts); i++) {
        size_t len = strlen(starts[i]);
        if (strncasecmp(path, starts[i], len) != 0)
            continue;
        /* LICENSE, LICENSE.md, LICENSE-MIT, COPYING.LESSER; not license.go */
        if (path[len] == '-' || path[len] == '_')
            return true;
        for (size_t k = 0; k < COUNT(ends); k++) {
            if (strcasecmp(path + len, ends[k]) == 0)
                return true;
        }
        return strcasecmp(path + len, ".lesser") == 0 || strcasecmp(path + len, ".mit") == 0 ||
               strcasecmp(path + len, ".apache") == 0;
    }
    return false;
}

static bool path_is_codeowners(const char *path)
{
    return strcmp(path, ".github/CODEOWNERS") == 0 || strcmp(path, "CODEOWNERS") == 0 ||
           strcmp(path, "docs/CODEOWNERS") == 0;
}

/* The container to develop in is not what the repository serves. */
static bool path_is_compose(const char *path)
{
    const char *base = rb_path_base(path);
    return rb_path_is_container(path) && !rb_text_starts(path, ".devcontainer/") &&
           rb_text_ends_in_yaml(base) && !strcasestr(base, "dockerfile");
}

static bool path_is_dockerfile(const char *path)
{
    return rb_path_is_container(path) && !rb_text_starts(path, ".devcontainer/") && !path_is_compose(path) &&
           !rb_text_ends(path, ".dockerignore");
}

static const struct {
    bool (*is_it)(const char *path);
    rb_scan_parse_fn look;
} by_path[] = {
    {path_is_package_json, rb_look_package_json}, {path_is_workflow, rb_look_workflow},
    {path_is_compose, rb_look_compose},           {path_is_dockerfile, rb_look_dockerfile},
    {path_is_makefile, rb_look_makefile},         {path_is_justfile, rb_look_justfile},
    {path_is_taskfile, rb_look_taskfile},         {path_is_procfile, rb_look_procfile},
    {path_is_license, rb_look_license},           {path_is_codeowners, rb_look_codeowners},
};

rb_scan_parse_fn rb_look_of(const char *path)
{
    for (size_t i = 0; i < COUNT(by_path); i++) {
        if (by_path[i].is_it(path))
            return by_path[i].look;
    }
    return NULL;
}
