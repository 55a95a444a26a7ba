/*
 * What a person types to install, build, test and start a workspace. Each has its evidence: a script of a
 * manifest, a target of a Makefile, or a file without which the command would not be. What a tool does by
 * itself for every project of its kind (cargo test) needs only its manifest.
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/facts.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define COMMANDS_OF_KIND 4 /* that are shown of one kind: the first is the best */

struct commands {
    const struct rb_scan *scan;
    const struct rb_workspace *workspace;
    json_t *list;
};

/* `folder` is where to type it: that of the workspace, or the root. */
static void command_put(struct commands *commands, const char *kind, const char *command, const char *folder,
                        const char *evidence)
{
    const json_t *item;
    size_t i, same = 0;
    json_array_foreach(commands->list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "command")), command) == 0)
            return;
        same += strcmp(json_string_value(json_object_get(item, "kind")), kind) == 0;
    }
    if (same == COMMANDS_OF_KIND)
        return;
    json_t *made = json_object();
    json_object_set_new(made, "kind", json_string(kind));
    json_object_set_new(made, "command", json_string(command));
    json_object_set_new(made, "folder", json_string(folder));
    json_object_set_new(made, "evidence", json_string(evidence));
    json_array_append_new(commands->list, made);
}

/* What a script or a target of this name is for; NULL when it is one of many. */
static const char *kind_of(const char *name)
{
    static const char *const table[][2] = {
        {"build", "build"},       {"compile", "build"},     {"all", "build"},       {"test", "test"},
        {"tests", "test"},        {"check", "check"},       {"test:unit", "test"},  {"test-unit", "test"},
        {"unittest", "test"},     {"start", "start"},       {"serve", "start"},     {"run", "start"},
        {"dev", "dev"},           {"develop", "dev"},       {"watch", "dev"},       {"lint", "lint"},
        {"format", "format"},     {"fmt", "format"},        {"typecheck", "check"}, {"type-check", "check"},
        {"check-types", "check"}, {"types:check", "check"}, {"docs", "docs"},       {"e2e", "test"},
        {"test:e2e", "test"},     {"test-e2e", "test"},     {"setup", "install"},   {"deps", "install"},
        {"bootstrap", "install"}};
    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(table[i][0], name) == 0)
            return table[i][1];
    }
    return NULL;
}

/* ---- the nearest file above --------------------------------------------------------------------------- */

/* The nearest of several files at or above a folder, by its path; NULL when there is none. *which tells
 * which of the names it is. */
static const char *file_above(size_t *which, const struct rb_scan *scan, struct rb_piece folder,
                              const char *const *names, size_t count)
{
    for (;;) {
        for (size_t i = 0; i < count; i++) {
            const struct rb_tree_entry *entry = rb_tree_find(scan->tree, folder, names[i]);
            if (entry) {
                *which = i;
                return rb_text_clean(scan->arena, entry->path, strlen(entry->path), RB_SCAN_PATH_MAX);
            }
        }
        if (folder.len == 0)
            return NULL;
        const char *slash = memrchr(folder.at, '/', folder.len);
        folder.len = slash ? (size_t)(slash - folder.at) : 0;
    }
}

static const char *file_here(const struct commands *commands, const char *name)
{
    const struct rb_tree_entry *entry = rb_tree_find(commands->scan->tree, commands->workspace->where, name);
    return entry ? rb_text_clean(commands->scan->arena, entry->path, strlen(entry->path), RB_SCAN_PATH_MAX)
                 : NULL;
}

/* The manifest of this ecosystem in the workspace's folder whose path ends so; NULL when there is none. */
static const struct rb_scan_manifest *manifest_here(const struct commands *commands, const char *ecosystem,
                                                    const char *end)
{
    const struct rb_piece where = commands->workspace->where;
    for (size_t i = 0; i < commands->scan->manifest_count; i++) {
        const struct rb_scan_manifest *manifest = &commands->scan->manifests[i];
        if (rb_piece_same(manifest->folder, where) && strcmp(manifest->format->ecosystem, ecosystem) == 0 &&
            rb_text_ends(manifest->entry->path, end))
            return manifest;
    }
    return NULL;
}

