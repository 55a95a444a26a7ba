/*
 * The rules of technologies: that each is found by each of its own clues, what is no clue, where things were
 * seen, and that the generator refuses what is wrong with a rule.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scanner/technology.h"
#include "tests/unit/scanner_help.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- every rule ------------------------------------------------------------------------------------------
 */

/* The ecosystems by kind, as the scanner calls them. */
static const char *const kind_names[] = {
#define KIND_NAME(id, key, name) name,
    RB_RULE_KINDS(KIND_NAME)
#undef KIND_NAME
};

/* What is found for a path or a name that a clue stands for. */
static size_t found_by(uint16_t *out, struct rb_arena *arena, const struct rb_rule_clue *clue)
{
    const char *text = rb_rule_texts + clue->text;
    switch (clue->kind) {
    case RB_RULE_FILE:
        return rb_rules_of_path(out, rb_arena_printf(arena, "some/where/%s", text), true);
    case RB_RULE_FILE_STEM:
        return rb_rules_of_path(out, rb_arena_printf(arena, "some/where/%sxyz", text), true);
    case RB_RULE_FILE_END:
        return rb_rules_of_path(out, rb_arena_printf(arena, "some/where/x%s", text), true);
    case RB_RULE_FILE_ROOT:
        return rb_rules_of_path(out, text, true);
    case RB_RULE_FILE_TAIL:
        return rb_rules_of_path(out, rb_arena_printf(arena, "some/%s", text), true);
    case RB_RULE_FOLDER:
        return rb_rules_of_path(out, rb_arena_printf(arena, "some/%s/where/x", text), true);
    case RB_RULE_FOLDER_ROOT:
        return rb_rules_of_path(out, rb_arena_printf(arena, "%s/where/x", text), true);
    default:
        break;
    }
    bool is_prefix = clue->kind & RB_RULE_PREFIX;
    uint8_t kind = clue->kind & (uint8_t)~RB_RULE_PREFIX;
    const char *name = rb_arena_printf(arena, "%s%s", text, is_prefix ? "xyz" : "");
    if (kind == RB_RULE_RESOURCE || kind == RB_RULE_ENV || kind == RB_RULE_PACKAGE_KEY ||
        kind == RB_RULE_PYPROJECT_KEY)
        return rb_rules_of_word(out, kind_names[kind], name, strlen(name));
    return rb_rules_of_dependency(out, kind_names[kind], name);
}

static void test_each_is_found_by_each_of_its_clues(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    uint16_t found[RB_RULE_HITS_MAX];
    bool *has_clue = rb_calloc(rb_rule_technology_count, sizeof *has_clue);
    for (size_t i = 0; i < rb_rule_clue_count; i++) {
        const struct rb_rule_clue *clue = &rb_rule_clues[i];
        size_t count = found_by(found, arena, clue);
        bool is_found = false;
        for (size_t k = 0; k < count; k++)
            is_found = is_found || found[k] == clue->technology;
        if (!is_found)
            fail_msg("%s is not found by its clue %s", rb_rule_name(clue->technology),
                     rb_rule_texts + clue->text);
        has_clue[clue->technology] = true;
    }
    for (size_t i = 0; i < rb_rule_technology_count; i++) {
        if (!has_clue[i])
            fail_msg("%s has no clue", rb_rule_name(i));
    }
    assert_true(rb_rule_technology_count > 800);
    free(has_clue);
    rb_arena_free(arena);
}

/* ---- a case for each kind of clue and each category ------------------------------------------------------
 */

struct rule_case {
    const char *kind, *text, *names; /* names: of all found, a comma between, the most special first */
};

