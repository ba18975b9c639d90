/* SPDX-License-Identifier: MIT
 *
 * allocations.h: how many objects of each size class an iteration has allocated, where a traced subject tells it: what
 * its Go twin must have allocated, too. Main thread only.
 */
#ifndef SPANLAB_ALLOCATIONS_H
#define SPANLAB_ALLOCATIONS_H

#include "traced.h"

struct allocations {
    int (*read)(struct traced_allocations *out);
    struct traced_allocations last; /* of the last iteration: set-up and run */
};

void allocations_begin(struct allocations *a);
void allocations_end(struct allocations *a);

#endif
