/*
 * The languages of a whole file list. What a name leaves open is settled by, in this order: the repository's
 * .gitattributes; the content, where it was read; files that only a certain kind of project has; what the
 * tests of the content would say of nearly every file; the bytes of the candidates in the nearest folder
 * above that has any; what the extension mostly means.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/repo/gitattributes.h"
#include "lib/repo/language_data.h"
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

/* What an extension mostly means, where no neighbour tells and linguist's own last rule does not either. */
static const char *const mostly[][2] = {
    {".as", "ActionScript"},
    {".asm", "Assembly"},
    {".bb", "BitBake"},
    {".cgi", "Perl"},
    {".cl", "Common Lisp"},
    {".cls", "TeX"},
    {".d", "D"},
    {".e", "Eiffel"},
    {".f", "Fortran"},
    {".for", "Fortran"},
    {".fpp", "Fortran"},
    {".fs", "F#"},
    {".ftl", "FreeMarker"},
    {".g", "GAP"},
    {".gd", "GDScript"},
    {".hh", "C++"},
    {".i", "SWIG"},
    {".inc", "PHP"},
    {".jq", "jq"},
    {".l", "Lex"},
    {".lean", "Lean 4"},
    {".lisp", "Common Lisp"},
    {".lsp", "Common Lisp"},
    {".m", "Objective-C"},
    {".mc", "Monkey C"},
    {".ml", "OCaml"},
    {".mm", "Objective-C++"},
    {".mo", "Modelica"},
    {".mojo", "Mojo"},
    {".ncl", "Nickel"},
    {".nu", "Nushell"},
    {".odin", "Odin"},
    {".pl", "Perl"},
    {".pm", "Perl"},
    {".pp", "Puppet"},
    {".pro", "QMake"},
    {".qs", "Q#"},
    {".r", "R"},
    {".re", "Reason"},
    {".res", "ReScript"},
    {".s", "Unix Assembly"},
    {".scm", "Scheme"},
    {".shader", "ShaderLab"},
    {".spec", "RPM Spec"},
    {".st", "Smalltalk"},
    {".sw", "Sway"},
    {".tpl", "Smarty"},
    {".trigger", "Apex"},
    {".tsp", "TypeSpec"},
    {".v", "Verilog"},
    {".x", "RPC"},
};

/* Against linguist's own last rule, which is for what the tests leave: a test nearly always holds. */
static const char *const nearly_always[][2] = {
    {".typ", "Typst"}, {".tl", "Teal"}, {".star", "Starlark"}, {".frag", "GLSL"}};

/* What says of a header which language it is of, by the language beside it. */
static const char *const header_of[][2] = {{"C", "C"},
                                           {"C++", "C++"},
                                           {"Cuda", "C++"},
                                           {"Objective-C", "Objective-C"},
                                           {"Objective-C++", "Objective-C"}};

/* ---- evidence ----------------------------------------------------------------------------------------- */

/* How many bytes of a language a folder holds, with all below it: an open hash table keyed by both. */
struct slot {
    uint64_t key; /* 0: free */
    int64_t bytes;
};
struct evidence {
    struct slot *slots;
    size_t mask, used;
};

