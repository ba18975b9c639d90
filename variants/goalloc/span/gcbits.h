/* SPDX-License-Identifier: MIT
 *
 * gcbits: the bitmaps of traced spans: one bit per slot for what is allocated, one for what is marked. They come from
 * 64 KiB arenas that rotate with the collection cycles, so that nothing is ever given back one by one: what a cycle's
 * sweep made serves through the next cycle and is recycled when a further sweep has replaced it (Go
 * mheap.go:2609-2800).
 */
#ifndef GOALLOC_GCBITS_H
#define GOALLOC_GCBITS_H

#include "meta/meta.h"

enum { GCBITS_ARENA_BYTES = 64 << 10, GCBITS_HEADER_BYTES = 16 };

struct gcbits_arena {
    uint64_t used_bytes; /* atomic; may run over the end, by requests that found no room */
    struct gcbits_arena *next;
    uint64_t bits[(GCBITS_ARENA_BYTES - GCBITS_HEADER_BYTES) / 8];
};
_Static_assert(sizeof(struct gcbits_arena) == GCBITS_ARENA_BYTES, "an arena is 64 KiB with its header");

/* Words of a bitmap of nelems slots. */
static inline size_t gcbits_words(size_t nelems) {
    return (nelems + 63) / 64;
}

/* A zero bitmap for nelems slots, valid until the end of the second epoch from now. NULL: out of memory. Thread-safe
 * and without a lock while the arena in use has room. */
static uint64_t *gcbits_take(size_t nelems);

/* Once all spans are swept and before anything is marked: bitmaps taken since the last call are this cycle's, those
 * from before it are recycled at the next call (Go mheap.go:2736). The world is stopped. */
static void gcbits_next_epoch(void);

#endif
