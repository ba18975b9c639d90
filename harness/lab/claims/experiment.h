/* SPDX-License-Identifier: MIT
 *
 * experiment.h: measures claims: their cells become one matrix, and those of noisy claims another, which are run as any
 * other, so that every record is kept and any process can be repeated.
 */
#ifndef SPANLAB_EXPERIMENT_H
#define SPANLAB_EXPERIMENT_H

#include "claims/recorded.h"
#include "run_dir.h"

/* Told of each claim's outcome as soon as it is known: counting takes minutes, and nothing counted may be lost. */
struct experiment_listener {
    void (*tell)(void *context, size_t claim, struct claim_outcome *outcome); /* NULL: nobody listens */
    void *context;
};

/* Asks the bench programs what there is, so that the processes of parts.h, which begin as copies, need not. */
void experiments_prepare(void);

/* What is run, counted or checked for the claim, and its id: claims that have one of these in common belong together, as
 * do a claim and its mutation. */
struct text_list experiment_keys(const struct claim *c);

/* outcomes: one per claim. output: the run's folder (with -noisy behind it, another), NULL: in results. 0, or an enum
 * lab_exit after an error line; LAB_CELL_FAILED when some process failed, and the claims that needed it have no figure.
 */
int experiments_run(const struct claim *const *claims, size_t count, const char *output,
                    struct experiment_listener listener, struct claim_outcome *outcomes);

#endif
