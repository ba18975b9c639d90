/* SPDX-License-Identifier: MIT
 *
 * classic: one mark bit per object, beside the heap; every object found is queued and scanned on its own (Go 1.25.3's
 * default).
 */
#include "gc/mark.c"

static void marker_init(void) {}

static inline void marker_shade_inline(struct gc_work *w, uintptr_t page, uint8_t span_class, unsigned slot) {
    (void)w, (void)page, (void)span_class, (void)slot;
}

static inline bool marker_shade_address(struct gc_work *w, uintptr_t address) {
    (void)w, (void)address;
    return false;
}

static void marker_scan_span(struct gc_work *w, uintptr_t item) {
    (void)w, (void)item;
}

static void marker_merge(struct span *s) {
    (void)s;
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
