/*
 * Terraform and OpenTofu (developer.hashicorp.com, "Provider Requirements", "Module Sources"): providers,
 * modules, types of resources, .terraform.lock.hcl. HCL has no library for C here; what is wanted of it are
 * blocks, and texts given to names.
 */
#include <string.h>

#include "scanner/lex.h"
#include "scanner/scan.h"
#include "scanner/text.h"

static const struct rb_lex_language hcl = {.line_comments = {"#", "//"},
                                           .has_block_comments = true,
                                           .quotes = "\"",
                                           .has_heredocs = true,
                                           .has_newlines = true,
                                           .opens = "${",
                                           .word = "-"};

/* What a block or an object says of source and version; the rest of it is skipped. */
struct hcl_block {
    struct rb_piece source, version;
    bool is_computed; /* the source is */
};

static struct rb_lex_token hcl_next(struct rb_lex *lex)
{
    struct rb_lex_token token;
    do
        token = rb_lex_next(lex);
    while (token.kind == RB_LEX_NEWLINE);
    return token;
}

/* Behind an opening brace: up to and with the closing one. */
static void hcl_read(struct hcl_block *block, struct rb_lex *lex)
{
    for (;;) {
        struct rb_lex_token token = hcl_next(lex);
        if (token.kind == RB_LEX_END || rb_lex_is(&token, '}'))
            return;
        if (rb_lex_is(&token, '{') || rb_lex_is(&token, '[') || rb_lex_is(&token, '(')) {
            rb_lex_skip(lex);
            continue;
        }
        bool is_source = rb_lex_is_word(&token, "source"), is_version = rb_lex_is_word(&token, "version");
        struct rb_lex_token equals = rb_lex_peek(lex);
        if ((!is_source && !is_version) || (!rb_lex_is(&equals, '=') && !rb_lex_is(&equals, ':')))
            continue;
        rb_lex_next(lex);
        struct rb_lex_token text = rb_lex_peek(lex);
        if (text.kind != RB_LEX_TEXT)
            continue;
        rb_lex_next(lex);
        if (is_source) {
            block->source = text.piece;
            block->is_computed = text.is_computed;
        } else if (!text.is_computed) {
            block->version = text.piece;
        }
    }
}

/* The registry that is meant where none is named. */
static struct rb_piece hcl_without_registry(struct rb_piece source)
{
    static const char *const registries[] = {"registry.terraform.io/", "registry.opentofu.org/"};
    for (size_t i = 0; i < sizeof registries / sizeof *registries; i++) {
        if (rb_piece_starts(source, registries[i]))
            return rb_piece_after(source, strlen(registries[i]));
    }
    return source;
}

/* Behind "required_providers {": aws = { source = …, version = … }, and as it was once, aws = "~> 2.0". */
static void hcl_providers(struct rb_scan_sheet *sheet, struct rb_lex *lex)
{
    for (;;) {
        struct rb_lex_token name = hcl_next(lex);
        if (name.kind == RB_LEX_END || rb_lex_is(&name, '}'))
            return;
        struct rb_lex_token equals = rb_lex_peek(lex);
        if ((name.kind != RB_LEX_WORD && name.kind != RB_LEX_TEXT) || !rb_lex_is(&equals, '='))
            continue;
        rb_lex_next(lex);
        struct rb_lex_token value = hcl_next(lex);
        struct hcl_block block = {0};
        if (rb_lex_is(&value, '{'))
            hcl_read(&block, lex);
        else if (value.kind == RB_LEX_TEXT && !value.is_computed)
            block.version = value.piece;
        struct rb_piece source = hcl_without_registry(block.source);
        if (source.len == 0) /* the namespace that is meant where none is named */
            source = rb_piece_of(
                rb_arena_printf(sheet->arena, "hashicorp/%s", rb_piece_copy(sheet->arena, name.piece)));
        if (!block.is_computed)
            rb_scan_add(sheet, source.at, source.len, block.version.at, block.version.len, RB_KIND_RUNTIME);
    }
}

/* Behind "terraform {": the block of providers is in it. */
static void hcl_terraform(struct rb_scan_sheet *sheet, struct rb_lex *lex)
{
    bool is_next = false;
    for (;;) {
        struct rb_lex_token token = hcl_next(lex);
        if (token.kind == RB_LEX_END || rb_lex_is(&token, '}'))
            return;
        if (rb_lex_is(&token, '{')) {
            if (is_next)
                hcl_providers(sheet, lex);
            else
                rb_lex_skip(lex);
        }
        is_next = rb_lex_is_word(&token, "required_providers");
    }
}

