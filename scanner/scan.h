/*
 * scanner: the judgement, as pure functions.
 *
 * A scan is made in three steps, and only the middle one needs the network: rb_scan_survey() reads the file
 * list (languages, structure, key files, which files are worth reading), rb_scan_take() takes the content of
 * one of these, rb_scan_profile() gives the JSON. Everything that enters is hostile: paths are any
 * bytes, manifests are whatever somebody committed. What leaves is valid UTF-8 of bounded size.
 */
#ifndef RB_SCANNER_SCAN_H
#define RB_SCANNER_SCAN_H

#include <jansson.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/repo/path.h"
#include "lib/store/store.h"
#include "scanner/text.h"

#define RB_SCAN_MANIFESTS_MAX    2500     /* 25 requests of a hundred; the most that were seen are 1,609 */
#define RB_SCAN_READ_BYTES       33554432 /* of the files of one scan, by the sizes in the tree */
#define RB_SCAN_SKIPPED_MAX      200 /* listed one by one, of each kind a quarter; the others are counted */
#define RB_SCAN_MANIFEST_BYTES   1048576  /* no hand-written manifest comes near */
#define RB_SCAN_LOCK_BYTES       16777216 /* of a lock file: the largest known have 5 MB */
#define RB_SCAN_LARGE_MAX        2 /* files that no query gives: a request each, nearly all are lock files */
#define RB_SCAN_DEPENDENCIES_MAX 15000  /* that manifests name: about 4 MB of profile */
#define RB_SCAN_INDIRECT_MAX     20000  /* that only lock files name: about 4 MB of profile */
#define RB_SCAN_LOCKED_MAX       50000  /* packages of all lock files; the largest known have some 5,000 */
#define RB_SCAN_EDGES_MAX        200000 /* "needs" between packages of all lock files: 3 MB */
#define RB_SCAN_PACKAGES_MAX     2500   /* packages that lie in this repository */
#define RB_SCAN_COMMANDS_MAX     64     /* scripts and entry points of one package */
#define RB_SCAN_KEY_FILES_MAX    100    /* for a person to look at */
#define RB_SCAN_TOP_MAX          100    /* folders of the root that are listed */
#define RB_SCAN_SIGNS_MAX        1000   /* words of files that rules know; a hundred packages have 300 */
#define RB_SCAN_EVIDENCE_MAX     5      /* places that show one technology: enough to look it up */
#define RB_SCAN_WORKSPACES_MAX   100    /* folders that one technology is used in */
#define RB_SCAN_NAME_MAX         256    /* bytes of a package name or requirement; longer ones are cut */
#define RB_SCAN_PATH_MAX         1024   /* bytes of a path in the profile; longer ones are cut */

/* ---- what a manifest says ----------------------------------------------------------------------------- */

struct rb_scan_dependency {
    const char *ecosystem; /* static */
    const char *name;
    const char *requirement; /* as written; "" for any */
    const char *version;     /* the one a lock file names; "" when there is none. Set by settling */
    const char *kind;        /* static: one of RB_KIND_… */
    const char *manifest;
    int line;      /* of the manifest, that names it; 0: not known */
    bool indirect; /* wanted by another dependency, not by this repository (go.mod, lock files) */
    bool aside;    /* from an example, a test or the documentation: says little about the repository itself */
    bool local;    /* a package of this very repository */
    bool offered; /* a version that other manifests may refer to (central versions, catalogues, workspaces) */
    const char *alias; /* "libs.a.b" of a Gradle catalogue, "catalog:x" of an npm one: the offer's, or which
                          one  is wanted; else NULL */
    const char *override; /* what is asked for instead, by the root of its workspace; NULL: as written */
    const char *artifact; /* what its registry calls it ("org:name_2.13" of sbt's "org:name"); "": not known;
                             NULL: as its name */
    const char *marker;   /* when it applies, as written: "python_version < '3.8'"; "" for always */
};
#define RB_KIND_RUNTIME  "runtime"
#define RB_KIND_DEV      "dev"
#define RB_KIND_BUILD    "build"
#define RB_KIND_PEER     "peer"
#define RB_KIND_OPTIONAL "optional"
#define RB_KIND_TEST     "test"