static const struct rule_case package_cases[] = {
    {"npm", "react", "React"},
    {"npm", "react-markdown-editor-of-somebody", ""},
    {"npm", "@angular/core", "Angular"},
    {"npm", "@angular", ""},
    {"npm", "@angularity/core", ""},
    {"npm", "@nestjs/core", "NestJS"},
    {"npm", "@aws-sdk/client-s3", "Amazon S3, AWS"},
    {"npm", "lodash.merge", ""},
    {"npm", "ava-labs", ""},
    {"pypi", "django", "Django"},
    {"pypi", "django-stubs", "django-stubs"},
    {"pypi", "fastapi", "FastAPI"},
    {"pypi", "flask", "Flask"},
    {"pypi", "flask-unknown-plugin", ""},
    {"pypi", "pytest-xdist", "pytest"},
    {"conda", "pytorch", "PyTorch"},
    {"conda", "numpy", "NumPy"},
    {"go", "github.com/gin-gonic/gin", "Gin"},
    {"go", "github.com/labstack/echo/v4", "Echo"},
    {"go", "github.com/labstack/echo-contrib", ""},
    {"go", "gopkg.in/telebot.v3", "Telegram"},
    {"go", "github.com/Masterminds/squirrel", "Squirrel"},
    {"cargo", "axum", "Axum"},
    {"cargo", "actix-web", "Actix Web"},
    {"maven", "org.springframework.boot:spring-boot-starter-data-redis", "Redis, Spring Data, Spring Boot"},
    {"maven", "org.springframework.bootleg:x", ""},
    {"maven", "io.quarkus:quarkus-core", "Quarkus"},
    {"maven", "org.hibernate:hibernate-validator", ""},
    {"maven", "com.zaxxer:HikariCP", "HikariCP"},
    {"composer", "laravel/framework", "Laravel"},
    {"composer", "symfony/mailer", "Symfony Mailer, Symfony components"},
    {"rubygems", "rspec", "RSpec"},
    {"nuget", "microsoft.entityframeworkcore.sqlite", "SQLite, Entity Framework Core"},
    {"hex", "phoenix", "Phoenix"},
    {"pub", "flutter_bloc", "BLoC"},
    {"swift", "https://github.com/vapor/vapor.git", "Vapor"},
    {"cocoapods", "Alamofire", "Alamofire"},
    {"conan", "gtest", "GoogleTest"},
    {"vcpkg", "libpq", "PostgreSQL"},
    {"cmake", "Qt6", "Qt"},
    {"helm", "oci://registry-1.docker.io/bitnamicharts/postgresql", "PostgreSQL"},
    {"terraform", "registry.terraform.io/hashicorp/aws", "AWS"},
    {"docker", "docker.io/library/postgres:16-alpine@sha256:00", "PostgreSQL"},
    {"docker", "localhost:5000/postgres", ""},
    {"docker", "postgres-exporter", ""},
    {"docker", "gcr.io/distroless/static-debian12:nonroot", "Distroless"},
    {"github-actions", "Codecov/codecov-action", "Codecov"},
    {"github-actions", "docker/build-push-action", "Docker"},
    {"pre-commit", "PyCQA/isort", "isort"},
    {"none", "react", ""},
    {"npm", "", ""},
};

static const struct rule_case word_cases[] = {
    {"env", "SENTRY_DSN", "Sentry"},
    {"env", "sentry_dsn", ""},
    {"env", "MY_SENTRY_DSN", ""},
    {"key", "jest", "Jest"},
    {"key", "engines.node", "Node.js"},
    {"key", "packageManager=pnpm", "pnpm"},
    {"table", "tool.ruff", "Ruff"},
    {"table", "ruff", ""},
    {"resource", "aws_s3_bucket", "Amazon S3, AWS"},
    {"resource", "aws_s3bucket", "AWS"},
    {"resource", "aws_cloudwatch_event_rule", "Amazon EventBridge, AWS"},
    {"resource", "aws_cloudwatch_log_group", "Amazon CloudWatch, AWS"},
    {"resource", "aws_vpc", "Amazon VPC, AWS"},
    {"resource", "awsome_thing", ""},
    {"resource", "google_sql_database_instance", "Google Cloud SQL, Google Cloud"},
    {"resource", "azurerm_mssql_server", "Azure SQL Database, Azure"},
    {"resource", "datadog", "Datadog"},
    {"resource", "random_id", ""},
    {"resource", "helm_release", "Helm"},
    {"resource", "local_file", ""},
};

