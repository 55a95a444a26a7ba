/*
 * Trees, the one answer that gets large: 100,000 entries are 25 MB of JSON. Entries are rendered one by one,
 * never as one JSON object in memory, and the finished text is kept by the tree's name, so that the second
 * asker costs nothing. GitHub's limits: 100,000 entries or 7 MB for a recursive tree.
 */
#include "tests/github/standin.h"

#include <string.h>

#define TREE_BYTES_MAX   ((size_t)7 * 1024 * 1024)  /* of entries, as git stores them */
#define TREE_TEXT_MAX    ((size_t)64 * 1024 * 1024) /* of JSON: far beyond what the limits above allow */
#define TREE_DEPTH_MAX   512                        /* folders within folders */
#define TREE_ENTRY_EXTRA 28 /* mode, separators and the 20 bytes of a name, beside the path */
#define TREE_CACHE_SLOTS 16 /* texts kept */
#define TREE_CACHE_BYTES ((size_t)128 * 1024 * 1024)

struct tree_text {
    char *key; /* base, repository, tree, recursive */
    char *shared;
    size_t len;
    uint64_t used; /* tick of the last use */
};
static struct tree_text tree_cache[TREE_CACHE_SLOTS];
static uint64_t tree_tick;

struct tree_walk {
    struct sim_exchange *x;
    git_odb *odb;
    struct rb_buf *out;
    size_t limit; /* entries */
    size_t count;
    size_t bytes;
    bool is_recursive;
    bool is_truncated;
};

static void tree_text_drop(struct tree_text *text)
{
    if (text->shared != NULL) {
        h2o_mem_release_shared(text->shared);
    }
    free(text->key);
    *text = (struct tree_text){0};
}

void rb_sim_tree_cache_clear(void)
{
    for (size_t i = 0; i < TREE_CACHE_SLOTS; i++) {
        tree_text_drop(&tree_cache[i]);
    }
}

static struct tree_text *tree_cache_find(const char *key)
{
    for (size_t i = 0; i < TREE_CACHE_SLOTS; i++) {
        if (tree_cache[i].key != NULL && strcmp(tree_cache[i].key, key) == 0) {
            tree_cache[i].used = ++tree_tick;
            return &tree_cache[i];
        }
    }
    return NULL;
}

static void tree_cache_put(const char *key, char *shared, size_t len)
{
    for (;;) {
        size_t bytes = len;
        struct tree_text *oldest = &tree_cache[0];
        for (size_t i = 0; i < TREE_CACHE_SLOTS; i++) {
            bytes += tree_cache[i].len;
            oldest = tree_cache[i].used < oldest->used ? &tree_cache[i] : oldest;
        }
        struct tree_text *largest = NULL;
        for (size_t i = 0; i < TREE_CACHE_SLOTS; i++) {
            if (tree_cache[i].key != NULL && (largest == NULL || tree_cache[i].used < largest->used)) {
                largest = &tree_cache[i];
            }
        }
        if (bytes > TREE_CACHE_BYTES && largest != NULL) {
            tree_text_drop(largest);
            continue;
        }
        tree_text_drop(oldest);
        h2o_mem_addref_shared(shared);
        *oldest = (struct tree_text){rb_strdup(key), shared, len, ++tree_tick};
        return;
    }
}

static rb_err tree_append(struct tree_walk *walk, const git_tree_entry *entry, const char *path)
{
    struct sim_exchange *x = walk->x;
    char sha[GIT_OID_HEXSZ + 1];
    char mode[8];
    git_oid_tostr(sha, sizeof(sha), git_tree_entry_id(entry));
    git_object_t type = git_tree_entry_type(entry);
    snprintf(mode, sizeof(mode), "%06o", (unsigned)git_tree_entry_filemode_raw(entry));
    struct rb_arena *arena = rb_arena_new();
    json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "path", rb_sim_utf8(arena, path, strlen(path)), "mode",
                             mode, "type", git_object_type2string(type), "sha", sha);
    rb_arena_free(arena);
    if (type == GIT_OBJECT_BLOB) {
        size_t size = 0;
        git_object_t found = GIT_OBJECT_INVALID;
        if (git_odb_read_header(&size, &found, walk->odb, git_tree_entry_id(entry)) == 0) {
            json_object_set_new(json, "size", json_integer((json_int_t)size));
        }
    }
    if (type == GIT_OBJECT_BLOB || type == GIT_OBJECT_TREE) { // a submodule has no address
        json_object_set_new(json, "url",
                            json_sprintf("%s/repos/%s/%s/git/%ss/%s", x->base, x->repo->owner, x->repo->name,
                                         git_object_type2string(type), sha));
    }
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    rb_err err =
        text == NULL ? RB_EINTERNAL : rb_buf_printf(walk->out, "%s%s", walk->count > 0 ? "," : "", text);
    free(text);
    return err;
}

static rb_err tree_entries(struct tree_walk *walk, const git_tree *tree, const char *prefix, int depth);

/* What is in a folder of `tree`. One that is left out makes the list truncated: it is never silently short.
 */
