/*
 * The one list of files that the parts of a scan want to read, and what became of each: nothing that would
 * have been worth reading is passed over without a word.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/repo/repo.h"
#include "scanner/scan.h"
#include "scanner/text.h"

static const char *const skip_names[RB_SKIP_KINDS] = {
    [RB_SKIP_SIZE] = "size",
    [RB_SKIP_LIMIT] = "limit",
    [RB_SKIP_UNREADABLE] = "unreadable",
    [RB_SKIP_PARSE] = "parse",
};

void rb_scan_skip(struct rb_scan *scan, const char *path, enum rb_scan_skip why, const char *error)
{
    if (++scan->skips[why] > RB_SCAN_SKIPPED_MAX / RB_SKIP_KINDS)
        return; /* no kind hides the others */
    if (!scan->skipped)
        scan->skipped = rb_arena_alloc(scan->arena, RB_SCAN_SKIPPED_MAX * sizeof *scan->skipped);
    scan->skipped[scan->skipped_count++] = (struct rb_scan_skipped){
        .path = rb_text_clean(scan->arena, path, strlen(path), RB_SCAN_PATH_MAX),
        .why = why,
        .line = why == RB_SKIP_PARSE ? rb_text_line_number(error) : 0,
        .error = rb_text_clean(scan->arena, error, strlen(error), RB_SCAN_NAME_MAX),
    };
}

/* Of so many bytes that a request has to be made for it alone. */
static bool wanted_is_large(const struct rb_scan_wanted *wanted)
{
    return wanted->entry->size > RB_GITHUB_QUERY_TEXT;
}

static bool wanted_has_room(struct rb_scan *scan, const struct rb_scan_wanted *wanted)
{
    int64_t size = wanted->entry->size > 0 ? wanted->entry->size : 0;
    if (size > RB_SCAN_READ_BYTES - scan->wanted_bytes) {
        rb_scan_skip(scan, wanted->entry->path, RB_SKIP_LIMIT, "a scan reads 32 MB");
        return false;
    }
    if (wanted_is_large(wanted) && wanted->is_filling) {
        rb_scan_skip(scan, wanted->entry->path, RB_SKIP_LIMIT,
                     "a lock file of an example or a test, for which no request is made alone");
        return false;
    }
    if (wanted_is_large(wanted) && scan->large_count == RB_SCAN_LARGE_MAX) {
        rb_scan_skip(scan, wanted->entry->path, RB_SKIP_LIMIT,
                     "of files above 512,000 bytes, which take a request each, a scan reads two");
        return false;
    }
    scan->large_count += wanted_is_large(wanted);
    scan->wanted_bytes += size;
    return true;
}

bool rb_scan_want(struct rb_scan *scan, const struct rb_scan_wanted *wanted)
{
    if (!wanted_has_room(scan, wanted))
        return false;
    if (scan->wanted_count == scan->wanted_capacity) {
        size_t capacity = scan->wanted_capacity ? scan->wanted_capacity * 2 : 64;
        struct rb_scan_wanted *grown = rb_arena_alloc(scan->arena, capacity * sizeof *grown);
        if (scan->wanted_count)
            memcpy(grown, scan->wanted, scan->wanted_count * sizeof *grown);
        scan->wanted = grown;
        scan->wanted_capacity = capacity;
    }
    scan->wanted[scan->wanted_count++] = *wanted;
    return true;
}

struct rb_repo_want *rb_scan_wants(const struct rb_scan *scan)
{
    struct rb_repo_want *wants = rb_arena_alloc(scan->arena, (scan->wanted_count + 1) * sizeof *wants);
    for (size_t i = 0; i < scan->wanted_count; i++)
        wants[i] =
            (struct rb_repo_want){scan->wanted[i].entry, scan->wanted[i].max_bytes, scan->wanted[i].is_text};
    return wants;
}

/* ---- which requests ----------------------------------------------------------------------------------- */

/* Another request for files that found no room is worth it where they may change more than this of the
 * shares: they are estimates, and half a percent is what the languages are wrong by on average. */
#define PLAN_WORTH 0.005

struct planning {
    struct rb_scan *scan;
    const struct rb_repo_want *wants; /* as the list is before */
    bool *repeats, *done;             /* of each */
    struct rb_repo_plan plan;
    struct rb_scan_wanted *kept;
    size_t kept_count;
};

static void plan_keep(struct planning *planning, size_t i)
{
    rb_repo_plan_add(&planning->plan, &planning->wants[i], planning->repeats[i]);
    planning->kept[planning->kept_count++] = planning->scan->wanted[i];
    planning->done[i] = true;
}

static void plan_needed(struct planning *planning, bool large)
{
    for (size_t i = 0; i < planning->scan->wanted_count; i++) {
        const struct rb_scan_wanted *wanted = &planning->scan->wanted[i];
        if (!wanted->is_filling && wanted_is_large(wanted) == large)
            plan_keep(planning, i);
    }
}

/* Of what only fills, that which is worth something or the rest, where `requests` have room for it. Returns
 * what the others are worth. */
