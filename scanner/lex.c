#include "scanner/lex.h"

#include <ctype.h>
#include <string.h>

static struct rb_piece lex_line(struct rb_piece text)
{
    const char *end = memchr(text.at, '\n', text.len);
    return (struct rb_piece){text.at, end ? (size_t)(end - text.at) : text.len};
}

static size_t lex_find(struct rb_piece text, size_t from, const char *what)
{
    struct rb_piece rest = rb_piece_after(text, from);
    const char *at = rest.len ? memmem(rest.at, rest.len, what, strlen(what)) : NULL;
    return at ? (size_t)(at - text.at) : text.len;
}

/* "[==[": how many '=' stand between, or -1 when it is none. */
static int lex_bracket(struct rb_piece text)
{
    size_t i = 1;
    if (!rb_piece_starts(text, "["))
        return -1;
    while (i < text.len && i < 10 && text.at[i] == '=')
        i++;
    return i < text.len && text.at[i] == '[' ? (int)i - 1 : -1;
}

/* Where the "[==[ … ]==]" that begins here ends. */
static size_t lex_bracket_end(struct rb_piece text, int equals, size_t *content)
{
    char close[16] = "]";
    memset(close + 1, '=', (size_t)equals);
    close[equals + 1] = ']';
    close[equals + 2] = 0;
    *content = (size_t)equals + 2;
    return lex_find(text, *content, close);
}

static size_t lex_comment(const struct rb_lex *lex)
{
    const struct rb_lex_language *language = lex->language;
    if (language->has_block_comments && rb_piece_starts(lex->rest, "/*"))
        return lex_find(lex->rest, 2, "*/") + 2;
    if (language->has_brackets && rb_piece_starts(lex->rest, "#")) {
        struct rb_piece behind = rb_piece_after(lex->rest, 1);
        int equals = lex_bracket(behind);
        size_t content;
        if (equals >= 0)
            return 1 + lex_bracket_end(behind, equals, &content) + (size_t)equals + 2;
    }
    for (size_t i = 0; i < 3 && language->line_comments[i]; i++) {
        if (rb_piece_starts(lex->rest, language->line_comments[i]))
            return lex_line(lex->rest).len;
    }
    return 0;
}

/* Over blanks and comments; true when there was any. Stops at a line's end where those count. */
static bool lex_blank(struct rb_lex *lex)
{
    bool any = false;
    for (;;) {
        size_t take = 0;
        while (take < lex->rest.len && isspace((unsigned char)lex->rest.at[take]) &&
               !(lex->language->has_newlines && lex->rest.at[take] == '\n'))
            take++;
        if (take == 0)
            take = lex_comment(lex);
        if (take == 0)
            return any;
        lex->rest = rb_piece_after(lex->rest, take);
        any = true;
    }
}

/* Behind "${" and the like: the length up to and with what closes it. Texts within may hold brackets. */
static size_t lex_filled(struct rb_piece text, size_t from)
{
    int depth = 1;
    char quote = 0;
    for (size_t i = from; i < text.len; i++) {
        char c = text.at[i];
        if (c == '\\') {
            i++;
        } else if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"') {
            quote = c;
        } else if (c == '\n') {
            return i; /* nobody's goes on; better lose one text than the file */
        } else if (rb_text_has("({[", c)) {
            depth++;
        } else if (rb_text_has(")}]", c) && --depth == 0) {
            return i + 1;
        }
    }
    return text.len;
}

static struct rb_lex_token lex_text(struct rb_lex *lex)
{
    struct rb_piece text = lex->rest;
    struct rb_lex_token token = {.kind = RB_LEX_TEXT};
    char quote = text.at[0];
    const char *opens = lex->language->opens;
    size_t i = 1;
    while (i < text.len && text.at[i] != quote) {
        if (opens && rb_piece_starts(rb_piece_after(text, i), opens)) {
            token.is_computed = true;
            i = lex_filled(text, i + strlen(opens));
        } else {
            i += text.at[i] == '\\' ? 2 : 1;
        }
    }
    i = i < text.len ? i : text.len;
    token.piece = (struct rb_piece){text.at + 1, i - 1};
    lex->rest = rb_piece_after(text, i + 1);
    return token;
}

static bool lex_triple(struct rb_lex_token *token, struct rb_lex *lex)
{
    static const char quotes[] = "\"\"\"";
    if (!lex->language->has_triple_quotes || !rb_piece_starts(lex->rest, quotes))
        return false;
    size_t end = lex_find(lex->rest, 3, quotes);
    *token =
        (struct rb_lex_token){.kind = RB_LEX_TEXT, .piece = {lex->rest.at + 3, end - 3}, .is_computed = true};
    lex->rest = rb_piece_after(lex->rest, end + 3);
    return true;
}

