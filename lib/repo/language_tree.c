/*
 * The languages of a whole file list. What a name leaves open is settled by, in this order: the repository's
 * .gitattributes; the content, where it was read; files that only a certain kind of project has; what the
 * tests of the content would say of nearly every file; the bytes of the candidates in the nearest folder
 * above that has any; what the extension mostly means.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/gitattributes.h"
#include "lib/repo/language_data.h"
#include "lib/repo/language_evidence.h"
#include "lib/repo/language_tree.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- what decides between candidates ------------------------------------------------------------------ */

/* A file that only projects of one kind have decides an extension for the whole repository. */
static const struct hint {
    const char *name; /* with a leading dot: an extension; else a whole name */
    const char *extension, *language;
    const char *unless; /* a file that speaks against it, or NULL */
} hints[] = {
    {".qrc", ".ts", "XML", "package.json"}, /* translations of Qt */
    {".sqlproj", ".sql", "TSQL", NULL},
    {".yyp", ".yy", "JSON", NULL},
    {"_CoqProject", ".v", "Rocq Prover", NULL},
    {"_RocqProject", ".v", "Rocq Prover", NULL},
    {"v.mod", ".v", "V", NULL},
    {"project.pbxproj", ".m", "Objective-C", NULL},
    {".mat", ".m", "MATLAB", NULL},
    {".mlx", ".m", "MATLAB", NULL},
    {"Chart.yaml", ".tpl", "Go Template", NULL},
    {"sfdx-project.json", ".cls", "Apex", NULL},
    {".vbp", ".cls", "Visual Basic 6.0", NULL},
    {"lean-toolchain", ".lean", "Lean 4", NULL},
    {"leanpkg.toml", ".lean", "Lean", NULL},
};

/* What says of a header which language it is of, by the language beside it. */
static const char *const header_of[][2] = {{"C", "C"},
                                           {"C++", "C++"},
                                           {"Cuda", "C++"},
                                           {"Objective-C", "Objective-C"},
                                           {"Objective-C++", "Objective-C"}};

/* ---- the tree ----------------------------------------------------------------------------------------- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool entry_is_file(const struct rb_tree_entry *entry)
{
    return entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE;
}

static int64_t entry_bytes(const struct rb_tree_entry *entry)
{
    return entry->size > 0 ? entry->size : 0;
}

static bool is_under(const char *path, const char *folder)
{
    const char *at = strstr(path, folder);
    return at && (at == path || at[-1] == '/');
}

/* What programs without an extension are written in, where their neighbours are. */
static const char *const scripting[] = {"Perl", "PHP", "Ruby", "Shell"};

/* Languages that some extension leaves open: only these are worth counting. */
static bool *open_languages(struct rb_arena *arena)
{
    bool *open = rb_arena_alloc(arena, rb_language_total * sizeof *open);
    memset(open, 0, rb_language_total * sizeof *open);
    for (size_t i = 0; i < language_extension_total; i++) {
        const struct language_key *key = &language_extensions[i];
        for (int16_t k = 0; key->count > 1 && k < key->count; k++)
            open[language_lists[key->first + k]] = true;
    }
    for (size_t i = 0; i < COUNT(header_of); i++)
        open[rb_language_index(header_of[i][0])] = true;
    for (size_t i = 0; i < COUNT(scripting); i++)
        open[rb_language_index(scripting[i])] = true;
    return open;
}

/* "build.sbt.1" is a copy of a source, and no page of a manual. */
static bool name_without_is_source(const char *base, const char *dot)
{
    char name[LANGUAGE_NAME_MAX];
    struct language_candidates candidates;
    size_t len = (size_t)(dot - base);
    if (len >= sizeof name)
        return false;
    memcpy(name, base, len);
    name[len] = 0;
    language_candidates_of(&candidates, name);
    return candidates.count == 1 && rb_languages[candidates.languages[0]].type == RB_PROGRAMMING;
}