static const struct rule_case path_cases[] = {
    {"", "web/next.config.mjs", "Next.js"},
    {"", "web/next.config", ""},
    {"", "web/my-next.config.js", ""},
    {"", "src/App.vue", "Vue"},
    {"", "src/vue", ""},
    {"", ".vue", ""},
    {"", "infra/main.tf", "Terraform"},
    {"", "Makefile", "Make"},
    {"", "api/Makefile.orig", ""},
    {"", ".github/workflows/ci.yml", "GitHub Actions"},
    {"", "sub/.github/workflows/ci.yml", ""},
    {"", ".gitlab-ci.yml", "GitLab CI"},
    {"", "templates/.gitlab-ci.yml", ""},
    {"", ".circleci/config.yml", "CircleCI"},
    {"", "packages/ui/.storybook/main.ts", "Storybook"},
    {"", "apps/db/supabase/config.toml", "Supabase"},
    {"", "config.toml", ""},
    {"", "charts/api/Chart.yaml", "Helm"},
    {"", "book.toml", "mdBook"},
    {"", "WORKSPACE.bazel", "Bazel"},
    {"", "CLAUDE.md", "Claude Code"},
    {"", "uv.lock", "uv"},
    {"", "a", ""},
    {"", "", ""},
};

static const char *names_of(struct rb_arena *arena, const uint16_t *found, size_t count)
{
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = rb_arena_printf(arena, "%s%s%s", text, i ? ", " : "", rb_rule_name(found[i]));
    return text;
}

static void check_case(const struct rule_case *row, const char *names)
{
    if (strcmp(names, row->names) != 0)
        fail_msg("%s %s shows \"%s\", not \"%s\"", row->kind, row->text, names, row->names);
}

static void test_rule_cases(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    uint16_t found[RB_RULE_HITS_MAX];
    for (size_t i = 0; i < COUNT(package_cases); i++) {
        const struct rule_case *row = &package_cases[i];
        check_case(row, names_of(arena, found, rb_rules_of_dependency(found, row->kind, row->text)));
    }
    for (size_t i = 0; i < COUNT(word_cases); i++) {
        const struct rule_case *row = &word_cases[i];
        size_t count = rb_rules_of_word(found, row->kind, row->text, strlen(row->text));
        check_case(row, names_of(arena, found, count));
    }
    for (size_t i = 0; i < COUNT(path_cases); i++)
        check_case(&path_cases[i], names_of(arena, found, rb_rules_of_path(found, path_cases[i].text, true)));
    char *long_name = rb_malloc(100001);
    memset(long_name, '/', 100000);
    long_name[100000] = 0;
    assert_int_equal(rb_rules_of_dependency(found, "npm", long_name), 0);
    assert_int_equal(rb_rules_of_word(found, "env", long_name, 100000), 0);
    assert_int_equal(rb_rules_of_path(found, long_name, true), 0);
    free(long_name);
    rb_arena_free(arena);
}

