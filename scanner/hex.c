/*
 * Hex: mix.exs and mix.lock (hexdocs.pm/mix, "Mix.Tasks.Deps"), rebar.config and rebar.lock (rebar3.org,
 * "Dependencies"). mix.exs is an Elixir program: its tuples {:name, "requirement", options} are read wherever
 * a function that names dependencies has them.
 */
#include <string.h>

#include "scanner/lex.h"
#include "scanner/scan.h"
#include "scanner/text.h"

static const struct rb_lex_language elixir = {
    .line_comments = {"#"}, .quotes = "\"'", .has_triple_quotes = true, .opens = "#{", .word = "?!"};
static const struct rb_lex_language erlang = {.line_comments = {"%"}, .quotes = "\"'", .word = "@"};

/* ---- mix.exs ------------------------------------------------------------------------------------------ */

#define MIX_ATTRIBUTES_MAX 20 /* @version "1.2.3"; a project has three */

struct mix {
    struct rb_lex lex;
    struct rb_scan_sheet *sheet;
    struct {
        struct rb_piece name, text;
    } attributes[MIX_ATTRIBUTES_MAX];
    size_t attribute_count;
};

struct mix_options {
    bool is_dev, is_test, is_optional, is_build, is_local;
    struct rb_piece source_kind, source, package; /* "git" and its address; a name other than the tuple's */
};

static bool mix_takes(struct mix *mix, char sign)
{
    struct rb_lex_token next = rb_lex_peek(&mix->lex);
    if (!rb_lex_is(&next, sign))
        return false;
    rb_lex_next(&mix->lex);
    return true;
}

/* ":dev" or "[:dev, :test]": runtime as soon as anything else is among them. */
static void mix_only(struct mix *mix, struct mix_options *options)
{
    bool any = false, others = false, has_dev = false;
    struct rb_lex_token token;
    bool is_list = mix_takes(mix, '[');
    do {
        if (!mix_takes(mix, ':'))
            break;
        token = rb_lex_next(&mix->lex);
        any = true;
        has_dev = has_dev || !rb_lex_is_word(&token, "test");
        char name[32] = "";
        if (token.piece.len < sizeof name)
            memcpy(name, token.piece.at, token.piece.len);
        others = others || !rb_python_is_dev_group(name);
    } while (is_list && mix_takes(mix, ','));
    if (is_list && !mix_takes(mix, ']'))
        rb_lex_skip(&mix->lex);
    options->is_dev = any && !others && has_dev;
    options->is_test = any && !others && !has_dev;
}

static bool mix_option_text(struct mix *mix, struct rb_piece *out)
{
    mix_takes(mix, ':'); /* hex: :name */
    struct rb_lex_token next = rb_lex_peek(&mix->lex);
    if ((next.kind != RB_LEX_TEXT && next.kind != RB_LEX_WORD) || next.is_computed)
        return false;
    *out = rb_lex_next(&mix->lex).piece;
    return true;
}

static void mix_option(struct mix *mix, struct mix_options *options, const struct rb_lex_token *key)
{
    static const char *const sources[] = {"path", "git", "github"};
    struct rb_lex_token next;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (rb_lex_is_word(key, sources[i]) && mix_option_text(mix, &options->source)) {
            options->source_kind = key->piece;
            options->is_local = i == 0;
            return;
        }
    }
    if (rb_lex_is_word(key, "hex")) {
        mix_option_text(mix, &options->package);
    } else if (rb_lex_is_word(key, "only")) {
        mix_only(mix, options);
    } else if (rb_lex_is_word(key, "in_umbrella")) {
        options->is_local = true;
    } else {
        next = rb_lex_peek(&mix->lex);
        if (rb_lex_is_word(key, "optional"))
            options->is_optional = rb_lex_is_word(&next, "true");
        else if (rb_lex_is_word(key, "runtime"))
            options->is_build = rb_lex_is_word(&next, "false");
    }
}

