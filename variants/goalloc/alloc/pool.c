/* SPDX-License-Identifier: MIT
 *
 * pool: what a thread keeps under list placement: all its runs on one list, their free blocks in its pool. Others look
 * at neither, so an idle owner's runs wait until it comes by; what others freed in them is merged then.
 */
#include "alloc/cache.h"

#include <string.h>

enum { RUN_NEEDS_CACHE = 1 }; /* the shortest way asks the knobs, which another thread may be reading just now */

static inline struct place_pool *place_pool_of(const struct span *s) {
    struct cache *owner = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    return owner != NULL ? &owner->pool : NULL;
}

static inline struct place_pool *list_pool_of(struct cache *c) {
    return &c->pool;
}

static inline struct span *place_span_of(uintptr_t address) {
    return arena_span_of(&heap.arenas, address);
}

static void cache_open(struct cache *c) {
    memset(&c->pool, 0, sizeof c->pool);
}

static void cache_unlink(struct cache *c, struct span *s) {
    span_list_remove(&c->partial[s->span_class], s);
    if (s->list == SPAN_ON_EMPTY)
        c->empty_pages_total -= s->npages;
    s->list = SPAN_ON_NONE;
    s->frees_until_event = SPAN_NEVER;
}

static void cache_link(struct cache *c, struct span *s) {
    span_list_push(&c->partial[s->span_class], s);
    s->list = SPAN_ON_PARTIAL;
}

/* Deferred coalescing: what waits on quick lists coalesces now. False: nothing did. */
static bool pool_coalesce_all(struct fit_pool *pool) {
    bool any = false;
    for (unsigned units = 1; list.deferred && units <= LIST_EXACT_BINS; units++) {
        unsigned slot;
        for (struct span *s; (s = quick_take(pool, units, &slot)) != NULL; any = true)
            list_coalesce(pool, s, slot, slot + units * LIST_UNIT_GRANULES);
    }
    return any;
}

/* Gives up the dead half that would be handed out next, so that it can join its other half. */
static void pool_drop_pending(struct place_pool *pool) {
    uintptr_t half = pool->pending;
    struct span *s = heap_span_of(half);
    pool->pending = 0;
    list_release(pool, s, run_granule(s, half));
}

/* The last object of a run has died. The page heap gets the run back; tuned builds keep a few. A run that
 * stays counts one object too many, so that it does not come here again. */
static void cache_settle_locked(struct cache *c, struct span *s) {
    /* One more stays without having come here: the newest. */
    if (heap.tuned && c->empty_pages_total + 2 * s->npages <= CACHE_EMPTY_PAGES) {
        c->empty_pages_total += s->npages;
        s->list = SPAN_ON_EMPTY;
        span_count(s, 1);
        return;
    }
    if (c->pool.pending - s->base < runs.bytes)
        pool_drop_pending(&c->pool);
    if (place_room(s) != PLACE_ALL_ROOM)
        pool_coalesce_all(&c->pool.fit);
    list_leave_run(&c->pool.fit, s);
    cache_unlink(c, s);
    heap_span_free(c, s);
}

static void cache_settle(struct cache *c, struct span *s) {
    cache_lock_lists(c);
    cache_settle_locked(c, s);
    cache_unlock_lists(c);
}

static void cache_account(struct cache *c, struct span *s, unsigned n) {
    if (n > 0 && span_count(s, -(int32_t)n) == 0)
        cache_settle_locked(c, s);
}

/* A thread that allocates and frees in turn must not take a run and give it back each time: the newest run stays. */
static void cache_keep(struct cache *c, struct span *s) {
    struct span *before = c->pool.fit.kept;
    c->pool.fit.kept = s;
    span_count(s, 1);
    if (before != NULL && span_count(before, -1) == 0)
        cache_settle_locked(c, before);
}

static bool cache_parked_and_freed_by_others(struct span *s) {
    (void)s;
    return false;
}

