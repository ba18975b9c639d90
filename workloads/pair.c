/* SPDX-License-Identifier: MIT
 *
 * pair.c: malloc and free in turn, the shortest path through an allocator.
 */
#include <string.h>

#include "workload.h"

/* Fixed, whatever the operation count, so that the difference of two counts holds nothing but pairs. */
enum { STEPS = 256 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads, each with its own pairs"},
    {"size", 64, 64, "bytes asked for"},
    {"operations", 20000000, 100000, "pairs per thread"},
    {NULL, 0, 0, NULL},
};

/* The compiler must believe that the block is used. */
static inline void escape(void *p) {
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* One pair whose block is written and read back: the proof that real memory is handed out, at the sampling steps only.
 */
static void touched_pair(struct bench_thread *t, size_t size_bytes, unsigned value) {
    unsigned char *p = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
    memset(p, (int)(value & 255), size_bytes);
    escape(p);
    t->checksum = bench_mix(t->checksum, size_bytes);
    if (size_bytes > 0)
        t->checksum = bench_mix(t->checksum, p[0] + ((uint64_t)p[size_bytes - 1] << 8));
    t->live_bytes += size_bytes;
    bench_point(t);
    t->live_bytes -= size_bytes;
    heap_drop(p);
}

static void pair_body(struct bench_thread *t, void *arg) {
    struct bench *b = arg;
    const size_t size_bytes = bench_param(b, "size");
    const uint64_t operations = bench_param(b, "operations");

    for (unsigned step = 0; step < STEPS; step++) {
        const uint64_t n = operations * (step + 1) / STEPS - operations * step / STEPS;
        if (n == 0)
            continue;
        touched_pair(t, size_bytes, step);
        for (uint64_t left = n - 1; left > 0; left--) {
            void *p = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
            escape(p);
            heap_drop(p);
        }
        t->ops += n;
        t->checksum = bench_mix(t->checksum, n);
    }
}

static void pair_run(struct bench *b, void *state) {
    (void)state;
    bench_parallel(b, (unsigned)bench_param(b, "threads"), pair_body, b);
}

WORKLOAD(pair) = {
    .name = "pair",
    .summary = "malloc and free in turn, one size",
    .op = "malloc+free pair",
    .models = "A short-lived object per step of a loop; the hottest path of every thread cache. No published program "
              "behaves like this for long, but the instruction counts that allocators publish are measured so.",
    .source =
        "The pair of google/tcmalloc's BM_new_sized_delete and of TCMalloc's documentation (claims TC-02, TC-03), "
        "with malloc and free instead of sized delete. Raw memory, untouched as there, except one block at each of "
        "256 sampling steps. Fixed operations, nothing random.",
    .bad_for = "Allocators without a thread cache, and those that keep the last freed block out of the next request's "
               "reach (quarantine, randomised placement): every pair takes their long path.",
    .params = params,
    .flavours = WORKLOAD_MANUAL,
    .run = pair_run,
};
