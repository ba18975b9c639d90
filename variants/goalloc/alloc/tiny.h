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

/* One granule. 0: out of memory. c is the caller's own cache, or locked. */
static uintptr_t tiny_alloc(struct cache *c);

/* Moves a window over a tiny span to a word that holds a whole free block; false: the span has none. */
static bool tiny_window_advance(struct place_window *w);

#endif
