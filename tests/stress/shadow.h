/* SPDX-License-Identifier: MIT
 *
 * shadow.h: which bytes of the address space live objects cover, at 8-byte granules. Exact and without a lock (a lock
 * would order the threads and so hide races of the allocator): one relaxed atomic bit per granule in lazily mapped
 * tables.
 */
#ifndef STRESS_SHADOW_H
#define STRESS_SHADOW_H

#include <stdbool.h>
#include <stddef.h>

/* Prepares the tables; exits with a message when the OS refuses. */
void shadow_init(void);
/* Marks the granules of an object. False: one of them belongs to a live object. */
bool shadow_take(const void *p, size_t size);
/* Unmarks them, before the object is given back. False: one was not marked. */
bool shadow_drop(const void *p, size_t size);

#endif
