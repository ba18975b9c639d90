/* SPDX-License-Identifier: MIT
 *
 * mcentral: traced builds' spans that no thread caches, by span class, and the sweeping of them (Go mcentral.go,
 * mgcsweep.go). A span's sweepgen against the heap's, sg (even, 2 more with each cycle; Go mheap.go:470):
 *
 *   sg - 2   needs sweeping                     sg + 1   was cached before this sweep began, still is, needs sweeping
 *   sg - 1   is being swept                     sg + 3   was swept, then cached, still is
 *   sg       is swept and ready to use
 *
 * Each class has two pairs of sets, for spans with free slots and without. Which pair holds the swept ones changes with
 * the cycle: what was swept is unswept the moment sg moves, without anybody touching a span.
 */
#ifndef GOALLOC_MCENTRAL_H
#define GOALLOC_MCENTRAL_H

#include "alloc/cache.h"
#include "span/spanset.h"

struct mcentral {
    _Alignas(64) struct spanset partial[2];
    struct spanset full[2];
};

static struct mcentral mcentrals[SPAN_CLASSES];

static inline uint32_t mcentral_sweepgen(void) {
    return __atomic_load_n(&heap.sweepgen, __ATOMIC_RELAXED);
}

static inline struct spanset *mcentral_partial_swept(uint8_t span_class, uint32_t sweepgen) {
    return &mcentrals[span_class].partial[sweepgen / 2 % 2];
}

static inline struct spanset *mcentral_partial_unswept(uint8_t span_class, uint32_t sweepgen) {
    return &mcentrals[span_class].partial[1 - sweepgen / 2 % 2];
}

static inline struct spanset *mcentral_full_swept(uint8_t span_class, uint32_t sweepgen) {
    return &mcentrals[span_class].full[sweepgen / 2 % 2];
}

static inline struct spanset *mcentral_full_unswept(uint8_t span_class, uint32_t sweepgen) {
    return &mcentrals[span_class].full[1 - sweepgen / 2 % 2];
}

/* A span of the class with at least one free slot, swept, for the cache. NULL: out of memory. */
static struct span *mcentral_cache_span(struct cache *c, uint8_t span_class);
/* Takes back what mcentral_cache_span gave; c->spare must be prepared (mcentral_prepare). */
static void mcentral_uncache_span(struct cache *c, struct span *s);
/* Files s, swept and nobody's, among the full ones or those with free slots. Dies when out of memory unless prepared.
 */
static void mcentral_file(struct cache *c, struct span *s, bool full);
/* Makes sure that c can put one span into any set. False: out of memory. */
static bool mcentral_prepare(struct cache *c, uint8_t span_class);

/* Hooks of the gc layer: marks that lie elsewhere join mark_bits before s is swept, and are asked for before;
 * size_bytes more count as live. */
static inline void gc_merge_marks(struct span *s);
static inline void gc_prefetch_marks(const struct span *s);
static inline void gc_charge(struct cache *c, size_t size_bytes);
/* The last span of a cycle has been swept. The program has had so much given back to the OS. */
static void gc_swept_all(void);
static void gc_purged(size_t released_bytes);

/* ---- sweeping: alloc/sweep.c. c is the caller's cache. */

/* Nothing left to sweep. */
#define SWEEP_NONE SIZE_MAX

/* Begins a cycle's sweep: every span needs sweeping from now on. The world is stopped, marking is over, every cache
 * has been flushed or is going to be before it allocates (mcache_prepare_for_sweep). */
static void sweep_begin(void);
/* Sweeps one span, any: pages given back, or SWEEP_NONE. */
static size_t sweep_one(struct cache *c);
static bool sweep_done(void);
/* Sweeps all that is left, resets the sets and rotates the bitmaps, before marking begins. The world is stopped. */
static void sweep_finish(struct cache *c);
/* Returns when s, in use, is swept (Go mgcsweep.go:463). */
static void sweep_ensure(struct cache *c, struct span *s);
/* Sets how many pages are swept per byte allocated, so that all are by the time the heap reaches trigger_bytes (Go
 * mgcsweep.go:965). The world is stopped. */
static void sweep_pace(uint64_t trigger_bytes);
/* Pays for an allocation in advance, sweeping where there is debt; callers who will sweep themselves leave
 * own_pages to that. Go mgcsweep.go:883. */
static void sweep_deduct_credit(struct cache *c, size_t span_bytes, size_t own_pages);
/* Gives at least npages back to the heap by sweeping spans of which nothing is marked, or all there are, before the
 * heap grows (Go mheap.go:832). */
static void sweep_reclaim(struct cache *c, size_t npages);

#endif