/* Behind `{:name,` up to the closing brace: the requirement, and the options. */
static void mix_tuple(struct mix *mix, struct rb_piece name)
{
    struct mix_options options = {0};
    struct rb_lex_token token;
    const char *requirement = "";
    size_t depth = 1;
    for (bool is_first = true; depth > 0; is_first = false) {
        token = rb_lex_next(&mix->lex);
        if (token.kind == RB_LEX_END)
            return;
        if (token.kind == RB_LEX_TEXT && is_first && !token.is_computed)
            requirement = rb_piece_copy(mix->sheet->arena, token.piece);
        depth += rb_lex_is(&token, '{') || rb_lex_is(&token, '[') || rb_lex_is(&token, '(');
        depth -= rb_lex_is(&token, '}') || rb_lex_is(&token, ']') || rb_lex_is(&token, ')');
        if (token.kind == RB_LEX_WORD) {
            struct rb_lex_token colon = rb_lex_peek(&mix->lex), key = token;
            if (!rb_lex_is(&colon, ':') || !colon.is_glued)
                continue;
            rb_lex_next(&mix->lex);
            mix_option(mix, &options, &key);
        }
    }
    if (!*requirement && options.source.len)
        requirement =
            rb_arena_printf(mix->sheet->arena, "%s %s", rb_piece_copy(mix->sheet->arena, options.source_kind),
                            rb_piece_copy(mix->sheet->arena, options.source));
    const char *kind = options.is_optional ? RB_KIND_OPTIONAL
                       : options.is_test   ? RB_KIND_TEST
                       : options.is_dev    ? RB_KIND_DEV
                       : options.is_build  ? RB_KIND_BUILD
                                           : RB_KIND_RUNTIME;
    if (options.package.len)
        name = options.package;
    struct rb_scan_dependency *item =
        rb_scan_add(mix->sheet, name.at, name.len, requirement, strlen(requirement), kind);
    if (item)
        item->local = options.is_local;
}

/* What follows `{:name,` in a dependency: a requirement or options; `{:ok, value}` is none. */
static bool mix_is_dependency(const struct mix *mix)
{
    struct rb_lex ahead = mix->lex;
    struct rb_lex_token token = rb_lex_next(&ahead), next = rb_lex_peek(&ahead);
    return token.kind == RB_LEX_TEXT || rb_lex_is(&token, '[') || rb_lex_is(&token, '@') ||
           (token.kind == RB_LEX_WORD && rb_lex_is(&next, ':') && next.is_glued);
}

/* At an opening brace that was taken: a tuple that begins with a name. */
static void mix_brace(struct mix *mix)
{
    if (!mix_takes(mix, ':'))
        return;
    struct rb_piece name = rb_lex_next(&mix->lex).piece;
    if (mix_takes(mix, ',') && mix_is_dependency(mix))
        mix_tuple(mix, name);
}

/* The body of a function: every such tuple, up to the next function. */
static void mix_dependencies(struct mix *mix)
{
    for (;;) {
        struct rb_lex_token token = rb_lex_peek(&mix->lex);
        if (token.kind == RB_LEX_END || rb_lex_is_word(&token, "def") || rb_lex_is_word(&token, "defp"))
            return;
        rb_lex_next(&mix->lex);
        if (rb_lex_is(&token, '{'))
            mix_brace(mix);
    }
}

/* "deps: [{:a, "1.0"}]" within the project itself. */
static void mix_list(struct mix *mix)
{
    if (!mix_takes(mix, '['))
        return;
    for (;;) {
        struct rb_lex_token token = rb_lex_next(&mix->lex);
        if (token.kind == RB_LEX_END || rb_lex_is(&token, ']'))
            return;
        if (rb_lex_is(&token, '{'))
            mix_brace(mix);
    }
}

/* "@version "1.2.3"" */
static void mix_attribute(struct mix *mix)
{
    struct rb_lex_token name = rb_lex_next(&mix->lex), text = rb_lex_peek(&mix->lex);
    if (name.kind != RB_LEX_WORD || text.kind != RB_LEX_TEXT || text.is_computed ||
        mix->attribute_count == MIX_ATTRIBUTES_MAX)
        return;
    mix->attributes[mix->attribute_count].name = name.piece;
    mix->attributes[mix->attribute_count++].text = text.piece;
}

