/*
 * A connected repository as a subscriber sees it: the installation and the person's token from the store, the
 * tree from the cache or GitHub, files from GitHub.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

#define REPO_TREE_WAIT_MS \
    120000 /* a tree that is walked folder by folder may take the other subscriber so long */

rb_err rb_repo_open(struct rb_repo_handle **out, const struct rb_repo_sources *sources, struct rb_db *db,
                    int64_t installation_id, int64_t generation, struct rb_arena *arena)
{
    static const struct rb_statement statement = {
        "repo_open",
        "select i.state, i.generation, i.repo_id, i.repo_full_name, coalesce(i.default_branch, ''), "
        "u.id, u.token_sealed from installations i join users u on u.id = i.user_id where i.id = $1"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(installation_id)};
    rb_err err = rb_db_query(&rows, db, &statement, params, 1);
    if (err)
        return err;
    struct rb_repo_handle *handle = rb_arena_alloc(arena, sizeof(*handle));
    if (rb_rows_count(rows) == 0 || strcmp(rb_rows_text(rows, 0, 0), "active") != 0) {
        err = rb_error_set(RB_ESTALE, "installation %lld is not connected any more",
                           (long long)installation_id);
        goto out;
    }
    generation = generation ? generation : rb_rows_int(rows, 0, 1);
    if (rb_rows_int(rows, 0, 1) != generation) {
        err = rb_error_set(RB_ESTALE, "installation %lld has a newer generation", (long long)installation_id);
        goto out;
    }
    char *full_name = rb_arena_strdup(arena, rb_rows_text(rows, 0, 3));
    char *slash = strchr(full_name, '/');
    if (!slash) {
        err = rb_error_set(RB_EINVAL, "installation %lld has no repository name", (long long)installation_id);
        goto out;
    }
    *slash = '\0';
    *handle = (struct rb_repo_handle){.sources = *sources, .db = db, .arena = arena};
    handle->about = (struct rb_repo){
        .installation_id = installation_id,
        .generation = generation,
        .repo_id = rb_rows_int(rows, 0, 2),
        .owner = full_name,
        .name = slash + 1,
        .default_branch = rb_arena_strdup(arena, rb_rows_text(rows, 0, 4)),
    };
    handle->full_name = rb_arena_printf(arena, "%s/%s", handle->about.owner, handle->about.name);
    size_t len = 0;
    const uint8_t *sealed = rb_rows_bytes(rows, 0, 6, &len);
    err = rb_unseal(&handle->token, NULL, sources->keyring, RB_PURPOSE_OAUTH_TOKEN, rb_rows_int(rows, 0, 5),
                    sealed, len);
    if (!err)
        *out = handle;
out:
    rb_rows_free(rows);
    return err;
}

void rb_repo_close(struct rb_repo_handle *handle)
{
    if (!handle)
        return;
    rb_secret_free(handle->token);
    handle->token = NULL;
}

const struct rb_repo *rb_repo_about(const struct rb_repo_handle *handle)
{
    return &handle->about;
}

const struct rb_repo_usage *rb_repo_used(const struct rb_repo_handle *handle)
{
    return &handle->used;
}

rb_err rb_repo_tree(struct rb_tree *tree, struct rb_repo_handle *handle)
{
    const struct rb_tree_key key = {.repo_id = handle->about.repo_id, .generation = handle->about.generation};
    return rb_tree_get(tree, handle->db, &key, REPO_TREE_WAIT_MS, repo_fetch_tree, handle, handle->arena);
}

rb_err rb_repo_is_current(struct rb_repo_handle *handle)
{
    static const struct rb_statement statement = {
        "repo_is_current",
        "select 1 from installations where id = $1 and generation = $2 and state = 'active'"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(handle->about.installation_id), RB_P_INT(handle->about.generation)};
    rb_err err = rb_db_query(&rows, handle->db, &statement, params, 2);
    if (!err && rb_rows_count(rows) == 0)
        err = rb_error_set(RB_ESTALE, "installation %lld has a newer generation or is not connected any more",
                           (long long)handle->about.installation_id);
    rb_rows_free(rows);
    return err;
}

rb_err rb_repo_ask(struct rb_github_response *response, struct rb_repo_handle *handle,
                   struct rb_github_request *request)
{
    char sentence[512];
    const char *name = request->name;
    handle->used.rest++;
    rb_err err = rb_github_call(response, handle->sources.github, request, handle->token);
    if (err && !response->err) /* it was not even accepted */
        return err;
    err = rb_github_judge(sentence, sizeof(sentence), response, name, handle->full_name);
    if (err) {
        rb_error_set(err, "%s: %s", name, sentence);
        rb_error_set_wait(rb_github_wait_seconds(response) * 1000);
    }
    return err;
}

rb_err rb_repo_delivery_payload(const char **payload, size_t *len, struct rb_db *db, int64_t hook_id,
                                const char *delivery_id, struct rb_arena *arena)
{
    static const struct rb_statement statement = {
        "repo_delivery_payload",
        "select payload from deliveries where hook_id = $1 and delivery_id = $2::uuid"};
    struct rb_rows *rows = NULL;
    struct rb_param params[] = {RB_P_INT(hook_id), RB_P_TEXT(delivery_id)};
    rb_err err = rb_db_query_binary(&rows, db, &statement, params, 2);
    if (!err && (rb_rows_count(rows) == 0 || rb_rows_is_null(rows, 0, 0)))
        err = rb_error_set(RB_ENOTFOUND, "delivery %s of hook %lld has no payload of its own", delivery_id,
                           (long long)hook_id);
    if (!err) {
        const uint8_t *bytes = rb_rows_bytes(rows, 0, 0, len);
        *payload = rb_arena_strndup(arena, (const char *)bytes, *len);
    }
    rb_rows_free(rows);
    return err;
}
