/*
 * SwiftPM: Package.swift (docs.swift.org, "PackageDescription"), read where its calls of .package() are
 * literal, Package.resolved, and the packages that an Xcode project refers to.
 */
#include <string.h>

#include "scanner/lex.h"
#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

static const struct rb_lex_language swift = {.line_comments = {"//"},
                                             .has_block_comments = true,
                                             .quotes = "\"",
                                             .has_triple_quotes = true,
                                             .opens = "\\("};

/* "https://github.com/owner/name.git" and "git@github.com:owner/name" are both "github.com/owner/name". */
static struct rb_piece swift_name(struct rb_arena *arena, struct rb_piece url)
{
    const char *scheme = url.len ? memmem(url.at, url.len, "://", 3) : NULL;
    if (scheme)
        url = rb_piece_after(url, (size_t)(scheme + 3 - url.at));
    const char *at = url.len ? memchr(url.at, '@', url.len) : NULL;
    if (at)
        url = rb_piece_after(url, (size_t)(at + 1 - url.at));
    while (url.len && url.at[url.len - 1] == '/')
        url.len--;
    if (rb_piece_ends(url, ".git"))
        url.len -= 4;
    char *name = rb_piece_copy(arena, url), *colon = scheme ? NULL : strchr(name, ':');
    if (colon)
        *colon = '/';
    return (struct rb_piece){name, url.len};
}

struct swift_package {
    struct rb_piece url, path, id, written; /* what stands behind the address, as written */
};

/* Behind ".package(": its arguments up to the closing bracket. */
static void swift_arguments(struct swift_package *package, struct rb_lex *lex)
{
    const char *begin = NULL;
    size_t depth = 1;
    while (depth > 0) {
        struct rb_lex_token token = rb_lex_next(lex);
        if (token.kind == RB_LEX_END)
            return;
        depth += rb_lex_is(&token, '(') || rb_lex_is(&token, '[');
        depth -= rb_lex_is(&token, ')') || rb_lex_is(&token, ']');
        if (depth == 0 && begin)
            package->written = (struct rb_piece){begin, (size_t)(token.piece.at - begin)};
        struct rb_lex_token colon = rb_lex_peek(lex);
        if (depth != 1 || token.kind != RB_LEX_WORD || !rb_lex_is(&colon, ':'))
            continue;
        struct rb_piece *value = rb_lex_is_word(&token, "url")    ? &package->url
                                 : rb_lex_is_word(&token, "path") ? &package->path
                                 : rb_lex_is_word(&token, "id")   ? &package->id
                                                                  : NULL;
        if (!value)
            continue;
        rb_lex_next(lex);
        struct rb_lex_token text = rb_lex_peek(lex);
        if (text.kind != RB_LEX_TEXT || text.is_computed)
            continue;
        *value = rb_lex_next(lex).piece;
        struct rb_lex_token comma = rb_lex_peek(lex);
        if (rb_lex_is(&comma, ',')) {
            rb_lex_next(lex);
            begin = lex->rest.at;
        }
    }
}

/* "traits: […]" is no part of the requirement; nor is a comma at the end. */
static struct rb_piece swift_requirement(struct rb_piece written)
{
    const char *traits = written.len ? memmem(written.at, written.len, "traits:", 7) : NULL;
    if (traits)
        written.len = (size_t)(traits - written.at);
    written = rb_piece_trim(written);
    if (rb_piece_ends(written, ","))
        written.len--;
    return rb_piece_trim(written);
}

static void swift_dependency(struct rb_scan_sheet *sheet, struct rb_lex *lex)
{
    struct swift_package package = {0};
    swift_arguments(&package, lex);
    struct rb_piece name, requirement = swift_requirement(package.written);
    if (package.path.len) {
        const char *path = rb_piece_copy(sheet->arena, package.path);
        struct rb_scan_dependency *item = rb_scan_add_text(
            sheet, rb_path_base(path), rb_arena_printf(sheet->arena, "path %s", path), RB_KIND_RUNTIME);
        if (item)
            item->local = true;
        return;
    }
    name = package.url.len ? swift_name(sheet->arena, package.url) : package.id;
    rb_scan_add(sheet, name.at, name.len, requirement.at, requirement.len, RB_KIND_RUNTIME);
}

/* Behind "Package(": the first argument names it. */
static void swift_package(struct rb_scan_sheet *sheet, const struct rb_lex *at)
{
    struct rb_lex lex = *at;
    struct rb_lex_token token = rb_lex_next(&lex);
    if (!rb_lex_is_word(&token, "name"))
        return;
    rb_lex_next(&lex); /* : */
    token = rb_lex_next(&lex);
    if (token.kind == RB_LEX_TEXT && !token.is_computed)
        rb_scan_add_package(sheet, rb_piece_copy(sheet->arena, token.piece), "", "");
}

