#include "scanner/tree.h"

#include <libxml/parser.h>
#include <string.h>

#include "scanner/text.h"

rb_err rb_json_parse(json_t **out, const char *text, size_t len)
{
    json_error_t error;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    *out = json_loadb(text, len, 0, &error);
    if (!*out)
        return rb_error_set(RB_EINVAL, "JSON: line %d: %s", error.line, error.text);
    return RB_OK;
}

json_t *rb_json_get(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

json_t *rb_json_at(const json_t *object, const char *path)
{
    char name[64];
    const json_t *at = object;
    while (at && *path) {
        size_t len = strcspn(path, "/");
        if (len >= sizeof name)
            return NULL;
        memcpy(name, path, len);
        name[len] = 0;
        at = json_object_get(at, name);
        path += len + (path[len] == '/');
    }
    return (json_t *)at;
}

const char *rb_json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

rb_err rb_xml_parse(xmlDoc **out, const char *text, size_t len)
{
    *out = NULL;
    /* Entities need a document type, and no manifest needs one: without it there is nothing to expand. */
    if (memmem(text, len, "<!DOCTYPE", 9) || memmem(text, len, "<!ENTITY", 8))
        return rb_error_set(RB_EINVAL, "XML: has a document type, which no manifest needs");
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser)
        return rb_error_set(RB_EINTERNAL, "XML: out of memory");
    int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int)len, "manifest.xml", NULL, options);
    rb_err err = RB_OK;
    if (!doc) {
        const xmlError *error = xmlCtxtGetLastError(parser);
        struct rb_piece reason = rb_piece_trim(rb_piece_of(error ? error->message : "not well-formed"));
        err = rb_error_set(RB_EINVAL, "XML: line %d: %.*s", error ? error->line : 0,
                           (int)(reason.len < 200 ? reason.len : 200), reason.at);
    } else if (doc->intSubset || doc->extSubset) {
        xmlFreeDoc(doc); /* written in UTF-16, the search above cannot see it */
        doc = NULL;
        err = rb_error_set(RB_EINVAL, "XML: has a document type, which no manifest needs");
    }
    xmlFreeParserCtxt(parser);
    *out = doc;
    return err;
}

bool rb_xml_is(const xmlNode *node, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

xmlNode *rb_xml_child(const xmlNode *parent, const char *name)
{
    for (xmlNode *node = parent ? parent->children : NULL; node; node = node->next) {
        if (rb_xml_is(node, name))
            return node;
    }
    return NULL;
}

xmlNode *rb_xml_next(const xmlNode *node, const char *name)
{
    for (xmlNode *next = node->next; next; next = next->next) {
        if (rb_xml_is(next, name))
            return next;
    }
    return NULL;
}

const char *rb_xml_text(const xmlNode *node, struct rb_arena *arena)
{
    xmlChar *content = node ? xmlNodeGetContent(node) : NULL;
    const char *text = rb_piece_copy(arena, rb_piece_trim(rb_piece_of((const char *)content)));
    xmlFree(content);
    return text;
}

const char *rb_xml_child_text(const xmlNode *parent, const char *name, struct rb_arena *arena)
{
    return rb_xml_text(rb_xml_child(parent, name), arena);
}

const char *rb_xml_attribute(const xmlNode *node, const char *name, struct rb_arena *arena)
{
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    const char *text = rb_piece_copy(arena, rb_piece_trim(rb_piece_of((const char *)value)));
    xmlFree(value);
    return text;
}
