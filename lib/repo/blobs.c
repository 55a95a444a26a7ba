/*
 * Content of files. A group at a time, so that memory is bounded whatever is wanted: what the cache has, then
 * queries for a hundred each, then one by one what no query can give. Queries that GitHub gives up, or
 * answers in part, are asked again with a quarter of it.
 *
 * GitHub's queries answer text, not bytes: what is no UTF-8 comes changed, and nothing says so. Hence every
 * content is held against its name, which is its hash (git-hash-object(1)).
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repo/internal.h"

struct blob {
    const struct rb_tree_entry *entry;
    size_t max_bytes;
    bool is_text;
    struct blob *same; /* an earlier one of the group with this name; NULL: none */
    char *content;     /* NULL: not yet, or not to be had */
    size_t len;
    rb_err err; /* RB_OK while there is hope */
    char why[256];
    bool is_new;      /* not from the cache */
    bool is_answered; /* by a query, in a way that does not help: another one would not either */
};

struct group {
    struct rb_repo_handle *handle;
    struct blob *blobs;
    size_t count;
    rb_err err; /* the first temporary one */
    int64_t wait;
    char text[512];
};

/* ---- one blob ----------------------------------------------------------------------------------------- */

static void blob_refuse(struct blob *blob, rb_err err, const char *why)
{
    blob->err = err;
    snprintf(blob->why, sizeof(blob->why), "%s", why);
}

static bool blob_is_open(const struct blob *blob)
{
    return !blob->same && !blob->content && !blob->err;
}

static bool blob_has_hash(const struct blob *blob, const char *content, size_t len)
{
    const EVP_MD *kind = strlen(blob->entry->sha) == 64 ? EVP_sha256() : EVP_sha1();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    char head[32], hex[RB_SHA_SIZE] = "";
    int head_len = snprintf(head, sizeof(head), "blob %zu", len) + 1; /* with its zero */
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fine = context && EVP_DigestInit_ex(context, kind, NULL) &&
                EVP_DigestUpdate(context, head, (size_t)head_len) &&
                EVP_DigestUpdate(context, content, len) && EVP_DigestFinal_ex(context, digest, &digest_len);
    EVP_MD_CTX_free(context);
    for (unsigned int i = 0; fine && i < digest_len && i < 32; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    return fine && strcmp(hex, blob->entry->sha) == 0;
}

/* Takes content over, when it is what it should be. */
static bool blob_take(struct blob *blob, char *content, size_t len, bool is_new)
{
    if (len > blob->max_bytes || !blob_has_hash(blob, content, len))
        return false;
    blob->content = content;
    blob->len = len;
    blob->is_new = is_new;
    return true;
}

static void blob_prepare(struct blob *blob, const struct rb_repo_want *want)
{
    const struct rb_tree_entry *entry = want->entry;
    *blob = (struct blob){.entry = entry, .max_bytes = want->max_bytes, .is_text = want->is_text};
    /* A symbolic link's blob is a path, not a file. */
    if (entry->kind != RB_ENTRY_FILE && entry->kind != RB_ENTRY_EXECUTABLE)
        blob_refuse(blob, RB_EINVAL, "it is no regular file");
    else if (entry->size > (int64_t)want->max_bytes)
        blob_refuse(blob, RB_ETOOBIG, "larger than such a file is read");
}

/* ---- the group ---------------------------------------------------------------------------------------- */

static void group_fail(struct group *group, const struct repo_asked *asked, const char *what)
{
    if (group->err)
        return;
    group->err = asked->err;
    group->wait = rb_github_wait_seconds(&asked->response) * 1000;
    snprintf(group->text, sizeof(group->text), "%s: %s", what, asked->sentence);
}

static int blob_order(const void *a, const void *b)
{
    const struct blob *x = *(struct blob *const *)a, *y = *(struct blob *const *)b;
    int order = strcmp(x->entry->sha, y->entry->sha);
    return order ? order : x < y ? -1 : x > y;
}

/* Equal names are equal contents: one of them is read. Fills `sorted` with all, in the order of their names.
 */
static void group_pair(struct group *group, struct blob **sorted)
{
    struct blob *first = NULL;
    for (size_t i = 0; i < group->count; i++)
        sorted[i] = &group->blobs[i];
    qsort(sorted, group->count, sizeof(*sorted), blob_order);
    for (size_t i = 0; i < group->count; i++) {
        if (sorted[i]->err)
            continue;
        if (first && first->max_bytes == sorted[i]->max_bytes && first->is_text == sorted[i]->is_text &&
            strcmp(first->entry->sha, sorted[i]->entry->sha) == 0)
            sorted[i]->same = first;
        else
            first = sorted[i];
    }
}

/* ---- the cache ---------------------------------------------------------------------------------------- */

struct cache_walk {
    struct blob **sorted;
    size_t count;
};

static void cache_on_blob(void *arg, const struct rb_blob *found)
{
    struct cache_walk *walk = arg;
    size_t low = 0, high = walk->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(walk->sorted[middle]->entry->sha, found->sha) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < walk->count && strcmp(walk->sorted[low]->entry->sha, found->sha) == 0; low++) {
        if (!blob_is_open(walk->sorted[low]))
            continue;
        char *content = rb_strndup(found->content, found->len);
        if (!blob_take(walk->sorted[low], content, found->len, false))
            free(content); /* damaged: read again */
    }
}