/* A package as a lock file has it. The lock speaks for the manifests of its ecosystem in its own folder and
 * in those below, where no nearer lock does. */
struct rb_scan_locked {
    const char *ecosystem; /* static */
    const char *name;
    const char *version;
    const char *requirement; /* what asked for it, where the lock says so (yarn.lock); "" when it does not */
    const char *member; /* folder of the only workspace that it is for, from the lock's ("." is the lock's
                           own); "" for all */
    const char *wanter; /* name of the only package of this repository that it is for; "" for all */
    const char *kind;   /* static: one of RB_KIND_…, as the lock says; RUNTIME when it does not */
    bool is_for;        /* the lock says itself what it is for: `kind` stands */
    const char *lock;   /* path of the lock file */
    bool local;         /* a package of this very repository: no dependency */
    bool direct;        /* the lock says that this repository itself asks for it */
    bool inner;         /* only other packages have it so: answers no manifest */
    bool weak;          /* of requirements that a tool compiled, which are dependencies themselves: answers
                           where no lock file does */
    bool aside;         /* as the lock */
};

/* One package of a lock needs another: hashes of lock and name. */
struct rb_scan_edge {
    uint64_t from, to;
};

/* A package that lies in this repository, as its manifest describes it. */
struct rb_scan_command {
    const char *name;    /* "test", "build"; of an entry point its public name, or "" */
    const char *command; /* as written; of an entry point a path or what is called, "shop.main:app" */
};
struct rb_scan_package {
    const char *ecosystem; /* static */
    const char *name;      /* "" where the manifest gives none */
    const char *version;   /* "" where it gives none, or one that is made at build time */
    const char *licence;   /* as written, often an SPDX expression; "" */
    const char *manager;   /* the tool it asks for, as written: "pnpm@9.1.0"; "" */
    const char *engine;    /* what it runs on: "node >=18", "python >=3.9"; "" */
    const char *manifest;
    struct rb_scan_command *scripts, *entries; /* NULL when there are none */
    size_t script_count, entry_count;
};

/* A word in a file that shows a technology: the name of a variable, a key of its configuration. */
struct rb_scan_sign {
    uint16_t technology;
    const char *where; /* static: "env", "key" (of package.json), "table" (of pyproject.toml), "resource"
                          (Terraform) */
    const char *word, *path;
    int line; /* 0 when unknown */
};

/* Where the parsers put what they find. */
struct rb_scan_sheet {
    struct rb_arena *arena;
    struct rb_scan_sign *signs;
    size_t sign_count;
    struct rb_scan_dependency *items;
    size_t count, capacity;
    size_t indirect_count; /* of them, that only lock files name */
    bool truncated;        /* more than one of the numbers above */
    struct rb_scan_locked *locked;
    size_t locked_count, locked_capacity;
    struct rb_scan_edge *edges;
    size_t edge_count, edge_capacity;
    struct rb_scan_package *packages;
    size_t package_count, package_capacity;
    size_t members;        /* packages that the manifests declare as parts of this repository */
    const char *manifest;  /* path of the one being read */
    const char *ecosystem; /* of the one being read */
    bool aside;            /* of the one being read */
    bool is_hidden;        /* the one being read is for the tools: no package is made of it */
    /* What the parsers of an ecosystem keep of their files until all were read; theirs alone. */
    struct rb_go_work *go_works;
    struct rb_cargo_file *cargo_files;
    struct rb_maven *maven;
    struct rb_gradle *gradle;
    struct rb_nuget *nuget;
    struct rb_npm *npm;
    struct rb_sbt *sbt;
    /* What files say besides dependencies (facts.h). */
    struct rb_scan_facts *facts;
};
void rb_scan_sheet_init(struct rb_scan_sheet *sheet, struct rb_arena *arena);
/* Adds a dependency of the manifest being read. Text need not be UTF-8 or terminated; credentials in
 * addresses are left out; an empty name is ignored. Returns it, or NULL when there is no place or no name. */
struct rb_scan_dependency *rb_scan_add(struct rb_scan_sheet *sheet, const char *name, size_t name_len,
                                       const char *requirement, size_t requirement_len, const char *kind);
