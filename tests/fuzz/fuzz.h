/* What the fuzz targets share. One program per room; which of its targets runs, FUZZ_TARGET says. */
#ifndef RB_FUZZ_H
#define RB_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever comes in. */
#define FUZZ_HOLDS(condition)                                                              \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

struct fuzz_target {
    const char *name;
    void (*run)(const char *text, size_t len); /* zero-terminated, and not a byte longer */
};

/* Runs the one of `targets` (which end with a NULL name) that is asked for. */
static inline int fuzz_run(const struct fuzz_target *targets, const uint8_t *data, size_t size)
{
    const char *wanted = getenv("FUZZ_TARGET");
    while (targets->name && wanted && strcmp(targets->name, wanted) != 0)
        targets++;
    if (!targets->name || !wanted) {
        fprintf(stderr, "FUZZ_TARGET=%s is no target of this program\n", wanted ? wanted : "");
        exit(2);
    }
    char *text = malloc(size + 1);
    FUZZ_HOLDS(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    targets->run(text, size);
    free(text);
    return 0;
}

#endif
