/* SPDX-License-Identifier: MIT
 *
 * marked: what the placements of traced builds share. A span has two bitmaps beside it, one bit per slot: what the last
 * sweep found marked, or what counts as allocated since, and what this cycle has marked. Sweeping makes the one the
 * other.
 */
#ifndef GOALLOC_MARKED_H
#define GOALLOC_MARKED_H

#include "place/place.h"
#include "span/gcbits.h"

/* A placement of traced builds defines, besides what observers ask of any placement (place.h): */

/* The constant PLACE_PAGE_SLOTS: where spans with inline marks have several pages, the slots of each. */
/* One bit per word of the span from its base on: does it hold a pointer? Only where span_class_has_bitmap. */
static inline uint64_t *place_pointer_bits(const struct span *s);
/* Words of an object that they tell of. */
static inline unsigned place_bitmap_words(size_t size_bytes);
/* Could a request be served from s without sweeping it? */
static inline bool place_has_room(const struct span *s);
/* Is slot nothing that a conservative scan may believe: free, or not known to be an object yet? */
static inline bool place_slot_unpublished(const struct span *s, unsigned slot);
/* The span, fresh, serves one large object. */
static void place_take_whole(struct span *s);
/* A cache has taken s up, from wherever it stood. */
static void place_resume(struct span *s);
/* A slot that is marked and was never handed out: somebody made a pointer out of nothing, or an earlier cycle freed
 * what was reachable (Go mgcsweep.go:639). nelems: none. */
static unsigned place_zombie(const struct span *s);
/* What is marked is allocated from now on, and nothing else; returns alloc_count after it. fresh: zero, the next
 * cycle's mark bits. The sweeper owns the span. */
static unsigned place_sweep(struct span *s, uint64_t *fresh, unsigned *dead_objects);

/* Acquire: threads that look at an object while the span is swept (goalloc_object_of) find the bits that the sweep has
 * merged. */
static inline uint64_t *place_alloc_bits(const struct span *s) {
    return __atomic_load_n(&s->alloc_bits, __ATOMIC_ACQUIRE);
}

static inline uint64_t *place_mark_bits(const struct span *s) {
    return __atomic_load_n(&s->mark_bits, __ATOMIC_RELAXED);
}

/* Both bitmaps of a fresh span. False: out of memory. */
static bool place_take_bits(struct span *s) {
    uint64_t *alloc_bits = gcbits_take(s->nelems), *mark_bits = gcbits_take(s->nelems);
    if (alloc_bits == NULL || mark_bits == NULL)
        return false; /* what one of them took is recycled with its arena */
    __atomic_store_n(&s->alloc_bits, alloc_bits, __ATOMIC_RELAXED);
    __atomic_store_n(&s->mark_bits, mark_bits, __ATOMIC_RELAXED);
    return true;
}

static void place_rotate_bits(struct span *s, uint64_t *fresh) {
    __atomic_store_n(&s->alloc_bits, place_mark_bits(s), __ATOMIC_RELEASE);
    __atomic_store_n(&s->mark_bits, fresh, __ATOMIC_RELAXED);
}

static unsigned place_count_marks(const struct span *s) {
    unsigned n = 0;
    for (unsigned i = 0; i < gcbits_words(s->nelems); i++)
        n += (unsigned)__builtin_popcountll(place_load(&place_mark_bits(s)[i]));
    return n;
}

#endif
