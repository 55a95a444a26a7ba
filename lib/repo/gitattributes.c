/*
 * Each line that matters becomes a rule. Rules are kept so that the first that says something of an attribute
 * wins: files of deeper folders first, in a file the last line first.
 */
#include "lib/repo/gitattributes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- globs -------------------------------------------------------------------------------------------- */

struct glob {
    const char *at, *end;
};

static bool class_holds(const char *name, size_t len, unsigned char c)
{
    static const struct {
        const char *name;
        int (*holds)(int);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
                   {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
                   {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strlen(classes[i].name) == len && memcmp(classes[i].name, name, len) == 0)
            return classes[i].holds(c) != 0;
    }
    return false;
}

/* One character of a bracket, which may be escaped; moves on. */
static unsigned char bracket_take(struct glob *glob)
{
    if (*glob->at == '\\' && glob->at + 1 < glob->end)
        glob->at++;
    return (unsigned char)*glob->at++;
}

/* One item of a bracket: a class, a range, or a character; moves on. */
static bool bracket_item(struct glob *glob, unsigned char c)
{
    if (glob->end - glob->at > 2 && glob->at[0] == '[' && glob->at[1] == ':') {
        const char *name = glob->at + 2;
        const char *close = memchr(name, ']', (size_t)(glob->end - name));
        if (close && close > name && close[-1] == ':') {
            glob->at = close + 1;
            return class_holds(name, (size_t)(close - 1 - name), c);
        }
    }
    unsigned char from = bracket_take(glob);
    if (glob->end - glob->at > 1 && glob->at[0] == '-' && glob->at[1] != ']') {
        glob->at++;
        unsigned char to = bracket_take(glob);
        return from <= c && c <= to;
    }
    return from == c;
}

/* A bracket, whose '[' glob->at stands on; moves behind it. One that is never closed matches nothing. */
static bool bracket_matches(struct glob *glob, unsigned char c)
{
    glob->at++;
    bool negated = glob->at < glob->end && (*glob->at == '!' || *glob->at == '^'), found = false;
    glob->at += negated;
    for (bool first = true; glob->at < glob->end && (first || *glob->at != ']'); first = false)
        found = bracket_item(glob, c) || found;
    if (glob->at >= glob->end)
        return false;
    glob->at++;
    return found != negated && c != '/';
}

/* Whether the next piece of the pattern takes `c`; moves behind it. */
static bool glob_takes(struct glob *glob, unsigned char c, bool pathname)
{
    if (*glob->at == '?') {
        glob->at++;
        return !(pathname && c == '/');
    }
    if (*glob->at == '[')
        return bracket_matches(glob, c);
    if (*glob->at == '\\' && glob->at + 1 < glob->end)
        glob->at++;
    return (unsigned char)*glob->at++ == c;
}

/* Where to go on when what follows a star does not match: behind the star, with more of the text taken. */
struct star {
    const char *pattern; /* NULL: none yet */
    const char *text;
    bool folders; /* "**" and a slash: takes whole folders, or none */
};

/* Reads the stars that glob->at stands on; moves behind them. True when they take slashes too. */
static bool star_read(struct star *star, struct glob *glob, const char *pattern, const char *text,
                      bool pathname)
{
    const char *begin = glob->at;
    while (glob->at < glob->end && *glob->at == '*')
        glob->at++;
    bool whole = glob->at - begin == 2 && (begin == pattern || begin[-1] == '/') &&
                 (glob->at == glob->end || *glob->at == '/');
    bool folders = pathname && whole && glob->at < glob->end;
    glob->at += folders;
    *star = (struct star){glob->at, text, folders};
    return !pathname || whole;
}

/* Lets a star that takes slashes take more. False when there is no more. */
static bool star_grow(struct star *star)
{
    if (!star->pattern || !*star->text)
        return false;
    if (!star->folders) {
        star->text++;
        return true;
    }
    const char *slash = strchr(star->text, '/');
    star->text = slash ? slash + 1 : "";
    return slash != NULL;
}

/*
 * Two places to go back to are enough, the latest star of each kind: what an earlier one could still take,
 * the later one can too. So the time is bounded by the product of the lengths.
 */
bool attribute_glob(const char *pattern, size_t pattern_len, const char *text, bool pathname)
{
    struct glob glob = {pattern, pattern + pattern_len};
    struct star near = {0}, far = {0};
    for (;;) {
        struct glob next = glob;
        if (glob.at < glob.end && *glob.at == '*') {
            struct star star;
            bool takes_slashes = star_read(&star, &glob, pattern, text, pathname);
            *(takes_slashes ? &far : &near) = star;
            if (takes_slashes)
                near.pattern = NULL;
        } else if (glob.at == glob.end && !*text) {
            return true;
        } else if (glob.at < glob.end && *text && glob_takes(&next, (unsigned char)*text, pathname)) {
            glob = next;
            text++;
        } else if (near.pattern && *near.text && *near.text != '/') {
            glob.at = near.pattern;
            text = ++near.text;
        } else if (star_grow(&far)) {
            glob.at = far.pattern;
            text = far.text;
            near.pattern = NULL;
        } else {
            return false;
        }
    }
}

/* ---- lines -------------------------------------------------------------------------------------------- */

/* What a rule says: of one of the six, or of a macro (their numbers follow). */
struct saying {
    int name;
    struct attribute attribute;
    struct saying *next; /* of the same line, the last first: it wins */
};
struct rule {
    const char *pattern; /* NULL: a macro's definition */
    size_t pattern_len;
    bool is_path; /* has a slash: matched with all of the path below the folder, else with the name */
    const char *folder;
    size_t folder_len; /* 0: the root; else with its slash */
    size_t order;      /* in which it came */
    struct saying *sayings;
};
struct macro {
    const char *name;
    struct saying *sayings; /* NULL: only named so far */
};
struct attributes {
    struct rb_arena *arena;
    struct rule rules[ATTRIBUTE_RULES_MAX];
    size_t rule_count;
    struct macro macros[ATTRIBUTE_MACROS_MAX];
    size_t macro_count;
    bool sorted;
};

static const char *const attribute_names[ATTRIBUTE_COUNT] = {"linguist-language",   "linguist-vendored",
                                                             "linguist-generated",  "linguist-documentation",
                                                             "linguist-detectable", "filter"};

struct attributes *attributes_new(struct rb_arena *arena)
{
    struct attributes *all = rb_arena_alloc(arena, sizeof *all);
    all->arena = arena;
    all->rule_count = all->macro_count = 0;
    all->sorted = true;
    return all;
}

bool attributes_are_there(const struct attributes *all)
{
    return all->rule_count > 0;
}

struct word {
    const char *at;
    size_t len;
};

static bool word_next(struct word *word, struct word *rest)
{
    while (rest->len && (isspace((unsigned char)*rest->at))) {
        rest->at++;
        rest->len--;
    }
    word->at = rest->at;
    for (word->len = 0; word->len < rest->len && !isspace((unsigned char)rest->at[word->len]);)
        word->len++;
    rest->at += word->len;
    rest->len -= word->len;
    return word->len > 0;
}

static int macro_number(struct attributes *all, struct word name, bool make)
{
    for (size_t i = 0; i < all->macro_count; i++) {
        if (strlen(all->macros[i].name) == name.len && memcmp(all->macros[i].name, name.at, name.len) == 0)
            return ATTRIBUTE_COUNT + (int)i;
    }
    if (!make || all->macro_count == ATTRIBUTE_MACROS_MAX)
        return -1;
    all->macros[all->macro_count] = (struct macro){.name = rb_arena_strndup(all->arena, name.at, name.len)};
    return ATTRIBUTE_COUNT + (int)all->macro_count++;
}

static int name_number(struct attributes *all, struct word name)
{
    for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
        if (strlen(attribute_names[i]) == name.len && memcmp(attribute_names[i], name.at, name.len) == 0)
            return i;
    }
    return macro_number(all, name, false);
}