/* The same with terminated strings; NULL is "". */
struct rb_scan_dependency *rb_scan_add_text(struct rb_scan_sheet *sheet, const char *name,
                                            const char *requirement, const char *kind);
/* Looks up the lines of what the manifest being read has added: dependencies from `first` on, and signs. */
void rb_scan_find_lines(struct rb_scan_sheet *sheet, size_t first, size_t first_sign, const char *text,
                        size_t len);
/* Notes a package of the lock file being read; its further fields are the caller's to fill. NULL when there
 * is no place, no name or no version. */
struct rb_scan_locked *rb_scan_lock(struct rb_scan_sheet *sheet, const char *name, size_t name_len,
                                    const char *version, size_t version_len);
/* Notes that in the lock file being read, package `from` needs package `to`. For locks that do not say what
 * each package is for: it follows from who needs it. */
void rb_scan_lock_needs(struct rb_scan_sheet *sheet, struct rb_piece from, struct rb_piece to);
/* Spreads levels (by position in sheet->locked; 0 is unknown, up to this, the higher wins) to all that is
 * needed. */
#define RB_SCAN_LEVEL_MAX 3
void rb_scan_reach(const struct rb_scan_sheet *sheet, uint8_t *levels);
/* Adds what only a lock file names: as indirect, unless the lock says otherwise. False when there is no
 * place. */
bool rb_scan_add_indirect(struct rb_scan_sheet *sheet, const struct rb_scan_locked *locked);
/* Notes that the manifest being read is that of the package `name`; once a manifest, before its scripts and
 * entry points. NULL when there is no place, or the manifest is hidden. Any text may be NULL or "". */
struct rb_scan_package *rb_scan_add_package(struct rb_scan_sheet *sheet, const char *name,
                                            const char *version, const char *licence);
/* Notes a word of the file being read, where a rule knows it (scanner/rules/); `where` as in a sign. */
void rb_scan_add_sign(struct rb_scan_sheet *sheet, const char *where, const char *word, size_t len, int line);
/* The same with each key of `object`, "above.key" (no dot where nothing is above), and each "key.inner" and
 * "key=text" of it, where text ends before an '@'. */
void rb_scan_add_keys(struct rb_scan_sheet *sheet, const char *where, const char *above,
                      const json_t *object);
/* What people may run of it, and where it begins; `package` may be NULL. */
void rb_scan_add_script(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const char *name,
                        const char *command);
void rb_scan_add_entry(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const char *name,
                       const char *target);
/* A requirement made fit for the sheet: trimmed, bounded, without credentials. */
const char *rb_scan_requirement(struct rb_scan_sheet *sheet, const char *text, size_t len);

/*
 * One way of writing manifests. `parse` gets a zero-terminated text of at most rb_scan_format_bytes(), adds
 * what it finds to the sheet, and gives RB_EINVAL with rb_error_text() when it cannot read it; what it found
 * until then stays. NULL: the file is only noted (setup.py is a program).
 */
typedef rb_err (*rb_scan_parse_fn)(struct rb_scan_sheet *sheet, const char *text, size_t len);
struct rb_scan_format {
    const char *name;      /* in the profile, for tests and messages */
    const char *ecosystem; /* "" where it names no dependencies */
    rb_scan_parse_fn parse;
    bool is_package; /* one of these in a folder makes that folder a package */
    bool is_lock;    /* names versions; may have RB_SCAN_LOCK_BYTES */
};
size_t rb_scan_format_bytes(const struct rb_scan_format *format); /* how large a file of it may be */
/* The format of a file, by its path; NULL when it is no manifest. */
const struct rb_scan_format *rb_scan_format_of(const char *path);