/* "1.2.3", or @version as it was set before. */
static struct rb_piece mix_value(struct mix *mix)
{
    struct rb_lex_token token = rb_lex_next(&mix->lex);
    if (token.kind == RB_LEX_TEXT && !token.is_computed)
        return token.piece;
    if (rb_lex_is(&token, '@')) {
        token = rb_lex_next(&mix->lex);
        for (size_t i = 0; i < mix->attribute_count; i++) {
            struct rb_piece name = mix->attributes[i].name;
            if (rb_piece_same(name, token.piece))
                return mix->attributes[i].text;
        }
    }
    return (struct rb_piece){"", 0};
}

/* The keys of `project`: "app: :shop", "version: @version", "apps_path: "apps"". */
static void mix_project(struct mix *mix)
{
    struct rb_scan_package *package = rb_scan_add_package(mix->sheet, "", "", "");
    for (struct rb_lex_token before = {0};; before = mix->lex.token) {
        struct rb_lex_token token = rb_lex_peek(&mix->lex);
        if (token.kind == RB_LEX_END || rb_lex_is_word(&token, "def") || rb_lex_is_word(&token, "defp"))
            return;
        rb_lex_next(&mix->lex);
        if (rb_lex_is(&before, '[') || rb_lex_is(&before, ',')) {
            if (!mix_takes(mix, ':'))
                continue;
            struct rb_piece name;
            if (rb_lex_is_word(&token, "app") && mix_option_text(mix, &name) && package) {
                package->name = rb_scan_requirement(mix->sheet, name.at, name.len);
            } else if (rb_lex_is_word(&token, "version") && package) {
                name = mix_value(mix);
                package->version = rb_scan_requirement(mix->sheet, name.at, name.len);
            } else if (rb_lex_is_word(&token, "apps_path")) {
                mix->sheet->members++;
            } else if (rb_lex_is_word(&token, "deps")) {
                mix_list(mix);
            }
        }
    }
}

rb_err rb_mix_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct mix mix = {.lex = {.rest = {text, len}, .language = &elixir}, .sheet = sheet};
    for (;;) {
        struct rb_lex_token token = rb_lex_next(&mix.lex);
        if (token.kind == RB_LEX_END)
            return RB_OK;
        if (rb_lex_is(&token, '@'))
            mix_attribute(&mix);
        if (!rb_lex_is_word(&token, "def") && !rb_lex_is_word(&token, "defp"))
            continue;
        token = rb_lex_next(&mix.lex);
        if (rb_lex_is_word(&token, "project"))
            mix_project(&mix);
        else if (rb_piece_ends(token.piece, "deps") || rb_piece_ends(token.piece, "dependencies"))
            mix_dependencies(&mix);
    }
}

/* Behind the brace of {:decimal, "~> 1.0", [hex: :decimal, repo: "hexpm", optional: false]}: up to the
 * closing one. What is optional is not there for the sake of this package. */
static void mix_lock_need(struct rb_scan_sheet *sheet, struct rb_lex *lex, struct rb_piece from)
{
    static const struct rb_piece none = {"", 0};
    struct rb_piece to = none, key = none;
    bool is_optional = false;
    for (size_t depth = 1;;) {
        struct rb_lex_token token = rb_lex_next(lex);
        depth += rb_lex_is(&token, '{') || rb_lex_is(&token, '[');
        depth -= rb_lex_is(&token, '}') || rb_lex_is(&token, ']');
        if (depth == 0 || token.kind == RB_LEX_END)
            break;
        if (token.kind != RB_LEX_WORD && token.kind != RB_LEX_TEXT)
            continue;
        bool is_name = to.len == 0 || rb_piece_is(key, "hex"); /* its application's, better its package's */
        if (is_name)
            to = token.piece;
        else if (rb_piece_is(key, "optional"))
            is_optional = rb_lex_is_word(&token, "true");
        key = is_name || token.kind == RB_LEX_TEXT ? none : token.piece;
    }
    if (!is_optional)
        rb_scan_lock_needs(sheet, from, to);
}

