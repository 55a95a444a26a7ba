/* The list of what is open: issues first, since their list says whether there are pull requests at all. */
#include "grapher/open.h"

#include "grapher/github.h"
#include "grapher/state.h"

struct list {
    struct news news;
    int64_t requests; /* of the handle before files were listed */
    int64_t pulls, issues;
    bool has_pulls;
};

/* One that makes no sense is left out. */
static rb_err list_judge(rb_err err)
{
    return err == RB_EINVAL ? RB_OK : err;
}

static rb_err list_issue(void *arg, const json_t *about)
{
    struct list *list = arg;
    bool written = false;
    if (json_object_get(about, "pull_request")) {
        list->has_pulls = true;
        return RB_OK;
    }
    list->issues++;
    return list_judge(grapher_put_issue(&written, &list->news, about));
}

static rb_err list_pull(void *arg, const json_t *about)
{
    struct list *list = arg;
    bool written = false;
    if (rb_work_is_draining(list->news.work))
        return rb_error_set(RB_EUNAVAILABLE, "the grapher is stopping");
    /* The pages of the list itself are counted too: with a thousand open, ten of these fifty. */
    int64_t asked = rb_repo_used(list->news.handle)->rest - list->requests;
    list->news.has_no_requests = asked > RB_OPEN_FILE_REQUESTS;
    list->pulls++;
    return list_judge(grapher_put_pull_request(&written, &list->news, about));
}

/* Refused for good: by the token's rights, or since there are none. */
static bool list_is_refused(rb_err err)
{
    return err == RB_ENOTFOUND || err == RB_EFORBIDDEN || err == RB_EAUTH;
}

static rb_err list_all(bool *more, struct list *list)
{
    bool more_pulls = false;
    rb_err err =
        rb_repo_list_open(more, list->news.handle, RB_GITHUB_OPEN_ISSUES, RB_OPEN_PAGES, list_issue, list);
    list->has_pulls |= *more || list_is_refused(err);
    if (err && !list_is_refused(err))
        return err;
    list->requests = rb_repo_used(list->news.handle)->rest;
    if (list->has_pulls)
        err = rb_repo_list_open(&more_pulls, list->news.handle, RB_GITHUB_OPEN_PULLS, RB_OPEN_PAGES,
                                list_pull, list);
    *more |= more_pulls;
    return err;
}

rb_err rb_grapher_list_open(const char **note, struct rb_work *work, struct rb_grapher *grapher,
                            struct grapher_local *mine, struct rb_repo_handle *handle)
{
    const struct rb_repo *about = rb_repo_about(handle);
    struct rb_arena *arena = rb_work_arena(work);
    struct list list = {.news = {.work = work,
                                 .grapher = grapher,
                                 .mine = mine,
                                 .arena = arena,
                                 .repo_id = about->repo_id,
                                 .full_name = rb_arena_printf(arena, "%s/%s", about->owner, about->name),
                                 .handle = handle}};
    bool listed = false, more = false;
    int64_t before = rb_repo_used(handle)->rest;
    *note = "";
    rb_err err = rb_graph_is_listed(&listed, mine->graph, about->repo_id);
    if (err || listed)
        return err;
    err = list_all(&more, &list);
    if (list_is_refused(err)) {
        rb_log_info("not all that is open is listed repo=%s: %s", list.news.full_name, rb_error_text());
        err = RB_OK;
    }
    if (!err)
        err = rb_graph_note_listed(mine->graph, about->repo_id);
    if (err)
        return err;
    rb_log_info("listed repo=%s pulls=%lld issues=%lld requests=%lld", list.news.full_name,
                (long long)list.pulls, (long long)list.issues,
                (long long)(rb_repo_used(handle)->rest - before));
    if (more)
        *note = "; of what is open only the newest are in it";
    return RB_OK;
}
