/*
 * The description of the API (OpenAPI) and the page that shows it. The files of edge/web/ are linked into the
 * program as they are, so that what is served is of the same version as what it describes.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "edge/edge.h"

/* Named by the linker after the path (see the Makefile). */
#define DOCS_FILE(name) extern const char _binary_edge_web_##name##_start[], _binary_edge_web_##name##_end[]
DOCS_FILE(openapi_json);
DOCS_FILE(profile_schema_json);
DOCS_FILE(docs_html);
DOCS_FILE(docs_js);
DOCS_FILE(docs_css);

#define DOCS_ETAG_BYTES 12 /* of the SHA-256: 96 bits tell versions apart */

struct docs_file {
    const char *path, *type, *start, *end;
    char etag[2 * DOCS_ETAG_BYTES + 3];
};
#define DOCS_ENTRY(path, type, name)                                                   \
    {                                                                                  \
        path, type, _binary_edge_web_##name##_start, _binary_edge_web_##name##_end, "" \
    }
static struct docs_file docs_files[] = {
    DOCS_ENTRY("/openapi.json", "application/json", openapi_json),
    DOCS_ENTRY("/profile.schema.json", "application/schema+json", profile_schema_json),
    DOCS_ENTRY("/docs", "text/html; charset=utf-8", docs_html),
    DOCS_ENTRY("/docs.js", "text/javascript; charset=utf-8", docs_js),
    DOCS_ENTRY("/docs.css", "text/css; charset=utf-8", docs_css),
};
#define DOCS_FILES (sizeof(docs_files) / sizeof(*docs_files))
static pthread_once_t docs_once = PTHREAD_ONCE_INIT;

/* What the page may load: its own script, style and description, and nothing from elsewhere. */
static const char docs_policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
                                  "'self'; img-src data:; base-uri 'none'; "
                                  "form-action 'none'; frame-ancestors 'none'";

static void docs_make_etags(void)
{
    for (size_t i = 0; i < DOCS_FILES; i++) {
        struct docs_file *file = &docs_files[i];
        uint8_t hash[EVP_MAX_MD_SIZE];
        EVP_Digest(file->start, (size_t)(file->end - file->start), hash, NULL, EVP_sha256(), NULL);
        char *at = file->etag;
        *at++ = '"';
        for (size_t byte = 0; byte < DOCS_ETAG_BYTES; byte++)
            at += snprintf(at, 3, "%02x", hash[byte]);
        memcpy(at, "\"", 2);
    }
}

void edge_docs(struct edge_exchange *exchange)
{
    const struct docs_file *file = docs_files, *last = docs_files + DOCS_FILES - 1;
    pthread_once(&docs_once, docs_make_etags);
    while (file < last && strcmp(file->path, exchange->route->pattern) != 0)
        file++;
    edge_add_header(exchange, "cache-control", "public, max-age=300");
    edge_add_header(exchange, "content-security-policy", docs_policy);
    if (!edge_answer_if_known(exchange, file->etag))
        edge_answer_text(exchange, 200, file->type, file->start, (size_t)(file->end - file->start));
}