/* The rest of a package's tuple, up to its closing brace: among it the list of what it needs. */
static void mix_lock_needs(struct rb_scan_sheet *sheet, struct rb_lex *lex, struct rb_piece from)
{
    for (size_t depth = 1; depth > 0;) {
        struct rb_lex_token token = rb_lex_next(lex);
        if (token.kind == RB_LEX_END)
            return;
        if (rb_lex_is(&token, '{')) {
            mix_lock_need(sheet, lex, from);
            continue;
        }
        depth += rb_lex_is(&token, '[');
        depth -= rb_lex_is(&token, '}') || rb_lex_is(&token, ']');
    }
}

/* %{"name": {:hex, :name, "1.2.3", …}, "other": {:git, "https://…", "commit", …}} */
rb_err rb_mix_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_lex lex = {.rest = {text, len}, .language = &elixir};
    struct rb_lex_token token = rb_lex_next(&lex), name = {0};
    while (token.kind != RB_LEX_END) {
        if (token.kind == RB_LEX_TEXT)
            name = token;
        struct rb_lex_token next = rb_lex_next(&lex);
        if (!rb_lex_is(&token, '{') || !rb_lex_is(&next, ':')) {
            token = next;
            continue;
        }
        struct rb_lex_token source = rb_lex_next(&lex);
        rb_lex_next(&lex); /* , */
        struct rb_lex_token second = rb_lex_next(&lex);
        if (rb_lex_is_word(&source, "hex")) /* :name, or :"name" */
            second = rb_lex_next(&lex);
        rb_lex_next(&lex);
        struct rb_lex_token version = rb_lex_next(&lex);
        if (version.kind == RB_LEX_TEXT && rb_lex_is_word(&source, "hex"))
            rb_scan_lock(sheet, second.piece.at, second.piece.len, version.piece.at, version.piece.len);
        else if (version.kind == RB_LEX_TEXT && name.kind == RB_LEX_TEXT)
            rb_scan_lock(sheet, name.piece.at, name.piece.len, version.piece.at, version.piece.len);
        mix_lock_needs(sheet, &lex, second.piece);
        token = rb_lex_next(&lex);
    }
    return RB_OK;
}

/* ---- rebar -------------------------------------------------------------------------------------------- */

/* Behind `{name`: "1.2.3", {pkg, other}, {git, "address", {tag, "1.2"}}. Up to the closing brace. */
static void rebar_tuple(struct rb_scan_sheet *sheet, struct rb_lex *lex, struct rb_piece name,
                        const char *kind)
{
    struct rb_piece requirement = {"", 0};
    const char *written = "";
    size_t depth = 1, texts = 0;
    bool is_package = false;
    while (depth > 0) {
        struct rb_lex_token token = rb_lex_next(lex);
        if (token.kind == RB_LEX_END)
            return;
        depth += rb_lex_is(&token, '{') || rb_lex_is(&token, '[') || rb_lex_is(&token, '(');
        depth -= rb_lex_is(&token, '}') || rb_lex_is(&token, ']') || rb_lex_is(&token, ')');
        if (token.kind == RB_LEX_WORD && is_package) {
            name = token.piece;
            is_package = false;
        }
        is_package = is_package || rb_lex_is_word(&token, "pkg");
        if (token.kind != RB_LEX_TEXT || texts++ > 1)
            continue;
        requirement = token.piece;
        if (depth > 1) /* the address, then the tag */
            written = rb_arena_printf(sheet->arena, "%s%s%s", texts == 1 ? "git " : written,
                                      texts == 1 ? "" : " ", rb_piece_copy(sheet->arena, requirement));
    }
    if (*written)
        requirement = rb_piece_of(written);
    rb_scan_add(sheet, name.at, name.len, requirement.at, requirement.len, kind);
}

