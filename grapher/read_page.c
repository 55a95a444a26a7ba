/*
 * Pages walk along the paths of the repository and end with where to go on (`next`): when they are full, and
 * also when a filter has let through little of the READ_SCAN files they looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "grapher/read.h"

#define READ_SCAN      10000 /* files a page looks at: some ten milliseconds */
#define CURSOR_FOLDERS "d:"  /* folders come first */
#define CURSOR_FILES   "f:"

static int page_append(const char *text, size_t len, void *rows)
{
    return rb_buf_append(rows, text, len) == RB_OK ? 0 : -1;
}

bool read_page_add(struct reading *reading, json_t **rows, size_t count)
{
    size_t before = reading->rows.len;
    bool fits = reading->count + count <= reading->limit;
    for (size_t i = 0; i < count; i++) {
        fits = fits && (reading->rows.len == 0 || rb_buf_append(&reading->rows, ",", 1) == RB_OK) &&
               json_dump_callback(rows[i], page_append, &reading->rows, JSON_COMPACT) == 0;
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

/* Where a page that was not filled has stopped looking, if there is more behind it. */
static rb_err page_look_for_end(struct reading *reading, const json_t *arguments, const char *cursor)
{
    static const enum graph_question question = GRAPH_ASK_FILES_END;
    json_t *answers = NULL;
    rb_err err = read_ask(&answers, reading, &question, 1, arguments);
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
    rb_err err = read_ask(&answers, reading, &question, 1, arguments);
    const json_t *found = err ? NULL : json_array_get(answers, 0);
    json_array_foreach(found, i, row)
    {
        json_t *rows[2];
        size_t count = rows_of(rows, reading, row);
        if (!read_page_add(reading, rows, count)) {
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

rb_err read_files(struct reading *reading)
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
rb_err read_links(struct reading *reading)
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
