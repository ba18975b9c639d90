/* SPDX-License-Identifier: MIT
 *
 * probe-untouched.c: blocks that must read as zero and are not looked at: memory that is new from the operating system
 * is zero already, and only who clears it all the same makes it resident.
 */
#include "workload.h"

struct untouched {
    void **blocks; /* registered */
    uint64_t count, block_bytes;
};

static const struct workload_param params[] = {
    {"size", 1024, 64, "KiB of a block"},
    {"blocks", 64, 8, "blocks, all of which stay"},
    {NULL, 0, 0, NULL},
};

static void *untouched_setup(struct bench *b) {
    struct untouched *s = bench_scratch(b, sizeof *s);
    s->count = bench_param(b, "blocks");
    s->block_bytes = bench_param(b, "size") << 10;
    s->blocks = bench_scratch(b, s->count * sizeof *s->blocks);
    if (heap_root_add(s->blocks, s->count) != 0)
        bench_fail(b, "there is no memory for a root");
    return s;
}

static void untouched_body(struct bench_thread *t, void *arg) {
    struct untouched *s = arg;
    for (uint64_t i = 0; i < s->count; i++) {
        heap_store(&s->blocks[i], bench_need(t, heap_bytes(s->block_bytes, HEAP_ZERO), s->block_bytes));
        t->live_bytes += s->block_bytes;
        t->zero_bytes += s->block_bytes;
        t->ops++;
        bench_point(t);
    }
    t->checksum = bench_mix(t->checksum, s->count);
}

static void untouched_run(struct bench *b, void *state) {
    bench_parallel(b, 1, untouched_body, state);
}

static void untouched_teardown(struct bench *b, void *state) {
    (void)b;
    struct untouched *s = state;
    for (uint64_t i = 0; i < s->count; i++)
        heap_drop(s->blocks[i]);
    heap_root_remove(s->blocks);
}

WORKLOAD(probe_untouched) = {
    .name = "probe-untouched",
    .summary = "zeroed blocks that nobody looks at",
    .op = "block",
    .models =
        "A program that asks for more zeroed memory than it uses: tables that fill slowly, buffers. Peak RSS over what "
        "was asked for is the share that was cleared although it was new.",
    .source = "Our own, after runtime/malloc.go's needzero and calloc's promise. Nothing random.",
    .bad_for = "Who clears by hand what the operating system gives as zero.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = untouched_setup,
    .run = untouched_run,
    .teardown = untouched_teardown,
};
