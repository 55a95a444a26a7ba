/*
 * sbt (scala-sbt.org, "Library dependencies"): build.sbt, the scripts of the build itself in project/, and
 * the Scala there that keeps versions. They are programs, read as far as they are literal: `"org" %% "name" %
 * "1.0" % Test`, and values that are texts or texts with such values in them. A name that is computed is said
 * to be, and not guessed.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "scanner/lex.h"
#include "scanner/scan.h"

#define SBT_VALUES_MAX 5000    /* of all files; Akka's build has two hundred */
#define SBT_NESTED_MAX 8       /* values of values */
#define SBT_STEPS_MAX  5000000 /* values looked at; 200 dependencies and 300 values take 60,000 */
#define SBT_WORD_MAX   128     /* bytes of a value's name */

enum sbt_kind { SBT_NONE, SBT_TEXT, SBT_MIXED, SBT_WORD, SBT_COMPUTED };
struct sbt_expression {
    enum sbt_kind kind;
    const char *text;
};
/* A value or a setting ("scalaVersion"), or what a value is used for (`akka % Test`). */
struct sbt_value {
    const char *build; /* folder, with its slash, of the build that knows it */
    const char *name;  /* without the object that has it */
    struct sbt_expression value;
};
struct sbt_list {
    struct sbt_value *items;
    size_t count, capacity;
};
struct sbt_dependency {
    struct sbt_dependency *next;
    size_t item; /* of the sheet */
    int line;
    int signs; /* how many '%' stand before the name: two for Scala's, three for its platforms */
    const char *build, *value, *cross;
    struct sbt_expression org, name, version;
    bool is_plugin; /* of sbt: found under sbt's version as well */
};
struct rb_sbt {
    struct sbt_list values, scala, uses;
    struct sbt_dependency *first, *last;
    size_t steps; /* one name may be given a thousand times, by values that name it */
};

struct sbt_read {
    struct rb_scan_sheet *sheet;
    struct rb_lex lex;
    const char *build;
    const char *at; /* up to where lines were counted */
    int line;
    const char *value; /* whose the next expression is; "" of none */
    const char *kind;  /* of the next dependency, by the function around it; NULL: as it says */
    bool is_plugin;
};

static const struct rb_lex_language sbt_language = {.line_comments = {"//"},
                                                    .has_block_comments = true,
                                                    .quotes = "\"",
                                                    .has_triple_quotes = true,
                                                    .word = "."};

/* ---- reading ------------------------------------------------------------------------------------------ */

static const char *sbt_last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static void sbt_note(struct sbt_read *read, struct sbt_list *list, const char *name,
                     struct sbt_expression value)
{
    if (list->count == SBT_VALUES_MAX || !*name)
        return;
    list->items =
        rb_arena_grown(read->sheet->arena, list->items, list->count, &list->capacity, sizeof *list->items);
    list->items[list->count++] = (struct sbt_value){read->build, sbt_last_part(name), value};
}

static const char *sbt_text(struct sbt_read *read, struct rb_piece piece)
{
    return rb_scan_requirement(read->sheet, piece.at, piece.len);
}

/* The expression that begins with the token last taken. */
static struct sbt_expression sbt_expression(struct sbt_read *read)
{
    struct rb_lex_token token = read->lex.token, next = rb_lex_peek(&read->lex);
    struct sbt_expression result = {SBT_COMPUTED, ""};
    bool is_mixed = rb_lex_is_word(&token, "s") && next.kind == RB_LEX_TEXT && next.is_glued;
    if (is_mixed) {
        token = rb_lex_next(&read->lex);
        next = rb_lex_peek(&read->lex);
    }
    if (token.kind != RB_LEX_TEXT && token.kind != RB_LEX_WORD)
        return result;
    result.text = sbt_text(read, token.piece);
    if (rb_lex_is(&next, '+') || (next.kind == RB_LEX_WORD && next.piece.at[0] == '.') ||
        (token.kind == RB_LEX_WORD && rb_lex_is(&next, '(') && next.is_glued) || !*result.text)
        return result;
    result.kind = token.kind == RB_LEX_WORD ? SBT_WORD : is_mixed ? SBT_MIXED : SBT_TEXT;
    return result;
}

static bool sbt_take_sign(struct sbt_read *read, char sign)
{
    struct rb_lex_token next = rb_lex_peek(&read->lex);
    if (!rb_lex_is(&next, sign))
        return false;
    rb_lex_next(&read->lex);
    return true;
}

