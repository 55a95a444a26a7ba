/*
 * The grapher's writing alone, for the bench: a made-up repository of FILES files, brought to a store by
 * rb_graph_write(). Each line of standard input is a step, and is answered by a line of JSON:
 *
 *   build REPO_ID GENERATION    write it            again …    write it once more, unchanged
 *   change REPO_ID GENERATION   write it with 0.4 % of the files changed, 0.3 % new and 0.3 % gone
 *   remove REPO_ID GENERATION   remove it
 *   rows FILE                   the files for the others: path, language, size, sha, three marks
 *
 * Of DATABASE_URL and, where it is set, NEO4J_URI. CPU is that of this process; `rows_ms` is its part that
 * makes folders of a tree, before the write.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "grapher/graph.h"

#define JUDGE_PARTS 10 /* of a write, timed one by one: is the last as fast as the first? */

struct judge {
    struct rb_db *db;
    struct rb_graph *graph;
    size_t files;
    struct rb_arena *arena; /* of a step */
    int64_t began_us, part_us[JUDGE_PARTS];
    size_t parts;
};

static double cpu_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* KB of a line of /proc/self/status. */
static double memory_mb(const char *name)
{
    char line[256];
    double kb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtod(line + strlen(name), NULL);
    }
    if (file)
        fclose(file);
    return kb / 1024;
}

static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct rb_tree_entry *)a)->path, ((const struct rb_tree_entry *)b)->path);
}

/* Twenty files to a folder, four or five folders deep, as large repositories are. */
static struct rb_tree *tree_of(const struct judge *judge, bool is_changed)
{
    static const char *const extensions[] = {"ts", "go", "py", "json", "c", "md", "java", "tsx"};
    struct rb_tree *tree = rb_arena_alloc(judge->arena, sizeof *tree);
    struct rb_arena *scratch = rb_arena_new(); /* the list is at hand as a handler has it: packed */
    struct rb_tree_entry *entries = rb_arena_alloc(scratch, judge->files * sizeof *entries);
    for (size_t i = 0; i < judge->files; i++) {
        bool is_moved = is_changed && i % 1000 < 3;
        unsigned content = (unsigned)i + (is_changed && i % 1000 >= 3 && i % 1000 < 7);
        entries[i].path = rb_arena_printf(scratch, "services/s%02zu/src/%sarea%zu/part%zu/%sfile_%06zu.%s",
                                          i / 5000, i % 3 ? "" : "lib/", i / 500 % 10, i / 20 % 25,
                                          is_moved ? "new_" : "", i, extensions[i % 8]);
        entries[i].size = (int64_t)(i * 7919 % 20000);
        snprintf(entries[i].sha, sizeof entries[i].sha, "%08x%08x%08x%08x%08x", content, ~content,
                 content * 2654435761u, content ^ 0x5bd1e995u, content);
    }
    qsort(entries, judge->files, sizeof *entries, compare_entries);
    *tree = (struct rb_tree){.entries = entries, .count = judge->files, .complete = true};
    snprintf(tree->commit, sizeof tree->commit, "%040x", is_changed ? 2u : 1u);
    if (rb_tree_pack(tree, judge->arena))
        fprintf(stderr, "graph_judge: %s\n", rb_error_text());
    rb_arena_free(scratch);
    malloc_trim(0);
    return tree;
}

/* As GitHub gives it: an rb_tree_fetch_fn. */
struct listing {
    const struct judge *judge;
    bool is_changed;
};

static rb_err fetch_tree(void *arg, struct rb_tree *tree, char etag[160], bool *unchanged,
                         const struct rb_tree_hint *hint, struct rb_arena *arena)
{
    const struct listing *listing = arg;
    (void)etag, (void)unchanged, (void)hint, (void)arena;
    *tree = *tree_of(listing->judge, listing->is_changed);
    return RB_OK;
}

static bool note_part(void *arg, int64_t done, int64_t total)
{
    struct judge *judge = arg;
    while (judge->parts < JUDGE_PARTS && done * JUDGE_PARTS >= total * (int64_t)(judge->parts + 1))
        judge->part_us[judge->parts++] = rb_clock_us() - judge->began_us;
    return true;
}

