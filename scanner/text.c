#include "scanner/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct rb_piece rb_piece_of(const char *text)
{
    return (struct rb_piece){text ? text : "", text ? strlen(text) : 0};
}

struct rb_piece rb_piece_trim(struct rb_piece piece)
{
    while (piece.len && isspace((unsigned char)piece.at[0])) {
        piece.at++;
        piece.len--;
    }
    while (piece.len && isspace((unsigned char)piece.at[piece.len - 1]))
        piece.len--;
    return piece;
}

bool rb_piece_is(struct rb_piece piece, const char *text)
{
    return piece.len == strlen(text) && memcmp(piece.at, text, piece.len) == 0;
}

bool rb_piece_same(struct rb_piece a, struct rb_piece b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool rb_piece_starts(struct rb_piece piece, const char *prefix)
{
    size_t len = strlen(prefix);
    return piece.len >= len && memcmp(piece.at, prefix, len) == 0;
}

bool rb_piece_ends(struct rb_piece piece, const char *suffix)
{
    size_t len = strlen(suffix);
    return piece.len >= len && memcmp(piece.at + piece.len - len, suffix, len) == 0;
}

struct rb_piece rb_piece_after(struct rb_piece piece, size_t n)
{
    if (n > piece.len)
        n = piece.len;
    return (struct rb_piece){piece.at + n, piece.len - n};
}

bool rb_piece_line(struct rb_piece *line, struct rb_piece *rest)
{
    if (rest->len == 0)
        return false;
    const char *end = memchr(rest->at, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->at) : rest->len;
    *line = (struct rb_piece){rest->at, len};
    *rest = rb_piece_after(*rest, end ? len + 1 : len);
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

bool rb_piece_word(struct rb_piece *word, struct rb_piece *rest)
{
    *rest = rb_piece_trim(*rest);
    size_t len = 0;
    while (len < rest->len && !isspace((unsigned char)rest->at[len]))
        len++;
    *word = (struct rb_piece){rest->at, len};
    *rest = rb_piece_after(*rest, len);
    return len > 0;
}

bool rb_piece_quoted(struct rb_piece *content, struct rb_piece *rest)
{
    if (rest->len < 2 || (rest->at[0] != '"' && rest->at[0] != '\''))
        return false;
    const char *end = memchr(rest->at + 1, rest->at[0], rest->len - 1);
    if (!end)
        return false;
    *content = (struct rb_piece){rest->at + 1, (size_t)(end - rest->at - 1)};
    *rest = rb_piece_after(*rest, content->len + 2);
    return true;
}

char *rb_piece_copy(struct rb_arena *arena, struct rb_piece piece)
{
    return rb_arena_strndup(arena, piece.at, piece.len);
}

const char *rb_text_clean(struct rb_arena *arena, const char *text, size_t len, size_t max)
{
    /* A bad byte grows to three; what would pass `max` is cut, so no more than `max` bytes are ever needed.
     */
    size_t room = len < max / 3 ? len * 3 : max;
    char *out = rb_arena_alloc(arena, room + 1);
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        const unsigned char *at = (const unsigned char *)text + i;
        size_t take = rb_utf8_character((const char *)at, len - i);
        const char *piece = take ? text + i : "\xef\xbf\xbd";
        size_t piece_len = take ? take : 3;
        if (take == 1 && (at[0] < 0x20 || at[0] == 0x7f))
            piece = " ";
        if (used + piece_len > room)
            break;
        memcpy(out + used, piece, piece_len);
        used += piece_len;
        i += take ? take : 1;
    }
    out[used] = 0;
    return out;
}

bool rb_text_has(const char *set, char c)
{
    return c && strchr(set, c);
}

bool rb_text_ends(const char *text, const char *suffix)
{
    return rb_piece_ends(rb_piece_of(text), suffix);
}

bool rb_text_starts(const char *text, const char *prefix)
{
    while (*prefix && *text == *prefix) {
        text++;
        prefix++;
    }
    return !*prefix;
}

bool rb_text_is_unquoted(char *quote, char c)
{
    if (*quote) {
        *quote = c == *quote ? 0 : *quote;
        return false;
    }
    *quote = c == '"' || c == '\'' ? c : 0;
    return !*quote;
}

int rb_text_line_number(const char *error)
{
    for (const char *at = error; (at = strstr(at, "line ")); at++) {
        long line = strtol(at + 5, NULL, 10);
        if (line > 0 && line < INT32_MAX)
            return (int)line;
    }
    return 0;
}

bool rb_text_ends_in_yaml(const char *path)
{
    return rb_text_ends(path, ".yml") || rb_text_ends(path, ".yaml");
}
