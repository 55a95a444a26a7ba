/* setup.cfg (setuptools' documentation, "Configuring setuptools using setup.cfg files"). */
#include <ctype.h>
#include <string.h>

#include "scanner/scan.h"
#include "scanner/text.h"

struct setup_cfg {
    struct rb_scan_sheet *sheet;
    struct rb_piece section, key;
    const char *kind; /* of the requirements that the present key lists; NULL when it lists none */
    const char *name, *version, *licence, *python;
    /* "command = module:function" lines, for when the package is known */
    struct rb_piece entries[RB_SCAN_COMMANDS_MAX];
    size_t entry_count;
};

/* What the present key means: a kind, or NULL when its value is no list of requirements. */
static const char *setup_cfg_kind(const struct setup_cfg *cfg)
{
    struct rb_piece section = cfg->section, key = cfg->key;
    if (rb_piece_is(section, "options.extras_require"))
        return rb_python_group_kind(rb_piece_copy(cfg->sheet->arena, key), RB_KIND_OPTIONAL);
    if (!rb_piece_is(section, "options"))
        return NULL;
    return rb_piece_is(key, "install_requires") ? RB_KIND_RUNTIME
           : rb_piece_is(key, "setup_requires") ? RB_KIND_BUILD
           : rb_piece_is(key, "tests_require")  ? RB_KIND_TEST
                                                : NULL;
}

static void setup_cfg_metadata(struct setup_cfg *cfg, struct rb_piece value)
{
    const char *text = rb_piece_copy(cfg->sheet->arena, value);
    if (rb_piece_is(cfg->section, "options") && rb_piece_is(cfg->key, "python_requires"))
        cfg->python = text;
    if (!rb_piece_is(cfg->section, "metadata"))
        return;
    if (rb_piece_is(cfg->key, "name"))
        cfg->name = text;
    else if (rb_piece_is(cfg->key, "version") &&
             !strchr(text, ':')) /* "attr: package.version" is made later */
        cfg->version = text;
    else if (rb_piece_is(cfg->key, "license"))
        cfg->licence = text;
}

static void setup_cfg_value(struct setup_cfg *cfg, struct rb_piece value)
{
    value = rb_piece_trim(value);
    if (value.len == 0 || value.at[0] == '#')
        return;
    bool is_entry = rb_piece_is(cfg->section, "options.entry_points") &&
                    (rb_piece_is(cfg->key, "console_scripts") || rb_piece_is(cfg->key, "gui_scripts"));
    if (cfg->kind)
        rb_python_requirement(cfg->sheet, value.at, value.len, cfg->kind);
    else if (is_entry && cfg->entry_count < RB_SCAN_COMMANDS_MAX)
        cfg->entries[cfg->entry_count++] = value;
    else
        setup_cfg_metadata(cfg, value);
}

static void setup_cfg_line(struct setup_cfg *cfg, struct rb_piece line)
{
    struct rb_piece trimmed = rb_piece_trim(line);
    if (trimmed.len == 0 || trimmed.at[0] == '#' || trimmed.at[0] == ';')
        return;
    if (isspace((unsigned char)line.at[0])) { /* the value goes on */
        setup_cfg_value(cfg, trimmed);
        return;
    }
    cfg->kind = NULL;
    cfg->key = (struct rb_piece){"", 0};
    if (trimmed.at[0] == '[') {
        const char *end = memchr(trimmed.at, ']', trimmed.len);
        cfg->section = (struct rb_piece){trimmed.at + 1, end ? (size_t)(end - trimmed.at) - 1 : 0};
        return;
    }
    size_t mark = 0;
    while (mark < trimmed.len && trimmed.at[mark] != '=' && trimmed.at[mark] != ':')
        mark++;
    cfg->key = rb_piece_trim((struct rb_piece){trimmed.at, mark});
    cfg->kind = setup_cfg_kind(cfg);
    setup_cfg_value(cfg, rb_piece_after(trimmed, mark + 1));
}

void rb_python_add_entry(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const char *text,
                         size_t len)
{
    struct rb_piece line = {text, len};
    const char *mark = len ? memchr(text, '=', len) : NULL;
    if (!mark)
        return;
    struct rb_piece name = rb_piece_trim((struct rb_piece){text, (size_t)(mark - text)}),
                    target = rb_piece_trim(rb_piece_after(line, (size_t)(mark - text) + 1));
    rb_scan_add_entry(sheet, package, rb_piece_copy(sheet->arena, name), rb_piece_copy(sheet->arena, target));
}

rb_err rb_setup_cfg_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, line;
    struct setup_cfg cfg = {.sheet = sheet};
    while (rb_piece_line(&line, &rest))
        setup_cfg_line(&cfg, line);
    if (!cfg.name)
        return RB_OK;
    struct rb_scan_package *package = rb_python_add_package(sheet, cfg.name, cfg.version, cfg.licence);
    for (size_t i = 0; i < cfg.entry_count; i++)
        rb_python_add_entry(sheet, package, cfg.entries[i].at, cfg.entries[i].len);
    if (package && cfg.python) {
        const char *engine = rb_arena_printf(sheet->arena, "python %s", cfg.python);
        package->engine = rb_scan_requirement(sheet, engine, strlen(engine));
    }
    return RB_OK;
}
