/*
 * The graph as others read it: questions over NATS, answered a page at a time.
 *
 * An answer says of which generation it is. What is read between two looks at the generation belongs to it
 * when both looks say the same and no write is under way; else it is read again, and after READ_TRIES the
 * answer says "updating": true. Whoever reads page after page sees by the generation whether they belong
 * together.
 *
 * There are two kinds. A page walks along the paths of the repository and ends with where to go on (`next`):
 * when it is full, and also when a filter has let through little of the READ_SCAN files it looked at. The
 * others are made of parts, each the rows of one question (questions.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "grapher/handler.h"
#include "grapher/questions.h"
#include "grapher/state.h"
#include "lib/repo/language.h"

#define READ_BYTES      (RB_ANSWER_MAX - 40000) /* of rows; a page that is full of long paths ends earlier */
#define READ_TRIES      3
#define READ_SCAN       10000             /* files a page looks at: some ten milliseconds */
#define READ_TEXT_MAX   RB_GRAPH_PATH_MAX /* bytes of a text in a question, a cursor without its kind */
#define READ_REPOS_MAX  5000              /* repositories in one question: they fit into its 64 KiB */
#define CURSOR_FOLDERS  "d:"              /* folders come first */
#define CURSOR_FILES    "f:"
#define AFTER_ALL_PATHS "\xF4\x8F\xBF\xBF" /* U+10FFFF: no path begins with what is no character */

struct reading {
    const struct read_kind *kind;
    struct rb_graph *graph;
    struct rb_arena *arena;
    int64_t repo_id;
    size_t limit;
    const char *after;
    bool is_filtered;  /* not every file passes */
    json_t *arguments; /* of all the statements */
    /* What is read. */
    bool is_looked;                      /* before it, */
    struct rb_graph_about about, behind; /* and behind it */
    struct rb_buf rows;
    size_t count;
    const char *next; /* NULL: this is the last page */
    json_t *parts;
};

/* The rows of a question as a field of the answer. */
struct read_part {
    const char *field; /* NULL ends a list */
    enum graph_question question;
    const char *one; /* not NULL: the field is the one row, and where there is none there is no such thing */
};

struct read_kind {
    int limit_min, limit, limit_max; /* `limit` where the question names none */
    const char *needs;               /* a field that must be there, or NULL */
    /* A page: its rows, and what reads them. */
    const char *rows;
    rb_err (*read)(struct reading *reading);
    /* Else: its parts, and those where the field `of` asks about one thing. */
    const struct read_part *parts;
    const char *of;
    const struct read_part *parts_of;
};

/* ---- the question ------------------------------------------------------------------------------------- */

/* A field that is text, `*out` as it was when it is absent or null. */
static rb_err question_text(const char **out, const json_t *question, const char *name)
{
    const json_t *value = json_object_get(question, name);
    if (!value || json_is_null(value))
        return RB_OK;
    const char *text = json_string_value(value);
    if (!text || strlen(text) > READ_TEXT_MAX + sizeof(CURSOR_FILES))
        return rb_error_set(RB_EINVAL, "%s is a text of at most %d bytes", name, READ_TEXT_MAX);
    *out = text;
    return RB_OK;
}

/* A number from min to max, `*out` as it was when it is absent or null. */
static rb_err question_number(int64_t *out, const json_t *question, const char *name, int64_t min,
                              int64_t max)
{
    const json_t *value = json_object_get(question, name);
    if (!value || json_is_null(value))
        return RB_OK;
    *out = json_integer_value(value);
    if (!json_is_integer(value) || *out < min || *out > max)
        return rb_error_set(RB_EINVAL, "%s is a number from %lld to %lld", name, (long long)min,
                            (long long)max);
    return RB_OK;
}

static void argument_set(struct reading *reading, const char *name, const char *text)
{
    json_object_set_new(reading->arguments, name, text ? json_string(text) : json_null());
}

/* Languages are found whatever their case. */
static rb_err question_language(struct reading *reading, const char *language)
{
    size_t index = 0;
    if (!language)
        return RB_OK;
    while (index < rb_language_total && strcasecmp(rb_languages[index].name, language) != 0)
        index++;
    if (index == rb_language_total)
        return rb_error_set(RB_EINVAL,
                            "no language is called %.100s: names are as in a profile, such as JavaScript",
                            language);
    argument_set(reading, "language", rb_languages[index].name);
    reading->is_filtered = true;
    return RB_OK;
}

