/*
 * C and C++: CMake's find_package, FetchContent and pkg-config (cmake.org), vcpkg.json (learn.microsoft.com,
 * "vcpkg.json reference"), conanfile.txt, conanfile.py and conan.lock (docs.conan.io).
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "scanner/lex.h"
#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"

static const struct rb_lex_language cmake = {
    .line_comments = {"#"}, .quotes = "\"", .has_brackets = true, .word = "-+./:@$*<>=!,{}&~^%?;"};

#define CMAKE_WORDS_MAX 64 /* arguments of one call; a long list of components has thirty */

struct cmake_call {
    struct rb_piece words[CMAKE_WORDS_MAX];
    size_t count;
};

/* Behind the opening bracket: all arguments. */
static void cmake_arguments(struct cmake_call *call, struct rb_lex *lex)
{
    size_t depth = 1;
    call->count = 0;
    while (depth > 0) {
        struct rb_lex_token token = rb_lex_next(lex);
        if (token.kind == RB_LEX_END)
            return;
        depth += rb_lex_is(&token, '(');
        depth -= rb_lex_is(&token, ')');
        if ((token.kind == RB_LEX_WORD || token.kind == RB_LEX_TEXT) && call->count < CMAKE_WORDS_MAX)
            call->words[call->count++] = token.piece;
    }
}

static bool cmake_is_computed(struct rb_piece word)
{
    return word.len == 0 || memchr(word.at, '$', word.len) || memchr(word.at, '@', word.len) ||
           memchr(word.at, '<', word.len);
}

/* The argument behind a key word, or the empty piece. */
static struct rb_piece cmake_behind(const struct cmake_call *call, const char *key)
{
    for (size_t i = 0; i + 1 < call->count; i++) {
        if (rb_piece_is(call->words[i], key))
            return call->words[i + 1];
    }
    return (struct rb_piece){"", 0};
}

static bool cmake_has(const struct cmake_call *call, const char *key)
{
    for (size_t i = 0; i < call->count; i++) {
        if (rb_piece_is(call->words[i], key))
            return true;
    }
    return false;
}

/* What is found for building, testing or documenting, whoever asks for it. */
static const char *cmake_kind(struct rb_piece name, const char *otherwise)
{
    static const struct {
        const char *name, *kind;
    } known[] = {
        {"GTest", RB_KIND_TEST},         {"GMock", RB_KIND_TEST},           {"Catch2", RB_KIND_TEST},
        {"doctest", RB_KIND_TEST},       {"benchmark", RB_KIND_TEST},       {"cmocka", RB_KIND_TEST},
        {"Doxygen", RB_KIND_DEV},        {"Sphinx", RB_KIND_DEV},           {"ClangFormat", RB_KIND_DEV},
        {"Git", RB_KIND_BUILD},          {"PkgConfig", RB_KIND_BUILD},      {"Perl", RB_KIND_BUILD},
        {"FLEX", RB_KIND_BUILD},         {"BISON", RB_KIND_BUILD},          {"ECM", RB_KIND_BUILD},
        {"PythonInterp", RB_KIND_BUILD}, {"SWIG", RB_KIND_BUILD},           {"Gettext", RB_KIND_BUILD},
        {"Threads", RB_KIND_RUNTIME},    {"googletest", RB_KIND_TEST},      {"gtest", RB_KIND_TEST},
        {"GoogleTest", RB_KIND_TEST},    {"googlebenchmark", RB_KIND_TEST}, {"catch2", RB_KIND_TEST},
        {"Catch", RB_KIND_TEST},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (rb_piece_is(name, known[i].name))
            return known[i].kind;
    }
    return otherwise;
}

/* find_package(Boost 1.70 REQUIRED COMPONENTS …) */
static void cmake_find(struct rb_scan_sheet *sheet, const struct cmake_call *call)
{
    struct rb_piece name = call->words[0], version = {"", 0};
    if (cmake_is_computed(name))
        return;
    if (call->count > 1 && isdigit((unsigned char)call->words[1].at[0]))
        version = call->words[1];
    const char *kind = cmake_kind(name, cmake_has(call, "REQUIRED") ? RB_KIND_RUNTIME : RB_KIND_OPTIONAL);
    rb_scan_add(sheet, name.at, name.len, version.at, version.len, kind);
}

/* pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0>=2.50 gio-2.0) */
static void cmake_modules(struct rb_scan_sheet *sheet, const struct cmake_call *call)
{
    static const char *const words[] = {
        "REQUIRED", "QUIET",           "NO_CMAKE_PATH", "NO_CMAKE_ENVIRONMENT_PATH",
        "GLOBAL",   "IMPORTED_TARGET", "STATIC_TARGET"};
    const char *kind = cmake_has(call, "REQUIRED") ? RB_KIND_RUNTIME : RB_KIND_OPTIONAL;
    for (size_t i = 1; i < call->count; i++) {
        struct rb_piece word = call->words[i];
        bool is_name = word.len && (isalpha((unsigned char)word.at[0]) || word.at[0] == '_');
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            is_name = is_name && !rb_piece_is(word, words[k]);
        size_t len = 0;
        while (len < word.len && !rb_text_has("<>=", word.at[len]))
            len++;
        if (!is_name || cmake_is_computed((struct rb_piece){word.at, len}))
            continue;
        struct rb_piece version = rb_piece_after(word, len);
        rb_scan_add(sheet, word.at, len, version.at, version.len, kind);
    }
}

/* FetchContent_Declare(fmt GIT_REPOSITORY https://… GIT_TAG 10.2.1), ExternalProject_Add() alike. */
static void cmake_fetched(struct rb_scan_sheet *sheet, const struct cmake_call *call)
{
    struct rb_piece name = call->words[0], where = cmake_behind(call, "GIT_REPOSITORY"),
                    tag = cmake_behind(call, "GIT_TAG");
    if (where.len == 0)
        where = cmake_behind(call, "URL");
    if (cmake_is_computed(name) || where.len == 0)
        return;
    const char *requirement = rb_arena_printf(sheet->arena, "%s%s%s", rb_piece_copy(sheet->arena, where),
                                              tag.len ? " " : "", rb_piece_copy(sheet->arena, tag));
    rb_scan_add(sheet, name.at, name.len, requirement, strlen(requirement),
                cmake_kind(name, RB_KIND_RUNTIME));
}

/* CPMAddPackage("gh:fmtlib/fmt#10.2.1"), CPMAddPackage(NAME fmt GITHUB_REPOSITORY fmtlib/fmt VERSION 10.2.1)
 */
static void cmake_cpm(struct rb_scan_sheet *sheet, const struct cmake_call *call)
{
    struct rb_piece name = cmake_behind(call, "NAME"), where = cmake_behind(call, "GITHUB_REPOSITORY"),
                    tag = cmake_behind(call, "GIT_TAG");
    if (tag.len == 0)
        tag = cmake_behind(call, "VERSION");
    if (call->count == 1 && rb_piece_starts(call->words[0], "gh:")) {
        where = rb_piece_after(call->words[0], 3);
        size_t len = 0;
        while (len < where.len && where.at[len] != '@' && where.at[len] != '#')
            len++;
        tag = rb_piece_after(where, len + 1);
        where.len = len;
        const char *slash = memchr(where.at, '/', where.len);
        name = slash ? rb_piece_after(where, (size_t)(slash + 1 - where.at)) : where;
        for (size_t i = 0; i < tag.len; i++) {
            if (tag.at[i] == '@' || tag.at[i] == '#')
                tag.len = i;
        }
    }
    if (cmake_is_computed(name) || where.len == 0)
        return;
    const char *requirement =
        rb_arena_printf(sheet->arena, "https://github.com/%s%s%s", rb_piece_copy(sheet->arena, where),
                        tag.len ? " " : "", rb_piece_copy(sheet->arena, tag));
    rb_scan_add(sheet, name.at, name.len, requirement, strlen(requirement),
                cmake_kind(name, RB_KIND_RUNTIME));
}

static void cmake_project(struct rb_scan_sheet *sheet, const struct cmake_call *call)
{
    struct rb_piece version = cmake_behind(call, "VERSION");
    if (!cmake_is_computed(call->words[0]))
        rb_scan_add_package(sheet, rb_piece_copy(sheet->arena, call->words[0]),
                            cmake_is_computed(version) ? "" : rb_piece_copy(sheet->arena, version), "");
}

static bool cmake_is(struct rb_piece name, const char *command)
{
    return name.len == strlen(command) && strncasecmp(name.at, command, name.len) == 0;
}

