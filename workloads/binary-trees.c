/* SPDX-License-Identifier: MIT
 *
 * binary-trees.c: perfect binary trees by the rules of the benchmarks game, in both flavours.
 */
#include "workload.h"

enum { DEPTH_MIN = 4, POINT_NODES = 1 << 15 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; the short-lived trees of each depth are divided among them"},
    {"depth", 16, 8, "levels below the root of the long-lived tree (21 in the published tables, 10 in its check)"},
    {"whole", 0, 0, "1: a thread takes whole depths in turn, as published programs divide them; 0: a share of each"},
    {NULL, 0, 0, NULL},
};

struct node {
    struct node *left, *right;
};

HEAP_TYPE(node_type, struct node, HEAP_POINTER(struct node, left) | HEAP_POINTER(struct node, right));

struct binary_trees {
    unsigned threads, depth;
    bool whole;
};

static void *binary_trees_setup(struct bench *b) {
    struct binary_trees *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->depth = (unsigned)bench_param(b, "depth");
    s->whole = bench_param(b, "whole") != 0;
    if (s->depth < DEPTH_MIN + 2 || s->depth > 30)
        bench_fail(b, "depth is %u; binary-trees takes 6 to 30", s->depth);
    return s;
}

static inline uint64_t nodes_of(unsigned depth) {
    return (UINT64_C(2) << depth) - 1;
}

/* Parent first, then left, then right: the order is part of the operation stream. Leaves are nodes like all others. */
static struct node *build(struct bench_thread *t, unsigned depth) {
    struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
    if (depth > 0) {
        heap_store(&node->left, build(t, depth - 1));
        heap_store(&node->right, build(t, depth - 1));
    } else if (!HEAP_TRACED) { /* a traced object is born clear */
        node->left = NULL;
        node->right = NULL;
    }
    return node;
}

/* Counts the nodes, as the published program's check does. */
static uint64_t check(const struct node *node) {
    return node->left == NULL ? 1 : 1 + check(node->left) + check(node->right);
}

static void drop(struct node *node) {
    if (HEAP_TRACED)
        return; /* a collected program does not walk what it forgets */
    if (node->left != NULL) {
        drop(node->left);
        drop(node->right);
    }
    heap_drop(node);
}

static struct node *build_counted(struct bench_thread *t, unsigned depth) {
    struct node *tree = build(t, depth);
    t->ops += nodes_of(depth);
    t->live_bytes += nodes_of(depth) * sizeof *tree;
    return tree;
}

static void drop_counted(struct bench_thread *t, struct node *tree, unsigned depth) {
    drop(tree);
    t->live_bytes -= nodes_of(depth) * sizeof *tree;
}

/* Builds, checks and drops this thread's share of the trees of one depth, the place-th. */
static void short_lived(struct bench_thread *t, const struct binary_trees *s, unsigned depth, unsigned place) {
    const uint64_t trees = UINT64_C(1) << (s->depth - depth + DEPTH_MIN);
    const bool mine = place % s->threads == t->index;
    const uint64_t begin = s->whole ? 0 : trees * t->index / s->threads;
    const uint64_t end = !s->whole ? trees * (t->index + 1) / s->threads : mine ? trees : 0;
    uint64_t counted = 0, next_point = 0;
    for (uint64_t i = begin; i < end; i++) {
        struct node *tree = build_counted(t, depth);
        counted += check(tree);
        if (counted >= next_point) {
            bench_point(t);
            next_point = counted + POINT_NODES;
        }
        drop_counted(t, tree, depth);
    }
    t->checksum = bench_mix(bench_mix(t->checksum, depth), counted);
}

static void binary_trees_body(struct bench_thread *t, void *arg) {
    const struct binary_trees *s = arg;
    struct node *long_lived = NULL;
    if (t->index == 0) {
        struct node *stretch = build_counted(t, s->depth + 1);
        t->checksum = bench_mix(t->checksum, check(stretch));
        bench_point(t);
        drop_counted(t, stretch, s->depth + 1);
        long_lived = build_counted(t, s->depth);
        bench_point(t);
    }
    for (unsigned depth = DEPTH_MIN; depth <= s->depth; depth += 2)
        short_lived(t, s, depth, (depth - DEPTH_MIN) / 2);
    if (long_lived != NULL) {
        t->checksum = bench_mix(t->checksum, check(long_lived));
        bench_point(t);
        drop_counted(t, long_lived, s->depth);
    }
}

static void binary_trees_run(struct bench *b, void *state) {
    struct binary_trees *s = state;
    bench_parallel(b, s->threads, binary_trees_body, s);
}

WORKLOAD(binary_trees) = {
    .name = "binary-trees",
    .summary = "perfect binary trees, many short-lived beside one that stays",
    .op = "node allocated and dropped",
    .models =
        "Programs of small linked objects: all allocation, hardly any computation, most objects dead soon. The usual "
        "first benchmark of a collector, after Ellis and Kovac's and Boehm's GCBench.",
    .source =
        "The Computer Language Benchmarks Game, binary-trees: a stretch tree of depth N+1; a long-lived tree of depth "
        "N; 2^(N-d+4) trees of each depth d = 4, 6 ... N; no arenas, no free lists; 16 B nodes. Published N = 21; "
        "the default here is 16, a thirty-second of the nodes. Manual flavour: raw memory, both pointers written; "
        "traced: cleared by the allocator, as typed memory is. Nothing random.",
    .bad_for =
        "glibc (a 16 B node takes 32 B) and whoever pays per object; in traced flavour, collectors that trace the "
        "long-lived tree again and again (no generations, small heaps).",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = binary_trees_setup,
    .run = binary_trees_run,
};