/* The parsers, each in the file of its ecosystem. */
rb_err rb_env_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_npm_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_npm_catalog_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_npm_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_yarn_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pnpm_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_bun_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_deno_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_deno_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pyproject_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pipfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_setup_cfg_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_setup_py_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_requirements_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_python_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pylock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pipfile_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gomod_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gowork_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_cargo_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_cargo_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_maven_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gradle_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gradle_names_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gradle_properties_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gradle_catalog_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gradle_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_sbt_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_composer_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gemfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gemspec_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_nuget_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_nuget_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_dotnet_global_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_dotnet_tools_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_dotnet_sln_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_dotnet_slnx_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_paket_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_paket_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_actions_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_composer_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_gemfile_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_precommit_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_mix_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_mix_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_rebar_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_rebar_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pubspec_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pubspec_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_melos_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_swift_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_swift_resolved_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_xcode_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_podfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_podfile_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_podspec_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_conda_environment_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_conda_recipe_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pixi_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_pixi_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_conda_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_cmake_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_vcpkg_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_conan_text_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_conan_python_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_conan_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_dockerfile_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_ci_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_flake_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_flake_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_compose_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_chart_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_chart_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_values_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_terraform_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);
rb_err rb_terraform_lock_parse(struct rb_scan_sheet *sheet, const char *text, size_t len);

/* One requirement as Python writes it (PEP 508: name, extras, versions or address, marker), added to the
 * sheet. NULL when it names no package. */
struct rb_scan_dependency *rb_python_requirement(struct rb_scan_sheet *sheet, const char *text, size_t len,
                                                 const char *kind);
/* The name as Python compares names (PEP 503): "My.Pkg" is "my-pkg". */
const char *rb_python_name(struct rb_scan_sheet *sheet, const char *name);
/* rb_scan_add_package() with the name as Python compares names. */
struct rb_scan_package *rb_python_add_package(struct rb_scan_sheet *sheet, const char *name,
                                              const char *version, const char *licence);
/* "command = package.module:function" as an entry point. */
void rb_python_add_entry(struct rb_scan_sheet *sheet, struct rb_scan_package *package, const char *text,
                         size_t len);
/* What the name of a group of dependencies ("tests", "docs", "lint") or of a file says they are for:
 * RB_KIND_TEST, RB_KIND_DEV, or `otherwise`. */
const char *rb_python_group_kind(const char *name, const char *otherwise);
/* Whether they are for working on the project only. */
bool rb_python_is_dev_group(const char *name);

/* ---- what a path says, besides lib/repo/path.h --------------------------------------------------------- */

bool rb_path_is_example(const char *path);   /* an example, a demo, a benchmark: not the product */
bool rb_path_is_template(const char *path);  /* filled in by a generator: no package of its own */
bool rb_path_is_hidden(const char *path);    /* below a folder whose name begins with a dot */
bool rb_path_is_container(const char *path); /* Dockerfile, compose file */
size_t rb_path_depth(const char *path);      /* folders above it */
/* The folder a file lies in, as a piece of its path without the last slash; empty in the root. */
struct rb_piece rb_path_folder(const char *path);

/* ---- technologies -------------------------------------------------------------------------------------- */

struct rb_scan_evidence {
    const char *path; /* valid UTF-8 */
    const char *what; /* "npm:react", "env:SENTRY_DSN", "key:jest", or "file": there is one of this name */
    int line;         /* 0 when unknown */
};
struct rb_scan_technology {
    const char *name, *category; /* static */
    struct rb_scan_evidence evidence[RB_SCAN_EVIDENCE_MAX];
    size_t evidence_count;
    const char **workspaces; /* folders of the packages that use it, "" for the root */
    size_t workspace_count;
    bool aside; /* seen only in examples, tests or documentation, or needed for testing only */
};

/* ---- frameworks --------------------------------------------------------------------------------------- */

/* The framework a dependency shows, or NULL. Static string. */
const char *rb_framework_of(const char *ecosystem, const char *package);

/* ---- what is read ------------------------------------------------------------------------------------- */

enum rb_manifest_status {
    RB_MANIFEST_CHOSEN,
    RB_MANIFEST_PARSED,
    RB_MANIFEST_UNREADABLE,
    RB_MANIFEST_TOO_BIG,
    RB_MANIFEST_NOTED
};
struct rb_scan_manifest {
    const struct rb_tree_entry *entry;
    const struct rb_scan_format *format;
    const char *path;       /* valid UTF-8 */
    struct rb_piece folder; /* rb_path_folder() of entry->path */
    bool aside;
    enum rb_manifest_status status;
    const char *error; /* "" when none */
};