/* Extensions too common to mean a language by themselves (linguist asks the content), of which two mean one
 * nearly always: pages of a manual ("git.1", not "libz.so.1"), and Solidity. */
static void file_prepare_generic(struct language_file *file, const char *base)
{
    const char *dot = strrchr(base, '.');
    const struct language_key *key = NULL;
    if (dot && dot > base && strcmp(dot, ".sol") == 0)
        key = language_find_alias("solidity");
    else if (dot && dot > base && dot[1] >= '1' && dot[1] <= '9' && !dot[2] && !strstr(base, ".so.") &&
             strcspn(base, "0123456789") == (size_t)(dot + 1 - base))
        key = language_find_extension(".man");
    if (!key || name_without_is_source(base, dot))
        return;
    file->candidates = language_lists + key->first;
    file->candidate_count = (uint8_t)key->count;
    file->extension = key->text;
}

/* Nobody writes so much of it by hand: a PostScript file is a drawing that a program saved, a file of
 * JavaScript a bundle, and a program without an extension is compiled. */
#define DRAWN_MAX  500000
#define BUNDLE_MIN 250000
#define SCRIPT_MAX 100000

static bool is_drawing(const char *extension)
{
    return strcmp(extension, ".eps") == 0 || strcmp(extension, ".ps") == 0 || strcmp(extension, ".pfa") == 0;
}

void language_file_prepare(struct language_file *file, const struct rb_tree_entry *entry)
{
    struct language_candidates candidates;
    *file = (struct language_file){
        .language = RB_LANGUAGE_NONE, .read = RB_LANGUAGE_NONE, .said_language = RB_LANGUAGE_NONE};
    if (!entry_is_file(entry))
        return;
    language_candidates_of(&candidates, entry->path);
    file->is_file = true;
    file->candidates = candidates.languages;
    file->candidate_count = (uint8_t)candidates.count;
    file->extension = candidates.extension;
    /* Translations as gettext compiles them: not Modelica, not Motoko. */
    if (strcmp(candidates.extension, ".mo") == 0 &&
        (is_under(entry->path, "LC_MESSAGES/") || is_under(entry->path, "locale/") ||
         is_under(entry->path, "locales/")))
        file->candidate_count = 0;
    if (candidates.count == 0)
        file_prepare_generic(file, base_of(entry->path));
}

static void file_look_at_path(struct language_file *file, const struct rb_tree_entry *entry)
{
    file->has_path = true;
    file->path = (uint8_t)rb_path_kinds(entry->path);
    if (!file->is_file) { /* no tool makes a link */
        file->path &= (uint8_t) ~(RB_PATH_GENERATED | RB_PATH_SUSPECT);
        return;
    }
    if (is_drawing(file->extension) && entry->size > DRAWN_MAX)
        file->path |= RB_PATH_GENERATED;
    if (strcmp(file->extension, ".js") == 0 && entry->size >= BUNDLE_MIN)
        file->path |= RB_PATH_SUSPECT;
}

static bool name_is(const char *base, const char *extension, const char *name)
{
    return strcmp(base, name) == 0 || (*name == '.' && extension && strcmp(extension, name) == 0);
}

void language_hints_note(struct language_hints *noted, const struct rb_tree_entry *entry)
{
    if (!entry_is_file(entry) || !language_path_ends_open(entry->path))
        return;
    const char *base = base_of(entry->path), *extension = strrchr(base, '.');
    for (size_t k = 0; k < COUNT(hints); k++) {
        if (name_is(base, extension, hints[k].name))
            noted->found |= 1U << k;
        if (hints[k].unless && name_is(base, extension, hints[k].unless))
            noted->against |= 1U << k;
    }
}

