/* SPDX-License-Identifier: MIT
 *
 * classic: one mark bit per object, beside the heap; every object found is queued and scanned on its own (Go 1.25.3's
 * default).
 */
#include "gc/mark.c"

static void marker_init(void) {
    mark_classes_init();
}

static bool marker_vector_runs(void) {
    return false;
}

static inline void marker_shade_inline(struct gc_work *w, uintptr_t page, uint8_t span_class, unsigned slot) {
    (void)w, (void)page, (void)span_class, (void)slot;
}

/* The page table cannot be stale: a span that is given back leaves it before its pages can serve again, and its page
 * loses its class before. */
static inline void marker_shade_on_page(struct gc_work *w, uint8_t span_class, uintptr_t address) {
    const struct mark_class *class = &mark_classes[span_class];
    unsigned offset = (unsigned)(address % GOALLOC_PAGE_BYTES),
             slot = (unsigned)((uint64_t)offset * class->magic >> 32);
    if (GOALLOC_UNLIKELY(slot >= class->nelems))
        return; /* the tail of the page */
    struct span *s = arena_span_of(&heap.arenas, address);
    uintptr_t base = mark_page_base(address) + (uintptr_t)slot * class->elem_bytes;
    if (mark_set(&place_mark_bits(s)[slot / 64], UINT64_C(1) << slot % 64) == 0) {
        mark_again(w, base, span_class_noscan(span_class));
        return;
    }
    mark_anew(base);
    mark_page(s);
    w->bytes_marked += class->elem_bytes;
    if (!span_class_noscan(span_class))
        work_push(w, base);
}

static void marker_shade_all(struct gc_work *w, uintptr_t *found, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        mark_address(w, found[i]);
}

static inline void marker_prefetch_span(uintptr_t item) {
    (void)item;
}

static void marker_scan_span(struct gc_work *w, uintptr_t item) {
    (void)w, (void)item;
}

static void marker_merge(struct span *s) {
    (void)s;
}

static inline void marker_prefetch_marks(const struct span *s) {
    __builtin_prefetch(place_mark_bits(s), 1);
}

static void marker_take_run(struct span *s, unsigned first, unsigned count) {
    mark_range(place_mark_bits(s), first, count, true);
}

static void marker_return_run(struct span *s, unsigned first, unsigned count) {
    mark_range(place_mark_bits(s), first, count, false);
}

static bool marker_is_marked(const struct span *s, unsigned slot) {
    return (__atomic_load_n(&place_mark_bits(s)[slot / 64], __ATOMIC_RELAXED) >> slot % 64 & 1) != 0;
}

#include "gc/cycle.c"