/* One technology of each category, by what people call it and what shows it. */
static const struct {
    const char *category, *ecosystem, *package, *name;
} category_cases[] = {
    {"Frontend frameworks", "npm", "svelte", "Svelte"},
    {"Backend frameworks", "npm", "express", "Express"},
    {"Mobile and desktop", "npm", "electron", "Electron"},
    {"Games and graphics", "cargo", "bevy", "Bevy"},
    {"Machine learning and AI", "pypi", "torch", "PyTorch"},
    {"Data and ETL", "pypi", "apache-airflow", "Apache Airflow"},
    {"CMS and e-commerce", "pypi", "wagtail", "Wagtail"},
    {"ORMs and database access", "npm", "prisma", "Prisma"},
    {"APIs and protocols", "go", "google.golang.org/grpc", "gRPC"},
    {"UI components and styling", "npm", "tailwindcss", "Tailwind CSS"},
    {"Command lines and language libraries", "cargo", "clap", "clap"},
    {"Testing", "maven", "org.junit.jupiter:junit-jupiter", "JUnit"},
    {"Documentation", "pypi", "sphinx", "Sphinx"},
    {"Databases and storage", "docker", "mongo", "MongoDB"},
    {"Queues and streaming", "docker", "rabbitmq", "RabbitMQ"},
    {"Clouds and hosting", "npm", "wrangler", "Cloudflare Workers"},
    {"AI services", "pypi", "openai", "OpenAI"},
    {"Authentication", "rubygems", "devise", "Devise"},
    {"Payments", "composer", "stripe/stripe-php", "Stripe"},
    {"Messaging and email", "npm", "nodemailer", "Nodemailer"},
    {"Other services", "npm", "algoliasearch", "Algolia"},
    {"Observability", "pypi", "sentry-sdk", "Sentry"},
    {"Security", "rubygems", "brakeman", "Brakeman"},
    {"Web servers and networking", "docker", "nginx", "nginx"},
    {"Containers and orchestration", "go", "k8s.io/api", "Kubernetes"},
    {"Infrastructure as code", "pypi", "ansible", "Ansible"},
    {"Continuous integration", "github-actions", "googleapis/release-please-action", "Release Please"},
    {"Bundlers and build tools", "npm", "vite", "Vite"},
    {"Package managers", "github-actions", "astral-sh/setup-uv", "uv"},
    {"Runtimes and platforms", "docker", "node", "Node.js"},
    {"Linters and formatters", "npm", "eslint", "ESLint"},
    {"Developer tools", "npm", "husky", "Husky"},
};

static void test_each_category(void **state)
{
    (void)state;
    assert_int_equal(COUNT(category_cases), rb_rule_category_count);
    for (size_t i = 0; i < COUNT(category_cases); i++) {
        uint16_t found[RB_RULE_HITS_MAX];
        size_t count = rb_rules_of_dependency(found, category_cases[i].ecosystem, category_cases[i].package);
        assert_true(count > 0);
        assert_string_equal(rb_rule_name(found[0]), category_cases[i].name);
        assert_string_equal(rb_rule_categories[rb_rule_technologies[found[0]].category].name,
                            category_cases[i].category);
        assert_string_equal(rb_rule_categories[i].name, category_cases[i].category);
    }
}

/* ---- where things were seen ------------------------------------------------------------------------------
 */

/* "Name[workspace …](what@path:line …)", those aside with a '?', a comma between. */
static const char *technologies_of(const struct rb_scan *scan, const char *repo)
{
    size_t count;
    const struct rb_scan_technology *found = rb_scan_technologies(&count, scan, repo);
    const char *text = "";
    for (size_t i = 0; i < count; i++) {
        text = rb_arena_printf(scan->arena, "%s%s%s%s", text, i ? ", " : "", found[i].name,
                               found[i].aside ? "?[" : "[");
        for (size_t k = 0; k < found[i].workspace_count; k++)
            text = rb_arena_printf(scan->arena, "%s%s%s", text, k ? " " : "", found[i].workspaces[k]);
        text = rb_arena_printf(scan->arena, "%s](", text);
        for (size_t k = 0; k < found[i].evidence_count; k++)
            text = rb_arena_printf(scan->arena, "%s%s%s@%s:%d", text, k ? " " : "", found[i].evidence[k].what,
                                   found[i].evidence[k].path, found[i].evidence[k].line);
        text = rb_arena_printf(scan->arena, "%s)", text);
    }
    return text;
}

