/*
 * What toml++ 3.3 must not be given, found before it is parsed: it bounds brackets at 256 but dotted keys not
 * at all, and a million dots end its stack; toml.h names the rest. Follows strings and comments as far as
 * needed to count what lies outside of them; up to the first syntax error (where toml++ stops as well) it is
 * exact.
 */
#include <string.h>

#include "scanner/text.h"
#include "scanner/toml.h"

/* The end of the string that starts at `at`; NULL when it does not end. */
static const char *tame_skip_string(const char *at, const char *end)
{
    char quote = *at;
    bool is_long = end - at >= 3 && at[1] == quote && at[2] == quote;
    for (at += is_long ? 3 : 1; at < end; at++) {
        if (*at == '\\' && quote == '"') {
            at++;
            continue;
        }
        if (!is_long && *at == '\n')
            return at;
        if (*at != quote)
            continue;
        if (!is_long)
            return at + 1;
        if (end - at >= 3 && at[1] == quote && at[2] == quote) {
            at += 3;
            /* A long string may end with up to two quotes of its own. */
            for (int extra = 0; extra < 2 && at < end && *at == quote; extra++)
                at++;
            return at;
        }
    }
    return NULL;
}

bool rb_toml_is_tame(const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    int dots = 0, brackets = 0, marks = 0, word = 0;
    while (at && at < end) {
        word = rb_text_has(" \t\r\n=,#[]{}\"'", *at) ? 0 : word + 1;
        marks += *at == '.' || *at == '[' || *at == '{';
        if (word > RB_TOML_WORD_MAX || marks > RB_TOML_MARKS_MAX)
            return false;
        switch (*at) {
        case '"':
        case '\'':
            at = tame_skip_string(at, end);
            continue;
        case '#':
            at = memchr(at, '\n', (size_t)(end - at));
            continue;
        case '.':
            if (++dots >= RB_TOML_DOTS_MAX)
                return false;
            break;
        case '[':
        case '{':
            dots = 0;
            if (++brackets > RB_TOML_BRACKETS_MAX)
                return false;
            break;
        case ']':
        case '}':
            brackets -= brackets > 0;
            break;
        case '\n':
        case '=':
        case ',':
            dots = 0;
            break;
        default:
            break;
        }
        at++;
    }
    return true;
}