/*
 * A name, or a pattern with a star for any characters: "text", "text*", "*text", "text*text" or "*text*".
 * Stores compare beginnings and ends; no pattern reaches them.
 */
static rb_err question_name(struct reading *reading, const char *name)
{
    if (!name)
        return RB_OK;
    const char *star = strchr(name, '*'), *last = strrchr(name, '*');
    size_t len = strlen(name);
    if (len == 0 || strchr(name, '/') ||
        (star != last && (star != name || last != name + len - 1 || len == 2)))
        return rb_error_set(RB_EINVAL, "name is the name of a file, in which one * stands for any "
                                       "characters, or a part of it between two: *.test.ts, *test*");
    reading->is_filtered = true;
    if (!star) {
        argument_set(reading, "name", name);
    } else if (star == last) {
        argument_set(reading, "name_starts", rb_arena_strndup(reading->arena, name, (size_t)(star - name)));
        argument_set(reading, "name_ends", star + 1);
    } else {
        argument_set(reading, "name_has", rb_arena_strndup(reading->arena, name + 1, len - 2));
    }
    return RB_OK;
}

/* What is below a folder has paths between "folder/" and "folder0", for '0' follows '/' in ASCII. "src/" is
 * "src". */
static void question_folder(struct reading *reading, const char *folder)
{
    size_t len = strlen(folder);
    while (len > 0 && folder[len - 1] == '/')
        len--;
    folder = rb_arena_strndup(reading->arena, folder, len);
    argument_set(reading, "folder", folder);
    argument_set(reading, "after", len ? rb_arena_printf(reading->arena, "%s/", folder) : "");
    argument_set(reading, "before", len ? rb_arena_printf(reading->arena, "%s0", folder) : AFTER_ALL_PATHS);
}

/* The folder of the question, or that of the path it is about. */
static const char *question_folder_of(struct reading *reading, const char *folder, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!path)
        return folder;
    return slash ? rb_arena_strndup(reading->arena, path, (size_t)(slash - path)) : "";
}

static rb_err question_read(struct reading *reading, const json_t *question)
{
    const struct read_kind *kind = reading->kind;
    const char *folder = "", *language = NULL, *name = NULL, *path = NULL;
    int64_t limit = kind->limit, number = 0;
    reading->after = "";
    reading->repo_id = json_integer_value(json_object_get(question, "repo_id"));
    if (reading->repo_id <= 0)
        return rb_error_set(RB_EINVAL, "repo_id is GitHub's number of the repository");
    rb_err err = question_number(&limit, question, "limit", kind->limit_min, kind->limit_max);
    if (!err)
        err = question_number(&number, question, "number", 1, INT32_MAX);
    if (!err)
        err = question_text(&reading->after, question, "after");
    if (!err)
        err = question_text(&folder, question, "folder");
    if (!err)
        err = question_text(&language, question, "language");
    if (!err)
        err = question_text(&name, question, "name");
    if (!err)
        err = question_text(&path, question, "path");
    if (!err && kind->needs && !json_string_value(json_object_get(question, kind->needs)))
        err = rb_error_set(RB_EINVAL, "%s is missing", kind->needs);
    if (err)
        return err;
    reading->limit = (size_t)limit;
    json_object_set_new(reading->arguments, "repo_id", json_integer((json_int_t)reading->repo_id));
    json_object_set_new(reading->arguments, "limit", json_integer((json_int_t)limit));
    json_object_set_new(reading->arguments, "number",
                        number ? json_integer((json_int_t)number) : json_null());
    argument_set(reading, "path", path);
    question_folder(reading, question_folder_of(reading, folder, path));
    err = question_language(reading, language);
    return err ? err : question_name(reading, name);
}

/* ---- pages -------------------------------------------------------------------------------------------- */

/* Takes the rows, which belong together; false when the page has no room for them. */
static bool page_add(struct reading *reading, json_t **rows, size_t count)
{
    size_t before = reading->rows.len;
    bool fits = reading->count + count <= reading->limit;
    for (size_t i = 0; i < count; i++) {
        char *text = rows[i] ? json_dumps(rows[i], JSON_COMPACT) : NULL;
        fits = fits && text && (reading->rows.len == 0 || rb_buf_append(&reading->rows, ",", 1) == RB_OK) &&
               rb_buf_append(&reading->rows, text, strlen(text)) == RB_OK;
        free(text);
        json_decref(rows[i]);
    }
    if (fits) {
        reading->count += count;
    } else {
        reading->rows.len = before;
    }
    return fits;
}

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

