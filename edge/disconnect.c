/*
 * DELETE /api/v1/repos/{owner}/{repo}/install: the flow that disconnects a repository.
 *
 * The installation is claimed for a limited time (leaving_until). One connect or disconnect of a repository
 * is under way at a time, whoever asks (index installations_connecting): so who is the last to share a hook
 * is certain while its removal is under way, and nobody comes to share it meanwhile. GitHub is asked before
 * the record is written: as long as it refuses or is silent the installation stays what it was.
 *
 * After a crash in between, or when the database is lost once the hook may be gone, the claim runs out and
 * the reconciler finishes what was begun.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/flow.h"
#include "edge/leave.h"
#include "edge/repos.h"

#define LEAVE_WAITS 30 /* EDGE_PAUSE_MS each, while somebody else connects or disconnects the repository */
#define LEAVE_TRIES 2  /* at removing the hook, and at writing: the second finds out about a lost answer */
#define LEAVE_UNSURE \
    "The database was lost while disconnecting: look in a minute whether it is connected still"

/* The steps, in the order of the way through. */
#define LEAVE_STEPS(STEP)                                                                 \
    STEP(find)  /* the person and the installation of that name */                        \
    STEP(found) /* not there, being connected, being disconnected, or go on */            \
    STEP(claim) /* for a limited time; one at a time */                                   \
    STEP(claimed)                                                                         \
    STEP(look_around) /* do others share the hook? Draw the generation */                 \
    STEP(counted)                                                                         \
    STEP(remove_hook)                                                                     \
    STEP(hook_answered)                                                                   \
    STEP(look) /* GitHub says 404: is the hook gone, or is it hidden from us? */          \
    STEP(seen)                                                                            \
    STEP(leave) /* installation and event, one statement */                               \
    STEP(left)                                                                            \
    STEP(fence) /* the outcome is unknown: what has not happened must not happen later */ \
    STEP(fenced)                                                                          \
    STEP(read_back)                                                                       \
    STEP(outcome_read)                                                                    \
    STEP(disconnected)                                                                    \
    STEP(release) /* nothing was done: the claim is taken back, then the answer */        \
    STEP(released)                                                                        \
    STEP(refuse)

struct leave;
#define LEAVE_STEP(step) EDGE_FLOW_STEP(leave, step)
LEAVE_STEPS(LEAVE_STEP)

struct leave {
    struct edge_flow flow;
    bool force;               /* whatever GitHub says */
    const char *name;         /* as asked for, then as we have it */
    const char *owner, *repo; /* of that name */
    int64_t installation_id, repo_id, hook_id, generation;
    int64_t claim; /* EDGE_CLAIM of our claim: who holds it may write */
    char *token;   /* the person's, NULL when it does not open; wiped at the end */
    bool hook_left;
    int waits, removals, writes;
    char sentence[512];
    /* The answer once the claim is taken back. */
    int refusal;
    char refusal_text[640];
};

/* ---- ends --------------------------------------------------------------------------------------------- */

static const struct edge_step *leave_end(struct leave *in)
{
    rb_secret_free(in->token);
    return edge_flow_end(&in->flow);
}

/* What the person will be told once the claim, if there is one, is taken back. */
static const struct edge_step *leave_fail(struct leave *in, int status, const char *why)
{
    in->refusal = status;
    snprintf(in->refusal_text, sizeof(in->refusal_text), "%.600s", why);
    return in->claim ? &step_release : &step_refuse;
}

/* GitHub refused, or was silent. */
static const struct edge_step *leave_fail_hook(struct leave *in, const char *why)
{
    char text[560];
    snprintf(text, sizeof(text), "Failed to remove webhook: %.500s", why);
    return leave_fail(in, 502, text);
}

/* The database may have written what we did not hear of, and may finish it by the reconciler. */
static const struct edge_step *leave_unsure(struct leave *in)
{
    rb_log_error("disconnect %s: the outcome is unknown: %s", in->name, rb_error_text());
    in->claim = 0; /* it runs out, and the reconciler looks */
    return leave_fail(in, 503, LEAVE_UNSURE);
}

/* ---- the way through ---------------------------------------------------------------------------------- */

