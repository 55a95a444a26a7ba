/*
 * The graph as others read it: questions over NATS, answered a page at a time.
 *
 * A page says of which generation it is. What is read between two looks at the generation belongs to it when
 * both looks say the same and no write is under way; else it is read again, and after PAGE_TRIES the page
 * says "updating": true. Whoever reads page after page sees by the generation whether they belong together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "grapher/handler.h"
#include "grapher/state.h"
#include "lib/repo/language.h"

#define PAGE_LIMIT     100 /* where the question names none */
#define PAGE_LIMIT_MAX 1000
#define PAGE_BYTES     (RB_ANSWER_MAX - 40000) /* of rows; a page that is full of long paths ends earlier */
#define PAGE_TRIES     3
#define PAGE_TEXT_MAX  RB_GRAPH_PATH_MAX /* bytes of a folder or a cursor without its kind */
#define CURSOR_FOLDERS "d:"              /* folders come first */
#define CURSOR_FILES   "f:"

struct page {
    struct rb_graph *graph;
    struct rb_arena *arena;
    int64_t repo_id;
    struct rb_graph_range range;
    size_t limit;
    /* What is read. */
    struct rb_graph_about about;
    struct rb_buf rows;
    size_t count;
    const char *next; /* NULL: this is the last page */
};

typedef rb_err (*page_fn)(struct page *page);

/* ---- the question ------------------------------------------------------------------------------------- */

/* A field that is text, `*out` as it was when it is absent or null. */
static rb_err question_text(const char **out, const json_t *question, const char *name)
{
    const json_t *value = json_object_get(question, name);
    if (!value || json_is_null(value))
        return RB_OK;
    const char *text = json_string_value(value);
    if (!text || strlen(text) > PAGE_TEXT_MAX + sizeof(CURSOR_FILES))
        return rb_error_set(RB_EINVAL, "%s is a text of at most %d bytes", name, PAGE_TEXT_MAX);
    *out = text;
    return RB_OK;
}

/* "src/" is "src"; languages are found whatever their case. */
static rb_err question_settle(struct page *page)
{
    size_t len = strlen(page->range.folder);
    while (len > 0 && page->range.folder[len - 1] == '/')
        len--;
    page->range.folder = rb_arena_strndup(page->arena, page->range.folder, len);
    if (page->range.language) {
        size_t index = 0;
        while (index < rb_language_total && strcasecmp(rb_languages[index].name, page->range.language) != 0)
            index++;
        if (index == rb_language_total)
            return rb_error_set(RB_EINVAL,
                                "no language is called %.100s: names are as in a profile, such as "
                                "JavaScript",
                                page->range.language);
        page->range.language = rb_languages[index].name;
    }
    return RB_OK;
}

/* A page of `min` rows at least is asked for, since a file has two links that stand together. */
static rb_err question_read(struct page *page, const json_t *question, int min)
{
    const json_t *repo = json_object_get(question, "repo_id"), *limit = json_object_get(question, "limit");
    json_int_t rows = limit && !json_is_null(limit) ? json_integer_value(limit) : PAGE_LIMIT;
    page->repo_id = json_integer_value(repo);
    if (page->repo_id <= 0)
        return rb_error_set(RB_EINVAL, "repo_id is GitHub's number of the repository");
    if (rows < min || rows > PAGE_LIMIT_MAX)
        return rb_error_set(RB_EINVAL, "limit is a number from %d to %d", min, PAGE_LIMIT_MAX);
    page->limit = (size_t)rows;
    page->range = (struct rb_graph_range){.after = "", .folder = ""};
    rb_err err = question_text(&page->range.after, question, "after");
    if (!err)
        err = question_text(&page->range.folder, question, "folder");
    if (!err)
        err = question_text(&page->range.language, question, "language");
    return err ? err : question_settle(page);
}

/* ---- rows --------------------------------------------------------------------------------------------- */

/* Takes the rows, which belong together; false when the page has no room for them. */
static bool page_add(struct page *page, json_t **rows, size_t count)
{
    size_t before = page->rows.len;
    bool fits = page->count + count <= page->limit;
    for (size_t i = 0; i < count; i++) {
        char *text = rows[i] ? json_dumps(rows[i], JSON_COMPACT) : NULL;
        fits = fits && text && (page->rows.len == 0 || rb_buf_append(&page->rows, ",", 1) == RB_OK) &&
               rb_buf_append(&page->rows, text, strlen(text)) == RB_OK;
        free(text);
        json_decref(rows[i]);
    }
    if (fits) {
        page->count += count;
    } else {
        page->rows.len = before;
    }
    return fits;
}

static rb_err files_read(struct page *page)
{
    struct rb_graph_page found;
    page->range.limit = page->limit + 1; /* to know whether there is another page */
    rb_err err = rb_graph_files(&found, page->graph, page->repo_id, &page->range, page->arena);
    for (size_t i = 0; !err && i < found.count; i++) {
        const struct rb_graph_file *file = &found.files[i];
        json_t *row = json_pack("{s:s, s:s?, s:I}", "path", file->path, "language", file->language, "size",
                                (json_int_t)file->size);
        if (!page_add(page, &row, 1)) {
            page->next = i > 0 ? found.files[i - 1].path : NULL;
            break;
        }
    }
    return err;
}

