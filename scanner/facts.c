#include "scanner/facts.h"

#include "lib/repo/language.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static void facts_free(void *arg)
{
    struct rb_scan_facts *facts = arg;
    json_decref(facts->tasks);
    json_decref(facts->services);
    json_decref(facts->workflows);
    json_decref(facts->licenses);
    json_decref(facts->owners);
    json_decref(facts->managers);
}

struct rb_scan_facts *rb_facts_new(struct rb_arena *arena)
{
    struct rb_scan_facts *facts = rb_arena_alloc(arena, sizeof *facts);
    facts->tasks = json_array();
    facts->services = json_array();
    facts->workflows = json_array();
    facts->licenses = json_array();
    facts->owners = json_array();
    facts->managers = json_array();
    rb_arena_defer(arena, facts_free, facts);
    return facts;
}

const uint8_t *rb_facts_marks(const struct rb_scan *scan)
{
    struct rb_scan_facts *facts = scan->sheet.facts;
    if (facts->marks)
        return facts->marks;
    facts->marks = rb_arena_alloc(scan->arena, scan->tree->count + 1);
    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct rb_tree_entry *entry = &scan->tree->entries[i];
        if (entry->kind == RB_ENTRY_DIRECTORY || entry->kind == RB_ENTRY_SUBMODULE)
            continue;
        unsigned kinds = rb_path_kinds(entry->path);
        facts->marks[i] = (uint8_t)((kinds & RB_PATH_ANY_VENDORED ? RB_MARK_VENDORED : 0) |
                                    (kinds & RB_PATH_GENERATED ? RB_MARK_GENERATED : 0) |
                                    (kinds & RB_PATH_ANY_DOCUMENTATION ? RB_MARK_DOCUMENTATION : 0) |
                                    (kinds & RB_PATH_TEST ? RB_MARK_TEST : 0));
    }
    return facts->marks;
}

bool rb_facts_put(json_t *list, size_t max, json_t *item)
{
    if (json_array_size(list) >= max) {
        json_decref(item);
        return false;
    }
    return json_array_append_new(list, item) == 0;
}

void rb_facts_text(struct rb_scan_sheet *sheet, json_t *object, const char *name, struct rb_piece text)
{
    const char *clean = rb_scan_requirement(sheet, text.at, text.len);
    if (*clean)
        json_object_set_new(object, name, json_string(clean));
}

void rb_facts_string(struct rb_scan_sheet *sheet, json_t *list, size_t max, struct rb_piece text)
{
    if (json_array_size(list) >= max) /* before anything is made of it: the text may come again and again */
        return;
    const char *clean = rb_scan_requirement(sheet, text.at, text.len);
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), clean) == 0)
            return;
    }
    if (*clean)
        rb_facts_put(list, max, json_string(clean));
}

/* ---- commands ----------------------------------------------------------------------------------------- */

/* Whether the word before '=' or a blank names something to be kept to oneself: "--requirepass", "-e
 * DB_PASSWORD", "API_KEY". */
static bool word_is_secret(struct rb_piece word)
{
    static const char *const names[] = {"pass", "secret", "token", "apikey", "api_key", "api-key", "_key"};
    char lower[64];
    size_t len = word.len < sizeof lower - 1 ? word.len : sizeof lower - 1;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)word.at[i]);
    lower[len] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strstr(lower, names[i]))
            return true;
    }
    return false;
}

/* "$TOKEN", "${TOKEN}", "%TOKEN%" and "$$x" say where the secret comes from, and are none. */
static bool word_is_variable(struct rb_piece word)
{
    while (word.len && (word.at[0] == '"' || word.at[0] == '\''))
        word = rb_piece_after(word, 1);
    return word.len == 0 || word.at[0] == '$' || word.at[0] == '%';
}

/* A long option takes the next word as its value; a plain word ("pass the tests") does not. */
static bool word_is_option(struct rb_piece word)
{
    return rb_piece_starts(word, "--") && word_is_secret(word);
}

const char *rb_facts_command(struct rb_scan_sheet *sheet, struct rb_piece text)
{
    static const char hidden[] = "***";
    struct rb_piece rest = rb_piece_of(rb_scan_requirement(sheet, text.at, text.len)), word;
    char *out = rb_arena_alloc(sheet->arena, rest.len * 4 + 8); /* a hidden word of one byte grows to three */
    size_t used = 0;
    bool is_value = false;
    while (rb_piece_word(&word, &rest)) {
        const char *equals = memchr(word.at, '=', word.len);
        struct rb_piece name = {word.at, equals ? (size_t)(equals - word.at) : word.len};
        struct rb_piece value = rb_piece_after(word, equals ? name.len + 1 : word.len);
        bool hides_all = is_value && !rb_piece_starts(word, "-") && !word_is_variable(word);
        bool hides_value = equals && word_is_secret(name) && !word_is_variable(value);
        size_t keep = hides_all ? 0 : hides_value ? name.len + 1 : word.len;
        if (used)
            out[used++] = ' ';
        memcpy(out + used, word.at, keep);
        used += keep;
        if (hides_all || hides_value) {
            memcpy(out + used, hidden, sizeof hidden - 1);
            used += sizeof hidden - 1;
        }
        is_value = !equals && word_is_option(word);
    }
    out[used] = 0;
    return out;
}
