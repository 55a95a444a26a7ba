/*
 * What a name and a content say, each by itself. How linguist goes about it: modeline, file name,
 * first line ("#!"), extension, root of an XML file, pages of a manual, tests of the content. A step that
 * leaves one language ends it; one that leaves several hands them on.
 */
#include "lib/repo/language.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "lib/repo/language_data.h"
#include "lib/repo/language_match.h"

#define COUNT(table)    (sizeof(table) / sizeof *(table))
#define HEURISTIC_BYTES 51200   /* of a content that the tests look at, as linguist's */
#define LARGE_BYTES     1048576 /* no modeline is looked for beyond, as linguist's */

int rb_language_index(const char *name)
{
    size_t low = 0, high = rb_language_total;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcasecmp(name, rb_languages[middle].name);
        if (order == 0)
            return strcmp(name, rb_languages[middle].name) == 0 ? (int)middle : RB_LANGUAGE_NONE;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return RB_LANGUAGE_NONE;
}

int rb_language_by_alias(const char *text, size_t len)
{
    char lower[LANGUAGE_NAME_MAX];
    if (len >= sizeof lower)
        return RB_LANGUAGE_NONE;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)text[i]);
    lower[len] = 0;
    const struct language_key *key = language_find_alias(lower);
    if (!key) {
        lower[strcspn(lower, ",")] = 0;
        key = language_find_alias(lower);
    }
    return key ? language_lists[key->first] : RB_LANGUAGE_NONE;
}

int rb_language_counted_as(int index)
{
    return rb_languages[index].group;
}

int rb_language_of(const char *path)
{
    struct language_candidates candidates;
    language_candidates_of(&candidates, path);
    return candidates.count == 1 ? candidates.languages[0] : RB_LANGUAGE_NONE;
}

/* ---- a content ---------------------------------------------------------------------------------------- */

/* The languages that are left. */
#define LEFT_MAX 16 /* an extension has 12 at most */
struct left {
    int16_t languages[LEFT_MAX];
    size_t count;
};

/* What a step found, of what was left before it: all when that was nothing, nothing new when they have none
 * in common. True when one is left. */
static bool left_narrow(struct left *left, const int16_t *found, size_t count)
{
    struct left both = {.count = 0};
    for (size_t i = 0; i < count && both.count < LEFT_MAX; i++) {
        bool is_left = left->count == 0;
        for (size_t k = 0; k < left->count; k++)
            is_left = is_left || left->languages[k] == found[i];
        if (is_left)
            both.languages[both.count++] = found[i];
    }
    if (both.count)
        *left = both;
    return left->count == 1;
}

struct text {
    const char *at;
    size_t len;
};

/* The first or the last five lines. */
static struct text text_first_lines(struct text all)
{
    size_t len = 0;
    for (int i = 0; i < 5 && len < all.len; i++) {
        const char *newline = memchr(all.at + len, '\n', all.len - len);
        len = newline ? (size_t)(newline + 1 - all.at) : all.len;
    }
    return (struct text){all.at, len};
}

static struct text text_last_lines(struct text all)
{
    size_t begin = all.len;
    if (begin && all.at[begin - 1] == '\n')
        begin--;
    for (int lines = 0; begin > 0; begin--) {
        if (all.at[begin - 1] == '\n' && ++lines == 5)
            break;
    }
    return (struct text){all.at + begin, all.len - begin};
}

static int modeline_in(struct text text)
{
    static struct language_regex emacs = {.pattern = "(?i)-\\*-(?:[ \\t]*([^:;\\s]+)[ \\t]*-\\*-)"};
    static struct language_regex emacs_mode = {
        .pattern = "(?i)-\\*-(?:|.*?[ \\t;])[ \\t]*mode[ \\t]*:[ \\t]*([^:;\\s]+?)(?:[ \\t;].*?)?-\\*-"};
    static struct language_regex vim = {
        .pattern = "(?:(?:^|[ \\t])(?:vi|[vV]im(?:[<=>]?[0-9]+)?)|[ \\t]ex):(?:[^\\r\\n]*?[ \\t:])?"
                   "(?:filetype|ft|syntax)[ \\t]*=(\\w+)(?:$|\\s|:)"};
    const char *name;
    size_t len;
    if (memmem(text.at, text.len, "-*-", 3) &&
        (language_regex_finds(&name, &len, &emacs, text.at, text.len) ||
         language_regex_finds(&name, &len, &emacs_mode, text.at, text.len)))
        return rb_language_by_alias(name, len);
    if (language_regex_finds(&name, &len, &vim, text.at, text.len))
        return rb_language_by_alias(name, len);
    return RB_LANGUAGE_NONE;
}