/* The manifest (its path) by which a dependency of the workspace or of the root is known; NULL. */
static const char *dependency_of(const struct commands *commands, const char *ecosystem, const char *name)
{
    const struct rb_piece where = commands->workspace->where;
    for (size_t i = 0; i < commands->scan->sheet.count; i++) {
        const struct rb_scan_dependency *item = &commands->scan->sheet.items[i];
        if (item->indirect || strcmp(item->ecosystem, ecosystem) != 0 || strcmp(item->name, name) != 0)
            continue;
        bool is_root = !strchr(item->manifest, '/') || rb_text_starts(item->manifest, "requirements/");
        bool is_below = strncmp(item->manifest, where.at, where.len) == 0 && item->manifest[where.len] == '/';
        if (is_root || (where.len && is_below))
            return item->manifest;
    }
    return NULL;
}

static const char *put(const struct commands *commands, const char *prefix, const char *rest)
{
    return rb_arena_printf(commands->scan->arena, "%s%s", prefix, rest);
}

/* ---- scripts and targets ------------------------------------------------------------------------------ */

const char *rb_commands_manager(const char **evidence, const struct rb_scan *scan, struct rb_piece folder)
{
    static const char *const locks[] = {"pnpm-lock.yaml",     "pnpm-workspace.yaml", "yarn.lock",
                                        "bun.lock",           "bun.lockb",           "package-lock.json",
                                        "npm-shrinkwrap.json"};
    static const char *const names[] = {"pnpm", "pnpm", "yarn", "bun", "bun", "npm", "npm"};
    const char *best = NULL;
    size_t best_len = 0, i, which;
    json_t *item;
    json_array_foreach(scan->sheet.facts->managers, i, item)
    {
        const char *file = json_string_value(json_object_get(item, "file"));
        size_t len = (size_t)(rb_path_base(file) - file);
        bool is_above = len == 0 || (len <= folder.len + 1 && memcmp(file, folder.at, len - 1) == 0 &&
                                     (len == folder.len + 1 || folder.at[len - 1] == '/'));
        if (is_above && (!best || len > best_len)) {
            best = json_string_value(json_object_get(item, "name"));
            best_len = len;
            *evidence = file;
        }
    }
    const char *lock = file_above(&which, scan, folder, locks, COUNT(locks));
    if (lock && (!best || (size_t)(rb_path_base(lock) - lock) > best_len)) {
        *evidence = lock;
        return names[which];
    }
    return best;
}

/* "pnpm test", "npm run build"; npm and bun keep short words of their own for some. */
static const char *script_command(const struct commands *commands, const char *ecosystem, const char *name)
{
    const char *evidence = NULL, *manager;
    if (strcmp(ecosystem, "composer") == 0)
        return put(commands, "composer ", name);
    if (strcmp(ecosystem, "npm") != 0)
        return NULL;
    manager = rb_commands_manager(&evidence, commands->scan, commands->workspace->where);
    if (!manager || strcmp(manager, "npm") == 0)
        return put(commands, strcmp(name, "test") == 0 || strcmp(name, "start") == 0 ? "npm " : "npm run ",
                   name);
    if (strcmp(manager, "bun") == 0)
        return put(commands, "bun run ", name);
    bool is_own = strcmp(name, "install") == 0 || strcmp(name, "setup") == 0 || strcmp(name, "deploy") == 0;
    return rb_arena_printf(commands->scan->arena, "%s %s%s", manager, is_own ? "run " : "", name);
}

/* Those of the workspace's own ecosystem, or of the others. */
static void commands_of_scripts(struct commands *commands, bool own)
{
    const struct rb_scan *scan = commands->scan;
    for (size_t i = 0; i < scan->sheet.package_count; i++) {
        const struct rb_scan_package *package = &scan->sheet.packages[i];
        const struct rb_piece where = commands->workspace->where;
        size_t len = (size_t)(rb_path_base(package->manifest) - package->manifest);
        len -= len > 0;
        bool is_own = strcmp(package->ecosystem, commands->workspace->ecosystem) == 0;
        if (len != where.len || memcmp(package->manifest, where.at, len) != 0 || is_own != own)
            continue;
        for (size_t k = 0; k < package->script_count; k++) {
            const char *kind = kind_of(package->scripts[k].name);
            const char *command =
                kind ? script_command(commands, package->ecosystem, package->scripts[k].name) : NULL;
            /* npm's own placeholder is no test. */
            if (command && !strstr(package->scripts[k].command, "no test specified"))
                command_put(commands, kind, command, commands->workspace->path, package->manifest);
        }
    }
}