void edge_disconnect(struct edge_exchange *exchange)
{
    const char *force = edge_parameter(exchange, "force");
    if (force && strcmp(force, "true") != 0 && strcmp(force, "false") != 0) {
        edge_answer_error(exchange, 422, "force is true or false");
        return;
    }
    struct leave *in = edge_flow_new(exchange, sizeof(*in));
    in->force = force && strcmp(force, "true") == 0;
    in->name = edge_repo_name(exchange);
    edge_flow_go(&in->flow, &step_find);
}

static const struct edge_step *leave_find(struct leave *in)
{
    static const struct rb_statement statement = {
        "leave_find",
        "select i.id, i.state, coalesce(i.leaving_until >= now(), false), u.token_sealed " EDGE_REPO_BY_NAME};
    struct rb_param params[] = {EDGE_P_PERSON(in->flow.exchange), RB_P_TEXT(in->name)};
    return edge_flow_query(&in->flow, &statement, params, 3, &step_found);
}

static const struct edge_step *leave_found(struct leave *in)
{
    if (edge_answer_if_not_there(in->flow.exchange, in->flow.err, in->flow.rows)) {
        return leave_end(in);
    }
    if (strcmp(rb_rows_text(in->flow.rows, 0, 1), "reserved") == 0)
        return leave_fail(in, 409, "Repo is being connected");
    if (rb_rows_bool(in->flow.rows, 0, 2))
        return leave_fail(in, 409, "Repo is being disconnected");
    in->installation_id = rb_rows_int(in->flow.rows, 0, 0);
    size_t len = 0;
    const uint8_t *sealed = rb_rows_bytes(in->flow.rows, 0, 3, &len);
    /* Whether it is needed is not known yet: a hook that others share stays. */
    if (!in->token && edge_open_token(&in->token, in->flow.exchange, sealed, len))
        in->token = NULL;
    return &step_claim;
}

static const struct edge_step *leave_claim(struct leave *in)
{
    /* One of ours that ran out is taken over. Its flow, should it wake up, finds that it holds nothing. */
    static const struct rb_statement statement = {
        "leave_claim",
        "update installations set leaving_until = now() + make_interval(secs => $2) where id = $1 and "
        "state = 'active' and (leaving_until is null or leaving_until < now()) returning " EDGE_CLAIM};
    struct rb_param params[] = {RB_P_INT(in->installation_id),
                                RB_P_INT(in->flow.exchange->edge->settings.reservation_seconds)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_claimed);
}

static const struct edge_step *leave_claimed(struct leave *in)
{
    bool busy = in->flow.err == RB_ECONFLICT;
    if (in->flow.err && !busy)
        return leave_unsure(in);
    if (!busy && rb_rows_count(in->flow.rows) > 0) {
        in->claim = rb_rows_int(in->flow.rows, 0, 0);
        return &step_look_around;
    }
    if (in->waits++ >= LEAVE_WAITS)
        return leave_fail(in, 409,
                          "Somebody else is connecting or disconnecting this repository right now: try again "
                          "in a minute");
    /* Without a conflict it has changed since it was found: look again. */
    return busy ? edge_flow_pause(&in->flow, &step_claim) : &step_find;
}

/* A statement of its own: it sees what those had written whom the claim had to wait for. */
static const struct edge_step *leave_look_around(struct leave *in)
{
    static const struct rb_statement statement = {
        "leave_look_around",
        "select i.repo_full_name, i.repo_id, i.webhook_id, nextval('generations'), exists (select from "
        "installations o where o.webhook_id = i.webhook_id and o.state = 'active' and o.id <> i.id) "
        "from installations i where i.id = $1 and i.state = 'active' and " EDGE_CLAIM " = $2"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->claim)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_counted);
}