/* Lines may be as long as the file: no modeline is. */
#define MODELINE_TEXT 4096
static int modeline_of(struct text all)
{
    struct text first = text_first_lines(all), last = text_last_lines(all);
    if (first.len > MODELINE_TEXT)
        first.len = MODELINE_TEXT;
    if (memmem(first.at, first.len, "UseVimball", 10))
        return RB_LANGUAGE_NONE;
    if (last.len > MODELINE_TEXT) {
        last.at += last.len - MODELINE_TEXT;
        last.len = MODELINE_TEXT;
    }
    int language = modeline_in(first);
    return language != RB_LANGUAGE_NONE ? language : modeline_in(last);
}

/* Takes the next word off `rest`. */
static struct text word_take(struct text *rest)
{
    while (rest->len && isspace((unsigned char)*rest->at)) {
        rest->at++;
        rest->len--;
    }
    struct text word = {rest->at, 0};
    while (word.len < rest->len && !isspace((unsigned char)word.at[word.len]))
        word.len++;
    rest->at += word.len;
    rest->len -= word.len;
    return word;
}

/* What "env" runs: options and variables before it are passed over. */
static struct text env_program(struct text rest)
{
    struct text word = word_take(&rest);
    while (word.len && (*word.at == '-' || memchr(word.at, '=', word.len)))
        word = word_take(&rest);
    return word;
}

/* "#!/bin/sh", whose first lines then start another program with the same file. */
static struct text shell_program(struct text all, struct text program)
{
    static struct language_regex other = {.pattern = "exec (\\w+)[\\s\"']+\\$0[\\s\"']+\\$@"};
    struct text first = text_first_lines(all);
    if (first.len <= MODELINE_TEXT)
        language_regex_finds(&program.at, &program.len, &other, first.at, first.len);
    return program;
}

static struct text after_last_slash(struct text word)
{
    for (size_t i = word.len; i > 0; i--) {
        if (word.at[i - 1] == '/')
            return (struct text){word.at + i, word.len - i};
    }
    return word;
}

/* The program that the first line names, without the last number of its version: "python3.11" is python3. */
static const struct language_key *interpreter_of(struct text all)
{
    char name[64];
    if (all.len < 2 || memcmp(all.at, "#!", 2) != 0)
        return NULL;
    const char *newline = memchr(all.at, '\n', all.len);
    struct text line = {all.at + 2, (size_t)((newline ? newline : all.at + all.len) - all.at) - 2};
    struct text program = after_last_slash(word_take(&line));
    if (program.len == 3 && memcmp(program.at, "env", 3) == 0)
        program = after_last_slash(env_program(line));
    size_t digits = 0;
    while (digits < program.len && isdigit((unsigned char)program.at[program.len - 1 - digits]))
        digits++;
    if (digits && digits < program.len && program.at[program.len - 1 - digits] == '.')
        program.len -= digits + 1;
    if (program.len == 2 && memcmp(program.at, "sh", 2) == 0)
        program = shell_program(all, program);
    if (program.len == 9 && memcmp(program.at, "osascript", 9) == 0 && memmem(line.at, line.len, "-l", 2))
        return NULL;
    if (!program.len || program.len >= sizeof name)
        return NULL;
    memcpy(name, program.at, program.len);
    name[program.len] = 0;
    return language_find_interpreter(name);
}

static bool content_is_binary(struct text all)
{
    if (all.len >= 2 && (memcmp(all.at, "\xff\xfe", 2) == 0 || memcmp(all.at, "\xfe\xff", 2) == 0))
        return false; /* UTF-16 */
    return memchr(all.at, 0, all.len) != NULL;
}

/* ---- tests of the content ----------------------------------------------------------------------------- */

static struct language_regex *content_regexes; /* as many as there are patterns */
static pthread_once_t content_once = PTHREAD_ONCE_INIT;

