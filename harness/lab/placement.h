/* SPDX-License-Identifier: MIT
 *
 * placement.h: policy apart from implementation. What a placement policy alone needs of a row's stream, by the models of the
 * subject `policy`, beside what the builds of that policy take resident.
 */
#ifndef SPANLAB_PLACEMENT_H
#define SPANLAB_PLACEMENT_H

#include "rundata.h"

#include <stdio.h>

enum { PLACEMENT_POLICIES = 7 };
/* As records name them: "first". */
extern const char *const placement_names[PLACEMENT_POLICIES];

/* The cell that has the models' figures of a row; NULL: none ran. */
const struct run_cell *placement_models(const struct run *r, size_t row);
bool placement_any(const struct run *r); /* whether any row has them */
/* What policy i alone needs over what lives; NAN unknown. */
double placement_need(const struct run_cell *models, int i);
/* The peak of the resident set over the most bytes that live at once, as the models know it: a workload's own count of live
 * bytes is sampled, and misses peaks between samples. NAN unknown; run_is_below(c, "peak_rss"): it is a bound. */
double placement_resident(const struct run_cell *models, const struct run_cell *c);
/* The policy that a build of goalloc places by, an index; -1: it is none of them. */
int placement_of(const struct run_cell *c);

/* Instructions of one operation, where `spanlab count` has counted them; else NAN. */
double placement_instructions(const struct run *r, const struct run_cell *c);

/* The table on a terminal, where a row has models. */
void placement_print(const struct run *r, FILE *out);

#endif
