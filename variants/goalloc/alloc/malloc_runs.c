/* SPDX-License-Identifier: MIT
 *
 * malloc_runs: small requests of list and linear placement. Sizes are rounded to 16 B, the alignment of any object from
 * 16 B on; in tiny builds requests of up to 8 B take half a 16 B block each, and the other half waits for the next such
 * request.
 */

/* Runs know no classes. */
static uint8_t alloc_class_for(size_t size_bytes) {
    (void)size_bytes;
    return span_class_make(RUN_CLASS, true);
}

static inline size_t run_round(size_t size_bytes) {
    return size_bytes == 0 ? RUN_UNIT_BYTES : run_round_up(size_bytes);
}

static uintptr_t run_take_or_refill(struct cache *c, size_t size_bytes, size_t align_bytes) {
    uintptr_t address = run_take(c, size_bytes, align_bytes);
    uint8_t span_class = run_class_for(size_bytes);
    /* A refill may bring too little for this request (a hole, another thread's leavings); a fresh run never does. */
    while (address == 0) {
        run_refilling(c, span_class);
        if (!cache_refill(c, span_class))
            return 0;
        address = run_take(c, size_bytes, align_bytes);
    }
    return address;
}

/* The thread's cache, or the locked one of threads that cannot have theirs. NULL: out of memory. */
static struct cache *run_cache(void) {
    struct cache *c = cache_attach();
    return c != NULL ? c : cache_shared_acquire();
}

static void run_cache_done(struct cache *c) {
    if (c != cache_self)
        cache_shared_release();
}

static __attribute__((noinline)) void *alloc_slow(size_t size_bytes, size_t align_bytes) {
    if (GOALLOC_UNLIKELY(os_thread_dies))
        return dying_alloc(size_bytes, align_bytes);
    /* Only now is it sure that the knobs have been read. */
    if (!heap_init())
        return alloc_failed();
    if (size_bytes + align_bytes - RUN_UNIT_BYTES > runs.largest_bytes) {
        struct span *s =
            alloc_large(cache_self, size_bytes, align_bytes > GOALLOC_PAGE_BYTES ? align_bytes : GOALLOC_PAGE_BYTES);
        return s != NULL ? (void *)span_base(s) : alloc_failed();
    }
    struct cache *c = run_cache();
    if (c == NULL)
        return alloc_failed();
    uintptr_t address = run_take_or_refill(c, run_round(size_bytes), align_bytes);
    run_cache_done(c);
    return address != 0 ? (void *)address : alloc_failed();
}

/* The lower half of a whole block; the other waits. */
static __attribute__((noinline)) uintptr_t run_take_first_half(struct cache *c) {
    uintptr_t address = run_take_fast(c, RUN_UNIT_BYTES);
    if (GOALLOC_UNLIKELY(address == 0) && (address = run_take_or_refill(c, RUN_UNIT_BYTES, RUN_UNIT_BYTES)) == 0)
        return 0;
    struct span *s = arena_span_of(&heap.arenas, address);
    run_set(run_starts(s), run_granule(s, address) + 1);
    c->pool.pending = address + RUN_GRANULE_BYTES;
    return address;
}

static inline uintptr_t run_take_half(struct cache *c) {
    uintptr_t address = c->pool.pending;
    if (address == 0)
        return run_take_first_half(c);
    struct span *s = arena_span_of(&heap.arenas, address);
    place_born(s, run_granule(s, address));
    c->pool.pending = 0;
    return address;
}

static __attribute__((noinline)) void *alloc_half_slow(void) {
    if (GOALLOC_UNLIKELY(os_thread_dies))
        return dying_alloc(RUN_GRANULE_BYTES, RUN_UNIT_BYTES);
    struct cache *c = run_cache();
    if (c == NULL)
        return alloc_failed();
    uintptr_t address = run_take_half(c);
    run_cache_done(c);
    return address != 0 ? (void *)address : alloc_failed();
}

static __attribute__((noinline)) void *alloc_half(void) {
    if (GOALLOC_UNLIKELY(cache_self == &cache_none))
        return alloc_half_slow();
    uintptr_t address = run_take_half(cache_self);
    return GOALLOC_LIKELY(address != 0) ? (void *)address : alloc_failed();
}

/* A size of 0, a half of a block, a request that no run serves. */
static __attribute__((noinline)) void *alloc_unusual(size_t size_bytes) {
    return AXIS_TINY && size_bytes <= RUN_GRANULE_BYTES ? alloc_half() : alloc_slow(size_bytes, RUN_UNIT_BYTES);
}

/* run_take_fast has found nothing. A thread without a cache asks no knob: another thread may be reading them. */
static __attribute__((noinline)) void *alloc_again(size_t size_bytes) {
    if (!RUN_NEEDS_CACHE && GOALLOC_UNLIKELY(cache_self == &cache_none)) /* else goalloc_malloc has looked */
        return alloc_slow(size_bytes, RUN_UNIT_BYTES);
    uintptr_t address = run_take(cache_self, run_round(size_bytes), RUN_UNIT_BYTES);
    return GOALLOC_LIKELY(address != 0) ? (void *)address : alloc_slow(size_bytes, RUN_UNIT_BYTES);
}

void *goalloc_malloc(size_t size_bytes) {
    enum { HALVES_BYTES = AXIS_TINY ? RUN_GRANULE_BYTES : 0 };
    if (GOALLOC_UNLIKELY(size_bytes - HALVES_BYTES - 1 >= HEAP_MAX_SMALL_BYTES - HALVES_BYTES)) /* 0 wraps around */
        return alloc_unusual(size_bytes);
    /* Who has a cache has seen the knobs; a request that is too large for a run finds no room and goes the slow way. */
    if (RUN_NEEDS_CACHE && GOALLOC_UNLIKELY(cache_self == &cache_none))
        return alloc_slow(size_bytes, RUN_UNIT_BYTES);
    size_t rounded_bytes = run_round_up(size_bytes);
    uintptr_t address = run_take_fast(cache_self, rounded_bytes);
    return GOALLOC_LIKELY(address != 0) ? (void *)address : alloc_again(size_bytes);
}

/* align_bytes is a power of two above a tiny granule. */
static void *alloc_aligned(size_t align_bytes, size_t size_bytes) {
    if (align_bytes <= RUN_UNIT_BYTES)
        return goalloc_malloc(size_bytes < align_bytes ? align_bytes : size_bytes);
    if (size_bytes > PTRDIFF_MAX - 2 * align_bytes)
        return alloc_failed();
    return alloc_slow(size_bytes, align_bytes);
}