rb_err rb_swift_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_lex lex = {.rest = {text, len}, .language = &swift};
    struct rb_lex_token before = {0}, token = rb_lex_next(&lex);
    size_t packages = 0;
    for (; token.kind != RB_LEX_END; before = token, token = rb_lex_next(&lex)) {
        if (!rb_lex_is(&token, '('))
            continue;
        if (rb_lex_is_word(&before, "Package") && packages++ == 0)
            swift_package(sheet, &lex);
        else if (rb_lex_is_word(&before, "package") && before.piece.at > text && before.piece.at[-1] == '.')
            swift_dependency(sheet, &lex);
    }
    return RB_OK;
}

/* Version 1 has the pins in "object" and says repositoryURL; 2 and 3 say location. */
rb_err rb_swift_resolved_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *pin;
    size_t i;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    const json_t *pins = rb_json_get(document, "pins");
    json_array_foreach(pins ? pins : rb_json_at(document, "object/pins"), i, pin)
    {
        const json_t *state = rb_json_get(pin, "state");
        const char *url = rb_json_text(pin, "location"), *version = rb_json_text(state, "version");
        if (!*url)
            url = rb_json_text(pin, "repositoryURL");
        if (!*version)
            version = rb_json_text(state, "revision");
        struct rb_piece name =
            swift_name(sheet->arena, rb_piece_of(*url ? url : rb_json_text(pin, "identity")));
        struct rb_scan_locked *locked = rb_scan_lock(sheet, name.at, name.len, version, strlen(version));
        if (locked)
            locked->local = strcmp(rb_json_text(pin, "kind"), "localSourceControl") == 0;
    }
    json_decref(document);
    return RB_OK;
}

/* project.pbxproj: isa = XCRemoteSwiftPackageReference; repositoryURL = "…"; requirement = {kind =
 * exactVersion; version = 1.2.3; }; */
static const struct rb_lex_language pbxproj = {
    .line_comments = {"//"}, .has_block_comments = true, .quotes = "\"", .word = "./$-"};

/* From behind "requirement = {" to its end: 'upToNextMajorVersion 5.0.0'. */
static const char *xcode_requirement(struct rb_scan_sheet *sheet, struct rb_lex *lex)
{
    struct rb_piece kind = {"", 0}, value = {"", 0}, upper = {"", 0};
    for (struct rb_lex_token key = rb_lex_next(lex); key.kind != RB_LEX_END && !rb_lex_is(&key, '}');
         key = rb_lex_next(lex)) {
        struct rb_lex_token equals = rb_lex_peek(lex);
        if (key.kind != RB_LEX_WORD || !rb_lex_is(&equals, '='))
            continue;
        rb_lex_next(lex);
        struct rb_piece text = rb_lex_next(lex).piece;
        if (rb_lex_is_word(&key, "kind"))
            kind = text;
        else if (rb_lex_is_word(&key, "maximumVersion"))
            upper = text;
        else
            value = text;
    }
    return rb_arena_printf(sheet->arena, "%s %s%s%s", rb_piece_copy(sheet->arena, kind),
                           rb_piece_copy(sheet->arena, value), upper.len ? " " : "",
                           rb_piece_copy(sheet->arena, upper));
}

rb_err rb_xcode_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    static const char section[] = "/* Begin XCRemoteSwiftPackageReference section */";
    const char *at = memmem(text, len, section, sizeof section - 1);
    if (!at)
        return RB_OK;
    struct rb_piece rest = rb_piece_after((struct rb_piece){text, len}, (size_t)(at - text));
    const char *end = memmem(rest.at, rest.len, "/* End XCRemote", 15);
    if (end)
        rest.len = (size_t)(end - rest.at);
    struct rb_lex lex = {.rest = rest, .language = &pbxproj};
    struct rb_piece url = {"", 0};
    for (struct rb_lex_token token = rb_lex_next(&lex); token.kind != RB_LEX_END; token = rb_lex_next(&lex)) {
        bool is_url = rb_lex_is_word(&token, "repositoryURL"),
             is_last = rb_lex_is_word(&token, "requirement");
        if (!is_url && !is_last)
            continue;
        rb_lex_next(&lex); /* = */
        token = rb_lex_next(&lex);
        if (is_url) {
            url = token.piece;
        } else if (url.len) {
            struct rb_piece name = swift_name(sheet->arena, url);
            const char *requirement = xcode_requirement(sheet, &lex);
            rb_scan_add(sheet, name.at, name.len, requirement, strlen(requirement), RB_KIND_RUNTIME);
            url.len = 0;
        }
    }
    return RB_OK;
}
