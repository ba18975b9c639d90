/* SPDX-License-Identifier: MIT
 *
 * place: how small objects are laid into the pages of a span. Every strategy implements this interface as static
 * functions in place/NAME.c, chosen by AXIS_PLACE and inlined into the allocation paths.
 */
#ifndef GOALLOC_PLACE_H
#define GOALLOC_PLACE_H

#include "span/span.h"

/* Where a thread allocates next. A window that is used up or closed can be asked like any other. */
struct place_window {
    union {
        struct { /* slots: up to 64 that one word of free bits describes; never NULL, an empty window has a zero word */
            uint64_t *word;
            uintptr_t base; /* address of the slot of bit 0 */
            uint64_t elem_bytes;
        };
        struct { /* runs: free from bump to end */
            uintptr_t bump, end;
            uintptr_t starts_of_0; /* linear: where the starts of address 0 would lie (linear_starts) */
        };
    };
    struct span *span; /* NULL: no span */
};
_Static_assert(sizeof(struct place_window) == 32, "indexing windows is one shift");

struct place_pool;

/* How much of a span could serve: nothing, something, all of it. */
enum place_room { PLACE_NO_ROOM, PLACE_SOME_ROOM, PLACE_ALL_ROOM };

/* A placement also defines: the constant PLACE_SLOTS (its spans are made of equal slots); struct place_pool, what it
 * keeps for each thread besides windows; PLACE_NO_WINDOW, the initialiser of a closed window. */

/* Reads the knobs of the placement, whose defaults the preset decides; once, before anything else. */
static void place_knobs_init(bool tuned);
/* Writes the value in force of a knob; false: no such knob. */
static bool place_knob(const char *name, char *out, size_t size);
/* Pages of a span of the class. */
static size_t place_class_pages(unsigned size_class);

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

/* Dies unless the record's slots lie in its pages and its bits where they belong: among the records of `bits`, or in
 * the span itself (NULL). Asked whenever a span begins to serve. */
static inline void place_expect_layout(const struct span *s, const struct fixalloc *bits) {
    const uint64_t *at = span_free_bits(s);
    if (GOALLOC_UNLIKELY(s->elem_bytes == 0 || s->nelems == 0 ||
                         (uint64_t)s->nelems * s->elem_bytes > (uint64_t)s->npages << GOALLOC_PAGE_SHIFT ||
                         (bits == NULL ? at != s->inline_free : !fixalloc_may_hold(bits, at))))
        os_die("corrupted span record: %u slots of %u bytes in %u pages at %p, bits at %p", s->nelems, s->elem_bytes,
               s->npages, (void *)s->base, (const void *)at);
}

/* Index of the lowest set bit; bits is not 0. As 64 bits without the sign extension that the builtin's int costs. */
static inline uint64_t place_lowest(uint64_t bits) {
#if defined(__x86_64__)
    uint64_t index;
    __asm__("rep bsfq %1, %0" : "=r"(index) : "r"(bits) : "cc");
    return index;
#else
    return (uint64_t)__builtin_ctzll(bits);
#endif
}

/* Index of the slot that starts exactly at address; -1: no slot starts there. The address lies in the span. */
static inline int place_slot_at(const struct span *s, uintptr_t address);
/* Index of the slot that covers address; -1: the tail of the span. The address lies in the span. */
static inline int place_slot_covering(const struct span *s, uintptr_t address);

/* Address and size of a slot; is it free, the remote frees counted? */
static inline uintptr_t place_slot_address(const struct span *s, unsigned slot);
static inline size_t place_slot_bytes(const struct span *s, unsigned slot);
static inline bool place_slot_free(const struct span *s, unsigned slot);

/* Slots in use, those that others have freed since the last merge included. Owner or central lock. */
static unsigned place_used_slots(const struct span *s);
/* Bytes of the slots in use, without those. */
static uint64_t place_used_bytes(const struct span *s);
/* Bytes of s that the program has freed and that nobody can be given yet; s has a live object. w: the owner's window
 * when it is on s, else NULL; pending: the half of a tiny block that the owner hands out next, 0 for none. Owner at
 * rest. */
static uint64_t place_dead_bytes(const struct span *s, const struct place_window *w, uintptr_t pending);
/* The half of a tiny block that is handed out next; 0: none. */
static uintptr_t place_pending(const struct place_pool *pool);
/* The same, as whoever looks for room asks. */
static enum place_room place_room(const struct span *s);
/* What is wrong with the span's bits; NULL: nothing. Other threads at rest. */
static const char *place_broken(struct span *s);
/* How many frees a span with alloc_count slots in use waits for before it serves again, in tuned builds. */
static int32_t place_full_wait(const struct span *s);

/* Moves the window to the next slots that are free, wrapping around once; false: the span has none. */
static bool place_window_advance(struct place_window *w);
static void place_window_open(struct place_window *w, struct span *s);
static void place_window_close(struct place_window *w);
/* Has it anything left? */
static bool place_window_usable(struct place_window *w);

/* Marks a slot free. False: it is free already. Owner or central lock. */
static bool place_give(struct span *s, unsigned slot);
/* The same for the owner, where it takes no call; false: place_give knows. */
static inline bool place_give_fast(struct span *s, unsigned slot);
/* Marks a slot free from another thread. False: it is free already, as far as that can be seen. *word_free: all slots
 * of its word are free now, as far as that could be seen before. */
static bool place_give_remote(struct span *s, unsigned slot, bool *word_free);
/* Are all slots free, the remote ones counted? */
static bool place_all_free(struct span *s);
/* Takes over what others have freed; calls object_die on a slot freed twice. Returns the number of slots. */
static unsigned place_merge_remote(struct span *s);

#endif