/* "name", "-name", "!name", "name=value". */
static struct saying *saying_of(struct attributes *all, struct word word, struct saying *next)
{
    struct attribute attribute = {ATTRIBUTE_TRUE, ""};
    if (*word.at == '-' || *word.at == '!') {
        attribute.state = *word.at == '-' ? ATTRIBUTE_FALSE : ATTRIBUTE_UNSAID;
        word.at++;
        word.len--;
    }
    const char *equals = memchr(word.at, '=', word.len);
    size_t len = equals ? (size_t)(equals - word.at) : word.len;
    int name = name_number(all, (struct word){word.at, len});
    if (name < 0)
        return next;
    if (equals && attribute.state == ATTRIBUTE_TRUE) {
        attribute.state = ATTRIBUTE_VALUE;
        attribute.value = rb_arena_strndup(all->arena, equals + 1, word.len - len - 1);
    }
    struct saying *saying = rb_arena_alloc(all->arena, sizeof *saying);
    *saying = (struct saying){name, attribute, next};
    return saying;
}

static struct saying *sayings_of(struct attributes *all, struct word rest)
{
    struct saying *sayings = NULL;
    struct word word;
    while (word_next(&word, &rest))
        sayings = saying_of(all, word, sayings);
    return sayings;
}

/* A pattern in quotes, written as in C; moves `rest` behind it. NULL when it is not closed. */
static const char *pattern_unquote(struct attributes *all, size_t *len, struct word *rest)
{
    char *out = rb_arena_alloc(all->arena, rest->len + 1);
    size_t count = 0, at = 1;
    for (; at < rest->len && rest->at[at] != '"'; at++) {
        char c = rest->at[at];
        if (c == '\\' && at + 1 < rest->len) {
            static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
            c = rest->at[++at];
            const char *known = strchr(from, c);
            if (c >= '0' && c <= '3' && at + 2 < rest->len) {
                c = (char)((c - '0') * 64 + (rest->at[at + 1] - '0') * 8 + (rest->at[at + 2] - '0'));
                at += 2;
            } else if (known && c) {
                c = to[known - from];
            }
        }
        out[count++] = c;
    }
    if (at >= rest->len)
        return NULL;
    rest->at += at + 1;
    rest->len -= at + 1;
    *len = count;
    return out;
}

