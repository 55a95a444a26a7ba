/* repo.scanned: the packages of a repository are brought to its newest profile. */
#include "grapher/handler.h"
#include "grapher/packages.h"

struct packages {
    struct rb_graph *graph;
    int64_t repo_id, count;
    const char *full_name;
};

static rb_err packages_put(void *arg)
{
    struct packages *packages = arg;
    return rb_graph_put_packages(&packages->count, packages->graph, packages->repo_id, packages->full_name);
}

struct rb_result rb_grapher_handle_scanned(struct rb_work *work, void *app, void *local)
{
    const struct grapher_local *mine = local;
    int64_t repo_id = rb_work_int(work, "repo_id");
    struct packages packages = {
        .graph = mine->graph, .repo_id = repo_id, .count = -1, .full_name = rb_work_string(work, "repo")};
    (void)app;
    if (repo_id <= 0 || !*packages.full_name)
        return rb_reject("the event names no repository");
    rb_err err = rb_grapher_with_store(work, mine->graph, packages_put, &packages);
    if (err)
        rb_log_info("packages not graphed repository=%lld: %s", (long long)repo_id, rb_error_text());
    else if (packages.count >= 0)
        rb_log_info("packages graphed repository=%lld packages=%lld", (long long)repo_id,
                    (long long)packages.count);
    else
        rb_log_info("packages not graphed repository=%lld: there is no profile, or newer ones are there",
                    (long long)repo_id);
    return rb_result_from(err);
}