/*
 * A file that some part of the scan wants to read: the one list from which whoever has the contents (the
 * handler, a test) reads all of them in as few requests as possible. `take` gets the whole content,
 * zero-terminated, gone when it returns; `miss`, which may be NULL, hears that it could not be had.
 */
struct rb_scan;
struct rb_scan_wanted {
    const struct rb_tree_entry *entry;
    size_t max_bytes;
    size_t index;    /* what the part calls it */
    bool is_text;    /* what is binary need not be read: it is taken as empty, and not noted as skipped */
    bool is_filling; /* only where a request has room for it, in the order of worth */
    double worth;    /* of one that fills: which part of the answer it may change. Where those that found no
                        room come to much together they get a request of their own */
    void (*take)(struct rb_scan *scan, size_t index, const char *content, size_t len);
    void (*miss)(struct rb_scan *scan, size_t index, enum rb_manifest_status status, const char *error);
};
/* Puts a file on the list, in the order of worth. False, and noted as skipped, where the bytes of this scan
 * are used up, or it is too large to be read with others and there are enough of those: `miss` is not called
 * then. */
bool rb_scan_want(struct rb_scan *scan, const struct rb_scan_wanted *wanted);
/* Takes off the list what requests have no room for, and puts it in the order in which they are filled;
 * rb_scan_survey() does it. */
void rb_scan_plan(struct rb_scan *scan);
/* The list as rb_repo_read() takes it, in the arena. */
struct rb_repo_want;
struct rb_repo_want *rb_scan_wants(const struct rb_scan *scan);
/* Requests to GitHub that the scan takes where nothing is in the cache: commit, tree, and what is listed. */
size_t rb_scan_requests(const struct rb_scan *scan);
/* For whoever reads: what file `index` of the list is, or why it could not be had. */
void rb_scan_take(struct rb_scan *scan, size_t index, const char *content, size_t len);
void rb_scan_lack(struct rb_scan *scan, size_t index, rb_err why, const char *error);

/* Why something that would have been worth reading says nothing. */
enum rb_scan_skip { RB_SKIP_SIZE, RB_SKIP_LIMIT, RB_SKIP_UNREADABLE, RB_SKIP_PARSE, RB_SKIP_KINDS };
struct rb_scan_skipped {
    const char *path; /* valid UTF-8 */
    enum rb_scan_skip why;
    int line;          /* where it cannot be parsed; 0: not known */
    const char *error; /* for a person */
};
/* Notes it. `error` may hold "line N"; it and `path` need not be UTF-8. */
void rb_scan_skip(struct rb_scan *scan, const char *path, enum rb_scan_skip why, const char *error);
/* What reading has cost; filled in by whoever read. */
struct rb_scan_usage {
    int64_t rest, graphql; /* requests to GitHub, answered or not */
    int64_t files, bytes;  /* that were read, wherever from */
    int64_t cached;        /* of these files, that were in the cache */
};
/* The part of the profile about it; a new reference. */
json_t *rb_scan_profile_read(const struct rb_scan *scan);

/* ---- the scan ----------------------------------------------------------------------------------------- */

struct rb_scan_language {
    const char *name; /* static */
    const char *type; /* static: "programming", "markup", "data", "prose" */
    int64_t files, bytes;
    int tenths;          /* share, in tenths of a percent */
    bool is_programming; /* not markup, data or prose */
};
/* A file whose content the scan would like to have; without it the answer is a little less sure. */
struct rb_scan_key_file {
    const char *path; /* valid UTF-8 */
    const char *role; /* static */
};
struct rb_scan_folder {
    const char *path;
    int64_t files, bytes;
};
struct rb_scan {
    struct rb_arena *arena;
    const struct rb_tree *tree;
    int64_t files, bytes;
    struct rb_scan_language *languages;
    size_t language_count;
    bool has_data_only; /* nothing programmed, no markup: the languages are those of data and prose */
    struct rb_language_tree *language_tree; /* what is known of each file's language (lib/repo) */
    struct rb_scan_key_file *key_files;
    size_t key_file_count;
    struct rb_scan_folder *top;
    size_t top_count;
    size_t depth;
    bool has_tests, has_docs, has_containers, is_monorepo;
    const char *ci[24]; /* static names, at most one of each kind; ends at ci_count */
    size_t ci_count;
    struct rb_scan_manifest *manifests;
    size_t manifest_count;
    size_t manifests_left_out; /* beyond RB_SCAN_MANIFESTS_MAX or RB_SCAN_READ_BYTES */
    struct rb_scan_wanted *wanted;
    size_t wanted_count, wanted_capacity;
    int64_t wanted_bytes;
    size_t large_count;              /* of them, that take a request each */
    struct rb_scan_skipped *skipped; /* the first of each kind */
    size_t skipped_count;
    size_t skips[RB_SKIP_KINDS]; /* how many there are of each */
    struct rb_scan_usage usage;
    struct rb_scan_sheet sheet;
};

