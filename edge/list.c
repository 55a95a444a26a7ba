/*
 * GET /api/v1/repos: what a person can connect, as GitHub lists it, each with how it stands here.
 *
 * GitHub's list is kept page by page with its ETags (github_repo_pages), so that asking again costs nothing
 * of the person's rate limit where nothing has changed. It is asked for when the first page of ours is; those
 * that follow read what was found then. The list and the installations meet in one statement.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edge/flow.h"
#include "edge/repos.h"

#define LIST_LIMIT     100   /* repositories in one answer, where nothing else is asked for */
#define LIST_LIMIT_MAX 1000  /* about 1 MB */
#define LIST_PAGES     100   /* of GitHub's list: 10,000 repositories */
#define LIST_MS        45000 /* a client waits for a minute: what has been found by then is given */
#define LIST_REPOS_MAX \
    (128 * 1024) /* one page as we keep it: 100 times a name, a branch, a few words: 50 KB */
#define LIST_AFTER_MAX 200

#define LIST_STEPS(STEP)                                       \
    STEP(find)  /* the person, and the pages that are known */ \
    STEP(found) /* open the token, unless they will do */      \
    STEP(ask)   /* GitHub for a page */                        \
    STEP(page)  /* unchanged, or to be kept */                 \
    STEP(kept)                                                 \
    STEP(trim) /* what was known of pages that are no more */  \
    STEP(trimmed)                                              \
    STEP(follow) /* new names of what is connected */          \
    STEP(followed)                                             \
    STEP(answer)                                               \
    STEP(answered)

struct list;
#define LIST_STEP(step) EDGE_FLOW_STEP(list, step)
LIST_STEPS(LIST_STEP)

struct list_page {
    const char *etag; /* NULL: the page is not known */
    bool has_next;
};

struct list {
    struct edge_flow flow;
    const char *after;
    int64_t limit;
    char *token;             /* wiped at the end */
    struct list_page *known; /* by page, from 1 */
    int page, last_known;
    int64_t deadline;
    bool has_next; /* of the page at hand */
    struct rb_buf repos;
};

/* ---- ends --------------------------------------------------------------------------------------------- */

static const struct edge_step *list_end(struct list *in)
{
    rb_secret_free(in->token);
    rb_buf_free(&in->repos);
    return edge_flow_end(&in->flow);
}

static const struct edge_step *list_no_database(struct list *in)
{
    edge_answer_no_database(in->flow.exchange);
    return list_end(in);
}

static const struct edge_step *list_no_github(struct list *in, const char *why)
{
    rb_log_warn("repositories of user=%lld are not listed: %s", (long long)in->flow.exchange->user_id, why);
    edge_answer_error(in->flow.exchange, 502,
                      "Failed to list repositories: %s. What is connected is told without GitHub by GET "
                      "/api/v1/repos?connected=true",
                      why);
    return list_end(in);
}

/* ---- what is asked for -------------------------------------------------------------------------------- */

/* Without GitHub: this person's installations, newest first. */
static void list_connected(struct edge_exchange *exchange, int64_t limit, const char *after)
{
    static const struct rb_statement statement = {
        "list_connected",
        "select (select jsonb_build_object('repos', coalesce(jsonb_agg(" EDGE_REPO_JSON
        " order by i.id desc) "
        "filter (where i.place <= $3), '[]'), 'next', case when count(*) > $3 then (min(i.id) filter (where "
        "i.place <= $3))::text end) from (select i.*, row_number() over (order by i.id desc) as place from "
        "installations i where i.user_id = u.id and i.state in ('reserved', 'active') and i.id < $4 order by "
        "i.id desc limit $3 + 1) i) from " EDGE_PERSON};
    char *end = NULL;
    errno = 0;
    long long before = after ? strtoll(after, &end, 10) : INT64_MAX;
    if (after && (errno || *after < '0' || *after > '9' || *end)) {
        edge_answer_error(exchange, 422, "after is what the answer before gave as next");
        return;
    }
    struct rb_param params[] = {EDGE_P_PERSON(exchange), RB_P_INT(limit), RB_P_INT(before)};
    edge_query(exchange, &statement, params, 4, edge_answer_person_rows, exchange);
}

void edge_list_repos(struct edge_exchange *exchange)
{
    const char *connected = edge_parameter(exchange, "connected"), *after = edge_parameter(exchange, "after");
    int64_t limit = LIST_LIMIT;
    if (connected && strcmp(connected, "true") != 0 && strcmp(connected, "false") != 0) {
        edge_answer_error(exchange, 422, "connected is true or false");
        return;
    }
    if (!edge_parameter_int(&limit, exchange, "limit", 1, LIST_LIMIT_MAX))
        return;
    if (connected && strcmp(connected, "true") == 0) {
        list_connected(exchange, limit, after);
        return;
    }
    if (after && strlen(after) > LIST_AFTER_MAX) {
        edge_answer_error(exchange, 422, "after is what the answer before gave as next");
        return;
    }
    struct list *in = edge_flow_new(exchange, sizeof(*in));
    in->limit = limit;
    in->after = after && *after ? after : NULL;
    in->deadline = rb_clock_ms() + LIST_MS;
    rb_buf_init(&in->repos, LIST_REPOS_MAX);
    edge_flow_go(&in->flow, &step_find);
}

