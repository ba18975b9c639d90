/* SPDX-License-Identifier: MIT
 *
 * collectors.h: what is said of the collectors of a run beyond one metric's values: pauses pooled over processes, rows
 * that hold too few collections, what marking costs beyond an empty heap.
 */
#ifndef SPANLAB_COLLECTORS_H
#define SPANLAB_COLLECTORS_H

#include "rundata.h"

#include <stdio.h>

enum { COLLECTORS_LEAST_COLLECTIONS = 20, COLLECTORS_LEAST_PAUSES = 1000 };

/* Takes from one record of a cell what is pooled. */
void collectors_add_record(struct run_cell *c, json_t *record);
/* Fills the series of the metric marking, once all records are read. */
void collectors_fill_marking(struct run *r);

/* The cell has a collector, and a timed section of its holds too few collections to tell anything of it. */
bool collectors_no_gc(const struct run_cell *c);

/* Nearest rank over the pauses of all the cell's processes; NAN without any. share: above 0, up to 1. */
double collectors_pause(const struct run_cell *c, double share);

/* Median process CPU of a forced collection of c, minus that of mark-empty on the same subject, with its bootstrap
 * interval; nanoseconds. value NAN: c marks no shape, or mark-empty is missing. */
struct collectors_marking {
    double value;
    struct stats_interval interval;
};
struct collectors_marking collectors_marking(const struct run *r, const struct run_cell *c);

/* The tables on a terminal, where any cell has a collector. */
void collectors_print(const struct run *r, FILE *out);

#endif
