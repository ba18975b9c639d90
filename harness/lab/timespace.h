/* SPDX-License-Identifier: MIT
 *
 * timespace.h: what a collector costs at equal measured footprint. A curve is one subject under several settings of the
 * knob that trades memory for time; footprint is peak RSS over the peak of requested live bytes where the workload
 * frees itself. Two bounds go with it: who frees explicitly, and who never frees. And LBO, how much of all CPU is at
 * least the collector's (arXiv 2112.07880).
 */
#ifndef SPANLAB_TIMESPACE_H
#define SPANLAB_TIMESPACE_H

#include "rundata.h"

#include <stdio.h>

enum { TIMESPACE_TARGETS = 5, TIMESPACE_LEAST_POINTS = 2 };
extern const double timespace_targets[TIMESPACE_TARGETS]; /* 1.25 to 5 times what is live */

struct timespace_point {
    double footprint, cost; /* ratios: of peak live bytes; of the CPU per operation of explicit free */
    const struct run_cell *cell;
};

struct timespace_curve {
    char *name;                     /* the label without the swept knob */
    struct timespace_point *points; /* by footprint */
    size_t count;
};

/* Of one row. */
struct timespace {
    struct timespace_curve *curves;
    size_t count;
    const struct run_cell *frees;             /* explicit free, goalloc's where it ran; NULL: nothing to compare with */
    double live_bytes;                        /* NAN unknown */
    struct timespace_point free_bound, never; /* NAN where not measured */
};

/* Without curves where no subject ran under two settings or more, or live bytes are not known. */
struct timespace timespace_of(const struct run *r, size_t row);
void timespace_free(struct timespace *t);

/* Cost at a footprint, linear between the logarithms of the two points around it. NAN outside of what was measured. */
double timespace_cost_at(const struct timespace_point *points, size_t count, double footprint);

/* All CPU over the least CPU beside collecting that any goalloc build of the row's flavour shows; NAN where the
 * collector's CPU is not measured. */
double timespace_lbo(const struct run *r, const struct run_cell *c);

/* The tables on a terminal, where a row has curves. */
void timespace_print(const struct run *r, FILE *out);

#endif
