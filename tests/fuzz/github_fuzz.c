/* What comes from the address that GitHub is said to have. */
#include "lib/github/internal.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_ENDS(text) FUZZ_HOLDS(strnlen(text, sizeof(text)) < sizeof(text))

/* The readers only borrow the body, but the struct owns one elsewhere. */
static struct rb_github_response fuzz_response(const char *body, size_t len, int status)
{
    const union {
        const char *given;
        char *taken;
    } text = {.given = body};
    return (struct rb_github_response){
        .status = status, .body = text.taken, .len = len, .rate_remaining = -1};
}

static void fuzz_check_name(const char *full_name)
{
    const char *slash = strchr(full_name, '/');
    FUZZ_HOLDS(slash && rb_github_owner_is_valid(full_name, (size_t)(slash - full_name)) &&
               rb_github_repo_is_valid(slash + 1, strlen(slash + 1)));
}

static rb_err fuzz_on_repo(void *arg, const struct rb_github_repo *repo)
{
    size_t *count = arg;
    FUZZ_HOLDS(repo->id > 0);
    FUZZ_ENDS(repo->default_branch);
    fuzz_check_name(repo->full_name);
    ++*count;
    return RB_OK;
}

static void fuzz_repo(const char *body, size_t len)
{
    struct rb_github_response response = fuzz_response(body, len, 200);
    struct rb_github_repo repo;
    struct rb_github_user user;
    size_t count = 0, seen = 0;
    if (rb_github_read_repo(&repo, &response) == RB_OK) {
        size_t ignored = 0;
        fuzz_on_repo(&ignored, &repo);
    }
    if (rb_github_read_repos(&count, &response, fuzz_on_repo, &seen) == RB_OK)
        FUZZ_HOLDS(seen <= count);
    if (rb_github_read_user(&user, &response) == RB_OK) {
        FUZZ_ENDS(user.login);
        FUZZ_HOLDS(user.id > 0 && *user.login);
    }
}

static void fuzz_hook(const char *body, size_t len)
{
    struct rb_github_response response = fuzz_response(body, len, 200);
    int64_t id = 0;
    if (rb_github_read_hook_id(&id, &response) == RB_OK)
        FUZZ_HOLDS(id > 0);
    if (rb_github_find_hook(&id, &response, "https://x/hook") == RB_OK)
        FUZZ_HOLDS(id > 0);
}

static bool fuzz_is_sha(const char *text)
{
    size_t len = strlen(text);
    return (len == 40 || len == 64) && strspn(text, "0123456789abcdefABCDEF") == len;
}

static rb_err fuzz_on_entry(void *arg, const char *path, const char *mode, const char *type, const char *sha,
                            int64_t size)
{
    size_t *count = arg;
    FUZZ_HOLDS(path && mode && type && sha && size >= -1);
    return ++*count < 10000 ? RB_OK : RB_ELIMIT;
}

static void fuzz_tree(const char *body, size_t len)
{
    struct rb_github_response response = fuzz_response(body, len, 200);
    char commit[65], tree[65];
    bool truncated = false;
    size_t count = 0;
    if (rb_github_read_commit(commit, tree, &response) == RB_OK)
        FUZZ_HOLDS(fuzz_is_sha(commit) && fuzz_is_sha(tree));
    rb_err err = rb_github_read_tree(&truncated, &response, fuzz_on_entry, &count);
    FUZZ_HOLDS(err == RB_OK || err == RB_EPROTOCOL || err == RB_ELIMIT);
}

static void fuzz_token(const char *body, size_t len)
{
    struct rb_github_response response = fuzz_response(body, len, 200);
    struct rb_github_token token;
    if (rb_github_read_token(&token, &response))
        return;
    FUZZ_ENDS(token.token);
    FUZZ_ENDS(token.scopes);
    FUZZ_HOLDS(*token.token);
    rb_github_has_scope(token.scopes, "repo");
}

static void fuzz_on_blob(void *arg, const struct rb_github_blob *blob)
{
    size_t *bytes = arg;
    FUZZ_HOLDS(blob->index < 1000 && blob->size >= 0);
    for (size_t i = 0; blob->text && i < blob->len; i++)
        *bytes += (unsigned char)blob->text[i];
}

static void fuzz_query(const char *body, size_t len)
{
    struct rb_github_response response = fuzz_response(body, len, 200);
    size_t bytes = 0;
    rb_err err = rb_github_read_blobs(&response, fuzz_on_blob, &bytes);
    FUZZ_HOLDS(err == RB_OK || *rb_error_text());
    github_query_limit(&response);
    FUZZ_HOLDS(response.status == 200 || response.status == 429);
}

static rb_err fuzz_on_object(void *arg, const json_t *object)
{
    (void)arg;
    FUZZ_HOLDS(json_is_object(object));
    return RB_OK;
}

static rb_err fuzz_on_pull_file(void *arg, const char *path, int64_t additions, int64_t deletions)
{
    (void)arg, (void)additions, (void)deletions;
    FUZZ_HOLDS(path && *path);
    return RB_OK;
}

static void fuzz_list(const char *body, size_t len)
{
    struct rb_github_response response = fuzz_response(body, len, 200);
    rb_err err = rb_github_read_objects(&response, fuzz_on_object, NULL);
    FUZZ_HOLDS(err == RB_OK || err == RB_EPROTOCOL);
    err = rb_github_read_pull_files(&response, fuzz_on_pull_file, NULL);
    FUZZ_HOLDS(err == RB_OK || err == RB_EPROTOCOL);
}

/* The status is in the first two bytes, the message and the scopes are what follows. */
static void fuzz_judge(const char *text, size_t len)
{
    static const char *const asked[] = {"create hook", "read repository", "list hooks", "read tree"};
    if (len < 4)
        return;
    int status = ((unsigned char)text[0] % 6) * 100 + (unsigned char)text[1] % 100;
    struct rb_github_response response = fuzz_response(text + 4, len - 4, status);
    response.rate_remaining = (int64_t)(unsigned char)text[2] - 1;
    response.has_scopes = text[3] & 1;
    response.err = status ? RB_OK : RB_ETIMEOUT;
    snprintf(response.message, sizeof(response.message), "%s", text + 4);
    snprintf(response.scopes, sizeof(response.scopes), "%s", text + 4);
    for (size_t size = 1; size <= 512; size *= 2) {
        char *sentence = rb_malloc(size);
        rb_err err = rb_github_judge(sentence, size, &response, asked[(text[3] >> 1) & 3], "acme/shop");
        FUZZ_HOLDS(strnlen(sentence, size) < size);
        FUZZ_HOLDS((err == RB_OK) == ((status >= 200 && status < 300) || status == 304));
        FUZZ_HOLDS(err == RB_OK || size == 1 || *sentence);
        free(sentence);
    }
    FUZZ_HOLDS(rb_github_wait_seconds(&response) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_target targets[] = {
        {"repo", fuzz_repo},   {"hook", fuzz_hook},   {"tree", fuzz_tree}, {"token", fuzz_token},
        {"judge", fuzz_judge}, {"blobs", fuzz_query}, {"list", fuzz_list}, {NULL, NULL}};
    return fuzz_run(targets, data, size);
}