/* "test", Test, "it,test", "test->test", Provided. */
static const char *sbt_configuration(const char *text)
{
    static const char *const words[][2] = {
        {"compile", RB_KIND_RUNTIME},  {"runtime", RB_KIND_RUNTIME},      {"test", RB_KIND_TEST},
        {"it", RB_KIND_TEST},          {"integrationtest", RB_KIND_TEST}, {"provided", RB_KIND_BUILD},
        {"optional", RB_KIND_OPTIONAL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) { /* what is needed most comes first */
        for (const char *at = text; *at; at += strcspn(at, ",;"), at += *at != 0) {
            at += strspn(at, " ");
            size_t len = strcspn(at, ",;-> ");
            if (len == strlen(words[i][0]) && strncasecmp(at, words[i][0], len) == 0)
                return words[i][1];
        }
    }
    return NULL;
}

static int sbt_line(struct sbt_read *read, const char *at)
{
    for (; read->at < at; read->at++)
        read->line += *read->at == '\n';
    return read->line;
}

static void sbt_put(struct sbt_read *read, struct sbt_dependency dependency, const char *kind)
{
    struct rb_scan_sheet *sheet = read->sheet;
    const char *name = rb_arena_printf(sheet->arena, "%s:%s", dependency.org.text, dependency.name.text);
    if (rb_text_ends(read->build, "project/"))
        kind = RB_KIND_BUILD;
    struct rb_scan_dependency *item = rb_scan_add_text(sheet, name, "",
                                                       read->kind ? read->kind
                                                       : kind     ? kind
                                                                  : RB_KIND_RUNTIME);
    if (!item)
        return;
    struct sbt_dependency *kept = rb_arena_alloc(sheet->arena, sizeof *kept);
    *kept = dependency;
    item->line = dependency.line;
    kept->item = (size_t)(item - sheet->items);
    if (sheet->sbt->last)
        sheet->sbt->last->next = kept;
    else
        sheet->sbt->first = kept;
    sheet->sbt->last = kept;
}

/* Behind `org`, where a '%' follows. */
static void sbt_dependency(struct sbt_read *read, struct sbt_expression org, int line)
{
    struct sbt_dependency found = {
        .line = line, .build = read->build, .org = org, .value = read->value, .is_plugin = read->is_plugin};
    const char *kind = NULL;
    while (found.signs < 3 && sbt_take_sign(read, '%'))
        found.signs++;
    rb_lex_next(&read->lex);
    found.name = sbt_expression(read);
    bool has_version = sbt_take_sign(read, '%');
    if (has_version) {
        rb_lex_next(&read->lex);
        found.version = sbt_expression(read);
    } else if (found.signs == 1 && org.kind == SBT_WORD) { /* `akka % Test` */
        sbt_note(read, &read->sheet->sbt->uses, org.text, found.name);
        return;
    } else if (found.signs == 1 && found.name.kind != SBT_TEXT) { /* arithmetic */
        return;
    }
    while (sbt_take_sign(read, '%')) {
        rb_lex_next(&read->lex);
        kind = sbt_configuration(sbt_expression(read).text);
    }
    struct rb_lex_token next = rb_lex_peek(&read->lex);
    if (rb_lex_is_word(&next, "cross")) {
        rb_lex_next(&read->lex);
        rb_lex_next(&read->lex);
        found.cross = sbt_last_part(sbt_text(read, read->lex.token.piece));
    }
    sbt_put(read, found, kind);
}

/* `name := …`: what is set, "" where nothing is. */
static struct sbt_expression sbt_setting(struct sbt_read *read)
{
    if (!sbt_take_sign(read, ':') || !sbt_take_sign(read, '='))
        return (struct sbt_expression){SBT_NONE, ""};
    rb_lex_next(&read->lex);
    return sbt_expression(read);
}

/* `val x: String = `: the expression that follows is that of x. */
static void sbt_begin_value(struct sbt_read *read)
{
    struct rb_lex_token name = rb_lex_next(&read->lex);
    if (name.kind != RB_LEX_WORD)
        return;
    read->value = sbt_text(read, name.piece);
    if (sbt_take_sign(read, ':'))
        rb_lex_next(&read->lex);
    if (!sbt_take_sign(read, '='))
        read->value = "";
}

static void sbt_word(struct sbt_read *read, struct rb_scan_package *package)
{
    const char *word = sbt_text(read, read->lex.token.piece);
    struct sbt_expression set;
    if (strcmp(word, "scalaVersion") == 0) {
        set = sbt_setting(read);
        if (set.kind)
            sbt_note(read, &read->sheet->sbt->scala, word, set);
    } else if (strcmp(word, "name") == 0 || strcmp(word, "version") == 0) {
        set = sbt_setting(read);
        if (!package || set.kind != SBT_TEXT)
            return;
        if (*word == 'n' && !*package->name)
            package->name = set.text;
        else if (*word == 'v' && !*package->version)
            package->version = set.text;
    } else if (strcmp(word, "addSbtPlugin") == 0 || strcmp(word, "compilerPlugin") == 0 ||
               strcmp(word, "addCompilerPlugin") == 0) {
        read->kind = RB_KIND_BUILD;
        read->is_plugin = word[3] == 'S';
    } else if (strcmp(word, "project.in") == 0 || strcmp(word, "crossProject") == 0) {
        read->sheet->members++;
    }
}

static void sbt_token(struct sbt_read *read, struct rb_scan_package *package)
{
    struct rb_lex_token token = read->lex.token;
    bool is_bracket = token.kind == RB_LEX_SIGN && rb_text_has("([", token.piece.at[0]);
    if (rb_lex_is_word(&token, "val") || rb_lex_is_word(&token, "def")) {
        sbt_begin_value(read);
        return;
    }
    if (token.kind != RB_LEX_TEXT && token.kind != RB_LEX_WORD) {
        if (!is_bracket)
            read->value = "";
        return;
    }
    int line = sbt_line(read, token.piece.at);
    struct sbt_expression first = sbt_expression(read);
    struct rb_lex_token next = rb_lex_peek(&read->lex);
    if (rb_lex_is(&next, '%')) {
        sbt_dependency(read, first, line);
        read->kind = NULL;
        read->is_plugin = false;
    } else if (*read->value && first.kind && first.kind != SBT_COMPUTED) {
        sbt_note(read, &read->sheet->sbt->values, read->value, first);
    }
    if (token.kind == RB_LEX_WORD)
        sbt_word(read, package);
    read->value = "";
}

/* The folder of the build that a file belongs to: Scala in project/ is for the one above it, a script there
 * for the build of the build. */
static const char *sbt_build(struct rb_arena *arena, const char *path)
{
    size_t len = (size_t)(rb_path_base(path) - path);
    static const char project[] = "project/";
    size_t end = sizeof project - 1;
    if (rb_text_ends(path, ".scala") && len >= end && memcmp(path + len - end, project, end) == 0)
        len -= end;
    return rb_arena_strndup(arena, path, len);
}

rb_err rb_sbt_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct sbt_read read = {.sheet = sheet,
                            .lex = {.rest = {text, len}, .language = &sbt_language},
                            .build = sbt_build(sheet->arena, sheet->manifest),
                            .at = text,
                            .line = 1,
                            .value = ""};
    bool is_package = strcmp(rb_path_base(sheet->manifest), "build.sbt") == 0 &&
                      !rb_text_ends(sheet->manifest, "project/build.sbt");
    struct rb_scan_package *package = is_package ? rb_scan_add_package(sheet, "", "", "") : NULL;
    if (!sheet->sbt)
        sheet->sbt = rb_arena_alloc(sheet->arena, sizeof *sheet->sbt);
    while (rb_lex_next(&read.lex).kind != RB_LEX_END)
        sbt_token(&read, package);
    return RB_OK;
}

