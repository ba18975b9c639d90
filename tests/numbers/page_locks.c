/* SPDX-License-Identifier: MIT
 *
 * page_locks PATTERN cached|direct COUNT: page_cost, but it counts and prints how often an allocation took the heap
 * lock instead of having its instructions counted.
 */
#define _GNU_SOURCE
#include <pthread.h>

static unsigned long heap_locks;

/* While pages are allocated no other lock is taken. */
static inline int counting_lock(pthread_mutex_t *mutex) {
    heap_locks++;
    return pthread_mutex_lock(mutex);
}

#define pthread_mutex_lock counting_lock
#define PAGE_COST_LOCKS    1
#include "page_cost.c"