static void commands_of_tasks(struct commands *commands)
{
    const struct rb_piece where = commands->workspace->where;
    const json_t *task;
    size_t i;
    json_array_foreach(commands->scan->sheet.facts->tasks, i, task)
    {
        const char *file = json_string_value(json_object_get(task, "file"));
        const char *name = json_string_value(json_object_get(task, "name"));
        const char *runner = json_string_value(json_object_get(task, "runner"));
        size_t len = (size_t)(rb_path_base(file) - file);
        len -= len > 0;
        if (!name || len != where.len || memcmp(file, where.at, len) != 0)
            continue;
        const char *kind = kind_of(name);
        /* GNU's word for running the tests. */
        if (strcmp(runner, "make") == 0 && strcmp(name, "check") == 0)
            kind = "test";
        /* A plain `make` makes the first target; "default" is called so for being it. */
        if (strcmp(name, "default") == 0)
            command_put(commands, "build", runner, commands->workspace->path, file);
        else if (kind)
            command_put(commands, kind, rb_arena_printf(commands->scan->arena, "%s %s", runner, name),
                        commands->workspace->path, file);
    }
}

/* ---- by ecosystem ------------------------------------------------------------------------------------- */

static void commands_npm(struct commands *commands)
{
    const char *evidence = NULL;
    const struct rb_scan_manifest *manifest = manifest_here(commands, "npm", "package.json");
    const char *manager =
        manifest ? rb_commands_manager(&evidence, commands->scan, commands->workspace->where) : NULL;
    /* A member of a workspace is installed with the whole. */
    if (manager && strlen(evidence) >= strlen(rb_path_base(evidence)) &&
        (size_t)(rb_path_base(evidence) - evidence) ==
            commands->workspace->where.len + (commands->workspace->where.len > 0))
        command_put(commands, "install", put(commands, manager, " install"), commands->workspace->path,
                    evidence);
}

/* What a command of Python is run by: the manager whose lock file is nearest, or nothing. */
static const char *python_runner(const char **evidence, const struct commands *commands)
{
    static const char *const locks[] = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "Pipfile"};
    static const char *const runners[] = {"uv run ", "poetry run ", "pdm run ", "pipenv run ", "pipenv run "};
    size_t which;
    *evidence = file_above(&which, commands->scan, commands->workspace->where, locks, COUNT(locks));
    return *evidence ? runners[which] : "";
}

static void python_install(struct commands *commands, const char *runner, const char *lock)
{
    static const char *const table[][2] = {{"uv run ", "uv sync"},
                                           {"poetry run ", "poetry install"},
                                           {"pdm run ", "pdm install"},
                                           {"pipenv run ", "pipenv install --dev"}};
    size_t folder = lock ? (size_t)(rb_path_base(lock) - lock) : 0, where = commands->workspace->where.len;
    for (size_t i = 0; lock && i < COUNT(table); i++) {
        if (strcmp(table[i][0], runner) == 0 && folder == where + (where > 0))
            command_put(commands, "install", table[i][1], commands->workspace->path, lock);
    }
    const char *list = file_here(commands, "requirements.txt");
    if (!lock && list)
        command_put(commands, "install", "pip install -r requirements.txt", commands->workspace->path, list);
}

