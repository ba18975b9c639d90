/* SPDX-License-Identifier: MIT
 *
 * mcache: what a thread of a traced build allocates from: one span per class (Go mcache.go). Accounts are settled when
 * a span comes or goes; what the collector is told is an upper bound in between.
 */
#include "alloc/mcentral.h"

#include <string.h>

/* Stands for "no span": full, of no slots. */
static struct span mcache_no_span;

static void mcache_live_add(int64_t bytes) {
    __atomic_fetch_add(&gc_account.live_bytes, (uint64_t)bytes, __ATOMIC_RELAXED);
}

/* A cycle counts anew, from what it has scanned, and goes by what there was when it began (Go mgcpacer.go:905). */
static void mcache_scan_flush(struct cache *c) {
    if (!goalloc_marking)
        __atomic_fetch_add(&gc_account.scan_bytes, c->scan_alloc_bytes, __ATOMIC_RELAXED);
    c->scan_alloc_bytes = 0;
}

static void mcache_tiny_flush(struct cache *c) {
    stats_add(&c->stats.tiny_allocs, c->tiny_allocs);
    c->tiny_allocs = 0;
}

/* Counts what was allocated from s while it was cached. */
static void mcache_count_used(struct cache *c, struct span *s) {
    unsigned used = (unsigned)(s->alloc_count - s->alloc_count_before_cache);
    if (PLACE_SLOTS) /* where objects have any size, each is counted */
        stats_add(&c->stats.small_allocs[span_class_size_class(s->span_class)], used);
    __atomic_fetch_add(&gc_account.total_alloc_bytes, (uint64_t)used * s->elem_bytes, __ATOMIC_RELAXED);
    s->alloc_count_before_cache = 0;
}

/* Writes `words` (1 to 64) pointer bits, of the words from address on: at most two words of the bitmap (Go
 * mbitmap.go:570-671). */
static inline void mcache_set_bits(const struct span *s, uintptr_t address, uint64_t mask, unsigned words) {
    unsigned first = (unsigned)((address - span_base(s)) / 8);
    uint64_t *bits = place_pointer_bits(s) + first / 64;
    unsigned shift = first % 64;
    uint64_t keep = words == 64 ? ~UINT64_C(0) : (UINT64_C(1) << words) - 1;
    /* Markers read the neighbours' bits meanwhile; nobody else writes. */
    place_store(&bits[0], (place_load(&bits[0]) & ~(keep << shift)) | (mask & keep) << shift);
    if (shift + words > 64)
        place_store(&bits[1], (place_load(&bits[1]) & ~(keep >> (64 - shift))) | (mask & keep) >> (64 - shift));
}

/* The same mask for count objects from address on. Objects of 8, 16, … words repeat within a word of the bitmap. */
static void mcache_set_bits_of(const struct span *s, uintptr_t address, size_t object_bytes, unsigned count, uint64_t mask) {
    unsigned words = (unsigned)(object_bytes / 8), together = 1;
    while (together * 2 * words <= 64 && together * 2 <= count) {
        mask |= mask << together * words;
        together *= 2;
    }
    for (; count >= together; count -= together, address += (uintptr_t)together * object_bytes)
        mcache_set_bits(s, address, mask, together * words);
    if (count > 0)
        mcache_set_bits(s, address, mask, count * words);
}

/* Memory that was never written is zero already, but must not be read first: the kernel would map its page of zeros,
 * and replace it at the first write, at the price of a second fault and of interrupting all processors. A store reads
 * what it overwrites. */
static void mcache_touch(uintptr_t address, size_t size_bytes) {
    for (uintptr_t at = address; at < address + size_bytes; at = (at | (OS_PAGE_BYTES - 1)) + 1)
        *(volatile uint64_t *)at = 0;
}

/* ---- windows: objects of one size that are ready to be handed out (goalloc.h). Which one serves a size, and where it gets
 * them from, is the placement's. */

/* Hooks of the gc layer: count objects count as allocated, the first at slot `first`, each `stride` slots behind the one
 * before, and some of the last are given back unused. */
static inline void gc_run_taken(struct span *s, unsigned first, unsigned count, unsigned stride, size_t object_bytes);
static inline void gc_run_returned(struct span *s, unsigned first, unsigned count, unsigned stride, size_t object_bytes);

static unsigned mcache_window_of(size_t room_bytes, bool noscan);