/* Behind "deps," or "plugins,": the list. */
static void rebar_list(struct rb_scan_sheet *sheet, struct rb_lex *lex, const char *kind)
{
    struct rb_lex_token token = rb_lex_next(lex);
    if (!rb_lex_is(&token, '['))
        return;
    for (token = rb_lex_next(lex); token.kind != RB_LEX_END && !rb_lex_is(&token, ']');
         token = rb_lex_next(lex)) {
        if (token.kind == RB_LEX_WORD) {
            rb_scan_add(sheet, token.piece.at, token.piece.len, "", 0, kind);
        } else if (rb_lex_is(&token, '{')) {
            struct rb_piece name = rb_lex_next(lex).piece;
            rebar_tuple(sheet, lex, name, kind);
        }
    }
}

rb_err rb_rebar_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_lex lex = {.rest = {text, len}, .language = &erlang};
    const char *profile = RB_KIND_RUNTIME;
    bool in_profiles = false;
    for (struct rb_lex_token token = rb_lex_next(&lex); token.kind != RB_LEX_END; token = rb_lex_next(&lex)) {
        if (rb_lex_is(&token, '.')) { /* each term of the file ends so */
            in_profiles = false;
            profile = RB_KIND_RUNTIME;
        }
        if (!rb_lex_is(&token, '{'))
            continue;
        struct rb_lex_token name = rb_lex_next(&lex), comma = rb_lex_next(&lex);
        if (!rb_lex_is(&comma, ','))
            continue;
        if (rb_lex_is_word(&name, "profiles"))
            in_profiles = true;
        else if (rb_lex_is_word(&name, "deps"))
            rebar_list(sheet, &lex, profile);
        else if (rb_lex_is_word(&name, "plugins") || rb_lex_is_word(&name, "project_plugins"))
            rebar_list(sheet, &lex, RB_KIND_BUILD);
        else if (in_profiles)
            profile = rb_lex_is_word(&name, "test")   ? RB_KIND_TEST
                      : rb_lex_is_word(&name, "prod") ? RB_KIND_RUNTIME
                                                      : RB_KIND_DEV;
    }
    return RB_OK;
}

/* {<<"cowboy">>,{pkg,<<"cowboy">>,<<"2.9.0">>},0}: the last number tells how far from the project it is. */
rb_err rb_rebar_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    enum { NAME, PACKAGE, VERSION, PARTS };
    struct rb_lex lex = {.rest = {text, len}, .language = &erlang};
    struct rb_piece texts[PARTS] = {{"", 0}};
    size_t count = 0;
    bool is_source = false;
    for (struct rb_lex_token token = rb_lex_next(&lex); token.kind != RB_LEX_END; token = rb_lex_next(&lex)) {
        if (rb_lex_is_word(&token, "pkg_hash")) /* from here on nothing but sums */
            break;
        if (rb_lex_is_word(&token, "pkg") || rb_lex_is_word(&token, "git")) {
            is_source = true;
            count = PACKAGE; /* the text before is the name */
        }
        if (token.kind == RB_LEX_TEXT && !is_source)
            texts[NAME] = token.piece;
        else if (token.kind == RB_LEX_TEXT && count < PARTS)
            texts[count++] = token.piece;
        if (token.kind != RB_LEX_WORD || !is_source || count < PARTS || token.piece.at[0] < '0' ||
            token.piece.at[0] > '9')
            continue;
        struct rb_lex_token next = rb_lex_peek(&lex);
        if (!rb_lex_is(&next, '}'))
            continue;
        struct rb_scan_locked *locked =
            rb_scan_lock(sheet, texts[NAME].at, texts[NAME].len, texts[VERSION].at, texts[VERSION].len);
        if (locked)
            locked->direct = token.piece.len == 1 && token.piece.at[0] == '0';
        is_source = false;
        count = 0;
    }
    return RB_OK;
}
