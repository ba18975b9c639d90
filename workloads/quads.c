/* SPDX-License-Identifier: MIT
 *
 * quads.c: one large quad tree that stays, and a flood of small ones.
 */
#include "workload.h"

enum { KIDS = 4, GARBAGE_DEPTH = 3, POINTS = 200, HUNDRED = 100 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a tree of its own"},
    {"depth", 8, 4, "levels below the root of the tree that stays, 32 B nodes (8: 2.7 MiB, 9: 11, 10: 43, 11: 171)"},
    {"heap", 250, 250, "percent of the tree's bytes that count as the heap (whippet's multiplier is 1 to 100 times)"},
    {"rounds", 20, 3, "times that garbage of heap / 7.5 is made"},
    {NULL, 0, 0, NULL},
};

struct quad {
    struct quad *kids[KIDS];
};

HEAP_TYPE(quad_type, struct quad, (UINT64_C(1) << KIDS) - 1);

struct quads {
    unsigned threads, depth;
    uint64_t rounds, trees; /* a round's */
};

static inline uint64_t nodes_of(unsigned depth) {
    return ((UINT64_C(1) << (2 * (depth + 1))) - 1) / 3;
}

static void *quads_setup(struct bench *b) {
    struct quads *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->depth = (unsigned)bench_param(b, "depth");
    s->rounds = bench_param(b, "rounds");
    if (s->depth < 1 || s->depth > 14)
        bench_fail(b, "depth is %u; quads takes 1 to 14", s->depth);
    const uint64_t percent = bench_param(b, "heap");
    if (percent < HUNDRED || percent > HUNDRED * HUNDRED)
        bench_fail(b, "heap is %llu percent of the tree; quads takes 100 to 10000", (unsigned long long)percent);
    /* heap / 7.5 in trees of depth 3; equal node sizes cancel. */
    s->trees = nodes_of(s->depth) * percent * 2 / (HUNDRED * 15) / nodes_of(GARBAGE_DEPTH);
    return s;
}

/* Children before their parent. */
static struct quad *assemble(struct bench_thread *t, unsigned depth) {
    struct quad *kids[KIDS] = {NULL};
    for (unsigned i = 0; depth > 0 && i < KIDS; i++)
        kids[i] = assemble(t, depth - 1);
    struct quad *quad = bench_need(t, heap_object(&quad_type, HEAP_RAW), sizeof *quad);
    for (unsigned i = 0; i < KIDS; i++)
        if (depth > 0)
            heap_store(&quad->kids[i], kids[i]);
        else if (!HEAP_TRACED) /* a traced object is born clear */
            quad->kids[i] = NULL;
    return quad;
}

/* Counts the nodes, and how deep they lie. */
static uint64_t fold(const struct quad *quad, uint64_t level) {
    uint64_t sum = level;
    for (unsigned i = 0; i < KIDS && quad->kids[i] != NULL; i++)
        sum += fold(quad->kids[i], level + 1 + i);
    return sum;
}

static void drop_nodes(struct quad *quad) {
    for (unsigned i = 0; i < KIDS && quad->kids[i] != NULL; i++)
        drop_nodes(quad->kids[i]);
    heap_drop(quad);
}

static void drop_counted(struct bench_thread *t, struct quad *tree, unsigned depth) {
    t->live_bytes -= nodes_of(depth) * sizeof *tree;
    if (!HEAP_TRACED) /* a collected program does not walk what it forgets */
        drop_nodes(tree);
}

static struct quad *tree_counted(struct bench_thread *t, unsigned depth) {
    t->ops += nodes_of(depth);
    t->live_bytes += nodes_of(depth) * sizeof(struct quad);
    return assemble(t, depth);
}

static void quads_body(struct bench_thread *t, void *arg) {
    const struct quads *s = arg;
    const uint64_t step = s->rounds * s->trees / POINTS + 1;
    struct quad *long_lived = tree_counted(t, s->depth);
    bench_point(t);
    for (uint64_t round = 0; round < s->rounds; round++) {
        for (uint64_t i = 0; i < s->trees; i++) {
            struct quad *tree = tree_counted(t, GARBAGE_DEPTH);
            if (i % step == 0)
                bench_point(t);
            drop_counted(t, tree, GARBAGE_DEPTH);
        }
        t->checksum = bench_mix(t->checksum, fold(long_lived, 1));
    }
    bench_point(t);
    drop_counted(t, long_lived, s->depth);
}

static void quads_run(struct bench *b, void *state) {
    struct quads *s = state;
    bench_parallel(b, s->threads, quads_body, s);
}

WORKLOAD(quads) = {
    .name = "quads",
    .summary = "one large quad tree that stays, and twenty times a share of the heap in small ones",
    .op = "node allocated and dropped",
    .models = "A fixed working set beside garbage that is made at full speed: what a mutator pays for fresh memory, "
              "and how much "
              "more in the rounds in which a collection falls.",
    .source =
        "whippet's benchmarks/quads.c and its README: a quad tree of depth N, then 20 times 13 % of the heap (heap / "
        "7.5) "
        "in trees of depth 3, the large tree read after each time; nodes of four pointers, children first. N and the "
        "heap's multiple of the tree are the user's there; here 8 and 2.5, and the heap is not limited to that size. "
        "Nothing random.",
    .bad_for =
        "Collectors without generations, which mark the same tree every time; in manual flavour, whoever pays per "
        "object, or writes into what is freed.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = quads_setup,
    .run = quads_run,
};
