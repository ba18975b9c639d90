/* SPDX-License-Identifier: MIT
 *
 * tree-churn.c: a perfect binary tree that stays, and small objects beside it that die at once.
 */
#include "workload.h"

#include <string.h>

enum { CHURN_BYTES = 64, POINTS = 200, RING = 16 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a tree of its own, and a share of the other objects"},
    {"depth", 17, 10, "levels below the root of the tree that stays; 4, 32, 256 MiB live: 17, 20, 23"},
    {"churn", 64, 1, "MiB of other objects, 64 B each, in all threads together"},
    {NULL, 0, 0, NULL},
};

struct node {
    struct node *left, *right;
};

HEAP_TYPE(node_type, struct node, HEAP_POINTER(struct node, left) | HEAP_POINTER(struct node, right));

struct tree_churn {
    unsigned threads, depth;
    uint64_t objects; /* of one thread */
};

static void *tree_churn_setup(struct bench *b) {
    struct tree_churn *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->depth = (unsigned)bench_param(b, "depth");
    s->objects = (bench_param(b, "churn") << 20) / CHURN_BYTES / s->threads;
    if (s->depth > 30)
        bench_fail(b, "depth is %u; tree-churn takes up to 30", s->depth);
    return s;
}

static struct node *build(struct bench_thread *t, unsigned depth) {
    struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
    t->ops++;
    t->live_bytes += sizeof *node;
    if (depth > 0) {
        heap_store(&node->left, build(t, depth - 1));
        heap_store(&node->right, build(t, depth - 1));
    } else if (!HEAP_TRACED) { /* a traced object is born clear */
        node->left = NULL;
        node->right = NULL;
    }
    return node;
}

/* Counts the nodes and drops them. */
static uint64_t fell(struct bench_thread *t, struct node *node) {
    uint64_t count = 1;
    if (node->left != NULL)
        count += fell(t, node->left) + fell(t, node->right);
    t->live_bytes -= sizeof *node;
    heap_drop(node);
    return count;
}

/* Each object is read when the sixteenth after it comes, and goes. */
static void churn(struct bench_thread *t, uint64_t objects) {
    const uint64_t step = objects / POINTS + 1;
    uint64_t **ring = bench_need(t, heap_pointers(RING), RING * sizeof *ring);
    t->ops++;
    t->live_bytes += RING * sizeof *ring;
    t->zero_bytes += RING * sizeof *ring;
    for (uint64_t i = 0; i < objects; i++) {
        uint64_t *object = bench_need(t, heap_bytes(CHURN_BYTES, HEAP_RAW), CHURN_BYTES), *old = ring[i % RING];
        memset(object, (int)(i & 0xff), CHURN_BYTES);
        t->ops++;
        t->live_bytes += CHURN_BYTES;
        heap_store(&ring[i % RING], object);
        if (old != NULL) {
            t->checksum = bench_mix(t->checksum, old[0] + old[CHURN_BYTES / 8 - 1]);
            t->live_bytes -= CHURN_BYTES;
            heap_drop(old);
        }
        if (i % step == 0)
            bench_point(t);
    }
    for (unsigned i = 0; i < RING && i < objects; i++) {
        t->live_bytes -= CHURN_BYTES;
        heap_drop(ring[i]);
    }
    t->live_bytes -= RING * sizeof *ring;
    heap_drop(ring);
}

static void tree_churn_body(struct bench_thread *t, void *arg) {
    const struct tree_churn *s = arg;
    struct node *tree = build(t, s->depth);
    churn(t, s->objects);
    t->checksum = bench_mix(t->checksum, fell(t, tree));
    bench_point(t);
}

static void tree_churn_run(struct bench *b, void *state) {
    struct tree_churn *s = state;
    bench_parallel(b, s->threads, tree_churn_body, s);
}

WORKLOAD(tree_churn) = {
    .name = "tree-churn",
    .summary = "a perfect tree that stays, and 64 B objects beside it that die at once",
    .op = "object allocated",
    .models = "The steady state that collectors are tuned for: what lives is always the same, all else is garbage. How "
              "often it is traced again depends on the collector's settings alone.",
    .source =
        "Our own, after the model of Go's GC guide (cost of a collection proportional to what lives, frequency to "
        "what is allocated over the room for it). Nothing random.",
    .bad_for = "Collectors without generations and with little room: each of their cycles traces the same tree.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = tree_churn_setup,
    .run = tree_churn_run,
};