struct made_text {
    const char *path, *text; /* NULL: there is such a file, and nobody reads it */
};

/* What is found in a repository of these files. */
static const char *found_in(struct rb_arena *arena, const char *repo, const struct made_text *files)
{
    struct made_file list[32];
    struct rb_scan scan;
    size_t count = 0;
    for (; files[count].path; count++)
        list[count] = (struct made_file){files[count].path, 10};
    struct rb_tree *tree = rb_arena_alloc(arena, sizeof *tree);
    *tree = make_tree(list, count, arena);
    rb_scan_survey(&scan, tree, arena);
    for (size_t i = 0; i < scan.manifest_count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (files[k].text && strcmp(files[k].path, scan.manifests[i].path) == 0)
                rb_scan_read(&scan, i, files[k].text, strlen(files[k].text));
        }
    }
    rb_scan_settle(&scan);
    return technologies_of(&scan, repo);
}
#define FOUND_IN(arena, repo, ...) found_in(arena, repo, (const struct made_text[]){__VA_ARGS__, {0}})

static void test_workspaces_and_evidence(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    assert_string_equal(
        FOUND_IN(arena, "a/b", {"package.json", "{\"workspaces\":[\"apps/*\"],\n\"jest\":{}}"},
                 {"apps/web/package.json", "{\"name\":\"web\",\n\"dependencies\":{\n\"react\":\"18\"}}"},
                 {"apps/admin/package.json", "{\"name\":\"admin\",\"dependencies\":{\"react\":\"18\"}}"},
                 {"apps/web/src/deep/x.svelte", NULL}, {"requirements/base.txt", "flask\n"},
                 {"node_modules/x/a.vue", NULL},
                 {".env.example", "# STRIPE_API_KEY=\nA=1\nexport SENTRY_DSN = x\n"}),
        "React[apps/admin apps/web](npm:react@apps/admin/package.json:1 npm:react@apps/web/package.json:3), "
        "Svelte[apps/web](file@apps/web/src/deep/x.svelte:0), Flask[](pypi:flask@requirements/base.txt:1), "
        "Jest[](key:jest@package.json:2), Sentry[](env:SENTRY_DSN@.env.example:3)");
    /* At most so many places, the first. */
    assert_string_equal(FOUND_IN(arena, "a/b", {"a.tf", NULL}, {"b.tf", NULL}, {"c.tf", NULL}, {"d.tf", NULL},
                                 {"e.tf", NULL}, {"f.tf", NULL}),
                        "Terraform[](file@a.tf:0 file@b.tf:0 file@c.tf:0 file@d.tf:0 file@e.tf:0)");
    rb_arena_free(arena);
}

/* The line that names a dependency, not one that only has its name in it; none where it is written otherwise.
 */