struct rb_language_tree *language_tree_begin(const struct rb_tree *tree, struct rb_arena *arena)
{
    struct rb_language_tree *all = rb_arena_alloc(arena, sizeof *all);
    *all = (struct rb_language_tree){.tree = tree, .arena = arena, .attributes = NULL};
    all->files = rb_arena_alloc(arena, tree->count * sizeof *all->files + 1);
    all->is_open = open_languages(arena);
    all->walk = rb_arena_alloc(arena, sizeof *all->walk);
    rb_tree_walk_begin(all->walk, tree);
    return all;
}

struct rb_language_tree *rb_language_tree_new(const struct rb_tree *tree, struct rb_arena *arena)
{
    struct rb_language_tree *all = language_tree_begin(tree, arena);
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        language_hints_note(&all->hints, entry);
        language_file_prepare(&all->files[i], entry);
        file_look_at_path(&all->files[i], entry);
    }
    rb_language_tree_settle(all);
    return all;
}

/* ---- deciding ----------------------------------------------------------------------------------------- */

static bool attribute_holds(const struct attribute *attribute, bool otherwise)
{
    if (attribute->state == ATTRIBUTE_UNSAID)
        return otherwise;
    return attribute->state != ATTRIBUTE_FALSE &&
           !(attribute->state == ATTRIBUTE_VALUE && strcmp(attribute->value, "false") == 0);
}

static bool file_is_generated(const struct language_file *file)
{
    return (file->path & RB_PATH_GENERATED) ||
           (file->is_read ? file->reads_generated : (file->path & RB_PATH_SUSPECT) && !file->is_cleared);
}

/* What .gitattributes say: the language, and what is left out. */
static void file_attributes(struct language_file *file, struct attributes *attributes,
                            const struct rb_tree_entry *entry)
{
    struct attribute said[ATTRIBUTE_COUNT];
    bool is_generated = file_is_generated(file);
    file->said_language = RB_LANGUAGE_NONE;
    file->said_detectable = file->said_undetectable = false;
    if (!attributes) {
        file->is_left_out = is_generated || (file->path & (RB_PATH_VENDORED | RB_PATH_DOCUMENTATION));
        return;
    }
    attributes_of(said, attributes, entry->path);
    const struct attribute *language = &said[ATTRIBUTE_LANGUAGE], *filter = &said[ATTRIBUTE_FILTER];
    if (language->state == ATTRIBUTE_VALUE)
        file->said_language = (int16_t)rb_language_by_alias(language->value, strlen(language->value));
    file->said_unknown = language->state == ATTRIBUTE_VALUE && file->said_language == RB_LANGUAGE_NONE;
    if (said[ATTRIBUTE_DETECTABLE].state != ATTRIBUTE_UNSAID) {
        file->said_detectable = attribute_holds(&said[ATTRIBUTE_DETECTABLE], false);
        file->said_undetectable = !file->said_detectable;
    }
    /* What Git LFS keeps elsewhere is a pointer of some 130 bytes here. */
    bool is_elsewhere =
        filter->state == ATTRIBUTE_VALUE && strcmp(filter->value, "lfs") == 0 && entry->size < 1024;
    file->is_left_out =
        is_elsewhere || attribute_holds(&said[ATTRIBUTE_GENERATED], is_generated) ||
        attribute_holds(&said[ATTRIBUTE_VENDORED], (file->path & RB_PATH_VENDORED) != 0) ||
        attribute_holds(&said[ATTRIBUTE_DOCUMENTATION], (file->path & RB_PATH_DOCUMENTATION) != 0);
}

/* Of a list without attributes the path is looked at only where the answer matters. */
static bool file_is_left_out(struct language_file *file, const struct rb_tree_entry *entry)
{
    if (!file->has_path) {
        file_look_at_path(file, entry);
        file_attributes(file, NULL, entry);
    }
    return file->is_left_out;
}

/* Of one whose path has been looked at. */
static struct rb_language_of_file file_answer(const struct language_file *file, int language)
{
    return (struct rb_language_of_file){
        .language = (int16_t)language, .is_generated = file_is_generated(file), .path = file->path};
}

