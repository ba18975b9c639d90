/* SPDX-License-Identifier: MIT
 *
 * matrix.h: a set of cells as YAML says it: a built-in one (a file of matrices/) or the user's file.
 *
 *   summary: one line
 *   cells:
 *     - workloads: [larson-paper, sawtooth]
 *       subjects: [glibc, jemalloc]        # default: all that are present, bounds excepted
 *       threads: [1, 2]                    # default: 1
 *       params: size=64,depth=64           # default: the workload's
 *       smoke: true                        # smoke sizes where params names none
 *       invocations: 10                    # throughput processes; 10 or more make a verdict cell
 *       memory: 2                          # memory processes
 *       iterations: 5                      # per throughput process, after `warmup`
 *       warmup: 1
 *       timeout: 60                        # seconds per process
 */
#ifndef SPANLAB_MATRIX_H
#define SPANLAB_MATRIX_H

#include "field.h"

#include <stdbool.h>

enum { MATRIX_THREADS_MOST = 1024 };

struct matrix_entry {
    char **workloads;
    unsigned workloads_count;
    char **subjects;
    unsigned subjects_count;
    unsigned *threads;
    unsigned threads_count;
    char *params;
    bool smoke;
    unsigned invocations, memory, iterations, warmup, timeout;
};

struct matrix {
    char *summary;
    struct matrix_entry *cells;
    unsigned cells_count;
};

/* The table that an entry of cells is read by; the options of a run take ranges from it. */
extern const struct field matrix_entry_fields[];

/* Loads a built-in matrix or a file. NULL after an error line that names file, place and what is allowed. */
struct matrix *matrix_load(const char *name_or_path);

/* The YAML text of it, for the record of a run. */
char *matrix_text(const char *name_or_path);

#endif