/* "git::https://host/x.git//sub?ref=v1": where it lies, and the ref as its requirement. */
static void hcl_remote(struct rb_scan_sheet *sheet, struct rb_piece source)
{
    static const char *const prefixes[] = {
        "git::", "hg::", "s3::", "gcs::", "https://", "http://", "ssh://", "git@"};
    struct rb_piece ref = {"", 0};
    const char *question = memchr(source.at, '?', source.len);
    if (question) {
        struct rb_piece query = rb_piece_after(source, (size_t)(question + 1 - source.at));
        source.len = (size_t)(question - source.at);
        const char *at = memmem(query.at, query.len, "ref=", 4);
        if (at) {
            ref = rb_piece_after(query, (size_t)(at + 4 - query.at));
            const char *end = memchr(ref.at, '&', ref.len);
            ref.len = end ? (size_t)(end - ref.at) : ref.len;
        }
    }
    bool is_url = memmem(source.at, source.len, "://", 3);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (rb_piece_starts(source, prefixes[i]))
            source = rb_piece_after(source, strlen(prefixes[i]));
    }
    const char *credentials = memrchr(source.at, '@', source.len);
    if (credentials)
        source = rb_piece_after(source, (size_t)(credentials + 1 - source.at));
    const char *git = source.len ? memmem(source.at, source.len, ".git", 4) : NULL;
    char *name = rb_piece_copy(sheet->arena, source), *colon;
    if (git && (git + 4 == source.at + source.len || git[4] == '/')) { /* "x.git//sub" is "x//sub" */
        size_t head = (size_t)(git - source.at);
        memmove(name + head, name + head + 4, source.len - head - 4 + 1);
    }
    colon = strchr(name, ':');
    if (colon && !is_url) /* github.com:owner/name; of an address it is the port */
        *colon = '/';
    rb_scan_add(sheet, name, strlen(name), ref.at, ref.len, RB_KIND_RUNTIME);
}

/* A module of a registry has three or four parts and neither scheme nor query. */
static void hcl_module(struct rb_scan_sheet *sheet, const struct hcl_block *block)
{
    struct rb_piece source = block->source;
    if (source.len == 0 || block->is_computed || rb_piece_starts(source, ".") || rb_piece_starts(source, "/"))
        return;
    bool is_remote = memmem(source.at, source.len, "::", 2) || memmem(source.at, source.len, "://", 3) ||
                     memchr(source.at, '?', source.len) || rb_piece_starts(source, "github.com/") ||
                     rb_piece_starts(source, "bitbucket.org/") || rb_piece_starts(source, "git@");
    if (is_remote) {
        hcl_remote(sheet, source);
        return;
    }
    source = hcl_without_registry(source);
    const char *inner = memmem(source.at, source.len, "//", 2); /* a folder within the module */
    if (inner)
        source.len = (size_t)(inner - source.at);
    rb_scan_add(sheet, source.at, source.len, block->version.at, block->version.len, RB_KIND_RUNTIME);
}

/* resource "aws_s3_bucket" "logs" { …; provider "datadog" { … */
static void hcl_sign(struct rb_scan_sheet *sheet, const struct rb_lex_token *first,
                     const struct rb_lex_token *label, int line)
{
    static const char *const blocks[] = {"resource", "data", "ephemeral", "provider"};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks && label->kind == RB_LEX_TEXT; i++) {
        if (rb_lex_is_word(first, blocks[i]))
            rb_scan_add_sign(sheet, "resource", label->piece.at, label->piece.len, line);
    }
}

/* Lines of a text up to somewhere further on each time. */
struct hcl_place {
    const char *at;
    int line;
};
static int hcl_line(struct hcl_place *place, const char *until)
{
    for (const char *newline; (newline = memchr(place->at, '\n', (size_t)(until - place->at)));
         place->at = newline + 1)
        place->line++;
    return place->line;
}

rb_err rb_terraform_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_lex lex = {.rest = {text, len}, .language = &hcl};
    struct rb_lex_token first = {0}, label = {0};
    struct hcl_place place = {text, 1};
    bool is_line = true; /* nothing but the block's names so far */
    for (struct rb_lex_token token = rb_lex_next(&lex); token.kind != RB_LEX_END; token = rb_lex_next(&lex)) {
        if (token.kind == RB_LEX_NEWLINE) {
            is_line = true;
            first = label = (struct rb_lex_token){0};
        } else if (rb_lex_is(&token, '{')) {
            struct hcl_block block = {0};
            if (rb_lex_is_word(&first, "terraform")) {
                hcl_terraform(sheet, &lex);
            } else if (rb_lex_is_word(&first, "module")) {
                hcl_read(&block, &lex);
                hcl_module(sheet, &block);
            } else {
                if (label.kind == RB_LEX_TEXT)
                    hcl_sign(sheet, &first, &label, hcl_line(&place, label.piece.at));
                rb_lex_skip(&lex);
            }
        } else if (is_line) {
            first = token;
            is_line = false;
        } else if (label.kind == RB_LEX_END) { /* what stands first behind it */
            label = token;
        }
    }
    return RB_OK;
}

/* provider "registry.terraform.io/hashicorp/aws" { version = "5.31.0" constraints = "~> 5.0" … } */
rb_err rb_terraform_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_lex lex = {.rest = {text, len}, .language = &hcl};
    for (struct rb_lex_token token = rb_lex_next(&lex); token.kind != RB_LEX_END; token = rb_lex_next(&lex)) {
        if (!rb_lex_is_word(&token, "provider"))
            continue;
        struct rb_lex_token source = hcl_next(&lex), brace = hcl_next(&lex);
        struct hcl_block block = {0};
        if (source.kind != RB_LEX_TEXT || !rb_lex_is(&brace, '{'))
            continue;
        hcl_read(&block, &lex);
        struct rb_piece name = hcl_without_registry(source.piece);
        rb_scan_lock(sheet, name.at, name.len, block.version.at, block.version.len);
    }
    return RB_OK;
}