static const struct edge_step *leave_counted(struct leave *in)
{
    if (in->flow.err) {
        rb_log_error("disconnect %s: %s", in->name, rb_error_text());
        return leave_fail(in, 503,
                          "The database cannot be reached and nothing was changed: try again in a moment");
    }
    if (rb_rows_count(in->flow.rows) == 0)
        return &step_read_back; /* it took so long that somebody else goes on with it */
    struct rb_arena *arena = in->flow.exchange->arena;
    in->name = rb_arena_strdup(arena, rb_rows_text(in->flow.rows, 0, 0));
    const char *slash = strchr(in->name, '/'); /* a check constraint says there is one */
    in->owner = rb_arena_strndup(arena, in->name, (size_t)(slash - in->name));
    in->repo = slash + 1;
    in->repo_id = rb_rows_int(in->flow.rows, 0, 1);
    in->hook_id = rb_rows_int(in->flow.rows, 0, 2);
    in->generation = rb_rows_int(in->flow.rows, 0, 3);
    if (rb_rows_bool(in->flow.rows, 0, 4))
        return &step_leave;
    if (in->token)
        return &step_remove_hook;
    in->hook_left = true;
    return in->force ? &step_leave : leave_fail(in, 401, EDGE_SESSION_EXPIRED);
}

/* ---- the hook ----------------------------------------------------------------------------------------- */

static const struct edge_step *leave_remove_hook(struct leave *in)
{
    struct rb_github_request request;
    rb_github_delete_hook(&request, in->owner, in->repo, in->hook_id);
    in->removals++;
    return edge_flow_ask(&in->flow, &request, in->token, &step_hook_answered);
}

/* The person is told, unless told to go on whatever GitHub says. */
static const struct edge_step *leave_hook_stays(struct leave *in, const char *why)
{
    if (!in->force)
        return leave_fail_hook(in, why);
    rb_log_warn("disconnect %s: hook=%" PRId64 " is left to the sweeper: %s", in->name, in->hook_id, why);
    in->hook_left = true;
    return &step_leave;
}

static const struct edge_step *leave_hook_answered(struct leave *in)
{
    rb_err err =
        rb_github_judge(in->sentence, sizeof(in->sentence), in->flow.response, "delete hook", in->name);
    if (in->flow.response->status == 204)
        return &step_leave;
    if (err == RB_ENOTFOUND)
        return &step_look;
    if (!err)
        return leave_hook_stays(in, "GitHub's answer is not what its documentation describes");
    /* It may have been done all the same: asked once more, GitHub says that there is no such hook. */
    bool is_doubtful = in->flow.response->err || in->flow.response->status >= 500;
    if (is_doubtful && !in->force && in->removals < LEAVE_TRIES)
        return &step_look_around;
    return leave_hook_stays(in, in->sentence);
}

/* GitHub answers 404 also to those who may not touch hooks, and for a name that is another repository's now.
 */
static const struct edge_step *leave_look(struct leave *in)
{
    struct rb_github_request request;
    rb_github_get_repo(&request, in->owner, in->repo);
    return edge_flow_ask(&in->flow, &request, in->token, &step_seen);
}

static const struct edge_step *leave_seen(struct leave *in)
{
    struct rb_github_repo about;
    rb_err err =
        rb_github_judge(in->sentence, sizeof(in->sentence), in->flow.response, "read repository", in->name);
    if (!err && rb_github_read_repo(&about, in->flow.response))
        return leave_hook_stays(in, rb_error_text());
    if (err && err != RB_ENOTFOUND)
        return leave_hook_stays(in, in->sentence);
    /* Who may manage hooks and is told that there is none can believe it. To anybody else it may be hidden:
     * they can do nothing about it, so they are not held back. */
    in->hook_left = err || about.id != in->repo_id || !about.admin;
    if (in->hook_left)
        rb_log_warn("disconnect %s: hook=%" PRId64
                    " cannot be seen by this person and is left to the sweeper",
                    in->name, in->hook_id);
    return &step_leave;
}

/* ---- the record and its event ------------------------------------------------------------------------- */

static const struct edge_step *leave_leave(struct leave *in)
{
    const struct edge_leave leave = {.installation_id = in->installation_id,
                                     .claim = in->claim,
                                     .generation = in->generation,
                                     .repo_id = in->repo_id,
                                     .user_id = in->flow.exchange->user_id,
                                     .name = in->name,
                                     .hook_left = in->hook_left};
    struct rb_param params[EDGE_LEAVE_PARAMS];
    struct edge_event event;
    rb_err err = edge_leave_make(params, &event, in->flow.exchange->traceparent, &leave);
    in->writes++;
    if (!err)
        edge_flow_query(&in->flow, &edge_leave_statement, params, EDGE_LEAVE_PARAMS, &step_left);
    rb_buf_free(&event.body); /* arguments are copied */
    return err ? leave_unsure(in) : NULL;
}

