/* SPDX-License-Identifier: MIT
 *
 * plan.h: from a matrix and what was asked for on the command line to cells and the shuffled order of invocations.
 */
#ifndef SPANLAB_PLAN_H
#define SPANLAB_PLAN_H

#include "catalog.h"
#include "matrix.h"
#include "text.h"

struct plan_request {
    const char *matrix;            /* name or path */
    const char *workloads;         /* comma-separated, NULL: the matrix's */
    const char *subjects;          /* comma-separated SUBJECT[|KNOB=V,…] or name:/path, NULL: the matrix's */
    const char *threads;           /* comma-separated, NULL: the matrix's */
    unsigned invocations;          /* 0: the matrix's */
    uint64_t seed;
    bool fixed_layout;
};

struct plan_cell {
    struct catalog_subject *subject;
    struct catalog_workload *workload;
    char *knobs;  /* "a=1,b=2" */
    char *params; /* every parameter */
    unsigned threads, invocations, memory, iterations, warmup, timeout_s;
};

struct plan_invocation {
    size_t cell;
    bool memory;
    unsigned number; /* from 1 within cell and mode */
    uint64_t layout_seed;
};

struct plan_absent {
    char *subject, *reason, *remedy;
};

struct plan {
    struct plan_cell *cells;
    size_t cell_count;
    struct plan_invocation *order;
    size_t invocation_count;
    struct plan_absent *absent;
    size_t absent_count;
    bool subjects_named; /* by the request or the matrix: their order is meant */
};

/* Splits "jemalloc|narenas=1,x:/lib/x.so,glibc" at the commas that begin a new subject (knobs may hold commas too). */
struct text_list plan_split_subjects(const char *s);

/* 0, or an enum lab_exit after an error line. */
int plan_make(const struct plan_request *request, struct catalog *catalog, struct plan *out);

#endif