static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *name;
        int line;
    } rows[] = {
        {"package.json",
         "{\"name\":\"a\",\"description\":\"for react\",\n\"scripts\":{\"x\":\"react "
         "-v\"},\n\"dependencies\":{\n"
         "\"react-dom\":\"^18.1\",\"@types/react\":\"^18.2\",\n\"react\":\"^18.2\"}}",
         "react", 5},
        {"requirements.txt", "# graphql\nGraphQL_Core>=3\n", "graphql-core", 2},
        {"requirements.txt", "a-b==1\na==1\nb==2", "b", 3},
        {"pom.xml",
         "<project><groupId>g</groupId><artifactId>x</"
         "artifactId>\n<dependencies><dependency>\n<groupId>junit</groupId>\n"
         "<artifactId>junit-dep</artifactId></dependency></dependencies></project>",
         "junit:junit-dep", 4},
        {"main.tf",
         "terraform {\n required_providers {\n  aws = {\n   source = "
         "\"registry.terraform.io/hashicorp/aws\"\n  }\n }\n}\n",
         "hashicorp/aws", 4},
        {"main.tf", "module \"x\" {\n source = \"git::https://github.com/a/b.git//sub\"\n}\n",
         "github.com/a/b//sub", 0},
        {"Package.swift", "// a\n.package(url: \"https://github.com/vapor/vapor.git\", from: \"4.0.0\")",
         "github.com/vapor/vapor", 2},
        {"go.mod", "module m\nrequire (\n\tx.org/a/v2 v2.0.0\n\tx.org/a v1.0.0\n)\n", "x.org/a", 4},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        assert_int_equal(read_manifest(&sheet, arena, rows[i].path, rows[i].text), RB_OK);
        rb_scan_find_lines(&sheet, 0, 0, rows[i].text, strlen(rows[i].text));
        const struct rb_scan_dependency *item = find_dependency(&sheet, rows[i].name);
        if (!item || item->line != rows[i].line)
            fail_msg("%s, %s: line %d", rows[i].path, rows[i].name, item ? item->line : -1);
        rb_arena_free(arena);
    }
    struct rb_arena *arena = rb_arena_new();
    assert_string_equal(
        FOUND_IN(arena, "a/b", {"package.json", "{\"x\":\"node\",\n\"engines\":\n{\"node\":\"20\"}}"},
                 {"pyproject.toml", "[project]\nname='a'\n[tool.ruff_x]\n[tool.ruff.lint]\n"}),
        "Node.js[](key:engines.node@package.json:3), Ruff[](table:tool.ruff@pyproject.toml:4)");
    rb_arena_free(arena);
}

/* Types of resources and data sources, and providers: the first of each technology in a file, whatever stands
 * in strings, comments and inner blocks. */
static void test_resources_of_terraform(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    assert_string_equal(
        FOUND_IN(arena, "a/b",
                 {"infra/main.tf", "# resource \"google_sql_user\" \"x\" {}\n"
                                   "provider \"datadog\" {\n  api_key = var.resource\n}\n"
                                   "resource \"aws_s3_bucket\" \"a\" {\n"
                                   "  policy = <<EOF\nresource \"azurerm_key_vault\" \"x\" {\nEOF\n"
                                   "  resource \"fastly_service\" \"inner\" {}\n}\n"
                                   "data aws_eks_cluster c {}\n"
                                   "resource \"aws_s3_bucket_policy\" \"b\" { bucket = \"aws_sqs_queue\" }\n"
                                   "variable \"aws_sns_topic\" {}\nresource = \"aws_kms_key\"\n"},
                 {"infra/examples/x.tf", "data \"aws_sqs_queue\" \"q\" {\n}\n"}),
        "AWS[infra](resource:aws_s3_bucket@infra/main.tf:5), "
        "Amazon S3[infra](resource:aws_s3_bucket@infra/main.tf:5), "
        "Datadog[infra](resource:datadog@infra/main.tf:2), "
        "Terraform[infra](file@infra/main.tf:0), "
        "Amazon SQS?[infra/examples](resource:aws_sqs_queue@infra/examples/x.tf:1)");
    rb_arena_free(arena);
}

static void test_what_is_aside(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    assert_string_equal(
        FOUND_IN(arena, "a/b",
                 {"examples/x/package.json", "{\"dependencies\":{\"react\":\"18\",\"vue\":\"3\"}}"},
                 {"src/App.vue", NULL}, {"docs/conf/docusaurus.config.js", NULL}, {"docs/x.svelte", NULL},
                 {"e2e/tests/playwright.config.ts", NULL}, {"tests/fixtures/jest.config.js", NULL},
                 {"Cargo.toml", "[dev-dependencies]\naxum = \"1\"\nproptest = \"1\"\n"}),
        "Vue[](file@src/App.vue:0), Playwright[](file@e2e/tests/playwright.config.ts:0), "
        "proptest[](cargo:proptest@Cargo.toml:3), "
        "Docusaurus[](file@docs/conf/docusaurus.config.js:0), Cargo[](file@Cargo.toml:0), "
        "React?[examples/x](npm:react@examples/x/package.json:1), Svelte?[](file@docs/x.svelte:0), "
        "Axum?[](cargo:axum@Cargo.toml:2), Jest?[](file@tests/fixtures/jest.config.js:0)");
    rb_arena_free(arena);
}

