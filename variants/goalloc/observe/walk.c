/* SPDX-License-Identifier: MIT
 *
 * walk: every run of pages of the heap, by address: spans from the page table, free pages from the page allocator's
 * bitmaps, and what threads have set aside from their page caches.
 */
#include "alloc/cache.h"
#include "goalloc.h"

/* One word of the bitmaps, and what one page cache covers. */
enum { WALK_BLOCK_PAGES = PAGE_CACHE_PAGES };

/* 64 aligned pages that no span has, one bit each. */
struct walk_block {
    uint64_t free, cached;
    uint64_t released; /* of either */
};

/* Other threads take from their page caches without a lock; what they do meanwhile may be missed. */
__attribute__((no_sanitize("thread"))) static void walk_add_cached(struct walk_block *block, uintptr_t base) {
    for (struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all) {
        if (c->pages.base != base || c->pages.free == 0)
            continue;
        uint64_t cached = c->pages.free & ~block->free;
        block->cached |= cached;
        block->released |= c->pages.scavenged & cached;
    }
}

/* The block that begins at base. A chunk whose summary is 0 has no free page, and its bitmaps need not be there. */
static struct walk_block walk_block_at(uintptr_t base) {
    const struct page_heap *ph = &heap.pages;
    struct walk_block block = {0, 0, 0};
    size_t page = page_index(ph, base), chunk = page / PAGE_CHUNK_PAGES;
    if (base >= ph->range_base && chunk < ph->chunk_count && page_chunk_summary(ph, chunk) != 0) {
        size_t word = page % PAGE_CHUNK_PAGES / WALK_BLOCK_PAGES;
        block.free = ~ph->chunks[chunk].in_use[word];
        block.released = ph->chunks[chunk].released[word] & block.free;
    }
    walk_add_cached(&block, base);
    return block;
}

static unsigned walk_ones(uint64_t mask, unsigned from) {
    uint64_t others = ~(mask >> from);
    return others == 0 ? WALK_BLOCK_PAGES : (unsigned)__builtin_ctzll(others);
}

/* The bits of a block that continue a run of this kind. */
static uint64_t walk_mask(const struct walk_block *block, enum goalloc_run_kind kind, bool released) {
    uint64_t pages = kind == GOALLOC_RUN_CACHED ? block->cached : block->free;
    return released ? pages & block->released : pages & ~block->released;
}

/* The run of free or cached pages that begins at page of the arena. npages is 0 when that page is neither: it is on its
 * way into or out of a span, or the heap has yet to grow there. */
static struct goalloc_run walk_free_run(const struct arena *arena, size_t page) {
    unsigned from = page % WALK_BLOCK_PAGES;
    struct walk_block block = walk_block_at(arena->base + ((page - from) << GOALLOC_PAGE_SHIFT));
    struct goalloc_run run = {.base = arena->base + (page << GOALLOC_PAGE_SHIFT)};
    bool released = (block.released >> from & 1) != 0;
    if ((block.free >> from & 1) != 0) {
        run.kind = released ? GOALLOC_RUN_RELEASED : GOALLOC_RUN_FREE;
    } else if ((block.cached >> from & 1) != 0) {
        run.kind = GOALLOC_RUN_CACHED;
        run.released = released;
    } else {
        return run;
    }
    for (;;) {
        unsigned ones = walk_ones(walk_mask(&block, run.kind, released), from);
        if (ones > WALK_BLOCK_PAGES - from)
            ones = WALK_BLOCK_PAGES - from;
        run.npages += ones;
        if (from + ones < WALK_BLOCK_PAGES || page + run.npages >= ARENA_PAGES)
            return run;
        from = 0;
        block = walk_block_at(run.base + (run.npages << GOALLOC_PAGE_SHIFT));
    }
}

/* What of a span nobody can be given though it is free; the owner may be allocating meanwhile. */
__attribute__((no_sanitize("thread"))) static uint64_t walk_dead_bytes(struct span *s) {
    struct cache *owner = AXIS_TRACED ? NULL : __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    uintptr_t pending = owner == NULL ? 0 : PLACE_SLOTS ? owner->tiny : place_pending(&owner->pool);
    if (tiny_class(s->span_class))
        return tiny_dead_bytes(s, pending);
    struct place_window *w = owner == NULL ? NULL : &owner->current[s->span_class];
    return place_dead_bytes(s, w != NULL && w->span == s ? w : NULL, pending);
}

