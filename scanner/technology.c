/*
 * Looking up what shows which technology, in the tables made of scanner/rules/. Each question is a few probes
 * of one hash table: the whole name, then the name up to each separator.
 */
#include "scanner/technology.h"

#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

const char *rb_rule_name(size_t technology)
{
    return rb_rule_texts + rb_rule_technologies[technology].name;
}

/* What is found for one question, each once. */
struct hits {
    uint16_t *out;
    size_t count;
};

static void rule_probe(struct hits *hits, uint8_t kind, const char *text, size_t len)
{
    if (len == 0 || len > RB_RULE_TEXT_MAX)
        return;
    uint32_t slot = rb_rule_slot(rb_rule_hash(rb_rule_hash_start(kind), text, len));
    for (;; slot++) {
        uint16_t index = rb_rule_slots[slot & rb_rule_slot_mask];
        if (!index)
            return;
        const struct rb_rule_clue *clue = &rb_rule_clues[index - 1];
        if (clue->kind != kind || clue->len != len || memcmp(rb_rule_texts + clue->text, text, len) != 0)
            continue;
        for (size_t i = 0; i < hits->count; i++) {
            if (hits->out[i] == clue->technology)
                return;
        }
        if (hits->count < RB_RULE_HITS_MAX)
            hits->out[hits->count++] = clue->technology;
        return;
    }
}

/* The whole name, then what it begins with up to a separator, the longest first. */
static void rule_probe_name(struct hits *hits, uint8_t kind, struct rb_piece name)
{
    rule_probe(hits, kind, name.at, name.len);
    for (size_t i = name.len; i-- > 1;) {
        if (rb_text_has("/:.-_", name.at[i]))
            rule_probe(hits, kind | RB_RULE_PREFIX, name.at, i + 1);
    }
}

static int rule_kind_of(const char *ecosystem)
{
    static const char *const names[] = {
#define RULE_NAME(id, key, name) name,
        RB_RULE_KINDS(RULE_NAME)
#undef RULE_NAME
    };
    for (size_t i = 0; i < RB_RULE_FILE; i++) {
        if (strcmp(names[i], ecosystem) == 0)
            return (int)i;
    }
    return -1;
}

static struct rb_piece piece_without(struct rb_piece name, const char *start)
{
    return rb_piece_starts(name, start) ? rb_piece_after(name, strlen(start)) : name;
}

/* "github.com/labstack/echo/v4" is echo, "gopkg.in/mail.v2" is mail: major versions are part of Go's paths.
 */
static struct rb_piece name_of_module(struct rb_piece name)
{
    size_t digits = 0;
    while (digits < name.len && isdigit((unsigned char)name.at[name.len - 1 - digits]))
        digits++;
    size_t end = name.len - digits;
    if (digits && end >= 2 && name.at[end - 1] == 'v' && (name.at[end - 2] == '/' || name.at[end - 2] == '.'))
        name.len = end - 2;
    return name;
}

/* "docker.io/library/postgres:16@sha256:…" is postgres. */
static struct rb_piece name_of_image(struct rb_piece name)
{
    static const char *const hubs[] = {"docker.io/", "index.docker.io/", "registry-1.docker.io/",
                                       "public.ecr.aws/docker/", "library/"};
    for (size_t i = 0; i < COUNT(hubs); i++)
        name = piece_without(name, hubs[i]);
    const char *at = memchr(name.at, '@', name.len);
    name.len = at ? (size_t)(at - name.at) : name.len;
    const char *slash = memrchr(name.at, '/', name.len), *colon = memrchr(name.at, ':', name.len);
    if (colon && (!slash || colon > slash))
        name.len = (size_t)(colon - name.at);
    return name;
}

/* Packages of Swift are known by the address of their repository. */
static struct rb_piece name_of_address(struct rb_piece name)
{
    static const char *const starts[] = {"https://", "http://", "ssh://", "git@", "www."};
    for (size_t i = 0; i < COUNT(starts); i++)
        name = piece_without(name, starts[i]);
    if (rb_piece_ends(name, ".git"))
        name.len -= strlen(".git");
    return name;
}

/* The name as the rules write it. */
static struct rb_piece name_of(int kind, struct rb_piece name)
{
    switch (kind) {
    case RB_RULE_GO:
        return name_of_module(name);
    case RB_RULE_IMAGE:
        return name_of_image(name);
    case RB_RULE_SWIFT:
        return name_of_address(name);
    case RB_RULE_TERRAFORM:
        return piece_without(piece_without(name, "registry.terraform.io/"), "registry.opentofu.org/");
    case RB_RULE_HELM: { /* "oci://registry/charts/postgresql", "bitnami/postgresql" */
        const char *slash = memrchr(name.at, '/', name.len);
        return slash ? rb_piece_after(name, (size_t)(slash + 1 - name.at)) : name;
    }
    default:
        return name;
    }
}

size_t rb_rules_of_dependency(uint16_t *out, const char *ecosystem, const char *name)
{
    char lower[RB_RULE_TEXT_MAX + 1];
    struct hits hits = {out, 0};
    size_t len = strnlen(name, sizeof lower);
    int kind = rule_kind_of(ecosystem);
    if (kind < 0 || len == sizeof lower)
        return 0;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    struct rb_piece piece = name_of(kind, (struct rb_piece){lower, len});
    rule_probe_name(&hits, (uint8_t)kind, piece);
    if (kind == RB_RULE_CONDA) /* which has most of PyPI under the same names */
        rule_probe_name(&hits, RB_RULE_PYPI, piece);
    return hits.count;
}

size_t rb_rules_of_word(uint16_t *out, const char *where, const char *word, size_t len)
{
    struct hits hits = {out, 0};
    int kind = rule_kind_of(where);
    if (kind >= 0)
        rule_probe_name(&hits, (uint8_t)kind, (struct rb_piece){word, len});
    return hits.count;
}

static void rule_probe_folders(struct hits *hits, const char *path)
{
    size_t depth = 0;
    for (const char *at = path, *slash; (slash = strchr(at, '/')); at = slash + 1) {
        rule_probe(hits, RB_RULE_FOLDER, at, (size_t)(slash - at));
        if (depth++ < RB_RULE_TAIL_MAX)
            rule_probe(hits, RB_RULE_FOLDER_ROOT, path, (size_t)(slash - path));
    }
}

/* "a/b/name" of "x/a/b/name": with one folder, and with two. */
static void rule_probe_tails(struct hits *hits, const char *path, const char *base)
{
    const char *end = base + strlen(base);
    for (int folders = 0; folders < RB_RULE_TAIL_MAX && base > path; folders++) {
        const char *slash = memrchr(path, '/', (size_t)(base - 1 - path));
        base = slash ? slash + 1 : path;
        rule_probe(hits, RB_RULE_FILE_TAIL, base, (size_t)(end - base));
    }
}

size_t rb_rules_of_path(uint16_t *out, const char *path, bool with_folders)
{
    struct hits hits = {out, 0};
    const char *base = rb_path_base(path);
    size_t len = strlen(base);
    rule_probe(&hits, RB_RULE_FILE, base, len);
    rule_probe(&hits, RB_RULE_FILE_ROOT, path, (size_t)(base - path) + len);
    for (const char *dot = base + 1; *base && (dot = strchr(dot, '.')); dot++) {
        rule_probe(&hits, RB_RULE_FILE_STEM, base, (size_t)(dot + 1 - base));
        rule_probe(&hits, RB_RULE_FILE_END, dot, len - (size_t)(dot - base));
    }
    rule_probe_tails(&hits, path, base);
    if (with_folders)
        rule_probe_folders(&hits, path);
    return hits.count;
}