#define LEX_MARK_MAX 64 /* of the word that ends it; people write EOF */

static bool lex_heredoc(struct rb_lex_token *token, struct rb_lex *lex)
{
    if (!lex->language->has_heredocs || !rb_piece_starts(lex->rest, "<<"))
        return false;
    struct rb_piece rest = rb_piece_after(lex->rest, 2), line;
    if (rb_piece_starts(rest, "-"))
        rest = rb_piece_after(rest, 1);
    struct rb_piece mark = {rest.at, 0};
    while (mark.len < rest.len && mark.len < LEX_MARK_MAX &&
           (isalnum((unsigned char)mark.at[mark.len]) || mark.at[mark.len] == '_'))
        mark.len++;
    rest = rb_piece_after(rest, mark.len);
    if (mark.len == 0 || isdigit((unsigned char)mark.at[0]) || rest.len == 0 ||
        (rest.at[0] != '\n' && rest.at[0] != '\r'))
        return false;
    rb_piece_line(&line, &rest);
    const char *begin = rest.at;
    const char *end = rest.at;
    while (rb_piece_line(&line, &rest)) {
        struct rb_piece trimmed = rb_piece_trim(line);
        if (rb_piece_same(trimmed, mark))
            break;
        end = rest.at;
    }
    *token = (struct rb_lex_token){
        .kind = RB_LEX_TEXT, .piece = {begin, (size_t)(end - begin)}, .is_computed = true};
    lex->rest = rest;
    return true;
}

static bool lex_is_word(const struct rb_lex *lex, char c)
{
    return isalnum((unsigned char)c) || c == '_' ||
           (c && lex->language->word && strchr(lex->language->word, c));
}

static struct rb_lex_token lex_take(struct rb_lex *lex)
{
    struct rb_lex_token token = {.kind = RB_LEX_WORD, .piece = {lex->rest.at, 0}};
    size_t content = 0;
    char first = lex->rest.at[0];
    if (lex_triple(&token, lex) || lex_heredoc(&token, lex))
        return token;
    if (strchr(lex->language->quotes, first) && first)
        return lex_text(lex);
    int equals = lex->language->has_brackets ? lex_bracket(lex->rest) : -1;
    if (equals >= 0) {
        size_t end = lex_bracket_end(lex->rest, equals, &content);
        token.kind = RB_LEX_TEXT;
        token.piece = (struct rb_piece){lex->rest.at + content, end > content ? end - content : 0};
        if (token.piece.len > lex->rest.len - (content < lex->rest.len ? content : lex->rest.len))
            token.piece.len = 0;
        lex->rest = rb_piece_after(lex->rest, end + content);
        return token;
    }
    while (token.piece.len < lex->rest.len && lex_is_word(lex, lex->rest.at[token.piece.len]))
        token.piece.len++;
    if (token.piece.len == 0) {
        token.kind = first == '\n' && lex->language->has_newlines ? RB_LEX_NEWLINE : RB_LEX_SIGN;
        token.piece.len = 1;
    }
    lex->rest = rb_piece_after(lex->rest, token.piece.len);
    return token;
}

struct rb_lex_token rb_lex_next(struct rb_lex *lex)
{
    bool was_blank = lex_blank(lex);
    if (lex->rest.len == 0)
        return lex->token = (struct rb_lex_token){.kind = RB_LEX_END, .piece = {"", 0}};
    lex->token = lex_take(lex);
    lex->token.is_glued = !was_blank;
    return lex->token;
}

struct rb_lex_token rb_lex_peek(const struct rb_lex *lex)
{
    struct rb_lex copy = *lex;
    return rb_lex_next(&copy);
}

bool rb_lex_is(const struct rb_lex_token *token, char sign)
{
    return token->kind == RB_LEX_SIGN && token->piece.at[0] == sign;
}

bool rb_lex_is_word(const struct rb_lex_token *token, const char *word)
{
    return token->kind == RB_LEX_WORD && rb_piece_is(token->piece, word);
}

void rb_lex_skip(struct rb_lex *lex)
{
    for (size_t depth = 1; depth > 0;) {
        struct rb_lex_token token = rb_lex_next(lex);
        if (token.kind == RB_LEX_END)
            return;
        if (token.kind != RB_LEX_SIGN)
            continue;
        depth += rb_text_has("([{", token.piece.at[0]);
        depth -= rb_text_has(")]}", token.piece.at[0]);
    }
}
