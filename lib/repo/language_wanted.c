/*
 * Which contents are worth a request, and what is done with them. A file is worth its bytes, times how often
 * files of its kind turn out to be something else than their name says.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/repo/gitattributes.h"
#include "lib/repo/language_data.h"
#include "lib/repo/language_tree.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Less of the whole repository than this changes no figure anybody sees: shares have a tenth of a percent. */
#define WORTH_MIN 0.00002

/* What a file takes of a request is a place among a hundred, and its bytes of one and a half megabytes: of
 * the places each is worth so many bytes. */
#define FAIR_BYTES 16384.0

/* Of files of one extension and at least so many bytes, the part that the content moves: estimated on public
 * repositories, where only the order matters much. */
static const struct chance {
    const char *extension;
    int64_t bytes;
    double part;
} chances[] = {
    {".js", 15000, 0.3},   {".css", 15000, 0.3},    {".mjs", 15000, 0.02}, {".go", 10000, 0.01},
    {".html", 10000, 0.2}, {".htm", 10000, 0.2},    {".h", 0, 0.15},       {".sql", 0, 0.5},
    {".py", 10000, 0.01},  {".java", 10000, 0.01},  {".rb", 10000, 0.01},  {".ts", 10000, 0.01},
    {".c", 100000, 0.002}, {".cpp", 100000, 0.002}, {".cc", 20000, 0.03},  {".php", 0, 0.01},
    {".dart", 2000, 0.2},  {".cs", 0, 0.005},       {".md", 0, 0},         {".ps", 0, 0.5},
    {".eps", 0, 0.5},      {".rs", 0, 0.005},       {".tsx", 0, 0.005},    {".html", 0, 0.02},
    {".js", 2000, 0.02},   {".css", 2000, 0.02},
};

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool type_counts(int language)
{
    enum rb_language_type type = rb_languages[language].type;
    return type == RB_PROGRAMMING || type == RB_MARKUP;
}

/* Whether the candidates differ in what they count for. */
static bool candidates_differ(const struct language_file *file)
{
    for (size_t i = 0; i < file->candidate_count; i++) {
        int one = file->candidates[i], first = file->candidates[0];
        if (type_counts(one) != type_counts(first) ||
            (type_counts(one) && rb_languages[one].group != rb_languages[first].group))
            return true;
    }
    return false;
}

/* What lies on a disk of Windows is all executable. */
static bool is_binary(const char *extension)
{
    static const char *const extensions[] = {
        ".png", ".jpg", ".jpeg", ".gif",   ".ico", ".webp", ".pdf", ".zip", ".gz", ".jar",  ".exe", ".dll",
        ".so",  ".ttf", ".woff", ".woff2", ".eot", ".otf",  ".mp3", ".mp4", ".a",  ".wasm", ".lib", ".dylib"};
    for (size_t i = 0; i < COUNT(extensions); i++) {
        if (strcasecmp(extension, extensions[i]) == 0)
            return true;
    }
    return false;
}

/* No language has these, and their first line is often that of a script. */
static bool is_of_script(const char *extension)
{
    static const char *const extensions[] = {".in", ".init", ".default", ".initd", ".service", ".hook"};
    for (size_t i = 0; i < COUNT(extensions); i++) {
        if (strcmp(extension, extensions[i]) == 0)
            return true;
    }
    return false;
}

static double chance_of(const struct language_file *file, const struct rb_tree_entry *entry)
{
    const char *dot = strrchr(base_of(entry->path), '.');
    if (file->path & RB_PATH_SUSPECT)
        return 0.3;
    bool is_page = dot && isdigit((unsigned char)dot[1]) && !dot[2]; /* "git-1.8": perhaps of a manual */
    if (is_page)
        return 0.3;
    if (file->candidate_count == 0 && dot)
        return is_of_script(dot) ? 0.2 : entry->kind == RB_ENTRY_EXECUTABLE && !is_binary(dot) ? 0.3 : 0;
    if (file->candidate_count == 0)
        return entry->kind == RB_ENTRY_EXECUTABLE ? 0.5 : 0.05;
    /* Helm's, which "helm create" began with a line that calls them Mustache. */
    if (strcmp(base_of(entry->path), "_helpers.tpl") == 0)
        return 0.5;
    /* TypeScript that a plugin of protoc made, beside what it made it of. */
    if (dot && strcmp(dot, ".ts") == 0 && strstr(entry->path, "proto"))
        return 0.3;
    for (size_t i = 0; dot && i < COUNT(chances); i++) {
        if (strcasecmp(chances[i].extension, dot) == 0 && entry->size >= chances[i].bytes)
            return chances[i].part;
    }
    if (file->candidate_count == 1)
        return type_counts(file->candidates[0]) && entry->size > 50000 ? 0.002 : 0;
    return candidates_differ(file) ? 0.4 : 0;
}

struct worth {
    size_t entry;
    double points; /* for what it takes of a request */
    double part;   /* of the repository's bytes that it may move */
};

static int worth_order(const void *a, const void *b)
{
    const struct worth *x = a, *y = b;
    if (x->points != y->points)
        return x->points < y->points ? 1 : -1;
    return x->entry < y->entry ? -1 : 1;
}

