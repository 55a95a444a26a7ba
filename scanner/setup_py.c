/*
 * setup.py as far as it can be read without running it: what setup() is given as literal lists and
 * dictionaries of strings, written there or in a variable. Whatever is computed is left out; nothing is
 * guessed.
 */
#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"

#define SETUP_VARIABLES_MAX 200 /* a long setup.py has thirty */
#define SETUP_DEPTH_MAX     20  /* brackets and variables within each other; three are seen */
#define SETUP_STEPS_MAX                                                                 \
    1000000 /* tokens read altogether: variables that name others could repeat for long \
             */

enum token { TOKEN_END, TOKEN_NAME, TOKEN_TEXT, TOKEN_MARK };
struct setup_py {
    struct rb_scan_sheet *sheet;
    struct rb_piece rest;
    enum token token;
    char mark;            /* of TOKEN_MARK: the character; anything that is no name, string or bracket */
    struct rb_piece word; /* of TOKEN_NAME and TOKEN_TEXT, without quotes */
    size_t steps, depth;
    struct {
        struct rb_piece name, value;
    } variables[SETUP_VARIABLES_MAX];
    size_t variable_count;
    struct rb_scan_package *package;
    const char *name, *version, *licence, *python;
    const char **about; /* which of them is being read */
};

/* ---- tokens -----------------------------------------------------------------------------------------------
 */

/* A string, single or triple; `rest` begins with its quote. Escapes stay as they are: no requirement has one.
 */
static void setup_text(struct setup_py *py)
{
    struct rb_piece rest = py->rest;
    char quote = rest.at[0];
    bool is_long = rest.len >= 3 && rest.at[1] == quote && rest.at[2] == quote;
    size_t begin = is_long ? 3 : 1, end = begin;
    for (; end < rest.len; end++) {
        if (rest.at[end] == '\\') {
            end++;
            continue;
        }
        if (!is_long && rest.at[end] == '\n')
            break;
        if (rest.at[end] == quote &&
            (!is_long || (end + 2 < rest.len && rest.at[end + 1] == quote && rest.at[end + 2] == quote)))
            break;
    }
    bool is_whole = end < rest.len && rest.at[end] == quote;
    py->token = is_whole ? TOKEN_TEXT : end < rest.len ? TOKEN_MARK : TOKEN_END;
    py->mark = quote;
    py->word = (struct rb_piece){rest.at + begin, is_whole ? end - begin : 0};
    py->rest = rb_piece_after(rest, is_whole ? end + begin : end);
}

static void setup_skip_blank(struct setup_py *py)
{
    while (py->rest.len) {
        char c = py->rest.at[0];
        if (c == '#') {
            const char *end = memchr(py->rest.at, '\n', py->rest.len);
            py->rest = rb_piece_after(py->rest, end ? (size_t)(end - py->rest.at) : py->rest.len);
        } else if (isspace((unsigned char)c) || c == '\\') {
            py->rest = rb_piece_after(py->rest, 1);
        } else {
            return;
        }
    }
}

static bool setup_is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void setup_next(struct setup_py *py)
{
    setup_skip_blank(py);
    py->token = TOKEN_END;
    if (py->rest.len == 0 || ++py->steps > SETUP_STEPS_MAX)
        return;
    if (py->rest.at[0] == '"' || py->rest.at[0] == '\'') {
        setup_text(py);
        return;
    }
    size_t len = 0;
    while (len < py->rest.len && setup_is_name(py->rest.at[len]))
        len++;
    struct rb_piece word = {py->rest.at, len};
    py->token = len ? TOKEN_NAME : TOKEN_MARK;
    py->mark = py->rest.at[0];
    py->word = word;
    py->rest = rb_piece_after(py->rest, len ? len : 1);
    bool is_prefix = len && len <= 2 && py->rest.len && (py->rest.at[0] == '"' || py->rest.at[0] == '\'');
    if (!is_prefix)
        return;
    setup_text(py);
    if (py->token != TOKEN_END &&
        (memchr(word.at, 'f', len) || memchr(word.at, 'F', len) || memchr(word.at, 'b', len))) {
        py->token = TOKEN_MARK; /* computed */
        py->mark = '%';
    }
}

