/* SPDX-License-Identifier: MIT
 *
 * ring-churn.c: a ring of objects of all sizes, with and without pointers; the oldest is replaced all the time.
 */
#include "workload.h"

#include <string.h>

enum { POINTS = 200, WORD_BYTES = 8, LEAST_SLOTS = 8 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a ring of its own"},
    {"live", 4, 1, "MiB in all rings together, about; each object has 3 KiB on average"},
    {"objects", 100, 1, "thousand objects allocated in all rings together, besides filling them"},
    {NULL, 0, 0, NULL},
};

/* A share of the objects. Sizes lie closer to the lower end: the product of two uniform draws chooses. */
static const struct share {
    unsigned below_percent; /* of all objects, this row and those before */
    bool pointers;
    uint64_t least_bytes, most_bytes;
} shares[] = {
    {40, false, 1, 15},        /* tiny: several share a block */
    {65, false, 16, 512},      /* small */
    {85, true, 16, 512},       /* pointers in a bitmap at the end of their span */
    {92, true, 520, 32 << 10}, /* a header in front */
    {97, false, 513, 32 << 10},
    {99, false, (32 << 10) + 1, 256 << 10}, /* large: a span of their own */
    {100, true, (32 << 10) + WORD_BYTES, 256 << 10},
};

/* The i-th object: known again whenever it is read. Objects with pointers are made of words. */
struct shape {
    uint64_t size_bytes;
    bool pointers;
    uint8_t mark; /* what an object without pointers is filled with */
};

struct ring_churn {
    unsigned threads;
    uint64_t live_bytes, objects; /* of one ring */
};

static void *ring_churn_setup(struct bench *b) {
    struct ring_churn *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->live_bytes = (bench_param(b, "live") << 20) / s->threads;
    s->objects = bench_param(b, "objects") * 1000 / s->threads;
    if (s->live_bytes == 0)
        bench_fail(b, "live is 0 MiB; ring-churn takes at least 1");
    return s;
}

static struct shape shape_of(uint64_t base, uint64_t i) {
    uint64_t x = base + i * UINT64_C(0x9e3779b97f4a7c15);
    const uint64_t draw = rng_splitmix(&x), percent = (draw >> 32) * 100 >> 32;
    const uint64_t skewed = (draw & 0xffff) * (draw >> 16 & 0xffff) >> 16;
    const struct share *share = shares;
    while (percent >= share->below_percent)
        share++;
    const uint64_t size_bytes = share->least_bytes + ((share->most_bytes - share->least_bytes) * skewed >> 16);
    return (struct shape){share->pointers ? size_bytes & ~(uint64_t)(WORD_BYTES - 1) : size_bytes, share->pointers,
                          (uint8_t)(draw >> 24)};
}

/* An object with pointers leads to the one made before it, as long as that lives, and with its last word to itself. */
static void *make(struct bench_thread *t, struct shape shape, void *before) {
    t->ops++;
    t->live_bytes += shape.size_bytes;
    if (!shape.pointers) {
        void *bytes = bench_need(t, heap_bytes(shape.size_bytes, HEAP_RAW), shape.size_bytes);
        return memset(bytes, shape.mark, shape.size_bytes);
    }
    const uint64_t words = shape.size_bytes / WORD_BYTES;
    void **pointers = bench_need(t, heap_pointers(words), shape.size_bytes);
    t->zero_bytes += shape.size_bytes;
    heap_store(&pointers[0], before);
    heap_store(&pointers[words - 1], pointers);
    return pointers;
}

static uint64_t fold(const void *object, struct shape shape) {
    if (object == NULL)
        return 0;
    if (shape.pointers) {
        void *const *pointers = object;
        return shape.size_bytes + (pointers[shape.size_bytes / WORD_BYTES - 1] == object);
    }
    const uint8_t *bytes = object;
    return shape.size_bytes + bytes[0] + bytes[shape.size_bytes / 2] + bytes[shape.size_bytes - 1];
}

static void drop(struct bench_thread *t, void *object, struct shape shape) {
    t->checksum = bench_mix(t->checksum, fold(object, shape));
    t->live_bytes -= shape.size_bytes;
    heap_drop(object);
}

/* The object after the one that goes may lead to it. */
static void let_go(void *after, struct shape shape) {
    if (shape.pointers)
        heap_store(after, NULL);
}

/* As many objects as come up to the ring's bytes. */
static uint64_t slots_for(uint64_t base, uint64_t live_bytes) {
    uint64_t slots = 0, sum_bytes = 0;
    while (sum_bytes < live_bytes || slots < LEAST_SLOTS)
        sum_bytes += shape_of(base, slots++).size_bytes;
    return slots;
}

static void ring_churn_body(struct bench_thread *t, void *arg) {
    const struct ring_churn *s = arg;
    const uint64_t base = rng_next(&t->rng), n = slots_for(base, s->live_bytes), step = s->objects / POINTS + 1;
    void **ring = bench_need(t, heap_pointers(n), n * sizeof *ring), *before = NULL;
    t->ops++;
    t->live_bytes += n * sizeof *ring;
    t->zero_bytes += n * sizeof *ring;
    for (uint64_t i = 0; i < n; i++) {
        before = make(t, shape_of(base, i), before);
        heap_store(&ring[i], before);
    }
    bench_point(t);
    for (uint64_t i = 0, slot = 0, across = n / 2; i < s->objects; i++) {
        const uint64_t next = slot + 1 < n ? slot + 1 : 0;
        void *old = ring[slot];
        let_go(ring[next], shape_of(base, i + 1));
        before = make(t, shape_of(base, n + i), before);
        heap_store(&ring[slot], before);
        drop(t, old, shape_of(base, i));
        if (shape_of(base, i + n / 2).pointers) /* read what half a round later will go, through its neighbour */
            t->checksum += fold(*(void **)ring[across], shape_of(base, i + n / 2 - 1));
        slot = next;
        across = across + 1 < n ? across + 1 : 0;
        if (i % step == 0)
            bench_point(t);
    }
    bench_point(t);
    for (uint64_t i = 0, slot = s->objects % n; i < n; i++, slot = slot + 1 < n ? slot + 1 : 0) {
        if (i + 1 < n)
            let_go(ring[slot + 1 < n ? slot + 1 : 0], shape_of(base, s->objects + i + 1));
        drop(t, ring[slot], shape_of(base, s->objects + i));
    }
    t->live_bytes -= n * sizeof *ring;
    heap_drop(ring);
}

static void ring_churn_run(struct bench *b, void *state) {
    struct ring_churn *s = state;
    bench_parallel(b, s->threads, ring_churn_body, s);
}

WORKLOAD(ring_churn) = {
    .name = "ring-churn",
    .summary = "a ring of objects of 1 B to 256 KiB, with and without pointers, the oldest replaced all the time",
    .op = "object allocated",
    .models = "A server that serves everything: small records, buffers, tables, in the order in which requests end. "
              "All paths of "
              "an allocator at once, none of them long enough for its caches to settle.",
    .source = "Our own. 40 % tiny (1 to 15 B), 45 % small (to 512 B, less than half of them with pointers), 12 % "
              "medium (to 32 KiB), 3 % large (to 256 KiB), smaller ones more likely within each; first in, first out.",
    .bad_for = "Whoever clears or maps large objects anew each time, or marks a large one in one piece; thread caches, "
               "which keep a span of each of sixty classes for a few objects.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = ring_churn_setup,
    .run = ring_churn_run,
};
