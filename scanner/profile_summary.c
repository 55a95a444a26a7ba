/* The sentence that a person reads first. */
#include <string.h>

#include "scanner/facts.h"
#include "scanner/scan.h"

static const char *summary_size(struct rb_arena *arena, int64_t bytes)
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    return rb_arena_printf(arena, unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* "a", "a and b", "a, b and c" */
static const char *summary_join(struct rb_arena *arena, const char *const *names, size_t count)
{
    const char *text = count ? names[0] : "";
    for (size_t i = 1; i < count; i++)
        text = rb_arena_printf(arena, "%s%s%s", text, i + 1 == count ? " and " : ", ", names[i]);
    return text;
}

/* The language to name first: a stylesheet may be the largest file and still not what the repository is
 * about. */
#define LEAD_TENTHS  100 /* 10% */
#define WORTH_TENTHS 20  /* 2%: below, it is not worth a word */
static size_t summary_lead(const struct rb_scan *scan)
{
    for (size_t i = 0; i < scan->language_count; i++) {
        if (scan->languages[i].is_programming && scan->languages[i].tenths >= LEAD_TENTHS)
            return i;
    }
    return 0;
}

/* "Python (97.8%) with HTML" */
static const char *summary_languages(const struct rb_scan *scan)
{
    const char *others[2];
    size_t count = 0, lead = summary_lead(scan);
    if (scan->language_count == 0)
        return "No language known here";
    for (size_t i = 0; i < scan->language_count && count < 2; i++) {
        if (i != lead && scan->languages[i].tenths >= WORTH_TENTHS)
            others[count++] = scan->languages[i].name;
    }
    const char *text = rb_arena_printf(scan->arena, "%s (%d.%d%%)", scan->languages[lead].name,
                                       scan->languages[lead].tenths / 10, scan->languages[lead].tenths % 10);
    if (count)
        text = rb_arena_printf(scan->arena, "%s with %s", text, summary_join(scan->arena, others, count));
    return text;
}

const char *rb_scan_summary(const struct rb_scan *scan)
{
    if (scan->files == 0)
        return "Empty: no files yet.";
    struct rb_scan_framework found[4];
    const char *frameworks[4], *having[4];
    size_t framework_count = rb_scan_frameworks(found, 4, scan), having_count = 0;
    for (size_t i = 0; i < framework_count; i++)
        frameworks[i] = found[i].name;
    if (scan->has_tests)
        having[having_count++] = "tests";
    if (scan->has_docs)
        having[having_count++] = "documentation";
    if (scan->ci_count)
        having[having_count++] = "continuous integration";
    if (scan->has_containers)
        having[having_count++] = "containers";
    const char *text = summary_languages(scan);
    if (framework_count)
        text = rb_arena_printf(scan->arena, "%s, using %s", text,
                               summary_join(scan->arena, frameworks, framework_count));
    text = rb_arena_printf(scan->arena, "%s. %s%lld file%s, %s", text,
                           rb_scan_is_monorepo(scan) ? "Several packages in " : "", (long long)scan->files,
                           scan->files == 1 ? "" : "s", summary_size(scan->arena, scan->bytes));
    if (having_count)
        text =
            rb_arena_printf(scan->arena, "%s; has %s", text, summary_join(scan->arena, having, having_count));
    return rb_arena_printf(scan->arena, "%s.%s", text,
                           scan->tree->complete ? "" : " The file list is incomplete.");
}