static uint64_t evidence_key(uint64_t folder, int language)
{
    uint64_t hash = (folder ^ (uint64_t)language * 0x9e3779b97f4a7c15ULL) * 0x100000001b3ULL;
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static struct slot *evidence_slot(const struct evidence *all, uint64_t key)
{
    size_t at = key & all->mask;
    while (all->slots[at].key && all->slots[at].key != key)
        at = (at + 1) & all->mask;
    return &all->slots[at];
}

static void evidence_grow(struct evidence *all)
{
    struct evidence bigger = {.mask = all->mask * 2 + 1, .used = all->used};
    bigger.slots = rb_calloc(bigger.mask + 1, sizeof *bigger.slots);
    for (size_t i = 0; i <= all->mask; i++) {
        if (all->slots[i].key)
            *evidence_slot(&bigger, all->slots[i].key) = all->slots[i];
    }
    free(all->slots);
    *all = bigger;
}

static void evidence_add(struct evidence *all, uint64_t folder, int language, int64_t bytes)
{
    if (all->used * 4 > all->mask * 3) /* of a million files there are a million of these */
        evidence_grow(all);
    struct slot *slot = evidence_slot(all, evidence_key(folder, language));
    all->used += slot->key == 0;
    slot->key = evidence_key(folder, language);
    slot->bytes += bytes;
}

/* The folders above a file, as hashes, the root first. Deeper ones than these say no more. */
#define FOLDERS_MAX 32
#define FOLDER_ROOT 0xcbf29ce484222325ULL
static size_t folders_above(uint64_t folders[FOLDERS_MAX], const char *path)
{
    size_t count = 0;
    uint64_t hash = FOLDER_ROOT; /* FNV-1a */
    folders[count++] = hash;
    for (; *path && count < FOLDERS_MAX; path++) {
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3ULL;
        if (*path == '/')
            folders[count++] = hash;
    }
    return count;
}

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

static void file_prepare(struct language_file *file, const struct rb_tree_entry *entry)
{
    struct language_candidates candidates;
    *file = (struct language_file){.language = RB_LANGUAGE_NONE, .read = RB_LANGUAGE_NONE};
    if (!entry_is_file(entry))
        return;
    language_candidates_of(&candidates, entry->path);
    file->is_file = true;
    file->candidates = candidates.languages;
    file->candidate_count = (uint8_t)candidates.count;
    file->extension = candidates.extension;
    file->path = (uint8_t)rb_language_path(entry->path);
    /* Translations as gettext compiles them: not Modelica, not Motoko. */
    if (strcmp(candidates.extension, ".mo") == 0 &&
        (is_under(entry->path, "LC_MESSAGES/") || is_under(entry->path, "locale/") ||
         is_under(entry->path, "locales/")))
        file->candidate_count = 0;
    if (is_drawing(candidates.extension) && entry->size > DRAWN_MAX)
        file->path |= RB_PATH_GENERATED;
    if (strcmp(candidates.extension, ".js") == 0 && entry->size >= BUNDLE_MIN)
        file->path |= RB_PATH_SUSPECT;
    if (candidates.count == 0)
        file_prepare_generic(file, base_of(entry->path));
}

static bool name_is(const char *base, const char *extension, const char *name)
{
    return strcmp(base, name) == 0 || (*name == '.' && extension && strcmp(extension, name) == 0);
}

/* Which hints a file gives, a bit for each, and which it speaks against. */
static void hints_note(uint32_t *found, uint32_t *against, const struct rb_tree_entry *entry)
{
    const char *base = base_of(entry->path), *extension = strrchr(base, '.');
    for (size_t k = 0; k < COUNT(hints) && entry_is_file(entry); k++) {
        if (name_is(base, extension, hints[k].name))
            *found |= 1U << k;
        if (hints[k].unless && name_is(base, extension, hints[k].unless))
            *against |= 1U << k;
    }
}

struct rb_language_tree *rb_language_tree_new(const struct rb_tree *tree, struct rb_arena *arena)
{
    struct rb_language_tree *all = rb_arena_alloc(arena, sizeof *all);
    uint32_t found = 0, against = 0;
    *all = (struct rb_language_tree){.tree = tree, .arena = arena, .attributes = NULL};
    all->files = rb_arena_alloc(arena, tree->count * sizeof *all->files + 1);
    all->is_open = open_languages(arena);
    all->walk = rb_arena_alloc(arena, sizeof *all->walk);
    rb_tree_walk_begin(all->walk, tree);
    for (size_t i = 0; i < tree->count; i++) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        hints_note(&found, &against, entry);
        file_prepare(&all->files[i], entry);
    }
    all->hints = found & ~against;
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
    struct evidence evidence;
    struct evidence learned; /* what contents that were read have said, files of each open extension */
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
    uint64_t folders[FOLDERS_MAX];
    if (!file->is_read || file->language == RB_LANGUAGE_NONE ||
        (file->candidate_count < 2 && !is_bare_program(file, entry)))
        return;
    size_t count = folders_above(folders, entry->path);
    for (size_t i = 0; i < count; i++)
        evidence_add(&decider->learned, learned_key(folders[i], file), file->language, 1);
}

