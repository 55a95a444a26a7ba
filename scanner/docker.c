/*
 * Images: Dockerfile (docs.docker.com, "Dockerfile reference") and compose files ("Compose file reference").
 */
#include "scanner/docker.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "scanner/tree.h"
#include "scanner/yaml.h"

/* "docker.io/library/redis" is "redis", as everybody writes it. */
static struct rb_piece image_short(struct rb_piece name)
{
    static const char *const hubs[] = {"docker.io/", "index.docker.io/", "registry-1.docker.io/"};
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs; i++) {
        if (rb_piece_starts(name, hubs[i]))
            name = rb_piece_after(name, strlen(hubs[i]));
    }
    return rb_piece_starts(name, "library/") ? rb_piece_after(name, 8) : name;
}

/* What a file is for, by where it lies and what it is called; NULL when that says nothing. */
static const char *image_kind(const char *path)
{
    static const char *const words[] = {"dev", "test", "local"};
    const char *base = rb_path_base(path);
    if (rb_text_starts(path, ".devcontainer/") || strstr(path, "/.devcontainer/"))
        return RB_KIND_DEV;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = strstr(base, words[i]);
        if (at && at > base && rb_text_has(".-_", at[-1])) /* docker-compose.dev.yml, Dockerfile-test */
            return i == 1 ? RB_KIND_TEST : RB_KIND_DEV;
    }
    return NULL;
}

struct rb_scan_dependency *rb_image_add(struct rb_scan_sheet *sheet, struct rb_piece image, const char *kind)
{
    image = rb_piece_trim(image);
    const char *digest = memchr(image.at, '@', image.len);
    size_t name_len = digest ? (size_t)(digest - image.at) : image.len;
    const char *slash = memrchr(image.at, '/', name_len), *from = slash ? slash : image.at;
    const char *colon = memchr(from, ':', name_len - (size_t)(from - image.at));
    if (colon)
        name_len = (size_t)(colon - image.at);
    struct rb_piece name = {image.at, name_len},
                    requirement = rb_piece_after(image, name_len + (colon != NULL));
    if (rb_piece_is(name, "scratch") || memchr(name.at, '$', name.len) || memchr(name.at, '{', name.len) ||
        memchr(name.at, ' ', name.len) || memchr(name.at, '<', name.len) || memchr(name.at, '%', name.len))
        return NULL;
    name = image_short(name);
    const char *ecosystem = sheet->ecosystem;
    sheet->ecosystem = "docker";
    struct rb_scan_dependency *item =
        rb_scan_add(sheet, name.at, name.len, requirement.at, requirement.len, kind);
    sheet->ecosystem = ecosystem;
    return item;
}

/* ---- variables ---------------------------------------------------------------------------------------- */

#define IMAGE_TEXT_MAX 512 /* of a name filled in; more is no name */

struct filled {
    char text[IMAGE_TEXT_MAX];
    size_t len;
};

static void filled_put(struct filled *filled, struct rb_piece piece)
{
    size_t room = sizeof filled->text - filled->len, take = piece.len < room ? piece.len : room;
    memcpy(filled->text + filled->len, piece.at, take);
    filled->len += take;
}

static size_t image_name_len(struct rb_piece text)
{
    size_t len = 0;
    while (len < text.len && (isalnum((unsigned char)text.at[len]) || text.at[len] == '_'))
        len++;
    return len;
}

/* At a '$': puts the value, or what is written; gives the bytes used up. */
static size_t filled_variable(struct filled *filled, struct rb_piece text, rb_image_find_fn find,
                              const void *names)
{
    bool is_braced = text.len > 1 && text.at[1] == '{';
    struct rb_piece rest = rb_piece_after(text, is_braced ? 2 : 1);
    struct rb_piece name = {rest.at, image_name_len(rest)}, fallback = {"", 0};
    const char *close = is_braced ? memchr(rest.at, '}', rest.len) : NULL;
    size_t used = 1 + name.len;
    if (is_braced) {
        if (!close)
            close = rest.at + rest.len;
        used = (size_t)(close - text.at) + (close < rest.at + rest.len);
        struct rb_piece behind = {name.at + name.len, (size_t)(close - name.at) - name.len};
        if (rb_piece_starts(behind, ":-"))
            fallback = rb_piece_after(behind, 2);
        else if (rb_piece_starts(behind, "-"))
            fallback = rb_piece_after(behind, 1);
    }
    struct rb_piece value = name.len ? find(names, name) : fallback;
    if (value.len == 0)
        value = fallback;
    filled_put(filled, value.len ? value : (struct rb_piece){text.at, used});
    return used;
}