static const struct edge_step *leave_left(struct leave *in)
{
    if (in->flow.err == RB_ETIMEOUT || in->flow.err == RB_EUNAVAILABLE)
        return &step_fence;
    if (in->flow.err)
        return leave_unsure(in);
    return rb_rows_count(in->flow.rows) == 1 ? &step_disconnected : &step_read_back;
}

/* The statement may not have arrived, may have been committed, or may still wait over there. A new claim
 * makes sure of the last: it cannot write any more. */
static const struct edge_step *leave_fence(struct leave *in)
{
    static const struct rb_statement statement = {
        "leave_fence", "update installations set leaving_until = clock_timestamp() + make_interval(secs => "
                       "$3) where id = $1 "
                       "and state = 'active' and " EDGE_CLAIM " = $2 returning " EDGE_CLAIM};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->claim),
                                RB_P_INT(in->flow.exchange->edge->settings.reservation_seconds)};
    return edge_flow_query(&in->flow, &statement, params, 3, &step_fenced);
}

static const struct edge_step *leave_fenced(struct leave *in)
{
    if (in->flow.err)
        return leave_unsure(in);
    if (rb_rows_count(in->flow.rows) == 0)
        return &step_read_back;
    in->claim = rb_rows_int(in->flow.rows, 0, 0);
    if (in->writes < LEAVE_TRIES)
        return &step_leave;
    rb_error_set(RB_EUNAVAILABLE, "the database was lost before it was written");
    return leave_unsure(in);
}

static const struct edge_step *leave_read_back(struct leave *in)
{
    static const struct rb_statement statement = {
        "leave_read_back", "select 1 from installations where id = $1 and state = 'disconnected'"};
    struct rb_param params[] = {RB_P_INT(in->installation_id)};
    return edge_flow_query(&in->flow, &statement, params, 1, &step_outcome_read);
}

static const struct edge_step *leave_outcome_read(struct leave *in)
{
    if (in->flow.err)
        return leave_unsure(in);
    if (rb_rows_count(in->flow.rows) > 0)
        return &step_disconnected;
    in->claim = 0; /* it is somebody else's */
    return leave_fail(in, 409, "It took too long and is finished in the background: look in a minute");
}

static const struct edge_step *leave_disconnected(struct leave *in)
{
    char body[320];
    int len = snprintf(body, sizeof(body),
                       "{\"status\":\"disconnected\",\"installation_id\":%" PRId64 ",\"repo\":\"%s\"}",
                       in->installation_id, in->name); /* a checked name needs no escaping */
    rb_log_info("disconnected repo=%s installation=%" PRId64 " hook=%" PRId64 "%s", in->name,
                in->installation_id, in->hook_id, in->hook_left ? " left=true" : "");
    edge_answer_json(in->flow.exchange, 200, body, (size_t)len);
    return leave_end(in);
}

/* ---- taking back -------------------------------------------------------------------------------------- */

static const struct edge_step *leave_release(struct leave *in)
{
    static const struct rb_statement statement = {
        "leave_release", "update installations set leaving_until = null where id = $1 and state = 'active' "
                         "and " EDGE_CLAIM " = $2 returning 1"};
    struct rb_param params[] = {RB_P_INT(in->installation_id), RB_P_INT(in->claim)};
    return edge_flow_query(&in->flow, &statement, params, 2, &step_released);
}

static const struct edge_step *leave_released(struct leave *in)
{
    if (in->flow.err)
        return leave_unsure(in);
    return rb_rows_count(in->flow.rows) > 0 ? &step_refuse : &step_read_back;
}

static const struct edge_step *leave_refuse(struct leave *in)
{
    if (in->refusal >= 500)
        rb_log_warn("not disconnected repo=%s: %s", in->name, in->refusal_text);
    edge_answer_error(in->flow.exchange, in->refusal, "%s", in->refusal_text);
    return leave_end(in);
}