/* ---- GitHub's list ------------------------------------------------------------------------------------ */

static const struct edge_step *list_find(struct list *in)
{
    static const struct rb_statement statement = {
        "list_find", "select p.page, p.etag, p.has_next, u.token_sealed from " EDGE_PERSON
                     " left join github_repo_pages p on p.user_id = u.id order by p.page"};
    struct rb_param params[] = {EDGE_P_PERSON(in->flow.exchange)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_found);
}

static const struct edge_step *list_found(struct list *in)
{
    if (in->flow.err)
        return list_no_database(in);
    if (rb_rows_count(in->flow.rows) == 0) {
        edge_answer_unauthorized(in->flow.exchange);
        return list_end(in);
    }
    struct rb_arena *arena = in->flow.exchange->arena;
    in->known = rb_arena_alloc(arena, (LIST_PAGES + 1) * sizeof(*in->known));
    memset(in->known, 0, (LIST_PAGES + 1) * sizeof(*in->known));
    for (size_t i = 0; i < rb_rows_count(in->flow.rows); i++) {
        int64_t page = rb_rows_int(in->flow.rows, i, 0); /* 0: none is known */
        if (page < 1 || page > LIST_PAGES)
            continue;
        in->known[page] =
            (struct list_page){.etag = rb_arena_strdup(arena, rb_rows_text(in->flow.rows, i, 1)),
                               .has_next = rb_rows_bool(in->flow.rows, i, 2)};
        in->last_known = (int)page;
    }
    if (in->after && in->last_known)
        return &step_answer; /* the rest of a list that was asked for just now */
    size_t len = 0;
    const uint8_t *sealed = rb_rows_bytes(in->flow.rows, 0, 3, &len);
    if (edge_open_token(&in->token, in->flow.exchange, sealed, len)) {
        edge_answer_error(in->flow.exchange, 401, EDGE_SESSION_EXPIRED);
        return list_end(in);
    }
    in->page = 1;
    return &step_ask;
}

static const struct edge_step *list_ask(struct list *in)
{
    struct rb_github_request request;
    rb_github_list_repos(&request, in->page, in->known[in->page].etag);
    return edge_flow_ask(&in->flow, &request, in->token, &step_page);
}

/* The next page, where there may be one. A full page may have one that GitHub did not speak of when it was
 * kept: its own ETag does not change when one is added behind it. */
static const struct edge_step *list_go_on(struct list *in)
{
    if (!in->has_next)
        return in->last_known > in->page ? &step_trim : &step_follow;
    if (in->page >= LIST_PAGES || rb_clock_ms() >= in->deadline)
        return &step_follow; /* cut: the page at hand says that there are more */
    in->page++;
    return &step_ask;
}

/* A page as it is kept: [{"id","full_name","private","default_branch","admin"}]. */
static rb_err list_add(void *arg, const struct rb_github_repo *repo)
{
    struct list *in = arg;
    json_t *json =
        json_pack("{s:I, s:s, s:b, s:s, s:b}", "id", repo->id, "full_name", repo->full_name, "private",
                  repo->is_private, "default_branch", repo->default_branch, "admin", repo->admin);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL; /* NULL: a branch that is not UTF-8 */
    rb_err err = text ? rb_buf_printf(&in->repos, "%s%s", in->repos.len > 1 ? "," : "", text) : RB_OK;
    json_decref(json);
    free(text);
    return err;
}

static const struct edge_step *list_page(struct list *in)
{
    static const struct rb_statement statement = {
        "list_keep",
        "insert into github_repo_pages (user_id, page, etag, has_next, repos) values ($1, $2, $3, $4::int <> "
        "0, $5::jsonb) on conflict (user_id, page) do update set etag = excluded.etag, has_next = "
        "excluded.has_next, repos = excluded.repos, fetched_at = now()"};
    char sentence[512];
    size_t count = 0;
    struct list_page *known = &in->known[in->page];
    if (rb_github_judge(sentence, sizeof(sentence), in->flow.response, "list repositories", "your account"))
        return list_no_github(in, sentence);
    if (in->flow.response->status == 304 && known->etag) {
        in->has_next = known->has_next;
        return list_go_on(in);
    }
    rb_buf_reset(&in->repos);
    rb_err err = rb_buf_append(&in->repos, "[", 1);
    if (!err)
        err = rb_github_read_repos(&count, in->flow.response, list_add, in);
    if (!err)
        err = rb_buf_append(&in->repos, "]", 1);
    if (err)
        return list_no_github(in, rb_error_text());
    in->has_next = in->flow.response->has_next || count >= RB_GITHUB_REPOS_PAGE;
    struct rb_param params[] = {RB_P_INT(in->flow.exchange->user_id), RB_P_INT(in->page),
                                RB_P_TEXT(in->flow.response->etag), RB_P_INT(in->has_next),
                                RB_P_TEXT(in->repos.data)};
    return edge_flow_query(&in->flow, &statement, params, 5, &step_kept);
}

