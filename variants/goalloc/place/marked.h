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

/* Counts the bits of many words: those of each byte first, whose sums are added up when they may get too large for it. The
 * target's base has no instruction for it, and the compiler's function would be called for each word. */
struct place_tally {
    uint64_t bytes;
    unsigned sum;
};
enum { PLACE_TALLY_WORDS = 31 }; /* of 8 in a byte */

static inline void place_tally_add(struct place_tally *t, uint64_t word) {
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    t->bytes += (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
}

static inline void place_tally_sum(struct place_tally *t) {
    const uint64_t odd = UINT64_C(0x00ff00ff00ff00ff);
    t->sum += (unsigned)(((t->bytes & odd) + (t->bytes >> 8 & odd)) * UINT64_C(0x0001000100010001) >> 48);
    t->bytes = 0;
}

static unsigned place_count_bits(const uint64_t *bits, unsigned words) {
    struct place_tally t = {0, 0};
    for (unsigned i = 0, end; i < words; place_tally_sum(&t))
        for (end = words - i < PLACE_TALLY_WORDS ? words : i + PLACE_TALLY_WORDS; i < end; i++)
            place_tally_add(&t, place_load(&bits[i]));
    return t.sum;
}

static unsigned place_count_marks(const struct span *s) {
    return place_count_bits(place_mark_bits(s), gcbits_words(s->nelems));
}

#endif
