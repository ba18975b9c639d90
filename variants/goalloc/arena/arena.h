/* SPDX-License-Identifier: MIT
 *
 * arena: where the heap lies in the address space, and from address to span (Go malloc.go:255-730, mheap.go:266-335).
 * Address space is reserved in 64 MiB arenas at Go's hints, 0x00c0<<32 + i<<40; each arena has its metadata off-heap.
 * The page->span table of all arenas near the first one is one flat window, so that decoding a pointer is a
 * subtraction, a shift and a load; arenas elsewhere have a table of their own behind the sparse arena map.
 */
#ifndef GOALLOC_ARENA_H
#define GOALLOC_ARENA_H

#include "meta/meta.h"

struct span;

enum { GOALLOC_PAGE_SHIFT = 13, GOALLOC_PAGE_BYTES = 1 << GOALLOC_PAGE_SHIFT };
enum { ARENA_SHIFT = 26, ARENA_PAGES = 1 << (ARENA_SHIFT - GOALLOC_PAGE_SHIFT), ARENA_HINTS = 64 };
#define ARENA_BYTES          ((size_t)1 << ARENA_SHIFT)
#define ARENA_ADDRESS_BITS   48
#define ARENA_MAP_ENTRIES    ((size_t)1 << (ARENA_ADDRESS_BITS - ARENA_SHIFT))
#define ARENA_FIRST_HINT     ((uintptr_t)0x00c0 << 32)
#define ARENA_WINDOW_BYTES   ((size_t)256 << 30) /* heap covered by the flat window; its table is 1/1024 of that */
#define ARENA_LIMITED_BYTES  ((size_t)64 << 30)  /* heap addresses that a process with a limit may use */
#define ARENA_MIN_STEP_BYTES ((size_t)4 << 20)   /* reservation step when the address space is limited */

/* heapArena. Page bitmaps have one bit per page; only the bit of a span's first page means something. */
struct arena {
    uintptr_t base;
    struct span **spans; /* ARENA_PAGES entries: the arena's slice of the window, or a table of its own */
    uint8_t page_in_use[ARENA_PAGES / 8];
    uint8_t page_marks[ARENA_PAGES / 8];
    uint8_t page_specials[ARENA_PAGES / 8];
    uint8_t page_inline_marks[ARENA_PAGES / 8];
    void *checkmarks;
    uintptr_t zeroed_base; /* offset in the arena below which pages may hold old contents */
};
_Static_assert(sizeof(((struct arena *)0)->page_in_use) == 1024, "one bit per 8 KiB page of 64 MiB");

struct arena_space {
    uintptr_t limited_base; /* where the range of a limited heap begins; 0: at the first hint */
    uintptr_t window_base;
    size_t window_pages;
    struct span **window; /* readable; writable where there are arenas */
    /* The span class of each of the window's pages in which it alone says where objects lie (span_class_on_page), else
     * 0; so an object is found without its span's record. Atomic bytes; in builds that collect only. */
    uint8_t *page_classes;
    struct arena **map; /* likewise; covers every address, or what an address-space limit could admit */
    size_t map_first, map_entries;
    size_t step_bytes; /* ARENA_BYTES, or ARENA_MIN_STEP_BYTES under an address-space limit */
    size_t reserved_bytes;
    struct arena **all; /* every arena, by address */
    size_t count, capacity;
    struct {
        uintptr_t address;
        bool down;
    } hints[ARENA_HINTS + 2];
    unsigned hint_count;
};

/* Where such a range can begin: at the first of Go's hints at which nothing lies, or else where the OS has room. */
static uintptr_t arena_limited_base(void);

/* Prepares hints and the map; limited: for the range from limited_base on that a process with an address-space limit
 * may use. False when even the map cannot be had. Once, under the heap lock. */
static bool arena_space_init(struct arena_space *a, bool limited);

/* Reserves at least size bytes (rounded up to whole steps, stored in *got) and creates the arenas' metadata.
 * 0 on failure. Heap lock held. */
static uintptr_t arena_reserve(struct arena_space *a, size_t size_bytes, size_t *got_bytes);

/* Takes the latest arena_reserve back, of whose memory nothing has been used. Its arenas' records stay and serve when
 * the range is reserved again. Heap lock held. */
static void arena_unreserve(struct arena_space *a, uintptr_t base, size_t size_bytes);

/* The arena of an address, NULL when there is none. Any address is allowed. */
static inline struct arena *arena_of(const struct arena_space *a, uintptr_t address) {
    size_t i = (address >> ARENA_SHIFT) - a->map_first;
    if (i >= a->map_entries)
        return NULL;
    return __atomic_load_n(&a->map[i], __ATOMIC_ACQUIRE);
}

/* The span that an address lies in by the page table, NULL when there is none. Any address is allowed; the span must
 * still be checked (state, bounds): the table may be stale for concurrent frees. */
static inline struct span *arena_span_of(const struct arena_space *a, uintptr_t address) {
    size_t page = (address - a->window_base) >> GOALLOC_PAGE_SHIFT;
    if (GOALLOC_LIKELY(page < a->window_pages))
        return __atomic_load_n(&a->window[page], __ATOMIC_ACQUIRE);
    struct arena *arena = arena_of(a, address);
    if (arena == NULL)
        return NULL;
    return __atomic_load_n(&arena->spans[(address >> GOALLOC_PAGE_SHIFT) % ARENA_PAGES], __ATOMIC_ACQUIRE);
}

/* Runs of this length and longer are entered at every page of their first arena and at the first page of each further
 * one only: the table of a terabyte would itself take a gigabyte, and a block is freed in the time that its entries
 * take. */
enum { ARENA_HUGE_PAGES = 2 * ARENA_PAGES };
/* The lookup behind arena_span_of for interior addresses of such runs; same result for all others. */
static struct span *arena_span_of_huge(const struct arena_space *a, uintptr_t address);

/* Points the page-table entries of [base, base + npages) to s (NULL to clear). The run may cross arenas. */
static void arena_set_spans(struct arena_space *a, uintptr_t base, size_t npages, struct span *s);

/* The run of s at base has npages_now pages and becomes longer or shorter in place; its entries follow. */
static void arena_resize_spans(struct arena_space *a, uintptr_t base, size_t npages_now, size_t npages_new,
                               struct span *s);

/* The span class of the page that address lies in, if objects are found by it; else 0. Any address is allowed. */
static inline uint8_t arena_page_class(const struct arena_space *a, uintptr_t address) {
    size_t page = (address - a->window_base) >> GOALLOC_PAGE_SHIFT;
    if (page >= a->window_pages)
        return 0;
    return __atomic_load_n(&a->page_classes[page], __ATOMIC_RELAXED);
}

static inline void arena_set_page_class(struct arena_space *a, uintptr_t address, uint8_t span_class) {
    size_t page = (address - a->window_base) >> GOALLOC_PAGE_SHIFT;
    if (page < a->window_pages)
        __atomic_store_n(&a->page_classes[page], span_class, __ATOMIC_RELAXED);
}

/* Go mheap.go:1072 allocNeedsZero: does this run hold memory that was used before? Raises the watermark. Heap lock not
 * needed; runs are disjoint. */
static bool arena_needs_zero(struct arena_space *a, uintptr_t base, size_t npages);

#endif
