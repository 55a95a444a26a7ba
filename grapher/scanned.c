/* repo.scanned: the packages of a repository are brought to its newest profile. */
#include "grapher/handler.h"
#include "grapher/packages.h"

struct rb_result rb_grapher_handle_scanned(struct rb_work *work, void *app, void *local)
{
    const struct grapher_local *mine = local;
    const char *full_name = rb_work_string(work, "repo");
    int64_t repo_id = rb_work_int(work, "repo_id"), count = -1;
    (void)app;
    if (repo_id <= 0 || !*full_name)
        return rb_reject("the event names no repository");
    rb_err err = rb_graph_put_packages(&count, mine->graph, repo_id, full_name);
    if (err)
        rb_log_info("packages not graphed repository=%lld: %s", (long long)repo_id, rb_error_text());
    else if (count >= 0)
        rb_log_info("packages graphed repository=%lld packages=%lld", (long long)repo_id, (long long)count);
    else
        rb_log_info("packages not graphed repository=%lld: there is no profile, or newer ones are there",
                    (long long)repo_id);
    return rb_result_from(err);
}