static void commands_pypi(struct commands *commands)
{
    const char *lock, *path = commands->workspace->path;
    if (!manifest_here(commands, "pypi", ""))
        return;
    const char *runner = python_runner(&lock, commands), *evidence;
    python_install(commands, runner, lock);
    if (commands->workspace->tests &&
        ((evidence = file_here(commands, "pytest.ini")) || (evidence = file_here(commands, "conftest.py")) ||
         (evidence = dependency_of(commands, "pypi", "pytest"))))
        command_put(commands, "test", put(commands, runner, "pytest"), path, evidence);
    if ((evidence = file_here(commands, "tox.ini")))
        command_put(commands, "test", "tox", path, evidence);
    if ((evidence = file_here(commands, "noxfile.py")))
        command_put(commands, "test", "nox", path, evidence);
    if ((evidence = file_here(commands, "manage.py")) && dependency_of(commands, "pypi", "django")) {
        command_put(commands, "dev", put(commands, runner, "python manage.py runserver"), path, evidence);
        if (commands->workspace->tests && !dependency_of(commands, "pypi", "pytest"))
            command_put(commands, "test", put(commands, runner, "python manage.py test"), path, evidence);
    }
}

static void commands_go(struct commands *commands)
{
    const struct rb_scan_manifest *manifest = manifest_here(commands, "go", "go.mod");
    const char *path = commands->workspace->path, *main_file = file_here(commands, "main.go");
    if (!manifest)
        return;
    command_put(commands, "build", "go build ./...", path, manifest->path);
    if (commands->workspace->tests)
        command_put(commands, "test", "go test ./...", path, manifest->path);
    if (main_file)
        command_put(commands, "start", "go run .", path, main_file);
}

static void commands_cargo(struct commands *commands)
{
    const struct rb_scan_manifest *manifest = manifest_here(commands, "cargo", "Cargo.toml");
    const char *path = commands->workspace->path, *main_file = file_here(commands, "src/main.rs");
    if (!manifest)
        return;
    command_put(commands, "build", "cargo build", path, manifest->path);
    command_put(commands, "test", "cargo test", path, manifest->path);
    if (main_file)
        command_put(commands, "start", "cargo run", path, main_file);
}

/* ":services:api:test" of the folder services/api, as Gradle names it unless the settings say otherwise. */
static const char *gradle_task(const struct commands *commands, const char *wrapper, const char *task)
{
    size_t above = (size_t)(rb_path_base(wrapper) - wrapper);
    const char *path = commands->workspace->path;
    if (above > strlen(path))
        return task;
    char *name = rb_arena_printf(commands->scan->arena, ":%s:%s", path + above, task);
    for (char *at = name; *at; at++) {
        if (*at == '/')
            *at = ':';
    }
    return name;
}

static const char *folder_of_file(const struct commands *commands, const char *file)
{
    size_t len = (size_t)(rb_path_base(file) - file);
    return rb_arena_strndup(commands->scan->arena, file, len - (len > 0));
}

static void commands_maven(struct commands *commands)
{
    static const char *const wrappers[] = {"gradlew"}, *const maven_wrappers[] = {"mvnw"};
    static const char *const scripts[] = {"build.gradle", "build.gradle.kts"};
    const struct rb_piece where = commands->workspace->where;
    const char *pom = file_here(commands, "pom.xml"), *script = NULL;
    size_t which;
    for (size_t i = 0; i < COUNT(scripts) && !script; i++)
        script = file_here(commands, scripts[i]);
    if (pom) {
        const char *wrapper = file_above(&which, commands->scan, where, maven_wrappers, 1);
        const char *folder = wrapper ? folder_of_file(commands, wrapper) : commands->workspace->path;
        size_t above = wrapper ? (size_t)(rb_path_base(wrapper) - wrapper) : 0;
        const char *program = wrapper ? "./mvnw " : "mvn ";
        if (wrapper && strlen(folder) < where.len) /* a module of the build above */
            program =
                rb_arena_printf(commands->scan->arena, "./mvnw -pl %s ", commands->workspace->path + above);
        command_put(commands, "build", put(commands, program, "package"), folder, pom);
        if (commands->workspace->tests || where.len == 0)
            command_put(commands, "test", put(commands, program, "test"), folder, pom);
    }
    const char *wrapper = script ? file_above(&which, commands->scan, where, wrappers, 1) : NULL;
    if (!script)
        return;
    const char *folder = wrapper ? folder_of_file(commands, wrapper) : commands->workspace->path;
    bool is_below = wrapper && strlen(folder) < where.len;
    const char *program = wrapper ? "./gradlew " : "gradle ";
    command_put(commands, "build",
                put(commands, program, is_below ? gradle_task(commands, wrapper, "build") : "build"), folder,
                script);
    if (commands->workspace->tests || where.len == 0)
        command_put(commands, "test",
                    put(commands, program, is_below ? gradle_task(commands, wrapper, "test") : "test"),
                    folder, script);
}