static bool setup_is(const struct setup_py *py, char mark)
{
    return py->token == TOKEN_MARK && py->mark == mark;
}

/* Strings next to each other are one. False when the value goes on: "a" % b, "a".format(). */
static bool setup_whole_text(struct setup_py *py, struct rb_piece *out)
{
    *out = py->word;
    bool is_copied = false;
    for (setup_next(py); py->token == TOKEN_TEXT; setup_next(py)) {
        char *joined = rb_arena_alloc(py->sheet->arena, out->len + py->word.len + 1);
        if (is_copied && out->len > RB_SCAN_NAME_MAX) /* no requirement is so long */
            continue;
        memcpy(joined, out->at, out->len);
        memcpy(joined + out->len, py->word.at, py->word.len);
        *out = (struct rb_piece){joined, out->len + py->word.len};
        is_copied = true;
    }
    if (py->token == TOKEN_NAME) /* the next statement, unless the value hangs on a condition */
        return !rb_piece_is(py->word, "if") && !rb_piece_is(py->word, "or") && !rb_piece_is(py->word, "and");
    return py->token == TOKEN_MARK && rb_text_has(",])}:", py->mark);
}

/* To the comma or bracket that ends the present value. */
static void setup_skip_value(struct setup_py *py)
{
    size_t open = 0;
    for (; py->token != TOKEN_END; setup_next(py)) {
        if (py->token != TOKEN_MARK)
            continue;
        if (open == 0 && rb_text_has(",])}", py->mark))
            return;
        open += py->mark == '[' || py->mark == '(' || py->mark == '{';
        open -= open && (py->mark == ']' || py->mark == ')' || py->mark == '}');
    }
}

/* ---- variables --------------------------------------------------------------------------------------------
 */

/* NAME = [ … ], anywhere: the last one that begins like a literal. */
static void setup_variables(struct setup_py *py)
{
    struct rb_piece name = {"", 0};
    bool is_named = false;
    for (setup_next(py); py->token != TOKEN_END && py->variable_count < SETUP_VARIABLES_MAX; setup_next(py)) {
        if (is_named && setup_is(py, '=')) {
            struct rb_piece value = py->rest;
            setup_skip_blank(py);
            if (py->rest.len && rb_text_has("[({\"'", py->rest.at[0])) {
                py->variables[py->variable_count].name = name;
                py->variables[py->variable_count++].value = value;
            }
        }
        is_named = py->token == TOKEN_NAME;
        name = py->word;
    }
}

static bool setup_variable(const struct setup_py *py, struct rb_piece *value, struct rb_piece name)
{
    for (size_t i = py->variable_count; i-- > 0;) {
        const struct rb_piece *known = &py->variables[i].name;
        if (known->len == name.len && memcmp(known->at, name.at, name.len) == 0) {
            *value = py->variables[i].value;
            return true;
        }
    }
    return false;
}

/* ---- values -----------------------------------------------------------------------------------------------
 */

/* What a string in a list is good for. */
typedef void (*setup_use_fn)(struct setup_py *py, struct rb_piece text, const char *kind);

static void setup_use_requirement(struct setup_py *py, struct rb_piece text, const char *kind)
{
    struct rb_piece line;
    while (rb_piece_line(&line, &text)) /* setuptools takes them a line each as well */
        rb_python_requirement(py->sheet, line.at, line.len, kind);
}

static void setup_use_entry(struct setup_py *py, struct rb_piece text, const char *kind)
{
    (void)kind;
    rb_python_add_entry(py->sheet, py->package, text.at, text.len);
}

static void setup_list(struct setup_py *py, setup_use_fn use, const char *kind);

/* A variable's value, read from where it stands; then back to behind its name. "name[1:]" and "name(…)" are
 * computed. */