/* Reads the file list. `tree` and `arena` must outlive the scan. */
void rb_scan_survey(struct rb_scan *scan, const struct rb_tree *tree, struct rb_arena *arena);
/* The parts of it, each in a file of its own. */
void rb_scan_languages(struct rb_scan *scan);
/* Wants the few files whose content can change the languages, .gitattributes first, in the order of their
 * worth; after rb_scan_languages(). */
void rb_scan_languages_want(struct rb_scan *scan);
/* Decides and counts anew, after what was wanted has come. rb_scan_settle() does it. */
void rb_scan_languages_settle(struct rb_scan *scan);
/* The language of an entry as it counts for shares; RB_LANGUAGE_NONE (-1) when it does not count. */
int rb_scan_language_of(const struct rb_scan *scan, size_t entry);
void rb_scan_structure(struct rb_scan *scan);
void rb_scan_key_files(struct rb_scan *scan);
void rb_scan_choose(struct rb_scan *scan);
/* Reads manifest `index`; only for those with status RB_MANIFEST_CHOSEN. */
void rb_scan_read(struct rb_scan *scan, size_t index, const char *content, size_t len);
/* Notes that manifest `index` could not be had. */
void rb_scan_miss(struct rb_scan *scan, size_t index, enum rb_manifest_status status, const char *error);
/* Brings together what the manifests say of each other: versions that stand elsewhere, packages of this
 * repository. After the last manifest, before the profile. */
void rb_scan_settle(struct rb_scan *scan);
/* The part of it that takes versions from lock files and adds what only those name, as indirect. */
void rb_scan_settle_locks(struct rb_scan *scan);
/* The parts of it that one ecosystem's files say of each other, each in the file of that ecosystem: versions,
 * properties and names that stand in another file, entry points that the file list shows. They run before
 * anything has moved in the sheet. */
void rb_go_settle(struct rb_scan *scan);
void rb_cargo_settle(struct rb_scan *scan);
void rb_maven_settle(struct rb_scan *scan);
void rb_gradle_settle(struct rb_scan *scan);
void rb_nuget_settle(struct rb_scan *scan);
void rb_sbt_settle(struct rb_scan *scan);
/* Once npm's catalogues have been asked: what the root of a workspace settles for all of it. After the lock
 * files, what that says by itself. */
void rb_npm_settle(struct rb_scan *scan);
void rb_npm_settle_exact(struct rb_scan_sheet *sheet);
/* The profile; a new reference. `repo` is "owner/name". */
json_t *rb_scan_profile(const struct rb_scan *scan, const char *repo);
/* One or two sentences on it; in the scan's arena. */
const char *rb_scan_summary(const struct rb_scan *scan);
/* The frameworks found, each once: names and the paths that show it. Returns how many were written. */
struct rb_scan_framework {
    const char *name, *ecosystem, *evidence;
};
size_t rb_scan_frameworks(struct rb_scan_framework *out, size_t max, const struct rb_scan *scan);
/* The technologies found, each once, in the arena: first those of the product in the order of the categories,
 * then those aside. `repo` is "owner/name". After settling. */
struct rb_scan_technology *rb_scan_technologies(size_t *count, const struct rb_scan *scan, const char *repo);

#endif
