/*
 * POST /graphql, as far as Repobus asks: the repository and its objects. A query is read by GraphQL's grammar
 * (spec.graphql.org), held against the part of GitHub's schema below, and refused with GitHub's words where
 * it is wrong; what GitHub's schema has and this one has not is refused too. Directives, lists and mutations
 * are not read.
 */
#include "tests/github/standin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUERY_DEPTH_MAX 16                  /* selections within selections */
#define QUERY_TEXT_MAX  512000              /* bytes of a blob's text: not documented, but observed */
#define QUERY_WORK_MAX  (10L * 1024 * 1024) /* bytes of texts at which this GitHub's ten seconds are over */
#define QUERY_SNIFF     8000                /* git looks for a zero byte in so many to call a file binary */

enum selection_kind { SELECTION_FIELD, SELECTION_FRAGMENT, SELECTION_SPREAD };
struct selection {
    struct selection *next, *inner;
    enum selection_kind kind;
    const char *alias, *name; /* of a fragment: the type it is on, or NULL; of a spread: its name */
    json_t *args;             /* of the exchange's arena */
    int line, column;
};

struct fragment {
    struct fragment *next;
    const char *name, *type;
    struct selection *selections;
};

struct query {
    struct sim_exchange *x;
    const char *at, *line_start;
    int line;
    const json_t *variables;
    json_t *declared; /* names of the variables: their types */
    struct selection *selections;
    struct fragment *fragments;
    json_t *errors; /* once it has one that stops it, nothing is answered */
    bool is_refused;
    bool is_halved; /* a fault: GitHub's resources end half way */
    int64_t work;
};

static void query_decref(void *json)
{
    json_decref(json);
}

static json_t *query_own(struct query *query, json_t *json)
{
    rb_arena_defer(query->x->arena, query_decref, json);
    return json;
}

/* ---- reading a query ---- */

static void query_skip(struct query *query)
{
    for (;; query->at++) {
        if (*query->at == '\n') {
            query->line++;
            query->line_start = query->at + 1;
        } else if (*query->at == '#') {
            query->at += strcspn(query->at, "\n") - 1;
        } else if (*query->at == '\0' || strchr(" \t\r,", *query->at) == NULL) {
            return;
        }
    }
}

static int query_column(const struct query *query)
{
    return (int)(query->at - query->line_start) + 1;
}

static json_t *query_location(int line, int column)
{
    return json_pack("[{s:i, s:i}]", "line", line, "column", column);
}

static void query_refuse_syntax(struct query *query)
{
    if (query->is_refused) {
        return;
    }
    char *message = *query->at == '\0' ? rb_asprintf("Unexpected end of document")
                                       : rb_asprintf("Parse error on \"%c\" at [%d, %d]", *query->at,
                                                     query->line, query_column(query));
    query->is_refused = true;
    json_array_append_new(query->errors,
                          json_pack("{s:s, s:o}", "message",
                                    rb_sim_utf8(query->x->arena, message, strlen(message)), "locations",
                                    query_location(query->line, query_column(query))));
    free(message);
}

static bool query_take(struct query *query, const char *token)
{
    query_skip(query);
    size_t len = strlen(token);
    if (query->is_refused || strncmp(query->at, token, len) != 0) {
        return false;
    }
    query->at += len;
    return true;
}

static void query_expect(struct query *query, const char *token)
{
    if (!query_take(query, token)) {
        query_refuse_syntax(query);
    }
}

static bool query_is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

/* "" where there is none. */
static const char *query_name(struct query *query)
{
    query_skip(query);
    size_t len = 0;
    while (!query->is_refused && query_is_name(query->at[len])) {
        len++;
    }
    const char *name = rb_arena_strndup(query->x->arena, query->at, len);
    query->at += len;
    return name;
}

static const char *query_expect_name(struct query *query)
{
    const char *name = query_name(query);
    if (*name == '\0') {
        query_refuse_syntax(query);
    }
    return name;
}

/* A string, number, boolean, null or variable; NULL when it is none of them. New reference. */
static json_t *query_value(struct query *query)
{
    query_skip(query);
    if (*query->at == '$') {
        query->at++;
        const char *name = query_expect_name(query);
        if (json_object_get(query->declared, name) == NULL) {
            query_refuse_syntax(query);
        }
        json_t *value = json_object_get(query->variables, name);
        return value != NULL ? json_incref(value) : json_null();
    }
    size_t len = 0;
    if (*query->at == '"') {
        for (len = 1; query->at[len] != '"' && query->at[len] != '\0'; len++) {
            len += query->at[len] == '\\' && query->at[len + 1] != '\0';
        }
        len += query->at[len] == '"';
    } else {
        while (query_is_name(query->at[len]) || query->at[len] == '-') {
            len++;
        }
    }
    json_t *value = json_loadb(query->at, len, JSON_DECODE_ANY, NULL);
    query->at += value != NULL ? len : 0;
    return value;
}