static void commands_nuget(struct commands *commands)
{
    const struct rb_scan *scan = commands->scan;
    const struct rb_scan_manifest *project = manifest_here(commands, "nuget", "proj");
    const char *path = commands->workspace->path, *evidence = project ? project->path : NULL;
    for (size_t i = 0; i < scan->tree->count && !evidence && commands->workspace->where.len == 0; i++) {
        const char *file = scan->tree->entries[i].path;
        if (!strchr(file, '/') && (rb_text_ends(file, ".sln") || rb_text_ends(file, ".slnx")))
            evidence = rb_text_clean(scan->arena, file, strlen(file), RB_SCAN_PATH_MAX);
    }
    if (!evidence)
        return;
    command_put(commands, "build", "dotnet build", path, evidence);
    /* A project is one of tests by what it is built on. */
    if (commands->workspace->tests &&
        (!project || dependency_of(commands, "nuget", "Microsoft.NET.Test.Sdk")))
        command_put(commands, "test", "dotnet test", path, evidence);
}

static void commands_composer(struct commands *commands)
{
    const struct rb_scan_manifest *manifest = manifest_here(commands, "composer", "composer.json");
    const char *path = commands->workspace->path, *evidence;
    if (!manifest)
        return;
    command_put(commands, "install", "composer install", path, manifest->path);
    if ((evidence = file_here(commands, "artisan"))) {
        command_put(commands, "dev", "php artisan serve", path, evidence);
        if (commands->workspace->tests)
            command_put(commands, "test", "php artisan test", path, evidence);
    } else if ((evidence = file_here(commands, "phpunit.xml.dist")) ||
               (evidence = file_here(commands, "phpunit.dist.xml")) ||
               (evidence = file_here(commands, "phpunit.xml"))) {
        const char *program = file_here(commands, "bin/phpunit");
        command_put(commands, "test", program ? "bin/phpunit" : "vendor/bin/phpunit", path, evidence);
    }
}

static void commands_rubygems(struct commands *commands)
{
    const char *path = commands->workspace->path, *gemfile = file_here(commands, "Gemfile"), *evidence;
    if (!manifest_here(commands, "rubygems", ""))
        return;
    if (gemfile)
        command_put(commands, "install", "bundle install", path, gemfile);
    if ((evidence = file_here(commands, ".rspec")) ||
        (commands->workspace->tests && (evidence = dependency_of(commands, "rubygems", "rspec"))) ||
        (commands->workspace->tests && (evidence = dependency_of(commands, "rubygems", "rspec-rails"))))
        command_put(commands, "test", "bundle exec rspec", path, evidence);
    else if (commands->workspace->tests && (evidence = file_here(commands, "bin/rails")) &&
             file_here(commands, "config/application.rb"))
        command_put(commands, "test", "bin/rails test", path, evidence);
    if ((evidence = file_here(commands, "bin/rails")) && file_here(commands, "config/application.rb"))
        command_put(commands, "dev", "bin/rails server", path, evidence);
}

