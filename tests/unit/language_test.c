/* The language of files: by name, by path, by neighbours, by .gitattributes and by content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "lib/repo/gitattributes.h"
#include "lib/repo/language_data.h"
#include "lib/repo/language_match.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *name_of(int language)
{
    return language == RB_LANGUAGE_NONE ? "none" : rb_languages[language].name;
}

/* ---- the tables --------------------------------------------------------------------------------------- */

static void the_tables_hold_what_linguist_knows(void **state)
{
    (void)state;
    assert_true(rb_language_total > 800);
    assert_true(language_extension_total > 1400);
    assert_true(language_file_name_total > 400);
    for (size_t i = 0; i < rb_language_total; i++) {
        assert_int_equal(rb_language_index(rb_languages[i].name), i); /* no name twice */
        assert_true(i == 0 || strcasecmp(rb_languages[i - 1].name, rb_languages[i].name) < 0);
        assert_null(strchr(rb_languages[i].name, '/')); /* grapher/write_neo4j.c puts it between slashes */
        int group = rb_language_counted_as((int)i);
        assert_int_equal(rb_language_counted_as(group), group); /* a group has no group */
    }
    assert_int_equal(rb_language_index("No such language"), RB_LANGUAGE_NONE);
    assert_int_equal(rb_language_index("python"), RB_LANGUAGE_NONE); /* a name, not an alias */
    assert_string_equal(name_of(rb_language_by_alias("golang", 6)), "Go");
    assert_string_equal(name_of(rb_language_by_alias("C++", 3)), "C++");
    assert_string_equal(name_of(rb_language_by_alias("emacs-lisp", 10)), "Emacs Lisp");
    assert_string_equal(name_of(rb_language_counted_as(rb_language_index("TSX"))), "TypeScript");
    assert_string_equal(name_of(rb_language_counted_as(rb_language_index("HTML+ERB"))), "HTML");
    assert_int_equal(rb_languages[rb_language_index("YAML")].type, RB_DATA);
    assert_int_equal(rb_languages[rb_language_index("Markdown")].type, RB_PROSE);
    assert_int_equal(rb_languages[rb_language_index("CSS")].type, RB_MARKUP);
    assert_true(rb_languages[rb_language_index("Ruby")].is_popular);
    assert_int_equal(rb_language_data_version[0], '9');
}

static void every_key_is_found_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < language_extension_total; i++) {
        assert_ptr_equal(language_find_extension(language_extensions[i].text), &language_extensions[i]);
        assert_true(language_extensions[i].count >= 1 && language_extensions[i].count <= 16);
    }
    for (size_t i = 0; i < language_file_name_total; i++)
        assert_ptr_equal(language_find_file_name(language_file_names[i].text), &language_file_names[i]);
}

static void every_pattern_is_one(void **state)
{
    (void)state;
    /* Ends the process otherwise. What is made lives as long as the process, and is so found by who looks for
     * leaks. */
    static struct language_regex *regexes;
    regexes = rb_calloc(language_pattern_total, sizeof *regexes);
    for (size_t i = 0; i < language_pattern_total; i++) {
        regexes[i].pattern = language_patterns[i];
        language_regex_matches(&regexes[i], "", 0);
        assert_non_null(regexes[i].made);
    }
    assert_int_equal(rb_path_kinds("src/main.c"), 0);
}

static void names_tell_their_language(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"main.c", "C"},
        {"SRC/MAIN.PY", "Python"},
        {"Makefile", "Makefile"},
        {"a/Dockerfile", "Dockerfile"},
        {"dev.dockerfile", "Dockerfile"},
        {"CMakeLists.txt", "CMake"},
        {"notes.txt", "none"}, /* several */
        {"view.blade.php", "Blade"},
        {"build.gradle.kts", "Gradle Kotlin DSL"},
        {"Gemfile", "Ruby"},
        {"go.mod", "Go Module"},
        {"BUILD.bazel", "Starlark"},
        {".gitignore", "Ignore List"},
        {"a.h", "none"},
        {"app.module.css", "CSS"},
        {"a.sol", "none"}, /* too common */
        {"x.tar.unknown", "none"},
        {"noextension", "none"},
        {"", "none"},
        {"a.c/", "none"},
        {"dot.", "none"},
        {"dir.py/file", "none"},
        {"\xff\xfe.\xff", "none"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (strcmp(name_of(rb_language_of(cases[i][0])), cases[i][1]) != 0)
            fail_msg("%s is %s", cases[i][0], name_of(rb_language_of(cases[i][0])));
    }
    char *longest = rb_malloc(5000);
    memset(longest, '.', 4999);
    longest[4999] = 0;
    assert_int_equal(rb_language_of(longest), RB_LANGUAGE_NONE);
    free(longest);
}

