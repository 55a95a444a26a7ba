/*
 * What is served, and on which ports: services of compose files (compose-spec), images that Dockerfiles make,
 * processes of a Procfile. Environments are left alone: they hold secrets.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/facts.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

static json_t *service_new(struct rb_scan_sheet *sheet, const char *kind, struct rb_piece name)
{
    json_t *service = json_object();
    json_object_set_new(service, "kind", json_string(kind));
    rb_facts_text(sheet, service, "name", name);
    json_object_set_new(service, "file", json_string(sheet->manifest));
    json_object_set_new(service, "ports", json_array());
    /* What is hidden, or handed on as a resource, is not what the repository itself serves. */
    if (sheet->aside || sheet->manifest[0] == '.' || strstr(sheet->manifest, "/.") ||
        strstr(sheet->manifest, "src/main/resources/"))
        json_object_set_new(service, "aside", json_true());
    return service;
}

static void service_command(struct rb_scan_sheet *sheet, json_t *service, const char *name,
                            struct rb_piece text)
{
    const char *command = rb_facts_command(sheet, text);
    if (*command)
        json_object_set_new(service, name, json_string(command));
}

/* ---- ports -------------------------------------------------------------------------------------------- */

/* "8080"; 0 when it is no port. */
static int port_of(struct rb_piece text)
{
    int port = 0;
    if (text.len == 0 || text.len > 5)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.at[i]))
            return 0;
        port = port * 10 + (text.at[i] - '0');
    }
    return port <= 65535 ? port : 0;
}

/* "8080" or "3000-3005": `last` is 0 for one alone. False when it is neither. */
static bool port_range(int *first, int *last, struct rb_piece text)
{
    const char *dash = memchr(text.at, '-', text.len);
    size_t len = dash ? (size_t)(dash - text.at) : text.len;
    *first = port_of((struct rb_piece){text.at, len});
    *last = dash ? port_of(rb_piece_after(text, len + 1)) : 0;
    return *first > 0 && (!dash || *last > *first);
}

static void port_put(json_t *service, struct rb_piece port, struct rb_piece published, const char *protocol)
{
    int first, last, shown, shown_last;
    if (!port_range(&first, &last, port))
        return;
    json_t *item = json_object(), *ports = json_object_get(service, "ports"), *other;
    size_t i;
    json_object_set_new(item, "port", json_integer(first));
    if (last)
        json_object_set_new(item, "to", json_integer(last));
    json_object_set_new(item, "protocol", json_string(protocol));
    if (port_range(&shown, &shown_last, published))
        json_object_set_new(item, "published", json_integer(shown));
    json_array_foreach(ports, i, other)
    {
        if (json_equal(other, item)) {
            json_decref(item);
            return;
        }
    }
    rb_facts_put(ports, RB_FACTS_LIST_MAX, item);
}

/* "/udp" at the end, taken off. */
static const char *port_protocol(struct rb_piece *text)
{
    static const char *const protocols[] = {"tcp", "udp", "sctp"};
    const char *slash = memrchr(text->at, '/', text->len);
    if (!slash)
        return "tcp";
    struct rb_piece name = rb_piece_after(*text, (size_t)(slash - text->at) + 1);
    text->len = (size_t)(slash - text->at);
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (name.len == strlen(protocols[i]) && strncasecmp(name.at, protocols[i], name.len) == 0)
            return protocols[i];
    }
    return "tcp";
}

/* ---- variables ---------------------------------------------------------------------------------------- */

#define VALUE_MAX 512 /* bytes of a line after the variables in it are put in */
struct variables {
    json_t *values; /* NULL when there are none */
};

/* "${NAME:-default}", "${NAME-default}", "${NAME}", "$NAME" at the beginning: its value; as written when
 * nobody says what it is. */