static rb_err group_from_cache(struct group *group, struct blob **sorted)
{
    struct cache_walk walk = {.sorted = sorted, .count = group->count};
    struct rb_blob *wanted = rb_calloc(group->count, sizeof(*wanted));
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (blob_is_open(sorted[i]))
            wanted[count++].sha = sorted[i]->entry->sha;
    }
    rb_err err =
        rb_blobs_get(group->handle->db, group->handle->about.repo_id, wanted, count, cache_on_blob, &walk);
    free(wanted);
    return err;
}

static rb_err group_to_cache(const struct group *group)
{
    struct rb_repo_handle *handle = group->handle;
    struct rb_blob *read = rb_calloc(group->count, sizeof(*read));
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct blob *blob = &group->blobs[i];
        if (blob->content && blob->is_new && blob->len <= RB_BLOB_BYTES_MAX)
            read[count++] = (struct rb_blob){blob->entry->sha, blob->content, blob->len};
    }
    rb_err err = rb_blobs_put(handle->db, handle->about.repo_id, read, count);
    if (!err && count)
        err = rb_blobs_prune(handle->db, handle->about.repo_id);
    free(read);
    return err;
}

/* ---- queries ------------------------------------------------------------------------------------------ */

struct batch {
    struct group *group;
    struct blob *blobs[RB_GITHUB_QUERY_BLOBS];
    struct rb_repo_load load;
};

static void batch_on_blob(void *arg, const struct rb_github_blob *answer)
{
    struct batch *batch = arg;
    struct blob *blob = answer->index < batch->load.files ? batch->blobs[answer->index] : NULL;
    if (!blob || blob->content)
        return;
    blob->is_answered = true;
    if (answer->is_binary && blob->is_text)
        blob_refuse(blob, RB_EINVAL, "it is binary");
    if (!answer->text || answer->is_binary || answer->is_truncated || answer->size != (int64_t)answer->len)
        return;
    char *content = rb_strndup(answer->text, answer->len);
    if (!blob_take(blob, content, answer->len, true))
        free(content);
}

/* What became of a query: nothing to do where it is answered, else whether a smaller one may help. */
static void batch_read(struct batch *batch, struct repo_asked *asked)
{
    struct group *group = batch->group;
    rb_err err = asked->err;
    if (!err)
        err = rb_github_read_blobs(&asked->response, batch_on_blob, batch);
    if (err == RB_ELIMIT)
        group_fail(group, asked, "reading files");
    else if (err && !rb_err_is_temporary(err) && err != RB_ETOOBIG)
        group->handle->has_no_queries = true; /* not offered there, or not to this token */
}

/* Puts what queries can give into batches of at most `max`; returns how many. */
static size_t batches_fill(struct batch *batches, struct group *group, const struct rb_repo_load *max)
{
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct blob *blob = &group->blobs[i];
        if (!blob_is_open(blob) || blob->is_answered || !repo_size_is_for_queries(blob->entry->size))
            continue;
        size_t into = 0;
        while (into < count && !repo_load_add(&batches[into].load, (size_t)blob->entry->size, max))
            into++;
        if (into == count) {
            batches[count++] = (struct batch){.group = group};
            repo_load_add(&batches[into].load, (size_t)blob->entry->size, max);
        }
        batches[into].blobs[batches[into].load.files - 1] = blob;
    }
    return count;
}

static void group_query(struct group *group, struct rb_repo_load max)
{
    struct rb_repo_handle *handle = group->handle;
    if (handle->has_no_queries || group->err)
        return;
    struct batch *batches = rb_calloc(group->count, sizeof(*batches));
    size_t count = batches_fill(batches, group, &max);
    struct repo_asked *asked = rb_calloc(count + 1, sizeof(*asked));
    for (size_t i = 0; i < count; i++) {
        const char *shas[RB_GITHUB_QUERY_BLOBS];
        for (size_t k = 0; k < batches[i].load.files; k++)
            shas[k] = batches[i].blobs[k]->entry->sha;
        rb_github_query_blobs(&asked[i].request, handle->about.owner, handle->about.name, shas,
                              batches[i].load.files, batches[i].load.bytes);
    }
    repo_ask_many(asked, count, handle);
    for (size_t i = 0; i < count; i++) {
        batch_read(&batches[i], &asked[i]);
        rb_github_response_clear(&asked[i].response);
    }
    free(asked);
    free(batches);
}