/* "[attr]name …": only at the root, as in git. */
static bool line_is_macro(struct attributes *all, struct word line, const char *folder)
{
    struct word name;
    if (line.len < 6 || memcmp(line.at, "[attr]", 6) != 0)
        return false;
    line.at += 6;
    line.len -= 6;
    if (*folder || !word_next(&name, &line))
        return true;
    int number = macro_number(all, name, true);
    if (number >= 0)
        all->macros[number - ATTRIBUTE_COUNT].sayings = sayings_of(all, line);
    return true;
}

static void line_add(struct attributes *all, struct word line, const char *folder)
{
    struct word pattern;
    while (line.len && (*line.at == ' ' || *line.at == '\t' || *line.at == '\r')) {
        line.at++;
        line.len--;
    }
    if (!line.len || *line.at == '#' || line.len >= ATTRIBUTE_LINE_MAX || line_is_macro(all, line, folder))
        return;
    if (*line.at == '"') {
        pattern.at = pattern_unquote(all, &pattern.len, &line);
        if (!pattern.at)
            return;
    } else if (!word_next(&pattern, &line)) {
        return;
    }
    /* A negated pattern counts for nothing, nor does a folder: attributes are of files. */
    if (!pattern.len || *pattern.at == '!' || pattern.at[pattern.len - 1] == '/')
        return;
    struct saying *sayings = sayings_of(all, line);
    if (!sayings || all->rule_count == ATTRIBUTE_RULES_MAX)
        return;
    bool is_path = memchr(pattern.at, '/', pattern.len) != NULL, is_rooted = *pattern.at == '/';
    struct rule *rule = &all->rules[all->rule_count];
    *rule = (struct rule){
        .pattern = rb_arena_strndup(all->arena, pattern.at + is_rooted, pattern.len - is_rooted),
        .pattern_len = pattern.len - is_rooted,
        .is_path = is_path,
        .folder = folder,
        .folder_len = strlen(folder),
        .order = all->rule_count++,
        .sayings = sayings,
    };
}

void attributes_add(struct attributes *all, const char *path, const char *content, size_t len)
{
    const char *slash = strrchr(path, '/');
    const char *folder = rb_arena_strndup(all->arena, path, slash ? (size_t)(slash + 1 - path) : 0);
    if (len >= 3 && memcmp(content, "\xef\xbb\xbf", 3) == 0) {
        content += 3;
        len -= 3;
    }
    while (len) {
        const char *newline = memchr(content, '\n', len);
        size_t line = newline ? (size_t)(newline - content) : len;
        if (!memchr(content, 0, line))
            line_add(all, (struct word){content, line}, folder);
        content += line + (newline != NULL);
        len -= line + (newline != NULL);
    }
    all->sorted = false;
}

/* ---- what they say of a path -------------------------------------------------------------------------- */

static int rule_order(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    if (x->folder_len != y->folder_len)
        return x->folder_len < y->folder_len ? 1 : -1;
    return x->order < y->order ? 1 : -1;
}

static bool rule_matches(const struct rule *rule, const char *path, const char *base)
{
    if (rule->folder_len && strncmp(path, rule->folder, rule->folder_len) != 0)
        return false;
    return attribute_glob(rule->pattern, rule->pattern_len, rule->is_path ? path + rule->folder_len : base,
                          rule->is_path);
}

struct answer {
    struct attribute *out;
    bool said[ATTRIBUTE_COUNT + ATTRIBUTE_MACROS_MAX];
};

/* The first word on each counts. A macro that is set says all that it stands for. */
static void answer_take(struct answer *answer, const struct attributes *all, const struct saying *sayings)
{
    for (const struct saying *saying = sayings; saying; saying = saying->next) {
        if (answer->said[saying->name])
            continue;
        answer->said[saying->name] = true;
        if (saying->name < ATTRIBUTE_COUNT)
            answer->out[saying->name] = saying->attribute;
        else if (saying->attribute.state == ATTRIBUTE_TRUE)
            answer_take(answer, all, all->macros[saying->name - ATTRIBUTE_COUNT].sayings);
    }
}

void attributes_of(struct attribute out[ATTRIBUTE_COUNT], struct attributes *all, const char *path)
{
    struct answer answer = {.out = out};
    memset(out, 0, ATTRIBUTE_COUNT * sizeof *out);
    if (!all->sorted) {
        qsort(all->rules, all->rule_count, sizeof *all->rules, rule_order);
        all->sorted = true;
    }
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    for (size_t i = 0; i < all->rule_count; i++) {
        if (rule_matches(&all->rules[i], path, base))
            answer_take(&answer, all, all->rules[i].sayings);
    }
}
