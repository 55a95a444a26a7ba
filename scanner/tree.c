#include "scanner/tree.h"

#include <libxml/parser.h>
#include <string.h>

#include "scanner/text.h"

rb_err rb_json_parse(json_t **out, const char *text, size_t len)
{
    json_error_t error;
    *out = NULL;
    if (len > RB_JSON_BYTES_MAX)
        return rb_error_set(RB_EINVAL, "JSON: larger than %d bytes, which no such file needs",
                            RB_JSON_BYTES_MAX);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    *out = json_loadb(text, len, 0, &error);
    if (!*out) {
        /* "… near '…'" quotes the text, which may hold somebody's password. */
        const char *near = strstr(error.text, " near ");
        return rb_error_set(RB_EINVAL, "JSON: line %d: %.*s", error.line,
                            (int)(near ? (size_t)(near - error.text) : strlen(error.text)), error.text);
    }
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

#define XML_QUOTES_MAX 400   /* two an attribute; libxml2 holds each against all others of its element */
#define XML_UTF16_MAX  65536 /* where the count below cannot see them, size alone must do */

/* Whether some element has more attributes than anybody writes: quotes between '<' and '>'. What stands in
 * comments and text counts as well, and has fewer. */
static bool xml_is_tame(const char *text, size_t len)
{
    size_t quotes = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '<')
            quotes = 0;
        quotes += text[i] == '"' || text[i] == '\'';
        if (quotes > XML_QUOTES_MAX)
            return false;
    }
    return true;
}

/* The encoding is told by the bytes alone: one that the text declares could hide from the checks before. */
static const char *xml_encoding(const char *text, size_t len)
{
    if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "<\0", 2) == 0))
        return "UTF-16LE";
    if (len >= 2 && (memcmp(text, "\xfe\xff", 2) == 0 || memcmp(text, "\0<", 2) == 0))
        return "UTF-16BE";
    return rb_text_is_utf8(text, len) ? "UTF-8" : "ISO-8859-1";
}

rb_err rb_xml_parse(xmlDoc **out, const char *text, size_t len)
{
    *out = NULL;
    /* Entities need a document type, and no manifest needs one: without it there is nothing to expand. */
    if (memmem(text, len, "<!DOCTYPE", 9) || memmem(text, len, "<!ENTITY", 8))
        return rb_error_set(RB_EINVAL, "XML: has a document type, which no manifest needs");
    const char *encoding = xml_encoding(text, len);
    if (!xml_is_tame(text, len) || (strncmp(encoding, "UTF-16", 6) == 0 && len > XML_UTF16_MAX))
        return rb_error_set(RB_EINVAL, "XML: more attributes, or more UTF-16, than any manifest has");
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser)
        return rb_error_set(RB_EINTERNAL, "XML: out of memory");
    int options =
        XML_PARSE_IGNORE_ENC | XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int)len, "manifest.xml", encoding, options);
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
    int looked = 0;
    for (xmlNode *node = parent ? parent->children : NULL; node && looked < RB_XML_CHILDREN_MAX;
         node = node->next, looked++) {
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

/* Text of an element or an attribute. What is too long to be meant is left out as a whole, unread: it could
 * be asked for again and again, and half of an address may be half of a password. */
static const char *xml_content(const xmlNode *node, struct rb_arena *arena)
{
    size_t len = 0;
    for (const xmlNode *inner = node->children; inner; inner = inner->next) {
        if (inner->type == XML_COMMENT_NODE || inner->type == XML_PI_NODE)
            continue;
        if (inner->type == XML_ELEMENT_NODE || !inner->content)
            return "";
        len += strnlen((const char *)inner->content, RB_XML_TEXT_MAX + 1);
        if (len > RB_XML_TEXT_MAX)
            return "";
    }
    xmlChar *content = xmlNodeGetContent(node);
    const char *text = rb_piece_copy(arena, rb_piece_trim(rb_piece_of((const char *)content)));
    xmlFree(content);
    return text;
}

const char *rb_xml_text(const xmlNode *node, struct rb_arena *arena)
{
    return node ? xml_content(node, arena) : "";
}

void rb_xml_properties(json_t *properties, const xmlNode *group, struct rb_arena *arena)
{
    for (const xmlNode *node = group ? group->children : NULL; node; node = node->next) {
        const char *name = (const char *)node->name;
        if (node->type != XML_ELEMENT_NODE || json_object_get(properties, name))
            continue;
        const char *text = rb_xml_text(node, arena);
        if (*text)
            json_object_set_new(properties, name, json_string(text));
    }
}

const char *rb_xml_child_text(const xmlNode *parent, const char *name, struct rb_arena *arena)
{
    return rb_xml_text(rb_xml_child(parent, name), arena);
}

const char *rb_xml_attribute(const xmlNode *node, const char *name, struct rb_arena *arena)
{
    const xmlAttr *attribute = xmlHasNsProp(node, (const xmlChar *)name, NULL);
    return attribute ? xml_content((const xmlNode *)attribute, arena) : "";
}