/* Asks between two looks at what state of the graph is there; *answers has the rows of each question. */
static rb_err reading_ask(json_t **answers, struct reading *reading, const enum graph_question *questions,
                          size_t count, const json_t *arguments)
{
    enum graph_question all[GRAPH_QUESTIONS_MAX] = {GRAPH_ASK_ABOUT};
    memcpy(all + 1, questions, count * sizeof *all);
    all[count + 1] = GRAPH_ASK_ABOUT;
    rb_err err = graph_questions_ask(answers, reading->graph, all, count + 2, arguments);
    if (!err && !reading->is_looked)
        err = graph_about_of(&reading->about, json_array_get(*answers, 0));
    if (!err)
        err = graph_about_of(&reading->behind, json_array_get(*answers, count + 1));
    reading->is_looked = !err;
    json_array_remove(*answers, 0);
    return err;
}

/* Where a page that was not filled has stopped looking, if there is more behind it. */
static rb_err page_look_for_end(struct reading *reading, const json_t *arguments, const char *cursor)
{
    static const enum graph_question question = GRAPH_ASK_FILES_END;
    json_t *answers = NULL;
    rb_err err = reading_ask(&answers, reading, &question, 1, arguments);
    const json_t *row = json_array_get(json_array_get(answers, 0), 0);
    if (!err && row)
        reading->next = rb_arena_printf(reading->arena, "%s%s", cursor, text_of(row, "path"));
    json_decref(answers);
    return err;
}

/* The rows of a page that one found row makes; how many, two at most. */
typedef size_t (*page_rows_fn)(json_t **rows, const struct reading *reading, json_t *found);

/* Walks along the paths behind `after` until the page is full. */
static rb_err page_walk(struct reading *reading, enum graph_question question, const char *after,
                        const char *cursor, page_rows_fn rows_of)
{
    json_t *answers = NULL, *arguments = json_copy(reading->arguments), *row;
    size_t wanted = reading->limit - reading->count + 1, i; /* one more tells whether there is another page */
    bool is_filtered = reading->is_filtered && question == GRAPH_ASK_FILES;
    const char *last = after;
    if (strcmp(after, text_of(arguments, "after")) > 0)
        json_object_set_new(arguments, "after", json_string(after));
    json_object_set_new(arguments, "limit", json_integer((json_int_t)wanted));
    json_object_set_new(arguments, "scan", json_integer(is_filtered ? READ_SCAN : (json_int_t)wanted));
    rb_err err = reading_ask(&answers, reading, &question, 1, arguments);
    const json_t *found = err ? NULL : json_array_get(answers, 0);
    json_array_foreach(found, i, row)
    {
        json_t *rows[2];
        size_t count = rows_of(rows, reading, row);
        if (!page_add(reading, rows, count)) {
            reading->next = rb_arena_printf(reading->arena, "%s%s", cursor, last);
            break;
        }
        last = text_of(row, "path");
    }
    if (!err && !reading->next && is_filtered && json_array_size(found) < wanted)
        err = page_look_for_end(reading, arguments, cursor);
    json_decref(answers);
    json_decref(arguments);
    return err;
}

static size_t file_rows(json_t **rows, const struct reading *reading, json_t *found)
{
    (void)reading;
    rows[0] = json_incref(found);
    return 1;
}

static rb_err files_read(struct reading *reading)
{
    return page_walk(reading, GRAPH_ASK_FILES, reading->after, "", file_rows);
}

/* From the folder that a path stands in; `or_repository`: from the repository. */
static json_t *link_of(const struct reading *reading, const char *kind, const char *path, bool or_repository)
{
    const char *slash = or_repository ? NULL : strrchr(path, '/');
    return slash ? json_pack("{s:s, s:{s:s%}, s:{s:s}}", "type", "CONTAINS", "from", "directory", path,
                             (size_t)(slash - path), "to", kind, path)
                 : json_pack("{s:s, s:{s:s}, s:{s:s}}", "type", "CONTAINS", "from", "repository",
                             reading->about.full_name, "to", kind, path);
}

static size_t directory_links(json_t **rows, const struct reading *reading, json_t *found)
{
    rows[0] = link_of(reading, "directory", text_of(found, "path"), false);
    return 1;
}

