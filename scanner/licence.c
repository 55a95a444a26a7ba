/*
 * Licences: by the words of a text, as they stand in the licences that people use, and by the names that
 * manifests give them. A text is reduced to its words (letters and digits, a blank between), so that line
 * breaks, quotes and decoration do not matter.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/facts.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define LICENSE_WORDS_MAX 65536 /* of a text; the longest licence, the GPL, has 35 KB */
#define NEEDED_MAX        3

/*
 * What must be in it, and what must not. The first needed words are also where the licence begins: of several
 * in one file the first counts, and a text that lies within another's (the exceptions the LGPL makes to the
 * GPL) begins later. The order is that of trying.
 */
static const struct license_text {
    const char *spdx;
    const char *needed[NEEDED_MAX], *absent[NEEDED_MAX];
} license_texts[] = {
    {"MIT-0",
     {"permission is hereby granted free of charge to any person obtaining a copy of this software",
      "without restriction", "the software is provided as is"},
     {"the above copyright notice and this permission notice", "this permission notice shall be included"}},
    {"X11",
     {"permission is hereby granted free of charge to any person obtaining a copy of this software",
      "shall not be used in advertising or otherwise to promote the sale"},
     {NULL}},
    {"NCSA",
     {"permission is hereby granted free of charge to any person obtaining a copy of this software",
      "neither the names of"},
     {NULL}},
    {"JSON",
     {"permission is hereby granted free of charge to any person obtaining a copy of this software",
      "the software shall be used for good not evil"},
     {NULL}},
    {"MIT",
     {"permission is hereby granted free of charge to any person obtaining a copy of this software",
      "permission notice shall be included in all copies or substantial portions of the software"},
     {"the software shall be used for good not evil", "neither the names of",
      "shall not be used in advertising or otherwise to promote the sale"}},
    {"BSL-1.0", {"boost software license version 1 0"}, {NULL}},
    {"ISC",
     {"permission to use copy modify and or distribute this software for any purpose with or without fee is "
      "hereby granted provided that the above copyright notice and this permission notice appear in all"},
     {NULL}},
    {"ISC",
     {"permission to use copy modify and distribute this software for any purpose with or without fee is "
      "hereby granted provided that the above copyright notice and this permission notice appear in all"},
     {"except as contained in this notice the name of a copyright holder"}},
    {"0BSD",
     {"permission to use copy modify and or distribute this software for any purpose with or without fee is "
      "hereby granted"},
     {"provided that the above copyright notice"}},
    {"curl",
     {"permission to use copy modify and distribute this software for any purpose with or without fee is "
      "hereby granted",
      "except as contained in this notice the name of a copyright holder shall not be used in advertising"},
     {NULL}},
    {"PostgreSQL",
     {"permission to use copy modify and distribute this software and its documentation for any purpose "
      "without fee and without a written agreement is hereby granted"},
     {NULL}},
    {"HPND",
     {"permission to use copy modify and distribute this software and its documentation for any purpose and "
      "without fee is hereby granted"},
     {NULL}},
    {"BSD-4-Clause",
     {"redistribution and use in source and binary forms with or without modification are permitted",
      "all advertising materials mentioning features or use of this software"},
     {NULL}},
    {"BSD-3-Clause-Clear",
     {"redistribution and use in source and binary forms with or without modification are permitted",
      "no express or implied licenses to any party s patent rights are granted"},
     {NULL}},
    {"BSD-3-Clause",
     {"redistribution and use in source and binary forms with or without modification are permitted",
      "to endorse or promote products derived from this software"},
     {"all advertising materials mentioning features",
      "no express or implied licenses to any party s patent rights are granted"}},
    {"BSD-2-Clause",
     {"redistribution and use in source and binary forms with or without modification are permitted",
      "this list of conditions and the following disclaimer"},
     {"to endorse or promote products", "all advertising materials mentioning features"}},
    {"BSD-3-Clause",
     {"redistribution and use of this software in source and binary forms with or without modification",
      "to endorse or promote products derived from this software"},
     {NULL}},
    {"BSD-3-Clause",
     {"redistribution and use in source and binary forms of the software as well as documentation with or "
      "without modification are permitted",
      "to endorse or promote products derived from this software"},
     {NULL}},
    {"Apache-2.0",
     {"apache license version 2 0", "terms and conditions for use reproduction and distribution"},
     {NULL}},
    {"Apache-2.0", {"licensed under the apache license version 2 0 the license"}, {NULL}},
    {"Apache-1.1", {"the apache software license version 1 1"}, {NULL}},
    {"MPL-2.0", {"mozilla public license version 2 0", "covered software"}, {NULL}},
    {"MPL-1.1", {"mozilla public license version 1 1"}, {NULL}},
    {"EPL-2.0", {"eclipse public license v 2 0"}, {NULL}},
    {"EPL-1.0", {"eclipse public license v 1 0"}, {NULL}},
    {"CPL-1.0", {"common public license version 1 0"}, {NULL}},
    {"SSPL-1.0", {"server side public license version 1"}, {NULL}},
    {"LicenseRef-RSAL-2.0", {"redis source available license 2 0"}, {NULL}},
    {"LicenseRef-RSAL-2.0", {"redis source available license version 2"}, {NULL}},
    {"AGPL-3.0", {"gnu affero general public license version 3 19 november 2007"}, {NULL}},
    {"LGPL-3.0", {"gnu lesser general public license version 3 29 june 2007"}, {NULL}},
    {"LGPL-2.1", {"gnu lesser general public license version 2 1 february 1999"}, {NULL}},
    {"LGPL-2.0", {"gnu library general public license version 2 june 1991"}, {NULL}},
    {"GPL-3.0", {"gnu general public license version 3 29 june 2007"}, {NULL}},
    {"GPL-2.0", {"gnu general public license version 2 june 1991"}, {NULL}},
    {"GPL-1.0", {"gnu general public license version 1 february 1989"}, {NULL}},
    {"Unlicense", {"this is free and unencumbered software released into the public domain"}, {NULL}},
    {"CC0-1.0", {"creative commons legal code cc0 1 0 universal"}, {NULL}},
    {"CC0-1.0", {"cc0 1 0 universal", "statement of purpose"}, {NULL}},
    {"CC-BY-NC-SA-4.0", {"attribution noncommercial sharealike 4 0 international"}, {NULL}},
    {"CC-BY-NC-ND-4.0", {"attribution noncommercial noderivatives 4 0 international"}, {NULL}},
    {"CC-BY-NC-4.0", {"attribution noncommercial 4 0 international"}, {NULL}},
    {"CC-BY-SA-4.0", {"attribution sharealike 4 0 international"}, {NULL}},
    {"CC-BY-ND-4.0", {"attribution noderivatives 4 0 international"}, {NULL}},
    {"CC-BY-4.0", {"attribution 4 0 international"}, {NULL}},
    {"Zlib",
     {"this software is provided as is without any express or implied warranty in no event will the authors "
      "be held liable",
      "altered source versions must be plainly marked"},
     {NULL}},
    {"WTFPL", {"do what the fuck you want to public license"}, {NULL}},
    {"Artistic-2.0", {"the artistic license 2 0"}, {NULL}},
    {"EUPL-1.2", {"european union public licence v 1 2"}, {NULL}},
    {"EUPL-1.1", {"european union public licence v 1 1"}, {NULL}},
    {"OFL-1.1", {"sil open font license version 1 1"}, {NULL}},
    {"MS-PL", {"microsoft public license ms pl"}, {NULL}},
    {"MS-RL", {"microsoft reciprocal license ms rl"}, {NULL}},
    {"UPL-1.0", {"the universal permissive license upl version 1 0"}, {NULL}},
    {"BlueOak-1.0.0", {"blue oak model license version 1 0 0"}, {NULL}},
    {"ECL-2.0", {"educational community license version 2 0"}, {NULL}},
    {"AFL-3.0", {"academic free license version 3 0"}, {NULL}},
    {"OSL-3.0", {"open software license v 3 0"}, {NULL}},
    {"OSL-3.0", {"open software license version 3 0"}, {NULL}},
    {"CDDL-1.0", {"common development and distribution license cddl version 1 0"}, {NULL}},
    {"Vim", {"vim license", "charityware"}, {NULL}},
    {"LPPL-1.3c", {"the latex project public license", "lppl version 1 3c"}, {NULL}},
    {"MulanPSL-2.0", {"mulan permissive software license version 2"}, {NULL}},
    {"ODbL-1.0", {"odc open database license odbl"}, {NULL}},
    {"Python-2.0", {"python software foundation license version 2"}, {NULL}},
    {"PHP-3.01", {"the php license version 3 01"}, {NULL}},
    {"OpenSSL",
     {"openssl license", "this product includes software developed by the openssl project"},
     {NULL}},
    {"CECILL-2.1", {"cecill free software license agreement", "version 2 1"}, {NULL}},
    {"CECILL-2.1", {"contrat de licence de logiciel libre cecill", "version 2 1"}, {NULL}},
    {"BUSL-1.1", {"business source license 1 1"}, {NULL}},
    {"Elastic-2.0", {"elastic license 2 0"}, {NULL}},
};

