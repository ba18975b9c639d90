/* SPDX-License-Identifier: MIT
 *
 * shuffled-graph.c: a random directed graph; nodes are replaced, edges are led elsewhere, walks read it.
 */
#include "workload.h"

enum { DEGREE = 4, REWIRED = 3, STEPS = 8, POINTS = 200 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a graph of its own"},
    {"live", 4, 1, "MiB of nodes and of the tables that name them, in all graphs together, about"},
    {"rounds", 2000, 10, "thousand rounds in all graphs together: a node replaced, 3 edges rewired, a walk of 8 steps"},
    {NULL, 0, 0, NULL},
};

/* Whoever has no reference left, neither an edge nor the table's, is dropped; the collector finds that out itself. A
 * node that left the table has no edges any more, so that nothing hangs together in circles outside it. Of these there
 * are about as many as in the table, once edges have come and gone for a while. */
struct node {
    struct node *edge[DEGREE];
    uint64_t value, references;
};

HEAP_TYPE(node_type, struct node, (UINT64_C(1) << DEGREE) - 1);

struct shuffled_graph {
    unsigned threads;
    uint64_t nodes, rounds; /* of one graph */
};

static void *shuffled_graph_setup(struct bench *b) {
    struct shuffled_graph *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->nodes = (bench_param(b, "live") << 20) / (2 * sizeof(struct node) + sizeof(void *)) / s->threads;
    s->rounds = bench_param(b, "rounds") * 1000 / s->threads;
    if (s->nodes < 2 || s->nodes > UINT32_MAX)
        bench_fail(b, "live is %llu MiB for %u threads; a graph has 2 to 2^32 nodes",
                   (unsigned long long)bench_param(b, "live"), s->threads);
    return s;
}

/* A node of the table, by the draw's upper half. */
static inline struct node *chosen(const struct shuffled_graph *s, struct node *const *table, uint64_t draw) {
    return table[(draw >> 32) * s->nodes >> 32];
}

static struct node *new_node(struct bench_thread *t) {
    struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
    for (unsigned i = 0; !HEAP_TRACED && i < DEGREE; i++)
        node->edge[i] = NULL; /* a traced object is born clear */
    node->value = rng_next(&t->rng);
    node->references = 1;
    t->ops++;
    t->live_bytes += sizeof *node;
    return node;
}

static void release(struct bench_thread *t, struct node *node) {
    if (node == NULL || --node->references > 0)
        return;
    t->checksum += node->value;
    t->live_bytes -= sizeof *node;
    heap_drop(node);
}

static void lead(struct bench_thread *t, struct node **edge, struct node *to) {
    struct node *before = *edge;
    to->references++;
    heap_store(edge, to);
    release(t, before);
}

static void lead_all(struct bench_thread *t, const struct shuffled_graph *s, struct node **table, struct node *node) {
    for (unsigned i = 0; i < DEGREE; i++)
        lead(t, &node->edge[i], table[rng_below(&t->rng, s->nodes)]);
}

static void clear_edges(struct bench_thread *t, struct node *node) {
    for (unsigned i = 0; i < DEGREE; i++) {
        struct node *before = node->edge[i];
        heap_store(&node->edge[i], NULL);
        release(t, before);
    }
}

/* A new node in the place of an old one, to which edges may still lead. */
static void replace(struct bench_thread *t, const struct shuffled_graph *s, struct node **table) {
    struct node **slot = &table[rng_below(&t->rng, s->nodes)], *old = *slot;
    clear_edges(t, old);
    heap_store(slot, new_node(t));
    release(t, old);
    lead_all(t, s, table, *slot);
}

static void rewire(struct bench_thread *t, const struct shuffled_graph *s, struct node **table) {
    const uint64_t draw = rng_next(&t->rng);
    struct node *from = chosen(s, table, draw);
    lead(t, &from->edge[draw % DEGREE], table[rng_below(&t->rng, s->nodes)]);
}

/* Ends early in a node that has no edges any more. */
static void walk(struct bench_thread *t, const struct shuffled_graph *s, struct node *const *table) {
    uint64_t draw = rng_next(&t->rng), sum = 0;
    const struct node *at = chosen(s, table, draw);
    for (unsigned i = 0; i < STEPS && at != NULL; i++, draw /= DEGREE) {
        sum = sum * 3 + at->value;
        at = at->edge[draw % DEGREE];
    }
    t->checksum = bench_mix(t->checksum, sum);
}

static void shuffled_graph_body(struct bench_thread *t, void *arg) {
    const struct shuffled_graph *s = arg;
    const uint64_t table_bytes = s->nodes * sizeof(void *), step = (s->nodes + s->rounds) / POINTS + 1;
    struct node **table = bench_need(t, heap_pointers(s->nodes), table_bytes);
    t->ops++;
    t->live_bytes += table_bytes;
    t->zero_bytes += table_bytes;
    for (uint64_t i = 0; i < s->nodes; i++) {
        heap_store(&table[i], new_node(t));
        if (i % step == 0)
            bench_point(t);
    }
    for (uint64_t i = 0; i < s->nodes; i++)
        lead_all(t, s, table, table[i]);
    for (uint64_t i = 0; i < s->rounds; i++) {
        replace(t, s, table);
        for (unsigned k = 0; k < REWIRED; k++)
            rewire(t, s, table);
        walk(t, s, table);
        if (i % step == 0)
            bench_point(t);
    }
    bench_point(t);
    for (uint64_t i = 0; i < s->nodes; i++)
        clear_edges(t, table[i]);
    for (uint64_t i = 0; i < s->nodes; i++)
        release(t, table[i]);
    t->live_bytes -= table_bytes;
    heap_drop(table);
}

static void shuffled_graph_run(struct bench *b, void *state) {
    struct shuffled_graph *s = state;
    bench_parallel(b, s->threads, shuffled_graph_body, s);
}

WORKLOAD(shuffled_graph) = {
    .name = "shuffled-graph",
    .summary = "a random graph of four edges per node, whose nodes are replaced and edges led elsewhere",
    .op = "node allocated",
    .models = "Object graphs without locality: social graphs, entity stores, interpreters' heaps after hours. Where an "
              "object "
              "lies says nothing about what it leads to, and old objects are written all the time.",
    .source = "Our own, after the random graphs of collector papers: 48 B nodes of 4 edges, chosen uniformly; nodes "
              "that were "
              "replaced stay as long as edges lead to them, which reference counts tell in both flavours.",
    .bad_for =
        "Markers that hope for several objects per page visit until the heap is large against the queue; everybody's "
        "caches; write barriers, which see a dozen pointer writes per allocation, all into old objects.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = shuffled_graph_setup,
    .run = shuffled_graph_run,
};
