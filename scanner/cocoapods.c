/* CocoaPods: Podfile, Podfile.lock and *.podspec (guides.cocoapods.org, "Podfile syntax", "Podspec syntax").
 */
#include <string.h>

#include "scanner/ruby.h"
#include "scanner/scan.h"
#include "scanner/text.h"
#include "scanner/tree.h"
#include "scanner/yaml.h"

#define POD_BLOCKS_MAX 32 /* targets within targets, conditions */

/* "target 'ShopTests' do": what only tests link. */
static bool pod_is_test_target(struct rb_piece statement)
{
    struct rb_piece arguments, name;
    return rb_ruby_call(&arguments, statement, "target") && rb_ruby_text(&name, &arguments) &&
           (rb_piece_ends(name, "Tests") || rb_piece_ends(name, "Test") || rb_piece_ends(name, "Specs"));
}

static void pod_add(struct rb_scan_sheet *sheet, struct rb_piece arguments, const char *kind)
{
    static const char *const sources[] = {"path", "git", "podspec", "http"};
    struct rb_piece name, where;
    const char *versions;
    bool is_local = false;
    if (!rb_ruby_requirement(&name, &versions, arguments, sheet->arena))
        return;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (!rb_ruby_option_text(&where, arguments, sources[i]))
            continue;
        is_local = i == 0;
        if (!*versions)
            versions = rb_arena_printf(sheet->arena, "%s %s", sources[i], rb_piece_copy(sheet->arena, where));
        break;
    }
    struct rb_scan_dependency *item = rb_scan_add(sheet, name.at, name.len, versions, strlen(versions), kind);
    if (item)
        item->local = is_local;
}

rb_err rb_podfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, statement, arguments;
    const char *kinds[POD_BLOCKS_MAX + 1] = {RB_KIND_RUNTIME};
    size_t depth = 0;
    while (rb_ruby_statement(&statement, &rest, sheet->arena)) {
        if (rb_ruby_closes_block(statement)) {
            depth -= depth > 0;
        } else if (rb_ruby_call(&arguments, statement, "pod")) {
            pod_add(sheet, arguments, kinds[depth]);
        } else if (rb_ruby_opens_block(statement)) {
            if (depth == POD_BLOCKS_MAX)
                return rb_error_set(RB_EINVAL, "Podfile: blocks nested too deeply");
            kinds[depth + 1] = pod_is_test_target(statement) ? RB_KIND_TEST : kinds[depth];
            depth++;
        }
    }
    return RB_OK;
}

/* The name of the pod, "Shop" of "Shop/Core". */
static size_t pod_root(const char *name)
{
    return strcspn(name, "/");
}

static void podspec_about(struct rb_scan_sheet *sheet, struct rb_scan_package *package,
                          struct rb_piece statement)
{
    struct rb_piece text, type;
    if (!*package->name && rb_ruby_assigned(&text, statement, "name"))
        package->name = rb_scan_requirement(sheet, text.at, text.len);
    else if (!*package->version && rb_ruby_assigned(&text, statement, "version"))
        package->version = rb_scan_requirement(sheet, text.at, text.len);
    else if (rb_ruby_assigned(&text, statement, "license"))
        package->licence = rb_scan_requirement(sheet, text.at, text.len);
    else if (memmem(statement.at, statement.len, ".license", 8) &&
             rb_ruby_option_text(&type, statement, "type"))
        package->licence = rb_scan_requirement(sheet, type.at, type.len);
}