static json_t *step_write(struct judge *judge, const char *step, int64_t repo_id, int64_t generation)
{
    struct rb_graph_tree rows = {.repo_id = repo_id, .generation = generation, .full_name = "acme/large"};
    struct rb_graph_written written = {0};
    struct listing listing = {.judge = judge, .is_changed = strcmp(step, "change") == 0};
    const struct rb_tree_key key = {.repo_id = repo_id, .generation = generation};
    struct rb_tree tree;
    /* From the cache of trees, as the grapher has it: that of the generation before is in it too. */
    rb_err err = rb_tree_get(&tree, judge->db, &key, 0, fetch_tree, &listing, judge->arena);
    forget_peak();
    double start_cpu = cpu_ms(), before = memory_mb("VmRSS:");
    judge->began_us = rb_clock_us();
    judge->parts = 0;
    if (!err)
        rb_graph_rows(&rows, &tree, judge->arena);
    double rows_ms = (double)(rb_clock_us() - judge->began_us) / 1e3;
    if (!err)
        err = rb_graph_write(&written, judge->graph, &rows, note_part, judge);
    double wall = (double)(rb_clock_us() - judge->began_us) / 1e3;
    json_t *parts = json_array();
    for (size_t i = 0; i < judge->parts; i++)
        json_array_append_new(parts, json_real((double)judge->part_us[i] / 1e3));
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:o, s:s*}", "wall_ms", wall, "rows_ms",
                     rows_ms, "cpu_ms", cpu_ms() - start_cpu, "tree_mb", before, "peak_mb",
                     memory_mb("VmHWM:"), "files", (json_int_t)written.files, "links",
                     (json_int_t)written.links, "changed", (json_int_t)written.changed, "parts_ms", parts,
                     "error", err ? rb_error_text() : NULL);
}

static json_t *step_remove(const struct judge *judge, int64_t repo_id, int64_t generation)
{
    bool removed = false;
    double start_cpu = cpu_ms();
    int64_t start = rb_clock_us();
    rb_err err = rb_graph_forget(&removed, judge->graph, repo_id, generation);
    return json_pack("{s:f, s:f, s:b, s:s*}", "wall_ms", (double)(rb_clock_us() - start) / 1e3, "cpu_ms",
                     cpu_ms() - start_cpu, "removed", removed ? 1 : 0, "error", err ? rb_error_text() : NULL);
}

static json_t *step_rows(const struct judge *judge, const char *path)
{
    struct rb_graph_tree rows = {.repo_id = 1};
    struct rb_graph_walk *walk = rb_arena_alloc(judge->arena, sizeof *walk);
    FILE *file = fopen(path, "w");
    rb_graph_rows(&rows, tree_of(judge, false), judge->arena);
    rb_graph_judge(&rows, judge->arena);
    rb_graph_walk_begin(walk, &rows);
    for (const struct rb_graph_file *row; file && (row = rb_graph_walk_next(walk));)
        fprintf(file, "%s\t%s\t%" PRId64 "\t%s\t%d%d%d\n", row->path, row->language ? row->language : "",
                row->size, row->sha, row->is_test, row->is_generated, row->is_vendored);
    bool is_written = file && fclose(file) == 0;
    return json_pack("{s:I, s:s*}", "files", (json_int_t)rows.file_count, "error",
                     is_written ? NULL : "the file cannot be written");
}

static bool judge_open(struct judge *judge)
{
    struct rb_graph_options options = {.neo4j_uri = getenv("NEO4J_URI"),
                                       .neo4j_username = getenv("NEO4J_USERNAME"),
                                       .neo4j_password = getenv("NEO4J_PASSWORD")};
    rb_err err = rb_db_open(&judge->db, getenv("DATABASE_URL"), "graph_judge", 0);
    options.db = judge->db;
    if (!err)
        err = rb_graph_open(&judge->graph, &options);
    if (err)
        fprintf(stderr, "graph_judge: %s\n", rb_error_text());
    return err == RB_OK;
}

int main(int argc, char **argv)
{
    struct judge judge = {.files = argc > 1 ? strtoul(argv[1], NULL, 10) : 0};
    char line[1024], step[16], rest[1000];
    if (judge.files == 0 || !getenv("DATABASE_URL")) {
        fprintf(stderr, "usage: DATABASE_URL=… %s FILES\n", argv[0]);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!judge_open(&judge))
        return 1;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%15s %999[^\n]", step, rest) != 2)
            continue;
        char *end = NULL;
        int64_t repo_id = strtoll(rest, &end, 10), generation = strtoll(end, NULL, 10);
        judge.arena = rb_arena_new();
        json_t *answer = strcmp(step, "rows") == 0     ? step_rows(&judge, rest)
                         : strcmp(step, "remove") == 0 ? step_remove(&judge, repo_id, generation)
                                                       : step_write(&judge, step, repo_id, generation);
        json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        puts("");
        fflush(stdout);
        json_decref(answer);
        rb_arena_free(judge.arena);
    }
    rb_graph_close(judge.graph);
    rb_db_close(judge.db);
    curl_global_cleanup();
    return 0;
}
