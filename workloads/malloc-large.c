/* SPDX-License-Identifier: MIT
 *
 * malloc-large.c: buffers of 5 to 25 MiB, replaced at random; mimalloc-bench's malloc-large.
 */
#include <string.h>

#include "workload.h"

enum { PAGE_BYTES = 4096 };

enum touch { TOUCH_ENDS = 0, TOUCH_ALL = 1, TOUCH_PAGES = 2 };

static const struct workload_param params[] = {
    {"buffers", 20, 4, "places for a buffer, empty at first"},
    {"size_min", 5 << 20, 256 << 10, "bytes, smallest buffer"},
    {"size_max", 25 << 20, 1 << 20, "bytes, largest buffer"},
    {"replacements", 2000, 20, "buffers allocated; each frees its predecessor in the same place"},
    {"touch", TOUCH_ALL, TOUCH_ALL, "1: clear every byte, as published; 2: one byte per 4 KiB; 0: the two ends only"},
    {NULL, 0, 0, NULL},
};

struct buffer {
    unsigned char *p;
    size_t size_bytes;
};

struct malloc_large {
    uint64_t count, size_min, size_max, replacements;
    enum touch touch;
    struct buffer *buffers;
};

static void *malloc_large_setup(struct bench *b) {
    struct malloc_large *s = bench_scratch(b, sizeof *s);
    s->count = bench_param(b, "buffers");
    s->size_min = bench_param(b, "size_min");
    s->size_max = bench_param(b, "size_max");
    s->replacements = bench_param(b, "replacements");
    s->touch = (enum touch)bench_param(b, "touch");
    if (s->count == 0 || s->size_min < 2 || s->size_max < s->size_min)
        bench_fail(b, "malloc-large needs buffers and 2 <= size_min <= size_max");
    s->buffers = bench_scratch(b, s->count * sizeof *s->buffers);
    return s;
}

static void touch_buffer(struct buffer buffer, enum touch how, uint64_t mark) {
    if (how == TOUCH_ALL)
        memset(buffer.p, 0, buffer.size_bytes);
    else if (how == TOUCH_PAGES)
        for (size_t i = 0; i < buffer.size_bytes; i += PAGE_BYTES)
            ((volatile unsigned char *)buffer.p)[i] = 0;
    buffer.p[0] = (unsigned char)mark;
    buffer.p[buffer.size_bytes - 1] = (unsigned char)(mark >> 8);
}

static void malloc_large_body(struct bench_thread *t, void *arg) {
    const struct malloc_large *s = arg;
    for (uint64_t i = 0; i < s->replacements; i++) {
        struct buffer *place = &s->buffers[rng_below(&t->rng, s->count)];
        const size_t size_bytes = rng_between(&t->rng, s->size_min, s->size_max);
        const struct buffer fresh = {bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes), size_bytes};
        touch_buffer(fresh, s->touch, size_bytes >> 4);
        t->live_bytes += size_bytes;
        bench_point(t); /* the moment when both buffers are there */
        t->checksum = bench_mix(t->checksum, size_bytes);
        if (place->p != NULL) {
            t->checksum = bench_mix(t->checksum, place->p[0] + ((uint64_t)place->p[place->size_bytes - 1] << 8));
            t->live_bytes -= place->size_bytes;
            heap_drop(place->p);
        }
        *place = fresh;
        t->ops++;
    }
}

static void malloc_large_run(struct bench *b, void *state) {
    bench_parallel(b, 1, malloc_large_body, state);
}

static void malloc_large_teardown(struct bench *b, void *state) {
    const struct malloc_large *s = state;
    (void)b;
    for (uint64_t i = 0; i < s->count; i++)
        heap_drop(s->buffers[i].p);
}

WORKLOAD(malloc_large) = {
    .name = "malloc-large",
    .summary = "2000 random replacements among 20 buffers of 5-25 MiB",
    .op = "buffer allocated, cleared, and its predecessor freed",
    .models =
        "Image, video or column buffers. Each operation clears 15 MiB on average, so the time is that of page faults "
        "and memory bandwidth: what counts is whether freed ranges are kept mapped, and how much memory that holds.",
    .source =
        "L. Stolyarov's program in mimalloc-bench ce5784f (microsoft/mimalloc#447), one thread. The original's "
        "make_unique<char[]> clears the whole buffer: so does this one (memset over raw memory), and the new buffer "
        "is there before the old one is freed, 21 at a time. Touch=2 or 0 leaves the allocator's share alone. Fixed "
        "operations.",
    .bad_for =
        "Allocators that unmap each large buffer at once (page faults for every byte again) and, in memory, those "
        "that keep freed ranges which the next size does not fit.",
    .params = params,
    .flavours = WORKLOAD_MANUAL,
    .setup = malloc_large_setup,
    .run = malloc_large_run,
    .teardown = malloc_large_teardown,
};
