/* SPDX-License-Identifier: MIT
 *
 * mcache_slots: windows over spans of equal slots. Tuned builds do not take slots of up to 512 B one by one: a window
 * covers the run of free slots up to the next one in use. Its slots count as allocated from the start, are zeroed and
 * get their pointer bits together, and are born black together while marking; an object then costs a comparison and an
 * addition (goalloc.h). Closing the window gives the rest of the run back, and the span stands as if every object had
 * been allocated on its own, as Go does it.
 */
#include "alloc/mcache.c"

/* Hooks of the gc layer: these slots were taken as one run, and count of its last ones are given back unused. */
static inline void gc_run_taken(struct span *s, unsigned first, unsigned count);
static inline void gc_run_returned(struct span *s, unsigned first, unsigned count);

static bool mcache_windowed(uint8_t span_class) {
    return heap.tuned && gclass_size(span_class_size_class(span_class)) <= GOALLOC_WINDOW_MAX_BYTES;
}

/* The same mask for count slots from address on. Slots of 8, 16, … words repeat within a word of the bitmap. */
static void mcache_set_run_bits(const struct span *s, uintptr_t address, unsigned count, uint64_t mask) {
    unsigned words = s->elem_bytes / 8, together = 1;
    while (together * 2 * words <= 64 && together * 2 <= count) {
        mask |= mask << together * words;
        together *= 2;
    }
    for (; count >= together; count -= together, address += (uintptr_t)together * s->elem_bytes)
        mcache_set_bits(s, address, mask, together * words);
    if (count > 0)
        mcache_set_bits(s, address, mask, count * words);
}

static void mcache_settle(struct cache *c, uint8_t span_class) {
    struct goalloc_window *w = &c->windows[span_class];
    if (w->end == 0)
        return;
    struct span *s = c->alloc[span_class];
    unsigned rest = (unsigned)((w->end - w->next) / w->slot_bytes);
    c->scan_alloc_bytes +=
        (w->next - c->window_states[span_class].first) / w->slot_bytes * c->window_states[span_class].scan_bytes;
    if (rest != 0) {
        gc_run_returned(s, (unsigned)((w->next - s->base) / w->slot_bytes), rest);
        place_end_run(s, rest);
    }
    __atomic_store_n(&w->end, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&w->next, 0, __ATOMIC_RELEASE); /* see alloc_holds_back */
}

/* Lies address in what a thread may still hand out? */
static inline bool alloc_holds_back(const struct span *s, uintptr_t address) {
    const struct cache *c = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    if (c == NULL || s->elem_bytes == 0)
        return false;
    const struct goalloc_window *w = &c->windows[s->span_class];
    /* A window opens by next, then end, and closes by end, then next: the next of one with the end of another is seen. */
    uintptr_t next, end;
    do {
        next = __atomic_load_n(&w->next, __ATOMIC_ACQUIRE);
        end = __atomic_load_n(&w->end, __ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&w->next, __ATOMIC_RELAXED) != next);
    return address >= next && address < end;
}

/* Memory that was never written is zero already, but must not be read first: the kernel would map its page of zeros,
 * and replace it at the first write, at the price of a second fault and of interrupting all processors. A store reads
 * what it overwrites. */
static void mcache_touch(uintptr_t address, size_t size_bytes) {
    for (uintptr_t at = address; at < address + size_bytes; at = (at | (OS_PAGE_BYTES - 1)) + 1)
        *(volatile uint64_t *)at = 0;
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
        mcache_set_run_bits(s, address, count, mask);
    }
    gc_run_taken(s, first, count);
    struct goalloc_window *w = &c->windows[span_class];
    w->pointer_mask = mask;
    w->slot_bytes = s->elem_bytes;
    c->window_states[span_class].first = address;
    __atomic_store_n(&w->next, address, __ATOMIC_RELAXED);
    __atomic_store_n(&w->end, address + (uintptr_t)count * s->elem_bytes, __ATOMIC_RELEASE);
    c->window_states[span_class].scan_bytes = scan_bytes;
    return true;
}

/* The next slot by way of the window. mask: where it holds pointers; scan_bytes: up to the last of them. 0: out of
 * memory. */
static uintptr_t mcache_take(struct cache *c, uint8_t span_class, uint64_t mask, uint32_t scan_bytes) {
    struct goalloc_window *w = &c->windows[span_class];
    if (w->next == w->end && !mcache_open_window(c, span_class, mask, scan_bytes))
        return 0;
    uintptr_t address = w->next;
    __atomic_store_n(&w->next, address + w->slot_bytes, __ATOMIC_RELAXED); /* others look (alloc_holds_back) */
    if (GOALLOC_UNLIKELY(w->pointer_mask != mask)) {
        mcache_set_bits(c->alloc[span_class], address, mask, (unsigned)w->slot_bytes / 8);
        c->scan_alloc_bytes += (uint64_t)scan_bytes - c->window_states[span_class].scan_bytes;
    }
    return address;
}
