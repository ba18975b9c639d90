/* SPDX-License-Identifier: MIT
 *
 * stats: what traced builds count under Go's rules (Go mstats.go:640 heapStatsDelta): each thread adds to its own
 * record when a span changes hands, never per object; readers sum the records of all threads. So a reader sees what
 * lies in threads' current spans only after they were flushed.
 */
#ifndef GOALLOC_STATS_H
#define GOALLOC_STATS_H

#include "span/sizeclasses.h"

#include <stddef.h>
#include <stdint.h>

/* All atomic; only ever added to. */
struct stats {
    uint64_t large_alloc_bytes, large_allocs;
    uint64_t small_allocs[GOALLOC_SIZE_CLASSES];
    uint64_t tiny_allocs; /* requests that found room in a block */
    uint64_t large_free_bytes, large_frees;
    uint64_t small_frees[GOALLOC_SIZE_CLASSES];
};

enum { STATS_FIELDS = sizeof(struct stats) / sizeof(uint64_t) };

static inline void stats_add(uint64_t *field, uint64_t n) {
    __atomic_fetch_add(field, n, __ATOMIC_RELAXED);
}

/* sum += each field of s. */
static inline void stats_sum(struct stats *sum, const struct stats *s) {
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)s;
    for (size_t i = 0; i < STATS_FIELDS; i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* What the collector is told of allocation (Go mgcpacer.go: heapLive and its relatives). All atomic. */
static struct {
    uint64_t live_bytes;        /* upper bound: cached spans count as full */
    uint64_t scan_bytes;        /* of it, what may hold pointers */
    uint64_t total_alloc_bytes; /* ever */
    uint64_t total_free_bytes;
} gc_account;

/* What the collector has done, under Go's names; written while the world is stopped. Builds that never collect leave it
 * zero. */
static struct {
    uint64_t next_gc_bytes, last_gc_ns; /* heap goal; when the last cycle ended, UNIX time */
    uint64_t pause_total_ns, num_gc, num_forced_gc;
    uint64_t live_bytes, stack_scan_bytes, globals_scan_bytes; /* of the last cycle */
    uint64_t percent;       /* GOGC that the heap goal is of; all ones: off */
    uint64_t limited_cycle; /* in which the limiter of the collector's CPU last came on; 0: never */
} gc_statistics;

#endif
