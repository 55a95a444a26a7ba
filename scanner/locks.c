/*
 * What lock files say of the manifests: the version that is really used of each dependency, and the packages
 * that only other packages want. A lock speaks for its own folder and those below, the nearest one first.
 * Where a lock has a package in several versions and nothing tells which one is meant, none is named.
 */
#include "scanner/scan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/text.h"

struct lock_index {
    struct rb_scan_locked **sorted; /* by ecosystem, name, lock and version */
    bool *taken;                    /* by position in the sheet: some manifest asks for it */
    uint8_t *levels;                /* by position in the sheet: what it is for, as far as manifests say */
    size_t count;
    const struct rb_scan_sheet *sheet;
    const char *manifest, *package; /* the package that the last one asked for lies in: they come in order */
};

static int locked_compare(const struct rb_scan_locked *locked, const char *ecosystem, const char *name)
{
    int order = strcmp(locked->ecosystem, ecosystem);
    return order ? order : strcasecmp(locked->name, name);
}

static int locked_order(const void *a, const void *b)
{
    const struct rb_scan_locked *x = *(struct rb_scan_locked *const *)a,
                                *y = *(struct rb_scan_locked *const *)b;
    int order = locked_compare(x, y->ecosystem, y->name);
    if (!order)
        order = strcmp(x->lock, y->lock);
    if (!order)
        order = strcmp(x->version, y->version);
    return order ? order : x < y ? -1 : x > y;
}

/* Length of the folder with its slash; 0 for the root. What Xcode keeps inside of a project speaks for it. */
static size_t folder_len(const char *path)
{
    static const char project[] = "/project.xcworkspace/xcshareddata/swiftpm/Package.resolved",
                      workspace[] = ".xcworkspace/xcshareddata/swiftpm/Package.resolved";
    if (rb_text_ends(path, project))
        return strlen(path) - sizeof project + 2;
    if (rb_text_ends(path, workspace)) {
        size_t len = strlen(path) - sizeof workspace + 1;
        while (len && path[len - 1] != '/')
            len--;
        return len;
    }
    return (size_t)(rb_path_base(path) - path);
}

/* Whether the dependency's manifest is the workspace that the lock keeps this package for. */
static bool locked_is_for(const struct rb_scan_locked *locked, const char *manifest)
{
    bool is_own = strcmp(locked->member, ".") == 0;
    size_t lock = folder_len(locked->lock), folder = folder_len(manifest),
           len = is_own ? 0 : strlen(locked->member);
    return folder - lock == len + (len > 0) && memcmp(manifest + lock, locked->member, len) == 0;
}

/* Name of the package that a manifest describes, "" when it describes none. */
static const char *index_package(struct lock_index *index, const char *manifest)
{
    if (index->manifest == manifest)
        return index->package;
    index->manifest = manifest;
    index->package = "";
    for (size_t i = 0; i < index->sheet->package_count; i++) {
        if (index->sheet->packages[i].manifest == manifest)
            index->package = index->sheet->packages[i].name;
    }
    return index->package;
}

/* Whether the lock is called like the manifest: base.txt and base.in, Pipfile.lock and Pipfile. */
static bool locked_is_of(const struct rb_scan_locked *locked, const struct rb_scan_dependency *item)
{
    const char *base = rb_path_base(item->manifest), *end = strrchr(base, '.');
    size_t len = (size_t)((end ? end : base + strlen(base)) - item->manifest);
    return strncmp(locked->lock, item->manifest, len) == 0 && locked->lock[len] == '.';
}

