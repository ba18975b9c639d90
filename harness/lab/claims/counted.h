/* SPDX-License-Identifier: MIT
 *
 * counted.h: instructions and simulated misses of a workload's operations, by callgrind: the difference of two counts
 * of operations, so that what the process does besides cancels out. Callgrind's caches have no prefetching and do not
 * overlap misses; they are of one size everywhere, whatever the processor has.
 */
#ifndef SPANLAB_COUNTED_H
#define SPANLAB_COUNTED_H

#include "catalog.h"
#include "claims/claim.h"
#include "spawn.h"

struct counted {
    double per_operation; /* NAN: see missing */
    double seconds;
    uint64_t peak_bytes; /* of the largest process, callgrind's own memory included */
    unsigned processes;
    char *missing; /* why there is no figure; the caller's to free */
    bool died;     /* by a signal or at its time limit: that is missing, too */
};

/* What is counted of which program: a subject on a workload (knobs: as launch.h has them), or one that lies beside
 * spanlab, to whose arguments the number of operations is added. within: NULL for all. */
struct counted_wish {
    const struct catalog_subject *subject;
    const char *knobs, *workload, *params;
    const char *program; /* NULL: subject and workload */
    const char *figure, *within;
    const struct claim_count *count;
    unsigned attempt; /* another one is counted by other processes */
};

/* Whether there is such a figure: instructions; first-level-misses and last-level-misses, of data; simulated-cycles:
 * instructions + 10 for each first-level and 100 for each last-level miss, as KCachegrind estimates. */
bool counted_knows(const char *figure);
struct counted counted_figure(struct spawner *spawner, const struct counted_wish *wish);
/* "callgrind", with the sizes of the caches where the figure depends on them. */
const char *counted_how(const char *figure);

#endif
