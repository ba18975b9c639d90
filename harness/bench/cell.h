/* SPDX-License-Identifier: MIT
 *
 * cell.h: one invocation driven by the lab: one cell, one record. Main thread.
 */
#ifndef SPANLAB_CELL_H
#define SPANLAB_CELL_H

#include "bench.h"
#include "environment.h"
#include "memory.h"
#include "meter.h"
#include "options.h"
#include "proof.h"

struct cell_sample {
    bool warmup;
    struct bench_iteration at;
};

struct cell {
    struct options options;
    struct bench bench;
    struct subject subject;
    struct proof proof;
    struct memory_meter memory;
    struct environment environment;
    int result_fd;
    struct cell_sample *samples;
    unsigned sample_count;
    uint64_t driven_ns; /* wall time that Google Benchmark took for everything; 0 until it has returned */
    enum bench_status status;
    const char *message; /* "" when ok */
};

/* Runs the cell and writes its record. Returns the exit status; a failing cell ends the process by itself. */
int cell_run(const struct options *o);

/* record.c: writes the record to result_fd; false with errno. Called from whichever thread ends the process. */
bool record_write(const struct cell *c);

/* suite.c: the ordinary Google Benchmark program over all workloads. Returns the exit status. */
int suite_run(const struct options *o, int argc, char **argv);

#endif
