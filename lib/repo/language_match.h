/*
 * Regular expressions on what others wrote, with RE2: its time grows with the length of the text and nothing
 * else, so that no content and no name can make it slow; its memory is bounded. `^` and `$` stand at each
 * line, a text is bytes. Private to lib/repo.
 */
#ifndef RB_REPO_LANGUAGE_MATCH_H
#define RB_REPO_LANGUAGE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Many patterns that are looked for in one pass. Ends the process when one of them is no pattern: they are
 * ours. Lives as long as the process. */
struct language_set;
struct language_set *language_set_new(const char *const *patterns, size_t count);
/* Calls `fn` with each pattern (by its index) that matches somewhere in the text. */
void language_set_match(const struct language_set *set, const char *text, size_t len,
                        void (*fn)(void *arg, size_t index), void *arg);

/* One pattern, made when it is first used. A static variable, all zero at first; safe from several threads.
 */
struct language_regex {
    const char *pattern;
    void *made;
};
bool language_regex_matches(struct language_regex *regex, const char *text, size_t len);
/* The same, and what its first group matched. */
bool language_regex_finds(const char **group, size_t *group_len, struct language_regex *regex,
                          const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
