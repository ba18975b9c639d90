/* SPDX-License-Identifier: MIT
 *
 * mark.c: a heap of one shape that does not change, collected again and again: what marking it costs. One workload per
 * shape, and one of nothing, to be subtracted.
 */
#include "workload.h"

enum { FANOUT = 16, MAP_SLOTS_PER_RECORD = 2 };

struct cell {
    struct cell *next;
    uint64_t value;
};
struct search {
    struct search *less, *more;
    uint64_t key;
};
struct pair {
    struct pair *left, *right;
};
struct wide {
    struct wide *child[FANOUT];
};
struct record {
    uint64_t key;
    struct record *follows; /* the record made before */
    uint64_t fields[3];
};

HEAP_TYPE(cell_type, struct cell, HEAP_POINTER(struct cell, next));
HEAP_TYPE(search_type, struct search, HEAP_POINTER(struct search, less) | HEAP_POINTER(struct search, more));
HEAP_TYPE(pair_type, struct pair, HEAP_POINTER(struct pair, left) | HEAP_POINTER(struct pair, right));
HEAP_TYPE(wide_type, struct wide, (UINT64_C(1) << FANOUT) - 1);
HEAP_TYPE(record_type, struct record, HEAP_POINTER(struct record, follows));

struct mark {
    void *root; /* registered */
    uint64_t nodes, collections, found;
    uint64_t (*count)(const struct mark *m);
    struct rng rng;
    struct bench *bench;
};

static void *need(const struct mark *m, void *p, size_t size_bytes) {
    if (p == NULL)
        bench_out_of_memory(m->bench, size_bytes);
    return p;
}

/* ---- lists: in the order of allocation, or in a random one */

static struct cell *new_cell(struct mark *m, uint64_t value) {
    struct cell *cell = need(m, heap_object(&cell_type, HEAP_ZERO), sizeof *cell);
    cell->value = value;
    return cell;
}

static void build_list(struct mark *m) {
    struct cell *last = NULL;
    for (uint64_t i = 0; i < m->nodes; i++) {
        struct cell *cell = new_cell(m, i);
        if (last == NULL)
            heap_store(&m->root, cell);
        else
            heap_store(&last->next, cell);
        last = cell;
    }
}

static void build_shuffled(struct mark *m) {
    struct cell **cells = need(m, heap_pointers(m->nodes), m->nodes * sizeof *cells);
    heap_store(&m->root, cells);
    for (uint64_t i = 0; i < m->nodes; i++)
        heap_store(&cells[i], new_cell(m, i));
    for (uint64_t i = m->nodes - 1; i > 0; i--) {
        uint64_t other = rng_below(&m->rng, i + 1);
        struct cell *cell = cells[i];
        heap_store(&cells[i], cells[other]);
        heap_store(&cells[other], cell);
    }
    for (uint64_t i = 0; i + 1 < m->nodes; i++)
        heap_store(&cells[i]->next, cells[i + 1]);
    heap_store(&m->root, cells[0]);
    heap_drop(cells);
}

static uint64_t count_list(const struct mark *m) {
    uint64_t sum = 0;
    for (const struct cell *cell = m->root; cell != NULL; cell = cell->next)
        sum += cell->value + 1;
    return sum;
}

/* ---- trees */

static void build_search(struct mark *m) {
    for (uint64_t i = 0; i < m->nodes; i++) {
        struct search *node = need(m, heap_object(&search_type, HEAP_ZERO), sizeof *node);
        node->key = rng_next(&m->rng);
        void *slot = &m->root;
        for (struct search *at = m->root; at != NULL; at = *(struct search **)slot)
            slot = node->key < at->key ? &at->less : &at->more;
        heap_store(slot, node);
    }
}

static uint64_t count_search_below(const struct search *node) {
    if (node == NULL)
        return 0;
    return node->key % 1024 + count_search_below(node->less) + count_search_below(node->more);
}

static uint64_t count_search(const struct mark *m) {
    return count_search_below(m->root);
}

static struct pair *build_pairs(struct mark *m, uint64_t nodes) {
    struct pair *pair = need(m, heap_object(&pair_type, HEAP_ZERO), sizeof *pair);
    if (nodes > 2) {
        heap_store(&pair->left, build_pairs(m, nodes / 2));
        heap_store(&pair->right, build_pairs(m, nodes / 2));
    }
    return pair;
}

static void build_perfect(struct mark *m) {
    heap_store(&m->root, build_pairs(m, m->nodes));
}

static uint64_t count_pairs(const struct pair *pair) {
    return pair->left == NULL ? 1 : 1 + count_pairs(pair->left) + count_pairs(pair->right);
}

static uint64_t count_perfect(const struct mark *m) {
    return count_pairs(m->root);
}

static struct wide *build_wide_below(struct mark *m, uint64_t nodes) {
    struct wide *wide = need(m, heap_object(&wide_type, HEAP_ZERO), sizeof *wide);
    for (unsigned i = 0; nodes > FANOUT && i < FANOUT; i++)
        heap_store(&wide->child[i], build_wide_below(m, nodes / FANOUT));
    return wide;
}

static void build_wide(struct mark *m) {
    heap_store(&m->root, build_wide_below(m, m->nodes));
}

static uint64_t count_wide_below(const struct wide *wide) {
    uint64_t nodes = 1;
    for (unsigned i = 0; i < FANOUT && wide->child[i] != NULL; i++)
        nodes += count_wide_below(wide->child[i]);
    return nodes;
}

static uint64_t count_wide(const struct mark *m) {
    return count_wide_below(m->root);
}

/* ---- a hash map: an open table of pointers to records, which were made in another order */