/* What was handed out of it counts as allocated. Returns how many. */
static uint64_t mcache_count_window(struct cache *c, unsigned window) {
    const struct goalloc_window *w = &c->windows[window];
    uint64_t objects = (w->next - c->window_states[window].first) / w->slot_bytes;
    c->scan_alloc_bytes += objects * c->window_states[window].scan_bytes;
    return objects;
}

/* A window opens by next, then end, and closes by end, then next: who looks sees the next of one with the end of another. */
static void mcache_show_window(struct cache *c, unsigned window, uintptr_t address, size_t object_bytes, unsigned count,
                               uint64_t mask, uint32_t scan_bytes) {
    struct goalloc_window *w = &c->windows[window];
    w->pointer_mask = mask;
    w->slot_bytes = object_bytes;
    c->window_states[window].first = address;
    c->window_states[window].scan_bytes = scan_bytes;
    __atomic_store_n(&w->next, address, __ATOMIC_RELAXED);
    __atomic_store_n(&w->end, address + (uintptr_t)count * object_bytes, __ATOMIC_RELEASE);
}

static void mcache_shut_window(struct goalloc_window *w) {
    __atomic_store_n(&w->end, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&w->next, 0, __ATOMIC_RELEASE);
}

/* Of another thread's, too. */
static inline bool mcache_window_covers(const struct goalloc_window *w, uintptr_t address) {
    uintptr_t next, end;
    do {
        next = __atomic_load_n(&w->next, __ATOMIC_ACQUIRE);
        end = __atomic_load_n(&w->end, __ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&w->next, __ATOMIC_RELAXED) != next);
    return address >= next && address < end;
}

/* The next object of an open window, in s. mask: where it holds pointers; scan_bytes: up to the last of them. */
static inline uintptr_t mcache_from_window(struct cache *c, unsigned window, const struct span *s, uint64_t mask,
                                           uint32_t scan_bytes) {
    struct goalloc_window *w = &c->windows[window];
    uintptr_t address = w->next;
    __atomic_store_n(&w->next, address + w->slot_bytes, __ATOMIC_RELAXED); /* others look (mcache_window_covers) */
    if (GOALLOC_UNLIKELY(w->pointer_mask != mask)) {
        mcache_set_bits(s, address, mask, (unsigned)w->slot_bytes / 8);
        c->scan_alloc_bytes += (uint64_t)scan_bytes - c->window_states[window].scan_bytes;
    }
    return address;
}

/* What the placement keeps open over the span in use is closed: the span stands as if every object had been allocated
 * on its own. */
static void mcache_settle(struct cache *c, uint8_t span_class);

static void mcache_settle_all(struct cache *c) {
    for (unsigned i = 0; i < SPAN_CLASSES; i++)
        mcache_settle(c, (uint8_t)i);
}

/* ---- spans in and out */

/* Refill has counted all of s as used. Of a span cached before this sweep nothing is in the account any more: marking
 * has counted anew. */
static void mcache_uncount_unused(const struct span *s) {
    if (__atomic_load_n(&s->sweepgen, __ATOMIC_RELAXED) != mcentral_sweepgen() + 1)
        mcache_live_add(-(int64_t)(s->nelems - s->alloc_count) * s->elem_bytes);
}

/* The span in use is full. Go mcache.go:146. */
static void mcache_give_full(struct cache *c, uint8_t span_class) {
    struct span *s = c->alloc[span_class];
    if (s == &mcache_no_span)
        return;
    uint32_t sweepgen = __atomic_load_n(&s->sweepgen, __ATOMIC_RELAXED);
    if (GOALLOC_UNLIKELY(place_has_room(s) || sweepgen != mcentral_sweepgen() + 3))
        os_die("corrupted cache: the span at %p is replaced with %u of %u slots in use, generation %u of %u",
               (void *)s->base, s->alloc_count, s->nelems, sweepgen, mcentral_sweepgen());
    c->alloc[span_class] = &mcache_no_span;
    mcache_uncount_unused(s);
    mcentral_uncache_span(c, s);
    mcache_count_used(c, s);
    if (span_class == SPAN_TINY_CLASS)
        mcache_tiny_flush(c);
}

