/* What people write in NEO4J_URI. Most have the address of a driver at hand, which is one of Bolt. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "grapher/neo4j.h"

#define QUERY_API "/query/v2"

struct parts {
    CURLU *url;
    char *scheme, *host, *port, *path; /* curl's */
};

static bool parts_has(const struct parts *parts, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(parts->url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static bool parts_read(struct parts *parts, const char *uri)
{
    if (!parts->url || curl_url_set(parts->url, CURLUPART_URL, uri, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(parts->url, CURLUPART_SCHEME, &parts->scheme, 0) != CURLUE_OK ||
        curl_url_get(parts->url, CURLUPART_HOST, &parts->host, 0) != CURLUE_OK)
        return false;
    curl_url_get(parts->url, CURLUPART_PORT, &parts->port, 0); /* NULL: none is named */
    curl_url_get(parts->url, CURLUPART_PATH, &parts->path, 0);
    return *parts->host != '\0';
}

static void parts_free(struct parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->port);
    curl_free(parts->path);
    curl_url_cleanup(parts->url);
}

/* "/db/NAME/query/v2" at the end of the path, as Aura's console shows it, says which database: *len is what
 * is before it. */
static void take_database(struct rb_neo4j_address *out, const char *path, size_t *len)
{
    size_t api = strlen(QUERY_API), end = *len - (*len < api ? *len : api);
    if (strncmp(path + end, QUERY_API, api) != 0)
        return;
    size_t name = end;
    while (name > 0 && path[name - 1] != '/')
        name--;
    if (name < 4 || strncmp(path + name - 4, "/db/", 4) != 0 || end - name >= sizeof out->database)
        return;
    snprintf(out->database, sizeof out->database, "%.*s", (int)(end - name), path + name);
    *len = name - 4;
}

static rb_err address_of_http(struct rb_neo4j_address *out, const struct parts *parts)
{
    const char *path = parts->path ? parts->path : "";
    size_t len = strlen(path);
    if (parts_has(parts, CURLUPART_QUERY) || parts_has(parts, CURLUPART_FRAGMENT))
        return rb_error_set(RB_EINVAL, "write it without what stands behind ? or #");
    while (len > 0 && path[len - 1] == '/')
        len--;
    take_database(out, path, &len);
    int size = snprintf(out->base, sizeof out->base, "%s://%s%s%s%.*s", parts->scheme, parts->host,
                        parts->port ? ":" : "", parts->port ? parts->port : "", (int)len, path);
    return (size_t)size < sizeof out->base
               ? RB_OK
               : rb_error_set(RB_EINVAL, "it is longer than %zu bytes", sizeof out->base - 1);
}

static bool is_aura(const char *host)
{
    static const char domain[] = ".neo4j.io";
    size_t len = strlen(host), end = sizeof domain - 1;
    return len > end && strcasecmp(host + len - end, domain) == 0;
}

/* Of a driver: which port the Query API has is known of Aura only. */
static rb_err address_of_driver(struct rb_neo4j_address *out, const struct parts *parts)
{
    const char *security = strchr(parts->scheme, '+');
    if (!security)
        return rb_error_set(RB_EINVAL, "Repobus speaks to Neo4j over HTTP: write http://%s:7474",
                            parts->host);
    if (strcasecmp(security, "+ssc") == 0)
        return rb_error_set(RB_EINVAL,
                            "Repobus checks the certificate of Neo4j: write https://%s:7473, and have this "
                            "machine trust who signed it (update-ca-certificates)",
                            parts->host);
    if (!is_aura(parts->host))
        return rb_error_set(RB_EINVAL, "Repobus speaks to Neo4j over HTTP: write https://%s:7473",
                            parts->host);
    int size = snprintf(out->base, sizeof out->base, "https://%s", parts->host);
    return (size_t)size < sizeof out->base ? RB_OK : rb_error_set(RB_EINVAL, "its host is too long");
}

static bool is_one_of(const char *const *names, const char *name)
{
    while (*names && strcasecmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

/* The password of an address would be seen in logs: it is not repeated here either. */
static rb_err address_of(struct rb_neo4j_address *out, const struct parts *parts)
{
    static const char *const http[] = {"http", "https", NULL};
    static const char *const drivers[] = {"neo4j",     "bolt",     "neo4j+s", "bolt+s",
                                          "neo4j+ssc", "bolt+ssc", NULL};
    if (parts_has(parts, CURLUPART_USER) || parts_has(parts, CURLUPART_PASSWORD))
        return rb_error_set(RB_EINVAL,
                            "write the name and the password in NEO4J_USERNAME and NEO4J_PASSWORD, "
                            "not in the address");
    if (is_one_of(http, parts->scheme))
        return address_of_http(out, parts);
    if (is_one_of(drivers, parts->scheme))
        return address_of_driver(out, parts);
    return rb_error_set(RB_EINVAL, "Repobus speaks to Neo4j over HTTP: write http://%s:7474", parts->host);
}

rb_err rb_neo4j_address(struct rb_neo4j_address *out, const char *uri)
{
    struct parts parts = {.url = curl_url()};
    *out = (struct rb_neo4j_address){0};
    rb_err err =
        parts_read(&parts, uri)
            ? address_of(out, &parts)
            : rb_error_set(RB_EINVAL, "it is no address: write http://host:7474, https://host:7473, or "
                                      "Aura's neo4j+s://host");
    parts_free(&parts);
    return err;
}
