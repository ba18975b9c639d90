/* SPDX-License-Identifier: MIT */
#include "alloc/heap.h"
#include "alloc/cache.h"
#include "alloc/decay.h"
#include "alloc/tiny.h"

#include <string.h>

/* Which pages a span has is Go's decision in the faithful preset (and wherever a collector's layout rests on it). */
static void heap_class_pages_init(void) {
    for (unsigned i = 1; i < GOALLOC_SIZE_CLASSES; i++) {
        size_t pages = place_class_pages(i);
        while (PLACE_SLOTS && !AXIS_TRACED && heap.tuned && pages * 2 <= HEAP_TUNED_MAX_PAGES &&
               pages * GOALLOC_PAGE_BYTES / gclass_size(i) < HEAP_TUNED_MIN_SLOTS)
            pages *= 2;
        heap.class_pages[i] = (uint8_t)pages;
    }
}

static struct span *heap_record_take(struct cache *c) {
    if (c != NULL && c->records != NULL) {
        struct span *s = c->records;
        if (GOALLOC_UNLIKELY(!fixalloc_may_hold(&span_records, s)))
            os_die("corrupted list of unused span records: it leads to %p, where there is none", (void *)s);
        c->records = s->next;
        c->record_count--;
        return s;
    }
    return fixalloc_take(&span_records);
}

/* Unused records say so; one in use on a list of unused ones would serve two spans. */
static struct span *heap_unused_record(struct cache *c) {
    struct span *s = heap_record_take(c);
    if (GOALLOC_UNLIKELY(s != NULL && span_state_of(s) != SPAN_DEAD))
        os_die("corrupted list of unused span records: it leads to the span at %p, in use (state %u)", (void *)s->base,
               span_state_of(s));
    return s;
}

/* The links of a record overlap its first word when it lies in the fixalloc: its base, which is set again on reuse.
 */
static void heap_record_give(struct cache *c, struct span *s) {
    if (c != NULL && c->record_count < CACHE_SPAN_RECORDS) {
        s->next = c->records;
        c->records = s;
        c->record_count++;
        return;
    }
    fixalloc_give(&span_records, s);
}

enum { HEAP_GROW_BYTES = 4 << 20 };

/* ---- giving memory back */

static size_t heap_release(size_t want_bytes, bool force, bool may_stop) {
    size_t done_bytes = 0;
    while (done_bytes < want_bytes) {
        lock_acquire(&heap.release_lock);
        lock_acquire(&heap.lock);
        struct page_release r = page_release_begin(&heap.pages, want_bytes - done_bytes, force);
        lock_release(&heap.lock);
        bool released = r.npages != 0 && page_release_now(&heap.pages, r);
        if (r.npages != 0) {
            lock_acquire(&heap.lock);
            page_release_end(&heap.pages, r, released);
            lock_release(&heap.lock);
        }
        lock_release(&heap.release_lock);
        done_bytes += released ? r.npages << GOALLOC_PAGE_SHIFT : 0;
        if (r.npages == 0 || (may_stop && heap_release_held_back()))
            break;
    }
    return done_bytes;
}

/* What was allocated a moment ago takes memory: scavenged_bytes of it were with the OS, for grown_bytes the heap has
 * grown. Beyond the memory limit as much goes back, from anywhere; where the heap has had to grow beyond the
 * scavenger's goal, as much of the pages that were of no use for it (Go mheap.go:1318). */