static json_t *link_of(const struct page *page, const char *directory, const char *kind, const char *path)
{
    return json_pack("{s:s, s:{s:s}, s:{s:s}}", "type", "CONTAINS", "from",
                     directory && *directory ? "directory" : "repository",
                     directory && *directory ? directory : page->about.full_name, "to", kind, path);
}

static rb_err links_of_directories(struct page *page, const char *after)
{
    struct rb_graph_directory_page found;
    page->range.after = after;
    page->range.limit = page->limit + 1;
    rb_err err = rb_graph_directories(&found, page->graph, page->repo_id, &page->range, page->arena);
    for (size_t i = 0; !err && i < found.count; i++) {
        const struct rb_graph_directory *directory = &found.directories[i];
        json_t *row = link_of(page, directory->parent, "directory", directory->path);
        if (!page_add(page, &row, 1)) {
            page->next =
                rb_arena_printf(page->arena, CURSOR_FOLDERS "%s", i > 0 ? found.directories[i - 1].path : "");
            break;
        }
    }
    return err;
}

static rb_err links_of_files(struct page *page, const char *after)
{
    struct rb_graph_page found;
    page->range.after = after;
    page->range.limit = page->limit - page->count + 1;
    rb_err err = rb_graph_files(&found, page->graph, page->repo_id, &page->range, page->arena);
    for (size_t i = 0; !err && i < found.count; i++) {
        const struct rb_graph_file *file = &found.files[i];
        json_t *rows[] = {link_of(page, NULL, "file", file->path),
                          *file->directory ? link_of(page, file->directory, "file", file->path) : NULL};
        if (!page_add(page, rows, *file->directory ? 2 : 1)) {
            page->next =
                rb_arena_printf(page->arena, CURSOR_FILES "%s", i > 0 ? found.files[i - 1].path : after);
            break;
        }
    }
    return err;
}

/* The links to folders, then those to files; where a language is asked for, those to its files. */
static rb_err links_read(struct page *page)
{
    const char *after = page->range.after;
    rb_err err = RB_OK;
    if (*after && strncmp(after, CURSOR_FOLDERS, 2) != 0 && strncmp(after, CURSOR_FILES, 2) != 0)
        return rb_error_set(RB_EINVAL, "after is the next of the page before");
    bool at_files = page->range.language || strncmp(after, CURSOR_FILES, 2) == 0;
    const char *path = *after ? after + 2 : "";
    if (!at_files)
        err = links_of_directories(page, path);
    if (!err && !page->next)
        err = links_of_files(page, at_files ? path : "");
    page->range.after = after;
    return err;
}

/* ---- the answer --------------------------------------------------------------------------------------- */

/* Reads until what was read belongs to one generation; *updating: it did not come to that. */
static rb_err page_read(bool *updating, struct page *page, page_fn read)
{
    rb_err err = RB_OK;
    *updating = true;
    for (int tries = 0; tries < PAGE_TRIES && *updating && !err; tries++) {
        struct rb_graph_about after;
        rb_buf_reset(&page->rows);
        page->count = 0;
        page->next = NULL;
        err = rb_graph_about(&page->about, page->graph, page->repo_id);
        if (!err)
            err = read(page);
        if (!err)
            err = rb_graph_about(&after, page->graph, page->repo_id);
        if (!err)
            *updating =
                after.is_changing || page->about.is_changing || after.generation != page->about.generation;
    }
    return err;
}

static rb_err page_write(struct rb_buf *answer, const struct page *page, bool updating, const char *name)
{
    json_t *head = json_pack("{s:I, s:s, s:s, s:I, s:b, s:b, s:s?}", "repo_id", (json_int_t)page->repo_id,
                             "repo", page->about.full_name, "commit", page->about.commit, "generation",
                             (json_int_t)page->about.generation, "complete", page->about.complete, "updating",
                             updating, "next", page->next);
    json_t *freshness = NULL;
    rb_err err = rb_graph_freshness(&freshness, page->graph, page->repo_id);
    if (!err)
        json_object_set_new(head, "freshness", freshness);
    char *text = !err && head ? json_dumps(head, JSON_COMPACT) : NULL;
    if (!err)
        err = text ? rb_buf_append(answer, text, strlen(text) - 1)
                   : rb_error_set(RB_EINTERNAL, "a page of the graph is no JSON");
    if (!err)
        err = rb_buf_printf(answer, ",\"%s\":[", name);
    if (!err)
        err = rb_buf_append(answer, page->rows.data ? page->rows.data : "", page->rows.len);
    if (!err)
        err = rb_buf_append(answer, "]}", 2);
    free(text);
    json_decref(head);
    return err;
}

static rb_err page_answer(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                          const struct grapher_local *mine, page_fn read, const char *name, int min)
{
    struct page page = {.graph = mine->graph, .arena = arena};
    bool updating = false;
    rb_buf_init(&page.rows, PAGE_BYTES);
    rb_err err = question_read(&page, question, min);
    if (!err)
        err = page_read(&updating, &page, read);
    if (!err)
        err = page_write(answer, &page, updating, name);
    rb_buf_free(&page.rows);
    return err;
}

rb_err rb_grapher_answer_files(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                               void *app, void *local)
{
    (void)app;
    return page_answer(answer, question, arena, local, files_read, "files", 1);
}

rb_err rb_grapher_answer_links(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                               void *app, void *local)
{
    (void)app;
    return page_answer(answer, question, arena, local, links_read, "links", 2);
}
