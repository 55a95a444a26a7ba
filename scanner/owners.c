/*
 * CODEOWNERS (docs.github.com, "About code owners"): a pattern and its owners a line. GitHub looks in
 * .github/, the root and docs/, in this order, and takes the first it finds.
 */
#include <ctype.h>
#include <string.h>

#include "scanner/facts.h"

/* The pattern ends at the first blank that no backslash escapes. */
static struct rb_piece owners_pattern(struct rb_piece *rest)
{
    size_t len = 0;
    while (len < rest->len && !isspace((unsigned char)rest->at[len]))
        len += rest->at[len] == '\\' && len + 1 < rest->len ? 2 : 1;
    struct rb_piece pattern = {rest->at, len};
    *rest = rb_piece_after(*rest, len);
    return pattern;
}

/* "@person", "@org/team" or an address. */
static bool owner_is_valid(struct rb_piece owner)
{
    if (owner.len < 2)
        return false;
    const char *at = memchr(owner.at, '@', owner.len);
    if (at == owner.at)
        return isalnum((unsigned char)owner.at[1]) != 0;
    return at && memchr(at, '.', owner.len - (size_t)(at - owner.at)) != NULL;
}

static void owners_error(struct rb_scan_sheet *sheet, json_t *errors, int number, struct rb_piece what)
{
    json_t *error = json_object();
    json_object_set_new(error, "line", json_integer(number));
    json_object_set_new(error, "text",
                        json_string(rb_arena_printf(sheet->arena, "\"%s\" is no owner",
                                                    rb_scan_requirement(sheet, what.at, what.len))));
    rb_facts_put(errors, RB_FACTS_LIST_MAX, error);
}

/* False when there is no place for more. */
static bool owners_rule(struct rb_scan_sheet *sheet, json_t *rules, json_t *errors, struct rb_piece line,
                        int number)
{
    struct rb_piece rest = line, owner;
    struct rb_piece pattern = owners_pattern(&rest);
    json_t *rule = json_object(), *owners = json_array();
    rb_facts_text(sheet, rule, "pattern", pattern);
    while (rb_piece_word(&owner, &rest) && owner.at[0] != '#') {
        if (owner_is_valid(owner))
            rb_facts_string(sheet, owners, RB_FACTS_LIST_MAX, owner);
        else
            owners_error(sheet, errors, number, owner);
    }
    json_object_set_new(rule, "owners", owners);
    json_object_set_new(rule, "line", json_integer(number));
    return rb_facts_put(rules, RB_FACTS_RULES_MAX, rule);
}

rb_err rb_look_codeowners(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *file = json_object(), *rules = json_array(), *errors = json_array();
    struct rb_piece rest = {text, len}, line;
    bool is_truncated = false;
    for (int number = 1; rb_piece_line(&line, &rest) && !is_truncated; number++) {
        line = rb_piece_trim(line);
        if (line.len && line.at[0] != '#')
            is_truncated = !owners_rule(sheet, rules, errors, line, number);
    }
    json_object_set_new(file, "file", json_string(sheet->manifest));
    json_object_set_new(file, "rules", rules);
    json_object_set_new(file, "errors", errors);
    json_object_set_new(file, "truncated", json_boolean(is_truncated));
    json_array_append_new(sheet->facts->owners, file);
    return RB_OK;
}

json_t *rb_profile_owners(const struct rb_scan *scan)
{
    static const char *const places[] = {".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"};
    json_t *file;
    size_t i;
    for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
        json_array_foreach(scan->sheet.facts->owners, i, file)
        {
            if (strcmp(json_string_value(json_object_get(file, "file")), places[place]) == 0)
                return json_incref(file);
        }
    }
    return json_null();
}
