/* SPDX-License-Identifier: MIT
 *
 * A collection cycle in which the test decides what is reachable: it marks objects by hand between cycle_begin and
 * cycle_end. Include unity_traced.h before this.
 */
#ifndef TESTS_CYCLE_H
#define TESTS_CYCLE_H

/* The world is at rest: finishes the sweep before, so that mark bits are clear. */
static inline void cycle_begin(void) {
    sweep_finish(cache_attach());
}

static inline void cycle_mark(const void *object) {
    struct span *s = heap_span_of((uintptr_t)object);
    int slot = s->elem_bytes == 0 ? 0 : place_slot_covering(s, (uintptr_t)object);
    assert_true(slot >= 0);
    s->mark_bits[slot / 64] |= UINT64_C(1) << slot % 64;
    struct arena *arena = arena_of(&heap.arenas, s->base);
    size_t page = (s->base >> GOALLOC_PAGE_SHIFT) % ARENA_PAGES;
    arena->page_marks[page / 8] |= (uint8_t)(1u << page % 8);
}

/* Forgets what earlier cycles marked pages for; before the first mark. */
static inline void cycle_clear_pages(void) {
    for (size_t i = 0; i < heap.arenas.count; i++)
        memset(heap.arenas.all[i]->page_marks, 0, sizeof heap.arenas.all[i]->page_marks);
}

/* What is not marked is garbage from now on; nothing is swept but what the calling thread has cached. */
static inline void cycle_end(void) {
    sweep_begin();
    mcache_prepare_for_sweep(cache_attach());
}

static inline void cycle_sweep_all(void) {
    while (sweep_one(cache_attach()) != SWEEP_NONE)
        continue;
}

#endif
