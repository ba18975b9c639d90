/* SPDX-License-Identifier: MIT
 *
 * fanout-tree.c: a tree of wide nodes, subtrees of which are replaced at random.
 */
#include "workload.h"

enum { FANOUT = 16, POINTS = 200, LEAST_DEPTH = 2 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a tree of its own"},
    {"depth", 4, 3, "levels below the root, 16 children each (4: 69,905 nodes of 144 B, 9.6 MiB)"},
    {"rounds", 100000, 100, "subtrees of two levels (17 nodes) replaced"},
    {NULL, 0, 0, NULL},
};

struct node {
    struct node *child[FANOUT];
    uint64_t key, rank;
};

HEAP_TYPE(node_type, struct node, (UINT64_C(1) << FANOUT) - 1);

struct fanout_tree {
    unsigned threads;
    uint64_t depth, rounds;
};

static void *fanout_tree_setup(struct bench *b) {
    struct fanout_tree *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->depth = bench_param(b, "depth");
    s->rounds = bench_param(b, "rounds");
    if (s->depth < LEAST_DEPTH || s->depth > 7)
        bench_fail(b, "depth is %llu; fanout-tree takes 2 to 7", (unsigned long long)s->depth);
    return s;
}

static struct node *build(struct bench_thread *t, uint64_t depth) {
    struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
    node->key = rng_next(&t->rng);
    node->rank = depth;
    t->ops++;
    t->live_bytes += sizeof *node;
    for (unsigned i = 0; i < FANOUT; i++) {
        if (depth > 0)
            heap_store(&node->child[i], build(t, depth - 1));
        else if (!HEAP_TRACED) /* a traced object is born clear */
            node->child[i] = NULL;
    }
    return node;
}

static void drop_nodes(struct node *node) {
    for (unsigned i = 0; i < FANOUT && node->child[i] != NULL; i++)
        drop_nodes(node->child[i]);
    heap_drop(node);
}

static void drop(struct bench_thread *t, struct node *node, uint64_t depth) {
    uint64_t nodes = 1;
    for (uint64_t level = 0; level < depth; level++)
        nodes = nodes * FANOUT + 1;
    t->live_bytes -= nodes * sizeof *node;
    if (!HEAP_TRACED) /* a collected program does not walk what it forgets */
        drop_nodes(node);
}

static uint64_t fold(const struct node *node) {
    uint64_t sum = node->key + node->rank;
    for (unsigned i = 0; i < FANOUT && node->child[i] != NULL; i++)
        sum = sum * 31 + fold(node->child[i]);
    return sum;
}

/* A path from the root down to the parents of the lowest nodes but one. */
static void replace(struct bench_thread *t, struct node *root, uint64_t depth) {
    struct node *parent = root;
    uint64_t path = rng_next(&t->rng);
    for (uint64_t level = depth; level > LEAST_DEPTH; level--, path /= FANOUT)
        parent = parent->child[path % FANOUT];
    struct node *old = parent->child[path % FANOUT];
    heap_store(&parent->child[path % FANOUT], build(t, LEAST_DEPTH - 1));
    drop(t, old, LEAST_DEPTH - 1);
}

static void fanout_tree_body(struct bench_thread *t, void *arg) {
    const struct fanout_tree *s = arg;
    uint64_t step = s->rounds / POINTS + 1;
    struct node *root = build(t, s->depth);
    bench_point(t);
    for (uint64_t i = 0; i < s->rounds; i++) {
        replace(t, root, s->depth);
        if (i % step == 0)
            bench_point(t);
    }
    t->checksum = bench_mix(t->checksum, fold(root));
    bench_point(t);
    drop(t, root, s->depth);
}

static void fanout_tree_run(struct bench *b, void *state) {
    struct fanout_tree *s = state;
    bench_parallel(b, s->threads, fanout_tree_body, s);
}

WORKLOAD(fanout_tree) = {
    .name = "fanout-tree",
    .summary = "a tree of 16 children per node, subtrees of which are replaced at random",
    .op = "node allocated",
    .models =
        "Spatial indexes and B-trees in memory (tile38's R-tree is the one that Go's developers measure): wide nodes "
        "that lead to many others, a stable upper part, churn below.",
    .source = "Our own; the shape is that of the fan-out tree in Go's Green Tea experiments (issue 73581): nodes of 16 "
              "pointers and two words, 144 B.",
    .bad_for =
        "Allocators that let holes of 17 nodes lie among the living; markers that visit objects one by one, where a "
        "page of them could be scanned at once.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = fanout_tree_setup,
    .run = fanout_tree_run,
};
