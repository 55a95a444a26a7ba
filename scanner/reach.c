/*
 * What packages of a lock file are for, where it does not say: a package is needed at run time when something
 * that is needed at run time needs it. Packages are told apart by lock and name; two versions of one name are
 * needed for the same, which errs on the side of run time.
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/scan.h"

struct reach_node {
    uint64_t hash;
    uint8_t level;
};

struct reach {
    struct reach_node *nodes;   /* by hash, each once */
    struct rb_scan_edge *edges; /* by `from` */
    size_t node_count, edge_count;
    uint32_t *queue; /* nodes that were raised and whose needs were not looked at yet */
    size_t queued;
};

/* FNV-1a. Whoever makes names that collide gets wrong words about packages of their own. */
static uint64_t reach_hash(const char *lock, const char *name, size_t len)
{
    uint64_t hash = 14695981039346656037u;
    for (; *lock; lock++)
        hash = (hash ^ (unsigned char)*lock) * 1099511628211u;
    hash *= 1099511628211u; /* a zero between them */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
    return hash;
}

void rb_scan_lock_needs(struct rb_scan_sheet *sheet, struct rb_piece from, struct rb_piece to)
{
    if (from.len == 0 || to.len == 0 || sheet->edge_count == RB_SCAN_EDGES_MAX)
        return;
    if (sheet->edge_count == sheet->edge_capacity) {
        sheet->edge_capacity = sheet->edge_capacity ? sheet->edge_capacity * 2 : 1024;
        struct rb_scan_edge *grown =
            rb_arena_alloc(sheet->arena, sheet->edge_capacity * sizeof *sheet->edges);
        if (sheet->edge_count)
            memcpy(grown, sheet->edges, sheet->edge_count * sizeof *grown);
        sheet->edges = grown;
    }
    sheet->edges[sheet->edge_count++] = (struct rb_scan_edge){reach_hash(sheet->manifest, from.at, from.len),
                                                              reach_hash(sheet->manifest, to.at, to.len)};
}

static int reach_order(const void *a, const void *b) /* of nodes and of edges: both begin with the hash */
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static struct reach_node *reach_find(const struct reach *reach, uint64_t hash)
{
    return bsearch(&hash, reach->nodes, reach->node_count, sizeof *reach->nodes, reach_order);
}

static void reach_nodes(struct reach *reach, const struct rb_scan_sheet *sheet, const uint8_t *levels)
{
    for (size_t i = 0; i < sheet->locked_count; i++) {
        const struct rb_scan_locked *locked = &sheet->locked[i];
        reach->nodes[i] =
            (struct reach_node){reach_hash(locked->lock, locked->name, strlen(locked->name)), levels[i]};
    }
    qsort(reach->nodes, sheet->locked_count, sizeof *reach->nodes, reach_order);
    for (size_t i = 0; i < sheet->locked_count; i++) {
        struct reach_node *last = reach->node_count ? &reach->nodes[reach->node_count - 1] : NULL;
        if (!last || last->hash != reach->nodes[i].hash)
            reach->nodes[reach->node_count++] = reach->nodes[i];
        else if (last->level < reach->nodes[i].level)
            last->level = reach->nodes[i].level;
    }
}

/* Raises what the node needs. A node is queued once a level at most: levels only rise. */
static void reach_needs(struct reach *reach, const struct reach_node *node)
{
    size_t low = 0, high = reach->edge_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reach->edges[middle].from < node->hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < reach->edge_count && reach->edges[low].from == node->hash; low++) {
        struct reach_node *to = reach_find(reach, reach->edges[low].to);
        if (!to || to->level >= node->level)
            continue;
        to->level = node->level;
        reach->queue[reach->queued++] = (uint32_t)(to - reach->nodes);
    }
}

/* The highest level first, so that nothing is raised twice. */
static void reach_spread(struct reach *reach)
{
    for (uint8_t level = RB_SCAN_LEVEL_MAX; level > 0; level--) {
        for (size_t i = 0; i < reach->node_count; i++) {
            if (reach->nodes[i].level != level)
                continue;
            reach->queue[reach->queued++] = (uint32_t)i;
            while (reach->queued)
                reach_needs(reach, &reach->nodes[reach->queue[--reach->queued]]);
        }
    }
}

void rb_scan_reach(const struct rb_scan_sheet *sheet, uint8_t *levels)
{
    if (sheet->edge_count == 0 || sheet->locked_count == 0)
        return;
    struct reach reach = {.edge_count = sheet->edge_count};
    reach.nodes = rb_calloc(sheet->locked_count, sizeof *reach.nodes);
    reach.queue = rb_calloc(sheet->locked_count + 1, sizeof *reach.queue);
    reach.edges = rb_calloc(sheet->edge_count, sizeof *reach.edges);
    memcpy(reach.edges, sheet->edges, sheet->edge_count * sizeof *reach.edges);
    qsort(reach.edges, reach.edge_count, sizeof *reach.edges, reach_order);
    reach_nodes(&reach, sheet, levels);
    reach_spread(&reach);
    for (size_t i = 0; i < sheet->locked_count; i++) {
        const struct rb_scan_locked *locked = &sheet->locked[i];
        const struct reach_node *node =
            reach_find(&reach, reach_hash(locked->lock, locked->name, strlen(locked->name)));
        if (node && node->level > levels[i])
            levels[i] = node->level;
    }
    free(reach.edges);
    free(reach.queue);
    free(reach.nodes);
}