/* ---- by the text -------------------------------------------------------------------------------------- */

static char *license_words(const char *text, size_t len)
{
    size_t max = len < LICENSE_WORDS_MAX ? len : LICENSE_WORDS_MAX, used = 0;
    char *words = rb_malloc(max + 1);
    bool is_gap = false;
    for (size_t i = 0; i < len && used < max; i++) {
        if (!isalnum((unsigned char)text[i])) {
            is_gap = used > 0;
            continue;
        }
        if (is_gap)
            words[used++] = ' ';
        is_gap = false;
        if (used < max)
            words[used++] = (char)tolower((unsigned char)text[i]);
    }
    words[used] = 0;
    return words;
}

/* Where it begins in the words; NULL when it is not this one. */
static const char *license_match(const struct license_text *license, const char *words)
{
    const char *start = strstr(words, license->needed[0]);
    for (size_t i = 1; start && i < NEEDED_MAX && license->needed[i]; i++) {
        if (!strstr(words, license->needed[i]))
            return NULL;
    }
    for (size_t i = 0; start && i < NEEDED_MAX && license->absent[i]; i++) {
        if (strstr(words, license->absent[i]))
            return NULL;
    }
    return start;
}

/* A licence file begins with its licence, after a title and copyright lines at most; third parties' licences
 * may follow. Where several come after more words than that, the words say how they belong together. */