static size_t file_links(json_t **rows, const struct reading *reading, json_t *found)
{
    const char *path = text_of(found, "path");
    rows[0] = link_of(reading, "file", path, true);
    if (!strchr(path, '/'))
        return 1;
    rows[1] = link_of(reading, "file", path, false);
    return 2;
}

/* The links to folders, then those to files; where a filter is asked for, those to its files. */
static rb_err links_read(struct reading *reading)
{
    const char *after = reading->after;
    bool at_folders = strncmp(after, CURSOR_FOLDERS, 2) == 0, at_files = strncmp(after, CURSOR_FILES, 2) == 0;
    rb_err err = RB_OK;
    if (*after && !at_folders && !at_files)
        return rb_error_set(RB_EINVAL, "after is the next of the page before");
    if (!at_files && !reading->is_filtered)
        err = page_walk(reading, GRAPH_ASK_DIRECTORIES, at_folders ? after + 2 : "", CURSOR_FOLDERS,
                        directory_links);
    if (!err && !reading->next)
        err = page_walk(reading, GRAPH_ASK_FILES, at_files ? after + 2 : "", CURSOR_FILES, file_links);
    return err;
}

/* ---- parts -------------------------------------------------------------------------------------------- */

static rb_err parts_read(struct reading *reading)
{
    const struct read_kind *kind = reading->kind;
    const json_t *of = kind->of ? json_object_get(reading->arguments, kind->of) : NULL;
    bool is_of = of && !json_is_null(of);
    const struct read_part *parts = is_of ? kind->parts_of : kind->parts;
    enum graph_question questions[GRAPH_QUESTIONS_MAX - 2];
    json_t *answers = NULL;
    size_t count = 0;
    for (; parts[count].field; count++)
        questions[count] = parts[count].question;
    rb_err err = reading_ask(&answers, reading, questions, count, reading->arguments);
    for (size_t i = 0; i < count && !err; i++) {
        json_t *rows = json_array_get(answers, i);
        if (parts[i].one && json_array_size(rows) == 0)
            err = rb_error_set(RB_ENOTFOUND, "no %s", parts[i].one);
        else
            json_object_set(reading->parts, parts[i].field, parts[i].one ? json_array_get(rows, 0) : rows);
    }
    json_decref(answers);
    return err;
}