rb_err rb_cmake_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    static const struct {
        const char *command;
        void (*take)(struct rb_scan_sheet *sheet, const struct cmake_call *call);
    } commands[] = {{"find_package", cmake_find},
                    {"pkg_check_modules", cmake_modules},
                    {"pkg_search_module", cmake_modules},
                    {"FetchContent_Declare", cmake_fetched},
                    {"ExternalProject_Add", cmake_fetched},
                    {"CPMAddPackage", cmake_cpm},
                    {"project", cmake_project}};
    struct rb_lex lex = {.rest = {text, len}, .language = &cmake};
    struct cmake_call call;
    bool has_project = false;
    struct rb_lex_token before = {0}, token = rb_lex_next(&lex);
    for (; token.kind != RB_LEX_END; before = token, token = rb_lex_next(&lex)) {
        if (!rb_lex_is(&token, '(') || before.kind != RB_LEX_WORD)
            continue;
        struct rb_piece name = before.piece;
        cmake_arguments(&call, &lex);
        for (size_t i = 0; i < sizeof commands / sizeof *commands && call.count; i++) {
            bool is_project = commands[i].take == cmake_project;
            if (!cmake_is(name, commands[i].command) || (is_project && has_project))
                continue;
            commands[i].take(sheet, &call);
            has_project = has_project || is_project;
        }
        token = lex.token;
    }
    return RB_OK;
}

/* ---- vcpkg -------------------------------------------------------------------------------------------- */

static void vcpkg_list(struct rb_scan_sheet *sheet, const json_t *list, const json_t *overrides,
                       const char *kind)
{
    json_t *item, *override;
    size_t i, k;
    json_array_foreach(list, i, item)
    {
        const char *name = json_is_string(item) ? json_string_value(item) : rb_json_text(item, "name");
        const char *least = rb_json_text(item, "version>="), *requirement = "";
        if (*least)
            requirement = rb_arena_printf(sheet->arena, ">= %s", least);
        json_array_foreach(overrides, k, override)
        {
            const char *version = rb_json_text(override, "version");
            if (strcmp(rb_json_text(override, "name"), name) == 0 && *version) {
                requirement = rb_arena_printf(sheet->arena, "= %s", version);
                break;
            }
        }
        rb_scan_add_text(sheet, name, requirement,
                         json_is_true(rb_json_get(item, "host")) ? RB_KIND_BUILD : kind);
    }
}

rb_err rb_vcpkg_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *feature;
    const char *name;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    static const char *const versions[] = {"version", "version-semver", "version-string", "version-date"};
    const char *version = "";
    for (size_t i = 0; i < sizeof versions / sizeof *versions && !*version; i++)
        version = rb_json_text(document, versions[i]);
    rb_scan_add_package(sheet, rb_json_text(document, "name"), version, rb_json_text(document, "license"));
    const json_t *overrides = rb_json_get(document, "overrides");
    if (json_array_size(overrides) > 1000) /* looked through for each dependency; large ones have fifty */
        overrides = NULL;
    vcpkg_list(sheet, rb_json_get(document, "dependencies"), overrides, RB_KIND_RUNTIME);
    json_object_foreach(rb_json_get(document, "features"), name, feature)
    {
        bool is_test = strcmp(name, "test") == 0 || strcmp(name, "tests") == 0;
        vcpkg_list(sheet, rb_json_get(feature, "dependencies"), overrides,
                   is_test ? RB_KIND_TEST : RB_KIND_OPTIONAL);
    }
    json_decref(document);
    return RB_OK;
}

/* ---- Conan -------------------------------------------------------------------------------------------- */

/* "fmt/9.1.0@user/channel", "zlib/[>=1.2.11]" */
static void conan_add(struct rb_scan_sheet *sheet, struct rb_piece reference, const char *kind)
{
    const char *slash = memchr(reference.at, '/', reference.len);
    if (!slash || memchr(reference.at, '{', reference.len) ||
        memchr(reference.at, ' ', (size_t)(slash - reference.at)))
        return;
    struct rb_piece version = rb_piece_after(reference, (size_t)(slash + 1 - reference.at));
    rb_scan_add(sheet, reference.at, (size_t)(slash - reference.at), version.at, version.len, kind);
}

