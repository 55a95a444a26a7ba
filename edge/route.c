/* Paths and names, as pure functions. */
#include <string.h>

#include "edge/edge.h"

bool edge_route_matches(struct edge_captures *captures, const char *pattern, const char *path, size_t len)
{
    const char *end = path + len;
    *captures = (struct edge_captures){0};
    while (*pattern) {
        if (*pattern != '{') {
            if (path == end || *path++ != *pattern++)
                return false;
            continue;
        }
        const char *start = path;
        while (path < end && *path != '/')
            path++;
        if (path == start)
            return false;
        if (pattern[1] == 'o') {
            captures->owner = start;
            captures->owner_len = (size_t)(path - start);
        } else {
            captures->repo = start;
            captures->repo_len = (size_t)(path - start);
        }
        pattern = strchr(pattern, '}') + 1;
    }
    return path == end;
}

static int route_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t edge_segment_decode(char *out, const char *segment, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        int high = segment[i] == '%' && i + 2 < len ? route_hex_digit(segment[i + 1]) : -1;
        int low = high >= 0 ? route_hex_digit(segment[i + 2]) : -1;
        if (low >= 0) {
            out[used++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[used++] = segment[i];
        }
    }
    return used;
}

const char *edge_form_decode(struct rb_arena *arena, const char *value, size_t len)
{
    char *spaced = rb_arena_strndup(arena, value, len), *out = rb_arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        if (spaced[i] == '+')
            spaced[i] = ' ';
    }
    out[edge_segment_decode(out, spaced, len)] = '\0';
    return out;
}

bool edge_is_uuid(const char *text)
{
    if (!text || strlen(text) != RB_UUID_SIZE - 1)
        return false;
    for (int i = 0; text[i]; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    }
    return true;
}