/* ---- trees -------------------------------------------------------------------------------------------- */

struct made {
    const char *path;
    int64_t size;
    enum rb_entry_kind kind;
    const char *language; /* "none"; "-C": left out */
};

static void check_tree(const struct rb_language_tree *all, const struct made *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool left_out = files[i].language[0] == '-';
        const char *name = name_of(rb_language_tree_of(all, i));
        if (strcmp(name, files[i].language + left_out) != 0)
            fail_msg("%s is %s, not %s", files[i].path, name, files[i].language);
        if (left_out && rb_language_tree_counts(all, i))
            fail_msg("%s counts", files[i].path);
    }
}

static struct rb_language_tree *make_languages(const struct made *files, size_t count, struct rb_arena *arena)
{
    struct rb_tree_entry *entries = rb_arena_alloc(arena, count * sizeof *entries);
    struct rb_tree *tree = rb_arena_alloc(arena, sizeof *tree);
    for (size_t i = 0; i < count; i++) {
        entries[i] =
            (struct rb_tree_entry){.path = files[i].path, .kind = files[i].kind, .size = files[i].size};
        snprintf(entries[i].sha, sizeof entries[i].sha, "%040zu", i);
    }
    *tree = (struct rb_tree){.entries = entries, .count = count, .complete = true};
    return rb_language_tree_new(tree, arena);
}

static void neighbours_settle_what_names_leave_open(void **state)
{
    (void)state;
    static const struct made rows[] = {
        {"c/a.c", 10, 0, "C"},
        {"c/a.h", 10, 0, "C"},
        {"cpp/a.cpp", 10, 0, "C++"},
        {"cpp/a.h", 10, 0, "C++"},
        {"cpp/deep/b.h", 10, 0, "C++"},
        {"cpp/resource.h", 10, 0, "C"}, /* of a resource script: nothing but numbers */
        {"cpp/b.cpp", 10, 0, "C++"},
        {"cu/a.cu", 100, 0, "Cuda"},
        {"cu/a.h", 10, 0, "C++"},
        {"ios/a.m", 10, 0, "Objective-C"},
        {"ios/a.h", 10, 0, "Objective-C"},
        {"lib/a.pm", 10, 0, "Perl"},
        {"lib/a.rs", 10, 0, "Rust"},
        {"lib/a.xml", 1000, 0, "XML"},
        {"lib/a.cs", 10, 0, "C#"},
        {"other/x.h", 10, 0, "C++"},
        {"p/a.sql", 10, 0, "SQL"},
        {"p/b.ts", 10, 0, "TypeScript"},
        {"p/c.md", 10, 0, "Markdown"},
        {"q/a.prolog", 10, 0, "Prolog"},
        {"q/a.pl", 10, 0, "Prolog"},
        {"runtime/queries/rust/a.scm", 10, 0, "Tree-sitter Query"},
        {"tools/run", 10, RB_ENTRY_EXECUTABLE, "Shell"},
        {"tools/compiled", 1700000, RB_ENTRY_EXECUTABLE, "none"},
        {"tools/logo.eps", 1800000, 0, "-PostScript"},
        {"tools/text", 10, 0, "none"},
        {"man/git.1", 10, 0, "-Roff"},
        {"share/git.1", 10, 0, "Roff"},
        {"share/libz.so.1", 10, 0, "none"},
        {"share/main.go.1", 10, 0, "none"},
        {"contracts/A.sol", 10, 0, "Solidity"},
        {"locale/de/LC_MESSAGES/a.mo", 10, 0, "none"},
        {"x.c", 10, RB_ENTRY_DIRECTORY, "none"},
        {"y.c", 10, RB_ENTRY_SYMLINK, "none"},
        {"z.c", 10, RB_ENTRY_SUBMODULE, "none"},
        {"vendor/a.c", 10, 0, "-C"},
        {"x/y.pb.go", 10, 0, "-Go"},
    };
    struct rb_arena *arena = rb_arena_new();
    check_tree(make_languages(rows, COUNT(rows), arena), rows, COUNT(rows));
    assert_non_null(rb_language_tree_new(&(struct rb_tree){0}, arena));
    rb_arena_free(arena);
}