static uint64_t map_slots(const struct mark *m) {
    return m->nodes * MAP_SLOTS_PER_RECORD;
}

static void build_map(struct mark *m) {
    uint64_t slots = map_slots(m);
    struct record **table = need(m, heap_pointers(slots), slots * sizeof *table), *last = NULL;
    heap_store(&m->root, table);
    for (uint64_t i = 0; i < m->nodes; i++) {
        struct record *record = need(m, heap_object(&record_type, HEAP_ZERO), sizeof *record);
        record->key = rng_next(&m->rng);
        heap_store(&record->follows, last);
        last = record;
        uint64_t at = record->key % slots;
        while (table[at] != NULL)
            at = at + 1 < slots ? at + 1 : 0;
        heap_store(&table[at], record);
    }
}

static uint64_t count_map(const struct mark *m) {
    struct record *const *table = m->root;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < map_slots(m); i++)
        sum += table[i] != NULL ? table[i]->key % 1024 + i % 7 : 0;
    return sum;
}

/* ---- the same for all: the heap is made before the clock starts, and collected once */

static void *mark_setup(struct bench *b, void (*build)(struct mark *m), uint64_t (*count)(const struct mark *m)) {
    struct mark *m = bench_scratch(b, sizeof *m);
    m->bench = b;
    m->nodes = build != NULL ? bench_param(b, "nodes") * 1000 : 0;
    m->collections = bench_param(b, "collections");
    m->count = count;
    rng_seed(&m->rng, bench_seed(b), 0);
    if (heap_root_add(&m->root, 1) != 0)
        bench_fail(b, "there is no memory for a root");
    if (m->nodes != 0)
        build(m);
    m->found = m->nodes != 0 ? count(m) : 0;
    heap_collect();
    return m;
}

static void mark_body(struct bench_thread *t, void *arg) {
    struct mark *m = arg;
    for (uint64_t i = 0; i < m->collections; i++) {
        heap_collect();
        t->ops++;
        bench_point(t);
    }
    t->checksum = bench_mix(t->checksum, m->found);
}

static void mark_run(struct bench *b, void *state) {
    struct mark *m = state;
    bench_parallel(b, 1, mark_body, m);
    if (m->nodes != 0 && m->count(m) != m->found)
        bench_fail(b, "the heap is not what it was before %llu collections", (unsigned long long)m->collections);
}

static void mark_teardown(struct bench *b, void *state) {
    (void)b;
    struct mark *m = state;
    heap_root_remove(&m->root);
}

#define MARK(id, shape, workload_name, what, thousands, build, count, who)                                             \
    static const struct workload_param mark_##id##_params[] = {                                                        \
        {"collections", 10, 2, "forced collections"},                                                                  \
        {(thousands) != 0 ? "nodes" : NULL, thousands, 4, "thousand objects in the heap"},                             \
        {NULL, 0, 0, NULL},                                                                                            \
    };                                                                                                                 \
    static void *mark_##id##_setup(struct bench *b) {                                                                  \
        return mark_setup(b, build, count);                                                                            \
    }                                                                                                                  \
    WORKLOAD(id) = {                                                                                                   \
        .name = workload_name,                                                                                         \
        .summary = what ", which does not change, collected again and again",                                          \
        .op = "forced collection",                                                                                     \
        .models =                                                                                                      \
            "Nothing but marking. " shape " Its process CPU minus that of mark-empty is what marking costs; run "      \
            "it with one processor and, where there is such a setting, with the world stopped.",                       \
        .source =                                                                                                      \
            "Our own shapes, after those that Go's developers discuss in issue 73581 and collector papers use as "     \
            "extremes. Build and check are outside the clock.",                                                        \
        .bad_for = who,                                                                                                \
        .params = mark_##id##_params,                                                                                  \
        .flavours = WORKLOAD_TRACED,                                                                                   \
        .setup = mark_##id##_setup,                                                                                    \
        .run = mark_run,                                                                                               \
        .teardown = mark_teardown,                                                                                     \
    }

MARK(mark_empty, "Here: an empty heap, which costs what a collection costs besides.", "mark-empty", "an empty heap", 0,
     NULL, NULL, "Whoever stops many threads or sweeps much for nothing.");
MARK(mark_list, "Here: 16 B cells linked in the order of their addresses.", "mark-list",
     "a singly linked list in memory order", 3000, build_list, count_list,
     "Markers that queue pages: each cell leads to one more, and a page is visited for it alone.");
MARK(mark_shuffled, "Here: 16 B cells linked in a random order.", "mark-shuffled",
     "a singly linked list in random order", 3000, build_shuffled, count_list,
     "Everybody: each step waits for memory, and nothing can be asked for ahead.");
MARK(mark_search, "Here: 24 B nodes of a binary search tree, inserted in random order.", "mark-search-tree",
     "a random binary search tree", 2000, build_search, count_search,
     "Markers that visit objects one by one: parent and child are far apart.");
MARK(mark_perfect, "Here: 16 B nodes of a perfect binary tree, built depth first.", "mark-perfect-tree",
     "a perfect binary tree", 4194, build_perfect, count_perfect, "Markers that pay much per object.");
MARK(mark_wide, "Here: 128 B nodes of 16 pointers, built depth first.", "mark-fanout-tree",
     "a tree of 16 children per node", 1118, build_wide, count_wide,
     "Markers that touch a queue for each of a node's pointers.");
MARK(mark_map, "Here: a table of pointers to 40 B records, and each record points to the one made before it.",
     "mark-map", "a hash map of records", 1000, build_map, count_map,
     "Markers that follow the table one entry at a time into random memory.");