/* The language that most of the read files of this extension have, in the nearest folder where one was read.
 */
static int decide_by_read(const struct decider *decider, const struct language_file *file, const char *path)
{
    uint64_t folders[FOLDERS_MAX];
    for (size_t i = folders_above(folders, path); i > 0; i--) {
        int best = RB_LANGUAGE_NONE;
        int64_t most = 0;
        for (size_t k = 0; k < file->candidate_count; k++) {
            uint64_t key = evidence_key(learned_key(folders[i - 1], file), file->candidates[k]);
            int64_t files = evidence_slot(&decider->learned, key)->bytes;
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

static void decider_learn(struct decider *decider, const struct language_file *file,
                          const struct rb_tree_entry *entry)
{
    uint64_t folders[FOLDERS_MAX];
    if (file->language == RB_LANGUAGE_NONE || file->is_left_out || !decider->all->is_open[file->language])
        return;
    size_t count = folders_above(folders, entry->path);
    for (size_t i = 0; i < count; i++)
        evidence_add(&decider->evidence, folders[i], file->language, entry_bytes(entry) + 1);
}

static int table_find(const char *const (*table)[2], size_t count, const char *extension)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i][0], extension) == 0)
            return rb_language_index(table[i][1]);
    }
    return RB_LANGUAGE_NONE;
}

static int64_t evidence_of(const struct decider *decider, uint64_t folder, int language)
{
    return evidence_slot(&decider->evidence, evidence_key(folder, language))->bytes;
}