static void setup_elsewhere(struct setup_py *py, setup_use_fn use, const char *kind,
                            void (*read)(struct setup_py *, setup_use_fn, const char *))
{
    struct rb_piece value, name = py->word, back = py->rest;
    setup_next(py);
    bool is_computed = py->token == TOKEN_MARK && rb_text_has("[(.%*", py->mark);
    if (is_computed || py->depth == SETUP_DEPTH_MAX || !setup_variable(py, &value, name))
        return;
    py->depth++;
    py->rest = value;
    setup_next(py);
    read(py, use, kind);
    py->depth--;
    py->rest = back;
    setup_next(py);
}

static void setup_members(struct setup_py *py, setup_use_fn use, const char *kind)
{
    setup_next(py);
    while (py->token != TOKEN_END && !(py->token == TOKEN_MARK && rb_text_has("])}", py->mark))) {
        struct rb_piece text;
        if (py->token == TOKEN_TEXT) {
            if (setup_whole_text(py, &text))
                use(py, text, kind);
        } else if (setup_is(py, '*')) {
            setup_next(py);
            if (py->token == TOKEN_NAME)
                setup_elsewhere(py, use, kind, setup_list);
        }
        setup_skip_value(py);
        if (setup_is(py, ','))
            setup_next(py);
    }
    setup_next(py);
}

/* [ … ], ( … ), "…", a variable that is one of those, and sums of them. */
static void setup_list(struct setup_py *py, setup_use_fn use, const char *kind)
{
    struct rb_piece text;
    for (;;) {
        if (setup_is(py, '[') || setup_is(py, '('))
            setup_members(py, use, kind);
        else if (py->token == TOKEN_TEXT && setup_whole_text(py, &text))
            use(py, text, kind);
        else if (py->token == TOKEN_NAME)
            setup_elsewhere(py, use, kind, setup_list);
        else
            return;
        if (!setup_is(py, '+'))
            return;
        setup_next(py);
    }
}

/* "test", "socks:python_version<'3'", ":python_version<'3'". */
static const char *setup_extra_kind(struct setup_py *py, struct rb_piece extra)
{
    const char *mark = extra.len ? memchr(extra.at, ':', extra.len) : NULL;
    if (mark)
        extra.len = (size_t)(mark - extra.at);
    return extra.len ? rb_python_group_kind(rb_piece_copy(py->sheet->arena, extra), RB_KIND_OPTIONAL)
                     : RB_KIND_RUNTIME;
}

/* { "name": [ … ], … } or a variable that is one. */
static void setup_table(struct setup_py *py, setup_use_fn use, const char *kind)
{
    if (py->token == TOKEN_NAME) {
        setup_elsewhere(py, use, kind, setup_table);
        return;
    }
    if (!setup_is(py, '{'))
        return;
    setup_next(py);
    while (py->token != TOKEN_END && !setup_is(py, '}')) {
        struct rb_piece name = {"", 0};
        bool is_text = py->token == TOKEN_TEXT && setup_whole_text(py, &name);
        if (is_text && setup_is(py, ':')) {
            setup_next(py);
            bool is_entry = rb_piece_is(name, "console_scripts") || rb_piece_is(name, "gui_scripts");
            if (use != setup_use_entry)
                setup_list(py, use, setup_extra_kind(py, name));
            else if (is_entry)
                setup_list(py, use, kind);
        }
        setup_skip_value(py);
        if (py->token == TOKEN_MARK && rb_text_has("])", py->mark)) /* brackets that do not match */
            return;
        if (setup_is(py, ','))
            setup_next(py);
    }
    setup_next(py);
}

/* ---- setup( … ) -------------------------------------------------------------------------------------------
 */

static void setup_use_about(struct setup_py *py, struct rb_piece text, const char *kind)
{
    (void)kind;
    *py->about = rb_piece_copy(py->sheet->arena, text);
}

static void setup_about(struct setup_py *py, const char **out)
{
    py->about = out;
    setup_list(py, setup_use_about, NULL);
}