static void contents_prepare(void)
{
    content_regexes = rb_calloc(language_pattern_total, sizeof *content_regexes);
    for (size_t i = 0; i < language_pattern_total; i++)
        content_regexes[i].pattern = language_patterns[i];
}

static bool rule_holds(const struct language_rule *rule, struct text text)
{
    for (int16_t i = 0; i < rule->test_count; i++) {
        const struct language_test *test = &language_tests[rule->first_test + i];
        if (language_regex_matches(&content_regexes[test->pattern], text.at, text.len) != (test->wanted != 0))
            return false;
    }
    return true;
}

/* The language of the first rule that holds. *found says whether one does. */
static int heuristic_decide(bool *found, const struct language_heuristic *heuristic, struct text text)
{
    pthread_once(&content_once, contents_prepare);
    if (text.len > HEURISTIC_BYTES)
        text.len = HEURISTIC_BYTES;
    *found = false;
    for (int16_t i = 0; i < heuristic->rule_count; i++) {
        const struct language_rule *rule = &language_rules[heuristic->first_rule + i];
        if (!rule_holds(rule, text))
            continue;
        *found = rule->language != RB_LANGUAGE_NONE;
        return rule->language;
    }
    return RB_LANGUAGE_NONE;
}

/* "a.1", "b.3pm": pages of a manual, when nothing else is known. */
static void manual_page(struct left *left, const char *lower)
{
    static struct language_regex page = {.pattern =
                                             "\\.(?:[1-9](?:[a-z_][a-z_0-9]*)?|0p|n|man|mdoc)(?:\\.in)?\\z"};
    const int16_t pages[] = {(int16_t)rb_language_index("Roff Manpage"), (int16_t)rb_language_index("Roff")};
    if (left->count == 0 && language_regex_matches(&page, lower, strlen(lower)))
        left_narrow(left, pages, 2);
}

/* The steps up to the tests. True when one language is left. */
static bool steps_narrow(struct left *left, const char *path, struct text all)
{
    struct language_candidates candidates;
    language_candidates_of(&candidates, path);
    int modeline = all.len <= LARGE_BYTES ? modeline_of(all) : RB_LANGUAGE_NONE;
    if (modeline != RB_LANGUAGE_NONE)
        return left_narrow(left, (int16_t[]){(int16_t)modeline}, 1);
    if (candidates.by_name && left_narrow(left, candidates.languages, candidates.count))
        return true;
    const struct language_key *program = interpreter_of(all);
    if (program && left_narrow(left, language_lists + program->first, (size_t)program->count))
        return true;
    return !candidates.by_name && left_narrow(left, candidates.languages, candidates.count);
}

static size_t candidates_count(const char *path)
{
    struct language_candidates candidates;
    language_candidates_of(&candidates, path);
    return candidates.count;
}

struct rb_language_reading rb_language_read(const char *path, const char *content, size_t len)
{
    static struct language_regex xml = {.pattern = "\\A(?:.*\\n)?.*xml version="};
    struct rb_language_reading out = {.language = RB_LANGUAGE_NONE};
    struct text all = {content, len};
    struct left left = {.count = 0};
    char lower[LANGUAGE_NAME_MAX];
    if (len == 0 || content_is_binary(all)) {
        out.is_settled = true;
        return out;
    }
    out.is_generated = language_is_generated(path, content, len);
    bool one = steps_narrow(&left, path, all);
    struct text head = {all.at, all.len < MODELINE_TEXT ? all.len : MODELINE_TEXT};
    if (left.count == 0 && language_regex_matches(&xml, head.at, head.len))
        one = left_narrow(&left, (int16_t[]){(int16_t)rb_language_index("XML")}, 1);
    if (!one && language_lower_base(lower, path)) {
        manual_page(&left, lower);
        const struct language_heuristic *heuristic = language_heuristic_of(lower);
        int language = heuristic ? heuristic_decide(&one, heuristic, all) : RB_LANGUAGE_NONE;
        if (one)
            left = (struct left){{(int16_t)language}, 1};
    }
    /* Where no extension narrows what a program may run, it is nearly always the first: "perl" runs Perl, and
     * Pod. */
    if (left.count > 1 && candidates_count(path) == 0)
        one = true;
    out.is_settled = one || left.count == 0;
    out.language = one ? left.languages[0] : RB_LANGUAGE_NONE;
    return out;
}