static double plan_fill(struct planning *planning, bool worthy, size_t requests)
{
    double left = 0;
    for (size_t i = 0; i < planning->scan->wanted_count; i++) {
        const struct rb_scan_wanted *wanted = &planning->scan->wanted[i];
        if (planning->done[i] || !wanted->is_filling || (wanted->worth > 0) != worthy)
            continue;
        struct rb_repo_plan tried = planning->plan;
        if (rb_repo_plan_add(&tried, &planning->wants[i], planning->repeats[i]) <= requests)
            plan_keep(planning, i);
        else
            left += wanted->worth;
    }
    return left;
}

/* What was left out of manifests is said; files that were to settle a language are judged by their names. */
static void plan_leave(struct planning *planning)
{
    static const char why[] = "a lock file of an example or a test, for which no request had room";
    struct rb_scan *scan = planning->scan;
    for (size_t i = 0; i < scan->wanted_count; i++) {
        const struct rb_scan_wanted *wanted = &scan->wanted[i];
        if (planning->done[i] || !wanted->miss)
            continue;
        rb_scan_skip(scan, wanted->entry->path, RB_SKIP_LIMIT, why);
        wanted->miss(scan, wanted->index, RB_MANIFEST_UNREADABLE, why);
    }
}

void rb_scan_plan(struct rb_scan *scan)
{
    struct planning planning = {.scan = scan, .wants = rb_scan_wants(scan)};
    planning.repeats = rb_calloc(scan->wanted_count + 1, sizeof *planning.repeats);
    planning.done = rb_calloc(scan->wanted_count + 1, sizeof *planning.done);
    planning.kept = rb_arena_alloc(scan->arena, (scan->wanted_count + 1) * sizeof *planning.kept);
    rb_repo_repeats(planning.repeats, planning.wants, scan->wanted_count);
    plan_needed(&planning, false);
    size_t requests = planning.plan.requests ? planning.plan.requests : 1;
    if (plan_fill(&planning, true, requests) > PLAN_WORTH)
        plan_fill(&planning, true, ++requests);
    plan_fill(&planning, false, requests);
    plan_needed(&planning, true);
    plan_leave(&planning);
    scan->wanted = planning.kept;
    scan->wanted_count = planning.kept_count;
    free(planning.done);
    free(planning.repeats);
}

size_t rb_scan_requests(const struct rb_scan *scan)
{
    const struct rb_repo_want *wants = rb_scan_wants(scan);
    bool *repeats = rb_calloc(scan->wanted_count + 1, sizeof *repeats);
    struct rb_repo_plan plan = {0};
    rb_repo_repeats(repeats, wants, scan->wanted_count);
    for (size_t i = 0; i < scan->wanted_count; i++)
        rb_repo_plan_add(&plan, &wants[i], repeats[i]);
    free(repeats);
    return 2 + plan.requests;
}

/* ---- what came of it ---------------------------------------------------------------------------------- */

void rb_scan_take(struct rb_scan *scan, size_t index, const char *content, size_t len)
{
    const struct rb_scan_wanted *wanted = &scan->wanted[index];
    scan->usage.files++;
    scan->usage.bytes += (int64_t)len;
    wanted->take(scan, wanted->index, content, len);
}

void rb_scan_lack(struct rb_scan *scan, size_t index, rb_err why, const char *error)
{
    const struct rb_scan_wanted *wanted = &scan->wanted[index];
    if (wanted->is_text && why == RB_EINVAL) { /* binary: as far as languages go, it says nothing */
        wanted->take(scan, wanted->index, "", 0);
        return;
    }
    rb_scan_skip(scan, wanted->entry->path,
                 why == RB_ETOOBIG  ? RB_SKIP_SIZE
                 : why == RB_ELIMIT ? RB_SKIP_LIMIT
                                    : RB_SKIP_UNREADABLE,
                 error);
    if (wanted->miss)
        wanted->miss(scan, wanted->index, why == RB_ETOOBIG ? RB_MANIFEST_TOO_BIG : RB_MANIFEST_UNREADABLE,
                     error);
}

/* ---- the profile -------------------------------------------------------------------------------------- */

static json_t *read_skipped(const struct rb_scan *scan)
{
    json_t *list = json_array();
    for (size_t i = 0; i < scan->skipped_count; i++) {
        const struct rb_scan_skipped *skipped = &scan->skipped[i];
        json_t *item = json_object();
        json_object_set_new(item, "path", json_string(skipped->path));
        json_object_set_new(item, "why", json_string(skip_names[skipped->why]));
        if (skipped->line)
            json_object_set_new(item, "line", json_integer(skipped->line));
        json_object_set_new(item, "error", json_string(skipped->error));
        json_array_append_new(list, item);
    }
    return list;
}

json_t *rb_scan_profile_read(const struct rb_scan *scan)
{
    const struct rb_scan_usage *usage = &scan->usage;
    json_t *requests = json_object(), *counts = json_object(), *read = json_object();
    json_object_set_new(requests, "rest", json_integer(usage->rest));
    json_object_set_new(requests, "graphql", json_integer(usage->graphql));
    for (size_t i = 0; i < RB_SKIP_KINDS; i++)
        json_object_set_new(counts, skip_names[i], json_integer((json_int_t)scan->skips[i]));
    json_object_set_new(read, "requests", requests);
    json_object_set_new(read, "files", json_integer(usage->files));
    json_object_set_new(read, "bytes", json_integer(usage->bytes));
    json_object_set_new(read, "cached", json_integer(usage->cached));
    json_object_set_new(read, "skips", counts);
    json_object_set_new(read, "skipped", read_skipped(scan));
    return read;
}
