/*
 * One event, from top to bottom: the tree, its rows, the graph, the event that follows. Running twice, or
 * next to itself, gives the same graph; a newer generation wins.
 */
#include "grapher/handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grapher/open.h"
#include "grapher/state.h"

rb_err rb_grapher_worker_open(void **local, void *app)
{
    struct rb_grapher *grapher = app;
    struct grapher_local *mine = rb_calloc(1, sizeof *mine);
    struct rb_graph_options options = grapher->graph;
    rb_err err = rb_db_open(&mine->db, grapher->sources.database_url, "repobus-grapher", 0);
    options.db = mine->db;
    if (!err)
        err = rb_graph_open(&mine->graph, &options);
    if (err) {
        rb_db_close(mine->db);
        free(mine);
        return err;
    }
    *local = mine;
    return RB_OK;
}

void rb_grapher_worker_close(void *local, void *app)
{
    struct grapher_local *mine = local;
    (void)app;
    if (!mine)
        return;
    rb_graph_close(mine->graph);
    rb_db_close(mine->db);
    free(mine);
}

/* Of the one PostgreSQL there is, as of Neo4j: every handler needs both. */
rb_err rb_grapher_worker_ping(void *local, void *app)
{
    const struct grapher_local *mine = local;
    (void)app;
    rb_err err = rb_db_ping(mine->db);
    return err ? err : rb_graph_ping(mine->graph);
}

struct job {
    struct rb_work *work;
    struct rb_grapher *grapher;
    struct grapher_local *mine;
    struct rb_graph *graph;
    struct rb_repo_handle *handle;
    const struct rb_repo *about;
    struct rb_graph_tree tree;
    struct rb_graph_written written;
    int64_t started_ms;
};

static bool job_progress(void *arg, int64_t done, int64_t total)
{
    struct job *job = arg;
    rb_work_progress(job->work, done, total, "writing the graph");
    return !rb_work_is_draining(job->work);
}

static rb_err job_publish(struct job *job, const struct rb_graph_about *graph)
{
    json_t *data =
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I}", "installation_id",
                  (json_int_t)job->about->installation_id, "generation", (json_int_t)job->about->generation,
                  "repo_id", (json_int_t)job->about->repo_id, "repo", job->tree.full_name, "commit",
                  graph->commit, "files", (json_int_t)graph->files, "links", (json_int_t)graph->links,
                  "duration_ms", (json_int_t)(rb_clock_ms() - job->started_ms));
    rb_err err = data ? rb_work_publish(job->work, RB_REPO_GRAPHED, data)
                      : rb_error_set(RB_EINTERNAL, "repo.graphed is no JSON");
    json_decref(data);
    return err;
}

/*
 * Another person's installation of the same repository has built a newer graph, or is about to. This
 * installation has its graph once that one is whole.
 */
static rb_err job_share(struct rb_graph_about *graph, struct job *job)
{
    rb_err err = rb_repo_is_current(job->handle);
    if (!err)
        err = rb_graph_about(graph, job->graph, job->about->repo_id);
    if (err == RB_ENOTFOUND || (!err && graph->generation < job->about->generation))
        err = rb_error_set(RB_EUNAVAILABLE, "a newer graph of %s is being built", job->tree.full_name);
    return err;
}

static void job_note(struct job *job, const struct rb_graph_about *graph, int64_t changed, const char *more)
{
    rb_work_progress(job->work, changed, changed,
                     rb_arena_printf(rb_work_arena(job->work), "%lld files and %lld links in the graph%s%s",
                                     (long long)graph->files, (long long)graph->links,
                                     graph->complete ? "" : "; the list is not complete", more));
}

/* An earlier attempt at this event has built the graph, and failed at what comes behind. */
static rb_err job_find_built(bool *is_built, struct rb_graph_about *graph, struct job *job)
{
    int64_t generation = job->about->generation;
    rb_err err = rb_graph_awaits_list(is_built, job->graph, job->about->repo_id, generation);
    if (err || !*is_built)
        return err;
    err = rb_graph_about(graph, job->graph, job->about->repo_id);
    *is_built = !err && graph->generation == generation && !graph->is_changing;
    return err == RB_ENOTFOUND ? RB_OK : err;
}

