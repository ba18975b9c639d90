/* SPDX-License-Identifier: MIT
 *
 * batch.c: allocate a batch of blocks of one size, then free it in a stated order; glibc's bench-malloc-simple.
 */
#include <string.h>

#include "workload.h"

enum {
    STEPS = 128, /* sampling steps per depth, fixed so that the difference of two operation counts holds only batches */
    PATTERN_SHIFTS = 256,
};

static const unsigned published_depths[] = {25, 100, 400, 1600};
enum { PUBLISHED = sizeof published_depths / sizeof published_depths[0] };

enum free_order { FIFO = 0, LIFO = 1, HALVES = 2 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads, each with its own batches"},
    {"depth", 0, 0, "blocks per batch; 0: the published 25, 100, 400 and 1600 in turn"},
    {"size", 16, 16, "bytes per block"},
    {"operations", 2000000, 20000, "blocks per depth and thread, rounded down to whole batches"},
    {"order", HALVES, HALVES, "of frees: 0 first in first out, 1 last in first out, 2 first half so, second half so"},
    {"touch", 1, 1, "1: write every byte, as published; 0: leave the blocks alone"},
    {NULL, 0, 0, NULL},
};

struct batch {
    size_t size_bytes;
    uint64_t operations;
    size_t depth, depth_max;
    enum free_order order;
    bool touch;
    unsigned char *pattern; /* what blocks are filled with; block i starts at shift i */
    void **slots;           /* depth_max per thread */
};

static void *batch_setup(struct bench *b) {
    struct batch *s = bench_scratch(b, sizeof *s);
    s->size_bytes = bench_param(b, "size");
    s->operations = bench_param(b, "operations");
    s->depth = bench_param(b, "depth");
    s->depth_max = s->depth > 0 ? s->depth : published_depths[PUBLISHED - 1];
    if (bench_param(b, "order") > HALVES)
        bench_fail(b, "order is 0 (FIFO), 1 (LIFO) or 2 (half and half)");
    s->order = (enum free_order)bench_param(b, "order");
    s->touch = bench_param(b, "touch") != 0 && s->size_bytes > 0;
    s->pattern = bench_scratch(b, s->size_bytes + PATTERN_SHIFTS);
    for (size_t i = 0; i < s->size_bytes + PATTERN_SHIFTS; i++)
        s->pattern[i] = (unsigned char)i;
    s->slots = bench_scratch(b, bench_param(b, "threads") * s->depth_max * sizeof *s->slots);
    return s;
}

static inline void allocate(struct bench_thread *t, const struct batch *s, void **slots, size_t depth) {
    const size_t size_bytes = s->size_bytes;
    if (!s->touch) {
        for (size_t i = 0; i < depth; i++)
            slots[i] = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
        return;
    }
    for (size_t i = 0; i < depth; i++) {
        void *p = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
        memcpy(p, s->pattern + i % PATTERN_SHIFTS, size_bytes);
        slots[i] = p;
    }
}

/* The first `forward` blocks in order of allocation, then the others from the last one back. */
static inline void release(void **slots, size_t depth, size_t forward) {
    for (size_t i = 0; i < forward; i++)
        heap_drop(slots[i]);
    for (size_t i = depth; i > forward; i--)
        heap_drop(slots[i - 1]);
}

/* The last batch of a sampling step: its blocks are read back while all are live. */
static void checked_batch(struct bench_thread *t, const struct batch *s, void **slots, size_t depth, size_t forward) {
    allocate(t, s, slots, depth);
    t->live_bytes += depth * s->size_bytes;
    for (size_t i = 0; s->touch && i < depth; i++) {
        const unsigned char *p = slots[i];
        t->checksum = bench_mix(t->checksum, p[0] + ((uint64_t)p[s->size_bytes - 1] << 8));
    }
    bench_point(t);
    release(slots, depth, forward);
    t->live_bytes -= depth * s->size_bytes;
}

static void run_depth(struct bench_thread *t, const struct batch *s, size_t depth) {
    void **slots = s->slots + t->index * s->depth_max;
    const size_t forward = s->order == FIFO ? depth : s->order == LIFO ? 0 : depth / 2;
    const uint64_t rounds = s->operations / depth;

    for (unsigned step = 0; step < STEPS; step++) {
        const uint64_t n = rounds * (step + 1) / STEPS - rounds * step / STEPS;
        if (n == 0)
            continue;
        for (uint64_t left = n - 1; left > 0; left--) {
            allocate(t, s, slots, depth);
            release(slots, depth, forward);
        }
        checked_batch(t, s, slots, depth, forward);
        t->ops += n * depth;
        t->checksum = bench_mix(bench_mix(t->checksum, n * depth), s->size_bytes);
    }
}

static void batch_body(struct bench_thread *t, void *arg) {
    const struct batch *s = arg;
    if (s->depth > 0) {
        run_depth(t, s, s->depth);
        return;
    }
    for (unsigned i = 0; i < PUBLISHED; i++)
        run_depth(t, s, published_depths[i]);
}

static void batch_run(struct bench *b, void *state) {
    bench_parallel(b, (unsigned)bench_param(b, "threads"), batch_body, state);
}

WORKLOAD(batch) = {
    .name = "batch",
    .summary = "batches of equal blocks, freed half in order and half in reverse",
    .op = "block allocated and freed",
    .models =
        "A phase that builds a small structure and takes it down. The deeper the batch, the more of it lies beyond "
        "the first-level cache of freed blocks.",
    .source =
        "glibc's bench-malloc-simple (2019-2021) as in mimalloc-bench ce5784f, described anew: depths 25, 100, 400 "
        "and 1600, 2,000,000 blocks of each, every byte written, first half freed in order and second half in "
        "reverse. There 16, 32 and 64 B run in turn, each four times (a warm-up, the main and a second arena): "
        "here 16 B, once per iteration; name size for the others. Raw memory. Fixed operations, nothing random.",
    .bad_for = "glibc from depth 100 on: a thread cache holds 7 blocks of a size, the rest takes the arena's path. "
               "Allocators with a bitmap per page pay a search where free lists pay a load.",
    .params = params,
    .flavours = WORKLOAD_MANUAL,
    .setup = batch_setup,
    .run = batch_run,
};
