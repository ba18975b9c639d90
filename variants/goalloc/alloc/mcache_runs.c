/* SPDX-License-Identifier: MIT
 *
 * mcache_runs: a thread of a traced build and its runs, one in use of each kind. Objects are taken one by one.
 */
#include "alloc/mcache.c"

static void mcache_settle(struct cache *c, uint8_t span_class) {
    struct span *s = c->alloc[span_class];
    if (s != &mcache_no_span)
        run_settle(&c->pool, s);
}

static struct span *place_span_of(uintptr_t address) {
    return heap_span_of(address);
}

/* Nothing is held back between one request and the next. */
static inline bool alloc_holds_back(const struct span *s, uintptr_t address) {
    (void)s, (void)address;
    return false;
}

/* So many granules; *span is where they lie. 0: out of memory. */
static uintptr_t mcache_take(struct cache *c, uint8_t span_class, unsigned granules, struct span **span) {
    for (;;) {
        struct span *s = *span = c->alloc[span_class];
        uintptr_t address = GOALLOC_LIKELY(s != &mcache_no_span) ? run_take(&c->pool, s, granules) : 0;
        if (GOALLOC_LIKELY(address != 0)) {
            uint64_t *count = &c->stats.small_allocs[span_class_size_class(span_class)];
            __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED); /* the thread's own */
            return address;
        }
        /* Whatever room is left was too small: nobody else is to try before the run has been swept again. */
        mcache_settle(c, span_class);
        if (s != &mcache_no_span)
            place_set_freeindex(s, s->nelems);
        if (!cache_refill(c, span_class))
            return 0;
    }
}