static json_t *query_arguments(struct query *query)
{
    json_t *args = query_own(query, json_object());
    if (!query_take(query, "(")) {
        return args;
    }
    while (!query->is_refused && !query_take(query, ")")) {
        const char *name = query_expect_name(query);
        query_expect(query, ":");
        json_t *value = query_value(query);
        if (value == NULL || json_object_get(args, name) != NULL) {
            query_refuse_syntax(query);
        }
        json_object_set_new(args, name, value != NULL ? value : json_null());
    }
    return args;
}

static struct selection *query_selections(struct query *query, int depth);

static struct selection *query_selection(struct query *query, int depth)
{
    struct selection *it = rb_arena_alloc(query->x->arena, sizeof(*it));
    query_skip(query);
    it->line = query->line;
    it->column = query_column(query);
    if (query_take(query, "...")) {
        it->name = query_name(query);
        bool is_on = strcmp(it->name, "on") == 0;
        it->kind = is_on || *it->name == '\0' ? SELECTION_FRAGMENT : SELECTION_SPREAD;
        it->name = is_on ? query_expect_name(query) : *it->name == '\0' ? NULL : it->name;
        it->inner = it->kind == SELECTION_FRAGMENT ? query_selections(query, depth + 1) : NULL;
        return it;
    }
    it->alias = it->name = query_expect_name(query);
    if (query_take(query, ":")) {
        it->name = query_expect_name(query);
    }
    it->args = query_arguments(query);
    query_skip(query);
    it->inner = *query->at == '{' ? query_selections(query, depth + 1) : NULL;
    return it;
}

static struct selection *query_selections(struct query *query, int depth)
{
    struct selection *first = NULL;
    struct selection **last = &first;
    query_expect(query, "{");
    if (depth > QUERY_DEPTH_MAX) {
        query_refuse_syntax(query);
    }
    while (!query->is_refused && !query_take(query, "}")) {
        *last = query_selection(query, depth);
        last = &(*last)->next;
    }
    if (first == NULL) {
        query_refuse_syntax(query);
    }
    return first;
}

static void query_declarations(struct query *query)
{
    if (!query_take(query, "(")) {
        return;
    }
    while (!query->is_refused && !query_take(query, ")")) {
        query_expect(query, "$");
        const char *name = query_expect_name(query);
        query_expect(query, ":");
        json_object_set_new(query->declared, name, json_string(query_expect_name(query)));
        query_take(query, "!");
    }
}

static void query_document(struct query *query)
{
    do {
        if (query_take(query, "fragment")) {
            struct fragment *fragment = rb_arena_alloc(query->x->arena, sizeof(*fragment));
            fragment->name = query_expect_name(query);
            query_expect(query, "on");
            fragment->type = query_expect_name(query);
            fragment->selections = query_selections(query, 0);
            fragment->next = query->fragments;
            query->fragments = fragment;
        } else {
            if (query->selections != NULL) {
                query_refuse_syntax(query);
            }
            if (query_take(query, "query")) {
                query_name(query);
                query_declarations(query);
            }
            query->selections = query_selections(query, 0);
        }
        query_skip(query);
    } while (!query->is_refused && *query->at != '\0');
}

/* ---- the schema ---- */

struct schema_field {
    const char *type, *name, *returns; /* NULL: a value */
    const char *required[2], *allowed[2];
};
static const struct schema_field schema[] = {
    {"Query", "repository", "Repository", {"owner", "name"}, {"followRenames"}},
    {"Query", "rateLimit", "RateLimit", {0}, {"dryRun"}},
    {"Query", "viewer", "User", {0}, {0}},
    {"User", "login", NULL, {0}, {0}},
    {"RateLimit", "cost", NULL, {0}, {0}},
    {"RateLimit", "limit", NULL, {0}, {0}},
    {"RateLimit", "remaining", NULL, {0}, {0}},
    {"RateLimit", "used", NULL, {0}, {0}},
    {"RateLimit", "resetAt", NULL, {0}, {0}},
    {"Repository", "name", NULL, {0}, {0}},
    {"Repository", "nameWithOwner", NULL, {0}, {0}},
    {"Repository", "databaseId", NULL, {0}, {0}},
    {"Repository", "isPrivate", NULL, {0}, {0}},
    {"Repository", "object", "GitObject", {0}, {"oid", "expression"}},
    {"GitObject", "oid", NULL, {0}, {0}},
    {"Blob", "oid", NULL, {0}, {0}},
    {"Blob", "byteSize", NULL, {0}, {0}},
    {"Blob", "isBinary", NULL, {0}, {0}},
    {"Blob", "isTruncated", NULL, {0}, {0}},
    {"Blob", "text", NULL, {0}, {0}},
    {"Tree", "oid", NULL, {0}, {0}},
    {"Commit", "oid", NULL, {0}, {0}},
};