/* How well it answers what the dependency asks for; 0: not at all. */
static size_t locked_score(struct lock_index *index, const struct rb_scan_locked *locked,
                           const struct rb_scan_dependency *item)
{
    enum { FOLDER = 16, REQUIREMENT = 8, MEMBER = 4, ALL = 2 };
    size_t len = folder_len(locked->lock);
    /* Files of requirements are installed for themselves: only what was compiled answers them. */
    bool is_file = strcmp(item->ecosystem, "pypi") == 0 &&
                   (rb_text_ends(item->manifest, ".txt") || rb_text_ends(item->manifest, ".in"));
    if (locked->inner || (is_file && !locked->weak) || strncmp(locked->lock, item->manifest, len) != 0)
        return 0;
    if (rb_text_ends(item->manifest, ".pbxproj") &&
        !strstr(locked->lock, ".xc")) /* Xcode has locks of its own */
        return 0;
    if (*locked->requirement &&
        strcmp(locked->requirement, item->override ? item->override : item->requirement) != 0)
        return 0;
    if (*locked->member && !locked_is_for(locked, item->manifest))
        return 0;
    if (*locked->wanter && strcmp(locked->wanter, index_package(index, item->manifest)) != 0)
        return 0;
    size_t scope = *locked->member || *locked->wanter ? MEMBER : locked->weak ? 0 : ALL;
    return 1 + len * FOLDER + (*locked->requirement ? REQUIREMENT : 0) + scope + locked_is_of(locked, item);
}

/* A lock that says who asked may know other words for it (yarn's "resolutions" change what is asked for).
 * When it has the package in one version only, that is the one. An example with manifests of its own may not
 * be among those that the lock speaks for. */
static size_t locked_score_anyway(struct lock_index *index, const struct rb_scan_locked *locked,
                                  const struct rb_scan_dependency *item)
{
    (void)index;
    size_t len = folder_len(locked->lock);
    bool may_be = *locked->requirement && !locked->inner && !item->aside;
    return may_be && strncmp(locked->lock, item->manifest, len) == 0 ? 1 + len : 0;
}