struct rb_piece rb_image_filled(struct rb_arena *arena, struct rb_piece text, rb_image_find_fn find,
                                const void *names)
{
    struct filled filled = {.len = 0};
    if (!memchr(text.at, '$', text.len))
        return text;
    for (size_t i = 0; i < text.len;) {
        if (text.at[i] == '$') {
            i += filled_variable(&filled, rb_piece_after(text, i), find, names);
        } else {
            filled_put(&filled, (struct rb_piece){text.at + i, 1});
            i++;
        }
    }
    return (struct rb_piece){rb_arena_strndup(arena, filled.text, filled.len), filled.len};
}

/* ---- Dockerfile --------------------------------------------------------------------------------------- */

#define DOCKER_NAMES_MAX 100 /* arguments and stages; a large file has twenty */

struct docker_argument {
    struct rb_piece name, value;
};
struct docker {
    struct rb_scan_sheet *sheet;
    struct docker_argument arguments[DOCKER_NAMES_MAX];
    struct rb_piece stages[DOCKER_NAMES_MAX];
    size_t argument_count, stage_count, stages_begun;
    size_t last_index; /* in the sheet, of the last stage's image: the final one is what runs */
    bool has_last;
};

static struct rb_piece docker_argument(const void *names, struct rb_piece name)
{
    const struct docker *docker = names;
    for (size_t i = docker->argument_count; i-- > 0;) {
        const struct docker_argument *argument = &docker->arguments[i];
        if (rb_piece_same(argument->name, name))
            return argument->value;
    }
    return (struct rb_piece){"", 0};
}

/* "ARG NAME=value OTHER="x"", only those before the first FROM reach it. */
static void docker_arguments(struct docker *docker, struct rb_piece rest)
{
    struct rb_piece word;
    while (docker->argument_count < DOCKER_NAMES_MAX && rb_piece_word(&word, &rest)) {
        const char *equals = memchr(word.at, '=', word.len);
        if (!equals)
            continue;
        struct rb_piece value = rb_piece_after(word, (size_t)(equals + 1 - word.at)), inner = value, content;
        if (rb_piece_quoted(&content, &inner))
            value = content;
        docker->arguments[docker->argument_count++] =
            (struct docker_argument){{word.at, (size_t)(equals - word.at)},
                                     rb_image_filled(docker->sheet->arena, value, docker_argument, docker)};
    }
}

static bool docker_is_stage(const struct docker *docker, struct rb_piece name)
{
    for (size_t i = 0; i < docker->stage_count; i++) {
        if (docker->stages[i].len == name.len && strncasecmp(docker->stages[i].at, name.at, name.len) == 0)
            return true;
    }
    return false;
}

static void docker_from(struct docker *docker, struct rb_piece rest)
{
    struct rb_piece image, as, name;
    do { /* --platform=… */
        if (!rb_piece_word(&image, &rest))
            return;
    } while (rb_piece_starts(image, "--"));
    docker->stages_begun++;
    image = rb_image_filled(docker->sheet->arena, image, docker_argument, docker);
    docker->has_last = false;
    if (!docker_is_stage(docker, image)) {
        size_t index = docker->sheet->count;
        if (rb_image_add(docker->sheet, image, RB_KIND_BUILD)) {
            docker->has_last = true;
            docker->last_index = index;
        }
    }
    if (rb_piece_word(&as, &rest) && as.len == 2 && strncasecmp(as.at, "as", 2) == 0 &&
        rb_piece_word(&name, &rest) && docker->stage_count < DOCKER_NAMES_MAX)
        docker->stages[docker->stage_count++] = name;
}

/* "COPY --from=image", where it is neither the name nor the number of a stage; "RUN --mount=…,from=image". */
static void docker_copied(struct docker *docker, struct rb_piece rest)
{
    struct rb_piece word;
    while (rb_piece_word(&word, &rest) && rb_piece_starts(word, "--")) {
        const char *from = memmem(word.at, word.len, "from=", 5);
        if (!from || (from[-1] != '-' && from[-1] != ','))
            continue;
        struct rb_piece image = rb_piece_after(word, (size_t)(from + 5 - word.at));
        const char *comma = memchr(image.at, ',', image.len);
        if (comma)
            image.len = (size_t)(comma - image.at);
        image = rb_image_filled(docker->sheet->arena, image, docker_argument, docker);
        if (image.len == 0 || isdigit((unsigned char)image.at[0]) || docker_is_stage(docker, image))
            continue;
        rb_image_add(docker->sheet, image, RB_KIND_BUILD);
    }
}

