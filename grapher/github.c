/*
 * github.pull_request and github.issues: what a webhook says of a pull request or an issue becomes its node.
 * The payload has it all but the files, which are listed by the API when the head has moved or another branch
 * is to take it. A repository that nobody has connected any more gets nothing: what was written meanwhile
 * where the graph has a store of its own is removed again.
 */
#include "grapher/github.h"

#include <stdlib.h>
#include <string.h>

#include "grapher/state.h"
#include "lib/github/github.h"

/* ---- the payload --------------------------------------------------------------------------------------- */

static rb_err news_read(struct news *news)
{
    const json_t *data = rb_work_event(news->work)->data;
    const char *text = NULL;
    size_t len = 0;
    news->repo_id = rb_work_int(news->work, "repo_id");
    news->full_name = rb_work_string(news->work, "repo");
    news->payload = json_incref(json_object_get(data, "payload"));
    if (news->repo_id <= 0 || !*news->full_name)
        return rb_error_set(RB_EINVAL, "the event names no repository");
    if (news->payload)
        return RB_OK;
    rb_err err = rb_repo_delivery_payload(&text, &len, news->mine->db, rb_work_int(news->work, "hook_id"),
                                          rb_work_string(news->work, "delivery_id"), news->arena);
    if (err)
        return err;
    /* A zero within a text is JSON and has been refused by the bus; here it ends the text. */
    news->payload = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
    return news->payload ? RB_OK : rb_error_set(RB_EINVAL, "the payload of the delivery is no JSON");
}

static const char *news_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static struct rb_developer news_author(const json_t *about)
{
    const json_t *user = json_object_get(about, "user");
    int64_t id = json_integer_value(json_object_get(user, "id"));
    const char *login = news_text(user, "login");
    return (struct rb_developer){
        .github_id = id > 0 && *login ? id : 0, .login = login, .seen_at = news_text(about, "updated_at")};
}

/* GitHub's times end with Z; PostgreSQL and Neo4j read them as they are. */
static bool news_is_time(const char *text)
{
    static const char form[] = "0000-00-00T00:00:00";
    for (size_t i = 0; form[i]; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !is_digit : text[i] != form[i])
            return false;
    }
    return strchr("Z+-.", text[sizeof form - 1]) && strlen(text) < 40;
}

static bool news_is_commit(const char *text)
{
    size_t len = strlen(text);
    return (len == 40 || len == 64) && strspn(text, "0123456789abcdef") == len;
}

/* The first so many characters, whole ones. */
static const char *news_title(const struct news *news, const json_t *about)
{
    const char *title = news_text(about, "title");
    size_t len = 0;
    for (int chars = 0; title[len]; len++) {
        chars += ((unsigned char)title[len] & 0xc0) != 0x80;
        if (chars > RB_ACTIVITY_TITLE_MAX)
            break;
    }
    return rb_arena_strndup(news->arena, title, len);
}

/* Of a list it has no content: whatever event tells of the same second stands above it. */
static const char *news_version(const struct news *news, const json_t *about, const char *state)
{
    if (news->handle)
        return rb_arena_printf(news->arena, "%.32s/%d/", news_text(about, "updated_at"),
                               strcmp(state, "open") != 0);
    char *content = json_dumps(about, JSON_COMPACT | JSON_SORT_KEYS);
    const char *version =
        rb_activity_version(news_text(about, "updated_at"), state, content ? content : "", news->arena);
    free(content);
    return version;
}

static rb_err news_check(const json_t *about)
{
    if (json_integer_value(json_object_get(about, "number")) <= 0 ||
        !news_is_time(news_text(about, "created_at")) || !news_is_time(news_text(about, "updated_at")))
        return rb_error_set(RB_EINVAL,
                            "the payload is not what GitHub documents: it has no number or no time");
    return RB_OK;
}

/* ---- a pull request -------------------------------------------------------------------------------------
 */

/* The number of a repository that somebody has connected; 0: of none. */
static rb_err news_repo_id(int64_t *repo_id, struct news *news, const char *full_name)
{
    static const struct rb_statement statement = {
        "grapher_repo_id", "select repo_id from installations where lower(repo_full_name) = lower($1) and "
                           "state = 'active' limit 1"};
    struct rb_rows *rows = NULL;
    const struct rb_param params[] = {RB_P_TEXT(full_name)};
    rb_err err = rb_db_query(&rows, news->mine->db, &statement, params, 1);
    *repo_id = !err && rb_rows_count(rows) > 0 ? rb_rows_int(rows, 0, 0) : 0;
    rb_rows_free(rows);
    return err;
}

