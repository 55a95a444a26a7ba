// RE2 behind a C door.
#include "lib/repo/language_match.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include <re2/re2.h>
#include <re2/set.h>

namespace
{
// What a pattern may take for its program and the states it has met: with less RE2 makes the states anew and
// is slower, it never fails. The set of all path patterns meets many more of them.
constexpr int64_t one_bytes = 1 << 20, set_bytes = 32 << 20;

RE2::Options options(int64_t bytes)
{
    RE2::Options options(RE2::Latin1); // bytes, whatever they mean
    options.set_log_errors(false);
    options.set_never_capture(false);
    options.set_max_mem(bytes);
    return options;
}

std::string multiline(const char *pattern)
{
    return std::string("(?m:") + pattern + ")";
}

[[noreturn]] void unfit(const char *pattern, const std::string &why)
{
    std::fprintf(stderr, "no pattern: %s: %s\n", pattern, why.c_str());
    std::abort();
}

std::mutex making;

const RE2 *made(struct language_regex *regex)
{
    void *present = __atomic_load_n(&regex->made, __ATOMIC_ACQUIRE);
    if (!present) {
        std::lock_guard<std::mutex> lock(making);
        present = __atomic_load_n(&regex->made, __ATOMIC_ACQUIRE);
        if (!present) {
            RE2 *fresh = new RE2(multiline(regex->pattern), options(one_bytes));
            if (!fresh->ok())
                unfit(regex->pattern, fresh->error());
            present = fresh;
            __atomic_store_n(&regex->made, present, __ATOMIC_RELEASE);
        }
    }
    return static_cast<const RE2 *>(present);
}
} // namespace

struct language_set {
    RE2::Set patterns{options(set_bytes), RE2::UNANCHORED};
};

struct language_set *language_set_new(const char *const *patterns, size_t count)
{
    auto *set = new language_set;
    for (size_t i = 0; i < count; i++) {
        std::string error;
        if (set->patterns.Add(multiline(patterns[i]), &error) < 0)
            unfit(patterns[i], error);
    }
    if (!set->patterns.Compile())
        unfit("all of a set", "too large");
    return set;
}

void language_set_match(const struct language_set *set, const char *text, size_t len,
                        void (*fn)(void *arg, size_t index), void *arg)
{
    thread_local std::vector<int> found;
    found.clear();
    if (set->patterns.Match(re2::StringPiece(text, len), &found)) {
        for (int index : found)
            fn(arg, static_cast<size_t>(index));
    }
}

bool language_regex_matches(struct language_regex *regex, const char *text, size_t len)
{
    return made(regex)->Match(re2::StringPiece(text, len), 0, len, RE2::UNANCHORED, nullptr, 0);
}

bool language_regex_finds(const char **group, size_t *group_len, struct language_regex *regex,
                          const char *text, size_t len)
{
    re2::StringPiece found[2];
    if (!made(regex)->Match(re2::StringPiece(text, len), 0, len, RE2::UNANCHORED, found, 2))
        return false;
    *group = found[1].data() ? found[1].data() : text;
    *group_len = found[1].size();
    return true;
}
