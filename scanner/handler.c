/*
 * One event, from top to bottom: the file list, what it says, the manifests, the profile, the record, the
 * event that follows. Running twice, or next to itself, writes the same row; a newer generation wins.
 */
#include "scanner/handler.h"

#include <stdlib.h>
#include <string.h>

#include "scanner/scan.h"

#define PROGRESS_EVERY     16 /* files */
#define SUMMARY_LANGUAGES  5  /* in the event, which is no place for everything */
#define SUMMARY_FRAMEWORKS 20

struct job {
    struct rb_work *work;
    struct rb_db *db;
    struct rb_repo_handle *handle;
    const struct rb_repo *about;
    const char *full_name;
    struct rb_tree tree;
    struct rb_scan scan;
    size_t read; /* files done, for progress */
};

/* The lock on the installation holds off a disconnect between our looking and our writing. */
static const struct rb_statement write_profile = {
    "scanner_write_profile",
    "insert into profiles as p (installation_id, commit_sha, repo_id, generation, complete, profile) "
    "select i.id, $2, i.repo_id, i.generation, $4::bigint <> 0, $5::jsonb from installations i "
    "where i.id = $1 and i.generation = $3 and i.state = 'active' for share of i "
    "on conflict (installation_id, commit_sha) do update set repo_id = excluded.repo_id, "
    "generation = excluded.generation, complete = excluded.complete, profile = excluded.profile, scanned_at "
    "= now() "
    "where p.generation <= excluded.generation"};

rb_err rb_scanner_worker_open(void **local, void *app)
{
    struct rb_scanner *scanner = app;
    struct rb_db *db = NULL;
    rb_err err = rb_db_open(&db, scanner->sources.database_url, "repobus-scanner", 0);
    *local = db;
    return err;
}

void rb_scanner_worker_close(void *local, void *app)
{
    (void)app;
    rb_db_close(local);
}

rb_err rb_scanner_worker_ping(void *local, void *app)
{
    (void)app;
    return rb_db_ping(local);
}

static void job_progress(struct job *job, const char *note)
{
    rb_work_progress(job->work, (int64_t)job->read, (int64_t)job->scan.wanted_count, note);
}

/* An rb_repo_content_fn. */
static rb_err job_on_content(void *arg, size_t index, const char *content, size_t len, rb_err err,
                             const char *why)
{
    struct job *job = arg;
    if (rb_work_is_draining(job->work))
        return rb_error_set(RB_EUNAVAILABLE, "the scanner is stopping");
    if (content)
        rb_scan_take(&job->scan, index, content, len);
    else
        rb_scan_lack(&job->scan, index, err, why);
    job->read = index + 1;
    if (job->read % PROGRESS_EVERY == 0)
        job_progress(job, "reading manifests");
    return RB_OK;
}

static rb_err job_read_wanted(struct job *job)
{
    job_progress(job, "reading manifests");
    rb_err err =
        rb_repo_read(job->handle, rb_scan_wants(&job->scan), job->scan.wanted_count, job_on_content, job);
    const struct rb_repo_usage *used = rb_repo_used(job->handle);
    job->scan.usage.rest = used->rest;
    job->scan.usage.graphql = used->graphql;
    job->scan.usage.cached = used->cached;
    return err;
}

static rb_err job_write(struct job *job, const json_t *profile)
{
    char *text = json_dumps(profile, JSON_COMPACT | JSON_REAL_PRECISION(4));
    if (!text)
        return rb_error_set(RB_EINTERNAL, "the profile is no JSON");
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_INT(job->about->installation_id), RB_P_TEXT(job->tree.commit),
                                      RB_P_INT(job->about->generation), RB_P_INT(job->tree.complete),
                                      RB_P_TEXT(text)};
    rb_err err = rb_db_query(&rows, job->db, &write_profile, params, sizeof params / sizeof *params);
    if (!err && rb_rows_affected(rows) == 0)
        err = rb_error_set(RB_ESTALE, "the installation has a newer generation");
    rb_rows_free(rows);
    free(text);
    return err;
}

/* The first `count` items of a list of the profile, each with the fields people want in an event. */
static json_t *summary_list(const json_t *profile, const char *list, size_t count)
{
    json_t *out = json_array(), *item;
    size_t i;
    json_array_foreach(json_object_get(profile, list), i, item)
    {
        if (i < count)
            json_array_append(out, item);
    }
    return out;
}