/* ---- what follows ------------------------------------------------------------------------------------- */

/* Whether one build knows what another one says: those above do, but for that of the build itself. */
static bool sbt_build_knows(const char *build, const char *other)
{
    return strcmp(build, other) == 0 ||
           (!rb_text_ends(build, "project/") && strncmp(build, other, strlen(other)) == 0);
}

static const char *sbt_resolve(const struct rb_scan_sheet *sheet, const char *build,
                               struct sbt_expression value, int nested);

/* The value of a name, of the nearest build that has it; NULL when none has, or several that differ. */
static const char *sbt_find(const struct rb_scan_sheet *sheet, const struct sbt_list *list, const char *build,
                            const char *name, int nested)
{
    const char *found = NULL, *where = NULL;
    bool is_clear = true;
    for (size_t i = 0; i < list->count; i++) {
        const struct sbt_value *item = &list->items[i];
        if (sheet->sbt->steps++ >= SBT_STEPS_MAX)
            return NULL;
        if (strcmp(item->name, sbt_last_part(name)) != 0 || !sbt_build_knows(build, item->build) ||
            (where && strlen(item->build) < strlen(where)))
            continue;
        const char *value = sbt_resolve(sheet, item->build, item->value, nested + 1);
        bool is_nearer = !where || strlen(item->build) > strlen(where);
        is_clear = is_nearer ? value != NULL : is_clear && value && strcmp(value, found) == 0;
        found = value;
        where = item->build;
    }
    return is_clear ? found : NULL;
}