struct rb_language_of_file language_file_answer(struct language_file *file, int language,
                                                const struct rb_tree_entry *entry)
{
    if (!file->has_path)
        file_look_at_path(file, entry);
    return file_answer(file, language);
}

/* Attributes, the content, or a name that means one language. False: open. */
static bool file_is_certain(struct language_file *file)
{
    file->language = RB_LANGUAGE_NONE;
    if (file->said_language != RB_LANGUAGE_NONE || file->said_unknown) {
        file->language = file->said_language;
        return true;
    }
    if (file->is_read && file->read_settles) {
        file->language = file->read;
        return true;
    }
    if (file->candidate_count == 1)
        file->language = file->candidates[0];
    return file->candidate_count == 1;
}

struct decider {
    struct rb_language_tree *all;
    struct language_evidence evidence;
    struct language_evidence
        learned; /* what contents that were read have said, files of each open extension */
    int header_language[COUNT(header_of)], header_beside[COUNT(header_of)];
};

/* Files of one open extension in one folder: what those that were read are, the others will be. Programs
 * without an extension are one kind, too. */
static uint64_t learned_key(uint64_t folder, const struct language_file *file)
{
    uint64_t kind = file->candidates ? (uint64_t)(file->candidates - language_lists + 1) : UINT64_MAX;
    return folder ^ kind * 0xff51afd7ed558ccdULL;
}

static bool is_bare_program(const struct language_file *file, const struct rb_tree_entry *entry);

static void decider_learn_content(struct decider *decider, const struct language_file *file,
                                  const struct rb_tree_entry *entry)
{
    uint64_t folders[LANGUAGE_FOLDERS_MAX];
    if (!file->is_read || file->language == RB_LANGUAGE_NONE ||
        (file->candidate_count < 2 && !is_bare_program(file, entry)))
        return;
    size_t count = language_folders_above(folders, entry->path);
    for (size_t i = 0; i < count; i++)
        language_evidence_add(&decider->learned, learned_key(folders[i], file), file->language, 1);
}

/* The language that most of the read files of this extension have, in the nearest folder where one was read.
 */
static int decide_by_read(const struct decider *decider, const struct language_file *file, const char *path)
{
    uint64_t folders[LANGUAGE_FOLDERS_MAX];
    for (size_t i = language_folders_above(folders, path); i > 0; i--) {
        int best = RB_LANGUAGE_NONE;
        int64_t most = 0;
        for (size_t k = 0; k < file->candidate_count; k++) {
            int64_t files = language_evidence_of(&decider->learned, learned_key(folders[i - 1], file),
                                                 file->candidates[k]);
            if (files > most) {
                most = files;
                best = file->candidates[k];
            }
        }
        if (best != RB_LANGUAGE_NONE)
            return best;
    }
    return RB_LANGUAGE_NONE;
}

static void decider_learn(struct decider *decider, struct language_file *file,
                          const struct rb_tree_entry *entry)
{
    uint64_t folders[LANGUAGE_FOLDERS_MAX];
    if (file->language == RB_LANGUAGE_NONE || !decider->all->is_open[file->language] ||
        file_is_left_out(file, entry))
        return;
    size_t count = language_folders_above(folders, entry->path);
    for (size_t i = 0; i < count; i++)
        language_evidence_add(&decider->evidence, folders[i], file->language, entry_bytes(entry) + 1);
}

static int decide_header(const struct decider *decider, const char *path)
{
    uint64_t folders[LANGUAGE_FOLDERS_MAX];
    if (strcmp(base_of(path), "resource.h") == 0) /* numbers of a resource script, which is no C++ */
        return rb_language_index("C");
    for (size_t i = language_folders_above(folders, path); i > 0; i--) {
        int best = RB_LANGUAGE_NONE;
        int64_t most = 0;
        for (size_t k = 0; k < COUNT(header_of); k++) {
            int64_t bytes =
                language_evidence_of(&decider->evidence, folders[i - 1], decider->header_beside[k]);
            if (bytes > most) {
                most = bytes;
                best = decider->header_language[k];
            }
        }
        if (best != RB_LANGUAGE_NONE)
            return best;
    }
    return rb_language_index("C");
}

