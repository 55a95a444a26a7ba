/* Chance: splitmix64, so that a seed means the same everywhere. */
#ifndef RB_TESTS_CHANCE_H
#define RB_TESTS_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static uint64_t chance;

static inline uint64_t chance_next(void)
{
    uint64_t z = chance += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static inline size_t chance_below(size_t end)
{
    return (size_t)(chance_next() % end);
}

static inline bool chance_percent(size_t percent)
{
    return chance_below(100) < percent;
}

#endif