/* Gives the pool blocks that it did not have; they need not fit the request yet. */
static bool cache_refill_locked(struct cache *c, uint8_t span_class) {
    if (__atomic_load_n(&c->inbox, __ATOMIC_RELAXED) != NULL) {
        cache_drain_inbox(c);
        return true;
    }
    if (quick_is_much(&c->pool.fit) && pool_coalesce_all(&c->pool.fit))
        return true;
    struct span *s = central_adopt(c, span_class);
    bool adopted = s != NULL;
    if (!adopted)
        s = heap_span_alloc(c, heap.class_pages[RUN_CLASS], span_class, GOALLOC_PAGE_BYTES);
    if (s == NULL)
        return pool_coalesce_all(&c->pool.fit);
    place_expect_layout(s, &runs.bits);
    if (adopted)
        run_expect_sound(s);
    cache_link(c, s);
    list_enter_run(&c->pool.fit, s);
    if (heap.tuned)
        cache_keep(c, s);
    cache_account(c, s, place_merge_remote(s));
    return true;
}

static bool cache_refill(struct cache *c, uint8_t span_class) {
    cache_lock_lists(c);
    bool ok = cache_refill_locked(c, span_class);
    cache_unlock_lists(c);
    return ok;
}

static void cache_release_spans(struct cache *c) {
    if (c->pool.pending != 0)
        pool_drop_pending(&c->pool);
    pool_coalesce_all(&c->pool.fit);
    uint8_t span_class = span_class_make(RUN_CLASS, true);
    while (c->partial[span_class] != NULL) {
        struct span *s = c->partial[span_class];
        list_leave_run(&c->pool.fit, s);
        cache_unlink(c, s);
        central_release(c, s);
    }
}

/* ---- what malloc_runs.c asks for */

/* Any fit, any alignment. */
static __attribute__((noinline)) uintptr_t pool_take(struct cache *c, size_t size_bytes, size_t align_bytes) {
    struct fit_pool *fit = &c->pool.fit;
    unsigned slot;
    struct span *s;
    if (list.deferred && align_bytes == RUN_UNIT_BYTES &&
        (s = quick_take(fit, (unsigned)(size_bytes / RUN_UNIT_BYTES), &slot)) != NULL) {
        place_born(s, slot);
        return run_address(s, slot);
    }
    size_t room_bytes = size_bytes + align_bytes - RUN_UNIT_BYTES; /* blocks begin at multiples of a unit */
    uintptr_t block = list_find(fit, (unsigned)(room_bytes / RUN_UNIT_BYTES));
    if (GOALLOC_UNLIKELY(block == 0))
        return 0;
    s = place_span_of(block);
    slot = run_granule(s, block);
    if (GOALLOC_UNLIKELY(s->list == SPAN_ON_EMPTY)) {
        s->list = SPAN_ON_PARTIAL;
        c->empty_pages_total -= s->npages;
        span_count(s, -1);
    }
    span_count(s, 1);
    uintptr_t address = (block + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1);
    return list_carve(fit, s, slot, run_granule(s, address) - slot, (unsigned)(size_bytes / RUN_GRANULE_BYTES));
}

static inline __attribute__((always_inline)) uintptr_t run_take_fast(struct cache *c, size_t size_bytes) {
    size_t units = size_bytes / RUN_UNIT_BYTES;
    if (GOALLOC_LIKELY(list.deferred))
        return quick_take_near(&c->pool.fit, units);
    if (list.plain)
        return list_take_near(&c->pool.fit, units);
    return list.ordered ? order_take_near(&c->pool.fit, (unsigned)units) : 0;
}

static uintptr_t run_take(struct cache *c, size_t size_bytes, size_t align_bytes) {
    return pool_take(c, size_bytes, align_bytes);
}

static uint8_t run_class_for(size_t size_bytes) {
    (void)size_bytes;
    return span_class_make(RUN_CLASS, true);
}

static void run_refilling(struct cache *c, uint8_t span_class) {
    (void)c, (void)span_class;
}
