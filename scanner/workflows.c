/* GitHub Actions: name, triggers and jobs of a workflow (docs.github.com, "Workflow syntax"). */
#include <string.h>

#include "scanner/facts.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

/* "on: push", "on: [push, pull_request]", "on: {push: …}". */
static json_t *workflow_triggers(struct rb_scan_sheet *sheet, const json_t *on)
{
    json_t *triggers = json_array(), *item;
    const char *name = json_string_value(on);
    size_t i;
    if (name)
        rb_facts_string(sheet, triggers, RB_FACTS_LIST_MAX, rb_piece_of(name));
    json_array_foreach(on, i, item)
    {
        rb_facts_string(sheet, triggers, RB_FACTS_LIST_MAX, rb_piece_of(json_string_value(item)));
    }
    json_object_foreach((json_t *)on, name, item)
    {
        rb_facts_string(sheet, triggers, RB_FACTS_LIST_MAX, rb_piece_of(name));
    }
    return triggers;
}

static json_t *workflow_jobs(struct rb_scan_sheet *sheet, json_t *given)
{
    json_t *jobs = json_array(), *job;
    const char *id;
    json_object_foreach(given, id, job)
    {
        json_t *item = json_object();
        rb_facts_text(sheet, item, "id", rb_piece_of(id));
        rb_facts_text(sheet, item, "name", rb_piece_of(rb_json_text(job, "name")));
        rb_facts_text(sheet, item, "uses", rb_piece_of(rb_json_text(job, "uses")));
        if (!json_object_get(item, "id"))
            json_decref(item);
        else if (!rb_facts_put(jobs, RB_FACTS_LIST_MAX, item))
            break;
    }
    return jobs;
}

rb_err rb_look_workflow(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    json_t *item = json_object();
    json_object_set_new(item, "file", json_string(sheet->manifest));
    rb_facts_text(sheet, item, "name", rb_piece_of(rb_json_text(document, "name")));
    json_object_set_new(item, "triggers", workflow_triggers(sheet, rb_json_get(document, "on")));
    json_object_set_new(item, "jobs", workflow_jobs(sheet, rb_json_get(document, "jobs")));
    rb_facts_put(sheet->facts->workflows, RB_FACTS_WORKFLOWS_MAX, item);
    json_decref(document);
    return RB_OK;
}