static int decide_by_neighbours(const struct decider *decider, const struct language_file *file,
                                const char *path)
{
    uint64_t folders[LANGUAGE_FOLDERS_MAX];
    for (size_t i = language_folders_above(folders, path); i > 0; i--) {
        int best = RB_LANGUAGE_NONE;
        int64_t most = 0;
        for (size_t k = 0; k < file->candidate_count; k++) {
            /* Data lies beside everything. */
            int64_t bytes =
                rb_languages[file->candidates[k]].type == RB_DATA
                    ? 0
                    : language_evidence_of(&decider->evidence, folders[i - 1], file->candidates[k]);
            if (bytes > most) {
                most = bytes;
                best = file->candidates[k];
            }
        }
        if (best != RB_LANGUAGE_NONE)
            return best;
    }
    return RB_LANGUAGE_NONE;
}

static int only_popular(const struct language_file *file)
{
    int found = RB_LANGUAGE_NONE;
    for (size_t i = 0; i < file->candidate_count; i++) {
        if (!rb_languages[file->candidates[i]].is_popular)
            continue;
        if (found != RB_LANGUAGE_NONE)
            return RB_LANGUAGE_NONE;
        found = file->candidates[i];
    }
    return found;
}

/* language_guess_default(); an extension, which is static text, is looked up once a list while no other takes
 * its place. */
static int default_kept(struct rb_language_tree *all, const char *extension)
{
    struct language_default *kept = &all->defaults[((uintptr_t)extension >> 3) % COUNT(all->defaults)];
    if (kept->extension != extension)
        *kept = (struct language_default){extension, (int16_t)language_guess_default(extension)};
    return kept->language;
}

/* What nothing in the folders around changes. */
static int decide_by_name(struct rb_language_tree *all, const struct language_file *file, const char *path)
{
    for (size_t i = 0; i < COUNT(hints); i++) {
        if (((all->hints.found & ~all->hints.against) >> i & 1) &&
            strcmp(hints[i].extension, file->extension) == 0)
            return rb_language_index(hints[i].language);
    }
    /* Files with queries lie so in every editor that has them. */
    if (strcmp(file->extension, ".scm") == 0 && is_under(path, "queries/"))
        return rb_language_index("Tree-sitter Query");
    return default_kept(all, file->extension);
}

static int decide_open(const struct decider *decider, const struct language_file *file, const char *path)
{
    int language = decide_by_read(decider, file, path);
    if (language == RB_LANGUAGE_NONE)
        language = decide_by_name(decider->all, file, path);
    if (language == RB_LANGUAGE_NONE)
        language = decide_by_neighbours(decider, file, path);
    if (language == RB_LANGUAGE_NONE)
        language = language_guess_mostly(file->extension);
    if (language == RB_LANGUAGE_NONE)
        language = only_popular(file);
    return language == RB_LANGUAGE_NONE ? file->candidates[0] : language;
}

static bool is_one_of(const char *base, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(base, names[i]) == 0)
            return true;
    }
    return false;
}

/* What decide_program() looks at of the rest of the list. */
static enum language_asks program_asks(const char *path)
{
    if (strcmp(base_of(path), "artisan") == 0)
        return LANGUAGE_ASKS_NONE;
    if (is_under(path, "bin/") || is_under(path, "exe/") || is_under(path, "script/"))
        return LANGUAGE_ASKS_ALL;
    return strchr(path, '/') ? LANGUAGE_ASKS_NEIGHBOURS : LANGUAGE_ASKS_NONE;
}

/* What those of its folder that were read are written in; else what else its folder is. A program of Ruby or
 * Perl lies beside others of it, and so does one of the shell. */