/* npages is 0 when the record changed hands while it was read: other threads free and allocate meanwhile. */
static struct goalloc_run walk_span_run(struct span *s, uintptr_t address) {
    struct goalloc_run run = {.kind = GOALLOC_RUN_SPAN,
                              .noscan = span_class_noscan(s->span_class),
                              .span_class = s->span_class,
                              .base = span_base(s),
                              .npages = s->npages,
                              .slot_bytes = span_object_bytes(s),
                              .slots = s->nelems};
    if (s->elem_bytes == 0) {
        run.kind = GOALLOC_RUN_LARGE;
        run.span_class = 0;
        run.used_slots = run.slots;
        run.used_bytes = run.slot_bytes;
    } else {
        run.used_bytes = place_used_bytes(s);
        run.dead_bytes = run.used_bytes != 0 ? walk_dead_bytes(s) : 0;
        run.slot_bytes = PLACE_SLOTS ? run.slot_bytes : 0;
        run.used_slots = PLACE_SLOTS ? run.used_bytes / s->elem_bytes : place_used_slots(s);
        run.slots = PLACE_SLOTS ? run.slots : run.used_slots;
    }
    if (run.base != address || run.slots * run.slot_bytes > run.npages << GOALLOC_PAGE_SHIFT)
        run.npages = 0;
    return run;
}

/* The in-use bit stands at a span's first page only. */
static struct span *walk_span_at(const struct arena *arena, size_t page) {
    if ((__atomic_load_n(&arena->page_in_use[page / 8], __ATOMIC_RELAXED) >> page % 8 & 1) == 0)
        return NULL;
    struct span *s = __atomic_load_n(&arena->spans[page], __ATOMIC_ACQUIRE);
    return s != NULL && span_state_of(s) == SPAN_IN_USE ? s : NULL;
}

/* How many pages from this one on are certainly of no run. */
static size_t walk_gap(const struct arena *arena, size_t page) {
    uintptr_t at = arena->base + (page << GOALLOC_PAGE_SHIFT);
    if (at >= heap.grow_base && at < heap.grow_end)
        return (heap.grow_end - at) >> GOALLOC_PAGE_SHIFT;
    return 1;
}

/* Visits the runs that begin in the arena at or behind address; returns where the last one ends, which may lie behind
 * the arena. */
static uintptr_t walk_arena(const struct arena *arena, uintptr_t address,
                            void (*visit)(void *, const struct goalloc_run *), void *context) {
    size_t page = address <= arena->base ? 0 : (address - arena->base) >> GOALLOC_PAGE_SHIFT;
    while (page < ARENA_PAGES) {
        struct span *s = walk_span_at(arena, page);
        struct goalloc_run run =
            s != NULL ? walk_span_run(s, arena->base + (page << GOALLOC_PAGE_SHIFT)) : walk_free_run(arena, page);
        if (run.npages == 0) {
            page += walk_gap(arena, page);
            continue;
        }
        run.size_bytes = run.npages << GOALLOC_PAGE_SHIFT;
        visit(context, &run);
        page += run.npages;
    }
    return arena->base + (page << GOALLOC_PAGE_SHIFT);
}

/* Heap lock held. */
static void walk_runs(void (*visit)(void *, const struct goalloc_run *), void *context) {
    uintptr_t at = 0;
    for (size_t i = 0; i < heap.arenas.count; i++)
        at = walk_arena(heap.arenas.all[i], at, visit, context);
}

int goalloc_walk(void (*visit)(void *context, const struct goalloc_run *run), void *context) {
    if (!heap_init())
        return -1;
    struct cache *c = front_rest_begin();
    lock_acquire(&heap.lock);
    walk_runs(visit, context);
    lock_release(&heap.lock);
    front_rest_end(c);
    return 0;
}