static rb_err job_build(struct rb_graph_about *graph, struct job *job)
{
    struct rb_tree tree;
    rb_work_progress(job->work, 0, 0, "reading the file list");
    rb_err err = rb_repo_tree(&tree, job->handle);
    if (err)
        return err;
    rb_graph_rows(&job->tree, &tree, rb_work_arena(job->work));
    err = rb_graph_write(&job->written, job->graph, &job->tree, job_progress, job);
    if (err == RB_ESTALE) {
        err = job_share(graph, job);
    } else { /* what was just written needs no reading */
        graph->files = job->written.files;
        graph->links = job->written.links;
        graph->complete = tree.complete;
        snprintf(graph->commit, sizeof graph->commit, "%s", tree.commit);
        if (!err)
            err = rb_graph_note_built(job->graph, job->about->repo_id, job->about->generation, tree.commit);
    }
    if (!err)
        rb_log_info(
            "graphed repo=%s installation=%lld generation=%lld files=%lld links=%lld changed=%lld ms=%lld",
            job->tree.full_name, (long long)job->about->installation_id, (long long)job->about->generation,
            (long long)graph->files, (long long)graph->links, (long long)job->written.changed,
            (long long)(rb_clock_ms() - job->started_ms));
    return err;
}

static rb_err job_run(struct job *job)
{
    struct rb_graph_about graph = {0};
    const char *note = "";
    bool is_built = false;
    rb_err err = job_find_built(&is_built, &graph, job);
    if (!err && !is_built)
        err = job_build(&graph, job);
    if (err)
        return err;
    job_note(job, &graph, job->written.changed, "");
    err = job_publish(job, &graph);
    if (!err) /* beside the build, which others wait for */
        err = rb_grapher_list_open(&note, job->work, job->grapher, job->mine, job->handle);
    if (!err)
        job_note(job, &graph, job->written.changed, note);
    return err;
}

struct rb_result rb_grapher_handle_disconnect(struct rb_work *work, void *app, void *local)
{
    const struct grapher_local *mine = local;
    int64_t repo_id = rb_work_int(work, "repo_id"), generation = rb_work_int(work, "generation");
    bool removed = false;
    (void)app;
    if (repo_id <= 0 || generation <= 0)
        return rb_reject("the event names no repository or no generation");
    rb_work_progress(work, 0, 0, "removing the graph");
    rb_err err = rb_graph_forget(&removed, mine->graph, repo_id, generation);
    if (!err) {
        rb_log_info("disconnected repository=%lld generation=%lld: %s", (long long)repo_id,
                    (long long)generation, removed ? "graph removed" : "graph kept, or there was none");
        rb_work_progress(work, 0, 0, removed ? "the graph is removed" : "there is no graph to remove");
    }
    return rb_result_from(err);
}

struct rb_result rb_grapher_handle(struct rb_work *work, void *app, void *local)
{
    struct rb_grapher *grapher = app;
    struct grapher_local *mine = local;
    struct rb_arena *arena = rb_work_arena(work);
    struct job job = {
        .work = work, .grapher = grapher, .mine = mine, .graph = mine->graph, .started_ms = rb_clock_ms()};
    int64_t installation = rb_work_int(work, "installation_id"), generation = rb_work_int(work, "generation");
    bool removed = false;
    if (installation <= 0 || generation <= 0)
        return rb_reject("the event names no installation or no generation");
    rb_err err = rb_repo_open(&job.handle, &grapher->sources, mine->db, installation, generation, arena);
    if (!err) {
        job.about = rb_repo_about(job.handle);
        job.tree = (struct rb_graph_tree){
            .repo_id = job.about->repo_id,
            .generation = generation,
            .full_name = rb_arena_printf(arena, "%s/%s", job.about->owner, job.about->name),
        };
        err = job_run(&job);
    }
    if (!err || err == RB_ESTALE) {
        rb_err left = rb_grapher_leave_nothing(&removed, mine, rb_work_int(work, "repo_id"));
        err = left ? left : err;
    }
    if (err)
        rb_log_info("not graphed installation=%lld generation=%lld: %s", (long long)installation,
                    (long long)generation, rb_error_text());
    rb_repo_close(job.handle);
    return rb_result_from(err);
}