static int decide_program_by_neighbours(const struct decider *decider, const struct language_file *file,
                                        const char *path)
{
    uint64_t folders[LANGUAGE_FOLDERS_MAX];
    uint64_t folder = folders[language_folders_above(folders, path) - 1];
    int best = RB_LANGUAGE_NONE;
    int64_t most = 0;
    for (size_t i = 0; i < COUNT(scripting); i++) {
        int language = rb_language_index(scripting[i]);
        int64_t files = language_evidence_of(&decider->learned, learned_key(folder, file), language);
        if (files > most) {
            most = files;
            best = language;
        }
    }
    if (best != RB_LANGUAGE_NONE)
        return best;
    int perl = rb_language_index("Perl"), ruby = rb_language_index("Ruby");
    int64_t shell = language_evidence_of(&decider->evidence, folder, rb_language_index("Shell"));
    if (folder != LANGUAGE_FOLDER_ROOT && shell == 0 &&
        language_evidence_of(&decider->evidence, folder, ruby) > 0)
        return ruby;
    return folder != LANGUAGE_FOLDER_ROOT && language_evidence_of(&decider->evidence, folder, perl) > shell
               ? perl
               : RB_LANGUAGE_NONE;
}

/* A program without an extension: its first line would say. program_asks() knows what this looks at. */
static int decide_program(const struct decider *decider, const struct language_file *file, const char *path)
{
    const struct language_evidence *evidence = &decider->evidence;
    int php = rb_language_index("PHP"), ruby = rb_language_index("Ruby"), perl = rb_language_index("Perl");
    int shell = rb_language_index("Shell"), main = decider->all->main_language;
    if (strcmp(base_of(path), "artisan") == 0 ||
        (strcmp(path, "bin/console") == 0 && language_evidence_of(evidence, LANGUAGE_FOLDER_ROOT, php) > 0))
        return php;
    int language = decide_program_by_neighbours(decider, file, path);
    if (language != RB_LANGUAGE_NONE)
        return language;
    if (main == php && is_under(path, "bin/"))
        return php;
    if (main == perl && (is_under(path, "bin/") || is_under(path, "script/")))
        return perl;
    bool is_ruby = language_evidence_of(evidence, LANGUAGE_FOLDER_ROOT, ruby) >
                       language_evidence_of(evidence, LANGUAGE_FOLDER_ROOT, shell) &&
                   main == ruby;
    if (is_ruby && (is_under(path, "bin/") || is_under(path, "exe/")))
        return ruby;
    return shell; /* also what lies in script/ of a repository of Ruby: "scripts to rule them all" */
}

#define HEADER ".h"
static bool is_header(const struct language_file *file)
{
    return strcmp(file->extension, HEADER) == 0;
}

/* What runs in a container or before a commit is of the shell, though nobody marked it as a program. */
static const char *const program_names[] = {"start",       "entrypoint",  "docker-entrypoint", "pre-commit",
                                            "pre-push",    "commit-msg",  "post-checkout",     "post-merge",
                                            "post-commit", "pre-receive", "post-receive",      "post_compile",
                                            "pre_compile"};

/* What lies in a bundle of Apple's is compiled, too; hooks that Husky and its like run have no first line. */
static bool is_bare_program(const struct language_file *file, const struct rb_tree_entry *entry)
{
    const char *base = base_of(entry->path);
    return file->candidate_count == 0 && !strchr(base, '.') && entry->size <= SCRIPT_MAX &&
           (entry->kind == RB_ENTRY_EXECUTABLE || is_one_of(base, program_names, COUNT(program_names))) &&
           !strstr(entry->path, ".framework/") && !strstr(entry->path, ".app/") &&
           !is_under(entry->path, ".husky/") && !is_under(entry->path, ".vite-hooks/");
}