static void a_file_of_one_kind_of_project_decides(void **state)
{
    (void)state;
    static const struct made qt[] = {{"app.qrc", 1, 0, "none"}, {"i18n/app_de.ts", 99, 0, "XML"}};
    static const struct made ruby[] = {
        {"a.rb", 1000, 0, "Ruby"}, {"bin/x", 10, RB_ENTRY_EXECUTABLE, "Ruby"}, {"a.yy", 1, 0, "Yacc"}};
    static const struct made matlab[] = {{"a.m", 9, 0, "MATLAB"}, {"data.mat", 5, 0, "Unity3D Asset"}};
    static const struct made proof[] = {{"_CoqProject", 1, 0, "none"}, {"a.v", 9, 0, "Rocq Prover"}};
    static const struct made game[] = {{"a.yy", 9, 0, "JSON"}, {"x.yyp", 1, 0, "JSON"}};
    static const struct {
        const struct made *rows;
        size_t count;
    } trees[] = {{qt, COUNT(qt)},
                 {ruby, COUNT(ruby)},
                 {matlab, COUNT(matlab)},
                 {proof, COUNT(proof)},
                 {game, COUNT(game)}};
    struct rb_arena *arena = rb_arena_new();
    for (size_t i = 0; i < COUNT(trees); i++)
        check_tree(make_languages(trees[i].rows, trees[i].count, arena), trees[i].rows, trees[i].count);
    rb_arena_free(arena);
}

/* ---- .gitattributes ----------------------------------------------------------------------------------- */