static size_t index_first(const struct lock_index *index, const char *ecosystem, const char *name)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (locked_compare(index->sorted[middle], ecosystem, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether Cargo could have meant this version: the number that must not change is the same. "1.2" means 1.x,
 * "0.3.1" means 0.3.x, "=1.2.3" begins with all that it says. */
static bool version_fits(const char *ecosystem, const char *requirement, const char *version)
{
    requirement += strspn(requirement, "^~= ");
    if (strcmp(ecosystem, "cargo") != 0 || !isdigit((unsigned char)*requirement))
        return true;
    size_t same = 0;
    do {
        size_t part = strspn(requirement + same, "0123456789");
        bool is_zero = part == 1 && requirement[same] == '0';
        if (part == 0 || strncmp(requirement + same, version + same, part) != 0 ||
            isdigit((unsigned char)version[same + part]))
            return part == 0; /* "1.*" */
        same += part;
        if (!is_zero || requirement[same] != '.' || version[same] != '.')
            return true;
        same++;
    } while (true);
}

/* The rows that say the same of the same package need no row of their own among what nobody asks for. */
static void index_take(struct lock_index *index, const struct rb_scan_locked *best)
{
    for (size_t i = index_first(index, best->ecosystem, best->name);
         i < index->count && locked_compare(index->sorted[i], best->ecosystem, best->name) == 0; i++) {
        const struct rb_scan_locked *other = index->sorted[i];
        if (other->lock == best->lock && strcmp(other->version, best->version) == 0)
            index->taken[other - index->sheet->locked] = true;
    }
}

/* Packages of one name that are looked at for each dependency: in a workspace of two thousand packages, all
 * of which ask for the same, so many. */
#define GROUP_MAX 4096

typedef size_t (*score_fn)(struct lock_index *index, const struct rb_scan_locked *locked,
                           const struct rb_scan_dependency *item);

/* The one that answers best; NULL when none does. `*clear` is false when several of different versions do so
 * equally well. */
static const struct rb_scan_locked *index_best(bool *clear, struct lock_index *index,
                                               const struct rb_scan_dependency *item, score_fn score_of)
{
    const struct rb_scan_locked *best = NULL;
    size_t best_score = 0, first = index_first(index, item->ecosystem, item->name);
    bool is_clear = true;
    for (size_t i = first; i < index->count && i - first < GROUP_MAX &&
                           locked_compare(index->sorted[i], item->ecosystem, item->name) == 0;
         i++) {
        size_t score = score_of(index, index->sorted[i], item);
        if (score && !version_fits(item->ecosystem, item->requirement, index->sorted[i]->version))
            continue;
        if (score > best_score) {
            best = index->sorted[i];
            best_score = score;
            is_clear = true;
        } else if (score && score == best_score && strcmp(best->version, index->sorted[i]->version) != 0) {
            is_clear = false;
        }
    }
    *clear = is_clear;
    return best;
}

/* What is needed at run time counts before what is optional, that before what is for working on it. */
static uint8_t level_of(const char *kind)
{
    if (strcmp(kind, RB_KIND_RUNTIME) == 0)
        return RB_SCAN_LEVEL_MAX;
    return strcmp(kind, RB_KIND_OPTIONAL) == 0 || strcmp(kind, RB_KIND_PEER) == 0 ? 2 : 1;
}

static const char *level_kind(uint8_t level)
{
    return level == RB_SCAN_LEVEL_MAX ? RB_KIND_RUNTIME : level == 2 ? RB_KIND_OPTIONAL : RB_KIND_DEV;
}

static void settle_version(struct lock_index *index, struct rb_scan_dependency *item)
{
    bool is_clear;
    const struct rb_scan_locked *best = index_best(&is_clear, index, item, locked_score);
    if (!best)
        best = index_best(&is_clear, index, item, locked_score_anyway);
    if (!best)
        return;
    size_t position = (size_t)(best - index->sheet->locked);
    if (!item->local && level_of(item->kind) > index->levels[position])
        index->levels[position] = level_of(item->kind);
    if (!is_clear)
        return;
    if (best->local) {
        item->local = true;
        return;
    }
    /* Requirements may say it themselves; and whatever is published of a local one, it is used as it lies
     * here. */
    if (!item->local && !*item->version)
        item->version = best->version;
    if (item->local || strcmp(item->version, best->version) == 0)
        index_take(index, best);
}

/* Workspaces whose manifests were not read have their say in the lock; then all follows from who needs it. */
static void settle_kinds(struct rb_scan_sheet *sheet, struct lock_index *index)
{
    for (size_t i = 0; i < sheet->locked_count; i++) {
        const struct rb_scan_locked *locked = &sheet->locked[i];
        if (*locked->member && !locked->inner && !locked->local && level_of(locked->kind) > index->levels[i])
            index->levels[i] = level_of(locked->kind);
    }
    rb_scan_reach(sheet, index->levels);
    for (size_t i = 0; i < sheet->locked_count && sheet->edge_count; i++) {
        if (index->levels[i] && !sheet->locked[i].is_for)
            sheet->locked[i].kind = level_kind(index->levels[i]);
    }
}

/* Several folders or askers may have the same package of the same version: it is named once, as needed at run
 * time if it is for any of them, and not at all when a manifest asks for it. */
static void settle_rest(struct rb_scan_sheet *sheet, const struct lock_index *index)
{
    for (size_t i = 0, next; i < index->count; i = next) {
        struct rb_scan_locked *locked = index->sorted[i];
        bool is_wanted = !locked->local && !locked->weak && !index->taken[locked - sheet->locked];
        for (next = i + 1; next < index->count; next++) {
            const struct rb_scan_locked *same = index->sorted[next];
            if (locked_compare(same, locked->ecosystem, locked->name) != 0 ||
                strcmp(same->lock, locked->lock) != 0 || strcmp(same->version, locked->version) != 0)
                break;
            is_wanted = is_wanted && !same->local && !index->taken[same - sheet->locked];
            if (strcmp(same->kind, RB_KIND_RUNTIME) == 0)
                locked->kind = RB_KIND_RUNTIME;
        }
        if (is_wanted && !rb_scan_add_indirect(sheet, locked))
            return;
    }
}

void rb_scan_settle_locks(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    struct lock_index index = {.count = sheet->locked_count, .sheet = sheet};
    if (index.count == 0)
        return;
    index.sorted = rb_malloc(index.count * sizeof(struct rb_scan_locked *));
    index.taken = rb_calloc(index.count, sizeof *index.taken);
    index.levels = rb_calloc(index.count, sizeof *index.levels);
    for (size_t i = 0; i < index.count; i++)
        index.sorted[i] = &sheet->locked[i];
    qsort(index.sorted, index.count, sizeof(struct rb_scan_locked *), locked_order);
    for (size_t i = 0; i < sheet->count; i++)
        settle_version(&index, &sheet->items[i]);
    settle_kinds(sheet, &index);
    settle_rest(sheet, &index);
    free(index.levels);
    free(index.taken);
    free(index.sorted);
}
