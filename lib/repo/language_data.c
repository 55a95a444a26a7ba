/*
 * The tables of github-linguist, and how they are asked.
 */
#include "lib/repo/language_data.h"

#include <ctype.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define P            RB_PROGRAMMING
#define M            RB_MARKUP
#define D            RB_DATA
#define T            RB_PROSE
#include "lib/repo/language_data.inc"

const char *const rb_language_data_version = LANGUAGE_DATA_VERSION;
const size_t rb_language_total = COUNT(rb_languages);
const size_t language_extension_total = COUNT(language_extensions);
const size_t language_file_name_total = COUNT(language_file_names);
const size_t language_generic_extension_total = COUNT(language_generic_extensions);
const size_t language_path_pattern_total = COUNT(language_path_patterns);
const size_t language_heuristic_total = COUNT(language_heuristics);
const size_t language_pattern_total = COUNT(language_patterns);

static const struct language_key *key_find(const struct language_key *keys, size_t count, const char *text)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(text, keys[middle].text);
        if (order == 0)
            return &keys[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct language_key *language_find_extension(const char *text)
{
    return key_find(language_extensions, COUNT(language_extensions), text);
}

const struct language_key *language_find_file_name(const char *text)
{
    return key_find(language_file_names, COUNT(language_file_names), text);
}

const struct language_key *language_find_interpreter(const char *text)
{
    return key_find(language_interpreters, COUNT(language_interpreters), text);
}

const struct language_key *language_find_alias(const char *text)
{
    return key_find(language_aliases, COUNT(language_aliases), text);
}

static bool text_ends(const char *text, size_t len, const char *end)
{
    size_t end_len = strlen(end);
    return end_len <= len && memcmp(text + len - end_len, end, end_len) == 0;
}

const struct language_heuristic *language_heuristic_of(const char *lower)
{
    size_t len = strlen(lower);
    for (size_t i = 0; i < COUNT(language_heuristics); i++) {
        const struct language_heuristic *heuristic = &language_heuristics[i];
        for (int16_t k = 0; k < heuristic->extension_count; k++) {
            if (text_ends(lower, len, language_heuristic_extensions[heuristic->first_extension + k]))
                return heuristic;
        }
    }
    return NULL;
}

int language_heuristic_default(const struct language_heuristic *heuristic)
{
    for (int16_t i = 0; i < heuristic->rule_count; i++) {
        const struct language_rule *rule = &language_rules[heuristic->first_rule + i];
        if (rule->test_count == 0)
            return rule->language;
    }
    return RB_LANGUAGE_NONE;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool language_lower_base(char lower[LANGUAGE_NAME_MAX], const char *path)
{
    const char *base = base_of(path);
    size_t len = strlen(base);
    if (len >= LANGUAGE_NAME_MAX)
        return false;
    for (size_t i = 0; i <= len; i++)
        lower[i] = (char)tolower((unsigned char)base[i]);
    return true;
}

static bool extension_is_generic(const char *lower)
{
    size_t len = strlen(lower);
    for (size_t i = 0; i < COUNT(language_generic_extensions); i++) {
        if (text_ends(lower, len, language_generic_extensions[i]))
            return true;
    }
    return false;
}

void language_candidates_of(struct language_candidates *out, const char *path)
{
    char lower[LANGUAGE_NAME_MAX];
    *out = (struct language_candidates){.extension = ""};
    const struct language_key *key = language_find_file_name(base_of(path));
    if (key)
        out->by_name = true;
    /* The longest extension first: "a.blade.php", then ".php". A leading dot begins one too. */
    if (!key && language_lower_base(lower, path) && !extension_is_generic(lower)) {
        for (const char *dot = strchr(lower, '.'); dot && !key; dot = strchr(dot + 1, '.'))
            key = language_find_extension(dot);
    }
    if (key) {
        out->languages = language_lists + key->first;
        out->count = (size_t)key->count;
        out->extension = out->by_name ? "" : key->text;
    }
}
