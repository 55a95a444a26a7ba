/*
 * The frameworks among the technologies that dependencies show: what an application is written against or
 * tested with, by ecosystem, those of the main language first.
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/technology.h"
#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define FRAMEWORKS_FOUND_MAX 400 /* of all that is known; the largest repositories tried have sixty */

const char *rb_framework_of(const char *ecosystem, const char *package)
{
    uint16_t found[RB_RULE_HITS_MAX];
    size_t count = rb_rules_of_dependency(found, ecosystem, package);
    for (size_t i = 0; i < count; i++) {
        if (rb_rule_technologies[found[i]].is_framework)
            return rb_rule_name(found[i]);
    }
    return NULL;
}

/* One that was found, with its place: the ecosystem that most of the repository is written in comes first,
 * among equals the one whose manifest comes first; then as in the rules, which begin with what applications
 * are built on and end with what they are tested with. */
struct found {
    struct rb_scan_framework framework;
    int64_t weight;
    size_t ecosystem;
    uint16_t technology;
};

/* The languages that packages of an ecosystem are used from. */
static const struct {
    const char *ecosystem, *languages[6];
} homes[] = {
    {"npm", {"TypeScript", "JavaScript", "Vue", "Svelte", "CoffeeScript"}},
    {"pypi", {"Python", "Jupyter Notebook"}},
    {"go", {"Go"}},
    {"cargo", {"Rust"}},
    {"maven", {"Java", "Kotlin", "Groovy", "Scala", "Clojure"}},
    {"composer", {"PHP", "Blade", "Twig"}},
    {"rubygems", {"Ruby"}},
    {"nuget", {"C#", "F#", "Visual Basic .NET"}},
};

static int64_t ecosystem_weight(const struct rb_scan *scan, const char *ecosystem)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < COUNT(homes); i++) {
        for (size_t l = 0; l < scan->language_count && strcmp(homes[i].ecosystem, ecosystem) == 0; l++) {
            for (size_t k = 0; k < COUNT(homes[i].languages) && homes[i].languages[k]; k++) {
                if (strcmp(homes[i].languages[k], scan->languages[l].name) == 0)
                    bytes += scan->languages[l].bytes;
            }
        }
    }
    return bytes;
}

static int found_order(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    if (x->ecosystem != y->ecosystem)
        return x->ecosystem < y->ecosystem ? -1 : 1;
    return (int)x->technology - (int)y->technology;
}

static size_t found_put(struct found *found, size_t count, const struct rb_scan_dependency *item,
                        uint16_t technology)
{
    size_t ecosystem = count;
    for (size_t k = 0; k < count; k++) {
        if (strcmp(found[k].framework.ecosystem, item->ecosystem) != 0)
            continue;
        ecosystem = found[k].ecosystem;
        if (found[k].technology == technology)
            return count;
    }
    found[count] =
        (struct found){{rb_rule_name(technology), item->ecosystem, item->manifest}, 0, ecosystem, technology};
    return count + 1;
}

static size_t found_note(struct found *found, size_t count, const bool *own,
                         const struct rb_scan_dependency *item)
{
    uint16_t shown[RB_RULE_HITS_MAX];
    size_t shown_count = rb_rules_of_dependency(shown, item->ecosystem, item->name);
    for (size_t i = 0; i < shown_count && count < FRAMEWORKS_FOUND_MAX; i++) {
        if (rb_rule_technologies[shown[i]].is_framework && !own[shown[i]])
            count = found_put(found, count, item, shown[i]);
    }
    return count;
}

/* Parts of a framework that are used alone as well: beside the whole they say nothing more. */
static bool found_is_part(const struct found *found, size_t count, uint16_t technology)
{
    uint16_t whole = rb_rule_technologies[technology].part_of;
    for (size_t k = 0; whole && k < count; k++) {
        if (found[k].technology == whole - 1)
            return true;
    }
    return false;
}

/* Only what the repository itself asks for: not what others pull in, what an example uses, what a list of
 * versions offers to nobody, or what the repository is itself. */
size_t rb_scan_frameworks(struct rb_scan_framework *out, size_t max, const struct rb_scan *scan)
{
    struct found found[FRAMEWORKS_FOUND_MAX];
    size_t count = 0;
    bool *own = rb_calloc(rb_rule_technology_count, sizeof *own);
    rb_rules_own(own, scan);
    for (size_t i = 0; i < scan->sheet.count && count < FRAMEWORKS_FOUND_MAX; i++) {
        const struct rb_scan_dependency *item = &scan->sheet.items[i];
        if (!item->indirect && !item->aside && !item->local && !item->offered)
            count = found_note(found, count, own, item);
    }
    free(own);
    for (size_t i = 0; i < count; i++)
        found[i].weight = ecosystem_weight(scan, found[i].framework.ecosystem);
    qsort(found, count, sizeof *found, found_order);
    size_t written = 0;
    for (size_t i = 0; i < count && written < max; i++) {
        if (!found_is_part(found, count, found[i].technology))
            out[written++] = found[i].framework;
    }
    return written;
}
