/*
 * Which files go into one request. They are read in groups, each whole in memory: a file goes into the first
 * query of its group that has room for it, and a group ends when its queries are full, so that few of them go
 * out half empty. Pure: what a list is going to cost can be asked before anything is read.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

/* Two queries full of large files, or four of small ones. Several times that is held while a group is read.
 */
#define GROUP_BYTES (2 * (int64_t)RB_GITHUB_QUERY_BYTES)

const struct rb_repo_load repo_whole_query = {RB_GITHUB_QUERY_BLOBS, RB_GITHUB_QUERY_BYTES};

bool repo_load_add(struct rb_repo_load *load, size_t size, const struct rb_repo_load *max)
{
    if (load->files && (load->files == max->files || load->bytes + size > max->bytes))
        return false;
    load->files++;
    load->bytes += size;
    return true;
}

bool repo_size_is_for_queries(int64_t size)
{
    return size >= 0 && size <= RB_GITHUB_QUERY_TEXT;
}

/* Puts it into a query of the group. A third one is begun where the files are many, not where they are large:
 * it would not be filled. */
static bool plan_query(struct rb_repo_plan *plan, size_t size)
{
    for (size_t i = 0; i < plan->query_count; i++) {
        if (repo_load_add(&plan->queries[i], size, &repo_whole_query))
            return true;
    }
    size_t next = plan->query_count;
    if (next == RB_REPO_GROUP_QUERIES ||
        (next >= 2 && plan->queries[next - 1].files < repo_whole_query.files))
        return false;
    plan->queries[plan->query_count++] = (struct rb_repo_load){1, size};
    plan->requests++;
    return true;
}

/* False: the group has no room for it, and may have changed. */
static bool plan_put(struct rb_repo_plan *plan, const struct rb_repo_want *want, bool is_repeated)
{
    int64_t size = want->entry->size > 0 ? want->entry->size : 0;
    if (plan->files == REPO_GROUP_FILES)
        return false;
    plan->files++;
    if (size > (int64_t)want->max_bytes) /* is not read */
        return true;
    if (plan->bytes && plan->bytes + size > GROUP_BYTES)
        return false;
    plan->bytes += size;
    if (is_repeated)
        return true;
    if (repo_size_is_for_queries(want->entry->size))
        return plan_query(plan, (size_t)size);
    plan->requests++;
    return true;
}

bool repo_plan_has_room(const struct rb_repo_plan *plan, const struct rb_repo_want *want, bool is_repeated)
{
    struct rb_repo_plan tried = *plan;
    return plan_put(&tried, want, is_repeated);
}

void repo_plan_begin_group(struct rb_repo_plan *plan)
{
    *plan = (struct rb_repo_plan){.requests = plan->requests};
}

size_t rb_repo_plan_add(struct rb_repo_plan *plan, const struct rb_repo_want *want, bool is_repeated)
{
    if (!repo_plan_has_room(plan, want, is_repeated))
        repo_plan_begin_group(plan);
    (void)plan_put(plan, want, is_repeated); /* an empty group has room for any */
    return plan->requests;
}

static int want_order(const void *a, const void *b)
{
    const struct rb_repo_want *x = *(const struct rb_repo_want *const *)a,
                              *y = *(const struct rb_repo_want *const *)b;
    int order = strcmp(x->entry->sha, y->entry->sha);
    if (!order)
        order =
            x->max_bytes != y->max_bytes ? (x->max_bytes < y->max_bytes ? -1 : 1) : x->is_text - y->is_text;
    return order ? order : x < y ? -1 : x > y;
}

static bool repo_wants_are_same(const struct rb_repo_want *a, const struct rb_repo_want *b)
{
    return a->max_bytes == b->max_bytes && a->is_text == b->is_text && *a->entry->sha &&
           strcmp(a->entry->sha, b->entry->sha) == 0;
}

void rb_repo_repeats(bool *repeats, const struct rb_repo_want *wants, size_t count)
{
    const struct rb_repo_want **sorted = rb_calloc(count + 1, sizeof(const struct rb_repo_want *));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &wants[i];
    qsort(sorted, count, sizeof(const struct rb_repo_want *), want_order);
    for (size_t i = 0; i < count; i++)
        repeats[sorted[i] - wants] = i > 0 && repo_wants_are_same(sorted[i - 1], sorted[i]);
    free(sorted);
}