static void globs_match_as_gits(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool pathname, matches;
    } cases[] = {
        {"*.js", "a.js", false, true},
        {"*.js", "a.jsx", false, false},
        {"a?c", "abc", true, true},
        {"a?c", "a/c", true, false},
        {"a*c", "a/c", true, false},
        {"a*c", "abbbc", true, true},
        {"*/b", "a/b", true, true},
        {"*/b", "a/x/b", true, false},
        {"**/b", "b", true, true},
        {"**/b", "a/x/b", true, true},
        {"**/b", "a/xb", true, false},
        {"a/**", "a/b/c", true, true},
        {"a/**", "ab", true, false},
        {"a/**/b", "a/b", true, true},
        {"a/**/b", "a/x/y/b", true, true},
        {"a/**/b", "a/x/yb", true, false},
        {"a/**/*.js", "a/x/y/b.js", true, true},
        {"a/**/b/*.js", "a/b/x/b/c.js", true, true},
        {"a**b", "axxb", true, true},
        {"a**b", "ax/xb", true, false},
        {"**/a/**/*b*", "x/a/y/z/1b1", true, true},
        {"[a-c]x", "bx", true, true},
        {"[a-c]x", "dx", true, false},
        {"[!a-c]x", "dx", true, true},
        {"[^a-c]x", "ax", true, false},
        {"[]]x", "]x", true, true},
        {"[[:digit:]]", "7", true, true},
        {"[[:digit:]]", "x", true, false},
        {"[\\]]", "]", true, true},
        {"[!a]", "/", true, false},
        {"[a", "a", true, false},
        {"[", "[", true, false},
        {"\\*", "*", true, true},
        {"\\*", "a", true, false},
        {"", "", true, true},
        {"*", "", false, true},
        {"*", "a/b", false, true},
        {"a\\", "a\\", true, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (attribute_glob(cases[i].pattern, strlen(cases[i].pattern), cases[i].text, cases[i].pathname) !=
            cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
    }
    /* What makes other matchers slow. */
    char pattern[2001], text[5001];
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[1999] = 'b';
    pattern[2000] = 0;
    memset(text, 'a', 5000);
    text[5000] = 0;
    assert_false(attribute_glob(pattern, 2000, text, true));
}

static const char *said(struct attributes *all, const char *path, enum attribute_name name)
{
    static char out[64];
    struct attribute of[ATTRIBUTE_COUNT];
    attributes_of(of, all, path);
    static const char *const states[] = {"unsaid", "true", "false", NULL};
    snprintf(out, sizeof out, "%s",
             of[name].state == ATTRIBUTE_VALUE ? of[name].value : states[of[name].state]);
    return out;
}

static void add(struct attributes *all, const char *path, const char *content)
{
    attributes_add(all, path, content, strlen(content));
}

static void attributes_are_read_as_git_reads_them(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct attributes *all = attributes_new(arena);
    assert_false(attributes_are_there(all));
    add(all, "a/.gitattributes",
        "*.js linguist-vendored\r\n/b.js -linguist-vendored\nsub/*.js linguist-vendored=false\n"
        "*.near linguist-language=Go\n");
    add(all, ".gitattributes",
        "\xef\xbb\xbf# a comment\n"
        "*.js linguist-language=TypeScript linguist-generated\n"
        "  gen/** linguist-generated=true\n"
        "!*.rb linguist-vendored\n"
        "folder/ linguist-vendored\n"
        "\"with blank.c\" linguist-documentation\n"
        "\"\\303\\244.c\" linguist-documentation\n"
        "*.txt text eol=lf\n"
        "*.near linguist-language=C\n"
        "[attr]made linguist-generated linguist-vendored\n"
        "*.made made\n"
        "no.made -made\n"
        "[attr]lost -linguist-generated\n"
        "*.py linguist-detectable\n"
        "*.py !linguist-detectable\n"
        "*.bin filter=lfs diff=lfs merge=lfs -text\n"
        "*.x linguist-language=\n"
        "\"never closed linguist-vendored\n"
        "*.last linguist-vendored");
    assert_true(attributes_are_there(all));
    static const struct {
        const char *path;
        enum attribute_name name;
        const char *says;
    } cases[] = {
        {"x.js", ATTRIBUTE_LANGUAGE, "TypeScript"},
        {"x.js", ATTRIBUTE_VENDORED, "unsaid"},
        {"x.js", ATTRIBUTE_GENERATED, "true"},
        {"a/x.js", ATTRIBUTE_VENDORED, "true"},
        {"a/x.js", ATTRIBUTE_LANGUAGE, "TypeScript"},
        {"a/y/x.js", ATTRIBUTE_VENDORED, "true"},
        {"a/b.js", ATTRIBUTE_VENDORED, "false"},
        {"a/y/b.js", ATTRIBUTE_VENDORED, "true"},
        {"a/sub/x.js", ATTRIBUTE_VENDORED, "false"},
        {"b/a/x.js", ATTRIBUTE_VENDORED, "unsaid"},
        {"x.near", ATTRIBUTE_LANGUAGE, "C"},
        {"a/x.near", ATTRIBUTE_LANGUAGE, "Go"}, /* the nearer file wins, whichever was read first */
        {"b/x.near", ATTRIBUTE_LANGUAGE, "C"},
        {"gen/a/b.c", ATTRIBUTE_GENERATED, "true"},
        {"x/gen/a.c", ATTRIBUTE_GENERATED, "unsaid"},
        {"a.rb", ATTRIBUTE_VENDORED, "unsaid"},
        {"!a.rb", ATTRIBUTE_VENDORED, "unsaid"},
        {"folder/a.c", ATTRIBUTE_VENDORED, "unsaid"},
        {"with blank.c", ATTRIBUTE_DOCUMENTATION, "true"},
        {"\303\244.c", ATTRIBUTE_DOCUMENTATION, "true"},
        {"a.made", ATTRIBUTE_GENERATED, "true"},
        {"a.made", ATTRIBUTE_VENDORED, "true"},
        {"no.made", ATTRIBUTE_VENDORED, "unsaid"},
        {"a.py", ATTRIBUTE_DETECTABLE, "unsaid"},
        {"a.bin", ATTRIBUTE_FILTER, "lfs"},
        {"a.x", ATTRIBUTE_LANGUAGE, ""},
        {"a.last", ATTRIBUTE_VENDORED, "true"},
        {"a.txt", ATTRIBUTE_VENDORED, "unsaid"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (strcmp(said(all, cases[i].path, cases[i].name), cases[i].says) != 0)
            fail_msg("%s: %s", cases[i].path, said(all, cases[i].path, cases[i].name));
    }
    rb_arena_free(arena);
}

static void a_macro_may_name_itself(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct attributes *all = attributes_new(arena);
    add(all, ".gitattributes",
        "[attr]a b linguist-vendored\n[attr]b a\n[attr]a a b linguist-vendored\n* a\n");
    /* Only the root defines macros. */
    add(all, "x/.gitattributes", "[attr]c linguist-generated\n* c\n");
    assert_string_equal(said(all, "y", ATTRIBUTE_VENDORED), "true");
    assert_string_equal(said(all, "x/y", ATTRIBUTE_GENERATED), "unsaid");
    rb_arena_free(arena);
}

static void too_many_rules_are_cut_off(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct attributes *all = attributes_new(arena);
    for (int i = 0; i < ATTRIBUTE_RULES_MAX + 10; i++)
        add(all, ".gitattributes", i == 0 ? "first linguist-vendored\n" : "*.c linguist-vendored\n");
    char *line = rb_malloc(5000);
    memset(line, 'a', 4999);
    line[4999] = 0;
    add(all, ".gitattributes", line);
    free(line);
    assert_string_equal(said(all, "first", ATTRIBUTE_VENDORED), "true");
    rb_arena_free(arena);
}

static void give(struct rb_language_tree *all, size_t entry, const char *content)
{
    rb_language_tree_read(all, entry, content, strlen(content));
}

static void attributes_overrule(void **state)
{
    (void)state;
    static const struct made rows[] = {
        {".gitattributes", 100, 0, "-Git Attributes"},
        {"a.js", 10, 0, "TypeScript"},
        {"b.inc", 10, 0, "PHP"},
        {"c.golang", 10, 0, "Go"},
        {"d.json", 10, 0, "JSON"},
        {"docs/a.py", 10, 0, "Python"},
        {"e.odd", 10, 0, "none"},
        {"gen/a.c", 10, 0, "-C"},
        {"large.c", 130, 0, "-C"},
        {"off.c", 10, 0, "-C"},
        {"vendor/own/a.c", 10, 0, "C"},
        {"vendor/x/a.c", 10, 0, "-C"},
        {"x/y.pb.go", 10, 0, "Go"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_language_tree *all = make_languages(rows, COUNT(rows), arena);
    struct rb_language_wanted wanted[RB_LANGUAGE_WANTED_MAX];
    assert_true(rb_language_tree_wanted(all, wanted) >= 1);
    assert_int_equal(wanted[0].entry, 0);
    give(all, 0,
         "*.js linguist-language=TypeScript\n*.inc linguist-language=php\n*.golang linguist-language=golang\n"
         "*.odd linguist-language=Nothing-Known\nd.json linguist-detectable\noff.c -linguist-detectable\n"
         "docs/** -linguist-documentation\ngen/* linguist-generated\nvendor/own/** linguist-vendored=false\n"
         "*.pb.go -linguist-generated\nlarge.c filter=lfs\n");
    rb_language_tree_settle(all);
    check_tree(all, rows, COUNT(rows));
    for (size_t i = 1; i < COUNT(rows); i++) {
        bool counts = rows[i].language[0] != '-' && strcmp(rows[i].language, "none") != 0;
        if (rb_language_tree_counts(all, i) != counts)
            fail_msg("%s", rows[i].path);
    }
    rb_arena_free(arena);
}

/* ---- contents ----------------------------------------------------------------------------------------- */

static void contents_tell_their_language(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"run", "#!/bin/sh\n", "Shell"},
        {"run", "#!/usr/bin/env python3\n", "Python"},
        {"run", "#! /usr/bin/env -S A=b node --harmony\n", "JavaScript"},
        {"run", "#!/usr/bin/perl -w\n", "Perl"},
        {"run", "#!/opt/python3.11\n", "Python"},
        {"run", "#!/bin/sh\n# a comment\nexec ruby \"$0\" \"$@\"\n", "Ruby"},
        {"run", "#!/bin/sh\nexec ruby other $@ \n", "Shell"},
        {"run", "#!", "none"},
        {"run", "#!/usr/bin/env", "none"},
        {"run", "no program", "none"},
        {"a.txt", "#!/usr/bin/env python\n", "Python"},
        {"a.inc", "-*- php -*-\n", "PHP"},
        {"a", "x\n// -*- tab-width: 4; mode: c++; -*-\n", "C++"},
        {"a.txt", "a\nb\nc\nd\ne\nf\n# vim: set ft=ruby :\n", "Ruby"},
        {"a.c", "/* vim: ts=4 filetype=cpp */\n", "C++"},
        {"a.c", "1\n2\n3\n4\n5\n6\n// vim: ft=ruby\n7\n8\n9\n10\n11\n12\n", "C"},
        {"a.h", "int x;\n", "C"},
        {"a.h", "#include <vector>\n", "C++"},
        {"a.h", "class X\n{\n};\n", "C++"},
        {"a.h", "@interface X\n@end\n", "Objective-C"},
        {"a.m", "% octave\n", "MATLAB"},
        {"a.m", "#import \"x.h\"\n", "Objective-C"},
        {"a.pl", ":- module(x, []).\n", "Prolog"},
        {"a.pl", "use strict;\n", "Perl"},
        {"a.sql", "SELECT 1;\n", "SQL"},
        {"a.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\n", "PLpgSQL"},
        {"a.sql", "DECLARE @x int\nGO\n", "TSQL"},
        {"a.ts", "<?xml?>\n<TS version=\"2.0\">\n", "XML"},
        {"a.ts", "let x = 1;\n", "TypeScript"},
        {"a.v", "module m(input a);\n", "Verilog"},
        {"a.v", "Proof.\n", "Rocq Prover"},
        {"a.r", "x <- 1\n", "R"},
        {"a.md", "# Title\n", "Markdown"},
        {"a.rs", "fn main() {}\n", "Rust"},
        {"a.tpl", "{$name}\n", "Smarty"},
        {"a.tpl", "{{ define \"x\" }}\n", "Go Template"},
        {"hosts.txt", "127.0.0.1 localhost\n", "Hosts File"},
        {"list.txt", "[Adblock Plus 2.0]\n", "Adblock Filter List"},
        {"help.txt", "x\n vim:tw=78:ft=help:\n", "Vim Help File"},
        {"a.1", ".TH GIT 1\n.SH NAME\n", "Roff Manpage"},
        {"a.1", "text\n", "Text"},
        {"a.sol", "pragma solidity ^0.8.0;\n", "Solidity"},
        {"a.yml", "a: 1\n", "YAML"},
        {"data.unknown", "<?xml version=\"1.0\"?>\n", "XML"},
        {"a.py", "x = 1\n", "Python"},
        {"a.php", "<?php echo 1;\n", "PHP"},
        {"a.php", "<?hh // strict\n", "Hack"},
        {"Makefile", "#!/usr/bin/make -f\n", "Makefile"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rb_language_reading reading = rb_language_read(cases[i][0], cases[i][1], strlen(cases[i][1]));
        if (strcmp(name_of(reading.language), cases[i][2]) != 0 || !reading.is_settled)
            fail_msg("%s (%s) is %s", cases[i][0], cases[i][1], name_of(reading.language));
        if (reading.is_generated)
            fail_msg("%s (%s) is generated", cases[i][0], cases[i][1]);
    }
    struct rb_language_reading binary = rb_language_read("a.c", "int\0x", 5),
                               empty = rb_language_read("a", "", 0);
    assert_int_equal(binary.language, RB_LANGUAGE_NONE);
    assert_true(binary.is_settled);
    assert_int_equal(empty.language, RB_LANGUAGE_NONE);
    /* Linguist would now compare with samples: the neighbours decide. */
    assert_false(rb_language_read("a.inc", "x", 1).is_settled);
}

static void contents_tell_what_made_them(void **state)
{
    (void)state;
    static char minified[4001], plain[4001];
    memset(minified, 'x', 4000);
    memset(plain, 'x', 4000);
    for (size_t i = 99; i < 4000; i += 100)
        plain[i] = '\n';
    static const struct {
        const char *path, *content;
        bool generated;
    } cases[] = {
        {"a.js", minified, true},
        {"a.css", minified, true},
        {"a.c", minified, false},
        {"a.js", plain, false},
        {"a.js", "x\n//# sourceMappingURL=a.js.map\n", true},
        {"a.js", "// Generated by CoffeeScript 1.9\n", true},
        {"a.js", "(function() {\n  var _i, _len, _ref;\n}).call(this);\n", true},
        {"a.js", "(function() {\n  var x;\n}).call(this);\n", false},
        {"a.js", "/*\n * Generated by PEG.js 0.8.0.\n */\n", true},
        {"a.go", "package a\n// Code generated by x. DO NOT EDIT.\n", true},
        {"a.go", "package a\n// not Code generated by x.\n", false},
        {"a_pb2.py", "# -*- x\n# Generated by the protocol buffer compiler.  DO NOT EDIT!\n", true},
        {"a.txt", "// Generated by the protocol buffer compiler.  DO NOT EDIT!\nx\n", false},
        {"a.c", "/* Generated by Cython 0.29 */\nx\n", true},
        {"a.h", "/* DO NOT EDIT THIS FILE - it is machine generated */\n#include <jni.h>\nx\n", true},
        {"a.dart", "// GENERATED CODE - DO NOT MODIFY BY HAND\nx\n", true},
        {"a.html", "<html>\n<meta name=\"generator\" content=\"Org mode\" />\n", true},
        {"a.html", "<html>\n<meta name=\"generator\" content=\"Hugo 0.1\" />\n", false},
        {"a.html", "<html>\n<!-- Generated by Doxygen 1.8.13 -->\n", true},
        {"a.ps", "%!PS\n%%Creator: dvips 5.9\n", true},
        {"a.ps", "%!PS\n%%Creator: somebody\n", false},
        {"a.rbi", "# typed: true\n\n# DO NOT EDIT MANUALLY\n#\n# Please run `bin/tapioca gem`\n", true},
        {"a.yml", "a:\nrecorded_with: VCR 2\n", true},
        {"a.xml", "<?xml?>\n<doc>\n<assembly>\n</doc>\n", true},
        {"ppport.h", "1\n2\n3\n4\n5\n6\n7\n8\n   Automatically created by Devel::PPPort\n10\n11\n", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (rb_language_read(cases[i].path, cases[i].content, strlen(cases[i].content)).is_generated !=
            cases[i].generated)
            fail_msg("%s: %.60s", cases[i].path, cases[i].content);
    }
}

static void hostile_contents_cost_little(void **state)
{
    (void)state;
    static const char *const paths[] = {"a.pl", "a.h",   "a.d",   "a.app", "a.txt", "a.js", "a.html",
                                        "a.ps", "a.cls", "a.sql", "a.inc", "a.m",   "run",  "a.ftl"};
    static const char *const units[] = {"a",    "\n",       "-*- ", "*/",   "<meta ",
                                        "#!/ ", "vim: ft=", "{",    "a\n(", ":-"};
    enum { LEN = RB_LANGUAGE_READ_BYTES };
    char *content = rb_malloc(LEN);
    int64_t start = rb_clock_ms();
    for (size_t u = 0; u < COUNT(units); u++) {
        size_t len = strlen(units[u]);
        for (size_t i = 0; i < LEN; i++)
            content[i] = units[u][i % len];
        for (size_t i = 0; i < COUNT(paths); i++)
            rb_language_read(paths[i], content, LEN);
    }
    /* 140 readings of 128 KiB; what goes back in the text takes minutes for one of them. Far above what it
     * takes under a sanitizer, too. */
    assert_true(rb_clock_ms() - start < 60000);
    free(content);
}

static void what_was_read_decides(void **state)
{
    (void)state;
    static const struct made rows[] = {
        {"a.go", 50000, 0, "-Go"},         {"app.js", 90000, 0, "-JavaScript"},
        {"b.pb.go", 50000, 0, "Go"},       {"db/1.sql", 9000, 0, "PLpgSQL"},
        {"db/2.sql", 100, 0, "PLpgSQL"}, /* not read: as those beside it */
        {"m.sql", 100, 0, "PLpgSQL"},      {"run", 9000, RB_ENTRY_EXECUTABLE, "Python"},
        {"x.h", 9000, 0, "C++"},           {"y.h", 5000, 0, "C"},
        {"z.js", 11000, 0, "-JavaScript"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_language_tree *all = make_languages(rows, COUNT(rows), arena);
    struct rb_language_wanted wanted[RB_LANGUAGE_WANTED_MAX];
    size_t count = rb_language_tree_wanted(all, wanted);
    static const char *const expected[] = {"app.js", "a.go", "b.pb.go", "db/1.sql",
                                           "run",    "x.h",  "y.h",     "z.js"};
    for (size_t i = 0; i < COUNT(expected); i++) {
        bool found = false;
        for (size_t k = 0; k < count; k++)
            found = found || strcmp(rows[wanted[k].entry].path, expected[i]) == 0;
        if (!found)
            fail_msg("%s is not wanted", expected[i]);
    }
    assert_string_equal(rows[wanted[0].entry].path, "app.js");
    char minified[200];
    memset(minified, 'x', sizeof minified);
    give(all, 0, "package a\n// Code generated by x\n");
    rb_language_tree_read(all, 1, minified, sizeof minified);
    give(all, 2, "package b\nfunc x() {}\n");
    give(all, 3, "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\n");
    give(all, 6, "#!/usr/bin/env python\n");
    give(all, 7, "namespace x {\n");
    give(all, 8, "int y;\n");
    rb_language_tree_read(all, 9, minified, sizeof minified);
    rb_language_tree_settle(all);
    check_tree(all, rows, COUNT(rows));
    assert_true(rb_language_tree_counts(all, 2));
    rb_arena_free(arena);
}

/* Programs without an extension: by what was read beside them, by their folder, by the repository. */
static void programs_are_like_their_neighbours(void **state)
{
    (void)state;
    static const struct made rows[] = {
        {".husky/pre-commit", 50, RB_ENTRY_EXECUTABLE, "none"},
        {".githooks/pre-push", 50, 0, "Shell"},
        {"benchmark/a.rb", 100, 0, "Ruby"},
        {"benchmark/hash-fetch", 300, RB_ENTRY_EXECUTABLE, "Ruby"},
        {"bin/console", 300, RB_ENTRY_EXECUTABLE, "PHP"},
        {"compose/web/start", 90, 0, "Shell"},
        {"compose/web/startup", 90, 0, "none"},
        {"script/bootstrap", 90, RB_ENTRY_EXECUTABLE, "Shell"},
        {"scripts/a.pl", 1000, 0, "Perl"},
        {"scripts/a.sh", 900, 0, "Shell"},
        {"scripts/delta", 900, RB_ENTRY_EXECUTABLE, "Perl"},
        {"src/a.php", 100, 0, "PHP"},
        {"src/a.rb", 90000, 0, "Ruby"},
        {"tools/one", 5000, RB_ENTRY_EXECUTABLE, "Perl"},
        {"tools/two", 10, RB_ENTRY_EXECUTABLE, "Perl"}, /* not read: as the one beside it */
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_language_tree *all = make_languages(rows, COUNT(rows), arena);
    assert_string_equal(name_of(rb_language_tree_of(all, 14)), "Shell");
    give(all, 13, "#!/usr/bin/env perl\n");
    rb_language_tree_settle(all);
    check_tree(all, rows, COUNT(rows));
    rb_arena_free(arena);
}

/* What a name only makes suspect is as those of its kind that were read, in the nearest folder where some
 * were, and is judged again with each that is; another project's are not asked. */
static void suspects_are_as_those_that_were_read(void **state)
{
    (void)state;
    static const struct made rows[] = {
        {"a/lib/deep/team.g.dart", 900, 0, "Dart"}, {"a/lib/link.g.dart", 9000, 0, "Dart"},
        {"a/lib/made.g.dart", 900, 0, "Dart"},      {"a/lib/user.g.dart", 900, 0, "Dart"},
        {"a/x.pb.dart", 900, 0, "-Dart"},           {"b/lib/user.g.dart", 900, 0, "-Dart"},
        {"chat.js", 490000, 0, "-JavaScript"},      {"main.js", 90000, 0, "JavaScript"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_language_tree *all = make_languages(rows, COUNT(rows), arena);
    for (size_t i = 0; i < 4; i++)
        assert_false(rb_language_tree_counts(all, i));
    give(all, 1, "// Copyright\n//\n//\n//\n// GENERATED CODE - DO NOT MODIFY BY HAND\n");
    rb_language_tree_settle(all);
    check_tree(all, rows, COUNT(rows));
    for (size_t i = 0; i < 4; i++)
        assert_true(rb_language_tree_counts(all, i));
    assert_true(rb_language_tree_counts(all, 7));
    give(all, 2, "// GENERATED CODE - DO NOT MODIFY BY HAND\n"); /* as many of either kind now */
    rb_language_tree_settle(all);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rb_language_tree_counts(all, i), i == 1);
    rb_arena_free(arena);
}

/* A hundred tests of one extension say of each other what they are: they leave places to what else is open.
 */
static void one_kind_does_not_take_all_places(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct made rows[202];
    for (size_t i = 0; i < 200; i++)
        rows[i] = (struct made){rb_arena_printf(arena, "t/%03zu.t", i), 20000, 0, "Perl"};
    rows[200] = (struct made){"u/popper.js", 18000, 0, "JavaScript"};
    rows[201] = (struct made){"x/morbo", 2000, RB_ENTRY_EXECUTABLE, "Shell"};
    struct rb_language_tree *all = make_languages(rows, COUNT(rows), arena);
    struct rb_language_wanted wanted[RB_LANGUAGE_WANTED_MAX];
    size_t count = rb_language_tree_wanted(all, wanted), tests = 0, at[2] = {0};
    for (size_t i = 0; i < count; i++) {
        tests += wanted[i].entry < 200;
        if (wanted[i].entry >= 200)
            at[wanted[i].entry - 200] = i + 1;
    }
    assert_in_range(at[0], 1, 20);
    assert_in_range(at[1], 1, 60);
    assert_int_equal(tests, count - 2);
    rb_arena_free(arena);
}

static void equal_blobs_are_read_once(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree_entry entries[200];
    for (size_t i = 0; i < COUNT(entries); i++) {
        entries[i] = (struct rb_tree_entry){
            .path = rb_arena_printf(arena, "%03zu/run", i), .kind = RB_ENTRY_EXECUTABLE, .size = 1000};
        snprintf(entries[i].sha, sizeof entries[i].sha, "%040zu", i % 2);
    }
    struct rb_tree tree = {.entries = entries, .count = COUNT(entries), .complete = true};
    struct rb_language_tree *all = rb_language_tree_new(&tree, arena);
    struct rb_language_wanted wanted[RB_LANGUAGE_WANTED_MAX];
    assert_int_equal(rb_language_tree_wanted(all, wanted), 2);
    give(all, wanted[0].entry, "#!/usr/bin/env ruby\n");
    rb_language_tree_settle(all);
    assert_string_equal(name_of(rb_language_tree_of(all, 198)), "Ruby");
    assert_string_equal(name_of(rb_language_tree_of(all, 199)), "Shell");
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_hold_what_linguist_knows),
        cmocka_unit_test(every_key_is_found_by_itself),
        cmocka_unit_test(every_pattern_is_one),
        cmocka_unit_test(names_tell_their_language),
        cmocka_unit_test(neighbours_settle_what_names_leave_open),
        cmocka_unit_test(a_file_of_one_kind_of_project_decides),
        cmocka_unit_test(globs_match_as_gits),
        cmocka_unit_test(attributes_are_read_as_git_reads_them),
        cmocka_unit_test(a_macro_may_name_itself),
        cmocka_unit_test(too_many_rules_are_cut_off),
        cmocka_unit_test(attributes_overrule),
        cmocka_unit_test(contents_tell_their_language),
        cmocka_unit_test(contents_tell_what_made_them),
        cmocka_unit_test(hostile_contents_cost_little),
        cmocka_unit_test(what_was_read_decides),
        cmocka_unit_test(programs_are_like_their_neighbours),
        cmocka_unit_test(suspects_are_as_those_that_were_read),
        cmocka_unit_test(one_kind_does_not_take_all_places),
        cmocka_unit_test(equal_blobs_are_read_once),
    };
    return cmocka_run_group_tests_name("language", tests, NULL, NULL);
}
