/*
 * The tree of a made-up repository, and commits that change it at random: what a history needs to be hard on
 * whoever keeps a graph up to date. The same seed gives the same history.
 */
#ifndef RB_TESTS_GRAPH_MODEL_H
#define RB_TESTS_GRAPH_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/chance.h"

#include "lib/base/base.h"
#include "lib/store/store.h"

#define MODEL_FILES    250  /* a commit that would make more does not */
#define MODEL_PATH     4096 /* as git allows */
#define MODEL_COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- the tree of a commit ------------------------------------------------------------------------------ */

struct file {
    char path[MODEL_PATH];
    unsigned content; /* another number, another blob */
};
static struct {
    struct file files[MODEL_FILES];
    size_t count;
    unsigned contents; /* numbers given so far */
} model;

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* Takes away the files of which `is_gone`. */
static void model_drop(bool (*is_gone)(const char *path, const char *arg), const char *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < model.count; i++) {
        if (is_gone(model.files[i].path, arg))
            continue;
        if (kept != i)
            model.files[kept] = model.files[i];
        kept++;
    }
    model.count = kept;
}

static bool is_it_or_below(const char *path, const char *arg)
{
    return strcmp(path, arg) == 0 || is_below(path, arg);
}

/* In the way of a file at `arg`: itself, what stands below it, and a file where it needs a folder. */
static bool is_in_the_way(const char *path, const char *arg)
{
    return is_it_or_below(path, arg) || is_below(arg, path);
}

static void model_put(const char *path, unsigned content)
{
    if (strlen(path) >= MODEL_PATH)
        return;
    model_drop(is_in_the_way, path);
    if (model.count == MODEL_FILES)
        return;
    struct file *file = &model.files[model.count++];
    snprintf(file->path, sizeof file->path, "%s", path);
    file->content = content;
}

/* Moves a file, or all of a folder. */
static void model_move(const char *from, const char *to)
{
    static struct file moved[MODEL_FILES];
    size_t count = 0;
    for (size_t i = 0; i < model.count; i++) {
        if (is_it_or_below(model.files[i].path, from))
            moved[count++] = model.files[i];
    }
    model_drop(is_it_or_below, from);
    for (size_t i = 0; i < count; i++) {
        char *path = rb_asprintf("%s%s", to, moved[i].path + strlen(from));
        model_put(path, moved[i].content);
        free(path);
    }
}

/* ---- names that have made trouble somewhere ------------------------------------------------------------ */

static const char *const folder_names[] = {"a",    "A",        "a-b",          "a.b",          "a0",
                                           "a!",   "src",      "Src",          "test",         "vendor",
                                           "ünï",  "u\u0308n", "\u30b3\uff5e", "\U0001f600",   "\uffee",
                                           "a b",  " a",       "a ",           "node_modules", "%_\\",
                                           "'\"`", "$p{}",     "tab\there",    "line\nend",    "-",
                                           "...",  "0",        "bin",          "script",       "queries"};
static const char *const file_names[] = {
    "a",           "A",           "b.c",          "B.c",        "b.py",    "b.h",       "b",
    "README.md",   "x.js",        "X.JS",         "Makefile",   "ünï.go",  "コード.rs", "\U0001f600.ts",
    "\uff5e.java", "a b.c",       "b.c ",         "x.min.js",   "'q'.sql", "\"q\".php", "back\\.c",
    "%.c",         "line\nend.c", "package.json", "Dockerfile", "x.pb.go", "setup",     "artisan"};
static const char *const extensions[] = {"", ".c", ".py", ".js", ".rs", ".h", ".m", ".pl", ".unknown"};
/* What the language of a file hangs on beside its own name: those that are told it, and those that tell, by
 * their bytes or by being there. */
static const char *const neighbours[][8] = {
    {"n.h", "m.h", "n.c", "m.c", "n.cpp", "n.m", "n.mm", "n.cu"},
    {"n.pl", "m.pm", "n.t", "n.raku", "n.pro", "m.pl", "n.prolog", "n.p6"},
    {"n.fs", "m.fs", "n.fsx", "n.glsl", "n.frag", "n.fth", "n.4th", "n.forth"},
    {"n.v", "m.v", "v.mod", "n.sv", "n.vh", "n.coq", "_CoqProject", "n.vsh"},
    {"n.ts", "m.ts", "n.qrc", "package.json", "n.tpl", "Chart.yaml", "n.cls", "n.tex"},
    {"n.m", "m.m", "project.pbxproj", "n.mat", "n.mm", "n.mo", "n.nb", "n.wl"},
    {"bin/tool", "script/x", "exe/y", "n.rb", "n.php", "n.sh", "n.py", "bin/setup"},
    {"lib/run", "start", "n.rb", "n.pl", "n.sh", "bin/console", "n.php", "lib/m.rb"},
    {"n.inc", "n.php", "n.html", "n.pas", "n.cpp", "n.asm", "n.sql", "n.pp"},
    {"n.d", "n.as", "n.asm", "n.1", "n.scm", "n.typ", "n.eps", ".gitattributes"},
};
#define MODEL_FAMILY 8

