/* SPDX-License-Identifier: MIT
 *
 * measure.h: works through what a store still has to do: one process at a time, its outcome committed before the next.
 */
#ifndef SPANLAB_MEASURE_H
#define SPANLAB_MEASURE_H

#include "catalog.h"
#include "store.h"

struct measure_options {
    uint64_t seed;      /* of the operation streams */
    int session;        /* 1, +1 per resume */
    double budget_s;    /* 0: none */
    bool fixed_layout;
};

/* 0 all measured · LAB_CELL_FAILED some cell failed · LAB_DISK · LAB_INTERRUPTED. */
int measure_all(struct store *s, struct catalog *catalog, const struct measure_options *options);
/* The same of what no time is read from: a process that others disturbed is as good as any, and is not repeated. */
int measure_untimed(struct store *s, struct catalog *catalog, const struct measure_options *options);

#endif
