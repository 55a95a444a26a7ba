/*
 * Files of environment variables (.env.example and its like). Their names say which services a program talks
 * to; the values are nobody's business and are never looked at.
 */
#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"

rb_err rb_env_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line;
    for (int number = 1; rb_piece_line(&line, &rest); number++) {
        struct rb_piece name = rb_piece_trim(line);
        if (rb_piece_starts(name, "export "))
            name = rb_piece_trim(rb_piece_after(name, strlen("export ")));
        size_t end = 0;
        while (end < name.len && (isalnum((unsigned char)name.at[end]) || name.at[end] == '_'))
            end++;
        struct rb_piece value = rb_piece_trim(rb_piece_after(name, end));
        if (end && rb_piece_starts(value, "="))
            rb_scan_add_sign(sheet, "env", name.at, end, number);
    }
    return RB_OK;
}
