/* What is asked about a repository: its fields, checked, as the arguments of statements. */
#include <string.h>
#include <strings.h>

#include "grapher/read.h"
#include "lib/repo/language.h"

#define READ_TEXT_MAX   RB_TREE_PATH_MAX   /* bytes of a text in a question: a path as git allows it */
#define CURSOR_KIND     3                  /* more, which a cursor may have */
#define AFTER_ALL_PATHS "\xF4\x8F\xBF\xBF" /* U+10FFFF: no path begins with what is no character */

rb_err read_question_text(const char **out, const json_t *question, const char *name)
{
    const json_t *value = json_object_get(question, name);
    if (!value || json_is_null(value))
        return RB_OK;
    const char *text = json_string_value(value);
    if (!text || strlen(text) > READ_TEXT_MAX + CURSOR_KIND)
        return rb_error_set(RB_EINVAL, "%s is a text of at most %d bytes", name, READ_TEXT_MAX);
    *out = text;
    return RB_OK;
}

rb_err read_question_number(int64_t *out, const json_t *question, const char *name, int64_t min, int64_t max)
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

void read_argument_set(struct reading *reading, const char *name, const char *text)
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
    read_argument_set(reading, "language", rb_languages[index].name);
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
        read_argument_set(reading, "name", name);
    } else if (star == last) {
        read_argument_set(reading, "name_starts",
                          rb_arena_strndup(reading->arena, name, (size_t)(star - name)));
        read_argument_set(reading, "name_ends", star + 1);
    } else {
        read_argument_set(reading, "name_has", rb_arena_strndup(reading->arena, name + 1, len - 2));
    }
    return RB_OK;
}

/* A folder as the graph has it, which cuts long ones: as that of a file in it. */
static const char *question_folder_known(struct reading *reading, const char *folder, size_t len)
{
    const char *inside =
        rb_graph_path(rb_arena_printf(reading->arena, "%.*s/f", (int)len, folder), reading->arena);
    return rb_arena_strndup(reading->arena, inside, strlen(inside) - strlen("/f"));
}

/* What is below a folder has paths between "folder/" and "folder0", for '0' follows '/' in ASCII. "/src/" is
 * "src". */
static void question_folder(struct reading *reading, const char *folder)
{
    folder += strspn(folder, "/");
    size_t len = strlen(folder);
    while (len > 0 && folder[len - 1] == '/')
        len--;
    folder = question_folder_known(reading, folder, len);
    len = strlen(folder);
    read_argument_set(reading, "folder", folder);
    read_argument_set(reading, "after", len ? rb_arena_printf(reading->arena, "%s/", folder) : "");
    read_argument_set(reading, "before",
                      len ? rb_arena_printf(reading->arena, "%s0", folder) : AFTER_ALL_PATHS);
}

/* The folder of the question, or that of the path it is about. */
static const char *question_folder_of(struct reading *reading, const char *folder, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!path)
        return folder;
    return slash ? rb_arena_strndup(reading->arena, path, (size_t)(slash - path)) : "";
}

rb_err read_question(struct reading *reading, const json_t *question)
{
    const struct read_kind *kind = reading->kind;
    const char *folder = "", *language = NULL, *name = NULL, *path = NULL;
    int64_t limit = kind->limit, number = 0;
    reading->after = "";
    reading->repo_id = json_integer_value(json_object_get(question, "repo_id"));
    if (reading->repo_id <= 0)
        return rb_error_set(RB_EINVAL, "repo_id is GitHub's number of the repository");
    rb_err err = read_question_number(&limit, question, "limit", kind->limit_min, kind->limit_max);
    if (!err)
        err = read_question_number(&number, question, "number", 1, INT32_MAX);
    if (!err)
        err = read_question_text(&reading->after, question, "after");
    if (!err)
        err = read_question_text(&folder, question, "folder");
    if (!err)
        err = read_question_text(&language, question, "language");
    if (!err)
        err = read_question_text(&name, question, "name");
    if (!err)
        err = read_question_text(&path, question, "path");
    if (!err && kind->needs && !json_string_value(json_object_get(question, kind->needs)))
        err = rb_error_set(RB_EINVAL, "%s is missing", kind->needs);
    if (err)
        return err;
    reading->limit = (size_t)limit;
    json_object_set_new(reading->arguments, "repo_id", json_integer((json_int_t)reading->repo_id));
    json_object_set_new(reading->arguments, "limit", json_integer((json_int_t)limit));
    json_object_set_new(reading->arguments, "number",
                        number ? json_integer((json_int_t)number) : json_null());
    path = path ? rb_graph_path(path, reading->arena) : NULL;
    read_argument_set(reading, "path", path);
    question_folder(reading, question_folder_of(reading, folder, path));
    err = question_language(reading, language);
    return err ? err : question_name(reading, name);
}