#define PREAMBLE_MAX 300

const char *rb_license_of_text(size_t *count, const char *text, size_t len)
{
    char *words = license_words(text, len);
    const char *first = NULL, *spdx = "", *before = "";
    *count = 0;
    for (size_t i = 0; i < COUNT(license_texts); i++) {
        const char *at = license_match(&license_texts[i], words);
        if (!at)
            continue;
        *count += strcmp(before, license_texts[i].spdx) != 0;
        before = license_texts[i].spdx;
        if (!first || at < first) {
            first = at;
            spdx = license_texts[i].spdx;
        }
    }
    if (*count > 1 && first - words > PREAMBLE_MAX)
        spdx = "";
    free(words);
    return spdx;
}

rb_err rb_look_license(struct rb_scan_sheet *sheet, const char *text, size_t len)
{
    size_t count;
    const char *spdx = rb_license_of_text(&count, text, len);
    json_t *item = json_object();
    json_object_set_new(item, "file", json_string(sheet->manifest));
    json_object_set_new(item, "by", json_string("text"));
    if (*spdx)
        json_object_set_new(item, "spdx", json_string(spdx));
    if (count > 1)
        json_object_set_new(item, "texts", json_integer((json_int_t)count));
    rb_facts_put(sheet->facts->licenses, RB_FACTS_LIST_MAX, item);
    return RB_OK;
}

/* ---- by the name -------------------------------------------------------------------------------------- */

/* As people and Maven's POMs write them, reduced to words. */
static const struct {
    const char *name, *spdx;
} license_names[] = {
    {"apache 2", "Apache-2.0"},
    {"apache 2 0", "Apache-2.0"},
    {"apache license 2", "Apache-2.0"},
    {"apache license 2 0", "Apache-2.0"},
    {"apache license v2 0", "Apache-2.0"},
    {"apache license version 2 0", "Apache-2.0"},
    {"the apache license version 2 0", "Apache-2.0"},
    {"the apache software license version 2 0", "Apache-2.0"},
    {"apache software license 2 0", "Apache-2.0"},
    {"mit license", "MIT"},
    {"the mit license", "MIT"},
    {"the mit license mit", "MIT"},
    {"bsd 2 clause license", "BSD-2-Clause"},
    {"simplified bsd license", "BSD-2-Clause"},
    {"bsd 3 clause", "BSD-3-Clause"},
    {"bsd 3 clause license", "BSD-3-Clause"},
    {"new bsd license", "BSD-3-Clause"},
    {"eclipse public license 2 0", "EPL-2.0"},
    {"eclipse public license v2 0", "EPL-2.0"},
    {"eclipse public license v 2 0", "EPL-2.0"},
    {"eclipse public license 1 0", "EPL-1.0"},
    {"eclipse public license v1 0", "EPL-1.0"},
    {"mozilla public license 2 0", "MPL-2.0"},
    {"mozilla public license version 2 0", "MPL-2.0"},
    {"gplv2", "GPL-2.0"},
    {"gplv3", "GPL-3.0"},
    {"gnu general public license v2 0", "GPL-2.0"},
    {"gnu general public license v3 0", "GPL-3.0"},
    {"lgplv3", "LGPL-3.0"},
    {"agplv3", "AGPL-3.0"},
    {"isc license", "ISC"},
    {"the unlicense", "Unlicense"},
};

