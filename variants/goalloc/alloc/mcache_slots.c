/* SPDX-License-Identifier: MIT
 *
 * mcache_slots: windows over spans of equal slots. Tuned builds do not take slots of up to 512 B one by one: a window
 * covers the run of free slots up to the next one in use. Its slots count as allocated from the start, are zeroed and
 * get their pointer bits together, and are born black together while marking; an object then costs a comparison and an
 * addition (goalloc.h). Closing the window gives the rest of the run back, and the span stands as if every object had
 * been allocated on its own, as Go does it.
 */
#include "alloc/mcache.c"

static unsigned mcache_window_of(size_t room_bytes, bool noscan) {
    return span_class_make(gclass_of(room_bytes), noscan);
}

static bool mcache_windowed(uint8_t span_class) {
    return heap.tuned && gclass_size(span_class_size_class(span_class)) <= GOALLOC_WINDOW_MAX_BYTES;
}

static void mcache_settle(struct cache *c, uint8_t span_class) {
    struct goalloc_window *w = &c->windows[span_class];
    if (w->end == 0)
        return;
    struct span *s = c->alloc[span_class];
    unsigned rest = (unsigned)((w->end - w->next) / w->slot_bytes);
    mcache_count_window(c, span_class);
    if (rest != 0) {
        gc_run_returned(s, (unsigned)((w->next - s->base) / w->slot_bytes), rest, 1, w->slot_bytes);
        place_end_run(s, rest);
    }
    mcache_shut_window(w);
}

/* Lies address in what a thread may still hand out? */
static inline bool alloc_holds_back(const struct span *s, uintptr_t address) {
    const struct cache *c = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    if (c == NULL || s->elem_bytes == 0)
        return false;
    return mcache_window_covers(&c->windows[s->span_class], address);
}

/* False: out of memory. */
static bool mcache_open_window(struct cache *c, uint8_t span_class, uint64_t mask, uint32_t scan_bytes) {
    mcache_settle(c, span_class);
    unsigned count, first = place_take_run(c->alloc[span_class], &count);
    if (count == 0) {
        if (!cache_refill(c, span_class))
            return false;
        first = place_take_run(c->alloc[span_class], &count);
    }
    struct span *s = c->alloc[span_class];
    uintptr_t address = s->base + (uintptr_t)first * s->elem_bytes;
    if (!span_class_noscan(span_class)) {
        if (s->needzero)
            memset((void *)address, 0, (size_t)count * s->elem_bytes);
        else
            mcache_touch(address, (size_t)count * s->elem_bytes);
        mcache_set_bits_of(s, address, s->elem_bytes, count, mask);
    }
    gc_run_taken(s, first, count, 1, s->elem_bytes);
    mcache_show_window(c, span_class, address, s->elem_bytes, count, mask, scan_bytes);
    return true;
}

/* The next slot by way of the window. mask: where it holds pointers; scan_bytes: up to the last of them. 0: out of
 * memory. */
static uintptr_t mcache_take(struct cache *c, uint8_t span_class, uint64_t mask, uint32_t scan_bytes) {
    struct goalloc_window *w = &c->windows[span_class];
    if (w->next == w->end && !mcache_open_window(c, span_class, mask, scan_bytes))
        return 0;
    return mcache_from_window(c, span_class, c->alloc[span_class], mask, scan_bytes);
}