static bool is_attributes(const char *path)
{
    return strcmp(base_of(path), ".gitattributes") == 0;
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* Those nearest to the root first. */
static size_t want_attributes(struct worth *worth, const struct rb_language_tree *all)
{
    size_t count = 0;
    for (size_t i = 0; i < all->tree->count; i++) {
        const struct rb_tree_entry *entry = &all->tree->entries[i];
        if (all->files[i].is_file && entry->size > 0 && is_attributes(entry->path))
            worth[count++] = (struct worth){i, -(double)depth_of(entry->path), 0};
    }
    qsort(worth, count, sizeof *worth, worth_order);
    return count < RB_LANGUAGE_ATTRIBUTES_MAX ? count : RB_LANGUAGE_ATTRIBUTES_MAX;
}

/* Files of one open extension tell of each other: what those that were read are, the rest will be. So the
 * more of them are read, the less is the next one worth. */
#define KINDS_MAX   64 /* open extensions of one repository; a further one is nothing to discount */
#define KIND_ENOUGH 4.0
static void discount_kinds(struct worth *worth, size_t count, const struct rb_language_tree *all)
{
    struct {
        const int16_t *candidates;
        size_t files;
    } kinds[KINDS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct language_file *file = &all->files[worth[i].entry];
        size_t k = 0;
        while (k < KINDS_MAX && kinds[k].candidates && kinds[k].candidates != file->candidates)
            k++;
        bool is_kind = file->candidate_count > 1 || (file->path & RB_PATH_SUSPECT);
        if (!is_kind || k == KINDS_MAX)
            continue;
        kinds[k].candidates = file->candidates;
        worth[i].points /= 1.0 + (double)kinds[k].files++ / KIND_ENOUGH;
    }
    qsort(worth, count, sizeof *worth, worth_order);
}

static size_t want_contents(struct worth *worth, const struct rb_language_tree *all)
{
    size_t count = 0;
    int64_t total = 1; /* so that the worth of files where none counts is a number */
    for (size_t i = 0; i < all->tree->count; i++) {
        if (rb_language_tree_counts(all, i))
            total += all->tree->entries[i].size;
    }
    for (size_t i = 0; i < all->tree->count; i++) {
        const struct rb_tree_entry *entry = &all->tree->entries[i];
        const struct language_file *file = &all->files[i];
        if (!file->is_file || entry->size <= 0 || file->is_read ||
            (file->path & (RB_PATH_VENDORED | RB_PATH_DOCUMENTATION | RB_PATH_GENERATED)))
            continue;
        double part = chance_of(file, entry) * (double)entry->size / (double)total;
        if (part > WORTH_MIN)
            worth[count++] = (struct worth){i, part / ((double)entry->size + FAIR_BYTES), part};
    }
    qsort(worth, count, sizeof *worth, worth_order);
    discount_kinds(worth, count, all);
    return count;
}

/* Equal blobs are read once. */
static bool is_wanted_already(const struct rb_language_tree *all, const struct rb_language_wanted *out,
                              size_t count, size_t entry)
{
    for (size_t i = 0; i < count; i++) {
        const struct rb_tree_entry *other = &all->tree->entries[out[i].entry];
        if (*other->sha && strcmp(other->sha, all->tree->entries[entry].sha) == 0 &&
            all->files[out[i].entry].candidates == all->files[entry].candidates)
            return true;
    }
    return false;
}

size_t rb_language_tree_wanted(const struct rb_language_tree *all,
                               struct rb_language_wanted out[RB_LANGUAGE_WANTED_MAX])
{
    struct worth *worth = rb_malloc(all->tree->count * sizeof *worth + 1);
    size_t found = want_attributes(worth, all), count = 0;
    for (size_t i = 0; i < found; i++)
        out[count++] = (struct rb_language_wanted){worth[i].entry, RB_LANGUAGE_READ_BYTES, 0};
    found = want_contents(worth, all);
    for (size_t i = 0; i < found && count < RB_LANGUAGE_WANTED_MAX; i++) {
        if (!is_wanted_already(all, out, count, worth[i].entry))
            out[count++] = (struct rb_language_wanted){worth[i].entry, RB_LANGUAGE_READ_BYTES, worth[i].part};
    }
    free(worth);
    return count;
}

void rb_language_tree_read(struct rb_language_tree *all, size_t entry, const char *content, size_t len)
{
    const struct rb_tree_entry *read = &all->tree->entries[entry];
    if (len > RB_LANGUAGE_READ_BYTES)
        len = RB_LANGUAGE_READ_BYTES;
    if (is_attributes(read->path)) {
        if (!all->attributes)
            all->attributes = attributes_new(all->arena);
        attributes_add(all->attributes, read->path, content, len);
        return;
    }
    struct rb_language_reading reading = rb_language_read(read->path, content, len);
    for (size_t i = 0; i < all->tree->count; i++) {
        const struct rb_tree_entry *other = &all->tree->entries[i];
        struct language_file *file = &all->files[i];
        if (i != entry && (other->size != read->size || file->candidates != all->files[entry].candidates ||
                           !*read->sha || strcmp(other->sha, read->sha) != 0))
            continue;
        file->is_read = true;
        file->read = reading.language;
        file->read_settles = reading.is_settled;
        file->reads_generated = reading.is_generated;
    }
}