static void heap_release_eagerly(size_t grown_bytes, size_t scavenged_bytes) {
    uint64_t limit_bytes = __atomic_load_n(&heap.limit_bytes, __ATOMIC_RELAXED);
    if (GOALLOC_LIKELY(grown_bytes == 0 && limit_bytes == UINT64_MAX))
        return;
    uint64_t goal_bytes = __atomic_load_n(&heap.retain_bytes, __ATOMIC_RELAXED), want_bytes = 0;
    bool force = false;
    if (GOALLOC_UNLIKELY(limit_bytes != UINT64_MAX) && !heap_release_held_back()) {
        uint64_t mapped_bytes = heap_mapped_bytes();
        force = mapped_bytes > limit_bytes;
        want_bytes = force ? mapped_bytes - limit_bytes : 0;
    }
    if (GOALLOC_UNLIKELY(goal_bytes != UINT64_MAX && grown_bytes != 0)) {
        uint64_t soon_bytes = heap_retained_bytes() - scavenged_bytes + grown_bytes;
        uint64_t over_bytes = soon_bytes > goal_bytes ? soon_bytes - goal_bytes : 0;
        over_bytes = over_bytes < grown_bytes ? over_bytes : grown_bytes;
        want_bytes = over_bytes > want_bytes ? over_bytes : want_bytes;
    }
    if (GOALLOC_LIKELY(want_bytes == 0))
        return;
    __atomic_fetch_add(&heap.released_eagerly_bytes, heap_release(want_bytes, force, true), __ATOMIC_RELAXED);
}

/* Hands [base, base + size) from reserved to the page allocator. */
static bool heap_make_ready(uintptr_t base, size_t size_bytes) {
    if (size_bytes == 0)
        return true;
    if (!os_commit((void *)base, size_bytes))
        return false;
    if (!page_grow(&heap.pages, base, size_bytes))
        return false;
    heap.grown_bytes += size_bytes;
    if (heap.huge_pages && (heap.arenas.count > 1 || base % ARENA_BYTES >= HEAP_SMALL_BYTES)) {
        page_prefer_huge(&heap.pages, base, size_bytes);
        if (base != heap.ahead_end)
            __atomic_store_n(&heap.ahead_next, base, __ATOMIC_RELAXED);
        __atomic_store_n(&heap.ahead_end, base + size_bytes, __ATOMIC_RELAXED);
    }
    return true;
}