static const char *conan_kind(struct rb_piece word)
{
    static const struct {
        const char *word, *kind;
    } words[] = {{"requires", RB_KIND_RUNTIME},
                 {"tool_requires", RB_KIND_BUILD},
                 {"build_requires", RB_KIND_BUILD},
                 {"test_requires", RB_KIND_TEST},
                 {"python_requires", RB_KIND_BUILD}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (rb_piece_is(word, words[i].word))
            return words[i].kind;
    }
    return NULL;
}

rb_err rb_conan_text_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line;
    const char *kind = NULL;
    while (rb_piece_line(&line, &rest)) {
        const char *comment = memchr(line.at, '#', line.len);
        if (comment && (comment == line.at || comment[-1] == ' '))
            line.len = (size_t)(comment - line.at);
        line = rb_piece_trim(line);
        if (line.len > 2 && line.at[0] == '[' && line.at[line.len - 1] == ']')
            kind = conan_kind((struct rb_piece){line.at + 1, line.len - 2});
        else if (kind)
            conan_add(sheet, line, kind);
    }
    return RB_OK;
}

static const struct rb_lex_language python = {
    .line_comments = {"#"}, .quotes = "\"'", .has_triple_quotes = true, .has_newlines = true};

/* Behind `requires =` or `self.requires(`: every text up to the end of the list, of the call or of the line.
 */
static void conan_texts(struct rb_scan_sheet *sheet, struct rb_lex *lex, const char *kind, bool is_call)
{
    size_t depth = is_call;
    for (bool was_comma = false;;) {
        struct rb_lex_token token = rb_lex_next(lex);
        if (token.kind == RB_LEX_END || (token.kind == RB_LEX_NEWLINE && depth == 0 && !was_comma))
            return;
        was_comma = rb_lex_is(&token, ',');
        if (token.kind == RB_LEX_TEXT && !token.is_computed)
            conan_add(sheet, token.piece, kind);
        depth += rb_lex_is(&token, '(') || rb_lex_is(&token, '[') || rb_lex_is(&token, '{');
        bool is_close = rb_lex_is(&token, ')') || rb_lex_is(&token, ']') || rb_lex_is(&token, '}');
        if (is_close && depth <= 1)
            return;
        depth -= is_close;
    }
}

rb_err rb_conan_python_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_lex lex = {.rest = {text, len}, .language = &python};
    struct rb_scan_package *package = rb_scan_add_package(sheet, "", "", "");
    for (struct rb_lex_token token = rb_lex_next(&lex); token.kind != RB_LEX_END; token = rb_lex_next(&lex)) {
        if (token.kind != RB_LEX_WORD)
            continue;
        const char *kind = conan_kind(token.piece);
        struct rb_lex_token next = rb_lex_peek(&lex);
        if (kind && (rb_lex_is(&next, '=') || rb_lex_is(&next, '('))) {
            rb_lex_next(&lex);
            conan_texts(sheet, &lex, kind, rb_lex_is(&next, '('));
        } else if (package && rb_lex_is(&next, '=') && rb_lex_is_word(&token, "name") && !*package->name) {
            rb_lex_next(&lex);
            next = rb_lex_peek(&lex);
            if (next.kind == RB_LEX_TEXT)
                package->name = rb_scan_requirement(sheet, next.piece.at, next.piece.len);
        }
    }
    return RB_OK;
}

/* "zlib/1.2.11#revision%time" */
static void conan_locked(struct rb_scan_sheet *sheet, const char *reference, const char *kind)
{
    const char *slash = strchr(reference, '/');
    if (!slash)
        return;
    struct rb_scan_locked *locked =
        rb_scan_lock(sheet, reference, (size_t)(slash - reference), slash + 1, strcspn(slash + 1, "#@%"));
    if (locked)
        locked->kind = kind;
}

/* Version 0.5 has lists; before, it was a graph of nodes with a "ref" each. */
rb_err rb_conan_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    static const char *const lists[] = {"requires", "build_requires", "python_requires"};
    json_t *document, *item;
    const char *key;
    size_t k;
    rb_err err = rb_json_parse(&document, text, len);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        json_array_foreach(rb_json_get(document, lists[i]), k, item)
        {
            if (json_is_string(item))
                conan_locked(sheet, json_string_value(item), i ? RB_KIND_BUILD : RB_KIND_RUNTIME);
        }
    }
    json_object_foreach(rb_json_at(document, "graph_lock/nodes"), key, item)
        conan_locked(sheet, rb_json_text(item, "ref"), RB_KIND_RUNTIME);
    json_decref(document);
    return RB_OK;
}