static struct rb_piece variable_value(const struct variables *variables, struct rb_piece *rest)
{
    struct rb_piece whole = *rest, body = rb_piece_after(*rest, 1), fallback = {NULL, 0};
    bool is_braced = rb_piece_starts(body, "{");
    size_t len = 0;
    if (is_braced)
        body = rb_piece_after(body, 1);
    while (len < body.len && (isalnum((unsigned char)body.at[len]) || body.at[len] == '_'))
        len++;
    struct rb_piece name = {body.at, len};
    if (is_braced) {
        const char *close = memchr(body.at, '}', body.len);
        size_t end = close ? (size_t)(close - body.at) : body.len;
        struct rb_piece after = {body.at + len, end - (len < end ? len : end)};
        if (rb_piece_starts(after, ":-"))
            fallback = rb_piece_after(after, 2);
        else if (rb_piece_starts(after, "-"))
            fallback = rb_piece_after(after, 1);
        len = end + (close != NULL);
    }
    *rest = rb_piece_after(body, len);
    whole.len -= rest->len;
    char key[64];
    const char *known = NULL;
    if (name.len > 0 && name.len < sizeof key) {
        memcpy(key, name.at, name.len);
        key[name.len] = 0;
        known = json_string_value(json_object_get(variables->values, key));
    }
    return known ? rb_piece_of(known) : fallback.at ? fallback : whole;
}

/* The text with its variables put in, in the arena. What is longer than a port or a name is cut. */
static struct rb_piece variables_put(struct rb_scan_sheet *sheet, const struct variables *variables,
                                     struct rb_piece text)
{
    if (!memchr(text.at, '$', text.len))
        return text;
    char *out = rb_arena_alloc(sheet->arena, VALUE_MAX);
    size_t used = 0;
    while (text.len && used < VALUE_MAX) {
        struct rb_piece piece = {text.at, 1};
        if (text.at[0] == '$')
            piece = variable_value(variables, &text);
        else
            text = rb_piece_after(text, 1);
        size_t len = piece.len < VALUE_MAX - used ? piece.len : VALUE_MAX - used;
        memcpy(out + used, piece.at, len);
        used += len;
    }
    return (struct rb_piece){out, used};
}

/* ---- compose ------------------------------------------------------------------------------------------ */

/* "127.0.0.1:8080:80/tcp", "8080:80", "80", "[::1]:80:80": the container's port is the last one. */
static void compose_port(struct rb_scan_sheet *sheet, json_t *service, const json_t *given)
{
    const struct variables none = {NULL};
    struct rb_piece published = {"", 0};
    const char *protocol = "tcp";
    if (json_is_object(given)) {
        struct rb_piece name = rb_piece_of(rb_json_text(given, "protocol"));
        if (rb_piece_is(name, "udp"))
            protocol = "udp";
        port_put(service, variables_put(sheet, &none, rb_piece_of(rb_json_text(given, "target"))),
                 variables_put(sheet, &none, rb_piece_of(rb_json_text(given, "published"))), protocol);
        return;
    }
    struct rb_piece text = variables_put(sheet, &none, rb_piece_of(json_string_value(given)));
    protocol = port_protocol(&text);
    const char *colon = memrchr(text.at, ':', text.len);
    struct rb_piece port = text;
    if (colon) {
        published = (struct rb_piece){text.at, (size_t)(colon - text.at)};
        port = rb_piece_after(text, published.len + 1);
        const char *host = memrchr(published.at, ':', published.len);
        if (host)
            published = rb_piece_after(published, (size_t)(host - published.at) + 1);
    }
    port_put(service, port, published, protocol);
}

/* A command as text or as a list of words. */
static void compose_command(struct rb_scan_sheet *sheet, json_t *service, const char *name,
                            const json_t *given)
{
    const char *text = json_string_value(given);
    json_t *word;
    size_t i;
    if (!text) {
        text = "";
        json_array_foreach(given, i, word)
        {
            if (i == RB_FACTS_LIST_MAX)
                break;
            const char *part = json_string_value(word);
            text = rb_arena_printf(sheet->arena, "%s%s%.*s", text, *text ? " " : "", RB_SCAN_NAME_MAX,
                                   part ? part : "");
        }
    }
    service_command(sheet, service, name, rb_piece_of(text));
}

