/*
 * The words of programs that are read as far as they are literal: package descriptions in Elixir, Erlang,
 * Swift, CMake and Terraform's language. No grammar: words, texts, signs, and which bracket closes which.
 */
#ifndef RB_SCANNER_LEX_H
#define RB_SCANNER_LEX_H

#include "scanner/text.h"

enum rb_lex_kind {
    RB_LEX_END,
    RB_LEX_WORD,    /* letters, digits, '_', and what the language adds */
    RB_LEX_TEXT,    /* a string; the piece is what stands between its quotes, as written */
    RB_LEX_SIGN,    /* any other byte */
    RB_LEX_NEWLINE, /* only where the language asks for it */
};
struct rb_lex_token {
    enum rb_lex_kind kind;
    struct rb_piece piece;
    bool is_glued;    /* no blank before it */
    bool is_computed; /* a text with something to be filled in */
};
struct rb_lex_language {
    const char *line_comments[3]; /* "#", "//" */
    bool has_block_comments;      /* slash and star */
    const char *quotes;           /* "\"'" */
    bool has_triple_quotes;       /* """ … """ */
    bool has_heredocs;            /* <<EOF … EOF, <<-EOF */
    bool has_brackets;            /* [[ … ]], [=[ … ]=] and #[[ … ]] (CMake) */
    bool has_newlines;
    const char *opens; /* what begins something to be filled in within a text: "${", "#{", "\\(" */
    const char *word;  /* what a word may hold besides letters, digits and '_' */
};
struct rb_lex {
    struct rb_piece rest;
    const struct rb_lex_language *language;
    struct rb_lex_token token; /* the one last taken */
};
/* Takes the next token; RB_LEX_END at the end, from then on each time. */
struct rb_lex_token rb_lex_next(struct rb_lex *lex);
/* The one after, without taking it. */
struct rb_lex_token rb_lex_peek(const struct rb_lex *lex);
/* Behind an opening bracket that was taken: skips to behind the one that closes it, or to the end. */
void rb_lex_skip(struct rb_lex *lex);
bool rb_lex_is(const struct rb_lex_token *token, char sign);
bool rb_lex_is_word(const struct rb_lex_token *token, const char *word);

#endif
