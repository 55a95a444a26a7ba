/*
 * The one list of files that the parts of a scan want to read, and what became of each: nothing that would
 * have been worth reading is passed over without a word.
 */
#include <stdlib.h>
#include <string.h>

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

bool rb_scan_want(struct rb_scan *scan, const struct rb_scan_wanted *wanted)
{
    int64_t size = wanted->entry->size > 0 ? wanted->entry->size : 0;
    if (size > RB_SCAN_READ_BYTES - scan->wanted_bytes) {
        rb_scan_skip(scan, wanted->entry->path, RB_SKIP_LIMIT, "a scan reads 32 MB");
        return false;
    }
    if (scan->wanted_count == scan->wanted_capacity) {
        size_t capacity = scan->wanted_capacity ? scan->wanted_capacity * 2 : 64;
        struct rb_scan_wanted *grown = rb_arena_alloc(scan->arena, capacity * sizeof *grown);
        if (scan->wanted_count)
            memcpy(grown, scan->wanted, scan->wanted_count * sizeof *grown);
        scan->wanted = grown;
        scan->wanted_capacity = capacity;
    }
    scan->wanted[scan->wanted_count++] = *wanted;
    scan->wanted_bytes += size;
    return true;
}

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