static rb_err tree_folder(struct tree_walk *walk, const git_tree *tree, const git_tree_entry *entry,
                          const char *path, int depth)
{
    git_tree *inner = NULL;
    if (depth >= TREE_DEPTH_MAX) {
        walk->is_truncated = true;
        return RB_OK;
    }
    if (git_tree_lookup(&inner, git_tree_owner(tree), git_tree_entry_id(entry)) != 0) {
        return rb_error_set(RB_EINTERNAL, "the folder %s cannot be read", path);
    }
    char *prefix = rb_asprintf("%s/", path);
    rb_err err = tree_entries(walk, inner, prefix, depth + 1);
    free(prefix);
    git_tree_free(inner);
    return err;
}

static rb_err tree_entries(struct tree_walk *walk, const git_tree *tree, const char *prefix, int depth)
{
    rb_err err = RB_OK;
    for (size_t i = 0; err == RB_OK && !walk->is_truncated && i < git_tree_entrycount(tree); i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        char *path = rb_asprintf("%s%s", prefix, git_tree_entry_name(entry));
        walk->bytes += strlen(path) + TREE_ENTRY_EXTRA;
        if (walk->is_recursive && (walk->count >= walk->limit || walk->bytes > TREE_BYTES_MAX)) {
            walk->is_truncated = true;
        } else {
            err = tree_append(walk, entry, path);
            walk->count++;
        }
        if (err == RB_OK && walk->is_recursive && !walk->is_truncated &&
            git_tree_entry_type(entry) == GIT_OBJECT_TREE) {
            err = tree_folder(walk, tree, entry, path, depth);
        }
        free(path);
    }
    return err;
}

static rb_err tree_render(struct rb_buf *out, struct sim_exchange *x, const git_tree *tree, bool is_recursive)
{
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), git_tree_id(tree));
    struct tree_walk walk = {
        .x = x, .out = out, .limit = x->sim->state.tree_limit, .is_recursive = is_recursive};
    if (git_repository_odb(&walk.odb, x->repo->git) != 0) {
        return rb_error_set(RB_EINTERNAL, "no object store");
    }
    char *url = rb_asprintf("%s/repos/%s/%s/git/trees/%s", x->base, x->repo->owner, x->repo->name, sha);
    json_t *head = json_pack("{s:s, s:s}", "sha", sha, "url", url);
    char *text = json_dumps(head, JSON_COMPACT);
    // The head's closing brace makes room for the list.
    rb_err err = rb_buf_append(out, text, strlen(text) - 1);
    err = err != RB_OK ? err : rb_buf_printf(out, ",\"tree\":[");
    err = err != RB_OK ? err : tree_entries(&walk, tree, "", 0);
    err =
        err != RB_OK ? err : rb_buf_printf(out, "],\"truncated\":%s}", walk.is_truncated ? "true" : "false");
    free(text);
    json_decref(head);
    free(url);
    git_odb_free(walk.odb);
    return err;
}

/* A tree by its own name, or that of a commit. */
static rb_err tree_find(git_tree **out, struct sim_exchange *x, const char *name)
{
    git_oid oid;
    if (strlen(name) == GIT_OID_HEXSZ && git_oid_fromstr(&oid, name) == 0 &&
        git_tree_lookup(out, x->repo->git, &oid) == 0) {
        return RB_OK;
    }
    git_commit *commit = NULL;
    rb_err err = rb_sim_git_resolve(&commit, x->repo->git, name);
    if (err == RB_OK && git_commit_tree(out, commit) != 0) {
        err = rb_error_set(RB_EINTERNAL, "a commit without a tree");
    }
    git_commit_free(commit);
    return err;
}

void rb_sim_tree_get(struct sim_exchange *x)
{
    git_tree *tree = NULL;
    rb_err err = tree_find(&tree, x, x->args[2]);
    if (err != RB_OK) {
        rb_sim_git_refuse(x, err, "Not Found");
        return;
    }
    char sha[GIT_OID_HEXSZ + 1];
    git_oid_tostr(sha, sizeof(sha), git_tree_id(tree));
    bool is_recursive = rb_sim_query(x, "recursive") != NULL; // any value, even "0", as GitHub says
    char *key = rb_arena_printf(x->arena, "%s %s/%s %s %d", x->base, x->repo->owner, x->repo->name, sha,
                                is_recursive);
    const char *type = "application/json; charset=utf-8";
    const struct tree_text *known = tree_cache_find(key);
    if (known != NULL) {
        rb_sim_answer_shared(x, 200, type, known->shared, known->len);
    } else {
        struct rb_buf out;
        rb_buf_init(&out, TREE_TEXT_MAX);
        if (tree_render(&out, x, tree, is_recursive) == RB_OK) {
            rb_sim_answer_bytes(x, 200, type, out.data, out.len);
            tree_cache_put(key, x->answer.body, x->answer.len);
        } else {
            rb_sim_answer_error(x, 500, x->route->doc, "Server Error");
        }
        rb_buf_free(&out);
    }
    git_tree_free(tree);
}
