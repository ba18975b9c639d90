/* SPDX-License-Identifier: MIT
 *
 * bench.h: what the files of this folder share about one invocation: the workload with its parameters, the iteration under
 * way and how it ends. One struct bench per process; its plain fields belong to the main thread unless they say otherwise.
 */
#ifndef SPANLAB_BENCH_H
#define SPANLAB_BENCH_H

#include "workload.h"

enum { BENCH_MAX_PARAMS = 24, BENCH_MAX_THREADS = 1024, BENCH_MAX_SCRATCH = 1024, BENCH_MAX_COUNTERS = 16 };

enum bench_status { BENCH_OK, BENCH_FAILED, BENCH_OOM };

/* What one iteration measured. */
struct bench_iteration {
    uint64_t wall_ns;     /* timed part: CLOCK_MONOTONIC */
    uint64_t cpu_ns;      /* timed part: CPU time of the process */
    uint64_t workload_ns; /* wall time of set-up, run and tear-down, timed part included */
    uint64_t ops;
    uint64_t zero_bytes;
    uint64_t checksum;
    uint64_t collections; /* in the timed part; UINT64_MAX: nobody tells */
};

struct crew;          /* parallel.c: the workers */
struct memory_meter;  /* memory.h */
struct allocations;   /* allocations.h */

struct bench_scratch_block {
    void *base;
    size_t size_bytes;
};

struct bench_counter {
    const char *name;
    double value;
};

struct bench {
    const struct workload *workload;
    uint64_t params[BENCH_MAX_PARAMS]; /* in the order the workload declares them */
    uint64_t seed;
    unsigned iteration; /* counts from 1; 0: none has begun */
    struct bench_iteration now;
    struct bench_counter counters[BENCH_MAX_COUNTERS]; /* of the last iteration */
    unsigned counter_count;

    struct crew *crew;
    struct memory_meter *memory;     /* NULL outside memory mode */
    struct allocations *allocations; /* NULL unless they are asked for */
    struct bench_scratch_block scratch[BENCH_MAX_SCRATCH];
    unsigned scratch_count; /* any thread, atomic */

    /* Ends the process with this status; called at most once, from any thread, and does not return. */
    void (*end)(struct bench *b, enum bench_status status, const char *message);
    unsigned ended; /* any thread, atomic */
};

/* The invocation of this process, for handlers that receive no argument; NULL before it is set up. */
extern struct bench *bench_current;

/* Prepares a zeroed struct bench; maps the workers' memory. False when that fails. */
bool bench_open(struct bench *b, const struct workload *w);

/* Index of a declared parameter, or -1. */
int bench_param_index(const struct workload *w, const char *name);

/* Sets every parameter to its default, or to its smoke value. */
void bench_params_default(struct bench *b, bool smoke);

/* Applies "a=1,b=2"; on a malformed item or unknown name writes what is wrong into error and returns false. */
bool bench_params_parse(struct bench *b, const char *text, char *error, size_t error_size);

/* One iteration: set-up, run, tear-down, scratch released; the result is in b->now. Ends the process on a failure. */
void bench_iterate(struct bench *b);

/* parallel.c: maps the workers; false when out of memory. Forgets the workers' state before an iteration. Operations and
 * live requested bytes so far, over all workers (racy by design: memory mode reads them while the others run). */
bool crew_open(struct bench *b);
void crew_totals(const struct bench *b, uint64_t *ops, uint64_t *live_bytes);

#endif