static void heap_back_ahead(void) {
    uintptr_t next = __atomic_load_n(&heap.ahead_next, __ATOMIC_RELAXED);
    uintptr_t end = __atomic_load_n(&heap.ahead_end, __ATOMIC_RELAXED), after = (next | (HEAP_HUGE_BYTES - 1)) + 1;
    if (next >= end)
        return;
    after = after < end ? after : end;
    os_populate((void *)next, after - next);
    /* In vain if the heap has gone on elsewhere meanwhile. */
    __atomic_compare_exchange_n(&heap.ahead_next, &next, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Pages below end have been handed out. A fault on a huge page takes milliseconds, in which its thread cannot stop; so
 * the next one is asked for before this one is used up. c NULL: for a large object, of which nobody may ever touch
 * most; the heap goes on behind it. Heap lock held. */
static void heap_look_ahead(struct cache *c, uintptr_t end) {
    if (!AXIS_COLLECTS || !heap.huge_pages || end > heap.ahead_end)
        return;
    uintptr_t next = __atomic_load_n(&heap.ahead_next, __ATOMIC_RELAXED);
    if (end + HEAP_AHEAD_BYTES <= next)
        return;
    if (end > next) { /* nobody was in time */
        uintptr_t after = ((end - 1) | (HEAP_HUGE_BYTES - 1)) + 1;
        next = after < heap.ahead_end ? after : heap.ahead_end;
        __atomic_store_n(&heap.ahead_next, next, __ATOMIC_RELAXED);
    }
    if (c == NULL)
        return;
    if (next == heap.ahead_end && heap.grow_base == heap.ahead_end &&
        heap.grow_end - heap.grow_base >= HEAP_GROW_BYTES && heap_make_ready(heap.grow_base, HEAP_GROW_BYTES))
        heap.grow_base += HEAP_GROW_BYTES;
    size_t left_bytes = heap.ahead_end - next;
    size_t next_bytes = left_bytes < HEAP_HUGE_BYTES ? left_bytes : HEAP_HUGE_BYTES;
    if (next_bytes == 0 || !page_will_back(&heap.pages, next, next_bytes))
        return;
    c->wants_memory = true;
    cache_want_gc(c);
}

/* Go mheap.go:1547 grow: in 4 MiB steps inside the current reservation; a new reservation when that is used up, its
 * rest given to the page allocator unless the new one continues it. Heap lock held. */
static bool heap_grow(size_t npages) {
    size_t ask_bytes = ((npages << GOALLOC_PAGE_SHIFT) + HEAP_GROW_BYTES - 1) & ~((size_t)HEAP_GROW_BYTES - 1);
    if (ask_bytes > heap.grow_end - heap.grow_base) {
        size_t got_bytes;
        uintptr_t base = arena_reserve(&heap.arenas, ask_bytes, &got_bytes);
        if (base == 0)
            return false;
        if (base != heap.grow_end) {
            if (!heap_make_ready(heap.grow_base, heap.grow_end - heap.grow_base)) {
                arena_unreserve(&heap.arenas, base, got_bytes);
                return false;
            }
            heap.grow_base = base;
        }
        heap.grow_end = base + got_bytes;
    }
    if (!heap_make_ready(heap.grow_base, ask_bytes))
        return false;
    heap.grow_base += ask_bytes;
    return true;
}

static uintptr_t heap_pages_locked(size_t npages, size_t align_bytes, size_t *scavenged_bytes) {
    if (align_bytes > GOALLOC_PAGE_BYTES)
        return page_alloc_aligned(&heap.pages, npages, align_bytes, scavenged_bytes);
    return page_alloc(&heap.pages, npages, scavenged_bytes);
}

/* *grown_bytes: by how much the heap had to grow. */
static uintptr_t heap_pages(struct cache *c, size_t npages, size_t align_bytes, size_t *scavenged_bytes,
                            size_t *grown_bytes) {
    uintptr_t base = 0, end = 0;
    bool cached = c != NULL && npages < HEAP_CACHED_PAGES_LIMIT && align_bytes <= GOALLOC_PAGE_BYTES;
    if (cached && c->pages.free != 0)
        base = page_cache_alloc(&c->pages, npages, scavenged_bytes);
    if (base != 0)
        return base;
    lock_acquire(&heap.lock);
    if (cached && c->pages.free == 0) {
        c->pages = page_cache_take(&heap.pages);
        end = c->pages.base + (PAGE_CACHE_PAGES << GOALLOC_PAGE_SHIFT);
        base = page_cache_alloc(&c->pages, npages, scavenged_bytes);
    }
    if (base == 0)
        base = heap_pages_locked(npages, align_bytes, scavenged_bytes);
    if (base == 0) {
        size_t more = align_bytes > GOALLOC_PAGE_BYTES ? align_bytes >> GOALLOC_PAGE_SHIFT : 0;
        size_t before_bytes = heap.grown_bytes;
        if (heap_grow(npages + more))
            base = heap_pages_locked(npages, align_bytes, scavenged_bytes);
        *grown_bytes = heap.grown_bytes - before_bytes;
    }
    if (base + (npages << GOALLOC_PAGE_SHIFT) > end)
        end = base + (npages << GOALLOC_PAGE_SHIFT);
    if (base != 0)
        heap_look_ahead(cached ? c : NULL, end);
    lock_release(&heap.lock);
    return base;
}

static void heap_page_in_use(uintptr_t base, bool in_use) {
    struct arena *arena = arena_of(&heap.arenas, base);
    size_t page = (base >> GOALLOC_PAGE_SHIFT) % ARENA_PAGES;
    uint8_t bit = (uint8_t)(1u << page % 8);
    if (in_use)
        __atomic_fetch_or(&arena->page_in_use[page / 8], bit, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&arena->page_in_use[page / 8], (uint8_t)~bit, __ATOMIC_RELAXED);
}

/* 0: a large object. Runs count in granules. */
static uint32_t heap_slot_bytes(uint8_t span_class) {
    unsigned size_class = span_class_size_class(span_class);
    if (size_class == 0)
        return 0;
    if (!PLACE_SLOTS)
        return PLACE_GRANULE_BYTES;
    return tiny_class(span_class) ? TINY_GRANULE_BYTES : (uint32_t)gclass_size(size_class);
}

static unsigned heap_slots(const struct span *s, size_t span_bytes) {
    if (s->elem_bytes == 0)
        return 1;
    if (!PLACE_SLOTS)
        return (unsigned)(span_bytes / s->elem_bytes);
    return span_objects(span_bytes, s->elem_bytes, AXIS_TRACED && !span_class_noscan(s->span_class),
                        AXIS_INLINE_MARKS != 0);
}

static bool heap_span_setup(struct cache *c, struct span *s, uintptr_t base, size_t npages, uint8_t span_class) {
    unsigned size_class = span_class_size_class(span_class);
    s->npages = (uint32_t)npages;
    /* Another thread may still have a pointer to the record's former span. It reads the class and the slot size (central_has),
     * and noticed_at, which lies in the place of freeindex. */
    __atomic_store_n(&s->span_class, span_class, __ATOMIC_RELAXED);
    __atomic_store_n(&s->elem_bytes, heap_slot_bytes(span_class), __ATOMIC_RELAXED);
    s->nelems = heap_slots(s, npages << GOALLOC_PAGE_SHIFT);
    s->frees_until_event = SPAN_NEVER;
    __atomic_store_n(&s->freeindex, 0, __ATOMIC_RELAXED);
    s->free_index_for_scan = 0;
    s->alloc_count = 0;
    __atomic_store_n(&s->sweepgen, __atomic_load_n(&heap.sweepgen, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    s->list = SPAN_ON_NONE;
    s->next = s->prev = NULL;
    s->large_type = NULL;
    /* Owned before it is in use: an unowned span whose slots are all free would be taken for a dead one. */
    __atomic_store_n(&s->owner, size_class == 0 ? NULL : c, __ATOMIC_RELAXED);
    s->base = base;
    if (size_class == 0 && !AXIS_TRACED) {
        s->exact_slots = 0;
        span_set_free_bits(s, s->inline_free);
        place_store(&s->inline_free[0], 0);
        return true;
    }
    return place_span_init(s);
}

/* Each page says what it is; where it has marks, they are zero. */
static void heap_pages_begin(const struct span *s) {
    for (size_t i = 0; i < s->npages; i++) {
        uintptr_t page = s->base + (i << GOALLOC_PAGE_SHIFT);
        if (span_class_inline_marked(s->span_class) && s->needzero)
            memset((void *)(page + GOALLOC_PAGE_BYTES - INLINE_MARKS_BYTES), 0, INLINE_MARKS_BYTES);
        arena_set_page_class(&heap.arenas, page, s->span_class);
    }
}

/* Publishes a span that has been set up. Where threads free into spans of others, a late notice for the record's former
 * span must not meet the change halfway (central_has). */
static void heap_span_enter(struct span *s) {
    struct lock *lock = !AXIS_TRACED && s->elem_bytes != 0 ? heap_central_lock(s->span_class) : NULL;
    if (lock != NULL)
        lock_acquire(lock);
    __atomic_store_n(&s->state, SPAN_IN_USE, __ATOMIC_RELEASE);
    if (lock != NULL)
        lock_release(lock);
}

/* Could the machine ever back so much? An alignment counts: the pages that it skips are grown into, too. */
static bool heap_may_ask_for(size_t npages, size_t align_bytes) {
    size_t align_pages = align_bytes > GOALLOC_PAGE_BYTES ? align_bytes >> GOALLOC_PAGE_SHIFT : 0;
    return npages <= heap.largest_pages && align_pages <= heap.largest_pages - npages;
}

static struct span *heap_span_alloc(struct cache *c, size_t npages, uint8_t span_class, size_t align_bytes) {
    if (!heap_may_ask_for(npages, align_bytes))
        return NULL;
    struct span *s = heap_unused_record(c);
    if (s == NULL)
        return NULL;
    size_t scavenged_bytes = 0, grown_bytes = 0;
    uintptr_t base = heap_pages(c, npages, align_bytes, &scavenged_bytes, &grown_bytes);
    if (base == 0) {
        heap_record_give(c, s);
        return NULL;
    }
    if (AXIS_COLLECTS)
        heap_release_eagerly(grown_bytes, scavenged_bytes);
    if (!heap_span_setup(c, s, base, npages, span_class)) {
        /* A late notice to the record's former owner must not take it for one of c's spans. */
        __atomic_store_n(&s->owner, NULL, __ATOMIC_RELAXED);
        lock_acquire(&heap.lock);
        page_free(&heap.pages, base, npages);
        lock_release(&heap.lock);
        heap_record_give(c, s);
        return NULL;
    }
    /* Memory that was given back to the OS reads as zero again, though the watermark has passed it. */
    bool released = heap.tuned && scavenged_bytes == npages << GOALLOC_PAGE_SHIFT;
    s->needzero = arena_needs_zero(&heap.arenas, base, npages) && !released;
    arena_set_spans(&heap.arenas, base, npages, s);
    if (span_class_on_page(span_class, PLACE_SLOTS))
        heap_pages_begin(s);
    heap_page_in_use(base, true);
    __atomic_fetch_add(&heap.pages_in_use, npages, __ATOMIC_RELAXED);
    heap_span_enter(s);
    return s;
}

/* The page table, the record and the pages in use must agree before any of them is changed. A huge object is entered at
 * its first pages only (ARENA_HUGE_PAGES). */
static void heap_expect_release(const struct span *s) {
    uintptr_t base = s->base, last = base + (((uintptr_t)s->npages - 1) << GOALLOC_PAGE_SHIFT);
    if (base % GOALLOC_PAGE_BYTES != 0 || s->npages == 0 || last < base)
        os_die("corrupted span record: %u pages at %p", s->npages, (void *)base);
    if (arena_span_of(&heap.arenas, base) != s ||
        (s->npages < ARENA_HUGE_PAGES && arena_span_of(&heap.arenas, last) != s))
        os_die("corrupted span record: the page table knows another span at %p, or not all of its %u pages",
               (void *)base, s->npages);
    const struct arena *arena = arena_of(&heap.arenas, base);
    size_t page = (base >> GOALLOC_PAGE_SHIFT) % ARENA_PAGES;
    if ((__atomic_load_n(&arena->page_in_use[page / 8], __ATOMIC_RELAXED) >> page % 8 & 1) == 0)
        os_die("corrupted page bitmap: the span at %p is given back and not in use", (void *)base);
}

/* Everything but the pages, the record and its state, which says already that the span is out of use. */
static void heap_span_leave(struct span *s) {
    uintptr_t base = span_base(s);
    size_t npages = s->npages;
    heap_expect_release(s);
    for (size_t i = 0; span_class_on_page(s->span_class, PLACE_SLOTS) && i < npages; i++)
        arena_set_page_class(&heap.arenas, base + (i << GOALLOC_PAGE_SHIFT), 0);
    arena_set_spans(&heap.arenas, base, npages, NULL);
    heap_page_in_use(base, false);
    __atomic_fetch_sub(&heap.pages_in_use, npages, __ATOMIC_RELAXED);
    __atomic_store_n(&s->owner, NULL, __ATOMIC_RELAXED);
    if (s->elem_bytes != 0 || AXIS_TRACED)
        place_span_fini(s);
}

static void heap_span_release(struct span *s) {
    uintptr_t base = span_base(s);
    size_t npages = s->npages;
    heap_span_leave(s);
    decay_give_pages(base, npages);
}

static void heap_span_free(struct cache *c, struct span *s) {
    __atomic_store_n(&s->state, SPAN_DEAD, __ATOMIC_RELEASE);
    heap_span_release(s);
    heap_record_give(c, s);
}

static void heap_span_free_emptied(struct cache *c, struct span *s) {
    __atomic_store_n(&s->state, SPAN_DEAD, __ATOMIC_RELEASE);
    heap_span_leave(s);
    lock_acquire(&heap.lock);
    page_free_released(&heap.pages, s->base, s->npages);
    lock_release(&heap.lock);
    heap_record_give(c, s);
}