/* Ids of the SPDX list that no text above names, in use in manifests. */
static const char *const license_ids[] = {
    "GPL-2.0-only",      "GPL-2.0-or-later",  "GPL-3.0-only",
    "GPL-3.0-or-later",  "LGPL-2.1-only",     "LGPL-2.1-or-later",
    "LGPL-3.0-only",     "LGPL-3.0-or-later", "AGPL-3.0-only",
    "AGPL-3.0-or-later", "LGPL-2.0-only",     "LGPL-2.0-or-later",
    "Unicode-DFS-2016",  "Unicode-3.0",       "Ruby",
    "Artistic-1.0",      "PSF-2.0",           "CC-BY-3.0",
    "CC-BY-SA-3.0",      "GFDL-1.3",          "NTP",
    "Beerware",          "MIT-CMU",           "Apache-1.0",
    "BSD-1-Clause",      "LLVM-exception",    "Classpath-exception-2.0",
    "GCC-exception-3.1",
};

static const char *license_id(struct rb_piece name)
{
    for (size_t i = 0; i < COUNT(license_texts); i++) {
        if (strlen(license_texts[i].spdx) == name.len &&
            strncasecmp(license_texts[i].spdx, name.at, name.len) == 0)
            return license_texts[i].spdx;
    }
    for (size_t i = 0; i < COUNT(license_ids); i++) {
        if (strlen(license_ids[i]) == name.len && strncasecmp(license_ids[i], name.at, name.len) == 0)
            return license_ids[i];
    }
    return NULL;
}

/* A token of an expression: '(' and ')' alone, '/' as older Cargo.toml have it, or a word. */
static struct rb_piece expression_token(struct rb_piece *rest)
{
    *rest = rb_piece_trim(*rest);
    size_t len = rest->len > 0 && rb_text_has("()/", rest->at[0]) ? 1 : 0;
    while (len != 1 && len < rest->len && !isspace((unsigned char)rest->at[len]) &&
           !rb_text_has("()/", rest->at[len]))
        len++;
    if (len == 1 && !rb_text_has("()/", rest->at[0])) /* a word of one letter may go on */
        while (len < rest->len && !isspace((unsigned char)rest->at[len]) &&
               !rb_text_has("()/", rest->at[len]))
            len++;
    struct rb_piece token = {rest->at, len};
    *rest = rb_piece_after(*rest, len);
    return token;
}

/* ids and operators take turns, and each id is known; else "". */
static const char *license_expression(struct rb_arena *arena, const char *name)
{
    struct rb_piece rest = rb_piece_of(name);
    const char *out = "";
    bool wants_id = true;
    int open = 0;
    while (rb_piece_trim(rest).len) {
        struct rb_piece token = expression_token(&rest);
        const char *text = NULL;
        bool is_open = rb_piece_is(token, "("), is_close = rb_piece_is(token, ")");
        if (is_open || is_close) {
            open += is_open ? 1 : -1;
            if (is_open != wants_id || open < 0)
                return "";
            out = rb_arena_printf(arena, "%s%s%s", out, is_open && *out && !rb_text_ends(out, "(") ? " " : "",
                                  is_open ? "(" : ")");
            continue;
        }
        if (wants_id) {
            bool has_plus = rb_piece_ends(token, "+");
            const char *id = license_id((struct rb_piece){token.at, token.len - has_plus});
            text = id && has_plus ? rb_arena_printf(arena, "%s+", id) : id;
        } else {
            text = rb_piece_is(token, "/") || (token.len == 2 && strncasecmp(token.at, "or", 2) == 0) ? "OR"
                   : token.len == 3 && strncasecmp(token.at, "and", 3) == 0                           ? "AND"
                   : token.len == 4 && strncasecmp(token.at, "with", 4) == 0                          ? "WITH"
                                                                                                      : NULL;
        }
        if (!text)
            return "";
        out = rb_arena_printf(arena, "%s%s%s", out, *out && !rb_text_ends(out, "(") ? " " : "", text);
        wants_id = !wants_id;
    }
    return wants_id || open ? "" : out;
}

