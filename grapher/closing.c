/* The closing keywords of GitHub, found in what people write. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "grapher/activity.h"
#include "lib/github/github.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* Length of the keyword at `at`, 0 when there is none. */
static size_t keyword_len(const char *at)
{
    static const char *const keywords[] = {"close", "closes",  "closed",   "fix",     "fixes",
                                           "fixed", "resolve", "resolves", "resolved"};
    for (size_t i = 0; i < COUNT(keywords); i++) {
        size_t len = strlen(keywords[i]);
        if (strncasecmp(at, keywords[i], len) == 0 && !is_word(at[len]))
            return len;
    }
    return 0;
}

/* "123" with nothing of a word behind it; 0 when it is no number of an issue. */
static int64_t reference_number(const char *digits)
{
    char *end = NULL;
    if (!isdigit((unsigned char)*digits) || *digits == '0')
        return 0;
    long long number = strtoll(digits, &end, 10);
    return end - digits > 10 || is_word(*end) ? 0 : number;
}

/* "owner/name", `len` bytes of `text`; NULL when it is no name of a repository. */
static const char *reference_repo(const char *text, size_t len, struct rb_arena *arena)
{
    const char *slash = memchr(text, '/', len);
    if (!slash || !rb_github_owner_is_valid(text, (size_t)(slash - text)) ||
        !rb_github_repo_is_valid(slash + 1, len - (size_t)(slash + 1 - text)))
        return NULL;
    return rb_arena_strndup(arena, text, len);
}

/* "#1", "owner/name#1", "GH-1" or an address. */
static bool reference_read(struct rb_closing *out, const char *at, const char *web_url,
                           struct rb_arena *arena)
{
    size_t web = strlen(web_url), len;
    *out = (struct rb_closing){0};
    if (*at == '#') {
        out->number = reference_number(at + 1);
    } else if (strncasecmp(at, "GH-", 3) == 0) {
        out->number = reference_number(at + 3);
    } else if (strncmp(at, web_url, web) == 0 && at[web] == '/') {
        const char *name = at + web + 1, *issues = memmem(name, strcspn(name, " \t\r\n"), "/issues/", 8);
        out->repo = issues ? reference_repo(name, (size_t)(issues - name), arena) : NULL;
        out->number = out->repo ? reference_number(issues + strlen("/issues/")) : 0;
    } else if ((len = strcspn(at, "# \t\r\n")) > 0 && at[len] == '#') {
        out->repo = reference_repo(at, len, arena);
        out->number = out->repo ? reference_number(at + len + 1) : 0;
    }
    return out->number > 0;
}

static bool closing_is_known(const struct rb_closing *found, size_t count, const struct rb_closing *one)
{
    for (size_t i = 0; i < count; i++) {
        if (found[i].number == one->number &&
            strcasecmp(found[i].repo ? found[i].repo : "", one->repo ? one->repo : "") == 0)
            return true;
    }
    return false;
}

size_t rb_closing_find(struct rb_closing *out, size_t max, const char *text, const char *web_url,
                       struct rb_arena *arena)
{
    const char *plain = rb_prose_read(text, arena);
    size_t count = 0;
    for (const char *at = plain; *at && count < max; at++) {
        size_t len = at == plain || !is_word(at[-1]) ? keyword_len(at) : 0;
        struct rb_closing one;
        if (len == 0)
            continue;
        const char *rest = at + len;
        rest += *rest == ':';
        size_t blanks = strspn(rest, " \t");
        if (blanks && reference_read(&one, rest + blanks, web_url, arena) &&
            !closing_is_known(out, count, &one))
            out[count++] = one;
        at += len - 1;
    }
    return count;
}
