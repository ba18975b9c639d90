/* SPDX-License-Identifier: MIT
 *
 * heap: the one page heap (Go mheap.go): growing, spans in and out, and the central lists of spans without an owner.
 */
#ifndef GOALLOC_HEAP_H
#define GOALLOC_HEAP_H

#include "arena/arena.h"
#include "page/page.h"
#include "place/place.h"
#include "span/span.h"

enum { HEAP_MAX_SMALL_BYTES = GOALLOC_MAX_SMALL_SIZE - 8 }; /* Go malloc.go:1054: the split holds for noscan too */
enum { HEAP_CACHED_PAGES_LIMIT = 16 };                      /* Go mheap.go:1239: shorter runs try the thread's pages */

/* tuned: spans of fewer slots than this are made of more pages than Go gives them, up to the limit; with 8 KiB of 1 KiB
 * slots every few requests would end in a refill. Pages that no slot has reached yet are not resident. */
enum { HEAP_TUNED_MIN_SLOTS = 64, HEAP_TUNED_MAX_PAGES = 8 };

/* Locks of the central lists. Fewer than classes: fork holds them all at once, and lock checkers track 64. */
enum { HEAP_CENTRAL_LOCKS = 32 };

/* Spans that no thread owns and that have free slots. Padded: neighbours are used by different threads. */
struct central {
    _Alignas(64) struct span *partial;
};

/* A heap that stays below it would rather grow by small pages than be looked up faster. */
enum { HEAP_SMALL_BYTES = 16 << 20 };
/* So much is backed before it is used where the heap grows by huge pages: what a few threads take meanwhile. */
enum { HEAP_HUGE_BYTES = 2 << 20, HEAP_AHEAD_BYTES = 1 << 20 };

enum { HEAP_TINY_BLOCK_BYTES = 16 }; /* of traced builds (Go malloc.go:1158) */

/* GOALLOC_PAST_END, of traced builds: which pointers one past an object's end keep it alive. */
enum heap_past_end {
    HEAP_PAST_END_OFF,    /* none, as in Go */
    HEAP_PAST_END_STACKS, /* those on stacks and in registers: what is right before a pointer's object counts as well */
    HEAP_PAST_END_ON,     /* all: each object has a byte to spare, so that they lie in it */
};

struct heap {
    struct lock lock;  /* pages, arenas, growth */
    struct lock release_lock; /* before that: held while pages are on their way back to the OS */
    uint32_t ready;    /* atomic */
    bool tuned;        /* preset: tuned, or faithful to Go's decisions */
    bool cut_off;      /* a child, forked while there were other threads: of a manual build they may have been anywhere */
    bool huge_pages;   /* GOALLOC_HUGE: asked for once the heap has outgrown HEAP_SMALL_BYTES */
    enum heap_past_end past_end;
    size_t spare_bytes; /* of each object, behind its end: 1 under HEAP_PAST_END_ON, else 0 */
    size_t tiny_bytes;  /* of a tiny block that objects may have */
    uint32_t sweepgen; /* atomic; changes while the world is stopped */
    struct arena_space arenas;
    struct page_heap pages;
    uintptr_t grow_base, grow_end;   /* Go mheap.curArena: reserved and not yet handed to the page allocator */
    uintptr_t ahead_next, ahead_end; /* atomic: growing by huge pages: the next one to back, the end of what is ready */
    size_t pages_in_use;             /* atomic */
    size_t grown_bytes;              /* handed to the page allocator, ever */
    /* Atomic: to where the scavenger gives memory back, of what the heap retains, and the limit of all memory;
     * UINT64_MAX: none. What allocating threads have given back. */
    uint64_t retain_bytes, limit_bytes, released_eagerly_bytes;
    const uint32_t *held_back; /* atomic: giving back for the limit has to wait: the limiter of the collector's CPU */
    size_t largest_pages;            /* a single request above this could never be used */
    uint8_t class_pages[GOALLOC_SIZE_CLASSES]; /* pages of a span of each size class */
    struct central central[SPAN_CLASSES];
    struct {
        _Alignas(64) struct lock lock;
    } central_locks[HEAP_CENTRAL_LOCKS];
};

static struct heap heap = {.retain_bytes = UINT64_MAX, .limit_bytes = UINT64_MAX};

static inline struct lock *heap_central_lock(uint8_t span_class) {
    return &heap.central_locks[span_class % HEAP_CENTRAL_LOCKS].lock;
}

/* A span of npages for span_class, aligned to align bytes, in use and on no list. A small span belongs to c; one of
 * class 0 is a large object and belongs to nobody. c may be NULL for large objects. NULL: out of memory. Thread-safe.
 */
static struct span *heap_span_alloc(struct cache *c, size_t npages, uint8_t span_class, size_t align_bytes);

/* Gives the pages back. The span must be in use, wholly free and on no list; the caller is the only one who may free
 * it. */
static void heap_span_free(struct cache *c, struct span *s);
/* The same for a span whose pages the OS has back. */
static void heap_span_free_emptied(struct cache *c, struct span *s);
/* The same, but the record stays the caller's, who has set its state. */
static void heap_span_release(struct span *s);
/* Dies unless s is in use, belongs to owner and is of the class, as whoever took it off a list believes. */
static inline void heap_expect_span(const struct span *s, const struct cache *owner, uint8_t span_class,
                                    enum span_list list) {
    if (GOALLOC_UNLIKELY(span_state_of(s) != SPAN_IN_USE || s->span_class != span_class || s->list != list ||
                         __atomic_load_n(&s->owner, __ATOMIC_RELAXED) != owner))
        os_die("corrupted span list: class %u leads to the span at %p, of class %u, state %u, list %u", span_class,
               (void *)s->base, s->span_class, span_state_of(s), s->list);
}
static void heap_record_give(struct cache *c, struct span *s);

/* Backs the next huge page that the heap will grow into; a cache's wants_memory asks for it. One thread at a time. */
static void heap_back_ahead(void);

/* Gives want bytes of free memory back, or all there is: the pages that are on their way are nobody's meanwhile.
 * force: also from chunks that are nearly full. may_stop: when the collector takes too much of the CPU. Returns how
 * much. No lock of the heap is held. */
static size_t heap_release(size_t want_bytes, bool force, bool may_stop);

/* Backed, in use or free. */
static inline uint64_t heap_retained_bytes(void) {
    return (uint64_t)__atomic_load_n(&heap.pages.retained_pages, __ATOMIC_RELAXED) << GOALLOC_PAGE_SHIFT;
}

/* All memory that goalloc has, as the limit counts it. */
static inline uint64_t heap_mapped_bytes(void) {
    return heap_retained_bytes() + meta_committed_bytes();
}

static inline bool heap_release_held_back(void) {
    return heap.held_back != NULL && __atomic_load_n(heap.held_back, __ATOMIC_RELAXED) != 0;
}

/* The span in use that covers address, or NULL. Any address. */
static inline struct span *heap_span_of(uintptr_t address) {
    struct span *s = arena_span_of_huge(&heap.arenas, address);
    if (s == NULL || span_state_of(s) != SPAN_IN_USE)
        return NULL;
    return (address - s->base) >> GOALLOC_PAGE_SHIFT < s->npages ? s : NULL;
}

#endif
