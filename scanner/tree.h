/*
 * Small tools on documents: JSON with forgiving readers, XML opened so that hostile text can do no harm.
 */
#ifndef RB_SCANNER_TREE_H
#define RB_SCANNER_TREE_H

#include <jansson.h>
#include <libxml/tree.h>

#include "lib/base/base.h"

/* The whole text as JSON; RB_EINVAL says where it is wrong. A byte order mark is skipped. A tree takes some
 * ten times the memory of its text, so there is a limit; the largest lock files read so have 2 MB. */
#define RB_JSON_BYTES_MAX 4194304
rb_err rb_json_parse(json_t **out, const char *text, size_t len) RB_MUST_CHECK;
/* The member, or NULL where `object` is none or has no such member. */
json_t *rb_json_get(const json_t *object, const char *name);
/* A path of members, "tool/poetry/dependencies". */
json_t *rb_json_at(const json_t *object, const char *path);
/* The text of a member, "" when it is no string. */
const char *rb_json_text(const json_t *object, const char *name);

/* No network, no entities, no document type; RB_EINVAL says why. Free with xmlFreeDoc(). */
rb_err rb_xml_parse(xmlDoc **out, const char *text, size_t len) RB_MUST_CHECK;
/* The first child element of this name (namespace aside) among the first so many, or NULL. */
#define RB_XML_CHILDREN_MAX 2000 /* the largest project files have some hundred */
xmlNode *rb_xml_child(const xmlNode *parent, const char *name);
xmlNode *rb_xml_next(const xmlNode *node, const char *name); /* the next sibling of this name */
bool rb_xml_is(const xmlNode *node, const char *name);
/* Text of a child element or an attribute, trimmed, in the arena; "" when absent, longer than this, or when
 * it holds elements. */
#define RB_XML_TEXT_MAX 1024
const char *rb_xml_text(const xmlNode *node, struct rb_arena *arena);
const char *rb_xml_child_text(const xmlNode *parent, const char *name, struct rb_arena *arena);
/* Adds name and text of each child element that has text; those that are there already stay. */
void rb_xml_properties(json_t *properties, const xmlNode *group, struct rb_arena *arena);
const char *rb_xml_attribute(const xmlNode *node, const char *name, struct rb_arena *arena);

#endif