static const struct schema_field *schema_find(const char *type, const char *name)
{
    for (size_t i = 0; i < sizeof(schema) / sizeof(schema[0]); i++) {
        if (strcmp(schema[i].type, type) == 0 && strcmp(schema[i].name, name) == 0) {
            return &schema[i];
        }
    }
    return NULL;
}

static bool schema_is_argument(const struct schema_field *field, const char *name)
{
    for (size_t i = 0; i < 2; i++) {
        if ((field->required[i] != NULL && strcmp(field->required[i], name) == 0) ||
            (field->allowed[i] != NULL && strcmp(field->allowed[i], name) == 0)) {
            return true;
        }
    }
    return false;
}

static void query_refuse(struct query *query, const struct selection *at, const char *code, const char *type,
                         const char *message)
{
    query->is_refused = true;
    json_array_append_new(query->errors,
                          json_pack("{s:[s, s], s:{s:s, s:s, s:s}, s:o, s:s}", "path", "query", at->name,
                                    "extensions", "code", code, "typeName", type, "fieldName", at->name,
                                    "locations", query_location(at->line, at->column), "message", message));
}

static const struct fragment *query_fragment(struct query *query, const char *name)
{
    const struct fragment *it = query->fragments;
    while (it != NULL && strcmp(it->name, name) != 0) {
        it = it->next;
    }
    return it;
}

static void query_check(struct query *query, const struct selection *list, const char *type, int depth);