/* Tools that a single file in the folder shows. */
static void commands_by_file(struct commands *commands)
{
    static const struct {
        const char *file, *kind, *command;
        bool needs_tests;
    } table[] = {
        {"mix.exs", "install", "mix deps.get", false},
        {"mix.exs", "test", "mix test", true},
        {"Package.swift", "build", "swift build", false},
        {"Package.swift", "test", "swift test", true},
        {"build.zig", "build", "zig build", false},
        {"build.sbt", "build", "sbt compile", false},
        {"build.sbt", "test", "sbt test", true},
        {"dune-project", "build", "dune build", false},
        {"dune-project", "test", "dune test", true},
        {"stack.yaml", "build", "stack build", false},
        {"stack.yaml", "test", "stack test", true},
        {"CMakeLists.txt", "build", "cmake -B build && cmake --build build", false},
        {"meson.build", "build", "meson setup build && meson compile -C build", false},
        {"WORKSPACE", "build", "bazel build //...", false},
        {"MODULE.bazel", "build", "bazel build //...", false},
        {"compose.yaml", "start", "docker compose up", false},
        {"compose.yml", "start", "docker compose up", false},
        {"docker-compose.yml", "start", "docker compose up", false},
        {"docker-compose.yaml", "start", "docker compose up", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *evidence = file_here(commands, table[i].file);
        if (evidence && (!table[i].needs_tests || commands->workspace->tests))
            command_put(commands, table[i].kind, table[i].command, commands->workspace->path, evidence);
    }
    const char *configure = file_here(commands, "configure");
    if (configure && (file_here(commands, "Makefile.in") || file_here(commands, "configure.ac")))
        command_put(commands, "build", "./configure && make", commands->workspace->path, configure);
    const char *pubspec = file_here(commands, "pubspec.yaml");
    bool is_flutter = pubspec && dependency_of(commands, "pub", "flutter");
    if (pubspec && commands->workspace->tests)
        command_put(commands, "test", is_flutter ? "flutter test" : "dart test", commands->workspace->path,
                    pubspec);
}

/* Programs that a repository keeps for its people (as in "Scripts to Rule Them All"). */
static void commands_by_program(struct commands *commands)
{
    static const struct {
        const char *file, *kind;
    } table[] = {
        {"script/bootstrap", "install"},
        {"script/setup", "install"},
        {"bin/setup", "install"},
        {"script/test", "test"},
        {"scripts/test", "test"},
        {"scripts/test.sh", "test"},
        {"bin/test", "test"},
        {"runtest", "test"},
        {"runtests", "test"},
        {"run_tests.sh", "test"},
        {"test.sh", "test"},
        {"script/server", "start"},
        {"bin/dev", "dev"},
        {"scripts/lint", "lint"},
        {"scripts/lint.sh", "lint"},
        {"script/lint", "lint"},
        {"scripts/format", "format"},
        {"scripts/format.sh", "format"},
        {"build.sh", "build"},
        {"scripts/build", "build"},
        {"scripts/build.sh", "build"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const struct rb_tree_entry *entry =
            rb_tree_find(commands->scan->tree, commands->workspace->where, table[i].file);
        if (entry && entry->kind == RB_ENTRY_EXECUTABLE)
            command_put(commands, table[i].kind,
                        put(commands, strchr(table[i].file, '/') ? "" : "./", table[i].file),
                        commands->workspace->path, file_here(commands, table[i].file));
    }
}

/* In the order in which people need them; those of one kind as they were found. Takes the reference. */
static json_t *commands_by_kind(json_t *found)
{
    static const char *const kinds[] = {"install", "build", "test",   "start", "dev",
                                        "check",   "lint",  "format", "docs"};
    json_t *sorted = json_array(), *item;
    size_t i;
    for (size_t kind = 0; kind < COUNT(kinds); kind++) {
        json_array_foreach(found, i, item)
        {
            if (strcmp(json_string_value(json_object_get(item, "kind")), kinds[kind]) == 0)
                json_array_append(sorted, item);
        }
    }
    json_decref(found);
    return sorted;
}

json_t *rb_commands_json(const struct rb_scan *scan, const struct rb_workspace *workspace)
{
    static const struct {
        const char *ecosystem;
        void (*find)(struct commands *commands);
    } table[] = {
        {"npm", commands_npm},           {"pypi", commands_pypi},         {"go", commands_go},
        {"cargo", commands_cargo},       {"maven", commands_maven},       {"nuget", commands_nuget},
        {"composer", commands_composer}, {"rubygems", commands_rubygems},
    };
    struct commands commands = {scan, workspace, json_array()};
    for (int own = 1; own >= 0; own--) { /* what it is written in first */
        commands_of_scripts(&commands, own);
        if (own)
            commands_of_tasks(&commands);
        for (size_t i = 0; i < COUNT(table); i++) {
            if ((strcmp(table[i].ecosystem, workspace->ecosystem) == 0) == own)
                table[i].find(&commands);
        }
        if (own) {
            commands_by_program(&commands);
            commands_by_file(&commands);
        }
    }
    return commands_by_kind(commands.list);
}
