/* SPDX-License-Identifier: MIT */
#include "allocations.h"

void allocations_begin(struct allocations *a) {
    a->read(&a->last);
}

void allocations_end(struct allocations *a) {
    struct traced_allocations now;
    a->read(&now);
    now.tiny -= a->last.tiny;
    now.large -= a->last.large;
    now.bytes -= a->last.bytes;
    for (unsigned i = 0; i < TRACED_SIZE_CLASSES; i++)
        now.by_class[i] -= a->last.by_class[i];
    a->last = now;
}