rb_err rb_podspec_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    struct rb_piece rest = {text, len}, statement, arguments, name;
    const char *kinds[POD_BLOCKS_MAX + 1] = {RB_KIND_RUNTIME}, *versions;
    struct rb_scan_package *package = rb_scan_add_package(sheet, "", "", "");
    size_t depth = 0;
    while (rb_ruby_statement(&statement, &rest, sheet->arena)) {
        const char *dot = memmem(statement.at, statement.len, ".dependency", 11);
        if (dot) {
            struct rb_piece call = rb_piece_after(statement, (size_t)(dot - statement.at));
            if (rb_ruby_call(&arguments, call, ".dependency") &&
                rb_ruby_requirement(&name, &versions, arguments, sheet->arena)) {
                struct rb_scan_dependency *item =
                    rb_scan_add(sheet, name.at, name.len, versions, strlen(versions), kinds[depth]);
                size_t root = item ? pod_root(item->name) : 0;
                if (item && package && *package->name && strlen(package->name) == root)
                    item->local = memcmp(item->name, package->name, root) == 0; /* another part of itself */
            }
        } else if (rb_ruby_closes_block(statement)) {
            depth -= depth > 0;
        } else if (rb_ruby_opens_block(statement)) {
            if (depth == POD_BLOCKS_MAX)
                return rb_error_set(RB_EINVAL, "podspec: blocks nested too deeply");
            bool is_test = memmem(statement.at, statement.len, ".test_spec", 10) != NULL;
            kinds[depth + 1] = is_test ? RB_KIND_TEST : kinds[depth];
            depth++;
        } else if (package) {
            podspec_about(sheet, package, statement);
        }
    }
    return RB_OK;
}

/* ---- Podfile.lock ------------------------------------------------------------------------------------- */

/* "Firebase/Core (8.0.0)" */
static void pod_lock(struct rb_scan_sheet *sheet, const char *text, const json_t *document)
{
    struct rb_piece rest = rb_piece_of(text), name;
    if (!rb_piece_word(&name, &rest))
        return;
    rest = rb_piece_trim(rest);
    if (rest.len < 3 || rest.at[0] != '(' || rest.at[rest.len - 1] != ')')
        return;
    struct rb_scan_locked *locked = rb_scan_lock(sheet, name.at, name.len, rest.at + 1, rest.len - 2);
    if (!locked)
        return;
    const char *root = rb_arena_strndup(sheet->arena, locked->name, pod_root(locked->name));
    const json_t *external = rb_json_get(rb_json_get(document, "EXTERNAL SOURCES"), root);
    locked->local = *rb_json_text(external, ":path");
}

/* "Firebase/Core (~> 8.0)", "Mine (from `../Mine`)": asked for in the Podfile. */
static void pod_lock_direct(struct rb_scan_sheet *sheet, size_t first, const char *text)
{
    struct rb_piece rest = rb_piece_of(text), name;
    if (!rb_piece_word(&name, &rest))
        return;
    for (size_t i = first; i < sheet->locked_count; i++) {
        if (rb_piece_is(name, sheet->locked[i].name))
            sheet->locked[i].direct = true;
    }
}

/* - Firebase/Core (8.0.0):
 *   - Firebase/CoreOnly (= 8.0.0) */
static void pod_lock_needs(struct rb_scan_sheet *sheet, const char *text, const json_t *wants)
{
    struct rb_piece rest = rb_piece_of(text), name, needed;
    json_t *want;
    size_t i;
    if (!rb_piece_word(&name, &rest))
        return;
    json_array_foreach(wants, i, want)
    {
        rest = rb_piece_of(json_string_value(want));
        if (rb_piece_word(&needed, &rest))
            rb_scan_lock_needs(sheet, name, needed);
    }
}

#define POD_DIRECT_MAX 2000 /* each looked for among all; large ones have 200 */

rb_err rb_podfile_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    json_t *document, *pod;
    size_t i, first = sheet->locked_count;
    const char *name;
    rb_err err = rb_yaml_parse(&document, text, len);
    if (err)
        return err;
    json_array_foreach(rb_json_get(document, "PODS"), i, pod)
    {
        json_t *wants;
        if (json_is_string(pod))
            pod_lock(sheet, json_string_value(pod), document);
        json_object_foreach(pod, name, wants)
        {
            pod_lock(sheet, name, document);
            pod_lock_needs(sheet, name, wants);
        }
    }
    json_array_foreach(rb_json_get(document, "DEPENDENCIES"), i, pod)
    {
        if (json_is_string(pod) && i < POD_DIRECT_MAX)
            pod_lock_direct(sheet, first, json_string_value(pod));
    }
    json_decref(document);
    return RB_OK;
}