static void test_what_the_repository_is_itself(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    /* Its own package, under its own name or its scope; a tool's files say that it works on itself. */
    assert_string_equal(FOUND_IN(arena, "a/b", {"package.json", "{\"devDependencies\":{\"vue\":\"3\"}}"},
                                 {"packages/vue/package.json", "{\"name\":\"vue\"}"}, {"src/a.vue", NULL}),
                        "");
    assert_string_equal(
        FOUND_IN(arena, "a/b", {"package.json", "{\"name\":\"pnpm\"}"}, {"pnpm-lock.yaml", NULL}),
        "pnpm[](file@pnpm-lock.yaml:0)");
    /* Where no manifest says so, its name does, when it is also its owner's. */
    assert_string_equal(FOUND_IN(arena, "Redis/redis", {"utils/requirements.txt", "redis\n"}),
                        "pip[utils](file@utils/requirements.txt:0)");
    assert_string_equal(FOUND_IN(arena, "redis/redis-server", {"utils/requirements.txt", "redis\n"}),
                        "pip[utils](file@utils/requirements.txt:0)");
    assert_string_equal(FOUND_IN(arena, "redis/redistribution", {"r/requirements.txt", "redis\n"}),
                        "Redis[r](pypi:redis@r/requirements.txt:1), pip[r](file@r/requirements.txt:0)");
    assert_string_equal(FOUND_IN(arena, "me/redis", {"r/requirements.txt", "redis\n"}),
                        "Redis[r](pypi:redis@r/requirements.txt:1), pip[r](file@r/requirements.txt:0)");
    /* A part beside its whole is nothing more; without it, it is. */
    assert_string_equal(
        FOUND_IN(arena, "a/b", {"composer.json", "{\"require\":{\"symfony/intl\":\"7\"}}"}),
        "Symfony components[](composer:symfony/intl@composer.json:1), Composer[](file@composer.json:0)");
    assert_string_equal(
        FOUND_IN(
            arena, "a/b",
            {"composer.json", "{\"require\":{\"symfony/intl\":\"7\",\"symfony/framework-bundle\":\"7\"}}"}),
        "Symfony[](composer:symfony/framework-bundle@composer.json:1), Composer[](file@composer.json:0)");
    rb_arena_free(arena);
}

/* Names may be anything; what comes out is bounded and UTF-8. */
static void test_hostile_names(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    assert_string_equal(FOUND_IN(arena, "a/b", {"\xff\n/x.vue", NULL}, {"/.vue", NULL}, {"..vue", NULL}),
                        "Vue[](file@..vue:0 file@\xef\xbf\xbd /x.vue:0)");
    struct rb_scan_sheet sheet;
    rb_scan_sheet_init(&sheet, arena);
    for (size_t i = 0; i < RB_SCAN_SIGNS_MAX + 10; i++)
        rb_scan_add_sign(&sheet, "env", "SENTRY_DSN", 10, 1);
    assert_int_equal(sheet.sign_count, RB_SCAN_SIGNS_MAX);
    rb_arena_free(arena);
}

/* ---- the generator ---------------------------------------------------------------------------------------
 */

