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
    struct rb_scan_locked **sorted; /* by ecosystem and name, otherwise as the locks have them */
    bool *taken;                    /* by position in the sheet: some manifest asks for it */
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
    size_t lock = folder_len(locked->lock), folder = folder_len(manifest), len = strlen(locked->member);
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

/* How well it answers what the dependency asks for; 0: not at all. */
static size_t locked_score(struct lock_index *index, const struct rb_scan_locked *locked,
                           const struct rb_scan_dependency *item)
{
    enum { FOLDER = 16, REQUIREMENT = 8, MEMBER = 4, ALL = 2 };
    size_t len = folder_len(locked->lock);
    if (strncmp(locked->lock, item->manifest, len) != 0)
        return 0;
    if (rb_text_ends(item->manifest, ".pbxproj") &&
        !strstr(locked->lock, ".xc")) /* Xcode has locks of its own */
        return 0;
    if (*locked->requirement && strcmp(locked->requirement, item->requirement) != 0)
        return 0;
    if (*locked->member && !locked_is_for(locked, item->manifest))
        return 0;
    if (*locked->wanter && strcmp(locked->wanter, index_package(index, item->manifest)) != 0)
        return 0;
    return 1 + len * FOLDER + (*locked->requirement ? REQUIREMENT : 0) +
           (*locked->member || *locked->wanter ? MEMBER : ALL);
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
static void index_take(struct lock_index *index, size_t first, const struct rb_scan_locked *best)
{
    for (size_t i = first;
         i < index->count && locked_compare(index->sorted[i], best->ecosystem, best->name) == 0; i++) {
        const struct rb_scan_locked *other = index->sorted[i];
        if (other->lock == best->lock && strcmp(other->version, best->version) == 0)
            index->taken[other - index->sheet->locked] = true;
    }
}

static void settle_version(struct lock_index *index, struct rb_scan_dependency *item)
{
    const struct rb_scan_locked *best = NULL;
    size_t best_score = 0, first = index_first(index, item->ecosystem, item->name);
    bool is_clear = true;
    for (size_t i = first;
         i < index->count && locked_compare(index->sorted[i], item->ecosystem, item->name) == 0; i++) {
        size_t score = locked_score(index, index->sorted[i], item);
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
    if (!best || !is_clear)
        return;
    if (!item->local) /* whatever is published of it, here it is used as it lies here */
        item->version = best->version;
    index_take(index, first, best);
}

static void settle_rest(struct rb_scan_sheet *sheet, const struct lock_index *index)
{
    const struct rb_scan_locked *last = NULL;
    for (size_t i = 0; i < index->count; i++) {
        const struct rb_scan_locked *locked = index->sorted[i];
        bool is_same = last && last->lock == locked->lock && strcmp(last->version, locked->version) == 0 &&
                       locked_compare(last, locked->ecosystem, locked->name) == 0;
        last = locked;
        if (index->taken[locked - sheet->locked] || locked->local || is_same)
            continue;
        if (!rb_scan_add_indirect(sheet, locked))
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
    for (size_t i = 0; i < index.count; i++)
        index.sorted[i] = &sheet->locked[i];
    qsort(index.sorted, index.count, sizeof(struct rb_scan_locked *), locked_order);
    for (size_t i = 0; i < sheet->count; i++)
        settle_version(&index, &sheet->items[i]);
    settle_rest(sheet, &index);
    free(index.taken);
    free(index.sorted);
}
