/*
 * Small tools on text that others wrote: pieces of it (not terminated), lines, and making it fit for JSON.
 */
#ifndef RB_SCANNER_TEXT_H
#define RB_SCANNER_TEXT_H

#include "lib/base/base.h"

/* A piece of somebody else's text. */
struct rb_piece {
    const char *at;
    size_t len;
};
struct rb_piece rb_piece_of(const char *text); /* NULL gives the empty piece */
struct rb_piece rb_piece_trim(struct rb_piece piece);
bool rb_piece_is(struct rb_piece piece, const char *text);
bool rb_piece_same(struct rb_piece a, struct rb_piece b);
bool rb_piece_starts(struct rb_piece piece, const char *prefix);
bool rb_piece_ends(struct rb_piece piece, const char *suffix);
/* The piece without its first `n` bytes; empty when it has no more. */
struct rb_piece rb_piece_after(struct rb_piece piece, size_t n);
/* Takes the next line off `rest` (without its end, "\n" or "\r\n"). False at the end. */
bool rb_piece_line(struct rb_piece *line, struct rb_piece *rest);
/* Takes the next word (no blanks) off `rest`. False when there is none. */
bool rb_piece_word(struct rb_piece *word, struct rb_piece *rest);
/* The content of a string literal ('…' or "…", no escapes) at the beginning of `rest`, which is moved behind
 * it. */
bool rb_piece_quoted(struct rb_piece *content, struct rb_piece *rest);
char *rb_piece_copy(struct rb_arena *arena, struct rb_piece piece);

/* Whether a byte stands outside of '…' and "…" (no escapes), asked for each in its order; `*quote` is the
 * open one, 0 at first. The quotes themselves stand inside. */
bool rb_text_is_unquoted(char *quote, char c);
/* The number behind the first "line " that has one, in the text of a parser's error; 0: it names none. */
int rb_text_line_number(const char *error);

/* Valid UTF-8 of at most `max` bytes: bytes that are none become U+FFFD, control characters blanks. */
const char *rb_text_clean(struct rb_arena *arena, const char *text, size_t len, size_t max);
bool rb_text_has(const char *set, char c); /* whether c is one of these bytes; zero is none of any */
bool rb_text_ends(const char *text, const char *suffix);
bool rb_text_ends_in_yaml(const char *path); /* ".yml" or ".yaml" */
bool rb_text_starts(const char *text, const char *prefix);

#endif