static rb_err news_closes(struct rb_pull_request *pull, struct news *news, const json_t *about)
{
    struct rb_closing found[RB_CLOSING_MAX];
    const char *page = news_text(about, "html_url"); /* on GitHub's own host, or an enterprise's */
    size_t origin = rb_url_origin(page);
    const char *web_url = origin ? rb_arena_strndup(news->arena, page, origin) : "https://github.com";
    const char *text =
        rb_arena_printf(news->arena, "%s\n\n%s", news_text(about, "title"), news_text(about, "body"));
    size_t count = rb_closing_find(found, RB_CLOSING_MAX, text, web_url, news->arena);
    struct rb_issue_ref *refs = rb_arena_alloc(news->arena, (count + 1) * sizeof *refs);
    for (size_t i = 0; i < count; i++) {
        int64_t repo_id = news->repo_id;
        rb_err err = found[i].repo && strcasecmp(found[i].repo, news->full_name) != 0
                         ? news_repo_id(&repo_id, news, found[i].repo)
                         : RB_OK;
        if (err)
            return err;
        if (repo_id > 0)
            refs[pull->close_count++] = (struct rb_issue_ref){repo_id, found[i].number};
    }
    pull->closes = refs;
    return RB_OK;
}

static int touch_order(const void *a, const void *b)
{
    return strcmp(((const struct rb_touch *)a)->path, ((const struct rb_touch *)b)->path);
}

/* Lists the files with the token of the first installation of the hook that has one which works; for a list,
 * with that of the list. */
static rb_err news_list_files(const struct rb_repo_pull_file **files, size_t *count, struct news *news,
                              int64_t number)
{
    if (news->handle)
        return rb_repo_pull_files(files, count, news->handle, number);
    const json_t *ids = json_object_get(rb_work_event(news->work)->data, "installation_ids"), *id;
    rb_err err = rb_error_set(RB_ESTALE, "no installation of %s is left", news->full_name);
    size_t i;
    json_array_foreach(ids, i, id)
    {
        struct rb_repo_handle *handle = NULL;
        err = rb_repo_open(&handle, &news->grapher->sources, news->mine->db, json_integer_value(id), 0,
                           news->arena);
        if (!err)
            err = rb_repo_pull_files(files, count, handle, number);
        rb_repo_close(handle);
        if (err != RB_ESTALE && err != RB_EAUTH && err != RB_EFORBIDDEN)
            break;
    }
    return err;
}

static rb_err news_touches(struct rb_pull_request *pull, struct news *news)
{
    struct rb_pull_range known;
    const struct rb_repo_pull_file *files = NULL;
    size_t count = 0, kept = 0;
    rb_err err = rb_graph_pull_request_range(&known, news->mine->graph, pull->repo_id, pull->number);
    bool is_known = strcmp(known.head, pull->head_sha) == 0 && strcmp(known.base_ref, pull->base_ref) == 0;
    bool is_late = strcmp(known.version, pull->version) > 0; /* and will not be written */
    if (err || is_known || is_late || news->has_no_requests)
        return err;
    rb_work_progress(news->work, 0, 0, "listing the files of the pull request");
    err = news_list_files(&files, &count, news, pull->number);
    if (err == RB_ENOTFOUND) /* gone since: what the payload says stands */
        return RB_OK;
    if (err)
        return err;
    struct rb_touch *touches = rb_arena_alloc(news->arena, (count + 1) * sizeof *touches);
    for (size_t i = 0; i < count; i++)
        touches[i] = (struct rb_touch){rb_graph_path(files[i].path, news->arena), files[i].additions,
                                       files[i].deletions};
    qsort(touches, count, sizeof *touches, touch_order);
    for (size_t i = 0; i < count; i++) { /* a page may repeat what the one before had */
        if (kept == 0 || strcmp(touches[kept - 1].path, touches[i].path) != 0)
            touches[kept++] = touches[i];
    }
    pull->has_touches = true;
    pull->touches = touches;
    pull->touch_count = kept;
    return RB_OK;
}