static void compose_build(struct rb_scan_sheet *sheet, json_t *service, const json_t *given)
{
    const struct variables none = {NULL};
    const char *folder = json_string_value(given);
    if (!folder)
        folder = rb_json_text(given, "context");
    if (!*folder && !json_is_object(given))
        return;
    json_t *build = json_object();
    rb_facts_text(sheet, build, "context", variables_put(sheet, &none, rb_piece_of(*folder ? folder : ".")));
    rb_facts_text(sheet, build, "dockerfile", rb_piece_of(rb_json_text(given, "dockerfile")));
    rb_facts_text(sheet, build, "target", rb_piece_of(rb_json_text(given, "target")));
    json_object_set_new(service, "build", build);
}

static void compose_service(struct rb_scan_sheet *sheet, const char *name, json_t *given)
{
    const struct variables none = {NULL};
    json_t *service = service_new(sheet, "compose", rb_piece_of(name)), *wanted, *depends_on = json_array();
    const char *other;
    size_t i;
    rb_facts_text(sheet, service, "image",
                  variables_put(sheet, &none, rb_piece_of(rb_json_text(given, "image"))));
    compose_build(sheet, service, rb_json_get(given, "build"));
    compose_command(sheet, service, "entrypoint", rb_json_get(given, "entrypoint"));
    compose_command(sheet, service, "command", rb_json_get(given, "command"));
    json_array_foreach(rb_json_get(given, "ports"), i, wanted)
    {
        if (i < RB_FACTS_LIST_MAX)
            compose_port(sheet, service, wanted);
    }
    wanted = rb_json_get(given, "depends_on");
    for (i = 0; i < json_array_size(wanted) && i < RB_FACTS_LIST_MAX; i++)
        rb_facts_string(sheet, depends_on, RB_FACTS_LIST_MAX,
                        rb_piece_of(json_string_value(json_array_get(wanted, i))));
    json_t *condition;
    json_object_foreach(wanted, other, condition)
    {
        rb_facts_string(sheet, depends_on, RB_FACTS_LIST_MAX, rb_piece_of(other));
    }
    json_object_set_new(service, "depends_on", depends_on);
    rb_facts_put(sheet->facts->services, RB_FACTS_SERVICES_MAX, service);
}

rb_err rb_look_compose(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *service;
    const char *name;
    size_t count = 0;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    json_object_foreach(rb_json_get(document, "services"), name, service)
    {
        if (json_is_object(service) && *name && count++ < RB_FACTS_SERVICES_MAX)
            compose_service(sheet, name, service);
    }
    json_decref(document);
    return RB_OK;
}

/* ---- Dockerfile --------------------------------------------------------------------------------------- */

struct dockerfile {
    struct rb_scan_sheet *sheet;
    struct variables variables;
    json_t *stages; /* by name: what a stage FROM it begins with */
    json_t *stage;
    struct rb_piece stage_name;
};

static void docker_end_stage(struct dockerfile *file)
{
    char name[64];
    if (!file->stage || file->stage_name.len == 0 || file->stage_name.len >= sizeof name)
        return;
    for (size_t i = 0; i < file->stage_name.len; i++)
        name[i] = (char)tolower((unsigned char)file->stage_name.at[i]);
    name[file->stage_name.len] = 0;
    json_object_set(file->stages, name, file->stage);
}

/* "FROM [--platform=…] image [AS name]": a new stage, which takes over what an earlier one has that it is
 * built from. */