static bool docker_is(struct rb_piece *rest, struct rb_piece line, const char *word)
{
    size_t len = strlen(word);
    if (line.len <= len || strncasecmp(line.at, word, len) != 0 || !isspace((unsigned char)line.at[len]))
        return false;
    *rest = rb_piece_after(line, len);
    return true;
}

static void docker_instruction(struct docker *docker, struct rb_piece line)
{
    struct rb_piece rest;
    if (docker_is(&rest, line, "FROM"))
        docker_from(docker, rest);
    else if (docker_is(&rest, line, "ARG") && docker->stages_begun == 0)
        docker_arguments(docker, rest);
    else if (docker_is(&rest, line, "COPY") || docker_is(&rest, line, "ADD") || docker_is(&rest, line, "RUN"))
        docker_copied(docker, rest);
}

#define DOCKER_LINE_MAX 4096 /* of an instruction with its further lines, as far as they are read */

/* The next instruction; lines that end with '\\' go on, comments between them do not count. */
static bool docker_line(struct rb_piece *out, struct rb_piece *rest, struct rb_arena *arena)
{
    struct rb_piece line;
    char joined[DOCKER_LINE_MAX];
    size_t used = 0;
    if (!rb_piece_line(&line, rest))
        return false;
    *out = line = rb_piece_trim(line);
    if (!rb_piece_ends(line, "\\") || rb_piece_starts(line, "#"))
        return true;
    for (bool goes_on = true; goes_on;) {
        goes_on = rb_piece_ends(line, "\\");
        size_t take = line.len - goes_on, room = sizeof joined - used - 1;
        take = take < room ? take : room;
        memcpy(joined + used, line.at, take);
        used += take;
        joined[used] = ' ';
        used += used + 1 < sizeof joined;
        do {
            if (!goes_on || !rb_piece_line(&line, rest)) {
                goes_on = false;
                break;
            }
            line = rb_piece_trim(line);
        } while (rb_piece_starts(line, "#"));
    }
    *out = rb_piece_trim((struct rb_piece){rb_arena_strndup(arena, joined, used), used});
    return true;
}

/* "RUN <<EOF": the lines up to "EOF" are a script's. */
static void docker_skip_heredoc(struct rb_piece instruction, struct rb_piece *rest)
{
    const char *at = instruction.len ? memmem(instruction.at, instruction.len, "<<", 2) : NULL;
    struct rb_piece mark = {"", 0}, line;
    if (!at)
        return;
    mark = rb_piece_after(instruction, (size_t)(at + 2 - instruction.at));
    while (mark.len && rb_text_has("-\"'", mark.at[0]))
        mark = rb_piece_after(mark, 1);
    mark.len = image_name_len(mark);
    if (mark.len == 0 || !isalpha((unsigned char)mark.at[0]))
        return;
    struct rb_piece behind = *rest;
    while (rb_piece_line(&line, &behind)) {
        line = rb_piece_trim(line);
        if (rb_piece_same(line, mark)) {
            *rest = behind;
            return;
        }
    }
}

#define DOCKER_HEREDOCS_MAX 200 /* each looks for its end; large files have ten */

rb_err rb_dockerfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct docker docker = {.sheet = sheet};
    struct rb_piece rest = {text, len}, line, behind;
    int heredocs = 0;
    while (docker_line(&line, &rest, sheet->arena)) {
        if (rb_piece_starts(line, "#"))
            continue;
        docker_instruction(&docker, line);
        if ((docker_is(&behind, line, "RUN") || docker_is(&behind, line, "COPY")) &&
            heredocs++ < DOCKER_HEREDOCS_MAX)
            docker_skip_heredoc(behind, &rest);
    }
    const char *kind = image_kind(sheet->manifest);
    if (docker.has_last)
        sheet->items[docker.last_index].kind = kind ? kind : RB_KIND_RUNTIME;
    return RB_OK;
}

/* ---- compose ------------------------------------------------------------------------------------------ */

static struct rb_piece compose_unknown(const void *names, struct rb_piece name)
{
    (void)names;
    (void)name;
    return (struct rb_piece){"", 0};
}

rb_err rb_compose_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *service;
    const char *name;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    const char *kind = image_kind(sheet->manifest);
    json_object_foreach(rb_json_get(document, "services"), name, service)
    {
        const char *image = json_string_value(rb_json_get(service, "image"));
        if (!image)
            continue;
        struct rb_scan_dependency *item =
            rb_image_add(sheet, rb_image_filled(sheet->arena, rb_piece_of(image), compose_unknown, NULL),
                         kind ? kind : RB_KIND_RUNTIME);
        if (item) /* what is built here has the name that it will be given */
            item->local = rb_json_get(service, "build") != NULL;
    }
    json_decref(document);
    return RB_OK;
}