static int decide_header(const struct decider *decider, const char *path)
{
    uint64_t folders[FOLDERS_MAX];
    if (strcmp(base_of(path), "resource.h") == 0) /* numbers of a resource script, which is no C++ */
        return rb_language_index("C");
    for (size_t i = folders_above(folders, path); i > 0; i--) {
        int best = RB_LANGUAGE_NONE;
        int64_t most = 0;
        for (size_t k = 0; k < COUNT(header_of); k++) {
            int64_t bytes = evidence_of(decider, folders[i - 1], decider->header_beside[k]);
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
    uint64_t folders[FOLDERS_MAX];
    for (size_t i = folders_above(folders, path); i > 0; i--) {
        int best = RB_LANGUAGE_NONE;
        int64_t most = 0;
        for (size_t k = 0; k < file->candidate_count; k++) {
            /* Data lies beside everything. */
            int64_t bytes = rb_languages[file->candidates[k]].type == RB_DATA
                                ? 0
                                : evidence_of(decider, folders[i - 1], file->candidates[k]);
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

/* The language that linguist's tests give where none holds. */
static int default_of(const char *extension)
{
    const struct language_heuristic *heuristic = language_heuristic_of(extension);
    return heuristic ? language_heuristic_default(heuristic) : RB_LANGUAGE_NONE;
}

static int decide_open(const struct decider *decider, const struct language_file *file, const char *path)
{
    int language = decide_by_read(decider, file, path);
    if (language != RB_LANGUAGE_NONE)
        return language;
    for (size_t i = 0; i < COUNT(hints); i++) {
        if ((decider->all->hints >> i & 1) && strcmp(hints[i].extension, file->extension) == 0)
            return rb_language_index(hints[i].language);
    }
    /* Files with queries lie so in every editor that has them. */
    if (strcmp(file->extension, ".scm") == 0 && is_under(path, "queries/"))
        return rb_language_index("Tree-sitter Query");
    language = table_find(nearly_always, COUNT(nearly_always), file->extension);
    if (language == RB_LANGUAGE_NONE)
        language = default_of(file->extension);
    if (language == RB_LANGUAGE_NONE)
        language = decide_by_neighbours(decider, file, path);
    if (language == RB_LANGUAGE_NONE)
        language = table_find(mostly, COUNT(mostly), file->extension);
    if (language == RB_LANGUAGE_NONE)
        language = only_popular(file);
    return language == RB_LANGUAGE_NONE ? file->candidates[0] : language;
}

/* What those of its folder that were read are written in; else what else its folder is. A program of Ruby or
 * Perl lies beside others of it, and so does one of the shell. */
static int decide_program_by_neighbours(const struct decider *decider, const struct language_file *file,
                                        const char *path)
{
    uint64_t folders[FOLDERS_MAX];
    uint64_t folder = folders[folders_above(folders, path) - 1];
    int best = RB_LANGUAGE_NONE;
    int64_t most = 0;
    for (size_t i = 0; i < COUNT(scripting); i++) {
        int language = rb_language_index(scripting[i]);
        uint64_t key = evidence_key(learned_key(folder, file), language);
        int64_t files = evidence_slot(&decider->learned, key)->bytes;
        if (files > most) {
            most = files;
            best = language;
        }
    }
    if (best != RB_LANGUAGE_NONE)
        return best;
    int perl = rb_language_index("Perl"), ruby = rb_language_index("Ruby");
    int64_t shell = evidence_of(decider, folder, rb_language_index("Shell"));
    if (folder != FOLDER_ROOT && shell == 0 && evidence_of(decider, folder, ruby) > 0)
        return ruby;
    return folder != FOLDER_ROOT && evidence_of(decider, folder, perl) > shell ? perl : RB_LANGUAGE_NONE;
}

static bool is_one_of(const char *base, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(base, names[i]) == 0)
            return true;
    }
    return false;
}

/* A program without an extension: its first line would say. */
static int decide_program(const struct decider *decider, const struct language_file *file, const char *path)
{
    int php = rb_language_index("PHP"), ruby = rb_language_index("Ruby"), perl = rb_language_index("Perl");
    int shell = rb_language_index("Shell"), main = decider->all->main_language;
    const char *base = base_of(path);
    if (strcmp(base, "artisan") == 0 ||
        (strcmp(path, "bin/console") == 0 && evidence_of(decider, FOLDER_ROOT, php) > 0))
        return php;
    int language = decide_program_by_neighbours(decider, file, path);
    if (language != RB_LANGUAGE_NONE)
        return language;
    if (main == php && is_under(path, "bin/"))
        return php;
    if (main == perl && (is_under(path, "bin/") || is_under(path, "script/")))
        return perl;
    bool is_ruby =
        evidence_of(decider, FOLDER_ROOT, ruby) > evidence_of(decider, FOLDER_ROOT, shell) && main == ruby;
    if (is_ruby && (is_under(path, "bin/") || is_under(path, "exe/")))
        return ruby;
    return shell; /* also what lies in script/ of a repository of Ruby: "scripts to rule them all" */
}

static bool is_header(const struct language_file *file)
{
    return strcmp(file->extension, ".h") == 0;
}

/* What runs in a container or before a commit is of the shell, though nobody marked it as a program. */
static bool is_named_as_program(const char *base)
{
    static const char *const names[] = {"start",       "entrypoint",  "docker-entrypoint", "pre-commit",
                                        "pre-push",    "commit-msg",  "post-checkout",     "post-merge",
                                        "post-commit", "pre-receive", "post-receive",      "post_compile",
                                        "pre_compile"};
    return is_one_of(base, names, COUNT(names));
}

/* What lies in a bundle of Apple's is compiled, too; hooks that Husky and its like run have no first line. */
static bool is_bare_program(const struct language_file *file, const struct rb_tree_entry *entry)
{
    const char *base = base_of(entry->path);
    return file->candidate_count == 0 && !strchr(base, '.') && entry->size <= SCRIPT_MAX &&
           (entry->kind == RB_ENTRY_EXECUTABLE || is_named_as_program(base)) &&
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
        const struct language_file *file = &all->files[i];
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        if (file->language == RB_LANGUAGE_NONE || file->is_left_out ||
            rb_languages[file->language].type != RB_PROGRAMMING)
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
    for (int pass = 0; pass < 3; pass++) {
        rb_tree_walk_begin(all->walk, all->tree);
        for (size_t i = 0; i < all->tree->count; i++) {
            struct language_file *file = &all->files[i];
            const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
            if (!file->is_file || file->is_decided)
                continue;
            if (pass == 0) {
                file_attributes(file, all->attributes, entry);
                file->is_decided = file_is_certain(file);
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
            all->main_language = main_language(all);
    }
}

/* What tells the kinds of suspects apart: "_mock.go" of "ssh_mock.go", ".g.dart" of "link.g.dart". */
static uint64_t suspect_kind(const char *path)
{
    const char *base = base_of(path), *tail = strrchr(base, '.');
    while (tail && tail > base && tail[-1] != '.' && tail[-1] != '_')
        tail--;
    uint64_t hash = FOLDER_ROOT;
    for (tail = tail && tail > base ? tail - 1 : base; *tail; tail++)
        hash = (hash ^ (unsigned char)*tail) * 0x100000001b3ULL;
    return hash;
}

enum { SUSPECT_MADE, SUSPECT_WRITTEN };

static bool is_read_suspect(const struct language_file *file)
{
    return file->is_file && file->is_read && (file->path & RB_PATH_SUSPECT);
}

/* Of suspects of one kind, in the nearest folder where some were read: more were written by people. */
static bool suspect_is_cleared(const struct evidence *read, const char *path)
{
    uint64_t folders[FOLDERS_MAX], kind = suspect_kind(path);
    size_t depth = folders_above(folders, path);
    for (size_t i = depth; i > (depth > 1); i--) { /* projects beside each other have little in common */
        int64_t made = evidence_slot(read, evidence_key(folders[i - 1] ^ kind, SUSPECT_MADE))->bytes;
        int64_t written = evidence_slot(read, evidence_key(folders[i - 1] ^ kind, SUSPECT_WRITTEN))->bytes;
        if (made + written > 0)
            return written > made;
    }
    return false;
}

static void suspects_clear(struct rb_language_tree *all)
{
    struct evidence read = {.mask = 1023};
    uint64_t folders[FOLDERS_MAX];
    bool has_any = false;
    read.slots = rb_calloc(read.mask + 1, sizeof *read.slots);
    rb_tree_walk_begin(all->walk, all->tree);
    for (size_t i = 0; i < all->tree->count; i++) {
        const char *path = rb_tree_walk_next(all->walk)->path;
        const struct language_file *file = &all->files[i];
        if (!is_read_suspect(file))
            continue;
        has_any = true;
        for (size_t k = folders_above(folders, path); k > 0; k--)
            evidence_add(&read, folders[k - 1] ^ suspect_kind(path),
                         file->reads_generated ? SUSPECT_MADE : SUSPECT_WRITTEN, 1);
    }
    rb_tree_walk_begin(all->walk, all->tree);
    for (size_t i = 0; i < all->tree->count && has_any; i++) {
        const char *path = rb_tree_walk_next(all->walk)->path;
        struct language_file *file = &all->files[i];
        if (file->is_file && !file->is_read && (file->path & RB_PATH_SUSPECT))
            file->is_cleared = suspect_is_cleared(&read, path);
    }
    free(read.slots);
}

void rb_language_tree_settle(struct rb_language_tree *all)
{
    struct decider decider = {.all = all, .evidence = {.mask = 1023}, .learned = {.mask = 1023}};
    decider.evidence.slots = rb_calloc(decider.evidence.mask + 1, sizeof *decider.evidence.slots);
    decider.learned.slots = rb_calloc(decider.learned.mask + 1, sizeof *decider.learned.slots);
    for (size_t i = 0; i < COUNT(header_of); i++) {
        decider.header_beside[i] = rb_language_index(header_of[i][0]);
        decider.header_language[i] = rb_language_index(header_of[i][1]);
    }
    for (size_t i = 0; i < all->tree->count; i++)
        all->files[i].is_decided = false;
    suspects_clear(all);
    decider_run(&decider);
    free(decider.evidence.slots);
    free(decider.learned.slots);
}

int rb_language_tree_of(const struct rb_language_tree *all, size_t entry)
{
    return all->files[entry].language;
}

bool rb_language_tree_is_generated(const struct rb_language_tree *all, size_t entry)
{
    return file_is_generated(&all->files[entry]);
}

bool rb_language_tree_counts(const struct rb_language_tree *all, size_t entry)
{
    const struct language_file *file = &all->files[entry];
    if (!file->is_file || file->is_left_out || file->language == RB_LANGUAGE_NONE || file->said_undetectable)
        return false;
    enum rb_language_type type = rb_languages[file->language].type;
    return file->said_detectable || type == RB_PROGRAMMING || type == RB_MARKUP;
}
