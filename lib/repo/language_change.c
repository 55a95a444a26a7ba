/*
 * The languages of a list that differs from another in some entries. Nearly all files are of one language
 * whatever lies beside them. Others ask: for evidence around them, or for the main language of all. Where
 * what differs is no evidence that a file which stays asks for, nothing but what differs is looked at. Else
 * both lists are decided, and what stays is compared; names and paths are looked at once for both.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/repo/language_tree.h"

struct change {
    const struct rb_language_lists *lists;
    rb_language_change_fn fn;
    void *arg;
    struct rb_arena *scratch;
    struct rb_language_tree *all;    /* of the new list; for its hints and what it keeps at first */
    struct rb_tree_walk *walk;       /* of whichever list is walked */
    bool *told;                      /* languages that what differs can be evidence of */
    bool is_told;                    /* something that differs may count in the main language */
    bool *asked;                     /* languages that what stays asks for */
    bool is_asked_all;               /* the main language is */
    struct language_hints gone, put; /* hints among what differs */
};

/* ---- whether what stays stays as it is ----------------------------------------------------------------- */

/* What differs, of one list. The hints of both are not known yet: whatever they could say is told. */
static void change_tell(struct change *change, struct language_hints *hints, const struct rb_tree *tree,
                        const uint32_t *places, size_t count)
{
    rb_tree_walk_begin(change->walk, tree);
    for (size_t at = 0; at < count;) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(change->walk);
        struct language_file file;
        int language;
        if (change->walk->index - 1 != places[at])
            continue;
        at++;
        language_file_prepare(&file, entry);
        language_hints_note(hints, entry);
        enum language_asks asks = language_file_asks(&language, change->all, &file, entry);
        language_file_tells(change->told, &file, asks == LANGUAGE_ASKS_NONE ? language : RB_LANGUAGE_NONE);
        change->is_told = change->is_told || file.candidate_count > 0;
    }
}

/* What stays, as if there were no hints, which only make fewer ask; and all hints. */
static void change_ask(struct change *change)
{
    const struct rb_language_lists *lists = change->lists;
    struct language_hints hints = {0};
    const struct rb_tree_entry *entry;
    size_t at = 0;
    rb_tree_walk_begin(change->walk, lists->tree);
    while ((entry = rb_tree_walk_next(change->walk))) {
        struct language_file file;
        int language;
        bool is_open = language_path_ends_open(entry->path);
        if (is_open)
            language_hints_note(&hints, entry);
        if (at < lists->put_count && change->walk->index - 1 == lists->put[at]) {
            at++;
            continue;
        }
        if (!is_open && entry->kind != RB_ENTRY_EXECUTABLE)
            continue;
        language_file_prepare(&file, entry);
        enum language_asks asks = language_file_asks(&language, change->all, &file, entry);
        if (asks == LANGUAGE_ASKS_NEIGHBOURS)
            language_file_asks_of(change->asked, &file);
        change->is_asked_all = change->is_asked_all || asks == LANGUAGE_ASKS_ALL;
    }
    change->all->hints = hints;
}

static bool change_is_alone(struct change *change)
{
    const struct rb_language_lists *lists = change->lists;
    change_tell(change, &change->gone, lists->old, lists->gone, lists->gone_count);
    change_tell(change, &change->put, lists->tree, lists->put, lists->put_count);
    if (change->gone.found != change->put.found || change->gone.against != change->put.against)
        return false;
    change_ask(change);
    for (size_t i = 0; i < rb_language_total; i++) {
        if (change->told[i] && change->asked[i])
            return false;
    }
    return !(change->is_told && change->is_asked_all);
}

/* Calls for each of what is put, up to the first that asks: false then. */
static bool change_put_alone(struct change *change, bool is_asked_only)
{
    const struct rb_language_lists *lists = change->lists;
    rb_tree_walk_begin(change->walk, lists->tree);
    for (size_t at = 0; at < lists->put_count;) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(change->walk);
        struct language_file file;
        int language;
        if (change->walk->index - 1 != lists->put[at])
            continue;
        language_file_prepare(&file, entry);
        if (language_file_asks(&language, change->all, &file, entry) != LANGUAGE_ASKS_NONE)
            return false;
        if (!is_asked_only) {
            const struct rb_language_of_file answer = language_file_answer(&file, language, entry);
            change->fn(change->arg, lists->put[at], entry, &answer);
        }
        at++;
    }
    return true;
}

/* ---- both lists ---------------------------------------------------------------------------------------- */

static struct rb_language_tree *change_settle_new(const struct change *change)
{
    struct rb_language_tree *all = language_tree_begin(change->lists->tree, change->scratch);
    for (size_t i = 0; i < all->tree->count; i++) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        language_hints_note(&all->hints, entry);
        language_file_prepare(&all->files[i], entry);
    }
    rb_language_tree_settle(all);
    return all;
}

/* What stays stands in the same order in both lists. Returns the place in the new list of what is at `at` or
 * behind it and stays. */
static size_t change_next_that_stays(const struct rb_language_lists *lists, size_t *put, size_t at)
{
    while (*put < lists->put_count && lists->put[*put] == at) {
        (*put)++;
        at++;
    }
    return at;
}

static struct rb_language_tree *change_settle_old(const struct change *change,
                                                  const struct rb_language_tree *new)
{
    const struct rb_language_lists *lists = change->lists;
    struct rb_language_tree *all = language_tree_begin(lists->old, change->scratch);
    size_t gone = 0, put = 0, at = 0;
    for (size_t i = 0; i < all->tree->count; i++) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        language_hints_note(&all->hints, entry);
        if (gone < lists->gone_count && lists->gone[gone] == i) {
            gone++;
            language_file_prepare(&all->files[i], entry);
        } else {
            at = change_next_that_stays(lists, &put, at);
            all->files[i] = new->files[at++];
        }
    }
    rb_language_tree_settle(all);
    return all;
}

static void change_compare(struct change *change)
{
    const struct rb_language_lists *lists = change->lists;
    struct rb_language_tree *new = change_settle_new(change), *old = change_settle_old(change, new);
    const struct rb_tree_entry *entry;
    size_t gone = 0, put = 0, at = 0; /* in the old list */
    rb_tree_walk_begin(change->walk, lists->tree);
    for (size_t i = 0; (entry = rb_tree_walk_next(change->walk)); i++) {
        struct language_file *file = &new->files[i];
        bool is_put = put < lists->put_count && lists->put[put] == i;
        put += is_put;
        while (!is_put && gone < lists->gone_count && lists->gone[gone] == at) {
            gone++;
            at++;
        }
        if (is_put || file->language != old->files[at].language) {
            const struct rb_language_of_file answer = language_file_answer(file, file->language, entry);
            change->fn(change->arg, i, entry, &answer);
        }
        at += !is_put;
    }
}

void rb_language_change(const struct rb_language_lists *lists, rb_language_change_fn fn, void *arg)
{
    struct change change = {.lists = lists, .fn = fn, .arg = arg, .scratch = rb_arena_new()};
    size_t size = rb_language_total * sizeof *change.told;
    change.told = memset(rb_arena_alloc(change.scratch, size), 0, size);
    change.asked = memset(rb_arena_alloc(change.scratch, size), 0, size);
    change.walk = rb_arena_alloc(change.scratch, sizeof *change.walk);
    change.all = language_tree_begin(&(struct rb_tree){.count = 0}, change.scratch);
    if (change_is_alone(&change) && change_put_alone(&change, true))
        change_put_alone(&change, false);
    else
        change_compare(&change);
    rb_arena_free(change.scratch);
}