const char *rb_license_of_name(struct rb_arena *arena, const char *name)
{
    const char *expression = license_expression(arena, name), *spdx = "";
    if (*expression)
        return expression;
    char *words = license_words(name, strlen(name));
    for (size_t i = 0; i < COUNT(license_names) && !*spdx; i++) {
        if (strcmp(license_names[i].name, words) == 0)
            spdx = license_names[i].spdx;
    }
    free(words);
    return spdx;
}

/* ---- of the repository -------------------------------------------------------------------------------- */

/* LICENSES/MIT.txt: the REUSE specification names the file after the licence. */
static void license_reuse(json_t *sources, const struct rb_scan *scan)
{
    for (size_t i = 0; i < scan->tree->count; i++) {
        const char *path = scan->tree->entries[i].path;
        if (!rb_text_starts(path, "LICENSES/") || strchr(path + 9, '/'))
            continue;
        const char *name = path + 9, *dot = strrchr(name, '.');
        const char *spdx = license_id((struct rb_piece){name, dot ? (size_t)(dot - name) : strlen(name)});
        if (!spdx)
            continue;
        json_t *item = json_object();
        json_object_set_new(item, "file",
                            json_string(rb_text_clean(scan->arena, path, strlen(path), RB_SCAN_PATH_MAX)));
        json_object_set_new(item, "by", json_string("name"));
        json_object_set_new(item, "spdx", json_string(spdx));
        rb_facts_put(sources, RB_FACTS_LIST_MAX, item);
    }
}

/* What the manifests of the root declare. */
static const char *license_declared(json_t *sources, const struct rb_scan *scan)
{
    const char *first = "";
    for (size_t i = 0; i < scan->sheet.package_count; i++) {
        const struct rb_scan_package *package = &scan->sheet.packages[i];
        if (strchr(package->manifest, '/') || !*package->licence)
            continue;
        const char *spdx = rb_license_of_name(scan->arena, package->licence);
        json_t *item = json_object();
        json_object_set_new(item, "file", json_string(package->manifest));
        json_object_set_new(item, "by", json_string("manifest"));
        json_object_set_new(item, "declared", json_string(package->licence));
        if (*spdx)
            json_object_set_new(item, "spdx", json_string(spdx));
        rb_facts_put(sources, RB_FACTS_LIST_MAX, item);
        if (!*first)
            first = spdx;
    }
    return first;
}

/* The one id of the licence files; "" when there is none, or several of which nobody says how they belong
 * together, or one whose words are not known: it may say so. */
static const char *license_of_files(const json_t *sources)
{
    const char *only = "";
    const json_t *item;
    size_t i;
    json_array_foreach(sources, i, item)
    {
        const char *spdx = json_string_value(json_object_get(item, "spdx"));
        if (!spdx || (*only && strcmp(only, spdx) != 0))
            return "";
        only = spdx;
    }
    return only;
}

json_t *rb_profile_license(const struct rb_scan *scan)
{
    json_t *license = json_object(), *sources = json_array(), *item;
    size_t i;
    json_array_foreach(scan->sheet.facts->licenses, i, item)
    {
        json_array_append(sources, item);
    }
    license_reuse(sources, scan);
    const char *files = license_of_files(sources), *declared = license_declared(sources, scan);
    /* A manifest may say how several files belong together ("MIT OR Apache-2.0"), or that later versions are
     * meant ("GPL-2.0-or-later"). */
    bool is_same = *files && rb_text_starts(declared, files);
    const char *spdx = is_same || !*files ? declared : files;
    if (*spdx)
        json_object_set_new(license, "spdx", json_string(spdx));
    json_object_set_new(license, "sources", sources);
    return license;
}
