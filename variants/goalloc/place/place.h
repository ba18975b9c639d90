/* SPDX-License-Identifier: MIT
 *
 * place: how small objects are laid into the pages of a span. Every strategy implements this interface as static
 * functions in place/NAME.c, chosen by AXIS_PLACE and inlined into the allocation paths.
 */
#ifndef GOALLOC_PLACE_H
#define GOALLOC_PLACE_H

#include "span/span.h"

/* Where a thread allocates next within a span: up to 64 slots that one word of free bits describes. `word` is never
 * NULL: an empty window points at a zero word. */
struct place_window {
    uint64_t *word;
    uintptr_t base; /* address of the slot of bit 0 */
    uint64_t elem_bytes;
    struct span *span; /* NULL: no span */
};
_Static_assert(sizeof(struct place_window) == 32, "indexing windows is one shift");

/* Lays out a fresh span: nelems, bits, decoding. Its pages, class and elem_bytes are set. False: out of memory. */
static bool place_span_init(struct span *s);
/* Returns what place_span_init took. */
static void place_span_fini(struct span *s);

static inline uint64_t place_load(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void place_store(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* For freed slots: what the owner did with an object comes before its reuse by whoever finds all slots of the span free
 * (place_all_free). */
static inline void place_publish(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Index of the slot that starts exactly at address; -1: no slot starts there. The address lies in the span. */
static inline int place_slot_at(const struct span *s, uintptr_t address);
/* Index of the slot that covers address; -1: the tail of the span. The address lies in the span. */
static inline int place_slot_covering(const struct span *s, uintptr_t address);

/* Number of free slots, without the remote ones. Owner or central lock. */
static unsigned place_free_slots(const struct span *s);

/* Takes the lowest of the free slots `bits`, which are the window's and not 0. */
static inline uintptr_t place_take_from(struct place_window *w, uint64_t bits);
/* The same from whatever the window has; 0 when it is used up. */
static inline uintptr_t place_take(struct place_window *w);
/* Moves the window to the next slots that are free, wrapping around once; false: the span has none. */
static bool place_window_advance(struct place_window *w);
static void place_window_open(struct place_window *w, struct span *s);
static void place_window_close(struct place_window *w);

/* Marks a slot free. False: it is free already. Owner or central lock. */
static inline bool place_give(struct span *s, unsigned slot);
/* Marks a slot free from another thread. False: it is free already, as far as that can be seen. */
static bool place_give_remote(struct span *s, unsigned slot, bool *word_free);
/* Are all slots free, the remote ones counted? */
static bool place_all_free(struct span *s);
/* Takes over what others have freed; calls object_die on a slot freed twice. Returns the number of slots. */
static unsigned place_merge_remote(struct span *s);

#endif