/* ---- one by one --------------------------------------------------------------------------------------- */

static void single_read(struct group *group, struct blob *blob, struct repo_asked *asked)
{
    struct rb_github_response *response = &asked->response;
    if (asked->err && rb_err_is_temporary(asked->err)) {
        group_fail(group, asked, blob->entry->path);
    } else if (asked->err) {
        blob_refuse(blob, asked->err,
                    asked->err == RB_ETOOBIG ? "larger than such a file is read" : asked->sentence);
    } else if (blob_take(blob, response->body, response->len, true)) {
        response->body = NULL; /* moved */
    } else {
        blob_refuse(blob, RB_EPROTOCOL, "GitHub sent something else than the file");
    }
}

static void group_read_singly(struct group *group)
{
    struct rb_repo_handle *handle = group->handle;
    struct blob **singles = rb_calloc(group->count, sizeof(*singles));
    struct repo_asked *asked = rb_calloc(group->count, sizeof(*asked));
    size_t count = 0;
    for (size_t i = 0; i < group->count && !group->err; i++) {
        struct blob *blob = &group->blobs[i];
        if (!blob_is_open(blob))
            continue;
        if (handle->singles++ >= RB_REPO_SINGLES_MAX) {
            blob_refuse(blob, RB_ELIMIT, "so many files are not read one by one");
            continue;
        }
        rb_github_get_blob(&asked[count].request, handle->about.owner, handle->about.name, blob->entry->sha,
                           blob->max_bytes);
        singles[count++] = blob;
    }
    repo_ask_many(asked, count, handle);
    for (size_t i = 0; i < count; i++) {
        single_read(group, singles[i], &asked[i]);
        rb_github_response_clear(&asked[i].response);
    }
    free(asked);
    free(singles);
}

/* ---- all of it ---------------------------------------------------------------------------------------- */

static void group_fetch(struct group *group)
{
    group_query(group, repo_whole_query);
    group_query(group, (struct rb_repo_load){repo_whole_query.files / 4, repo_whole_query.bytes / 4});
    if (!group->err)
        group_read_singly(group);
}

static rb_err group_hand_over(const struct group *group, size_t first, rb_repo_content_fn fn, void *arg)
{
    rb_err err = RB_OK;
    for (size_t i = 0; i < group->count && !err; i++) {
        const struct blob *blob = &group->blobs[i], *read = blob->same ? blob->same : blob;
        group->handle->used.cached += read->content && !read->is_new;
        err = fn(arg, first + i, read->content, read->len, read->err, read->why);
    }
    return err;
}

static rb_err group_read(struct group *group, size_t first, rb_repo_content_fn fn, void *arg)
{
    struct blob **sorted = rb_calloc(group->count, sizeof(*sorted));
    group_pair(group, sorted);
    rb_err err = group_from_cache(group, sorted);
    free(sorted);
    if (!err) {
        group_fetch(group);
        err = group_to_cache(group); /* also what came before a failure: it need not come again */
    }
    if (!err && group->err) {
        err = rb_error_set(group->err, "%s", group->text);
        rb_error_set_wait(group->wait);
    }
    if (!err)
        err = group_hand_over(group, first, fn, arg);
    for (size_t i = 0; i < group->count; i++)
        free(group->blobs[i].content);
    return err;
}

rb_err rb_repo_read(struct rb_repo_handle *handle, const struct rb_repo_want *wants, size_t count,
                    rb_repo_content_fn fn, void *arg)
{
    struct blob *blobs = rb_calloc(REPO_GROUP_FILES, sizeof(*blobs));
    bool *repeats = rb_calloc(count + 1, sizeof(*repeats));
    rb_repo_repeats(repeats, wants, count);
    struct rb_repo_plan plan = {0};
    rb_err err = RB_OK;
    for (size_t first = 0; first < count && !err;) {
        struct group group = {.handle = handle, .blobs = blobs};
        while (first + group.count < count &&
               repo_plan_has_room(&plan, &wants[first + group.count], repeats[first + group.count])) {
            rb_repo_plan_add(&plan, &wants[first + group.count], repeats[first + group.count]);
            blob_prepare(&blobs[group.count], &wants[first + group.count]);
            group.count++;
        }
        err = group_read(&group, first, fn, arg);
        first += group.count;
        repo_plan_begin_group(&plan);
    }
    free(repeats);
    free(blobs);
    return err;
}
