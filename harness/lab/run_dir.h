/* SPDX-License-Identifier: MIT
 *
 * run_dir.h: a run's folder: made, described in manifest.json, checked before it is resumed; and the plan as text.
 */
#ifndef SPANLAB_RUN_DIR_H
#define SPANLAB_RUN_DIR_H

#include "measure.h"
#include "options.h"

#include <stdio.h>

/* A name under results/ that no run has, by the minute and the matrix; the caller's to free. */
char *run_dir_name(const char *matrix);

/* results/RUN/ (or -o) with run.sqlite and manifest.json; results/latest points to it. 0 or an enum lab_exit. */
int run_dir_create(struct store *s, const struct run_options *o, const struct catalog *catalog, const struct plan *plan,
                   int argc, const char **argv);

/* Same host, same binaries? Fills the session and seeds of options. 0 or an enum lab_exit after a line. */
int run_dir_check(struct store *s, struct catalog *catalog, struct measure_options *options);

/* The cells of a plan and what it will take. */
void plan_print(const struct plan *plan, FILE *out);

#endif
