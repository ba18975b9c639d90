/* SPDX-License-Identifier: MIT */
#include "workload.h"

static const struct workload_param params[] = {
    {"operations", 100000000, 1000000, "turns of the empty loop"},
    {0},
};

static void null_body(struct bench_thread *t, void *arg) {
    const uint64_t *operations = arg;
    const uint64_t step = *operations / 100 + 1;
    for (uint64_t done = 0; done < *operations; done += step) {
        uint64_t turns = *operations - done < step ? *operations - done : step;
        for (uint64_t i = 0; i < turns; i++)
            __asm__ volatile("" ::: "memory"); /* the compiler must not count the loop away */
        t->ops += turns;
        bench_point(t);
    }
    t->checksum = bench_mix(0, *operations);
}

static void null_run(struct bench *b, void *state) {
    (void)state;
    uint64_t operations = bench_param(b, "operations");
    bench_parallel(b, 1, null_body, &operations);
}

WORKLOAD(null) = {
    .name = "null",
    .summary = "an empty loop: what the harness itself costs",
    .op = "one turn of an empty loop",
    .models = "Nothing. Its time per operation is the floor below which no other row means anything; the harness's share of "
              "it is stored as harness_ns_per_op.",
    .source = "Our own.",
    .bad_for = "Nobody: no subject is called. Subjects that differ here differ by noise.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .run = null_run,
};