static rb_err job_publish(struct job *job, const json_t *profile)
{
    static const char *const same[] = {"complete", "files", "bytes", "summary"};
    json_t *summary = json_object(), *data = json_object();
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        json_object_set(summary, same[i], json_object_get(profile, same[i]));
    json_object_set_new(summary, "languages", summary_list(profile, "languages", SUMMARY_LANGUAGES));
    json_object_set_new(summary, "frameworks", summary_list(profile, "frameworks", SUMMARY_FRAMEWORKS));
    json_object_set_new(summary, "dependencies", json_integer((json_int_t)job->scan.sheet.count));
    json_object_set_new(data, "installation_id", json_integer(job->about->installation_id));
    json_object_set_new(data, "generation", json_integer(job->about->generation));
    json_object_set_new(data, "repo_id", json_integer(job->about->repo_id));
    json_object_set_new(data, "repo", json_string(job->full_name));
    json_object_set_new(data, "commit", json_string(job->tree.commit));
    json_object_set_new(data, "profile", summary);
    rb_err err = rb_work_publish(job->work, RB_REPO_SCANNED, data);
    json_decref(data);
    return err;
}

static rb_err job_run(struct job *job)
{
    json_t *profile = NULL;
    job_progress(job, "reading the file list");
    rb_err err = rb_repo_tree(&job->tree, job->handle);
    if (err)
        return err;
    rb_tree_unpack(&job->tree, rb_work_arena(job->work));
    rb_scan_survey(&job->scan, &job->tree, rb_work_arena(job->work));
    err = job_read_wanted(job);
    if (err)
        goto out;
    rb_scan_settle(&job->scan);
    profile = rb_scan_profile(&job->scan, job->full_name);
    err = job_write(job, profile);
    if (err)
        goto out;
    job_progress(job, rb_scan_summary(&job->scan));
    err = job_publish(job, profile);
out:
    json_decref(profile);
    return err;
}

/* A limit of GitHub's: the runtime brings the event back when the time has come. */
static void job_note_wait(struct job *job, int64_t wait_ms)
{
    char time[RB_TIME_SIZE];
    rb_time_format(time, rb_clock_wall_ms() + wait_ms);
    job_progress(job,
                 rb_arena_printf(rb_work_arena(job->work), "waiting for GitHub's limit until %.19sZ", time));
}

struct rb_result rb_scanner_handle(struct rb_work *work, void *app, void *local)
{
    struct rb_scanner *scanner = app;
    struct rb_arena *arena = rb_work_arena(work);
    struct job *job = rb_arena_alloc(arena, sizeof *job);
    job->work = work;
    job->db = local;
    int64_t installation = rb_work_int(work, "installation_id"), generation = rb_work_int(work, "generation");
    if (installation <= 0 || generation <= 0)
        return rb_reject("the event names no installation or no generation");
    int64_t started = rb_clock_ms();
    rb_err err = rb_repo_open(&job->handle, &scanner->sources, job->db, installation, generation, arena);
    if (!err) {
        job->about = rb_repo_about(job->handle);
        job->full_name = rb_arena_printf(arena, "%s/%s", job->about->owner, job->about->name);
        err = job_run(job);
    }
    if (err)
        rb_log_info("not scanned installation=%lld generation=%lld: %s", (long long)installation,
                    (long long)generation, rb_error_text());
    else
        rb_log_info("scanned repo=%s installation=%lld generation=%lld files=%lld manifests=%zu "
                    "dependencies=%zu requests=%lld+%lld cached=%lld ms=%lld",
                    job->full_name, (long long)installation, (long long)generation,
                    (long long)job->scan.files, job->scan.manifest_count, job->scan.sheet.count,
                    (long long)job->scan.usage.rest, (long long)job->scan.usage.graphql,
                    (long long)job->scan.usage.cached, (long long)(rb_clock_ms() - started));
    int64_t wait = err ? rb_error_wait_ms() : 0;
    struct rb_result result = rb_result_from(err);
    if (wait > 0)
        job_note_wait(job, wait);
    rb_repo_close(job->handle);
    return result;
}

/* What a scan still under way has to write finds that its installation is not active. */
struct rb_result rb_scanner_handle_disconnect(struct rb_work *work, void *app, void *local)
{
    static const struct rb_statement statement = {
        "scanner_forget", "delete from profiles where installation_id = $1 and generation <= $2"};
    int64_t installation = rb_work_int(work, "installation_id"), generation = rb_work_int(work, "generation");
    struct rb_rows *rows = NULL;
    (void)app;
    if (installation <= 0 || generation <= 0)
        return rb_reject("the event names no installation or no generation");
    const struct rb_param params[] = {RB_P_INT(installation), RB_P_INT(generation)};
    rb_err err = rb_db_query(&rows, local, &statement, params, 2);
    if (!err)
        err = rb_blobs_forget(local, installation);
    if (!err) {
        rb_log_info("disconnected installation=%lld generation=%lld profiles=%lld", (long long)installation,
                    (long long)generation, (long long)rb_rows_affected(rows));
        rb_work_progress(work, 0, 0, "the profiles are removed");
    }
    rb_rows_free(rows);
    return rb_result_from(err);
}