static void docker_from(struct dockerfile *file, struct rb_piece rest)
{
    struct rb_piece word, image = {"", 0};
    char name[64];
    docker_end_stage(file);
    file->stage_name = (struct rb_piece){"", 0};
    while (rb_piece_word(&word, &rest) && image.len == 0) {
        if (!rb_piece_starts(word, "--"))
            image = variables_put(file->sheet, &file->variables, word);
    }
    if (word.len == 2 && strncasecmp(word.at, "as", 2) == 0 && rb_piece_word(&word, &rest))
        file->stage_name = word;
    json_t *before = NULL;
    if (image.len < sizeof name) {
        for (size_t i = 0; i < image.len; i++)
            name[i] = (char)tolower((unsigned char)image.at[i]);
        name[image.len] = 0;
        before = json_object_get(file->stages, name);
    }
    json_t *stage = before ? json_deep_copy(before) : service_new(file->sheet, "image", rb_piece_of(""));
    json_decref(file->stage);
    file->stage = stage;
    if (!before)
        rb_facts_text(file->sheet, stage, "base", image);
}

/* ["node", "server.js"] as words, or a line for the shell. */
static void docker_command(struct dockerfile *file, const char *name, struct rb_piece rest)
{
    json_t *words = rb_piece_starts(rest, "[") ? json_loadb(rest.at, rest.len, 0, NULL) : NULL;
    if (words)
        compose_command(file->sheet, file->stage, name, words);
    else
        service_command(file->sheet, file->stage, name, rest);
    json_decref(words);
}

static void docker_expose(struct dockerfile *file, struct rb_piece rest)
{
    struct rb_piece word;
    const struct rb_piece none = {"", 0};
    for (int i = 0; rb_piece_word(&word, &rest) && i < RB_FACTS_LIST_MAX; i++) {
        word = variables_put(file->sheet, &file->variables, word);
        const char *protocol = port_protocol(&word);
        port_put(file->stage, word, none, protocol);
    }
}

/* "ARG NAME=value", "ENV NAME=value", "ENV NAME value": only what a port or an image may be made of. */
static void docker_variable(struct dockerfile *file, struct rb_piece rest)
{
    struct rb_piece word;
    for (int i = 0; rb_piece_word(&word, &rest) && i < RB_FACTS_LIST_MAX; i++) {
        const char *equals = memchr(word.at, '=', word.len);
        size_t len = equals ? (size_t)(equals - word.at) : word.len;
        struct rb_piece value = equals ? rb_piece_after(word, len + 1) : rb_piece_trim(rest);
        char name[64];
        if (len == 0 || len >= sizeof name || value.len >= VALUE_MAX || (!equals && value.len == 0))
            return;
        if (value.len >= 2 && (value.at[0] == '"' || value.at[0] == '\''))
            value = (struct rb_piece){value.at + 1, value.len - 2};
        value = variables_put(file->sheet, &file->variables, value);
        memcpy(name, word.at, len);
        name[len] = 0;
        if (rb_text_is_utf8(name, len) && rb_text_is_utf8(value.at, value.len))
            json_object_set_new(file->variables.values, name, json_stringn(value.at, value.len));
        if (!equals)
            return;
    }
}

static void docker_instruction(struct dockerfile *file, struct rb_piece line)
{
    struct rb_piece word;
    if (!rb_piece_word(&word, &line))
        return;
    line = rb_piece_trim(line);
    static const char *const names[] = {"FROM", "EXPOSE", "CMD", "ENTRYPOINT", "ARG", "ENV"};
    size_t which = 0, count = sizeof names / sizeof *names;
    while (which < count &&
           !(word.len == strlen(names[which]) && strncasecmp(word.at, names[which], word.len) == 0))
        which++;
    if (which == 0)
        docker_from(file, line);
    else if (which == 4 || which == 5)
        docker_variable(file, line);
    else if (!file->stage || which == count)
        return;
    else if (which == 1)
        docker_expose(file, line);
    else
        docker_command(file, which == 2 ? "command" : "entrypoint", line);
}

#define DOCKER_LINE_MAX  4096 /* bytes of an instruction over several lines: only RUN has more */
#define DOCKER_LINES_MAX 1000 /* instructions of a file; a large one has a hundred */