struct refusal {
    const char *file, *text, *says; /* says: in what the generator writes, after the folder's name */
};
static const struct refusal refusals[] = {
    {"ui.toml", "[A]\nnpm = [\"a\"]\n", NULL},
    {"ui.toml", "[A]\nnpm = [\"a\"]\n[B]\nnpm = [\n\"c\",\n\"A\"]\n", "/ui.toml:6: \"a\" is at "},
    {"ui.toml", "[A]\nnpm = \"a\"\n[a]\nnpm = \"b\"\n", "/ui.toml:3: \"a\" is at "},
    {"ui.toml", "[A]\nnpm = \"a\"\n[A]\nnpm = \"b\"\n", "/ui.toml:3: "},
    {"uis.toml", "[A]\nnpm = \"a\"\n", "/uis.toml:1: \"uis\" is no category"},
    {"ui.toml", "[A]\n\nnmp = \"a\"\n", "/ui.toml:3: \"nmp\" is no ecosystem"},
    {"ui.toml", "[A]\nnpm = [\"a\", 7]\n", "/ui.toml:2: \"npm\" wants a string"},
    {"ui.toml", "[A]\nnpm = []\n", "/ui.toml:2: \"npm\" wants a string"},
    {"ui.toml", "[A]\nframework = false\n", "/ui.toml:1: \"A\" has no clue"},
    {"ui.toml", "[A]\nnpm = \"react*\"\n", "/ui.toml:2: \"react*\": '*' stands at the end"},
    {"ui.toml", "[A]\nnpm = \"@*/x\"\n", "/ui.toml:2: \"@*/x\": '*' stands at the end"},
    {"ui.toml", "[A]\nnpm = \"\"\n", "/ui.toml:2: a clue has 1 to "},
    {"ui.toml", "[A]\nfile = \"a*b\"\n", "/ui.toml:2: '*' stands only in"},
    {"ui.toml", "[A]\nfile = \"a/b/c/d\"\n", "/ui.toml:2: at most two folders"},
    {"ui.toml", "[A]\nfile = \"/\"\n", "/ui.toml:2: \"/\" names nothing"},
    {"ui.toml", "[A]\nnpm = \"a\"\npart_of = \"B\"\n", "/ui.toml:1: part_of: no technology"},
    {"ui.toml", "A = 1\n", "/ui.toml:1: \"A\" is no table"},
    {"ui.toml", "[A\n", "/ui.toml:1: "},
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Runs the generator; the exit status, and what it says to `out`. */
static int run_generator(char *out, size_t size, const char *categories, const char *rules)
{
    const char *bin = getenv("RB_BIN");
    const char *slash = bin ? strrchr(bin, '/') : NULL; /* it lies beside the folder of the programs */
    char *program = rb_asprintf("%.*s/tools/rules", slash ? (int)(slash - bin) : 5, slash ? bin : "build");
    const char *const argv[] = {program, categories, rules, NULL};
    int ends[2], status = -1;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (len + 1 < size && (got = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)got;
    out[len] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    free(program);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_the_generator_refuses_what_is_wrong(void **state)
{
    (void)state;
    char folder[] = "/tmp/rules-XXXXXX", said[4096];
    assert_non_null(mkdtemp(folder));
    char *categories = rb_asprintf("%s/categories.toml", folder);
    write_file(categories, "[ui]\nname = \"UI\"\n");
    for (size_t i = 0; i < COUNT(refusals); i++) {
        char *rules = rb_asprintf("%s/%s", folder, refusals[i].file);
        write_file(rules, refusals[i].text);
        int status = run_generator(said, sizeof said, categories, rules);
        if (!refusals[i].says) {
            assert_int_equal(status, 0);
            assert_string_equal(said, "");
        } else if (status != 1 || !strstr(said, refusals[i].says)) {
            fail_msg("%s ends with %d and says: %s", refusals[i].text, status, said);
        }
        unlink(rules);
        free(rules);
    }
    unlink(categories);
    rmdir(folder);
    free(categories);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_found_by_each_of_its_clues),
        cmocka_unit_test(test_rule_cases),
        cmocka_unit_test(test_each_category),
        cmocka_unit_test(test_workspaces_and_evidence),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_resources_of_terraform),
        cmocka_unit_test(test_what_is_aside),
        cmocka_unit_test(test_what_the_repository_is_itself),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_the_generator_refuses_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