/* A merge moves the default branch, and leaves the graph behind until the next scan. */
static rb_err news_merge(const struct news *news, const json_t *about, const struct rb_pull_request *pull)
{
    const char *branch = news_text(json_object_get(news->payload, "repository"), "default_branch");
    const char *base = news_text(json_object_get(about, "base"), "ref");
    const char *commit = news_text(about, "merge_commit_sha");
    if (!pull->merged_at || !*branch || strcmp(branch, base) != 0 || !news_is_commit(commit))
        return RB_OK;
    return rb_graph_note_merge(news->mine->graph, news->repo_id, commit, pull->merged_at);
}

rb_err grapher_put_pull_request(bool *written, struct news *news, const json_t *about)
{
    rb_err err = news_check(about);
    if (err)
        return err;
    bool merged = json_is_true(json_object_get(about, "merged")) || *news_text(about, "merged_at");
    struct rb_pull_request pull = {
        .repo_id = news->repo_id,
        .number = json_integer_value(json_object_get(about, "number")),
        .title = news_title(news, about),
        .state = merged                                             ? "merged"
                 : strcmp(news_text(about, "state"), "closed") == 0 ? "closed"
                                                                    : "open",
        .head_sha = news_text(json_object_get(about, "head"), "sha"),
        .base_ref = news_text(json_object_get(about, "base"), "ref"),
        .created_at = news_text(about, "created_at"),
        .author = news_author(about),
    };
    if (merged && news_is_time(news_text(about, "merged_at")))
        pull.merged_at = news_text(about, "merged_at");
    if (!news_is_commit(pull.head_sha))
        return rb_error_set(RB_EINVAL, "the payload is not what GitHub documents: its head is no commit");
    pull.version = news_version(news, about, pull.state);
    err = news_closes(&pull, news, about);
    if (!err)
        err = news_touches(&pull, news);
    if (!err)
        err = rb_graph_put_pull_request(written, news->mine->graph, news->full_name, &pull);
    return err ? err : news_merge(news, about, &pull);
}

/* ---- an issue -------------------------------------------------------------------------------------------
 */

rb_err grapher_put_issue(bool *written, struct news *news, const json_t *about)
{
    const char *action = news_text(news->payload, "action");
    rb_err err = news_check(about);
    if (err)
        return err;
    struct rb_issue issue = {
        .repo_id = news->repo_id,
        .number = json_integer_value(json_object_get(about, "number")),
        .title = news_title(news, about),
        .state = strcmp(action, "deleted") == 0                     ? "deleted"
                 : strcmp(action, "transferred") == 0               ? "transferred"
                 : strcmp(news_text(about, "state"), "closed") == 0 ? "closed"
                                                                    : "open",
        .created_at = news_text(about, "created_at"),
        .author = news_author(about),
    };
    issue.version = news_version(news, about, issue.state);
    return rb_graph_put_issue(written, news->mine->graph, news->full_name, &issue);
}

/* ---- the handlers ---------------------------------------------------------------------------------------
 */

static rb_err news_pull_request(bool *written, struct news *news)
{
    return grapher_put_pull_request(written, news, json_object_get(news->payload, "pull_request"));
}

static rb_err news_issue(bool *written, struct news *news)
{
    return grapher_put_issue(written, news, json_object_get(news->payload, "issue"));
}

static struct rb_result news_handle(struct rb_work *work, void *app, void *local,
                                    rb_err (*write)(bool *written, struct news *news))
{
    struct news news = {.work = work, .grapher = app, .mine = local, .arena = rb_work_arena(work)};
    bool written = false, removed = false;
    rb_err err = news_read(&news);
    if (!err)
        err = write(&written, &news);
    if (!err && written && news.grapher->graph.neo4j_uri)
        err = rb_grapher_leave_nothing(&removed, news.mine, news.repo_id);
    if (err)
        rb_log_info("not graphed event=%s repository=%lld: %s", rb_work_event(work)->subject,
                    (long long)news.repo_id, rb_error_text());
    else
        rb_log_info("graphed event=%s repository=%lld%s", rb_work_event(work)->subject,
                    (long long)news.repo_id,
                    written ? "" : ": something newer is known, or nobody has it connected any more");
    json_decref(news.payload);
    return rb_result_from(err);
}

struct rb_result rb_grapher_handle_pull_request(struct rb_work *work, void *app, void *local)
{
    return news_handle(work, app, local, news_pull_request);
}

struct rb_result rb_grapher_handle_issue(struct rb_work *work, void *app, void *local)
{
    return news_handle(work, app, local, news_issue);
}
