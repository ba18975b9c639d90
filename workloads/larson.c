/* SPDX-License-Identifier: MIT
 *
 * larson.c: Larson and Krishnan's server: every operation frees a random block and allocates another in its place;
 * threads die and hand their blocks to the next one. Two workloads: the name alone stands for two different parameter
 * sets.
 */
#include <string.h>

#include "workload.h"

enum {
    STEPS = 32,              /* sampling steps per generation */
    WARMUP_REPLACEMENTS = 4, /* per block, before the clock starts */
    WARMUP_STREAM = 1 << 20, /* a random stream that no thread uses */
};

/* As printed: 10,000 blocks of 10 to 100 B per thread; the rounds are those of the README that came with Hoard 2. */
static const struct workload_param paper_params[] = {
    {"threads", 1, 1, "threads alive at a time"},
    {"blocks", 10000, 500, "live blocks per thread"},
    {"size_min", 10, 10, "bytes, smallest block"},
    {"size_max", 100, 100, "bytes, all blocks are smaller"},
    {"rounds", 10, 2, "replacements per block in a generation of threads"},
    {"generations", 30, 3, "threads that follow each other on the same blocks (the original runs for 30 s)"},
    {NULL, 0, 0, NULL},
};

static const struct workload_param bench_params[] = {
    {"threads", 1, 1, "threads alive at a time"},
    {"blocks", 5000, 500, "live blocks per thread"},
    {"size_min", 8, 8, "bytes, smallest block"},
    {"size_max", 1000, 1000, "bytes, all blocks are smaller"},
    {"rounds", 100, 2, "replacements per block in a generation of threads"},
    {"generations", 5, 3, "threads that follow each other on the same blocks (the original runs for 5 s)"},
    {NULL, 0, 0, NULL},
};

struct block {
    unsigned char *p;
    uint64_t size_bytes;
};

struct larson {
    unsigned threads;
    uint64_t blocks;          /* per thread */
    uint64_t size_min, range; /* bytes: sizes lie in [size_min, size_min + range) */
    uint64_t replacements;    /* per generation */
    uint64_t generations;
    uint64_t *generation; /* of each thread, counted by it */
    struct block *live;   /* `blocks` per thread */
};

static void *larson_setup(struct bench *b) {
    struct larson *s = bench_scratch(b, sizeof *s);
    const uint64_t size_max = bench_param(b, "size_max");
    s->threads = (unsigned)bench_param(b, "threads");
    s->blocks = bench_param(b, "blocks");
    s->size_min = bench_param(b, "size_min");
    if (s->blocks == 0 || s->blocks > UINT32_MAX || s->size_min < 2 || size_max <= s->size_min || size_max > UINT32_MAX)
        bench_fail(b, "larson needs blocks and 2 <= size_min < size_max, all below 2^32");
    s->range = size_max - s->size_min;
    s->replacements = bench_param(b, "rounds") * s->blocks;
    s->generations = bench_param(b, "generations");
    s->generation = bench_scratch(b, s->threads * sizeof *s->generation);
    s->live = bench_scratch(b, s->threads * s->blocks * sizeof *s->live);
    return s;
}

/* One draw serves two choices, each from its own half. */
static inline uint64_t upper_below(uint64_t random, uint64_t n) {
    return ((random >> 32) * n) >> 32;
}

static inline uint64_t lower_below(uint64_t random, uint64_t n) {
    return ((random & UINT32_MAX) * n) >> 32;
}

/* The first two bytes are what the original writes; ours hold the size, so that they can be checked. */
static inline void write_block(struct block *block) {
    block->p[0] = (unsigned char)block->size_bytes;
    block->p[1] = (unsigned char)(block->size_bytes >> 8);
}

static void *allocate_untimed(struct bench *b, size_t size_bytes) {
    void *p = heap_bytes(size_bytes, HEAP_RAW);
    if (p == NULL)
        bench_out_of_memory(b, size_bytes);
    return p;
}

/* One thread allocates everybody's blocks, shuffles them, and replaces each four times: no thread owns what it frees.
 */
static void warm_up(struct bench *b, const struct larson *s) {
    const uint64_t count = s->threads * s->blocks;
    struct rng rng;
    rng_seed(&rng, bench_seed(b), WARMUP_STREAM);
    for (uint64_t i = 0; i < count; i++) {
        s->live[i].size_bytes = s->size_min + rng_below(&rng, s->range);
        s->live[i].p = allocate_untimed(b, s->live[i].size_bytes);
    }
    for (uint64_t i = count; i > 1; i--) {
        const uint64_t other = rng_below(&rng, i);
        const struct block swap = s->live[other];
        s->live[other] = s->live[i - 1];
        s->live[i - 1] = swap;
    }
    for (uint64_t i = 0; i < WARMUP_REPLACEMENTS * count; i++) {
        struct block *victim = &s->live[rng_below(&rng, count)];
        heap_drop(victim->p);
        victim->size_bytes = s->size_min + rng_below(&rng, s->range);
        victim->p = allocate_untimed(b, victim->size_bytes);
    }
    for (uint64_t i = 0; i < count; i++)
        write_block(&s->live[i]);
}