/* "$x", "${x}" and "${Versions.x}" of a text; NULL when one of them is not known. */
static const char *sbt_fill(const struct rb_scan_sheet *sheet, const char *build, const char *text,
                            int nested)
{
    struct rb_buf out;
    const char *filled = NULL;
    rb_err err = RB_OK;
    rb_buf_init(&out, RB_SCAN_NAME_MAX);
    while (*text && !err) {
        char name[SBT_WORD_MAX];
        size_t plain = strcspn(text, "$");
        err = rb_buf_printf(&out, "%.*s", (int)plain, text);
        text += plain;
        if (!*text)
            break;
        bool has_braces = text[1] == '{';
        text += 1 + has_braces;
        size_t len = 0;
        while (isalnum((unsigned char)text[len]) || text[len] == '_' || (has_braces && text[len] == '.'))
            len++;
        bool is_name = len > 0 && len < sizeof name && (!has_braces || text[len] == '}');
        snprintf(name, sizeof name, "%.*s", (int)(is_name ? len : 0), text);
        const char *value = is_name ? sbt_find(sheet, &sheet->sbt->values, build, name, nested) : NULL;
        err = value && !err ? rb_buf_printf(&out, "%s", value) : RB_EINVAL;
        text += len + (is_name && has_braces);
    }
    if (!err)
        filled = rb_arena_strdup(sheet->arena, out.len ? out.data : "");
    rb_buf_free(&out);
    return filled;
}

static const char *sbt_resolve(const struct rb_scan_sheet *sheet, const char *build,
                               struct sbt_expression value, int nested)
{
    if (nested > SBT_NESTED_MAX)
        return NULL;
    if (value.kind == SBT_TEXT)
        return value.text;
    if (value.kind == SBT_MIXED)
        return sbt_fill(sheet, build, value.text, nested);
    return value.kind == SBT_WORD ? sbt_find(sheet, &sheet->sbt->values, build, value.text, nested) : NULL;
}

/* "2.13" of "2.13.12", "3" of "3.3.1"; "" when it is no release, whose libraries are found otherwise. */
static const char *scala_binary(struct rb_arena *arena, const char *version)
{
    size_t major = strspn(version, "0123456789");
    if (!major || version[major] != '.' || strspn(version, "0123456789.") != strlen(version))
        return "";
    if (version[0] != '2')
        return rb_arena_strndup(arena, version, major);
    return rb_arena_strndup(arena, version, major + 1 + strspn(version + major + 1, "0123456789"));
}

/* Under which name the registry has it: "org:name_2.13". "" when that is not known. */
static const char *sbt_artifact(const struct rb_scan_sheet *sheet, const struct sbt_dependency *found,
                                const char *name)
{
    const char *cross = found->cross ? found->cross : "binary", *version, *binary;
    if (found->is_plugin || found->signs == 3)
        return "";
    if (found->signs == 1 && !found->cross)
        return NULL;
    version = sbt_find(sheet, &sheet->sbt->scala, found->build, "scalaVersion", 0);
    binary = version ? scala_binary(sheet->arena, version) : "";
    if (!*binary)
        return "";
    if (strcmp(cross, "full") == 0)
        binary = version;
    else if (strcmp(cross, "for3Use2_13") == 0)
        binary = strcmp(binary, "3") == 0 ? "2.13" : binary;
    else if (strcmp(cross, "for2_13Use3") == 0)
        binary = strcmp(binary, "2.13") == 0 ? "3" : binary;
    else if (strcmp(cross, "binary") != 0)
        return "";
    return rb_arena_printf(sheet->arena, "%s_%s", name, binary);
}

/* What is written of a value where it is used: `akka % Test`. */
static const char *sbt_use(const struct rb_sbt *sbt, const struct sbt_dependency *found)
{
    for (size_t i = 0; i < sbt->uses.count && *found->value; i++) {
        const struct sbt_value *use = &sbt->uses.items[i];
        if (strcmp(use->name, found->value) == 0 && sbt_build_knows(use->build, found->build))
            return sbt_configuration(use->value.text);
    }
    return NULL;
}

void rb_sbt_settle(struct rb_scan *scan)
{
    struct rb_scan_sheet *sheet = &scan->sheet;
    for (const struct sbt_dependency *found = sheet->sbt ? sheet->sbt->first : NULL; found;
         found = found->next) {
        struct rb_scan_dependency *item = &sheet->items[found->item];
        const char *org = sbt_resolve(sheet, found->build, found->org, 0),
                   *name = sbt_resolve(sheet, found->build, found->name, 0),
                   *version = sbt_resolve(sheet, found->build, found->version, 0),
                   *kind = sbt_use(sheet->sbt, found);
        if (!org || !name) {
            rb_scan_skip(scan, item->manifest, RB_SKIP_PARSE,
                         rb_arena_printf(scan->arena, "line %d: the name of a dependency is computed: %s",
                                         found->line, !org ? found->org.text : found->name.text));
            item->name = "";
            continue;
        }
        item->name = rb_arena_printf(scan->arena, "%.*s:%.*s", RB_SCAN_NAME_MAX / 2 - 1, org,
                                     RB_SCAN_NAME_MAX / 2 - 1, name);
        item->requirement = version ? version : "";
        item->artifact = sbt_artifact(sheet, found, item->name);
        item->kind = kind && strcmp(item->kind, RB_KIND_RUNTIME) == 0 ? kind : item->kind;
    }
}
