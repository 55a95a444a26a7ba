/* Nix flakes (nix.dev, "Flakes"): the inputs of flake.nix, where their addresses are literal, and flake.lock.
 */
#include <string.h>

#include "scanner/lex.h"
#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

static const struct rb_lex_language nix = {
    .line_comments = {"#"}, .has_block_comments = true, .quotes = "\"", .opens = "${", .word = "-'."};

/* "github:owner/name/ref": name and ref; of other addresses the whole. */
static void nix_add(struct rb_scan_sheet *sheet, struct rb_piece url)
{
    static const char *const forges[] = {"github:", "gitlab:", "sourcehut:"}, *const others[] = {"git+",
                                                                                                 "flake:"};
    for (size_t i = 0; i < sizeof forges / sizeof *forges; i++) {
        if (!rb_piece_starts(url, forges[i]))
            continue;
        struct rb_piece name = rb_piece_after(url, i == 0 ? strlen(forges[i]) : 0);
        const char *query = memchr(name.at, '?', name.len);
        name.len = query ? (size_t)(query - name.at) : name.len;
        const char *slash = memchr(name.at, '/', name.len),
                   *second = slash ? memchr(slash + 1, '/', name.len - (size_t)(slash + 1 - name.at)) : NULL;
        struct rb_piece ref = {"", 0};
        if (second) {
            ref = rb_piece_after(name, (size_t)(second + 1 - name.at));
            name.len = (size_t)(second - name.at);
        }
        rb_scan_add(sheet, name.at, name.len, ref.at, ref.len, RB_KIND_BUILD);
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (rb_piece_starts(url, others[i])) {
            const char *whole = rb_scan_requirement(sheet, url.at, url.len);
            rb_scan_add_text(sheet, whole, "", RB_KIND_BUILD);
        }
    }
}

/* "inputs.x.url = …" and "inputs = { x.url = …; y = { url = …; }; }": an address of these kinds stands
 * nowhere else. */
rb_err rb_flake_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_lex lex = {.rest = {text, len}, .language = &nix};
    struct rb_lex_token name = {0}, equals = {0};
    for (struct rb_lex_token token = rb_lex_next(&lex); token.kind != RB_LEX_END; token = rb_lex_next(&lex)) {
        bool is_url =
            name.kind == RB_LEX_WORD && (rb_piece_is(name.piece, "url") || rb_piece_ends(name.piece, ".url"));
        if (token.kind == RB_LEX_TEXT && !token.is_computed && is_url && rb_lex_is(&equals, '='))
            nix_add(sheet, token.piece);
        name = equals;
        equals = token;
    }
    return RB_OK;
}

/* Whether the root itself asks for the node. */
static bool flake_is_direct(const json_t *inputs, const char *node)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)inputs, name, value)
    {
        const char *text = json_string_value(value);
        if (text && strcmp(text, node) == 0)
            return true;
    }
    return false;
}

#define FLAKE_NODES_MAX 2000 /* each looked for among the root's inputs; large locks have a hundred */

rb_err rb_flake_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *node;
    const char *key;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    const json_t *nodes = rb_json_get(document, "nodes"),
                 *inputs = rb_json_get(rb_json_get(nodes, rb_json_text(document, "root")), "inputs");
    size_t seen = 0;
    json_object_foreach((json_t *)nodes, key, node)
    {
        const json_t *at = rb_json_get(node, "locked");
        const char *type = rb_json_text(at, "type"), *rev = rb_json_text(at, "rev"),
                   *name = rb_json_text(at, "url");
        bool is_path = strcmp(type, "path") == 0;
        if (*rb_json_text(at, "owner"))
            name = rb_arena_printf(sheet->arena, "%s%s%s/%s", strcmp(type, "github") == 0 ? "" : type,
                                   strcmp(type, "github") == 0 ? "" : ":", rb_json_text(at, "owner"),
                                   rb_json_text(at, "repo"));
        else
            name = rb_scan_requirement(sheet, name, strlen(name));
        struct rb_scan_locked *locked =
            seen++ < FLAKE_NODES_MAX ? rb_scan_lock(sheet, name, strlen(name), rev, strlen(rev)) : NULL;
        if (!locked)
            continue;
        locked->kind = RB_KIND_BUILD;
        locked->local = is_path;
        locked->direct = flake_is_direct(inputs, key);
    }
    json_decref(document);
    return RB_OK;
}