static void replace(struct bench_thread *t, const struct larson *s, struct block *live, uint64_t count) {
    struct rng rng = t->rng; /* a copy, for registers */
    const uint64_t blocks = s->blocks, size_min = s->size_min, range = s->range;
    uint64_t checksum = t->checksum, live_bytes = t->live_bytes;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t random = rng_next(&rng);
        struct block *victim = &live[upper_below(random, blocks)];
        heap_drop(victim->p);
        live_bytes -= victim->size_bytes;
        victim->size_bytes = size_min + lower_below(random, range);
        victim->p = bench_need(t, heap_bytes(victim->size_bytes, HEAP_RAW), victim->size_bytes);
        live_bytes += victim->size_bytes;
        write_block(victim);
        const volatile unsigned char *p = victim->p; /* as the original: written, then read */
        checksum = bench_mix(checksum, (random & ~(uint64_t)UINT32_MAX) + p[0] + (victim->size_bytes << 8));
    }
    t->rng = rng;
    t->checksum = checksum;
    t->live_bytes = live_bytes;
    t->ops += count;
}

static void larson_body(struct bench_thread *t, void *arg) {
    const struct larson *s = arg;
    struct block *live = s->live + t->index * s->blocks;
    if (s->generation[t->index] == 0)
        for (uint64_t i = 0; i < s->blocks; i++)
            t->live_bytes += live[i].size_bytes; /* the warm-up's, handed to this thread */
    for (unsigned step = 0; step < STEPS; step++) {
        replace(t, s, live, s->replacements * (step + 1) / STEPS - s->replacements * step / STEPS);
        bench_point(t);
    }
    if (++s->generation[t->index] < s->generations)
        bench_continue_in_new_thread(t, larson_body, arg);
}

/* A block that does not hold what was written into it was handed out twice. */
static void check_blocks(struct bench *b, const struct larson *s) {
    for (uint64_t i = 0; i < s->threads * s->blocks; i++) {
        const struct block *block = &s->live[i];
        if (block->p[0] != (unsigned char)block->size_bytes || block->p[1] != (unsigned char)(block->size_bytes >> 8))
            bench_fail(b, "a live block of %llu bytes was overwritten", (unsigned long long)block->size_bytes);
    }
}

static void larson_run(struct bench *b, void *state) {
    struct larson *s = state;
    warm_up(b, s); /* here, not in setup: its blocks belong to the footprint; outside bench_parallel: not to the time */
    bench_parallel(b, s->threads, larson_body, s);
    check_blocks(b, s);
}

static void larson_teardown(struct bench *b, void *state) {
    const struct larson *s = state;
    (void)b;
    for (uint64_t i = 0; i < s->threads * s->blocks; i++)
        heap_drop(s->live[i].p);
}

#define LARSON_MODELS                                                                                                  \
    "A server whose worker threads come and go: objects of mixed sizes and lifetimes, and memory that outlives the "   \
    "thread that allocated it and is freed by another (\"bleeding\")."
#define LARSON_CHANGES                                                                                                 \
    " Changed: fixed operations (generations) where the original runs for a time; one random draw per operation; "     \
    "the first two bytes of a block, which the original writes too, hold its size and are checked at the end. As "     \
    "there, the main thread allocates, shuffles and four times replaces all blocks first, untimed. Raw memory."
#define LARSON_BAD_FOR                                                                                                 \
    "Allocators whose per-thread heaps cannot take back what other threads free, or lose the heap of a thread that "   \
    "has died: memory grows with the generations. Starting a thread per generation is part of the time."

WORKLOAD(larson_paper) = {
    .name = "larson-paper",
    .summary = "random replacement of 10,000 blocks of 10-100 B per thread, handed on by dying threads",
    .op = "block freed and another allocated",
    .models = LARSON_MODELS,
    .source =
        "Larson and Krishnan, ISMM 1998, with the parameters printed by Berger et al., ASPLOS 2000, section 5: 10,000 "
        "blocks of 10 to 100 B per thread." LARSON_CHANGES,
    .bad_for = LARSON_BAD_FOR,
    .params = paper_params,
    .flavours = WORKLOAD_MANUAL,
    .setup = larson_setup,
    .run = larson_run,
    .teardown = larson_teardown,
};

WORKLOAD(larson_bench) = {
    .name = "larson-bench",
    .summary = "random replacement of 5,000 blocks of 8-1000 B per thread, handed on by dying threads",
    .op = "block freed and another allocated",
    .models = LARSON_MODELS,
    .source =
        "Larson and Krishnan, ISMM 1998, with mimalloc-bench's arguments (ce5784f: 5 8 1000 5000 100 4141 N): 5,000 "
        "blocks of 8 to 999 B per thread, 100 rounds per generation." LARSON_CHANGES,
    .bad_for = LARSON_BAD_FOR,
    .params = bench_params,
    .flavours = WORKLOAD_MANUAL,
    .setup = larson_setup,
    .run = larson_run,
    .teardown = larson_teardown,
};