/* The language with the most bytes, of those that the names tell. */
static int main_language(const struct rb_language_tree *all)
{
    int64_t *bytes = rb_calloc(rb_language_total, sizeof *bytes), most = 0;
    int best = RB_LANGUAGE_NONE;
    rb_tree_walk_begin(all->walk, all->tree);
    for (size_t i = 0; i < all->tree->count; i++) {
        struct language_file *file = &all->files[i];
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        if (file->language == RB_LANGUAGE_NONE || rb_languages[file->language].type != RB_PROGRAMMING ||
            file_is_left_out(file, entry))
            continue;
        int language = rb_languages[file->language].group;
        bytes[language] += entry_bytes(entry);
        if (bytes[language] > most) {
            most = bytes[language];
            best = language;
        }
    }
    free(bytes);
    return best;
}

/* Each pass decides what the one before it made decidable: names, then extensions of several languages, then
 * headers and programs. */
static void decider_run(struct decider *decider)
{
    struct rb_language_tree *all = decider->all;
    bool is_main_asked = false;
    for (int pass = 0; pass < 3; pass++) {
        rb_tree_walk_begin(all->walk, all->tree);
        for (size_t i = 0; i < all->tree->count; i++) {
            struct language_file *file = &all->files[i];
            const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
            if (!file->is_file || file->is_decided)
                continue;
            if (pass == 0) {
                if (file->has_path)
                    file_attributes(file, all->attributes, entry);
                file->is_decided = file_is_certain(file);
                is_main_asked = is_main_asked || (is_bare_program(file, entry) &&
                                                  program_asks(entry->path) == LANGUAGE_ASKS_ALL);
            } else if (file->candidate_count && (pass == 2 || !is_header(file))) {
                file->language = (int16_t)(is_header(file) ? decide_header(decider, entry->path)
                                                           : decide_open(decider, file, entry->path));
                file->is_decided = true;
            } else if (pass == 2 && is_bare_program(file, entry) && !file->is_read) {
                file->language = (int16_t)decide_program(decider, file, entry->path);
            }
            if (!file->is_decided || pass == 2)
                continue;
            decider_learn(decider, file, entry);
            if (pass == 0)
                decider_learn_content(decider, file, entry);
        }
        if (pass == 0)
            all->main_language = is_main_asked ? main_language(all) : RB_LANGUAGE_NONE;
    }
}

void rb_language_tree_settle(struct rb_language_tree *all)
{
    struct decider decider = {.all = all};
    language_evidence_init(&decider.evidence);
    language_evidence_init(&decider.learned);
    for (size_t i = 0; i < COUNT(header_of); i++) {
        decider.header_beside[i] = rb_language_index(header_of[i][0]);
        decider.header_language[i] = rb_language_index(header_of[i][1]);
    }
    for (size_t i = 0; i < all->tree->count; i++)
        all->files[i].is_decided = false;
    language_suspects_clear(all);
    decider_run(&decider);
    language_evidence_free(&decider.evidence);
    language_evidence_free(&decider.learned);
}

/* ---- what a file asks of others, and tells them ------------------------------------------------------ */

enum language_asks language_file_asks(int *language, struct rb_language_tree *all,
                                      const struct language_file *file, const struct rb_tree_entry *entry)
{
    *language = file->candidate_count == 1 ? file->candidates[0] : RB_LANGUAGE_NONE;
    if (!file->is_file || file->candidate_count == 1)
        return LANGUAGE_ASKS_NONE;
    if (is_bare_program(file, entry)) {
        *language = rb_language_index(strcmp(base_of(entry->path), "artisan") == 0 ? "PHP" : "Shell");
        return program_asks(entry->path);
    }
    if (is_header(file))
        return LANGUAGE_ASKS_NEIGHBOURS;
    if (file->candidate_count)
        *language = decide_by_name(all, file, entry->path);
    return file->candidate_count && *language == RB_LANGUAGE_NONE ? LANGUAGE_ASKS_NEIGHBOURS
                                                                  : LANGUAGE_ASKS_NONE;
}