/* Of 1 to 255 bytes, which is the most that file systems take. */
static void some_name(char name[256], const char *const *names, size_t count)
{
    if (chance_percent(95)) {
        snprintf(name, 256, "%s", names[chance_below(count)]);
        return;
    }
    size_t len = chance_percent(50) ? 255 : 1 + chance_below(255);
    memset(name, chance_percent(50) ? 'l' : 'L', len);
    name[len] = '\0';
    if (len > 8) /* some that differ at the end only */
        snprintf(name + len - 8, 9, "%08zu", chance_below(3));
}

/* A folder of the tree, "" now and then. */
static void some_folder(char folder[MODEL_PATH])
{
    *folder = '\0';
    if (model.count == 0 || chance_percent(20))
        return;
    const char *path = model.files[chance_below(model.count)].path;
    size_t slashes = 0, wanted;
    for (const char *at = path; *at; at++)
        slashes += *at == '/';
    if (slashes == 0)
        return;
    wanted = 1 + chance_below(slashes);
    for (size_t i = 0, seen = 0;; i++) {
        seen += path[i] == '/';
        if (seen == wanted) {
            snprintf(folder, MODEL_PATH, "%.*s", (int)i, path);
            return;
        }
    }
}

/* A path that may be new: of a folder where `names` are those of folders. */
static void some_path(char path[MODEL_PATH], const char *const *names, size_t count)
{
    char name[256];
    some_folder(path);
    size_t depth = chance_percent(2) ? 10 : chance_below(3); /* some beyond what an index takes */
    for (size_t i = 0; i <= depth; i++) {
        size_t len = strlen(path);
        if (i == depth)
            some_name(name, names, count);
        else if (depth < 10)
            some_name(name, folder_names, MODEL_COUNT(folder_names));
        else
            snprintf(name, sizeof name, "%0250zu", i);
        if (len + strlen(name) + 2 > MODEL_PATH)
            return;
        snprintf(path + len, MODEL_PATH - len, "%s%s", len ? "/" : "", name);
    }
}

static const char *some_file(void)
{
    return model.files[chance_below(model.count)].path;
}

static int model_compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct rb_tree_entry *)a)->path, ((const struct rb_tree_entry *)b)->path);
}

/* Its list, sorted; only some of it where it is not `complete`. */
static struct rb_tree *model_tree(bool complete, struct rb_arena *arena)
{
    struct rb_tree_entry *entries = rb_arena_alloc(arena, (model.count + 1) * sizeof *entries);
    struct rb_tree *tree = rb_arena_alloc(arena, sizeof *tree);
    size_t count = 0;
    for (size_t i = 0; i < model.count; i++) {
        const struct file *file = &model.files[i];
        if (!complete && chance_percent(40))
            continue;
        struct rb_tree_entry *entry = &entries[count++];
        entry->path = rb_arena_strdup(arena, file->path);
        entry->size = file->content % 5000;
        entry->kind = file->content % 11 == 0  ? RB_ENTRY_SYMLINK
                      : file->content % 7 == 0 ? RB_ENTRY_EXECUTABLE
                                               : RB_ENTRY_FILE;
        snprintf(entry->sha, sizeof entry->sha, "%040x", file->content);
    }
    if (count)
        qsort(entries, count, sizeof *entries, model_compare_entries);
    *tree = (struct rb_tree){.entries = entries, .count = count, .complete = complete};
    snprintf(tree->commit, sizeof tree->commit, "%040llx", (unsigned long long)chance_next());
    return tree;
}

/* ---- commits ------------------------------------------------------------------------------------------- */

static void commit_add(void)
{
    char path[MODEL_PATH];
    for (size_t left = 1 + chance_below(30); left > 0; left--) {
        some_path(path, file_names, MODEL_COUNT(file_names));
        if (*path)
            model_put(path, ++model.contents);
    }
}