static void query_check_field(struct query *query, const struct selection *at, const char *type, int depth)
{
    struct rb_arena *arena = query->x->arena;
    const struct schema_field *field = schema_find(type, at->name);
    const char *name = NULL;
    json_t *value = NULL;
    if (field == NULL) {
        query_refuse(query, at, "undefinedField", type,
                     rb_arena_printf(arena, "Field '%s' doesn't exist on type '%s'", at->name, type));
        return;
    }
    json_object_foreach(at->args, name, value)
    {
        if (!schema_is_argument(field, name)) {
            query_refuse(query, at, "argumentNotAccepted", type,
                         rb_arena_printf(arena, "Field '%s' doesn't accept argument '%s'", at->name, name));
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (field->required[i] != NULL && !json_is_string(json_object_get(at->args, field->required[i]))) {
            query_refuse(query, at, "missingRequiredArguments", type,
                         rb_arena_printf(arena, "Field '%s' is missing required arguments: %s", at->name,
                                         field->required[i]));
        }
    }
    if ((field->returns != NULL) != (at->inner != NULL)) {
        query_refuse(query, at, "selectionMismatch", type,
                     rb_arena_printf(arena,
                                     field->returns != NULL
                                         ? "Field must have selections (field '%s' returns %s but has no "
                                           "selections. Did you mean '%s { ... }'?)"
                                         : "Selections can't be made on scalars (field '%s')",
                                     at->name, field->returns, at->name));
    } else if (at->inner != NULL) {
        query_check(query, at->inner, field->returns, depth + 1);
    }
}

static void query_check(struct query *query, const struct selection *list, const char *type, int depth)
{
    for (const struct selection *at = list; at != NULL && depth <= QUERY_DEPTH_MAX; at = at->next) {
        const struct fragment *fragment =
            at->kind == SELECTION_SPREAD ? query_fragment(query, at->name) : NULL;
        if (at->kind == SELECTION_FIELD) {
            if (strcmp(at->name, "__typename") != 0) {
                query_check_field(query, at, type, depth);
            }
        } else if (at->kind == SELECTION_FRAGMENT) {
            query_check(query, at->inner, at->name != NULL ? at->name : type, depth + 1);
        } else if (fragment != NULL) {
            query_check(query, fragment->selections, fragment->type, depth + 1);
        } else {
            query_refuse(query, at, "useAndDefineFragment", type,
                         rb_arena_printf(query->x->arena, "Fragment %s was used, but not defined", at->name));
        }
    }
}

/* ---- answering ---- */

struct place {
    const char *type;
    struct sim_repo *repo;
    git_object *object;
    int64_t seen, total; /* fields of a repository that were answered, for the fault */
};

static void query_answer(json_t *out, struct query *query, const struct selection *list, struct place *place);

static json_t *answer_blob(struct query *query, const char *name, const git_blob *blob)
{
    const char *data = git_blob_rawcontent(blob);
    size_t size = (size_t)git_blob_rawsize(blob);
    bool is_binary = memchr(data, '\0', size < QUERY_SNIFF ? size : QUERY_SNIFF) != NULL;
    if (strcmp(name, "byteSize") == 0) {
        return json_integer((json_int_t)size);
    }
    if (strcmp(name, "isBinary") == 0) {
        return json_boolean(is_binary);
    }
    if (strcmp(name, "isTruncated") == 0) {
        return json_boolean(!is_binary && size > QUERY_TEXT_MAX);
    }
    if (is_binary) {
        return json_null();
    }
    size_t len = size < QUERY_TEXT_MAX ? size : QUERY_TEXT_MAX;
    query->work += (int64_t)len;
    const char *text = rb_sim_utf8(query->x->arena, data, len);
    bool is_whole = memchr(data, '\0', len) == NULL; /* else as it is, when it is UTF-8 */
    return is_whole ? json_string(text) : json_stringn(data, len);
}

static json_t *answer_rate(struct query *query, const char *name)
{
    const struct sim_user *user = query->x->user;
    char time[RB_TIME_SIZE];
    rb_sim_shape_time(time, user->points_reset * 1000);
    return strcmp(name, "cost") == 0        ? json_integer(1)
           : strcmp(name, "limit") == 0     ? json_integer(user->rate_limit)
           : strcmp(name, "used") == 0      ? json_integer(user->points_used + 1)
           : strcmp(name, "remaining") == 0 ? json_integer(user->rate_limit - user->points_used - 1)
                                            : json_string(time);
}

static json_t *answer_value(struct query *query, const struct selection *at, const struct place *place)
{
    const struct sim_repo *repo = place->repo;
    char oid[GIT_OID_HEXSZ + 1];
    if (strcmp(at->name, "__typename") == 0) {
        return json_string(place->type);
    }
    if (strcmp(at->name, "oid") == 0) {
        git_oid_tostr(oid, sizeof(oid), git_object_id(place->object));
        return json_string(oid);
    }
    if (strcmp(place->type, "Blob") == 0) {
        return answer_blob(query, at->name, (const git_blob *)place->object);
    }
    if (strcmp(place->type, "RateLimit") == 0) {
        return answer_rate(query, at->name);
    }
    if (strcmp(place->type, "User") == 0) {
        return json_string(query->x->user->login);
    }
    return strcmp(at->name, "databaseId") == 0  ? json_integer(repo->id)
           : strcmp(at->name, "isPrivate") == 0 ? json_boolean(repo->is_private)
           : strcmp(at->name, "name") == 0      ? json_string(repo->name)
                                                : json_sprintf("%s/%s", repo->owner, repo->name);
}

static json_t *answer_inner(struct query *query, const struct selection *at, struct place place)
{
    json_t *out = json_object();
    query_answer(out, query, at->inner, &place);
    return out;
}

static json_t *answer_repository(struct query *query, const struct selection *at)
{
    struct sim_state *state = &query->x->sim->state;
    const char *owner = rb_sim_json_string(at->args, "owner");
    const char *name = rb_sim_json_string(at->args, "name");
    struct sim_repo *repo = rb_sim_repo_find(state, owner, name);
    const json_t *follow = json_object_get(at->args, "followRenames");
    if (repo == NULL && !json_is_false(follow)) {
        repo = rb_sim_repo_moved(state, owner, name);
    }
    if (repo != NULL && rb_sim_repo_permission(repo, query->x->user) != SIM_NONE) {
        int64_t total = 0;
        for (const struct selection *it = at->inner; it != NULL; it = it->next) {
            total++;
        }
        return answer_inner(query, at, (struct place){.type = "Repository", .repo = repo, .total = total});
    }
    json_array_append_new(
        query->errors,
        json_pack("{s:s, s:[s], s:o, s:o}", "type", "NOT_FOUND", "path", at->alias, "locations",
                  query_location(at->line, at->column), "message",
                  json_sprintf("Could not resolve to a Repository with the name '%s/%s'.", owner, name)));
    return json_null();
}

static json_t *answer_object(struct query *query, const struct selection *at, struct place *place)
{
    const char *oid_text = rb_sim_json_string(at->args, "oid");
    const char *expression = rb_sim_json_string(at->args, "expression");
    git_oid oid;
    git_object *object = NULL;
    if (query->is_halved && ++place->seen > place->total / 2) {
        json_array_append_new(query->errors,
                              json_pack("{s:s, s:[s, s], s:o, s:s}", "type", "RESOURCE_LIMITS_EXCEEDED",
                                        "path", "repository", at->alias, "locations",
                                        query_location(at->line, at->column), "message",
                                        "Resource limits for this query exceeded."));
        return json_null();
    }
    if (place->repo == NULL) { // the schema has objects in repositories alone
        return json_null();
    }
    if (oid_text != NULL && git_oid_fromstr(&oid, oid_text) == 0) {
        git_object_lookup(&object, place->repo->git, &oid, GIT_OBJECT_ANY);
    } else if (oid_text == NULL && expression != NULL) {
        git_revparse_single(&object, place->repo->git, expression);
    }
    if (object == NULL) {
        return json_null();
    }
    git_object_t type = git_object_type(object);
    json_t *out = answer_inner(query, at,
                               (struct place){.type = type == GIT_OBJECT_BLOB   ? "Blob"
                                                      : type == GIT_OBJECT_TREE ? "Tree"
                                                                                : "Commit",
                                              .repo = place->repo,
                                              .object = object});
    git_object_free(object);
    return out;
}

static bool answer_applies(const char *condition, const struct place *place)
{
    return condition == NULL || strcmp(condition, place->type) == 0 ||
           (strcmp(condition, "GitObject") == 0 && place->object != NULL);
}

static void query_answer(json_t *out, struct query *query, const struct selection *list, struct place *place)
{
    for (const struct selection *at = list; at != NULL; at = at->next) {
        if (at->kind == SELECTION_FRAGMENT) {
            if (answer_applies(at->name, place)) {
                query_answer(out, query, at->inner, place);
            }
        } else if (at->kind == SELECTION_SPREAD) {
            const struct fragment *fragment = query_fragment(query, at->name);
            if (answer_applies(fragment->type, place)) {
                query_answer(out, query, fragment->selections, place);
            }
        } else {
            const char *name = at->name;
            json_t *value = strcmp(name, "repository") == 0 ? answer_repository(query, at)
                            : strcmp(name, "object") == 0   ? answer_object(query, at, place)
                            : strcmp(name, "rateLimit") == 0
                                ? answer_inner(query, at, (struct place){.type = "RateLimit"})
                            : strcmp(name, "viewer") == 0
                                ? answer_inner(query, at, (struct place){.type = "User"})
                                : answer_value(query, at, place);
            json_object_set_new(out, at->alias, value);
        }
    }
}

void rb_sim_answer_query_limit(struct sim_exchange *x)
{
    rb_sim_answer_json(x, 200,
                       json_pack("{s:[{s:s, s:s, s:o}]}", "errors", "type", "RATE_LIMIT", "code",
                                 "graphql_rate_limit", "message",
                                 json_sprintf("API rate limit already exceeded for user ID %lld.",
                                              (long long)(x->user != NULL ? x->user->id : 0))));
}

static void query_finish(struct query *query)
{
    struct sim_exchange *x = query->x;
    json_t *out = json_object();
    if (!query->is_refused) {
        json_t *data = json_object();
        query_answer(data, query, query->selections, &(struct place){.type = "Query"});
        json_object_set_new(out, "data", data);
    }
    if (query->work > QUERY_WORK_MAX) {
        json_decref(out);
        rb_sim_answer_json(
            x, 502,
            json_pack("{s:n, s:[{s:s}]}", "data", "errors", "message",
                      "Something went wrong while executing your query. This may be the result of a timeout, "
                      "or it could be a GitHub bug."));
        return;
    }
    if (json_array_size(query->errors) > 0) {
        json_object_set(out, "errors", query->errors);
    }
    rb_sim_answer_json(x, 200, out);
}

void rb_sim_graphql(struct sim_exchange *x)
{
    json_t *body = rb_sim_body_object(x);
    if (body == NULL) {
        return;
    }
    struct query query = {.x = x, .line = 1, .is_halved = x->is_halved};
    query.errors = query_own(&query, json_array());
    query.declared = query_own(&query, json_object());
    query.variables = json_object_get(body, "variables");
    query.at = query.line_start = rb_sim_json_string(body, "query");
    if (query.at == NULL) {
        rb_sim_answer_json(x, 200,
                           json_pack("{s:[{s:s}]}", "errors", "message",
                                     "A query attribute must be specified and must be a string."));
        return;
    }
    query_document(&query);
    if (!query.is_refused && query.selections == NULL) {
        query_refuse_syntax(&query);
    }
    if (!query.is_refused) {
        query_check(&query, query.selections, "Query", 0);
    }
    query_finish(&query);
}
