/* SPDX-License-Identifier: MIT
 *
 * threadtest.c: Hoard's threadtest: threads that allocate many small objects and free them again, sharing nothing.
 */
#include "workload.h"

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; the objects of a round are divided among them"},
    {"rounds", 100, 4, "times that a thread allocates its objects and frees them"},
    {"objects", 100000, 5000, "objects per round, over all threads"},
    {"size", 8, 8, "bytes per object, a multiple of 8"},
    {NULL, 0, 0, NULL},
};

struct threadtest {
    uint64_t rounds;
    size_t objects; /* per thread */
    size_t words;   /* per object */
    uint64_t **slots;
};

static void *threadtest_setup(struct bench *b) {
    struct threadtest *s = bench_scratch(b, sizeof *s);
    const uint64_t threads = bench_param(b, "threads"), size_bytes = bench_param(b, "size");
    if (size_bytes == 0 || size_bytes % sizeof(uint64_t) != 0)
        bench_fail(b, "size is %llu; threadtest's objects are whole 8-byte words", (unsigned long long)size_bytes);
    s->rounds = bench_param(b, "rounds");
    s->objects = bench_param(b, "objects") / threads;
    s->words = size_bytes / sizeof(uint64_t);
    s->slots = bench_scratch(b, threads * s->objects * sizeof *s->slots);
    return s;
}

static inline void allocate(struct bench_thread *t, uint64_t **slots, size_t objects, size_t words) {
    const size_t size_bytes = words * sizeof(uint64_t);
    for (size_t i = 0; i < objects; i++) {
        uint64_t *p = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
        for (size_t word = 0; word < words; word++)
            p[word] = i;
        slots[i] = p;
    }
}

/* Once per iteration, not in every round: the published program does not look at its objects again. */
static void read_back(struct bench_thread *t, uint64_t **slots, size_t objects, size_t words) {
    for (size_t i = 0; i < objects; i++)
        t->checksum = bench_mix(t->checksum, slots[i][0] + slots[i][words - 1]);
}

static void threadtest_body(struct bench_thread *t, void *arg) {
    const struct threadtest *s = arg;
    const size_t objects = s->objects, words = s->words, bytes = objects * words * sizeof(uint64_t);
    uint64_t **slots = s->slots + t->index * objects;

    for (uint64_t round = 0; round < s->rounds; round++) {
        allocate(t, slots, objects, words);
        t->live_bytes += bytes;
        if (round == s->rounds - 1)
            read_back(t, slots, objects, words);
        bench_point(t);
        for (size_t i = 0; i < objects; i++)
            heap_drop(slots[i]);
        t->live_bytes -= bytes;
        t->ops += objects;
        t->checksum = bench_mix(t->checksum, bytes);
        bench_point(t);
    }
}

static void threadtest_run(struct bench *b, void *state) {
    bench_parallel(b, (unsigned)bench_param(b, "threads"), threadtest_body, state);
}

WORKLOAD(threadtest) = {
    .name = "threadtest",
    .summary = "threads allocate 100,000 8-byte objects in all, free them, and again",
    .op = "object allocated and freed",
    .models =
        "Threads that share nothing: whatever slows one down when another is added is the allocator's own locks and "
        "shared cache lines. With one thread: 100,000 live objects come and go at once.",
    .source =
        "Berger et al., Hoard, ASPLOS 2000, section 5 and table 4: 100,000/t objects of 8 B, 9,998,831 objects in "
        "all, which is 100 rounds. Objects are written whole, as the original's constructor does, and freed in "
        "order of allocation. The array of pointers lies outside the subject's heap. Raw memory. Fixed "
        "operations, nothing random.",
    .bad_for = "Allocators with one lock (the Solaris allocator of the paper), those that spend 16 B and more on 8 B "
               "objects (peak memory), and those that hand emptied pages back in every round.",
    .params = params,
    .flavours = WORKLOAD_MANUAL,
    .setup = threadtest_setup,
    .run = threadtest_run,
};
