#include "lib/repo/language.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Every extension and every whole name of the table, sorted once for bisection. */
#define INDEX_MAX 2048
#define KEY_MAX   48 /* the longest key of the table has 26 bytes */
struct index_key {
    char text[KEY_MAX];
    int language; /* RB_LANGUAGE_NONE: shared */
    const struct rb_shared_extension *shared;
};
static struct index_key index_extensions[INDEX_MAX], index_names[INDEX_MAX];
static size_t index_extension_count, index_name_count;
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

static int index_compare(const void *a, const void *b)
{
    return strcmp(((const struct index_key *)a)->text, ((const struct index_key *)b)->text);
}

static void index_put(struct index_key *keys, size_t *count, const char *text, size_t len, int language,
                      const struct rb_shared_extension *shared)
{
    if (*count == INDEX_MAX || len >= KEY_MAX)
        abort(); /* the table outgrew the numbers above */
    struct index_key *key = &keys[(*count)++];
    memcpy(key->text, text, len);
    key->text[len] = 0;
    key->language = language;
    key->shared = shared;
}

static void index_put_words(struct index_key *keys, size_t *count, const char *words, int language)
{
    while (words && *words) {
        size_t len = strcspn(words, " ");
        index_put(keys, count, words, len, language, NULL);
        words += len + (words[len] == ' ');
    }
}

static void index_build(void)
{
    for (size_t i = 0; i < rb_language_total; i++) {
        index_put_words(index_extensions, &index_extension_count, rb_languages[i].extensions, (int)i);
        index_put_words(index_names, &index_name_count, rb_languages[i].names, (int)i);
    }
    for (size_t i = 0; i < rb_shared_extension_total; i++) {
        const char *extension = rb_shared_extensions[i].extension;
        index_put(index_extensions, &index_extension_count, extension, strlen(extension), RB_LANGUAGE_NONE,
                  &rb_shared_extensions[i]);
    }
    qsort(index_extensions, index_extension_count, sizeof *index_extensions, index_compare);
    qsort(index_names, index_name_count, sizeof *index_names, index_compare);
}

static const struct index_key *index_find(const struct index_key *keys, size_t count, const char *text)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(text, keys[middle].text);
        if (order == 0)
            return &keys[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int rb_language_index(const char *name)
{
    for (size_t i = 0; i < rb_language_total; i++) {
        if (strcmp(rb_languages[i].name, name) == 0)
            return (int)i;
    }
    return RB_LANGUAGE_NONE;
}

int rb_language_counted_as(int index)
{
    for (size_t i = 0; i < rb_language_group_total; i++) {
        if (strcmp(rb_language_groups[i].name, rb_languages[index].name) == 0)
            return rb_language_index(rb_language_groups[i].group);
    }
    return index;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "Dockerfile.dev", "Makefile.debian": people put a word behind names that have no extension. */
static int language_of_prefixed(const char *base)
{
    static const char *const prefixes[] = {"Dockerfile.", "Containerfile.", "Makefile.", "Jenkinsfile."};
    static const char *const languages[] = {"Dockerfile", "Dockerfile", "Makefile", "Groovy"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncmp(base, prefixes[i], strlen(prefixes[i])) == 0)
            return rb_language_index(languages[i]);
    }
    return RB_LANGUAGE_NONE;
}

int rb_language_of(const struct rb_shared_extension **shared, const char *path)
{
    pthread_once(&index_once, index_build);
    *shared = NULL;
    const char *base = base_of(path);
    const struct index_key *key = index_find(index_names, index_name_count, base);
    if (key)
        return key->language;
    /* The longest extension first: "a.blade.php", then ".php". A leading dot begins no extension of a known
     * kind. */
    char lower[KEY_MAX];
    for (const char *dot = strchr(base, '.'); dot; dot = strchr(dot + 1, '.')) {
        size_t len = strlen(dot);
        if (len >= sizeof lower || dot == base)
            continue;
        for (size_t i = 0; i <= len; i++)
            lower[i] = (char)tolower((unsigned char)dot[i]);
        key = index_find(index_extensions, index_extension_count, lower);
        if (key) {
            *shared = key->shared;
            return key->language;
        }
    }
    return language_of_prefixed(base);
}

int rb_language_hinted(const char *path)
{
    const char *base = base_of(path);
    const char *dot = strrchr(base, '.');
    for (size_t i = 0; i < rb_language_hint_total; i++) {
        const char *name = rb_language_hints[i].name;
        if (strcmp(name, base) == 0 || (name[0] == '.' && dot && strcmp(name, dot) == 0))
            return rb_language_index(rb_language_hints[i].language);
    }
    return RB_LANGUAGE_NONE;
}
