/* SPDX-License-Identifier: MIT
 *
 * mcache_runs: a thread of a traced build and its runs, one in use of each kind. Objects are taken one by one; tuned builds
 * take those of up to 512 B by windows, one for each size, with pointers and without: as many objects of the size as the
 * thread has lately used up, of 1 KiB together at most. They count as allocated from the start, as mcache_slots.c has it.
 */
#include "alloc/mcache.c"

/* Sizes are multiples of 16 B. */
enum { RUN_WINDOW_SIZES = GOALLOC_WINDOW_MAX_BYTES / RUN_UNIT_BYTES + 2 }; /* and what a spare byte makes of the largest */
_Static_assert(RUN_WINDOW_SIZES * 2 <= SPAN_CLASSES, "a window for each size");

static unsigned mcache_window_of(size_t room_bytes, bool noscan) {
    return span_class_make((unsigned)(run_round_up(room_bytes) / RUN_UNIT_BYTES), noscan);
}

static bool mcache_windowed(size_t rounded_bytes) {
    return run_windows && rounded_bytes <= GOALLOC_WINDOW_MAX_BYTES;
}

/* What is left of it goes back. Of the size's next window: as many as were used, or twice as many where all were. */
static void mcache_close_window(struct cache *c, unsigned window, struct span *s) {
    struct goalloc_window *w = &c->windows[window];
    if (w->end == 0)
        return;
    unsigned rest = (unsigned)((w->end - w->next) / w->slot_bytes), granules = (unsigned)(w->slot_bytes / PLACE_GRANULE_BYTES);
    uint64_t used = mcache_count_window(c, window);
    stats_add(&c->stats.small_allocs[RUN_SMALL_CLASS], used);
    c->window_states[window].objects = (uint32_t)(rest == 0 ? 2 * used : used);
    uintptr_t address = w->next;
    mcache_shut_window(w);
    if (rest == 0)
        return;
    gc_run_returned(s, run_granule(s, address), rest, granules, (size_t)granules * PLACE_GRANULE_BYTES);
    run_return(&c->pool, s, address, granules, rest);
}

static void mcache_settle(struct cache *c, uint8_t span_class) {
    struct span *s = c->alloc[span_class];
    if (s == &mcache_no_span)
        return;
    bool noscan = span_class_noscan(span_class);
    if (span_class_size_class(span_class) == RUN_SMALL_CLASS)
        for (unsigned i = 1; i < RUN_WINDOW_SIZES; i++)
            mcache_close_window(c, span_class_make(i, noscan), s);
    run_settle(&c->pool, s);
}

static struct span *place_span_of(uintptr_t address) {
    return heap_span_of(address);
}

/* Lies address in what a thread may still hand out? */
static inline bool alloc_holds_back(const struct span *s, uintptr_t address) {
    const struct cache *c = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    if (c == NULL || s->elem_bytes == 0 || !run_is_small(s))
        return false;
    for (unsigned i = 1; i < RUN_WINDOW_SIZES; i++)
        if (mcache_window_covers(&c->windows[span_class_make(i, span_class_noscan(s->span_class))], address))
            return true;
    return false;
}

/* Takes another run in use. The room left in the old one was too small, so no thread takes that before it has been swept
 * again. False: out of memory. */
static bool mcache_next_run(struct cache *c, uint8_t span_class) {
    struct span *s = c->alloc[span_class];
    mcache_settle(c, span_class);
    if (s != &mcache_no_span)
        place_set_freeindex(s, s->nelems);
    return cache_refill(c, span_class);
}

/* So many granules; *span is where they lie. 0: out of memory. */
static uintptr_t mcache_take(struct cache *c, uint8_t span_class, unsigned granules, struct span **span) {
    do {
        struct span *s = *span = c->alloc[span_class];
        uintptr_t address = GOALLOC_LIKELY(s != &mcache_no_span) ? run_take(&c->pool, s, granules) : 0;
        if (GOALLOC_LIKELY(address != 0)) {
            uint64_t *count = &c->stats.small_allocs[span_class_size_class(span_class)];
            __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED); /* the thread's own */
            return address;
        }
    } while (mcache_next_run(c, span_class));
    return 0;
}

/* Zero, with pointer bits in place. */
static void mcache_fill(struct span *s, uintptr_t address, unsigned granules, unsigned count, uint64_t mask) {
    size_t size_bytes = (size_t)granules * PLACE_GRANULE_BYTES;
    memset((void *)address, 0, run_dirty_bytes(s, count * size_bytes));
    if (!s->needzero)
        mcache_touch(address, count * size_bytes);
    mcache_set_bits_of(s, address, size_bytes, count, mask);
}

/* False: out of memory. */
static __attribute__((noinline)) bool mcache_open_window(struct cache *c, unsigned window, uint8_t span_class, unsigned granules,
                                                         uint64_t mask, uint32_t scan_bytes) {
    mcache_close_window(c, window, c->alloc[span_class]);
    unsigned most = c->window_states[window].objects, count = 0;
    most = most * granules > RUN_WINDOW_GRANULES ? RUN_WINDOW_GRANULES / granules : most == 0 ? 1 : most;
    struct span *s;
    uintptr_t address;
    do {
        s = c->alloc[span_class];
        address = s != &mcache_no_span ? run_reserve(&c->pool, s, granules, most, &count) : 0;
    } while (address == 0 && mcache_next_run(c, span_class));
    if (address == 0)
        return false;
    if (!span_class_noscan(span_class))
        mcache_fill(s, address, granules, count, mask);
    run_publish(s, run_granule(s, address), granules, count);
    os_publication_fence();
    gc_run_taken(s, run_granule(s, address), count, granules, (size_t)granules * PLACE_GRANULE_BYTES);
    mcache_show_window(c, window, address, (size_t)granules * PLACE_GRANULE_BYTES, count, mask, scan_bytes);
    return true;
}

/* The next object of its size by way of the window. mask: where it holds pointers; scan_bytes: up to the last of them. 0: out
 * of memory. */
static inline uintptr_t mcache_take_windowed(struct cache *c, size_t rounded_bytes, bool noscan, uint64_t mask,
                                             uint32_t scan_bytes) {
    unsigned granules = (unsigned)(rounded_bytes / PLACE_GRANULE_BYTES), window = span_class_make(granules, noscan);
    uint8_t span_class = span_class_make(RUN_SMALL_CLASS, noscan);
    const struct goalloc_window *w = &c->windows[window];
    if (w->next == w->end && !mcache_open_window(c, window, span_class, granules, mask, scan_bytes))
        return 0;
    return mcache_from_window(c, window, c->alloc[span_class], mask, scan_bytes);
}