/* Lines that '\' joins, without comments between them. */
static bool docker_line(struct rb_scan_sheet *sheet, struct rb_piece *out, struct rb_piece *rest)
{
    struct rb_piece line;
    char *joined = NULL;
    size_t used = 0;
    while (rb_piece_line(&line, rest)) {
        line = rb_piece_trim(line);
        if (line.len == 0 || line.at[0] == '#')
            continue;
        bool goes_on = line.at[line.len - 1] == '\\' && rest->len;
        if (!joined && !goes_on) {
            *out = line;
            return true;
        }
        line.len -= goes_on;
        if (!joined)
            joined = rb_arena_alloc(sheet->arena, DOCKER_LINE_MAX + 1);
        size_t take = line.len < DOCKER_LINE_MAX - used ? line.len : DOCKER_LINE_MAX - used;
        memcpy(joined + used, line.at, take);
        used += take;
        joined[used] = ' ';
        used += used < DOCKER_LINE_MAX;
        if (!goes_on)
            break;
    }
    *out = (struct rb_piece){joined, used};
    return joined != NULL;
}

/* Folders that hold Dockerfiles and say nothing of what they make. */
static bool folder_is_for_docker(struct rb_piece folder)
{
    static const char *const names[] = {"docker",     "dockerfiles", ".docker", "container",
                                        "containers", "build",       "deploy",  "images",
                                        "resources",  "src",         "rootfs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (rb_piece_is(folder, names[i]))
            return true;
    }
    return false;
}

/* The service a Dockerfile makes is named by what people add to its name, or by its folder. */
static void docker_name(struct rb_scan_sheet *sheet, json_t *service)
{
    const char *base = rb_path_base(sheet->manifest), *end = base;
    struct rb_piece name = {"", 0};
    if (rb_text_starts(base, "Dockerfile.") || rb_text_starts(base, "Containerfile."))
        name = rb_piece_of(strchr(base, '.') + 1);
    else if (rb_text_ends(base, ".Dockerfile") || rb_text_ends(base, ".dockerfile"))
        name = (struct rb_piece){base, strlen(base) - strlen(".dockerfile")};
    while (name.len == 0 && end > sheet->manifest) {
        const char *start = --end;
        while (start > sheet->manifest && start[-1] != '/')
            start--;
        struct rb_piece folder = {start, (size_t)(end - start)};
        if (!folder_is_for_docker(folder) && !rb_piece_starts(folder, "."))
            name = folder;
        end = start;
    }
    rb_facts_text(sheet, service, "name", name);
}

rb_err rb_look_dockerfile(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct dockerfile file = {
        .sheet = sheet, .variables = {json_object()}, .stages = json_object(), .stage_name = {"", 0}};
    struct rb_piece rest = {text, len}, line;
    for (int i = 0; i < DOCKER_LINES_MAX && docker_line(sheet, &line, &rest); i++)
        docker_instruction(&file, line);
    if (file.stage) {
        docker_name(sheet, file.stage);
        rb_facts_put(sheet->facts->services, RB_FACTS_SERVICES_MAX, json_incref(file.stage));
    }
    json_decref(file.stage);
    json_decref(file.stages);
    json_decref(file.variables.values);
    return file.stage ? RB_OK : rb_error_set(RB_EINVAL, "Dockerfile: no FROM");
}

/* ---- Procfile ----------------------------------------------------------------------------------------- */

rb_err rb_look_procfile(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line;
    while (rb_piece_line(&line, &rest)) {
        const char *colon = memchr(line.at, ':', line.len);
        if (!colon || line.at[0] == '#')
            continue;
        size_t name_len = (size_t)(colon - line.at);
        json_t *service = service_new(sheet, "process", (struct rb_piece){line.at, name_len});
        service_command(sheet, service, "command", rb_piece_after(line, name_len + 1));
        if (json_object_get(service, "name") && json_object_get(service, "command"))
            rb_facts_put(sheet->facts->services, RB_FACTS_SERVICES_MAX, service);
        else
            json_decref(service);
    }
    return RB_OK;
}
