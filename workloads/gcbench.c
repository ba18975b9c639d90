/* SPDX-License-Identifier: MIT
 *
 * gcbench.c: binary trees of many depths, built from the root down and from the leaves up, beside a tree and an array
 * that stay.
 */
#include "workload.h"

enum { DEPTH_MIN = 4, POINTS = 200 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each does all of it, with a long-lived tree and array of its own"},
    {"long-lived", 16, 8,
     "levels below the root of the tree that stays; 4, 32, 256 MiB live: 13, 19, 22 and array as there"},
    {"array", 500000, 5000, "doubles in the array that stays; 4, 32, 256 MiB live: 62500, 500000, 6000000"},
    {"depth", 16, 6, "levels below the root of the deepest of the other trees; the smallest have 4"},
    {NULL, 0, 0, NULL},
};

struct node {
    struct node *left, *right;
    int32_t unused, height;
};

HEAP_TYPE(node_type, struct node, HEAP_POINTER(struct node, left) | HEAP_POINTER(struct node, right));

struct gcbench {
    unsigned threads, long_lived, depth;
    uint64_t doubles;
};

static void *gcbench_setup(struct bench *b) {
    struct gcbench *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->long_lived = (unsigned)bench_param(b, "long-lived");
    s->depth = (unsigned)bench_param(b, "depth");
    s->doubles = bench_param(b, "array");
    if (s->depth < DEPTH_MIN || s->depth > 28 || s->long_lived < 1 || s->long_lived > 30)
        bench_fail(b, "depth is %u and long-lived %u; gcbench takes 4 to 28 and 1 to 30", s->depth, s->long_lived);
    if (s->doubles < 2 || s->doubles > UINT64_C(1) << 32)
        bench_fail(b, "array is %llu; gcbench takes 2 to 2^32", (unsigned long long)s->doubles);
    return s;
}

static inline uint64_t nodes_of(unsigned depth) {
    return (UINT64_C(2) << depth) - 1;
}

static struct node *new_node(struct bench_thread *t) {
    struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
    if (!HEAP_TRACED) /* a traced object is born clear */
        *node = (struct node){NULL, NULL, 0, 0};
    return node;
}

/* From the root down: both children before their children, stored into an older object. */
static void populate(struct bench_thread *t, struct node *node, unsigned depth) {
    if (depth == 0)
        return;
    struct node *left = new_node(t), *right = new_node(t);
    heap_store(&node->left, left);
    heap_store(&node->right, right);
    node->height = (int32_t)depth;
    populate(t, left, depth - 1);
    populate(t, right, depth - 1);
}

/* From the leaves up: the parent comes after its children, and is younger. */
static struct node *assemble(struct bench_thread *t, unsigned depth) {
    if (depth == 0)
        return new_node(t);
    struct node *left = assemble(t, depth - 1), *right = assemble(t, depth - 1), *node = new_node(t);
    heap_store(&node->left, left);
    heap_store(&node->right, right);
    node->height = (int32_t)depth;
    return node;
}

static struct node *tree_counted(struct bench_thread *t, unsigned depth, bool from_the_root) {
    t->ops += nodes_of(depth);
    t->live_bytes += nodes_of(depth) * sizeof(struct node);
    if (!from_the_root)
        return assemble(t, depth);
    struct node *root = new_node(t);
    populate(t, root, depth);
    return root;
}

/* The sum of all heights, each plus one: what the tree should hold, read back. */
static uint64_t fold(const struct node *node) {
    uint64_t sum = (uint64_t)node->height + 1;
    return node->left == NULL ? sum : sum + fold(node->left) + fold(node->right);
}

static void drop_nodes(struct node *node) {
    if (node->left != NULL) {
        drop_nodes(node->left);
        drop_nodes(node->right);
    }
    heap_drop(node);
}

static void drop_counted(struct bench_thread *t, struct node *tree, unsigned depth) {
    t->live_bytes -= nodes_of(depth) * sizeof *tree;
    if (!HEAP_TRACED) /* a collected program does not walk what it forgets */
        drop_nodes(tree);
}

/* As many trees of one depth as make about as many nodes as two trees that are two levels deeper than the deepest. */
static void many(struct bench_thread *t, const struct gcbench *s, unsigned depth, bool from_the_root) {
    const uint64_t trees = 2 * nodes_of(s->depth + 2) / nodes_of(depth);
    const uint64_t depths = (s->depth - DEPTH_MIN) / 2 + 1, step = trees * depths * 2 / POINTS + 1;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < trees; i++) {
        struct node *tree = tree_counted(t, depth, from_the_root);
        sum += fold(tree);
        if (i % step == 0)
            bench_point(t);
        drop_counted(t, tree, depth);
    }
    t->checksum = bench_mix(bench_mix(t->checksum, depth), sum);
}

/* The published program fills and reads the first half only. */
static double *new_array(struct bench_thread *t, uint64_t n) {
    double *array = bench_need(t, heap_bytes(n * sizeof *array, HEAP_RAW), n * sizeof *array);
    t->ops++;
    t->live_bytes += n * sizeof *array;
    for (uint64_t i = 0; i < n / 2; i++)
        array[i] = 1.0 / (double)(i + 1);
    return array;
}

static void drop_array(struct bench_thread *t, double *array, uint64_t n) {
    union {
        double number;
        uint64_t bits;
    } word;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n / 2; i++) {
        word.number = array[i];
        sum += word.bits;
    }
    t->checksum = bench_mix(t->checksum, sum);
    t->live_bytes -= n * sizeof *array;
    heap_drop(array);
}

static void gcbench_body(struct bench_thread *t, void *arg) {
    const struct gcbench *s = arg;
    struct node *long_lived = tree_counted(t, s->long_lived, true);
    double *array = new_array(t, s->doubles);
    bench_point(t);
    for (unsigned depth = DEPTH_MIN; depth <= s->depth; depth += 2) {
        many(t, s, depth, true);
        many(t, s, depth, false);
    }
    t->checksum = bench_mix(t->checksum, fold(long_lived));
    bench_point(t);
    drop_array(t, array, s->doubles);
    drop_counted(t, long_lived, s->long_lived);
}

static void gcbench_run(struct bench *b, void *state) {
    struct gcbench *s = state;
    bench_parallel(b, s->threads, gcbench_body, s);
}

WORKLOAD(gcbench) = {
    .name = "gcbench",
    .summary = "binary trees of depth 4 to 16 that die at once, beside a tree and an array that stay",
    .op = "object allocated and dropped",
    .models = "Objects that live the longer the larger the structure is that they belong to; old data of two kinds, "
              "one full of "
              "pointers and one without any. The collector benchmark that most papers have run.",
    .source =
        "GCBench by Ellis and Kovac, later Boehm; parameters as in whippet's mt-gcbench.c, all published: tree of "
        "depth "
        "16 and array of 500,000 doubles that stay, then for depths 4, 6 ... 16 as many trees as make the nodes of two "
        "of depth 18, once from the root down and once from the leaves up; 24 B nodes (two pointers, two ints). "
        "Without "
        "the stretch tree at the start, as there; element i is 1/(i+1), not 1/i. Nothing random.",
    .bad_for =
        "Collectors that trace the long-lived tree each time (no generations) and do not know that the array holds no "
        "pointers; whoever pays per object.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = gcbench_setup,
    .run = gcbench_run,
};