static const struct edge_step *list_kept(struct list *in)
{
    return in->flow.err ? list_no_database(in) : list_go_on(in);
}

static const struct edge_step *list_trim(struct list *in)
{
    static const struct rb_statement statement = {
        "list_trim", "delete from github_repo_pages where user_id = $1 and page > $2"};
    struct rb_param params[] = {RB_P_INT(in->flow.exchange->user_id), RB_P_INT(in->page)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_trimmed);
}

static const struct edge_step *list_trimmed(struct list *in)
{
    return in->flow.err ? list_no_database(in) : &step_follow;
}

/* ---- the answer --------------------------------------------------------------------------------------- */

/* The repositories on the pages of this person ($1); of one that moved between two, the newer. */
#define LIST_LISTED                                                                                         \
    "listed as (select distinct on (r.id) r.* from github_repo_pages p, jsonb_to_recordset(p.repos) as r("  \
    "id bigint, full_name text, private boolean, default_branch text, admin boolean) where p.user_id = $1 " \
    "order by r.id, p.fetched_at desc)"

/* A repository that was renamed or transferred is the same one by its number. A name that another of this
 * person's installations still has, which is then out of date too, becomes free with the next list. */
static const struct edge_step *list_follow(struct list *in)
{
    static const struct rb_statement statement = {
        "list_follow",
        "with " LIST_LISTED " update installations i set repo_full_name = l.full_name, default_branch = "
        "coalesce(nullif(l.default_branch, ''), i.default_branch) from listed l where i.user_id = $1 and "
        "i.state = 'active' and i.repo_id = l.id and (i.repo_full_name <> l.full_name or (l.default_branch "
        "<> '' and i.default_branch is distinct from l.default_branch)) and not exists (select from "
        "installations o where o.user_id = i.user_id and o.id <> i.id and o.state in ('reserved', 'active') "
        "and lower(o.repo_full_name) = lower(l.full_name))"};
    struct rb_param params[] = {RB_P_INT(in->flow.exchange->user_id)};
    return edge_flow_query(&in->flow, &statement, params, 1, &step_followed);
}

static const struct edge_step *list_followed(struct list *in)
{
    if (in->flow.err) /* the answer has the new names all the same */
        rb_log_warn("names of user=%lld stay as they were: %s", (long long)in->flow.exchange->user_id,
                    rb_error_text());
    return &step_answer;
}

static const struct edge_step *list_answer(struct list *in)
{
    /* '!' sorts before whatever a name may hold, so that the key sorts as names do. */
    static const struct rb_statement statement = {
        "list_answer",
        "with " LIST_LISTED ", merged as (select coalesce(l.full_name, i.repo_full_name) as name, coalesce("
        "l.id, i.repo_id) as repo_id, l.id is not null as listed, l.private, l.admin, coalesce(nullif("
        "l.default_branch, ''), i.default_branch) as default_branch, i.id as installation_id from listed l "
        "full join (select * from installations where user_id = $1 and state in ('reserved', 'active') and "
        "repo_id is not null) i on i.repo_id = l.id), keyed as (select merged.*, (lower(name) || '!' || "
        "repo_id) collate \"C\" as key from merged), slice as (select *, row_number() over (order by key) as "
        "place from keyed where $2 = '' or key > $2 collate \"C\" order by key limit $3 + 1) "
        "select jsonb_build_object('repos', coalesce((select jsonb_agg(" EDGE_REPO_JSON
        " || jsonb_build_object('repo', s.name, 'repo_id', s.repo_id, 'default_branch', s.default_branch, "
        "'private', s.private, 'admin', s.admin, 'listed', s.listed) order by s.key) from slice s left join "
        "installations i on i.id = s.installation_id where s.place <= $3), '[]'), 'next', (select s.key from "
        "slice s where s.place = $3 and exists (select from slice where place > $3)), 'complete', not "
        "coalesce("
        "(select has_next from github_repo_pages where user_id = $1 order by page desc limit 1), false))"};
    struct rb_param params[] = {RB_P_INT(in->flow.exchange->user_id), RB_P_TEXT(in->after ? in->after : ""),
                                RB_P_INT(in->limit)};
    return edge_flow_query(&in->flow, &statement, params, 3, &step_answered);
}

static const struct edge_step *list_answered(struct list *in)
{
    if (in->flow.err)
        return list_no_database(in);
    const char *text = rb_rows_text(in->flow.rows, 0, 0);
    edge_answer_json(in->flow.exchange, 200, text, strlen(text));
    return list_end(in);
}
