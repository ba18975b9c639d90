/* SPDX-License-Identifier: MIT
 *
 * sawtooth.c: the live set grows to a peak and shrinks to scattered survivors, tooth after tooth, each tooth with sizes
 * of its own: what a survivor pins cannot serve the next tooth.
 */
#include "workload.h"

enum {
    POINT_MASK = 4095, /* a sampling point every 4096 blocks */
    KEEP_BITS = 16,    /* random bits per decision to keep a block; one draw serves four */
    KEEP_SCALE = 1 << KEEP_BITS,
};

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; the peak is divided among them"},
    {"teeth", 14, 7, "times that the live set grows and shrinks"},
    {"peak", 16 << 20, 1 << 17, "bytes requested and live at the top of a tooth, over all threads"},
    {"keep", 25, 25, "percent of the blocks that survive the fall, at random"},
    {"smallest", 16, 16, "bytes; tooth k draws from [s, 2s) with s = smallest * 2^(k mod bands)"},
    {"bands", 7, 7, "size bands"},
    {NULL, 0, 0, NULL},
};

/* At the start of every block; the last byte is written as well, so that every page of a block is touched. */
struct header {
    uint32_t size_bytes;
    uint32_t serial;
};

struct live_set {
    struct header **blocks;
    size_t count;
};

struct sawtooth {
    unsigned threads;
    uint64_t teeth, bands;
    uint64_t peak_bytes; /* per thread */
    uint64_t smallest_bytes;
    uint64_t keep_threshold; /* of KEEP_SCALE */
    struct live_set *sets;   /* one per thread */
};

static void *sawtooth_setup(struct bench *b) {
    struct sawtooth *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->teeth = bench_param(b, "teeth");
    s->bands = bench_param(b, "bands");
    s->peak_bytes = bench_param(b, "peak") / s->threads;
    s->smallest_bytes = bench_param(b, "smallest");
    if (s->smallest_bytes < sizeof(struct header) + 1 || s->bands == 0 || s->bands > 16 || s->smallest_bytes > 1 << 12)
        bench_fail(b, "sawtooth needs 9 <= smallest <= 4096 and 1 <= bands <= 16");
    s->keep_threshold = bench_param(b, "keep") * KEEP_SCALE / 100;
    s->sets = bench_scratch(b, s->threads * sizeof *s->sets);
    for (unsigned i = 0; i < s->threads; i++)
        s->sets[i].blocks = bench_scratch(b, (s->peak_bytes / s->smallest_bytes + 1) * sizeof *s->sets[i].blocks);
    return s;
}

static inline unsigned char *last_byte(struct header *block, size_t size_bytes) {
    return (unsigned char *)block + size_bytes - 1;
}

static void grow(struct bench_thread *t, const struct sawtooth *s, struct live_set *set, uint64_t base_bytes) {
    struct rng rng = t->rng; /* a copy, for registers */
    size_t count = set->count;
    for (;;) {
        const uint64_t random = rng_next(&rng);
        const size_t size_bytes = base_bytes + (((random >> 32) * base_bytes) >> 32);
        if (t->live_bytes + size_bytes > s->peak_bytes)
            break;
        struct header *block = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
        block->size_bytes = (uint32_t)size_bytes;
        block->serial = (uint32_t)random;
        *last_byte(block, size_bytes) = (unsigned char)random;
        set->blocks[count++] = block;
        t->live_bytes += size_bytes;
        if ((++t->ops & POINT_MASK) == 0)
            bench_point(t);
    }
    set->count = count;
    t->rng = rng;
    bench_point(t);
}

static inline uint64_t drop_block(struct header *block) {
    const uint32_t size_bytes = block->size_bytes;
    const uint64_t read_back = block->serial + ((uint64_t)size_bytes << 32) + *last_byte(block, size_bytes);
    heap_drop(block);
    return read_back;
}

static void shrink(struct bench_thread *t, const struct sawtooth *s, struct live_set *set) {
    struct rng rng = t->rng;
    uint64_t random = 0, checksum = t->checksum, live_bytes = t->live_bytes;
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        random = i % (64 / KEEP_BITS) == 0 ? rng_next(&rng) : random >> KEEP_BITS;
        if ((random & (KEEP_SCALE - 1)) < s->keep_threshold) {
            set->blocks[kept++] = set->blocks[i];
        } else {
            live_bytes -= set->blocks[i]->size_bytes;
            checksum = bench_mix(checksum, drop_block(set->blocks[i]));
        }
        if ((i & POINT_MASK) == 0) {
            t->live_bytes = live_bytes;
            bench_point(t);
        }
    }
    set->count = kept;
    t->rng = rng;
    t->checksum = bench_mix(checksum, kept);
    t->live_bytes = live_bytes;
    bench_point(t);
}

static void sawtooth_body(struct bench_thread *t, void *arg) {
    const struct sawtooth *s = arg;
    struct live_set *set = &s->sets[t->index];
    for (uint64_t tooth = 0; tooth < s->teeth; tooth++) {
        grow(t, s, set, s->smallest_bytes << (tooth % s->bands));
        shrink(t, s, set);
    }
}

static void sawtooth_run(struct bench *b, void *state) {
    struct sawtooth *s = state;
    bench_parallel(b, s->threads, sawtooth_body, s);
}

static void sawtooth_teardown(struct bench *b, void *state) {
    struct sawtooth *s = state;
    (void)b;
    for (unsigned i = 0; i < s->threads; i++)
        for (size_t k = 0; k < s->sets[i].count; k++)
            heap_drop(s->sets[i].blocks[k]);
}

WORKLOAD(sawtooth) = {
    .name = "sawtooth",
    .summary = "the live set grows to 16 MiB and falls to scattered survivors, with other sizes each time",
    .op = "block allocated (and freed, unless it survives to the end)",
    .models =
        "A program that works in phases (Wilson et al. 1995 call them ramps and peaks): each builds up much data of "
        "its own kind and keeps a little. The peak of live bytes is the same in every tooth, so all memory beyond "
        "it is fragmentation.",
    .source =
        "spanlab's own; no published figure. Blocks of [s, 2s) bytes, s doubling from 16 to 1024 over seven teeth, "
        "then again; three in four are freed, in order of allocation, chosen at random. Raw memory; the first 8 bytes "
        "and the last one are written and read back.",
    .bad_for = "Size-class allocators: survivors of one tooth pin spans that no other class may use. Linear placement "
               "without reuse of holes: one survivor pins a whole run.",
    .params = params,
    .flavours = WORKLOAD_MANUAL,
    .setup = sawtooth_setup,
    .run = sawtooth_run,
    .teardown = sawtooth_teardown,
};
