#include "lib/base/base.h"

#include <string.h>
#include <strings.h>

size_t rb_utf8_character(const char *text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text;
    if (len == 0)
        return 0;
    size_t need = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;
    if (need > len)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Longer than needed, a surrogate, beyond U+10FFFF. */
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return need;
}

void rb_text_make_utf8(char *text)
{
    for (size_t len = strlen(text), bytes; len > 0; text += bytes, len -= bytes) {
        bytes = rb_utf8_character(text, len);
        if (bytes == 0) {
            *text = '?';
            bytes = 1;
        }
    }
}

#define TEXT_AFTER_ORIGIN "/?#"

size_t rb_url_origin(const char *url)
{
    const char *scheme_end = strstr(url, "://");
    if (!scheme_end)
        return 0;
    const char *host = scheme_end + 3;
    return (size_t)(host - url) + strcspn(host, TEXT_AFTER_ORIGIN);
}

bool rb_url_shares_origin(const char *url, const char *other)
{
    size_t len = rb_url_origin(other);
    return len > 0 && strncasecmp(url, other, len) == 0 && (!url[len] || strchr(TEXT_AFTER_ORIGIN, url[len]));
}
