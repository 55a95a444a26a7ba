/* Content of files: blobs by their name, many at once within the budget of the token. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

/* Asked for at once. A request's time begins when it is submitted: with all of them in the queue, the last
 * would run out of it while the first are answered. */
#define FILES_AHEAD ((size_t)(2 * RB_GITHUB_IN_FLIGHT))

/* Files under way; the callbacks run on the client's thread. */
struct files_group {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t pending;
    const char *full_name;
};

struct files_one {
    struct files_group *group;
    struct rb_github_response response;
    rb_err err;
    char sentence[256];
};

static void files_on_answer(void *arg, struct rb_github_response *response)
{
    struct files_one *one = arg;
    struct files_group *group = one->group;
    pthread_mutex_lock(&group->lock);
    one->response = *response;
    response->body = NULL; /* moved */
    one->err =
        rb_github_judge(one->sentence, sizeof(one->sentence), &one->response, "read file", group->full_name);
    group->pending--;
    pthread_cond_signal(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

static bool files_can_be_read(const struct rb_tree_entry *entry)
{
    /* A symbolic link's blob is a path, not a file. */
    return entry->kind == RB_ENTRY_FILE || entry->kind == RB_ENTRY_EXECUTABLE;
}

static rb_err files_submit(struct files_one *one, struct rb_repo_handle *handle,
                           const struct rb_tree_entry *entry, size_t max_bytes)
{
    if (!files_can_be_read(entry))
        return rb_error_set(RB_EINVAL, "%s is no regular file", entry->path);
    if (entry->size > (int64_t)max_bytes)
        return rb_error_set(RB_ETOOBIG, "%s has %lld bytes", entry->path, (long long)entry->size);
    struct rb_github_request request;
    rb_github_get_blob(&request, handle->about.owner, handle->about.name, entry->sha, max_bytes);
    pthread_mutex_lock(&one->group->lock);
    while (one->group->pending >= FILES_AHEAD)
        pthread_cond_wait(&one->group->changed, &one->group->lock);
    one->group->pending++;
    pthread_mutex_unlock(&one->group->lock);
    rb_err err = rb_github_submit(handle->sources.github, &request, handle->token, files_on_answer, one);
    if (err) {
        rb_github_request_clear(&request);
        pthread_mutex_lock(&one->group->lock);
        one->group->pending--;
        pthread_mutex_unlock(&one->group->lock);
    }
    return err;
}

rb_err rb_repo_files(const char **contents, size_t *lens, rb_err *errs, struct rb_repo_handle *handle,
                     const struct rb_tree_entry *const *entries, size_t count, size_t max_bytes)
{
    struct files_group group = {.full_name = handle->full_name};
    struct files_one *all = rb_calloc(count, sizeof(*all));
    rb_err first = RB_OK;
    char text[512] = "";
    int64_t wait = 0;
    pthread_mutex_init(&group.lock, NULL);
    pthread_cond_init(&group.changed, NULL);
    for (size_t i = 0; i < count; i++) {
        all[i].group = &group;
        errs[i] = files_submit(&all[i], handle, entries[i], max_bytes);
        if (errs[i])
            snprintf(all[i].sentence, sizeof(all[i].sentence), "%.255s", rb_error_text());
    }
    pthread_mutex_lock(&group.lock);
    while (group.pending)
        pthread_cond_wait(&group.changed, &group.lock);
    pthread_mutex_unlock(&group.lock);
    for (size_t i = 0; i < count; i++) {
        contents[i] = NULL;
        lens[i] = 0;
        if (!errs[i])
            errs[i] = all[i].err;
        if (!errs[i]) {
            contents[i] = rb_arena_strndup(handle->arena, all[i].response.body, all[i].response.len);
            lens[i] = all[i].response.len;
        } else if (!first && rb_err_is_temporary(errs[i])) {
            first = errs[i];
            wait = rb_github_wait_seconds(&all[i].response);
            snprintf(text, sizeof(text), "%s: %s", entries[i]->path, all[i].sentence);
        }
        rb_github_response_clear(&all[i].response);
    }
    pthread_cond_destroy(&group.changed);
    pthread_mutex_destroy(&group.lock);
    free(all);
    if (first) {
        rb_error_set(first, "%s", text);
        rb_error_set_wait(wait * 1000);
    }
    return first;
}

rb_err rb_repo_file(const char **content, size_t *len, struct rb_repo_handle *handle,
                    const struct rb_tree_entry *entry, size_t max_bytes)
{
    rb_err one = RB_OK, err = rb_repo_files(content, len, &one, handle, &entry, 1, max_bytes);
    if (err)
        return err;
    return one ? rb_error_set(one, "%s cannot be read: %s", entry->path, rb_err_name(one)) : RB_OK;
}
