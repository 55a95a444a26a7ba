/*
 * Labels of issues and pull requests. A label that is put on one and does not exist is made, as GitHub does.
 * There is an issue for each topic that a test has put there, and a pull request for each refs/pull/N/head.
 */
#include "tests/github/standin.h"

#include <string.h>
#include <strings.h>

#define LABELS_MAX 100 /* of one issue, as GitHub has it */

static json_t *label_shape(const struct sim_exchange *x, const char *name)
{
    const struct sim_repo *repo = x->repo;
    char id[400];
    snprintf(id, sizeof(id), "%.80s/%.80s/%.200s", repo->owner, repo->name, name);
    char *node_id = rb_sim_shape_node_id("label", id);
    char *escaped = rb_sim_escape(x->arena, name);
    json_t *json =
        json_pack("{s:I, s:s, s:s, s:n, s:s, s:b}", "id", (json_int_t)rb_sim_id_of("label", id), "node_id",
                  node_id, "name", name, "description", "color", "ededed", "default", 0);
    json_object_set_new(json, "url",
                        json_sprintf("%s/repos/%s/%s/labels/%s", x->base, repo->owner, repo->name, escaped));
    free(node_id);
    return json;
}

json_t *rb_sim_labels_of(const struct sim_exchange *x, const char *number)
{
    const json_t *names = json_object_get(x->repo->labels, number);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(names); i++) {
        json_array_append_new(list, label_shape(x, json_string_value(json_array_get(names, i))));
    }
    return list;
}

/* False after 404. */
static bool labels_find(struct sim_exchange *x)
{
    char ref[64];
    git_oid head;
    const char *number = x->args[2];
    snprintf(ref, sizeof(ref), "refs/pull/%.20s/head", number);
    bool is_there = git_reference_name_to_id(&head, x->repo->git, ref) == 0;
    for (size_t i = 0; !is_there && i < json_array_size(x->repo->topics); i++) {
        const json_t *topic = json_array_get(x->repo->topics, i);
        is_there = json_integer_value(json_object_get(topic, "number")) == strtoll(number, NULL, 10);
    }
    if (!is_there) {
        rb_sim_answer_error(x, 404, x->route->doc, "Not Found");
    }
    return is_there;
}

/* Its place; the size of the list when it is not there. */
static size_t labels_place(const json_t *names, const char *name)
{
    size_t at = 0;
    while (at < json_array_size(names) &&
           strcasecmp(json_string_value(json_array_get(names, at)), name) != 0) {
        at++;
    }
    return at;
}

void rb_sim_labels_list(struct sim_exchange *x)
{
    if (labels_find(x)) {
        rb_sim_answer_json(x, 200, rb_sim_labels_of(x, x->args[2]));
    }
}

void rb_sim_labels_add(struct sim_exchange *x)
{
    const json_t *body = labels_find(x) ? rb_sim_body_object(x) : NULL;
    if (body == NULL) {
        return;
    }
    const json_t *wanted = json_object_get(body, "labels");
    bool is_fine = json_array_size(wanted) > 0 && json_array_size(wanted) <= LABELS_MAX;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const char *name = json_string_value(json_array_get(wanted, i));
        is_fine = is_fine && name != NULL && *name != '\0';
    }
    if (!is_fine) {
        rb_sim_answer_invalid(x, x->route->doc, json_array());
        return;
    }
    if (x->repo->labels == NULL) {
        x->repo->labels = json_object();
    }
    json_t *names = json_object_get(x->repo->labels, x->args[2]);
    if (names == NULL) {
        names = json_array();
        json_object_set_new(x->repo->labels, x->args[2], names);
    }
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        json_t *name = json_array_get(wanted, i);
        if (labels_place(names, json_string_value(name)) == json_array_size(names)) {
            json_array_append(names, name);
        }
    }
    rb_sim_answer_json(x, 200, rb_sim_labels_of(x, x->args[2]));
}

void rb_sim_labels_remove(struct sim_exchange *x)
{
    if (!labels_find(x)) {
        return;
    }
    json_t *names = json_object_get(x->repo->labels, x->args[2]);
    size_t at = labels_place(names, x->args[3]);
    if (at == json_array_size(names)) {
        rb_sim_answer_error(x, 404, x->route->doc, "Label does not exist");
        return;
    }
    json_array_remove(names, at);
    rb_sim_answer_json(x, 200, rb_sim_labels_of(x, x->args[2]));
}