void language_file_asks_of(bool *languages, const struct language_file *file)
{
    for (size_t k = 0; file->candidate_count == 0 && k < COUNT(scripting); k++)
        languages[rb_language_index(scripting[k])] = true;
    for (size_t k = 0; is_header(file) && k < COUNT(header_of); k++)
        languages[rb_language_index(header_of[k][0])] = true;
    for (size_t k = 0; k < file->candidate_count; k++)
        languages[file->candidates[k]] = true;
}

void language_file_tells(bool *languages, const struct language_file *file, int language)
{
    if (file->candidate_count == 0 || is_header(file)) /* decided last: no evidence of anything */
        return;
    if (language != RB_LANGUAGE_NONE)
        languages[language] = true;
    for (size_t k = 0; file->candidate_count > 1 && k < COUNT(hints); k++) {
        if (strcmp(hints[k].extension, file->extension) == 0)
            languages[rb_language_index(hints[k].language)] = true;
    }
    if (language != RB_LANGUAGE_NONE)
        return;
    for (size_t k = 0; k < file->candidate_count; k++)
        languages[file->candidates[k]] = true;
    int most = language_guess_mostly(file->extension);
    if (most != RB_LANGUAGE_NONE)
        languages[most] = true;
}

/* The last two bytes (in lower case) of names and extensions that are hints, or whose language hangs on
 * others than hints: nearly all files are passed over with a look at theirs. */
static uint64_t open_ends[65536 / 64];
static pthread_once_t open_ends_once = PTHREAD_ONCE_INIT;

static size_t end_of(const char *text, size_t len)
{
    return (size_t)tolower((unsigned char)text[len - 2]) << 8 | (size_t)tolower((unsigned char)text[len - 1]);
}

static void open_end_add(const char *text)
{
    size_t end = end_of(text, strlen(text));
    open_ends[end / 64] |= UINT64_C(1) << end % 64;
}

static void open_ends_prepare(void)
{
    char page[] = ".1"; /* file_prepare_generic() */
    for (; page[1] <= '9'; page[1]++)
        open_end_add(page);
    for (size_t i = 0; i < language_extension_total; i++) {
        const char *text = language_extensions[i].text;
        if (language_extensions[i].count > 1 &&
            (strcmp(text, HEADER) == 0 || language_guess_default(text) == RB_LANGUAGE_NONE))
            open_end_add(text);
    }
    for (size_t i = 0; i < language_file_name_total; i++) {
        if (language_file_names[i].count > 1)
            open_end_add(language_file_names[i].text);
    }
    for (size_t i = 0; i < COUNT(program_names); i++)
        open_end_add(program_names[i]);
    for (size_t i = 0; i < COUNT(hints); i++) {
        open_end_add(hints[i].name);
        if (hints[i].unless)
            open_end_add(hints[i].unless);
    }
}

bool language_path_ends_open(const char *path)
{
    size_t len = strlen(path);
    pthread_once(&open_ends_once, open_ends_prepare);
    return len >= 2 && (open_ends[end_of(path, len) / 64] >> end_of(path, len) % 64 & 1);
}

/* ---- answers ----------------------------------------------------------------------------------------- */

int rb_language_tree_of(const struct rb_language_tree *all, size_t entry)
{
    return all->files[entry].language;
}

struct rb_language_of_file rb_language_tree_file(const struct rb_language_tree *all, size_t entry)
{
    return file_answer(&all->files[entry], all->files[entry].language);
}

bool rb_language_tree_counts(const struct rb_language_tree *all, size_t entry)
{
    const struct language_file *file = &all->files[entry];
    if (!file->is_file || file->is_left_out || file->language == RB_LANGUAGE_NONE || file->said_undetectable)
        return false;
    enum rb_language_type type = rb_languages[file->language].type;
    return file->said_detectable || type == RB_PROGRAMMING || type == RB_MARKUP;
}