/* The value of one argument; the token is its first. */
static void setup_argument(struct setup_py *py, struct rb_piece name)
{
    if (rb_piece_is(name, "install_requires"))
        setup_list(py, setup_use_requirement, RB_KIND_RUNTIME);
    else if (rb_piece_is(name, "setup_requires"))
        setup_list(py, setup_use_requirement, RB_KIND_BUILD);
    else if (rb_piece_is(name, "tests_require"))
        setup_list(py, setup_use_requirement, RB_KIND_TEST);
    else if (rb_piece_is(name, "extras_require"))
        setup_table(py, setup_use_requirement, RB_KIND_OPTIONAL);
    else if (rb_piece_is(name, "entry_points"))
        setup_table(py, setup_use_entry, NULL);
    else if (rb_piece_is(name, "name"))
        setup_about(py, &py->name);
    else if (rb_piece_is(name, "version"))
        setup_about(py, &py->version);
    else if (rb_piece_is(name, "license"))
        setup_about(py, &py->licence);
    else if (rb_piece_is(name, "python_requires"))
        setup_about(py, &py->python);
}

/* `name = value` of a call, `"name": value` of a dictionary; `separator` tells which. */
static void setup_arguments(struct setup_py *py, char separator, char close)
{
    setup_next(py);
    while (py->token != TOKEN_END && !setup_is(py, close)) {
        struct rb_piece name = py->word, value, back;
        bool is_name = py->token == (separator == '=' ? TOKEN_NAME : TOKEN_TEXT);
        bool is_rest = setup_is(py, '*');
        setup_next(py);
        if (is_name && setup_is(py, separator)) {
            setup_next(py);
            setup_argument(py, name);
        } else if (is_rest && setup_is(py, '*')) { /* setup(**kwargs) */
            setup_next(py);
            back = py->rest;
            if (py->token == TOKEN_NAME && py->depth == 0 && setup_variable(py, &value, py->word)) {
                py->depth++;
                py->rest = value;
                setup_next(py);
                if (setup_is(py, '{'))
                    setup_arguments(py, ':', '}');
                py->depth--;
                py->rest = back;
                setup_next(py);
            }
        }
        setup_skip_value(py);
        if (py->token == TOKEN_MARK && py->mark != ',' && py->mark != close)
            return; /* brackets that do not match */
        if (setup_is(py, ','))
            setup_next(py);
    }
}

/* The entry points belong to the package, which is known only after all arguments: read once for what it is
 * called, once for the rest. */
static void setup_call(struct setup_py *py)
{
    size_t count = py->sheet->count;
    struct rb_piece begin = py->rest;
    setup_arguments(py, '=', ')');
    if (!py->name) /* computed: the folder is a package of unknown name */
        py->name = "";
    py->package = rb_python_add_package(py->sheet, py->name, py->version, py->licence);
    if (py->package && py->python) {
        const char *engine = rb_arena_printf(py->sheet->arena, "python %s", py->python);
        py->package->engine = rb_scan_requirement(py->sheet, engine, strlen(engine));
    }
    py->sheet->count = count;
    py->rest = begin;
    setup_arguments(py, '=', ')');
}

rb_err rb_setup_py_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct setup_py *py = rb_arena_alloc(sheet->arena, sizeof *py);
    py->sheet = sheet;
    py->rest = (struct rb_piece){text, len};
    setup_variables(py);
    py->rest = (struct rb_piece){text, len};
    bool is_setup = false, is_defined = false; /* "def setup(…)" is not the call */
    for (setup_next(py); py->token != TOKEN_END; setup_next(py)) {
        if (is_setup && setup_is(py, '(')) {
            setup_call(py);
            break;
        }
        is_setup = py->token == TOKEN_NAME && !is_defined && rb_piece_is(py->word, "setup");
        is_defined = py->token == TOKEN_NAME && rb_piece_is(py->word, "def");
    }
    return RB_OK;
}
