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

bool read_page_text(struct reading *reading, const char *text)
{
    return rb_buf_append(&reading->rows, text, strlen(text)) == RB_OK;
}

/* Has nothing in it that JSON writes in another way. */
static bool text_is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == '"' || text[i] == '\\')
            return false;
    }
    return true;
}

/* A text as JSON. Nearly all are plain, and take jansson ten times as long. */
static bool page_quote(struct reading *reading, const char *text, size_t len)
{
    struct rb_buf *rows = &reading->rows;
    if (text_is_plain(text, len))
        return rb_buf_append(rows, "\"", 1) == RB_OK && rb_buf_append(rows, text, len) == RB_OK &&
               rb_buf_append(rows, "\"", 1) == RB_OK;
    json_t *value = json_stringn(text, len);
    bool fits = json_dump_callback(value, page_append, rows, JSON_ENCODE_ANY) == 0;
    json_decref(value);
    return fits;
}

bool read_page_value(struct reading *reading, const json_t *value)
{
    if (json_is_string(value))
        return page_quote(reading, json_string_value(value), json_string_length(value));
    return json_dump_callback(value, page_append, &reading->rows, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
}

bool read_page_add(struct reading *reading, read_rows_fn write, const json_t *found, size_t at)
{
    size_t before = reading->rows.len;
    size_t count = before == 0 || read_page_text(reading, ",") ? write(reading, found, at) : 0;
    bool fits = count > 0 && reading->count + count <= reading->limit;
    if (fits)
        reading->count += count;
    else
        reading->rows.len = before;
    return fits;
}

/* The path is the first column of all that pages ask. */
static const char *path_of(const json_t *found, size_t at)
{
    const char *path = json_string_value(graph_answer_value(found, 0, at));
    return path ? path : "";
}

/* Where a page that was not filled has stopped looking, if there is more behind it. */
static rb_err page_look_for_end(struct reading *reading, const json_t *arguments, const char *cursor)
{
    static const enum graph_question question = GRAPH_ASK_FILES_END;
    json_t *answers = NULL;
    rb_err err = read_ask(&answers, reading, &question, 1, arguments);
    const json_t *found = json_array_get(answers, 0);
    if (!err && graph_answer_count(found) > 0)
        reading->next = rb_arena_printf(reading->arena, "%s%s", cursor, path_of(found, 0));
    json_decref(answers);
    return err;
}

/* Walks along the paths behind `after` until the page is full. */
static rb_err page_walk(struct reading *reading, enum graph_question question, const char *after,
                        const char *cursor, read_rows_fn write)
{
    json_t *answers = NULL, *arguments = json_copy(reading->arguments);
    size_t wanted = reading->limit - reading->count + 1; /* one more tells whether there is another page */
    const char *last = after;
    if (strcmp(after, json_string_value(json_object_get(arguments, "after"))) > 0)
        json_object_set_new(arguments, "after", json_string(after));
    json_object_set_new(arguments, "limit", json_integer((json_int_t)wanted));
    json_object_set_new(arguments, "scan", json_integer(READ_SCAN));
    rb_err err = read_ask(&answers, reading, &question, 1, arguments);
    const json_t *found = err ? NULL : json_array_get(answers, 0);
    size_t count = graph_answer_count(found);
    for (size_t at = 0; at < count && !reading->next; at++) {
        if (read_page_add(reading, write, found, at))
            last = path_of(found, at);
        else
            reading->next = rb_arena_printf(reading->arena, "%s%s", cursor, last);
    }
    if (!err && !reading->next && question == GRAPH_ASK_FILES_OF && count < wanted)
        err = page_look_for_end(reading, arguments, cursor);
    json_decref(answers);
    json_decref(arguments);
    return err;
}

/* A page of files, behind `after`. */
static rb_err page_walk_files(struct reading *reading, const char *after, const char *cursor,
                              read_rows_fn write)
{
    return page_walk(reading, reading->is_filtered ? GRAPH_ASK_FILES_OF : GRAPH_ASK_FILES, after, cursor,
                     write);
}

/* As text from the columns: as many objects that are made, written and freed cost four times as much. */
static size_t file_rows(struct reading *reading, const json_t *found, size_t at)
{
    return read_page_text(reading, "{\"path\":") &&
           read_page_value(reading, graph_answer_value(found, 0, at)) &&
           read_page_text(reading, ",\"language\":") &&
           read_page_value(reading, graph_answer_value(found, 1, at)) &&
           read_page_text(reading, ",\"size\":") &&
           read_page_value(reading, graph_answer_value(found, 2, at)) && read_page_text(reading, "}");
}

rb_err read_files(struct reading *reading)
{
    return page_walk_files(reading, reading->after, "", file_rows);
}

/* From the folder that a path stands in; `or_repository`: from the repository. */
static bool link_row(struct reading *reading, const char *kind, const char *path, bool or_repository)
{
    const char *slash = or_repository ? NULL : strrchr(path, '/');
    const char *name = reading->about.full_name;
    return read_page_text(reading, "{\"type\":\"CONTAINS\",\"from\":{\"") &&
           read_page_text(reading, slash ? "directory\":" : "repository\":") &&
           (slash ? page_quote(reading, path, (size_t)(slash - path))
                  : page_quote(reading, name, strlen(name))) &&
           read_page_text(reading, "},\"to\":{\"") && read_page_text(reading, kind) &&
           read_page_text(reading, "\":") && page_quote(reading, path, strlen(path)) &&
           read_page_text(reading, "}}");
}

static size_t directory_links(struct reading *reading, const json_t *found, size_t at)
{
    return link_row(reading, "directory", path_of(found, at), false);
}

static size_t file_links(struct reading *reading, const json_t *found, size_t at)
{
    const char *path = path_of(found, at);
    if (!link_row(reading, "file", path, true))
        return 0;
    if (!strchr(path, '/'))
        return 1;
    return read_page_text(reading, ",") && link_row(reading, "file", path, false) ? 2 : 0;
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
        err = page_walk_files(reading, at_files ? after + 2 : "", CURSOR_FILES, file_links);
    return err;
}
