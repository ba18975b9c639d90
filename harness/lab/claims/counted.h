/* SPDX-License-Identifier: MIT
 *
 * counted.h: instructions of a workload's operations, by callgrind: the difference of two counts of operations, so that
 * what the process does besides cancels out.
 */
#ifndef SPANLAB_COUNTED_H
#define SPANLAB_COUNTED_H

#include "catalog.h"
#include "claims/claim.h"
#include "spawn.h"

struct counted {
    double per_operation; /* NAN: see missing */
    double seconds;
    unsigned processes;
    char *missing; /* why there is no figure; the caller's to free */
};

/* knobs: as launch.h has them. */
struct counted counted_instructions(struct spawner *spawner, const struct catalog_subject *subject, const char *knobs,
                                    const char *workload, const char *params, const struct claim_count *count);

#endif
