/* SPDX-License-Identifier: MIT
 *
 * result.h: the catalog and the record of one invocation as JSON (docs/record.md). JSON is built in memory of its own, not
 * on the subject's heap: a record can be written when that heap is exhausted.
 */
#ifndef SPANLAB_RESULT_H
#define SPANLAB_RESULT_H

#include "bench.h"
#include "memory.h"
#include "proof.h"

enum { RESULT_MAX_SAMPLES = 10000 };

struct result_sample {
    bool warmup;
    struct bench_iteration at;
};

struct result {
    const struct bench *bench;
    const struct subject *subject;
    const struct proof *proof;
    const struct memory_meter *memory; /* NULL in throughput mode */
    struct result_sample samples[RESULT_MAX_SAMPLES];
    unsigned sample_count;
    double harness_ns_per_op; /* what driving the iterations cost beside the workload; negative: not known */
    const char *path;         /* a number is an open descriptor */
};

/* Gives the JSON library memory of its own; before anything else here. False when there is none. */
bool result_open(void);

/* Prints what this program can measure. */
void result_catalog(void);

/* Writes the record; false with a line on stderr when it cannot be written. */
bool result_write(const struct result *r, const char *status, const char *message);

#endif