static const struct read_part parts_neighbours[] = {
    {"file", GRAPH_ASK_FILE, "such file in its graph"},
    {"folder", GRAPH_ASK_FOLDER, "folder"},
    {"pull_requests", GRAPH_ASK_PULLS_OF_FILE, NULL},
    {"people", GRAPH_ASK_PEOPLE_OF_FILE, NULL},
    {"changed_together", GRAPH_ASK_TOGETHER_OF_FILE, NULL},
    {"basis", GRAPH_ASK_BASIS_OF_FILE, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_together[] = {
    {"pairs", GRAPH_ASK_TOGETHER, NULL},
    {"basis", GRAPH_ASK_BASIS_TOGETHER, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_together_of_file[] = {
    {"file", GRAPH_ASK_FILE, "such file in its graph"},
    {"changed_together", GRAPH_ASK_TOGETHER_OF_FILE, NULL},
    {"basis", GRAPH_ASK_BASIS_OF_FILE, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_developers[] = {
    {"developers", GRAPH_ASK_DEVELOPERS, NULL},
    {"basis", GRAPH_ASK_BASIS_DEVELOPERS, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_overlaps[] = {
    {"pairs", GRAPH_ASK_OVERLAPS, NULL},
    {"basis", GRAPH_ASK_BASIS_OVERLAPS, "basis"},
    {NULL, 0, NULL},
};
static const struct read_part parts_overlaps_of_pull[] = {
    {"pull_request", GRAPH_ASK_PULL, "such pull request in its graph"},
    {"overlaps", GRAPH_ASK_OVERLAPS_OF_PULL, NULL},
    {"basis", GRAPH_ASK_BASIS_OF_PULL, "basis"},
    {NULL, 0, NULL},
};

/* ---- the answer --------------------------------------------------------------------------------------- */

/* Reads until what was read belongs to one generation; *updating: it did not come to that. */
static rb_err answer_read(bool *updating, struct reading *reading)
{
    rb_err err = RB_OK;
    *updating = true;
    for (int tries = 0; tries < READ_TRIES && *updating && !err; tries++) {
        rb_buf_reset(&reading->rows);
        reading->is_looked = false;
        reading->count = 0;
        reading->next = NULL;
        err = reading->kind->read(reading);
        *updating = !err && (reading->behind.is_changing || reading->about.is_changing ||
                             reading->behind.generation != reading->about.generation);
    }
    return err;
}

/* What every answer about a repository begins with: which state of it is told of, and how fresh that is. */
static rb_err answer_about(json_t **head, const struct reading *reading, bool updating)
{
    const struct rb_graph_about *about = &reading->about;
    json_t *freshness = NULL;
    rb_err err = rb_graph_freshness(&freshness, reading->graph, reading->repo_id);
    if (err)
        return err;
    *head = json_pack("{s:I, s:s, s:s, s:I, s:b, s:b, s:o}", "repo_id", (json_int_t)reading->repo_id, "repo",
                      about->full_name, "commit", about->commit, "generation", (json_int_t)about->generation,
                      "complete", about->complete, "updating", updating, "freshness", freshness);
    return RB_OK;
}

/* Takes the head; the rows, if the kind has them, go behind it as they are. */
static rb_err answer_write(struct rb_buf *answer, const struct reading *reading, json_t *head)
{
    const char *rows = reading->kind->rows;
    if (rows)
        json_object_set_new(head, "next", reading->next ? json_string(reading->next) : json_null());
    json_object_update(head, reading->parts);
    char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
    rb_err err = text ? rb_buf_append(answer, text, strlen(text) - (rows ? 1 : 0))
                      : rb_error_set(RB_EINTERNAL, "an answer of the graph is no JSON");
    if (!err && rows)
        err = rb_buf_printf(answer, ",\"%s\":[", rows);
    if (!err && rows)
        err = rb_buf_append(answer, reading->rows.data ? reading->rows.data : "", reading->rows.len);
    if (!err && rows)
        err = rb_buf_append(answer, "]}", 2);
    free(text);
    json_decref(head);
    return err == RB_ETOOBIG ? rb_error_set(RB_ETOOBIG, "the answer is too long: ask for fewer with limit")
                             : err;
}

static void reading_open(struct reading *reading, const struct read_kind *kind, struct rb_arena *arena,
                         const struct grapher_local *mine)
{
    *reading = (struct reading){.kind = kind,
                                .graph = mine->graph,
                                .arena = arena,
                                .arguments = json_object(),
                                .parts = json_object()};
    rb_buf_init(&reading->rows, READ_BYTES);
}

static void reading_close(struct reading *reading)
{
    rb_buf_free(&reading->rows);
    json_decref(reading->arguments);
    json_decref(reading->parts);
}

static rb_err answer_kind(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                          const struct grapher_local *mine, const struct read_kind *kind)
{
    struct reading reading;
    bool updating = false;
    reading_open(&reading, kind, arena, mine);
    rb_err err = question_read(&reading, question);
    if (!err)
        err = graph_questions_begin(reading.graph);
    if (!err) {
        err = answer_read(&updating, &reading);
        graph_questions_end(reading.graph);
    }
    json_t *head = NULL;
    if (!err)
        err = answer_about(&head, &reading, updating);
    if (!err)
        err = answer_write(answer, &reading, head);
    reading_close(&reading);
    return err;
}

#define ANSWER(name, ...)                                                                                  \
    rb_err rb_grapher_answer_##name(struct rb_buf *answer, const json_t *question, struct rb_arena *arena, \
                                    void *app, void *local)                                                \
    {                                                                                                      \
        static const struct read_kind kind = {__VA_ARGS__};                                                \
        (void)app;                                                                                         \
        return answer_kind(answer, question, arena, local, &kind);                                         \
    }
#define A_PAGE     .limit = 100, .limit_max = 1000
#define A_TOP_LIST .limit_min = 1, .limit = 20, .limit_max = 100, .read = parts_read

ANSWER(files, A_PAGE, .limit_min = 1, .rows = "files", .read = files_read)
/* A file has two links that stand together. */
ANSWER(links, A_PAGE, .limit_min = 2, .rows = "links", .read = links_read)
ANSWER(neighbours, A_TOP_LIST, .needs = "path", .parts = parts_neighbours)
ANSWER(changed_together, A_TOP_LIST, .parts = parts_together, .of = "path",
       .parts_of = parts_together_of_file)
ANSWER(developers, A_TOP_LIST, .parts = parts_developers)
ANSWER(overlaps, A_TOP_LIST, .parts = parts_overlaps, .of = "number", .parts_of = parts_overlaps_of_pull)

/* ---- dependents, over several repositories ------------------------------------------------------------- */

static rb_err dependents_question(struct reading *reading, const json_t *question)
{
    const json_t *repos = json_object_get(question, "repo_ids"), *repo;
    json_t *taken = json_array();
    const char *purl = "", *last;
    int64_t limit = reading->kind->limit;
    size_t i;
    reading->after = "0";
    json_object_set_new(reading->arguments, "repo_ids", taken);
    rb_err err = question_number(&limit, question, "limit", 1, reading->kind->limit_max);
    if (!err)
        err = question_text(&reading->after, question, "after");
    if (!err)
        err = question_text(&purl, question, "purl");
    if (err)
        return err;
    last = strrchr(purl, '/');
    if (strncmp(purl, "pkg:", 4) != 0 || !last || !last[1] || strpbrk(last, "@?#"))
        return rb_error_set(RB_EINVAL, "purl is a package URL without version: pkg:npm/express");
    if (!json_is_array(repos) || json_array_size(repos) > READ_REPOS_MAX)
        return rb_error_set(RB_EINVAL, "repo_ids is a list of at most %d repositories", READ_REPOS_MAX);
    if (strspn(reading->after, "0123456789") != strlen(reading->after) || strlen(reading->after) > 18)
        return rb_error_set(RB_EINVAL, "after is the next of the page before");
    int64_t after = strtoll(reading->after, NULL, 10);
    reading->limit = (size_t)limit;
    argument_set(reading, "purl", purl);
    json_array_foreach(repos, i, repo)
    {
        int64_t id = json_integer_value(repo);
        if (id <= after)
            continue;
        if (json_array_size(taken) == reading->limit) {
            reading->next = rb_arena_printf(reading->arena, "%lld", (long long)after);
            break;
        }
        after = id; /* they are sorted, or some are left out */
        json_array_append_new(taken, json_integer((json_int_t)id));
    }
    return RB_OK;
}

/* One row of the answer for all rows of a repository, which may want the package in several ways. */
static void dependents_add(struct reading *reading, const json_t *found)
{
    json_t *row = NULL;
    const json_t *one;
    json_int_t id = 0, last = 0;
    size_t i, count = json_array_size(found);
    for (i = 0; i <= count; i++) {
        one = json_array_get(found, i);
        json_int_t next = json_integer_value(json_object_get(one, "repo_id"));
        if (row && next != id) {
            if (!page_add(reading, &row, 1)) {
                reading->next = rb_arena_printf(reading->arena, "%lld", (long long)last);
                return;
            }
            row = NULL;
            last = id;
        }
        if (!row && one)
            row =
                json_pack("{s:I, s:O, s:O, s:[]}", "repo_id", id = next, "repo", json_object_get(one, "repo"),
                          "generation", json_object_get(one, "generation"), "wants");
        if (row)
            json_array_append_new(json_object_get(row, "wants"),
                                  json_pack("{s:O, s:O}", "scope", json_object_get(one, "scope"),
                                            "constraint", json_object_get(one, "constraint")));
    }
}

rb_err rb_grapher_answer_dependents(struct rb_buf *answer, const json_t *question, struct rb_arena *arena,
                                    void *app, void *local)
{
    static const struct read_kind kind = {A_PAGE, .limit_min = 1, .rows = "dependents"};
    static const enum graph_question asked = GRAPH_ASK_DEPENDENTS;
    struct reading reading;
    json_t *answers = NULL;
    (void)app;
    reading_open(&reading, &kind, arena, local);
    rb_err err = dependents_question(&reading, question);
    if (!err)
        err = graph_questions_begin(reading.graph);
    if (!err) {
        err = graph_questions_ask(&answers, reading.graph, &asked, 1, reading.arguments);
        graph_questions_end(reading.graph);
    }
    if (!err) {
        dependents_add(&reading, json_array_get(answers, 0));
        err = answer_write(answer, &reading,
                           json_pack("{s:O}", "purl", json_object_get(reading.arguments, "purl")));
    }
    json_decref(answers);
    reading_close(&reading);
    return err;
}