static bool cache_refill(struct cache *c, uint8_t span_class) {
    if (!mcentral_prepare(c, span_class))
        return false;
    mcache_give_full(c, span_class);
    struct span *s = mcentral_cache_span(c, span_class);
    if (s == NULL)
        return false;
    __atomic_store_n(&s->sweepgen, mcentral_sweepgen() + 3, __ATOMIC_RELAXED);
    s->alloc_count_before_cache = s->alloc_count;
    c->alloc[span_class] = s;
    /* As if all its slots were used: the collector must not start late (Go mcache.go:222). */
    mcache_live_add((int64_t)s->npages * GOALLOC_PAGE_BYTES - (int64_t)s->alloc_count * s->elem_bytes);
    gc_charge(c, (size_t)s->npages * GOALLOC_PAGE_BYTES - (size_t)s->alloc_count * s->elem_bytes);
    mcache_scan_flush(c);
    return true;
}

/* Go mcache.go:235 allocLarge. The object's span is on the list of full ones from the start. NULL: out of memory. */
static struct span *mcache_large(struct cache *c, size_t npages, bool noscan) {
    uint8_t span_class = span_class_make(0, noscan);
    if (npages > heap.largest_pages)
        return NULL;
    sweep_deduct_credit(c, npages << GOALLOC_PAGE_SHIFT, npages);
    if (!sweep_done())
        sweep_reclaim(c, npages);
    /* A stop may have come by while sweeping, and made use of what was prepared. */
    if (!mcentral_prepare(c, span_class))
        return NULL;
    struct span *s = heap_span_alloc(c, npages, span_class, GOALLOC_PAGE_BYTES);
    if (s == NULL)
        return NULL;
    stats_add(&c->stats.large_alloc_bytes, npages << GOALLOC_PAGE_SHIFT);
    stats_add(&c->stats.large_allocs, 1);
    __atomic_fetch_add(&gc_account.total_alloc_bytes, npages << GOALLOC_PAGE_SHIFT, __ATOMIC_RELAXED);
    mcache_live_add((int64_t)(npages << GOALLOC_PAGE_SHIFT));
    gc_charge(c, npages << GOALLOC_PAGE_SHIFT);
    place_take_whole(s);
    mcentral_file(c, s, true);
    return s;
}

/* ---- flushing */

/* False: out of memory for the set it belongs in; the cache keeps it. */
static bool mcache_release_span(struct cache *c, uint8_t span_class) {
    struct span *s = c->alloc[span_class];
    if (s == &mcache_no_span)
        return true;
    mcache_settle(c, span_class);
    if (!mcentral_prepare(c, span_class))
        return false;
    c->alloc[span_class] = &mcache_no_span;
    mcache_count_used(c, s);
    mcache_uncount_unused(s);
    mcentral_uncache_span(c, s);
    return true;
}

/* Go mcache.go:295 releaseAll: the tiny block is dropped, too. */
static bool mcache_release_all(struct cache *c) {
    bool ok = true;
    for (unsigned i = 0; i < SPAN_CLASSES; i++)
        ok = mcache_release_span(c, (uint8_t)i) && ok;
    c->tiny = c->tiny_offset = 0;
    mcache_tiny_flush(c);
    mcache_scan_flush(c);
    return ok;
}

/* Before a cache serves in a new cycle (Go mcache.go:328). The cache's own thread, or the world is stopped. */
static void mcache_prepare_for_sweep(struct cache *c) {
    uint32_t sweepgen = mcentral_sweepgen();
    if (c->flush_gen == sweepgen)
        return;
    if (c->flush_gen != sweepgen - 2)
        os_die("a thread's cache was last flushed in generation %u, and the heap is in %u", c->flush_gen, sweepgen);
    if (!mcache_release_all(c))
        os_die("out of memory for the collector's sets of spans");
    c->flush_gen = sweepgen;
}

/* ---- beginning and leaving */

static void cache_open(struct cache *c) {
    for (unsigned i = 0; i < SPAN_CLASSES; i++)
        if (c->alloc[i] == NULL)
            c->alloc[i] = &mcache_no_span;
    c->front.least_noscan_bytes = AXIS_TINY ? 16 : 1;
    /* Without windows the entries lead to closed ones, and every request takes the long way. */
    for (size_t i = 0; i < GOALLOC_WINDOWS; i++) {
        size_t room_bytes = i == 0 ? 1 : i * 8 + heap.spare_bytes;
        c->front.scan[i] = &c->windows[mcache_window_of(room_bytes, false)];
        c->front.noscan[i] = &c->windows[mcache_window_of(room_bytes, true)];
    }
    /* Its last thread has left nothing to flush. */
    c->flush_gen = mcentral_sweepgen();
}

/* What finds no memory to be filed stays for the next thread that takes the record. */
static void cache_release_spans(struct cache *c) {
    mcache_release_all(c);
}