static void commit_change_content(void)
{
    for (size_t left = 1 + chance_below(5); left > 0; left--)
        model.files[chance_below(model.count)].content = ++model.contents;
}

/* Of one family, in a folder and below it. */
static void commit_neighbours(void)
{
    char folder[MODEL_PATH];
    const char *const *family = neighbours[chance_below(MODEL_COUNT(neighbours))];
    some_folder(folder);
    for (size_t left = 1 + chance_below(6); left > 0; left--) {
        const char *name = family[chance_below(MODEL_FAMILY)];
        char *path =
            rb_asprintf("%s%s%s%s", folder, *folder ? "/" : "", chance_percent(70) ? "" : "a/", name);
        model.contents++;
        while (!strchr(name, '.') && model.contents % 7 != 0) /* a program */
            model.contents++;
        if (chance_percent(75))
            model_put(path, model.contents);
        else
            model_drop(is_it_or_below, path);
        free(path);
    }
}

static void commit_remove_file(void)
{
    char path[MODEL_PATH];
    snprintf(path, sizeof path, "%s", some_file());
    model_drop(is_it_or_below, path);
}

static void commit_remove_folder(void)
{
    char path[MODEL_PATH];
    some_folder(path);
    if (*path)
        model_drop(is_it_or_below, path);
}

static void commit_rename_file(void)
{
    char from[MODEL_PATH], to[MODEL_PATH];
    snprintf(from, sizeof from, "%s", some_file());
    some_path(to, file_names, MODEL_COUNT(file_names));
    if (*to)
        model_move(from, to);
}

static void commit_rename_folder(void)
{
    char from[MODEL_PATH], to[MODEL_PATH];
    some_folder(from);
    some_path(to, folder_names, MODEL_COUNT(folder_names));
    if (*from && *to)
        model_move(from, to);
}

/* Of one letter of a file or of a folder: "a" and "A" are two. */
static void commit_rename_case(void)
{
    char from[MODEL_PATH], to[MODEL_PATH];
    some_folder(from);
    if (!*from || chance_percent(50))
        snprintf(from, sizeof from, "%s", some_file());
    snprintf(to, sizeof to, "%s", from);
    size_t at = chance_below(strlen(to));
    for (size_t i = 0; i < strlen(to); i++, at = (at + 1) % strlen(to)) {
        bool is_letter = (to[at] >= 'a' && to[at] <= 'z') || (to[at] >= 'A' && to[at] <= 'Z');
        if (is_letter) {
            to[at] ^= 0x20;
            model_move(from, to);
            return;
        }
    }
}

/* Another extension, the same content. */
static void commit_rename_language(void)
{
    char from[MODEL_PATH];
    snprintf(from, sizeof from, "%s", some_file());
    const char *slash = strrchr(from, '/'), *base = slash ? slash + 1 : from, *dot = strrchr(base, '.');
    size_t len = dot && dot > base ? (size_t)(dot - from) : strlen(from);
    char *to = rb_asprintf("%.*s%s", (int)len, from, extensions[chance_below(MODEL_COUNT(extensions))]);
    model_move(from, to);
    free(to);
}

static void commit_file_becomes_folder(void)
{
    char name[256], path[MODEL_PATH];
    const char *file = some_file();
    some_name(name, file_names, MODEL_COUNT(file_names));
    snprintf(path, sizeof path, "%s", file);
    if (strlen(file) + strlen(name) + 2 > MODEL_PATH)
        return;
    snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", name);
    model_put(path, ++model.contents);
}

static void commit_folder_becomes_file(void)
{
    char path[MODEL_PATH];
    some_folder(path);
    if (*path)
        model_put(path, ++model.contents);
}

static void commit_everything_goes(void)
{
    if (chance_percent(30))
        model.count = 0;
}

static void (*const commits[])(void) = {commit_add,
                                        commit_add,
                                        commit_change_content,
                                        commit_neighbours,
                                        commit_neighbours,
                                        commit_remove_file,
                                        commit_remove_folder,
                                        commit_rename_file,
                                        commit_rename_folder,
                                        commit_rename_case,
                                        commit_rename_case,
                                        commit_rename_language,
                                        commit_file_becomes_folder,
                                        commit_folder_becomes_file,
                                        commit_everything_goes};

static void next_commit(void)
{
    for (size_t left = 1 + chance_below(3); left > 0; left--) {
        void (*commit)(void) = commits[chance_below(MODEL_COUNT(commits))];
        if (model.count == 0)
            commit = commit_add;
        commit();
    }
}

#endif
