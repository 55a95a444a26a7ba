/*
 * The languages of a list that differs from another in some entries. Nearly all files are of one language
 * whatever lies beside them. Others ask: for evidence around them, or for the main language of all. Where
 * what differs is no evidence that a file which stays asks for, nothing but what differs is looked at. Else
 * both lists are decided, and what stays is compared; names and paths are looked at once for both.
 */
#include "lib/repo/language_tree.h"

struct change {
    const struct rb_language_list *old, *new;
    rb_language_change_fn fn;
    void *arg;
    struct rb_arena *scratch;
    struct rb_language_tree *all; /* of the new list; for its hints and what it keeps at first */
    struct rb_tree_walk *walk;    /* of whichever list is walked */
    bool *told;                   /* languages that what differs can be evidence of */
    bool is_told;                 /* something that differs may count in the main language */
    bool *asked;                  /* languages that what stays asks for */
    bool is_asked_all;            /* the main language is */
};

/* Whether what is at `at` differs; each place is asked for, in order. */
static bool change_differs(const struct rb_language_list *list, size_t *passed, size_t at)
{
    bool differs = *passed < list->differing->count && list->places[*passed] == at;
    *passed += differs;
    return differs;
}

/* ---- whether what stays stays as it is ----------------------------------------------------------------- */

/* What differs, of one list. The hints of both are not known yet: whatever they could say is told. */
static struct language_hints change_tell(struct change *change, const struct rb_language_list *list)
{
    struct language_hints hints = {0};
    rb_tree_walk_begin(change->walk, list->differing);
    for (const struct rb_tree_entry *entry; (entry = rb_tree_walk_next(change->walk));) {
        struct language_file file;
        int language;
        language_file_prepare(&file, entry);
        language_hints_note(&hints, entry);
        enum language_asks asks = language_file_asks(&language, change->all, &file, entry);
        language_file_tells(change->told, &file, asks == LANGUAGE_ASKS_NONE ? language : RB_LANGUAGE_NONE);
        change->is_told = change->is_told || file.candidate_count > 0;
    }
    return hints;
}

/* What stays, as if there were no hints, which only make fewer ask; and all hints. */
static void change_ask(struct change *change)
{
    const struct rb_language_list *new = change->new;
    struct language_hints hints = {0};
    size_t put = 0;
    rb_tree_walk_begin(change->walk, new->tree);
    for (const struct rb_tree_entry *entry; (entry = rb_tree_walk_next(change->walk));) {
        struct language_file file;
        int language;
        bool is_open = language_path_ends_open(entry->path);
        if (is_open)
            language_hints_note(&hints, entry);
        if (change_differs(new, &put, change->walk->index - 1) ||
            (!is_open && entry->kind != RB_ENTRY_EXECUTABLE))
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
    const struct language_hints gone = change_tell(change, change->old),
                                put = change_tell(change, change->new);
    if (gone.found != put.found || gone.against != put.against)
        return false;
    change_ask(change);
    for (size_t i = 0; i < rb_language_total; i++) {
        if (change->told[i] && change->asked[i])
            return false;
    }
    return !(change->is_told && change->is_asked_all);
}

/* What is put, by itself. False: something in it asks. */
static bool change_decide_alone(struct rb_language_of_file *answers, struct change *change)
{
    rb_tree_walk_begin(change->walk, change->new->differing);
    for (const struct rb_tree_entry *entry; (entry = rb_tree_walk_next(change->walk));) {
        struct language_file file;
        int language;
        language_file_prepare(&file, entry);
        if (language_file_asks(&language, change->all, &file, entry) != LANGUAGE_ASKS_NONE)
            return false;
        *answers++ = language_file_answer(&file, language, entry);
    }
    return true;
}

static rb_err change_answer(struct change *change, const struct rb_language_of_file *answers)
{
    rb_err err = RB_OK;
    rb_tree_walk_begin(change->walk, change->new->differing);
    for (const struct rb_tree_entry *entry; !err && (entry = rb_tree_walk_next(change->walk));)
        err = change->fn(change->arg, entry, answers++);
    return err;
}

/* ---- both lists ---------------------------------------------------------------------------------------- */

static struct rb_language_tree *change_settle_new(const struct change *change)
{
    struct rb_language_tree *all = language_tree_begin(change->new->tree, change->scratch);
    for (size_t i = 0; i < all->tree->count; i++) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        language_hints_note(&all->hints, entry);
        language_file_prepare(&all->files[i], entry);
    }
    rb_language_tree_settle(all);
    return all;
}

static struct rb_language_tree *change_settle_old(const struct change *change,
                                                  const struct rb_language_tree *new)
{
    struct rb_language_tree *all = language_tree_begin(change->old->tree, change->scratch);
    size_t gone = 0, put = 0, at = 0; /* in the new list, where what stays stands in the same order */
    for (size_t i = 0; i < all->tree->count; i++) {
        const struct rb_tree_entry *entry = rb_tree_walk_next(all->walk);
        language_hints_note(&all->hints, entry);
        if (change_differs(change->old, &gone, i)) {
            language_file_prepare(&all->files[i], entry);
            continue;
        }
        while (change_differs(change->new, &put, at))
            at++;
        all->files[i] = new->files[at++];
    }
    rb_language_tree_settle(all);
    return all;
}

static rb_err change_compare(struct change *change)
{
    struct rb_language_tree *new = change_settle_new(change), *old = change_settle_old(change, new);
    const struct rb_tree_entry *entry;
    size_t gone = 0, put = 0, at = 0; /* in the old list */
    rb_err err = RB_OK;
    rb_tree_walk_begin(change->walk, change->new->tree);
    for (size_t i = 0; !err && (entry = rb_tree_walk_next(change->walk)); i++) {
        struct language_file *file = &new->files[i];
        bool is_put = change_differs(change->new, &put, i);
        while (!is_put && change_differs(change->old, &gone, at))
            at++;
        if (is_put || file->language != old->files[at].language) {
            const struct rb_language_of_file answer = language_file_answer(file, file->language, entry);
            err = change->fn(change->arg, entry, &answer);
        }
        at += !is_put;
    }
    return err;
}

rb_err rb_language_change(const struct rb_language_list *old, const struct rb_language_list *new,
                          rb_language_change_fn fn, void *arg)
{
    struct change change = {.old = old, .new = new, .fn = fn, .arg = arg, .scratch = rb_arena_new()};
    size_t size = rb_language_total * sizeof *change.told;
    change.told = rb_arena_alloc(change.scratch, size);
    change.asked = rb_arena_alloc(change.scratch, size);
    change.walk = rb_arena_alloc(change.scratch, sizeof *change.walk);
    change.all = language_tree_begin(&(struct rb_tree){.count = 0}, change.scratch);
    struct rb_language_of_file *answers =
        rb_arena_alloc(change.scratch, new->differing->count * sizeof *answers);
    bool is_alone = change_is_alone(&change) && change_decide_alone(answers, &change);
    rb_err err = is_alone ? change_answer(&change, answers) : change_compare(&change);
    rb_arena_free(change.scratch);
    return err;
}
