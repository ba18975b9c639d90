/* SPDX-License-Identifier: MIT
 *
 * tiny: the manual builds' tiny allocator, which obeys the C ABI. Requests up to 8 B share 16 B blocks, two 8 B
 * granules each; a request of 9 to 15 B needs a whole block, which is a slot of the ordinary 16 B class, so it is
 * served there. A block is handed out when both its granules are free: first the lower one, then, to the next request,
 * the upper one. The slots of a tiny span are the granules, with a bit each, so that freeing, object_of and the
 * double-free test are the ordinary ones and know every object's bounds. Tiny spans have span class 4, whose scan half
 * manual builds do not use. (Go's tiny allocator to the letter is the traced builds'; the two are never pooled.)
 */
#ifndef GOALLOC_TINY_H
#define GOALLOC_TINY_H

#include "place/place.h"

struct cache;

enum { TINY_GRANULE_BYTES = 8, TINY_SPAN = 4 };

static inline bool tiny_class(uint8_t span_class) {
    return PLACE_SLOTS && AXIS_TINY && !AXIS_TRACED && span_class == TINY_SPAN;
}

/* Lower granules of the blocks of a word that are wholly free. */
static inline uint64_t tiny_free_blocks(uint64_t bits) {
    return bits & bits >> 1 & UINT64_C(0x5555555555555555);
}

/* Granules of a tiny span that are free while their block is not, in bytes; pending, which is handed out next, does not
 * count. What others have freed and nobody has taken over counts. */
static inline uint64_t tiny_dead_bytes(struct span *s, uintptr_t pending) {
    uint64_t dead_bytes = 0, waiting = (pending - s->base) / TINY_GRANULE_BYTES;
    for (unsigned i = 0; i < span_words(s); i++) {
        uint64_t bits = place_load(&span_free_bits(s)[i]), blocks = tiny_free_blocks(bits);
        uint64_t dead = (bits & ~(blocks | blocks << 1)) | place_load(&span_remote_bits(s)[i]);
        if (waiting / 64 == i)
            dead &= ~(UINT64_C(1) << waiting % 64);
        dead_bytes += (uint64_t)__builtin_popcountll(dead) * TINY_GRANULE_BYTES;
    }
    return dead_bytes;
}

/* One granule. 0: out of memory. c is the caller's own cache, or locked. */
static uintptr_t tiny_alloc(struct cache *c);

/* Moves a window over a tiny span to a word that holds a whole free block; false: the span has none. */
static bool tiny_window_advance(struct place_window *w);

#endif
